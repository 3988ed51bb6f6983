/* The distributions behind the tests: normal, Student's, and the exact ones of ranks. */
#include "stats/stats.h"

#include <math.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

double eai_stats_normal_cdf(double z)
{
    return 0.5 * erfc(-z / sqrt(2));
}

/* A start within 5e-4 (Abramowitz and Stegun, 26.2.23), then Newton's steps on the tail that p lies
 * in, which is a small number with all its digits. Each step squares the error. */
double eai_stats_normal_quantile(double p)
{
    const double root_2_pi = 2.5066282746310002;
    double tail = p < 0.5 ? p : 1 - p;
    if (!(p > 0 && p < 1))
        return p == 0 ? -HUGE_VAL : p == 1 ? HUGE_VAL : (double)NAN;
    double t = sqrt(-2 * log(tail));
    double z = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                       (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for (int i = 0; i < 4; i++) {
        double above = 0.5 * erfc(z / sqrt(2)) - tail;
        double step = above * root_2_pi * exp(z * z / 2);
        z += step / (1 - z * step / 2); /* Halley */
    }
    return p < 0.5 ? -z : z;
}

/* The continued fraction of the incomplete beta function, by Lentz's method ("Numerical recipes",
 * section 6.4); converges within some dozen steps for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1;
    double d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double factors[2] = {even, odd};
        double change = 1;
        for (int i = 0; i < 2; i++) {
            d = 1 + factors[i] * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + factors[i] / c;
            c = fabs(c) < tiny ? tiny : c;
            change = d * c;
            h *= change;
        }
        if (fabs(change - 1) < 1e-15)
            break;
    }
    return h;
}

/* log |Gamma(x)| for x > 0 by Stirling's series from 10 on; lgamma() writes to a global. */
static double log_gamma(double x)
{
    double shift = 0;
    while (x < 10) {
        shift += log(x);
        x += 1;
    }
    double r = 1 / (x * x);
    double series =
        (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r * (1.0 / 1680 - r / 1188)))) / x;
    return (x - 0.5) * log(x) - x + 0.9189385332046727 + series - shift;
}

/* The regularized incomplete beta function I_x(a, b). */
static double beta_part(double a, double b, double x)
{
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double eai_stats_student_tails(double t, double degrees)
{
    if (isinf(t))
        return 0;
    return beta_part(degrees / 2, 0.5, degrees / (degrees + t * t));
}

/* ---- Ranks
 * ----------------------------------------------------------------------------------- */

static void cumulate(double *counts, size_t n)
{
    double sum = 0;
    double all = 0;
    for (size_t i = 0; i < n; i++)
        all += counts[i];
    for (size_t i = 0; i < n; i++) {
        sum += counts[i];
        counts[i] = sum / all;
    }
}

/* The number of arrangements of m and n values with U = u is the coefficient of q^u in the Gaussian
 * binomial, prod (1 - q^(n + i)) / (1 - q^i) for i from 1 to m (Andrews, "The theory of
 * partitions", section 3.2). Multiplying a series by (1 - q^k) subtracts it k places on, from the
 * end; dividing adds, from the start. Counts are whole numbers below C(50, 25) < 2^53, so that
 * doubles hold them exactly. */
eai_status stats__u_distribution(double **out, size_t m, size_t n, eai_error *err)
{
    size_t size = m * n + 1;
    double *c = eai_alloc_zeroed(size, sizeof(*c));
    *out = c;
    if (!c)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the distribution of U");
    c[0] = 1;
    for (size_t i = 1; i <= m; i++) {
        for (size_t u = size; u-- > n + i;)
            c[u] -= c[u - n - i];
        for (size_t u = i; u < size; u++)
            c[u] += c[u - i];
    }
    cumulate(c, size);
    return EAI_OK;
}

/* Sums of subsets of the ranks 1 .. n: prod (1 + q^i). */
eai_status stats__w_distribution(double **out, size_t n, eai_error *err)
{
    size_t size = n * (n + 1) / 2 + 1;
    double *c = eai_alloc_zeroed(size, sizeof(*c));
    *out = c;
    if (!c)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the distribution of ranks");
    c[0] = 1;
    for (size_t i = 1; i <= n; i++) {
        for (size_t w = size; w-- > i;)
            c[w] += c[w - i];
    }
    cumulate(c, size);
    return EAI_OK;
}
