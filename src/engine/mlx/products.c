/* Matrix products, rows of tables, and the cross-entropy of a product. */
#include "engine/mlx/kernels.h"

#include "base/banned.h"

/* Logits of so many rows exist at once. */
#define CE_ROWS 512

static int64_t count_rows(const eai_shape *s)
{
    int64_t cols = s->dim[s->n_dims - 1];
    return cols > 0 ? eai_shape_elements(s) / cols : 0;
}

/* x op(w) for input i of the step as w: packed as it is, in halves, or in floats. */
static mlx_array *multiply(mlx_backend *b, const eai_step *s, mlx_array *x, int64_t rows, int i,
                           bool trans)
{
    const mlx_packed *packed = mlx__in_packed(b, s, i);
    if (packed && mlx__multiplies_packed(b, rows))
        return MLX(quantized_matmul, x, packed, trans);
    mlx_array *w = mlx__in_half(b, s, i);
    if (w) {
        mlx_array *y =
            MLX(matmul, MLX(cast, x, b->face->type(w)), trans ? mlx__swap_last(b, w) : w);
        return MLX(cast, y, MLX_F32);
    }
    w = mlx__in(b, s, i);
    return MLX(matmul, x, trans ? mlx__swap_last(b, w) : w);
}

void mlx_op_matmul(mlx_backend *b, const eai_step *s)
{
    double alpha = s->params.matmul.alpha;
    mlx_array *x = mlx__in(b, s, 0);
    if (s->params.matmul.trans_a)
        x = mlx__swap_last(b, x);
    mlx_array *y = multiply(b, s, x, count_rows(&s->out[0].shape), 1, s->params.matmul.trans_b);
    y = mlx__scaled(b, y, alpha);
    if (s->n_in > 2)
        y = mlx__add(b, y, mlx__in(b, s, 2));
    mlx__put(b, s, 0, y);
}

/* ids where they are of 0 .. n - 1, else 0; *valid says which. */
static mlx_array *existing(mlx_backend *b, mlx_array *ids, int64_t n, mlx_array **valid)
{
    mlx_array *zero = MLX(scalar, 0, MLX_I32);
    mlx_array *from = MLX(binary, MLX_GREATER_EQUAL, ids, zero);
    mlx_array *below = MLX(binary, MLX_LESS, ids, MLX(scalar, (double)n, MLX_I32));
    *valid = MLX(binary, MLX_AND, from, below);
    return MLX(where, *valid, ids, zero);
}

/* x [T, D] with zeros in the rows that are not valid. */
static mlx_array *only_valid(mlx_backend *b, mlx_array *x, mlx_array *valid, int64_t n)
{
    mlx_array *column = MLX(reshape, valid, &EAI_SHAPE2(n, 1));
    return MLX(where, column, x, mlx__number(b, 0));
}

/* Rows of a packed table: its parts by row, then unpacked. */
static mlx_array *take_packed(mlx_backend *b, const mlx_packed *w, mlx_array *ids)
{
    mlx_packed rows = *w;
    rows.codes = MLX(take_rows, w->codes, ids);
    rows.scales = MLX(take_rows, w->scales, ids);
    rows.biases = w->biases ? MLX(take_rows, w->biases, ids) : NULL;
    return MLX(dequantize, &rows, MLX_F32);
}

static mlx_array *take(mlx_backend *b, const eai_step *s, int i, mlx_array *ids)
{
    const mlx_packed *packed = mlx__in_packed(b, s, i);
    if (packed)
        return take_packed(b, packed, ids);
    mlx_array *half = mlx__in_half(b, s, i); /* its rows alone become floats */
    if (half)
        return MLX(cast, MLX(take_rows, half, ids), MLX_F32);
    return MLX(take_rows, mlx__in(b, s, i), ids);
}

void mlx_op_gather_rows(mlx_backend *b, const eai_step *s)
{
    mlx_array *valid;
    mlx_array *ids = existing(b, mlx__in(b, s, 1), s->in[0].shape.dim[0], &valid);
    mlx_array *rows = take(b, s, 0, ids);
    mlx__put(b, s, 0, only_valid(b, rows, valid, s->out[0].shape.dim[0]));
}

void mlx_op_scatter_rows(mlx_backend *b, const eai_step *s)
{
    const eai_shape *out = &s->out[0].shape;
    mlx_array *valid;
    mlx_array *ids = existing(b, mlx__in(b, s, 1), out->dim[0], &valid);
    mlx_array *x = only_valid(b, mlx__in(b, s, 0), valid, s->in[0].shape.dim[0]);
    mlx__put(b, s, 0, MLX(add_rows, MLX(full, 0, MLX_F32, out), ids, x));
}

/* Rows of nll and dh for n rows of h; NULL what is not wanted. */
static void ce_rows(mlx_backend *b, const eai_step *s, mlx_array *h, mlx_array *targets, int64_t n,
                    mlx_array **nll, mlx_array **dh)
{
    mlx_array *valid;
    mlx_array *ids = existing(b, targets, s->in[1].shape.dim[0], &valid);
    mlx_array *logits = multiply(b, s, h, n, 1, true);
    mlx_array *lse = MLX(logsumexp_last, logits);
    *nll = *dh = NULL;
    if (mlx__is_wanted(s, 0)) {
        mlx_array *picked = MLX(take_along_last, logits, MLX(reshape, ids, &EAI_SHAPE2(n, 1)));
        mlx_array *x = only_valid(b, mlx__sub(b, lse, picked), valid, n);
        *nll = MLX(reshape, x, &EAI_SHAPE1(n));
    }
    if (mlx__is_wanted(s, 1)) {
        mlx_array *p = MLX(unary, MLX_EXP, mlx__sub(b, logits, lse));
        mlx_array *x = mlx__sub(b, multiply(b, s, p, n, 1, false), take(b, s, 1, ids));
        *dh = only_valid(b, x, valid, n);
    }
}

static mlx_array *append(mlx_backend *b, mlx_array *all, mlx_array *more)
{
    return all && more ? MLX(concatenate, all, more, 0) : more;
}

void mlx_op_linear_ce(mlx_backend *b, const eai_step *s)
{
    int64_t n = s->in[0].shape.dim[0];
    mlx_array *h = mlx__in(b, s, 0);
    mlx_array *targets = mlx__in(b, s, 2);
    mlx_array *nll = NULL;
    mlx_array *dh = NULL;
    for (int64_t at = 0; at < n; at += CE_ROWS) {
        int64_t end = at + CE_ROWS < n ? at + CE_ROWS : n;
        mlx_array *part[2];
        ce_rows(b, s, MLX(slice, h, 0, at, end), MLX(slice, targets, 0, at, end), end - at,
                &part[0], &part[1]);
        nll = append(b, nll, part[0]);
        dh = append(b, dh, part[1]);
    }
    if (mlx__is_wanted(s, 0))
        mlx__put(b, s, 0, nll);
    if (mlx__is_wanted(s, 1))
        mlx__put(b, s, 1, dh);
}
