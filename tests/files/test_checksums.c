/* Lists of checksums: what sha256sum says of ours, what we say of wrong ones. */
#include "support/eai_test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/checksums.h>
#include <efficientai/fs.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

EAI_TEST_FOLDER

static void put(const char *name, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_fs_write_atomic(eai_test_path(folder, name), text, strlen(text), &err), &err);
}

static const char *list(void)
{
    return eai_test_path(folder, EAI_CHECKSUMS_NAME);
}

/* What was told, as "LINE NAME: TEXT;". */
static void note(void *ud, const eai_checksums_finding *f)
{
    char *notes = ud;
    size_t n = strlen(notes);
    snprintf(notes + n, 1000 - n, "%zu %s: %s;", f->line, f->name, f->text);
}

static void put_some(void)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_fs_mkdir_p(eai_test_path(folder, "a/b"), &err), &err);
    put("a/b/c", "abc");
    put("z", "");
    put(".hidden", "abc");
    put("two\nlines\\and \r", "abc");
    assert_int_equal(symlink("/etc/passwd", eai_test_path(folder, "link")), 0);
}

static void what_is_written_is_what_sha256sum_writes(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_checksums_report report;
    char *text = NULL;
    char command[600];
    (void)state;

    put_some();
    for (int round = 0; round < 2; round++) { /* the list has no line of itself */
        assert_ok(eai_checksums_write(folder, &err), &err);
        assert_ok(eai_fs_read_file(&text, NULL, list(), 4096, &err), &err);
        assert_string_equal(text, ABC "  .hidden\n" ABC "  a/b/c\n"
                                      "\\" ABC "  two\\nlines\\\\and \\r\n" EMPTY "  z\n");
        eai_free(text);
    }
    assert_ok(eai_checksums_check(&report, list(), NULL, NULL, &err), &err);
    assert_int_equal(report.n_good, 4);
    if (system("command -v sha256sum >/dev/null 2>&1") == 0) {
        snprintf(
            command, sizeof(command),
            "cd '%s' && rm two* && grep -v two SHA256SUMS >s && sha256sum --strict --quiet -c s",
            folder);
        assert_int_equal(system(command), 0);
    }
}

static void what_sha256sum_writes_is_read(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_checksums_report report;
    char command[600];
    (void)state;

    if (system("command -v sha256sum >/dev/null 2>&1") != 0)
        skip();
    put_some();
    snprintf(command, sizeof(command),
             "cd '%s' && sha256sum -b .hidden a/b/c two* >SHA256SUMS && sha256sum z >>SHA256SUMS",
             folder);
    assert_int_equal(system(command), 0);
    assert_ok(eai_checksums_check(&report, list(), NULL, NULL, &err), &err);
    assert_int_equal(report.n_good, 4);
}

static void everything_wrong_is_told(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_checksums_report r;
    char notes[1000] = "";
    (void)state;

    put("good", "abc");
    put("bad", "abd");
    put("upper", "abc");
    assert_int_equal(mkdir(eai_test_path(folder, "folder"), 0777), 0);
    put(EAI_CHECKSUMS_NAME,
        "# a remark\n" ABC "  good\n" ABC "  bad\n" ABC "  none\n" ABC "  folder\n\nrubbish\r\n" ABC
        " good\n" ABC "\n" ABC "x  good\n"
        "\\" ABC "  a\\tb\n" ABC "  /etc/passwd\n" ABC "  a/../../b\n" ABC "  ..\n"
        "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD *upper");
    assert_fails(eai_checksums_check(&r, list(), note, notes, &err), EAI_ERR_FORMAT, &err,
                 "SHA256SUMS: 11 of 13 files are not as listed: 1 differing, 1 missing, "
                 "1 unreadable, 8 on bad lines");
    assert_int_equal(r.n_good, 2);
    assert_int_equal(r.n_differ, 1);
    assert_int_equal(r.n_missing, 1);
    assert_int_equal(r.n_unreadable, 1);
    assert_int_equal(r.n_bad_lines, 8);
    static const char *const told[] = {"3 bad: differs;",
                                       "4 none: is missing;",
                                       "5 folder: cannot read '",
                                       "SUMS: line 7 is no checksum;",
                                       "line 8 is no",
                                       "line 9 is no",
                                       "line 10 is no",
                                       "line 11 is no",
                                       "12 /etc/passwd: is not below the list's folder;",
                                       "13 a/../../b: is not",
                                       "14 ..: is not"};
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        if (!strstr(notes, told[i]))
            fail_msg("'%s' was not told: %s", told[i], notes);
}

static void lists_that_are_none(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_checksums_report r;
    FILE *f = NULL;
    (void)state;

    assert_fails(eai_checksums_write(folder, &err), EAI_ERR_NOT_FOUND, &err, "has no files to sum");
    assert_fails(eai_checksums_write(eai_test_path(folder, "none"), &err), EAI_ERR_IO, &err,
                 "No such file");
    assert_fails(eai_checksums_check(&r, list(), NULL, NULL, &err), EAI_ERR_IO, &err,
                 "No such file");
    put(EAI_CHECKSUMS_NAME, "# nothing\n\n");
    assert_fails(eai_checksums_check(&r, list(), NULL, NULL, &err), EAI_ERR_FORMAT, &err,
                 "no checksums in it");
    f = fopen(list(), "wb");
    assert_non_null(f);
    fwrite("a\0b\n", 1, 4, f);
    fclose(f);
    assert_fails(eai_checksums_check(&r, list(), NULL, NULL, &err), EAI_ERR_FORMAT, &err,
                 "it has a NUL in it");
}

static eai_status write_and_check(void *ud, eai_error *err)
{
    eai_checksums_report report;
    (void)ud;
    EAI_TRY(eai_checksums_write(folder, err));
    return eai_checksums_check(&report, list(), NULL, NULL, err);
}

static eai_status write_list(void *ud, eai_error *err)
{
    (void)ud;
    return eai_checksums_write(folder, err);
}

static void check_the_list(void *ud)
{
    eai_error err = EAI_ERROR_INIT;
    eai_checksums_report report;
    (void)ud;
    assert_ok(eai_checksums_check(&report, list(), NULL, NULL, &err), &err);
    assert_int_equal(report.n_good, 4);
}

static void every_failure_is_told(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;
    put_some();
    eai_test_torture(write_and_check, NULL);
    assert_ok(eai_checksums_write(folder, &err), &err);
    eai_test_io_torture(write_list, check_the_list, NULL, folder);
    eai_test_kill_torture(write_list, check_the_list, NULL, NULL, folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_what_sha256sum_writes),
        TEST(what_sha256sum_writes_is_read),
        TEST(everything_wrong_is_told),
        TEST(lists_that_are_none),
        TEST(every_failure_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
