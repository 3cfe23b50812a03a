/**
 * @file video/colour.c  Pictures between RGB and YUV, and to half their size
 */
#include <stddef.h>

#include "video/colour.h"

/* Shares of red and blue in luma: BT.601 and BT.709; green has the rest. */
static const double red_share[] = {0.299, 0.2126};
static const double blue_share[] = {0.114, 0.0722};

/* Steps from black to white, and from the lowest to the highest chroma. */
struct scales {
    double luma, chroma;
    int32_t black;
};

static struct scales scales_of(const struct arc_vframe *yuv)
{
    const struct scales full = {255, 255, 0}, limited = {219, 224, 16};

    return yuv->full_range ? full : limited;
}

static int32_t nearest(double value)
{
    return (int32_t)(value < 0 ? value - 0.5 : value + 0.5);
}

static bool is_rgb(int32_t format)
{
    return format == ARC_PIX_RGB24 || format == ARC_PIX_BGR24;
}

static bool is_yuv8(int32_t format)
{
    return format == ARC_PIX_I420 || format == ARC_PIX_NV12;
}

/* One row of weights that add up to `total` exactly: so grey stays without
 * chroma, and white is white. The rounding goes to green, the largest. */
static void set_weights(int16_t out[3], double red, double blue, double total,
                        bool bgr)
{
    const double one = 1 << ARC_PIXELS_TO_YUV_BITS;
    const int32_t r = nearest(red * one), b = nearest(blue * one);

    out[bgr ? 2 : 0] = (int16_t)r;
    out[1] = (int16_t)(nearest(total * one) - r - b);
    out[bgr ? 0 : 2] = (int16_t)b;
}

static struct arc_rgb_to_yuv to_yuv(const struct arc_vframe *yuv, bool bgr)
{
    const struct scales s = scales_of(yuv);
    const double kr = red_share[yuv->matrix], kb = blue_share[yuv->matrix];
    const double luma = s.luma / 255, chroma = s.chroma / 255;
    const int32_t one = 1 << ARC_PIXELS_TO_YUV_BITS;
    struct arc_rgb_to_yuv c = {.luma_bias = s.black * one + one / 2,
                               .chroma_bias = (128 * 4 + 2) * one};

    set_weights(c.y, luma * kr, luma * kb, luma, bgr);
    set_weights(c.u, -chroma * kr / 2 / (1 - kb), chroma / 2, 0, bgr);
    set_weights(c.v, chroma / 2, -chroma * kb / 2 / (1 - kr), 0, bgr);
    return c;
}

static struct arc_yuv_to_rgb to_rgb(const struct arc_vframe *yuv, bool bgr)
{
    const struct scales s = scales_of(yuv);
    const double kr = red_share[yuv->matrix], kb = blue_share[yuv->matrix];
    const double kg = 1 - kr - kb;
    const double luma = 255 / s.luma * (1 << 14);
    const double chroma = 255 / s.chroma * (1 << 13);
    struct arc_yuv_to_rgb c = {
        .luma = (int16_t)nearest(luma),
        .red_v = (int16_t)nearest(2 * (1 - kr) * chroma),
        .green_u = (int16_t)nearest(-2 * kb * (1 - kb) / kg * chroma),
        .green_v = (int16_t)nearest(-2 * kr * (1 - kr) / kg * chroma),
        .blue_u = (int16_t)nearest(2 * (1 - kb) * chroma),
        .black = (int16_t)s.black,
        .bgr = bgr,
    };

    return c;
}

static uint8_t *row_of(const struct arc_vframe *f, int32_t plane, int32_t y)
{
    return f->data[plane] + (ptrdiff_t)f->stride[plane] * y;
}

bool arc_colour_can_convert(const struct arc_vframe *src,
                            const struct arc_vframe *dst)
{
    const int32_t matrix = is_rgb(src->format) ? dst->matrix : src->matrix;

    return src->width == dst->width && src->height == dst->height &&
           (matrix == ARC_MATRIX_BT601 || matrix == ARC_MATRIX_BT709) &&
           ((is_rgb(src->format) && is_yuv8(dst->format)) ||
            (is_yuv8(src->format) && is_rgb(dst->format)));
}

static void from_rgb(const struct arc_pixel_rows *rows,
                     const struct arc_vframe *src, struct arc_vframe *dst)
{
    const struct arc_rgb_to_yuv c = to_yuv(dst, src->format == ARC_PIX_BGR24);

    for (int32_t y = 0; y < src->height; y += 2) {
        const int32_t below = y + 1 < src->height ? y + 1 : y;
        const uint8_t *from[2] = {row_of(src, 0, y), row_of(src, 0, below)};
        uint8_t *luma[2] = {row_of(dst, 0, y), row_of(dst, 0, below)};
        uint8_t *v = dst->format == ARC_PIX_NV12 ? NULL : row_of(dst, 2, y / 2);

        rows->from_rgb(&c, from, luma, row_of(dst, 1, y / 2), v, src->width);
    }
}

void arc_colour_convert(const struct arc_pixel_rows *rows,
                        const struct arc_vframe *src, struct arc_vframe *dst)
{
    struct arc_yuv_to_rgb c;

    if (is_rgb(src->format)) {
        from_rgb(rows, src, dst);
        return;
    }
    c = to_rgb(src, dst->format == ARC_PIX_BGR24);
    for (int32_t y = 0; y < src->height; y++)
        rows->to_rgb(&c, row_of(src, 0, y), row_of(src, 1, y / 2),
                     src->format == ARC_PIX_NV12 ? NULL : row_of(src, 2, y / 2),
                     row_of(dst, 0, y), src->width);
}

/* Also the chroma planes must be twice as large, so an odd `dst` is no case. */
bool arc_colour_can_halve(const struct arc_vframe *src,
                          const struct arc_vframe *dst)
{
    return src->format == dst->format && is_yuv8(src->format) &&
           src->width == 2 * dst->width && src->height == 2 * dst->height &&
           dst->width % 2 == 0 && dst->height % 2 == 0;
}

void arc_colour_halve(const struct arc_pixel_rows *rows,
                      const struct arc_vframe *src, struct arc_vframe *dst)
{
    for (int32_t i = 0; i < arc_vframe_planes(dst->format); i++) {
        const bool pairs = i > 0 && dst->format == ARC_PIX_NV12;
        const int32_t width = i > 0 ? dst->width / 2 : dst->width;

        for (int32_t y = 0; y < arc_vframe_rows(dst, i); y++)
            (pairs ? rows->halve_pairs : rows->halve)(
                row_of(src, i, 2 * y), row_of(src, i, 2 * y + 1),
                row_of(dst, i, y), width);
    }
}
