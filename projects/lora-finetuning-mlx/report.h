/* The report of a training run: what happened at each step, report.json, the plot. */
#ifndef LORA_REPORT_H
#define LORA_REPORT_H

#include <efficientai/rows.h>
#include <efficientai/sampler.h>
#include <efficientai/trainer.h>

#include "limits.h"

typedef struct run_report {
    double *step_x;  /* [cap]: 1, 2, 3 ... */
    double *loss;    /* [cap]; losses before a resume are in the first `first` places */
    double *seconds; /* [cap]: what each step of this run took; 0 for those before a resume */
    size_t n, cap;
    int64_t first;           /* steps done before this run */
    int64_t tokens, learned; /* of this run's steps, and without its first one (plans warm up) */
    int64_t later_tokens;
    double later_seconds;
    double seconds_to_first_step; /* from the start of the command to the end of the first step */
    struct json_t *json;          /* made by report_write */
} run_report;

/* What the report says beside the steps. Borrowed. */
typedef struct report_facts {
    const train_args *args;
    const session *session;
    const eai_trainer *trainer;
    const eai_dataset *train;
    const eai_rows *train_rows, *valid_rows;
    uint64_t predicted_peak; /* bytes, before the first step */
    limits_heat heat;
    const eai_sample_summary *machine;
    double seconds;
    bool interrupted;   /* --resume continues it */
    bool stopped_early; /* by --early-stopping-patience */
    bool best_saved;    /* the adapter is the best validation's */
} report_facts;

eai_status report_init(run_report *r, const eai_trainer *t, eai_error *err);
void report_deinit(run_report *r);
void report_add_step(run_report *r, const eai_train_step *s, double since_start);
/* Tokens a second of the steps so far, without the first one. */
double report_rate(const run_report *r);
double report_last_loss(const run_report *r);
/* What is known of a run before its first step; the caller's. */
struct json_t *report_plan(const eai_trainer *t, uint64_t predicted_peak);
/* Writes report.json, loss.png and loss.svg into the output folder. */
eai_status report_write(run_report *r, const report_facts *facts, eai_error *err);
/* The object that was written; the caller's. */
struct json_t *report_take_json(run_report *r);

#endif
