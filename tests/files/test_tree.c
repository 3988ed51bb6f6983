/* Folders copied, moved and searched, and names made of text. */
#include "support/eai_test.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/tree.h>

#include "base/io.h"

EAI_TEST_FOLDER

/* "FOLDER/name"; static, until the fourth call from now. */
static const char *in(const char *name)
{
    return eai_test_path(folder, name);
}

static void put(const char *name, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_fs_write_atomic(in(name), text, strlen(text), &err), &err);
}

static void assert_content(const char *name, const char *expected)
{
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    assert_ok(eai_fs_read_file(&text, NULL, in(name), 4 << 20, &err), &err);
    assert_string_equal(text, expected);
    eai_free(text);
}

static int count_entries(const char *name)
{
    DIR *d = opendir(name);
    int n = -2; /* . and .. */

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static mode_t mode_of(const char *name)
{
    struct stat info;
    assert_int_equal(lstat(in(name), &info), 0);
    return info.st_mode & 0777;
}

static void make_tree(const char *name)
{
    eai_error err = EAI_ERROR_INIT;
    char path[64];

    snprintf(path, sizeof(path), "%s/b/empty", name);
    assert_ok(eai_fs_mkdir_p(in(path), &err), &err);
    snprintf(path, sizeof(path), "%s/one", name);
    put(path, "1");
    snprintf(path, sizeof(path), "%s/b/run", name);
    put(path, "2");
    assert_int_equal(chmod(in(path), 0750), 0);
    snprintf(path, sizeof(path), "%s/b", name);
    assert_int_equal(chmod(in(path), 0710), 0);
    snprintf(path, sizeof(path), "%s/link", name);
    assert_int_equal(symlink("b/../../outside", in(path)), 0);
}

static void assert_tree(const char *name)
{
    char path[64];
    char target[64] = "";

    snprintf(path, sizeof(path), "%s/one", name);
    assert_content(path, "1");
    snprintf(path, sizeof(path), "%s/b/run", name);
    assert_content(path, "2");
    assert_int_equal(mode_of(path), 0750);
    snprintf(path, sizeof(path), "%s/b", name);
    assert_int_equal(mode_of(path), 0710);
    snprintf(path, sizeof(path), "%s/b/empty", name);
    assert_true(eai_fs_is_folder(in(path)));
    snprintf(path, sizeof(path), "%s/link", name);
    assert_int_equal(readlink(in(path), target, sizeof(target) - 1), 15);
    assert_string_equal(target, "b/../../outside");
}

static void files_are_copied(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    char *large = eai_alloc(3 << 20);
    memset(large, 'x', 3 << 20);
    large[(3 << 20) - 1] = '\0';
    put("a", large);
    assert_int_equal(chmod(in("a"), 0751), 0);
    put("b", "old");
    assert_ok(eai_fs_copy(in("a"), in("b"), &err), &err);
    assert_content("b", large);
    assert_int_equal(mode_of("b"), 0751);
    eai_free(large);
    assert_int_equal(symlink("a", in("to-a")), 0);
    assert_ok(eai_fs_copy(in("to-a"), in("c"), &err), &err);
    assert_int_equal(mode_of("c"), 0751); /* the file, not the link */
    assert_int_equal(mkfifo(in("pipe"), 0666), 0);
    assert_fails(eai_fs_copy(in("pipe"), in("d"), &err), EAI_ERR_ARGUMENT, &err, "no file and no");
    assert_fails(eai_fs_copy(in("none"), in("d"), &err), EAI_ERR_IO, &err, "No such file");
    put("d", "old");
    setenv("EAI_FREE_SPACE", "1000", 1);
    eai_status st = eai_fs_copy(in("a"), in("d"), &err);
    unsetenv("EAI_FREE_SPACE");
    assert_fails(st, EAI_ERR_IO, &err, "/d' needs 3.1 MB, 1.0 kB are free on ");
    assert_content("d", "old");
}

static void folders_are_copied(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    make_tree("t");
    assert_ok(eai_fs_copy(in("t"), in("u"), &err), &err);
    assert_tree("u");
    assert_tree("t");
    assert_fails(eai_fs_copy(in("t"), in("u"), &err), EAI_ERR_IO, &err, "cannot write '");
    assert_fails(eai_fs_copy(in("t"), in("t/b/t"), &err), EAI_ERR_ARGUMENT, &err, "into itself");
    put("f", "x");
    assert_fails(eai_fs_copy(in("t"), in("f"), &err), EAI_ERR_IO, &err, "cannot write '");
    assert_int_equal(mkfifo(in("t/b/pipe"), 0666), 0);
    assert_fails(eai_fs_copy(in("t"), in("v"), &err), EAI_ERR_ARGUMENT, &err,
                 "t/b/pipe': it is no file and no folder");
    assert_int_equal(count_entries(folder), 3); /* t, u, f: nothing was left */
}

static void moving_is_a_rename_where_it_can_be(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    struct stat a;
    struct stat b;
    (void)state;

    put("a", "1");
    put("b", "old");
    assert_int_equal(stat(in("a"), &a), 0);
    assert_ok(eai_fs_move(in("a"), in("b"), &err), &err);
    assert_int_equal(stat(in("b"), &b), 0);
    assert_true(a.st_ino == b.st_ino);
    assert_false(eai_fs_exists(in("a")));
    assert_fails(eai_fs_move(in("a"), in("b"), &err), EAI_ERR_IO, &err, "cannot move '");
    make_tree("t");
    assert_ok(eai_fs_move(in("t"), in("u"), &err), &err);
    assert_tree("u");
}

/* What rename() says between two file systems. */
static eai_status move_far(const char *from, const char *to, eai_error *err)
{
    io__fail_at(1, EXDEV);
    eai_status st = eai_fs_move(from, to, err);
    io__fail_at(0, 0);
    return st;
}

static void moving_far_is_a_copy(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    make_tree("t");
    assert_ok(move_far(in("t"), in("u"), &err), &err);
    assert_tree("u");
    put("a", "1");
    assert_int_equal(symlink("nowhere", in("link")), 0);
    assert_ok(move_far(in("a"), in("b"), &err), &err);
    assert_content("b", "1");
    assert_ok(move_far(in("link"), in("link2"), &err), &err);
    assert_int_equal(count_entries(folder), 3);
    make_tree("t");
    assert_fails(move_far(in("t"), in("u"), &err), EAI_ERR_IO, &err, "cannot write '");
    assert_tree("t");
}

static void assert_found(const char *pattern, const eai_fs_find_opts *opts, const char *expected)
{
    eai_error err = EAI_ERROR_INIT;
    eai_fs_list found = {0};
    char text[256] = "";
    size_t n = 0;

    assert_ok(eai_fs_find(&found, folder, pattern, opts, &err), &err);
    for (size_t i = 0; i < found.n; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s;", found.paths[i]);
    assert_string_equal(text, expected);
    eai_fs_list_deinit(&found);
}

static void files_are_found_by_pattern(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_fs_list found = {0};
    (void)state;

    make_tree("t");
    put("t/b/empty/x.bin", "");
    put("x.bin", "");
    put(".x.bin", "");
    assert_int_equal(symlink("t", in("link-to-folder")), 0);
    assert_found("*", NULL, ".x.bin;t/b/empty/x.bin;t/b/run;t/one;x.bin;");
    assert_found("x.*", NULL, "t/b/empty/x.bin;x.bin;");
    assert_found("t/*", NULL, "t/one;");
    assert_found("t/[a-c]/r?n", NULL, "t/b/run;");
    assert_found("none", NULL, "");
    assert_found("*", &(eai_fs_find_opts){.max_found = 5},
                 ".x.bin;t/b/empty/x.bin;t/b/run;t/one;x.bin;");
    assert_fails(eai_fs_find(&found, folder, "*", &(eai_fs_find_opts){.max_found = 4}, &err),
                 EAI_ERR_LIMIT, &err, "more than 4 files match '*' in '");
    assert_fails(eai_fs_find(&found, folder, "*", &(eai_fs_find_opts){.max_depth = 3}, &err),
                 EAI_ERR_LIMIT, &err, "more than 3 folders in each other");
    assert_null(found.paths);
    assert_fails(eai_fs_find(&found, in("none"), "*", NULL, &err), EAI_ERR_IO, &err,
                 "cannot list '");
}

static void a_temporary_folder_is_ours(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    struct stat info;
    char *path = NULL;
    (void)state;

    setenv("TMPDIR", folder, 1);
    assert_ok(eai_fs_make_temporary(&path, "job", &err), &err);
    assert_true(strncmp(path, in("job-"), strlen(folder) + 5) == 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_ok(eai_fs_remove_tree(path, &err), &err);
    eai_free(path);
    setenv("TMPDIR", in("none"), 1);
    assert_fails(eai_fs_make_temporary(&path, "job", &err), EAI_ERR_IO, &err, "No such file");
    assert_null(path);
    unsetenv("TMPDIR");
}

static void the_case_of_names_is_found_out(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    struct stat info;
    bool sensitive = false;
    (void)state;

    put("abc", "");
    assert_ok(eai_fs_is_case_sensitive(&sensitive, folder, &err), &err);
    assert_int_equal(sensitive, lstat(in("ABC"), &info) != 0);
    assert_int_equal(count_entries(folder), 1);
    assert_fails(eai_fs_is_case_sensitive(&sensitive, in("none"), &err), EAI_ERR_IO, &err,
                 "No such file");
}

static void names_are_safe(void **state)
{
    static const struct {
        const char *text, *name;
    } rows[] = {
        {"model.gguf", "model.gguf"},
        {"hf:org/name@main", "hf_org_name@main"},
        {"", "_"},
        {".", "_"},
        {"..", "_"},
        {"../../etc/passwd", "_._.._etc_passwd"},
        {".hidden", "_hidden"},
        {"-rf", "_rf"},
        {"a   b  ", "a b"},
        {"  a", "a"},
        {"a.txt. .", "a.txt"},
        {"a\tb\nc\x7f", "a_b_c_"},
        {"a<b>c:d\"e|f?g*h\\i", "a_b_c_d_e_f_g_h_i"},
        {"\xc3\xbc\xe6\x97\xa5", "\xc3\xbc\xe6\x97\xa5"},
        {"a\xff\xc3", "a__"},
        {"a\xc2\x85z", "a_z"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *name = eai_fs_safe_name(rows[i].text);
        assert_string_equal(name, rows[i].name);
        eai_free(name);
    }
}

static void long_names_are_cut_and_stay_different(void **state)
{
    char text[602];
    (void)state;

    for (int i = 0; i < 200; i++)
        memcpy(text + (ptrdiff_t)3 * i, "\xe6\x97\xa5", 4);
    char *a = eai_fs_safe_name(text);
    snprintf(text + 600, 2, "x");
    char *b = eai_fs_safe_name(text);
    assert_int_equal(strlen(a), 189 + 9); /* 63 characters, '-', 8 digits */
    assert_int_equal(strlen(b), strlen(a));
    assert_memory_equal(a, b, 190);
    assert_string_not_equal(a, b);
    eai_free(a);
    eai_free(b);
    memset(text, 'a', 200);
    text[200] = '\0';
    a = eai_fs_safe_name(text);
    assert_string_equal(a, text);
    eai_free(a);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static eai_status copy_tree(void *ud, eai_error *err)
{
    (void)ud;
    return eai_fs_copy(in("t"), in("u"), err);
}

/* The copy is there whole or not at all; then it is made again. */
static void check_copy(void *ud)
{
    eai_error err = EAI_ERROR_INIT;
    (void)ud;
    if (!eai_fs_exists(in("u")))
        return;
    assert_tree("u");
    assert_ok(eai_fs_remove_tree(in("u"), &err), &err);
}

static void remove_left_overs(void *ud)
{
    eai_error err = EAI_ERROR_INIT;
    (void)ud;
    assert_ok(eai_fs_remove_left_overs(NULL, folder, NULL, &err), &err);
}

static void a_copy_is_whole_or_not_there(void **state)
{
    (void)state;
    make_tree("t");
    eai_test_io_torture(copy_tree, check_copy, NULL, folder);
    eai_test_kill_torture(copy_tree, check_copy, remove_left_overs, NULL, folder);
    assert_tree("t");
}

static eai_status use_everything(void *ud, eai_error *err)
{
    eai_fs_list found = {0};
    bool sensitive = false;
    char *path = NULL;
    (void)ud;

    eai_status st = eai_fs_remove_tree(in("u"), err);
    if (st == EAI_OK)
        st = eai_fs_copy(in("t"), in("u"), err);
    if (st == EAI_OK)
        st = eai_fs_find(&found, folder, "*", NULL, err);
    if (st == EAI_OK)
        st = eai_fs_is_case_sensitive(&sensitive, folder, err);
    if (st == EAI_OK) {
        path = eai_fs_safe_name("a name");
        if (!path)
            st = eai_error_set(err, EAI_ERR_NOMEM, "no memory");
    }
    eai_free(path);
    path = NULL;
    if (st == EAI_OK)
        st = eai_fs_make_temporary(&path, "job", err);
    if (st == EAI_OK)
        st = eai_fs_remove_tree(path, err);
    eai_free(path);
    eai_fs_list_deinit(&found);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    make_tree("t");
    setenv("TMPDIR", folder, 1);
    eai_test_torture(use_everything, NULL);
    unsetenv("TMPDIR");
    assert_int_equal(count_entries(folder), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_copied),
        TEST(folders_are_copied),
        TEST(moving_is_a_rename_where_it_can_be),
        TEST(moving_far_is_a_copy),
        TEST(files_are_found_by_pattern),
        TEST(a_temporary_folder_is_ours),
        TEST(the_case_of_names_is_found_out),
        TEST(names_are_safe),
        TEST(long_names_are_cut_and_stay_different),
        TEST(a_copy_is_whole_or_not_there),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
