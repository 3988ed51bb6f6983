/* `efficientai logits`: what a model says after each of some tokens, as a NumPy file. For comparing
 * it with another implementation on the same weights. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/adapter.h>
#include <efficientai/alloc.h>
#include <efficientai/generate.h>
#include <efficientai/hub.h>
#include <efficientai/model.h>
#include <efficientai/npy.h>
#include <efficientai/plan.h>
#include <efficientai/weights.h>

#include "catalog.h"

#include "base/banned.h"

typedef struct logits_args {
    const char *model;
    const char *ids;
    const char *output;
    const char *adapter;
    const char *backend;
    const char *dtype;
    int64_t threads;
    bool check;
} logits_args;

static const eai_option logits_options[] = {
    {.name = "model",
     .key = 'm',
     .type = EAI_OPT_PATH,
     .offset = offsetof(logits_args, model),
     .default_value = "smollm2-135m-instruct",
     .value_name = "NAME|FILE",
     .help = "a known model, a model file, or a folder"},
    {.name = "check",
     .type = EAI_OPT_FLAG,
     .offset = offsetof(logits_args, check),
     .help =
         "read all weights first: refuse values that are no finite numbers, and files that differ "
         "from what was fetched"},
    {.name = "ids",
     .type = EAI_OPT_STRING,
     .offset = offsetof(logits_args, ids),
     .value_name = "1,2,3",
     .help = "token ids, as `efficientai tokenize` gives them",
     .required = true},
    {.name = "output",
     .key = 'o',
     .type = EAI_OPT_PATH,
     .offset = offsetof(logits_args, output),
     .value_name = "FILE",
     .help = "the .npy file: f32 [tokens, vocabulary]",
     .required = true},
    {.name = "adapter",
     .key = 'a',
     .type = EAI_OPT_PATH,
     .offset = offsetof(logits_args, adapter),
     .value_name = "DIR",
     .help = "folder of an adapter in the PEFT layout"},
    {.name = "backend",
     .type = EAI_OPT_ENUM,
     .offset = offsetof(logits_args, backend),
     .default_value = "cpu",
     .choices = "cpu|mlx|reference",
     .help = "what computes"},
    {.name = "dtype",
     .type = EAI_OPT_ENUM,
     .offset = offsetof(logits_args, dtype),
     .default_value = "f32",
     .choices = "f32|bf16|int8",
     .help = "precision of the products"},
    {.name = "threads",
     .key = 't',
     .type = EAI_OPT_INT,
     .offset = offsetof(logits_args, threads),
     .default_value = "0",
     .value_name = "N",
     .min = 0,
     .max = 1024,
     .help = "0: one a core"},
    {0},
};

/* "1,2,3" to numbers; *ids is new memory. */
static eai_status parse_ids(int32_t **ids, size_t *n, const char *text, eai_error *err)
{
    size_t capacity = 1;
    for (const char *p = text; *p; p++)
        capacity += *p == ',';
    *n = 0;
    *ids = eai_alloc_array(capacity, sizeof(**ids));
    if (!*ids)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu ids", capacity);
    for (;;) {
        char *end;
        errno = 0;
        long value = strtol(text, &end, 10);
        if (end == text || errno || value < 0 || value > INT32_MAX || (*end && *end != ','))
            return eai_error_set(err, EAI_ERR_USAGE,
                                 "--ids: '%s' is no list of token ids like 1,2,3", text);
        (*ids)[(*n)++] = (int32_t)value;
        if (!*end)
            return EAI_OK;
        text = end + 1;
    }
}

/* Runs the model over the ids and writes the file. */
static eai_status write_logits(const logits_args *a, const eai_model *model, const int32_t *ids,
                               size_t n_ids, eai_error *err)
{
    eai_status st = EAI_OK;
    eai_backend *backend = NULL;
    eai_adapter *adapter = NULL;
    float *logits = NULL;
    int64_t vocab = eai_model_get_config(model)->vocab;
    eai_shape shape = EAI_SHAPE2((int64_t)n_ids, vocab);
    eai_backend_opts opts = EAI_BACKEND_OPTS_INIT;
    size_t n;

    opts.n_threads = (int)a->threads;
    if (!eai_precision_from_name(&opts.precision, a->dtype))
        return eai_error_set(err, EAI_ERR_USAGE, "--dtype %s: f32, bf16 or int8", a->dtype);
    st = eai_backend_open(&backend, a->backend, &opts, err);
    if (st == EAI_OK && a->adapter)
        st = eai_adapter_load(&adapter, model, a->adapter, err);
    if (st != EAI_OK)
        goto done;
    if (eai_size_mul(&n, n_ids, (size_t)vocab))
        logits = eai_alloc_array(n, sizeof(*logits));
    if (!logits) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for logits of %zu tokens", n_ids);
        goto done;
    }
    st = eai_generate_logits(logits, model, adapter, backend, ids, n_ids, err);
    if (st == EAI_OK)
        st = eai_npy_write(a->output, EAI_F32, &shape, logits, err);
done:
    eai_free(logits);
    eai_adapter_free(adapter);
    eai_backend_close(backend);
    return st;
}

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const logits_args *a = args;
    int32_t *ids = NULL;
    size_t n_ids = 0;
    char *path = NULL;
    eai_weights *w = NULL;
    eai_model *model = NULL;
    eai_status st = parse_ids(&ids, &n_ids, a->ids, err);
    if (st == EAI_OK)
        st = eai_hub_resolve(&path, a->model, err);
    if (st == EAI_OK && a->check)
        st = eai_hub_check(a->model, err);
    if (st == EAI_OK)
        st = eai_weights_open(&w, path, err);
    if (st == EAI_OK)
        st = eai_model_load(&model, w, err);
    if (st == EAI_OK && a->check)
        st = eai_model_check_values(model, err);
    if (st == EAI_OK)
        st = write_logits(a, model, ids, n_ids, err);
    if (st == EAI_OK)
        fprintf(ctx->out, "%s\n", a->output);
    eai_model_free(model);
    eai_weights_close(w);
    eai_free(path);
    eai_free(ids);
    return st;
}

const eai_command command_logits = {
    .name = "logits",
    .summary = "write a model's logits for some tokens to a NumPy file",
    .options = logits_options,
    .args_bytes = sizeof(logits_args),
    .run = run,
};
