/* One product of matrices, for the kernels that are made of products. */
#ifndef EAI_ENGINE_CPU_PRODUCT_H
#define EAI_ENGINE_CPU_PRODUCT_H

#include "engine/cpu/cpu.h"
#include "engine/cpu/gemm.h"

/* Products with fewer multiplications stay on one thread. */
#define CPU_SERIAL_WORK (64 * 64 * 64)

/* Elements [i, i + m) x [j, j + n) of a matrix, its rows `ld` numbers apart. */
typedef struct cpu_block {
    int64_t i, m, j, n, ld;
} cpu_block;
/* Columns of blocks that are taken begin at multiples of it. */
#define CPU_TAKE_COLUMNS 192

/* c [m, n] = alpha * a [m, k] b [k, n] (+ c_in) (+ pair.alpha * pair.a [m, pair.k] pair.b)
 * A pair may be a chain: then pair.a is computed as well, pair.a = chain_alpha * a pair.chain.
 * Large matrices that are read or written once need not exist: rows of A may be made when they are
 * packed, blocks of C taken while they are in cache, both by any thread and not by a pair. */
typedef struct cpu_product {
    int64_t m, n, k;
    cpu_gemm_a a;
    cpu_gemm_b b;
    float *c;
    const float *c_in; /* NULL, or with c's stride; may be c */
    int64_t ldc;
    float alpha;
    bool may_be_packed; /* the last product's A may still be this one, unchanged: take its panels */
    struct {
        int64_t k; /* 0: there is none */
        cpu_gemm_a a;
        cpu_gemm_b b;
        float alpha;
        bool chained;
        cpu_gemm_b chain; /* [k, pair.k] */
        float chain_alpha;
        float *made; /* where pair.a goes, without gaps; NULL: into scratch */
    } pair;          /* a thin second product, added while the result is in cache */
    /* Instead of a.data (then a.col is 1): writes elements of A to `out`. */
    void (*give)(void *ud, float *out, const cpu_block *at);
    /* Instead of c, without c_in: each element of C once. */
    void (*take)(void *ud, const float *c, const cpu_block *at);
    void *ud;
} cpu_product;

/* Scratch bytes; looks at shapes and types, not at data. */
size_t cpu__product_workspace(const cpu_backend *be, const cpu_product *p);
/* `workspace` is aligned to 64 bytes. The result does not depend on the number of threads. */
void cpu__product(cpu_backend *be, const cpu_product *given, void *workspace);

/* Operands for matrices stored as [rows, cols] without gaps. */
cpu_gemm_a cpu__gemm_a(const float *data, int64_t rows, int64_t cols, bool trans);
cpu_gemm_b cpu__gemm_b(const eai_operand *x, int64_t cols, bool trans);

#endif
