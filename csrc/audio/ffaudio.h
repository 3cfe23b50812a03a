/**
 * @file audio/ffaudio.h  Telephony codecs of FFmpeg: G.711, G.722, L16, comfort noise
 *
 * One frame in, one packet out, and back; no delay but the 22 samples of G.722's
 * filters (ITU-T G.722). The only user of libavcodec in audio/.
 *
 * Owner:   `_new` gives it, `_free` takes it (NULL is allowed).
 * Threads: one caller at a time per encoder or decoder.
 * Samples: int16, interleaved; counted per channel.
 * Memory:  FFmpeg takes its packets and frames from pools of its own.
 */
#ifndef ARC_AUDIO_FFAUDIO_H
#define ARC_AUDIO_FFAUDIO_H

#include <stdint.h>

#include "audio/audiocodec.h"
#include "base/status.h"

#define ARC_FFAUDIO_NOISE_SAMPLES 640 /* that FFmpeg makes of one CN packet, or
                                         measures for one: 80 ms at 8 kHz      */

struct arc_ffaudio_dec; /* opaque */
struct arc_ffaudio_enc; /* opaque */

/**
 * @param codec enum arc_audio_codec, not Opus
 * @param sample_rate_hz, channels As arc_audiocodec_ok() says
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, ARC_ERR_UNSUPPORTED (this FFmpeg
 *         has no such decoder) or ARC_ERR_LIBRARY
 */
enum arc_status arc_ffaudio_dec_new(int32_t codec, int32_t sample_rate_hz,
                                    int32_t channels,
                                    struct arc_ffaudio_dec **out);
void            arc_ffaudio_dec_free(struct arc_ffaudio_dec *d);

/**
 * Decode a payload whose length arc_audiocodec_samples() found right; of CN: any,
 * for ARC_FFAUDIO_NOISE_SAMPLES of noise.
 *
 * @param n_samples What it holds; `out` has room for it
 *
 * @return ARC_OK, ARC_ERR_NOMEM or ARC_ERR_CODEC
 */
enum arc_status arc_ffaudio_dec_decode(struct arc_ffaudio_dec *d,
                                       const uint8_t *data, int32_t len,
                                       int16_t *out, int32_t n_samples);

/**
 * @param frame_samples Length of every frame; CN: ARC_FFAUDIO_NOISE_SAMPLES
 *
 * @return as arc_ffaudio_dec_new()
 */
enum arc_status arc_ffaudio_enc_new(int32_t codec, int32_t sample_rate_hz,
                                    int32_t channels, int32_t frame_samples,
                                    struct arc_ffaudio_enc **out);
void            arc_ffaudio_enc_free(struct arc_ffaudio_enc *e);

/**
 * Encode `frame_samples`.
 *
 * @param len_out Bytes written; untouched on a fault
 *
 * @return ARC_OK, ARC_ERR_NOMEM, ARC_ERR_SPACE or ARC_ERR_CODEC
 */
enum arc_status arc_ffaudio_enc_encode(struct arc_ffaudio_enc *e,
                                       const int16_t *pcm, uint8_t *out,
                                       int32_t cap, int32_t *len_out);

#endif
