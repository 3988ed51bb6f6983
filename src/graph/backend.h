/* What a backend implements. A backend sees steps only: operations with places, in order.
 *
 * To add a backend: fill an eai_backend_ops, embed eai_backend as the first member of your own
 * struct, and add a row to the table in engine/backend.c. */
#ifndef EAI_GRAPH_BACKEND_H
#define EAI_GRAPH_BACKEND_H

#include <efficientai/profile.h>

#include "graph/ops.h"

/* One elementwise operation of a fused chain. Operand numbers below n_in are the step's inputs
 * (same number of elements as the output, or one element); number n_in + i is the result of
 * instruction i. The last instruction's result is the output. */
typedef struct eai_fused_instruction {
    eai_op op;
    int a, b; /* b is -1 for one-operand operations */
    eai_op_params params;
} eai_fused_instruction;

#define EAI_FUSED_MAX 16
typedef struct eai_fused {
    int n;
    eai_fused_instruction code[EAI_FUSED_MAX];
} eai_fused;

/* What an operand is, for backends that keep values themselves: a value that a step makes has a
 * number below the plan's n_values, the same wherever it is read; else it is memory. */
enum {
    EAI_OPERAND_WEIGHT = -1, /* the caller's, never written */
    EAI_OPERAND_STATE = -2,  /* the caller's, which steps may write */
    EAI_OPERAND_INPUT = -3,  /* the plan's, written between runs */
};

typedef struct eai_step {
    eai_op op;
    int n_in, n_out;
    eai_operand in[EAI_MAX_INPUTS];
    eai_operand out[EAI_MAX_OUTPUTS]; /* data NULL: not wanted */
    eai_op_params params;
    const eai_fused *fused; /* op FUSED, else NULL */
    const char *scope;      /* for profiles; may be "" */
    int in_value[EAI_MAX_INPUTS], out_value[EAI_MAX_OUTPUTS];
    unsigned dies; /* bit i: nothing after this step reads the value of input i */
    unsigned kept; /* bit j: output j is an output of the plan, read at out[j].data after a run */
} eai_step;
/* MATMUL steps that fusion makes have more inputs:
 *     a, b, c          out = alpha * op(a) op(b) + c
 *     a, b, d, e       out = alpha * a op(b) + pair_alpha * d op(e)
 *     a, b, c, d, e    both
 * op(e) is transposed as op(b) is; matrices of a pair have two dimensions. Where params say
 * `chained`, f takes the place of d, which is the second output (not wanted: data NULL):
 *     d = chain_alpha * a op(f)
 * When c.data == out[0].data the sum is in place. */

typedef struct eai_backend_ops {
    const char *name;
    /* EAI_F32, or EAI_F64 for the reference: the type in which F32 intermediate values are kept. */
    eai_dtype compute;
    bool fuse;     /* the planner may make FUSED steps and MATMUL steps with more inputs */
    bool in_place; /* outputs may share the place of an input that dies there */
    /* Input i of such a step may be bf16 where the operation says f32. NULL: none may. */
    bool (*reads_half)(eai_op op, int i);
    /* NULL when the step can run, else why not (static text). */
    const char *(*refuses)(const eai_backend *b, const eai_step *s);
    /* Scratch bytes that the step needs while it runs. */
    size_t (*workspace)(const eai_backend *b, const eai_step *s);
    /* What a backend makes of a plan once, handed to `run`; NULL: nothing. n_values: see eai_step.
     * `discard` takes it back. */
    eai_status (*prepare)(eai_backend *b, const eai_step *steps, size_t n, int n_values,
                          void **prepared, eai_error *err);
    void (*discard)(eai_backend *b, void *prepared);
    /* Memory for activations and inputs, aligned to 64 bytes; NULL on failure. */
    void *(*alloc)(eai_backend *b, size_t bytes);
    void (*release)(eai_backend *b, void *p);
    eai_status (*run)(eai_backend *b, const eai_step *steps, size_t n, void *prepared,
                      void *workspace, eai_error *err);
    double (*peak)(eai_backend *b); /* eai_backend_measure_peak; NULL: not known */
    void (*close)(eai_backend *b);
} eai_backend_ops;

struct eai_backend {
    const eai_backend_ops *ops;
    char description[128];
    char isa[32];
    int n_threads;
    eai_precision precision;
    uint64_t memory_budget; /* see eai_backend_memory_budget */
    eai_profile *profile;   /* the caller's; NULL: none */
};

/* For run: the step that began at `begin` (eai_clock_seconds) has ended. Returns when the next one
 * begins. */
double graph__profile_step(eai_profile *p, const eai_step *s, double begin);

#endif
