/* adapter_config.json, PEFT's: reading and writing.
 *
 * On reading it gives the numbers; which layers are changed is said by the tensors' names
 * (adapter_file.c), so target_modules, exclude_modules and layers_to_transform are not needed,
 * whatever their form. What it asks for and this code does not do (other methods, biases) is
 * refused, never ignored. On writing, layers are named so that PEFT makes exactly the layers that
 * the file holds. Start at lora__load_config and lora__write_config. */
#include "lora/lora.h"

#include <math.h>
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/json.h"

#include "base/banned.h"

/* ---- Writing
 * ------------------------------------------------------------------------------------- */

/* Whether the names of the modules stand for the chosen layers and no others. */
static bool names_suffice(const eai_adapter *a)
{
    const eai_model_linear *linears;
    size_t n = eai_model_linears(&linears, a->model);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            if (a->layers[i].chosen && !a->layers[j].chosen &&
                strcmp(linears[i].module, linears[j].module) == 0)
                return false;
        }
    }
    return true;
}

static void write_targets(eai_strbuf *b, const eai_adapter *a)
{
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, a->model);
    const char *between = "    ";

    eai_strbuf_text(b, "  \"target_modules\": [\n");
    if (!names_suffice(a)) {
        for (size_t i = 0; i < n_linears; i++) {
            if (!a->layers[i].chosen)
                continue;
            eai_strbuf_text(b, between);
            eai_strbuf_json_string(b, linears[i].name);
            between = ",\n    ";
        }
    } else {
        for (const char *p = a->targets; *p;) {
            size_t n = strcspn(p, ",");
            eai_strbuf_text(b, between);
            eai_strbuf_json_bytes(b, p, n);
            between = ",\n    ";
            p += n + (p[n] == ',' ? 1 : 0);
        }
    }
    eai_strbuf_text(b, "\n  ],\n");
}

/* The layers whose rank (or alpha) is not the adapter's, by their full names. */
static void write_pattern(eai_strbuf *b, const char *key, const eai_adapter *a, bool ranks)
{
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, a->model);
    const char *between = "\n    ";

    eai_strbuf_printf(b, "  \"%s\": {", key);
    for (size_t i = 0; i < n_linears; i++) {
        const lora__layer *l = &a->layers[i];
        if (!l->chosen || (ranks ? l->rank == a->rank : l->alpha == a->alpha))
            continue;
        eai_strbuf_text(b, between);
        eai_strbuf_json_string(b, linears[i].name);
        eai_strbuf_text(b, ": ");
        if (ranks)
            eai_strbuf_printf(b, "%lld", (long long)l->rank);
        else
            eai_strbuf_json_number(b, l->alpha);
        between = ",\n    ";
    }
    eai_strbuf_text(b, *between == ',' ? "\n  },\n" : "},\n");
}

static void write_whole(eai_strbuf *b, const eai_adapter *a)
{
    const char *between = "[";
    eai_strbuf_text(b, "  \"modules_to_save\": ");
    for (int i = 0; i < LORA_N_WHOLE; i++) {
        if (a->whole[i] < 0)
            continue;
        eai_strbuf_printf(b, "%s\"%s\"", between, lora__whole_specs[i].module);
        between = ", ";
    }
    eai_strbuf_text(b, *between == ',' ? "],\n" : "null,\n");
}

void lora__write_config(eai_strbuf *b, const eai_adapter *a, const char *base_name)
{
    eai_strbuf_text(b, "{\n");
    write_pattern(b, "alpha_pattern", a, false);
    eai_strbuf_text(b, "  \"base_model_name_or_path\": ");
    eai_strbuf_json_string(b, base_name);
    eai_strbuf_text(b, ",\n  \"bias\": \"none\",\n  \"fan_in_fan_out\": false,\n"
                       "  \"inference_mode\": true,\n  \"init_lora_weights\": true,\n"
                       "  \"layers_pattern\": null,\n  \"layers_to_transform\": null,\n"
                       "  \"lora_alpha\": ");
    eai_strbuf_json_number(b, a->alpha);
    eai_strbuf_text(b, ",\n  \"lora_dropout\": ");
    eai_strbuf_json_number(b, a->dropout);
    eai_strbuf_text(b, ",\n");
    write_whole(b, a);
    eai_strbuf_printf(b, "  \"peft_type\": \"LORA\",\n  \"r\": %lld,\n", (long long)a->rank);
    write_pattern(b, "rank_pattern", a, true);
    eai_strbuf_text(b, "  \"revision\": null,\n");
    write_targets(b, a);
    eai_strbuf_printf(b,
                      "  \"task_type\": \"CAUSAL_LM\",\n  \"use_dora\": false,\n"
                      "  \"use_rslora\": %s\n}\n",
                      a->use_rslora ? "true" : "false");
}

/* ---- Reading
 * ------------------------------------------------------------------------------------- */

/* Settings that must be absent, null, false, empty, or the one word that means so: each changes
 * what the adapter computes. */
/* clang-format off */
static const struct {
    const char *key;
    const char *neutral;
} refused[] = {
    {"bias", "none"},
    {"fan_in_fan_out", NULL},
    {"target_parameters", NULL},
    {"trainable_token_indices", NULL},
    {"layer_replication", NULL},
    {"lora_bias", NULL},
    {"ensure_weight_tying", NULL},
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

/* A rank or an alpha of a pattern, in the ranges of lora__check_opts. */
static eai_status read_own(double *out, const char *pattern, const char *key, const json_t *v,
                           bool ranks, eai_error *err)
{
    double x = json_is_number(v) ? json_number_value(v) : -1;
    bool ok = ranks ? x >= 1 && x <= EAI_ADAPTER_RANK_MAX && x == floor(x) : x > 0 && isfinite(x);
    *out = x;
    if (ok)
        return EAI_OK;
    if (!json_is_number(v))
        return eai_error_set(err, EAI_ERR_FORMAT, "'%s' of '%.100s' is not a number", pattern, key);
    if (ranks)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "'%s' of '%.100s' is %g, no whole number in 1 to %d", pattern, key, x,
                             EAI_ADAPTER_RANK_MAX);
    return eai_error_set(err, EAI_ERR_FORMAT, "'%s' of '%.100s' is %g, not above 0", pattern, key,
                         x);
}

/* Each layer takes the first key that matches its name. `taken` and `matched` are scratch. */
static eai_status apply_pattern(lora__layer *layers, bool *taken, bool *matched, json_t *root,
                                const char *pattern, const eai_model *m, eai_error *err)
{
    const eai_model_linear *linears;
    size_t n = eai_model_linears(&linears, m);
    bool ranks = strcmp(pattern, "rank_pattern") == 0;
    json_t *map = json_object_get(root, pattern);
    const char *key = NULL;
    json_t *v = NULL;

    if (map && !json_is_object(map) && !json_is_null(map))
        return eai_error_set(err, EAI_ERR_FORMAT, "'%s' is no object", pattern);
    memset(taken, 0, n * sizeof(*taken));
    json_object_foreach(map, key, v)
    {
        double own;
        EAI_TRY(read_own(&own, pattern, key, v, ranks, err));
        EAI_TRY(lora__match_pattern(matched, key, linears, n, err));
        for (size_t i = 0; i < n; i++) {
            if (!matched[i] || taken[i])
                continue;
            taken[i] = true;
            if (ranks)
                layers[i].rank = (int64_t)own;
            else
                layers[i].alpha = own;
        }
    }
    return EAI_OK;
}

static eai_status read_patterns(lora__layer *layers, const eai_adapter_opts *o, json_t *root,
                                const eai_model *m, eai_error *err)
{
    const eai_model_linear *linears;
    size_t n = eai_model_linears(&linears, m);
    bool *scratch = eai_alloc_zeroed(2 * n, sizeof(*scratch));

    if (!scratch)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu layers", n);
    for (size_t i = 0; i < n; i++)
        layers[i] = (lora__layer){.rank = o->rank, .alpha = o->alpha};
    eai_status st = apply_pattern(layers, scratch, scratch + n, root, "rank_pattern", m, err);
    if (st == EAI_OK)
        st = apply_pattern(layers, scratch, scratch + n, root, "alpha_pattern", m, err);
    eai_free(scratch);
    return st;
}

static eai_status read_whole(bool whole[LORA_N_WHOLE], const json_t *root, eai_error *err)
{
    const json_t *list = json_object_get(root, "modules_to_save");
    if (list && !json_is_null(list) && !json_is_array(list))
        return eai_error_set(err, EAI_ERR_FORMAT, "'modules_to_save' is no list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        bool known = false;
        for (int k = 0; name && k < LORA_N_WHOLE; k++) {
            if (strcmp(name, lora__whole_specs[k].module) == 0)
                known = whole[k] = true;
        }
        if (!known)
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "'modules_to_save' has '%.100s'; supported: %s, %s",
                                 name ? name : "(no text)", lora__whole_specs[0].module,
                                 lora__whole_specs[1].module);
    }
    return EAI_OK;
}

static eai_status read_numbers(eai_adapter_opts *o, const json_t *root, eai_error *err)
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

eai_status lora__read_config(eai_adapter_opts *o, lora__layer *layers, bool whole[LORA_N_WHOLE],
                             json_t *root, const eai_model *m, eai_error *err)
{
    EAI_TRY(read_numbers(o, root, err));
    EAI_TRY(lora__check_opts(o, "the config", err));
    EAI_TRY(read_patterns(layers, o, root, m, err));
    return read_whole(whole, root, err);
}

eai_status lora__load_config(eai_adapter_opts *o, lora__layer *layers, bool whole[LORA_N_WHOLE],
                             const eai_model *m, const char *folder, const lora__layout *layout,
                             eai_error *err)
{
    eai_status st;
    json_t *root = NULL;
    char *path = eai_path_join(folder, LORA_CONFIG_FILE);

    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    st = eai_json_load(&root, path, LORA_CONFIG_BYTES_MAX, err);
    if (st == EAI_OK) {
        st = layout == &lora__layouts[EAI_ADAPTER_MLX]
                 ? lora__read_mlx_config(o, layers, root, m, err)
                 : lora__read_config(o, layers, whole, root, m, err);
        if (st != EAI_OK)
            st = eai_error_context(err, st, "%s", path);
    }
    json_decref(root);
    eai_free(path);
    return st;
}
