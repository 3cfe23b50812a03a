/**
 * @file base/ring.h  Bounded queue from one thread to one other, without locks
 *
 * Items are copied in and out by value. When it is full, push says ARC_AGAIN
 * and the caller counts the drop: nothing waits, nothing grows.
 *
 * Owner:   arc_ring_new() allocates all memory; what the items point to is not
 *          the ring's business (drain it before arc_ring_free()).
 * Threads: push from one thread, pop from one (the same or another).
 */
#ifndef ARC_BASE_RING_H
#define ARC_BASE_RING_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct arc_ring;

/**
 * @param n_items    Room; rounded up to a power of two; 1..2^24
 * @param item_bytes Size of an item; 1..4096
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_ring_new(uint32_t n_items, uint32_t item_bytes,
                             struct arc_ring **out);
void            arc_ring_free(struct arc_ring *r);

/** @return ARC_OK, or ARC_AGAIN: full, the item was not taken */
enum arc_status arc_ring_push(struct arc_ring *r, const void *item);

/** @return ARC_OK, or ARC_AGAIN: empty, `item` untouched */
enum arc_status arc_ring_pop(struct arc_ring *r, void *item);

/** Items in it now; exact for a single thread, a recent value for two. */
uint32_t arc_ring_count(const struct arc_ring *r);

#endif
