/**
 * @file wire/rtcpfb.h  RTCP feedback on transport: NACK, TMMBR, TMMBN, SR-REQ
 *
 * RFC 4585 §6.2.1 (generic NACK), RFC 5104 §4.2.1 and §4.2.2 (temporary maximum
 * bit rate: request, notification), RFC 6051 §3.2 (request for a sender report).
 * What all feedback begins with (RFC 4585 §6.1) stands here too.
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any.
 */
#ifndef ARC_WIRE_RTCPFB_H
#define ARC_WIRE_RTCPFB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/rtcp.h"

/* ARC_CDEF_BEGIN */
#define ARC_RTPFB_NACK   1  /* RFC 4585 §6.2.1                                */
#define ARC_RTPFB_TMMBR  3  /* RFC 5104 §4.2.1                                */
#define ARC_RTPFB_TMMBN  4  /* RFC 5104 §4.2.2                                */
#define ARC_RTPFB_SR_REQ 5  /* RFC 6051 §3.2                                  */
#define ARC_RTPFB_CCFB   11 /* RFC 8888 §3.1                                  */
#define ARC_RTPFB_TWCC   15 /* draft-holmer-rmcat-transport-wide-cc-... §3.1  */

/** The most that one source may send, all headers of its packets included. */
struct arc_rtcp_rate_limit {
    uint32_t ssrc;           /* asked to keep to it; in a TMMBN: who asked   */
    uint64_t bitrate_bps;    /* rounded down to 17 bits of mantissa on write;
                              * UINT64_MAX if it does not fit 64 bits        */
    uint16_t overhead_bytes; /* measured, mean of a packet: 0..511           */
};

/**
 * Ask for lost packets. Each 32-bit entry carries one number and the 16 after
 * it, so ascending numbers (mod 2^16) pack best; any order is correct.
 *
 * @param n Numbers; 0 writes nothing, since a NACK without entries is illegal
 */
void arc_rtcp_write_nack(struct arc_writer *w, uint32_t sender_ssrc,
                         uint32_t media_ssrc, const uint16_t *seqs, size_t n);

/**
 * @param seqs As asked, entry by entry, each ascending (mod 2^16); up to 17 an
 *             entry, so that cap 6200 holds what fits into 1500 bytes
 * @param n    Numbers written; 0 unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_FORMAT, ARC_ERR_SPACE (more than `cap`) or
 *         ARC_ERR_ARG (`p` is of another type or format)
 */
enum arc_status arc_rtcp_parse_nack(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc,
                                    uint32_t *media_ssrc, uint16_t *seqs,
                                    size_t cap, size_t *n);

/**
 * Ask sources to send no more than a rate.
 *
 * @param n 0 writes nothing, since a request without entries is illegal; an
 *          overhead above 511 fails the writer
 */
void arc_rtcp_write_tmmbr(struct arc_writer *w, uint32_t sender_ssrc,
                          const struct arc_rtcp_rate_limit *limits, size_t n);

/** Tell all which limits bound this source; n 0: none does (§4.2.2.2). */
void arc_rtcp_write_tmmbn(struct arc_writer *w, uint32_t sender_ssrc,
                          const struct arc_rtcp_rate_limit *limits, size_t n);

/** @return as arc_rtcp_parse_nack() */
enum arc_status arc_rtcp_parse_tmmbr(const struct arc_rtcp_packet *p,
                                     uint32_t *sender_ssrc,
                                     struct arc_rtcp_rate_limit *limits,
                                     size_t cap, size_t *n);
enum arc_status arc_rtcp_parse_tmmbn(const struct arc_rtcp_packet *p,
                                     uint32_t *sender_ssrc,
                                     struct arc_rtcp_rate_limit *limits,
                                     size_t cap, size_t *n);

/** Ask a source for a sender report now, to synchronise its streams. */
void arc_rtcp_write_sr_req(struct arc_writer *w, uint32_t sender_ssrc,
                           uint32_t media_ssrc);

/** @return ARC_OK, ARC_ERR_FORMAT or ARC_ERR_ARG (another type or format) */
enum arc_status arc_rtcp_parse_sr_req(const struct arc_rtcp_packet *p,
                                      uint32_t *sender_ssrc,
                                      uint32_t *media_ssrc);
/* ARC_CDEF_END */

/* For the other feedback messages of this layer. */

bool arc_rtcpfb_is(const struct arc_rtcp_packet *p, uint8_t type,
                   uint8_t format);

/** Reader behind the two SSRCs (§6.1); false: too short for them. */
bool arc_rtcpfb_read_head(const struct arc_rtcp_packet *p, struct arc_reader *r,
                          uint32_t *sender_ssrc, uint32_t *media_ssrc);

/** As arc_rtcp_open(), with the two SSRCs written already. */
bool arc_rtcpfb_open(struct arc_writer *w, uint8_t type, uint8_t format,
                     uint32_t sender_ssrc, uint32_t media_ssrc,
                     size_t fci_bytes, struct arc_writer *body);

/** mantissa * 2^exponent, or UINT64_MAX if that is more. */
uint64_t arc_rtcpfb_rate(uint32_t mantissa, uint32_t exponent);

/** The other way, rounded down: the mantissa, of at most `bits` bits. */
uint32_t arc_rtcpfb_split_rate(uint64_t rate, uint32_t bits,
                               uint32_t *exponent);

#endif
