/* Llama (Touvron et al. 2023): Llama 2 and 3, SmolLM and SmolLM2, and many more; and Mistral, which
 * is a Llama whose layers all have a sliding window. GGUF files call both "llama". Start at the
 * rows. */
#include "models/models.h"

#include "base/banned.h"

static eai_status read_llama(eai_model_config *c, const json_t *root, const char *path,
                             eai_error *err)
{
    EAI_TRY(model__json_bool(&c->bias_qkv, root, "attention_bias", path, err));
    c->bias_o = c->bias_qkv;
    return model__json_bool(&c->bias_mlp, root, "mlp_bias", path, err);
}

static void set_all_local(eai_model_config *c)
{
    for (int64_t i = 0; c->window > 0 && i < c->n_layers; i++)
        eai_layer_set_add(&c->local, i);
}

/* llama.cpp's files of Mistral 7B may state its window. */
static eai_status read_llama_gguf(eai_model_config *c, const eai_weights *w, eai_error *err)
{
    int64_t experts = 0;
    EAI_TRY(model__gguf_int(&experts, w, "expert_count", false, err));
    if (experts > 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: a mixture of %lld experts is not supported", eai_weights_path(w),
                             (long long)experts);
    EAI_TRY(model__gguf_int(&c->window, w, "attention.sliding_window", false, err));
    set_all_local(c);
    return EAI_OK;
}

/* An absent window is one of 4096, null is none. */
static eai_status read_mistral(eai_model_config *c, const json_t *root, const char *path,
                               eai_error *err)
{
    c->window = json_object_get(root, "sliding_window") ? 0 : 4096;
    EAI_TRY(model__json_int(&c->window, root, "sliding_window", false, path, err));
    set_all_local(c);
    return EAI_OK;
}

const model__family model__llama = {
    .name = "llama",
    .hf_type = "llama",
    .hf_class = "LlamaForCausalLM",
    .read_json = read_llama,
    .read_gguf = read_llama_gguf,
};

const model__family model__mistral = {
    .name = "mistral",
    .hf_type = "mistral",
    .hf_class = "MistralForCausalLM",
    .no_gguf = true,
    .read_json = read_mistral,
};
