/**
 * @file video/simulcast.h  One picture in several sizes at once
 *
 * Up to three encoders, from the largest picture to the smallest. Each size is
 * made in one pass from the next larger one that is sent, so that three sizes
 * cost little more scaling than one; a picture that comes in the largest size is
 * read where it is. A stream that is paused costs nothing, and begins again with
 * a key frame.
 *
 * Owner:   arc_simulcast_new() to arc_simulcast_free().
 * Threads: one caller at a time.
 * Memory:  one picture for each size, made with the first frame.
 */
#ifndef ARC_VIDEO_SIMULCAST_H
#define ARC_VIDEO_SIMULCAST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "video/encoder.h"
#include "video/vframe.h"

/* ARC_CDEF_BEGIN */
#define ARC_SIMULCAST_MAX 3

struct arc_simulcast; /* opaque */

/** What became of one stream's frame. */
struct arc_simulcast_out {
    int32_t status;             /* as arc_venc_encode(); ARC_AGAIN: dropped, or
                                   paused                                     */
    struct arc_encoded encoded; /* if ARC_OK; valid until the next call       */
};

/**
 * Open the encoders.
 *
 * @param cfgs    Copied; no width or height larger than of the one before
 * @param n       1..ARC_SIMULCAST_MAX
 * @param out     Untouched unless ARC_OK
 * @param why     As arc_venc_new()
 * @param why_cap Bytes in `why`
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_UNSUPPORTED
 */
enum arc_status arc_simulcast_new(const struct arc_venc_config *cfgs, int32_t n,
                                  struct arc_simulcast **out, char *why,
                                  int32_t why_cap);
void            arc_simulcast_free(struct arc_simulcast *s);

/**
 * Encode a frame in all sizes that are not paused.
 *
 * @param frame Any format and size; read only, may be shared
 * @param keys  Bit i: make it a key frame in stream i
 * @param out   One for each stream
 *
 * @return ARC_OK (see each stream's own status), ARC_ERR_ARG, or what the scaler
 *         says: ARC_ERR_NOMEM, ARC_ERR_LIBRARY; then no stream has a frame
 */
enum arc_status arc_simulcast_encode(struct arc_simulcast *s,
                                     const struct arc_vframe *frame,
                                     uint32_t keys,
                                     struct arc_simulcast_out *out);

/** @param i 0: the largest. @return as arc_venc_set_bitrate() */
enum arc_status arc_simulcast_set_bitrate(struct arc_simulcast *s, int32_t i,
                                          int32_t bitrate_bps);

/** For all streams. @return as arc_venc_set_frame_rate() */
enum arc_status arc_simulcast_set_frame_rate(struct arc_simulcast *s,
                                             int32_t num, int32_t den);

/** @return ARC_OK or ARC_ERR_ARG (no such stream) */
enum arc_status arc_simulcast_pause(struct arc_simulcast *s, int32_t i,
                                    bool paused);
/* ARC_CDEF_END */

#endif
