/* The most that products can reach: the tile's instruction on registers alone, on all threads. */
#include <efficientai/clock.h>

#include "engine/cpu/cpu.h"
#include "engine/cpu/gemm.h"

#include "base/banned.h"

#define ROUNDS        8
#define ROUND_SECONDS 0.03

typedef struct peak_job {
    const cpu_gemm_table *table;
    int64_t n;
    double flops[EAI_POOL_MAX];
} peak_job;

static void spin_task(void *ud, size_t task, int thread)
{
    peak_job *j = ud;
    (void)thread;
    j->flops[task] = j->table->spin(j->n);
}

/* FLOP/s of one round; *seconds is what it took. */
static double spin_all(double *seconds, eai_pool *pool, peak_job *j)
{
    double flops = 0;
    double start = eai_clock_seconds();
    eai_pool_run_each(pool, spin_task, j);
    *seconds = eai_clock_seconds() - start;
    for (int i = 0; i < eai_pool_threads(pool); i++)
        flops += j->flops[i];
    return *seconds > 0 ? flops / *seconds : 0;
}

double cpu__peak(eai_backend *base)
{
    cpu_backend *b = (cpu_backend *)base;
    peak_job job = {.n = 1 << 12};
    job.table = b->gemm_int8 ? b->gemm_int8 : b->gemm_bf16 ? b->gemm_bf16 : b->gemm;
    double best = 0;
    double seconds = 0;
    for (; seconds < ROUND_SECONDS; job.n *= 2)
        spin_all(&seconds, b->pool, &job);
    for (int i = 0; i < ROUNDS; i++) {
        double rate = spin_all(&seconds, b->pool, &job);
        best = rate > best ? rate : best;
    }
    return best;
}
