/**
 * @file video/enc_ffmpeg.c  H.264, and what GPUs encode, behind libavcodec
 */
#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/cpu.h>
#include <libavutil/hwcontext.h>
#include <libavutil/opt.h>

#include "base/mem.h"
#include "base/units.h"
#include "video/annexb.h"
#include "video/avlog.h"
#include "video/enc_backend.h"

enum {
    /* Frames between key frames when nobody asks for one. x264 takes this
     * value for "infinite" (X264_KEYINT_MAX_INFINITE). */
    NO_INTERVAL = 1 << 30,
    /* Intel's library counts in 16 bits; all ones mean one endless group. */
    NO_INTERVAL_QSV = 65535,
    /* Frames that a device may have in hand; each remembers its ts. */
    IN_FLIGHT = 16,
    /* Rate control buffer. Shorter: a key frame is squeezed harder; longer: it
     * takes longer to leave, and a new rate is followed later. With libx264 at
     * 720p a fall from 2 Mb/s to 500 kb/s takes 0.25 s, 0.5 s with twice this. */
    VBV_MS = 300,
    /* When the rate falls, x264 would spend what the longer buffer still has on
     * the first frames, three times their share: for this long, and with a
     * buffer of this many hundredths of a frame, it cannot. */
    NARROW_MS = 250, NARROW_PCT = 180,
    SVT_FIRST_PRESET = 6, /* SVT-AV1's presets for calls are 6..13 */
    REFRESH_S = 2, /* intra refresh goes once over the picture in this time */
};

/* One row an encoder: how its own options spell "no delay". Options that a version of FFmpeg does not know are passed over; what
 * they were to achieve is proved by the probe, which encodes. */
struct driver {
    struct arc_venc_info info;
    enum AVPixelFormat  format;  /* what it reads from memory                */
    enum AVHWDeviceType upload;  /* frames must be uploaded to such a device */
    int32_t             endless; /* gop_size that means: only on request     */
    const char         *options; /* key=value, separated by colons           */
    const char         *screen;  /* the same for screens; NULL: nothing      */
    const char         *refresh; /* the same for intra refresh; NULL: cannot */
};

/* Of copies_input: x264 has its own copy; others may hold a frame. */
#define ROW(n, lib, c, hw, in_place, copies)                                   \
    {.name = n, .library = lib, .codec = ARC_VIDEO_##c, .hardware = hw,        \
     .in_place_bitrate = in_place, .copies_input = copies,                     \
     .max_temporal_layers = 1, .max_spatial_layers = 1}

#define NVENC                                                                  \
    "preset=p4:tune=ull:rc=cbr:zerolatency=1:delay=0:surfaces=4:"              \
    "forced-idr=1:rc-lookahead=0:no-scenecut=1:b_adapt=0"
#define QSV                                                                    \
    "preset=veryfast:async_depth=1:forced_idr=1:look_ahead=0:repeat_pps=1:"    \
    "low_delay_brc=1"
#define VAAPI "rc_mode=CBR:async_depth=1:idr_interval=0"
#define AMF "usage=ultralowlatency:rc=cbr:quality=speed:frame_skipping=0"
#define V4L2 "num_output_buffers=6:num_capture_buffers=4"
#define FROM_MEMORY AV_HWDEVICE_TYPE_NONE

/* Hardware first: it is preferred where the probe proved it. libx264 is the
 * reference for all tests. */
static const struct driver drivers[] = {
    {ROW("h264_nvenc", "NVIDIA NVENC", H264, true, true, false),
     AV_PIX_FMT_YUV420P, FROM_MEMORY, NO_INTERVAL, NVENC ":profile=high", NULL,
     "intra-refresh=1"},
    {ROW("h264_qsv", "Intel Quick Sync Video", H264, true, false, false),
     AV_PIX_FMT_NV12, FROM_MEMORY, NO_INTERVAL_QSV,
     QSV ":profile=high:scenario=videoconference", "scenario=displayremoting",
     "int_ref_type=vertical"},
    {ROW("h264_vaapi", "VA-API", H264, true, false, false),
     AV_PIX_FMT_NV12, AV_HWDEVICE_TYPE_VAAPI, NO_INTERVAL,
     VAAPI ":profile=high", NULL, NULL},
    {ROW("h264_amf", "AMD AMF", H264, true, false, false),
     AV_PIX_FMT_YUV420P, FROM_MEMORY, NO_INTERVAL,
     AMF ":profile=high:header_spacing=1", NULL, NULL},
    {ROW("h264_videotoolbox", "Apple VideoToolbox", H264, true, false, false),
     AV_PIX_FMT_YUV420P, FROM_MEMORY, NO_INTERVAL,
     "profile=high:realtime=1:prio_speed=1", NULL, NULL},
    {ROW("h264_v4l2m2m", "Video4Linux2 M2M", H264, true, false, false),
     AV_PIX_FMT_YUV420P, FROM_MEMORY, NO_INTERVAL, V4L2, NULL, NULL},
    {ROW("libx264", "x264", H264, false, true, true),
     AV_PIX_FMT_YUV420P, FROM_MEMORY, NO_INTERVAL,
     /* qcomp nearer to constant frame sizes than x264's 0.6: 0.3 dB better in
      * so short a buffer, and quicker to follow. */
     "tune=zerolatency:profile=high:forced-idr=1:sc_threshold=0:qcomp=0.3:"
     "x264-params=scenecut=0,force-cfr=1,nal-hrd=none,aud=0",
     NULL, "intra-refresh=1"},
    {ROW("libopenh264", "Cisco OpenH264", H264, false, false, false),
     AV_PIX_FMT_YUV420P, FROM_MEMORY, NO_INTERVAL,
     "rc_mode=bitrate:allow_skip_frames=0:profile=constrained_baseline", NULL,
     NULL},
    {ROW("vp8_vaapi", "VA-API", VP8, true, false, false),
     AV_PIX_FMT_NV12, AV_HWDEVICE_TYPE_VAAPI, NO_INTERVAL, VAAPI, NULL, NULL},
    {ROW("vp8_v4l2m2m", "Video4Linux2 M2M", VP8, true, false, false),
     AV_PIX_FMT_YUV420P, FROM_MEMORY, NO_INTERVAL, V4L2, NULL, NULL},
    {ROW("vp9_qsv", "Intel Quick Sync Video", VP9, true, false, false),
     AV_PIX_FMT_NV12, FROM_MEMORY, NO_INTERVAL_QSV, QSV, NULL, NULL},
    {ROW("vp9_vaapi", "VA-API", VP9, true, false, false),
     AV_PIX_FMT_NV12, AV_HWDEVICE_TYPE_VAAPI, NO_INTERVAL, VAAPI, NULL, NULL},
    {ROW("av1_nvenc", "NVIDIA NVENC", AV1, true, true, false),
     AV_PIX_FMT_YUV420P, FROM_MEMORY, NO_INTERVAL, NVENC, NULL,
     "intra-refresh=1"},
    {ROW("av1_qsv", "Intel Quick Sync Video", AV1, true, false, false),
     AV_PIX_FMT_NV12, FROM_MEMORY, NO_INTERVAL_QSV, QSV, NULL, NULL},
    {ROW("av1_vaapi", "VA-API", AV1, true, false, false),
     AV_PIX_FMT_NV12, AV_HWDEVICE_TYPE_VAAPI, NO_INTERVAL, VAAPI, NULL, NULL},
    {ROW("av1_amf", "AMD AMF", AV1, true, false, false),
     AV_PIX_FMT_YUV420P, FROM_MEMORY, NO_INTERVAL, AMF, NULL, NULL},
};

/* SVT-AV1 stands behind libaom, although it is quicker: a new rate opens it anew
 * and costs a key frame. Versions before 2 hold each frame back until the next
 * comes, so that the probe refuses them. */
static const struct driver last_drivers[] = {
    {ROW("libsvtav1", "SVT-AV1", AV1, false, false, false),
     AV_PIX_FMT_YUV420P, FROM_MEMORY, NO_INTERVAL,
     "svtav1-params=pred-struct=1,keyint=-1,scd=0,lookahead=0", NULL, NULL},
};

enum { N_ROWS = sizeof(drivers) / sizeof(drivers[0]),
       N_LAST_ROWS = sizeof(last_drivers) / sizeof(last_drivers[0]) };

/* libx264, and SVT-AV1; the rest get no speed, or are devices. */
static const struct arc_enc_pace paces[] = {
    {ARC_VIDEO_H264, {5000000, 15000000, 30000000, 35000000, 45000000, 75000000,
                      115000000, 160000000}},
    {ARC_VIDEO_VP8, {0}},
    {ARC_VIDEO_VP9, {0}},
    {ARC_VIDEO_AV1, {5000000, 8000000, 12000000, 17000000, 24000000, 35000000,
                     50000000, 60000000}},
};

/* x264's presets from the best picture to the quickest, by arc_venc speed. */
static const char *const x264_presets[ARC_VENC_MAX_SPEED + 1] = {
    "slower", "slow", "medium", "fast", "faster", "veryfast", "superfast",
    "ultrafast",
};

struct encff {
    const struct arc_venc_info *info;
    const struct driver *driver;
    AVCodecContext *ctx;
    AVBufferRef    *frames; /* pool on the device; NULL: memory will do */
    AVPacket       *packet;
    AVFrame        *frame;
    int32_t         narrow;        /* frames to come with a short buffer  */
    int64_t         n_frames;      /* sent so far; the library's pts      */
    int64_t         ts[IN_FLIGHT]; /* by pts, for devices that are behind */
};

static const struct arc_venc_info *row(int32_t i)
{
    return i < N_ROWS ? &drivers[i].info : NULL;
}

static const struct arc_venc_info *last_row(int32_t i)
{
    return i < N_LAST_ROWS ? &last_drivers[i].info : NULL;
}

static const struct driver *find_driver(const char *name)
{
    for (int32_t i = 0; i < N_ROWS; i++)
        if (strcmp(drivers[i].info.name, name) == 0)
            return &drivers[i];
    return &last_drivers[0];
}

int32_t arc_enc_cores(void)
{
    int n = av_cpu_count();

    return n < 1 ? 1 : n;
}

/* "a=1:b=2" one by one, so that an unknown one does not stop the others. */
static void set_options(AVCodecContext *ctx, const char *options)
{
    char text[256], *at = text;

    snprintf(text, sizeof(text), "%s", options);
    while (at) {
        char *next = strchr(at, ':'), *value;

        if (next)
            *next++ = '\0';
        value = strchr(at, '=');
        if (value) {
            *value++ = '\0';
            /* x264 separates its own parameters by colons as well. */
            for (char *c = value; *c; c++)
                if (*c == ',')
                    *c = ':';
            av_opt_set(ctx, at, value, AV_OPT_SEARCH_CHILDREN);
        }
        at = next;
    }
}

static void set_rate_fields(AVCodecContext *ctx, int64_t bitrate_bps)
{
    ctx->bit_rate = bitrate_bps;
    ctx->rc_max_rate = bitrate_bps;
    ctx->rc_buffer_size = (int)(bitrate_bps * VBV_MS / 1000);
    /* Nearly full at the start: the first key frame gets a decent share. */
    ctx->rc_initial_buffer_occupancy = ctx->rc_buffer_size * 9 / 10;
}

/* ITU-T H.273: these end up in the VUI (H.264 Annex E). */
static void set_colour(AVCodecContext *ctx, bool full_range, int32_t matrix)
{
    bool hd = matrix == ARC_MATRIX_BT709;

    ctx->color_range = full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    ctx->colorspace = hd ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
    ctx->color_primaries = hd ? AVCOL_PRI_BT709 : AVCOL_PRI_SMPTE170M;
    ctx->color_trc = hd ? AVCOL_TRC_BT709 : AVCOL_TRC_SMPTE170M;
    ctx->chroma_sample_location = AVCHROMA_LOC_LEFT;
}

/* "ultrafast" with CABAC and the loop filter given back: 15 % slower, 2.8 dB
 * better at 720p and 1.5 Mb/s, and flat key frames shrink to a tenth. */
static void set_speed(struct encff *e, int32_t speed)
{
    void *options = e->ctx->priv_data;

    if (strcmp(e->info->name, "libsvtav1") == 0)
        av_opt_set_int(options, "preset", SVT_FIRST_PRESET + speed, 0);
    if (strcmp(e->info->name, "libx264") != 0)
        return;
    av_opt_set(options, "preset", x264_presets[speed], 0);
    if (speed == ARC_VENC_MAX_SPEED) {
        av_opt_set(options, "coder", "cabac", 0);
        av_opt_set(options, "deblock", "0:0", 0);
    }
}

/* The one name or the other, by library; without such an option it is none. */
static void set_max_nal(AVCodecContext *ctx, int32_t bytes)
{
    if (bytes == 0)
        return;
    av_opt_set_int(ctx->priv_data, "slice-max-size", bytes, 0);
    av_opt_set_int(ctx->priv_data, "max_nal_size", bytes, 0);
}

/* Intra refresh goes once over the picture in a group. */
static int32_t group_frames(const struct driver *d,
                            const struct arc_venc_config *cfg)
{
    if (cfg->keyframe_interval_frames)
        return cfg->keyframe_interval_frames;
    if (cfg->intra_refresh && d->refresh)
        return (int32_t)arc_max_i64(2, (int64_t)REFRESH_S * cfg->frame_rate_num /
                                       cfg->frame_rate_den);
    return d->endless;
}

static void configure(struct encff *e, const struct arc_venc_config *cfg)
{
    const struct driver *d = e->driver;
    AVCodecContext *ctx = e->ctx;

    ctx->width = cfg->width;
    ctx->height = cfg->height;
    ctx->pix_fmt = d->format;
    ctx->framerate = (AVRational){cfg->frame_rate_num, cfg->frame_rate_den};
    ctx->time_base = (AVRational){cfg->frame_rate_den, cfg->frame_rate_num};
    ctx->gop_size = group_frames(d, cfg);
    ctx->max_b_frames = 0;
    ctx->thread_count = cfg->threads;
    ctx->thread_type = FF_THREAD_SLICE; /* frame threads would delay */
    ctx->flags |= AV_CODEC_FLAG_LOW_DELAY;
    ctx->flags2 |= AV_CODEC_FLAG2_LOCAL_HEADER; /* SPS, PPS before each IDR */
    set_rate_fields(ctx, cfg->bitrate_bps);
    set_speed(e, cfg->speed);
    set_max_nal(ctx, cfg->max_nal_bytes);
    set_options(ctx, d->options);
    if (d->screen && cfg->content == ARC_CONTENT_SCREEN)
        set_options(ctx, d->screen);
    if (d->refresh && cfg->intra_refresh)
        set_options(ctx, d->refresh);
}

static int make_device_frames(struct encff *e)
{
    AVBufferRef *device = NULL;
    AVHWFramesContext *frames;
    int ret = av_hwdevice_ctx_create(&device, e->driver->upload, NULL, NULL, 0);

    if (ret < 0)
        return ret;
    e->frames = av_hwframe_ctx_alloc(device);
    av_buffer_unref(&device); /* the pool holds its own */
    if (!e->frames)
        return AVERROR(ENOMEM);

    frames = (AVHWFramesContext *)(void *)e->frames->data;
    frames->format = AV_PIX_FMT_VAAPI;
    frames->sw_format = e->driver->format;
    frames->width = e->ctx->width;
    frames->height = e->ctx->height;
    frames->initial_pool_size = IN_FLIGHT;
    ret = av_hwframe_ctx_init(e->frames);
    if (ret < 0)
        return ret;
    e->ctx->pix_fmt = frames->format;
    e->ctx->hw_frames_ctx = av_buffer_ref(e->frames);
    return e->ctx->hw_frames_ctx ? 0 : AVERROR(ENOMEM);
}

static int open_codec(struct encff *e, const struct arc_enc_setup *setup)
{
    const AVCodec *codec = avcodec_find_encoder_by_name(e->info->name);
    int ret = 0;

    if (!codec)
        return AVERROR_ENCODER_NOT_FOUND;
    e->ctx = avcodec_alloc_context3(codec);
    e->packet = av_packet_alloc();
    e->frame = av_frame_alloc();
    if (!e->ctx || !e->packet || !e->frame)
        return AVERROR(ENOMEM);

    configure(e, setup->cfg);
    set_colour(e->ctx, setup->full_range, setup->matrix);
    if (e->driver->upload != AV_HWDEVICE_TYPE_NONE)
        ret = make_device_frames(e);
    if (ret >= 0)
        ret = avcodec_open2(e->ctx, codec, NULL);
    /* From here on its lines go nowhere: a thread of its own may write them. */
    e->ctx->log_level_offset = ARC_AVLOG_MUTE;
    return ret;
}

static void close_encoder(void *lib)
{
    struct encff *e = lib;

    av_frame_free(&e->frame);
    av_packet_free(&e->packet);
    avcodec_free_context(&e->ctx);
    av_buffer_unref(&e->frames);
    arc_mem_free(e);
}

static enum arc_status open_encoder(const struct arc_enc_setup *setup,
                                    void **out, char *why, size_t cap)
{
    const char *name = setup->info->name;
    struct arc_avlog log;
    struct encff *e;
    int ret;

    e = arc_mem_zalloc(1, sizeof(*e));
    if (!e)
        return ARC_ERR_NOMEM;
    e->driver = find_driver(name);
    e->info = &e->driver->info;

    arc_avlog_begin(&log);
    ret = open_codec(e, setup);
    arc_avlog_end();
    if (ret == AVERROR_ENCODER_NOT_FOUND && !log.len)
        snprintf(why, cap, "%s: not in this build of FFmpeg", name);
    else if (ret < 0)
        arc_avlog_explain(&log, name, ret, why, cap);
    if (ret < 0) {
        close_encoder(e);
        return ret == AVERROR(ENOMEM) ? ARC_ERR_NOMEM : ARC_ERR_UNSUPPORTED;
    }
    *out = e;
    return ARC_OK;
}

static int32_t input_format(const void *lib)
{
    const struct encff *e = lib;

    return e->driver->format == AV_PIX_FMT_NV12 ? ARC_PIX_NV12 : ARC_PIX_I420;
}

static void drop_reference(void *opaque, uint8_t *data)
{
    (void)data;
    arc_vframe_unref(opaque);
}

/* Lend the planes to the library for as long as it wants them. One AVBuffer
 * stands for all planes: what counts is the reference behind it. */
static int lend(AVFrame *to, const struct arc_vframe *from)
{
    struct arc_vframe *held = arc_vframe_ref((struct arc_vframe *)from);

    to->buf[0] = av_buffer_create(held->data[0],
                                  (size_t)held->stride[0] * (size_t)held->height,
                                  drop_reference, held, AV_BUFFER_FLAG_READONLY);
    if (!to->buf[0]) {
        arc_vframe_unref(held);
        return AVERROR(ENOMEM);
    }
    for (int i = 0; i < arc_vframe_planes(held->format); i++) {
        to->data[i] = held->data[i];
        to->linesize[i] = held->stride[i];
    }
    to->extended_data = to->data;
    to->format = held->format == ARC_PIX_NV12 ? AV_PIX_FMT_NV12
                                              : AV_PIX_FMT_YUV420P;
    to->width = held->width;
    to->height = held->height;
    return 0;
}

static int lend_on_device(struct encff *e, const struct arc_vframe *from)
{
    AVFrame *memory = av_frame_alloc();
    int ret = memory ? lend(memory, from) : AVERROR(ENOMEM);

    if (ret >= 0)
        ret = av_hwframe_get_buffer(e->frames, e->frame, 0);
    if (ret >= 0)
        ret = av_hwframe_transfer_data(e->frame, memory, 0);
    av_frame_free(&memory);
    return ret;
}

static int send(struct encff *e, const struct arc_vframe *frame,
                bool force_key)
{
    int ret = e->frames ? lend_on_device(e, frame) : lend(e->frame, frame);

    if (ret >= 0) {
        e->frame->pts = e->n_frames;
        e->frame->pict_type = force_key ? AV_PICTURE_TYPE_I
                                        : AV_PICTURE_TYPE_NONE;
        e->frame->color_range = e->ctx->color_range;
        e->frame->colorspace = e->ctx->colorspace;
        e->frame->color_primaries = e->ctx->color_primaries;
        e->frame->color_trc = e->ctx->color_trc;
        e->frame->chroma_location = e->ctx->chroma_sample_location;
        ret = avcodec_send_frame(e->ctx, e->frame);
    }
    av_frame_unref(e->frame);
    return ret;
}

/* Bits that one frame may take, by the rate as it was planned. */
static int narrow_buffer(const AVCodecContext *ctx)
{
    return (int)(ctx->bit_rate * ctx->framerate.den / ctx->framerate.num *
                 NARROW_PCT / 100);
}

static void widen_buffer(struct encff *e)
{
    if (e->narrow > 0 && --e->narrow == 0)
        set_rate_fields(e->ctx, e->ctx->bit_rate);
}

static enum arc_status encode(void *lib, const struct arc_vframe *frame,
                              bool force_key, struct arc_encoded *out)
{
    struct encff *e = lib;
    int32_t drop = 0;
    int ret;

    av_packet_unref(e->packet);
    ret = send(e, frame, force_key);
    if (ret < 0)
        return ret == AVERROR(ENOMEM) ? ARC_ERR_NOMEM : ARC_ERR_CODEC;
    e->ts[e->n_frames++ % IN_FLIGHT] = frame->ts;
    widen_buffer(e);

    ret = avcodec_receive_packet(e->ctx, e->packet);
    if (ret == AVERROR(EAGAIN))
        return ARC_AGAIN;
    if (ret < 0)
        return ARC_ERR_CODEC;
    out->is_key = (e->packet->flags & AV_PKT_FLAG_KEY) != 0;
    if (e->info->codec == ARC_VIDEO_H264)
        out->is_key = out->is_key &&
                      arc_annexb_is_idr(e->packet->data, e->packet->size);
    if (out->is_key && e->info->codec == ARC_VIDEO_H264 &&
        av_packet_make_writable(e->packet) >= 0)
        drop = arc_annexb_drop_user_data(e->packet->data, e->packet->size);
    out->data = e->packet->data + drop;
    out->len = e->packet->size - drop;
    out->ts = e->packet->pts >= 0 && e->packet->pts < e->n_frames
                  ? e->ts[e->packet->pts % IN_FLIGHT] : frame->ts;
    arc_enc_one_layer(out, e->ctx->width, e->ctx->height);
    return ARC_OK;
}

/* The library plans with the frame rate it was opened with; when frames come at
 * another one, each may take the bits of its own time. */
static void set_rate(void *lib, int32_t bitrate_bps, int32_t num, int32_t den)
{
    struct encff *e = lib;
    const AVRational opened = e->ctx->framerate;
    const double bps = (double)bitrate_bps * opened.num * den / opened.den / num;
    const int64_t old_bps = e->ctx->bit_rate;

    set_rate_fields(e->ctx, arc_clamp_i64((int64_t)bps, ARC_VENC_MIN_BPS,
                                          ARC_VENC_MAX_BPS));
    e->narrow = 0;
    if (e->ctx->bit_rate < old_bps && strcmp(e->info->name, "libx264") == 0) {
        e->ctx->rc_buffer_size = (int)arc_min_i64(e->ctx->rc_buffer_size,
                                                  narrow_buffer(e->ctx));
        e->narrow = (int32_t)arc_max_i64(1, (int64_t)NARROW_MS * num / den / 1000);
    }
}

const struct arc_enc_backend arc_enc_ffmpeg = {
    row, paces, open_encoder, close_encoder, input_format, encode, set_rate,
    NULL,
};

const struct arc_enc_backend arc_enc_ffmpeg_last = {
    last_row, paces, open_encoder, close_encoder, input_format, encode,
    set_rate, NULL,
};
