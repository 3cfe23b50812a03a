/**
 * @file audio/opuscodec_parts.h  What the files of audio/opuscodec* share
 *
 * Private to them.
 *
 * Owner:   lent, as long as the decoder lives.
 * Threads: the decoder's.
 */
#ifndef ARC_AUDIO_OPUSCODEC_PARTS_H
#define ARC_AUDIO_OPUSCODEC_PARTS_H

#include <opus.h>

#include "audio/opuscodec.h"

/** libopus' decoder. */
OpusDecoder *arc_opus_dec_lib(struct arc_opus_dec *d);
int32_t      arc_opus_dec_rate_hz(const struct arc_opus_dec *d);

static inline bool arc_opus_rate_ok(int32_t rate_hz)
{
    return rate_hz == 8000 || rate_hz == 12000 || rate_hz == 16000 ||
           rate_hz == 24000 || rate_hz == 48000;
}

static inline bool arc_opus_channels_ok(int32_t channels)
{
    return channels == 1 || channels == 2;
}

#endif
