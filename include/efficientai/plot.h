/* Figures: lines, bars, scattered points, histograms, heat maps and Pareto fronts, as PNG, SVG or
 * PDF, or as text for a terminal.
 *
 * Use:
 *     eai_plot_series series[] = {
 *         {.name = "training", .x = steps, .y = losses, .n = 200, .style = EAI_PLOT_FAINT},
 *         {.name = "validation", .x = at, .y = valid, .n = 4, .style = EAI_PLOT_POINTS}};
 *     eai_plot plot = {.title = "Loss", .x_label = "step", .y_label = "nats a token",
 *                      .series = series, .n_series = 2};
 *     st = eai_plot_write(&plot, "out/loss.pdf", err);
 *
 *     const char *names[] = {"bf16", "q8_0", "q4_0"};
 *     eai_plot_series bars[] = {{.name = "tokens/s", .y = rates, .n = 3}};
 *     eai_plot plot = {.kind = EAI_PLOT_KIND_BAR, .series = bars, .n_series = 1,
 *                      .names = names, .n_names = 3};
 *     st = eai_plot_to_text(&text, &plot, &(eai_plot_text_opts){.width = 80}, err);
 *
 * Made to be printed: series differ by dash, marker or hatching as well as by colour (the palette
 * of Okabe and Ito, which every kind of colour vision tells apart), text is never smaller than 8
 * points at the size the figure is made for, heat maps grow lighter from end to end, and text in a
 * PDF is text. The same plot gives the same bytes, whenever it is drawn.
 *
 * What may be wrong with data is drawn around: values that are not finite (or not positive on a
 * logarithmic axis) leave a gap; those beyond 1e300 are drawn as 1e300; a series may be empty; a
 * label may hold anything, of which at most 300 bytes are shown, without control characters.
 * Lines and clouds of millions of points are thinned to what can be seen.
 *
 * Everything that a plot points to is borrowed while the call lasts. Thread-safe. */
#ifndef EAI_PLOT_H
#define EAI_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum eai_plot_kind {
    EAI_PLOT_KIND_LINE,      /* y over x, joined in the order given */
    EAI_PLOT_KIND_BAR,       /* y[i] beside names[i]; several series are grouped */
    EAI_PLOT_KIND_SCATTER,   /* points, with error bars where there are ends of them */
    EAI_PLOT_KIND_HISTOGRAM, /* how often the values y occur; several series are overlaid */
    EAI_PLOT_KIND_HEATMAP,   /* series[0].y is a matrix [n_rows, n_names] */
    EAI_PLOT_KIND_PARETO,    /* points of all series, and those that no other is better than */
    EAI_PLOT_KIND_COUNT
} eai_plot_kind;

typedef enum eai_plot_style {
    EAI_PLOT_LINE,
    EAI_PLOT_FAINT, /* thin and pale: noisy values behind their average */
    EAI_PLOT_POINTS /* a line with a marker at each value */
} eai_plot_style;

typedef struct eai_plot_series {
    const char *name; /* in the legend; NULL: not there */
    const double *x;  /* NULL: 1, 2, 3, ...; not used by bars, histograms and heat maps */
    const double *y;
    size_t n;
    eai_plot_style style; /* of a line */
    /* Ends of intervals around each value, in the axis' units (not lengths); NULL or NaN: none.
     * Around a line they are a band; around bars and points, error bars. */
    const double *y_low, *y_high;
    const double *x_low, *x_high;    /* points only */
    const char *const *point_labels; /* n texts or NULL; points only. Of a Pareto plot, only
                                        those of the front are shown; a label that would hide
                                        something is left out */
} eai_plot_series;

typedef struct eai_plot {
    const char *title; /* NULL: none; likewise the labels */
    const char *x_label;
    const char *y_label;
    bool log_x, log_y; /* for lines and points; bars may have log_y */
    bool y_from_zero;  /* the axis starts at 0 (ignored with log_y; bars always do) */
    const eai_plot_series *series;
    size_t n_series;   /* at most 1000 */
    int width, height; /* 0: 960 x 540; in 1/96 inch, which is a pixel at 96 dpi */
    eai_plot_kind kind;
    double width_mm, height_mm;   /* instead of width and height, for paper; 20 to 1000 */
    double dpi;                   /* of a PNG, 50 to 1200; 0: 96, and 300 with width_mm */
    bool dark;                    /* a dark background, for screens */
    const char *const *names;     /* of bars, or of a heat map's columns; NULL: 1, 2, 3, ... */
    size_t n_names;               /* 0: as many as the longest series has values */
    const char *const *row_names; /* of a heat map */
    size_t n_rows;
    bool horizontal; /* bars; also chosen where names are too long to stand side by side */
    size_t n_bins;   /* of a histogram, at most 1000; 0: by Freedman and Diaconis */
    bool density;    /* a histogram's areas are 1, instead of counts */
    bool diverging;  /* a heat map's colours differ on the two sides of 0 */
    bool maximize_x; /* a Pareto front: larger is better; otherwise smaller is */
    bool maximize_y;
} eai_plot;

/* Writes the plot as the ending of `path` says, .png, .svg or .pdf; the file appears whole or not
 * at all. EAI_ERR_ARGUMENT for another ending, a size that is not allowed or a plot without any
 * value; EAI_ERR_LIMIT for more series, names, cells or bytes than are allowed (a heat map has at
 * most 1024 x 1024 cells, bars at most 10,000 names, a file 256 MiB), and for a line whose x goes
 * back and forth more than 200,000 times. A PDF says that it was made at $SOURCE_DATE_EPOCH, or in
 * 1970. */
EAI_API EAI_CHECKED eai_status eai_plot_write(const eai_plot *plot, const char *path,
                                              eai_error *err);

/* Sets the size from "960x540" (1/96 inch), "170x100mm", or the width of a page's text and a height
 * that suits it: "a4", "letter", and "column" for one of two columns. */
EAI_API EAI_CHECKED eai_status eai_plot_set_size(eai_plot *plot, const char *size, eai_error *err);

typedef enum eai_plot_color {
    EAI_PLOT_COLOR_NONE,
    EAI_PLOT_COLOR_256, /* the palette that nearly every terminal has */
    EAI_PLOT_COLOR_TRUE /* 24 bits */
} eai_plot_color;

typedef struct eai_plot_text_opts {
    int width;  /* columns, 20 to 500; 0: 80 */
    int height; /* lines of plots with two axes, 8 to 200; 0: 24. Bars and heat maps take a line a
                   row, at most 200 */
    bool ascii; /* nothing beyond ASCII: for a locale that is not UTF-8 */
    eai_plot_color color;
} eai_plot_text_opts;

/* The same figure as lines of text, each ended by a line feed. *out is new memory (eai_free).
 * `opts` may be NULL. Errors as eai_plot_write. */
EAI_API EAI_CHECKED eai_status eai_plot_to_text(char **out, const eai_plot *plot,
                                                const eai_plot_text_opts *opts, eai_error *err);

/* The Pareto front of n points: those for which no other point is at least as good on both axes and
 * better on one. Points that are alike are all in it; a point with a NaN never is.
 * front[0 .. *n_front) are their indices, from the best x to the best y, those alike as given;
 * `front` has room for n.
 * O(n log n). EAI_ERR_NOMEM is the only failure.
 * Source: Kung, Luccio, Preparata, "On finding the maxima of a set of vectors", 1975. */
EAI_API EAI_CHECKED eai_status eai_pareto_front(size_t *front, size_t *n_front, const double *x,
                                                const double *y, size_t n, bool maximize_x,
                                                bool maximize_y, eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
