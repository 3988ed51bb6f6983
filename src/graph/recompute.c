/* Values that wait for the backward pass: much less memory for a little time.
 *
 * Some values are cheap to make and read twice: soon after they are made, and long after, by the
 * backward pass (a normalized x: by the products, then by the gradients of an adapter's A). Such a
 * value is not kept: a copy of its step makes it again right before it is wanted, where what it is
 * made of is still there anyway. The copy computes the same bits. Recomputation of whole segments,
 * which costs a forward pass, is the graph's (autodiff.c). Start at draft__recompute.
 *
 * Others are kept in half the bytes: rounded to bf16 as soon as they are made, and made f32 again
 * when they are wanted. The forward pass reads what was not rounded. Start at draft__halve. */
#include <string.h>

#include <efficientai/alloc.h>

#include "graph/draft.h"

#include "base/banned.h"

#define FAR     16    /* steps between two uses that are worth a copy */
#define FARTHER 64    /* ... and worth rounding: more than a layer's gradients take */
#define LARGE   65536 /* elements */

/* What is known of a value, by the id of its root; numbers of steps, -1: none. */
typedef struct life {
    int made, last;
    int seen;             /* while uses are gone through: the one before */
    int gap, again;       /* the longest time between two, and the use behind it */
    bool chosen;          /* is made again before step `again` ... */
    eai_tensor *made_new; /* ... as this value */
    eai_tensor *half;     /* ... of this one */
} life;

static void follow_uses(const draft *d, life *lives)
{
    for (int i = 0; i < d->n; i++) {
        const draft_step *s = &d->steps[i];
        for (int j = 0; j < s->n_in && !s->dropped; j++) {
            life *l = &lives[draft__root(s->in[j])->id];
            l->last = i;
            if (l->made >= 0 && i - l->seen > l->gap) {
                l->gap = i - l->seen;
                l->again = i;
            }
            l->seen = i;
        }
        for (int j = 0; j < s->n_out && !s->dropped; j++)
            lives[s->out[j]->id].made = lives[s->out[j]->id].seen = i;
    }
}

/* Everything that step i reads is there, and unchanged, before step `again`. */
static bool is_possible(const draft *d, const life *lives, int i, int again)
{
    const draft_step *s = &d->steps[i];
    if (s->changes != d->steps[again].changes)
        return false;
    for (int j = 0; j < s->n_in; j++) {
        const life *l = &lives[draft__root(s->in[j])->id];
        if (l->made >= 0 && (l->chosen || l->last < again))
            return false;
    }
    return true;
}

static int choose_again(const draft *d, life *lives)
{
    int n = 0;
    for (int i = 0; i < d->n; i++) {
        const draft_step *s = &d->steps[i];
        if (s->dropped || !(eai_op_get(s->op)->flags & EAI_OPF_R) || d->kept[s->out[0]->id])
            continue;
        life *l = &lives[s->out[0]->id];
        l->chosen = l->gap > FAR && is_possible(d, lives, i, l->again);
        n += l->chosen;
    }
    return n;
}

static int choose_halves(const draft *d, life *lives)
{
    int n = 0;
    for (int i = 0; i < d->n; i++) {
        const draft_step *s = &d->steps[i];
        if (s->dropped || !(eai_op_get(s->op)->flags & EAI_OPF_H) || d->kept[s->out[0]->id] ||
            s->out[0]->dtype != EAI_F32 || eai_shape_elements(&s->out[0]->shape) < LARGE)
            continue;
        life *l = &lives[s->out[0]->id];
        l->chosen = l->made == i && l->gap > FARTHER;
        n += l->chosen;
    }
    return n;
}

/* The tensor `t`, which is an alias of the old value or that value, of the new one (of any type);
 * NULL without memory. */
static eai_tensor *rebase(const draft *d, const eai_tensor *t, eai_tensor *made_new)
{
    if (!(eai_op_get(t->node->op)->flags & EAI_OPF_A))
        return made_new;
    eai_tensor *in = rebase(d, t->node->in[0], made_new);
    eai_tensor *copy = eai_arena_memdup(d->arena, t, sizeof(*t));
    eai_node *node = eai_arena_memdup(d->arena, t->node, sizeof(*node));
    if (!in || !copy || !node)
        return NULL;
    node->in[0] = in;
    copy->node = node;
    copy->dtype = in->dtype;
    return copy;
}

/* A tensor like `old`, another value; NULL without memory. */
static eai_tensor *add_tensor(draft *d, const eai_tensor *old, eai_dtype dtype)
{
    eai_tensor *t = eai_arena_memdup(d->arena, old, sizeof(*t));
    if (!t)
        return NULL;
    t->id = d->n_tensors++;
    t->dtype = dtype;
    d->uses[t->id] = 1;
    d->kept[t->id] = false;
    return t;
}

static draft_step convert(const draft_step *near, const eai_tensor *in, const eai_tensor *out)
{
    return (draft_step){.op = EAI_OP_CONVERT,
                        .n_in = 1,
                        .n_out = 1,
                        .in = {in},
                        .out = {out},
                        .scope = near->scope,
                        .changes = near->changes};
}

/* The step before `next` that makes the value again: one like that which made it, or one that
 * reads what was kept. */
static bool add_again(draft *d, draft_step *s, life *l, const draft_step *next)
{
    const draft_step *old = &d->steps[l->made];
    l->made_new = add_tensor(d, old->out[0], old->out[0]->dtype);
    if (!l->made_new)
        return false;
    if (l->half) {
        *s = convert(next, l->half, l->made_new);
        return true;
    }
    *s = *old;
    s->out[0] = l->made_new;
    s->changes = next->changes;
    return true;
}

/* Behind step `s`, which made the value. */
static bool add_half(draft *d, draft_step *to, life *l, const draft_step *s)
{
    l->half = add_tensor(d, s->out[0], EAI_BF16);
    if (l->half)
        *to = convert(s, s->out[0], l->half);
    return l->half != NULL;
}

/* What input j of step s reads behind the gap: what waited itself where the backend may, else what
 * is made of it before. NULL without memory. */
static eai_tensor *read_again(draft *d, draft_step *steps, int *n, life *l, const draft_step *s,
                              int j, const eai_backend_ops *ops)
{
    if (l->half && ops && ops->reads_half && ops->reads_half(s->op, j))
        return l->half;
    if (!l->made_new && !add_again(d, &steps[(*n)++], l, s))
        return NULL;
    return l->made_new;
}

/* The steps with those that make values again, into `steps`. ops: of the backend where values are
 * halved, else NULL. */
static bool rewrite(draft *d, life *lives, draft_step *steps, const eai_backend_ops *ops)
{
    int n = 0;
    for (int i = 0; i < d->n; i++) {
        draft_step s = d->steps[i];
        for (int j = 0; j < s.n_in && !s.dropped; j++) {
            life *l = &lives[draft__root(s.in[j])->id];
            if (!l->chosen || i < l->again)
                continue;
            eai_tensor *again = read_again(d, steps, &n, l, &s, j, ops);
            s.in[j] = again ? rebase(d, s.in[j], again) : NULL;
            if (!s.in[j])
                return false;
        }
        steps[n++] = s;
        life *l = s.n_out > 0 ? &lives[s.out[0]->id] : NULL;
        if (ops && l && l->chosen && !s.dropped && !add_half(d, &steps[n++], l, &s))
            return false;
    }
    eai_free(d->steps);
    d->steps = steps;
    d->n = n;
    return true;
}

static bool grow_tables(draft *d, int n)
{
    size_t n_tensors = (size_t)d->n_tensors + (size_t)n + 1;
    int *uses = eai_realloc_array(d->uses, n_tensors, sizeof(*uses));
    d->uses = uses ? uses : d->uses;
    bool *kept = uses ? eai_realloc_array(d->kept, n_tensors, sizeof(*kept)) : NULL;
    d->kept = kept ? kept : d->kept;
    return kept != NULL;
}

static bool rework(draft *d, int (*choose)(const draft *d, life *lives), const eai_backend_ops *ops)
{
    life *lives = eai_alloc_array((size_t)d->n_tensors + 1, sizeof(*lives));
    draft_step *steps = NULL;
    bool ok = false;

    if (!lives)
        return false;
    for (int i = 0; i < d->n_tensors; i++)
        lives[i] = (life){-1, -1, -1, 0, -1, false, NULL, NULL};
    follow_uses(d, lives);
    int n = choose(d, lives);
    if (n > 0) {
        int more = ops ? 2 * n : n; /* steps, and values */
        steps = eai_alloc_array((size_t)d->n + (size_t)more, sizeof(*steps));
        ok = steps && grow_tables(d, more) && rewrite(d, lives, steps, ops);
        if (!ok)
            eai_free(steps);
    }
    eai_free(lives);
    return ok || n == 0;
}

bool draft__recompute(draft *d)
{
    return rework(d, choose_again, NULL);
}

bool draft__halve(draft *d, const eai_backend_ops *ops)
{
    return rework(d, choose_halves, ops);
}
