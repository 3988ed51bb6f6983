/* The log: one level, one place where lines go, for the whole process.
 *
 * Why process-wide, when nothing else in the library is: whoever looks for the reason of a failure
 * does not hold the object that knows it, and a log that must be handed down through every call is
 * not used. What it does not do: print by itself (a program says where lines go), or
 * drop lines to be fast.
 *
 * The level is read by everybody without a lock (log.h); all else is guarded by one, which is held
 * while a line is written: lines of several threads stay whole and in order. Memory for a line is
 * static and guarded likewise. A line goes to a stream or sink, to a file (log_file.c), or to both,
 * each with a highest level of its own. Settings from the environment are in log_start.c. Start at
 * eai_log_write. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>

#include "base/log_internal.h"
#include "base/mask.h"
#include "base/text.h"

#include "base/banned.h"

#define SECONDS_A_DAY 86400
#define MODULE_MAX    64

int eai_log_threshold_ = -1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static eai_log_level wanted = EAI_LOG_WARN;
static eai_log_sink take_record; /* NULL: nobody */
static void *take_ud;
static FILE *stream;          /* where take_record is one of the two functions of this file */
static bool colored;          /* levels, in text on the stream */
static int color_wanted = -1; /* as in log__set_color() */
static log_file file = {.fd = -1};
static mask_secrets secrets;
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

/* The highest level that the file takes: what happened is wanted there without having been asked
 * for. */
static eai_log_level file_level(void)
{
    return wanted > EAI_LOG_INFO ? wanted : EAI_LOG_INFO;
}

/* With the lock held, after a change of level, sink or file. */
static void set_threshold(void)
{
    int highest = file.path ? (int)file_level() : take_record ? (int)wanted : -1;
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

static char line_of_record[LOG_LINE_MAX];

static void write_text(void *ud, const eai_log_record *r)
{
    (void)ud;
    write_line(line_of_record, log__format_text(line_of_record, r, colored));
}

static double seconds_since_1970(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void write_json(void *ud, const eai_log_record *r)
{
    (void)ud;
    write_line(line_of_record,
               log__format_json(line_of_record, r, seconds_since_1970(), wanted >= EAI_LOG_DEBUG));
}

static void write_to_file(const eai_log_record *r)
{
    double now = seconds_since_1970();
    size_t n = log__format_json(line_of_record, r, now, wanted >= EAI_LOG_DEBUG);
    log__file_write(&file, line_of_record, n, (long)(now / SECONDS_A_DAY));
}

static void start_clock(void)
{
    if (started < 0)
        started = eai_clock_seconds();
}

/* The rule of eai_terminal_has_color(), which belongs to a layer above. */
static bool has_colors(FILE *out)
{
    const char *term = getenv("TERM");
    const char *refused = getenv("NO_COLOR");
    const char *ci = getenv("CI");
    int fd = fileno(out);
    if (color_wanted >= 0)
        return color_wanted;
    return fd >= 0 && isatty(fd) && term && strcmp(term, "dumb") != 0 && !(refused && *refused) &&
           !(ci && *ci);
}

void log__set_color(int wanted_color)
{
    log__lock();
    color_wanted = wanted_color;
    colored = stream && has_colors(stream);
    log__unlock();
}

static void set_sink(eai_log_sink sink, void *ud, FILE *out)
{
    log__lock();
    take_record = sink;
    take_ud = ud;
    stream = out;
    colored = out && has_colors(out);
    start_clock();
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

eai_status eai_log_to_file(const char *path, const eai_log_file_opts *opts, eai_error *err)
{
    log_file opened = {.fd = -1};
    eai_status st = path ? log__file_open(&opened, path, opts, err) : EAI_OK;
    if (st != EAI_OK)
        return st;
    log__lock();
    opened.n_lost = file.n_lost;
    log__file_close(&file);
    file = opened;
    start_clock();
    set_threshold();
    log__unlock();
    return EAI_OK;
}

uint64_t eai_log_lost(void)
{
    log__lock();
    uint64_t n = file.n_lost;
    log__unlock();
    return n;
}

void eai_log_mask(const char *secret)
{
    log__lock();
    mask__add(&secrets, secret);
    log__unlock();
}

/* ---- Fields ---------------------------------------------------------------------------------- */

/* The fields of the line that is being written, with their own texts. */
static struct {
    size_t n;
    eai_log_field each[EAI_LOG_FIELDS_MAX];
    char keys[EAI_LOG_FIELDS_MAX][LOG_KEY_MAX];
    char values[EAI_LOG_FIELDS_MAX][LOG_VALUE_MAX];
} fields_now;

static bool is_reserved(const char *key)
{
#define RESERVED_NAME(name) name,
    static const char *const names[] = {EAI_LOG_RESERVED(RESERVED_NAME)};
#undef RESERVED_NAME
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(key, names[i]) == 0)
            return true;
    }
    return false;
}

static void copy_key(char out[LOG_KEY_MAX], const char *key)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_.-";
    snprintf(out, LOG_KEY_MAX - 1, "%s", key && *key ? key : "_");
    for (char *p = out; *p; p++) {
        if (!strchr(allowed, *p))
            *p = '_';
    }
    if (is_reserved(out))
        memcpy(out + strlen(out), "_", 2);
}

static bool has_key(const char *key)
{
    for (size_t i = 0; i < fields_now.n; i++) {
        if (strcmp(fields_now.each[i].key, key) == 0)
            return true;
    }
    return false;
}

/* With the lock held: names that are allowed, texts that may be shown. */
static void take_fields(const eai_log_field *fields, size_t n)
{
    fields_now.n = 0;
    for (size_t i = 0; i < n && fields_now.n < EAI_LOG_FIELDS_MAX; i++) {
        char *key = fields_now.keys[fields_now.n];
        char *value = fields_now.values[fields_now.n];
        eai_log_field f = fields[i];
        copy_key(key, f.key);
        if (has_key(key))
            continue;
        if (f.kind == EAI_LOG_STRING && f.text) {
            const char *text = *f.text && mask__is_secret_name(key) ? MASK_HIDDEN : f.text;
            mask__text(value, LOG_VALUE_MAX, text, strlen(text), &secrets);
            text__clean(value);
            f.text = value;
        }
        f.key = key;
        fields_now.each[fields_now.n++] = f;
    }
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* "base/log.c:120" of a path as the compiler was given it. */
static const char *short_source(const char *source)
{
    int slashes = 0;
    for (const char *p = source + strlen(source); p > source; p--) {
        if (p[-1] == '/' && ++slashes == 2)
            return p;
    }
    return source;
}

/* With the lock held. */
static void hand_on(const eai_log_record *r)
{
    writing = true;
    if (take_record && r->level <= wanted)
        take_record(take_ud, r);
    if (file.path && r->level <= file_level())
        write_to_file(r);
    writing = false;
}

/* Outside the lock: it takes as long as compressing a file does. What fails is tried again when the
 * next file is put aside. */
static void archive(const char *path, const eai_log_file_opts *opts)
{
    eai_error err = EAI_ERROR_INIT;
    if (log__archive(path, opts, &err) != EAI_OK)
        EAI_LOG(WARN, "log", "old log files: %s", err.message);
}

/* Takes the order to look after files that were put aside; the path is new memory or NULL. */
static char *take_archive_order(eai_log_file_opts *opts)
{
    if (!file.archive_due)
        return NULL;
    file.archive_due = false;
    *opts = file.opts;
    return eai_strdup(file.path);
}

/* `raw` has more than a message may have, so that no secret is cut at its end. */
static void hand_on_message(eai_log_record *r, const char *raw, size_t n_raw)
{
    static char message[EAI_LOG_MESSAGE_MAX];
    static char module[MODULE_MAX];
    mask__text(message, sizeof(message), raw, n_raw, &secrets);
    text__clean(message);
    snprintf(module, sizeof(module), "%s", r->module);
    text__clean(module);
    r->message = message;
    r->module = module;
    r->seconds = eai_clock_seconds() - started;
    r->fields = fields_now.each;
    r->n_fields = fields_now.n;
    hand_on(r);
}

void eai_log_write(eai_log_level level, const char *module, const char *source,
                   const eai_log_field *fields, size_t n_fields, const char *fmt, ...)
{
    int number = errno;
    char raw[EAI_LOG_MESSAGE_MAX + MASK_SECRET_MAX];
    eai_log_record r = {.level = level, .module = module, .run = eai_log_run_id()};
    eai_log_file_opts opts;
    va_list args;

    if (writing)
        return; /* a sink that logs would wait for itself */
    va_start(args, fmt);
    int n = vsnprintf(raw, sizeof(raw), fmt, args);
    va_end(args);
    if (n < 0)
        return;
    r.source = short_source(source);
    log__lock();
    take_fields(fields, n_fields);
    hand_on_message(&r, raw, (size_t)n < sizeof(raw) ? (size_t)n : EAI_LOG_MESSAGE_MAX);
    char *path = take_archive_order(&opts);
    log__unlock();
    if (path)
        archive(path, &opts);
    eai_free(path);
    errno = number;
}
