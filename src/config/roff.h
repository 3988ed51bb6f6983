/* Text in the language of manual pages, roff with the macros of man(7). */
#ifndef EAI_CONFIG_ROFF_H
#define EAI_CONFIG_ROFF_H

#include "base/strbuf.h"

/* `text` with nothing in it that roff would take for a command: backslashes, quotes, minus signs,
 * which stay those that a shell reads. Line ends become blanks. For a part of a line. */
void roff__piece(eai_strbuf *b, const char *text);

/* The first n bytes as lines of their own, filled, with a line end at the end; none of them begins
 * with a dot or a quote. */
void roff__lines(eai_strbuf *b, const char *text, size_t n);

/* Paragraphs as wrap.h has them; what is laid out by hand keeps its lines. */
void roff__paragraphs(eai_strbuf *b, const char *text);

#endif
