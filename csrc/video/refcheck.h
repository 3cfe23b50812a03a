/**
 * @file video/refcheck.h  What a coded picture's headers say of its references
 *
 * Reads no more of a picture than its first headers, as far as they tell whether
 * decoding can begin with it, whether others will refer to it, and whether one
 * that it refers to is missing:
 *
 *   H.264  frame_num (7.4.3): a gap that the SPS does not allow is a picture
 *          that was lost. Recovery by intra refresh (SEI recovery point, D.2.8)
 *          is followed. Operation 5 of reference marking, which begins
 *          frame_num anew, is not read: the picture after it counts as missing
 *          one
 *   VP9    the eight places of references (VP9 specification 6.2, 7.2): one that
 *          was never filled. Superframes are taken apart (annex B)
 *   VP8    key frame or not (RFC 6386 section 9.1); nothing tells of a gap
 *   AV1    key frame or not (AV1 specification 5.9.2); nothing tells of a gap
 *
 * Bytes that make no sense tell nothing: whether they can be decoded is the
 * decoder's to say.
 *
 * Owner:   the caller's struct; no heap.
 * Threads: one caller at a time.
 */
#ifndef ARC_VIDEO_REFCHECK_H
#define ARC_VIDEO_REFCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
struct arc_refcheck {
    int32_t codec;            /* enum arc_video_codec                        */
    /* H.264 */
    uint8_t sps_frame_num_bits[32]; /* log2_max_frame_num; 0: no such SPS    */
    bool    sps_gaps[32];     /* gaps in frame_num are no loss               */
    bool    sps_colours[32];  /* planes are coded apart                      */
    uint8_t pps_sps[256];     /* the SPS that it refers to, plus 1; 0: no PPS */
    int32_t prev_frame_num;   /* of the last reference picture; -1: none yet */
    int32_t recover_at;       /* frame_num that ends a refresh; -1: none     */
    /* VP9 */
    uint8_t have;             /* places of references that were filled       */
};

struct arc_refcheck_info {
    bool is_key;      /* decoding can begin here                             */
    bool recovered;   /* an intra refresh ends here: the picture is whole    */
    bool disposable;  /* no other picture refers to it; not told: false      */
    bool missing_ref; /* it refers to a picture that never came              */
};

/** @param codec enum arc_video_codec */
void arc_refcheck_init(struct arc_refcheck *r, int32_t codec);

/** The decoder was emptied: nothing before counts. Parameter sets stay. */
void arc_refcheck_flush(struct arc_refcheck *r);

/** A picture was damaged: a refresh that had begun does not mend it. */
void arc_refcheck_on_damage(struct arc_refcheck *r);

/**
 * Look at the next coded picture, or at a part of one (H.264: whole NAL units).
 *
 * @param data As arc_vdec_decode() takes it
 * @param out  Always filled in
 */
void arc_refcheck_look(struct arc_refcheck *r, const uint8_t *data, size_t len,
                       struct arc_refcheck_info *out);
/* ARC_CDEF_END */

#endif
