/* The model of a figure: what is on it and where on its axes, before anybody draws.
 *
 * Reading order: this header; figure.c (from an eai_plot to a plot_figure); axis.c (ranges, ticks,
 * numbers as text); statistics.c (bins, Pareto front); colors.c; then what draws: page.c (frame,
 * text and legend with cairo), marks.c and cells.c (series with cairo), write.c (files), and
 * text.c, text_marks.c (the same figure made of characters).
 *
 * Why a model: a picture and a text show the same ranges, the same bins, the same front, and a test
 * can look at those without pixels. */
#ifndef EAI_PLOT_FIGURE_H
#define EAI_PLOT_FIGURE_H

#include <efficientai/plot.h>

#include "base/arena.h"

#define PLOT_MAX_TICKS 64
#define PLOT_MAX_LABEL 304 /* bytes of a label that is shown, with its NUL */

/* One axis. low and high are on its scale: log10 of the values with `log`. On an axis of names the
 * i-th name stands at i, in a slot from i - 0.5 to i + 0.5. */
typedef struct plot_axis {
    bool log;
    bool has_names;
    bool counts;              /* ticks are whole numbers */
    bool tight;               /* ends where the data end, not at a round number */
    bool flipped;             /* grows to the left, or downwards */
    const char *const *names; /* NULL: 1, 2, 3, ... */
    size_t n_names;
    double data_low, data_high; /* what has to fit; set when any_data */
    bool any_data;
    double low, high, step; /* set by plot__fit_axis; step is a whole number of decades with log */
} plot_axis;

/* Counts or densities of a histogram, [n_series, n_bins]. */
typedef struct plot_bins {
    double low, width;
    size_t n;
    double *heights;
} plot_bins;

/* All points of a Pareto plot in one row, and which of them are the front, best x first. */
typedef struct plot_front {
    double *x, *y;
    size_t *series, *index; /* where a point comes from */
    size_t n_points;
    size_t *front;
    size_t n_front;
    bool *is_front; /* [n_points] */
} plot_front;

typedef struct plot_figure {
    const eai_plot *plot;
    eai_arena *arena; /* lives as long as the figure */
    plot_axis x, y;
    const char *x_label, *y_label; /* exchanged when bars lie */
    bool horizontal;               /* bars lie: names are on the y axis */
    plot_bins bins;
    plot_front front;
    double cell_low, cell_high; /* the colours' range in a heat map */
    size_t n_columns, n_rows;
} plot_figure;

/* Checks the plot and computes all but the axes' ticks. On failure nothing is held. */
EAI_CHECKED eai_status plot__figure_init(plot_figure *f, const eai_plot *plot, eai_error *err);
void plot__figure_deinit(plot_figure *f);
/* Lays the bars down: exchanges the axes. */
void plot__lay_bars(plot_figure *f);

/* One point of a series on the axes' scales; false where there is a gap instead. */
bool plot__get_point(const plot_figure *f, const eai_plot_series *s, size_t i, double *x,
                     double *y);
/* One end of an interval on the axis' scale; `fallback` where there is none. */
double plot__get_end(const plot_axis *a, const double *ends, size_t i, double fallback);

/* ---- axis.c ---- */

/* The value on the axis' scale, at most 1e300 from 0; NaN when it has no place there. */
double plot__scale(const plot_axis *a, double value);
/* Where a scaled value lies: 0 at the axis' start, 1 at its end; left to right, bottom to top. */
double plot__place(const plot_axis *a, double scaled);
/* Makes the axis hold a scaled value; NaN is ignored. */
void plot__include(plot_axis *a, double scaled);
/* Sets the range and about n_ticks round ticks. */
void plot__fit_axis(plot_axis *a, int n_ticks);
/* The ticks on the axis' scale; returns their number. */
int plot__list_ticks(double ticks[PLOT_MAX_TICKS], const plot_axis *a);
/* "0.25", "1500", "2e-5": as few digits as tell neighbouring ticks apart. */
void plot__format_tick(char *buf, size_t n, const plot_axis *a, double at);
/* A value for people, 3 digits: "0.123", "12.3", "1230", "1.2e7". */
void plot__format_value(char *buf, size_t n, double value);
/* `text` (NULL: the number i + 1) as a line that may be shown: valid UTF-8, no control characters,
 * cut with "..." when long. Returns buf. */
char *plot__clean_label(char buf[PLOT_MAX_LABEL], const char *text, size_t i);

/* ---- statistics.c ---- */

/* The bins of all series together. */
EAI_CHECKED eai_status plot__find_bins(plot_bins *b, const eai_plot *plot, eai_arena *arena,
                                       eai_error *err);
/* The width of Freedman and Diaconis for n sorted values; 0 when they do not spread. */
double plot__bin_width(const double *sorted, size_t n);

/* ---- colors.c ---- */

typedef struct plot_rgb {
    double r, g, b; /* sRGB, 0 to 1 */
} plot_rgb;

typedef struct plot_theme {
    plot_rgb paper, ink, soft_ink, grid;
} plot_theme;

#define PLOT_N_COLORS 7

const plot_theme *plot__theme(bool dark);
plot_rgb plot__series_color(size_t k, bool dark);
/* The colour of t in 0 .. 1. */
plot_rgb plot__map_color(double t, bool diverging);
/* Where a value lies on the figure's colours, 0 .. 1. */
double plot__cell_place(const plot_figure *f, double value);
/* CIE lightness, 0 black to 100 white: what is left of a colour in grey. */
double plot__lightness(plot_rgb c);

#endif
