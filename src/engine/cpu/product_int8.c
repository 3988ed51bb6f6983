/* Products of few rows with quantized weights, in 8 bits or ("fine") in 16: rows of A are quantized
 * (int8.h), then columns of C are dot products; each thread takes some, and reads its rows of B
 * once.
 *
 * Each element of C is summed in the same order however the work is cut: the result does not depend
 * on the number of threads. */
#include "engine/cpu/product_int8.h"

#include "engine/cpu/int8.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/parts.h"

#include "base/banned.h"

/* Elements that share a scale; 0: no type of these products. */
static const int group_of[EAI_DTYPE_COUNT] = {
#define ROW(id, name, group, zero, has_m, wide) [EAI_##id] = group,
    CPU_INT8_FORMATS(ROW)
#undef ROW
};

typedef struct job {
    const cpu_product *p;
    const cpu_int8_table *t;
    bool fine;
    uint8_t *panel;
    int64_t columns; /* of C a task */
} job;

bool cpu__int8_takes(const cpu_backend *be, const cpu_product *p)
{
    bool wanted = be->int8 ? p->m <= CPU_DOT_ROWS : be->int16 && p->m <= CPU_DOT_ROWS / 2;
    return wanted && group_of[p->b.dtype] > 0 && p->b.along_k && p->a.col == 1 && p->m > 0 &&
           p->n > 0 && p->k > 0;
}

size_t cpu__int8_workspace(const cpu_backend *be, const cpu_product *p)
{
    int rows = be->int8 ? (int)p->m : 2 * (int)p->m;
    return cpu__align(CPU_INT8_BLOCK(rows, 32 / group_of[p->b.dtype]) * (size_t)(p->k / 32));
}

static void dot_task(void *ud, size_t task, int thread)
{
    job *j = ud;
    const cpu_product *p = j->p;
    int64_t n0 = (int64_t)task * j->columns;
    cpu_int8_dot d = {
        .y = p->c + n0,
        .y_in = p->c_in ? p->c_in + n0 : NULL,
        .ldy = p->ldc,
        .panel = j->panel,
        .m = (int)p->m,
        .fine = j->fine,
        .b = &p->b,
        .n0 = n0,
        .n = cpu__min(j->columns, p->n - n0),
        .k = p->k,
        .alpha = p->alpha,
    };
    (void)thread;
    j->t->dot(&d);
}

void cpu__int8_product(cpu_backend *be, const cpu_product *p, void *workspace)
{
    bool serial = p->m * p->n * p->k < CPU_SERIAL_WORK;
    job j = {
        .p = p,
        .t = be->int8 ? be->int8 : be->int16,
        .fine = !be->int8,
        .panel = workspace,
        .columns = cpu__dot_columns(p->n, p->b.row_bytes, be->base.n_threads),
    };
    /* Waking a thread for these would take longer. */
    j.t->quantize(j.panel, p->a.data, p->a.row, (int)p->m, p->k, p->b.dtype, j.fine);
    cpu__run_tasks(be, serial, dot_task, &j, cpu__divide_up(p->n, j.columns));
}
