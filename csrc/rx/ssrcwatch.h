/**
 * @file rx/ssrcwatch.h  Collisions of SSRCs, and loops
 *
 * RFC 3550 §8.2: one source comes from one transport address. Another address
 * means that two sources have drawn the same SSRC, or that packets go round in
 * circles. Of others', what came first is kept; of our own, we change ours once,
 * and then know the address for a while, so that a loop does not make us change
 * again and again.
 *
 * Addresses are 64-bit numbers that the caller makes of them (a hash); 0: not
 * known, equal to any other. RTP and RTCP of a source have one each. With SRTP
 * only packets that authenticated may be told to it.
 *
 * Owner:   arc_ssrcwatch_new() allocates all memory; nothing later does.
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock; it must not go back.
 * Bounds:  `capacity` sources: when they are all known, the one that was silent
 *          longest goes (`evicted`), never one of our own.
 *          ARC_SSRCWATCH_CONFLICTS addresses: the oldest goes.
 */
#ifndef ARC_RX_SSRCWATCH_H
#define ARC_RX_SSRCWATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_SSRCWATCH_CONFLICTS 16
#define ARC_SSRCWATCH_OWN       32 /* SSRCs of our own, at most             */

struct arc_ssrcwatch; /* opaque */

enum arc_ssrc_packet {
    ARC_SSRC_RTP = 0,
    ARC_SSRC_RTCP,      /* any but the next                                 */
    ARC_SSRC_CNAME,     /* an SDES chunk with a CNAME                       */
};

enum arc_ssrc_verdict {
    ARC_SSRC_ACCEPT = 0,
    ARC_SSRC_COLLISION,     /* two others have it: drop                     */
    ARC_SSRC_LOOP,          /* others' packets come twice: drop             */
    ARC_SSRC_OWN_LOOP,      /* our own come back: drop                      */
    ARC_SSRC_OWN_COLLISION, /* drop; say BYE for ours and draw another one  */
};

struct arc_ssrcwatch_stats {
    int64_t collisions, loops;         /* packets of others that were dropped */
    int64_t own_loops, own_collisions;
    int64_t moved;                     /* sources taken over at a new address */
    int64_t evicted;
    int32_t sources, conflicts;        /* known now                          */
};

/** @param capacity Sources, besides our own; 1..65536
 *  @param seed     Of the table's order
 *  @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_ssrcwatch_new(int32_t capacity, uint64_t seed,
                                  struct arc_ssrcwatch **out);
void            arc_ssrcwatch_free(struct arc_ssrcwatch *w);

/**
 * An SSRC of our own, and under which address its packets may come back to us
 * rightfully (multicast); 0: under none, so any packet with it is foreign.
 *
 * @return ARC_OK, ARC_ERR_ARG (in use: draw another one) or ARC_ERR_LIMIT
 */
enum arc_status arc_ssrcwatch_add_own(struct arc_ssrcwatch *w, uint32_t ssrc,
                                      uint64_t own_addr);
void arc_ssrcwatch_remove_own(struct arc_ssrcwatch *w, uint32_t ssrc);

/**
 * Look at one source of a packet: SSRC, each CSRC, each SDES chunk; not the
 * sources that report blocks are about. After ARC_SSRC_OWN_COLLISION `ssrc` is
 * somebody else's here.
 *
 * @param addr       Where it came from
 * @param cname_hash With ARC_SSRC_CNAME: of the text; else ignored
 */
enum arc_ssrc_verdict arc_ssrcwatch_check(struct arc_ssrcwatch *w,
                                          uint32_t ssrc,
                                          enum arc_ssrc_packet packet,
                                          uint64_t addr, uint64_t cname_hash,
                                          int64_t now_us);

/**
 * Its BYE, from where it is known at (else it is ignored).
 *
 * @return whether it was known
 */
bool arc_ssrcwatch_on_bye(struct arc_ssrcwatch *w, uint32_t ssrc,
                          uint64_t addr);

/**
 * The source may go on at another address: somebody who may know says so (ICE,
 * a packet that authenticated and is new). Not more often than once in
 * `settle_us`, so that two sources do not take turns.
 *
 * @return whether it was taken over
 */
bool arc_ssrcwatch_move(struct arc_ssrcwatch *w, uint32_t ssrc,
                        enum arc_ssrc_packet packet, uint64_t addr,
                        int64_t settle_us, int64_t now_us);

/** Forget sources that were silent for longer than `source_timeout_us`, and
 *  addresses that caused no conflict for `conflict_timeout_us` (of the order of
 *  ten report intervals). */
void arc_ssrcwatch_expire(struct arc_ssrcwatch *w, int64_t source_timeout_us,
                          int64_t conflict_timeout_us, int64_t now_us);

/** Whether somebody uses it, we too: not to be drawn (§8.2). */
bool arc_ssrcwatch_knows(const struct arc_ssrcwatch *w, uint32_t ssrc);

void arc_ssrcwatch_stats(const struct arc_ssrcwatch *w,
                         struct arc_ssrcwatch_stats *out);
/* ARC_CDEF_END */

#endif
