/* The CPU backend: opening, closing, and the loop over a plan's steps. Kernels are in their own
 * files, one row an operation in kernels.c; the instruction set is chosen in dispatch.c. */
#include "engine/cpu/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/hardware.h>
#include <efficientai/log.h>
#include <efficientai/threads.h>

#include "base/banned.h"

static const char *refuses_step(const eai_backend *base, const eai_step *s)
{
    const cpu_kernel_row *row = &cpu_kernels[s->op];
    if (!row->run)
        return "the cpu backend has no kernel for it";
    return row->refuses ? row->refuses((const cpu_backend *)base, s) : NULL;
}

static bool reads_half(eai_op op, int i)
{
    return i < 2 && cpu_kernels[op].halves >> i & 1;
}

static size_t get_workspace(const eai_backend *base, const eai_step *s)
{
    const cpu_kernel_row *row = &cpu_kernels[s->op];
    return row->workspace ? row->workspace((const cpu_backend *)base, s) : 0;
}

static void *alloc_memory(eai_backend *base, size_t bytes)
{
    (void)base;
    return eai_alloc_aligned(64, bytes);
}

static void release_memory(eai_backend *base, void *p)
{
    (void)base;
    eai_free(p);
}

static eai_status run_steps(eai_backend *base, const eai_step *steps, size_t n, void *prepared,
                            void *workspace, eai_error *err)
{
    cpu_backend *b = (cpu_backend *)base;
    double begin = base->profile ? eai_clock_seconds() : 0;
    (void)prepared;
    (void)err;
    b->packed.data = NULL;
    for (size_t i = 0; i < n; i++) {
        if (steps[i].op != EAI_OP_MATMUL) /* may change the operand, or use the workspace */
            b->packed.data = NULL;
        /* A profile wants them one by one. */
        size_t together = base->profile ? 0 : cpu__matmuls(b, &steps[i], n - i, workspace);
        if (together > 0) {
            i += together - 1;
            continue;
        }
        cpu_kernels[steps[i].op].run(b, &steps[i], workspace);
        if (base->profile)
            begin = graph__profile_step(base->profile, &steps[i], begin);
    }
    return EAI_OK;
}

static void close_backend(eai_backend *base)
{
    cpu_backend *b = (cpu_backend *)base;
    eai_pool_free(b->pool);
    eai_free(b);
}

static const eai_backend_ops cpu_ops = {
    .name = "cpu",
    .compute = EAI_F32,
    .fuse = true,
    .in_place = true,
    .reads_half = reads_half,
    .refuses = refuses_step,
    .workspace = get_workspace,
    .alloc = alloc_memory,
    .release = release_memory,
    .run = run_steps,
    .peak = cpu__peak,
    .close = close_backend,
};

/* Threads when the caller does not say: the efficiency cores of an Apple chip only hold the others
 * up. */
static int count_cores(void)
{
    const eai_hardware *h = eai_hardware_get();
    int n = h->performance_cores > 0 ? h->performance_cores : h->cores;
    return n < 1 ? 1 : n < EAI_POOL_MAX ? n : EAI_POOL_MAX;
}

/* What the choice of threads and the plan's memory are measured by. */
static void log_hardware(void)
{
    const eai_hardware *h = eai_hardware_get();
    EAI_LOG(DEBUG, "engine",
            "%d of %d cores, CPU quota %.2f (0: none), memory limit %llu of %llu bytes (0: none)",
            h->cores, h->machine_cores, h->cpu_quota, (unsigned long long)h->memory_limit_bytes,
            (unsigned long long)h->memory_bytes);
}

static void describe(cpu_backend *b, const char *isa)
{
    int threads = b->base.n_threads;
    snprintf(b->base.isa, sizeof(b->base.isa), "%s", isa);
    snprintf(b->base.description, sizeof(b->base.description), "cpu %s, %d thread%s, %s", isa,
             threads, threads == 1 ? "" : "s", eai_precision_name(b->base.precision));
}

/* Who chose the instruction set. */
static const char *reason_for_isa(const eai_backend_opts *opts)
{
    const char *named = getenv("EFFICIENTAI_CPU_ISA");
    if (opts->isa)
        return "named by the caller";
    return named && *named ? "named by EFFICIENTAI_CPU_ISA" : "the best of this machine";
}

eai_status cpu__open(eai_backend **out, const eai_backend_opts *opts, eai_error *err)
{
    eai_status st = EAI_OK;
    const cpu_isa *isa;
    cpu_backend *b = NULL;

    *out = NULL;
    EAI_TRY(cpu__find_isa(&isa, opts->isa, err));
    b = eai_alloc_zeroed(1, sizeof(*b));
    if (!b)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the cpu backend");
    b->base.n_threads = opts->n_threads > 0 ? opts->n_threads : count_cores();
    st = eai_pool_create(&b->pool, b->base.n_threads, err);
    if (st != EAI_OK)
        goto done;
    b->gemm = isa->gemm;
    b->vec = isa->vec;
    b->bf16 = isa->gemm_bf16 && opts->precision != EAI_PRECISION_F32;
    b->gemm_bf16 = b->bf16 ? isa->gemm_bf16 : NULL;
    if (b->bf16 && isa->vec_bf16)
        b->vec = isa->vec_bf16;
    b->int8 = opts->precision == EAI_PRECISION_INT8 ? isa->int8 : NULL;
    b->gemm_int8 = b->int8 ? isa->gemm_int8 : NULL;
    b->int16 = b->bf16 && !b->int8 ? isa->int8 : NULL;
    b->base.ops = &cpu_ops;
    b->base.precision = b->int8   ? EAI_PRECISION_INT8
                        : b->bf16 ? EAI_PRECISION_BF16
                                  : EAI_PRECISION_F32;
    describe(b, isa->name);
    EAI_LOG(INFO, "engine", "backend %s (instruction set: %s)", b->base.description,
            reason_for_isa(opts));
    log_hardware();
    *out = &b->base;
    b = NULL;
done:
    eai_free(b);
    return st;
}
