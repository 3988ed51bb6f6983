/* Operations that change a state, which is input 0 (of AdamW inputs 0, 1, 2). */
#include <string.h>

#include "engine/cpu/kernels.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/vec.h"

#include "base/banned.h"

#define PIECE 16384

typedef struct update_job {
    const cpu_vec_table *vec;
    float *state, *m, *v;
    const float *x;
    int64_t n;
    cpu_adamw adamw;
} update_job;

static update_job get_job(const cpu_backend *b, const eai_step *s)
{
    return (update_job){
        .vec = b->vec, .state = s->in[0].data, .x = s->in[1].data, .n = cpu__elements(&s->in[0])};
}

static void run_pieces(cpu_backend *b, update_job *j, cpu_task task)
{
    cpu__for(b, (j->n + PIECE - 1) / PIECE, 1, task, j);
}

static int64_t piece_length(const update_job *j, int64_t at)
{
    return j->n - at < PIECE ? j->n - at : PIECE;
}

/* Of one type, whatever it is. */
const char *cpu__assign_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return s->in[0].dtype == s->in[1].dtype ? NULL
                                            : "the cpu kernel takes state and value of one type";
}

void cpu__assign(cpu_backend *b, const eai_step *s, void *workspace)
{
    size_t bytes;
    (void)b;
    (void)workspace;
    if (eai_tensor_bytes(&bytes, s->in[0].dtype, &s->in[0].shape) && bytes > 0 &&
        s->in[0].data != s->in[1].data)
        memmove(s->in[0].data, s->in[1].data, bytes);
}

const char *cpu__accumulate_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "ff");
}

static void add_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    const update_job *j = ctx;
    (void)thread;
    for (int64_t at = begin * PIECE; at < end * PIECE && at < j->n; at += PIECE)
        j->vec->map[EAI_OP_ADD](j->state + at, j->state + at, 1, j->x + at, 1, piece_length(j, at),
                                NULL);
}

void cpu__accumulate(cpu_backend *b, const eai_step *s, void *workspace)
{
    update_job j = get_job(b, s);
    (void)workspace;
    run_pieces(b, &j, add_pieces);
}

const char *cpu__write_rows_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "ffi");
}

/* Rows before the first and behind the last of the state are dropped. */
void cpu__write_rows(cpu_backend *b, const eai_step *s, void *workspace)
{
    int64_t n_rows = s->in[0].shape.dim[0];
    int64_t rows = s->in[1].shape.dim[0];
    int64_t at = *(const int32_t *)s->in[2].data;
    int64_t first = at < 0 ? -at : 0;
    int64_t last = n_rows - at < rows ? n_rows - at : rows;

    (void)b;
    (void)workspace;
    if (first >= last)
        return;
    int64_t width = cpu__elements(&s->in[1]) / rows;
    memcpy((float *)s->in[0].data + (at + first) * width,
           (const float *)s->in[1].data + first * width,
           (size_t)((last - first) * width) * sizeof(float));
}

const char *cpu__adamw_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "ffffff");
}

static void adamw_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    const update_job *j = ctx;
    (void)thread;
    for (int64_t at = begin * PIECE; at < end * PIECE && at < j->n; at += PIECE)
        j->vec->adamw(j->state + at, j->m + at, j->v + at, j->x + at, piece_length(j, at),
                      &j->adamw);
}

/* Coefficients are made in double, so that 1 - beta2 and small decays keep their digits. */
void cpu__adamw(cpu_backend *b, const eai_step *s, void *workspace)
{
    const eai_adamw_opts *o = &s->params.adamw;
    const float *hyper = s->in[4].data;
    double lr = (double)hyper[0];
    update_job j = get_job(b, s);

    (void)workspace;
    j.m = s->in[1].data;
    j.v = s->in[2].data;
    j.x = s->in[3].data;
    j.adamw = (cpu_adamw){.grad_scale = *(const float *)s->in[5].data,
                          .keep = (float)(1 - lr * o->weight_decay),
                          .beta1 = (float)o->beta1,
                          .beta2 = (float)o->beta2,
                          .new1 = (float)(1 - o->beta1),
                          .new2 = (float)(1 - o->beta2),
                          .step = (float)(lr / (double)hyper[1]),
                          .inverse_bias2 = (float)(1 / (double)hyper[2]),
                          .eps = (float)o->eps};
    run_pieces(b, &j, adamw_pieces);
}
