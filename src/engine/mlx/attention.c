/* Attention over intervals and its gradient.
 *
 * Intervals are known before the run (inputs), so keys that no query sees are cut off: a cache of
 * which little is filled costs what is filled, and what lies beyond may be no number. MLX's fused
 * attention is told "causal" where the intervals are, nothing where all keys are seen, else it gets
 * a mask. */
#include "engine/mlx/kernels.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"

/* A step's shapes, and the keys that are seen at all: first .. last - 1. */
typedef struct view {
    int64_t n_queries, n_heads, n_kv_heads, width;
    int64_t first, last;
    bool all;    /* every query sees all of them */
    bool causal; /* query t sees all but the last n_queries - 1 - t */
    bool empty;  /* some query sees none */
    mlx_array *start, *end;
} view;

static bool look(view *v, mlx_backend *b, const eai_step *s)
{
    const int32_t *start = mlx__in_integers(b, 3);
    const int32_t *end = mlx__in_integers(b, 4);
    int64_t n_keys = s->in[1].shape.dim[0];

    if (!start || !end)
        return false;
    memset(v, 0, sizeof(*v));
    v->n_queries = s->in[0].shape.dim[0];
    v->n_heads = s->in[0].shape.dim[1];
    v->n_kv_heads = s->in[1].shape.dim[1];
    v->width = s->in[0].shape.dim[2];
    v->first = n_keys;
    for (int64_t t = 0; t < v->n_queries; t++) {
        int64_t from = start[t] > 0 ? start[t] : 0;
        int64_t to = end[t] < n_keys ? end[t] : n_keys;
        if (from >= to) {
            v->empty = true;
            continue;
        }
        v->first = from < v->first ? from : v->first;
        v->last = to > v->last ? to : v->last;
    }
    v->all = v->causal = !v->empty;
    for (int64_t t = 0; t < v->n_queries; t++) {
        bool from_first = start[t] <= v->first;
        v->all = v->all && from_first && end[t] >= v->last;
        v->causal = v->causal && from_first && end[t] == v->last - (v->n_queries - 1 - t);
    }
    v->start = mlx__in(b, s, 3);
    v->end = mlx__in(b, s, 4);
    return true;
}

static int64_t count_keys(const view *v)
{
    return v->last - v->first;
}

/* x [T, H, D] as [Hkv, H / Hkv, T, D]: the heads that share keys side by side. */
static mlx_array *by_head(mlx_backend *b, mlx_array *x, int64_t n, int64_t kv, int64_t group,
                          int64_t width)
{
    static const int order[] = {1, 2, 0, 3};
    return MLX(transpose, MLX(reshape, x, &EAI_SHAPE4(n, kv, group, width)), order);
}

/* And back. */
static mlx_array *by_row(mlx_backend *b, mlx_array *x, int64_t n, int64_t heads, int64_t width)
{
    static const int order[] = {2, 0, 1, 3};
    return MLX(reshape, MLX(transpose, x, order), &EAI_SHAPE3(n, heads, width));
}

static mlx_array *queries(mlx_backend *b, const view *v, mlx_array *x)
{
    return by_head(b, x, v->n_queries, v->n_kv_heads, v->n_heads / v->n_kv_heads, v->width);
}

/* The keys (or values) that are seen, [Hkv, 1, Tk, D]. */
static mlx_array *keys(mlx_backend *b, const view *v, mlx_array *x)
{
    mlx_array *seen = MLX(slice, x, 0, v->first, v->last);
    return by_head(b, seen, count_keys(v), v->n_kv_heads, 1, v->width);
}

/* [Tq, Tk], or NULL where every query sees every key. */
static mlx_array *find_mask(mlx_backend *b, const view *v)
{
    return v->all ? NULL : mlx__inside(b, v->start, v->end, v->n_queries, v->first, count_keys(v));
}

/* scale q k^T, -inf outside of the mask: [Hkv, group, Tq, Tk] */
static mlx_array *find_scores(mlx_backend *b, mlx_array *q, mlx_array *k, double scale,
                              mlx_array *mask)
{
    mlx_array *scores = MLX(matmul, mlx__scaled(b, q, scale), mlx__swap_last(b, k));
    return mask ? MLX(where, mask, scores, mlx__number(b, -HUGE_VAL)) : scores;
}

/* x [.., Tq, n] with zeros for queries that see nothing. */
static mlx_array *without_empty(mlx_backend *b, const view *v, mlx_array *x)
{
    if (!v->empty)
        return x;
    int64_t keys = v->last;
    mlx_array *zero = MLX(scalar, 0, MLX_I32);
    mlx_array *from = MLX(binary, MLX_MAXIMUM, v->start, zero);
    mlx_array *to = MLX(binary, MLX_MINIMUM, v->end, MLX(scalar, (double)keys, MLX_I32));
    mlx_array *sees = MLX(reshape, MLX(binary, MLX_LESS, from, to), &EAI_SHAPE2(v->n_queries, 1));
    return MLX(where, sees, x, mlx__number(b, 0));
}

/* Where nothing is seen by any query. */
static void put_nothing(mlx_backend *b, const eai_step *s)
{
    for (int j = 0; j < s->n_out; j++) {
        bool lse = s->op == EAI_OP_ATTENTION && j == 1;
        if (mlx__is_wanted(s, j))
            mlx__put(b, s, j, MLX(full, lse ? -HUGE_VAL : 0, MLX_F32, &s->out[j].shape));
    }
}

/* log sum exp of the scores, [H, Tq]; -inf where nothing is seen. Computed only if somebody reads
 * it: the gradient below does not. */
static mlx_array *find_lse(mlx_backend *b, const view *v, mlx_array *scores)
{
    mlx_array *masked;
    mlx_array *finite = mlx__unmasked(b, scores, &masked);
    mlx_array *lse = MLX(where, masked, mlx__number(b, -HUGE_VAL), MLX(logsumexp_last, finite));
    return MLX(reshape, lse, &EAI_SHAPE2(v->n_heads, v->n_queries));
}

void mlx_op_attention(mlx_backend *b, const eai_step *s)
{
    double scale = s->params.attention.scale;
    view v;
    if (!look(&v, b, s))
        return;
    if (count_keys(&v) <= 0) {
        put_nothing(b, s);
        return;
    }
    mlx_array *q = queries(b, &v, mlx__in(b, s, 0));
    mlx_array *k = keys(b, &v, mlx__in(b, s, 1));
    mlx_array *x = keys(b, &v, mlx__in(b, s, 2));
    mlx_array *mask = find_mask(b, &v);
    const eai_shape heads = EAI_SHAPE4(1, v.n_heads, v.n_queries, v.width);
    const eai_shape kv_heads = EAI_SHAPE4(1, v.n_kv_heads, count_keys(&v), v.width);
    mlx_array *y = MLX(attention, MLX(reshape, q, &heads), MLX(reshape, k, &kv_heads),
                       MLX(reshape, x, &kv_heads), scale, v.causal, v.causal ? NULL : mask);
    const eai_shape grouped =
        EAI_SHAPE4(v.n_kv_heads, v.n_heads / v.n_kv_heads, v.n_queries, v.width);
    y = without_empty(b, &v, MLX(reshape, y, &grouped));
    mlx__put(b, s, 0, by_row(b, y, v.n_queries, v.n_heads, v.width));
    if (mlx__is_wanted(s, 1))
        mlx__put(b, s, 1, find_lse(b, &v, find_scores(b, q, k, scale, mask)));
}

/* x [Tk, Hkv, D] of the keys that are seen, among zeros for the others. */
static mlx_array *among_all(mlx_backend *b, const view *v, mlx_array *x, const eai_shape *shape)
{
    if (count_keys(v) == shape->dim[0])
        return x;
    return MLX(put_rows, MLX(full, 0, MLX_F32, shape), x, v->first);
}

/* The sum over the heads that share a key, [Tk, Hkv, D]: a^T b for a [Hkv, group, Tq, Tk]. */
static mlx_array *sum_over_queries(mlx_backend *b, const view *v, mlx_array *x, mlx_array *y)
{
    mlx_array *products = MLX(matmul, mlx__swap_last(b, x), y);
    mlx_array *sums = MLX(sum, products, 1u << 1, true);
    return by_row(b, sums, count_keys(v), v->n_kv_heads, v->width);
}

/* p = softmax(scores), dp = dout v^T, ds = p (dp - dout . out); dq = scale ds k, dk = scale ds^T q,
 * dv = p^T dout (Dao et al. 2022, appendix B). */
void mlx_op_attention_grad(mlx_backend *b, const eai_step *s)
{
    double scale = s->params.attention.scale;
    view v;
    if (!look(&v, b, s))
        return;
    if (count_keys(&v) <= 0) {
        put_nothing(b, s);
        return;
    }
    mlx_array *q = queries(b, &v, mlx__in(b, s, 0));
    mlx_array *k = keys(b, &v, mlx__in(b, s, 1));
    mlx_array *x = keys(b, &v, mlx__in(b, s, 2));
    mlx_array *out = queries(b, &v, mlx__in(b, s, 5));
    mlx_array *dout = queries(b, &v, mlx__in(b, s, 7));
    mlx_array *scores = find_scores(b, q, k, scale, find_mask(b, &v));
    scores = without_empty(b, &v, scores); /* a softmax of nothing is no number */
    mlx_array *p = without_empty(b, &v, MLX(softmax_last, scores));
    if (mlx__is_wanted(s, 2))
        mlx__put(b, s, 2, among_all(b, &v, sum_over_queries(b, &v, p, dout), &s->out[2].shape));
    if (!mlx__is_wanted(s, 0) && !mlx__is_wanted(s, 1))
        return;
    mlx_array *delta = MLX(sum, mlx__mul(b, dout, out), 1u << 3, true);
    mlx_array *dp = MLX(matmul, dout, mlx__swap_last(b, x));
    mlx_array *ds = mlx__mul(b, mlx__scaled(b, p, scale), mlx__sub(b, dp, delta));
    if (mlx__is_wanted(s, 0))
        mlx__put(b, s, 0, by_row(b, MLX(matmul, ds, k), v.n_queries, v.n_heads, v.width));
    if (mlx__is_wanted(s, 1))
        mlx__put(b, s, 1, among_all(b, &v, sum_over_queries(b, &v, ds, q), &s->out[1].shape));
}
