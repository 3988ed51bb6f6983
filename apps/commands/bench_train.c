/* `efficientai bench train`. */
#include "bench.h"

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/hardware.h>

#include "base/banned.h"

#define WARM_UP 2 /* steps: the first plans and touches all memory */

#define ARG(f) offsetof(bench_train_args, f)
const eai_option bench_train_options[] = {
    BENCH_STEP_OPTIONS(bench_train_args),
    {.name = "rank",
     .key = 'r',
     .type = EAI_OPT_INT,
     .offset = ARG(rank),
     .default_value = "8",
     .value_name = "N",
     .help = "rank of the adapter",
     .min = 1,
     .max = EAI_ADAPTER_RANK_MAX},
    {.name = "targets",
     .type = EAI_OPT_STRING,
     .offset = ARG(targets),
     .default_value = "all",
     .value_name = "NAMES",
     .help = "layers that it changes: all, attention, mlp, or q_proj,v_proj"},
    {.name = "checkpoint-activations",
     .type = EAI_OPT_FLAG,
     .offset = ARG(checkpoint_activations),
     .help = "less memory: compute each layer again for its gradients"},
    BENCH_OPTIONS(bench_train_args, "8"),
    {0},
};

/* One model's training and what was measured. */
typedef struct subject {
    const bench_model *model;
    eai_bench_training *training;
    double first_step; /* seconds from opening the model to the end of the first step */
    double *seconds;
    size_t n;
} subject;

static eai_status open_subject(subject *s, eai_backend *b, const bench_train_args *a,
                               eai_error *err)
{
    eai_bench_train_opts opts = EAI_BENCH_TRAIN_OPTS_INIT;
    double first;
    double start = eai_clock_seconds();
    opts.batch_size = a->batch_size;
    opts.seq_len = a->seq_len;
    opts.adapter.rank = a->rank;
    opts.adapter.alpha = 2 * (double)a->rank;
    opts.adapter.targets = a->targets;
    opts.checkpoint_activations = a->checkpoint_activations;
    s->seconds = eai_alloc_array((size_t)a->bench.repeat, sizeof(*s->seconds));
    if (!s->seconds)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the times");
    EAI_TRY(eai_bench_training_create(&s->training, s->model->model, b, &opts, err));
    EAI_TRY(eai_bench_training_step(&first, s->training, err));
    s->first_step = s->model->open_seconds + eai_clock_seconds() - start;
    for (int i = 1; i < WARM_UP; i++)
        EAI_TRY(eai_bench_training_step(&first, s->training, err));
    return EAI_OK;
}

static eai_status add_row(json_t *report, eai_bench_results *results, subject *s,
                          const bench_train_args *a, eai_error *err)
{
    eai_plan_memory m;
    EAI_TRY(bench_add_samples(results, s->model->name, s->seconds, s->n, err));
    eai_bench_times t = eai_bench_summarize(s->seconds, s->n);
    eai_trainer_get_memory(&m, eai_bench_training_trainer(s->training));
    double tokens = (double)(a->batch_size * a->seq_len);
    size_t planned = m.activations + m.workspace + m.inputs + m.states;
    bench_add_row(report,
                  json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "model",
                            s->model->name, "batch_size", (json_int_t)a->batch_size, "seq_len",
                            (json_int_t)a->seq_len, "rank", (json_int_t)a->rank, "tokens_per_s",
                            tokens / t.median, "median_ms", 1e3 * t.median, "least_ms",
                            1e3 * t.least, "weights_mb", (double)m.weights / 1e6, "planned_mb",
                            (double)planned / 1e6, "first_step_seconds", s->first_step));
    return EAI_OK;
}

static eai_status run_steps(subject *subjects, size_t n, const bench_train_args *a, eai_error *err)
{
    for (int64_t turn = 0; turn < a->bench.repeat; turn++) {
        for (size_t i = 0; i < n; i++) {
            subject *s = &subjects[i];
            EAI_TRY(eai_bench_training_step(&s->seconds[s->n++], s->training, err));
        }
    }
    return EAI_OK;
}

static eai_status measure(const bench_session *session, const bench_train_args *a, eai_error *err)
{
    eai_status st = EAI_OK;
    size_t n = session->n;
    subject *subjects = eai_alloc_zeroed(n, sizeof(*subjects));
    if (!subjects)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu models", n);
    for (size_t i = 0; i < n && st == EAI_OK; i++) {
        subjects[i].model = &session->models[i];
        st = open_subject(&subjects[i], session->backend, a, err);
    }
    if (st == EAI_OK)
        st = run_steps(subjects, n, a, err);
    for (size_t i = 0; i < n; i++) {
        if (st == EAI_OK)
            st = add_row(session->report, session->results, &subjects[i], a, err);
        eai_bench_training_free(subjects[i].training);
        eai_free(subjects[i].seconds);
    }
    eai_free(subjects);
    json_object_set_new(session->report, "peak_rss_mb",
                        json_real((double)eai_hardware_peak_rss() / 1e6));
    return st;
}

eai_status bench_train(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const bench_train_args *a = args;
    bench_session s;
    eai_status st = bench_session_open(&s, "train", &a->bench, ctx, err);
    if (st == EAI_OK)
        st = measure(&s, a, err);
    return bench_session_end(&s, st, &a->bench,
                             "model=model:s|batch=batch_size:0|seq=seq_len:0|rank=rank:0|"
                             "tokens/s=tokens_per_s:1|ms a step=median_ms:1|least ms=least_ms:1|"
                             "weights MB=weights_mb:1|planned MB=planned_mb:1|"
                             "s to first step=first_step_seconds:2",
                             ctx, err);
}
