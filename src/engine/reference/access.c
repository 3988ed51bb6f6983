/* Elements of tensors as doubles, and where they are under broadcasting. Correct for every storage
 * type rather than quick: a quantized element unpacks its whole block. */
#include "engine/reference/kernels.h"

#include <efficientai/convert.h>

#include "base/banned.h"

#define BLOCK_MAX 256

double reference__get(const eai_operand *x, int64_t i)
{
    if (x->dtype == EAI_F64)
        return ((const double *)x->data)[i];
    if (x->dtype == EAI_F32)
        return (double)((const float *)x->data)[i];
    if (x->dtype == EAI_I32)
        return ((const int32_t *)x->data)[i];
    if (x->dtype == EAI_I64)
        return (double)((const int64_t *)x->data)[i];

    const eai_dtype_spec *spec = eai_dtype_get(x->dtype);
    float block[BLOCK_MAX];
    eai_unpack_row(block, x->dtype, (const char *)x->data + i / spec->block * spec->bytes,
                   x->planes, spec->block);
    return (double)block[i % spec->block];
}

void reference__set(const eai_operand *x, int64_t i, double value)
{
    if (x->dtype == EAI_F64)
        ((double *)x->data)[i] = value;
    else if (x->dtype == EAI_F32)
        ((float *)x->data)[i] = (float)value;
    else if (x->dtype == EAI_F16)
        ((uint16_t *)x->data)[i] = eai_f16_from_f32((float)value);
    else if (x->dtype == EAI_BF16)
        ((uint16_t *)x->data)[i] = eai_bf16_from_f32((float)value);
    else if (x->dtype == EAI_I32)
        ((int32_t *)x->data)[i] = (int32_t)value;
}

int64_t reference__broadcast_index(const eai_shape *out, int64_t i, const eai_shape *in)
{
    int64_t index = 0;
    int64_t stride = 1; /* of dimension d in `in` */
    int missing = out->n_dims - in->n_dims;

    for (int d = out->n_dims - 1; d >= missing; d--) {
        int64_t coordinate = i % out->dim[d];
        i /= out->dim[d];
        if (in->dim[d - missing] != 1)
            index += coordinate * stride;
        stride *= in->dim[d - missing];
    }
    return index;
}

int64_t reference__row_length(const eai_shape *s)
{
    return s->n_dims > 0 ? s->dim[s->n_dims - 1] : 1;
}

int64_t reference__rows(const eai_shape *s)
{
    int64_t length = reference__row_length(s);
    return length > 0 ? eai_shape_elements(s) / length : 0;
}

int64_t reference__scratch(const eai_step *s)
{
    const eai_shape *in = &s->in[0].shape;
    switch (s->op) {
    case EAI_OP_ATTENTION: /* probabilities of one query, [Tk] */
        return s->in[1].shape.dim[0];
    case EAI_OP_ATTENTION_GRAD: /* one gradient vector of a head, [D] */
        return in->dim[2];
    case EAI_OP_LINEAR_CE: /* probabilities of one row, [V] */
        return s->in[1].shape.dim[0];
    default:
        return 0;
    }
}
