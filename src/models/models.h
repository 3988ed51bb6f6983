/* What the files of this layer share: a model's insides and the row of a family.
 *
 * A family is a row of the table in model.c: how its configuration is read from a GGUF's metadata
 * and from a config.json, which tensors it wants, and how its blocks are built. A new family of
 * decoders that differs in small things (a bias on q, k and v; one more norm) is a new row with
 * slots and a build function of its own; what families share (reading keys, checking tensors, the
 * head, the losses) stays in config.c and model.c. */
#ifndef EAI_MODELS_MODELS_H
#define EAI_MODELS_MODELS_H

#include <efficientai/model.h>
#include <efficientai/weights.h>

#include "base/arena.h"

/* Sizes that a slot's shape is made of. */
typedef enum model__dim {
    MODEL_DIM_NONE,
    MODEL_DIM_MODEL,
    MODEL_DIM_Q,  /* n_heads * d_head */
    MODEL_DIM_KV, /* n_kv_heads * d_head */
    MODEL_DIM_FFN
} model__dim;

/* One tensor that every block has: its name inside the block and its shape. rows NONE: a vector. */
typedef struct model__slot {
    const char *name;      /* "self_attn.q_proj": file names end with ".weight" */
    model__dim rows, cols; /* [rows, cols], or [cols] */
    bool linear;           /* a linear layer that hooks see; else a norm, made f32 */
    bool attention;
} model__slot;

typedef struct model__family {
    const char *name;     /* general.architecture and model_type */
    const char *hf_class; /* what config.json names as "architectures" */
    const model__slot *slots;
    int n_slots;
    /* Family-specific refusals: EAI_ERR_UNSUPPORTED for files that only look like this family. */
    eai_status (*check)(const eai_model_config *c, const eai_weights *w, eai_error *err);
    /* One block: x [T, d_model] -> [T, d_model]. */
    eai_tensor *(*build_block)(eai_model_build *b, const eai_model_inputs *in, int64_t layer,
                               eai_tensor *x);
} model__family;

struct eai_model {
    eai_arena *arena; /* everything below lives in it, until the model is freed */
    const eai_weights *weights;
    const model__family *family;
    eai_model_config config;
    eai_weight_tensor embedding, norm, head; /* head = embedding where tied */
    eai_weight_tensor *blocks;               /* [n_layers][n_slots] */
    eai_model_linear *linears;
    size_t n_linears;
    size_t linears_per_layer;
    int64_t n_parameters;
};

extern const model__family model__llama;

/* The row of that name, or NULL. */
const model__family *model__find_family(const char *name);
eai_status model__unknown_family(const char *path, const char *name, eai_error *err);

/* The configuration stated by the file: by its metadata, else by the config.json beside it. */
eai_status model__read_config(eai_model_config *out, const eai_weights *w, eai_error *err);
/* Counts at least 1, heads that divide, finite reals. */
eai_status model__check_config(const eai_model_config *c, const char *where, eai_error *err);
/* Writes FOLDER/config.json as transformers reads it; `dtype` names the weights' type. */
eai_status model__save_config(const eai_model *m, const char *folder, eai_dtype dtype,
                              eai_error *err);

/* Every tensor of the model in the file's naming, number i of model__tensor_count; the norms as
 * f32. */
size_t model__tensor_count(const eai_model *m);
const eai_weight_tensor *model__tensor(const eai_model *m, size_t i);
/* The linear layer that tensor number i is, or -1. */
int64_t model__tensor_linear(const eai_model *m, size_t i);

/* For build functions: slot number `slot` of a layer as a leaf (norms), and a linear layer with its
 * hook applied, in the scope of its module's name. */
eai_tensor *model__leaf(eai_model_build *b, int64_t layer, int slot);
eai_tensor *model__linear(eai_model_build *b, int64_t layer, int slot, eai_tensor *x);
/* Attention with or without the cache: writes k and v [T, Hkv, D] to it first where there is one.
 */
eai_tensor *model__attend(eai_model_build *b, const eai_model_inputs *in, int64_t layer,
                          eai_tensor *q, eai_tensor *k, eai_tensor *v);

#endif
