/* The sampler against distributions that are computed here by sorting. What is guarded: which
 * tokens each filter leaves, their shares, ties, the repetition penalty, the seed, damaged logits.
 */
#include "support/eai_test.h"

#include <math.h>

#include "generate/sampler.h"

enum { VOCAB = 10, N_DRAWS = 20000 };

static const float logits[VOCAB] = {1.0f, 3.0f,      -2.0f, 2.5f, 0.5f,
                                    2.0f, -INFINITY, 1.5f,  0.0f, 2.5f};

/* Shares of N_DRAWS draws. */
static void count_draws(double *share, eai_sampling opts)
{
    eai_error err = EAI_ERROR_INIT;
    generate__sampler s;
    assert_ok(generate__sampler_init(&s, &opts, VOCAB, &err), &err);
    for (int i = 0; i < VOCAB; i++)
        share[i] = 0;
    for (int i = 0; i < N_DRAWS; i++) {
        int32_t id;
        assert_ok(generate__sampler_next(&id, &s, logits, &err), &err);
        share[id] += 1.0 / N_DRAWS;
    }
    generate__sampler_deinit(&s);
}

/* The shares that must come out: softmax of logits / temperature over the tokens in `kept`. */
static void check_shares(eai_sampling opts, const int *kept, int n_kept)
{
    double share[VOCAB];
    double expected[VOCAB] = {0};
    double sum = 0;
    count_draws(share, opts);
    for (int i = 0; i < n_kept; i++)
        sum += exp((double)logits[kept[i]] / opts.temperature);
    for (int i = 0; i < n_kept; i++)
        expected[kept[i]] = exp((double)logits[kept[i]] / opts.temperature) / sum;
    for (int i = 0; i < VOCAB; i++) {
        double sigma = sqrt(expected[i] * (1 - expected[i]) / N_DRAWS);
        if (fabs(share[i] - expected[i]) > 4.5 * sigma + (expected[i] > 0 ? 1e-9 : 0))
            fail_msg("token %d: share %g, expected %g", i, share[i], expected[i]);
    }
}

/* In order: 1 (3.0), 3 and 9 (2.5), 5 (2.0), 7 (1.5), 0 (1.0), 4, 8, 2; 6 never. */
static void test_filters_keep_the_best(void **state)
{
    (void)state;
    static const int order[] = {1, 3, 9, 5, 7, 0, 4, 8, 2};
    check_shares((eai_sampling){1, 0, 1, 0, 1, 1}, order, 9);
    check_shares((eai_sampling){0.5, 0, 1, 0, 1, 2}, order, 9);
    check_shares((eai_sampling){1, 4, 1, 0, 1, 3}, order, 4);
    check_shares((eai_sampling){1, 2, 1, 0, 1, 4}, order, 2); /* of equal logits the lower id */
    check_shares((eai_sampling){1, 1, 1, 0, 1, 5}, order, 1);
    check_shares((eai_sampling){1, 1000, 1, 0, 1, 6}, order, 9);
    /* probabilities in order: .35 .21 .21 .13 .08 .05 ... */
    check_shares((eai_sampling){1, 0, 0.3, 0, 1, 7}, order, 1);
    check_shares((eai_sampling){1, 0, 0.5, 0, 1, 8}, order, 2);
    check_shares((eai_sampling){1, 0, 0.7, 0, 1, 9}, order, 3);
    check_shares((eai_sampling){1, 0, 1e-9, 0, 1, 10}, order, 1);
    /* top-p is a share of what top-k left: of the best three .45 .27 .27 */
    check_shares((eai_sampling){1, 3, 0.72, 0, 1, 11}, order, 2);
    /* min-p: e^-0.5 = .61, e^-1 = .37, e^-1.5 = .22 of the best one's */
    check_shares((eai_sampling){1, 0, 1, 0.5, 1, 12}, order, 3);
    check_shares((eai_sampling){1, 0, 1, 0.3, 1, 13}, order, 4);
    check_shares((eai_sampling){1, 2, 1, 0.3, 1, 14}, order, 2);
    check_shares((eai_sampling){1, 0, 1, 1, 1, 15}, order, 1);
}

static int32_t draw(generate__sampler *s, const float *values)
{
    eai_error err = EAI_ERROR_INIT;
    int32_t id = -1;
    assert_ok(generate__sampler_next(&id, s, values, &err), &err);
    return id;
}

static void test_greedy_takes_the_first_of_the_largest(void **state)
{
    (void)state;
    static const float flat[VOCAB] = {1, 2, 2, 2};
    static const float low[VOCAB] = {-9, -9, -3, -4, -9, -9, -9, -9, -9, -9};
    eai_error err = EAI_ERROR_INIT;
    eai_sampling opts = EAI_SAMPLING_INIT;
    generate__sampler s;
    assert_ok(generate__sampler_init(&s, &opts, VOCAB, &err), &err);
    assert_int_equal(draw(&s, logits), 1);
    assert_int_equal(draw(&s, flat), 1);
    assert_int_equal(draw(&s, low), 2);
    generate__sampler_deinit(&s);
}

static void test_repetition_penalty(void **state)
{
    (void)state;
    static const float low[VOCAB] = {-9, -9, -3, -4, -9, -9, -9, -9, -9, -9};
    eai_error err = EAI_ERROR_INIT;
    eai_sampling opts = EAI_SAMPLING_INIT;
    generate__sampler s;
    opts.repetition_penalty = 1.5;
    assert_ok(generate__sampler_init(&s, &opts, VOCAB, &err), &err);
    generate__sampler_see(&s, 1); /* 3.0 becomes 2.0, below 2.5 */
    assert_int_equal(draw(&s, logits), 3);
    generate__sampler_see(&s, 2); /* -3 becomes -4.5 */
    assert_int_equal(draw(&s, low), 3);
    generate__sampler_deinit(&s);
}

static void test_seed_decides(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    int32_t drawn[3][32];
    for (int i = 0; i < 3; i++) {
        generate__sampler s;
        eai_sampling opts = {1, 0, 1, 0, 1, i == 2 ? 8 : 7};
        assert_ok(generate__sampler_init(&s, &opts, VOCAB, &err), &err);
        for (int j = 0; j < 32; j++)
            drawn[i][j] = draw(&s, logits);
        generate__sampler_deinit(&s);
    }
    assert_memory_equal(drawn[0], drawn[1], sizeof(drawn[0]));
    assert_memory_not_equal(drawn[0], drawn[2], sizeof(drawn[0]));
}

static void test_damaged_logits_are_an_error(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY};
    eai_error err = EAI_ERROR_INIT;
    eai_sampling opts = EAI_SAMPLING_INIT;
    generate__sampler s;
    int32_t id;
    assert_ok(generate__sampler_init(&s, &opts, VOCAB, &err), &err);
    for (int i = 0; i < 2; i++) {
        float values[VOCAB] = {0};
        values[7] = bad[i];
        assert_fails(generate__sampler_next(&id, &s, values, &err), EAI_ERR_NUMERIC, &err,
                     "the logit of token 7 is");
    }
    generate__sampler_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters_keep_the_best),
        cmocka_unit_test(test_greedy_takes_the_first_of_the_largest),
        cmocka_unit_test(test_repetition_penalty),
        cmocka_unit_test(test_seed_decides),
        cmocka_unit_test(test_damaged_logits_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
