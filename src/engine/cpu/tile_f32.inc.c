/* Products in f32: packing and tiles of up to MR x 2 vectors. Included by gemm.inc.c.
 *
 * A tile keeps its sums in registers: MR rows x 2 vectors (or twice the rows x 1 vector where the
 * product has few columns). Each step of K loads the vectors of B and, for each row, broadcasts one
 * number of A: MR * 2 multiply-adds for MR + 2 loads. A number of A costs the same wherever it
 * lies, so thin products read A in place; large ones pack it, because a strided block of A falls
 * into few cache sets. */

#define NR (2 * V)
#if EAI_ISA_WIDTH == 16
#define MR 12 /* of 32 registers: 24 sums, 2 of B, 1 of A */
#define NC 192
#else
#define MR 6 /* of 16 registers: 12 sums, 2 of B, 1 of A */
#define NC 96
#endif
#define PANEL ((MR + T - 1) / T * T) /* a step of K in a packed panel */

/* ---- Packing
 * --------------------------------------------------------------------------------------- */

/* Panels from an A whose steps are rows in memory: a step at a time, so that memory is read in its
 * order. Copying a little more than m rows is fine while it stays inside A. */
static void pack_columns(float *panels, const cpu_gemm_a *a, int64_t m, int64_t k)
{
    for (int64_t p = 0; p < k; p++) {
        const float *src = a->data + p * a->col;
        int64_t wide = p + 1 < k && a->col >= m + PANEL ? m : m / PANEL * PANEL - PANEL;
        for (int64_t i = 0; i < m; i += MR) {
            float *dst = panels + i / MR * k * PANEL + p * PANEL;
            if (i < wide) {
                for (int j = 0; j < PANEL; j += T)
                    memcpy(dst + j, src + i + j, sizeof(vt));
            } else {
                for (int j = 0; j < PANEL; j++)
                    dst[j] = src[MIN(i + j, m - 1)];
            }
        }
    }
}

static void pack_a(void *panels, const cpu_gemm_a *a, int64_t m, int64_t k)
{
    if (a->col != 1) {
        pack_columns(panels, a, m, k);
        return;
    }
    for (int64_t i = 0; i < m; i += MR)
        transpose((uint32_t *)panels + i / MR * k * PANEL, PANEL, PANEL, a->data + i * a->row,
                  a->row, (int)MIN(MR, m - i), k);
}

/* One strip of w columns, of which n exist, from rows of B that lie along K. */
static void pack_strip_along_k(float *strip, const cpu_gemm_b *b, int w, int64_t n0, int n,
                               int64_t k0, int64_t k)
{
    float rows[NR][CHUNK];
    if (b->dtype == EAI_F32) {
        transpose((uint32_t *)(void *)strip, w, w, find_element(b, n0, k0),
                  (int64_t)(b->row_bytes / 4), n, k);
        return;
    }
    for (int64_t c = 0; c < k; c += CHUNK) {
        int64_t part = MIN(CHUNK, k - c);
        for (int j = 0; j < n; j++)
            unpackers[b->dtype](rows[j], find_element(b, n0 + j, k0 + c), part);
        transpose((uint32_t *)(void *)(strip + c * w), w, w, rows, CHUNK, n, part);
    }
}

/* All strips from rows of B that lie along N: a row at a time. */
static void pack_along_n(float *strips, const cpu_gemm_b *b, int64_t n0, int64_t n, int64_t k0,
                         int64_t k)
{
    float row[CPU_MAX_NC + 32];
    for (int64_t j = n; j < n + 32; j++)
        row[j] = 0;
    for (int64_t p = 0; p < k; p++) {
        const float *src = row;
        int64_t j = 0;
        unpackers[b->dtype](row, find_element(b, k0 + p, n0), n);
        for (; j < n; j += NR) {
            int w = n - j <= V ? V : NR;
            for (int i = 0; i < w; i += V)
                vf_store(strips + j * k + p * w + i, vf_load(src + j + i));
        }
    }
}

static void pack_b(void *strips, const cpu_gemm_b *b, int64_t n0, int64_t n, int64_t k0, int64_t k)
{
    float *dst = strips;
    if (!b->along_k) {
        pack_along_n(dst, b, n0, n, k0, k);
        return;
    }
    for (int64_t j = 0; j < n; j += NR)
        pack_strip_along_k(dst + j * k, b, n - j <= V ? V : NR, n0 + j, (int)MIN(NR, n - j), k0, k);
}

/* ---- Tiles
 * ----------------------------------------------------------------------------------------- */

/* c = alpha * acc + c_in for one row of nv vectors, of which n numbers exist. */
CPU_INLINE void finish_row(const cpu_tile *t, int64_t at, const vf *acc, int nv)
{
    if (t->n == nv * V) {
        for (int j = 0; j < nv; j++) {
            vf x = acc[j] * t->alpha;
            if (t->c_in)
                x = acc[j] * t->alpha + vf_load(t->c_in + at + j * V);
            vf_store(t->c + at + j * V, x);
        }
        return;
    }
    float row[NR] = {0};
    for (int j = 0; j < nv; j++)
        vf_store(row + j * V, acc[j]);
    for (int j = 0; j < t->n; j++)
        t->c[at + j] =
            t->c_in ? __builtin_fmaf(row[j], t->alpha, t->c_in[at + j]) : row[j] * t->alpha;
}

/* m and nv are constants after inlining. by_row: a number of A and the one of the next step are
 * neighbours; else a number of A and the one of the next row are. */
CPU_INLINE void run_tile(const cpu_tile *t, const int m, const int nv, const bool by_row)
{
    const float *a = t->a;
    const float *b = t->b;
    const int64_t a_row = t->a_row;
    const int64_t a_col = t->a_col;
    const int64_t b_step = t->b_step;
    vf acc[2 * MR][2];

#pragma GCC unroll 24
    for (int i = 0; i < m; i++) {
        acc[i][0] = (vf){0};
        acc[i][1] = (vf){0};
    }
    for (int64_t k = t->k; k > 0; k--) {
        vf b0 = vf_load(b);
        vf b1 = nv > 1 ? vf_load(b + V) : (vf){0};
#pragma GCC unroll 24
        for (int i = 0; i < m; i++) {
            vf x = vf_set(by_row ? a[i * a_row] : a[i]);
            acc[i][0] += x * b0;
            if (nv > 1)
                acc[i][1] += x * b1;
        }
        a += by_row ? 1 : a_col;
        b += b_step;
    }
#pragma GCC unroll 24
    for (int i = 0; i < m; i++)
        finish_row(t, i * t->ldc, acc[i], nv);
}

/* Rows for which tiles exist, of one vector and of one or two; others are made of several. */
#if EAI_ISA_WIDTH == 16
#define TILE_ROWS(X1, X2) X1(24) X2(12) X2(8) X2(4) X2(2) X2(1)
#else
#define TILE_ROWS(X1, X2) X1(12) X1(8) X2(6) X2(4) X2(2) X2(1)
#endif

#define DEFINE_TILE(m, nv, order, by_row)                                                          \
    static void tile_##m##x##nv##_##order(const cpu_tile *t)                                       \
    {                                                                                              \
        run_tile(t, m, nv, by_row);                                                                \
    }
#define DEFINE_1(m) DEFINE_TILE(m, 1, panel, false) DEFINE_TILE(m, 1, rows, true)
#define DEFINE_2(m) DEFINE_1(m) DEFINE_TILE(m, 2, panel, false) DEFINE_TILE(m, 2, rows, true)
TILE_ROWS(DEFINE_1, DEFINE_2)

typedef void (*tile_fn)(const cpu_tile *t);

static const struct {
    int m;
    tile_fn fn[2][2]; /* [two vectors][by row] */
} tiles[] = {
#define ROW_1(m) {m, {{tile_##m##x1_panel, tile_##m##x1_rows}, {NULL, NULL}}},
#define ROW_2(m)                                                                                   \
    {m, {{tile_##m##x1_panel, tile_##m##x1_rows}, {tile_##m##x2_panel, tile_##m##x2_rows}}},
    TILE_ROWS(ROW_1, ROW_2)};

static void tile(const cpu_tile *whole)
{
    cpu_tile t = *whole;
    bool by_row = t.a_row != 1;
    bool wide = t.b_step > V;
    for (int v = 0; t.m > 0;) {
        int m = tiles[v].m;
        if (m > t.m || !tiles[v].fn[wide][by_row]) {
            v++;
            continue;
        }
        tiles[v].fn[wide][by_row](&t);
        t.m -= m;
        t.c += m * t.ldc;
        if (t.c_in)
            t.c_in += m * t.ldc;
        t.a = (const float *)t.a + m * t.a_row;
    }
}

#define GEMM_ROW                                                                                   \
    .mr = MR, .nr = NR, .mr_half = 2 * MR, .nr_half = V, .direct = true, .k_align = 1,             \
    .element = 4, .panel = PANEL, .mc = 16 * MR, .nc = NC, .kc = 320, .pack_a = pack_a,            \
    .pack_b = pack_b, .tile = tile, .dot = dot
