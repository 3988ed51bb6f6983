/* A case on a backend: its leaves filled with numbers, its graph built up to some stage, planned
 * and run. */
#ifndef EAI_TESTS_OPS_INSTANCE_H
#define EAI_TESTS_OPS_INSTANCE_H

#include "ops/cases.h"
#include "support/stored.h"

/* The numbers of a case's leaves: the same for every backend, rounded to float. */
typedef struct op_values {
    int n;
    int64_t count[EAI_MAX_INPUTS];
    double *data[EAI_MAX_INPUTS];
} op_values;

void op_values_make(op_values *v, const op_case *c);
void op_values_free(op_values *v);

/* What the graph computes. With f = sum of all results times fixed weights r, and F = sum of all
 * first gradients times fixed weights s: */
typedef enum op_stage {
    STAGE_RESULTS,   /* the operation */
    STAGE_VALUE,     /* f */
    STAGE_GRADIENT,  /* df / d leaves */
    STAGE_VALUE2,    /* F */
    STAGE_GRADIENT2, /* dF / d leaves */
    STAGE_OPERATION, /* all outputs of the operation's node ... */
    STAGE_LOWERED,   /* ... and of its lowering */
} op_stage;

typedef struct op_run {
    const op_case *c;
    const op_values *values;
    bool wide;                            /* float leaves are F64 */
    void *memory[EAI_MAX_INPUTS];         /* of float leaves; kept between runs */
    stored_matrix stored[EAI_MAX_INPUTS]; /* of leaves that are weights */
    void *weights[2 * EAI_MAX_INPUTS];    /* r and s */
    int n_weights;
    eai_plan *plan;
    int n_out;
} op_run;

/* Builds and plans; fails the test when that fails. `temporaries`: float leaves pass through two
 * changes of sign first, so that the operation's inputs are values of the plan, which may be fused
 * and overwritten. */
void op_run_open(op_run *r, const op_case *c, const op_values *v, eai_backend *b, op_stage stage,
                 bool temporaries);
void op_run_close(op_run *r);
/* Adds step * direction[i] to element i of a float leaf, from its original numbers. */
void op_run_move(op_run *r, int leaf, const double *direction, double step);
void op_run_once(op_run *r);
/* Result i as doubles; the caller frees with eai_free. */
double *op_run_result(const op_run *r, int i, int64_t *n);
/* A float leaf as it is now. */
double *op_run_leaf(const op_run *r, int leaf);

bool op_leaf_is_float(const op_leaf *l); /* F32 or F64 state */
bool op_leaf_is_differentiable(const op_leaf *l);

#endif
