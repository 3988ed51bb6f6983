/* Leaves, and operations that move elements or add them up. */
#include <math.h>

#include "engine/reference/kernels.h"

#include "base/banned.h"

static void copy_elements(const eai_operand *out, const eai_operand *in)
{
    int64_t n = eai_shape_elements(&out->shape);
    if (out->data == in->data)
        return;
    for (int64_t i = 0; i < n; i++)
        reference__set(out, i, reference__get(in, i));
}

/* Leaves are memory that is there before a run: nothing to do. */
void reference_input(const eai_step *s, double *scratch)
{
    (void)s;
    (void)scratch;
}

void reference_weight(const eai_step *s, double *scratch)
{
    (void)s;
    (void)scratch;
}

void reference_state(const eai_step *s, double *scratch)
{
    (void)s;
    (void)scratch;
}

void reference_fill(const eai_step *s, double *scratch)
{
    (void)scratch;
    int64_t n = eai_shape_elements(&s->out[0].shape);
    for (int64_t i = 0; i < n; i++)
        reference__set(&s->out[0], i, s->params.fill.value);
}

/* Elements keep their order in memory; usually the same memory. */
void reference_reshape(const eai_step *s, double *scratch)
{
    (void)scratch;
    copy_elements(&s->out[0], &s->in[0]);
}

/* out.dim[d] = in.dim[axes[d]] */
void reference_permute(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_shape *in = &s->in[0].shape;
    const eai_shape *out = &s->out[0].shape;
    int64_t stride[EAI_MAX_DIMS]; /* of the input's dimensions */
    int64_t n = eai_shape_elements(out);

    int64_t step = 1;
    for (int d = in->n_dims - 1; d >= 0; d--) {
        stride[d] = step;
        step *= in->dim[d];
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i;
        int64_t from = 0;
        for (int d = out->n_dims - 1; d >= 0; d--) {
            from += rest % out->dim[d] * stride[s->params.permute.axes[d]];
            rest /= out->dim[d];
        }
        reference__set(&s->out[0], i, reference__get(&s->in[0], from));
    }
}

void reference_broadcast_to(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_shape *out = &s->out[0].shape;
    int64_t n = eai_shape_elements(out);
    for (int64_t i = 0; i < n; i++)
        reference__set(
            &s->out[0], i,
            reference__get(&s->in[0], reference__broadcast_index(out, i, &s->in[0].shape)));
}

/* Sums over the axes in the set. The output's memory order does not depend on whether they are
 * kept. */
void reference_sum(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_shape *in = &s->in[0].shape;
    const eai_operand *out = &s->out[0];
    unsigned axes = s->params.sum.axes;
    int64_t summed = 1; /* elements that make one sum */

    for (int d = 0; d < in->n_dims; d++)
        if (axes >> d & 1)
            summed *= in->dim[d];

    int64_t n = eai_shape_elements(&out->shape);
    for (int64_t i = 0; i < n; i++) {
        double total = 0;
        for (int64_t k = 0; k < summed; k++) {
            /* coordinates: of the summed axes from k, of the others from i */
            int64_t rest_i = i;
            int64_t rest_k = k;
            int64_t index = 0;
            int64_t stride = 1;
            for (int d = in->n_dims - 1; d >= 0; d--) {
                int64_t *rest = axes >> d & 1 ? &rest_k : &rest_i;
                index += *rest % in->dim[d] * stride;
                *rest /= in->dim[d];
                stride *= in->dim[d];
            }
            total += reference__get(&s->in[0], index);
        }
        reference__set(out, i, total);
    }
}

/* max(start, end - width): the interval's last `width` keys begin there. */
void reference_window_start(const eai_step *s, double *scratch)
{
    (void)scratch;
    int64_t n = eai_shape_elements(&s->out[0].shape);
    double width = (double)s->params.window_start.width;
    for (int64_t t = 0; t < n; t++)
        reference__set(&s->out[0], t,
                       fmax(reference__get(&s->in[0], t), reference__get(&s->in[1], t) - width));
}

/* 0 where start[t] <= j < end[t], else -inf; [Tq, n_keys]. */
void reference_interval_mask(const eai_step *s, double *scratch)
{
    (void)scratch;
    int64_t n_queries = s->out[0].shape.dim[0];
    int64_t n_keys = s->params.interval_mask.n_keys;
    for (int64_t t = 0; t < n_queries; t++)
        for (int64_t j = 0; j < n_keys; j++) {
            bool inside = (double)j >= reference__get(&s->in[0], t) &&
                          (double)j < reference__get(&s->in[1], t);
            reference__set(&s->out[0], t * n_keys + j, inside ? 0 : -HUGE_VAL);
        }
}
