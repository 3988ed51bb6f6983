/* Text in lines of a width, for every help that is printed. */
#ifndef EAI_CONFIG_WRAP_H
#define EAI_CONFIG_WRAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

/* Columns that the first n bytes take: their characters, not their bytes. */
size_t wrap__columns(const char *text, size_t n);

/* The words of `text` in lines that end before column `width`, all but the first line indented; the
 * first one stands behind `indent` columns that are there already. A word that is too long for any
 * line is cut behind its commas, and stands out where it has none. Ends with a line end. */
void wrap__line(eai_strbuf *b, const char *text, size_t indent, size_t width);

/* Paragraphs, divided by empty lines, each wrapped anew whatever its lines are in the source. A
 * line that begins with a blank or has two in a row is laid out by hand, and left as it is.
 * Indented and ended as wrap__line() does. */
void wrap__paragraphs(eai_strbuf *b, const char *text, size_t indent, size_t width);

/* One paragraph or line of `text`: *out and *n are what it is, in which line ends count as blanks
 * unless *by_hand. Returns where the next one begins, NULL behind the last; *gap tells whether an
 * empty line is between them. */
const char *wrap__next(const char *text, size_t *n, bool *by_hand, bool *gap);

#endif
