/* Axes: which range, which ticks, and their numbers as text.
 *
 * Ticks stand at 1, 2 or 5 times a power of ten; on a logarithmic axis at powers of ten, and below
 * three decades at twice and five times those as well; where that gives too few, at round values as
 * on any other axis. Values are held within 1e300, so that no difference of two of them
 * overflows. Start at plot__fit_axis. */
#include "plot/figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"

#include "base/banned.h"

#define LARGEST  1e300
#define SMALLEST 1e-300

double plot__scale(const plot_axis *a, double value)
{
    if (!isfinite(value) || (a->log && value <= 0))
        return (double)NAN;
    value = fmin(fmax(value, -LARGEST), LARGEST);
    return a->log ? log10(value) : value;
}

double plot__place(const plot_axis *a, double scaled)
{
    double at = (scaled - a->low) / (a->high - a->low);
    return a->flipped ? 1 - at : at;
}

void plot__include(plot_axis *a, double scaled)
{
    if (isnan(scaled))
        return;
    a->data_low = a->any_data ? fmin(a->data_low, scaled) : scaled;
    a->data_high = a->any_data ? fmax(a->data_high, scaled) : scaled;
    a->any_data = true;
}

/* The smallest of 1, 2, 5 times a power of ten that is at least `least`. */
static double round_step(double least)
{
    double power = pow(10, floor(log10(least)));
    double part = least / power;
    return power * (part <= 1.0001 ? 1 : part <= 2.0001 ? 2 : part <= 5.0001 ? 5 : 10);
}

void plot__fit_axis(plot_axis *a, int n_ticks)
{
    a->low = a->data_low;
    a->high = a->data_high;
    if (a->has_names) {
        a->low = -0.5;
        a->high = (double)a->n_names - 0.5;
        a->step = 1;
        return;
    }
    /* A range of nothing, or of less than doubles tell apart, is opened. */
    double largest = fmax(fabs(a->low), fabs(a->high));
    bool empty = a->high - a->low <= fmax(1e-12 * largest, SMALLEST);
    if (empty) {
        double half = a->log ? 0.5 : largest < SMALLEST ? 1 : largest / 10;
        a->low -= half;
        a->high += half;
    }
    a->step = round_step((a->high - a->low) / n_ticks);
    /* One tick says nothing about the scale: two are the least. */
    while (a->tight && floor(a->high / a->step) - ceil(a->low / a->step) < 1)
        a->step = round_step((a->high - a->low) / ++n_ticks);
    if (a->counts)
        a->step = fmax(a->step, 1);
    if (a->log) {
        a->step = fmax(1, ceil((a->high - a->low) / n_ticks));
    } else if (!a->tight || empty) {
        a->low = a->step * floor(a->low / a->step + 1e-9);
        a->high = a->step * ceil(a->high / a->step - 1e-9);
    }
}

/* Round values of a part of a decade, on its scale. */
static int list_values(double ticks[PLOT_MAX_TICKS], const plot_axis *a)
{
    double low = pow(10, a->low);
    double high = pow(10, a->high);
    double step = round_step((high - low) / 5);
    int n = 0;
    int first = (int)fmax(ceil(low / step - 1e-9), 1);
    while (n < PLOT_MAX_TICKS && (first + n) * step <= high * (1 + 1e-9)) {
        ticks[n] = log10((first + n) * step);
        n++;
    }
    return n;
}

int plot__list_ticks(double ticks[PLOT_MAX_TICKS], const plot_axis *a)
{
    static const double parts[] = {0, 0.30102999566398120, 0.69897000433601880};
    int n = 0;
    int n_parts = a->log && a->high - a->low < 3 ? 3 : 1;
    double slack = 1e-9 * (a->high - a->low);
    double first = a->has_names ? 0 : floor(a->low / a->step);
    for (int i = 0; n < PLOT_MAX_TICKS && (first + i) * a->step <= a->high + slack; i++) {
        for (int p = 0; p < n_parts && n < PLOT_MAX_TICKS; p++) {
            double at = (first + i) * a->step + parts[p];
            if (at >= a->low - slack && at <= a->high + slack)
                ticks[n++] = at;
        }
    }
    if (a->log && n < 3 && a->high - a->low < 1.3 && a->low > -300)
        return list_values(ticks, a);
    return n;
}

/* Takes the '+' and leading zeros out of an exponent: "2e-05" becomes "2e-5". */
static void shorten_exponent(char *buf)
{
    char *e = strchr(buf, 'e');
    if (!e)
        return;
    char *to = e + 1;
    const char *from = to;
    if (*from == '-')
        *to++ = *from;
    from += *from == '-' || *from == '+';
    while (*from == '0' && from[1])
        from++;
    memmove(to, from, strlen(from) + 1);
}

void plot__format_tick(char *buf, size_t n, const plot_axis *a, double at)
{
    if (a->log) {
        double value = pow(10, at);
        snprintf(buf, n, value >= 1e5 || value < 1e-4 ? "%.0e" : "%.4g", value);
        shorten_exponent(buf);
        return;
    }
    double largest = fmax(fabs(a->low), fabs(a->high));
    double decimals = fmax(0, -floor(log10(a->step) + 1e-9));
    if (fabs(at) < a->step / 1e6)
        at = 0;
    if (largest < 1e6 && decimals <= 6) {
        snprintf(buf, n, "%.*f", (int)decimals, at);
        return;
    }
    double digits = floor(log10(largest) + 1e-9) - floor(log10(a->step) + 1e-9) + 1;
    snprintf(buf, n, "%.*g", (int)fmin(fmax(digits, 1), 15), at);
    shorten_exponent(buf);
}

void plot__format_value(char *buf, size_t n, double value)
{
    double size = fabs(value);
    if (size >= 1e6 || (size > 0 && size < 1e-3))
        snprintf(buf, n, "%.2g", value);
    else if (value == floor(value) || size >= 100)
        snprintf(buf, n, "%.0f", value);
    else
        snprintf(buf, n, size >= 10 ? "%.1f" : "%.2f", value);
    shorten_exponent(buf);
}

char *plot__clean_label(char buf[PLOT_MAX_LABEL], const char *text, size_t i)
{
    size_t n = 0;
    if (!text) {
        snprintf(buf, PLOT_MAX_LABEL, "%zu", i + 1);
        return buf;
    }
    size_t left = strnlen(text, PLOT_MAX_LABEL + 8);
    while (left > 0 && n + 4 < PLOT_MAX_LABEL) {
        size_t length = eai_utf8_length(text, left);
        if (length) {
            memcpy(buf + n, text, length);
            n += length;
        } else {
            buf[n++] = '?';
            length = 1;
        }
        text += length;
        left -= length;
    }
    buf[n] = '\0';
    text__clean(buf);
    if (left > 0)
        text__mark_cut(buf, n + 1);
    return buf;
}
