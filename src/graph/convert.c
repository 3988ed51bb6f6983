/* Rows of every storage type to floats and back: the plain C reference.
 *
 * Why: merging adapters, writing files and every test of a faster kernel need one conversion that
 * is simple enough to be read as the definition. Here: types of one element a block, and the table.
 * Not here: the block formats (convert_blocks.c, convert_k.c), MLX's (mlx_quant.c), the scalar
 * conversions (convert.h) and the engine's unpack routines (engine/cpu). Start at the table
 * `codecs` at the end. */
#include "graph/convert_internal.h"

static void unpack_f32(float *out, const uint8_t *row, int64_t n)
{
    if (n > 0)
        memcpy(out, row, (size_t)n * sizeof(float));
}

static void unpack_f64(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double v;
        memcpy(&v, row + 8 * i, sizeof(v));
        out[i] = (float)v;
    }
}

static void unpack_f16(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = eai_f16_to_f32(load_u16(row + 2 * i));
}

static void unpack_bf16(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = eai_bf16_to_f32(load_u16(row + 2 * i));
}

static void unpack_i32(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t v;
        memcpy(&v, row + 4 * i, sizeof(v));
        out[i] = (float)v;
    }
}

static void unpack_i64(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t v;
        memcpy(&v, row + 8 * i, sizeof(v));
        out[i] = (float)v;
    }
}

static void unpack_u8(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)row[i];
}

static void unpack_u32(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t v;
        memcpy(&v, row + 4 * i, sizeof(v));
        out[i] = (float)v;
    }
}

static bool pack_f32(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    (void)bad;
    if (n > 0)
        memcpy(row, in, (size_t)n * sizeof(float));
    return true;
}

static bool pack_f64(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    (void)bad;
    for (int64_t i = 0; i < n; i++) {
        double v = (double)in[i];
        memcpy(row + 8 * i, &v, sizeof(v));
    }
    return true;
}

static bool pack_f16(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    (void)bad;
    for (int64_t i = 0; i < n; i++)
        store_u16(row + 2 * i, eai_f16_from_f32(in[i]));
    return true;
}

static bool pack_bf16(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    (void)bad;
    for (int64_t i = 0; i < n; i++)
        store_u16(row + 2 * i, eai_bf16_from_f32(in[i]));
    return true;
}

typedef struct codec {
    void (*unpack)(float *out, const uint8_t *row, int64_t n);
    bool (*pack)(uint8_t *row, const float *in, int64_t n,
                 int64_t *bad); /* NULL: no such direction */
} codec;

static const codec codecs[EAI_DTYPE_COUNT] = {
    [EAI_F32] = {unpack_f32, pack_f32},
    [EAI_F64] = {unpack_f64, pack_f64},
    [EAI_F16] = {unpack_f16, pack_f16},
    [EAI_BF16] = {unpack_bf16, pack_bf16},
    [EAI_I32] = {unpack_i32, NULL},
    [EAI_I64] = {unpack_i64, NULL},
    [EAI_U8] = {unpack_u8, NULL},
    [EAI_U32] = {unpack_u32, NULL},
#define BLOCKS(id, name) [EAI_##id] = {convert__unpack_##name, convert__pack_##name}
    BLOCKS(Q8_0, q8_0),
    BLOCKS(Q4_0, q4_0),
    BLOCKS(Q4_1, q4_1),
    BLOCKS(Q5_0, q5_0),
    BLOCKS(Q5_1, q5_1),
    BLOCKS(IQ4_NL, iq4_nl),
    BLOCKS(MXFP4, mxfp4),
    BLOCKS(Q2_K, q2_k),
    BLOCKS(Q3_K, q3_k),
    BLOCKS(Q4_K, q4_k),
    BLOCKS(Q5_K, q5_k),
    BLOCKS(Q6_K, q6_k),
#undef BLOCKS
};

void eai_dequantize_row(float *out, eai_dtype t, const void *row, int64_t n)
{
    codecs[t].unpack(out, row, n);
}

void eai_unpack_row(float *out, eai_dtype t, const void *row, const eai_planes *planes, int64_t n)
{
    if (planes)
        convert__unpack_planar(out, t, row, planes, n);
    else
        eai_dequantize_row(out, t, row, n);
}

eai_status eai_quantize_row(void *row, eai_dtype t, const float *in, int64_t n, eai_error *err)
{
    int64_t bad = 0;

    if (!codecs[t].pack)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "floats cannot be stored as %s",
                             eai_dtype_get(t)->name);
    if (!codecs[t].pack(row, in, n, &bad))
        return eai_error_set(err, EAI_ERR_NUMERIC, "element %lld is %g, which %s cannot hold",
                             (long long)bad, (double)in[bad], eai_dtype_get(t)->name);
    return EAI_OK;
}
