/* Qwen2 and 2.5 (biases on q, k and v) and Qwen3 (norms on q and k instead), dense models. Start at
 * the rows. */
#include "models/models.h"

#include "base/banned.h"

static void set_qwen2_defaults(eai_model_config *c)
{
    c->bias_qkv = true;
    c->context = 32768;
}

static void set_qwen3_defaults(eai_model_config *c)
{
    c->d_head = 128;
    c->context = 32768;
}

/* The last layers have the window, from number max_window_layers on, unless layer_types says it. */
static eai_status read_windows(eai_model_config *c, const json_t *root, const char *path,
                               eai_error *err)
{
    int64_t first = 28;
    bool found;

    EAI_TRY(model__json_window(c, root, path, err));
    EAI_TRY(model__json_int(&first, root, "max_window_layers", false, path, err));
    EAI_TRY(model__json_layer_types(&found, c, root, path, err));
    for (int64_t i = first < 0 ? 0 : first; !found && c->window > 0 && i < c->n_layers; i++)
        eai_layer_set_add(&c->local, i);
    return EAI_OK;
}

static eai_status read_qwen3(eai_model_config *c, const json_t *root, const char *path,
                             eai_error *err)
{
    EAI_TRY(model__json_bool(&c->bias_qkv, root, "attention_bias", path, err));
    c->bias_o = c->bias_qkv;
    return read_windows(c, root, path, err);
}

const model__family model__qwen2 = {
    .name = "qwen2",
    .hf_type = "qwen2",
    .hf_class = "Qwen2ForCausalLM",
    .set_defaults = set_qwen2_defaults,
    .read_json = read_windows,
};

const model__family model__qwen3 = {
    .name = "qwen3",
    .hf_type = "qwen3",
    .hf_class = "Qwen3ForCausalLM",
    .traits = MODEL_QK_NORM,
    .set_defaults = set_qwen3_defaults,
    .read_json = read_qwen3,
};
