/* A model of one layer and width 4, of zeros, for the fuzz targets of what belongs to a model. */
#ifndef EAI_FUZZ_MODEL_H
#define EAI_FUZZ_MODEL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <efficientai/model.h>
#include <efficientai/weights.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_N_LINEARS = 7 };

static inline void fuzz_add(eai_weights *w, const char *name, eai_shape shape)
{
    static const float zeros[32];
    eai_error err = EAI_ERROR_INIT;
    if (eai_weights_add_borrowed(w, name, EAI_F32, &shape, zeros, &err) != EAI_OK)
        abort();
}

/* Lives as long as the program. */
static inline const eai_model *fuzz_model(void)
{
    static const char *const matrices[FUZZ_N_LINEARS] = {
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
        "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
    static eai_model *m;
    static eai_weights *w;
    eai_error err = EAI_ERROR_INIT;
    const eai_model_config c = {"llama", 1, 4, 1, 1, 4, 4, 4, 8, 10000.0, 1e-5, true};
    if (m)
        return m;
    if (eai_weights_create(&w, "zeros", &err) != EAI_OK)
        abort();
    fuzz_add(w, "model.embed_tokens.weight", EAI_SHAPE2(4, 4));
    fuzz_add(w, "model.norm.weight", EAI_SHAPE1(4));
    fuzz_add(w, "model.layers.0.input_layernorm.weight", EAI_SHAPE1(4));
    fuzz_add(w, "model.layers.0.post_attention_layernorm.weight", EAI_SHAPE1(4));
    for (int i = 0; i < FUZZ_N_LINEARS; i++) {
        char name[64];
        snprintf(name, sizeof(name), "model.layers.0.%s.weight", matrices[i]);
        fuzz_add(w, name, EAI_SHAPE2(4, 4));
    }
    if (eai_model_create(&m, w, &c, &err) != EAI_OK)
        abort();
    return m;
}

#endif
