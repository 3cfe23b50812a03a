/**
 * @file rx/rxstats.h  What a receiver reports about one RTP stream
 *
 * RFC 3550 §6.4.1 (report block), A.1 (validity, without probation: SRTP has
 * already authenticated the packet), A.3 (loss), A.8 (jitter).
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock.
 */
#ifndef ARC_RX_RXSTATS_H
#define ARC_RX_RXSTATS_H

#include <stdbool.h>
#include <stdint.h>

#include "rx/restart.h"

/* ARC_CDEF_BEGIN */
#define ARC_RXSTATS_WINDOW_PKTS       1024 /* duplicates are told apart inside it */
#define ARC_RXSTATS_MAX_DROPOUT_PKTS  3000 /* RFC 3550 A.1                        */
#define ARC_RXSTATS_MAX_MISORDER_PKTS 1024 /* A.1 says 100 for 50 packets a second;
                                              video sends twenty times as many    */

struct arc_rxstats {
    int64_t received;   /* packets, duplicates too, repairs not (A.3)       */
    int64_t bytes;      /* of those                                         */
    int64_t duplicates; /* same number twice, or the original after a repair */
    int64_t reordered;  /* came after a higher number, not a duplicate      */
    int64_t recovered;  /* lost, then brought by RTX or FEC                 */
    int64_t unneeded;   /* repairs of packets that were there               */
    int64_t restarts;   /* the sender began anew; A.3's counts start again  */
    int64_t strays;     /* far-off numbers that nothing followed; not counted
                           as received                                      */

    /* The rest is the module's own. */
    int32_t  clock_hz;
    bool     started;
    int64_t  base_seq;          /* first number since the last (re)start    */
    int64_t  max_seq;           /* highest number                           */
    int64_t  received_in_epoch; /* A.3 `received`                           */
    int64_t  expected_prior;
    int64_t  received_prior;
    uint32_t transit_ticks;     /* of the last packet, modulo 2^32          */
    uint32_t jitter_q4;         /* A.8, ticks times 16                      */
    struct arc_restart restart;
    uint64_t seen[16];          /* bit (seq mod window): seq was seen       */
};

struct arc_rxstats_report {
    uint8_t  fraction_lost;   /* of the interval, 1/256ths                  */
    int32_t  cumulative_lost; /* 24 bits signed, -0x800000..0x7fffff        */
    uint32_t highest_seq;     /* cycles << 16 | sequence number             */
    uint32_t jitter_ticks;
};

/**
 * @param clock_hz RTP clock, 1000..1000000; another value: jitter stays 0
 */
void arc_rxstats_init(struct arc_rxstats *s, int32_t clock_hz);

/**
 * Note a packet that came by itself.
 *
 * @param seq    Unwrapped sequence number
 * @param rtp_ts Its timestamp as on the wire
 * @param bytes  What the caller counts, e.g. header and payload
 *
 * @return false: it was there before, by itself or by a repair; or it is a stray
 *         number, which may be from before the window
 */
bool arc_rxstats_on_packet(struct arc_rxstats *s, int64_t seq, uint32_t rtp_ts,
                           int32_t bytes, int64_t now_us);

/**
 * Note a packet that RTX or FEC brought. It does not lower the reported loss
 * (A.3 counts the stream's own packets), nor does it touch the jitter; one that is
 * ahead of all others counts as lost at once.
 *
 * @return false: it was not missing, or lies where that is not known
 */
bool arc_rxstats_on_repaired(struct arc_rxstats *s, int64_t seq);

/** Fill a report block; the next interval starts. Zeros before any packet. */
void arc_rxstats_report(struct arc_rxstats *s, struct arc_rxstats_report *out);

/** Packets lost since the (re)start as A.3 counts them; may be negative. */
int64_t arc_rxstats_lost(const struct arc_rxstats *s);

/** Interarrival jitter (A.8), milliseconds. */
double arc_rxstats_jitter_ms(const struct arc_rxstats *s);
/* ARC_CDEF_END */

#endif
