/* Transposition of 32-bit units (floats, or pairs of bf16), the inner part of all packing. Included
 * by gemm.inc.c and vec_units.h. */

#define T (V < 8 ? V : 8) /* edge of a block in registers */
#if EAI_ISA_WIDTH == 4
typedef uint32_t vt __attribute__((vector_size(16)));
#else
typedef uint32_t vt __attribute__((vector_size(32)));
#endif

CPU_INLINE void transpose_block(vt r[T])
{
    vt s[T];
    vt t[T];
#if EAI_ISA_WIDTH == 4
    for (int i = 0; i < 2; i++) {
        s[2 * i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 0, 4, 1, 5);
        s[2 * i + 1] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 2, 6, 3, 7);
    }
    for (int i = 0; i < 2; i++) {
        t[2 * i] = __builtin_shufflevector(s[i], s[i + 2], 0, 1, 4, 5);
        t[2 * i + 1] = __builtin_shufflevector(s[i], s[i + 2], 2, 3, 6, 7);
    }
    for (int i = 0; i < T; i++)
        r[i] = t[i];
#else
    for (int i = 0; i < 4; i++) { /* pairs of rows: 32-bit units interleaved */
        s[2 * i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        s[2 * i + 1] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 2; i++) { /* 64-bit units: columns 0..3 and 4..7 of four rows */
        for (int j = 0; j < 2; j++) {
            vt a = s[4 * i + j];
            vt b = s[4 * i + j + 2];
            t[4 * i + 2 * j] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
            t[4 * i + 2 * j + 1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
    for (int i = 0; i < 4; i++) { /* halves */
        r[i] = __builtin_shufflevector(t[i], t[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = __builtin_shufflevector(t[i], t[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
#endif
}

/* dst[c * dst_step + r] = src[r * src_step + c] for r < width (a multiple of T), c < cols. Only
 * `rows` rows exist, the last one stands for those missing. Inline, for pack_neon.inc.c does
 * without. */
static inline void transpose(uint32_t *dst, int64_t dst_step, int width, const void *src,
                             int64_t src_step, int rows, int64_t cols)
{
    for (int r0 = 0; r0 < width; r0 += T) {
        const uint8_t *row[T];
        for (int i = 0; i < T; i++)
            row[i] = (const uint8_t *)src + 4 * src_step * (r0 + i < rows ? r0 + i : rows - 1);
        int64_t whole = cols / T * T;
        for (int64_t c = 0; c < whole; c += T) {
            vt block[T];
            for (int i = 0; i < T; i++)
                memcpy(&block[i], row[i] + 4 * c, sizeof(vt));
            transpose_block(block);
            for (int i = 0; i < T; i++)
                memcpy(dst + (c + i) * dst_step + r0, &block[i], sizeof(vt));
        }
        for (int64_t c = whole; c < cols; c++) {
            for (int i = 0; i < T; i++)
                memcpy(dst + c * dst_step + r0 + i, row[i] + 4 * c, 4);
        }
    }
}
