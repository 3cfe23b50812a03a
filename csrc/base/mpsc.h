/**
 * @file base/mpsc.h  Bounded queue from any number of threads to one, no locks
 *
 * Each cell carries a count of its own, which says whose turn it is (D. Vyukov's
 * bounded queue): writers agree by one compare-and-swap on who gets which cell,
 * the reader needs none. When it is full, push says ARC_AGAIN and the caller
 * counts or tells it: nothing waits, nothing grows.
 *
 * Owner:   arc_mpsc_new() allocates all memory; what the items point to is not
 *          the queue's business (drain it before arc_mpsc_free()).
 * Threads: push from any thread, pop from one.
 * Order:   of one writer's items: as pushed. A writer that is held up between
 *          its two steps holds up the items behind its own, not other writers.
 */
#ifndef ARC_BASE_MPSC_H
#define ARC_BASE_MPSC_H

#include <stdint.h>

#include "base/status.h"

struct arc_mpsc; /* opaque */

/**
 * @param n_items    Room; rounded up to a power of two; 2..2^20
 * @param item_bytes Size of an item; 1..256
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_mpsc_new(uint32_t n_items, uint32_t item_bytes,
                             struct arc_mpsc **out);
void            arc_mpsc_free(struct arc_mpsc *q);

/** @return ARC_OK, or ARC_AGAIN: full, the item was not taken */
enum arc_status arc_mpsc_push(struct arc_mpsc *q, const void *item);

/** @return ARC_OK, or ARC_AGAIN: empty, or the next item is still being written
 *  (its writer wakes the reader when it has); `item` untouched */
enum arc_status arc_mpsc_pop(struct arc_mpsc *q, void *item);

#endif
