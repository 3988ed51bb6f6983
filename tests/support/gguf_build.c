/* The writer of gguf_build.h: every call appends bytes. */
#include "support/gguf_build.h"

#include "support/eai_test.h"

#include <stdlib.h>

void gguf_build_bytes(gguf_build *b, const void *data, size_t n)
{
    b->data = realloc(b->data, b->n + n + 1);
    assert_non_null(b->data);
    if (n)
        memcpy(b->data + b->n, data, n);
    b->n += n;
}

void gguf_build_u32(gguf_build *b, uint32_t v)
{
    gguf_build_bytes(b, &v, sizeof(v));
}

void gguf_build_u64(gguf_build *b, uint64_t v)
{
    gguf_build_bytes(b, &v, sizeof(v));
}

void gguf_build_text(gguf_build *b, const char *text)
{
    gguf_build_u64(b, strlen(text));
    gguf_build_bytes(b, text, strlen(text));
}

void gguf_build_pad(gguf_build *b, size_t alignment)
{
    while (b->n % alignment)
        gguf_build_bytes(b, "", 1);
}

void gguf_build_header(gguf_build *b, uint32_t version, uint64_t n_tensors, uint64_t n_meta)
{
    gguf_build_bytes(b, "GGUF", 4);
    gguf_build_u32(b, version);
    gguf_build_u64(b, n_tensors);
    gguf_build_u64(b, n_meta);
}

void gguf_build_meta(gguf_build *b, const char *key, uint32_t type)
{
    gguf_build_text(b, key);
    gguf_build_u32(b, type);
}

void gguf_build_meta_u32(gguf_build *b, const char *key, uint32_t v)
{
    gguf_build_meta(b, key, GGUF_U32);
    gguf_build_u32(b, v);
}

void gguf_build_meta_string(gguf_build *b, const char *key, const char *v)
{
    gguf_build_meta(b, key, GGUF_STRING);
    gguf_build_text(b, v);
}

void gguf_build_meta_array(gguf_build *b, const char *key, uint32_t element, uint64_t count)
{
    gguf_build_meta(b, key, GGUF_ARRAY);
    gguf_build_u32(b, element);
    gguf_build_u64(b, count);
}

void gguf_build_tensor(gguf_build *b, const char *name, uint32_t n_dims, const uint64_t *ne,
                       uint32_t type, uint64_t offset)
{
    gguf_build_text(b, name);
    gguf_build_u32(b, n_dims);
    gguf_build_bytes(b, ne, n_dims * sizeof(*ne));
    gguf_build_u32(b, type);
    gguf_build_u64(b, offset);
}

void gguf_build_free(gguf_build *b)
{
    free(b->data);
    b->data = NULL;
    b->n = 0;
}

static void build_sample_metadata(gguf_build *b)
{
    gguf_build_meta_string(b, "general.architecture", "llama");
    gguf_build_meta_u32(b, "llama.attention.head_count", 2);
    gguf_build_meta_u32(b, "llama.attention.head_count_kv", 1);
    gguf_build_meta(b, "a.u8", GGUF_U8);
    gguf_build_bytes(b, "\xff", 1);
    gguf_build_meta(b, "a.i8", GGUF_I8);
    gguf_build_bytes(b, "\xff", 1);
    gguf_build_meta(b, "a.u16", GGUF_U16);
    gguf_build_bytes(b, "\xfe\xff", 2);
    gguf_build_meta(b, "a.i16", GGUF_I16);
    gguf_build_bytes(b, "\xfe\xff", 2);
    gguf_build_meta(b, "a.i32", GGUF_I32);
    gguf_build_u32(b, (uint32_t)-7);
    gguf_build_meta(b, "a.f32", GGUF_F32);
    gguf_build_bytes(b, &(float){1.5f}, 4);
    gguf_build_meta(b, "a.bool", GGUF_BOOL);
    gguf_build_bytes(b, "\1", 1);
    gguf_build_meta(b, "a.u64", GGUF_U64);
    gguf_build_u64(b, (uint64_t)1 << 40);
    gguf_build_meta(b, "a.i64", GGUF_I64);
    gguf_build_u64(b, (uint64_t)-9);
    gguf_build_meta(b, "a.f64", GGUF_F64);
    gguf_build_bytes(b, &(double){0.1}, 8);
    gguf_build_meta_array(b, "a.ints", GGUF_I32, 3);
    gguf_build_bytes(b, (int32_t[]){3, -1, 4}, 12);
    gguf_build_meta_array(b, "a.floats", GGUF_F32, 2);
    gguf_build_bytes(b, (float[]){0.5f, -2.0f}, 8);
    gguf_build_meta_array(b, "a.strings", GGUF_STRING, 3);
    gguf_build_text(b, "one");
    gguf_build_text(b, "");
    gguf_build_text(b, "tw\xc3\xb6");
    gguf_build_meta_array(b, "a.none", GGUF_STRING, 0);
    gguf_build_meta_array(b, "a.bools", GGUF_BOOL, 2);
    gguf_build_bytes(b, "\1\0", 2);
}

void gguf_build_sample(gguf_build *b)
{
    gguf_build_header(b, 3, 6, 18);
    build_sample_metadata(b);
    /* names, numbers of elements innermost first, types (0 F32, 3 Q4_1, 8 Q8_0), offsets */
    gguf_build_tensor(b, "blk.0.attn_q.weight", 2, (uint64_t[]){32, 8}, 3, 0);   /* 160 bytes */
    gguf_build_tensor(b, "blk.0.attn_k.weight", 2, (uint64_t[]){32, 4}, 8, 160); /* 136 */
    gguf_build_tensor(b, "token_embd.weight", 2, (uint64_t[]){32, 3}, 8, 320);   /* 102 */
    gguf_build_tensor(b, "blk.0.attn_q.bias", 1, (uint64_t[]){8}, 0, 448);       /* 32 */
    gguf_build_tensor(b, "blk.0.attn_norm.weight", 1, (uint64_t[]){2}, 0, 480);  /* 8 */
    gguf_build_tensor(b, "a.scalar", 0, NULL, 0, 512);                           /* 4 */
    gguf_build_pad(b, 32);
    for (int i = 0; i < 448; i++) /* each row of blocks is told from every other by its bytes */
        gguf_build_bytes(b, &(uint8_t){(uint8_t)(i * 7 + i / 20)}, 1);
    for (int i = 0; i < 8; i++)
        gguf_build_bytes(b, &(float){(float)i}, 4);
    gguf_build_bytes(b, (float[]){1.0f, 2.0f}, 8);
    gguf_build_pad(b, 32);
    gguf_build_bytes(b, &(float){42.0f}, 4);
}
