/* Block formats as MLX lays out quantized matrices (mlx_quant.h): codes, scales and biases in
 * arrays of their own. Exact: scales and biases of affine ones are floats. */
#ifndef EAI_GRAPH_MLX_LAYOUT_H
#define EAI_GRAPH_MLX_LAYOUT_H

#include <efficientai/mlx_quant.h>

/* What a type is there, in groups of 32; false where it is nothing (q6_K's groups have 16
 * elements).
 */
bool graph__mlx_layout(eai_mlx_packing *out, eai_dtype t);
/* n elements of a row, a whole number of blocks of t: n * bits / 32 words of codes, n / 32 scales
 * of the layout's type, and biases, which only affine layouts have. */
void graph__mlx_row(uint32_t *codes, void *scales, float *biases, eai_dtype t, const void *row,
                    int64_t n);

#endif
