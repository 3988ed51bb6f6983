/* MATMUL: batches of products. The product itself is in product.c. */
#include "engine/cpu/kernels.h"
#include "engine/cpu/product_dot.h"

#include "base/banned.h"

static int64_t last_dim(const eai_operand *x, int back)
{
    return x->shape.n_dims >= back ? x->shape.dim[x->shape.n_dims - back] : 1;
}

/* The second product of a fused step. */
static void set_pair(cpu_product *p, const eai_step *s)
{
    int pair = eai_step_pair(s->n_in);
    if (pair < 0)
        return;
    bool trans_b = s->params.matmul.trans_b;
    bool chained = s->params.matmul.chained;
    const eai_operand *a = chained ? &s->out[1] : &s->in[pair];
    const eai_operand *b = &s->in[pair + 1];
    p->pair.k = last_dim(a, 1);
    p->pair.a = cpu__gemm_a(a->data, last_dim(a, 2), last_dim(a, 1), false);
    p->pair.b = cpu__gemm_b(b, last_dim(b, 1), trans_b);
    p->pair.alpha = (float)s->params.matmul.pair_alpha;
    if (!chained)
        return;
    const eai_operand *chain = &s->in[pair];
    p->pair.chained = true;
    p->pair.chain = cpu__gemm_b(chain, last_dim(chain, 1), trans_b);
    p->pair.chain_alpha = (float)s->params.matmul.chain_alpha;
    p->pair.made = a->data;
}

/* The first product of a batch, and how many there are. */
static cpu_product get_product(const eai_step *s, int64_t *batch)
{
    const eai_operand *a = &s->in[0];
    const eai_operand *b = &s->in[1];
    bool trans_a = s->params.matmul.trans_a;
    bool trans_b = s->params.matmul.trans_b;
    int addend = eai_step_addend(s->n_in);
    int64_t rows = last_dim(a, 2);
    int64_t cols = last_dim(a, 1);
    cpu_product p = {
        .m = trans_a ? cols : rows,
        .k = trans_a ? rows : cols,
        .n = last_dim(&s->out[0], 1),
        .a = cpu__gemm_a(a->data, rows, cols, trans_a),
        .b = cpu__gemm_b(b, last_dim(b, 1), trans_b),
        .c = s->out[0].data,
        .c_in = addend < 0 ? NULL : s->in[addend].data,
        .ldc = last_dim(&s->out[0], 1),
        .alpha = (float)s->params.matmul.alpha,
        .may_be_packed = true, /* run_steps forgets the panels after any other step */
    };
    set_pair(&p, s);
    *batch = 1;
    for (int i = 0; i + 2 < a->shape.n_dims; i++)
        *batch *= a->shape.dim[i];
    if (!trans_a && b->shape.n_dims == 2) { /* one B for all: rows of A follow each other */
        p.m *= *batch;
        *batch = 1;
    }
    return p;
}

const char *cpu__matmul_refuses(const cpu_backend *be, const eai_step *s)
{
    if (s->in[0].dtype != EAI_F32 || s->out[0].dtype != EAI_F32)
        return "the left operand of a product must be f32";
    int pair = eai_step_pair(s->n_in);
    bool chained = s->params.matmul.chained;
    if (!be->gemm->unpack[s->in[1].dtype] ||
        (pair > 0 && !be->gemm->unpack[s->in[pair + 1].dtype]) ||
        (chained && !be->gemm->unpack[s->in[pair].dtype]))
        return "the right operand's storage type has no unpack routine";
    if (pair > 0 && !chained && s->in[pair].dtype != EAI_F32)
        return "the left operand of a product must be f32";
    return NULL;
}

size_t cpu__matmul_workspace(const cpu_backend *be, const eai_step *s)
{
    int64_t batch;
    cpu_product p = get_product(s, &batch);
    return cpu__product_workspace(be, &p);
}

void cpu__matmul(cpu_backend *be, const eai_step *s, void *workspace)
{
    int64_t batch;
    cpu_product p = get_product(s, &batch);
    int64_t a_size = p.m * p.k;
    int64_t c_size = p.m * p.n;
    size_t b_size = s->in[1].shape.n_dims == 2
                        ? 0
                        : p.b.row_bytes * (size_t)(s->params.matmul.trans_b ? p.n : p.k);

    for (int64_t i = 0; i < batch; i++) {
        cpu__product(be, &p, workspace);
        p.a.data += a_size;
        p.b.data += b_size;
        p.c += c_size;
        if (p.c_in)
            p.c_in += c_size;
    }
}

static bool overlap(const eai_operand *x, const eai_operand *y)
{
    size_t x_bytes;
    size_t y_bytes;
    uintptr_t x_at = (uintptr_t)x->data;
    uintptr_t y_at = (uintptr_t)y->data;
    if (!eai_tensor_bytes(&x_bytes, x->dtype, &x->shape) ||
        !eai_tensor_bytes(&y_bytes, y->dtype, &y->shape))
        return true;
    return x_at < y_at + y_bytes && y_at < x_at + x_bytes;
}

/* One writes what the other reads or writes: they must run one after the other. */
static bool depend(const eai_step *first, const eai_step *second)
{
    bool found = overlap(&first->out[0], &second->out[0]);
    for (int i = 0; i < 2; i++)
        found = found || overlap(&first->out[0], &second->in[i]) ||
                overlap(&second->out[0], &first->in[i]);
    return found;
}

/* Steps s[0] .. s[n - 1] can be computed at once. Only those without a summand or a pair. */
static bool is_independent(const eai_step *s, size_t n)
{
    const eai_step *last = &s[n - 1];
    if (last->op != EAI_OP_MATMUL || last->n_in != 2 || !last->out[0].data)
        return false;
    for (size_t i = 0; i + 1 < n; i++)
        if (depend(&s[i], last))
            return false;
    return true;
}

size_t cpu__matmuls(cpu_backend *be, const eai_step *s, size_t n, void *workspace)
{
    cpu_product p[CPU_DOTS];
    size_t count = 0;
    for (; count < n && count < CPU_DOTS && is_independent(s, count + 1); count++) {
        int64_t batch;
        p[count] = get_product(&s[count], &batch);
        if (batch != 1 || !cpu__dots_takes(&p[count]) || !cpu__dots_joins(&p[0], &p[count]))
            break;
    }
    if (count < 2)
        return 0;
    cpu__dots(be, p, (int)count, workspace);
    return count;
}
