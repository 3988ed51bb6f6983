/* The log: nothing until somebody takes it, levels, one clean line a record, JSON that parses,
 * lines of several threads whole, a redrawn line below. */
#include "support/eai_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <jansson.h>

#include <efficientai/log.h>

#include "base/log.h"

/* What a sink has seen. */
typedef struct seen {
    int n;
    eai_log_level level;
    double seconds;
    char module[32];
    char message[EAI_LOG_MESSAGE_MAX];
} seen;

static void remember(void *ud, const eai_log_record *r)
{
    seen *s = ud;
    s->n++;
    s->level = r->level;
    s->seconds = r->seconds;
    snprintf(s->module, sizeof(s->module), "%s", r->module);
    snprintf(s->message, sizeof(s->message), "%s", r->message);
    EAI_LOG(ERROR, "test", "a sink that logs must not wait for itself");
}

static int silence(void **state)
{
    (void)state;
    eai_log_set_sink(NULL, NULL);
    eai_log_set_level(EAI_LOG_WARN);
    return 0;
}

static int evaluated;

static int count_evaluation(void)
{
    return ++evaluated;
}

static void test_nobody_takes_anything_at_first(void **state)
{
    (void)state;
    assert_int_equal(eai_log_get_level(), EAI_LOG_WARN);
    eai_log_set_level(EAI_LOG_TRACE);
    assert_false(eai_log_takes(EAI_LOG_ERROR));
    EAI_LOG(ERROR, "test", "%d", count_evaluation());
    assert_int_equal(evaluated, 0);
}

static void test_levels(void **state)
{
    seen s = {0};
    (void)state;

    eai_log_set_sink(remember, &s);
    EAI_LOG(INFO, "test", "%d", count_evaluation());
    assert_int_equal(s.n, 0);
    assert_int_equal(evaluated, 0);
    EAI_LOG(WARN, "test", "number %d", 7);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.level, EAI_LOG_WARN);
    assert_string_equal(s.module, "test");
    assert_string_equal(s.message, "number 7");
    assert_true(s.seconds >= 0 && s.seconds < 600);
    eai_log_set_level(EAI_LOG_DEBUG);
    assert_int_equal(eai_log_get_level(), EAI_LOG_DEBUG);
    EAI_LOG(DEBUG, "test", "d");
    EAI_LOG(TRACE, "test", "t");
    assert_int_equal(s.n, 2);
    eai_log_set_sink(NULL, NULL);
    EAI_LOG(ERROR, "test", "e");
    assert_int_equal(s.n, 2);
}

static void test_names_of_levels(void **state)
{
    static const char *const names[] = {"error", "warn", "info", "debug", "trace"};
    eai_error err = EAI_ERROR_INIT;
    eai_log_level level;
    (void)state;

    for (int i = 0; i < 5; i++) {
        assert_ok(eai_log_parse_level(&level, names[i], "--log-level", &err), &err);
        assert_int_equal(level, i);
        assert_string_equal(eai_log_level_name(level), names[i]);
    }
    assert_fails(eai_log_parse_level(&level, "loud", "--log-level", &err), EAI_ERR_USAGE, &err,
                 "--log-level: 'loud' is not one of error, warn, info, debug, trace");
    assert_fails(eai_log_parse_level(&level, "", "x", &err), EAI_ERR_USAGE, &err, "x: ''");
    assert_fails(eai_log_parse_level(&level, "INFO", "x", &err), EAI_ERR_USAGE, &err, "'INFO'");
}

static void test_a_record_is_one_clean_line(void **state)
{
    char text[3 * EAI_LOG_MESSAGE_MAX];
    seen s = {0};
    (void)state;

    eai_log_set_sink(remember, &s);
    errno = ENOENT;
    EAI_LOG(WARN, "test", "a\nb\033[2Jc\x7f");
    assert_int_equal(errno, ENOENT);
    assert_string_equal(s.message, "a?b?[2Jc?");
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    EAI_LOG(WARN, "test", "%s", text);
    assert_int_equal(strlen(s.message), EAI_LOG_MESSAGE_MAX - 1);
    assert_string_equal(s.message + EAI_LOG_MESSAGE_MAX - 5, "x...");
}

/* ---- Streams --------------------------------------------------------------------------------- */

static char *text;
static size_t n_text;

static FILE *open_stream(eai_log_format format)
{
    FILE *out = open_memstream(&text, &n_text);
    assert_non_null(out);
    eai_log_to_stream(out, format);
    return out;
}

static void close_stream(FILE *out)
{
    eai_log_set_sink(NULL, NULL);
    assert_int_equal(fclose(out), 0);
}

static void test_text_lines(void **state)
{
    double seconds = -1;
    int used = 0;
    (void)state;

    FILE *out = open_stream(EAI_LOG_TEXT);
    EAI_LOG(WARN, "weights", "opened '%s'", "x.gguf");
    assert_int_equal(sscanf(text, "%lf %n", &seconds, &used), 1); /* is there without a flush */
    assert_true(seconds >= 0 && seconds < 600);
    assert_string_equal(text + used, "warn  weights: opened 'x.gguf'\n");
    close_stream(out);
    free(text);
}

static void test_json_lines(void **state)
{
    json_error_t error;
    (void)state;

    FILE *out = open_stream(EAI_LOG_JSON);
    EAI_LOG(ERROR, "files", "'%s' \\ \xff", "n\xc3\xa4he \"q\"");
    json_t *root = json_loads(text, JSON_DISABLE_EOF_CHECK, &error);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(root, "module")), "files");
    assert_string_equal(json_string_value(json_object_get(root, "message")),
                        "'n\xc3\xa4he \"q\"' \\ \xef\xbf\xbd");
    assert_true(json_is_real(json_object_get(root, "seconds")));
    assert_int_equal(strlen(json_string_value(json_object_get(root, "time"))), 20);
    assert_int_equal(json_object_size(root), 5);
    assert_int_equal(text[n_text - 1], '\n');
    json_decref(root);
    close_stream(out);
    free(text);
}

static void write_live(void *ud)
{
    fputs("[###---]", ud);
}

static void test_a_redrawn_line_stays_below(void **state)
{
    (void)state;

    FILE *out = open_stream(EAI_LOG_TEXT);
    log__lock();
    log__set_live(out, write_live, out);
    log__unlock();
    EAI_LOG(WARN, "test", "one");
    assert_memory_equal(text, LOG_ERASE_LINE, strlen(LOG_ERASE_LINE));
    assert_non_null(strstr(text, "warn  test: one\n[###---]"));
    log__lock();
    log__clear_live(&evaluated); /* of somebody else: stays */
    log__unlock();
    EAI_LOG(WARN, "test", "two");
    assert_non_null(strstr(text, "[###---]" LOG_ERASE_LINE));
    log__lock();
    log__clear_live(out);
    log__unlock();
    EAI_LOG(WARN, "test", "three");
    assert_string_equal(text + n_text - strlen("test: three\n"), "test: three\n");
    close_stream(out);
    free(text);
}

/* ---- Threads --------------------------------------------------------------------------------- */

enum { N_THREADS = 4, N_LINES = 200 };

static void *write_lines(void *arg)
{
    const int *thread = arg;
    for (int i = 0; i < N_LINES; i++) {
        EAI_LOG(INFO, "thread", "%d: line %d", *thread, i);
        if (i % 50 == 0)
            eai_log_set_level(EAI_LOG_INFO); /* at any time, says the header */
    }
    return NULL;
}

static void test_lines_of_threads_are_whole(void **state)
{
    pthread_t threads[N_THREADS];
    int names[N_THREADS];
    int next[N_THREADS] = {0};
    int n_lines = 0;
    (void)state;

    FILE *out = open_stream(EAI_LOG_TEXT);
    eai_log_set_level(EAI_LOG_INFO);
    for (int i = 0; i < N_THREADS; i++) {
        names[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &names[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    close_stream(out);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        double seconds;
        int thread = -1;
        int number = -1;
        assert_int_equal(sscanf(line, "%lf info thread: %d: line %d", &seconds, &thread, &number),
                         3);
        assert_in_range(thread, 0, N_THREADS - 1);
        assert_int_equal(number, next[thread]++);
        n_lines++;
    }
    assert_int_equal(n_lines, N_THREADS * N_LINES);
    free(text);
}

/* ---- The environment ------------------------------------------------------------------------- */

static void test_environment(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    setenv("EFFICIENTAI_LOG", "debug", 1);
    setenv("EFFICIENTAI_LOG_FORMAT", "", 1);
    assert_ok(eai_log_start(&err), &err);
    assert_int_equal(eai_log_get_level(), EAI_LOG_DEBUG);
    assert_true(eai_log_takes(EAI_LOG_DEBUG));
    setenv("EFFICIENTAI_LOG", "loud", 1);
    assert_fails(eai_log_start(&err), EAI_ERR_USAGE, &err, "environment EFFICIENTAI_LOG: 'loud'");
    assert_int_equal(eai_log_get_level(), EAI_LOG_DEBUG);
    unsetenv("EFFICIENTAI_LOG");
    setenv("EFFICIENTAI_LOG_FORMAT", "xml", 1);
    assert_fails(eai_log_start(&err), EAI_ERR_USAGE, &err, "'xml' is not one of text, json");
    unsetenv("EFFICIENTAI_LOG_FORMAT");
    assert_ok(eai_log_start(&err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_takes_anything_at_first, NULL, silence),
        cmocka_unit_test_setup_teardown(test_levels, silence, silence),
        cmocka_unit_test_setup_teardown(test_names_of_levels, silence, silence),
        cmocka_unit_test_setup_teardown(test_a_record_is_one_clean_line, silence, silence),
        cmocka_unit_test_setup_teardown(test_text_lines, silence, silence),
        cmocka_unit_test_setup_teardown(test_json_lines, silence, silence),
        cmocka_unit_test_setup_teardown(test_a_redrawn_line_stays_below, silence, silence),
        cmocka_unit_test_setup_teardown(test_lines_of_threads_are_whole, silence, silence),
        cmocka_unit_test_setup_teardown(test_environment, silence, silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
