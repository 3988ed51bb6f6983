/* Packing for products in f32. Included by gemm.inc.c; the tiles that read the result are in
 * tile_vector.inc.c.
 *
 * A number of A costs a tile the same wherever it lies, so thin products read A in place; large
 * ones pack it, because a strided block of A falls into few cache sets. */

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
        for (int j = 0; j < n; j++) {
            fetch_b(b, n0 + NR + j, k0 + c, part);
            unpack_b(rows[j], b, n0 + j, k0 + c, part);
        }
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
        fetch_b(b, k0 + p + AHEAD, n0, n);
        unpack_b(row, b, k0 + p, n0, n);
        for (; j < n; j += NR) {
            int w = n - j <= V ? V : NR;
            for (int i = 0; i < w; i += V)
                vf_store(strips + j * k + p * w + i, vf_load(src + j + i));
        }
    }
}
