/* Numbered backups: what is kept, what is brought back, and that nothing is lost on the way. */
#include "support/eai_test.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/backup.h>
#include <efficientai/fs.h>

#include "base/io.h"

static char *folder;
static char path[512];

static int make_folder(void **state)
{
    (void)state;
    folder = eai_test_make_folder();
    snprintf(path, sizeof(path), "%s/f", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    eai_test_remove_folder(folder);
    return 0;
}

static void put(const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_fs_write_atomic(path, text, strlen(text), &err), &err);
}

static void assert_content(const char *file, const char *expected)
{
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    assert_ok(eai_fs_read_file(&text, NULL, file, 1 << 20, &err), &err);
    assert_string_equal(text, expected);
    eai_free(text);
}

static void make(const eai_backup_opts *opts)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_backup_make(path, opts, &err), &err);
}

/* The numbers that there are, "3 2 1". */
static const char *numbers(void)
{
    static char text[128];
    eai_error err = EAI_ERROR_INIT;
    eai_backup_list list = {0};
    size_t n = 0;

    text[0] = '\0';
    assert_ok(eai_backup_find(&list, path, &err), &err);
    for (size_t i = 0; i < list.n; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u", i ? " " : "",
                              list.items[i].number);
    eai_backup_list_deinit(&list);
    return text;
}

static void the_newest_are_kept(void **state)
{
    const eai_backup_opts three = {.keep = 3};
    char text[8];
    (void)state;

    make(NULL); /* nothing is there */
    assert_string_equal(numbers(), "");
    for (int i = 1; i <= 5; i++) {
        snprintf(text, sizeof(text), "v%d", i);
        put(text);
        make(&three);
    }
    assert_string_equal(numbers(), "5 4 3");
    put("v6");
    assert_content(eai_test_path(folder, "f.~5~"), "v5");
    assert_content(eai_test_path(folder, "f.~3~"), "v3");
    for (int i = 6; i <= 20; i++) {
        snprintf(text, sizeof(text), "v%d", i);
        put(text);
        make(NULL);
    }
    assert_string_equal(numbers(), "20 19 18 17 16 15 14 13 12 11"); /* as numbers, not as text */
}

static void the_bytes_have_a_bound(void **state)
{
    static const struct {
        const char *text, *kept;
    } steps[] = {
        {"12345", "1"}, {"67890", "2 1"}, {"abcde", "3 2"}, {"more than the 12 bytes", "4"}};
    (void)state;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        put(steps[i].text);
        make(&(eai_backup_opts){.max_bytes = 12});
        assert_string_equal(numbers(), steps[i].kept);
    }
}

static void the_same_content_is_backed_up_once(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backup_list list = {0};
    struct stat info;
    (void)state;

    put("abc");
    assert_int_equal(chmod(path, 0640), 0);
    make(NULL);
    make(NULL);
    put("abc");
    make(NULL);
    assert_ok(eai_backup_find(&list, path, &err), &err);
    assert_int_equal(list.n, 1);
    assert_int_equal(list.items[0].number, 1);
    assert_int_equal(list.items[0].bytes, 3);
    assert_true(list.items[0].modified > 1500000000);
    assert_string_equal(list.items[0].sha256,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(list.items[0].path, eai_test_path(folder, "f.~1~"));
    assert_int_equal(stat(list.items[0].path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    eai_backup_list_deinit(&list);
}

static void only_numbered_names_are_backups(void **state)
{
    static const char *const names[] = {"f.~0~", "f.~01~", "f.~x~", "f.~1~x", "f.~-1~",
                                        "f.~1",  "ff.~1~", "f~",    "f.~~",   "f.~9999999999~"};
    (void)state;
    put("x");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        FILE *f = fopen(eai_test_path(folder, names[i]), "w");
        assert_non_null(f);
        fclose(f);
    }
    assert_int_equal(mkdir(eai_test_path(folder, "f.~7~"), 0777), 0);
    assert_int_equal(symlink("f", eai_test_path(folder, "f.~8~")), 0);
    assert_string_equal(numbers(), "");
    make(NULL);
    assert_string_equal(numbers(), "1");
    put("y");
    make(&(eai_backup_opts){.keep = 1});
    assert_string_equal(numbers(), "2");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_true(eai_fs_exists(eai_test_path(folder, names[i])));
}

static void restoring_backs_up_what_was_there(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    put("one");
    make(NULL);
    put("two");
    assert_ok(eai_backup_restore(path, 1, NULL, &err), &err);
    assert_content(path, "one");
    assert_content(eai_test_path(folder, "f.~2~"), "two");
    assert_ok(eai_backup_restore(path, 2, &(eai_backup_opts){.keep = 1}, &err), &err);
    assert_content(path, "two"); /* though two more than may stay were there on the way */
    assert_int_equal(unlink(path), 0);
    assert_ok(eai_backup_restore(path, 2, NULL, &err), &err);
    assert_content(path, "two");
    FILE *f = fopen(path, "r+"); /* changed in place: the backup does not share its blocks */
    assert_non_null(f);
    fputs("TWO", f);
    fclose(f);
    assert_content(eai_test_path(folder, "f.~2~"), "two");
}

static void what_cannot_be_restored_says_why(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    put("one");
    assert_fails(eai_backup_restore(path, 1, NULL, &err), EAI_ERR_NOT_FOUND, &err,
                 "has no backup of number 1 (there are: none)");
    make(NULL);
    put("two");
    make(NULL);
    put("three");
    assert_fails(eai_backup_restore(path, 7, NULL, &err), EAI_ERR_NOT_FOUND, &err,
                 "has no backup of number 7 (there are: 2, 1)");
    FILE *f = fopen(eai_test_path(folder, "f.~1~"), "w");
    assert_non_null(f);
    fputs("bad", f);
    fclose(f);
    assert_fails(eai_backup_restore(path, 1, NULL, &err), EAI_ERR_FORMAT, &err,
                 "f.~1~' was changed since it was made");
    assert_content(path, "three");
    assert_string_equal(numbers(), "2 1");
    assert_int_equal(unlink(eai_test_path(folder, ".f.~sums~")), 0);
    assert_ok(eai_backup_restore(path, 1, NULL, &err), &err); /* nobody knows what it was */
    assert_content(path, "bad");
    assert_fails(eai_backup_make(folder, NULL, &err), EAI_ERR_ARGUMENT, &err, "no regular file");
}

static void of_a_link_the_file_is_backed_up(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    const char *link = eai_test_path(folder, "link");
    (void)state;

    put("one");
    assert_int_equal(symlink("f", link), 0);
    assert_ok(eai_backup_make(link, NULL, &err), &err);
    assert_string_equal(numbers(), "1");
    put("two");
    assert_ok(eai_backup_restore(link, 1, NULL, &err), &err);
    assert_content(path, "one");
}

/* A file system without hard links gives a copy. */
static void without_links_it_is_copied(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    struct stat a;
    struct stat b;
    (void)state;

    put("one");
    bool copied = false;
    for (uint64_t n = 1; !copied && n < 100; n++) {
        unlink(eai_test_path(folder, "f.~1~"));
        io__fail_at(n, EPERM); /* what link() says there; for other calls it is an error */
        eai_status st = eai_backup_make(path, NULL, &err);
        io__fail_at(0, 0);
        copied = st == EAI_OK && stat(path, &a) == 0 &&
                 stat(eai_test_path(folder, "f.~1~"), &b) == 0 && a.st_ino != b.st_ino;
    }
    assert_true(copied);
    assert_content(eai_test_path(folder, "f.~1~"), "one");
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static eai_status replace_with_backup(void *ud, eai_error *err)
{
    (void)ud;
    EAI_TRY(eai_backup_make(path, &(eai_backup_opts){.keep = 2}, err));
    return eai_fs_write_atomic(path, "new", 3, err);
}

/* Whatever was interrupted, the checksum of a backup is known as soon as it is there. */
static void assert_sums_are_known(void)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backup_list list = {0};
    char hex[EAI_SHA256_HEX_SIZE];

    assert_ok(eai_backup_find(&list, path, &err), &err);
    for (size_t i = 0; i < list.n; i++) {
        assert_ok(eai_sha256_file(hex, list.items[i].path, &err), &err);
        assert_string_equal(list.items[i].sha256, hex);
    }
    eai_backup_list_deinit(&list);
}

/* "old" is the file, or in the first backup. */
static void check_old_is_there(void *ud)
{
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    (void)ud;

    assert_sums_are_known();

    assert_ok(eai_fs_read_file(&text, NULL, path, 100, &err), &err);
    if (strcmp(text, "old") != 0) {
        assert_string_equal(text, "new");
        assert_content(eai_test_path(folder, "f.~1~"), "old");
    }
    eai_free(text);
}

static void start_again(void *ud)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backup_list list = {0};
    check_old_is_there(ud);
    assert_ok(eai_backup_find(&list, path, &err), &err);
    for (size_t i = 0; i < list.n; i++)
        assert_int_equal(unlink(list.items[i].path), 0);
    eai_backup_list_deinit(&list);
    put("old");
}

static eai_status restore_first(void *ud, eai_error *err)
{
    (void)ud;
    return eai_backup_restore(path, 1, NULL, err);
}

static void check_nothing_is_lost(void *ud)
{
    (void)ud;
    eai_error err = EAI_ERROR_INIT;
    eai_backup_list list = {0};
    char *text = NULL;

    assert_sums_are_known();
    assert_content(eai_test_path(folder, "f.~1~"), "first");
    assert_ok(eai_fs_read_file(&text, NULL, path, 100, &err), &err);
    if (strcmp(text, "second") != 0) {
        assert_string_equal(text, "first");
        assert_ok(eai_backup_find(&list, path, &err), &err);
        assert_true(list.n >= 2);
        assert_content(eai_test_path(folder, "f.~2~"), "second");
        eai_backup_list_deinit(&list);
    }
    eai_free(text);
}

static void remove_left_overs(void *ud)
{
    (void)ud;
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_fs_remove_left_overs(NULL, folder, NULL, &err), &err);
}

static void nothing_is_lost_by_faults(void **state)
{
    (void)state;
    put("old");
    eai_test_torture(replace_with_backup, NULL);
    start_again(NULL);
    eai_test_io_torture(replace_with_backup, start_again, NULL, folder);
}

static void nothing_is_lost_by_kills(void **state)
{
    (void)state;
    put("old");
    eai_test_kill_torture(replace_with_backup, check_old_is_there, remove_left_overs, NULL, folder);
}

static void restoring_loses_nothing_by_kills(void **state)
{
    (void)state;
    put("first");
    make(NULL);
    put("second");
    eai_test_kill_torture(restore_first, check_nothing_is_lost, remove_left_overs, NULL, folder);
    assert_content(path, "first");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_are_kept),
        TEST(the_bytes_have_a_bound),
        TEST(the_same_content_is_backed_up_once),
        TEST(only_numbered_names_are_backups),
        TEST(restoring_backs_up_what_was_there),
        TEST(what_cannot_be_restored_says_why),
        TEST(of_a_link_the_file_is_backed_up),
        TEST(without_links_it_is_copied),
        TEST(nothing_is_lost_by_faults),
        TEST(nothing_is_lost_by_kills),
        TEST(restoring_loses_nothing_by_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
