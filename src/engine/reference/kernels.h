/* The operations of the reference backend and what they share: reading and writing one element of
 * any storage type as a double, and finding an element under broadcasting. */
#ifndef EAI_ENGINE_REFERENCE_KERNELS_H
#define EAI_ENGINE_REFERENCE_KERNELS_H

#include "graph/backend.h"

/* Does one step. `scratch` has room for reference__scratch(s) doubles. */
typedef void reference_kernel(const eai_step *s, double *scratch);

#define EAI_OP(id, name, in0, in1, out, infer, grad, lower, cost, flags, doc)                      \
    reference_kernel reference_##name;
#include "graph/ops.def"
#undef EAI_OP

/* Element i of x, counted in memory order, whatever its storage type. */
double reference__get(const eai_operand *x, int64_t i);
/* Writes element i of x: F64, F32, F16, BF16 (rounded to nearest even) or I32. */
void reference__set(const eai_operand *x, int64_t i, double value);

/* The element of `in` that broadcasts to element i of `out`: dimensions are matched from the last
 * one, and missing ones or those of size 1 repeat. */
int64_t reference__broadcast_index(const eai_shape *out, int64_t i, const eai_shape *in);

/* The last dimension (1 for a scalar), and how many rows of that length there are. */
int64_t reference__row_length(const eai_shape *s);
int64_t reference__rows(const eai_shape *s);

/* Doubles of scratch that a step needs. */
int64_t reference__scratch(const eai_step *s);

#endif
