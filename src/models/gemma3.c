/* Gemma 3, text models (Gemma team 2025): five layers with a sliding window and a rotary base of
 * their own for each that sees everything; norms in front of and behind both halves of a block, on
 * queries and keys, all multiplying by 1 + w; a gelu gate; embeddings scaled by sqrt(d_model).
 * Start at the row. Not here: the vision tower of the larger checkpoints. */
#include "models/models.h"

#include <math.h>

#include "base/banned.h"

#define LAYERS_OF_27B 62 /* whose GGUF file does not state its other attention scale */

static void set_defaults(eai_model_config *c)
{
    c->n_kv_heads = 4;
    c->d_head = 256;
    c->rope_theta = 1000000.0;
    c->rope_theta_local = 10000.0;
    c->context = 131072;
    c->window = 4096;
    c->tied = true;
}

/* Layers pattern - 1, 2 pattern - 1, ... see everything. */
static void set_pattern(eai_model_config *c, int64_t pattern)
{
    for (int64_t i = 0; i < c->n_layers; i++) {
        if ((i + 1) % pattern != 0)
            eai_layer_set_add(&c->local, i);
    }
}

static eai_status refuse_key(const json_t *root, const char *key, const char *path, eai_error *err)
{
    const json_t *v = json_object_get(root, key);
    if (!v || json_is_null(v) || json_is_false(v))
        return EAI_OK;
    return eai_error_set(err, EAI_ERR_UNSUPPORTED, "%s: '%s' is set, which is not supported", path,
                         key);
}

static eai_status read_layers(eai_model_config *c, const json_t *root, const char *path,
                              eai_error *err)
{
    static const char *const keys[] = {"_sliding_window_pattern", "sliding_window_pattern"};
    int64_t pattern = 6;
    bool found;

    if (json_is_null(json_object_get(root, "sliding_window")))
        c->window = 0;
    EAI_TRY(model__json_int(&c->window, root, "sliding_window", false, path, err));
    for (int i = 0; i < 2; i++)
        EAI_TRY(model__json_int(&pattern, root, keys[i], false, path, err));
    EAI_TRY(model__check_count(path, "'sliding_window_pattern'", pattern, 1 << 20, err));
    EAI_TRY(model__json_layer_types(&found, c, root, path, err));
    if (!found)
        set_pattern(c, pattern);
    return EAI_OK;
}

static eai_status read_json(eai_model_config *c, const json_t *root, const char *path,
                            eai_error *err)
{
    static const char *const refused[] = {"attn_logit_softcapping", "final_logit_softcapping",
                                          "use_bidirectional_attention"};
    double scalar = 256;

    for (int i = 0; i < 3; i++)
        EAI_TRY(refuse_key(root, refused[i], path, err));
    EAI_TRY(model__json_bool(&c->bias_qkv, root, "attention_bias", path, err));
    c->bias_o = c->bias_qkv;
    EAI_TRY(model__json_float(&scalar, root, "query_pre_attn_scalar", path, err));
    if (!(scalar > 0) || !isfinite(scalar))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: 'query_pre_attn_scalar' %g is not above 0",
                             path, scalar);
    c->attention_scale = 1.0 / sqrt(scalar);
    EAI_TRY(model__json_float(&c->rope_theta_local, root, "rope_local_base_freq", path, err));
    return read_layers(c, root, path, err);
}

static eai_status read_gguf(eai_model_config *c, const eai_weights *w, eai_error *err)
{
    int64_t pattern = 6;
    double cap = 0;

    EAI_TRY(model__gguf_float(&cap, w, "final_logit_softcapping", false, err));
    if (cap > 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: metadata 'gemma3.final_logit_softcapping' is %g, which is not "
                             "supported",
                             eai_weights_path(w), cap);
    EAI_TRY(model__gguf_int(&c->window, w, "attention.sliding_window", true, err));
    EAI_TRY(model__gguf_int(&pattern, w, "attention.sliding_window_pattern", false, err));
    EAI_TRY(
        model__check_count(eai_weights_path(w), "sliding window pattern", pattern, 1 << 20, err));
    c->rope_theta_local = 10000.0;
    EAI_TRY(model__gguf_float(&c->rope_theta_local, w, "rope.freq_base_swa", false, err));
    set_pattern(c, pattern);
    int64_t width = c->n_layers == LAYERS_OF_27B ? c->d_model / c->n_heads : c->d_head;
    c->attention_scale = 1.0 / sqrt((double)width);
    return EAI_OK;
}

const model__family model__gemma3 = {
    .name = "gemma3",
    .hf_type = "gemma3_text",
    .hf_class = "Gemma3ForCausalLM",
    .traits = MODEL_QK_NORM | MODEL_POST_NORMS | MODEL_NORM_PLUS_ONE | MODEL_GELU |
              MODEL_SCALED_EMBEDDING,
    .set_defaults = set_defaults,
    .read_json = read_json,
    .read_gguf = read_gguf,
};
