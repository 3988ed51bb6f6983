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

/* One micro-batch: loss and gradients; with slots[].sum NULL also the update, else the gradients
 * are added to the sums. `keep` adds outputs "grad.I". */
eai_status train__plan_step(eai_plan **out, train__ports *ports, const eai_train_task *task,
                            const train__slot *slots, eai_backend *backend,
                            const eai_train_opts *opts, int64_t n_tokens, bool keep,
                            eai_error *err);
/* The update from the sums, which are then set to zero. */
eai_status train__plan_update(eai_plan **out, train__ports *ports, const eai_train_task *task,
                              const train__slot *slots, eai_backend *backend,
                              const eai_train_opts *opts, eai_error *err);
/* Evaluation: output "loss" is the sum of nll over the batch. */
eai_status train__plan_loss(eai_plan **out, train__ports *ports, const eai_train_task *task,
                            eai_backend *backend, int64_t n_tokens, eai_error *err);

void train__feed(const train__ports *ports, const eai_batch *batch);
float train__scalar(const eai_operand *o);

#endif
