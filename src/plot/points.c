/* Points: scattered ones with error bars and labels, and the Pareto front.
 *
 * Labels look for a place where they hide no point and no other label: the eight places around
 * their point, then the same further and further away with a line to the point. A label without a
 * place is left out; those of a front choose first. A cloud of more points than can be told apart
 * draws one point a place of a quarter of a unit. Start at plot__draw_points and plot__draw_front.
 */
#include "plot/marks.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

#define MANY_POINTS 20000
#define GRID        2.0  /* places a unit, each way, that one point of a large cloud takes */
#define RINGS       6    /* of places around a point */
#define MAX_BOXES   1000 /* points and labels that a label must not hide */

typedef struct box {
    double left, top, right, bottom;
} box;

typedef struct boxes {
    box at[MAX_BOXES];
    size_t n;
} boxes;

static void add_box(boxes *b, box at)
{
    if (b->n < MAX_BOXES)
        b->at[b->n++] = at;
}

static void add_point_box(const plot_page *p, boxes *b, double x, double y)
{
    double r = plot__size(p, 4);
    add_box(b, (box){x - r, y - r, x + r, y + r});
}

static bool is_free(const plot_page *p, const boxes *b, const box *at)
{
    if (at->left < p->left || at->right > p->right + 4 || at->top < p->top - 4 ||
        at->bottom > p->bottom)
        return false;
    for (size_t i = 0; i < b->n; i++) {
        if (at->left < b->at[i].right && at->right > b->at[i].left && at->top < b->at[i].bottom &&
            at->bottom > b->at[i].top)
            return false;
    }
    return true;
}

/* One of the places around a point: (dx, dy) from it, and the label's box there. */
static box place_around(double x, double y, double width, double height, const int side[2],
                        const double d[2])
{
    double start[2];
    const double at[] = {x, y};
    const double size[] = {width, height};
    for (int i = 0; i < 2; i++)
        start[i] = at[i] + d[i] - (1 - side[i]) * 0.5 * size[i];
    return (box){start[0], start[1], start[0] + width, start[1] + height};
}

/* Writes a label near (x, y) where there is room for it. */
static void place_label(const plot_page *p, boxes *b, const char *label, double x, double y)
{
    static const int around[8][2] = {{1, -1}, {1, 1},  {-1, -1}, {-1, 1},
                                     {1, 0},  {-1, 0}, {0, -1},  {0, 1}};
    char text[PLOT_MAX_LABEL];
    plot__fit_label(p, text, label, 0, (p->right - p->left) / 3);
    double width = plot__text_width(p, text);
    for (int i = 0; i < RINGS * 8; i++) {
        const int *side = around[i % 8];
        int ring = i / 8 + 1;
        double away = plot__size(p, ring == 1 ? 6 : 12.0 * ring);
        away *= side[0] && side[1] ? 0.7 : 1; /* the diagonal is as long as the others */
        double d[] = {side[0] * away, side[1] * away};
        box at = place_around(x, y, width, p->font, side, d);
        if (!is_free(p, b, &at))
            continue;
        plot__set_color(p, p->theme->soft_ink, 1);
        if (ring > 1) {
            cairo_set_line_width(p->cr, 0.7);
            cairo_move_to(p->cr, x, y);
            cairo_line_to(p->cr, x + d[0], y + d[1]);
            cairo_stroke(p->cr);
        }
        plot__draw_text(p, text, at.left, at.top + p->font * 0.82, 0);
        add_box(b, at);
        return;
    }
}

/* A line along an axis, which labels must not cross. */
static void add_line_box(boxes *b, double x1, double y1, double x2, double y2)
{
    add_box(b, (box){fmin(x1, x2) - 1, fmin(y1, y2) - 1, fmax(x1, x2) + 1, fmax(y1, y2) + 1});
}

static void draw_intervals(const plot_page *p, boxes *b, const eai_plot_series *s, size_t i,
                           double x, double y)
{
    const plot_figure *f = p->f;
    double px = plot__page_x(p, x);
    double py = plot__page_y(p, y);
    double x_low = plot__get_end(&f->x, s->x_low, i, x);
    double x_high = plot__get_end(&f->x, s->x_high, i, x);
    double y_low = plot__get_end(&f->y, s->y_low, i, y);
    double y_high = plot__get_end(&f->y, s->y_high, i, y);
    if (x_low < x_high) {
        plot__draw_error_bar(p, true, py, plot__page_x(p, x_low), plot__page_x(p, x_high));
        add_line_box(b, plot__page_x(p, x_low), py, plot__page_x(p, x_high), py);
    }
    if (y_low < y_high) {
        plot__draw_error_bar(p, false, px, plot__page_y(p, y_low), plot__page_y(p, y_high));
        add_line_box(b, px, plot__page_y(p, y_low), px, plot__page_y(p, y_high));
    }
}

/* Which places of the area have a point of a large cloud: a bit each. */
typedef struct cloud {
    uint8_t *bits; /* NULL: every point is drawn */
    size_t columns, rows;
} cloud;

static cloud make_cloud(const plot_page *p, size_t n)
{
    cloud c = {NULL, (size_t)((p->right - p->left) * GRID) + 1,
               (size_t)((p->bottom - p->top) * GRID) + 1};
    if (n > MANY_POINTS) /* without memory for it the picture only takes longer */
        c.bits = eai_alloc_zeroed(c.columns * c.rows / 8 + 1, 1);
    return c;
}

/* Was there a point at this place? Now there is one. */
static bool was_there(const plot_page *p, const cloud *c, double x, double y)
{
    if (!c->bits)
        return false;
    size_t column = (size_t)fmin(fmax((x - p->left) * GRID, 0), (double)(c->columns - 1));
    size_t row = (size_t)fmin(fmax((y - p->top) * GRID, 0), (double)(c->rows - 1));
    size_t at = row * c->columns + column;
    bool was = c->bits[at / 8] >> (at % 8) & 1;
    c->bits[at / 8] |= (uint8_t)(1u << (at % 8));
    return was;
}

static void draw_cloud(const plot_page *p, boxes *b, size_t k)
{
    const eai_plot_series *s = &p->f->plot->series[k];
    cloud c = make_cloud(p, s->n);
    double x;
    double y;
    plot__set_series(p, k, 1);
    for (size_t i = 0; i < s->n; i++) {
        if (!plot__get_point(p->f, s, i, &x, &y))
            continue;
        double px = plot__page_x(p, x);
        double py = plot__page_y(p, y);
        if (was_there(p, &c, px, py))
            continue;
        draw_intervals(p, b, s, i, x, y);
        plot__draw_marker(p, k, px, py, true);
        add_point_box(p, b, px, py);
    }
    eai_free(c.bits);
}

void plot__draw_points(plot_page *p)
{
    const eai_plot *plot = p->f->plot;
    boxes b;
    double x;
    double y;
    b.n = 0;
    for (size_t k = 0; k < plot->n_series; k++)
        draw_cloud(p, &b, k);
    for (size_t k = 0; k < plot->n_series; k++) {
        const eai_plot_series *s = &plot->series[k];
        for (size_t i = 0; s->point_labels && i < s->n && b.n < MAX_BOXES; i++) {
            if (s->point_labels[i] && plot__get_point(p->f, s, i, &x, &y))
                place_label(p, &b, s->point_labels[i], plot__page_x(p, x), plot__page_y(p, y));
        }
    }
}

/* ---- The front ------------------------------------------------------------------------------- */

/* The stepped line along the front, from the end of the area that is worst on y to that worst on
 * x: what lies behind it is dominated. */
static void trace_front(const plot_page *p)
{
    const plot_front *f = &p->f->front;
    double worst_x = p->f->plot->maximize_x ? p->left : p->right;
    double worst_y = p->f->plot->maximize_y ? p->bottom : p->top;
    double y = worst_y;
    cairo_new_path(p->cr);
    for (size_t i = 0; i < f->n_front; i++) {
        double x = plot__page_x(p, f->x[f->front[i]]);
        cairo_line_to(p->cr, x, y);
        y = plot__page_y(p, f->y[f->front[i]]);
        cairo_line_to(p->cr, x, y);
    }
    cairo_line_to(p->cr, worst_x, y);
}

static void shade_dominated(const plot_page *p)
{
    double worst_x = p->f->plot->maximize_x ? p->left : p->right;
    double worst_y = p->f->plot->maximize_y ? p->bottom : p->top;
    trace_front(p);
    cairo_line_to(p->cr, worst_x, worst_y);
    cairo_close_path(p->cr);
    plot__set_color(p, p->theme->ink, 0.06);
    cairo_fill(p->cr);
    trace_front(p);
    plot__set_color(p, p->theme->ink, 1);
    plot__set_dash(p, 0, 1.5);
    cairo_stroke(p->cr);
}

/* All points of one sort: dominated ones as outlines, those of the front filled. */
static void draw_sort(const plot_page *p, boxes *b, bool in_front)
{
    const plot_front *f = &p->f->front;
    cloud c = make_cloud(p, f->n_points);
    for (size_t i = 0; i < f->n_points; i++) {
        double x = plot__page_x(p, f->x[i]);
        double y = plot__page_y(p, f->y[i]);
        if (f->is_front[i] != in_front || was_there(p, &c, x, y))
            continue;
        plot__set_series(p, f->series[i], in_front ? 1 : 0.75);
        draw_intervals(p, b, &p->f->plot->series[f->series[i]], f->index[i], f->x[i], f->y[i]);
        plot__draw_marker(p, f->series[i], x, y, in_front);
        add_point_box(p, b, x, y);
    }
    eai_free(c.bits);
}

static void draw_front_labels(const plot_page *p, boxes *b)
{
    const plot_front *f = &p->f->front;
    for (size_t i = 0; i + 1 < f->n_front; i++) { /* the steps between them */
        double x = plot__page_x(p, f->x[f->front[i + 1]]);
        double y = plot__page_y(p, f->y[f->front[i]]);
        add_line_box(b, plot__page_x(p, f->x[f->front[i]]), y, x, y);
        add_line_box(b, x, y, x, plot__page_y(p, f->y[f->front[i + 1]]));
    }
    for (size_t i = 0; i < f->n_front && b->n < MAX_BOXES; i++) {
        size_t at = f->front[i];
        const eai_plot_series *s = &p->f->plot->series[f->series[at]];
        const char *label = s->point_labels ? s->point_labels[f->index[at]] : NULL;
        if (label)
            place_label(p, b, label, plot__page_x(p, f->x[at]), plot__page_y(p, f->y[at]));
    }
}

void plot__draw_front(plot_page *p)
{
    boxes b;
    b.n = 0;
    shade_dominated(p);
    draw_sort(p, &b, true);
    draw_sort(p, &b, false);
    draw_front_labels(p, &b);
}
