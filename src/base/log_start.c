/* The log as a program of ours starts it: by the environment, and under one run's name.
 *
 * What it does not do: know a command line; a program that has --log-level calls
 * eai_log_set_level() afterwards. Start at eai_log_start. */
#include <efficientai/log.h>

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/banned.h"

#define FILE_NAME "logs/efficientai.jsonl" /* in the state folder */
#define RUN_ID    "EFFICIENTAI_RUN_ID"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* ---- The run --------------------------------------------------------------------------------- */

static char run_id[33];
static pthread_once_t run_once = PTHREAD_ONCE_INIT;

/* 32 hexadecimal digits, or those of a UUID with its four dashes. */
static bool take_run_id(const char *text)
{
    bool dashed = text && strlen(text) == 36;
    size_t n = 0;
    if (!text || (strlen(text) != 32 && !dashed))
        return false;
    for (size_t i = 0; text[i]; i++) {
        bool dash = dashed && (i == 8 || i == 13 || i == 18 || i == 23);
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
        if (!dash)
            run_id[n++] = (char)tolower((unsigned char)text[i]);
    }
    return true;
}

/* RFC 9562, 5.7: 48 bits of milliseconds, 4 of the version, 12 random, 2 of the variant, 62 random.
 */
static void make_run_id(void)
{
    uint64_t bits[2];
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (getentropy(bits, sizeof(bits)) != 0) { /* a sandbox: time and process are what is left */
        bits[0] = (uint64_t)t.tv_nsec;
        bits[1] = (uint64_t)getpid() << 32 ^ (uint64_t)t.tv_nsec;
    }
    uint64_t milliseconds = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    bits[0] = milliseconds << 16 | 0x7000 | (bits[0] & 0xfff);
    bits[1] = (uint64_t)1 << 63 | (bits[1] & (UINT64_MAX >> 2));
    snprintf(run_id, sizeof(run_id), "%016llx%016llx", (unsigned long long)bits[0],
             (unsigned long long)bits[1]);
}

static void find_run_id(void)
{
    if (take_run_id(variable(RUN_ID)))
        run_id[32] = '\0';
    else
        make_run_id();
}

const char *eai_log_run_id(void)
{
    pthread_once(&run_once, find_run_id);
    return run_id;
}

/* ---- The file -------------------------------------------------------------------------------- */

eai_status eai_log_default_path(char **out, eai_error *err)
{
    const char *named = variable("EFFICIENTAI_LOG_FILE");
    char *state = NULL;
    *out = NULL;
    if (named && strcmp(named, "auto") != 0) {
        *out = eai_strdup(named);
    } else {
        EAI_TRY(eai_fs_state_dir(&state, err));
        *out = eai_path_join(state, FILE_NAME);
        eai_free(state);
    }
    return *out ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for the log file's name");
}

/* A whole number in the environment; *out stays when the variable is not set. */
static eai_status read_number(int64_t *out, const char *name, int64_t most, eai_error *err)
{
    const char *text = variable(name);
    char *end = NULL;
    if (!text)
        return EAI_OK;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || *end || !isdigit((unsigned char)*text) || n > most)
        return eai_error_set(err, EAI_ERR_USAGE,
                             "environment %s: '%s' is not a number from 0 to %lld", name, text,
                             (long long)most);
    *out = n;
    return EAI_OK;
}

/* 0 is "never" to the user and "the default" in the options. */
static int64_t or_never(int64_t n)
{
    return n == 0 ? -1 : n;
}

static eai_status start_file(eai_error *err)
{
    int64_t megabytes = 10;
    int64_t backups = 5;
    int64_t days = 30;
    int64_t daily = 0;
    char *path = NULL;
    if (!variable("EFFICIENTAI_LOG_FILE"))
        return EAI_OK;
    EAI_TRY(read_number(&megabytes, "EFFICIENTAI_LOG_MAX_MB", 1000000, err));
    EAI_TRY(read_number(&backups, "EFFICIENTAI_LOG_BACKUPS", 1000, err));
    EAI_TRY(read_number(&days, "EFFICIENTAI_LOG_KEEP_DAYS", 36500, err));
    EAI_TRY(read_number(&daily, "EFFICIENTAI_LOG_DAILY", 1, err));
    EAI_TRY(eai_log_default_path(&path, err));
    const eai_log_file_opts opts = {.max_bytes = or_never(megabytes << 20),
                                    .n_plain = (int)or_never(backups),
                                    .keep_days = (int)or_never(days),
                                    .daily = daily == 1};
    eai_status st = eai_log_to_file(path, &opts, err);
    eai_free(path);
    return st;
}

eai_status eai_log_start(eai_error *err)
{
    const char *format = variable("EFFICIENTAI_LOG_FORMAT");
    const char *level = variable("EFFICIENTAI_LOG");
    bool json = format ? strcmp(format, "json") == 0 : !isatty(STDERR_FILENO);
    eai_log_level parsed;

    setenv(RUN_ID, eai_log_run_id(), 1);
    eai_log_to_stream(stderr, json ? EAI_LOG_JSON : EAI_LOG_TEXT);
    if (format && !json && strcmp(format, "text") != 0)
        return eai_error_set(err, EAI_ERR_USAGE,
                             "environment EFFICIENTAI_LOG_FORMAT: '%s' is not one of text, json",
                             format);
    if (level) {
        EAI_TRY(eai_log_parse_level(&parsed, level, "environment EFFICIENTAI_LOG", err));
        eai_log_set_level(parsed);
    }
    return start_file(err);
}
