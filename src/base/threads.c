/* The thread pool: a ticket hands out a job's tasks, a counter says how many are not done.
 *
 * A training step starts thousands of jobs, so a wake-up by the kernel for each would cost more
 * than many of them. Workers therefore spin on the ticket for a while before they sleep. And a job
 * ends with its last task, not with its last worker: one that the kernel has taken off its core, or
 * that is still waking up, is not waited for. Such a worker may come when a later job runs already;
 * the ticket therefore holds the job's number beside that of the tasks to hand out, and whoever
 * takes a task exchanges both at once. A job with tasks to hand out cannot end, so what was read of
 * it before an exchange that succeeds is of that job.
 *
 * The race of sleeping: a worker announces that it sleeps (under the lock), then looks at the
 * ticket again; the caller raises the ticket, then looks whether anyone sleeps. Both are
 * sequentially consistent, so one of them sees the other. */
#include <efficientai/threads.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

#define SPINS_BEFORE_SLEEP 4000 /* about 50 us of pauses */
#define SPINS_BEFORE_YIELD 200
#define EACH               UINT32_MAX /* in place of a number of tasks: all threads take part, once */

struct eai_pool {
    int n_threads;
    pthread_t *workers; /* [n_threads - 1] */
    int n_started;
    _Atomic(eai_pool_fn) fn; /* the job */
    _Atomic(void *) ud;
    _Atomic(uint32_t) n_tasks;
    atomic_uint_fast64_t ticket; /* the job's number << 32 | tasks to hand out */
    atomic_size_t left;          /* tasks that are not done */
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

static uint32_t job_of(uint64_t ticket)
{
    return (uint32_t)(ticket >> 32);
}

static uint32_t tasks_of(uint64_t ticket)
{
    return (uint32_t)ticket;
}

static uint64_t read_ticket(const eai_pool *p)
{
    return atomic_load_explicit(&p->ticket, memory_order_acquire);
}

/* Tasks of this job, until there are no more of it. */
static void take_tasks(eai_pool *p, uint32_t job, int thread)
{
    uint64_t ticket = read_ticket(p);
    while (job_of(ticket) == job && tasks_of(ticket) > 0) {
        eai_pool_fn fn = atomic_load_explicit(&p->fn, memory_order_relaxed);
        void *ud = atomic_load_explicit(&p->ud, memory_order_relaxed);
        size_t task = atomic_load_explicit(&p->n_tasks, memory_order_relaxed) - tasks_of(ticket);
        if (!atomic_compare_exchange_weak_explicit(&p->ticket, &ticket, ticket - 1,
                                                   memory_order_acq_rel, memory_order_acquire))
            continue;
        fn(ud, task, thread);
        atomic_fetch_sub_explicit(&p->left, 1, memory_order_release);
        ticket = read_ticket(p);
    }
}

/* This thread's part of a job that all take part in: it cannot end before. */
static void take_part(eai_pool *p, int thread)
{
    eai_pool_fn fn = atomic_load_explicit(&p->fn, memory_order_relaxed);
    fn(atomic_load_explicit(&p->ud, memory_order_relaxed), (size_t)thread, thread);
    atomic_fetch_sub_explicit(&p->left, 1, memory_order_release);
}

/* The ticket of a job that is not the one `seen`. */
static uint64_t wait_for_job(eai_pool *p, uint32_t seen)
{
    for (unsigned i = 0; i < SPINS_BEFORE_SLEEP; i++) {
        uint64_t ticket = read_ticket(p);
        if (job_of(ticket) != seen)
            return ticket;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (job_of(atomic_load(&p->ticket)) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
    return read_ticket(p);
}

static void *work(void *arg)
{
    worker_start start = *(worker_start *)arg;
    eai_pool *p = start.pool;
    uint64_t ticket = 0;
    eai_free(arg);
    for (;;) {
        ticket = wait_for_job(p, job_of(ticket));
        if (atomic_load(&p->quit))
            return NULL;
        if (tasks_of(ticket) == EACH)
            take_part(p, start.thread);
        else
            take_tasks(p, job_of(ticket), start.thread);
    }
}

/* The next job: its ticket. */
static uint64_t publish(eai_pool *p, uint32_t tasks)
{
    uint64_t ticket = ((uint64_t)job_of(read_ticket(p)) + 1) << 32 | tasks;
    atomic_store(&p->ticket, ticket);
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    return ticket;
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
    publish(p, 0);
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

static void run_job(eai_pool *p, eai_pool_fn fn, void *ud, uint32_t tasks, size_t left)
{
    unsigned spins = 0;
    atomic_store_explicit(&p->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&p->ud, ud, memory_order_relaxed);
    atomic_store_explicit(&p->n_tasks, tasks, memory_order_relaxed);
    atomic_store_explicit(&p->left, left, memory_order_relaxed);
    uint64_t ticket = publish(p, tasks);
    if (tasks == EACH)
        take_part(p, 0);
    else
        take_tasks(p, job_of(ticket), 0);
    while (atomic_load_explicit(&p->left, memory_order_acquire) > 0)
        wait_a_moment(&spins);
}

void eai_pool_run(eai_pool *p, eai_pool_fn fn, void *ud, size_t n_tasks)
{
    if (p->n_threads > 1 && n_tasks > 1 && n_tasks < EACH) {
        run_job(p, fn, ud, (uint32_t)n_tasks, n_tasks);
        return;
    }
    for (size_t i = 0; i < n_tasks; i++)
        fn(ud, i, 0);
}

void eai_pool_run_each(eai_pool *p, eai_pool_fn fn, void *ud)
{
    if (p->n_threads > 1)
        run_job(p, fn, ud, EACH, (size_t)p->n_threads);
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
