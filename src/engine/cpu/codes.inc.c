/* Quantized types as bytes: one routine a type that yields the codes of 32 consecutive elements and
 * one that yields their scales; int8.h says what they mean. `at` is as in unpack.inc.c, of which
 * this is made.
 *
 * To add a type: codes_NAME and scales_NAME here, and a row in CPU_INT8_FORMATS. Included by
 * int8.inc.c. */

/* Of the first and the last 16 elements; both are the same where a group is 32. */
typedef struct scales {
    float d[2], m[2];
} scales;

CPU_INLINE scales same_scales(float d, float m)
{
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
    return same_scales(load_f16(p), 0);
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
    return same_scales(load_f16(p), 0);
}

CPU_INLINE b32 codes_q4_1(const uint8_t *p, unsigned at)
{
    (void)at;
    return codes_of_nibbles(p + 4);
}

CPU_INLINE scales scales_q4_1(const uint8_t *p, unsigned at)
{
    (void)at;
    return same_scales(load_f16(p), load_f16(p + 2));
}
