/* The mean loss over a dataset: the forward half of a training step. */
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/plan_cache.h>

#include "train/trainer_state.h"

struct eai_evaluator {
    const eai_train_task *task;
    eai_backend *backend;
    const eai_trainer *trainer; /* NULL: memory of its own */
    eai_plan_cache *plans;      /* by tokens; ports are train__ports */
};

static eai_status build_loss(eai_plan **out, void *ports, const eai_plan_key *key,
                             const eai_plan *lender, void *ud, eai_error *err)
{
    const eai_evaluator *e = ud;
    const eai_plan_entry *step = NULL;
    if (e->trainer && !lender)
        EAI_TRY(train__largest_plan(&step, e->trainer, err));
    return train__plan_loss(out, ports, e->task, e->backend, key->n[0], step ? step->plan : lender,
                            err);
}

eai_status eai_evaluator_create(eai_evaluator **out, const eai_train_task *task,
                                eai_backend *backend, const eai_trainer *trainer, eai_error *err)
{
    *out = NULL;
    eai_evaluator *e = eai_alloc_zeroed(1, sizeof(*e));
    if (!e)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for an evaluator");
    e->task = task;
    e->backend = backend;
    e->trainer = trainer;
    const eai_plan_cache_opts opts = {TRAIN_PLANS, sizeof(train__ports), build_loss, e};
    eai_status st = eai_plan_cache_create(&e->plans, &opts, err);
    if (st != EAI_OK) {
        eai_evaluator_free(e);
        return st;
    }
    *out = e;
    return EAI_OK;
}

void eai_evaluator_free(eai_evaluator *e)
{
    if (!e)
        return;
    eai_plan_cache_free(e->plans);
    eai_free(e);
}

/* The plan of the dataset's largest batch in its first pass, which is the one that is run. */
static eai_status plan_largest(const eai_plan_entry **out, eai_evaluator *e, const eai_dataset *d,
                               eai_error *err)
{
    int64_t n_tokens;
    *out = NULL;
    EAI_TRY(eai_dataset_largest_batch(&n_tokens, d, 0, INT64_MAX, err));
    return eai_plan_cache_get(out, e->plans, (eai_plan_key){{n_tokens}}, err);
}

eai_status eai_evaluator_plan(eai_plan_memory *out, eai_evaluator *e, const eai_dataset *d,
                              eai_error *err)
{
    const eai_plan_entry *largest;
    memset(out, 0, sizeof(*out));
    EAI_TRY(plan_largest(&largest, e, d, err));
    eai_plan_get_memory(out, largest->plan);
    if (!e->trainer)
        return EAI_OK;
    const eai_plan_memory *lent = &e->trainer->step_memory;
    if (out->inputs + out->activations <= lent->inputs + lent->activations)
        out->inputs = out->activations = 0;
    if (out->workspace <= lent->workspace)
        out->workspace = 0;
    return EAI_OK;
}

static eai_status add_batch(eai_evaluation *out, double *sum, eai_evaluator *e,
                            const eai_batch *batch, eai_error *err)
{
    const eai_plan_entry *step;
    EAI_TRY(eai_plan_cache_get(&step, e->plans, (eai_plan_key){{batch->n_tokens}}, err));
    const train__ports *ports = step->ports;
    train__feed(ports, batch);
    EAI_TRY(eai_plan_run(step->plan, err));
    *sum += (double)train__scalar(&ports->loss);
    out->tokens += batch->n_learned;
    return EAI_OK;
}

eai_status eai_evaluator_run(eai_evaluation *out, eai_evaluator *e, eai_dataset *d,
                             const volatile sig_atomic_t *cancel, eai_error *err)
{
    double sum = 0;
    const eai_batch *batch;
    const eai_plan_entry *largest;

    memset(out, 0, sizeof(*out));
    EAI_TRY(plan_largest(&largest, e, d, err));
    EAI_TRY(eai_dataset_set_position(d, (eai_dataset_position){0, 0}, err));
    for (;;) {
        if (cancel && *cancel)
            return eai_error_set(err, EAI_ERR_CANCELLED, "the evaluation was stopped");
        EAI_TRY(eai_dataset_next(&batch, d, err));
        if (!batch)
            break;
        EAI_TRY(add_batch(out, &sum, e, batch, err));
    }
    EAI_TRY(eai_dataset_set_position(d, (eai_dataset_position){0, 0}, err));
    out->loss = out->tokens ? sum / (double)out->tokens : 0;
    return EAI_OK;
}
