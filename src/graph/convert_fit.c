/* The search of scales for formats whose blocks have few levels.
 *
 * Problem. A group of elements x is stored as small integers q with x ~ s * q - m. The obvious
 * choice (the largest element gets the last level) minimizes the largest error, but the sum of
 * squares is what a product of matrices feels, and with 2 to 4 bits it is up to a third larger than
 * it need be. The best q for given s and m is rounding; the best s and m for given q is least
 * squares; the best of both together is a search over many local optima.
 *
 * Idea (that of the k-quants in ggml, PR 1684 of llama.cpp, with one more step): start from each of
 * some twenty ways to stretch the group over the levels, round, solve for s and m, keep the best;
 * then alternate rounding and solving a few times, which never makes it worse. Groups store s and m
 * as small integers themselves, times d and dmin of the whole block: the integers next to the
 * rounded ones are tried as well, and last d and dmin are solved for with everything else kept.
 *
 * Weights: large weights matter more in a network than the many near zero, so the error of x counts
 * rms + |x| (rms: root of the mean square of the block), as in ggml. Cost: some 500 operations an
 * element, in double: sums of squares of any float are finite. Not here: bits and bytes
 * (convert_k.c). Start at convert__fit_groups(). */
#include "graph/convert_internal.h"

#include "base/banned.h"

#define BLOCK  256
#define ROUNDS 3 /* of rounding and solving, after the search */

static int nearest(double v, int low, int high)
{
    return v <= low ? low : v >= high ? high : (int)lrint(v);
}

/* x ~ s * q - m */
typedef struct line {
    double s, m;
} line;

/* 1 / s, or 0 where s is 0 or too small for it: all q are then the one of 0. */
static double inverse(double s)
{
    double r = s != 0 ? 1 / s : 0;
    return isfinite(r) ? r : 0;
}

static void weigh(double *w, const float *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    double rms = sqrt(sum / n);
    for (int i = 0; i < n; i++)
        w[i] = rms + fabs((double)x[i]);
}

static double measure(const float *x, const double *w, const convert__groups *g, line l)
{
    double inv = inverse(l.s);
    double error = 0;
    for (int i = 0; i < g->size; i++) {
        double e = l.s * nearest(((double)x[i] + l.m) * inv, g->low, g->high) - l.m - (double)x[i];
        error += w[i] * e * e;
    }
    return error;
}

/* The least-squares line for the q that (x + m) * inv rounds to; m is 0 without minima, never
 * negative. */
static line solve(const float *x, const double *w, const convert__groups *g, double inv, double m)
{
    double sw = 0;
    double sx = 0;
    double sq = 0;
    double sqq = 0;
    double sxq = 0;
    for (int i = 0; i < g->size; i++) {
        double v = (double)x[i];
        double q = nearest((v + m) * inv, g->low, g->high);
        sw += w[i];
        sx += w[i] * v;
        sq += w[i] * q;
        sqq += w[i] * q * q;
        sxq += w[i] * q * v;
    }
    double det = sw * sqq - sq * sq;
    if (g->minima && det > 0) {
        line l = {(sw * sxq - sx * sq) / det, (sq * sxq - sqq * sx) / det};
        if (l.m > 0 && l.s > 0)
            return l;
    }
    return (line){sqq > 0 ? sxq / sqq : 0, 0};
}

static void keep_better(line *best, double *error, const float *x, const double *w,
                        const convert__groups *g, line l)
{
    double e = measure(x, w, g, l);
    if (e < *error) {
        *error = e;
        *best = l;
    }
}

/* The line for one group. Tried: the largest element (signed formats), or the range (with minima),
 * over a little less or more than all the levels. */
static line fit_group(const float *x, const double *w, const convert__groups *g)
{
    double largest = (double)x[find_largest(x, g->size)];
    double low = 0;
    double high = 0;
    for (int i = 0; i < g->size; i++) {
        low = fmin(low, (double)x[i]);
        high = fmax(high, (double)x[i]);
    }
    line best = {0, g->minima ? -low : 0};
    double error = measure(x, w, g, best);
    for (int step = -9; step <= 9; step++) {
        double change = 0.1 * step;
        if (g->minima) {
            double inv = (g->high + change) * inverse(high - low);
            keep_better(&best, &error, x, w, g, solve(x, w, g, inv, -low));
        } else {
            double inv = inverse(largest);
            keep_better(&best, &error, x, w, g, solve(x, w, g, (g->low + change) * inv, 0));
            keep_better(&best, &error, x, w, g, solve(x, w, g, (g->high + change) * inv, 0));
        }
    }
    for (int round = 0; round < ROUNDS; round++)
        keep_better(&best, &error, x, w, g, solve(x, w, g, inverse(best.s), best.m));
    return best;
}

/* The integers for a group's line, and their neighbours, whichever gives the least error. */
static void round_line(convert__fit *f, int group, const float *x, const double *w,
                       const convert__groups *g, line l)
{
    int scale = nearest(l.s * inverse((double)f->d), g->scale_low, g->scale_high);
    int min = nearest(l.m * inverse((double)f->dmin), 0, g->scale_high);
    double least = (double)INFINITY;

    for (int ds = -1; ds <= 1; ds++) {
        for (int dm = -1; dm <= 1; dm++) {
            int s = scale + ds;
            int m = min + dm;
            if (s < g->scale_low || s > g->scale_high || m < 0 || m > g->scale_high ||
                (!g->minima && m != 0))
                continue;
            double error = measure(x, w, g, (line){(double)f->d * s, (double)f->dmin * m});
            if (error < least) {
                least = error;
                f->scale[group] = s;
                f->min[group] = m;
            }
        }
    }
}

static float round_to_f16(double v)
{
    return eai_f16_to_f32(eai_f16_from_f32((float)v));
}

static void round_elements(convert__fit *f, const float *x, const convert__groups *g)
{
    for (int i = 0; i < BLOCK; i++) {
        int group = i / g->size;
        double m = (double)f->dmin * f->min[group];
        double inv = inverse((double)f->d * f->scale[group]);
        f->q[i] = nearest(((double)x[i] + m) * inv, g->low, g->high);
    }
}

/* d and dmin by least squares for the integers that are there; kept where the error is less after
 * the elements are rounded again. */
static void refine(convert__fit *f, const float *x, const double *w, const convert__groups *g)
{
    double aa = 0;
    double ab = 0;
    double bb = 0;
    double ax = 0;
    double bx = 0;
    double before = 0;
    double after = 0;
    for (int i = 0; i < BLOCK; i++) {
        int group = i / g->size;
        double a = (double)f->scale[group] * f->q[i];
        double b = -(double)f->min[group];
        aa += w[i] * a * a;
        ab += w[i] * a * b;
        bb += w[i] * b * b;
        ax += w[i] * a * (double)x[i];
        bx += w[i] * b * (double)x[i];
    }
    double det = aa * bb - ab * ab;
    convert__fit new = *f;
    if (g->minima && det > 0) {
        new.d = round_to_f16((bb * ax - ab * bx) / det);
        new.dmin = round_to_f16((aa * bx - ab * ax) / det);
    } else if (aa > 0) {
        new.d = round_to_f16((ax - (double)f->dmin * ab) / aa);
    }
    for (int k = 0; k < g->n; k++) {
        const float *part = x + k * g->size;
        before += measure(part, w + k * g->size, g,
                          (line){(double)f->d * f->scale[k], (double)f->dmin * f->min[k]});
        after += measure(part, w + k * g->size, g,
                         (line){(double)new.d *new.scale[k], (double)new.dmin *new.min[k]});
    }
    if (after < before) {
        *f = new;
        round_elements(f, x, g);
    }
}

void convert__fit_groups(convert__fit *out, const float *x, const convert__groups *g)
{
    double w[BLOCK];
    line lines[16];
    double s = 0; /* of the largest magnitude */
    double m = 0;

    memset(out, 0, sizeof(*out));
    weigh(w, x, BLOCK);
    for (int k = 0; k < g->n; k++) {
        lines[k] = fit_group(x + k * g->size, w + k * g->size, g);
        s = fabs(lines[k].s) > fabs(s) ? lines[k].s : s;
        m = lines[k].m > m ? lines[k].m : m;
    }
    out->d = round_to_f16(s / (g->scale_low < 0 ? g->scale_low : g->scale_high));
    out->dmin = round_to_f16(m / g->scale_high);
    if (!fits_f16(out->d) || !fits_f16(out->dmin))
        return;
    for (int k = 0; k < g->n; k++)
        round_line(out, k, x + k * g->size, w + k * g->size, g, lines[k]);
    round_elements(out, x, g);
    refine(out, x, w, g);
}

/* --- iq4_nl: levels of a table --- */

const int8_t convert__iq4_nl_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                           1,    13,   25,  38,  53,  69,  89,  113};

int convert__nearest_level(double v)
{
    int at = 0;
    while (at < 15 && v > 0.5 * (convert__iq4_nl_levels[at] + convert__iq4_nl_levels[at + 1]))
        at++;
    return at;
}

/* The least-squares scale for the levels that x * inv is nearest to, if it explains more of the
 * weighted sum of squares. */
static void keep_level_scale(double *best, double *most, const float *x, const double *w,
                             double inv)
{
    double sxq = 0;
    double sqq = 0;
    for (int i = 0; i < 32; i++) {
        double q = convert__iq4_nl_levels[convert__nearest_level((double)x[i] * inv)];
        sxq += w[i] * q * (double)x[i];
        sqq += w[i] * q * q;
    }
    double explained = sxq * sxq / sqq; /* no level is 0 */
    if (explained > *most) {
        *most = explained;
        *best = sxq / sqq;
    }
}

float convert__fit_levels(const float *x)
{
    double largest = (double)x[find_largest(x, 32)];
    double w[32];
    double best = 0;
    double most = -1;

    if (largest == 0)
        return 0;
    weigh(w, x, 32);
    for (int step = -7; step <= 7; step++) {
        keep_level_scale(&best, &most, x, w, (convert__iq4_nl_levels[0] + step) / largest);
        keep_level_scale(&best, &most, x, w, (convert__iq4_nl_levels[15] + step) / largest);
    }
    for (int round = 0; round < ROUNDS; round++)
        keep_level_scale(&best, &most, x, w, inverse(best));
    return (float)best;
}
