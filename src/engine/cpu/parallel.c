/* See parallel.h and walk.h. */
#include "engine/cpu/parallel.h"

#include <efficientai/threads.h>

#include "engine/cpu/walk.h"

#include "base/banned.h"

/* A cpu__for as the pool sees it: task i is a piece of `grain` items. */
typedef struct split {
    cpu_task task;
    void *ctx;
    int64_t n, grain;
} split;

static void run_piece(void *ud, size_t piece, int thread)
{
    const split *s = ud;
    int64_t begin = (int64_t)piece * s->grain;
    s->task(s->ctx, begin, s->n - begin < s->grain ? s->n : begin + s->grain, thread);
}

void cpu__for(cpu_backend *b, int64_t n, int64_t grain, cpu_task task, void *ctx)
{
    split s = {task, ctx, n, grain};
    if (n <= grain || b->base.n_threads == 1) {
        if (n > 0)
            task(ctx, 0, n, 0);
        return;
    }
    eai_pool_run(b->pool, run_piece, &s, (size_t)((n + grain - 1) / grain));
}

void cpu__run_tasks(cpu_backend *b, bool serial, void (*fn)(void *, size_t, int), void *ud,
                    int64_t n)
{
    if (!serial) {
        eai_pool_run(b->pool, fn, ud, (size_t)n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        fn(ud, (size_t)i, 0);
}

const char *cpu__check_types(const eai_step *s, const char *inputs)
{
    for (int i = 0; i < s->n_in && inputs[i]; i++) {
        if (inputs[i] == 'f' && s->in[i].dtype != EAI_F32)
            return "the cpu kernel takes f32 here";
        if (inputs[i] == 'h' && s->in[i].dtype != EAI_F32 && s->in[i].dtype != EAI_BF16)
            return "the cpu kernel takes f32 or bf16 here";
        if (inputs[i] == 'i' && s->in[i].dtype != EAI_I32)
            return "the cpu kernel takes i32 here";
    }
    for (int i = 0; i < s->n_out; i++)
        if (s->out[i].dtype != EAI_F32)
            return "the cpu kernel gives f32";
    return NULL;
}

/* Dimension d and the one behind it are one dimension for all inputs. */
static bool is_mergeable(const cpu_walk *w, int d, int n_inputs)
{
    for (int k = 0; k < n_inputs; k++)
        if (w->stride[k][d] != w->stride[k][d + 1] * w->dim[d + 1])
            return false;
    return true;
}

static void merge(cpu_walk *w, int d, int n_inputs)
{
    w->dim[d] *= w->dim[d + 1];
    for (int k = 0; k < n_inputs; k++)
        w->stride[k][d] = w->stride[k][d + 1];
    w->n_dims--;
    for (int i = d + 1; i < w->n_dims; i++) {
        w->dim[i] = w->dim[i + 1];
        for (int k = 0; k < n_inputs; k++)
            w->stride[k][i] = w->stride[k][i + 1];
    }
}

void cpu__walk_init(cpu_walk *w, int n_dims, const int64_t *dim, int64_t (*strides)[EAI_MAX_DIMS],
                    int n_inputs)
{
    w->n_dims = 0;
    for (int d = 0; d < n_dims; d++) {
        if (dim[d] == 1)
            continue;
        w->dim[w->n_dims] = dim[d];
        for (int k = 0; k < n_inputs; k++)
            w->stride[k][w->n_dims] = strides[k][d];
        w->n_dims++;
    }
    if (w->n_dims == 0) { /* one element */
        w->n_dims = 1;
        w->dim[0] = 1;
        for (int k = 0; k < n_inputs; k++)
            w->stride[k][0] = 0;
    }
    for (int d = w->n_dims - 2; d >= 0; d--)
        if (is_mergeable(w, d, n_inputs))
            merge(w, d, n_inputs);
}

void cpu__broadcast_strides(int64_t *strides, const eai_shape *in, const eai_shape *out)
{
    int missing = out->n_dims - in->n_dims;
    int64_t stride = 1;
    for (int d = out->n_dims - 1; d >= 0; d--) {
        int64_t size = d >= missing ? in->dim[d - missing] : 1;
        strides[d] = size == 1 ? 0 : stride;
        stride *= size;
    }
}
