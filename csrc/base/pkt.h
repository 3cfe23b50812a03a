/**
 * @file base/pkt.h  Reference-counted packets out of a bounded pool
 *
 * A packet is one datagram's worth of bytes with room in front and behind, so
 * that a header extension, an SRTP tag or an RTX number needs no copy. The
 * pool makes all its memory at the start; taking and returning packets never
 * allocates.
 *
 * A pool can be shared out: arc_pkt_pool_new_share().
 *
 * Owner:   who holds a pointer that it will use later holds a reference.
 *          arc_pkt_get() gives the first; the last arc_pkt_unref() returns the
 *          packet to its pool. The pool outlives its packets: its memory goes
 *          when arc_pkt_pool_unref() was called and the last packet is back.
 * Threads: get: one thread (the pool's owner). ref, unref: any thread.
 */
#ifndef ARC_BASE_PKT_H
#define ARC_BASE_PKT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define ARC_PKT_HEADROOM_BYTES 64   /* RTX number, red headers, extensions grown */
#define ARC_PKT_CAP_BYTES      1984 /* from `data` at reset to the end: a 1500 byte
                                       Ethernet frame and all SRTP trailers fit  */

/* ARC_CDEF_BEGIN */
struct arc_pkt_pool; /* opaque */
/* ARC_CDEF_END */

struct arc_pkt {
    uint8_t *data;    /* first byte; arc_pkt_get() sets it behind the headroom */
    int32_t  len;     /* bytes used from `data`                                */
    int32_t  refs;    /* atomic; changed by arc_pkt_ref/unref only             */
    int64_t  time_us; /* monotonic: arrival, or when it was made               */
    uint64_t source;  /* hash of the address it came from; 0: not known        */
    int32_t  ecn;     /* enum arc_ecn that it came with; 0: none, or made here */
    struct arc_pkt_pool *pool;
    struct arc_pkt_pool *share; /* that it was taken through; NULL: none       */
    struct arc_pkt      *next; /* free list; pool's own                        */
    uint8_t *buf;     /* start of the slot; pool's own                         */
};

/* ARC_CDEF_BEGIN */
/**
 * Make a pool.
 *
 * @param n_pkts Packets in it; 1..1048576
 * @param out    Pool, with one reference for the caller
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_pkt_pool_new(int32_t n_pkts, struct arc_pkt_pool **out);

/** Drop the owner's reference; NULL is allowed. */
void arc_pkt_pool_unref(struct arc_pkt_pool *pool);
/* ARC_CDEF_END */

/**
 * Make a share of a pool: its packets are those of the pool that is lent to it,
 * but never more than `limit` at a time, so that one of many users cannot take
 * all. None come before arc_pkt_pool_lend().
 *
 * @param limit 1..1048576
 * @param out   Share, with one reference for the caller; used as any pool
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_pkt_pool_new_share(int32_t limit, struct arc_pkt_pool **out);

/** Packets of a share come from `parent` from now on, whose owner calls this and
 *  arc_pkt_get(); NULL: none come. Packets that are out go back to where they
 *  came from. Keeps a reference to `parent`. */
void arc_pkt_pool_lend(struct arc_pkt_pool *share, struct arc_pkt_pool *parent);

/** Packets that are out now. */
int32_t arc_pkt_pool_used(const struct arc_pkt_pool *pool);

/**
 * Take an empty packet: data behind the headroom, len 0, one reference.
 *
 * @return The packet, or NULL when all are out (the caller counts the drop)
 */
struct arc_pkt *arc_pkt_get(struct arc_pkt_pool *pool);

/** One more reference; returns its argument. */
struct arc_pkt *arc_pkt_ref(struct arc_pkt *pkt);

/** One reference less; NULL is allowed. */
void arc_pkt_unref(struct arc_pkt *pkt);

/** Bytes that may still be written at data + len. */
int32_t arc_pkt_tailroom(const struct arc_pkt *pkt);

/** Bytes that may still be written in front of data. */
int32_t arc_pkt_headroom(const struct arc_pkt *pkt);

#endif
