/* Choosing the next token from logits. Start at generate__sampler_next. */
#ifndef EAI_GENERATE_SAMPLER_H
#define EAI_GENERATE_SAMPLER_H

#include <efficientai/generate.h>
#include <efficientai/rng.h>

typedef struct generate__sampler {
    eai_sampling opts;
    eai_rng rng;
    int64_t vocab;
    bool *seen;     /* [vocab] tokens that the repetition penalty counts */
    float *weights; /* [vocab] logits after the penalty, then unnormalised probabilities */
    int32_t *heap;  /* [vocab] ids; the best so far at the front, those taken at the back */
} generate__sampler;

/* Values in their ranges, or EAI_ERR_ARGUMENT. */
eai_status generate__check_sampling(const eai_sampling *o, eai_error *err);
eai_status generate__sampler_init(generate__sampler *s, const eai_sampling *opts, int64_t vocab,
                                  eai_error *err);
void generate__sampler_deinit(generate__sampler *s);
/* Counts a token of the prompt or the answer as seen; 0 <= id < vocab. */
void generate__sampler_see(generate__sampler *s, int32_t id);
/* Logits that are no numbers (or +infinity) are EAI_ERR_NUMERIC. */
eai_status generate__sampler_next(int32_t *out, generate__sampler *s, const float *logits,
                                  eai_error *err);

#endif
