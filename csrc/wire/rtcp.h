/**
 * @file wire/rtcp.h  RTCP packets: compound, SR, RR, SDES, BYE, APP
 *
 * RFC 3550 §6 and, for compounds that do not begin with a report, RFC 5506.
 * Reading: arc_rtcp_check_compound() once, then arc_rtcp_next() in a loop, then
 * the parser of each type. Writing: one call a packet into an arc_writer; a
 * packet that does not fit, or breaks a limit, fails the writer and leaves no
 * byte of itself. A packet may be followed by others; no padding is written.
 *
 * Owner:   the caller; parsed pointers are lent out of the bytes.
 * Threads: any.
 * Time:    `ntp64` is wall time, 32.32 seconds since 1900 (RFC 3550 §4); lsr
 *          is its middle 32 bits, dlsr counts 1/65536 s (§6.4.1).
 */
#ifndef ARC_WIRE_RTCP_H
#define ARC_WIRE_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_RTCP_SR    200 /* RFC 3550 §6.4.1 */
#define ARC_RTCP_RR    201 /* RFC 3550 §6.4.2 */
#define ARC_RTCP_SDES  202 /* RFC 3550 §6.5   */
#define ARC_RTCP_BYE   203 /* RFC 3550 §6.6   */
#define ARC_RTCP_APP   204 /* RFC 3550 §6.7   */
#define ARC_RTCP_RTPFB 205 /* RFC 4585 §6.2   */
#define ARC_RTCP_PSFB  206 /* RFC 4585 §6.3   */
#define ARC_RTCP_XR    207 /* RFC 3611 §2     */

#define ARC_SDES_END   0   /* closes a chunk  */
#define ARC_SDES_CNAME 1
#define ARC_SDES_NAME  2
#define ARC_SDES_EMAIL 3
#define ARC_SDES_PHONE 4
#define ARC_SDES_LOC   5
#define ARC_SDES_TOOL  6
#define ARC_SDES_NOTE  7
#define ARC_SDES_PRIV  8

#define ARC_RTCP_MAX_COUNT      31  /* blocks, chunks or sources of a packet */
#define ARC_RTCP_MAX_TEXT_BYTES 255 /* SDES value, reason of a BYE           */

struct arc_rtcp_packet {
    uint8_t        type;     /* ARC_RTCP_..., or any other                   */
    uint8_t        count;    /* blocks, chunks, subtype or format: 0..31     */
    const uint8_t *body;     /* after the 4-byte header                      */
    size_t         body_len; /* bytes, a multiple of 4; whole words of padding
                              * are removed                                  */
};

struct arc_rtcp_report_block {
    uint32_t ssrc;
    uint8_t  fraction_lost;   /* 1/256 since the last report                 */
    int32_t  cumulative_lost; /* packets; 24 bits signed, clamped on write   */
    uint32_t highest_seq;     /* wraps << 16 | seq16                         */
    uint32_t jitter_ticks;
    uint32_t lsr;             /* 0: no SR seen yet                           */
    uint32_t dlsr;
};

struct arc_rtcp_sender_info {
    uint64_t ntp64;
    uint32_t rtp_ts; /* the same moment as ntp64 */
    uint32_t packets;
    uint32_t bytes;  /* payload only             */
};

struct arc_rtcp_sdes_item {
    uint32_t       ssrc;
    uint8_t        type;      /* ARC_SDES_...; END closes the chunk          */
    uint8_t        value_len; /* bytes; 0 for END                            */
    const uint8_t *value;     /* no zero at its end; NULL for END            */
};

/** Where an iteration over an SDES packet stands. */
struct arc_rtcp_sdes_iter {
    const uint8_t *body;
    size_t         len;
    size_t         pos;
    uint32_t       ssrc;
    uint8_t        chunks_left;
    bool           in_chunk;
};

struct arc_rtcp_app {
    uint8_t        subtype;  /* 0..31                                        */
    uint32_t       ssrc;
    uint8_t        name[4];  /* ASCII                                        */
    const uint8_t *data;
    size_t         data_len; /* bytes, a multiple of 4                       */
};

/**
 * Check a datagram as RFC 3550 A.2 says: every version is 2, the lengths add
 * up, padding in whole words and only in the last packet, and the first packet
 * is an SR or RR without padding unless `reduced_size_allowed` (RFC 5506). Only
 * transport-wide feedback (wire/twcc.h) may have padding anywhere, of any
 * length: that is how the most widespread implementation sends it.
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL) or ARC_ERR_FORMAT
 */
enum arc_status arc_rtcp_check_compound(const uint8_t *data, size_t len,
                                        bool reduced_size_allowed);

/** Why arc_rtcp_check_compound() refuses, in English; NULL: it does not. */
const char *arc_rtcp_fault(const uint8_t *data, size_t len,
                           bool reduced_size_allowed);

/**
 * Next packet of a compound.
 *
 * @return ARC_OK, ARC_AGAIN (at the end) or ARC_ERR_FORMAT (the reader has
 *         failed; every later call says so too)
 */
enum arc_status arc_rtcp_next(struct arc_reader *r,
                              struct arc_rtcp_packet *out);

/**
 * Parse a packet of one type. Profile-specific words behind the blocks are
 * not looked at.
 *
 * @param cap   Room in the array, entries
 * @param n     Entries written; 0 unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_FORMAT (too short), ARC_ERR_SPACE (more entries than
 *         `cap`) or ARC_ERR_ARG (`p` is of another type)
 */
enum arc_status arc_rtcp_parse_sr(const struct arc_rtcp_packet *p,
                                  uint32_t *ssrc,
                                  struct arc_rtcp_sender_info *info,
                                  struct arc_rtcp_report_block *blocks,
                                  size_t cap, size_t *n);
enum arc_status arc_rtcp_parse_rr(const struct arc_rtcp_packet *p,
                                  uint32_t *ssrc,
                                  struct arc_rtcp_report_block *blocks,
                                  size_t cap, size_t *n);

/** As above; `reason` is NULL when there is none, and has no zero at its end. */
enum arc_status arc_rtcp_parse_bye(const struct arc_rtcp_packet *p,
                                   uint32_t *ssrcs, size_t cap, size_t *n,
                                   const uint8_t **reason, size_t *reason_len);

/** @return ARC_OK, ARC_ERR_FORMAT or ARC_ERR_ARG */
enum arc_status arc_rtcp_parse_app(const struct arc_rtcp_packet *p,
                                   struct arc_rtcp_app *out);

/** @return ARC_OK, or ARC_ERR_ARG: not an SDES packet */
enum arc_status arc_rtcp_sdes_iter_init(struct arc_rtcp_sdes_iter *it,
                                        const struct arc_rtcp_packet *p);

/**
 * Next item; each chunk ends with an item of type ARC_SDES_END.
 *
 * @return ARC_OK, ARC_AGAIN (no more) or ARC_ERR_FORMAT
 */
enum arc_status arc_rtcp_sdes_next(struct arc_rtcp_sdes_iter *it,
                                   struct arc_rtcp_sdes_item *out);

/* n: 0..31 blocks; more fail the writer. */
void arc_rtcp_write_sr(struct arc_writer *w, uint32_t ssrc,
                       const struct arc_rtcp_sender_info *info,
                       const struct arc_rtcp_report_block *blocks, size_t n);
void arc_rtcp_write_rr(struct arc_writer *w, uint32_t ssrc,
                       const struct arc_rtcp_report_block *blocks, size_t n);

/** One chunk with one item; more than 255 bytes fail the writer. */
void arc_rtcp_write_sdes_cname(struct arc_writer *w, uint32_t ssrc,
                               const char *cname);

/** Bytes that arc_rtcp_write_sdes_cname() takes. */
size_t arc_rtcp_cname_bytes(const char *cname);

/**
 * The items as arc_rtcp_sdes_next() hands them out: the ssrc counts in the
 * first item of a chunk, and the last item must be an END.
 */
void arc_rtcp_write_sdes(struct arc_writer *w,
                         const struct arc_rtcp_sdes_item *items, size_t n);

/** n: 0..31 sources; `reason_or_null` of at most 255 bytes, ends with a zero. */
void arc_rtcp_write_bye(struct arc_writer *w, const uint32_t *ssrcs, size_t n,
                        const char *reason_or_null);

/** The same with a reason that may hold zeros; NULL: none; 0..255 bytes. */
void arc_rtcp_write_bye_text(struct arc_writer *w, const uint32_t *ssrcs,
                             size_t n, const uint8_t *reason,
                             size_t reason_len);

void arc_rtcp_write_app(struct arc_writer *w, const struct arc_rtcp_app *app);

/** A packet of any type as it is; count 0..31, body_len a multiple of 4. */
void arc_rtcp_write_raw(struct arc_writer *w, const struct arc_rtcp_packet *p);
/* ARC_CDEF_END */

/**
 * Claim a packet with `body_len` bytes of body and write its header; for the
 * other writers of this layer. Fails `w` and answers false when it has no room,
 * `count` is above 31, or `body_len` is not a multiple of 4 or above 262140.
 *
 * @param body Writer over the body only, to be filled to its end
 */
bool arc_rtcp_open(struct arc_writer *w, uint8_t type, size_t count,
                   size_t body_len, struct arc_writer *body);

#endif
