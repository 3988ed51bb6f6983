/* Cases of the layers of networks. */
#include "ops/cases.h"

static int build_unary(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    eai_node *n = in[0] ? graph__add_node(g, c->op, in, 1, NULL, NULL, EAI_F32) : NULL;
    out[0] = n ? n->out[0] : NULL;
    return 1;
}

static int build_rms_norm(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    out[0] = eai_rms_norm(g, in[0], in[1], c->p[0]);
    return 1;
}

/* Operations that only gradient rules make. */
static int build_rms_norm_grad(eai_graph *g, const op_case *c, eai_tensor *const *in,
                               eai_tensor **out)
{
    eai_op_params p = {.norm = {c->p[0]}};
    eai_node *n = graph__add_node(g, EAI_OP_RMS_NORM_GRAD, in, 3, &p, NULL, EAI_F32);
    out[0] = n ? n->out[0] : NULL;
    return 1;
}

static int build_swiglu(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    (void)c;
    out[0] = eai_swiglu(g, in[0], in[1]);
    return 1;
}

/* p[0]: bits of the outputs that are wanted; the other one has no memory in the plan. */
static int build_swiglu_grad(eai_graph *g, const op_case *c, eai_tensor *const *in,
                             eai_tensor **out)
{
    eai_node *n = graph__add_node(g, EAI_OP_SWIGLU_GRAD, in, 3, NULL, NULL, EAI_F32);
    int count = 0;
    for (int i = 0; i < 2; i++)
        if ((int)c->p[0] >> i & 1)
            out[count++] = n ? n->out[i] : NULL;
    return count;
}

static int build_rope(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    out[0] = eai_rope(g, in[0], in[1], c->p[0]);
    return 1;
}

static int build_rope_scaled(eai_graph *g, const op_case *c, eai_tensor *const *in,
                             eai_tensor **out)
{
    out[0] = eai_rope_scaled(g, in[0], in[1], in[2], c->p[0]);
    return 1;
}

static int build_dropout(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    out[0] = eai_dropout(g, in[0], in[1], c->p[0], (int64_t)c->p[1]);
    return 1;
}

/* clang-format off */
#define ROWS(OP, F, SHAPE) {EAI_OP_##OP, NULL, build_unary, {{F, SHAPE}}}
#define ROWS_SIZES(OP)                                                                             \
    ROWS(OP, FILL_VALUES, S1(1)), ROWS(OP, FILL_VALUES, S2(3, 7)), ROWS(OP, FILL_VALUES, S2(3, 8)),  \
    ROWS(OP, FILL_VALUES, S2(2, 15)), ROWS(OP, FILL_VALUES, S2(1, 16)), ROWS(OP, FILL_VALUES, S3(2, 3, 17)), \
    ROWS(OP, FILL_VALUES, S2(4, 31)), ROWS(OP, FILL_VALUES, S2(2, 33)), ROWS(OP, FILL_VALUES, S1(65)), \
    ROWS(OP, FILL_VALUES, S2(0, 5)), ROWS(OP, FILL_MASKED, S2(4, 1)), ROWS(OP, FILL_MASKED, S2(5, 17)), ROWS(OP, FILL_MASKED, S2(4, 33)), \
    {EAI_OP_##OP, "threads", build_unary, {{FILL_VALUES, S2(130, 301)}}, .check_only = true}
/* One element alone: its derivative would be nothing but rounding unless eps is large. */
#define NORM(SHAPE, d) \
    {EAI_OP_RMS_NORM, NULL, build_rms_norm, {{FILL_VALUES, SHAPE}, {FILL_VALUES, S1(d)}}, {d == 1 ? 0.5 : 1e-5}, .tolerance = 3e-6}, \
    {EAI_OP_RMS_NORM_GRAD, NULL, build_rms_norm_grad, {{FILL_VALUES, SHAPE}, {FILL_VALUES, S1(d)}, {FILL_VALUES, SHAPE}}, {d == 1 ? 0.5 : 1e-5}, .tolerance = 4e-6}
#define GATED(SHAPE) \
    {EAI_OP_SWIGLU, NULL, build_swiglu, {{FILL_VALUES, SHAPE}, {FILL_VALUES, SHAPE}}}, \
    {EAI_OP_SWIGLU_GRAD, "both", build_swiglu_grad, {{FILL_VALUES, SHAPE}, {FILL_VALUES, SHAPE}, {FILL_VALUES, SHAPE}}, {3}}
#define ROPE(SHAPE, t) \
    {EAI_OP_ROPE, NULL, build_rope, {{FILL_VALUES, SHAPE}, {FILL_POSITIONS, S1(t), EAI_I32}}, {10000}}
#define ROPE_SCALED(t, heads, d) \
    {EAI_OP_ROPE, "scaled", build_rope_scaled, {{FILL_VALUES, S3(t, heads, d)}, {FILL_POSITIONS, S1(t), EAI_I32}, {FILL_FACTORS, S1(d / 2)}}, {10000}}
#define DROPOUT(SHAPE, probability, stream) \
    {EAI_OP_DROPOUT, #probability, build_dropout, {{FILL_VALUES, SHAPE}, {FILL_SEED, S1(2), EAI_I32}}, {probability, stream}}

static const op_case cases[] = {
    ROWS_SIZES(SOFTMAX),
    ROWS_SIZES(LOG_SOFTMAX),
    NORM(S1(1), 1), NORM(S2(3, 7), 7), NORM(S2(3, 8), 8), NORM(S2(2, 15), 15), NORM(S3(2, 2, 16), 16), NORM(S2(3, 17), 17),
    NORM(S2(3, 31), 31), NORM(S2(3, 33), 33), NORM(S2(2, 65), 65), NORM(S2(0, 9), 9),
    {EAI_OP_RMS_NORM, "threads", build_rms_norm, {{FILL_VALUES, S2(130, 301)}, {FILL_VALUES, S1(301)}}, {1e-6}, .check_only = true},
    GATED(S1(1)), GATED(S2(3, 7)), GATED(S1(8)), GATED(S1(17)), GATED(S2(3, 31)), GATED(S2(2, 33)), GATED(S1(0)),
    {EAI_OP_SWIGLU_GRAD, "gate", build_swiglu_grad, {{FILL_VALUES, S1(17)}, {FILL_VALUES, S1(17)}, {FILL_VALUES, S1(17)}}, {1}},
    {EAI_OP_SWIGLU_GRAD, "up", build_swiglu_grad, {{FILL_VALUES, S1(17)}, {FILL_VALUES, S1(17)}, {FILL_VALUES, S1(17)}}, {2}},
    {EAI_OP_SWIGLU, "threads", build_swiglu, {{FILL_VALUES, S1(30001)}, {FILL_VALUES, S1(30001)}}, .check_only = true},
    ROPE(S3(5, 1, 2), 5), ROPE(S3(5, 3, 14), 5), ROPE(S3(7, 2, 16), 7), ROPE(S3(3, 2, 30), 3), ROPE(S3(3, 2, 34), 3), ROPE(S3(2, 3, 64), 2), ROPE(S3(0, 2, 8), 0),
    {EAI_OP_ROPE, "threads", build_rope, {{FILL_VALUES, S3(90, 9, 64)}, {FILL_POSITIONS, S1(90), EAI_I32}}, {100000}, .check_only = true},
    ROPE_SCALED(5, 1, 2), ROPE_SCALED(5, 3, 14), ROPE_SCALED(3, 2, 34), ROPE_SCALED(0, 2, 8),
    DROPOUT(S1(1), 0.5, 1), DROPOUT(S1(7), 0.1, 2), DROPOUT(S2(5, 13), 0.3, 3), DROPOUT(S1(64), 0.9, 4), DROPOUT(S1(65), 0, 5), DROPOUT(S1(0), 0.5, 6),
    {EAI_OP_DROPOUT, "threads", build_dropout, {{FILL_VALUES, S1(30001)}, {FILL_SEED, S1(2), EAI_I32}}, {0.05, 1e9}, .check_only = true},
};
/* clang-format on */

const op_case_list cases_network = CASE_LIST(cases);
