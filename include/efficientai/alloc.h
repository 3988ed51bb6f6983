/* Memory: every allocation of the toolkit passes here, so that tests can make the n-th one fail.
 *
 * Use:
 *     float *x = eai_alloc_array(n, sizeof(*x));    // NULL when n * size overflows or memory is
 * out if (!x) return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu floats", n);
 *     ...
 *     eai_free(x);
 *
 * Thread-safety: all functions may be called from any thread. */
#ifndef EAI_ALLOC_H
#define EAI_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `bytes` of memory aligned for any scalar type; contents undefined. NULL on failure. 0 bytes give
 * a unique pointer. */
EAI_API void *eai_alloc(size_t bytes);

/* `n * size` zeroed bytes; NULL on failure or when the product overflows. */
EAI_API void *eai_alloc_zeroed(size_t n, size_t size);

/* `n * size` bytes, contents undefined; NULL on failure or overflow. */
EAI_API void *eai_alloc_array(size_t n, size_t size);

/* `bytes` aligned to `alignment` (a power of two >= sizeof(void *)). Freed with eai_free().
 * Blocks of 2 MiB and more are aligned to 2 MiB and advised to use huge pages. */
EAI_API void *eai_alloc_aligned(size_t alignment, size_t bytes);

/* Grows or shrinks to `n * size` bytes; on failure NULL is returned and `p` stays valid. */
EAI_API void *eai_realloc_array(void *p, size_t n, size_t size);

/* Frees what any of the functions above returned; NULL is fine. */
EAI_API void eai_free(void *p);

/* A copy of `s` (of at most `n` bytes of it), NUL-terminated. NULL on failure. */
EAI_API char *eai_strdup(const char *s);
EAI_API char *eai_strndup(const char *s, size_t n);

/* printf into new memory; NULL on failure. */
EAI_API char *eai_asprintf(const char *fmt, ...) EAI_PRINTF(1, 2);

/* *out = a * b (a + b); false when that overflows, and *out is then untouched. */
static inline bool eai_size_mul(size_t *out, size_t a, size_t b)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}
static inline bool eai_size_add(size_t *out, size_t a, size_t b)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

/* Failure injection, for tests: the n-th allocation from now on (1 = the next one) fails, once;
 * 0 switches it off. Also read once from the environment variable EAI_ALLOC_FAIL_AT.
 * eai_alloc_count() is the number of allocations tried since the last call of eai_alloc_fail_at().
 */
EAI_API void eai_alloc_fail_at(uint64_t n);
EAI_API uint64_t eai_alloc_count(void);

#ifdef __cplusplus
}
#endif
#endif
