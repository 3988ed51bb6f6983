/* Products in 8 bits of operands of any type, a table for gemm.h: both are rounded to bytes when
 * they are packed, in blocks of KB steps with a scale each, da and db. A block's part of the sum is
 *     da * db * (sum qa * (qb + zero) - zero * sum qa)
 * where the bracket is exact in 32-bit integers. Included by int8.inc.c.
 *
 * Dettmers et al., "LLM.int8()", 2022, multiplies activations so, and Wortsman et al., "Stable and
 * low-precision training for large-scale vision-language models", 2023 ("SwitchBack"), their
 * gradients too; both have one scale a row, which one large number spoils.
 *
 * A panel has MR rows. For each block: codes [KB / 32][MR][32], rows that a vector of sums pairs
 * STEP by STEP, da [MR], "- zero * sum qa" [MR] in integers. A strip has w columns. For each block:
 * codes [KB / STEP][w][STEP], db [w]. */

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

#define KB       64 /* steps of K that share a scale */
#define PANEL_A  (MR * (KB + 8))
#define COLUMN_B (KB + 4)

/* ---- Packing
 * ------------------------------------------------------------------------------------ */

/* Scale and sum of the codes of a block. */
typedef struct rounded {
    float d;
    int32_t sum;
} rounded;

/* KB numbers as codes -most .. most plus zero, the second half of which go to codes + half. */
CPU_INLINE rounded round_whole(uint8_t *codes, size_t half, const float *x, const int most,
                               const int zero)
{
    float largest = find_largest(x, KB);
    bool usable = largest <= FLT_MAX && largest >= SMALLEST;
    float inverse = usable ? (float)most / largest : 0;
    vi total = {0};
    for (int at = 0; at < KB; at += 32) {
        vi part[N_PARTS];
        for (int i = 0; i < N_PARTS; i++) {
            part[i] = round_lanes(vf_load(x + at + V * i) * inverse);
            total += part[i];
            part[i] += zero;
        }
        store_bytes(codes + (size_t)(at / 32) * half, part);
    }
    if (usable)
        return (rounded){largest / (float)most, sum_integers(total)};
    return (rounded){largest < SMALLEST ? 0.0f : NAN, 0};
}

/* n numbers of KB, zeros behind them. */
CPU_INLINE rounded round_block(uint8_t *codes, size_t half, const float *x, int64_t n,
                               const int most, const int zero)
{
    if (n >= KB)
        return round_whole(codes, half, x, most, zero);
    float padded[KB] = {0};
    memcpy(padded, x, (size_t)n * sizeof(float));
    return round_whole(codes, half, padded, most, zero);
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
        rounded r = round_block(to, VR > 1 ? 32 : MR * 32, x + at, MIN(KB, k - at), 127, 0);
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
        float x[KB];
        fetch_b(b, n0 + j + NR, k0, k);
        unpack_b(x, b, n0 + j, k0, k);
        rounded r = round_block((uint8_t *)units[j], 32, x, k, TILE_MOST, TILE_ZERO);
        memcpy(block + w * KB + 4 * j, &r.d, sizeof(r.d));
    }
    store_strip(block, w, units, n);
}

/* What one makes of V columns of KB numbers each: scales, and their inverses. */
CPU_INLINE vf find_scales(vf *inverse, const float (*x)[CPU_BLOCK])
{
    vi most = {0};
    for (int p = 0; p < KB; p++) {
        vi size = (vi)vf_load(x[p]) & 0x7fffffff;
        vi more = size > most;
        most = (size & more) | (most & ~more);
    }
    vf largest = (vf)most;
    vi finite = largest <= FLT_MAX;
    vi some = ~(vi)(largest < SMALLEST);
    *inverse = (vf)((vi)((float)TILE_MOST / largest) & finite & some);
    return (vf)((((vi)(largest / (float)TILE_MOST) & finite) | ((vi)vf_set(NAN) & ~finite)) & some);
}

/* V columns from the i-th of w on; a unit of theirs is four rounded steps. */
CPU_INLINE void pack_columns(uint8_t *block, int w, int i, const float (*x)[CPU_BLOCK])
{
    vf inverse;
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

/* All strips from rows of B that lie along N, CPU_BLOCK columns at a time. */
static void pack_along_n(uint8_t *strips, const cpu_gemm_b *b, int64_t n0, int64_t n, int64_t k0,
                         int64_t k)
{
    size_t column = (size_t)((k + KB - 1) / KB) * COLUMN_B;
    float x[KB][CPU_BLOCK] = {{0}};
    for (int64_t at = 0; at < k; at += KB) {
        int64_t part = MIN(KB, k - at);
        if (part < KB)
            memset(x, 0, sizeof(x));
        for (int64_t j0 = 0; j0 < n; j0 += CPU_BLOCK) {
            int64_t wide = MIN(CPU_BLOCK, n - j0);
            for (int64_t p = 0; p < part; p++) {
                fetch_b(b, k0 + at + p + AHEAD, n0 + j0, wide);
                unpack_b(x[p], b, k0 + at + p, n0 + j0, wide);
            }
            for (int64_t j = j0; j < j0 + wide; j += NR) {
                int w = strip_width((int)MIN(NR, n - j));
                uint8_t *block = strips + (size_t)j * column + (size_t)(at / KB * w) * COLUMN_B;
                for (int i = 0; i < w; i += V)
                    pack_columns(block, w, i, (const float(*)[CPU_BLOCK])(x[0] + (j - j0) + i));
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

/* ---- The tile
 * ----------------------------------------------------------------------------------- */

#include "engine/cpu/finish_row.inc.c"

/* VR numbers, one a row, in the lanes of a vector of sums ... */
CPU_INLINE vu spread_rows(const uint8_t *p)
{
#if VR > 1
    uint32_t x[2];
    memcpy(x, p, sizeof(x));
    return (vu){x[0], x[0], x[1], x[1]};
#else
    uint32_t x;
    memcpy(&x, p, sizeof(x));
    return x - (vu){0};
#endif
}

/* ... and VC numbers, one a column. */
CPU_INLINE vf spread_columns(const uint8_t *p)
{
#if VR > 1
    float x[2];
    memcpy(x, p, sizeof(x));
    return (vf){x[0], x[1], x[0], x[1]};
#else
    return vf_load(p);
#endif
}

CPU_INLINE vbytes load_rows(const uint8_t *p)
{
#if VR > 1
    vbytes x;
    memcpy(&x, p, sizeof(x));
    return x;
#else
    return (vbytes)spread_rows(p);
#endif
}

/* Through memory: parts of tiles, and sums of several rows in a vector. */
CPU_INLINE void finish_rows(const cpu_tile *t, vf sum[N_ROWS][NV], const int nv)
{
    float rows[MR][NR];
    for (int i = 0; i < N_ROWS; i++) {
        for (int j = 0; j < nv; j++) {
            for (int r = 0; r < VR; r++)
                memcpy(&rows[i * VR + r][j * VC], (const char *)&sum[i][j] + 4 * VC * r, 4 * VC);
        }
    }
    for (int i = 0; i < t->m; i++) {
        float *c = t->c + i * t->ldc;
        const float *c_in = t->c_in ? t->c_in + i * t->ldc : NULL;
        for (int j = 0; j < t->n; j++)
            c[j] = c_in ? __builtin_fmaf(rows[i][j], t->alpha, c_in[j]) : rows[i][j] * t->alpha;
    }
}

/* Sums of one block: sums += da * db * integers. nv is a constant after inlining. */
CPU_INLINE void add_block(vf sum[N_ROWS][NV], const uint8_t *a, const uint8_t *b, const int nv)
{
    const int w = nv * VC;
    vi s[N_ROWS][NV] = {0}; /* for compilers that do not see that all are set */
#pragma GCC unroll 12
    for (int i = 0; i < N_ROWS; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < nv; j++)
            s[i][j] = TILE_ZERO ? (vi)spread_rows(a + MR * (KB + 4) + 4 * i * VR) : (vi){0};
    }
#pragma GCC unroll 16
    for (int at = 0; at < KB / STEP; at++) {
        vbytes codes[NV];
#pragma GCC unroll 4
        for (int j = 0; j < nv; j++)
            memcpy(&codes[j], b + (at * w + j * VC) * STEP, sizeof(codes[j]));
#pragma GCC unroll 12
        for (int i = 0; i < N_ROWS; i++) {
            vbytes rows = load_rows(a + row_at(i, at));
#pragma GCC unroll 4
            for (int j = 0; j < nv; j++)
                s[i][j] = sum_tile(s[i][j], codes[j], rows);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < N_ROWS; i++) {
        vf da = (vf)spread_rows(a + MR * KB + 4 * i * VR);
#pragma GCC unroll 4
        for (int j = 0; j < nv; j++)
            sum[i][j] += __builtin_convertvector(s[i][j], vf) *
                         (da * spread_columns(b + w * KB + 4 * j * VC));
    }
}

CPU_INLINE void run_gemm_tile(const cpu_tile *t, const int nv)
{
    const uint8_t *a = t->a;
    const uint8_t *b = t->b;
    vf sum[N_ROWS][NV];
#pragma GCC unroll 12
    for (int i = 0; i < N_ROWS; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < nv; j++)
            sum[i][j] = (vf){0};
    }
    for (int i = 0; i < MR; i++)
        __builtin_prefetch(t->c + MIN(i, t->m - 1) * t->ldc, 1); /* there when the sums are */
    for (int64_t k = 0; k < t->k; k += KB) {
        add_block(sum, a, b, nv);
        a += PANEL_A;
        b += nv * VC * COLUMN_B;
    }
#if VR == 1
    if (t->m == MR) {
#pragma GCC unroll 12
        for (int i = 0; i < MR; i++)
            finish_row(t, i * t->ldc, sum[i], nv);
        return;
    }
#endif
    finish_rows(t, sum, nv);
}

static void gemm_tile(const cpu_tile *t)
{
    if (strip_width(t->n) == NR)
        run_gemm_tile(t, NV);
    else
        run_gemm_tile(t, NV_HALF);
}

/* As in tile_vector.inc.c. */
static double spin(int64_t n)
{
    static const volatile uint8_t byte;
    volatile vi sink;
    vbytes x = byte - (vbytes){0};
    vi acc[12];
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++)
        acc[i] = i - (vi){0};
    for (int64_t at = 0; at < n; at += 12) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++)
            acc[i] = sum_tile(acc[i], (vbytes)acc[i], x);
    }
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++)
        sink = acc[i];
    (void)sink;
    return (double)((n + 11) / 12 * 12) * (2 * STEP * V);
}

extern const cpu_gemm_table CPU_PASTE(cpu_gemm8_, EAI_ISA_NAME);
const cpu_gemm_table CPU_PASTE(cpu_gemm8_, EAI_ISA_NAME) = {
    .isa = CPU_STRING(EAI_ISA_NAME),
    .mr = MR,
    .nr = NR,
    .mr_half = MR,
    .nr_half = NV_HALF * VC,
    .levels = TILE_MOST,
    .k_align = KB,
    .a_bytes = PANEL_A,
    .b_bytes = COLUMN_B,
    .mc = 192 / MR * MR,
    .nc = 192,
    .kc = 1536,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .tile = gemm_tile,
    .spin = spin,
};
