/**
 * @file router/rewrite.h  Sequence numbers and time stamps of one forwarded stream
 *
 * A subscriber sees one stream without holes, whatever is left out of it and
 * whichever of the publisher's streams it comes from. What the network lost
 * stays a hole, for the subscriber to ask for; what the router left out leaves
 * none. Each number can be traced back to the packet that it was given to. Time
 * stamps keep their distances; those of another source are shifted.
 *
 * In:       unwrapped numbers of a source, in any order.
 * Memory:   ARC_REWRITE_SPANS stretches of constant distance between in and out;
 *           what lies before the oldest is not placed and not traced any more.
 * Owner:    no heap, the caller's struct.
 * Threads:  one caller at a time.
 */
#ifndef ARC_ROUTER_REWRITE_H
#define ARC_ROUTER_REWRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/seq.h"

/* ARC_CDEF_BEGIN */
#define ARC_REWRITE_SPANS     32
#define ARC_REWRITE_JUMP_PKTS 3000 /* further is a new beginning: MAX_DROPOUT of
                                      RFC 3550 A.1                             */

/** Numbers of a source from `from` on, until the next span begins. */
struct arc_rewrite_span {
    int64_t  from;
    int64_t  offset;    /* out - in                              */
    uint32_t ts_offset; /* likewise, modulo 2^32                 */
    int32_t  source;
    bool     dropped;   /* left out: they have no numbers        */
};

struct arc_rewrite {
    int64_t  top_in;   /* highest number seen of the source          */
    int64_t  top_out;  /* highest number given away, or kept for one that
                          is missing                                */
    int64_t  offset;   /* of the newest span, dropped ones too       */
    uint32_t ts_offset;
    int32_t  source;
    bool     started;
    bool     dropping; /* the newest span is left out                */
    uint32_t spans;    /* ever begun; the newest is spans - 1        */
    struct arc_rewrite_span ring[ARC_REWRITE_SPANS];
};

/** What a packet is at the subscriber, and where it comes from. */
struct arc_rewrite_place {
    uint16_t seq16;
    uint32_t ts_offset; /* to be added to its time stamp */
    int32_t  source;
    int64_t  in;
};

/**
 * @param first_seq16 Number of the first packet that is forwarded
 * @param ts_offset   What is added to the time stamps of the first source
 */
void arc_rewrite_init(struct arc_rewrite *w, uint16_t first_seq16,
                      uint32_t ts_offset);

/**
 * Number of a packet that is forwarded.
 *
 * @return false: it has none. It lies among packets that were left out, before
 *         the source was switched to, or too far back
 */
bool arc_rewrite_forward(struct arc_rewrite *w, int64_t in,
                         struct arc_rewrite_place *out);

/** Leave a packet out. One that comes late leaves its hole: the numbers behind
 *  it are given away already. */
void arc_rewrite_drop(struct arc_rewrite *w, int64_t in);

/** Go on with another source, at its packet `in`, with the next number. */
void arc_rewrite_splice(struct arc_rewrite *w, int32_t source, int64_t in,
                        uint32_t ts_offset);

/** Which packet was given a number. @return false: none, or too long ago */
bool arc_rewrite_origin(const struct arc_rewrite *w, uint16_t seq16,
                        struct arc_rewrite_place *out);
/* ARC_CDEF_END */

#endif
