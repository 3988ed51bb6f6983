/* The log: nothing until somebody takes it, levels, one clean line a record, JSON that parses,
 * lines of several threads whole, a redrawn line below. */
#include "support/eai_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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

static int evaluated;

static int silence(void **state)
{
    (void)state;
    eai_log_set_sink(NULL, NULL);
    eai_log_set_level(EAI_LOG_WARN);
    evaluated = 0;
    return 0;
}

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
    assert_int_equal(strlen(json_string_value(json_object_get(root, "time"))), 24);
    assert_string_equal(json_string_value(json_object_get(root, "run")), eai_log_run_id());
    assert_int_equal(json_integer_value(json_object_get(root, "pid")), getpid());
    assert_int_equal(json_object_size(root), 7);
    assert_int_equal(text[n_text - 1], '\n');
    json_decref(root);
    close_stream(out);
    free(text);
}

/* ---- Fields ---------------------------------------------------------------------------------- */

static json_t *load_line(const char *line)
{
    json_error_t error;
    json_t *root = json_loads(line, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s: %s", error.text, line);
    return root;
}

static void test_fields_in_text(void **state)
{
    (void)state;

    FILE *out = open_stream(EAI_LOG_TEXT);
    EAI_LOG_FIELDS(WARN, "train",
                   EAI_FIELDS(eai_log_integer("step", -3), eai_log_real("loss", 0.1),
                              eai_log_text("file", "a b"), eai_log_text("plain", "x/y"),
                              eai_log_boolean("done", true), eai_log_text("none", NULL),
                              eai_log_text("empty", ""), eai_log_text("quote", "a\"b")),
                   "step %d", 3);
    assert_non_null(strstr(text, "warn  train: step 3 step=-3 loss=0.1 file=\"a b\" plain=x/y "
                                 "done=true none=null empty=\"\" quote=\"a\\\"b\"\n"));
    EAI_LOG_FIELDS(INFO, "train", EAI_FIELDS(eai_log_integer("n", count_evaluation())), "off");
    assert_int_equal(evaluated, 0);
    close_stream(out);
    free(text);
}

static void test_fields_in_json(void **state)
{
    (void)state;

    eai_log_set_level(EAI_LOG_DEBUG);
    FILE *out = open_stream(EAI_LOG_JSON);
    EAI_LOG_FIELDS(WARN, "train",
                   EAI_FIELDS(eai_log_integer("big", INT64_MIN), eai_log_real("loss", 1.0 / 3),
                              eai_log_real("nan", (double)NAN), eai_log_text("message", "mine"),
                              eai_log_text("a\"\n", "b\nc\xff"), eai_log_boolean("ok", false),
                              eai_log_integer("ok", 7)),
                   "m");
    json_t *root = load_line(text);
    assert_int_equal(json_integer_value(json_object_get(root, "big")), INT64_MIN);
    assert_true(json_real_value(json_object_get(root, "loss")) == 1.0 / 3);
    assert_true(json_is_null(json_object_get(root, "nan")));
    assert_string_equal(json_string_value(json_object_get(root, "message")), "m");
    assert_string_equal(json_string_value(json_object_get(root, "message_")), "mine");
    assert_string_equal(json_string_value(json_object_get(root, "a__")), "b?c\xef\xbf\xbd");
    assert_true(json_is_false(json_object_get(root, "ok")));
    assert_non_null(strstr(json_string_value(json_object_get(root, "source")), "base/test_log.c:"));
    json_decref(root);
    close_stream(out);
    free(text);
}

/* However much there is, the line is whole and within its bound. */
static void test_a_long_line_is_whole(void **state)
{
    eai_log_field fields[EAI_LOG_FIELDS_MAX + 8];
    char keys[EAI_LOG_FIELDS_MAX + 8][16];
    char long_text[4096];
    (void)state;

    memset(long_text, '\xff', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    for (int i = 0; i < EAI_LOG_FIELDS_MAX + 8; i++) {
        snprintf(keys[i], sizeof(keys[i]), "key%d", i);
        fields[i] = eai_log_text(keys[i], long_text);
    }
    fields[EAI_LOG_FIELDS_MAX - 1] = eai_log_integer("last", 1);
    for (int format = EAI_LOG_TEXT; format <= EAI_LOG_JSON; format++) {
        FILE *out = open_stream((eai_log_format)format);
        eai_log_write(EAI_LOG_WARN, "m", "s:1", fields, EAI_LOG_FIELDS_MAX + 8, "%s", long_text);
        assert_in_range(n_text, 8000, 16384);
        assert_int_equal(text[n_text - 1], '\n');
        assert_non_null(strstr(text, format == EAI_LOG_JSON ? ",\"last\":1}" : " last=1\n"));
        assert_null(strstr(text, "key33"));
        if (format == EAI_LOG_JSON)
            json_decref(load_line(text));
        close_stream(out);
        free(text);
    }
}

static void test_secrets_are_masked(void **state)
{
    seen s = {0};
    char long_text[EAI_LOG_MESSAGE_MAX + 700];
    (void)state;

    eai_log_mask("correct horse battery");
    eai_log_mask("short"); /* of five letters: would hide words */
    eai_log_set_sink(remember, &s);
    EAI_LOG(WARN, "test", "say correct horse battery, short");
    assert_string_equal(s.message, "say ***, short");
    EAI_LOG(WARN, "test", "GET https://me:pa55@host/x?token=abcdefgh1234");
    assert_string_equal(s.message, "GET https://me:***@host/x?token=***");
    /* at every place around those where a message is cut, behind much that is masked or nothing */
    for (size_t at = EAI_LOG_MESSAGE_MAX - 30; at < sizeof(long_text) - 22; at++) {
        memset(long_text, '.', sizeof(long_text));
        long_text[sizeof(long_text) - 1] = '\0';
        for (size_t i = 0; at % 2 && i + 30 < EAI_LOG_MESSAGE_MAX / 2; i += 30)
            memcpy(long_text + i, "hf_abcdefghijklmnopqrstuvwxyz ", 30);
        memcpy(long_text + at, "correct horse battery", 21);
        EAI_LOG(WARN, "test", "%s", long_text);
        assert_null(strstr(s.message, "co"));
        if (at < EAI_LOG_MESSAGE_MAX - 8)
            assert_non_null(strstr(s.message, ".***"));
    }
    char *text_out = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text_out, &n);
    eai_log_to_stream(out, EAI_LOG_JSON);
    EAI_LOG_FIELDS(WARN, "test",
                   EAI_FIELDS(eai_log_text("password", "x"), eai_log_text("HF-Token", "abc"),
                              eai_log_text("note", "hf_abcdefghijklmnopqrst"),
                              eai_log_text("piece", "token"), eai_log_integer("token", 464)),
                   "m");
    assert_non_null(strstr(text_out, "\"password\":\"***\",\"HF-Token\":\"***\",\"note\":\"***\","
                                     "\"piece\":\"token\",\"token\":464}"));
    close_stream(out);
    free(text_out);
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

/* A UUID of version 7: milliseconds since 1970 first. */
static void test_run(void **state)
{
    const char *id = eai_log_run_id();
    unsigned long long milliseconds;
    (void)state;
    assert_int_equal(strspn(id, "0123456789abcdef"), 32);
    assert_int_equal(strlen(id), 32);
    assert_int_equal(id[12], '7');
    assert_non_null(strchr("89ab", id[16]));
    assert_int_equal(sscanf(id, "%12llx", &milliseconds), 1);
    assert_true(llabs((long long)time(NULL) - (long long)(milliseconds / 1000)) < 3600);
    assert_ptr_equal(eai_log_run_id(), id);
}

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
    unsetenv("EFFICIENTAI_RUN_ID");
    unsetenv("EFFICIENTAI_LOG_FILE");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_takes_anything_at_first, NULL, silence),
        cmocka_unit_test_setup_teardown(test_levels, silence, silence),
        cmocka_unit_test_setup_teardown(test_names_of_levels, silence, silence),
        cmocka_unit_test_setup_teardown(test_a_record_is_one_clean_line, silence, silence),
        cmocka_unit_test_setup_teardown(test_text_lines, silence, silence),
        cmocka_unit_test_setup_teardown(test_json_lines, silence, silence),
        cmocka_unit_test_setup_teardown(test_fields_in_text, silence, silence),
        cmocka_unit_test_setup_teardown(test_fields_in_json, silence, silence),
        cmocka_unit_test_setup_teardown(test_a_long_line_is_whole, silence, silence),
        cmocka_unit_test_setup_teardown(test_secrets_are_masked, silence, silence),
        cmocka_unit_test_setup_teardown(test_a_redrawn_line_stays_below, silence, silence),
        cmocka_unit_test_setup_teardown(test_lines_of_threads_are_whole, silence, silence),
        cmocka_unit_test_setup_teardown(test_run, silence, silence),
        cmocka_unit_test_setup_teardown(test_environment, silence, silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
