/* Plans and backends: a graph compiled once for its shapes, then run many times.
 *
 * Use:
 *     eai_backend *b;
 *     eai_backend_opts opts = EAI_BACKEND_OPTS_INIT;
 *     EAI_TRY(eai_backend_open(&b, "cpu", &opts, err));
 *     EAI_TRY(eai_plan_create(&plan, g, b, err));      // chains fused, places fixed
 *     eai_graph_free(g);                               // the plan keeps no graph
 *     eai_operand ids;
 *     EAI_TRY(eai_plan_find(&ids, plan, "ids", err));  // an input or output by name
 *     ... fill ids.data ...
 *     EAI_TRY(eai_plan_run(plan, err));
 *
 * All memory of a run is taken by eai_plan_create; a run allocates nothing. Where the shapes change
 * from run to run, plan_cache.h keeps a plan a shape.
 * Thread-safety: a backend runs one plan at a time; a plan belongs to one thread at a time. */
#ifndef EAI_PLAN_H
#define EAI_PLAN_H

#include <stdio.h>

#include <efficientai/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_backend eai_backend;
typedef struct eai_plan eai_plan;

typedef enum eai_precision {
    EAI_PRECISION_AUTO, /* bf16 products where the processor has them, else f32 */
    EAI_PRECISION_F32,
    EAI_PRECISION_BF16, /* operands of large products rounded to bf16, sums in f32; one or two rows
                           times quantized weights are rounded to 16 bits with a scale for each 32
                           elements, which is near f32 */
    EAI_PRECISION_INT8  /* both operands of large products with frozen weights (of any type but f32)
                           rounded to 8 bits (weights to 7 on AVX2) with a scale for each 64
                           elements,  forward and for gradients; of one to four rows times quantized
                           weights the  rows alone, by 32 elements; all else as AUTO. AMX: large ones
                           in bf16 */
} eai_precision;

/* "auto", "f32", "bf16" or "int8"; false for any other. */
EAI_API bool eai_precision_from_name(eai_precision *out, const char *name);
EAI_API const char *eai_precision_name(eai_precision p);

typedef struct eai_backend_opts {
    int n_threads; /* 0: all cores */
    eai_precision precision;
    const char *isa; /* NULL: $EFFICIENTAI_CPU_ISA, else the best of the machine; mlx: "cpu" or
                        "gpu", NULL: the latter where there is one */
} eai_backend_opts;
#define EAI_BACKEND_OPTS_INIT ((eai_backend_opts){0, EAI_PRECISION_AUTO, NULL})

/* `name`: "cpu"; "mlx", through the plugin libefficientai_mlx ($EFFICIENTAI_MLX, else beside this
 * library or in ../lib), without int8; "auto": mlx on Apple Silicon where that can be opened, else
 * cpu, which the log says and why; "reference": float64 everywhere, slow, for tests. An instruction
 * set that the machine lacks, a plugin or an MLX that is missing or does not fit:
 * EAI_ERR_UNSUPPORTED. */
EAI_API EAI_CHECKED eai_status eai_backend_open(eai_backend **out, const char *name,
                                                const eai_backend_opts *opts, eai_error *err);
EAI_API void eai_backend_close(eai_backend *b);
/* "cpu avx2, 2 threads, f32": borrowed. */
EAI_API const char *eai_backend_describe(const eai_backend *b);
EAI_API const char *eai_backend_name(const eai_backend *b); /* "cpu", what auto took */
EAI_API const char *eai_backend_isa(const eai_backend *b);  /* "avx2"; mlx: "cpu" or "gpu" */
EAI_API int eai_backend_threads(const eai_backend *b);
/* The instruction sets that this machine has, the weakest first: what eai_backend_opts.isa may
 * name. NULL beyond the last. Static. */
EAI_API const char *eai_backend_isa_at(size_t i);
EAI_API eai_precision
eai_backend_precision(const eai_backend *b); /* F32, BF16 or INT8: what it really uses */
/* Bytes that weights and plans should take together: MLX's recommended working set. 0: not known,
 * or no limit but the machine's memory (cpu). */
EAI_API uint64_t eai_backend_memory_budget(const eai_backend *b);
/* FLOP/s of the instruction that large products are made of, on registers alone and with all
 * threads: what no product can exceed (int8: no product of weights). Takes a quarter of a second.
 * 0: not known (reference). */
EAI_API double eai_backend_measure_peak(eai_backend *b);

/* Memory of a tensor as a plan sees it. */
typedef struct eai_operand {
    void *data;
    eai_dtype dtype;
    eai_shape shape;
    const eai_planes *planes; /* of weights of PLANAR types, else NULL */
} eai_operand;

EAI_API EAI_CHECKED eai_status eai_plan_create(eai_plan **out, eai_graph *g, eai_backend *b,
                                               eai_error *err);
/* The same in the memory of `lender`, as far as that is large enough: plans that never run at once
 * take the memory of the largest, not the sum. What a plan's inputs and outputs hold is lost when
 * another plan of the same memory is made or run. `lender` may be NULL, and may be freed first: the
 * memory goes with its last plan. */
EAI_API EAI_CHECKED eai_status eai_plan_create_sharing(eai_plan **out, eai_graph *g, eai_backend *b,
                                                       const eai_plan *lender, eai_error *err);
EAI_API void eai_plan_free(eai_plan *plan);
/* The input or output of that name; EAI_ERR_NOT_FOUND where the graph has none, or nothing uses it.
 */
EAI_API EAI_CHECKED eai_status eai_plan_find(eai_operand *out, const eai_plan *plan,
                                             const char *name, eai_error *err);
EAI_API EAI_CHECKED eai_status eai_plan_run(eai_plan *plan, eai_error *err);

/* What a plan takes, known before the first run. */
typedef struct eai_plan_memory {
    size_t activations; /* the arena of all intermediate values */
    size_t workspace;   /* scratch of the kernels */
    size_t inputs;
    size_t states;    /* the caller's, read and written */
    size_t weights;   /* the caller's, read only */
    size_t unplanned; /* what the activations would take without sharing of places */
    size_t live;      /* what of them is alive at once, at most: the least they can take */
} eai_plan_memory;
EAI_API void eai_plan_get_memory(eai_plan_memory *out, const eai_plan *plan);
EAI_API size_t eai_plan_steps(const eai_plan *plan);
EAI_API double eai_plan_flops(const eai_plan *plan);
/* A table for people: kinds of steps with counts and FLOPs, memory, what was fused. */
EAI_API void eai_plan_print(const eai_plan *plan, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
