/* Building a model's graph around its blocks (block.c). Inputs, leaves, linear layers with their
 * hook, attention with or without a cache, and the three ends: hidden states, logits, losses.
 *
 * Everything is one pass over the layers that appends operations; errors are sticky in the graph
 * and checked by the caller. Start at eai_model_build_hidden. */
#include "models/models.h"

#include <math.h>
#include <stdio.h>

#include "base/banned.h"

static eai_tensor *make_leaf(eai_graph *g, const eai_weight_tensor *t)
{
    return eai_weight_planar(g, t->name, t->dtype, t->shape, t->data, t->planes);
}

eai_tensor *model__leaf(eai_model_build *b, int64_t layer, model__role role)
{
    return make_leaf(b->graph, &b->model->blocks[layer * MODEL_N_SLOTS + role]);
}

eai_tensor *model__linear(eai_model_build *b, int64_t layer, model__role role, eai_tensor *x)
{
    const eai_model *m = b->model;
    size_t linear = (size_t)(layer * MODEL_N_LINEARS) + role;
    model__role bias = MODEL_Q_BIAS + role;

    eai_scope_push(b->graph, "%s", m->linears[linear].module);
    eai_tensor *w = model__leaf(b, layer, role);
    eai_tensor *y = b->hook.apply ? b->hook.apply(b->graph, linear, x, w, b->hook.ud)
                                  : eai_linear(b->graph, x, w);
    if (m->blocks[layer * MODEL_N_SLOTS + bias].name)
        y = eai_add(b->graph, y, model__leaf(b, layer, bias));
    eai_scope_pop(b->graph);
    return y;
}

bool eai_model_cache_bytes(size_t *out, const eai_model *m, int64_t n_context)
{
    const eai_model_config *c = &m->config;
    eai_shape s = EAI_SHAPE4(c->n_layers, n_context, c->n_kv_heads, c->d_head);
    return n_context > 0 && eai_tensor_bytes(out, EAI_F32, &s);
}

/* A layer's part of the cache as a state of the graph, [n_context, n_kv_heads, d_head]. */
static eai_tensor *make_cache_state(eai_model_build *b, int64_t layer, const char *kind,
                                    float *memory)
{
    const eai_model_config *c = &b->model->config;
    eai_shape s = EAI_SHAPE3(b->cache->n_context, c->n_kv_heads, c->d_head);
    char name[64];
    snprintf(name, sizeof(name), "cache.%lld.%s", (long long)layer, kind);
    return eai_state(b->graph, name, EAI_F32, s, memory + layer * eai_shape_elements(&s));
}

eai_tensor *model__attend(eai_model_build *b, const eai_model_inputs *in, int64_t layer,
                          eai_tensor *q, eai_tensor *k, eai_tensor *v)
{
    const eai_model_config *c = &b->model->config;
    eai_graph *g = b->graph;
    double scale = c->attention_scale > 0 ? c->attention_scale : 1.0 / sqrt((double)c->d_head);
    bool local = eai_layer_set_has(&c->local, layer);

    /* YaRN's factor of rotated queries and of rotated keys */
    if (c->rope_scaling.type == EAI_ROPE_YARN && !eai_layer_set_has(&c->unrotated, layer) &&
        !(local && c->rope_theta_local > 0))
        scale *= c->rope_scaling.attention_factor * c->rope_scaling.attention_factor;
    if (b->cache) {
        eai_tensor *keys = make_cache_state(b, layer, "keys", b->cache->keys);
        eai_tensor *values = make_cache_state(b, layer, "values", b->cache->values);
        eai_write_rows(g, keys, k, in->at);
        eai_write_rows(g, values, v, in->at);
        k = keys;
        v = values;
    }
    return eai_attention(g, q, k, v, local ? b->local_start : in->start, in->end, scale);
}

void eai_model_build_inputs(eai_model_inputs *out, eai_model_build *b, int64_t n_tokens)
{
    eai_graph *g = b->graph;
    *out = (eai_model_inputs){
        .ids = eai_input(g, "ids", EAI_I32, EAI_SHAPE1(n_tokens)),
        .positions = eai_input(g, "positions", EAI_I32, EAI_SHAPE1(n_tokens)),
        .start = eai_input(g, "start", EAI_I32, EAI_SHAPE1(n_tokens)),
        .end = eai_input(g, "end", EAI_I32, EAI_SHAPE1(n_tokens)),
    };
    if (b->cache)
        out->at = eai_input(g, "at", EAI_I32, EAI_SHAPE1(1));
}

/* The embedding and the head are one leaf where they are one tensor and none is replaced. */
static eai_tensor *get_embedding(eai_model_build *b)
{
    if (b->new_embedding)
        return b->new_embedding;
    if (!b->embedding)
        b->embedding = make_leaf(b->graph, &b->model->embedding);
    return b->embedding;
}

static eai_tensor *get_head(eai_model_build *b)
{
    if (b->new_head)
        return b->new_head;
    if (b->model->config.tied && !b->new_embedding)
        return get_embedding(b);
    if (!b->head)
        b->head = make_leaf(b->graph, &b->model->head);
    return b->head;
}

eai_tensor *eai_model_build_hidden(eai_model_build *b, const eai_model_inputs *in)
{
    const eai_model *m = b->model;
    eai_graph *g = b->graph;

    eai_scope_push(g, "embed_tokens");
    eai_tensor *x = eai_gather_rows(g, get_embedding(b), in->ids); /* [T, d_model] */
    if (m->has & MODEL_SCALED_EMBEDDING)
        x = eai_scale(g, x, sqrt((double)m->config.d_model));
    eai_scope_pop(g);
    if (m->config.window > 0)
        b->local_start = eai_window_start(g, in->start, in->end, m->config.window);
    for (int64_t i = 0; i < m->config.n_layers; i++) {
        eai_scope_push(g, "layers.%lld", (long long)i);
        eai_segment_begin(g);
        x = model__block(b, in, i, x);
        eai_segment_end(g);
        eai_scope_pop(g);
    }
    eai_scope_push(g, "norm");
    x = eai_rms_norm(g, x, make_leaf(g, &m->norm), m->config.rms_eps);
    eai_scope_pop(g);
    return x;
}

eai_tensor *eai_model_build_logits(eai_model_build *b, eai_tensor *hidden, eai_tensor *rows)
{
    eai_graph *g = b->graph;
    eai_scope_push(g, "lm_head");
    if (rows)
        hidden = eai_gather_rows(g, hidden, rows);
    eai_tensor *logits = eai_linear(g, hidden, get_head(b));
    eai_scope_pop(g);
    return logits;
}

eai_tensor *eai_model_build_nll(eai_model_build *b, eai_tensor *hidden, eai_tensor *targets)
{
    eai_scope_push(b->graph, "lm_head");
    eai_tensor *nll = eai_linear_cross_entropy(b->graph, hidden, get_head(b), targets);
    eai_scope_pop(b->graph);
    return nll;
}
