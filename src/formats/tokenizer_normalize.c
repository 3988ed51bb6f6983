/* Normalizers: what happens to text before it is cut into words. One row a kind.
 *
 * A step reads a view of text and writes a new text that remembers where its bytes came from; the
 * steps of a tokenizer run one after the other. A kind is a parse function, which makes steps of
 * its entry in a tokenizer.json, an apply function, and a row in the table at the end. A tokenizer
 * from a GGUF file adds the same steps through the tokenizer__add_ functions.
 *
 * Unicode's normalization forms are in tokenizer_unicode.c, SentencePiece's tables in
 * tokenizer_charsmap.c. Start at tokenizer__normalize(). */
#include <string.h>

#include <openssl/evp.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

eai_status tokenizer__normalize(tokenizer_view *v, tokenizer_work *w, const tokenizer_stage *stage,
                                eai_error *err)
{
    for (size_t i = 0; i < stage->n; i++) {
        tokenizer_text *out = tokenizer__other_text(w, v);

        EAI_TRY(stage->steps[i].normalize(out, v, &stage->steps[i], w, err));
        EAI_TRY(tokenizer__text_check(out, err));
        *v = tokenizer__view(out, v);
    }
    return EAI_OK;
}

static eai_status add(tokenizer_step **out, eai_tokenizer *t, tokenizer_normalize_fn apply,
                      eai_error *err)
{
    EAI_TRY(tokenizer__add_step(out, &t->normalizer, err));
    (*out)->normalize = apply;
    return EAI_OK;
}

/* --- Prepend, Replace --- */

static eai_status apply_prepend(tokenizer_text *out, const tokenizer_view *in,
                                const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    (void)err;
    if (in->n > 0 && !tokenizer__goes_on(w, in))
        tokenizer__put(out, s->text, s->n_text, tokenizer__origin(in, 0));
    tokenizer__put_part(out, in, 0, in->n);
    return EAI_OK;
}

eai_status tokenizer__add_prepend(eai_tokenizer *t, const char *text, eai_error *err)
{
    tokenizer_step *s = NULL;

    EAI_TRY(add(&s, t, apply_prepend, err));
    return tokenizer__set_text(s, t, text, strlen(text), err);
}

static eai_status parse_prepend(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    const char *text = NULL;
    size_t n = 0;

    EAI_TRY(tokenizer__need_text(&text, &n, o, "prepend", err));
    return tokenizer__add_prepend(t, text, err);
}

eai_status tokenizer__apply_replace(tokenizer_text *out, const tokenizer_view *in,
                                    const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    tokenizer_finder f = {s->pattern, in->bytes, in->n, 0, SIZE_MAX};
    size_t done = 0;

    while (in->n > 0) {
        size_t from = 0;
        size_t to = 0;

        EAI_TRY(tokenizer__find(&from, &to, &f, w, err));
        if (from == SIZE_MAX)
            break;
        tokenizer__put_part(out, in, done, from);
        tokenizer__put(out, s->text, s->n_text, tokenizer__origin(in, from));
        done = to;
    }
    tokenizer__put_part(out, in, done, in->n);
    return EAI_OK;
}

eai_status tokenizer__add_replace(eai_tokenizer *t, tokenizer_stage *stage, const char *from,
                                  const char *to, eai_error *err)
{
    tokenizer_step *s = NULL;

    EAI_TRY(tokenizer__add_step(&s, stage, err));
    s->normalize = tokenizer__apply_replace;
    EAI_TRY(tokenizer__compile(&s->pattern, t, from, strlen(from), true, err));
    return tokenizer__set_text(s, t, to, strlen(to), err);
}

static eai_status parse_replace(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    tokenizer_step *s = NULL;
    const char *content = NULL;
    size_t n = 0;

    EAI_TRY(add(&s, t, tokenizer__apply_replace, err));
    EAI_TRY(tokenizer__field_pattern(&s->pattern, t, o, err));
    EAI_TRY(tokenizer__need_text(&content, &n, o, "content", err));
    return tokenizer__set_text(s, t, content, n, err);
}

/* --- Strip --- */

static bool is_space_at(size_t *length, const tokenizer_view *v, size_t at)
{
    uint32_t c;

    *length = utf8__next(&c, v->bytes + at, v->n - at);
    return utf8__is_space(c);
}

static eai_status apply_strip(tokenizer_text *out, const tokenizer_view *in,
                              const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    size_t start = 0;
    size_t end = 0;
    size_t length;

    (void)err;
    while (s->flag && !tokenizer__goes_on(w, in) && start < in->n &&
           is_space_at(&length, in, start))
        start += length;
    for (size_t at = start; at < in->n; at += length)
        if (!is_space_at(&length, in, at))
            end = at + length;
    if (!s->also)
        end = in->n;
    if (start < end)
        tokenizer__put_part(out, in, start, end);
    return EAI_OK;
}

static eai_status parse_strip(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    tokenizer_step *s = NULL;

    EAI_TRY(add(&s, t, apply_strip, err));
    s->flag = s->also = true;
    EAI_TRY(tokenizer__field_bool(&s->flag, o, "strip_left", err));
    return tokenizer__field_bool(&s->also, o, "strip_right", err);
}

/* --- one character after the other --- */

static eai_status apply_lowercase(tokenizer_text *out, const tokenizer_view *in,
                                  const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    (void)s, (void)w, (void)err;
    for (size_t at = 0, length; at < in->n; at += length) {
        uint32_t c;

        length = utf8__next(&c, in->bytes + at, in->n - at);
        if (c == 0x130) /* the one character whose lower case is two */
            tokenizer__put(out, "i\xCC\x87", 3, tokenizer__origin(in, at));
        else if (tokenizer__lower(c) != c)
            tokenizer__put_char(out, tokenizer__lower(c), tokenizer__origin(in, at));
        else
            tokenizer__put_part(out, in, at, at + length);
    }
    return EAI_OK;
}

static eai_status parse_lowercase(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    tokenizer_step *s = NULL;

    (void)o;
    return add(&s, t, apply_lowercase, err);
}

static eai_status apply_strip_accents(tokenizer_text *out, const tokenizer_view *in,
                                      const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    (void)s, (void)w, (void)err;
    for (size_t at = 0, length; at < in->n; at += length) {
        uint32_t c;

        length = utf8__next(&c, in->bytes + at, in->n - at);
        if (!tokenizer__is_mark(c))
            tokenizer__put_part(out, in, at, at + length);
    }
    return EAI_OK;
}

static eai_status parse_strip_accents(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    tokenizer_step *s = NULL;

    (void)o;
    return add(&s, t, apply_strip_accents, err);
}

/* Control characters go; odd spaces become spaces. The lists are HF's. */
static bool is_nmt_removed(uint32_t c)
{
    return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
           c == 0x8F || c == 0x9F;
}

static bool is_nmt_space(uint32_t c)
{
    return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
}

static eai_status apply_nmt(tokenizer_text *out, const tokenizer_view *in, const tokenizer_step *s,
                            tokenizer_work *w, eai_error *err)
{
    (void)s, (void)w, (void)err;
    for (size_t at = 0, length; at < in->n; at += length) {
        uint32_t c;

        length = utf8__next(&c, in->bytes + at, in->n - at);
        if (is_nmt_space(c))
            tokenizer__put(out, " ", 1, tokenizer__origin(in, at));
        else if (!is_nmt_removed(c))
            tokenizer__put_part(out, in, at, at + length);
    }
    return EAI_OK;
}

static eai_status parse_nmt(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    tokenizer_step *s = NULL;

    (void)o;
    return add(&s, t, apply_nmt, err);
}

/* --- SentencePiece's spaces (only from GGUF files) --- */

/* With `flag`, one mark in front of a text that is not empty; with `also`, no space at either end
 * and no two in a row. A space becomes the mark. A text that goes on keeps one space that it starts
 * with, and gets none. */
static eai_status apply_spaces(tokenizer_text *out, const tokenizer_view *in,
                               const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    size_t start = 0;
    size_t end = in->n;
    bool goes_on = tokenizer__goes_on(w, in);
    bool is_behind_space = false;

    (void)err;
    while (s->also && !goes_on && start < end && in->bytes[start] == ' ')
        start++;
    while (s->also && end > start && in->bytes[end - 1] == ' ')
        end--;
    if (s->flag && !goes_on && start < end)
        tokenizer__put(out, TOKENIZER_MARK, 3, tokenizer__origin(in, start));
    for (size_t i = start; i < end; i++) {
        bool is_space = in->bytes[i] == ' ';

        if (is_space && !(s->also && is_behind_space))
            tokenizer__put(out, TOKENIZER_MARK, 3, tokenizer__origin(in, i));
        else if (!is_space)
            tokenizer__put_part(out, in, i, i + 1);
        is_behind_space = is_space;
    }
    return EAI_OK;
}

eai_status tokenizer__add_spaces(eai_tokenizer *t, bool add_prefix, bool remove_extra,
                                 eai_error *err)
{
    tokenizer_step *s = NULL;

    EAI_TRY(add(&s, t, apply_spaces, err));
    s->flag = add_prefix;
    s->also = remove_extra;
    return EAI_OK;
}

/* --- the forms and the tables --- */

static eai_status add_form(eai_tokenizer *t, tokenizer_form form, eai_error *err)
{
    tokenizer_step *s = NULL;

    EAI_TRY(add(&s, t, tokenizer__apply_form, err));
    s->option = form;
    return EAI_OK;
}

static eai_status parse_nfc(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    (void)o;
    return add_form(t, TOKENIZER_NFC, err);
}

static eai_status parse_nfd(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    (void)o;
    return add_form(t, TOKENIZER_NFD, err);
}

static eai_status parse_nfkc(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    (void)o;
    return add_form(t, TOKENIZER_NFKC, err);
}

static eai_status parse_nfkd(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    (void)o;
    return add_form(t, TOKENIZER_NFKD, err);
}

static eai_status parse_precompiled(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    const char *text = NULL;
    size_t n = 0;

    EAI_TRY(tokenizer__need_text(&text, &n, o, "precompiled_charsmap", err));
    if (n % 4 != 0 || n > (1u << 26))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "precompiled_charsmap has %zu characters, not a "
                             "multiple of 4 up to 67108864",
                             n);
    unsigned char *blob = eai_alloc(n / 4 * 3 + 1);
    if (!blob)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a table of %zu bytes", n);
    int n_blob = EVP_DecodeBlock(blob, (const unsigned char *)text, (int)n);
    for (size_t i = n; n_blob > 0 && i > 0 && i > n - 2 && text[i - 1] == '='; i--)
        n_blob--;
    eai_status st =
        n_blob < 0 ? eai_error_set(err, EAI_ERR_FORMAT, "precompiled_charsmap is no valid base64")
                   : tokenizer__add_charsmap(t, blob, (size_t)n_blob, true, err);
    eai_free(blob);
    return st;
}

const tokenizer_kind tokenizer__normalizer_kinds[] = {
    {"NFC", parse_nfc},
    {"NFD", parse_nfd},
    {"NFKC", parse_nfkc},
    {"NFKD", parse_nfkd},
    {"Lowercase", parse_lowercase},
    {"Strip", parse_strip},
    {"StripAccents", parse_strip_accents},
    {"Prepend", parse_prepend},
    {"Replace", parse_replace},
    {"Precompiled", parse_precompiled},
    {"Nmt", parse_nmt},
    {NULL, NULL},
};
