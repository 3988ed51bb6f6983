/* Quantized types as bytes: one routine a type that yields the codes of 32 consecutive elements and
 * one that yields their scales; int8.h says what they mean. `at` is as in unpack.inc.c, which has
 * the bits and scales of blocks of 256.
 *
 * Scales of PLANAR types are scales_NAME(p, planes).
 *
 * To add a type: codes_NAME and scales_NAME here, and a row in CPU_INT8_FORMATS. Included by
 * int8.inc.c. */

/* d, an f16 at p, or d and m; there are four bytes at least. */
CPU_INLINE scales load_scales(const uint8_t *p, const bool has_m)
{
#if defined(__F16C__)
    int both;
    memcpy(&both, p, sizeof(both));
    __m128 x = _mm_cvtph_ps(_mm_cvtsi32_si128(both));
    float d = _mm_cvtss_f32(x);
    float m = has_m ? _mm_cvtss_f32(_mm_movehdup_ps(x)) : 0;
#else
    float d = load_f16(p);
    float m = has_m ? load_f16(p + 2) : 0;
#endif
    return (scales){{d, d}, {m, m}};
}

CPU_INLINE b32 codes_q8_0(const uint8_t *p, unsigned at)
{
    (void)at;
    return take_bits(p + 2, 0, 255);
}

CPU_INLINE scales scales_q8_0(const uint8_t *p, unsigned at)
{
    (void)at;
    return load_scales(p, false);
}

/* Low halves of 16 bytes, then high halves. */
CPU_INLINE b32 codes_of_nibbles(const uint8_t *p)
{
    b32 x;
#if BYTES_WIDTH == 16
    memcpy(&x.part[0], p, 16);
    x.part[1] = (bytes8)((bytes16)x.part[0] >> 4) & 15;
    x.part[0] &= 15;
#elif defined(__AVX2__)
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(low), _mm_srli_epi16(low, 4), 1);
    x.part[0] = (bytes8)both & 15;
#else
    for (int i = 0; i < 16; i++) {
        x.part[0][i] = p[i] & 15;
        x.part[0][i + 16] = p[i] >> 4;
    }
#endif
    return x;
}

CPU_INLINE b32 codes_q4_0(const uint8_t *p, unsigned at)
{
    (void)at;
    return codes_of_nibbles(p + 2);
}

CPU_INLINE scales scales_q4_0(const uint8_t *p, unsigned at)
{
    (void)at;
    return load_scales(p, false);
}

CPU_INLINE b32 codes_q4_1(const uint8_t *p, unsigned at)
{
    (void)at;
    return codes_of_nibbles(p + 4);
}

CPU_INLINE scales scales_q4_1(const uint8_t *p, unsigned at)
{
    (void)at;
    return load_scales(p, true);
}

/* 16 in each byte whose bit is set. */
CPU_INLINE b32 fifth_bits(const uint8_t *p)
{
    b32 x;
#if defined(__AVX512VL__) && defined(__AVX512BW__)
    uint32_t word;
    memcpy(&word, p, sizeof(word));
    x.part[0] = (bytes8)_mm256_maskz_set1_epi8(word, 16);
#else
    typedef uint64_t words __attribute__((vector_size(BYTES_WIDTH)));
    for (int i = 0; i < N_BYTES; i++) {
        words spread;
        for (int j = 0; j < BYTES_WIDTH / 8; j++)
            spread[j] = 0x0101010101010101u * p[i * BYTES_WIDTH / 8 + j];
        bytes8 bit = (bytes8)(spread & 0x8040201008040201u);
        x.part[i] = (bytes8)(bit != 0) & 16;
    }
#endif
    return x;
}

CPU_INLINE b32 codes_of_fives(const uint8_t *nibbles, const uint8_t *high)
{
    b32 x = codes_of_nibbles(nibbles);
    b32 fifth = fifth_bits(high);
    for (int i = 0; i < N_BYTES; i++)
        x.part[i] |= fifth.part[i];
    return x;
}

CPU_INLINE b32 codes_q5_0(const uint8_t *p, unsigned at)
{
    (void)at;
    return codes_of_fives(p + 6, p + 2);
}

CPU_INLINE scales scales_q5_0(const uint8_t *p, unsigned at)
{
    (void)at;
    return load_scales(p, false);
}

CPU_INLINE b32 codes_q5_1(const uint8_t *p, unsigned at)
{
    (void)at;
    return codes_of_fives(p + 8, p + 4);
}

CPU_INLINE scales scales_q5_1(const uint8_t *p, unsigned at)
{
    (void)at;
    return load_scales(p, true);
}

/* Nibbles as the levels that they are numbers of, plus `more`. */
CPU_INLINE b32 codes_of_levels(const uint8_t *p, const int8_t *levels, uint8_t more)
{
    b32 x = look_up(codes_of_nibbles(p), levels);
    for (int i = 0; i < N_BYTES; i++)
        x.part[i] += more;
    return x;
}

CPU_INLINE b32 codes_iq4_nl(const uint8_t *p, unsigned at)
{
    (void)at;
    return codes_of_levels(p + 2, levels_iq4_nl, 0);
}

CPU_INLINE scales scales_iq4_nl(const uint8_t *p, unsigned at)
{
    (void)at;
    return load_scales(p, false);
}

CPU_INLINE b32 codes_mxfp4(const uint8_t *p, unsigned at)
{
    (void)at;
    return codes_of_levels(p + 1, levels_mxfp4, 12);
}

CPU_INLINE scales scales_mxfp4(const uint8_t *p, unsigned at)
{
    (void)at;
    float d = load_e8(p);
    return (scales){{d, d}, {0, 0}};
}

CPU_INLINE b32 codes_q3_k(const uint8_t *p, unsigned at)
{
    return bits_q3_k(p, at, 0);
}

CPU_INLINE scales scales_q5_k(const uint8_t *p, unsigned at)
{
    return scales_q4_k(p, at);
}

CPU_INLINE b32 codes_q6_k(const uint8_t *p, unsigned at)
{
    return bits_q6_k(p, at, 0);
}

#define DEFINE_AFFINE(bits)                                                                        \
    CPU_INLINE b32 codes_mlx_q##bits(const uint8_t *p, unsigned at)                                \
    {                                                                                              \
        (void)at;                                                                                  \
        return codes_in_row(p, bits);                                                              \
    }                                                                                              \
    CPU_INLINE scales scales_mlx_q##bits(const uint8_t *p, const eai_planes *planes)               \
    {                                                                                              \
        return scales_affine(p, planes, bits);                                                     \
    }
DEFINE_AFFINE(2)
DEFINE_AFFINE(3)
DEFINE_AFFINE(4)
DEFINE_AFFINE(5)
DEFINE_AFFINE(6)
#undef DEFINE_AFFINE

/* Less 128, which m has more. */
CPU_INLINE b32 codes_mlx_q8(const uint8_t *p, unsigned at)
{
    (void)at;
    b32 x = take_bits(p, 0, 255);
    for (int i = 0; i < N_BYTES; i++)
        x.part[i] ^= 128;
    return x;
}

CPU_INLINE scales scales_mlx_q8(const uint8_t *p, const eai_planes *planes)
{
    scales s = scales_affine(p, planes, 8);
    s.m[0] = s.m[1] = s.m[0] + 128 * s.d[0];
    return s;
}

CPU_INLINE b32 codes_mlx_mxfp4(const uint8_t *p, unsigned at)
{
    (void)at;
    b32 x = look_up(codes_in_row(p, 4), levels_mxfp4);
    for (int i = 0; i < N_BYTES; i++)
        x.part[i] += 12;
    return x;
}

CPU_INLINE b32 codes_mlx_nvfp4(const uint8_t *p, unsigned at)
{
    return codes_mlx_mxfp4(p, at);
}

#define SCALES_PLAIN(name, p, at, planes)  ((void)(planes), scales_##name(p, at))
#define SCALES_PLANAR(name, p, at, planes) scales_##name(p, planes)
