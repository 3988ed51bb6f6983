/* The gradient rules named in ops.def; see eai_op_spec.grad. */
#ifndef EAI_GRAPH_GRADIENTS_H
#define EAI_GRAPH_GRADIENTS_H

#include "graph/ops.h"

/* clang-format off */
#define GRAD_RULES(X)                                                                     \
    X(add) X(sub) X(mul) X(div) X(maximum) X(minimum) X(affine) X(power) X(exp) X(log)    \
    X(sigmoid) X(tanh) X(silu) X(convert) X(reshape) X(permute) X(broadcast_to) X(sum) X(matmul) \
    X(gather_rows) X(scatter_rows) X(softmax) X(log_softmax) X(rms_norm) X(swiglu)        \
    X(rope) X(attention) X(linear_ce) X(dropout)
/* clang-format on */

#define GRAD_DECLARE(name)                                                                         \
    bool grad_##name(eai_graph *g, const eai_node *n, eai_tensor *const *dout, const bool *want,   \
                     eai_tensor **din);
GRAD_RULES(GRAD_DECLARE)
#undef GRAD_DECLARE

#endif
