/* Figures as files: PNG, SVG and PDF.
 *
 * Why our own: a training run should leave a picture without a second language beside it. Cairo
 * draws the same page on each surface; the bytes are collected in memory and then written in one
 * piece. They depend on nothing but the plot: text is laid out without regard to pixels (no
 * hinting), and the one date that a PDF has is SOURCE_DATE_EPOCH's. Start at eai_plot_write. */
#include <efficientai/plot.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <cairo.h>

#include <efficientai/fs.h>

#include "base/strbuf.h"
#include "plot/page.h"

#include "base/banned.h"

#define MAX_FILE_BYTES ((size_t)256 << 20)
#define UNITS_PER_MM   (96 / 25.4)
#define POINTS         0.75 /* in a unit */
#define MAX_PIXELS     10000
#define LAST_SECOND    253402300799LL /* of the year 9999 */

static cairo_status_t append_bytes(void *ud, const unsigned char *data, unsigned int n)
{
    eai_strbuf *b = ud;
    eai_strbuf_bytes(b, data, n);
    return b->status == EAI_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

/* ---- The kinds of file ----------------------------------------------------------------------- */

/* A page of so many units; `scale` makes pixels of them. */
typedef struct paper {
    double width, height, scale;
} paper;

static cairo_surface_t *open_png(eai_strbuf *file, const paper *p)
{
    (void)file; /* written at the end */
    return cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(p->width * p->scale + 0.5),
                                      (int)(p->height * p->scale + 0.5));
}

static cairo_surface_t *open_svg(eai_strbuf *file, const paper *p)
{
    return cairo_svg_surface_create_for_stream(append_bytes, file, p->width * POINTS,
                                               p->height * POINTS);
}

/* Cairo numbers the surfaces of a process, and an SVG says which it was: the number goes, for the
 * same plot is the same file. Text is glyphs there, no label can look like it. */
static void forget_number(eai_strbuf *file)
{
    static const char before[] = "<g id=\"surface";
    char *at = file->data ? strstr(file->data, before) : NULL;
    if (!at)
        return;
    at += sizeof(before) - 1;
    size_t n = strspn(at, "0123456789");
    memmove(at, at + n, strlen(at + n) + 1);
    file->length -= n;
}

/* The seconds of $SOURCE_DATE_EPOCH, 0 when it is not set or no number of seconds. */
static time_t source_date(void)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    char *end;
    errno = 0;
    long long seconds = text ? strtoll(text, &end, 10) : 0;
    if (!text || *text == '\0' || *end || errno || seconds < 0 || seconds > LAST_SECOND)
        return 0;
    return (time_t)seconds;
}

static cairo_surface_t *open_pdf(eai_strbuf *file, const paper *p)
{
    char date[32];
    struct tm tm;
    time_t seconds = source_date();
    cairo_surface_t *s = cairo_pdf_surface_create_for_stream(append_bytes, file, p->width * POINTS,
                                                             p->height * POINTS);
    /* The oldest version with transparency: read by all, and its parts are not packed together. */
    cairo_pdf_surface_restrict_to_version(s, CAIRO_PDF_VERSION_1_4);
    if (gmtime_r(&seconds, &tm) && strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
        cairo_pdf_surface_set_metadata(s, CAIRO_PDF_METADATA_CREATE_DATE, date);
    return s;
}

typedef struct file_kind {
    const char *ending;
    cairo_surface_t *(*open)(eai_strbuf *file, const paper *p);
    bool pixels;
    void (*finish)(eai_strbuf *file); /* changes the bytes once they are whole; or NULL */
} file_kind;

static const file_kind file_kinds[] = {
    {".png", open_png, true, NULL},
    {".svg", open_svg, false, forget_number},
    {".pdf", open_pdf, false, NULL},
};

static const file_kind *find_kind(const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof(file_kinds) / sizeof(file_kinds[0]); i++) {
        size_t m = strlen(file_kinds[i].ending);
        if (n >= m && strcmp(path + n - m, file_kinds[i].ending) == 0)
            return &file_kinds[i];
    }
    return NULL;
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

/* The page's size from the plot's fields, each within its bounds (NaN is in none). */
static eai_status measure(paper *out, const eai_plot *p, bool pixels, eai_error *err)
{
    bool mm = p->width_mm != 0 || p->height_mm != 0;
    double dpi = p->dpi != 0 ? p->dpi : mm ? 300 : 96;
    int width = p->width ? p->width : 960;
    int height = p->height ? p->height : 540;
    if (mm &&
        !(p->width_mm >= 20 && p->width_mm <= 1000 && p->height_mm >= 20 && p->height_mm <= 1000))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "plot of %g x %g mm: each side is 20 to 1000",
                             p->width_mm, p->height_mm);
    if (!mm && (width < 100 || width > 10000 || height < 100 || height > 10000))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "plot of %d x %d: each side is 100 to 10000",
                             width, height);
    if (!(dpi >= 50 && dpi <= 1200))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "plot of %g dpi: 50 to 1200 are allowed", dpi);
    *out = (paper){mm ? p->width_mm * UNITS_PER_MM : width,
                   mm ? p->height_mm * UNITS_PER_MM : height, pixels ? dpi / 96 : 1};
    if (pixels && (out->width * out->scale > MAX_PIXELS || out->height * out->scale > MAX_PIXELS))
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "plot of %.0f x %.0f pixels: at most %d a side, with fewer dpi",
                             out->width * out->scale, out->height * out->scale, MAX_PIXELS);
    return EAI_OK;
}

/* Reads a whole number of at most five digits; false when there is none. */
static bool read_side(int *out, const char **at)
{
    size_t n = strspn(*at, "0123456789");
    if (n < 1 || n > 5)
        return false;
    *out = (int)strtol(*at, NULL, 10);
    *at += n;
    return true;
}

eai_status eai_plot_set_size(eai_plot *plot, const char *size, eai_error *err)
{
    /* The text of an A4 page with margins of 20 mm, of a letter page with an inch, half of it. */
    static const struct {
        const char *name;
        double width_mm, height_mm;
    } pages[] = {{"a4", 170, 105}, {"letter", 165.1, 102}, {"column", 85, 60}};
    int width = 0;
    int height = 0;
    const char *at = size;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(size, pages[i].name) == 0) {
            plot->width_mm = pages[i].width_mm;
            plot->height_mm = pages[i].height_mm;
            return EAI_OK;
        }
    }
    bool fits = read_side(&width, &at) && *at++ == 'x' && read_side(&height, &at);
    if (fits && strcmp(at, "mm") == 0) {
        plot->width_mm = width;
        plot->height_mm = height;
    } else if (fits && *at == '\0') {
        plot->width = width;
        plot->height = height;
        plot->width_mm = plot->height_mm = 0;
    } else {
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "size '%s': 960x540, 170x105mm, a4, letter or column is allowed",
                             size);
    }
    paper p;
    return measure(&p, plot, false, err);
}

/* ---- Drawing --------------------------------------------------------------------------------- */

static void draw(cairo_surface_t *surface, cairo_t *cr, plot_figure *f, const paper *p, bool pixels)
{
    cairo_font_options_t *fonts = cairo_font_options_create();
    plot_page page = {.cr = cr, .f = f, .width = p->width, .height = p->height, .scale = p->scale};
    cairo_font_options_set_antialias(fonts, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(fonts, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(fonts, CAIRO_HINT_METRICS_OFF);
    cairo_set_font_options(cr, fonts);
    cairo_font_options_destroy(fonts);
    cairo_scale(cr, pixels ? p->scale : POINTS, pixels ? p->scale : POINTS);
    plot__draw_page(&page);
    cairo_surface_flush(surface);
}

eai_status eai_plot_write(const eai_plot *plot, const char *path, eai_error *err)
{
    eai_status st = EAI_OK;
    eai_strbuf file = EAI_STRBUF_INIT(MAX_FILE_BYTES);
    plot_figure f;
    cairo_surface_t *surface = NULL;
    cairo_t *cr = NULL;
    cairo_status_t cs;
    const file_kind *kind = find_kind(path);
    paper size;

    if (!kind)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "'%s': a plot ends in .png, .svg or .pdf",
                             path);
    EAI_TRY(measure(&size, plot, kind->pixels, err));
    EAI_TRY(plot__figure_init(&f, plot, err));
    surface = kind->open(&file, &size);
    cr = cairo_create(surface);
    draw(surface, cr, &f, &size, kind->pixels);
    cs = cairo_status(cr);
    if (cs == CAIRO_STATUS_SUCCESS && kind->pixels)
        cs = cairo_surface_write_to_png_stream(surface, append_bytes, &file);
    cairo_surface_finish(surface); /* a vector file is written now */
    if (cs == CAIRO_STATUS_SUCCESS)
        cs = cairo_surface_status(surface);
    st = eai_strbuf_check(&file, "plot", err);
    if (st == EAI_OK && cs != CAIRO_STATUS_SUCCESS)
        st = eai_error_set(err, cs == CAIRO_STATUS_NO_MEMORY ? EAI_ERR_NOMEM : EAI_ERR_INTERNAL,
                           "plot '%s': %s", path, cairo_status_to_string(cs));
    if (st == EAI_OK && kind->finish)
        kind->finish(&file);
    if (st == EAI_OK)
        st = eai_fs_write_atomic(path, file.data, file.length, err);
    cairo_destroy(cr);
    /* Before the buffer goes: an unfinished SVG surface writes to it once more. */
    cairo_surface_destroy(surface);
    plot__figure_deinit(&f);
    eai_strbuf_deinit(&file);
    return st;
}
