/* Figures as text, compared with what they looked like when somebody looked at them; and what
 * holds for any: width, no control characters but colours, none of those unless asked for. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/plot.h>

static const double ramp[] = {0, 1, 2, 3, 4};
static const double drop[] = {4, 2, 1, 0.5, 0.25};
static const char *const names[] = {"bf16", "q8_0", "q4_0"};

static char *draw(const eai_plot *plot, eai_plot_text_opts opts)
{
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    assert_ok(eai_plot_to_text(&text, plot, &opts, &err), &err);
    return text;
}

/* On a difference the text is printed as the lines of a C string, to be looked at and taken. */
static void expect(const eai_plot *plot, eai_plot_text_opts opts, const char *expected)
{
    char *text = draw(plot, opts);
    if (strcmp(text, expected) != 0) {
        printf("        \"");
        for (const char *at = text; *at; at++)
            if (*at == '\n')
                printf(at[1] ? "\\n\"\n        \"" : "\\n\"\n");
            else if (*at == '\033')
                printf("\\033");
            else
                putchar(*at);
        fail_msg("another picture, see above");
    }
    eai_free(text);
}

static void test_lines(void **state)
{
    (void)state;
    eai_plot_series s[] = {{.name = "up", .y = ramp, .n = 5}, {.name = "down", .y = drop, .n = 5}};
    eai_plot plot = {
        .title = "Two lines", .x_label = "step", .y_label = "loss", .series = s, .n_series = 2};
    expect(&plot, (eai_plot_text_opts){.width = 40, .height = 14},
           "                Two lines\n"
           "  ● up   ■ down\n"
           "loss\n"
           "4 ┤⠑⢄                               ⣀⠤⠒⠉\n"
           "  │  ⠉⠢⡀                       ⢀⡠⠔⠊⠉\n"
           "  │    ⠈⠢⡀                 ⣀⠤⠒⠉⠁\n"
           "  │      ⠈⠑⢄          ⢀⡠⠔⠊⠉\n"
           "2 ┤         ⠉⠒⠤⣀⡀⢀⣀⠤⠒⠉⠁\n"
           "  │          ⣀⠤⠒⠊⠑⠒⠤⣀\n"
           "  │    ⢀⣀⠤⠔⠊⠉        ⠉⠉⠒⠒⠤⠤⢄⣀⡀\n"
           "0 ┤⣀⠤⠒⠊⠁                     ⠈⠉⠉⠉⠒⠒⠒⠒⠢⠤⠤\n"
           "  └─────────┬─────────────────┬─────────\n"
           "            2                 4\n"
           "                   step\n");
    expect(&plot, (eai_plot_text_opts){.width = 40, .height = 14, .ascii = true},
           "                Two lines\n"
           "  * up   + down\n"
           "loss\n"
           "4 +++                               ****\n"
           "  |  +++                       *****\n"
           "  |    +++                 *****\n"
           "  |      +++          *****\n"
           "2 +         +++++******\n"
           "  |          ***+++++\n"
           "  |    ******        +++++++++\n"
           "0 +*****                     +++++++++++\n"
           "  +---------+-----------------+---------\n"
           "            2                 4\n"
           "                   step\n");
}

static void test_bars(void **state)
{
    (void)state;
    const double ours[] = {42, 71, -10};
    const double theirs[] = {40.25, (double)NAN, 5};
    const double low[] = {40, 70, -11};
    const double high[] = {44, 72, -9};
    eai_plot_series s[] = {{.name = "ours", .y = ours, .n = 3, .y_low = low, .y_high = high},
                           {.name = "theirs", .y = theirs, .n = 3}};
    eai_plot plot = {.kind = EAI_PLOT_KIND_BAR,
                     .title = "Rates",
                     .y_label = "tokens/s",
                     .series = s,
                     .n_series = 2,
                     .names = names,
                     .n_names = 3};
    expect(&plot, (eai_plot_text_opts){.width = 60},
           "                            Rates\n"
           "             tokens/s\n"
           "bf16 ours   │          █████████             42 (40 to 44)\n"
           "     theirs │          ████████▋             40.2\n"
           "\n"
           "q8_0 ours   │          ███████████████       71 (70 to 72)\n"
           "     theirs │                                -\n"
           "\n"
           "q4_0 ours   │        ██                      -10 (-11 to -9)\n"
           "     theirs │          █▍                    5\n");
    plot.n_series = 1;
    expect(&plot, (eai_plot_text_opts){.width = 50, .ascii = true},
           "                       Rates\n"
           "      tokens/s\n"
           "bf16 |         ########            42 (40 to 44)\n"
           "q8_0 |         ##############      71 (70 to 72)\n"
           "q4_0 |       ##                    -10 (-11 to -9)\n");
}

/* A name that is too long loses its end, not its neighbour's place. */
static void test_cut(void **state)
{
    (void)state;
    static const char *const lengthy[] = {
        "a name that is long", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xae", "short"};
    eai_plot_series s = {.y = ramp, .n = 3};
    eai_plot plot = {
        .kind = EAI_PLOT_KIND_BAR, .series = &s, .n_series = 1, .names = lengthy, .n_names = 3};
    expect(&plot, (eai_plot_text_opts){.width = 20},
           "a nam… │           0\n"
           "日本…  │█████      1\n"
           "short  │██████████ 2\n");
    expect(&plot, (eai_plot_text_opts){.width = 20, .ascii = true},
           "a nam~ |           0\n"
           "????~  |#####      1\n"
           "short  |########## 2\n");
}

static void test_histogram(void **state)
{
    (void)state;
    const double y[] = {0, 1, 1, 2, 2, 2, 2, 3, 3, 4};
    eai_plot_series s = {.y = y, .n = 10};
    eai_plot plot = {.kind = EAI_PLOT_KIND_HISTOGRAM, .series = &s, .n_series = 1, .n_bins = 5};
    expect(&plot, (eai_plot_text_opts){.width = 32, .height = 10},
           "4 ┤            ██████\n"
           "  │            ██████\n"
           "  │            ██████\n"
           "  │            ██████\n"
           "2 ┤      ██████████████████\n"
           "  │      ██████████████████\n"
           "  │█████████████████████████████\n"
           "0 ┤█████████████████████████████\n"
           "  └┬─────────────┬─────────────┬\n"
           "   0             2             4\n");
}

static void test_heat_map(void **state)
{
    (void)state;
    const double y[] = {9, 1, 0, 2, 8, (double)NAN};
    eai_plot_series s = {.y = y, .n = 6};
    eai_plot plot = {.kind = EAI_PLOT_KIND_HEATMAP,
                     .series = &s,
                     .n_series = 1,
                     .names = names,
                     .n_names = 3,
                     .row_names = names,
                     .n_rows = 2};
    expect(&plot, (eai_plot_text_opts){.width = 40},
           "       bf16    q8_0    q4_0\n"
           "bf16 ███ 9       1       0\n"
           "q8_0 ░░░ 2   ███ 8       -\n"
           "\n"
           "     0     ░░░░▒▒▒▒▓▓▓▓████ 9\n");
    expect(&plot, (eai_plot_text_opts){.width = 40, .color = EAI_PLOT_COLOR_256},
           "       bf16    q8_0    q4_0\n"
           "bf16 \033[48;5;227m   \033[38;5;16m9    \033[48;5;17m   \033[38;5;231m1    "
           "\033[48;5;17m   0    \033[0m\n"
           "q8_0 \033[48;5;24m   \033[38;5;231m2    \033[48;5;149m   \033[38;5;16m8    "
           "\033[39m\033[49m    -\n"
           "\n"
           "     0 \033[48;5;17m \033[48;5;17m \033[48;5;17m \033[48;5;24m \033[48;5;60m "
           "\033[48;5;24m \033[48;5;24m \033[48;5;24m \033[48;5;30m \033[48;5;30m \033[48;5;30m "
           "\033[48;5;66m \033[48;5;72m \033[48;5;71m \033[48;5;107m \033[48;5;107m \033[48;5;149m "
           "\033[48;5;185m \033[48;5;185m \033[48;5;227m \033[49m 9\n");
    expect(&plot, (eai_plot_text_opts){.width = 20, .ascii = true},
           "     bf16 q8_0 q4_0\n"
           "bf16 @ 9  . 1    0\n"
           "q8_0 : 2  % 8    -\n"
           "\n"
           "     0  +@ 9\n");
}

static void test_front(void **state)
{
    (void)state;
    const double x[] = {1, 2, 4, 4};
    const double y[] = {4, 2, 1, 3};
    static const char *const labels[] = {"small", "middle", "large", "worse"};
    eai_plot_series s = {.name = "ours", .x = x, .y = y, .n = 4, .point_labels = labels};
    eai_plot plot = {.kind = EAI_PLOT_KIND_PARETO, .series = &s, .n_series = 1};
    expect(&plot, (eai_plot_text_opts){.width = 40, .height = 12},
           "  ● ours\n"
           "4 ┤ ●⠒small⠒⠒⠒⠒⢲\n"
           "  │            ⢸\n"
           "  │            ⢸\n"
           "  │            ⢸                      ·\n"
           "  │            ⢸\n"
           "2 ┤            ●⣀middle⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀\n"
           "  │                                   ⢸\n"
           "  │                                   ⢸\n"
           "  │                             large ●\n"
           "  └────────────┬──────────────────────┬─\n"
           "               2                      4\n");
}

static void test_scatter(void **state)
{
    (void)state;
    const double low[] = {0, 1, 1, 3, 4};
    const double high[] = {0, 1, 3, 3, 4};
    eai_plot_series s = {.y = ramp, .n = 5, .y_low = low, .y_high = high};
    eai_plot plot = {.kind = EAI_PLOT_KIND_SCATTER, .series = &s, .n_series = 1};
    expect(&plot, (eai_plot_text_opts){.width = 40, .height = 12},
           "4 ┤                                   ●\n"
           "  │\n"
           "  │                  ⢠        ●\n"
           "  │                  ⢸\n"
           "  │                  ⢸\n"
           "2 ┤                  ●\n"
           "  │                  ⢸\n"
           "  │         ●        ⠘\n"
           "  │\n"
           "0 ┤ ●\n"
           "  └─────────┬─────────────────┬─────────\n"
           "            2                 4\n");
}

/* ---- What holds for all ---- */

/* Every line is at most `width` characters; escapes are colours, and only where allowed. */
static void check_text(const char *text, int width, bool ascii, bool color)
{
    int columns = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '\n') {
            columns = 0;
        } else if (*p == 0x1b) {
            assert_true(color);
            p += strcspn((const char *)p, "m");
            assert_int_equal(*p, 'm');
        } else {
            assert_true(*p >= 0x20 && *p != 0x7f);
            assert_true(*p < 0x80 || !ascii);
            columns += (*p & 0xC0) != 0x80;
            assert_true(columns <= width);
        }
    }
    assert_true(text[strlen(text) - 1] == '\n');
}

static void test_all_kinds(void **state)
{
    (void)state;
    static char lengthy[10001];
    memset(lengthy, 'W', sizeof(lengthy) - 1);
    const char *odd[] = {lengthy,    "a\033[2Jb\nc", "\xe6\x97\xa5\xe6\x9c\xac",
                         "\xff\xfe", "e\xcc\x81",    NULL};
    const double y[] = {1, -1e308, 1e308, (double)NAN, 0, 3};
    const double low[] = {0, -1e308, 0, 0, -2, (double)NAN};
    for (int kind = 0; kind < EAI_PLOT_KIND_COUNT; kind++) {
        for (int i = 0; i < 24; i++) {
            bool matrix = kind == EAI_PLOT_KIND_HEATMAP;
            eai_plot_text_opts opts = {.width = i % 4 < 2 ? 20 : 97,
                                       .height = i % 8 < 4 ? 8 : 30,
                                       .ascii = i % 2,
                                       .color = (eai_plot_color)(i % 3)};
            eai_plot_series s[] = {
                {.name = lengthy, .y = y, .n = 6, .y_low = low, .y_high = y, .point_labels = odd},
                {.name = odd[2], .y = y, .n = matrix ? 0 : 4}};
            eai_plot plot = {.kind = (eai_plot_kind)kind,
                             .title = i < 12 ? lengthy : odd[1],
                             .x_label = odd[2],
                             .y_label = odd[1],
                             .series = s,
                             .n_series = matrix ? 1 : 2,
                             .names = odd,
                             .row_names = odd,
                             .n_names = matrix ? 3 : 6,
                             .n_rows = 2,
                             .log_y = i >= 16};
            char *text = draw(&plot, opts);
            check_text(text, opts.width, opts.ascii, opts.color != EAI_PLOT_COLOR_NONE);
            eai_free(text);
        }
    }
}

/* Larger than the terminal: cells are averaged, bars cut off and counted. */
static void test_large(void **state)
{
    (void)state;
    static double y[300 * 300];
    for (size_t i = 0; i < 300 * 300; i++)
        y[i] = (double)(i % 300);
    eai_plot_series s = {.y = y, .n = 300 * 300};
    eai_plot plot = {
        .kind = EAI_PLOT_KIND_HEATMAP, .series = &s, .n_series = 1, .n_names = 300, .n_rows = 300};
    char *text = draw(&plot, (eai_plot_text_opts){.width = 80, .ascii = true});
    check_text(text, 80, true, false);
    eai_free(text);
    s.n = 300;
    plot = (eai_plot){.kind = EAI_PLOT_KIND_BAR, .series = &s, .n_series = 1};
    text = draw(&plot, (eai_plot_text_opts){.width = 80});
    assert_non_null(strstr(text, "and 100 more\n"));
    eai_free(text);
}

static void test_refusals(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_plot_series s = {.y = ramp, .n = 5};
    eai_plot plot = {.series = &s, .n_series = 1};
    eai_plot_text_opts opts = {.width = 19};
    char *text = NULL;
    assert_fails(eai_plot_to_text(&text, &plot, &opts, &err), EAI_ERR_ARGUMENT, &err, "19 x 24");
    opts = (eai_plot_text_opts){.height = 201};
    assert_fails(eai_plot_to_text(&text, &plot, &opts, &err), EAI_ERR_ARGUMENT, &err, "80 x 201");
    plot.n_series = 0;
    assert_fails(eai_plot_to_text(&text, &plot, NULL, &err), EAI_ERR_ARGUMENT, &err, "finite");
    assert_null(text);
}

static eai_status draw_sample(void *ud, eai_error *err)
{
    const eai_plot_kind *kind = ud;
    bool matrix = *kind == EAI_PLOT_KIND_HEATMAP;
    eai_plot_series s = {.name = "s", .y = ramp, .n = matrix ? 3 : 5};
    eai_plot plot = {
        .kind = *kind, .series = &s, .n_series = 1, .n_names = matrix ? 3 : 0, .n_rows = 1};
    char *text;
    eai_status st = eai_plot_to_text(&text, &plot, NULL, err);
    eai_free(text);
    return st;
}

static void test_torture(void **state)
{
    (void)state;
    for (int kind = 0; kind < EAI_PLOT_KIND_COUNT; kind++) {
        eai_plot_kind k = (eai_plot_kind)kind;
        eai_test_torture(draw_sample, &k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),    cmocka_unit_test(test_bars),
        cmocka_unit_test(test_cut),      cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_heat_map), cmocka_unit_test(test_front),
        cmocka_unit_test(test_scatter),  cmocka_unit_test(test_all_kinds),
        cmocka_unit_test(test_large),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
