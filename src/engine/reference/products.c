/* Matrix products, rows of tables, and the cross-entropy of a product. */
#include <math.h>

#include "engine/reference/kernels.h"

#include "base/banned.h"

/* out = alpha * op(a) op(b) (+ c) for each of the leading dimensions: op(a) [M, K], op(b) [K, N].
 * When b has just two dimensions, all of the leading ones share it. */
void reference_matmul(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_operand *a = &s->in[0];
    const eai_operand *b = &s->in[1];
    const eai_operand *c = s->n_in > 2 ? &s->in[2] : NULL;
    const eai_operand *out = &s->out[0];
    bool trans_a = s->params.matmul.trans_a;
    bool trans_b = s->params.matmul.trans_b;
    int64_t m = out->shape.dim[out->shape.n_dims - 2];
    int64_t n = out->shape.dim[out->shape.n_dims - 1];
    int64_t k = a->shape.dim[a->shape.n_dims - (trans_a ? 2 : 1)];
    int64_t count = eai_shape_elements(&out->shape);

    for (int64_t index = 0; index < count; index++) {
        int64_t batch = index / (m * n);
        int64_t i = index / n % m;
        int64_t j = index % n;
        int64_t a0 = batch * m * k;
        int64_t b0 = b->shape.n_dims > 2 ? batch * k * n : 0;
        double total = 0;
        for (int64_t l = 0; l < k; l++)
            total += reference__get(a, a0 + (trans_a ? l * m + i : i * k + l)) *
                     reference__get(b, b0 + (trans_b ? j * k + l : l * n + j));
        total *= s->params.matmul.alpha;
        if (c)
            total += reference__get(c, index);
        reference__set(out, index, total);
    }
}

/* out[t] = table[ids[t]], zeros where there is no such row. table [V, D], ids [T] -> [T, D] */
void reference_gather_rows(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_operand *table = &s->in[0];
    int64_t n_rows = table->shape.dim[0];
    int64_t width = table->shape.dim[1];
    int64_t n = eai_shape_elements(&s->in[1].shape);

    for (int64_t t = 0; t < n; t++) {
        int64_t id = (int64_t)reference__get(&s->in[1], t);
        bool known = id >= 0 && id < n_rows;
        for (int64_t d = 0; d < width; d++)
            reference__set(&s->out[0], t * width + d,
                           known ? reference__get(table, id * width + d) : 0);
    }
}

/* out = zeros [n, D]; out[ids[t]] += x[t]. x [T, D], ids [T] */
void reference_scatter_rows(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_operand *out = &s->out[0];
    int64_t n_rows = out->shape.dim[0];
    int64_t width = out->shape.dim[1];
    int64_t n = eai_shape_elements(&s->in[1].shape);

    for (int64_t i = 0; i < n_rows * width; i++) {
        double total = 0;
        for (int64_t t = 0; t < n; t++)
            if ((int64_t)reference__get(&s->in[1], t) == i / width)
                total += reference__get(&s->in[0], t * width + i % width);
        reference__set(out, i, total);
    }
}

/* probabilities[v] = softmax(w h_t)[v]; returns the log-sum-exp of the logits. */
static double predict(const eai_operand *h, const eai_operand *w, int64_t t, double *probabilities)
{
    int64_t width = w->shape.dim[1];
    int64_t n_classes = w->shape.dim[0];
    double largest = -HUGE_VAL;
    double total = 0;

    for (int64_t v = 0; v < n_classes; v++) {
        double logit = 0;
        for (int64_t d = 0; d < width; d++)
            logit += reference__get(w, v * width + d) * reference__get(h, t * width + d);
        probabilities[v] = logit;
        largest = fmax(largest, logit);
    }
    for (int64_t v = 0; v < n_classes; v++)
        total += exp(probabilities[v] - largest);
    for (int64_t v = 0; v < n_classes; v++)
        probabilities[v] = exp(probabilities[v] - largest) / total;
    return largest + log(total);
}

/* nll[t] = log sum_v exp(w_v h_t) - w_target h_t
 * dh[t]  = sum_v (softmax_v - [v == target]) w_v, the derivative of nll[t] by h[t].
 * h [T, D], w [V, D], targets [T] -> nll [T], dh [T, D]; rows without a valid target give zeros. */
void reference_linear_ce(const eai_step *s, double *scratch)
{
    const eai_operand *h = &s->in[0];
    const eai_operand *w = &s->in[1];
    int64_t n = h->shape.dim[0];
    int64_t width = h->shape.dim[1];
    int64_t n_classes = w->shape.dim[0];

    for (int64_t t = 0; t < n; t++) {
        int64_t target = (int64_t)reference__get(&s->in[2], t);
        bool valid = target >= 0 && target < n_classes;
        double lse = valid ? predict(h, w, t, scratch) : 0;
        double logit = 0;
        for (int64_t d = 0; valid && d < width; d++)
            logit += reference__get(w, target * width + d) * reference__get(h, t * width + d);
        if (s->out[0].data)
            reference__set(&s->out[0], t, valid ? lse - logit : 0);
        if (!s->out[1].data)
            continue;
        for (int64_t d = 0; d < width; d++) {
            double total = 0;
            for (int64_t v = 0; valid && v < n_classes; v++)
                total += (scratch[v] - (v == target)) * reference__get(w, v * width + d);
            reference__set(&s->out[1], t * width + d, total);
        }
    }
}
