/* Storage formats: one routine a format that yields 32 consecutive elements, in registers.
 *
 * load32_NAME(p, at) is elements 32 * at .. 32 * at + 31 of the block that begins at p. A block is
 * as in dtype.h, but at least 32 elements: `at` is 0 but for the blocks of 256. Of PLANAR types it
 * is load32_NAME(p, planes).
 * Everything that reads a format (rows of tables, panels in both orientations, one-row products) is
 * made of it.
 *
 * To add a format: its row in dtype.h, a load32_NAME here and a row in CPU_FORMATS. Included by
 * gemm.inc.c. */

#include <stdbool.h>

#include <efficientai/convert.h>

#if defined(__F16C__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define N_PARTS (32 / V)
typedef struct v32 {
    vf part[N_PARTS];
} v32;

/* How often 32 elements, and how many bytes, a block has. */
enum {
#define CPU_SIZES(id, name, block, bytes, st, kind)                                                \
    PARTS_##id = (block) > 32 ? (block) / 32 : 1,                                                  \
    BYTES_##id = (block) > 32 ? (bytes) : 32 / (block) * (bytes),
    EAI_DTYPE_TABLE(CPU_SIZES)
#undef CPU_SIZES
};

typedef uint8_t vb __attribute__((vector_size(V)));
typedef int8_t vc __attribute__((vector_size(V)));
typedef uint16_t vh __attribute__((vector_size(2 * V)));

/* V bytes, or V 16-bit words, widened to 32 bits. gcc 12 takes __builtin_convertvector of such
 * short vectors apart element by element, so x86 and ARM say it with intrinsics. */
#if V == 8 && defined(__AVX2__)
CPU_INLINE vi widen_u8(const uint8_t *p)
{
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
CPU_INLINE vi widen_i8(const uint8_t *p)
{
    return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
CPU_INLINE vu widen_u16(const uint8_t *p)
{
    return (vu)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
#elif V == 16 && defined(__AVX512F__)
CPU_INLINE vi widen_u8(const uint8_t *p)
{
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
CPU_INLINE vi widen_i8(const uint8_t *p)
{
    return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
CPU_INLINE vu widen_u16(const uint8_t *p)
{
    return (vu)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
#elif V == 4 && defined(__aarch64__)
/* 16 signed bytes as floats. */
CPU_INLINE void widen_i8x16(vf out[4], int8x16_t x)
{
    int16x8_t low = vmovl_s8(vget_low_s8(x));
    int16x8_t high = vmovl_high_s8(x);
    out[0] = (vf)vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
    out[1] = (vf)vcvtq_f32_s32(vmovl_high_s16(low));
    out[2] = (vf)vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
    out[3] = (vf)vcvtq_f32_s32(vmovl_high_s16(high));
}
CPU_INLINE vi widen_u8(const uint8_t *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof(four));
    return (vi)vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four))));
}
CPU_INLINE vu widen_u16(const uint8_t *p)
{
    uint64_t h;
    memcpy(&h, p, sizeof(h));
    return (vu)vmovl_u16(vcreate_u16(h));
}
#else
CPU_INLINE vi widen_u8(const uint8_t *p)
{
    vb b;
    memcpy(&b, p, sizeof(b));
    return __builtin_convertvector(b, vi);
}
CPU_INLINE vi widen_i8(const uint8_t *p)
{
    vc b;
    memcpy(&b, p, sizeof(b));
    return __builtin_convertvector(b, vi);
}
CPU_INLINE vu widen_u16(const uint8_t *p)
{
    vh h;
    memcpy(&h, p, sizeof(h));
    return __builtin_convertvector(h, vu);
}
#endif

CPU_INLINE float load_f16(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof(h));
#if defined(__F16C__)
    return _cvtsh_ss(h);
#elif defined(__aarch64__)
    return vgetq_lane_f32(vcvt_f32_f16(vcreate_f16(h)), 0);
#else
    return eai_f16_to_f32(h);
#endif
}

CPU_INLINE vf widen_f16(const uint8_t *p)
{
#if V == 8 && defined(__F16C__)
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
#elif V == 16 && defined(__AVX512F__)
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
#elif V == 4 && defined(__aarch64__)
    uint64_t h;
    memcpy(&h, p, sizeof(h));
    return (vf)vcvt_f32_f16(vcreate_f16(h));
#else
    /* Shifted into place the exponent is 112 too small, which a product corrects (subnormals as
     * well); infinity and NaN keep the largest exponent. */
    vu bits = widen_u16(p);
    vu magnitude = (bits & 0x7fffu) << 13;
    vf x = (vf)magnitude * 0x1p112f;
    vu special = (vu)(magnitude >= (0x7c00u << 13)) & 0x7f800000u;
    return (vf)((vu)x | special | ((bits & 0x8000u) << 16));
#endif
}

CPU_INLINE v32 load32_f32(const uint8_t *p, unsigned at)
{
    (void)at;
    v32 x;
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] = vf_load(p + 4 * V * i);
    return x;
}

CPU_INLINE v32 load32_bf16(const uint8_t *p, unsigned at)
{
    (void)at;
    v32 x;
    for (int i = 0; i < N_PARTS; i++) {
        x.part[i] = (vf)(widen_u16(p + 2 * V * i) << 16);
    }
    return x;
}

CPU_INLINE v32 load32_f16(const uint8_t *p, unsigned at)
{
    (void)at;
    v32 x;
    for (int i = 0; i < N_PARTS; i++) {
        x.part[i] = widen_f16(p + 2 * V * i);
    }
    return x;
}

/* 32 signed bytes as floats. */
CPU_INLINE v32 load_i8(const uint8_t *p)
{
    v32 x;
#if V == 4 && defined(__aarch64__)
    for (int i = 0; i < 2; i++) {
        int8x16_t bytes;
        memcpy(&bytes, p + 16 * i, sizeof(bytes));
        widen_i8x16(x.part + 4 * i, bytes);
    }
#else
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] = __builtin_convertvector(widen_i8(p + V * i), vf);
#endif
    return x;
}

CPU_INLINE v32 load32_q8_0(const uint8_t *p, unsigned at)
{
    (void)at;
    v32 x = load_i8(p + 2);
    float d = load_f16(p);
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] *= d;
    return x;
}

/* 32 nibbles as floats: low halves are elements 0 .. 15, high halves 16 .. 31. */
CPU_INLINE v32 load_nibbles(const uint8_t *p)
{
    v32 x;
#if V == 4 && defined(__aarch64__)
    uint8x16_t b = vld1q_u8(p);
    widen_i8x16(x.part, (int8x16_t)vandq_u8(b, vdupq_n_u8(15)));
    widen_i8x16(x.part + 4, (int8x16_t)vshrq_n_u8(b, 4));
#else
    for (int i = 0; i < N_PARTS / 2; i++) {
        vi wide = widen_u8(p + V * i);
        x.part[i] = __builtin_convertvector(wide & 15, vf);
        x.part[i + N_PARTS / 2] = __builtin_convertvector(wide >> 4, vf);
    }
#endif
    return x;
}

CPU_INLINE v32 load32_q4_0(const uint8_t *p, unsigned at)
{
    (void)at;
    v32 x = load_nibbles(p + 2);
    float d = load_f16(p);
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] = (x.part[i] - 8.0f) * d;
    return x;
}

CPU_INLINE v32 load32_q4_1(const uint8_t *p, unsigned at)
{
    (void)at;
    v32 x = load_nibbles(p + 4);
    float d = load_f16(p);
    float m = load_f16(p + 2);
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] = x.part[i] * d + m;
    return x;
}

/* 32 numbers of five bits, less 16 where `centred`: nibbles and fifth bits, of which lane l of part
 * i has bit V * i + l. */
CPU_INLINE v32 load_fives(const uint8_t *nibbles, const uint8_t *high, const bool centred)
{
    static const uint32_t bits[32] = {
        0x1,       0x2,       0x4,       0x8,       0x10,       0x20,       0x40,       0x80,
        0x100,     0x200,     0x400,     0x800,     0x1000,     0x2000,     0x4000,     0x8000,
        0x10000,   0x20000,   0x40000,   0x80000,   0x100000,   0x200000,   0x400000,   0x800000,
        0x1000000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80000000};
    v32 x = load_nibbles(nibbles);
    uint32_t word;
    memcpy(&word, high, sizeof(word));
    for (int i = 0; i < N_PARTS; i++) {
        vu mask;
        memcpy(&mask, bits + V * i, sizeof(mask));
        if (centred)
            x.part[i] -= (vf)((vu)((mask & word) == 0) & 0x41800000u); /* 16.0f */
        else
            x.part[i] += (vf)((vu)((mask & word) == mask) & 0x41800000u);
    }
    return x;
}

CPU_INLINE v32 load32_q5_0(const uint8_t *p, unsigned at)
{
    (void)at;
    v32 x = load_fives(p + 6, p + 2, true);
    float d = load_f16(p);
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] *= d;
    return x;
}

CPU_INLINE v32 load32_q5_1(const uint8_t *p, unsigned at)
{
    (void)at;
    v32 x = load_fives(p + 8, p + 4, false);
    float d = load_f16(p);
    float m = load_f16(p + 2);
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] = x.part[i] * d + m;
    return x;
}

/* 32 nibbles as the levels that they are numbers of, times d. */
CPU_INLINE v32 load_levels(const uint8_t *p, const int8_t *levels, float d)
{
    v32 x;
#if V == 8 && defined(__AVX2__)
    __m128i table = _mm_loadu_si128((const __m128i *)(const void *)levels);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i low = _mm_shuffle_epi8(table, _mm_and_si128(b, _mm_set1_epi8(15)));
    __m128i high = _mm_shuffle_epi8(table, _mm_and_si128(_mm_srli_epi16(b, 4), _mm_set1_epi8(15)));
    x.part[0] = (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low));
    x.part[1] = (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(low, 8)));
    x.part[2] = (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high));
    x.part[3] = (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(high, 8)));
#elif V == 16 && defined(__AVX512F__)
    __m512 table = (__m512) __builtin_convertvector(widen_i8((const uint8_t *)levels), vf);
    __m512i b = (__m512i)widen_u8(p);
    x.part[0] = (vf)_mm512_permutexvar_ps(b, table); /* of which it takes the low 4 bits */
    x.part[1] = (vf)_mm512_permutexvar_ps(_mm512_srli_epi32(b, 4), table);
#elif V == 4 && defined(__aarch64__)
    uint8x16_t b = vld1q_u8(p);
    int8x16_t table = vld1q_s8(levels);
    widen_i8x16(x.part, vqtbl1q_s8(table, vandq_u8(b, vdupq_n_u8(15))));
    widen_i8x16(x.part + 4, vqtbl1q_s8(table, vshrq_n_u8(b, 4)));
#else
    float lanes[32];
    for (int j = 0; j < 16; j++) {
        lanes[j] = levels[p[j] & 15];
        lanes[j + 16] = levels[p[j] >> 4];
    }
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] = vf_load(lanes + V * i);
#endif
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] *= d;
    return x;
}

static const int8_t levels_iq4_nl[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};
/* Twice those of E2M1. */
static const int8_t levels_mxfp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

CPU_INLINE v32 load32_iq4_nl(const uint8_t *p, unsigned at)
{
    (void)at;
    return load_levels(p + 2, levels_iq4_nl, load_f16(p));
}

/* Half of 2^(e - 127). */
CPU_INLINE float load_e8(const uint8_t *p)
{
    uint32_t e = p[0];
    uint32_t subnormal = 0x00200000u << (e & 1);
    uint32_t normal = (e - 1) << 23;
    return eai_f32_from_bits(e < 2 ? subnormal : normal);
}

CPU_INLINE v32 load32_mxfp4(const uint8_t *p, unsigned at)
{
    (void)at;
    return load_levels(p + 1, levels_mxfp4, load_e8(p));
}

/* ---- Blocks of 256, see graph/convert_k.c
 * ------------------------------------------------------------------ */

/* 32 bytes; they are combined before they are widened. */
#define BYTES_WIDTH (V == 4 ? 16 : 32)
#define N_BYTES     (32 / BYTES_WIDTH)
typedef uint8_t bytes8 __attribute__((vector_size(BYTES_WIDTH)));
typedef uint16_t bytes16 __attribute__((vector_size(BYTES_WIDTH)));
typedef struct b32 {
    bytes8 part[N_BYTES];
} b32;

/* byte >> shift & mask. No shift of bytes exists; what comes from the neighbour is masked away. */
CPU_INLINE b32 take_bits(const uint8_t *p, unsigned shift, uint8_t mask)
{
    b32 x;
    for (int i = 0; i < N_BYTES; i++) {
        memcpy(&x.part[i], p + BYTES_WIDTH * i, BYTES_WIDTH);
        x.part[i] = (bytes8)((bytes16)x.part[i] >> shift) & mask;
    }
    return x;
}

/* (low | high << shift) - less; nothing is shifted out of a byte. */
CPU_INLINE b32 join_bits(b32 low, b32 high, int shift, uint8_t less)
{
    for (int i = 0; i < N_BYTES; i++)
        low.part[i] = (low.part[i] | (bytes8)((bytes16)high.part[i] << shift)) - less;
    return low;
}

CPU_INLINE v32 widen_b32(b32 x)
{
    uint8_t bytes[32];
    for (int i = 0; i < N_BYTES; i++)
        memcpy(bytes + BYTES_WIDTH * i, &x.part[i], BYTES_WIDTH);
    return load_i8(bytes);
}

/* x = d * q + m, of the first and the last 16 elements; both are the same where a group is 32. */
typedef struct scales {
    float d[2], m[2];
} scales;

CPU_INLINE v32 scale_halves(v32 x, scales s)
{
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] = x.part[i] * s.d[i * V / 16] + s.m[i * V / 16];
    return x;
}

/* Each of the k-quants is its numbers q, less a constant where they are centred, and its scales;
 * products in 8 bits are made of the same (codes.inc.c). */
CPU_INLINE b32 codes_q2_k(const uint8_t *p, unsigned at)
{
    return take_bits(p + 16 + 32 * (at / 4), 2 * (at % 4), 3);
}

CPU_INLINE scales scales_q2_k(const uint8_t *p, unsigned at)
{
    float d = load_f16(p + 80);
    float dmin = load_f16(p + 82);
    int s0 = p[2 * at];
    int s1 = p[2 * at + 1];
    return (scales){{d * (float)(s0 & 15), d * (float)(s1 & 15)},
                    {-(dmin * (float)(s0 >> 4)), -(dmin * (float)(s1 >> 4))}};
}

CPU_INLINE v32 load32_q2_k(const uint8_t *p, unsigned at)
{
    return scale_halves(widen_b32(codes_q2_k(p, at)), scales_q2_k(p, at));
}

/* Scale k of q3_K, whose 12 bytes begin at p. */
CPU_INLINE float scale_q3_k(const uint8_t *p, unsigned k)
{
    int low = p[k % 8] >> 4 * (k / 8) & 15;
    int high = p[8 + k % 4] >> 2 * (k / 4) & 3;
    return (float)((low | high << 4) - 32);
}

CPU_INLINE b32 bits_q3_k(const uint8_t *p, unsigned at, uint8_t less)
{
    const uint8_t *two = p + 32 + 32 * (at / 4);
    return join_bits(take_bits(two, 2 * (at % 4), 3), take_bits(p, at, 1), 2, less);
}

CPU_INLINE scales scales_q3_k(const uint8_t *p, unsigned at)
{
    float d = load_f16(p + 108);
    return (scales){{d * scale_q3_k(p + 96, 2 * at), d * scale_q3_k(p + 96, 2 * at + 1)}, {0, 0}};
}

CPU_INLINE v32 load32_q3_k(const uint8_t *p, unsigned at)
{
    scales s = scales_q3_k(p, at);
    v32 x = widen_b32(bits_q3_k(p, at, 4));
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] *= s.d[i * V / 16];
    return x;
}

/* Scale and minimum of part `at` of q4_K and q5_K, whose 12 bytes begin at p. */
CPU_INLINE void scale_q4_k(int *s, int *m, const uint8_t *p, unsigned at)
{
    const uint8_t *q = p + at % 4;
    bool last = at > 3;
    *s = last ? (q[8] & 15) | q[0] >> 6 << 4 : q[0] & 63;
    *m = last ? q[8] >> 4 | q[4] >> 6 << 4 : q[4] & 63;
}

CPU_INLINE scales scales_q4_k(const uint8_t *p, unsigned at)
{
    int s;
    int m;
    scale_q4_k(&s, &m, p + 4, at);
    float d = load_f16(p) * (float)s;
    float low = -(load_f16(p + 2) * (float)m);
    return (scales){{d, d}, {low, low}};
}

CPU_INLINE b32 codes_q4_k(const uint8_t *p, unsigned at)
{
    return take_bits(p + 16 + 32 * (at / 2), 4 * (at % 2), 15);
}

CPU_INLINE v32 load32_q4_k(const uint8_t *p, unsigned at)
{
    return scale_halves(widen_b32(codes_q4_k(p, at)), scales_q4_k(p, at));
}

CPU_INLINE b32 codes_q5_k(const uint8_t *p, unsigned at)
{
    const uint8_t *nibbles = p + 48 + 32 * (at / 2);
    return join_bits(take_bits(nibbles, 4 * (at % 2), 15), take_bits(p + 16, at, 1), 4, 0);
}

CPU_INLINE v32 load32_q5_k(const uint8_t *p, unsigned at)
{
    return scale_halves(widen_b32(codes_q5_k(p, at)), scales_q4_k(p, at));
}

CPU_INLINE b32 bits_q6_k(const uint8_t *p, unsigned at, uint8_t less)
{
    const uint8_t *nibbles = p + 64 * (at / 4) + 32 * (at % 2);
    const uint8_t *two = p + 128 + 32 * (at / 4);
    b32 low = take_bits(nibbles, 4 * (at % 4 / 2), 15);
    return join_bits(low, take_bits(two, 2 * (at % 4), 3), 4, less);
}

CPU_INLINE scales scales_q6_k(const uint8_t *p, unsigned at)
{
    const int8_t *s = (const int8_t *)p + 192 + 2 * at;
    float d = load_f16(p + 208);
    return (scales){{d * (float)s[0], d * (float)s[1]}, {0, 0}};
}

CPU_INLINE v32 load32_q6_k(const uint8_t *p, unsigned at)
{
    scales s = scales_q6_k(p, at);
    v32 x = widen_b32(bits_q6_k(p, at, 32));
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] *= s.d[i * V / 16];
    return x;
}

/* ---- MLX's types: codes here, scales elsewhere
 * ------------------------------------------------------------------ */

typedef uint64_t words64 __attribute__((vector_size(BYTES_WIDTH)));

/* 32 codes of `bits` each, the first in the lowest bits, as bytes: eight codes are `bits` bytes,
 * which are spread by halves. */
CPU_INLINE b32 codes_in_row(const uint8_t *p, const int bits)
{
    b32 x;
    if (bits == 8)
        return take_bits(p, 0, 255);
#if defined(__AVX2__) && BYTES_WIDTH == 32
    if (bits == 4) {
        __m256i pairs = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
        x.part[0] = (bytes8)_mm256_or_si256(pairs, _mm256_slli_epi16(pairs, 4)) & 15;
        return x;
    }
#endif
    for (int i = 0; i < N_BYTES; i++) {
        words64 w = {0};
        for (int j = 0; j < BYTES_WIDTH / 8; j++) {
            int k = i * BYTES_WIDTH / 8 + j;
            int last = 4 * bits - 8; /* nothing behind the block is read */
            int from = bits * k < last ? bits * k : last;
            uint64_t word;
            memcpy(&word, p + from, sizeof(word));
            w[j] = word >> 8 * (bits * k - from);
        }
        const uint64_t fours = ((uint64_t)1 << 4 * bits) - 1;
        const uint64_t twos = (((uint64_t)1 << 2 * bits) - 1) * 0x100000001;
        const uint64_t ones = (((uint64_t)1 << bits) - 1) * 0x1000100010001;
        w = (w & fours) | (w << (32 - 4 * bits) & fours << 32);
        w = (w & twos) | (w << (16 - 2 * bits) & twos << 16);
        w = (w & ones) | (w << (8 - bits) & ones << 8);
        x.part[i] = (bytes8)w;
    }
    return x;
}

/* Which 32 elements those are whose codes, of so many bytes, begin at p. */
CPU_INLINE size_t find_planar(const uint8_t *p, const eai_planes *planes, const int bytes)
{
    return (size_t)(p - (const uint8_t *)planes->codes) / (size_t)bytes;
}

CPU_INLINE float load_plane(const void *plane, eai_dtype type, size_t i)
{
    const uint8_t *p = plane;
    float x;
    if (type == EAI_BF16) {
        uint16_t h;
        memcpy(&h, p + 2 * i, sizeof(h));
        return eai_bf16_to_f32(h);
    }
    if (type == EAI_F16)
        return load_f16(p + 2 * i);
    memcpy(&x, p + 4 * i, sizeof(x));
    return x;
}

/* x = d * code + m */
CPU_INLINE scales scales_affine(const uint8_t *p, const eai_planes *planes, const int bits)
{
    size_t i = find_planar(p, planes, 4 * bits) >> planes->group / 64; /* 32, 64, 128: 0, 1, 2 */
    float d = load_plane(planes->scales, planes->type, i);
    float m = load_plane(planes->biases, planes->type, i);
    return (scales){{d, d}, {m, m}};
}

CPU_INLINE v32 load_affine(const uint8_t *p, const eai_planes *planes, const int bits)
{
    v32 x;
    b32 codes = codes_in_row(p, bits);
    scales s = scales_affine(p, planes, bits);
    uint8_t bytes[32];
    for (int i = 0; i < N_BYTES; i++)
        memcpy(bytes + BYTES_WIDTH * i, &codes.part[i], BYTES_WIDTH);
    for (int i = 0; i < N_PARTS; i++) {
        vf q = __builtin_convertvector(widen_u8(bytes + V * i), vf);
        x.part[i] = q * s.d[0] + s.m[0];
    }
    return x;
}

#define DEFINE_AFFINE(bits)                                                                        \
    CPU_INLINE v32 load32_mlx_q##bits(const uint8_t *p, const eai_planes *planes)                  \
    {                                                                                              \
        return load_affine(p, planes, bits);                                                       \
    }
DEFINE_AFFINE(2)
DEFINE_AFFINE(3)
DEFINE_AFFINE(4)
DEFINE_AFFINE(5)
DEFINE_AFFINE(6)
DEFINE_AFFINE(8)
#undef DEFINE_AFFINE

/* Four bits are numbers of levels. */
CPU_INLINE b32 look_up(b32 x, const int8_t *levels)
{
#if BYTES_WIDTH == 32 && defined(__AVX2__)
    __m128i once = _mm_loadu_si128((const __m128i *)(const void *)levels);
    __m256i table = _mm256_broadcastsi128_si256(once);
    x.part[0] = (bytes8)_mm256_shuffle_epi8(table, (__m256i)x.part[0]);
#elif BYTES_WIDTH == 16 && defined(__aarch64__)
    for (int i = 0; i < 2; i++)
        x.part[i] = (bytes8)vqtbl1q_s8(vld1q_s8(levels), (uint8x16_t)x.part[i]);
#else
    for (int i = 0; i < 32; i++) {
        uint8_t *code = (uint8_t *)x.part + i;
        *code = (uint8_t)levels[*code];
    }
#endif
    return x;
}

CPU_INLINE scales scales_mlx_mxfp4(const uint8_t *p, const eai_planes *planes)
{
    float d = load_e8((const uint8_t *)planes->scales + find_planar(p, planes, 16));
    return (scales){{d, d}, {0, 0}};
}

/* An E4M3: its exponent in place is 120 too small, which a product corrects (subnormals as well).
 */
CPU_INLINE float load_e4m3(const uint8_t *p)
{
    uint32_t bits = p[0];
    uint32_t special = (bits & 127) == 127 ? 0x7fc00000u : 0;
    float x = eai_f32_from_bits((bits & 127) << 20) * 0x1p120f;
    return eai_f32_from_bits(eai_f32_bits(x) | special | (bits & 128) << 24);
}

/* Half of the scales: levels are doubled. */
CPU_INLINE scales scales_mlx_nvfp4(const uint8_t *p, const eai_planes *planes)
{
    const uint8_t *s = (const uint8_t *)planes->scales + 2 * find_planar(p, planes, 16);
    return (scales){{0.5f * load_e4m3(s), 0.5f * load_e4m3(s + 1)}, {0, 0}};
}

CPU_INLINE v32 load32_mlx_mxfp4(const uint8_t *p, const eai_planes *planes)
{
    v32 x = widen_b32(look_up(codes_in_row(p, 4), levels_mxfp4));
    return scale_halves(x, scales_mlx_mxfp4(p, planes));
}

CPU_INLINE v32 load32_mlx_nvfp4(const uint8_t *p, const eai_planes *planes)
{
    v32 x = widen_b32(look_up(codes_in_row(p, 4), levels_mxfp4));
    return scale_halves(x, scales_mlx_nvfp4(p, planes));
}

CPU_INLINE v32 load32_mlx_mxfp8(const uint8_t *p, const eai_planes *planes)
{
    v32 x;
    float d = 2 * load_e8((const uint8_t *)planes->scales + find_planar(p, planes, 32));
    for (int i = 0; i < N_PARTS; i++) {
        vu bits = (vu)widen_u8(p + V * i);
        vf magnitude = (vf)((bits & 127) << 20) * 0x1p120f * d;
        vu special = (vu)((bits & 127) == 127) & 0x7fc00000u;
        x.part[i] = (vf)((vu)magnitude | special | (bits & 128) << 24);
    }
    return x;
}

/* How the rows of CPU_FORMATS are read, whose types are PLAIN or PLANAR. */
#define LOAD_PLAIN(name, p, at, planes)  ((void)(planes), load32_##name(p, at))
#define LOAD_PLANAR(name, p, at, planes) ((void)(at), load32_##name(p, planes))
#define IS_PLANAR_PLAIN                  false
#define IS_PLANAR_PLANAR                 true

/*      enum       routine    kind */
#define CPU_FORMATS(X)                                                                             \
    X(F32, f32, PLAIN)                                                                             \
    X(BF16, bf16, PLAIN)                                                                           \
    X(F16, f16, PLAIN)                                                                             \
    X(Q8_0, q8_0, PLAIN)                                                                           \
    X(Q4_0, q4_0, PLAIN)                                                                           \
    X(Q4_1, q4_1, PLAIN)                                                                           \
    X(Q5_0, q5_0, PLAIN)                                                                           \
    X(Q5_1, q5_1, PLAIN)                                                                           \
    X(IQ4_NL, iq4_nl, PLAIN)                                                                       \
    X(MXFP4, mxfp4, PLAIN)                                                                         \
    X(Q2_K, q2_k, PLAIN)                                                                           \
    X(Q3_K, q3_k, PLAIN)                                                                           \
    X(Q4_K, q4_k, PLAIN)                                                                           \
    X(Q5_K, q5_k, PLAIN)                                                                           \
    X(Q6_K, q6_k, PLAIN)                                                                           \
    X(MLX_Q2, mlx_q2, PLANAR)                                                                      \
    X(MLX_Q3, mlx_q3, PLANAR)                                                                      \
    X(MLX_Q4, mlx_q4, PLANAR)                                                                      \
    X(MLX_Q5, mlx_q5, PLANAR)                                                                      \
    X(MLX_Q6, mlx_q6, PLANAR)                                                                      \
    X(MLX_Q8, mlx_q8, PLANAR)                                                                      \
    X(MLX_MXFP4, mlx_mxfp4, PLANAR)                                                                \
    X(MLX_MXFP8, mlx_mxfp8, PLANAR)                                                                \
    X(MLX_NVFP4, mlx_nvfp4, PLANAR)
