/**
 * @file rx/delay.h  How long one stream must be held back for smooth play-out
 *
 * Two numbers. `base`: the smallest transit time (arrival - media time) of the
 * last seconds, which follows clock drift and route changes. `target`: what
 * must be added so that nearly all packets are there in time, from a histogram
 * of relative delays (transit - base) that forgets slowly. The histogram is
 * the method of NetEQ's delay manager (Liang, Färber, Girod: "Adaptive Playout
 * Scheduling and Loss Concealment for Voice Communication over IP Networks",
 * IEEE Trans. Multimedia 5(4), 2003, describes the family).
 *
 * Stalls are told apart when asked for (`stall_share`). A network that stands
 * still and then gives all that waited at once makes many packets late, but it
 * is one event: the first of them counts, what is drained behind it does not.
 * When a stall of three packets or more comes again and again, its height and
 * period are remembered instead, and the target is what leaves `stall_share` of
 * the time uncovered. When the stalls stop, they are forgotten after twice their
 * period.
 *
 * Target grows at once when the histogram asks for it, and shrinks by at most
 * 1 ms in 50 ms, which time stretching can hide.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock; it must not go back.
 */
#ifndef ARC_RX_DELAY_H
#define ARC_RX_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_DELAY_BINS       256
#define ARC_DELAY_MAX_MS     10000
#define ARC_DELAY_MIN_SLOTS  10     /* the base looks back over this many .. */
#define ARC_DELAY_SLOT_US    500000 /* .. half seconds                       */
#define ARC_DELAY_STALLS     4      /* stalls that are remembered            */

struct arc_delay_config {
    int32_t min_ms;     /* bounds of the target, hard; 0..max_ms            */
    int32_t max_ms;     /* min_ms..10000                                    */
    int32_t initial_ms; /* until 25 packets were seen; min_ms..max_ms       */
    bool    adaptive;   /* false: the target stays at initial_ms            */
    double  late_share; /* packets that may come later; 0: 0.01; below 0.2   */
    double  stall_share;/* time that stalls may leave uncovered; 0: they are
                           packets like others; below 0.2                    */
    int64_t long_us;    /* a longer delay lets in proportion more packets come
                           later; 0: none does                               */
};

struct arc_delay_stall {
    int64_t height_us;  /* relative delay of its first packet               */
    int64_t at_us;      /* when that came                                   */
};

struct arc_delay {
    struct arc_delay_config cfg;
    int64_t base_us;      /* meaningful if started                           */
    int64_t target_us;
    int64_t extra_us;     /* arc_delay_adapt(): on top, for repairs          */
    int64_t floor_us;     /* arc_delay_adapt(): measured elsewhere           */
    int64_t shrunk_us;    /* when the target was last allowed to shrink      */
    bool    started;

    int64_t slot_min_us[ARC_DELAY_MIN_SLOTS]; /* minimum of each half second */
    int64_t slot_now;     /* number of the half second now being filled      */

    double  bins[ARC_DELAY_BINS]; /* weights, in units of `unit`             */
    double  unit;         /* weight of one packet now; grows, see delay.c    */
    double  total;
    int32_t bin_us;
    int32_t top_bin;      /* no weight above it                              */
    int64_t n_pkts;

    int64_t last_transit_us; /* packet before this one, by arrival           */
    int64_t last_us;
    int64_t head_us;      /* relative delay of the last one that came by itself */
    int32_t head_bin;     /* where it was counted                            */
    int32_t n_behind;     /* packets drained behind it                       */
    int32_t n_stalls;     /* all that there were                             */
    struct arc_delay_stall stalls[ARC_DELAY_STALLS]; /* ring by n_stalls     */
};

/** @return ARC_OK or ARC_ERR_ARG (then `d` is untouched) */
enum arc_status arc_delay_init(struct arc_delay *d,
                               const struct arc_delay_config *cfg);

/** Forget the base but not the histogram: a new time line of the same network. */
void arc_delay_new_timeline(struct arc_delay *d);

/**
 * Note one packet that came by itself (no repair, no duplicate).
 *
 * @param transit_us Arrival time less media time; the origin does not matter
 */
void arc_delay_on_packet(struct arc_delay *d, int64_t transit_us, int64_t now_us);

/**
 * What others measured. It may raise the target above what the histogram says,
 * never lower it.
 *
 * @param loss_rate 0..1; from 0.5 % on, the target is raised by `rtt_ms` so
 *                  that a retransmission arrives in time, if that stays within
 *                  max_ms (else a repair would come too late anyway)
 * @param jitter_ms Interarrival jitter (RFC 3550 A.8); the target is at least
 *                  three times it
 * @param rtt_ms    Round-trip time
 */
void arc_delay_adapt(struct arc_delay *d, double loss_rate, double jitter_ms,
                     double rtt_ms);

/** Share of the packets that came later than this over the base, 0..1. */
double arc_delay_later(const struct arc_delay *d, int64_t relative_us);
/* ARC_CDEF_END */

#endif
