/* A tiny Llama whose weights come from a closed formula, for tests of everything above the formats;
 * and that formula (tools/oracles/hash_fill.py describes it and has the list of streams).
 *
 *     tiny_llama tiny;
 *     tiny_llama_open(&tiny, EAI_F32, true);        // weights and model, in memory
 *     ... tiny.model ...
 *     tiny_llama_close(&tiny);
 *
 * tiny_llama_logits is a second, independent forward pass: plain loops in double, one token after
 * the other. */
#ifndef EAI_TEST_TINY_LLAMA_H
#define EAI_TEST_TINY_LLAMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/adapter.h>
#include <efficientai/model.h>
#include <efficientai/plan.h>
#include <efficientai/weights.h>

enum {
    HASH_STREAM_LORA_A = 1,
    HASH_STREAM_LORA_B = 2,
    HASH_STREAM_WEIGHTS = 3,
    HASH_STREAM_IDS = 4,
    HASH_STREAM_GGUF = 6
};

uint64_t hash_fill_bits(uint64_t stream, uint64_t tensor, uint64_t element);
/* n floats in [-a, a). */
void hash_fill_uniform(float *out, uint64_t stream, uint64_t tensor, size_t n, double a);
/* n values in 0 .. limit-1. */
void hash_fill_integers(int32_t *out, uint64_t stream, uint64_t tensor, size_t n, int32_t limit);

enum {
    TINY_LAYERS = 2,
    TINY_MODEL = 32,
    TINY_HEADS = 4,
    TINY_KV_HEADS = 2,
    TINY_HEAD = 8,
    TINY_FFN = 64,
    TINY_VOCAB = 96,
    TINY_CONTEXT = 128
};

typedef struct tiny_llama {
    eai_weights *weights;
    eai_model *model;
} tiny_llama;

eai_model_config tiny_llama_config(bool tied);
/* The weights alone; matrices in `dtype`, norms f32. */
eai_weights *tiny_llama_weights(eai_dtype dtype, bool tied);
void tiny_llama_open(tiny_llama *t, eai_dtype dtype, bool tied);
/* The other tiny model, of tests/data/peft_tiny: vocabulary 320, width 64. */
void tiny_llama_open_peft(tiny_llama *t);
void tiny_llama_close(tiny_llama *t);

/* What is added to the weight of a linear layer, [n_out, n_in]; NULL: nothing. */
typedef const float *(*tiny_delta)(const char *linear_name, void *ud);
/* logits [n, TINY_VOCAB] of one sequence. */
void tiny_llama_logits(float *logits, const eai_model *m, const int32_t *ids, size_t n,
                       tiny_delta delta, void *ud);

/* The backend that tests use: $EFFICIENTAI_TEST_BACKEND, else "cpu", in f32 with 2 threads. */
eai_backend *tiny_backend(void);

/* logits [n, vocabulary] of `n` ids by formula, on tiny_backend; `a` may be NULL. */
void tiny_generate_logits(float *logits, const eai_model *m, const eai_adapter *a, size_t n);

/* Input `name` of a plan; fails the test when there is none. */
int32_t *tiny_input(const eai_plan *plan, const char *name);
/* The first n elements of output `name`, of whatever type, as floats. */
void tiny_output(float *out, const eai_plan *plan, const char *name, size_t n);

#endif
