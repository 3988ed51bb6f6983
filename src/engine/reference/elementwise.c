/* Elementwise operations: each is one line of arithmetic on numbers, and `map_elements` applies it
 * under NumPy's broadcasting. A fused chain is the same lines, one after another, for one element
 * at a time. */
#include <math.h>

#include "engine/reference/kernels.h"

#include "base/banned.h"

/* What an operation does to numbers; one-operand operations ignore b. */
typedef double rule(double a, double b, const eai_op_params *p);

/* out[i] = f(a[i], b[i]) */
static void map_elements(const eai_step *s, rule *f)
{
    const eai_operand *out = &s->out[0];
    const eai_operand *a = &s->in[0];
    const eai_operand *b = s->n_in > 1 ? &s->in[1] : NULL;
    int64_t n = eai_shape_elements(&out->shape);

    for (int64_t i = 0; i < n; i++) {
        double x = reference__get(a, reference__broadcast_index(&out->shape, i, &a->shape));
        double y = 0;
        if (b)
            y = reference__get(b, reference__broadcast_index(&out->shape, i, &b->shape));
        reference__set(out, i, f(x, y, &s->params));
    }
}

/* clang-format off */
#define ELEMENTWISE(name, value)                                                                   \
    static double name##_rule(double a, double b, const eai_op_params *p)                          \
    {                                                                                              \
        (void)a;                                                                                   \
        (void)b;                                                                                   \
        (void)p;                                                                                   \
        return value;                                                                              \
    }                                                                                              \
    void reference_##name(const eai_step *s, double *scratch)                                      \
    {                                                                                              \
        (void)scratch;                                                                             \
        map_elements(s, name##_rule);                                                              \
    }

ELEMENTWISE(add, a + b)
ELEMENTWISE(sub, a - b)
ELEMENTWISE(mul, a * b)
ELEMENTWISE(div, a / b)
/* A NaN in either operand gives NaN: a maximum must not hide that something went wrong. */
ELEMENTWISE(maximum, a > b || isnan(a) ? a : b)
ELEMENTWISE(minimum, a < b || isnan(a) ? a : b)
ELEMENTWISE(greater, a > b ? 1.0 : 0.0)
ELEMENTWISE(affine, p->affine.scale * a + p->affine.offset)
ELEMENTWISE(power, pow(a, p->power.exponent))
ELEMENTWISE(exp, exp(a))
ELEMENTWISE(log, log(a))
ELEMENTWISE(sigmoid, 1.0 / (1.0 + exp(-a)))
ELEMENTWISE(tanh, tanh(a))
ELEMENTWISE(silu, a / (1.0 + exp(-a)))
/* clang-format on */

static rule *const rules[EAI_OP_COUNT] = {
    [EAI_OP_ADD] = add_rule,         [EAI_OP_SUB] = sub_rule,
    [EAI_OP_MUL] = mul_rule,         [EAI_OP_DIV] = div_rule,
    [EAI_OP_MAXIMUM] = maximum_rule, [EAI_OP_MINIMUM] = minimum_rule,
    [EAI_OP_GREATER] = greater_rule, [EAI_OP_AFFINE] = affine_rule,
    [EAI_OP_POWER] = power_rule,     [EAI_OP_EXP] = exp_rule,
    [EAI_OP_LOG] = log_rule,         [EAI_OP_SIGMOID] = sigmoid_rule,
    [EAI_OP_TANH] = tanh_rule,       [EAI_OP_SILU] = silu_rule,
};

void reference_convert(const eai_step *s, double *scratch)
{
    int64_t n = eai_shape_elements(&s->out[0].shape);
    (void)scratch;
    for (int64_t i = 0; i < n; i++)
        reference__set(&s->out[0], i, reference__get(&s->in[0], i));
}

/* A chain made by a planner. Values 0 .. n_in-1 are the inputs, n_in + i the result of instruction
 * i; the last result is the output. The reference backend asks for no fusing, but defines what it
 * means. */
void reference_fused(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_operand *out = &s->out[0];
    int64_t n = eai_shape_elements(&out->shape);
    double values[EAI_MAX_INPUTS + EAI_FUSED_MAX];

    for (int64_t i = 0; i < n; i++) {
        for (int k = 0; k < s->n_in; k++)
            values[k] = reference__get(&s->in[k], eai_shape_elements(&s->in[k].shape) == 1 ? 0 : i);
        for (int k = 0; k < s->fused->n; k++) {
            const eai_fused_instruction *c = &s->fused->code[k];
            double b = c->b >= 0 ? values[c->b] : 0;
            values[s->n_in + k] = rules[c->op](values[c->a], b, &c->params);
        }
        reference__set(out, i, values[s->n_in + s->fused->n - 1]);
    }
}
