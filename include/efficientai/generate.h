/* Generation: a session that continues prompts, token by token.
 *
 * Use:
 *     eai_generator *gen = NULL;
 *     EAI_TRY(eai_generator_create(&gen, model, adapter, backend, tokenizer, NULL, err));
 *     eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;         // greedy, up to 256 tokens
 *     eai_generation out = EAI_GENERATION_INIT;
 *     EAI_TRY(eai_generator_run(&out, gen, ids, n_ids, &opts, err));
 *     puts(out.text);
 *     eai_generation_deinit(&out);
 *     eai_generator_free(gen);
 *
 * A prompt is taken in pieces of 512, 256, 128, 64, 32, 16 or 1 tokens, with one plan a size, made
 * when first needed; then tokens come one at a time. The cache is kept between runs: a prompt that
 * begins as the last one did (the same system text, say) only pays for the rest.
 *
 * Thread-safety: a generator belongs to one thread at a time; eai_generate_opts.cancel may be set
 * from any thread or signal handler. */
#ifndef EAI_GENERATE_H
#define EAI_GENERATE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/adapter.h>
#include <efficientai/error.h>
#include <efficientai/model.h>
#include <efficientai/plan.h>
#include <efficientai/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_generator eai_generator;

typedef struct eai_generator_opts {
    int64_t n_context; /* rows of the cache; 0: the model's context, at most 4096 */
} eai_generator_opts;
#define EAI_GENERATOR_OPTS_INIT                                                                    \
    {                                                                                              \
        0                                                                                          \
    }

/* `adapter` and `opts` may be NULL; `tokenizer` too: the result then has ids and no text, and only
 * stop_ids end it. All are borrowed and must outlive the generator. When the adapter's values
 * change (training goes on), call eai_generator_reset before the next run. */
EAI_API EAI_CHECKED eai_status eai_generator_create(eai_generator **out, const eai_model *model,
                                                    const eai_adapter *adapter,
                                                    eai_backend *backend,
                                                    const eai_tokenizer *tokenizer,
                                                    const eai_generator_opts *opts, eai_error *err);
EAI_API void eai_generator_free(eai_generator *gen);
/* Forgets the cached prompt. */
EAI_API void eai_generator_reset(eai_generator *gen);
EAI_API int64_t eai_generator_context(const eai_generator *gen);

/* How the next token is chosen. Applied in this order: repetition penalty, then (temperature 0) the
 * largest logit; or temperature, top_k, top_p, min_p, and one draw. */
typedef struct eai_sampling {
    double temperature; /* 0: greedy */
    int64_t top_k;      /* the k most probable; 0: off */
    double top_p;       /* the fewest that reach this probability (Holtzman et al. 2020); 1: off */
    double min_p;       /* those of at least this share of the best one's probability; 0: off */
    double repetition_penalty; /* logits of seen tokens / p or * p (Keskar et al. 2019); 1: off */
    uint64_t seed;
} eai_sampling;
#define EAI_SAMPLING_INIT                                                                          \
    {                                                                                              \
        0.0, 0, 1.0, 0.0, 1.0, 0                                                                   \
    }

typedef struct eai_generate_opts {
    eai_sampling sampling;
    int64_t max_tokens;
    const int32_t *stop_ids; /* besides the tokenizer's end tokens */
    size_t n_stop_ids;
    bool ignore_end; /* go on after the tokenizer's end tokens */
    /* New text, whole UTF-8 characters only; false stops. NULL: none. */
    bool (*on_text)(const char *text, size_t n, void *ud);
    void *ud;
    const volatile sig_atomic_t *cancel; /* not 0: stop before the next token; NULL: none */
} eai_generate_opts;
#define EAI_GENERATE_OPTS_INIT                                                                     \
    {                                                                                              \
        EAI_SAMPLING_INIT, 256, NULL, 0, false, NULL, NULL, NULL                                   \
    }

typedef enum eai_finish {
    EAI_FINISH_STOP,     /* an end token or a stop id, which is not part of the result */
    EAI_FINISH_LENGTH,   /* max_tokens */
    EAI_FINISH_CONTEXT,  /* the cache is full */
    EAI_FINISH_CANCELLED /* cancel, or the callback returned false */
} eai_finish;

typedef struct eai_generation {
    int32_t *ids;
    size_t n_ids;
    char *text; /* NUL-terminated; NULL without a tokenizer */
    size_t n_text;
    eai_finish finish;
    size_t n_prompt;
    size_t n_reused; /* tokens of the prompt that were in the cache */
    double prefill_seconds, decode_seconds;
} eai_generation;
#define EAI_GENERATION_INIT                                                                        \
    {                                                                                              \
        NULL, 0, NULL, 0, EAI_FINISH_STOP, 0, 0, 0.0, 0.0                                          \
    }
EAI_API void eai_generation_deinit(eai_generation *r);

/* Continues the prompt `ids` (at least one, all in the vocabulary). A prompt that leaves no room in
 * the cache is EAI_ERR_LIMIT, sampling values out of range EAI_ERR_ARGUMENT. On failure *out is
 * empty. */
EAI_API EAI_CHECKED eai_status eai_generator_run(eai_generation *out, eai_generator *gen,
                                                 const int32_t *ids, size_t n_ids,
                                                 const eai_generate_opts *opts, eai_error *err);

/* Logits of every position of `ids` in one uncached pass: out [n_ids, vocab], the caller's memory.
 */
EAI_API EAI_CHECKED eai_status eai_generate_logits(float *out, const eai_model *model,
                                                   const eai_adapter *adapter, eai_backend *backend,
                                                   const int32_t *ids, size_t n_ids,
                                                   eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
