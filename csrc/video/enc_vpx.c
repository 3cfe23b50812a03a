/**
 * @file video/enc_vpx.c  VP8 and VP9 by libvpx; the only encoder that includes it
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "video/enc_backend.h"
#include "video/layering.h"

static const struct arc_venc_info rows[] = {
    {.name = "libvpx", .library = "libvpx", .codec = ARC_VIDEO_VP8,
     .in_place_bitrate = true, .max_temporal_layers = 3,
     .max_spatial_layers = 1},
    {.name = "libvpx-vp9", .library = "libvpx", .codec = ARC_VIDEO_VP9,
     .in_place_bitrate = true, .in_place_size = true,
     .max_temporal_layers = 3, .max_spatial_layers = 3},
};

static const struct arc_enc_pace paces[] = {
    {ARC_VIDEO_VP8, {18000000, 21000000, 38000000, 60000000, 64000000, 67000000,
                     76000000, 86000000}},
    {ARC_VIDEO_VP9, {9700000, 18000000, 18000000, 31000000, 35000000, 35000000,
                     46000000, 55000000}},
};

static const struct arc_venc_info *row(int32_t i)
{
    return i < (int32_t)(sizeof(rows) / sizeof(rows[0])) ? &rows[i] : NULL;
}

#ifdef ARC_HAVE_VPX

#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

enum {
    TICKS_HZ = 90000,
    /* Rate control; see VBV_MS of enc_ffmpeg.c. VP8 spends half of what is there at
     * the start on the first key frame, VP9 all. */
    BUFFER_MS = 600, BUFFER_OPTIMAL_MS = 300,
    BUFFER_START_VP8_MS = 600, BUFFER_START_VP9_MS = 300,
    MIN_Q = 2, MAX_Q = 63, /* of 0..63 */
    HELD_FRAMES = 3, /* that are kept small at a new rate */
    KEY_PCT = 600, /* a key frame's size at most, in shares of a frame */
    TILE_PX = 256, /* VP9 specification, 7.2.14: the narrowest tile column */
};

/* cpu-used by arc_venc speed: VP8 -16..-1 (others would follow the clock), VP9
 * 0..9 of its realtime mode. */
static const int vp8_speeds[ARC_VENC_MAX_SPEED + 1] = {
    -2, -3, -4, -5, -6, -8, -10, -12,
};
static const int vp9_speeds[ARC_VENC_MAX_SPEED + 1] = {
    4, 5, 5, 6, 7, 7, 8, 9,
};

struct encvpx {
    vpx_codec_ctx_t     codec;
    vpx_codec_enc_cfg_t cfg;
    bool    open;
    bool    vp9;
    int32_t spatial, temporal;
    int32_t opened_width, opened_height;
    int64_t pts;                     /* TICKS_HZ, by planned frame durations  */
    int32_t ticks;                   /* duration of a frame                   */
    int32_t held;                    /* frames to come with a floor under the
                                        quantizer                             */
    struct arc_layering layering;
    struct arc_layering_frame frames[ARC_LAYERING_MAX_LAYERS];
    struct arc_encoded *out;         /* of the call that runs                 */
    uint8_t *picture;                /* layers of one picture, in a row       */
    size_t   picture_cap;
    size_t   picture_len;
    bool     overflow;
};

static bool layered(const struct encvpx *e)
{
    return e->spatial * e->temporal > 1;
}

/* Whether we say which frame refers to which: in layers, and in VP8 always.
 * There libvpx would make golden frames of its own, and frames of twice their
 * share with them, for no better picture. */
static bool planned(const struct encvpx *e)
{
    return layered(e) || !e->vp9;
}

static unsigned kbps(int64_t bps)
{
    return (unsigned)arc_max_i64(1, bps / 1000);
}

static void set_layer_rates(struct encvpx *e, int32_t bps)
{
    vpx_codec_enc_cfg_t *c = &e->cfg;

    for (int32_t s = 0; s < e->spatial; s++) {
        int64_t share = (int64_t)bps *
                        arc_layering_spatial_pct(e->spatial, s) / 100;

        c->ss_target_bitrate[s] = kbps(share);
        for (int32_t t = 0; t < e->temporal; t++) {
            unsigned rate = kbps(share * arc_layering_temporal_pct(e->temporal, t) / 100);

            c->layer_target_bitrate[s * e->temporal + t] = rate;
            if (s == 0)
                c->ts_target_bitrate[t] = rate;
        }
    }
}

static void plan_rate(struct encvpx *e, int32_t bps, int32_t num, int32_t den)
{
    e->cfg.rc_target_bitrate = kbps(bps);
    e->ticks = (int32_t)((int64_t)TICKS_HZ * den / num);
    if (layered(e))
        set_layer_rates(e, bps);
}

static void plan_layers(struct encvpx *e)
{
    vpx_codec_enc_cfg_t *c = &e->cfg;

    c->ss_number_layers = (unsigned)e->spatial;
    c->ts_number_layers = (unsigned)e->temporal;
    c->temporal_layering_mode = VP9E_TEMPORAL_LAYERING_MODE_BYPASS;
    c->ts_periodicity = 1u << (e->temporal - 1);
    for (int32_t t = 0; t < e->temporal; t++)
        c->ts_rate_decimator[t] = 1u << (e->temporal - 1 - t);
    for (unsigned i = 0; i < c->ts_periodicity; i++) /* VP8E_SET_TEMPORAL_LAYER_ID decides */
        c->ts_layer_id[i] = 0;
}

static void plan(struct encvpx *e, const struct arc_venc_config *cfg)
{
    vpx_codec_enc_cfg_t *c = &e->cfg;

    c->g_w = (unsigned)cfg->width;
    c->g_h = (unsigned)cfg->height;
    c->g_timebase.num = 1;
    c->g_timebase.den = TICKS_HZ;
    c->g_threads = (unsigned)cfg->threads;
    c->g_lag_in_frames = 0;
    c->g_pass = VPX_RC_ONE_PASS;
    c->g_error_resilient = cfg->intra_refresh || layered(e)
                               ? VPX_ERROR_RESILIENT_DEFAULT : 0;
    c->rc_end_usage = VPX_CBR;
    c->rc_dropframe_thresh = 0;
    c->rc_resize_allowed = 0;
    c->rc_min_quantizer = MIN_Q;
    c->rc_max_quantizer = MAX_Q;
    c->rc_undershoot_pct = 100;
    c->rc_overshoot_pct = e->vp9 ? 15 : 0; /* VP8 would settle above the target */
    c->rc_buf_sz = BUFFER_MS;
    c->rc_buf_initial_sz = e->vp9 ? BUFFER_START_VP9_MS : BUFFER_START_VP8_MS;
    c->rc_buf_optimal_sz = BUFFER_OPTIMAL_MS;
    c->kf_mode = VPX_KF_DISABLED; /* encoder.c asks for them */
    if (layered(e))
        plan_layers(e);
    plan_rate(e, cfg->bitrate_bps, cfg->frame_rate_num, cfg->frame_rate_den);
}

static int log2_of(int32_t n)
{
    int log2 = 0;

    while ((2 << log2) <= n)
        log2++;
    return log2;
}

static bool control_vp8(struct encvpx *e, const struct arc_venc_config *cfg)
{
    vpx_codec_ctx_t *c = &e->codec;

    return !vpx_codec_control(c, VP8E_SET_CPUUSED, vp8_speeds[cfg->speed]) &&
           !vpx_codec_control(c, VP8E_SET_STATIC_THRESHOLD, 1) &&
           !vpx_codec_control(c, VP8E_SET_NOISE_SENSITIVITY, 0) &&
           !vpx_codec_control(c, VP8E_SET_TOKEN_PARTITIONS,
                              (int)arc_min_i64(log2_of(cfg->threads), 3)) &&
           !vpx_codec_control(c, VP8E_SET_MAX_INTRA_BITRATE_PCT, KEY_PCT) &&
           !vpx_codec_control(c, VP8E_SET_SCREEN_CONTENT_MODE,
                              cfg->content == ARC_CONTENT_SCREEN);
}

static void on_layer(vpx_codec_cx_pkt_t *packet, void *opaque);

static bool control_vp9_layers(struct encvpx *e)
{
    vpx_codec_priv_output_cx_pkt_cb_pair_t callback = {on_layer, e};
    vpx_svc_extra_cfg_t extra;

    memset(&extra, 0, sizeof(extra));
    for (int32_t i = 0; i < e->spatial * e->temporal; i++) {
        extra.min_quantizers[i] = MIN_Q;
        extra.max_quantizers[i] = MAX_Q;
    }
    for (int32_t s = 0; s < e->spatial; s++) {
        extra.scaling_factor_num[s] = 1;
        extra.scaling_factor_den[s] = 1 << (e->spatial - 1 - s);
    }
    return !vpx_codec_control(&e->codec, VP9E_SET_SVC, 1) &&
           !vpx_codec_control(&e->codec, VP9E_SET_SVC_PARAMETERS, &extra) &&
           !vpx_codec_control(&e->codec, VP9E_REGISTER_CX_CALLBACK, &callback);
}

static bool control_vp9(struct encvpx *e, const struct arc_enc_setup *setup)
{
    const struct arc_venc_config *cfg = setup->cfg;
    const int tiles = (int)arc_min_i64(log2_of(cfg->threads),
                                       log2_of(cfg->width / TILE_PX));
    vpx_codec_ctx_t *c = &e->codec;

    return !vpx_codec_control(c, VP8E_SET_CPUUSED, vp9_speeds[cfg->speed]) &&
           !vpx_codec_control(c, VP8E_SET_STATIC_THRESHOLD, 1) &&
           !vpx_codec_control(c, VP9E_SET_AQ_MODE, 3) && /* cyclic refresh */
           !vpx_codec_control(c, VP9E_SET_TPL, 0) && /* looks ahead */
           !vpx_codec_control(c, VP9E_SET_TILE_COLUMNS, tiles) &&
           !vpx_codec_control(c, VP9E_SET_ROW_MT, cfg->threads > 1) &&
           !vpx_codec_control(c, VP9E_SET_FRAME_PARALLEL_DECODING, 0) &&
           !vpx_codec_control(c, VP8E_SET_MAX_INTRA_BITRATE_PCT, KEY_PCT) &&
           !vpx_codec_control(c, VP9E_SET_TUNE_CONTENT,
                              cfg->content == ARC_CONTENT_SCREEN
                                  ? VP9E_CONTENT_SCREEN
                                  : VP9E_CONTENT_DEFAULT) &&
           !vpx_codec_control(c, VP9E_SET_COLOR_SPACE,
                              setup->matrix == ARC_MATRIX_BT709
                                  ? VPX_CS_BT_709 : VPX_CS_BT_601) &&
           !vpx_codec_control(c, VP9E_SET_COLOR_RANGE, setup->full_range
                                                           ? VPX_CR_FULL_RANGE
                                                           : VPX_CR_STUDIO_RANGE) &&
           (!layered(e) || control_vp9_layers(e));
}

static void close_encoder(void *lib)
{
    struct encvpx *e = lib;

    if (!e)
        return;
    if (e->open)
        vpx_codec_destroy(&e->codec);
    arc_mem_free(e->picture);
    arc_mem_free(e);
}

/* Raw size, which no picture exceeds; only pictures of several layers are
 * gathered here. */
static bool make_room(struct encvpx *e, const struct arc_venc_config *cfg)
{
    if (!e->vp9 || !layered(e))
        return true;
    e->picture_cap = (size_t)cfg->width * (size_t)cfg->height * 3 + 4096;
    e->picture = arc_mem_zalloc(1, e->picture_cap);
    return e->picture != NULL;
}

static enum arc_status open_encoder(const struct arc_enc_setup *setup, void **out,
                                char *why, size_t cap)
{
    const struct arc_venc_config *cfg = setup->cfg;
    struct encvpx *e = arc_mem_zalloc(1, sizeof(*e));
    vpx_codec_iface_t *iface;
    vpx_codec_err_t err;

    if (!e)
        return ARC_ERR_NOMEM;
    e->vp9 = cfg->codec == ARC_VIDEO_VP9;
    e->spatial = cfg->spatial_layers;
    e->temporal = cfg->temporal_layers;
    e->opened_width = cfg->width;
    e->opened_height = cfg->height;
    arc_layering_init(&e->layering, e->spatial, e->temporal);
    if (!make_room(e, cfg)) {
        close_encoder(e);
        return ARC_ERR_NOMEM;
    }

    iface = e->vp9 ? vpx_codec_vp9_cx() : vpx_codec_vp8_cx();
    err = vpx_codec_enc_config_default(iface, &e->cfg, 0);
    if (!err) {
        plan(e, cfg);
        err = vpx_codec_enc_init(&e->codec, iface, &e->cfg, 0);
        e->open = !err;
    }
    if (!err && !(e->vp9 ? control_vp9(e, setup) : control_vp8(e, cfg)))
        err = e->codec.err;
    if (err) {
        const char *detail = e->open ? vpx_codec_error_detail(&e->codec) : NULL;

        snprintf(why, cap, "%s: %s%s%s", cfg->name, vpx_codec_err_to_string(err),
                 detail ? ", " : "", detail ? detail : "");
        close_encoder(e);
        return err == VPX_CODEC_MEM_ERROR ? ARC_ERR_NOMEM : ARC_ERR_UNSUPPORTED;
    }
    *out = e;
    return ARC_OK;
}

static int32_t input_format(const void *lib)
{
    (void)lib;
    return ARC_PIX_I420;
}

/* The references of VP8: LAST is slot 0, GOLDEN slot 1. What a layer above 0
 * learns of the statistics may not be needed by those who leave it out. */
static vpx_enc_frame_flags_t vp8_flags(const struct arc_layering_frame *f)
{
    vpx_enc_frame_flags_t flags = VP8_EFLAG_NO_REF_ARF | VP8_EFLAG_NO_UPD_ARF;

    flags |= f->ref_slot == 1 ? VP8_EFLAG_NO_REF_LAST : VP8_EFLAG_NO_REF_GF;
    if (f->put_slot != 0)
        flags |= VP8_EFLAG_NO_UPD_LAST;
    if (f->put_slot != 1)
        flags |= VP8_EFLAG_NO_UPD_GF;
    if (f->tid > 0)
        flags |= VP8_EFLAG_NO_UPD_ENTROPY;
    return flags;
}

/* LAST is the reference in the same layer, GOLDEN the layer below. */
static bool tell_vp9_layers(struct encvpx *e)
{
    vpx_svc_ref_frame_config_t refs;
    vpx_svc_layer_id_t id;

    memset(&refs, 0, sizeof(refs));
    memset(&id, 0, sizeof(id));
    id.temporal_layer_id = e->frames[0].tid;
    for (int32_t s = 0; s < e->spatial; s++) {
        const struct arc_layering_frame *f = &e->frames[s];

        id.temporal_layer_id_per_spatial[s] = f->tid;
        refs.lst_fb_idx[s] = (int)arc_max_i64(f->ref_slot, 0);
        refs.reference_last[s] = f->ref_slot != ARC_LAYERING_NO_SLOT;
        refs.gld_fb_idx[s] = (int)arc_max_i64(f->below_slot, 0);
        refs.reference_golden[s] = f->below_slot != ARC_LAYERING_NO_SLOT;
        if (f->put_slot != ARC_LAYERING_NO_SLOT)
            refs.update_buffer_slot[s] = 1 << f->put_slot;
        refs.duration[s] = e->ticks;
    }
    return !vpx_codec_control(&e->codec, VP9E_SET_SVC_LAYER_ID, &id) &&
           !vpx_codec_control(&e->codec, VP9E_SET_SVC_REF_FRAME_CONFIG, &refs);
}

/** Plan the picture; @return flags for libvpx */
static vpx_enc_frame_flags_t begin(struct encvpx *e, bool key)
{
    vpx_enc_frame_flags_t flags = key ? VPX_EFLAG_FORCE_KF : 0;

    if (!planned(e))
        return flags;
    key = key || e->layering.picture == 0;
    arc_layering_begin(&e->layering, key);
    for (int32_t s = 0; s < e->spatial; s++)
        arc_layering_frame(&e->layering, s, key, &e->frames[s],
                           &e->out->layers[s]);
    if (e->vp9)
        tell_vp9_layers(e);
    else if (layered(e))
        vpx_codec_control(&e->codec, VP8E_SET_TEMPORAL_LAYER_ID,
                          e->frames[0].tid);
    if (!e->vp9 && !key)
        flags |= vp8_flags(&e->frames[0]);
    return flags;
}

/* One spatial layer of VP9 is done, from the lowest up. */
static void on_layer(vpx_codec_cx_pkt_t *packet, void *opaque)
{
    struct encvpx *e = opaque;
    struct arc_pl_layer *layer;

    if (packet->kind != VPX_CODEC_CX_FRAME_PKT)
        return;
    if (e->out->n_layers >= e->spatial ||
        packet->data.frame.sz > e->picture_cap - e->picture_len) {
        e->overflow = true;
        return;
    }
    memcpy(e->picture + e->picture_len, packet->data.frame.buf,
           packet->data.frame.sz);
    layer = &e->out->layers[e->out->n_layers++];
    layer->off = (uint32_t)e->picture_len;
    layer->len = (uint32_t)packet->data.frame.sz;
    e->picture_len += packet->data.frame.sz;
}

/* The floor goes when the frames that needed it are done. */
static void release_q(struct encvpx *e)
{
    if (e->held == 0 || --e->held > 0)
        return;
    e->cfg.rc_min_quantizer = MIN_Q;
    vpx_codec_enc_config_set(&e->codec, &e->cfg);
}

static void wrap(const struct arc_vframe *frame, vpx_image_t *image)
{
    vpx_img_wrap(image, VPX_IMG_FMT_I420, (unsigned)frame->width,
                 (unsigned)frame->height, 1, frame->data[0]);
    for (int i = 0; i < 3; i++) {
        image->planes[i] = frame->data[i];
        image->stride[i] = frame->stride[i];
    }
}

/* The packet of a picture that libvpx hands over whole. */
static void take_packet(struct encvpx *e, const vpx_codec_cx_pkt_t *packet)
{
    struct arc_encoded *out = e->out;

    out->data = packet->data.frame.buf;
    out->len  = (int32_t)packet->data.frame.sz;
    out->is_key = packet->data.frame.flags & VPX_FRAME_IS_KEY;
    if (!planned(e))
        arc_enc_one_layer(out, (int32_t)e->cfg.g_w, (int32_t)e->cfg.g_h);
    else {
        out->n_layers = 1;
        out->layers[0].off = 0;
        out->layers[0].len = (uint32_t)out->len;
    }
}

static enum arc_status finish(struct encvpx *e)
{
    struct arc_encoded *out = e->out;

    if (e->overflow)
        return ARC_ERR_CODEC;
    if (e->picture_len) {
        out->data = e->picture;
        out->len  = (int32_t)e->picture_len;
        out->is_key = out->layers[0].is_key;
    }
    if (!planned(e))
        return out->len ? ARC_OK : ARC_AGAIN;
    arc_layering_end(&e->layering);
    for (int32_t s = 0; s < out->n_layers; s++) {
        out->layers[s].width_px = (uint16_t)arc_layering_side((int32_t)e->cfg.g_w, e->spatial, s);
        out->layers[s].height_px = (uint16_t)arc_layering_side((int32_t)e->cfg.g_h, e->spatial, s);
        out->layers[s].ends_picture = s == out->n_layers - 1;
    }
    return out->n_layers == e->spatial ? ARC_OK : ARC_ERR_CODEC;
}

static enum arc_status encode(void *lib, const struct arc_vframe *frame,
                                  bool force_key, struct arc_encoded *out)
{
    struct encvpx *e = lib;
    vpx_enc_frame_flags_t flags;
    const vpx_codec_cx_pkt_t *packet;
    vpx_codec_iter_t iter = NULL;
    vpx_codec_err_t err;
    vpx_image_t image;

    e->out = out;
    e->picture_len = 0;
    e->overflow = false;
    flags = begin(e, force_key);
    wrap(frame, &image);
    err = vpx_codec_encode(&e->codec, &image, e->pts, (unsigned long)e->ticks,
                           flags, VPX_DL_REALTIME);
    if (err)
        return err == VPX_CODEC_MEM_ERROR ? ARC_ERR_NOMEM : ARC_ERR_CODEC;
    e->pts += e->ticks;
    release_q(e);
    while ((packet = vpx_codec_get_cx_data(&e->codec, &iter)) != NULL)
        if (packet->kind == VPX_CODEC_CX_FRAME_PKT && !e->picture_len)
            take_packet(e, packet);
    out->ts = frame->ts;
    return finish(e);
}

static void set_rate(void *lib, int32_t bitrate_bps, int32_t num, int32_t den)
{
    struct encvpx *e = lib;
    const int64_t old_bps = (int64_t)e->cfg.rc_target_bitrate * 1000 * e->ticks;
    int last_q = MIN_Q;

    plan_rate(e, bitrate_bps, num, den);
    vpx_codec_control(&e->codec, VP8E_GET_LAST_QUANTIZER_64, &last_q);
    if (!layered(e))
        e->cfg.rc_min_quantizer = (unsigned)arc_enc_floor_q(
            last_q, MIN_Q, old_bps, (int64_t)bitrate_bps * e->ticks);
    e->held = HELD_FRAMES;
    vpx_codec_enc_config_set(&e->codec, &e->cfg);
}

/* Not for VP8, which needs a key frame in any case, and not beyond the size that
 * it was opened with: versions before 1.13.1 then write past their buffers
 * (CVE-2023-44488). */
static bool set_size(void *lib, int32_t width, int32_t height)
{
    struct encvpx *e = lib;
    const unsigned old_w = e->cfg.g_w, old_h = e->cfg.g_h;

    if (!e->vp9 || layered(e) || width > e->opened_width ||
        height > e->opened_height)
        return false;
    e->cfg.g_w = (unsigned)width;
    e->cfg.g_h = (unsigned)height;
    if (!vpx_codec_enc_config_set(&e->codec, &e->cfg))
        return true;
    e->cfg.g_w = old_w;
    e->cfg.g_h = old_h;
    return false;
}

const struct arc_enc_backend arc_enc_vpx = {
    row, paces, open_encoder, close_encoder, input_format,
    encode, set_rate, set_size,
};

#else

const struct arc_enc_backend arc_enc_vpx = {.row = row, .paces = paces};

#endif
