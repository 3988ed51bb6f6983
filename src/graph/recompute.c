/* Values made again: much less memory for a little time.
 *
 * Some values are cheap to make and read twice: soon after they are made, and long after, by the
 * backward pass (a normalized x: by the products, then by the gradients of an adapter's A). Such a
 * value is not kept: a copy of its step makes it again right before it is wanted, where what it is
 * made of is still there anyway. The copy computes the same bits. Recomputation of whole segments,
 * which costs a forward pass, is the graph's (autodiff.c). Start at draft__recompute. */
#include <string.h>

#include <efficientai/alloc.h>

#include "graph/draft.h"

#include "base/banned.h"

#define FAR 16 /* steps between two uses that are worth a copy */

/* What is known of a value, by the id of its root; numbers of steps, -1: none. */
typedef struct life {
    int made, last;
    int seen;             /* while uses are gone through: the one before */
    int gap, again;       /* the longest time between two, and the use behind it */
    bool chosen;          /* is made again before step `again` ... */
    eai_tensor *made_new; /* ... as this value */
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

static int choose(const draft *d, life *lives)
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

/* The tensor `t`, which is an alias of the old value or that value, of the new one; NULL without
 * memory. */
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
    return copy;
}

/* A step like the one that made `old`, whose value is new. */
static bool add_again(draft *d, draft_step *s, life *l, int changes)
{
    const draft_step *old = &d->steps[l->made];
    l->made_new = eai_arena_memdup(d->arena, old->out[0], sizeof(*l->made_new));
    if (!l->made_new)
        return false;
    l->made_new->id = d->n_tensors++;
    d->uses[l->made_new->id] = 1;
    d->kept[l->made_new->id] = false;
    *s = *old;
    s->out[0] = l->made_new;
    s->changes = changes;
    return true;
}

/* The steps with those that make values again, into `steps`. */
static bool rewrite(draft *d, life *lives, draft_step *steps)
{
    int n = 0;
    for (int i = 0; i < d->n; i++) {
        draft_step s = d->steps[i];
        for (int j = 0; j < s.n_in && !s.dropped; j++) {
            life *l = &lives[draft__root(s.in[j])->id];
            if (!l->chosen || i < l->again)
                continue;
            if (!l->made_new && !add_again(d, &steps[n++], l, s.changes))
                return false;
            s.in[j] = rebase(d, s.in[j], l->made_new);
            if (!s.in[j])
                return false;
        }
        steps[n++] = s;
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

bool draft__recompute(draft *d)
{
    life *lives = eai_alloc_array((size_t)d->n_tensors + 1, sizeof(*lives));
    draft_step *steps = NULL;
    bool ok = false;

    if (!lives)
        return false;
    for (int i = 0; i < d->n_tensors; i++)
        lives[i] = (life){-1, -1, -1, 0, -1, false, NULL};
    follow_uses(d, lives);
    int n = choose(d, lives);
    if (n > 0) {
        steps = eai_alloc_array((size_t)d->n + (size_t)n, sizeof(*steps));
        ok = steps && grow_tables(d, n) && rewrite(d, lives, steps);
        if (!ok)
            eai_free(steps);
    }
    eai_free(lives);
    return ok || n == 0;
}
