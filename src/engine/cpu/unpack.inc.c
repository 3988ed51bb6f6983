/* Storage formats: one routine a format that yields 32 consecutive elements, in registers.
 *
 * load32_NAME(p, at) is elements 32 * at .. 32 * at + 31 of the block that begins at p. A block is
 * as in dtype.h, but at least 32 elements: `at` is 0 but for the blocks of 256.
 * Everything that reads a format (rows of tables, panels in both orientations, one-row products) is
 * made of it.
 *
 * To add a format: its row in dtype.h, a load32_NAME here and a row in CPU_FORMATS. Included by
 * gemm.inc.c. */

#include <efficientai/convert.h>

#if defined(__F16C__)
#include <immintrin.h>
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

/* Steps from 32 elements to the next, (p, at) as load32_NAME takes them. */
#define CPU_NEXT_PART(id, p, at)                                                                   \
    do {                                                                                           \
        (at) = (at) + 1 < PARTS_##id ? (at) + 1 : 0;                                               \
        (p) += (at) == 0 ? BYTES_##id : 0;                                                         \
    } while (0)

typedef uint8_t vb __attribute__((vector_size(V)));
typedef int8_t vc __attribute__((vector_size(V)));
typedef uint16_t vh __attribute__((vector_size(2 * V)));

/* V bytes, or V 16-bit words, widened to 32 bits. gcc 12 takes __builtin_convertvector of such
 * short vectors apart element by element, so x86 says it with intrinsics. */
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

CPU_INLINE v32 load32_f32(const uint8_t *p, int at)
{
    (void)at;
    v32 x;
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] = vf_load(p + 4 * V * i);
    return x;
}

CPU_INLINE v32 load32_bf16(const uint8_t *p, int at)
{
    (void)at;
    v32 x;
    for (int i = 0; i < N_PARTS; i++) {
        x.part[i] = (vf)(widen_u16(p + 2 * V * i) << 16);
    }
    return x;
}

CPU_INLINE v32 load32_f16(const uint8_t *p, int at)
{
    (void)at;
    v32 x;
    for (int i = 0; i < N_PARTS; i++) {
        x.part[i] = widen_f16(p + 2 * V * i);
    }
    return x;
}

CPU_INLINE v32 load32_q8_0(const uint8_t *p, int at)
{
    (void)at;
    v32 x;
    float d = load_f16(p);
    for (int i = 0; i < N_PARTS; i++) {
        x.part[i] = d * __builtin_convertvector(widen_i8(p + 2 + V * i), vf);
    }
    return x;
}

/* 32 nibbles as floats: low halves are elements 0 .. 15, high halves 16 .. 31. */
CPU_INLINE v32 load_nibbles(const uint8_t *p)
{
    v32 x;
    for (int i = 0; i < N_PARTS / 2; i++) {
        vi wide = widen_u8(p + V * i);
        x.part[i] = __builtin_convertvector(wide & 15, vf);
        x.part[i + N_PARTS / 2] = __builtin_convertvector(wide >> 4, vf);
    }
    return x;
}

CPU_INLINE v32 load32_q4_0(const uint8_t *p, int at)
{
    (void)at;
    v32 x = load_nibbles(p + 2);
    float d = load_f16(p);
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] = (x.part[i] - 8.0f) * d;
    return x;
}

CPU_INLINE v32 load32_q4_1(const uint8_t *p, int at)
{
    (void)at;
    v32 x = load_nibbles(p + 4);
    float d = load_f16(p);
    float m = load_f16(p + 2);
    for (int i = 0; i < N_PARTS; i++)
        x.part[i] = x.part[i] * d + m;
    return x;
}

/*      enum  routine */
#define CPU_FORMATS(X)                                                                             \
    X(F32, f32)                                                                                    \
    X(BF16, bf16)                                                                                  \
    X(F16, f16)                                                                                    \
    X(Q8_0, q8_0)                                                                                  \
    X(Q4_0, q4_0)                                                                                  \
    X(Q4_1, q4_1)
