/**
 * @file rx/copies.h  Redundant blocks of one received stream, by media time
 *
 * Blocks that came with other packets (RFC 2198) wait here until it is known
 * whether the primary of their media time comes. Several of one time: the
 * longest is kept, since a copy at the full rate is longer than one at a low
 * rate.
 *
 * Owner:   arc_copies_new() allocates all memory; nothing later does. The store
 *          holds a reference to each packet in it.
 * Threads: one caller at a time.
 * Time:    unwrapped RTP timestamps only.
 * Bounds:  `capacity` blocks; when full the one of the earliest time is
 *          dropped, or refused. Blocks before the last arc_copies_drop_before()
 *          are refused.
 */
#ifndef ARC_RX_COPIES_H
#define ARC_RX_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "rx/rxpkt.h"

/* ARC_CDEF_BEGIN */
#define ARC_COPIES_MAX_CAPACITY 256

struct arc_copies; /* opaque */

struct arc_copies_stats {
    int64_t kept;      /* blocks that were put in                             */
    int64_t worse;     /* refused: as long a block, or a longer, is there     */
    int64_t replaced;  /* dropped for a longer one of the same time           */
    int64_t late;      /* refused: before what was dropped as played          */
    int64_t overflow;  /* dropped or refused, the earliest: it was full       */
    int32_t depth;     /* blocks in it                                        */
};

/**
 * @param capacity 1..ARC_COPIES_MAX_CAPACITY
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_copies_new(int32_t capacity, struct arc_copies **out);
void            arc_copies_free(struct arc_copies *c);

/**
 * @param p Its `ts` and payload are the block's; `seq` and the rest are those of
 *          the packet that brought it
 *
 * @return ARC_OK (kept; took its own reference), ARC_ERR_REPLAY (as good a block
 *         is there), ARC_ERR_OLD (late, or the earliest of a full store) or
 *         ARC_ERR_ARG
 */
enum arc_status arc_copies_push(struct arc_copies *c,
                                const struct arc_rxpkt *p);

/**
 * The block of exactly this media time.
 *
 * @param out Lent until the next push, drop or free; takes no reference
 *
 * @return ARC_OK, or ARC_AGAIN: none
 */
enum arc_status arc_copies_find(const struct arc_copies *c, int64_t ts,
                                struct arc_rxpkt *out);

/** The same for the earliest block at or after `ts`. */
enum arc_status arc_copies_next(const struct arc_copies *c, int64_t ts,
                                struct arc_rxpkt *out);

/** Everything before `ts` was played: drop it, and refuse it from now on. */
void            arc_copies_drop_before(struct arc_copies *c, int64_t ts);

/** Drop everything and refuse nothing: the time line began anew. */
void            arc_copies_reset(struct arc_copies *c);

void            arc_copies_stats(const struct arc_copies *c,
                                 struct arc_copies_stats *out);
/* ARC_CDEF_END */

#endif
