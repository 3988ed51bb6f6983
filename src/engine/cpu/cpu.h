/* The CPU backend, seen from its kernels.
 *
 * What: one struct an open backend, one row an operation (kernels.c), one table of routines an
 * instruction set (gemm.h, int8.h, vec.h; chosen once by dispatch.c). A kernel reads a step, splits
 * its work over the pool and calls routines of the table; it allocates nothing and cannot fail.
 * Start at cpu_kernel_row; to add an operation, write its kernel, declare it in kernels.h and give
 * it a row in kernels.c. To add an instruction set: a row in layer.cmake and one in dispatch.c. */
#ifndef EAI_ENGINE_CPU_CPU_H
#define EAI_ENGINE_CPU_CPU_H

#include <efficientai/threads.h>

#include "graph/backend.h"

typedef struct cpu_gemm_table cpu_gemm_table; /* gemm.h */
typedef struct cpu_int8_table cpu_int8_table; /* int8.h */
typedef struct cpu_vec_table cpu_vec_table;   /* vec.h */

/* The left operand of the last product, packed: the next one may have the same (q, k and v). */
typedef struct cpu_packed {
    const float *data; /* NULL: nothing is there */
    int64_t row, col, m, k;
    const cpu_gemm_table *table;
    const void *panels; /* where */
} cpu_packed;

typedef struct cpu_backend {
    eai_backend base;
    eai_pool *pool;
    const cpu_gemm_table *gemm;      /* products in f32 */
    const cpu_gemm_table *gemm_bf16; /* products of bf16 operands; NULL unless bf16 */
    const cpu_gemm_table *gemm_int8; /* large products of weights in 8 bits; NULL unless int8 */
    const cpu_int8_table *int8;      /* those of few rows, quantized weights; NULL unless int8 */
    const cpu_int8_table *int16;     /* of one or two rows, in 16 bits; NULL unless bf16 */
    const cpu_vec_table *vec;        /* everything else */
    bool bf16;                       /* large products round their operands to bf16 */
    cpu_packed packed;               /* what the last step left in the workspace */
} cpu_backend;

/* Runs one step. `workspace` has what the row's workspace() asked for, aligned to 64 bytes. */
typedef void (*cpu_kernel)(cpu_backend *b, const eai_step *s, void *workspace);

typedef struct cpu_kernel_row {
    cpu_kernel run; /* NULL: no kernel, the planner lowers the operation */
    /* Bytes of scratch, exact; NULL: none. */
    size_t (*workspace)(const cpu_backend *b, const eai_step *s);
    /* NULL (or a NULL function) when the step can run, else why not: static text. */
    const char *(*refuses)(const cpu_backend *b, const eai_step *s);
    unsigned halves; /* a bit an input: it may be bf16 as well as f32 */
} cpu_kernel_row;

extern const cpu_kernel_row cpu_kernels[EAI_OP_COUNT]; /* kernels.c */

/* One instruction set that this build has kernels for. */
typedef struct cpu_isa {
    const char *name;
    const cpu_gemm_table *gemm;
    const cpu_gemm_table *gemm_bf16; /* NULL: products in f32 only */
    const cpu_int8_table *int8;
    const cpu_gemm_table *gemm_int8; /* NULL: large products in bf16 */
    const cpu_vec_table *vec;
    const cpu_vec_table *vec_bf16; /* attention multiplies bf16; NULL: as vec */
    bool (*present)(void);         /* the machine has it; may ask the system for permission */
} cpu_isa;

/* The row called `name`, or the best that the machine has when NULL. An unknown or missing
 * instruction set is an error that lists those present. */
EAI_CHECKED eai_status cpu__find_isa(const cpu_isa **out, const char *name, eai_error *err);
/* All rows, weakest first; tests walk through them. */
const cpu_isa *cpu__isas(size_t *n);

/* eai_backend_measure_peak: peak.c. */
double cpu__peak(eai_backend *base);

EAI_CHECKED eai_status cpu__open(eai_backend **out, const eai_backend_opts *opts, eai_error *err);

#endif
