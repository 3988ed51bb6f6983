/* Profiles: what is counted of a small plan on each backend, the table, the trace, and what happens
 * without memory. The graph is y = exp(x w) w. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/profile.h>

#define N 24

typedef struct bench {
    eai_backend *backend;
    eai_plan *plan;
    float w[N * N];
} bench;

static void open_bench(bench *b, const char *backend)
{
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g = NULL;

    memset(b, 0, sizeof(*b));
    assert_ok(eai_backend_open(&b->backend, backend, NULL, &err), &err);
    assert_ok(eai_graph_create(&g, &err), &err);
    eai_tensor *x = eai_input(g, "x", EAI_F32, EAI_SHAPE2(N, N));
    eai_tensor *w = eai_weight(g, "w", EAI_F32, EAI_SHAPE2(N, N), b->w);
    eai_tensor *xw = eai_matmul(g, x, w, EAI_MATMUL_OPTS_INIT);
    eai_graph_output(g, "y", eai_matmul(g, eai_exp(g, xw), w, EAI_MATMUL_OPTS_INIT));
    assert_ok(eai_plan_create(&b->plan, g, b->backend, &err), &err);
    eai_graph_free(g);
}

static void close_bench(bench *b)
{
    eai_plan_free(b->plan);
    eai_backend_close(b->backend);
}

static void run(bench *b, int times)
{
    eai_error err = EAI_ERROR_INIT;
    for (int i = 0; i < times; i++)
        assert_ok(eai_plan_run(b->plan, &err), &err);
}

static json_t *read_trace(const eai_profile *p)
{
    eai_error err = EAI_ERROR_INIT;
    char *folder = eai_test_make_folder();
    char path[4096];
    snprintf(path, sizeof(path), "%s/trace.json", folder);
    assert_ok(eai_profile_write_trace(p, path, &err), &err);
    json_t *trace = json_load_file(path, 0, NULL);
    assert_non_null(trace);
    eai_test_remove_folder(folder);
    return trace;
}

static void check_events(const eai_profile *p, const eai_profile_totals *t)
{
    json_t *trace = read_trace(p);
    const json_t *events = json_object_get(trace, "traceEvents");
    double micros = 0;
    double last = 0;

    assert_int_equal(json_array_size(events), t->steps);
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i);
        double begin = json_number_value(json_object_get(e, "ts"));
        assert_true(begin >= last);
        last = begin;
        micros += json_number_value(json_object_get(e, "dur"));
    }
    const json_t *args = json_object_get(json_array_get(events, 0), "args");
    assert_string_equal(json_string_value(json_object_get(args, "shapes")), "24x24 24x24 -> 24x24");
    assert_close(&(float){(float)micros}, &(float){(float)(1e6 * t->seconds)}, 1, 1e-2, 0.1);
    json_decref(trace);
}

static void check_table(const eai_profile *p)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    eai_profile_print(p, out);
    fclose(out);
    assert_non_null(strstr(text, "  matmul                  6 "));
    assert_non_null(strstr(text, "  exp                     3 "));
    assert_non_null(strstr(text, "  total                   9 "));
    assert_non_null(strstr(text, "24x24 24x24 -> 24x24\n"));
    free(text);
}

static void counts_every_step(void **state)
{
    (void)state;
    static const char *const backends[] = {"cpu", "reference"};
    for (int i = 0; i < 2; i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_profile *p = NULL;
        eai_profile_totals t;
        bench b;

        open_bench(&b, backends[i]);
        assert_ok(eai_profile_create(&p, &err), &err);
        run(&b, 1); /* not yet */
        eai_backend_set_profile(b.backend, p);
        run(&b, 3);
        eai_backend_set_profile(b.backend, NULL);
        run(&b, 1); /* no longer */
        eai_profile_get_totals(&t, p);
        assert_int_equal(t.steps, 3 * eai_plan_steps(b.plan));
        assert_true(t.flops == 3 * eai_plan_flops(b.plan));
        double f32 = 3 * N * N * 8 * sizeof(float); /* the reference keeps values in f64 */
        assert_true(i == 0 ? t.bytes == f32 : t.bytes > f32);
        assert_true(t.least > 0 && t.least <= t.seconds);
        check_events(p, &t);
        check_table(p);
        eai_profile_free(p);
        close_bench(&b);
    }
}

/* A step that finds no memory for its kind runs all the same, and the report says what is missing.
 */
static void runs_without_memory(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_profile *p = NULL;
    eai_profile_totals t;
    bench b;

    open_bench(&b, "cpu");
    assert_ok(eai_profile_create(&p, &err), &err);
    eai_backend_set_profile(b.backend, p);
    eai_alloc_fail_at(1);
    eai_status st = eai_plan_run(b.plan, &err);
    eai_alloc_fail_at(0);
    assert_ok(st, &err);
    eai_profile_get_totals(&t, p);
    assert_true(t.steps < eai_plan_steps(b.plan));
    json_t *trace = read_trace(p);
    const json_t *other = json_object_get(trace, "otherData");
    assert_int_equal(json_integer_value(json_object_get(other, "steps left out")),
                     eai_plan_steps(b.plan) - t.steps);
    json_decref(trace);
    eai_profile_free(p);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_every_step),
        cmocka_unit_test(runs_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
