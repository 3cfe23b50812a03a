/**
 * @file io/clock.h  The two clocks, read in this one place
 *
 * Owner:   nobody: there is no state.
 * Threads: any.
 */
#ifndef ARC_IO_CLOCK_H
#define ARC_IO_CLOCK_H

#include <stdint.h>

/* ARC_CDEF_BEGIN */
/** Monotonic clock, microseconds: the `now_us` of every call below io/. */
int64_t arc_clock_us(void);

/** Wall clock as an NTP timestamp, 32.32 (RFC 5905 §6), for RTCP only. */
uint64_t arc_clock_ntp(void);
/* ARC_CDEF_END */

/** How far the wall clock is ahead of the monotonic one, microseconds; right to
 *  some. It changes when the wall clock is set, or drawn to the right time. */
int64_t arc_clock_wall_ahead_us(void);

#endif
