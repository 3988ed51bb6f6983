/* Attention over intervals and its gradient, one query and one key at a time.
 *
 * Query t of head h attends to keys start[t] <= j < end[t] of key/value head h / (H / Hkv) (grouped
 * queries, Ainslie et al. 2023):
 *     p_j = exp(scale q.k_j - lse),  lse = log sum_j exp(scale q.k_j),  out = sum_j p_j v_j
 * Gradient, with dp_j = dout.v_j and delta = sum_j p_j dp_j = dout.out (Dao et al. 2022, appendix
 * B): dv_j += p_j dout,   ds_j = p_j (dp_j - delta),   dq += scale ds_j k_j,   dk_j += scale ds_j q
 * An empty interval gives out = 0, lse = -inf and no gradient. */
#include <math.h>

#include "engine/reference/kernels.h"

#include "base/banned.h"

/* The shapes of a step: q [Tq, H, D], k and v [Tk, Hkv, D], lse [H, Tq]. */
typedef struct sizes {
    int64_t n_queries, n_keys, n_heads, n_kv_heads, width;
} sizes;

static sizes get_sizes(const eai_step *s)
{
    const eai_shape *q = &s->in[0].shape;
    const eai_shape *k = &s->in[1].shape;
    return (sizes){q->dim[0], k->dim[0], q->dim[1], k->dim[1], q->dim[2]};
}

static double dot(const eai_operand *a, int64_t at_a, const eai_operand *b, int64_t at_b, int64_t n)
{
    double total = 0;
    for (int64_t d = 0; d < n; d++)
        total += reference__get(a, at_a + d) * reference__get(b, at_b + d);
    return total;
}

static bool is_inside(const eai_step *s, int64_t t, int64_t j)
{
    return (double)j >= reference__get(&s->in[3], t) && (double)j < reference__get(&s->in[4], t);
}

/* scores[j] = scale q.k_j, -inf outside of the interval; returns the largest. */
static double score_keys(const eai_step *s, const sizes *z, int64_t t, int64_t h, double *scores)
{
    int64_t kv_head = h / (z->n_heads / z->n_kv_heads);
    double largest = -HUGE_VAL;
    for (int64_t j = 0; j < z->n_keys; j++) {
        scores[j] = -HUGE_VAL;
        if (is_inside(s, t, j))
            scores[j] = s->params.attention.scale *
                        dot(&s->in[0], (t * z->n_heads + h) * z->width, &s->in[1],
                            (j * z->n_kv_heads + kv_head) * z->width, z->width);
        largest = fmax(largest, scores[j]);
    }
    return largest;
}

/* One query of one head; p [Tk] becomes its probabilities. */
static void attend(const eai_step *s, const sizes *z, int64_t t, int64_t h, double *p)
{
    int64_t kv_head = h / (z->n_heads / z->n_kv_heads);
    double largest = score_keys(s, z, t, h, p);
    bool empty = isinf(largest) && largest < 0;
    double total = 0;

    for (int64_t j = 0; j < z->n_keys; j++) {
        p[j] = empty ? 0 : exp(p[j] - largest);
        total += p[j];
    }
    for (int64_t d = 0; d < z->width; d++) {
        double value = 0;
        for (int64_t j = 0; j < z->n_keys; j++)
            if (p[j] != 0) /* what lies outside may be no number */
                value += p[j] / total *
                         reference__get(&s->in[2], (j * z->n_kv_heads + kv_head) * z->width + d);
        reference__set(&s->out[0], (t * z->n_heads + h) * z->width + d, value);
    }
    if (s->out[1].data)
        reference__set(&s->out[1], h * z->n_queries + t, empty ? -HUGE_VAL : largest + log(total));
}

void reference_attention(const eai_step *s, double *scratch)
{
    sizes z = get_sizes(s);
    for (int64_t t = 0; t < z.n_queries; t++)
        for (int64_t h = 0; h < z.n_heads; h++)
            attend(s, &z, t, h, scratch);
}

/* p and ds of query t, head h, key j. */
static void differentiate_pair(const eai_step *s, const sizes *z, int64_t t, int64_t h, int64_t j,
                               double *p, double *ds)
{
    const eai_operand *q = &s->in[0];
    const eai_operand *k = &s->in[1];
    const eai_operand *v = &s->in[2];
    const eai_operand *out = &s->in[5];
    const eai_operand *lse = &s->in[6];
    const eai_operand *dout = &s->in[7];
    int64_t at_q = (t * z->n_heads + h) * z->width;
    int64_t at_k = (j * z->n_kv_heads + h / (z->n_heads / z->n_kv_heads)) * z->width;

    *p = 0;
    *ds = 0;
    if (!is_inside(s, t, j))
        return;
    double score = s->params.attention.scale * dot(q, at_q, k, at_k, z->width);
    *p = exp(score - reference__get(lse, h * z->n_queries + t));
    *ds = *p * (dot(dout, at_q, v, at_k, z->width) - dot(dout, at_q, out, at_q, z->width));
}

static void add_row(double *sum, double factor, const eai_operand *x, int64_t at, int64_t n)
{
    for (int64_t d = 0; d < n; d++)
        sum[d] += factor * reference__get(x, at + d);
}

static void clear_row(double *sum, int64_t n)
{
    for (int64_t d = 0; d < n; d++)
        sum[d] = 0;
}

static void put_row(const eai_operand *out, int64_t at, const double *sum, int64_t n)
{
    for (int64_t d = 0; d < n; d++)
        reference__set(out, at + d, sum[d]);
}

/* dq [Tq, H, D]: each query sums over its keys. */
static void find_query_gradient(const eai_step *s, const sizes *z, double *sum)
{
    for (int64_t t = 0; t < z->n_queries; t++) {
        for (int64_t h = 0; h < z->n_heads; h++) {
            int64_t kv_head = h / (z->n_heads / z->n_kv_heads);
            clear_row(sum, z->width);
            for (int64_t j = 0; j < z->n_keys; j++) {
                double p, ds;
                differentiate_pair(s, z, t, h, j, &p, &ds);
                if (ds != 0)
                    add_row(sum, s->params.attention.scale * ds, &s->in[1],
                            (j * z->n_kv_heads + kv_head) * z->width, z->width);
            }
            put_row(&s->out[0], (t * z->n_heads + h) * z->width, sum, z->width);
        }
    }
}

/* dk (of_keys) or dv [Tk, Hkv, D]: each key sums over the queries of all heads that share it. */
static void find_key_gradient(const eai_step *s, const sizes *z, bool of_keys, double *sum)
{
    int64_t group = z->n_heads / z->n_kv_heads;
    for (int64_t j = 0; j < z->n_keys; j++) {
        for (int64_t kv_head = 0; kv_head < z->n_kv_heads; kv_head++) {
            clear_row(sum, z->width);
            for (int64_t h = kv_head * group; h < (kv_head + 1) * group; h++) {
                for (int64_t t = 0; t < z->n_queries; t++) {
                    double p, ds;
                    differentiate_pair(s, z, t, h, j, &p, &ds);
                    double factor = of_keys ? s->params.attention.scale * ds : p;
                    if (factor != 0)
                        add_row(sum, factor, of_keys ? &s->in[0] : &s->in[7],
                                (t * z->n_heads + h) * z->width, z->width);
                }
            }
            put_row(&s->out[of_keys ? 1 : 2], (j * z->n_kv_heads + kv_head) * z->width, sum,
                    z->width);
        }
    }
}

void reference_attention_grad(const eai_step *s, double *scratch)
{
    sizes z = get_sizes(s);
    if (s->out[0].data)
        find_query_gradient(s, &z, scratch);
    if (s->out[1].data)
        find_key_gradient(s, &z, true, scratch);
    if (s->out[2].data)
        find_key_gradient(s, &z, false, scratch);
}
