/**
 * @file audio/aenc.h  One interface to every audio encoder
 *
 * A frame of samples in, a packet's payload out; or nothing while nobody speaks.
 * Which codecs there are, and their rates, stands in audio/audiocodec.h.
 *
 * With PCMU and PCMA silence is told by packets of comfort noise (RFC 3389), which
 * go out under a payload type of their own: when it begins, when it changes, and
 * every half second (audio/silence).
 *
 * Owner:   `_new` gives it, `_free` takes it (NULL is allowed).
 * Threads: one caller at a time.
 * Samples: int16, interleaved; counted per channel.
 */
#ifndef ARC_AUDIO_AENC_H
#define ARC_AUDIO_AENC_H

#include <stdbool.h>
#include <stdint.h>

#include "audio/audiocodec.h"
#include "audio/opuscodec.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
struct arc_aenc_config {
    int32_t codec;     /* enum arc_audio_codec, not CN                          */
    int32_t frame_us;  /* as arc_audiocodec_frame_ok() says                     */
    struct arc_opus_enc_config opus; /* of others only sample_rate_hz, channels
                          and dtx are read; dtx: comfort noise of PCMU and PCMA,
                          nothing of G.722 and L16                              */
};

struct arc_aenc; /* opaque */

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, ARC_ERR_LIBRARY, or
 *          ARC_ERR_UNSUPPORTED (the codec is not in this build) */
enum arc_status arc_aenc_new(const struct arc_aenc_config *cfg,
                             struct arc_aenc **out);
void            arc_aenc_free(struct arc_aenc *e);

/** Frames of another length from now on; Opus only.
 *  @return ARC_OK or ARC_ERR_ARG (nothing changed) */
enum arc_status arc_aenc_set_frame_us(struct arc_aenc *e, int32_t frame_us);

/** Samples of each frame. */
int32_t arc_aenc_frame_samples(const struct arc_aenc *e);

/** Bytes of the longest packet: of Opus ARC_OPUS_MAX_PACKET_BYTES, of others of
 *  every packet. */
int32_t arc_aenc_max_bytes(const struct arc_aenc *e);

/**
 * Encode one frame.
 *
 * @param pcm       arc_aenc_frame_samples() of each channel
 * @param cap       Room in `out`, at least ARC_OPUS_MIN_CAP_BYTES; Opus is coded
 *                  to fit
 * @param len_out   Bytes written; 0: nothing to send. Untouched on a fault
 * @param noise_out Whether it is a packet of comfort noise
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_SPACE, ARC_ERR_NOMEM or ARC_ERR_CODEC
 */
enum arc_status arc_aenc_encode(struct arc_aenc *e, const int16_t *pcm,
                                uint8_t *out, int32_t cap, int32_t *len_out,
                                bool *noise_out);

/** The encoder of Opus behind it, whose settings change in place; NULL: it is
 *  another codec, which has none. Lent. */
struct arc_opus_enc *arc_aenc_opus(struct arc_aenc *e);
/* ARC_CDEF_END */

#endif
