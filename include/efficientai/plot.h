/* Line plots as PNG or SVG: a loss curve, a sweep, a comparison.
 *
 * Use:
 *     eai_plot_series series[] = {
 *         {.name = "training", .x = steps, .y = losses, .n = 200, .style = EAI_PLOT_FAINT},
 *         {.name = "validation", .x = at, .y = valid, .n = 4, .style = EAI_PLOT_POINTS}};
 *     eai_plot plot = {.title = "Loss", .x_label = "step", .y_label = "nats a token",
 *                      .series = series, .n_series = 2};
 *     st = eai_plot_write(&plot, "out/loss.png", err);
 *
 * Values that are not finite (or not positive on a logarithmic axis) leave a gap in the line.
 * Thread-safe. */
#ifndef EAI_PLOT_H
#define EAI_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum eai_plot_style {
    EAI_PLOT_LINE,
    EAI_PLOT_FAINT, /* thin and pale: noisy values behind their average */
    EAI_PLOT_POINTS /* a line with a dot at each value */
} eai_plot_style;

typedef struct eai_plot_series {
    const char *name; /* in the legend; NULL: not there */
    const double *x;  /* NULL: 1, 2, 3, ... */
    const double *y;
    size_t n;
    eai_plot_style style;
} eai_plot_series;

typedef struct eai_plot {
    const char *title; /* NULL: none; likewise the labels */
    const char *x_label;
    const char *y_label;
    bool log_x, log_y;
    bool y_from_zero; /* the axis starts at 0 (ignored with log_y) */
    const eai_plot_series *series;
    size_t n_series;
    int width, height; /* 0: 960 x 540 */
} eai_plot;

/* Writes the plot as the ending of `path` says, .png or .svg; the file appears whole or not at all.
 * EAI_ERR_ARGUMENT for another ending, a size outside 100 to 10000, or a plot without any value. */
EAI_API EAI_CHECKED eai_status eai_plot_write(const eai_plot *plot, const char *path,
                                              eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
