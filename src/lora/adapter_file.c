/* Adapters as files, in the layout of PEFT: adapter_model.safetensors and adapter_config.json.
 *
 * Keys are "base_model.model.<layer>.lora_A.weight" [r, n_in] and "...lora_B.weight" [n_out, r]. On
 * reading, the keys decide which layers are changed, and the config only the numbers: this reads
 * adapters whose target_modules is a pattern, and those of some layers alone. What the config asks
 * for and this code does not do (other methods, biases, a rank of its own for some layers) is
 * refused, never ignored. Start at eai_adapter_save and eai_adapter_load. */
#include "lora/lora.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/fs.h>
#include <efficientai/weights.h>

#include "base/json.h"
#include "base/strbuf.h"

#include "base/banned.h"

#define CONFIG_BYTES_MAX ((size_t)1 << 24)

/* ---- Writing
 * ------------------------------------------------------------------------------------- */

static void write_config(eai_strbuf *b, const eai_adapter *a, const char *base_name)
{
    eai_strbuf_text(b, "{\n  \"base_model_name_or_path\": ");
    eai_strbuf_json_string(b, base_name);
    eai_strbuf_text(b, ",\n  \"bias\": \"none\",\n  \"fan_in_fan_out\": false,\n"
                       "  \"inference_mode\": true,\n  \"init_lora_weights\": true,\n"
                       "  \"layers_pattern\": null,\n  \"layers_to_transform\": null,\n"
                       "  \"lora_alpha\": ");
    eai_strbuf_json_number(b, a->alpha);
    eai_strbuf_text(b, ",\n  \"lora_dropout\": ");
    eai_strbuf_json_number(b, a->dropout);
    eai_strbuf_printf(
        b, ",\n  \"modules_to_save\": null,\n  \"peft_type\": \"LORA\",\n  \"r\": %lld,\n",
        (long long)a->rank);
    eai_strbuf_text(b, "  \"revision\": null,\n  \"target_modules\": [\n");
    for (const char *p = a->targets; *p;) {
        size_t n = strcspn(p, ",");
        eai_strbuf_text(b, "    ");
        eai_strbuf_json_bytes(b, p, n);
        p += n;
        p += *p == ',' ? 1 : 0;
        eai_strbuf_text(b, *p ? ",\n" : "\n");
    }
    eai_strbuf_printf(b,
                      "  ],\n  \"task_type\": \"CAUSAL_LM\",\n  \"use_dora\": false,\n"
                      "  \"use_rslora\": %s\n}\n",
                      a->use_rslora ? "true" : "false");
}

static eai_status save_config(const eai_adapter *a, const char *folder, const char *base_name,
                              eai_error *err)
{
    eai_status st;
    eai_strbuf b = EAI_STRBUF_INIT(1 << 20);
    char *path = eai_path_join(folder, LORA_CONFIG_FILE);

    write_config(&b, a, base_name);
    st = eai_strbuf_check(&b, LORA_CONFIG_FILE, err);
    if (st == EAI_OK && !path)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (st == EAI_OK)
        st = eai_fs_write_atomic(path, b.data, b.length, err);
    eai_free(path);
    eai_strbuf_deinit(&b);
    return st;
}

static eai_status save_weights(const eai_adapter *a, const char *folder, eai_error *err)
{
    eai_status st;
    eai_weights *w = NULL;
    char *path = eai_path_join(folder, LORA_WEIGHTS_FILE);

    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    st = eai_weights_create(&w, path, err);
    for (size_t i = 0; st == EAI_OK && i < 2 * a->n_pairs; i++) {
        const eai_parameter *p = &a->parameters[i];
        st = eai_weights_add_borrowed(w, p->name, EAI_F32, &p->shape, p->data, err);
    }
    if (st == EAI_OK)
        st = eai_weights_set_string(w, "format", "pt", err);
    if (st == EAI_OK)
        st = eai_weights_save(w, path, NULL, err);
    eai_weights_close(w);
    eai_free(path);
    return st;
}

eai_status eai_adapter_save(const eai_adapter *a, const char *folder, const char *base_name,
                            eai_error *err)
{
    EAI_TRY(eai_fs_mkdir_p(folder, err));
    EAI_TRY(save_weights(a, folder, err));
    return save_config(a, folder, base_name, err);
}

/* ---- Reading the config
 * -------------------------------------------------------------------------- */

/* Settings that must be absent, null, false, empty, or the one word that means so: each changes
 * what the adapter computes. */
/* clang-format off */
static const struct {
    const char *key;
    const char *neutral;
} refused[] = {
    {"bias", "none"},
    {"fan_in_fan_out", NULL},
    {"modules_to_save", NULL},
    {"rank_pattern", NULL},
    {"alpha_pattern", NULL},
    {"target_parameters", NULL},
    {"trainable_token_indices", NULL},
    {"layer_replication", NULL},
    {"lora_bias", NULL},
    {"use_dora", NULL},
    {"use_qalora", NULL},
    {"use_bdlora", NULL},
    {"arrow_config", NULL},
    {"kasa_config", NULL},
    {"velora_config", NULL},
    {"monteclora_config", NULL},
    {"alora_invocation_tokens", NULL},
};
/* clang-format on */

/* These ways to begin change the base model's weights as well, which the adapter's file does not
 * hold. */
static const char *const refused_starts[] = {"pissa", "olora", "loftq", "corda", "lora_ga"};

static bool is_neutral(const json_t *v, const char *neutral)
{
    if (!v || json_is_null(v) || json_is_false(v))
        return true;
    if (json_is_string(v))
        return neutral && strcmp(json_string_value(v), neutral) == 0;
    if (json_is_array(v))
        return json_array_size(v) == 0;
    return json_is_object(v) && json_object_size(v) == 0;
}

static eai_status read_number(double *out, const json_t *root, const char *key, bool required,
                              eai_error *err)
{
    const json_t *v = json_object_get(root, key);
    if (json_is_number(v))
        *out = json_number_value(v);
    else if (required || (v && !json_is_null(v)))
        return eai_error_set(err, EAI_ERR_FORMAT, "'%s' is %s", key,
                             v ? "not a number" : "missing");
    return EAI_OK;
}

static eai_status read_config(eai_adapter_opts *o, const json_t *root, eai_error *err)
{
    const char *type = json_string_value(json_object_get(root, "peft_type"));
    double rank = 0;

    if (!type || strcmp(type, "LORA") != 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "'peft_type' is '%s'; only 'LORA' is supported",
                             type ? type : "(missing)");
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (!is_neutral(json_object_get(root, refused[i].key), refused[i].neutral))
            return eai_error_set(err, EAI_ERR_UNSUPPORTED, "'%s' is set, which is not supported",
                                 refused[i].key);
    }
    const char *start = json_string_value(json_object_get(root, "init_lora_weights"));
    for (size_t i = 0; start && i < sizeof(refused_starts) / sizeof(refused_starts[0]); i++) {
        if (strncmp(start, refused_starts[i], strlen(refused_starts[i])) == 0)
            return eai_error_set(
                err, EAI_ERR_UNSUPPORTED,
                "'init_lora_weights' is '%s', which also changes the base model; convert it "
                "to a plain LoRA adapter with PEFT first",
                start);
    }
    EAI_TRY(read_number(&rank, root, "r", true, err));
    if (rank != floor(rank) || fabs(rank) > 1e6)
        return eai_error_set(err, EAI_ERR_FORMAT, "'r' is %g, not a whole number", rank);
    o->rank = (int64_t)rank;
    EAI_TRY(read_number(&o->alpha, root, "lora_alpha", true, err));
    EAI_TRY(read_number(&o->dropout, root, "lora_dropout", false, err));
    o->use_rslora = json_is_true(json_object_get(root, "use_rslora"));
    return EAI_OK;
}

static eai_status load_config(eai_adapter_opts *o, const char *folder, eai_error *err)
{
    eai_status st;
    json_t *root = NULL;
    char *path = eai_path_join(folder, LORA_CONFIG_FILE);

    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    st = eai_json_load(&root, path, CONFIG_BYTES_MAX, err);
    if (st != EAI_OK)
        goto done;
    st = read_config(o, root, err);
    if (st != EAI_OK)
        st = eai_error_context(err, st, "%s", path);
    else
        st = lora__check_opts(o, path, err);
done:
    json_decref(root);
    eai_free(path);
    return st;
}

/* ---- Reading the tensors
 * ------------------------------------------------------------------------- */

/* The linear layer that key `name` belongs to, or -1. */
static int64_t find_linear(const eai_model *m, const char *name)
{
    static const char *const tails[] = {".lora_A.weight", ".lora_B.weight"};
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, m);
    size_t prefix = strlen(LORA_KEY_PREFIX);

    if (strncmp(name, LORA_KEY_PREFIX, prefix) != 0)
        return -1;
    for (size_t i = 0; i < n_linears; i++) {
        size_t n = strlen(linears[i].name);
        if (strncmp(name + prefix, linears[i].name, n) != 0)
            continue;
        const char *tail = name + prefix + n;
        if (strcmp(tail, tails[0]) == 0 || strcmp(tail, tails[1]) == 0)
            return (int64_t)i;
    }
    return -1;
}

/* Marks the layers that the file has tensors for; every tensor must belong to one. */
static eai_status choose_layers(bool *chosen, const eai_model *m, const eai_weights *w,
                                eai_error *err)
{
    if (eai_weights_count(w) == 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: no tensors", eai_weights_path(w));
    for (size_t i = 0; i < eai_weights_count(w); i++) {
        const char *name = eai_weights_at(w, i)->name;
        int64_t linear = find_linear(m, name);
        if (linear < 0) {
            char known[512];
            lora__list_modules(known, sizeof(known), m);
            return eai_error_set(
                err, EAI_ERR_FORMAT,
                "%s: tensor '%s' belongs to no layer of the model, which has %lld layers "
                "with %s",
                eai_weights_path(w), name, (long long)eai_model_get_config(m)->n_layers, known);
        }
        chosen[linear] = true;
    }
    return EAI_OK;
}

static eai_status read_values(eai_parameter *p, const eai_weights *w, eai_error *err)
{
    const char *path = eai_weights_path(w);
    const eai_weight_tensor *t = eai_weights_find(w, p->name);
    char seen[96];
    char wanted[96];

    if (!t)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: tensor '%s' is missing", path, p->name);
    if (!eai_shape_equal(&t->shape, &p->shape))
        return eai_error_set(err, EAI_ERR_SHAPE,
                             "%s: tensor '%s': shape %s, where this model and 'r' ask for %s", path,
                             p->name, eai_shape_print(seen, sizeof(seen), &t->shape),
                             eai_shape_print(wanted, sizeof(wanted), &p->shape));
    if (eai_dtype_get(t->dtype)->kind != EAI_DTYPE_FLOAT)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "%s: tensor '%s': type %s is no float type",
                             path, p->name, eai_dtype_get(t->dtype)->name);
    int64_t n = eai_shape_elements(&t->shape);
    eai_dequantize_row(p->data, t->dtype, t->data, n);
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(p->data[i]))
            return eai_error_set(err, EAI_ERR_NUMERIC, "%s: tensor '%s': element %lld is %g", path,
                                 p->name, (long long)i, (double)p->data[i]);
    }
    return EAI_OK;
}

static eai_status load_weights(eai_adapter **out, const eai_model *m, const eai_adapter_opts *opts,
                               const eai_weights *w, eai_error *err)
{
    eai_status st;
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, m);
    eai_adapter *a = NULL;
    bool *chosen = eai_alloc_zeroed(n_linears, sizeof(*chosen));

    if (!chosen)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu layers", n_linears);
    st = choose_layers(chosen, m, w, err);
    if (st == EAI_OK)
        st = lora__create_empty(&a, m, chosen, opts, err);
    for (size_t i = 0; st == EAI_OK && i < 2 * a->n_pairs; i++)
        st = read_values(&a->parameters[i], w, err);
    if (st == EAI_OK) {
        *out = a;
        a = NULL;
    }
    eai_adapter_free(a);
    eai_free(chosen);
    return st;
}

eai_status eai_adapter_load(eai_adapter **out, const eai_model *m, const char *folder,
                            eai_error *err)
{
    eai_status st;
    eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
    eai_weights *w = NULL;

    *out = NULL;
    EAI_TRY(load_config(&opts, folder, err));
    char *path = eai_path_join(folder, LORA_WEIGHTS_FILE);
    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    st = eai_weights_open(&w, path, err);
    if (st == EAI_OK)
        st = load_weights(out, m, &opts, w, err);
    eai_weights_close(w);
    eai_free(path);
    return st;
}
