/* Colours: of series, of themes, and the two maps of heat maps.
 *
 * A map must say by its lightness alone which of two cells holds more, for print in grey and for
 * eyes that do not tell red from green. So the sequential map grows lighter from its first to its
 * last control point, through hues from indigo over teal to yellow; the diverging one is darkest at
 * both ends, blue and brown, which all eyes tell apart, and nearly white at 0. Between control
 * points colours are interpolated in sRGB; a test checks the lightness of 256 steps. */
#include "plot/figure.h"

#include <math.h>

#include "base/banned.h"

/* Okabe and Ito, "Color universal design", 2008, in an order of falling contrast with white. Black
 * is the theme's ink; their yellow is too pale on paper and left out. */
static const plot_rgb palette[PLOT_N_COLORS] = {
    {0.000, 0.447, 0.698}, {0.835, 0.369, 0.000}, {0.000, 0.620, 0.451}, {0.800, 0.475, 0.655},
    {0.902, 0.624, 0.000}, {0.337, 0.706, 0.914}, {0.000, 0.000, 0.000},
};

static const plot_theme themes[] = {
    {{1, 1, 1}, {0.10, 0.10, 0.10}, {0.25, 0.25, 0.25}, {0.88, 0.88, 0.88}},
    {{0.11, 0.12, 0.14}, {0.93, 0.93, 0.93}, {0.78, 0.78, 0.78}, {0.25, 0.26, 0.29}},
};

static const plot_rgb sequential[] = {
    {0.13, 0.09, 0.30}, {0.19, 0.25, 0.52}, {0.15, 0.44, 0.56},
    {0.20, 0.62, 0.50}, {0.58, 0.77, 0.32}, {0.98, 0.92, 0.38},
};

static const plot_rgb diverging_map[] = {
    {0.08, 0.27, 0.53}, {0.40, 0.62, 0.81}, {0.97, 0.97, 0.96},
    {0.90, 0.62, 0.34}, {0.60, 0.25, 0.03},
};

const plot_theme *plot__theme(bool dark)
{
    return &themes[dark];
}

plot_rgb plot__series_color(size_t k, bool dark)
{
    k %= PLOT_N_COLORS;
    if (k == PLOT_N_COLORS - 1)
        return themes[dark].ink;
    plot_rgb c = palette[k];
    if (dark) /* blue and green are too dark there as they are */
        c = (plot_rgb){c.r + 0.18 * (1 - c.r), c.g + 0.18 * (1 - c.g), c.b + 0.18 * (1 - c.b)};
    return c;
}

plot_rgb plot__map_color(double t, bool diverging)
{
    const plot_rgb *map = diverging ? diverging_map : sequential;
    int n = diverging ? (int)(sizeof(diverging_map) / sizeof(diverging_map[0]))
                      : (int)(sizeof(sequential) / sizeof(sequential[0]));
    double at = fmin(fmax(t, 0), 1) * (n - 1);
    int i = at >= n - 1 ? n - 2 : (int)at;
    double part = at - i;
    const plot_rgb *a = &map[i];
    const plot_rgb *b = &map[i + 1];
    return (plot_rgb){a->r + part * (b->r - a->r), a->g + part * (b->g - a->g),
                      a->b + part * (b->b - a->b)};
}

double plot__cell_place(const plot_figure *f, double value)
{
    double range = f->cell_high - f->cell_low;
    return range > 0 ? fmin(fmax((value - f->cell_low) / range, 0), 1) : 0.5;
}

static double to_linear(double c)
{
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

/* IEC 61966-2-1 (sRGB) to luminance, CIE 1976 to lightness. */
double plot__lightness(plot_rgb c)
{
    double y = 0.2126 * to_linear(c.r) + 0.7152 * to_linear(c.g) + 0.0722 * to_linear(c.b);
    return y > 216.0 / 24389 ? 116 * cbrt(y) - 16 : y * 24389.0 / 27;
}
