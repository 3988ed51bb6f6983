/* Fuzz target: an adapter's adapter_config.json, over a model of one layer. What is accepted has
 * ranks and alphas in their ranges for every layer. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "lora/lora.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_LINEARS = 7 };

static void add(eai_weights *w, const char *name, eai_shape shape)
{
    static const float zeros[16];
    eai_error err = EAI_ERROR_INIT;
    if (eai_weights_add_borrowed(w, name, EAI_F32, &shape, zeros, &err) != EAI_OK)
        abort();
}

/* Lives as long as the program. */
static const eai_model *get_model(void)
{
    static const char *const matrices[] = {
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
    add(w, "model.embed_tokens.weight", EAI_SHAPE2(4, 4));
    add(w, "model.norm.weight", EAI_SHAPE1(4));
    add(w, "model.layers.0.input_layernorm.weight", EAI_SHAPE1(4));
    add(w, "model.layers.0.post_attention_layernorm.weight", EAI_SHAPE1(4));
    for (int i = 0; i < N_LINEARS; i++) {
        char name[64];
        snprintf(name, sizeof(name), "model.layers.0.%s.weight", matrices[i]);
        add(w, name, EAI_SHAPE2(4, 4));
    }
    if (eai_model_create(&m, w, &c, &err) != EAI_OK)
        abort();
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    eai_adapter_opts o = EAI_ADAPTER_OPTS_INIT;
    lora__layer layers[N_LINEARS];
    bool whole[LORA_N_WHOLE] = {false};
    json_t *root = NULL;
    eai_status st = eai_json_parse(&root, (const char *)data, size, "input", &err);

    if (st == EAI_OK)
        st = lora__read_config(&o, layers, whole, root, get_model(), &err);
    for (int i = 0; st == EAI_OK && i < N_LINEARS; i++) {
        if (layers[i].rank < 1 || layers[i].rank > EAI_ADAPTER_RANK_MAX || !(layers[i].alpha > 0) ||
            !isfinite(layers[i].alpha))
            abort();
    }
    if (st != EAI_OK && (err.code != st || !err.message[0]))
        abort();
    json_decref(root);
    return 0;
}
