/* The runner on a clock that only the test moves: it stops when it should, and not earlier. */
#include <efficientai/measure.h>

#include <math.h>

#include <efficientai/rng.h>

#include "support/eai_test.h"

/* What runs take: base seconds, times e to a normal number of this spread. */
typedef struct workload {
    double base, spread;
    eai_rng rng;
    char name;
    size_t n_runs, n_prepared, n_concluded;
    size_t fails_at; /* run, from 1; 0: never */
} workload;

static double fake_now;
static char calls[4096];
static size_t n_calls;
static size_t cancel_at; /* calls; 0: never */

static double fake_clock(void *ud)
{
    (void)ud;
    return fake_now;
}

static bool is_cancelled(void *ud)
{
    (void)ud;
    return cancel_at && n_calls >= cancel_at;
}

static double next_seconds(workload *w)
{
    return w->base * exp(w->spread * eai_rng_normal(&w->rng));
}

static eai_status run(void *ud, eai_error *err)
{
    workload *w = ud;
    if (n_calls + 1 < sizeof(calls))
        calls[n_calls] = w->name;
    n_calls++;
    fake_now += next_seconds(w);
    if (++w->n_runs == w->fails_at)
        return eai_error_set(err, EAI_ERR_NUMERIC, "run %zu failed", w->n_runs);
    return EAI_OK;
}

static eai_status prepare(void *ud, eai_error *err)
{
    workload *w = ud;
    (void)err;
    fake_now += 100; /* is not counted */
    w->n_prepared++;
    return EAI_OK;
}

static eai_status conclude(void *ud, eai_error *err)
{
    workload *w = ud;
    (void)err;
    fake_now += 100;
    w->n_concluded++;
    return EAI_OK;
}

static workload make(double base, double spread, uint64_t seed, char name)
{
    workload w = {.base = base, .spread = spread, .name = name};
    eai_rng_init(&w.rng, seed, 0);
    return w;
}

static eai_measure_opts options(void)
{
    eai_measure_opts o = EAI_MEASURE_OPTS_INIT;
    o.clock = fake_clock;
    o.is_cancelled = is_cancelled;
    o.most_seconds = 0;
    return o;
}

static int reset(void **state)
{
    (void)state;
    memset(calls, 0, sizeof(calls));
    n_calls = 0;
    cancel_at = 0;
    fake_now = 1000;
    return 0;
}

/* One workload measured; the caller frees the results. */
static eai_bench_results *measure_one(workload *w, const eai_measure_opts *o)
{
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *r;
    eai_measure_case c = {.name = "case", .run = run, .ud = w};
    assert_ok(eai_bench_results_create(&r, "test", &err), &err);
    assert_ok(eai_measure(r, &c, 1, o, &err), &err);
    assert_int_equal(eai_bench_results_count(r), 1);
    return r;
}

static double precision_of(const double *seconds, size_t n)
{
    double sorted[2000];
    eai_interval i;
    eai_error err = EAI_ERROR_INIT;
    assert_true(n <= 2000);
    memcpy(sorted, seconds, n * sizeof(*sorted));
    eai_stats_sort(sorted, n);
    assert_ok(eai_stats_bootstrap_median(&i, sorted, n, 0.95, EAI_BOOTSTRAP_RESAMPLES, 1, &err),
              &err);
    return (i.high - i.low) / 2 / eai_stats_median(sorted, n);
}

/* The samples are the workload's, in order; at no look before the last was the interval narrow
 * enough; at the last it is. */
static void test_stops_when_precise(void **state)
{
    size_t most = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        workload w = make(0.25, 0.04, seed, 'a');
        workload again = make(0.25, 0.04, seed, 'a');
        eai_measure_opts o = options();
        o.warm_up = 0;
        eai_bench_results *r = measure_one(&w, &o);
        const eai_series *s = eai_bench_results_at(r, 0);
        const double *seconds = s->values[EAI_METRIC_SECONDS];
        assert_int_equal(s->stop, EAI_STOP_PRECISION);
        assert_true(s->n >= 10 && s->n == w.n_runs);
        for (size_t i = 0; i < s->n; i++)
            assert_true(fabs(seconds[i] - next_seconds(&again)) < 1e-9);
        size_t n = 10;
        for (; n < s->n; n += 1 + n / 10)
            assert_true(precision_of(seconds, n) > 0.01);
        assert_int_equal(n, s->n);
        assert_true(precision_of(seconds, s->n) <= 0.01);
        most = s->n > most ? s->n : most;
        eai_bench_results_free(r);
    }
    assert_true(most > 40); /* it did take more than the least */
}

static void test_bounds(void **state)
{
    const struct {
        double base, spread;
        size_t least, most;
        double seconds, precision;
        size_t n; /* expected */
        eai_stop stop;
    } rows[] = {
        {1, 0, 10, 1000, 0, 0.01, 10, EAI_STOP_PRECISION}, /* always the same */
        {1, 0, 1, 1000, 0, 0.01, 1, EAI_STOP_PRECISION},
        {1, 0.5, 10, 37, 0, 0.01, 37, EAI_STOP_RUNS},
        {1, 0, 5, 12, 0, 0, 12, EAI_STOP_RUNS}, /* no precision asked for */
        {1, 1e-9, 5, 1000, 30.5, 1e-15, 31, EAI_STOP_SECONDS},
        {1, 1e-9, 20, 1000, 3, 1e-15, 20, EAI_STOP_SECONDS}, /* the least come first */
        {0, 0, 10, 1000, 0, 0.01, 10, EAI_STOP_PRECISION},   /* a clock that stands */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        workload w = make(rows[i].base, rows[i].spread, 3, 'a');
        eai_measure_opts o = options();
        o.least_runs = rows[i].least;
        o.most_runs = rows[i].most;
        o.most_seconds = rows[i].seconds;
        o.precision = rows[i].precision;
        o.warm_up = 2;
        eai_bench_results *r = measure_one(&w, &o);
        const eai_series *s = eai_bench_results_at(r, 0);
        assert_int_equal(s->n, rows[i].n);
        assert_int_equal(s->stop, rows[i].stop);
        assert_int_equal(s->warm_up, 2);
        assert_int_equal(w.n_runs, rows[i].n + 2);
        eai_bench_results_free(r);
    }
}

static void test_turns(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *r;
    (void)state;
    for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
        reset(NULL);
        workload a = make(1, 0, 1, 'a');
        workload b = make(2, 0.4, 2, 'b'); /* never precise */
        eai_measure_case c[] = {{.name = "A", .run = run, .prepare = prepare, .ud = &a},
                                {.name = "B", .run = run, .conclude = conclude, .ud = &b}};
        eai_measure_opts o = options();
        o.least_runs = 3;
        o.most_runs = 5;
        o.one_by_one = one_by_one;
        assert_ok(eai_bench_results_create(&r, "test", &err), &err);
        assert_ok(eai_measure(r, c, 2, &o, &err), &err);
        /* by turns A goes on beside B, alone it is done after 3 */
        assert_string_equal(calls, one_by_one ? "aaaabbbbbb" : "abababababab");
        assert_int_equal(a.n_prepared, a.n_runs);
        assert_int_equal(b.n_concluded, b.n_runs);
        assert_int_equal(eai_bench_results_find(r, "A")->stop, EAI_STOP_PRECISION);
        assert_int_equal(eai_bench_results_find(r, "B")->stop, EAI_STOP_RUNS);
        assert_true(eai_bench_results_find(r, "A")->values[EAI_METRIC_SECONDS][0] == 1);
        eai_bench_results_free(r);
    }
}

static void test_short_runs_come_in_batches(void **state)
{
    workload w = make(1.0 / 1024 / 128, 0, 1, 'a');
    eai_measure_opts o = options();
    (void)state;
    o.turn_seconds = 1.0 / 1024;
    o.least_runs = 4;
    o.warm_up = 0; /* one is made all the same */
    eai_bench_results *r = measure_one(&w, &o);
    const eai_series *s = eai_bench_results_at(r, 0);
    assert_int_equal(s->batch, 128);
    assert_int_equal(s->n, 4);
    assert_int_equal(w.n_runs, 1 + 4 * 128);
    assert_true(fabs(s->values[EAI_METRIC_SECONDS][2] * 1024 * 128 - 1) < 1e-6);
    eai_bench_results_free(r);
}

static void test_cancelled(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *r;
    workload a = make(1, 0.4, 1, 'a');
    workload b = make(1, 0.4, 2, 'b');
    eai_measure_case c[] = {{.name = "A", .run = run, .ud = &a},
                            {.name = "B", .run = run, .ud = &b}};
    eai_measure_opts o = options();
    (void)state;
    o.one_by_one = true;
    cancel_at = 7;
    assert_ok(eai_bench_results_create(&r, "test", &err), &err);
    assert_fails(eai_measure(r, c, 2, &o, &err), EAI_ERR_CANCELLED, &err, "'A'");
    assert_int_equal(eai_bench_results_count(r), 1); /* B has no run */
    assert_int_equal(eai_bench_results_at(r, 0)->n, 6);
    assert_int_equal(eai_bench_results_at(r, 0)->stop, EAI_STOP_CANCELLED);
    eai_bench_results_free(r);
}

static eai_status measures_itself(eai_sample *out, void *ud, eai_error *err)
{
    size_t *n = ud;
    (void)err;
    out->values[EAI_METRIC_SECONDS] = *n == 3 ? -1 : 2;
    out->values[EAI_METRIC_USER_SECONDS] = 1.5;
    if (*n != 2)
        out->values[EAI_METRIC_PEAK_BYTES] = 4096;
    (*n)++;
    return EAI_OK;
}

/* What one run does not tell is not known of the case. */
static void test_own_samples(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *r;
    size_t n = 0;
    eai_measure_case c = {.name = "A", .measure = measures_itself, .ud = &n};
    eai_measure_opts o = options();
    (void)state;
    o.warm_up = 0;
    o.least_runs = o.most_runs = 3;
    assert_ok(eai_bench_results_create(&r, "test", &err), &err);
    assert_ok(eai_measure(r, &c, 1, &o, &err), &err);
    const eai_series *s = eai_bench_results_at(r, 0);
    assert_true(s->values[EAI_METRIC_SECONDS][2] == 2 &&
                s->values[EAI_METRIC_USER_SECONDS][2] == 1.5);
    assert_null(s->values[EAI_METRIC_PEAK_BYTES]);
    assert_null(s->values[EAI_METRIC_CYCLES]);
    c.name = "B";
    assert_fails(eai_measure(r, &c, 1, &o, &err), EAI_ERR_NUMERIC, &err, "told no time");
    eai_bench_results_free(r);
}

static void test_what_is_refused(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *r;
    workload w = make(1, 0, 1, 'a');
    eai_measure_case good = {.name = "A", .run = run, .ud = &w};
    eai_measure_case twice[] = {good, good};
    eai_measure_case empty = {.name = "A"};
    eai_measure_case nameless = {.name = "", .run = run, .ud = &w};
    eai_measure_opts o = options();
    (void)state;
    assert_ok(eai_bench_results_create(&r, "test", &err), &err);
    assert_fails(eai_measure(r, twice, 2, &o, &err), EAI_ERR_ARGUMENT, &err, "called 'A'");
    assert_fails(eai_measure(r, &empty, 1, &o, &err), EAI_ERR_ARGUMENT, &err, "run and measure");
    assert_fails(eai_measure(r, &nameless, 1, &o, &err), EAI_ERR_ARGUMENT, &err, "0 bytes");
    w.fails_at = 4;
    assert_fails(eai_measure(r, &good, 1, &o, &err), EAI_ERR_NUMERIC, &err, "run 4 failed");
    o.least_runs = 2000;
    assert_fails(eai_measure(r, &good, 1, &o, &err), EAI_ERR_ARGUMENT, &err, "2000 to 1000 runs");
    o.least_runs = 0;
    assert_fails(eai_measure(r, &good, 1, &o, &err), EAI_ERR_ARGUMENT, &err, "at least 1");
    o = options();
    o.precision = (double)NAN;
    assert_fails(eai_measure(r, &good, 1, &o, &err), EAI_ERR_ARGUMENT, &err, "precision");
    assert_true(eai_bench_results_count(r) <= 1);
    eai_bench_results_free(r);
}

/* What the system counts is there and is no nonsense; the peak where it can be set back. */
static void test_usage(void **state)
{
    workload w = make(1, 0, 1, 'a');
    eai_measure_opts o = options();
    (void)state;
    o.memory = true;
    o.least_runs = 3;
    eai_bench_results *r = measure_one(&w, &o);
    const eai_series *s = eai_bench_results_at(r, 0);
    assert_non_null(s->values[EAI_METRIC_USER_SECONDS]);
    assert_non_null(s->values[EAI_METRIC_MINOR_FAULTS]);
    assert_true(s->values[EAI_METRIC_USER_SECONDS][0] < 10);
    if (s->values[EAI_METRIC_PEAK_BYTES])
        assert_true(s->values[EAI_METRIC_PEAK_BYTES][0] > 1e5);
    eai_bench_results_free(r);
}

static eai_status measure_two(void *ud, eai_error *err)
{
    eai_bench_results *r;
    workload w = make(1, 0.1, 1, 'a');
    eai_measure_case c[] = {{.name = "A", .run = run, .ud = &w},
                            {.name = "B", .run = run, .ud = &w}};
    eai_measure_opts o = options();
    (void)ud;
    o.most_runs = 14;
    EAI_TRY(eai_bench_results_create(&r, "test", err));
    eai_status st = eai_measure(r, c, 2, &o, err);
    eai_bench_results_free(r);
    return st;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    eai_test_torture(measure_two, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_stops_when_precise, reset),
        cmocka_unit_test_setup(test_bounds, reset),
        cmocka_unit_test_setup(test_turns, reset),
        cmocka_unit_test_setup(test_short_runs_come_in_batches, reset),
        cmocka_unit_test_setup(test_cancelled, reset),
        cmocka_unit_test_setup(test_own_samples, reset),
        cmocka_unit_test_setup(test_what_is_refused, reset),
        cmocka_unit_test_setup(test_usage, reset),
        cmocka_unit_test_setup(test_out_of_memory, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
