/* The Llama family (Touvron et al. 2023): SmolLM2, Llama 2 and 3, Mistral's dense models and many
 * more.
 *
 * A block is x + attention(norm(x)), then x + feed-forward(norm(x)). Attention has rotary positions
 * and may share key/value heads among query heads (Ainslie et al. 2023); the feed-forward network
 * is gated (Shazeer 2020). Start at build_block. Not here: reading files (model.c, config.c), the
 * embedding, the head and the losses (build.c). */
#include "models/models.h"

#include "base/banned.h"

/* The order of the linear layers is the order of the computation: adapters draw their values in it.
 */
enum { Q, K, V, O, GATE, UP, DOWN, ATTENTION_NORM, FFN_NORM, N_SLOTS };

/* clang-format off */
static const model__slot slots[N_SLOTS] = {
    /*                    name                        rows             cols             linear attention */
    [Q]              = {"self_attn.q_proj",         MODEL_DIM_Q,     MODEL_DIM_MODEL, true,  true},
    [K]              = {"self_attn.k_proj",         MODEL_DIM_KV,    MODEL_DIM_MODEL, true,  true},
    [V]              = {"self_attn.v_proj",         MODEL_DIM_KV,    MODEL_DIM_MODEL, true,  true},
    [O]              = {"self_attn.o_proj",         MODEL_DIM_MODEL, MODEL_DIM_Q,     true,  true},
    [GATE]           = {"mlp.gate_proj",            MODEL_DIM_FFN,   MODEL_DIM_MODEL, true,  false},
    [UP]             = {"mlp.up_proj",              MODEL_DIM_FFN,   MODEL_DIM_MODEL, true,  false},
    [DOWN]           = {"mlp.down_proj",            MODEL_DIM_MODEL, MODEL_DIM_FFN,   true,  false},
    [ATTENTION_NORM] = {"input_layernorm",          MODEL_DIM_NONE,  MODEL_DIM_MODEL, false, true},
    [FFN_NORM]       = {"post_attention_layernorm", MODEL_DIM_NONE,  MODEL_DIM_MODEL, false, false},
};
/* clang-format on */

static eai_tensor *split_heads(eai_graph *g, eai_tensor *x, int64_t n_heads, int64_t d_head)
{
    if (!x)
        return NULL;
    return eai_reshape(g, x, EAI_SHAPE3(eai_tensor_shape(x)->dim[0], n_heads, d_head));
}

static eai_tensor *build_attention(eai_model_build *b, const eai_model_inputs *in, int64_t layer,
                                   eai_tensor *h)
{
    const eai_model_config *c = &b->model->config;
    eai_graph *g = b->graph;

    eai_tensor *q = split_heads(g, model__linear(b, layer, Q, h), c->n_heads, c->d_head);
    eai_tensor *k = split_heads(g, model__linear(b, layer, K, h), c->n_kv_heads, c->d_head);
    eai_tensor *v = split_heads(g, model__linear(b, layer, V, h), c->n_kv_heads, c->d_head);
    q = eai_rope(g, q, in->positions, c->rope_theta);
    k = eai_rope(g, k, in->positions, c->rope_theta);
    eai_tensor *a = model__attend(b, in, layer, q, k, v); /* [T, n_heads, d_head] */
    if (!a)
        return NULL;
    a = eai_reshape(g, a, EAI_SHAPE2(eai_tensor_shape(a)->dim[0], c->n_heads * c->d_head));
    return model__linear(b, layer, O, a);
}

static eai_tensor *build_block(eai_model_build *b, const eai_model_inputs *in, int64_t layer,
                               eai_tensor *x)
{
    const eai_model_config *c = &b->model->config;
    eai_graph *g = b->graph;

    eai_tensor *h = eai_rms_norm(g, x, model__leaf(b, layer, ATTENTION_NORM), c->rms_eps);
    eai_scope_push(g, "self_attn");
    h = build_attention(b, in, layer, h);
    eai_scope_pop(g);
    x = eai_add(g, x, h);

    h = eai_rms_norm(g, x, model__leaf(b, layer, FFN_NORM), c->rms_eps);
    eai_scope_push(g, "mlp");
    eai_tensor *gate = model__linear(b, layer, GATE, h);
    eai_tensor *up = model__linear(b, layer, UP, h);
    h = model__linear(b, layer, DOWN, eai_swiglu(g, gate, up));
    eai_scope_pop(g);
    return eai_add(g, x, h);
}

/* Llama 3.1 and later scale their rotary frequencies by a table of the file: computing without it
 * would give wrong text, slowly, so such a file is refused. */
static eai_status check(const eai_model_config *c, const eai_weights *w, eai_error *err)
{
    (void)c;
    if (eai_weights_find(w, "rope_freqs.weight"))
        return eai_error_set(
            err, EAI_ERR_UNSUPPORTED,
            "%s: tensor 'rope_freqs.weight': scaled rotary frequencies (Llama 3.1 and "
            "later) are not supported yet",
            eai_weights_path(w));
    if (eai_weights_find(w, "model.layers.0.self_attn.q_proj.bias"))
        return eai_error_set(
            err, EAI_ERR_UNSUPPORTED,
            "%s: tensor 'model.layers.0.self_attn.q_proj.bias': llama layers with a bias "
            "are not supported",
            eai_weights_path(w));
    return EAI_OK;
}

const model__family model__llama = {
    .name = "llama",
    .hf_class = "LlamaForCausalLM",
    .slots = slots,
    .n_slots = N_SLOTS,
    .check = check,
    .build_block = build_block,
};
