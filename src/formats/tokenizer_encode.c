/* Text -> ids, from the outside in:
 *
 *   1. added tokens are cut out, leftmost first, the longest of those that start there;
 *   2. what lies between them is cut into runs of valid UTF-8 and runs of invalid bytes;
 *   3. valid runs are normalized; added tokens that are meant to be found in normalized text are
 *      cut out of them;
 *   4. what is left is cut into words by the pre-tokenizer; an invalid run is one word;
 *   5. the model makes ids of each word;
 *   6. the ids of the post-processor go around it all.
 *
 * All state of a call is in its tokenizer_work, so that any number of threads may encode with one
 * tokenizer. Start at encode_all(). */
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

typedef struct encoder {
    tokenizer_work work; /* first, so that stages see it alone */
    const eai_tokenizer *t;
    unsigned flags;
} encoder;

/* What is done with the text between added tokens. */
typedef eai_status (*segment_fn)(encoder *e, const tokenizer_view *v, eai_error *err);

/* --- words --- */

static eai_status encode_words(encoder *e, const tokenizer_view *v, eai_error *err)
{
    const tokenizer_words *words = NULL;

    if (v->n == 0)
        return EAI_OK;
    EAI_TRY(tokenizer__pre_tokenize(&words, &e->work, v, err));
    for (size_t i = 0; i < words->n; i++) {
        tokenizer_view word =
            tokenizer__part(&words->view, words->spans[i].start, words->spans[i].end);

        EAI_TRY(e->t->model->encode(&e->work, &word, err));
    }
    return EAI_OK;
}

/* --- added tokens --- */

/* The longest added token at v[at] that may be cut out, and where it ends; or -1. */
static int32_t added_at(size_t *end, const encoder *e, const tokenizer_trie *trie,
                        const tokenizer_view *v, size_t at)
{
    int32_t found = -1;
    uint32_t node = 0;

    while (at < v->n &&
           (node = tokenizer__trie_step(trie, node, (unsigned char)v->bytes[at])) != 0) {
        int32_t id = trie->nodes[node].id;

        at++;
        if (id >= 0 && ((e->flags & EAI_TOKENIZE_PARSE_SPECIAL) ||
                        e->t->tokens[id].type == EAI_TOKEN_USER_DEFINED)) {
            found = id;
            *end = at;
        }
    }
    return found;
}

/* The character that ends before `at`; 0 at the start and behind invalid bytes. */
static uint32_t char_before(const tokenizer_view *v, size_t at)
{
    uint32_t c = 0;

    for (size_t back = 1; back <= 4 && back <= at; back++)
        if (((unsigned char)v->bytes[at - back] & 0xC0) != 0x80)
            return utf8__decode(&c, v->bytes + at - back, back) == back ? c : 0;
    return 0;
}

static size_t char_at(uint32_t *c, const tokenizer_view *v, size_t at)
{
    *c = 0;
    return at < v->n ? utf8__decode(c, v->bytes + at, v->n - at) : 0;
}

static bool is_single_word(const tokenizer_view *v, size_t start, size_t end)
{
    uint32_t next;

    (void)char_at(&next, v, end);
    return !tokenizer__is_word(char_before(v, start)) && !tokenizer__is_word(next);
}

static size_t skip_spaces_before(const tokenizer_view *v, size_t at, size_t least)
{
    while (at > least && utf8__is_space(char_before(v, at)))
        do
            at--;
        while (at > least && ((unsigned char)v->bytes[at] & 0xC0) == 0x80);
    return at;
}

static size_t skip_spaces_behind(const tokenizer_view *v, size_t at)
{
    uint32_t c;

    for (size_t length; (length = char_at(&c, v, at)) > 0 && utf8__is_space(c);)
        at += length;
    return at;
}

/* Pushes the added tokens of a view and gives what lies between them to `segment`. */
static eai_status cut_added(encoder *e, const tokenizer_trie *trie, const tokenizer_view *v,
                            segment_fn segment, eai_error *err)
{
    size_t done = 0;

    for (size_t at = 0; trie->nodes && at < v->n;) {
        size_t start = at;
        size_t end = at + 1;
        int32_t id =
            trie->starts[(unsigned char)v->bytes[at]] ? added_at(&end, e, trie, v, at) : -1;

        at = end;
        if (id < 0)
            continue;
        const tokenizer_token *k = &e->t->tokens[id];
        if ((k->flags & TOKENIZER_SINGLE_WORD) && !is_single_word(v, start, end))
            continue;
        if (k->flags & TOKENIZER_LSTRIP)
            start = skip_spaces_before(v, start, done);
        if (k->flags & TOKENIZER_RSTRIP)
            end = skip_spaces_behind(v, end);
        if (done < start) {
            tokenizer_view between = tokenizer__part(v, done, start);
            EAI_TRY(segment(e, &between, err));
        }
        EAI_TRY(tokenizer__push(&e->work.out, id, tokenizer__origin(v, start), err));
        done = end;
    }
    if (done == v->n)
        return EAI_OK;
    tokenizer_view rest = tokenizer__part(v, done, v->n);
    return segment(e, &rest, err);
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

static eai_status encode_valid(encoder *e, const tokenizer_view *v, eai_error *err)
{
    tokenizer_view normalized = *v;

    EAI_TRY(tokenizer__normalize(&normalized, &e->work, &e->t->normalizer, err));
    return cut_added(e, &e->t->added_normalized, &normalized, encode_words, err);
}

static eai_status encode_segment(encoder *e, const tokenizer_view *v, eai_error *err)
{
    for (size_t start = 0; start < v->n;) {
        size_t valid_end = skip_valid(v->bytes, start, v->n);
        size_t invalid_end = skip_invalid(v->bytes, valid_end, v->n);
        tokenizer_view valid = tokenizer__part(v, start, valid_end);
        tokenizer_view invalid = tokenizer__part(v, valid_end, invalid_end);

        if (valid.n > 0)
            EAI_TRY(encode_valid(e, &valid, err));
        if (invalid.n > 0)
            EAI_TRY(e->t->model->encode(&e->work, &invalid, err));
        start = invalid_end;
    }
    return EAI_OK;
}

/* --- the calls --- */

static eai_status push_all(encoder *e, unsigned flag, const int32_t *ids, size_t n, size_t start,
                           eai_error *err)
{
    for (size_t i = 0; i < n && (e->flags & flag); i++)
        EAI_TRY(tokenizer__push(&e->work.out, ids[i], start, err));
    return EAI_OK;
}

static eai_status encode_all(encoder *e, const char *text, size_t n, eai_error *err)
{
    tokenizer_view v = {text, NULL, n, n, true};
    bool want_starts = e->work.out.want_starts;

    if (n > INT32_MAX)
        return eai_error_set(err, EAI_ERR_LIMIT, "a text of %zu bytes is longer than %d", n,
                             INT32_MAX);
    EAI_TRY(tokenizer__work_init(&e->work, e->t, n, err));
    e->work.out.want_starts = want_starts;
    e->work.continues = (e->flags & EAI_TOKENIZE_CONTINUE) != 0;
    EAI_TRY(push_all(e, EAI_TOKENIZE_ADD_START, e->t->prefix, e->t->n_prefix, 0, err));
    EAI_TRY(cut_added(e, &e->t->added, &v, encode_segment, err));
    EAI_TRY(push_all(e, EAI_TOKENIZE_ADD_END, e->t->suffix_ids, e->t->n_suffix_ids, n, err));
    if (!e->work.out.ids) { /* an empty list is a list */
        EAI_TRY(tokenizer__push(&e->work.out, 0, 0, err));
        e->work.out.n = 0;
    }
    return EAI_OK;
}

static eai_status encode(int32_t **ids, size_t **starts, size_t *n_ids, encoder *e,
                         const char *text, size_t n, eai_error *err)
{
    e->work.out.want_starts = starts != NULL;
    eai_status st = encode_all(e, text, n, err);

    *ids = st == EAI_OK ? e->work.out.ids : NULL;
    *n_ids = st == EAI_OK ? e->work.out.n : 0;
    if (starts)
        *starts = st == EAI_OK ? e->work.out.starts : NULL;
    if (st != EAI_OK) {
        eai_free(e->work.out.ids);
        eai_free(e->work.out.starts);
    }
    tokenizer__work_deinit(&e->work);
    return st;
}

eai_status eai_tokenizer_encode(int32_t **ids, size_t *n_ids, const eai_tokenizer *t,
                                const char *text, size_t n, unsigned flags, eai_error *err)
{
    encoder e = {.t = t, .flags = flags};

    return encode(ids, NULL, n_ids, &e, text, n, err);
}

eai_status eai_tokenizer_encode_offsets(int32_t **ids, size_t **starts, size_t *n_ids,
                                        const eai_tokenizer *t, const char *text, size_t n,
                                        unsigned flags, eai_error *err)
{
    encoder e = {.t = t, .flags = flags};

    return encode(ids, starts, n_ids, &e, text, n, err);
}
