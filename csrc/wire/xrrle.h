/**
 * @file wire/xrrle.h  Extended reports on each packet: losses, duplicates, times
 *
 * RFC 3611 §4.1 (Loss RLE), §4.2 (Duplicate RLE) and §4.3 (Packet Receipt
 * Times). All three speak of the sequence numbers begin_seq .. end_seq - 1 that
 * are multiples of 2^thinning, in ascending order (mod 2^16).
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any.
 * Time:    receipt times count the ticks of the stream's RTP clock (§4.3).
 */
#ifndef ARC_WIRE_XRRLE_H
#define ARC_WIRE_XRRLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/rtcpxr.h"

/* ARC_CDEF_BEGIN */
#define ARC_XR_MAX_RANGE 65533 /* sequence numbers of one block (§4.1) */

struct arc_xr_range {
    uint32_t ssrc;      /* source of the packets                             */
    uint16_t begin_seq; /* first one                                         */
    uint16_t end_seq;   /* last one plus one                                 */
    uint8_t  thinning;  /* 0..15: only multiples of 2^thinning               */
};

/** How many packets a range speaks of; 0 if it is empty or breaks a limit. */
size_t arc_xr_range_count(const struct arc_xr_range *range);

/** The number of the i-th of them, i < arc_xr_range_count(). */
uint16_t arc_xr_range_seq16(const struct arc_xr_range *range, size_t i);

/**
 * Losses or duplicates, by the type of the block.
 *
 * @param bits One byte a packet: 1 received, 0 lost; of duplicates: 1 not
 *             received twice, 0 received more than once (§4.2)
 * @param cap  Room in the array; ARC_XR_MAX_RANGE is always enough
 * @param n    Packets; 0 unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_FORMAT (the chunks do not fit the range, or it is
 *         too long), ARC_ERR_SPACE (more than `cap`) or ARC_ERR_ARG (another
 *         type)
 */
enum arc_status arc_xr_parse_rle(const struct arc_xr_block *b,
                                 struct arc_xr_range *range, uint8_t *bits,
                                 size_t cap, size_t *n);

/**
 * @param type ARC_XR_LOSS_RLE or ARC_XR_DUPLICATE_RLE
 * @param bits arc_xr_range_count() bytes, as above; written in as few chunks as
 *             can be. A range that breaks a limit fails the writer
 */
void arc_xr_write_rle(struct arc_writer *w, uint8_t type,
                      const struct arc_xr_range *range, const uint8_t *bits);

/** @return as arc_xr_parse_rle() */
enum arc_status arc_xr_parse_receipt_times(const struct arc_xr_block *b,
                                           struct arc_xr_range *range,
                                           uint32_t *times_ticks, size_t cap,
                                           size_t *n);

/** As arc_xr_write_rle(), with as many times; all of them were received. */
void arc_xr_write_receipt_times(struct arc_writer *w,
                                const struct arc_xr_range *range,
                                const uint32_t *times_ticks);
/* ARC_CDEF_END */

#endif
