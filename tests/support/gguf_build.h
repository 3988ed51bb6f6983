/* A writer of small GGUF files for tests, honest or lying: it writes whatever number it is told.
 *
 *     gguf_build b = {0};
 *     gguf_build_header(&b, 3, 1, 1);                          // version, tensors, metadata
 *     gguf_build_meta_string(&b, "general.architecture", "llama");
 *     gguf_build_tensor(&b, "x", 2, (uint64_t[]){32, 2}, 0, 0); // ne innermost first, type, offset
 *     gguf_build_pad(&b, 32);
 *     gguf_build_bytes(&b, data, n);
 *     ... b.data, b.n ...
 *     gguf_build_free(&b);
 *
 * The description of the format is in src/formats/gguf.c. */
#ifndef EAI_TEST_GGUF_BUILD_H
#define EAI_TEST_GGUF_BUILD_H

#include <stddef.h>
#include <stdint.h>

/* Numbers of value types. */
enum {
    GGUF_U8 = 0,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64
};

typedef struct gguf_build {
    uint8_t *data;
    size_t n;
} gguf_build;

void gguf_build_bytes(gguf_build *b, const void *data, size_t n);
void gguf_build_u32(gguf_build *b, uint32_t v);
void gguf_build_u64(gguf_build *b, uint64_t v);
void gguf_build_text(gguf_build *b, const char *text); /* length and bytes */
void gguf_build_pad(gguf_build *b, size_t alignment);  /* zeros up to a multiple */

void gguf_build_header(gguf_build *b, uint32_t version, uint64_t n_tensors, uint64_t n_meta);
/* Key and type; the value's bytes follow by the calls above. */
void gguf_build_meta(gguf_build *b, const char *key, uint32_t type);
void gguf_build_meta_u32(gguf_build *b, const char *key, uint32_t v);
void gguf_build_meta_string(gguf_build *b, const char *key, const char *v);
void gguf_build_meta_array(gguf_build *b, const char *key, uint32_t element, uint64_t count);
void gguf_build_tensor(gguf_build *b, const char *name, uint32_t n_dims, const uint64_t *ne,
                       uint32_t type, uint64_t offset);
void gguf_build_free(gguf_build *b);

/* A whole honest file of architecture "llama" with 2 heads, 1 key/value head, head size 4, width
 * 32: a value of every metadata type and tensors of several storage types (gguf_build.c lists
 * them). */
void gguf_build_sample(gguf_build *b);

#endif
