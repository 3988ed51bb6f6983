/* An adapter's insides, shared by the files of this layer. Start at adapter.c. */
#ifndef EAI_LORA_LORA_H
#define EAI_LORA_LORA_H

#include <jansson.h>

#include <efficientai/adapter.h>

#include "base/arena.h"
#include "base/strbuf.h"

#define LORA_CONFIG_FILE "adapter_config.json" /* in either layout */
#define LORA_KEY_PREFIX  "base_model.model."   /* of PEFT's keys, and of parameters' names */

/* How files name and lay out a pair's tensors. */
typedef struct lora__layout {
    const char *name; /* "peft" */
    const char *weights_file;
    const char *prefix, *tails[2]; /* of keys, around the layer's name; A's and B's */
    bool transposed;
} lora__layout;
extern const lora__layout lora__layouts[]; /* by eai_adapter_format */
/* What a file calls parameter i, of a pair. The caller frees; NULL without memory. */
char *lora__name_in_file(const eai_parameter *p, size_t i, const lora__layout *layout);

#define LORA_CONFIG_BYTES_MAX ((size_t)1 << 24)

/* What an adapter does to one linear layer. */
typedef struct lora__layer {
    bool chosen;
    int64_t rank;
    double alpha;
} lora__layer;

/* Modules that an adapter may hold as a whole (PEFT's modules_to_save). */
typedef enum lora__whole { LORA_EMBEDDING, LORA_HEAD, LORA_N_WHOLE } lora__whole;
typedef struct lora__whole_spec {
    const char *module; /* as modules_to_save names it */
    const char *name;   /* of the tensor */
} lora__whole_spec;
extern const lora__whole_spec lora__whole_specs[LORA_N_WHOLE];

struct eai_adapter {
    eai_arena *arena; /* names and tables, until the adapter is freed */
    const eai_model *model;
    int64_t rank; /* of layers that have no own */
    double alpha, dropout;
    bool use_rslora;
    const char *targets;       /* "down_proj,gate_proj": sorted */
    lora__layer *layers;       /* [n_linears] */
    int64_t *pair_of_linear;   /* [n_linears]: index of its pair, or -1 */
    eai_parameter *parameters; /* A and B of each pair, then the whole modules; data by
                                  eai_alloc_aligned */
    size_t n_pairs;
    int64_t whole[LORA_N_WHOLE]; /* index of its parameter, or -1 */
    size_t n_parameters;
    int64_t n_values;
};

/* alpha / r, or alpha / sqrt(r), of a layer. */
double lora__scale(const eai_adapter *a, const lora__layer *l);
/* A without values: tables and zeroed memory for the chosen layers and whole modules. */
eai_status lora__create_empty(eai_adapter **out, const eai_model *m, const lora__layer *layers,
                              const bool whole[LORA_N_WHOLE], const eai_adapter_opts *opts,
                              eai_error *err);
/* Rank, alpha and dropout in their ranges; `where` begins the message ("adapter", a file's name).
 */
eai_status lora__check_opts(const eai_adapter_opts *opts, const char *where, eai_error *err);
/* The module names of a model, each once, sorted: "down_proj, gate_proj, ..." into buf. */
void lora__list_modules(char *buf, size_t n, const eai_model *m);

/* adapter_config.json: reads the numbers of all layers into *o, each layer's own into layers
 * [n_linears], and which modules must be there as a whole; the text to be written for `a`. */
eai_status lora__read_config(eai_adapter_opts *o, lora__layer *layers, bool whole[LORA_N_WHOLE],
                             json_t *root, const eai_model *m, eai_error *err);
eai_status lora__load_config(eai_adapter_opts *o, lora__layer *layers, bool whole[LORA_N_WHOLE],
                             const eai_model *m, const char *folder, const lora__layout *layout,
                             eai_error *err);
void lora__write_config(eai_strbuf *b, const eai_adapter *a, const char *base_name);

/* adapter_mlx.c: mlx-lm's adapter_config.json, and whether it can state this adapter. */
eai_status lora__read_mlx_config(eai_adapter_opts *o, lora__layer *layers, json_t *root,
                                 const eai_model *m, eai_error *err);
void lora__write_mlx_config(eai_strbuf *b, const eai_adapter *a, const char *base_name);
eai_status lora__check_mlx(const eai_adapter *a, eai_error *err);

/* adapter_file.c: the adapter whose tensors are in `w`, which say what layers it changes: marks
 * them in layers [n_linears] and in `whole`, which have the numbers of the config. */
eai_status lora__read_weights(eai_adapter **out, const eai_model *m, lora__layer *layers,
                              bool whole[LORA_N_WHOLE], const eai_adapter_opts *opts,
                              const lora__layout *layout, const eai_weights *w, eai_error *err);

/* pattern.c: out[i] says whether `key` of a rank_pattern or alpha_pattern stands for layer i. */
eai_status lora__match_pattern(bool *out, const char *key, const eai_model_linear *linears,
                               size_t n, eai_error *err);

#endif
