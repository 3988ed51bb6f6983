/* One lot of values: quantiles, spread, outliers, the bootstrap. Start at eai_stats_summarize. */
#include "stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/rng.h>

#include "base/banned.h"

eai_status stats__check(const char *what, const double *x, size_t n, eai_error *err)
{
    if (n < 1 || n > EAI_STATS_MAX)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "%s of %zu values: 1 to %d are allowed", what,
                             n, EAI_STATS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return eai_error_set(err, EAI_ERR_NUMERIC, "%s: value %zu is %g, not a finite number",
                                 what, i, x[i]);
    }
    return EAI_OK;
}

eai_status stats__sorted(double **out, const double *x, size_t n, eai_error *err)
{
    *out = eai_alloc_array(n, sizeof(**out));
    if (!*out)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu values", n);
    memcpy(*out, x, n * sizeof(*x));
    eai_stats_sort(*out, n);
    return EAI_OK;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

void eai_stats_sort(double *x, size_t n)
{
    if (n > 1)
        qsort(x, n, sizeof(*x), compare);
}

double eai_stats_quantile(const double *sorted, size_t n, double q)
{
    double at = (double)(n - 1) * q;
    size_t i = (size_t)at;
    double part = at - (double)i;
    return part > 0 ? sorted[i] + part * (sorted[i + 1] - sorted[i]) : sorted[i];
}

double eai_stats_median(const double *sorted, size_t n)
{
    return n % 2 ? sorted[n / 2] : sorted[n / 2 - 1] + (sorted[n / 2] - sorted[n / 2 - 1]) / 2;
}

/* Distances from the median of ascending values are two ascending lists, one to each side of it.
 * Merging them until the middle is reached needs neither memory nor a second sort. */
double eai_stats_mad(const double *sorted, size_t n)
{
    double median = eai_stats_median(sorted, n);
    size_t below = n / 2; /* sorted[below - 1] is the next one below */
    size_t above = n / 2; /* sorted[above] the next one at or above the median */
    double before = 0;    /* the distance merged before the last */
    double distance = 0;
    for (size_t taken = 0; taken <= n / 2; taken++) {
        before = distance;
        if (below == 0 || (above < n && sorted[above] - median < median - sorted[below - 1]))
            distance = sorted[above++] - median;
        else
            distance = median - sorted[--below];
    }
    return n % 2 ? distance : before + (distance - before) / 2;
}

eai_moments eai_stats_moments(const double *x, size_t n)
{
    double mean = 0;
    double squares = 0; /* sum of squared distances from the mean so far */
    for (size_t i = 0; i < n; i++) {
        double d = x[i] - mean;
        mean += d / (double)(i + 1);
        squares += d * (x[i] - mean);
    }
    return (eai_moments){n, mean, n > 1 ? sqrt(squares / (double)(n - 1)) : 0};
}

eai_outliers eai_stats_outliers(const double *sorted, size_t n)
{
    const double z_limit = 3.5;
    double low = eai_stats_quantile(sorted, n, 0.25);
    double high = eai_stats_quantile(sorted, n, 0.75);
    double range = high - low;
    double median = eai_stats_median(sorted, n);
    double far = z_limit * EAI_MAD_TO_SIGMA * eai_stats_mad(sorted, n);
    eai_outliers o = {.inner = {low - 1.5 * range, high + 1.5 * range},
                      .outer = {low - 3 * range, high + 3 * range}};
    for (size_t i = 0; i < n; i++) {
        double x = sorted[i];
        if (x < o.outer.low || x > o.outer.high)
            o.n_severe++;
        else if (x < o.inner.low || x > o.inner.high)
            o.n_mild++;
        o.n_low += x < o.inner.low;
        o.n_modified_z += fabs(x - median) > far && far > 0;
    }
    return o;
}

/* ---- The bootstrap --------------------------------------------------------------------------- */

/* The median of n values drawn with replacement. They are drawn as places among the ascending
 * values and counted, so the middle is found by a walk over the counts: O(n), no sort. A place is
 * the upper half of a 64-bit product, which favours some of them by less than n / 2^32. */
static double resampled_median(const double *sorted, uint32_t *counts, size_t n, eai_rng *rng)
{
    size_t seen = 0;
    size_t i = 0;
    memset(counts, 0, n * sizeof(*counts));
    for (size_t k = 0; k < n; k++)
        counts[(size_t)((uint64_t)eai_rng_u32(rng) * n >> 32)]++;
    while (seen + counts[i] < n / 2 + n % 2)
        seen += counts[i++];
    seen += counts[i];
    if (n % 2 || seen > n / 2)
        return sorted[i];
    size_t next = i + 1;
    while (counts[next] == 0)
        next++;
    return sorted[i] + (sorted[next] - sorted[i]) / 2;
}

eai_status eai_stats_bootstrap_median(eai_interval *out, const double *sorted, size_t n,
                                      double level, size_t n_resamples, uint64_t seed,
                                      eai_error *err)
{
    eai_rng rng;

    *out = (eai_interval){0, 0};
    EAI_TRY(stats__check("a bootstrap", sorted, n, err));
    if (!(level > 0 && level < 1) || n_resamples < 1 || n_resamples > EAI_STATS_MAX)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "a bootstrap at level %g with %zu resamples: a level between 0 and 1, "
                             "1 to %d resamples",
                             level, n_resamples, EAI_STATS_MAX);
    double *medians = eai_alloc_array(n_resamples, sizeof(*medians));
    uint32_t *counts = eai_alloc_array(n, sizeof(*counts));
    if (medians && counts) {
        eai_rng_init(&rng, seed, 0);
        for (size_t i = 0; i < n_resamples; i++)
            medians[i] = resampled_median(sorted, counts, n, &rng);
        eai_stats_sort(medians, n_resamples);
        out->low = eai_stats_quantile(medians, n_resamples, (1 - level) / 2);
        out->high = eai_stats_quantile(medians, n_resamples, (1 + level) / 2);
    }
    eai_status st = medians && counts ? EAI_OK
                                      : eai_error_set(err, EAI_ERR_NOMEM,
                                                      "no memory for %zu resamples", n_resamples);
    eai_free(medians);
    eai_free(counts);
    return st;
}

eai_status eai_stats_summarize(eai_summary *out, const double *x, size_t n, double level,
                               uint64_t seed, eai_error *err)
{
    double *sorted = NULL;

    *out = (eai_summary){0};
    EAI_TRY(stats__check("a summary", x, n, err));
    EAI_TRY(stats__sorted(&sorted, x, n, err));
    eai_moments m = eai_stats_moments(x, n);
    eai_summary s = {
        .n = n,
        .median = eai_stats_median(sorted, n),
        .mad = eai_stats_mad(sorted, n),
        .mean = m.mean,
        .stddev = m.stddev,
        .least = sorted[0],
        .most = sorted[n - 1],
        .level = level,
        .outliers = eai_stats_outliers(sorted, n),
    };
    eai_status st = eai_stats_bootstrap_median(&s.interval, sorted, n, level,
                                               EAI_BOOTSTRAP_RESAMPLES, seed, err);
    if (st == EAI_OK)
        *out = s;
    eai_free(sorted);
    return st;
}
