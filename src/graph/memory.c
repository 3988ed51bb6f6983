/* Places for values: which bytes of the arena each intermediate value gets.
 *
 * A value lives from the step that makes it to its last use. Two values whose lives overlap must
 * not overlap in memory; finding the smallest arena is NP-hard, and placing the largest first, each
 * at the lowest gap that fits ("greedy by size", Pisarchyk & Lee 2020), comes within a few per cent
 * of the lower bound on networks. An elementwise step may write over an input that dies there: such
 * values share one storage from the start. Start at draft__place. */
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "graph/draft.h"

#define ALIGNMENT 64

typedef struct storage {
    size_t bytes;
    size_t offset;
    int first, last; /* steps */
} storage;

typedef struct places {
    const draft *d;
    const eai_backend_ops *ops;
    storage *storages;
    int n;
    int *of;   /* by tensor id: storage, or -1 */
    int *last; /* by tensor id of a root: its last use */
} places;

const eai_tensor *draft__root(const eai_tensor *t)
{
    while (eai_op_get(t->node->op)->flags & EAI_OPF_A)
        t = t->node->in[0];
    return t;
}

size_t draft__bytes(const eai_tensor *t, const eai_backend_ops *ops)
{
    size_t bytes = 0;
    eai_tensor_bytes(&bytes, t->dtype == EAI_F32 ? ops->compute : t->dtype, &t->shape);
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return bytes ? bytes : ALIGNMENT;
}

static void find_last_uses(places *p)
{
    const draft *d = p->d;
    for (int i = 0; i < d->n; i++) {
        const draft_step *s = &d->steps[i];
        if (s->dropped)
            continue;
        for (int j = 0; j < s->n_in; j++)
            p->last[draft__root(s->in[j])->id] = i;
        for (int j = 0; j < s->n_out; j++) {
            int id = s->out[j]->id;
            p->last[id] = i;
        }
    }
}

/* May the output of `s` lie where its input `j` lies? */
static bool may_share(const draft_step *s, int j)
{
    unsigned flags = eai_op_get(s->op)->flags;
    if (s->op == EAI_OP_FUSED || (flags & EAI_OPF_E))
        return eai_shape_elements(&s->in[j]->shape) == eai_shape_elements(&s->out[0]->shape);
    if (s->op == EAI_OP_MATMUL)
        return j == eai_step_addend(s->n_in);
    return (flags & EAI_OPF_I) && j == 0;
}

/* The storage of a dying input that output 0 of step i can take over, or -1. */
static int inherited_storage(const places *p, int i)
{
    const draft_step *s = &p->d->steps[i];
    if (!p->ops->in_place || (s->n_out != 1 && s->op != EAI_OP_MATMUL))
        return -1;
    size_t bytes = draft__bytes(s->out[0], p->ops);
    for (int j = 0; j < s->n_in; j++) {
        const eai_tensor *root = draft__root(s->in[j]);
        int k = p->of[root->id];
        if (k < 0 || !may_share(s, j) || p->storages[k].last != i || p->storages[k].bytes != bytes)
            continue;
        bool read_otherwise = false; /* a product must not overwrite its own factors */
        for (int q = 0; q < s->n_in && s->op != EAI_OP_FUSED; q++)
            read_otherwise = read_otherwise || (q != j && draft__root(s->in[q]) == root);
        if (!read_otherwise)
            return k;
    }
    return -1;
}

static void make_storages(places *p)
{
    const draft *d = p->d;
    for (int i = 0; i < d->n; i++) {
        const draft_step *s = &d->steps[i];
        for (int j = 0; j < s->n_out && !s->dropped; j++) {
            const eai_tensor *t = s->out[j];
            if (d->uses[t->id] == 0 && s->n_out > 1)
                continue; /* a second result that nobody wants */
            int k = j == 0 ? inherited_storage(p, i) : -1;
            if (k < 0) {
                k = p->n++;
                p->storages[k] = (storage){draft__bytes(t, p->ops), 0, i, i};
            }
            p->of[t->id] = k;
            if (p->last[t->id] > p->storages[k].last)
                p->storages[k].last = p->last[t->id];
        }
    }
}

static int by_size(const void *a, const void *b)
{
    const storage *x = *(storage *const *)a;
    const storage *y = *(storage *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y;
}

/* Largest first, each into the lowest gap among those placed whose lives overlap its own. */
static size_t assign_offsets(storage **sorted, storage **placed, int n)
{
    size_t end = 0;
    int n_placed = 0;
    for (int i = 0; i < n; i++) {
        storage *s = sorted[i];
        size_t at = 0;
        for (int j = 0; j < n_placed; j++) { /* in order of offset */
            const storage *o = placed[j];
            if (o->last < s->first || o->first > s->last)
                continue;
            if (o->offset >= at && o->offset - at >= s->bytes)
                break;
            if (o->offset + o->bytes > at)
                at = o->offset + o->bytes;
        }
        s->offset = at;
        int slot = n_placed++;
        while (slot > 0 && placed[slot - 1]->offset > at) {
            placed[slot] = placed[slot - 1];
            slot--;
        }
        placed[slot] = s;
        if (at + s->bytes > end)
            end = at + s->bytes;
    }
    return end;
}

/* The most bytes that are alive at once, and the step of it. `change`: [n steps + 1] zeros. */
static void measure_live(placement *out, const places *p, int64_t *change)
{
    int n_steps = p->d->n;
    int64_t live = 0;
    for (int i = 0; i < p->n; i++) {
        const storage *s = &p->storages[i];
        change[s->first] += (int64_t)s->bytes;
        if (s->last < n_steps)
            change[s->last + 1] -= (int64_t)s->bytes;
    }
    out->live_bytes = 0;
    out->live_step = -1;
    for (int i = 0; i < n_steps; i++) {
        live += change[i];
        if ((size_t)live > out->live_bytes) {
            out->live_bytes = (size_t)live;
            out->live_step = i;
        }
    }
}

bool draft__place(placement *out, const draft *d, const eai_backend_ops *ops)
{
    size_t n_tensors = (size_t)d->n_tensors;
    places p = {d, ops, NULL, 0, NULL, NULL};
    storage **lists = NULL;
    int64_t *change = NULL;
    bool ok = false;

    p.storages = eai_alloc_array(n_tensors, sizeof(*p.storages));
    p.of = eai_alloc_array(n_tensors, sizeof(*p.of));
    p.last = eai_alloc_array(n_tensors, sizeof(*p.last));
    lists = eai_alloc_array(2 * n_tensors, sizeof(storage *));
    out->offset = eai_alloc_array(n_tensors + 1, sizeof(*out->offset));
    change = eai_alloc_zeroed((size_t)d->n + 1, sizeof(*change));
    if (!p.storages || !p.of || !p.last || !lists || !out->offset || !change)
        goto done;
    for (size_t i = 0; i < n_tensors; i++) {
        p.of[i] = -1;
        p.last[i] = -1;
        out->offset[i] = SIZE_MAX;
    }
    find_last_uses(&p);
    for (size_t i = 0; i < n_tensors; i++) { /* results of the graph live to the end */
        if (d->kept[i])
            p.last[i] = d->n;
    }
    make_storages(&p);
    out->unshared_bytes = 0;
    for (int i = 0; i < p.n; i++) {
        lists[i] = &p.storages[i];
        out->unshared_bytes += p.storages[i].bytes;
    }
    measure_live(out, &p, change);
    qsort(lists, (size_t)p.n, sizeof(storage *), by_size);
    out->arena_bytes = assign_offsets(lists, lists + n_tensors, p.n);
    for (size_t i = 0; i < n_tensors; i++) {
        if (p.of[i] >= 0)
            out->offset[i] = p.storages[p.of[i]].offset;
    }
    ok = true;
done:
    eai_free(p.storages);
    eai_free(p.of);
    eai_free(p.last);
    eai_free(lists);
    eai_free(change);
    return ok;
}
