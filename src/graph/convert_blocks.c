/* Blocks of 32 elements: q8_0, q4_0, q4_1, q5_0, q5_1, iq4_nl and mxfp4, the plain C reference.
 *
 * Why: these are the definition that the engine's routines are compared with. The layouts are in
 * dtype.h. Not here: blocks of 256 (convert_k.c). Start at the unpackers.
 *
 * How they round (as the reference in ggml, so that a file requantized here and there is the same,
 * byte by byte). A block is 32 elements x with one f16 scale d, in q4_1 and q5_1 an f16 minimum m:
 *     q8_0  d = max|x| / 127       q = round(x / d), halves away from zero             -127 .. 127
 *     q4_0  d = v / -8             q = min(15, floor(x / d + 8.5))                     0 .. 15
 *     q5_0  d = v / -16            q = min(31, floor(x / d + 16.5))                    0 .. 31
 *           v: the element of largest magnitude (the first one), sign kept, which is exact
 *     q4_1  m = min x, d = (max - min) / 15    q = min(15, floor((x - m) / d + 0.5))   0 .. 15
 *     q5_1  m = min x, d = (max - min) / 31    q = min(31, floor((x - m) / d + 0.5))   0 .. 31
 *     mxfp4 d = 2^(floor(log2 max|x|) - 2)     the nearest of 0 0.5 1 1.5 2 3 4 6 times d, the
 *           smaller one at halves (OCP Microscaling Formats 1.0: elements E2M1, scales E8M0)
 * Quotients are products with the float 1/d, where d is not yet rounded to f16: the stored d
 * differs a little from the one that chose q. That is the reference's way; a better q costs a
 * search, and iq4_nl, whose levels are unequal, has one (convert_fit.c). */
#include "graph/convert_internal.h"

#include "base/banned.h"

#define BLOCK 32

/* Twice the values of E2M1; mxfp4's scale is halved instead. */
static const int8_t mxfp4_levels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

void convert__unpack_q8_0(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 34, out += BLOCK) {
        float d = load_f16(row);
        for (int j = 0; j < BLOCK; j++)
            out[j] = d * (float)(int8_t)row[2 + j];
    }
}

void convert__unpack_q4_0(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 18, out += BLOCK) {
        float d = load_f16(row);
        for (int j = 0; j < BLOCK / 2; j++) {
            out[j] = d * (float)((row[2 + j] & 15) - 8);
            out[j + BLOCK / 2] = d * (float)((row[2 + j] >> 4) - 8);
        }
    }
}

void convert__unpack_q4_1(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 20, out += BLOCK) {
        float d = load_f16(row);
        float m = load_f16(row + 2);
        for (int j = 0; j < BLOCK / 2; j++) {
            out[j] = d * (float)(row[4 + j] & 15) + m;
            out[j + BLOCK / 2] = d * (float)(row[4 + j] >> 4) + m;
        }
    }
}

/* The fifth bits of q5_x: bit j of `high` belongs to element j. */
static int fifth_bit(uint32_t high, int j)
{
    return (int)(high >> j & 1) << 4;
}

static uint32_t load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

void convert__unpack_q5_0(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 22, out += BLOCK) {
        float d = load_f16(row);
        uint32_t high = load_u32(row + 2);
        for (int j = 0; j < BLOCK / 2; j++) {
            int a = (row[6 + j] & 15) | fifth_bit(high, j);
            int b = (row[6 + j] >> 4) | fifth_bit(high, j + BLOCK / 2);
            out[j] = d * (float)(a - 16);
            out[j + BLOCK / 2] = d * (float)(b - 16);
        }
    }
}

void convert__unpack_q5_1(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 24, out += BLOCK) {
        float d = load_f16(row);
        float m = load_f16(row + 2);
        uint32_t high = load_u32(row + 4);
        for (int j = 0; j < BLOCK / 2; j++) {
            int a = (row[8 + j] & 15) | fifth_bit(high, j);
            int b = (row[8 + j] >> 4) | fifth_bit(high, j + BLOCK / 2);
            out[j] = d * (float)a + m;
            out[j + BLOCK / 2] = d * (float)b + m;
        }
    }
}

void convert__unpack_iq4_nl(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 18, out += BLOCK) {
        float d = load_f16(row);
        for (int j = 0; j < BLOCK / 2; j++) {
            out[j] = d * (float)convert__iq4_nl_levels[row[2 + j] & 15];
            out[j + BLOCK / 2] = d * (float)convert__iq4_nl_levels[row[2 + j] >> 4];
        }
    }
}

/* Half of 2^(e - 127). */
static float half_e8m0(uint8_t e)
{
    return eai_f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

void convert__unpack_mxfp4(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 17, out += BLOCK) {
        float d = half_e8m0(row[0]);
        for (int j = 0; j < BLOCK / 2; j++) {
            out[j] = d * (float)mxfp4_levels[row[1 + j] & 15];
            out[j + BLOCK / 2] = d * (float)mxfp4_levels[row[1 + j] >> 4];
        }
    }
}

/* --- packing --- */

/* 1/d, or 0 where d is 0 or so small that the quotient overflows (its f16 is then 0 as well). */
static float reciprocal(float d)
{
    float r = d != 0 ? 1.0f / d : 0;
    return isfinite(r) ? r : 0;
}

/* floor(x) for 0 <= x, at most `most`. The comparison comes first: the cast of a large float is
 * undefined. */
static uint8_t floor_to(float x, int most)
{
    return x >= (float)most ? (uint8_t)most : (uint8_t)x;
}

static uint8_t nibble(float x)
{
    return floor_to(x, 15);
}

bool convert__pack_q8_0(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 34) {
        const float *x = in + i;
        int at = find_largest(x, BLOCK);
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

bool convert__pack_q4_0(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 18) {
        const float *x = in + i;
        int at = find_largest(x, BLOCK);
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

/* The largest element less the smallest, which is *low. */
static float find_range(float *low, const float *x)
{
    float high = x[0];
    *low = x[0];
    for (int j = 1; j < BLOCK; j++) {
        *low = x[j] < *low ? x[j] : *low;
        high = x[j] > high ? x[j] : high;
    }
    return high - *low;
}

bool convert__pack_q4_1(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 20) {
        const float *x = in + i;
        float low;
        float d = find_range(&low, x) / 15.0f;
        int at = find_largest(x, BLOCK);
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

/* 32 numbers of 5 bits: the fifth bits, then nibbles in q4_x's order. */
static void store_fives(uint8_t *out, const uint8_t *q)
{
    uint32_t high = 0;
    for (int j = 0; j < BLOCK; j++)
        high |= (uint32_t)(q[j] >> 4) << j;
    memcpy(out, &high, sizeof(high));
    for (int j = 0; j < BLOCK / 2; j++)
        out[4 + j] = (uint8_t)((q[j] & 15) | (q[j + BLOCK / 2] & 15) << 4);
}

bool convert__pack_q5_0(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    uint8_t q[BLOCK];
    for (int64_t i = 0; i < n; i += BLOCK, row += 22) {
        const float *x = in + i;
        int at = find_largest(x, BLOCK);
        float d = x[at] / -16.0f;
        if (!fits_f16(d)) {
            *bad = i + at;
            return false;
        }
        float id = reciprocal(d);
        for (int j = 0; j < BLOCK; j++)
            q[j] = floor_to(x[j] * id + 16.5f, 31);
        store_u16(row, eai_f16_from_f32(d));
        store_fives(row + 2, q);
    }
    return true;
}

bool convert__pack_q5_1(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    uint8_t q[BLOCK];
    for (int64_t i = 0; i < n; i += BLOCK, row += 24) {
        const float *x = in + i;
        float low;
        float d = find_range(&low, x) / 31.0f;
        int at = find_largest(x, BLOCK);
        if (!isfinite(x[at]) || !fits_f16(d) || !fits_f16(low)) {
            *bad = i + at;
            return false;
        }
        float id = reciprocal(d);
        for (int j = 0; j < BLOCK; j++)
            q[j] = floor_to((x[j] - low) * id + 0.5f, 31);
        store_u16(row, eai_f16_from_f32(d));
        store_u16(row + 2, eai_f16_from_f32(low));
        store_fives(row + 4, q);
    }
    return true;
}

bool convert__pack_iq4_nl(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 18) {
        const float *x = in + i;
        int at = find_largest(x, BLOCK);
        float d = isfinite(x[at]) ? convert__fit_levels(x) : INFINITY;
        if (!fits_f16(d)) {
            *bad = i + at;
            return false;
        }
        store_u16(row, eai_f16_from_f32(d));
        double stored = (double)load_f16(row);
        double id = stored != 0 ? 1 / stored : 0;
        for (int j = 0; j < BLOCK / 2; j++) {
            int low = convert__nearest_level((double)x[j] * id);
            int high = convert__nearest_level((double)x[j + BLOCK / 2] * id);
            row[2 + j] = (uint8_t)(low | high << 4);
        }
    }
    return true;
}

/* The number of the level that d times is nearest to x, the first one of equals. */
static int nearest_mxfp4(float x, float d)
{
    int at = 0;
    for (int k = 1; k < 16; k++) {
        if (fabsf(d * (float)mxfp4_levels[k] - x) < fabsf(d * (float)mxfp4_levels[at] - x))
            at = k;
    }
    return at;
}

/* The largest element becomes 4 to 8 (then 6) times the scale, which reaches any float. */
bool convert__pack_mxfp4(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    for (int64_t i = 0; i < n; i += BLOCK, row += 17) {
        const float *x = in + i;
        int at = find_largest(x, BLOCK);
        int exponent = 0;
        if (!isfinite(x[at])) {
            *bad = i + at;
            return false;
        }
        (void)frexpf(x[at], &exponent); /* 2^(exponent - 1) <= |x| < 2^exponent; 0 for 0 */
        exponent += x[at] != 0 ? 124 : 0;
        row[0] = (uint8_t)(exponent > 0 ? exponent : 0);
        float d = half_e8m0(row[0]);
        for (int j = 0; j < BLOCK / 2; j++) {
            int low = nearest_mxfp4(x[j], d);
            int high = nearest_mxfp4(x[j + BLOCK / 2], d);
            row[1 + j] = (uint8_t)(low | high << 4);
        }
    }
    return true;
}
