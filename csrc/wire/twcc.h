/**
 * @file wire/twcc.h  Transport-wide feedback: when each packet arrived
 *
 * draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1. One message speaks of
 * consecutive transport-wide sequence numbers: the i-th status of an array is
 * about base_seq + i (mod 2^16).
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any.
 * Time:    the receiver's own clock, of no known epoch. A message has a
 *          reference time in steps of 64 ms; arrivals are microseconds after
 *          it, in steps of 250 us on the wire.
 */
#ifndef ARC_WIRE_TWCC_H
#define ARC_WIRE_TWCC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/rtcp.h"

/* ARC_CDEF_BEGIN */
#define ARC_TWCC_REFERENCE_US 64000 /* step of the reference time */
#define ARC_TWCC_STEP_US      250   /* step of an arrival         */
#define ARC_TWCC_MAX_STATUSES 65535 /* of one message             */

struct arc_twcc {
    uint32_t sender_ssrc;
    uint32_t media_ssrc;      /* any stream of the transport                 */
    uint16_t base_seq;        /* of the first status                         */
    uint8_t  feedback_count;  /* of this message, mod 2^8: tells lost ones   */
    int32_t  reference_64ms;  /* -2^23..2^23-1; wraps                        */
};

struct arc_twcc_status {
    int64_t arrival_us; /* after the reference time; 0 if not received       */
    bool    received;
};

/**
 * @param cap Room in the array; ARC_TWCC_MAX_STATUSES is always enough
 * @param n   Statuses written; 0 unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_FORMAT (no status, or chunks or deltas of fewer
 *         packets than it claims), ARC_ERR_SPACE (more than `cap`) or
 *         ARC_ERR_ARG (`p` is of another type or format)
 */
enum arc_status arc_twcc_parse(const struct arc_rtcp_packet *p,
                               struct arc_twcc *head,
                               struct arc_twcc_status *statuses, size_t cap,
                               size_t *n);

/**
 * Arrivals are rounded down to whole steps, each by itself, so that errors do
 * not add up. Of the chunks, each time the one that describes most is taken.
 *
 * @param n 1..ARC_TWCC_MAX_STATUSES. Fewer or more, a reference time out of
 *          range, or two arrivals in a row (or the first one and the reference
 *          time) that lie further apart than 16 bits can say, -8.192 s..
 *          8.19175 s, fail the writer
 */
void arc_twcc_write(struct arc_writer *w, const struct arc_twcc *head,
                    const struct arc_twcc_status *statuses, size_t n);
/* ARC_CDEF_END */

#endif
