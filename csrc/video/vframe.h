/**
 * @file video/vframe.h  Reference-counted picture
 *
 * Owner:   who holds a pointer that it will use later holds a reference. _new
 *          and _wrap give the first one; the last arc_vframe_unref() frees the
 *          picture, or calls its release hook. Only the single holder of a
 *          frame without a hook may write into its planes: a decoder's frames
 *          are also its references.
 * Threads: ref and unref: any thread. Everything else: the holder.
 * Memory:  one block a frame, counted by base/mem. A frame that wraps a
 *          decoder's buffer allocates its description only.
 */
#ifndef ARC_VIDEO_VFRAME_H
#define ARC_VIDEO_VFRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_VFRAME_MAX_PX 16384 /* width and height; level 6.2 and 8K fit */

enum arc_pixel_format {
    ARC_PIX_I420 = 0, /* planes Y, U, V; 4:2:0, 8 bits              */
    ARC_PIX_NV12,     /* planes Y, UV interleaved; 4:2:0, 8 bits    */
    ARC_PIX_RGB24,    /* one plane, R G B; always full range        */
    ARC_PIX_BGR24,    /* one plane, B G R; always full range        */
    ARC_PIX_I010,     /* planes Y, U, V; 4:2:0, 10 bits in the low end of
                         16-bit little-endian samples ("yuv420p10le") */
};

/** Luma coefficients (ITU-T H.273 MatrixCoefficients 6 and 1). */
enum arc_matrix {
    ARC_MATRIX_BT601 = 0,
    ARC_MATRIX_BT709,
};

struct arc_vframe {
    int32_t  refs;       /* atomic; arc_vframe_ref and _unref only           */
    int32_t  format;     /* enum arc_pixel_format                            */
    int32_t  width;      /* pixels that are shown; odd ones are allowed      */
    int32_t  height;
    int32_t  stride[3];  /* bytes from row to row; never taken for the width */
    uint8_t *data[3];    /* first row of each plane; NULL: no such plane     */
    int64_t  ts;         /* RTP ticks, or what the caller likes              */
    int64_t  time_us;    /* monotonic: capture or arrival; 0: not known      */
    bool     full_range; /* luma 0..255 instead of 16..235 (times 4 in I010) */
    bool     damaged;    /* decoded with errors, or concealed                */
    int32_t  matrix;     /* enum arc_matrix; of no meaning for RGB and BGR   */
    void   (*release)(void *opaque); /* called instead of freeing planes     */
    void    *opaque;
};

/**
 * Make a frame of zeros. Rows start at multiples of 64 bytes and the planes
 * have room for an even number of rows and columns, with 64 bytes behind.
 * matrix is set as receivers guess it where nothing is said: BT.709 from 720
 * rows or 1280 columns on, else BT.601.
 *
 * @param format enum arc_pixel_format
 * @param width  1..ARC_VFRAME_MAX_PX
 * @param height 1..ARC_VFRAME_MAX_PX
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_vframe_new(int32_t format, int32_t width, int32_t height,
                               struct arc_vframe **out);

/** One more reference; returns its argument. */
struct arc_vframe *arc_vframe_ref(struct arc_vframe *f);

/** One reference less; NULL is allowed. */
void arc_vframe_unref(struct arc_vframe *f);

/** Planes of a format; 0 when it is none. */
int32_t arc_vframe_planes(int32_t format);

/** Bytes of one sample: 2 in ARC_PIX_I010, else 1. */
int32_t arc_vframe_sample_bytes(int32_t format);

/** Bytes of a row that belong to the picture, and rows, of one plane. */
int32_t arc_vframe_row_bytes(const struct arc_vframe *f, int32_t plane);
int32_t arc_vframe_rows(const struct arc_vframe *f, int32_t plane);

/** The matrix that is taken for a picture of this size when nobody says. */
int32_t arc_vframe_guess_matrix(int32_t width, int32_t height);
/* ARC_CDEF_END */

/**
 * Describe a picture that lives elsewhere.
 *
 * @param f       Filled in by the caller: format, size, planes and times; its
 *                refs are ignored. Copied.
 * @param release Called with `opaque` by the last unref, on that thread
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM (then release is not called)
 */
enum arc_status arc_vframe_wrap(const struct arc_vframe *f,
                                void (*release)(void *opaque), void *opaque,
                                struct arc_vframe **out);

/** Copy what is said about a picture: times, range, matrix, damage. */
void arc_vframe_copy_props(struct arc_vframe *dst, const struct arc_vframe *src);

/** Copy the planes; both must have the same format and size. */
void arc_vframe_copy_planes(struct arc_vframe *dst,
                            const struct arc_vframe *src);

#endif
