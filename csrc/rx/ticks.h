/**
 * @file rx/ticks.h  Between microseconds and ticks of an RTP clock
 *
 * Whole seconds and the rest are converted apart, so that no product leaves 64
 * bits: |us| < 2^63 and |ticks| < 2^47 with clock_hz in 1000..1000000.
 */
#ifndef ARC_RX_TICKS_H
#define ARC_RX_TICKS_H

#include <stdint.h>

#include "base/units.h"

#define ARC_TICKS_MIN_CLOCK_HZ 1000
#define ARC_TICKS_MAX_CLOCK_HZ 1000000

static inline int64_t arc_ticks_from_us(int64_t us, int32_t clock_hz)
{
    return us / ARC_US_PER_S * clock_hz +
           us % ARC_US_PER_S * clock_hz / ARC_US_PER_S;
}

static inline int64_t arc_ticks_to_us(int64_t ticks, int32_t clock_hz)
{
    return ticks / clock_hz * ARC_US_PER_S +
           ticks % clock_hz * ARC_US_PER_S / clock_hz;
}

#endif
