/* What the toolkit does, line by line, for whoever has to find out why.
 *
 * Use:
 *     EAI_LOG(INFO, "weights", "opened '%s': %zu tensors", path, n);   // where things happen
 *     EAI_LOG_FIELDS(INFO, "train",                                    // with values to search for
 *                    EAI_FIELDS(eai_log_integer("step", 3), eai_log_real("loss", 0.25)),
 *                    "a step is done");
 *     eai_log_to_stream(stderr, EAI_LOG_TEXT);          // a program, when it starts
 *     eai_log_set_sink(take_line, my_object);           // or a program that embeds us
 *     eai_log_set_level(EAI_LOG_DEBUG);
 *
 * A library does not print: until a program names a stream, a file or a sink, nothing is written at
 * any level. Errors are returned, not logged; a line says what was done or chosen, or what went
 * wrong and was got over. No line belongs into a loop over elements, tokens or steps of a plan.
 *
 * Secrets: what looks like a password, a token or a key, and what eai_log_mask() was told, is
 * written as "***" in every message and field (src/base/mask.h says what is known).
 *
 * Cost: a level that is off costs a load and a comparison, and its arguments are not evaluated. No
 * line allocates memory.
 * Thread-safety: everything here may be called from any thread at any time; one line is handed on
 * at a time. */
#ifndef EAI_LOG_H
#define EAI_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/*          name   value  text     what belongs there                                               */
#define EAI_LOG_LEVELS(X)                                                                          \
    X(ERROR,   0, "error")   /* work is lost and no caller is there to be told */                  \
    X(WARN,    1, "warn")    /* something is not as wanted, and the work goes on without it */     \
    X(INFO,    2, "info")    /* files, commands, choices: a few lines a run */                     \
    X(DEBUG,   3, "debug")   /* how that came about: plans, caches, settings */                    \
    X(TRACE,   4, "trace")   /* each step of the work */
/* clang-format on */

typedef enum eai_log_level {
#define EAI_LOG_ENUM(name, value, text) EAI_LOG_##name = value,
    EAI_LOG_LEVELS(EAI_LOG_ENUM)
#undef EAI_LOG_ENUM
} eai_log_level;

#define EAI_LOG_MESSAGE_MAX 2048

/* ---- Fields ---------------------------------------------------------------------------------- */

typedef enum eai_log_kind {
    EAI_LOG_INTEGER,
    EAI_LOG_REAL, /* one that is not finite is null in JSON */
    EAI_LOG_STRING,
    EAI_LOG_BOOLEAN
} eai_log_kind;

/* A value beside the message: `message key=value` in text, a member of the object in JSON. Of two
 * with the same key the first counts; a name that every line has (EAI_LOG_RESERVED) is written with
 * a '_' behind it. */
typedef struct eai_log_field {
    const char *key; /* letters, digits, '_', '.', '-'; others become '_'; cut at 63 bytes */
    eai_log_kind kind;
    int64_t integer; /* also the boolean */
    double real;
    const char *text; /* NULL is null; cut at 511 bytes with "..." */
} eai_log_field;

#define EAI_LOG_FIELDS_MAX 32 /* of a line; further ones are left out */

/* The members that the log writes itself. */
#define EAI_LOG_RESERVED(X)                                                                        \
    X("time") X("seconds") X("level") X("module") X("message") X("run") X("pid") X("source")

static inline eai_log_field eai_log_integer(const char *key, int64_t value)
{
    eai_log_field f = {key, EAI_LOG_INTEGER, value, 0, NULL};
    return f;
}
static inline eai_log_field eai_log_real(const char *key, double value)
{
    eai_log_field f = {key, EAI_LOG_REAL, 0, value, NULL};
    return f;
}
static inline eai_log_field eai_log_text(const char *key, const char *value)
{
    eai_log_field f = {key, EAI_LOG_STRING, 0, 0, value};
    return f;
}
static inline eai_log_field eai_log_boolean(const char *key, bool value)
{
    eai_log_field f = {key, EAI_LOG_BOOLEAN, value, 0, NULL};
    return f;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* One line. The texts are borrowed and valid during the call that hands it on. */
typedef struct eai_log_record {
    double seconds; /* since the log was first used */
    eai_log_level level;
    const char *module;  /* the part of the toolkit: "weights" */
    const char *message; /* one line without its end, no control characters; cut with "..." */
    const char *source;  /* "base/log.c:120" */
    const char *run;     /* eai_log_run_id() */
    const eai_log_field *fields;
    size_t n_fields;
} eai_log_record;

/* Takes a line, maybe on another thread than the one that set it, never on two at once. It may call
 * anything but the functions of this header; lines that come up meanwhile on its own thread are
 * dropped. */
typedef void (*eai_log_sink)(void *ud, const eai_log_record *record);

typedef enum eai_log_format {
    EAI_LOG_TEXT, /* "   0.012 info  weights: opened 'x.gguf' tensors=272" */
    EAI_LOG_JSON  /* {"time":"2026-11-22T23:37:58.123Z","seconds":0.012,"level":"info",...} */
} eai_log_format;

/* ---- Where lines go -------------------------------------------------------------------------- */

/* Lines go to this function from now on; NULL: nowhere. */
EAI_API void eai_log_set_sink(eai_log_sink sink, void *ud);

/* Lines go to a stream, which must stay open as long; each is written whole and flushed. A progress
 * line that is being redrawn on the same stream is put below it. Levels of text lines are coloured
 * where the stream is a terminal that has colours and NO_COLOR is not set. JSON lines say where in
 * the source they come from ("source") when the level is debug or trace. */
EAI_API void eai_log_to_stream(FILE *out, eai_log_format format);

/* How a file of lines is kept. 0 stands for the default, -1 for "never" and "none". */
typedef struct eai_log_file_opts {
    int64_t max_bytes; /* a file is put aside before it becomes longer; 10 MiB */
    int n_plain;       /* this many that were put aside stay as they are, older ones are
                          compressed; 5 */
    int keep_days;     /* those last written longer ago are removed; 30 */
    bool daily;        /* a file is also put aside when a line of another day (UTC) comes */
} eai_log_file_opts;

/* Lines go to this file too, beside a stream or sink, as JSON; info lines also when the level is
 * lower. Several processes may write to one file at once: each line is appended whole, and a
 * process that is killed at any point loses no other's line. A file that is full becomes
 * PATH.000001 (then 000002 ...), and later PATH.000001.gz. A line that cannot be written is counted
 * (eai_log_lost) and the work goes on. path NULL: no file any more. opts NULL: defaults. The folder
 * is made. */
EAI_API EAI_CHECKED eai_status eai_log_to_file(const char *path, const eai_log_file_opts *opts,
                                               eai_error *err);
EAI_API uint64_t eai_log_lost(void); /* lines that could not be written to the file */

/* $EFFICIENTAI_LOG_FILE when it names a file, else efficientai.jsonl in
 * the folder logs of eai_fs_state_dir(). New memory (eai_free). */
EAI_API EAI_CHECKED eai_status eai_log_default_path(char **out, eai_error *err);

/* What a command-line program calls first: lines go to standard error, as text on a terminal and as
 * JSON elsewhere unless $EFFICIENTAI_LOG_FORMAT (text, json) says which, up to the level of
 * $EFFICIENTAI_LOG; and to the file of $EFFICIENTAI_LOG_FILE ("auto": eai_log_default_path) by
 * $EFFICIENTAI_LOG_MAX_MB, _BACKUPS, _KEEP_DAYS (0: never, none) and _DAILY (1 or 0).
 * $EFFICIENTAI_RUN_ID is set for programs that this one starts. EAI_ERR_USAGE names a variable
 * whose value is not known; what is wrong counts as not set. */
EAI_API EAI_CHECKED eai_status eai_log_start(eai_error *err);

/* The run that this process belongs to, 32 hexadecimal digits: $EFFICIENTAI_RUN_ID when it is a
 * UUID or 32 such digits, so that programs which start each other share it; else a new UUID of
 * version 7 (RFC 9562), which sorts by time. Static, never changes. */
EAI_API const char *eai_log_run_id(void);

/* From now on this text is written as "***" wherever it occurs. Of at most 512 bytes; shorter than
 * 6 would hide ordinary words and is ignored, as is what does not fit beside 32 others. */
EAI_API void eai_log_mask(const char *secret);

/* ---- Levels ---------------------------------------------------------------------------------- */

/* Lines up to this level are handed on, those beyond are not; EAI_LOG_WARN at first. */
EAI_API void eai_log_set_level(eai_log_level level);
EAI_API eai_log_level eai_log_get_level(void);

/* "debug" -> EAI_LOG_DEBUG; EAI_ERR_USAGE lists the levels, `what` names where the text came from
 * ("--log-level"). */
EAI_API EAI_CHECKED eai_status eai_log_parse_level(eai_log_level *out, const char *text,
                                                   const char *what, eai_error *err);
EAI_API const char *eai_log_level_name(eai_log_level level);

/* The highest level that anybody takes, -1 for none. Read through eai_log_takes alone. */
EAI_API extern int eai_log_threshold_;

static inline bool eai_log_takes(eai_log_level level)
{
    return __builtin_expect((int)level <= __atomic_load_n(&eai_log_threshold_, __ATOMIC_RELAXED),
                            0);
}

#define EAI_LOG_QUOTE(line)  #line
#define EAI_LOG_QUOTED(line) EAI_LOG_QUOTE(line)
#define EAI_LOG_SOURCE       __FILE__ ":" EAI_LOG_QUOTED(__LINE__)

/* EAI_LOG(DEBUG, "module", "format", ...): the level without its prefix. */
#define EAI_LOG(level, module, ...)                                                                \
    do {                                                                                           \
        if (eai_log_takes(EAI_LOG_##level))                                                        \
            eai_log_write(EAI_LOG_##level, module, EAI_LOG_SOURCE, NULL, 0, __VA_ARGS__);          \
    } while (0)

/* EAI_LOG_FIELDS(DEBUG, "module", EAI_FIELDS(eai_log_integer("n", 1), ...), "format", ...) */
#define EAI_FIELDS(...)                                                                            \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define EAI_LOG_FIELDS(level, module, fields, ...)                                                 \
    do {                                                                                           \
        if (eai_log_takes(EAI_LOG_##level)) {                                                      \
            const eai_log_field eai_fields_[] = fields;                                            \
            eai_log_write(EAI_LOG_##level, module, EAI_LOG_SOURCE, eai_fields_,                    \
                          sizeof(eai_fields_) / sizeof(eai_fields_[0]), __VA_ARGS__);              \
        }                                                                                          \
    } while (0)

/* Behind the macros, and for fields whose number is not known; keeps errno. */
EAI_API void eai_log_write(eai_log_level level, const char *module, const char *source,
                           const eai_log_field *fields, size_t n_fields, const char *fmt, ...)
    EAI_PRINTF(6, 7);

#ifdef __cplusplus
}
#endif
#endif
