/* What is computed from values before they are drawn: bins of a histogram, the Pareto front.
 *
 * Both sort. The number of bins is bounded, so that one value far away cannot ask for millions.
 * Start at plot__find_bins and eai_pareto_front. */
#include "plot/figure.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/stats.h>

#include "base/banned.h"

#define MAX_BINS 1000
#define FEW_BINS 100 /* at most, when nobody asked for a number */

/* Freedman and Diaconis, "On the histogram as a density estimator: L2 theory", 1981: the width
 * 2 IQR / n^(1/3) follows the spread of the middle half, so that outliers do not widen the bins.
 * Where the middle half is one value, Sturges's number of bins takes its place. */
double plot__bin_width(const double *sorted, size_t n)
{
    if (n < 2 || sorted[n - 1] <= sorted[0])
        return 0;
    double width = 2 * (eai_stats_quantile(sorted, n, 0.75) - eai_stats_quantile(sorted, n, 0.25)) /
                   cbrt((double)n);
    if (width <= 0)
        width = (sorted[n - 1] - sorted[0]) / (log2((double)n) + 1);
    return width;
}

/* The finite values of all series, those beyond 1e300 as 1e300, sorted. New memory. */
static double *sort_values(size_t *n, const eai_plot *plot)
{
    static const plot_axis plain = {0};
    size_t total = 0;
    for (size_t k = 0; k < plot->n_series; k++)
        total += plot->series[k].n;
    double *all = eai_alloc_array(total, sizeof(*all));
    *n = 0;
    for (size_t k = 0; all && k < plot->n_series; k++) {
        for (size_t i = 0; i < plot->series[k].n; i++) {
            double value = plot__scale(&plain, plot->series[k].y[i]);
            if (!isnan(value))
                all[(*n)++] = value;
        }
    }
    if (all)
        eai_stats_sort(all, *n);
    return all;
}

/* Range and number of the bins of n > 0 sorted values. */
static void place_bins(plot_bins *b, const eai_plot *plot, const double *sorted, size_t n)
{
    double low = sorted[0];
    double high = sorted[n - 1];
    if (high - low <= 1e-12 * fmax(fabs(low), fabs(high))) {
        double half = low == 0 ? 0.5 : fabs(low) / 20;
        low -= half;
        high += half;
    }
    double width = plot__bin_width(sorted, n);
    double wanted = width > 0 ? ceil((high - low) / width) : 1;
    b->n = plot->n_bins ? plot->n_bins : (size_t)fmin(fmax(wanted, 1), FEW_BINS);
    b->low = low;
    b->width = (high - low) / (double)b->n;
}

eai_status plot__find_bins(plot_bins *b, const eai_plot *plot, eai_arena *arena, eai_error *err)
{
    static const plot_axis plain = {0};
    size_t n;
    if (plot->n_bins > MAX_BINS)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "%zu bins: a histogram has 1 to %d",
                             plot->n_bins, MAX_BINS);
    double *sorted = sort_values(&n, plot);
    if (!sorted)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the values of a histogram");
    if (n > 0)
        place_bins(b, plot, sorted, n);
    eai_free(sorted);
    if (n == 0)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "a plot needs at least one finite value");
    b->heights = eai_arena_zeroed(arena, plot->n_series * b->n, sizeof(*b->heights));
    if (!b->heights)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu bins", b->n);
    for (size_t k = 0; k < plot->n_series; k++) {
        double *row = b->heights + k * b->n;
        size_t counted = 0;
        for (size_t i = 0; i < plot->series[k].n; i++) {
            double value = plot__scale(&plain, plot->series[k].y[i]);
            if (isnan(value))
                continue;
            double at = fmin(fmax((value - b->low) / b->width, 0), (double)(b->n - 1));
            row[(size_t)at]++;
            counted++;
        }
        for (size_t i = 0; plot->density && counted && i < b->n; i++)
            row[i] /= (double)counted * b->width;
    }
    return EAI_OK;
}

/* ---- The Pareto front ------------------------------------------------------------------------ */

/* A point with both axes turned so that smaller is better. */
typedef struct candidate {
    double x, y;
    size_t index;
} candidate;

static int compare_candidates(const void *a, const void *b)
{
    const candidate *p = a;
    const candidate *q = b;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    if (p->y != q->y)
        return p->y < q->y ? -1 : 1;
    return (p->index > q->index) - (p->index < q->index);
}

/* By x and then y, best first: a point is in the front when its y is better than that of all before
 * it. Equal points follow each other, and are as good as the first of them. */
eai_status eai_pareto_front(size_t *front, size_t *n_front, const double *x, const double *y,
                            size_t n, bool maximize_x, bool maximize_y, eai_error *err)
{
    *n_front = 0;
    candidate *all = eai_alloc_array(n, sizeof(*all));
    if (!all)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the front of %zu points", n);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(x[i]) && !isnan(y[i]))
            all[m++] = (candidate){maximize_x ? -x[i] : x[i], maximize_y ? -y[i] : y[i], i};
    }
    qsort(all, m, sizeof(*all), compare_candidates);
    const candidate *best = NULL;
    for (size_t i = 0; i < m; i++) {
        if (!best || all[i].y < best->y || (all[i].y == best->y && all[i].x == best->x)) {
            best = &all[i];
            front[(*n_front)++] = all[i].index;
        }
    }
    eai_free(all);
    return EAI_OK;
}
