/* What every test includes: cmocka in the order it needs, and our asserts. Nobody includes cmocka
 * directly. Start at assert_ok and assert_close. */
#ifndef EAI_TEST_H
#define EAI_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <efficientai/error.h>

/* The status is EAI_OK; otherwise the test fails with the message. */
#define assert_ok(status, err) eai_test_assert_ok((status), (err), __FILE__, __LINE__)
/* The status is `code` and the message contains `text`. */
#define assert_fails(status, code, err, text)                                                      \
    eai_test_assert_fails((status), (code), (err), (text), __FILE__, __LINE__)
/* |a - e| <= atol + rtol * |e| for each of n floats; prints the worst index, both values. */
#define assert_close(actual, expected, n, rtol, atol)                                              \
    eai_test_assert_close((actual), (expected), (n), (rtol), (atol), __FILE__, __LINE__)

void eai_test_assert_ok(eai_status status, const eai_error *err, const char *file, int line);
void eai_test_assert_fails(eai_status status, eai_status code, const eai_error *err,
                           const char *text, const char *file, int line);
void eai_test_assert_close(const float *actual, const float *expected, size_t n, double rtol,
                           double atol, const char *file, int line);

/* The larger of two errors; unlike fmax() it lets NaN win. (And GCC 12 for arm64 breaks down on
 * loops with fmax().) */
static inline double eai_test_worse(double a, double b)
{
    return isnan(a) || b <= a ? a : b;
}

/* The real default model's file: $EFFICIENTAI_TEST_MODEL, else the user's cache. NULL where absent:
 * the test then prints why and skips. The text is borrowed and static. */
const char *eai_test_model_path(void);
#define SKIP_WITHOUT_MODEL(path)                                                                   \
    do {                                                                                           \
        if (!(path)) {                                                                             \
            print_message("SKIPPED: the default model is not on this machine "                     \
                          "(efficientai models get smollm2-135m-instruct)\n");                     \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* A new empty folder for this test, removed by eai_test_remove_folder. The caller frees with free.
 */
char *eai_test_make_folder(void);
void eai_test_remove_folder(char *path);
/* The variable `folder`, and make_folder and remove_folder, with which a group of tests begins and
 * ends. */
#define EAI_TEST_FOLDER                                                                            \
    static char *folder;                                                                           \
    static int make_folder(void **state)                                                           \
    {                                                                                              \
        (void)state;                                                                               \
        folder = eai_test_make_folder();                                                           \
        return 0;                                                                                  \
    }                                                                                              \
    static int remove_folder(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        eai_test_remove_folder(folder);                                                            \
        return 0;                                                                                  \
    }
/* "folder/name"; static, until the fourth call from now. */
const char *eai_test_path(const char *folder, const char *name);

/* Runs fn(ud) with the 1st, 2nd, 3rd ... allocation failing until it succeeds; each failure must be
 * EAI_ERR_NOMEM with a message. */
void eai_test_torture(eai_status (*fn)(void *ud, eai_error *err), void *ud);

/* Runs fn(ud) with the 1st, 2nd, 3rd ... call that reads or writes files failing (base/io.h), for
 * each kind of fault, until it succeeds. Interrupted and short calls must not be noticed; any other
 * failure must be EAI_ERR_IO with a message that names something in `folder`, and leave no
 * temporary file there. `check`, unless NULL, looks after each run at what there is now. */
void eai_test_io_torture(eai_status (*fn)(void *ud, eai_error *err), void (*check)(void *ud),
                         void *ud, const char *folder);

/* Runs fn(ud) in a process of its own that is killed before its 1st, 2nd, 3rd ... call that reads
 * or writes files, until one survives. `check` looks after each at what there is; each run meets
 * what the ones before it left. fn must not use cmocka's asserts. Then `clean` (NULL: nothing) is
 * called, behind which no temporary file may be left in `folder`. */
void eai_test_kill_torture(eai_status (*fn)(void *ud, eai_error *err), void (*check)(void *ud),
                           void (*clean)(void *ud), void *ud, const char *folder);

#endif
