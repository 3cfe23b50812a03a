/**
 * @file base/units.h  Factors between units, and clamps
 */
#ifndef ARC_BASE_UNITS_H
#define ARC_BASE_UNITS_H

#include <stdint.h>

#define ARC_US_PER_MS INT64_C(1000)
#define ARC_US_PER_S  INT64_C(1000000)
/* ARC_CDEF_BEGIN */
#define ARC_NEVER_US  0x7fffffffffffffff /* deadline of something not scheduled */
/* ARC_CDEF_END */

static inline int64_t arc_clamp_i64(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static inline int64_t arc_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline double arc_min_d(double a, double b)
{
    return a < b ? a : b;
}

static inline double arc_max_d(double a, double b)
{
    return a > b ? a : b;
}

static inline int64_t arc_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
