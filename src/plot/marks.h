/* How a series looks: shared by marks.c (lines, bars, bins) and points.c (points, fronts). */
#ifndef EAI_PLOT_MARKS_H
#define EAI_PLOT_MARKS_H

#include "plot/page.h"

/* A size given for text of 14 units, for this page's. */
double plot__size(const plot_page *p, double at_full_size);
void plot__set_series(const plot_page *p, size_t k, double alpha);
/* Lines of series k: solid, dashed, dotted ...; the first is solid. */
void plot__set_dash(const plot_page *p, size_t k, double line_width);
/* The marker of series k around (x, y): filled, or only its outline. */
void plot__draw_marker(const plot_page *p, size_t k, double x, double y, bool filled);
/* An interval with a bar across each end; along x or along y, in page units. */
void plot__draw_error_bar(const plot_page *p, bool along_x, double at, double from, double to);

/* points.c */
void plot__draw_points(plot_page *p);
void plot__draw_front(plot_page *p);

#endif
