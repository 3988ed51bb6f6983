/* A plan under construction: the steps that will run, still speaking of tensors instead of places.
 * fuse.c and recompute.c rewrite a draft, memory.c gives its values places, plan.c makes it and
 * turns it into steps. */
#ifndef EAI_GRAPH_DRAFT_H
#define EAI_GRAPH_DRAFT_H

#include "base/arena.h"
#include "graph/backend.h"

typedef struct draft_step {
    eai_op op;
    int n_in, n_out;
    const eai_tensor *in[EAI_MAX_INPUTS];
    const eai_tensor *out[EAI_MAX_OUTPUTS];
    eai_op_params params;
    eai_fused *fused;
    const char *scope;
    int changes; /* how many state-changing steps come before this one */
    bool dropped;
} draft_step;

typedef struct draft {
    draft_step *steps;
    int n;
    int n_tensors;
    int *uses;     /* by tensor id: how many inputs of steps, plus one where it is an output of the
                      graph */
    int *producer; /* by tensor id: step, or -1 */
    bool *kept;    /* by tensor id: an output of the graph */
    int n_fused;   /* operations that disappeared into others */
    eai_arena *arena; /* of the plan */
} draft;

/* x + a b becomes one product that adds; chains of elementwise operations become one step.
 * False when memory is out. */
bool draft__fuse(draft *d);

/* Values that are cheap to make are made again rather than kept for the backward pass. After it
 * `producer` no longer holds. False when memory is out. */
bool draft__recompute(draft *d);

/* Large values that wait for the backward pass wait in bf16, and are read so where the backend
 * does. After it `producer` no longer holds. False when memory is out. */
bool draft__halve(draft *d, const eai_backend_ops *ops);

/* Where the bytes of a value are. */
typedef struct placement {
    size_t *offset; /* by tensor id, for values in the arena; SIZE_MAX: not in the arena */
    size_t arena_bytes;
    size_t unshared_bytes;
    size_t live_bytes; /* of the values that are alive at once, at most: no arena can be smaller */
    int live_step;     /* where that is; -1: there are no values */
} placement;

/* Gives every value that a step makes a place; values whose lives do not overlap may share one. The
 * caller frees out->offset, whatever happens. */
bool draft__place(placement *out, const draft *d, const eai_backend_ops *ops);

/* The tensor whose memory `t` is: follows RESHAPE. */
const eai_tensor *draft__root(const eai_tensor *t);
/* Bytes of an intermediate value on this backend. */
size_t draft__bytes(const eai_tensor *t, const eai_backend_ops *ops);

#endif
