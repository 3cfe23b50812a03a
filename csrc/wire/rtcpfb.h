/**
 * @file wire/rtcpfb.h  RTCP feedback: NACK, PLI, FIR, REMB
 *
 * RFC 4585 §6.2.1 (generic NACK) and §6.3.1 (PLI), RFC 5104 §4.3.1 (FIR),
 * draft-alvestrand-rmcat-remb-03 §2.2 (REMB).
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any.
 */
#ifndef ARC_WIRE_RTCPFB_H
#define ARC_WIRE_RTCPFB_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/rtcp.h"

/* ARC_CDEF_BEGIN */
#define ARC_RTPFB_NACK 1  /* RFC 4585 §6.2.1                                  */
#define ARC_RTPFB_CCFB 11 /* RFC 8888 §3.1                                    */
#define ARC_RTPFB_TWCC 15 /* draft-holmer-rmcat-transport-wide-cc-extensions  */
#define ARC_PSFB_PLI   1  /* RFC 4585 §6.3.1                                  */
#define ARC_PSFB_FIR   4  /* RFC 5104 §4.3.1                                  */
#define ARC_PSFB_AFB   15 /* RFC 4585 §6.4: application layer, REMB among them */

#define ARC_RTCP_MAX_REMB_SSRCS 255

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

/** Say that a picture is lost. */
void arc_rtcp_write_pli(struct arc_writer *w, uint32_t sender_ssrc,
                        uint32_t media_ssrc);

/** @return ARC_OK, ARC_ERR_FORMAT or ARC_ERR_ARG (another type or format) */
enum arc_status arc_rtcp_parse_pli(const struct arc_rtcp_packet *p,
                                   uint32_t *sender_ssrc,
                                   uint32_t *media_ssrc);

/** Ask one source for a key frame; a repeated request keeps its `seq_nr`. */
void arc_rtcp_write_fir(struct arc_writer *w, uint32_t sender_ssrc,
                        uint32_t media_ssrc, uint8_t seq_nr);

/** As arc_rtcp_write_fir() for several sources; n 0 writes nothing. */
void arc_rtcp_write_fir_list(struct arc_writer *w, uint32_t sender_ssrc,
                             const uint32_t *ssrcs, const uint8_t *seq_nrs,
                             size_t n);

/** @return as arc_rtcp_parse_nack() */
enum arc_status arc_rtcp_parse_fir(const struct arc_rtcp_packet *p,
                                   uint32_t *sender_ssrc, uint32_t *ssrcs,
                                   uint8_t *seq_nrs, size_t cap, size_t *n);

/**
 * Tell the highest rate that some sources may send together.
 *
 * @param bitrate_bps Rounded down to 18 bits of mantissa
 * @param n           0..255; more fail the writer
 */
void arc_rtcp_write_remb(struct arc_writer *w, uint32_t sender_ssrc,
                         uint64_t bitrate_bps, const uint32_t *ssrcs,
                         size_t n);

/**
 * @param bitrate_bps UINT64_MAX when the rate does not fit 64 bits
 *
 * @return as arc_rtcp_parse_nack(), and ARC_ERR_UNSUPPORTED: application layer
 *         feedback that is not a REMB
 */
enum arc_status arc_rtcp_parse_remb(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc,
                                    uint64_t *bitrate_bps, uint32_t *ssrcs,
                                    size_t cap, size_t *n);
/* ARC_CDEF_END */

#endif
