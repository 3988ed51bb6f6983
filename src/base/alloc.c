/* The allocator: malloc and friends behind one door.
 *
 * Why a door: tests make the n-th allocation of the process fail and check that every caller
 * survives it; and large blocks are placed and advised so that the kernel may back them with huge
 * pages, which saves most of the page faults and TLB misses of streaming through weights. What it
 * does not do: no pools, no caches of its own (see base/arena.h for many small things freed
 * together). Start at should_fail(). */
#define EAI_ALLOW_MALLOC
#include <efficientai/alloc.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/banned.h"

#define HUGE_PAGE ((size_t)2 << 20)

static _Atomic uint64_t n_tried;  /* allocations since the last eai_alloc_fail_at() */
static _Atomic uint64_t n_doomed; /* the one that fails; 0: none */
static pthread_once_t environment_read = PTHREAD_ONCE_INIT;

static void read_environment(void)
{
    const char *text = getenv("EAI_ALLOC_FAIL_AT");
    char *end = NULL;

    if (!text || text[0] < '0' || text[0] > '9')
        return;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno == 0 && *end == '\0')
        atomic_store_explicit(&n_doomed, (uint64_t)n, memory_order_relaxed);
}

static bool should_fail(void)
{
    pthread_once(&environment_read, read_environment);
    uint64_t n = atomic_fetch_add_explicit(&n_tried, 1, memory_order_relaxed) + 1;
    return n == atomic_load_explicit(&n_doomed, memory_order_relaxed);
}

void eai_alloc_fail_at(uint64_t n)
{
    pthread_once(&environment_read, read_environment);
    atomic_store_explicit(&n_tried, 0, memory_order_relaxed);
    atomic_store_explicit(&n_doomed, n, memory_order_relaxed);
}

uint64_t eai_alloc_count(void)
{
    return atomic_load_explicit(&n_tried, memory_order_relaxed);
}

void *eai_alloc(size_t bytes)
{
    if (should_fail())
        return NULL;
    return malloc(bytes ? bytes : 1);
}

void *eai_alloc_zeroed(size_t n, size_t size)
{
    size_t bytes;

    if (should_fail() || !eai_size_mul(&bytes, n, size))
        return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *eai_alloc_array(size_t n, size_t size)
{
    size_t bytes;

    return eai_size_mul(&bytes, n, size) ? eai_alloc(bytes) : NULL;
}

void *eai_alloc_aligned(size_t alignment, size_t bytes)
{
    void *p = NULL;

    if (should_fail() || bytes > SIZE_MAX - HUGE_PAGE)
        return NULL;
    bool large = bytes >= HUGE_PAGE;
    if (large && alignment < HUGE_PAGE)
        alignment = HUGE_PAGE;
    if (posix_memalign(&p, alignment, bytes ? bytes : 1) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (large)
        (void)madvise(p, bytes & ~(HUGE_PAGE - 1), MADV_HUGEPAGE); /* advice: refusal is fine */
#endif
    return p;
}

void *eai_realloc_array(void *p, size_t n, size_t size)
{
    size_t bytes;

    if (should_fail() || !eai_size_mul(&bytes, n, size))
        return NULL;
    return realloc(p, bytes ? bytes : 1);
}

void eai_free(void *p)
{
    free(p);
}

char *eai_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = eai_alloc(n);

    return copy ? memcpy(copy, s, n) : NULL;
}

char *eai_strndup(const char *s, size_t n)
{
    size_t length = strnlen(s, n);
    char *copy = eai_alloc_array(length + 1, 1);

    if (!copy)
        return NULL;
    memcpy(copy, s, length);
    copy[length] = '\0';
    return copy;
}

char *eai_asprintf(const char *fmt, ...)
{
    va_list args;
    va_list again;
    char *text = NULL;

    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n >= 0)
        text = eai_alloc((size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    return text;
}
