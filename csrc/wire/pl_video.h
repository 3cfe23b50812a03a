/**
 * @file wire/pl_video.h  One interface over the video payload formats
 *
 * An encoder hands out one picture at a time: one frame, or, with spatial
 * layers, one frame of each, in decoding order. What it knows of each frame
 * beyond its bytes stands in struct arc_pl_layer; the payload formats write it
 * in front of the data, so that a router or a receiver can leave frames out
 * without a decoder.
 *
 * Owner:   the caller.
 * Threads: one caller at a time.
 */
#ifndef ARC_WIRE_PL_VIDEO_H
#define ARC_WIRE_PL_VIDEO_H

#include <stdbool.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
#define ARC_PL_MAX_LAYERS 8 /* frames in one picture                          */
#define ARC_PL_MAX_REFS   8 /* pictures that one frame refers to              */

/** One layer's frame in a picture. An encoder without layers fills one of these
 *  with off 0, len, is_key, is_reference, and one reference: {1}. */
struct arc_pl_layer {
    uint32_t off;             /* bytes from the picture's start               */
    uint32_t len;             /* bytes                                        */
    uint16_t width_px;        /* of the frame; 0: not told                    */
    uint16_t height_px;
    uint8_t  tid;             /* temporal layer, 0..7; VP8: 0..3              */
    uint8_t  sid;             /* spatial layer, 0..7; AV1: 0..3               */
    bool     is_key;          /* needs no earlier picture, and none after it
                               * needs one from before it: decoding can begin */
    bool     is_reference;    /* a later picture may refer to it              */
    bool     is_switching_up; /* no later frame of a higher temporal layer
                               * needs one from before this one (VP9's U)     */
    bool     is_layer_sync;   /* above the base layer: refers to frames of
                               * temporal layer 0 only (VP8's Y)              */
    bool     is_inter_layer;  /* refers to the spatial layer below it in the
                               * same picture (VP9's D)                       */
    bool     ends_picture;    /* the last frame of the picture                */
    uint8_t  n_refs;          /* 0..ARC_PL_MAX_REFS; 0 for a key frame        */
    uint8_t  refs[8];         /* each: so many pictures back, 1..127, in the
                               * same spatial layer                           */
};
/* ARC_CDEF_END */

#endif
