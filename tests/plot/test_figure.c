/* The model of a figure: ticks, bins, the Pareto front, colours, labels. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/rng.h>

#include "plot/figure.h"

static void expect_ticks(plot_axis a, int n_ticks, const char *expected)
{
    double ticks[PLOT_MAX_TICKS];
    char all[512] = "";
    a.any_data = true;
    plot__fit_axis(&a, n_ticks);
    int n = plot__list_ticks(ticks, &a);
    for (int i = 0; i < n; i++) {
        char text[32];
        plot__format_tick(text, sizeof(text), &a, ticks[i]);
        size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%s", i ? " " : "", text);
    }
    assert_string_equal(all, expected);
}

static void test_ticks(void **state)
{
    (void)state;
    static const struct {
        double low, high;
        bool log, tight;
        int n;
        const char *expected;
    } cases[] = {
        {0, 1, false, false, 5, "0.0 0.2 0.4 0.6 0.8 1.0"},
        {0.3, 4.1, false, false, 5, "0 1 2 3 4 5"},
        {-7, 13, false, false, 4, "-10 -5 0 5 10 15"},
        {1, 200, false, true, 4, "50 100 150 200"},
        {5, 5, false, true, 4, "4.5 5.0 5.5"},
        {0, 0, false, false, 4, "-1.0 -0.5 0.0 0.5 1.0"},
        {1e6, 1e6 + 4, false, false, 4, "1000000 1000001 1000002 1000003 1000004"},
        {0, 3e9, false, false, 3, "0 1e9 2e9 3e9"},
        {0, 4e-9, false, false, 4, "0 1e-9 2e-9 3e-9 4e-9"},
        {-1e300, 1e300, false, false, 4, "-1e300 -5e299 0 5e299 1e300"},
        {0, 1e-320, false, false, 4, "-1.0 -0.5 0.0 0.5 1.0"},
        {0, 2, true, false, 5, "1 2 5 10 20 50 100"},
        {-6, 6, true, false, 4, "1e-6 0.001 1 1000 1e6"},
        {1.14, 1.43, true, true, 5, "15 20 25"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        plot_axis a = {.log = cases[i].log,
                       .tight = cases[i].tight,
                       .data_low = cases[i].low,
                       .data_high = cases[i].high};
        expect_ticks(a, cases[i].n, cases[i].expected);
    }
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *expected;
    } cases[] = {{0, "0"},       {7, "7"},     {0.1234, "0.12"},   {-12.34, "-12.3"},
                 {123.4, "123"}, {1e7, "1e7"}, {2.5e-5, "2.5e-5"}, {1e308, "1e308"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];
        plot__format_value(text, sizeof(text), cases[i].value);
        assert_string_equal(text, cases[i].expected);
    }
}

static void test_labels(void **state)
{
    (void)state;
    char buf[PLOT_MAX_LABEL];
    static char lengthy[10001];
    assert_string_equal(plot__clean_label(buf, NULL, 6), "7");
    assert_string_equal(plot__clean_label(buf, "a\tb\033[1m\xc2\x9b", 0), "a?b?[1m??");
    assert_string_equal(plot__clean_label(buf, "\xff\xc3", 0), "??");
    for (size_t i = 0; i + 2 < sizeof(lengthy); i += 2)
        memcpy(lengthy + i, "\xc3\xa4", 2);
    plot__clean_label(buf, lengthy, 0);
    size_t n = strlen(buf);
    assert_true(n < PLOT_MAX_LABEL && n > 250);
    assert_string_equal(buf + n - 3, "...");
    assert_int_equal((unsigned char)buf[n - 4], 0xa4); /* not within a character */
}

/* ---- Bins ---- */

static void test_bin_width(void **state)
{
    (void)state;
    double sorted[1000];
    for (int i = 0; i < 1000; i++)
        sorted[i] = i; /* the middle half is 499.5 wide, the cube root 10 */
    assert_true(fabs(plot__bin_width(sorted, 1000) - 99.9) < 1e-9);
    for (int i = 0; i < 1000; i++)
        sorted[i] = i < 999 ? 1 : 3; /* no spread in the middle: Sturges */
    assert_true(fabs(plot__bin_width(sorted, 1000) - 2 / (log2(1000) + 1)) < 1e-9);
    assert_true(plot__bin_width(sorted, 10) == 0);
    assert_true(plot__bin_width(sorted, 1) == 0);
}

static void test_bins(void **state)
{
    (void)state;
    const double a[] = {0, 1, 2, 3, 4, (double)NAN, (double)INFINITY};
    const double b[] = {0.5, 4};
    eai_error err = EAI_ERROR_INIT;
    eai_plot_series s[] = {{.y = a, .n = 7}, {.y = b, .n = 2}};
    eai_plot plot = {.kind = EAI_PLOT_KIND_HISTOGRAM, .series = s, .n_series = 2, .n_bins = 4};
    plot_figure f;
    assert_ok(plot__figure_init(&f, &plot, &err), &err);
    const double counts[] = {1, 1, 1, 2, 1, 0, 0, 1}; /* the last bin has both of its ends */
    assert_memory_equal(f.bins.heights, counts, sizeof(counts));
    plot__figure_deinit(&f);
    plot.density = true;
    assert_ok(plot__figure_init(&f, &plot, &err), &err);
    for (int k = 0; k < 2; k++) {
        double area = 0;
        for (size_t i = 0; i < 4; i++)
            area += f.bins.heights[4 * (size_t)k + i] * f.bins.width;
        assert_true(fabs(area - 1) < 1e-12);
    }
    plot__figure_deinit(&f);
    plot.n_bins = 1001;
    assert_fails(plot__figure_init(&f, &plot, &err), EAI_ERR_ARGUMENT, &err, "1 to 1000");
}

/* One value far away does not ask for more bins than can be seen. */
static void test_outlier(void **state)
{
    (void)state;
    double y[1001];
    eai_error err = EAI_ERROR_INIT;
    for (int i = 0; i < 1000; i++)
        y[i] = i / 1000.0;
    y[1000] = 1e300;
    eai_plot_series s = {.y = y, .n = 1001};
    eai_plot plot = {.kind = EAI_PLOT_KIND_HISTOGRAM, .series = &s, .n_series = 1};
    plot_figure f;
    assert_ok(plot__figure_init(&f, &plot, &err), &err);
    assert_int_equal(f.bins.n, 100);
    plot__figure_deinit(&f);
}

/* ---- The front ---- */

static bool is_as_good(double a, double b, bool maximize)
{
    return maximize ? a >= b : a <= b;
}

static bool dominates(const double *x, const double *y, size_t a, size_t b, bool max_x, bool max_y)
{
    return is_as_good(x[a], x[b], max_x) && is_as_good(y[a], y[b], max_y) &&
           (x[a] != x[b] || y[a] != y[b]);
}

/* Every point against every other, on a coarse grid so that many are alike. */
static void test_front_by_force(void **state)
{
    (void)state;
    enum { N = 60 };
    eai_rng rng;
    eai_rng_init(&rng, 7, 0);
    for (int round = 0; round < 200; round++) {
        double x[N];
        double y[N];
        size_t front[N];
        size_t n_front;
        bool in_front[N] = {false};
        bool max_x = round & 1;
        bool max_y = round & 2;
        size_t n = (size_t)(round % N) + 1;
        eai_error err = EAI_ERROR_INIT;
        for (size_t i = 0; i < n; i++) {
            x[i] = (double)eai_rng_below(&rng, 12);
            y[i] = i % 17 == 16 ? (double)NAN : (double)eai_rng_below(&rng, 12);
        }
        assert_ok(eai_pareto_front(front, &n_front, x, y, n, max_x, max_y, &err), &err);
        for (size_t i = 0; i < n_front; i++) {
            in_front[front[i]] = true;
            assert_true(i == 0 || is_as_good(x[front[i - 1]], x[front[i]], max_x));
        }
        for (size_t i = 0; i < n; i++) {
            bool expected = !isnan(y[i]);
            for (size_t k = 0; k < n; k++)
                expected = expected && !dominates(x, y, k, i, max_x, max_y);
            assert_int_equal(in_front[i], expected);
        }
    }
}

static void test_front_of_nothing(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    size_t n_front = 9;
    double nan = (double)NAN;
    size_t front[1];
    assert_ok(eai_pareto_front(front, &n_front, NULL, NULL, 0, false, false, &err), &err);
    assert_int_equal(n_front, 0);
    assert_ok(eai_pareto_front(front, &n_front, &nan, &nan, 1, false, false, &err), &err);
    assert_int_equal(n_front, 0);
}

/* ---- Colours ---- */

/* In grey, more is lighter; and, of the diverging map, farther from 0 is darker. */
static void test_lightness(void **state)
{
    (void)state;
    assert_true(fabs(plot__lightness((plot_rgb){1, 1, 1}) - 100) < 1e-6);
    double last = -1;
    for (int i = 0; i < 256; i++) {
        double now = plot__lightness(plot__map_color(i / 255.0, false));
        assert_true(now > last);
        last = now;
    }
    assert_true(last > 85);
    for (int side = 0; side < 2; side++) {
        last = 101;
        for (int i = 0; i < 128; i++) {
            double t = side ? 0.5 + i / 254.0 : 0.5 - i / 254.0;
            double now = plot__lightness(plot__map_color(t, true));
            assert_true(now < last);
            last = now;
        }
    }
}

/* In order a line may have any number of points; back and forth it may not. */
static void test_turns(void **state)
{
    (void)state;
    enum { MANY = 300000 };
    eai_error err = EAI_ERROR_INIT;
    plot_figure f;
    double *x = calloc(MANY, sizeof(*x));
    assert_non_null(x);
    eai_plot_series s = {.x = x, .y = x, .n = MANY};
    eai_plot plot = {.series = &s, .n_series = 1};
    for (int i = 0; i < MANY; i++)
        x[i] = i;
    assert_ok(plot__figure_init(&f, &plot, &err), &err);
    plot__figure_deinit(&f);
    for (int i = 0; i < MANY; i++)
        x[i] = i % 2 ? i : -i;
    assert_fails(plot__figure_init(&f, &plot, &err), EAI_ERR_LIMIT, &err, "in no order");
    plot.kind = EAI_PLOT_KIND_SCATTER;
    assert_ok(plot__figure_init(&f, &plot, &err), &err);
    plot__figure_deinit(&f);
    plot.kind = EAI_PLOT_KIND_LINE;
    for (int i = 1; i < MANY; i++)
        x[i] = (double)NAN; /* gaps are no turns */
    assert_ok(plot__figure_init(&f, &plot, &err), &err);
    plot__figure_deinit(&f);
    free(x);
}

static void test_refusals(void **state)
{
    (void)state;
    const double y[4] = {1, 2, 3, 4};
    eai_error err = EAI_ERROR_INIT;
    eai_plot_series s[] = {{.y = y, .n = 4}, {.y = y, .n = 4}};
    plot_figure f;
    eai_plot plot = {.series = s, .n_series = 1, .kind = EAI_PLOT_KIND_COUNT};
    assert_fails(plot__figure_init(&f, &plot, &err), EAI_ERR_ARGUMENT, &err, "kind 6");
    plot = (eai_plot){.series = s, .n_series = 1001};
    assert_fails(plot__figure_init(&f, &plot, &err), EAI_ERR_LIMIT, &err, "at most 1000");
    plot = (eai_plot){.series = s, .n_series = 2, .kind = EAI_PLOT_KIND_HEATMAP};
    assert_fails(plot__figure_init(&f, &plot, &err), EAI_ERR_ARGUMENT, &err, "one series");
    plot = (eai_plot){
        .series = s, .n_series = 1, .kind = EAI_PLOT_KIND_HEATMAP, .n_names = 3, .n_rows = 1};
    assert_fails(plot__figure_init(&f, &plot, &err), EAI_ERR_ARGUMENT, &err,
                 "4 values for 1 rows of 3 cells");
    plot.n_names = 1025;
    assert_fails(plot__figure_init(&f, &plot, &err), EAI_ERR_LIMIT, &err, "at most 1024");
    plot = (eai_plot){.series = s, .n_series = 1, .kind = EAI_PLOT_KIND_BAR, .n_names = 2};
    assert_fails(plot__figure_init(&f, &plot, &err), EAI_ERR_ARGUMENT, &err, "4 bars for 2 names");
    for (int kind = 0; kind < EAI_PLOT_KIND_COUNT; kind++) {
        const double nothing[] = {(double)NAN, (double)INFINITY};
        eai_plot_series empty = {.y = nothing, .n = 2};
        plot = (eai_plot){.series = &empty,
                          .n_series = 1,
                          .kind = (eai_plot_kind)kind,
                          .n_names = 2,
                          .n_rows = 1};
        assert_fails(plot__figure_init(&f, &plot, &err), EAI_ERR_ARGUMENT, &err, "finite value");
        empty.n = 0;
        plot.n_rows = 0;
        assert_fails(plot__figure_init(&f, &plot, &err), EAI_ERR_ARGUMENT, &err, "finite value");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks),          cmocka_unit_test(test_values),
        cmocka_unit_test(test_labels),         cmocka_unit_test(test_bin_width),
        cmocka_unit_test(test_bins),           cmocka_unit_test(test_outlier),
        cmocka_unit_test(test_front_by_force), cmocka_unit_test(test_front_of_nothing),
        cmocka_unit_test(test_lightness),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
