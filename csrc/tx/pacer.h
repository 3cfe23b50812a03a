/**
 * @file tx/pacer.h  Bounded priority queue of packets that leave at a paced rate
 *
 * Audio leaves at once, in front of everything, but is charged to the budget.
 * Then, as the budget allows: retransmissions, video, forward error correction,
 * padding; first in, first out within each.
 *
 * Budget: it fills at the rate and may be saved up to `burst_us`. A packet may
 * leave while the budget is not negative, and is then charged whole. The
 * default of 5 ms lets a timer that fires every 5 ms fill the link, and keeps a
 * burst below what a delay-based estimator takes for a queue. Debt (audio that
 * was sent without asking) is forgiven beyond 500 ms of the rate.
 *
 * When the oldest packet would wait longer than `max_queue_us`, the queue
 * drains faster than the rate: all of it within what is left of that time
 * (the rule of libwebrtc's pacing controller). Packets are refused only when
 * there is no room; an eighth of it is kept for audio.
 *
 * Owner:   arc_pacer_new() allocates all memory; nothing later does. Holds the
 *          reference of each packet in it.
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock; a step back counts as none.
 */
#ifndef ARC_TX_PACER_H
#define ARC_TX_PACER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pkt.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
enum arc_pacer_class {
    ARC_PACER_AUDIO = 0,
    ARC_PACER_RTX,
    ARC_PACER_VIDEO,
    ARC_PACER_FEC,
    ARC_PACER_PADDING,
    ARC_PACER_CLASSES
};

struct arc_pacer; /* opaque */

struct arc_pacer_config {
    int32_t capacity_pkts;  /* 8..65536                                       */
    int64_t rate_bps;       /* 0 (paused: only audio leaves)..10^10           */
    int64_t burst_us;       /* 0: 5 ms; ..1 s                                 */
    int64_t max_queue_us;   /* 0: 2 s; 1 ms..60 s                             */
    int32_t overhead_bytes; /* charged on top of each packet (IP, UDP, tag);
                               0..1000                                        */
};

struct arc_pacer_item {
    struct arc_pkt *pkt;
    int32_t         stream;    /* the caller's                                */
    int64_t         queued_us; /* set by push                                 */
    int32_t         kind;      /* the caller's                                */
};

struct arc_pacer_stats {
    int64_t pushed[5];   /* by enum arc_pacer_class                           */
    int64_t popped[5];
    int64_t dropped[5];  /* refused: no room                                  */
    int32_t depth_pkts;
    int64_t depth_bytes; /* with overhead                                     */
    int64_t max_wait_us; /* longest time a packet stayed, since the start     */
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_pacer_new(const struct arc_pacer_config *cfg,
                              struct arc_pacer **out);
void            arc_pacer_free(struct arc_pacer *p);

/**
 * Queue a packet.
 *
 * @param item The caller's reference passes to the pacer on ARC_OK only
 *
 * @return ARC_OK, ARC_ERR_SPACE (no room; counted) or ARC_ERR_ARG
 */
enum arc_status arc_pacer_push(struct arc_pacer *p,
                               const struct arc_pacer_item *item,
                               enum arc_pacer_class cls, int64_t now_us);

/**
 * Make room for more packets; what waits stays. Never less than there is.
 *
 * @param capacity_pkts 8..65536
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_pacer_reserve(struct arc_pacer *p, int32_t capacity_pkts);

/** True if arc_pacer_push() would take a packet of this class. */
bool arc_pacer_has_room(const struct arc_pacer *p, enum arc_pacer_class cls);

/**
 * Take the next packet that may leave now.
 *
 * @param out The item; its reference passes to the caller
 *
 * @return ARC_OK, or ARC_AGAIN (see arc_pacer_next_us)
 */
enum arc_status arc_pacer_pop(struct arc_pacer *p, int64_t now_us,
                              struct arc_pacer_item *out);

/**
 * When pop gives something at the latest (a queue that gets old may be faster);
 * ARC_NEVER_US: empty, or paused without audio.
 */
int64_t         arc_pacer_next_us(const struct arc_pacer *p, int64_t now_us);

/**
 * Change the rate, from the last push or pop on. Savings and debt are cut to
 * what the new rate allows.
 *
 * @return ARC_OK, or ARC_ERR_ARG (the rate stays): outside 0..10^10
 */
enum arc_status arc_pacer_set_rate(struct arc_pacer *p, int64_t rate_bps);

/** Time to send all that is queued at the set rate; ARC_NEVER_US: paused. */
int64_t         arc_pacer_queue_us(const struct arc_pacer *p);

/** Age of the oldest packet in it; 0: empty. */
int64_t         arc_pacer_oldest_us(const struct arc_pacer *p, int64_t now_us);

void            arc_pacer_stats(const struct arc_pacer *p,
                                struct arc_pacer_stats *out);
/* ARC_CDEF_END */

#endif
