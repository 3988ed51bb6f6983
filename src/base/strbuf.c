/* Growable text. See strbuf.h; start at reserve(). */
#include "base/strbuf.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

void eai_strbuf_init(eai_strbuf *b, size_t maximum)
{
    *b = (eai_strbuf)EAI_STRBUF_INIT(maximum);
}

void eai_strbuf_deinit(eai_strbuf *b)
{
    if (!b)
        return;
    eai_free(b->data);
    eai_strbuf_init(b, b->maximum);
}

void eai_strbuf_clear(eai_strbuf *b)
{
    b->length = 0;
    b->status = EAI_OK;
    if (b->data)
        b->data[0] = '\0';
}

/* Room for `more` bytes and the NUL. */
static bool reserve(eai_strbuf *b, size_t more)
{
    if (b->status != EAI_OK)
        return false;
    if (more > b->maximum - b->length || b->maximum == SIZE_MAX) {
        b->status = EAI_ERR_LIMIT;
        return false;
    }
    size_t need = b->length + more + 1;
    if (need <= b->capacity)
        return true;
    size_t capacity = b->capacity < 32 ? 64 : b->capacity;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    char *data = eai_realloc_array(b->data, capacity, 1);
    if (!data) {
        b->status = EAI_ERR_NOMEM;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void eai_strbuf_bytes(eai_strbuf *b, const void *data, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n)
        memcpy(b->data + b->length, data, n);
    b->length += n;
    b->data[b->length] = '\0';
}

void eai_strbuf_text(eai_strbuf *b, const char *text)
{
    eai_strbuf_bytes(b, text, strlen(text));
}

void eai_strbuf_char(eai_strbuf *b, char c)
{
    eai_strbuf_bytes(b, &c, 1);
}

void eai_strbuf_repeat(eai_strbuf *b, char c, size_t n)
{
    if (!reserve(b, n))
        return;
    memset(b->data + b->length, c, n);
    b->length += n;
    b->data[b->length] = '\0';
}

void eai_strbuf_vprintf(eai_strbuf *b, const char *fmt, va_list args)
{
    va_list again;

    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0 && b->status == EAI_OK)
        b->status = EAI_ERR_INTERNAL;
    if (n >= 0 && reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->length, (size_t)n + 1, fmt, again);
        b->length += (size_t)n;
    }
    va_end(again);
}

void eai_strbuf_printf(eai_strbuf *b, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    eai_strbuf_vprintf(b, fmt, args);
    va_end(args);
}

/* Bounds of the second byte (Unicode 15, table 3-7): everything else of a UTF-8 sequence is
 * regular. */
size_t eai_utf8_length(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t length;

    if (n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n < length)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0; /* no overlong forms */
    else if (p[0] == 0xed)
        high = 0x9f; /* no surrogates */
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f; /* up to U+10FFFF */
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static void json_character(eai_strbuf *b, unsigned char c)
{
    static const char named[] = "\"\\bfnrt";
    static const char codes[] = "\"\\\b\f\n\r\t";
    const char *at = c ? strchr(codes, c) : NULL;

    if (at)
        eai_strbuf_printf(b, "\\%c", named[at - codes]);
    else if (c < 0x20 || c == 0x7f)
        eai_strbuf_printf(b, "\\u%04x", c);
    else
        eai_strbuf_char(b, (char)c);
}

void eai_strbuf_json_bytes(eai_strbuf *b, const char *text, size_t n)
{
    eai_strbuf_char(b, '"');
    for (size_t i = 0; i < n;) {
        size_t length = eai_utf8_length(text + i, n - i);
        if (length == 1)
            json_character(b, (unsigned char)text[i]);
        else if (length > 1)
            eai_strbuf_bytes(b, text + i, length);
        else
            eai_strbuf_text(b, "\xef\xbf\xbd");
        i += length ? length : 1;
    }
    eai_strbuf_char(b, '"');
}

void eai_strbuf_json_string(eai_strbuf *b, const char *text)
{
    if (text)
        eai_strbuf_json_bytes(b, text, strlen(text));
    else
        eai_strbuf_text(b, "null");
}

void eai_strbuf_json_number(eai_strbuf *b, double value)
{
    char text[32];

    if (!isfinite(value)) {
        eai_strbuf_text(b, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    for (char *p = text; *p; p++)
        if (*p == ',')
            *p = '.'; /* a locale's decimal comma */
    eai_strbuf_text(b, text);
}

const char *eai_strbuf_get(const eai_strbuf *b)
{
    return b->data ? b->data : "";
}

char *eai_strbuf_take(eai_strbuf *b, size_t *length)
{
    eai_strbuf_bytes(b, "", 0); /* so that an empty text is a text */
    if (b->status != EAI_OK)
        return NULL;
    char *text = b->data;
    if (length)
        *length = b->length;
    eai_strbuf_init(b, b->maximum);
    return text;
}

eai_status eai_strbuf_check(const eai_strbuf *b, const char *what, eai_error *err)
{
    switch (b->status) {
    case EAI_OK:
        return EAI_OK;
    case EAI_ERR_NOMEM:
        return eai_error_set(err, EAI_ERR_NOMEM, "%s: no memory for the text", what);
    case EAI_ERR_LIMIT:
        return eai_error_set(err, EAI_ERR_LIMIT, "%s: longer than the %zu bytes allowed", what,
                             b->maximum);
    default:
        return eai_error_set(err, EAI_ERR_INTERNAL, "%s: a value could not be printed", what);
    }
}
