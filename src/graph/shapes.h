/* The shape rules named in ops.def; see eai_op_spec.infer. */
#ifndef EAI_GRAPH_SHAPES_H
#define EAI_GRAPH_SHAPES_H

#include "graph/ops.h"

bool infer_leaf(eai_graph *g, eai_node *n);
bool infer_broadcast(eai_graph *g, eai_node *n);
bool infer_same(eai_graph *g, eai_node *n);
bool infer_same2(eai_graph *g, eai_node *n);
bool infer_swiglu_grad(eai_graph *g, eai_node *n);
bool infer_convert(eai_graph *g, eai_node *n);
bool infer_reshape(eai_graph *g, eai_node *n);
bool infer_permute(eai_graph *g, eai_node *n);
bool infer_broadcast_to(eai_graph *g, eai_node *n);
bool infer_sum(eai_graph *g, eai_node *n);
bool infer_matmul(eai_graph *g, eai_node *n);
bool infer_gather_rows(eai_graph *g, eai_node *n);
bool infer_scatter_rows(eai_graph *g, eai_node *n);
bool infer_rms_norm(eai_graph *g, eai_node *n);
bool infer_rope(eai_graph *g, eai_node *n);
bool infer_interval(eai_graph *g, eai_node *n);
bool infer_window_start(eai_graph *g, eai_node *n);
bool infer_attention(eai_graph *g, eai_node *n);
bool infer_attention_grad(eai_graph *g, eai_node *n);
bool infer_linear_ce(eai_graph *g, eai_node *n);
bool infer_dropout(eai_graph *g, eai_node *n);
bool infer_update(eai_graph *g, eai_node *n);
bool infer_write_rows(eai_graph *g, eai_node *n);
bool infer_adamw(eai_graph *g, eai_node *n);

#endif
