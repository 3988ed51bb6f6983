/* Operations that work row by row: softmax, normalisation; and those that could, though rows mean
 * nothing to them: swiglu, dropout. The arithmetic is in vec_rows.h, the formulas in
 * engine/reference/network.c. */
#include "engine/cpu/kernels.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/vec.h"

#include "base/banned.h"

/* What the tasks of this file see; each operation fills what it needs. */
typedef struct rows_job {
    const cpu_vec_table *vec;
    void (*row)(float *out, const float *x, int64_t n);
    float *out, *out2;
    const float *x, *w, *dy;
    int64_t n; /* a row */
    float eps;
} rows_job;

const char *cpu__rows_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "fff");
}

static void run_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const rows_job *j = ctx;
    (void)thread;
    for (int64_t at = begin * j->n; at < end * j->n; at += j->n)
        j->row(j->out + at, j->x + at, j->n);
}

static rows_job get_job(const cpu_backend *b, const eai_step *s)
{
    return (rows_job){
        .vec = b->vec, .out = s->out[0].data, .x = s->in[0].data, .n = cpu__row_length(&s->in[0])};
}

void cpu__softmax(cpu_backend *b, const eai_step *s, void *workspace)
{
    rows_job j = get_job(b, s);
    (void)workspace;
    j.row = b->vec->softmax;
    cpu__for(b, cpu__rows(&s->in[0]), cpu__grain(4 * j.n), run_rows, &j);
}

void cpu__log_softmax(cpu_backend *b, const eai_step *s, void *workspace)
{
    rows_job j = get_job(b, s);
    (void)workspace;
    j.row = b->vec->log_softmax;
    cpu__for(b, cpu__rows(&s->in[0]), cpu__grain(4 * j.n), run_rows, &j);
}

/* ---- rms_norm ---- */

static void norm_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const rows_job *j = ctx;
    (void)thread;
    for (int64_t at = begin * j->n; at < end * j->n; at += j->n)
        j->vec->rms_norm(j->out + at, j->x + at, j->w, j->n, j->eps);
}

void cpu__rms_norm(cpu_backend *b, const eai_step *s, void *workspace)
{
    rows_job j = get_job(b, s);
    (void)workspace;
    j.w = s->in[1].data;
    j.eps = (float)s->params.norm.eps;
    cpu__for(b, cpu__rows(&s->in[0]), cpu__grain(j.n), norm_rows, &j);
}

static void norm_grad_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const rows_job *j = ctx;
    (void)thread;
    for (int64_t at = begin * j->n; at < end * j->n; at += j->n)
        j->vec->rms_norm_grad(j->out + at, j->x + at, j->w, j->dy + at, j->n, j->eps);
}

void cpu__rms_norm_grad(cpu_backend *b, const eai_step *s, void *workspace)
{
    rows_job j = get_job(b, s);
    (void)workspace;
    j.w = s->in[1].data;
    j.dy = s->in[2].data;
    j.eps = (float)s->params.norm.eps;
    cpu__for(b, cpu__rows(&s->in[0]), cpu__grain(j.n), norm_grad_rows, &j);
}

/* ---- swiglu: items are pieces of the whole tensor ---- */

#define PIECE 4096

typedef struct pieces_job {
    const cpu_vec_table *vec;
    float *out, *out2;
    const float *a, *b, *c;
    int64_t n;
    cpu_dropout dropout;
} pieces_job;

static int64_t piece_length(const pieces_job *j, int64_t at)
{
    return j->n - at < PIECE ? j->n - at : PIECE;
}

static void run_pieces(cpu_backend *b, pieces_job *j, cpu_task task)
{
    cpu__for(b, (j->n + PIECE - 1) / PIECE, 2, task, j);
}

static void swiglu_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    const pieces_job *j = ctx;
    (void)thread;
    for (int64_t at = begin * PIECE; at < end * PIECE && at < j->n; at += PIECE)
        j->vec->swiglu(j->out + at, j->a + at, j->b + at, piece_length(j, at));
}

void cpu__swiglu(cpu_backend *b, const eai_step *s, void *workspace)
{
    pieces_job j = {.vec = b->vec,
                    .out = s->out[0].data,
                    .a = s->in[0].data,
                    .b = s->in[1].data,
                    .n = cpu__elements(&s->in[0])};
    (void)workspace;
    run_pieces(b, &j, swiglu_pieces);
}

static void swiglu_grad_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    const pieces_job *j = ctx;
    (void)thread;
    for (int64_t at = begin * PIECE; at < end * PIECE && at < j->n; at += PIECE)
        j->vec->swiglu_grad(j->out ? j->out + at : NULL, j->out2 ? j->out2 + at : NULL, j->a + at,
                            j->b + at, j->c + at, piece_length(j, at));
}

void cpu__swiglu_grad(cpu_backend *b, const eai_step *s, void *workspace)
{
    pieces_job j = {.vec = b->vec,
                    .out = s->out[0].data,
                    .out2 = s->out[1].data,
                    .a = s->in[0].data,
                    .b = s->in[1].data,
                    .c = s->in[2].data,
                    .n = cpu__elements(&s->in[0])};
    (void)workspace;
    run_pieces(b, &j, swiglu_grad_pieces);
}

/* ---- dropout ---- */

const char *cpu__dropout_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "fi");
}

static void dropout_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    const pieces_job *j = ctx;
    (void)thread;
    for (int64_t at = begin * PIECE; at < end * PIECE && at < j->n; at += PIECE)
        j->vec->dropout(j->out + at, j->a + at, at, piece_length(j, at), &j->dropout);
}

void cpu__dropout(cpu_backend *b, const eai_step *s, void *workspace)
{
    const int32_t *seed = s->in[1].data;
    double p = s->params.dropout.p;
    double threshold = p * 4294967296.0;
    pieces_job j = {.vec = b->vec,
                    .out = s->out[0].data,
                    .a = s->in[0].data,
                    .n = cpu__elements(&s->in[0]),
                    .dropout = {.key = {(uint32_t)seed[0], (uint32_t)seed[1]},
                                .stream = (uint64_t)s->params.dropout.stream,
                                .threshold = (uint32_t)threshold,
                                .scale = (float)(1 / (1 - p))}};
    (void)workspace;
    if (threshold > (double)j.dropout.threshold) /* word >= threshold, for a whole number */
        j.dropout.threshold++;
    run_pieces(b, &j, dropout_pieces);
}
