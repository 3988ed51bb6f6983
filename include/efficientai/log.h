/* What the toolkit does, line by line, for whoever has to find out why.
 *
 * Use:
 *     EAI_LOG(INFO, "weights", "opened '%s': %zu tensors", path, n);   // where things happen
 *     eai_log_to_stream(stderr, EAI_LOG_TEXT);                         // a program, when it starts
 *     eai_log_set_sink(take_line, my_object);                          // or a program that embeds
 * us eai_log_set_level(EAI_LOG_DEBUG);
 *
 * A library does not print: until a program names a stream or a sink, nothing is written at any
 * level. Errors are returned, not logged; a line says what was done or chosen, or what went wrong
 * and was got over. No line belongs into a loop over elements, tokens or steps of a plan.
 *
 * Cost: a level that is off costs a load and a comparison, and its arguments are not evaluated.
 * Thread-safety: everything here may be called from any thread at any time; one line is handed on
 * at a time. */
#ifndef EAI_LOG_H
#define EAI_LOG_H

#include <stdbool.h>
#include <stddef.h>
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

/* One line. The texts are borrowed and valid during the call that hands it on. */
typedef struct eai_log_record {
    double seconds; /* since the log was first used */
    eai_log_level level;
    const char *module;  /* the part of the toolkit: "weights" */
    const char *message; /* one line without its end, no control characters; cut with "..." */
} eai_log_record;

/* Takes a line, maybe on another thread than the one that set it, never on two at once. It may call
 * anything but the functions of this header; lines that come up meanwhile on its own thread are
 * dropped. */
typedef void (*eai_log_sink)(void *ud, const eai_log_record *record);

typedef enum eai_log_format {
    EAI_LOG_TEXT, /* "   0.012 info  weights: opened 'x.gguf': 272 tensors" */
    EAI_LOG_JSON  /* {"time":"2026-11-22T23:37:58Z","seconds":0.012,"level":"info","module":...} */
} eai_log_format;

/* Lines go to this function from now on; NULL: nowhere. */
EAI_API void eai_log_set_sink(eai_log_sink sink, void *ud);

/* Lines go to a stream, which must stay open as long; each is written whole and flushed. A progress
 * line that is being redrawn on the same stream is put below it. */
EAI_API void eai_log_to_stream(FILE *out, eai_log_format format);

/* What a command-line program calls first: lines go to standard error, in the format of
 * $EFFICIENTAI_LOG_FORMAT (text, json) and up to the level of $EFFICIENTAI_LOG. EAI_ERR_USAGE names
 * a variable whose value is not known; text and the level before stay. */
EAI_API EAI_CHECKED eai_status eai_log_start(eai_error *err);

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

/* EAI_LOG(DEBUG, "module", "format", ...): the level without its prefix. */
#define EAI_LOG(level, module, ...)                                                                \
    do {                                                                                           \
        if (eai_log_takes(EAI_LOG_##level))                                                        \
            eai_log_write(EAI_LOG_##level, module, __VA_ARGS__);                                   \
    } while (0)

/* Behind the macro; keeps errno. */
EAI_API void eai_log_write(eai_log_level level, const char *module, const char *fmt, ...)
    EAI_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
