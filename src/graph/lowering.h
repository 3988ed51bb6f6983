/* The lowering rules named in ops.def; see eai_op_spec.lower. */
#ifndef EAI_GRAPH_LOWERING_H
#define EAI_GRAPH_LOWERING_H

#include "graph/ops.h"

void lower_rms_norm(eai_graph *g, const eai_node *n, eai_tensor **out);
void lower_rms_norm_grad(eai_graph *g, const eai_node *n, eai_tensor **out);
void lower_swiglu(eai_graph *g, const eai_node *n, eai_tensor **out);
void lower_swiglu_grad(eai_graph *g, const eai_node *n, eai_tensor **out);
void lower_attention(eai_graph *g, const eai_node *n, eai_tensor **out);
void lower_attention_grad(eai_graph *g, const eai_node *n, eai_tensor **out);
void lower_linear_ce(eai_graph *g, const eai_node *n, eai_tensor **out);

#endif
