/* The table of storage types and the arithmetic of shapes. Start at EAI_DTYPE_TABLE in dtype.h. */
#include <efficientai/dtype.h>

#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>

static const eai_dtype_spec specs[EAI_DTYPE_COUNT] = {
#define ROW(id, name, block, bytes, st, kind)                                                      \
    [EAI_##id] = {name, block, bytes, st, EAI_DTYPE_##kind},
    EAI_DTYPE_TABLE(ROW)
#undef ROW
};

const eai_dtype_spec *eai_dtype_get(eai_dtype t)
{
    return &specs[t];
}

bool eai_dtype_from_name(eai_dtype *out, const char *name)
{
    for (int i = 0; i < EAI_DTYPE_COUNT; i++) {
        if (strcmp(specs[i].name, name) == 0) {
            *out = (eai_dtype)i;
            return true;
        }
    }
    return false;
}

int64_t eai_shape_elements(const eai_shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->n_dims; i++)
        n *= s->dim[i];
    return n;
}

bool eai_shape_equal(const eai_shape *a, const eai_shape *b)
{
    if (a->n_dims != b->n_dims)
        return false;
    for (int i = 0; i < a->n_dims; i++) {
        if (a->dim[i] != b->dim[i])
            return false;
    }
    return true;
}

char *eai_shape_print(char *buf, size_t n, const eai_shape *s)
{
    size_t used = (size_t)snprintf(buf, n, "[");
    for (int i = 0; i < s->n_dims && used < n; i++)
        used += (size_t)snprintf(buf + used, n - used, i ? ",%lld" : "%lld", (long long)s->dim[i]);
    if (used < n)
        snprintf(buf + used, n - used, "]");
    return buf;
}

bool eai_tensor_bytes(size_t *out, eai_dtype t, const eai_shape *s)
{
    const eai_dtype_spec *spec = &specs[t];
    int64_t row = s->n_dims ? s->dim[s->n_dims - 1] : 1;
    size_t bytes;

    if (row < 0 || row % spec->block != 0)
        return false;
    if (!eai_size_mul(&bytes, (size_t)(row / spec->block), (size_t)spec->bytes))
        return false;
    for (int i = 0; i + 1 < s->n_dims; i++) {
        if (s->dim[i] < 0 || !eai_size_mul(&bytes, bytes, (size_t)s->dim[i]))
            return false;
    }
    *out = bytes;
    return true;
}

size_t eai_row_bytes(eai_dtype t, int64_t n)
{
    return (size_t)(n / specs[t].block) * (size_t)specs[t].bytes;
}
