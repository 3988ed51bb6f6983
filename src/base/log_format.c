/* A record as one line: for people, or as a JSON object.
 *
 * Lines are made in memory of the caller's, because a log that allocates says nothing when memory
 * is out, which is when it is wanted. A field that does not fit is left out whole, so that a line
 * of JSON is always complete. Start at log__format_json. */
#include "base/log_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/strbuf.h"

#include "base/banned.h"

/* The line so far; `full` once something did not fit. */
typedef struct line {
    char *text;
    size_t n;
    size_t limit;
    bool full;
} line;

static void put_bytes(line *l, const char *text, size_t n)
{
    if (l->full || n > l->limit - l->n) {
        l->full = true;
        return;
    }
    memcpy(l->text + l->n, text, n);
    l->n += n;
}

static void put(line *l, const char *text)
{
    put_bytes(l, text, strlen(text));
}

EAI_PRINTF(2, 3) static void put_formatted(line *l, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    put_bytes(l, text, n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* The text is clean (no control characters but what a source's path may have). */
static void put_json_string(line *l, const char *text)
{
    size_t n = strlen(text);
    put(l, "\"");
    for (size_t i = 0; i < n;) {
        size_t length = eai_utf8_length(text + i, n - i);
        unsigned char c = (unsigned char)text[i];
        if (length == 1 && (c == '"' || c == '\\'))
            put_formatted(l, "\\%c", c);
        else if (length == 1 && (c < 0x20 || c == 0x7f))
            put_formatted(l, "\\u%04x", c);
        else if (length > 0)
            put_bytes(l, text + i, length);
        else
            put(l, "\xef\xbf\xbd");
        i += length ? length : 1;
    }
    put(l, "\"");
}

/* The shortest decimal that reads back as the same number. */
static void put_real(line *l, double value)
{
    char text[32];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    char *comma = strchr(text, ','); /* of the locale of a program that embeds us */
    if (comma)
        *comma = '.';
    put(l, text);
}

static void put_json_value(line *l, const eai_log_field *f)
{
    switch (f->kind) {
    case EAI_LOG_INTEGER:
        put_formatted(l, "%" PRId64, f->integer);
        break;
    case EAI_LOG_REAL:
        if (isfinite(f->real))
            put_real(l, f->real);
        else
            put(l, "null");
        break;
    case EAI_LOG_BOOLEAN:
        put(l, f->integer ? "true" : "false");
        break;
    case EAI_LOG_STRING:
        if (f->text)
            put_json_string(l, f->text);
        else
            put(l, "null");
        break;
    }
}

/* A text with a blank or a quote in it stands in quotes, so that fields stay apart. */
static void put_text_value(line *l, const eai_log_field *f)
{
    if (f->kind == EAI_LOG_REAL)
        put_real(l, f->real);
    else if (f->kind == EAI_LOG_STRING && f->text && *f->text && !strpbrk(f->text, " \"=\\"))
        put(l, f->text);
    else
        put_json_value(l, f);
}

/* Takes back a field that did not fit. */
static void put_field(line *l, const eai_log_field *f, bool json)
{
    size_t before = l->n;
    put(l, json ? "," : " ");
    if (json)
        put_json_string(l, f->key);
    else
        put(l, f->key);
    put(l, json ? ":" : "=");
    if (json)
        put_json_value(l, f);
    else
        put_text_value(l, f);
    if (l->full) {
        l->n = before;
        l->full = false;
    }
}

static void put_body(line *l, const eai_log_record *r)
{
    put(l, r->module);
    put(l, ": ");
    put(l, r->message);
    for (size_t i = 0; i < r->n_fields; i++)
        put_field(l, &r->fields[i], false);
}

size_t log__format_body(char *out, size_t size, const eai_log_record *r)
{
    line l = {out, 0, size - 1, false};
    put_body(&l, r);
    out[l.n] = '\0';
    return l.n;
}

size_t log__format_text(char *out, const eai_log_record *r, bool color)
{
    static const char *const colors[] = {"\033[1;31m", "\033[33m", "\033[32m", "\033[36m",
                                         "\033[2m"};
    line l = {out, 0, LOG_LINE_MAX - 1, false};
    put_formatted(&l, "%8.3f %s%-5s%s ", r->seconds, color ? colors[r->level] : "",
                  eai_log_level_name(r->level), color ? "\033[0m" : "");
    put_body(&l, r);
    out[l.n++] = '\n';
    return l.n;
}

/* "2026-11-22T23:37:58.123Z" */
static void put_time(line *l, double now)
{
    char text[32];
    struct tm utc;
    time_t whole = (time_t)floor(now);
    int thousandths = (int)((now - floor(now)) * 1000);
    if (!gmtime_r(&whole, &utc) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc))
        snprintf(text, sizeof(text), "1970-01-01T00:00:00");
    put_formatted(l, "%s.%03dZ", text, thousandths);
}

size_t log__format_json(char *out, const eai_log_record *r, double now, bool with_source)
{
    line l = {out, 0, LOG_LINE_MAX - 2, false};
    put(&l, "{\"time\":\"");
    put_time(&l, now);
    put_formatted(&l, "\",\"seconds\":%.3f,\"level\":\"%s\",\"module\":", r->seconds,
                  eai_log_level_name(r->level));
    put_json_string(&l, r->module);
    put(&l, ",\"message\":");
    put_json_string(&l, r->message);
    put_formatted(&l, ",\"run\":\"%.64s\",\"pid\":%ld", r->run, (long)getpid());
    if (with_source) {
        put(&l, ",\"source\":");
        put_json_string(&l, r->source);
    }
    for (size_t i = 0; i < r->n_fields; i++)
        put_field(&l, &r->fields[i], true);
    out[l.n++] = '}';
    out[l.n++] = '\n';
    return l.n;
}
