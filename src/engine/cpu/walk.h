/* Walking over a tensor whose inputs have other strides: broadcasting, permuting, summing over
 * axes.
 *
 * A walk has the dimensions of the output, each with the stride of every input (0 where it
 * repeats). Sizes of 1 are dropped and neighbours merged where all inputs allow it, so that almost
 * everything ends as one or two dimensions: a same-shape operation is one row, [T,D] with [D] or
 * [T,1] is T rows. Kernels work on rows (the last dimension) and ask where each row begins. */
#ifndef EAI_ENGINE_CPU_WALK_H
#define EAI_ENGINE_CPU_WALK_H

#include "efficientai/dtype.h"

#define CPU_WALK_MAX 2 /* inputs */

typedef struct cpu_walk {
    int n_dims; /* at least 1 */
    int64_t dim[EAI_MAX_DIMS];
    int64_t stride[CPU_WALK_MAX][EAI_MAX_DIMS];
} cpu_walk;

/* Dimensions `dim` with strides of n inputs (1 or 2), merged. */
void cpu__walk_init(cpu_walk *w, int n_dims, const int64_t *dim, int64_t (*strides)[EAI_MAX_DIMS],
                    int n_inputs);

/* Strides of an input broadcast to `out`. */
void cpu__broadcast_strides(int64_t *strides, const eai_shape *in, const eai_shape *out);

static inline int64_t cpu__walk_length(const cpu_walk *w)
{
    return w->dim[w->n_dims - 1];
}

static inline int64_t cpu__walk_rows(const cpu_walk *w)
{
    int64_t rows = 1;
    for (int d = 0; d < w->n_dims - 1; d++)
        rows *= w->dim[d];
    return rows;
}

/* Where row `row` begins in input k. */
static inline int64_t cpu__walk_row(const cpu_walk *w, int k, int64_t row)
{
    int64_t at = 0;
    for (int d = w->n_dims - 2; d > 0; d--) {
        at += row % w->dim[d] * w->stride[k][d];
        row /= w->dim[d];
    }
    return w->n_dims > 1 ? at + row * w->stride[k][0] : 0;
}

#endif
