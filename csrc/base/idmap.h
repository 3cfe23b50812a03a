/**
 * @file base/idmap.h  From 32-bit identifiers to places in an array
 *
 * Open addressing with linear search, at most half full; taking one out closes
 * the gap, so the time of a look-up does not grow with use. The order of the
 * table depends on a seed: who chooses the identifiers cannot make them collide.
 *
 * Owner:   arc_idmap_new() allocates all memory; nothing later does.
 * Threads: one caller at a time.
 * Bounds:  `capacity` identifiers.
 */
#ifndef ARC_BASE_IDMAP_H
#define ARC_BASE_IDMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct arc_idmap; /* opaque */

/** @param capacity 1..2^24
 *  @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_idmap_new(int32_t capacity, uint64_t seed,
                              struct arc_idmap **out);
void            arc_idmap_free(struct arc_idmap *m);

/** Place of `id`; -1: it is not there. */
int32_t arc_idmap_get(const struct arc_idmap *m, uint32_t id);

/** @param place 0 or more
 *  @return false: `id` is there already, or `capacity` are */
bool arc_idmap_put(struct arc_idmap *m, uint32_t id, int32_t place);

/** @return whether it was there */
bool arc_idmap_remove(struct arc_idmap *m, uint32_t id);

#endif
