/* Line plots drawn with cairo: axes with round numbers, a grid, lines, a legend.
 *
 * Why our own: a training run should leave a picture without a second language beside it, and what
 * a loss curve needs is small. What it does not do: bars, images, date axes, several panels. Cairo
 * draws the same picture on a PNG or an SVG surface; both are written to memory first and then to
 * the file in one piece. Start at draw_plot. */
#include <efficientai/plot.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cairo-svg.h>
#include <cairo.h>

#include <efficientai/fs.h>

#include "base/strbuf.h"

#include "base/banned.h"

#define FONT           "sans-serif"
#define FONT_SIZE      14.0
#define TITLE_SIZE     18.0
#define MAX_TICKS      64
#define MAX_FILE_BYTES ((size_t)256 << 20)

/* Okabe and Ito's palette: told apart with every kind of colour vision, and in grey. */
static const double colors[][3] = {
    {0.000, 0.447, 0.698}, {0.835, 0.369, 0.000}, {0.000, 0.620, 0.451},
    {0.800, 0.475, 0.655}, {0.902, 0.624, 0.000}, {0.337, 0.706, 0.914},
};

/* One axis: the range of its values and where they lie on the picture. With `log`, low and high are
 * powers of ten (log10 of the values). */
typedef struct axis {
    bool log;
    double low, high;
    double from, to; /* pixels; y grows downwards, so from > to there */
    double step;     /* between ticks; a whole number of decades with log */
} axis;

typedef struct canvas {
    cairo_t *cr;
    const eai_plot *plot;
    axis x, y;
    double width, height;
} canvas;

/* The value on the axis' scale; NaN when it has no place there. */
static double to_scale(const axis *a, double value)
{
    if (!isfinite(value) || (a->log && value <= 0))
        return (double)NAN;
    return a->log ? log10(value) : value;
}

static double to_pixel(const axis *a, double scaled)
{
    return a->from + (scaled - a->low) / (a->high - a->low) * (a->to - a->from);
}

/* The values of one point, each on its axis' scale. False when there is a gap instead. */
static bool get_point(const canvas *c, const eai_plot_series *s, size_t i, double *x, double *y)
{
    *x = to_scale(&c->x, s->x ? s->x[i] : (double)(i + 1));
    *y = to_scale(&c->y, s->y[i]);
    return !isnan(*x) && !isnan(*y);
}

/* ---- Ranges and ticks ------------------------------------------------------------------------ */

/* The smallest of 1, 2, 5 times a power of ten that is at least `least`. */
static double round_step(double least)
{
    double power = pow(10, floor(log10(least)));
    double part = least / power;
    return power * (part <= 1.0001 ? 1 : part <= 2.0001 ? 2 : part <= 5.0001 ? 5 : 10);
}

/* Opens an empty range, and rounds it outwards to ticks; about `n_ticks` of them. */
static void fit_axis(axis *a, int n_ticks)
{
    if (a->high - a->low < 1e-9 * fmax(fabs(a->low), fabs(a->high)) || a->high == a->low) {
        double half = a->log ? 0.5 : a->low == 0 ? 1 : fabs(a->low) / 10;
        a->low -= half;
        a->high += half;
    }
    a->step = round_step((a->high - a->low) / n_ticks);
    if (a->log) {
        a->step = fmax(1, ceil(a->step));
        return;
    }
    a->low = a->step * floor(a->low / a->step + 1e-9);
    a->high = a->step * ceil(a->high / a->step - 1e-9);
}

/* The ranges of all values; EAI_ERR_ARGUMENT when there is none. */
static eai_status find_ranges(canvas *c, eai_error *err)
{
    bool any = false;
    for (size_t k = 0; k < c->plot->n_series; k++) {
        const eai_plot_series *s = &c->plot->series[k];
        for (size_t i = 0; i < s->n; i++) {
            double x;
            double y;
            if (!get_point(c, s, i, &x, &y))
                continue;
            c->x.low = any ? fmin(c->x.low, x) : x;
            c->x.high = any ? fmax(c->x.high, x) : x;
            c->y.low = any ? fmin(c->y.low, y) : y;
            c->y.high = any ? fmax(c->y.high, y) : y;
            any = true;
        }
    }
    if (!any)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "a plot needs at least one finite value");
    if (c->plot->y_from_zero && !c->y.log)
        c->y.low = fmin(c->y.low, 0);
    return EAI_OK;
}

/* The ticks of an axis, on its scale; returns their number. Under three decades of a logarithmic
 * axis there are ticks at 2 and 5 as well. */
static int list_ticks(double *ticks, const axis *a)
{
    static const double parts[] = {0, 0.30102999566398120, 0.69897000433601880};
    int n = 0;
    int n_parts = a->log && a->high - a->low < 3 ? 3 : 1;
    double slack = 1e-9 * (a->high - a->low);
    double first = floor(a->low / a->step);
    for (int i = 0; n < MAX_TICKS && (first + i) * a->step <= a->high + slack; i++) {
        for (int p = 0; p < n_parts && n < MAX_TICKS; p++) {
            double at = (first + i) * a->step + parts[p];
            if (at >= a->low - slack && at <= a->high + slack)
                ticks[n++] = at;
        }
    }
    return n;
}

/* "0.25", "1500", "2e-05": as few digits as tell neighbouring ticks apart. */
static void format_tick(char *buf, size_t n, const axis *a, double at)
{
    if (a->log) {
        snprintf(buf, n, "%.4g", pow(10, at));
        return;
    }
    double largest = fmax(fabs(a->low), fabs(a->high));
    int decimals = (int)fmax(0, -floor(log10(a->step) + 1e-9));
    if (largest >= 1e6 || decimals > 5)
        snprintf(buf, n, "%.3g", fabs(at) < a->step / 1e6 ? 0 : at);
    else
        snprintf(buf, n, "%.*f", decimals, fabs(at) < a->step / 1e6 ? 0 : at);
}

/* ---- Text ------------------------------------------------------------------------------------ */

static double text_width(cairo_t *cr, const char *text, double size)
{
    cairo_text_extents_t e;
    cairo_set_font_size(cr, size);
    cairo_text_extents(cr, text, &e);
    return e.x_advance;
}

/* Text whose base line starts at (x - align * width, y): align 0 left, 0.5 centred, 1 right. */
static void draw_text(cairo_t *cr, const char *text, double size, double x, double y, double align)
{
    double width = text_width(cr, text, size);
    cairo_move_to(cr, x - align * width, y);
    cairo_show_text(cr, text);
}

/* ---- The parts of the picture ---------------------------------------------------------------- */

/* Room left and below for the ticks' numbers and the labels. */
static void place_axes(canvas *c)
{
    double ticks[MAX_TICKS];
    char text[32];
    double widest = 0;
    int n = list_ticks(ticks, &c->y);
    for (int i = 0; i < n; i++) {
        format_tick(text, sizeof(text), &c->y, ticks[i]);
        widest = fmax(widest, text_width(c->cr, text, FONT_SIZE));
    }
    c->x.from = widest + 24 + (c->plot->y_label ? FONT_SIZE * 1.8 : 0);
    c->x.to = c->width - 28;
    c->y.from = c->height - 20 - FONT_SIZE - (c->plot->x_label ? FONT_SIZE * 1.8 : 0);
    c->y.to = c->plot->title ? TITLE_SIZE * 2.6 : 20;
}

static void draw_ticks(canvas *c, bool horizontal)
{
    cairo_t *cr = c->cr;
    const axis *a = horizontal ? &c->x : &c->y;
    double ticks[MAX_TICKS];
    char text[32];
    int n = list_ticks(ticks, a);
    for (int i = 0; i < n; i++) {
        double at = floor(to_pixel(a, ticks[i])) + 0.5; /* on a pixel: a sharp line */
        cairo_set_source_rgb(cr, 0.88, 0.88, 0.88);
        cairo_set_line_width(cr, 1);
        cairo_move_to(cr, horizontal ? at : c->x.from, horizontal ? c->y.from : at);
        cairo_line_to(cr, horizontal ? at : c->x.to, horizontal ? c->y.to : at);
        cairo_stroke(cr);
        cairo_set_source_rgb(cr, 0.25, 0.25, 0.25);
        format_tick(text, sizeof(text), a, ticks[i]);
        if (horizontal)
            draw_text(cr, text, FONT_SIZE, at, c->y.from + FONT_SIZE + 8, 0.5);
        else
            draw_text(cr, text, FONT_SIZE, c->x.from - 8, at + FONT_SIZE * 0.35, 1);
    }
}

static void draw_labels(canvas *c)
{
    cairo_t *cr = c->cr;
    double middle_x = (c->x.from + c->x.to) / 2;
    double middle_y = (c->y.from + c->y.to) / 2;
    cairo_set_source_rgb(cr, 0.1, 0.1, 0.1);
    if (c->plot->title)
        draw_text(cr, c->plot->title, TITLE_SIZE, middle_x, TITLE_SIZE * 1.7, 0.5);
    if (c->plot->x_label)
        draw_text(cr, c->plot->x_label, FONT_SIZE, middle_x, c->height - 14, 0.5);
    if (c->plot->y_label) {
        cairo_save(cr);
        cairo_translate(cr, FONT_SIZE * 1.6, middle_y);
        cairo_rotate(cr, -1.5707963267948966);
        draw_text(cr, c->plot->y_label, FONT_SIZE, 0, 0, 0.5);
        cairo_restore(cr);
    }
}

static void draw_axes(canvas *c)
{
    draw_ticks(c, true);
    draw_ticks(c, false);
    cairo_set_source_rgb(c->cr, 0.25, 0.25, 0.25);
    cairo_set_line_width(c->cr, 1);
    cairo_move_to(c->cr, floor(c->x.from) + 0.5, floor(c->y.to) + 0.5);
    cairo_line_to(c->cr, floor(c->x.from) + 0.5, floor(c->y.from) + 0.5);
    cairo_line_to(c->cr, floor(c->x.to) + 0.5, floor(c->y.from) + 0.5);
    cairo_stroke(c->cr);
    draw_labels(c);
}

static void set_series_color(cairo_t *cr, size_t k, eai_plot_style style)
{
    const double *rgb = colors[k % (sizeof(colors) / sizeof(colors[0]))];
    cairo_set_source_rgba(cr, rgb[0], rgb[1], rgb[2], style == EAI_PLOT_FAINT ? 0.4 : 1);
    cairo_set_line_width(cr, style == EAI_PLOT_FAINT ? 1.2 : 2.2);
}

static void draw_dot(cairo_t *cr, double x, double y)
{
    cairo_new_path(cr);
    cairo_arc(cr, x, y, 4, 0, 6.283185307179586);
    cairo_fill(cr);
}

static void draw_series(canvas *c, size_t k)
{
    const eai_plot_series *s = &c->plot->series[k];
    bool drawing = false; /* the point before this one was no gap */
    double x;
    double y;
    set_series_color(c->cr, k, s->style);
    cairo_set_line_join(c->cr, CAIRO_LINE_JOIN_ROUND);
    cairo_new_path(c->cr);
    for (size_t i = 0; i < s->n; i++) {
        if (!get_point(c, s, i, &x, &y)) {
            drawing = false;
            continue;
        }
        if (drawing)
            cairo_line_to(c->cr, to_pixel(&c->x, x), to_pixel(&c->y, y));
        else
            cairo_move_to(c->cr, to_pixel(&c->x, x), to_pixel(&c->y, y));
        drawing = true;
    }
    cairo_stroke(c->cr);
    /* A single value has no line: it always gets its dot. */
    for (size_t i = 0; i < s->n && (s->style == EAI_PLOT_POINTS || s->n == 1); i++) {
        if (get_point(c, s, i, &x, &y))
            draw_dot(c->cr, to_pixel(&c->x, x), to_pixel(&c->y, y));
    }
}

/* ---- The legend: in the corner with the fewest points --------------------------------------- */

typedef struct box {
    double x, y, width, height;
} box;

static size_t count_points_inside(const canvas *c, const box *b)
{
    size_t n = 0;
    for (size_t k = 0; k < c->plot->n_series; k++) {
        const eai_plot_series *s = &c->plot->series[k];
        for (size_t i = 0; i < s->n; i++) {
            double x;
            double y;
            if (!get_point(c, s, i, &x, &y))
                continue;
            x = to_pixel(&c->x, x);
            y = to_pixel(&c->y, y);
            n += x >= b->x && x <= b->x + b->width && y >= b->y && y <= b->y + b->height;
        }
    }
    return n;
}

static box place_legend(const canvas *c, double width, double height)
{
    const double gap = 12;
    double right = c->x.to - width - gap;
    double left = c->x.from + gap;
    double top = c->y.to + gap;
    double bottom = c->y.from - height - gap;
    const box corners[] = {{right, top, width, height},
                           {left, bottom, width, height},
                           {right, bottom, width, height},
                           {left, top, width, height}};
    box best = corners[0];
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < sizeof(corners) / sizeof(corners[0]); i++) {
        size_t n = count_points_inside(c, &corners[i]);
        if (n < fewest) {
            fewest = n;
            best = corners[i];
        }
    }
    return best;
}

static void draw_legend(canvas *c)
{
    const double line = FONT_SIZE * 1.6;
    const double sample = 30; /* pixels of line shown before a name */
    double widest = 0;
    size_t n = 0;
    for (size_t k = 0; k < c->plot->n_series; k++) {
        if (c->plot->series[k].name) {
            widest = fmax(widest, text_width(c->cr, c->plot->series[k].name, FONT_SIZE));
            n++;
        }
    }
    if (n == 0)
        return;
    box b = place_legend(c, sample + widest + 36, (double)n * line + 12);
    cairo_set_source_rgba(c->cr, 1, 1, 1, 0.85);
    cairo_rectangle(c->cr, floor(b.x) + 0.5, floor(b.y) + 0.5, floor(b.width), floor(b.height));
    cairo_fill_preserve(c->cr);
    cairo_set_source_rgb(c->cr, 0.8, 0.8, 0.8);
    cairo_set_line_width(c->cr, 1);
    cairo_stroke(c->cr);
    double y = b.y + 6 + line / 2;
    for (size_t k = 0; k < c->plot->n_series; k++) {
        const eai_plot_series *s = &c->plot->series[k];
        if (!s->name)
            continue;
        set_series_color(c->cr, k, s->style);
        cairo_move_to(c->cr, b.x + 12, y);
        cairo_line_to(c->cr, b.x + 12 + sample, y);
        cairo_stroke(c->cr);
        if (s->style == EAI_PLOT_POINTS)
            draw_dot(c->cr, b.x + 12 + sample / 2, y);
        cairo_set_source_rgb(c->cr, 0.1, 0.1, 0.1);
        draw_text(c->cr, s->name, FONT_SIZE, b.x + 12 + sample + 10, y + FONT_SIZE * 0.35, 0);
        y += line;
    }
}

static eai_status draw_plot(cairo_t *cr, const eai_plot *plot, double width, double height,
                            eai_error *err)
{
    canvas c = {.cr = cr, .plot = plot, .width = width, .height = height};
    c.x.log = plot->log_x;
    c.y.log = plot->log_y;
    EAI_TRY(find_ranges(&c, err));
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_select_font_face(cr, FONT, CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    /* The x axis ends where the data end: no empty strip beside the last step. */
    double x_low = c.x.low;
    double x_high = c.x.high;
    fit_axis(&c.x, 8);
    fit_axis(&c.y, 6);
    if (x_high > x_low) {
        c.x.low = x_low;
        c.x.high = x_high;
    }
    place_axes(&c);
    draw_axes(&c);
    cairo_save(cr);
    cairo_rectangle(cr, c.x.from - 5, c.y.to - 5, c.x.to - c.x.from + 10, c.y.from - c.y.to + 10);
    cairo_clip(cr);
    for (size_t k = 0; k < plot->n_series; k++)
        draw_series(&c, k);
    cairo_restore(cr);
    draw_legend(&c);
    return EAI_OK;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static cairo_status_t append_bytes(void *ud, const unsigned char *data, unsigned int n)
{
    eai_strbuf *b = ud;
    eai_strbuf_bytes(b, data, n);
    return b->status == EAI_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text);
    size_t m = strlen(ending);
    return n >= m && strcmp(text + n - m, ending) == 0;
}

eai_status eai_plot_write(const eai_plot *plot, const char *path, eai_error *err)
{
    eai_status st = EAI_OK;
    eai_strbuf file = EAI_STRBUF_INIT(MAX_FILE_BYTES);
    cairo_surface_t *surface = NULL;
    cairo_t *cr = NULL;
    cairo_status_t cs;
    bool png = ends_with(path, ".png");
    int width = plot->width ? plot->width : 960;
    int height = plot->height ? plot->height : 540;

    if (!png && !ends_with(path, ".svg")) {
        st = eai_error_set(err, EAI_ERR_ARGUMENT, "'%s': a plot ends in .png or .svg", path);
        goto done;
    }
    if (width < 100 || width > 10000 || height < 100 || height > 10000) {
        st = eai_error_set(err, EAI_ERR_ARGUMENT, "plot of %d x %d: each side is 100 to 10000",
                           width, height);
        goto done;
    }
    surface = png ? cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height)
                  : cairo_svg_surface_create_for_stream(append_bytes, &file, width, height);
    cr = cairo_create(surface);
    st = draw_plot(cr, plot, width, height, err);
    if (st != EAI_OK)
        goto done;
    cs = cairo_status(cr);
    if (cs == CAIRO_STATUS_SUCCESS && png)
        cs = cairo_surface_write_to_png_stream(surface, append_bytes, &file);
    cairo_surface_finish(surface); /* an SVG is written now */
    if (cs == CAIRO_STATUS_SUCCESS)
        cs = cairo_surface_status(surface);
    st = eai_strbuf_check(&file, "plot", err);
    if (st == EAI_OK && cs != CAIRO_STATUS_SUCCESS)
        st = eai_error_set(err, cs == CAIRO_STATUS_NO_MEMORY ? EAI_ERR_NOMEM : EAI_ERR_INTERNAL,
                           "plot '%s': %s", path, cairo_status_to_string(cs));
    if (st == EAI_OK)
        st = eai_fs_write_atomic(path, file.data, file.length, err);
done:
    cairo_destroy(cr);
    /* Before the buffer goes: an unfinished SVG surface writes to it once more. */
    cairo_surface_destroy(surface);
    eai_strbuf_deinit(&file);
    return st;
}
