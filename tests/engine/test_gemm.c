/* Products against float64, for each instruction set that this machine has and for those of
 * gemm_emulated.h that it need not have: every storage type, orientation and size around the vector
 * tails.
 *
 * The reference multiplies what eai_dequantize_row says the weights are; for products in bf16 or in
 * 8 bits it rounds the operands first, so that only the order of the sums differs and the tolerance
 * can stay narrow. */
#include <math.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/rng.h>
#include <efficientai/threads.h>

#include "engine/cpu/product.h"
#include "engine/gemm_emulated.h"
#include "support/eai_test.h"
#include "support/stored.h"

#include "base/banned.h"

enum { NO_C, OTHER_C, SAME_C };

typedef struct product_case {
    int64_t m, n, k;
    bool trans_a, trans_b;
    eai_dtype dtype;
    int c_in;
    float alpha;
    int64_t pair_k; /* 0: no second product */
    bool chained;
} product_case;
#define PAIR_ALPHA  0.5f
#define CHAIN_ALPHA -0.25f

typedef struct matrices {
    float *a, *b, *c, *c_in;
    float *pair_a, *pair_b, *chain; /* [m, pair_k], [pair_k, n], [k, pair_k]; the last two as b */
    double *expected, *magnitude;
    stored_matrix stored;
} matrices;

static float next_float(eai_rng *rng)
{
    return (float)(eai_rng_uniform(rng) * 2 - 1);
}

static float *make_floats(eai_rng *rng, int64_t n)
{
    float *x = eai_alloc_array((size_t)n + 1, sizeof(float));
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = next_float(rng);
    return x;
}

/* What operands are rounded to. */
typedef enum rounding { TO_F32, TO_BF16, TO_INT8 } rounding;

/* As product.c decides: thin products stay in f32, and weights in f32 are not rounded to bytes. */
static rounding choose_rounding(const cpu_backend *be, const product_case *pc)
{
    bool large = pc->m >= 16 && pc->n >= 16 && pc->k >= 32;
    if (be->gemm_int8 && large && !pc->trans_a && pc->dtype != EAI_F32)
        return TO_INT8;
    return be->gemm_bf16 && large ? TO_BF16 : TO_F32;
}

enum { SUB = 64, BLOCK = 192 }; /* steps that are rotated together, and that share a scale */

/* sqrt(SUB) times the transform of Walsh and Hadamard. */
static void rotate(float *x)
{
    for (int d = 1; d < SUB; d *= 2) {
        for (int i = 0; i < SUB; i++) {
            float a = x[i];
            float b = x[i ^ d];
            if (i & d)
                continue;
            x[i] = a + b;
            x[i ^ d] = a - b;
        }
    }
}

/* Numbers that share a scale: whole multiples of it. */
static void round_to_levels(float *x, int64_t n, int levels)
{
    float largest = 0;
    for (int64_t k = 0; k < n; k++)
        largest = fmaxf(largest, fabsf(x[k]));
    for (int64_t k = 0; k < n && largest > 0; k++)
        x[k] = (float)lrintf(x[k] * ((float)levels / largest)) * (largest / (float)levels / 8);
}

static int64_t count_steps(int64_t k, rounding to)
{
    return to == TO_INT8 ? (k + SUB - 1) / SUB * SUB : k;
}

/* Rows of an operand, k numbers along K each, as the product takes them: count_steps. Caller frees.
 */
static float *round_rows(const float *x, int64_t rows, int64_t row_step, int64_t k, int64_t k_step,
                         rounding to, int levels)
{
    int64_t steps = count_steps(k, to);
    float *out = eai_alloc_zeroed((size_t)(rows * steps) + 1, sizeof(float));
    assert_non_null(out);
    for (int64_t r = 0; r < rows; r++) {
        float *row = out + r * steps;
        for (int64_t i = 0; i < k; i++) {
            float value = x[r * row_step + i * k_step];
            row[i] = to == TO_BF16 ? eai_bf16_to_f32(eai_bf16_from_f32(value)) : value;
        }
        for (int64_t i = 0; to == TO_INT8 && i < steps; i += SUB)
            rotate(row + i);
        for (int64_t i = 0; to == TO_INT8 && i < steps; i += BLOCK)
            round_to_levels(row + i, steps - i < BLOCK ? steps - i : BLOCK, levels);
    }
    return out;
}

/* b is replaced by what its stored form stands for. */
static void store_b(matrices *x, const product_case *pc)
{
    stored_make(&x->stored, pc->dtype, x->b, pc->trans_b ? pc->n : pc->k,
                pc->trans_b ? pc->k : pc->n);
    stored_read(x->b, &x->stored);
}

/* Element (i, p) of the pair's left factor, and the sum of absolute values. */
static double get_left(const matrices *x, const product_case *pc, int64_t i, int64_t p,
                       double *size)
{
    double sum = (double)x->pair_a[i * pc->pair_k + p];
    *size = fabs(sum);
    if (!pc->chained)
        return sum;
    sum = *size = 0;
    for (int64_t k = 0; k < pc->k; k++) {
        double a = (double)x->a[i * pc->k + k];
        double f = (double)x->chain[pc->trans_b ? p * pc->k + k : k * pc->pair_k + p];
        sum += (double)CHAIN_ALPHA * a * f;
        *size += fabs((double)CHAIN_ALPHA * a * f);
    }
    return sum;
}

/* Adds the pair. Whether its operands are rounded is the product's choice: the tolerance allows for
 * it. */
static void add_pair(matrices *x, const product_case *pc, bool rounded)
{
    double allowed = rounded ? 1e4 : 2; /* times 1e-6 */
    for (int64_t i = 0; i < pc->m; i++) {
        for (int64_t p = 0; p < pc->pair_k; p++) {
            double size;
            double left = get_left(x, pc, i, p, &size);
            for (int64_t j = 0; j < pc->n; j++) {
                double b = (double)x->pair_b[pc->trans_b ? j * pc->pair_k + p : p * pc->n + j];
                x->expected[i * pc->n + j] += (double)PAIR_ALPHA * left * b;
                x->magnitude[i * pc->n + j] += (double)PAIR_ALPHA * size * fabs(b) * allowed;
            }
        }
    }
}

/* expected = alpha a b + c_in; magnitude: the same sum of absolute values, for the tolerance. */
static void multiply(matrices *x, const product_case *pc, const cpu_backend *be)
{
    rounding to = choose_rounding(be, pc);
    bool ta = pc->trans_a;
    bool tb = pc->trans_b;
    int64_t steps = count_steps(pc->k, to);
    float *rows = round_rows(x->a, pc->m, ta ? 1 : pc->k, pc->k, ta ? pc->m : 1, to, 127);
    float *columns = round_rows(x->b, pc->n, tb ? pc->k : 1, pc->k, tb ? 1 : pc->n, to,
                                be->gemm_int8 ? be->gemm_int8->levels : 0);
    for (int64_t i = 0; i < pc->m; i++) {
        for (int64_t j = 0; j < pc->n; j++) {
            double sum = 0;
            double size = 0;
            for (int64_t k = 0; k < steps; k++) {
                double product = (double)rows[i * steps + k] * (double)columns[j * steps + k];
                sum += product;
                size += fabs(product);
            }
            double c = pc->c_in == NO_C ? 0 : (double)x->c_in[i * pc->n + j];
            x->expected[i * pc->n + j] = (double)pc->alpha * sum + c;
            x->magnitude[i * pc->n + j] = fabs((double)pc->alpha) * size + fabs(c);
        }
    }
    eai_free(rows);
    eai_free(columns);
}

static matrices make_matrices(const product_case *pc)
{
    eai_rng rng;
    matrices x = {0};
    eai_rng_init(&rng, 7, 0);
    x.a = make_floats(&rng, pc->m * pc->k);
    x.b = make_floats(&rng, pc->k * pc->n);
    x.c = make_floats(&rng, pc->m * pc->n);
    x.c_in = make_floats(&rng, pc->m * pc->n);
    x.pair_a = make_floats(&rng, pc->m * pc->pair_k);
    x.pair_b = make_floats(&rng, pc->pair_k * pc->n);
    x.chain = make_floats(&rng, pc->k * pc->pair_k);
    x.expected = eai_alloc_zeroed((size_t)(pc->m * pc->n) + 1, sizeof(double));
    x.magnitude = eai_alloc_zeroed((size_t)(pc->m * pc->n) + 1, sizeof(double));
    assert_non_null(x.expected);
    assert_non_null(x.magnitude);
    store_b(&x, pc);
    return x;
}

static void free_matrices(matrices *x)
{
    eai_free(x->a);
    eai_free(x->b);
    eai_free(x->c);
    eai_free(x->c_in);
    eai_free(x->pair_a);
    eai_free(x->pair_b);
    eai_free(x->chain);
    eai_free(x->expected);
    eai_free(x->magnitude);
    stored_free(&x->stored);
}

static void run_product(cpu_backend *be, matrices *x, const product_case *pc)
{
    float *c = x->c;
    if (pc->c_in == SAME_C)
        memcpy(c, x->c_in, (size_t)(pc->m * pc->n) * sizeof(float));
    eai_operand b = {
        .data = x->stored.data, .dtype = pc->dtype, .planes = stored_planes(&x->stored)};
    cpu_product p = {
        .m = pc->m,
        .n = pc->n,
        .k = pc->k,
        .a = cpu__gemm_a(x->a, pc->trans_a ? pc->k : pc->m, pc->trans_a ? pc->m : pc->k,
                         pc->trans_a),
        .b = cpu__gemm_b(&b, pc->trans_b ? pc->k : pc->n, pc->trans_b),
        .c = c,
        .c_in = pc->c_in == NO_C     ? NULL
                : pc->c_in == SAME_C ? c
                                     : x->c_in,
        .ldc = pc->n,
        .alpha = pc->alpha,
    };
    if (pc->pair_k > 0) {
        p.pair.k = pc->pair_k;
        p.pair.a = cpu__gemm_a(x->pair_a, pc->m, pc->pair_k, false);
        p.pair.b = cpu__gemm_b(&(eai_operand){.data = x->pair_b}, pc->trans_b ? pc->pair_k : pc->n,
                               pc->trans_b);
        p.pair.alpha = PAIR_ALPHA;
        p.pair.chained = pc->chained;
        p.pair.chain = cpu__gemm_b(&(eai_operand){.data = x->chain},
                                   pc->trans_b ? pc->k : pc->pair_k, pc->trans_b);
        p.pair.chain_alpha = CHAIN_ALPHA;
    }
    size_t bytes = cpu__product_workspace(be, &p);
    uint8_t *workspace = eai_alloc_aligned(64, bytes + 64);
    assert_non_null(workspace);
    memset(workspace, 0xff, bytes); /* NaN: nothing may be read before it is written */
    memset(workspace + bytes, 0x5a, 64);
    cpu__product(be, &p, workspace);
    for (int i = 0; i < 64; i++)
        assert_int_equal(workspace[bytes + (size_t)i], 0x5a);
    eai_free(workspace);
}

static void check_product(cpu_backend *be, const product_case *pc)
{
    matrices x = make_matrices(pc);
    multiply(&x, pc, be);
    add_pair(&x, pc, be->gemm_bf16);
    run_product(be, &x, pc);
    /* Sums of few different numbers are often half a level, where the last bit of scale * code +
     * bias, which may be rounded once or twice, decides. */
    bool may_flip =
        choose_rounding(be, pc) == TO_INT8 && eai_dtype_get(pc->dtype)->kind == EAI_DTYPE_PLANAR;
    for (int64_t i = 0; i < pc->m * pc->n; i++) {
        double error = fabs((double)x.c[i] - x.expected[i]);
        double allowed = (may_flip ? 1e-2 : 1e-6) * x.magnitude[i] + 1e-30;
        if (!(error <= allowed))
            fail_msg(
                "%s%s%s, %d threads: [%d,%d] x [%d,%d]%s%s %s alpha %g c %d: element %d is %g, "
                "expected %g",
                be->gemm->isa, be->gemm_bf16 ? be->gemm_bf16->isa : "",
                be->gemm_int8 ? " in 8 bits" : "", be->base.n_threads, (int)pc->m, (int)pc->k,
                (int)pc->k, (int)pc->n, pc->trans_a ? " a^T" : "", pc->trans_b ? " b^T" : "",
                eai_dtype_get(pc->dtype)->name, (double)pc->alpha, pc->c_in, (int)i, (double)x.c[i],
                x.expected[i]);
    }
    free_matrices(&x);
}

/* ---- One backend an instruction set, for each number of threads
 * ------------------------------------ */

typedef void (*check_fn)(cpu_backend *be);

/* Rows before this one have the same tables of products. */
static bool is_known(const cpu_isa *isas, size_t i, const cpu_gemm_table *int8)
{
    for (size_t k = 0; k < i; k++) {
        if (isas[k].gemm == isas[i].gemm && isas[k].gemm_bf16 == isas[i].gemm_bf16 &&
            (!int8 || isas[k].gemm_int8 == int8))
            return true;
    }
    return false;
}

static void for_each_backend(check_fn check)
{
    static const int threads[] = {1, 3};
    size_t n;
    size_t n_emulated;
    const cpu_isa *isas = cpu__isas(&n);
    const cpu_isa *emulated = gemm_emulated_isas(&n_emulated);
    for (size_t i = 0; i < n + n_emulated; i++) {
        const cpu_isa *isa = i < n ? &isas[i] : &emulated[i - n];
        if (!isa->present()) {
            print_message("not on this machine: %s\n", isa->name);
            continue;
        }
        for (size_t t = 0; t < 4; t++) {
            eai_error err = EAI_ERROR_INIT;
            cpu_backend be = {.gemm = isa->gemm, .gemm_bf16 = isa->gemm_bf16};
            be.gemm_int8 = t < 2 ? NULL : isa->gemm_int8;
            if ((t >= 2 && !be.gemm_int8) ||
                (i < n ? is_known(isas, i, be.gemm_int8) : is_known(emulated, i - n, be.gemm_int8)))
                continue;
            be.base.n_threads = threads[t % 2];
            assert_ok(eai_pool_create(&be.pool, threads[t % 2], &err), &err);
            check(&be);
            eai_pool_free(be.pool);
        }
    }
}

static const int64_t tails[] = {1, 7, 8, 15, 16, 17, 31, 33, 65};
#define N_TAILS (sizeof(tails) / sizeof(tails[0]))

static void check_tails(cpu_backend *be)
{
    int turn = 0;
    for (size_t i = 0; i < N_TAILS * N_TAILS * N_TAILS; i++) {
        product_case pc = {.m = tails[i % N_TAILS],
                           .n = tails[i / N_TAILS % N_TAILS],
                           .k = tails[i / N_TAILS / N_TAILS],
                           .dtype = EAI_F32,
                           .alpha = 1};
        for (int o = 0; o < 4; o++) {
            pc.trans_a = o & 1;
            pc.trans_b = o & 2;
            pc.c_in = turn++ % 3;
            pc.alpha = turn % 5 ? 1 : -0.37f;
            check_product(be, &pc);
        }
    }
}

static void test_tails(void **state)
{
    (void)state;
    for_each_backend(check_tails);
}

static const eai_dtype stored_types[] = {
    EAI_BF16,   EAI_F16,    EAI_Q8_0,      EAI_Q4_0,      EAI_Q4_1,     EAI_Q5_0,
    EAI_Q5_1,   EAI_Q2_K,   EAI_Q3_K,      EAI_Q4_K,      EAI_IQ4_NL,   EAI_MXFP4,
    EAI_Q5_K,   EAI_Q6_K,   EAI_MLX_Q2,    EAI_MLX_Q3,    EAI_MLX_Q4,   EAI_MLX_Q5,
    EAI_MLX_Q6, EAI_MLX_Q8, EAI_MLX_MXFP4, EAI_MLX_MXFP8, EAI_MLX_NVFP4};

static void check_types(cpu_backend *be)
{
    int turn = 0;
    for (size_t t = 0; t < sizeof(stored_types) / sizeof(stored_types[0]); t++) {
        int block = eai_dtype_get(stored_types[t])->block;
        for (size_t i = 0; i < N_TAILS * 8; i++) {
            int64_t edge = (int64_t)(i / N_TAILS % 4);
            int64_t along = block > 1 ? block * (edge + 1) : tails[2 + 2 * edge];
            if (block == 256 && edge > 1) /* packing them takes its time */
                continue;
            product_case pc = {.m = tails[i % N_TAILS], .dtype = stored_types[t], .alpha = 1};
            pc.trans_b = i < 4 * N_TAILS;
            pc.trans_a = turn & 1;
            pc.c_in = turn++ % 3;
            pc.k = pc.trans_b ? along : tails[(i + 3) % N_TAILS];
            pc.n = pc.trans_b ? tails[(i + 5) % N_TAILS] : along;
            check_product(be, &pc);
        }
    }
}

static void test_types(void **state)
{
    (void)state;
    for_each_backend(check_types);
}

/* Sizes that need several blocks in each direction, and the shapes of training. */
static void check_blocks(cpu_backend *be)
{
    static const product_case cases[] = {
        {200, 230, 900, false, true, EAI_F32, OTHER_C, 0.5f},
        {333, 420, 96, true, false, EAI_F32, NO_C, 1},
        {129, 608, 672, false, false, EAI_Q4_1, SAME_C, 1},
        {129, 130, 1600, false, true, EAI_Q8_0, NO_C, 1},
        {300, 8, 700, false, true, EAI_F32, NO_C, 1},    /* h = x A^T */
        {300, 200, 8, false, true, EAI_F32, SAME_C, 2},  /* y += h B^T */
        {8, 200, 700, true, false, EAI_F32, NO_C, 1},    /* dA */
        {8, 272, 700, true, false, EAI_F32, SAME_C, -1}, /* whole vectors: B is read in place */
        {200, 8, 700, true, false, EAI_F32, SAME_C, 1},  /* dB */
        {300, 40, 333, false, false, EAI_BF16, NO_C, 1},
        {2100, 33, 64, false, true, EAI_F16, NO_C, 1}, /* two groups of rows */
        {1, 300, 576, false, true, EAI_Q4_1, NO_C, 1}, /* decoding */
        {4, 300, 100, false, true, EAI_F32, SAME_C, -1},
        {3, 64, 100, false, false, EAI_Q4_0, NO_C, 1},
        {129, 70, 1536, false, true, EAI_Q4_K, NO_C, 1}, /* blocks of K inside blocks of 256 */
        {40, 768, 70, false, false, EAI_Q6_K, SAME_C, 1},
        {1, 90, 768, false, true, EAI_Q2_K, NO_C, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_product(be, &cases[i]);
}

static void test_blocks(void **state)
{
    (void)state;
    for_each_backend(check_blocks);
}

/* Two products in one, where it is one and where it is carried out as two. */
static void check_pairs(cpu_backend *be)
{
    static const product_case shapes[] = {
        {1, 1, 1, false, false, EAI_F32, NO_C, 1},
        {7, 33, 65, false, true, EAI_F32, OTHER_C, 1},
        {1, 300, 576, false, true, EAI_Q4_1, NO_C, 1},  /* decoding */
        {40, 7, 96, false, false, EAI_F32, SAME_C, -1}, /* cut into rows */
        {67, 131, 257, false, true, EAI_F32, NO_C, 0.5f},
        {67, 131, 257, false, true, EAI_BF16, NO_C, 0.5f},
        {50, 100, 1600, false, false, EAI_BF16, SAME_C, 1},
        {35, 224, 672, false, false, EAI_Q4_1, SAME_C, 1},
        {0, 70, 140, false, false, EAI_F32, NO_C, 1},
        {33, 70, 0, false, false, EAI_F32, OTHER_C, 1},
    };
    static const int64_t pair_k[] = {8, 1, 33};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        for (int j = 0; j < 6; j++) {
            product_case pc = shapes[i];
            pc.pair_k = pair_k[j / 2];
            pc.chained = j % 2;
            check_product(be, &pc);
        }
    }
}

static void test_pairs(void **state)
{
    (void)state;
    for_each_backend(check_pairs);
}

/* Two groups of rows, and of steps: the same for all instruction sets. */
static void test_pairs_in_groups(void **state)
{
    product_case pc = {2060, 70, 2100, false, false, EAI_BF16, OTHER_C, 1, .pair_k = 8};
    const cpu_isa *isa;
    eai_error err = EAI_ERROR_INIT;
    (void)state;
    assert_ok(cpu__find_isa(&isa, NULL, &err), &err);
    cpu_backend be = {.gemm = isa->gemm, .gemm_bf16 = isa->gemm_bf16};
    be.base.n_threads = 2;
    assert_ok(eai_pool_create(&be.pool, 2, &err), &err);
    for (int i = 0; i < 4; i++) {
        pc.chained = i % 2;
        be.gemm_int8 = i < 2 ? NULL : isa->gemm_int8;
        check_product(&be, &pc);
    }
    eai_pool_free(be.pool);
}

/* The number of threads must not change a bit. */
static void test_threads_do_not_matter(void **state)
{
    static const product_case cases[] = {
        {150, 200, 704, false, true, EAI_Q4_0, NO_C, 1},
        {150, 8, 700, false, true, EAI_F32, NO_C, 1},
        {8, 200, 700, true, false, EAI_F32, SAME_C, 1},
        {8, 272, 700, true, false, EAI_F32, SAME_C, 1},
        {2, 900, 640, false, true, EAI_Q8_0, NO_C, 1},
        {700, 96, 64, true, false, EAI_F32, OTHER_C, 0.3f},
        {150, 200, 704, false, true, EAI_Q4_0, NO_C, 1, .pair_k = 8, .chained = true},
    };
    const cpu_isa *isa;
    eai_error err = EAI_ERROR_INIT;
    (void)state;
    assert_ok(cpu__find_isa(&isa, NULL, &err), &err);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        product_case pc = cases[i];
        if (pc.dtype == EAI_Q4_0)
            pc.k = 704;
        matrices x = make_matrices(&pc);
        float *first = make_floats(&(eai_rng){0}, pc.m * pc.n);
        for (int turn = 0; turn < 10; turn++) {
            int threads = 1 + turn % 5;
            cpu_backend be = {.gemm = isa->gemm, .gemm_bf16 = isa->gemm_bf16};
            be.gemm_int8 = turn < 5 ? NULL : isa->gemm_int8;
            be.base.n_threads = threads;
            assert_ok(eai_pool_create(&be.pool, threads, &err), &err);
            run_product(&be, &x, &pc);
            if (threads == 1)
                memcpy(first, x.c, (size_t)(pc.m * pc.n) * sizeof(float));
            assert_memory_equal(first, x.c, (size_t)(pc.m * pc.n) * sizeof(float));
            eai_pool_free(be.pool);
        }
        eai_free(first);
        free_matrices(&x);
    }
}

/* In 8 bits: what is no number reaches all sums of its row or column and no others; what is tiny is
 * zero. */
static void check_special(cpu_backend *be)
{
    static const float specials[] = {NAN, INFINITY, -INFINITY, 1e-38f, 0};
    for (int i = 0; be->gemm_int8 && i < 20; i++) {
        product_case pc = {17, 37, 150, false, i & 1, EAI_BF16, NO_C, 1};
        float special = specials[i / 4];
        bool in_a = i & 2;
        matrices x = make_matrices(&pc);
        int64_t at = in_a ? 3 * pc.k + 77 : pc.trans_b ? 3 * pc.k + 77 : 77 * pc.n + 3;
        if (in_a)
            x.a[at] = special;
        else
            ((uint16_t *)(void *)x.stored.data)[at] = eai_bf16_from_f32(special);
        run_product(be, &x, &pc);
        for (int64_t j = 0; j < pc.m * pc.n; j++) {
            bool reached = in_a ? j / pc.n == 3 : j % pc.n == 3;
            if (reached && !isfinite(special))
                assert_true(isnan(x.c[j]));
            else
                assert_true(isfinite(x.c[j]));
        }
        free_matrices(&x);
    }
}

static void test_special(void **state)
{
    (void)state;
    for_each_backend(check_special);
}

/* Every bit pattern of the 16-bit types, and blocks with odd scales. */
static void check_unpack(cpu_backend *be)
{
    enum { COUNT = 65536 };
    static const eai_dtype types[] = {EAI_F16, EAI_BF16};
    uint16_t *bits = eai_alloc_array(COUNT, sizeof(*bits));
    float *expected = eai_alloc_array(COUNT, sizeof(*expected));
    float *actual = eai_alloc_array(COUNT, sizeof(*actual));
    assert_non_null(bits);
    for (int i = 0; i < COUNT; i++)
        bits[i] = (uint16_t)i;
    for (int t = 0; t < 2; t++) {
        eai_dequantize_row(expected, types[t], bits, COUNT);
        be->gemm->unpack[types[t]](actual, (const uint8_t *)bits, NULL, 0, COUNT);
        for (int i = 0; i < COUNT; i++) {
            bool same = isnan(expected[i]) ? isnan(actual[i])
                                           : eai_f32_bits(expected[i]) == eai_f32_bits(actual[i]);
            if (!same)
                fail_msg("%s: %s bits %04x give %g, expected %g", be->gemm->isa,
                         eai_dtype_get(types[t])->name, (unsigned)i, (double)actual[i],
                         (double)expected[i]);
        }
    }
    eai_free(bits);
    eai_free(expected);
    eai_free(actual);
}

/* From any 32nd element on: what the definition says, to the rounding of one fused multiplication
 * (of a product d * s * q that may be far larger than its sum with a minimum). */
static void check_parts(const cpu_backend *be, const stored_matrix *m)
{
    float expected[1024];
    float actual[1024];
    int64_t block = eai_dtype_get(m->dtype)->block;
    stored_read(expected, m);
    for (int64_t first = 0; first < m->cols; first += block == 32 ? 160 : 32) {
        for (int64_t n = block; first + n <= m->cols; n += 288) {
            be->gemm->unpack[m->dtype](actual, m->data, stored_planes(m), first, n);
            for (int64_t i = 0; i < n; i++) {
                float want = expected[first + i];
                bool same = isnan(want) ? isnan(actual[i])
                                        : fabsf(actual[i] - want) <= 1e-6f * fabsf(want) + 1e-3f;
                if (!same)
                    fail_msg("%s: %s element %d + %d is %g, expected %g", be->gemm->isa,
                             eai_dtype_get(m->dtype)->name, (int)first, (int)i, (double)actual[i],
                             (double)want);
            }
        }
    }
}

/* Any bytes as blocks. */
static void check_unpack_blocks(cpu_backend *be)
{
    enum { COUNT = 1024 };
    static const float zeros[COUNT];
    eai_rng rng;
    eai_rng_init(&rng, 3, 0);
    for (size_t t = 0; t < sizeof(stored_types) / sizeof(stored_types[0]); t++) {
        stored_matrix m;
        if (eai_dtype_get(stored_types[t])->block == 1)
            continue;
        float *x = make_floats(&rng, COUNT);
        bool planar = eai_dtype_get(stored_types[t])->kind == EAI_DTYPE_PLANAR;
        stored_make(&m, stored_types[t], planar ? x : zeros, 1, COUNT);
        for (size_t i = 0; i < m.bytes; i++) /* no exponent of f16 is that of infinity */
            m.data[i] = (uint8_t)(eai_rng_uniform(&rng) * 256) & (planar ? 0xff : 0xbf);
        check_parts(be, &m);
        eai_free(x);
        stored_free(&m);
    }
}

static void test_unpack(void **state)
{
    (void)state;
    for_each_backend(check_unpack);
    for_each_backend(check_unpack_blocks);
}

static void test_isa_names(void **state)
{
    const cpu_isa *isa;
    eai_error err = EAI_ERROR_INIT;
    (void)state;
    assert_fails(cpu__find_isa(&isa, "z80", &err), EAI_ERR_ARGUMENT, &err,
                 "unknown instruction set 'z80'");
    assert_null(isa);
    assert_ok(cpu__find_isa(&isa, "scalar", &err), &err);
    assert_string_equal(isa->name, "scalar");
    size_t n;
    const cpu_isa *isas = cpu__isas(&n);
    for (size_t i = 0; i < n; i++) {
        if (!isas[i].present())
            assert_fails(cpu__find_isa(&isa, isas[i].name, &err), EAI_ERR_UNSUPPORTED, &err,
                         "lacks it");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_isa_names),
        cmocka_unit_test(test_unpack),
        cmocka_unit_test(test_tails),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_pairs_in_groups),
        cmocka_unit_test(test_special),
        cmocka_unit_test(test_threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
