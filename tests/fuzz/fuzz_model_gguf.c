/* Fuzz target: a model out of a GGUF file: what its metadata say of sizes, and whether its tensors
 * fit them. A model that loads has layers whose bytes are in the file. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/model.h>
#include <efficientai/weights.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sink; /* so that no read is optimized away */

static void check_accepted(const eai_model *m)
{
    const eai_model_config *c = eai_model_get_config(m);
    const eai_model_linear *linears;
    size_t n = eai_model_linears(&linears, m);
    if (c->n_layers < 1 || c->n_heads % c->n_kv_heads != 0 || !isfinite(c->rope_theta) || n == 0)
        abort();
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 0;
        eai_shape shape = EAI_SHAPE2(linears[i].n_out, linears[i].n_in);
        if (!eai_tensor_bytes(&bytes, linears[i].dtype, &shape))
            abort();
        if (bytes)
            sink += ((const uint8_t *)linears[i].data)[bytes - 1];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    eai_model *m = NULL;

    if (size < 4 || memcmp(data, "GGUF", 4) != 0 ||
        eai_weights_parse(&w, data, size, "input", NULL) != EAI_OK)
        return -1; /* the target "gguf" is for these: keep it out of the corpus */
    /* without an architecture a config.json beside the file would be looked for */
    if (eai_weights_get_string(w, "general.architecture")) {
        eai_status st = eai_model_load(&m, w, &err);
        if (st == EAI_OK)
            check_accepted(m);
        else if (m || err.code != st || strncmp(err.message, "input", 5) != 0)
            abort();
    }
    eai_model_free(m);
    eai_weights_close(w);
    return 0;
}
