/* The graphs of training: forward, backward, clipping and update as one plan. Shared by trainer.c,
 * checkpoint.c and evaluator.c. */
#ifndef EAI_TRAIN_STEP_GRAPH_H
#define EAI_TRAIN_STEP_GRAPH_H

#include <efficientai/trainer.h>

/* The optimizer's memory of one parameter, [elements] each. */
typedef struct train__slot {
    float *m, *v; /* moments */
    float *sum;   /* accumulated gradient; NULL without accumulation */
} train__slot;

/* Where a plan reads a batch from and leaves its results. data NULL: not in this plan. */
typedef struct train__ports {
    eai_operand ids, positions, start, end, targets;
    eai_operand seed;       /* I32 [2] */
    eai_operand loss_scale; /* F32: 1 / learned tokens of the update */
    eai_operand hyper;      /* F32 [3], see eai_adamw */
    eai_operand loss;
    eai_operand grad_norm;
} train__ports;

#define TRAIN_PLANS 16 /* shapes whose plans are kept; they share their memory */

/* What the graphs of one run have in common. All borrowed. */
typedef struct train__setup {
    const eai_train_task *task;
    const train__slot *slots; /* one a parameter */
    eai_backend *backend;
    const eai_train_opts *opts;
    bool keep; /* the gradients as outputs "grad.I" of a step */
} train__setup;

/* One micro-batch: loss and gradients; with slots[].sum NULL also the update, else the gradients
 * are added to the sums. `lender`: see eai_plan_create_sharing. */
eai_status train__plan_step(eai_plan **out, train__ports *ports, const train__setup *setup,
                            int64_t n_tokens, const eai_plan *lender, eai_error *err);
/* The update from the sums, which are then set to zero. */
eai_status train__plan_update(eai_plan **out, train__ports *ports, const train__setup *setup,
                              eai_error *err);
/* Evaluation: output "loss" is the sum of nll over the batch. */
eai_status train__plan_loss(eai_plan **out, train__ports *ports, const eai_train_task *task,
                            eai_backend *backend, int64_t n_tokens, const eai_plan *lender,
                            eai_error *err);

void train__feed(const train__ports *ports, const eai_batch *batch);
float train__scalar(const eai_operand *o);

#endif
