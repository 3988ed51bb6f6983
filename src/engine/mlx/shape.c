/* Leaves, and operations that move elements or add them up. */
#include "engine/mlx/kernels.h"

#include <math.h>

#include "base/banned.h"

void mlx_op_fill(mlx_backend *b, const eai_step *s)
{
    mlx__put(b, s, 0, MLX(full, s->params.fill.value, MLX_F32, &s->out[0].shape));
}

void mlx_op_permute(mlx_backend *b, const eai_step *s)
{
    mlx__put(b, s, 0, MLX(transpose, mlx__in(b, s, 0), s->params.permute.axes));
}

void mlx_op_broadcast_to(mlx_backend *b, const eai_step *s)
{
    mlx__put(b, s, 0, MLX(broadcast_to, mlx__in(b, s, 0), &s->out[0].shape));
}

void mlx_op_sum(mlx_backend *b, const eai_step *s)
{
    mlx__put(b, s, 0, MLX(sum, mlx__in(b, s, 0), s->params.sum.axes, s->params.sum.keep));
}

void mlx_op_window_start(mlx_backend *b, const eai_step *s)
{
    mlx_array *width = MLX(scalar, (double)s->params.window_start.width, MLX_I32);
    mlx_array *start = mlx__sub(b, mlx__in(b, s, 1), width);
    mlx__put(b, s, 0, MLX(binary, MLX_MAXIMUM, mlx__in(b, s, 0), start));
}

mlx_array *mlx__inside(mlx_backend *b, mlx_array *start, mlx_array *end, int64_t n, int64_t first,
                       int64_t n_keys)
{
    const eai_shape column = EAI_SHAPE2(n, 1);
    mlx_array *keys = MLX(arange, n_keys, MLX_I32);
    if (first != 0)
        keys = mlx__add(b, keys, MLX(scalar, (double)first, MLX_I32));
    mlx_array *from = MLX(binary, MLX_GREATER_EQUAL, keys, MLX(reshape, start, &column));
    mlx_array *below = MLX(binary, MLX_LESS, keys, MLX(reshape, end, &column));
    return MLX(binary, MLX_AND, from, below);
}

void mlx_op_interval_mask(mlx_backend *b, const eai_step *s)
{
    int64_t n = s->out[0].shape.dim[0];
    mlx_array *inside =
        mlx__inside(b, mlx__in(b, s, 0), mlx__in(b, s, 1), n, 0, s->params.interval_mask.n_keys);
    mlx_array *outside = mlx__number(b, -HUGE_VAL);
    mlx__put(b, s, 0, MLX(where, inside, mlx__number(b, 0), outside));
}
