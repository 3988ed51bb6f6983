/* Running a command: exit codes, the one line on failure, help, operands, --print-config. */
#include "support/eai_test.h"

#include <stdlib.h>
#include <unistd.h>

#include <efficientai/project.h>

typedef struct demo_args {
    int64_t rank;
    const char *name;
} demo_args;

static const eai_option demo_options[] = {
    {.name = "rank",
     .type = EAI_OPT_INT,
     .offset = offsetof(demo_args, rank),
     .default_value = "8",
     .value_name = "N",
     .help = "rank of the adapters",
     .min = 1,
     .max = 256},
    {.name = "name",
     .type = EAI_OPT_STRING,
     .offset = offsetof(demo_args, name),
     .value_name = "TEXT",
     .help = "anything"},
    {0},
};

static eai_status run_show(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const demo_args *a = args;
    (void)err;
    fprintf(ctx->out, "%s: rank %d name %s\n", ctx->program, (int)a->rank, a->name ? a->name : "-");
    return EAI_OK;
}

static eai_status run_fail(const eai_command_context *ctx, const void *args, eai_error *err)
{
    (void)ctx;
    (void)args;
    return eai_error_set(err, EAI_ERR_FORMAT, "rows.jsonl: line 3: no object");
}

static eai_status run_stop(const eai_command_context *ctx, const void *args, eai_error *err)
{
    (void)ctx;
    (void)args;
    return eai_error_set(err, EAI_ERR_CANCELLED, "after step 7; saved in out/checkpoint");
}

static eai_status run_silent(const eai_command_context *ctx, const void *args, eai_error *err)
{
    (void)ctx;
    (void)args;
    (void)err;
    return EAI_ERR_INTERNAL;
}

static eai_status run_operands(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const char *const *words;
    (void)args;
    (void)err;
    fprintf(ctx->out, "%d operands\n", eai_options_operands(ctx->set, &words));
    return EAI_OK;
}

static const eai_command commands[] = {
    {.name = "show",
     .summary = "print the options",
     .options = demo_options,
     .args_bytes = sizeof(demo_args),
     .run = run_show,
     .help = "A paragraph about it."},
    {.name = "fail", .summary = "fail", .run = run_fail},
    {.name = "stop", .summary = "be stopped", .run = run_stop},
    {.name = "silent", .summary = "fail without a word", .run = run_silent},
    {.name = "operands", .summary = "count", .run = run_operands, .usage = "FILE..."},
    {0},
};
static const eai_project project = {EAI_PROJECT_ABI, sizeof(eai_project),   "demo",
                                    "1.2",           "a project for tests", commands};

/* What the last run printed. */
static char out_text[8192];
static char err_text[8192];

static void read_back(char *text, size_t n, FILE *f, int saved, int fd)
{
    fflush(fd == STDOUT_FILENO ? stdout : stderr);
    dup2(saved, fd);
    close(saved);
    rewind(f);
    text[fread(text, 1, n - 1, f)] = '\0';
    fclose(f);
}

/* Runs `demo WORDS...`, as a part of the command or as a program of its own, with both outputs
 * caught; returns the exit code. */
static int run_as(bool standalone, const char *const *words)
{
    char *argv[16];
    int argc = 0;
    argv[argc++] = strdup("path/to/demo");
    for (; words[argc - 1]; argc++)
        argv[argc] = strdup(words[argc - 1]);
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    assert_non_null(out);
    assert_non_null(err);
    fflush(stdout);
    fflush(stderr);
    int saved_out = dup(STDOUT_FILENO);
    int saved_err = dup(STDERR_FILENO);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(err), STDERR_FILENO);
    int code = standalone ? eai_project_main(&project, argc, argv)
                          : eai_project_run(&project, "demo", ':', argc - 1, argv + 1);
    read_back(out_text, sizeof(out_text), out, saved_out, STDOUT_FILENO);
    read_back(err_text, sizeof(err_text), err, saved_err, STDERR_FILENO);
    while (argc > 0)
        free(argv[--argc]);
    return code;
}
static int run(const char *const *words)
{
    return run_as(false, words);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static void test_success(void **state)
{
    (void)state;
    assert_int_equal(RUN("show"), 0);
    assert_string_equal(out_text, "demo:show: rank 8 name -\n");
    assert_string_equal(err_text, "");
    assert_int_equal(RUN("show", "--rank", "16", "--name=x"), 0);
    assert_string_equal(out_text, "demo:show: rank 16 name x\n");
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        const char *words[4];
        int code;
        const char *line;
    } cases[] = {
        {{"fail"}, 1, "error: rows.jsonl: line 3: no object\n"},
        {{"stop"}, 130, "stopped: after step 7; saved in out/checkpoint\n"},
        {{"silent"}, 1, "error: EAI_ERR_INTERNAL\n"},
        {{"fail", "extra"}, 2, "error: unexpected 'extra' after 'demo:fail'\n"},
        {{"shw"}, 2, "error: demo: unknown command 'shw'; did you mean 'show'?\n"},
        {{"quite-else"},
         2,
         "error: demo: unknown command 'quite-else'; 'demo --help' lists them\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(run(cases[i].words), cases[i].code);
        assert_string_equal(err_text, cases[i].line);
        assert_string_equal(out_text, "");
    }
}

static void test_wrong_options(void **state)
{
    (void)state;
    assert_int_equal(RUN("show", "--rank", "0"), 2);
    assert_non_null(strstr(err_text, "--rank"));
    assert_non_null(strstr(err_text, "256"));
    assert_int_equal(RUN("show", "--rnk", "1"), 2);
    assert_non_null(strstr(err_text, "did you mean --rank"));
    assert_ptr_equal(strchr(err_text, '\n'), err_text + strlen(err_text) - 1); /* one line */
}

static void test_operands(void **state)
{
    (void)state;
    assert_int_equal(RUN("operands", "a", "b"), 0);
    assert_string_equal(out_text, "2 operands\n");
}

static void test_help(void **state)
{
    (void)state;
    assert_int_equal(RUN("show", "--rank", "x", "--help"), 0); /* help before errors */
    assert_non_null(strstr(out_text, "usage: demo:show [options]\n\nprint the options\n"));
    assert_non_null(strstr(out_text, "--rank N"));
    assert_non_null(strstr(out_text, "A paragraph about it."));
    assert_int_equal(RUN("--help"), 0);
    assert_non_null(strstr(out_text, "usage: demo:COMMAND [options]"));
    assert_non_null(strstr(out_text, "  show      print the options\n"));
    assert_int_equal(RUN("--version"), 0);
    assert_string_equal(out_text, "demo 1.2\n");
    const char *const nothing[] = {NULL};
    assert_int_equal(run(nothing), 2);
    assert_non_null(strstr(err_text, "usage: demo:COMMAND"));
}

static void test_print_config(void **state)
{
    (void)state;
    assert_int_equal(RUN("show", "--rank", "32", "--print-config"), 0);
    assert_non_null(strstr(out_text, "\"rank\": 32"));
    assert_null(strstr(out_text, "demo:show")); /* it did not run */
}

static void test_standalone(void **state)
{
    (void)state;
    const char *const stop[] = {"stop", NULL};
    const char *const show[] = {"show", "--name", "y", NULL};
    const char *const wrong[] = {"shw", NULL};
    assert_int_equal(run_as(true, stop), 130);
    assert_int_equal(run_as(true, show), 0);
    assert_string_equal(out_text, "demo show: rank 8 name y\n");
    assert_int_equal(run_as(true, wrong), 2);
    assert_string_equal(err_text, "error: demo: unknown command 'shw'; did you mean 'show'?\n");
}

int main(void)
{
    unsetenv("EFFICIENTAI_RANK");
    unsetenv("EFFICIENTAI_NAME");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),       cmocka_unit_test(test_failures),
        cmocka_unit_test(test_wrong_options), cmocka_unit_test(test_operands),
        cmocka_unit_test(test_help),          cmocka_unit_test(test_print_config),
        cmocka_unit_test(test_standalone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
