/* Packing for products in bf16: operands are rounded once, when they are packed, and stored as
 * units of two steps (bf16.inc.c). Included by gemm.inc.c; what a panel of A looks like is the
 * tile's business (tile_bf16.inc.c, tile_amx.inc.c), strips of B are the same for both.
 *
 * A strip of w columns: [steps / 2][w] units. Steps are filled up with zeros to a multiple of
 * K_ALIGN, in both operands, because a sum over 0 * anything must stay 0. */

#define UNITS (CHUNK / 2) /* of a chunk of a row */

/* Units of a row of n floats, n <= CHUNK; zeros up to a multiple of K_ALIGN steps. */
static int64_t round_floats(uint32_t *units, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + 2 * V <= n; i += 2 * V) {
        vu r = round_row(vf_load(x + i), vf_load(x + i + V));
        memcpy(units + i / 2, &r, sizeof(r));
    }
    if (i < n) {
        float last[2 * V] = {0};
        memcpy(last, x + i, (size_t)(n - i) * sizeof(float));
        vu r = round_row(vf_load(last), vf_load(last + V));
        memcpy(units + i / 2, &r, sizeof(r));
    }
    return (n + K_ALIGN - 1) / K_ALIGN * K_ALIGN / 2;
}

/* From rows of B that lie along K. */
static void pack_strip_along_k(uint32_t *strip, const cpu_gemm_b *b, int w, int64_t n0, int n,
                               int64_t k0, int64_t k)
{
    uint32_t rows[NR][UNITS];
    float x[CHUNK];
    if (b->dtype == EAI_BF16 && k % K_ALIGN == 0 && b->row_bytes % 4 == 0) {
        transpose(strip, w, w, find_element(b, n0, k0), (int64_t)(b->row_bytes / 4), n, k / 2);
        return;
    }
    for (int64_t c = 0; c < k; c += CHUNK) {
        int64_t part = MIN(CHUNK, k - c);
        int64_t units = 0;
        for (int j = 0; j < n; j++) {
            fetch_b(b, n0 + NR + j, k0 + c, part);
            unpack_b(x, b, n0 + j, k0 + c, part);
            units = round_floats(rows[j], x, part);
        }
        transpose(strip + c / 2 * w, w, w, rows, UNITS, n, units);
    }
}

/* All strips from rows of B that lie along N: two rows, which are two steps, at a time. */
static void pack_along_n(uint32_t *strips, const cpu_gemm_b *b, int64_t n0, int64_t n, int64_t k0,
                         int64_t k)
{
    float rows[2][CPU_MAX_NC + NR];
    int64_t padded = (k + K_ALIGN - 1) / K_ALIGN * K_ALIGN;
    memset(rows, 0, sizeof(rows));
    for (int64_t p = 0; p < padded; p += 2) {
        for (int odd = 0; odd < 2; odd++) {
            fetch_b(b, k0 + p + odd + AHEAD, n0, n);
            if (p + odd < k)
                unpack_b(rows[odd], b, k0 + p + odd, n0, n);
            else
                memset(rows[odd], 0, (size_t)n * sizeof(float));
        }
        for (int64_t j = 0; j < n; j += NR) {
            int w = n - j <= V ? V : NR;
            for (int i = 0; i < w; i += V) {
                vu r = round_steps(vf_load(rows[0] + j + i), vf_load(rows[1] + j + i));
                memcpy(strips + (j * padded + p * w) / 2 + i, &r, sizeof(r));
            }
        }
    }
}

/* Units of V rows from row i on, steps p and p + 1, of an A whose steps are rows in memory: zeros
 * for a step that is not there, anything for rows beyond m. */
CPU_INLINE vu round_columns(const cpu_gemm_a *a, int64_t i, int64_t m, int64_t p, int64_t k)
{
    vf step[2];
    for (int odd = 0; odd < 2; odd++) {
        const float *src = a->data + (p + odd) * a->col + i;
        if (p + odd < k && i + V <= m) {
            step[odd] = vf_load(src);
        } else {
            float part[V] = {0};
            if (p + odd < k)
                memcpy(part, src, (size_t)(m - i) * sizeof(float));
            step[odd] = vf_load(part);
        }
    }
    return round_steps(step[0], step[1]);
}
