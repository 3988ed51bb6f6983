/* From a plot, as a caller describes it, to a figure: checked, with ranges and everything computed
 * that is drawn.
 *
 * Each kind is a row in `kinds`: a function that fills what is particular to it. Start at
 * plot__figure_init. */
#include "plot/figure.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"

#define MAX_SERIES 1000
#define MAX_NAMES  10000
#define MAX_SIDE   1024 /* of a heat map, in cells */
#define COLUMNS    1000
#define MAX_TURNS  200000
#define MARGIN     0.04 /* around points, as part of the range */

bool plot__get_point(const plot_figure *f, const eai_plot_series *s, size_t i, double *x, double *y)
{
    *x = plot__scale(&f->x, s->x ? s->x[i] : (double)(i + 1));
    *y = plot__scale(&f->y, s->y[i]);
    return !isnan(*x) && !isnan(*y);
}

double plot__get_end(const plot_axis *a, const double *ends, size_t i, double fallback)
{
    double end = ends ? plot__scale(a, ends[i]) : (double)NAN;
    return isnan(end) ? fallback : end;
}

/* The ranges of all points and of the intervals around them. */
static void include_points(plot_figure *f)
{
    for (size_t k = 0; k < f->plot->n_series; k++) {
        const eai_plot_series *s = &f->plot->series[k];
        for (size_t i = 0; i < s->n; i++) {
            double x;
            double y;
            if (!plot__get_point(f, s, i, &x, &y))
                continue;
            plot__include(&f->x, x);
            plot__include(&f->x, plot__get_end(&f->x, s->x_low, i, x));
            plot__include(&f->x, plot__get_end(&f->x, s->x_high, i, x));
            plot__include(&f->y, y);
            plot__include(&f->y, plot__get_end(&f->y, s->y_low, i, y));
            plot__include(&f->y, plot__get_end(&f->y, s->y_high, i, y));
        }
    }
}

static void include_zero(plot_axis *a)
{
    if (a->any_data && !a->log)
        plot__include(a, 0);
}

/* A line that goes back and forth over the whole figure cannot be thinned: it is counted how often
 * it comes to another of a thousand columns. */
static eai_status check_turns(const plot_figure *f, size_t k, eai_error *err)
{
    const eai_plot_series *s = &f->plot->series[k];
    double columns = COLUMNS / fmax(f->x.data_high - f->x.data_low, 1e-300);
    double last = -1;
    size_t n = 0;
    for (size_t i = 0; s->x && i < s->n; i++) {
        double now = floor((plot__scale(&f->x, s->x[i]) - f->x.data_low) * columns);
        if (isnan(now) || now == last)
            continue;
        n++;
        last = now;
    }
    if (n > MAX_TURNS)
        return eai_error_set(
            err, EAI_ERR_LIMIT,
            "series %zu: the x of its %zu points are in no order; a line may go back "
            "and forth %d times (sort them, or scatter them)",
            k + 1, s->n, MAX_TURNS);
    return EAI_OK;
}

static eai_status make_lines(plot_figure *f, eai_error *err)
{
    include_points(f);
    for (size_t k = 0; k < f->plot->n_series; k++)
        EAI_TRY(check_turns(f, k, err));
    f->x.tight = true; /* no empty strip beside the last step */
    return EAI_OK;
}

/* Room around points, so that none is cut by the frame. */
static void add_margin(plot_axis *a)
{
    double margin = MARGIN * (a->data_high - a->data_low);
    a->data_low -= margin;
    a->data_high += margin;
    a->tight = true;
}

static eai_status make_scatter(plot_figure *f, eai_error *err)
{
    (void)err;
    include_points(f);
    add_margin(&f->x);
    if (f->plot->y_from_zero && !f->y.log)
        f->y.data_high += MARGIN * f->y.data_high;
    else
        add_margin(&f->y);
    return EAI_OK;
}

/* The names along an axis; without names, as many as there are values. */
static eai_status set_names(plot_axis *a, const char *const *names, size_t n, size_t limit,
                            eai_error *err)
{
    if (n > limit)
        return eai_error_set(err, EAI_ERR_LIMIT, "%zu names along an axis: at most %zu", n, limit);
    *a = (plot_axis){.has_names = true, .names = names, .n_names = n};
    return EAI_OK;
}

static eai_status make_bars(plot_figure *f, eai_error *err)
{
    const eai_plot *p = f->plot;
    size_t n = p->n_names;
    for (size_t k = 0; p->n_names == 0 && k < p->n_series; k++)
        n = p->series[k].n > n ? p->series[k].n : n;
    EAI_TRY(set_names(&f->x, p->names, n, MAX_NAMES, err));
    for (size_t k = 0; k < p->n_series; k++) {
        const eai_plot_series *s = &p->series[k];
        if (s->n > n)
            return eai_error_set(err, EAI_ERR_ARGUMENT, "series %zu has %zu bars for %zu names",
                                 k + 1, s->n, n);
        for (size_t i = 0; i < s->n; i++) {
            double y = plot__scale(&f->y, s->y[i]);
            plot__include(&f->y, y);
            plot__include(&f->y, plot__get_end(&f->y, s->y_low, i, y));
            plot__include(&f->y, plot__get_end(&f->y, s->y_high, i, y));
        }
    }
    include_zero(&f->y);
    if (f->y.log) /* the smallest bar is to be seen */
        f->y.data_low -= 0.05 * (f->y.data_high - f->y.data_low) + 0.05;
    return EAI_OK;
}

void plot__lay_bars(plot_figure *f)
{
    plot_axis names = f->x;
    const char *label = f->x_label;
    f->x = f->y;
    f->y = names;
    f->y.flipped = true; /* the first name on top */
    f->x_label = f->y_label;
    f->y_label = label;
    f->horizontal = true;
}

static eai_status make_histogram(plot_figure *f, eai_error *err)
{
    f->x.log = false;
    f->y.counts = !f->plot->density;
    EAI_TRY(plot__find_bins(&f->bins, f->plot, f->arena, err));
    plot__include(&f->x, f->bins.low);
    plot__include(&f->x, f->bins.low + f->bins.width * (double)f->bins.n);
    for (size_t i = 0; i < f->plot->n_series * f->bins.n; i++)
        plot__include(&f->y, plot__scale(&f->y, f->bins.heights[i]));
    include_zero(&f->y);
    if (f->y.log)
        f->y.data_low -= 0.3; /* a bin with one value has a height */
    f->x.tight = true;
    return EAI_OK;
}

/* The range of the cells; around 0 as far to one side as to the other when they diverge. */
static void find_cell_range(plot_figure *f)
{
    static const plot_axis plain = {0};
    const eai_plot_series *s = &f->plot->series[0];
    plot_axis cells = {0};
    for (size_t i = 0; i < s->n; i++)
        plot__include(&cells, plot__scale(&plain, s->y[i]));
    f->cell_low = cells.data_low;
    f->cell_high = cells.data_high;
    f->x.any_data = cells.any_data;
    if (f->plot->diverging) {
        f->cell_high = fmax(fabs(f->cell_low), fabs(f->cell_high));
        f->cell_low = -f->cell_high;
    }
}

static eai_status make_heat_map(plot_figure *f, eai_error *err)
{
    const eai_plot *p = f->plot;
    if (p->n_series != 1)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "a heat map has one series, not %zu",
                             p->n_series);
    f->n_columns = p->n_names;
    f->n_rows = p->n_rows;
    EAI_TRY(set_names(&f->x, p->names, p->n_names, MAX_SIDE, err));
    EAI_TRY(set_names(&f->y, p->row_names, p->n_rows, MAX_SIDE, err));
    if (f->n_columns * f->n_rows != p->series[0].n)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "%zu values for %zu rows of %zu cells",
                             p->series[0].n, f->n_rows, f->n_columns);
    f->y.flipped = true;
    find_cell_range(f);
    return EAI_OK;
}

/* Collects the points that have a place; the front is found among them. */
static eai_status make_pareto(plot_figure *f, eai_error *err)
{
    plot_front *p = &f->front;
    size_t n = 0;
    for (size_t k = 0; k < f->plot->n_series; k++)
        n += f->plot->series[k].n;
    p->x = eai_arena_array(f->arena, n, sizeof(*p->x));
    p->y = eai_arena_array(f->arena, n, sizeof(*p->y));
    p->series = eai_arena_array(f->arena, n, sizeof(*p->series));
    p->index = eai_arena_array(f->arena, n, sizeof(*p->index));
    p->front = eai_arena_array(f->arena, n, sizeof(*p->front));
    p->is_front = eai_arena_zeroed(f->arena, n, sizeof(*p->is_front));
    if (!p->x || !p->y || !p->series || !p->index || !p->front || !p->is_front)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu points", n);
    for (size_t k = 0; k < f->plot->n_series; k++) {
        for (size_t i = 0; i < f->plot->series[k].n; i++) {
            size_t at = p->n_points;
            if (!plot__get_point(f, &f->plot->series[k], i, &p->x[at], &p->y[at]))
                continue;
            p->series[at] = k;
            p->index[at] = i;
            p->n_points++;
        }
    }
    EAI_TRY(eai_pareto_front(p->front, &p->n_front, p->x, p->y, p->n_points, f->plot->maximize_x,
                             f->plot->maximize_y, err));
    for (size_t i = 0; i < p->n_front; i++)
        p->is_front[p->front[i]] = true;
    return make_scatter(f, err);
}

/* ---- All kinds ------------------------------------------------------------------------------- */

static eai_status (*const kinds[])(plot_figure *f, eai_error *err) = {
    [EAI_PLOT_KIND_LINE] = make_lines,       [EAI_PLOT_KIND_BAR] = make_bars,
    [EAI_PLOT_KIND_SCATTER] = make_scatter,  [EAI_PLOT_KIND_HISTOGRAM] = make_histogram,
    [EAI_PLOT_KIND_HEATMAP] = make_heat_map, [EAI_PLOT_KIND_PARETO] = make_pareto,
};

static eai_status make_figure(plot_figure *f, eai_error *err)
{
    const eai_plot *p = f->plot;
    if ((unsigned)p->kind >= EAI_PLOT_KIND_COUNT)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "plot of kind %d: 0 to %d are known",
                             (int)p->kind, EAI_PLOT_KIND_COUNT - 1);
    if (p->n_series > MAX_SERIES)
        return eai_error_set(err, EAI_ERR_LIMIT, "%zu series in a plot: at most %d", p->n_series,
                             MAX_SERIES);
    EAI_TRY(kinds[p->kind](f, err));
    bool any = f->x.any_data || f->y.any_data;
    if (!any)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "a plot needs at least one finite value");
    if (p->y_from_zero)
        include_zero(&f->y);
    return EAI_OK;
}

eai_status plot__figure_init(plot_figure *f, const eai_plot *plot, eai_error *err)
{
    *f = (plot_figure){.plot = plot, .x_label = plot->x_label, .y_label = plot->y_label};
    f->x.log = plot->log_x;
    f->y.log = plot->log_y;
    f->arena = eai_arena_create(0);
    if (!f->arena)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a plot");
    eai_status st = make_figure(f, err);
    if (st == EAI_OK && plot->kind == EAI_PLOT_KIND_BAR && plot->horizontal)
        plot__lay_bars(f);
    if (st != EAI_OK)
        plot__figure_deinit(f);
    return st;
}

void plot__figure_deinit(plot_figure *f)
{
    eai_arena_free(f->arena);
    *f = (plot_figure){0};
}
