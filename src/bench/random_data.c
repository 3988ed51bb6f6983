/* See random_data.h. */
#include "bench/random_data.h"

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/rng.h>

#include "base/banned.h"

#define MADE 64 /* rows; making them costs more than copying */

eai_status bench__random_matrix(void **out, eai_dtype dtype, int64_t rows, int64_t cols,
                                float bound, eai_error *err)
{
    const eai_dtype_spec *info = eai_dtype_get(dtype);
    eai_shape shape = EAI_SHAPE2(rows, cols);
    eai_rng rng;
    size_t bytes;

    *out = NULL;
    if (cols % info->block != 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "rows of %lld numbers cannot be %s, whose blocks have %d",
                             (long long)cols, info->name, info->block);
    if (!eai_tensor_bytes(&bytes, dtype, &shape))
        return eai_error_set(err, EAI_ERR_LIMIT, "a matrix of %lld x %lld is too large",
                             (long long)rows, (long long)cols);
    uint8_t *data = eai_alloc_aligned(64, bytes + 1);
    float *row = eai_alloc_array((size_t)cols + 1, sizeof(*row));
    eai_status st = data && row ? EAI_OK
                                : eai_error_set(err, EAI_ERR_NOMEM,
                                                "no memory for a matrix of %zu bytes", bytes);
    size_t row_bytes = eai_row_bytes(dtype, cols);
    eai_rng_init(&rng, (uint64_t)cols, 0);
    for (int64_t r = 0; r < rows && r < MADE && st == EAI_OK; r++) {
        eai_rng_fill_uniform(&rng, row, (size_t)cols, -bound, bound);
        st = eai_quantize_row(data + (size_t)r * row_bytes, dtype, row, cols, err);
    }
    for (int64_t r = MADE; r < rows && st == EAI_OK; r++)
        memcpy(data + (size_t)r * row_bytes, data + (size_t)(r % MADE) * row_bytes, row_bytes);
    eai_free(row);
    if (st != EAI_OK) {
        eai_free(data);
        return st;
    }
    *out = data;
    return EAI_OK;
}
