/* Locks between processes: who is kept out, what the message says, and that a dead holder holds
 * nothing. */
#include "support/eai_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/lock.h>

#include "base/io.h"

static char *folder;
static char path[512];

static int make_folder(void **state)
{
    (void)state;
    folder = eai_test_make_folder();
    snprintf(path, sizeof(path), "%s/lock", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    eai_test_remove_folder(folder);
    return 0;
}

static const eai_lock_opts shared = {.shared = true};

static void one_alone_or_several_shared(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_lock *a = NULL;
    eai_lock *b = NULL;
    eai_lock *c = NULL;
    char text[64];
    (void)state;

    snprintf(text, sizeof(text), "/lock' is locked by process %ld since 20", (long)getpid());
    assert_ok(eai_lock_open(&a, path, NULL, &err), &err);
    assert_fails(eai_lock_open(&b, path, NULL, &err), EAI_ERR_BUSY, &err, text);
    assert_null(b);
    assert_fails(eai_lock_open(&b, path, &shared, &err), EAI_ERR_BUSY, &err, text);
    eai_lock_close(a);
    assert_ok(eai_lock_open(&a, path, &shared, &err), &err);
    assert_ok(eai_lock_open(&b, path, &shared, &err), &err);
    assert_fails(eai_lock_open(&c, path, NULL, &err), EAI_ERR_BUSY, &err, "is locked by ");
    eai_lock_close(a);
    assert_fails(eai_lock_open(&c, path, NULL, &err), EAI_ERR_BUSY, &err, "by another process");
    eai_lock_close(b);
    assert_ok(eai_lock_open(&c, path, NULL, &err), &err);
    eai_lock_close(c);
    eai_lock_close(NULL);
}

/* A child that holds the lock until it is killed. */
static pid_t hold_in_child(void)
{
    int ready[2];
    char c = 0;

    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        eai_lock *lock = NULL;
        c = eai_lock_open(&lock, path, NULL, NULL) == EAI_OK ? 'y' : 'n';
        if (write(ready[1], &c, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void a_killed_holder_holds_nothing(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_lock *lock = NULL;
    char text[64];
    (void)state;

    pid_t pid = hold_in_child();
    snprintf(text, sizeof(text), "is locked by process %ld since 20", (long)pid);
    assert_fails(eai_lock_open(&lock, path, NULL, &err), EAI_ERR_BUSY, &err, text);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_ok(eai_lock_open(&lock, path, NULL, &err), &err);
    eai_lock_close(lock);
}

/* Counts, and ends who is waited for. */
typedef struct waiter {
    int n;
    char holder[96];
    pid_t holder_pid;
} waiter;

static void end_holder(void *ud, const char *holder)
{
    waiter *w = ud;
    w->n++;
    snprintf(w->holder, sizeof(w->holder), "%s", holder);
    if (w->holder_pid)
        kill(w->holder_pid, SIGKILL);
}

static void waiting_ends_with_the_lock_or_with_the_time(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_lock *a = NULL;
    eai_lock *b = NULL;
    waiter w = {0};
    (void)state;

    assert_ok(eai_lock_open(&a, path, NULL, &err), &err);
    eai_lock_opts opts = {.timeout = 0.25, .waiting = end_holder, .ud = &w};
    double start = eai_clock_seconds();
    assert_fails(eai_lock_open(&b, path, &opts, &err), EAI_ERR_BUSY, &err, "(waited 0.");
    assert_true(eai_clock_seconds() - start >= 0.25);
    assert_int_equal(w.n, 1);
    eai_lock_close(a);

    w = (waiter){.holder_pid = hold_in_child()};
    opts.timeout = -1;
    assert_ok(eai_lock_open(&b, path, &opts, &err), &err);
    assert_int_equal(w.n, 1);
    assert_non_null(strstr(w.holder, "process "));
    eai_lock_close(b);
    assert_int_equal(waitpid(w.holder_pid, NULL, 0), w.holder_pid);
}

/* What a lock file says is believed only as far as it can be true. */
static void notes_of_others_are_not_believed(void **state)
{
    static const char *const notes[] = {"",
                                        "x",
                                        "1 \n",
                                        "0 2026-11-28T12:00:00Z\n",
                                        "1 2026-11-28T12:00:00Z",
                                        "1 \x1b[2J-11-28T12:00:00Z\n",
                                        "1 2026-11-28T12:00:00ZZ\n",
                                        "99999999999999999999 2026-11-28T12:00:00Z\n",
                                        "4294967297 2026-11-28T12:00:00Z\n",
                                        "-1 2026-11-28T12:00:00Z\n"};
    eai_error err = EAI_ERROR_INIT;
    eai_lock *a = NULL;
    eai_lock *b = NULL;
    (void)state;

    assert_ok(eai_lock_open(&a, path, NULL, &err), &err);
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(notes[i], f);
        fclose(f);
        assert_fails(eai_lock_open(&b, path, NULL, &err), EAI_ERR_BUSY, &err,
                     "is locked by another process");
    }
    eai_lock_close(a);
}

static void what_cannot_be_locked_says_why(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_lock *lock = NULL;
    char other[600];
    (void)state;

    assert_fails(eai_lock_open(&lock, folder, NULL, &err), EAI_ERR_IO, &err,
                 "cannot open the lock");
    snprintf(other, sizeof(other), "%s/none/lock", folder);
    assert_fails(eai_lock_open(&lock, other, NULL, &err), EAI_ERR_IO, &err, "No such file");
    snprintf(other, sizeof(other), "%s/link", folder);
    assert_int_equal(symlink("/etc/passwd", other), 0);
    assert_fails(eai_lock_open(&lock, other, NULL, &err), EAI_ERR_IO, &err, "cannot open the lock");
}

static eai_status lock_and_unlock(void *ud, eai_error *err)
{
    eai_lock *lock = NULL;
    (void)ud;
    eai_status st = eai_lock_open(&lock, path, NULL, err);
    eai_lock_close(lock);
    return st;
}

static void every_failure_is_told(void **state)
{
    (void)state;
    eai_test_torture(lock_and_unlock, NULL);
    eai_test_io_torture(lock_and_unlock, NULL, NULL, folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_alone_or_several_shared),
        TEST(a_killed_holder_holds_nothing),
        TEST(waiting_ends_with_the_lock_or_with_the_time),
        TEST(notes_of_others_are_not_believed),
        TEST(what_cannot_be_locked_says_why),
        TEST(every_failure_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
