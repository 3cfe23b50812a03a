/**
 * @file video/colour.h  Pictures between RGB and YUV, and to half their size
 *
 * The quick ways of video/scale, without libswscale: exact to one step of 8 bits
 * against real arithmetic. Chroma of RGB is the mean of 2 x 2 pixels; back, each
 * chroma sample stands for 2 x 2 pixels.
 *
 * Source:  ITU-R BT.601-7 section 2.5, BT.709-6 section 3: luma coefficients,
 *          and the scales of limited range; ITU-T H.273 section 8.3 for full range.
 * Owner:   nobody: functions on the caller's frames, without state.
 * Threads: any.
 */
#ifndef ARC_VIDEO_COLOUR_H
#define ARC_VIDEO_COLOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "video/pixels.h"
#include "video/vframe.h"

/** Whether arc_colour_convert() takes these two: RGB24 or BGR24 on one side, I420
 *  or NV12 on the other, and the same size. */
bool arc_colour_can_convert(const struct arc_vframe *src,
                            const struct arc_vframe *dst);

/** Convert by the range and matrix of whichever of the two is YUV. */
void arc_colour_convert(const struct arc_pixel_rows *rows,
                        const struct arc_vframe *src, struct arc_vframe *dst);

/** Whether arc_colour_halve() takes these two: both I420 or both NV12, `src` of
 *  exactly twice the width and height. */
bool arc_colour_can_halve(const struct arc_vframe *src,
                          const struct arc_vframe *dst);

/** Each sample the mean of 2 x 2. */
void arc_colour_halve(const struct arc_pixel_rows *rows,
                      const struct arc_vframe *src, struct arc_vframe *dst);

#endif
