/* What a trainer holds; shared by trainer.c, validation.c and checkpoint.c. */
#ifndef EAI_TRAIN_TRAINER_STATE_H
#define EAI_TRAIN_TRAINER_STATE_H

#include <efficientai/plan_cache.h>

#include "train/step_graph.h"

struct eai_trainer {
    const eai_train_task *task;
    eai_backend *backend;
    eai_dataset *train;
    eai_train_opts opts;
    int64_t total, done;
    train__slot *slots; /* [n_parameters], pointing into moments */
    float *moments;
    float *losses;               /* [total] */
    int64_t largest;             /* tokens of the largest batch that the run meets */
    eai_plan_cache *plans;       /* by tokens; ports are train__ports */
    train__ports *ports;         /* of the last micro-batch */
    const eai_plan *last;        /* its plan */
    eai_plan *update;            /* with accumulation */
    eai_plan_memory step_memory; /* of the largest step */
    eai_plan_memory memory;      /* that, and the update beside it */
    train__ports update_ports;
    eai_batch *micro; /* [accumulation] */
    int32_t *micro_memory;
    int64_t n_micro;
    eai_validation *validations; /* in order of their steps */
    size_t n_validations, cap_validations;
    float *best_parameters; /* with keep_best: one after the other, of the best validation */
    bool keep;
    bool over; /* the best parameters are back: nothing can follow */
};

/* The plan that smaller ones share the memory of. */
EAI_CHECKED eai_status train__largest_plan(const eai_plan_entry **out, const eai_trainer *t,
                                           eai_error *err);

/* The lowest after a step, or NULL. */
const eai_validation *train__best_of(const eai_validation *list, size_t n);

/* Makes the state in `w` the trainer's, once all of it is checked (checkpoint.c). */
EAI_CHECKED eai_status train__restore(eai_trainer *t, const eai_weights *w, eai_error *err);

#define TRAINER_STATE_FILE "state.safetensors"

/* After FOLDER/state.safetensors of `step` was written from w: see eai_trainer_save (retention.c).
 */
EAI_CHECKED eai_status train__keep_states(const eai_weights *w, const char *folder, int64_t step,
                                          int64_t keep, eai_error *err);

#endif
