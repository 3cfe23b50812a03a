/**
 * @file wire/rtcpxr.h  RTCP extended reports: blocks, reference times, delays
 *
 * RFC 3611 §2, §3, and of its blocks §4.4 (receiver reference time) and §4.5
 * (delay since the last one). Reading: arc_xr_iter_init() once a packet,
 * arc_xr_next() in a loop, then the parser of each type; what no parser knows
 * is skipped by taking the next block. Writing: the blocks one behind the other
 * into a writer of the caller's, then arc_rtcp_write_xr() around them; a block
 * or packet that does not fit fails the writer and leaves no byte of itself.
 *
 * Owner:   the caller; parsed pointers are lent out of the packet's bytes.
 * Threads: any.
 * Time:    `ntp64` is wall time, 32.32 seconds since 1900, or the time since the
 *          sender joined (§4.4); lrr is its middle 32 bits, dlrr counts
 *          1/65536 s (§4.5).
 */
#ifndef ARC_WIRE_RTCPXR_H
#define ARC_WIRE_RTCPXR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/rtcp.h"

/* ARC_CDEF_BEGIN */
#define ARC_XR_LOSS_RLE      1  /* RFC 3611 §4.1 */
#define ARC_XR_DUPLICATE_RLE 2  /* RFC 3611 §4.2 */
#define ARC_XR_RECEIPT_TIMES 3  /* RFC 3611 §4.3 */
#define ARC_XR_RRTR          4  /* RFC 3611 §4.4 */
#define ARC_XR_DLRR          5  /* RFC 3611 §4.5 */
#define ARC_XR_SUMMARY       6  /* RFC 3611 §4.6 */
#define ARC_XR_VOIP          7  /* RFC 3611 §4.7 */
#define ARC_XR_POST_REPAIR   33 /* RFC 7509 §3.1 */

struct arc_xr_block {
    uint8_t        type;     /* ARC_XR_..., or any other                     */
    uint8_t        specific; /* second byte; its use depends on the type     */
    const uint8_t *body;     /* after the 4-byte header of the block         */
    size_t         body_len; /* bytes; a multiple of 4                       */
};

/** Where an iteration over an XR packet stands. */
struct arc_xr_iter {
    struct arc_reader r;
    uint32_t          ssrc; /* who reports */
};

/** How long ago one receiver's reference time came. */
struct arc_xr_dlrr {
    uint32_t ssrc; /* the receiver                                           */
    uint32_t lrr;  /* of its last reference time; 0: none came yet           */
    uint32_t dlrr; /* from its arrival to this block; 0: none came yet       */
};

/** @return ARC_OK, ARC_ERR_FORMAT (too short) or ARC_ERR_ARG (not an XR) */
enum arc_status arc_xr_iter_init(struct arc_xr_iter *it,
                                 const struct arc_rtcp_packet *p);

/**
 * Next block, of whatever type.
 *
 * @return ARC_OK, ARC_AGAIN (no more) or ARC_ERR_FORMAT (the block runs past
 *         the packet; every later call says so too)
 */
enum arc_status arc_xr_next(struct arc_xr_iter *it, struct arc_xr_block *out);

/** @return ARC_OK, ARC_ERR_FORMAT or ARC_ERR_ARG (another type) */
enum arc_status arc_xr_parse_rrtr(const struct arc_xr_block *b,
                                  uint64_t *ntp64);

/**
 * @param cap Room in the array, entries
 * @param n   Entries written; 0 unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_FORMAT (no whole number of entries), ARC_ERR_SPACE
 *         (more than `cap`) or ARC_ERR_ARG (another type)
 */
enum arc_status arc_xr_parse_dlrr(const struct arc_xr_block *b,
                                  struct arc_xr_dlrr *items, size_t cap,
                                  size_t *n);

/** Append one block to the blocks of a packet. */
void arc_xr_write_rrtr(struct arc_writer *w, uint64_t ntp64);

/** n: 1..21844; 0 writes nothing, since the block has one or more (§4.5). */
void arc_xr_write_dlrr(struct arc_writer *w, const struct arc_xr_dlrr *items,
                       size_t n);

/** A block of any type as it is; body_len a multiple of 4, at most 262140. */
void arc_xr_write_block(struct arc_writer *w, const struct arc_xr_block *b);

/** A packet around `blocks_len` bytes of blocks; a multiple of 4, may be 0. */
void arc_rtcp_write_xr(struct arc_writer *w, uint32_t ssrc,
                       const uint8_t *blocks, size_t blocks_len);

/** A packet with this one block. */
void arc_rtcp_write_xr_rrtr(struct arc_writer *w, uint32_t ssrc,
                            uint64_t ntp64);

/** A packet with this one block; n 0 writes nothing. */
void arc_rtcp_write_xr_dlrr(struct arc_writer *w, uint32_t ssrc,
                            const struct arc_xr_dlrr *items, size_t n);
/* ARC_CDEF_END */

/**
 * Claim a block with `body_len` bytes of body and write its header; for the
 * other writers of blocks. Fails `w` and answers false when it has no room, or
 * `body_len` is not a multiple of 4 or above 262140.
 *
 * @param body Writer over the body only, to be filled to its end
 */
bool arc_xr_open(struct arc_writer *w, uint8_t type, uint8_t specific,
                 size_t body_len, struct arc_writer *body);

#endif
