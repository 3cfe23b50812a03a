/**
 * @file rx/losspattern.h  How packets of one stream are lost: how many, in bursts
 *                         of which length, and what repair leaves
 *
 * Each sequence number is judged once, in order, `settle_us` after a higher one
 * was seen: until then it may still come late, or by a repair. Three questions
 * are asked of it, and each has its own figures:
 *
 *   before    did the network lose it? (it never came by itself)
 *   after     is it gone for good? (no repair brought it either: RFC 7509)
 *   unplayed  will nobody hear or see it? (gone, or there only after its
 *             play-out time: what RFC 3611 calls lost or discarded)
 *
 * The figures fit a Gilbert model: a chain of two states in which a packet is
 * lost exactly in the bad one. It enters that state with probability p and
 * leaves it with probability r, so that the mean burst is 1/r packets, the mean
 * gap 1/p and the loss rate p/(p+r) (E. N. Gilbert, "Capacity of a burst-noise
 * channel", Bell System Technical Journal 39, 1960). The older a packet, the
 * less it weighs: by e in each `memory_us`. Bursts and gaps by Gmin (RFC 3611
 * §4.7.2) and the totals are since the start.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock; it must not go back.
 * Bounds:  ARC_LOSSPATTERN_PKTS numbers wait for their judgement; who is pushed
 *          out of there is judged early.
 */
#ifndef ARC_RX_LOSSPATTERN_H
#define ARC_RX_LOSSPATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "rx/restart.h"

/* ARC_CDEF_BEGIN */
#define ARC_LOSSPATTERN_PKTS  2048
#define ARC_LOSSPATTERN_MARKS 8

struct arc_losspattern_config {
    int64_t settle_us;  /* when a packet is judged; 10 ms..60 s               */
    int64_t memory_us;  /* weight falls by e in it; 100 ms..10 min            */
    int32_t gmin_pkts;  /* played in a row, they end a burst; 1..255          */
};

/** Weights of packets, the newest 1 each. */
struct arc_losspattern_tally {
    double pkts;
    double lost;
    double bursts;   /* lost ones behind one that was not                     */
    bool   in_burst; /* the last one was lost                                 */
};

/** Bursts of RFC 3611 §4.7.2, packets since the start. */
struct arc_losspattern_gmin {
    int64_t bursts, burst_pkts, burst_lost; /* that have ended                */
    int64_t pkts, lost;                     /* all                            */
    int32_t run_lost;   /* of the burst that may be going on; 0: none is      */
    int64_t run_pkts;   /* from its first lost packet to its last             */
    int64_t since;      /* played since then                                  */
};

struct arc_losspattern {
    struct arc_losspattern_config cfg;
    int64_t lost_before, lost_after, discarded, repaired; /* judged, since the
                                                             start            */
    int64_t judged;
    int64_t too_late;   /* came, or were repaired, after their judgement      */
    int64_t jumps;      /* the numbers began anew                             */

    /* The rest is the module's own. */
    bool     started;
    int64_t  next;      /* first number that is not judged                    */
    int64_t  highest, highest_us;
    int64_t  mark_us[ARC_LOSSPATTERN_MARKS]; /* ring: what was the highest ..  */
    int64_t  mark_seq[ARC_LOSSPATTERN_MARKS];/* .. number at that time         */
    int32_t  first_mark, n_marks;
    int64_t  faded_us;  /* weights are as of then                             */
    double   fade;      /* factor of one step                                 */
    struct arc_losspattern_tally before, after, unplayed;
    struct arc_losspattern_gmin gmin;
    struct arc_restart restart;
    int64_t  report_next, report_lost, report_repaired, report_jumps;
    uint8_t  fate[ARC_LOSSPATTERN_PKTS];
    uint8_t  came[ARC_LOSSPATTERN_PKTS / 8]; /* judged: a bit, set if it came by
                                               itself                         */
};

/** Figures of one of the three questions; all 0 before anything was judged. */
struct arc_loss_figures {
    double rate;        /* 0..1                                               */
    double burst_pkts;  /* mean, lost in a row; 0: none was                   */
    double gap_pkts;    /* mean, not lost in a row; 0: none was lost          */
    double conditional; /* rate among those behind a lost one: 1 - r          */
    double enter;       /* p: rate among those behind one that was not lost   */
    double weight_pkts; /* how many packets the figures rest on               */
};

struct arc_losspattern_figures {
    struct arc_loss_figures before, after, unplayed;
    double  burst_density; /* lost or discarded inside bursts, 0..1; ..       */
    double  gap_density;   /* .. outside; both since the start                */
    double  gmin_burst_pkts; /* mean length of those bursts; 0: none          */
    double  gmin_gap_pkts;   /* and of what lies between; 0: nothing          */
    int32_t waiting_pkts;  /* not judged yet                                  */
};

/** What was judged since the last report, for RFC 7509 §3.1. */
struct arc_losspattern_report {
    int64_t  begin_seq;
    int64_t  end_seq;      /* one more than the last; equal: nothing          */
    uint16_t lost_pkts;    /* for good; at most 65535                         */
    uint16_t repaired_pkts;
};

/** @return ARC_OK or ARC_ERR_ARG (then `p` is untouched) */
enum arc_status arc_losspattern_init(struct arc_losspattern *p,
                                     const struct arc_losspattern_config *cfg);

/**
 * Note an arrival, of the packet itself or of its repair. Any order, and any
 * number of times.
 *
 * @param seq      Unwrapped sequence number. A step of more than
 *                 ARC_LOSSPATTERN_PKTS ahead, or two in sequence so far behind,
 *                 begins anew (RFC 3550 A.1)
 * @param repaired By RTX, FEC or RED; false: by itself
 * @param in_time  Before its play-out time
 */
void arc_losspattern_on_packet(struct arc_losspattern *p, int64_t seq,
                               bool repaired, bool in_time, int64_t now_us);

/** Judge what is due, then tell. */
void arc_losspattern_figures(struct arc_losspattern *p, int64_t now_us,
                             struct arc_losspattern_figures *out);

/** Judge what is due, tell what has been judged since the last call; the next
 *  interval begins. An interval of more than ARC_LOSSPATTERN_PKTS numbers, or
 *  with a jump in it, is left out. */
void arc_losspattern_report(struct arc_losspattern *p, int64_t now_us,
                            struct arc_losspattern_report *out);

/** Whether a number came by itself, of the last ARC_LOSSPATTERN_PKTS that were
 *  judged. */
bool arc_losspattern_came(const struct arc_losspattern *p, int64_t seq);
/* ARC_CDEF_END */

#endif
