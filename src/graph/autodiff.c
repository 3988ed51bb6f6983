/* Reverse-mode differentiation as a rewrite of the graph: eai_grad() appends operations that
 * compute the gradients, so they are planned, fused and differentiated again like any others.
 *
 * The walk goes backwards over the nodes that the loss depends on and that depend on a wanted
 * tensor (nothing is built below the first adapted layer). Each tensor has at most one adjoint, the
 * sum of what its users contribute. Where a node has no rule of its own, its lowering is appended
 * and walked instead.
 *
 * Activation checkpointing (Chen et al. 2016): before the walk enters a segment, the segment's
 * nodes are cloned, reading the same inputs; the walk then runs over the clones. The originals'
 * results are needed by nobody else, so the planner lets go of them after the forward pass and only
 * the segment's inputs stay. Clones that no rule reads are dropped as dead code. Start at eai_grad.
 */
#include <string.h>

#include <efficientai/alloc.h>

#include "graph/ops.h"

typedef struct walk {
    eai_graph *g;
    eai_tensor **adjoint; /* by tensor id */
    bool *needs;          /* by tensor id: depends on a wanted tensor */
    int cap;
} walk;

/* Room for every tensor that exists now; new entries are NULL and false. */
static bool reserve(walk *w)
{
    int n = graph__tensor_count(w->g);
    if (w->needs && n <= w->cap)
        return true;
    int cap = n * 2;
    eai_tensor **adjoint = eai_realloc_array(w->adjoint, (size_t)cap, sizeof(eai_tensor *));
    if (adjoint)
        w->adjoint = adjoint;
    bool *needs = eai_realloc_array(w->needs, (size_t)cap, sizeof(*needs));
    if (needs)
        w->needs = needs;
    if (!adjoint || !needs) {
        eai_graph_fail(w->g, EAI_ERR_NOMEM, "no memory for the gradients of %d tensors", n);
        return false;
    }
    memset(adjoint + w->cap, 0, sizeof(eai_tensor *) * (size_t)(cap - w->cap));
    memset(needs + w->cap, 0, sizeof(*needs) * (size_t)(cap - w->cap));
    w->cap = cap;
    return true;
}

/* An output depends on a wanted tensor when an input does. */
static void mark_needs(walk *w, const eai_node *n)
{
    bool any = false;
    for (int i = 0; i < n->n_in; i++)
        any = any || w->needs[n->in[i]->id];
    if (eai_op_get(n->op)->flags & EAI_OPF_Z)
        any = false;
    for (int i = 0; i < n->n_out; i++)
        w->needs[n->out[i]->id] = w->needs[n->out[i]->id] || any;
}

static void walk_nodes(walk *w, eai_node *const *nodes, int n);

/* Differentiates the lowering of `n` instead of `n`. */
static void walk_lowered(walk *w, const eai_node *n, eai_tensor *const *dout)
{
    eai_tensor *out[EAI_MAX_OUTPUTS] = {0};
    int first = graph__node_count(w->g);
    eai_op_get(n->op)->lower(w->g, n, out);
    int count = graph__node_count(w->g) - first;
    if (graph__failed(w->g) || !reserve(w))
        return;
    eai_node **nodes = eai_alloc_array((size_t)count, sizeof(eai_node *));
    if (!nodes) {
        eai_graph_fail(w->g, EAI_ERR_NOMEM, "no memory for a lowering");
        return;
    }
    for (int i = 0; i < count; i++) {
        nodes[i] = graph__node(w->g, first + i);
        mark_needs(w, nodes[i]);
    }
    for (int i = 0; i < n->n_out; i++)
        w->adjoint[out[i]->id] = dout[i];
    walk_nodes(w, nodes, count);
    eai_free(nodes);
}

/* Takes one node's output adjoints to its inputs. */
static void walk_node(walk *w, const eai_node *n)
{
    const eai_op_spec *spec = eai_op_get(n->op);
    eai_tensor *dout[EAI_MAX_OUTPUTS] = {0};
    eai_tensor *din[EAI_MAX_INPUTS] = {0};
    bool want[EAI_MAX_INPUTS] = {0};
    bool reached = false;
    bool wanted = false;

    for (int i = 0; i < n->n_out; i++) {
        dout[i] = w->adjoint[n->out[i]->id];
        reached = reached || dout[i];
    }
    for (int i = 0; i < n->n_in; i++) {
        want[i] = w->needs[n->in[i]->id];
        wanted = wanted || want[i];
    }
    if (!reached || !wanted || (spec->flags & EAI_OPF_Z))
        return;
    eai_scope_push(w->g, "grad");
    if (spec->grad && dout[0] && spec->grad(w->g, n, dout, want, din)) {
        if (!graph__failed(w->g) && !reserve(w))
            return;
        for (int i = 0; i < n->n_in && !graph__failed(w->g); i++) {
            eai_tensor **sum = &w->adjoint[n->in[i]->id];
            if (want[i] && din[i])
                *sum = *sum ? eai_add(w->g, *sum, din[i]) : din[i];
        }
    } else if (spec->lower) {
        walk_lowered(w, n, dout);
    } else {
        eai_graph_fail(w->g, EAI_ERR_UNSUPPORTED, "%s has no gradient", spec->name);
    }
    eai_scope_pop(w->g);
}

static void walk_nodes(walk *w, eai_node *const *nodes, int n)
{
    for (int i = n - 1; i >= 0 && !graph__failed(w->g); i--) {
        if (!reserve(w))
            return;
        walk_node(w, nodes[i]);
    }
}

/* Clones nodes[0..n) (one segment), walks the clones, and hands what reached tensors from outside
 * on. */
static void walk_segment(walk *w, eai_node *const *nodes, int n)
{
    int n_map = graph__tensor_count(w->g);
    eai_tensor **map =
        eai_alloc_zeroed((size_t)n_map, sizeof(eai_tensor *)); /* original id -> clone */
    eai_node **clones = eai_alloc_array((size_t)n, sizeof(eai_node *));
    if (!map || !clones) {
        eai_graph_fail(w->g, EAI_ERR_NOMEM, "no memory for a segment");
        goto done;
    }
    for (int i = 0; i < n; i++) {
        eai_tensor *in[EAI_MAX_INPUTS];
        for (int j = 0; j < nodes[i]->n_in; j++)
            in[j] = map[nodes[i]->in[j]->id] ? map[nodes[i]->in[j]->id] : nodes[i]->in[j];
        bool leaf = nodes[i]->n_in == 0 && nodes[i]->op != EAI_OP_FILL;
        bool changes = eai_op_get(nodes[i]->op)->flags & EAI_OPF_M;
        clones[i] = leaf || changes ? nodes[i] : graph__clone(w->g, nodes[i], in);
        if (!clones[i] || !reserve(w))
            goto done;
        for (int j = 0; j < nodes[i]->n_out && clones[i] != nodes[i]; j++) {
            int from = nodes[i]->out[j]->id;
            int to = clones[i]->out[j]->id;
            map[from] = clones[i]->out[j];
            w->needs[to] = w->needs[from];
            w->adjoint[to] = w->adjoint[from];
        }
    }
    walk_nodes(w, clones, n);
    for (int i = 0; i < n_map && !graph__failed(w->g); i++) {
        if (map[i])
            w->adjoint[i] = w->adjoint[map[i]->id];
    }
done:
    eai_free(map);
    eai_free(clones);
}

/* Does the loss depend on it? Marks by node id, walking back from the loss. */
static eai_node **collect_ancestors(walk *w, const eai_tensor *loss, int n_nodes, int *count)
{
    bool *used = eai_alloc_zeroed((size_t)n_nodes, sizeof(*used));
    eai_node **list = eai_alloc_array((size_t)n_nodes, sizeof(eai_node *));
    int n = 0;
    if (!used || !list) {
        eai_graph_fail(w->g, EAI_ERR_NOMEM, "no memory for the gradients of %d nodes", n_nodes);
        eai_free(used);
        eai_free(list);
        return NULL;
    }
    used[loss->node->id] = true;
    for (int i = n_nodes - 1; i >= 0; i--) {
        const eai_node *node = graph__node(w->g, i);
        for (int j = 0; used[i] && j < node->n_in; j++)
            used[node->in[j]->node->id] = true;
    }
    for (int i = 0; i < n_nodes; i++) {
        eai_node *node = graph__node(w->g, i);
        if (!used[i])
            continue;
        mark_needs(w, node);
        list[n++] = node;
    }
    eai_free(used);
    *count = n;
    return list;
}

/* The whole reverse pass over list[0..n), segments recomputed when asked for. */
static void walk_back(walk *w, eai_node *const *list, int n, bool checkpoint)
{
    for (int end = n; end > 0 && !graph__failed(w->g);) {
        int segment = checkpoint ? list[end - 1]->segment : 0;
        int begin = end - 1;
        while (begin > 0 && (checkpoint ? list[begin - 1]->segment : 0) == segment)
            begin--;
        if (segment)
            walk_segment(w, list + begin, end - begin);
        else
            walk_nodes(w, list + begin, end - begin);
        end = begin;
    }
}

void eai_grad(eai_graph *g, eai_tensor *loss, eai_tensor *const *wrt, size_t n,
              const eai_grad_opts *opts, eai_tensor **grads)
{
    walk w = {g, NULL, NULL, 0};
    eai_node **list = NULL;
    int count = 0;

    for (size_t i = 0; i < n; i++)
        grads[i] = NULL;
    if (!loss || graph__failed(g)) {
        eai_graph_fail(g, EAI_ERR_ARGUMENT, "grad: the loss is NULL");
        return;
    }
    if (eai_shape_elements(&loss->shape) != 1) {
        char text[96];
        eai_graph_fail(g, EAI_ERR_SHAPE, "grad: the loss %s is no scalar",
                       eai_shape_print(text, sizeof(text), &loss->shape));
        return;
    }
    int n_nodes = graph__node_count(g);
    if (!reserve(&w))
        goto done;
    for (size_t i = 0; i < n; i++) {
        if (!wrt[i]) {
            eai_graph_fail(g, EAI_ERR_ARGUMENT, "grad: tensor %zu is NULL", i);
            goto done;
        }
        w.needs[wrt[i]->id] = true;
    }
    list = collect_ancestors(&w, loss, n_nodes, &count);
    if (!list)
        goto done;
    w.adjoint[loss->id] = eai_fill(g, loss->shape, 1);
    walk_back(&w, list, count, opts && opts->checkpoint);
    for (size_t i = 0; i < n && !graph__failed(g); i++) {
        grads[i] = wrt[i]->id < w.cap ? w.adjoint[wrt[i]->id] : NULL;
        if (!grads[i])
            grads[i] = eai_fill(g, wrt[i]->shape, 0);
    }
done:
    eai_free(list);
    eai_free(w.adjoint);
    eai_free(w.needs);
}
