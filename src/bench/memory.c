/* How fast memory is read. */
#include <efficientai/bench.h>

#include <stdint.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/threads.h>

#include "base/banned.h"

#define PASSES 5
#define LINE   8 /* words that are added up side by side: a cache line */

typedef struct read_job {
    const uint64_t *words;
    size_t share; /* words a thread, a multiple of LINE */
    uint64_t sums[EAI_POOL_MAX];
} read_job;

static void read_share(void *ud, size_t task, int thread)
{
    read_job *j = ud;
    const uint64_t *words = j->words + task * j->share;
    uint64_t sums[LINE] = {0};
    (void)thread;
    for (size_t i = 0; i < j->share; i += LINE) {
        for (size_t k = 0; k < LINE; k++)
            sums[k] += words[i + k];
    }
    for (size_t k = 0; k < LINE; k++)
        j->sums[task] += sums[k];
}

/* The sums must be right, which also keeps the compiler from leaving them out. */
static bool is_right(const read_job *j, int n_threads)
{
    for (int i = 0; i < n_threads; i++) {
        if (j->sums[i] != PASSES * (uint64_t)j->share)
            return false;
    }
    return true;
}

eai_status eai_bench_read_speed(double *out, int n_threads, size_t bytes, eai_error *err)
{
    eai_pool *pool = NULL;
    read_job *job = NULL;
    uint64_t *words = NULL;

    *out = 0;
    EAI_TRY(eai_pool_create(&pool, n_threads, err));
    eai_status st = EAI_OK;
    size_t share = bytes / sizeof(*words) / (size_t)n_threads / LINE * LINE;
    job = eai_alloc_zeroed(1, sizeof(*job));
    words = eai_alloc_aligned(64, share * (size_t)n_threads * sizeof(*words) + 1);
    if (!job || !words) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu bytes to read", bytes);
        goto done;
    }
    for (size_t i = 0; i < share * (size_t)n_threads; i++)
        words[i] = 1;
    job->words = words;
    job->share = share;
    for (int pass = 0; pass < PASSES; pass++) {
        double start = eai_clock_seconds();
        eai_pool_run_each(pool, read_share, job);
        double seconds = eai_clock_seconds() - start;
        double speed = (double)(share * (size_t)n_threads * sizeof(*words)) / seconds;
        *out = seconds > 0 && speed > *out ? speed : *out;
    }
    if (!is_right(job, n_threads))
        st = eai_error_set(err, EAI_ERR_NUMERIC, "memory does not hold what was written");
done:
    eai_free(words);
    eai_free(job);
    eai_pool_free(pool);
    return st;
}
