/* Products with few columns, as a LoRA's x A^T, from rows of x as they lie in memory: vectors go
 * along K, so that all lanes have work however few the columns are. Included by gemm.inc.c.
 *
 * B is copied once, [columns, rounded up to THIN_COLUMNS][K, rounded up to THIN_STEPS], with zeros
 * where there is nothing. */

#define THIN_COLUMNS 8
#define THIN_STEPS   (V * 4 / ELEMENT) /* of a vector */

#if EAI_ISA_WIDTH == 16 || defined(EAI_ISA_NEON)
#define THIN_ROWS 3 /* of 32 registers: 24 sums, 3 of A */
#else
#define THIN_ROWS 1 /* of 16 registers: 8 sums, 1 of A */
#endif

#if ELEMENT == 2
CPU_INLINE vu load_steps(const float *x)
{
    return round_row(vf_load(x), vf_load(x + V));
}

CPU_INLINE vf add_steps(vf acc, vu a, vu b)
{
    return dot_units(acc, a, b);
}
#else
CPU_INLINE vu load_steps(const float *x)
{
    return (vu)vf_load(x);
}

CPU_INLINE vf add_steps(vf acc, vu a, vu b)
{
    return acc + (vf)a * (vf)b;
}
#endif

/* Sums of neighbours: those of x, then those of y. */
#if V == 16
#define EVEN(x, y)                                                                                 \
    __builtin_shufflevector(x, y, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD(x, y)                                                                                  \
    __builtin_shufflevector(x, y, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#elif V == 8
#define EVEN(x, y) __builtin_shufflevector(x, y, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(x, y)  __builtin_shufflevector(x, y, 1, 3, 5, 7, 9, 11, 13, 15)
#else
#define EVEN(x, y) __builtin_shufflevector(x, y, 0, 2, 4, 6)
#define ODD(x, y)  __builtin_shufflevector(x, y, 1, 3, 5, 7)
#endif

CPU_INLINE vf add_neighbours(vf x, vf y)
{
    return EVEN(x, y) + ODD(x, y);
}

/* out[j] = the sum of x[j]'s lanes. Without loops, or the compiler would keep x in memory. */
CPU_INLINE void sum_columns(float out[THIN_COLUMNS + V], const vf x[THIN_COLUMNS])
{
    vf low = add_neighbours(add_neighbours(x[0], x[1]), add_neighbours(x[2], x[3]));
    vf high = add_neighbours(add_neighbours(x[4], x[5]), add_neighbours(x[6], x[7]));
#if V == 4
    vf_store(out, low);
    vf_store(out + V, high);
#else
    vf all = add_neighbours(low, high);
    vf_store(out, V > 8 ? add_neighbours(all, all) : all);
#endif
}

/* n rows from row i on, columns j .. j + THIN_COLUMNS; n is a constant after inlining. */
CPU_INLINE void multiply_thin(const cpu_thin *t, int64_t i, int64_t j, const int n)
{
    const int64_t row = (t->k + THIN_STEPS - 1) / THIN_STEPS * V; /* of B, in units of 4 bytes */
    const uint32_t *b = (const uint32_t *)t->b + j * row;
    const float *a = t->a + i * t->a_row;
    vf acc[THIN_ROWS][THIN_COLUMNS] = {{{0}}};
    for (int64_t k = 0; k < t->k; k += THIN_STEPS, b += V) {
        vu x[THIN_ROWS] = {{0}}; /* for compilers that do not see that all are set */
#pragma GCC unroll 3
        for (int r = 0; r < n; r++) {
            float padded[THIN_STEPS];
            const float *from = a + r * t->a_row + k;
            if (t->k - k < THIN_STEPS) {
                memset(padded, 0, sizeof(padded));
                memcpy(padded, from, (size_t)(t->k - k) * sizeof(float));
                from = padded;
            }
            x[r] = load_steps(from);
        }
#pragma GCC unroll 8
        for (int c = 0; c < THIN_COLUMNS; c++) {
            vu y = (vu)vf_load(b + c * row);
#pragma GCC unroll 3
            for (int r = 0; r < n; r++)
                acc[r][c] = add_steps(acc[r][c], x[r], y);
        }
    }
#pragma GCC unroll 3
    for (int r = 0; r < n; r++) {
        float sums[THIN_COLUMNS + V];
        float *c = t->c + (i + r) * t->ldc + j;
        sum_columns(sums, acc[r]);
        for (int64_t at = 0; at < MIN(THIN_COLUMNS, t->n - j); at++)
            c[at] = sums[at] * t->alpha;
    }
}

static void thin(const cpu_thin *t)
{
    for (int64_t j = 0; j < t->n; j += THIN_COLUMNS) {
        int64_t i = 0;
        for (; i + THIN_ROWS <= t->m; i += THIN_ROWS)
            multiply_thin(t, i, j, THIN_ROWS);
        for (; i < t->m; i++)
            multiply_thin(t, i, j, 1);
    }
}

/* n numbers of a row of B, n <= CHUNK. */
CPU_INLINE void pack_steps_thin(uint32_t *out, const float *x, int64_t n)
{
    float padded[CHUNK] = {0};
    memcpy(padded, x, (size_t)n * sizeof(float));
    for (int64_t k = 0; k < n; k += THIN_STEPS, out += V) {
        vu units = load_steps(padded + k);
        memcpy(out, &units, sizeof(units));
    }
}

/* Up to CPU_BLOCK columns of B from j0 on, up to CHUNK steps: a row a column. */
static void unpack_columns(float (*out)[CHUNK], const cpu_gemm_b *b, int64_t j0, int64_t n,
                           int64_t k0, int64_t k)
{
    float rows[CHUNK][CPU_BLOCK];
    for (int64_t j = 0; b->along_k && j < n; j++)
        unpack_b(out[j], b, j0 + j, k0, k);
    if (b->along_k)
        return;
    for (int64_t p = 0; p < k; p++)
        unpack_b(rows[p], b, k0 + p, j0, n);
    transpose((uint32_t *)(void *)out, CHUNK, CHUNK, rows, CPU_BLOCK, (int)k, n);
}

static void pack_thin(void *out, const cpu_gemm_b *b, int64_t n, int64_t k)
{
    const int64_t row = (k + THIN_STEPS - 1) / THIN_STEPS * V;
    float columns[CPU_BLOCK][CHUNK];
    for (int64_t j0 = 0; j0 < n; j0 += CPU_BLOCK) {
        int64_t wide = MIN(CPU_BLOCK, n - j0);
        for (int64_t k0 = 0; k0 < k; k0 += CHUNK) {
            int64_t part = MIN(CHUNK, k - k0);
            unpack_columns(columns, b, j0, wide, k0, part);
            for (int64_t j = 0; j < wide; j++)
                pack_steps_thin((uint32_t *)out + (j0 + j) * row + k0 / THIN_STEPS * V, columns[j],
                                part);
        }
    }
    int64_t missing = (n + THIN_COLUMNS - 1) / THIN_COLUMNS * THIN_COLUMNS - n;
    memset((uint32_t *)out + n * row, 0, (size_t)(missing * row) * sizeof(uint32_t));
}
