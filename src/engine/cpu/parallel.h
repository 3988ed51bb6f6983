/* Splitting a kernel's work over the backend's threads, and checks that kernels share. */
#ifndef EAI_ENGINE_CPU_PARALLEL_H
#define EAI_ENGINE_CPU_PARALLEL_H

#include "engine/cpu/cpu.h"
#include "engine/cpu/parts.h"

/* Does items begin .. end; `thread` < number of threads, for scratch of its own. */
typedef void (*cpu_task)(void *ctx, int64_t begin, int64_t end, int thread);

/* Does items 0 .. n on all threads, in pieces of `grain` items; on the calling thread when one
 * piece is all there is. Which thread does a piece is not fixed, so a piece must not depend on it.
 */
void cpu__for(cpu_backend *b, int64_t n, int64_t grain, cpu_task task, void *ctx);

/* Runs fn(ud, task, thread) for n tasks; on the calling thread when `serial`. */
void cpu__run_tasks(cpu_backend *b, bool serial, void (*fn)(void *, size_t, int), void *ud,
                    int64_t n);

/* The grain for items of so many elements each: pieces of about 16,000 elements, below which waking
 * a thread costs more than it brings. */
static inline int64_t cpu__grain(int64_t elements)
{
    return elements >= 16384 ? 1 : 16384 / (elements > 0 ? elements : 1);
}

/* Checks storage types, one letter an input: f F32, i I32, * any. Outputs must be F32. NULL when
 * all fit, else static text. */
const char *cpu__check_types(const eai_step *s, const char *inputs);

static inline int64_t cpu__elements(const eai_operand *x)
{
    return eai_shape_elements(&x->shape);
}

/* The last dimension (1 for a scalar), and how many rows of that length there are. */
static inline int64_t cpu__row_length(const eai_operand *x)
{
    return x->shape.n_dims > 0 ? x->shape.dim[x->shape.n_dims - 1] : 1;
}

static inline int64_t cpu__rows(const eai_operand *x)
{
    int64_t length = cpu__row_length(x);
    return length > 0 ? cpu__elements(x) / length : 0;
}

/* Room for an array in a workspace. */
static inline size_t cpu__floats(int64_t n)
{
    return cpu__align((size_t)n * sizeof(float));
}

#endif
