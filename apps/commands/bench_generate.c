/* `efficientai bench generate`. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/hardware.h>

#include "base/banned.h"

#define MAX_PROMPTS  16
#define READ_BYTES   ((size_t)256 << 20) /* at least; more where the cache is large */
#define READ_AT_MOST ((size_t)2 << 30)

#define ARG(f) offsetof(bench_generate_args, f)
const eai_option bench_generate_options[] = {
    {.name = "prompts",
     .type = EAI_OPT_STRING,
     .offset = ARG(prompts),
     .default_value = "128,512",
     .value_name = "N,...",
     .help = "lengths of prompts, in tokens"},
    {.name = "tokens",
     .key = 'n',
     .type = EAI_OPT_INT,
     .offset = ARG(tokens),
     .default_value = "128",
     .value_name = "N",
     .help = "tokens to generate after a prompt of one token",
     .min = 1,
     .max = 1e6},
    BENCH_OPTIONS(bench_generate_args, "5"),
    {0},
};

/* One model's times; those of prompt i at seconds[i * repeat]. */
typedef struct subject {
    const bench_model *model;
    eai_generator *generator;
    double first_token; /* seconds from opening the model to the first token */
    double *prompt_seconds, *token_seconds;
    size_t n;
} subject;

typedef struct job {
    const bench_generate_args *args;
    int64_t prompts[MAX_PROMPTS];
    size_t n_prompts;
    int64_t longest;
    double read_speed; /* bytes a second */
} job;

static eai_status parse_prompts(job *j, eai_error *err)
{
    const char *at = j->args->prompts;
    char word[32];
    j->longest = 1;
    while (bench_next_word(word, sizeof(word), &at)) {
        char *end;
        long long n = strtoll(word, &end, 10);
        if (*end || end == word || n < 1 || n > 1 << 20 || j->n_prompts == MAX_PROMPTS)
            return eai_error_set(err, EAI_ERR_USAGE,
                                 "--prompts: '%s': up to %d lengths of 1 to 1048576", word,
                                 MAX_PROMPTS);
        j->prompts[j->n_prompts++] = n;
        j->longest = n > j->longest ? n : j->longest;
    }
    return EAI_OK;
}

static eai_status open_subject(subject *s, eai_backend *b, const job *j, eai_error *err)
{
    eai_bench_generation g;
    eai_generator_opts opts = {0};
    size_t repeat = (size_t)j->args->bench.repeat;
    double start = eai_clock_seconds();
    opts.n_context = j->longest + j->args->tokens + 1;
    s->prompt_seconds = eai_alloc_array(repeat * (j->n_prompts + 1), sizeof(double));
    s->token_seconds = eai_alloc_array(repeat, sizeof(double));
    if (!s->prompt_seconds || !s->token_seconds)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the times");
    EAI_TRY(eai_generator_create(&s->generator, s->model->model, NULL, b, NULL, &opts, err));
    EAI_TRY(eai_bench_generate(&g, s->generator, s->model->model, 1, 1, err));
    s->first_token = s->model->open_seconds + eai_clock_seconds() - start - g.tokens_seconds;
    for (size_t i = 0; i < j->n_prompts; i++) /* plans the pieces */
        EAI_TRY(eai_bench_generate(&g, s->generator, s->model->model, j->prompts[i], 1, err));
    return EAI_OK;
}

static eai_status take_turn(subject *s, const job *j, eai_error *err)
{
    size_t repeat = (size_t)j->args->bench.repeat;
    eai_bench_generation g;
    for (size_t i = 0; i < j->n_prompts; i++) {
        EAI_TRY(eai_bench_generate(&g, s->generator, s->model->model, j->prompts[i], 1, err));
        s->prompt_seconds[i * repeat + s->n] = g.prompt_seconds;
    }
    EAI_TRY(eai_bench_generate(&g, s->generator, s->model->model, 1, j->args->tokens, err));
    s->token_seconds[s->n++] = g.tokens_seconds;
    return EAI_OK;
}

/* Bytes of weights that a token reads: all, but of an embedding that is not the head one row. */
static double bytes_read(const bench_model *m)
{
    double bytes = 0;
    const eai_model_config *c = eai_model_get_config(m->model);
    for (size_t i = 0; i < eai_weights_count(m->weights); i++) {
        const eai_weight_tensor *t = eai_weights_at(m->weights, i);
        if (c->tied || strcmp(t->name, "model.embed_tokens.weight") != 0)
            bytes += (double)t->bytes;
    }
    return bytes;
}

/* One row and one case of a test's n samples, which are sorted. */
static eai_status add_test(json_t **row, const bench_session *session, const subject *s,
                           const char *test, int64_t tokens, double *seconds, eai_error *err)
{
    char name[48];
    snprintf(name, sizeof(name), "%s%lld", test, (long long)tokens);
    char *title = eai_asprintf("%s %s", s->model->name, name);
    if (!title)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    eai_status st = bench_add_samples(session->results, title, seconds, s->n, err);
    eai_free(title);
    EAI_TRY(st);
    eai_bench_times t = eai_bench_summarize(seconds, s->n);
    *row = json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "model", s->model->name, "test", name,
                     "tokens_per_s", (double)tokens / t.median, "median_ms", 1e3 * t.median,
                     "least_ms", 1e3 * t.least, "first_token_seconds", s->first_token);
    bench_add_row(session->report, *row);
    return EAI_OK;
}

static eai_status add_rows(const bench_session *session, const subject *s, const job *j,
                           eai_error *err)
{
    json_t *row;
    for (size_t i = 0; i < j->n_prompts; i++)
        EAI_TRY(add_test(&row, session, s, "prompt ", j->prompts[i],
                         s->prompt_seconds + i * (size_t)j->args->bench.repeat, err));
    EAI_TRY(add_test(&row, session, s, "tokens ", j->args->tokens, s->token_seconds, err));
    double median = eai_bench_summarize(s->token_seconds, s->n).median;
    double speed = bytes_read(s->model) * (double)j->args->tokens / median;
    json_object_set_new(row, "weights_gb_per_s", json_real(speed / 1e9));
    json_object_set_new(row, "share_of_read", json_real(speed / j->read_speed));
    return EAI_OK;
}

static eai_status measure(const bench_session *session, const job *j, eai_error *err)
{
    eai_status st = EAI_OK;
    size_t n = session->n;
    subject *subjects = eai_alloc_zeroed(n, sizeof(*subjects));
    if (!subjects)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu models", n);
    for (size_t i = 0; i < n && st == EAI_OK; i++) {
        subjects[i].model = &session->models[i];
        st = open_subject(&subjects[i], session->backend, j, err);
    }
    for (int64_t turn = 0; turn < j->args->bench.repeat; turn++) {
        for (size_t i = 0; i < n && st == EAI_OK; i++)
            st = take_turn(&subjects[i], j, err);
    }
    for (size_t i = 0; i < n; i++) {
        if (st == EAI_OK)
            st = add_rows(session, &subjects[i], j, err);
        eai_generator_free(subjects[i].generator);
        eai_free(subjects[i].prompt_seconds);
        eai_free(subjects[i].token_seconds);
    }
    eai_free(subjects);
    json_object_set_new(session->report, "peak_rss_mb",
                        json_real((double)eai_hardware_peak_rss() / 1e6));
    return st;
}

/* Memory is memory where the last cache cannot hold it, which a shared machine's may by halves. */
static eai_status measure_reading(job *j, const eai_backend *b, eai_error *err)
{
    size_t bytes = 4 * (size_t)eai_hardware_get()->l3_bytes;
    bytes = bytes < READ_BYTES ? READ_BYTES : bytes > READ_AT_MOST ? READ_AT_MOST : bytes;
    return eai_bench_read_speed(&j->read_speed, eai_backend_threads(b), bytes, err);
}

eai_status bench_generate(const eai_command_context *ctx, const void *args, eai_error *err)
{
    job j = {.args = args};
    bench_session s;

    EAI_TRY(parse_prompts(&j, err));
    eai_status st = bench_session_open(&s, "generate", &j.args->bench, ctx, err);
    if (st == EAI_OK)
        st = measure_reading(&j, s.backend, err);
    if (st == EAI_OK) {
        json_object_set_new(s.report, "read_gb_per_s", json_real(j.read_speed / 1e9));
        st = measure(&s, &j, err);
    }
    return bench_session_end(&s, st, &j.args->bench,
                             "model=model:s|test=test:s|tokens/s=tokens_per_s:1|ms=median_ms:1|"
                             "least ms=least_ms:1|weights GB/s=weights_gb_per_s:1|"
                             "of reading=share_of_read:2|s to first token=first_token_seconds:3",
                             ctx, err);
}
