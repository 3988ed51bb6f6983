/* Products of few rows: columns of C are dot products with rows of B, which each thread reads once
 * and keeps nothing of. The speed is that of memory, so what counts is that it never rests: several
 * products of the same A (q, k and v; gate and up) are one job.
 *
 * Where weights are quantized they are multiplied as integers of 8 bits, or ("fine") of 16, which
 * two or fewer rows are: then rows of A are quantized first (int8.h), once for all the products.
 *
 * Each element of C is summed in the same order however the work is cut: the result does not depend
 * on the number of threads. */
#include "engine/cpu/product_dot.h"

#include "engine/cpu/int8.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/parts.h"

#include "base/banned.h"

#define TASK_BYTES (32 * 1024) /* of weights that a task reads, at least: microseconds of work */

/* Elements that share a scale; 0: no type of products in integers. */
static const int group_of[EAI_DTYPE_COUNT] = {
#define ROW(id, name, kind, group, zero, has_m, wide) [EAI_##id] = group,
    CPU_INT8_FORMATS(ROW)
#undef ROW
};

typedef struct job {
    const cpu_product *p;
    int n;
    int64_t columns[CPU_DOTS];  /* of C a task */
    size_t first[CPU_DOTS + 1]; /* tasks of a product begin here */
    const cpu_gemm_table *g;    /* in floats ... */
    const cpu_int8_table *t;    /* ... or in integers, else NULL */
    bool fine;
    uint8_t *panel;
} job;

static bool in_integers(const cpu_backend *be, const cpu_product *p)
{
    bool wanted = be->int8 ? p->m <= CPU_DOT_ROWS : be->int16 && p->m <= CPU_DOT_ROWS / 2;
    return wanted && group_of[p->b.dtype] > 0;
}

bool cpu__dots_takes(const cpu_product *p)
{
    return p->m <= CPU_DOT_ROWS && p->b.along_k && p->a.col == 1 && p->m > 0 && p->n > 0 &&
           p->k > 0 && !p->give;
}

bool cpu__dots_joins(const cpu_product *p, const cpu_product *q)
{
    return p->m == q->m && p->k == q->k && p->a.data == q->a.data && p->a.row == q->a.row &&
           p->b.dtype == q->b.dtype;
}

size_t cpu__dots_workspace(const cpu_backend *be, const cpu_product *p)
{
    if (!in_integers(be, p))
        return 0;
    int rows = be->int8 ? (int)p->m : 2 * (int)p->m;
    return cpu__align(CPU_INT8_BLOCK(rows, 32 / group_of[p->b.dtype]) * (size_t)(p->k / 32));
}

static void run_floats(const job *j, const cpu_product *p, int64_t n0, int64_t n)
{
    cpu_dot d = {
        .y = p->c + n0,
        .y_in = p->c_in ? p->c_in + n0 : NULL,
        .ldy = p->ldc,
        .x = p->a.data,
        .ldx = p->a.row,
        .m = (int)p->m,
        .b = &p->b,
        .n0 = n0,
        .n = n,
        .k = p->k,
        .alpha = p->alpha,
    };
    j->g->dot(&d);
}

static void run_integers(const job *j, const cpu_product *p, int64_t n0, int64_t n)
{
    cpu_int8_dot d = {
        .y = p->c + n0,
        .y_in = p->c_in ? p->c_in + n0 : NULL,
        .ldy = p->ldc,
        .panel = j->panel,
        .m = (int)p->m,
        .fine = j->fine,
        .b = &p->b,
        .n0 = n0,
        .n = n,
        .k = p->k,
        .alpha = p->alpha,
    };
    j->t->dot(&d);
}

static void dot_task(void *ud, size_t task, int thread)
{
    const job *j = ud;
    int i = 0;
    (void)thread;
    while (task >= j->first[i + 1])
        i++;
    const cpu_product *p = &j->p[i];
    int64_t n0 = (int64_t)(task - j->first[i]) * j->columns[i];
    int64_t n = cpu__min(j->columns[i], p->n - n0);
    if (j->t)
        run_integers(j, p, n0, n);
    else
        run_floats(j, p, n0, n);
}

/* Columns a task: as many for each thread, and for each several tasks where there is work enough.
 */
static int64_t task_columns(const cpu_product *p, int64_t threads)
{
    int64_t most = p->n * (int64_t)p->b.row_bytes / TASK_BYTES;
    int64_t tasks = most >= 4 * threads ? 4 * threads : most / threads * threads;
    return tasks < 1 ? p->n : cpu__divide_up(p->n, tasks);
}

void cpu__dots(cpu_backend *be, const cpu_product *p, int n, void *workspace)
{
    job j = {.p = p, .n = n, .g = be->gemm, .panel = workspace};
    int64_t work = 0;
    be->packed.data = NULL;
    for (int i = 0; i < n; i++) {
        work += p[i].m * p[i].n * p[i].k;
        j.columns[i] = task_columns(&p[i], be->base.n_threads);
        j.first[i + 1] = j.first[i] + (size_t)cpu__divide_up(p[i].n, j.columns[i]);
    }
    if (in_integers(be, p)) {
        j.t = be->int8 ? be->int8 : be->int16;
        j.fine = !be->int8;
        /* Waking a thread for these would take longer. */
        j.t->quantize(j.panel, p->a.data, p->a.row, (int)p->m, p->k, p->b.dtype, j.fine);
    }
    cpu__run_tasks(be, work < CPU_SERIAL_WORK, dot_task, &j, (int64_t)j.first[n]);
}
