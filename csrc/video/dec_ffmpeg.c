/**
 * @file video/dec_ffmpeg.c  Video decoding behind libavcodec: H.264, VP8, VP9,
 *                           and AV1 where FFmpeg has it
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>

#include "base/mem.h"
#include "video/annexb.h"
#include "video/avlog.h"
#include "video/dec_backend.h"
#include "video/dec_ffmpeg_hw.h"

enum { NAL_SLICE = 1, NAL_IDR = 5 };

struct arc_decff {
    AVCodecContext  *ctx;
    AVPacket        *packet;
    AVFrame         *frame;
    struct arc_dechw hw;
    int32_t          codec;   /* enum arc_video_codec                        */
    bool             started; /* a picture has come out since new or flush   */
};

/* AV1 in software is a library behind FFmpeg; FFmpeg's own decoder of the name
 * is nothing without hardware. */
static const AVCodec *find_codec(const struct arc_dec_backend *row,
                                 bool hardware)
{
    const AVCodec *codec;

    if (row->info.codec != ARC_VIDEO_AV1)
        return avcodec_find_decoder_by_name(row->info.name);
    if (hardware)
        return avcodec_find_decoder_by_name("av1");
    codec = avcodec_find_decoder_by_name("libdav1d");
    return codec ? codec : avcodec_find_decoder_by_name("libaom-av1");
}

static enum AVPixelFormat choose_format(AVCodecContext *ctx,
                                        const enum AVPixelFormat *offered)
{
    struct arc_decff *d = ctx->opaque;

    return arc_dechw_choose(&d->hw, offered);
}

static enum arc_status prepare(struct arc_decff *d, const AVCodec *codec,
                               const struct arc_vdec_config *cfg, char *why,
                               size_t cap)
{
    d->ctx = avcodec_alloc_context3(codec);
    d->packet = av_packet_alloc();
    d->frame = av_frame_alloc();
    if (!d->ctx || !d->packet || !d->frame)
        return ARC_ERR_NOMEM;

    d->ctx->thread_count = cfg->threads;
    d->ctx->thread_type = FF_THREAD_SLICE; /* frame threads would delay */
    d->ctx->flags |= AV_CODEC_FLAG_LOW_DELAY;
    /* Forged headers must not ask for gigabytes. */
    d->ctx->max_pixels = ARC_VDEC_MAX_PX;
    d->ctx->log_level_offset = ARC_AVLOG_MUTE;
    d->ctx->opaque = d;
    d->ctx->get_format = choose_format;
    return cfg->hwaccel[0] ? arc_dechw_open(&d->hw, d->ctx, codec,
                                            cfg->hwaccel, why, cap)
                           : ARC_OK;
}

static enum arc_status open_codec(struct arc_decff *d,
                                  const struct arc_dec_backend *row,
                                  const struct arc_vdec_config *cfg, char *why,
                                  size_t cap)
{
    /* "auto" never gets the AV1 decoder that would be nothing without a device. */
    bool hardware = cfg->hwaccel[0] && strcmp(cfg->hwaccel, "auto") != 0;
    const AVCodec *codec = find_codec(row, hardware);
    enum arc_status status;
    struct arc_avlog log;
    int ret;

    if (!codec) {
        snprintf(why, cap, "%s: not in this build of FFmpeg", row->info.name);
        return ARC_ERR_UNSUPPORTED;
    }
    d->codec = row->info.codec;
    status = prepare(d, codec, cfg, why, cap);
    if (status != ARC_OK)
        return status;
    arc_avlog_begin(&log);
    ret = avcodec_open2(d->ctx, codec, NULL);
    arc_avlog_end();
    if (ret >= 0)
        return ARC_OK;
    arc_avlog_explain(&log, row->info.name, ret, why, cap);
    return ret == AVERROR(ENOMEM) ? ARC_ERR_NOMEM : ARC_ERR_UNSUPPORTED;
}

static void ff_close(void *lib)
{
    struct arc_decff *d = lib;

    av_frame_free(&d->frame);
    av_packet_free(&d->packet);
    avcodec_free_context(&d->ctx);
    arc_dechw_close(&d->hw);
    arc_mem_free(d);
}

static enum arc_status ff_open(const struct arc_dec_backend *row,
                               const struct arc_vdec_config *cfg, void **lib,
                               char *why, size_t cap)
{
    struct arc_decff *d = arc_mem_zalloc(1, sizeof(*d));
    enum arc_status status;

    if (!d)
        return ARC_ERR_NOMEM;
    status = open_codec(d, row, cfg, why, cap);
    if (status != ARC_OK) {
        ff_close(d);
        return status;
    }
    *lib = d;
    return ARC_OK;
}

static void ff_flush(void *lib)
{
    struct arc_decff *d = lib;

    avcodec_flush_buffers(d->ctx);
    d->started = false;
}

static const char *ff_device(const void *lib)
{
    const struct arc_decff *d = lib;

    return d->hw.refused ? "" : d->hw.name;
}

static bool has_nal(const uint8_t *data, int32_t len, int type)
{
    for (int32_t i = arc_annexb_next(data, len, 0); i < len;
         i = arc_annexb_next(data, len, i))
        if ((data[i] & 0x1f) == type)
            return true;
    return false;
}

/* What it means that no picture came out. A decoder that never began shows
 * nothing for slices that refer to others; a whole picture of a stream without
 * reordering that shows nothing was too damaged to be one. Of the other codecs
 * pictures that are only referred to show nothing. */
static enum arc_status why_nothing(const struct arc_decff *d,
                                   const uint8_t *data, int32_t len)
{
    bool part = (d->ctx->flags2 & AV_CODEC_FLAG2_CHUNKS) != 0;

    if (d->codec != ARC_VIDEO_H264)
        return d->started ? ARC_AGAIN : ARC_ERR_CODEC;
    if (has_nal(data, len, NAL_SLICE))
        return d->started && (part || d->ctx->has_b_frames) ? ARC_AGAIN
                                                            : ARC_ERR_CODEC;
    return has_nal(data, len, NAL_IDR) && !part ? ARC_ERR_CODEC : ARC_AGAIN;
}

static void free_frame(void *opaque)
{
    AVFrame *frame = opaque;

    av_frame_free(&frame);
}

/* @return enum arc_pixel_format; -1: none of ours */
static int32_t format_of(const AVFrame *frame)
{
    switch (frame->format) {
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUVJ420P:
        return ARC_PIX_I420;
    case AV_PIX_FMT_NV12:
        return ARC_PIX_NV12;
    case AV_PIX_FMT_YUV420P10LE:
        return ARC_PIX_I010;
    default:
        return -1;
    }
}

/* Takes what is in d->frame along, or frees it. */
static enum arc_status hand_out(struct arc_decff *d, struct arc_dec_result *r)
{
    AVFrame *held = av_frame_alloc();
    struct arc_vframe f = {0};
    enum arc_status status;
    const char *name;

    if (!held)
        return ARC_ERR_NOMEM;
    av_frame_move_ref(held, d->frame);
    f.format = format_of(held);
    if (f.format < 0) {
        name = av_get_pix_fmt_name(held->format);
        snprintf(r->words, sizeof(r->words), "pictures of format %s",
                 name ? name : "unknown");
        av_frame_free(&held);
        return ARC_ERR_UNSUPPORTED;
    }
    f.width = held->width;
    f.height = held->height;
    f.ts = held->pts;
    f.matrix = arc_dec_matrix((int32_t)held->colorspace, f.width, f.height);
    f.full_range = held->color_range == AVCOL_RANGE_JPEG ||
                   held->format == AV_PIX_FMT_YUVJ420P;
    /* Of slices that come one by one FFmpeg believes the others missing. */
    r->damaged = (held->flags & AV_FRAME_FLAG_CORRUPT) ||
                 (!(d->ctx->flags2 & AV_CODEC_FLAG2_CHUNKS) &&
                  held->decode_error_flags);
    for (int i = 0; i < arc_vframe_planes(f.format); i++) {
        f.data[i] = held->data[i];
        f.stride[i] = held->linesize[i];
    }
    status = arc_vframe_wrap(&f, free_frame, held, &r->frame);
    if (status != ARC_OK)
        av_frame_free(&held);
    return status;
}

/* The newest picture that is ready: the highest of several spatial layers, or
 * one of those that an H.264 decoder lets go when it learns in mid-stream that
 * it has waited in vain. */
static int receive(struct arc_decff *d)
{
    int ret = avcodec_receive_frame(d->ctx, d->frame);

    while (ret >= 0) {
        AVFrame *next = av_frame_alloc();

        if (!next)
            return ret;
        if (avcodec_receive_frame(d->ctx, next) < 0) {
            av_frame_free(&next);
            return ret;
        }
        av_frame_unref(d->frame);
        av_frame_move_ref(d->frame, next);
        av_frame_free(&next);
    }
    return ret;
}

static enum arc_status fail(const struct arc_decff *d, int ret,
                            struct arc_dec_result *r)
{
    if (d->hw.refused && d->hw.strict) {
        snprintf(r->words, sizeof(r->words), "%s does not decode this stream",
                 d->hw.name);
        return ARC_ERR_UNSUPPORTED;
    }
    if (ret == AVERROR(ENOMEM))
        return ARC_ERR_NOMEM;
    if (ret == AVERROR_PATCHWELCOME) {
        snprintf(r->words, sizeof(r->words), "a feature that FFmpeg lacks");
        return ARC_ERR_UNSUPPORTED;
    }
    return ARC_ERR_CODEC;
}

static enum arc_status run(struct arc_decff *d, const uint8_t *data,
                           int32_t len, int64_t ts, struct arc_dec_result *r)
{
    enum arc_status status;
    int ret = av_new_packet(d->packet, len); /* with the padding it reads into */

    if (ret < 0)
        return ARC_ERR_NOMEM;
    memcpy(d->packet->data, data, (size_t)len);
    d->packet->pts = ts;

    ret = avcodec_send_packet(d->ctx, d->packet);
    av_packet_unref(d->packet);
    if (ret < 0)
        return fail(d, ret, r);
    ret = receive(d);
    if (ret == AVERROR(EAGAIN))
        return why_nothing(d, data, len);
    if (ret >= 0)
        ret = arc_dechw_fetch(&d->hw, d->frame);
    if (ret < 0)
        return fail(d, ret, r);
    status = hand_out(d, r);
    if (status == ARC_OK)
        d->started = true;
    return status;
}

static enum arc_status ff_decode(void *lib, const uint8_t *data, int32_t len,
                                 int64_t ts, bool part,
                                 struct arc_dec_result *r)
{
    struct arc_decff *d = lib;

    /* Parameter sets that come alone are no picture, and no fault either. */
    if (d->codec == ARC_VIDEO_H264 && !part && !has_nal(data, len, NAL_SLICE) &&
        !has_nal(data, len, NAL_IDR))
        part = true;
    if (part)
        d->ctx->flags2 |= AV_CODEC_FLAG2_CHUNKS;
    else
        d->ctx->flags2 &= ~AV_CODEC_FLAG2_CHUNKS;
    return run(d, data, len, ts, r);
}

#define FFMPEG_ROW(name, codec)                                                \
    {                                                                          \
        {name, "FFmpeg", codec, true, false}, ff_open, ff_close, ff_decode,    \
            ff_flush, ff_device,                                               \
    }

const struct arc_dec_backend arc_dec_ffmpeg[] = {
    FFMPEG_ROW("h264", ARC_VIDEO_H264),
    FFMPEG_ROW("vp8", ARC_VIDEO_VP8),
    FFMPEG_ROW("vp9", ARC_VIDEO_VP9),
    {{0}, NULL, NULL, NULL, NULL, NULL},
};

const struct arc_dec_backend arc_dec_ffmpeg_av1[] = {
    FFMPEG_ROW("ffmpeg-av1", ARC_VIDEO_AV1),
    {{0}, NULL, NULL, NULL, NULL, NULL},
};
