/* Operations that move elements (reshape, permute, broadcast), make them (fill, window_start,
 * interval_mask) or add them up (sum). Walks (walk.h) reduce them to rows. */
#include <math.h>
#include <string.h>

#include "engine/cpu/kernels.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/vec.h"
#include "engine/cpu/walk.h"

#include "base/banned.h"

#define PIECE 16384 /* elements that one item covers */

const char *cpu__shape_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "f");
}

/* ---- reshape, permute, broadcast_to ---- */

typedef struct move_job {
    const cpu_vec_table *vec;
    float *out;
    const float *in;
    cpu_walk walk;
} move_job;

static void move_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const move_job *j = ctx;
    int64_t n = cpu__walk_length(&j->walk);
    int64_t step = j->walk.stride[0][j->walk.n_dims - 1];

    (void)thread;
    for (int64_t row = begin; row < end; row++) {
        float *out = j->out + row * n;
        const float *in = j->in + cpu__walk_row(&j->walk, 0, row);
        if (step == 1)
            memcpy(out, in, (size_t)n * sizeof(float));
        else if (step == 0)
            j->vec->fill(out, *in, n);
        else
            for (int64_t i = 0; i < n; i++)
                out[i] = in[i * step];
    }
}

static void move(cpu_backend *b, const eai_step *s, int64_t (*strides)[EAI_MAX_DIMS])
{
    move_job j = {.vec = b->vec, .out = s->out[0].data, .in = s->in[0].data};
    const eai_shape *out = &s->out[0].shape;

    if (eai_shape_elements(out) == 0)
        return;
    cpu__walk_init(&j.walk, out->n_dims, out->dim, strides, 1);
    cpu__for(b, cpu__walk_rows(&j.walk), cpu__grain(cpu__walk_length(&j.walk)), move_rows, &j);
}

void cpu__reshape(cpu_backend *b, const eai_step *s, void *workspace)
{
    (void)b;
    (void)workspace;
    size_t bytes = (size_t)cpu__elements(&s->out[0]) * sizeof(float);
    if (bytes > 0 && s->out[0].data != s->in[0].data)
        memcpy(s->out[0].data, s->in[0].data, bytes);
}

void cpu__permute(cpu_backend *b, const eai_step *s, void *workspace)
{
    const eai_shape *in = &s->in[0].shape;
    int64_t of_input[EAI_MAX_DIMS] = {0};
    int64_t strides[1][EAI_MAX_DIMS] = {{0}};
    int64_t stride = 1;

    (void)workspace;
    for (int d = in->n_dims - 1; d >= 0; d--) {
        of_input[d] = stride;
        stride *= in->dim[d];
    }
    for (int d = 0; d < in->n_dims; d++)
        strides[0][d] = of_input[s->params.permute.axes[d]];
    move(b, s, strides);
}

void cpu__broadcast_to(cpu_backend *b, const eai_step *s, void *workspace)
{
    int64_t strides[1][EAI_MAX_DIMS] = {{0}};
    (void)workspace;
    cpu__broadcast_strides(strides[0], &s->in[0].shape, &s->out[0].shape);
    move(b, s, strides);
}

/* ---- fill, window_start, interval_mask ---- */

typedef struct fill_job {
    const cpu_vec_table *vec;
    float *out;
    float value;
    int64_t n;
} fill_job;

static void fill_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    const fill_job *j = ctx;
    int64_t last = end * PIECE < j->n ? end * PIECE : j->n;
    (void)thread;
    j->vec->fill(j->out + begin * PIECE, j->value, last - begin * PIECE);
}

void cpu__fill(cpu_backend *b, const eai_step *s, void *workspace)
{
    fill_job j = {b->vec, s->out[0].data, (float)s->params.fill.value, cpu__elements(&s->out[0])};
    (void)workspace;
    cpu__for(b, (j.n + PIECE - 1) / PIECE, 1, fill_pieces, &j);
}

const char *cpu__interval_mask_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "ii");
}

/* Some integers a token: not worth a thread. */
void cpu__window_start(cpu_backend *b, const eai_step *s, void *workspace)
{
    const int32_t *starts = s->in[0].data;
    const int32_t *ends = s->in[1].data;
    int32_t *out = s->out[0].data;
    int64_t width = s->params.window_start.width;

    (void)b, (void)workspace;
    for (int64_t t = 0; t < s->out[0].shape.dim[0]; t++)
        out[t] = ends[t] - width > starts[t] ? (int32_t)(ends[t] - width) : starts[t];
}

static void mask_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const eai_step *s = ctx;
    int64_t n = s->params.interval_mask.n_keys;
    const int32_t *starts = s->in[0].data;
    const int32_t *ends = s->in[1].data;

    (void)thread;
    for (int64_t t = begin; t < end; t++) {
        float *out = (float *)s->out[0].data + t * n;
        for (int64_t j = 0; j < n; j++)
            out[j] = j >= starts[t] && j < ends[t] ? 0.0f : -INFINITY;
    }
}

void cpu__interval_mask(cpu_backend *b, const eai_step *s, void *workspace)
{
    eai_step step = *s;
    (void)workspace;
    cpu__for(b, s->out[0].shape.dim[0], cpu__grain(s->params.interval_mask.n_keys), mask_rows,
             &step);
}

/* ---- sum ---- */

/* The input's dimensions as two walks: `kept` gives each output element (or row of them), `summed`
 * what is added up for it. The input's last dimension decides how:
 * - it is summed: an output element is a sum of contiguous rows;
 * - it is kept: a row of outputs is a sum of rows. */
typedef struct sum_job {
    const cpu_vec_table *vec;
    float *out;
    const float *in;
    cpu_walk kept, summed;
    double *partial; /* for one sum over everything */
    int64_t n;
} sum_job;

static void sum_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const sum_job *j = ctx;
    int64_t n = cpu__walk_length(&j->summed);
    int64_t rows = cpu__walk_rows(&j->summed);
    int64_t length = cpu__walk_length(&j->kept);
    int64_t step = j->kept.stride[0][j->kept.n_dims - 1];

    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const float *in = j->in + cpu__walk_row(&j->kept, 0, i / length) + i % length * step;
        double total = 0;
        for (int64_t r = 0; r < rows; r++)
            total += j->vec->sum(in + cpu__walk_row(&j->summed, 0, r), n);
        j->out[i] = (float)total;
    }
}

#define SUM_COLUMNS 256 /* columns at a time */
#define SUM_ROWS                                                                                   \
    64 /* rows that are added to a fresh sum first, which keeps rounding errors small */

/* out[n] = sum over all combinations of the summed dimensions of in[.., n] */
static void sum_columns(const sum_job *j, float *out, const float *in, int64_t n)
{
    int last = j->summed.n_dims - 1;
    int64_t length = cpu__walk_length(&j->summed);
    int64_t rows = cpu__walk_rows(&j->summed) * length;
    cpu_map add = j->vec->map[EAI_OP_ADD];
    float block[SUM_COLUMNS];

    j->vec->fill(out, 0, n);
    for (int64_t first = 0; first < rows; first += SUM_ROWS) {
        int64_t end = first + SUM_ROWS < rows ? first + SUM_ROWS : rows;
        j->vec->fill(block, 0, n);
        for (int64_t r = first; r < end; r++)
            add(block, block, 1,
                in + cpu__walk_row(&j->summed, 0, r / length) +
                    r % length * j->summed.stride[0][last],
                1, n, NULL);
        add(out, out, 1, block, 1, n, NULL);
    }
}

static void sum_column_blocks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const sum_job *j = ctx;
    int64_t length = cpu__walk_length(&j->kept);
    int64_t blocks = (length + SUM_COLUMNS - 1) / SUM_COLUMNS;

    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        int64_t row = item / blocks;
        int64_t at = item % blocks * SUM_COLUMNS;
        int64_t n = length - at < SUM_COLUMNS ? length - at : SUM_COLUMNS;
        sum_columns(j, j->out + row * length + at, j->in + cpu__walk_row(&j->kept, 0, row) + at, n);
    }
}

static void sum_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    const sum_job *j = ctx;
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        j->partial[i] =
            j->vec->sum(j->in + i * PIECE, j->n - i * PIECE < PIECE ? j->n - i * PIECE : PIECE);
}

/* Everything into one element: pieces of fixed size, added in order, so that threads change
 * nothing. */
static void sum_everything(cpu_backend *b, sum_job *j)
{
    int64_t pieces = (j->n + PIECE - 1) / PIECE;
    double total = 0;
    cpu__for(b, pieces, 1, sum_pieces, j);
    for (int64_t i = 0; i < pieces; i++)
        total += j->partial[i];
    *j->out = (float)total;
}

size_t cpu__sum_workspace(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return (size_t)(cpu__elements(&s->in[0]) / PIECE + 1) * sizeof(double);
}

/* The input's dimensions dealt to the two walks; true when the last one (of more than one element)
 * is summed. */
static bool split_dimensions(sum_job *j, const eai_shape *in, unsigned axes)
{
    int64_t dims[2][EAI_MAX_DIMS];
    int64_t strides[2][EAI_MAX_DIMS];
    int n_dims[2] = {0, 0}; /* kept, summed */
    int64_t stride = j->n;
    bool last_is_summed = true;

    for (int d = 0; d < in->n_dims; d++) {
        int k = axes >> d & 1;
        stride /= in->dim[d];
        dims[k][n_dims[k]] = in->dim[d];
        strides[k][n_dims[k]++] = stride;
        if (in->dim[d] > 1)
            last_is_summed = k;
    }
    cpu__walk_init(&j->kept, n_dims[0], dims[0], &strides[0], 1);
    cpu__walk_init(&j->summed, n_dims[1], dims[1], &strides[1], 1);
    return last_is_summed;
}

void cpu__sum(cpu_backend *b, const eai_step *s, void *workspace)
{
    int64_t n_out = cpu__elements(&s->out[0]);
    sum_job j = {.vec = b->vec,
                 .out = s->out[0].data,
                 .in = s->in[0].data,
                 .partial = workspace,
                 .n = cpu__elements(&s->in[0])};

    if (j.n == 0) { /* sums of nothing */
        b->vec->fill(s->out[0].data, 0, n_out);
        return;
    }
    bool last_is_summed = split_dimensions(&j, &s->in[0].shape, s->params.sum.axes);
    int64_t summed = j.n / n_out;
    if (n_out == 1) {
        sum_everything(b, &j);
    } else if (last_is_summed) {
        cpu__for(b, n_out, cpu__grain(summed), sum_rows, &j);
    } else {
        int64_t length = cpu__walk_length(&j.kept);
        int64_t width = length < SUM_COLUMNS ? length : SUM_COLUMNS;
        cpu__for(b, cpu__walk_rows(&j.kept) * ((length + SUM_COLUMNS - 1) / SUM_COLUMNS),
                 cpu__grain(summed * width), sum_column_blocks, &j);
    }
}
