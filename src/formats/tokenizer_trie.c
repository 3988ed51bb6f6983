/* A trie of many texts: which of them start at this place of a text?
 *
 * For added tokens (the longest one counts) and Unigram's pieces (all of them count). A node's
 * children lie side by side in the order of their bytes, so a step is a binary search among them
 * and the whole is one array, made level by level from the sorted texts. Why not a double array:
 * that is faster to step in and much slower and longer to make. Start at tokenizer__trie_make(). */
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"

#include "base/banned.h"

/* Bytes first, then length: texts with a common beginning are neighbours. */
static int compare(const tokenizer_trie_entry *x, const tokenizer_trie_entry *y)
{
    int order = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);

    if (order)
        return order;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Heap sort: no recursion, n log n whatever the order. */
static void sort(tokenizer_trie_entry *a, size_t n)
{
    for (size_t end = n, start = end / 2; end > 1;) {
        if (start > 0) {
            start--;
        } else {
            tokenizer_trie_entry top = a[0];

            a[0] = a[--end];
            a[end] = top;
        }
        size_t i = start;
        for (size_t child; (child = 2 * i + 1) < end; i = child) {
            if (child + 1 < end && compare(&a[child], &a[child + 1]) < 0)
                child++;
            if (compare(&a[i], &a[child]) >= 0)
                break;
            tokenizer_trie_entry swap = a[i];
            a[i] = a[child];
            a[child] = swap;
        }
    }
}

/* The entries below a node: [low, high), which agree in their first `depth` bytes. */
typedef struct range {
    size_t low, high, depth;
} range;

typedef struct builder {
    tokenizer_trie_node *nodes;
    range *ranges; /* a node's */
    size_t n, capacity;
} builder;

static bool push_node(builder *b, unsigned char byte, range r)
{
    if (b->n == b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 256;
        tokenizer_trie_node *nodes = eai_realloc_array(b->nodes, capacity, sizeof(*nodes));

        if (nodes)
            b->nodes = nodes;
        range *ranges = nodes ? eai_realloc_array(b->ranges, capacity, sizeof(*ranges)) : NULL;
        if (!ranges)
            return false;
        b->ranges = ranges;
        b->capacity = capacity;
    }
    b->nodes[b->n] = (tokenizer_trie_node){0, -1, 0, byte};
    b->ranges[b->n++] = r;
    return true;
}

/* The children of node i, made of its range. */
static bool expand(builder *b, size_t i, const tokenizer_trie_entry *entries)
{
    range r = b->ranges[i];

    for (; r.low < r.high && entries[r.low].n == r.depth; r.low++)
        b->nodes[i].id = entries[r.low].id;
    b->nodes[i].child = (uint32_t)b->n;
    while (r.low < r.high) {
        unsigned char byte = (unsigned char)entries[r.low].text[r.depth];
        size_t high = r.low + 1;

        while (high < r.high && (unsigned char)entries[high].text[r.depth] == byte)
            high++;
        if (!push_node(b, byte, (range){r.low, high, r.depth + 1}))
            return false;
        b->nodes[i].n_children++;
        r.low = high;
    }
    return true;
}

eai_status tokenizer__trie_make(tokenizer_trie *trie, tokenizer_trie_entry *entries, size_t n,
                                eai_error *err)
{
    builder b = {0};
    size_t n_kept = 0;
    bool ok = true;

    *trie = (tokenizer_trie){0};
    for (size_t i = 0; i < n; i++)
        if (entries[i].n > 0)
            entries[n_kept++] = entries[i];
    if (n_kept == 0)
        return EAI_OK;
    sort(entries, n_kept);
    ok = push_node(&b, 0, (range){0, n_kept, 0});
    for (size_t i = 0; ok && i < b.n; i++)
        ok = b.n < UINT32_MAX / 2 && expand(&b, i, entries);
    eai_free(b.ranges);
    if (!ok) {
        eai_free(b.nodes);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for an index of %zu tokens", n_kept);
    }
    trie->nodes = b.nodes;
    for (size_t i = 0; i < n_kept; i++)
        trie->starts[(unsigned char)entries[i].text[0]] = true;
    return EAI_OK;
}

uint32_t tokenizer__trie_step(const tokenizer_trie *trie, uint32_t node, unsigned char byte)
{
    const tokenizer_trie_node *parent = &trie->nodes[node];
    uint32_t low = parent->child;
    uint32_t high = low + parent->n_children;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (trie->nodes[middle].byte < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low < parent->child + parent->n_children && trie->nodes[low].byte == byte ? low : 0;
}
