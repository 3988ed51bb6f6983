/* Operations that change a state. */
#include "engine/mlx/kernels.h"

#include "base/banned.h"

/* A value of its own, which shares no memory with a state that is written later. */
static mlx_array *copy_of(mlx_backend *b, mlx_array *x, eai_dtype t)
{
    return mlx__mul(b, x, MLX(scalar, 1, t == EAI_I32 ? MLX_I32 : MLX_F32));
}

void mlx_op_assign(mlx_backend *b, const eai_step *s)
{
    mlx__change(b, 0, copy_of(b, mlx__in(b, s, 1), s->in[1].dtype), false);
}

void mlx_op_accumulate(mlx_backend *b, const eai_step *s)
{
    mlx__change(b, 0, mlx__add(b, mlx__in(b, s, 0), mlx__in(b, s, 1)), false);
}

/* What lies outside of the state is dropped. */
void mlx_op_write_rows(mlx_backend *b, const eai_step *s)
{
    const int32_t *at = mlx__in_integers(b, 2);
    if (!at)
        return;
    int64_t first = *at > 0 ? 0 : -(int64_t)*at;
    int64_t n = s->in[1].shape.dim[0];
    int64_t room = s->in[0].shape.dim[0] - *at;
    int64_t end = n < room ? n : room;
    if (first < end)
        mlx__change(b, 0,
                    MLX(put_rows, mlx__in(b, s, 0), MLX(slice, mlx__in(b, s, 1), 0, first, end),
                        *at + first),
                    true);
}

void mlx_op_adamw(mlx_backend *b, const eai_step *s)
{
    const eai_adamw_opts *o = &s->params.adamw;
    mlx_array *hyper = mlx__in(b, s, 4);
    mlx_array *lr = MLX(slice, hyper, 0, 0, 1);
    mlx_array *bias1 = MLX(slice, hyper, 0, 1, 2);
    mlx_array *bias2 = MLX(slice, hyper, 0, 2, 3);
    mlx_array *g = mlx__mul(b, mlx__in(b, s, 3), mlx__in(b, s, 5));
    mlx_array *square = MLX(unary, MLX_SQUARE, g);
    mlx_array *m =
        mlx__add(b, mlx__scaled(b, mlx__in(b, s, 1), o->beta1), mlx__scaled(b, g, 1 - o->beta1));
    mlx_array *v = mlx__add(b, mlx__scaled(b, mlx__in(b, s, 2), o->beta2),
                            mlx__scaled(b, square, 1 - o->beta2));
    mlx_array *decay = mlx__sub(b, mlx__number(b, 1), mlx__scaled(b, lr, o->weight_decay));
    mlx_array *root = MLX(unary, MLX_SQRT, mlx__div(b, v, bias2));
    mlx_array *step = mlx__div(b, mlx__mul(b, lr, mlx__div(b, m, bias1)),
                               mlx__add(b, root, mlx__number(b, o->eps)));
    mlx__change(b, 0, mlx__sub(b, mlx__mul(b, mlx__in(b, s, 0), decay), step), false);
    mlx__change(b, 1, m, false);
    mlx__change(b, 2, v, false);
}
