/* Figures as text: the grid of characters, the frame around a plot, and what is printed.
 *
 * Colours are set where they change and given back at the end of each line, so that a line may be
 * cut or paged. Start at eai_plot_to_text. */
#include <efficientai/plot.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/strbuf.h"
#include "plot/text.h"

#include "base/banned.h"

#define MAX_TEXT_BYTES ((size_t)16 << 20)
#define BRAILLE        0x2800

/* ---- Cells ----------------------------------------------------------------------------------- */

eai_status text__grid_init(text_grid *g, int height, eai_error *err)
{
    size_t n = (size_t)g->width * (size_t)height;
    g->height = height;
    g->cells = eai_arena_zeroed(g->f->arena, n, sizeof(*g->cells));
    if (!g->cells)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a plot of %d x %d characters",
                             g->width, height);
    for (size_t i = 0; i < n; i++)
        g->cells[i].ink = g->cells[i].paper = TEXT_NO_COLOR;
    return EAI_OK;
}

static text_cell *get_cell(const text_grid *g, int x, int y)
{
    if (x < 0 || y < 0 || x >= g->width || y >= g->height)
        return NULL;
    return &g->cells[(size_t)y * (size_t)g->width + (size_t)x];
}

void text__put(text_grid *g, int x, int y, uint32_t ch, int32_t ink)
{
    text_cell *c = get_cell(g, x, y);
    if (!c)
        return;
    c->ch = ch;
    c->ink = ink;
}

int32_t text__pack(plot_rgb c)
{
    return (int32_t)(c.r * 255 + 0.5) << 16 | (int32_t)(c.g * 255 + 0.5) << 8 |
           (int32_t)(c.b * 255 + 0.5);
}

int32_t text__series_ink(size_t k)
{
    /* The last colour is that of ink: on a terminal, whatever text has there. */
    if (k == TEXT_FRONT || k % PLOT_N_COLORS == PLOT_N_COLORS - 1)
        return TEXT_NO_COLOR;
    return text__pack(plot__series_color(k, true));
}

uint32_t text__marker(const text_grid *g, size_t k)
{
    static const uint32_t marks[] = {0x25CF, 0x25A0, 0x25B2, 0x25C6, 0x25BC, 0x2716};
    static const char ascii[] = "*+ox#@";
    if (k == TEXT_FRONT)
        return ':';
    return g->opts.ascii ? (uint32_t)ascii[k % 6] : marks[k % 6];
}

/* ---- Text ------------------------------------------------------------------------------------ */

/* Reads a character of a cleaned label; *columns is what it takes on a terminal. In ASCII all
 * others are '?'. Returns the bytes read, 0 at the end. */
static size_t next_character(uint32_t *ch, int *columns, const char *text, bool ascii)
{
    utf8proc_int32_t c = 0;
    if (*text == '\0')
        return 0;
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)strlen(text), &c);
    if (n <= 0) {
        n = 1;
        c = '?';
    }
    *columns = utf8proc_charwidth(c);
    if (ascii && c >= 0x80) {
        *columns = *columns > 0;
        c = '?';
    }
    *ch = (uint32_t)c;
    return (size_t)n;
}

int text__columns(const char *label, size_t i, int room)
{
    char text[PLOT_MAX_LABEL];
    const char *at = plot__clean_label(text, label, i);
    int total = 0;
    int columns = 0;
    uint32_t ch = 0;
    for (size_t n; (n = next_character(&ch, &columns, at, false)) > 0; at += n)
        total += columns;
    return total < room ? total : room;
}

int text__write(text_grid *g, int x, int y, const char *label, size_t i, int room, double align)
{
    char text[PLOT_MAX_LABEL];
    const char *at = plot__clean_label(text, label, i);
    int columns = text__columns(label, i, PLOT_MAX_LABEL);
    bool cut = columns > room;
    int used = 0;
    int width = 0;
    uint32_t ch = 0;
    if (room <= 0)
        return 0;
    if (cut)
        columns = room;
    x -= (int)(align * columns);
    for (size_t n; (n = next_character(&ch, &width, at, g->opts.ascii)) > 0; at += n) {
        if (width <= 0) /* a combining mark would need a cell of its own */
            continue;
        if (used + width > (cut ? room - 1 : room))
            break;
        text__put(g, x + used, y, ch, TEXT_NO_COLOR);
        if (width == 2) {
            text_cell *next = get_cell(g, x + used + 1, y);
            if (next)
                next->ch = UINT32_MAX; /* the right half of the one before */
        }
        used += width;
    }
    if (cut)
        text__put(g, x + used++, y, g->opts.ascii ? (uint32_t)'~' : 0x2026, TEXT_NO_COLOR);
    return used;
}

/* ---- Dots ------------------------------------------------------------------------------------ */

void text__dot(text_grid *g, int x, int y, size_t k, int32_t ink)
{
    /* Braille's numbering: three rows of two, then a fourth that was added later. */
    static const uint8_t bits[TEXT_DOTS_Y][TEXT_DOTS_X] = {
        {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    int cx = x / TEXT_DOTS_X;
    int cy = y / TEXT_DOTS_Y;
    if (x < 0 || y < 0 || cx < g->left || cx >= g->right || cy < g->top || cy >= g->bottom)
        return;
    text_cell *c = get_cell(g, cx, cy);
    if (!c)
        return;
    c->ink = ink;
    if (g->opts.ascii)
        c->ch = text__marker(g, k);
    else if (c->ch == 0)
        c->dots |= bits[y % TEXT_DOTS_Y][x % TEXT_DOTS_X];
}

/* Bresenham's line; places are a few thousand dots at most. */
void text__line(text_grid *g, int x1, int y1, int x2, int y2, size_t k)
{
    int32_t ink = text__series_ink(k);
    int dx = abs(x2 - x1);
    int dy = -abs(y2 - y1);
    int step_x = x1 < x2 ? 1 : -1;
    int step_y = y1 < y2 ? 1 : -1;
    int error = dx + dy;
    for (;;) {
        text__dot(g, x1, y1, k, ink);
        if (x1 == x2 && y1 == y2)
            return;
        int twice = 2 * error;
        if (twice >= dy) {
            error += dy;
            x1 += step_x;
        }
        if (twice <= dx) {
            error += dx;
            y1 += step_y;
        }
    }
}

static int place_dots(double place, int from, int cells, int dots_a_cell)
{
    int n = cells * dots_a_cell;
    return from * dots_a_cell + (int)fmin(fmax(floor(place * n), 0), n - 1);
}

int text__dot_x(const text_grid *g, double scaled)
{
    return place_dots(plot__place(&g->f->x, scaled), g->left, g->right - g->left, TEXT_DOTS_X);
}

int text__dot_y(const text_grid *g, double scaled)
{
    return place_dots(1 - plot__place(&g->f->y, scaled), g->top, g->bottom - g->top, TEXT_DOTS_Y);
}

/* ---- The frame ------------------------------------------------------------------------------- */

/* Names of the series after their marks; returns the next line. */
static int draw_legend(text_grid *g, int y)
{
    const eai_plot *p = g->f->plot;
    int x = 2;
    bool any = false;
    for (size_t k = 0; k < p->n_series && y < g->height / 3; k++) {
        if (!p->series[k].name)
            continue;
        int columns = text__columns(p->series[k].name, k, g->width - 6);
        if (any && x + 2 + columns > g->width) {
            y++;
            x = 2;
        }
        text__put(g, x, y, text__marker(g, k), text__series_ink(k));
        x += 2 + text__write(g, x + 2, y, p->series[k].name, k, g->width - 6, 0) + 3;
        any = true;
    }
    return any ? y + 1 : y;
}

static void draw_y_ticks(text_grid *g, const double *ticks, int n, int widest)
{
    bool ascii = g->opts.ascii;
    char text[32];
    int free_from = g->height; /* ticks go up; a line has one number */
    for (int y = g->top; y < g->bottom; y++)
        text__put(g, g->left - 1, y, ascii ? '|' : 0x2502, TEXT_NO_COLOR);
    for (int i = 0; i < n; i++) {
        int y = text__dot_y(g, ticks[i]) / TEXT_DOTS_Y;
        if (y >= free_from)
            continue;
        free_from = y;
        plot__format_tick(text, sizeof(text), &g->f->y, ticks[i]);
        text__write(g, g->left - 2, y, text, 0, widest, 1);
        text__put(g, g->left - 1, y, ascii ? '+' : 0x2524, TEXT_NO_COLOR);
    }
}

static void draw_x_ticks(text_grid *g)
{
    double ticks[PLOT_MAX_TICKS];
    bool ascii = g->opts.ascii;
    char text[32];
    int free_from = 0;
    int n = plot__list_ticks(ticks, &g->f->x);
    for (int x = g->left; x < g->right; x++)
        text__put(g, x, g->bottom, ascii ? '-' : 0x2500, TEXT_NO_COLOR);
    text__put(g, g->left - 1, g->bottom, ascii ? '+' : 0x2514, TEXT_NO_COLOR);
    for (int i = 0; i < n; i++) {
        int x = text__dot_x(g, ticks[i]) / TEXT_DOTS_X;
        plot__format_tick(text, sizeof(text), &g->f->x, ticks[i]);
        int columns = (int)strlen(text);
        int from = x - columns / 2;
        if (from + columns > g->width)
            from = g->width - columns;
        if (from < free_from)
            continue;
        text__write(g, from, g->bottom + 1, text, 0, columns, 0);
        text__put(g, x, g->bottom, ascii ? '+' : 0x252C, TEXT_NO_COLOR);
        free_from = from + columns + 1;
    }
}

void text__draw_frame(text_grid *g)
{
    plot_figure *f = g->f;
    double ticks[PLOT_MAX_TICKS];
    char text[32];
    int widest = 0;
    g->top = 0;
    if (f->plot->title)
        text__write(g, g->width / 2, g->top++, f->plot->title, 0, g->width, 0.5);
    g->top = draw_legend(g, g->top);
    if (f->y_label)
        text__write(g, 0, g->top++, f->y_label, 0, g->width, 0);
    g->bottom = g->height - 2 - (f->x_label != NULL);
    if (g->top > g->bottom - 2)
        g->top = g->bottom - 2;
    plot__fit_axis(&f->y, (int)fmin(fmax((g->bottom - g->top) / 4.0, 2), 8));
    int n = plot__list_ticks(ticks, &f->y);
    for (int i = 0; i < n; i++) {
        plot__format_tick(text, sizeof(text), &f->y, ticks[i]);
        widest = (int)strlen(text) > widest ? (int)strlen(text) : widest;
    }
    widest = widest > g->width / 2 ? g->width / 2 : widest;
    g->left = widest + 2;
    g->right = g->width;
    plot__fit_axis(&f->x, (int)fmin(fmax((g->right - g->left) / 10.0, 2), 10));
    draw_y_ticks(g, ticks, n, widest);
    draw_x_ticks(g);
    if (f->x_label)
        text__write(g, (g->left + g->right) / 2, g->height - 1, f->x_label, 0, g->right - g->left,
                    0.5);
}

/* ---- Printing -------------------------------------------------------------------------------- */

/* The nearest of the cube of 6 x 6 x 6 colours that terminals of 256 have. */
static int cube_color(int32_t rgb)
{
    int part[3];
    for (int i = 0; i < 3; i++) {
        int v = rgb >> (16 - 8 * i) & 0xFF;
        part[i] = v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40;
    }
    return 16 + 36 * part[0] + 6 * part[1] + part[2];
}

/* What switches to a colour: 38 of the ink, 48 of the paper. */
static void print_color(eai_strbuf *b, eai_plot_color depth, int what, int32_t rgb)
{
    if (rgb == TEXT_NO_COLOR)
        eai_strbuf_printf(b, "\033[%dm", what + 1); /* 39, 49: the terminal's own */
    else if (depth == EAI_PLOT_COLOR_256)
        eai_strbuf_printf(b, "\033[%d;5;%dm", what, cube_color(rgb));
    else
        eai_strbuf_printf(b, "\033[%d;2;%d;%d;%dm", what, rgb >> 16 & 0xFF, rgb >> 8 & 0xFF,
                          rgb & 0xFF);
}

static void print_character(eai_strbuf *b, const text_cell *c)
{
    utf8proc_uint8_t bytes[4];
    uint32_t ch = c->ch ? c->ch : c->dots ? (uint32_t)(BRAILLE + c->dots) : (uint32_t)' ';
    if (ch == UINT32_MAX)
        return;
    eai_strbuf_bytes(b, bytes, (size_t)utf8proc_encode_char((utf8proc_int32_t)ch, bytes));
}

static void print_line(eai_strbuf *b, const text_grid *g, int y)
{
    int32_t ink = TEXT_NO_COLOR;
    int32_t paper = TEXT_NO_COLOR;
    int end = g->width;
    bool color = g->opts.color != EAI_PLOT_COLOR_NONE;
    for (const text_cell *c; end > 0; end--) { /* no blanks at the end */
        c = get_cell(g, end - 1, y);
        if ((c->ch && c->ch != ' ') || c->dots || (color && c->paper != TEXT_NO_COLOR))
            break;
    }
    for (int x = 0; x < end; x++) {
        const text_cell *c = get_cell(g, x, y);
        if (color && c->ink != ink && (c->ch || c->dots))
            print_color(b, g->opts.color, 38, ink = c->ink);
        if (color && c->paper != paper)
            print_color(b, g->opts.color, 48, paper = c->paper);
        print_character(b, c);
    }
    if (ink != TEXT_NO_COLOR || paper != TEXT_NO_COLOR)
        eai_strbuf_text(b, "\033[0m");
    eai_strbuf_char(b, '\n');
}

static eai_status check_opts(eai_plot_text_opts *o, eai_error *err)
{
    o->width = o->width ? o->width : 80;
    o->height = o->height ? o->height : 24;
    if (o->width < 20 || o->width > 500 || o->height < 8 || o->height > 200)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "plot of %d x %d characters: 20 to 500 by 8 to 200 are allowed",
                             o->width, o->height);
    return EAI_OK;
}

eai_status eai_plot_to_text(char **out, const eai_plot *plot, const eai_plot_text_opts *opts,
                            eai_error *err)
{
    eai_strbuf b = EAI_STRBUF_INIT(MAX_TEXT_BYTES);
    plot_figure f;
    text_grid g = {.f = &f};

    *out = NULL;
    if (opts)
        g.opts = *opts;
    EAI_TRY(check_opts(&g.opts, err));
    EAI_TRY(plot__figure_init(&f, plot, err));
    g.width = g.opts.width;
    eai_status st = text__draw(&g, err);
    for (int y = 0; st == EAI_OK && y < g.height; y++)
        print_line(&b, &g, y);
    if (st == EAI_OK)
        st = eai_strbuf_check(&b, "plot", err);
    if (st == EAI_OK)
        *out = eai_strbuf_take(&b, NULL);
    plot__figure_deinit(&f);
    eai_strbuf_deinit(&b);
    return st;
}
