/* What the files of conversions share: the codecs of the block formats, and small helpers.
 *
 * convert.c has the plain types and the table; convert_blocks.c the blocks of 32 elements;
 * convert_k.c those of 256, whose scales convert_fit.c searches. */
#ifndef EAI_GRAPH_CONVERT_INTERNAL_H
#define EAI_GRAPH_CONVERT_INTERNAL_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <efficientai/convert.h>

/* A fused multiply-add rounds once instead of twice: other bytes at the halves. GCC leaves it off
 * in ISO C mode, clang does not. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

/* Unpackers write n floats. Packers return false for a block (or element) that the type cannot
 * hold, and where it starts. n is a whole number of blocks. */
#define CONVERT_CODEC(name)                                                                        \
    void convert__unpack_##name(float *out, const uint8_t *row, int64_t n);                        \
    bool convert__pack_##name(uint8_t *row, const float *in, int64_t n, int64_t *bad)

CONVERT_CODEC(q8_0);
CONVERT_CODEC(q4_0);
CONVERT_CODEC(q4_1);
CONVERT_CODEC(q5_0);
CONVERT_CODEC(q5_1);
CONVERT_CODEC(iq4_nl);
CONVERT_CODEC(mxfp4);
CONVERT_CODEC(q2_k);
CONVERT_CODEC(q3_k);
CONVERT_CODEC(q4_k);
CONVERT_CODEC(q5_k);
CONVERT_CODEC(q6_k);
#undef CONVERT_CODEC

static inline uint16_t load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline void store_u16(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, sizeof(v));
}

static inline float load_f16(const uint8_t *p)
{
    return eai_f16_to_f32(load_u16(p));
}

static inline bool fits_f16(float x)
{
    return fabsf(x) < 65520.0f; /* false for NaN */
}

/* The first element that is NaN or infinite, or else of the largest magnitude. */
static inline int find_largest(const float *x, int n)
{
    int at = 0;
    for (int j = 0; j < n; j++) {
        if (!isfinite(x[j]))
            return j;
        if (fabsf(x[j]) > fabsf(x[at]))
            at = j;
    }
    return at;
}

/* Code i of a row of `bits` bits each, the first in the lowest bits; the words were zero. */
static inline void convert__put_code(uint32_t *codes, int64_t i, int bits, uint32_t q)
{
    int64_t at = i * bits;
    int shift = (int)(at % 32);
    codes[at / 32] |= q << shift;
    if (shift + bits > 32)
        codes[at / 32 + 1] |= q >> (32 - shift);
}

/* Scale and minimum of part k of a block of q4_K or q5_K, from its 12 bytes of them (convert_k.c).
 */
void convert__load_scale8(int *s, int *m, const uint8_t *p, int k);

/* eai_unpack_row of PLANAR types (mlx_quant.c). */
void convert__unpack_planar(float *out, eai_dtype t, const void *row, const eai_planes *planes,
                            int64_t n);

/* --- convert_fit.c --- */

/* A block of 256 elements as 16 or 8 groups of equal size, each x = d * scale * q - dmin * min. */
typedef struct convert__groups {
    int n;         /* groups */
    int size;      /* elements a group */
    int low, high; /* of q */
    int scale_low; /* of the groups' scales; minima are 0 .. scale_high */
    int scale_high;
    bool minima; /* or all zero: q is signed instead */
} convert__groups;

typedef struct convert__fit {
    float d, dmin; /* f16 values */
    int scale[16], min[16];
    int q[256];
} convert__fit;

/* Chooses everything for 256 finite elements. d and dmin may be too large for f16 (infinite). */
void convert__fit_groups(convert__fit *out, const float *x, const convert__groups *g);

/* The levels of iq4_nl, and the scale for 32 finite elements that are to be such levels times it.
 */
extern const int8_t convert__iq4_nl_levels[16];
int convert__nearest_level(double v);
float convert__fit_levels(const float *x);

#endif
