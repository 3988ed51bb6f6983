/* Which lines of a log are wanted: level, time, run, module, field, and a pattern on the text.
 *
 * The cheap questions come first. The pattern is the user's own, but the line is not: matching is
 * bounded in steps, and a pattern that exceeds them is told rather than passed over. Start at
 * eai_log_matches. */
#include <efficientai/log_search.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/log_internal.h"
#include "cli/log_line.h"

#include "base/banned.h"

#define STEPS_MAX    1000000 /* of matching one line */
#define LENGTH_MAX   1000    /* of a pattern that is quoted in a message */
#define DAY          86400.0
#define DURATION_MAX (3650 * DAY)

struct eai_log_matcher {
    eai_log_query query;
    pcre2_general_context *memory;
    pcre2_match_context *matching;
    pcre2_code *code; /* NULL: any text */
    pcre2_match_data *match;
    char *body; /* EAI_LOG_READ_MAX bytes for the text of a line */
};

static void *pcre_alloc(size_t n, void *ud)
{
    (void)ud;
    return eai_alloc(n);
}

static void pcre_free(void *p, void *ud)
{
    (void)ud;
    eai_free(p);
}

/* ---- Times ----------------------------------------------------------------------------------- */

/* A number and its unit; *end is behind them. False for anything else. */
static bool take_duration(double *seconds, const char *text, const char **end)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"min", 60}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", DAY}, {"w", 7 * DAY}};
    char *rest;
    if (*text < '0' || *text > '9')
        return false;
    double n = strtod(text, &rest);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t length = strlen(units[i].unit);
        if (strncmp(rest, units[i].unit, length) != 0)
            continue;
        *seconds = n * units[i].seconds;
        *end = rest + length;
        return isfinite(n) && *seconds <= DURATION_MAX;
    }
    return false;
}

eai_status eai_log_parse_duration(double *seconds, const char *text, const char *what,
                                  eai_error *err)
{
    const char *end;
    if (take_duration(seconds, text, &end) && *end == '\0')
        return EAI_OK;
    *seconds = 0;
    return eai_error_set(err, EAI_ERR_USAGE,
                         "%s: '%s' is not a length of time such as 90s, 30m, 2h, 7d, 1w", what,
                         text);
}

eai_status eai_log_parse_time(double *out, const char *text, double now, const char *what,
                              eai_error *err)
{
    const char *end;
    double before;
    double today = floor(now / DAY) * DAY;
    if (strcmp(text, "now") == 0)
        *out = now;
    else if (strcmp(text, "today") == 0)
        *out = today;
    else if (strcmp(text, "yesterday") == 0)
        *out = today - DAY;
    else if (take_duration(&before, text, &end) && (!*end || strcmp(end, " ago") == 0))
        *out = now - before;
    else if (!log_time__parse_iso(out, text))
        return eai_error_set(err, EAI_ERR_USAGE,
                             "%s: '%s' is not a time such as 2026-11-22T23:37:58Z, 2026-11-22, "
                             "2h, 7d, yesterday",
                             what, text);
    return EAI_OK;
}

/* ---- The matcher ----------------------------------------------------------------------------- */

static eai_status compile_pattern(eai_log_matcher *m, eai_error *err)
{
    int code = PCRE2_ERROR_HEAP_FAILED;
    PCRE2_SIZE offset = 0;
    PCRE2_UCHAR reason[120] = "";
    const char *pattern = m->query.pattern;
    m->memory = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    m->matching = m->memory ? pcre2_match_context_create(m->memory) : NULL;
    pcre2_compile_context *compiling = m->memory ? pcre2_compile_context_create(m->memory) : NULL;
    if (m->matching && compiling)
        m->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &code, &offset, compiling);
    m->match = m->code ? pcre2_match_data_create_from_pattern(m->code, m->memory) : NULL;
    m->body = m->match ? eai_alloc(EAI_LOG_READ_MAX) : NULL;
    pcre2_compile_context_free(compiling);
    if (m->body) {
        pcre2_set_match_limit(m->matching, STEPS_MAX);
        return EAI_OK;
    }
    if (m->code || code == PCRE2_ERROR_HEAP_FAILED)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the pattern");
    pcre2_get_error_message(code, reason, sizeof(reason));
    return eai_error_set(err, EAI_ERR_USAGE,
                         "the pattern '%.200s' is no regular expression: %s at character %zu",
                         pattern, (const char *)reason, offset + 1);
}

eai_status eai_log_matcher_create(eai_log_matcher **out, const eai_log_query *query, eai_error *err)
{
    *out = NULL;
    if (query->pattern && strlen(query->pattern) > LENGTH_MAX)
        return eai_error_set(err, EAI_ERR_USAGE, "the pattern has %zu bytes, %d are allowed",
                             strlen(query->pattern), LENGTH_MAX);
    eai_log_matcher *m = eai_alloc_zeroed(1, sizeof(*m));
    if (!m)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the query");
    m->query = *query;
    eai_status st = query->pattern ? compile_pattern(m, err) : EAI_OK;
    if (st == EAI_OK)
        *out = m;
    else
        eai_log_matcher_free(m);
    return st;
}

void eai_log_matcher_free(eai_log_matcher *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->match);
    pcre2_code_free(m->code);
    pcre2_match_context_free(m->matching);
    pcre2_general_context_free(m->memory);
    eai_free(m->body);
    eai_free(m);
}

size_t eai_log_line_body(char *out, const eai_log_line *line)
{
    const eai_log_record r = {.module = line->module,
                              .message = line->message,
                              .fields = line->fields,
                              .n_fields = line->n_fields};
    return log__format_body(out, EAI_LOG_READ_MAX, &r);
}

/* Is the value what a user would write for it? Numbers are compared as numbers. */
static bool has_value(const eai_log_field *f, const char *text)
{
    char *end;
    switch (f->kind) {
    case EAI_LOG_BOOLEAN:
        return strcmp(text, f->integer ? "true" : "false") == 0;
    case EAI_LOG_STRING:
        return strcmp(text, f->text ? f->text : "null") == 0;
    case EAI_LOG_INTEGER:
        errno = 0;
        long long n = strtoll(text, &end, 10);
        return *text && !*end && errno == 0 && n == f->integer;
    default:
        return *text && strtod(text, &end) == f->real && !*end;
    }
}

static bool has_field(const eai_log_line *line, const char *wanted)
{
    size_t n = strcspn(wanted, "=");
    for (size_t i = 0; i < line->n_fields; i++) {
        const eai_log_field *f = &line->fields[i];
        if (strncmp(f->key, wanted, n) == 0 && f->key[n] == '\0')
            return wanted[n] == '\0' || has_value(f, wanted + n + 1);
    }
    return false;
}

eai_status eai_log_matches(bool *out, const eai_log_matcher *m, const eai_log_line *line,
                           eai_error *err)
{
    const eai_log_query *q = &m->query;
    *out = (!q->has_level || line->level <= q->level) &&
           (!q->has_since || line->seconds >= q->since) &&
           (!q->has_until || line->seconds <= q->until) &&
           (!q->run || strncmp(line->run, q->run, strlen(q->run)) == 0) &&
           (!q->module || strcmp(line->module, q->module) == 0) &&
           (!q->field || has_field(line, q->field));
    if (!*out || !m->code)
        return EAI_OK;
    size_t n = eai_log_line_body(m->body, line);
    int code = pcre2_match(m->code, (PCRE2_SPTR)m->body, n, 0, 0, m->match, m->matching);
    *out = code > 0;
    if (code == PCRE2_ERROR_NOMATCH || code > 0)
        return EAI_OK;
    if (code == PCRE2_ERROR_NOMEMORY)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the pattern");
    return eai_error_set(err, EAI_ERR_LIMIT, "the pattern '%.200s' takes too long on a line",
                         q->pattern);
}
