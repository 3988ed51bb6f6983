/* Template source -> tokens, by Jinja2's rules for white space with trim_blocks and lstrip_blocks
 * on:
 *
 *   {%  removes white space in front of it when nothing else is there on its line; {%+ keeps it;
 *   %}  removes one newline behind it; +%} keeps it;
 *   -   inside any tag removes all white space on that side;
 *   {# #} behave like {% %}; {{ }} remove nothing unless told by -.
 *
 * Line ends become "\n", and one at the very end of the source is dropped. Start at jinja__lex().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "formats/jinja_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

typedef struct lexer {
    eai_arena *arena;
    const char *s; /* normalised source, NUL-terminated */
    size_t n;
    size_t at;
    int line;
    bool line_starting; /* the tag before ended with a newline, or the source starts here */
    size_t n_open;      /* brackets of the current tag */
    char open[JINJA_MAX_DEPTH];
    jinja_tokens *out;
    eai_error *err;
} lexer;

static eai_status fail_at(const lexer *l, const char *what)
{
    return eai_error_set(l->err, EAI_ERR_FORMAT, "line %d: %s", l->line, what);
}

static eai_status no_memory(const lexer *l)
{
    return eai_error_set(l->err, EAI_ERR_NOMEM, "no memory for a template");
}

static eai_status push(lexer *l, jinja_token token)
{
    jinja_tokens *t = l->out;

    if (t->n == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 256;
        jinja_token *grown = eai_arena_array(l->arena, capacity, sizeof(*grown));

        if (!grown)
            return no_memory(l);
        if (t->n)
            memcpy(grown, t->at, t->n * sizeof(*grown));
        t->at = grown;
        t->capacity = capacity;
    }
    token.line = l->line;
    t->at[t->n++] = token;
    return EAI_OK;
}

/* --- characters --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

/* The bytes of the white space character at s[at], 0 for others. */
static size_t space_at(const lexer *l, size_t at)
{
    uint32_t c = 0;
    size_t length = at < l->n ? utf8__decode(&c, l->s + at, l->n - at) : 0;

    return length && utf8__is_python_space(c) ? length : 0;
}

/* Moves to `to`, counting lines. */
static void advance(lexer *l, size_t to)
{
    for (; l->at < to; l->at++)
        l->line += l->s[l->at] == '\n';
}

static void skip_space(lexer *l)
{
    for (size_t length; (length = space_at(l, l->at)) > 0;)
        advance(l, l->at + length);
}

static bool starts_with(const lexer *l, size_t at, const char *text)
{
    size_t n = strlen(text);

    return l->n - at >= n && memcmp(l->s + at, text, n) == 0;
}

/* --- text between tags --- */

/* The end of [start, end) without white space at its end. */
static size_t strip_end(const lexer *l, size_t start, size_t end)
{
    size_t kept = start;

    for (size_t at = start; at < end;) {
        uint32_t c = 0;
        size_t length = utf8__decode(&c, l->s + at, end - at);

        if (length == 0 || !utf8__is_python_space(c))
            kept = at + (length ? length : 1);
        at += length ? length : 1;
    }
    return kept;
}

/* lstrip_blocks: the end of [start, end) without white space that has the line for itself. */
static size_t strip_line_start(const lexer *l, size_t start, size_t end)
{
    size_t line = end;

    while (line > start && l->s[line - 1] != '\n')
        line--;
    if (line == start && !l->line_starting)
        return end;
    for (size_t at = line, length; at < end; at += length) {
        length = space_at(l, at);
        if (length == 0)
            return end;
    }
    return line;
}

static eai_status push_text(lexer *l, size_t start, size_t end)
{
    if (start == end)
        return EAI_OK;
    return push(l, (jinja_token){.kind = JINJA_T_TEXT, .s = l->s + start, .n = end - start});
}

/* Behind the closing tag whose first character ('-', '+' or a mark of two) is at l->at; `trim`: a
 * newline behind it belongs to the tag. */
static void pass_tag_end(lexer *l, bool trim)
{
    char sign = l->s[l->at];
    bool has_sign = sign == '-' || sign == '+';

    advance(l, l->at + (has_sign ? 3 : 2));
    l->line_starting = false;
    if (sign == '-') {
        skip_space(l);
        l->line_starting = l->s[l->at - 1] == '\n';
    } else if (trim && sign != '+' && l->at < l->n && l->s[l->at] == '\n') {
        advance(l, l->at + 1);
        l->line_starting = true;
    }
}

/* Is a closing tag (mark "%}", "}}" or "#}", with or without a sign) at `at`? */
static bool is_tag_end(const lexer *l, size_t at, const char *mark)
{
    if (starts_with(l, at, mark))
        return true;
    bool sign = at < l->n && (l->s[at] == '-' || (l->s[at] == '+' && mark[0] != '}'));
    return sign && starts_with(l, at + 1, mark);
}

/* --- tokens inside tags --- */

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32) - 'a' + 10;
    return -1;
}

/* Reads `n` hex digits at p (the string ends with its quote, so no bound is needed). */
static bool read_hex(uint32_t *out, const char *p, int n)
{
    uint32_t c = 0;

    for (int i = 0; i < n; i++) {
        int digit = hex_digit(p[i]);

        if (digit < 0)
            return false;
        c = c << 4 | (uint32_t)digit;
    }
    *out = c;
    return c < 0x110000 && !(c >= 0xD800 && c < 0xE000);
}

/* One escape after its backslash, as in Python: writes it to `out`, returns what was read, 0 when
 * it is malformed. */
static size_t read_escape(char *out, size_t *n_out, const char *p)
{
    static const char letters[] = "abfnrtv\\'\"";
    static const char meanings[] = "\a\b\f\n\r\t\v\\'\"";
    const char *found = *p ? strchr(letters, *p) : NULL;
    uint32_t c = 0;

    *n_out = 0;
    if (*p == '\n')
        return 1;
    if (found) {
        out[(*n_out)++] = meanings[found - letters];
        return 1;
    }
    if (*p >= '0' && *p <= '7') {
        size_t n = 0;

        while (n < 3 && p[n] >= '0' && p[n] <= '7')
            c = c * 8 + (uint32_t)(p[n++] - '0');
        *n_out = utf8__encode(out, c);
        return n;
    }
    if (*p == 'x' || *p == 'u' || *p == 'U') {
        int n = *p == 'x' ? 2 : *p == 'u' ? 4 : 8;

        if (!read_hex(&c, p + 1, n))
            return 0;
        *n_out = utf8__encode(out, c);
        return (size_t)n + 1;
    }
    if (*p == 'N')
        return 0;           /* names of characters */
    out[(*n_out)++] = '\\'; /* an unknown escape stays */
    return 0;
}

static eai_status lex_string(lexer *l)
{
    char quote = l->s[l->at];
    size_t end = l->at + 1;

    while (end < l->n && l->s[end] != quote)
        end += l->s[end] == '\\' ? 2 : 1;
    if (end >= l->n)
        return fail_at(l, "a string has no closing quote");
    char *text = eai_arena_alloc(l->arena, end - l->at); /* no escape is longer than its spelling */
    if (!text)
        return no_memory(l);
    size_t n = 0;
    for (size_t i = l->at + 1; i < end;) {
        if (l->s[i] != '\\') {
            text[n++] = l->s[i++];
            continue;
        }
        size_t n_written = 0;
        size_t n_read = read_escape(text + n, &n_written, l->s + i + 1);
        if (n_read == 0 && n_written == 0)
            return fail_at(l, "a string has an escape that is not supported");
        n += n_written;
        i += 1 + n_read;
    }
    eai_status st = push(l, (jinja_token){.kind = JINJA_T_STRING, .s = text, .n = n});
    advance(l, end + 1);
    return st;
}

/* Copies the digits of a number without '_'; false when it is too long. */
static bool copy_number(char *out, size_t size, const char *s, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] == '_')
            continue;
        if (at + 1 >= size)
            return false;
        out[at++] = s[i];
    }
    out[at] = '\0';
    return true;
}

static size_t digits_end(const lexer *l, size_t at)
{
    while (at < l->n &&
           (is_digit(l->s[at]) || (l->s[at] == '_' && at + 1 < l->n && is_digit(l->s[at + 1]))))
        at++;
    return at;
}

/* The end of the number at l->at; `digits` is where its digits start (behind "0x"). */
static size_t number_end(const lexer *l, int *base, size_t *digits, bool *is_float)
{
    size_t end = digits_end(l, l->at);
    char letter = l->at + 1 < l->n ? (char)(l->s[l->at + 1] | 32) : '\0';

    *base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    *digits = l->at;
    *is_float = false;
    if (l->s[l->at] == '0' && *base != 10) {
        *digits = end = l->at + 2;
        while (end < l->n && (hex_digit(l->s[end]) >= 0 || l->s[end] == '_'))
            end++;
        return end;
    }
    *base = 10;
    if (l->at > 0 && l->s[l->at - 1] == '.')
        return end; /* x.0.1 is two items, not a fraction */
    if (end + 1 < l->n && l->s[end] == '.' && is_digit(l->s[end + 1])) {
        *is_float = true;
        end = digits_end(l, end + 1);
    }
    size_t e = end + 1;
    if (end < l->n && (l->s[end] | 32) == 'e') {
        e += e < l->n && (l->s[e] == '+' || l->s[e] == '-');
        if (e < l->n && is_digit(l->s[e])) {
            *is_float = true;
            end = digits_end(l, e);
        }
    }
    return end;
}

static eai_status lex_number(lexer *l)
{
    char text[64];
    int base = 10;
    size_t digits = 0;
    bool is_float = false;
    size_t end = number_end(l, &base, &digits, &is_float);
    char *rest = NULL;

    if (!copy_number(text, sizeof(text), l->s + digits, end - digits))
        return fail_at(l, "a number is too long");
    if (!is_float && base == 10 && text[0] == '0' && text[strspn(text, "0")] != '\0')
        return fail_at(l, "a number starts with 0");
    jinja_token token = {.kind = is_float ? JINJA_T_FLOAT : JINJA_T_INT};
    errno = 0;
    if (is_float)
        token.f = strtod(text, &rest);
    else
        token.i = strtoll(text, &rest, base);
    if (errno == ERANGE || *rest != '\0' || rest == text)
        return fail_at(l, "a number is malformed or does not fit into 64 bits");
    eai_status st = push(l, token);
    advance(l, end);
    return st;
}

static eai_status check_brackets(lexer *l, char c)
{
    if (c == '(' || c == '[' || c == '{') {
        if (l->n_open == sizeof(l->open))
            return fail_at(l, "brackets are nested too deep");
        l->open[l->n_open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (l->n_open == 0 || l->open[--l->n_open] != c)
            return fail_at(l, "a closing bracket does not match");
    }
    return EAI_OK;
}

static eai_status lex_operator(lexer *l)
{
    static const char *const operators[] = {"**", "//", "==", "!=", ">=", "<=", "+", "-", "*",
                                            "/",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                            ">",  "<",  "=",  ".",  ":",  "|",  ","};

    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (!starts_with(l, l->at, operators[i]))
            continue;
        size_t n = strlen(operators[i]);
        EAI_TRY(check_brackets(l, n == 1 ? operators[i][0] : ' '));
        EAI_TRY(push(l, (jinja_token){.kind = JINJA_T_OPERATOR, .s = operators[i], .n = n}));
        advance(l, l->at + n);
        return EAI_OK;
    }
    return eai_error_set(l->err, EAI_ERR_FORMAT, "line %d: unexpected character '%c'", l->line,
                         l->s[l->at] >= 32 && l->s[l->at] < 127 ? l->s[l->at] : '?');
}

/* The inside of {{ }} or {% %}, up to and with its end. */
static eai_status lex_tag(lexer *l, bool is_block)
{
    const char *mark = is_block ? "%}" : "}}";

    l->n_open = 0;
    for (;;) {
        skip_space(l);
        if (l->at >= l->n)
            return fail_at(l, is_block ? "'{%' has no '%}'" : "'{{' has no '}}'");
        if (l->n_open == 0 && is_tag_end(l, l->at, mark)) {
            EAI_TRY(push(
                l, (jinja_token){.kind = is_block ? JINJA_T_BLOCK_END : JINJA_T_VARIABLE_END}));
            pass_tag_end(l, is_block);
            return EAI_OK;
        }
        char c = l->s[l->at];
        if (c == '\'' || c == '"') {
            EAI_TRY(lex_string(l));
        } else if (is_digit(c)) {
            EAI_TRY(lex_number(l));
        } else if (is_name(c)) {
            size_t end = l->at;

            while (end < l->n && is_name(l->s[end]))
                end++;
            EAI_TRY(
                push(l, (jinja_token){.kind = JINJA_T_NAME, .s = l->s + l->at, .n = end - l->at}));
            advance(l, end);
        } else {
            EAI_TRY(lex_operator(l));
        }
    }
}

/* --- tags --- */

/* Is {% word %} at `at` (which is behind "{%" and its sign)? *end is then its closing tag. */
static bool is_word_tag(const lexer *l, size_t at, const char *word, size_t *end)
{
    for (size_t length; (length = space_at(l, at)) > 0;)
        at += length;
    if (!starts_with(l, at, word))
        return false;
    at += strlen(word);
    for (size_t length; (length = space_at(l, at)) > 0;)
        at += length;
    *end = at;
    return is_tag_end(l, at, "%}");
}

static bool is_sign(char c)
{
    return c == '-' || c == '+';
}

/* {% raw %} text {% endraw %}; l->at is at the closing tag of {% raw %}. */
static eai_status lex_raw(lexer *l)
{
    pass_tag_end(l, false);
    size_t start = l->at;
    for (size_t at = start; at < l->n; at++) {
        size_t end = 0;
        bool sign = starts_with(l, at, "{%") && at + 2 < l->n && is_sign(l->s[at + 2]);

        if (!starts_with(l, at, "{%") || !is_word_tag(l, at + 2 + sign, "endraw", &end))
            continue;
        size_t text_end = at;
        if (sign && l->s[at + 2] == '-')
            text_end = strip_end(l, start, at);
        else if (!sign)
            text_end = strip_line_start(l, start, at);
        EAI_TRY(push_text(l, start, text_end));
        advance(l, end);
        pass_tag_end(l, true);
        return EAI_OK;
    }
    return fail_at(l, "'{% raw %}' has no '{% endraw %}'");
}

static eai_status lex_comment(lexer *l, size_t inside)
{
    for (size_t at = inside; at < l->n; at++) {
        if (is_tag_end(l, at, "#}")) {
            advance(l, at);
            pass_tag_end(l, true);
            return EAI_OK;
        }
    }
    return fail_at(l, "'{#' has no '#}'");
}

/* The text from l->at up to the next tag, and that tag. */
static eai_status lex_next(lexer *l)
{
    size_t start = l->at;
    size_t at = start;

    while (at + 1 < l->n && !(l->s[at] == '{' && strchr("{%#", l->s[at + 1]) && l->s[at + 1]))
        at++;
    if (at + 1 >= l->n) {
        EAI_TRY(push_text(l, start, l->n));
        advance(l, l->n);
        return EAI_OK;
    }
    char kind = l->s[at + 1];
    char sign = at + 2 < l->n ? l->s[at + 2] : '\0';
    size_t end = at;
    if (sign == '-')
        end = strip_end(l, start, at);
    else if (sign != '+' && kind != '{')
        end = strip_line_start(l, start, at);
    EAI_TRY(push_text(l, start, end));
    advance(l, at);
    size_t inside = at + 2 + is_sign(sign);
    size_t raw_end = 0;
    if (kind == '#')
        return lex_comment(l, inside);
    if (kind == '%' && is_word_tag(l, inside, "raw", &raw_end)) {
        advance(l, raw_end);
        return lex_raw(l);
    }
    EAI_TRY(
        push(l, (jinja_token){.kind = kind == '%' ? JINJA_T_BLOCK_BEGIN : JINJA_T_VARIABLE_BEGIN}));
    /* "{{-1}}" is the number 1 with white space control, "{{+1}}" too, in Jinja2 as well */
    advance(l, inside);
    return lex_tag(l, kind == '%');
}

/* A copy with "\n" as the only line end, without the last one. */
static char *normalise(size_t *n_out, eai_arena *a, const char *source, size_t n)
{
    char *copy = eai_arena_alloc(a, n + 1);
    size_t at = 0;

    if (!copy)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (source[i] == '\r') {
            copy[at++] = '\n';
            i += i + 1 < n && source[i + 1] == '\n';
        } else {
            copy[at++] = source[i];
        }
    }
    if (at > 0 && copy[at - 1] == '\n')
        at--;
    copy[at] = '\0';
    *n_out = at;
    return copy;
}

eai_status jinja__lex(jinja_tokens *out, eai_arena *a, const char *source, size_t n, eai_error *err)
{
    lexer l = {.arena = a, .line = 1, .line_starting = true, .out = out, .err = err};

    if (n > JINJA_MAX_SOURCE)
        return eai_error_set(err, EAI_ERR_LIMIT, "a template of %zu bytes is longer than %zu", n,
                             JINJA_MAX_SOURCE);
    l.s = normalise(&l.n, a, source, n);
    if (!l.s)
        return no_memory(&l);
    while (l.at < l.n)
        EAI_TRY(lex_next(&l));
    return push(&l, (jinja_token){.kind = JINJA_T_END});
}
