/* Log files: whole lines from several processes, put aside by size and by day, compressed, removed
 * when they are old; and no line lost to a process that is killed or a disk that fails. */
#include "support/eai_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/fs.h>

#include "base/io.h"
#include "base/log_internal.h"

enum { N_WRITERS = 4, N_LINES = 300, N_MAX = 20000 };

static char *folder;
static char path[256];

static int make_folder(void **state)
{
    (void)state;
    folder = eai_test_make_folder();
    snprintf(path, sizeof(path), "%s/logs/x.jsonl", folder);
    return folder ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    assert_int_equal(eai_log_to_file(NULL, NULL, NULL), EAI_OK);
    eai_test_remove_folder(folder);
    return 0;
}

/* What all files of the log hold together. */
static struct {
    int n_files, n_compressed;
    int n_broken;
    int n_lines[N_WRITERS];
    unsigned char seen[N_WRITERS][N_MAX];
} found;

static void read_line(const char *line)
{
    int writer;
    int number;
    char end[8] = "";
    if (sscanf(line, "{\"writer\":%d,\"number\":%d,\"text\":\"%*[x]%7s", &writer, &number, end) ==
            3 &&
        strcmp(end, "\"}") == 0 && writer >= 0 && writer < N_WRITERS && number >= 0 &&
        number < N_MAX) {
        found.n_lines[writer]++;
        found.seen[writer][number]++;
    } else {
        found.n_broken++;
    }
}

static void read_log_file(const char *name)
{
    char line[LOG_LINE_MAX + 2];
    gzFile f = gzopen(name, "rb");
    assert_non_null(f);
    while (gzgets(f, line, sizeof(line)))
        read_line(line);
    int code;
    gzerror(f, &code);
    assert_int_equal(code, Z_OK);
    gzclose(f);
    found.n_files++;
}

static void read_log(void)
{
    eai_error err = EAI_ERROR_INIT;
    log_archived *list;
    size_t n;
    memset(&found, 0, sizeof(found));
    assert_ok(log__archive_list(&list, &n, path, &err), &err);
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || list[i].number > list[i - 1].number);
        found.n_compressed += list[i].compressed;
        read_log_file(list[i].path);
    }
    log__archive_free(list, n);
    if (eai_fs_exists(path))
        read_log_file(path);
}

static void write_number(log_file *f, int writer, int number, long day)
{
    char line[256];
    int n = snprintf(line, sizeof(line), "{\"writer\":%d,\"number\":%d,\"text\":\"%.*s\"}\n",
                     writer, number, 1 + number % 90,
                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                     "xxxxxxxxxxxxx");
    log__file_write(f, line, (size_t)n, day);
    if (f->archive_due) {
        f->archive_due = false;
        assert_int_equal(log__archive(f->path, &f->opts, NULL), EAI_OK);
    }
}

static off_t size_of(const char *name)
{
    struct stat info;
    return stat(name, &info) == 0 ? info.st_size : -1;
}

static void put_file(const char *name, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    char whole[512];
    snprintf(whole, sizeof(whole), "%s/logs", folder);
    assert_ok(eai_fs_mkdir_p(whole, &err), &err);
    snprintf(whole, sizeof(whole), "%s/logs/%s", folder, name);
    assert_ok(eai_fs_write_atomic(whole, text, strlen(text), &err), &err);
}

/* ---- One process ----------------------------------------------------------------------------- */

static void lines_of_the_log(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    struct stat info;
    (void)state;

    assert_ok(eai_log_to_file(path, NULL, &err), &err);
    assert_false(eai_log_takes(EAI_LOG_DEBUG));
    EAI_LOG_FIELDS(INFO, "test", EAI_FIELDS(eai_log_integer("n", 1)), "info is taken");
    EAI_LOG(WARN, "test", "two");
    eai_log_set_level(EAI_LOG_TRACE);
    EAI_LOG(TRACE, "test", "three");
    eai_log_set_level(EAI_LOG_WARN);
    assert_ok(eai_log_to_file(NULL, NULL, &err), &err);
    EAI_LOG(ERROR, "test", "four goes nowhere");
    assert_ok(eai_fs_read_file(&text, NULL, path, 10000, &err), &err);
    assert_non_null(strstr(text, "\"message\":\"info is taken\""));
    assert_non_null(strstr(text, ",\"n\":1}\n{\"time\":"));
    assert_non_null(strstr(text, "\"level\":\"trace\""));
    assert_null(strstr(text, "four"));
    assert_int_equal(eai_log_lost(), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    eai_free(text);
    assert_fails(eai_log_to_file(folder, NULL, &err), EAI_ERR_IO, &err, "it is a folder");
    snprintf(path, sizeof(path), "%s/logs/x.jsonl/y", folder);
    assert_fails(eai_log_to_file(path, NULL, &err), EAI_ERR_IO, &err, "x.jsonl");
}

static void full_files_are_put_aside(void **state)
{
    const eai_log_file_opts opts = {.max_bytes = 4096, .n_plain = 2};
    eai_error err = EAI_ERROR_INIT;
    log_file f;
    (void)state;

    assert_ok(log__file_open(&f, path, &opts, &err), &err);
    for (int i = 0; i < 400; i++) {
        write_number(&f, 0, i, 100);
        assert_true(size_of(path) <= 4096);
    }
    assert_int_equal(f.n_lost, 0);
    log__file_close(&f);
    read_log();
    assert_int_equal(found.n_broken, 0);
    assert_int_equal(found.n_lines[0], 400);
    assert_int_equal(found.n_files - found.n_compressed, 3); /* the one in use, and two */
    assert_in_range(found.n_compressed, 4, 12);
    for (int i = 0; i < 400; i++)
        assert_int_equal(found.seen[0][i], 1);
}

static void a_new_day_is_a_new_file(void **state)
{
    const eai_log_file_opts opts = {.daily = true};
    eai_error err = EAI_ERROR_INIT;
    log_file f;
    (void)state;

    put_file("x.jsonl", "{\"time\":\"1970-01-03T10:00:00.000Z\"}\n");
    assert_ok(log__file_open(&f, path, &opts, &err), &err);
    write_number(&f, 0, 1, 2); /* days since 1970: the same */
    assert_int_equal(size_of(eai_test_path(folder, "logs/x.jsonl.000001")), -1);
    write_number(&f, 0, 2, 3);
    assert_true(size_of(eai_test_path(folder, "logs/x.jsonl.000001")) > 40);
    write_number(&f, 0, 3, 3);
    write_number(&f, 0, 4, 4);
    assert_true(size_of(eai_test_path(folder, "logs/x.jsonl.000002")) > 40);
    log__file_close(&f);
    read_log();
    assert_int_equal(found.n_lines[0], 4);
}

/* A writer that was killed in the middle of a line breaks that line alone. */
static void half_a_line_is_ended(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    log_file f;
    (void)state;

    put_file("x.jsonl", "{\"writer\":0,\"num");
    assert_ok(log__file_open(&f, path, NULL, &err), &err);
    write_number(&f, 0, 1, 1);
    write_number(&f, 0, 2, 1);
    log__file_close(&f);
    read_log();
    assert_int_equal(found.n_broken, 1);
    assert_int_equal(found.n_lines[0], 2);
}

/* Somebody removes the file, or puts another one there: lines go to what the name means now. */
static void the_name_decides(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    log_file f;
    (void)state;

    assert_ok(log__file_open(&f, path, NULL, &err), &err);
    write_number(&f, 0, 1, 1);
    assert_int_equal(unlink(path), 0);
    write_number(&f, 0, 2, 1);
    put_file("x.jsonl", "");
    write_number(&f, 0, 3, 1);
    read_log();
    assert_int_equal(found.n_lines[0], 1);
    assert_int_equal(found.seen[0][3], 1);
    log__file_close(&f);
}

/* The holder of the lock was stopped by Ctrl-Z. */
static void a_lock_is_not_waited_for_long(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    log_file f;
    (void)state;

    assert_ok(log__file_open(&f, path, NULL, &err), &err);
    int other = open(path, O_RDONLY);
    assert_int_equal(flock(other, LOCK_EX), 0);
    double start = eai_clock_seconds();
    write_number(&f, 0, 1, 1);
    assert_true(eai_clock_seconds() - start < 20);
    close(other);
    log__file_close(&f);
    read_log();
    assert_int_equal(found.n_lines[0], 1);
}

/* While this process waits for the lock, its holder puts the file aside: the line goes to the next
 * one, for the old one may be compressed already. */
static void put_aside_while_waiting(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    log_file f;
    char byte;
    int ends[2];
    (void)state;

    assert_ok(log__file_open(&f, path, NULL, &err), &err);
    write_number(&f, 0, 1, 1);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(path, O_RDONLY);
        bool ok = flock(fd, LOCK_EX) == 0 && write(ends[1], "", 1) == 1;
        usleep(40000);
        _exit(!ok || rename(path, eai_test_path(folder, "logs/x.jsonl.000001")) != 0);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    write_number(&f, 0, 2, 1);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    close(ends[0]);
    close(ends[1]);
    log__file_close(&f);
    read_log();
    assert_int_equal(found.n_lines[0], 2);
    assert_int_equal(found.n_files, 2);
}

/* ---- What was put aside ---------------------------------------------------------------------- */

static void set_age(const char *name, int days)
{
    const time_t then = time(NULL) - (time_t)days * 86400;
    const struct timespec times[2] = {{then, 0}, {then, 0}};
    assert_int_equal(utimensat(AT_FDCWD, eai_test_path(folder, name), times, 0), 0);
}

static void put_four_files(void)
{
    put_file("x.jsonl.000002", "two\n");
    put_file("x.jsonl.000003", "three\n");
    put_file("x.jsonl.000007", "seven\n");
    put_file("x.jsonl.000003.gz", "a process was killed here");
    put_file("x.jsonl.1", "not ours");
    put_file("x.jsonl.0000021", "not ours");
    put_file("x.jsonl.000002.bz2", "not ours");
    put_file("y.jsonl.000001", "not ours");
    set_age("logs/x.jsonl.000002", 31);
    set_age("logs/x.jsonl.000003", 10);
    set_age("logs/y.jsonl.000001", 100);
}

static eai_status archive(void *ud, eai_error *err)
{
    return log__archive(path, ud, err);
}

static void old_files_become_small_and_go(void **state)
{
    eai_log_file_opts opts = {.n_plain = 1, .keep_days = 30};
    eai_error err = EAI_ERROR_INIT;
    struct stat info;
    (void)state;

    put_four_files();
    assert_ok(archive(&opts, &err), &err);
    assert_int_equal(size_of(eai_test_path(folder, "logs/x.jsonl.000002")), -1);
    assert_int_equal(size_of(eai_test_path(folder, "logs/x.jsonl.000002.gz")), -1);
    assert_int_equal(size_of(eai_test_path(folder, "logs/x.jsonl.000003")), -1);
    assert_int_equal(stat(eai_test_path(folder, "logs/x.jsonl.000003.gz"), &info), 0);
    assert_true(time(NULL) - info.st_mtime > 9 * 86400);
    assert_int_equal(size_of(eai_test_path(folder, "logs/x.jsonl.000007")), 6);
    assert_int_equal(size_of(eai_test_path(folder, "logs/y.jsonl.000001")), 8);
    assert_int_equal(size_of(eai_test_path(folder, "logs/x.jsonl.1")), 8);
    read_log();
    assert_int_equal(found.n_broken, 2); /* "three" and "seven" */
    set_age("logs/x.jsonl.000003.gz", 3000);
    opts.keep_days = -1;
    assert_ok(archive(&opts, &err), &err);
    assert_true(size_of(eai_test_path(folder, "logs/x.jsonl.000003.gz")) > 0);
}

static void archive_under_faults(void **state)
{
    eai_log_file_opts opts = {.n_plain = 0, .keep_days = 30};
    (void)state;

    put_four_files();
    eai_test_torture(archive, &opts);
    put_four_files();
    char here[512];
    snprintf(here, sizeof(here), "%s/logs", folder);
    for (uint64_t n = 1; n < 60; n++) {
        eai_error err = EAI_ERROR_INIT;
        put_four_files();
        io__fail_at(n, n % 2 ? EIO : ENOSPC);
        eai_status st = archive(&opts, &err);
        io__fail_at(0, 0);
        if (st != EAI_OK)
            assert_fails(st, EAI_ERR_IO, &err, "x.jsonl.00000");
        assert_ok(archive(&opts, &err), &err);
        read_log();
        assert_int_equal(found.n_broken, 2);
        assert_int_equal(found.n_compressed, 2);
    }
}

/* ---- Faults ---------------------------------------------------------------------------------- */

/* Whatever call fails: each line is there once or counted as lost, and the others are whole. */
static void a_failing_disk_loses_counted_lines(void **state)
{
    static const int faults[] = {EIO, ENOSPC, EINTR, IO_SHORT};
    const eai_log_file_opts opts = {.max_bytes = 300, .n_plain = 100};
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    for (size_t k = 0; k < 4; k++) {
        bool reached = true;
        for (uint64_t n = 1; reached; n++) {
            log_file f;
            assert_ok(log__file_open(&f, path, &opts, &err), &err);
            io__fail_at(n, faults[k]);
            for (int i = 0; i < 8; i++)
                write_number(&f, 0, i, 1);
            reached = io__count() >= n;
            io__fail_at(0, 0);
            write_number(&f, 0, 8, 1);
            read_log();
            for (int i = 0; i < 9; i++)
                assert_in_range(found.seen[0][i], 0, 1);
            assert_int_equal(found.n_lines[0] + (int)f.n_lost, 9);
            assert_true(found.n_broken <= (int)f.n_lost);
            assert_true(found.seen[0][8]);
            if (faults[k] == EINTR || faults[k] == IO_SHORT)
                assert_int_equal(f.n_lost, 0);
            log__file_close(&f);
            for (int i = 0; i < 100; i++) {
                char name[64];
                snprintf(name, sizeof(name), "logs/x.jsonl.%06d", i);
                unlink(eai_test_path(folder, name));
            }
            unlink(path);
        }
    }
}

/* ---- Several processes ----------------------------------------------------------------------- */

/* A process of its own that writes lines until `n`, and says on `acks` how many are written. */
static pid_t start_writer(int writer, int n, int acks, const eai_log_file_opts *opts)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    log_file f;
    if (log__file_open(&f, path, opts, NULL) != EAI_OK)
        _exit(1);
    for (int i = 0; i < n; i++) {
        write_number(&f, writer, i, 1);
        if (acks >= 0 && write(acks, "", 1) != 1)
            _exit(1);
    }
    _exit(f.n_lost > 0);
}

static void processes_share_a_file(void **state)
{
    const eai_log_file_opts opts = {.max_bytes = 8192, .n_plain = 2};
    pid_t pids[N_WRITERS];
    (void)state;

    for (int i = 0; i < N_WRITERS; i++)
        pids[i] = start_writer(i, N_LINES, -1, &opts);
    for (int i = 0; i < N_WRITERS; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    read_log();
    assert_int_equal(found.n_broken, 0);
    assert_in_range(found.n_files, 8, 40);
    for (int w = 0; w < N_WRITERS; w++) {
        assert_int_equal(found.n_lines[w], N_LINES);
        for (int i = 0; i < N_LINES; i++)
            assert_int_equal(found.seen[w][i], 1);
    }
}

/* Kills a writer at some point, again and again, while another one works: what was acknowledged is
 * there, once, and the other one misses nothing. */
static void a_killed_process_loses_nothing(void **state)
{
    const eai_log_file_opts opts = {.max_bytes = 2048, .n_plain = 1};
    const int n_kills = 12;
    int n_acked[12] = {0};
    (void)state;

    pid_t other = start_writer(3, 1500, -1, &opts);
    for (int k = 0; k < n_kills; k++) {
        char byte;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t pid = start_writer(k % 3, N_MAX, ends[1], &opts);
        close(ends[1]);
        for (int i = 0; i < 20 + 17 * k; i++)
            n_acked[k] += read(ends[0], &byte, 1) == 1;
        kill(pid, SIGKILL);
        while (read(ends[0], &byte, 1) == 1)
            n_acked[k]++;
        close(ends[0]);
        waitpid(pid, NULL, 0);
    }
    int status;
    waitpid(other, &status, 0);
    assert_int_equal(status, 0);
    read_log();
    assert_true(found.n_broken <= n_kills);
    assert_int_equal(found.n_lines[3], 1500);
    for (int i = 0; i < 1500; i++)
        assert_int_equal(found.seen[3][i], 1);
    for (int w = 0; w < 3; w++) {
        int least = 0; /* lines of all writers of this name, but the one under way at each kill */
        for (int k = w; k < n_kills; k += 3)
            least += n_acked[k];
        assert_in_range(found.n_lines[w], least, least + 4);
        for (int i = 0; i < 20; i++)
            assert_int_equal(found.seen[w][i], 4);
    }
}

int main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        FILE_TEST(lines_of_the_log),        FILE_TEST(full_files_are_put_aside),
        FILE_TEST(a_new_day_is_a_new_file), FILE_TEST(half_a_line_is_ended),
        FILE_TEST(the_name_decides),        FILE_TEST(a_lock_is_not_waited_for_long),
        FILE_TEST(put_aside_while_waiting), FILE_TEST(old_files_become_small_and_go),
        FILE_TEST(archive_under_faults),    FILE_TEST(a_failing_disk_loses_counted_lines),
        FILE_TEST(processes_share_a_file),  FILE_TEST(a_killed_process_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
