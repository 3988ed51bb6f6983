/* adapter_config.json as mlx-lm writes and reads it: fine_tune_type, num_layers, and
 * lora_parameters with rank, scale (alpha / rank), dropout and the keys of a block's layers.
 *
 * mlx-lm gives pairs to the layers of those keys in the last num_layers blocks, then takes values
 * from the file; pairs that the file lacks stay without effect (their B is zero). */
#include "lora/lora.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

#include "base/banned.h"

/* ---- Writing
 * ------------------------------------------------------------------------------------- */

eai_status lora__check_mlx(const eai_adapter *a, eai_error *err)
{
    const eai_model_linear *linears;
    size_t n = eai_model_linears(&linears, a->model);

    for (int i = 0; i < LORA_N_WHOLE; i++)
        if (a->whole[i] >= 0)
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "mlx-lm's adapters have no place for '%s' as a whole",
                                 lora__whole_specs[i].module);
    for (size_t i = 0; i < n; i++) {
        const lora__layer *l = &a->layers[i];
        if (l->chosen && (l->rank != a->rank || l->alpha != a->alpha))
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "mlx-lm's adapters have one rank and one scale; %s has rank %lld "
                                 "and alpha %g, others %lld and %g",
                                 linears[i].name, (long long)l->rank, l->alpha, (long long)a->rank,
                                 a->alpha);
    }
    return EAI_OK;
}

/* "model.layers.12.mlp.up_proj": its block and "mlp.up_proj"; NULL for layers of no block. */
static const char *find_key(const char *name, int64_t *block)
{
    static const char before[] = "model.layers.";
    if (strncmp(name, before, strlen(before)) != 0)
        return NULL;
    const char *at = name + strlen(before);
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || digits > 6 || at[digits] != '.')
        return NULL;
    *block = 0;
    for (size_t i = 0; i < digits; i++)
        *block = *block * 10 + (at[i] - '0');
    return at + digits + 1;
}

/* Whether a layer before i has the same key and a pair. */
static bool is_written(const eai_adapter *a, const eai_model_linear *linears, size_t i)
{
    int64_t block;
    const char *key = find_key(linears[i].name, &block);
    for (size_t j = 0; j < i; j++) {
        const char *other = find_key(linears[j].name, &block);
        if (a->layers[j].chosen && other && key && strcmp(other, key) == 0)
            return true;
    }
    return false;
}

void lora__write_mlx_config(eai_strbuf *b, const eai_adapter *a, const char *base_name)
{
    const eai_model_linear *linears;
    size_t n = eai_model_linears(&linears, a->model);
    int64_t n_blocks = eai_model_get_config(a->model)->n_layers;
    int64_t first = n_blocks;
    const char *between = "\n      ";

    eai_strbuf_text(b, "{\n  \"fine_tune_type\": \"lora\",\n  \"lora_parameters\": {\n"
                       "    \"dropout\": ");
    eai_strbuf_json_number(b, a->dropout);
    eai_strbuf_text(b, ",\n    \"keys\": [");
    for (size_t i = 0; i < n; i++) {
        int64_t block = 0;
        const char *key = find_key(linears[i].name, &block);
        if (!a->layers[i].chosen || !key)
            continue;
        first = block < first ? block : first;
        if (is_written(a, linears, i))
            continue;
        eai_strbuf_text(b, between);
        eai_strbuf_json_string(b, key);
        between = ",\n      ";
    }
    lora__layer common = {true, a->rank, a->alpha};
    eai_strbuf_printf(b, "\n    ],\n    \"rank\": %lld,\n    \"scale\": ", (long long)a->rank);
    eai_strbuf_json_number(b, lora__scale(a, &common));
    eai_strbuf_text(b, "\n  },\n  \"model\": ");
    eai_strbuf_json_string(b, base_name);
    eai_strbuf_printf(b, ",\n  \"num_layers\": %lld\n}\n", (long long)(n_blocks - first));
}

/* ---- Reading
 * ------------------------------------------------------------------------------------- */

static eai_status read_number(double *out, const json_t *from, const char *key, eai_error *err)
{
    const json_t *v = json_object_get(from, key);
    if (!json_is_number(v))
        return eai_error_set(err, EAI_ERR_FORMAT, "'lora_parameters': '%s' is %s", key,
                             v ? "not a number" : "missing");
    *out = json_number_value(v);
    return EAI_OK;
}

eai_status lora__read_mlx_config(eai_adapter_opts *o, lora__layer *layers, json_t *root,
                                 const eai_model *m, eai_error *err)
{
    const eai_model_linear *linears;
    const json_t *kind = json_object_get(root, "fine_tune_type");
    const json_t *parameters = json_object_get(root, "lora_parameters");
    double rank = 0;
    double scale = 0;

    if (kind && (!json_is_string(kind) || strcmp(json_string_value(kind), "lora") != 0))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "'fine_tune_type' is '%.50s'; only 'lora' is supported",
                             json_is_string(kind) ? json_string_value(kind) : "(no text)");
    if (!json_is_object(parameters))
        return eai_error_set(err, EAI_ERR_FORMAT, "'lora_parameters' is %s",
                             parameters ? "no object" : "missing");
    EAI_TRY(read_number(&rank, parameters, "rank", err));
    EAI_TRY(read_number(&scale, parameters, "scale", err));
    if (json_object_get(parameters, "dropout"))
        EAI_TRY(read_number(&o->dropout, parameters, "dropout", err));
    if (rank != floor(rank) || fabs(rank) > 1e6)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "'lora_parameters': 'rank' is %g, not a whole number", rank);
    o->rank = (int64_t)rank;
    o->alpha = scale * rank;
    o->use_rslora = false;
    EAI_TRY(lora__check_opts(o, "the config", err));
    size_t n = eai_model_linears(&linears, m);
    for (size_t i = 0; i < n; i++)
        layers[i] = (lora__layer){.rank = o->rank, .alpha = o->alpha};
    return EAI_OK;
}
