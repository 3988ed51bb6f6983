/* Models: a family's configuration and the functions that build its graph.
 *
 * Use (a training step's loss; evaluation, generation and export build with the same functions):
 *     eai_model *m = NULL;
 *     EAI_TRY(eai_model_load(&m, weights, err));               // `weights` must outlive m
 *     eai_model_build b = {.graph = g, .model = m};            // one model in one graph
 *     eai_adapter_binding_attach(binding, &b);                 // or left out: the base model
 *     eai_model_inputs in;
 *     eai_model_build_inputs(&in, &b, n_tokens);               // "ids", "positions", "start",
 * "end" eai_tensor *h = eai_model_build_hidden(&b, &in);         // [T, d_model] eai_tensor *nll =
 * eai_model_build_nll(&b, h, targets);   // [T] EAI_TRY(eai_graph_check(g, err));
 *
 * There is one set of build functions a family and nobody writes a second one for a second purpose:
 * a cache makes it a decoder, a hook makes it trainable, the backward pass is appended by eai_grad.
 * The model knows neither adapters nor training. Weights enter the graph as they lie in the file,
 * in their storage format, without a copy.
 *
 * Token batches are one packed row of T tokens. Token t attends to tokens start[t] <= j < end[t] of
 * the same row (of the cache's rows when there is one), which lets several examples share a row
 * without seeing each other: start = the example's first token, end = t + 1, positions counted from
 * 0 in each example. Padding: any id, start = end = 0.
 *
 * Thread-safety: a model does not change after its creation. */
#ifndef EAI_MODEL_H
#define EAI_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>
#include <efficientai/graph.h>
#include <efficientai/weights.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_model eai_model;

#define EAI_MODEL_LAYERS_MAX 4096

/* Some of a model's layers. Zero: none. */
typedef struct eai_layer_set {
    uint64_t bits[EAI_MODEL_LAYERS_MAX / 64];
} eai_layer_set;
static inline bool eai_layer_set_has(const eai_layer_set *s, int64_t layer)
{
    return s->bits[layer / 64] >> (layer % 64) & 1;
}
static inline void eai_layer_set_add(eai_layer_set *s, int64_t layer)
{
    s->bits[layer / 64] |= (uint64_t)1 << (layer % 64);
}

/* How rotary frequencies are changed for contexts longer than the first training's. */
typedef enum eai_rope_type {
    EAI_ROPE_PLAIN,
    EAI_ROPE_LINEAR,  /* all divided by the factor */
    EAI_ROPE_DYNAMIC, /* plain up to `context` tokens, and more are never taken */
    EAI_ROPE_LLAMA3,  /* low ones divided, high ones kept, a ramp between */
    EAI_ROPE_YARN,    /* likewise, by turns in the context (Peng et al. 2023) */
    EAI_ROPE_TABLE    /* divided by the file's tensor rope_freqs.weight [d_head / 2] */
} eai_rope_type;
typedef struct eai_rope_scaling {
    eai_rope_type type;
    double factor;                            /* at least 1 */
    double original_context;                  /* tokens of the first training */
    double low_freq_factor, high_freq_factor; /* LLAMA3 */
    double beta_fast, beta_slow;              /* YARN: turns where the ramp begins and ends */
    double attention_factor;                  /* YARN: of the rotated queries and keys */
    bool untruncated;                         /* YARN: the ramp's ends are no whole numbers */
} eai_rope_scaling;

/* What a decoder is made of. All counts are at least 1. Fields from `bias_qkv` on may be left zero.
 */
typedef struct eai_model_config {
    const char *family; /* "llama": a name of the table of families, static */
    int64_t n_layers;
    int64_t d_model;
    int64_t n_heads;
    int64_t n_kv_heads; /* divides n_heads */
    int64_t d_head;
    int64_t d_ffn;
    int64_t vocab;
    int64_t context; /* tokens it was trained for */
    double rope_theta;
    double rms_eps;
    bool tied;                       /* the output layer is the embedding */
    bool bias_qkv, bias_o, bias_mlp; /* linear layers with a bias */
    int64_t window;                  /* keys that a token sees in a local layer; 0: none is */
    eai_layer_set local;             /* layers with that window */
    eai_layer_set unrotated;         /* layers without positions */
    double rope_theta_local;         /* of local layers, unscaled; 0: as in all others */
    double attention_scale;          /* of q . k; 0: 1 / sqrt(d_head) */
    eai_rope_scaling rope_scaling;
} eai_model_config;

/* Loads the family named by the file's metadata (`general.architecture` of a GGUF; for safetensors
 * `model_type` in the config.json beside the file or its index), and checks that every tensor is
 * there with the right shape and a usable storage type. Errors name file, tensor, what was seen and
 * what is allowed; an architecture that is not in the table gives EAI_ERR_UNSUPPORTED with the list
 * of those that are. `w` is borrowed and must outlive the model and every plan of its graphs. */
EAI_API EAI_CHECKED eai_status eai_model_load(eai_model **out, const eai_weights *w,
                                              eai_error *err);
/* The same with a configuration of the caller's, for weights without metadata. */
EAI_API EAI_CHECKED eai_status eai_model_create(eai_model **out, const eai_weights *w,
                                                const eai_model_config *config, eai_error *err);
EAI_API void eai_model_free(eai_model *m);
/* Reads every weight: EAI_ERR_NUMERIC names the first tensor with a value that is no finite number.
 * As slow as reading the whole file, and so not part of loading. */
EAI_API EAI_CHECKED eai_status eai_model_check_values(const eai_model *m, eai_error *err);

/* Borrowed, valid as long as the model. */
EAI_API const eai_model_config *eai_model_get_config(const eai_model *m);
/* The weights that it was loaded from. */
EAI_API const eai_weights *eai_model_get_weights(const eai_model *m);
EAI_API int64_t eai_model_parameters(const eai_model *m);
/* The names of the families, ended by NULL. Static. */
EAI_API const char *const *eai_model_family_names(void);

/* Whether MLX packed it: some matrices have PLANAR types. */
EAI_API bool eai_model_is_packed(const eai_model *m);

/* A linear layer of the blocks: what a hook may change, and adapters attach to. */
typedef struct eai_model_linear {
    const char *name;   /* "model.layers.0.self_attn.q_proj" */
    const char *module; /* its last part: "q_proj" */
    bool attention;     /* part of the attention, not of the feed-forward network */
    int64_t n_in, n_out;
    eai_dtype dtype;
    const void *data; /* [n_out, n_in]; of PLANAR types the codes alone */
} eai_model_linear;
/* All of them, in the order of the computation; returns their number. Borrowed, as long as the
 * model. */
EAI_API size_t eai_model_linears(const eai_model_linear **out, const eai_model *m);

/* What linear layer number `linear` (of eai_model_linears) gives for x [T, n_in]; w is its weight
 * [n_out, n_in]. Called once a layer while the model is built. Without a hook it is eai_linear(g,
 * x, w). */
typedef struct eai_linear_hook {
    eai_tensor *(*apply)(eai_graph *g, size_t linear, eai_tensor *x, eai_tensor *w, void *ud);
    void *ud;
} eai_linear_hook;

/* Keys and values of earlier tokens: memory of the caller, zero at first, that the graph writes.
 * F32 [n_layers] [n_context, n_kv_heads, d_head] each, contiguous. */
typedef struct eai_model_cache {
    int64_t n_context;
    float *keys, *values;
} eai_model_cache;
/* Bytes of `keys` (and of `values`); false when they overflow. */
EAI_API bool eai_model_cache_bytes(size_t *out, const eai_model *m, int64_t n_context);

/* One model being built into one graph; on the caller's stack, zero but for the fields set. */
typedef struct eai_model_build {
    eai_graph *graph;
    const eai_model *model;
    eai_linear_hook hook;         /* .apply NULL: none */
    const eai_model_cache *cache; /* NULL: none */
    eai_tensor *new_embedding;    /* [vocab, d_model] in place of the file's; NULL: none */
    eai_tensor *new_head;         /* likewise; each alone where the file has one for both */
    eai_tensor *embedding;        /* private: what is made once and used often */
    eai_tensor *head;
    eai_tensor *rope_factors;
    eai_tensor *local_start;
} eai_model_build;

/* The inputs of a graph, I32, in the graph under their field's name. */
typedef struct eai_model_inputs {
    eai_tensor *ids;       /* [T] */
    eai_tensor *positions; /* [T] place in the example, for the rotary embedding */
    eai_tensor *start;     /* [T] first key that the token sees */
    eai_tensor *end;       /* [T] one beyond the last */
    eai_tensor *at;        /* [1] with a cache: its row for the first token; else NULL */
} eai_model_inputs;
EAI_API void eai_model_build_inputs(eai_model_inputs *out, eai_model_build *b, int64_t n_tokens);

/* Hidden states after the last norm, [T, d_model]. Each block is one segment (see
 * eai_segment_begin), scopes are named as the weights: "layers.3.mlp.up_proj". With a cache the
 * keys and values of the T tokens are written to rows at .. at+T-1 first, and start/end count rows
 * of the cache. */
EAI_API eai_tensor *eai_model_build_hidden(eai_model_build *b, const eai_model_inputs *in);
/* Logits [R, vocab] of the rows I32 [R] of `hidden`; rows NULL: of all. */
EAI_API eai_tensor *eai_model_build_logits(eai_model_build *b, eai_tensor *hidden,
                                           eai_tensor *rows);
/* -log probability [T] of targets I32 [T] (-100: none, gives 0), without ever holding all logits.
 */
EAI_API eai_tensor *eai_model_build_nll(eai_model_build *b, eai_tensor *hidden,
                                        eai_tensor *targets);

#ifdef __cplusplus
}
#endif
#endif
