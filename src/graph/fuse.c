/* Fusion: fewer passes over memory.
 *
 * 1. add(x, matmul(a, b)) becomes matmul(a, b, x): the product adds to x while it is written (in
 * place when x is used by nobody else). Adapters (base + scale * A B), residuals and sums of
 * gradients are all this.
 * 2. A product that adds to a thin one (few terms a sum), or the other way round, becomes one
 * product of a pair, which writes its result once: a linear layer with its adapter, and its
 * gradient. If the thin product's left factor is a product of the same matrix (x A of x W + (x A)
 * B), it becomes part of it too, and x is read once. A residual connection around a pair is its
 * addend.
 * 3. Elementwise operations that feed only another elementwise operation of the same size become
 * one FUSED step: a small program that the backend runs block by block in cache.
 *
 * A step that moves later must still see the same states: nothing is fused across a state change.
 */
#include <string.h>

#include "graph/draft.h"

static const draft_step *producer_of(const draft *d, const eai_tensor *t)
{
    int p = d->producer[t->id];
    return p >= 0 ? &d->steps[p] : NULL;
}

/* The step that makes `t`, when `user` is its only user and nothing changed in between. */
static draft_step *sole_source(const draft *d, const eai_tensor *t, const draft_step *user)
{
    int p = d->producer[t->id];
    if (p < 0 || d->uses[t->id] != 1 || d->kept[t->id])
        return NULL;
    draft_step *s = &d->steps[p];
    return s->changes == user->changes && !s->dropped ? s : NULL;
}

static void drop(draft *d, draft_step *s)
{
    s->dropped = true;
    d->n_fused++;
}

static void fuse_products(draft *d)
{
    for (int i = 0; i < d->n; i++) {
        draft_step *s = &d->steps[i];
        if (s->op != EAI_OP_ADD)
            continue;
        draft_step *best = NULL;
        int other = 0;
        for (int j = 0; j < 2; j++) {
            draft_step *m = sole_source(d, s->in[j], s);
            if (!m || m->op != EAI_OP_MATMUL || m->n_in != 2 || s->in[0] == s->in[1] ||
                !eai_shape_equal(&s->in[0]->shape, &s->in[1]->shape))
                continue;
            if (!best || m > best) { /* the later one: its operands are near */
                best = m;
                other = 1 - j;
            }
        }
        if (!best)
            continue;
        const eai_tensor *c = s->in[other];
        s->op = EAI_OP_MATMUL;
        s->params = best->params;
        s->scope = best->scope;
        s->n_in = 3;
        s->in[0] = best->in[0];
        s->in[1] = best->in[1];
        s->in[2] = c;
        drop(d, best);
    }
}

#define THIN      256 /* terms of a thin product, at most ... */
#define THIN_PART 4   /* ... and so many times fewer than the other has */

/* Both multiply matrices the same way; false where a factor has a batch or is transposed first. */
static bool are_alike(const draft_step *s, const draft_step *t)
{
    return !s->params.matmul.trans_a && !t->params.matmul.trans_a &&
           s->params.matmul.trans_b == t->params.matmul.trans_b && s->in[0]->shape.n_dims == 2 &&
           t->in[0]->shape.n_dims == 2;
}

/* `user` adds to the product `made`: it takes over both. */
static bool make_pair(draft_step *user, const draft_step *made)
{
    const draft_step *main = user;
    const draft_step *thin = made;
    if (thin->in[0]->shape.dim[1] > main->in[0]->shape.dim[1]) {
        main = made;
        thin = user;
    }
    int64_t terms = thin->in[0]->shape.dim[1];
    if (terms > THIN || terms * THIN_PART > main->in[0]->shape.dim[1])
        return false;

    const eai_tensor *in[EAI_MAX_INPUTS];
    int n = 0;
    in[n++] = main->in[0];
    in[n++] = main->in[1];
    if (made->n_in == 3)
        in[n++] = made->in[2];
    in[n++] = thin->in[0];
    in[n++] = thin->in[1];
    eai_op_params params = main->params;
    params.matmul.pair_alpha = thin->params.matmul.alpha;
    user->scope = main->scope;
    user->params = params;
    user->n_in = n;
    for (int i = 0; i < n; i++)
        user->in[i] = in[i];
    return true;
}

static void fuse_pairs(draft *d)
{
    for (int i = 0; i < d->n; i++) {
        draft_step *s = &d->steps[i];
        if (s->dropped || s->op != EAI_OP_MATMUL || s->n_in != 3)
            continue;
        draft_step *made = sole_source(d, s->in[2], s);
        if (made && made->op == EAI_OP_MATMUL && made->n_in <= 3 && are_alike(s, made) &&
            make_pair(s, made))
            drop(d, made);
    }
}

/* Is all that `s` reads, but the j-th input, there before step i? */
static bool can_run_at(const draft *d, const draft_step *s, int j, int i)
{
    for (int k = 0; k < s->n_in; k++) {
        if (k != j && d->producer[draft__root(s->in[k])->id] >= i)
            return false;
    }
    return true;
}

/* The step of a pair moves to where the left factor of its thin product was made. */
static void fuse_chains(draft *d)
{
    for (int i = 0; i < d->n; i++) {
        draft_step *s = &d->steps[i];
        int j = s->op == EAI_OP_MATMUL && !s->dropped ? eai_step_pair(s->n_in) : -1;
        int at = j < 0 ? -1 : d->producer[s->in[j]->id];
        if (at < 0)
            continue;
        draft_step *made = &d->steps[at];
        if (made->op != EAI_OP_MATMUL || made->dropped || made->n_in != 2 ||
            made->changes != s->changes || made->in[0] != s->in[0] || !are_alike(s, made) ||
            !can_run_at(d, s, j, at))
            continue;
        draft_step chain = *s;
        chain.params.matmul.chained = true;
        chain.params.matmul.chain_alpha = made->params.matmul.alpha;
        chain.in[j] = made->in[1];
        chain.out[1] = made->out[0];
        chain.n_out = 2;
        d->uses[made->in[0]->id]--;
        d->uses[made->out[0]->id]--;
        d->producer[s->out[0]->id] = at;
        *made = chain;
        drop(d, s);
    }
}

/* What is added to a pair becomes its addend: a residual connection. */
static void fuse_addends(draft *d)
{
    for (int i = 0; i < d->n; i++) {
        draft_step *s = &d->steps[i];
        for (int j = 0; j < 2 && s->op == EAI_OP_ADD && !s->dropped; j++) {
            draft_step *m = sole_source(d, s->in[j], s);
            const eai_tensor *c = s->in[1 - j];
            int at = d->producer[s->in[j]->id];
            if (!m || m->op != EAI_OP_MATMUL || m->n_in != 4 || c == s->in[j] ||
                !eai_shape_equal(&c->shape, &s->out[0]->shape) ||
                d->producer[draft__root(c)->id] >= at)
                continue;
            m->in[4] = m->in[3];
            m->in[3] = m->in[2];
            m->in[2] = c;
            m->n_in = 5;
            m->out[0] = s->out[0];
            d->producer[s->out[0]->id] = at;
            drop(d, s);
        }
    }
}

static bool is_elementwise(const draft_step *s)
{
    return s->op == EAI_OP_FUSED || (eai_op_get(s->op)->flags & EAI_OPF_E);
}

/* Every input is as large as the output or a single element. */
static bool is_simple(const draft_step *s)
{
    int64_t n = eai_shape_elements(&s->out[0]->shape);
    for (int i = 0; i < s->n_in; i++) {
        int64_t m = eai_shape_elements(&s->in[i]->shape);
        if (m != n && m != 1)
            return false;
    }
    return true;
}

/* A program of one instruction for a plain elementwise step; its own program for a FUSED one. */
static eai_fused program_of(const draft_step *s)
{
    if (s->op == EAI_OP_FUSED)
        return *s->fused;
    eai_fused f = {.n = 1};
    f.code[0] = (eai_fused_instruction){s->op, 0, s->n_in > 1 ? 1 : -1, s->params};
    return f;
}

/* A step under assembly: numbers of inputs and code of both parts renumbered into one. */
typedef struct merge {
    const eai_tensor *in[EAI_MAX_INPUTS];
    int n_in;
    eai_fused code;
} merge;

static int input_number(merge *m, const eai_tensor *t)
{
    for (int i = 0; i < m->n_in; i++) {
        if (m->in[i] == t)
            return i;
    }
    if (m->n_in == EAI_MAX_INPUTS)
        return -1;
    m->in[m->n_in] = t;
    return m->n_in++;
}

/* Appends the code of a part with n_in inputs: input i becomes map[i], the result of instruction k
 * becomes first + k. */
static void append_code(merge *m, const eai_fused *part, const int *map, int n_in, int first)
{
    for (int i = 0; i < part->n; i++) {
        eai_fused_instruction c = part->code[i];
        int *operand[] = {&c.a, &c.b};
        for (int k = 0; k < 2; k++) {
            int v = *operand[k];
            if (v >= 0) /* -1: there is none */
                *operand[k] = v < n_in ? map[v] : first + v - n_in;
        }
        m->code.code[m->code.n++] = c;
    }
}

/* Merges `source`, which makes input `slot` of `user`, into `user`. All inputs are numbered first,
 * since results are numbered after them. False when there are too many inputs or instructions. */
static bool merge_steps(merge *m, const draft_step *source, const draft_step *user, int slot)
{
    eai_fused a = program_of(source);
    eai_fused b = program_of(user);
    int map_a[EAI_MAX_INPUTS];
    int map_b[EAI_MAX_INPUTS];

    if (a.n + b.n > EAI_FUSED_MAX)
        return false;
    m->n_in = 0;
    for (int i = 0; i < source->n_in; i++) {
        if ((map_a[i] = input_number(m, source->in[i])) < 0)
            return false;
    }
    for (int i = 0; i < user->n_in; i++) {
        if (user->in[i] != user->in[slot] && (map_b[i] = input_number(m, user->in[i])) < 0)
            return false;
    }
    for (int i = 0; i < user->n_in; i++) {
        if (user->in[i] == user->in[slot])
            map_b[i] = m->n_in + a.n - 1; /* the last result of the first part */
    }
    m->code.n = 0;
    append_code(m, &a, map_a, source->n_in, m->n_in);
    append_code(m, &b, map_b, user->n_in, m->n_in + a.n);
    return true;
}

/* How many inputs of `user` are that tensor (x * x counts twice). */
static int times_used(const draft_step *user, const eai_tensor *t)
{
    int n = 0;
    for (int i = 0; i < user->n_in; i++)
        n += user->in[i] == t;
    return n;
}

static bool fuse_into(draft *d, draft_step *user)
{
    for (int slot = 0; slot < user->n_in;) {
        const eai_tensor *t = user->in[slot];
        const draft_step *made = producer_of(d, t);
        merge m;
        bool ok = made && !made->dropped && is_elementwise(made) && is_simple(made) &&
                  made->changes == user->changes && !d->kept[t->id] &&
                  d->uses[t->id] == times_used(user, t) &&
                  eai_shape_elements(&t->shape) == eai_shape_elements(&user->out[0]->shape) &&
                  merge_steps(&m, made, user, slot);
        if (!ok) {
            slot++;
            continue;
        }
        eai_fused *code = user->fused ? user->fused : eai_arena_alloc(d->arena, sizeof(*code));
        if (!code)
            return false;
        /* Inputs that both parts read are now read once. */
        for (int i = 0; i < made->n_in; i++)
            d->uses[made->in[i]->id]--;
        for (int i = 0; i < user->n_in; i++)
            d->uses[user->in[i]->id]--;
        *code = m.code;
        user->fused = code;
        user->op = EAI_OP_FUSED;
        user->n_in = m.n_in;
        memcpy(user->in, m.in, sizeof(m.in));
        for (int i = 0; i < user->n_in; i++)
            d->uses[user->in[i]->id]++;
        drop(d, &d->steps[d->producer[t->id]]);
        slot = 0;
    }
    return true;
}

bool draft__fuse(draft *d)
{
    fuse_products(d);
    fuse_pairs(d);
    fuse_chains(d);
    fuse_addends(d);
    for (int i = 0; i < d->n; i++) {
        draft_step *s = &d->steps[i];
        if (!s->dropped && is_elementwise(s) && is_simple(s) && !fuse_into(d, s))
            return false;
    }
    return true;
}
