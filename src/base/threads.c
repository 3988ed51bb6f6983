/* The thread pool: an epoch counter starts a job, an atomic counter hands out its tasks, another
 * counts the threads that are still at work.
 *
 * A training step starts thousands of jobs, so a wake-up by the kernel for each would cost more
 * than many of them. Workers therefore spin on the epoch for a while before they sleep. The one
 * race that matters: a worker announces that it sleeps (under the lock), then looks at the epoch
 * again; the caller raises the epoch, then looks whether anyone sleeps. Both are sequentially
 * consistent, so one of them sees the other. */
#include <efficientai/threads.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

#define SPINS_BEFORE_SLEEP 4000 /* about 50 us of pauses */
#define SPINS_BEFORE_YIELD 200

struct eai_pool {
    int n_threads;
    pthread_t *workers; /* [n_threads - 1] */
    int n_started;
    eai_pool_fn fn;
    void *ud;
    size_t n_tasks;
    bool each;
    atomic_uint epoch;
    atomic_size_t next; /* task to hand out */
    atomic_int working; /* workers that have not finished the job */
    atomic_int sleepers;
    atomic_bool quit;
    atomic_int arrived; /* at the barrier */
    atomic_uint barrier_epoch;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

typedef struct worker_start {
    eai_pool *pool;
    int thread;
} worker_start;

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Spins at first, then lets others run: the machine may have fewer free cores than threads. */
static void wait_a_moment(unsigned *spins)
{
    if (++*spins % SPINS_BEFORE_YIELD == 0)
        sched_yield();
    else
        relax();
}

static void take_tasks(eai_pool *p, int thread)
{
    if (p->each) {
        p->fn(p->ud, (size_t)thread, thread);
        return;
    }
    for (;;) {
        size_t task = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (task >= p->n_tasks)
            return;
        p->fn(p->ud, task, thread);
    }
}

/* Until there is a new epoch; false when the pool ends. */
static bool wait_for_job(eai_pool *p, unsigned seen)
{
    for (unsigned i = 0; i < SPINS_BEFORE_SLEEP; i++) {
        if (atomic_load_explicit(&p->epoch, memory_order_acquire) != seen)
            return !atomic_load(&p->quit);
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->epoch) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
    return !atomic_load(&p->quit);
}

static void *work(void *arg)
{
    worker_start start = *(worker_start *)arg;
    eai_pool *p = start.pool;
    unsigned seen = 0;
    eai_free(arg);
    while (wait_for_job(p, seen)) {
        seen++;
        take_tasks(p, start.thread);
        atomic_fetch_sub_explicit(&p->working, 1, memory_order_release);
    }
    return NULL;
}

static void raise_epoch(eai_pool *p)
{
    atomic_fetch_add(&p->epoch, 1);
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
}

static eai_status start_worker(eai_pool *p, int thread, eai_error *err)
{
    worker_start *start = eai_alloc(sizeof(*start));
    if (!start)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a thread");
    *start = (worker_start){p, thread};
    int code = pthread_create(&p->workers[thread - 1], NULL, work, start);
    if (code != 0) {
        eai_free(start);
        return eai_error_set(err, EAI_ERR_LIMIT, "cannot start thread %d of %d: %s", thread + 1,
                             p->n_threads, strerror(code));
    }
    p->n_started++;
    return EAI_OK;
}

eai_status eai_pool_create(eai_pool **out, int n_threads, eai_error *err)
{
    *out = NULL;
    if (n_threads < 1 || n_threads > EAI_POOL_MAX)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "%d threads: allowed is 1 to %d", n_threads,
                             EAI_POOL_MAX);
    eai_pool *p = eai_alloc_zeroed(1, sizeof(*p));
    if (!p)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a thread pool");
    p->n_threads = n_threads;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    eai_status st = EAI_OK;
    p->workers = eai_alloc_array((size_t)n_threads, sizeof(*p->workers));
    if (!p->workers)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for %d threads", n_threads);
    for (int t = 1; st == EAI_OK && t < n_threads; t++)
        st = start_worker(p, t, err);
    if (st != EAI_OK) {
        eai_pool_free(p);
        return st;
    }
    *out = p;
    return EAI_OK;
}

void eai_pool_free(eai_pool *p)
{
    if (!p)
        return;
    atomic_store(&p->quit, true);
    raise_epoch(p);
    for (int i = 0; i < p->n_started; i++)
        pthread_join(p->workers[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    eai_free(p->workers);
    eai_free(p);
}

int eai_pool_threads(const eai_pool *p)
{
    return p->n_threads;
}

static void run_job(eai_pool *p, eai_pool_fn fn, void *ud, size_t n_tasks, bool each)
{
    unsigned spins = 0;
    p->fn = fn;
    p->ud = ud;
    p->n_tasks = n_tasks;
    p->each = each;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_store_explicit(&p->working, p->n_threads - 1, memory_order_relaxed);
    raise_epoch(p);
    take_tasks(p, 0);
    while (atomic_load_explicit(&p->working, memory_order_acquire) > 0)
        wait_a_moment(&spins);
}

void eai_pool_run(eai_pool *p, eai_pool_fn fn, void *ud, size_t n_tasks)
{
    if (p->n_threads > 1 && n_tasks > 1) {
        run_job(p, fn, ud, n_tasks, false);
        return;
    }
    for (size_t i = 0; i < n_tasks; i++)
        fn(ud, i, 0);
}

void eai_pool_run_each(eai_pool *p, eai_pool_fn fn, void *ud)
{
    if (p->n_threads > 1)
        run_job(p, fn, ud, (size_t)p->n_threads, true);
    else
        fn(ud, 0, 0);
}

void eai_pool_barrier(eai_pool *p)
{
    unsigned spins = 0;
    if (p->n_threads == 1)
        return;
    unsigned epoch = atomic_load_explicit(&p->barrier_epoch, memory_order_acquire);
    if (atomic_fetch_add_explicit(&p->arrived, 1, memory_order_acq_rel) + 1 == p->n_threads) {
        atomic_store_explicit(&p->arrived, 0, memory_order_relaxed);
        atomic_fetch_add_explicit(&p->barrier_epoch, 1, memory_order_release);
        return;
    }
    while (atomic_load_explicit(&p->barrier_epoch, memory_order_acquire) == epoch)
        wait_a_moment(&spins);
}
