/**
 * @file audio/level.h  Level of one packet's audio, as RFC 6464 sends it
 *
 * Root mean square over all samples of all channels, no smoothing (RFC 6464
 * §3). 0 dBov is the overload point: a square wave at full scale. A sine at
 * full scale is therefore 3.
 *
 * Owner:   nobody; these are plain functions.
 * Threads: any.
 * Unit:    -dBov, 0 (loudest) to 127; digital silence is exactly 127.
 */
#ifndef ARC_AUDIO_LEVEL_H
#define ARC_AUDIO_LEVEL_H

#include <stddef.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
#define ARC_LEVEL_SILENCE 127 /* -dBov; RFC 6464 §3: MUST for digital silence */

/**
 * @param pcm       Samples, channels interleaved or not: the order is no matter
 * @param n_samples Samples of all channels together; 0 is silence
 *
 * @return 0..127, -dBov
 */
int32_t arc_level_i16(const int16_t *pcm, size_t n_samples);

/** The same for floats in -1..1; beyond is clipped, NaN counts as 0. */
int32_t arc_level_f32(const float *pcm, size_t n_samples);
/* ARC_CDEF_END */

#endif
