/**
 * @file audio/vad.h  Voice activity: whether somebody speaks
 *
 * Every 10 ms the power in four bands, from 150 to 4000 Hz, is held against the
 * noise in each of them, which is the least that was there within the last 1.6 s
 * (minimum statistics: R. Martin, IEEE Transactions on Speech and Audio
 * Processing, July 2001). Voice begins when the bands together stand out for
 * 20 ms; it ends 200 ms after they do no more (60 ms if it was short), so that
 * weak ends of words and the gaps between them stay in.
 *
 * A sound that never pauses counts as voice for 1.6 s and is noise after that.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Samples: int16, or float -1..1; interleaved, counted per channel. The mean of
 *          all channels is judged.
 */
#ifndef ARC_AUDIO_VAD_H
#define ARC_AUDIO_VAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_VAD_BANDS     4
#define ARC_VAD_SUBSPANS  8 /* of 200 ms each: the memory of the noise floor   */

struct arc_vad_band {
    float b0, a1, a2;  /* band-pass of second order                          */
    float z1, z2;
    float sum;         /* squares in this frame                              */
    float smooth;      /* power, smoothed over some 30 ms                    */
    float low[ARC_VAD_SUBSPANS]; /* least of each span                       */
};

struct arc_vad {
    int32_t rate_hz;
    int32_t channels;
    int32_t fill;          /* samples of this frame                          */
    int32_t frames;        /* in this span of 200 ms                         */
    int32_t span;          /* 0..ARC_VAD_SUBSPANS-1                          */
    int32_t high;          /* frames in a row that stood out                 */
    int32_t hang;          /* frames that are still voice                    */
    bool    started;
    bool    voice;
    float   snr_db;        /* of the last frame over the noise               */
    struct arc_vad_band bands[ARC_VAD_BANDS];
};

/** @param sample_rate_hz 8000..48000; @param channels 1 or 2
 *  @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_vad_init(struct arc_vad *v, int32_t sample_rate_hz,
                             int32_t channels);

/** Take audio of any length. @return whether there was voice in it */
bool arc_vad_on_i16(struct arc_vad *v, const int16_t *pcm, int32_t n);

/** The same; NaN counts as 0, and what is beyond -1..1 is clipped. */
bool arc_vad_on_f32(struct arc_vad *v, const float *pcm, int32_t n);
/* ARC_CDEF_END */

#endif
