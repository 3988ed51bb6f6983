/* Byte-pair encoding: one word -> ids.
 *
 * The rule: start from the tokens of the word's bytes or characters; as long as some adjacent pair
 * has a merge, take the pair with the lowest rank, the leftmost of equals, and replace it by its
 * token. The order matters, so this is no dictionary search.
 *
 * What a word starts from: in a byte-level vocabulary its bytes. In others its characters; one that
 * is no token becomes the tokens of its bytes ("<0xE2>") or one unknown token.
 *
 * Two ways to the same result. A short word (nearly every word of text) lies in an array with the
 * rank of each adjacent pair beside it; a step is a scan for the minimum, quadratic but without
 * memory or pointers. A long word (a base64 blob, a line of "=====", all of a text where there is
 * no pre-tokenizer) is a linked list and a heap of candidate pairs, n log n. An entry of the heap
 * may be out of date when it comes up because one of its two symbols was merged meanwhile. Symbols
 * only grow, so such an entry is known by the pair's text, that is by the token it would become.
 *
 * Start at encode(). */
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

/* A symbol of a long word. */
typedef struct symbol {
    int32_t id;
    int32_t prev; /* index, -1: none */
    int32_t next;
    uint32_t start; /* byte of the word */
} symbol;

typedef struct candidate {
    uint32_t rank;
    int32_t left; /* index of the left symbol */
    int32_t id;   /* what the pair becomes */
} candidate;

static size_t hash_pair(int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * UINT64_C(0x9E3779B97F4A7C15);

    return (size_t)(h >> 32 ^ h >> 52);
}

tokenizer_merge *tokenizer__find_merge(const eai_tokenizer *t, int32_t left, int32_t right)
{
    for (size_t i = hash_pair(left, right) & t->merge_mask;; i = (i + 1) & t->merge_mask) {
        tokenizer_merge *m = &t->merges[i];

        if (m->id < 0 || (m->left == left && m->right == right))
            return m;
    }
}

eai_status tokenizer__push(tokenizer_output *o, int32_t id, size_t start, eai_error *err)
{
    if (o->n == o->capacity) {
        size_t capacity = o->capacity < 32 ? 64 : o->capacity * 2;
        int32_t *ids = eai_realloc_array(o->ids, capacity, sizeof(*ids));

        if (ids)
            o->ids = ids;
        size_t *starts =
            o->want_starts && ids ? eai_realloc_array(o->starts, capacity, sizeof(*starts)) : NULL;
        if (starts)
            o->starts = starts;
        if (!ids || (o->want_starts && !starts))
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu tokens", capacity);
        o->capacity = capacity;
    }
    o->ids[o->n] = id;
    if (o->want_starts)
        o->starts[o->n] = start;
    o->n++;
    return EAI_OK;
}

/* --- what a word starts from --- */

/* Symbols in the making, at most one a byte of the word. */
typedef struct symbols {
    symbol *at;
    size_t n;
    size_t unk_start; /* of an unknown token that is not there yet, SIZE_MAX: none */
} symbols;

static void add_symbol(symbols *s, int32_t id, size_t start)
{
    int32_t i = (int32_t)s->n;

    s->at[s->n++] = (symbol){id, i - 1, i + 1, (uint32_t)start};
}

static void add_pending_unk(symbols *s, const eai_tokenizer *t)
{
    if (s->unk_start != SIZE_MAX)
        add_symbol(s, t->model_unk, s->unk_start);
    s->unk_start = SIZE_MAX;
}

/* The bytes' own tokens, if every one has one. */
static bool add_byte_tokens(symbols *s, const eai_tokenizer *t, const char *c, size_t n,
                            size_t start)
{
    for (size_t i = 0; i < n; i++)
        if (!t->byte_fallback || t->byte_ids[(unsigned char)c[i]] < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        add_symbol(s, t->byte_ids[(unsigned char)c[i]], start + i);
    return true;
}

static void add_unknown(symbols *s, const eai_tokenizer *t, size_t start)
{
    if (t->model_unk < 0)
        return;
    if (!t->fuse_unk)
        add_pending_unk(s, t);
    if (s->unk_start == SIZE_MAX)
        s->unk_start = start;
}

/* The token of a character, with the suffix where it is the word's last. */
static int32_t find_character(const eai_tokenizer *t, const char *c, size_t n, bool is_last)
{
    char text[4 + TOKENIZER_MAX_SUFFIX];

    if (!is_last || t->n_suffix == 0 || n > 4)
        return tokenizer__lookup_model(t, c, n);
    memcpy(text, c, n);
    memcpy(text + n, t->suffix, t->n_suffix);
    return tokenizer__lookup_model(t, text, n + t->n_suffix);
}

static void add_characters(symbols *s, const eai_tokenizer *t, const char *word, size_t n)
{
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t c;

        length = utf8__next(&c, word + i, n - i);
        int32_t id = find_character(t, word + i, length, i + length == n);
        if (id >= 0) {
            add_pending_unk(s, t);
            add_symbol(s, id, i);
        } else if (!add_byte_tokens(s, t, word + i, length, i)) {
            add_unknown(s, t, i);
        }
    }
    add_pending_unk(s, t);
}

/* Fills `at` (n symbols long), returns how many there are. */
static size_t first_symbols(symbol *at, const eai_tokenizer *t, const char *word, size_t n)
{
    symbols s = {at, 0, SIZE_MAX};

    if (t->byte_level) {
        for (size_t i = 0; i < n; i++) {
            int32_t id = t->byte_ids[(unsigned char)word[i]];

            if (id >= 0 && t->n_suffix && i + 1 == n)
                id = find_character(t, t->tokens[id].text, t->tokens[id].text_bytes, true);
            if (id < 0) {
                add_unknown(&s, t, i);
                continue;
            }
            add_pending_unk(&s, t);
            add_symbol(&s, id, i);
        }
        add_pending_unk(&s, t);
    } else {
        add_characters(&s, t, word, n);
    }
    if (s.n > 0)
        at[s.n - 1].next = -1;
    return s.n;
}

/* --- short words --- */

typedef struct short_word {
    int32_t id[TOKENIZER_SHORT_WORD];
    uint32_t start[TOKENIZER_SHORT_WORD];
    uint32_t rank[TOKENIZER_SHORT_WORD]; /* of the pair (i, i + 1); NO_RANK for the last */
    int32_t merged[TOKENIZER_SHORT_WORD];
    size_t n;
} short_word;

static void rank_pair(short_word *w, const eai_tokenizer *t, size_t i)
{
    w->rank[i] = TOKENIZER_NO_RANK;
    if (i + 1 < w->n) {
        const tokenizer_merge *m = tokenizer__find_merge(t, w->id[i], w->id[i + 1]);

        if (m->id >= 0) {
            w->rank[i] = m->rank;
            w->merged[i] = m->id;
        }
    }
}

static void remove_symbol(short_word *w, size_t i)
{
    size_t rest = w->n - i - 1;

    memmove(&w->id[i], &w->id[i + 1], rest * sizeof(w->id[0]));
    memmove(&w->start[i], &w->start[i + 1], rest * sizeof(w->start[0]));
    memmove(&w->rank[i], &w->rank[i + 1], rest * sizeof(w->rank[0]));
    memmove(&w->merged[i], &w->merged[i + 1], rest * sizeof(w->merged[0]));
    w->n--;
}

static void merge_short(short_word *w, const eai_tokenizer *t, const char *word, size_t n)
{
    symbol first[TOKENIZER_SHORT_WORD];

    w->n = first_symbols(first, t, word, n);
    for (size_t i = 0; i < w->n; i++) {
        w->id[i] = first[i].id;
        w->start[i] = first[i].start;
    }
    for (size_t i = 0; i < w->n; i++)
        rank_pair(w, t, i);
    while (w->n > 1) {
        size_t best = 0;

        for (size_t i = 1; i < w->n; i++)
            if (w->rank[i] < w->rank[best])
                best = i;
        if (w->rank[best] == TOKENIZER_NO_RANK)
            break;
        w->id[best] = w->merged[best];
        remove_symbol(w, best + 1);
        rank_pair(w, t, best);
        if (best > 0)
            rank_pair(w, t, best - 1);
    }
}

/* --- long words --- */

/* A binary min-heap by (rank, left) over memory that is large enough: a word of n symbols has at
 * most n - 1 pairs at the start, and each of at most n - 1 merges adds at most two. */
typedef struct candidates {
    candidate *at;
    size_t n;
} candidates;

static bool is_before(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void heap_push(candidates *h, candidate c)
{
    size_t i = h->n++;

    while (i > 0 && is_before(&c, &h->at[(i - 1) / 2])) {
        h->at[i] = h->at[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->at[i] = c;
}

static candidate heap_pop(candidates *h)
{
    candidate top = h->at[0];
    candidate last = h->at[--h->n];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && is_before(&h->at[child + 1], &h->at[child]))
            child++;
        if (!is_before(&h->at[child], &last))
            break;
        h->at[i] = h->at[child];
    }
    h->at[i] = last;
    return top;
}

static void push_pair(candidates *h, const eai_tokenizer *t, const symbol *s, int32_t left)
{
    if (left < 0 || s[left].next < 0)
        return;
    const tokenizer_merge *m = tokenizer__find_merge(t, s[left].id, s[s[left].next].id);
    if (m->id >= 0)
        heap_push(h, (candidate){m->rank, left, m->id});
}

/* Merges the list of n symbols that starts at index 0. A symbol that was merged into its left
 * neighbour has id -1. */
static void merge_list(symbol *s, size_t n, candidates *h, const eai_tokenizer *t)
{
    for (size_t i = 0; i + 1 < n; i++)
        push_pair(h, t, s, (int32_t)i);
    while (h->n > 0) {
        candidate c = heap_pop(h);
        int32_t next = s[c.left].next;

        if (s[c.left].id < 0 || next < 0)
            continue;
        const tokenizer_merge *m = tokenizer__find_merge(t, s[c.left].id, s[next].id);
        if (m->id != c.id)
            continue;
        s[c.left].id = c.id;
        s[c.left].next = s[next].next;
        if (s[next].next >= 0)
            s[s[next].next].prev = c.left;
        s[next].id = -1;
        push_pair(h, t, s, s[c.left].prev);
        push_pair(h, t, s, c.left);
    }
}

static eai_status merge_long(tokenizer_work *w, const tokenizer_view *word, eai_error *err)
{
    EAI_TRY(tokenizer__reserve(&w->symbols, &w->symbols_capacity, word->n, sizeof(symbol), err));
    EAI_TRY(tokenizer__reserve(&w->heap, &w->heap_capacity, word->n, 3 * sizeof(candidate), err));
    symbol *s = w->symbols;
    candidates h = {w->heap, 0};
    size_t n = first_symbols(s, w->t, word->bytes, word->n);
    if (n == 0)
        return EAI_OK;
    merge_list(s, n, &h, w->t);
    for (int32_t i = 0; i >= 0; i = s[i].next)
        EAI_TRY(tokenizer__push(&w->out, s[i].id, tokenizer__origin(word, s[i].start), err));
    return EAI_OK;
}

static eai_status encode(tokenizer_work *w, const tokenizer_view *word, eai_error *err)
{
    const eai_tokenizer *t = w->t;
    short_word merged;

    if (t->ignore_merges) {
        int32_t id = t->byte_level ? tokenizer__lookup(t, &t->by_piece, word->bytes, word->n)
                                   : tokenizer__lookup_model(t, word->bytes, word->n);

        if (id >= 0)
            return tokenizer__push(&w->out, id, tokenizer__origin(word, 0), err);
    }
    if (word->n > TOKENIZER_SHORT_WORD)
        return merge_long(w, word, err);
    merge_short(&merged, t, word->bytes, word->n);
    for (size_t i = 0; i < merged.n; i++)
        EAI_TRY(
            tokenizer__push(&w->out, merged.id[i], tokenizer__origin(word, merged.start[i]), err));
    return EAI_OK;
}

/* The merges are in place already: readers add them. */
static eai_status prepare(eai_tokenizer *t, eai_error *err)
{
    (void)t, (void)err;
    return EAI_OK;
}

const tokenizer_model tokenizer__bpe = {"BPE", prepare, encode};
