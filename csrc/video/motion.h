/**
 * @file video/motion.h  How the blocks of one picture have moved since another
 *
 * Block matching on luma, 16 x 16 pixels, in two steps: at a quarter of the size
 * from the vectors of neighbours and of the last field, then at full size
 * around what that found. Vectors that differ from their neighbours' must pay
 * for it, so that the field follows objects rather than noise. After de Haan et
 * al., "True-motion estimation with 3-D recursive search block matching", 1993,
 * with a diamond search in place of random updates.
 *
 * Owner:   arc_motion_new() to arc_motion_free().
 * Threads: one caller at a time.
 * Memory:  1/16 of both pictures, and 8 bytes a block; grows with the size of
 *          the pictures, and is kept.
 */
#ifndef ARC_VIDEO_MOTION_H
#define ARC_VIDEO_MOTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "video/vframe.h"

/* ARC_CDEF_BEGIN */
#define ARC_MOTION_BLOCK_PX 16
#define ARC_MOTION_MAX_PX   96 /* longest vector, each way: a tenth of the width
                                  of 1080p a frame */

struct arc_motion; /* opaque */

/** Where a block was: the picture at (x, y) came from (x - dx, y - dy). */
struct arc_motion_vector {
    int16_t  dx_q2; /* quarters of a pixel, to the right                     */
    int16_t  dy_q2; /* down                                                  */
    uint16_t sad;   /* mean absolute difference of the match, times 16       */
    uint16_t still; /* the same without motion                               */
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_motion_new(struct arc_motion **out);
void            arc_motion_free(struct arc_motion *m);

/**
 * Find the field of `to` against `from`.
 *
 * @param from, to I420, of the same size, 64..ARC_VFRAME_MAX_PX pixels a side
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_UNSUPPORTED (format,
 *         sizes that differ or are too small)
 */
enum arc_status arc_motion_estimate(struct arc_motion *m,
                                    const struct arc_vframe *from,
                                    const struct arc_vframe *to);

/** Blocks in a row and in a column of the last field; the last ones may lie
 *  partly outside of the picture. */
int32_t arc_motion_columns(const struct arc_motion *m);
int32_t arc_motion_rows(const struct arc_motion *m);

/** The last field, row by row; valid until the next estimate. */
const struct arc_motion_vector *arc_motion_field(const struct arc_motion *m);
/* ARC_CDEF_END */

#endif
