/* Numbers for people, tables, and the progress line on a terminal and elsewhere. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>
#include <efficientai/progress.h>
#include <efficientai/terminal.h>

/* What `write` prints, in new memory (free). */
static char *capture(void (*write)(FILE *out))
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    write(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_bytes(void **state)
{
    (void)state;
    char buf[32];
    assert_string_equal(eai_format_bytes(buf, sizeof(buf), 0), "0 B");
    assert_string_equal(eai_format_bytes(buf, sizeof(buf), 999), "999 B");
    assert_string_equal(eai_format_bytes(buf, sizeof(buf), 1000), "1.0 kB");
    assert_string_equal(eai_format_bytes(buf, sizeof(buf), 999949), "999.9 kB");
    assert_string_equal(eai_format_bytes(buf, sizeof(buf), 999951), "1.0 MB");
    assert_string_equal(eai_format_bytes(buf, sizeof(buf), 98362432), "98.4 MB");
    assert_string_equal(eai_format_bytes(buf, sizeof(buf), UINT64_MAX), "18.4 EB");
}

static void test_durations(void **state)
{
    (void)state;
    char buf[32];
    assert_string_equal(eai_format_duration(buf, sizeof(buf), 0.2), "0 s");
    assert_string_equal(eai_format_duration(buf, sizeof(buf), 59.4), "59 s");
    assert_string_equal(eai_format_duration(buf, sizeof(buf), 59.6), "1 min 00 s");
    assert_string_equal(eai_format_duration(buf, sizeof(buf), 185), "3 min 05 s");
    assert_string_equal(eai_format_duration(buf, sizeof(buf), 7800), "2 h 10 min");
    assert_string_equal(eai_format_duration(buf, sizeof(buf), -1), "?");
    assert_string_equal(eai_format_duration(buf, sizeof(buf), (double)NAN), "?");
    assert_string_equal(eai_format_duration(buf, sizeof(buf), (double)INFINITY), "?");
}

static void test_columns(void **state)
{
    (void)state;
    assert_int_equal(eai_text_columns(""), 0);
    assert_int_equal(eai_text_columns("abc"), 3);
    assert_int_equal(eai_text_columns("n\xc3\xa4he \xe2\x82\xac"), 6);
}

static void test_width(void **state)
{
    (void)state;
    FILE *out = tmpfile();
    assert_non_null(out);
    setenv("COLUMNS", "120", 1);
    assert_int_equal(eai_terminal_width(out), 120);
    setenv("COLUMNS", "7", 1);
    assert_int_equal(eai_terminal_width(out), 40);
    setenv("COLUMNS", "99999", 1);
    assert_int_equal(eai_terminal_width(out), 200);
    setenv("COLUMNS", "wide", 1);
    assert_int_equal(eai_terminal_width(out), 80);
    unsetenv("COLUMNS");
    assert_int_equal(eai_terminal_width(out), 80);
    assert_false(eai_terminal_is_live(out));
    assert_false(eai_terminal_has_color(out));
    fclose(out);
}

static void write_table(FILE *out)
{
    eai_error err = EAI_ERROR_INIT;
    eai_table *t = eai_table_create(3, "name|size>|what");
    eai_table_row(t, (const char *[]){"a", "9", "first"});
    eai_table_row(t, (const char *[]){"longer \xc3\xa4", "10000", NULL});
    assert_ok(eai_table_print(t, out, &err), &err);
    eai_table_free(t);
}

/* The first of the three variables that is set decides. */
static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *all, *ctype, *lang;
        bool expected;
    } cases[] = {{"", "", "", false},
                 {"C.UTF-8", "C", "C", true},
                 {"", "en_GB.utf8", "C", true},
                 {"", "", "de_DE.UTF-8@euro", true},
                 {"C", "C.UTF-8", "C.UTF-8", false},
                 {"", "", "de_DE.ISO-8859-1", false},
                 {"", "UTF-8", "C", true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("LC_ALL", cases[i].all, 1);
        setenv("LC_CTYPE", cases[i].ctype, 1);
        setenv("LANG", cases[i].lang, 1);
        assert_int_equal(eai_terminal_is_utf8(), cases[i].expected);
    }
}

static void test_table(void **state)
{
    (void)state;
    char *text = capture(write_table);
    assert_string_equal(text, "name       size  what\n"
                              "--------  -----  -----\n"
                              "a             9  first\n"
                              "longer \xc3\xa4  10000\n");
    free(text);
}

static eai_status make_table(void *ud, eai_error *err)
{
    (void)ud;
    FILE *out = fopen("/dev/null", "w");
    eai_table *t = eai_table_create(2, "one|two");
    for (int i = 0; i < 20; i++)
        eai_table_row(t, (const char *[]){"x", "y"});
    eai_status st = eai_table_print(t, out, err);
    eai_table_free(t);
    fclose(out);
    return st;
}

static void test_table_without_memory(void **state)
{
    (void)state;
    eai_test_torture(make_table, NULL);
}

static void write_progress(FILE *out)
{
    eai_progress *p = eai_progress_create(out, false, "train", "step", 200);
    eai_progress_update(p, 1, "loss %.2f", 4.25);
    for (uint64_t i = 2; i < 200; i++)
        eai_progress_update(p, i, "loss %.2f", 1.0); /* too soon after the first: no line */
    eai_progress_note(p, "validation: %d rows", 7);
    eai_progress_update(p, 200, NULL);
    eai_progress_finish(p, "loss %.2f", 0.5);
}

static void test_progress_lines(void **state)
{
    (void)state;
    char *text = capture(write_progress);
    assert_string_equal(text, "train  1/200 step  loss 4.25\n"
                              "validation: 7 rows\n"
                              "train  200/200 step  loss 0.50  0 s\n");
    free(text);
}

static void write_live_progress(FILE *out)
{
    eai_progress *p = eai_progress_create(out, true, "get", "B", 4000000);
    eai_progress_update(p, 1000000, NULL);
    eai_progress_finish(p, NULL);
    p = eai_progress_create(out, true, "get", "B", 0);
    eai_progress_update(p, 1500, "a");
    eai_progress_abandon(p);
}

static void test_progress_redrawn(void **state)
{
    (void)state;
    char *text = capture(write_live_progress);
    assert_string_equal(text, "\rget  [#####---------------]  1.0 MB of 4.0 MB\033[K"
                              "\rget  [#####---------------]  1.0 MB of 4.0 MB  0 s\033[K\n"
                              "\rget  1.5 kB  a\033[K\n");
    free(text);
}

/* A line of the log goes above the line that is redrawn; none is left over at the end. */
static void write_progress_and_log(FILE *out)
{
    eai_log_to_stream(out, EAI_LOG_TEXT);
    eai_progress *p = eai_progress_create(out, true, "get", "B", 4000000);
    eai_progress_update(p, 1000000, "a");
    EAI_LOG(WARN, "test", "one");
    eai_progress_finish(p, "b");
    EAI_LOG(WARN, "test", "two");
    p = eai_progress_create(out, true, "put", "B", 0);
    eai_progress_update(p, 1500, NULL);
    eai_progress_abandon(p);
    EAI_LOG(WARN, "test", "three");
    eai_log_set_sink(NULL, NULL);
}

/* The place behind the first `part` from there on. */
static size_t behind(const char *text, size_t from, const char *part)
{
    const char *at = strstr(text + from, part);
    if (!at)
        fail_msg("no '%s' in '%s'", part, text + from);
    return (size_t)(at - text) + strlen(part);
}

static void test_log_above_progress(void **state)
{
    const char bar[] = "get  [#####---------------]  1.0 MB of 4.0 MB  a";
    char text[2048];
    (void)state;

    char *captured = capture(write_progress_and_log);
    snprintf(text, sizeof(text), "%s", captured);
    free(captured);
    size_t at = behind(text, 0, bar);
    at = behind(text, at, "\033[K\r\033[K"); /* of the drawing, then of the log */
    at = behind(text, at, "warn  test: one\n");
    assert_memory_equal(text + at, bar, strlen(bar));
    at = behind(text, at, "b  0 s\033[K\n");
    assert_true(strcspn(text + at, "\r\033") > strcspn(text + at, "\n"));
    at = behind(text, at, "warn  test: two\n");
    at = behind(text, at, "\rput  1.5 kB\033[K\n");
    assert_null(strchr(text + at, '\r'));
    behind(text, at, "warn  test: three\n");
}

static void print_wide_table(FILE *out)
{
    eai_error err = EAI_ERROR_INIT;
    eai_table *t = eai_table_create(3, "name|size>|what it is");
    eai_table_row(t,
                  (const char *[]){"smollm2", "98 MB", "a model of thirty layers and some more"});
    eai_table_row(t, (const char *[]){"b", "1 MB", "short"});
    assert_ok(eai_table_print(t, out, &err), &err);
    eai_table_free(t);
}

static void print_narrow_table(FILE *out)
{
    eai_error err = EAI_ERROR_INIT;
    eai_table *t = eai_table_create(2, "a name of more than thirty columns|b");
    eai_table_row(t, (const char *[]){"x", "some words"});
    assert_ok(eai_table_print(t, out, &err), &err);
    eai_table_free(t);
}

static void test_wide_table(void **state)
{
    (void)state;
    setenv("COLUMNS", "40", 1);
    char *text = capture(print_wide_table);
    assert_string_equal(text, "name      size  what it is\n"
                              "-------  -----  ------------------------\n"
                              "smollm2  98 MB  a model of thirty layers\n"
                              "                and some more\n"
                              "b         1 MB  short\n");
    free(text);
    text = capture(print_narrow_table); /* no room to wrap in */
    assert_non_null(strstr(text, "  some words\n"));
    free(text);
    unsetenv("COLUMNS"); /* a file or a pipe: a row is a line, whatever its length */
    text = capture(print_wide_table);
    assert_non_null(strstr(text, "  a model of thirty layers and some more\n"));
    free(text);
}

static void print_text(FILE *out)
{
    eai_text_print(out, "some words that\nare printed", 2, 12);
    eai_text_print(out, "as  it\nis", 0, 0);
}

static void test_text(void **state)
{
    (void)state;
    char *text = capture(print_text);
    assert_string_equal(text, "some words\n  that are\n  printed\nas  it\nis\n");
    free(text);
    eai_alloc_fail_at(1);
    text = capture(print_text);
    eai_alloc_fail_at(0);
    assert_string_equal(text, "some words that\nare printed\nas  it\nis\n");
    free(text);
}

static void test_no_progress(void **state)
{
    (void)state;
    eai_alloc_fail_at(1);
    eai_progress *p = eai_progress_create(stderr, true, "x", "y", 1);
    eai_alloc_fail_at(0);
    assert_null(p);
    eai_progress_update(p, 1, NULL);
    eai_progress_note(p, "never seen");
    eai_progress_finish(p, NULL);
    eai_progress_abandon(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_without_memory),
        cmocka_unit_test(test_wide_table),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_progress_lines),
        cmocka_unit_test(test_progress_redrawn),
        cmocka_unit_test(test_log_above_progress),
        cmocka_unit_test(test_no_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
