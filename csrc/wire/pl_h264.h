/**
 * @file wire/pl_h264.h  H.264 in RTP payloads
 *
 * RFC 6184, packetization mode 1: single NAL units (§5.6), STAP-A (§5.7.1) and
 * FU-A (§5.8); and mode 0, which has single NAL units only (§6.2). STAP-B, MTAP
 * and FU-B belong to interleaved mode 2 and are refused.
 *
 * Packer:   one access unit as Annex B bytes (H.264 B.1) in, payloads out, in
 *           decoding order, until ARC_AGAIN. Neighbours that fit one payload
 *           together share a STAP-A; a NAL unit too large for one becomes FU-A
 *           pieces of equal size (± 1 byte). Access unit delimiters and filler
 *           data (types 9, 12) are dropped: RTP's marker does the first's work
 *           and the second carries nothing.
 * Unpacker: payloads without a gap in, Annex B bytes with 4-byte start codes
 *           out. It knows no sequence numbers: who calls it gives it only
 *           payloads that follow each other. Parameter sets that were told out
 *           of band (sprop-parameter-sets, §8.1) go in front of an IDR picture
 *           that has none with it.
 *
 * Owner:   the caller; the structs borrow the buffers and need no free.
 * Threads: one caller at a time.
 */
#ifndef ARC_WIRE_PL_H264_H
#define ARC_WIRE_PL_H264_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_PL_H264_MIN_PAYLOAD_BYTES 16
#define ARC_PL_H264_MAX_PAYLOAD_BYTES 65535

#define ARC_H264_NAL_SLICE  1 /* H.264 table 7-1 */
#define ARC_H264_NAL_IDR    5
#define ARC_H264_NAL_SEI    6
#define ARC_H264_NAL_SPS    7
#define ARC_H264_NAL_PPS    8
#define ARC_H264_NAL_AUD    9
#define ARC_H264_NAL_FILLER 12
#define ARC_H264_NAL_STAP_A 24 /* RFC 6184 table 1 */
#define ARC_H264_NAL_FU_A   28

/** All fields are the packer's own; dropped_nals may be read. */
struct arc_pl_h264_packer {
    const uint8_t *annexb;
    size_t         len;
    size_t         max_payload_bytes;
    size_t         nal_off;      /* NAL unit to send next                       */
    size_t         nal_len;      /* bytes; 0: no more                           */
    size_t         next_pos;     /* where the search for the one after goes on  */
    size_t         piece;        /* FU-A pieces of this NAL unit sent so far    */
    bool           single_only;  /* mode 0                                      */
    int32_t        dropped_nals; /* delimiters, filler, types RTP cannot carry  */
};

/**
 * Begin with an access unit.
 *
 * @param annexb            Borrowed until the last payload is out
 * @param max_payload_bytes ARC_PL_H264_MIN_.. to ARC_PL_H264_MAX_PAYLOAD_BYTES
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_FORMAT (no start code)
 */
enum arc_status arc_pl_h264_packer_init(struct arc_pl_h264_packer *p,
                                        const uint8_t *annexb, size_t len,
                                        size_t max_payload_bytes);

/**
 * The same in packetization mode 0: each NAL unit is a payload of its own.
 *
 * @return As above; ARC_ERR_LIMIT: a NAL unit is larger than max_payload_bytes,
 *         and the encoder must make smaller slices
 */
enum arc_status arc_pl_h264_packer_init_single(struct arc_pl_h264_packer *p,
                                               const uint8_t *annexb, size_t len,
                                               size_t max_payload_bytes);

/**
 * Write the next payload.
 *
 * @param out      Room for `cap` bytes; max_payload_bytes always suffice
 * @param len_out  Bytes written; unchanged unless ARC_OK
 * @param last_out True for the last payload of the access unit: the RTP packet
 *                 that takes the marker (§5.1); unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_AGAIN (after the last), ARC_ERR_SPACE (`cap`; nothing
 *         moved) or ARC_ERR_ARG
 */
enum arc_status arc_pl_h264_packer_next(struct arc_pl_h264_packer *p,
                                        uint8_t *out, size_t cap,
                                        size_t *len_out, bool *last_out);

/** What one payload carries. */
struct arc_pl_h264_info {
    uint8_t nal_type;   /* 1..23; of the first NAL unit in a STAP-A            */
    bool    starts_nal; /* a NAL unit begins here: not the inside of a FU-A    */
    bool    ends_nal;   /* a NAL unit ends here: false: more pieces follow     */
    bool    has_idr;    /* any NAL unit, or the one a piece is of, is type 5   */
    bool    has_sps;    /* ... is type 7                                       */
    bool    is_reference; /* nal_ref_idc of any is not 0: a frame none of whose
                           * payloads says so is not referred to               */
};

/**
 * Look into a payload.
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_FORMAT (cut or forbidden) or
 *         ARC_ERR_UNSUPPORTED (a type of mode 2, or reserved: 0, 30, 31);
 *         `out` is unchanged unless ARC_OK
 */
enum arc_status arc_pl_h264_peek(const uint8_t *payload, size_t len,
                                 struct arc_pl_h264_info *out);

/** All fields are the unpacker's own; dropped_nals may be read. */
struct arc_pl_h264_unpacker {
    uint8_t *out;
    size_t   cap;
    size_t   len;          /* bytes of whole NAL units and of the open one     */
    size_t   open_pos;     /* where the open NAL unit's start code stands      */
    bool     open;         /* pieces have come, the last not yet               */
    bool     has_idr;      /* since init                                       */
    bool     has_sps;
    const uint8_t *sets;   /* parameter sets told out of band                  */
    size_t   sets_len;
    int32_t  dropped_nals; /* NAL units that were begun and not kept           */
};

/** @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_pl_h264_unpacker_init(struct arc_pl_h264_unpacker *u,
                                          uint8_t *out, size_t cap);

/**
 * Tell the parameter sets that came out of band.
 *
 * @param sets Annex B, borrowed until the last arc_pl_h264_unpacker_finish();
 *             NULL with len 0: none
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_pl_h264_unpacker_set_sets(struct arc_pl_h264_unpacker *u,
                                              const uint8_t *sets, size_t len);

/**
 * Append what a payload carries.
 *
 * After a fault the unpacker is ready for the next payload; what it holds is
 * whole NAL units only. A NAL unit whose last piece did not come before another
 * one begins is taken out: then the answer is ARC_ERR_FORMAT although this
 * payload was appended.
 *
 * @return ARC_OK, ARC_ERR_FORMAT (malformed, a piece without its beginning, or
 *         the case above), ARC_ERR_SPACE (`cap`), ARC_ERR_UNSUPPORTED (as
 *         arc_pl_h264_peek()) or ARC_ERR_ARG
 */
enum arc_status arc_pl_h264_unpacker_push(struct arc_pl_h264_unpacker *u,
                                          const uint8_t *payload, size_t len);

/**
 * End the access unit.
 *
 * @param len_out Bytes of whole NAL units in `out`, also with ARC_ERR_FORMAT
 *
 * @return ARC_OK, ARC_ERR_FORMAT (an open NAL unit was taken out), ARC_ERR_SPACE
 *         (no room for the parameter sets: len_out is 0) or ARC_ERR_ARG
 */
enum arc_status arc_pl_h264_unpacker_finish(struct arc_pl_h264_unpacker *u,
                                            size_t *len_out);
/* ARC_CDEF_END */

#endif
