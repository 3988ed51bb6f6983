/* `efficientai bench ops`. */
#include "bench.h"

#include <efficientai/alloc.h>
#include <efficientai/profile.h>

#include "base/banned.h"

#define ARG(f) offsetof(bench_ops_args, f)
const eai_option bench_ops_options[] = {
    BENCH_STEP_OPTIONS(bench_ops_args),
    {.name = "tokens",
     .key = 'n',
     .type = EAI_OPT_INT,
     .offset = ARG(tokens),
     .default_value = "16",
     .value_name = "N",
     .help = "tokens to generate",
     .min = 1,
     .max = 1e6},
    BENCH_OPTIONS(bench_ops_args, "5"),
    {0},
};

static eai_status train(eai_backend *b, const bench_model *m, const bench_ops_args *a,
                        eai_profile *profile, eai_error *err)
{
    eai_bench_train_opts opts = EAI_BENCH_TRAIN_OPTS_INIT;
    eai_bench_training *t = NULL;
    double seconds;
    opts.batch_size = a->batch_size;
    opts.seq_len = a->seq_len;
    eai_status st = eai_bench_training_create(&t, m->model, b, &opts, err);
    if (st == EAI_OK) /* touches all memory */
        st = eai_bench_training_step(&seconds, t, err);
    eai_backend_set_profile(b, profile);
    for (int64_t i = 0; i < a->bench.repeat && st == EAI_OK; i++)
        st = eai_bench_training_step(&seconds, t, err);
    eai_backend_set_profile(b, NULL);
    eai_bench_training_free(t);
    return st;
}

static eai_status generate(eai_backend *b, const bench_model *m, const bench_ops_args *a,
                           eai_profile *profile, eai_error *err)
{
    eai_generator_opts opts = {0};
    eai_generator *gen = NULL;
    eai_bench_generation g;
    opts.n_context = a->tokens + 2;
    eai_status st = eai_generator_create(&gen, m->model, NULL, b, NULL, &opts, err);
    if (st == EAI_OK)
        st = eai_bench_generate(&g, gen, m->model, 1, a->tokens, err);
    eai_backend_set_profile(b, profile);
    for (int64_t i = 0; i < a->bench.repeat && st == EAI_OK; i++)
        st = eai_bench_generate(&g, gen, m->model, 1, a->tokens, err);
    eai_backend_set_profile(b, NULL);
    eai_generator_free(gen);
    return st;
}

typedef eai_status (*work)(eai_backend *b, const bench_model *m, const bench_ops_args *a,
                           eai_profile *profile, eai_error *err);

static eai_status add_rows(json_t *report, const bench_model *m, const char *job,
                           const eai_profile *profile, eai_error *err)
{
    eai_profile_row *rows;
    eai_profile_totals all;
    size_t n;
    eai_profile_get_totals(&all, profile);
    EAI_TRY(eai_profile_get_rows(&rows, &n, profile, true, err));
    for (size_t i = 0; i < n; i++) {
        const eai_profile_totals *t = &rows[i].totals;
        double seconds = t->seconds > 0 ? t->seconds : 1;
        bench_add_row(report,
                      json_pack("{s:s, s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "model",
                                m->name, "job", job, "op", rows[i].op, "shapes", rows[i].shapes,
                                "calls", (json_int_t)t->steps, "us",
                                1e6 * t->seconds / (double)t->steps, "least_us",
                                1e6 * t->least / (double)t->steps, "percent",
                                all.seconds > 0 ? 100 * t->seconds / all.seconds : 0, "gflops",
                                t->flops / seconds / 1e9, "gb_per_s", t->bytes / seconds / 1e9));
    }
    eai_free(rows);
    return EAI_OK;
}

static eai_status measure(json_t *report, eai_backend *b, const bench_model *m,
                          const bench_ops_args *a, eai_error *err)
{
    static const struct {
        const char *name;
        work run;
    } jobs[] = {{"train", train}, {"generate", generate}};
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        eai_profile *profile;
        EAI_TRY(eai_profile_create(&profile, err));
        eai_status st = jobs[i].run(b, m, a, profile, err);
        if (st == EAI_OK)
            st = add_rows(report, m, jobs[i].name, profile, err);
        eai_profile_free(profile);
        if (st != EAI_OK)
            return st;
    }
    return EAI_OK;
}

eai_status bench_ops(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const bench_ops_args *a = args;
    bench_session s;
    eai_status st = bench_session_open(&s, "ops", &a->bench, ctx, err);
    for (size_t i = 0; i < s.n && st == EAI_OK; i++)
        st = measure(s.report, s.backend, &s.models[i], a, err);
    return bench_session_end(&s, st, &a->bench,
                             "job=job:s|operation=op:s|calls=calls:0|us=us:1|least us=least_us:1|"
                             "%=percent:1|GFLOP/s=gflops:1|GB/s=gb_per_s:1|shapes=shapes:s",
                             ctx, err);
}
