/* Measurements measure what they say; how fast anything is, no test can know. */
#include <efficientai/bench.h>

#include <math.h>

#include "support/eai_test.h"
#include "support/tiny_llama.h"

static void test_summaries(void **state)
{
    double odd[] = {3, 1, 2};
    double even[] = {4, 1, 3, 2};
    (void)state;
    eai_bench_times t = eai_bench_summarize(odd, 3);
    assert_true(t.median == 2 && t.least == 1 && t.most == 3 && t.n == 3);
    t = eai_bench_summarize(even, 4);
    assert_true(t.median == 2.5 && t.least == 1 && t.most == 4);
    t = eai_bench_summarize(NULL, 0);
    assert_true(t.n == 0 && t.median == 0);
}

static void test_products_take_turns(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = tiny_backend();
    eai_bench_case *c[2];
    eai_bench_product p = {.m = 3, .k = 64, .n = 32, .dtype = EAI_Q4_1};
    (void)state;
    assert_ok(eai_bench_case_product(&c[0], b, &p, &err), &err);
    p.gradient = true;
    assert_ok(eai_bench_case_product(&c[1], b, &p, &err), &err);
    assert_ok(eai_bench_run_cases(c, 2, 3, &err), &err);
    for (int i = 0; i < 2; i++) {
        eai_bench_times t = eai_bench_case_times(c[i]);
        assert_true(t.n == 3 && t.least > 0 && t.median >= t.least && t.most >= t.median);
        assert_true(eai_bench_case_flops(c[i]) == 2.0 * 3 * 64 * 32);
        eai_bench_case_free(c[i]);
    }
    eai_backend_close(b);
}

static void test_products_that_cannot_be(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = tiny_backend();
    eai_bench_case *c;
    eai_bench_product none = {.m = 0, .k = 64, .n = 32, .dtype = EAI_F32};
    eai_bench_product blocks = {.m = 1, .k = 576, .n = 32, .dtype = EAI_Q4_K};
    (void)state;
    assert_fails(eai_bench_case_product(&c, b, &none, &err), EAI_ERR_ARGUMENT, &err, "0x64x32");
    assert_fails(eai_bench_case_product(&c, b, &blocks, &err), EAI_ERR_UNSUPPORTED, &err,
                 "rows of 576 numbers cannot be q4_K");
    eai_backend_close(b);
}

static void test_machine(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend_opts opts = EAI_BACKEND_OPTS_INIT;
    double speed;
    size_t n = 0;
    (void)state;
    opts.n_threads = 2;
    for (; (opts.isa = eai_backend_isa_at(n)); n++) {
        eai_backend *b;
        assert_ok(eai_backend_open(&b, "cpu", &opts, &err), &err);
        assert_true(eai_backend_measure_peak(b) > 0);
        eai_backend_close(b);
    }
    assert_true(n > 0);
    assert_ok(eai_bench_read_speed(&speed, 2, 1 << 20, &err), &err);
    assert_true(speed > 0);
}

/* A model of random numbers is as wrong as can be: its loss is about log(vocabulary). */
static void test_random_model(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = tiny_backend();
    eai_weights *w;
    eai_model *m;
    eai_bench_training *t;
    eai_generator *gen;
    eai_bench_generation g;
    double seconds;
    (void)state;
    assert_fails(eai_bench_random_model(&m, &w, "7b", EAI_BF16, &err), EAI_ERR_ARGUMENT, &err,
                 "135m");
    assert_ok(eai_bench_random_model(&m, &w, "135m", EAI_Q4_1, &err), &err);
    assert_int_equal(eai_model_parameters(m), 134515008); /* SmolLM2-135M's */

    eai_bench_train_opts opts = EAI_BENCH_TRAIN_OPTS_INIT;
    opts.batch_size = 1;
    opts.seq_len = 8;
    assert_ok(eai_bench_training_create(&t, m, b, &opts, &err), &err);
    assert_ok(eai_bench_training_step(&seconds, t, &err), &err);
    float loss = eai_trainer_losses(eai_bench_training_trainer(t))[0];
    assert_true(seconds > 0 && fabsf(loss - logf(49152)) < 2);
    eai_bench_training_free(t);

    eai_generator_opts gen_opts = {8};
    assert_ok(eai_generator_create(&gen, m, NULL, b, NULL, &gen_opts, &err), &err);
    assert_ok(eai_bench_generate(&g, gen, m, 2, 1, &err), &err);
    assert_true(g.prompt_seconds > 0 && g.tokens_seconds > 0);
    assert_fails(eai_bench_generate(&g, gen, m, 8, 1, &err), EAI_ERR_ARGUMENT, &err, "at most 8");
    eai_generator_free(gen);
    eai_model_free(m);
    eai_weights_close(w);
    eai_backend_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summaries),
        cmocka_unit_test(test_products_take_turns),
        cmocka_unit_test(test_products_that_cannot_be),
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_random_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
