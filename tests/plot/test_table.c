/* Tables from CSV and JSON lines: what is read, and what is said about what cannot be. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/plot_table.h>

EAI_TEST_FOLDER

static eai_plot_table *parse(const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    eai_plot_table *t = NULL;
    assert_ok(eai_plot_table_parse(&t, text, strlen(text), "t.csv", &err), &err);
    return t;
}

/* All names and cells as one text: "a,b|1,2|3,-"; a cell without value is "-". */
static void expect_table(const char *text, const char *expected)
{
    eai_plot_table *t = parse(text);
    char all[1024] = "";
    for (size_t row = 0; row <= eai_plot_table_rows(t); row++) {
        for (size_t i = 0; i < eai_plot_table_columns(t); i++) {
            const char *cell =
                row ? eai_plot_table_texts(t, i)[row - 1] : eai_plot_table_name(t, i);
            size_t used = strlen(all);
            snprintf(all + used, sizeof(all) - used, "%s%s",
                     i     ? ","
                     : row ? "|"
                           : "",
                     cell ? cell : "-");
        }
    }
    assert_string_equal(all, expected);
    eai_plot_table_free(t);
}

static void test_csv(void **state)
{
    (void)state;
    expect_table("a,b\n1,2\n3,4\n", "a,b|1,2|3,4");
    expect_table("a,b\r\n1,2\r\n\r\n3,4", "a,b|1,2|3,4"); /* a blank line, no end of the last */
    expect_table("\xef\xbb\xbf"
                 "a,b\n1,\n",
                 "a,b|1,-");
    expect_table("a\tb,c\n1\t2\n", "a,b,c|1,2");
    expect_table("a;b\n1,5;2\n", "a,b|1,5,2");
    expect_table("\"a,1\",\"b \"\"q\"\"\"\n\"x\ny\", z \n", "a,1,b \"q\"|x\ny,z");
    expect_table(",b\n0,1\n", ",b|0,1"); /* the column of numbers that pandas writes */
    expect_table("a,b\n\"\",\"\"\n", "a,b|-,-");
}

static void test_json_lines(void **state)
{
    (void)state;
    expect_table("{\"step\": 1, \"loss\": 2.5}\n{\"step\": 2, \"valid\": 3}\n",
                 "step,loss,valid|1,2.5,-|2,-,3");
    expect_table("\n {\"a\": {\"b\": true, \"c\": null}, \"d\": \"x\"}\r\n\n", "a.b,d|1,x");
    expect_table("{\"b\": 1, \"a\": 2}\n{\"a\": 3, \"b\": 4}\n", "b,a|1,2|4,3");
    expect_table("{\"a\": [1, 2]}", "a|a list");
}

static void expect_refused(const char *text, eai_status code, const char *message)
{
    eai_error err = EAI_ERROR_INIT;
    eai_plot_table *t = NULL;
    assert_fails(eai_plot_table_parse(&t, text, strlen(text), "t.csv", &err), code, &err, message);
    assert_null(t);
}

static void test_refusals(void **state)
{
    (void)state;
    expect_refused("", EAI_ERR_FORMAT, "t.csv: no rows");
    expect_refused("a,b\n", EAI_ERR_FORMAT, "t.csv: no rows");
    expect_refused("a,b\n1,2\n1,2,3\n", EAI_ERR_FORMAT, "t.csv:3: 3 fields, but line 1 names 2");
    expect_refused("a,b\n\n1\n", EAI_ERR_FORMAT, "t.csv:3: 1 field, but");
    expect_refused("a,b\n\"x\ny\",1\n1\n", EAI_ERR_FORMAT, "t.csv:4: 1 field, but");
    expect_refused("a,b,a\n1,2,3\n", EAI_ERR_FORMAT, "t.csv:1: two columns are named 'a'");
    expect_refused("a\n\"x\ny\n", EAI_ERR_FORMAT, "t.csv:2: a quote that opens in line 2");
    expect_refused("a\n\"x\ny\"z\n", EAI_ERR_FORMAT, "t.csv:2: text behind a closing quote");
    expect_refused("{\"a\": 1}\n{\"a\": }\n", EAI_ERR_FORMAT, "t.csv:2: ");
    expect_refused("{\"a\": 1}\n[1]\n", EAI_ERR_FORMAT, "t.csv:2: no object");
    expect_refused("{\"a\": 1, \"a\": 2}\n", EAI_ERR_FORMAT, "t.csv:1: duplicate");
    expect_refused("{}\n", EAI_ERR_FORMAT, "no rows");
    expect_refused("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}",
                   EAI_ERR_LIMIT, "at most 8 deep");
    eai_error err = EAI_ERROR_INIT;
    eai_plot_table *t = NULL;
    assert_fails(eai_plot_table_parse(&t, "a\n\0\n", 4, "t.csv", &err), EAI_ERR_FORMAT, &err,
                 "t.csv:2: a NUL byte");
    assert_fails(eai_plot_table_read(&t, eai_test_path(folder, "none"), &err), EAI_ERR_IO, &err,
                 "none");
}

static void test_many_columns(void **state)
{
    (void)state;
    static char text[20000];
    size_t n = 0;
    for (int i = 0; i < 1025; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "c%d,", i);
    snprintf(text + n, sizeof(text) - n, "\n");
    expect_refused(text, EAI_ERR_LIMIT, "more than 1024 columns");
}

static void test_numbers(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    double *x = NULL;
    eai_plot_table *t = parse("step,loss,name\n1,2.5,a\n2,,b\n3,nan,c\n4,-1e400,d\n5,0x,e\n");
    assert_ok(eai_plot_table_numbers(&x, t, "step", &err), &err);
    assert_true(x[0] == 1 && x[4] == 5);
    eai_free(x);
    assert_fails(eai_plot_table_numbers(&x, t, "loss", &err), EAI_ERR_FORMAT, &err,
                 "t.csv:6: column 'loss' is '0x' (a number, or nothing, is allowed)");
    assert_null(x);
    assert_fails(eai_plot_table_numbers(&x, t, "los", &err), EAI_ERR_NOT_FOUND, &err,
                 "t.csv: no column 'los'; did you mean 'loss'?");
    assert_fails(eai_plot_table_numbers(&x, t, "epoch", &err), EAI_ERR_NOT_FOUND, &err,
                 "t.csv: no column 'epoch'; there are step, loss, name");
    assert_true(eai_plot_table_is_numeric(t, 0));
    assert_false(eai_plot_table_is_numeric(t, 1));
    assert_false(eai_plot_table_is_numeric(t, 2));
    eai_plot_table_free(t);
    t = parse("a,b\n1,\n,\n-1e400,\n");
    assert_ok(eai_plot_table_numbers(&x, t, "a", &err), &err);
    assert_true(x[0] == 1 && isnan(x[1]) && isinf(x[2]));
    assert_false(eai_plot_table_is_numeric(t, 1)); /* no value at all */
    eai_free(x);
    eai_plot_table_free(t);
}

/* Rows beyond the first allocation, columns that come late. */
static void test_growth(void **state)
{
    (void)state;
    char *text = calloc(1000, 64);
    assert_non_null(text);
    size_t n = 0;
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(text + n, 64, "{\"i\": %d, \"c%d\": 1}\n", i, i / 25);
    eai_plot_table *t = parse(text);
    assert_int_equal(eai_plot_table_rows(t), 1000);
    assert_int_equal(eai_plot_table_columns(t), 41);
    assert_string_equal(eai_plot_table_texts(t, 0)[999], "999");
    assert_null(eai_plot_table_texts(t, 40)[0]);
    assert_string_equal(eai_plot_table_texts(t, 40)[999], "1");
    eai_plot_table_free(t);
    free(text);
}

static eai_status read_sample(void *ud, eai_error *err)
{
    eai_plot_table *t = NULL;
    double *x = NULL;
    eai_status st = eai_plot_table_read(&t, ud, err);
    if (st == EAI_OK)
        st = eai_plot_table_numbers(&x, t, "a", err);
    eai_free(x);
    eai_plot_table_free(t);
    return st;
}

static void test_torture(void **state)
{
    (void)state;
    static const char *const texts[] = {"a,\"b \"\"c\"\"\"\n1,2\n3,4\n",
                                        "{\"a\": 1, \"b\": {\"c\": \"d\"}}\n{\"a\": 2}\n"};
    eai_error err = EAI_ERROR_INIT;
    for (int i = 0; i < 2; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s", eai_test_path(folder, "table"));
        assert_ok(eai_fs_write_atomic(path, texts[i], strlen(texts[i]), &err), &err);
        eai_test_torture(read_sample, path);
        eai_test_io_torture(read_sample, NULL, path, folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),      cmocka_unit_test(test_json_lines),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_many_columns),
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_growth),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
