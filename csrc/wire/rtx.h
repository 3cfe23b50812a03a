/**
 * @file wire/rtx.h  The retransmission payload format
 *
 * RFC 4588 §4: a retransmission is the original packet with another SSRC,
 * payload type and sequence number, and with the original sequence number
 * (OSN, two bytes) in front of the payload. Timestamp, marker, CSRCs and
 * header extension stay; padding goes.
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any.
 */
#ifndef ARC_WIRE_RTX_H
#define ARC_WIRE_RTX_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_RTX_OSN_BYTES 2

/**
 * Wrap an original plain packet.
 *
 * @param rtx_payload_type 0..127
 * @param out              Room for `cap` bytes; len + 2 always suffice; must
 *                         not overlap `packet`
 * @param len_out          Bytes written; unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_FORMAT (not RTP) or ARC_ERR_SPACE
 */
enum arc_status arc_rtx_wrap(const uint8_t *packet, size_t len,
                             uint32_t rtx_ssrc, uint8_t rtx_payload_type,
                             uint16_t rtx_seq16, uint8_t *out, size_t cap,
                             size_t *len_out);

/**
 * Restore the original packet in place; it gets shorter by the OSN and by the
 * padding of the retransmission.
 *
 * @param len                Bytes in, bytes out; unchanged unless ARC_OK
 * @param media_payload_type 0..127
 *
 * @return ARC_OK, ARC_AGAIN (no payload: a probe of padding only, nothing to
 *         restore), ARC_ERR_FORMAT (not RTP, or one byte of payload) or
 *         ARC_ERR_ARG; the packet is unchanged unless ARC_OK
 */
enum arc_status arc_rtx_unwrap(uint8_t *packet, size_t *len,
                               uint32_t media_ssrc,
                               uint8_t media_payload_type);
/* ARC_CDEF_END */

#endif
