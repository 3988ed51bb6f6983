/* Operations that work row by row: softmax, normalisation; and those that could, though rows mean
 * nothing to them: swiglu, dropout. The arithmetic is in vec_rows.h, the formulas in
 * engine/reference/network.c. */
#include "engine/cpu/gemm.h"
#include "engine/cpu/kernels.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/vec.h"

#include "base/banned.h"

/* What the tasks of this file see; each operation fills what it needs. */
typedef struct rows_job {
    const cpu_vec_table *vec;
    void (*row)(float *out, const float *x, int64_t n);
    float *out;
    const float *x;
    int64_t n; /* a row */
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

/* ---- inputs that may be bf16 ---- */

typedef struct halves {
    const void *data;
    bool is_half;
    cpu_unpack *unpack;
} halves;

static halves get_halves(const cpu_backend *b, const eai_operand *x)
{
    return (halves){x->data, x->dtype == EAI_BF16, b->gemm->unpack[EAI_BF16]};
}

/* Elements at .. at + n as floats: where they are, or in `buffer`. */
static const float *read_halves(const halves *x, int64_t at, int64_t n, float *buffer)
{
    if (!x->is_half)
        return (const float *)x->data + at;
    x->unpack(buffer, (const uint8_t *)x->data + 2 * at, NULL, 0, n);
    return buffer;
}

/* ---- rms_norm ---- */

typedef struct norm_job {
    const cpu_vec_table *vec;
    halves x;
    const float *w, *dy;
    float *out;
    float *buffers; /* a row for each thread */
    int64_t n;
    float eps;
} norm_job;

const char *cpu__norm_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "hff");
}

/* Floats that a row takes, in whole cache lines. */
static int64_t buffer_length(int64_t n)
{
    return (n + 15) / 16 * 16;
}

size_t cpu__norm_workspace(const cpu_backend *b, const eai_step *s)
{
    if (s->in[0].dtype != EAI_BF16)
        return 0;
    return (size_t)(b->base.n_threads * buffer_length(cpu__row_length(&s->in[0]))) * sizeof(float);
}

static norm_job get_norm(const cpu_backend *b, const eai_step *s, void *workspace)
{
    return (norm_job){.vec = b->vec,
                      .x = get_halves(b, &s->in[0]),
                      .w = s->in[1].data,
                      .dy = s->n_in > 2 ? s->in[2].data : NULL,
                      .out = s->out[0].data,
                      .buffers = workspace,
                      .n = cpu__row_length(&s->in[0]),
                      .eps = (float)s->params.norm.eps};
}

static void norm_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const norm_job *j = ctx;
    float *buffer = j->buffers + thread * buffer_length(j->n);
    for (int64_t at = begin * j->n; at < end * j->n; at += j->n) {
        const float *x = read_halves(&j->x, at, j->n, buffer);
        if (j->dy)
            j->vec->rms_norm_grad(j->out + at, x, j->w, j->dy + at, j->n, j->eps);
        else
            j->vec->rms_norm(j->out + at, x, j->w, j->n, j->eps);
    }
}

void cpu__rms_norm(cpu_backend *b, const eai_step *s, void *workspace)
{
    norm_job j = get_norm(b, s, workspace);
    cpu__for(b, cpu__rows(&s->in[0]), cpu__grain(j.n), norm_rows, &j);
}

void cpu__rms_norm_grad(cpu_backend *b, const eai_step *s, void *workspace)
{
    cpu__rms_norm(b, s, workspace);
}

/* ---- swiglu: items are pieces of the whole tensor ---- */

#define PIECE 4096

const char *cpu__swiglu_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "hhf");
}

typedef struct pieces_job {
    const cpu_vec_table *vec;
    float *out, *out2;
    halves gate, up;
    const float *a, *c;
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
    for (int64_t at = begin * PIECE; at < end * PIECE && at < j->n; at += PIECE) {
        float gate[PIECE];
        float up[PIECE];
        int64_t n = piece_length(j, at);
        j->vec->swiglu(j->out + at, read_halves(&j->gate, at, n, gate),
                       read_halves(&j->up, at, n, up), n);
    }
}

void cpu__swiglu(cpu_backend *b, const eai_step *s, void *workspace)
{
    pieces_job j = {.vec = b->vec,
                    .out = s->out[0].data,
                    .gate = get_halves(b, &s->in[0]),
                    .up = get_halves(b, &s->in[1]),
                    .n = cpu__elements(&s->in[0])};
    (void)workspace;
    run_pieces(b, &j, swiglu_pieces);
}

static void swiglu_grad_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    const pieces_job *j = ctx;
    (void)thread;
    for (int64_t at = begin * PIECE; at < end * PIECE && at < j->n; at += PIECE) {
        float gate[PIECE];
        float up[PIECE];
        int64_t n = piece_length(j, at);
        j->vec->swiglu_grad(j->out ? j->out + at : NULL, j->out2 ? j->out2 + at : NULL,
                            read_halves(&j->gate, at, n, gate), read_halves(&j->up, at, n, up),
                            j->c + at, n);
    }
}

void cpu__swiglu_grad(cpu_backend *b, const eai_step *s, void *workspace)
{
    pieces_job j = {.vec = b->vec,
                    .out = s->out[0].data,
                    .out2 = s->out[1].data,
                    .gate = get_halves(b, &s->in[0]),
                    .up = get_halves(b, &s->in[1]),
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
