/**
 * @file base/deadline.h  Which of many things is due first
 *
 * A binary heap of deadlines, one for each place of an array. Setting one costs
 * the logarithm of how many are set, looking at the first one nothing: thousands
 * of things that wait cost those that do not wait nothing.
 *
 * Owner:   arc_deadline_new() allocates all memory; nothing later does.
 * Threads: one caller at a time.
 * Time:    as the caller's; ARC_NEVER_US: not set.
 * Bounds:  `capacity` places.
 */
#ifndef ARC_BASE_DEADLINE_H
#define ARC_BASE_DEADLINE_H

#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
struct arc_deadline; /* opaque */

/** @param capacity Places 0..capacity-1, none of them set; 1..2^24
 *  @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_deadline_new(int32_t capacity, struct arc_deadline **out);
void            arc_deadline_free(struct arc_deadline *d);

/** The deadline of a place from now on; ARC_NEVER_US takes it out. */
void    arc_deadline_set(struct arc_deadline *d, int32_t place, int64_t at_us);

/** @param place_out Whose it is; untouched when there is none
 *  @return the earliest deadline; ARC_NEVER_US: there is none */
int64_t arc_deadline_first(const struct arc_deadline *d, int32_t *place_out);
/* ARC_CDEF_END */

#endif
