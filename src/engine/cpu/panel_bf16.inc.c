/* Panels of A for tiles made of vectors, in bf16: [steps / 2][PANEL] units, of which MR are rows.
 * Included by gemm.inc.c. */

static void pack_rows(uint32_t *panel, const cpu_gemm_a *a, int64_t i, int64_t m, int64_t k)
{
    uint32_t rows[MR][UNITS];
    int n = (int)MIN(MR, m - i);
    for (int64_t c = 0; c < k; c += CHUNK) {
        int64_t part = MIN(CHUNK, k - c);
        int64_t units = 0;
        for (int j = 0; j < n; j++) {
            units = round_floats(rows[j], a->data + (i + j) * a->row + c, part);
        }
        transpose(panel + c / 2 * PANEL, PANEL, PANEL, rows, UNITS, n, units);
    }
}

static void pack_a(void *panels, const cpu_gemm_a *a, int64_t m, int64_t k)
{
    int64_t units = (k + 1) / 2;
    for (int64_t i = 0; a->col == 1 && i < m; i += MR)
        pack_rows((uint32_t *)panels + i / MR * units * PANEL, a, i, m, k);
    for (int64_t p = 0; a->col != 1 && p < units; p++) {
        for (int64_t i = 0; i < m; i += MR) {
            vu r = round_columns(a, i, m, 2 * p, k);
            memcpy((uint32_t *)panels + (i / MR * units + p) * PANEL, &r, sizeof(r));
        }
    }
}
