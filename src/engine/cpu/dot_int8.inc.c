/* Products of one to four rows (decoding) in 8 bits: each row of B is read once, its codes taken in
 * registers. Included by int8.inc.c. */

typedef float dotf __attribute__((vector_size(BYTES_WIDTH)));
#define DW (BYTES_WIDTH / 4)

/* By halves. */
CPU_INLINE float sum_dots(dotf x)
{
#if DW == 8
    x += __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3);
    x += __builtin_shufflevector(x, x, 2, 3, 0, 1, 2, 3, 0, 1);
#else
    x += __builtin_shufflevector(x, x, 2, 3, 0, 1);
#endif
    return x[0] + x[1];
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

/* A group's 32 codes times row i of a block of A. */
CPU_INLINE dots multiply32(b32 w, const uint8_t *block, int i, const int rows, const bool wide)
{
    dots s = load_first(block + 36 * rows + 4 * i);
    for (int j = 0; j < N_BYTES; j++) {
        bytes8 a;
        memcpy(&a, block + 32 * i + BYTES_WIDTH * j, sizeof(a));
        s = sum_bytes(s, w.part[j], a, wide);
    }
    return s;
}

/* sum += the product of 32 codes with row i of a block; rows: of the panel, of which the second
 * half are low bytes where `fine`. */
CPU_INLINE dotf add_group32(dotf sum, b32 w, float d, const uint8_t *block, int i, const int rows,
                            const bool wide, const bool fine)
{
    dots s = multiply32(w, block, i, rows, wide);
    if (fine)
        s = s * 256 + multiply32(w, block, rows / 2 + i, rows, wide);
    return sum + __builtin_convertvector(s, dotf) * (d * load_float(block + 32 * rows + 4 * i));
}

/* The same with a scale for each half of the codes. */
#if BYTES_WIDTH == 16
CPU_INLINE dots multiply16(b32 w, const uint8_t *block, int i, const int rows, const int half,
                           const bool wide)
{
    bytes8 a;
    memcpy(&a, block + 32 * i + 16 * half, sizeof(a));
    return sum_bytes(load_first(block + 36 * rows + 4 * (i + half * rows)), w.part[half], a, wide);
}
#else
CPU_INLINE dots multiply16(b32 w, const uint8_t *block, int i, const int rows, const bool wide)
{
    bytes8 a;
    memcpy(&a, block + 32 * i, sizeof(a));
    dots first = load_first(block + 36 * rows + 4 * i);
    dots last = load_first(block + 36 * rows + 4 * (i + rows));
    dots s = __builtin_shufflevector(first, last, 0, 1, 2, 3, 8, 9, 10, 11);
    return sum_bytes(s, w.part[0], a, wide);
}
#endif

CPU_INLINE dotf add_groups16(dotf sum, b32 w, const float d[2], const uint8_t *block, int i,
                             const int rows, const bool wide, const bool fine)
{
    float da = load_float(block + 32 * rows + 4 * i);
#if BYTES_WIDTH == 16
    for (int half = 0; half < 2; half++) {
        dots s = multiply16(w, block, i, rows, half, wide);
        if (fine)
            s = s * 256 + multiply16(w, block, rows / 2 + i, rows, half, wide);
        sum += __builtin_convertvector(s, dotf) * (d[half] * da);
    }
    return sum;
#else
    dots s = multiply16(w, block, i, rows, wide);
    if (fine)
        s = s * 256 + multiply16(w, block, rows / 2 + i, rows, wide);
    dotf scale = {d[0], d[0], d[0], d[0], d[1], d[1], d[1], d[1]};
    return sum + __builtin_convertvector(s, dotf) * (scale * da);
#endif
}

/* The same of codes and a row of A as words. */
CPU_INLINE dotf add_words(dotf sum, w32 w, float d, const uint8_t *block, int i, const int rows)
{
    dots s = load_first(block + 36 * rows + 4 * i);
    for (int j = 0; j < N_WORDS; j++) {
        words a;
        memcpy(&a, block + 64 * i + BYTES_WIDTH * j, sizeof(a));
        s = sum_words(s, w.part[j], a);
    }
    return sum + __builtin_convertvector(s, dotf) * (d * load_float(block + 32 * rows + 4 * i));
}

CPU_INLINE void finish_dot(const cpu_int8_dot *d, int64_t i, int64_t j, float sum)
{
    int64_t at = i * d->ldy + j;
    d->y[at] = d->y_in ? __builtin_fmaf(sum, d->alpha, d->y_in[at]) : sum * d->alpha;
}

/* Columns at a time: they share the loads of A, and their sums do not wait for each other; the sums
 * of more would not fit in the 16 registers of AVX2, or the 32 of AVX-512. Each goes through its
 * own part of B in the order of memory, which is what the processor reads ahead. */
#define DOT_COLUMNS(m) ((m) == 1 && EAI_ISA_WIDTH == 16 ? 4 : (m) <= 2 ? 2 : 1)

/* One routine a type and number of rows: m is a constant after inlining. */
#define DEFINE_DOT(id, name, kind, group, zero, has_m, wide)                                       \
    CPU_INLINE void add_##name(dotf sum[CPU_DOT_ROWS], float low[CPU_DOT_ROWS], const uint8_t *w,  \
                               unsigned at, const eai_planes *planes, const uint8_t *block,        \
                               const int m, const bool fine)                                       \
    {                                                                                              \
        const int rows = fine ? 2 * m : m;                                                         \
        scales s = SCALES_##kind(name, w, at, planes);                                             \
        if (fine && WORDS_KIND(EAI_##id) != WORDS_NONE) {                                          \
            w32 codes = load_w32(w + WORDS_AT(EAI_##id), WORDS_KIND(EAI_##id));                    \
            for (int i = 0; i < m; i++)                                                            \
                sum[i] = add_words(sum[i], codes, s.d[0], block, i, rows);                         \
        } else {                                                                                   \
            b32 codes = codes_##name(w, at);                                                       \
            for (int j = 0; j < N_BYTES; j++)                                                      \
                codes.part[j] = make_operand(codes.part[j], wide);                                 \
            for (int i = 0; i < m; i++)                                                            \
                sum[i] = (group) == 32                                                             \
                             ? add_group32(sum[i], codes, s.d[0], block, i, rows, wide, fine)      \
                             : add_groups16(sum[i], codes, s.d, block, i, rows, wide, fine);       \
        }                                                                                          \
        for (int i = 0; i < m; i++) {                                                              \
            for (int g = 0; (has_m) && g < 32 / (group); g++)                                      \
                low[i] +=                                                                          \
                    s.m[g] * load_float(block + 36 * rows + 4 * ((32 / (group) + g) * rows + i));  \
        }                                                                                          \
    }                                                                                              \
    CPU_INLINE void dot_columns_##name(const cpu_int8_dot *d, int64_t n, int64_t step,             \
                                       const int m, const bool fine, const int columns)            \
    {                                                                                              \
        const uint8_t *w = d->b->data + (size_t)(d->n0 + n) * d->b->row_bytes;                     \
        const uint8_t *block = d->panel;                                                           \
        const size_t apart = (size_t)step * d->b->row_bytes;                                       \
        dotf sum[4][CPU_DOT_ROWS];                                                                 \
        float low[4][CPU_DOT_ROWS];                                                                \
        _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++)                                  \
        {                                                                                          \
            for (int i = 0; i < m; i++) {                                                          \
                sum[c][i] = (dotf){0};                                                             \
                low[c][i] = 0;                                                                     \
            }                                                                                      \
        }                                                                                          \
        for (int64_t k = 0; k < d->k; k += 32 * PARTS_##id, w += BYTES_##id) {                     \
            _Pragma("GCC unroll 8") for (unsigned at = 0; at < PARTS_##id; at++)                   \
            {                                                                                      \
                _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++)                          \
                    add_##name(sum[c], low[c], w + c * apart, at, d->b->planes, block, m, fine);   \
                block += CPU_INT8_BLOCK(fine ? 2 * m : m, 32 / (group));                           \
            }                                                                                      \
        }                                                                                          \
        _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++)                                  \
        {                                                                                          \
            for (int i = 0; i < m; i++)                                                            \
                finish_dot(d, i, n + c * step, sum_dots(sum[c][i]) + low[c][i]);                   \
        }                                                                                          \
    }                                                                                              \
    CPU_INLINE void dot_rows_##name(const cpu_int8_dot *d, const int m, const bool fine)           \
    {                                                                                              \
        int64_t step = d->n / DOT_COLUMNS(m);                                                      \
        for (int64_t n = 0; n < step; n++)                                                         \
            dot_columns_##name(d, n, step, m, fine, DOT_COLUMNS(m));                               \
        for (int64_t n = step * DOT_COLUMNS(m); n < d->n; n++)                                     \
            dot_columns_##name(d, n, 0, m, fine, 1);                                               \
    }                                                                                              \
    static void dot_##name##_1(const cpu_int8_dot *d)                                              \
    {                                                                                              \
        dot_rows_##name(d, 1, false);                                                              \
    }                                                                                              \
    static void dot_##name##_2(const cpu_int8_dot *d)                                              \
    {                                                                                              \
        dot_rows_##name(d, 2, false);                                                              \
    }                                                                                              \
    static void dot_##name##_3(const cpu_int8_dot *d)                                              \
    {                                                                                              \
        dot_rows_##name(d, 3, false);                                                              \
    }                                                                                              \
    static void dot_##name##_4(const cpu_int8_dot *d)                                              \
    {                                                                                              \
        dot_rows_##name(d, 4, false);                                                              \
    }                                                                                              \
    static void dot_##name##_fine_1(const cpu_int8_dot *d)                                         \
    {                                                                                              \
        dot_rows_##name(d, 1, true);                                                               \
    }                                                                                              \
    static void dot_##name##_fine_2(const cpu_int8_dot *d)                                         \
    {                                                                                              \
        dot_rows_##name(d, 2, true);                                                               \
    }
CPU_INT8_FORMATS(DEFINE_DOT)
#undef DEFINE_DOT

typedef void (*dot_fn)(const cpu_int8_dot *d);

static void dot(const cpu_int8_dot *d)
{
    static const dot_fn plain[EAI_DTYPE_COUNT][CPU_DOT_ROWS] = {
#define ROW(id, name, kind, group, zero, has_m, wide)                                              \
    [EAI_##id] = {dot_##name##_1, dot_##name##_2, dot_##name##_3, dot_##name##_4},
        CPU_INT8_FORMATS(ROW)
#undef ROW
    };
    static const dot_fn fine[EAI_DTYPE_COUNT][CPU_DOT_ROWS / 2] = {
#define ROW(id, name, kind, group, zero, has_m, wide)                                              \
    [EAI_##id] = {dot_##name##_fine_1, dot_##name##_fine_2},
        CPU_INT8_FORMATS(ROW)
#undef ROW
    };
    (d->fine ? fine[d->b->dtype][d->m - 1] : plain[d->b->dtype][d->m - 1])(d);
}
