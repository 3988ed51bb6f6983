/* Gradient rules: for y = op(x...) and dy = d loss / d y, the graph of d loss / d x.
 *
 * Rules are written in operations, so a gradient is an ordinary part of the graph and has a
 * gradient itself. A rule that needs a fused backward operation (rms_norm_grad, swiglu_grad,
 * attention_grad) adds that; those have no rule of their own and are differentiated through their
 * lowering (lowering.c). In the comments d(x) stands for d loss / d x. */
#include "graph/gradients.h"

#define RULE(name)                                                                                 \
    bool grad_##name(eai_graph *g, const eai_node *n, eai_tensor *const *dout, const bool *want,   \
                     eai_tensor **din)

/* d(x) summed down to the shape that x had before broadcasting. */
static eai_tensor *to_input(eai_graph *g, const eai_node *n, int i, eai_tensor *d)
{
    return d ? eai_sum_to(g, d, &n->in[i]->shape) : NULL;
}

RULE(add)
{
    for (int i = 0; i < 2; i++) {
        if (want[i])
            din[i] = to_input(g, n, i, dout[0]);
    }
    return true;
}

RULE(sub)
{
    if (want[0])
        din[0] = to_input(g, n, 0, dout[0]);
    if (want[1])
        din[1] = to_input(g, n, 1, eai_scale(g, dout[0], -1));
    return true;
}

RULE(mul)
{
    for (int i = 0; i < 2; i++) {
        if (want[i])
            din[i] = to_input(g, n, i, eai_mul(g, dout[0], n->in[1 - i]));
    }
    return true;
}

/* y = a / b:  d(a) = dy / b,  d(b) = -dy * y / b */
RULE(div)
{
    if (want[0])
        din[0] = to_input(g, n, 0, eai_div(g, dout[0], n->in[1]));
    if (want[1]) {
        eai_tensor *t = eai_div(g, eai_mul(g, dout[0], n->out[0]), n->in[1]);
        din[1] = to_input(g, n, 1, eai_scale(g, t, -1));
    }
    return true;
}

/* `first` is 1 where input 0 was taken; ties go to input 1. */
static void grad_select(eai_graph *g, const eai_node *n, eai_tensor *dy, eai_tensor *first,
                        const bool *want, eai_tensor **din)
{
    if (want[0])
        din[0] = to_input(g, n, 0, eai_mul(g, dy, first));
    if (want[1])
        din[1] = to_input(g, n, 1, eai_mul(g, dy, eai_affine(g, first, -1, 1)));
}

RULE(maximum)
{
    grad_select(g, n, dout[0], eai_greater(g, n->in[0], n->in[1]), want, din);
    return true;
}

RULE(minimum)
{
    grad_select(g, n, dout[0], eai_greater(g, n->in[1], n->in[0]), want, din);
    return true;
}

RULE(affine)
{
    if (want[0])
        din[0] = eai_scale(g, dout[0], n->params.affine.scale);
    return true;
}

RULE(convert)
{
    (void)g;
    (void)n;
    if (want[0])
        din[0] = dout[0];
    return true;
}

/* y = x^p:  d(x) = p x^(p-1) dy */
RULE(power)
{
    double p = n->params.power.exponent;
    if (want[0])
        din[0] = eai_mul(g, dout[0], eai_scale(g, eai_power(g, n->in[0], p - 1), p));
    return true;
}

RULE(exp)
{
    if (want[0])
        din[0] = eai_mul(g, dout[0], n->out[0]);
    return true;
}

RULE(log)
{
    if (want[0])
        din[0] = eai_div(g, dout[0], n->in[0]);
    return true;
}

/* y (1 - y) */
RULE(sigmoid)
{
    if (want[0]) {
        eai_tensor *slope = eai_mul(g, n->out[0], eai_affine(g, n->out[0], -1, 1));
        din[0] = eai_mul(g, dout[0], slope);
    }
    return true;
}

/* 1 - y^2 */
RULE(tanh)
{
    if (want[0]) {
        eai_tensor *square = eai_mul(g, n->out[0], n->out[0]);
        din[0] = eai_mul(g, dout[0], eai_affine(g, square, -1, 1));
    }
    return true;
}

/* With s = sigmoid(x): s (1 + x (1 - s)) */
static eai_tensor *silu_slope(eai_graph *g, eai_tensor *x)
{
    eai_tensor *s = eai_sigmoid(g, x);
    eai_tensor *t = eai_mul(g, x, eai_affine(g, s, -1, 1));
    return eai_mul(g, s, eai_affine(g, t, 1, 1));
}

RULE(silu)
{
    if (want[0])
        din[0] = eai_mul(g, dout[0], silu_slope(g, n->in[0]));
    return true;
}

RULE(reshape)
{
    if (want[0])
        din[0] = eai_reshape(g, dout[0], n->in[0]->shape);
    return true;
}

RULE(permute)
{
    int back[EAI_MAX_DIMS];
    for (int i = 0; i < n->in[0]->shape.n_dims; i++)
        back[n->params.permute.axes[i]] = i;
    if (want[0])
        din[0] = eai_permute(g, dout[0], back);
    return true;
}

RULE(broadcast_to)
{
    if (want[0])
        din[0] = to_input(g, n, 0, dout[0]);
    return true;
}

RULE(sum)
{
    const eai_shape *x = &n->in[0]->shape;
    eai_shape kept = *x;
    for (int i = 0; i < kept.n_dims; i++) {
        if (n->params.sum.axes & (1u << i))
            kept.dim[i] = 1;
    }
    if (want[0])
        din[0] = eai_broadcast_to(g, eai_reshape(g, dout[0], kept), *x);
    return true;
}

/* All dimensions but the last folded into one. */
static eai_tensor *flatten(eai_graph *g, eai_tensor *t)
{
    if (!t || t->shape.n_dims == 2)
        return t;
    int64_t cols = t->shape.dim[t->shape.n_dims - 1];
    return eai_reshape(g, t, EAI_SHAPE2(cols ? eai_shape_elements(&t->shape) / cols : 0, cols));
}

/* y = alpha A B with A = op(a), B = op(b):  d(A) = alpha dy B^T,  d(B) = alpha A^T dy; where the
 * stored matrix is the transpose, so is its gradient. */
RULE(matmul)
{
    bool ta = n->params.matmul.trans_a;
    bool tb = n->params.matmul.trans_b;
    double alpha = n->params.matmul.alpha;
    eai_tensor *a = n->in[0];
    eai_tensor *b = n->in[1];
    eai_tensor *dy = dout[0];

    if (want[0])
        din[0] = ta ? eai_matmul(g, b, dy, (eai_matmul_opts){tb, true, alpha})
                    : eai_matmul(g, dy, b, (eai_matmul_opts){false, !tb, alpha});
    if (want[1]) {
        if (b->shape.n_dims == 2) { /* one right side for the whole batch: the rows of a add up */
            a = flatten(g, a);
            dy = flatten(g, dy);
        }
        din[1] = tb ? eai_matmul(g, dy, a, (eai_matmul_opts){true, ta, alpha})
                    : eai_matmul(g, a, dy, (eai_matmul_opts){!ta, false, alpha});
    }
    return true;
}

RULE(gather_rows)
{
    if (want[0])
        din[0] = eai_scatter_rows(g, dout[0], n->in[1], n->in[0]->shape.dim[0]);
    return true;
}

RULE(scatter_rows)
{
    if (want[0])
        din[0] = eai_gather_rows(g, dout[0], n->in[1]);
    return true;
}

static eai_tensor *sum_last(eai_graph *g, eai_tensor *x)
{
    return x ? eai_sum(g, x, 1u << (x->shape.n_dims - 1), true) : NULL;
}

/* y (dy - sum(dy y)) */
RULE(softmax)
{
    if (want[0]) {
        eai_tensor *mean = sum_last(g, eai_mul(g, dout[0], n->out[0]));
        din[0] = eai_mul(g, n->out[0], eai_sub(g, dout[0], mean));
    }
    return true;
}

/* dy - softmax(x) sum(dy) */
RULE(log_softmax)
{
    if (want[0]) {
        eai_tensor *p = eai_exp(g, n->out[0]);
        din[0] = eai_sub(g, dout[0], eai_mul(g, p, sum_last(g, dout[0])));
    }
    return true;
}

RULE(rms_norm)
{
    eai_tensor *x = n->in[0];
    if (want[0]) {
        eai_tensor *in[] = {x, n->in[1], dout[0]};
        eai_node *d =
            dout[0] ? graph__add_node(g, EAI_OP_RMS_NORM_GRAD, in, 3, &n->params, NULL, EAI_F32)
                    : NULL;
        din[0] = d ? d->out[0] : NULL;
    }
    if (want[1]) { /* d(w) = sum over rows of dy * x / rms */
        double width = (double)x->shape.dim[x->shape.n_dims - 1];
        eai_tensor *mean =
            eai_affine(g, sum_last(g, eai_mul(g, x, x)), 1 / width, n->params.norm.eps);
        eai_tensor *unit = eai_mul(g, x, eai_power(g, mean, -0.5));
        din[1] = to_input(g, n, 1, eai_mul(g, dout[0], unit));
    }
    return true;
}

RULE(swiglu)
{
    eai_tensor *in[] = {n->in[0], n->in[1], dout[0]};
    eai_node *d =
        dout[0] ? graph__add_node(g, EAI_OP_SWIGLU_GRAD, in, 3, NULL, NULL, EAI_F32) : NULL;
    for (int i = 0; i < 2; i++) {
        if (want[i])
            din[i] = d ? d->out[i] : NULL;
    }
    return true;
}

/* A rotation: its transpose is the rotation back. */
RULE(rope)
{
    if (want[0]) {
        eai_tensor *in[] = {dout[0], n->in[1], n->n_in == 3 ? n->in[2] : NULL};
        eai_op_params p = n->params;
        p.rope.inverse = !p.rope.inverse;
        eai_node *d =
            dout[0] ? graph__add_node(g, EAI_OP_ROPE, in, n->n_in, &p, NULL, EAI_F32) : NULL;
        din[0] = d ? d->out[0] : NULL;
    }
    return true;
}

RULE(attention)
{
    if (dout[1]) /* someone differentiates the log-sum-exp */
        return false;
    eai_tensor *in[] = {n->in[0], n->in[1],  n->in[2],  n->in[3],
                        n->in[4], n->out[0], n->out[1], dout[0]};
    eai_node *d = graph__add_node(g, EAI_OP_ATTENTION_GRAD, in, 8, &n->params, NULL, EAI_F32);
    for (int i = 0; i < 3; i++) {
        if (want[i])
            din[i] = d ? d->out[i] : NULL;
    }
    return true;
}

/* The forward step has left d nll / d h in out[1]. */
RULE(linear_ce)
{
    if (dout[1] || want[1])
        return false;
    if (want[0]) {
        eai_tensor *rows = eai_reshape(g, dout[0], EAI_SHAPE2(n->in[0]->shape.dim[0], 1));
        din[0] = eai_mul(g, n->out[1], rows);
    }
    return true;
}

RULE(dropout)
{
    if (want[0])
        din[0] = eai_dropout(g, dout[0], n->in[1], n->params.dropout.p, n->params.dropout.stream);
    return true;
}
