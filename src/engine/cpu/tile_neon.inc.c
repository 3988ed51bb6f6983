/* Tiles of C for 64-bit ARM with bf16: up to 12 rows x 8 columns, kept in registers as blocks of
 * 2 x 2 sums. Included by gemm.inc.c, after pack_neon.inc.c, which says how operands lie.
 *
 * Of 32 registers 24 are sums, 4 hold the columns of B, one after the other holds two rows of A:
 * four steps are 24 BFMMLA for 10 loads, and no two of the 24 wait for each other. A product of
 * fewer rows or columns takes a smaller tile; the row that an odd last one lacks is computed from
 * anything and thrown away. */

#define PAIRS (MR / 2) /* of rows */

/* pairs and nv, the vectors of a row of C, are constants after inlining. */
CPU_INLINE void run_tile(const cpu_tile *t, const int pairs, const int nv)
{
    const uint64_t *a = t->a;
    const uint64_t *b = t->b;
    vf sums[PAIRS][NR / 2];

#pragma GCC unroll 12
    for (int i = 0; i < pairs; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < 2 * nv; j++)
            sums[i][j] = (vf){0};
        __builtin_prefetch(t->c + 2 * i * t->ldc, 1); /* there when the sums are */
        __builtin_prefetch(t->c + (2 * i + 1) * t->ldc, 1);
    }
    for (int64_t k = count_quads(t->k); k > 0; k--) {
        vquads columns[NR / 2];
#pragma GCC unroll 4
        for (int j = 0; j < 2 * nv; j++)
            memcpy(&columns[j], b + 2 * j, sizeof(columns[j]));
#pragma GCC unroll 12
        for (int i = 0; i < pairs; i++) {
            vquads rows;
            memcpy(&rows, a + 2 * i, sizeof(rows));
#pragma GCC unroll 4
            for (int j = 0; j < 2 * nv; j++)
                sums[i][j] = multiply_blocks(sums[i][j], rows, columns[j]);
        }
        a += MR;
        b += nv * V;
    }
#pragma GCC unroll 12
    for (int i = 0; i < pairs; i++) {
        vf even[2];
        vf odd[2];
        for (int j = 0; j < nv; j++) {
            vf left = sums[i][2 * j];
            vf right = sums[i][2 * j + 1];
            even[j] = __builtin_shufflevector(left, right, 0, 1, 4, 5);
            odd[j] = __builtin_shufflevector(left, right, 2, 3, 6, 7);
        }
        finish_row(t, 2 * i * t->ldc, even, nv);
        if (2 * i + 1 < t->m)
            finish_row(t, (2 * i + 1) * t->ldc, odd, nv);
    }
}

#define TILE_PAIRS(X) X(1) X(2) X(3) X(4) X(5) X(6)

#define DEFINE_TILE(pairs)                                                                         \
    static void tile_##pairs##x1(const cpu_tile *t)                                                \
    {                                                                                              \
        run_tile(t, pairs, 1);                                                                     \
    }                                                                                              \
    static void tile_##pairs##x2(const cpu_tile *t)                                                \
    {                                                                                              \
        run_tile(t, pairs, 2);                                                                     \
    }
TILE_PAIRS(DEFINE_TILE)

static void tile(const cpu_tile *t)
{
    static void (*const fns[PAIRS][2])(const cpu_tile *) = {
#define ROW(pairs) {tile_##pairs##x1, tile_##pairs##x2},
        TILE_PAIRS(ROW)
#undef ROW
    };
    fns[(t->m - 1) / 2][t->n > V](t);
}

/* Each sum is a factor of its own next value, so that nothing can be moved out of the loop. */
static double spin(int64_t n)
{
    static const volatile uint64_t factor;
    volatile vf sink;
    vquads x = {factor, factor};
    vf acc[12];
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++)
        acc[i] = (vf){(float)i};
    for (int64_t at = 0; at < n; at += 12) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++)
            acc[i] = multiply_blocks(acc[i], x, (vquads)acc[i]);
    }
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++)
        sink = acc[i];
    (void)sink;
    return (double)((n + 11) / 12 * 12) * (2 * 4 * 4);
}
