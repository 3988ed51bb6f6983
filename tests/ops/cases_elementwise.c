/* Cases of the elementwise operations: sizes around vectors, every kind of broadcasting, chains
 * that the planner fuses. */
#include "ops/cases.h"

static int build_binary(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    eai_node *n = in[0] && in[1] ? graph__add_node(g, c->op, in, 2, NULL, NULL, EAI_F32) : NULL;
    out[0] = n ? n->out[0] : NULL;
    return 1;
}

static int build_unary(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    eai_node *n = in[0] ? graph__add_node(g, c->op, in, 1, NULL, NULL, EAI_F32) : NULL;
    out[0] = n ? n->out[0] : NULL;
    return 1;
}

static int build_affine(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    out[0] = eai_affine(g, in[0], c->p[0], c->p[1]);
    return 1;
}

static int build_power(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    out[0] = eai_power(g, in[0], c->p[0]);
    return 1;
}

/* As bf16 and back. */
static int build_convert(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    eai_node *n = in[0] ? graph__add_node(g, c->op, in, 1, NULL, NULL, EAI_BF16) : NULL;
    n = n ? graph__add_node(g, c->op, &n->out[0], 1, NULL, NULL, EAI_F32) : NULL;
    out[0] = n ? n->out[0] : NULL;
    return 1;
}

/* Two values, one of them used twice, a repeated element: y = tanh(a * s + b) * (a * s) -
 * sigmoid(b) */
static int build_chain(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    (void)c;
    eai_tensor *t = eai_mul(g, in[0], in[2]);
    eai_tensor *u = eai_tanh(g, eai_add(g, t, in[1]));
    out[0] = eai_sub(g, eai_mul(g, u, t), eai_sigmoid(g, in[1]));
    return 1;
}

/* Longer than a fused step may be. */
static int build_long_chain(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    (void)c;
    eai_tensor *x = in[0];
    for (int i = 0; i < 2 * 16 + 3; i++)
        x = i % 3 == 0   ? eai_affine(g, x, 0.9, 0.1)
            : i % 3 == 1 ? eai_silu(g, x)
                         : eai_add(g, x, in[1]);
    out[0] = x;
    return 1;
}

/* clang-format off */
#define BINARY(OP, FA, FB, SA, SB) {EAI_OP_##OP, NULL, build_binary, {{FA, SA}, {FB, SB}}}
#define BINARY_SIZES(OP, FA, FB)                                                                   \
    BINARY(OP, FA, FB, S1(1), S1(1)),    BINARY(OP, FA, FB, S1(7), S1(7)),                         \
    BINARY(OP, FA, FB, S1(8), S1(8)),    BINARY(OP, FA, FB, S1(15), S1(15)),                       \
    BINARY(OP, FA, FB, S1(16), S1(16)),  BINARY(OP, FA, FB, S1(17), S1(17)),                       \
    BINARY(OP, FA, FB, S2(3, 31), S2(3, 31)), BINARY(OP, FA, FB, S1(33), S1(33)),                  \
    BINARY(OP, FA, FB, S1(65), S1(65)),  BINARY(OP, FA, FB, S2(5, 17), S0),                        \
    BINARY(OP, FA, FB, S0, S2(5, 17)),   BINARY(OP, FA, FB, S2(5, 17), S1(17)),                    \
    BINARY(OP, FA, FB, S1(17), S2(5, 17)), BINARY(OP, FA, FB, S2(5, 17), S2(5, 1)),                \
    BINARY(OP, FA, FB, S2(5, 1), S2(5, 17)), BINARY(OP, FA, FB, S2(5, 1), S2(1, 17)),              \
    BINARY(OP, FA, FB, S3(2, 3, 9), S3(2, 1, 9)), BINARY(OP, FA, FB, S4(2, 1, 3, 1), S4(1, 4, 3, 5)), \
    BINARY(OP, FA, FB, S0, S0), BINARY(OP, FA, FB, S2(0, 5), S1(5))
#define UNARY(OP, F, S) {EAI_OP_##OP, NULL, build_unary, {{F, S}}}
#define UNARY_SIZES(OP, F)                                                                         \
    UNARY(OP, F, S0), UNARY(OP, F, S1(1)), UNARY(OP, F, S1(7)), UNARY(OP, F, S1(8)),               \
    UNARY(OP, F, S1(15)), UNARY(OP, F, S1(16)), UNARY(OP, F, S2(1, 17)), UNARY(OP, F, S1(31)),     \
    UNARY(OP, F, S2(11, 3)), UNARY(OP, F, S3(5, 1, 13)), UNARY(OP, F, S2(0, 3))
#define POWER(exponent, F, SHAPE) \
    {EAI_OP_POWER, #exponent, build_power, {{F, SHAPE}}, {exponent}}

static const op_case cases[] = {
    BINARY_SIZES(ADD, FILL_VALUES, FILL_VALUES),
    BINARY_SIZES(SUB, FILL_VALUES, FILL_VALUES),
    BINARY_SIZES(MUL, FILL_VALUES, FILL_VALUES),
    BINARY_SIZES(DIV, FILL_VALUES, FILL_POSITIVE),
    BINARY_SIZES(MAXIMUM, FILL_GRID, FILL_OFFSET),
    BINARY_SIZES(MINIMUM, FILL_GRID, FILL_OFFSET),
    BINARY_SIZES(GREATER, FILL_GRID, FILL_OFFSET),
    /* more than one piece a row, and many rows: work for several threads */
    {EAI_OP_ADD, "threads", build_binary, {{FILL_VALUES, S1(70001)}, {FILL_VALUES, S1(70001)}}, .check_only = true},
    {EAI_OP_MUL, "threads", build_binary, {{FILL_VALUES, S2(300, 301)}, {FILL_VALUES, S2(300, 1)}}, .check_only = true},

    {EAI_OP_AFFINE, NULL, build_affine, {{FILL_VALUES, S1(65)}}, {1.7, -0.3}},
    {EAI_OP_AFFINE, NULL, build_affine, {{FILL_VALUES, S2(3, 5)}}, {-1, 1}},
    {EAI_OP_AFFINE, NULL, build_affine, {{FILL_VALUES, S0}}, {0, 2}},
    POWER(2, FILL_VALUES, S1(33)), POWER(3, FILL_VALUES, S1(17)), POWER(-1, FILL_POSITIVE, S1(33)),
    POWER(0.5, FILL_POSITIVE, S1(17)), POWER(-0.5, FILL_POSITIVE, S1(65)), POWER(1.7, FILL_POSITIVE, S1(9)),
    POWER(-2, FILL_POSITIVE, S2(3, 3)), POWER(1, FILL_VALUES, S1(5)),
    UNARY_SIZES(EXP, FILL_VALUES),
    UNARY_SIZES(LOG, FILL_POSITIVE),
    UNARY_SIZES(SIGMOID, FILL_VALUES),
    UNARY_SIZES(TANH, FILL_VALUES),
    UNARY_SIZES(SILU, FILL_VALUES),
    {EAI_OP_EXP, "threads", build_unary, {{FILL_VALUES, S1(70001)}}, .check_only = true},

    {EAI_OP_CONVERT, NULL, build_convert, {{FILL_VALUES, S1(7)}}, .check_only = true},
    {EAI_OP_CONVERT, NULL, build_convert, {{FILL_VALUES, S2(5, 33)}}, .check_only = true},
    {EAI_OP_CONVERT, "threads", build_convert, {{FILL_VALUES, S1(70001)}}, .check_only = true},
    {EAI_OP_FUSED, "chain", build_chain, {{FILL_VALUES, S2(7, 65)}, {FILL_VALUES, S2(7, 65)}, {FILL_VALUES, S0}}, .tolerance = 4e-6},
    {EAI_OP_FUSED, "broadcast", build_chain, {{FILL_VALUES, S2(7, 17)}, {FILL_VALUES, S1(17)}, {FILL_VALUES, S1(1)}}, .tolerance = 4e-6},
    {EAI_OP_FUSED, "blocks", build_chain, {{FILL_VALUES, S1(40001)}, {FILL_VALUES, S1(40001)}, {FILL_VALUES, S0}}, .tolerance = 4e-6, .check_only = true},
    {EAI_OP_FUSED, "long", build_long_chain, {{FILL_SMALL, S1(33)}, {FILL_SMALL, S1(33)}}, .tolerance = 1e-5},
    {EAI_OP_FUSED, "one element", build_chain, {{FILL_VALUES, S0}, {FILL_VALUES, S1(1)}, {FILL_VALUES, S0}}, .tolerance = 4e-6},
};
/* clang-format on */

const op_case_list cases_elementwise = CASE_LIST(cases);
