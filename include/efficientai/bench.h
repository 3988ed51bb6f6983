/* Measurements: how fast products, training and generation are on this machine. What single
 * operations of a model take is profile.h's.
 *
 * Use:
 *     eai_bench_case *c[2] = {NULL, NULL};
 *     eai_bench_product p = {.m = 1024, .k = 576, .n = 1536, .dtype = EAI_BF16};
 *     EAI_TRY(eai_bench_case_product(&c[0], backend, &p, err));
 *     p.dtype = EAI_Q4_1;
 *     EAI_TRY(eai_bench_case_product(&c[1], backend, &p, err));
 *     EAI_TRY(eai_bench_run_cases(c, 2, 7, err));               // by turns, 7 times each
 *     double gflops = eai_bench_case_flops(c[0]) / eai_bench_case_times(c[0]).median / 1e9;
 *     eai_bench_case_free(c[0]);
 *
 * What is compared takes turns, so that what else the machine does falls on all of it; medians are
 * what to quote, the least time is what the machine can do undisturbed. Data are random numbers:
 * how long a step takes does not depend on them.
 *
 * Thread-safety: as plans, one thread at a time. */
#ifndef EAI_BENCH_H
#define EAI_BENCH_H

#include <efficientai/adapter.h>
#include <efficientai/generate.h>
#include <efficientai/model.h>
#include <efficientai/plan.h>
#include <efficientai/trainer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Seconds of a run; all 0 before the first. */
typedef struct eai_bench_times {
    double median, least, most;
    size_t n;
} eai_bench_times;
/* Sorts `seconds`. */
EAI_API eai_bench_times eai_bench_summarize(double *seconds, size_t n);

/* ---- The machine
 * ------------------------------------------------------------------------------------- */

/* Bytes a second that `n_threads` read from memory, each its own part of `bytes` (take several
 * times the last-level cache). The best of five passes. */
EAI_API EAI_CHECKED eai_status eai_bench_read_speed(double *out, int n_threads, size_t bytes,
                                                    eai_error *err);

/* ---- Products
 * ------------------------------------------------------------------------------------ */

/* A plan of one product with its data, and its times so far. */
typedef struct eai_bench_case eai_bench_case;

/* x [m, k] times weights of `dtype`, which lie as [n, k] (a linear layer) or, for gradients, as
 * [k, n]. */
typedef struct eai_bench_product {
    int64_t m, k, n;
    eai_dtype dtype;
    bool gradient;
} eai_bench_product;
EAI_API EAI_CHECKED eai_status eai_bench_case_product(eai_bench_case **out, eai_backend *b,
                                                      const eai_bench_product *p, eai_error *err);

EAI_API void eai_bench_case_free(eai_bench_case *c);
/* Runs all cases by turns, each once to warm up and then `repeat` times; times of before are
 * forgotten. A turn of a short case is as many runs as take a millisecond. */
EAI_API EAI_CHECKED eai_status eai_bench_run_cases(eai_bench_case *const *cases, size_t n,
                                                   size_t repeat, eai_error *err);
EAI_API eai_bench_times eai_bench_case_times(const eai_bench_case *c);
/* Its times.n samples in the order of the turns; NULL before the first run. Borrowed until the next
 * one. */
EAI_API const double *eai_bench_case_seconds(const eai_bench_case *c);
EAI_API double eai_bench_case_flops(const eai_bench_case *c); /* of a run */

/* ---- Models
 * ------------------------------------------------------------------------------------------ */

/* A decoder of random numbers with the shapes of a known one: "135m", "360m", "1.7b" (SmolLM2).
 * Matrices are of `dtype`, norms f32. The caller frees the model, then the weights. */
EAI_API EAI_CHECKED eai_status eai_bench_random_model(eai_model **model, eai_weights **weights,
                                                      const char *size, eai_dtype dtype,
                                                      eai_error *err);
/* "135m|360m|1.7b". Static. */
EAI_API const char *eai_bench_random_sizes(void);

/* ---- Training
 * ---------------------------------------------------------------------------------------- */

typedef struct eai_bench_train_opts {
    int64_t batch_size, seq_len; /* tokens of a step; every one is learned but each row's last */
    eai_adapter_opts adapter;
    bool checkpoint_activations;
} eai_bench_train_opts;
#define EAI_BENCH_TRAIN_OPTS_INIT                                                                  \
    {                                                                                              \
        4, 256, EAI_ADAPTER_OPTS_INIT, false                                                       \
    }

/* A trainer on random tokens. */
typedef struct eai_bench_training eai_bench_training;
EAI_API EAI_CHECKED eai_status eai_bench_training_create(eai_bench_training **out,
                                                         const eai_model *m, eai_backend *b,
                                                         const eai_bench_train_opts *opts,
                                                         eai_error *err);
EAI_API void eai_bench_training_free(eai_bench_training *t);
/* One step; *seconds is what it took. */
EAI_API EAI_CHECKED eai_status eai_bench_training_step(double *seconds, eai_bench_training *t,
                                                       eai_error *err);
EAI_API const eai_trainer *eai_bench_training_trainer(const eai_bench_training *t);

/* ---- Generation
 * -------------------------------------------------------------------------------------- */

/* Seconds for a prompt of random tokens, and for the n_tokens after the first that follows it, one
 * by one; both at least 1. `gen` must have been made with the model and without a tokenizer; its
 * cache is forgotten first. */
typedef struct eai_bench_generation {
    double prompt_seconds;
    double tokens_seconds;
} eai_bench_generation;
EAI_API EAI_CHECKED eai_status eai_bench_generate(eai_bench_generation *out, eai_generator *gen,
                                                  const eai_model *m, int64_t n_prompt,
                                                  int64_t n_tokens, eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
