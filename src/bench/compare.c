/* Two results, case by case. Start at eai_bench_compare. */
#include "bench/results.h"

#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

struct eai_bench_comparison {
    eai_bench_difference *rows;
    size_t n;
};

const char *eai_verdict_name(eai_verdict v)
{
    static const char *const names[] = {
#define VERDICT_NAME(id, name) [id] = name,
        EAI_VERDICT_TABLE(VERDICT_NAME)
#undef VERDICT_NAME
    };
    return (size_t)v < EAI_VERDICT_COUNT ? names[v] : "?";
}

static bool is_known(const eai_bench_difference *d, eai_metric m)
{
    return d->before && d->after && d->before->values[m] && d->after->values[m];
}

static eai_status fill_row(eai_bench_difference *d, eai_metric m, double alpha, eai_error *err)
{
    eai_test_result test;
    eai_shift ratio;
    double unused;
    const double *x = d->before->values[m];
    const double *y = d->after->values[m];
    size_t nx = d->before->n;
    size_t ny = d->after->n;
    EAI_TRY(bench__series_median(&d->median_before, &unused, d->before, m, err));
    EAI_TRY(bench__series_median(&d->median_after, &unused, d->after, m, err));
    EAI_TRY(eai_stats_mann_whitney(&test, x, nx, y, ny, err));
    d->p = fmax(test.p, eai_stats_least_p(nx, ny)); /* the normal one knows no end for few runs */
    d->delta = eai_stats_cliffs_delta(test.statistic, nx, ny);
    eai_status st = eai_stats_ratio(&ratio, x, nx, y, ny, 1 - alpha, err);
    if (st == EAI_ERR_NUMERIC) /* a clock that did not move, no page fault: no quotient */
        return EAI_OK;
    EAI_TRY(st);
    d->ratio = ratio.estimate;
    d->interval = ratio.interval;
    return EAI_OK;
}

static eai_verdict judge(const eai_bench_difference *d, size_t n_cases, double alpha)
{
    if (d->p < alpha)
        return d->delta > 0 ? EAI_VERDICT_MORE : EAI_VERDICT_LESS;
    double least = eai_stats_least_p(d->before->n, d->after->n) * (double)n_cases;
    return least >= alpha ? EAI_VERDICT_TOO_FEW : EAI_VERDICT_SAME;
}

/* Corrects the p values of the rows that have one, then judges them. */
static eai_status judge_rows(eai_bench_comparison *c, double alpha, eai_error *err)
{
    size_t n = 0;
    double *p = eai_alloc_array(c->n + 1, sizeof(*p));
    if (!p)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu comparisons", c->n);
    for (size_t i = 0; i < c->n; i++) {
        if (c->rows[i].verdict != EAI_VERDICT_UNKNOWN)
            p[n++] = c->rows[i].p;
    }
    eai_status st = eai_stats_holm(p, n, err);
    size_t at = 0;
    for (size_t i = 0; i < c->n && st == EAI_OK; i++) {
        eai_bench_difference *d = &c->rows[i];
        if (d->verdict == EAI_VERDICT_UNKNOWN)
            continue;
        d->p = p[at++];
        d->verdict = judge(d, n, alpha);
    }
    eai_free(p);
    return st;
}

/* The cases of `before` in their order, then those that only `after` has. */
static void pair_rows(eai_bench_comparison *c, const eai_bench_results *before,
                      const eai_bench_results *after)
{
    for (size_t i = 0; i < eai_bench_results_count(before); i++) {
        const eai_series *s = eai_bench_results_at(before, i);
        c->rows[c->n++] = (eai_bench_difference){
            .name = s->name, .before = s, .after = eai_bench_results_find(after, s->name), .p = 1};
    }
    for (size_t i = 0; i < eai_bench_results_count(after); i++) {
        const eai_series *s = eai_bench_results_at(after, i);
        if (!eai_bench_results_find(before, s->name))
            c->rows[c->n++] = (eai_bench_difference){.name = s->name, .after = s, .p = 1};
    }
}

eai_status eai_bench_compare(eai_bench_comparison **out, const eai_bench_results *before,
                             const eai_bench_results *after, eai_metric metric, double alpha,
                             eai_error *err)
{
    size_t most = eai_bench_results_count(before) + eai_bench_results_count(after);
    eai_status st = EAI_OK;

    *out = NULL;
    if (!(alpha > 0 && alpha < 1))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "a comparison at alpha %g: between 0 and 1",
                             alpha);
    eai_bench_comparison *c = eai_alloc_zeroed(1, sizeof(*c));
    if (c)
        c->rows = eai_alloc_zeroed(most + 1, sizeof(*c->rows));
    if (!c || !c->rows) {
        eai_bench_comparison_free(c);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu comparisons", most);
    }
    pair_rows(c, before, after);
    for (size_t i = 0; i < c->n && st == EAI_OK; i++) {
        bool known = is_known(&c->rows[i], metric);
        c->rows[i].verdict = known ? EAI_VERDICT_SAME : EAI_VERDICT_UNKNOWN;
        if (known)
            st = fill_row(&c->rows[i], metric, alpha, err);
    }
    if (st == EAI_OK)
        st = judge_rows(c, alpha, err);
    if (st != EAI_OK) {
        eai_bench_comparison_free(c);
        return st;
    }
    *out = c;
    return EAI_OK;
}

void eai_bench_comparison_free(eai_bench_comparison *c)
{
    if (!c)
        return;
    eai_free(c->rows);
    eai_free(c);
}

size_t eai_bench_comparison_count(const eai_bench_comparison *c)
{
    return c->n;
}

const eai_bench_difference *eai_bench_comparison_at(const eai_bench_comparison *c, size_t i)
{
    return &c->rows[i];
}

bool eai_bench_difference_exceeds(const eai_bench_difference *d, double share)
{
    return d->verdict == EAI_VERDICT_MORE && d->interval.low > 1 + share;
}
