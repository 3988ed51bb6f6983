/* Finding and loading libefficientai_mlx. */
#ifndef EAI_ENGINE_MLX_PLUGIN_H
#define EAI_ENGINE_MLX_PLUGIN_H

#include <efficientai/error.h>

#include "engine/mlx/face.h"

/* The plugin's table, loaded once for the program and never unloaded (MLX has threads of its own):
 * of the file that $EFFICIENTAI_MLX names, else of the one beside this library or in ../lib.
 * Thread-safe. */
eai_status mlx__load(const mlx_face **out, eai_error *err);

#endif
