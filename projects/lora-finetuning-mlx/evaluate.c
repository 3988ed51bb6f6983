/* evaluate: mean loss of the learned tokens, perplexity, and exact match where rows have answers.
 */
#include <math.h>

#include <jansson.h>

#include <efficientai/evaluate.h>
#include <efficientai/progress.h>
#include <efficientai/trainer.h>

#include "commands.h"

#define ARG(f) offsetof(evaluate_args, f)
const eai_option evaluate_options[] = {
    SESSION_MODEL_OPTION(evaluate_args),
    SESSION_ADAPTER_OPTION(evaluate_args),
    {.name = "data",
     .key = 'd',
     .type = EAI_OPT_PATH,
     .offset = ARG(data),
     .value_name = "FILE",
     .help = "rows to judge, JSON lines",
     .required = true},
    {.name = "seq-len",
     .type = EAI_OPT_INT,
     .offset = ARG(seq_len),
     .default_value = "1024",
     .value_name = "N",
     .unit = "tokens",
     .help = "longer rows are cut",
     .min = 8,
     .max = 131072},
    {.name = "limit",
     .type = EAI_OPT_INT,
     .offset = ARG(limit),
     .default_value = "0",
     .value_name = "N",
     .help = "answers to generate for the exact match, 0: all",
     .min = 0,
     .max = 1e9},
    {.name = "no-exact-match",
     .type = EAI_OPT_FLAG,
     .offset = ARG(no_exact_match),
     .help = "loss only, generate nothing"},
    {.name = "show",
     .type = EAI_OPT_INT,
     .offset = ARG(show),
     .default_value = "0",
     .value_name = "N",
     .help = "print the first N answers beside the expected ones",
     .min = 0,
     .max = 1e9},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = ARG(json),
     .help = "one JSON object as the last line"},
    SESSION_MACHINE_OPTIONS(evaluate_args),
    SESSION_PROFILE_OPTION(evaluate_args),
    {0},
};

typedef struct shower {
    const eai_command_context *ctx;
    eai_progress *progress;
    int64_t left;
    uint64_t done, matched;
} shower;

static void show_row(const eai_exact_match_row *row, void *ud)
{
    shower *s = ud;
    s->done++;
    s->matched += row->matched;
    if (s->left > 0) {
        s->left--;
        eai_progress_note(s->progress, "%s  expected: %s\n    answer:   %s",
                          row->matched ? "ok " : "no ", row->expected, row->answer);
    }
    eai_progress_update(s->progress, s->done, "%llu exact", (unsigned long long)s->matched);
}

static eai_status measure_loss(eai_evaluation *out, const session *s, const eai_rows *rows,
                               const evaluate_args *a, eai_error *err)
{
    eai_dataset *data = NULL;
    eai_evaluator *evaluator = NULL;
    eai_lora_task task;
    eai_dataset_opts opts = EAI_DATASET_OPTS_INIT;

    opts.seq_len = a->seq_len;
    opts.batch_size = 1;
    opts.shuffle = false;
    eai_lora_task_init(&task, s->model, s->adapter);
    eai_status st = eai_dataset_create(&data, rows, s->tokenizer, &opts, err);
    if (st == EAI_OK)
        st = eai_evaluator_create(&evaluator, &task.base, s->backend, NULL, err);
    if (st == EAI_OK)
        st = eai_evaluator_run(out, evaluator, data, &session_interrupted, err);
    eai_evaluator_free(evaluator);
    eai_dataset_free(data);
    return st;
}

static eai_status measure_match(eai_exact_match *out, const session *s, const eai_rows *rows,
                                const evaluate_args *a, const eai_command_context *ctx,
                                eai_error *err)
{
    eai_generator *gen = NULL;
    shower shown = {ctx, NULL, a->show, 0, 0};
    eai_exact_match_opts opts = {
        .limit = a->limit, .on_row = show_row, .ud = &shown, .cancel = &session_interrupted};
    size_t total = eai_rows_count(rows);

    if (a->limit && (size_t)a->limit < total)
        total = (size_t)a->limit;
    EAI_TRY(eai_generator_create(&gen, s->model, s->adapter, s->backend, s->tokenizer, NULL, err));
    shown.progress =
        eai_progress_create(ctx->progress, ctx->progress_is_terminal, "answers", "row", total);
    eai_status st = eai_exact_match_run(out, gen, s->tokenizer, rows, &opts, err);
    if (st == EAI_OK)
        eai_progress_finish(shown.progress, "%llu exact", (unsigned long long)shown.matched);
    else
        eai_progress_abandon(shown.progress);
    eai_generator_free(gen);
    return st;
}

static eai_status print_result(const eai_command_context *ctx, const eai_evaluation *e,
                               const eai_exact_match *m, bool matched, bool json, eai_error *err)
{
    double share = m->rows ? (double)m->matched / (double)m->rows : 0;
    if (json) {
        json_t *o = json_pack("{s:f, s:f, s:I}", "loss", e->loss, "perplexity", exp(e->loss),
                              "tokens", (json_int_t)e->tokens);
        if (o && matched) {
            json_object_set_new(o, "exact_match", json_real(share));
            json_object_set_new(o, "rows", json_integer((json_int_t)m->rows));
            json_object_set_new(o, "matched", json_integer((json_int_t)m->matched));
            json_object_set_new(
                o, "generated_tokens_per_s",
                json_real(m->seconds > 0 ? (double)m->generated_tokens / m->seconds : 0));
        }
        return session_print_json(ctx, o, err);
    }
    fprintf(ctx->out, "loss         %.4f (%lld tokens)\n", e->loss, (long long)e->tokens);
    fprintf(ctx->out, "perplexity   %.4f\n", exp(e->loss));
    if (matched)
        fprintf(ctx->out, "exact match  %.1f %% (%lld of %lld)\n", 100 * share,
                (long long)m->matched, (long long)m->rows);
    return EAI_OK;
}

eai_status cmd_evaluate(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const evaluate_args *a = args;
    session s = {0};
    eai_rows *rows = NULL;
    eai_evaluation loss = {0};
    eai_exact_match match = {0};

    session_catch_interrupt();
    eai_status st = eai_rows_read(&rows, a->data, err);
    if (st == EAI_OK)
        st = session_open(&s, &a->session, err);
    if (st == EAI_OK)
        st = measure_loss(&loss, &s, rows, a, err);
    bool matched = st == EAI_OK && !a->no_exact_match && eai_rows_have_answers(rows);
    if (matched)
        st = measure_match(&match, &s, rows, a, ctx, err);
    if (st == EAI_OK)
        st = print_result(ctx, &loss, &match, matched, a->json, err);
    st = session_end(&s, &a->session, ctx, st, err);
    session_close(&s);
    eai_rows_free(rows);
    return st;
}
