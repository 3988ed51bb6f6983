/* The layers of networks: softmax, normalisation, gated units, rotary positions, dropout. Forward
 * and gradient stand next to each other. */
#include <math.h>

#include <efficientai/rng.h>

#include "engine/reference/kernels.h"

#include "base/banned.h"

/* Largest of n elements from `at`; -inf for none. */
static double find_largest(const eai_operand *x, int64_t at, int64_t n)
{
    double largest = -HUGE_VAL;
    for (int64_t i = 0; i < n; i++) {
        double value = reference__get(x, at + i);
        if (value > largest || isnan(value))
            largest = value;
    }
    return largest;
}

/* Sum of exp(x - shift) over a row. */
static double sum_exp(const eai_operand *x, int64_t at, int64_t n, double shift)
{
    double total = 0;
    for (int64_t i = 0; i < n; i++)
        total += exp(reference__get(x, at + i) - shift);
    return total;
}

/* y_i = exp(x_i) / sum_j exp(x_j) over the last axis. exp overflows, so the row's largest element
 * is subtracted first, which changes nothing in the quotient. Rows that are -inf everywhere (fully
 * masked) give zeros instead of 0/0. */
void reference_softmax(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_operand *x = &s->in[0];
    int64_t n = reference__row_length(&x->shape);
    int64_t rows = reference__rows(&x->shape);

    for (int64_t at = 0; at < rows * n; at += n) {
        double largest = find_largest(x, at, n);
        bool masked = isinf(largest) && largest < 0;
        double total = masked ? 1 : sum_exp(x, at, n, largest);
        for (int64_t i = at; i < at + n; i++)
            reference__set(&s->out[0], i, masked ? 0 : exp(reference__get(x, i) - largest) / total);
    }
}

/* y_i = x_i - log sum_j exp(x_j) over the last axis; fully masked rows stay -inf. */
void reference_log_softmax(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_operand *x = &s->in[0];
    int64_t n = reference__row_length(&x->shape);
    int64_t rows = reference__rows(&x->shape);

    for (int64_t at = 0; at < rows * n; at += n) {
        double largest = find_largest(x, at, n);
        bool masked = isinf(largest) && largest < 0;
        double lse = masked ? 0 : largest + log(sum_exp(x, at, n, largest));
        for (int64_t i = at; i < at + n; i++)
            reference__set(&s->out[0], i, masked ? -HUGE_VAL : reference__get(x, i) - lse);
    }
}

/* 1 / sqrt(mean(x^2) + eps) of a row. */
static double inverse_rms(const eai_operand *x, int64_t at, int64_t n, double eps)
{
    double squares = 0;
    for (int64_t i = at; i < at + n; i++)
        squares += reference__get(x, i) * reference__get(x, i);
    return 1 / sqrt(squares / (double)n + eps);
}

/* y = x * r * w, r = 1 / sqrt(mean(x^2) + eps) over the last axis (Zhang & Sennrich 2019, eq. 4).
 */
void reference_rms_norm(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_operand *x = &s->in[0];
    const eai_operand *w = &s->in[1];
    int64_t n = reference__row_length(&x->shape);
    int64_t rows = reference__rows(&x->shape);

    for (int64_t at = 0; at < rows * n; at += n) {
        double r = inverse_rms(x, at, n, s->params.norm.eps);
        for (int64_t i = 0; i < n; i++)
            reference__set(&s->out[0], at + i,
                           reference__get(x, at + i) * r * reference__get(w, i));
    }
}

/* Its derivative by x. With g = dy * w:  dx = r g - x r^3 mean(g x), because dr/dx_i = -r^3 x_i /
 * n. */
void reference_rms_norm_grad(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_operand *x = &s->in[0];
    const eai_operand *w = &s->in[1];
    const eai_operand *dy = &s->in[2];
    int64_t n = reference__row_length(&x->shape);
    int64_t rows = reference__rows(&x->shape);

    for (int64_t at = 0; at < rows * n; at += n) {
        double r = inverse_rms(x, at, n, s->params.norm.eps);
        double gx = 0; /* mean(g x) */
        for (int64_t i = 0; i < n; i++)
            gx += reference__get(dy, at + i) * reference__get(w, i) * reference__get(x, at + i) /
                  (double)n;
        for (int64_t i = 0; i < n; i++) {
            double g = reference__get(dy, at + i) * reference__get(w, i);
            reference__set(&s->out[0], at + i, r * g - reference__get(x, at + i) * r * r * r * gx);
        }
    }
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* y = gate * sigmoid(gate) * up */
void reference_swiglu(const eai_step *s, double *scratch)
{
    (void)scratch;
    int64_t n = eai_shape_elements(&s->out[0].shape);
    for (int64_t i = 0; i < n; i++) {
        double gate = reference__get(&s->in[0], i);
        double up = reference__get(&s->in[1], i);
        reference__set(&s->out[0], i, gate * sigmoid(gate) * up);
    }
}

/* With p = sigmoid(gate):  dgate = dy up p (1 + gate (1 - p)),  dup = dy gate p. */
void reference_swiglu_grad(const eai_step *s, double *scratch)
{
    (void)scratch;
    int64_t n = eai_shape_elements(&s->in[0].shape);
    for (int64_t i = 0; i < n; i++) {
        double gate = reference__get(&s->in[0], i);
        double up = reference__get(&s->in[1], i);
        double dy = reference__get(&s->in[2], i);
        double p = sigmoid(gate);
        if (s->out[0].data)
            reference__set(&s->out[0], i, dy * up * p * (1 + gate * (1 - p)));
        if (s->out[1].data)
            reference__set(&s->out[1], i, dy * gate * p);
    }
}

/* Rotates the pair (x_i, x_{i + D/2}) of every head by position * theta^(-2i/D) / factors[i],
 * backwards when inverse: that is also the gradient (Su et al. 2021, eq. 34; the pairing of Hugging
 * Face's Llama). x [T, H, D], positions [T], factors [D/2] or none: 1 */
void reference_rope(const eai_step *s, double *scratch)
{
    (void)scratch;
    const eai_operand *x = &s->in[0];
    int64_t n_heads = x->shape.dim[1];
    int64_t width = x->shape.dim[2];
    int64_t half = width / 2;
    int64_t n = x->shape.dim[0] * n_heads * half;

    for (int64_t index = 0; index < n; index++) {
        int64_t i = index % half;
        int64_t head = index / half; /* t * H + h */
        double position = reference__get(&s->in[1], head / n_heads);
        double angle = position * pow(s->params.rope.theta, -2.0 * (double)i / (double)width);
        if (s->n_in == 3)
            angle /= reference__get(&s->in[2], i);
        double c = cos(angle);
        double sn = s->params.rope.inverse ? -sin(angle) : sin(angle);
        double a = reference__get(x, head * width + i);
        double b = reference__get(x, head * width + i + half);
        reference__set(&s->out[0], head * width + i, a * c - b * sn);
        reference__set(&s->out[0], head * width + i + half, b * c + a * sn);
    }
}

/* Element i stays when its random word is at least p * 2^32, and is scaled by 1 / (1 - p). The
 * words are Philox4x32-10's with key = seed and counter = (i / 4, stream): any element's mask can
 * be computed alone, in any order, which makes it the same for every backend and number of threads.
 */
void reference_dropout(const eai_step *s, double *scratch)
{
    (void)scratch;
    int64_t n = eai_shape_elements(&s->out[0].shape);
    double p = s->params.dropout.p;
    uint64_t stream = (uint64_t)s->params.dropout.stream;
    uint32_t key[2] = {(uint32_t)(int32_t)reference__get(&s->in[1], 0),
                       (uint32_t)(int32_t)reference__get(&s->in[1], 1)};

    for (int64_t i = 0; i < n; i++) {
        uint64_t block = (uint64_t)i / 4;
        uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream,
                               (uint32_t)(stream >> 32)};
        uint32_t words[4];
        eai_philox(words, counter, key);
        bool stays = (double)words[i % 4] >= p * 4294967296.0;
        reference__set(&s->out[0], i, stays ? reference__get(&s->in[0], i) / (1 - p) : 0);
    }
}
