/* What is inside the axes: lines and bands, bars, bins; and how a series is told from another.
 *
 * A series has a colour, and, for print in grey, a dash, a marker and a hatching; each of them
 * repeats after another number of series, so that no two of the first dozens look alike. Long lines
 * are thinned while they are drawn: of all values in a quarter of a unit's column the first, the
 * lowest, the highest and the last are kept, which paints the same pixels. Start at
 * plot__draw_marks. */
#include "plot/marks.h"

#include <math.h>

#include "base/banned.h"

#define COLUMN      0.25 /* units; narrower than a pixel at 300 dpi */
#define MAX_STROKES 5000 /* over one bar */
#define GROUP       0.8  /* the share of a slot that bars take */
#define FULL_TURN   6.283185307179586

double plot__size(const plot_page *p, double at_full_size)
{
    return at_full_size * p->font / 14;
}

void plot__set_series(const plot_page *p, size_t k, double alpha)
{
    plot__set_color(p, plot__series_color(k, p->f->plot->dark), alpha);
}

void plot__set_dash(const plot_page *p, size_t k, double line_width)
{
    static const struct {
        int n;
        double lengths[4];
    } dashes[] = {
        {0, {0}}, {2, {9, 4}}, {2, {2.5, 2.5}}, {4, {9, 3, 2.5, 3}}, {2, {15, 4}}, {2, {5, 6}},
    };
    size_t at = k % (sizeof(dashes) / sizeof(dashes[0]));
    double lengths[4];
    for (int i = 0; i < 4; i++)
        lengths[i] = plot__size(p, dashes[at].lengths[i]);
    cairo_set_dash(p->cr, lengths, dashes[at].n, 0);
    cairo_set_line_width(p->cr, plot__size(p, line_width));
    cairo_set_line_join(p->cr, CAIRO_LINE_JOIN_ROUND);
}

/* ---- Markers --------------------------------------------------------------------------------- */

/* A marker's corners around 0 with radius 1; none: a circle. Areas are about the same. */
typedef struct marker {
    int n;
    double at[5][2];
} marker;

static const marker markers[] = {
    {0, {{0}}},
    {4, {{-0.88, -0.88}, {0.88, -0.88}, {0.88, 0.88}, {-0.88, 0.88}}},
    {3, {{0, -1.25}, {1.12, 0.8}, {-1.12, 0.8}}},
    {4, {{0, -1.3}, {1.1, 0}, {0, 1.3}, {-1.1, 0}}},
    {3, {{0, 1.25}, {1.12, -0.8}, {-1.12, -0.8}}},
};

void plot__draw_marker(const plot_page *p, size_t k, double x, double y, bool filled)
{
    const marker *m = &markers[k % (sizeof(markers) / sizeof(markers[0]))];
    double r = plot__size(p, 4);
    cairo_set_dash(p->cr, NULL, 0, 0);
    cairo_new_path(p->cr);
    if (m->n == 0)
        cairo_arc(p->cr, x, y, r, 0, FULL_TURN);
    for (int i = 0; i < m->n; i++)
        cairo_line_to(p->cr, x + m->at[i][0] * r, y + m->at[i][1] * r);
    cairo_close_path(p->cr);
    if (filled) {
        cairo_fill(p->cr);
        return;
    }
    cairo_set_line_width(p->cr, plot__size(p, 1.5));
    cairo_stroke(p->cr);
}

void plot__draw_error_bar(const plot_page *p, bool along_x, double at, double from, double to)
{
    const double cap = plot__size(p, 4);
    const double ends[] = {from, to};
    cairo_set_dash(p->cr, NULL, 0, 0);
    cairo_set_line_width(p->cr, plot__size(p, 1.3));
    for (int i = 0; i < 2; i++) {
        cairo_move_to(p->cr, along_x ? ends[i] : at - cap, along_x ? at - cap : ends[i]);
        cairo_line_to(p->cr, along_x ? ends[i] : at + cap, along_x ? at + cap : ends[i]);
    }
    cairo_move_to(p->cr, along_x ? from : at, along_x ? at : from);
    cairo_line_to(p->cr, along_x ? to : at, along_x ? at : to);
    cairo_stroke(p->cr);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* The values of one column of a line, as they came. */
typedef struct column {
    double number; /* of the column */
    double x, first, low, high, last;
    size_t n;
} column;

static void draw_column(const plot_page *p, column *c)
{
    if (c->n > 0)
        cairo_line_to(p->cr, c->x, c->first);
    if (c->n > 2) {
        cairo_line_to(p->cr, c->x, c->low);
        cairo_line_to(p->cr, c->x, c->high);
    }
    if (c->n > 1)
        cairo_line_to(p->cr, c->x, c->last);
    c->n = 0;
}

static void add_to_column(const plot_page *p, column *c, double x, double y)
{
    double number = floor(x / COLUMN);
    if (c->n > 0 && number != c->number)
        draw_column(p, c);
    if (c->n == 0)
        *c = (column){number, x, y, y, y, y, 0};
    c->low = fmin(c->low, y);
    c->high = fmax(c->high, y);
    c->last = y;
    c->n++;
}

/* The path of a series, thinned where its points are many. */
static void trace_line(const plot_page *p, const eai_plot_series *s)
{
    bool thin = (double)s->n > 4 * (p->right - p->left) / COLUMN;
    column c = {0};
    double x;
    double y;
    cairo_new_path(p->cr);
    for (size_t i = 0; i < s->n; i++) {
        if (!plot__get_point(p->f, s, i, &x, &y)) {
            draw_column(p, &c);
            cairo_new_sub_path(p->cr);
        } else if (thin) {
            add_to_column(p, &c, plot__page_x(p, x), plot__page_y(p, y));
        } else {
            cairo_line_to(p->cr, plot__page_x(p, x), plot__page_y(p, y));
        }
    }
    draw_column(p, &c);
}

static bool get_band(const plot_page *p, const eai_plot_series *s, size_t i, double ends[3])
{
    double y;
    if (!plot__get_point(p->f, s, i, &ends[0], &y))
        return false;
    ends[1] = plot__get_end(&p->f->y, s->y_low, i, y);
    ends[2] = plot__get_end(&p->f->y, s->y_high, i, y);
    return true;
}

/* Fills between the low and the high ends of the values from .. to, which have no gap. Of many, the
 * outermost of each group is taken. */
static void fill_band(const plot_page *p, const eai_plot_series *s, size_t from, size_t to)
{
    size_t group = 1 + (size_t)((double)(to - from) / (4 * (p->right - p->left)));
    size_t n_groups = (to - from + group - 1) / group;
    double ends[3];
    cairo_new_path(p->cr);
    for (size_t side = 0; side < 2; side++) {
        for (size_t g = 0; g < n_groups; g++) {
            size_t first = from + group * (side ? n_groups - 1 - g : g);
            double x = 0;
            double y = 0;
            for (size_t i = first; i < to && i < first + group; i++) {
                if (!get_band(p, s, i, ends))
                    continue;
                y = i == first ? ends[2 - side] : side ? fmin(y, ends[1]) : fmax(y, ends[2]);
                x = i == first ? ends[0] : x;
            }
            cairo_line_to(p->cr, plot__page_x(p, x), plot__page_y(p, y));
        }
    }
    cairo_close_path(p->cr);
    cairo_fill(p->cr);
}

static void draw_bands(const plot_page *p, size_t k)
{
    const eai_plot_series *s = &p->f->plot->series[k];
    double ends[3];
    if (!s->y_low && !s->y_high)
        return;
    plot__set_series(p, k, 0.2);
    for (size_t i = 0, end; i < s->n; i = end + 1) {
        for (end = i; end < s->n && get_band(p, s, end, ends); end++) {
        }
        if (end > i + 1)
            fill_band(p, s, i, end);
    }
}

static bool stands_alone(const plot_page *p, const eai_plot_series *s, size_t i)
{
    double x;
    double y;
    return (i == 0 || !plot__get_point(p->f, s, i - 1, &x, &y)) &&
           (i + 1 == s->n || !plot__get_point(p->f, s, i + 1, &x, &y));
}

static void draw_line_series(plot_page *p, size_t k)
{
    const eai_plot_series *s = &p->f->plot->series[k];
    double x;
    double y;
    bool faint = s->style == EAI_PLOT_FAINT;
    plot__set_series(p, k, faint ? 0.4 : 1);
    plot__set_dash(p, faint ? 0 : k, faint ? 1.2 : 2.2);
    trace_line(p, s);
    cairo_stroke(p->cr);
    cairo_set_dash(p->cr, NULL, 0, 0);
    /* A value between two gaps has no line: it always gets its marker. */
    for (size_t i = 0; i < s->n; i++) {
        if ((s->style == EAI_PLOT_POINTS || stands_alone(p, s, i)) &&
            plot__get_point(p->f, s, i, &x, &y))
            plot__draw_marker(p, k, plot__page_x(p, x), plot__page_y(p, y), true);
    }
}

static void draw_lines(plot_page *p)
{
    for (size_t k = 0; k < p->f->plot->n_series; k++)
        draw_bands(p, k);
    for (size_t k = 0; k < p->f->plot->n_series; k++)
        draw_line_series(p, k);
}

/* ---- Bars and bins --------------------------------------------------------------------------- */

/* Strokes over a rectangle; series k's: none, two diagonals, both, lying, standing. */
static void hatch(const plot_page *p, size_t k, double x, double y, double width, double height)
{
    static const struct {
        int rising, falling, lying, standing;
    } hatchings[] = {{0, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0},
                     {1, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};
    size_t at = k % (sizeof(hatchings) / sizeof(hatchings[0]));
    const double gap = plot__size(p, 7);
    double span = width + height;
    cairo_save(p->cr);
    cairo_rectangle(p->cr, x, y, width, height);
    cairo_clip(p->cr);
    plot__set_color(p, p->theme->paper, 0.85);
    cairo_set_line_width(p->cr, plot__size(p, 1.6));
    int n = at > 0 ? (int)fmin(span / gap + 0.5, MAX_STROKES) : 0;
    for (int i = 0; i < n; i++) {
        double d = gap * (i + 0.5);
        if (hatchings[at].rising) {
            cairo_move_to(p->cr, x + d, y);
            cairo_line_to(p->cr, x + d - height, y + height);
        }
        if (hatchings[at].falling) {
            cairo_move_to(p->cr, x + width - d, y);
            cairo_line_to(p->cr, x + width - d + height, y + height);
        }
        if (hatchings[at].lying && d < height) {
            cairo_move_to(p->cr, x, y + height - d);
            cairo_line_to(p->cr, x + width, y + height - d);
        }
        if (hatchings[at].standing && d < width) {
            cairo_move_to(p->cr, x + d, y);
            cairo_line_to(p->cr, x + d, y + height);
        }
    }
    cairo_stroke(p->cr);
    cairo_restore(p->cr);
}

/* A bar between two corners, filled and hatched as series k. */
static void draw_bar(const plot_page *p, size_t k, double x1, double y1, double x2, double y2)
{
    double x = fmin(x1, x2);
    double y = fmin(y1, y2);
    double width = fabs(x2 - x1);
    double height = fabs(y2 - y1);
    cairo_rectangle(p->cr, x, y, width, height);
    plot__set_series(p, k, 1);
    cairo_fill(p->cr);
    hatch(p, k, x, y, width, height);
}

/* Bar i of series k: from the axis' 0 (or its start) to the value, across its part of the slot. */
static void draw_one_bar(plot_page *p, size_t k, size_t i)
{
    const plot_figure *f = p->f;
    const eai_plot_series *s = &f->plot->series[k];
    const plot_axis *a = f->horizontal ? &f->x : &f->y;
    double part = GROUP / (double)f->plot->n_series;
    double from = (double)i - GROUP / 2 + part * (double)k;
    double to = from + part * (f->plot->n_series > 1 ? 0.94 : 1);
    double value = plot__scale(a, s->y[i]);
    double base = a->log ? a->low : 0;
    if (isnan(value))
        return;
    double low = plot__get_end(a, s->y_low, i, value);
    double high = plot__get_end(a, s->y_high, i, value);
    double middle = (from + to) / 2;
    if (f->horizontal)
        draw_bar(p, k, plot__page_x(p, base), plot__page_y(p, from), plot__page_x(p, value),
                 plot__page_y(p, to));
    else
        draw_bar(p, k, plot__page_x(p, from), plot__page_y(p, base), plot__page_x(p, to),
                 plot__page_y(p, value));
    if (!s->y_low && !s->y_high)
        return;
    plot__set_color(p, p->theme->ink, 1);
    if (f->horizontal)
        plot__draw_error_bar(p, true, plot__page_y(p, middle), plot__page_x(p, low),
                             plot__page_x(p, high));
    else
        plot__draw_error_bar(p, false, plot__page_x(p, middle), plot__page_y(p, low),
                             plot__page_y(p, high));
}

/* A thin line at 0, where bars go both ways. */
static void draw_zero(plot_page *p)
{
    const plot_axis *a = p->f->horizontal ? &p->f->x : &p->f->y;
    if (a->log || a->low >= 0)
        return;
    plot__set_color(p, p->theme->soft_ink, 1);
    cairo_set_line_width(p->cr, 1);
    double at = plot__snap(p, p->f->horizontal ? plot__page_x(p, 0) : plot__page_y(p, 0));
    cairo_move_to(p->cr, p->f->horizontal ? at : p->left, p->f->horizontal ? p->top : at);
    cairo_line_to(p->cr, p->f->horizontal ? at : p->right, p->f->horizontal ? p->bottom : at);
    cairo_stroke(p->cr);
}

static void draw_bars(plot_page *p)
{
    for (size_t k = 0; k < p->f->plot->n_series; k++) {
        for (size_t i = 0; i < p->f->plot->series[k].n; i++)
            draw_one_bar(p, k, i);
    }
    draw_zero(p);
}

/* The outline of a histogram, from the axis up, along the bins, and down again. */
static void trace_bins(const plot_page *p, const double *heights)
{
    const plot_bins *b = &p->f->bins;
    double base = plot__page_y(p, p->f->y.log ? p->f->y.low : 0);
    cairo_new_path(p->cr);
    cairo_move_to(p->cr, plot__page_x(p, b->low), base);
    for (size_t i = 0; i < b->n; i++) {
        double height = plot__scale(&p->f->y, heights[i]);
        double y = isnan(height) ? base : plot__page_y(p, height);
        cairo_line_to(p->cr, plot__page_x(p, b->low + b->width * (double)i), y);
        cairo_line_to(p->cr, plot__page_x(p, b->low + b->width * (double)(i + 1)), y);
    }
    cairo_line_to(p->cr, plot__page_x(p, b->low + b->width * (double)b->n), base);
}

/* Several are overlaid: each lets the others through, and its outline has its dash. */
static void draw_bins(plot_page *p)
{
    size_t n = p->f->plot->n_series;
    for (size_t k = 0; k < n; k++) {
        trace_bins(p, p->f->bins.heights + k * p->f->bins.n);
        plot__set_series(p, k, n > 1 ? 0.35 : 0.8);
        cairo_fill(p->cr);
    }
    for (size_t k = 0; k < n; k++) {
        const plot_bins *b = &p->f->bins;
        double base = plot__page_y(p, p->f->y.log ? p->f->y.low : 0);
        plot__set_series(p, k, 1);
        plot__set_dash(p, k, 1.8);
        trace_bins(p, b->heights + k * b->n);
        cairo_stroke(p->cr);
        cairo_set_dash(p->cr, NULL, 0, 0);
        cairo_set_line_width(p->cr, 1);
        plot__set_color(p, p->theme->paper, 0.8);
        for (size_t i = 1; n == 1 && i < b->n && b->n < 150; i++) { /* bins apart */
            double height = plot__scale(&p->f->y, fmin(b->heights[i - 1], b->heights[i]));
            double x = plot__page_x(p, b->low + b->width * (double)i);
            cairo_move_to(p->cr, x, base);
            cairo_line_to(p->cr, x, isnan(height) ? base : plot__page_y(p, height));
        }
        cairo_stroke(p->cr);
    }
}

/* ---- All kinds, and their samples in the legend ---------------------------------------------- */

void plot__draw_marks(plot_page *p)
{
    static void (*const draw[])(plot_page *) = {
        [EAI_PLOT_KIND_LINE] = draw_lines,           [EAI_PLOT_KIND_BAR] = draw_bars,
        [EAI_PLOT_KIND_SCATTER] = plot__draw_points, [EAI_PLOT_KIND_HISTOGRAM] = draw_bins,
        [EAI_PLOT_KIND_HEATMAP] = plot__draw_cells,  [EAI_PLOT_KIND_PARETO] = plot__draw_front,
    };
    const double room = 6; /* a marker on the frame is not cut */
    cairo_save(p->cr);
    cairo_rectangle(p->cr, p->left - room, p->top - room, p->right - p->left + 2 * room,
                    p->bottom - p->top + 2 * room);
    cairo_clip(p->cr);
    draw[p->f->plot->kind](p);
    cairo_restore(p->cr);
}

static void draw_line_sample(plot_page *p, size_t k, double x, double y, double width)
{
    const eai_plot_series *s = &p->f->plot->series[k];
    bool faint = s->style == EAI_PLOT_FAINT;
    if (s->y_low || s->y_high) {
        plot__set_series(p, k, 0.2);
        cairo_rectangle(p->cr, x, y - plot__size(p, 5), width, plot__size(p, 10));
        cairo_fill(p->cr);
    }
    plot__set_series(p, k, faint ? 0.4 : 1);
    plot__set_dash(p, faint ? 0 : k, faint ? 1.2 : 2.2);
    cairo_move_to(p->cr, x, y);
    cairo_line_to(p->cr, x + width, y);
    cairo_stroke(p->cr);
    cairo_set_dash(p->cr, NULL, 0, 0);
    if (s->style == EAI_PLOT_POINTS)
        plot__draw_marker(p, k, x + width / 2, y, true);
}

void plot__draw_sample(plot_page *p, size_t k, double x, double y, double width)
{
    const double half = plot__size(p, 5);
    eai_plot_kind kind = p->f->plot->kind;
    if (k == p->f->plot->n_series) {
        plot__set_color(p, p->theme->ink, 1);
        plot__set_dash(p, 0, 1.5);
        cairo_move_to(p->cr, x, y);
        cairo_line_to(p->cr, x + width, y);
        cairo_stroke(p->cr);
    } else if (kind == EAI_PLOT_KIND_LINE) {
        draw_line_sample(p, k, x, y, width);
    } else if (kind == EAI_PLOT_KIND_BAR) {
        draw_bar(p, k, x, y - half, x + width, y + half);
    } else if (kind == EAI_PLOT_KIND_HISTOGRAM) {
        plot__set_series(p, k, 0.35);
        cairo_rectangle(p->cr, x, y - half, width, 2 * half);
        cairo_fill_preserve(p->cr);
        plot__set_series(p, k, 1);
        plot__set_dash(p, k, 1.8);
        cairo_stroke(p->cr);
        cairo_set_dash(p->cr, NULL, 0, 0);
    } else {
        plot__set_series(p, k, 1);
        plot__draw_marker(p, k, x + width / 2, y, true);
    }
}
