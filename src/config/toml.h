/* Shared by toml.c (structure) and toml_values.c (texts, numbers, dates). */
#ifndef EAI_CONFIG_TOML_H
#define EAI_CONFIG_TOML_H

#include "config/document_internal.h"

/* The text that is left, and where that is. */
typedef struct toml_text {
    eai_document *d;
    const char *p, *end;
    document_place at;
} toml_text;

/* Moves on over n bytes of one line. */
void toml__skip(toml_text *in, size_t n);
/* Tabs and spaces. */
void toml__skip_blanks(toml_text *in);
/* Moves over the character if it is the next one. */
bool toml__take(toml_text *in, char c);
/* Moves over LF or CR LF if one is next. */
bool toml__take_line_end(toml_text *in);
/* From '#' up to the line's end; a control character in it is an error. */
eai_status toml__skip_comment(toml_text *in);
/* "'x' where WANTED should be" */
eai_status toml__unexpected(toml_text *in, const char *wanted);

/* A text in quotes of any kind; of several lines where `lines` allows it. */
eai_status toml__read_quoted(toml_text *in, eai_value *v, bool lines);
/* A text, number, date, true or false. */
eai_status toml__read_scalar(toml_text *in, eai_value *v);

#endif
