/* Block formats as MLX lays out quantized matrices: codes, scales and biases in arrays of their
 * own, x = scale * q + bias for each group of elements of a row (mx.quantize, mode "affine").
 * Exact: scales and biases are floats. */
#ifndef EAI_GRAPH_AFFINE_H
#define EAI_GRAPH_AFFINE_H

#include <efficientai/dtype.h>

#define GRAPH_AFFINE_GROUP 32

/* Bits of a code; 0 where the type is no such map of groups of 32 (q6_K's have 16 elements). */
int graph__affine_bits(eai_dtype t);
/* n elements of a row, a whole number of blocks of t: n * bits / 32 words of codes, the first
 * element in the lowest bits, and n / 32 scales and biases. */
void graph__affine_row(uint32_t *codes, float *scales, float *biases, eai_dtype t, const void *row,
                       int64_t n);

#endif
