/**
 * @file wire/pl_vp8.h  VP8 in RTP payloads: the payload descriptor
 *
 * RFC 7741 §4.2: the bytes in front of the VP8 data say which picture and which
 * temporal layer a packet belongs to, so that pictures can be left out without
 * a decoder. Key frames are told by the first byte of the VP8 data (§4.3).
 *
 * Owner:   the caller; nothing is kept, no free is needed.
 * Threads: any.
 */
#ifndef ARC_WIRE_PL_VP8_H
#define ARC_WIRE_PL_VP8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "wire/vpxids.h"

/* ARC_CDEF_BEGIN */
#define ARC_PL_VP8_MAX_DESCRIPTOR_BYTES 6

struct arc_pl_vp8 {
    uint8_t descriptor_len;   /* bytes, 1..6; the VP8 data follow            */
    uint8_t partition;        /* PID, 0..7                                   */
    bool    starts_partition; /* S                                           */
    bool    starts_frame;     /* S, and partition 0                          */
    bool    is_key;           /* starts_frame, and the frame is a key frame  */
    bool    is_non_reference; /* N: no other frame needs this one            */
    bool    has_tid;          /* T                                           */
    bool    is_layer_sync;    /* Y: needs only the base layer's last frame   */
    uint8_t tid;              /* temporal layer 0..3; 0 without has_tid      */
    struct arc_vpxids ids;    /* PictureID, TL0PICIDX, KEYIDX                */
};

/**
 * Read the descriptor of a payload.
 *
 * Bits that §4.2 tells receivers to ignore are ignored; Y without T too.
 * TL0PICIDX without TID, which a sender must not make, is read.
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL) or ARC_ERR_FORMAT (cut, or no data behind
 *         the descriptor); `out` is unchanged unless ARC_OK
 */
enum arc_status arc_pl_vp8_parse(const uint8_t *payload, size_t len,
                                 struct arc_pl_vp8 *out);
/* ARC_CDEF_END */

#endif
