/* The layers of networks: softmax, normalisation, gated units, rotary positions, dropout. */
#include <math.h>

#include <efficientai/alloc.h>

#include "engine/mlx/kernels.h"

#include "base/banned.h"

mlx_array *mlx__unmasked(mlx_backend *b, mlx_array *x, mlx_array **masked)
{
    *masked = MLX(binary, MLX_EQUAL, MLX(max_last, x), mlx__number(b, -HUGE_VAL));
    return MLX(where, *masked, mlx__number(b, 0), x);
}

void mlx_op_softmax(mlx_backend *b, const eai_step *s)
{
    mlx_array *masked;
    mlx_array *x = mlx__unmasked(b, mlx__in(b, s, 0), &masked);
    mlx__put(b, s, 0, MLX(where, masked, mlx__number(b, 0), MLX(softmax_last, x)));
}

void mlx_op_log_softmax(mlx_backend *b, const eai_step *s)
{
    mlx_array *masked;
    mlx_array *x = mlx__unmasked(b, mlx__in(b, s, 0), &masked);
    mlx_array *y = mlx__sub(b, x, MLX(logsumexp_last, x));
    mlx__put(b, s, 0, MLX(where, masked, mlx__number(b, -HUGE_VAL), y));
}

void mlx_op_rms_norm(mlx_backend *b, const eai_step *s)
{
    mlx__put(b, s, 0, MLX(rms_norm, mlx__in(b, s, 0), mlx__in(b, s, 1), s->params.norm.eps));
}

/* Mean over the last axis, which stays. */
static mlx_array *mean_last(mlx_backend *b, mlx_array *x, const eai_shape *shape)
{
    int last = shape->n_dims - 1;
    return mlx__scaled(b, MLX(sum, x, 1u << last, true), 1.0 / (double)shape->dim[last]);
}

/* With r = 1 / sqrt(mean(x^2) + eps) and g = dy w:  dx = r g - x r^3 mean(g x) */
void mlx_op_rms_norm_grad(mlx_backend *b, const eai_step *s)
{
    const eai_shape *shape = &s->in[0].shape;
    mlx_array *x = mlx__in(b, s, 0);
    mlx_array *g = mlx__mul(b, mlx__in(b, s, 2), mlx__in(b, s, 1));
    mlx_array *squares = mean_last(b, MLX(unary, MLX_SQUARE, x), shape);
    mlx_array *r = MLX(unary, MLX_RSQRT, mlx__add(b, squares, mlx__number(b, s->params.norm.eps)));
    mlx_array *gx = mean_last(b, mlx__mul(b, g, x), shape);
    mlx_array *factor = mlx__mul(b, MLX(unary, MLX_SQUARE, r), gx);
    mlx__put(b, s, 0, mlx__mul(b, r, mlx__sub(b, g, mlx__mul(b, x, factor))));
}

void mlx_op_swiglu(mlx_backend *b, const eai_step *s)
{
    mlx_array *gate = mlx__in(b, s, 0);
    mlx_array *silu = mlx__mul(b, gate, MLX(unary, MLX_SIGMOID, gate));
    mlx__put(b, s, 0, mlx__mul(b, silu, mlx__in(b, s, 1)));
}

/* With p = sigmoid(gate):  dgate = dy up p (1 + gate (1 - p)),  dup = dy gate p */
void mlx_op_swiglu_grad(mlx_backend *b, const eai_step *s)
{
    mlx_array *gate = mlx__in(b, s, 0);
    mlx_array *dy = mlx__in(b, s, 2);
    mlx_array *p = MLX(unary, MLX_SIGMOID, gate);
    mlx_array *one = mlx__number(b, 1);
    if (mlx__is_wanted(s, 0)) {
        mlx_array *slope = mlx__add(b, one, mlx__mul(b, gate, mlx__sub(b, one, p)));
        mlx_array *dup = mlx__mul(b, mlx__mul(b, dy, mlx__in(b, s, 1)), p);
        mlx__put(b, s, 0, mlx__mul(b, dup, slope));
    }
    if (mlx__is_wanted(s, 1))
        mlx__put(b, s, 1, mlx__mul(b, mlx__mul(b, dy, gate), p));
}

/* ---- rotary positions ---- */

static bool are_consecutive(const int32_t *positions, int64_t n)
{
    for (int64_t t = 1; t < n; t++)
        if (positions[t] != positions[0] + t)
            return false;
    return true;
}

/* theta^(2i / D) * factors[i], [D / 2]: what positions are divided by. The caller frees; NULL after
 * a failure. */
static double *find_wavelengths(mlx_backend *b, const eai_step *s)
{
    int64_t half = s->in[0].shape.dim[2] / 2;
    const float *factors = s->n_in == 3 ? b->face->data(b->session, mlx__in(b, s, 2)) : NULL;
    double *list = eai_alloc_array((size_t)half + 1, sizeof(*list));
    if (!list || (s->n_in == 3 && !factors)) {
        eai_free(list);
        return NULL;
    }
    for (int64_t i = 0; i < half; i++)
        list[i] = pow(s->params.rope.theta, (double)i / (double)half) *
                  (factors ? (double)factors[i] : 1);
    return list;
}

static mlx_array *copy_wavelengths(mlx_backend *b, const eai_step *s)
{
    int64_t half = s->in[0].shape.dim[2] / 2;
    double *wavelengths = find_wavelengths(b, s);
    float *list = eai_alloc_array((size_t)half + 1, sizeof(*list));
    mlx_array *x = NULL;
    for (int64_t i = 0; wavelengths && list && i < half; i++)
        list[i] = (float)wavelengths[i];
    if (wavelengths && list)
        x = MLX(copy, list, MLX_F32, &EAI_SHAPE1(half));
    eai_free(wavelengths);
    eai_free(list);
    return x;
}

/* Positions one after the other: MLX's own, which wants [1, H, T, D]. */
static mlx_array *rotate_consecutive(mlx_backend *b, const eai_step *s, int32_t first)
{
    static const int heads_first[] = {1, 0, 2};
    const eai_shape *d = &s->in[0].shape;
    const eai_shape batch = EAI_SHAPE4(1, d->dim[1], d->dim[0], d->dim[2]);
    const eai_shape heads = EAI_SHAPE3(d->dim[1], d->dim[0], d->dim[2]);
    mlx_array *x = MLX(reshape, MLX(transpose, mlx__in(b, s, 0), heads_first), &batch);
    mlx_array *freqs = s->n_in == 3 ? copy_wavelengths(b, s) : NULL;
    if (s->n_in == 3 && !freqs)
        return NULL;
    mlx_array *y =
        MLX(rope, x, s->params.rope.theta, s->params.rope.inverse ? -1 : 1, first, freqs);
    return MLX(transpose, MLX(reshape, y, &heads), heads_first);
}

/* cos and sin of the angles, [T, 1, D / 2], in double precision: an angle of thousands has no
 * digits left in a float. Made once for all layers that share the operands. */
static void find_angles(mlx_backend *b, const eai_step *s, const int32_t *positions)
{
    const void *factors = s->n_in == 3 ? s->in[2].data : NULL;
    if (b->angles.cos && b->angles.positions == s->in[1].data && b->angles.factors == factors &&
        b->angles.theta == s->params.rope.theta)
        return;
    int64_t n = s->in[0].shape.dim[0];
    int64_t half = s->in[0].shape.dim[2] / 2;
    double *wavelengths = find_wavelengths(b, s);
    float *table = eai_alloc_array((size_t)(2 * n * half) + 1, sizeof(*table));
    mlx__forget_angles(b);
    for (int64_t i = 0; wavelengths && table && i < n * half; i++) {
        int32_t position = positions[i / half];
        double angle = (double)position / wavelengths[i % half];
        table[i] = (float)cos(angle);
        table[n * half + i] = (float)sin(angle);
    }
    if (wavelengths && table) {
        const eai_shape shape = EAI_SHAPE3(n, 1, half);
        b->angles.positions = s->in[1].data;
        b->angles.factors = factors;
        b->angles.theta = s->params.rope.theta;
        b->angles.cos = b->face->keep(MLX(copy, table, MLX_F32, &shape));
        b->angles.sin = b->face->keep(MLX(copy, table + n * half, MLX_F32, &shape));
    }
    eai_free(wavelengths);
    eai_free(table);
}

void mlx__forget_angles(mlx_backend *b)
{
    b->face->drop(b->session, b->angles.cos);
    b->face->drop(b->session, b->angles.sin);
    b->angles.cos = b->angles.sin = NULL;
}

static mlx_array *rotate(mlx_backend *b, const eai_step *s, const int32_t *positions)
{
    int64_t width = s->in[0].shape.dim[2];
    mlx_array *x = mlx__in(b, s, 0);
    mlx_array *low = MLX(slice, x, 2, 0, width / 2);
    mlx_array *high = MLX(slice, x, 2, width / 2, width);
    find_angles(b, s, positions);
    if (!b->angles.cos || !b->angles.sin)
        return NULL;
    mlx_array *sin =
        s->params.rope.inverse ? MLX(unary, MLX_NEGATIVE, b->angles.sin) : b->angles.sin;
    mlx_array *cos = b->angles.cos;
    return MLX(concatenate, mlx__sub(b, mlx__mul(b, low, cos), mlx__mul(b, high, sin)),
               mlx__add(b, mlx__mul(b, high, cos), mlx__mul(b, low, sin)), 2);
}

void mlx_op_rope(mlx_backend *b, const eai_step *s)
{
    const int32_t *positions = mlx__in_integers(b, 1);
    int64_t n = s->in[0].shape.dim[0];
    if (!positions)
        return;
    bool consecutive = n > 0 && are_consecutive(positions, n);
    mlx__put(b, s, 0,
             consecutive ? rotate_consecutive(b, s, positions[0]) : rotate(b, s, positions));
}

/* ---- dropout ---- */

static mlx_array *word(mlx_backend *b, uint64_t value)
{
    uint32_t low = (uint32_t)value;
    return MLX(copy, &low, MLX_U32, &EAI_SHAPE0);
}

/* The halves of a * constant, of 32 bits each. */
static void multiply_words(mlx_backend *b, mlx_array *a, uint64_t constant, mlx_array **high,
                           mlx_array **low)
{
    uint64_t thirty_two = 32;
    mlx_array *wide = MLX(cast, a, MLX_U64);
    mlx_array *p = mlx__mul(b, wide, MLX(copy, &constant, MLX_U64, &EAI_SHAPE0));
    mlx_array *top = MLX(binary, MLX_SHIFT_RIGHT, p, MLX(copy, &thirty_two, MLX_U64, &EAI_SHAPE0));
    *high = MLX(cast, top, MLX_U32);
    *low = MLX(cast, p, MLX_U32);
}

/* n words of eai_philox: blocks 0, 1, .. of a stream, under the key of two integers. */
static mlx_array *random_words(mlx_backend *b, mlx_array *key, uint64_t stream, int64_t n)
{
    int64_t blocks = (n + 3) / 4;
    const eai_shape scalar = EAI_SHAPE0;
    const eai_shape all = EAI_SHAPE1(blocks);
    mlx_array *words = MLX(cast, key, MLX_U32);
    mlx_array *k0 = MLX(reshape, MLX(slice, words, 0, 0, 1), &scalar);
    mlx_array *k1 = MLX(reshape, MLX(slice, words, 0, 1, 2), &scalar);
    mlx_array *c[4] = {MLX(arange, blocks, MLX_U32), word(b, 0), word(b, stream),
                       word(b, stream >> 32)};
    for (int round = 0; round < 10; round++) {
        mlx_array *h0;
        mlx_array *h1;
        mlx_array *l0;
        mlx_array *l1;
        multiply_words(b, c[0], 0xD2511F53u, &h0, &l0);
        multiply_words(b, c[2], 0xCD9E8D57u, &h1, &l1);
        c[0] = MLX(binary, MLX_XOR, MLX(binary, MLX_XOR, h1, c[1]), k0);
        c[1] = l1;
        c[2] = MLX(binary, MLX_XOR, MLX(binary, MLX_XOR, h0, c[3]), k1);
        c[3] = l0;
        k0 = mlx__add(b, k0, word(b, 0x9E3779B9u));
        k1 = mlx__add(b, k1, word(b, 0xBB67AE85u));
    }
    for (int i = 0; i < 4; i++)
        c[i] = MLX(broadcast_to, c[i], &all);
    mlx_array *lines = MLX(stack_last, c, 4);
    return MLX(slice, MLX(reshape, lines, &EAI_SHAPE1(4 * blocks)), 0, 0, n);
}

/* The same elements as on every backend (eai_philox): the word is at least p * 2^32. Beyond 2^34
 * elements blocks would need a second word. */
void mlx_op_dropout(mlx_backend *b, const eai_step *s)
{
    double p = s->params.dropout.p;
    int64_t n = eai_shape_elements(&s->in[0].shape);
    mlx_array *words = random_words(b, mlx__in(b, s, 1), (uint64_t)s->params.dropout.stream, n);
    mlx_array *stays =
        MLX(binary, MLX_GREATER_EQUAL, words, word(b, (uint64_t)ceil(p * 4294967296.0)));
    mlx_array *mask = MLX(reshape, stays, &s->in[0].shape);
    mlx_array *x = mlx__scaled(b, mlx__in(b, s, 0), 1 / (1 - p));
    mlx__put(b, s, 0, MLX(where, mask, x, mlx__number(b, 0)));
}
