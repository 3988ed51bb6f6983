/* generate: one answer to one prompt, streamed; the text alone on the standard output. */
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/chat.h>
#include <efficientai/generate.h>

#include "commands.h"

#define ARG(f) offsetof(generate_args, f)
const eai_option generate_options[] = {
    SESSION_MODEL_OPTION(generate_args),
    SESSION_ADAPTER_OPTION(generate_args),
    {.name = "prompt",
     .key = 'p',
     .type = EAI_OPT_STRING,
     .offset = ARG(prompt),
     .value_name = "TEXT",
     .help = "what the user says",
     .required = true},
    {.name = "system",
     .type = EAI_OPT_STRING,
     .offset = ARG(system),
     .value_name = "TEXT",
     .help = "the system message; default: the chat template's own"},
    {.name = "raw",
     .type = EAI_OPT_FLAG,
     .offset = ARG(raw),
     .help = "continue the prompt as it is, without the chat template"},
    {.name = "max-tokens",
     .key = 'n',
     .type = EAI_OPT_INT,
     .offset = ARG(max_tokens),
     .default_value = "256",
     .value_name = "N",
     .unit = "tokens",
     .help = "length of the answer",
     .min = 1,
     .max = 1e6},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = ARG(json),
     .help = "one JSON object with text, counts and speed instead of the text"},
    {.name = "temperature",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(temperature),
     .default_value = "0",
     .value_name = "X",
     .help = "0: always the most probable token",
     .min = 0,
     .max = 100,
     .group = "Sampling"},
    {.name = "top-k",
     .type = EAI_OPT_INT,
     .offset = ARG(top_k),
     .default_value = "0",
     .value_name = "K",
     .help = "only the K most probable tokens, 0: all",
     .min = 0,
     .max = 1e6,
     .group = "Sampling"},
    {.name = "top-p",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(top_p),
     .default_value = "1",
     .value_name = "P",
     .help = "only the most probable tokens that reach this probability together",
     .min = 0,
     .max = 1,
     .group = "Sampling"},
    {.name = "min-p",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(min_p),
     .default_value = "0",
     .value_name = "P",
     .help = "only tokens of at least this share of the best one's probability",
     .min = 0,
     .max = 1,
     .group = "Sampling"},
    {.name = "repetition-penalty",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(repetition_penalty),
     .default_value = "1",
     .value_name = "X",
     .help = "above 1: against repetition",
     .min = 0.01,
     .max = 100,
     .group = "Sampling"},
    {.name = "seed",
     .type = EAI_OPT_INT,
     .offset = ARG(seed),
     .default_value = "0",
     .value_name = "N",
     .help = "of the draws",
     .min = 0,
     .max = 9e15,
     .group = "Sampling"},
    SESSION_MACHINE_OPTIONS(generate_args),
    SESSION_PROFILE_OPTION(generate_args),
    {0},
};

static bool stream_text(const char *text, size_t n, void *ud)
{
    FILE *out = ud;
    return fwrite(text, 1, n, out) == n && fflush(out) == 0;
}

static eai_status prompt_ids(int32_t **ids, size_t *n, const session *s, const generate_args *a,
                             eai_error *err)
{
    eai_chat_template *chat = NULL;
    char *text = NULL;
    size_t n_text = 0;

    *ids = NULL;
    if (a->raw)
        return eai_tokenizer_encode(ids, n, s->tokenizer, a->prompt, strlen(a->prompt),
                                    EAI_TOKENIZE_ADD_START, err);
    EAI_TRY(eai_chat_template_for(&chat, s->tokenizer, 0, err));
    eai_chat_message messages[2] = {{"system", a->system}, {"user", a->prompt}};
    const eai_chat_message *first = a->system ? messages : messages + 1;
    eai_status st = eai_chat_render(&text, &n_text, chat, first, a->system ? 2 : 1, true, err);
    if (st == EAI_OK)
        st = eai_tokenizer_encode(ids, n, s->tokenizer, text, n_text, EAI_TOKENIZE_PARSE_SPECIAL,
                                  err);
    eai_free(text);
    eai_chat_template_free(chat);
    return st;
}

static eai_status print_result(const eai_command_context *ctx, const eai_generation *g,
                               eai_error *err)
{
    static const char *const finish[] = {"stop", "length", "context", "cancelled"};
    size_t n = 0;
    char *text = eai_utf8_repair(&n, g->text, g->n_text); /* the last token may be half a letter */
    if (!text)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the text");
    json_t *o = json_pack("{s:s%, s:I, s:I, s:s, s:f, s:f}", "text", text, n, "prompt_tokens",
                          (json_int_t)g->n_prompt, "tokens", (json_int_t)g->n_ids, "finish_reason",
                          finish[g->finish], "prompt_seconds", g->prefill_seconds, "tokens_per_s",
                          g->decode_seconds > 0 ? (double)g->n_ids / g->decode_seconds : 0.0);
    eai_free(text);
    return session_print_json(ctx, o, err);
}

eai_status cmd_generate(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const generate_args *a = args;
    session s = {0};
    eai_generator *gen = NULL;
    eai_generation g = EAI_GENERATION_INIT;
    int32_t *ids = NULL;
    size_t n = 0;
    eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;

    session_catch_interrupt();
    opts.max_tokens = a->max_tokens;
    opts.sampling = (eai_sampling){a->temperature,        a->top_k,         a->top_p, a->min_p,
                                   a->repetition_penalty, (uint64_t)a->seed};
    opts.cancel = &session_interrupted;
    if (!a->json) {
        opts.on_text = stream_text;
        opts.ud = ctx->out;
    }
    eai_status st = session_open(&s, &a->session, err);
    if (st == EAI_OK)
        st = prompt_ids(&ids, &n, &s, a, err);
    if (st == EAI_OK)
        st = eai_generator_create(&gen, s.model, s.adapter, s.backend, s.tokenizer, NULL, err);
    if (st == EAI_OK)
        st = eai_generator_run(&g, gen, ids, n, &opts, err);
    if (st == EAI_OK)
        st = a->json ? print_result(ctx, &g, err) : EAI_OK;
    if (st == EAI_OK && !a->json && (fputc('\n', ctx->out) == EOF || fflush(ctx->out) != 0))
        st = eai_error_set_errno(err, "cannot write the text");
    if (st == EAI_OK && g.finish == EAI_FINISH_CANCELLED)
        st = eai_error_set(err, EAI_ERR_CANCELLED, "stopped after %zu tokens", g.n_ids);
    st = session_end(&s, &a->session, ctx, st, err);
    eai_generation_deinit(&g);
    eai_generator_free(gen);
    eai_free(ids);
    session_close(&s);
    return st;
}
