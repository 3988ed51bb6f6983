/* validate: reads a data folder as training would, and says what it found. */
#include <string.h>

#include <jansson.h>

#include <efficientai/dataset.h>

#include "commands.h"

#define ARG(f) offsetof(validate_args, f)
const eai_option validate_options[] = {
    {.name = "data",
     .key = 'd',
     .type = EAI_OPT_PATH,
     .offset = ARG(data),
     .value_name = "DIR",
     .help = "folder with train.jsonl, valid.jsonl, test.jsonl",
     .required = true},
    SESSION_MODEL_OPTION(validate_args),
    {.name = "seq-len",
     .type = EAI_OPT_INT,
     .offset = ARG(seq_len),
     .default_value = "512",
     .value_name = "N",
     .unit = "tokens",
     .help = "longer rows would be cut",
     .min = 8,
     .max = 131072},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = ARG(json),
     .help = "one JSON object as the last line"},
    SESSION_MACHINE_OPTIONS(validate_args),
    {0},
};

static const char *const layouts[] = {"text", "prompt/completion", "messages"};

static eai_status check_file(json_t *report, const session *s, const validate_args *a,
                             const char *name, bool needed, const eai_command_context *ctx,
                             eai_error *err)
{
    eai_rows *rows = NULL;
    eai_dataset *data = NULL;
    eai_dataset_stats n;
    eai_dataset_opts opts = EAI_DATASET_OPTS_INIT;

    opts.seq_len = a->seq_len;
    opts.batch_size = 1;
    EAI_TRY(session_read_rows(&rows, a->data, name, !needed, err));
    if (!rows)
        return EAI_OK;
    eai_status st = eai_dataset_create(&data, rows, s->tokenizer, &opts, err);
    if (st == EAI_OK) {
        eai_dataset_get_stats(&n, data);
        if (!a->json)
            fprintf(ctx->out,
                    "%-12s %zu rows (%s), %zu tokens, %zu learned, longest %zu, cut %zu, left out "
                    "%zu\n",
                    name, eai_rows_count(rows), layouts[eai_rows_kind(rows)], n.tokens,
                    n.learned_tokens, n.longest, n.cut, n.left_out);
        json_object_set_new(report, name,
                            json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "rows",
                                      (json_int_t)eai_rows_count(rows), "layout",
                                      layouts[eai_rows_kind(rows)], "tokens", (json_int_t)n.tokens,
                                      "learned_tokens", (json_int_t)n.learned_tokens, "longest",
                                      (json_int_t)n.longest, "cut", (json_int_t)n.cut, "left_out",
                                      (json_int_t)n.left_out, "sha256", eai_rows_sha256(rows)));
    }
    eai_dataset_free(data);
    eai_rows_free(rows);
    return st;
}

eai_status cmd_validate(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const validate_args *a = args;
    session s = {0};
    json_t *report = json_object();

    eai_status st = report ? session_open(&s, &a->session, err)
                           : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a report");
    if (st == EAI_OK)
        st = check_file(report, &s, a, "train.jsonl", true, ctx, err);
    if (st == EAI_OK)
        st = check_file(report, &s, a, "valid.jsonl", false, ctx, err);
    if (st == EAI_OK)
        st = check_file(report, &s, a, "test.jsonl", false, ctx, err);
    if (st == EAI_OK && a->json) {
        st = session_print_json(ctx, report, err);
        report = NULL;
    }
    json_decref(report);
    session_close(&s);
    return st;
}
