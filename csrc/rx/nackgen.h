/**
 * @file rx/nackgen.h  Decides which lost RTP packets to ask for, and when
 *
 * Feeds the Generic NACK message (RFC 4585 §6.2.1). A missing packet is asked
 * for after a wait that lets plain reordering resolve itself, then again each
 * time an answer is overdue: a round-trip time, an eighth of it for its jitter,
 * and MARGIN_US. The wait starts at `reorder_wait_us` and follows the network:
 * it grows at once when packets come out of order later than that (up to 4
 * times the setting), and falls by a sixteenth with every true loss (down to an
 * eighth of it).
 *
 * What cannot arrive in time is not asked for. In time means: before the packet
 * is `give_up_us` old, and, where the play-out time of the stream is told, a
 * round trip before that of the packet. The time of a missing packet lies
 * between those of its neighbours.
 *
 * Where FEC or redundant packets are likely to bring it back by themselves
 * (arc_nackgen_set_hold()) the first request waits for them, but not for longer
 * than an answer could still be in time.
 *
 * Owner:    arc_nackgen_new() allocates all memory; nothing later does.
 * Threads:  one caller at a time.
 * Time:     `now_us` is the caller's monotonic clock, microseconds; it must not
 *           go back. No function here reads a clock.
 * Bounds:   when `max_missing_pkts` are tracked, the oldest goes (`overflow`).
 */
#ifndef ARC_RX_NACKGEN_H
#define ARC_RX_NACKGEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
struct arc_nackgen; /* opaque */

struct arc_nackgen_config {
    int32_t max_missing_pkts; /* entries tracked; 1..4096                   */
    int32_t max_tries;        /* requests for one packet; 1..20             */
    int64_t reorder_wait_us;  /* first wait before a request; 0..1 s        */
    int64_t give_up_us;       /* age at which a packet is let go; 1..2^40   */
};

#define ARC_NACKGEN_MARGIN_US 5000 /* an answer is overdue so long after RTT  */

struct arc_nackgen_stats {
    int64_t missing;         /* gaps found, packets                         */
    int64_t requested;       /* requests handed out, repeats counted        */
    int64_t recovered;       /* came after a request                        */
    int64_t reordered;       /* came by themselves                          */
    int64_t restored;        /* repaired before they were asked for         */
    int64_t not_in_time;     /* not asked for, or not again: too late       */
    int64_t given_up;        /* let go: too old                             */
    int64_t overflow;        /* let go: more missing than entries, or a jump */
    int64_t reorder_wait_us; /* the wait now in use                         */
    int32_t missing_pkts;    /* tracked now                                 */
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_nackgen_new(const struct arc_nackgen_config *cfg,
                                struct arc_nackgen **out);
void            arc_nackgen_free(struct arc_nackgen *g);

/**
 * Note an arrival, of the packet itself or of its repair. A jump of more than
 * `max_missing_pkts` ahead, or two packets in sequence far behind (a restarted
 * sender, RFC 3550 A.1), forgets all and starts anew.
 *
 * @param seq Unwrapped sequence number
 */
void            arc_nackgen_on_packet(struct arc_nackgen *g, uint64_t seq,
                                      int64_t now_us);

/** The same of a packet that came by itself, with its media time: its RTP
 *  timestamp, unwrapped, in microseconds. */
void            arc_nackgen_on_media(struct arc_nackgen *g, uint64_t seq,
                                     int64_t media_us, int64_t now_us);

/** The same of a packet that RTX, FEC or RED brought: it says nothing about
 *  reordering. */
void            arc_nackgen_on_repaired(struct arc_nackgen *g, uint64_t seq,
                                        int64_t now_us);

/** Another receiver has asked for it (RFC 4585 §3.5.2 step 5a): as if it were us. */
void            arc_nackgen_on_asked(struct arc_nackgen *g, uint64_t seq,
                                     int64_t now_us);

/** Media time 0 is played at `zero_us`, the rest accordingly; ARC_NEVER_US: not
 *  known (so it begins). Holds from the next poll on. */
void            arc_nackgen_set_playout(struct arc_nackgen *g, int64_t zero_us);

/** First requests wait so long for what may come without them; 0 (so it
 *  begins)..1 s. Holds for packets that are missed from now on. */
void            arc_nackgen_set_hold(struct arc_nackgen *g, int64_t hold_us);

/**
 * Hand out the packets whose request is due.
 *
 * @param rtt_us Smoothed round-trip time, microseconds; 0: not known yet
 * @param seqs   Unwrapped sequence numbers, ascending; room for `cap`. What
 *               does not fit stays due
 * @param cap    Entries in `seqs`; at least 1
 * @param n_out  Entries written; 0 unless ARC_OK
 *
 * @return ARC_OK, ARC_AGAIN (none due; see arc_nackgen_next_us) or ARC_ERR_ARG
 */
enum arc_status arc_nackgen_poll(struct arc_nackgen *g, int64_t rtt_us,
                                 int64_t now_us, uint64_t *seqs, size_t cap,
                                 size_t *n_out);

/** When poll is due next; ARC_NEVER_US: nothing to ask for. */
int64_t         arc_nackgen_next_us(const struct arc_nackgen *g);

void            arc_nackgen_stats(const struct arc_nackgen *g,
                                  struct arc_nackgen_stats *out);
/* ARC_CDEF_END */

#endif
