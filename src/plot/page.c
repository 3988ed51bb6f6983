/* The page around the marks: title, legend, axes with ticks and names.
 *
 * The room for text is measured first, then the axes get what is left, then ticks are chosen that
 * do not run into each other. The legend stands above the axes, in rows: there it covers no value,
 * whatever the values are. Start at plot__draw_page. */
#include "plot/page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

#define MIN_FONT     10.67 /* 8 points */
#define MAX_FONT     14.0
#define PAD          10.0
#define MAX_LEGEND   4 /* rows */
#define QUARTER_TURN 1.5707963267948966

void plot__set_color(const plot_page *p, plot_rgb c, double alpha)
{
    cairo_set_source_rgba(p->cr, c.r, c.g, c.b, alpha);
}

double plot__text_width(const plot_page *p, const char *text)
{
    cairo_text_extents_t e;
    cairo_text_extents(p->cr, text, &e);
    return e.x_advance;
}

void plot__draw_text(const plot_page *p, const char *text, double x, double y, double align)
{
    cairo_move_to(p->cr, x - align * plot__text_width(p, text), y);
    cairo_show_text(p->cr, text);
    cairo_new_path(p->cr);
}

char *plot__fit_label(const plot_page *p, char buf[PLOT_MAX_LABEL], const char *text, size_t i,
                      double room)
{
    plot__clean_label(buf, text, i);
    size_t n = strlen(buf);
    double width = plot__text_width(p, buf);
    while (n > 0 && width > room) {
        size_t fits = (size_t)((double)n * fmax(room, 0) / width);
        n = fits < n ? fits : n - 1;
        while (n > 0 && ((unsigned char)buf[n] & 0xC0) == 0x80)
            n--;
        if (n + 4 > PLOT_MAX_LABEL)
            n = PLOT_MAX_LABEL - 4;
        memcpy(buf + n, n > 0 ? "..." : "", n > 0 ? 4 : 1);
        width = plot__text_width(p, buf);
    }
    return buf;
}

double plot__page_x(const plot_page *p, double scaled)
{
    return p->left + plot__place(&p->f->x, scaled) * (p->right - p->left);
}

double plot__page_y(const plot_page *p, double scaled)
{
    return p->bottom - plot__place(&p->f->y, scaled) * (p->bottom - p->top);
}

double plot__snap(const plot_page *p, double v)
{
    return (floor(v * p->scale) + 0.5) / p->scale;
}

/* ---- Title and legend ------------------------------------------------------------------------ */

static void set_font(const plot_page *p, double size, bool bold)
{
    cairo_select_font_face(p->cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(p->cr, size);
}

/* Draws the title over the whole width; returns where it ends. */
static double draw_title(plot_page *p, double y)
{
    char text[PLOT_MAX_LABEL];
    if (!p->f->plot->title)
        return y;
    set_font(p, p->font * 1.2, true);
    plot__set_color(p, p->theme->ink, 1);
    plot__fit_label(p, text, p->f->plot->title, 0, p->width - 2 * PAD);
    plot__draw_text(p, text, p->width / 2, y + p->font * 1.2, 0.5);
    set_font(p, p->font, false);
    return y + p->font * 2;
}

/* The name of legend entry k, NULL when it has none. The entry behind the series is the front's. */
static const char *entry_name(const plot_figure *f, size_t k)
{
    if (k < f->plot->n_series)
        return f->plot->kind == EAI_PLOT_KIND_HEATMAP ? NULL : f->plot->series[k].name;
    return f->plot->kind == EAI_PLOT_KIND_PARETO ? "Pareto front" : NULL;
}

/* Draws the entries in rows, each as wide as it is, on at most a third of the page; there is no
 * room for more. Returns where the legend ends. */
static double draw_legend(plot_page *p, double y)
{
    const double sample = p->font * 2.2;
    const double line = p->font * 1.5;
    char text[PLOT_MAX_LABEL];
    double x = PAD + p->font;
    int row = 0;
    int max_rows = (int)fmin(p->height / 3 / line, MAX_LEGEND);
    for (size_t k = 0; k <= p->f->plot->n_series; k++) {
        const char *name = entry_name(p->f, k);
        if (!name)
            continue;
        plot__fit_label(p, text, name, k, p->width - sample - 4 * p->font);
        double width = sample + p->font * 0.5 + plot__text_width(p, text);
        if (row > 0 && x + width > p->width - PAD) {
            row++;
            x = PAD + p->font;
        }
        row += row == 0;
        if (row > max_rows) {
            row--;
            break;
        }
        double base = y + line * row - p->font * 0.35;
        plot__draw_sample(p, k, x, base - p->font * 0.35, sample);
        plot__set_color(p, p->theme->ink, 1);
        plot__draw_text(p, text, x + sample + p->font * 0.5, base, 0);
        x += width + p->font * 1.5;
    }
    return row > 0 ? y + line * row + p->font * 0.4 : y;
}

/* ---- Axes ------------------------------------------------------------------------------------ */

/* Every how many names there is room for one: names that would touch are left out. */
static size_t name_stride(const plot_axis *a, double length, double room)
{
    double slot = length / (double)a->n_names;
    return slot >= room ? 1 : (size_t)ceil(room / slot);
}

static double widest_name(const plot_page *p, const plot_axis *a, double limit)
{
    char text[PLOT_MAX_LABEL];
    double widest = 0;
    for (size_t i = 0; i < a->n_names; i++) {
        plot__fit_label(p, text, a->names ? a->names[i] : NULL, i, limit);
        widest = fmax(widest, plot__text_width(p, text));
    }
    return widest;
}

static double widest_tick(const plot_page *p, const plot_axis *a)
{
    double ticks[PLOT_MAX_TICKS];
    char text[32];
    double widest = 0;
    int n = plot__list_ticks(ticks, a);
    for (int i = 0; i < n; i++) {
        plot__format_tick(text, sizeof(text), a, ticks[i]);
        widest = fmax(widest, plot__text_width(p, text));
    }
    return widest;
}

/* As many ticks as stand beside each other with a gap. */
static void fit_x_axis(plot_page *p)
{
    plot_axis *a = &p->f->x;
    double room = p->right - p->left;
    int n = (int)fmin(fmax(room / (p->font * 5), 2), 9);
    plot__fit_axis(a, n);
    if (a->has_names)
        return;
    while (n > 1) {
        double ticks[PLOT_MAX_TICKS];
        int n_ticks = plot__list_ticks(ticks, a);
        double closest = room;
        for (int i = 1; i < n_ticks; i++)
            closest = fmin(closest, (ticks[i] - ticks[i - 1]) / (a->high - a->low) * room);
        if (widest_tick(p, a) + p->font <= closest)
            break;
        n--;
        plot__fit_axis(a, n);
    }
}

/* Where the axes' area lies: what the labels leave. */
static void place_axes(plot_page *p)
{
    plot_figure *f = p->f;
    bool heat = f->plot->kind == EAI_PLOT_KIND_HEATMAP;
    p->bottom = p->height - PAD - p->font * 1.5 - (f->x_label ? p->font * 1.6 : 0);
    plot__fit_axis(&f->y, (int)fmin(fmax((p->bottom - p->top) / (p->font * 3.5), 2), 8));
    double widest = f->y.has_names ? widest_name(p, &f->y, p->width * 0.3) : widest_tick(p, &f->y);
    p->left = PAD + widest + p->font * 0.7 + (f->y_label ? p->font * 1.6 : 0);
    p->left = fmin(p->left, p->width * 0.6);
    p->right = p->width - PAD - (heat ? plot__color_bar_room(p) : p->font * 0.8);
    p->right = fmax(p->right, p->left + p->width * 0.2);
    if (f->x.has_names) {
        p->names_widest = widest_name(p, &f->x, p->height * 0.3);
        if (p->names_widest + p->font * 0.6 > (p->right - p->left) / (double)f->x.n_names) {
            p->names_room = p->names_widest + p->font * 0.6;
            p->bottom -= p->names_room - p->font * 1.5;
        }
    }
    p->bottom = fmax(p->bottom, p->top + p->height * 0.2);
    fit_x_axis(p);
}

static void draw_x_name(plot_page *p, size_t i, double at)
{
    char text[PLOT_MAX_LABEL];
    const plot_axis *a = &p->f->x;
    plot__fit_label(p, text, a->names ? a->names[i] : NULL, i, p->height * 0.3);
    if (p->names_room == 0) {
        plot__draw_text(p, text, at, p->bottom + p->font * 1.4, 0.5);
        return;
    }
    cairo_save(p->cr);
    cairo_translate(p->cr, at + p->font * 0.35, p->bottom + p->font * 0.5);
    cairo_rotate(p->cr, -QUARTER_TURN);
    plot__draw_text(p, text, 0, 0, 1);
    cairo_restore(p->cr);
}

static void draw_names(plot_page *p, bool horizontal)
{
    const plot_axis *a = horizontal ? &p->f->x : &p->f->y;
    double length = horizontal ? p->right - p->left : p->bottom - p->top;
    double room = horizontal && p->names_room == 0 ? 0 : p->font * 1.1;
    size_t stride = name_stride(a, length, room);
    char text[PLOT_MAX_LABEL];
    plot__set_color(p, p->theme->soft_ink, 1);
    for (size_t i = 0; i < a->n_names; i += stride) {
        if (horizontal) {
            draw_x_name(p, i, plot__page_x(p, (double)i));
            continue;
        }
        plot__fit_label(p, text, a->names ? a->names[i] : NULL, i, p->width * 0.3);
        plot__draw_text(p, text, p->left - p->font * 0.5,
                        plot__page_y(p, (double)i) + p->font * 0.35, 1);
    }
}

static void draw_line(plot_page *p, double x1, double y1, double x2, double y2)
{
    cairo_move_to(p->cr, x1, y1);
    cairo_line_to(p->cr, x2, y2);
    cairo_stroke(p->cr);
}

static void draw_ticks(plot_page *p, bool horizontal)
{
    const plot_axis *a = horizontal ? &p->f->x : &p->f->y;
    double ticks[PLOT_MAX_TICKS];
    char text[32];
    if (a->has_names) {
        draw_names(p, horizontal);
        return;
    }
    int n = plot__list_ticks(ticks, a);
    cairo_set_line_width(p->cr, 1);
    for (int i = 0; i < n; i++) {
        double at =
            plot__snap(p, horizontal ? plot__page_x(p, ticks[i]) : plot__page_y(p, ticks[i]));
        plot__set_color(p, p->theme->grid, 1);
        if (horizontal)
            draw_line(p, at, p->bottom, at, p->top);
        else
            draw_line(p, p->left, at, p->right, at);
        plot__set_color(p, p->theme->soft_ink, 1);
        plot__format_tick(text, sizeof(text), a, ticks[i]);
        if (horizontal)
            plot__draw_text(p, text, at, p->bottom + p->font * 1.4, 0.5);
        else
            plot__draw_text(p, text, p->left - p->font * 0.5, at + p->font * 0.35, 1);
    }
}

static void draw_labels(plot_page *p)
{
    char text[PLOT_MAX_LABEL];
    plot__set_color(p, p->theme->ink, 1);
    if (p->f->x_label) {
        plot__fit_label(p, text, p->f->x_label, 0, p->width - 2 * PAD);
        double width = plot__text_width(p, text);
        double x = fmin((p->left + p->right) / 2, p->width - PAD - width / 2);
        plot__draw_text(p, text, fmax(x, PAD + width / 2), p->height - PAD, 0.5);
    }
    if (p->f->y_label) {
        plot__fit_label(p, text, p->f->y_label, 0, p->height - PAD - p->top);
        double width = plot__text_width(p, text);
        double y = fmin((p->top + p->bottom) / 2, p->height - PAD - width / 2);
        cairo_save(p->cr);
        cairo_translate(p->cr, PAD + p->font * 0.8, fmax(y, p->top + width / 2));
        cairo_rotate(p->cr, -QUARTER_TURN);
        plot__draw_text(p, text, 0, 0, 0.5);
        cairo_restore(p->cr);
    }
}

/* The two axes' lines; bars that lie have theirs at the left, where 0 is not always. */
static void draw_frame(plot_page *p)
{
    plot__set_color(p, p->theme->soft_ink, 1);
    cairo_set_line_width(p->cr, 1);
    cairo_move_to(p->cr, plot__snap(p, p->left), plot__snap(p, p->top));
    cairo_line_to(p->cr, plot__snap(p, p->left), plot__snap(p, p->bottom));
    cairo_line_to(p->cr, plot__snap(p, p->right), plot__snap(p, p->bottom));
    cairo_stroke(p->cr);
}

/* Do the names stand beside each other below bars? Otherwise the bars are laid down. */
static bool names_fit(const plot_page *p)
{
    const plot_axis *a = &p->f->x;
    double slot = (p->width - 2 * PAD - p->font * 5) / (double)a->n_names;
    return widest_name(p, a, p->width) + p->font * 0.6 <= slot;
}

void plot__draw_page(plot_page *p)
{
    p->theme = plot__theme(p->f->plot->dark);
    p->font = fmin(fmax(p->width / 64, MIN_FONT), MAX_FONT);
    plot__set_color(p, p->theme->paper, 1);
    cairo_paint(p->cr);
    set_font(p, p->font, false);
    if (p->f->plot->kind == EAI_PLOT_KIND_BAR && !p->f->horizontal && !names_fit(p))
        plot__lay_bars(p->f);
    p->top = draw_legend(p, draw_title(p, PAD));
    p->top = fmin(p->top + p->font * 0.4, p->height * 0.6);
    place_axes(p);
    if (p->f->plot->kind == EAI_PLOT_KIND_HEATMAP) {
        plot__draw_cells(p);
        plot__draw_color_bar(p);
        draw_names(p, true);
        draw_names(p, false);
    } else {
        draw_ticks(p, true);
        draw_ticks(p, false);
        plot__draw_marks(p);
        draw_frame(p);
    }
    draw_labels(p);
}
