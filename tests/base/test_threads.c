/* The pool: each task once, barriers hold, many short jobs, sleeping workers wake. */
#include "support/eai_test.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <efficientai/clock.h>
#include <efficientai/threads.h>

static void count_task(void *ud, size_t task, int thread)
{
    atomic_int *counts = ud;
    assert_true(thread >= 0 && thread < 4);
    atomic_fetch_add(&counts[task], 1);
}

static void every_task_runs_once(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    for (int n = 1; n <= 4; n++) {
        eai_pool *p = NULL;
        atomic_int counts[1000];
        for (int i = 0; i < 1000; i++)
            atomic_init(&counts[i], 0);
        assert_ok(eai_pool_create(&p, n, &err), &err);
        assert_int_equal(eai_pool_threads(p), n);
        for (size_t tasks = 0; tasks <= 1000; tasks += 100)
            eai_pool_run(p, count_task, counts, tasks);
        for (int i = 0; i < 1000; i++)
            assert_int_equal(atomic_load(&counts[i]), 10 - i / 100);
        eai_pool_free(p);
    }
}

typedef struct relay {
    eai_pool *pool;
    int values[4];
    int sums[4];
} relay;

/* Each thread writes, waits, then reads what all wrote. */
static void pass_round(void *ud, size_t task, int thread)
{
    relay *r = ud;
    for (int round = 1; round <= 50; round++) {
        r->values[task] = round * (thread + 1);
        eai_pool_barrier(r->pool);
        r->sums[task] = r->values[0] + r->values[1] + r->values[2] + r->values[3];
        eai_pool_barrier(r->pool);
    }
}

static void barriers_hold(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    relay r = {0};
    assert_ok(eai_pool_create(&r.pool, 4, &err), &err);
    for (int i = 0; i < 20; i++) {
        eai_pool_run_each(r.pool, pass_round, &r);
        for (int t = 0; t < 4; t++)
            assert_int_equal(r.sums[t], 50 * 10);
    }
    eai_pool_free(r.pool);
}

static void workers_sleep_and_wake(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_pool *p = NULL;
    atomic_int counts[8];
    for (int i = 0; i < 8; i++)
        atomic_init(&counts[i], 0);
    assert_ok(eai_pool_create(&p, 3, &err), &err);
    for (int i = 0; i < 20; i++) {
        usleep(i < 10 ? 2000 : 100);
        eai_pool_run(p, count_task, counts, 8);
    }
    double start = eai_clock_seconds();
    for (int i = 0; i < 2000; i++)
        eai_pool_run(p, count_task, counts, 8);
    print_message("an empty job takes %.1f us\n", (eai_clock_seconds() - start) / 2000 * 1e6);
    assert_int_equal(atomic_load(&counts[7]), 2020);
    eai_pool_free(p);
}

/* More threads than cores: workers often come when the job that woke them is over. */
static void late_workers_take_no_task_twice(void **state)
{
    enum { JOBS = 20000 };
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_pool *p = NULL;
    atomic_int *counts = calloc(3 * JOBS, sizeof(*counts));
    assert_non_null(counts);
    assert_ok(eai_pool_create(&p, 4, &err), &err);
    for (int i = 0; i < JOBS; i++)
        eai_pool_run(p, count_task, counts + (ptrdiff_t)3 * i, i % 2 ? 3 : 2);
    eai_pool_free(p);
    for (int i = 0; i < 3 * JOBS; i++)
        assert_int_equal(atomic_load(&counts[i]), i % 3 < 2 || i / 3 % 2);
    free(counts);
}

static void bad_numbers_are_refused(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_pool *p = NULL;
    assert_fails(eai_pool_create(&p, 0, &err), EAI_ERR_ARGUMENT, &err, "0 threads");
    assert_fails(eai_pool_create(&p, 100000, &err), EAI_ERR_ARGUMENT, &err, "1 to 1024");
    assert_null(p);
    eai_pool_free(NULL);
}

static eai_status create_pool(void *ud, eai_error *err)
{
    eai_pool *p;
    (void)ud;
    EAI_TRY(eai_pool_create(&p, 3, err));
    eai_pool_free(p);
    return EAI_OK;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    eai_test_torture(create_pool, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(barriers_hold),
        cmocka_unit_test(workers_sleep_and_wake),
        cmocka_unit_test(late_workers_take_no_task_twice),
        cmocka_unit_test(bad_numbers_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
