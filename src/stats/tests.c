/* Tests that go by means or by pairs, and several tests at once: Welch, permutations, Wilcoxon,
 * Holm. */
#include "stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/rng.h>

#include "base/banned.h"

/* ---- Welch ----------------------------------------------------------------------------------- */

eai_status eai_stats_welch(eai_test_result *out, double *degrees, const double *x, size_t nx,
                           const double *y, size_t ny, eai_error *err)
{
    *out = (eai_test_result){0, 1, false};
    EAI_TRY(stats__check("Welch's test", x, nx, err));
    EAI_TRY(stats__check("Welch's test", y, ny, err));
    if (nx < 2 || ny < 2)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "Welch's test of %zu and %zu values: at least 2 each", nx, ny);
    eai_moments mx = eai_stats_moments(x, nx);
    eai_moments my = eai_stats_moments(y, ny);
    double vx = mx.stddev * mx.stddev / (double)nx;
    double vy = my.stddev * my.stddev / (double)ny;
    double shift = my.mean - mx.mean;
    double spread = vx * vx / (double)(nx - 1) + vy * vy / (double)(ny - 1);
    double df = spread > 0 ? (vx + vy) * (vx + vy) / spread : (double)(nx + ny - 2);
    if (degrees)
        *degrees = df;
    if (vx + vy > 0)
        out->statistic = shift / sqrt(vx + vy);
    else
        out->statistic = shift == 0 ? 0 : copysign(HUGE_VAL, shift);
    out->p = eai_stats_student_tails(out->statistic, df);
    return EAI_OK;
}

/* ---- Permutations ---------------------------------------------------------------------------- */

/* The values of both lots less their common mean; those of y last. */
typedef struct deal {
    double *values;
    size_t nx, ny;
    double least; /* |statistic| that counts as at least as far */
} deal;

/* With a common mean of 0 the sums of both lots are opposite. */
static double statistic_of(const deal *d, double sum_y)
{
    return sum_y / (double)d->ny + sum_y / (double)d->nx;
}

static double sum_of(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum;
}

/* Moves to the next choice of k out of n places in ascending order; false behind the last. */
static bool next_choice(size_t *places, size_t k, size_t n)
{
    size_t i = k;
    while (i > 0 && places[i - 1] == n - k + i - 1)
        i--;
    if (i == 0)
        return false;
    places[i - 1]++;
    for (; i < k; i++)
        places[i] = places[i - 1] + 1;
    return true;
}

static double exact_p(const deal *d, size_t *places)
{
    double n = 0;
    double n_far = 0;
    for (size_t i = 0; i < d->ny; i++)
        places[i] = i;
    do {
        double sum = 0;
        for (size_t i = 0; i < d->ny; i++)
            sum += d->values[places[i]];
        n++;
        n_far += fabs(statistic_of(d, sum)) >= d->least;
    } while (next_choice(places, d->ny, d->nx + d->ny));
    return n_far / n;
}

/* Only the places of y are drawn: the first steps of a shuffle. */
static double random_p(const deal *d, size_t n_resamples, uint64_t seed)
{
    eai_rng rng;
    double n_far = 0;
    size_t n = d->nx + d->ny;
    eai_rng_init(&rng, seed, 0);
    for (size_t r = 0; r < n_resamples; r++) {
        for (size_t i = 0; i < d->ny; i++) {
            size_t j = i + (size_t)eai_rng_below(&rng, n - i);
            double v = d->values[i];
            d->values[i] = d->values[j];
            d->values[j] = v;
        }
        n_far += fabs(statistic_of(d, sum_of(d->values, d->ny))) >= d->least;
    }
    return (n_far + 1) / ((double)n_resamples + 1);
}

eai_status eai_stats_permutation(eai_test_result *out, const double *x, size_t nx, const double *y,
                                 size_t ny, size_t n_resamples, uint64_t seed, eai_error *err)
{
    *out = (eai_test_result){0, 1, false};
    EAI_TRY(stats__check("a permutation test", x, nx, err));
    EAI_TRY(stats__check("a permutation test", y, ny, err));
    if (n_resamples < 1 || n_resamples > EAI_STATS_MAX)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "%zu permutations: 1 to %d", n_resamples,
                             EAI_STATS_MAX);
    size_t n = nx + ny;
    deal d = {eai_alloc_array(n, sizeof(double)), nx, ny, 0};
    size_t *places = eai_alloc_array(ny, sizeof(*places));
    if (d.values && places) {
        memcpy(d.values, x, nx * sizeof(*x));
        memcpy(d.values + nx, y, ny * sizeof(*y));
        double mean = eai_stats_moments(d.values, n).mean;
        for (size_t i = 0; i < n; i++)
            d.values[i] -= mean;
        out->statistic = eai_stats_moments(y, ny).mean - eai_stats_moments(x, nx).mean;
        d.least = fabs(statistic_of(&d, sum_of(d.values + nx, ny))) * (1 - 1e-12);
        out->exact = 2 / eai_stats_least_p(nx, ny) <= (double)n_resamples;
        out->p = out->exact ? exact_p(&d, places) : random_p(&d, n_resamples, seed);
    }
    eai_status st = d.values && places
                        ? EAI_OK
                        : eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu values", n);
    eai_free(d.values);
    eai_free(places);
    return st;
}

/* ---- Wilcoxon -------------------------------------------------------------------------------- */

static int compare_sizes(const void *a, const void *b)
{
    double x = fabs(*(const double *)a);
    double y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

/* The sum of the ranks of values above 0, and in *ties that of t^3 - t. Ordered by size. */
static double rank_sum(double *ties, const double *d, size_t n)
{
    double sum = 0;
    *ties = 0;
    for (size_t i = 0; i < n;) {
        size_t first = i;
        size_t n_above = 0;
        while (i < n && fabs(d[i]) == fabs(d[first]))
            n_above += d[i++] > 0;
        double t = (double)(i - first);
        sum += (double)n_above * ((double)first + (t + 1) / 2);
        *ties += t * t * t - t;
    }
    return sum;
}

static eai_status rank_p(eai_test_result *r, double ties, size_t n, eai_error *err)
{
    double mean = (double)n * (double)(n + 1) / 4;
    double *below;
    r->exact = ties == 0 && n <= EAI_STATS_EXACT;
    if (n == 0)
        return EAI_OK;
    if (!r->exact) {
        double variance = mean * (double)(2 * n + 1) / 6 - ties / 48;
        double z = (fabs(r->statistic - mean) - 0.5) / sqrt(variance);
        r->p = fmin(1, 2 * eai_stats_normal_cdf(-z));
        return EAI_OK;
    }
    EAI_TRY(stats__w_distribution(&below, n, err));
    r->p = fmin(1, 2 * below[(size_t)fmin(r->statistic, 2 * mean - r->statistic)]);
    eai_free(below);
    return EAI_OK;
}

eai_status eai_stats_wilcoxon(eai_test_result *out, const double *x, const double *y, size_t n,
                              eai_error *err)
{
    double ties;
    size_t left = 0;

    *out = (eai_test_result){0, 1, false};
    EAI_TRY(stats__check("Wilcoxon's test", x, n, err));
    EAI_TRY(stats__check("Wilcoxon's test", y, n, err));
    double *d = eai_alloc_array(n, sizeof(*d));
    if (!d)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu pairs", n);
    for (size_t i = 0; i < n; i++) {
        if (x[i] != y[i])
            d[left++] = y[i] - x[i];
    }
    qsort(d, left, sizeof(*d), compare_sizes);
    eai_test_result r = {rank_sum(&ties, d, left), 1, false};
    eai_status st = rank_p(&r, ties, left, err);
    if (st == EAI_OK)
        *out = r;
    eai_free(d);
    return st;
}

/* ---- Several at once ------------------------------------------------------------------------- */

typedef struct ranked {
    double p;
    size_t place;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a;
    const ranked *y = b;
    return x->p != y->p ? (x->p > y->p) - (x->p < y->p)
                        : (x->place > y->place) - (x->place < y->place);
}

eai_status eai_stats_holm(double *p, size_t n, eai_error *err)
{
    double most = 0;
    if (n == 0)
        return EAI_OK;
    EAI_TRY(stats__check("a correction of p values", p, n, err));
    ranked *order = eai_alloc_array(n, sizeof(*order));
    if (!order)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu p values", n);
    for (size_t i = 0; i < n; i++)
        order[i] = (ranked){p[i], i};
    qsort(order, n, sizeof(*order), compare_ranked);
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fmin(1, order[i].p * (double)(n - i)));
        p[order[i].place] = most;
    }
    eai_free(order);
    return EAI_OK;
}
