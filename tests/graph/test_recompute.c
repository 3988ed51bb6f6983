/* Values that wait for the backward pass. Made again: the plan has the steps twice and less memory,
 * the gradients are those of a plan that keeps everything (float64), and what is read once, or
 * whose operands are gone, is left alone. Kept in half the bytes: only where products are not in
 * f32. The graph: N_LAYERS of x = x + swiglu(norm(x) a, norm(x) b) c.
 */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/graph.h>
#include <efficientai/plan.h>

#define N_LAYERS 6
#define T        64
#define D        16
#define F        32

typedef struct bench {
    eai_backend *backend;
    eai_plan *plan;
    float x[T * D], norm[D], a[D * F], b[D * F], c[F * D];
} bench;

static void fill(float *x, int n, double step)
{
    for (int i = 0; i < n; i++)
        x[i] = (float)(0.5 * sin(step * i + 1));
}

static eai_tensor *layer(eai_graph *g, eai_tensor *x, eai_tensor *const w[4])
{
    eai_tensor *h = eai_rms_norm(g, x, w[0], 1e-5);
    /* Read through another shape: what is an alias of a value goes with it. */
    h = eai_reshape(g, eai_reshape(g, h, EAI_SHAPE1(T * D)), EAI_SHAPE2(T, D));
    eai_tensor *gate = eai_matmul(g, h, w[1], EAI_MATMUL_OPTS_INIT);
    eai_tensor *up = eai_matmul(g, h, w[2], EAI_MATMUL_OPTS_INIT);
    h = eai_swiglu(g, gate, up);
    return eai_add(g, x, eai_matmul(g, h, w[3], EAI_MATMUL_OPTS_INIT));
}

static eai_status make_plan(void *ud, eai_error *err)
{
    bench *b = ud;
    eai_graph *g = NULL;
    eai_tensor *dw[4];
    static const char *const names[] = {"dnorm", "da", "db", "dc"};

    EAI_TRY(eai_graph_create(&g, err));
    eai_tensor *x = eai_weight(g, "x", EAI_F32, EAI_SHAPE2(T, D), b->x);
    eai_tensor *w[4] = {
        eai_state(g, "norm", EAI_F32, EAI_SHAPE1(D), b->norm),
        eai_state(g, "a", EAI_F32, EAI_SHAPE2(D, F), b->a),
        eai_state(g, "b", EAI_F32, EAI_SHAPE2(D, F), b->b),
        eai_state(g, "c", EAI_F32, EAI_SHAPE2(F, D), b->c),
    };
    for (int i = 0; i < N_LAYERS; i++)
        x = layer(g, x, w);
    eai_tensor *loss = eai_sum_all(g, eai_mul(g, x, x));
    eai_grad(g, loss, w, 4, NULL, dw);
    eai_graph_output(g, "loss", loss);
    for (int i = 0; i < 4; i++)
        eai_graph_output(g, names[i], dw[i]);
    eai_status st = eai_plan_create(&b->plan, g, b->backend, err);
    eai_graph_free(g);
    if (st != EAI_OK)
        b->plan = NULL;
    return st;
}

static void open_bench(bench *b, const char *backend)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend_opts opts = {2, EAI_PRECISION_F32, NULL};

    memset(b, 0, sizeof(*b));
    fill(b->x, T * D, 0.37);
    fill(b->norm, D, 0.9);
    fill(b->a, D * F, 0.71);
    fill(b->b, D * F, 0.53);
    fill(b->c, F * D, 0.29);
    assert_ok(eai_backend_open(&b->backend, backend, &opts, &err), &err);
    assert_ok(make_plan(b, &err), &err);
    assert_ok(eai_plan_run(b->plan, &err), &err);
}

static void close_bench(bench *b)
{
    eai_plan_free(b->plan);
    eai_backend_close(b->backend);
}

/* How many steps of a name the plan's table counts. */
static int count(const eai_plan *plan, const char *name)
{
    char *text = NULL;
    size_t n = 0;
    char line[64];
    FILE *out = open_memstream(&text, &n);
    eai_plan_print(plan, out);
    fclose(out);
    snprintf(line, sizeof(line), "\n  %-16s ", name);
    const char *row = strstr(text, line);
    int found = row ? (int)strtol(row + strlen(line), NULL, 10) : 0;
    free(text);
    return found;
}

static void check_gradient(const bench *kept, const bench *again, const char *name)
{
    eai_error err = EAI_ERROR_INIT;
    eai_operand e;
    eai_operand a;
    assert_ok(eai_plan_find(&e, kept->plan, name, &err), &err);
    assert_ok(eai_plan_find(&a, again->plan, name, &err), &err);
    size_t n = (size_t)eai_shape_elements(&e.shape);
    float *expected = calloc(n, sizeof(*expected));
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        expected[i] = (float)((const double *)e.data)[i];
        largest = fmax(largest, fabs((double)expected[i]));
    }
    assert_true(largest > 1e-3);
    assert_close(a.data, expected, n, 1e-5, 1e-5 * largest);
    free(expected);
}

static void is_made_again_with_the_same_gradients(void **state)
{
    (void)state;
    static const char *const names[] = {"loss", "dnorm", "da", "db", "dc"};
    bench kept;
    bench again;
    eai_plan_memory m;

    open_bench(&kept, "reference");
    open_bench(&again, "cpu");
    assert_int_equal(count(kept.plan, "rms_norm"), N_LAYERS);
    assert_int_equal(count(kept.plan, "swiglu"), N_LAYERS);
    /* Those of the last layers are read again soon. */
    assert_in_range(count(again.plan, "rms_norm"), 2 * N_LAYERS - 2, 2 * N_LAYERS);
    assert_in_range(count(again.plan, "swiglu"), 2 * N_LAYERS - 2, 2 * N_LAYERS);
    for (int i = 0; i < 5; i++)
        check_gradient(&kept, &again, names[i]);
    /* Of a layer x, gate and up are kept, not its norm and product; some more are in use at once.
     */
    eai_plan_get_memory(&m, again.plan);
    print_message("activations: %zu bytes\n", m.activations);
    assert_true(m.activations < sizeof(float) * T * (N_LAYERS * (D + 2 * F) + 4 * F + 4 * D + 64));
    close_bench(&kept);
    close_bench(&again);
}

/* norm(x), many other steps, then norm(x) again: x is a state, the result of a step, or a state
 * that changes in between. */
typedef enum source { STATE, RESULT, CHANGED } source;

static double *run_far(bench *b, const char *backend, source from, int n_norms)
{
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g = NULL;
    eai_operand y;

    memset(b, 0, sizeof(*b));
    fill(b->x, T * D, 0.37);
    fill(b->norm, D, 0.9);
    assert_ok(eai_backend_open(&b->backend, backend, NULL, &err), &err);
    assert_ok(eai_graph_create(&g, &err), &err);
    eai_tensor *x = eai_state(g, "x", EAI_F32, EAI_SHAPE2(T, D), b->x);
    eai_tensor *w = eai_weight(g, "w", EAI_F32, EAI_SHAPE1(D), b->norm);
    eai_tensor *norm = eai_rms_norm(g, from == RESULT ? eai_softmax(g, x) : x, w, 1e-5);
    eai_tensor *h = norm;
    for (int i = 0; i < 40; i++)
        h = eai_softmax(g, h);
    if (from == CHANGED)
        eai_assign(g, x, eai_scale(g, x, 3));
    eai_graph_output(g, "y", eai_add(g, norm, h));
    assert_ok(eai_plan_create(&b->plan, g, b->backend, &err), &err);
    eai_graph_free(g);
    assert_ok(eai_plan_run(b->plan, &err), &err);
    assert_int_equal(count(b->plan, "rms_norm"), n_norms);
    assert_ok(eai_plan_find(&y, b->plan, "y", &err), &err);
    double *values = calloc(T * D, sizeof(*values));
    for (int i = 0; i < T * D; i++)
        values[i] =
            y.dtype == EAI_F64 ? ((const double *)y.data)[i] : (double)((const float *)y.data)[i];
    close_bench(b);
    return values;
}

static void is_kept_where_its_operands_are_gone_or_changed(void **state)
{
    (void)state;
    static const int n_norms[] = {[STATE] = 2, [RESULT] = 1, [CHANGED] = 1};
    for (source from = STATE; from <= CHANGED; from++) {
        bench b;
        double *expected = run_far(&b, "reference", from, 1);
        double *actual = run_far(&b, "cpu", from, n_norms[from]);
        for (int i = 0; i < T * D; i++)
            assert_true(fabs(actual[i] - expected[i]) < 1e-5);
        free(expected);
        free(actual);
    }
}

#define WIDE   256
#define WAIT   70
#define N_WAIT 4

/* y = x + 0.1, x + 0.2 ..., many other steps, then each y again, through another shape: waiting in
 * f32 or in half the bytes. */
static float *run_wide(size_t *bytes, int n_converts, eai_precision precision, bool named)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend_opts opts = {.n_threads = 2, .precision = precision};
    eai_shape other = EAI_SHAPE3(2, WIDE / 2, WIDE);
    eai_tensor *y[N_WAIT];
    eai_backend *backend;
    eai_graph *g = NULL;
    eai_plan *plan;
    eai_plan_memory m;
    eai_operand out;
    float *x = calloc(WIDE * WIDE, sizeof(*x));

    fill(x, WIDE * WIDE, 0.37);
    assert_ok(eai_backend_open(&backend, "cpu", &opts, &err), &err);
    assert_ok(eai_graph_create(&g, &err), &err);
    eai_tensor *a = eai_weight(g, "x", EAI_F32, EAI_SHAPE2(WIDE, WIDE), x);
    eai_tensor *h = a;
    for (int i = 0; i < N_WAIT; i++) {
        y[i] = eai_add(g, a, eai_fill(g, EAI_SHAPE1(WIDE), 0.1 * (i + 1)));
        h = eai_softmax(g, eai_matmul(g, h, y[i], EAI_MATMUL_OPTS_INIT));
    }
    for (int i = 0; i < WAIT; i++)
        h = eai_softmax(g, h);
    h = eai_reshape(g, h, other);
    for (int i = 0; i < N_WAIT; i++)
        h = eai_softmax(g, eai_add(g, h, eai_reshape(g, y[i], other)));
    eai_graph_output(g, "h", h);
    if (named)
        eai_graph_output(g, "y", y[0]);
    assert_ok(eai_plan_create(&plan, g, backend, &err), &err);
    eai_graph_free(g);
    assert_ok(eai_plan_run(plan, &err), &err);
    assert_int_equal(count(plan, "convert"), n_converts);
    eai_plan_get_memory(&m, plan);
    *bytes = m.activations;
    assert_ok(eai_plan_find(&out, plan, "h", &err), &err);
    memcpy(x, out.data, WIDE * WIDE * sizeof(*x));
    eai_plan_free(plan);
    eai_backend_close(backend);
    return x;
}

static void waits_in_half_the_bytes(void **state)
{
    (void)state;
    size_t full;
    size_t halved;
    size_t named;
    float *expected = run_wide(&full, 0, EAI_PRECISION_F32, false);
    float *actual = run_wide(&halved, 2 * N_WAIT, EAI_PRECISION_INT8, false);
    float *kept = run_wide(&named, 2 * (N_WAIT - 1), EAI_PRECISION_INT8, true); /* y is a result */
    double worst = 0;
    for (int i = 0; i < WIDE * WIDE; i++) {
        double error = fabs((double)actual[i] / (double)expected[i] - 1);
        worst = fmax(worst, error);
        assert_true(fabs((double)kept[i] / (double)expected[i] - 1) < 0.01);
    }
    print_message("off by %g, %zu instead of %zu bytes\n", worst, halved, full);
    assert_true(worst > 1e-6 && worst < 0.01);
    assert_true(halved < full && halved < named);
    free(expected);
    free(actual);
    free(kept);
}

#define N_WIDE 10

/* The gradient by the layers' first weights, of N_WIDE layers. */
static float *differentiate_wide(int *n_converts, int *n_steps, eai_precision precision)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend_opts opts = {.n_threads = 2, .precision = precision};
    eai_backend *backend;
    eai_graph *g = NULL;
    eai_plan *plan;
    eai_operand out;
    eai_tensor *w[4];
    eai_tensor *dw;
    float *data[5];
    float *gradient = calloc(WIDE * WIDE, sizeof(*gradient));

    for (int i = 0; i < 5; i++) {
        data[i] = calloc(WIDE * WIDE, sizeof(float));
        for (unsigned k = 0; k < WIDE * WIDE; k++) /* without a pattern that sums could cancel */
            data[i][k] =
                (float)((k + WIDE * WIDE * (unsigned)i + 1) * 2654435761u >> 8) / 16777216.0f -
                0.5f;
    }
    assert_ok(eai_backend_open(&backend, "cpu", &opts, &err), &err);
    assert_ok(eai_graph_create(&g, &err), &err);
    eai_tensor *x = eai_weight(g, "x", EAI_F32, EAI_SHAPE2(WIDE, WIDE), data[0]);
    w[0] = eai_state(g, "norm", EAI_F32, EAI_SHAPE1(WIDE), data[1]);
    for (int i = 1; i < 4; i++)
        w[i] = eai_state(g, (const char *[]){"a", "b", "c"}[i - 1], EAI_F32, EAI_SHAPE2(WIDE, WIDE),
                         data[i + 1]);
    for (int i = 0; i < N_WIDE; i++) {
        eai_tensor *h = eai_rms_norm(g, x, w[0], 1e-5);
        eai_tensor *gate = eai_matmul(g, h, w[1], EAI_MATMUL_OPTS_INIT);
        /* Through another shape: an alias of what waits is of its type. */
        gate =
            eai_reshape(g, eai_reshape(g, gate, EAI_SHAPE1(WIDE * WIDE)), EAI_SHAPE2(WIDE, WIDE));
        h = eai_swiglu(g, gate, eai_matmul(g, h, w[2], EAI_MATMUL_OPTS_INIT));
        x = eai_add(g, x, eai_scale(g, eai_matmul(g, h, w[3], EAI_MATMUL_OPTS_INIT), 0.01));
    }
    eai_grad(g, eai_sum_all(g, eai_mul(g, x, x)), w + 1, 1, NULL, &dw);
    eai_graph_output(g, "da", dw);
    assert_ok(eai_plan_create(&plan, g, backend, &err), &err);
    eai_graph_free(g);
    assert_ok(eai_plan_run(plan, &err), &err);
    assert_ok(eai_plan_find(&out, plan, "da", &err), &err);
    memcpy(gradient, out.data, WIDE * WIDE * sizeof(*gradient));
    *n_converts = count(plan, "convert");
    *n_steps = count(plan, "rms_norm") + count(plan, "swiglu");
    eai_plan_free(plan);
    eai_backend_close(backend);
    for (int i = 0; i < 5; i++)
        free(data[i]);
    return gradient;
}

static void norms_and_swiglu_read_half_the_bytes(void **state)
{
    (void)state;
    int n_converts;
    int n_steps;
    float *expected = differentiate_wide(&n_converts, &n_steps, EAI_PRECISION_F32);
    assert_int_equal(n_converts, 0);
    float *actual = differentiate_wide(&n_converts, &n_steps, EAI_PRECISION_INT8);
    double largest = 0;
    double worst = 0;
    for (int i = 0; i < WIDE * WIDE; i++) {
        assert_true(isfinite(actual[i]));
        largest = fmax(largest, fabs((double)expected[i]));
        worst = fmax(worst, fabs((double)actual[i] - (double)expected[i]));
    }
    print_message("%d conversions, %d norms and products, off by %g\n", n_converts, n_steps,
                  worst / largest);
    assert_true(worst > 0 && worst < 0.01 * largest);
    assert_int_equal(n_converts, 12); /* to bf16; as many again go back where none reads that */
    free(expected);
    free(actual);
}

static eai_status plan_and_drop(void *ud, eai_error *err)
{
    bench *b = ud;
    EAI_TRY(make_plan(b, err));
    eai_plan_free(b->plan);
    b->plan = NULL;
    return EAI_OK;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, "cpu");
    eai_plan_free(b.plan);
    b.plan = NULL;
    eai_test_torture(plan_and_drop, &b);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_made_again_with_the_same_gradients),
        cmocka_unit_test(is_kept_where_its_operands_are_gone_or_changed),
        cmocka_unit_test(waits_in_half_the_bytes),
        cmocka_unit_test(norms_and_swiglu_read_half_the_bytes),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
