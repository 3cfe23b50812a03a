/**
 * @file base/chain.h  Bytes of any length, kept in packets of a pool
 *
 * For what waits in queues that are usually short: room is shared by all who
 * wait, and is touched only as far as it is used.
 *
 * Owner:   arc_chain_store() gives one reference, which is all there is; take or
 *          free it.
 * Threads: store: the pool's owner. The others: the chain's.
 * Bounds:  the pool's.
 */
#ifndef ARC_BASE_CHAIN_H
#define ARC_BASE_CHAIN_H

#include <stddef.h>

#include "base/pkt.h"

/** Keep a copy. @param len 1 or more; @return NULL: the pool has too few packets
 *  left, none was taken */
struct arc_pkt *arc_chain_store(struct arc_pkt_pool *pool, const void *data,
                                size_t len);

/** Copy out all that was stored, and give the packets back. */
void arc_chain_take(struct arc_pkt *chain, void *out);

/** Give the packets back; NULL is allowed. */
void arc_chain_free(struct arc_pkt *chain);

#endif
