/**
 * @file rx/assemble.h  Packets of one video stream -> complete frames in order
 *
 * Knows no payload format: it lives on what struct arc_rxpkt says of a packet.
 * A frame begins after a packet with the marker, or where the timestamp
 * changes, and ends with its marker (RFC 3550 §5.1) or before the next
 * timestamp. It is complete when every number from its first to its last
 * packet is there. Where the packet before is missing, `starts_frame` is taken
 * as the beginning. Packets without payload (padding sent as a probe) fill
 * their place and belong to no frame.
 *
 * Frames come out in order. A gap holds back what is behind it for `wait_us`
 * after the first packet behind it arrived; then, as soon as something behind
 * it is complete, the gap is given up: the earliest complete key frame is next
 * if there is one, else the earliest complete frame of any kind, both marked
 * `after_gap`. While nothing behind it is complete, giving up gains nothing,
 * and a repair is still welcome.
 *
 * Owner:   arc_assemble_new() allocates all memory; nothing later does. Holds a
 *          reference to each packet in it.
 * Threads: one caller at a time.
 * Time:    `now_us` and `arrival_us` are one monotonic clock.
 * Bounds:  `max_pkts` places. A packet beyond them is refused and ends the wait;
 *          if nothing in the buffer is complete, all of it is dropped instead,
 *          and assembly starts anew with that packet. More than `max_frames`
 *          frame ends in the buffer end the wait as well.
 */
#ifndef ARC_RX_ASSEMBLE_H
#define ARC_RX_ASSEMBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "rx/rxpkt.h"

/* ARC_CDEF_BEGIN */
struct arc_assemble; /* opaque */

struct arc_assemble_config {
    int32_t max_pkts;   /* power of two, 16..32768; 0: 2048                  */
    int32_t max_frames; /* 1..1024; 0: 64                                    */
    int64_t wait_us;    /* 0..10 s: how long a gap may hold back later frames */
};

struct arc_assembled {
    int64_t ts;
    int64_t first_seq;
    int64_t last_seq;         /* all of first_seq..last_seq are there         */
    int64_t first_arrival_us; /* earliest of its packets                      */
    int64_t complete_us;      /* latest of its packets                        */
    int32_t n_pkts;
    bool    is_key;           /* any packet says so                           */
    bool    after_gap;        /* frames before it were given up               */
    bool    repaired;         /* any packet came by RTX or FEC                */
};

struct arc_assemble_stats {
    int64_t frames;          /* popped                                        */
    int64_t key_frames;      /* of those                                      */
    int64_t given_up;        /* frames skipped; a gap between frames counts 1 */
    int64_t packets;         /* kept                                          */
    int64_t dropped;         /* kept, then given up with their frame          */
    int64_t late;            /* refused: their place was passed               */
    int64_t duplicate;       /* refused: the same number twice                */
    int64_t overflow;        /* refused or dropped: no place                  */
    int64_t restarts;        /* the sequence numbers began anew               */
    int32_t depth_pkts;
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_assemble_new(const struct arc_assemble_config *cfg,
                                 struct arc_assemble **out);
void            arc_assemble_free(struct arc_assemble *a);

/**
 * Keep a packet (takes its own reference). Ends the loan of arc_assemble_packet().
 *
 * @return ARC_OK, ARC_ERR_REPLAY (there already, or delivered), ARC_ERR_OLD
 *         (its frame was given up), ARC_ERR_SPACE (no place) or ARC_ERR_ARG
 */
enum arc_status arc_assemble_push(struct arc_assemble *a,
                                  const struct arc_rxpkt *p, int64_t now_us);

/**
 * Take the next frame. Ends the loan of arc_assemble_packet().
 *
 * @return ARC_OK, or ARC_AGAIN: none (see arc_assemble_next_us)
 */
enum arc_status arc_assemble_pop(struct arc_assemble *a, int64_t now_us,
                                 struct arc_assembled *out);

/**
 * A packet of the frame last popped, lent until the next push or pop.
 *
 * @return NULL for numbers outside first_seq..last_seq
 */
const struct arc_rxpkt *arc_assemble_packet(const struct arc_assemble *a,
                                            int64_t seq);

/**
 * When to call pop again if no packet comes: the end of the wait for a gap.
 * ARC_NEVER_US: only a push can change something. Valid after pop said AGAIN.
 */
int64_t         arc_assemble_next_us(const struct arc_assemble *a);

void            arc_assemble_stats(const struct arc_assemble *a,
                                   struct arc_assemble_stats *out);
/* ARC_CDEF_END */

#endif
