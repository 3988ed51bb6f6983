/* UTF-8, one character at a time. Strict: overlong forms, surrogates and values above U+10FFFF are
 * invalid, as in Python. */
#ifndef EAI_FORMATS_UTF8_H
#define EAI_FORMATS_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of the character at s (n > 0 bytes are there) and its code point; 0 when it is invalid.
 */
static inline size_t utf8__decode(uint32_t *cp, const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;

    if (s[0] < 0x80) {
        *cp = s[0];
        return 1;
    }
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    size_t length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    uint32_t c = s[0] & (0x7Fu >> length);
    if (n < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3F);
    }
    if ((length == 3 && (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF))) ||
        (length == 4 && (c < 0x10000 || c > 0x10FFFF)))
        return 0;
    *cp = c;
    return length;
}

/* The same for text that is known to be valid: never 0, so that loops end. */
static inline size_t utf8__next(uint32_t *cp, const char *text, size_t n)
{
    size_t length = utf8__decode(cp, text, n);

    if (length > 0)
        return length;
    *cp = 0xFFFD;
    return 1;
}

/* Writes a code point below 0x110000 as 1 to 4 bytes; returns how many. */
static inline size_t utf8__encode(char *out, uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t length = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)(unsigned char)((0xF00u >> length) | cp);
    return length;
}

/* White_Space of Unicode. */
static inline int utf8__is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == 32 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

/* What Python's str.isspace() and \s take for white space: also four separators of ASCII. */
static inline int utf8__is_python_space(uint32_t c)
{
    return utf8__is_space(c) || (c >= 0x1C && c <= 0x1F);
}

#endif
