/* Cases of operations that move, make or add up elements. */
#include "ops/cases.h"

static int build_fill(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    (void)in;
    out[0] = eai_fill(g, c->shape, c->p[0]);
    return 1;
}

static int build_reshape(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    out[0] = eai_reshape(g, in[0], c->shape);
    return 1;
}

static int build_permute(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    out[0] = eai_permute(g, in[0], c->axes);
    return 1;
}

static int build_broadcast_to(eai_graph *g, const op_case *c, eai_tensor *const *in,
                              eai_tensor **out)
{
    out[0] = eai_broadcast_to(g, in[0], c->shape);
    return 1;
}

static int build_sum(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    out[0] = eai_sum(g, in[0], (unsigned)c->p[0], c->p[1] != 0);
    return 1;
}

static int build_interval_mask(eai_graph *g, const op_case *c, eai_tensor *const *in,
                               eai_tensor **out)
{
    out[0] = eai_interval_mask(g, in[0], in[1], (int64_t)c->p[0]);
    return 1;
}

static int build_window_start(eai_graph *g, const op_case *c, eai_tensor *const *in,
                              eai_tensor **out)
{
    out[0] = eai_window_start(g, in[0], in[1], (int64_t)c->p[1]);
    return 1;
}

/* clang-format off */
#define FILLED(value, ...) {EAI_OP_FILL, NULL, build_fill, .p = {value}, .shape = __VA_ARGS__}
#define RESHAPE(from, ...) {EAI_OP_RESHAPE, NULL, build_reshape, {{FILL_VALUES, from}}, .shape = __VA_ARGS__}
#define PERMUTE(from, ...) {EAI_OP_PERMUTE, NULL, build_permute, {{FILL_VALUES, from}}, .axes = {__VA_ARGS__}}
#define BROADCAST(from, ...) {EAI_OP_BROADCAST_TO, NULL, build_broadcast_to, {{FILL_VALUES, from}}, .shape = __VA_ARGS__}
#define SUM(from, axes, keep) {EAI_OP_SUM, "axes " #axes, build_sum, {{FILL_VALUES, from}}, {axes, keep}}
#define MASK(n, keys, kind) \
    {EAI_OP_INTERVAL_MASK, NULL, build_interval_mask, {{FILL_START, S1(n), EAI_I32}, {FILL_END, S1(n), EAI_I32}}, {keys}, .mask = kind}
#define WINDOW(n, keys, width, kind) \
    {EAI_OP_WINDOW_START, NULL, build_window_start, {{FILL_START, S1(n), EAI_I32}, {FILL_END, S1(n), EAI_I32}}, {keys, width}, .mask = kind, .check_only = true}

static const op_case cases[] = {
    FILLED(0, S0), FILLED(1.5, S1(17)), FILLED(-2, S2(3, 33)), FILLED(0.25, S1(40000)),
    RESHAPE(S2(3, 8), S3(2, 4, 3)), RESHAPE(S1(1), S0), RESHAPE(S2(0, 4), S1(0)),

    PERMUTE(S2(5, 7), 1, 0), PERMUTE(S2(1, 9), 1, 0), PERMUTE(S3(3, 4, 17), 1, 0, 2),
    PERMUTE(S3(3, 4, 5), 2, 1, 0), PERMUTE(S3(3, 4, 5), 2, 0, 1), PERMUTE(S4(2, 3, 4, 5), 0, 2, 1, 3),
    PERMUTE(S4(2, 3, 4, 5), 3, 1, 0, 2), PERMUTE(S1(9), 0), PERMUTE(S3(3, 0, 5), 1, 0, 2),
    {EAI_OP_PERMUTE, "threads", build_permute, {{FILL_VALUES, S2(301, 211)}}, .axes = {1, 0}, .check_only = true},

    BROADCAST(S0, S2(3, 5)), BROADCAST(S1(1), S1(33)), BROADCAST(S1(7), S2(4, 7)), BROADCAST(S2(4, 1), S2(4, 17)),
    BROADCAST(S3(2, 1, 3), S3(2, 5, 3)), BROADCAST(S3(1, 4, 1), S4(2, 3, 4, 5)), BROADCAST(S2(3, 3), S2(3, 3)),

    SUM(S1(1), 1, 0), SUM(S1(7), 1, 0), SUM(S1(65), 1, 1), SUM(S2(5, 17), 1, 0), SUM(S2(5, 17), 2, 0),
    SUM(S2(5, 17), 2, 1), SUM(S2(5, 17), 3, 0), SUM(S3(3, 4, 5), 1, 0), SUM(S3(3, 4, 5), 2, 1), SUM(S3(3, 4, 5), 4, 0),
    SUM(S3(3, 4, 5), 5, 0), SUM(S3(3, 4, 5), 6, 1), SUM(S4(2, 3, 4, 5), 5, 0), SUM(S4(2, 3, 4, 5), 10, 0),
    SUM(S4(2, 3, 4, 5), 9, 1), SUM(S3(3, 4, 1), 2, 0), SUM(S2(0, 4), 1, 0), SUM(S2(4, 0), 2, 0), SUM(S2(150, 3), 1, 0),
    {EAI_OP_SUM, "threads, all", build_sum, {{FILL_VALUES, S1(70001)}}, {1, 0}, .check_only = true},
    {EAI_OP_SUM, "threads, columns", build_sum, {{FILL_VALUES, S2(200, 600)}}, {1, 0}, .check_only = true},
    {EAI_OP_SUM, "threads, rows", build_sum, {{FILL_VALUES, S2(200, 600)}}, {2, 0}, .check_only = true},

    MASK(5, 5, MASK_CAUSAL), MASK(17, 17, MASK_PACKED), MASK(9, 33, MASK_RAGGED),
    WINDOW(1, 1, 1, MASK_CAUSAL), WINDOW(17, 17, 5, MASK_CAUSAL), WINDOW(65, 65, 8, MASK_PACKED), WINDOW(33, 33, 1000, MASK_CAUSAL),
    WINDOW(16, 40, 3, MASK_RAGGED), WINDOW(0, 8, 3, MASK_CAUSAL),
};
/* clang-format on */

const op_case_list cases_shape = CASE_LIST(cases);
