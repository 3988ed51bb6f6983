/* Plots: both kinds of file, the shapes that data can have, refusals. The pictures are read back
 * with cairo, so that an empty page fails. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include <cairo.h>
#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/plot.h>

#define N 200

static double steps[N];
static double losses[N];
static double means[N];
static const double valid_x[] = {1, 50, 100, 150, 200};
static const double valid_y[] = {3.9, 1.6, 1.1, 0.93, 0.9};

static int make_data(void **state)
{
    double mean = 4;
    for (int i = 0; i < N; i++) {
        steps[i] = i + 1;
        losses[i] = 0.8 + 3.2 * exp(-i / 35.0) + 0.15 * sin(i * 1.7) + 0.1 * cos(i * 0.9);
        mean = 0.9 * mean + 0.1 * losses[i];
        means[i] = mean;
    }
    *state = eai_test_make_folder();
    return 0;
}

static int remove_data(void **state)
{
    eai_test_remove_folder(*state);
    return 0;
}

static eai_plot loss_plot(eai_plot_series series[3])
{
    series[0] = (eai_plot_series){
        .name = "training, each step", .x = steps, .y = losses, .n = N, .style = EAI_PLOT_FAINT};
    series[1] = (eai_plot_series){.name = "training, running mean", .x = steps, .y = means, .n = N};
    series[2] = (eai_plot_series){
        .name = "validation", .x = valid_x, .y = valid_y, .n = 5, .style = EAI_PLOT_POINTS};
    return (eai_plot){.title = "Loss while tuning",
                      .x_label = "step",
                      .y_label = "nats a token",
                      .y_from_zero = true,
                      .series = series,
                      .n_series = 3};
}

static char *in_folder(void **state, const char *name)
{
    char *path = eai_path_join(*state, name);
    assert_non_null(path);
    return path;
}

/* Pixels of a PNG that are neither white nor grey: what the series drew. */
static size_t count_coloured(const char *path, int width, int height)
{
    cairo_surface_t *s = cairo_image_surface_create_from_png(path);
    assert_int_equal(cairo_surface_status(s), CAIRO_STATUS_SUCCESS);
    assert_int_equal(cairo_image_surface_get_width(s), width);
    assert_int_equal(cairo_image_surface_get_height(s), height);
    size_t n = 0;
    for (int y = 0; y < height; y++) {
        const unsigned char *row =
            cairo_image_surface_get_data(s) + (size_t)y * (size_t)cairo_image_surface_get_stride(s);
        for (int x = 0; x < width; x++) {
            const unsigned char *p = row + 4 * (size_t)x;
            n += abs(p[0] - p[1]) > 40 || abs(p[1] - p[2]) > 40;
        }
    }
    cairo_surface_destroy(s);
    return n;
}

static void test_png(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_plot_series series[3];
    eai_plot plot = loss_plot(series);
    const char *kept = getenv("EAI_TEST_PLOT"); /* to look at it */
    char *path = in_folder(state, "loss.png");
    assert_ok(eai_plot_write(&plot, path, &err), &err);
    assert_true(count_coloured(path, 960, 540) > 2000);
    if (kept)
        assert_ok(eai_plot_write(&plot, kept, &err), &err);
    eai_free(path);
}

static void test_svg(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_plot_series series[3];
    eai_plot plot = loss_plot(series);
    char *path = in_folder(state, "loss.svg");
    char *text = NULL;
    assert_ok(eai_plot_write(&plot, path, &err), &err);
    assert_ok(eai_fs_read_file(&text, NULL, path, 1 << 20, &err), &err);
    assert_non_null(strstr(text, "<svg"));
    assert_non_null(strstr(text, "</svg>"));
    assert_true(strlen(text) > 10000); /* 200 points twice, and glyphs */
    eai_free(text);
    eai_free(path);
}

/* Each is one series that once could divide by zero or never end. */
static void test_odd_data(void **state)
{
    static const struct {
        double x[4], y[4];
        size_t n;
        bool log_x, log_y;
    } cases[] = {
        {{1}, {2}, 1, false, false},             /* one value */
        {{1, 2, 3}, {0, 0, 0}, 3, false, false}, /* all zero */
        {{5, 5, 5}, {7, 7, 7}, 3, false, false}, /* one place */
        {{1, 2, 3, 4}, {1e-30, 2e-30, 1e-30, 3e-30}, 4, false, false},
        {{1, 2, 3, 4}, {-1e30, 1e30, 0, 1}, 4, false, false},
        {{1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3}, {1e6, 1e6 + 1e-3, 1e6, 1e6}, 4, false, false},
        {{1, 10, 100, 1e9}, {1e-5, 1e-4, 1, 1e5}, 4, true, true},
        {{1, 2, 3, 4}, {0.5, 0.7, -1, 0}, 4, true, true}, /* gaps on a logarithmic axis */
    };
    eai_error err = EAI_ERROR_INIT;
    char *path = in_folder(state, "odd.png");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eai_plot_series series = {.name = "s",
                                  .x = cases[i].x,
                                  .y = cases[i].y,
                                  .n = cases[i].n,
                                  .style = EAI_PLOT_POINTS};
        eai_plot plot = {.log_x = cases[i].log_x,
                         .log_y = cases[i].log_y,
                         .series = &series,
                         .n_series = 1,
                         .width = 320,
                         .height = 200};
        assert_ok(eai_plot_write(&plot, path, &err), &err);
        assert_true(count_coloured(path, 320, 200) > 20);
    }
    eai_free(path);
}

static void test_gaps(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    const double y[] = {1, (double)NAN, 3, (double)INFINITY, 2};
    const double nothing[] = {(double)NAN, (double)NAN};
    eai_plot_series series = {.y = y, .n = 5};
    eai_plot plot = {.series = &series, .n_series = 1};
    char *path = in_folder(state, "gaps.png");
    assert_ok(eai_plot_write(&plot, path, &err), &err);
    series = (eai_plot_series){.y = nothing, .n = 2};
    assert_fails(eai_plot_write(&plot, path, &err), EAI_ERR_ARGUMENT, &err, "finite value");
    plot.n_series = 0;
    assert_fails(eai_plot_write(&plot, path, &err), EAI_ERR_ARGUMENT, &err, "finite value");
    eai_free(path);
}

static void test_refusals(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_plot_series series = {.y = valid_y, .n = 5};
    eai_plot plot = {.series = &series, .n_series = 1};
    char *missing = in_folder(state, "no/such/folder.svg");
    assert_fails(eai_plot_write(&plot, "loss.gif", &err), EAI_ERR_ARGUMENT, &err, ".png or .svg");
    assert_fails(eai_plot_write(&plot, missing, &err), EAI_ERR_IO, &err, "folder.svg");
    plot.width = 50;
    assert_fails(eai_plot_write(&plot, "loss.png", &err), EAI_ERR_ARGUMENT, &err, "50 x 540");
    assert_int_not_equal(access("loss.png", F_OK), 0);
    eai_free(missing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png),      cmocka_unit_test(test_svg),
        cmocka_unit_test(test_odd_data), cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
