/* Patterns: HF's are written for Oniguruma (Ruby's dialect), ours run on PCRE2.
 *
 * Why not as they are: the dialects agree on nearly everything that tokenizers use, and differ in
 * silence on the rest. \s is White_Space there; PCRE2's also has U+180E. \w has marks and letters
 * in circles there. \h is a hexadecimal digit there and horizontal space here. \p{Han} means the
 * script there, and here also characters that the script shares with others. ^ and $ are those of
 * lines there. So patterns are rewritten, character by character, and what cannot be rewritten
 * (nested classes, &&, \b) is refused with its place. A test compares all of it with HF.
 *
 * The categories are those of the PCRE2 installed (10.42: Unicode 14); letters that later versions
 * of Unicode added fall among the symbols there.
 *
 * What a hostile pattern can cost is bounded by PCRE2's match limit. Start at tokenizer__compile().
 */
#include <string.h>

#include <efficientai/alloc.h>

#include "base/strbuf.h"
#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

#define SPACE "\\p{Z}\\t-\\r\\x{85}" /* White_Space, inside a class */
/* Of Latin-1 Oniguruma has a table of its own, which it does not use in a class. */
#define WORD TOKENIZER_WORD "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"
#define HEX  "0-9A-Fa-f"

/* --- from Oniguruma's dialect to PCRE2's --- */

typedef struct rewriter {
    const char *s;
    size_t n;
    size_t at;
    bool in_class;
    eai_strbuf out;
} rewriter;

static eai_status refuse(const rewriter *r, const char *what, eai_error *err)
{
    return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                         "pattern '%.*s': %s at byte %zu is not supported",
                         (int)(r->n < 80 ? r->n : 80), r->s, what, r->at);
}

static char peek(const rewriter *r, size_t ahead)
{
    return r->at + ahead < r->n ? r->s[r->at + ahead] : '\0';
}

/* A set of characters named by an escape: `set` in a class, "[set]" outside. */
static void put_set(rewriter *r, const char *set, bool negated)
{
    if (!r->in_class)
        eai_strbuf_text(&r->out, negated ? "[^" : "[");
    eai_strbuf_text(&r->out, set);
    if (!r->in_class)
        eai_strbuf_char(&r->out, ']');
}

/* \p{Name}: longer names are scripts, and mean the script alone. */
static eai_status rewrite_property(rewriter *r, eai_error *err)
{
    const char *open = r->s + r->at + 2;
    const char *close = peek(r, 2) == '{' ? memchr(open, '}', (size_t)(r->s + r->n - open)) : NULL;

    if (!close)
        return refuse(r, "a property without braces", err);
    size_t n_name = (size_t)(close - open) - 1;
    bool negated = n_name > 0 && open[1] == '^';
    const char *name = open + 1 + negated;
    n_name -= negated;
    eai_strbuf_bytes(&r->out, r->s + r->at, 2);
    eai_strbuf_text(&r->out, negated ? "{^" : "{");
    if (n_name > 2)
        eai_strbuf_text(&r->out, "sc:");
    eai_strbuf_bytes(&r->out, name, n_name);
    eai_strbuf_char(&r->out, '}');
    r->at = (size_t)(close - r->s) + 1;
    return EAI_OK;
}

static eai_status rewrite_escape(rewriter *r, eai_error *err)
{
    char c = peek(r, 1);

    if (c == 'p' || c == 'P')
        return rewrite_property(r, err);
    if (c == 's') {
        put_set(r, SPACE, false);
    } else if (c == 'S' && r->in_class) {
        eai_strbuf_text(&r->out, "\\S\\x{180E}");
    } else if (c == 'S') {
        put_set(r, SPACE, true);
    } else if (c == 'w') {
        put_set(r, r->in_class ? TOKENIZER_WORD : WORD, false);
    } else if (c == 'W' && !r->in_class) {
        put_set(r, WORD, true);
    } else if (c == 'h') {
        put_set(r, HEX, false);
    } else if (c == 'H' && !r->in_class) {
        put_set(r, HEX, true);
    } else if (c == 'v') {
        eai_strbuf_text(&r->out, "\\x0B");
    } else if (c == 'u' && r->at + 6 <= r->n) {
        eai_strbuf_printf(&r->out, "\\x{%.4s}", r->s + r->at + 2);
        r->at += 4;
    } else if (c != '\0' &&
               (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) || strchr("dDnrtfaexAzZ", c))) {
        eai_strbuf_bytes(&r->out, r->s + r->at, 2);
    } else {
        return refuse(r, "an escape", err);
    }
    r->at += 2;
    return EAI_OK;
}

static eai_status check_group(const rewriter *r, eai_error *err)
{
    static const char *const kinds[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};

    if (peek(r, 1) != '?')
        return EAI_OK;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (r->n - r->at >= strlen(kinds[i]) &&
            memcmp(r->s + r->at, kinds[i], strlen(kinds[i])) == 0)
            return EAI_OK;
    if (r->at == 0 && r->n >= 4 && memcmp(r->s, "(?i)", 4) == 0)
        return EAI_OK;
    return refuse(r, "this kind of group", err);
}

static eai_status rewrite_in_class(rewriter *r, eai_error *err)
{
    char c = peek(r, 0);

    if (c == '[' || (c == '&' && peek(r, 1) == '&'))
        return refuse(r, "a class in a class", err);
    r->in_class = c != ']';
    eai_strbuf_char(&r->out, c);
    r->at++;
    return EAI_OK;
}

static eai_status rewrite_outside(rewriter *r, eai_error *err)
{
    char c = peek(r, 0);

    if (c == '(')
        EAI_TRY(check_group(r, err));
    if ((c == '}' && peek(r, 1) == '+') || (c == '{' && peek(r, 1) == ','))
        return refuse(r, "this repetition", err); /* they mean other things there */
    eai_strbuf_char(&r->out, c);
    r->at++;
    if (c != '[')
        return EAI_OK;
    r->in_class = true;
    if (peek(r, 0) == '^')
        eai_strbuf_char(&r->out, r->s[r->at++]);
    if (peek(r, 0) == ']') { /* the first one stands for itself */
        eai_strbuf_text(&r->out, "\\]");
        r->at++;
    }
    return EAI_OK;
}

static eai_status rewrite(rewriter *r, eai_error *err)
{
    while (r->at < r->n) {
        if (r->s[r->at] == '\\')
            EAI_TRY(rewrite_escape(r, err));
        else if (r->in_class)
            EAI_TRY(rewrite_in_class(r, err));
        else
            EAI_TRY(rewrite_outside(r, err));
    }
    return eai_strbuf_check(&r->out, "pattern", err);
}

/* --- compiling --- */

static eai_status compile(tokenizer_pattern *p, eai_tokenizer *t, const char *source, size_t n,
                          bool literal, eai_error *err)
{
    int code = 0;
    PCRE2_SIZE offset = 0;
    uint32_t options = PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_MULTILINE);
    pcre2_compile_context *context = pcre2_compile_context_create(t->pcre_context);

    if (context) {
        (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        p->code = pcre2_compile((PCRE2_SPTR)source, n, options, &code, &offset, context);
    }
    pcre2_compile_context_free(context);
    if (p->code)
        /* Refused where no executable memory may be had: matching then runs interpreted. */
        p->jit = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0;
    if (t->pcre_no_memory)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a pattern");
    if (!p->code)
        return eai_error_set(err, EAI_ERR_FORMAT, "pattern '%.*s': PCRE2 error %d at offset %zu",
                             (int)(n < 80 ? n : 80), source, code, (size_t)offset);
    return EAI_OK;
}

eai_status tokenizer__compile(const tokenizer_pattern **out, eai_tokenizer *t, const char *source,
                              size_t n, bool literal, eai_error *err)
{
    rewriter r = {.s = source, .n = n, .out = EAI_STRBUF_INIT(16 * TOKENIZER_MAX_PATTERN)};
    eai_status st = EAI_OK;

    *out = NULL;
    if (n == 0 || n > TOKENIZER_MAX_PATTERN)
        return eai_error_set(err, EAI_ERR_LIMIT, "a pattern has %zu bytes, not 1 to %d", n,
                             TOKENIZER_MAX_PATTERN);
    if (t->n_patterns == TOKENIZER_MAX_PATTERNS)
        return eai_error_set(err, EAI_ERR_LIMIT, "more than %d patterns", TOKENIZER_MAX_PATTERNS);
    tokenizer_pattern *p = &t->patterns[t->n_patterns++];
    if (literal)
        st = compile(p, t, source, n, true, err);
    else
        st = rewrite(&r, err);
    if (st == EAI_OK && !literal)
        st = compile(p, t, eai_strbuf_get(&r.out), r.out.length, false, err);
    eai_strbuf_deinit(&r.out);
    *out = p;
    return st;
}

/* --- matching --- */

static eai_status search(size_t *from, size_t *to, const tokenizer_finder *f, tokenizer_work *w,
                         eai_error *err)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)f->text;
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(w->match);
    int code = PCRE2_ERROR_JIT_STACKLIMIT;

    *from = *to = SIZE_MAX;
    if (f->pattern->jit)
        code = pcre2_jit_match(f->pattern->code, subject, f->n, f->at, PCRE2_NO_UTF_CHECK, w->match,
                               w->match_limits);
    if (code == PCRE2_ERROR_JIT_STACKLIMIT)
        code = pcre2_match(f->pattern->code, subject, f->n, f->at,
                           PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, w->match, w->match_limits);
    if (code == PCRE2_ERROR_NOMATCH)
        return EAI_OK;
    if (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAPLIMIT)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to cut a text of %zu bytes into words",
                             f->n);
    if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT)
        return eai_error_set(
            err, EAI_ERR_LIMIT,
            "a pattern of the tokenizer takes too many steps at byte %zu of a text "
            "of %zu bytes",
            f->at, f->n);
    if (code < 0 || range[1] < range[0]) /* \K in a look-ahead; escapes like it are refused */
        return eai_error_set(err, EAI_ERR_INTERNAL, "PCRE2 error %d at byte %zu", code, f->at);
    *from = range[0];
    *to = range[1];
    return EAI_OK;
}

/* As Rust's onig does: no empty match where the last match ended. */
eai_status tokenizer__find(size_t *from, size_t *to, tokenizer_finder *f, tokenizer_work *w,
                           eai_error *err)
{
    for (;;) {
        uint32_t c;

        *from = *to = SIZE_MAX;
        if (f->at > f->n)
            return EAI_OK;
        EAI_TRY(search(from, to, f, w, err));
        if (*from == SIZE_MAX) {
            f->at = f->n + 1;
            return EAI_OK;
        }
        if (*from != *to || f->last_end != *to) {
            f->at = f->last_end = *to;
            return EAI_OK;
        }
        f->at += f->at < f->n ? utf8__next(&c, f->text + f->at, f->n - f->at) : 1;
    }
}
