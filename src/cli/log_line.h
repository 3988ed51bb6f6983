/* One line of a log file, from its bytes; shared by the reader and its fuzz target. */
#ifndef EAI_CLI_LOG_LINE_H
#define EAI_CLI_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include <efficientai/log_search.h>

typedef struct log_line {
    eai_log_line line;
    eai_log_field fields[EAI_LOG_FIELDS_MAX];
    json_t *root; /* owns the texts */
} log_line;

/* n bytes without the line's end, text[n] a NUL. False when it is no line of a log; `text` is
 * changed (control characters become '?') and must outlive the line. */
bool log_line__parse(log_line *out, char *text, size_t n);
void log_line__deinit(log_line *l); /* one of zeros is fine */

/* "2026-11-22T23:37[:58[.5]][Z]" and the like; false for anything else. */
bool log_time__parse_iso(double *out, const char *text);

#endif
