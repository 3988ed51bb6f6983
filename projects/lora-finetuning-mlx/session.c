/* Opening and closing of what the commands work with. Start at session_open. */
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/hub.h>
#include <efficientai/log.h>
#include <efficientai/rows.h>

volatile sig_atomic_t session_interrupted;

static void on_interrupt(int signal_number)
{
    if (session_interrupted)
        _exit(128 + signal_number);
    session_interrupted = 1;
}

void session_catch_interrupt(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* A place where no trace can be written is known before the work. */
static eai_status open_profile(session *s, const char *path, eai_error *err)
{
    eai_file_writer *w = NULL;
    EAI_TRY(eai_file_writer_open(&w, path, err));
    eai_file_writer_abort(w);
    EAI_TRY(eai_profile_create(&s->profile, err));
    eai_backend_set_profile(s->backend, s->profile);
    return EAI_OK;
}

eai_status session_open_model(session *s, const session_args *args, eai_error *err)
{
    eai_backend_opts opts = EAI_BACKEND_OPTS_INIT;
    opts.n_threads = (int)args->threads;
    memset(s, 0, sizeof(*s));
    if (args->dtype && !eai_precision_from_name(&opts.precision, args->dtype))
        return eai_error_set(err, EAI_ERR_USAGE, "--dtype %s: auto, f32, bf16 or int8",
                             args->dtype);
    eai_status st = eai_hub_resolve(&s->path, args->model, err);
    if (st == EAI_OK && args->check)
        st = eai_hub_check(args->model, err);
    if (st == EAI_OK && args->backend)
        st = eai_backend_open(&s->backend, args->backend, &opts, err);
    if (st == EAI_OK && s->backend && opts.precision == EAI_PRECISION_BF16 &&
        eai_backend_precision(s->backend) != EAI_PRECISION_BF16)
        EAI_LOG(WARN, "lora", "--dtype bf16: %s has no bf16 products, f32 is used",
                eai_backend_isa(s->backend));
    if (st == EAI_OK && args->profile)
        st = open_profile(s, args->profile, err);
    if (st == EAI_OK)
        st = eai_weights_open(&s->weights, s->path, err);
    if (st == EAI_OK)
        st = eai_model_load(&s->model, s->weights, err);
    if (st == EAI_OK && args->check)
        st = eai_model_check_values(s->model, err);
    if (st == EAI_OK && args->adapter)
        st = eai_adapter_load(&s->adapter, s->model, args->adapter, err);
    if (st != EAI_OK)
        session_close(s);
    return st;
}

eai_status session_open(session *s, const session_args *args, eai_error *err)
{
    EAI_TRY(session_open_model(s, args, err));
    eai_status st = eai_tokenizer_from_weights(&s->tokenizer, s->weights, err);
    if (st != EAI_OK)
        session_close(s);
    return st;
}

eai_status session_end(session *s, const session_args *args, const eai_command_context *ctx,
                       eai_status st, eai_error *err)
{
    eai_error second = EAI_ERROR_INIT;
    if (!s->profile || (st != EAI_OK && st != EAI_ERR_CANCELLED))
        return st;
    eai_profile_print(s->profile, ctx->quiet ? stderr : ctx->progress); /* it was asked for */
    eai_status wrote =
        eai_profile_write_trace(s->profile, args->profile, st == EAI_OK ? err : &second);
    return st == EAI_OK ? wrote : st;
}

void session_close(session *s)
{
    eai_adapter_free(s->adapter);
    eai_tokenizer_free(s->tokenizer);
    eai_model_free(s->model);
    eai_weights_close(s->weights);
    eai_backend_close(s->backend);
    eai_profile_free(s->profile);
    eai_free(s->path);
    memset(s, 0, sizeof(*s));
}

eai_status session_read_rows(eai_rows **out, const char *folder, const char *name, bool missing_ok,
                             eai_error *err)
{
    *out = NULL;
    char *path = eai_path_join(folder, name);
    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    eai_status st = EAI_OK;
    if (!missing_ok || eai_fs_exists(path))
        st = eai_rows_read(out, path, err);
    eai_free(path);
    return st;
}

eai_status session_print_json(const eai_command_context *ctx, json_t *object, eai_error *err)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(object);
    if (!text)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the report");
    int n = fprintf(ctx->out, "%s\n", text);
    free(text);
    if (n < 0 || fflush(ctx->out) != 0)
        return eai_error_set_errno(err, "cannot write the report");
    return EAI_OK;
}
