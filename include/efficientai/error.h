/* Errors: a code and a message, on the caller's stack.
 *
 * Use:
 *     eai_error err = EAI_ERROR_INIT;
 *     if (eai_weights_open(&w, path, &err) != EAI_OK)
 *         fprintf(stderr, "error: %s\n", err.message);
 *
 * Why: a library may not print or exit, and a global "last error" breaks as soon as there are
 * threads. Every function that touches input, files, memory or devices returns an eai_status and
 * takes an eai_error as its last argument; NULL is allowed there and means "the code is enough".
 * A message names the thing, the value seen and the value allowed; callers add context going up:
 * "model.gguf: tensor 'blk.0.attn_q.weight': offset 99 is not a multiple of 32".
 *
 * Thread-safety: an eai_error belongs to one thread at a time. */
#ifndef EAI_ERROR_H
#define EAI_ERROR_H

#include <stdarg.h>

#if defined(__GNUC__) || defined(__clang__)
#define EAI_API               __attribute__((visibility("default")))
#define EAI_CHECKED           __attribute__((warn_unused_result))
#define EAI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#error "EfficientAI needs GCC or Clang"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/*            name          value  what it means                                                 */
#define EAI_STATUS_TABLE(X)                                                                        \
    X(EAI_OK,               0, "no error")                                                         \
    X(EAI_ERR_NOMEM,        1, "an allocation failed")                                             \
    X(EAI_ERR_IO,           2, "the operating system refused a file or socket operation")          \
    X(EAI_ERR_FORMAT,       3, "a file or message is not what its format demands")                 \
    X(EAI_ERR_ARGUMENT,     4, "a value given by the caller or the user is not allowed")           \
    X(EAI_ERR_USAGE,        5, "the command line is wrong (exit code 2)")                          \
    X(EAI_ERR_SHAPE,        6, "tensor shapes or dtypes do not fit together")                      \
    X(EAI_ERR_NOT_FOUND,    7, "a named thing does not exist")                                     \
    X(EAI_ERR_UNSUPPORTED,  8, "valid, but not supported here")                                    \
    X(EAI_ERR_NUMERIC,      9, "NaN or infinity where a number is needed")                         \
    X(EAI_ERR_LIMIT,       10, "a size or count is above its limit")                               \
    X(EAI_ERR_CANCELLED,   11, "stopped on request (exit code 130)")                               \
    X(EAI_ERR_INTERNAL,    12, "a defect in this library")                                         \
    X(EAI_ERR_BUSY,        13, "another process holds what is wanted")
/* clang-format on */

typedef enum eai_status {
#define EAI_STATUS_ENUM(name, value, text) name = value,
    EAI_STATUS_TABLE(EAI_STATUS_ENUM)
#undef EAI_STATUS_ENUM
} eai_status;

#define EAI_ERROR_MESSAGE_MAX 1024

typedef struct eai_error {
    eai_status code;
    char message[EAI_ERROR_MESSAGE_MAX]; /* one line, no trailing newline; cut with "..." when long
                                          */
} eai_error;

#define EAI_ERROR_INIT                                                                             \
    {                                                                                              \
        EAI_OK, ""                                                                                 \
    }

/* Sets code and message; returns `code`, so that `return eai_error_set(...)` reads well.
 * `err` may be NULL. Control characters in the text are replaced by '?'. */
EAI_API eai_status eai_error_set(eai_error *err, eai_status code, const char *fmt, ...)
    EAI_PRINTF(3, 4);

/* As above with code EAI_ERR_IO (EAI_ERR_NOMEM for ENOMEM) and ": <strerror(errno)>" appended. */
EAI_API eai_status eai_error_set_errno(eai_error *err, const char *fmt, ...) EAI_PRINTF(2, 3);

/* Puts "<context>: " in front of the message that is there; returns `code` unchanged.
 *     if (st != EAI_OK) return eai_error_context(err, st, "%s: tensor '%s'", path, name); */
EAI_API eai_status eai_error_context(eai_error *err, eai_status code, const char *fmt, ...)
    EAI_PRINTF(3, 4);

/* The static analyzer sees one file at a time and would follow, after each failure, a path on which
 * these had returned EAI_OK. They are only called with the code of a failure: that is stated here,
 * once. Compilers never see it. */
#ifdef __clang_analyzer__
/* Not a function: it would not be looked into deep inside a chain of calls. */
#define EAI_IS_FAILURE(call)                                                                       \
    __extension__({                                                                                \
        eai_status eai_failure_ = call;                                                            \
        if (eai_failure_ == EAI_OK)                                                                \
            __builtin_unreachable();                                                               \
        eai_failure_;                                                                              \
    })
#define eai_error_set(...)       EAI_IS_FAILURE((eai_error_set)(__VA_ARGS__))
#define eai_error_set_errno(...) EAI_IS_FAILURE((eai_error_set_errno)(__VA_ARGS__))
#define eai_error_context(...)   EAI_IS_FAILURE((eai_error_context)(__VA_ARGS__))
#endif

/* The name of a code, for example "EAI_ERR_IO"; "EAI_ERR_?" when unknown. Static text. */
EAI_API const char *eai_status_name(eai_status code);

/* Returns from the calling function when `expr` fails. Only where nothing is held. */
#define EAI_TRY(expr)                                                                              \
    do {                                                                                           \
        eai_status eai_try_status_ = (expr);                                                       \
        if (eai_try_status_ != EAI_OK)                                                             \
            return eai_try_status_;                                                                \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
