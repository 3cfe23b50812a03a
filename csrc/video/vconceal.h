/**
 * @file video/vconceal.h  Pictures in place of those that did not come
 *
 *   extrapolate  the last picture, its blocks moved on as they moved before
 *   between      a picture that lies between the last one and the next, when
 *                that has already come: both moved, and mixed
 *   blend        two pictures mixed, for a soft step from a concealed picture
 *                to a true one
 *
 * Motion is estimated between the last two pictures when it is asked for, once
 * for each pair. Blocks whose motion does not explain much better than standing
 * still stand still. Predictions of neighbouring blocks overlap, so that no
 * edges of blocks appear (overlapped block motion compensation: Orchard and
 * Sullivan, 1994).
 *
 * Everything that is made here has `damaged` set.
 *
 * Owner:   arc_vconceal_new() to arc_vconceal_free(); it holds references to the
 *          last two pictures.
 * Threads: one caller at a time.
 * Memory:  video/motion, and one block of vectors.
 */
#ifndef ARC_VIDEO_VCONCEAL_H
#define ARC_VIDEO_VCONCEAL_H

#include <stdint.h>

#include "base/status.h"
#include "video/vframe.h"

/* ARC_CDEF_BEGIN */
#define ARC_VCONCEAL_MAX_STEP_Q8 2048 /* eight times the motion between the
                                         last two pictures */

struct arc_vconceal; /* opaque */

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_vconceal_new(struct arc_vconceal **out);
void            arc_vconceal_free(struct arc_vconceal *c);

/**
 * A picture that was decoded: the last one from now on. One of another size or
 * format forgets those before it.
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_vconceal_put(struct arc_vconceal *c,
                                 struct arc_vframe *frame);

/** Forget all pictures. */
void arc_vconceal_reset(struct arc_vconceal *c);

/**
 * A picture after the last one.
 *
 * @param step_q8 How far, in the time between the last two, times 256:
 *                0..ARC_VCONCEAL_MAX_STEP_Q8
 * @param out     New reference; ts and time_us are those of the last picture
 *
 * @return ARC_OK, ARC_AGAIN (fewer than two pictures so far), ARC_ERR_ARG,
 *         ARC_ERR_NOMEM or ARC_ERR_UNSUPPORTED (not I420, or below 64 pixels)
 */
enum arc_status arc_vconceal_extrapolate(struct arc_vconceal *c,
                                         int32_t step_q8,
                                         struct arc_vframe **out);

/**
 * A picture between the last one and `next`.
 *
 * @param at_q8 Where, 0 (the last one) .. 256 (next)
 *
 * @return As arc_vconceal_extrapolate(); ARC_AGAIN: no picture so far
 */
enum arc_status arc_vconceal_between(struct arc_vconceal *c,
                                     const struct arc_vframe *next,
                                     int32_t at_q8, struct arc_vframe **out);

/**
 * Mix two pictures of one size.
 *
 * @param weight_q8 Of `b`, 0..256
 * @param out       New reference, with the times of `b`
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_UNSUPPORTED (formats or
 *         sizes differ, or samples of more than 8 bits)
 */
enum arc_status arc_vconceal_blend(const struct arc_vframe *a,
                                   const struct arc_vframe *b,
                                   int32_t weight_q8, struct arc_vframe **out);
/* ARC_CDEF_END */

#endif
