/* TOML's texts, numbers, dates and booleans. Start at toml__read_scalar. */
#include "config/toml.h"

#include <math.h>
#include <string.h>

#include "base/strbuf.h"

#include "base/banned.h"

#define MAX_TEXT ((size_t)1 << 24)

/* ---- Moving on ------------------------------------------------------------------------------- */

void toml__skip(toml_text *in, size_t n)
{
    for (; n > 0; n--, in->p++)
        in->at.column += ((unsigned char)*in->p & 0xc0) != 0x80;
}

void toml__skip_blanks(toml_text *in)
{
    while (in->p < in->end && (*in->p == ' ' || *in->p == '\t'))
        toml__skip(in, 1);
}

bool toml__take(toml_text *in, char c)
{
    if (in->p == in->end || *in->p != c)
        return false;
    toml__skip(in, 1);
    return true;
}

bool toml__take_line_end(toml_text *in)
{
    size_t n = in->p < in->end && *in->p == '\r' ? 1 : 0;

    if (in->p + n >= in->end || in->p[n] != '\n')
        return false;
    in->p += n + 1;
    in->at.line++;
    in->at.column = 1;
    return true;
}

/* A control character that may not stand in a comment or a text. */
static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

eai_status toml__skip_comment(toml_text *in)
{
    while (in->p < in->end && *in->p != '\n' &&
           !(*in->p == '\r' && in->p + 1 < in->end && in->p[1] == '\n')) {
        if (is_control(*in->p))
            return document__fail(in->d, in->at, "the control character 0x%02x in a comment",
                                  (unsigned char)*in->p);
        toml__skip(in, 1);
    }
    return EAI_OK;
}

eai_status toml__unexpected(toml_text *in, const char *wanted)
{
    if (in->p == in->end)
        return document__fail(in->d, in->at, "the file ends where %s should be", wanted);
    if (*in->p == '\n' || *in->p == '\r')
        return document__fail(in->d, in->at, "the line ends where %s should be", wanted);
    size_t n = eai_utf8_length(in->p, (size_t)(in->end - in->p));
    return document__fail(in->d, in->at, "'%.*s' where %s should be", (int)n, in->p, wanted);
}

/* ---- Texts ----------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

static void add_utf8(eai_strbuf *b, uint32_t c)
{
    if (c < 0x80) {
        eai_strbuf_char(b, (char)c);
    } else if (c < 0x800) {
        eai_strbuf_char(b, (char)(0xc0 | c >> 6));
        eai_strbuf_char(b, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        eai_strbuf_char(b, (char)(0xe0 | c >> 12));
        eai_strbuf_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        eai_strbuf_char(b, (char)(0x80 | (c & 0x3f)));
    } else {
        eai_strbuf_char(b, (char)(0xf0 | c >> 18));
        eai_strbuf_char(b, (char)(0x80 | (c >> 12 & 0x3f)));
        eai_strbuf_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        eai_strbuf_char(b, (char)(0x80 | (c & 0x3f)));
    }
}

/* The n digits behind \u or \U. */
static eai_status read_unicode(toml_text *in, eai_strbuf *b, int n)
{
    uint32_t c = 0;
    document_place at = in->at;

    for (int i = 0; i < n; i++) {
        int digit = in->p < in->end ? hex_digit(*in->p) : -1;
        if (digit < 0)
            return toml__unexpected(in, "a hexadecimal digit");
        c = c << 4 | (uint32_t)digit;
        toml__skip(in, 1);
    }
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return document__fail(in->d, at, "U+%04X is no character", c);
    add_utf8(b, c);
    return EAI_OK;
}

/* A '\' at the end of a line: everything up to the next text is left out. */
static bool skip_folded(toml_text *in)
{
    toml_text ahead = *in;

    toml__skip_blanks(&ahead);
    if (!toml__take_line_end(&ahead))
        return false;
    do
        toml__skip_blanks(&ahead);
    while (toml__take_line_end(&ahead));
    *in = ahead;
    return true;
}

/* Behind a '\'. */
static eai_status read_escape(toml_text *in, eai_strbuf *b, bool lines)
{
    static const char letters[] = "btnfr\"\\";
    static const char meant[] = "\b\t\n\f\r\"\\";

    if (lines && skip_folded(in))
        return EAI_OK;
    const char *letter = in->p < in->end && *in->p ? strchr(letters, *in->p) : NULL;
    if (letter) {
        eai_strbuf_char(b, meant[letter - letters]);
        toml__skip(in, 1);
        return EAI_OK;
    }
    if (toml__take(in, 'u'))
        return read_unicode(in, b, 4);
    if (toml__take(in, 'U'))
        return read_unicode(in, b, 8);
    return toml__unexpected(in, "one of b t n f r \" \\ u U behind '\\'");
}

/* How often the quote stands here, up to `most`. */
static size_t count_quotes(const toml_text *in, char quote, size_t most)
{
    size_t n = 0;

    while (n < most && in->p + n < in->end && in->p[n] == quote)
        n++;
    return n;
}

/* Up to the closing quote (or three of them), which is taken. */
static eai_status read_quoted(toml_text *in, eai_strbuf *b, char quote, bool lines)
{
    for (;;) {
        size_t n_quotes = count_quotes(in, quote, lines ? 5 : 1);
        const char *start = in->p;
        if (in->p == in->end)
            return toml__unexpected(in, "the closing quote");
        if (lines ? n_quotes >= 3 : n_quotes == 1) { /* up to two of its own may precede three */
            eai_strbuf_repeat(b, quote, n_quotes - (lines ? 3 : 1));
            toml__skip(in, n_quotes);
            return EAI_OK;
        }
        if (lines && toml__take_line_end(in)) {
            eai_strbuf_bytes(b, start, (size_t)(in->p - start));
        } else if (quote == '"' && toml__take(in, '\\')) {
            EAI_TRY(read_escape(in, b, lines));
        } else if (!lines && (*in->p == '\n' || *in->p == '\r')) {
            return toml__unexpected(in, "the closing quote");
        } else if (is_control(*in->p)) {
            return document__fail(in->d, in->at, "the control character 0x%02x in a text",
                                  (unsigned char)*in->p);
        } else {
            eai_strbuf_char(b, *in->p);
            toml__skip(in, 1);
        }
    }
}

eai_status toml__read_quoted(toml_text *in, eai_value *v, bool lines)
{
    eai_strbuf b = EAI_STRBUF_INIT(MAX_TEXT);
    char quote = *in->p;

    bool three = lines && count_quotes(in, quote, 3) == 3;
    toml__skip(in, three ? 3 : 1);
    if (three)
        toml__take_line_end(in);
    eai_status st = read_quoted(in, &b, quote, three);
    if (st == EAI_OK)
        st = eai_strbuf_check(&b, "a text", in->d->err);
    if (st == EAI_OK)
        st = document__set_text(in->d, v, eai_strbuf_get(&b), b.length);
    eai_strbuf_deinit(&b);
    return st;
}

/* ---- Dates and times ------------------------------------------------------------------------- */

/* A pattern: 'd' a digit, anything else itself. */
static bool fits(const char *s, size_t n, const char *pattern)
{
    size_t length = strlen(pattern);

    if (n < length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (pattern[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != pattern[i])
            return false;
    return true;
}

static int two_digits(const char *s)
{
    return 10 * (s[0] - '0') + (s[1] - '0');
}

static bool is_date(const char *s)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 100 * two_digits(s) + two_digits(s + 2);
    int month = two_digits(s + 5);
    int day = two_digits(s + 8);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return year > 0 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap);
}

static bool is_time_of_day(const char *s)
{
    return two_digits(s) < 24 && two_digits(s + 3) < 60 && two_digits(s + 6) < 60;
}

/* The length of "12:34:56.789" with what may follow a date: "Z", "+01:00"; 0: none is here. */
static size_t time_length(const char *s, size_t n, bool with_offset)
{
    size_t i = 8;

    if (!fits(s, n, "dd:dd:dd") || !is_time_of_day(s))
        return 0;
    if (i < n && s[i] == '.') {
        size_t digits = strspn(s + i + 1, "0123456789");
        if (digits == 0)
            return 0;
        i += 1 + digits;
    }
    if (with_offset && i < n && (s[i] == 'Z' || s[i] == 'z'))
        return i + 1;
    if (with_offset && i < n && (s[i] == '+' || s[i] == '-'))
        return fits(s + i + 1, n - i - 1, "dd:dd") && two_digits(s + i + 1) < 24 &&
                       two_digits(s + i + 4) < 60
                   ? i + 6
                   : 0;
    return i;
}

/* Is the word of n characters (which ends with NUL) a date, a time, or both? */
static bool is_time(const char *s, size_t n)
{
    if (fits(s, n, "dd:dd:"))
        return time_length(s, n, false) == n;
    if (!fits(s, n, "dddd-dd-dd") || !is_date(s))
        return false;
    if (n == 10)
        return true;
    return n > 11 && (s[10] == 'T' || s[10] == 't' || s[10] == ' ') &&
           time_length(s + 11, n - 11, true) == n - 11;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

static bool is_digit(char c, bool hex)
{
    return hex ? hex_digit(c) >= 0 : c >= '0' && c <= '9';
}

/* Copies n characters without the underscores, each of which must stand between two digits. False
 * when one does not. */
static bool drop_underscores(char *out, const char *s, size_t n)
{
    bool hex = n > 2 && s[0] == '0' && s[1] == 'x';

    for (size_t i = 0; i < n; i++) {
        if (s[i] != '_')
            *out++ = s[i];
        else if (i == 0 || i + 1 == n || !is_digit(s[i - 1], hex) || !is_digit(s[i + 1], hex))
            return false;
    }
    *out = '\0';
    return true;
}

static size_t count_digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* Of a decimal number without sign: *whole is set when it has neither fraction nor exponent. */
static bool is_decimal(const char *s, bool *whole)
{
    size_t n = count_digits(s);

    *whole = s[n] == '\0';
    if (n == 0 || (n > 1 && s[0] == '0'))
        return false;
    s += n;
    if (*s == '.') {
        n = count_digits(s + 1);
        if (n == 0)
            return false;
        s += 1 + n;
    }
    if (*s == 'e' || *s == 'E') {
        s += 1 + (s[1] == '+' || s[1] == '-');
        n = count_digits(s);
        if (n == 0)
            return false;
        s += n;
    }
    return *s == '\0';
}

/* 0xff, 0o17, 0b101: the base, or 0. */
static int base_of(const char *s)
{
    static const struct {
        const char *prefix, *digits;
        int base;
    } bases[] = {{"0x", "0123456789abcdefABCDEF", 16}, {"0o", "01234567", 8}, {"0b", "01", 2}};

    for (size_t i = 0; i < 3; i++)
        if (strncmp(s, bases[i].prefix, 2) == 0 && s[2] &&
            strspn(s + 2, bases[i].digits) == strlen(s + 2))
            return bases[i].base;
    return 0;
}

/* The word v->text as a number; *ok tells whether it is one. */
static eai_status read_number(toml_text *in, eai_value *v, bool *ok)
{
    bool negative = v->text[0] == '-';
    bool has_sign = negative || v->text[0] == '+';
    bool whole = false;
    char *s = eai_arena_alloc(in->d->arena, v->length + 1);

    if (!s)
        return document__no_memory(in->d);
    *ok = drop_underscores(s, v->text, v->length);
    if (!*ok)
        return EAI_OK;
    const char *number = s + has_sign;
    int base = has_sign ? 0 : base_of(number);
    if (base)
        return document__set_int(in->d, v, number + 2, strlen(number + 2), base, false);
    if (strcmp(number, "inf") == 0 || strcmp(number, "nan") == 0) {
        double real = *number == 'i' ? (double)INFINITY : (double)NAN;
        document__set_real(v, negative ? -real : real);
        return EAI_OK;
    }
    *ok = is_decimal(number, &whole);
    if (!*ok)
        return EAI_OK;
    if (whole)
        return document__set_int(in->d, v, number, strlen(number), 10, negative);
    return document__set_float(in->d, v, s, strlen(s));
}

/* ---- A word ---------------------------------------------------------------------------------- */

/* Up to what ends a value. A blank between a date and a time belongs to both. */
static size_t word_length(const toml_text *in)
{
    size_t left = (size_t)(in->end - in->p);
    size_t n = 0;

    while (n < left && !strchr(" \t\r\n#,]}", in->p[n]))
        n++;
    if (n == 10 && left > 13 && in->p[10] == ' ' && fits(in->p, n, "dddd-dd-dd") &&
        fits(in->p + 11, left - 11, "dd:"))
        for (n = 11; n < left && !strchr(" \t\r\n#,]}", in->p[n]);)
            n++;
    return n;
}

eai_status toml__read_scalar(toml_text *in, eai_value *v)
{
    bool ok = true;

    if (in->p < in->end && (*in->p == '"' || *in->p == '\''))
        return toml__read_quoted(in, v, true);
    size_t n = word_length(in);
    if (n == 0)
        return toml__unexpected(in, "a value");
    document_place at = in->at;
    EAI_TRY(document__set_text(in->d, v, in->p, n));
    toml__skip(in, n);
    if (strcmp(v->text, "true") == 0 || strcmp(v->text, "false") == 0) {
        v->kind = EAI_VALUE_BOOL;
        v->boolean = v->text[0] == 't';
    } else if (is_time(v->text, n)) {
        v->kind = EAI_VALUE_TIME;
    } else {
        EAI_TRY(read_number(in, v, &ok));
    }
    if (!ok)
        return document__fail(in->d, at, "'%.60s' is no value (a text stands in quotes)", v->text);
    return EAI_OK;
}
