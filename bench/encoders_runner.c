/**
 * @file bench/encoders_runner.c  Encodes pictures with a library called directly
 *
 * The least that a program needs to encode in real time with libx264 (through
 * libavcodec), libvpx or libaom, with the settings that csrc/video uses:
 * what bench_encoders.py compares with.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <aom/aom_encoder.h>
#include <aom/aomcx.h>
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

struct job {
    const uint8_t *pictures; /* I420, one after the other */
    int32_t  width, height, n, fps, bps, cpu_used;
    uint8_t *out;
    int32_t *lens;
};

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static const uint8_t *picture(const struct job *j, int32_t i)
{
    return j->pictures + (size_t)i * (size_t)(j->width * j->height * 3 / 2);
}

static uint8_t *keep(const struct job *j, int32_t i, uint8_t *to,
                     const void *data, size_t len)
{
    memcpy(to, data, len);
    j->lens[i] = (int32_t)len;
    return to + len;
}

static double run_vpx(const struct job *j, int vp9)
{
    vpx_codec_iface_t *iface = vp9 ? vpx_codec_vp9_cx() : vpx_codec_vp8_cx();
    vpx_codec_enc_cfg_t c;
    vpx_codec_ctx_t codec;
    uint8_t *to = j->out;
    double begin;

    vpx_codec_enc_config_default(iface, &c, 0);
    c.g_w = (unsigned)j->width;
    c.g_h = (unsigned)j->height;
    c.g_timebase.num = 1;
    c.g_timebase.den = j->fps;
    c.g_threads = 1;
    c.g_lag_in_frames = 0;
    c.rc_end_usage = VPX_CBR;
    c.rc_target_bitrate = (unsigned)j->bps / 1000;
    c.rc_min_quantizer = 2;
    c.rc_max_quantizer = 63;
    c.rc_undershoot_pct = 100;
    c.rc_overshoot_pct = vp9 ? 15 : 0;
    c.rc_buf_sz = 600;
    c.rc_buf_initial_sz = vp9 ? 300 : 600;
    c.rc_buf_optimal_sz = 300;
    c.kf_mode = VPX_KF_DISABLED;
    if (vpx_codec_enc_init(&codec, iface, &c, 0))
        return -1;
    vpx_codec_control(&codec, VP8E_SET_CPUUSED, j->cpu_used);
    vpx_codec_control(&codec, VP8E_SET_STATIC_THRESHOLD, 1);
    vpx_codec_control(&codec, VP8E_SET_MAX_INTRA_BITRATE_PCT, 600);
    if (vp9) {
        vpx_codec_control(&codec, VP9E_SET_AQ_MODE, 3);
        vpx_codec_control(&codec, VP9E_SET_TPL, 0);
        vpx_codec_control(&codec, VP9E_SET_TILE_COLUMNS, 0);
        vpx_codec_control(&codec, VP9E_SET_FRAME_PARALLEL_DECODING, 0);
    }
    begin = cpu_s();
    for (int32_t i = 0; i < j->n; i++) {
        const vpx_codec_cx_pkt_t *packet;
        vpx_codec_iter_t iter = NULL;
        vpx_image_t image;

        vpx_img_wrap(&image, VPX_IMG_FMT_I420, (unsigned)j->width,
                     (unsigned)j->height, 1, (uint8_t *)picture(j, i));
        if (vpx_codec_encode(&codec, &image, i, 1, 0, VPX_DL_REALTIME))
            return -1;
        while ((packet = vpx_codec_get_cx_data(&codec, &iter)) != NULL)
            if (packet->kind == VPX_CODEC_CX_FRAME_PKT)
                to = keep(j, i, to, packet->data.frame.buf, packet->data.frame.sz);
    }
    begin = cpu_s() - begin;
    vpx_codec_destroy(&codec);
    return begin;
}

static void control_aom(aom_codec_ctx_t *codec, int cpu_used)
{
    aom_codec_control(codec, AOME_SET_CPUUSED, cpu_used);
    aom_codec_control(codec, AV1E_SET_AQ_MODE, 3);
    aom_codec_control(codec, AV1E_SET_DELTAQ_MODE, 0);
    aom_codec_control(codec, AV1E_SET_ENABLE_TPL_MODEL, 0);
    aom_codec_control(codec, AV1E_SET_ENABLE_ORDER_HINT, 0);
    aom_codec_control(codec, AV1E_SET_ENABLE_OBMC, 0);
    aom_codec_control(codec, AV1E_SET_ENABLE_WARPED_MOTION, 0);
    aom_codec_control(codec, AV1E_SET_ENABLE_GLOBAL_MOTION, 0);
    aom_codec_control(codec, AV1E_SET_ENABLE_PALETTE, 0);
    aom_codec_control(codec, AV1E_SET_COEFF_COST_UPD_FREQ, 3);
    aom_codec_control(codec, AV1E_SET_MODE_COST_UPD_FREQ, 3);
    aom_codec_control(codec, AV1E_SET_MV_COST_UPD_FREQ, 3);
    aom_codec_control(codec, AOME_SET_MAX_INTRA_BITRATE_PCT, 600);
}

static double run_aom(const struct job *j)
{
    aom_codec_enc_cfg_t c;
    aom_codec_ctx_t codec;
    uint8_t *to = j->out;
    double begin;

    aom_codec_enc_config_default(aom_codec_av1_cx(), &c, AOM_USAGE_REALTIME);
    c.g_w = (unsigned)j->width;
    c.g_h = (unsigned)j->height;
    c.g_timebase.num = 1;
    c.g_timebase.den = j->fps;
    c.g_threads = 1;
    c.g_lag_in_frames = 0;
    c.rc_end_usage = AOM_CBR;
    c.rc_target_bitrate = (unsigned)j->bps / 1000;
    c.rc_min_quantizer = 2;
    c.rc_max_quantizer = 63;
    c.rc_undershoot_pct = c.rc_overshoot_pct = 50;
    c.rc_buf_sz = 500;
    c.rc_buf_initial_sz = c.rc_buf_optimal_sz = 300;
    c.kf_mode = AOM_KF_DISABLED;
    if (aom_codec_enc_init(&codec, aom_codec_av1_cx(), &c, 0))
        return -1;
    control_aom(&codec, j->cpu_used);
    begin = cpu_s();
    for (int32_t i = 0; i < j->n; i++) {
        const aom_codec_cx_pkt_t *packet;
        aom_codec_iter_t iter = NULL;
        aom_image_t image;

        aom_img_wrap(&image, AOM_IMG_FMT_I420, (unsigned)j->width,
                     (unsigned)j->height, 1, (uint8_t *)picture(j, i));
        if (aom_codec_encode(&codec, &image, i, 1, 0))
            return -1;
        while ((packet = aom_codec_get_cx_data(&codec, &iter)) != NULL)
            if (packet->kind == AOM_CODEC_CX_FRAME_PKT)
                to = keep(j, i, to, packet->data.frame.buf, packet->data.frame.sz);
    }
    begin = cpu_s() - begin;
    aom_codec_destroy(&codec);
    return begin;
}

static AVCodecContext *open_x264(const struct job *j)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
    AVCodecContext *c = avcodec_alloc_context3(codec);

    c->width = j->width;
    c->height = j->height;
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->time_base = (AVRational){1, j->fps};
    c->framerate = (AVRational){j->fps, 1};
    c->gop_size = 1 << 30;
    c->max_b_frames = 0;
    c->thread_count = 1;
    c->bit_rate = c->rc_max_rate = j->bps;
    c->rc_buffer_size = (int)((int64_t)j->bps * 300 / 1000);
    c->rc_initial_buffer_occupancy = c->rc_buffer_size * 9 / 10;
    av_opt_set(c->priv_data, "preset", "superfast", 0);
    av_opt_set(c->priv_data, "tune", "zerolatency", 0);
    av_opt_set(c->priv_data, "profile", "high", 0);
    av_opt_set(c->priv_data, "qcomp", "0.3", 0);
    av_opt_set(c->priv_data, "x264-params", "scenecut=0:force-cfr=1", 0);
    return avcodec_open2(c, codec, NULL) < 0 ? NULL : c;
}

static double run_x264(const struct job *j)
{
    AVCodecContext *c = open_x264(j);
    AVFrame *frame = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    uint8_t *to = j->out;
    double begin = cpu_s();

    if (!c)
        return -1;
    frame->format = AV_PIX_FMT_YUV420P;
    frame->width = j->width;
    frame->height = j->height;
    frame->linesize[0] = j->width;
    frame->linesize[1] = frame->linesize[2] = j->width / 2;
    for (int32_t i = 0; i < j->n; i++) {
        frame->data[0] = (uint8_t *)picture(j, i);
        frame->data[1] = frame->data[0] + j->width * j->height;
        frame->data[2] = frame->data[1] + j->width * j->height / 4;
        frame->pts = i;
        if (avcodec_send_frame(c, frame) < 0 ||
            avcodec_receive_packet(c, packet) < 0)
            return -1;
        to = keep(j, i, to, packet->data, (size_t)packet->size);
        av_packet_unref(packet);
    }
    begin = cpu_s() - begin;
    av_packet_free(&packet);
    av_frame_free(&frame);
    avcodec_free_context(&c);
    return begin;
}

/** Encode `n` pictures one after the other. @return CPU seconds; -1: refused */
double run(const char *name, const uint8_t *pictures, int32_t width,
           int32_t height, int32_t n, int32_t fps, int32_t bps,
           int32_t cpu_used, uint8_t *out, int32_t *lens)
{
    const struct job j = {pictures, width, height, n, fps, bps, cpu_used, out, lens};

    if (strcmp(name, "libx264") == 0)
        return run_x264(&j);
    if (strcmp(name, "libaom-av1") == 0)
        return run_aom(&j);
    return run_vpx(&j, strcmp(name, "libvpx-vp9") == 0);
}
