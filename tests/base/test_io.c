/* Faults of the disk: whichever call fails, a file is the old one or the new one, the message names
 * it, and nothing else is left. The callers further up are tested where they are. */
#include "support/eai_test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/io.h"

enum { N_LARGE = 700000 }; /* more than the writer's buffer: several calls */

typedef struct job {
    char *folder;
    char file[512];
    char *data; /* [N_LARGE] */
} job;

static void open_job(job *j)
{
    eai_error err = EAI_ERROR_INIT;
    j->folder = eai_test_make_folder();
    snprintf(j->file, sizeof(j->file), "%s/a/b/file", j->folder);
    j->data = eai_alloc(N_LARGE);
    assert_non_null(j->data);
    memset(j->data, 'n', N_LARGE);
    io__fail_at(0, 0);
    char *slash = strrchr(j->file, '/');
    *slash = '\0';
    assert_ok(eai_fs_mkdir_p(j->file, &err), &err);
    *slash = '/';
    assert_ok(eai_fs_write_atomic(j->file, "old", 3, &err), &err);
}

static void close_job(job *j)
{
    eai_free(j->data);
    eai_test_remove_folder(j->folder);
}

/* The old content or all of the new one; then the old one again. */
static void check_old_or_new(void *ud)
{
    const job *j = ud;
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    size_t n = 0;
    assert_ok(eai_fs_read_file(&text, &n, j->file, N_LARGE, &err), &err);
    if (n == 3)
        assert_string_equal(text, "old");
    else {
        assert_int_equal(n, N_LARGE);
        assert_memory_equal(text, j->data, N_LARGE);
    }
    eai_free(text);
    assert_ok(eai_fs_write_atomic(j->file, "old", 3, &err), &err);
}

static eai_status write_in_pieces(void *ud, eai_error *err)
{
    const job *j = ud;
    const size_t pieces[] = {5, 200000, 300000, N_LARGE - 500005};
    eai_file_writer *w = NULL;
    size_t at = 0;
    eai_status st = eai_file_writer_open(&w, j->file, err);
    for (size_t i = 0; st == EAI_OK && i < 4; at += pieces[i++])
        st = eai_file_writer_write(w, j->data + at, pieces[i], err);
    return eai_file_writer_finish(w, st, err);
}

static void a_file_is_the_old_or_the_new_one(void **state)
{
    (void)state;
    job j;
    open_job(&j);
    eai_test_io_torture(write_in_pieces, check_old_or_new, &j, j.folder);
    close_job(&j);
}

/* The writer's way with a large file: its left-overs are removed. */
static eai_status write_announced(void *ud, eai_error *err)
{
    const job *j = ud;
    eai_file_writer *w = NULL;
    eai_status st = eai_file_writer_open(&w, j->file, err);
    if (st == EAI_OK)
        st = eai_file_writer_expect(w, N_LARGE, err);
    if (st == EAI_OK)
        st = eai_file_writer_write(w, j->data, N_LARGE, err);
    return eai_file_writer_finish(w, st, err);
}

/* As above without bringing the old one back: a write of this process would hide what is wrong. */
static void check_old_or_new_and_whole(void *ud)
{
    const job *j = ud;
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    size_t n = 0;
    assert_ok(eai_fs_read_file(&text, &n, j->file, N_LARGE, &err), &err);
    assert_true(n == 3 || n == N_LARGE);
    assert_memory_equal(text, n == 3 ? "old" : j->data, n);
    eai_free(text);
}

static void a_killed_writer_leaves_the_old_or_the_new_one(void **state)
{
    (void)state;
    job j;
    open_job(&j);
    eai_test_kill_torture(write_announced, check_old_or_new_and_whole, NULL, &j, j.folder);
    close_job(&j);
}

static void remove_all_left_overs(void *ud)
{
    const job *j = ud;
    eai_error err = EAI_ERROR_INIT;
    char folder[600];
    size_t n = 0;
    snprintf(folder, sizeof(folder), "%s/a/b", j->folder);
    assert_ok(eai_fs_remove_left_overs(&n, folder, NULL, &err), &err);
    assert_true(n > 0);
    assert_ok(eai_fs_remove_left_overs(&n, folder, NULL, &err), &err);
    assert_int_equal(n, 0);
}

static void left_overs_of_small_files_are_removed_on_request(void **state)
{
    (void)state;
    job j;
    open_job(&j);
    eai_test_kill_torture(write_in_pieces, check_old_or_new_and_whole, remove_all_left_overs, &j,
                          j.folder);
    close_job(&j);
}

static eai_status read_everything(void *ud, eai_error *err)
{
    const job *j = ud;
    char hex[EAI_SHA256_HEX_SIZE];
    char *text = NULL;
    eai_map *map = NULL;
    size_t n = 0;
    eai_status st = eai_fs_read_file(&text, &n, j->file, N_LARGE, err);
    if (st == EAI_OK) {
        assert_int_equal(n, N_LARGE);
        assert_memory_equal(text, j->data, N_LARGE);
        st = eai_map_open(&map, j->file, err);
    }
    if (st == EAI_OK) {
        assert_int_equal(eai_map_size(map), N_LARGE);
        st = eai_sha256_file(hex, j->file, err);
    }
    eai_map_close(map);
    eai_free(text);
    return st;
}

static void reading_gives_all_of_it_or_says_why(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    job j;
    open_job(&j);
    assert_ok(write_in_pieces(&j, &err), &err);
    eai_test_io_torture(read_everything, NULL, &j, j.folder);
    close_job(&j);
}

static eai_status make_folders(void *ud, eai_error *err)
{
    const job *j = ud;
    char path[600];
    snprintf(path, sizeof(path), "%s/new/folders", j->folder);
    return eai_fs_mkdir_p(path, err);
}

static void remove_folders(void *ud)
{
    const job *j = ud;
    char path[600];
    snprintf(path, sizeof(path), "%s/new/folders", j->folder);
    rmdir(path);
    snprintf(path, sizeof(path), "%s/new", j->folder);
    rmdir(path);
}

static void folders_are_made_or_not(void **state)
{
    (void)state;
    job j;
    open_job(&j);
    eai_test_io_torture(make_folders, remove_folders, &j, j.folder);
    close_job(&j);
}

/* What the faults themselves are. */
static void faults_are_what_they_say(void **state)
{
    (void)state;
    job j;
    char block[8];
    open_job(&j);
    io__fail_at(2, EIO);
    int fd = io__open(j.file, O_RDWR, 0);
    assert_true(fd >= 0);
    assert_int_equal(io__read(fd, block, 3), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(io__read(fd, block, 3), 3);
    assert_int_equal(io__count(), 3);
    io__fail_at(1, ENOSPC);
    assert_int_equal(io__read(fd, block, 3), 0);
    assert_int_equal(io__write(fd, "abc", 3), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(io__write(fd, "abc", 3), -1); /* a full disk stays full */
    io__fail_at(1, IO_SHORT);
    assert_int_equal(io__write(fd, "abc", 3), 1);
    assert_int_equal(io__write(fd, "abc", 3), 3);
    io__fail_at(1, EINTR);
    assert_int_equal(io__write(fd, "abc", 3), 3);
    assert_int_equal(io__count(), 2); /* it was made again */
    io__fail_at(1, EIO);
    assert_int_equal(io__close(fd), -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed all the same */
    io__fail_at(0, 0);
    close_job(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_the_old_or_the_new_one),
        cmocka_unit_test(a_killed_writer_leaves_the_old_or_the_new_one),
        cmocka_unit_test(left_overs_of_small_files_are_removed_on_request),
        cmocka_unit_test(reading_gives_all_of_it_or_says_why),
        cmocka_unit_test(folders_are_made_or_not),
        cmocka_unit_test(faults_are_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
