/* Plans: from a graph to a list of steps with places, and their running.
 *
 * eai_plan_create goes through these stages: draft (which nodes are needed, in order of creation),
 * fusion (fuse.c), places (memory.c), memory, steps. After it the graph is not needed any more: the
 * plan owns names, programs and steps in one arena, and the caller's weights and states are pointed
 * to. */
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>
#include <efficientai/plan.h>

#include "base/arena.h"
#include "graph/cost.h"
#include "graph/draft.h"

typedef struct named_operand {
    const char *name;
    eai_operand operand;
} named_operand;

/* Memory of a backend that plans take turns with. */
typedef struct plan_block {
    eai_backend *backend;
    void *data;
    size_t bytes;
    int n_plans;
} plan_block;

struct eai_plan {
    eai_backend *backend;
    eai_arena *arena;
    eai_step *steps;
    size_t n_steps;
    named_operand *names;
    size_t n_names;
    plan_block *memory; /* inputs, then activations */
    plan_block *workspace;
    void *prepared; /* the backend's */
    eai_plan_memory bytes;
    double flops;
    int n_fused;
    int n_graph_steps;
    const char *live_at; /* the step at which most is alive: "layers.3.mlp: matmul" */
};

/* ---- Draft
 * ---------------------------------------------------------------------------------------- */

static bool is_leaf(eai_op op)
{
    return op == EAI_OP_INPUT || op == EAI_OP_WEIGHT || op == EAI_OP_STATE;
}

/* Marks what the outputs and the state changes depend on, by node id. */
static void mark_needed(const eai_graph *g, bool *needed)
{
    const char *name;
    for (int i = 0; i < graph__output_count(g); i++)
        needed[graph__output(g, i, &name)->node->id] = true;
    for (int i = graph__node_count(g) - 1; i >= 0; i--) {
        const eai_node *n = graph__node(g, i);
        if (eai_op_get(n->op)->flags & EAI_OPF_M)
            needed[i] = true;
        for (int j = 0; needed[i] && j < n->n_in; j++)
            needed[n->in[j]->node->id] = true;
    }
}

static void add_step(draft *d, const eai_node *n, int changes)
{
    draft_step *s = &d->steps[d->n];
    memset(s, 0, sizeof(*s));
    s->op = n->op;
    s->n_in = n->n_in;
    s->n_out = n->n_out;
    s->params = n->params;
    s->scope = n->scope;
    s->changes = changes;
    for (int j = 0; j < n->n_in; j++)
        s->in[j] = n->in[j];
    for (int j = 0; j < n->n_out; j++) {
        s->out[j] = n->out[j];
        d->producer[n->out[j]->id] = d->n;
    }
    d->n++;
}

static bool make_draft(draft *d, const eai_graph *g, eai_arena *arena)
{
    int n_nodes = graph__node_count(g);
    size_t n_tensors = (size_t)graph__tensor_count(g);
    const char *name;
    int changes = 0;

    memset(d, 0, sizeof(*d));
    d->arena = arena;
    d->n_tensors = (int)n_tensors;
    bool *needed = eai_alloc_zeroed((size_t)n_nodes + 1, sizeof(*needed));
    d->steps = eai_alloc_array((size_t)n_nodes + 1, sizeof(*d->steps));
    d->uses = eai_alloc_zeroed(n_tensors + 1, sizeof(*d->uses));
    d->producer = eai_alloc_array(n_tensors + 1, sizeof(*d->producer));
    d->kept = eai_alloc_zeroed(n_tensors + 1, sizeof(*d->kept));
    if (!needed || !d->steps || !d->uses || !d->producer || !d->kept) {
        eai_free(needed);
        return false;
    }
    for (size_t i = 0; i < n_tensors; i++)
        d->producer[i] = -1;
    mark_needed(g, needed);
    for (int i = 0; i < n_nodes; i++) {
        const eai_node *n = graph__node(g, i);
        if (!needed[i])
            continue;
        for (int j = 0; j < n->n_in; j++)
            d->uses[n->in[j]->id]++;
        if (!is_leaf(n->op) && !(eai_op_get(n->op)->flags & EAI_OPF_A))
            add_step(d, n, changes);
        changes += (eai_op_get(n->op)->flags & EAI_OPF_M) != 0;
    }
    for (int i = 0; i < graph__output_count(g); i++) {
        const eai_tensor *t = graph__output(g, i, &name);
        d->uses[t->id]++;
        d->kept[t->id] = true;
        d->uses[draft__root(t)->id]++;
        d->kept[draft__root(t)->id] = true;
    }
    eai_free(needed);
    return true;
}

static void free_draft(draft *d)
{
    eai_free(d->steps);
    eai_free(d->uses);
    eai_free(d->producer);
    eai_free(d->kept);
}

/* ---- Memory
 * --------------------------------------------------------------------------------------- */

static void release_block(plan_block *block)
{
    if (!block || --block->n_plans > 0)
        return;
    block->backend->ops->release(block->backend, block->data);
    eai_free(block);
}

/* The lent block if it is large enough, else one of its own; NULL without memory. */
static plan_block *take_block(eai_backend *b, plan_block *lent, size_t bytes)
{
    if (lent && lent->backend == b && lent->bytes >= bytes) {
        lent->n_plans++;
        return lent;
    }
    plan_block *block = eai_alloc_zeroed(1, sizeof(*block));
    if (!block)
        return NULL;
    *block = (plan_block){b, b->ops->alloc(b, bytes ? bytes : 64), bytes, 1};
    if (!block->data) {
        eai_free(block);
        return NULL;
    }
    return block;
}

/* Offsets of INPUT leaves by tensor id, and sums over the leaves. Every input has memory, used or
 * not. */
static void measure_leaves(eai_plan *plan, const eai_graph *g, size_t *input_offset)
{
    for (int i = 0; i < graph__node_count(g); i++) {
        const eai_node *n = graph__node(g, i);
        size_t bytes;
        if (!is_leaf(n->op) || !eai_tensor_bytes(&bytes, n->out[0]->dtype, &n->out[0]->shape))
            continue;
        if (n->op == EAI_OP_INPUT) {
            input_offset[n->out[0]->id] = plan->bytes.inputs;
            plan->bytes.inputs += (bytes + 63) / 64 * 64;
        } else if (n->op == EAI_OP_WEIGHT) {
            plan->bytes.weights += bytes;
        } else {
            plan->bytes.states += bytes;
        }
    }
}

typedef struct resolver {
    const eai_plan *plan;
    const draft *d;
    const size_t *input_offset;
    const placement *places;
} resolver;

/* The memory of a tensor: the caller's, an input's, or a place in the arena. */
static eai_operand resolve(const resolver *r, const eai_tensor *t)
{
    const eai_tensor *root = draft__root(t);
    eai_operand o = {NULL, t->dtype, t->shape, NULL};
    unsigned char *base = r->plan->memory->data;
    if (root->node->op == EAI_OP_INPUT) {
        o.data = base + r->input_offset[root->id];
    } else if (is_leaf(root->node->op)) {
        o.data = root->node->data;
        o.planes = root->node->planes;
    } else if (r->places->offset[root->id] != SIZE_MAX) {
        o.data = base + r->plan->bytes.inputs + r->places->offset[root->id];
        if (o.dtype == EAI_F32)
            o.dtype = r->plan->backend->ops->compute;
    }
    return o;
}

/* The number of a value, or which memory it is. */
static int number_of(const eai_tensor *t)
{
    const eai_tensor *root = draft__root(t);
    switch (root->node->op) {
    case EAI_OP_WEIGHT:
        return EAI_OPERAND_WEIGHT;
    case EAI_OP_STATE:
        return EAI_OPERAND_STATE;
    case EAI_OP_INPUT:
        return EAI_OPERAND_INPUT;
    default:
        return root->id;
    }
}

/* ---- Steps
 * ---------------------------------------------------------------------------------------- */

static eai_status make_step(eai_plan *plan, eai_step *s, const draft_step *from, const resolver *r,
                            eai_error *err)
{
    const eai_op_spec *spec = eai_op_get(from->op);

    memset(s, 0, sizeof(*s));
    s->op = from->op;
    s->n_in = from->n_in;
    s->n_out = from->n_out;
    s->params = from->params;
    s->fused = from->fused;
    s->scope = eai_arena_strdup(plan->arena, from->scope);
    if (!s->scope)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a plan");
    for (int j = 0; j < from->n_in; j++) {
        s->in[j] = resolve(r, from->in[j]);
        s->in_value[j] = number_of(from->in[j]);
    }
    for (int j = 0; j < from->n_out; j++) {
        s->out[j] = resolve(r, from->out[j]);
        s->out_value[j] = number_of(from->out[j]);
        if (r->d->kept[from->out[j]->id])
            s->kept |= 1u << j;
    }
    plan->flops += graph__step_flops(s);
    const char *refusal = plan->backend->ops->refuses(plan->backend, s);
    if (refusal)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "%s%s%s: %s", s->scope,
                             s->scope[0] ? ": " : "", spec->name, refusal);
    size_t workspace = plan->backend->ops->workspace(plan->backend, s);
    if (workspace > plan->bytes.workspace)
        plan->bytes.workspace = workspace;
    return EAI_OK;
}

/* Says of every value which step is the last to read it. False without memory. */
static bool mark_last_reads(eai_plan *plan, const draft *d)
{
    bool *read = eai_alloc_zeroed((size_t)d->n_tensors + 1, sizeof(*read));
    if (!read)
        return false;
    for (size_t i = plan->n_steps; i-- > 0;) {
        eai_step *s = &plan->steps[i];
        for (int j = 0; j < s->n_in; j++) {
            int value = s->in_value[j];
            if (value < 0 || read[value] || d->kept[value])
                continue;
            read[value] = true;
            s->dies |= 1u << j;
        }
    }
    eai_free(read);
    return true;
}

static eai_status make_steps(eai_plan *plan, const draft *d, const resolver *r, eai_error *err)
{
    plan->steps = eai_alloc_array((size_t)d->n + 1, sizeof(*plan->steps));
    if (!plan->steps)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %d steps", d->n);
    for (int i = 0; i < d->n; i++) {
        if (!d->steps[i].dropped)
            EAI_TRY(make_step(plan, &plan->steps[plan->n_steps++], &d->steps[i], r, err));
    }
    if (!mark_last_reads(plan, d))
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %d steps", d->n);
    const eai_backend_ops *ops = plan->backend->ops;
    return ops->prepare ? ops->prepare(plan->backend, plan->steps, plan->n_steps, d->n_tensors,
                                       &plan->prepared, err)
                        : EAI_OK;
}

/* Inputs and outputs by name. */
static eai_status make_names(eai_plan *plan, const eai_graph *g, const resolver *r, eai_error *err)
{
    size_t cap = (size_t)graph__output_count(g);
    for (int i = 0; i < graph__node_count(g); i++)
        cap += graph__node(g, i)->op == EAI_OP_INPUT;
    plan->names = eai_arena_array(plan->arena, cap + 1, sizeof(*plan->names));
    if (!plan->names)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a plan");
    for (int i = 0; i < graph__node_count(g) + graph__output_count(g); i++) {
        int k = i - graph__node_count(g);
        const char *name = NULL;
        const eai_tensor *t;
        if (k < 0) {
            const eai_node *n = graph__node(g, i);
            if (n->op != EAI_OP_INPUT)
                continue;
            t = n->out[0];
            name = t->name;
        } else {
            t = graph__output(g, k, &name);
        }
        named_operand *row = &plan->names[plan->n_names++];
        row->operand = resolve(r, t);
        row->name = eai_arena_strdup(plan->arena, name);
        if (!row->name)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a plan");
    }
    return EAI_OK;
}

/* NULL without memory. */
static const char *name_step(eai_arena *arena, const draft_step *s)
{
    if (!s)
        return "";
    return eai_arena_printf(arena, "%s%s%s", s->scope, s->scope[0] ? ": " : "",
                            eai_op_get(s->op)->name);
}

static eai_status compile(eai_plan *plan, eai_graph *g, draft *d, const eai_plan *lender,
                          eai_error *err)
{
    eai_status st = EAI_OK;
    size_t n_tensors = (size_t)graph__tensor_count(g) + 1;
    const eai_backend_ops *ops = plan->backend->ops;
    placement places = {0};
    size_t *input_offset = eai_alloc_zeroed(n_tensors, sizeof(*input_offset));

    if (!input_offset || !make_draft(d, g, plan->arena)) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to plan %zu tensors", n_tensors);
        goto done;
    }
    plan->n_graph_steps = d->n;
    bool halve = plan->backend->precision != EAI_PRECISION_F32; /* and products round them anyway */
    if ((ops->fuse &&
         (!draft__fuse(d) || !draft__recompute(d) || (halve && !draft__halve(d, ops)))) ||
        !draft__place(&places, d, ops)) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to plan %zu tensors", n_tensors);
        goto done;
    }
    plan->n_fused = d->n_fused;
    measure_leaves(plan, g, input_offset);
    plan->bytes.activations = places.arena_bytes;
    plan->bytes.unplanned = places.unshared_bytes;
    plan->bytes.live = places.live_bytes;
    plan->live_at =
        name_step(plan->arena, places.live_step < 0 ? NULL : &d->steps[places.live_step]);
    if (!plan->live_at) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a plan");
        goto done;
    }
    size_t bytes = plan->bytes.inputs + places.arena_bytes;
    plan->memory = take_block(plan->backend, lender ? lender->memory : NULL, bytes);
    if (!plan->memory) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu MB of activations", bytes >> 20);
        goto done;
    }
    memset(plan->memory->data, 0, plan->bytes.inputs);
    resolver r = {plan, d, input_offset, &places};
    st = make_steps(plan, d, &r, err);
    if (st != EAI_OK)
        goto done;
    st = make_names(plan, g, &r, err);
    if (st != EAI_OK)
        goto done;
    plan->workspace =
        take_block(plan->backend, lender ? lender->workspace : NULL, plan->bytes.workspace);
    if (!plan->workspace)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu MB of workspace",
                           plan->bytes.workspace >> 20);
done:
    eai_free(input_offset);
    eai_free(places.offset);
    return st;
}

eai_status eai_plan_create(eai_plan **out, eai_graph *g, eai_backend *b, eai_error *err)
{
    return eai_plan_create_sharing(out, g, b, NULL, err);
}

eai_status eai_plan_create_sharing(eai_plan **out, eai_graph *g, eai_backend *b,
                                   const eai_plan *lender, eai_error *err)
{
    eai_plan *plan = NULL;
    draft d = {0};

    *out = NULL;
    EAI_TRY(eai_graph_check(g, err));
    plan = eai_alloc_zeroed(1, sizeof(*plan));
    if (plan)
        plan->arena = eai_arena_create(1 << 16);
    if (!plan || !plan->arena) {
        eai_free(plan);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a plan");
    }
    plan->backend = b;
    eai_status st = compile(plan, g, &d, lender, err);
    free_draft(&d);
    if (st != EAI_OK) {
        eai_plan_free(plan);
        return st;
    }
    EAI_LOG(DEBUG, "plan", "compiled %zu steps (%d fused) for %s: %zu bytes at most", plan->n_steps,
            plan->n_fused, b->description,
            plan->bytes.inputs + plan->bytes.activations + plan->bytes.workspace);
    *out = plan;
    return EAI_OK;
}

void eai_plan_free(eai_plan *plan)
{
    if (!plan)
        return;
    if (plan->prepared)
        plan->backend->ops->discard(plan->backend, plan->prepared);
    release_block(plan->memory);
    release_block(plan->workspace);
    eai_free(plan->steps);
    eai_arena_free(plan->arena);
    eai_free(plan);
}

eai_status eai_plan_find(eai_operand *out, const eai_plan *plan, const char *name, eai_error *err)
{
    for (size_t i = 0; i < plan->n_names; i++) {
        if (strcmp(plan->names[i].name, name) == 0) {
            *out = plan->names[i].operand;
            return EAI_OK;
        }
    }
    return eai_error_set(err, EAI_ERR_NOT_FOUND, "the plan has no input or output '%s'", name);
}

eai_status eai_plan_run(eai_plan *plan, eai_error *err)
{
    return plan->backend->ops->run(plan->backend, plan->steps, plan->n_steps, plan->prepared,
                                   plan->workspace->data, err);
}

void eai_plan_get_memory(eai_plan_memory *out, const eai_plan *plan)
{
    *out = plan->bytes;
}

size_t eai_plan_steps(const eai_plan *plan)
{
    return plan->n_steps;
}

double eai_plan_flops(const eai_plan *plan)
{
    return plan->flops;
}

static double megabytes(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

void eai_plan_print(const eai_plan *plan, FILE *out)
{
    int count[EAI_OP_COUNT] = {0};
    double flops[EAI_OP_COUNT] = {0};
    for (size_t i = 0; i < plan->n_steps; i++) {
        const eai_step *s = &plan->steps[i];
        count[s->op]++;
        flops[s->op] += graph__step_flops(s);
    }
    fprintf(out, "plan for %s\n", plan->backend->description);
    fprintf(out, "  %-16s %8s %12s\n", "step", "count", "GFLOP");
    for (int i = 0; i < EAI_OP_COUNT; i++) {
        if (count[i])
            fprintf(out, "  %-16s %8d %12.3f\n", eai_op_get((eai_op)i)->name, count[i],
                    flops[i] / 1e9);
    }
    fprintf(out, "  %-16s %8zu %12.3f\n", "total", plan->n_steps, plan->flops / 1e9);
    fprintf(out, "  %d of %d operations fused into others\n", plan->n_fused, plan->n_graph_steps);
    fprintf(out,
            "  memory, MB: weights %.1f, states %.1f, inputs %.1f, activations %.1f, "
            "workspace %.1f\n",
            megabytes(plan->bytes.weights), megabytes(plan->bytes.states),
            megabytes(plan->bytes.inputs), megabytes(plan->bytes.activations),
            megabytes(plan->bytes.workspace));
    if (plan->bytes.live > 0)
        fprintf(out, "  liveness, MB: %.1f of values in %.1f; alive at once %.1f at most, at %s\n",
                megabytes(plan->bytes.unplanned), megabytes(plan->bytes.activations),
                megabytes(plan->bytes.live), plan->live_at);
}
