/* What the operation cases cannot say: answers known without a reference, memory that must not be
 * read as numbers, bits that must not depend on threads or timing. */
#include <math.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/plan.h>
#include <efficientai/rng.h>

#include "graph/ops.h"
#include "support/eai_test.h"

static eai_backend *open_cpu(int n_threads)
{
    eai_backend *b;
    eai_error err = EAI_ERROR_INIT;
    eai_backend_opts opts = {n_threads, EAI_PRECISION_F32, NULL};
    assert_ok(eai_backend_open(&b, "cpu", &opts, &err), &err);
    return b;
}

/* ---- attention on a cache ---- */

enum { KEYS = 300, HEADS = 6, KV_HEADS = 2, WIDTH = 40 };

typedef struct cache {
    float q[KEYS * HEADS * WIDTH];
    float dout[KEYS * HEADS * WIDTH];
    float k[KEYS * KV_HEADS * WIDTH];
    float v[KEYS * KV_HEADS * WIDTH];
} cache;

static cache *new_cache(void)
{
    cache *c = eai_alloc(sizeof(*c));
    eai_rng rng;
    assert_non_null(c);
    eai_rng_init(&rng, 5, 0);
    eai_rng_fill_uniform(&rng, c->q, KEYS * HEADS * WIDTH, -1, 1);
    eai_rng_fill_uniform(&rng, c->dout, KEYS * HEADS * WIDTH, -1, 1);
    eai_rng_fill_uniform(&rng, c->k, KEYS * KV_HEADS * WIDTH, -1, 1);
    eai_rng_fill_uniform(&rng, c->v, KEYS * KV_HEADS * WIDTH, -1, 1);
    return c;
}

/* n queries, the last of which stands at position `position`; results out, lse, dq, dk, dv. */
static eai_plan *attend(eai_backend *b, cache *c, int n, int position)
{
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g;
    eai_plan *p;
    eai_operand start;
    eai_operand end;
    assert_ok(eai_graph_create(&g, &err), &err);
    eai_tensor *q = eai_state(g, "q", EAI_F32, EAI_SHAPE3(n, HEADS, WIDTH), c->q);
    eai_tensor *k = eai_state(g, "k", EAI_F32, EAI_SHAPE3(KEYS, KV_HEADS, WIDTH), c->k);
    eai_tensor *v = eai_state(g, "v", EAI_F32, EAI_SHAPE3(KEYS, KV_HEADS, WIDTH), c->v);
    eai_tensor *dout = eai_state(g, "dout", EAI_F32, EAI_SHAPE3(n, HEADS, WIDTH), c->dout);
    eai_tensor *s = eai_input(g, "start", EAI_I32, EAI_SHAPE1(n));
    eai_tensor *e = eai_input(g, "end", EAI_I32, EAI_SHAPE1(n));
    eai_tensor *y = eai_attention(g, q, k, v, s, e, 0.2);
    eai_tensor *loss = eai_sum_all(g, eai_mul(g, y, dout));
    eai_tensor *wrt[] = {q, k, v};
    eai_tensor *d[3];
    eai_grad(g, loss, wrt, 3, NULL, d);
    assert_ok(eai_graph_check(g, &err), &err);
    eai_graph_output(g, "out", y);
    eai_graph_output(g, "lse", y->node->out[1]);
    eai_graph_output(g, "dq", d[0]);
    eai_graph_output(g, "dk", d[1]);
    eai_graph_output(g, "dv", d[2]);
    assert_ok(eai_plan_create(&p, g, b, &err), &err);
    eai_graph_free(g);
    assert_ok(eai_plan_find(&start, p, "start", &err), &err);
    assert_ok(eai_plan_find(&end, p, "end", &err), &err);
    for (int t = 0; t < n; t++) {
        ((int32_t *)start.data)[t] = 3;
        ((int32_t *)end.data)[t] = position - n + 2 + t;
    }
    assert_ok(eai_plan_run(p, &err), &err);
    return p;
}

static const char *const results[] = {"out", "lse", "dq", "dk", "dv"};
#define N_RESULTS (sizeof(results) / sizeof(results[0]))

static eai_operand find(const eai_plan *p, const char *name)
{
    eai_operand o;
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_plan_find(&o, p, name, &err), &err);
    return o;
}

static void assert_same_bits(const eai_plan *a, const eai_plan *b, const char *name)
{
    eai_operand x = find(a, name);
    eai_operand y = find(b, name);
    assert_memory_equal(x.data, y.data, (size_t)eai_shape_elements(&x.shape) * sizeof(float));
}

/* Rows before `start` and behind the position may hold anything. */
static void the_unused_part_of_a_cache_is_never_read(void **state)
{
    (void)state;
    eai_backend *b = open_cpu(2);
    const int counts[] = {1, 3, 7, 100};
    for (int i = 0; i < 4; i++) {
        int position = 200;
        cache *clean = new_cache();
        cache *dirty = new_cache();
        eai_plan *a = attend(b, clean, counts[i], position);
        for (int j = 0; j < KEYS * KV_HEADS * WIDTH; j++) {
            int row = j / (KV_HEADS * WIDTH);
            if (row < 3 || row > position)
                dirty->k[j] = dirty->v[j] = j % 2 ? NAN : INFINITY;
        }
        eai_plan *d = attend(b, dirty, counts[i], position);
        for (size_t k = 0; k < N_RESULTS; k++)
            assert_same_bits(a, d, results[k]);
        eai_plan_free(a);
        eai_plan_free(d);
        eai_free(clean);
        eai_free(dirty);
    }
    eai_backend_close(b);
}

/* A score of -1e30 beside others, and scores that overflow exp unless the maximum is subtracted. */
static void large_scores_do_not_overflow(void **state)
{
    (void)state;
    eai_backend *b = open_cpu(1);
    cache *c = new_cache();
    for (int i = 0; i < KEYS * HEADS * WIDTH; i++)
        c->q[i] *= 1e3f;
    for (int n = 2; n <= 50; n += 48) {
        eai_plan *p = attend(b, c, n, 250);
        for (size_t k = 0; k < N_RESULTS; k++) {
            eai_operand o = find(p, results[k]);
            for (int64_t i = 0; i < eai_shape_elements(&o.shape); i++)
                assert_true(isfinite(((float *)o.data)[i]));
        }
        eai_plan_free(p);
    }
    eai_free(c);
    eai_backend_close(b);
}

static void attention_gives_the_same_bits_every_time(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_backend *one = open_cpu(1);
    eai_backend *three = open_cpu(3);
    cache *c = new_cache();
    eai_plan *a = attend(one, c, 200, 299);
    eai_plan *first = attend(three, c, 200, 299);
    eai_plan *again = attend(three, c, 200, 299);
    for (int run = 0; run < 20; run++) {
        for (size_t k = 0; k < N_RESULTS; k++)
            assert_same_bits(first, again, results[k]);
        assert_ok(eai_plan_run(again, &err), &err);
    }
    assert_same_bits(a, first, "out"); /* whatever the number of threads */
    assert_same_bits(a, first, "dk");
    eai_plan_free(a);
    eai_plan_free(first);
    eai_plan_free(again);
    eai_free(c);
    eai_backend_close(one);
    eai_backend_close(three);
}

/* ---- known answers ---- */

/* The first step of AdamW moves by lr in the gradient's direction, after the decay: 1 * (1 - 0.1 *
 * 0.01) - 0.1. */
static void the_first_adamw_step(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = open_cpu(1);
    eai_graph *g;
    eai_plan *plan;
    float p = 1;
    float m = 0;
    float v = 0;
    float grad = 4;
    float hyper[3] = {0.1f, 1 - 0.9f, 0.001f};
    float half = 0.5f;
    assert_ok(eai_graph_create(&g, &err), &err);
    eai_adamw(g, eai_state(g, "p", EAI_F32, EAI_SHAPE1(1), &p),
              eai_state(g, "m", EAI_F32, EAI_SHAPE1(1), &m),
              eai_state(g, "v", EAI_F32, EAI_SHAPE1(1), &v),
              eai_state(g, "g", EAI_F32, EAI_SHAPE1(1), &grad),
              eai_state(g, "h", EAI_F32, EAI_SHAPE1(3), hyper),
              eai_state(g, "s", EAI_F32, EAI_SHAPE0, &half),
              (eai_adamw_opts){0.9, 0.999, 1e-8, 0.01});
    assert_ok(eai_plan_create(&plan, g, b, &err), &err);
    eai_graph_free(g);
    assert_ok(eai_plan_run(plan, &err), &err);
    assert_true(fabsf(p - 0.899f) < 1e-6f);
    assert_true(fabsf(m - 0.2f) < 1e-6f);
    assert_true(fabsf(v - 0.004f) < 1e-8f);
    eai_plan_free(plan);
    eai_backend_close(b);
}

/* Of a million elements p are zero, the rest scaled; the gradient has the same mask; another stream
 * has another one. */
static void dropout_drops_its_share(void **state)
{
    (void)state;
    enum { N = 1000003 };
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = open_cpu(2);
    eai_graph *g;
    eai_plan *plan;
    eai_tensor *dx;
    assert_ok(eai_graph_create(&g, &err), &err);
    float *ones = eai_alloc_array(N, sizeof(*ones));
    assert_non_null(ones);
    for (int i = 0; i < N; i++)
        ones[i] = 1;
    eai_tensor *x = eai_state(g, "x", EAI_F32, EAI_SHAPE1(N), ones);
    eai_tensor *seed = eai_input(g, "seed", EAI_I32, EAI_SHAPE1(2));
    eai_tensor *y = eai_dropout(g, x, seed, 0.25, 1);
    eai_grad(g, eai_sum_all(g, y), &x, 1, NULL, &dx);
    eai_graph_output(g, "y", y);
    eai_graph_output(g, "dx", dx);
    eai_graph_output(g, "z", eai_dropout(g, x, seed, 0.25, 2));
    assert_ok(eai_plan_create(&plan, g, b, &err), &err);
    eai_graph_free(g);
    ((int32_t *)find(plan, "seed").data)[0] = 42;
    assert_ok(eai_plan_run(plan, &err), &err);
    const float *kept = find(plan, "y").data;
    const float *other = find(plan, "z").data;
    int dropped = 0;
    int both = 0;
    for (int i = 0; i < N; i++) {
        assert_true(kept[i] == 0 || fabsf(kept[i] - 4.0f / 3) < 1e-6f);
        dropped += kept[i] == 0;
        both += kept[i] == 0 && other[i] == 0;
    }
    assert_true(abs(dropped - N / 4) < 2200); /* five standard deviations */
    assert_true(abs(both - N / 16) < 1300);   /* independent */
    assert_memory_equal(kept, find(plan, "dx").data, N * sizeof(float));
    eai_plan_free(plan);
    eai_free(ones);
    eai_backend_close(b);
}

/* Where both are equal, the gradient goes to the second. */
static void ties_of_maximum_go_to_the_second(void **state)
{
    (void)state;
    const char *const backends[] = {"cpu", "reference"};
    for (int i = 0; i < 2; i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_backend *b;
        eai_graph *g;
        eai_plan *plan;
        float three[2] = {3, 3};
        float four[2] = {3, 4};
        assert_ok(eai_backend_open(&b, backends[i], NULL, &err), &err);
        assert_ok(eai_graph_create(&g, &err), &err);
        eai_tensor *in[] = {eai_state(g, "a", EAI_F32, EAI_SHAPE1(2), three),
                            eai_state(g, "b", EAI_F32, EAI_SHAPE1(2), four)};
        eai_tensor *d[2];
        eai_grad(g, eai_sum_all(g, eai_minimum(g, in[0], in[1])), in, 2, NULL, d);
        eai_graph_output(g, "sum", eai_add(g, eai_scale(g, d[0], 10), d[1]));
        assert_ok(eai_plan_create(&plan, g, b, &err), &err);
        eai_graph_free(g);
        assert_ok(eai_plan_run(plan, &err), &err);
        eai_operand o = find(plan, "sum");
        for (int k = 0; k < 2; k++) {
            double value =
                o.dtype == EAI_F64 ? ((double *)o.data)[k] : (double)((float *)o.data)[k];
            assert_true(value == (k == 0 ? 1 : 10));
        }
        eai_plan_free(plan);
        eai_backend_close(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_unused_part_of_a_cache_is_never_read),
        cmocka_unit_test(large_scores_do_not_overflow),
        cmocka_unit_test(attention_gives_the_same_bits_every_time),
        cmocka_unit_test(the_first_adamw_step),
        cmocka_unit_test(dropout_drops_its_share),
        cmocka_unit_test(ties_of_maximum_go_to_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
