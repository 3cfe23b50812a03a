/**
 * @file video/decoder.h  One interface to every video decoder
 *
 * A coded picture in, the picture out: no frame threads, nothing held back but
 * what the stream's own order demands. Pictures are the library's buffers with
 * a reference, no copy; they are read only.
 *
 * Damaged data never harms more than pictures: what cannot be decoded answers
 * ARC_ERR_CODEC, and the decoder goes on with the next key frame; what was
 * decoded with errors comes with `damaged` set. A picture whose reference got
 * lost whole is decoded from the nearest one without a notice: packets that are
 * missing are the caller's knowledge (rx/assemble).
 *
 * Owner:   arc_vdec_new() to arc_vdec_free(); frames outlive their decoder.
 * Threads: one caller at a time; slices may be decoded by the library's own.
 */
#ifndef ARC_VIDEO_DECODER_H
#define ARC_VIDEO_DECODER_H

#include <stdint.h>

#include "base/status.h"
#include "video/encoder.h"
#include "video/vframe.h"

/* ARC_CDEF_BEGIN */
#define ARC_VDEC_MAX_BYTES 67108864 /* one coded picture; more is ARC_ERR_ARG */

struct arc_vdec; /* opaque */

/**
 * Open a decoder.
 *
 * @param codec   enum arc_video_codec
 * @param threads 1..16; 0: as many as cores
 * @param why     Reason in words when it fails; NULL: not wanted
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_UNSUPPORTED
 */
enum arc_status arc_vdec_new(int32_t codec, int32_t threads,
                             struct arc_vdec **out, char *why, int32_t why_cap);
void            arc_vdec_free(struct arc_vdec *d);

/**
 * Decode a whole coded picture (H.264: an access unit, Annex B).
 *
 * @param data Copied
 * @param ts   Comes back with the picture
 * @param out  New reference; untouched unless ARC_OK
 *
 * @return ARC_OK, ARC_AGAIN (nothing to show yet), ARC_ERR_ARG, ARC_ERR_NOMEM,
 *         ARC_ERR_CODEC (damaged, or no key frame yet: ask for one) or
 *         ARC_ERR_UNSUPPORTED (not 8 bits 4:2:0, or too large)
 */
enum arc_status arc_vdec_decode(struct arc_vdec *d, const uint8_t *data,
                                int32_t len, int64_t ts,
                                struct arc_vframe **out);

/**
 * The same for a part of one: whole NAL units. The picture comes out with the
 * part that holds its last macroblocks; `damaged` does not tell of concealment
 * here. For callers who know no frame bounds.
 */
enum arc_status arc_vdec_decode_part(struct arc_vdec *d, const uint8_t *data,
                                     int32_t len, int64_t ts,
                                     struct arc_vframe **out);

/** Forget all references, as after a jump; wait for a key frame. */
void arc_vdec_flush(struct arc_vdec *d);
/* ARC_CDEF_END */

#endif
