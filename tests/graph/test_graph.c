/* The builder, autodiff and the planner on small graphs with known answers. The reference backend
 * computes. Operation by operation tests are in tests/ops. */
#include <math.h>

#include <efficientai/alloc.h>
#include <efficientai/plan.h>

#include "support/eai_test.h"

static eai_backend *open_reference(void)
{
    eai_backend *b;
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_backend_open(&b, "reference", NULL, &err), &err);
    return b;
}

static eai_graph *new_graph(void)
{
    eai_graph *g;
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_graph_create(&g, &err), &err);
    return g;
}

static double scalar_of(const eai_plan *p, const char *name)
{
    eai_operand o;
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_plan_find(&o, p, name, &err), &err);
    return o.dtype == EAI_F64 ? *(double *)o.data : (double)*(float *)o.data;
}

static void the_first_error_stays_with_its_place(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g = new_graph();
    float w[6] = {0};
    eai_tensor *a = eai_input(g, "a", EAI_F32, EAI_SHAPE2(4, 5));
    eai_scope_push(g, "layers.%d", 3);
    eai_scope_push(g, "up_proj");
    eai_tensor *b = eai_linear(g, a, eai_weight(g, "w", EAI_F32, EAI_SHAPE2(2, 3), w));
    assert_null(b);
    assert_null(eai_silu(g, b));
    eai_scope_pop(g);
    eai_scope_pop(g);
    assert_null(eai_add(g, a, b));
    assert_fails(eai_graph_check(g, &err), EAI_ERR_SHAPE, &err,
                 "layers.3.up_proj: matmul: f32 [4,5] and f32 [2,3]: inner 5 != 3");
    eai_graph_free(g);
}

/* f(x) = x^3 + 2x at x = 1.5: f' = 3x^2 + 2, f'' = 6x, f''' = 6 */
static void derivatives_of_derivatives(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = open_reference();
    eai_graph *g = new_graph();
    double x0 = 1.5;
    eai_tensor *x = eai_state(g, "x", EAI_F64, EAI_SHAPE0, &x0);
    eai_tensor *f = eai_add(g, eai_mul(g, eai_mul(g, x, x), x), eai_scale(g, x, 2));
    eai_tensor *d1;
    eai_tensor *d2;
    eai_tensor *d3;
    eai_grad(g, f, &x, 1, NULL, &d1);
    eai_grad(g, d1, &x, 1, NULL, &d2);
    eai_grad(g, d2, &x, 1, NULL, &d3);
    eai_graph_output(g, "d1", d1);
    eai_graph_output(g, "d2", d2);
    eai_graph_output(g, "d3", d3);
    eai_plan *p;
    assert_ok(eai_plan_create(&p, g, b, &err), &err);
    eai_graph_free(g);
    assert_ok(eai_plan_run(p, &err), &err);
    assert_true(fabs(scalar_of(p, "d1") - (3 * x0 * x0 + 2)) < 1e-12);
    assert_true(fabs(scalar_of(p, "d2") - 6 * x0) < 1e-12);
    assert_true(fabs(scalar_of(p, "d3") - 6) < 1e-12);
    eai_plan_free(p);
    eai_backend_close(b);
}

/* A chain of `n` segments h = silu(h w) with the loss sum(h^2); returns loss and gradient of w. */
static eai_plan *chain_plan(eai_backend *b, const float *x0, double *w0, bool checkpoint)
{
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g = new_graph();
    eai_tensor *w = eai_state(g, "w", EAI_F64, EAI_SHAPE2(8, 8), w0);
    eai_tensor *h = eai_weight(g, "x", EAI_F32, EAI_SHAPE2(64, 8), x0);
    for (int i = 0; i < 12; i++) {
        eai_segment_begin(g);
        h = eai_silu(g, eai_linear(g, eai_silu(g, eai_scale(g, h, 2)), w));
        eai_segment_end(g);
    }
    eai_tensor *loss = eai_sum_all(g, eai_mul(g, h, h));
    eai_tensor *dw;
    eai_grad_opts opts = {checkpoint};
    eai_grad(g, loss, &w, 1, &opts, &dw);
    eai_graph_output(g, "loss", loss);
    eai_graph_output(g, "dw", dw);
    eai_plan *p;
    assert_ok(eai_plan_create(&p, g, b, &err), &err);
    eai_graph_free(g);
    assert_ok(eai_plan_run(p, &err), &err);
    return p;
}

static void checkpointing_gives_the_same_gradient_with_less_memory(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = open_reference();
    float x0[64 * 8];
    double w0[64];
    for (int i = 0; i < 64 * 8; i++)
        x0[i] = (float)sin(0.37 * i);
    for (int i = 0; i < 64; i++)
        w0[i] = cos(0.71 * i) * 0.4;
    eai_plan *plain = chain_plan(b, x0, w0, false);
    eai_plan *saved = chain_plan(b, x0, w0, true);
    eai_operand da;
    eai_operand db;
    assert_ok(eai_plan_find(&da, plain, "dw", &err), &err);
    assert_ok(eai_plan_find(&db, saved, "dw", &err), &err);
    for (int i = 0; i < 64; i++)
        assert_true(fabs(((double *)da.data)[i] - ((double *)db.data)[i]) <
                    1e-12 * (1 + fabs(((double *)da.data)[i])));
    assert_true(fabs(((double *)da.data)[3]) > 1e-6);
    eai_plan_memory ma;
    eai_plan_memory mb;
    eai_plan_get_memory(&ma, plain);
    eai_plan_get_memory(&mb, saved);
    print_message("activations: %zu bytes, with checkpointing %zu\n", ma.activations,
                  mb.activations);
    assert_true(mb.activations * 2 < ma.activations);
    assert_true(ma.activations < ma.unplanned);
    eai_plan_free(plain);
    eai_plan_free(saved);
    eai_backend_close(b);
}

static void states_change_in_the_order_of_creation(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = open_reference();
    eai_graph *g = new_graph();
    double s0[2] = {1, 2};
    eai_tensor *s = eai_state(g, "s", EAI_F64, EAI_SHAPE1(2), s0);
    eai_tensor *before = eai_affine(g, s, 10, 0);
    eai_accumulate(g, s, eai_fill(g, EAI_SHAPE1(2), 5));
    eai_tensor *after = eai_affine(g, s, 10, 0);
    eai_graph_output(g, "difference", eai_sum_all(g, eai_sub(g, after, before)));
    eai_plan *p;
    assert_ok(eai_plan_create(&p, g, b, &err), &err);
    eai_graph_free(g);
    assert_ok(eai_plan_run(p, &err), &err);
    assert_true(fabs(scalar_of(p, "difference") - 100) < 1e-12);
    assert_true(fabs(s0[0] - 6) < 1e-12 && fabs(s0[1] - 7) < 1e-12);
    eai_plan_free(p);
    eai_backend_close(b);
}

static void unused_work_is_dropped_and_unknown_names_are_refused(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = open_reference();
    eai_graph *g = new_graph();
    eai_operand o;
    eai_tensor *x = eai_input(g, "x", EAI_F32, EAI_SHAPE1(4));
    eai_exp(g, eai_exp(g, x));
    eai_graph_output(g, "y", eai_scale(g, x, 3));
    eai_plan *p;
    assert_ok(eai_plan_create(&p, g, b, &err), &err);
    eai_graph_free(g);
    assert_int_equal(eai_plan_steps(p), 1);
    assert_fails(eai_plan_find(&o, p, "z", &err), EAI_ERR_NOT_FOUND, &err, "'z'");
    eai_plan_free(p);
    eai_backend_close(b);
}

static eai_status build_and_plan(void *ud, eai_error *err)
{
    eai_graph *g;
    eai_plan *p = NULL;
    static double w0[16];
    EAI_TRY(eai_graph_create(&g, err));
    eai_tensor *w = eai_state(g, "w", EAI_F64, EAI_SHAPE2(4, 4), w0);
    eai_tensor *x = eai_input(g, "x", EAI_F32, EAI_SHAPE2(3, 4));
    eai_tensor *dw = NULL;
    eai_scope_push(g, "one");
    eai_segment_begin(g);
    eai_tensor *h = eai_silu(g, eai_linear(g, x, w));
    eai_segment_end(g);
    eai_scope_pop(g);
    eai_tensor *loss = eai_sum_all(g, eai_rms_norm(g, h, eai_fill(g, EAI_SHAPE1(4), 1), 1e-5));
    eai_grad(g, loss, &w, 1, &(eai_grad_opts){true}, &dw);
    eai_graph_output(g, "dw", dw);
    eai_status st = eai_plan_create(&p, g, ud, err);
    eai_graph_free(g);
    eai_plan_free(p);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    eai_backend *b = open_reference();
    eai_test_torture(build_and_plan, b);
    eai_backend_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_stays_with_its_place),
        cmocka_unit_test(derivatives_of_derivatives),
        cmocka_unit_test(checkpointing_gives_the_same_gradient_with_less_memory),
        cmocka_unit_test(states_change_in_the_order_of_creation),
        cmocka_unit_test(unused_work_is_dropped_and_unknown_names_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
