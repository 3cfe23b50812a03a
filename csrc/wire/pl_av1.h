/**
 * @file wire/pl_av1.h  AV1 in RTP payloads
 *
 * "RTP Payload Format For AV1" (AOMedia), sections 4.3 to 5: each payload begins
 * with an aggregation header, then come OBU elements: whole OBUs, or pieces of
 * one at the edges. Temporal delimiters, tile lists and padding are not sent.
 *
 * Packer:   one temporal unit (OBUs with sizes, as encoders give them) in,
 *           payloads out until ARC_AGAIN. OBUs lose their sizes. At most three
 *           OBUs share a payload, and never those of two layers. What needs
 *           several payloads is cut into pieces of nearly equal size.
 * Unpacker: payloads without a gap in, OBUs with sizes out, as decoders take
 *           them. It knows no sequence numbers: who calls it gives it only
 *           payloads that follow each other.
 *
 * Owner:   the caller; the structs borrow the buffers and need no free.
 * Threads: one caller at a time.
 */
#ifndef ARC_WIRE_PL_AV1_H
#define ARC_WIRE_PL_AV1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "wire/obu.h"

/* ARC_CDEF_BEGIN */
#define ARC_PL_AV1_MIN_PAYLOAD_BYTES 16
#define ARC_PL_AV1_MAX_PAYLOAD_BYTES 65535
#define ARC_PL_AV1_MAX_ELEMENTS      3 /* that W can count                   */

/** All fields are the packer's own; dropped_obus may be read. */
struct arc_pl_av1_packer {
    const uint8_t *data;
    size_t         len;
    size_t         max_payload_bytes;
    size_t         pos;          /* of the OBU that is sent next             */
    struct arc_obu obu;          /* it                                       */
    size_t         sent;         /* bytes of it sent so far, header included */
    size_t         left;         /* bytes to send of this layer's frame      */
    bool           has_obu;      /* false: no more                           */
    bool           in_frame;     /* a payload of this layer's frame is out   */
    bool           starts_sequence; /* N for the first payload               */
    int32_t        dropped_obus; /* delimiters, tile lists, padding          */
};

/** Where a payload stands. */
struct arc_pl_av1_place {
    uint8_t tid;
    uint8_t sid;
    bool    starts_frame; /* first payload of a layer's frame                */
    bool    ends_frame;   /* last payload of it                              */
    bool    last;         /* of the temporal unit: takes the marker (4.2)    */
};

/**
 * Begin with a temporal unit.
 *
 * @param data              Borrowed until the last payload is out
 * @param starts_sequence   It begins with a key frame and its sequence header
 * @param max_payload_bytes ARC_PL_AV1_MIN_.. to ARC_PL_AV1_MAX_PAYLOAD_BYTES
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_FORMAT (not OBUs, or none to send)
 */
enum arc_status arc_pl_av1_packer_init(struct arc_pl_av1_packer *p,
                                       const uint8_t *data, size_t len,
                                       bool starts_sequence,
                                       size_t max_payload_bytes);

/**
 * Write the next payload.
 *
 * @param out     Room for max_payload_bytes
 * @param len_out Bytes written; unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_AGAIN (after the last) or ARC_ERR_ARG
 */
enum arc_status arc_pl_av1_packer_next(struct arc_pl_av1_packer *p,
                                       uint8_t *out, size_t *len_out,
                                       struct arc_pl_av1_place *place);

/** What one payload carries. */
struct arc_pl_av1_info {
    bool    continues;       /* Z: goes on with the last packet's OBU         */
    bool    is_continued;    /* Y: the next packet goes on with the last OBU  */
    bool    starts_sequence; /* N: a key frame begins here                    */
    bool    has_sequence_header;
    bool    has_layers;      /* an OBU that begins here names its layer       */
    uint8_t tid;             /* of the first that does                        */
    uint8_t sid;
    uint8_t first_type;      /* of the OBU that begins first; 0: none does    */
    int32_t n_elements;      /* 1..                                           */
};

/**
 * Look into a payload. All elements are walked through.
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_FORMAT (lengths that lie, no element,
 *         or N with Z); `out` is unchanged unless ARC_OK
 */
enum arc_status arc_pl_av1_peek(const uint8_t *payload, size_t len,
                                struct arc_pl_av1_info *out);

/** All fields are the unpacker's own; dropped_obus may be read. */
struct arc_pl_av1_unpacker {
    uint8_t *out;
    size_t   cap;
    size_t   len;          /* bytes of whole OBUs and of the open one         */
    size_t   open_pos;     /* where the open OBU begins                       */
    size_t   open_header;  /* bytes of its header                             */
    bool     open;         /* pieces have come, the last not yet              */
    int32_t  dropped_obus; /* OBUs that were begun and not kept               */
};

/** @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_pl_av1_unpacker_init(struct arc_pl_av1_unpacker *u,
                                         uint8_t *out, size_t cap);

/**
 * Append what a payload carries.
 *
 * After a fault the unpacker is ready for the next payload; what it holds is
 * whole OBUs only.
 *
 * @return ARC_OK, ARC_ERR_FORMAT (malformed, a piece without its beginning, or
 *         without its end before another OBU begins), ARC_ERR_SPACE (`cap`) or
 *         ARC_ERR_ARG
 */
enum arc_status arc_pl_av1_unpacker_push(struct arc_pl_av1_unpacker *u,
                                         const uint8_t *payload, size_t len);

/**
 * End the temporal unit.
 *
 * @param len_out Bytes of whole OBUs in `out`, also with ARC_ERR_FORMAT
 *
 * @return ARC_OK, ARC_ERR_FORMAT (an open OBU was taken out) or ARC_ERR_ARG
 */
enum arc_status arc_pl_av1_unpacker_finish(struct arc_pl_av1_unpacker *u,
                                           size_t *len_out);
/* ARC_CDEF_END */

/* The aggregation header (4.4). */
#define ARC_PL_AV1_Z_BIT   0x80
#define ARC_PL_AV1_Y_BIT   0x40
#define ARC_PL_AV1_W_SHIFT 4
#define ARC_PL_AV1_N_BIT   0x08

#endif
