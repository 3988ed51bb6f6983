/* Arithmetic of cutting work into parts, and of laying out scratch. */
#ifndef EAI_ENGINE_CPU_PARTS_H
#define EAI_ENGINE_CPU_PARTS_H

#include <stddef.h>
#include <stdint.h>

static inline int64_t cpu__min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t cpu__max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* For a >= 0 and b > 0. */
static inline int64_t cpu__divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t cpu__round_up(int64_t a, int64_t b)
{
    return cpu__divide_up(a, b) * b;
}

/* Whole cache lines, so that threads do not share one. */
static inline size_t cpu__align(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

#endif
