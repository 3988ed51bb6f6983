/* The cost rules named in ops.def: floating-point operations of one step, counting a multiply-add
 * as two. */
#ifndef EAI_GRAPH_COST_H
#define EAI_GRAPH_COST_H

#include "graph/backend.h"

/* Of a step of a plan, fused ones too. */
double graph__step_flops(const eai_step *s);

double cost_none(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p);
double cost_elements(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p);
double cost_matmul(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p);
double cost_softmax(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p);
double cost_attention(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p);
double cost_linear_ce(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p);

#endif
