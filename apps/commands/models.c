/* `efficientai models list | get | path`: the models known by name, see include/efficientai/hub.h.
 */
#include <stddef.h>
#include <stdlib.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/hub.h>
#include <efficientai/terminal.h>

#include "catalog.h"

#include "base/banned.h"

#define MAX_NAMES 64 /* for "did you mean"; further models are only not suggested */

/* The one operand, a known model's name; the default model without one. */
static eai_status get_model(const eai_hub_model **out, const eai_command_context *ctx,
                            eai_error *err)
{
    const char *const *operands;
    const char *names[MAX_NAMES];
    size_t n_names = 0;
    int n = eai_options_operands(ctx->set, &operands);
    *out = NULL;
    if (n > 1)
        return eai_error_set(err, EAI_ERR_USAGE, "%s takes one name, not %d", ctx->program, n);
    *out = n == 0 ? eai_hub_at(0) : eai_hub_find(operands[0]);
    if (*out)
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
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = offsetof(list_args, json),
     .help = "one JSON object on one line"},
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

static eai_status print_json(FILE *out, eai_error *err)
{
    eai_status st = EAI_OK;
    char *text = NULL;
    json_t *root = json_pack("{s:[]}", "models");
    json_t *list = json_object_get(root, "models");
    for (size_t i = 0; st == EAI_OK && i < eai_hub_count(); i++) {
        char *path = NULL;
        st = eai_hub_path(&path, eai_hub_at(i), err);
        if (st == EAI_OK)
            json_array_append_new(list, model_to_json(eai_hub_at(i), path));
        eai_free(path);
    }
    if (st != EAI_OK)
        goto done;
    text = json_dumps(root, JSON_COMPACT);
    if (text && json_array_size(list) == eai_hub_count())
        fprintf(out, "%s\n", text);
    else
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for the list of models");
done:
    free(text); /* jansson's own memory */
    json_decref(root);
    return st;
}

static eai_status run_list(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const list_args *a = args;
    if (a->json)
        return print_json(ctx->out, err);
    eai_table *t = eai_table_create(5, "name|size>|licence|state|what it is");
    for (size_t i = 0; i < eai_hub_count(); i++) {
        const eai_hub_model *m = eai_hub_at(i);
        char size[32];
        const char *cells[] = {m->name, eai_format_bytes(size, sizeof(size), m->bytes), m->licence,
                               eai_hub_is_cached(m) ? "in the cache" : "not fetched", m->summary};
        eai_table_row(t, cells);
    }
    eai_status st = eai_table_print(t, ctx->out, err);
    eai_table_free(t);
    return st;
}

/* ---- get, path ------------------------------------------------------------------------------- */

static eai_status run_get(const eai_command_context *ctx, const void *args, eai_error *err)
{
    (void)args;
    const eai_hub_model *model;
    char *path = NULL;
    EAI_TRY(get_model(&model, ctx, err));
    EAI_TRY(eai_hub_fetch(&path, model, ctx->progress, ctx->progress_is_terminal, err));
    fprintf(ctx->out, "%s\n", path);
    eai_free(path);
    return EAI_OK;
}

static eai_status run_path(const eai_command_context *ctx, const void *args, eai_error *err)
{
    (void)args;
    const eai_hub_model *model;
    char *path = NULL;
    EAI_TRY(get_model(&model, ctx, err));
    EAI_TRY(eai_hub_resolve(&path, model->name, err));
    fprintf(ctx->out, "%s\n", path);
    eai_free(path);
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
     .run = run_get,
     .usage = "[NAME]",
     .help = "Without a name: the default model. One that is in the cache already is not fetched\n"
             "again. Fetching uses `python3 -m pip`, so pip's own settings (index, proxy,\n"
             "certificates) hold.\n\n"
             "The cache: $EFFICIENTAI_CACHE, else $XDG_CACHE_HOME/efficientai, else\n"
             "~/.cache/efficientai (~/Library/Caches/efficientai on macOS)."},
    {.name = "path",
     .summary = "print where a fetched model is",
     .run = run_path,
     .usage = "[NAME]"},
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
