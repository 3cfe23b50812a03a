/**
 * @file video/scale.h  Pixel format conversion and scaling
 *
 * What is needed most goes by video/colour: RGB to and from 8-bit YUV, and YUV to
 * half its size. The rest goes by libswscale: bilinear, with a kernel that widens
 * with the factor, so that making a picture smaller does not alias. Colours:
 *
 *   YUV -> YUV   the target takes over the source's range and matrix
 *   RGB -> YUV   converted to the range and matrix that the target says
 *   YUV -> RGB   converted from the range and matrix that the source says
 *
 * Owner:   arc_scaler_new() to arc_scaler_free(). One of these caches the tables
 *          of the last pair of shapes, and the picture between two steps: use one
 *          for each output.
 * Threads: one caller at a time.
 */
#ifndef ARC_VIDEO_SCALE_H
#define ARC_VIDEO_SCALE_H

#include <stdint.h>

#include "base/status.h"
#include "video/vframe.h"

/* ARC_CDEF_BEGIN */
struct arc_scaler; /* opaque */

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_scaler_new(struct arc_scaler **out);
void            arc_scaler_free(struct arc_scaler *s);

/**
 * Fill `dst`, of the caller's format and size, with the picture of `src`.
 * ts, time_us and damaged are carried over.
 *
 * @param src Read only. RGB24 and BGR24 may lie anywhere, strides may be
 *            negative; rows and planes of the other formats need the room that
 *            arc_vframe_new() leaves behind them
 * @param dst Written; made by arc_vframe_new(), held by nobody else
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_LIBRARY
 */
enum arc_status arc_scaler_run(struct arc_scaler *s,
                               const struct arc_vframe *src,
                               struct arc_vframe *dst);
/* ARC_CDEF_END */

/** libswscale that is loaded and that was compiled against: major << 16 | ... */
uint32_t arc_scaler_version_loaded(void);
uint32_t arc_scaler_version_compiled(void);

#endif
