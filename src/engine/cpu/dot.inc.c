/* Products of one to four rows (decoding): each row of B is read once, unpacked in registers and
 * multiplied at once, so that the speed is that of the memory. Included by gemm.inc.c. */

CPU_INLINE float sum_lanes(vf x)
{
    float lane[V];
    vf_store(lane, x);
    for (int w = V / 2; w > 0; w /= 2) {
        for (int i = 0; i < w; i++)
            lane[i] += lane[i + w];
    }
    return lane[0];
}

CPU_INLINE void finish_dot(const cpu_dot *d, int64_t i, int64_t j, float sum)
{
    int64_t at = i * d->ldy + j;
    d->y[at] = d->y_in ? __builtin_fmaf(sum, d->alpha, d->y_in[at]) : sum * d->alpha;
}

/* One routine a format and number of rows: m is a constant after inlining. */
#define DEFINE_DOT(id, name)                                                                       \
    CPU_INLINE void add_##name(vf acc[CPU_DOT_ROWS][N_PARTS], const uint8_t *w, unsigned at,       \
                               const float *x, int64_t ldx, const int m)                           \
    {                                                                                              \
        v32 b = load32_##name(w, at);                                                              \
        for (int i = 0; i < m; i++) {                                                              \
            for (int j = 0; j < N_PARTS; j++)                                                      \
                acc[i][j] += b.part[j] * vf_load(x + i * ldx + V * j);                             \
        }                                                                                          \
    }                                                                                              \
    CPU_INLINE void dot_rows_##name(const cpu_dot *d, const int m)                                 \
    {                                                                                              \
        int64_t whole = d->k / 32 * 32;                                                            \
        int64_t rest = d->k - whole;                                                               \
        for (int64_t n = 0; n < d->n; n++) {                                                       \
            const uint8_t *w = d->b->data + (size_t)(d->n0 + n) * d->b->row_bytes;                 \
            vf acc[CPU_DOT_ROWS][N_PARTS] = {{{0}}};                                               \
            for (int64_t k = 0; k < whole; k += 32 * PARTS_##id, w += BYTES_##id) {                \
                _Pragma("GCC unroll 8") for (unsigned at = 0; at < PARTS_##id; at++)               \
                    add_##name(acc, w, at, d->x + k + 32 * at, d->ldx, m);                         \
            }                                                                                      \
            if (rest) {                                                                            \
                uint8_t padded[BYTES_##id] = {0};                                                  \
                float x[CPU_DOT_ROWS][32] = {{0}};                                                 \
                memcpy(padded, w, (size_t)rest *(BYTES_##id / 32));                                \
                for (int i = 0; i < m; i++)                                                        \
                    memcpy(x[i], d->x + i * d->ldx + whole, (size_t)rest * sizeof(float));         \
                add_##name(acc, padded, 0, x[0], 32, m);                                           \
            }                                                                                      \
            for (int i = 0; i < m; i++) {                                                          \
                vf sum = acc[i][0];                                                                \
                for (int j = 1; j < N_PARTS; j++)                                                  \
                    sum += acc[i][j];                                                              \
                finish_dot(d, i, n, sum_lanes(sum));                                               \
            }                                                                                      \
        }                                                                                          \
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
#define ROW(id, name) [EAI_##id] = {dot_##name##_1, dot_##name##_2, dot_##name##_3, dot_##name##_4},
        CPU_FORMATS(ROW)
#undef ROW
    };
    fns[d->b->dtype][d->m - 1](d);
}
