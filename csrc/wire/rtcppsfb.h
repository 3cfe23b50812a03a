/**
 * @file wire/rtcppsfb.h  RTCP feedback on payload: PLI, FIR, SLI, REMB, ...
 *
 * RFC 4585 §6.3.1 (PLI), §6.3.2 (SLI) and §6.3.3 (RPSI), RFC 5104 §4.3.1 (FIR),
 * §4.3.2 and §4.3.3 (TSTR, TSTN), draft-alvestrand-rmcat-remb-03 §2.2 (REMB).
 *
 * Owner:   the caller; parsed pointers are lent out of the bytes.
 * Threads: any.
 */
#ifndef ARC_WIRE_RTCPPSFB_H
#define ARC_WIRE_RTCPPSFB_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/rtcp.h"

/* ARC_CDEF_BEGIN */
#define ARC_PSFB_PLI  1  /* RFC 4585 §6.3.1                                   */
#define ARC_PSFB_SLI  2  /* RFC 4585 §6.3.2                                   */
#define ARC_PSFB_RPSI 3  /* RFC 4585 §6.3.3                                   */
#define ARC_PSFB_FIR  4  /* RFC 5104 §4.3.1                                   */
#define ARC_PSFB_TSTR 5  /* RFC 5104 §4.3.2                                   */
#define ARC_PSFB_TSTN 6  /* RFC 5104 §4.3.3                                   */
#define ARC_PSFB_AFB  15 /* RFC 4585 §6.4: application layer, REMB among them */

#define ARC_RTCP_MAX_REMB_SSRCS 255

/** Macroblocks lost in one picture, in scan order. */
struct arc_rtcp_sli {
    uint16_t first;      /* 0..8191; the upper left one is 1                 */
    uint16_t number;     /* 0..8191                                          */
    uint8_t  picture_id; /* 0..63: lowest bits of the codec's own number     */
};

/** Sharp pictures or many of them. */
struct arc_rtcp_tradeoff {
    uint32_t ssrc;   /* asked; in a TSTN: who asked                          */
    uint8_t  seq_nr; /* of the request; a repetition keeps it                */
    uint8_t  index;  /* 0 (highest quality) .. 31 (highest frame rate)       */
};

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

/**
 * @param cap Room in the arrays, entries
 * @param n   Entries written; 0 unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_FORMAT, ARC_ERR_SPACE (more than `cap`) or
 *         ARC_ERR_ARG (`p` is of another type or format)
 */
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
 * @return as arc_rtcp_parse_fir(), and ARC_ERR_UNSUPPORTED: application layer
 *         feedback that is not a REMB
 */
enum arc_status arc_rtcp_parse_remb(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc,
                                    uint64_t *bitrate_bps, uint32_t *ssrcs,
                                    size_t cap, size_t *n);

/** n: 0 writes nothing; a value out of its range fails the writer. */
void arc_rtcp_write_sli(struct arc_writer *w, uint32_t sender_ssrc,
                        uint32_t media_ssrc, const struct arc_rtcp_sli *slices,
                        size_t n);

/** @return as arc_rtcp_parse_fir() */
enum arc_status arc_rtcp_parse_sli(const struct arc_rtcp_packet *p,
                                   uint32_t *sender_ssrc, uint32_t *media_ssrc,
                                   struct arc_rtcp_sli *slices, size_t cap,
                                   size_t *n);

/**
 * Name a picture to predict from, in the codec's own words.
 *
 * @param payload_type 0..127; more fail the writer
 * @param bits         From the highest bit of the first byte on
 * @param n_bits       0..2097040; more fail the writer
 */
void arc_rtcp_write_rpsi(struct arc_writer *w, uint32_t sender_ssrc,
                         uint32_t media_ssrc, uint8_t payload_type,
                         const uint8_t *bits, size_t n_bits);

/**
 * @param bits What stands behind the last bit, in its byte, is to be ignored
 *
 * @return ARC_OK, ARC_ERR_FORMAT or ARC_ERR_ARG (another type or format)
 */
enum arc_status arc_rtcp_parse_rpsi(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc, uint32_t *media_ssrc,
                                    uint8_t *payload_type, const uint8_t **bits,
                                    size_t *n_bits);

/**
 * TSTR asks for a trade-off, TSTN answers.
 *
 * @param n 0 writes nothing; an index above 31 fails the writer
 */
void arc_rtcp_write_tstr(struct arc_writer *w, uint32_t sender_ssrc,
                         const struct arc_rtcp_tradeoff *items, size_t n);
void arc_rtcp_write_tstn(struct arc_writer *w, uint32_t sender_ssrc,
                         const struct arc_rtcp_tradeoff *items, size_t n);

/** @return as arc_rtcp_parse_fir() */
enum arc_status arc_rtcp_parse_tstr(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc,
                                    struct arc_rtcp_tradeoff *items, size_t cap,
                                    size_t *n);
enum arc_status arc_rtcp_parse_tstn(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc,
                                    struct arc_rtcp_tradeoff *items, size_t cap,
                                    size_t *n);
/* ARC_CDEF_END */

#endif
