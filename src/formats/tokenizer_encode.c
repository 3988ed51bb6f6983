/* Text -> ids, from the outside in:
 *
 *   1. added tokens are cut out, leftmost first, the longest of those that start there;
 *   2. what lies between them is cut into runs of valid UTF-8 and runs of invalid bytes;
 *   3. valid runs are cut into words by the pre-tokenizer's pattern; an invalid run is one word;
 *   4. each word is merged (tokenizer_bpe.c).
 *
 * All state of a call is on its stack or its own heap memory, so that any number of threads may
 * encode with one tokenizer. Start at eai_tokenizer_encode_offsets(). */
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

typedef struct encoder {
    const eai_tokenizer *t;
    const char *text;
    size_t n;
    unsigned flags;
    bool want_starts;
    pcre2_match_data *match;
    tokenizer_output out;
} encoder;

/* --- words --- */

static eai_status encode_word(encoder *e, size_t start, size_t end, eai_error *err)
{
    if (start == end)
        return EAI_OK;
    return tokenizer__merge_word(&e->out, e->t, e->text + start, end - start, start, e->want_starts,
                                 err);
}

/* Finds the next word in [start, end): *from, *to. Without one *from = *to = end. */
static eai_status find_word(size_t *from, size_t *to, encoder *e, size_t base, size_t start,
                            size_t end, eai_error *err)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)(e->text + base);
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(e->match);
    int code = PCRE2_ERROR_JIT_STACKLIMIT;

    if (e->t->jit)
        code = pcre2_jit_match(e->t->pattern, subject, end - base, start - base, PCRE2_NO_UTF_CHECK,
                               e->match, NULL);
    if (code == PCRE2_ERROR_JIT_STACKLIMIT)
        code = pcre2_match(e->t->pattern, subject, end - base, start - base,
                           PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, e->match, NULL);
    *from = *to = end;
    if (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAPLIMIT)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to cut a text of %zu bytes into words",
                             e->n);
    if (code == PCRE2_ERROR_NOMATCH)
        return EAI_OK;
    if (code < 0 || range[1] <= range[0]) /* patterns of ours match no empty word */
        return eai_error_set(err, EAI_ERR_INTERNAL,
                             "pre-tokenizer '%s': PCRE2 error %d at byte %zu", e->t->pre->name,
                             code, start);
    *from = base + range[0];
    *to = base + range[1];
    return EAI_OK;
}

static eai_status encode_valid(encoder *e, size_t start, size_t end, eai_error *err)
{
    for (size_t at = start; at < end;) {
        size_t from = end;
        size_t to = end;

        EAI_TRY(find_word(&from, &to, e, start, at, end, err));
        EAI_TRY(encode_word(e, at, from, err)); /* what the pattern left out */
        EAI_TRY(encode_word(e, from, to, err));
        at = to;
    }
    return EAI_OK;
}

/* --- runs --- */

static size_t skip_valid(const char *s, size_t at, size_t end)
{
    uint32_t c;

    while (at < end) {
        size_t length = utf8__decode(&c, s + at, end - at);

        if (length == 0)
            break;
        at += length;
    }
    return at;
}

static size_t skip_invalid(const char *s, size_t at, size_t end)
{
    uint32_t c;

    while (at < end && utf8__decode(&c, s + at, end - at) == 0)
        at++;
    return at;
}

static eai_status encode_segment(encoder *e, size_t start, size_t end, eai_error *err)
{
    while (start < end) {
        size_t valid_end = skip_valid(e->text, start, end);
        size_t invalid_end = skip_invalid(e->text, valid_end, end);

        EAI_TRY(encode_valid(e, start, valid_end, err));
        EAI_TRY(encode_word(e, valid_end, invalid_end, err));
        start = invalid_end;
    }
    return EAI_OK;
}

/* --- added tokens --- */

/* The longest added token at text[at], or -1. The tokens are sorted by their bytes: those that
 * agree with the text so far are a range, which each further byte narrows. */
static int32_t added_at(const encoder *e, size_t at)
{
    const eai_tokenizer *t = e->t;
    size_t low = 0;
    size_t high = t->n_added;
    int32_t found = -1;

    for (size_t depth = 0; low < high && at + depth < e->n; depth++) {
        unsigned char c = (unsigned char)e->text[at + depth];

        for (size_t end = high; low < end;) { /* the first token whose byte at `depth` is >= c */
            size_t middle = low + (end - low) / 2;
            const tokenizer_token *k = &t->tokens[t->added[middle]];

            if (k->text_bytes <= depth || (unsigned char)k->text[depth] < c)
                low = middle + 1;
            else
                end = middle;
        }
        for (size_t start = low; start < high;) { /* the first whose byte is > c */
            size_t middle = start + (high - start) / 2;

            if ((unsigned char)t->tokens[t->added[middle]].text[depth] > c)
                high = middle;
            else
                start = middle + 1;
        }
        for (size_t i = low; i < high && t->tokens[t->added[i]].text_bytes == depth + 1; i++)
            if ((e->flags & EAI_TOKENIZE_PARSE_SPECIAL) ||
                t->tokens[t->added[i]].type == EAI_TOKEN_USER_DEFINED)
                found = t->added[i];
    }
    return found;
}

static eai_status encode_text(encoder *e, eai_error *err)
{
    size_t start = 0;

    for (size_t at = 0; at < e->n;) {
        int32_t id = e->t->starts_added[(unsigned char)e->text[at]] ? added_at(e, at) : -1;

        if (id < 0) {
            at++;
            continue;
        }
        EAI_TRY(encode_segment(e, start, at, err));
        EAI_TRY(tokenizer__push(&e->out, id, at, e->want_starts, err));
        at += e->t->tokens[id].text_bytes;
        start = at;
    }
    return encode_segment(e, start, e->n, err);
}

/* --- the calls --- */

static eai_status encode_all(encoder *e, eai_error *err)
{
    bool add = e->flags & EAI_TOKENIZE_ADD_SPECIAL;

    if (e->n > INT32_MAX)
        return eai_error_set(err, EAI_ERR_LIMIT, "a text of %zu bytes is longer than %d", e->n,
                             INT32_MAX);
    e->match = pcre2_match_data_create(1, e->t->pcre_context);
    if (!e->match)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to tokenize");
    if (add && e->t->add_bos && e->t->bos >= 0)
        EAI_TRY(tokenizer__push(&e->out, e->t->bos, 0, e->want_starts, err));
    EAI_TRY(encode_text(e, err));
    if (add && e->t->add_eos && e->t->eos >= 0)
        EAI_TRY(tokenizer__push(&e->out, e->t->eos, e->n, e->want_starts, err));
    if (!e->out.ids) { /* an empty list is a list */
        EAI_TRY(tokenizer__push(&e->out, 0, 0, e->want_starts, err));
        e->out.n = 0;
    }
    return EAI_OK;
}

static eai_status encode(int32_t **ids, size_t **starts, size_t *n_ids, encoder *e, eai_error *err)
{
    eai_status st = encode_all(e, err);

    *ids = st == EAI_OK ? e->out.ids : NULL;
    *n_ids = st == EAI_OK ? e->out.n : 0;
    if (starts)
        *starts = st == EAI_OK ? e->out.starts : NULL;
    if (st != EAI_OK) {
        eai_free(e->out.ids);
        eai_free(e->out.starts);
    }
    eai_free(e->out.symbols);
    eai_free(e->out.heap);
    pcre2_match_data_free(e->match);
    return st;
}

eai_status eai_tokenizer_encode(int32_t **ids, size_t *n_ids, const eai_tokenizer *t,
                                const char *text, size_t n, unsigned flags, eai_error *err)
{
    encoder e = {.t = t, .text = text, .n = n, .flags = flags};

    return encode(ids, NULL, n_ids, &e, err);
}

eai_status eai_tokenizer_encode_offsets(int32_t **ids, size_t **starts, size_t *n_ids,
                                        const eai_tokenizer *t, const char *text, size_t n,
                                        unsigned flags, eai_error *err)
{
    encoder e = {.t = t, .text = text, .n = n, .flags = flags, .want_starts = true};

    return encode(ids, starts, n_ids, &e, err);
}
