/* The configuration in a GGUF's metadata: keys are "<architecture>.<name>". What only one family
 * has is read by its row. Start at model__read_gguf. */
#include "models/models.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/banned.h"

static const char *make_key(char *buf, size_t n, const eai_weights *w, const char *name)
{
    snprintf(buf, n, "%s.%s", eai_weights_get_string(w, "general.architecture"), name);
    return buf;
}

eai_status model__gguf_int(int64_t *out, const eai_weights *w, const char *name, bool required,
                           eai_error *err)
{
    char key[128];
    make_key(key, sizeof(key), w, name);
    if (eai_weights_get_int(out, w, key))
        return EAI_OK;
    if (eai_weights_meta_type(w, key) != EAI_META_NONE)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "%s: metadata '%s' is not one integer",
                             eai_weights_path(w), key);
    if (required)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: metadata '%s' is missing",
                             eai_weights_path(w), key);
    return EAI_OK;
}

eai_status model__gguf_float(double *out, const eai_weights *w, const char *name, bool required,
                             eai_error *err)
{
    char key[128];
    make_key(key, sizeof(key), w, name);
    if (eai_weights_get_float(out, w, key))
        return EAI_OK;
    if (required || eai_weights_meta_type(w, key) != EAI_META_NONE)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: metadata '%s' is missing or not a number",
                             eai_weights_path(w), key);
    return EAI_OK;
}

static eai_status read_sizes(eai_model_config *c, const eai_weights *w, eai_error *err)
{
    const char *path = eai_weights_path(w);

    EAI_TRY(model__gguf_int(&c->n_layers, w, "block_count", true, err));
    EAI_TRY(model__check_count(path, "number of layers", c->n_layers, EAI_MODEL_LAYERS_MAX, err));
    EAI_TRY(model__gguf_int(&c->d_model, w, "embedding_length", true, err));
    EAI_TRY(model__gguf_int(&c->d_ffn, w, "feed_forward_length", true, err));
    EAI_TRY(model__gguf_int(&c->context, w, "context_length", true, err));
    EAI_TRY(model__gguf_int(&c->n_heads, w, "attention.head_count", true, err));
    EAI_TRY(model__check_count(path, "number of heads", c->n_heads, 1 << 14, err));
    c->n_kv_heads = c->n_heads;
    EAI_TRY(model__gguf_int(&c->n_kv_heads, w, "attention.head_count_kv", false, err));
    c->d_head = c->d_model / c->n_heads;
    EAI_TRY(model__gguf_int(&c->d_head, w, "attention.key_length", false, err));
    EAI_TRY(model__check_count(path, "head width", c->d_head, 1 << 14, err));
    EAI_TRY(model__gguf_float(&c->rms_eps, w, "attention.layer_norm_rms_epsilon", true, err));
    c->rope_theta = 10000.0;
    return model__gguf_float(&c->rope_theta, w, "rope.freq_base", false, err);
}

/* Heads of one width, rotated as a whole. */
static eai_status check_heads(const eai_model_config *c, const eai_weights *w, eai_error *err)
{
    const char *path = eai_weights_path(w);
    int64_t value = c->d_head;
    int64_t rotated = c->d_head;

    EAI_TRY(model__gguf_int(&value, w, "attention.value_length", false, err));
    if (value != c->d_head)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: values of width %" PRId64 " with keys of width %" PRId64, path,
                             value, c->d_head);
    EAI_TRY(model__gguf_int(&rotated, w, "rope.dimension_count", false, err));
    if (rotated != c->d_head)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: rotation of %" PRId64 " of a head's %" PRId64 " dimensions", path,
                             rotated, c->d_head);
    return EAI_OK;
}

/* The file states biases by having them. */
static bool has_bias(const eai_weights *w, model__role role)
{
    char name[96];
    snprintf(name, sizeof(name), "model.layers.0.%s", model__slots[role].name);
    return eai_weights_find(w, name) != NULL;
}

eai_status model__read_gguf(eai_model_config *c, const eai_weights *w, const model__family *family,
                            eai_error *err)
{
    c->family = family->name;
    EAI_TRY(read_sizes(c, w, err));
    EAI_TRY(check_heads(c, w, err));
    const eai_weight_tensor *t = eai_weights_find(w, "model.embed_tokens.weight");
    if (!t || t->shape.n_dims != 2)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: tensor 'model.embed_tokens.weight' (in the file "
                             "'token_embd.weight') is missing or no matrix",
                             eai_weights_path(w));
    c->vocab = t->shape.dim[0];
    c->tied = !eai_weights_find(w, "lm_head.weight");
    c->bias_qkv = has_bias(w, MODEL_Q_BIAS);
    c->bias_o = has_bias(w, MODEL_O_BIAS);
    c->bias_mlp = has_bias(w, MODEL_GATE_BIAS);
    EAI_TRY(model__gguf_rope(c, w, err));
    return family->read_gguf ? family->read_gguf(c, w, err) : EAI_OK;
}
