/**
 * @file video/pixels.c  Rows of pixels in plain C, and the choice among all
 */
#include <stddef.h>

#include "video/pixels.h"

static uint8_t clamp_u8(int32_t value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static int32_t weigh(const int16_t c[3], const int32_t p[3])
{
    return c[0] * p[0] + c[1] * p[1] + c[2] * p[2];
}

static uint8_t luma_of(const struct arc_rgb_to_yuv *c, const uint8_t *pixel)
{
    const int32_t p[3] = {pixel[0], pixel[1], pixel[2]};

    return clamp_u8((weigh(c->y, p) + c->luma_bias) >> ARC_PIXELS_TO_YUV_BITS);
}

static void from_rgb(const struct arc_rgb_to_yuv *c, const uint8_t *const src[2],
                     uint8_t *const luma[2], uint8_t *u, uint8_t *v,
                     int32_t width)
{
    const ptrdiff_t step = v ? 1 : 2;

    if (!v)
        v = u + 1;
    for (int32_t x = 0; x < width; x += 2) {
        const int32_t right = x + 1 < width ? x + 1 : x;
        int32_t sum[3];

        for (int row = 0; row < 2; row++) {
            luma[row][x] = luma_of(c, src[row] + 3 * (ptrdiff_t)x);
            luma[row][right] = luma_of(c, src[row] + 3 * (ptrdiff_t)right);
        }
        for (int i = 0; i < 3; i++)
            sum[i] = src[0][3 * (ptrdiff_t)x + i] +
                     src[0][3 * (ptrdiff_t)right + i] +
                     src[1][3 * (ptrdiff_t)x + i] +
                     src[1][3 * (ptrdiff_t)right + i];
        *u = clamp_u8((weigh(c->u, sum) + c->chroma_bias) >>
                      (ARC_PIXELS_TO_YUV_BITS + 2));
        *v = clamp_u8((weigh(c->v, sum) + c->chroma_bias) >>
                      (ARC_PIXELS_TO_YUV_BITS + 2));
        u += step;
        v += step;
    }
}

static int32_t times(int32_t a, int32_t b)
{
    return (a * b + (1 << 14)) >> 15;
}

/* Sums beyond 16 bits stay at their end, as those of vectors do: far outside of
 * 0..255 all the same. */
static uint8_t sample_of(int32_t sum)
{
    sum = sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum;
    return clamp_u8(sum >> ARC_PIXELS_TO_RGB_BITS);
}

static void to_rgb(const struct arc_yuv_to_rgb *c, const uint8_t *y,
                   const uint8_t *u, const uint8_t *v, uint8_t *dst,
                   int32_t width)
{
    const ptrdiff_t step = v ? 1 : 2;

    if (!v)
        v = u + 1;
    for (int32_t x = 0; x < width; x++, dst += 3) {
        const int32_t cb = (u[x / 2 * step] - 128) * 256;
        const int32_t cr = (v[x / 2 * step] - 128) * 256;
        const int32_t luma = times((y[x] - c->black) * 128, c->luma) +
                             (1 << ARC_PIXELS_TO_RGB_BITS) / 2;

        dst[c->bgr ? 2 : 0] = sample_of(luma + times(cr, c->red_v));
        dst[1] = sample_of(luma + times(cb, c->green_u) +
                           times(cr, c->green_v));
        dst[c->bgr ? 0 : 2] = sample_of(luma + times(cb, c->blue_u));
    }
}

static void halve(const uint8_t *a, const uint8_t *b, uint8_t *dst,
                  int32_t width)
{
    for (ptrdiff_t x = 0; x < width; x++)
        dst[x] = (uint8_t)((a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1] +
                            2) >> 2);
}

static void halve_pairs(const uint8_t *a, const uint8_t *b, uint8_t *dst,
                        int32_t width)
{
    for (ptrdiff_t x = 0; x < 2 * (ptrdiff_t)width; x++) {
        ptrdiff_t i = x / 2 * 4 + x % 2;

        dst[x] = (uint8_t)((a[i] + a[i + 2] + b[i] + b[i + 2] + 2) >> 2);
    }
}

const struct arc_pixel_rows arc_pixel_rows_plain = {from_rgb, to_rgb, halve,
                                                    halve_pairs};

const struct arc_pixel_rows *arc_pixel_rows_best(void)
{
    const struct arc_pixel_rows *avx2 = arc_pixel_rows_avx2();

    return avx2 ? avx2 : &arc_pixel_rows_plain;
}
