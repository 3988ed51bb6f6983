/* Cases of attention and its gradient: masks, groups of heads, widths, numbers of queries and keys
 * on both sides of every tile, the decoding path. */
#include "ops/cases.h"

static int build_attention(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    out[0] = eai_attention(g, in[0], in[1], in[2], in[3], in[4], c->p[1]);
    if (c->p[2] == 0)
        return 1;
    out[1] = out[0] ? out[0]->node->out[1] : NULL; /* log-sum-exp */
    return 2;
}

/* p[2]: bits of the gradients wanted. Inputs: q k v start end dout. */
static int build_attention_grad(eai_graph *g, const op_case *c, eai_tensor *const *in,
                                eai_tensor **out)
{
    eai_op_params p = {.attention = {c->p[1]}};
    eai_tensor *y = eai_attention(g, in[0], in[1], in[2], in[3], in[4], c->p[1]);
    if (!y)
        return 0;
    eai_tensor *all[] = {in[0], in[1], in[2], in[3], in[4], y, y->node->out[1], in[5]};
    eai_node *n = graph__add_node(g, EAI_OP_ATTENTION_GRAD, all, 8, &p, NULL, EAI_F32);
    int count = 0;
    for (int i = 0; i < 3; i++)
        if ((int)c->p[2] >> i & 1)
            out[count++] = n ? n->out[i] : NULL;
    return count;
}

/* clang-format off */
#define INTERVALS(n) {FILL_START, S1(n), EAI_I32}, {FILL_END, S1(n), EAI_I32}
#define ATTEND(kind, tq, tk, h, hkv, d, ...) \
    {EAI_OP_ATTENTION, #kind, build_attention, {{FILL_VALUES, S3(tq, h, d)}, {FILL_VALUES, S3(tk, hkv, d)}, {FILL_VALUES, S3(tk, hkv, d)}, INTERVALS(tq)}, \
     {tk, 0.3, 0}, .mask = kind, .tolerance = 5e-6, __VA_ARGS__}
#define ATTEND_LSE(kind, tq, tk, h, hkv, d) \
    {EAI_OP_ATTENTION, #kind " lse", build_attention, {{FILL_VALUES, S3(tq, h, d)}, {FILL_VALUES, S3(tk, hkv, d)}, {FILL_VALUES, S3(tk, hkv, d)}, INTERVALS(tq)}, \
     {tk, 0.3, 1}, .mask = kind, .tolerance = 5e-6, .check_only = true}
#define ATTEND_GRAD(kind, tq, tk, h, hkv, d, wanted, ...) \
    {EAI_OP_ATTENTION_GRAD, #kind " " #wanted, build_attention_grad, {{FILL_VALUES, S3(tq, h, d)}, {FILL_VALUES, S3(tk, hkv, d)}, {FILL_VALUES, S3(tk, hkv, d)}, INTERVALS(tq), {FILL_VALUES, S3(tq, h, d)}}, \
     {tk, 0.3, wanted}, .mask = kind, .tolerance = 1e-5, __VA_ARGS__}

static const op_case cases[] = {
    /* few queries */
    ATTEND(MASK_CAUSAL, 1, 1, 1, 1, 1, 0), ATTEND(MASK_FULL, 1, 9, 3, 1, 8, 0), ATTEND(MASK_FULL, 2, 17, 4, 2, 7, 0),
    ATTEND(MASK_RAGGED, 4, 33, 4, 2, 16, 0), ATTEND(MASK_FULL, 1, 700, 9, 3, 64, .check_only = true), ATTEND(MASK_RAGGED, 4, 600, 14, 2, 33, .check_only = true),
    ATTEND_LSE(MASK_RAGGED, 3, 300, 8, 1, 17), ATTEND(MASK_CAUSAL, 2, 0, 2, 1, 4, .check_only = true),
    /* tiles */
    ATTEND(MASK_CAUSAL, 7, 7, 2, 1, 8, 0), ATTEND(MASK_PACKED, 17, 17, 2, 2, 7, 0), ATTEND(MASK_WINDOW, 15, 15, 1, 1, 16, 0),
    ATTEND(MASK_RAGGED, 9, 13, 3, 1, 5, 0), ATTEND(MASK_FULL, 8, 5, 2, 1, 4, 0), ATTEND(MASK_RAGGED, 6, 0, 1, 1, 4, .check_only = true),
    ATTEND_LSE(MASK_RAGGED, 70, 130, 4, 2, 17),
    ATTEND(MASK_CAUSAL, 48, 48, 2, 1, 16, .check_only = true), ATTEND(MASK_CAUSAL, 130, 130, 3, 1, 64, .check_only = true),
    ATTEND(MASK_PACKED, 130, 130, 9, 3, 64, .check_only = true), ATTEND(MASK_WINDOW, 200, 200, 2, 2, 33, .check_only = true),
    ATTEND(MASK_FULL, 65, 129, 2, 1, 80, .check_only = true), ATTEND(MASK_RAGGED, 97, 300, 2, 1, 128, .check_only = true),
    ATTEND(MASK_CAUSAL, 50, 50, 1, 1, 256, .check_only = true),
    /* gradients */
    ATTEND_GRAD(MASK_CAUSAL, 1, 1, 1, 1, 1, 7, 0), ATTEND_GRAD(MASK_CAUSAL, 7, 7, 2, 1, 8, 7, 0), ATTEND_GRAD(MASK_RAGGED, 9, 13, 3, 1, 5, 7, 0),
    ATTEND_GRAD(MASK_PACKED, 17, 17, 2, 2, 7, 1, 0), ATTEND_GRAD(MASK_PACKED, 17, 17, 2, 2, 7, 2, 0), ATTEND_GRAD(MASK_PACKED, 17, 17, 2, 2, 7, 4, 0),
    ATTEND_GRAD(MASK_WINDOW, 15, 15, 4, 2, 3, 6, 0), ATTEND_GRAD(MASK_CAUSAL, 3, 0, 1, 1, 4, 1, .check_only = true),
    ATTEND_GRAD(MASK_CAUSAL, 130, 130, 3, 1, 64, 7, .check_only = true), ATTEND_GRAD(MASK_PACKED, 200, 200, 9, 3, 64, 7, .check_only = true),
    ATTEND_GRAD(MASK_RAGGED, 97, 300, 2, 1, 33, 7, .check_only = true), ATTEND_GRAD(MASK_FULL, 65, 129, 2, 1, 80, 7, .check_only = true),
    ATTEND_GRAD(MASK_WINDOW, 140, 140, 2, 2, 128, 7, .check_only = true), ATTEND_GRAD(MASK_CAUSAL, 50, 50, 1, 1, 256, 7, .check_only = true),
};
/* clang-format on */

const op_case_list cases_attention = CASE_LIST(cases);
