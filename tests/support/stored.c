#include "support/stored.h"

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/mlx_quant.h>

#include "support/eai_test.h"

static void *take(size_t n, size_t size)
{
    void *p = eai_alloc_zeroed(n + 1, size);
    assert_non_null(p);
    return p;
}

static int largest_group(int64_t cols)
{
    return cols % 128 == 0 ? 128 : cols % 64 == 0 ? 64 : 32;
}

/* Types of scales take turns. */
static void make_planar(stored_matrix *m, const float *x)
{
    static const eai_dtype types[] = {EAI_F32, EAI_F16, EAI_BF16};
    eai_error err = EAI_ERROR_INIT;
    eai_mlx_packing p = eai_mlx_packing_of(m->dtype, &(eai_planes){.type = EAI_U8});
    bool affine = p.mode == EAI_MLX_MODE_AFFINE;
    p.group = affine ? largest_group(m->cols) : 0;
    p.type = affine ? types[((int64_t)m->dtype + m->rows) % 3] : EAI_U8;
    assert_ok(eai_mlx_packing_check(&p, m->cols, &err), &err);
    size_t n = (size_t)(m->cols / p.group);
    size_t size = (size_t)eai_dtype_get(p.type)->bytes;
    size_t row_bytes = eai_row_bytes(m->dtype, m->cols);
    uint8_t *scales = take((size_t)m->rows * n, size);
    uint8_t *biases = affine ? take((size_t)m->rows * n, size) : NULL;
    for (int64_t r = 0; r < m->rows; r++) {
        size_t at = (size_t)r * n * size;
        uint32_t *codes = (uint32_t *)(void *)(m->data + (size_t)r * row_bytes);
        assert_ok(eai_mlx_quantize_row(codes, scales + at, biases ? biases + at : NULL, &p,
                                       x + r * m->cols, m->cols, &err),
                  &err);
    }
    m->planes = (eai_planes){m->data, scales, biases, p.type, p.group};
}

void stored_make(stored_matrix *out, eai_dtype dtype, const float *x, int64_t rows, int64_t cols)
{
    eai_error err = EAI_ERROR_INIT;
    size_t row_bytes = eai_row_bytes(dtype, cols);
    *out = (stored_matrix){.dtype = dtype, .rows = rows, .cols = cols};
    out->bytes = row_bytes * (size_t)rows;
    out->data = eai_alloc_aligned(64, out->bytes + 1);
    assert_non_null(out->data);
    if (eai_dtype_get(dtype)->kind == EAI_DTYPE_PLANAR) {
        make_planar(out, x);
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        assert_ok(
            eai_quantize_row(out->data + row_bytes * (size_t)r, dtype, x + r * cols, cols, &err),
            &err);
}

void stored_free(stored_matrix *m)
{
    eai_free(m->data);
    eai_free((void *)(uintptr_t)m->planes.scales);
    eai_free((void *)(uintptr_t)m->planes.biases);
    *m = (stored_matrix){0};
}

const eai_planes *stored_planes(const stored_matrix *m)
{
    return m->planes.codes ? &m->planes : NULL;
}

void stored_read(float *out, const stored_matrix *m)
{
    eai_unpack_row(out, m->dtype, m->data, stored_planes(m), m->rows * m->cols);
}
