/* The cells of a heat map, the numbers in them, and the scale of their colours.
 *
 * Cells overlap their right and lower neighbours by half a unit, or viewers of PDF and SVG files
 * would show seams between them; on pixels they are drawn with hard edges, for the same reason. No
 * image is used: rectangles stay sharp at any size. Start at plot__draw_cells. */
#include "plot/page.h"

#include <math.h>
#include <stdio.h>

#include "base/banned.h"

#define BAR_WIDTH 14.0
#define BAR_STEPS 64

static void fill_cell(plot_page *p, double value, double x, double y, double width, double height)
{
    cairo_rectangle(p->cr, x, y, width, height);
    if (!isnan(value)) {
        plot__set_color(p, plot__map_color(plot__cell_place(p->f, value), p->f->plot->diverging),
                        1);
        cairo_fill(p->cr);
        return;
    }
    plot__set_color(p, p->theme->paper, 1); /* no value: empty, with a stroke through it */
    cairo_fill(p->cr);
    plot__set_color(p, p->theme->soft_ink, 1);
    cairo_set_line_width(p->cr, 0.7);
    cairo_move_to(p->cr, x, y + height);
    cairo_line_to(p->cr, x + width, y);
    cairo_stroke(p->cr);
}

static void write_value(plot_page *p, double value, double x, double y)
{
    char text[32];
    plot_rgb c = plot__map_color(plot__cell_place(p->f, value), p->f->plot->diverging);
    bool light = plot__lightness(c) > 55;
    plot__format_value(text, sizeof(text), value);
    plot__set_color(p, light ? (plot_rgb){0, 0, 0} : (plot_rgb){1, 1, 1}, 1);
    plot__draw_text(p, text, x, y + p->font * 0.35, 0.5);
}

/* Does the longest number fit into a cell? Then all are written, else none. */
static bool values_fit(const plot_page *p, double width, double height)
{
    const eai_plot_series *s = &p->f->plot->series[0];
    char text[32];
    if (height < p->font * 1.3 || width < p->font)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        plot__format_value(text, sizeof(text), s->y[i]);
        if (isfinite(s->y[i]) && plot__text_width(p, text) + 4 > width)
            return false;
    }
    return true;
}

void plot__draw_cells(plot_page *p)
{
    const plot_figure *f = p->f;
    static const plot_axis plain = {0};
    double width = (p->right - p->left) / (double)f->n_columns;
    double height = (p->bottom - p->top) / (double)f->n_rows;
    bool write = values_fit(p, width, height);
    cairo_set_antialias(p->cr, CAIRO_ANTIALIAS_NONE);
    for (size_t r = 0; r < f->n_rows; r++) {
        for (size_t c = 0; c < f->n_columns; c++) {
            double value = plot__scale(&plain, f->plot->series[0].y[r * f->n_columns + c]);
            fill_cell(p, value, p->left + (double)c * width, p->top + (double)r * height,
                      width + (c + 1 < f->n_columns ? 0.5 : 0),
                      height + (r + 1 < f->n_rows ? 0.5 : 0));
        }
    }
    cairo_set_antialias(p->cr, CAIRO_ANTIALIAS_DEFAULT);
    for (size_t r = 0; write && r < f->n_rows; r++) {
        for (size_t c = 0; c < f->n_columns; c++) {
            double value = f->plot->series[0].y[r * f->n_columns + c];
            if (isfinite(value))
                write_value(p, value, plot__page_x(p, (double)c), plot__page_y(p, (double)r));
        }
    }
}

/* The scale as an axis; of equal cells it is opened, as any range. */
static plot_axis color_axis(const plot_figure *f)
{
    plot_axis a = {.tight = true, .data_low = f->cell_low, .data_high = f->cell_high};
    plot__fit_axis(&a, 5);
    return a;
}

double plot__color_bar_room(const plot_page *p)
{
    double ticks[PLOT_MAX_TICKS];
    char text[32];
    double widest = 0;
    plot_axis a = color_axis(p->f);
    int n = plot__list_ticks(ticks, &a);
    for (int i = 0; i < n; i++) {
        plot__format_tick(text, sizeof(text), &a, ticks[i]);
        widest = fmax(widest, plot__text_width(p, text));
    }
    return p->font * 1.5 + BAR_WIDTH + widest;
}

void plot__draw_color_bar(plot_page *p)
{
    double ticks[PLOT_MAX_TICKS];
    char text[32];
    plot_axis a = color_axis(p->f);
    double x = p->right + p->font;
    double height = p->bottom - p->top;
    cairo_set_antialias(p->cr, CAIRO_ANTIALIAS_NONE);
    for (int i = 0; i < BAR_STEPS; i++) {
        double place = (i + 0.5) / BAR_STEPS;
        double at = p->f->cell_high > p->f->cell_low ? place : 0.5;
        double top = p->bottom - height * (i + 1) / BAR_STEPS;
        plot__set_color(p, plot__map_color(at, p->f->plot->diverging), 1);
        cairo_rectangle(p->cr, x, top, BAR_WIDTH, height / BAR_STEPS + (i > 0 ? 0.5 : 0));
        cairo_fill(p->cr);
    }
    cairo_set_antialias(p->cr, CAIRO_ANTIALIAS_DEFAULT);
    int n = plot__list_ticks(ticks, &a);
    plot__set_color(p, p->theme->soft_ink, 1);
    cairo_set_line_width(p->cr, 1);
    for (int i = 0; i < n; i++) {
        double y = p->bottom - plot__place(&a, ticks[i]) * height;
        plot__format_tick(text, sizeof(text), &a, ticks[i]);
        cairo_move_to(p->cr, x + BAR_WIDTH, y);
        cairo_line_to(p->cr, x + BAR_WIDTH + 3, y);
        cairo_stroke(p->cr);
        plot__draw_text(p, text, x + BAR_WIDTH + p->font * 0.5, y + p->font * 0.35, 0);
    }
}
