/* Rows of every storage type to floats and back: the plain C reference.
 *
 * Why: merging adapters, writing files and every test of a faster kernel need one conversion that
 * is simple enough to be read as the definition. Not here: the scalar conversions (convert.h) and
 * the engine's unpack routines (engine/cpu). Start at the table `codecs` at the end.
 *
 * How the block formats round (as the reference in ggml, so that a file requantized here and there
 * is the same, byte by byte). A block is 32 elements x with one f16 scale d, and in q4_1 an f16
 * minimum m: q8_0  d = max|x| / 127               q = round(x / d), halves away from zero      -127
 * .. 127 q4_0  d = v / -8, v the element of   q = min(15, floor(x / d + 8.5))              0 .. 15,
 * -8 largest magnitude (the first one), sign kept: v is exact q4_1  m = min x, d = (max - min)/15
 * q = min(15, floor((x - m) / d + 0.5))        0 .. 15 Quotients are products with the float 1/d,
 * where d is not yet rounded to f16: the stored d differs a little from the one that chose q. That
 * is the reference's way; a better q costs a search. */
#include <efficientai/convert.h>

#include <math.h>
#include <stdbool.h>

/* A fused multiply-add rounds once instead of twice: other bytes at the halves. GCC leaves it off
 * in ISO C mode, clang does not. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#define BLOCK 32

static uint16_t load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static void store_u16(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, sizeof(v));
}

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

static void unpack_q8_0(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 34, out += BLOCK) {
        float d = eai_f16_to_f32(load_u16(row));
        for (int j = 0; j < BLOCK; j++)
            out[j] = d * (float)(int8_t)row[2 + j];
    }
}

static void unpack_q4_0(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 18, out += BLOCK) {
        float d = eai_f16_to_f32(load_u16(row));
        for (int j = 0; j < BLOCK / 2; j++) {
            out[j] = d * (float)((row[2 + j] & 15) - 8);
            out[j + BLOCK / 2] = d * (float)((row[2 + j] >> 4) - 8);
        }
    }
}

static void unpack_q4_1(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 20, out += BLOCK) {
        float d = eai_f16_to_f32(load_u16(row));
        float m = eai_f16_to_f32(load_u16(row + 2));
        for (int j = 0; j < BLOCK / 2; j++) {
            out[j] = d * (float)(row[4 + j] & 15) + m;
            out[j + BLOCK / 2] = d * (float)(row[4 + j] >> 4) + m;
        }
    }
}

/* The packers return false for a block (or element) that the type cannot hold, and where it starts.
 */

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

/* 1/d, or 0 where d is 0 or so small that the quotient overflows (its f16 is then 0 as well). */
static float reciprocal(float d)
{
    float r = d != 0 ? 1.0f / d : 0;
    return isfinite(r) ? r : 0;
}

static bool fits_f16(float x)
{
    return fabsf(x) < 65520.0f; /* false for NaN */
}

/* floor(x) for 0 <= x, at most 15. The comparison comes first: the cast of a large float is
 * undefined. */
static uint8_t nibble(float x)
{
    return x >= 15.0f ? 15 : (uint8_t)x;
}

/* The first element that is NaN or infinite, or else of the largest magnitude. */
static int find_largest(const float *x)
{
    int at = 0;
    for (int j = 0; j < BLOCK; j++) {
        if (!isfinite(x[j]))
            return j;
        if (fabsf(x[j]) > fabsf(x[at]))
            at = j;
    }
    return at;
}

static bool pack_q8_0(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 34) {
        const float *x = in + i;
        int at = find_largest(x);
        float d = fabsf(x[at]) / 127.0f;
        if (!fits_f16(d)) {
            *bad = i + at;
            return false;
        }
        float id = reciprocal(d);
        store_u16(row, eai_f16_from_f32(d));
        for (int j = 0; j < BLOCK; j++)
            row[2 + j] = (uint8_t)(int8_t)roundf(x[j] * id);
    }
    return true;
}

static bool pack_q4_0(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 18) {
        const float *x = in + i;
        int at = find_largest(x);
        float d = x[at] / -8.0f;
        if (!fits_f16(d)) {
            *bad = i + at;
            return false;
        }
        float id = reciprocal(d);
        store_u16(row, eai_f16_from_f32(d));
        for (int j = 0; j < BLOCK / 2; j++) {
            uint8_t low = nibble(x[j] * id + 8.5f);
            uint8_t high = nibble(x[j + BLOCK / 2] * id + 8.5f);
            row[2 + j] = (uint8_t)(low | high << 4);
        }
    }
    return true;
}

static bool pack_q4_1(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 20) {
        const float *x = in + i;
        float low = x[0];
        float high = x[0];
        for (int j = 1; j < BLOCK; j++) {
            low = x[j] < low ? x[j] : low;
            high = x[j] > high ? x[j] : high;
        }
        int at = find_largest(x);
        float d = (high - low) / 15.0f;
        if (!isfinite(x[at]) || !fits_f16(d) || !fits_f16(low)) {
            *bad = i + at;
            return false;
        }
        float id = reciprocal(d);
        store_u16(row, eai_f16_from_f32(d));
        store_u16(row + 2, eai_f16_from_f32(low));
        for (int j = 0; j < BLOCK / 2; j++) {
            uint8_t a = nibble((x[j] - low) * id + 0.5f);
            uint8_t b = nibble((x[j + BLOCK / 2] - low) * id + 0.5f);
            row[4 + j] = (uint8_t)(a | b << 4);
        }
    }
    return true;
}

typedef struct codec {
    void (*unpack)(float *out, const uint8_t *row, int64_t n);
    bool (*pack)(uint8_t *row, const float *in, int64_t n,
                 int64_t *bad); /* NULL: no such direction */
} codec;

static const codec codecs[EAI_DTYPE_COUNT] = {
    [EAI_F32] = {unpack_f32, pack_f32},    [EAI_F64] = {unpack_f64, pack_f64},
    [EAI_F16] = {unpack_f16, pack_f16},    [EAI_BF16] = {unpack_bf16, pack_bf16},
    [EAI_I32] = {unpack_i32, NULL},        [EAI_I64] = {unpack_i64, NULL},
    [EAI_U8] = {unpack_u8, NULL},          [EAI_Q8_0] = {unpack_q8_0, pack_q8_0},
    [EAI_Q4_0] = {unpack_q4_0, pack_q4_0}, [EAI_Q4_1] = {unpack_q4_1, pack_q4_1},
};

void eai_dequantize_row(float *out, eai_dtype t, const void *row, int64_t n)
{
    codecs[t].unpack(out, row, n);
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
