/* `efficientai models list | get | path | check`: models by name, see include/efficientai/hub.h. */
#include <stddef.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/hub.h>
#include <efficientai/terminal.h>

#include "catalog.h"
#include "json_output.h"

#include "base/banned.h"

#define MAX_NAMES 64 /* for "did you mean"; further models are only not suggested */

/* The one operand, the name of a known model or of a repository; without one that of the default
 * model. *model is NULL for a repository. */
static eai_status get_name(const char **name, const eai_hub_model **model,
                           const eai_command_context *ctx, eai_error *err)
{
    const char *const *operands;
    const char *names[MAX_NAMES];
    size_t n_names = 0;
    int n = eai_options_operands(ctx->set, &operands);
    *model = NULL;
    if (n > 1)
        return eai_error_set(err, EAI_ERR_USAGE, "%s takes one name, not %d", ctx->program, n);
    *model = n == 0 ? eai_hub_at(0) : eai_hub_find(operands[0]);
    *name = *model ? (*model)->name : operands[0];
    if (*model || eai_hub_is_repository(*name))
        return EAI_OK;
    for (size_t i = 0; i < eai_hub_count() && i < MAX_NAMES; i++)
        names[n_names++] = eai_hub_at(i)->name;
    const char *near = eai_did_you_mean(operands[0], names, n_names);
    if (near)
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "unknown model '%s'; did you mean '%s'?",
                             operands[0], near);
    return eai_error_set(err, EAI_ERR_NOT_FOUND,
                         "unknown model '%s'; 'efficientai models list' shows the known ones",
                         operands[0]);
}

/* ---- list ------------------------------------------------------------------------------------ */

typedef struct list_args {
    bool json;
} list_args;

static const eai_option list_options[] = {
    JSON_OPTION(list_args),
    {0},
};

/* One model as a JSON object, NULL when memory is out. */
static json_t *model_to_json(const eai_hub_model *m, const char *path)
{
    return json_pack("{s:s, s:b, s:I, s:s, s:s, s:b, s:s, s:s}", "name", m->name, "default",
                     m == eai_hub_at(0), "bytes", (json_int_t)m->bytes, "sha256", m->sha256,
                     "licence", m->licence, "cached", eai_hub_is_cached(m), "path", path, "summary",
                     m->summary);
}

static json_t *cached_to_json(const eai_hub_cached *c)
{
    return json_pack("{s:s, s:b, s:I, s:s, s:s, s:b, s:s, s:s}", "name", c->name, "default", false,
                     "bytes", (json_int_t)c->bytes, "sha256", c->sha256, "licence", c->licence,
                     "cached", true, "path", c->path, "summary", c->file);
}

static eai_status print_json(FILE *out, const eai_hub_cache *cache, eai_error *err)
{
    eai_status st = EAI_OK;
    json_t *root = json_pack("{s:[]}", "models");
    json_t *list = json_object_get(root, "models");
    for (size_t i = 0; st == EAI_OK && i < eai_hub_count(); i++) {
        char *path = NULL;
        st = eai_hub_path(&path, eai_hub_at(i), err);
        if (st == EAI_OK)
            json_array_append_new(list, model_to_json(eai_hub_at(i), path));
        eai_free(path);
    }
    for (size_t i = 0; i < eai_hub_cache_count(cache); i++)
        json_array_append_new(list, cached_to_json(eai_hub_cache_at(cache, i)));
    if (st != EAI_OK)
        goto done;
    if (json_array_size(list) == eai_hub_count() + eai_hub_cache_count(cache))
        return json_output(root, out, err);
    st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for the list of models");
done:
    json_decref(root);
    return st;
}

static eai_status print_table(FILE *out, const eai_hub_cache *cache, eai_error *err)
{
    char size[32];
    eai_table *t = eai_table_create(5, "name|size>|licence|state|what it is");
    for (size_t i = 0; i < eai_hub_count(); i++) {
        const eai_hub_model *m = eai_hub_at(i);
        const char *cells[] = {m->name, eai_format_bytes(size, sizeof(size), m->bytes), m->licence,
                               eai_hub_is_cached(m) ? "in the cache" : "not fetched", m->summary};
        eai_table_row(t, cells);
    }
    for (size_t i = 0; i < eai_hub_cache_count(cache); i++) {
        const eai_hub_cached *c = eai_hub_cache_at(cache, i);
        const char *cells[] = {c->name, eai_format_bytes(size, sizeof(size), c->bytes),
                               *c->licence ? c->licence : "not said", "in the cache",
                               *c->file ? c->file : "a folder"};
        eai_table_row(t, cells);
    }
    eai_status st = eai_table_print(t, out, err);
    eai_table_free(t);
    return st;
}

static eai_status run_list(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const list_args *a = args;
    eai_hub_cache *cache = NULL;
    EAI_TRY(eai_hub_cache_open(&cache, err));
    eai_status st = a->json ? print_json(ctx->out, cache, err) : print_table(ctx->out, cache, err);
    eai_hub_cache_close(cache);
    return st;
}

/* ---- get, path, check ------------------------------------------------------------------------ */

typedef struct get_args {
    const char *file;
} get_args;

static const eai_option get_options[] = {
    {.name = "file",
     .type = EAI_OPT_STRING,
     .offset = offsetof(get_args, file),
     .value_name = "PATTERN",
     .help = "of a repository: these weights, such as '*Q4_K_M.gguf'"},
    {0},
};

static eai_status run_get(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const get_args *a = args;
    const eai_hub_model *model;
    const char *name;
    char *path = NULL;
    EAI_TRY(get_name(&name, &model, ctx, err));
    if (model && a->file)
        return eai_error_set(err, EAI_ERR_USAGE,
                             "--file is for repositories (hf:...); '%s' is one file", name);
    if (model)
        EAI_TRY(eai_hub_fetch(&path, model, ctx->progress, ctx->progress_is_terminal, err));
    else
        EAI_TRY(eai_hub_fetch_repository(&path, name, a->file, ctx->progress,
                                         ctx->progress_is_terminal, err));
    fprintf(ctx->out, "%s\n", path);
    eai_free(path);
    return EAI_OK;
}

static eai_status run_path(const eai_command_context *ctx, const void *args, eai_error *err)
{
    (void)args;
    const eai_hub_model *model;
    const char *name;
    char *path = NULL;
    EAI_TRY(get_name(&name, &model, ctx, err));
    EAI_TRY(eai_hub_resolve(&path, name, err));
    fprintf(ctx->out, "%s\n", path);
    eai_free(path);
    return EAI_OK;
}

static eai_status run_check(const eai_command_context *ctx, const void *args, eai_error *err)
{
    (void)args;
    const eai_hub_model *model;
    const char *name;
    EAI_TRY(get_name(&name, &model, ctx, err));
    EAI_TRY(eai_hub_check(name, err));
    fprintf(ctx->out, "%s: every byte is as it was fetched\n", name);
    return EAI_OK;
}

static const eai_command commands[] = {
    {.name = "list",
     .summary = "the models known by name, and which are on this machine",
     .options = list_options,
     .args_bytes = sizeof(list_args),
     .run = run_list},
    {.name = "get",
     .summary = "fetch a model into the user's cache and print its path",
     .options = get_options,
     .args_bytes = sizeof(get_args),
     .run = run_get,
     .usage = "[NAME | hf:ORG/NAME[@REVISION]]",
     .help =
         "Without a name: the default model. One that is in the cache already is not fetched\n"
         "again. Fetching uses `python3 -m pip`, so pip's own settings (index, proxy,\n"
         "certificates) hold.\n\n"
         "hf:ORG/NAME is a repository of Hugging Face's hub, fetched over HTTPS: its safetensors\n"
         "or the GGUF file that --file names, its configuration and its tokenizer. HF_TOKEN,\n"
         "HF_ENDPOINT, HF_HUB_OFFLINE and https_proxy hold; a fetch that was cut goes on.\n\n"
         "The cache: $EFFICIENTAI_CACHE, else $XDG_CACHE_HOME/efficientai, else\n"
         "~/.cache/efficientai (~/Library/Caches/efficientai on macOS)."},
    {.name = "path",
     .summary = "print where a fetched model is",
     .run = run_path,
     .usage = "[NAME | hf:ORG/NAME[@REVISION]]"},
    {.name = "check",
     .summary = "compare a fetched model with the hashes that were recorded",
     .run = run_check,
     .usage = "[NAME | hf:ORG/NAME[@REVISION]]"},
    {0},
};

const eai_project group_models = {
    .abi = EAI_PROJECT_ABI,
    .size = sizeof(eai_project),
    .name = "models",
    .version = EAI_VERSION,
    .summary = "models known by name",
    .commands = commands,
};
