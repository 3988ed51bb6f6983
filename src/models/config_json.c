/* The configuration in a config.json, as transformers writes it; from version 5 on it differs in
 * what belongs to the rotary embedding. What only one family has is read by its row. Start at
 * model__read_json. */
#include "models/models.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"

eai_status model__json_int(int64_t *out, const json_t *root, const char *key, bool required,
                           const char *path, eai_error *err)
{
    const json_t *v = json_object_get(root, key);
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return EAI_OK;
    }
    if (required || (v && !json_is_null(v)))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: '%s' is %s", path, key,
                             v ? "not an integer" : "missing");
    return EAI_OK;
}

eai_status model__json_float(double *out, const json_t *root, const char *key, const char *path,
                             eai_error *err)
{
    const json_t *v = json_object_get(root, key);
    if (json_is_number(v))
        *out = json_number_value(v);
    else if (v && !json_is_null(v))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: '%s' is not a number", path, key);
    return EAI_OK;
}

eai_status model__json_bool(bool *out, const json_t *root, const char *key, const char *path,
                            eai_error *err)
{
    const json_t *v = json_object_get(root, key);
    if (json_is_boolean(v))
        *out = json_is_true(v);
    else if (v && !json_is_null(v))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: '%s' is neither true nor false", path, key);
    return EAI_OK;
}

eai_status model__json_layer_types(bool *found, eai_model_config *c, const json_t *root,
                                   const char *path, eai_error *err)
{
    const json_t *list = json_object_get(root, "layer_types");
    *found = list && !json_is_null(list);
    if (!*found)
        return EAI_OK;
    if (!json_is_array(list) || (int64_t)json_array_size(list) != c->n_layers)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: 'layer_types' has not one entry for each of %lld layers", path,
                             (long long)c->n_layers);
    for (int64_t i = 0; i < c->n_layers; i++) {
        const char *type = json_string_value(json_array_get(list, (size_t)i));
        if (type && strcmp(type, "sliding_attention") == 0)
            eai_layer_set_add(&c->local, i);
        else if (!type || strcmp(type, "full_attention") != 0)
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "%s: 'layer_types' entry %lld is '%s'; supported: "
                                 "full_attention, sliding_attention",
                                 path, (long long)i, type ? type : "no text");
    }
    return EAI_OK;
}

eai_status model__json_window(eai_model_config *c, const json_t *root, const char *path,
                              eai_error *err)
{
    bool used = false;
    EAI_TRY(model__json_bool(&used, root, "use_sliding_window", path, err));
    if (used)
        EAI_TRY(model__json_int(&c->window, root, "sliding_window", false, path, err));
    return EAI_OK;
}

/* rope_theta and rope_scaling up to transformers 4; from 5 on both are in rope_parameters, where
 * families with two bases have one object for each kind of layer. */
static eai_status read_rope(eai_model_config *c, const json_t *root, const char *path,
                            eai_error *err)
{
    const char *key = "rope_scaling";
    const json_t *v = json_object_get(root, key);
    eai_rope_scaling local = {0};

    EAI_TRY(model__json_float(&c->rope_theta, root, "rope_theta", path, err));
    if (!v || json_is_null(v)) {
        key = "rope_parameters";
        v = json_object_get(root, key);
    }
    if (!v || json_is_null(v))
        return EAI_OK;
    const json_t *of_local = json_object_get(v, "sliding_attention");
    if (of_local) {
        EAI_TRY(model__json_rope(&c->rope_theta_local, &local, of_local, key, c, path, err));
        if (local.type != EAI_ROPE_PLAIN)
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "%s: '%s' of sliding layers is of type '%s'; only 'default' is "
                                 "supported",
                                 path, key, model__rope_name(local.type));
        v = json_object_get(v, "full_attention");
    }
    EAI_TRY(model__json_rope(&c->rope_theta, &c->rope_scaling, v, key, c, path, err));
    return model__json_float(&c->rope_scaling.original_context, root,
                             "original_max_position_embeddings", path, err);
}

/* Settings of the file that would change the computation. */
static eai_status check_json(const json_t *root, const model__family *family, const char *path,
                             eai_error *err)
{
    const char *wanted = family->traits & MODEL_GELU ? "gelu_pytorch_tanh" : "silu";
    const char *key = family->traits & MODEL_GELU ? "hidden_activation" : "hidden_act";
    const char *act = json_string_value(json_object_get(root, key));
    const json_t *quantized = json_object_get(root, "quantization_config");
    eai_mlx_packing packing;
    bool packed = false;
    double rotated = 1;

    if (act && strcmp(act, wanted) != 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "%s: '%s' is '%s'; only '%s' is supported",
                             path, key, act, wanted);
    EAI_TRY(model__json_float(&rotated, root, "partial_rotary_factor", path, err));
    if (rotated != 1)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: 'partial_rotary_factor' is %g; only 1 is supported", path,
                             rotated);
    EAI_TRY(model__json_packing(&packed, &packing, root, NULL, path, err));
    if (!packed && quantized && !json_is_null(quantized)) {
        const char *method = json_string_value(json_object_get(quantized, "quant_method"));
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: 'quantization_config' of method '%s': quantized checkpoints are "
                             "not supported; take the float weights, or a GGUF file",
                             path, method ? method : "?");
    }
    return EAI_OK;
}

static eai_status read_sizes(eai_model_config *c, const json_t *root, const char *path,
                             eai_error *err)
{
    int64_t kv_heads = c->n_kv_heads;
    int64_t d_head = c->d_head;

    EAI_TRY(model__json_int(&c->n_layers, root, "num_hidden_layers", true, path, err));
    EAI_TRY(
        model__check_count(path, "'num_hidden_layers'", c->n_layers, EAI_MODEL_LAYERS_MAX, err));
    EAI_TRY(model__json_int(&c->d_model, root, "hidden_size", true, path, err));
    EAI_TRY(model__json_int(&c->d_ffn, root, "intermediate_size", true, path, err));
    EAI_TRY(model__json_int(&c->vocab, root, "vocab_size", true, path, err));
    EAI_TRY(model__json_int(&c->n_heads, root, "num_attention_heads", true, path, err));
    EAI_TRY(model__check_count(path, "'num_attention_heads'", c->n_heads, 1 << 14, err));
    c->n_kv_heads = kv_heads > 0 ? kv_heads : c->n_heads;
    EAI_TRY(model__json_int(&c->n_kv_heads, root, "num_key_value_heads", false, path, err));
    c->d_head = d_head > 0 ? d_head : c->d_model / c->n_heads;
    EAI_TRY(model__json_int(&c->d_head, root, "head_dim", false, path, err));
    EAI_TRY(model__json_int(&c->context, root, "max_position_embeddings", false, path, err));
    return model__json_float(&c->rms_eps, root, "rms_norm_eps", path, err);
}

eai_status model__read_json(eai_model_config *c, const json_t *root, const char *path,
                            eai_error *err)
{
    const char *type = json_string_value(json_object_get(root, "model_type"));
    if (!type)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: 'model_type' is missing or no text", path);
    const model__family *family = model__find_family(type, false);
    if (!family)
        return model__unknown_family(path, type, false, err);
    c->family = family->name;
    c->context = 2048;
    c->rms_eps = 1e-6;
    c->rope_theta = 10000.0;
    if (family->set_defaults)
        family->set_defaults(c);
    EAI_TRY(check_json(root, family, path, err));
    EAI_TRY(read_sizes(c, root, path, err));
    EAI_TRY(read_rope(c, root, path, err));
    EAI_TRY(model__json_bool(&c->tied, root, "tie_word_embeddings", path, err));
    return family->read_json ? family->read_json(c, root, path, err) : EAI_OK;
}
