/* Each kind of figure, drawn as a PNG that is read back: are the axes there, and the marks where
 * their values are? EFFICIENTAI_TEST_KEEP=DIR keeps the pictures there, to be looked at. */
#include "picture.h"

#include <stdlib.h>

#include <efficientai/fs.h>

#include "plot/figure.h"

EAI_TEST_FOLDER

static picture draw(const eai_plot *plot, const char *name)
{
    eai_error err = EAI_ERROR_INIT;
    const char *kept = getenv("EFFICIENTAI_TEST_KEEP");
    const char *path = eai_test_path(kept ? kept : folder, name);
    assert_ok(eai_plot_write(plot, path, &err), &err);
    return picture_open(path);
}

static int map_color(double t, bool diverging)
{
    plot_rgb c = plot__map_color(t, diverging);
    return (int)(c.r * 255 + 0.5) << 16 | (int)(c.g * 255 + 0.5) << 8 | (int)(c.b * 255 + 0.5);
}

/* A line at 3 on an axis from 0 to 4 lies three quarters up; its band from 2 to 4 around it. */
static void test_line(void **state)
{
    (void)state;
    const double y[] = {3, 3, 3};
    const double low[] = {2, 2, 2};
    const double high[] = {4, 4, 4};
    eai_plot_series s = {.y = y, .n = 3, .y_low = low, .y_high = high};
    eai_plot plot = {.series = &s, .n_series = 1, .y_from_zero = true};
    picture p = draw(&plot, "line.png");
    spot axes = picture_axes(&p);
    spot line = picture_find(&p, BLUE);
    double height = axes.bottom - axes.top;
    assert_true(fabs((line.top + line.bottom) / 2.0 - (axes.bottom - 0.75 * height)) < 2);
    assert_true(line.right - line.left > 0.97 * (axes.right - axes.left));
    spot band = picture_find(&p, 0xCCE3F0); /* a fifth of the blue on white */
    assert_true(abs(band.top - axes.top) < 4);
    assert_true(fabs(band.bottom - (axes.bottom - 0.5 * height)) < 4);
    picture_close(&p);
}

/* Bars of 1 and 2: the second is twice as high, and both stand on the axis. The error bar of the
 * second goes from 1.5 to 2.5. */
static void test_bars(void **state)
{
    (void)state;
    const double one[] = {1};
    const double two[] = {2};
    const double low[] = {1.5};
    const double high[] = {2.5};
    eai_plot_series s[] = {{.y = one, .n = 1}, {.y = two, .n = 1, .y_low = low, .y_high = high}};
    eai_plot plot = {.kind = EAI_PLOT_KIND_BAR, .series = s, .n_series = 2};
    picture p = draw(&plot, "bars.png");
    spot axes = picture_axes(&p);
    spot a = picture_find(&p, BLUE);
    spot b = picture_find(&p, ORANGE);
    assert_true(abs(axes.bottom - a.bottom) <= 2 && abs(axes.bottom - b.bottom) <= 2);
    assert_true(abs(2 * (axes.bottom - a.top) - (axes.bottom - b.top)) <= 4);
    assert_true(b.left > a.right);
    spot error = picture_find(&p, 0x1A1A1A);
    int unit = axes.bottom - a.top;
    assert_true(abs(error.top - (axes.bottom - unit * 5 / 2)) <= 4);
    picture_close(&p);
}

/* Long names lay bars down: then they are wider than high, and start at the axis. */
static void test_bars_lie(void **state)
{
    (void)state;
    const double y[] = {3, 1};
    const char *names[] = {"a name that is much too long to stand below a bar of a figure",
                           "another one that is too long as well, and a little longer than that"};
    eai_plot_series s = {.y = y, .n = 2};
    eai_plot plot = {
        .kind = EAI_PLOT_KIND_BAR, .series = &s, .n_series = 1, .names = names, .n_names = 2};
    picture p = draw(&plot, "lying.png");
    spot axes = picture_axes(&p);
    spot bars = picture_find(&p, BLUE);
    assert_true(abs(bars.left - axes.left) <= 2);
    int y_first = axes.top + (axes.bottom - axes.top) / 4;
    int y_second = axes.top + (axes.bottom - axes.top) * 3 / 4;
    int first = picture_count_in_row(&p, y_first, BLUE);
    int second = picture_count_in_row(&p, y_second, BLUE);
    assert_true(second > 50 && abs(first - 3 * second) < 6);
    picture_close(&p);
}

static bool is_bluish_around(const picture *p, int x, int y)
{
    bool any = false;
    for (int dy = -2; dy <= 2; dy++) {
        int color = picture_at(p, x, y + dy);
        any = any || (color & 0xFF) - (color >> 16) > 60;
    }
    return any;
}

/* Three points; the middle one has error bars, which are where their ends are. */
static void test_scatter(void **state)
{
    (void)state;
    const double nan = (double)NAN;
    const double x[] = {0, 5, 10};
    const double y[] = {0, 5, 10};
    const double x_low[] = {nan, 2, nan};
    const double x_high[] = {nan, 8, nan};
    eai_plot_series s = {.x = x, .y = y, .n = 3, .x_low = x_low, .x_high = x_high};
    eai_plot plot = {.kind = EAI_PLOT_KIND_SCATTER, .series = &s, .n_series = 1};
    picture p = draw(&plot, "scatter.png");
    spot axes = picture_axes(&p);
    spot all = picture_find(&p, BLUE);
    int width = axes.right - axes.left;
    assert_true(all.left > axes.left && all.right < axes.right);
    /* From 2 to 8 on an axis of 10 and 0.4 at each end. */
    int middle = (all.top + all.bottom) / 2;
    const double at[] = {1.7, 2.3, 7.7, 8.3};
    for (int i = 0; i < 4; i++) {
        int column = axes.left + (int)((at[i] + 0.4) / 10.8 * width);
        assert_int_equal(is_bluish_around(&p, column, middle), i == 1 || i == 2);
    }
    picture_close(&p);
}

/* Four values of 1 and one of 9 in two bins: heights as 4 to 1. */
static void test_histogram(void **state)
{
    (void)state;
    const double y[] = {1, 1, 1, 1, 9};
    eai_plot_series s = {.y = y, .n = 5};
    eai_plot plot = {.kind = EAI_PLOT_KIND_HISTOGRAM, .series = &s, .n_series = 1, .n_bins = 2};
    picture p = draw(&plot, "histogram.png");
    spot axes = picture_axes(&p);
    int quarter = (axes.right - axes.left) / 4;
    int heights[2];
    for (int i = 0; i < 2; i++) {
        int x = axes.left + quarter * (1 + 2 * i);
        int y_top = axes.bottom - 4; /* above the axis */
        while (y_top > axes.top && !picture_is_near(picture_at(&p, x, y_top), PAPER) &&
               (picture_at(&p, x, y_top) & 0xFF) > 0x90)
            y_top--;
        heights[i] = axes.bottom - y_top;
    }
    assert_true(heights[1] > 40 && abs(heights[0] - 4 * heights[1]) < 10);
    picture_close(&p);
}

/* Four cells of the four colours, equally large, the smallest value at the top left. */
static void test_heat_map(void **state)
{
    (void)state;
    const double y[] = {0, 1, 2, 3};
    eai_plot_series s = {.y = y, .n = 4};
    eai_plot plot = {
        .kind = EAI_PLOT_KIND_HEATMAP, .series = &s, .n_series = 1, .n_names = 2, .n_rows = 2};
    picture p = draw(&plot, "heat.png");
    spot cells[4];
    for (int i = 0; i < 4; i++)
        cells[i] = picture_find(&p, map_color(i / 3.0, false));
    for (int i = 0; i < 4; i++)
        assert_true(cells[i].n > 0.9 * cells[0].n && cells[i].n < 1.1 * cells[0].n);
    assert_true(cells[0].n > 50000);
    assert_true(cells[1].left > cells[0].left + 200 && cells[2].top > cells[0].top + 100);
    picture_close(&p);
}

/* Two points in front, one behind: the step's inner corner is at the second's x and the first's y.
 */
static void test_front(void **state)
{
    (void)state;
    const double x[] = {1, 3, 4};
    const double y[] = {3, 1, 4};
    eai_plot_series s = {.x = x, .y = y, .n = 3};
    eai_plot plot = {.kind = EAI_PLOT_KIND_PARETO, .series = &s, .n_series = 1};
    picture p = draw(&plot, "front.png");
    spot axes = picture_axes(&p);
    double unit_x = (axes.right - axes.left) / 3.24; /* a range of 3, and its margins */
    double unit_y = (axes.bottom - axes.top) / 3.24;
    int corner_x = axes.left + (int)(2.12 * unit_x);
    int corner_y = axes.bottom - (int)(2.12 * unit_y);
    bool dark = false;
    for (int dy = -3; dy <= 3; dy++) {
        for (int dx = -3; dx <= 3; dx++)
            dark = dark || (picture_at(&p, corner_x + dx, corner_y + dy) & 0xFF) < 0x60;
    }
    assert_true(dark);
    /* Shaded beyond the corner, not before it. */
    assert_true(picture_is_near(picture_at(&p, corner_x + 30, corner_y - 30), 0xF1F1F1));
    assert_true(picture_is_near(picture_at(&p, corner_x - 30, corner_y + 30), PAPER));
    picture_close(&p);
}

/* What a legend says is told apart without colour: the dashes of two lines differ. */
static void test_dashes(void **state)
{
    (void)state;
    const double y[] = {1, 1};
    const double z[] = {2, 2};
    eai_plot_series s[] = {{.y = y, .n = 2}, {.y = z, .n = 2}};
    eai_plot plot = {.series = s, .n_series = 2, .y_from_zero = true};
    picture p = draw(&plot, "dashes.png");
    spot solid = picture_find(&p, BLUE);
    spot dashed = picture_find(&p, ORANGE);
    int row_solid = (solid.top + solid.bottom) / 2;
    int row_dashed = (dashed.top + dashed.bottom) / 2;
    int width = solid.right - solid.left;
    assert_true(picture_count_in_row(&p, row_solid, BLUE) > 0.95 * width);
    int n = picture_count_in_row(&p, row_dashed, ORANGE);
    assert_true(n > 0.4 * width && n < 0.9 * width);
    picture_close(&p);
}

/* A million points are thinned to a picture like that of all of them. */
static void test_many_points(void **state)
{
    (void)state;
    enum { MANY = 1000000 };
    double *y = calloc(MANY, sizeof(*y));
    assert_non_null(y);
    for (int i = 0; i < MANY; i++)
        y[i] = i % 2;
    y[MANY / 2] = 3; /* single values that stand out stay */
    y[MANY / 4] = -2;
    eai_plot_series s = {.y = y, .n = MANY};
    eai_plot plot = {.series = &s, .n_series = 1};
    picture p = draw(&plot, "many.png");
    spot axes = picture_axes(&p);
    spot line = picture_find(&p, BLUE);
    assert_true(abs(line.top - axes.top) < 12);
    assert_true(abs(line.bottom - axes.bottom) < 12);
    assert_true(line.n > (axes.right - axes.left) * (axes.bottom - axes.top) / 8);
    picture_close(&p);
    plot.kind = EAI_PLOT_KIND_SCATTER;
    p = draw(&plot, "cloud.png");
    assert_true(picture_find(&p, BLUE).n > 5000);
    picture_close(&p);
    free(y);
}

static void test_sizes(void **state)
{
    (void)state;
    const double y[] = {1, 2};
    eai_error err = EAI_ERROR_INIT;
    eai_plot_series s = {.y = y, .n = 2};
    eai_plot plot = {.series = &s, .n_series = 1, .width_mm = 85, .height_mm = 60};
    picture p = draw(&plot, "paper.png");
    assert_int_equal(p.width, 1004); /* 85 mm at 300 dpi */
    assert_int_equal(p.height, 709);
    picture_close(&p);
    plot.dpi = 1201;
    const char *path = eai_test_path(folder, "no.png");
    assert_fails(eai_plot_write(&plot, path, &err), EAI_ERR_ARGUMENT, &err, "50 to 1200");
    plot.dpi = 1200;
    plot.width_mm = 1000;
    assert_fails(eai_plot_write(&plot, path, &err), EAI_ERR_ARGUMENT, &err, "at most 10000");
    plot.width_mm = (double)NAN;
    assert_fails(eai_plot_write(&plot, path, &err), EAI_ERR_ARGUMENT, &err, "20 to 1000");
    assert_false(eai_fs_exists(path));
}

static void test_dark(void **state)
{
    (void)state;
    const double y[] = {1, 2};
    eai_plot_series s = {.y = y, .n = 2};
    eai_plot plot = {.series = &s, .n_series = 1, .dark = true};
    picture p = draw(&plot, "dark.png");
    assert_true(picture_is_near(picture_at(&p, 2, 2), 0x1C1F24));
    picture_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),        cmocka_unit_test(test_bars),
        cmocka_unit_test(test_bars_lie),    cmocka_unit_test(test_scatter),
        cmocka_unit_test(test_histogram),   cmocka_unit_test(test_heat_map),
        cmocka_unit_test(test_front),       cmocka_unit_test(test_dashes),
        cmocka_unit_test(test_many_points), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_dark),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
