/* info: what a model, and an adapter beside it, are made of. */
#include <jansson.h>

#include "commands.h"

#define ARG(f) offsetof(info_args, f)
const eai_option info_options[] = {
    SESSION_MODEL_OPTION(info_args),
    SESSION_ADAPTER_OPTION(info_args),
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = ARG(json),
     .help = "one JSON object as the last line"},
    SESSION_MACHINE_OPTIONS(info_args),
    {0},
};

/* How many tensors and bytes of each storage type the file has. */
static json_t *storage_types(const eai_weights *w)
{
    json_t *types = json_object();
    for (size_t i = 0; types && i < eai_weights_count(w); i++) {
        const eai_weight_tensor *t = eai_weights_at(w, i);
        const char *name = eai_dtype_get(t->dtype)->name;
        json_t *row = json_object_get(types, name);
        if (!row) {
            row = json_pack("{s:i, s:i}", "tensors", 0, "bytes", 0);
            json_object_set_new(types, name, row);
        }
        json_t *n = json_object_get(row, "tensors");
        json_t *bytes = json_object_get(row, "bytes");
        json_integer_set(n, json_integer_value(n) + 1);
        json_integer_set(bytes, json_integer_value(bytes) + (json_int_t)t->bytes);
    }
    return types;
}

/* How many linear layers have which type, MLX's packed ones among them. */
static json_t *linear_types(const eai_model *m)
{
    const eai_model_linear *l;
    size_t n = eai_model_linears(&l, m);
    json_t *types = json_object();
    for (size_t i = 0; types && i < n; i++) {
        const char *name = eai_dtype_get(l[i].dtype)->name;
        json_int_t before = json_integer_value(json_object_get(types, name));
        json_object_set_new(types, name, json_integer(before + 1));
    }
    return types;
}

static json_t *describe(const session *s)
{
    const eai_model_config *c = eai_model_get_config(s->model);
    json_t *o = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s}", "file", s->path,
        "family", c->family, "parameters", (json_int_t)eai_model_parameters(s->model), "layers",
        (json_int_t)c->n_layers, "d_model", (json_int_t)c->d_model, "heads", (json_int_t)c->n_heads,
        "kv_heads", (json_int_t)c->n_kv_heads, "d_head", (json_int_t)c->d_head, "d_ffn",
        (json_int_t)c->d_ffn, "vocabulary", (json_int_t)c->vocab, "context", (json_int_t)c->context,
        "tied_embeddings", (int)c->tied, "backend", eai_backend_describe(s->backend));
    if (!o)
        return NULL;
    json_object_set_new(o, "storage", storage_types(s->weights));
    json_object_set_new(o, "linear_layers", linear_types(s->model));
    if (s->adapter) {
        json_object_set_new(
            o, "adapter",
            json_pack("{s:I, s:f, s:f, s:s, s:I}", "rank", (json_int_t)eai_adapter_rank(s->adapter),
                      "alpha", eai_adapter_alpha(s->adapter), "dropout",
                      eai_adapter_dropout(s->adapter), "targets", eai_adapter_targets(s->adapter),
                      "parameters", (json_int_t)eai_adapter_parameter_count(s->adapter)));
    }
    return o;
}

/* Objects are indented below their key. */
static void print_object(FILE *out, json_t *o, int indent)
{
    const char *key;
    json_t *value;
    json_object_foreach(o, key, value)
    {
        fprintf(out, "%*s%-*s", indent, "", 18 - indent, key);
        if (json_is_object(value)) {
            fputc('\n', out);
            print_object(out, value, indent + 2);
        } else if (json_is_string(value)) {
            fprintf(out, "%s\n", json_string_value(value));
        } else if (json_is_integer(value)) {
            fprintf(out, "%lld\n", (long long)json_integer_value(value));
        } else if (json_is_real(value)) {
            fprintf(out, "%g\n", json_real_value(value));
        } else {
            fprintf(out, "%s\n", json_is_true(value) ? "yes" : "no");
        }
    }
}

eai_status cmd_info(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const info_args *a = args;
    session s = {0};
    EAI_TRY(session_open_model(&s, &a->session, err));
    json_t *o = describe(&s);
    eai_status st = EAI_OK;
    if (!o) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for the description");
    } else if (a->json) {
        st = session_print_json(ctx, o, err);
    } else {
        print_object(ctx->out, o, 0);
        json_decref(o);
    }
    session_close(&s);
    return st;
}
