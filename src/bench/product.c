/* Products as plans of one operation, timed by turns. */
#include <efficientai/bench.h>

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/rng.h>

#include "bench/random_data.h"

#include "base/banned.h"

#define TURN_SECONDS 1e-3
#define MAX_RUNS     1000000

struct eai_bench_case {
    eai_plan *plan;
    void *weights;
    double flops;
    eai_bench_times times;
    size_t runs;     /* a turn */
    double *seconds; /* of the turns; while eai_bench_run_cases runs */
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
    eai_free(c);
}

/* Seconds of a run, over `n` of them. */
static eai_status run_turn(double *seconds, const eai_bench_case *c, size_t n, eai_error *err)
{
    double start = eai_clock_seconds();
    for (size_t i = 0; i < n; i++)
        EAI_TRY(eai_plan_run(c->plan, err));
    *seconds = (eai_clock_seconds() - start) / (double)n;
    return EAI_OK;
}

static eai_status warm_up(eai_bench_case *c, size_t repeat, eai_error *err)
{
    double seconds;
    c->times = (eai_bench_times){0};
    c->seconds = eai_alloc_array(repeat, sizeof(*c->seconds));
    if (!c->seconds)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu times", repeat);
    EAI_TRY(run_turn(&seconds, c, 1, err)); /* touches the memory */
    EAI_TRY(run_turn(&seconds, c, 1, err));
    double runs = seconds > 0 ? TURN_SECONDS / seconds : MAX_RUNS;
    c->runs = runs < 1 ? 1 : runs > MAX_RUNS ? MAX_RUNS : (size_t)runs;
    return EAI_OK;
}

eai_status eai_bench_run_cases(eai_bench_case *const *cases, size_t n, size_t repeat,
                               eai_error *err)
{
    eai_status st = EAI_OK;
    if (repeat == 0)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "times of no run at all");
    for (size_t i = 0; i < n && st == EAI_OK; i++)
        st = warm_up(cases[i], repeat, err);
    for (size_t turn = 0; turn < repeat; turn++) {
        for (size_t i = 0; i < n && st == EAI_OK; i++)
            st = run_turn(&cases[i]->seconds[turn], cases[i], cases[i]->runs, err);
    }
    for (size_t i = 0; i < n; i++) {
        if (st == EAI_OK)
            cases[i]->times = eai_bench_summarize(cases[i]->seconds, repeat);
        eai_free(cases[i]->seconds);
        cases[i]->seconds = NULL;
    }
    return st;
}

eai_bench_times eai_bench_case_times(const eai_bench_case *c)
{
    return c->times;
}

double eai_bench_case_flops(const eai_bench_case *c)
{
    return c->flops;
}
