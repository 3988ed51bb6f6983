/* Products of few rows that run as one job (q, k and v of a token): the bits that they have one by
 * one, which is how a profile takes them, and no product that needs another's result joins. */
#include "support/eai_test.h"

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/profile.h>
#include <efficientai/rng.h>

#include "base/banned.h"

enum { K = 256, N_WEIGHTS = 5, MOST_ROWS = 4, ALL = 1024 };

static const int64_t columns[N_WEIGHTS] = {192, 64, 33, 7, 300};

typedef struct bench {
    eai_backend *backend;
    eai_plan *plan;
    void *weights[N_WEIGHTS];
    int64_t rows;
    int n_outputs;
} bench;

static void *make_weight(eai_dtype dtype, int64_t n, eai_rng *rng)
{
    eai_error err = EAI_ERROR_INIT;
    eai_shape shape = EAI_SHAPE2(n, K);
    size_t bytes;
    float row[K];
    assert_true(eai_tensor_bytes(&bytes, dtype, &shape));
    uint8_t *data = eai_alloc(bytes);
    assert_non_null(data);
    for (int64_t i = 0; i < n; i++) {
        eai_rng_fill_uniform(rng, row, K, -0.5f, 0.5f);
        assert_ok(eai_quantize_row(data + (size_t)i * bytes / (size_t)n, dtype, row, K, &err),
                  &err);
    }
    return data;
}

/* y0 .. y4 = x w_i^T, the third of another type; y5 = x t^T with t = x u^T, which has to be there.
 */
static void open_bench(bench *b, eai_dtype dtype, eai_precision precision, int64_t rows)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend_opts opts = {2, precision, NULL};
    eai_graph *g = NULL;
    eai_rng rng;
    static float square[K * K];

    eai_rng_init(&rng, 5, 0);
    memset(b, 0, sizeof(*b));
    b->rows = rows;
    assert_ok(eai_backend_open(&b->backend, "cpu", &opts, &err), &err);
    assert_ok(eai_graph_create(&g, &err), &err);
    eai_tensor *x = eai_input(g, "x", EAI_F32, EAI_SHAPE2(rows, K));
    for (int i = 0; i < N_WEIGHTS; i++) {
        eai_dtype type = i == 2 && dtype != EAI_F32 ? EAI_Q8_0 : dtype;
        char name[8];
        b->weights[i] = make_weight(type, columns[i], &rng);
        snprintf(name, sizeof(name), "y%d", i);
        eai_tensor *w = eai_weight(g, name, type, EAI_SHAPE2(columns[i], K), b->weights[i]);
        eai_graph_output(g, name, eai_linear(g, x, w));
    }
    eai_rng_fill_uniform(&rng, square, sizeof(square) / sizeof(square[0]), -0.5f, 0.5f);
    eai_tensor *u = eai_weight(g, "u", EAI_F32, EAI_SHAPE2(K, K), square);
    eai_tensor *turned = eai_linear(g, x, u);            /* [rows, K] */
    eai_graph_output(g, "y5", eai_linear(g, x, turned)); /* needs the one before */
    b->n_outputs = N_WEIGHTS + 1;
    assert_ok(eai_plan_create(&b->plan, g, b->backend, &err), &err);
    eai_graph_free(g);
    eai_operand in;
    assert_ok(eai_plan_find(&in, b->plan, "x", &err), &err);
    eai_rng_fill_uniform(&rng, in.data, (size_t)(rows * K), -0.5f, 0.5f);
}

static void close_bench(bench *b)
{
    eai_plan_free(b->plan);
    eai_backend_close(b->backend);
    for (int i = 0; i < N_WEIGHTS; i++)
        eai_free(b->weights[i]);
}

/* All outputs of a run, from places that held nothing of theirs. */
static int64_t run(float *out, const bench *b)
{
    eai_error err = EAI_ERROR_INIT;
    eai_operand y[N_WEIGHTS + 1];
    int64_t n = 0;
    for (int i = 0; i < b->n_outputs; i++) {
        char name[8];
        snprintf(name, sizeof(name), "y%d", i);
        assert_ok(eai_plan_find(&y[i], b->plan, name, &err), &err);
        memset(y[i].data, 0x7f, (size_t)eai_shape_elements(&y[i].shape) * sizeof(float));
    }
    assert_ok(eai_plan_run(b->plan, &err), &err);
    for (int i = 0; i < b->n_outputs; i++) {
        int64_t size = eai_shape_elements(&y[i].shape);
        memcpy(out + n, y[i].data, (size_t)size * sizeof(float));
        n += size;
    }
    return n;
}

static void together_as_one_by_one(void **state)
{
    static const eai_dtype types[] = {EAI_F32, EAI_BF16, EAI_Q4_0, EAI_Q4_1, EAI_Q6_K};
    static const eai_precision precisions[] = {EAI_PRECISION_F32, EAI_PRECISION_AUTO,
                                               EAI_PRECISION_INT8};
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) * 3; i++) {
        for (int64_t rows = 1; rows <= MOST_ROWS; rows++) {
            float together[MOST_ROWS * ALL] = {0};
            float single[MOST_ROWS * ALL] = {0};
            eai_error err = EAI_ERROR_INIT;
            eai_profile *profile = NULL;
            bench b;
            open_bench(&b, types[i / 3], precisions[i % 3], rows);
            int64_t n = run(together, &b);
            assert_ok(eai_profile_create(&profile, &err), &err);
            eai_backend_set_profile(b.backend, profile);
            assert_int_equal(run(single, &b), n);
            assert_memory_equal(together, single, (size_t)n * sizeof(float));
            eai_profile_free(profile);
            close_bench(&b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(together_as_one_by_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
