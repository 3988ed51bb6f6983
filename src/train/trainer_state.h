/* What a trainer holds; shared by trainer.c and checkpoint.c. */
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
    float *losses;          /* [total] */
    int64_t largest;        /* tokens of the largest batch that the run meets */
    eai_plan_cache *plans;  /* by tokens; ports are train__ports */
    train__ports *ports;    /* of the last micro-batch */
    const eai_plan *last;   /* its plan */
    eai_plan *update;       /* with accumulation */
    eai_plan_memory memory; /* of the largest step, and the update beside it */
    train__ports update_ports;
    eai_batch *micro; /* [accumulation] */
    int32_t *micro_memory;
    int64_t n_micro;
    bool keep;
};

#endif
