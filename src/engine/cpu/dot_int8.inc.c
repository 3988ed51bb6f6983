/* Products of one to four rows (decoding) in 8 bits: each row of B is read once, its codes taken in
 * registers. Included by int8.inc.c. */

typedef float dotf __attribute__((vector_size(BYTES_WIDTH)));
#define DW (BYTES_WIDTH / 4)

CPU_INLINE float sum_dots(dotf x)
{
    float lane[DW];
    memcpy(lane, &x, sizeof(x));
    for (int w = DW / 2; w > 0; w /= 2) {
        for (int i = 0; i < w; i++)
            lane[i] += lane[i + w];
    }
    return lane[0];
}

CPU_INLINE float load_float(const uint8_t *p)
{
    float x;
    memcpy(&x, p, sizeof(x));
    return x;
}

/* {x, 0, 0, ...} */
CPU_INLINE dots load_first(const uint8_t *p)
{
    dots x = {0};
    int32_t i;
    memcpy(&i, p, sizeof(i));
    x[0] = i;
    return x;
}

/* sum += the product of 32 codes with row i of a block of A; m is the panel's rows. */
CPU_INLINE dotf add_group32(dotf sum, b32 w, float d, const uint8_t *block, int i, const int m,
                            const bool wide)
{
    dots s = load_first(block + 36 * m + 4 * i);
    for (int j = 0; j < N_BYTES; j++) {
        bytes8 a;
        memcpy(&a, block + 32 * i + BYTES_WIDTH * j, sizeof(a));
        s = sum_bytes(s, w.part[j], a, wide);
    }
    return sum + __builtin_convertvector(s, dotf) * (d * load_float(block + 32 * m + 4 * i));
}

/* The same with a scale for each half of the codes. */
CPU_INLINE dotf add_groups16(dotf sum, b32 w, const float d[2], const uint8_t *block, int i,
                             const int m, const bool wide)
{
    const uint8_t *starts = block + 36 * m + 4 * i;
    float da = load_float(block + 32 * m + 4 * i);
#if BYTES_WIDTH == 16
    for (int j = 0; j < 2; j++) {
        bytes8 a;
        memcpy(&a, block + 32 * i + 16 * j, sizeof(a));
        dots s = sum_bytes(load_first(starts + 4 * m * j), w.part[j], a, wide);
        sum += __builtin_convertvector(s, dotf) * (d[j] * da);
    }
    return sum;
#else
    bytes8 a;
    memcpy(&a, block + 32 * i, sizeof(a));
    dots first = load_first(starts);
    dots last = load_first(starts + 4 * m);
    dots s = __builtin_shufflevector(first, last, 0, 1, 2, 3, 8, 9, 10, 11);
    dotf scale = {d[0], d[0], d[0], d[0], d[1], d[1], d[1], d[1]};
    return sum + __builtin_convertvector(sum_bytes(s, w.part[0], a, wide), dotf) * (scale * da);
#endif
}

CPU_INLINE void finish_dot(const cpu_int8_dot *d, int64_t i, int64_t j, float sum)
{
    int64_t at = i * d->ldy + j;
    d->y[at] = d->y_in ? __builtin_fmaf(sum, d->alpha, d->y_in[at]) : sum * d->alpha;
}

/* Columns at a time: they share the loads of A, and their sums do not wait for each other; the sums
 * of more would not fit in 16 registers. Each goes through its own part of B in the order of
 * memory, which is what the processor reads ahead. */
#define DOT_COLUMNS(m) ((m) <= 2 ? 2 : 1)

/* One routine a type and number of rows: m is a constant after inlining. */
#define DEFINE_DOT(id, name, group, zero, has_m, wide)                                             \
    CPU_INLINE void add_##name(dotf sum[CPU_DOT_ROWS], float low[CPU_DOT_ROWS], const uint8_t *w,  \
                               unsigned at, const uint8_t *block, const int m)                     \
    {                                                                                              \
        b32 codes = codes_##name(w, at);                                                           \
        scales s = scales_##name(w, at);                                                           \
        for (int j = 0; j < N_BYTES; j++)                                                          \
            codes.part[j] = make_operand(codes.part[j], wide);                                     \
        for (int i = 0; i < m; i++) {                                                              \
            sum[i] = (group) == 32 ? add_group32(sum[i], codes, s.d[0], block, i, m, wide)         \
                                   : add_groups16(sum[i], codes, s.d, block, i, m, wide);          \
            for (int g = 0; (has_m) && g < 32 / (group); g++)                                      \
                low[i] += s.m[g] * load_float(block + 36 * m + 4 * ((32 / (group) + g) * m + i));  \
        }                                                                                          \
    }                                                                                              \
    CPU_INLINE void dot_columns_##name(const cpu_int8_dot *d, int64_t n, int64_t step,             \
                                       const int m, const int columns)                             \
    {                                                                                              \
        const uint8_t *w = d->b->data + (size_t)(d->n0 + n) * d->b->row_bytes;                     \
        const uint8_t *block = d->panel;                                                           \
        const size_t apart = (size_t)step * d->b->row_bytes;                                       \
        dotf sum[2][CPU_DOT_ROWS];                                                                 \
        float low[2][CPU_DOT_ROWS];                                                                \
        for (int c = 0; c < columns; c++) {                                                        \
            for (int i = 0; i < m; i++) {                                                          \
                sum[c][i] = (dotf){0};                                                             \
                low[c][i] = 0;                                                                     \
            }                                                                                      \
        }                                                                                          \
        for (int64_t k = 0; k < d->k; k += 32 * PARTS_##id, w += BYTES_##id) {                     \
            _Pragma("GCC unroll 8") for (unsigned at = 0; at < PARTS_##id; at++)                   \
            {                                                                                      \
                for (int c = 0; c < columns; c++)                                                  \
                    add_##name(sum[c], low[c], w + c * apart, at, block, m);                       \
                block += CPU_INT8_BLOCK(m, 32 / (group));                                          \
            }                                                                                      \
        }                                                                                          \
        for (int c = 0; c < columns; c++) {                                                        \
            for (int i = 0; i < m; i++)                                                            \
                finish_dot(d, i, n + c * step, sum_dots(sum[c][i]) + low[c][i]);                   \
        }                                                                                          \
    }                                                                                              \
    CPU_INLINE void dot_rows_##name(const cpu_int8_dot *d, const int m)                            \
    {                                                                                              \
        int64_t step = d->n / DOT_COLUMNS(m);                                                      \
        for (int64_t n = 0; n < step; n++)                                                         \
            dot_columns_##name(d, n, step, m, DOT_COLUMNS(m));                                     \
        if (step * DOT_COLUMNS(m) < d->n)                                                          \
            dot_columns_##name(d, d->n - 1, 0, m, 1);                                              \
    }                                                                                              \
    static void dot_##name##_1(const cpu_int8_dot *d)                                              \
    {                                                                                              \
        dot_rows_##name(d, 1);                                                                     \
    }                                                                                              \
    static void dot_##name##_2(const cpu_int8_dot *d)                                              \
    {                                                                                              \
        dot_rows_##name(d, 2);                                                                     \
    }                                                                                              \
    static void dot_##name##_3(const cpu_int8_dot *d)                                              \
    {                                                                                              \
        dot_rows_##name(d, 3);                                                                     \
    }                                                                                              \
    static void dot_##name##_4(const cpu_int8_dot *d)                                              \
    {                                                                                              \
        dot_rows_##name(d, 4);                                                                     \
    }
CPU_INT8_FORMATS(DEFINE_DOT)
#undef DEFINE_DOT

static void dot(const cpu_int8_dot *d)
{
    static void (*const fns[EAI_DTYPE_COUNT][CPU_DOT_ROWS])(const cpu_int8_dot *) = {
#define ROW(id, name, group, zero, has_m, wide)                                                    \
    [EAI_##id] = {dot_##name##_1, dot_##name##_2, dot_##name##_3, dot_##name##_4},
        CPU_INT8_FORMATS(ROW)
#undef ROW
    };
    fns[d->b->dtype][d->m - 1](d);
}
