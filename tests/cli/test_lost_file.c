/* What becomes of a program whose mapped file is made shorter: each case is a child process, for it
 * ends there. */
#include "support/eai_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "cli/lost_file.h"

/* Sanitizers handle the signal themselves, and without /proc there is nothing to look up. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_WATCH 0
#else
#define CAN_WATCH (access("/proc/self/maps", R_OK) == 0)
#endif

static void read_mapped(const char *path)
{
    eai_map *map = NULL;
    lost_file__watch();
    if (eai_map_open(&map, path, NULL) == EAI_OK && truncate(path, 0) == 0)
        (void)*(volatile const char *)eai_map_data(map);
}

static void raise_it(const char *path)
{
    (void)path;
    lost_file__watch();
    raise(SIGBUS);
}

static void on_signal(int number)
{
    _exit(number == SIGBUS ? 7 : 8);
}

static void read_with_an_own_handler(const char *path)
{
    signal(SIGBUS, on_signal);
    read_mapped(path);
}

/* The child's status; what it wrote on standard error is in `text`. */
static int run_child(char *text, size_t size, void (*act)(const char *), const char *path)
{
    int status = -1;
    char *log = eai_asprintf("%s.log", path);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen(log, "w", stderr))
            _exit(9);
        signal(SIGBUS, SIG_DFL); /* cmocka has a handler of its own */
        act(path);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    char *seen = NULL;
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_fs_read_file(&seen, NULL, log, size - 1, &err), &err);
    snprintf(text, size, "%s", seen);
    eai_free(seen);
    eai_free(log);
    return status;
}

static void a_file_that_becomes_shorter_is_named(void **state)
{
    (void)state;
    char text[4096];
    char expected[4096];
    if (!CAN_WATCH)
        skip();
    eai_error err = EAI_ERROR_INIT;
    char *folder = eai_test_make_folder();
    char *path = eai_path_join(folder, "x y");
    assert_ok(eai_fs_write_atomic(path, "abc", 3, &err), &err);
    int status = run_child(text, sizeof(text), read_mapped, path);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    snprintf(expected, sizeof(expected),
             "error: '%s' was made shorter while it was in use, or its disk failed\n", path);
    assert_string_equal(text, expected);

    assert_ok(eai_fs_write_atomic(path, "abc", 3, &err), &err);
    status = run_child(text, sizeof(text), read_with_an_own_handler, path);
    assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 7);
    assert_string_equal(text, "");
    eai_free(path);
    eai_test_remove_folder(folder);
}

static void other_bus_errors_are_what_they_were(void **state)
{
    (void)state;
    char text[4096];
    if (!CAN_WATCH)
        skip();
    char *folder = eai_test_make_folder();
    char *path = eai_path_join(folder, "x");
    int status = run_child(text, sizeof(text), raise_it, path);
    assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : -1, SIGBUS);
    assert_string_equal(text, "");
    eai_free(path);
    eai_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_becomes_shorter_is_named),
        cmocka_unit_test(other_bus_errors_are_what_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
