/* Statistics against what numpy and scipy say (tests/data/statistics.json, made by
 * tools/oracles/statistics_values.py), and properties that no fixture shows. */
#include <efficientai/stats.h>

#include <math.h>
#include <stdlib.h>

#include <efficientai/rng.h>

#include "base/json.h"
#include "support/eai_test.h"

#define RTOL 1e-9

static json_t *fixtures;

static int load(void **state)
{
    (void)state;
    return eai_json_load(&fixtures, EAI_TEST_DATA "/statistics.json", 1 << 20, NULL) == EAI_OK ? 0
                                                                                               : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(fixtures);
    return 0;
}

static size_t read_values(double *out, const json_t *list, size_t capacity)
{
    size_t n = json_array_size(list);
    assert_true(n <= capacity);
    for (size_t i = 0; i < n; i++)
        out[i] = json_number_value(json_array_get(list, i));
    return n;
}

static double number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    assert_true(json_is_number(v));
    return json_number_value(v);
}

/* The i-th number of the list at `key`. */
static double number_at(const json_t *object, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(object, key), i));
}

static void check(const json_t *c, const char *what, double actual, double expected)
{
    double most = RTOL * fabs(expected) + 1e-300;
    if (!(fabs(actual - expected) <= most))
        fail_msg("%s of '%s': %.17g, expected %.17g", what,
                 json_string_value(json_object_get(c, "name")), actual, expected);
}

static void check_interval(const json_t *c, const char *what, eai_interval actual, const char *key,
                           size_t first)
{
    check(c, what, actual.low, number_at(c, key, first));
    check(c, what, actual.high, number_at(c, key, first + 1));
}

static void check_one(const json_t *c)
{
    double x[64];
    eai_summary s;
    eai_interval i;
    eai_error err = EAI_ERROR_INIT;
    size_t k;
    json_t *q;
    size_t n = read_values(x, json_object_get(c, "values"), 64);
    assert_ok(eai_stats_summarize(&s, x, n, number(fixtures, "level"), 5, &err), &err);
    check(c, "median", s.median, number(c, "median"));
    check(c, "mad", s.mad, number(c, "mad"));
    check(c, "mean", s.mean, number(c, "mean"));
    check(c, "stddev", s.stddev, number(c, "stddev"));
    check_interval(c, "inner fence", s.outliers.inner, "inner", 0);
    check_interval(c, "outer fence", s.outliers.outer, "outer", 0);
    check(c, "mild", (double)s.outliers.n_mild, number(c, "n_mild"));
    check(c, "severe", (double)s.outliers.n_severe, number(c, "n_severe"));
    check(c, "low", (double)s.outliers.n_low, number(c, "n_low"));
    check(c, "modified z", (double)s.outliers.n_modified_z, number(c, "n_modified_z"));
    eai_stats_sort(x, n);
    assert_true(s.least == x[0] && s.most == x[n - 1] && s.n == n);
    json_array_foreach(json_object_get(c, "quantiles"), k, q)
    {
        double at = json_number_value(json_array_get(q, 0));
        check(c, "quantile", eai_stats_quantile(x, n, at), json_number_value(json_array_get(q, 1)));
    }
    assert_ok(eai_stats_bootstrap_median(&i, x, n, number(fixtures, "level"),
                                         (size_t)number(fixtures, "resamples"), 5, &err),
              &err);
    check_interval(c, "bootstrap", i, "bootstrap", 0);
}

static void test_one_lot(void **state)
{
    size_t i;
    json_t *c;
    (void)state;
    assert_true(json_array_size(json_object_get(fixtures, "one")) >= 10);
    json_array_foreach(json_object_get(fixtures, "one"), i, c)
    {
        check_one(c);
    }
}

static void check_means(const json_t *c, const double *x, size_t nx, const double *y, size_t ny)
{
    eai_test_result r;
    double degrees;
    eai_error err = EAI_ERROR_INIT;
    if (json_object_get(c, "welch")) {
        assert_ok(eai_stats_welch(&r, &degrees, x, nx, y, ny, &err), &err);
        check(c, "t", r.statistic, number_at(c, "welch", 0));
        check(c, "degrees", degrees, number_at(c, "welch", 1));
        check(c, "p of t", r.p, number_at(c, "welch", 2));
    }
    if (json_object_get(c, "permutation_p")) {
        assert_ok(eai_stats_permutation(&r, x, nx, y, ny, 20000, 1, &err), &err);
        assert_true(r.exact);
        check(c, "p of permutations", r.p, number(c, "permutation_p"));
        double exact = r.p; /* few random ones come near */
        if (2 / eai_stats_least_p(nx, ny) <= 1000)
            return;
        assert_ok(eai_stats_permutation(&r, x, nx, y, ny, 999, 1, &err), &err);
        assert_true(!r.exact && fabs(r.p - exact) < 4 * sqrt(exact * (1 - exact) / 999) + 2e-3);
    }
    if (json_object_get(c, "wilcoxon")) {
        assert_ok(eai_stats_wilcoxon(&r, x, y, nx, &err), &err);
        check(c, "w", r.statistic, number_at(c, "wilcoxon", 0));
        check(c, "p of w", r.p, number_at(c, "wilcoxon", 1));
    }
}

static void check_two(const json_t *c)
{
    double x[64];
    double y[64];
    eai_test_result r;
    eai_shift s;
    eai_error err = EAI_ERROR_INIT;
    size_t nx = read_values(x, json_object_get(c, "x"), 64);
    size_t ny = read_values(y, json_object_get(c, "y"), 64);
    double level = number(fixtures, "level");
    assert_ok(eai_stats_mann_whitney(&r, x, nx, y, ny, &err), &err);
    check(c, "u", r.statistic, number(c, "u"));
    check(c, "p of u", r.p, number(c, "u_p"));
    assert_int_equal(r.exact, json_is_true(json_object_get(c, "u_exact")));
    assert_true(fabs(eai_stats_cliffs_delta(r.statistic, nx, ny) - number(c, "delta")) < 1e-12);
    assert_true(!r.exact || r.p >= eai_stats_least_p(nx, ny) * (1 - 1e-12));
    assert_ok(eai_stats_shift(&s, x, nx, y, ny, level, &err), &err);
    check(c, "shift", s.estimate, number_at(c, "shift", 0));
    check_interval(c, "interval of the shift", s.interval, "shift", 1);
    if (json_object_get(c, "ratio")) {
        assert_ok(eai_stats_ratio(&s, x, nx, y, ny, level, &err), &err);
        check(c, "ratio", s.estimate, number_at(c, "ratio", 0));
        check_interval(c, "interval of the ratio", s.interval, "ratio", 1);
    } else {
        assert_fails(eai_stats_ratio(&s, x, nx, y, ny, level, &err), EAI_ERR_NUMERIC, &err,
                     "values above 0");
    }
    check_means(c, x, nx, y, ny);
}

static void test_two_lots(void **state)
{
    size_t i;
    json_t *c;
    (void)state;
    assert_true(json_array_size(json_object_get(fixtures, "two")) >= 12);
    json_array_foreach(json_object_get(fixtures, "two"), i, c)
    {
        check_two(c);
    }
}

static void test_distributions(void **state)
{
    size_t i;
    json_t *v;
    (void)state;
    json_array_foreach(json_object_get(fixtures, "normal"), i, v)
    {
        double p = json_number_value(json_array_get(v, 0));
        double z = eai_stats_normal_quantile(p);
        assert_true(fabs(z - json_number_value(json_array_get(v, 1))) <= 1e-6 * (p > 0.999) + 1e-9);
        assert_true(fabs(eai_stats_normal_cdf(z) / p - 1) < 1e-9);
    }
    json_array_foreach(json_object_get(fixtures, "student"), i, v)
    {
        double p = eai_stats_student_tails(json_number_value(json_array_get(v, 0)),
                                           json_number_value(json_array_get(v, 1)));
        double expected = json_number_value(json_array_get(v, 2));
        assert_true(fabs(p - expected) <= 1e-9 * expected);
    }
    assert_true(eai_stats_normal_quantile(0) == -HUGE_VAL);
    assert_true(eai_stats_normal_quantile(1) == HUGE_VAL);
    assert_true(isnan(eai_stats_normal_quantile(1.5)));
}

static void test_holm(void **state)
{
    double p[8];
    double expected[8];
    eai_error err = EAI_ERROR_INIT;
    const json_t *holm = json_object_get(fixtures, "holm");
    (void)state;
    size_t n = read_values(p, json_array_get(holm, 0), 8);
    read_values(expected, json_array_get(holm, 1), 8);
    assert_ok(eai_stats_holm(p, n, &err), &err);
    for (size_t i = 0; i < n; i++)
        assert_true(fabs(p[i] - expected[i]) < 1e-15);
    assert_ok(eai_stats_holm(NULL, 0, &err), &err);
}

/* An interval at 95 % holds the true median about 95 times of 100, and a test at 5 % of lots from
 * one distribution cries wolf about 5 times. */
static void test_rates(void **state)
{
    enum { TRIALS = 1000, N = 15 };
    int held = 0;
    int shift_held = 0;
    int wolves = 0;
    eai_error err = EAI_ERROR_INIT;
    (void)state;
    for (int t = 0; t < TRIALS; t++) {
        double x[N];
        double y[N];
        eai_rng rng;
        eai_interval i;
        eai_shift s;
        eai_test_result r;
        eai_rng_init(&rng, (uint64_t)t, 7);
        for (int k = 0; k < N; k++) {
            x[k] = exp(eai_rng_normal(&rng));
            y[k] = exp(eai_rng_normal(&rng));
        }
        assert_ok(eai_stats_mann_whitney(&r, x, N, y, N, &err), &err);
        assert_ok(eai_stats_ratio(&s, x, N, y, N, 0.95, &err), &err);
        eai_stats_sort(x, N);
        assert_ok(eai_stats_bootstrap_median(&i, x, N, 0.95, 500, (uint64_t)t, &err), &err);
        held += i.low <= 1 && 1 <= i.high;
        bool in = s.interval.low <= 1 && 1 <= s.interval.high;
        shift_held += in;
        wolves += r.p < 0.05;
        assert_int_equal(in, r.p >= 0.05); /* interval and test are one thing */
    }
    assert_in_range(held, 900, 980);
    assert_in_range(shift_held, 930, 980);
    assert_in_range(wolves, 20, 70);
}

static void test_what_is_refused(void **state)
{
    double x[3] = {1, (double)NAN, 2};
    double y[2] = {1, HUGE_VAL};
    eai_summary s;
    eai_interval i;
    eai_test_result r;
    eai_shift shift;
    eai_error err = EAI_ERROR_INIT;
    (void)state;
    assert_fails(eai_stats_summarize(&s, x, 3, 0.95, 1, &err), EAI_ERR_NUMERIC, &err, "value 1");
    assert_fails(eai_stats_summarize(&s, x, 0, 0.95, 1, &err), EAI_ERR_ARGUMENT, &err,
                 "0 values: 1 to");
    assert_fails(eai_stats_summarize(&s, x, 1, 1, 1, &err), EAI_ERR_ARGUMENT, &err, "level 1");
    assert_fails(eai_stats_bootstrap_median(&i, x, 1, 0.5, 0, 1, &err), EAI_ERR_ARGUMENT, &err,
                 "0 resamples");
    assert_fails(eai_stats_mann_whitney(&r, x, 1, y, 2, &err), EAI_ERR_NUMERIC, &err, "value 1");
    assert_fails(eai_stats_shift(&shift, x, 1, y, 1, 0, &err), EAI_ERR_ARGUMENT, &err, "level 0");
    assert_fails(eai_stats_welch(&r, NULL, x, 1, y, 1, &err), EAI_ERR_ARGUMENT, &err, "at least 2");
    assert_fails(eai_stats_permutation(&r, x, 1, y, 1, 0, 1, &err), EAI_ERR_ARGUMENT, &err,
                 "0 permutations");
    assert_fails(eai_stats_wilcoxon(&r, x, x, 3, &err), EAI_ERR_NUMERIC, &err, "Wilcoxon");
}

static void test_edges(void **state)
{
    const double same[3] = {2, 2, 2};
    const double other[3] = {3, 3, 3};
    eai_test_result r;
    eai_error err = EAI_ERROR_INIT;
    (void)state;
    assert_ok(eai_stats_wilcoxon(&r, same, same, 3, &err), &err);
    assert_true(r.p == 1);
    assert_ok(eai_stats_welch(&r, NULL, same, 3, same, 3, &err), &err);
    assert_true(r.statistic == 0 && r.p == 1);
    assert_ok(eai_stats_welch(&r, NULL, same, 3, other, 3, &err), &err);
    assert_true(isinf(r.statistic) && r.p == 0);
    assert_true(eai_stats_least_p(3, 3) == 0.1 && eai_stats_least_p(1, 1) == 1);
    assert_true(eai_stats_least_p(2000, 2000) < 1e-200);
    assert_string_equal(eai_stats_delta_name(-0.5), "large");
    assert_string_equal(eai_stats_delta_name(0.1), "negligible");
}

static eai_status all_of_it(void *ud, eai_error *err)
{
    const double x[5] = {1, 2, 3, 4, 5.5};
    const double y[5] = {2.5, 3.25, 4.75, 5, 7};
    double p[2] = {0.1, 0.2};
    eai_summary s;
    eai_shift shift;
    eai_test_result r;
    (void)ud;
    EAI_TRY(eai_stats_summarize(&s, x, 5, 0.95, 1, err));
    EAI_TRY(eai_stats_mann_whitney(&r, x, 5, y, 5, err));
    EAI_TRY(eai_stats_shift(&shift, x, 5, y, 5, 0.95, err));
    EAI_TRY(eai_stats_permutation(&r, x, 5, y, 5, 10, 1, err));
    EAI_TRY(eai_stats_wilcoxon(&r, x, y, 5, err));
    return eai_stats_holm(p, 2, err);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    eai_test_torture(all_of_it, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_lot),         cmocka_unit_test(test_two_lots),
        cmocka_unit_test(test_distributions),   cmocka_unit_test(test_holm),
        cmocka_unit_test(test_rates),           cmocka_unit_test(test_edges),
        cmocka_unit_test(test_what_is_refused), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
