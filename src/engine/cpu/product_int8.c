/* Products of quantized weights in 8-bit integers: blocking and threads around the routines of an
 * instruction set.
 *
 * Rows of A are quantized first (int8.h), in groups of at most A_LIMIT bytes; where the backend
 * does not ask for 8 bits, one or two rows in 16 ("fine"), and nothing else comes here. Then
 *     few rows    columns of C are dot products; each thread takes some, and reads its rows of B
 *                 once
 *     more rows   each thread takes strips of nr columns, unpacks one into its scratch, in blocks
 * of KC steps, and runs the tiles of all rows over it
 *
 * Each element of C is summed in the same order however the work is cut: the result does not depend
 * on the number of threads. */
#include "engine/cpu/product_int8.h"

#include "engine/cpu/int8.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/parts.h"

#include "base/banned.h"

#define A_LIMIT ((size_t)4 << 20) /* bytes of quantized A at a time */
#define KC      ((int64_t)2048)   /* steps of K a strip; a multiple of all blocks */
#define PANELS  4                 /* that a task quantizes */

/* Elements that share a scale; 0: no type of these products. */
static const struct {
    int group;
    bool has_m;
} formats[EAI_DTYPE_COUNT] = {
#define ROW(id, name, group, zero, has_m, wide) [EAI_##id] = {group, has_m},
    CPU_INT8_FORMATS(ROW)
#undef ROW
};

/* How a product is carried out; a function of shapes, types and the backend alone. */
typedef struct blocking {
    const cpu_int8_table *t;
    bool fine;
    bool dot;
    bool serial;        /* too small for several threads */
    int rows;           /* of a panel */
    size_t block_bytes; /* of a panel, 32 steps */
    size_t panel_bytes;
    size_t column_bytes; /* of a strip, 32 steps */
    int64_t group_m;     /* rows of A quantized at a time */
    int64_t columns;     /* of C a task */
    size_t a_bytes;      /* shared scratch */
    size_t strip_bytes;  /* a thread's scratch */
} blocking;

typedef struct job {
    const cpu_product *p;
    blocking how;
    uint8_t *panels, *strips;
    int64_t m0, m;     /* the group */
    int64_t part_rows; /* of C a task */
    int64_t parts;
} job;

bool cpu__int8_takes(const cpu_backend *be, const cpu_product *p)
{
    bool wanted = be->int8 || (be->int16 && p->m <= CPU_DOT_ROWS / 2);
    return wanted && formats[p->b.dtype].group > 0 && p->b.along_k && p->a.col == 1 && p->m > 0 &&
           p->n > 0 && p->k > 0;
}

static blocking choose_blocking(const cpu_backend *be, const cpu_product *p)
{
    const cpu_int8_table *t = be->int8 ? be->int8 : be->int16;
    int groups = 32 / formats[p->b.dtype].group;
    blocking how = {.t = t, .fine = !be->int8, .dot = p->m <= CPU_DOT_ROWS};
    how.serial = p->m * p->n * p->k < CPU_SERIAL_WORK;
    how.rows = !how.dot ? t->mr : how.fine ? 2 * (int)p->m : (int)p->m;
    how.block_bytes = CPU_INT8_BLOCK(how.rows, groups);
    how.panel_bytes = how.block_bytes * (size_t)(p->k / 32);
    if (how.dot) {
        how.columns = cpu__dot_columns(p->n, p->b.row_bytes, be->base.n_threads);
        how.group_m = p->m;
        how.a_bytes = cpu__align(how.panel_bytes);
        return how;
    }
    int64_t panels = cpu__max((int64_t)(A_LIMIT / how.panel_bytes), 1);
    how.columns = t->nr;
    how.group_m = cpu__min(p->m, panels * t->mr);
    how.a_bytes = cpu__align(how.panel_bytes * (size_t)cpu__divide_up(how.group_m, t->mr));
    how.column_bytes = 32 + 4 * (size_t)groups * (formats[p->b.dtype].has_m ? 2 : 1);
    how.strip_bytes = cpu__align((size_t)(cpu__min(p->k, KC) / 32 * t->nr) * how.column_bytes);
    return how;
}

size_t cpu__int8_workspace(const cpu_backend *be, const cpu_product *p)
{
    blocking how = choose_blocking(be, p);
    return how.a_bytes + how.strip_bytes * (size_t)be->base.n_threads;
}

/* A panel of m rows of A, from row i of the group on. */
static void quantize(const job *j, uint8_t *panel, int64_t i, int64_t m)
{
    const cpu_product *p = j->p;
    j->how.t->quantize(panel, p->a.data + (j->m0 + i) * p->a.row, p->a.row, (int)m, j->how.rows,
                       p->k, p->b.dtype, j->how.fine);
}

/* Quantizes some panels of the group. */
static void quantize_task(void *ud, size_t task, int thread)
{
    const job *j = ud;
    int rows = j->how.rows;
    int64_t first = (int64_t)task * PANELS;
    int64_t last = cpu__min(first + PANELS, cpu__divide_up(j->m, rows));
    (void)thread;
    for (int64_t i = first; i < last; i++)
        quantize(j, j->panels + (size_t)i * j->how.panel_bytes, i * rows,
                 cpu__min(rows, j->m - i * rows));
}

/* ---- Few rows
 * -------------------------------------------------------------------------------------- */

static void dot_task(void *ud, size_t task, int thread)
{
    job *j = ud;
    const cpu_product *p = j->p;
    int64_t n0 = (int64_t)task * j->how.columns;
    cpu_int8_dot d = {
        .y = p->c + n0,
        .y_in = p->c_in ? p->c_in + n0 : NULL,
        .ldy = p->ldc,
        .panel = j->panels,
        .m = (int)p->m,
        .fine = j->how.fine,
        .b = &p->b,
        .n0 = n0,
        .n = cpu__min(j->how.columns, p->n - n0),
        .k = p->k,
        .alpha = p->alpha,
    };
    (void)thread;
    j->how.t->dot(&d);
}

static void run_dot(cpu_backend *be, job *j)
{
    quantize(j, j->panels, 0, j->p->m); /* waking a thread would take longer */
    cpu__run_tasks(be, j->how.serial, dot_task, j, cpu__divide_up(j->p->n, j->how.columns));
}

/* ---- More rows
 * ------------------------------------------------------------------------------------- */

/* C of rows i0 .. i0 + m of the group and a strip of n columns += the product over k steps. */
static void multiply_strip(const job *j, const uint8_t *strip, int64_t i0, int64_t m, int64_t n0,
                           int n, int64_t k0, int64_t k)
{
    const cpu_product *p = j->p;
    const int mr = j->how.rows;
    for (int64_t i = i0; i < i0 + m; i += mr) {
        int64_t at = (j->m0 + i) * p->ldc + n0;
        float *c = p->c + at;
        cpu_int8_tile t = {
            .c = c,
            .c_in = k0 > 0    ? c
                    : p->c_in ? p->c_in + at
                              : NULL,
            .ldc = p->ldc,
            .alpha = p->alpha,
            .m = (int)cpu__min(mr, i0 + m - i),
            .n = n,
            .k = k,
            .dtype = p->b.dtype,
            .panel = j->panels + (size_t)(i / mr) * j->how.panel_bytes +
                     (size_t)(k0 / 32) * j->how.block_bytes,
            .strip = strip,
        };
        j->how.t->tile(&t);
    }
}

static void strip_task(void *ud, size_t task, int thread)
{
    job *j = ud;
    const cpu_product *p = j->p;
    uint8_t *strip = j->strips + j->how.strip_bytes * (size_t)thread;
    int64_t n0 = (int64_t)task / j->parts * j->how.columns;
    int n = (int)cpu__min(j->how.columns, p->n - n0);
    int64_t i0 = (int64_t)task % j->parts * j->part_rows;
    int64_t m = cpu__min(j->part_rows, j->m - i0);
    if (m <= 0)
        return;
    for (int64_t k0 = 0; k0 < p->k; k0 += KC) {
        int64_t k = cpu__min(KC, p->k - k0);
        j->how.t->pack(strip, &p->b, n0, n, k0, k);
        multiply_strip(j, strip, i0, m, n0, n, k0, k);
    }
}

/* Several tasks a thread, so that one that was held up does not hold up the rest. */
static void cut_rows(job *j, int64_t strips, int64_t threads)
{
    int64_t panels = cpu__divide_up(j->m, j->how.rows);
    int64_t wanted = cpu__divide_up(3 * threads, strips);
    int64_t part = cpu__max(cpu__divide_up(panels, wanted), cpu__min(panels, 4));
    j->part_rows = part * j->how.rows;
    j->parts = cpu__divide_up(panels, part);
}

static void run_strips(cpu_backend *be, job *j)
{
    const cpu_product *p = j->p;
    int64_t strips = cpu__divide_up(p->n, j->how.columns);
    for (j->m0 = 0; j->m0 < p->m; j->m0 += j->how.group_m) {
        j->m = cpu__min(j->how.group_m, p->m - j->m0);
        cut_rows(j, strips, be->base.n_threads);
        cpu__run_tasks(be, j->how.serial, quantize_task, j,
                       cpu__divide_up(cpu__divide_up(j->m, j->how.rows), PANELS));
        cpu__run_tasks(be, j->how.serial, strip_task, j, strips * j->parts);
    }
}

void cpu__int8_product(cpu_backend *be, const cpu_product *p, void *workspace)
{
    job j = {.p = p, .how = choose_blocking(be, p), .panels = workspace};
    j.strips = j.panels + j.how.a_bytes;
    if (j.how.dot)
        run_dot(be, &j);
    else
        run_strips(be, &j);
}
