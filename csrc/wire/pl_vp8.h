/**
 * @file wire/pl_vp8.h  VP8 in RTP payloads
 *
 * RFC 7741 §4.2: the bytes in front of the VP8 data, the payload descriptor, say
 * which picture and which temporal layer a packet belongs to, so that pictures
 * can be left out without a decoder. Key frames are told by the first byte of
 * the VP8 data (§4.3).
 *
 * Packer:   one frame in, payloads out until ARC_AGAIN. A frame with several
 *           partitions of coefficients is cut at partitions, so that a lost
 *           packet takes no more than one of them with it: whole neighbours
 *           that fit share a payload, and one that is too large becomes pieces
 *           of equal size (± 1 byte). Any other frame becomes pieces of equal
 *           size, and PID stays 0 (§4.4).
 * Unpacker: payloads of one frame without a gap in, the frame out. It knows no
 *           sequence numbers: who calls it gives it only payloads that follow
 *           each other.
 *
 * Owner:   the caller; the structs borrow the buffers and need no free.
 * Threads: one caller at a time.
 */
#ifndef ARC_WIRE_PL_VP8_H
#define ARC_WIRE_PL_VP8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "wire/vp8frame.h"
#include "wire/vpxids.h"

/* ARC_CDEF_BEGIN */
#define ARC_PL_VP8_MAX_DESCRIPTOR_BYTES 6
#define ARC_PL_VP8_MIN_PAYLOAD_BYTES    16
#define ARC_PL_VP8_MAX_PAYLOAD_BYTES    65535

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

/**
 * Write a descriptor, in its shortest form.
 *
 * @param d   Present are: PictureID if picture_id_bits is 7 or 15, TL0PICIDX and
 *            KEYIDX if their places are not 0 (wherever they are), TID and Y
 *            with has_tid. starts_frame, is_key and descriptor_len are not
 *            looked at
 * @param out Room for ARC_PL_VP8_MAX_DESCRIPTOR_BYTES
 *
 * @return Bytes written, 1..6; 0: a value is out of its range, or TL0PICIDX
 *         without TID (§4.2)
 */
size_t arc_pl_vp8_write(const struct arc_pl_vp8 *d, uint8_t *out);

/** All fields are the packer's own. */
struct arc_pl_vp8_packer {
    const uint8_t     *data;
    size_t             max_payload_bytes;
    size_t             pos;        /* bytes sent                              */
    uint8_t            part;       /* partition at pos                        */
    uint8_t            n_parts;    /* 1: cut without regard to partitions     */
    uint8_t            head_len;   /* bytes of each descriptor                */
    uint32_t           part_end[9];
    struct arc_pl_vp8  head;
};

/**
 * Begin with a frame.
 *
 * @param head              As arc_pl_vp8_write() takes it; S and PID are the
 *                          packer's
 * @param data              Borrowed until the last payload is out
 * @param len               Bytes, 1..2^32 - 1
 * @param max_payload_bytes ARC_PL_VP8_MIN_.. to ARC_PL_VP8_MAX_PAYLOAD_BYTES
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_pl_vp8_packer_init(struct arc_pl_vp8_packer *p,
                                       const struct arc_pl_vp8 *head,
                                       const uint8_t *data, size_t len,
                                       size_t max_payload_bytes);

/**
 * Write the next payload.
 *
 * @param out      Room for max_payload_bytes
 * @param len_out  Bytes written; unchanged unless ARC_OK
 * @param last_out True for the last payload of the frame: the RTP packet that
 *                 takes the marker (§4.1); unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_AGAIN (after the last) or ARC_ERR_ARG
 */
enum arc_status arc_pl_vp8_packer_next(struct arc_pl_vp8_packer *p,
                                       uint8_t *out, size_t *len_out,
                                       bool *last_out);

/** All fields are the unpacker's own; dropped_frames may be read. */
struct arc_pl_vp8_unpacker {
    uint8_t *out;
    size_t   cap;
    size_t   len;             /* bytes of the frame so far                    */
    bool     open;            /* its first payload is here, and all since     */
    struct arc_vpxids ids;    /* of its first payload                         */
    int32_t  dropped_frames;  /* frames that were begun and not kept          */
};

/** @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_pl_vp8_unpacker_init(struct arc_pl_vp8_unpacker *u,
                                         uint8_t *out, size_t cap);

/**
 * Append what a payload carries.
 *
 * After a fault the frame is taken out, and the unpacker is ready for the first
 * payload of one. A frame that begins inside another takes its place: then the
 * answer is ARC_ERR_FORMAT although this payload was taken.
 *
 * @return ARC_OK, ARC_ERR_FORMAT (malformed, without the frame's beginning, of
 *         another PictureID than that, or the case above), ARC_ERR_SPACE
 *         (`cap`) or ARC_ERR_ARG
 */
enum arc_status arc_pl_vp8_unpacker_push(struct arc_pl_vp8_unpacker *u,
                                         const uint8_t *payload, size_t len);

/**
 * End the frame. That its last payload is here, only the marker says.
 *
 * @param len_out Bytes of the frame in `out`; 0: there is none
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_pl_vp8_unpacker_finish(struct arc_pl_vp8_unpacker *u,
                                           size_t *len_out);
/* ARC_CDEF_END */

#endif
