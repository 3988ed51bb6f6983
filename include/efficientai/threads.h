/* A pool of threads for computing: many short jobs a second, each split into tasks.
 *
 * Use:
 *     static void half(void *ud, size_t task, int thread) { ... }
 *     eai_pool *pool = NULL;
 *     EAI_TRY(eai_pool_create(&pool, 4, err));
 *     eai_pool_run(pool, half, &job, 100); // half(&job, 0..99, 0..3); returns when all are done
 *     eai_pool_free(pool);
 *
 * The caller is thread 0 and takes part. Between jobs the others spin for a moment, then sleep. A
 * pool of one thread runs everything inline.
 *
 * Thread-safety: one job at a time a pool; jobs do not start jobs of the same pool. */
#ifndef EAI_THREADS_H
#define EAI_THREADS_H

#include <stddef.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_pool eai_pool;

#define EAI_POOL_MAX 1024

/* thread is 0 .. n_threads-1, different for tasks that run at the same time. */
typedef void (*eai_pool_fn)(void *ud, size_t task, int thread);

/* 1 to EAI_POOL_MAX threads, the caller included. */
EAI_API EAI_CHECKED eai_status eai_pool_create(eai_pool **out, int n_threads, eai_error *err);
EAI_API void eai_pool_free(eai_pool *pool); /* NULL is fine */
EAI_API int eai_pool_threads(const eai_pool *pool);

/* Tasks are handed out one after the other to whoever is free. */
EAI_API void eai_pool_run(eai_pool *pool, eai_pool_fn fn, void *ud, size_t n_tasks);
/* fn(ud, t, t) once on each thread t, all at the same time: eai_pool_barrier may be used inside. */
EAI_API void eai_pool_run_each(eai_pool *pool, eai_pool_fn fn, void *ud);
/* Waits until all threads of eai_pool_run_each have come here; what they wrote before is then seen
 * by all. */
EAI_API void eai_pool_barrier(eai_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
