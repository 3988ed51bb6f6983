/* Products of one to four rows (decoding): each row of B is read once, unpacked in registers and
 * multiplied at once, so that the speed is that of the memory. Included by gemm.inc.c.
 *
 * Where x has one row, some rows of B go side by side: the loads of x serve all of them, and their
 * sums do not wait for each other. Each goes through its own part of B in the order of memory,
 * which is what the processor reads ahead. */

#define AT(i, w) (((i) + (w)) % V)
#if V == 16
#define ROTATE(x, w)                                                                               \
    __builtin_shufflevector(x, x, AT(0, w), AT(1, w), AT(2, w), AT(3, w), AT(4, w), AT(5, w),      \
                            AT(6, w), AT(7, w), AT(8, w), AT(9, w), AT(10, w), AT(11, w),          \
                            AT(12, w), AT(13, w), AT(14, w), AT(15, w))
#elif V == 8
#define ROTATE(x, w)                                                                               \
    __builtin_shufflevector(x, x, AT(0, w), AT(1, w), AT(2, w), AT(3, w), AT(4, w), AT(5, w),      \
                            AT(6, w), AT(7, w))
#else
#define ROTATE(x, w) __builtin_shufflevector(x, x, AT(0, w), AT(1, w), AT(2, w), AT(3, w))
#endif

/* By halves. */
CPU_INLINE float sum_lanes(vf x)
{
#if V >= 16
    x += ROTATE(x, 8);
#endif
#if V >= 8
    x += ROTATE(x, 4);
#endif
    x += ROTATE(x, 2);
    x += ROTATE(x, 1);
    return x[0];
}

CPU_INLINE void finish_dot(const cpu_dot *d, int64_t i, int64_t j, const vf *acc)
{
    int64_t at = i * d->ldy + j;
    vf lanes = acc[0];
    for (int p = 1; p < N_PARTS; p++)
        lanes += acc[p];
    float sum = sum_lanes(lanes);
    d->y[at] = d->y_in ? __builtin_fmaf(sum, d->alpha, d->y_in[at]) : sum * d->alpha;
}

#define SIDE_BY_SIDE (V == 16 ? 4 : 2) /* as many as there are registers for their sums */

/* One routine a format and number of rows: m and n_rows are constants after inlining. */
#define DEFINE_DOT(id, name, kind)                                                                 \
    CPU_INLINE void add_##name(vf acc[CPU_DOT_ROWS][N_PARTS], const uint8_t *w, unsigned at,       \
                               const eai_planes *planes, const float *x, int64_t ldx, const int m) \
    {                                                                                              \
        v32 b = LOAD_##kind(name, w, at, planes);                                                  \
        for (int i = 0; i < m; i++) {                                                              \
            for (int j = 0; j < N_PARTS; j++)                                                      \
                acc[i][j] += b.part[j] * vf_load(x + i * ldx + V * j);                             \
        }                                                                                          \
    }                                                                                              \
    CPU_INLINE void add_rest_##name(vf acc[CPU_DOT_ROWS][N_PARTS], const uint8_t *w,               \
                                    const cpu_dot *d, int64_t whole, const int m)                  \
    {                                                                                              \
        uint8_t padded[BYTES_##id] = {0};                                                          \
        float x[CPU_DOT_ROWS][32] = {{0}};                                                         \
        size_t rest = (size_t)(d->k - whole);                                                      \
        memcpy(padded, w, rest *(BYTES_##id / 32));                                                \
        for (int i = 0; i < m; i++)                                                                \
            memcpy(x[i], d->x + i * d->ldx + whole, rest * sizeof(float));                         \
        add_##name(acc, padded, 0, d->b->planes, x[0], 32, m);                                     \
    }                                                                                              \
    CPU_INLINE void dot_some_##name(const cpu_dot *d, int64_t n, int64_t step, const int m,        \
                                    const int n_rows)                                              \
    {                                                                                              \
        const size_t apart = (size_t)step * d->b->row_bytes;                                       \
        int64_t whole = d->k / 32 * 32;                                                            \
        const uint8_t *w = d->b->data + (size_t)(d->n0 + n) * d->b->row_bytes;                     \
        vf acc[SIDE_BY_SIDE][CPU_DOT_ROWS][N_PARTS];                                               \
        _Pragma("GCC unroll 4") for (int r = 0; r < n_rows; r++)                                   \
        {                                                                                          \
            for (int i = 0; i < m; i++) {                                                          \
                for (int j = 0; j < N_PARTS; j++)                                                  \
                    acc[r][i][j] = (vf){0};                                                        \
            }                                                                                      \
        }                                                                                          \
        for (int64_t k = 0; k < whole; k += 32 * PARTS_##id, w += BYTES_##id) {                    \
            _Pragma("GCC unroll 8") for (unsigned at = 0; at < PARTS_##id; at++)                   \
            {                                                                                      \
                _Pragma("GCC unroll 4") for (int r = 0; r < n_rows; r++) add_##name(               \
                    acc[r], w + r * apart, at, d->b->planes, d->x + k + 32 * at, d->ldx, m);       \
            }                                                                                      \
        }                                                                                          \
        if (!IS_PLANAR_##kind && whole < d->k) {                                                   \
            _Pragma("GCC unroll 4") for (int r = 0; r < n_rows; r++)                               \
                add_rest_##name(acc[r], w + r * apart, d, whole, m);                               \
        }                                                                                          \
        _Pragma("GCC unroll 4") for (int r = 0; r < n_rows; r++)                                   \
        {                                                                                          \
            for (int i = 0; i < m; i++)                                                            \
                finish_dot(d, i, n + r * step, acc[r][i]);                                         \
        }                                                                                          \
    }                                                                                              \
    CPU_INLINE void dot_rows_##name(const cpu_dot *d, const int m)                                 \
    {                                                                                              \
        int64_t step = m == 1 ? d->n / SIDE_BY_SIDE : 0;                                           \
        for (int64_t n = 0; n < step; n++)                                                         \
            dot_some_##name(d, n, step, m, SIDE_BY_SIDE);                                          \
        for (int64_t n = step * SIDE_BY_SIDE; n < d->n; n++)                                       \
            dot_some_##name(d, n, 0, m, 1);                                                        \
    }                                                                                              \
    static void dot_##name##_1(const cpu_dot *d)                                                   \
    {                                                                                              \
        dot_rows_##name(d, 1);                                                                     \
    }                                                                                              \
    static void dot_##name##_2(const cpu_dot *d)                                                   \
    {                                                                                              \
        dot_rows_##name(d, 2);                                                                     \
    }                                                                                              \
    static void dot_##name##_3(const cpu_dot *d)                                                   \
    {                                                                                              \
        dot_rows_##name(d, 3);                                                                     \
    }                                                                                              \
    static void dot_##name##_4(const cpu_dot *d)                                                   \
    {                                                                                              \
        dot_rows_##name(d, 4);                                                                     \
    }
CPU_FORMATS(DEFINE_DOT)
#undef DEFINE_DOT

static void dot(const cpu_dot *d)
{
    static void (*const fns[EAI_DTYPE_COUNT][CPU_DOT_ROWS])(const cpu_dot *) = {
#define ROW(id, name, kind)                                                                        \
    [EAI_##id] = {dot_##name##_1, dot_##name##_2, dot_##name##_3, dot_##name##_4},
        CPU_FORMATS(ROW)
#undef ROW
    };
    fns[d->b->dtype][d->m - 1](d);
}
