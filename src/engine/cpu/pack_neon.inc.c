/* Packing for products in bf16 on 64-bit ARM: operands are rounded once, when they are packed, and
 * stored as quads (bf16_neon.inc.c). Included by gemm.inc.c.
 *
 * Panels of A are [steps / 4][MR] quads, strips of w columns of B [steps / 4][w], so that a block
 * is 16 bytes in one piece. Steps are filled up with zeros to a multiple of K_ALIGN, in both
 * operands, because a sum over 0 * anything must stay 0. Rows and columns that are not there hold
 * anything. */

static int64_t count_quads(int64_t k)
{
    return (k + K_ALIGN - 1) / K_ALIGN;
}

/* ---- Steps that are neighbours in memory
 * ------------------------------------------------------- */

/* n floats of a row into every `step`-th quad. */
static void round_row(uint64_t *quads, int64_t step, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8, quads += 2 * step) {
        vquads r = round_quads(vf_load(x + i), vf_load(x + i + 4));
        quads[0] = r[0];
        quads[step] = r[1];
    }
    if (i < n) {
        float last[8] = {0};
        memcpy(last, x + i, (size_t)(n - i) * sizeof(float));
        vquads r = round_quads(vf_load(last), vf_load(last + 4));
        quads[0] = r[0];
        if (n - i > 4)
            quads[step] = r[1];
    }
}

/* The same with what is stored as bf16. */
static void copy_row(uint64_t *quads, int64_t step, const uint8_t *x, int64_t n)
{
    for (; n >= 4; n -= 4, quads += step, x += sizeof(*quads))
        memcpy(quads, x, sizeof(*quads));
    if (n > 0) {
        *quads = 0;
        memcpy(quads, x, (size_t)n * sizeof(uint16_t));
    }
}

/* One strip of w columns, of which n exist, from rows of B that lie along K. */
static void pack_strip_along_k(uint64_t *strip, const cpu_gemm_b *b, int w, int64_t n0, int n,
                               int64_t k0, int64_t k)
{
    float x[CHUNK];
    for (int j = 0; j < n; j++) {
        if (b->dtype == EAI_BF16) {
            copy_row(strip + j, w, find_element(b, n0 + j, k0), k);
            continue;
        }
        for (int64_t c = 0; c < k; c += CHUNK) {
            int64_t part = MIN(CHUNK, k - c);
            unpack_b(x, b, n0 + j, k0 + c, part);
            round_row(strip + c / 4 * w + j, w, x, part);
        }
    }
}

/* ---- Steps that are rows in memory
 * ------------------------------------------------------------- */

/* Quads of four rows or columns from four steps of them. */
CPU_INLINE void round_steps(uint64_t *quads, const vf step[4])
{
    vt r[T];
    for (int s = 0; s < T; s++)
        r[s] = (vt)step[s];
    transpose_block(r);
    for (int i = 0; i < T; i += 2) {
        vquads block = round_quads((vf)r[i], (vf)r[i + 1]);
        memcpy(quads + i, &block, sizeof(block));
    }
}

/* All strips from rows of B that lie along N: four rows, which are four steps, at a time. */
static void pack_along_n(uint64_t *strips, const cpu_gemm_b *b, int64_t n0, int64_t n, int64_t k0,
                         int64_t k)
{
    float rows[4][CPU_MAX_NC + NR];
    int64_t padded = count_quads(k);
    memset(rows, 0, sizeof(rows));
    for (int64_t p = 0; p < padded; p++) {
        for (int s = 0; s < 4; s++) {
            fetch_b(b, k0 + 4 * p + s + AHEAD, n0, n);
            if (4 * p + s < k)
                unpack_b(rows[s], b, k0 + 4 * p + s, n0, n);
            else
                memset(rows[s], 0, (size_t)n * sizeof(float));
        }
        for (int64_t j = 0; j < n; j += NR) {
            int w = n - j <= V ? V : NR;
            for (int64_t i = 0; i < w; i += V) {
                vf step[4];
                for (int s = 0; s < 4; s++)
                    step[s] = vf_load(rows[s] + j + i);
                round_steps(strips + j * padded + p * w + i, step);
            }
        }
    }
}

/* Panels from an A whose steps are rows in memory. */
static void pack_columns(uint64_t *panels, const cpu_gemm_a *a, int64_t m, int64_t k)
{
    int64_t padded = count_quads(k);
    for (int64_t p = 0; p < padded; p++) {
        for (int64_t i = 0; i < m; i += V) {
            vf step[4] = {{0}};
            for (int s = 0; s < 4 && 4 * p + s < k; s++)
                memcpy(&step[s], a->data + (4 * p + s) * a->col + i,
                       (size_t)MIN(V, m - i) * sizeof(float));
            round_steps(panels + (i / MR * padded + p) * MR + i % MR, step);
        }
    }
}

static void pack_a(void *panels, const cpu_gemm_a *a, int64_t m, int64_t k)
{
    if (a->col != 1) {
        pack_columns(panels, a, m, k);
        return;
    }
    for (int64_t i = 0; i < m; i++)
        round_row((uint64_t *)panels + i / MR * MR * count_quads(k) + i % MR, MR,
                  a->data + i * a->row, k);
}
