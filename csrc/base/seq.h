/**
 * @file base/seq.h  Wrapping counters: order and unwrapping
 *
 * 16-bit RTP sequence numbers and 32-bit RTP timestamps wrap. Inside the core
 * they live unwrapped in 64 bits (`seq`, `ts`); these functions are the only
 * way from the wire's width to that one.
 *
 * Owner:   the caller; no free is needed.
 * Threads: one caller at a time for an arc_unwrap; the rest: any.
 */
#ifndef ARC_BASE_SEQ_H
#define ARC_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
/** Last unwrapped value; the next one is taken as the nearest to it. */
struct arc_unwrap {
    int64_t last;
    bool    started;
};

/** Distance a - b of two 16-bit numbers, -32768..32767 (RFC 1982). */
int32_t arc_seq16_diff(uint16_t a, uint16_t b);

/** Distance a - b of two 32-bit timestamps. */
int32_t arc_ts32_diff(uint32_t a, uint32_t b);

void arc_unwrap_init(struct arc_unwrap *u);

/**
 * Unwrap a 16-bit sequence number. The first one is placed at 2^16 + seq16, so
 * that packets from just before it stay positive. `peek` leaves no trace: it
 * is for packets that are not authenticated yet.
 */
int64_t arc_unwrap_seq16(struct arc_unwrap *u, uint16_t seq16);
int64_t arc_unwrap_peek_seq16(const struct arc_unwrap *u, uint16_t seq16);

/** The same for a 32-bit timestamp, first one at 2^32 + ts32. */
int64_t arc_unwrap_ts32(struct arc_unwrap *u, uint32_t ts32);
/* ARC_CDEF_END */

#endif
