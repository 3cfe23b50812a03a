/**
 * @file srtp/srtcp.h  Secure RTCP: the same object, the other half of its keys
 *
 * RFC 3711 §3.4, RFC 7714 §9. Sent packets are always encrypted (E = 1);
 * received ones may be authenticated only (E = 0). The tag of every HMAC-SHA1
 * profile has 80 bits here, also where SRTP's has 32 (RFC 3711 §5.2, RFC 4568
 * §6.2.2).
 *
 * Everything that srtp.h says of order and limits holds here.
 *
 * Owner:   as srtp.h: the same object.
 * Threads: one caller at a time, for srtp.h and this together.
 */
#ifndef ARC_SRTP_SRTCP_H
#define ARC_SRTP_SRTCP_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "srtp/srtp.h"

/* ARC_CDEF_BEGIN */
/**
 * Encrypt a compound RTCP packet in place; append index word and tag. The state
 * belongs to the SSRC in its first eight bytes.
 *
 * @param len 8..65535; @param cap at least len + arc_srtp_rtcp_overhead_bytes()
 *
 * @return as arc_srtp_protect()
 */
enum arc_status arc_srtp_protect_rtcp(struct arc_srtp *s, uint8_t *data,
                                      size_t len, size_t cap, size_t *len_out);

/** Authenticate an SRTCP packet, decrypt it in place. @return as unprotect() */
enum arc_status arc_srtp_unprotect_rtcp(struct arc_srtp *s, uint8_t *data,
                                        size_t len, size_t *len_out);

/**
 * Say which SRTCP index the next packet sent by an SSRC has: for a sender that
 * goes on where another process stopped.
 *
 * @return ARC_OK; ARC_ERR_ARG: below the next one, or not 31 bits;
 *         ARC_ERR_LIMIT: the table is full
 */
enum arc_status arc_srtp_set_rtcp_index(struct arc_srtp *s, uint32_t ssrc,
                                        uint32_t index);

/** Bytes that arc_srtp_protect_rtcp() adds. */
int32_t arc_srtp_rtcp_overhead_bytes(const struct arc_srtp *s);
/* ARC_CDEF_END */

#endif
