/* What a trainer holds; shared by trainer.c and checkpoint.c. */
#ifndef EAI_TRAIN_TRAINER_STATE_H
#define EAI_TRAIN_TRAINER_STATE_H

#include "train/step_graph.h"

#define TRAINER_PLANS 2 /* shapes whose plans are kept; each holds memory for its activations */

typedef struct trainer_plan {
    eai_plan *plan;
    train__ports ports;
    int64_t n_tokens;
    uint64_t last_use;
} trainer_plan;

struct eai_trainer {
    const eai_train_task *task;
    eai_backend *backend;
    eai_dataset *train;
    eai_train_opts opts;
    int64_t total, done;
    train__slot *slots; /* [n_parameters], pointing into moments */
    float *moments;
    float *losses; /* [total] */
    trainer_plan plans[TRAINER_PLANS];
    uint64_t clock;
    const trainer_plan *last; /* of the last micro-batch */
    eai_plan *update;         /* with accumulation */
    train__ports update_ports;
    eai_batch *micro; /* [accumulation] */
    int32_t *micro_memory;
    int64_t n_micro;
    bool keep;
};

#endif
