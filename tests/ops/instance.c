/* See instance.h. */
#include "ops/instance.h"

#include <math.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/rng.h>

#include "graph/backend.h"
#include "support/eai_test.h"

bool op_leaf_is_differentiable(const op_leaf *l)
{
    return l->fill != FILL_NONE && l->fill <= FILL_LAST_DIFFERENTIABLE;
}

bool op_leaf_is_float(const op_leaf *l)
{
    return l->fill != FILL_NONE && l->fill != FILL_FIXED && l->fill != FILL_FACTORS &&
           l->dtype != EAI_I32;
}

/* ---- numbers ---- */

static double masked(eai_rng *rng, const op_leaf *l, int64_t i)
{
    int64_t width = l->shape.n_dims > 0 ? l->shape.dim[l->shape.n_dims - 1] : 1;
    double value = eai_rng_uniform_double(rng) * 4 - 2;
    return i < width || i % 3 == 1 ? -HUGE_VAL : value;
}

/* First (or one behind the last) key of query t. */
static double interval(const op_case *c, int64_t t, bool end)
{
    int64_t keys = (int64_t)c->p[0];
    const int64_t lengths[] = {5, 13, 30};
    int64_t start = 0;
    switch (c->mask) {
    case MASK_FULL:
        return end ? (double)keys : 0;
    case MASK_CAUSAL:
        return end ? (double)t + 1 : 0;
    case MASK_WINDOW:
        return (double)(end ? t + 1 : t - 6);
    case MASK_RAGGED: /* query 2 has none, others begin before the first or end behind the last */
        if (t % 5 == 2)
            return end ? 3 : 5;
        return (double)(end ? t * 7 % (keys + 4) + 3 : t * 5 % (keys / 2 + 3) - 2);
    case MASK_PACKED:
        for (int i = 0; t >= start + lengths[i % 3]; i++)
            start += lengths[i % 3];
        return (double)(end ? t + 1 : start);
    }
    return 0;
}

static double make_value(eai_rng *rng, const op_case *c, const op_leaf *l, int64_t i)
{
    static const double hyper[] = {0.003, 0.271, 0.002997};
    double u = eai_rng_uniform_double(rng);
    switch (l->fill) {
    case FILL_NONE:
        return 0;
    case FILL_VALUES:
        return u * 4 - 2;
    case FILL_POSITIVE:
        return u * 2 + 0.5;
    case FILL_GRID:
        return floor(u * 40 - 20) * 0.1;
    case FILL_OFFSET:
        return floor(u * 40 - 20) * 0.1 + 0.05;
    case FILL_SMALL:
        return u - 0.5;
    case FILL_FIXED:
        return u * 2 - 1;
    case FILL_MASKED:
        return masked(rng, l, i);
    case FILL_SQUARES:
        return u;
    case FILL_FACTORS:
        return u * 8 + 0.5;
    case FILL_HYPER:
        return hyper[i];
    case FILL_IDS:
        return floor(u * (c->p[0] + 2)) - 1;
    case FILL_POSITIONS:
        return floor(u * 5000);
    case FILL_START:
        return interval(c, i, false);
    case FILL_END:
        return interval(c, i, true);
    case FILL_SEED:
        return floor(u * 4294967296.0) - 2147483648.0;
    case FILL_AT:
        return c->p[0];
    }
    return 0;
}

void op_values_make(op_values *v, const op_case *c)
{
    eai_rng rng;
    eai_rng_init(&rng, 12345, (uint64_t)c->op);
    *v = (op_values){0};
    for (int k = 0; k < EAI_MAX_INPUTS && c->in[k].fill != FILL_NONE; k++) {
        const op_leaf *l = &c->in[k];
        v->n = k + 1;
        v->count[k] = eai_shape_elements(&l->shape);
        v->data[k] = eai_alloc_array((size_t)v->count[k] + 1, sizeof(double));
        assert_non_null(v->data[k]);
        for (int64_t i = 0; i < v->count[k]; i++) {
            double value = make_value(&rng, c, l, i);
            v->data[k][i] = l->dtype == EAI_I32 ? value : (double)(float)value;
        }
    }
}

void op_values_free(op_values *v)
{
    for (int k = 0; k < v->n; k++)
        eai_free(v->data[k]);
}

/* ---- leaves ---- */

static void store(void *memory, bool wide, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (wide)
            ((double *)memory)[i] = x[i];
        else
            ((float *)memory)[i] = (float)x[i];
    }
}

static void store_weight(stored_matrix *out, const op_leaf *l, const double *x)
{
    int64_t n = eai_shape_elements(&l->shape);
    int64_t cols = l->shape.n_dims > 0 ? l->shape.dim[l->shape.n_dims - 1] : 1;
    float *row = eai_alloc_array((size_t)n + 1, sizeof(*row));
    assert_non_null(row);
    store(row, false, x, n);
    stored_make(out, l->dtype, row, cols > 0 ? n / cols : 0, cols);
    eai_free(row);
}

static eai_tensor *make_leaf(eai_graph *g, op_run *r, int k)
{
    const op_leaf *l = &r->c->in[k];
    char name[16];
    snprintf(name, sizeof(name), "in%d", k);
    if (l->fill == FILL_FIXED || l->fill == FILL_FACTORS) {
        store_weight(&r->stored[k], l, r->values->data[k]);
        return eai_weight_planar(g, name, l->dtype, l->shape, r->stored[k].data,
                                 stored_planes(&r->stored[k]));
    }
    if (!op_leaf_is_float(l))
        return eai_input(g, name, EAI_I32, l->shape);
    r->memory[k] = eai_alloc_array((size_t)r->values->count[k] + 1, sizeof(double));
    assert_non_null(r->memory[k]);
    store(r->memory[k], r->wide, r->values->data[k], r->values->count[k]);
    return eai_state(g, name, r->wide ? EAI_F64 : EAI_F32, l->shape, r->memory[k]);
}

/* Fixed numbers of t's shape in -1 .. 1. */
static eai_tensor *make_weight(eai_graph *g, op_run *r, const eai_tensor *t)
{
    eai_rng rng;
    char name[16];
    int64_t n = eai_shape_elements(&t->shape);
    double *x = eai_alloc_array((size_t)n + 1, sizeof(*x));
    assert_true(x && r->n_weights < 2 * EAI_MAX_INPUTS);
    eai_rng_init(&rng, 777, (uint64_t)r->n_weights);
    for (int64_t i = 0; i < n; i++)
        x[i] = (double)(float)(eai_rng_uniform_double(&rng) * 2 - 1);
    void *memory = eai_alloc_array((size_t)n + 1, sizeof(double));
    assert_non_null(memory);
    store(memory, r->wide, x, n);
    eai_free(x);
    snprintf(name, sizeof(name), "weight%d", r->n_weights);
    r->weights[r->n_weights++] = memory;
    return eai_weight(g, name, r->wide ? EAI_F64 : EAI_F32, t->shape, memory);
}

/* ---- graphs ---- */

/* sum over all tensors of sum(t * fixed weights) */
static eai_tensor *weigh(eai_graph *g, op_run *r, eai_tensor *const *t, int n)
{
    eai_tensor *total = NULL;
    for (int i = 0; i < n; i++) {
        if (!t[i])
            return NULL;
        eai_tensor *part = eai_sum_all(g, eai_mul(g, t[i], make_weight(g, r, t[i])));
        total = total ? eai_add(g, total, part) : part;
    }
    return total;
}

static int differentiate(eai_graph *g, op_run *r, eai_tensor *f, eai_tensor *const *leaves,
                         eai_tensor **out)
{
    eai_tensor *wrt[EAI_MAX_INPUTS];
    size_t n = 0;
    for (int k = 0; k < r->values->n; k++)
        if (op_leaf_is_differentiable(&r->c->in[k]))
            wrt[n++] = leaves[k];
    if (f)
        eai_grad(g, f, wrt, n, NULL, out);
    return f ? (int)n : 0;
}

/* All outputs of the last node of the case's operation, or of its lowering. */
static int find_node(eai_graph *g, const op_run *r, bool lowered, eai_tensor **out)
{
    for (int i = graph__node_count(g) - 1; i >= 0; i--) {
        const eai_node *n = graph__node(g, i);
        if (n->op != r->c->op)
            continue;
        if (lowered)
            eai_op_get(n->op)->lower(g, n, out);
        for (int k = 0; k < n->n_out && !lowered; k++)
            out[k] = n->out[k];
        return n->n_out;
    }
    fail_msg("the graph has no such operation");
    return 0;
}

static int build_stage(eai_graph *g, op_run *r, op_stage stage, eai_tensor *const *leaves,
                       eai_tensor *const *in, eai_tensor **out)
{
    int n = r->c->build(g, r->c, in, out);
    if (stage == STAGE_RESULTS)
        return n;
    if (stage == STAGE_OPERATION || stage == STAGE_LOWERED)
        return find_node(g, r, stage == STAGE_LOWERED, out);
    eai_tensor *f = weigh(g, r, out, n);
    if (stage != STAGE_VALUE) {
        n = differentiate(g, r, f, leaves, out);
        if (stage == STAGE_GRADIENT)
            return n;
        f = weigh(g, r, out, n);
        if (stage == STAGE_GRADIENT2)
            return differentiate(g, r, f, leaves, out);
    }
    out[0] = f;
    return 1;
}

static void fill_inputs(op_run *r)
{
    eai_error err = EAI_ERROR_INIT;
    for (int k = 0; k < r->values->n; k++) {
        eai_operand o;
        char name[16];
        if (r->memory[k] || r->stored[k].data)
            continue;
        snprintf(name, sizeof(name), "in%d", k);
        assert_ok(eai_plan_find(&o, r->plan, name, &err), &err);
        for (int64_t i = 0; i < r->values->count[k]; i++)
            ((int32_t *)o.data)[i] = (int32_t)r->values->data[k][i];
    }
}

void op_run_open(op_run *r, const op_case *c, const op_values *v, eai_backend *b, op_stage stage,
                 bool temporaries)
{
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g;
    eai_tensor *leaves[EAI_MAX_INPUTS] = {0};
    eai_tensor *in[EAI_MAX_INPUTS] = {0};
    eai_tensor *out[EAI_MAX_INPUTS] = {0};

    *r = (op_run){.c = c, .values = v, .wide = b->ops->compute == EAI_F64};
    assert_ok(eai_graph_create(&g, &err), &err);
    for (int k = 0; k < v->n; k++) {
        leaves[k] = make_leaf(g, r, k);
        in[k] = leaves[k];
        if (temporaries && op_leaf_is_float(&c->in[k]))
            in[k] = eai_scale(g, eai_scale(g, leaves[k], -1), -1);
    }
    r->n_out = build_stage(g, r, stage, leaves, in, out);
    assert_ok(eai_graph_check(g, &err), &err);
    for (int i = 0; i < r->n_out; i++) {
        char name[16];
        snprintf(name, sizeof(name), "out%d", i);
        if (out[i])
            eai_graph_output(g, name, out[i]);
    }
    assert_ok(eai_plan_create(&r->plan, g, b, &err), &err);
    eai_graph_free(g);
    fill_inputs(r);
}

void op_run_close(op_run *r)
{
    eai_plan_free(r->plan);
    for (int k = 0; k < EAI_MAX_INPUTS; k++) {
        eai_free(r->memory[k]);
        stored_free(&r->stored[k]);
    }
    for (int i = 0; i < r->n_weights; i++)
        eai_free(r->weights[i]);
}

void op_run_move(op_run *r, int leaf, const double *direction, double step)
{
    for (int64_t i = 0; i < r->values->count[leaf]; i++)
        ((double *)r->memory[leaf])[i] = r->values->data[leaf][i] + step * direction[i];
}

void op_run_once(op_run *r)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_plan_run(r->plan, &err), &err);
}

static double *to_doubles(const void *data, eai_dtype t, int64_t n)
{
    double *x = eai_alloc_array((size_t)n + 1, sizeof(*x));
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = t == EAI_F64   ? ((const double *)data)[i]
               : t == EAI_I32 ? (double)((const int32_t *)data)[i]
                              : (double)((const float *)data)[i];
    return x;
}

double *op_run_result(const op_run *r, int i, int64_t *n)
{
    eai_error err = EAI_ERROR_INIT;
    eai_operand o;
    char name[16];
    snprintf(name, sizeof(name), "out%d", i);
    if (eai_plan_find(&o, r->plan, name, &err) != EAI_OK)
        return NULL;
    *n = eai_shape_elements(&o.shape);
    return to_doubles(o.data, o.dtype, *n);
}

double *op_run_leaf(const op_run *r, int leaf)
{
    return to_doubles(r->memory[leaf], r->wide ? EAI_F64 : EAI_F32, r->values->count[leaf]);
}
