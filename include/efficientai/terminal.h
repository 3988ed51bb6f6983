/* What there is to know about the terminal, and tables of text.
 *
 * Use:
 *     if (eai_terminal_is_live(stderr)) ...                  // a person watches
 *     eai_table *t = eai_table_create(3, "name|size>|state"); // '>' after a title: right-aligned
 *     eai_table_row(t, (const char *[]){"smollm2", "98 MB", "in the cache"});
 *     st = eai_table_print(t, stdout, err);
 *     eai_table_free(t);
 *
 * Thread-safety: distinct tables may be used from distinct threads. */
#ifndef EAI_TERMINAL_H
#define EAI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Columns of the terminal that `f` goes to; else $COLUMNS; else 80. Between 40 and 200. */
EAI_API int eai_terminal_width(FILE *f);

/* True when `f` is a terminal on which lines can be redrawn (TERM is not "dumb", CI is not set). */
EAI_API bool eai_terminal_is_live(FILE *f);

/* When colours are used, for the whole process: "auto" (where they may be), "always" or "never".
 * False for another word, which changes nothing. Not while other threads print. */
EAI_API bool eai_terminal_set_color(const char *when);

/* True when colours may be used on `f`: in the mode auto when it is live and NO_COLOR is not set.
 */
EAI_API bool eai_terminal_has_color(FILE *f);

/* True when the locale ($LC_ALL, $LC_CTYPE, $LANG: the first that is set) is one of UTF-8. */
EAI_API bool eai_terminal_is_utf8(void);

/* "98.4 MB" (powers of 1000), "1.5 GB", "512 B" into buf; returns buf. */
EAI_API char *eai_format_bytes(char *buf, size_t n, uint64_t bytes);
/* "7 s", "3 min 05 s", "2 h 10 min" into buf; returns buf. Negative or not finite: "?". */
EAI_API char *eai_format_duration(char *buf, size_t n, double seconds);

/* Columns that this UTF-8 text takes, one a character (combining marks and wide characters are not
 * told apart). */
EAI_API size_t eai_text_columns(const char *text);

/* Prints paragraphs, divided by empty lines, in lines of at most `width` columns (0: as they are),
 * whatever lines they have in the source; `indent` columns are there already, and stand before each
 * further line. A line that begins with a blank or has two in a row is left as it is, and so is all
 * of the text when memory runs out. Ends with a line end. */
EAI_API void eai_text_print(FILE *out, const char *text, int indent, int width);

typedef struct eai_table eai_table;

/* A table of n_columns with titles separated by '|'. NULL on failure; all functions accept NULL and
 * eai_table_print then returns EAI_ERR_NOMEM. */
EAI_API eai_table *eai_table_create(size_t n_columns, const char *titles);
/* Appends a row; copies the n_columns texts (NULL: empty). */
EAI_API void eai_table_row(eai_table *t, const char *const *cells);
/* Prints titles, a rule and the rows, two blanks between columns. The last column is wrapped where
 * the table is wider than the terminal (or $COLUMNS), and there is some room for it; elsewhere each
 * row is one line. Fails when memory ran out before. */
EAI_API EAI_CHECKED eai_status eai_table_print(const eai_table *t, FILE *out, eai_error *err);
EAI_API void eai_table_free(eai_table *t);

#ifdef __cplusplus
}
#endif
#endif
