/* The operations of the MLX backend and what they share: the values of a run.
 *
 * A kernel reads its inputs with mlx__in, builds MLX's expression of its result and puts that with
 * mlx__put; nothing is computed before the end of the run. A failure is the session's: a kernel
 * goes on with NULLs, and the run reports it. */
#ifndef EAI_ENGINE_MLX_KERNELS_H
#define EAI_ENGINE_MLX_KERNELS_H

#include "engine/mlx/face.h"
#include "graph/backend.h"

/* A weight of the caller, as MLX has it; plans that read the same memory share it. */
typedef struct mlx_weight {
    const void *data;
    eai_dtype dtype;
    eai_shape shape;
    int n_plans;
    mlx_array *array;  /* plain types */
    mlx_packed packed; /* quantized ones, where MLX has the layout */
} mlx_weight;

/* Memory that steps read: a weight, or an input or state, which is taken anew in each run. */
typedef struct mlx_leaf {
    const void *data;
    eai_dtype dtype;
    eai_shape shape;
    const eai_planes *planes; /* of a PLANAR type */
    int kind;                 /* EAI_OPERAND_WEIGHT ... */
    mlx_weight *weight;
    bool changed; /* a state that a step of this run has written */
} mlx_leaf;

/* What a run knows of a value or leaf. */
typedef struct mlx_slot {
    mlx_array *array;  /* kept; NULL: not there (yet, or any more) */
    mlx_array *before; /* kept: a state as the run found it, so that its memory is not reused */
} mlx_slot;

/* A plan: which slot each operand of each step is. Values come first, then leaves. */
typedef struct mlx_plan {
    int n_values, n_leaves;
    mlx_slot *slots; /* n_values + n_leaves */
    mlx_leaf *leaves;
    int (*in)[EAI_MAX_INPUTS]; /* by step */
} mlx_plan;

typedef struct mlx_backend {
    eai_backend base;
    const mlx_face *face;
    mlx_session *session;
    bool gpu;
    mlx_weight **weights;
    size_t n_weights, weights_cap;
    mlx_plan *plan; /* of this run, ... */
    size_t step;    /* ... and which of its steps is being built */
    /* Angles of rotary positions, the same in every layer: of this run. */
    struct {
        const void *positions, *factors;
        double theta;
        mlx_array *cos, *sin;
    } angles;
} mlx_backend;

/* Calls a function of the table; `b` is in scope. */
#define MLX(name, ...) (b->face->name(b->session, __VA_ARGS__))

/* Builds one step. */
typedef void mlx_kernel(mlx_backend *b, const eai_step *s);

#define EAI_OP(id, name, in0, in1, out, infer, grad, lower, cost, flags, doc)                      \
    mlx_kernel mlx_op_##name;
#include "graph/ops.def"
#undef EAI_OP

/* Input i as f32 (integers as they are), in the operand's shape. */
mlx_array *mlx__in(mlx_backend *b, const eai_step *s, int i);
/* Input i where it is a weight of bf16 or f16 that is multiplied as such; else NULL. */
mlx_array *mlx__in_half(mlx_backend *b, const eai_step *s, int i);
/* Input i where it is a matrix that MLX has in packed form; else NULL. */
const mlx_packed *mlx__in_packed(mlx_backend *b, const eai_step *s, int i);
/* Whether so many rows are better multiplied by such a matrix as it is than unpacked. */
bool mlx__multiplies_packed(const mlx_backend *b, int64_t rows);
/* The integers (i32) of input i, computed now where a step makes them; NULL after a failure. */
const int32_t *mlx__in_integers(mlx_backend *b, int i);
/* The result j. */
void mlx__put(mlx_backend *b, const eai_step *s, int j, mlx_array *x);
bool mlx__is_wanted(const eai_step *s, int j);
/* The new value of the state that is input i. in_place: it may take the old one's memory. */
void mlx__change(mlx_backend *b, int i, mlx_array *x, bool in_place);

/* Whether key first + j lies in [start, end) of query t: MLX_BOOL [n, n_keys]; start, end [n]. */
mlx_array *mlx__inside(mlx_backend *b, mlx_array *start, mlx_array *end, int64_t n, int64_t first,
                       int64_t n_keys);

/* x with zeros in rows that are -inf everywhere, which *masked [.., 1] marks. */
mlx_array *mlx__unmasked(mlx_backend *b, mlx_array *x, mlx_array **masked);

/* At the end of a run. */
void mlx__forget_angles(mlx_backend *b);

/* Small expressions. */
mlx_array *mlx__scaled(mlx_backend *b, mlx_array *x, double scale); /* x itself by 1 */
mlx_array *mlx__number(mlx_backend *b, double value);
mlx_array *mlx__add(mlx_backend *b, mlx_array *x, mlx_array *y);
mlx_array *mlx__sub(mlx_backend *b, mlx_array *x, mlx_array *y);
mlx_array *mlx__mul(mlx_backend *b, mlx_array *x, mlx_array *y);
mlx_array *mlx__div(mlx_backend *b, mlx_array *x, mlx_array *y);
/* With the last two dimensions exchanged. */
mlx_array *mlx__swap_last(mlx_backend *b, mlx_array *x);

#endif
