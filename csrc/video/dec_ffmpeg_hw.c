/**
 * @file video/dec_ffmpeg_hw.c  Hardware for FFmpeg's decoders
 */
#include <stdio.h>
#include <string.h>

#include <libavutil/hwcontext.h>
#include <libavutil/pixdesc.h>

#include "video/avlog.h"
#include "video/dec_ffmpeg_hw.h"
#include "video/decoder.h"

/* The format in which this decoder leaves pictures on such a device. */
static enum AVPixelFormat format_on(const AVCodec *codec,
                                    enum AVHWDeviceType type)
{
    const AVCodecHWConfig *config;

    for (int i = 0; (config = avcodec_get_hw_config(codec, i)) != NULL; i++)
        if (config->device_type == type &&
            (config->methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX))
            return config->pix_fmt;
    return AV_PIX_FMT_NONE;
}

static const AVCodec *own_decoder(int32_t codec)
{
    static const char *const names[] = {"h264", "vp8", "vp9", "av1"};

    return codec >= ARC_VIDEO_H264 && codec <= ARC_VIDEO_AV1
               ? avcodec_find_decoder_by_name(names[codec])
               : NULL;
}

const char *arc_vdec_hwaccel(int32_t codec, int32_t i)
{
    enum AVHWDeviceType type = AV_HWDEVICE_TYPE_NONE;
    const AVCodec *decoder = own_decoder(codec);

    if (!decoder)
        return NULL;
    do
        type = av_hwdevice_iterate_types(type);
    while (type != AV_HWDEVICE_TYPE_NONE &&
           (format_on(decoder, type) == AV_PIX_FMT_NONE || i-- > 0));
    return av_hwdevice_get_type_name(type);
}

static enum arc_status try_device(struct arc_dechw *h, const AVCodec *codec,
                                  enum AVHWDeviceType type, char *why,
                                  size_t cap)
{
    const char *name = av_hwdevice_get_type_name(type);
    struct arc_avlog log;
    int ret;

    h->format = format_on(codec, type);
    if (h->format == AV_PIX_FMT_NONE) {
        snprintf(why, cap, "%s: does not decode %s with this FFmpeg", name,
                 codec->name);
        return ARC_ERR_UNSUPPORTED;
    }
    arc_avlog_begin(&log);
    ret = av_hwdevice_ctx_create(&h->device, type, NULL, NULL, 0);
    arc_avlog_end();
    if (ret < 0) {
        arc_avlog_explain(&log, name, ret, why, cap);
        return ret == AVERROR(ENOMEM) ? ARC_ERR_NOMEM : ARC_ERR_UNSUPPORTED;
    }
    snprintf(h->name, sizeof(h->name), "%s", name);
    return ARC_OK;
}

/* Any device that opens; none is no fault, and the reasons are told. */
static enum arc_status try_all(struct arc_dechw *h, const AVCodec *codec,
                               char *why, size_t cap)
{
    enum AVHWDeviceType type = AV_HWDEVICE_TYPE_NONE;
    size_t len = 0;

    while ((type = av_hwdevice_iterate_types(type)) != AV_HWDEVICE_TYPE_NONE) {
        enum arc_status status;

        if (format_on(codec, type) == AV_PIX_FMT_NONE)
            continue;
        if (len && len + 3 < cap)
            len += (size_t)snprintf(why + len, cap - len, "; ");
        status = try_device(h, codec, type, why + len, cap - len);
        if (status == ARC_OK)
            why[0] = '\0';
        if (status != ARC_ERR_UNSUPPORTED)
            return status;
        len += strlen(why + len);
    }
    if (!len)
        snprintf(why, cap, "no hardware of this FFmpeg decodes %s", codec->name);
    return ARC_OK;
}

enum arc_status arc_dechw_open(struct arc_dechw *h, AVCodecContext *ctx,
                               const AVCodec *codec, const char *wanted,
                               char *why, size_t cap)
{
    enum AVHWDeviceType type = av_hwdevice_find_type_by_name(wanted);
    enum arc_status status;

    h->strict = strcmp(wanted, "auto") != 0;
    if (!h->strict) {
        status = try_all(h, codec, why, cap);
    } else if (type == AV_HWDEVICE_TYPE_NONE) {
        snprintf(why, cap, "%s: this FFmpeg knows no such hardware", wanted);
        status = ARC_ERR_UNSUPPORTED;
    } else {
        status = try_device(h, codec, type, why, cap);
    }
    if (status != ARC_OK || !h->device)
        return status;

    h->fetched = av_frame_alloc();
    ctx->hw_device_ctx = av_buffer_ref(h->device);
    return h->fetched && ctx->hw_device_ctx ? ARC_OK : ARC_ERR_NOMEM;
}

void arc_dechw_close(struct arc_dechw *h)
{
    av_frame_free(&h->fetched);
    av_buffer_unref(&h->device);
}

enum AVPixelFormat arc_dechw_choose(struct arc_dechw *h,
                                    const enum AVPixelFormat *offered)
{
    const enum AVPixelFormat *p;

    for (p = offered; h->device && *p != AV_PIX_FMT_NONE; p++)
        if (*p == h->format)
            return *p;
    h->refused = h->device != NULL;
    if (h->refused && h->strict)
        return AV_PIX_FMT_NONE;
    for (p = offered; *p != AV_PIX_FMT_NONE; p++) {
        const AVPixFmtDescriptor *about = av_pix_fmt_desc_get(*p);

        if (about && !(about->flags & AV_PIX_FMT_FLAG_HWACCEL))
            return *p;
    }
    return AV_PIX_FMT_NONE;
}

int arc_dechw_fetch(struct arc_dechw *h, AVFrame *frame)
{
    int ret;

    if (!h->device || frame->format != h->format)
        return 0;
    ret = av_hwframe_transfer_data(h->fetched, frame, 0);
    if (ret >= 0)
        ret = av_frame_copy_props(h->fetched, frame);
    av_frame_unref(frame);
    if (ret >= 0)
        av_frame_move_ref(frame, h->fetched);
    else
        av_frame_unref(h->fetched);
    return ret;
}
