/* Text that grows, up to a maximum, with one check at the end.
 *
 *     eai_strbuf b = EAI_STRBUF_INIT(1 << 20);             // at most 1 MiB
 *     eai_strbuf_text(&b, "{\"name\": ");
 *     eai_strbuf_json_string(&b, name);
 *     eai_strbuf_printf(&b, ", \"rank\": %d}", rank);
 *     char *text = eai_strbuf_take(&b, NULL);              // NULL if anything above failed
 *     ...
 *     eai_strbuf_deinit(&b);
 *
 * After the first failure (no memory, or above the maximum) the buffer ignores further additions
 * and remembers why. Text from the network or a file cannot make it grow without bound. */
#ifndef EAI_BASE_STRBUF_H
#define EAI_BASE_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

#include <efficientai/error.h>

typedef struct eai_strbuf {
    char *data;        /* NUL-terminated once anything was added; NULL before */
    size_t length;     /* without the NUL */
    size_t capacity;   /* bytes at data */
    size_t maximum;    /* of length */
    eai_status status; /* EAI_OK, EAI_ERR_NOMEM, EAI_ERR_LIMIT or EAI_ERR_INTERNAL (bad printf) */
} eai_strbuf;

#define EAI_STRBUF_INIT(max)                                                                       \
    {                                                                                              \
        NULL, 0, 0, (max), EAI_OK                                                                  \
    }

void eai_strbuf_init(eai_strbuf *b, size_t maximum);
void eai_strbuf_deinit(eai_strbuf *b);

/* Forgets text and failure, keeps the memory. */
void eai_strbuf_clear(eai_strbuf *b);

void eai_strbuf_bytes(eai_strbuf *b, const void *data, size_t n);
void eai_strbuf_text(eai_strbuf *b, const char *text);
void eai_strbuf_char(eai_strbuf *b, char c);
void eai_strbuf_repeat(eai_strbuf *b, char c, size_t n);
void eai_strbuf_printf(eai_strbuf *b, const char *fmt, ...) EAI_PRINTF(2, 3);
void eai_strbuf_vprintf(eai_strbuf *b, const char *fmt, va_list args) EAI_PRINTF(2, 0);

/* `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. NULL gives null.
 */
void eai_strbuf_json_string(eai_strbuf *b, const char *text);
void eai_strbuf_json_bytes(eai_strbuf *b, const char *text, size_t n);

/* The shortest decimal that reads back as the same double; JSON has no NaN and no infinity: null.
 */
void eai_strbuf_json_number(eai_strbuf *b, double value);

/* The text so far, "" when empty. Borrowed until the next addition. */
const char *eai_strbuf_get(const eai_strbuf *b);

/* The text becomes the caller's (eai_free) and the buffer empty; NULL after a failure.
 * *length may be NULL. */
char *eai_strbuf_take(eai_strbuf *b, size_t *length);

/* EAI_OK, or the first failure with a message about `what`. */
EAI_CHECKED eai_status eai_strbuf_check(const eai_strbuf *b, const char *what, eai_error *err);

/* The length in bytes of the UTF-8 character at s (of n > 0 bytes), 0 when there is none: cut
 * short, overlong, a surrogate, above U+10FFFF. */
size_t eai_utf8_length(const char *s, size_t n);

#endif
