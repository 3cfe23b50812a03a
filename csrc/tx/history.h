/**
 * @file tx/history.h  Sent packets kept for retransmission (RFC 4585 §6.2.1)
 *
 * A ring by sequence number. What the ring or `max_age_us` pushes out is gone:
 * a packet that old would come too late to be played.
 *
 * Owner:   arc_history_new() allocates all memory; nothing later does. Holds a
 *          reference to each packet in it: the bytes must not change while it
 *          is there (store them before encryption, or write elsewhere).
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock; it must not go back.
 */
#ifndef ARC_TX_HISTORY_H
#define ARC_TX_HISTORY_H

#include <stdint.h>

#include "base/pkt.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
struct arc_history; /* opaque */

struct arc_history_stats {
    int64_t stored;
    int64_t found;    /* answered                                            */
    int64_t missing;  /* asked for: never sent, or pushed out of the ring    */
    int64_t too_old;  /* asked for: older than max_age_us                    */
    int64_t too_soon; /* asked for: resent less than a round trip ago        */
    int64_t refused;  /* not stored: behind the ring                         */
    int32_t depth_pkts;
};

/**
 * @param capacity_pkts Power of two, 2..32768 (half the space of seq16, so that
 *                      a number names one packet)
 * @param max_age_us    1..60 s
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_history_new(int32_t capacity_pkts, int64_t max_age_us,
                                struct arc_history **out);
void            arc_history_free(struct arc_history *h);

/**
 * Keep a packet that is being sent. Packets older than `max_age_us` leave.
 *
 * @param seq Unwrapped sequence number
 * @param pkt The history takes its own reference
 */
void            arc_history_put(struct arc_history *h, int64_t seq,
                                struct arc_pkt *pkt, int64_t now_us);

/**
 * Look for a packet that a NACK names, and note that it is resent now.
 *
 * @param rtt_us Smoothed round-trip time; less than 5 ms counts as 5 ms, so
 *               that a flood of NACKs is no amplifier
 *
 * @return The packet, lent until the next call; NULL: see the counters
 */
struct arc_pkt *arc_history_get(struct arc_history *h, uint16_t seq16,
                                int64_t rtt_us, int64_t now_us);

/** The packet with an unwrapped number, lent until the next call, however often
 *  it is asked for: for callers that bound resends themselves. NULL: gone. */
struct arc_pkt *arc_history_find(const struct arc_history *h, int64_t seq,
                                 int64_t now_us);

void            arc_history_stats(const struct arc_history *h,
                                  struct arc_history_stats *out);
/* ARC_CDEF_END */

#endif
