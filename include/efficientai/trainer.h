/* The trainer: a plan for the step, the optimizer's state, a schedule, checkpoints.
 *
 * Use:
 *     eai_lora_task task;
 *     eai_lora_task_init(&task, model, adapter);
 *     eai_trainer *t = NULL;
 *     eai_train_opts opts = EAI_TRAIN_OPTS_INIT;
 *     EAI_TRY(eai_trainer_create(&t, &task.base, backend, train_set, &opts, err));
 *     while (!eai_trainer_done(t)) {
 *         eai_train_step s;
 *         EAI_TRY(eai_trainer_step(&s, t, err));
 *         printf("%lld %.4f\n", (long long)s.step, s.loss);
 *     }
 *
 * A step is one graph: forward, backward, clipping, AdamW; with accumulation, the same in two. The
 * trainer knows a task (how to build the loss, which tensors to change) and a dataset; it does not
 * know the model, and the model does not know that it is trained.
 *
 * The loss is the mean over the learned tokens of all micro-batches of a step. A checkpoint holds
 * parameters, moments, step, position in the data and the losses so far; randomness is a function
 * of (seed, step). A continued run gives the same bits as an uninterrupted one.
 *
 * Thread-safety: a trainer belongs to one thread at a time. */
#ifndef EAI_TRAINER_H
#define EAI_TRAINER_H

#include <signal.h>
#include <stdio.h>

#include <efficientai/adapter.h>
#include <efficientai/dataset.h>
#include <efficientai/model.h>
#include <efficientai/plan.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is learned. Embed it as the first member of a struct of your own. */
typedef struct eai_train_task eai_train_task;
struct eai_train_task {
    const eai_parameter *parameters;
    size_t n_parameters;
    /* Builds -log probability [n_tokens] of the graph's targets into g: inputs "ids", "positions",
     * "start", "end", "targets" I32 [n_tokens]. `seed` I32 [2] feeds randomness in training; NULL:
     * evaluation. tensors[i] is set to parameter i's state in this graph. */
    eai_status (*build)(eai_tensor **nll, eai_tensor **tensors, const eai_train_task *task,
                        eai_graph *g, int64_t n_tokens, eai_tensor *seed, eai_error *err);
};

/* Adapters of a language model. */
typedef struct eai_lora_task {
    eai_train_task base;
    const eai_model *model;
    eai_adapter *adapter; /* NULL: the base model alone, for evaluation */
} eai_lora_task;
EAI_API void eai_lora_task_init(eai_lora_task *task, const eai_model *model, eai_adapter *adapter);

/* ---- Schedules
 * ------------------------------------------------------------------------------------ */

/* clang-format off */
/*    name        factor of the learning rate after warm-up, x from 0 to 1 over the remaining steps */
#define EAI_SCHEDULE_TABLE(X)                       \
    X(constant, "1")                                \
    X(linear,   "1 - x")                            \
    X(cosine,   "(1 + cos(pi x)) / 2")              \
    X(polynomial, "(1 - x)^2")
/* clang-format on */
typedef enum eai_schedule {
#define EAI_SCHEDULE_ENUM(name, text) EAI_SCHEDULE_##name,
    EAI_SCHEDULE_TABLE(EAI_SCHEDULE_ENUM)
#undef EAI_SCHEDULE_ENUM
} eai_schedule;
#define EAI_SCHEDULE_CHOICES "constant|linear|cosine|polynomial"
EAI_API bool eai_schedule_from_name(eai_schedule *out, const char *name);
EAI_API const char *eai_schedule_name(eai_schedule s);
/* The learning rate's factor for update `step` (from 1) of `total`: rises as (step - 1) / warmup
 * during warm-up (as transformers' schedulers do), then follows the schedule. */
EAI_API double eai_schedule_factor(eai_schedule s, int64_t step, int64_t warmup, int64_t total);

/* ---- Training
 * ------------------------------------------------------------------------------------- */

typedef struct eai_train_opts {
    int64_t steps; /* updates; 0: from epochs */
    double epochs;
    int64_t accumulation; /* micro-batches an update */
    double learning_rate;
    eai_schedule schedule;
    int64_t warmup;       /* updates */
    double max_grad_norm; /* 0: no clipping */
    eai_adamw_opts adamw;
    bool checkpoint_activations;
    uint64_t seed;
    bool keep_best; /* keep a copy of the parameters of the best validation */
} eai_train_opts;
#define EAI_TRAIN_OPTS_INIT                                                                        \
    {                                                                                              \
        0, 3.0, 1, 2e-4, EAI_SCHEDULE_linear, 0, 1.0, {0.9, 0.999, 1e-8, 0.01}, false, 0, false    \
    }

typedef struct eai_trainer eai_trainer;

/* Plans the step: all memory is taken here. `train` is borrowed, as are the task and the backend.
 */
EAI_API EAI_CHECKED eai_status eai_trainer_create(eai_trainer **out, const eai_train_task *task,
                                                  eai_backend *backend, eai_dataset *train,
                                                  const eai_train_opts *opts, eai_error *err);
EAI_API void eai_trainer_free(eai_trainer *t);

typedef struct eai_train_step {
    int64_t step;     /* from 1 */
    double loss;      /* before the update */
    double grad_norm; /* before clipping */
    double learning_rate;
    double epoch;    /* how far in the data, 1.5 = half through the second pass */
    int64_t tokens;  /* without padding */
    int64_t learned; /* tokens in the loss */
    double seconds;
} eai_train_step;

/* One update. A loss that is no number is EAI_ERR_NUMERIC, and the parameters are then lost: go
 * back to the last checkpoint. */
EAI_API EAI_CHECKED eai_status eai_trainer_step(eai_train_step *out, eai_trainer *t,
                                                eai_error *err);
EAI_API int64_t eai_trainer_steps_done(const eai_trainer *t);
EAI_API int64_t eai_trainer_steps_total(const eai_trainer *t);
EAI_API bool eai_trainer_done(const eai_trainer *t);
/* True after the last step of a pass over the data. */
EAI_API bool eai_trainer_epoch_over(const eai_trainer *t);
/* Losses of all steps so far, [steps_done]; those before a resume too. Borrowed. */
EAI_API const float *eai_trainer_losses(const eai_trainer *t);
/* What the largest step takes, with the update's plan where there is one. Known from creation. */
EAI_API void eai_trainer_get_memory(eai_plan_memory *out, const eai_trainer *t);
EAI_API EAI_CHECKED eai_status eai_trainer_print_plan(const eai_trainer *t, FILE *out,
                                                      eai_error *err);

/* Gradients of the last step, for tests: [n_parameters] of the parameters' shapes. Only after
 * eai_trainer_keep_gradients(t) right after creation, which re-plans. */
EAI_API EAI_CHECKED eai_status eai_trainer_keep_gradients(eai_trainer *t, eai_error *err);
EAI_API EAI_CHECKED eai_status eai_trainer_gradient(const float **out, const eai_trainer *t,
                                                    size_t i, eai_error *err);

/* ---- Validation losses
 * ----------------------------------------------------------------------------- */

typedef struct eai_validation {
    int64_t step; /* steps done when it was measured */
    double loss;
} eai_validation;
/* Notes the validation loss after the last step; one a step. Checkpoints hold them. */
EAI_API EAI_CHECKED eai_status eai_trainer_add_validation(eai_trainer *t, double loss,
                                                          eai_error *err);
/* All of them, those before a resume too; returns their number. Borrowed, valid until the next one
 * is added. */
EAI_API size_t eai_trainer_validations(const eai_validation **out, const eai_trainer *t);
/* The lowest after a step (the first of equal ones); NULL: none. Borrowed likewise. */
EAI_API const eai_validation *eai_trainer_best_validation(const eai_trainer *t);
/* How many of the last ones in a row were not lower than the best before them by more than
 * `threshold`: early stopping as transformers counts it. */
EAI_API int64_t eai_trainer_stalled_validations(const eai_trainer *t, double threshold);
/* Sets the parameters to those of the best validation; needs keep_best. No step and no save can
 * follow. */
EAI_API EAI_CHECKED eai_status eai_trainer_restore_best(eai_trainer *t, eai_error *err);

/* ---- Checkpoints
 * ----------------------------------------------------------------------------------- */

/* Writes FOLDER/state.safetensors, whole or not at all. `keep` above 1: the newest `keep` are also
 * there as state-STEP.safetensors (STEP of 9 digits), and others of that name are removed. */
EAI_API EAI_CHECKED eai_status eai_trainer_save(const eai_trainer *t, const char *folder,
                                                int64_t keep, eai_error *err);
/* Continues from a checkpoint: `path` is a folder with state.safetensors or such a file.
 * Parameters, moments, step, position, losses. Other options or parameters than at saving (what
 * would change the run) are one clear error. */
EAI_API EAI_CHECKED eai_status eai_trainer_resume(eai_trainer *t, const char *path, eai_error *err);

/* ---- Evaluation
 * ----------------------------------------------------------------------------------- */

typedef struct eai_evaluation {
    double loss; /* mean -log probability of the learned tokens */
    int64_t tokens;
} eai_evaluation;
typedef struct eai_evaluator eai_evaluator;
/* `trainer` not NULL: its largest plan lends its memory, as the two do not run at once; the
 * gradients of the last step are lost with an evaluation. */
EAI_API EAI_CHECKED eai_status eai_evaluator_create(eai_evaluator **out, const eai_train_task *task,
                                                    eai_backend *backend,
                                                    const eai_trainer *trainer, eai_error *err);
EAI_API void eai_evaluator_free(eai_evaluator *e);
/* Plans the dataset's largest batch now: its memory is known before the first run. *out: what it
 * needs beside the trainer's. */
EAI_API EAI_CHECKED eai_status eai_evaluator_plan(eai_plan_memory *out, eai_evaluator *e,
                                                  const eai_dataset *d, eai_error *err);
/* One pass over the dataset from its first batch. `cancel` not 0: EAI_ERR_CANCELLED after the
 * batch that is running; NULL: none. */
EAI_API EAI_CHECKED eai_status eai_evaluator_run(eai_evaluation *out, eai_evaluator *e,
                                                 eai_dataset *d,
                                                 const volatile sig_atomic_t *cancel,
                                                 eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
