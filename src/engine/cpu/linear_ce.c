/* LINEAR_CE: the cross-entropy of the product h w^T against targets, and its gradient by h, without
 * ever holding all logits.
 *
 * The tokens that have a target are gathered (ignored ones, mostly the prompts, cost nothing) and
 * handled CHUNK at a time: the chunk's logits are one product, the loss a sum over each row, and
 * the gradient a second product of (softmax - onehot), which takes the logits' place, with the same
 * weights read in the other orientation. w may be in any storage type and is never expanded. */
#include <string.h>

#include <efficientai/threads.h>

#include "engine/cpu/kernels.h"
#include "engine/cpu/parts.h"
#include "engine/cpu/product.h"
#include "engine/cpu/vec.h"

#include "base/banned.h"

/* Tokens; their logits take CHUNK * vocabulary * 4 bytes. The weights are unpacked for each chunk
 * anew, so that larger ones are quicker, but they must stay small beside what a step of so many
 * tokens needs otherwise. */
#define CHUNK     512
#define CHUNK_FEW 128 /* ... for steps of less than: */
#define MANY      1024

typedef struct ce_job {
    const eai_step *s;
    const cpu_vec_table *vec;
    int64_t vocabulary, width, tokens;
    int64_t n;      /* rows of this chunk */
    int64_t *token; /* [CHUNK] which token a row is */
    float *h;       /* [CHUNK, width] gathered inputs, then gradients */
    float *logits;  /* [CHUNK, vocabulary] */
    void *product;  /* workspace of the products */
} ce_job;

static int64_t chunk_rows(const eai_step *s)
{
    int64_t tokens = s->in[0].shape.dim[0];
    int64_t chunk = tokens < MANY ? CHUNK_FEW : CHUNK;
    return tokens < chunk ? tokens : chunk;
}

static cpu_product logits_product(const ce_job *j)
{
    const eai_operand *w = &j->s->in[1];
    return (cpu_product){
        .m = j->n,
        .n = j->vocabulary,
        .k = j->width,
        .a = cpu__gemm_a(j->h, j->n, j->width, false),
        .b = cpu__gemm_b(w->data, w->dtype, j->width, true),
        .c = j->logits,
        .ldc = j->vocabulary,
        .alpha = 1,
    };
}

static cpu_product gradient_product(const ce_job *j)
{
    const eai_operand *w = &j->s->in[1];
    return (cpu_product){
        .m = j->n,
        .n = j->width,
        .k = j->vocabulary,
        .a = cpu__gemm_a(j->logits, j->n, j->vocabulary, false),
        .b = cpu__gemm_b(w->data, w->dtype, j->width, false),
        .c = j->h,
        .ldc = j->width,
        .alpha = 1,
    };
}

static ce_job start_job(const eai_step *s)
{
    return (ce_job){
        .s = s,
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
    ce_job j = start_job(s);
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

size_t cpu__linear_ce_workspace(const cpu_backend *be, const eai_step *s)
{
    size_t rows = (size_t)chunk_rows(s);
    return cpu__align(rows * sizeof(int64_t)) +
           cpu__align(rows * (size_t)s->in[0].shape.dim[1] * sizeof(float)) +
           cpu__align(rows * (size_t)s->in[1].shape.dim[0] * sizeof(float)) +
           products_workspace(be, s);
}

/* One row: the loss, and the logits replaced by softmax - onehot when the gradient is wanted. */
static void finish_row(void *ud, size_t row, int thread)
{
    const ce_job *j = ud;
    int64_t token = j->token[row];
    int32_t target = ((const int32_t *)j->s->in[2].data)[token];
    float *nll = j->s->out[0].data;
    float loss = j->vec->cross_entropy(j->logits + (int64_t)row * j->vocabulary, j->vocabulary,
                                       target, j->s->out[1].data != NULL);
    (void)thread;
    if (nll)
        nll[token] = loss;
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
    ce_job j = start_job(s);
    const int32_t *targets = s->in[2].data;
    float *nll = s->out[0].data;
    float *dh = s->out[1].data;
    size_t rows = (size_t)chunk_rows(s);
    uint8_t *at = workspace;

    j.vec = be->vec;
    j.token = (int64_t *)(void *)at;
    at += cpu__align(rows * sizeof(int64_t));
    j.h = (float *)(void *)at;
    at += cpu__align(rows * (size_t)j.width * sizeof(float));
    j.logits = (float *)(void *)at;
    j.product = at + cpu__align(rows * (size_t)j.vocabulary * sizeof(float));

    for (int64_t t = 0; t < j.tokens; t++) {
        if (targets[t] >= 0 && targets[t] < j.vocabulary) {
            j.token[j.n++] = t;
        } else {
            if (nll)
                nll[t] = 0;
            if (dh)
                memset(dh + t * j.width, 0, (size_t)j.width * sizeof(float));
        }
        if (j.n == (int64_t)rows || (t + 1 == j.tokens && j.n > 0)) {
            run_chunk(be, &j);
            j.n = 0;
        }
    }
}
