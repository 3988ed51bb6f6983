/* Files: what is read is what is there, and a write that fails leaves the old file and nothing
 * else. */
#include "support/eai_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

EAI_TEST_FOLDER

/* "FOLDER/name"; one of eight static buffers. */
static const char *in_folder(const char *name)
{
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void assert_content(const char *path, const char *expected)
{
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    size_t n = 0;

    assert_ok(eai_fs_read_file(&text, &n, path, 1 << 20, &err), &err);
    assert_string_equal(text, expected);
    assert_int_equal(n, strlen(expected));
    eai_free(text);
}

static int count_entries(void)
{
    DIR *d = opendir(folder);
    int n = 0;

    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void test_read_file(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    char *text = (char *)1;
    size_t n = 9;
    (void)state;

    put("a", "hello");
    put("empty", "");
    assert_content(in_folder("a"), "hello");
    assert_content(in_folder("empty"), "");
    assert_ok(eai_fs_read_file(&text, NULL, in_folder("a"), 5, &err), &err); /* exactly the limit */
    eai_free(text);
    assert_ok(eai_fs_read_file(&text, NULL, in_folder("a"), SIZE_MAX, &err), &err);
    eai_free(text);
    assert_ok(eai_fs_read_file(&text, &n, in_folder("empty"), 0, &err), &err);
    eai_free(text);
    assert_fails(eai_fs_read_file(&text, &n, in_folder("a"), 4, &err), EAI_ERR_LIMIT, &err,
                 "has 5 bytes, 4 are allowed");
    assert_null(text);
    assert_int_equal(n, 0);
    assert_fails(eai_fs_read_file(&text, &n, in_folder("none"), 4, &err), EAI_ERR_IO, &err,
                 "none': No such file");
    assert_fails(eai_fs_read_file(&text, &n, folder, 4, &err), EAI_ERR_IO, &err, "it is a folder");
}

static void *fill_pipe(void *ud)
{
    int fd = *(int *)ud;
    char block[1000];

    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 100; i++)
        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
            break;
    close(fd);
    return NULL;
}

static void test_read_a_pipe(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    if (access("/dev/fd", X_OK) != 0)
        skip();
    for (int round = 0; round < 2; round++) {
        size_t limit = round ? 99999 : 100000;
        pthread_t thread;
        char path[32];
        char *text = NULL;
        size_t n = 0;
        int fd[2];
        assert_int_equal(pipe(fd), 0);
        snprintf(path, sizeof(path), "/dev/fd/%d", fd[0]);
        signal(SIGPIPE, SIG_IGN);
        assert_int_equal(pthread_create(&thread, NULL, fill_pipe, &fd[1]), 0);
        eai_status st = eai_fs_read_file(&text, &n, path, limit, &err);
        close(fd[0]);
        pthread_join(thread, NULL);
        if (round) {
            assert_fails(st, EAI_ERR_LIMIT, &err, "larger than the 99999 bytes");
        } else {
            assert_ok(st, &err);
            assert_int_equal(n, 100000);
            assert_int_equal(text[99999], 'x');
        }
        eai_free(text);
    }
}

static void test_map(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_map *map = NULL;
    (void)state;

    put("a", "hello");
    put("empty", "");
    assert_ok(eai_map_open(&map, in_folder("a"), &err), &err);
    assert_int_equal(eai_map_size(map), 5);
    assert_memory_equal(eai_map_data(map), "hello", 5);
    eai_map_close(map);
    assert_ok(eai_map_open(&map, in_folder("empty"), &err), &err);
    assert_int_equal(eai_map_size(map), 0);
    assert_non_null(eai_map_data(map));
    eai_map_close(map);
    eai_map_close(NULL);
    assert_fails(eai_map_open(&map, folder, &err), EAI_ERR_IO, &err, "it is a folder");
    assert_null(map);
    assert_fails(eai_map_open(&map, "/dev/null", &err), EAI_ERR_IO, &err, "no regular file");
    assert_fails(eai_map_open(&map, in_folder("none"), &err), EAI_ERR_IO, &err, "No such file");
}

/* A map survives the replacement of its file: the old content stays. */
static void test_replacing_a_mapped_file(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_map *map = NULL;
    (void)state;

    put("a", "old content");
    assert_ok(eai_map_open(&map, in_folder("a"), &err), &err);
    assert_ok(eai_fs_write_atomic(in_folder("a"), "n", 1, &err), &err);
    assert_memory_equal(eai_map_data(map), "old content", 11);
    eai_map_close(map);
    assert_content(in_folder("a"), "n");
}

static void test_atomic_write(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    struct stat info;
    (void)state;

    mode_t old = umask(022);
    assert_ok(eai_fs_write_atomic(in_folder("new"), "one", 3, &err), &err);
    umask(old);
    assert_content(in_folder("new"), "one");
    assert_int_equal(stat(in_folder("new"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0644);
    assert_int_equal(chmod(in_folder("new"), 0600), 0);
    assert_ok(eai_fs_write_atomic(in_folder("new"), "", 0, &err), &err);
    assert_content(in_folder("new"), "");
    assert_int_equal(stat(in_folder("new"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600); /* the mode of the old file stays */
    assert_int_equal(count_entries(), 1);
}

static void test_nothing_is_seen_before_commit(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_file_writer *w = NULL;
    (void)state;

    put("a", "old");
    assert_ok(eai_file_writer_open(&w, in_folder("a"), &err), &err);
    assert_int_equal(count_entries(), 2);
    assert_ok(eai_file_writer_write(w, "new", 3, &err), &err);
    assert_int_equal(eai_file_writer_offset(w), 3);
    assert_content(in_folder("a"), "old");
    eai_file_writer_abort(w);
    assert_content(in_folder("a"), "old");
    assert_int_equal(count_entries(), 1);
    eai_file_writer_abort(NULL);

    assert_ok(eai_file_writer_open(&w, in_folder("a"), &err), &err);
    assert_int_equal(eai_file_writer_finish(w, EAI_ERR_FORMAT, &err), EAI_ERR_FORMAT);
    assert_content(in_folder("a"), "old");
    assert_int_equal(count_entries(), 1);
    assert_int_equal(eai_file_writer_finish(NULL, EAI_ERR_IO, &err), EAI_ERR_IO);
}

/* Blocks around the buffer's size arrive in order. */
static void test_large_and_small_blocks(void **state)
{
    enum { MOST = 600000 };
    static const size_t sizes[] = {1, 262143, 1, 262144, 5, 262145, 600000, 0, 3, 262142};
    eai_error err = EAI_ERROR_INIT;
    eai_file_writer *w = NULL;
    eai_map *map = NULL;
    uint64_t total = 0;
    (void)state;

    unsigned char *block = eai_alloc(MOST);
    assert_ok(eai_file_writer_open(&w, in_folder("big"), &err), &err);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            block[j] = (unsigned char)((total + j) % 251);
        assert_ok(eai_file_writer_write(w, block, sizes[i], &err), &err);
        total += sizes[i];
        assert_int_equal(eai_file_writer_offset(w), total);
    }
    assert_ok(eai_file_writer_commit(w, &err), &err);
    assert_ok(eai_map_open(&map, in_folder("big"), &err), &err);
    assert_int_equal(eai_map_size(map), total);
    const unsigned char *data = eai_map_data(map);
    for (uint64_t i = 0; i < total; i++)
        if (data[i] != i % 251)
            fail_msg("byte %llu differs", (unsigned long long)i);
    eai_map_close(map);
    eai_free(block);
}

static void test_links_stay_links(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    struct stat info;
    (void)state;

    put("real", "old");
    assert_int_equal(symlink("real", in_folder("link")), 0);
    assert_ok(eai_fs_write_atomic(in_folder("link"), "new", 3, &err), &err);
    assert_int_equal(lstat(in_folder("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_content(in_folder("real"), "new");
    assert_int_equal(count_entries(), 2);
}

static void test_bad_targets(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    assert_fails(eai_fs_write_atomic(folder, "x", 1, &err), EAI_ERR_IO, &err, "it is a folder");
    assert_fails(eai_fs_write_atomic(in_folder("no/such"), "x", 1, &err), EAI_ERR_IO, &err,
                 "No such file");
    assert_fails(eai_fs_write_atomic("", "x", 1, &err), EAI_ERR_ARGUMENT, &err,
                 "no name of a file");
    assert_fails(eai_fs_write_atomic(in_folder("a/"), "x", 1, &err), EAI_ERR_ARGUMENT, &err,
                 "no name of a file");
    if (geteuid() != 0) { /* root may write everything */
        put("locked", "old");
        assert_int_equal(chmod(in_folder("locked"), 0444), 0);
        assert_fails(eai_fs_write_atomic(in_folder("locked"), "x", 1, &err), EAI_ERR_IO, &err,
                     "Permission denied");
        assert_content(in_folder("locked"), "old");
    }
}

static void test_full_disk(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_file_writer *w = NULL;
    static char block[300000];
    (void)state;

    if (access("/dev/full", W_OK) != 0)
        skip();
    assert_fails(eai_fs_write_atomic("/dev/full", "x", 1, &err), EAI_ERR_IO, &err,
                 "cannot write '/dev/full' (at byte 0): No space left on device");
    assert_ok(eai_file_writer_open(&w, "/dev/full", &err), &err);
    assert_fails(eai_file_writer_write(w, block, sizeof(block), &err), EAI_ERR_IO, &err,
                 "No space");
    eai_file_writer_abort(w);
}

/* A limit on file sizes makes write() fall short first and then fail, as a disk does that fills up.
 */
static void test_short_write_leaves_the_old_file(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    struct rlimit old;
    static char block[300000];
    (void)state;

    put("a", "old");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit small = {100000, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    eai_status large = eai_fs_write_atomic(in_folder("a"), block, sizeof(block), &err);
    eai_error buffered_err = EAI_ERROR_INIT;
    eai_status buffered = eai_fs_write_atomic(in_folder("a"), block, 200000, &buffered_err);
    eai_status fits = eai_fs_write_atomic(in_folder("b"), block, 100000, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);

    assert_fails(large, EAI_ERR_IO, &err, "(at byte 100000): File too large");
    assert_fails(buffered, EAI_ERR_IO, &buffered_err, "(at byte 100000): File too large");
    assert_int_equal(fits, EAI_OK);
    assert_content(in_folder("a"), "old");
    assert_int_equal(count_entries(), 2);
}

static void test_mkdir_p(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    assert_ok(eai_fs_mkdir_p(in_folder("a/b//c/"), &err), &err);
    assert_true(eai_fs_is_folder(in_folder("a/b/c")));
    assert_ok(eai_fs_mkdir_p(in_folder("a/b/c"), &err), &err);
    assert_ok(eai_fs_mkdir_p("/", &err), &err);
    put("file", "x");
    assert_fails(eai_fs_mkdir_p(in_folder("file"), &err), EAI_ERR_IO, &err, "a file of that name");
    assert_fails(eai_fs_mkdir_p(in_folder("file/x"), &err), EAI_ERR_IO, &err,
                 "a file of that name");
    assert_fails(eai_fs_mkdir_p("", &err), EAI_ERR_ARGUMENT, &err, "empty name");
    assert_true(eai_fs_exists(in_folder("file")));
    assert_false(eai_fs_is_folder(in_folder("file")));
    assert_false(eai_fs_exists(in_folder("none")));
}

static void assert_join(const char *a, const char *b, const char *expected)
{
    char *path = eai_path_join(a, b);
    assert_string_equal(path, expected);
    eai_free(path);
}

static void test_path_join(void **state)
{
    (void)state;
    assert_join("a", "b", "a/b");
    assert_join("a/", "b", "a/b");
    assert_join("/", "b", "/b");
    assert_join("", "b", "b");
    assert_join("a", "/b", "/b");
}

static void assert_cache(const char *own, const char *xdg, const char *home, const char *expected)
{
    eai_error err = EAI_ERROR_INIT;
    const char *names[3] = {"EFFICIENTAI_CACHE", "XDG_CACHE_HOME", "HOME"};
    const char *values[3] = {own, xdg, home};
    char *path = NULL;

    for (int i = 0; i < 3; i++) {
        if (values[i])
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
    }
    eai_status st = eai_fs_cache_dir(&path, &err);
    if (expected) {
        assert_ok(st, &err);
        assert_string_equal(path, expected);
    } else {
        assert_fails(st, EAI_ERR_NOT_FOUND, &err, "EFFICIENTAI_CACHE");
        assert_null(path);
    }
    eai_free(path);
}

static void test_cache_dir(void **state)
{
#ifdef __APPLE__
    const char *at_home = "/h/Library/Caches/efficientai";
#else
    const char *at_home = "/h/.cache/efficientai";
#endif
    (void)state;
    assert_cache("/own", "/xdg", "/h", "/own");
    assert_cache(NULL, "/xdg", "/h", "/xdg/efficientai");
    assert_cache("", "", "/h", at_home);
    assert_cache(NULL, "relative", "/h", at_home);
    assert_cache(NULL, NULL, "", NULL);
    assert_cache(NULL, NULL, NULL, NULL);
}

/* FIPS 180-4 examples. */
static void test_sha256(void **state)
{
    static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    static const char million[] =
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    eai_error err = EAI_ERROR_INIT;
    char hex[EAI_SHA256_HEX_SIZE];
    (void)state;

    assert_ok(eai_sha256_memory(hex, NULL, 0, &err), &err);
    assert_string_equal(hex, empty);
    assert_ok(eai_sha256_memory(hex, "abc", 3, &err), &err);
    assert_string_equal(hex, abc);
    put("abc", "abc");
    assert_ok(eai_sha256_file(hex, in_folder("abc"), &err), &err);
    assert_string_equal(hex, abc);
    char *a = eai_alloc(1000000);
    memset(a, 'a', 1000000);
    assert_ok(eai_fs_write_atomic(in_folder("million"), a, 1000000, &err), &err);
    eai_free(a);
    assert_ok(eai_sha256_file(hex, in_folder("million"), &err), &err);
    assert_string_equal(hex, million);
    assert_fails(eai_sha256_file(hex, in_folder("none"), &err), EAI_ERR_IO, &err, "No such file");
    assert_string_equal(hex, "");
    assert_fails(eai_sha256_file(hex, folder, &err), EAI_ERR_IO, &err, "directory");
}

/* The number of a process that is gone. */
static long dead_process(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return (long)pid;
}

static size_t remove_left_overs_of(const char *name)
{
    eai_error err = EAI_ERROR_INIT;
    size_t n = 99;

    assert_ok(eai_fs_remove_left_overs(&n, folder, name, &err), &err);
    return n;
}

static void test_left_overs(void **state)
{
    char dead[3][64];
    char living[64];
    char folder_of_dead[64];
    char inside[128];
    long pid = dead_process();
    (void)state;

    snprintf(living, sizeof(living), ".f.tmp-%ld-0", (long)getpid());
    snprintf(dead[0], sizeof(dead[0]), ".f.tmp-%ld-0", pid);
    snprintf(dead[1], sizeof(dead[1]), ".f.tmp-1-1.tmp-%ld-12", pid);
    snprintf(dead[2], sizeof(dead[2]), ".f.tmp-%ld-1x", pid); /* nobody's: it stays */
    snprintf(folder_of_dead, sizeof(folder_of_dead), ".f.tmp-%ld-1", pid);
    snprintf(inside, sizeof(inside), "%s/a", folder_of_dead);
    const char *others[] = {"f",           living,      dead[2],   ".f.tmp-0-1",
                            ".f.tmp--5-1", ".f.tmp-1-", ".f.tmp-", ".f.tmp-99999999999999999999-1"};
    const int n_others = sizeof(others) / sizeof(others[0]);
    for (int i = 0; i < n_others; i++)
        put(others[i], "x");
    put(dead[0], "x");
    put(dead[1], "x");
    assert_int_equal(mkdir(in_folder(folder_of_dead), 0777), 0);
    put(inside, "x");

    assert_int_equal(remove_left_overs_of("g"), 0);
    assert_int_equal(remove_left_overs_of("f"), 2); /* the file and the folder */
    assert_int_equal(count_entries(), n_others + 1);
    assert_int_equal(remove_left_overs_of(NULL), 1);
    assert_int_equal(count_entries(), n_others);
}

/* The number of the process says that it is gone, the lock that it is not: it may run in another
 * container. */
static void test_left_overs_in_use_stay(void **state)
{
    char name[64];
    (void)state;

    snprintf(name, sizeof(name), ".f.tmp-%ld-0", dead_process());
    put(name, "x");
    int fd = open(in_folder(name), O_WRONLY);
    assert_int_equal(flock(fd, LOCK_SH), 0);
    assert_int_equal(remove_left_overs_of("f"), 0);
    assert_int_equal(count_entries(), 1);
    close(fd);
    assert_int_equal(remove_left_overs_of("f"), 1);
}

/* What the writer holds is locked until it has its name. */
static void test_writers_mark_their_files(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_file_writer *w = NULL;
    glob_t found;
    (void)state;

    assert_ok(eai_file_writer_open(&w, in_folder("f"), &err), &err);
    assert_int_equal(glob(in_folder(".f.tmp-*"), 0, NULL, &found), 0);
    int fd = open(found.gl_pathv[0], O_RDONLY);
    globfree(&found);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    assert_ok(eai_file_writer_commit(w, &err), &err);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
}

static void test_free_space(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_file_writer *w = NULL;
    uint64_t n = 0;
    char text[64];
    (void)state;

    assert_ok(eai_fs_free_space(&n, in_folder("not/yet/there"), &err), &err);
    assert_true(n > 0 && n < UINT64_MAX);
    assert_fails(eai_fs_check_space(in_folder("f"), UINT64_MAX, &err), EAI_ERR_IO, &err,
                 "/f' needs 18.4 EB, ");
    setenv("EAI_FREE_SPACE", "300000000", 1);
    assert_ok(eai_fs_free_space(&n, "no/such/folder", &err), &err);
    assert_int_equal(n, 300000000);
    assert_ok(eai_fs_check_space(in_folder("f"), 300000000, &err), &err);
    snprintf(text, sizeof(text), "needs 1.2 GB, 300.0 MB are free on '%s", folder);
    assert_fails(eai_fs_check_space(in_folder("f"), 1200000000, &err), EAI_ERR_IO, &err, text);
    assert_fails(eai_fs_check_space("f", 1200000000, &err), EAI_ERR_IO, &err, "are free on '.'");
    assert_fails(eai_fs_check_space("/f", 1200000000, &err), EAI_ERR_IO, &err, "are free on '/'");

    put("f", "old");
    assert_ok(eai_file_writer_open(&w, in_folder("f"), &err), &err);
    eai_status st = eai_file_writer_expect(w, 300000001, &err);
    assert_fails(eai_file_writer_finish(w, st, &err), EAI_ERR_IO, &err, "/f' needs 300.0 MB, ");
    unsetenv("EAI_FREE_SPACE");
    assert_content(in_folder("f"), "old");
    assert_int_equal(count_entries(), 1);
    if (access("/dev/null", W_OK) == 0) { /* no file: no space is needed */
        assert_ok(eai_file_writer_open(&w, "/dev/null", &err), &err);
        st = eai_file_writer_expect(w, UINT64_MAX, &err);
        assert_ok(eai_file_writer_finish(w, st, &err), &err);
    }
}

static void test_remove_tree(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    assert_ok(eai_fs_mkdir_p(in_folder("t/a/b"), &err), &err);
    assert_ok(eai_fs_mkdir_p(in_folder("outside"), &err), &err);
    put("outside/precious", "x");
    put("t/a/b/f", "x");
    put("t/.hidden", "x");
    assert_int_equal(symlink(in_folder("outside"), in_folder("t/a/link")), 0);
    assert_int_equal(symlink("..", in_folder("t/a/up")), 0);
    assert_int_equal(symlink("t", in_folder("to-t")), 0);
    assert_ok(eai_fs_remove_tree(in_folder("to-t"), &err), &err); /* the link, not what it names */
    assert_content(in_folder("t/a/b/f"), "x");
    assert_ok(eai_fs_remove_tree(in_folder("t"), &err), &err);
    assert_false(eai_fs_exists(in_folder("t")));
    assert_content(in_folder("outside/precious"), "x");
    assert_ok(eai_fs_remove_tree(in_folder("t"), &err), &err); /* gone already */
    assert_ok(eai_fs_remove_tree(in_folder("outside/precious"), &err), &err);
    assert_fails(eai_fs_remove_tree("/dev/null/x", &err), EAI_ERR_IO, &err,
                 "cannot remove '/dev/null/x'");
}

static void test_too_deep_a_tree_stays(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    char deep[1024];
    size_t n = (size_t)snprintf(deep, sizeof(deep), "%s/t", folder);
    (void)state;

    while (n < strlen(folder) + 2 + 2 * 260)
        n += (size_t)snprintf(deep + n, sizeof(deep) - n, "/d");
    assert_ok(eai_fs_mkdir_p(deep, &err), &err);
    assert_fails(eai_fs_remove_tree(in_folder("t"), &err), EAI_ERR_LIMIT, &err,
                 "more than 256 folders in each other");
}

static eai_status use_files(void *ud, eai_error *err)
{
    char hex[EAI_SHA256_HEX_SIZE];
    char *text = NULL;
    char *path = NULL;
    eai_map *map = NULL;
    (void)ud;

    eai_status st = eai_fs_mkdir_p(in_folder("t/u"), err);
    if (st == EAI_OK)
        st = eai_fs_write_atomic(in_folder("t/u/f"), "text", 4, err);
    if (st == EAI_OK)
        st = eai_fs_write_atomic(in_folder("t/link"), "text", 4, err);
    if (st == EAI_OK)
        st = eai_fs_read_file(&text, NULL, in_folder("t/u/f"), 100, err);
    if (st == EAI_OK)
        st = eai_map_open(&map, in_folder("t/u/f"), err);
    if (st == EAI_OK)
        st = eai_sha256_file(hex, in_folder("t/u/f"), err);
    if (st == EAI_OK)
        st = eai_fs_check_space(in_folder("t/no/f"), 1, err);
    if (st == EAI_OK)
        st = eai_fs_remove_left_overs(NULL, in_folder("t"), NULL, err);
    if (st == EAI_OK)
        st = eai_fs_cache_dir(&path, err);
    eai_map_close(map);
    eai_free(text);
    eai_free(path);
    return st;
}

static void test_torture(void **state)
{
    (void)state;
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    assert_int_equal(mkdir(in_folder("t"), 0777), 0);
    put("t/target", "old");
    assert_int_equal(symlink("target", in_folder("t/link")), 0);
    eai_test_torture(use_files, NULL);
    assert_content(in_folder("t/u/f"), "text");
    assert_int_equal(unlink(in_folder("t/u/f")), 0);
    assert_int_equal(rmdir(in_folder("t/u")), 0); /* no temporary file was left behind */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read_file),
        TEST(test_read_a_pipe),
        TEST(test_map),
        TEST(test_replacing_a_mapped_file),
        TEST(test_atomic_write),
        TEST(test_nothing_is_seen_before_commit),
        TEST(test_large_and_small_blocks),
        TEST(test_links_stay_links),
        TEST(test_bad_targets),
        TEST(test_full_disk),
        TEST(test_short_write_leaves_the_old_file),
        TEST(test_mkdir_p),
        TEST(test_path_join),
        TEST(test_cache_dir),
        TEST(test_left_overs),
        TEST(test_left_overs_in_use_stay),
        TEST(test_writers_mark_their_files),
        TEST(test_free_space),
        TEST(test_remove_tree),
        TEST(test_too_deep_a_tree_stays),
        TEST(test_sha256),
        TEST(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
