/* Two lots of values by their ranks: Mann-Whitney, Hodges-Lehmann, Cliff. Start at
 * eai_stats_mann_whitney. */
#include "stats/stats.h"

#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

/* Both lots, sorted; owned. */
typedef struct lots {
    double *x, *y;
    size_t nx, ny;
} lots;

static void free_lots(lots *l)
{
    eai_free(l->x);
    eai_free(l->y);
}

static eai_status sort_lots(lots *l, const char *what, const double *x, size_t nx, const double *y,
                            size_t ny, eai_error *err)
{
    *l = (lots){NULL, NULL, nx, ny};
    EAI_TRY(stats__check(what, x, nx, err));
    EAI_TRY(stats__check(what, y, ny, err));
    EAI_TRY(stats__sorted(&l->x, x, nx, err));
    eai_status st = stats__sorted(&l->y, y, ny, err);
    if (st != EAI_OK)
        free_lots(l);
    return st;
}

/* ---- Mann and Whitney ------------------------------------------------------------------------ */

/* U of y, and in *ties the sum of t^3 - t over groups of t equal values of both lots. */
static double count_u(double *ties, const lots *l)
{
    double u = 0;
    size_t i = 0;
    size_t j = 0;
    *ties = 0;
    while (i < l->nx || j < l->ny) {
        double value = j == l->ny || (i < l->nx && l->x[i] < l->y[j]) ? l->x[i] : l->y[j];
        size_t first_i = i;
        size_t first_j = j;
        while (i < l->nx && l->x[i] == value)
            i++;
        while (j < l->ny && l->y[j] == value)
            j++;
        double nx = (double)(i - first_i);
        double ny = (double)(j - first_j);
        double t = nx + ny;
        u += ny * ((double)first_i + nx / 2);
        *ties += t * t * t - t;
    }
    return u;
}

static double normal_p(double u, double ties, double nx, double ny)
{
    double n = nx + ny;
    double variance = nx * ny / 12 * (n + 1 - (n > 1 ? ties / (n * (n - 1)) : 0));
    if (variance <= 0)
        return 1; /* all values are equal */
    double z = (fabs(u - nx * ny / 2) - 0.5) / sqrt(variance);
    return fmin(1, 2 * eai_stats_normal_cdf(-z));
}

static eai_status exact_p(double *p, double u, size_t nx, size_t ny, eai_error *err)
{
    double *below;
    double pairs = (double)nx * (double)ny;
    EAI_TRY(stats__u_distribution(&below, nx, ny, err));
    *p = fmin(1, 2 * below[(size_t)fmin(u, pairs - u)]);
    eai_free(below);
    return EAI_OK;
}

eai_status eai_stats_mann_whitney(eai_test_result *out, const double *x, size_t nx, const double *y,
                                  size_t ny, eai_error *err)
{
    lots l;
    double ties;
    eai_status st = EAI_OK;

    *out = (eai_test_result){0, 1, false};
    EAI_TRY(sort_lots(&l, "a comparison", x, nx, y, ny, err));
    eai_test_result r = {count_u(&ties, &l), 1, false};
    r.exact = ties == 0 && nx + ny <= EAI_STATS_EXACT;
    if (r.exact)
        st = exact_p(&r.p, r.statistic, nx, ny, err);
    else
        r.p = normal_p(r.statistic, ties, (double)nx, (double)ny);
    if (st == EAI_OK)
        *out = r;
    free_lots(&l);
    return st;
}

double eai_stats_least_p(size_t nx, size_t ny)
{
    double ways = 1; /* C(nx + ny, nx) */
    size_t few = nx < ny ? nx : ny;
    for (size_t i = 1; i <= few && ways < 1e300; i++)
        ways *= (double)(nx + ny - few + i) / (double)i;
    return fmin(1, 2 / ways);
}

double eai_stats_cliffs_delta(double u, size_t nx, size_t ny)
{
    return 2 * u / ((double)nx * (double)ny) - 1;
}

const char *eai_stats_delta_name(double delta)
{
    double size = fabs(delta);
    return size < 0.147 ? "negligible" : size < 0.33 ? "small" : size < 0.474 ? "medium" : "large";
}

/* ---- Hodges and Lehmann
 * ---------------------------------------------------------------------- *
 * The k-th smallest of all pairs' values without a list of them, which for 10,000 runs a lot would
 * be 800 MB. Of sorted lots, y[j] - x[i] (and y[j] / x[i]) grows with j and falls with i, also
 * after rounding; so the pairs with a value <= t lie below a staircase that two pointers walk in nx
 * + ny steps. The k-th value is the least t with k pairs at or below it. It is found by bisection
 * over the doubles themselves, taken as whole numbers in the order of their values: 64 walks, and
 * the result is a pair's value to the last bit. */

typedef double (*pair_value)(double x, double y);

static double difference_of(double x, double y)
{
    return y - x;
}

static double quotient_of(double x, double y)
{
    return y / x;
}

static double count_at_most(const lots *l, pair_value value, double t)
{
    double n = 0;
    size_t j = 0;
    for (size_t i = 0; i < l->nx; i++) {
        while (j < l->ny && value(l->x[i], l->y[j]) <= t)
            j++;
        n += (double)j;
    }
    return n;
}

#define SIGN_BIT ((uint64_t)1 << 63)

static uint64_t place_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits & SIGN_BIT ? ~bits : bits | SIGN_BIT;
}

static double value_at(uint64_t place)
{
    double v;
    uint64_t bits = place & SIGN_BIT ? place & ~SIGN_BIT : ~place;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* k from 1 on. */
static double kth_pair(const lots *l, pair_value value, double k)
{
    uint64_t low = place_of(value(l->x[l->nx - 1], l->y[0]));
    uint64_t high = place_of(value(l->x[0], l->y[l->ny - 1]));
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (count_at_most(l, value, value_at(middle)) >= k)
            high = middle;
        else
            low = middle + 1;
    }
    return value_at(low) + 0.0; /* no -0 */
}

/* The place from either end, 1 or more, of the interval's ends among all pairs: the least q with
 * P(U <= q) >= (1 - level) / 2, from the normal approximation beyond EAI_STATS_EXACT values. */
static eai_status interval_place(double *out, const lots *l, double level, eai_error *err)
{
    double tail = (1 - level) / 2;
    double pairs = (double)l->nx * (double)l->ny;
    size_t n = l->nx + l->ny;
    *out = 1;
    if (n > EAI_STATS_EXACT) {
        double sd = sqrt(pairs * (double)(n + 1) / 12);
        *out = fmax(1, ceil(pairs / 2 + eai_stats_normal_quantile(tail) * sd - 0.5));
        return EAI_OK;
    }
    double *below;
    size_t q = 0;
    EAI_TRY(stats__u_distribution(&below, l->nx, l->ny, err));
    while (below[q] < tail)
        q++;
    *out = fmax(1, (double)q);
    eai_free(below);
    return EAI_OK;
}

static eai_status estimate(eai_shift *out, const lots *l, pair_value value, double level,
                           eai_error *err)
{
    double place;
    double pairs = (double)l->nx * (double)l->ny;
    if (!(level > 0 && level < 1))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "an interval at level %g: between 0 and 1",
                             level);
    EAI_TRY(interval_place(&place, l, level, err));
    double low = kth_pair(l, value, floor((pairs + 1) / 2));
    double high = kth_pair(l, value, floor((pairs + 2) / 2));
    out->estimate = low + (high - low) / 2;
    out->interval.low = kth_pair(l, value, place);
    out->interval.high = kth_pair(l, value, pairs + 1 - place);
    return EAI_OK;
}

eai_status eai_stats_shift(eai_shift *out, const double *x, size_t nx, const double *y, size_t ny,
                           double level, eai_error *err)
{
    lots l;
    *out = (eai_shift){0};
    EAI_TRY(sort_lots(&l, "a shift", x, nx, y, ny, err));
    eai_status st = estimate(out, &l, difference_of, level, err);
    free_lots(&l);
    return st;
}

eai_status eai_stats_ratio(eai_shift *out, const double *x, size_t nx, const double *y, size_t ny,
                           double level, eai_error *err)
{
    lots l;
    *out = (eai_shift){0};
    EAI_TRY(sort_lots(&l, "a ratio", x, nx, y, ny, err));
    eai_status st = l.x[0] > 0 && l.y[0] > 0
                        ? estimate(out, &l, quotient_of, level, err)
                        : eai_error_set(err, EAI_ERR_NUMERIC, "a ratio of %g: values above 0",
                                        l.x[0] > 0 ? l.y[0] : l.x[0]);
    free_lots(&l);
    return st;
}
