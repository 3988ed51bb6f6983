/* Shape rules: what the outputs of each operation look like, and the errors that users of the
 * builder see. One function a rule name of ops.def; each sets dtype and shape of every output or
 * calls eai_graph_fail. */
#include "graph/shapes.h"

#include <string.h>

static bool is_float(const eai_tensor *t)
{
    return t->dtype == EAI_F32 || t->dtype == EAI_F64;
}

static bool refuse(eai_graph *g, const eai_node *n, const char *what, const eai_tensor *a,
                   const eai_tensor *b)
{
    char sa[96];
    char sb[96];
    const char *name = eai_op_get(n->op)->name;
    if (b)
        eai_graph_fail(g, EAI_ERR_SHAPE, "%s: %s %s and %s %s: %s", name,
                       eai_dtype_get(a->dtype)->name, eai_shape_print(sa, sizeof(sa), &a->shape),
                       eai_dtype_get(b->dtype)->name, eai_shape_print(sb, sizeof(sb), &b->shape),
                       what);
    else
        eai_graph_fail(g, EAI_ERR_SHAPE, "%s: %s %s: %s", name, eai_dtype_get(a->dtype)->name,
                       eai_shape_print(sa, sizeof(sa), &a->shape), what);
    return false;
}

/* Every input from..to-1 is F32 (or F64, for the reference). */
static bool need_floats(eai_graph *g, const eai_node *n, int from, int to)
{
    for (int i = from; i < to; i++) {
        if (!is_float(n->in[i]))
            return refuse(g, n, "a float tensor is needed", n->in[i], NULL);
    }
    return true;
}

static bool need_vector_i32(eai_graph *g, const eai_node *n, int i, int64_t length)
{
    const eai_tensor *t = n->in[i];
    if (t->dtype != EAI_I32 || t->shape.n_dims != 1 || (length >= 0 && t->shape.dim[0] != length))
        return refuse(g, n, "an i32 vector of matching length is needed", t, n->in[0]);
    return true;
}

static bool set_out(eai_node *n, int i, eai_shape shape)
{
    n->out[i]->dtype = EAI_F32;
    n->out[i]->shape = shape;
    return true;
}

bool infer_leaf(eai_graph *g, eai_node *n)
{
    size_t bytes;
    if (n->out[0]->shape.n_dims < 0 || n->out[0]->shape.n_dims > EAI_MAX_DIMS ||
        !eai_tensor_bytes(&bytes, n->out[0]->dtype, &n->out[0]->shape))
        return refuse(g, n, "not a whole number of blocks, or too large", n->out[0], NULL);
    return true;
}

bool infer_broadcast(eai_graph *g, eai_node *n)
{
    if (!need_floats(g, n, 0, 2))
        return false;
    const eai_shape *a = &n->in[0]->shape;
    const eai_shape *b = &n->in[1]->shape;
    eai_shape out = {a->n_dims > b->n_dims ? a->n_dims : b->n_dims, {0}};
    for (int i = 1; i <= out.n_dims; i++) {
        int64_t da = i <= a->n_dims ? a->dim[a->n_dims - i] : 1;
        int64_t db = i <= b->n_dims ? b->dim[b->n_dims - i] : 1;
        if (da != db && da != 1 && db != 1)
            return refuse(g, n, "cannot be broadcast", n->in[0], n->in[1]);
        out.dim[out.n_dims - i] = da == 1 ? db : da;
    }
    return set_out(n, 0, out);
}

bool infer_same(eai_graph *g, eai_node *n)
{
    if (!need_floats(g, n, 0, n->n_in))
        return false;
    if (n->in[0]->shape.n_dims == 0 && n->op != EAI_OP_RMS_NORM_GRAD &&
        !(eai_op_get(n->op)->flags & EAI_OPF_E))
        return refuse(g, n, "at least one dimension is needed", n->in[0], NULL);
    return set_out(n, 0, n->in[0]->shape);
}

bool infer_same2(eai_graph *g, eai_node *n)
{
    if (!need_floats(g, n, 0, 2))
        return false;
    if (!eai_shape_equal(&n->in[0]->shape, &n->in[1]->shape))
        return refuse(g, n, "shapes differ", n->in[0], n->in[1]);
    return set_out(n, 0, n->in[0]->shape);
}

bool infer_swiglu_grad(eai_graph *g, eai_node *n)
{
    if (!infer_same2(g, n) || !need_floats(g, n, 2, 3))
        return false;
    return set_out(n, 1, n->in[0]->shape);
}

bool infer_convert(eai_graph *g, eai_node *n)
{
    eai_dtype from = n->in[0]->dtype;
    eai_dtype to = n->out[0]->dtype;
    if ((!is_float(n->in[0]) && from != EAI_BF16) || (to != EAI_F32 && to != EAI_BF16))
        return refuse(g, n, "only f32 and bf16 are converted", n->in[0], NULL);
    n->out[0]->shape = n->in[0]->shape;
    return true;
}

bool infer_reshape(eai_graph *g, eai_node *n)
{
    const eai_shape *wanted = &n->out[0]->shape;
    if (wanted->n_dims < 0 || wanted->n_dims > EAI_MAX_DIMS ||
        eai_shape_elements(wanted) != eai_shape_elements(&n->in[0]->shape))
        return refuse(g, n, "another number of elements", n->in[0], n->out[0]);
    if (!is_float(n->in[0]) && n->in[0]->dtype != EAI_I32)
        return refuse(g, n, "stored types cannot be reshaped", n->in[0], NULL);
    n->out[0]->dtype = n->in[0]->dtype;
    return true;
}

bool infer_permute(eai_graph *g, eai_node *n)
{
    const eai_shape *a = &n->in[0]->shape;
    eai_shape out = {a->n_dims, {0}};
    unsigned seen = 0;
    if (!need_floats(g, n, 0, 1))
        return false;
    for (int i = 0; i < a->n_dims; i++) {
        int axis = n->params.permute.axes[i];
        if (axis < 0 || axis >= a->n_dims || (seen & (1u << axis)))
            return refuse(g, n, "axes are no permutation", n->in[0], NULL);
        seen |= 1u << axis;
        out.dim[i] = a->dim[axis];
    }
    return set_out(n, 0, out);
}

bool infer_broadcast_to(eai_graph *g, eai_node *n)
{
    const eai_shape *a = &n->in[0]->shape;
    const eai_shape *wanted = &n->out[0]->shape;
    if (!need_floats(g, n, 0, 1))
        return false;
    bool fits = wanted->n_dims >= a->n_dims && wanted->n_dims <= EAI_MAX_DIMS;
    for (int i = 1; fits && i <= a->n_dims; i++) {
        int64_t d = a->dim[a->n_dims - i];
        fits = d == 1 || d == wanted->dim[wanted->n_dims - i];
    }
    return fits ? set_out(n, 0, *wanted) : refuse(g, n, "cannot be broadcast", n->in[0], n->out[0]);
}

bool infer_sum(eai_graph *g, eai_node *n)
{
    const eai_shape *a = &n->in[0]->shape;
    eai_shape out = {0, {0}};
    if (!need_floats(g, n, 0, 1))
        return false;
    if (n->params.sum.axes >> a->n_dims)
        return refuse(g, n, "an axis is out of range", n->in[0], NULL);
    for (int i = 0; i < a->n_dims; i++) {
        bool summed = n->params.sum.axes & (1u << i);
        if (!summed || n->params.sum.keep)
            out.dim[out.n_dims++] = summed ? 1 : a->dim[i];
    }
    return set_out(n, 0, out);
}

bool infer_matmul(eai_graph *g, eai_node *n)
{
    const eai_tensor *ta = n->in[0];
    const eai_tensor *tb = n->in[1];
    const eai_shape *a = &ta->shape;
    const eai_shape *b = &tb->shape;
    bool trans_a = n->params.matmul.trans_a;
    bool trans_b = n->params.matmul.trans_b;

    if (!need_floats(g, n, 0, 1))
        return false;
    if (eai_dtype_get(tb->dtype)->kind == EAI_DTYPE_INTEGER)
        return refuse(g, n, "a product needs float or quantized operands", ta, tb);
    if (a->n_dims < 2 || b->n_dims < 2)
        return refuse(g, n, "a product needs two dimensions", ta, tb);
    if (b->n_dims != 2 && b->n_dims != a->n_dims)
        return refuse(g, n, "leading dimensions differ", ta, tb);
    int64_t m = a->dim[a->n_dims - (trans_a ? 1 : 2)];
    int64_t ka = a->dim[a->n_dims - (trans_a ? 2 : 1)];
    int64_t kb = b->dim[b->n_dims - (trans_b ? 1 : 2)];
    int64_t cols = b->dim[b->n_dims - (trans_b ? 2 : 1)];
    if (ka != kb) {
        char what[96];
        snprintf(what, sizeof(what), "inner %lld != %lld", (long long)ka, (long long)kb);
        return refuse(g, n, what, ta, tb);
    }
    eai_shape out = *a;
    for (int i = 0; i + 2 < a->n_dims && b->n_dims > 2; i++) {
        if (a->dim[i] != b->dim[i])
            return refuse(g, n, "leading dimensions differ", ta, tb);
    }
    if (trans_a && a->n_dims > 2 && b->n_dims == 2)
        return refuse(g, n, "a transposed batch needs a batched right side", ta, tb);
    out.dim[out.n_dims - 2] = m;
    out.dim[out.n_dims - 1] = cols;
    return set_out(n, 0, out);
}

bool infer_gather_rows(eai_graph *g, eai_node *n)
{
    const eai_tensor *table = n->in[0];
    if (table->shape.n_dims != 2 || eai_dtype_get(table->dtype)->kind == EAI_DTYPE_INTEGER)
        return refuse(g, n, "a float or quantized table with two dimensions is needed", table,
                      NULL);
    if (!need_vector_i32(g, n, 1, -1))
        return false;
    return set_out(n, 0, EAI_SHAPE2(n->in[1]->shape.dim[0], table->shape.dim[1]));
}

bool infer_scatter_rows(eai_graph *g, eai_node *n)
{
    const eai_shape *x = &n->in[0]->shape;
    if (!need_floats(g, n, 0, 1))
        return false;
    if (x->n_dims != 2)
        return refuse(g, n, "two dimensions are needed", n->in[0], NULL);
    if (!need_vector_i32(g, n, 1, x->dim[0]))
        return false;
    return set_out(n, 0, EAI_SHAPE2(n->params.scatter_rows.n, x->dim[1]));
}

bool infer_rms_norm(eai_graph *g, eai_node *n)
{
    const eai_shape *x = &n->in[0]->shape;
    const eai_shape *w = &n->in[1]->shape;
    if (!need_floats(g, n, 0, 2))
        return false;
    if (x->n_dims < 1 || w->n_dims != 1 || w->dim[0] != x->dim[x->n_dims - 1])
        return refuse(g, n, "the weight must match the last dimension", n->in[0], n->in[1]);
    return set_out(n, 0, *x);
}

bool infer_rope(eai_graph *g, eai_node *n)
{
    const eai_shape *x = &n->in[0]->shape;
    if (!need_floats(g, n, 0, 1))
        return false;
    if (x->n_dims != 3 || x->dim[2] % 2 != 0)
        return refuse(g, n, "[T, heads, even D] is needed", n->in[0], NULL);
    if (n->n_in == 3 && (n->in[2]->dtype != EAI_F32 ||
                         !eai_shape_equal(&n->in[2]->shape, &EAI_SHAPE1(x->dim[2] / 2))))
        return refuse(g, n, "an f32 factor for each of D/2 pairs is needed", n->in[0], n->in[2]);
    return need_vector_i32(g, n, 1, x->dim[0]) && set_out(n, 0, *x);
}

bool infer_window_start(eai_graph *g, eai_node *n)
{
    const eai_shape *start = &n->in[0]->shape;
    if (!need_vector_i32(g, n, 0, -1) || !need_vector_i32(g, n, 1, start->dim[0]))
        return false;
    if (n->params.window_start.width < 1)
        return refuse(g, n, "a window of at least 1 is needed", n->in[0], NULL);
    n->out[0]->dtype = EAI_I32;
    n->out[0]->shape = *start;
    return true;
}

bool infer_interval(eai_graph *g, eai_node *n)
{
    if (!need_vector_i32(g, n, 0, -1) || !need_vector_i32(g, n, 1, n->in[0]->shape.dim[0]))
        return false;
    return set_out(n, 0, EAI_SHAPE2(n->in[0]->shape.dim[0], n->params.interval_mask.n_keys));
}

/* q [Tq, H, D], k and v [Tk, Hkv, D], intervals [Tq] */
static bool check_attention(eai_graph *g, const eai_node *n)
{
    const eai_shape *q = &n->in[0]->shape;
    const eai_shape *k = &n->in[1]->shape;
    const eai_shape *v = &n->in[2]->shape;
    if (!need_floats(g, n, 0, 3))
        return false;
    if (q->n_dims != 3 || k->n_dims != 3 || q->dim[2] != k->dim[2])
        return refuse(g, n, "q [Tq,H,D] and k [Tk,Hkv,D] are needed", n->in[0], n->in[1]);
    if (!eai_shape_equal(k, v))
        return refuse(g, n, "k and v differ", n->in[1], n->in[2]);
    if (k->dim[1] < 1 || q->dim[1] % k->dim[1] != 0)
        return refuse(g, n, "query heads must be a multiple of key heads", n->in[0], n->in[1]);
    return need_vector_i32(g, n, 3, q->dim[0]) && need_vector_i32(g, n, 4, q->dim[0]);
}

bool infer_attention(eai_graph *g, eai_node *n)
{
    if (!check_attention(g, n))
        return false;
    const eai_shape *q = &n->in[0]->shape;
    return set_out(n, 0, *q) && set_out(n, 1, EAI_SHAPE2(q->dim[1], q->dim[0])); /* lse [H, Tq] */
}

bool infer_attention_grad(eai_graph *g, eai_node *n)
{
    if (!check_attention(g, n) || !need_floats(g, n, 5, 8))
        return false;
    for (int i = 0; i < 3; i++)
        set_out(n, i, n->in[i]->shape);
    return true;
}

bool infer_linear_ce(eai_graph *g, eai_node *n)
{
    const eai_shape *h = &n->in[0]->shape;
    const eai_shape *w = &n->in[1]->shape;
    if (!need_floats(g, n, 0, 1))
        return false;
    if (h->n_dims != 2 || w->n_dims != 2 || h->dim[1] != w->dim[1] ||
        eai_dtype_get(n->in[1]->dtype)->kind == EAI_DTYPE_INTEGER)
        return refuse(g, n, "h [T,D] and w [V,D] are needed", n->in[0], n->in[1]);
    if (!need_vector_i32(g, n, 2, h->dim[0]))
        return false;
    return set_out(n, 0, EAI_SHAPE1(h->dim[0])) && set_out(n, 1, *h);
}

bool infer_dropout(eai_graph *g, eai_node *n)
{
    if (!need_floats(g, n, 0, 1) || !need_vector_i32(g, n, 1, 2))
        return false;
    if (!(n->params.dropout.p >= 0 && n->params.dropout.p < 1))
        return refuse(g, n, "the probability must be in [0, 1)", n->in[0], NULL);
    return set_out(n, 0, n->in[0]->shape);
}

static bool need_state(eai_graph *g, const eai_node *n, int i)
{
    if (n->in[i]->node->op != EAI_OP_STATE || !is_float(n->in[i]))
        return refuse(g, n, "a float state is needed", n->in[i], NULL);
    return true;
}

bool infer_update(eai_graph *g, eai_node *n)
{
    if (!need_state(g, n, 0) || !need_floats(g, n, 1, 2))
        return false;
    if (!eai_shape_equal(&n->in[0]->shape, &n->in[1]->shape))
        return refuse(g, n, "shapes differ", n->in[0], n->in[1]);
    return true;
}

bool infer_write_rows(eai_graph *g, eai_node *n)
{
    const eai_shape *s = &n->in[0]->shape;
    const eai_shape *x = &n->in[1]->shape;
    if (!need_state(g, n, 0) || !need_floats(g, n, 1, 2) || !need_vector_i32(g, n, 2, 1))
        return false;
    bool fits = s->n_dims >= 1 && s->n_dims == x->n_dims;
    for (int i = 1; fits && i < s->n_dims; i++)
        fits = s->dim[i] == x->dim[i];
    return fits || refuse(g, n, "rows differ", n->in[0], n->in[1]);
}

bool infer_adamw(eai_graph *g, eai_node *n)
{
    for (int i = 0; i < 3; i++) {
        if (!need_state(g, n, i))
            return false;
    }
    if (!need_floats(g, n, 3, 6))
        return false;
    for (int i = 1; i < 4; i++) {
        if (!eai_shape_equal(&n->in[0]->shape, &n->in[i]->shape))
            return refuse(g, n, "parameter, moments and gradient differ", n->in[0], n->in[i]);
    }
    if (eai_shape_elements(&n->in[4]->shape) != 3 || eai_shape_elements(&n->in[5]->shape) != 1)
        return refuse(g, n, "hyper has 3 elements, grad_scale one", n->in[4], n->in[5]);
    return true;
}
