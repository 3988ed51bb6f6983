/* Life of a run's values, for backend.c; kernels use kernels.h. */
#ifndef EAI_ENGINE_MLX_VALUES_H
#define EAI_ENGINE_MLX_VALUES_H

#include "engine/mlx/kernels.h"

/* Whether operands of this storage type can be read. */
bool mlx__has_type(eai_dtype t);
/* The weight of a leaf, made where no plan has it yet; returned when the plan goes. */
eai_status mlx__take_weight(mlx_backend *b, mlx_leaf *leaf, eai_error *err);
void mlx__return_weight(mlx_backend *b, mlx_leaf *leaf);
/* Leaf i as it is now, at the begin of a run. */
void mlx__begin_leaf(mlx_backend *b, int i);
void mlx__end_slot(mlx_backend *b, mlx_slot *slot);

/* The session's failure as an error, and no failure any more: "mlx: WHAT: MLX's own words". Of
 * status `other` where MLX has not failed but something here has. */
eai_status mlx__report(mlx_backend *b, eai_status other, eai_error *err, const char *what, ...)
    EAI_PRINTF(4, 5);

#endif
