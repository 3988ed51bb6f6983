/* LINEAR_CE: the cross-entropy of the product h w^T against targets, and its gradient by h, without
 * ever holding all logits.
 *
 * The tokens that have a target are gathered (ignored ones, mostly the prompts, cost nothing) and
 * handled CHUNK at a time. The chunk's logits are one product, of which each block is taken while
 * it is in cache: parts of PART logits become e^(x - largest) of the part, which is kept for the
 * gradient (in bf16 where products round to that anyway), their sum and the largest. From these
 * come each row's loss, and the factors that make a softmax of its parts. The gradient is a second
 * product, of softmax - onehot, made when its rows are packed, with the same weights read in the
 * other orientation. w may be in any storage type and is never expanded. */
#include <math.h>
#include <string.h>

#include <efficientai/threads.h>

#include "engine/cpu/kernels.h"
#include "engine/cpu/parts.h"
#include "engine/cpu/product.h"
#include "engine/cpu/vec.h"

#include "base/banned.h"

/* Tokens; what is kept of their logits takes 2 or 4 bytes each. The weights are unpacked for each
 * chunk anew, so that larger ones are quicker, but they must stay small beside what a step of so
 * many tokens needs otherwise. */
#define CHUNK     512
#define CHUNK_FEW 128 /* ... for steps of less than: */
#define MANY      1024

#define PART CPU_TAKE_COLUMNS /* logits with a scale of their own */

typedef struct ce_job {
    const eai_step *s;
    const cpu_vec_table *vec;
    int64_t vocabulary, width, tokens;
    int64_t parts;    /* of a row */
    bool half;        /* kept in bf16 */
    int64_t n;        /* rows of this chunk */
    int64_t *token;   /* [CHUNK] which token a row is */
    float *h;         /* [CHUNK, width] gathered inputs, then gradients */
    float *at_target; /* [CHUNK] the target's logit */
    float *largest;   /* [CHUNK, parts], then factors */
    float *total;     /* [CHUNK, parts] */
    void *kept;       /* [CHUNK, vocabulary]; NULL: the gradient is not wanted */
    void *product;    /* workspace of the products */
} ce_job;

static int64_t chunk_rows(const eai_step *s)
{
    int64_t tokens = s->in[0].shape.dim[0];
    int64_t chunk = tokens < MANY ? CHUNK_FEW : CHUNK;
    return tokens < chunk ? tokens : chunk;
}

static int32_t target_of(const ce_job *j, int64_t row)
{
    return ((const int32_t *)j->s->in[2].data)[j->token[row]];
}

static float *kept_floats(const ce_job *j, int64_t row, int64_t at)
{
    return (float *)j->kept + row * j->vocabulary + at;
}

static uint16_t *kept_halves(const ce_job *j, int64_t row, int64_t at)
{
    return (uint16_t *)j->kept + row * j->vocabulary + at;
}

/* n logits of a row, from `at` on, a multiple of PART. */
static void take_part(const ce_job *j, int64_t row, int64_t at, const float *x, int64_t n)
{
    int64_t part = row * j->parts + at / PART;
    int64_t target = target_of(j, row);
    if (j->kept && j->half)
        j->total[part] = j->vec->softmax_halves(kept_halves(j, row, at), &j->largest[part], x, n);
    else
        j->total[part] =
            j->vec->softmax_part(j->kept ? kept_floats(j, row, at) : NULL, &j->largest[part], x, n);
    if (target >= at && target < at + n)
        j->at_target[row] = x[target - at];
}

static void take_logits(void *ud, const float *c, const cpu_block *at)
{
    const ce_job *j = ud;
    for (int64_t i = 0; i < at->m; i++) {
        for (int64_t c0 = 0; c0 < at->n; c0 += PART)
            take_part(j, at->i + i, at->j + c0, c + i * at->ld + c0, cpu__min(PART, at->n - c0));
    }
}

static cpu_product logits_product(ce_job *j)
{
    const eai_operand *w = &j->s->in[1];
    return (cpu_product){
        .m = j->n,
        .n = j->vocabulary,
        .k = j->width,
        .a = cpu__gemm_a(j->h, j->n, j->width, false),
        .b = cpu__gemm_b(w, j->width, true),
        .alpha = 1,
        .take = take_logits,
        .ud = j,
    };
}

/* softmax - onehot. */
static void give_gradient(void *ud, float *out, const cpu_block *at)
{
    const ce_job *j = ud;
    for (int64_t i = 0; i < at->m; i++) {
        int64_t row = at->i + i;
        int64_t target = target_of(j, row) - at->j;
        float *x = out + i * at->ld;
        for (int64_t c = 0; c < at->n;) {
            int64_t from = at->j + c;
            int64_t n = cpu__min(PART - from % PART, at->n - c);
            float factor = j->largest[row * j->parts + from / PART];
            if (j->half)
                j->vec->scale_halves(x + c, kept_halves(j, row, from), factor, n);
            else
                j->vec->map[EAI_OP_MUL](x + c, kept_floats(j, row, from), 1, &factor, 0, n, NULL);
            c += n;
        }
        if (target >= 0 && target < at->n)
            x[target] -= 1;
    }
}

static cpu_product gradient_product(ce_job *j)
{
    const eai_operand *w = &j->s->in[1];
    return (cpu_product){
        .m = j->n,
        .n = j->width,
        .k = j->vocabulary,
        .a = cpu__gemm_a(NULL, j->n, j->vocabulary, false),
        .b = cpu__gemm_b(w, j->width, false),
        .c = j->h,
        .ldc = j->width,
        .alpha = 1,
        .give = give_gradient,
        .ud = j,
    };
}

static ce_job start_job(const cpu_backend *be, const eai_step *s)
{
    return (ce_job){
        .s = s,
        .vec = be->vec,
        .half = be->base.precision != EAI_PRECISION_F32,
        .parts = cpu__divide_up(s->in[1].shape.dim[0], PART),
        .tokens = s->in[0].shape.dim[0],
        .width = s->in[0].shape.dim[1],
        .vocabulary = s->in[1].shape.dim[0],
    };
}

const char *cpu__linear_ce_refuses(const cpu_backend *be, const eai_step *s)
{
    return be->gemm->unpack[s->in[1].dtype] ? NULL
                                            : "the weights' storage type has no unpack routine";
}

/* The last chunk may be of any size, and its products may be blocked differently. */
static size_t products_workspace(const cpu_backend *be, const eai_step *s)
{
    ce_job j = start_job(be, s);
    size_t most = 0;
    for (j.n = 1; j.n <= chunk_rows(s); j.n++) {
        cpu_product forward = logits_product(&j);
        cpu_product backward = gradient_product(&j);
        size_t a = cpu__product_workspace(be, &forward);
        size_t b = cpu__product_workspace(be, &backward);
        most = a > most ? a : most;
        most = b > most ? b : most;
    }
    return most;
}

/* The next n bytes from *at on; NULL where that is NULL and only `bytes` counts. */
static void *carve(uint8_t **at, size_t *bytes, size_t n)
{
    void *place = *at;
    if (place)
        *at += cpu__align(n);
    *bytes += cpu__align(n);
    return place;
}

/* Gives the job its arrays, from `at` on; returns their bytes. */
static size_t lay_out(ce_job *j, uint8_t *at)
{
    size_t rows = (size_t)chunk_rows(j->s);
    size_t parts = rows * (size_t)j->parts;
    size_t kept = j->s->out[1].data ? rows * (size_t)j->vocabulary : 0;
    size_t bytes = 0;
    j->token = carve(&at, &bytes, rows * sizeof(int64_t));
    j->h = carve(&at, &bytes, rows * (size_t)j->width * sizeof(float));
    j->at_target = carve(&at, &bytes, rows * sizeof(float));
    j->largest = carve(&at, &bytes, parts * sizeof(float));
    j->total = carve(&at, &bytes, parts * sizeof(float));
    j->kept = carve(&at, &bytes, kept * (j->half ? sizeof(uint16_t) : sizeof(float)));
    j->kept = kept > 0 ? j->kept : NULL;
    j->product = at;
    return bytes;
}

size_t cpu__linear_ce_workspace(const cpu_backend *be, const eai_step *s)
{
    ce_job j = start_job(be, s);
    return lay_out(&j, NULL) + products_workspace(be, s);
}

/* One row: the loss, and factors of its parts. */
static void finish_row(void *ud, size_t row, int thread)
{
    const ce_job *j = ud;
    float *nll = j->s->out[0].data;
    float *factor = j->largest + (int64_t)row * j->parts;
    const float *part = j->total + (int64_t)row * j->parts;
    float largest = factor[0];
    double total = 0;
    (void)thread;
    for (int64_t i = 1; i < j->parts; i++)
        largest = factor[i] > largest || factor[i] != factor[i] ? factor[i] : largest;
    j->vec->map[EAI_OP_SUB](factor, factor, 1, &largest, 0, j->parts, NULL);
    j->vec->map[EAI_OP_EXP](factor, factor, 1, factor, 1, j->parts, NULL);
    for (int64_t i = 0; i < j->parts; i++)
        total += (double)part[i] * (double)factor[i];
    if (nll)
        nll[j->token[row]] = (float)(log(total) + (double)largest - (double)j->at_target[row]);
    float inverse = (float)(1 / total);
    j->vec->map[EAI_OP_MUL](factor, factor, 1, &inverse, 0, j->parts, NULL);
}

static void run_chunk(cpu_backend *be, ce_job *j)
{
    const float *h = j->s->in[0].data;
    float *dh = j->s->out[1].data;
    size_t row_bytes = (size_t)j->width * sizeof(float);

    for (int64_t i = 0; i < j->n; i++)
        memcpy(j->h + i * j->width, h + j->token[i] * j->width, row_bytes);
    cpu_product forward = logits_product(j);
    cpu__product(be, &forward, j->product);
    eai_pool_run(be->pool, finish_row, j, (size_t)j->n);
    if (!dh)
        return;
    cpu_product backward = gradient_product(j);
    cpu__product(be, &backward, j->product);
    for (int64_t i = 0; i < j->n; i++)
        memcpy(dh + j->token[i] * j->width, j->h + i * j->width, row_bytes);
}

void cpu__linear_ce(cpu_backend *be, const eai_step *s, void *workspace)
{
    ce_job j = start_job(be, s);
    const int32_t *targets = s->in[2].data;
    float *nll = s->out[0].data;
    float *dh = s->out[1].data;
    int64_t rows = chunk_rows(s);

    (void)lay_out(&j, workspace);
    for (int64_t t = 0; t < j.tokens; t++) {
        if (targets[t] >= 0 && targets[t] < j.vocabulary) {
            j.token[j.n++] = t;
        } else {
            if (nll)
                nll[t] = 0;
            if (dh)
                memset(dh + t * j.width, 0, (size_t)j.width * sizeof(float));
        }
        if (j.n == rows || (t + 1 == j.tokens && j.n > 0)) {
            run_chunk(be, &j);
            j.n = 0;
        }
    }
}
