/* Cases of operations that change a state; the runner compares all leaves after the run. Their
 * result here is the state read afterwards. */
#include "ops/cases.h"

static int read_states(eai_graph *g, eai_tensor *const *in, int n, eai_tensor **out)
{
    for (int i = 0; i < n; i++)
        out[i] = eai_scale(g, in[i], 2);
    return n;
}

static int build_assign(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    (void)c;
    eai_assign(g, in[0], eai_affine(g, in[1], 2, 1));
    return read_states(g, in, 1, out);
}

/* A product of a state before and after it changes: what is kept of the first must not be used
 * for the second. */
static int build_assign_operand(eai_graph *g, const op_case *c, eai_tensor *const *in,
                                eai_tensor **out)
{
    (void)c;
    out[0] = eai_matmul(g, in[0], in[2], EAI_MATMUL_OPTS_INIT);
    eai_assign(g, in[0], in[1]);
    out[1] = eai_matmul(g, in[0], in[2], EAI_MATMUL_OPTS_INIT);
    return 2;
}

static int build_accumulate(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    (void)c;
    eai_accumulate(g, in[0], in[1]);
    eai_accumulate(g, in[0], in[1]);
    return read_states(g, in, 1, out);
}

static int build_write_rows(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    (void)c;
    eai_write_rows(g, in[0], in[1], in[2]);
    return read_states(g, in, 1, out);
}

static int build_adamw(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    eai_adamw_opts opts = {0.9, 0.999, 1e-8, c->p[0]};
    eai_adamw(g, in[0], in[1], in[2], in[3], in[4], in[5], opts);
    return read_states(g, in, 3, out);
}

/* clang-format off */
#define UPDATE(OP, build, SHAPE) {EAI_OP_##OP, NULL, build, {{FILL_VALUES, SHAPE}, {FILL_VALUES, SHAPE}}, .check_only = true}
#define WRITE(S, X, at) \
    {EAI_OP_WRITE_ROWS, "at " #at, build_write_rows, {{FILL_VALUES, S}, {FILL_VALUES, X}, {FILL_AT, S1(1), EAI_I32}}, {at}, .check_only = true}
#define ADAMW(SHAPE, decay) \
    {EAI_OP_ADAMW, NULL, build_adamw, {{FILL_VALUES, SHAPE}, {FILL_VALUES, SHAPE}, {FILL_SQUARES, SHAPE}, {FILL_VALUES, SHAPE}, {FILL_HYPER, S1(3)}, {FILL_POSITIVE, S0}}, {decay}, .check_only = true}

static const op_case cases[] = {
    UPDATE(ASSIGN, build_assign, S0), UPDATE(ASSIGN, build_assign, S2(3, 17)), UPDATE(ASSIGN, build_assign, S1(0)),
    {EAI_OP_ASSIGN, "operand", build_assign_operand, {{FILL_VALUES, S2(33, 64)}, {FILL_VALUES, S2(33, 64)}, {FILL_VALUES, S2(64, 90)}}, .tolerance = 1.0 / 128, .check_only = true},
    UPDATE(ACCUMULATE, build_accumulate, S0), UPDATE(ACCUMULATE, build_accumulate, S1(33)), UPDATE(ACCUMULATE, build_accumulate, S1(40001)),
    WRITE(S2(9, 5), S2(3, 5), 0), WRITE(S2(9, 5), S2(3, 5), 6), WRITE(S2(9, 5), S2(3, 5), 7), WRITE(S2(9, 5), S2(3, 5), 9),
    WRITE(S2(9, 5), S2(3, 5), -2), WRITE(S2(9, 5), S2(3, 5), -5), WRITE(S3(9, 2, 4), S3(1, 2, 4), 8), WRITE(S2(9, 5), S2(0, 5), 3),
    ADAMW(S0, 0), ADAMW(S1(7), 0.01), ADAMW(S2(3, 11), 0.1), ADAMW(S1(65), 0), ADAMW(S1(40001), 0.01),
};
/* clang-format on */

const op_case_list cases_update = CASE_LIST(cases);
