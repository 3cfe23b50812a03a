/**
 * @file video/enc_aom.c  AV1 by libaom; the only file that includes it
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "video/enc_backend.h"
#include "video/layering.h"

static const struct arc_venc_info rows[] = {
    {.name = "libaom-av1", .library = "libaom", .codec = ARC_VIDEO_AV1,
     .in_place_bitrate = true, .in_place_size = true,
     .max_temporal_layers = 3, .max_spatial_layers = 3},
};

static const struct arc_enc_pace paces[] = {
    {ARC_VIDEO_AV1, {4900000, 6300000, 15000000, 19000000, 19000000, 23000000,
                     23000000, 27000000}},
};

static const struct arc_venc_info *row(int32_t i)
{
    return i < (int32_t)(sizeof(rows) / sizeof(rows[0])) ? &rows[i] : NULL;
}

#ifdef ARC_HAVE_AOM

#include <aom/aom_encoder.h>
#include <aom/aomcx.h>

enum {
    TICKS_HZ = 90000,
    BUFFER_MS = 500, /* rate control; see VBV_MS of enc_ffmpeg.c */
    BUFFER_OPTIMAL_MS = 300,
    MIN_Q = 2, MAX_Q = 63, /* of 0..63 */
    HELD_FRAMES = 3, /* that are kept small at a new rate */
    KEY_PCT = 600, /* a key frame's size at most, in shares of a frame */
    TILE_PX = 512,
    N_REFS = 7, /* AV1 specification, section 3: REFS_PER_FRAME */
    LAST = 0, GOLDEN = 3, /* among those */
};

/* cpu-used of its realtime mode by arc_venc speed. */
static const int speeds[ARC_VENC_MAX_SPEED + 1] = {5, 6, 7, 8, 8, 9, 9, 10};

struct encaom {
    aom_codec_ctx_t     codec;
    aom_codec_enc_cfg_t cfg;
    aom_svc_params_t    svc;
    bool    open;
    int32_t spatial, temporal;
    int32_t opened_width, opened_height;
    int64_t pts;   /* TICKS_HZ, by planned frame durations */
    int32_t ticks; /* duration of a frame                  */
    int32_t held;  /* frames to come with a floor under the quantizer */
    struct arc_layering layering;
    uint8_t *picture; /* layers of one picture, in a row */
    size_t   picture_cap;
    size_t   picture_len;
};

static bool layered(const struct encaom *e)
{
    return e->spatial * e->temporal > 1;
}

static int kbps(int64_t bps)
{
    return (int)arc_max_i64(1, bps / 1000);
}

static void plan_rate(struct encaom *e, int32_t bps, int32_t num, int32_t den)
{
    e->cfg.rc_target_bitrate = (unsigned)kbps(bps);
    e->ticks = (int32_t)((int64_t)TICKS_HZ * den / num);
    for (int32_t s = 0; s < e->spatial; s++)
        for (int32_t t = 0; t < e->temporal; t++)
            e->svc.layer_target_bitrate[s * e->temporal + t] =
                kbps((int64_t)bps * arc_layering_spatial_pct(e->spatial, s) *
                     arc_layering_temporal_pct(e->temporal, t) / 10000);
}

static void plan_layers(struct encaom *e)
{
    aom_svc_params_t *svc = &e->svc;

    svc->number_spatial_layers = e->spatial;
    svc->number_temporal_layers = e->temporal;
    for (int32_t i = 0; i < e->spatial * e->temporal; i++) {
        svc->min_quantizers[i] = MIN_Q;
        svc->max_quantizers[i] = MAX_Q;
    }
    for (int32_t s = 0; s < e->spatial; s++) {
        svc->scaling_factor_num[s] = 1;
        svc->scaling_factor_den[s] = 1 << (e->spatial - 1 - s);
    }
    for (int32_t t = 0; t < e->temporal; t++)
        svc->framerate_factor[t] = 1 << (e->temporal - 1 - t);
}

static void plan(struct encaom *e, const struct arc_venc_config *cfg)
{
    aom_codec_enc_cfg_t *c = &e->cfg;

    c->g_w = (unsigned)cfg->width;
    c->g_h = (unsigned)cfg->height;
    c->g_timebase.num = 1;
    c->g_timebase.den = TICKS_HZ;
    c->g_threads = (unsigned)cfg->threads;
    c->g_lag_in_frames = 0;
    c->g_pass = AOM_RC_ONE_PASS;
    c->g_error_resilient = cfg->intra_refresh;
    c->rc_end_usage = AOM_CBR;
    c->rc_dropframe_thresh = 0;
    c->rc_resize_mode = 0;
    c->rc_min_quantizer = MIN_Q;
    c->rc_max_quantizer = MAX_Q;
    c->rc_undershoot_pct = 50;
    c->rc_overshoot_pct = 50;
    c->rc_buf_sz = BUFFER_MS;
    c->rc_buf_initial_sz = BUFFER_OPTIMAL_MS;
    c->rc_buf_optimal_sz = BUFFER_OPTIMAL_MS;
    c->kf_mode = AOM_KF_DISABLED; /* encoder.c asks for them */
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

/* What costs time and brings little without look-ahead is off. */
static bool control_tools(struct encaom *e, const struct arc_venc_config *cfg)
{
    const bool screen = cfg->content == ARC_CONTENT_SCREEN;
    const int tiles = (int)arc_min_i64(log2_of(cfg->threads),
                                       log2_of(cfg->width / TILE_PX));
    aom_codec_ctx_t *c = &e->codec;

    return !aom_codec_control(c, AOME_SET_CPUUSED, speeds[cfg->speed]) &&
           !aom_codec_control(c, AV1E_SET_AQ_MODE, 3) && /* cyclic refresh */
           !aom_codec_control(c, AV1E_SET_TILE_COLUMNS, tiles) &&
           !aom_codec_control(c, AV1E_SET_ROW_MT, cfg->threads > 1) &&
           !aom_codec_control(c, AV1E_SET_DELTAQ_MODE, 0) &&
           !aom_codec_control(c, AV1E_SET_ENABLE_TPL_MODEL, 0) &&
           !aom_codec_control(c, AV1E_SET_ENABLE_ORDER_HINT, 0) &&
           !aom_codec_control(c, AV1E_SET_ENABLE_OBMC, 0) &&
           !aom_codec_control(c, AV1E_SET_ENABLE_WARPED_MOTION, 0) &&
           !aom_codec_control(c, AV1E_SET_ENABLE_GLOBAL_MOTION, 0) &&
           !aom_codec_control(c, AV1E_SET_ENABLE_CDEF, 1) &&
           !aom_codec_control(c, AV1E_SET_COEFF_COST_UPD_FREQ, 3) &&
           !aom_codec_control(c, AV1E_SET_MODE_COST_UPD_FREQ, 3) &&
           !aom_codec_control(c, AV1E_SET_MV_COST_UPD_FREQ, 3) &&
           !aom_codec_control(c, AV1E_SET_TUNE_CONTENT,
                              screen ? AOM_CONTENT_SCREEN
                                     : AOM_CONTENT_DEFAULT) &&
           !aom_codec_control(c, AV1E_SET_ENABLE_PALETTE, screen) &&
           !aom_codec_control(c, AOME_SET_MAX_INTRA_BITRATE_PCT, KEY_PCT);
}

/* AV1 has the numbers of ITU-T H.273. */
static bool control_colour(struct encaom *e, const struct arc_enc_setup *setup)
{
    const bool hd = setup->matrix == ARC_MATRIX_BT709;
    aom_codec_ctx_t *c = &e->codec;

    return !aom_codec_control(c, AV1E_SET_COLOR_PRIMARIES,
                              hd ? AOM_CICP_CP_BT_709 : AOM_CICP_CP_BT_601) &&
           !aom_codec_control(c, AV1E_SET_TRANSFER_CHARACTERISTICS,
                              hd ? AOM_CICP_TC_BT_709 : AOM_CICP_TC_BT_601) &&
           !aom_codec_control(c, AV1E_SET_MATRIX_COEFFICIENTS,
                              hd ? AOM_CICP_MC_BT_709 : AOM_CICP_MC_BT_601) &&
           !aom_codec_control(c, AV1E_SET_COLOR_RANGE,
                              setup->full_range ? AOM_CR_FULL_RANGE
                                                : AOM_CR_STUDIO_RANGE);
}

static bool control(struct encaom *e, const struct arc_enc_setup *setup)
{
    return control_tools(e, setup->cfg) && control_colour(e, setup) &&
           (!layered(e) ||
            !aom_codec_control(&e->codec, AV1E_SET_SVC_PARAMS, &e->svc));
}

static void close_encoder(void *lib)
{
    struct encaom *e = lib;

    if (e->open)
        aom_codec_destroy(&e->codec);
    arc_mem_free(e->picture);
    arc_mem_free(e);
}

/* Twice the raw size, which no picture exceeds; only pictures of several spatial
 * layers are gathered here. */
static bool make_room(struct encaom *e, const struct arc_venc_config *cfg)
{
    if (e->spatial == 1)
        return true;
    e->picture_cap = (size_t)cfg->width * (size_t)cfg->height * 3 + 4096;
    e->picture = arc_mem_zalloc(1, e->picture_cap);
    return e->picture != NULL;
}

static enum arc_status open_encoder(const struct arc_enc_setup *setup,
                                    void **out, char *why, size_t cap)
{
    const struct arc_venc_config *cfg = setup->cfg;
    struct encaom *e = arc_mem_zalloc(1, sizeof(*e));
    aom_codec_err_t err;

    if (!e)
        return ARC_ERR_NOMEM;
    e->spatial = cfg->spatial_layers;
    e->temporal = cfg->temporal_layers;
    e->opened_width = cfg->width;
    e->opened_height = cfg->height;
    arc_layering_init(&e->layering, e->spatial, e->temporal);
    if (!make_room(e, cfg)) {
        close_encoder(e);
        return ARC_ERR_NOMEM;
    }

    err = aom_codec_enc_config_default(aom_codec_av1_cx(), &e->cfg,
                                       AOM_USAGE_REALTIME);
    if (!err) {
        plan(e, cfg);
        err = aom_codec_enc_init(&e->codec, aom_codec_av1_cx(), &e->cfg, 0);
        e->open = !err;
    }
    if (!err && !control(e, setup))
        err = e->codec.err;
    if (err) {
        const char *detail = e->open ? aom_codec_error_detail(&e->codec) : NULL;

        snprintf(why, cap, "%s: %s%s%s", cfg->name, aom_codec_err_to_string(err),
                 detail ? ", " : "", detail ? detail : "");
        close_encoder(e);
        return err == AOM_CODEC_MEM_ERROR ? ARC_ERR_NOMEM : ARC_ERR_UNSUPPORTED;
    }
    *out = e;
    return ARC_OK;
}

static int32_t input_format(const void *lib)
{
    (void)lib;
    return ARC_PIX_I420;
}

/* LAST is the reference in the same layer, GOLDEN the layer below; the other five
 * stand where these do. */
static bool tell_layer(struct encaom *e, int32_t sid,
                       const struct arc_layering_frame *f)
{
    aom_svc_layer_id_t id = {sid, f->tid};
    aom_svc_ref_frame_config_t refs;

    memset(&refs, 0, sizeof(refs));
    for (int32_t i = 0; i < N_REFS; i++)
        refs.ref_idx[i] = (int)arc_max_i64(f->ref_slot, 0);
    refs.reference[LAST] = f->ref_slot != ARC_LAYERING_NO_SLOT;
    if (f->below_slot != ARC_LAYERING_NO_SLOT) {
        refs.ref_idx[GOLDEN] = f->below_slot;
        refs.reference[GOLDEN] = 1;
    }
    if (f->put_slot != ARC_LAYERING_NO_SLOT)
        refs.refresh[f->put_slot] = 1;
    return !aom_codec_control(&e->codec, AV1E_SET_SVC_LAYER_ID, &id) &&
           !aom_codec_control(&e->codec, AV1E_SET_SVC_REF_FRAME_CONFIG, &refs);
}

/* The floor goes when the frames that needed it are done. */
static void release_q(struct encaom *e)
{
    if (e->held == 0 || --e->held > 0)
        return;
    e->cfg.rc_min_quantizer = MIN_Q;
    aom_codec_enc_config_set(&e->codec, &e->cfg);
}

static void wrap(const struct arc_vframe *frame, aom_image_t *image)
{
    aom_img_wrap(image, AOM_IMG_FMT_I420, (unsigned)frame->width,
                 (unsigned)frame->height, 1, frame->data[0]);
    for (int i = 0; i < 3; i++) {
        image->planes[i] = frame->data[i];
        image->stride[i] = frame->stride[i];
    }
}

/** One frame through the library; @return its packet, or NULL */
static const aom_codec_cx_pkt_t *run(struct encaom *e, const aom_image_t *image,
                                     bool key)
{
    const aom_codec_cx_pkt_t *packet;
    aom_codec_iter_t iter = NULL;

    if (aom_codec_encode(&e->codec, image, e->pts, (unsigned long)e->ticks,
                         key ? AOM_EFLAG_FORCE_KF : 0))
        return NULL;
    while ((packet = aom_codec_get_cx_data(&e->codec, &iter)) != NULL)
        if (packet->kind == AOM_CODEC_CX_FRAME_PKT)
            break;
    return packet;
}

static bool gather(struct encaom *e, const aom_codec_cx_pkt_t *packet,
                   struct arc_encoded *out)
{
    const size_t len = packet->data.frame.sz;

    if (e->spatial == 1) {
        out->data = packet->data.frame.buf;
    } else {
        if (len > e->picture_cap - e->picture_len)
            return false;
        memcpy(e->picture + e->picture_len, packet->data.frame.buf, len);
        out->data = e->picture;
        e->picture_len += len;
    }
    out->len += (int32_t)len;
    return true;
}

static enum arc_status encode_layers(struct encaom *e, const aom_image_t *image,
                                     bool key, struct arc_encoded *out)
{
    key = key || e->layering.picture == 0;
    arc_layering_begin(&e->layering, key);
    e->picture_len = 0;
    for (int32_t s = 0; s < e->spatial; s++) {
        struct arc_pl_layer *layer = &out->layers[s];
        struct arc_layering_frame f;
        const aom_codec_cx_pkt_t *packet;

        arc_layering_frame(&e->layering, s, key, &f, layer);
        packet = tell_layer(e, s, &f) ? run(e, image, key && s == 0) : NULL;
        layer->off = (uint32_t)out->len;
        if (!packet || !gather(e, packet, out))
            return ARC_ERR_CODEC;
        layer->len = (uint32_t)packet->data.frame.sz;
        layer->width_px = (uint16_t)arc_layering_side((int32_t)e->cfg.g_w, e->spatial, s);
        layer->height_px = (uint16_t)arc_layering_side((int32_t)e->cfg.g_h, e->spatial, s);
        layer->ends_picture = s == e->spatial - 1;
    }
    arc_layering_end(&e->layering);
    out->n_layers = e->spatial;
    out->is_key = key;
    return ARC_OK;
}

static enum arc_status encode(void *lib, const struct arc_vframe *frame,
                              bool force_key, struct arc_encoded *out)
{
    struct encaom *e = lib;
    const aom_codec_cx_pkt_t *packet;
    enum arc_status status = ARC_OK;
    aom_image_t image;

    wrap(frame, &image);
    if (layered(e)) {
        status = encode_layers(e, &image, force_key, out);
    } else {
        packet = run(e, &image, force_key);
        if (!packet)
            return ARC_ERR_CODEC;
        gather(e, packet, out);
        out->is_key = packet->data.frame.flags & AOM_FRAME_IS_KEY;
        arc_enc_one_layer(out, (int32_t)e->cfg.g_w, (int32_t)e->cfg.g_h);
    }
    e->pts += e->ticks;
    release_q(e);
    out->ts = frame->ts;
    return status;
}

static void set_rate(void *lib, int32_t bitrate_bps, int32_t num, int32_t den)
{
    struct encaom *e = lib;
    const int64_t old_bps = (int64_t)e->cfg.rc_target_bitrate * 1000 * e->ticks;
    int last_q = MIN_Q;

    plan_rate(e, bitrate_bps, num, den);
    aom_codec_control(&e->codec, AOME_GET_LAST_QUANTIZER_64, &last_q);
    if (!layered(e))
        e->cfg.rc_min_quantizer = (unsigned)arc_enc_floor_q(
            last_q, MIN_Q, old_bps, (int64_t)bitrate_bps * e->ticks);
    e->held = HELD_FRAMES;
    aom_codec_enc_config_set(&e->codec, &e->cfg);
    if (layered(e))
        aom_codec_control(&e->codec, AV1E_SET_SVC_PARAMS, &e->svc);
}

/* Not beyond the size that it was opened with: 3.6 then writes past its
 * buffers. */
static bool set_size(void *lib, int32_t width, int32_t height)
{
    struct encaom *e = lib;
    const unsigned old_w = e->cfg.g_w, old_h = e->cfg.g_h;

    if (layered(e) || width > e->opened_width || height > e->opened_height)
        return false;
    e->cfg.g_w = (unsigned)width;
    e->cfg.g_h = (unsigned)height;
    if (!aom_codec_enc_config_set(&e->codec, &e->cfg))
        return true;
    e->cfg.g_w = old_w;
    e->cfg.g_h = old_h;
    return false;
}

const struct arc_enc_backend arc_enc_aom = {
    row, paces, open_encoder, close_encoder, input_format, encode, set_rate,
    set_size,
};

#else

const struct arc_enc_backend arc_enc_aom = {.row = row, .paces = paces};

#endif
