/* For those who write to the same terminal as the log: a line that is redrawn, such as progress.
 *
 *     static void redraw(void *ud) { ... fputs of the line as it was last shown ... }
 *     log__lock();
 *     ... write the line, without an end ...
 *     log__set_live(out, redraw, p);                       // it stands there now
 *     log__unlock();
 *
 * A log line on the same stream then erases it, is written, and calls redraw, which must write and
 * do nothing else. The last line that was set is the one; a stream has one cursor. */
#ifndef EAI_BASE_LOG_H
#define EAI_BASE_LOG_H

#include <stdio.h>

#include <efficientai/log.h>

/* Back to the first column, and the rest of the line empty. */
#define LOG_ERASE_LINE "\r\033[K"

/* Colours of levels in text: 1 always, 0 never, -1 where the stream is a terminal that has them. */
void log__set_color(int wanted);

/* Between these two nobody else writes a log line. Not recursive. */
void log__lock(void);
void log__unlock(void);

/* Both with the lock held. log__clear_live forgets the line if it is still the one of `ud`. */
void log__set_live(FILE *out, void (*redraw)(void *ud), void *ud);
void log__clear_live(const void *ud);

#endif
