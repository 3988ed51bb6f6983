/* An arena: many small things that are freed together.
 *
 * When you want it: a graph's nodes, a parser's names, a table built once - objects whose lifetime
 * is that of their container, and whose single frees would only be a chance to forget one.
 *
 *     eai_arena *a = eai_arena_create(0);
 *     node *n = eai_arena_zeroed(a, 1, sizeof(*n));       // NULL when memory is out
 *     char *name = eai_arena_printf(a, "layers.%d.mlp", i);
 *     ...
 *     eai_arena_free(a);                                  // all of it
 *
 * It grows by chunks, so pointers stay valid until the arena is reset or freed. Every function
 * takes NULL for the arena and then returns NULL. Not thread-safe: one arena, one thread at a time.
 * In builds with the address sanitizer each object gets memory of its own, so that overruns show.
 */
#ifndef EAI_BASE_ARENA_H
#define EAI_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include <efficientai/error.h>

typedef struct eai_arena eai_arena;

/* A new arena whose chunks hold at least chunk_bytes (0: 64 KiB). NULL on failure. */
eai_arena *eai_arena_create(size_t chunk_bytes);

/* Frees the arena and everything that came from it; NULL is fine. */
void eai_arena_free(eai_arena *a);

/* Forgets everything that came from it and keeps one chunk for what comes next. */
void eai_arena_reset(eai_arena *a);

/* `bytes` aligned for any scalar type, contents undefined. 0 bytes give a unique pointer. */
void *eai_arena_alloc(eai_arena *a, size_t bytes);

/* As above, aligned to a power of two of at most 4096. */
void *eai_arena_alloc_aligned(eai_arena *a, size_t alignment, size_t bytes);

/* n * size bytes; NULL also when the product overflows. */
void *eai_arena_array(eai_arena *a, size_t n, size_t size);
void *eai_arena_zeroed(eai_arena *a, size_t n, size_t size);

/* Copies, NUL-terminated for text. eai_arena_strndup copies at most n bytes. */
void *eai_arena_memdup(eai_arena *a, const void *data, size_t bytes);
char *eai_arena_strdup(eai_arena *a, const char *s);
char *eai_arena_strndup(eai_arena *a, const char *s, size_t n);

/* printf into the arena. */
char *eai_arena_printf(eai_arena *a, const char *fmt, ...) EAI_PRINTF(2, 3);
char *eai_arena_vprintf(eai_arena *a, const char *fmt, va_list args) EAI_PRINTF(2, 0);

/* Bytes asked for since creation or the last reset; bytes taken from the system. */
size_t eai_arena_used(const eai_arena *a);
size_t eai_arena_reserved(const eai_arena *a);

#endif
