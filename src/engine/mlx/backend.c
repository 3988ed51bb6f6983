/* The MLX backend: its life, the preparing of plans, and the run: every step's expression is built,
 * then MLX computes all of them at once. The operations are in the other files; the plugin behind
 * the table b->face is shim.cpp. */
#include "engine/mlx/mlx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/log.h>

#include "engine/mlx/plugin.h"
#include "engine/mlx/values.h"

#include "base/banned.h"

/* Leaves and aliases are no steps, and the planner makes FUSED ones for backends that ask. */
#define mlx_op_input   NULL
#define mlx_op_weight  NULL
#define mlx_op_state   NULL
#define mlx_op_reshape NULL
#define mlx_op_fused   NULL
static mlx_kernel *const kernels[EAI_OP_COUNT] = {
#define EAI_OP(id, name, in0, in1, out, infer, grad, lower, cost, flags, doc)                      \
    [EAI_OP_##id] = mlx_op_##name,
#include "graph/ops.def"
#undef EAI_OP
};

eai_status mlx__report(mlx_backend *b, eai_status other, eai_error *err, const char *what, ...)
{
    char text[256];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof(text), what, args);
    va_end(args);
    const char *why = b->face->failure(b->session);
    eai_status st = !why                                 ? other
                    : b->face->out_of_memory(b->session) ? EAI_ERR_NOMEM
                                                         : EAI_ERR_INTERNAL;
    eai_error_set(err, st, "mlx: %s: %s", text, why ? why : eai_status_name(st));
    b->face->forgive(b->session);
    return st;
}

static const char *refuses_step(const eai_backend *base, const eai_step *s)
{
    (void)base;
    if (!kernels[s->op])
        return "the mlx backend has no kernel for it";
    for (int i = 0; i < s->n_in; i++)
        if (!mlx__has_type(s->in[i].dtype))
            return "the mlx backend does not read f64";
    for (int j = 0; j < s->n_out; j++)
        if (s->out[j].dtype == EAI_F64)
            return "the mlx backend does not compute in f64";
    return NULL;
}

static size_t get_workspace(const eai_backend *base, const eai_step *s)
{
    (void)base;
    (void)s;
    return 0;
}

/* Of it, only inputs and outputs are ever touched: MLX keeps the values in between itself. */
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

/* ---- plans ---- */

static void discard_plan(eai_backend *base, void *prepared)
{
    mlx_backend *b = (mlx_backend *)base;
    mlx_plan *p = prepared;
    for (int i = 0; p->leaves && i < p->n_leaves; i++)
        mlx__return_weight(b, &p->leaves[i]);
    eai_free(p->leaves);
    eai_free(p->slots);
    eai_free(p->in);
    eai_free(p);
}

/* The leaf of an operand, a new one where it is met first. */
static int find_leaf(mlx_plan *p, const eai_operand *o, int kind)
{
    for (int i = 0; i < p->n_leaves; i++)
        if (p->leaves[i].data == o->data && p->leaves[i].dtype == o->dtype &&
            p->leaves[i].kind == kind &&
            eai_shape_elements(&p->leaves[i].shape) == eai_shape_elements(&o->shape))
            return i;
    p->leaves[p->n_leaves] = (mlx_leaf){o->data, o->dtype, o->shape, o->planes, kind, NULL, false};
    return p->n_leaves++;
}

static eai_status prepare_plan(eai_backend *base, const eai_step *steps, size_t n, int n_values,
                               void **prepared, eai_error *err)
{
    mlx_backend *b = (mlx_backend *)base;
    size_t n_operands = 0;
    eai_status st = EAI_OK;

    for (size_t i = 0; i < n; i++)
        n_operands += (size_t)steps[i].n_in;
    mlx_plan *p = eai_alloc_zeroed(1, sizeof(*p));
    if (!p)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a plan");
    p->n_values = n_values;
    p->leaves = eai_alloc_zeroed(n_operands + 1, sizeof(*p->leaves));
    p->slots = eai_alloc_zeroed((size_t)n_values + n_operands + 1, sizeof(*p->slots));
    p->in = eai_alloc_zeroed(n + 1, sizeof(*p->in));
    if (!p->leaves || !p->slots || !p->in) {
        discard_plan(base, p);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a plan");
    }
    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < steps[i].n_in; j++) {
            int value = steps[i].in_value[j];
            p->in[i][j] = value >= 0 ? value : n_values + find_leaf(p, &steps[i].in[j], value);
        }
    for (int i = 0; st == EAI_OK && i < p->n_leaves; i++)
        if (p->leaves[i].kind == EAI_OPERAND_WEIGHT)
            st = mlx__take_weight(b, &p->leaves[i], err);
    if (st != EAI_OK) {
        discard_plan(base, p);
        return st;
    }
    *prepared = p;
    return EAI_OK;
}

/* ---- running ---- */

/* Drops what step i read for the last time. */
static void drop_dead(mlx_backend *b, const eai_step *s)
{
    for (int j = 0; j < s->n_in; j++)
        if (s->dies >> j & 1)
            mlx__end_slot(b, &b->plan->slots[s->in_value[j]]);
}

/* A profile wants every step computed when it ends. */
static double time_step(mlx_backend *b, const eai_step *s, double begin)
{
    for (int j = 0; j < s->n_out; j++)
        if (s->out[j].data)
            MLX(eval, &b->plan->slots[s->out_value[j]].array, 1);
    return graph__profile_step(b->base.profile, s, begin);
}

/* Results without elements need no operation, and some of MLX's refuse to give them. */
static bool put_empty(mlx_backend *b, const eai_step *s)
{
    for (int j = 0; j < s->n_out; j++)
        if (s->out[j].data && eai_shape_elements(&s->out[j].shape) > 0)
            return false;
    for (int j = 0; j < s->n_out; j++)
        if (s->out[j].data)
            mlx__put(b, s, j, MLX(full, 0, MLX_F32, &s->out[j].shape));
    return s->n_out > 0;
}

static void build_steps(mlx_backend *b, const eai_step *steps, size_t n)
{
    double begin = b->base.profile ? eai_clock_seconds() : 0;
    for (size_t i = 0; i < n && !b->face->failure(b->session); i++) {
        b->step = i;
        if (!put_empty(b, &steps[i]))
            kernels[steps[i].op](b, &steps[i]);
        if (b->base.profile)
            begin = time_step(b, &steps[i], begin);
        drop_dead(b, &steps[i]);
        b->face->sweep(b->session);
    }
}

/* Everything that the caller may see, computed in one go. False without memory. */
static bool compute(mlx_backend *b, const eai_step *steps, size_t n)
{
    mlx_plan *p = b->plan;
    mlx_array **list =
        eai_alloc_array((size_t)p->n_values + (size_t)p->n_leaves + 1, sizeof(mlx_array *));
    size_t k = 0;
    if (!list)
        return false;
    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < steps[i].n_out; j++)
            if (steps[i].kept >> j & 1)
                list[k++] = p->slots[steps[i].out_value[j]].array;
    for (int i = 0; i < p->n_leaves; i++)
        if (p->leaves[i].changed)
            list[k++] = p->slots[p->n_values + i].array;
    bool ok = MLX(eval, list, k);
    eai_free(list);
    return ok;
}

/* Copies a value to where the caller reads it, unless it was computed there. False where a kernel
 * made something of another size, or nothing. */
static bool deliver(mlx_backend *b, mlx_array *x, const eai_operand *to)
{
    size_t bytes = 0;
    if (!x || !eai_tensor_bytes(&bytes, to->dtype, &to->shape) || b->face->bytes(x) != bytes)
        return false;
    const void *data = bytes > 0 ? b->face->data(b->session, x) : NULL;
    if (data && data != to->data)
        memcpy(to->data, data, bytes);
    return true;
}

/* Outputs first: some may lie in a state's memory. */
static bool deliver_all(mlx_backend *b, const eai_step *steps, size_t n)
{
    mlx_plan *p = b->plan;
    bool ok = true;
    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < steps[i].n_out; j++)
            if (steps[i].kept >> j & 1)
                ok = deliver(b, p->slots[steps[i].out_value[j]].array, &steps[i].out[j]) && ok;
    for (int i = 0; i < p->n_leaves; i++) {
        const mlx_leaf *leaf = &p->leaves[i];
        eai_operand to = {(void *)(uintptr_t)leaf->data, leaf->dtype, leaf->shape, NULL};
        if (leaf->changed)
            ok = deliver(b, p->slots[p->n_values + i].array, &to) && ok;
    }
    return ok;
}

static eai_status run_steps(eai_backend *base, const eai_step *steps, size_t n, void *prepared,
                            void *workspace, eai_error *err)
{
    mlx_backend *b = (mlx_backend *)base;
    eai_status st = EAI_OK;
    (void)workspace;

    b->plan = prepared;
    for (int i = 0; i < b->plan->n_leaves; i++)
        mlx__begin_leaf(b, i);
    b->face->sweep(b->session);
    build_steps(b, steps, n);
    if (!b->face->failure(b->session)) {
        b->step = n; /* what fails from here on fails in no step of its own */
        if (!compute(b, steps, n) && !b->face->failure(b->session))
            st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to run a plan");
        else if (!b->face->failure(b->session) && !deliver_all(b, steps, n) &&
                 !b->face->failure(b->session))
            st = eai_error_set(err, EAI_ERR_INTERNAL, "mlx: a result of another size than planned");
    }
    mlx__forget_angles(b);
    for (int i = 0; i < b->plan->n_values + b->plan->n_leaves; i++)
        mlx__end_slot(b, &b->plan->slots[i]);
    b->face->sweep(b->session);
    if (st == EAI_OK && b->face->failure(b->session))
        st = b->step < n ? mlx__report(b, EAI_ERR_INTERNAL, err, "%s%s%s", steps[b->step].scope,
                                       steps[b->step].scope[0] ? ": " : "",
                                       eai_op_get(steps[b->step].op)->name)
                         : mlx__report(b, EAI_ERR_INTERNAL, err, "computing");
    return st;
}

/* ---- life ---- */

static void close_backend(eai_backend *base)
{
    mlx_backend *b = (mlx_backend *)base;
    b->face->close(b->session);
    eai_free(b->weights);
    eai_free(b);
}

static const eai_backend_ops mlx_ops = {
    .name = "mlx",
    .compute = EAI_F32,
    .fuse = false,
    .in_place = false,
    .refuses = refuses_step,
    .workspace = get_workspace,
    .prepare = prepare_plan,
    .discard = discard_plan,
    .alloc = alloc_memory,
    .release = release_memory,
    .run = run_steps,
    .close = close_backend,
};

static eai_status choose_device(bool *gpu, const mlx_face *face, const char *name, eai_error *err)
{
    *gpu = face->has_gpu();
    if (!name || strcmp(name, *gpu ? "gpu" : "cpu") == 0)
        return EAI_OK;
    if (strcmp(name, "cpu") == 0) {
        *gpu = false;
        return EAI_OK;
    }
    if (strcmp(name, "gpu") == 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "backend mlx: MLX %s has no GPU here",
                             face->running());
    return eai_error_set(err, EAI_ERR_ARGUMENT, "backend mlx: device '%s'; there are cpu and gpu",
                         name);
}

/* Bytes of the device's memory that one program should work with; EAI_MLX_WORKING_SET stands in for
 * a device that has none. 0: not known. */
static size_t find_working_set(mlx_backend *b)
{
    const char *fake = getenv("EAI_MLX_WORKING_SET");
    mlx_memory m;
    if (fake && *fake)
        return (size_t)strtoull(fake, NULL, 10);
    b->face->memory(b->session, &m);
    return m.working_set;
}

/* MLX takes one and a half times the working set by itself, and swaps then; what it has freed it
 * keeps without end. Wired pages are not compressed by the system between two steps. */
static void set_limits(mlx_backend *b)
{
    size_t set = find_working_set(b);
    b->base.memory_budget = set;
    if (set == 0)
        return;
    bool ok = MLX(limit, set, set / 4, b->gpu ? set : SIZE_MAX);
    EAI_LOG(INFO, "engine", "MLX may take %zu MB, and keep %zu MB for reuse%s", set / 1000000,
            set / 4000000, ok ? "" : " (the system refuses to wire that)");
}

eai_status mlx__open(eai_backend **out, const eai_backend_opts *opts, eai_error *err)
{
    const mlx_face *face = NULL;
    char why[256] = "";
    bool gpu = false;

    *out = NULL;
    if (opts->precision == EAI_PRECISION_INT8)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "backend mlx: precision int8; there are f32 and bf16");
    EAI_TRY(mlx__load(&face, err));
    EAI_TRY(choose_device(&gpu, face, opts->isa, err));
    mlx_backend *b = eai_alloc_zeroed(1, sizeof(*b));
    if (!b)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the mlx backend");
    b->face = face;
    b->gpu = gpu;
    b->session = face->open(gpu, why, sizeof(why));
    if (!b->session) {
        eai_free(b);
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "backend mlx: %s", why);
    }
    b->base.ops = &mlx_ops;
    b->base.n_threads = 1;
    /* MLX's CPU multiplies halves 20 times as slowly as floats. */
    b->base.precision = opts->precision == EAI_PRECISION_AUTO
                            ? gpu ? EAI_PRECISION_BF16 : EAI_PRECISION_F32
                            : opts->precision;
    snprintf(b->base.isa, sizeof(b->base.isa), "%s", gpu ? "gpu" : "cpu");
    snprintf(b->base.description, sizeof(b->base.description), "mlx %s, %s, %s", face->running(),
             b->base.isa, eai_precision_name(b->base.precision));
    EAI_LOG(INFO, "engine", "backend %s", b->base.description);
    set_limits(b);
    *out = &b->base;
    return EAI_OK;
}
