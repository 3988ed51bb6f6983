/* Operations that change a state: the only ones whose inputs are written. */
#include <math.h>

#include "engine/reference/kernels.h"

#include "base/banned.h"

/* state = x */
void reference_assign(const eai_step *s, double *scratch)
{
    (void)scratch;
    int64_t n = eai_shape_elements(&s->in[0].shape);
    for (int64_t i = 0; i < n; i++)
        reference__set(&s->in[0], i, reference__get(&s->in[1], i));
}

/* state += x */
void reference_accumulate(const eai_step *s, double *scratch)
{
    (void)scratch;
    int64_t n = eai_shape_elements(&s->in[0].shape);
    for (int64_t i = 0; i < n; i++)
        reference__set(&s->in[0], i, reference__get(&s->in[0], i) + reference__get(&s->in[1], i));
}

/* state[at + t] = x[t]; rows that do not exist are dropped. state [N, ..], x [T, ..], at [1] */
void reference_write_rows(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_operand *state = &s->in[0];
    const eai_operand *x = &s->in[1];
    int64_t rows = x->shape.dim[0];
    int64_t width = rows > 0 ? eai_shape_elements(&x->shape) / rows : 0;
    int64_t at = (int64_t)reference__get(&s->in[2], 0);

    for (int64_t t = 0; t < rows; t++)
        for (int64_t d = 0; d < width; d++)
            if (at + t >= 0 && at + t < state->shape.dim[0])
                reference__set(state, (at + t) * width + d, reference__get(x, t * width + d));
}

/* AdamW (Loshchilov & Hutter 2019, algorithm 2), in torch's order: the decay first, of the old
 * value. p, m, v and grad of one shape; hyper [3] = lr, 1 - beta1^t, 1 - beta2^t; grad_scale [] */
void reference_adamw(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_adamw_opts *o = &s->params.adamw;
    double lr = reference__get(&s->in[4], 0);
    double bias1 = reference__get(&s->in[4], 1);
    double bias2 = reference__get(&s->in[4], 2);
    double scale = reference__get(&s->in[5], 0);
    int64_t n = eai_shape_elements(&s->in[0].shape);

    for (int64_t i = 0; i < n; i++) {
        double g = reference__get(&s->in[3], i) * scale;
        double m = o->beta1 * reference__get(&s->in[1], i) + (1 - o->beta1) * g;
        double v = o->beta2 * reference__get(&s->in[2], i) + (1 - o->beta2) * g * g;
        double p = reference__get(&s->in[0], i) * (1 - lr * o->weight_decay);
        reference__set(&s->in[1], i, m);
        reference__set(&s->in[2], i, v);
        reference__set(&s->in[0], i, p - lr * (m / bias1) / (sqrt(v / bias2) + o->eps));
    }
}
