/* Decoders of random numbers. */
#include <efficientai/bench.h>

#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "bench/random_data.h"

#include "base/banned.h"

/* clang-format off */
/*    name    layers d_model heads kv_heads d_ffn */
#define SIZES(X)                       \
    X("135m", 30,  576,  9,  3, 1536)  \
    X("360m", 32,  960, 15,  5, 2560)  \
    X("1.7b", 24, 2048, 32, 32, 8192)
/* clang-format on */

typedef struct size_row {
    const char *name;
    int64_t n_layers, d_model, n_heads, n_kv_heads, d_ffn;
} size_row;

static const size_row sizes[] = {
#define ROW(name, layers, d_model, heads, kv_heads, d_ffn)                                         \
    {name, layers, d_model, heads, kv_heads, d_ffn},
    SIZES(ROW)
#undef ROW
};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

const char *eai_bench_random_sizes(void)
{
#define NAME(name, layers, d_model, heads, kv_heads, d_ffn) "|" name
    static const char names[] = SIZES(NAME);
#undef NAME
    return names + 1;
}

static const size_row *find_size(const char *name)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    }
    return NULL;
}

static eai_model_config config_of(const size_row *s)
{
    return (eai_model_config){
        .family = "llama",
        .n_layers = s->n_layers,
        .d_model = s->d_model,
        .n_heads = s->n_heads,
        .n_kv_heads = s->n_kv_heads,
        .d_head = 64,
        .d_ffn = s->d_ffn,
        .vocab = 49152,
        .context = 8192,
        .rope_theta = 100000,
        .rms_eps = 1e-5,
        .tied = true,
    };
}

static eai_status add_norm(eai_weights *w, const char *name, int64_t n, eai_error *err)
{
    eai_shape shape = EAI_SHAPE1(n);
    float *ones = eai_alloc_array((size_t)n, sizeof(*ones));
    if (!ones)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a norm");
    for (int64_t i = 0; i < n; i++)
        ones[i] = 1;
    eai_status st = eai_weights_add(w, name, EAI_F32, &shape, ones, err);
    eai_free(ones);
    return st;
}

/* Numbers as large as keep the size of what a layer gives. */
static eai_status add_matrix(eai_weights *w, const char *name, eai_dtype dtype, int64_t rows,
                             int64_t cols, eai_error *err)
{
    void *data;
    eai_shape shape = EAI_SHAPE2(rows, cols);
    EAI_TRY(bench__random_matrix(&data, dtype, rows, cols, sqrtf(3.0F / (float)cols), err));
    eai_status st = eai_weights_add(w, name, dtype, &shape, data, err);
    eai_free(data);
    return st;
}

static eai_status add_layer(eai_weights *w, const size_row *s, int64_t layer, eai_dtype dtype,
                            eai_error *err)
{
    int64_t q = s->n_heads * 64;
    int64_t kv = s->n_kv_heads * 64;
    const struct {
        const char *name;
        int64_t rows, cols;
    } matrices[] = {
        {"self_attn.q_proj", q, s->d_model},     {"self_attn.k_proj", kv, s->d_model},
        {"self_attn.v_proj", kv, s->d_model},    {"self_attn.o_proj", s->d_model, q},
        {"mlp.gate_proj", s->d_ffn, s->d_model}, {"mlp.up_proj", s->d_ffn, s->d_model},
        {"mlp.down_proj", s->d_model, s->d_ffn},
    };
    static const char *const norms[] = {"input_layernorm", "post_attention_layernorm"};
    char name[96];
    for (size_t i = 0; i < sizeof(matrices) / sizeof(matrices[0]); i++) {
        snprintf(name, sizeof(name), "model.layers.%lld.%s.weight", (long long)layer,
                 matrices[i].name);
        EAI_TRY(add_matrix(w, name, dtype, matrices[i].rows, matrices[i].cols, err));
    }
    for (size_t i = 0; i < sizeof(norms) / sizeof(norms[0]); i++) {
        snprintf(name, sizeof(name), "model.layers.%lld.%s.weight", (long long)layer, norms[i]);
        EAI_TRY(add_norm(w, name, s->d_model, err));
    }
    return EAI_OK;
}

static eai_status add_tensors(eai_weights *w, const size_row *s, eai_dtype dtype, eai_error *err)
{
    eai_model_config c = config_of(s);
    EAI_TRY(add_matrix(w, "model.embed_tokens.weight", dtype, c.vocab, c.d_model, err));
    EAI_TRY(add_norm(w, "model.norm.weight", c.d_model, err));
    for (int64_t layer = 0; layer < c.n_layers; layer++)
        EAI_TRY(add_layer(w, s, layer, dtype, err));
    return EAI_OK;
}

eai_status eai_bench_random_model(eai_model **model, eai_weights **weights, const char *size,
                                  eai_dtype dtype, eai_error *err)
{
    const size_row *s = find_size(size);

    *model = NULL;
    *weights = NULL;
    if (!s)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "no random model of size '%s': %s", size,
                             eai_bench_random_sizes());
    eai_model_config config = config_of(s);
    EAI_TRY(eai_weights_create(weights, "random", err));
    eai_status st = add_tensors(*weights, s, dtype, err);
    if (st == EAI_OK)
        st = eai_model_create(model, *weights, &config, err);
    if (st != EAI_OK) {
        eai_weights_close(*weights);
        *weights = NULL;
    }
    return st;
}
