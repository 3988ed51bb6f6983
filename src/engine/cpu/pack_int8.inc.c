/* Operands of products in 8 bits, of any type: both are rounded to bytes when they are packed, in
 * blocks of KB steps with a scale each, da and db. A block's part of the sum is
 *     da * db * (sum qa * (qb + zero) - zero * sum qa)
 * where the bracket is exact in 32-bit integers. Included by int8.inc.c.
 *
 * The problem: one large number makes the scale of its block coarse for all others, and activations
 * have such numbers. The idea (Ashkboos et al., "QuaRot", 2024): first both operands are rotated,
 * SUB steps of K together, by the same orthogonal matrix of +-1 / sqrt(SUB), which leaves the
 * product as it is and spreads each number over all of them.
 *
 * That training bears gradients in 8 bits too is shown by Wortsman et al., "Stable and
 * low-precision training for large-scale vision-language models", 2023 ("SwitchBack").
 *
 * A panel has MR rows. For each block: codes [KB / 32][MR][32], rows that a vector of sums pairs
 * STEP by STEP, da [MR], "- zero * sum qa" [MR] in integers. A strip has w columns. For each block:
 * codes [KB / STEP][w][STEP], db [w]. Of the last block only whole SUB are multiplied. */

#if EAI_ISA_WIDTH == 16 || defined(EAI_ISA_NEON)
#define MR      6        /* of 32 registers 12 hold integer sums, 12 those in f32 */
#define NV      (2 * VR) /* vectors side by side */
#define NV_HALF VR       /* in a last strip of few columns */
#else
#define MR      4 /* of 16 registers 4 and 4 */
#define NV      1
#define NV_HALF 1
#endif
#define NR     (NV * VC)
#define N_ROWS (MR / VR)

#define SUB      64  /* steps of K that are rotated together */
#define ROOT     8   /* of SUB */
#define KB       192 /* steps of K that share a scale */
#define PANEL_A  (MR * (KB + 8))
#define COLUMN_B (KB + 4)

/* Scale and sum of the codes of a block. */
typedef struct rounded {
    float d;
    int32_t sum;
} rounded;

/* Sums in the lanes whose number lacks bit d, differences in the others; other: the lanes
 * exchanged. */
CPU_INLINE vf mix_lanes(vf x, const int d, vf other)
{
    vf sign;
    for (int i = 0; i < V; i++)
        sign[i] = i & d ? -1.0f : 1.0f;
    return x * sign + other;
}

/* Sums and differences of SUB numbers: the Walsh-Hadamard transform, times sqrt(SUB). In the order
 * of distances, so that all instruction sets find the same bits. */
CPU_INLINE void rotate(vf x[SUB / V])
{
#pragma GCC unroll 16
    for (int i = 0; i < SUB / V; i++) {
        x[i] = mix_lanes(x[i], 1, EXCHANGE_1(x[i]));
        x[i] = mix_lanes(x[i], 2, EXCHANGE_2(x[i]));
#if V >= 8
        x[i] = mix_lanes(x[i], 4, EXCHANGE_4(x[i]));
#endif
#if V >= 16
        x[i] = mix_lanes(x[i], 8, EXCHANGE_8(x[i]));
#endif
    }
#pragma GCC unroll 4
    for (int d = 1; d < SUB / V; d *= 2) {
#pragma GCC unroll 16
        for (int i = 0; i < SUB / V; i++) {
            if (i & d)
                continue;
            vf sum = x[i] + x[i + d];
            x[i + d] = x[i] - x[i + d];
            x[i] = sum;
        }
    }
}

/* n numbers of a block, zeros behind them. */
CPU_INLINE void load_floats(vf part[KB / V], const float *x, int64_t n)
{
    float padded[KB];
    if (n < KB) {
        memset(padded, 0, sizeof(padded));
        memcpy(padded, x, (size_t)n * sizeof(float));
        x = padded;
    }
#pragma GCC unroll 48
    for (int i = 0; i < KB / V; i++)
        part[i] = vf_load(x + V * i);
}

CPU_INLINE vf load_bf16(const uint8_t *p)
{
    return (vf)(widen_u16(p) << 16);
}

/* A block as codes -most .. most plus zero, 32 every `stride` bytes. */
CPU_INLINE rounded round_block(uint8_t *codes, size_t stride, vf part[KB / V], const int most,
                               const int zero)
{
    vi sizes = {0};
#pragma GCC unroll 12
    for (int i = 0; i < KB / V; i += SUB / V)
        rotate(part + i);
#pragma GCC unroll 48
    for (int i = 0; i < KB / V; i++)
        sizes = larger_size(sizes, part[i]);
    float largest = eai_f32_from_bits((uint32_t)largest_lane(sizes));
    bool usable = largest <= FLT_MAX && largest >= SMALLEST;
    float inverse = usable ? (float)most / largest : 0;
    vu total = {0}; /* what is no number becomes the least integer */
#pragma GCC unroll 6
    for (int at = 0; at < KB / 32; at++) {
        vi integers[N_PARTS];
        for (int i = 0; i < N_PARTS; i++) {
            integers[i] = round_lanes(part[at * N_PARTS + i] * inverse);
            total += (vu)integers[i];
            integers[i] += zero;
        }
        store_bytes(codes + (size_t)at * stride, integers);
    }
    if (usable)
        return (rounded){largest / (float)most / ROOT, sum_integers((vi)total)};
    return (rounded){largest < SMALLEST ? 0.0f : NAN, 0};
}

/* Where a panel's block has step `at` of the i-th vector of sums. */
CPU_INLINE int row_at(int i, int at)
{
    const int steps = 32 / STEP;
    return at / steps * MR * 32 + i * VR * 32 + at % steps * VR * STEP;
}

static void pack_row_a(uint8_t *panel, int i, const float *x, int64_t k)
{
    for (int64_t at = 0; at < k; at += KB, panel += PANEL_A) {
        uint8_t codes[KB];
        uint8_t *to = VR > 1 ? codes : panel + 32 * i;
        vf part[KB / V];
        load_floats(part, x + at, MIN(KB, k - at));
        rounded r = round_block(to, VR > 1 ? 32 : MR * 32, part, 127, 0);
        int32_t start = -TILE_ZERO * r.sum;
        for (int s = 0; VR > 1 && s < KB / STEP; s++)
            memcpy(panel + row_at(i / VR, s) + i % VR * STEP, codes + s * STEP, STEP);
        memcpy(panel + MR * KB + 4 * i, &r.d, sizeof(r.d));
        memcpy(panel + MR * (KB + 4) + 4 * i, &start, sizeof(start));
    }
}

static void pack_a(void *panels, const cpu_gemm_a *a, int64_t m, int64_t k)
{
    size_t panel = (size_t)((k + KB - 1) / KB) * PANEL_A;
    for (int64_t i = 0; i < m; i++)
        pack_row_a((uint8_t *)panels + (size_t)(i / MR) * panel, (int)(i % MR),
                   a->data + i * a->row, k);
}

/* Units of four steps, [columns][KB / 4], as a strip has them. */
static void store_strip(uint8_t *block, int w, uint32_t (*units)[KB / 4], int n)
{
#if VR > 1
    for (int s = 0; s < KB / STEP; s++) {
        for (int j = 0; j < w; j++)
            memcpy(block + (s * w + j) * STEP, units[MIN(j, n - 1)] + s * STEP / 4, STEP);
    }
#else
    transpose((uint32_t *)(void *)block, w, w, units, KB / 4, n, KB / 4);
#endif
}

/* Columns of a strip that n of them need. */
static int strip_width(int n)
{
    return n <= NV_HALF * VC ? NV_HALF * VC : NR;
}

static void pack_block_along_k(uint8_t *block, const cpu_gemm_b *b, int w, int64_t n0, int n,
                               int64_t k0, int64_t k)
{
    uint32_t units[NR][KB / 4];
    for (int j = 0; j < n; j++) {
        vf part[KB / V];
        fetch_b(b, n0 + j + NR, k0, k);
        if (b->dtype == EAI_BF16 && k == KB) {
            const uint8_t *p = find_element(b, n0 + j, k0);
#pragma GCC unroll 48
            for (int i = 0; i < KB / V; i++)
                part[i] = load_bf16(p + 2 * V * i);
        } else {
            float x[KB];
            unpack_b(x, b, n0 + j, k0, k);
            load_floats(part, x, k);
        }
        rounded r = round_block((uint8_t *)units[j], 32, part, TILE_MOST, TILE_ZERO);
        memcpy(block + w * KB + 4 * j, &r.d, sizeof(r.d));
    }
    store_strip(block, w, units, n);
}

/* The transform of eight numbers of V columns each. */
CPU_INLINE void mix_eight(vf x[8])
{
#pragma GCC unroll 3
    for (int d = 1; d < 8; d *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            if (i & d)
                continue;
            vf sum = x[i] + x[i + d];
            x[i + d] = x[i] - x[i + d];
            x[i] = sum;
        }
    }
}

/* V columns of SUB numbers each: eight by eight, then eight apart. Those of bf16 (`source`, rows of
 * `row_bytes`; NULL: none) are read where they are stored. */
CPU_INLINE void rotate_columns(float (*x)[CPU_BLOCK], const uint8_t *source, size_t row_bytes)
{
    for (int p = 0; p < SUB; p += 8) {
        vf part[8];
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            part[i] = source ? load_bf16(source + (size_t)(p + i) * row_bytes) : vf_load(x[p + i]);
        mix_eight(part);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            vf_store(x[p + i], part[i]);
    }
    for (int p = 0; p < 8; p++) {
        vf part[8];
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            part[i] = vf_load(x[p + 8 * i]);
        mix_eight(part);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            vf_store(x[p + 8 * i], part[i]);
    }
}

/* What one makes of V columns of KB numbers each: scales, and their inverses. */
CPU_INLINE vf find_scales(vf *inverse, float (*x)[CPU_BLOCK])
{
    vi sizes = {0};
    for (int p = 0; p < KB; p++)
        sizes = larger_size(sizes, vf_load(x[p]));
    vf largest = (vf)sizes;
    vi finite = largest <= FLT_MAX;
    vi some = ~(vi)(largest < SMALLEST);
    vf d = largest / (float)TILE_MOST / ROOT;
    *inverse = (vf)((vi)((float)TILE_MOST / largest) & finite & some);
    return (vf)((((vi)d & finite) | ((vi)vf_set(NAN) & ~finite)) & some);
}

/* V columns from the i-th of w on; a unit of theirs is four rounded steps. */
CPU_INLINE void pack_columns(uint8_t *block, int w, int i, float (*x)[CPU_BLOCK],
                             const uint8_t *source, size_t row_bytes)
{
    vf inverse;
    for (int p = 0; p < KB; p += SUB)
        rotate_columns(x + p, source ? source + (size_t)p * row_bytes : NULL, row_bytes);
    vf d = find_scales(&inverse, x);
    for (int s = 0; s < KB / 4; s++) {
        vu unit = {0};
        for (int p = 0; p < 4; p++)
            unit |= ((vu)(round_lanes(vf_load(x[4 * s + p]) * inverse) + TILE_ZERO) & 255) << 8 * p;
        if (STEP == 4) {
            memcpy(block + (s * w + i) * 4, &unit, sizeof(unit));
            continue;
        }
        for (int j = 0; j < V; j++)
            memcpy(block + (s / 2 * w + i + j) * 8 + s % 2 * 4, (uint8_t *)&unit + 4 * j, 4);
    }
    vf_store(block + w * KB + 4 * i, d);
}

/* Rows k0 .. k0 + k, columns n0 .. n0 + n, of which zeros follow on k. */
static void unpack_block(float (*x)[CPU_BLOCK], const cpu_gemm_b *b, int64_t n0, int64_t n,
                         int64_t k0, int64_t k)
{
    for (int64_t p = 0; p < k; p++) {
        fetch_b(b, k0 + p + AHEAD, n0, n);
        unpack_b(x[p], b, k0 + p, n0, n);
    }
    if (k < KB)
        memset(x + k, 0, (size_t)(KB - k) * sizeof(x[0]));
}

/* All strips from rows of B that lie along N, CPU_BLOCK columns at a time. */
static void pack_along_n(uint8_t *strips, const cpu_gemm_b *b, int64_t n0, int64_t n, int64_t k0,
                         int64_t k)
{
    size_t column = (size_t)((k + KB - 1) / KB) * COLUMN_B;
    float x[KB][CPU_BLOCK] = {{0}}; /* columns that are not there stay 0 */
    for (int64_t at = 0; at < k; at += KB) {
        int64_t part = MIN(KB, k - at);
        for (int64_t j0 = 0; j0 < n; j0 += CPU_BLOCK) {
            int64_t wide = MIN(CPU_BLOCK, n - j0);
            bool stored = b->dtype == EAI_BF16 && part == KB && wide == CPU_BLOCK;
            if (!stored)
                unpack_block(x, b, n0 + j0, wide, k0 + at, part);
            for (int64_t p = 0; p < part && stored; p++)
                fetch_b(b, k0 + at + p, n0 + j0 + CPU_BLOCK, 1);
            for (int64_t j = j0; j < j0 + wide; j += NR) {
                int w = strip_width((int)MIN(NR, n - j));
                uint8_t *block = strips + (size_t)j * column + (size_t)(at / KB * w) * COLUMN_B;
                for (int i = 0; i < w; i += V) {
                    float(*from)[CPU_BLOCK] = (float(*)[CPU_BLOCK])(x[0] + (j - j0) + i);
                    if (stored)
                        pack_columns(block, w, i, from, find_element(b, k0 + at, n0 + j + i),
                                     b->row_bytes);
                    else
                        pack_columns(block, w, i, from, NULL, 0);
                }
            }
        }
    }
}

static void pack_b(void *strips, const cpu_gemm_b *b, int64_t n0, int64_t n, int64_t k0, int64_t k)
{
    size_t column = (size_t)((k + KB - 1) / KB) * COLUMN_B;
    if (!b->along_k) {
        pack_along_n(strips, b, n0, n, k0, k);
        return;
    }
    for (int64_t j = 0; j < n; j += NR) {
        int in_strip = (int)MIN(NR, n - j);
        int w = strip_width(in_strip);
        uint8_t *block = (uint8_t *)strips + (size_t)j * column;
        for (int64_t at = 0; at < k; at += KB, block += w * COLUMN_B)
            pack_block_along_k(block, b, w, n0 + j, in_strip, k0 + at, MIN(KB, k - at));
    }
}
