/* SmolLM3: a Llama in which every fourth layer has no positions (NoPE, Kazemnejad et al. 2023).
 * Start at the row. */
#include "models/models.h"

#include "base/banned.h"

#define INTERVAL 4 /* in GGUF files, which do not state it */

static void set_defaults(eai_model_config *c)
{
    c->rope_theta = 2000000.0;
    c->context = 32768;
    c->tied = true;
}

static void leave_every(eai_model_config *c, int64_t interval)
{
    for (int64_t i = interval - 1; i < c->n_layers; i += interval)
        eai_layer_set_add(&c->unrotated, i);
}

/* "no_rope_layers" has, against its name, a 1 for each layer with positions. */
static eai_status read_unrotated(eai_model_config *c, const json_t *root, const char *path,
                                 eai_error *err)
{
    const json_t *list = json_object_get(root, "no_rope_layers");
    int64_t interval = INTERVAL;

    EAI_TRY(model__json_int(&interval, root, "no_rope_layer_interval", false, path, err));
    EAI_TRY(model__check_count(path, "'no_rope_layer_interval'", interval, 1 << 20, err));
    if (!list || json_is_null(list)) {
        leave_every(c, interval);
        return EAI_OK;
    }
    if (!json_is_array(list) || (int64_t)json_array_size(list) < c->n_layers)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: 'no_rope_layers' has no number for each of %lld layers", path,
                             (long long)c->n_layers);
    for (int64_t i = 0; i < c->n_layers; i++) {
        const json_t *v = json_array_get(list, (size_t)i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1)
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "%s: 'no_rope_layers' entry %lld is neither 0 nor 1", path,
                                 (long long)i);
        if (json_integer_value(v) == 0)
            eai_layer_set_add(&c->unrotated, i);
    }
    return EAI_OK;
}

static eai_status read_json(eai_model_config *c, const json_t *root, const char *path,
                            eai_error *err)
{
    bool found;
    EAI_TRY(model__json_bool(&c->bias_qkv, root, "attention_bias", path, err));
    c->bias_o = c->bias_qkv;
    EAI_TRY(model__json_bool(&c->bias_mlp, root, "mlp_bias", path, err));
    EAI_TRY(read_unrotated(c, root, path, err));
    EAI_TRY(model__json_window(c, root, path, err));
    EAI_TRY(model__json_layer_types(&found, c, root, path, err));
    if (!found && c->window > 0)
        c->local = c->unrotated;
    return EAI_OK;
}

static eai_status read_gguf(eai_model_config *c, const eai_weights *w, eai_error *err)
{
    (void)w, (void)err;
    leave_every(c, INTERVAL);
    return EAI_OK;
}

const model__family model__smollm3 = {
    .name = "smollm3",
    .hf_type = "smollm3",
    .hf_class = "SmolLM3ForCausalLM",
    .set_defaults = set_defaults,
    .read_json = read_json,
    .read_gguf = read_gguf,
};
