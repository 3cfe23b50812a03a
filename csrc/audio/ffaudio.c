/**
 * @file audio/ffaudio.c  Telephony codecs of FFmpeg: G.711, G.722, L16, comfort noise
 */
#include <string.h>

#include <libavcodec/avcodec.h>

#include "audio/ffaudio.h"
#include "base/mem.h"

enum { MUTE = 150 }; /* log_level_offset above every level: it writes nothing */

struct arc_ffaudio_dec {
    AVCodecContext *ctx;
    AVPacket       *packet;
    AVFrame        *frame;
    int32_t         channels;
};

struct arc_ffaudio_enc {
    AVCodecContext *ctx;
    AVPacket       *packet;
    AVFrame        *frame;
    int32_t         channels;
};

static enum AVCodecID id_of(int32_t codec)
{
    switch (codec) {
    case ARC_AUDIO_PCMU:
        return AV_CODEC_ID_PCM_MULAW;
    case ARC_AUDIO_PCMA:
        return AV_CODEC_ID_PCM_ALAW;
    case ARC_AUDIO_G722:
        return AV_CODEC_ID_ADPCM_G722;
    case ARC_AUDIO_L16:
        return AV_CODEC_ID_PCM_S16BE;
    case ARC_AUDIO_CN:
        return AV_CODEC_ID_COMFORT_NOISE;
    default:
        return AV_CODEC_ID_NONE;
    }
}

static enum arc_status status_of(int ret)
{
    return ret >= 0               ? ARC_OK
         : ret == AVERROR(ENOMEM) ? ARC_ERR_NOMEM : ARC_ERR_CODEC;
}

static AVCodecContext *make_context(const AVCodec *codec, int32_t rate_hz,
                                    int32_t channels)
{
    AVCodecContext *ctx = avcodec_alloc_context3(codec);

    if (!ctx)
        return NULL;
    ctx->sample_rate      = rate_hz;
    ctx->sample_fmt       = AV_SAMPLE_FMT_S16;
    ctx->thread_count     = 1;
    ctx->log_level_offset = MUTE;
    av_channel_layout_default(&ctx->ch_layout, channels);
    return ctx;
}

static enum arc_status open_dec(struct arc_ffaudio_dec *d, int32_t codec,
                                int32_t rate_hz)
{
    const AVCodec *found = avcodec_find_decoder(id_of(codec));

    if (!found)
        return ARC_ERR_UNSUPPORTED;
    d->ctx    = make_context(found, rate_hz, d->channels);
    d->packet = av_packet_alloc();
    d->frame  = av_frame_alloc();
    if (!d->ctx || !d->packet || !d->frame)
        return ARC_ERR_NOMEM;
    return avcodec_open2(d->ctx, found, NULL) < 0 ? ARC_ERR_LIBRARY : ARC_OK;
}

enum arc_status arc_ffaudio_dec_new(int32_t codec, int32_t sample_rate_hz,
                                    int32_t channels,
                                    struct arc_ffaudio_dec **out)
{
    struct arc_ffaudio_dec *d;
    enum arc_status status;

    if (!out || codec == ARC_AUDIO_OPUS ||
        !arc_audiocodec_ok(codec, sample_rate_hz, channels))
        return ARC_ERR_ARG;
    d = arc_mem_zalloc(1, sizeof(*d));
    if (!d)
        return ARC_ERR_NOMEM;
    d->channels = channels;
    status = open_dec(d, codec, sample_rate_hz);
    if (status != ARC_OK) {
        arc_ffaudio_dec_free(d);
        return status;
    }
    *out = d;
    return ARC_OK;
}

void arc_ffaudio_dec_free(struct arc_ffaudio_dec *d)
{
    if (!d)
        return;
    av_frame_free(&d->frame);
    av_packet_free(&d->packet);
    avcodec_free_context(&d->ctx);
    arc_mem_free(d);
}

enum arc_status arc_ffaudio_dec_decode(struct arc_ffaudio_dec *d,
                                       const uint8_t *data, int32_t len,
                                       int16_t *out, int32_t n_samples)
{
    int ret = av_new_packet(d->packet, len); /* with the padding it reads into */

    if (ret < 0)
        return ARC_ERR_NOMEM;
    memcpy(d->packet->data, data, (size_t)len);
    ret = avcodec_send_packet(d->ctx, d->packet);
    av_packet_unref(d->packet);
    if (ret < 0)
        return status_of(ret);
    ret = avcodec_receive_frame(d->ctx, d->frame);
    if (ret < 0)
        return status_of(ret);
    if (d->frame->nb_samples != n_samples ||
        d->frame->format != AV_SAMPLE_FMT_S16)
        ret = AVERROR_INVALIDDATA;
    else
        memcpy(out, d->frame->data[0],
               (size_t)(n_samples * d->channels) * sizeof(*out));
    av_frame_unref(d->frame);
    return status_of(ret);
}

static enum arc_status open_enc(struct arc_ffaudio_enc *e, int32_t codec,
                                int32_t rate_hz, int32_t frame_samples)
{
    const AVCodec *found = avcodec_find_encoder(id_of(codec));

    if (!found)
        return ARC_ERR_UNSUPPORTED;
    e->ctx    = make_context(found, rate_hz, e->channels);
    e->packet = av_packet_alloc();
    e->frame  = av_frame_alloc();
    if (!e->ctx || !e->packet || !e->frame)
        return ARC_ERR_NOMEM;
    e->ctx->frame_size = frame_samples; /* G.722 plans with it */
    if (avcodec_open2(e->ctx, found, NULL) < 0)
        return ARC_ERR_LIBRARY;
    e->frame->nb_samples  = frame_samples;
    e->frame->format      = AV_SAMPLE_FMT_S16;
    e->frame->sample_rate = rate_hz;
    if (av_channel_layout_copy(&e->frame->ch_layout, &e->ctx->ch_layout) < 0 ||
        av_frame_get_buffer(e->frame, 0) < 0)
        return ARC_ERR_NOMEM;
    return ARC_OK;
}

enum arc_status arc_ffaudio_enc_new(int32_t codec, int32_t sample_rate_hz,
                                    int32_t channels, int32_t frame_samples,
                                    struct arc_ffaudio_enc **out)
{
    struct arc_ffaudio_enc *e;
    enum arc_status status;

    if (!out || codec == ARC_AUDIO_OPUS || frame_samples < 1 ||
        frame_samples > sample_rate_hz ||
        !arc_audiocodec_ok(codec, sample_rate_hz, channels))
        return ARC_ERR_ARG;
    e = arc_mem_zalloc(1, sizeof(*e));
    if (!e)
        return ARC_ERR_NOMEM;
    e->channels = channels;
    status = open_enc(e, codec, sample_rate_hz, frame_samples);
    if (status != ARC_OK) {
        arc_ffaudio_enc_free(e);
        return status;
    }
    *out = e;
    return ARC_OK;
}

void arc_ffaudio_enc_free(struct arc_ffaudio_enc *e)
{
    if (!e)
        return;
    av_frame_free(&e->frame);
    av_packet_free(&e->packet);
    avcodec_free_context(&e->ctx);
    arc_mem_free(e);
}

enum arc_status arc_ffaudio_enc_encode(struct arc_ffaudio_enc *e,
                                       const int16_t *pcm, uint8_t *out,
                                       int32_t cap, int32_t *len_out)
{
    size_t bytes = (size_t)(e->frame->nb_samples * e->channels) * sizeof(*pcm);
    enum arc_status status = ARC_OK;
    int ret = av_frame_make_writable(e->frame);

    if (ret < 0)
        return status_of(ret);
    memcpy(e->frame->data[0], pcm, bytes);
    ret = avcodec_send_frame(e->ctx, e->frame);
    if (ret >= 0)
        ret = avcodec_receive_packet(e->ctx, e->packet);
    if (ret < 0)
        return status_of(ret);
    if (e->packet->size > cap) {
        status = ARC_ERR_SPACE;
    } else {
        memcpy(out, e->packet->data, (size_t)e->packet->size);
        *len_out = e->packet->size;
    }
    av_packet_unref(e->packet);
    return status;
}
