/* Figures as files: each kind in each format, the same bytes twice, shapes that data can have,
 * refusals, failures of memory and of the disk. */
#include "picture.h"

#include <stdlib.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#define N 200

static double steps[N];
static double losses[N];
static double lows[N];
static double highs[N];
static const char *labels[N];
static char *folder;

static int make_data(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++) {
        steps[i] = i + 1;
        losses[i] = 0.8 + 3.2 * exp(-i / 35.0) + 0.15 * sin(i * 1.7) + 0.1 * cos(i * 0.9);
        lows[i] = losses[i] - 0.1;
        highs[i] = losses[i] + 0.2;
        labels[i] = i % 40 ? NULL : "a label";
    }
    folder = eai_test_make_folder();
    return 0;
}

static int remove_data(void **state)
{
    (void)state;
    eai_test_remove_folder(folder);
    return 0;
}

/* A plot of any kind with all that the kind can show. */
static eai_plot sample(eai_plot_series series[2], eai_plot_kind kind)
{
    bool matrix = kind == EAI_PLOT_KIND_HEATMAP;
    series[0] = (eai_plot_series){.name = "first <&>",
                                  .x = steps,
                                  .y = losses,
                                  .n = N,
                                  .y_low = lows,
                                  .y_high = highs,
                                  .point_labels = labels};
    series[1] = (eai_plot_series){.name = "second", .y = losses + 100, .n = N - 100};
    return (eai_plot){.kind = kind,
                      .title = "A title",
                      .x_label = "step",
                      .y_label = "nats a token",
                      .series = series,
                      .n_series = matrix ? 1 : 2,
                      .n_names = matrix ? 20 : 0,
                      .n_rows = matrix ? 10 : 0};
}

static char *read_all(const char *path, size_t *n)
{
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    assert_ok(eai_fs_read_file(&text, n, path, 1 << 24, &err), &err);
    return text;
}

/* Tags open and close in pairs, attributes are quoted: enough to see a file that is cut short or a
 * text that was not escaped. */
static void check_xml(const char *text)
{
    int depth = 0;
    for (const char *at = text; *at; at++) {
        if (*at != '<')
            continue;
        const char *end = at;
        bool quoted = false;
        for (; *end && (*end != '>' || quoted); end++) {
            quoted = quoted != (*end == '"');
            assert_true(end == at || quoted || *end != '<');
        }
        assert_true(*end == '>');
        if (at[1] == '/')
            depth--;
        else if (at[1] != '?' && at[1] != '!' && end[-1] != '/')
            depth++;
        assert_true(depth >= 0);
        at = end;
    }
    assert_int_equal(depth, 0);
}

/* Each kind as each file, twice: what it is by its first bytes, and the same bytes again. */
static void test_formats(void **state)
{
    (void)state;
    static const struct {
        const char *name, *start;
    } formats[] = {{"a.png", "\x89PNG"}, {"a.svg", "<?xml"}, {"a.pdf", "%PDF-1."}};
    eai_error err = EAI_ERROR_INIT;
    for (int kind = 0; kind < EAI_PLOT_KIND_COUNT; kind++) {
        for (size_t i = 0; i < 3; i++) {
            eai_plot_series series[2];
            eai_plot plot = sample(series, (eai_plot_kind)kind);
            const char *path = eai_test_path(folder, formats[i].name);
            size_t sizes[2];
            char *bytes[2];
            for (int turn = 0; turn < 2; turn++) {
                assert_ok(eai_plot_write(&plot, path, &err), &err);
                bytes[turn] = read_all(path, &sizes[turn]);
            }
            assert_memory_equal(bytes[0], formats[i].start, strlen(formats[i].start));
            assert_int_equal(sizes[0], sizes[1]);
            assert_memory_equal(bytes[0], bytes[1], sizes[0]);
            if (i == 1) {
                check_xml(bytes[0]);
                assert_string_equal(bytes[0] + sizes[0] - 7, "</svg>\n");
            }
            eai_free(bytes[0]);
            eai_free(bytes[1]);
        }
    }
}

static bool contains(const char *bytes, size_t n, const char *text)
{
    size_t m = strlen(text);
    for (size_t i = 0; i + m <= n; i++) {
        if (memcmp(bytes + i, text, m) == 0)
            return true;
    }
    return false;
}

/* A PDF's date is the environment's, and 1970 where that is no date. */
static void test_pdf_date(void **state)
{
    (void)state;
    static const struct {
        const char *epoch, *date;
    } cases[] = {{NULL, "19700101000000"},
                 {"1700000000", "20231114221320"},
                 {"yesterday", "19700101000000"},
                 {"-5", "19700101000000"},
                 {"99999999999999999999", "19700101000000"}};
    eai_error err = EAI_ERROR_INIT;
    const char *path = eai_test_path(folder, "date.pdf");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eai_plot_series series[2];
        eai_plot plot = sample(series, EAI_PLOT_KIND_LINE);
        size_t n;
        if (cases[i].epoch)
            setenv("SOURCE_DATE_EPOCH", cases[i].epoch, 1);
        else
            unsetenv("SOURCE_DATE_EPOCH");
        assert_ok(eai_plot_write(&plot, path, &err), &err);
        char *bytes = read_all(path, &n);
        assert_true(contains(bytes, n, cases[i].date));
        assert_true(contains(bytes, n, "/Font")); /* text that is text */
        eai_free(bytes);
    }
    unsetenv("SOURCE_DATE_EPOCH");
}

/* Each is one series that once could divide by zero or never end; as every kind. */
static void test_odd_data(void **state)
{
    (void)state;
    static const struct {
        double x[4], y[4];
        size_t n;
        bool log_x, log_y;
    } cases[] = {
        {{1}, {2}, 1, false, false},             /* one value */
        {{1, 2, 3}, {0, 0, 0}, 3, false, false}, /* all zero */
        {{5, 5, 5}, {7, 7, 7}, 3, false, false}, /* one place */
        {{1, 2, 3, 4}, {1e-30, 2e-30, 1e-30, 3e-30}, 4, false, false},
        {{1, 2, 3, 4}, {-1e308, 1e308, 0, 1}, 4, false, false},
        {{-1e308, 1e308, 3, 4}, {5e-324, 1, 0, 1}, 4, false, false},
        {{1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3}, {1e6, 1e6 + 1e-3, 1e6, 1e6}, 4, false, false},
        {{1, 2, 3, 4}, {1e15, 1e15 + 0.125, 1e15, 1e15}, 4, false, false},
        {{1, 10, 100, 1e9}, {1e-5, 1e-4, 1, 1e5}, 4, true, true},
        {{5e-324, 1e308, 1, 2}, {5e-324, 1e308, 1, 2}, 4, true, true},
        {{1, 2, 3, 4}, {0.5, 0.7, -1, 0}, 4, true, true}, /* gaps on a logarithmic axis */
    };
    eai_error err = EAI_ERROR_INIT;
    const char *path = eai_test_path(folder, "odd.png");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int kind = 0; kind < EAI_PLOT_KIND_COUNT; kind++) {
            eai_plot_series series = {.name = "s",
                                      .x = cases[i].x,
                                      .y = cases[i].y,
                                      .n = cases[i].n,
                                      .style = EAI_PLOT_POINTS};
            eai_plot plot = {.kind = (eai_plot_kind)kind,
                             .log_x = cases[i].log_x,
                             .log_y = cases[i].log_y,
                             .series = &series,
                             .n_series = 1,
                             .n_names = kind == EAI_PLOT_KIND_HEATMAP ? cases[i].n : 0,
                             .n_rows = 1,
                             .width = 320,
                             .height = 200};
            assert_ok(eai_plot_write(&plot, path, &err), &err);
            picture p = picture_open(path);
            int n_colored = 0;
            for (int y = 0; y < p.height; y++) {
                for (int x = 0; x < p.width; x++) {
                    int color = picture_at(&p, x, y);
                    n_colored += abs((color & 0xFF) - (color >> 16)) > 40;
                }
            }
            bool empty = kind == EAI_PLOT_KIND_BAR && i == 1; /* bars of no height */
            assert_true(n_colored > (empty ? 0 : 20));
            picture_close(&p);
        }
    }
}

/* Pages and labels that leave no room for anything: no message, no endless loop. */
static void test_small_pages(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    static char lengthy[10241];
    memset(lengthy, 'W', sizeof(lengthy) - 1);
    const char *names[N];
    for (int i = 0; i < N; i++)
        names[i] = lengthy;
    for (int kind = 0; kind < EAI_PLOT_KIND_COUNT; kind++) {
        eai_plot_series series[2];
        eai_plot plot = sample(series, (eai_plot_kind)kind);
        series[0].name = plot.title = plot.x_label = plot.y_label = lengthy;
        series[0].point_labels = plot.names = plot.row_names = names;
        plot.n_names = plot.n_names ? plot.n_names : N;
        plot.width = plot.height = 100;
        assert_ok(eai_plot_write(&plot, eai_test_path(folder, "small.svg"), &err), &err);
        plot.width = 4000;
        assert_ok(eai_plot_write(&plot, eai_test_path(folder, "flat.svg"), &err), &err);
    }
}

static void test_gaps(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    const double y[] = {1, (double)NAN, 3, (double)INFINITY, 2};
    eai_plot_series series = {.y = y, .n = 5};
    eai_plot plot = {.series = &series, .n_series = 1};
    const char *path = eai_test_path(folder, "gaps.png");
    assert_ok(eai_plot_write(&plot, path, &err), &err);
    picture p = picture_open(path);
    spot marks = picture_find(&p, BLUE); /* three values alone: three markers */
    assert_true(marks.n > 60 && marks.n < 250);
    picture_close(&p);
}

static void test_refusals(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_plot_series series = {.y = losses, .n = 5};
    eai_plot plot = {.series = &series, .n_series = 1};
    const char *missing = eai_test_path(folder, "no/such/folder.svg");
    assert_fails(eai_plot_write(&plot, "loss.gif", &err), EAI_ERR_ARGUMENT, &err,
                 ".png, .svg or .pdf");
    assert_fails(eai_plot_write(&plot, missing, &err), EAI_ERR_IO, &err, "folder.svg");
    plot.n_series = 0;
    assert_fails(eai_plot_write(&plot, "loss.png", &err), EAI_ERR_ARGUMENT, &err, "finite value");
    plot.n_series = 1;
    plot.width = 50;
    assert_fails(eai_plot_write(&plot, "loss.png", &err), EAI_ERR_ARGUMENT, &err, "50 x 540");
    assert_int_not_equal(access("loss.png", F_OK), 0);
}

static void test_set_size(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",          "a5",      "960",      "960x",
                                        "960x540px", "99x100",  "10x50mm",  "x540",
                                        "960x540 ",  "1e3x1e3", "-960x540", "999999x1"};
    eai_error err = EAI_ERROR_INIT;
    eai_plot plot = {0};
    assert_ok(eai_plot_set_size(&plot, "640x480", &err), &err);
    assert_true(plot.width == 640 && plot.height == 480 && plot.width_mm == 0);
    assert_ok(eai_plot_set_size(&plot, "120x80mm", &err), &err);
    assert_true(plot.width_mm == 120 && plot.height_mm == 80);
    assert_ok(eai_plot_set_size(&plot, "column", &err), &err);
    assert_true(plot.width_mm == 85);
    assert_ok(eai_plot_set_size(&plot, "960x540", &err), &err);
    assert_true(plot.width == 960 && plot.width_mm == 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(eai_plot_set_size(&plot, wrong[i], &err), EAI_ERR_ARGUMENT);
        assert_true(strlen(err.message) > 10);
    }
}

typedef struct job {
    eai_plot_kind kind;
    const char *name;
} job;

static eai_status write_sample(void *ud, eai_error *err)
{
    const job *j = ud;
    eai_plot_series series[2];
    eai_plot plot = sample(series, j->kind);
    return eai_plot_write(&plot, eai_test_path(folder, j->name), err);
}

static void test_torture(void **state)
{
    (void)state;
    static const char *const names[] = {"t.png", "t.svg", "t.pdf"};
    for (int kind = 0; kind < EAI_PLOT_KIND_COUNT; kind++) {
        job j = {(eai_plot_kind)kind, names[kind % 3]};
        eai_test_torture(write_sample, &j);
    }
}

static void test_io_torture(void **state)
{
    (void)state;
    job j = {EAI_PLOT_KIND_BAR, "io.svg"};
    eai_test_io_torture(write_sample, NULL, &j, folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),    cmocka_unit_test(test_pdf_date),
        cmocka_unit_test(test_odd_data),   cmocka_unit_test(test_small_pages),
        cmocka_unit_test(test_gaps),       cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_set_size),   cmocka_unit_test(test_torture),
        cmocka_unit_test(test_io_torture),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
