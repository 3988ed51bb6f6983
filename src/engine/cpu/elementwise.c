/* Elementwise operations under broadcasting, and chains of them fused by the planner.
 *
 * The arithmetic is the instruction set's (vec->map); here is which elements meet, and on which
 * thread. A fused chain is interpreted block by block: 512 floats go through all instructions while
 * they lie in the first-level cache, so that a chain of five costs one trip to memory instead of
 * five. Compiling chains would save little more: the trips are what cost. */
#include "engine/cpu/gemm.h"
#include "engine/cpu/kernels.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/vec.h"
#include "engine/cpu/walk.h"

#include "base/banned.h"

#define PIECE 16384 /* elements of a row that one item covers */

const char *cpu__elementwise_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "ffffffff");
}

/* A walk cut into items: each a piece of a row. */
typedef struct map_job {
    cpu_map map;
    const eai_op_params *params;
    float *out;
    const float *a, *b;
    cpu_walk walk;
    int64_t pieces; /* a row */
} map_job;

static void map_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    const map_job *j = ctx;
    int64_t length = cpu__walk_length(&j->walk);
    int last = j->walk.n_dims - 1;
    int step_a = (int)j->walk.stride[0][last];
    int step_b = (int)j->walk.stride[1][last];

    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        int64_t row = item / j->pieces;
        int64_t at = item % j->pieces * PIECE;
        int64_t n = length - at < PIECE ? length - at : PIECE;
        const float *a = j->a + cpu__walk_row(&j->walk, 0, row) + at * step_a;
        const float *b = j->b + cpu__walk_row(&j->walk, 1, row) + at * step_b;
        j->map(j->out + row * length + at, a, step_a, b, step_b, n, j->params);
    }
}

/* Every elementwise operation of one or two operands. */
void cpu__elementwise(cpu_backend *b, const eai_step *s, void *workspace)
{
    const eai_operand *second = &s->in[s->n_in > 1 ? 1 : 0];
    int64_t strides[2][EAI_MAX_DIMS];
    map_job j = {.map = b->vec->map[s->op],
                 .params = &s->params,
                 .out = s->out[0].data,
                 .a = s->in[0].data,
                 .b = second->data};

    (void)workspace;
    cpu__broadcast_strides(strides[0], &s->in[0].shape, &s->out[0].shape);
    cpu__broadcast_strides(strides[1], &second->shape, &s->out[0].shape);
    cpu__walk_init(&j.walk, s->out[0].shape.n_dims, s->out[0].shape.dim, strides, 2);
    int64_t length = cpu__walk_length(&j.walk);
    j.pieces = (length + PIECE - 1) / PIECE;
    cpu__for(b, cpu__walk_rows(&j.walk) * j.pieces, cpu__grain(length < PIECE ? length : PIECE),
             map_pieces, &j);
}

#define BLOCK                                                                                      \
    512 /* floats; values of a chain then take up to 32 KiB of stack and first-level cache */

typedef struct fused_job {
    const cpu_vec_table *vec;
    const eai_step *step;
    int64_t n;
} fused_job;

/* A value of the chain: where its block begins, and 0 when it is one element for all. */
typedef struct fused_value {
    const float *data;
    int step;
} fused_value;

static void run_block(const fused_job *j, int64_t at, int64_t n, float (*results)[BLOCK])
{
    const eai_step *s = j->step;
    fused_value values[EAI_MAX_INPUTS + EAI_FUSED_MAX];

    for (int i = 0; i < s->n_in; i++) {
        int step = cpu__elements(&s->in[i]) == 1 ? 0 : 1;
        values[i] = (fused_value){(const float *)s->in[i].data + at * step, step};
    }
    for (int i = 0; i < s->fused->n; i++) {
        const eai_fused_instruction *c = &s->fused->code[i];
        bool last = i == s->fused->n - 1;
        float *out = last ? (float *)s->out[0].data + at : results[i];
        fused_value a = values[c->a];
        fused_value b = values[c->b >= 0 ? c->b : c->a];
        j->vec->map[c->op](out, a.data, a.step, b.data, b.step, n, &c->params);
        values[s->n_in + i] = (fused_value){out, 1};
    }
}

static void run_blocks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const fused_job *j = ctx;
    float results[EAI_FUSED_MAX][BLOCK];

    (void)thread;
    for (int64_t at = begin * BLOCK; at < end * BLOCK && at < j->n; at += BLOCK)
        run_block(j, at, j->n - at < BLOCK ? j->n - at : BLOCK, results);
}

void cpu__fused(cpu_backend *b, const eai_step *s, void *workspace)
{
    fused_job j = {b->vec, s, cpu__elements(&s->out[0])};
    (void)workspace;
    cpu__for(b, (j.n + BLOCK - 1) / BLOCK, cpu__grain(BLOCK), run_blocks, &j);
}

/* ---- f32 as bf16, and back ---- */

const char *cpu__convert_refuses(const cpu_backend *b, const eai_step *s)
{
    eai_dtype from = s->in[0].dtype;
    eai_dtype to = s->out[0].dtype;
    (void)b;
    return (from == EAI_F32 && to == EAI_BF16) || (from == EAI_BF16 && to == EAI_F32)
               ? NULL
               : "only f32 and bf16 are converted";
}

typedef struct convert_job {
    const cpu_backend *b;
    const eai_step *s;
    int64_t n;
} convert_job;

static void convert_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    const convert_job *j = ctx;
    int64_t last = end * PIECE < j->n ? end * PIECE : j->n;
    int64_t first = begin * PIECE;
    (void)thread;
    if (j->s->out[0].dtype == EAI_BF16)
        j->b->vec->to_bf16((uint16_t *)j->s->out[0].data + first,
                           (const float *)j->s->in[0].data + first, last - first);
    else
        j->b->gemm->unpack[EAI_BF16]((float *)j->s->out[0].data + first, j->s->in[0].data, NULL,
                                     first, last - first);
}

void cpu__convert(cpu_backend *b, const eai_step *s, void *workspace)
{
    convert_job j = {b, s, cpu__elements(&s->out[0])};
    (void)workspace;
    cpu__for(b, (j.n + PIECE - 1) / PIECE, cpu__grain(PIECE), convert_pieces, &j);
}
