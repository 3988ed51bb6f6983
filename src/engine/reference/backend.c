/* The reference backend's table of operations and its life.
 *
 * The table is made from ops.def: an operation without a function here does not link. Fusing and
 * computing in place are off, so that every operation is seen alone with its inputs untouched. */
#include "engine/reference/reference.h"

#include <stdio.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>

#include "engine/reference/kernels.h"

#include "base/banned.h"

static reference_kernel *const kernels[EAI_OP_COUNT] = {
#define EAI_OP(id, name, in0, in1, out, infer, grad, lower, cost, flags, doc)                      \
    [EAI_OP_##id] = reference_##name,
#include "graph/ops.def"
#undef EAI_OP
};

static const char *refuse_nothing(const eai_backend *b, const eai_step *s)
{
    (void)b;
    (void)s;
    return NULL;
}

static size_t workspace_bytes(const eai_backend *b, const eai_step *s)
{
    (void)b;
    return (size_t)reference__scratch(s) * sizeof(double);
}

static void *alloc_memory(eai_backend *b, size_t bytes)
{
    (void)b;
    return eai_alloc_aligned(64, bytes);
}

static void release_memory(eai_backend *b, void *p)
{
    (void)b;
    eai_free(p);
}

static eai_status run_steps(eai_backend *b, const eai_step *steps, size_t n, void *prepared,
                            void *workspace, eai_error *err)
{
    double begin = b->profile ? eai_clock_seconds() : 0;
    (void)prepared;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        kernels[steps[i].op](&steps[i], workspace);
        if (b->profile)
            begin = graph__profile_step(b->profile, &steps[i], begin);
    }
    return EAI_OK;
}

static void close_backend(eai_backend *b)
{
    eai_free(b);
}

static const eai_backend_ops reference_ops = {
    .name = "reference",
    .compute = EAI_F64,
    .fuse = false,
    .in_place = false,
    .refuses = refuse_nothing,
    .workspace = workspace_bytes,
    .alloc = alloc_memory,
    .release = release_memory,
    .run = run_steps,
    .close = close_backend,
};

eai_status reference__open(eai_backend **out, const eai_backend_opts *opts, eai_error *err)
{
    *out = NULL;
    if (opts && opts->isa)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "the reference backend has no instruction sets, '%s' was asked for",
                             opts->isa);
    eai_backend *b = eai_alloc_zeroed(1, sizeof(*b));
    if (!b)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the reference backend");
    b->ops = &reference_ops;
    b->n_threads = 1;
    b->precision = EAI_PRECISION_F32;
    snprintf(b->isa, sizeof(b->isa), "none");
    snprintf(b->description, sizeof(b->description), "reference, float64, 1 thread");
    *out = b;
    return EAI_OK;
}
