/* Blocks of 256 elements: q2_K, q3_K, q4_K, q5_K and q6_K ("k-quants"), the plain C reference.
 *
 * Why: these are the definition that the engine's routines are compared with. Not here: how scales
 * are chosen (convert_fit.c). Start at the unpackers.
 *
 * A block is 8 parts of 32 elements. Each group of 16 or 32 elements has a small integer scale s
 * (and m), which d (and dmin) of the block multiply. With l the element's place in its part i:
 *     q2_K   84 bytes: 16 x u8 s | m << 4; two[64]; f16 d; f16 dmin       x = d*s*q - dmin*m
 *     q3_K  110 bytes: third[32]; two[64]; 12 bytes of s; f16 d           x = d*(s-32)*(q-4)
 *     q4_K  144 bytes: f16 d; f16 dmin; 12 bytes of s and m; nibble[128]  x = d*s*q - dmin*m
 *     q5_K  176 bytes: likewise; fifth[32] before the nibbles             x = d*s*q - dmin*m
 *     q6_K  210 bytes: nibble[128]; two[64]; 16 x i8 s; f16 d             x = d*s*(q-32)
 *     two     byte 32 * (i / 4) + l, bits 2 * (i % 4): the low bits of q (q6_K: bits 4 and 5)
 *     third, fifth  byte l, bit i: the high bit of q
 *     nibble  of q4_K, q5_K: byte 32 * (i / 2) + l, the high half for odd i
 *             of q6_K: byte 64 * (i / 4) + 32 * (i % 2) + l, the high half for i % 4 > 1 */
#include "graph/convert_internal.h"

#include "base/banned.h"

#define BLOCK 256
#define PARTS 8

/* --- scales of 6 bits --- */

/* q3_K: the low 4 bits of scale k are nibble k / 8 of byte k % 8; its high 2 bits are bits
 * 2 * (k / 4) of byte 8 + k % 4. */
static int load_scale16(const uint8_t *p, int k)
{
    int low = p[k % 8] >> 4 * (k / 8) & 15;
    int high = p[8 + k % 4] >> 2 * (k / 4) & 3;
    return low | high << 4;
}

static void store_scale16(uint8_t *p, int k, int s)
{
    p[k % 8] |= (uint8_t)((s & 15) << 4 * (k / 8));
    p[8 + k % 4] |= (uint8_t)(s >> 4 << 2 * (k / 4));
}

/* q4_K, q5_K: as convert__load_scale8 says. */
static void store_scale8(uint8_t *p, int k, int s, int m)
{
    if (k < 4) {
        p[k] |= (uint8_t)s;
        p[k + 4] |= (uint8_t)m;
    } else {
        p[k + 4] |= (uint8_t)((s & 15) | (m & 15) << 4);
        p[k - 4] |= (uint8_t)(s >> 4 << 6);
        p[k] |= (uint8_t)(m >> 4 << 6);
    }
}

/* The first 4 scales and minima are the low 6 bits of bytes 0 .. 7; of the last 4, the
 * low bits are the nibbles of bytes 8 .. 11 and the high 2 bits lie above the first 4. */
void convert__load_scale8(int *s, int *m, const uint8_t *p, int k)
{
    if (k < 4) {
        *s = p[k] & 63;
        *m = p[k + 4] & 63;
    } else {
        *s = (p[k + 4] & 15) | p[k - 4] >> 6 << 4;
        *m = p[k + 4] >> 4 | p[k] >> 6 << 4;
    }
}

/* --- unpacking --- */

void convert__unpack_q2_k(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t at = 0; at < n; at += BLOCK, row += 84) {
        float d = load_f16(row + 80);
        float dmin = load_f16(row + 82);
        for (int i = 0; i < PARTS; i++) {
            for (int l = 0; l < 32; l++) {
                int q = row[16 + 32 * (i / 4) + l] >> 2 * (i % 4) & 3;
                int scales = row[2 * i + l / 16];
                float s = d * (float)(scales & 15);
                float m = dmin * (float)(scales >> 4);
                *out++ = s * (float)q - m;
            }
        }
    }
}

void convert__unpack_q3_k(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t at = 0; at < n; at += BLOCK, row += 110) {
        float d = load_f16(row + 108);
        for (int i = 0; i < PARTS; i++) {
            for (int l = 0; l < 32; l++) {
                int low = row[32 + 32 * (i / 4) + l] >> 2 * (i % 4) & 3;
                int high = row[l] >> i & 1;
                float s = d * (float)(load_scale16(row + 96, 2 * i + l / 16) - 32);
                *out++ = s * (float)((low | high << 2) - 4);
            }
        }
    }
}

void convert__unpack_q4_k(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t at = 0; at < n; at += BLOCK, row += 144) {
        float d = load_f16(row);
        float dmin = load_f16(row + 2);
        for (int i = 0; i < PARTS; i++) {
            int s = 0;
            int m = 0;
            convert__load_scale8(&s, &m, row + 4, i);
            for (int l = 0; l < 32; l++) {
                int q = row[16 + 32 * (i / 2) + l] >> 4 * (i % 2) & 15;
                *out++ = d * (float)s * (float)q - dmin * (float)m;
            }
        }
    }
}

void convert__unpack_q5_k(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t at = 0; at < n; at += BLOCK, row += 176) {
        float d = load_f16(row);
        float dmin = load_f16(row + 2);
        for (int i = 0; i < PARTS; i++) {
            int s = 0;
            int m = 0;
            convert__load_scale8(&s, &m, row + 4, i);
            for (int l = 0; l < 32; l++) {
                int low = row[48 + 32 * (i / 2) + l] >> 4 * (i % 2) & 15;
                int high = row[16 + l] >> i & 1;
                *out++ = d * (float)s * (float)(low | high << 4) - dmin * (float)m;
            }
        }
    }
}

void convert__unpack_q6_k(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t at = 0; at < n; at += BLOCK, row += 210) {
        float d = load_f16(row + 208);
        for (int i = 0; i < PARTS; i++) {
            for (int l = 0; l < 32; l++) {
                int low = row[64 * (i / 4) + 32 * (i % 2) + l] >> 4 * (i % 4 / 2) & 15;
                int high = row[128 + 32 * (i / 4) + l] >> 2 * (i % 4) & 3;
                float s = d * (float)(int8_t)row[192 + 2 * i + l / 16];
                *out++ = s * (float)((low | high << 4) - 32);
            }
        }
    }
}

/* --- packing --- */

/* Chooses scales and numbers for the block at in + at; false when it cannot be stored. */
static bool fit(convert__fit *out, const float *in, int64_t at, const convert__groups *g,
                int64_t *bad)
{
    const float *x = in + at;
    int largest = find_largest(x, BLOCK);
    *bad = at + largest;
    if (!isfinite(x[largest]))
        return false;
    convert__fit_groups(out, x, g);
    return fits_f16(out->d) && fits_f16(out->dmin);
}

bool convert__pack_q2_k(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    static const convert__groups groups = {16, 16, 0, 3, 0, 15, true};
    convert__fit f;
    for (int64_t at = 0; at < n; at += BLOCK, row += 84) {
        if (!fit(&f, in, at, &groups, bad))
            return false;
        memset(row, 0, 84);
        for (int k = 0; k < 16; k++)
            row[k] = (uint8_t)(f.scale[k] | f.min[k] << 4);
        for (int e = 0; e < BLOCK; e++)
            row[16 + e / 128 * 32 + e % 32] |= (uint8_t)(f.q[e] << e % 128 / 32 * 2);
        store_u16(row + 80, eai_f16_from_f32(f.d));
        store_u16(row + 82, eai_f16_from_f32(f.dmin));
    }
    return true;
}

bool convert__pack_q3_k(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    static const convert__groups groups = {16, 16, -4, 3, -32, 31, false};
    convert__fit f;
    for (int64_t at = 0; at < n; at += BLOCK, row += 110) {
        if (!fit(&f, in, at, &groups, bad))
            return false;
        memset(row, 0, 110);
        for (int e = 0; e < BLOCK; e++) {
            int q = f.q[e] + 4;
            row[e % 32] |= (uint8_t)(q >> 2 << e / 32);
            row[32 + e / 128 * 32 + e % 32] |= (uint8_t)((q & 3) << e % 128 / 32 * 2);
        }
        for (int k = 0; k < 16; k++)
            store_scale16(row + 96, k, f.scale[k] + 32);
        store_u16(row + 108, eai_f16_from_f32(f.d));
    }
    return true;
}

/* The head of q4_K and q5_K. */
static void store_head8(uint8_t *row, const convert__fit *f)
{
    store_u16(row, eai_f16_from_f32(f->d));
    store_u16(row + 2, eai_f16_from_f32(f->dmin));
    for (int k = 0; k < PARTS; k++)
        store_scale8(row + 4, k, f->scale[k], f->min[k]);
}

bool convert__pack_q4_k(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    static const convert__groups groups = {8, 32, 0, 15, 0, 63, true};
    convert__fit f;
    for (int64_t at = 0; at < n; at += BLOCK, row += 144) {
        if (!fit(&f, in, at, &groups, bad))
            return false;
        memset(row, 0, 144);
        store_head8(row, &f);
        for (int e = 0; e < BLOCK; e++)
            row[16 + e / 64 * 32 + e % 32] |= (uint8_t)(f.q[e] << e % 64 / 32 * 4);
    }
    return true;
}

bool convert__pack_q5_k(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    static const convert__groups groups = {8, 32, 0, 31, 0, 63, true};
    convert__fit f;
    for (int64_t at = 0; at < n; at += BLOCK, row += 176) {
        if (!fit(&f, in, at, &groups, bad))
            return false;
        memset(row, 0, 176);
        store_head8(row, &f);
        for (int e = 0; e < BLOCK; e++) {
            row[16 + e % 32] |= (uint8_t)(f.q[e] >> 4 << e / 32);
            row[48 + e / 64 * 32 + e % 32] |= (uint8_t)((f.q[e] & 15) << e % 64 / 32 * 4);
        }
    }
    return true;
}

bool convert__pack_q6_k(uint8_t *row, const float *in, int64_t n, int64_t *bad)
{
    static const convert__groups groups = {16, 16, -32, 31, -128, 127, false};
    convert__fit f;
    for (int64_t at = 0; at < n; at += BLOCK, row += 210) {
        if (!fit(&f, in, at, &groups, bad))
            return false;
        memset(row, 0, 210);
        for (int e = 0; e < BLOCK; e++) {
            int q = f.q[e] + 32;
            int i = e / 32;
            row[64 * (i / 4) + 32 * (i % 2) + e % 32] |= (uint8_t)((q & 15) << 4 * (i % 4 / 2));
            row[128 + 32 * (i / 4) + e % 32] |= (uint8_t)(q >> 4 << 2 * (i % 4));
        }
        for (int k = 0; k < 16; k++)
            row[192 + k] = (uint8_t)(int8_t)f.scale[k];
        store_u16(row + 208, eai_f16_from_f32(f.d));
    }
    return true;
}
