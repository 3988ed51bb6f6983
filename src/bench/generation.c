/* Generation from random prompts. */
#include <efficientai/bench.h>

#include <efficientai/alloc.h>
#include <efficientai/rng.h>

#include "base/banned.h"

eai_status eai_bench_generate(eai_bench_generation *out, eai_generator *gen, const eai_model *m,
                              int64_t n_prompt, int64_t n_tokens, eai_error *err)
{
    eai_generation g = EAI_GENERATION_INIT;
    eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
    eai_rng rng;

    *out = (eai_bench_generation){0};
    if (n_prompt < 1 || n_tokens < 1 || n_prompt + n_tokens > eai_generator_context(gen))
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "%lld tokens after a prompt of %lld: each at least 1, together at "
                             "most %lld",
                             (long long)n_tokens, (long long)n_prompt,
                             (long long)eai_generator_context(gen));
    int32_t *ids = eai_alloc_array((size_t)n_prompt, sizeof(*ids));
    if (!ids)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a prompt");
    eai_rng_init(&rng, 3, 0);
    for (int64_t i = 0; i < n_prompt; i++)
        ids[i] = (int32_t)eai_rng_below(&rng, (uint64_t)eai_model_get_config(m)->vocab);
    opts.max_tokens = n_tokens + 1;
    eai_generator_reset(gen);
    eai_status st = eai_generator_run(&g, gen, ids, (size_t)n_prompt, &opts, err);
    if (st == EAI_OK)
        *out = (eai_bench_generation){g.prefill_seconds, g.decode_seconds};
    eai_generation_deinit(&g);
    eai_free(ids);
    return st;
}
