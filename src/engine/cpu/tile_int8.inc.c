/* Tiles of C in 8 bits (pack_int8.inc.c says what they read). A tile's integer sums live for one
 * block and its float sums for all of K, both in registers. Included by int8.inc.c. */

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

/* Sums of one block, of which so many steps are there: sums += da * db * integers. nv is a constant
 * after inlining. */
CPU_INLINE void add_block(vf sum[N_ROWS][NV], const uint8_t *a, const uint8_t *b, const int nv,
                          int64_t steps)
{
    const int w = nv * VC;
    vi s[N_ROWS][NV] = {0}; /* for compilers that do not see that all are set */
#pragma GCC unroll 12
    for (int i = 0; i < N_ROWS; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < nv; j++)
            s[i][j] = TILE_ZERO ? (vi)spread_rows(a + MR * (KB + 4) + 4 * i * VR) : (vi){0};
    }
    for (int64_t at_sub = 0; at_sub < steps; at_sub += SUB) {
        const uint8_t *codes_a = a + at_sub * MR;
        const uint8_t *codes_b = b + at_sub * w;
#pragma GCC unroll 16
        for (int at = 0; at < SUB / STEP; at++) {
            vbytes codes[NV];
#pragma GCC unroll 4
            for (int j = 0; j < nv; j++)
                memcpy(&codes[j], codes_b + (at * w + j * VC) * STEP, sizeof(codes[j]));
#pragma GCC unroll 12
            for (int i = 0; i < N_ROWS; i++) {
                vbytes rows = load_rows(codes_a + row_at(i, at));
#pragma GCC unroll 4
                for (int j = 0; j < nv; j++)
                    s[i][j] = sum_tile(s[i][j], codes[j], rows);
            }
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

CPU_INLINE void run_tile(const cpu_tile *t, const int nv)
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
        add_block(sum, a, b, nv, MIN(KB, t->k - k));
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

static void tile(const cpu_tile *t)
{
    if (strip_width(t->n) == NR)
        run_tile(t, NV);
    else
        run_tile(t, NV_HALF);
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
