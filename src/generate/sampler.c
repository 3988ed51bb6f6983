/* Choosing the next token: greedy, or by chance after temperature, top-k, top-p and min-p.
 *
 * The filters all keep the most probable tokens, down to some point. So there is no need to sort
 * the whole vocabulary at each step: a heap is built in one pass over it (Floyd 1964, linear), and
 * the best are taken off one by one until the filters are content, usually after a few dozen. Ties
 * go to the lower id, so that a result does not depend on the order of comparisons. Start at
 * generate__sampler_next. */
#include "generate/sampler.h"

#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

eai_status generate__check_sampling(const eai_sampling *o, eai_error *err)
{
    if (!(o->temperature >= 0) || !isfinite(o->temperature))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "temperature %g is not 0 or above",
                             o->temperature);
    if (o->top_k < 0)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "top-k %lld is not 0 (off) or above",
                             (long long)o->top_k);
    if (!(o->top_p > 0 && o->top_p <= 1))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "top-p %g is not above 0 and at most 1",
                             o->top_p);
    if (!(o->min_p >= 0 && o->min_p <= 1))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "min-p %g is not in 0 to 1", o->min_p);
    if (!(o->repetition_penalty > 0) || !isfinite(o->repetition_penalty))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "repetition penalty %g is not above 0",
                             o->repetition_penalty);
    return EAI_OK;
}

eai_status generate__sampler_init(generate__sampler *s, const eai_sampling *opts, int64_t vocab,
                                  eai_error *err)
{
    *s = (generate__sampler){.opts = *opts, .vocab = vocab};
    EAI_TRY(generate__check_sampling(opts, err));
    eai_rng_init(&s->rng, opts->seed, 0);
    s->seen = eai_alloc_zeroed((size_t)vocab, sizeof(*s->seen));
    s->weights = eai_alloc_array((size_t)vocab, sizeof(*s->weights));
    s->heap = eai_alloc_array((size_t)vocab, sizeof(*s->heap));
    if (s->seen && s->weights && s->heap)
        return EAI_OK;
    generate__sampler_deinit(s);
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory to sample from %lld tokens",
                         (long long)vocab);
}

void generate__sampler_deinit(generate__sampler *s)
{
    eai_free(s->seen);
    eai_free(s->weights);
    eai_free(s->heap);
    s->seen = NULL;
    s->weights = NULL;
    s->heap = NULL;
}

void generate__sampler_see(generate__sampler *s, int32_t id)
{
    s->seen[id] = true;
}

/* Logits into s->weights, those of seen tokens moved away from the top; *best: id of the largest.
 */
static eai_status read_logits(int32_t *best, generate__sampler *s, const float *logits,
                              eai_error *err)
{
    const float penalty = (float)s->opts.repetition_penalty;
    float *weights = s->weights;
    float top = -INFINITY;
    int64_t at = 0;
    for (int64_t i = 0; i < s->vocab; i++) {
        float x = logits[i];
        if (!(x < INFINITY))
            return eai_error_set(
                err, EAI_ERR_NUMERIC,
                "the logit of token %lld is %g: the weights or the adapter are damaged",
                (long long)i, (double)x);
        if (s->seen[i])
            x = x > 0 ? x / penalty : x * penalty;
        weights[i] = x;
        if (x > top) {
            top = x;
            at = i;
        }
    }
    *best = (int32_t)at;
    return EAI_OK;
}

static bool is_better(const generate__sampler *s, int32_t a, int32_t b)
{
    return s->weights[a] > s->weights[b] || (s->weights[a] == s->weights[b] && a < b);
}

/* Lets heap[at] sink until none below it is better; the heap has n ids. */
static void sift_down(generate__sampler *s, int64_t at, int64_t n)
{
    int32_t id = s->heap[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= n)
            break;
        if (child + 1 < n && is_better(s, s->heap[child + 1], s->heap[child]))
            child++;
        if (!is_better(s, s->heap[child], id))
            break;
        s->heap[at] = s->heap[child];
        at = child;
    }
    s->heap[at] = id;
}

static void make_heap(generate__sampler *s)
{
    for (int64_t i = 0; i < s->vocab; i++)
        s->heap[i] = (int32_t)i;
    for (int64_t i = s->vocab / 2; i-- > 0;)
        sift_down(s, i, s->vocab);
}

/* Moves the best of the n ids left in the heap behind them and returns its weight. */
static double take_best(generate__sampler *s, int64_t n)
{
    int32_t id = s->heap[0];
    s->heap[0] = s->heap[n - 1];
    s->heap[n - 1] = id;
    if (n > 1)
        sift_down(s, 0, n - 1);
    return (double)s->weights[id];
}

/* Keeps the best tokens that the filters allow at the back of the heap, best last; returns their
 * number (at least 1) and the sum of their weights. `total` is the sum of all. */
static int64_t keep_best(double *sum, generate__sampler *s, double total)
{
    const eai_sampling *o = &s->opts;
    int64_t limit = o->top_k > 0 && o->top_k < s->vocab ? o->top_k : s->vocab;
    int64_t taken = 0;

    make_heap(s);
    if (limit < s->vocab) { /* top-p is a share of what top-k left */
        total = 0;
        while (taken < limit)
            total += take_best(s, s->vocab - taken++);
    }
    int64_t kept = 0;
    double best = 0;
    *sum = 0;
    while (kept < limit && (kept == 0 || *sum < o->top_p * total)) {
        double w = kept < taken ? (double)s->weights[s->heap[s->vocab - 1 - kept]]
                                : take_best(s, s->vocab - kept);
        best = kept == 0 ? w : best;
        if (w < o->min_p * best)
            break;
        *sum += w;
        kept++;
    }
    return kept;
}

eai_status generate__sampler_next(int32_t *out, generate__sampler *s, const float *logits,
                                  eai_error *err)
{
    const eai_sampling *o = &s->opts;
    int32_t best = 0;
    double total = 0;

    EAI_TRY(read_logits(&best, s, logits, err));
    *out = best;
    if (o->temperature == 0)
        return EAI_OK;

    float top = s->weights[best];
    for (int64_t i = 0; i < s->vocab; i++) {
        s->weights[i] = expf((s->weights[i] - top) / (float)o->temperature);
        total += (double)s->weights[i];
    }
    bool filtered = o->top_k > 0 || o->top_p < 1 || o->min_p > 0;
    int64_t kept = s->vocab;
    if (filtered)
        kept = keep_best(&total, s, total);
    double u = eai_rng_uniform_double(&s->rng) * total;
    for (int64_t i = 0; i < kept; i++) {
        int32_t id = filtered ? s->heap[s->vocab - 1 - i] : (int32_t)i;
        u -= (double)s->weights[id];
        if (s->weights[id] > 0)
            *out = id; /* also what rounding leaves over at the end */
        if (u < 0)
            break;
    }
    return EAI_OK;
}
