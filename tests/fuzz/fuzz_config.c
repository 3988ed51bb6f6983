/* Fuzz target: a model's config.json. What is accepted must be sane, since shapes and tables are
 * made of it. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/mlx_quant.h>

#include "base/json.h"
#include "models/models.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const eai_model_config *c)
{
    float *factors = eai_alloc_array((size_t)c->d_head / 2, sizeof(*factors));
    if (!factors || c->d_head % 2 != 0 || c->n_heads % c->n_kv_heads != 0)
        abort();
    model__rope_factors(factors, c);
    for (int64_t i = 0; i < c->d_head / 2; i++) {
        if (!isfinite(factors[i]) || !(factors[i] > 0))
            abort();
    }
    for (int64_t i = 0; i < EAI_MODEL_LAYERS_MAX; i++) {
        if (eai_layer_set_has(&c->local, i) && (i >= c->n_layers || c->window < 1))
            abort();
    }
    eai_free(factors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    eai_model_config c = {0};
    eai_mlx_packing packing = {0};
    bool packed = false;
    json_t *root = NULL;
    eai_status st = eai_json_parse(&root, (const char *)data, size, "input", &err);

    if (st == EAI_OK)
        st = model__read_json(&c, root, "input", &err);
    if (st == EAI_OK)
        st = model__check_config(&c, "input", &err);
    if (st == EAI_OK)
        check_accepted(&c);
    if (st == EAI_OK)
        st = model__json_packing(&packed, &packing, root, "a", "input", &err);
    if (st == EAI_OK && packed && eai_mlx_packing_check(&packing, 0, NULL) != EAI_OK)
        abort();
    if (st != EAI_OK && (err.code != st || strncmp(err.message, "input", 5) != 0))
        abort();
    json_decref(root);
    return 0;
}
