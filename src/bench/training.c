/* Training on random tokens, a step at a time. */
#include <efficientai/bench.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/rng.h>

#include "base/banned.h"

#define ENDLESS 1000000 /* steps of the schedule, which nobody reaches */

struct eai_bench_training {
    eai_adapter *adapter;
    eai_dataset *data;
    eai_lora_task task;
    eai_trainer *trainer;
};

/* A batch of examples that fill their rows. */
static eai_status make_data(eai_dataset **out, const eai_model *m, const eai_bench_train_opts *o,
                            eai_error *err)
{
    eai_dataset_opts opts = EAI_DATASET_OPTS_INIT;
    eai_rng rng;

    *out = NULL;
    if (o->batch_size < 1 || o->batch_size > 65536 || o->seq_len < 8 || o->seq_len > 1 << 20)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "a batch of %lld x %lld tokens: 1 to 65536 rows of 8 to 1048576",
                             (long long)o->batch_size, (long long)o->seq_len);
    size_t n = (size_t)(o->batch_size * o->seq_len);
    uint64_t vocab = (uint64_t)eai_model_get_config(m)->vocab;
    int32_t *ids = eai_alloc_array(n, sizeof(*ids));
    uint8_t *mask = eai_alloc_array(n, sizeof(*mask));
    size_t *lengths = eai_alloc_array((size_t)o->batch_size, sizeof(*lengths));
    eai_status st = EAI_OK;
    if (!ids || !mask || !lengths) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu tokens", n);
        goto done;
    }
    eai_rng_init(&rng, 2, 0);
    for (size_t i = 0; i < n; i++) {
        ids[i] = (int32_t)eai_rng_below(&rng, vocab);
        mask[i] = 1;
    }
    for (int64_t i = 0; i < o->batch_size; i++)
        lengths[i] = (size_t)o->seq_len;
    opts.seq_len = o->seq_len;
    opts.batch_size = o->batch_size;
    st = eai_dataset_from_tokens(out, ids, mask, lengths, (size_t)o->batch_size, &opts, err);
done:
    eai_free(lengths);
    eai_free(mask);
    eai_free(ids);
    return st;
}

static eai_status fill(eai_bench_training *t, const eai_model *m, eai_backend *b,
                       const eai_bench_train_opts *o, eai_error *err)
{
    eai_train_opts opts = EAI_TRAIN_OPTS_INIT;
    opts.steps = ENDLESS;
    opts.checkpoint_activations = o->checkpoint_activations;
    EAI_TRY(make_data(&t->data, m, o, err));
    EAI_TRY(eai_adapter_create(&t->adapter, m, &o->adapter, err));
    eai_lora_task_init(&t->task, m, t->adapter);
    return eai_trainer_create(&t->trainer, &t->task.base, b, t->data, &opts, err);
}

eai_status eai_bench_training_create(eai_bench_training **out, const eai_model *m, eai_backend *b,
                                     const eai_bench_train_opts *opts, eai_error *err)
{
    eai_bench_training *t = eai_alloc_zeroed(1, sizeof(*t));

    *out = NULL;
    if (!t)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a training to time");
    eai_status st = fill(t, m, b, opts, err);
    if (st != EAI_OK) {
        eai_bench_training_free(t);
        return st;
    }
    *out = t;
    return EAI_OK;
}

void eai_bench_training_free(eai_bench_training *t)
{
    if (!t)
        return;
    eai_trainer_free(t->trainer);
    eai_adapter_free(t->adapter);
    eai_dataset_free(t->data);
    eai_free(t);
}

eai_status eai_bench_training_step(double *seconds, eai_bench_training *t, eai_error *err)
{
    eai_train_step s;
    double start = eai_clock_seconds();
    eai_status st = eai_trainer_step(&s, t->trainer, err);
    *seconds = eai_clock_seconds() - start;
    return st;
}

const eai_trainer *eai_bench_training_trainer(const eai_bench_training *t)
{
    return t->trainer;
}
