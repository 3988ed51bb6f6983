/* Operations on one element at a time. */
#include "engine/mlx/kernels.h"

#include "base/banned.h"

static void put_binary(mlx_backend *b, const eai_step *s, mlx_binary op)
{
    mlx__put(b, s, 0, MLX(binary, op, mlx__in(b, s, 0), mlx__in(b, s, 1)));
}

static void put_unary(mlx_backend *b, const eai_step *s, mlx_unary op)
{
    mlx__put(b, s, 0, MLX(unary, op, mlx__in(b, s, 0)));
}

/* clang-format off */
#define BINARY(name, op) void mlx_op_##name(mlx_backend *b, const eai_step *s) { put_binary(b, s, op); }
#define UNARY(name, op)  void mlx_op_##name(mlx_backend *b, const eai_step *s) { put_unary(b, s, op); }
BINARY(add, MLX_ADD)
BINARY(sub, MLX_SUBTRACT)
BINARY(mul, MLX_MULTIPLY)
BINARY(div, MLX_DIVIDE)
BINARY(maximum, MLX_MAXIMUM)
BINARY(minimum, MLX_MINIMUM)
UNARY(exp, MLX_EXP)
UNARY(log, MLX_LOG)
UNARY(sigmoid, MLX_SIGMOID)
UNARY(tanh, MLX_TANH)
/* clang-format on */

void mlx_op_greater(mlx_backend *b, const eai_step *s)
{
    mlx_array *above = MLX(binary, MLX_GREATER, mlx__in(b, s, 0), mlx__in(b, s, 1));
    mlx__put(b, s, 0, MLX(cast, above, MLX_F32));
}

void mlx_op_affine(mlx_backend *b, const eai_step *s)
{
    mlx_array *x = mlx__scaled(b, mlx__in(b, s, 0), s->params.affine.scale);
    if (s->params.affine.offset != 0)
        x = mlx__add(b, x, mlx__number(b, s->params.affine.offset));
    mlx__put(b, s, 0, x);
}

void mlx_op_power(mlx_backend *b, const eai_step *s)
{
    mlx_array *exponent = mlx__number(b, s->params.power.exponent);
    mlx__put(b, s, 0, MLX(binary, MLX_POWER, mlx__in(b, s, 0), exponent));
}

void mlx_op_silu(mlx_backend *b, const eai_step *s)
{
    mlx_array *x = mlx__in(b, s, 0);
    mlx__put(b, s, 0, mlx__mul(b, x, MLX(unary, MLX_SIGMOID, x)));
}

/* Halves stay halves: a value of bf16 is read as f32 by mlx__in. */
void mlx_op_convert(mlx_backend *b, const eai_step *s)
{
    mlx_type type = s->out[0].dtype == EAI_BF16 ? MLX_BF16 : MLX_F32;
    mlx__put(b, s, 0, MLX(cast, mlx__in(b, s, 0), type));
}
