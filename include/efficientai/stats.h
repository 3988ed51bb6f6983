/* Statistics of measurements: what is typical, how sure that is, and whether two lots differ.
 *
 * Use:
 *     eai_summary s;
 *     EAI_TRY(eai_stats_summarize(&s, seconds, n, 0.95, 1, err));
 *     printf("%g s (%g to %g), %zu outliers\n", s.median, s.interval.low, s.interval.high,
 *            s.outliers.n_mild + s.outliers.n_severe);
 *     eai_test_result t;
 *     EAI_TRY(eai_stats_mann_whitney(&t, before, n, after, m, err));
 *     if (t.p < 0.05) ...                                  // they differ
 *
 * Times of programs are skewed to the right and have outliers, so everything that is made for them
 * here goes by ranks (median, MAD, Mann-Whitney, Hodges-Lehmann); mean, standard deviation and
 * Welch's test are for quantities that are nearly normal, as the mean of many losses.
 *
 * Values are doubles, finite (EAI_ERR_NUMERIC otherwise where there is an err), at most
 * EAI_STATS_MAX of them; p values are two-sided. What is random is drawn from a seed: the same
 * input gives the same result everywhere. Arguments are never changed but where it says so.
 * Functions without an err allocate nothing. Thread-safe. */
#ifndef EAI_STATS_H
#define EAI_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EAI_STATS_MAX 10000000

typedef struct eai_interval {
    double low, high;
} eai_interval;

/* ---- One lot of values ----------------------------------------------------------------------- */

/* Ascending, in place. */
EAI_API void eai_stats_sort(double *x, size_t n);

/* Of ascending values, n > 0. The quantile q in [0, 1] lies at (n - 1) q, linear in between: type 7
 * of Hyndman and Fan ("Sample quantiles in statistical packages", 1996), numpy's default. */
EAI_API double eai_stats_quantile(const double *sorted, size_t n, double q);
EAI_API double eai_stats_median(const double *sorted, size_t n);

/* Of ascending values, n > 0: the median of the distances from the median, not scaled. Times
 * EAI_MAD_TO_SIGMA it estimates the standard deviation of a normal distribution. */
#define EAI_MAD_TO_SIGMA 1.482602218505602 /* 1 / the quantile 3/4 of the normal distribution */
EAI_API double eai_stats_mad(const double *sorted, size_t n);

/* Mean and variance by Welford's recurrence (1962), in one pass and without a difference of two
 * large sums: it loses the digits of mean / stddev, not of its square. The standard deviation
 * divides by n - 1 and is 0 for fewer than two values. */
typedef struct eai_moments {
    size_t n;
    double mean, stddev;
} eai_moments;
EAI_API eai_moments eai_stats_moments(const double *x, size_t n);

/* Tukey's fences, 1.5 and 3 interquartile ranges beyond the quartiles: how many ascending values
 * lie outside the inner ones (mild) and the outer ones (severe), and how many have a modified z
 * score above 3.5 (Iglewicz and Hoaglin, 1993: 0.6745 |x - median| / MAD). */
typedef struct eai_outliers {
    eai_interval inner, outer;
    size_t n_mild, n_severe, n_low; /* n_low: of both, those below */
    size_t n_modified_z;
} eai_outliers;
EAI_API eai_outliers eai_stats_outliers(const double *sorted, size_t n);

/* The percentile interval (Efron 1979) of the median of n > 0 ascending values from `n_resamples`
 * resamples. Not BCa: its acceleration comes from the jackknife, which is inconsistent for a median
 * (Efron and Tibshirani, "An introduction to the bootstrap", 1993, section 11.6). Fewer than 6
 * values cannot give 95 %: the interval is then all of their range and covers less. */
#define EAI_BOOTSTRAP_RESAMPLES 2000
EAI_API EAI_CHECKED eai_status eai_stats_bootstrap_median(eai_interval *out, const double *sorted,
                                                          size_t n, double level,
                                                          size_t n_resamples, uint64_t seed,
                                                          eai_error *err);

/* All of it at once; n > 0. The values need not be in order. */
typedef struct eai_summary {
    size_t n;
    double median, mad, mean, stddev, least, most;
    eai_interval interval; /* of the median */
    double level;
    eai_outliers outliers;
} eai_summary;
EAI_API EAI_CHECKED eai_status eai_stats_summarize(eai_summary *out, const double *x, size_t n,
                                                   double level, uint64_t seed, eai_error *err);

/* ---- Two lots
 * -------------------------------------------------------------------------------- */

typedef struct eai_test_result {
    double statistic;
    double p;
    bool exact; /* p comes from the distribution itself, not from a normal one near it */
} eai_test_result;

/* Do x and y come from one distribution (Mann and Whitney, 1947)? The statistic is U of y: the
 * pairs with y > x, ties count half. Exact when there are no ties and at most EAI_STATS_EXACT
 * values, else the normal approximation with the corrections for ties and continuity. */
#define EAI_STATS_EXACT 50
EAI_API EAI_CHECKED eai_status eai_stats_mann_whitney(eai_test_result *out, const double *x,
                                                      size_t nx, const double *y, size_t ny,
                                                      eai_error *err);
/* The smallest p that the exact test can give: 2 / C(nx + ny, nx), at most 1. */
EAI_API double eai_stats_least_p(size_t nx, size_t ny);

/* How much larger y is than x: the median of all differences y - x (Hodges and Lehmann, 1963), or
 * of all quotients y / x of positive values, with the interval that belongs to the Mann-Whitney
 * test at that level (Moses; Hollander and Wolfe, "Nonparametric statistical methods", 1999,
 * section 4.3). No list of all pairs is made: O((nx + ny) 64). */
typedef struct eai_shift {
    double estimate;
    eai_interval interval;
} eai_shift;
EAI_API EAI_CHECKED eai_status eai_stats_shift(eai_shift *out, const double *x, size_t nx,
                                               const double *y, size_t ny, double level,
                                               eai_error *err);
EAI_API EAI_CHECKED eai_status eai_stats_ratio(eai_shift *out, const double *x, size_t nx,
                                               const double *y, size_t ny, double level,
                                               eai_error *err);

/* P(y > x) - P(y < x) of a pair (Cliff, 1993), from U: -1 .. 1, 0 when neither is larger. */
EAI_API double eai_stats_cliffs_delta(double u, size_t nx, size_t ny);
/* "negligible", "small", "medium", "large" (Romano et al., 2006: 0.147, 0.33, 0.474). Static. */
EAI_API const char *eai_stats_delta_name(double delta);

/* Have x and y the same mean, whatever their variances (Welch, 1947)? The statistic is t of
 * mean(y) - mean(x); *degrees may be NULL. At least two values each. */
EAI_API EAI_CHECKED eai_status eai_stats_welch(eai_test_result *out, double *degrees,
                                               const double *x, size_t nx, const double *y,
                                               size_t ny, eai_error *err);

/* Have x and y the same mean? All ways to deal the values out in two lots when there are at most
 * `n_resamples` (exact), else so many random ones with p = (k + 1) / (n + 1), which is never 0
 * (Phipson and Smyth, 2010). The statistic is mean(y) - mean(x). */
EAI_API EAI_CHECKED eai_status eai_stats_permutation(eai_test_result *out, const double *x,
                                                     size_t nx, const double *y, size_t ny,
                                                     size_t n_resamples, uint64_t seed,
                                                     eai_error *err);

/* Pairs x[i], y[i]: are the differences y - x as often and as far above 0 as below (Wilcoxon,
 * 1945)? Pairs without a difference are left out. The statistic is the sum of the ranks of the
 * differences above 0. Exact and approximate as Mann-Whitney's, by the number of pairs left. */
EAI_API EAI_CHECKED eai_status eai_stats_wilcoxon(eai_test_result *out, const double *x,
                                                  const double *y, size_t n, eai_error *err);

/* Several comparisons at once: replaces each p by the one that may be compared with the level of
 * the whole family (Holm, 1979). */
EAI_API EAI_CHECKED eai_status eai_stats_holm(double *p, size_t n, eai_error *err);

/* ---- Distributions
 * --------------------------------------------------------------------------- */

EAI_API double eai_stats_normal_cdf(double z);
/* The z with eai_stats_normal_cdf(z) = p; +-infinity for 1 and 0. */
EAI_API double eai_stats_normal_quantile(double p);
/* P(|T| > |t|) of Student's distribution. */
EAI_API double eai_stats_student_tails(double t, double degrees);

#ifdef __cplusplus
}
#endif
#endif
