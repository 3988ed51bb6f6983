/* Datasets: rows of text as batches of tokens that a model learns from.
 *
 * Use:
 *     eai_dataset *d = NULL;
 *     eai_dataset_opts opts = EAI_DATASET_OPTS_INIT;
 *     EAI_TRY(eai_dataset_create(&d, rows, tokenizer, &opts, err));
 *     const eai_batch *batch;
 *     while (eai_dataset_next(&batch, d, err) == EAI_OK && batch)     // NULL: the epoch is over
 *         learn(batch);
 *
 * A row becomes one example: ids and a mask of those to be learned. "text" is learned whole;
 * "prompt"/"completion" and "messages" go through the model's chat template (as mlx-lm does) and
 * only the answers are learned; without a template prompt and completion are joined. Examples
 * longer than seq_len are cut at the end.
 *
 * A batch is one row of T tokens for eai_model_build_hidden: examples lie one after the other and
 * do not see each other. With packing, T = batch_size * seq_len, filled by best fit, so every step
 * has the same shape; without, a batch is batch_size examples and T is their length rounded up to a
 * multiple of 32.
 *
 * The order of examples depends on (seed, epoch) alone, and the position is two numbers: a run that
 * is continued sees what the uninterrupted one would have seen.
 *
 * Thread-safety: a dataset belongs to one thread at a time. */
#ifndef EAI_DATASET_H
#define EAI_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/rows.h>
#include <efficientai/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EAI_IGNORE_TARGET (-100) /* PyTorch's ignore_index */

typedef struct eai_dataset eai_dataset;

typedef struct eai_dataset_opts {
    int64_t seq_len;    /* 8 to 1048576 */
    int64_t batch_size; /* rows of seq_len tokens with packing, examples without */
    bool pack;
    bool shuffle;      /* a new order each epoch */
    bool learn_prompt; /* learn all tokens of prompt/completion and messages rows too */
    uint64_t seed;
} eai_dataset_opts;
#define EAI_DATASET_OPTS_INIT                                                                      \
    {                                                                                              \
        512, 4, true, true, false, 0                                                               \
    }

/* Tokenizes all rows; both may be freed afterwards. An example in which nothing is to be learned (a
 * prompt that fills seq_len) is left out and counted; none left is an error. */
EAI_API EAI_CHECKED eai_status eai_dataset_create(eai_dataset **out, const eai_rows *rows,
                                                  const eai_tokenizer *tokenizer,
                                                  const eai_dataset_opts *opts, eai_error *err);
/* The same from tokens at hand: example i has lengths[i] of the ids, and mask 1 where they are
 * learned. */
EAI_API EAI_CHECKED eai_status eai_dataset_from_tokens(eai_dataset **out, const int32_t *ids,
                                                       const uint8_t *mask, const size_t *lengths,
                                                       size_t n_examples,
                                                       const eai_dataset_opts *opts,
                                                       eai_error *err);
EAI_API void eai_dataset_free(eai_dataset *d);

typedef struct eai_dataset_stats {
    size_t examples;
    size_t tokens;
    size_t learned_tokens;
    size_t cut;      /* examples longer than seq_len */
    size_t left_out; /* nothing to learn in them */
    size_t longest;  /* tokens of the longest example, before cutting */
} eai_dataset_stats;
EAI_API void eai_dataset_get_stats(eai_dataset_stats *out, const eai_dataset *d);

/* All vectors are I32 [n_tokens], as eai_model_inputs wants them. Padding has start = end = 0. */
typedef struct eai_batch {
    int64_t n_tokens;
    int32_t *ids, *positions, *start, *end;
    int32_t *targets;  /* the next token where it is learned, else EAI_IGNORE_TARGET */
    int64_t n_used;    /* tokens that are no padding */
    int64_t n_learned; /* targets that are not ignored */
    int64_t n_examples;
} eai_batch;

/* The next batch of this epoch, or NULL at its end (the next call begins the next epoch). Borrowed,
 * valid until the next call. */
EAI_API EAI_CHECKED eai_status eai_dataset_next(const eai_batch **out, eai_dataset *d,
                                                eai_error *err);
/* How many batches that epoch has. */
EAI_API EAI_CHECKED eai_status eai_dataset_count_batches(int64_t *out, const eai_dataset *d,
                                                         int64_t epoch, eai_error *err);
/* The largest n_tokens among the first `n_batches` of that epoch. */
EAI_API EAI_CHECKED eai_status eai_dataset_largest_batch(int64_t *out, const eai_dataset *d,
                                                         int64_t epoch, int64_t n_batches,
                                                         eai_error *err);
/* A number that changes when any token, mask or length does: what a checkpoint remembers of its
 * data. */
EAI_API uint64_t eai_dataset_digest(const eai_dataset *d);
/* No batch of any epoch has more n_tokens. */
EAI_API int64_t eai_dataset_max_tokens(const eai_dataset *d);

typedef struct eai_dataset_position {
    int64_t epoch; /* from 0 */
    int64_t batch; /* of the next one in it */
} eai_dataset_position;
EAI_API eai_dataset_position eai_dataset_get_position(const eai_dataset *d);
EAI_API EAI_CHECKED eai_status eai_dataset_set_position(eai_dataset *d, eai_dataset_position p,
                                                        eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
