/* Rows of every storage format, of any length, as floats. Included by gemm.inc.c and int8.inc.c,
 * behind unpack.inc.c. */

/* Elements first .. first + n of a row; `first` is a multiple of 32. Whole blocks of 256 are
 * unrolled: their parts differ in shifts and scales, which are constants then. Plain types may end
 * in the middle of 32 elements: those are read from a copy. */
#define DEFINE_UNPACK(id, name, kind)                                                              \
    CPU_INLINE void store_##name(float *out, const uint8_t *p, unsigned at,                        \
                                 const eai_planes *planes)                                         \
    {                                                                                              \
        v32 x = LOAD_##kind(name, p, at, planes);                                                  \
        for (int j = 0; j < N_PARTS; j++)                                                          \
            vf_store(out + V * j, x.part[j]);                                                      \
    }                                                                                              \
    static void unpack_##name(float *out, const uint8_t *row, const eai_planes *planes,            \
                              int64_t first, int64_t n)                                            \
    {                                                                                              \
        (void)planes;                                                                              \
        int64_t i = 0;                                                                             \
        row += first / (32 * PARTS_##id) * BYTES_##id;                                             \
        if (PARTS_##id > 1) {                                                                      \
            unsigned at = (unsigned)(first / 32) % PARTS_##id;                                     \
            for (; i < n && at % PARTS_##id != 0; i += 32)                                         \
                store_##name(out + i, row, at++, planes);                                          \
            row += at > 0 ? BYTES_##id : 0;                                                        \
        }                                                                                          \
        for (; i + 32 * PARTS_##id <= n; i += 32 * PARTS_##id, row += BYTES_##id) {                \
            _Pragma("GCC unroll 8") for (unsigned at = 0; at < PARTS_##id; at++)                   \
                store_##name(out + i + 32 * at, row, at, planes);                                  \
        }                                                                                          \
        if (PARTS_##id > 1) {                                                                      \
            for (unsigned at = 0; i < n; i += 32)                                                  \
                store_##name(out + i, row, at++, planes);                                          \
        }                                                                                          \
        if (!IS_PLANAR_##kind && i < n) {                                                          \
            uint8_t padded[BYTES_##id] = {0};                                                      \
            float last[32];                                                                        \
            memcpy(padded, row, (size_t)(n - i) * (BYTES_##id / 32));                              \
            store_##name(last, padded, 0, planes);                                                 \
            memcpy(out + i, last, (size_t)(n - i) * sizeof(float));                                \
        }                                                                                          \
    }
CPU_FORMATS(DEFINE_UNPACK)
#undef DEFINE_UNPACK

static cpu_unpack *const unpackers[EAI_DTYPE_COUNT] = {
#define ROW(id, name, kind) [EAI_##id] = unpack_##name,
    CPU_FORMATS(ROW)
#undef ROW
};

static const struct {
    uint16_t block, bytes;
} format_sizes[EAI_DTYPE_COUNT] = {
#define ROW(id, name, block, bytes, st, kind) [EAI_##id] = {block, bytes},
    EAI_DTYPE_TABLE(ROW)
#undef ROW
};

/* Elements at .. at + n of row r of B; `at` is a multiple of 32. */
CPU_INLINE void unpack_b(float *out, const cpu_gemm_b *b, int64_t r, int64_t at, int64_t n)
{
    unpackers[b->dtype](out, b->data + (size_t)r * b->row_bytes, b->planes, at, n);
}

/* Where the block that holds element `at` of row r of B begins: in plain types the element. */
static const uint8_t *find_element(const cpu_gemm_b *b, int64_t r, int64_t at)
{
    return b->data + (size_t)r * b->row_bytes +
           (size_t)(at / format_sizes[b->dtype].block) * format_sizes[b->dtype].bytes;
}

#define AHEAD 8 /* rows along N that are asked for before they are unpacked */

/* Asks for elements at .. at + n of row r, which may lie behind the last row, ahead of their use:
 * parts of rows are no sequence that the processor would foresee. */
CPU_INLINE void fetch_b(const cpu_gemm_b *b, int64_t r, int64_t at, int64_t n)
{
    const uint8_t *p = find_element(b, r, at);
    const uint8_t *end = find_element(b, r, at + n);
    for (; p < end; p += 64)
        __builtin_prefetch(p);
}
