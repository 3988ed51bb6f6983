/* The graph under construction: nodes, tensors, scopes, the sticky error, and the public builder
 * functions, each of which fills parameters and calls graph__add_node. What a node's outputs look
 * like is the business of shapes.c, gradients that of gradients.c. Start at graph__add_node. */
#include <string.h>

#include <efficientai/alloc.h>

#include "base/arena.h"
#include "graph/ops.h"

#define SCOPE_DEPTH 8
#define SCOPE_TEXT  160
#define MAX_NODES   10000000

struct eai_graph {
    eai_arena *arena; /* nodes, tensors, names: live as long as the graph */
    eai_node **nodes;
    int n_nodes, cap_nodes;
    int n_tensors;
    struct {
        eai_tensor *tensor;
        const char *name;
    } * outputs;
    int n_outputs, cap_outputs;
    char scope[SCOPE_TEXT];
    size_t scope_end[SCOPE_DEPTH]; /* length of `scope` before each push */
    int depth;
    const char *scope_copy; /* of the current scope, in the arena; NULL: to be made */
    int segment, n_segments;
    eai_error error;
};

eai_status eai_graph_create(eai_graph **out, eai_error *err)
{
    *out = NULL;
    eai_graph *g = eai_alloc_zeroed(1, sizeof(*g));
    if (!g)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a graph");
    g->arena = eai_arena_create(1 << 18);
    if (!g->arena) {
        eai_free(g);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a graph");
    }
    *out = g;
    return EAI_OK;
}

void eai_graph_free(eai_graph *g)
{
    if (!g)
        return;
    eai_arena_free(g->arena);
    eai_free(g->nodes);
    eai_free(g->outputs);
    eai_free(g);
}

eai_status eai_graph_check(const eai_graph *g, eai_error *err)
{
    if (g->error.code != EAI_OK)
        return eai_error_set(err, g->error.code, "%s", g->error.message);
    return EAI_OK;
}

bool graph__failed(const eai_graph *g)
{
    return g->error.code != EAI_OK;
}

eai_tensor *eai_graph_fail(eai_graph *g, eai_status code, const char *fmt, ...)
{
    if (g->error.code != EAI_OK)
        return NULL; /* the first error is the cause */
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (g->scope[0])
        eai_error_set(&g->error, code, "%s: %s", g->scope, text);
    else
        eai_error_set(&g->error, code, "%s", text);
    return NULL;
}

void *graph__alloc(eai_graph *g, size_t bytes)
{
    void *p = eai_arena_alloc(g->arena, bytes);
    if (!p)
        eai_graph_fail(g, EAI_ERR_NOMEM, "no memory for the graph (%zu bytes)", bytes);
    return p;
}

static const char *copy_text(eai_graph *g, const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = graph__alloc(g, n);
    if (p)
        memcpy(p, s, n);
    return p;
}

/* ---- Scopes and segments
 * -------------------------------------------------------------------------- */

void eai_scope_push(eai_graph *g, const char *fmt, ...)
{
    size_t end = strlen(g->scope);
    if (g->depth < SCOPE_DEPTH) {
        va_list args;
        g->scope_end[g->depth] = end;
        if (end && end + 1 < SCOPE_TEXT)
            g->scope[end++] = '.';
        va_start(args, fmt);
        vsnprintf(g->scope + end, SCOPE_TEXT - end, fmt, args);
        va_end(args);
    }
    g->depth++;
    g->scope_copy = NULL;
}

void eai_scope_pop(eai_graph *g)
{
    if (g->depth == 0)
        return;
    g->depth--;
    if (g->depth < SCOPE_DEPTH)
        g->scope[g->scope_end[g->depth]] = '\0';
    g->scope_copy = NULL;
}

void eai_segment_begin(eai_graph *g)
{
    if (g->segment)
        eai_graph_fail(g, EAI_ERR_INTERNAL, "segments do not nest");
    g->segment = ++g->n_segments;
}

void eai_segment_end(eai_graph *g)
{
    g->segment = 0;
}

/* ---- Nodes
 * ---------------------------------------------------------------------------------------- */

/* Room for one more item of a growing array of pointers-sized rows. */
static bool grow(eai_graph *g, void **items, int n, int *cap, size_t size)
{
    if (n < *cap)
        return true;
    int larger = *cap ? *cap * 2 : 256;
    void *p = larger <= MAX_NODES ? eai_realloc_array(*items, (size_t)larger, size) : NULL;
    if (!p) {
        eai_graph_fail(g, EAI_ERR_NOMEM, "no memory for %d operations", larger);
        return false;
    }
    *items = p;
    *cap = larger;
    return true;
}

/* A node with its tensors, not yet inferred and not yet listed. */
static eai_node *new_node(eai_graph *g, eai_op op, eai_tensor *const *in, int n_in,
                          const eai_op_params *params)
{
    const eai_op_spec *spec = eai_op_get(op);
    eai_node *n = graph__alloc(g, sizeof(*n));
    if (!n)
        return NULL;
    memset(n, 0, sizeof(*n));
    n->op = op;
    n->n_in = n_in;
    n->n_out = spec->n_out;
    n->segment = g->segment;
    if (params)
        n->params = *params;
    for (int i = 0; i < n_in; i++)
        n->in[i] = in[i];
    if (!g->scope_copy)
        g->scope_copy = copy_text(g, g->scope);
    n->scope = g->scope_copy;
    for (int i = 0; i < n->n_out; i++) {
        eai_tensor *t = graph__alloc(g, sizeof(*t));
        if (!t)
            return NULL;
        memset(t, 0, sizeof(*t));
        t->node = n;
        t->index = i;
        n->out[i] = t;
    }
    return n->scope ? n : NULL;
}

static bool list_node(eai_graph *g, eai_node *n)
{
    if (!grow(g, (void **)&g->nodes, g->n_nodes, &g->cap_nodes, sizeof(eai_node *)))
        return false;
    n->id = g->n_nodes;
    for (int i = 0; i < n->n_out; i++)
        n->out[i]->id = g->n_tensors++;
    g->nodes[g->n_nodes++] = n;
    return true;
}

eai_node *graph__add_node(eai_graph *g, eai_op op, eai_tensor *const *in, int n_in,
                          const eai_op_params *params, const eai_shape *shape, eai_dtype dtype)
{
    const eai_op_spec *spec = eai_op_get(op);
    if (graph__failed(g))
        return NULL;
    if (n_in < spec->min_in || n_in > spec->max_in) {
        eai_graph_fail(g, EAI_ERR_INTERNAL, "%s: %d inputs", spec->name, n_in);
        return NULL;
    }
    for (int i = 0; i < n_in; i++) {
        if (!in[i]) {
            eai_graph_fail(g, EAI_ERR_ARGUMENT, "%s: input %d is NULL", spec->name, i);
            return NULL;
        }
    }
    eai_node *n = new_node(g, op, in, n_in, params);
    if (!n)
        return NULL;
    if (n->n_out && shape)
        n->out[0]->shape = *shape;
    if (n->n_out)
        n->out[0]->dtype = dtype;
    if (!spec->infer || !spec->infer(g, n))
        return NULL;
    return list_node(g, n) ? n : NULL;
}

eai_node *graph__clone(eai_graph *g, const eai_node *n, eai_tensor *const *in)
{
    if (graph__failed(g))
        return NULL;
    eai_node *c = new_node(g, n->op, in, n->n_in, &n->params);
    if (!c)
        return NULL;
    c->segment = 0;
    c->data = n->data;
    c->scope = n->scope;
    for (int i = 0; i < n->n_out; i++) {
        c->out[i]->dtype = n->out[i]->dtype;
        c->out[i]->shape = n->out[i]->shape;
    }
    return list_node(g, c) ? c : NULL;
}

int graph__node_count(const eai_graph *g)
{
    return g->n_nodes;
}

eai_node *graph__node(const eai_graph *g, int i)
{
    return g->nodes[i];
}

int graph__tensor_count(const eai_graph *g)
{
    return g->n_tensors;
}

int graph__output_count(const eai_graph *g)
{
    return g->n_outputs;
}

eai_tensor *graph__output(const eai_graph *g, int i, const char **name)
{
    *name = g->outputs[i].name;
    return g->outputs[i].tensor;
}

const eai_shape *eai_tensor_shape(const eai_tensor *t)
{
    return &t->shape;
}

eai_dtype eai_tensor_dtype(const eai_tensor *t)
{
    return t->dtype;
}

void eai_graph_output(eai_graph *g, const char *name, eai_tensor *t)
{
    if (!t || graph__failed(g)) {
        eai_graph_fail(g, EAI_ERR_ARGUMENT, "output '%s' is NULL", name);
        return;
    }
    for (int i = 0; i < g->n_outputs; i++) {
        if (strcmp(g->outputs[i].name, name) == 0) {
            eai_graph_fail(g, EAI_ERR_ARGUMENT, "two outputs are named '%s'", name);
            return;
        }
    }
    const char *copy = copy_text(g, name);
    if (!copy || !grow(g, (void **)&g->outputs, g->n_outputs, &g->cap_outputs, sizeof(*g->outputs)))
        return;
    g->outputs[g->n_outputs].tensor = t;
    g->outputs[g->n_outputs++].name = copy;
}

/* ---- Leaves
 * --------------------------------------------------------------------------------------- */

static eai_tensor *add_leaf(eai_graph *g, eai_op op, const char *name, eai_dtype dtype,
                            eai_shape shape, const void *data)
{
    eai_node *n = graph__add_node(g, op, NULL, 0, NULL, &shape, dtype);
    if (!n)
        return NULL;
    memcpy(&n->data, &data, sizeof(data)); /* WEIGHT is const for the caller, never written by us */
    n->out[0]->name = copy_text(g, name);
    return n->out[0]->name ? n->out[0] : NULL;
}

eai_tensor *eai_input(eai_graph *g, const char *name, eai_dtype dtype, eai_shape shape)
{
    return add_leaf(g, EAI_OP_INPUT, name, dtype, shape, NULL);
}

eai_tensor *eai_weight(eai_graph *g, const char *name, eai_dtype dtype, eai_shape shape,
                       const void *data)
{
    return eai_weight_planar(g, name, dtype, shape, data, NULL);
}

eai_tensor *eai_weight_planar(eai_graph *g, const char *name, eai_dtype dtype, eai_shape shape,
                              const void *data, const eai_planes *planes)
{
    if ((eai_dtype_get(dtype)->kind == EAI_DTYPE_PLANAR) != (planes != NULL))
        return eai_graph_fail(g, EAI_ERR_ARGUMENT, "weight '%s' of type %s: planes are %s", name,
                              eai_dtype_get(dtype)->name, planes ? "of no use" : "missing");
    if (!data)
        return eai_graph_fail(g, EAI_ERR_ARGUMENT, "weight '%s' has no data", name);
    eai_tensor *t = add_leaf(g, EAI_OP_WEIGHT, name, dtype, shape, data);
    if (t)
        t->node->planes = planes;
    return t;
}

eai_tensor *eai_state(eai_graph *g, const char *name, eai_dtype dtype, eai_shape shape, void *data)
{
    if (!data)
        return eai_graph_fail(g, EAI_ERR_ARGUMENT, "state '%s' has no data", name);
    return add_leaf(g, EAI_OP_STATE, name, dtype, shape, data);
}

eai_tensor *eai_fill(eai_graph *g, eai_shape shape, double value)
{
    eai_op_params p = {.fill = {value}};
    eai_node *n = graph__add_node(g, EAI_OP_FILL, NULL, 0, &p, &shape, EAI_F32);
    return n ? n->out[0] : NULL;
}

/* ---- One function an operation
 * -------------------------------------------------------------------- */

/* Result 0 of a new node, or NULL. A NULL input is the caller's earlier failure: stay silent about
 * it. */
static eai_tensor *add(eai_graph *g, eai_op op, eai_tensor *const *in, int n_in,
                       const eai_op_params *p, const eai_shape *shape)
{
    for (int i = 0; i < n_in; i++) {
        if (!in[i] && graph__failed(g))
            return NULL;
    }
    eai_node *n = graph__add_node(g, op, in, n_in, p, shape, EAI_F32);
    return n && n->n_out ? n->out[0] : NULL;
}

static eai_tensor *add1(eai_graph *g, eai_op op, eai_tensor *x, const eai_op_params *p)
{
    return add(g, op, &x, 1, p, NULL);
}

static eai_tensor *add2(eai_graph *g, eai_op op, eai_tensor *a, eai_tensor *b,
                        const eai_op_params *p)
{
    eai_tensor *in[] = {a, b};
    return add(g, op, in, 2, p, NULL);
}

eai_tensor *eai_add(eai_graph *g, eai_tensor *a, eai_tensor *b)
{
    return add2(g, EAI_OP_ADD, a, b, NULL);
}

eai_tensor *eai_sub(eai_graph *g, eai_tensor *a, eai_tensor *b)
{
    return add2(g, EAI_OP_SUB, a, b, NULL);
}

eai_tensor *eai_mul(eai_graph *g, eai_tensor *a, eai_tensor *b)
{
    return add2(g, EAI_OP_MUL, a, b, NULL);
}

eai_tensor *eai_div(eai_graph *g, eai_tensor *a, eai_tensor *b)
{
    return add2(g, EAI_OP_DIV, a, b, NULL);
}

eai_tensor *eai_maximum(eai_graph *g, eai_tensor *a, eai_tensor *b)
{
    return add2(g, EAI_OP_MAXIMUM, a, b, NULL);
}

eai_tensor *eai_minimum(eai_graph *g, eai_tensor *a, eai_tensor *b)
{
    return add2(g, EAI_OP_MINIMUM, a, b, NULL);
}

eai_tensor *eai_greater(eai_graph *g, eai_tensor *a, eai_tensor *b)
{
    return add2(g, EAI_OP_GREATER, a, b, NULL);
}

eai_tensor *eai_affine(eai_graph *g, eai_tensor *x, double scale, double offset)
{
    eai_op_params p = {.affine = {scale, offset}};
    return add1(g, EAI_OP_AFFINE, x, &p);
}

eai_tensor *eai_scale(eai_graph *g, eai_tensor *x, double scale)
{
    return eai_affine(g, x, scale, 0);
}

eai_tensor *eai_power(eai_graph *g, eai_tensor *x, double exponent)
{
    eai_op_params p = {.power = {exponent}};
    return add1(g, EAI_OP_POWER, x, &p);
}

eai_tensor *eai_exp(eai_graph *g, eai_tensor *x)
{
    return add1(g, EAI_OP_EXP, x, NULL);
}

eai_tensor *eai_log(eai_graph *g, eai_tensor *x)
{
    return add1(g, EAI_OP_LOG, x, NULL);
}

eai_tensor *eai_sigmoid(eai_graph *g, eai_tensor *x)
{
    return add1(g, EAI_OP_SIGMOID, x, NULL);
}

eai_tensor *eai_tanh(eai_graph *g, eai_tensor *x)
{
    return add1(g, EAI_OP_TANH, x, NULL);
}

eai_tensor *eai_silu(eai_graph *g, eai_tensor *x)
{
    return add1(g, EAI_OP_SILU, x, NULL);
}

eai_tensor *eai_reshape(eai_graph *g, eai_tensor *x, eai_shape shape)
{
    if (x && eai_shape_equal(&x->shape, &shape))
        return x;
    return add(g, EAI_OP_RESHAPE, &x, 1, NULL, &shape);
}

eai_tensor *eai_permute(eai_graph *g, eai_tensor *x, const int *axes)
{
    eai_op_params p = {0};
    if (!x)
        return NULL;
    memcpy(p.permute.axes, axes, sizeof(int) * (size_t)x->shape.n_dims);
    return add1(g, EAI_OP_PERMUTE, x, &p);
}

eai_tensor *eai_broadcast_to(eai_graph *g, eai_tensor *x, eai_shape shape)
{
    if (x && eai_shape_equal(&x->shape, &shape))
        return x;
    return add(g, EAI_OP_BROADCAST_TO, &x, 1, NULL, &shape);
}

eai_tensor *eai_sum(eai_graph *g, eai_tensor *x, unsigned axes, bool keep)
{
    eai_op_params p = {.sum = {axes, keep}};
    if (axes == 0)
        return x;
    return add1(g, EAI_OP_SUM, x, &p);
}

eai_tensor *eai_sum_all(eai_graph *g, eai_tensor *x)
{
    return x ? eai_sum(g, x, (1u << x->shape.n_dims) - 1, false) : NULL;
}

eai_tensor *eai_sum_to(eai_graph *g, eai_tensor *x, const eai_shape *shape)
{
    unsigned axes = 0;
    if (!x || eai_shape_equal(&x->shape, shape))
        return x;
    int lead = x->shape.n_dims - shape->n_dims;
    for (int i = 0; i < x->shape.n_dims; i++) {
        if (i < lead || (shape->dim[i - lead] == 1 && x->shape.dim[i] != 1))
            axes |= 1u << i;
    }
    return eai_reshape(g, eai_sum(g, x, axes, true), *shape);
}

eai_tensor *eai_matmul(eai_graph *g, eai_tensor *a, eai_tensor *b, eai_matmul_opts opts)
{
    eai_op_params p = {.matmul = {opts.alpha, opts.trans_a, opts.trans_b}};
    return add2(g, EAI_OP_MATMUL, a, b, &p);
}

eai_tensor *eai_linear(eai_graph *g, eai_tensor *x, eai_tensor *w)
{
    return eai_matmul(g, x, w, (eai_matmul_opts){false, true, 1.0});
}

eai_tensor *eai_gather_rows(eai_graph *g, eai_tensor *table, eai_tensor *ids)
{
    return add2(g, EAI_OP_GATHER_ROWS, table, ids, NULL);
}

eai_tensor *eai_scatter_rows(eai_graph *g, eai_tensor *x, eai_tensor *ids, int64_t n)
{
    eai_op_params p = {.scatter_rows = {n}};
    return add2(g, EAI_OP_SCATTER_ROWS, x, ids, &p);
}

eai_tensor *eai_softmax(eai_graph *g, eai_tensor *x)
{
    return add1(g, EAI_OP_SOFTMAX, x, NULL);
}

eai_tensor *eai_log_softmax(eai_graph *g, eai_tensor *x)
{
    return add1(g, EAI_OP_LOG_SOFTMAX, x, NULL);
}

eai_tensor *eai_rms_norm(eai_graph *g, eai_tensor *x, eai_tensor *w, double eps)
{
    eai_op_params p = {.norm = {eps}};
    return add2(g, EAI_OP_RMS_NORM, x, w, &p);
}

eai_tensor *eai_swiglu(eai_graph *g, eai_tensor *gate, eai_tensor *up)
{
    return add2(g, EAI_OP_SWIGLU, gate, up, NULL);
}

eai_tensor *eai_rope(eai_graph *g, eai_tensor *x, eai_tensor *positions, double theta)
{
    eai_op_params p = {.rope = {theta, false}};
    return add2(g, EAI_OP_ROPE, x, positions, &p);
}

eai_tensor *eai_rope_scaled(eai_graph *g, eai_tensor *x, eai_tensor *positions, eai_tensor *factors,
                            double theta)
{
    eai_tensor *in[] = {x, positions, factors};
    eai_op_params p = {.rope = {theta, false}};
    return add(g, EAI_OP_ROPE, in, 3, &p, NULL);
}

eai_tensor *eai_window_start(eai_graph *g, eai_tensor *start, eai_tensor *end, int64_t width)
{
    eai_op_params p = {.window_start = {width}};
    return add2(g, EAI_OP_WINDOW_START, start, end, &p);
}

eai_tensor *eai_attention(eai_graph *g, eai_tensor *q, eai_tensor *k, eai_tensor *v,
                          eai_tensor *start, eai_tensor *end, double scale)
{
    eai_tensor *in[] = {q, k, v, start, end};
    eai_op_params p = {.attention = {scale}};
    return add(g, EAI_OP_ATTENTION, in, 5, &p, NULL);
}

eai_tensor *eai_interval_mask(eai_graph *g, eai_tensor *start, eai_tensor *end, int64_t n_keys)
{
    eai_op_params p = {.interval_mask = {n_keys}};
    return add2(g, EAI_OP_INTERVAL_MASK, start, end, &p);
}

eai_tensor *eai_linear_cross_entropy(eai_graph *g, eai_tensor *h, eai_tensor *w,
                                     eai_tensor *targets)
{
    eai_tensor *in[] = {h, w, targets};
    return add(g, EAI_OP_LINEAR_CE, in, 3, NULL, NULL);
}

eai_tensor *eai_dropout(eai_graph *g, eai_tensor *x, eai_tensor *seed, double p, int64_t stream)
{
    eai_op_params params = {.dropout = {p, stream}};
    if (p == 0) /* exactly: dropout is off */
        return x;
    return add2(g, EAI_OP_DROPOUT, x, seed, &params);
}

void eai_assign(eai_graph *g, eai_tensor *state, eai_tensor *x)
{
    add2(g, EAI_OP_ASSIGN, state, x, NULL);
}

void eai_accumulate(eai_graph *g, eai_tensor *state, eai_tensor *x)
{
    add2(g, EAI_OP_ACCUMULATE, state, x, NULL);
}

void eai_write_rows(eai_graph *g, eai_tensor *state, eai_tensor *x, eai_tensor *at)
{
    eai_tensor *in[] = {state, x, at};
    add(g, EAI_OP_WRITE_ROWS, in, 3, NULL, NULL);
}

void eai_adamw(eai_graph *g, eai_tensor *p, eai_tensor *m, eai_tensor *v, eai_tensor *grad,
               eai_tensor *hyper, eai_tensor *grad_scale, eai_adamw_opts opts)
{
    eai_tensor *in[] = {p, m, v, grad, hyper, grad_scale};
    eai_op_params params = {.adamw = opts};
    add(g, EAI_OP_ADAMW, in, 6, &params, NULL);
}
