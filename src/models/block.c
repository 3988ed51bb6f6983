/* The block of all families: x + attention(norm(x)), then x + feed-forward(norm(x)).
 *
 * Attention has rotary positions (Su et al. 2021) and may share key/value heads among query heads
 * (Ainslie et al. 2023); the feed-forward network is gated (Shazeer 2020). What families differ in
 * are slots that a block has or has not, and a few lines below. Not here: reading files (model.c,
 * config.c), the embedding, the head and the losses (build.c), the families' rows (one file each).
 * Start at model__block. */
#include "models/models.h"

#include <math.h>

#include "base/banned.h"

/* clang-format off */
const model__slot model__slots[MODEL_N_SLOTS] = {
    /*                             name                                rows             cols             kind         attention needs        lacks */
    [MODEL_Q]                   = {"self_attn.q_proj.weight",          MODEL_DIM_Q,     MODEL_DIM_MODEL, MODEL_LINEAR, true,  0,              0},
    [MODEL_K]                   = {"self_attn.k_proj.weight",          MODEL_DIM_KV,    MODEL_DIM_MODEL, MODEL_LINEAR, true,  0,              0},
    [MODEL_V]                   = {"self_attn.v_proj.weight",          MODEL_DIM_KV,    MODEL_DIM_MODEL, MODEL_LINEAR, true,  0,              0},
    [MODEL_O]                   = {"self_attn.o_proj.weight",          MODEL_DIM_MODEL, MODEL_DIM_Q,     MODEL_LINEAR, true,  0,              0},
    [MODEL_GATE]                = {"mlp.gate_proj.weight",             MODEL_DIM_FFN,   MODEL_DIM_MODEL, MODEL_LINEAR, false, 0,              0},
    [MODEL_UP]                  = {"mlp.up_proj.weight",               MODEL_DIM_FFN,   MODEL_DIM_MODEL, MODEL_LINEAR, false, 0,              0},
    [MODEL_DOWN]                = {"mlp.down_proj.weight",             MODEL_DIM_MODEL, MODEL_DIM_FFN,   MODEL_LINEAR, false, 0,              0},
    [MODEL_Q_BIAS]              = {"self_attn.q_proj.bias",            MODEL_DIM_NONE,  MODEL_DIM_Q,     MODEL_BIAS,   true,  MODEL_BIAS_QKV, 0},
    [MODEL_K_BIAS]              = {"self_attn.k_proj.bias",            MODEL_DIM_NONE,  MODEL_DIM_KV,    MODEL_BIAS,   true,  MODEL_BIAS_QKV, 0},
    [MODEL_V_BIAS]              = {"self_attn.v_proj.bias",            MODEL_DIM_NONE,  MODEL_DIM_KV,    MODEL_BIAS,   true,  MODEL_BIAS_QKV, 0},
    [MODEL_O_BIAS]              = {"self_attn.o_proj.bias",            MODEL_DIM_NONE,  MODEL_DIM_MODEL, MODEL_BIAS,   true,  MODEL_BIAS_O,   0},
    [MODEL_GATE_BIAS]           = {"mlp.gate_proj.bias",               MODEL_DIM_NONE,  MODEL_DIM_FFN,   MODEL_BIAS,   false, MODEL_BIAS_MLP, 0},
    [MODEL_UP_BIAS]             = {"mlp.up_proj.bias",                 MODEL_DIM_NONE,  MODEL_DIM_FFN,   MODEL_BIAS,   false, MODEL_BIAS_MLP, 0},
    [MODEL_DOWN_BIAS]           = {"mlp.down_proj.bias",               MODEL_DIM_NONE,  MODEL_DIM_MODEL, MODEL_BIAS,   false, MODEL_BIAS_MLP, 0},
    [MODEL_ATTENTION_NORM]      = {"input_layernorm.weight",           MODEL_DIM_NONE,  MODEL_DIM_MODEL, MODEL_NORM,   true,  0,              0},
    [MODEL_FFN_NORM]            = {"post_attention_layernorm.weight",  MODEL_DIM_NONE,  MODEL_DIM_MODEL, MODEL_NORM,   false, 0,              MODEL_POST_NORMS},
    [MODEL_POST_ATTENTION_NORM] = {"post_attention_layernorm.weight",  MODEL_DIM_NONE,  MODEL_DIM_MODEL, MODEL_NORM,   true,  MODEL_POST_NORMS, 0},
    [MODEL_PRE_FFN_NORM]        = {"pre_feedforward_layernorm.weight", MODEL_DIM_NONE,  MODEL_DIM_MODEL, MODEL_NORM,   false, MODEL_POST_NORMS, 0},
    [MODEL_POST_FFN_NORM]       = {"post_feedforward_layernorm.weight", MODEL_DIM_NONE, MODEL_DIM_MODEL, MODEL_NORM,   false, MODEL_POST_NORMS, 0},
    [MODEL_Q_NORM]              = {"self_attn.q_norm.weight",          MODEL_DIM_NONE,  MODEL_DIM_HEAD,  MODEL_NORM,   true,  MODEL_QK_NORM,  0},
    [MODEL_K_NORM]              = {"self_attn.k_norm.weight",          MODEL_DIM_NONE,  MODEL_DIM_HEAD,  MODEL_NORM,   true,  MODEL_QK_NORM,  0},
};
/* clang-format on */

/* x normed by that slot; x itself where the block has no such slot. */
static eai_tensor *norm(eai_model_build *b, int64_t layer, model__role role, eai_tensor *x)
{
    const eai_model *m = b->model;
    if (!m->blocks[layer * MODEL_N_SLOTS + role].name)
        return x;
    return eai_rms_norm(b->graph, x, model__leaf(b, layer, role), m->config.rms_eps);
}

static eai_tensor *rotate(eai_model_build *b, const eai_model_inputs *in, int64_t layer,
                          eai_tensor *x)
{
    const eai_model *m = b->model;
    const eai_model_config *c = &m->config;
    eai_graph *g = b->graph;

    if (eai_layer_set_has(&c->unrotated, layer))
        return x;
    if (c->rope_theta_local > 0 && eai_layer_set_has(&c->local, layer))
        return eai_rope(g, x, in->positions, c->rope_theta_local);
    if (!m->rope_factors)
        return eai_rope(g, x, in->positions, c->rope_theta);
    if (!b->rope_factors)
        b->rope_factors =
            eai_weight(g, "rope_factors", EAI_F32, EAI_SHAPE1(c->d_head / 2), m->rope_factors);
    return eai_rope_scaled(g, x, in->positions, b->rope_factors, c->rope_theta);
}

/* A projection of h as heads [T, heads, d_head], normed where the family does. */
static eai_tensor *project(eai_model_build *b, int64_t layer, model__role role, model__role normed,
                           int64_t n_heads, eai_tensor *h)
{
    eai_tensor *x = model__linear(b, layer, role, h);
    if (!x)
        return NULL;
    eai_shape heads = EAI_SHAPE3(eai_tensor_shape(x)->dim[0], n_heads, b->model->config.d_head);
    x = eai_reshape(b->graph, x, heads);
    return normed == MODEL_N_SLOTS ? x : norm(b, layer, normed, x);
}

static eai_tensor *build_attention(eai_model_build *b, const eai_model_inputs *in, int64_t layer,
                                   eai_tensor *h)
{
    const eai_model_config *c = &b->model->config;
    eai_graph *g = b->graph;

    eai_tensor *q = project(b, layer, MODEL_Q, MODEL_Q_NORM, c->n_heads, h);
    eai_tensor *k = project(b, layer, MODEL_K, MODEL_K_NORM, c->n_kv_heads, h);
    eai_tensor *v = project(b, layer, MODEL_V, MODEL_N_SLOTS, c->n_kv_heads, h);
    q = rotate(b, in, layer, q);
    k = rotate(b, in, layer, k);
    eai_tensor *a = model__attend(b, in, layer, q, k, v); /* [T, n_heads, d_head] */
    if (!a)
        return NULL;
    a = eai_reshape(g, a, EAI_SHAPE2(eai_tensor_shape(a)->dim[0], c->n_heads * c->d_head));
    return model__linear(b, layer, MODEL_O, a);
}

/* gelu(x) by tanh: x (1 + tanh(u)) / 2 = x sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3)
 * (Hendrycks & Gimpel 2016). A chain of elementwise operations, which the planner makes one step.
 */
static eai_tensor *gelu_tanh(eai_graph *g, eai_tensor *x)
{
    double factor = 2.0 * sqrt(2.0 / 3.14159265358979323846);
    eai_tensor *slope = eai_affine(g, eai_mul(g, x, x), factor * 0.044715, factor);
    return eai_mul(g, x, eai_sigmoid(g, eai_mul(g, x, slope)));
}

static eai_tensor *build_ffn(eai_model_build *b, int64_t layer, eai_tensor *h)
{
    eai_graph *g = b->graph;
    eai_tensor *gate = model__linear(b, layer, MODEL_GATE, h);
    eai_tensor *up = model__linear(b, layer, MODEL_UP, h);
    if (b->model->has & MODEL_GELU)
        h = eai_mul(g, gelu_tanh(g, gate), up);
    else
        h = eai_swiglu(g, gate, up);
    return model__linear(b, layer, MODEL_DOWN, h);
}

eai_tensor *model__block(eai_model_build *b, const eai_model_inputs *in, int64_t layer,
                         eai_tensor *x)
{
    eai_graph *g = b->graph;
    bool post = b->model->has & MODEL_POST_NORMS;

    eai_tensor *h = norm(b, layer, MODEL_ATTENTION_NORM, x);
    eai_scope_push(g, "self_attn");
    h = build_attention(b, in, layer, h);
    eai_scope_pop(g);
    x = eai_add(g, x, norm(b, layer, MODEL_POST_ATTENTION_NORM, h));

    h = norm(b, layer, post ? MODEL_PRE_FFN_NORM : MODEL_FFN_NORM, x);
    eai_scope_push(g, "mlp");
    h = build_ffn(b, layer, h);
    eai_scope_pop(g);
    return eai_add(g, x, norm(b, layer, MODEL_POST_FFN_NORM, h));
}
