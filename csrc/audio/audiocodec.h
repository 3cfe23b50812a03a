/**
 * @file audio/audiocodec.h  What the audio codecs of RTP are: names, rates, sizes
 *
 *   codec  rate Hz      RTP clock Hz  channels  static types  source
 *   Opus   5 rates      48000         1 or 2    none          RFC 6716, RFC 7587
 *   PCMU   8000         8000          1         0             RFC 3551 §4.5.14
 *   PCMA   8000         8000          1         8             RFC 3551 §4.5.14
 *   G.722  16000        8000          1         9             RFC 3551 §4.5.2
 *   L16    8000..48000  its rate      1 or 2    10, 11        RFC 3551 §4.5.11
 *   CN     8000         8000          1         13            RFC 3389
 *
 * Owner:   static; nothing to free.
 * Threads: any.
 * Samples: counted per channel.
 */
#ifndef ARC_AUDIO_AUDIOCODEC_H
#define ARC_AUDIO_AUDIOCODEC_H

#include <stdbool.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
enum arc_audio_codec {
    ARC_AUDIO_OPUS = 0,
    ARC_AUDIO_PCMU,
    ARC_AUDIO_PCMA,
    ARC_AUDIO_G722,
    ARC_AUDIO_L16,
    ARC_AUDIO_CN,   /* comfort noise; goes beside PCMU or PCMA, never alone */
};

/** Whether there is such a codec with such samples. */
bool arc_audiocodec_ok(int32_t codec, int32_t sample_rate_hz, int32_t channels);

/** Name in small letters, as in session descriptions: "opus", "g722"; "": none. */
const char *arc_audiocodec_name(int32_t codec);

/** The one rate of its samples; of Opus and L16, which have many, `asked_hz`. */
int32_t arc_audiocodec_rate_hz(int32_t codec, int32_t asked_hz);

/** Rate of the RTP time stamps. @param sample_rate_hz Of the samples */
int32_t arc_audiocodec_clock_hz(int32_t codec, int32_t sample_rate_hz);

/** Whether a packet may hold so much. Opus: 2.5, 5, 10 and 20 to 120 ms in steps
 *  of 20; PCMU, PCMA and G.722: 10 to 60 ms in steps of 10; L16: 1 to 60 ms, whole
 *  samples. */
bool arc_audiocodec_frame_ok(int32_t codec, int32_t sample_rate_hz,
                             int32_t frame_us);

/**
 * Length of a payload's audio, from headers or size; no sample is decoded.
 *
 * @param sample_rate_hz Of the samples
 * @param channels       L16: in the payload; else not read
 *
 * @return Samples; 0: malformed, or more than Opus may hold (120 ms) or any other
 *         may (200 ms, RFC 3551 §4.2)
 */
int32_t arc_audiocodec_samples(int32_t codec, int32_t sample_rate_hz,
                               int32_t channels, const uint8_t *data,
                               int32_t len);
/* ARC_CDEF_END */

#endif
