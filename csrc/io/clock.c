/**
 * @file io/clock.c  The two clocks, read in this one place
 */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "base/units.h"
#include "io/clock.h"

/* Seconds from 1900 (NTP) to 1970 (Unix), RFC 5905 Figure 4. */
#define UNIX_TO_NTP_S UINT64_C(2208988800)

int64_t arc_clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * ARC_US_PER_S + t.tv_nsec / 1000;
}

uint64_t arc_clock_ntp(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return ((uint64_t)t.tv_sec + UNIX_TO_NTP_S) << 32 |
           ((uint64_t)t.tv_nsec << 32) / UINT64_C(1000000000);
}

int64_t arc_clock_wall_ahead_us(void)
{
    int64_t before_us, after_us, ahead_us = 0, shortest_us = INT64_MAX;
    struct timespec wall;

    for (int i = 0; i < 3; i++) { /* a thread may be interrupted in between */
        before_us = arc_clock_us();
        clock_gettime(CLOCK_REALTIME, &wall);
        after_us = arc_clock_us();
        if (after_us - before_us < shortest_us) {
            shortest_us = after_us - before_us;
            ahead_us = (int64_t)wall.tv_sec * ARC_US_PER_S +
                       wall.tv_nsec / 1000 - (before_us + after_us) / 2;
        }
    }
    return ahead_us;
}
