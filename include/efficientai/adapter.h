/* Adapters: low-rank changes to the linear layers of a model (LoRA, Hu et al. 2021).
 *
 * Use:
 *     eai_adapter *a = NULL;
 *     eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
 *     opts.rank = 16;
 *     EAI_TRY(eai_adapter_create(&a, model, &opts, err));        // or eai_adapter_load(&a, model,
 * dir, err)
 *     ...
 *     eai_adapter_binding *bind = NULL;
 *     EAI_TRY(eai_adapter_binding_create(&bind, a, g, seed, err));   // seed NULL: no dropout
 *     eai_adapter_binding_attach(bind, &build);
 *     ... build the model; then, to train:
 *     n = eai_adapter_binding_tensors(&tensors, bind);           // in the order of
 * eai_adapter_parameters eai_grad(g, loss, tensors, n, NULL, grads);
 *     ...
 *     eai_adapter_binding_free(bind);                            // any time after building
 *     EAI_TRY(eai_adapter_save(a, dir, "smollm2-135m-instruct", err));
 *
 * y = W x + scale * B (A dropout(x)), A [r, n_in], B [n_out, r]; scale = alpha / r, or alpha /
 * sqrt(r) with rank-stabilised scaling (Kalajdzievski 2023). Files are in the PEFT layout: PEFT,
 * vLLM and others read what is written here, and the reverse; mlx-lm's layout is read and written
 * too. An adapter that was loaded may have a rank and an alpha of its own for some layers, and an
 * embedding or a head of its own, which are trained, saved and merged like the rest.
 *
 * Thread-safety: an adapter's values change under a running training plan; else it is constant. */
#ifndef EAI_ADAPTER_H
#define EAI_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/dtype.h>
#include <efficientai/error.h>
#include <efficientai/graph.h>
#include <efficientai/mlx_quant.h>
#include <efficientai/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_adapter eai_adapter;

#define EAI_ADAPTER_RANK_MAX 256

typedef struct eai_adapter_opts {
    int64_t rank;        /* 1 to 256 */
    double alpha;        /* above 0 */
    double dropout;      /* 0 up to, not including, 1; in training only */
    const char *targets; /* "all" ("all-linear"), "attention", "mlp", or "q_proj,v_proj" */
    uint64_t seed;       /* of the first values of A */
    bool use_rslora;     /* scale alpha / sqrt(rank) */
} eai_adapter_opts;
#define EAI_ADAPTER_OPTS_INIT                                                                      \
    {                                                                                              \
        8, 16.0, 0.0, "all", 0, false                                                              \
    }

/* A new adapter that changes nothing yet: A is uniform in +-1/sqrt(n_in) (PEFT's default), B is
 * zero. The same seed gives the same values. Unknown target names are an error that lists those of
 * the model. */
EAI_API EAI_CHECKED eai_status eai_adapter_create(eai_adapter **out, const eai_model *m,
                                                  const eai_adapter_opts *opts, eai_error *err);
EAI_API void eai_adapter_free(eai_adapter *a);

/* Of the layers that have no own. */
EAI_API int64_t eai_adapter_rank(const eai_adapter *a);
EAI_API double eai_adapter_alpha(const eai_adapter *a);
EAI_API double eai_adapter_dropout(const eai_adapter *a);
EAI_API double eai_adapter_scale(const eai_adapter *a);
EAI_API bool eai_adapter_rslora(const eai_adapter *a);
/* The sorted module names it changes, joined by commas: "down_proj,gate_proj". Borrowed. */
EAI_API const char *eai_adapter_targets(const eai_adapter *a);
EAI_API int64_t eai_adapter_parameter_count(const eai_adapter *a); /* numbers, not tensors */

/* A trainable tensor: what optimizers and checkpoints see. */
typedef struct eai_parameter {
    const char *
        name; /* as in the file: "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight" */
    eai_shape shape;
    float *data;
} eai_parameter;
/* A and B of each changed layer, in the order of eai_model_linears, A first, then the embedding and
 * the head where the adapter has its own; returns their number. Borrowed, valid as long as the
 * adapter; the values may be written. */
EAI_API size_t eai_adapter_parameters(const eai_parameter **out, const eai_adapter *a);

/* ---- In a graph
 * ---------------------------------------------------------------------------------- */

typedef struct eai_adapter_binding eai_adapter_binding;
/* Makes the adapter's states in a graph. `seed` I32 [2] switches dropout on (training); NULL: off.
 */
EAI_API EAI_CHECKED eai_status eai_adapter_binding_create(eai_adapter_binding **out,
                                                          const eai_adapter *a, eai_graph *g,
                                                          eai_tensor *seed, eai_error *err);
EAI_API void eai_adapter_binding_free(eai_adapter_binding *b);
/* Lets a model be built with the adapter; the binding must live until it is. */
EAI_API void eai_adapter_binding_attach(eai_adapter_binding *b, eai_model_build *build);
/* The state tensors, in the order of eai_adapter_parameters. Borrowed. */
EAI_API size_t eai_adapter_binding_tensors(eai_tensor *const **out, const eai_adapter_binding *b);

/* ---- Files
 * --------------------------------------------------------------------------------------- */

/* Whose layout: PEFT's (adapter_model.safetensors), or mlx-lm's (adapters.safetensors). */
typedef enum eai_adapter_format { EAI_ADAPTER_PEFT, EAI_ADAPTER_MLX } eai_adapter_format;
/* "peft" or "mlx"; false for any other. */
EAI_API bool eai_adapter_format_from_name(eai_adapter_format *out, const char *name);

/* Writes adapter_model.safetensors and adapter_config.json into `folder` (made if missing), each
 * whole or not at all. `base_name` is what the config states as the base model. */
EAI_API EAI_CHECKED eai_status eai_adapter_save(const eai_adapter *a, const char *folder,
                                                const char *base_name, eai_error *err);
/* The same in one layout or the other. mlx-lm's knows one rank and one scale for all layers, and no
 * modules as a whole: EAI_ERR_UNSUPPORTED where the adapter has them. */
EAI_API EAI_CHECKED eai_status eai_adapter_save_as(const eai_adapter *a, const char *folder,
                                                   const char *base_name, eai_adapter_format format,
                                                   eai_error *err);
/* Reads a folder of either layout (PEFT's where it has both). An adapter of another model, of
 * another kind, or with values that are no numbers is one clear error. */
EAI_API EAI_CHECKED eai_status eai_adapter_load(eai_adapter **out, const eai_model *m,
                                                const char *folder, eai_error *err);
/* Writes the model with the adapter worked in (W + scale * B A) as model.safetensors and
 * config.json in Hugging Face's layout; all tensors in `dtype` (EAI_F32, EAI_BF16 or EAI_F16). The
 * tokenizer's files are tokenizer_files.h's. `a` NULL: the base model alone. */
EAI_API EAI_CHECKED eai_status eai_adapter_merge(const eai_adapter *a, const eai_model *m,
                                                 const char *folder, eai_dtype dtype,
                                                 eai_error *err);
/* The same with linear layers and embeddings packed as MLX packs them (mx.quantize of the merged
 * matrices in `dtype`, byte for byte), and config.json's "quantization": a folder for mlx-lm.
 * Matrices whose rows are no whole number of groups stay plain. packing->type is set by dtype.
 * `packing` NULL, of a model that MLX packed (eai_model_is_packed): each matrix as it was, and
 * those without a change byte for byte. */
EAI_API EAI_CHECKED eai_status eai_adapter_merge_mlx(const eai_adapter *a, const eai_model *m,
                                                     const char *folder, eai_dtype dtype,
                                                     const eai_mlx_packing *packing,
                                                     eai_error *err);
/* The same as one GGUF file, with all metadata of the model's, which must be a GGUF file too:
 * tokenizer and chat template go with it. Matrices in `dtype` (EAI_F32, EAI_BF16, EAI_F16,
 * EAI_Q8_0, EAI_Q5_1, EAI_Q5_0, EAI_Q4_1 or EAI_Q4_0), with EAI_DTYPE_COUNT each in its own type;
 * vectors keep theirs. */
EAI_API EAI_CHECKED eai_status eai_adapter_merge_gguf(const eai_adapter *a, const eai_model *m,
                                                      const char *path, eai_dtype dtype,
                                                      eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
