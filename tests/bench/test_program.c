/* Other programs: their end, their output, what they used, and how they are ended. */
#include <efficientai/measure.h>

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/fs.h>

#include "support/eai_test.h"

static eai_status run(eai_sample *out, eai_program *p, const char *script, eai_error *err)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    p->argv = argv;
    eai_status st = eai_program_measure(out, p, err);
    p->argv = NULL;
    return st;
}

static void test_success(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_sample s;
    eai_program p = {0};
    (void)state;
    assert_ok(run(&s, &p, "exit 0", &err), &err);
    assert_true(s.values[EAI_METRIC_SECONDS] > 0 && s.values[EAI_METRIC_SECONDS] < 60);
    assert_true(s.values[EAI_METRIC_USER_SECONDS] >= 0);
    assert_true(s.values[EAI_METRIC_MINOR_FAULTS] > 0);
    assert_true(p.n_failed == 0);
    /* counted, or not known */
    assert_true(isnan(s.values[EAI_METRIC_INSTRUCTIONS]) ||
                s.values[EAI_METRIC_INSTRUCTIONS] > 1e4);
    assert_true(isnan(s.values[EAI_METRIC_PEAK_BYTES]) || s.values[EAI_METRIC_PEAK_BYTES] > 1e5);
}

/* Standard input is empty: a program that waits for it ends. */
static void test_input_is_empty(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_sample s;
    eai_program p = {.timeout = 60};
    (void)state;
    assert_ok(run(&s, &p, "cat; test -z \"$(cat)\"", &err), &err);
}

static void test_failures(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_sample s;
    eai_program p = {0};
    const char *const nothing[] = {"/no/such/program", NULL};
    (void)state;
    assert_fails(run(&s, &p, "exit 3", &err), EAI_ERR_ARGUMENT, &err,
                 "'sh' ended with exit status 3");
    assert_fails(run(&s, &p, "kill -9 $$", &err), EAI_ERR_ARGUMENT, &err, "signal 9");
    p.ignore_failure = true;
    assert_ok(run(&s, &p, "exit 3", &err), &err);
    assert_int_equal(p.n_failed, 3);
    p.argv = nothing;
    assert_fails(eai_program_measure(&s, &p, &err), EAI_ERR_IO, &err,
                 "cannot start '/no/such/program': No such file");
    p.argv = NULL;
    p.output = "/no/such/folder/file";
    assert_fails(run(&s, &p, "exit 0", &err), EAI_ERR_IO, &err,
                 "cannot write '/no/such/folder/file': No such file");
}

static void test_output(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_sample s;
    char *text;
    char *folder = eai_test_make_folder();
    eai_program p = {.output = eai_test_path(folder, "out")};
    (void)state;
    assert_ok(run(&s, &p, "echo much more than that", &err), &err);
    assert_ok(run(&s, &p, "echo one; echo two >&2", &err), &err); /* made anew each time */
    assert_ok(eai_fs_read_file(&text, NULL, p.output, 100, &err), &err);
    assert_string_equal(text, "one\ntwo\n");
    eai_free(text);
    eai_test_remove_folder(folder);
}

/* It and what it started are ended, long before they would end by themselves. */
static void test_timeout(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_sample s;
    eai_program p = {.timeout = 0.3};
    char script[512];
    char *folder = eai_test_make_folder();
    const char *mark = eai_test_path(folder, "ended");
    double start = eai_clock_seconds();
    (void)state;
    snprintf(script, sizeof(script),
             "(trap 'echo >%s; exit' TERM; while :; do sleep 0.05; done) & sleep 600", mark);
    assert_fails(run(&s, &p, script, &err), EAI_ERR_LIMIT, &err, "more than 0.3 s");
    while (!eai_fs_exists(mark) && eai_clock_seconds() - start < 300) {
    }
    assert_true(eai_fs_exists(mark));
    eai_test_remove_folder(folder);
}

static bool always(void *ud)
{
    int *asked = ud;
    return ++*asked > 1;
}

static void test_cancelled(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_sample s;
    int asked = 0;
    eai_program p = {.is_cancelled = always, .ud = &asked};
    double start = eai_clock_seconds();
    (void)state;
    assert_fails(run(&s, &p, "exec sleep 600", &err), EAI_ERR_CANCELLED, &err, "'sh'");
    assert_true(eai_clock_seconds() - start < 300);
}

/* What a program takes beyond what we have ourselves is seen. */
static void test_memory(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_sample s;
    eai_program p = {0};
    (void)state;
    assert_ok(run(&s, &p, "x=$(head -c 20000000 /dev/zero | tr '\\0' a); exit 0", &err), &err);
    if (!isnan(s.values[EAI_METRIC_PEAK_BYTES]))
        assert_true(s.values[EAI_METRIC_PEAK_BYTES] > 1.8e7 &&
                    s.values[EAI_METRIC_PEAK_BYTES] < 2e9);
}

static void test_split(void **state)
{
    const struct {
        const char *text;
        const char *words[5];
    } rows[] = {
        {"sort big.txt", {"sort", "big.txt"}},
        {"  a\tb  ", {"a", "b"}},
        {"a 'b c' \"d 'e'\"", {"a", "b c", "d 'e'"}},
        {"a\\ b 'c\\d' \"e\\\"f\"", {"a b", "c\\d", "e\"f"}},
        {"a''b \"\" x", {"ab", "", "x"}},
        {"a\\", {"a\\"}},
    };
    eai_error err = EAI_ERROR_INIT;
    char **argv;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = 0;
        assert_ok(eai_program_split(&argv, rows[i].text, &err), &err);
        for (; argv[n]; n++) {
            assert_non_null(rows[i].words[n]);
            assert_string_equal(argv[n], rows[i].words[n]);
        }
        assert_null(rows[i].words[n]);
        eai_free((void *)argv);
    }
    assert_fails(eai_program_split(&argv, "a 'b", &err), EAI_ERR_USAGE, &err, "not closed");
    assert_fails(eai_program_split(&argv, " \t", &err), EAI_ERR_USAGE, &err, "no program");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),  cmocka_unit_test(test_input_is_empty),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_output),
        cmocka_unit_test(test_timeout),  cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_memory),   cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
