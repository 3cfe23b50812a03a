/**
 * @file video/dec_ffmpeg.c  Video decoding behind libavcodec
 */
#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>

#include "base/mem.h"
#include "video/annexb.h"
#include "video/avlog.h"
#include "video/decoder.h"

enum { MAX_THREADS = 16, NAL_SLICE = 1, NAL_IDR = 5 };

struct arc_vdec {
    AVCodecContext *ctx;
    AVPacket       *packet;
    AVFrame        *frame;
    bool            started; /* a picture has come out since new or flush */
};

static int open_codec(struct arc_vdec *d, int32_t threads)
{
    const AVCodec *codec = avcodec_find_decoder(AV_CODEC_ID_H264);

    if (!codec)
        return AVERROR_DECODER_NOT_FOUND;
    d->ctx = avcodec_alloc_context3(codec);
    d->packet = av_packet_alloc();
    d->frame = av_frame_alloc();
    if (!d->ctx || !d->packet || !d->frame)
        return AVERROR(ENOMEM);

    d->ctx->thread_count = threads;
    d->ctx->thread_type = FF_THREAD_SLICE; /* frame threads would delay */
    d->ctx->flags |= AV_CODEC_FLAG_LOW_DELAY;
    /* Forged headers must not ask for gigabytes. */
    d->ctx->max_pixels = (int64_t)ARC_VFRAME_MAX_PX * ARC_VFRAME_MAX_PX / 4;
    d->ctx->log_level_offset = ARC_AVLOG_MUTE;
    return avcodec_open2(d->ctx, codec, NULL);
}

static enum arc_status start(struct arc_vdec *d, int32_t codec, int32_t threads,
                             char *why, size_t cap)
{
    struct arc_avlog log;
    int ret;

    if (codec != ARC_VIDEO_H264) {
        snprintf(why, cap, "no decoder of this codec in this version");
        return ARC_ERR_UNSUPPORTED;
    }
    arc_avlog_begin(&log);
    ret = open_codec(d, threads);
    arc_avlog_end();
    if (ret >= 0)
        return ARC_OK;
    arc_avlog_explain(&log, "h264", ret, why, cap);
    return ret == AVERROR(ENOMEM) ? ARC_ERR_NOMEM : ARC_ERR_UNSUPPORTED;
}

enum arc_status arc_vdec_new(int32_t codec, int32_t threads,
                             struct arc_vdec **out, char *why, int32_t why_cap)
{
    char nobody[1];
    struct arc_vdec *d;
    enum arc_status status;

    if (!why || why_cap < 1) {
        why = nobody;
        why_cap = sizeof(nobody);
    }
    why[0] = '\0';
    if (!out || codec < ARC_VIDEO_H264 || codec > ARC_VIDEO_AV1 ||
        threads < 0 || threads > MAX_THREADS)
        return ARC_ERR_ARG;

    d = arc_mem_zalloc(1, sizeof(*d));
    if (!d)
        return ARC_ERR_NOMEM;
    status = start(d, codec, threads, why, (size_t)why_cap);
    if (status != ARC_OK) {
        arc_vdec_free(d);
        return status;
    }
    *out = d;
    return ARC_OK;
}

void arc_vdec_free(struct arc_vdec *d)
{
    if (!d)
        return;
    av_frame_free(&d->frame);
    av_packet_free(&d->packet);
    avcodec_free_context(&d->ctx);
    arc_mem_free(d);
}

void arc_vdec_flush(struct arc_vdec *d)
{
    avcodec_flush_buffers(d->ctx);
    d->started = false;
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
 * reordering that shows nothing was too damaged to be one. */
static enum arc_status why_nothing(const struct arc_vdec *d,
                                   const uint8_t *data, int32_t len)
{
    bool part = (d->ctx->flags2 & AV_CODEC_FLAG2_CHUNKS) != 0;

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

static int32_t matrix_of(const AVFrame *frame)
{
    switch (frame->colorspace) {
    case AVCOL_SPC_BT709:
        return ARC_MATRIX_BT709;
    case AVCOL_SPC_SMPTE170M:
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_FCC:
        return ARC_MATRIX_BT601;
    default:
        return arc_vframe_guess_matrix(frame->width, frame->height);
    }
}

/* Takes what is in d->frame along, or frees it. */
static enum arc_status hand_out(struct arc_vdec *d, struct arc_vframe **out)
{
    AVFrame *held = av_frame_alloc();
    struct arc_vframe f = {.format = ARC_PIX_I420};
    enum arc_status status;

    if (!held)
        return ARC_ERR_NOMEM;
    av_frame_move_ref(held, d->frame);
    if (held->format != AV_PIX_FMT_YUV420P &&
        held->format != AV_PIX_FMT_YUVJ420P) {
        av_frame_free(&held);
        return ARC_ERR_UNSUPPORTED;
    }
    f.width = held->width;
    f.height = held->height;
    f.ts = held->pts;
    f.matrix = matrix_of(held);
    f.full_range = held->color_range == AVCOL_RANGE_JPEG ||
                   held->format == AV_PIX_FMT_YUVJ420P;
    /* Of slices that come one by one FFmpeg believes the others missing. */
    f.damaged = (held->flags & AV_FRAME_FLAG_CORRUPT) ||
                (!(d->ctx->flags2 & AV_CODEC_FLAG2_CHUNKS) &&
                 held->decode_error_flags);
    for (int i = 0; i < 3; i++) {
        f.data[i] = held->data[i];
        f.stride[i] = held->linesize[i];
    }
    status = arc_vframe_wrap(&f, free_frame, held, out);
    if (status != ARC_OK)
        av_frame_free(&held);
    return status;
}

/* The newest picture that is ready. There is more than one only when the
 * decoder learns in mid-stream that it has waited in vain. */
static int receive(struct arc_vdec *d)
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

static enum arc_status status_of(int ret)
{
    return ret == AVERROR(ENOMEM)      ? ARC_ERR_NOMEM
           : ret == AVERROR_PATCHWELCOME ? ARC_ERR_UNSUPPORTED
                                         : ARC_ERR_CODEC;
}

static enum arc_status run(struct arc_vdec *d, const uint8_t *data, int32_t len,
                           int64_t ts, struct arc_vframe **out)
{
    enum arc_status status;
    int ret;

    if (!data || len < 1 || len > ARC_VDEC_MAX_BYTES || !out)
        return ARC_ERR_ARG;
    ret = av_new_packet(d->packet, len); /* with the padding it reads into */
    if (ret < 0)
        return ARC_ERR_NOMEM;
    memcpy(d->packet->data, data, (size_t)len);
    d->packet->pts = ts;

    ret = avcodec_send_packet(d->ctx, d->packet);
    av_packet_unref(d->packet);
    if (ret < 0)
        return status_of(ret);
    ret = receive(d);
    if (ret == AVERROR(EAGAIN))
        return why_nothing(d, data, len);
    if (ret < 0)
        return status_of(ret);
    status = hand_out(d, out);
    if (status == ARC_OK)
        d->started = true;
    return status;
}

enum arc_status arc_vdec_decode(struct arc_vdec *d, const uint8_t *data,
                                int32_t len, int64_t ts,
                                struct arc_vframe **out)
{
    /* Parameter sets that come alone are no picture, and no fault either. */
    if (data && len > 0 && !has_nal(data, len, NAL_SLICE) &&
        !has_nal(data, len, NAL_IDR))
        return arc_vdec_decode_part(d, data, len, ts, out);
    d->ctx->flags2 &= ~AV_CODEC_FLAG2_CHUNKS;
    return run(d, data, len, ts, out);
}

enum arc_status arc_vdec_decode_part(struct arc_vdec *d, const uint8_t *data,
                                     int32_t len, int64_t ts,
                                     struct arc_vframe **out)
{
    d->ctx->flags2 |= AV_CODEC_FLAG2_CHUNKS;
    return run(d, data, len, ts, out);
}
