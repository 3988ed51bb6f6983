/* Products of few rows in 8 bits and in 16 ("fine"), against float64, for each instruction set
 * that this machine has and for those of gemm_emulated.h that it need not have.
 *
 * Two kinds of input: rows that 8 bits hold exactly, where the product is as good as in f32, and
 * any rows, where the error is at most what rounding them costs: half a step for each element, and
 * one and a half of the 256 times smaller steps of 16 bits, whose last code is missing. */
#include <float.h>
#include <math.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/rng.h>
#include <efficientai/threads.h>

#include "engine/cpu/int8.h"
#include "engine/cpu/product.h"
#include "engine/gemm_emulated.h"
#include "support/eai_test.h"
#include "support/stored.h"

#include "base/banned.h"

enum { NO_C, OTHER_C, SAME_C };

static const eai_dtype types[] = {
#define ROW(id, name, kind, group, zero, has_m, wide) EAI_##id,
    CPU_INT8_FORMATS(ROW)
#undef ROW
};
#define N_TYPES   (sizeof(types) / sizeof(types[0]))
#define FINE_ROWS (CPU_DOT_ROWS / 2)

typedef struct product_case {
    int64_t m, n, k;
    eai_dtype dtype;
    int c_in;
    float alpha;
} product_case;

typedef struct matrices {
    float *a, *b, *c, *c_in; /* b: what the stored weights stand for */
    stored_matrix stored;
    double *expected;
    double *size;     /* what f32's rounding is relative to */
    double *rounding; /* what quantizing A may cost */
} matrices;

static void *take(int64_t n, size_t size)
{
    void *p = eai_alloc_zeroed((size_t)n, size);
    assert_non_null(p);
    return p;
}

static float *make_floats(eai_rng *rng, int64_t n)
{
    float *x = take(n, sizeof(float));
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(eai_rng_uniform(rng) * 2 - 1);
    return x;
}

/* Blocks of whole numbers times a power of two, of which one is the largest that 8 bits hold. */
static void make_exact(float *x, eai_rng *rng, int64_t n)
{
    for (int64_t i = 0; i < n; i += 32) {
        float unit = ldexpf(1, (int)(eai_rng_uniform(rng) * 8) - 12);
        for (int j = 0; j < 32; j++)
            x[i + j] = unit * (float)((int)(eai_rng_uniform(rng) * 255) - 127);
        int sign = eai_rng_uniform(rng) < 0.5f ? 1 : -1;
        x[i + (int)(eai_rng_uniform(rng) * 32)] = unit * (float)(sign * 127);
    }
}

static void multiply(matrices *x, const product_case *pc)
{
    for (int64_t i = 0; i < pc->m; i++) {
        for (int64_t j = 0; j < pc->n; j++) {
            double sum = 0;
            double size = 0;
            double rounding = 0;
            for (int64_t k = 0; k < pc->k; k += 32) {
                const float *a = x->a + i * pc->k + k;
                const float *b = x->b + j * pc->k + k;
                double most_a = 0;
                double most_b = 0;
                double sum_a = 0;
                double sum_b = 0;
                for (int l = 0; l < 32; l++) {
                    sum += (double)a[l] * (double)b[l];
                    sum_a += fabs((double)a[l]);
                    sum_b += fabs((double)b[l]);
                    most_a = fmax(most_a, fabs((double)a[l]));
                    most_b = fmax(most_b, fabs((double)b[l]));
                }
                size += sum_a * most_b;
                rounding += sum_b * most_a / 127 / 2;
            }
            double c = pc->c_in == NO_C ? 0 : (double)x->c_in[i * pc->n + j];
            double alpha = fabs((double)pc->alpha);
            x->expected[i * pc->n + j] = (double)pc->alpha * sum + c;
            x->size[i * pc->n + j] = alpha * size + fabs(c);
            x->rounding[i * pc->n + j] = alpha * rounding;
        }
    }
}

static matrices make_matrices(const product_case *pc, bool exact)
{
    eai_rng rng;
    matrices x = {0};
    eai_rng_init(&rng, 11, 0);
    x.a = make_floats(&rng, pc->m * pc->k);
    x.b = make_floats(&rng, pc->n * pc->k);
    x.c = make_floats(&rng, pc->m * pc->n);
    x.c_in = make_floats(&rng, pc->m * pc->n);
    if (exact)
        make_exact(x.a, &rng, pc->m * pc->k);
    x.expected = take(pc->m * pc->n, sizeof(double));
    x.size = take(pc->m * pc->n, sizeof(double));
    x.rounding = take(pc->m * pc->n, sizeof(double));
    stored_make(&x.stored, pc->dtype, x.b, pc->n, pc->k);
    stored_read(x.b, &x.stored);
    return x;
}

static void free_matrices(matrices *x)
{
    eai_free(x->a);
    eai_free(x->b);
    eai_free(x->c);
    eai_free(x->c_in);
    stored_free(&x->stored);
    eai_free(x->expected);
    eai_free(x->size);
    eai_free(x->rounding);
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
        .a = cpu__gemm_a(x->a, pc->m, pc->k, false),
        .b = cpu__gemm_b(&b, pc->k, true),
        .c = c,
        .c_in = pc->c_in == NO_C     ? NULL
                : pc->c_in == SAME_C ? c
                                     : x->c_in,
        .ldc = pc->n,
        .alpha = pc->alpha,
    };
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

static const cpu_int8_table *table_of(const cpu_backend *be)
{
    return be->int8 ? be->int8 : be->int16;
}

static void fail_at(const cpu_backend *be, const product_case *pc, int64_t i, float actual,
                    double expected, double allowed)
{
    fail_msg(
        "%s, %s bits, %d threads: [%d,%d] x [%d,%d] %s alpha %g c %d: element %d is %.9g, expected "
        "%.9g +- %g",
        table_of(be)->isa, be->int8 ? "8" : "16", be->base.n_threads, (int)pc->m, (int)pc->k,
        (int)pc->k, (int)pc->n, eai_dtype_get(pc->dtype)->name, (double)pc->alpha, pc->c_in, (int)i,
        (double)actual, expected, allowed);
}

/* ---- One backend an instruction set, for each number of threads and of bits
 * ------------------------------------ */

#define MAX_BACKENDS 64
static cpu_backend backends[MAX_BACKENDS];
static size_t n_backends;

static int open_backends(void **state)
{
    static const int threads[] = {1, 3};
    size_t n;
    size_t n_emulated;
    const cpu_isa *isas = cpu__isas(&n);
    const cpu_isa *emulated = gemm_emulated_isas(&n_emulated);
    (void)state;
    for (size_t i = 0; i < n + n_emulated; i++) {
        const cpu_isa *isa = i < n ? &isas[i] : &emulated[i - n];
        if (!isa->present()) {
            print_message("not on this machine: %s\n", isa->name);
            continue;
        }
        /* Rows that share a table of 8 bits are one. */
        bool known = !isa->int8;
        for (size_t b = 0; b < n_backends; b++)
            known = known || backends[b].int8 == isa->int8;
        for (size_t t = 0; !known && t < 4; t++) {
            eai_error err = EAI_ERROR_INIT;
            cpu_backend *be = &backends[n_backends++];
            assert_true(n_backends < MAX_BACKENDS);
            *be = (cpu_backend){.gemm = isa->gemm, .gemm_bf16 = isa->gemm_bf16};
            *(t < 2 ? &be->int8 : &be->int16) = isa->int8;
            be->base.n_threads = threads[t % 2];
            assert_ok(eai_pool_create(&be->pool, threads[t % 2], &err), &err);
        }
    }
    return 0;
}

static int close_backends(void **state)
{
    (void)state;
    while (n_backends > 0)
        eai_pool_free(backends[--n_backends].pool);
    return 0;
}

static void for_each_backend(void (*check)(cpu_backend *be))
{
    for (size_t i = 0; i < n_backends; i++)
        check(&backends[i]);
}

static void check_product(const product_case *pc)
{
    for (int exact = 0; exact < 2; exact++) {
        matrices x = make_matrices(pc, exact);
        multiply(&x, pc);
        for (size_t b = 0; b < n_backends; b++) {
            double rounding = exact ? 0 : backends[b].int8 ? 1 : 3.0 / 256;
            if (!backends[b].int8 && pc->m > FINE_ROWS)
                continue;
            run_product(&backends[b], &x, pc);
            for (int64_t i = 0; i < pc->m * pc->n; i++) {
                double allowed = 1e-6 * x.size[i] + rounding * x.rounding[i];
                if (!(fabs((double)x.c[i] - x.expected[i]) <= allowed))
                    fail_at(&backends[b], pc, i, x.c[i], x.expected[i], allowed);
            }
        }
        free_matrices(&x);
    }
}

static const int64_t rows[] = {1, 2, 3, 4};
static const int64_t columns[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65, 100};
#define N_ROWS    (sizeof(rows) / sizeof(rows[0]))
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void test_tails(void **state)
{
    (void)state;
    int turn = 0;
    for (size_t t = 0; t < N_TYPES; t++) {
        int64_t block = eai_dtype_get(types[t])->block;
        /* Each size meets each other size in some type. */
        for (size_t i = t; i < N_ROWS * N_COLUMNS; i += N_TYPES / 2 + 1) {
            product_case pc = {.m = rows[i % N_ROWS], .n = columns[i / N_ROWS], .dtype = types[t]};
            pc.k = block * (block > 32 ? 1 : 1 + turn % 5);
            pc.c_in = turn % 3;
            pc.alpha = turn++ % 4 ? 1 : -0.37f;
            check_product(&pc);
        }
    }
}

static void test_blocks(void **state)
{
    static const int64_t sizes[][3] = {
        {1, 140, 512},
        {4, 30, 2304},
    };
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            product_case pc = {sizes[i][0], sizes[i][1], sizes[i][2], types[t], (int)i % 3, 0.5f};
            check_product(&pc);
        }
    }
}

/* The bytes that A becomes must not depend on the instruction set. */
static void check_codes(cpu_backend *be)
{
    enum { K = 32 * 512 };
    size_t n;
    const cpu_int8_table *plain = cpu__isas(&n)[0].int8;
    bool fine = !be->int8;
    size_t bytes = CPU_INT8_BLOCK(fine ? 2 : 1, 1);
    uint8_t *expected = take(K / 32, bytes);
    uint8_t *actual = take(K / 32, bytes);
    eai_rng rng;
    eai_rng_init(&rng, 5, 0);
    float *x = make_floats(&rng, K);
    for (int i = 0; i < K; i++) /* halves, between two codes, and sizes of all kinds */
        x[i] = i % 2 ? ldexpf(x[i], i / 64 - 128) : (float)((int)(x[i] * 254)) / 2;
    plain->quantize(expected, x, K, 1, K, EAI_Q4_0, fine);
    table_of(be)->quantize(actual, x, K, 1, K, EAI_Q4_0, fine);
    assert_memory_equal(expected, actual, K / 32 * bytes);
    eai_free(expected);
    eai_free(actual);
    eai_free(x);
}

static void test_codes(void **state)
{
    (void)state;
    for_each_backend(check_codes);
}

/* What is no number reaches all sums of its row, and no other row; what is tiny is zero. */
static void check_special(cpu_backend *be)
{
    static const float specials[] = {NAN, INFINITY, -INFINITY, 1e-38f, FLT_MIN / 4, FLT_MAX / 8};
    for (size_t i = 0; i < N_TYPES * 2 * 6; i++) {
        product_case pc = {i % 2 ? 3 : 4, 37, 256, types[i / 2 % N_TYPES], NO_C, 1};
        pc.m = be->int8 ? pc.m : FINE_ROWS;
        float special = specials[i / 2 / N_TYPES];
        matrices x = make_matrices(&pc, false);
        if (special < 1)
            memset(x.a + pc.k, 0, (size_t)pc.k * sizeof(float));
        x.a[pc.k + 77] = special; /* row 1 */
        run_product(be, &x, &pc);
        for (int64_t j = 0; j < pc.m * pc.n; j++) {
            bool row_1 = j / pc.n == 1;
            if (!row_1 || isfinite(special))
                assert_true(isfinite(x.c[j]));
            else
                assert_true(isnan(x.c[j]));
            if (row_1 && special < 1)
                assert_true(x.c[j] == 0 || !isfinite(special));
        }
        free_matrices(&x);
    }
}

static void test_special(void **state)
{
    (void)state;
    for_each_backend(check_special);
}

/* The number of threads must not change a bit. */
static void check_threads(cpu_backend *be)
{
    static const product_case cases[] = {
        {2, 900, 2304, EAI_Q8_0, SAME_C, 1},
        {4, 70, 2304, EAI_Q4_1, OTHER_C, 0.3f},
    };
    if (be->base.n_threads != 1)
        return;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bytes = (size_t)(cases[i].m * cases[i].n) * sizeof(float);
        matrices x = make_matrices(&cases[i], false);
        run_product(be, &x, &cases[i]);
        float *first = take(cases[i].m * cases[i].n, sizeof(float));
        memcpy(first, x.c, bytes);
        for (int threads = 2; threads <= 5; threads++) {
            eai_error err = EAI_ERROR_INIT;
            cpu_backend more = *be;
            more.base.n_threads = threads;
            assert_ok(eai_pool_create(&more.pool, threads, &err), &err);
            run_product(&more, &x, &cases[i]);
            assert_memory_equal(first, x.c, bytes);
            eai_pool_free(more.pool);
        }
        eai_free(first);
        free_matrices(&x);
    }
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    for_each_backend(check_threads);
}

/* Weights that have no routine in 8 bits take the other path, bit for bit. */
static void check_other_types(cpu_backend *be)
{
    static const eai_dtype others[] = {EAI_F32, EAI_BF16, EAI_F16};
    for (size_t t = 0; t < sizeof(others) / sizeof(others[0]); t++) {
        product_case pc = {be->int8 ? 4 : 1, 40, 96, others[t], NO_C, 1};
        matrices x = make_matrices(&pc, false);
        cpu_backend plain = *be;
        plain.int8 = plain.int16 = NULL;
        run_product(&plain, &x, &pc);
        float *first = take(pc.m * pc.n, sizeof(float));
        memcpy(first, x.c, (size_t)(pc.m * pc.n) * sizeof(float));
        run_product(be, &x, &pc);
        assert_memory_equal(first, x.c, (size_t)(pc.m * pc.n) * sizeof(float));
        eai_free(first);
        free_matrices(&x);
    }
}

static void test_other_types(void **state)
{
    (void)state;
    for_each_backend(check_other_types);
}

/* A backend computes in 8 bits when it is asked to, and says so. */
static void test_backend(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend_opts opts = EAI_BACKEND_OPTS_INIT;
    eai_backend *backend;
    (void)state;
    opts.n_threads = 1;
    opts.isa = "scalar";
    assert_ok(eai_backend_open(&backend, "cpu", &opts, &err), &err);
    assert_null(((cpu_backend *)backend)->int8);
    assert_null(((cpu_backend *)backend)->int16); /* f32 means f32 */
    eai_backend_close(backend);
    opts.precision = EAI_PRECISION_INT8;
    assert_ok(eai_backend_open(&backend, "cpu", &opts, &err), &err);
    assert_string_equal(eai_backend_describe(backend), "cpu scalar, 1 thread, int8");
    assert_int_equal(eai_backend_precision(backend), EAI_PRECISION_INT8);
    assert_non_null(((cpu_backend *)backend)->int8);
    eai_backend_close(backend);
    opts = EAI_BACKEND_OPTS_INIT;
    opts.n_threads = 1;
    assert_ok(eai_backend_open(&backend, "cpu", &opts, &err), &err);
    bool bf16 = eai_backend_precision(backend) == EAI_PRECISION_BF16;
    assert_int_equal(((cpu_backend *)backend)->int16 != NULL, bf16);
    eai_backend_close(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backend),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_special),
        cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_tails),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, open_backends, close_backends);
}
