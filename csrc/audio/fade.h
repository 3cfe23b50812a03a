/**
 * @file audio/fade.h  Level of concealed audio: how it goes and how it returns
 *
 * A concealer extrapolates, which holds for some tens of milliseconds and then
 * drones. So the level stays for ARC_FADE_START_MS of loss, falls evenly in dB
 * and is zero from ARC_FADE_END_MS on; the first audio after it comes up from
 * the level that was reached, within ARC_FADE_IN_MS and without a step.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Samples: interleaved, `n_samples` per channel.
 */
#ifndef ARC_AUDIO_FADE_H
#define ARC_AUDIO_FADE_H

#include <stdint.h>

#define ARC_FADE_START_MS 60  /* three packets of 20 ms                       */
#define ARC_FADE_END_MS   200 /* no vowel is longer: what follows is invented */
#define ARC_FADE_IN_MS    5   /* shorter clicks, longer eats an onset         */

struct arc_fade {
    int32_t channels;
    int32_t start_samples;
    int32_t end_samples;
    int32_t in_samples;
    int32_t lost_samples; /* concealed in a row; stops at end_samples        */
    int32_t back_samples; /* of the way up; in_samples: done                 */
    float   step;         /* factor a sample on the way down                 */
    float   gain;         /* of the last sample                              */
    float   from;         /* gain where the way up began                     */
};

/** Samples to work on; exactly one pointer is set. */
struct arc_pcm {
    int16_t *i16;
    float   *f32;
};

/** @param sample_rate_hz A multiple of 1000; @param channels 1 or 2 */
void arc_fade_init(struct arc_fade *f, int32_t sample_rate_hz, int32_t channels);

/** Apply to `n_samples` of concealed audio. */
void arc_fade_lost(struct arc_fade *f, struct arc_pcm pcm, int32_t n_samples);

/** Apply to `n_samples` of true audio; most of the time this does nothing. */
void arc_fade_back(struct arc_fade *f, struct arc_pcm pcm, int32_t n_samples);

#endif
