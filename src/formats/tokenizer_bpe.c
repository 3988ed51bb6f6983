/* Byte-pair merging: the bytes of one word -> ids.
 *
 * The rule: start from the tokens of the single bytes; as long as some adjacent pair has a merge,
 * take the pair with the lowest rank, the leftmost of equals, and replace it by its token. The
 * order matters, so this is no dictionary search.
 *
 * Two ways to the same result. A short word (nearly every word of text) lies in an array with the
 * rank of each adjacent pair beside it; a step is a scan for the minimum, quadratic but without
 * memory or pointers. A long word (a base64 blob, a line of "=====", a megabyte without a space) is
 * a linked list and a heap of candidate pairs, n log n. An entry of the heap may be out of date
 * when it comes up because one of its two symbols was merged meanwhile. Symbols only grow, so such
 * an entry is known by the pair's text, that is by the token it would become.
 *
 * Start at tokenizer__merge_word(). */
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"

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

const tokenizer_merge *tokenizer__find_merge(const eai_tokenizer *t, int32_t left, int32_t right)
{
    for (size_t i = hash_pair(left, right) & t->merge_mask;; i = (i + 1) & t->merge_mask) {
        const tokenizer_merge *m = &t->merges[i];

        if (m->id < 0 || (m->left == left && m->right == right))
            return m;
    }
}

eai_status tokenizer__push(tokenizer_output *o, int32_t id, size_t start, bool want_starts,
                           eai_error *err)
{
    if (o->n == o->capacity) {
        size_t capacity = o->capacity < 32 ? 64 : o->capacity * 2;
        int32_t *ids = eai_realloc_array(o->ids, capacity, sizeof(*ids));

        if (ids)
            o->ids = ids;
        size_t *starts =
            want_starts && ids ? eai_realloc_array(o->starts, capacity, sizeof(*starts)) : NULL;
        if (starts)
            o->starts = starts;
        if (!ids || (want_starts && !starts))
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu tokens", capacity);
        o->capacity = capacity;
    }
    o->ids[o->n] = id;
    if (want_starts)
        o->starts[o->n] = start;
    o->n++;
    return EAI_OK;
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
    w->n = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t id = t->byte_ids[(unsigned char)word[i]];

        if (id >= 0) {
            w->id[w->n] = id;
            w->start[w->n++] = (uint32_t)i;
        }
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

static eai_status reserve_long(tokenizer_output *o, size_t n, eai_error *err)
{
    if (o->symbols_capacity < n) {
        void *symbols = eai_realloc_array(o->symbols, n, sizeof(symbol));

        if (!symbols)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a word of %zu bytes", n);
        o->symbols = symbols;
        o->symbols_capacity = n;
    }
    if (o->heap_capacity < n) {
        void *heap = eai_realloc_array(o->heap, n, 3 * sizeof(candidate));

        if (!heap)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a word of %zu bytes", n);
        o->heap = heap;
        o->heap_capacity = n;
    }
    return EAI_OK;
}

static eai_status merge_long(tokenizer_output *o, const eai_tokenizer *t, const char *word,
                             size_t n, size_t start, bool want_starts, eai_error *err)
{
    size_t n_symbols = 0;

    EAI_TRY(reserve_long(o, n, err));
    symbol *s = o->symbols;
    candidates h = {o->heap, 0};
    for (size_t i = 0; i < n; i++) {
        int32_t id = t->byte_ids[(unsigned char)word[i]];
        int32_t at = (int32_t)n_symbols;

        if (id >= 0)
            s[n_symbols++] = (symbol){id, at - 1, at + 1, (uint32_t)i};
    }
    if (n_symbols == 0)
        return EAI_OK;
    s[n_symbols - 1].next = -1;
    merge_list(s, n_symbols, &h, t);
    for (int32_t i = 0; i >= 0; i = s[i].next)
        EAI_TRY(tokenizer__push(o, s[i].id, start + s[i].start, want_starts, err));
    return EAI_OK;
}

eai_status tokenizer__merge_word(tokenizer_output *o, const eai_tokenizer *t, const char *word,
                                 size_t n, size_t start, bool want_starts, eai_error *err)
{
    short_word w;

    if (t->pre->ignore_merges) {
        int32_t id = tokenizer__lookup(t, &t->by_piece, word, n);

        if (id >= 0)
            return tokenizer__push(o, id, start, want_starts, err);
    }
    if (n > TOKENIZER_SHORT_WORD)
        return merge_long(o, t, word, n, start, want_starts, err);
    merge_short(&w, t, word, n);
    for (size_t i = 0; i < w.n; i++)
        EAI_TRY(tokenizer__push(o, w.id[i], start + w.start[i], want_starts, err));
    return EAI_OK;
}
