/* What the files of this layer share: a model's insides and the row of a family.
 *
 * All families are one decoder (block.c) with differences of three kinds: traits, which the family
 * has always (a bit of the row); settings, which a file states (fields of eai_model_config); and
 * what is read from files in a way of its own (the row's two functions). A new family is a row in a
 * file of its own; a new trait is a bit, its slots in block.c if it has tensors, and a line in the
 * build function. Start at model__family. */
#ifndef EAI_MODELS_MODELS_H
#define EAI_MODELS_MODELS_H

#include <jansson.h>

#include <efficientai/mlx_quant.h>
#include <efficientai/model.h>
#include <efficientai/weights.h>

#include "base/arena.h"

/* Sizes that a slot's shape is made of. */
typedef enum model__dim {
    MODEL_DIM_NONE,
    MODEL_DIM_MODEL,
    MODEL_DIM_Q,  /* n_heads * d_head */
    MODEL_DIM_KV, /* n_kv_heads * d_head */
    MODEL_DIM_HEAD,
    MODEL_DIM_FFN
} model__dim;

typedef enum model__kind {
    MODEL_LINEAR, /* a linear layer that hooks see */
    MODEL_BIAS,   /* of a linear layer; made f32 */
    MODEL_NORM    /* made f32 */
} model__kind;

/* When a block has a slot: traits of the family first, then what the configuration states. */
enum {
    MODEL_QK_NORM = 1,           /* queries and keys are normed, head by head, before rotation */
    MODEL_POST_NORMS = 2,        /* norms behind attention and feed-forward network too */
    MODEL_NORM_PLUS_ONE = 4,     /* norms multiply by 1 + w */
    MODEL_GELU = 8,              /* the gate is gelu (by tanh), not silu */
    MODEL_SCALED_EMBEDDING = 16, /* embeddings times sqrt(d_model) */
    MODEL_BIAS_QKV = 32,
    MODEL_BIAS_O = 64,
    MODEL_BIAS_MLP = 128
};

/* The tensors of a block. The linear layers come first, in the order of the computation: adapters
 * draw their values in it. */
typedef enum model__role {
    MODEL_Q,
    MODEL_K,
    MODEL_V,
    MODEL_O,
    MODEL_GATE,
    MODEL_UP,
    MODEL_DOWN,
    MODEL_N_LINEARS,
    MODEL_Q_BIAS = MODEL_N_LINEARS, /* the biases, in the order of their layers */
    MODEL_K_BIAS,
    MODEL_V_BIAS,
    MODEL_O_BIAS,
    MODEL_GATE_BIAS,
    MODEL_UP_BIAS,
    MODEL_DOWN_BIAS,
    MODEL_ATTENTION_NORM,
    MODEL_FFN_NORM,            /* families without MODEL_POST_NORMS */
    MODEL_POST_ATTENTION_NORM, /* the next three: families with it */
    MODEL_PRE_FFN_NORM,
    MODEL_POST_FFN_NORM,
    MODEL_Q_NORM,
    MODEL_K_NORM,
    MODEL_N_SLOTS
} model__role;

typedef struct model__slot {
    const char *name;      /* in the block, as in files: "self_attn.q_proj.weight" */
    model__dim rows, cols; /* [rows, cols], or [cols] */
    model__kind kind;
    bool attention;
    unsigned needs, lacks; /* the block has it when all of `needs` and none of `lacks` is set */
} model__slot;
extern const model__slot model__slots[MODEL_N_SLOTS];

typedef struct model__family {
    const char *name;     /* also general.architecture in a GGUF */
    const char *hf_type;  /* model_type in config.json */
    const char *hf_class; /* what config.json names as "architectures" */
    bool no_gguf;         /* GGUF files have another family's name */
    unsigned traits;
    /* Fills what config.json may leave out, before it is read; may be NULL. */
    void (*set_defaults)(eai_model_config *c);
    /* Reads what only this family has; may be NULL. The common settings are there. */
    eai_status (*read_json)(eai_model_config *c, const json_t *root, const char *path,
                            eai_error *err);
    eai_status (*read_gguf)(eai_model_config *c, const eai_weights *w, eai_error *err);
} model__family;

extern const model__family model__llama, model__mistral, model__qwen2, model__qwen3, model__smollm3,
    model__gemma3;

typedef struct model__entry {
    const eai_weight_tensor *tensor;
    int64_t linear; /* the linear layer that it is, or -1 */
} model__entry;

struct eai_model {
    eai_arena *arena; /* everything below lives in it, until the model is freed */
    const eai_weights *weights;
    const model__family *family;
    eai_model_config config;
    unsigned has;                            /* MODEL_... bits: traits and settings */
    eai_weight_tensor embedding, norm, head; /* head = embedding where tied */
    eai_weight_tensor *blocks;               /* [n_layers][MODEL_N_SLOTS]; name NULL: absent */
    eai_model_linear *linears;               /* [n_layers][MODEL_N_LINEARS] */
    model__entry *entries;                   /* every tensor in the order of files */
    size_t n_entries;
    json_t *config_json; /* where packed tensors ask for it, while the model is made */
    float *rope_factors; /* [d_head / 2], or NULL: all are 1 */
    int64_t n_parameters;
};

/* The row of that name in files of either kind, or NULL. */
const model__family *model__find_family(const char *name, bool gguf);
eai_status model__unknown_family(const char *path, const char *name, bool gguf, eai_error *err);

/* ---- Configurations (config*.c, rope.c)
 * ----------------------------------------------------------- */

/* The configuration stated by the file: by its metadata, else by the config.json beside it. */
eai_status model__read_config(eai_model_config *out, const eai_weights *w, eai_error *err);
eai_status model__read_gguf(eai_model_config *c, const eai_weights *w, const model__family *family,
                            eai_error *err);
eai_status model__read_json(eai_model_config *c, const json_t *root, const char *path,
                            eai_error *err);
/* Counts at least 1, heads that divide, finite reals. */
eai_status model__check_config(const eai_model_config *c, const char *where, eai_error *err);
eai_status model__check_count(const char *where, const char *name, int64_t value, int64_t max,
                              eai_error *err);
/* "config.json" in the folder of the weights, new memory (eai_free) or NULL. */
#define MODEL_CONFIG_BYTES_MAX ((size_t)1 << 24)
char *model__config_path(const eai_weights *w);
/* What config.json says of the weights beside it. */
typedef struct model__written {
    bool tied;                      /* the head is the embedding */
    eai_dtype dtype;                /* names the weights' type */
    const eai_mlx_packing *packing; /* how MLX reads its matrices; NULL: plainly, or ... */
    bool packed_as_before;          /* ... as those of the model */
} model__written;

/* Writes FOLDER/config.json as transformers reads it. */
eai_status model__save_config(const eai_model *m, const char *folder, const model__written *how,
                              eai_error *err);

/* One value of config.json: *out stays as it is where it is absent or null and not required. */
eai_status model__json_int(int64_t *out, const json_t *root, const char *key, bool required,
                           const char *path, eai_error *err);
eai_status model__json_float(double *out, const json_t *root, const char *key, const char *path,
                             eai_error *err);
eai_status model__json_bool(bool *out, const json_t *root, const char *key, const char *path,
                            eai_error *err);
/* How MLX packed the matrix of a module (NULL: of any); *packed is false where it did not.
 * (packed.c)
 */
eai_status model__json_packing(bool *packed, eai_mlx_packing *p, const json_t *root,
                               const char *module, const char *path, eai_error *err);
/* "layer_types" sets `local`; *found says whether it is there. */
eai_status model__json_layer_types(bool *found, eai_model_config *c, const json_t *root,
                                   const char *path, eai_error *err);
/* The window of families with "use_sliding_window": c->window is 0 when it is off. */
eai_status model__json_window(eai_model_config *c, const json_t *root, const char *path,
                              eai_error *err);
/* One value of a GGUF's metadata "<architecture>.<name>", likewise. */
eai_status model__gguf_int(int64_t *out, const eai_weights *w, const char *name, bool required,
                           eai_error *err);
eai_status model__gguf_float(double *out, const eai_weights *w, const char *name, bool required,
                             eai_error *err);

/* Base and scaling of the rotary embedding; `value` is a rope_scaling or rope_parameters object. */
eai_status model__json_rope(double *theta, eai_rope_scaling *s, const json_t *value,
                            const char *key, const eai_model_config *c, const char *path,
                            eai_error *err);
eai_status model__gguf_rope(eai_model_config *c, const eai_weights *w, eai_error *err);
eai_status model__check_rope(const eai_model_config *c, const char *where, eai_error *err);
const char *model__rope_name(eai_rope_type type);
/* The d_head / 2 factors by which frequencies are divided; TABLE is the caller's to fill. */
void model__rope_factors(float *factors, const eai_model_config *c);

/* ---- Tensors (model.c)
 * ---------------------------------------------------------------------------- */

/* Every tensor of the model in the file's naming, number i of model__tensor_count; norms and biases
 * as f32. */
size_t model__tensor_count(const eai_model *m);
const eai_weight_tensor *model__tensor(const eai_model *m, size_t i);
/* The number of the tensor of that name, or -1. A linear search over some hundred names. */
int64_t model__find_entry(const eai_model *m, const char *name);
/* The linear layer that tensor number i is, or -1. */
int64_t model__tensor_linear(const eai_model *m, size_t i);

/* The matrix of which `codes` are a part, with its planes: `shape` is that of its numbers.
 * (packed.c) */
eai_status model__find_packed(eai_weight_tensor *out, eai_model *m, const eai_weight_tensor *codes,
                              eai_shape shape, eai_error *err);

/* ---- Building (build.c, block.c)
 * ------------------------------------------------------------------- */

/* A slot of a layer as a leaf, NULL where the block has none; a linear layer with its hook and its
 * bias applied, in the scope of its module's name. */
eai_tensor *model__leaf(eai_model_build *b, int64_t layer, model__role role);
eai_tensor *model__linear(eai_model_build *b, int64_t layer, model__role role, eai_tensor *x);
/* Attention with or without the cache: writes k and v [T, Hkv, D] to it first where there is one.
 */
eai_tensor *model__attend(eai_model_build *b, const eai_model_inputs *in, int64_t layer,
                          eai_tensor *q, eai_tensor *k, eai_tensor *v);
/* One block: x [T, d_model] -> [T, d_model]. */
eai_tensor *model__block(eai_model_build *b, const eai_model_inputs *in, int64_t layer,
                         eai_tensor *x);

#endif
