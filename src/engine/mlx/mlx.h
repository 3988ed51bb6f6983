/* The MLX backend as the table of backends sees it. */
#ifndef EAI_ENGINE_MLX_MLX_H
#define EAI_ENGINE_MLX_MLX_H

#include "graph/backend.h"

/* opts->isa names the device, "cpu" or "gpu"; NULL: the GPU where MLX has one. Fails, saying what
 * to do, where the plugin or MLX is missing or of another version. */
eai_status mlx__open(eai_backend **out, const eai_backend_opts *opts, eai_error *err);

#endif
