/**
 * @file audio/pitch.h  Period of a voice or a tone
 *
 * Normalised cross-correlation of the last milliseconds with what went before:
 * coarsely at about 4 kHz, then at the full rate, then between the samples.
 * The shortest period that explains the signal nearly as well as the best one
 * is taken, because a period of twice the length explains it as well.
 *
 * Owner:   nobody; a plain function.
 * Threads: any.
 * Samples: float of any scale, one channel, the newest last.
 */
#ifndef ARC_AUDIO_PITCH_H
#define ARC_AUDIO_PITCH_H

#include <stdint.h>

#define ARC_PITCH_MIN_HZ 62  /* a period of 16 ms: the deepest of voices      */
#define ARC_PITCH_MAX_HZ 400 /* of 2.5 ms: a child                            */

struct arc_pitch {
    float period_samples; /* with a fraction; 0: the signal is too short     */
    float corr;           /* at that period, -1..1; above 0.8 it is a tone   */
};

/**
 * @param x       The signal
 * @param n       Its length; at least 6 ms, what is older than 40 ms is no use
 * @param rate_hz 8000..48000
 */
struct arc_pitch arc_pitch_find(const float *x, int32_t n, int32_t rate_hz);

#endif
