/* Fuzz target: a matrix that MLX packed. The input is a config.json, a NUL, and a safetensors file
 * whose "a.weight" is taken for [4, 64]: what is accepted must lie in the file to its last scale.
 */
#include <efficientai/convert.h>

#include "base/arena.h"
#include "base/json.h"
#include "fuzz/fuzz_weights.h"
#include "models/models.h"

enum { ROWS = 4, COLUMNS = 64 };

static void check_accepted(const eai_weight_tensor *t)
{
    float x[ROWS * COLUMNS];
    if (eai_dtype_get(t->dtype)->kind != EAI_DTYPE_PLANAR || !t->planes)
        abort();
    eai_unpack_row(x, t->dtype, t->data, t->planes, ROWS * COLUMNS);
    fuzz_touch(x, sizeof(x));
}

static void read_matrix(eai_weights *w, json_t *config)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weight_tensor found = {0};
    eai_model m = {.weights = w, .config_json = config, .arena = eai_arena_create(0)};
    const eai_weight_tensor *codes = eai_weights_find(w, "a.weight");
    if (!m.arena)
        abort();
    if (codes) {
        eai_status st = model__find_packed(&found, &m, codes, EAI_SHAPE2(ROWS, COLUMNS), &err);
        if (st == EAI_OK)
            check_accepted(&found);
        else if (err.code != st || !err.message[0])
            abort();
    }
    eai_arena_free(m.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    const uint8_t *end = memchr(data, 0, size);
    json_t *config = NULL;
    eai_weights *w = NULL;
    if (!end ||
        eai_json_parse(&config, (const char *)data, (size_t)(end - data), "input", &err) != EAI_OK)
        return -1; /* the reader of JSON has targets of its own */
    size_t rest = size - (size_t)(end - data) - 1;
    if (eai_weights_parse(&w, end + 1, rest, "input", &err) == EAI_OK) {
        read_matrix(w, config);
        eai_weights_close(w);
    }
    json_decref(config);
    return 0;
}
