/* An adapter's insides, shared by the files of this layer. Start at adapter.c. */
#ifndef EAI_LORA_LORA_H
#define EAI_LORA_LORA_H

#include <efficientai/adapter.h>

#include "base/arena.h"

/* The files of the PEFT layout. */
#define LORA_WEIGHTS_FILE "adapter_model.safetensors"
#define LORA_CONFIG_FILE  "adapter_config.json"
#define LORA_KEY_PREFIX   "base_model.model."

struct eai_adapter {
    eai_arena *arena; /* names and tables, until the adapter is freed */
    const eai_model *model;
    int64_t rank;
    double alpha, dropout, scale;
    bool use_rslora;
    const char *targets;       /* "down_proj,gate_proj": sorted */
    int64_t *pair_of_linear;   /* [n_linears]: index of its pair, or -1 */
    eai_parameter *parameters; /* [2 * n_pairs]: A and B of each pair; data by eai_alloc_aligned */
    size_t n_pairs;
    int64_t n_values;
};

/* A without values: tables and zeroed memory for the linear layers with chosen[i]. */
eai_status lora__create_empty(eai_adapter **out, const eai_model *m, const bool *chosen,
                              const eai_adapter_opts *opts, eai_error *err);
/* Rank, alpha and dropout in their ranges; `where` begins the message ("adapter", a file's name).
 */
eai_status lora__check_opts(const eai_adapter_opts *opts, const char *where, eai_error *err);
/* The module names of a model, each once, sorted: "down_proj, gate_proj, ..." into buf. */
void lora__list_modules(char *buf, size_t n, const eai_model *m);

#endif
