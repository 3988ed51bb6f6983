/* Log files read back: in order over plain and compressed ones, while they are written and put
 * aside, and whatever else lies there; times, queries and old files. */
#include "support/eai_test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/log_search.h>

#include "base/io.h"
#include "base/log_internal.h"

static char *folder;
static char path[256];

static int make_folder(void **state)
{
    (void)state;
    folder = eai_test_make_folder();
    snprintf(path, sizeof(path), "%s/x.jsonl", folder);
    return folder ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    eai_test_remove_folder(folder);
    return 0;
}

#define LINE(time, level, module, message, rest)                                                   \
    "{\"time\":\"" time "\",\"level\":\"" level "\",\"module\":\"" module                          \
    "\",\"message\":\"" message "\"" rest "}\n"
#define PLAIN(message) LINE("2026-11-22T10:00:00.000Z", "info", "m", message, "")

static void put(const char *name, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_fs_write_atomic(eai_test_path(folder, name), text, strlen(text), &err), &err);
}

static void add(const char *text)
{
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void put_gz(const char *name, const char *text)
{
    gzFile f = gzopen(eai_test_path(folder, name), "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, text, (unsigned)strlen(text)), strlen(text));
    assert_int_equal(gzclose(f), Z_OK);
}

static eai_log_reader *open_log(void)
{
    eai_error err = EAI_ERROR_INIT;
    eai_log_reader *r = NULL;
    assert_ok(eai_log_reader_open(&r, path, &err), &err);
    return r;
}

/* The messages up to the end, "a b c". */
static const char *read_messages(eai_log_reader *r)
{
    static char all[1024];
    eai_error err = EAI_ERROR_INIT;
    const eai_log_line *line;
    all[0] = '\0';
    for (;;) {
        assert_ok(eai_log_reader_next(&line, r, &err), &err);
        if (!line)
            return all;
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", *all ? " " : "",
                 line->message);
    }
}

static void assert_totals(const eai_log_reader *r, uint64_t files, uint64_t lines, uint64_t broken)
{
    eai_log_totals t = eai_log_reader_totals(r);
    assert_int_equal(t.n_files, files);
    assert_int_equal(t.n_lines, lines);
    assert_int_equal(t.n_broken, broken);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void files_come_in_order(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_log_reader *r = NULL;
    (void)state;

    assert_fails(eai_log_reader_open(&r, path, &err), EAI_ERR_NOT_FOUND, &err, "x.jsonl");
    assert_null(r);
    put_gz("x.jsonl.000001.gz", PLAIN("a") PLAIN("b"));
    put("x.jsonl.000002", PLAIN("c"));
    put_gz("x.jsonl.000002.gz", PLAIN("not read: the plain one is"));
    put("x.jsonl.000010", PLAIN("d"));
    put("x.jsonl", PLAIN("e"));
    r = open_log();
    assert_string_equal(read_messages(r), "a b c d e");
    assert_totals(r, 4, 5, 0);
    eai_log_reader_close(r);
    assert_int_equal(unlink(path), 0);
    r = open_log();
    assert_string_equal(read_messages(r), "a b c d");
    eai_log_reader_close(r);
    assert_fails(eai_log_reader_open(&r, folder, &err), EAI_ERR_IO, &err, "no regular file");
}

static void members_of_a_line(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    const eai_log_line *line;
    char *body = eai_alloc(EAI_LOG_READ_MAX);
    (void)state;

    put("x.jsonl", LINE("2026-11-22T23:37:58.250Z", "warn", "weights", "a\\u001b[2J\\u009bb",
                        ",\"run\":\"01ab\",\"n\":-5,\"x\":0.5,\"t\":true,\"s\":\"q r\",\"z\":null,"
                        "\"list\":[1],\"seconds\":1.5,\"pid\":7,\"bad\\u0007\":1"));
    eai_log_reader *r = open_log();
    assert_ok(eai_log_reader_next(&line, r, &err), &err);
    assert_non_null(line);
    assert_true(line->seconds == 1795390678.25);
    assert_int_equal(line->level, EAI_LOG_WARN);
    assert_string_equal(line->module, "weights");
    assert_string_equal(line->message, "a?[2J??b");
    assert_string_equal(line->run, "01ab");
    assert_int_equal(line->n_fields, 5);
    size_t n = eai_log_line_body(body, line);
    assert_int_equal(n, strlen(body));
    assert_string_equal(body, "weights: a?[2J??b n=-5 x=0.5 t=true s=\"q r\" z=null");
    eai_log_reader_close(r);
    eai_free(body);
}

static const char *const broken_lines[] = {
    "no JSON",
    "{}",
    "[1]",
    "{\"time\":\"2026-11-22T10:00:00Z\",\"level\":\"info\",\"module\":\"m\"}",
    "{\"time\":5,\"level\":\"info\",\"module\":\"m\",\"message\":\"x\"}",
    "{\"time\":\"yesterday\",\"level\":\"info\",\"module\":\"m\",\"message\":\"x\"}",
    "{\"time\":\"2026-11-22T10:00:00Z\",\"level\":\"loud\",\"module\":\"m\",\"message\":\"x\"}",
    "{\"time\":\"2026-11-22T10:00:00Z\",\"level\":\"info\",\"module\":\"m\",\"message\":\"x\"",
    "{\"time\":\"2026-11-22T10:00:00Z\",\"level\":\"info\",\"module\":\"m\",\"message\":\"x\","
    "\"a\":1,\"a\":2}",
    "{\"time\":\"2026-11-22T10:00:00Z\",\"level\":\"info\",\"module\":\"m\",\"message\":\"x\","
    "\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
    "{\"time\":\"2026-11-22T10:00:00Z\",\"level\":\"info\",\"module\":\"m\",\"message\":\"\xff\"}",
};

static void broken_lines_are_counted(void **state)
{
    const size_t n = sizeof(broken_lines) / sizeof(broken_lines[0]);
    char *long_line = malloc(3 * EAI_LOG_READ_MAX);
    (void)state;

    put("x.jsonl", PLAIN("a"));
    for (size_t i = 0; i < n; i++) {
        add(broken_lines[i]);
        add("\n\n");
    }
    memset(long_line, 'x', 3 * EAI_LOG_READ_MAX);
    long_line[3 * EAI_LOG_READ_MAX - 1] = '\0';
    add(long_line);
    add("\n" PLAIN("b"));
    long_line[EAI_LOG_READ_MAX - 1] = '\n'; /* just fits, and is no JSON */
    long_line[EAI_LOG_READ_MAX] = '\0';
    add(long_line);
    add(PLAIN("c") "{\"half");
    eai_log_reader *r = open_log();
    assert_string_equal(read_messages(r), "a b c");
    assert_totals(r, 1, 3, n + 3);
    eai_log_reader_close(r);
    free(long_line);
}

static void broken_archives(void **state)
{
    char *text = NULL;
    size_t n = 0;
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    put("x.jsonl.000001.gz", "no gzip at all");
    put("x.jsonl.000002.gz", "");
    put_gz("x.jsonl.000003.gz", PLAIN("a") PLAIN("b"));
    assert_ok(eai_fs_read_file(&text, &n, eai_test_path(folder, "x.jsonl.000003.gz"), 10000, &err),
              &err);
    assert_ok(eai_fs_write_atomic(eai_test_path(folder, "x.jsonl.000004.gz"), text, n - 12, &err),
              &err);
    text[n / 2] ^= 0x55;
    assert_ok(eai_fs_write_atomic(eai_test_path(folder, "x.jsonl.000005.gz"), text, n, &err), &err);
    eai_free(text);
    put("x.jsonl", PLAIN("z"));
    eai_log_reader *r = open_log();
    const char *all = read_messages(r);
    assert_non_null(strstr(all, "a b"));
    assert_string_equal(all + strlen(all) - 2, " z");
    assert_in_range(eai_log_reader_totals(r).n_broken, 4, 6);
    eai_log_reader_close(r);
}

/* Megabytes of zeros are some thousand bytes: memory stays bounded, and it counts as one line. */
static void much_in_a_small_archive(void **state)
{
    const unsigned n = 8 << 20;
    char *zeros = calloc(n, 1);
    (void)state;

    gzFile f = gzopen(eai_test_path(folder, "x.jsonl.000001.gz"), "wb9");
    assert_int_equal(gzwrite(f, zeros, n), n);
    gzclose(f);
    free(zeros);
    put("x.jsonl", PLAIN("a"));
    eai_log_reader *r = open_log();
    assert_string_equal(read_messages(r), "a");
    assert_totals(r, 2, 1, 1);
    eai_log_reader_close(r);
}

static void rename_to(const char *name)
{
    assert_int_equal(rename(path, eai_test_path(folder, name)), 0);
}

static void lines_written_meanwhile(void **state)
{
    (void)state;

    put("x.jsonl.000001", PLAIN("a"));
    put("x.jsonl", PLAIN("b") "{\"time\":\"2026-11-22T10:00:00.000Z\",\"level\":\"info\",");
    eai_log_reader *r = open_log();
    assert_string_equal(read_messages(r), "a b");
    assert_string_equal(read_messages(r), "");
    add("\"module\":\"m\",\"message\":\"c\"}\n" PLAIN("d"));
    assert_string_equal(read_messages(r), "c d");
    add(PLAIN("e"));
    rename_to("x.jsonl.000002");
    put("x.jsonl", PLAIN("f"));
    rename_to("x.jsonl.000003");
    assert_string_equal(read_messages(r), "e f");
    assert_string_equal(read_messages(r), "");
    put("x.jsonl", PLAIN("g"));
    assert_string_equal(read_messages(r), "g");
    add(PLAIN("h"));
    assert_string_equal(read_messages(r), "h");
    assert_int_equal(eai_log_reader_totals(r).n_broken, 0);
    eai_log_reader_close(r);
}

static void a_file_put_aside_after_opening(void **state)
{
    (void)state;

    put("x.jsonl.000001", PLAIN("a"));
    put("x.jsonl.000002", PLAIN("b"));
    put("x.jsonl", PLAIN("c"));
    eai_log_reader *r = open_log();
    rename_to("x.jsonl.000003"); /* in use and listed both: read once */
    put("x.jsonl", PLAIN("d"));
    put_gz("x.jsonl.000002.gz", PLAIN("b"));
    assert_int_equal(unlink(eai_test_path(folder, "x.jsonl.000002")), 0);
    assert_int_equal(unlink(eai_test_path(folder, "x.jsonl.000001")), 0);
    assert_string_equal(read_messages(r), "b c d");
    eai_log_reader_close(r);
}

/* ---- Queries --------------------------------------------------------------------------------- */

static const char log_of_queries[] = LINE("2026-11-22T10:00:00.000Z", "info", "weights",
                                          "opened 'x.gguf'", ",\"run\":\"0aaa\",\"tensors\":272")
    LINE("2026-11-22T11:00:00.000Z", "warn", "train", "loss is not a number", ",\"run\":\"0aab\"")
        LINE("2026-11-23T00:00:00.000Z", "error", "train", "stopped",
             ",\"run\":\"0aab\",\"loss\":0.25,\"done\":true,\"why\":\"a b\",\"none\":null")
            LINE("2026-11-23T10:00:00.000Z", "debug", "http", "GET", "");

static const struct {
    eai_log_query query;
    const char *found; /* first letters of the messages */
} queries[] = {
    {{0}, "olsG"},
    {{.has_level = true, .level = EAI_LOG_WARN}, "ls"},
    {{.has_level = true, .level = EAI_LOG_ERROR}, "s"},
    {{.has_since = true, .since = 1795345200}, "lsG"}, /* 11:00 */
    {{.has_until = true, .until = 1795345200}, "ol"},
    {{.has_since = true, .since = 1795345201, .has_until = true, .until = 1795400000}, "s"},
    {{.run = "0aab"}, "ls"},
    {{.run = "0a"}, "ols"},
    {{.run = "x"}, ""},
    {{.module = "train"}, "ls"},
    {{.module = "trai"}, ""},
    {{.field = "tensors=272"}, "o"},
    {{.field = "tensors=27"}, ""},
    {{.field = "tensors=272x"}, ""},
    {{.field = "tensors="}, ""},
    {{.field = "loss"}, "s"},
    {{.field = "loss=0.250"}, "s"},
    {{.field = "los"}, ""},
    {{.field = "done=true"}, "s"},
    {{.field = "done=false"}, ""},
    {{.field = "why=a b"}, "s"},
    {{.field = "none=null"}, "s"},
    {{.pattern = "^train: .*number$"}, "l"},
    {{.pattern = "tensors=2\\d+"}, "o"},
    {{.pattern = "(?i)get|STOPPED"}, "sG"},
    {{.pattern = "stopped", .module = "http"}, ""},
};

static void queries_find(void **state)
{
    (void)state;
    put("x.jsonl", log_of_queries);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_log_matcher *m = NULL;
        char found[8] = "";
        const eai_log_line *line;
        assert_ok(eai_log_matcher_create(&m, &queries[i].query, &err), &err);
        eai_log_reader *r = open_log();
        while (eai_log_reader_next(&line, r, &err) == EAI_OK && line) {
            bool yes;
            assert_ok(eai_log_matches(&yes, m, line, &err), &err);
            if (yes)
                found[strlen(found)] = line->message[0];
        }
        if (strcmp(found, queries[i].found) != 0)
            fail_msg("query %zu found '%s', not '%s'", i, found, queries[i].found);
        eai_log_reader_close(r);
        eai_log_matcher_free(m);
    }
}

static void bad_patterns(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_log_matcher *m = NULL;
    char long_pattern[2000];
    const eai_log_line *line;
    bool yes;
    (void)state;

    assert_fails(eai_log_matcher_create(&m, &(eai_log_query){.pattern = "a(b"}, &err),
                 EAI_ERR_USAGE, &err,
                 "'a(b' is no regular expression: missing closing parenthesis");
    assert_null(m);
    memset(long_pattern, 'a', sizeof(long_pattern));
    long_pattern[sizeof(long_pattern) - 1] = '\0';
    assert_fails(eai_log_matcher_create(&m, &(eai_log_query){.pattern = long_pattern}, &err),
                 EAI_ERR_USAGE, &err, "1999 bytes, 1000 are allowed");
    put("x.jsonl", PLAIN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"));
    assert_ok(eai_log_matcher_create(&m, &(eai_log_query){.pattern = "(a+)+$"}, &err), &err);
    eai_log_reader *r = open_log();
    assert_ok(eai_log_reader_next(&line, r, &err), &err);
    assert_fails(eai_log_matches(&yes, m, line, &err), EAI_ERR_LIMIT, &err, "takes too long");
    eai_log_reader_close(r);
    eai_log_matcher_free(m);
}

static const struct {
    const char *text;
    double seconds; /* < 0: refused */
} times[] = {
    {"2026-11-22", 1795305600},
    {"2026-11-22T23:37", 1795390620},
    {"2026-11-22 23:37:58", 1795390678},
    {"2026-11-22T23:37:58.5Z", 1795390678.5},
    {"2026-11-22T23:37:58+02:00", 1795383478},
    {"2026-11-22T23:37:58-0130", 1795396078},
    {"2028-02-29", 1835395200},
    {"now", 1795390678},
    {"today", 1795305600},
    {"yesterday", 1795219200},
    {"90s", 1795390588},
    {"2m", 1795390558},
    {"2min ago", 1795390558},
    {"1.5h", 1795385278},
    {"2h ago", 1795383478},
    {"1d", 1795304278},
    {"1w ago", 1794785878},
    {"2026-02-29", -1},
    {"2026-13-01", -1},
    {"2026-00-10", -1},
    {"2026-11-22T24:00", -1},
    {"2026-11-22T", -1},
    {"2026-11-22T10:00:00.", -1},
    {"2026-11-22T10:00:00ZZ", -1},
    {"2026-11-22T10:00:00+99:00", -1},
    {"1969-12-31", -1},
    {"26-11-22", -1},
    {"", -1},
    {"-5h", -1},
    {"5", -1},
    {"5x", -1},
    {"5h later", -1},
    {"9999999w", -1},
    {"infs", -1},
    {"tomorrow", -1},
};

static void times_as_users_write_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        double seconds = 0;
        eai_status st = eai_log_parse_time(&seconds, times[i].text, 1795390678, "--since", &err);
        if (times[i].seconds < 0)
            assert_fails(st, EAI_ERR_USAGE, &err, "--since: '");
        else if (st != EAI_OK || seconds != times[i].seconds)
            fail_msg("'%s': %.3f, not %.3f (%s)", times[i].text, seconds, times[i].seconds,
                     err.message);
    }
    double age;
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_log_parse_duration(&age, "30d", "--older-than", &err), &err);
    assert_true(age == 30 * 86400.0);
    assert_fails(eai_log_parse_duration(&age, "30d ago", "--older-than", &err), EAI_ERR_USAGE, &err,
                 "'30d ago' is not a length of time");
}

/* ---- Old files, and failures ----------------------------------------------------------------- */

static int n_told;

static void count_told(void *ud, const char *file, uint64_t bytes)
{
    (void)ud;
    assert_non_null(strstr(file, "x.jsonl.0000"));
    assert_true(bytes > 0);
    n_told++;
}

static void old_files_are_removed(void **state)
{
    const struct timespec times_of_old[2] = {{1000000, 0}, {1000000, 0}};
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    n_told = 0;
    put("x.jsonl.000001", PLAIN("a"));
    put_gz("x.jsonl.000002.gz", PLAIN("b"));
    put("x.jsonl.000003", PLAIN("c"));
    put("x.jsonl", PLAIN("d"));
    static const char *const old[] = {"x.jsonl.000001", "x.jsonl.000002.gz", "x.jsonl"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(utimensat(AT_FDCWD, eai_test_path(folder, old[i]), times_of_old, 0), 0);
    assert_ok(eai_log_clean(path, 2000000, true, count_told, NULL, &err), &err);
    assert_int_equal(n_told, 2);
    assert_true(eai_fs_exists(eai_test_path(folder, "x.jsonl.000001")));
    assert_ok(eai_log_clean(path, 2000000, false, count_told, NULL, &err), &err);
    assert_int_equal(n_told, 4);
    eai_log_reader *r = open_log();
    assert_string_equal(read_messages(r), "c d");
    eai_log_reader_close(r);
}

static eai_status read_everything(void *ud, eai_error *err)
{
    eai_log_reader *r = NULL;
    eai_log_matcher *m = NULL;
    const eai_log_line *line = NULL;
    const eai_log_query query = {.pattern = "[ab]"};
    (void)ud;
    eai_status st = eai_log_matcher_create(&m, &query, err);
    if (st == EAI_OK)
        st = eai_log_reader_open(&r, path, err);
    do {
        bool yes;
        if (st == EAI_OK)
            st = eai_log_reader_next(&line, r, err);
        if (st == EAI_OK && line)
            st = eai_log_matches(&yes, m, line, err);
    } while (st == EAI_OK && line);
    eai_log_reader_close(r);
    eai_log_matcher_free(m);
    return st;
}

static void failures_while_reading(void **state)
{
    (void)state;
    put_gz("x.jsonl.000001.gz", PLAIN("a"));
    put("x.jsonl.000002", PLAIN("b"));
    put("x.jsonl", PLAIN("c"));
    eai_test_torture(read_everything, NULL);
    eai_test_io_torture(read_everything, NULL, NULL, folder);
}

int main(void)
{
#define FOLDER_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(files_come_in_order),
        FOLDER_TEST(members_of_a_line),
        FOLDER_TEST(broken_lines_are_counted),
        FOLDER_TEST(broken_archives),
        FOLDER_TEST(much_in_a_small_archive),
        FOLDER_TEST(lines_written_meanwhile),
        FOLDER_TEST(a_file_put_aside_after_opening),
        FOLDER_TEST(queries_find),
        FOLDER_TEST(bad_patterns),
        cmocka_unit_test(times_as_users_write_them),
        FOLDER_TEST(old_files_are_removed),
        FOLDER_TEST(failures_while_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
