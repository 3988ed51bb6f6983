/* Products as plans of one operation, timed by turns. */
#include <efficientai/bench.h>

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/measure.h>
#include <efficientai/rng.h>

#include "bench/random_data.h"

#include "base/banned.h"

#define TURN_SECONDS 1e-3

struct eai_bench_case {
    eai_plan *plan;
    void *weights;
    double flops;
    eai_bench_times times;
    double *seconds; /* [times.n] in their order, and once more sorted */
};

static eai_status check_product(const eai_bench_product *p, eai_error *err)
{
    const int64_t most = (int64_t)1 << 24;
    if (p->m >= 1 && p->k >= 1 && p->n >= 1 && p->m <= most && p->k <= most && p->n <= most)
        return EAI_OK;
    return eai_error_set(err, EAI_ERR_ARGUMENT, "a product of %lldx%lldx%lld: 1 to %lld each",
                         (long long)p->m, (long long)p->k, (long long)p->n, (long long)most);
}

static eai_status build(eai_bench_case *c, eai_graph *g, eai_backend *b, const eai_bench_product *p,
                        eai_error *err)
{
    eai_shape shape = p->gradient ? EAI_SHAPE2(p->k, p->n) : EAI_SHAPE2(p->n, p->k);
    eai_tensor *x = eai_input(g, "x", EAI_F32, EAI_SHAPE2(p->m, p->k));
    eai_tensor *w = eai_weight(g, "w", p->dtype, shape, c->weights);
    eai_graph_output(g, "y",
                     p->gradient ? eai_matmul(g, x, w, EAI_MATMUL_OPTS_INIT) : eai_linear(g, x, w));
    EAI_TRY(eai_plan_create(&c->plan, g, b, err));
    c->flops = eai_plan_flops(c->plan);
    return EAI_OK;
}

static eai_status fill_input(const eai_bench_case *c, const eai_bench_product *p, eai_error *err)
{
    eai_operand x;
    eai_rng rng;
    EAI_TRY(eai_plan_find(&x, c->plan, "x", err));
    eai_rng_init(&rng, 1, 0);
    eai_rng_fill_uniform(&rng, x.data, (size_t)(p->m * p->k), -1, 1);
    return EAI_OK;
}

eai_status eai_bench_case_product(eai_bench_case **out, eai_backend *b, const eai_bench_product *p,
                                  eai_error *err)
{
    eai_graph *g = NULL;

    *out = NULL;
    EAI_TRY(check_product(p, err));
    eai_bench_case *c = eai_alloc_zeroed(1, sizeof(*c));
    if (!c)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a product to time");
    eai_status st = bench__random_matrix(&c->weights, p->dtype, p->gradient ? p->k : p->n,
                                         p->gradient ? p->n : p->k, 1, err);
    if (st == EAI_OK)
        st = eai_graph_create(&g, err);
    if (st == EAI_OK)
        st = build(c, g, b, p, err);
    if (st == EAI_OK)
        st = fill_input(c, p, err);
    eai_graph_free(g);
    if (st != EAI_OK) {
        eai_bench_case_free(c);
        return st;
    }
    *out = c;
    return EAI_OK;
}

void eai_bench_case_free(eai_bench_case *c)
{
    if (!c)
        return;
    eai_plan_free(c->plan);
    eai_free(c->weights);
    eai_free(c->seconds);
    eai_free(c);
}

static eai_status run_once(void *ud, eai_error *err)
{
    const eai_bench_case *c = ud;
    return eai_plan_run(c->plan, err);
}

/* Keeps the samples of series i. */
static eai_status keep_times(eai_bench_case *c, const eai_series *s, eai_error *err)
{
    double *seconds = eai_alloc_array(2 * s->n, sizeof(*seconds));
    if (!seconds)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu times", s->n);
    memcpy(seconds, s->values[EAI_METRIC_SECONDS], s->n * sizeof(*seconds));
    memcpy(seconds + s->n, seconds, s->n * sizeof(*seconds));
    eai_free(c->seconds);
    c->seconds = seconds;
    c->times = eai_bench_summarize(seconds + s->n, s->n); /* which sorts */
    return EAI_OK;
}

static eai_status measure_cases(eai_bench_results *r, eai_bench_case *const *cases, size_t n,
                                size_t repeat, eai_error *err)
{
    eai_measure_opts opts = EAI_MEASURE_OPTS_INIT;
    eai_measure_case *what = eai_alloc_zeroed(n + 1, sizeof(*what));
    char(*names)[24] = eai_alloc_zeroed(n + 1, sizeof(*names));
    eai_status st =
        what && names ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu cases", n);
    for (size_t i = 0; i < n && st == EAI_OK; i++) {
        snprintf(names[i], sizeof(names[i]), "%zu", i);
        what[i] = (eai_measure_case){.name = names[i], .run = run_once, .ud = cases[i]};
    }
    opts.warm_up = 2; /* the first touches the memory */
    opts.least_runs = repeat;
    opts.most_runs = repeat;
    opts.precision = 0;
    opts.most_seconds = 0;
    opts.turn_seconds = TURN_SECONDS;
    if (st == EAI_OK)
        st = eai_measure(r, what, n, &opts, err);
    eai_free(what);
    eai_free(names);
    return st;
}

eai_status eai_bench_run_cases(eai_bench_case *const *cases, size_t n, size_t repeat,
                               eai_error *err)
{
    eai_bench_results *r = NULL;
    if (repeat == 0)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "times of no run at all");
    for (size_t i = 0; i < n; i++)
        cases[i]->times = (eai_bench_times){0};
    EAI_TRY(eai_bench_results_create(&r, "products", err));
    eai_status st = measure_cases(r, cases, n, repeat, err);
    for (size_t i = 0; i < n && st == EAI_OK; i++)
        st = keep_times(cases[i], eai_bench_results_at(r, i), err);
    eai_bench_results_free(r);
    return st;
}

eai_bench_times eai_bench_case_times(const eai_bench_case *c)
{
    return c->times;
}

const double *eai_bench_case_seconds(const eai_bench_case *c)
{
    return c->seconds;
}

double eai_bench_case_flops(const eai_bench_case *c)
{
    return c->flops;
}
