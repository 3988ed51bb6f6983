/* Cases of products: matrices in every storage type, rows of tables, the cross-entropy of a
 * product. */
#include "ops/cases.h"

static int build_matmul(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    eai_matmul_opts opts = {c->p[0] != 0, c->p[1] != 0, c->p[2]};
    out[0] = eai_matmul(g, in[0], in[1], opts);
    return 1;
}

/* The planner may make one step of it. */
static int build_matmul_add(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    eai_matmul_opts opts = {c->p[0] != 0, c->p[1] != 0, c->p[2]};
    out[0] = eai_add(g, eai_scale(g, in[2], 1.5), eai_matmul(g, in[0], in[1], opts));
    return 1;
}

/* A product and a thin one, added up in either order, with or without something else (p[2]: added
 * last, as a residual connection is): the planner makes one step of it. */
static int build_matmul_pair(eai_graph *g, const op_case *c, eai_tensor *const *in,
                             eai_tensor **out)
{
    bool thin_first = c->p[1] != 0;
    bool trans_b = c->p[0] != 0;
    eai_tensor *first = eai_matmul(g, in[thin_first ? 2 : 0], in[thin_first ? 3 : 1],
                                   (eai_matmul_opts){false, trans_b, thin_first ? 0.25 : 2});
    if (c->in[4].fill != FILL_NONE && c->p[2] == 0)
        first = eai_add(g, eai_scale(g, in[4], 1.5), first);
    eai_tensor *second = eai_matmul(g, in[thin_first ? 0 : 2], in[thin_first ? 1 : 3],
                                    (eai_matmul_opts){false, trans_b, thin_first ? 2 : 0.25});
    out[0] = eai_add(g, first, second);
    if (c->p[2] != 0)
        out[0] = eai_add(g, in[4], out[0]);
    return 1;
}

/* x w + (x f) e beside another product of x, twice, as two adapted layers of the same input; x f is
 * a result too. */
static int build_matmul_chain(eai_graph *g, const op_case *c, eai_tensor *const *in,
                              eai_tensor **out)
{
    eai_matmul_opts opts = {false, c->p[0] != 0, 1};
    eai_matmul_opts scaled = {false, c->p[0] != 0, 0.5};
    for (int i = 0; i < 2; i++) {
        eai_tensor *y = eai_matmul(g, in[0], in[1], opts);
        eai_tensor *h = eai_matmul(g, in[0], in[2], scaled);
        out[i] = eai_add(g, y, eai_matmul(g, h, in[3], opts));
        out[2] = h;
    }
    return 3;
}

static int build_gather_rows(eai_graph *g, const op_case *c, eai_tensor *const *in,
                             eai_tensor **out)
{
    (void)c;
    out[0] = eai_gather_rows(g, in[0], in[1]);
    return 1;
}

static int build_scatter_rows(eai_graph *g, const op_case *c, eai_tensor *const *in,
                              eai_tensor **out)
{
    out[0] = eai_scatter_rows(g, in[0], in[1], (int64_t)c->p[0]);
    return 1;
}

static int build_linear_ce(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out)
{
    (void)c;
    out[0] = eai_linear_cross_entropy(g, in[0], in[1], in[2]);
    return 1;
}

/* clang-format off */
#define MATMUL(SA, SB, ta, tb, alpha) \
    {EAI_OP_MATMUL, #ta #tb, build_matmul, {{FILL_VALUES, SA}, {FILL_VALUES, SB}}, {ta, tb, alpha}, .tolerance = 5e-6}
#define MATMUL_ADD(SA, SB, SC, ta, tb) \
    {EAI_OP_MATMUL, "add " #ta #tb, build_matmul_add, {{FILL_VALUES, SA}, {FILL_VALUES, SB}, {FILL_VALUES, SC}}, {ta, tb, 0.5}, .tolerance = 5e-6}
#define MATMUL_PAIR(m, n, k, thin, tb, thin_first, ...) \
    {EAI_OP_MATMUL, "pair " #tb #thin_first, build_matmul_pair, {{FILL_VALUES, S2(m, k)}, {FILL_VALUES, S2((tb) ? n : k, (tb) ? k : n)}, \
     {FILL_VALUES, S2(m, thin)}, {FILL_VALUES, S2((tb) ? n : thin, (tb) ? thin : n)}}, {tb, thin_first}, .steps = 1, .tolerance = 5e-6, __VA_ARGS__}
#define MATMUL_PAIR_ADD(m, n, k, thin, tb, thin_first) \
    {EAI_OP_MATMUL, "pair add " #tb #thin_first, build_matmul_pair, {{FILL_VALUES, S2(m, k)}, {FILL_VALUES, S2((tb) ? n : k, (tb) ? k : n)}, \
     {FILL_VALUES, S2(m, thin)}, {FILL_VALUES, S2((tb) ? n : thin, (tb) ? thin : n)}, {FILL_VALUES, S2(m, n)}}, {tb, thin_first}, .steps = 2, .tolerance = 5e-6}
#define MATMUL_RESIDUAL(m, n, k, thin, tb, thin_first) \
    {EAI_OP_MATMUL, "pair residual " #tb #thin_first, build_matmul_pair, {{FILL_VALUES, S2(m, k)}, {FILL_VALUES, S2((tb) ? n : k, (tb) ? k : n)}, \
     {FILL_VALUES, S2(m, thin)}, {FILL_VALUES, S2((tb) ? n : thin, (tb) ? thin : n)}, {FILL_VALUES, S2(m, n)}}, {tb, thin_first, 1}, .steps = 1, .tolerance = 5e-6}
#define MATMUL_CHAIN(m, n, k, thin, tb, ...) \
    {EAI_OP_MATMUL, "chain " #tb, build_matmul_chain, {{FILL_VALUES, S2(m, k)}, {FILL_VALUES, S2((tb) ? n : k, (tb) ? k : n)}, \
     {FILL_VALUES, S2((tb) ? thin : k, (tb) ? k : thin)}, {FILL_VALUES, S2((tb) ? n : thin, (tb) ? thin : n)}}, {tb}, .steps = 2, .tolerance = 5e-6, __VA_ARGS__}
#define MATMUL_STORED(T, SA, SB, tb) \
    {EAI_OP_MATMUL, #T, build_matmul, {{FILL_VALUES, SA}, {FILL_FIXED, SB, EAI_##T}}, {0, tb, 1}, .tolerance = 5e-6}
#define MATMUL_STORED_ALL(T) \
    MATMUL_STORED(T, S2(1, 64), S2(33, 64), 1), MATMUL_STORED(T, S2(7, 64), S2(33, 64), 1), \
    MATMUL_STORED(T, S2(17, 33), S2(33, 64), 0), MATMUL_STORED(T, S2(1, 33), S2(33, 96), 0), \
    {EAI_OP_MATMUL, #T " large", build_matmul, {{FILL_VALUES, S2(65, 288)}, {FILL_FIXED, S2(129, 288), EAI_##T}}, {0, 1, 1}, .tolerance = 5e-6, .check_only = true}
#define MATMUL_STORED_K(T) \
    MATMUL_STORED(T, S2(1, 256), S2(9, 256), 1), MATMUL_STORED(T, S2(7, 256), S2(9, 256), 1), MATMUL_STORED(T, S2(5, 9), S2(9, 256), 0), \
    {EAI_OP_MATMUL, #T " large", build_matmul, {{FILL_VALUES, S2(17, 512)}, {FILL_FIXED, S2(17, 512), EAI_##T}}, {0, 1, 1}, .tolerance = 5e-6, .check_only = true}, \
    {EAI_OP_MATMUL, #T " backward", build_matmul, {{FILL_VALUES, S2(17, 16)}, {FILL_FIXED, S2(16, 512), EAI_##T}}, {0, 0, 1}, .tolerance = 5e-6, .check_only = true}
#define GATHER(T, SHAPE, n, rows) \
    {EAI_OP_GATHER_ROWS, #T, build_gather_rows, {{FILL_FIXED, SHAPE, EAI_##T}, {FILL_IDS, S1(n), EAI_I32}}, {rows}}
#define LINEAR_CE(T, F, t, d, v) \
    {EAI_OP_LINEAR_CE, #T, build_linear_ce, {{FILL_VALUES, S2(t, d)}, {F, S2(v, d), EAI_##T}, {FILL_IDS, S1(t), EAI_I32}}, {v}, .tolerance = 1e-5}

static const op_case cases[] = {
    MATMUL(S2(1, 1), S2(1, 1), 0, 0, 1), MATMUL(S2(7, 5), S2(5, 3), 0, 0, 1), MATMUL(S2(5, 7), S2(5, 3), 1, 0, 1),
    MATMUL(S2(7, 5), S2(3, 5), 0, 1, 0.5), MATMUL(S2(5, 7), S2(3, 5), 1, 1, -2), MATMUL(S2(8, 16), S2(16, 17), 0, 0, 1),
    MATMUL(S2(15, 31), S2(33, 31), 0, 1, 1), MATMUL(S2(17, 33), S2(33, 65), 0, 0, 1), MATMUL(S2(33, 17), S2(33, 15), 1, 0, 1),
    MATMUL(S2(1, 65), S2(65, 31), 0, 0, 1), MATMUL(S2(1, 65), S2(31, 65), 0, 1, 1), MATMUL(S2(4, 0), S2(0, 3), 0, 0, 1),
    MATMUL(S2(0, 4), S2(4, 3), 0, 0, 1),
    MATMUL(S3(2, 3, 5), S2(5, 4), 0, 0, 1), MATMUL(S3(2, 3, 5), S2(4, 5), 0, 1, 1), MATMUL(S3(2, 3, 5), S3(2, 5, 4), 0, 0, 1),
    MATMUL(S3(2, 5, 3), S3(2, 5, 4), 1, 0, 1), MATMUL(S4(2, 3, 4, 5), S4(2, 3, 6, 5), 0, 1, 0.3), MATMUL(S3(2, 5, 3), S3(2, 4, 5), 1, 1, 1),
    {EAI_OP_MATMUL, "large", build_matmul, {{FILL_VALUES, S2(131, 257)}, {FILL_VALUES, S2(257, 67)}}, {0, 0, 1}, .tolerance = 5e-6, .check_only = true},
    {EAI_OP_MATMUL, "large 10", build_matmul, {{FILL_VALUES, S2(257, 131)}, {FILL_VALUES, S2(257, 67)}}, {1, 0, 1}, .tolerance = 5e-6, .check_only = true},
    {EAI_OP_MATMUL, "large 11", build_matmul, {{FILL_VALUES, S2(257, 131)}, {FILL_VALUES, S2(67, 257)}}, {1, 1, 1}, .tolerance = 5e-6, .check_only = true},
    MATMUL_ADD(S2(7, 5), S2(5, 3), S2(7, 3), 0, 0), MATMUL_ADD(S2(7, 33), S2(17, 33), S2(7, 17), 0, 1), MATMUL_ADD(S2(5, 7), S2(5, 3), S2(7, 3), 1, 0),
    MATMUL_PAIR(7, 5, 12, 3, 0, 0), MATMUL_PAIR(7, 5, 12, 3, 1, 1), MATMUL_PAIR(1, 17, 33, 8, 1, 0), MATMUL_PAIR(40, 7, 33, 8, 0, 1), MATMUL_PAIR(4, 33, 31, 1, 1, 1),
    MATMUL_PAIR_ADD(7, 65, 12, 3, 0, 0), MATMUL_PAIR_ADD(17, 65, 36, 8, 1, 1), MATMUL_PAIR_ADD(3, 17, 33, 8, 1, 0), MATMUL_PAIR_ADD(40, 7, 33, 5, 0, 1),
    MATMUL_PAIR(67, 131, 257, 8, 1, 0, .check_only = true), MATMUL_PAIR(67, 131, 257, 33, 0, 1, .check_only = true),
    MATMUL_PAIR(35, 131, 1111, 64, 1, 1, .check_only = true), MATMUL_PAIR(35, 131, 1111, 7, 0, 0, .check_only = true),
    {EAI_OP_MATMUL, "pair of alike", build_matmul_pair, {{FILL_VALUES, S2(7, 12)}, {FILL_VALUES, S2(12, 5)}, {FILL_VALUES, S2(7, 4)}, {FILL_VALUES, S2(4, 5)}}, {0, 0}, .steps = 2, .tolerance = 5e-6},
    MATMUL_RESIDUAL(7, 65, 12, 3, 0, 0), MATMUL_RESIDUAL(17, 65, 36, 8, 1, 1), MATMUL_RESIDUAL(40, 7, 33, 5, 0, 1),
    MATMUL_CHAIN(1, 17, 33, 8, 1), MATMUL_CHAIN(7, 65, 12, 3, 0), MATMUL_CHAIN(17, 65, 36, 8, 1), MATMUL_CHAIN(40, 7, 33, 8, 0),
    MATMUL_CHAIN(35, 131, 700, 8, 1, .check_only = true), MATMUL_CHAIN(35, 131, 700, 33, 0, .check_only = true),
    MATMUL_STORED_ALL(BF16), MATMUL_STORED_ALL(F16), MATMUL_STORED_ALL(Q8_0), MATMUL_STORED_ALL(Q4_0), MATMUL_STORED_ALL(Q4_1),
    MATMUL_STORED_ALL(Q5_0), MATMUL_STORED_ALL(Q5_1), MATMUL_STORED_ALL(IQ4_NL), MATMUL_STORED_ALL(MXFP4),
    MATMUL_STORED_ALL(MLX_Q2), MATMUL_STORED_ALL(MLX_Q3), MATMUL_STORED_ALL(MLX_Q4), MATMUL_STORED_ALL(MLX_Q5), MATMUL_STORED_ALL(MLX_Q6),
    MATMUL_STORED_ALL(MLX_Q8), MATMUL_STORED_ALL(MLX_MXFP4), MATMUL_STORED_ALL(MLX_MXFP8), MATMUL_STORED_ALL(MLX_NVFP4),
    MATMUL_STORED_K(Q2_K), MATMUL_STORED_K(Q3_K), MATMUL_STORED_K(Q4_K), MATMUL_STORED_K(Q5_K), MATMUL_STORED_K(Q6_K),

    GATHER(F32, S2(9, 17), 13, 9), GATHER(F32, S2(9, 17), 0, 9), GATHER(F16, S2(9, 32), 5, 9), GATHER(BF16, S2(9, 33), 5, 9),
    GATHER(Q8_0, S2(9, 64), 5, 9), GATHER(Q4_0, S2(9, 32), 5, 9), GATHER(Q4_1, S2(9, 96), 5, 9),
    GATHER(Q5_0, S2(9, 64), 5, 9), GATHER(Q5_1, S2(9, 32), 5, 9), GATHER(IQ4_NL, S2(9, 96), 5, 9), GATHER(MXFP4, S2(9, 64), 5, 9),
    GATHER(Q2_K, S2(9, 256), 5, 9), GATHER(Q3_K, S2(9, 512), 5, 9), GATHER(Q4_K, S2(9, 256), 5, 9), GATHER(Q5_K, S2(9, 512), 5, 9), GATHER(Q6_K, S2(9, 768), 5, 9),
    GATHER(MLX_Q2, S2(9, 64), 5, 9), GATHER(MLX_Q3, S2(9, 32), 5, 9), GATHER(MLX_Q4, S2(9, 128), 5, 9), GATHER(MLX_Q5, S2(9, 96), 5, 9), GATHER(MLX_Q6, S2(9, 64), 5, 9),
    GATHER(MLX_Q8, S2(9, 32), 5, 9), GATHER(MLX_MXFP4, S2(9, 96), 5, 9), GATHER(MLX_MXFP8, S2(9, 64), 5, 9), GATHER(MLX_NVFP4, S2(9, 96), 5, 9),
    {EAI_OP_GATHER_ROWS, "differentiated", build_gather_rows, {{FILL_VALUES, S2(9, 7)}, {FILL_IDS, S1(13), EAI_I32}}, {9}},
    {EAI_OP_SCATTER_ROWS, NULL, build_scatter_rows, {{FILL_VALUES, S2(13, 17)}, {FILL_IDS, S1(13), EAI_I32}}, {9}},
    {EAI_OP_SCATTER_ROWS, NULL, build_scatter_rows, {{FILL_VALUES, S2(1, 1)}, {FILL_IDS, S1(1), EAI_I32}}, {2}},
    {EAI_OP_SCATTER_ROWS, "empty", build_scatter_rows, {{FILL_VALUES, S2(0, 5)}, {FILL_IDS, S1(0), EAI_I32}}, {3}},
    {EAI_OP_SCATTER_ROWS, "threads", build_scatter_rows, {{FILL_VALUES, S2(400, 65)}, {FILL_IDS, S1(400), EAI_I32}}, {50}, .check_only = true},

    LINEAR_CE(F32, FILL_VALUES, 1, 3, 5), LINEAR_CE(F32, FILL_FIXED, 7, 8, 33), LINEAR_CE(F32, FILL_VALUES, 9, 17, 31),
    LINEAR_CE(Q4_1, FILL_FIXED, 9, 32, 65), LINEAR_CE(Q8_0, FILL_FIXED, 5, 64, 17), LINEAR_CE(BF16, FILL_FIXED, 17, 33, 40),
    LINEAR_CE(Q6_K, FILL_FIXED, 5, 256, 33), LINEAR_CE(Q4_K, FILL_FIXED, 3, 512, 17),
    LINEAR_CE(MLX_Q4, FILL_FIXED, 9, 64, 65), LINEAR_CE(MLX_NVFP4, FILL_FIXED, 5, 32, 33),
    {EAI_OP_LINEAR_CE, "threads", build_linear_ce, {{FILL_VALUES, S2(130, 64)}, {FILL_FIXED, S2(700, 64), EAI_Q4_1}, {FILL_IDS, S1(130), EAI_I32}}, {700}, .tolerance = 1e-5, .check_only = true},
    {EAI_OP_LINEAR_CE, "groups of words", build_linear_ce, {{FILL_VALUES, S2(130, 16)}, {FILL_FIXED, S2(26000, 16), EAI_BF16}, {FILL_IDS, S1(130), EAI_I32}}, {26000}, .tolerance = 1e-5, .check_only = true},
};
/* clang-format on */

const op_case_list cases_product = CASE_LIST(cases);
