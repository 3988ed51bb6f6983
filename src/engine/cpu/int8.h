/* What an instruction set brings to products of few rows with quantized weights in 8-bit integers:
 * int8.inc.c, compiled once for each. (Many rows are a table of gemm.h, in gemm_int8.inc.c.)
 *
 * Both operands are bytes with a scale a block. Weights stay as they are stored: x = d * (code -
 * zero) + m, where `code` is a byte, `zero` belongs to the type, d and m to a group of 32 or 16
 * elements along K. Rows of A are quantized in blocks of 32: a = da * q, da = max|a| / 127. So a
 * group's part of the sum is
 *     da * d * (sum q * code - zero * sum q)  +  m * da * sum q
 * where the first bracket is exact in 32-bit integers, which start at "- zero * sum q".
 *
 * They can be had in 16 bits: a = da * (256 * high + low), two bytes that are two rows of the
 * panel, multiplied with the same codes, or one row of words (sums.inc.c says for which types).
 * That costs one more product of bytes, or as many of words, and is nearly as exact as f32.
 *
 * A is quantized once a product, into a panel; then columns of C are dot products with rows of B,
 * unpacked in registers. Types meet instruction sets in one routine a type, which yields 32 codes
 * (codes.inc.c). What surrounds them is product_dot.c. */
#ifndef EAI_ENGINE_CPU_INT8_H
#define EAI_ENGINE_CPU_INT8_H

#include "engine/cpu/gemm.h"

/* The types: elements that share a scale, `zero`, and whether m is there. Codes are 0 .. 63, but of
 * WIDE types signed bytes. */
/*      enum    routine  kind  group zero  m      wide */
#define CPU_INT8_FORMATS(X)                                                                        \
    X(Q8_0, q8_0, PLAIN, 32, 0, false, true)                                                       \
    X(Q4_0, q4_0, PLAIN, 32, 8, false, false)                                                      \
    X(Q4_1, q4_1, PLAIN, 32, 0, true, false)                                                       \
    X(Q5_0, q5_0, PLAIN, 32, 16, false, false)                                                     \
    X(Q5_1, q5_1, PLAIN, 32, 0, true, false)                                                       \
    X(IQ4_NL, iq4_nl, PLAIN, 32, 0, false, true)                                                   \
    X(MXFP4, mxfp4, PLAIN, 32, 12, false, false)                                                   \
    X(Q2_K, q2_k, PLAIN, 16, 0, true, false)                                                       \
    X(Q3_K, q3_k, PLAIN, 16, 4, false, false)                                                      \
    X(Q4_K, q4_k, PLAIN, 32, 0, true, false)                                                       \
    X(Q5_K, q5_k, PLAIN, 32, 0, true, false)                                                       \
    X(Q6_K, q6_k, PLAIN, 16, 32, false, false)                                                     \
    X(MLX_Q2, mlx_q2, PLANAR, 32, 0, true, false)                                                  \
    X(MLX_Q3, mlx_q3, PLANAR, 32, 0, true, false)                                                  \
    X(MLX_Q4, mlx_q4, PLANAR, 32, 0, true, false)                                                  \
    X(MLX_Q5, mlx_q5, PLANAR, 32, 0, true, false)                                                  \
    X(MLX_Q6, mlx_q6, PLANAR, 32, 0, true, false)                                                  \
    X(MLX_Q8, mlx_q8, PLANAR, 32, 0, true, true)                                                   \
    X(MLX_MXFP4, mlx_mxfp4, PLANAR, 32, 12, false, false)                                          \
    X(MLX_NVFP4, mlx_nvfp4, PLANAR, 16, 12, false, false)

/* A panel of A: for each block of 32 steps of K the codes of its rows, then floats da, then for
 * each group of the block "- zero * sum q" as integers and "da * sum q" as floats, a number a row.
 * In 16 bits the first half of the rows are the high bytes, the others the low ones, or each row of
 * words takes the place of two; the floats, and the integers of words, are the first half's. */
#define CPU_INT8_BLOCK(rows, groups)                                                               \
    (((size_t)(rows)*32 + (size_t)(rows) * (4 + 8 * (size_t)(groups)) + 31) / 32 * 32)

/* y[i * ldy + j] = alpha * sum_k a[i, k] b[j, k] (+ y_in) for i < m, rows n0 .. n0 + n of B. */
typedef struct cpu_int8_dot {
    float *y;
    const float *y_in; /* NULL, or with y's stride; may be y */
    int64_t ldy;
    const uint8_t *panel; /* of m rows, in 16 bits of 2 m */
    int m;                /* 1 .. CPU_DOT_ROWS, in 16 bits .. CPU_DOT_ROWS / 2 */
    bool fine;            /* in 16 bits */
    const cpu_gemm_b *b;
    int64_t n0, n, k;
    float alpha;
} cpu_int8_dot;

struct cpu_int8_table {
    const char *isa;
    /* Quantizes m rows of A, x[i * ldx ...], into a panel; `fine`: in 16 bits. */
    void (*quantize)(uint8_t *panel, const float *x, int64_t ldx, int m, int64_t k, eai_dtype dtype,
                     bool fine);
    void (*dot)(const cpu_int8_dot *d);
};

#endif
