/* Fuzz target: a line of a log file, behind a first line that is a field to look for and also a
 * time as a user writes it. What is accepted has its members, and nothing that a terminal obeys. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "cli/log_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_FIELD 64

static void check_text(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f))
            abort();
    }
}

static void check_line(const eai_log_line *l, const char *field)
{
    eai_error err = EAI_ERROR_INIT;
    eai_log_matcher *m = NULL;
    const eai_log_query query = {.field = field};
    char *body = eai_alloc(EAI_LOG_READ_MAX);
    bool matches;
    if (!isfinite(l->seconds) || l->level > EAI_LOG_TRACE || l->n_fields > EAI_LOG_FIELDS_MAX)
        abort();
    check_text(l->text);
    check_text(l->time);
    check_text(l->run);
    for (size_t i = 0; i < l->n_fields; i++)
        check_text(l->fields[i].key);
    size_t n = body ? eai_log_line_body(body, l) : 0;
    if (n == 0 || n != strlen(body))
        abort();
    check_text(body);
    if (eai_log_matcher_create(&m, &query, &err) != EAI_OK ||
        eai_log_matches(&matches, m, l, &err) != EAI_OK)
        abort();
    eai_log_matcher_free(m);
    eai_free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char field[MAX_FIELD + 1];
    double time = 0;
    log_line line;
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t n_field = newline ? (size_t)(newline - data) : 0;

    if (!newline || n_field > MAX_FIELD || size - n_field - 1 > EAI_LOG_READ_MAX)
        return -1;
    memcpy(field, data, n_field);
    field[n_field] = '\0';
    if (eai_log_parse_time(&time, field, 1e9, "time", NULL) == EAI_OK && !isfinite(time))
        abort();
    size_t n = size - n_field - 1;
    char *text = malloc(n + 1);
    if (!text)
        return 0;
    memcpy(text, newline + 1, n);
    text[n] = '\0';
    if (log_line__parse(&line, text, n))
        check_line(&line.line, field);
    else if (line.root)
        abort();
    log_line__deinit(&line);
    free(text);
    return 0;
}
