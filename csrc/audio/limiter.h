/**
 * @file audio/limiter.h  Keeps a sum of sounds below full scale
 *
 * Looks 5 ms ahead, so the gain is down before the peak is there, without a step;
 * it returns within about 200 ms, slow enough that the loudness does not pump. The
 * output never passes ARC_LIMITER_CEILING, whatever comes in; what stays below it
 * passes unchanged, later.
 *
 * Owner:   `_new` gives it, `_free` takes it (NULL is allowed).
 * Threads: one caller at a time.
 * Samples: float, 1.0 is full scale; interleaved, counted per channel. One gain
 *          for all channels.
 * Latency: ARC_LIMITER_AHEAD_US.
 */
#ifndef ARC_AUDIO_LIMITER_H
#define ARC_AUDIO_LIMITER_H

#include <stdint.h>

#include "base/status.h"

#define ARC_LIMITER_AHEAD_US 5000
#define ARC_LIMITER_CEILING  0.98f /* -0.2 dBFS */

struct arc_limiter; /* opaque */

/** @param sample_rate_hz 8000..48000; @param channels 1 or 2
 *  @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_limiter_new(int32_t sample_rate_hz, int32_t channels,
                                struct arc_limiter **out);
void            arc_limiter_free(struct arc_limiter *l);

/** Limit in place. NaN becomes 0. */
void arc_limiter_run(struct arc_limiter *l, float *pcm, int32_t n);

/** Gain of the last sample, 0..1. */
float arc_limiter_gain(const struct arc_limiter *l);

#endif
