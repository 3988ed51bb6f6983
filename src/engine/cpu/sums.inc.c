/* What products in 8 bits need of the processor, each beside its meaning in plain C: sums of
 * products of bytes, rounding to bytes. Included by int8.inc.c.
 *
 *     sum_bytes   vectors of BYTES_WIDTH bytes (dot products): lane l += sum of four neighbours
 *     sum_tile    vectors as wide as the set's, for tiles: the same, except that with EAI_ISA_I8MM
 *                 a lane is one of 2 x 2 sums over eight neighbours
 *
 * The first operand is codes of weights, the second one of A (-127 .. 127). Tiles choose codes of
 * weights that suit the instruction: -TILE_MOST .. TILE_MOST, plus TILE_ZERO. In dot products,
 * where weights stay as they are stored, codes of most types are 0 .. 63, which every instruction
 * takes. Those of `wide` types are signed bytes: VPDPBUSD    wants its first operand unsigned. The
 * codes are made so by adding 128 (a flipped bit), and the sums start 128 * sum q lower, which
 * costs nothing: they start at such a number anyway. The other way, |w| and the sign moved to A, is
 * two or three instructions for each of A's vectors in the inner loop. VPMADDUBSW  adds pairs in 16
 * bits, which 2 * 255 * 127 would overflow: |w|, and A with the sign of w. 2 * 128 * 127 just fits,
 * and so does 2 * 63 * 127. SDOT, SMMLA, plain C  take signed bytes. */

typedef int32_t dots __attribute__((vector_size(BYTES_WIDTH)));
typedef uint32_t bytes32 __attribute__((vector_size(BYTES_WIDTH)));

#if defined(EAI_ISA_VNNI)
#define WIDE_ZERO 128
#else
#define WIDE_ZERO 0
#endif

#if defined(__AVX2__) && EAI_ISA_WIDTH == 8 && !defined(EAI_ISA_EMULATED)
#define TILE_ZERO 64
#define TILE_MOST 63
#else
#define TILE_ZERO WIDE_ZERO
#define TILE_MOST 127
#endif

#if defined(EAI_ISA_I8MM)
#define VR   2 /* rows of C in a vector of a tile's sums */
#define STEP 8 /* steps of K that a tile's vector holds of a column */
#else
#define VR   1
#define STEP 4
#endif
#define VC (V / VR) /* columns of C in such a vector */

/* Codes as sum_bytes and sum_tile take them. */
CPU_INLINE bytes8 make_operand(bytes8 codes, const bool wide)
{
    return wide && WIDE_ZERO ? codes ^ 0x80 : codes;
}

typedef uint8_t vbytes __attribute__((vector_size(4 * V)));

#if defined(EAI_ISA_VNNI) && !defined(EAI_ISA_EMULATED)

CPU_INLINE dots sum_bytes(dots sums, bytes8 w, bytes8 a, const bool wide)
{
    (void)wide;
    return (dots)_mm256_dpbusd_epi32((__m256i)sums, (__m256i)w, (__m256i)a);
}

CPU_INLINE vi sum_tile(vi sums, vbytes w, vbytes a)
{
    return (vi)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)w, (__m512i)a);
}

#elif defined(__AVX2__) && EAI_ISA_WIDTH == 8

CPU_INLINE dots sum_bytes(dots sums, bytes8 w, bytes8 a, const bool wide)
{
    __m256i x = (__m256i)w;
    __m256i y = (__m256i)a;
    __m256i pairs = wide ? _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(y, x))
                         : _mm256_maddubs_epi16(x, y);
    return sums + (dots)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

CPU_INLINE vi sum_tile(vi sums, vbytes w, vbytes a)
{
    return sum_bytes(sums, w, a, false);
}

#elif defined(__ARM_FEATURE_DOTPROD) && !defined(EAI_ISA_EMULATED)

CPU_INLINE dots sum_bytes(dots sums, bytes8 w, bytes8 a, const bool wide)
{
    (void)wide;
    return (dots)vdotq_s32((int32x4_t)sums, (int8x16_t)w, (int8x16_t)a);
}

CPU_INLINE vi sum_tile(vi sums, vbytes w, vbytes a)
{
#if defined(EAI_ISA_I8MM)
    return (vi)vmmlaq_s32((int32x4_t)sums, (int8x16_t)a, (int8x16_t)w);
#else
    return sum_bytes(sums, w, a, true);
#endif
}

#elif defined(__aarch64__) && !defined(EAI_ISA_EMULATED)

CPU_INLINE dots sum_bytes(dots sums, bytes8 w, bytes8 a, const bool wide)
{
    int8x16_t x = (int8x16_t)w;
    int8x16_t y = (int8x16_t)a;
    int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(y));
    int16x8_t high = vmull_high_s8(x, y);
    (void)wide;
    return sums + (dots)vpaddlq_s16(vpaddq_s16(low, high));
}

CPU_INLINE vi sum_tile(vi sums, vbytes w, vbytes a)
{
    return sum_bytes(sums, w, a, true);
}

#elif !defined(EAI_ISA_EMULATED)

/* Even and odd bytes as 16-bit numbers; a product of each fits in 16 bits with its neighbour's. */
CPU_INLINE dots sum_bytes(dots sums, bytes8 w, bytes8 a, const bool wide)
{
    typedef int16_t words __attribute__((vector_size(BYTES_WIDTH)));
    words even = ((words)((bytes16)w << 8) >> 8) * ((words)((bytes16)a << 8) >> 8);
    words odd = ((words)w >> 8) * ((words)a >> 8);
    dots pairs = (dots)(even + odd);
    (void)wide;
    return sums + (pairs >> 16) + ((dots)((bytes32)pairs << 16) >> 16);
}

CPU_INLINE vi sum_tile(vi sums, vbytes w, vbytes a)
{
    return sum_bytes(sums, w, a, true);
}

#else

static int multiply_bytes(uint8_t w, uint8_t a)
{
    return (WIDE_ZERO ? w : (int8_t)w) * (int8_t)a;
}

/* Not inline: so many copies take the compiler a minute. */
static __attribute__((noinline)) dots sum_bytes(dots sums, bytes8 w, bytes8 a, const bool wide)
{
    (void)wide;
    for (int i = 0; i < BYTES_WIDTH; i++)
        sums[i / 4] += multiply_bytes(w[i], a[i]);
    return sums;
}

static __attribute__((noinline)) vi sum_tile(vi sums, vbytes w, vbytes a)
{
    for (int i = 0; i < V; i++) {
        for (int k = 0; k < STEP; k++)
            sums[i] += multiply_bytes(w[i % VC * STEP + k], a[i / VC * STEP + k]);
    }
    return sums;
}

#endif

/* ---- Products in 16 bits
 * ---------------------------------------------------------------------------- */

/* Where A is in 16 bits ("fine") its bytes are two rows, high and low. On x86 types whose codes
 * become words by one instruction are multiplied by words instead, half as many sums: lane l += sum
 * of two neighbours. (SDOT multiplies four times as many bytes as SMLAL words.) */
enum { WORDS_NONE, WORDS_NIBBLES, WORDS_SIGNED, WORDS_UNSIGNED };
#if defined(__x86_64__)
#define WORDS_KIND(id)                                                                             \
    ((id) == EAI_Q4_0 || (id) == EAI_Q4_1 || (id) == EAI_MLX_Q4 ? WORDS_NIBBLES                    \
     : (id) == EAI_Q8_0                                         ? WORDS_SIGNED                     \
     : (id) == EAI_MLX_Q8                                       ? WORDS_UNSIGNED                   \
                                                                : WORDS_NONE)
#else
#define WORDS_KIND(id) WORDS_NONE
#endif
/* Where the codes begin in a block. */
#define WORDS_AT(id) ((id) == EAI_Q4_1 ? 4 : (id) == EAI_Q4_0 || (id) == EAI_Q8_0 ? 2 : 0)
/* MLX's nibbles are neighbours: even elements come first, and those of A too. */
#define WORDS_EVEN_FIRST(id) ((id) == EAI_MLX_Q4)
/* What the sums start lower by, times the sum of A. */
#define WORDS_ZERO(id, zero) ((id) == EAI_MLX_Q8 ? 128 : (zero))

typedef int16_t words __attribute__((vector_size(BYTES_WIDTH)));
#define N_WORDS (64 / BYTES_WIDTH)
typedef struct w32 {
    words part[N_WORDS];
} w32;

CPU_INLINE dots sum_words(dots sums, words w, words a)
{
#if defined(EAI_ISA_VNNI) && !defined(EAI_ISA_EMULATED)
    return (dots)_mm256_dpwssd_epi32((__m256i)sums, (__m256i)w, (__m256i)a);
#elif defined(__AVX2__) && BYTES_WIDTH == 32
    return sums + (dots)_mm256_madd_epi16((__m256i)w, (__m256i)a);
#elif defined(__SSE2__) && BYTES_WIDTH == 16
    return sums + (dots)_mm_madd_epi16((__m128i)w, (__m128i)a);
#else
    for (int i = 0; i < BYTES_WIDTH / 2; i++)
        sums[i / 2] += w[i] * a[i];
    return sums;
#endif
}

CPU_INLINE words load_words(const uint8_t *p, const bool is_signed)
{
    words x = {0};
#if defined(__AVX2__) && BYTES_WIDTH == 32
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    x = (words)(is_signed ? _mm256_cvtepi8_epi16(bytes) : _mm256_cvtepu8_epi16(bytes));
#else
    for (int i = 0; i < BYTES_WIDTH / 2; i++)
        x[i] = is_signed ? (int16_t)(int8_t)p[i] : (int16_t)p[i];
#endif
    return x;
}

/* 32 codes that begin at p. Of nibbles, low halves of 16 bytes, then high halves. */
CPU_INLINE w32 load_w32(const uint8_t *p, const int kind)
{
    w32 x = {{{0}}};
    const int step = BYTES_WIDTH / 2;
    for (int i = 0; i < N_WORDS && kind != WORDS_NIBBLES; i++)
        x.part[i] = load_words(p + step * i, kind == WORDS_SIGNED);
    for (int i = 0; i < N_WORDS / 2 && kind == WORDS_NIBBLES; i++) {
        words pairs = load_words(p + step * i, false);
        x.part[i] = pairs & 15;
        x.part[i + N_WORDS / 2] = pairs >> 4;
    }
    return x;
}

/* ---- Rounding to bytes
 * ---------------------------------------------------------------------------- */

/* To the nearest integer, ties to even, in every set: all find the same codes. */
CPU_INLINE vi round_lanes(vf x)
{
#if V == 16 && defined(__AVX512F__)
    return (vi)_mm512_cvtps_epi32((__m512)x);
#elif V == 8 && defined(__AVX2__)
    return (vi)_mm256_cvtps_epi32((__m256)x);
#elif V == 4 && defined(__SSE2__)
    return (vi)_mm_cvtps_epi32((__m128)x);
#elif V == 4 && defined(__aarch64__)
    return (vi)vcvtnq_s32_f32((float32x4_t)x);
#else
    vi r = {0};
    for (int i = 0; i < V; i++)
        r[i] = (int32_t)lrintf(x[i]);
    return r;
#endif
}

/* The low byte of each lane. */
CPU_INLINE void store_bytes(uint8_t *out, const vi x[N_PARTS])
{
#if V == 16 && defined(__AVX512F__)
    for (int i = 0; i < N_PARTS; i++)
        _mm_storeu_si128((__m128i *)(void *)(out + V * i), _mm512_cvtepi32_epi8((__m512i)x[i]));
#elif V == 8 && defined(__AVX2__)
    __m256i a = _mm256_packs_epi32((__m256i)x[0], (__m256i)x[1]);
    __m256i b = _mm256_packs_epi32((__m256i)x[2], (__m256i)x[3]);
    __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), order);
    _mm256_storeu_si256((__m256i *)(void *)out, bytes);
#elif V == 4 && defined(__SSE2__)
    for (int i = 0; i < 2; i++) {
        __m128i a = _mm_packs_epi32((__m128i)x[4 * i], (__m128i)x[4 * i + 1]);
        __m128i b = _mm_packs_epi32((__m128i)x[4 * i + 2], (__m128i)x[4 * i + 3]);
        _mm_storeu_si128((__m128i *)(void *)(out + 16 * i), _mm_packs_epi16(a, b));
    }
#elif V == 4 && defined(__aarch64__)
    for (int i = 0; i < 4; i++) {
        int16x4_t a = vmovn_s32((int32x4_t)x[2 * i]);
        int16x4_t b = vmovn_s32((int32x4_t)x[2 * i + 1]);
        vst1_s8((int8_t *)out + 8 * i, vmovn_s16(vcombine_s16(a, b)));
    }
#else
    for (int i = 0; i < 32; i++)
        out[i] = (uint8_t)x[i / V][i % V];
#endif
}

/* The low word of each lane, of which all are -32768 .. 32767. */
CPU_INLINE void store_words(int16_t *out, const vi x[N_PARTS])
{
#if V == 16 && defined(__AVX512F__)
    for (int i = 0; i < N_PARTS; i++)
        _mm256_storeu_si256((__m256i *)(void *)(out + V * i), _mm512_cvtepi32_epi16((__m512i)x[i]));
#elif V == 8 && defined(__AVX2__)
    for (int i = 0; i < N_PARTS; i += 2) {
        __m256i both = _mm256_packs_epi32((__m256i)x[i], (__m256i)x[i + 1]);
        both = _mm256_permute4x64_epi64(both, 0xd8); /* packing is within halves */
        _mm256_storeu_si256((__m256i *)(void *)(out + V * i), both);
    }
#elif V == 4 && defined(__SSE2__)
    for (int i = 0; i < N_PARTS; i += 2)
        _mm_storeu_si128((__m128i *)(void *)(out + V * i),
                         _mm_packs_epi32((__m128i)x[i], (__m128i)x[i + 1]));
#else
    for (int i = 0; i < 32; i++)
        out[i] = (int16_t)x[i / V][i % V];
#endif
}

CPU_INLINE int32_t largest_lane(vi x)
{
#if V == 16 && defined(__AVX512F__)
    return _mm512_reduce_max_epi32((__m512i)x);
#elif V == 4 && defined(__aarch64__)
    return vmaxvq_s32((int32x4_t)x);
#else
    int32_t most = x[0];
    for (int i = 1; i < V; i++)
        most = x[i] > most ? x[i] : most;
    return most;
#endif
}

CPU_INLINE int32_t sum_integers(vi x)
{
#if V == 16 && defined(__AVX512F__)
    return _mm512_reduce_add_epi32((__m512i)x);
#elif V == 4 && defined(__aarch64__)
    return vaddvq_s32((int32x4_t)x);
#else
    int32_t sum = 0;
    for (int i = 0; i < V; i++)
        sum += x[i];
    return sum;
#endif
}
