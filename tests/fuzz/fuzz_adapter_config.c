/* Fuzz target: an adapter's adapter_config.json, PEFT's and mlx-lm's, over a model of one layer.
 * What is accepted has ranks and alphas in their ranges for every layer. */
#include "fuzz/fuzz_model.h"

#include <math.h>

#include "base/json.h"
#include "lora/lora.h"

static void read_as(bool mlx, json_t *root)
{
    eai_error err = EAI_ERROR_INIT;
    eai_adapter_opts o = EAI_ADAPTER_OPTS_INIT;
    lora__layer layers[FUZZ_N_LINEARS];
    bool whole[LORA_N_WHOLE] = {false};
    eai_status st = mlx ? lora__read_mlx_config(&o, layers, root, fuzz_model(), &err)
                        : lora__read_config(&o, layers, whole, root, fuzz_model(), &err);

    for (int i = 0; st == EAI_OK && i < FUZZ_N_LINEARS; i++) {
        if (layers[i].rank < 1 || layers[i].rank > EAI_ADAPTER_RANK_MAX || !(layers[i].alpha > 0) ||
            !isfinite(layers[i].alpha))
            abort();
    }
    if (st != EAI_OK && (err.code != st || !err.message[0]))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    json_t *root = NULL;
    eai_status st = eai_json_parse(&root, (const char *)data, size, "input", &err);

    if (st == EAI_OK) {
        read_as(false, root);
        read_as(true, root);
    } else if (err.code != st || !err.message[0]) {
        abort();
    }
    json_decref(root);
    return 0;
}
