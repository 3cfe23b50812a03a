/**
 * @file wire/rtp.h  The RTP header
 *
 * RFC 3550 §5.1. The parsed form holds offsets and no pointers, so that it may
 * be copied together with its packet or outlive a move of it.
 *
 * Owner:   the caller; nothing is kept, no free is needed.
 * Threads: any.
 * Time:    `rtp_ts` is in ticks of the payload's clock.
 */
#ifndef ARC_WIRE_RTP_H
#define ARC_WIRE_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_RTP_HEADER_BYTES 12    /* without CSRCs and extension            */
#define ARC_RTP_MAX_CSRCS    15
#define ARC_RTP_MAX_BYTES    65535 /* no datagram is longer                  */

struct arc_rtp {
    uint8_t  payload_type;  /* 0..127                                        */
    uint8_t  csrc_count;    /* 0..15                                         */
    bool     marker;
    bool     has_padding;   /* the P bit                                     */
    bool     has_extension; /* the X bit                                     */
    uint16_t seq16;
    uint32_t rtp_ts;
    uint32_t ssrc;
    uint32_t csrcs[15];     /* the first csrc_count are valid, the rest zero */
    uint16_t ext_profile;   /* "defined by profile"; 0 without extension     */
    int32_t  ext_off;       /* extension body, behind its 4-byte header      */
    int32_t  ext_len;       /* bytes, a multiple of 4 when parsed            */
    int32_t  payload_off;
    int32_t  payload_len;   /* bytes, without padding                        */
    int32_t  padding_len;   /* bytes, with the count byte; 0: none           */
};

/**
 * Parse a whole plain packet.
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL) or ARC_ERR_FORMAT (arc_rtp_fault() says
 *         why); `out` is unchanged unless ARC_OK
 */
enum arc_status arc_rtp_parse(const uint8_t *data, size_t len,
                              struct arc_rtp *out);

/**
 * Parse the header of a packet that is still encrypted: the padding count lies
 * in the ciphertext, so payload_len is all the rest and padding_len is 0.
 *
 * @return as arc_rtp_parse()
 */
enum arc_status arc_rtp_parse_header(const uint8_t *data, size_t len,
                                     struct arc_rtp *out);

/** Why arc_rtp_parse() refuses these bytes, in English; NULL: it does not. */
const char *arc_rtp_fault(const uint8_t *data, size_t len);

/**
 * Write the fixed header, the CSRCs and the extension.
 *
 * The offsets of `h` and its payload_len are not looked at. With has_padding
 * the P bit is set, and the caller appends the padding behind the payload.
 *
 * @param h       Header; ext_len bytes of extension body if has_extension
 * @param ext     Extension body, filled up with zeros to whole words; may be
 *                NULL when ext_len is 0; ext_len 0..262140
 * @param out     Room for `cap` bytes
 * @param len_out Bytes written; unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_ARG (a field is out of range) or ARC_ERR_SPACE
 */
enum arc_status arc_rtp_write_header(const struct arc_rtp *h,
                                     const uint8_t *ext, uint8_t *out,
                                     size_t cap, size_t *len_out);

/* Change one field in place. `packet` was parsed before: 12 bytes or more. */
void arc_rtp_set_seq16(uint8_t *packet, uint16_t seq16);
void arc_rtp_set_ts(uint8_t *packet, uint32_t rtp_ts);
void arc_rtp_set_ssrc(uint8_t *packet, uint32_t ssrc);
void arc_rtp_set_payload_type(uint8_t *packet, uint8_t payload_type);
/* ARC_CDEF_END */

#endif
