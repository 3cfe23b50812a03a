/**
 * @file audio/aenc.c  One interface to every audio encoder
 */
#include <stddef.h>
#include <string.h>

#include "audio/aenc.h"
#include "audio/ffaudio.h"
#include "audio/level.h"
#include "audio/silence.h"
#include "base/mem.h"
#include "base/units.h"

struct arc_aenc {
    struct arc_aenc_config  cfg;
    int32_t                 frame_samples;
    struct arc_opus_enc    *opus;  /* Opus                                      */
    struct arc_ffaudio_enc *ff;    /* the others                                */
    struct arc_ffaudio_enc *noise; /* NULL: it sends no comfort noise           */
    struct arc_silence      silence;
    int16_t recent[ARC_FFAUDIO_NOISE_SAMPLES]; /* what noise is measured on     */
};

static bool config_ok(const struct arc_aenc_config *c)
{
    return c->codec != ARC_AUDIO_CN &&
           arc_audiocodec_ok(c->codec, c->opus.sample_rate_hz,
                             c->opus.channels) &&
           arc_audiocodec_frame_ok(c->codec, c->opus.sample_rate_hz,
                                   c->frame_us);
}

static enum arc_status open_codec(struct arc_aenc *e)
{
    const struct arc_aenc_config *c = &e->cfg;
    enum arc_status status;

    if (c->codec == ARC_AUDIO_OPUS)
        return arc_opus_enc_new(&c->opus, &e->opus);
    status = arc_ffaudio_enc_new(c->codec, c->opus.sample_rate_hz,
                                 c->opus.channels, e->frame_samples, &e->ff);
    if (status != ARC_OK || !c->opus.dtx ||
        (c->codec != ARC_AUDIO_PCMU && c->codec != ARC_AUDIO_PCMA))
        return status;
    return arc_ffaudio_enc_new(ARC_AUDIO_CN, c->opus.sample_rate_hz, 1,
                               ARC_FFAUDIO_NOISE_SAMPLES, &e->noise);
}

static void set_frame(struct arc_aenc *e, int32_t frame_us)
{
    e->cfg.frame_us  = frame_us;
    e->frame_samples = (int32_t)((int64_t)e->cfg.opus.sample_rate_hz * frame_us /
                                 ARC_US_PER_S);
}

enum arc_status arc_aenc_set_frame_us(struct arc_aenc *e, int32_t frame_us)
{
    if (!e->opus || !arc_audiocodec_frame_ok(ARC_AUDIO_OPUS,
                                             e->cfg.opus.sample_rate_hz, frame_us))
        return ARC_ERR_ARG;
    set_frame(e, frame_us);
    return ARC_OK;
}

enum arc_status arc_aenc_new(const struct arc_aenc_config *cfg,
                             struct arc_aenc **out)
{
    struct arc_aenc *e;
    enum arc_status status;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    e = arc_mem_zalloc(1, sizeof(*e));
    if (!e)
        return ARC_ERR_NOMEM;
    e->cfg           = *cfg;
    set_frame(e, cfg->frame_us);
    arc_silence_init(&e->silence);
    status = open_codec(e);
    if (status != ARC_OK) {
        arc_aenc_free(e);
        return status;
    }
    *out = e;
    return ARC_OK;
}

void arc_aenc_free(struct arc_aenc *e)
{
    if (!e)
        return;
    arc_ffaudio_enc_free(e->noise);
    arc_ffaudio_enc_free(e->ff);
    arc_opus_enc_free(e->opus);
    arc_mem_free(e);
}

int32_t arc_aenc_frame_samples(const struct arc_aenc *e)
{
    return e->frame_samples;
}

int32_t arc_aenc_max_bytes(const struct arc_aenc *e)
{
    switch (e->cfg.codec) {
    case ARC_AUDIO_OPUS:
        return ARC_OPUS_MAX_PACKET_BYTES;
    case ARC_AUDIO_G722:
        return e->frame_samples / 2;
    case ARC_AUDIO_L16:
        return e->frame_samples * e->cfg.opus.channels * 2;
    default:
        return e->frame_samples;
    }
}

struct arc_opus_enc *arc_aenc_opus(struct arc_aenc *e)
{
    return e->opus;
}

/** The newest samples at the end of `recent`. */
static void remember(struct arc_aenc *e, const int16_t *pcm)
{
    const int32_t room = ARC_FFAUDIO_NOISE_SAMPLES;
    int32_t n = e->frame_samples < room ? e->frame_samples : room;

    memmove(e->recent, e->recent + n, (size_t)(room - n) * sizeof(*pcm));
    memcpy(e->recent + room - n, pcm + e->frame_samples - n,
           (size_t)n * sizeof(*pcm));
}

/** What silence asks for instead of the frame. */
static enum arc_silence_say look(struct arc_aenc *e, const int16_t *pcm)
{
    if (!e->noise)
        return ARC_SILENCE_SPEECH;
    remember(e, pcm);
    return arc_silence_on_frame(
        &e->silence, arc_level_i16(pcm, (size_t)e->frame_samples),
        e->cfg.frame_us);
}

enum arc_status arc_aenc_encode(struct arc_aenc *e, const int16_t *pcm,
                                uint8_t *out, int32_t cap, int32_t *len_out,
                                bool *noise_out)
{
    if (!pcm || !out || !len_out || !noise_out)
        return ARC_ERR_ARG;
    *noise_out = false;
    if (e->opus)
        return arc_opus_enc_encode(e->opus, pcm, e->frame_samples, out, cap,
                                   len_out);
    switch (look(e, pcm)) {
    case ARC_SILENCE_NOTHING:
        *len_out = 0;
        return ARC_OK;
    case ARC_SILENCE_NOISE:
        *noise_out = true;
        return arc_ffaudio_enc_encode(e->noise, e->recent, out, cap, len_out);
    default:
        return arc_ffaudio_enc_encode(e->ff, pcm, out, cap, len_out);
    }
}
