/* What an instruction set brings to products: gemm.inc.c, compiled once for each.
 *
 * A product C = alpha * op(A) op(B) + C0 is computed a tile at a time: `tile` multiplies a panel of
 * A (up to mr rows) with a strip of B (up to nr columns) over `k` steps. Panels and strips are
 * copies in the order in which the tile reads them, made by `pack_a` and `pack_b`; pack_b also
 * unpacks compact storage. Formats meet instruction sets in one routine a format, which yields 32
 * elements (unpack.inc.c). The blocking around the tiles is in product.c and knows neither. */
#ifndef EAI_ENGINE_CPU_GEMM_H
#define EAI_ENGINE_CPU_GEMM_H

#include <efficientai/dtype.h>

/* Blocks of K, and of N where rows of B lie along N, start at multiples of this: so many elements
 * of a row are unpacked at a time. Longer blocks of a storage type are unpacked in parts. */
#define CPU_BLOCK 32

/* The left operand: element (i, k) is at data[i * row + k * col]; one of the strides is 1. */
typedef struct cpu_gemm_a {
    const float *data;
    int64_t row, col;
} cpu_gemm_a;

/* The right operand as it is stored. along_k: its rows are [N, K] (linear layers), else [K, N]. */
typedef struct cpu_gemm_b {
    const uint8_t *data;
    eai_dtype dtype;
    const eai_planes *planes; /* of PLANAR types, else NULL */
    size_t row_bytes;
    bool along_k;
} cpu_gemm_b;

/* c[i, j] = alpha * sum_k a[i, k] b[k, j] + (c_in ? c_in[i, j] : 0) for i < m, j < n. */
typedef struct cpu_tile {
    float *c;
    const float *c_in; /* NULL, or with c's stride; may be c */
    int64_t ldc;
    float alpha;
    int m, n;
    int64_t k; /* steps, not rounded up */
    /* A packed panel (a_row 1, a_col its stride), or, for f32 tables, A in place: one stride is 1.
     */
    const void *a;
    int64_t a_row, a_col;
    /* A packed strip of b_step columns, or, for f32 tables, columns of B in place, b_step its
     * stride. Whole vectors of it are read. */
    const void *b;
    int64_t b_step;
} cpu_tile;

/* y[i * ldy + j] = alpha * sum_k x[i * ldx + k] b[j, k] (+ y_in) for i < m and rows n0 .. n0 + n of
 * B, which lie along K and have k elements. */
typedef struct cpu_dot {
    float *y;
    const float *y_in; /* NULL, or with y's stride; may be y */
    int64_t ldy;
    const float *x;
    int64_t ldx;
    int m; /* 1 .. CPU_DOT_ROWS */
    const cpu_gemm_b *b;
    int64_t n0, n, k;
    float alpha;
} cpu_dot;
#define CPU_DOT_ROWS 4

/* c[i * ldc + j] = alpha * sum_k a[i * a_row + k] b[k, j] for i < m, j < n; b as pack_thin makes
 * it. */
typedef struct cpu_thin {
    float *c;
    int64_t ldc;
    const float *a;
    int64_t a_row;
    const void *b;
    int64_t m, n, k;
    float alpha;
} cpu_thin;

/* Elements first .. first + n of a row; `planes` of PLANAR types, else NULL. */
typedef void cpu_unpack(float *out, const uint8_t *row, const eai_planes *planes, int64_t first,
                        int64_t n);

struct cpu_gemm_table {
    const char *isa;
    int mr, nr;  /* the largest tile; strips of B are nr columns wide */
    int mr_half; /* rows of a tile that reads A in place and a strip of nr_half columns */
    int nr_half; /* width of a last strip of few columns; nr where there is no such tile */
    int levels;  /* 8 bits: codes of B are -levels .. levels; 0: other operands */
    bool direct; /* tiles can read A in place where its rows lie along K, and B in f32 where its
                  * rows lie along N */
    int k_align; /* steps of K in packed operands are rounded up to this */
    int a_bytes; /* that so many steps take in a packed panel of mr rows ... */
    int b_bytes; /* ... and in one column of a strip */
    int panel;   /* tiles that read A in place: from a step to the next of a packed panel, in
                  * numbers */
    /* Block sizes: rows (a multiple of mr), columns (of nr and CPU_BLOCK; at most CPU_MAX_NC),
     * steps of K (of CPU_BLOCK). A block mc x kc of A and one of B, kc x nc, stay in the
     * second-level cache. */
    int mc, nc, kc;
    /* Puts m rows of A (from its row 0) and k steps into panels of mr rows, one after the other. */
    void (*pack_a)(void *panels, const cpu_gemm_a *a, int64_t m, int64_t k);
    /* Puts columns n0 .. n0 + n of B, steps k0 .. k0 + k, into strips of nr columns each (the last
     * one of nr_half where that suffices), one after the other; columns beyond n hold anything. */
    void (*pack_b)(void *strips, const cpu_gemm_b *b, int64_t n0, int64_t n, int64_t k0, int64_t k);
    void (*tile)(const cpu_tile *t);
    /* Called by each thread before and after its tiles; NULL: nothing to do. */
    void (*begin)(void);
    void (*end)(void);
    /* The tile's instruction n times, on registers alone; returns the FLOPs that this was. */
    double (*spin)(int64_t n);
    /* Products of few rows: reads B once and keeps nothing of it. NULL: use another table's. */
    void (*dot)(const cpu_dot *d);
    /* Products of few columns, A in place. B is copied as a whole, its columns and steps rounded up
     * to multiples of these. NULL: use another table's. */
    int thin_columns, thin_steps;
    void (*pack_thin)(void *out, const cpu_gemm_b *b, int64_t n, int64_t k);
    void (*thin)(const cpu_thin *t);
    /* Elements first .. first + n of a row in its storage type, as floats; both are multiples of
     * CPU_BLOCK, except that n may reach to the row's end. NULL where the type is no operand of
     * products. */
    cpu_unpack *unpack[EAI_DTYPE_COUNT];
};
#define CPU_MAX_NC 512

#endif
