/* What is inside a figure made of characters: lines and points in dots, bars in blocks of eighths,
 * heat maps in colours or shades.
 *
 * Bars always lie: a line a bar, with its number behind it, is what a terminal reads best. Heat
 * maps have a line a row. Both are as high as they have to be, the other kinds as high as is asked
 * for. Start at text__draw. */
#include "plot/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

#define MAX_ROWS 200
#define BLOCK    0x2588 /* full; the next seven are 7/8 .. 1/8 from the left */
#define RISING   0x2580 /* + 1 .. 8: eighths from below */

/* ---- Lines and points ------------------------------------------------------------------------ */

static void draw_lines(text_grid *g)
{
    const eai_plot *p = g->f->plot;
    double x;
    double y;
    for (size_t k = 0; k < p->n_series; k++) {
        const eai_plot_series *s = &p->series[k];
        bool drawing = false;
        int last_x = 0;
        int last_y = 0;
        for (size_t i = 0; i < s->n; i++) {
            if (!plot__get_point(g->f, s, i, &x, &y)) {
                drawing = false;
                continue;
            }
            int at_x = text__dot_x(g, x);
            int at_y = text__dot_y(g, y);
            text__line(g, drawing ? last_x : at_x, drawing ? last_y : at_y, at_x, at_y, k);
            int32_t ink = text__series_ink(k);
            if (s->y_low)
                text__dot(g, at_x, text__dot_y(g, plot__get_end(&g->f->y, s->y_low, i, y)), k, ink);
            if (s->y_high)
                text__dot(g, at_x, text__dot_y(g, plot__get_end(&g->f->y, s->y_high, i, y)), k,
                          ink);
            last_x = at_x;
            last_y = at_y;
            drawing = true;
        }
    }
}

/* The marks of points stand in cells, so that the series differ without colour. */
static void put_marker(text_grid *g, int dot_x, int dot_y, size_t k)
{
    text__put(g, dot_x / TEXT_DOTS_X, dot_y / TEXT_DOTS_Y, text__marker(g, k), text__series_ink(k));
}

static void draw_points(text_grid *g)
{
    const eai_plot *p = g->f->plot;
    double x;
    double y;
    for (size_t k = 0; k < p->n_series; k++) {
        const eai_plot_series *s = &p->series[k];
        for (size_t i = 0; i < s->n; i++) {
            if (!plot__get_point(g->f, s, i, &x, &y))
                continue;
            int at_x = text__dot_x(g, x);
            int at_y = text__dot_y(g, y);
            text__line(g, at_x, text__dot_y(g, plot__get_end(&g->f->y, s->y_low, i, y)), at_x,
                       text__dot_y(g, plot__get_end(&g->f->y, s->y_high, i, y)), k);
            text__line(g, text__dot_x(g, plot__get_end(&g->f->x, s->x_low, i, x)), at_y,
                       text__dot_x(g, plot__get_end(&g->f->x, s->x_high, i, x)), at_y, k);
            if (s->n <= 500)
                put_marker(g, at_x, at_y, k);
        }
    }
}

/* A label right of its point, or left of it, where the cells are still blank. */
static void put_label(text_grid *g, const char *label, int x, int y)
{
    int columns = text__columns(label, 0, (g->right - g->left) / 3);
    const int starts[] = {x + 2, x - 1 - columns};
    for (int side = 0; side < 2; side++) {
        bool fits = starts[side] >= g->left && starts[side] + columns <= g->right;
        for (int i = -1; fits && i <= columns; i++) {
            int at = starts[side] + i;
            if (at < 0 || at >= g->width || at == x)
                continue;
            const text_cell *c = &g->cells[(size_t)y * (size_t)g->width + (size_t)at];
            fits = c->ch == 0;
        }
        if (fits) {
            text__write(g, starts[side], y, label, 0, columns, 0);
            return;
        }
    }
}

static void draw_front(text_grid *g)
{
    const plot_front *f = &g->f->front;
    for (size_t i = 0; i + 1 < f->n_front; i++) {
        int x = text__dot_x(g, f->x[f->front[i + 1]]);
        int y = text__dot_y(g, f->y[f->front[i]]);
        text__line(g, text__dot_x(g, f->x[f->front[i]]), y, x, y, TEXT_FRONT);
        text__line(g, x, y, x, text__dot_y(g, f->y[f->front[i + 1]]), TEXT_FRONT);
    }
    for (size_t i = 0; i < f->n_points; i++) {
        if (!f->is_front[i])
            text__put(g, text__dot_x(g, f->x[i]) / TEXT_DOTS_X,
                      text__dot_y(g, f->y[i]) / TEXT_DOTS_Y, g->opts.ascii ? '.' : 0x00B7,
                      text__series_ink(f->series[i]));
    }
    for (size_t i = 0; i < f->n_front; i++) {
        size_t at = f->front[i];
        put_marker(g, text__dot_x(g, f->x[at]), text__dot_y(g, f->y[at]), f->series[at]);
    }
    for (size_t i = 0; i < f->n_front; i++) {
        size_t at = f->front[i];
        const eai_plot_series *s = &g->f->plot->series[f->series[at]];
        const char *label = s->point_labels ? s->point_labels[f->index[at]] : NULL;
        if (label)
            put_label(g, label, text__dot_x(g, f->x[at]) / TEXT_DOTS_X,
                      text__dot_y(g, f->y[at]) / TEXT_DOTS_Y);
    }
}

/* ---- Histograms ------------------------------------------------------------------------------ */

/* The highest bin that lies in a column of characters. */
static double column_height(const text_grid *g, int x)
{
    const plot_bins *b = &g->f->bins;
    double columns = g->right - g->left;
    size_t from = (size_t)((x - g->left) / columns * (double)b->n);
    size_t to = (size_t)ceil((x - g->left + 1) / columns * (double)b->n);
    double height = 0;
    for (size_t i = from; i < to && i < b->n; i++)
        height = b->n > columns ? fmax(height, b->heights[i]) : b->heights[from];
    return height;
}

static void draw_blocks(text_grid *g)
{
    for (int x = g->left; x < g->right; x++) {
        double scaled = plot__scale(&g->f->y, column_height(g, x));
        if (isnan(scaled))
            continue;
        double eighths = plot__place(&g->f->y, scaled) * (g->bottom - g->top) * 8;
        for (int y = g->bottom - 1; y >= g->top && eighths >= 0.5; y--) {
            uint32_t part = (uint32_t)fmin(floor(eighths + 0.5), 8);
            if (!g->opts.ascii)
                text__put(g, x, y, RISING + part, text__series_ink(0));
            else if (part >= 4)
                text__put(g, x, y, '#', text__series_ink(0));
            eighths -= 8;
        }
    }
}

static void draw_outline(text_grid *g, size_t k)
{
    const plot_bins *b = &g->f->bins;
    int base = text__dot_y(g, g->f->y.log ? g->f->y.low : 0);
    int last = base;
    for (size_t i = 0; i <= b->n; i++) {
        double height = i < b->n ? plot__scale(&g->f->y, b->heights[k * b->n + i]) : 0;
        int y = i == b->n || isnan(height) ? base : text__dot_y(g, height);
        int x = text__dot_x(g, b->low + b->width * (double)i);
        text__line(g, x, last, x, y, k);
        if (i < b->n)
            text__line(g, x, y, text__dot_x(g, b->low + b->width * (double)(i + 1)), y, k);
        last = y;
    }
}

static void draw_bins(text_grid *g)
{
    if (g->f->plot->n_series == 1)
        draw_blocks(g);
    for (size_t k = 0; k < g->f->plot->n_series && g->f->plot->n_series > 1; k++)
        draw_outline(g, k);
}

static eai_status draw_framed(text_grid *g, eai_error *err)
{
    static void (*const draw[])(text_grid *) = {
        [EAI_PLOT_KIND_LINE] = draw_lines,
        [EAI_PLOT_KIND_SCATTER] = draw_points,
        [EAI_PLOT_KIND_HISTOGRAM] = draw_bins,
        [EAI_PLOT_KIND_PARETO] = draw_front,
    };
    EAI_TRY(text__grid_init(g, g->opts.height, err));
    text__draw_frame(g);
    draw[g->f->plot->kind](g);
    return EAI_OK;
}

/* ---- Bars ------------------------------------------------------------------------------------ */

/* "12.3", or "12.3 (11.9 to 12.8)" with an interval. */
static void format_bar(char *buf, size_t n, const eai_plot_series *s, size_t i)
{
    char low[32];
    char high[32];
    char value[32];
    plot__format_value(value, sizeof(value), s->y[i]);
    bool interval = s->y_low && s->y_high && isfinite(s->y_low[i]) && isfinite(s->y_high[i]);
    if (interval) {
        plot__format_value(low, sizeof(low), s->y_low[i]);
        plot__format_value(high, sizeof(high), s->y_high[i]);
        snprintf(buf, n, "%s (%s to %s)", value, low, high);
    } else {
        snprintf(buf, n, "%s", isfinite(s->y[i]) ? value : "-");
    }
}

/* Where the columns of a bar chart are. */
typedef struct bar_columns {
    int names, series, numbers;
    int from, to; /* of the bars; `to` is outside */
    size_t n_rows;
} bar_columns;

static bar_columns measure_bars(const text_grid *g)
{
    const eai_plot *p = g->f->plot;
    const plot_axis *names = &g->f->y;
    char text[128];
    bar_columns c = {0};
    for (size_t i = 0; i < names->n_names; i++) {
        int columns = text__columns(names->names ? names->names[i] : NULL, i, g->width / 3);
        c.names = columns > c.names ? columns : c.names;
    }
    for (size_t k = 0; k < p->n_series; k++) {
        int columns = p->n_series > 1 ? text__columns(p->series[k].name, k, g->width / 5) : 0;
        c.series = columns > c.series ? columns : c.series;
        for (size_t i = 0; i < p->series[k].n; i++) {
            format_bar(text, sizeof(text), &p->series[k], i);
            c.numbers = (int)strlen(text) > c.numbers ? (int)strlen(text) : c.numbers;
        }
    }
    c.numbers = c.numbers > g->width / 3 ? g->width / 3 : c.numbers;
    c.from = c.names + 1 + (c.series ? c.series + 1 : 0) + 1;
    c.to = g->width - c.numbers - 1;
    c.n_rows = names->n_names < MAX_ROWS ? names->n_names : MAX_ROWS;
    return c;
}

/* A bar from the place of 0 to that of the value; to the left only in whole blocks. */
static void draw_bar(text_grid *g, const bar_columns *c, int y, size_t k, double value)
{
    const plot_axis *a = &g->f->x;
    double columns = c->to - c->from;
    double zero = plot__place(a, a->log ? a->low : 0) * columns;
    double end = plot__place(a, value) * columns;
    int32_t ink = text__series_ink(k);
    uint32_t full = g->opts.ascii ? '#' : BLOCK;
    if (end < zero) {
        for (int x = (int)floor(end + 0.5); x < (int)floor(zero + 0.5); x++)
            text__put(g, c->from + x, y, full, ink);
        return;
    }
    int x = (int)floor(zero + 0.5);
    for (; x + 1 <= end; x++)
        text__put(g, c->from + x, y, full, ink);
    int eighths = (int)floor((end - x) * 8 + 0.5);
    if (g->opts.ascii && eighths >= 4)
        text__put(g, c->from + x, y, full, ink);
    else if (!g->opts.ascii && eighths > 0)
        text__put(g, c->from + x, y, (uint32_t)(BLOCK + 8 - eighths), ink);
}

static void draw_bar_row(text_grid *g, const bar_columns *c, int y, size_t k, size_t i)
{
    const eai_plot *p = g->f->plot;
    const eai_plot_series *s = &p->series[k];
    char text[128];
    if (c->series)
        text__write(g, c->names + 1, y, s->name, k, c->series, 0);
    text__put(g, c->from - 1, y, g->opts.ascii ? '|' : 0x2502, TEXT_NO_COLOR);
    if (i >= s->n)
        return;
    double value = plot__scale(&g->f->x, s->y[i]);
    if (!isnan(value))
        draw_bar(g, c, y, k, value);
    format_bar(text, sizeof(text), s, i);
    text__write(g, c->to + 1, y, text, 0, c->numbers, 0);
}

static eai_status draw_bars(text_grid *g, eai_error *err)
{
    const eai_plot *p = g->f->plot;
    size_t n_series = p->n_series < MAX_ROWS ? p->n_series : MAX_ROWS;
    if (!g->f->horizontal)
        plot__lay_bars(g->f);
    plot__fit_axis(&g->f->x, 4);
    bar_columns c = measure_bars(g);
    size_t lines = n_series + (n_series > 1); /* a blank one between groups */
    while (c.n_rows > 1 && c.n_rows * lines > MAX_ROWS)
        c.n_rows--;
    size_t left_out = g->f->y.n_names - c.n_rows;
    int y = (p->title != NULL) + (g->f->x_label != NULL);
    int n_lines = (int)(c.n_rows * lines) - (n_series > 1 && left_out == 0);
    EAI_TRY(text__grid_init(g, y + n_lines + (left_out > 0), err));
    if (p->title)
        text__write(g, g->width / 2, 0, p->title, 0, g->width, 0.5);
    if (g->f->x_label)
        text__write(g, c.from, y - 1, g->f->x_label, 0, g->width - c.from, 0);
    for (size_t i = 0; i < c.n_rows; i++) {
        const char *name = g->f->y.names ? g->f->y.names[i] : NULL;
        text__write(g, 0, y, name, i, c.names, 0);
        for (size_t k = 0; k < n_series; k++)
            draw_bar_row(g, &c, y++, k, i);
        y += n_series > 1;
    }
    char text[64];
    snprintf(text, sizeof(text), "and %zu more", left_out);
    if (left_out)
        text__write(g, 0, g->height - 1, text, 0, g->width, 0);
    return EAI_OK;
}

/* ---- Heat maps ------------------------------------------------------------------------------- */

/* The map as it is shown: cells of `width` characters, each the mean of the cells under it when
 * there are more than fit. */
typedef struct shown_cells {
    int left, width;
    size_t n_columns, n_rows;
    bool numbers;
} shown_cells;

static double mean_of_cells(const plot_figure *f, const shown_cells *c, size_t row, size_t column)
{
    static const plot_axis plain = {0};
    double sum = 0;
    size_t n = 0;
    for (size_t r = row * f->n_rows / c->n_rows; r < (row + 1) * f->n_rows / c->n_rows; r++) {
        for (size_t k = column * f->n_columns / c->n_columns;
             k < (column + 1) * f->n_columns / c->n_columns; k++) {
            double value = plot__scale(&plain, f->plot->series[0].y[r * f->n_columns + k]);
            if (isnan(value))
                continue;
            sum += value;
            n++;
        }
    }
    return n ? sum / (double)n : (double)NAN;
}

static shown_cells measure_cells(const text_grid *g)
{
    const plot_figure *f = g->f;
    shown_cells c = {.n_rows = f->n_rows < MAX_ROWS ? f->n_rows : MAX_ROWS};
    char text[32];
    int longest = 1;
    for (size_t i = 0; i < f->n_rows; i++) {
        int columns = text__columns(f->y.names ? f->y.names[i] : NULL, i, g->width / 4);
        c.left = columns + 1 > c.left ? columns + 1 : c.left;
    }
    for (size_t i = 0; i < f->plot->series[0].n; i++) {
        plot__format_value(text, sizeof(text), f->plot->series[0].y[i]);
        longest = (int)strlen(text) > longest ? (int)strlen(text) : longest;
    }
    size_t room = (size_t)(g->width - c.left);
    c.n_columns = f->n_columns < room ? f->n_columns : room;
    c.width = (int)(room / c.n_columns);
    c.numbers = c.width >= longest + 2;
    int enough = 2 * longest + 2 > 8 ? 2 * longest + 2 : 8;
    if (c.width > enough)
        c.width = enough;
    return c;
}

/* Without colours, denser is more. */
static uint32_t shade(const text_grid *g, double place)
{
    static const uint32_t shades[] = {' ', 0x2591, 0x2592, 0x2593, 0x2588};
    static const char ascii[] = " .:-=+*#%@";
    if (g->opts.ascii)
        return (uint32_t)ascii[(int)fmin(place * 10, 9)];
    return shades[(int)fmin(place * 5, 4)];
}

static void draw_cell(text_grid *g, const shown_cells *c, int x, int y, double value)
{
    char text[32];
    bool color = g->opts.color != EAI_PLOT_COLOR_NONE;
    double place = plot__cell_place(g->f, value);
    plot_rgb rgb = plot__map_color(place, g->f->plot->diverging);
    plot__format_value(text, sizeof(text), value);
    int start = c->numbers ? x + (c->width - (int)strlen(text) + !color) / 2 : x + c->width;
    for (int i = x; i < x + c->width; i++) {
        if (isnan(value))
            text__put(g, i, y, i == x + c->width / 2 ? '-' : ' ', TEXT_NO_COLOR);
        else if (!color && (!c->numbers || i < start - 1))
            text__put(g, i, y, shade(g, place), TEXT_NO_COLOR);
        if (color && !isnan(value))
            g->cells[(size_t)y * (size_t)g->width + (size_t)i].paper = text__pack(rgb);
    }
    if (!c->numbers || isnan(value))
        return;
    for (int i = 0; text[i]; i++)
        text__put(g, start + i, y, (uint32_t)text[i],
                  !color                      ? TEXT_NO_COLOR
                  : plot__lightness(rgb) > 55 ? 0
                                              : 0xFFFFFF);
}

static void draw_scale(text_grid *g, const shown_cells *c, int y)
{
    char text[32];
    plot__format_value(text, sizeof(text), g->f->cell_low);
    int x = c->left + text__write(g, c->left, y, text, 0, g->width, 0) + 1;
    int n = g->width - x - 10;
    n = n > 20 ? 20 : n < 2 ? 2 : n;
    for (int i = 0; i < n; i++, x++) {
        double place = i / (n - 1.0);
        text__put(g, x, y, shade(g, place), TEXT_NO_COLOR);
        if (g->opts.color != EAI_PLOT_COLOR_NONE && x < g->width) {
            text_cell *cell = &g->cells[(size_t)y * (size_t)g->width + (size_t)x];
            cell->paper = text__pack(plot__map_color(place, g->f->plot->diverging));
            cell->ch = ' ';
        }
    }
    plot__format_value(text, sizeof(text), g->f->cell_high);
    text__write(g, x + 1, y, text, 0, g->width - x - 1, 0);
}

static eai_status draw_heat_map(text_grid *g, eai_error *err)
{
    const plot_figure *f = g->f;
    shown_cells c = measure_cells(g);
    int y = (f->plot->title != NULL) + (f->x_label != NULL) + (f->y_label != NULL);
    EAI_TRY(text__grid_init(g, y + (int)c.n_rows + 3, err));
    if (f->plot->title)
        text__write(g, g->width / 2, 0, f->plot->title, 0, g->width, 0.5);
    if (f->y_label)
        text__write(g, 0, y - 1 - (f->x_label != NULL), f->y_label, 0, g->width, 0);
    if (f->x_label)
        text__write(g, c.left, y - 1, f->x_label, 0, g->width - c.left, 0);
    for (size_t k = 0; k < c.n_columns && (c.width > 2 || f->n_columns < 10); k++)
        text__write(g, c.left + (int)k * c.width + c.width / 2, y,
                    f->x.names ? f->x.names[k] : NULL, k, c.width - (c.width > 2), 0.5);
    for (size_t r = 0; r < c.n_rows; r++) {
        size_t first = r * f->n_rows / c.n_rows;
        y++;
        text__write(g, 0, y, f->y.names ? f->y.names[first] : NULL, first, c.left - 1, 0);
        for (size_t k = 0; k < c.n_columns; k++)
            draw_cell(g, &c, c.left + (int)k * c.width, y, mean_of_cells(f, &c, r, k));
    }
    draw_scale(g, &c, g->height - 1);
    return EAI_OK;
}

eai_status text__draw(text_grid *g, eai_error *err)
{
    if (g->f->plot->kind == EAI_PLOT_KIND_BAR)
        return draw_bars(g, err);
    if (g->f->plot->kind == EAI_PLOT_KIND_HEATMAP)
        return draw_heat_map(g, err);
    return draw_framed(g, err);
}
