/* Error objects: formatting a message, and putting context in front of one.
 *
 * Why: see error.h. What is careful here: the arguments may point into the very message that is
 * being replaced, text from files and from the network must not reach a terminal as control codes,
 * and a message that is cut is cut between characters. Start at set_message(). */
#include <efficientai/error.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#include "base/banned.h"

/* What error.h puts around them for the analyzer is for callers. */
#undef eai_error_set
#undef eai_error_set_errno
#undef eai_error_context

/* text is a complete message of at most size bytes, or the beginning of one when `n` (what
 * vsnprintf returned) says that more was wanted. */
static void set_message(eai_error *err, eai_status code, char *text, int n)
{
    size_t size = sizeof(err->message);

    if (n < 0)
        text[0] = '\0';
    else if ((size_t)n >= size)
        text__mark_cut(text, size);
    text__clean(text);
    err->code = code;
    memcpy(err->message, text, strlen(text) + 1);
}

eai_status eai_error_set(eai_error *err, eai_status code, const char *fmt, ...)
{
    char text[EAI_ERROR_MESSAGE_MAX];
    va_list args;

    if (!err)
        return code;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    set_message(err, code, text, n);
    return code;
}

/* The text of an errno. Two functions of this name exist: POSIX's returns a number and fills the
 * buffer, glibc's with _GNU_SOURCE returns the text, which may lie elsewhere. */
static void describe_errno(char *reason, size_t n, int number)
{
#if defined(__GLIBC__) && defined(_GNU_SOURCE)
    const char *text = strerror_r(number, reason, n);
    if (text != reason)
        snprintf(reason, n, "%s", text);
#else
    if (strerror_r(number, reason, n) != 0)
        snprintf(reason, n, "error %d", number);
#endif
}

eai_status eai_error_set_errno(eai_error *err, const char *fmt, ...)
{
    int number = errno;
    eai_status code = number == ENOMEM ? EAI_ERR_NOMEM : EAI_ERR_IO;
    char text[EAI_ERROR_MESSAGE_MAX];
    char reason[256];
    va_list args;

    if (!err)
        return code;
    describe_errno(reason, sizeof(reason), number);
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(text)) {
        int m = snprintf(text + n, sizeof(text) - (size_t)n, ": %s", reason);
        n = m < 0 ? n : n + m;
    }
    set_message(err, code, text, n);
    errno = number;
    return code;
}

eai_status eai_error_context(eai_error *err, eai_status code, const char *fmt, ...)
{
    char text[EAI_ERROR_MESSAGE_MAX];
    va_list args;

    if (!err)
        return code;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(text)) {
        int m = snprintf(text + n, sizeof(text) - (size_t)n, ": %s", err->message);
        n = m < 0 ? n : n + m;
    }
    set_message(err, code, text, n);
    return code;
}

const char *eai_status_name(eai_status code)
{
    switch (code) {
#define EAI_STATUS_CASE(name, value, text)                                                         \
    case name:                                                                                     \
        return #name;
        EAI_STATUS_TABLE(EAI_STATUS_CASE)
#undef EAI_STATUS_CASE
    }
    return "EAI_ERR_?";
}
