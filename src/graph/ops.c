/* The table of operations, made from ops.def. */
#include "graph/ops.h"

#include "graph/cost.h"
#include "graph/gradients.h"
#include "graph/lowering.h"
#include "graph/shapes.h"

/* The rule names of ops.def become functions; "NONE" becomes NULL. */
#define grad_NONE  NULL
#define lower_NONE NULL
#define infer_none NULL

static const eai_op_spec specs[EAI_OP_COUNT] = {
#define EAI_OP(id, text, in0, in1, outs, infer_rule, grad_rule, lower_rule, cost_rule, bits,       \
               about)                                                                              \
    [EAI_OP_##id] = {.name = #text,                                                                \
                     .doc = about,                                                                 \
                     .min_in = in0,                                                                \
                     .max_in = in1,                                                                \
                     .n_out = outs,                                                                \
                     .flags = bits,                                                                \
                     .infer = infer_##infer_rule,                                                  \
                     .grad = grad_##grad_rule,                                                     \
                     .lower = lower_##lower_rule,                                                  \
                     .cost = cost_##cost_rule},
#include "graph/ops.def"
#undef EAI_OP
};

const eai_op_spec *eai_op_get(eai_op op)
{
    return &specs[op];
}
