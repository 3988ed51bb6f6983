/* Fuzz target: an adapter's safetensors, PEFT's and mlx-lm's, over a model of one layer and a
 * config of rank 1. What is accepted changes something, and all its values are finite. */
#include "fuzz/fuzz_model.h"

#include <math.h>
#include <string.h>

#include "lora/lora.h"

static void check_accepted(const eai_adapter *a)
{
    const eai_parameter *p = NULL;
    size_t n = eai_adapter_parameters(&p, a);
    if (n == 0)
        abort();
    for (size_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < eai_shape_elements(&p[i].shape); k++) {
            if (!isfinite(p[i].data[k]))
                abort();
        }
    }
}

static void read_as(eai_adapter_format format, const eai_weights *w)
{
    eai_error err = EAI_ERROR_INIT;
    eai_adapter_opts o = EAI_ADAPTER_OPTS_INIT;
    lora__layer layers[FUZZ_N_LINEARS] = {{false, 0, 0}};
    bool whole[LORA_N_WHOLE] = {false};
    eai_adapter *a = NULL;

    o.rank = 1;
    for (int i = 0; i < FUZZ_N_LINEARS; i++)
        layers[i] = (lora__layer){false, o.rank, o.alpha};
    eai_status st =
        lora__read_weights(&a, fuzz_model(), layers, whole, &o, &lora__layouts[format], w, &err);
    if (st == EAI_OK)
        check_accepted(a);
    else if (a || err.code != st || strncmp(err.message, "input: ", 7) != 0)
        abort();
    eai_adapter_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_weights *w = NULL;

    if (eai_weights_parse(&w, data, size, "input", NULL) != EAI_OK)
        return -1; /* the target "safetensors" is for these: keep it out of the corpus */
    read_as(EAI_ADAPTER_PEFT, w);
    read_as(EAI_ADAPTER_MLX, w);
    eai_weights_close(w);
    return 0;
}
