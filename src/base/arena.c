/* The arena: a list of chunks, the newest first, filled from the front.
 *
 * An object that is larger than half a chunk gets a chunk of its own, put behind the current one,
 * so that the rest of the current one is not lost. Start at eai_arena_alloc_aligned(). */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

#define DEFAULT_CHUNK     ((size_t)64 << 10)
#define DEFAULT_ALIGNMENT ((size_t)16)
#define MAX_ALIGNMENT     ((size_t)4096)

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EACH_ALONE 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(EACH_ALONE)
#define EACH_ALONE 1
#endif
#ifndef EACH_ALONE
#define EACH_ALONE 0
#endif

typedef struct chunk {
    struct chunk *next;
    size_t capacity; /* bytes behind this header */
    size_t used;
    size_t unused_padding; /* makes the header a multiple of DEFAULT_ALIGNMENT on 64-bit machines */
} chunk;

struct eai_arena {
    chunk *head; /* the chunk being filled; NULL before the first object */
    size_t chunk_bytes;
    size_t used;
    size_t reserved;
};

static unsigned char *chunk_data(chunk *c)
{
    return (unsigned char *)(c + 1);
}

/* Where in `c` the next object of this alignment would start. */
static size_t next_place(chunk *c, size_t alignment)
{
    uintptr_t base = (uintptr_t)chunk_data(c);
    uintptr_t place = (base + c->used + alignment - 1) & ~(uintptr_t)(alignment - 1);

    return (size_t)(place - base);
}

static bool fits(chunk *c, size_t alignment, size_t bytes)
{
    size_t place = next_place(c, alignment);

    return place <= c->capacity && bytes <= c->capacity - place;
}

static void free_chunks(chunk *c)
{
    while (c) {
        chunk *next = c->next;
        eai_free(c);
        c = next;
    }
}

eai_arena *eai_arena_create(size_t chunk_bytes)
{
    eai_arena *a = eai_alloc_zeroed(1, sizeof(*a));

    if (a)
        a->chunk_bytes = chunk_bytes ? chunk_bytes : DEFAULT_CHUNK;
    return a;
}

void eai_arena_free(eai_arena *a)
{
    if (!a)
        return;
    free_chunks(a->head);
    eai_free(a);
}

void eai_arena_reset(eai_arena *a)
{
    if (!a || !a->head)
        return;
    free_chunks(a->head->next);
    a->head->next = NULL;
    a->head->used = 0;
    a->used = 0;
    a->reserved = a->head->capacity;
    if (EACH_ALONE) {
        free_chunks(a->head);
        a->head = NULL;
        a->reserved = 0;
    }
}

/* A chunk in which an object of this size and alignment fits, linked into the list. */
static chunk *add_chunk(eai_arena *a, size_t alignment, size_t bytes)
{
    size_t slack = alignment > DEFAULT_ALIGNMENT ? alignment : 0;
    size_t need;
    size_t total;

    if (!eai_size_add(&need, bytes, slack))
        return NULL;
    bool alone = EACH_ALONE || need > a->chunk_bytes / 2;
    size_t capacity = alone ? need : a->chunk_bytes;
    if (!eai_size_add(&total, capacity, sizeof(chunk)))
        return NULL;
    chunk *c = eai_alloc_aligned(DEFAULT_ALIGNMENT, total);
    if (!c)
        return NULL;
    c->capacity = capacity;
    c->used = 0;
    if (alone && a->head) {
        c->next = a->head->next;
        a->head->next = c;
    } else {
        c->next = a->head;
        a->head = c;
    }
    a->reserved += capacity;
    return c;
}

void *eai_arena_alloc_aligned(eai_arena *a, size_t alignment, size_t bytes)
{
    if (!a || alignment == 0 || (alignment & (alignment - 1)) || alignment > MAX_ALIGNMENT)
        return NULL;
    if (bytes == 0)
        bytes = 1;
    chunk *c = a->head;
    if (EACH_ALONE || !c || !fits(c, alignment, bytes)) {
        c = add_chunk(a, alignment, bytes);
        if (!c)
            return NULL;
    }
    size_t place = next_place(c, alignment);
    c->used = place + bytes;
    a->used += bytes;
    return chunk_data(c) + place;
}

void *eai_arena_alloc(eai_arena *a, size_t bytes)
{
    return eai_arena_alloc_aligned(a, DEFAULT_ALIGNMENT, bytes);
}

void *eai_arena_array(eai_arena *a, size_t n, size_t size)
{
    size_t bytes;

    return eai_size_mul(&bytes, n, size) ? eai_arena_alloc(a, bytes) : NULL;
}

void *eai_arena_zeroed(eai_arena *a, size_t n, size_t size)
{
    void *p = eai_arena_array(a, n, size);

    return p ? memset(p, 0, n * size) : NULL;
}

void *eai_arena_memdup(eai_arena *a, const void *data, size_t bytes)
{
    void *p = eai_arena_alloc(a, bytes);

    if (p && bytes)
        memcpy(p, data, bytes);
    return p;
}

char *eai_arena_strdup(eai_arena *a, const char *s)
{
    return s ? eai_arena_memdup(a, s, strlen(s) + 1) : NULL;
}

char *eai_arena_strndup(eai_arena *a, const char *s, size_t n)
{
    size_t length = s ? strnlen(s, n) : 0;
    char *copy = s ? eai_arena_array(a, length + 1, 1) : NULL;

    if (!copy)
        return NULL;
    memcpy(copy, s, length);
    copy[length] = '\0';
    return copy;
}

char *eai_arena_vprintf(eai_arena *a, const char *fmt, va_list args)
{
    va_list again;
    char *text = NULL;

    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n >= 0)
        text = eai_arena_alloc(a, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

char *eai_arena_printf(eai_arena *a, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    char *text = eai_arena_vprintf(a, fmt, args);
    va_end(args);
    return text;
}

size_t eai_arena_used(const eai_arena *a)
{
    return a ? a->used : 0;
}

size_t eai_arena_reserved(const eai_arena *a)
{
    return a ? a->reserved : 0;
}
