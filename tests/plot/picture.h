/* PNGs read back with cairo, for tests that look at a few places of a picture. */
#ifndef EAI_TEST_PLOT_PICTURE_H
#define EAI_TEST_PLOT_PICTURE_H

#include "support/eai_test.h"

#include <cairo.h>

#include <efficientai/plot.h>

#define INK_SOFT 0x404040 /* axes */
#define PAPER    0xFFFFFF
#define BLUE     0x0072B2 /* the first series */
#define ORANGE   0xD55E00 /* the second */

typedef struct picture {
    cairo_surface_t *surface;
    int width, height;
} picture;

static inline picture picture_open(const char *path)
{
    picture p = {.surface = cairo_image_surface_create_from_png(path)};
    assert_int_equal(cairo_surface_status(p.surface), CAIRO_STATUS_SUCCESS);
    p.width = cairo_image_surface_get_width(p.surface);
    p.height = cairo_image_surface_get_height(p.surface);
    return p;
}

static inline void picture_close(picture *p)
{
    cairo_surface_destroy(p->surface);
}

/* 0xRRGGBB. */
static inline int picture_at(const picture *p, int x, int y)
{
    const unsigned char *data = cairo_image_surface_get_data(p->surface);
    int stride = cairo_image_surface_get_stride(p->surface);
    uint32_t pixel;
    assert_true(x >= 0 && y >= 0 && x < p->width && y < p->height);
    memcpy(&pixel, data + (size_t)y * (size_t)stride + 4 * (size_t)x, sizeof(pixel));
    return (int)(pixel & 0xFFFFFF);
}

static inline bool picture_is_near(int a, int b)
{
    for (int shift = 0; shift < 24; shift += 8) {
        int difference = (a >> shift & 0xFF) - (b >> shift & 0xFF);
        if (difference > 3 || difference < -3)
            return false;
    }
    return true;
}

/* The pixels of a colour: how many, and the box around them. */
typedef struct spot {
    int n, left, top, right, bottom; /* right and bottom are inside */
} spot;

static inline spot picture_find(const picture *p, int color)
{
    spot s = {0, p->width, p->height, -1, -1};
    for (int y = 0; y < p->height; y++) {
        for (int x = 0; x < p->width; x++) {
            if (!picture_is_near(picture_at(p, x, y), color))
                continue;
            s.n++;
            s.left = x < s.left ? x : s.left;
            s.right = x > s.right ? x : s.right;
            s.top = y < s.top ? y : s.top;
            s.bottom = y > s.bottom ? y : s.bottom;
        }
    }
    return s;
}

/* How many pixels of a colour a column has. */
static inline int picture_count_in_column(const picture *p, int x, int color)
{
    int n = 0;
    for (int y = 0; y < p->height; y++)
        n += picture_is_near(picture_at(p, x, y), color);
    return n;
}

static inline int picture_count_in_row(const picture *p, int y, int color)
{
    int n = 0;
    for (int x = 0; x < p->width; x++)
        n += picture_is_near(picture_at(p, x, y), color);
    return n;
}

/* The area inside the axes: right of the column and above the row with most of the axes' colour. */
static inline spot picture_axes(const picture *p)
{
    spot s = {0};
    int most = 0;
    for (int x = 0; x < p->width; x++) {
        int n = picture_count_in_column(p, x, INK_SOFT);
        if (n > most) {
            most = n;
            s.left = x;
        }
    }
    assert_true(most > p->height / 4);
    s.n = most;
    most = 0;
    for (int y = 0; y < p->height; y++) {
        int n = picture_count_in_row(p, y, INK_SOFT);
        if (n > most) {
            most = n;
            s.bottom = y;
        }
    }
    assert_true(most > p->width / 4);
    s.top = s.bottom - s.n;
    s.right = s.left + most;
    return s;
}

#endif
