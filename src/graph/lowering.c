/* Lowerings: fused operations spelled out in simple ones.
 *
 * Three uses: gradients of operations that have no rule of their own (second derivatives), backends
 * that lack a kernel, and tests that compare the two spellings. Clarity and correct derivatives
 * matter here, not speed: attention's lowering holds the whole score matrix, the loss's all logits.
 */
#include "graph/lowering.h"

static eai_tensor *sum_last(eai_graph *g, eai_tensor *x)
{
    return x ? eai_sum(g, x, 1u << (x->shape.n_dims - 1), true) : NULL;
}

/* 1 / sqrt(mean(x^2) + eps), [.., 1] */
static eai_tensor *inverse_rms(eai_graph *g, eai_tensor *x, double eps)
{
    double width = (double)x->shape.dim[x->shape.n_dims - 1];
    eai_tensor *mean = eai_affine(g, sum_last(g, eai_mul(g, x, x)), 1 / width, eps);
    return eai_power(g, mean, -0.5);
}

void lower_rms_norm(eai_graph *g, const eai_node *n, eai_tensor **out)
{
    eai_tensor *r = inverse_rms(g, n->in[0], n->params.norm.eps);
    out[0] = eai_mul(g, eai_mul(g, n->in[0], r), n->in[1]);
}

/* With r = 1/rms and s = dy * w:  d(x) = r s - x r^3 mean(s x) */
void lower_rms_norm_grad(eai_graph *g, const eai_node *n, eai_tensor **out)
{
    eai_tensor *x = n->in[0];
    eai_tensor *r = inverse_rms(g, x, n->params.norm.eps);
    eai_tensor *s = eai_mul(g, n->in[2], n->in[1]);
    double width = (double)x->shape.dim[x->shape.n_dims - 1];
    eai_tensor *mean = eai_scale(g, sum_last(g, eai_mul(g, s, x)), 1 / width);
    eai_tensor *r3 = eai_mul(g, eai_mul(g, r, r), r);
    out[0] = eai_sub(g, eai_mul(g, s, r), eai_mul(g, x, eai_mul(g, r3, mean)));
}

void lower_swiglu(eai_graph *g, const eai_node *n, eai_tensor **out)
{
    out[0] = eai_mul(g, eai_silu(g, n->in[0]), n->in[1]);
}

/* d(gate) = dy up s (1 + gate (1 - s)),  d(up) = dy gate s,  s = sigmoid(gate) */
void lower_swiglu_grad(eai_graph *g, const eai_node *n, eai_tensor **out)
{
    eai_tensor *gate = n->in[0];
    eai_tensor *s = eai_sigmoid(g, gate);
    eai_tensor *t = eai_affine(g, eai_mul(g, gate, eai_affine(g, s, -1, 1)), 1, 1);
    out[0] = eai_mul(g, eai_mul(g, n->in[2], n->in[1]), eai_mul(g, s, t));
    out[1] = eai_mul(g, n->in[2], eai_mul(g, gate, s));
}

/* [T, Hkv, D] -> [H, T, D], each key head repeated for its group of query heads */
static eai_tensor *heads_first(eai_graph *g, eai_tensor *x, int64_t n_heads)
{
    const int axes[] = {1, 0, 2};
    if (!x)
        return NULL;
    int64_t rows = x->shape.dim[0];
    int64_t own = x->shape.dim[1];
    int64_t width = x->shape.dim[2];
    eai_tensor *t = eai_permute(g, x, axes);
    if (own == n_heads)
        return t;
    t = eai_reshape(g, t, EAI_SHAPE4(own, 1, rows, width));
    t = eai_broadcast_to(g, t, EAI_SHAPE4(own, n_heads / own, rows, width));
    return eai_reshape(g, t, EAI_SHAPE3(n_heads, rows, width));
}

/* The reverse: [H, T, D] -> [T, Hkv, D], groups added up */
static eai_tensor *heads_back(eai_graph *g, eai_tensor *x, int64_t own)
{
    const int axes[] = {1, 0, 2};
    if (!x)
        return NULL;
    int64_t n_heads = x->shape.dim[0];
    int64_t rows = x->shape.dim[1];
    int64_t width = x->shape.dim[2];
    if (own != n_heads) {
        x = eai_reshape(g, x, EAI_SHAPE4(own, n_heads / own, rows, width));
        x = x ? eai_sum(g, x, 1u << 1, false) : NULL;
    }
    return x ? eai_permute(g, x, axes) : NULL;
}

/* Masked scores [H, Tq, Tk] */
static eai_tensor *scores(eai_graph *g, const eai_node *n, eai_tensor *q, eai_tensor *k)
{
    eai_tensor *s = eai_matmul(g, q, k, (eai_matmul_opts){false, true, n->params.attention.scale});
    eai_tensor *mask = eai_interval_mask(g, n->in[3], n->in[4], n->in[1]->shape.dim[0]);
    return eai_add(g, s, mask);
}

void lower_attention(eai_graph *g, const eai_node *n, eai_tensor **out)
{
    int64_t n_heads = n->in[0]->shape.dim[1];
    eai_tensor *q = heads_first(g, n->in[0], n_heads);
    eai_tensor *k = heads_first(g, n->in[1], n_heads);
    eai_tensor *v = heads_first(g, n->in[2], n_heads);
    eai_tensor *s = scores(g, n, q, k);
    eai_tensor *p = eai_softmax(g, s);
    out[0] = heads_back(g, eai_matmul(g, p, v, EAI_MATMUL_OPTS_INIT), n_heads);
    out[1] = s ? eai_log(g, eai_sum(g, eai_exp(g, s), 1u << 2, false)) : NULL;
}

/* The probabilities are made again from q and k, not from out and lse: the derivative of this
 * spelling by q, k, v and dout is then the whole derivative. */
void lower_attention_grad(eai_graph *g, const eai_node *n, eai_tensor **out)
{
    int64_t n_heads = n->in[0]->shape.dim[1];
    int64_t own = n->in[1]->shape.dim[1];
    double scale = n->params.attention.scale;
    eai_tensor *q = heads_first(g, n->in[0], n_heads);
    eai_tensor *k = heads_first(g, n->in[1], n_heads);
    eai_tensor *v = heads_first(g, n->in[2], n_heads);
    eai_tensor *dy = heads_first(g, n->in[7], n_heads);
    eai_tensor *p = eai_softmax(g, scores(g, n, q, k));
    eai_tensor *dp = eai_matmul(g, dy, v, (eai_matmul_opts){false, true, 1});
    eai_tensor *ds = eai_mul(g, p, eai_sub(g, dp, sum_last(g, eai_mul(g, dp, p))));

    out[0] = heads_back(g, eai_matmul(g, ds, k, (eai_matmul_opts){false, false, scale}), n_heads);
    out[1] = heads_back(g, eai_matmul(g, ds, q, (eai_matmul_opts){true, false, scale}), own);
    out[2] = heads_back(g, eai_matmul(g, p, dy, (eai_matmul_opts){true, false, 1}), own);
}

/* nll = lse - logit[target]. The target's logit is h . w[target]; the log-sum-exp is the same in
 * every column of logits - log_softmax(logits), so the mean over columns is it, with the right
 * derivative. Looking targets up in a table of ones gives 1 for valid and 0 for ignored ones. */
void lower_linear_ce(eai_graph *g, const eai_node *n, eai_tensor **out)
{
    eai_tensor *h = n->in[0];
    eai_tensor *w = n->in[1];
    eai_tensor *targets = n->in[2];
    int64_t rows = h->shape.dim[0];
    int64_t vocab = w->shape.dim[0];
    eai_tensor *logits = eai_linear(g, h, w);
    eai_tensor *log_p = eai_log_softmax(g, logits);
    eai_tensor *lse = eai_scale(g, sum_last(g, eai_sub(g, logits, log_p)), 1 / (double)vocab);
    eai_tensor *w_target = eai_gather_rows(g, w, targets);
    eai_tensor *valid = eai_gather_rows(g, eai_fill(g, EAI_SHAPE2(vocab, 1), 1), targets);
    eai_tensor *nll = eai_mul(g, valid, eai_sub(g, lse, sum_last(g, eai_mul(g, h, w_target))));
    eai_tensor *expected = eai_matmul(g, eai_exp(g, log_p), w, EAI_MATMUL_OPTS_INIT);

    out[0] = eai_reshape(g, nll, EAI_SHAPE1(rows));
    out[1] = eai_mul(g, valid, eai_sub(g, expected, w_target));
}
