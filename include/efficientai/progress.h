/* One line of progress with rate and remaining time.
 *
 * Use:
 *     eai_progress *p = eai_progress_create(ctx->progress, ctx->progress_is_terminal, "train",
 * "step", 200); for (...) eai_progress_update(p, step, "loss %.3f  %4.0f tokens/s", loss, rate);
 *     eai_progress_finish(p, "loss %.3f", loss);            // NULL: nothing to add; frees it
 *
 * On a terminal the line is redrawn, at most ten times a second:
 *     train  [########----------]  84/200 step  loss 0.812  412 tokens/s  1 min 10 s left
 * Elsewhere (a file, CI) plain lines appear: the first, then one every ten seconds, then the last.
 * A progress that could not be allocated is NULL, and every function then does nothing: showing
 * progress is never a reason to fail. Not thread-safe. */
#ifndef EAI_PROGRESS_H
#define EAI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_progress eai_progress;

/* `label` and `unit` are copied. total 0: the end is unknown. unit "B": counts are bytes. */
EAI_API eai_progress *eai_progress_create(FILE *out, bool live, const char *label, const char *unit,
                                          uint64_t total);

/* `done` units are finished; fmt (may be NULL) describes where we are. The line has a rate, "3.8
 * row/s", unless that tells one ("412 tokens/s"). */
EAI_API void eai_progress_update(eai_progress *p, uint64_t done, const char *fmt, ...)
    EAI_PRINTF(3, 4);

/* A line of its own that stays, above the progress line. */
EAI_API void eai_progress_note(eai_progress *p, const char *fmt, ...) EAI_PRINTF(2, 3);

/* The last line, with the time it took in place of the time left, and a line end; frees p. */
EAI_API void eai_progress_finish(eai_progress *p, const char *fmt, ...) EAI_PRINTF(2, 3);

/* Leaves the line as it is, ends it and frees p: for the way out after an error. NULL is fine. */
EAI_API void eai_progress_abandon(eai_progress *p);

#ifdef __cplusplus
}
#endif
#endif
