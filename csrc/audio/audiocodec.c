/**
 * @file audio/audiocodec.c  What the audio codecs of RTP are: names, rates, sizes
 */
#include <stddef.h>

#include "audio/audiocodec.h"
#include "audio/opuscodec.h"
#include "base/units.h"

enum {
    OPUS_CLOCK_HZ  = 48000,  /* RFC 7587 §4.1                                   */
    G722_CLOCK_HZ  = 8000,   /* RFC 3551 §4.5.2: an error that stays            */
    MAX_PACKET_MS  = 200,    /* RFC 3551 §4.2                                   */
    MAX_FRAME_US   = 60000,
};

/** A row for each codec: rate 0: many; bits of a sample in the payload, 0: it
 *  varies. */
static const struct {
    const char *name;
    int32_t rate_hz;
    int32_t sample_bits;
} codecs[] = {
    [ARC_AUDIO_OPUS] = {"opus", 0, 0},    [ARC_AUDIO_PCMU] = {"pcmu", 8000, 8},
    [ARC_AUDIO_PCMA] = {"pcma", 8000, 8}, [ARC_AUDIO_G722] = {"g722", 16000, 4},
    [ARC_AUDIO_L16]  = {"l16", 0, 16},    [ARC_AUDIO_CN]   = {"cn", 8000, 0},
};

static bool exists(int32_t codec)
{
    return codec >= ARC_AUDIO_OPUS && codec <= ARC_AUDIO_CN;
}

static bool opus_rate_ok(int32_t hz)
{
    return hz == 8000 || hz == 12000 || hz == 16000 || hz == 24000 ||
           hz == 48000;
}

bool arc_audiocodec_ok(int32_t codec, int32_t sample_rate_hz, int32_t channels)
{
    if (!exists(codec) || channels < 1 || channels > 2)
        return false;
    if (codec == ARC_AUDIO_OPUS)
        return opus_rate_ok(sample_rate_hz);
    if (codec == ARC_AUDIO_L16)
        return sample_rate_hz >= 8000 && sample_rate_hz <= 48000;
    return sample_rate_hz == codecs[codec].rate_hz && channels == 1;
}

const char *arc_audiocodec_name(int32_t codec)
{
    return exists(codec) ? codecs[codec].name : "";
}

int32_t arc_audiocodec_rate_hz(int32_t codec, int32_t asked_hz)
{
    return exists(codec) && codecs[codec].rate_hz ? codecs[codec].rate_hz
                                                  : asked_hz;
}

int32_t arc_audiocodec_clock_hz(int32_t codec, int32_t sample_rate_hz)
{
    return codec == ARC_AUDIO_OPUS ? OPUS_CLOCK_HZ
         : codec == ARC_AUDIO_G722 ? G722_CLOCK_HZ : sample_rate_hz;
}

bool arc_audiocodec_frame_ok(int32_t codec, int32_t sample_rate_hz,
                             int32_t frame_us)
{
    if (codec == ARC_AUDIO_OPUS)
        return frame_us == 2500 || frame_us == 5000 || frame_us == 10000 ||
               (frame_us >= 20000 && frame_us <= 120000 && frame_us % 20000 == 0);
    if (!exists(codec) || frame_us < 1000 || frame_us > MAX_FRAME_US)
        return false;
    if (codec == ARC_AUDIO_L16)
        return (int64_t)sample_rate_hz * frame_us % ARC_US_PER_S == 0;
    return frame_us % 10000 == 0;
}

int32_t arc_audiocodec_samples(int32_t codec, int32_t sample_rate_hz,
                               int32_t channels, const uint8_t *data,
                               int32_t len)
{
    int32_t bits, sample_bits;

    if (codec == ARC_AUDIO_OPUS)
        return arc_opus_packet_samples(data, len, sample_rate_hz);
    if (!data || !exists(codec) || codecs[codec].sample_bits == 0 || len < 1 ||
        len > INT32_MAX / 8 || channels < 1)
        return 0;
    bits        = len * 8;
    sample_bits = codecs[codec].sample_bits *
                  (codec == ARC_AUDIO_L16 ? channels : 1);
    if (bits % sample_bits != 0 ||
        bits / sample_bits > sample_rate_hz / 1000 * MAX_PACKET_MS)
        return 0;
    return bits / sample_bits;
}
