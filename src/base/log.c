/* The log: one level, one place where lines go, for the whole process.
 *
 * Why process-wide, when nothing else in the library is: whoever looks for the reason of a failure
 * does not hold the object that knows it, and a log that must be handed down through every call is
 * not used. What it does not do: print by itself (a program says where lines go), rotate files, or
 * drop lines to be fast.
 *
 * The level is read by everybody without a lock (log.h); all else is guarded by one, which is held
 * while a line is written: lines of several threads stay whole and in order. Start at
 * eai_log_write. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/clock.h>

#include "base/strbuf.h"
#include "base/text.h"

#include "base/banned.h"

#define JSON_MAX ((size_t)1 << 16)

int eai_log_threshold_ = -1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static eai_log_level wanted = EAI_LOG_WARN;
static eai_log_sink take_record; /* NULL: nobody */
static void *take_ud;
static FILE *stream; /* where take_record is one of the two functions of this file */
static double started = -1;
static _Thread_local bool writing; /* this thread is inside a sink */

/* The line below which nothing may be written; out is NULL when there is none. */
static struct {
    FILE *out;
    void (*redraw)(void *ud);
    void *ud;
} live;

void log__lock(void)
{
    pthread_mutex_lock(&lock);
}

void log__unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void log__set_live(FILE *out, void (*redraw)(void *ud), void *ud)
{
    live.out = out;
    live.redraw = redraw;
    live.ud = ud;
}

void log__clear_live(const void *ud)
{
    if (live.ud == ud)
        log__set_live(NULL, NULL, NULL);
}

/* ---- Levels ---------------------------------------------------------------------------------- */

static const char *const level_names[] = {
#define LEVEL_NAME(name, value, text) [value] = text,
    EAI_LOG_LEVELS(LEVEL_NAME)
#undef LEVEL_NAME
};
#define N_LEVELS (sizeof(level_names) / sizeof(level_names[0]))

/* ", error, warn" and so on. */
#define LEVEL_LISTED(name, value, text) ", " text
static const char levels_listed[] = EAI_LOG_LEVELS(LEVEL_LISTED);
#undef LEVEL_LISTED

const char *eai_log_level_name(eai_log_level level)
{
    return (size_t)level < N_LEVELS ? level_names[level] : "?";
}

eai_status eai_log_parse_level(eai_log_level *out, const char *text, const char *what,
                               eai_error *err)
{
    *out = EAI_LOG_WARN;
    for (size_t i = 0; i < N_LEVELS; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (eai_log_level)i;
            return EAI_OK;
        }
    }
    return eai_error_set(err, EAI_ERR_USAGE, "%s: '%s' is not one of %s", what, text,
                         levels_listed + 2);
}

/* With the lock held, after a change of level or sink. */
static void set_threshold(void)
{
    int highest = take_record ? (int)wanted : -1;
    __atomic_store_n(&eai_log_threshold_, highest, __ATOMIC_RELAXED);
}

void eai_log_set_level(eai_log_level level)
{
    log__lock();
    wanted = level;
    set_threshold();
    log__unlock();
}

eai_log_level eai_log_get_level(void)
{
    log__lock();
    eai_log_level level = wanted;
    log__unlock();
    return level;
}

/* ---- Where lines go -------------------------------------------------------------------------- */

/* With the lock held. One call of fwrite a line: other processes may write to the same file. */
static void write_line(const char *line, size_t n)
{
    bool below = live.out == stream;
    if (below)
        fputs(LOG_ERASE_LINE, stream);
    fwrite(line, 1, n, stream);
    if (below)
        live.redraw(live.ud);
    fflush(stream);
}

static void write_text(void *ud, const eai_log_record *r)
{
    char line[EAI_LOG_MESSAGE_MAX + 128];
    (void)ud;
    int n = snprintf(line, sizeof(line), "%8.3f %-5s %.64s: %s\n", r->seconds,
                     eai_log_level_name(r->level), r->module, r->message);
    if (n > 0)
        write_line(line, (size_t)n);
}

static void write_json(void *ud, const eai_log_record *r)
{
    static const char no_memory[] =
        "{\"level\":\"error\",\"module\":\"log\",\"message\":\"no memory for a line\"}\n";
    char now[EAI_CLOCK_ISO_SIZE];
    eai_strbuf b = EAI_STRBUF_INIT(JSON_MAX);
    (void)ud;
    eai_strbuf_printf(&b, "{\"time\":\"%s\",\"seconds\":%.3f,\"level\":\"%s\",\"module\":",
                      eai_clock_iso(now, sizeof(now)), r->seconds, eai_log_level_name(r->level));
    eai_strbuf_json_string(&b, r->module);
    eai_strbuf_text(&b, ",\"message\":");
    eai_strbuf_json_string(&b, r->message);
    eai_strbuf_text(&b, "}\n");
    if (b.status == EAI_OK)
        write_line(eai_strbuf_get(&b), b.length);
    else
        write_line(no_memory, sizeof(no_memory) - 1);
    eai_strbuf_deinit(&b);
}

static void set_sink(eai_log_sink sink, void *ud, FILE *out)
{
    log__lock();
    take_record = sink;
    take_ud = ud;
    stream = out;
    if (started < 0)
        started = eai_clock_seconds();
    set_threshold();
    log__unlock();
}

void eai_log_set_sink(eai_log_sink sink, void *ud)
{
    set_sink(sink, ud, NULL);
}

void eai_log_to_stream(FILE *out, eai_log_format format)
{
    set_sink(format == EAI_LOG_JSON ? write_json : write_text, NULL, out);
}

eai_status eai_log_start(eai_error *err)
{
    const char *format = getenv("EFFICIENTAI_LOG_FORMAT");
    const char *level = getenv("EFFICIENTAI_LOG");
    eai_log_level parsed;

    eai_log_to_stream(stderr, format && strcmp(format, "json") == 0 ? EAI_LOG_JSON : EAI_LOG_TEXT);
    if (format && *format && strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
        return eai_error_set(err, EAI_ERR_USAGE,
                             "environment EFFICIENTAI_LOG_FORMAT: '%s' is not one of text, json",
                             format);
    if (level && *level) {
        EAI_TRY(eai_log_parse_level(&parsed, level, "environment EFFICIENTAI_LOG", err));
        eai_log_set_level(parsed);
    }
    return EAI_OK;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* Hands a record on, if there is still somebody who takes it. */
static void hand_on(eai_log_level level, const char *module, const char *message)
{
    log__lock();
    if (take_record) {
        const eai_log_record r = {eai_clock_seconds() - started, level, module, message};
        writing = true;
        take_record(take_ud, &r);
        writing = false;
    }
    log__unlock();
}

void eai_log_write(eai_log_level level, const char *module, const char *fmt, ...)
{
    int number = errno;
    char message[EAI_LOG_MESSAGE_MAX];
    va_list args;

    if (writing)
        return; /* a sink that logs would wait for itself */
    va_start(args, fmt);
    int n = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (n >= (int)sizeof(message))
        text__mark_cut(message, sizeof(message));
    if (n >= 0) {
        text__clean(message);
        hand_on(level, module, message);
    }
    errno = number;
}
