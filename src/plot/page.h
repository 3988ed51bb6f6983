/* A figure being drawn with cairo: the page, what is on it, and where the axes' area lies.
 *
 * Lengths are in units of 1/96 inch, whatever the surface: a PNG's resolution and a PDF's points
 * are a scale that cairo knows. y grows downwards. */
#ifndef EAI_PLOT_PAGE_H
#define EAI_PLOT_PAGE_H

#include <cairo.h>

#include "plot/figure.h"

typedef struct plot_page {
    cairo_t *cr;
    plot_figure *f;
    const plot_theme *theme;
    double width, height;
    double scale;                    /* pixels a unit of a PNG; 1 of other files */
    double font;                     /* size of text */
    double left, top, right, bottom; /* of the area inside the axes */
    double names_room;               /* below it, for names that stand upright; 0: they lie */
    double names_widest;             /* the longest name of the x axis */
} plot_page;

/* page.c: draws all of a figure. */
void plot__draw_page(plot_page *p);

/* ---- Text, with cairo's y at the base line ---- */

void plot__set_color(const plot_page *p, plot_rgb c, double alpha);
double plot__text_width(const plot_page *p, const char *text);
/* Text that starts at (x - align * width, y); align 0 left, 0.5 centred, 1 right. */
void plot__draw_text(const plot_page *p, const char *text, double x, double y, double align);
/* The label, cleaned, and cut with "..." until it is at most `room` wide. Returns buf. */
char *plot__fit_label(const plot_page *p, char buf[PLOT_MAX_LABEL], const char *text, size_t i,
                      double room);

/* ---- Places ---- */

double plot__page_x(const plot_page *p, double scaled);
double plot__page_y(const plot_page *p, double scaled);
/* The middle of the pixel that v lies on: there a line of one pixel is sharp. */
double plot__snap(const plot_page *p, double v);

/* ---- marks.c and cells.c: what is inside the axes ---- */

void plot__draw_marks(plot_page *p);
void plot__draw_cells(plot_page *p);
/* The colours' scale, right of a heat map, and the room that it needs. */
void plot__draw_color_bar(plot_page *p);
double plot__color_bar_room(const plot_page *p);
/* What stands before the name of series k in the legend; k = n_series: a Pareto front. */
void plot__draw_sample(plot_page *p, size_t k, double x, double y, double width);

#endif
