/* The asserts and helpers of eai_test.h. */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "support/eai_test.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/io.h"

void eai_test_assert_ok(eai_status status, const eai_error *err, const char *file, int line)
{
    if (status != EAI_OK) {
        print_error("%s: %s\n", eai_status_name(status), err ? err->message : "(no message)");
        _fail(file, line);
    }
}

void eai_test_assert_fails(eai_status status, eai_status code, const eai_error *err,
                           const char *text, const char *file, int line)
{
    if (status != code) {
        print_error("expected %s, got %s: %s\n", eai_status_name(code), eai_status_name(status),
                    err ? err->message : "");
        _fail(file, line);
    }
    if (text && (!err || !strstr(err->message, text))) {
        print_error("message '%s' does not contain '%s'\n", err ? err->message : "(none)", text);
        _fail(file, line);
    }
}

void eai_test_assert_close(const float *actual, const float *expected, size_t n, double rtol,
                           double atol, const char *file, int line)
{
    size_t worst = 0;
    double worst_excess = 0;
    for (size_t i = 0; i < n; i++) {
        double a = (double)actual[i];
        double e = (double)expected[i];
        double excess = fabs(a - e) - (atol + rtol * fabs(e));
        if (isnan(a) != isnan(e))
            excess = HUGE_VAL;
        if (isinf(e) && a == e)
            excess = -1;
        if (excess > worst_excess) {
            worst_excess = excess;
            worst = i;
        }
    }
    if (worst_excess > 0) {
        print_error("worst at %zu of %zu: actual %.9g, expected %.9g (rtol %g, atol %g)\n", worst,
                    n, (double)actual[worst], (double)expected[worst], rtol, atol);
        _fail(file, line);
    }
}

const char *eai_test_model_path(void)
{
    static char path[4096];
    const char *given = getenv("EFFICIENTAI_TEST_MODEL");
    char *cache = NULL;

    if (given && *given)
        snprintf(path, sizeof(path), "%s", given);
    else if (eai_fs_cache_dir(&cache, NULL) == EAI_OK)
        snprintf(path, sizeof(path),
                 "%s/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf", cache);
    eai_free(cache);
    return access(path, R_OK) == 0 ? path : NULL;
}

char *eai_test_make_folder(void)
{
    char path[] = "/tmp/eai-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    return strdup(path);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void eai_test_remove_folder(char *path)
{
    nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(path);
}

const char *eai_test_path(const char *folder, const char *name)
{
    static char paths[4][4096];
    static int next;
    char *path = paths[next++ % 4];
    assert_true(snprintf(path, sizeof(paths[0]), "%s/%s", folder, name) < (int)sizeof(paths[0]));
    return path;
}

void eai_test_torture(eai_status (*fn)(void *ud, eai_error *err), void *ud)
{
    for (uint64_t n = 1; n < 100000; n++) {
        eai_error err = EAI_ERROR_INIT;
        eai_alloc_fail_at(n);
        eai_status st = fn(ud, &err);
        bool reached = eai_alloc_count() >= n;
        eai_alloc_fail_at(0);
        if (!reached) {
            eai_test_assert_ok(st, &err, __FILE__, __LINE__);
            return;
        }
        if (st != EAI_ERR_NOMEM || err.message[0] == '\0') {
            print_error("allocation %llu failed: got %s with message '%s'\n", (unsigned long long)n,
                        eai_status_name(st), err.message);
            fail();
        }
    }
    fail_msg("more than 100000 allocations");
}

/* nftw() has no user data: whether the walk met a temporary file (file_writer.c, retention.c). */
static int find_temporary(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    const char *name = path + ftw->base;
    size_t n = strlen(name);
    (void)st;
    (void)flag;
    if (!strstr(name, ".tmp-") && !(n > 4 && strcmp(name + n - 4, ".new") == 0))
        return 0;
    print_error("a temporary file was left: %s\n", path);
    return 1;
}

static void assert_io_failure(eai_status st, const eai_error *err, int fault, const char *folder)
{
    if (st == EAI_OK) /* the call's result did not matter, or it took no space */
        return;
    if (fault != EIO && fault != ENOSPC)
        eai_test_assert_ok(st, err, __FILE__, __LINE__);
    eai_test_assert_fails(st, EAI_ERR_IO, err, folder, __FILE__, __LINE__);
    eai_test_assert_fails(st, EAI_ERR_IO, err, strerror(fault), __FILE__, __LINE__);
}

void eai_test_io_torture(eai_status (*fn)(void *ud, eai_error *err), void (*check)(void *ud),
                         void *ud, const char *folder)
{
    static const int faults[] = {EIO, ENOSPC, EINTR, IO_SHORT};
    uint64_t n_failures = 0;

    for (size_t f = 0; f < sizeof(faults) / sizeof(faults[0]); f++) {
        bool reached = true;
        for (uint64_t n = 1; reached; n++) {
            eai_error err = EAI_ERROR_INIT;
            io__fail_at(n, faults[f]);
            eai_status st = fn(ud, &err);
            reached = io__count() >= n;
            io__fail_at(0, 0);
            n_failures += st != EAI_OK;
            assert_io_failure(st, &err, reached ? faults[f] : 0, folder);
            assert_int_equal(nftw(folder, find_temporary, 8, FTW_PHYS), 0);
            if (check)
                check(ud);
        }
    }
    assert_true(n_failures > 0);
}

/* The wait status of a process that runs fn(ud) and is killed before its n-th call. */
static int run_killed(uint64_t n, eai_status (*fn)(void *ud, eai_error *err), void *ud)
{
    int status = 0;

    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        eai_error err = EAI_ERROR_INIT;
        io__fail_at(n, IO_KILL);
        eai_status st = fn(ud, &err);
        if (st != EAI_OK)
            fprintf(stderr, "killed before call %llu: %s: %s\n", (unsigned long long)n,
                    eai_status_name(st), err.message);
        _exit(st == EAI_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

void eai_test_kill_torture(eai_status (*fn)(void *ud, eai_error *err), void (*check)(void *ud),
                           void (*clean)(void *ud), void *ud, const char *folder)
{
    uint64_t n_killed = 0;

    for (;;) {
        int status = run_killed(n_killed + 1, fn, ud);
        check(ud);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            break;
        }
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        n_killed++;
    }
    assert_true(n_killed > 0);
    if (clean)
        clean(ud);
    assert_int_equal(nftw(folder, find_temporary, 8, FTW_PHYS), 0);
}
