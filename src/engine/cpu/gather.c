/* GATHER_ROWS and SCATTER_ROWS: rows of a table by number, from any storage type, and their
 * gradient. */
#include <string.h>

#include <efficientai/threads.h>

#include "engine/cpu/gemm.h"
#include "engine/cpu/kernels.h"
#include "engine/cpu/parts.h"

#include "base/banned.h"

typedef struct rows_job {
    const eai_step *s;
    cpu_unpack *unpack;
    int64_t ids, rows,
        width;     /* how many ids, rows of the table (or of the result), elements a row */
    int64_t share; /* rows or columns a task */
} rows_job;

const char *cpu__gather_rows_refuses(const cpu_backend *be, const eai_step *s)
{
    return be->gemm->unpack[s->in[0].dtype] ? NULL
                                            : "the table's storage type has no unpack routine";
}

static void gather_task(void *ud, size_t task, int thread)
{
    const rows_job *j = ud;
    const int32_t *ids = j->s->in[1].data;
    const uint8_t *table = j->s->in[0].data;
    float *out = j->s->out[0].data;
    size_t row_bytes = eai_row_bytes(j->s->in[0].dtype, j->width);
    int64_t first = (int64_t)task * j->share;

    (void)thread;
    for (int64_t t = first; t < cpu__min(first + j->share, j->ids); t++) {
        if (ids[t] >= 0 && ids[t] < j->rows)
            j->unpack(out + t * j->width, table + (size_t)ids[t] * row_bytes, j->s->in[0].planes, 0,
                      j->width);
        else
            memset(out + t * j->width, 0, (size_t)j->width * sizeof(float));
    }
}

void cpu__gather_rows(cpu_backend *be, const eai_step *s, void *workspace)
{
    rows_job j = {
        .s = s,
        .unpack = be->gemm->unpack[s->in[0].dtype],
        .ids = eai_shape_elements(&s->in[1].shape),
        .rows = s->in[0].shape.dim[0],
        .width = s->in[0].shape.dim[1],
    };
    (void)workspace;
    if (j.ids == 0 || j.width == 0)
        return;
    j.share = 1 + 16384 / j.width;
    eai_pool_run(be->pool, gather_task, &j, (size_t)((j.ids + j.share - 1) / j.share));
}

/* A task owns columns, so that rows with the same id are added in order, by one thread. */
static void scatter_task(void *ud, size_t task, int thread)
{
    const rows_job *j = ud;
    const int32_t *ids = j->s->in[1].data;
    const float *x = j->s->in[0].data;
    float *out = j->s->out[0].data;
    int64_t c0 = (int64_t)task * j->share;
    int64_t c1 = cpu__min(c0 + j->share, j->width);

    (void)thread;
    for (int64_t r = 0; r < j->rows; r++)
        memset(out + r * j->width + c0, 0, (size_t)(c1 - c0) * sizeof(float));
    for (int64_t t = 0; t < j->ids; t++) {
        if (ids[t] < 0 || ids[t] >= j->rows)
            continue;
        for (int64_t c = c0; c < c1; c++)
            out[ids[t] * j->width + c] += x[t * j->width + c];
    }
}

void cpu__scatter_rows(cpu_backend *be, const eai_step *s, void *workspace)
{
    rows_job j = {
        .s = s,
        .ids = eai_shape_elements(&s->in[1].shape),
        .rows = s->out[0].shape.dim[0],
        .width = s->out[0].shape.dim[1],
        .share = 64,
    };
    (void)workspace;
    if (j.rows > 0 && j.width > 0)
        eai_pool_run(be->pool, scatter_task, &j, (size_t)((j.width + j.share - 1) / j.share));
}
