/* A figure as characters: a grid of cells, each a character with colours, and dots in them.
 *
 * In Unicode a cell holds 2 x 4 dots, the Braille patterns; in ASCII a dot is the mark of its
 * series. Everything outside the grid is cut off. x goes right, y goes down, from 0. */
#ifndef EAI_PLOT_TEXT_H
#define EAI_PLOT_TEXT_H

#include <stdint.h>

#include "plot/figure.h"

#define TEXT_NO_COLOR (-1)
#define TEXT_FRONT    SIZE_MAX /* in place of a series: the line of a Pareto front */
#define TEXT_DOTS_X   2
#define TEXT_DOTS_Y   4

typedef struct text_cell {
    uint32_t ch; /* 0: a blank, or dots */
    uint8_t dots;
    int32_t ink, paper; /* 0xRRGGBB or TEXT_NO_COLOR */
} text_cell;

typedef struct text_grid {
    plot_figure *f;
    eai_plot_text_opts opts;
    int width, height;
    text_cell *cells;             /* [height, width] */
    int left, top, right, bottom; /* the area inside the axes; right and bottom are outside */
} text_grid;

/* ---- text.c ---- */

/* Height is known only when the kind is. Blank cells. */
EAI_CHECKED eai_status text__grid_init(text_grid *g, int height, eai_error *err);
void text__put(text_grid *g, int x, int y, uint32_t ch, int32_t ink);
/* Writes a label (NULL: the number i + 1), cut to `room` columns, from x on, or up to x when
 * `align` is 1, or around it at 0.5. Returns its columns. */
int text__write(text_grid *g, int x, int y, const char *label, size_t i, int room, double align);
/* The columns that a label takes in at most `room`. */
int text__columns(const char *label, size_t i, int room);
/* Marks a dot of series k; x and y count dots. */
void text__dot(text_grid *g, int x, int y, size_t k, int32_t ink);
void text__line(text_grid *g, int x1, int y1, int x2, int y2, size_t k);
int32_t text__series_ink(size_t k);
int32_t text__pack(plot_rgb c);
/* The mark of series k at a point. */
uint32_t text__marker(const text_grid *g, size_t k);

/* Title, legend, axes with ticks; sets the area. */
void text__draw_frame(text_grid *g);
/* A scaled place in dots, or cells. */
int text__dot_x(const text_grid *g, double scaled);
int text__dot_y(const text_grid *g, double scaled);

/* ---- text_marks.c: a function a kind; each makes the grid and fills it ---- */

EAI_CHECKED eai_status text__draw(text_grid *g, eai_error *err);

#endif
