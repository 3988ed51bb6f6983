/* train: from a folder of JSON lines to an adapter, a report and a plot.
 *
 * The output folder gets adapter_model.safetensors and adapter_config.json (PEFT layout),
 * checkpoint/ (everything --resume needs), report.json, loss.png and loss.svg. Start at cmd_train.
 */
#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/fs.h>
#include <efficientai/hardware.h>
#include <efficientai/log.h>
#include <efficientai/progress.h>
#include <efficientai/sampler.h>
#include <efficientai/terminal.h>

#include "commands.h"
#include "limits.h"
#include "report.h"

#define ARG(f) offsetof(train_args, f)
const eai_option train_options[] = {
    SESSION_MODEL_OPTION(train_args),
    {.name = "data",
     .key = 'd',
     .type = EAI_OPT_PATH,
     .offset = ARG(data),
     .value_name = "DIR",
     .help = "folder with train.jsonl and, if wanted, valid.jsonl",
     .required = true},
    {.name = "output",
     .key = 'o',
     .type = EAI_OPT_PATH,
     .offset = ARG(output),
     .default_value = "adapter",
     .value_name = "DIR",
     .help = "folder for adapter, checkpoint, report, plot"},
    {.name = "resume",
     .type = EAI_OPT_FLAG,
     .offset = ARG(resume),
     .help = "continue from the checkpoint in the output folder"},
    {.name = "resume-from-checkpoint",
     .type = EAI_OPT_PATH,
     .offset = ARG(resume_from),
     .value_name = "PATH",
     .help = "continue from this state.safetensors, or from the one in this folder"},
    {.name = "plan",
     .type = EAI_OPT_FLAG,
     .offset = ARG(plan),
     .help = "print the plan of a step and its memory, train nothing"},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = ARG(json),
     .help = "the report as the last line"},

    {.name = "rank",
     .key = 'r',
     .type = EAI_OPT_INT,
     .offset = ARG(rank),
     .default_value = "8",
     .value_name = "N",
     .help = "rank of the adapters",
     .min = 1,
     .max = EAI_ADAPTER_RANK_MAX,
     .group = "Adapter"},
    {.name = "alpha",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(alpha),
     .default_value = "16",
     .value_name = "X",
     .help = "scale is alpha / rank",
     .min = 1e-3,
     .max = 1e5,
     .group = "Adapter"},
    {.name = "dropout",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(dropout),
     .default_value = "0",
     .value_name = "P",
     .help = "of the adapters' inputs, in training",
     .min = 0,
     .max = 0.99,
     .group = "Adapter"},
    {.name = "targets",
     .type = EAI_OPT_STRING,
     .offset = ARG(targets),
     .default_value = "all",
     .value_name = "LIST",
     .help = "all, attention, mlp, or names such as q_proj,v_proj",
     .group = "Adapter"},
    {.name = "rslora",
     .type = EAI_OPT_FLAG,
     .offset = ARG(rslora),
     .help = "rank-stabilised: scale is alpha / sqrt(rank)",
     .group = "Adapter"},

    {.name = "epochs",
     .key = 'e',
     .type = EAI_OPT_FLOAT,
     .offset = ARG(epochs),
     .default_value = "3",
     .value_name = "X",
     .unit = "passes",
     .help = "passes over the data",
     .min = 0.001,
     .max = 1e6,
     .group = "Training"},
    {.name = "steps",
     .key = 's',
     .type = EAI_OPT_INT,
     .offset = ARG(steps),
     .default_value = "0",
     .value_name = "N",
     .unit = "updates",
     .help = "updates; 0: from --epochs",
     .min = 0,
     .max = 1e9,
     .group = "Training"},
    {.name = "batch-size",
     .key = 'b',
     .type = EAI_OPT_INT,
     .offset = ARG(batch_size),
     .default_value = "4",
     .value_name = "N",
     .unit = "rows",
     .help = "rows of --seq-len tokens a step (examples, with --no-pack)",
     .min = 1,
     .max = 65536,
     .group = "Training"},
    {.name = "seq-len",
     .key = 'l',
     .type = EAI_OPT_INT,
     .offset = ARG(seq_len),
     .default_value = "256",
     .value_name = "N",
     .unit = "tokens",
     .help = "tokens a row; longer examples are cut",
     .min = 8,
     .max = 131072,
     .group = "Training"},
    {.name = "accumulation",
     .type = EAI_OPT_INT,
     .offset = ARG(accumulation),
     .default_value = "1",
     .value_name = "N",
     .unit = "batches",
     .help = "batches an update",
     .min = 1,
     .max = 4096,
     .group = "Training"},
    {.name = "learning-rate",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(learning_rate),
     .default_value = "2e-4",
     .value_name = "X",
     .help = "highest learning rate",
     .min = 1e-12,
     .max = 10,
     .group = "Training"},
    {.name = "schedule",
     .type = EAI_OPT_ENUM,
     .offset = ARG(schedule),
     .default_value = "linear",
     .value_name = "NAME",
     .choices = EAI_SCHEDULE_CHOICES,
     .help = "of the learning rate after warm-up",
     .group = "Training"},
    {.name = "warmup",
     .type = EAI_OPT_INT,
     .offset = ARG(warmup),
     .default_value = "0",
     .value_name = "N",
     .unit = "updates",
     .help = "updates over which the learning rate rises",
     .min = 0,
     .max = 1e9,
     .group = "Training"},
    {.name = "weight-decay",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(weight_decay),
     .default_value = "0.01",
     .value_name = "X",
     .help = "AdamW's decay",
     .min = 0,
     .max = 10,
     .group = "Training"},
    {.name = "max-grad-norm",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(max_grad_norm),
     .default_value = "1",
     .value_name = "X",
     .help = "clip gradients to this norm, 0: do not",
     .min = 0,
     .max = 1e9,
     .group = "Training"},
    {.name = "seed",
     .type = EAI_OPT_INT,
     .offset = ARG(seed),
     .default_value = "0",
     .value_name = "N",
     .help = "of first values, order and dropout",
     .min = 0,
     .max = 9e15,
     .group = "Training"},
    {.name = "no-pack",
     .type = EAI_OPT_FLAG,
     .offset = ARG(no_pack),
     .help = "batches of --batch-size examples instead of filled rows",
     .group = "Training"},
    {.name = "no-shuffle",
     .type = EAI_OPT_FLAG,
     .offset = ARG(no_shuffle),
     .help = "examples in the order of the file",
     .group = "Training"},
    {.name = "learn-prompt",
     .type = EAI_OPT_FLAG,
     .offset = ARG(learn_prompt),
     .help = "learn prompts too, not answers only",
     .group = "Training"},
    {.name = "checkpoint-activations",
     .type = EAI_OPT_FLAG,
     .offset = ARG(checkpoint_activations),
     .help = "less memory: compute each layer again for its gradients",
     .group = "Training"},
    {.name = "eval-every",
     .type = EAI_OPT_INT,
     .offset = ARG(eval_every),
     .default_value = "0",
     .value_name = "N",
     .unit = "updates",
     .help = "updates between validations, 0: each epoch",
     .min = 0,
     .max = 1e9,
     .group = "Validation and checkpoints",
     .section = "validation"},
    {.name = "load-best-model-at-end",
     .type = EAI_OPT_FLAG,
     .offset = ARG(load_best),
     .help = "the adapter is that of the lowest validation loss, not the last one",
     .group = "Validation and checkpoints",
     .section = "validation"},
    {.name = "early-stopping-patience",
     .type = EAI_OPT_INT,
     .offset = ARG(patience),
     .default_value = "0",
     .value_name = "N",
     .unit = "evaluations",
     .help = "stop after N validations without a lower loss, 0: do not",
     .min = 0,
     .max = 1e9,
     .group = "Validation and checkpoints",
     .section = "validation"},
    {.name = "early-stopping-threshold",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(threshold),
     .default_value = "0",
     .value_name = "X",
     .unit = "nats",
     .help = "a loss counts as lower when it is by more than X",
     .min = 0,
     .max = 1e9,
     .group = "Validation and checkpoints",
     .section = "validation"},
    {.name = "save-every",
     .type = EAI_OPT_INT,
     .offset = ARG(save_every),
     .default_value = "100",
     .value_name = "N",
     .unit = "updates",
     .help = "updates between checkpoints, 0: at the end only",
     .min = 0,
     .max = 1e9,
     .group = "Validation and checkpoints",
     .section = "validation"},
    {.name = "save-total-limit",
     .type = EAI_OPT_INT,
     .offset = ARG(save_total_limit),
     .default_value = "1",
     .value_name = "N",
     .unit = "checkpoints",
     .help = "checkpoints that are kept; above 1 also as checkpoint/state-STEP.safetensors",
     .min = 1,
     .max = 1e6,
     .group = "Validation and checkpoints",
     .section = "validation"},
    SESSION_MACHINE_OPTIONS(train_args),
    SESSION_PROFILE_OPTION(train_args),
    {0},
};

/* All that a run holds. */
/* How the machine fares meanwhile, at most once a second, between two steps. */
typedef struct machine_watch {
    eai_meter *meter;
    double next; /* when to look again */
    eai_sample_summary sum;
} machine_watch;

static void look_at_machine(machine_watch *w)
{
    eai_sample sample;
    double now = eai_clock_seconds();
    if (now < w->next)
        return;
    eai_meter_read(&sample, w->meter);
    eai_sample_summary_add(&w->sum, &sample);
    w->next = now + 1;
}

typedef struct run {
    const train_args *args; /* = fitted, once the command runs */
    train_args fitted;      /* what was asked for, or less: limits.h */
    const eai_command_context *ctx;
    double begin; /* clock when the command started */
    session s;
    eai_rows *train_rows, *valid_rows;
    eai_dataset *train, *valid;
    eai_lora_task task;
    eai_trainer *trainer;
    eai_evaluator *evaluator;
    eai_progress *progress;
    limits_heat heat;
    machine_watch machine;
    run_report report;
    char *checkpoint;        /* folder */
    uint64_t rss_files;      /* resident pages of files (the program's) when the command started */
    uint64_t predicted_peak; /* bytes; see predict_peak */
} run;

/* What depends on the sizes of a batch. */
static void close_training(run *r)
{
    eai_evaluator_free(r->evaluator);
    eai_trainer_free(r->trainer);
    eai_dataset_free(r->train);
    eai_dataset_free(r->valid);
    r->evaluator = NULL;
    r->trainer = NULL;
    r->train = r->valid = NULL;
}

static void close_run(run *r)
{
    eai_progress_abandon(r->progress);
    report_deinit(&r->report);
    eai_meter_free(r->machine.meter);
    close_training(r);
    eai_rows_free(r->train_rows);
    eai_rows_free(r->valid_rows);
    eai_free(r->checkpoint);
    session_close(&r->s);
}

static eai_status open_data(run *r, eai_error *err)
{
    const train_args *a = r->args;
    EAI_TRY(session_read_rows(&r->train_rows, a->data, "train.jsonl", false, err));
    EAI_TRY(session_read_rows(&r->valid_rows, a->data, "valid.jsonl", true, err));
    EAI_TRY(session_open(&r->s, &a->session, err));
    int64_t context = eai_model_get_config(r->s.model)->context;
    if (a->seq_len > context)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "--seq-len %lld: the model was made for up to %lld",
                             (long long)a->seq_len, (long long)context);
    return EAI_OK;
}

static eai_status open_datasets(run *r, eai_error *err)
{
    const train_args *a = r->args;
    eai_dataset_opts opts = {a->seq_len,     a->batch_size,   !a->no_pack,
                             !a->no_shuffle, a->learn_prompt, (uint64_t)a->seed};
    EAI_TRY(eai_dataset_create(&r->train, r->train_rows, r->s.tokenizer, &opts, err));
    opts.shuffle = false;
    return r->valid_rows ? eai_dataset_create(&r->valid, r->valid_rows, r->s.tokenizer, &opts, err)
                         : EAI_OK;
}

static eai_train_opts train_opts(const train_args *a)
{
    eai_train_opts o = EAI_TRAIN_OPTS_INIT;
    o.steps = a->steps;
    o.epochs = a->epochs;
    o.accumulation = a->accumulation;
    o.learning_rate = a->learning_rate;
    eai_schedule_from_name(&o.schedule, a->schedule);
    o.warmup = a->warmup;
    o.max_grad_norm = a->max_grad_norm;
    o.adamw.weight_decay = a->weight_decay;
    o.checkpoint_activations = a->checkpoint_activations;
    o.seed = (uint64_t)a->seed;
    o.keep_best = a->load_best;
    return o;
}

/* What asks for validation losses needs rows to measure them on. */
static eai_status check_validation(const run *r, eai_error *err)
{
    const char *asks = r->args->load_best  ? "--load-best-model-at-end"
                       : r->args->patience ? "--early-stopping-patience"
                                           : NULL;
    if (!asks || r->valid_rows)
        return EAI_OK;
    return eai_error_set(err, EAI_ERR_ARGUMENT, "%s needs a valid.jsonl in '%s'", asks,
                         r->args->data);
}

/* What the process takes at most while it trains, known before the first step: what it has when all
 * is planned (of the files, the program's pages), the model's file, whose pages come in as they are
 * read, and what nothing has touched yet: the memory of the plans, the optimizer's moments, a copy
 * of the best parameters. */
static uint64_t predict_peak(const run *r, const eai_plan_memory *valid)
{
    eai_plan_memory m;
    size_t parameters = (size_t)eai_adapter_parameter_count(r->s.adapter) * sizeof(float);
    eai_trainer_get_memory(&m, r->trainer);
    return r->rss_files + eai_hardware_rss_anonymous() + eai_weights_file_bytes(r->s.weights) +
           m.activations + m.workspace + m.inputs + (m.states - parameters) +
           (r->args->load_best ? parameters : 0) + valid->activations + valid->workspace +
           valid->inputs;
}

/* A run that cannot fit, with what would make it smaller; `what` says how much is missing. */
static eai_status does_not_fit(const run *r, const char *what, eai_error *err)
{
    const train_args *a = r->args;
    char smaller[64];
    if (a->batch_size > 1)
        snprintf(smaller, sizeof(smaller), "--batch-size %lld", (long long)(a->batch_size / 2));
    else
        snprintf(smaller, sizeof(smaller), "--seq-len %lld", (long long)(a->seq_len / 2));
    return eai_error_set(err, EAI_ERR_LIMIT, "%s: try %s%s%s", what,
                         a->checkpoint_activations ? "" : "--checkpoint-activations or ", smaller,
                         a->accumulation > 1 || a->batch_size == 1
                             ? ""
                             : " (with --accumulation 2 the update is of as many tokens)");
}

/* The plan's memory may be refused at once, by the system. */
static eai_status create_trainer(run *r, eai_error *err)
{
    eai_train_opts opts = train_opts(r->args);
    eai_error why = EAI_ERROR_INIT;
    eai_status st =
        eai_trainer_create(&r->trainer, &r->task.base, r->s.backend, r->train, &opts, &why);
    if (st == EAI_ERR_NOMEM)
        return does_not_fit(r, why.message, err);
    return st == EAI_OK ? st : eai_error_set(err, st, "%s", why.message);
}

/* Or it is more than there is, which would show only while it is being filled. */
static eai_status check_memory(const run *r, eai_error *err)
{
    char what[128];
    char needed[32];
    char there[32];
    uint64_t available = eai_hardware_memory_available();
    uint64_t taken = eai_hardware_rss();
    uint64_t need = r->predicted_peak > taken ? r->predicted_peak - taken : 0;
    if (available == 0 || need <= available)
        return EAI_OK;
    snprintf(what, sizeof(what), "training needs %s more, the machine has %s free",
             eai_format_bytes(needed, sizeof(needed), need),
             eai_format_bytes(there, sizeof(there), available));
    return does_not_fit(r, what, err);
}

/* Datasets, trainer and evaluator; *planned: bytes of weights and plans together. */
static eai_status open_training(run *r, uint64_t *planned, eai_error *err)
{
    eai_plan_memory m;
    eai_plan_memory valid = {0};
    EAI_TRY(open_datasets(r, err));
    EAI_TRY(create_trainer(r, err));
    if (r->valid) {
        EAI_TRY(eai_evaluator_create(&r->evaluator, &r->task.base, r->s.backend, r->trainer, err));
        EAI_TRY(eai_evaluator_plan(&valid, r->evaluator, r->valid, err));
    }
    r->predicted_peak = predict_peak(r, &valid);
    eai_trainer_get_memory(&m, r->trainer);
    *planned = m.weights + m.states + m.inputs + m.activations + m.workspace;
    return EAI_OK;
}

/* The same, made smaller until it keeps within the backend's working set. */
static eai_status fit_training(run *r, eai_error *err)
{
    uint64_t budget = eai_backend_memory_budget(r->s.backend);
    uint64_t planned = 0;
    char what[128];
    char needed[32];
    char set[32];
    EAI_TRY(open_training(r, &planned, err));
    while (budget > 0 && planned > budget) {
        eai_format_bytes(needed, sizeof(needed), planned);
        eai_format_bytes(set, sizeof(set), budget);
        if (!limits_shrink(&r->fitted, what, sizeof(what)))
            return eai_error_set(
                err, EAI_ERR_LIMIT,
                "training needs %s, the working set is %s, and no smaller batch is "
                "left",
                needed, set);
        EAI_LOG(WARN, "train", "a step needs %s, the working set is %s: %s", needed, set, what);
        close_training(r);
        EAI_TRY(open_training(r, &planned, err));
    }
    return EAI_OK;
}

static eai_status open_run(run *r, eai_error *err)
{
    const train_args *a = r->args;
    eai_adapter_opts lora = EAI_ADAPTER_OPTS_INIT;

    EAI_TRY(open_data(r, err));
    EAI_TRY(check_validation(r, err));
    lora.rank = a->rank;
    lora.alpha = a->alpha;
    lora.dropout = a->dropout;
    lora.targets = a->targets;
    lora.seed = (uint64_t)a->seed;
    lora.use_rslora = a->rslora;
    EAI_TRY(eai_adapter_create(&r->s.adapter, r->s.model, &lora, err));
    eai_lora_task_init(&r->task, r->s.model, r->s.adapter);
    EAI_TRY(fit_training(r, err));
    EAI_TRY(check_memory(r, err));
    r->checkpoint = eai_path_join(a->output, "checkpoint");
    if (!r->checkpoint)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (a->resume || a->resume_from)
        EAI_TRY(
            eai_trainer_resume(r->trainer, a->resume_from ? a->resume_from : r->checkpoint, err));
    return report_init(&r->report, r->trainer, err);
}

static bool due(int64_t every, int64_t step)
{
    return every > 0 && step % every == 0;
}

/* Whether the state that has been reached is to be validated: a question to the state alone, so
 * that a run which was ended in between asks it again when it is continued. */
static bool validation_due(const run *r)
{
    const eai_validation *list;
    int64_t step = eai_trainer_steps_done(r->trainer);
    size_t n = eai_trainer_validations(&list, r->trainer);
    if (!r->evaluator || (n > 0 && list[n - 1].step == step))
        return false;
    if (step == 0 || eai_trainer_done(r->trainer))
        return true;
    return r->args->eval_every ? due(r->args->eval_every, step)
                               : eai_trainer_epoch_over(r->trainer);
}

/* Ctrl-C ends it after the batch that is running; nothing is noted then. */
static eai_status validate(run *r, eai_error *err)
{
    eai_evaluation e;
    if (!validation_due(r) || session_interrupted)
        return EAI_OK;
    eai_status st = eai_evaluator_run(&e, r->evaluator, r->valid, &session_interrupted, err);
    if (st == EAI_ERR_CANCELLED)
        return EAI_OK;
    EAI_TRY(st);
    EAI_TRY(eai_trainer_add_validation(r->trainer, e.loss, err));
    eai_progress_note(r->progress, "step %lld: validation loss %.4f",
                      (long long)eai_trainer_steps_done(r->trainer), e.loss);
    return EAI_OK;
}

static bool stopped_early(const run *r)
{
    const train_args *a = r->args;
    return a->patience > 0 && !eai_trainer_done(r->trainer) &&
           eai_trainer_stalled_validations(r->trainer, a->threshold) >= a->patience;
}

static bool finished(const run *r)
{
    return eai_trainer_done(r->trainer) || stopped_early(r);
}

/* Nothing is left to do, the last validation neither. */
static bool complete(const run *r)
{
    return finished(r) && !validation_due(r);
}

static eai_status after_step(run *r, const eai_train_step *s, eai_error *err)
{
    report_add_step(&r->report, s, eai_clock_seconds() - r->begin);
    eai_progress_update(r->progress, (uint64_t)s->step, "loss %.4f  lr %.2e  %.0f tokens/s",
                        s->loss, s->learning_rate, report_rate(&r->report));
    EAI_TRY(validate(r, err));
    if (!finished(r) && due(r->args->save_every, s->step))
        EAI_TRY(eai_trainer_save(r->trainer, r->checkpoint, r->args->save_total_limit, err));
    return EAI_OK;
}

static eai_status loop(run *r, eai_error *err)
{
    EAI_TRY(eai_meter_create(&r->machine.meter, r->args->output, err));
    look_at_machine(&r->machine);
    EAI_TRY(validate(r, err));
    while (!finished(r) && !session_interrupted) {
        eai_train_step step;
        EAI_TRY(eai_trainer_step(&step, r->trainer, err));
        EAI_TRY(after_step(r, &step, err));
        look_at_machine(&r->machine);
        if (!finished(r))
            limits_cool(&r->heat, r->progress);
    }
    r->machine.next = 0; /* however short it was, there are two */
    look_at_machine(&r->machine);
    if (stopped_early(r))
        eai_progress_note(r->progress, "stopped early: %lld validations without a lower loss",
                          (long long)r->args->patience);
    return EAI_OK;
}

/* Adapter, checkpoint, report, plot. */
static eai_status save_all(run *r, eai_error *err)
{
    const train_args *a = r->args;
    EAI_TRY(eai_trainer_save(r->trainer, r->checkpoint, a->save_total_limit, err));
    bool best = a->load_best && complete(r);
    if (best)
        EAI_TRY(eai_trainer_restore_best(r->trainer, err));
    EAI_TRY(eai_adapter_save(r->s.adapter, a->output, a->session.model, err));
    report_facts facts = {.args = a,
                          .machine = &r->machine.sum,
                          .session = &r->s,
                          .trainer = r->trainer,
                          .train = r->train,
                          .train_rows = r->train_rows,
                          .valid_rows = r->valid_rows,
                          .predicted_peak = r->predicted_peak,
                          .heat = r->heat,
                          .seconds = eai_clock_seconds() - r->begin,
                          .interrupted = !complete(r),
                          .stopped_early = stopped_early(r),
                          .best_saved = best};
    return report_write(&r->report, &facts, err);
}

static void announce(const run *r)
{
    eai_dataset_stats n;
    eai_plan_memory m;
    if (r->ctx->quiet)
        return;
    eai_dataset_get_stats(&n, r->train);
    eai_trainer_get_memory(&m, r->trainer);
    fprintf(
        r->ctx->progress,
        "%s, %s\n"
        "%zu examples, %zu tokens, %zu of them learned%s; %lld steps\n"
        "adapter: rank %lld on %s, %.2f M parameters; a step needs %.0f MB beside the weights\n",
        r->args->session.model, eai_backend_describe(r->s.backend), n.examples, n.tokens,
        n.learned_tokens, n.cut ? " (some examples were cut to --seq-len)" : "",
        (long long)eai_trainer_steps_total(r->trainer), (long long)eai_adapter_rank(r->s.adapter),
        eai_adapter_targets(r->s.adapter), (double)eai_adapter_parameter_count(r->s.adapter) / 1e6,
        (double)(m.activations + m.workspace) / (1 << 20));
    if (r->args->resume || r->args->resume_from)
        fprintf(r->ctx->progress, "continuing after step %lld\n",
                (long long)eai_trainer_steps_done(r->trainer));
}

static eai_status print_plan(const run *r, eai_error *err)
{
    if (r->args->json)
        return session_print_json(r->ctx, report_plan(r->trainer, r->predicted_peak), err);
    EAI_TRY(eai_trainer_print_plan(r->trainer, r->ctx->out, err));
    fprintf(r->ctx->out, "%lld steps; predicted peak memory of the process %.0f MB\n",
            (long long)eai_trainer_steps_total(r->trainer), (double)r->predicted_peak / (1 << 20));
    return EAI_OK;
}

static eai_status train(run *r, eai_error *err)
{
    const train_args *a = r->args;
    EAI_TRY(open_run(r, err));
    if (a->plan)
        return print_plan(r, err);
    EAI_TRY(
        eai_fs_mkdir_p(a->output, err)); /* a folder that cannot be made is known before training */
    announce(r);
    if (!r->ctx->quiet)
        r->progress = eai_progress_create(r->ctx->progress, r->ctx->progress_is_terminal, "train",
                                          "step", (uint64_t)eai_trainer_steps_total(r->trainer));
    EAI_TRY(loop(r, err));
    if (!complete(r)) {
        eai_progress_abandon(r->progress);
    } else {
        eai_progress_finish(r->progress, "loss %.4f  %.0f tokens/s", report_last_loss(&r->report),
                            report_rate(&r->report));
    }
    r->progress = NULL;
    if (session_interrupted && eai_trainer_steps_done(r->trainer) == 0)
        return eai_error_set(err, EAI_ERR_CANCELLED, /* an earlier adapter there stays */
                             "stopped before the first step; nothing was saved");
    EAI_TRY(save_all(r, err));
    EAI_LOG_FIELDS(INFO, "train",
                   EAI_FIELDS(eai_log_integer("step", eai_trainer_steps_done(r->trainer)),
                              eai_log_real("loss", report_last_loss(&r->report)),
                              eai_log_real("tokens_per_s", report_rate(&r->report)),
                              eai_log_text("output", a->output)),
                   "adapter, checkpoint and report are saved");
    if (session_interrupted)
        return eai_error_set(err, EAI_ERR_CANCELLED,
                             "stopped after step %lld of %lld; saved, --resume continues",
                             (long long)eai_trainer_steps_done(r->trainer),
                             (long long)eai_trainer_steps_total(r->trainer));
    if (a->json)
        return session_print_json(r->ctx, report_take_json(&r->report), err);
    fprintf(r->ctx->out, "adapter, report and plot in %s\n", a->output);
    return EAI_OK;
}

eai_status cmd_train(const eai_command_context *ctx, const void *args, eai_error *err)
{
    run r = {.fitted = *(const train_args *)args, .ctx = ctx, .begin = eai_clock_seconds()};
    r.args = &r.fitted;
    r.rss_files = eai_hardware_rss() - eai_hardware_rss_anonymous();
    session_catch_interrupt();
    eai_status st = train(&r, err);
    st = session_end(&r.s, &r.args->session, ctx, st, err);
    close_run(&r);
    return st;
}
