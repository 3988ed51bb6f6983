/* Tiles of C in 8 bits, and the strips of B that they read. Included by int8.inc.c.
 *
 * A strip has w columns, w a multiple of VC and at most NR. For each block of 32 steps: codes
 * [32 / STEP][w][STEP], then floats d [groups][w] and, for types that have them, m [groups][w].
 * Columns that are not there hold anything.
 *
 * A tile's integer sums live for one group and its float sums for all of K, both in registers: of
 * the 32 that AVX-512 has, 6 x 2 each, and of the 16 of AVX2, 4 each. */

#if EAI_ISA_WIDTH == 16 || defined(EAI_ISA_NEON)
#define NV      (2 * VR) /* vectors side by side */
#define NV_HALF VR       /* in a last strip of few columns */
#else
#define NV      1
#define NV_HALF 1
#endif
#define NR     (NV * VC)
#define N_ROWS (MR / VR)

/* Bytes that a column takes of a block: a strip's block is w times that. */
#define STRIP_COLUMN(group, has_m) (32 + 4 * (32 / (group)) * (1 + (has_m)))

/* ---- Strips
 * ------------------------------------------------------------------------------------- */

/* Codes of T columns, which begin at column j. */
CPU_INLINE void store_columns(uint8_t *block, int w, int j, const b32 codes[T])
{
#if VR > 1
    for (int i = 0; i < T; i++) {
        uint8_t bytes[32];
        memcpy(bytes, codes[i].part, 32);
        for (int s = 0; s < 32 / STEP; s++)
            memcpy(block + (s * w + j + i) * STEP, bytes + s * STEP, STEP);
    }
#else
    for (int part = 0; part < N_BYTES; part++) {
        vt r[T];
        for (int i = 0; i < T; i++)
            r[i] = (vt)codes[i].part[part];
        transpose_block(r);
        for (int s = 0; s < T; s++)
            memcpy(block + ((part * T + s) * w + j) * 4, &r[s], sizeof(r[s]));
    }
#endif
}

/* Columns of a strip that n of them need. */
static int strip_width(int n)
{
    return n <= NV_HALF * VC ? NV_HALF * VC : NR;
}

#define DEFINE_PACK(id, name, group, zero, has_m, wide)                                            \
    CPU_INLINE void pack32_##name(uint8_t *block, int w, int j, const uint8_t *const row[T],       \
                                  unsigned at)                                                     \
    {                                                                                              \
        b32 codes[T];                                                                              \
        float *d = (float *)(void *)(block + 32 * w);                                              \
        float *m = d + 32 / (group)*w;                                                             \
        for (int i = 0; i < T; i++) {                                                              \
            scales s = scales_##name(row[i], at);                                                  \
            codes[i] = codes_##name(row[i], at);                                                   \
            for (int part = 0; part < N_BYTES; part++)                                             \
                codes[i].part[part] = make_operand(codes[i].part[part], wide);                     \
            for (int g = 0; g < 32 / (group); g++) {                                               \
                d[g * w + j + i] = s.d[g];                                                         \
                if (has_m)                                                                         \
                    m[g * w + j + i] = s.m[g];                                                     \
            }                                                                                      \
        }                                                                                          \
        store_columns(block, w, j, codes);                                                         \
    }                                                                                              \
    static void pack_##name(uint8_t *strip, const cpu_gemm_b *b, int64_t n0, int n, int64_t k0,    \
                            int64_t k)                                                             \
    {                                                                                              \
        const int w = strip_width(n);                                                              \
        for (int j = 0; j < w; j += T) {                                                           \
            const uint8_t *row[T];                                                                 \
            uint8_t *block = strip;                                                                \
            for (int i = 0; i < T; i++)                                                            \
                row[i] = b->data + (size_t)(n0 + MIN(j + i, n - 1)) * b->row_bytes +               \
                         (size_t)(k0 / (32 * PARTS_##id)) * BYTES_##id;                            \
            for (int64_t p = 0; p < k; p += 32 * PARTS_##id) {                                     \
                _Pragma("GCC unroll 8") for (unsigned at = 0; at < PARTS_##id; at++)               \
                {                                                                                  \
                    pack32_##name(block, w, j, row, at);                                           \
                    block += w * STRIP_COLUMN(group, has_m);                                       \
                }                                                                                  \
                for (int i = 0; i < T; i++)                                                        \
                    row[i] += BYTES_##id;                                                          \
            }                                                                                      \
        }                                                                                          \
    }
CPU_INT8_FORMATS(DEFINE_PACK)
#undef DEFINE_PACK

static void pack(uint8_t *strip, const cpu_gemm_b *b, int64_t n0, int n, int64_t k0, int64_t k)
{
    static void (*const fns[EAI_DTYPE_COUNT])(uint8_t *, const cpu_gemm_b *, int64_t, int, int64_t,
                                              int64_t) = {
#define ROW(id, name, group, zero, has_m, wide) [EAI_##id] = pack_##name,
        CPU_INT8_FORMATS(ROW)
#undef ROW
    };
    fns[b->dtype](strip, b, n0, n, k0, k);
}

/* ---- Tiles
 * -------------------------------------------------------------------------------------- */

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

CPU_INLINE void finish_tile(const cpu_int8_tile *t, vf sum[N_ROWS][NV], const int nv)
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

/* All but t are constants after inlining. */
CPU_INLINE void run_tile(const cpu_int8_tile *t, const int nv, const int groups, const bool has_m,
                         const bool wide)
{
    const int w = nv * VC;
    const int steps = 32 / STEP / groups;
    const uint8_t *a = t->panel;
    const uint8_t *b = t->strip;
    vf sum[N_ROWS][NV];
#pragma GCC unroll 12
    for (int i = 0; i < N_ROWS; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < nv; j++)
            sum[i][j] = (vf){0};
    }
    for (int64_t k = 0; k < t->k; k += 32) {
#pragma GCC unroll 2
        for (int g = 0; g < groups; g++) {
            vi s[N_ROWS][NV] = {0}; /* for compilers that do not see that all are set */
#pragma GCC unroll 12
            for (int i = 0; i < N_ROWS; i++) {
#pragma GCC unroll 4
                for (int j = 0; j < nv; j++)
                    s[i][j] = (vi)spread_rows(a + 36 * MR + 4 * (g * MR + i * VR));
            }
#pragma GCC unroll 8
            for (int at = g * steps; at < (g + 1) * steps; at++) {
                vbytes codes[NV];
#pragma GCC unroll 4
                for (int j = 0; j < nv; j++)
                    memcpy(&codes[j], b + (at * w + j * VC) * STEP, sizeof(codes[j]));
#pragma GCC unroll 12
                for (int i = 0; i < N_ROWS; i++) {
                    vbytes rows = load_rows(a + 32 * VR * i + at * VR * STEP);
#pragma GCC unroll 4
                    for (int j = 0; j < nv; j++)
                        s[i][j] = sum_tile(s[i][j], codes[j], rows, wide);
                }
            }
#pragma GCC unroll 12
            for (int i = 0; i < N_ROWS; i++) {
                vf da = (vf)spread_rows(a + 32 * MR + 4 * i * VR);
                vf low = (vf)spread_rows(a + 36 * MR + 4 * ((groups + g) * MR + i * VR));
#pragma GCC unroll 4
                for (int j = 0; j < nv; j++) {
                    const uint8_t *d = b + 32 * w + 4 * (g * w + j * VC);
                    sum[i][j] += __builtin_convertvector(s[i][j], vf) * (da * spread_columns(d));
                    if (has_m)
                        sum[i][j] += low * spread_columns(d + 4 * groups * w);
                }
            }
        }
        a += CPU_INT8_BLOCK(MR, groups);
        b += w * (32 + 4 * groups * (1 + has_m));
    }
    finish_tile(t, sum, nv);
}

#define DEFINE_TILE(id, name, group, zero, has_m, wide)                                            \
    static void tile_##name(const cpu_int8_tile *t)                                                \
    {                                                                                              \
        if (strip_width(t->n) == NR)                                                               \
            run_tile(t, NV, 32 / (group), has_m, wide);                                            \
        else                                                                                       \
            run_tile(t, NV_HALF, 32 / (group), has_m, wide);                                       \
    }
CPU_INT8_FORMATS(DEFINE_TILE)
#undef DEFINE_TILE

static void tile(const cpu_int8_tile *t)
{
    static void (*const fns[EAI_DTYPE_COUNT])(const cpu_int8_tile *) = {
#define ROW(id, name, group, zero, has_m, wide) [EAI_##id] = tile_##name,
        CPU_INT8_FORMATS(ROW)
#undef ROW
    };
    fns[t->dtype](t);
}
