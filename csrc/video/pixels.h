/**
 * @file video/pixels.h  Rows of pixels: RGB to YUV, YUV to RGB, half the size
 *
 * Plain C, and the same with the vectors of the processor. Both give the same
 * bytes. Neither reads nor writes a byte that is not of the picture, so rows may
 * lie in memory of any owner.
 *
 * Owner:   nobody: tables and functions without state.
 * Threads: any.
 */
#ifndef ARC_VIDEO_PIXELS_H
#define ARC_VIDEO_PIXELS_H

#include <stdbool.h>
#include <stdint.h>

/* Fractional bits of the coefficients to YUV, and of the sums to RGB. */
#define ARC_PIXELS_TO_YUV_BITS 15
#define ARC_PIXELS_TO_RGB_BITS 6

/** What a sample of each plane takes of the three bytes of a pixel, in the order
 *  in which these lie in memory. */
struct arc_rgb_to_yuv {
    int16_t y[3], u[3], v[3]; /* 1.15                                       */
    int32_t luma_bias;        /* offset and one half, times 2^15            */
    int32_t chroma_bias;      /* the same times 2^17: for sums of 4 pixels  */
};

/** What red, green and blue take of Y, U and V. Samples are multiplied as 16 bits
 *  with rounding, (a * b + 2^14) >> 15: luma times 2^7, chroma times 2^8. So each
 *  product has 6 fractional bits, and three roundings add 0.02 of a step. */
struct arc_yuv_to_rgb {
    int16_t luma;                            /* 2.14 */
    int16_t red_v, green_u, green_v, blue_u; /* 3.13 */
    int16_t black;                           /* taken off luma               */
    bool    bgr;                             /* blue is the first byte       */
};

struct arc_pixel_rows {
    /**
     * Two rows of pixels to two of luma and one of chroma, each sample of which
     * is of the mean of 4 pixels. The last column of an odd width counts twice.
     *
     * @param src   Two rows; the last of an odd height is given twice
     * @param luma  Two rows; they may be the same
     * @param u     (width + 1) / 2 samples
     * @param v     The same; NULL: U and V take turns in `u`
     */
    void (*from_rgb)(const struct arc_rgb_to_yuv *c, const uint8_t *const src[2],
                     uint8_t *const luma[2], uint8_t *u, uint8_t *v,
                     int32_t width);

    /** One row to RGB; each chroma sample stands for two columns. */
    void (*to_rgb)(const struct arc_yuv_to_rgb *c, const uint8_t *y,
                   const uint8_t *u, const uint8_t *v, uint8_t *dst,
                   int32_t width);

    /** Each of `width` samples is the mean of 2 x 2 of rows `a` and `b`. */
    void (*halve)(const uint8_t *a, const uint8_t *b, uint8_t *dst,
                  int32_t width);

    /** The same for `width` pairs of samples (U and V in turns). */
    void (*halve_pairs)(const uint8_t *a, const uint8_t *b, uint8_t *dst,
                        int32_t width);
};

/** The plain ones. */
extern const struct arc_pixel_rows arc_pixel_rows_plain;

/** The quickest that this processor can run; NULL in `_avx2`: not compiled in. */
const struct arc_pixel_rows *arc_pixel_rows_best(void);
const struct arc_pixel_rows *arc_pixel_rows_avx2(void);

#endif
