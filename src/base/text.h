/* Text that may be shown: what errors and log lines have in common. */
#ifndef EAI_BASE_TEXT_H
#define EAI_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Replaces control characters, C0 and DEL as well as C1 (U+0080 to U+009F: c2 80 .. c2 9f, which
 * some terminals obey), so that a message is one line of harmless text. */
void text__clean(char *s);

/* Ends a text that did not fit into its `size` bytes with "...", not in the middle of a UTF-8
 * character. */
void text__mark_cut(char *s, size_t size);

/* "98.4 MB"; returns buf. */
char *text__bytes(char *buf, size_t n, uint64_t bytes);

#endif
