/* Tiles made of vectors: up to MR rows x 2 vectors of C, for products in f32 and, with dot products
 * of pairs, in bf16. Included by gemm.inc.c, which says what a `number` of a packed operand is, how
 * many STEPS of K it holds and how to multiply_add.
 *
 * A tile keeps its sums in registers: MR rows x 2 vectors, or MR_HALF rows x 1 vector where the
 * product has few columns. Each number of K loads the vectors of B and, for each row, broadcasts
 * one number of A: MR * 2 multiply-adds for MR + 2 loads. */

/* m and nv are constants after inlining. by_row: a number of A and the one of the next step are
 * neighbours; else a number of A and the one of the next row are. */
CPU_INLINE void run_tile(const cpu_tile *t, const int m, const int nv, const bool by_row)
{
    const number *a = t->a;
    const number *b = t->b;
    const int64_t a_row = t->a_row;
    const int64_t a_col = t->a_col;
    const int64_t b_step = t->b_step;
    vf acc[MR > MR_HALF ? MR : MR_HALF][2];

#pragma GCC unroll 12
    for (int i = 0; i < m; i++) {
        acc[i][0] = (vf){0};
        acc[i][1] = (vf){0};
        __builtin_prefetch(t->c + i * t->ldc, 1); /* there when the sums are */
        if (nv > 1)
            __builtin_prefetch(t->c + i * t->ldc + V, 1);
    }
    for (int64_t k = (t->k + STEPS - 1) / STEPS; k > 0; k--) {
        vf b0 = vf_load(b);
        vf b1 = nv > 1 ? vf_load(b + V) : (vf){0};
#pragma GCC unroll 12
        for (int i = 0; i < m; i++) {
            const number *x = by_row ? a + i * a_row : a + i;
            acc[i][0] = multiply_add(acc[i][0], x, b0);
            if (nv > 1)
                acc[i][1] = multiply_add(acc[i][1], x, b1);
        }
        a += by_row ? 1 : a_col;
        b += b_step;
    }
#pragma GCC unroll 12
    for (int i = 0; i < m; i++)
        finish_row(t, i * t->ldc, acc[i], nv);
}

/* Rows for which tiles exist, of one vector and of one or two; others are made of several. */
#if MR == 12
#define TILE_ROWS(X1, X2) X2(12) X2(8) X2(4) X2(2) X2(1)
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

/* The largest tile of up to m rows, from the v-th on. */
CPU_INLINE int find_tile(int v, int m, bool wide, bool by_row)
{
    while (tiles[v].m > m || !tiles[v].fn[wide][by_row])
        v++;
    return v;
}

static void tile_in_parts(const cpu_tile *whole, int v, bool wide, bool by_row)
{
    cpu_tile t = *whole;
    while (t.m > 0) {
        v = find_tile(v, t.m, wide, by_row);
        int m = tiles[v].m;
        tiles[v].fn[wide][by_row](&t);
        t.m -= m;
        t.c += m * t.ldc;
        if (t.c_in)
            t.c_in += m * t.ldc;
        t.a = (const number *)t.a + m * t.a_row;
    }
}

/* Each sum is a factor of its own next value, so that nothing can be moved out of the loop. */
static double spin(int64_t n)
{
    static const volatile number factor;
    volatile vf sink;
    number x = factor;
    vf acc[12];
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++)
        acc[i] = vf_set((float)i);
    for (int64_t at = 0; at < n; at += 12) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++)
            acc[i] = multiply_add(acc[i], &x, acc[i]);
    }
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++)
        sink = acc[i];
    (void)sink;
    return (double)((n + 11) / 12 * 12) * (2 * STEPS * V);
}

/* A whole tile, the usual case, is not copied: reading at once what was written in parts would wait
 * until the results of the tile before are out of the store buffer. */
static void tile(const cpu_tile *t)
{
    bool by_row = t->a_row != 1;
    bool wide = t->n > V;
    int v = find_tile(0, t->m, wide, by_row);
    if (tiles[v].m == t->m)
        tiles[v].fn[wide][by_row](t);
    else
        tile_in_parts(t, v, wide, by_row);
}
