/**
 * @file base/ntp.h  NTP time, as sender reports carry it (RFC 3550 section 4)
 *
 * 32 bits of seconds since 1900 and 32 of their fraction, `ntp64`; differences
 * of it are good across the wrap of 2036.
 *
 * Owner:   no state.
 * Threads: any.
 */
#ifndef ARC_BASE_NTP_H
#define ARC_BASE_NTP_H

#include <stdint.h>

#include "base/units.h"

/** A stretch of time, in either direction, as what is to be added to NTP time. */
static inline uint64_t arc_ntp_from_us(int64_t us)
{
    int64_t seconds = us / ARC_US_PER_S, rest_us = us % ARC_US_PER_S;

    if (rest_us < 0) {
        rest_us += ARC_US_PER_S;
        seconds--;
    }
    return ((uint64_t)seconds << 32) +
           ((uint64_t)rest_us << 32) / (uint64_t)ARC_US_PER_S;
}

/** Microseconds since 1900. */
static inline int64_t arc_ntp_to_us(uint64_t ntp64)
{
    return (int64_t)((ntp64 >> 32) * (uint64_t)ARC_US_PER_S +
                     (((ntp64 & 0xffffffffu) * (uint64_t)ARC_US_PER_S) >> 32));
}

/** Microseconds from `from` to `to`, negative if that is earlier; exact to 16 us,
 *  as the middle 32 bits are (RFC 3550 section 4). */
static inline int64_t arc_ntp_between_us(uint64_t from, uint64_t to)
{
    const int64_t units = (int64_t)(to - from) >> 16;

    return units * 15625 / 1024; /* 10^6 / 2^16 */
}

#endif
