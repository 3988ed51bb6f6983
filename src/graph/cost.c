/* Floating-point operations of a step, for plans and profiles. Upper bounds where data decides
 * (attention over intervals, ignored targets). */
#include "graph/cost.h"

double cost_none(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p)
{
    (void)in, (void)n_in, (void)out, (void)p;
    return 0;
}

double cost_elements(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p)
{
    (void)out, (void)p;
    return n_in ? (double)eai_shape_elements(&in[0]) : 0;
}

double cost_matmul(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p)
{
    int last = in[0].n_dims - (p->matmul.trans_a ? 2 : 1);
    int pair = eai_step_pair(n_in);
    double terms = (double)in[0].dim[last];
    double products = terms * (double)eai_shape_elements(&out[0]);
    if (p->matmul.chained)
        products += terms * (double)eai_shape_elements(&out[1]);
    if (pair > 0) {
        const eai_shape *d = p->matmul.chained ? &out[1] : &in[pair];
        products += (double)d->dim[1] * (double)eai_shape_elements(&out[0]);
    }
    return 2 * products;
}

/* A handful of passes over the row. */
double cost_softmax(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p)
{
    (void)n_in, (void)out, (void)p;
    return 5.0 * (double)eai_shape_elements(&in[0]);
}

/* Two products forward, five backward (n_in tells which). */
double cost_attention(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p)
{
    (void)out, (void)p;
    double products = n_in > 5 ? 5 : 2;
    return products * 2.0 * (double)eai_shape_elements(&in[0]) * (double)in[1].dim[0];
}

/* Logits, and the product back for d nll / d h. */
double cost_linear_ce(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p)
{
    (void)n_in, (void)out, (void)p;
    return 4.0 * (double)eai_shape_elements(&in[0]) * (double)in[1].dim[0];
}

double graph__step_flops(const eai_step *s)
{
    eai_shape in[EAI_MAX_INPUTS];
    eai_shape out[EAI_MAX_OUTPUTS] = {{0}};
    for (int i = 0; i < s->n_in; i++)
        in[i] = s->in[i].shape;
    for (int i = 0; i < s->n_out; i++)
        out[i] = s->out[i].shape;
    return s->fused ? (double)s->fused->n * (double)eai_shape_elements(&out[0])
                    : eai_op_get(s->op)->cost(in, s->n_in, out, &s->params);
}
