/**
 * @file audio/mixer.h  Many talkers into one sound; each hears all but himself
 *
 * Works in blocks of 10 ms: arc_mixer_add_*() for each talker that has something,
 * arc_mixer_read_*() for each listener, arc_mixer_next(). The sum is made once;
 * what a listener hears is that sum less his own part ("mix minus"), through a
 * limiter of his own (audio/limiter), so no sum clips and nobody's voice makes
 * another conversation quieter.
 *
 * A gain that changes does so over the block, without a click.
 *
 * Owner:   `_new` gives it, `_free` takes it (NULL is allowed).
 * Threads: one caller at a time.
 * Samples: int16, or float -1..1 (beyond is allowed, NaN becomes 0); interleaved,
 *          sample_rate_hz / 100 per channel and block.
 * Latency: ARC_LIMITER_AHEAD_US, 5 ms.
 * Memory:  all of it made by `_new`.
 */
#ifndef ARC_AUDIO_MIXER_H
#define ARC_AUDIO_MIXER_H

#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_MIXER_MAX_TALKERS 256
#define ARC_MIXER_ALL         -1   /* a listener who does not talk             */
#define ARC_MIXER_MAX_GAIN    16 /* 24 dB                                    */

struct arc_mixer; /* opaque */

struct arc_mixer_config {
    int32_t sample_rate_hz; /* 8000, 12000, 16000, 24000, 32000, 44100, 48000   */
    int32_t channels;       /* 1 or 2                                           */
    int32_t max_talkers;    /* 1..ARC_MIXER_MAX_TALKERS                         */
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_mixer_new(const struct arc_mixer_config *cfg,
                              struct arc_mixer **out);
void            arc_mixer_free(struct arc_mixer *m);

/** Samples of a block, per channel. */
int32_t arc_mixer_block_samples(const struct arc_mixer *m);

/**
 * Add a talker's block.
 *
 * @param talker 0..max_talkers-1
 * @param gain   0..ARC_MIXER_MAX_GAIN
 *
 * @return ARC_OK, or ARC_ERR_ARG (also: that one has been added to this block)
 */
enum arc_status arc_mixer_add_i16(struct arc_mixer *m, int32_t talker,
                                  const int16_t *pcm, double gain);
enum arc_status arc_mixer_add_f32(struct arc_mixer *m, int32_t talker,
                                  const float *pcm, double gain);

/**
 * What a listener hears of this block, 5 ms late. Each listener must read each
 * block, once: his limiter goes on with it.
 *
 * @param listener A talker, or ARC_MIXER_ALL
 *
 * @return ARC_OK, or ARC_ERR_ARG (also: he has read this block)
 */
enum arc_status arc_mixer_read_i16(struct arc_mixer *m, int32_t listener,
                                   int16_t *pcm);
enum arc_status arc_mixer_read_f32(struct arc_mixer *m, int32_t listener,
                                   float *pcm);

/** Begin the next block. */
void arc_mixer_next(struct arc_mixer *m);

/** Gain of a listener's limiter now, 0..1; 1: it does nothing. -1: no such one. */
double arc_mixer_limit(const struct arc_mixer *m, int32_t listener);
/* ARC_CDEF_END */

#endif
