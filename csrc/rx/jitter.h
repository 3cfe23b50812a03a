/**
 * @file rx/jitter.h  Adaptive play-out buffer of one RTP stream
 *
 * Packets go in as they arrive and come out in order, each not before its
 * play-out time
 *
 *     playout(ts) = base + ts / clock + target          (base, target: rx/delay.h)
 *
 * A packet is late when its place was played: a later one was popped. One that
 * comes after its play-out time while its place is still open is kept and is
 * due at once. A missing packet holds nothing back: pop goes on with the next
 * one when that is due, and counts the gap as lost.
 *
 * A time line that jumps (transit off by more than 10 s: the sender restarted
 * or switched its source) starts a new base. What is buffered of the old one
 * keeps its play-out times; it is flushed only if the new sequence numbers
 * cannot stand in the same buffer.
 *
 * Owner:   arc_jitter_new() allocates all memory; nothing later does. The
 *          buffer holds a reference to each packet in it.
 * Threads: one caller at a time.
 * Time:    `now_us` and `arrival_us` are one monotonic clock.
 * Bounds:  at most `capacity_pkts` packets; when full the oldest is dropped.
 */
#ifndef ARC_RX_JITTER_H
#define ARC_RX_JITTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "rx/delay.h"
#include "rx/rxpkt.h"

/* ARC_CDEF_BEGIN */
struct arc_jitter; /* opaque */

struct arc_jitter_config {
    int32_t clock_hz;           /* RTP clock; 1000..1000000                  */
    int32_t min_latency_ms;     /* hard bounds of the target; 0..            */
    int32_t max_latency_ms;     /* ..10000, not below min                    */
    int32_t initial_latency_ms; /* min..max                                  */
    bool    adaptive;           /* false: the target stays at initial        */
    int32_t capacity_pkts;      /* 2..16384                                  */
    double  late_share;         /* rx/delay.h; 0: the default                */
    double  stall_share;        /* rx/delay.h; 0: stalls are not told apart  */
    int64_t long_us;            /* rx/delay.h; 0: no delay is long           */
};

struct arc_jitter_stats {
    int64_t pushed;            /* kept                                       */
    int64_t popped;
    int64_t late;              /* refused: its place was played              */
    int64_t duplicate;         /* refused: the same number twice             */
    int64_t lost;              /* places played without their packet; a late
                                  packet's place is among them               */
    int64_t reordered;         /* kept, after a higher number                */
    int64_t overflow;          /* dropped, the oldest, because it was full   */
    int64_t flushed;           /* dropped: the sequence numbers began anew   */
    int64_t restarts;          /* new time lines                             */
    int32_t target_latency_ms;
    int32_t depth_pkts;
    int32_t depth_ms;          /* media time from the earliest to the latest */
    double  jitter_ms;         /* RFC 3550 A.8                               */
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_jitter_new(const struct arc_jitter_config *cfg,
                               struct arc_jitter **out);
void            arc_jitter_free(struct arc_jitter *j);

/**
 * @return ARC_OK (kept; took its own reference), ARC_ERR_REPLAY (duplicate),
 *         ARC_ERR_OLD (late, or older than all of a full buffer) or ARC_ERR_ARG
 */
enum arc_status arc_jitter_push(struct arc_jitter *j, const struct arc_rxpkt *p,
                                int64_t now_us);

/**
 * Take the next packet in order if it is due.
 *
 * @param out The packet; its reference passes to the caller
 *
 * @return ARC_OK, or ARC_AGAIN (empty or not due; see arc_jitter_next_us)
 */
enum arc_status arc_jitter_pop(struct arc_jitter *j, int64_t now_us,
                               struct arc_rxpkt *out);

/** The same, due or not. @return ARC_OK, or ARC_AGAIN: empty */
enum arc_status arc_jitter_take(struct arc_jitter *j, struct arc_rxpkt *out);

/** Earliest packet, due or not, lent until the next push or pop; NULL: empty. */
const struct arc_rxpkt *arc_jitter_peek(const struct arc_jitter *j);

/** Whether the packet with this number is in the buffer. */
bool            arc_jitter_holds(const struct arc_jitter *j, int64_t seq);

/** That packet, lent until the next push or pop; NULL: it is not there. */
const struct arc_rxpkt *arc_jitter_at(const struct arc_jitter *j, int64_t seq);

/** The network is another one: base, target and what they rest on begin anew. */
void            arc_jitter_forget_delay(struct arc_jitter *j);

/** Its base, target and what they rest on; lent. */
const struct arc_delay *arc_jitter_delay(const struct arc_jitter *j);

/** When media time `ts` is to be played at the present target; ARC_NEVER_US
 *  before the first packet. */
int64_t         arc_jitter_playout_us(const struct arc_jitter *j, int64_t ts);

/** When pop will give something; ARC_NEVER_US: empty. */
int64_t         arc_jitter_next_us(const struct arc_jitter *j);

/** External measurements; see arc_delay_adapt(). */
void            arc_jitter_adapt(struct arc_jitter *j, double loss_rate,
                                 double jitter_ms, double rtt_ms);

int32_t         arc_jitter_target_ms(const struct arc_jitter *j);
int32_t         arc_jitter_depth_pkts(const struct arc_jitter *j);
int32_t         arc_jitter_depth_ms(const struct arc_jitter *j);
void            arc_jitter_stats(const struct arc_jitter *j,
                                 struct arc_jitter_stats *out);
/* ARC_CDEF_END */

#endif
