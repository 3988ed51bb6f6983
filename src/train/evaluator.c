/* The mean loss over a dataset: the forward half of a training step. */
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "train/step_graph.h"

struct eai_evaluator {
    const eai_train_task *task;
    eai_backend *backend;
    eai_plan *plan;
    train__ports ports;
    int64_t n_tokens; /* of the plan */
};

eai_status eai_evaluator_create(eai_evaluator **out, const eai_train_task *task,
                                eai_backend *backend, eai_error *err)
{
    eai_evaluator *e = eai_alloc_zeroed(1, sizeof(*e));
    *out = e;
    if (!e)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for an evaluator");
    e->task = task;
    e->backend = backend;
    return EAI_OK;
}

void eai_evaluator_free(eai_evaluator *e)
{
    if (!e)
        return;
    eai_plan_free(e->plan);
    eai_free(e);
}

static eai_status use_plan(eai_evaluator *e, int64_t n_tokens, eai_error *err)
{
    if (e->plan && e->n_tokens == n_tokens)
        return EAI_OK;
    EAI_LOG(DEBUG, "evaluate", "no plan for %lld tokens yet, making one", (long long)n_tokens);
    eai_plan_free(e->plan);
    e->plan = NULL;
    e->n_tokens = n_tokens;
    return train__plan_loss(&e->plan, &e->ports, e->task, e->backend, n_tokens, err);
}

eai_status eai_evaluator_plan(eai_plan_memory *out, eai_evaluator *e, const eai_dataset *d,
                              eai_error *err)
{
    memset(out, 0, sizeof(*out));
    EAI_TRY(use_plan(e, eai_dataset_max_tokens(d), err));
    eai_plan_get_memory(out, e->plan);
    return EAI_OK;
}

eai_status eai_evaluator_run(eai_evaluation *out, eai_evaluator *e, eai_dataset *d, eai_error *err)
{
    double sum = 0;
    const eai_batch *batch;

    memset(out, 0, sizeof(*out));
    EAI_TRY(eai_dataset_set_position(d, (eai_dataset_position){0, 0}, err));
    for (;;) {
        EAI_TRY(eai_dataset_next(&batch, d, err));
        if (!batch)
            break;
        EAI_TRY(use_plan(e, batch->n_tokens, err));
        train__feed(&e->ports, batch);
        EAI_TRY(eai_plan_run(e->plan, err));
        sum += (double)train__scalar(&e->ports.loss);
        out->tokens += batch->n_learned;
    }
    EAI_TRY(eai_dataset_set_position(d, (eai_dataset_position){0, 0}, err));
    out->loss = out->tokens ? sum / (double)out->tokens : 0;
    return EAI_OK;
}
