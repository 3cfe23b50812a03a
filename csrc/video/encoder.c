/**
 * @file video/encoder.c  One interface to every video encoder
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "video/enc_backend.h"
#include "video/encoder.h"
#include "video/scale.h"

enum { MAX_THREADS = 16, PX_720P = 1280 * 720 };

/* In order of preference for each codec; the rows of one stand together. */
static const struct arc_enc_backend *const backends[] = {
    &arc_enc_ffmpeg, &arc_enc_vpx, &arc_enc_aom, &arc_enc_ffmpeg_last,
};

enum { N_BACKENDS = sizeof(backends) / sizeof(backends[0]) };

struct arc_venc {
    struct arc_venc_config cfg; /* as asked for; speed and threads decided    */
    const struct arc_venc_info *info;
    const struct arc_enc_backend *backend;
    void              *lib;
    struct arc_scaler *scaler;
    struct arc_vframe *stage;   /* coded size, the library's format; NULL: not
                                   needed so far                              */
    bool    full_range;         /* what the stream says now                   */
    int32_t matrix;
    int32_t rate_num, rate_den; /* frames per second that come now            */
    bool    reopen;             /* a new rate or size waits, and cannot go in
                                   place                                      */
    int32_t since_key;          /* frames since the last key frame            */
};

const struct arc_venc_info *arc_venc_info(int32_t i)
{
    const struct arc_venc_info *info = NULL;

    for (int32_t k = 0; k < N_BACKENDS && i >= 0 && !info; k++)
        for (int32_t n = 0; (info = backends[k]->row(n)) != NULL && i > 0; n++)
            i--;
    return info;
}

void arc_enc_one_layer(struct arc_encoded *out, int32_t width, int32_t height)
{
    struct arc_pl_layer *layer = &out->layers[0];

    memset(layer, 0, sizeof(*layer));
    out->n_layers       = 1;
    layer->len          = (uint32_t)out->len;
    layer->width_px     = (uint16_t)width;
    layer->height_px    = (uint16_t)height;
    layer->is_key       = out->is_key;
    layer->is_reference = true;
    layer->is_switching_up = true;
    layer->ends_picture = true;
    layer->n_refs       = !out->is_key;
    layer->refs[0]      = !out->is_key;
}

/* Both libraries spread the steps of AV1, VP8 and VP9 over 0..63 so that half the
 * bits take about seven of them. Upwards half of the way is enough: the rest
 * follows in a few frames. */
int32_t arc_enc_floor_q(int32_t last_q, int32_t lowest, int64_t old_bps,
                        int64_t new_bps)
{
    enum { Q_PER_HALVING = 7, MAX_Q = 63 };
    const double halvings = log2((double)old_bps / (double)new_bps);
    const double steps = Q_PER_HALVING * (halvings < 0 ? halvings / 2 : halvings);

    return (int32_t)arc_clamp_i64(last_q + lround(steps), lowest, MAX_Q);
}

/* Sets info and backend. */
static bool find_encoder(struct arc_venc *e)
{
    const struct arc_venc_info *info;

    for (int32_t k = 0; k < N_BACKENDS; k++)
        for (int32_t n = 0; (info = backends[k]->row(n)) != NULL; n++)
            if (strcmp(info->name, e->cfg.name) == 0) {
                e->backend = backends[k];
                e->info    = info;
                return info->codec == e->cfg.codec;
            }
    return false;
}

static bool rate_ok(int32_t num, int32_t den)
{
    return num >= 1 && den >= 1 && num / den <= ARC_VENC_MAX_FPS;
}

static bool size_ok(int32_t width, int32_t height)
{
    return width >= ARC_VENC_MIN_PX && width <= ARC_VFRAME_MAX_PX && height >= ARC_VENC_MIN_PX &&
           height <= ARC_VFRAME_MAX_PX;
}

static bool config_ok(const struct arc_venc_config *c)
{
    return memchr(c->name, 0, sizeof(c->name)) && size_ok(c->width, c->height) &&
           rate_ok(c->frame_rate_num, c->frame_rate_den) &&
           c->bitrate_bps >= ARC_VENC_MIN_BPS &&
           c->bitrate_bps <= ARC_VENC_MAX_BPS &&
           c->keyframe_interval_frames >= 0 && c->threads >= 0 &&
           c->threads <= MAX_THREADS && c->speed >= -1 &&
           c->speed <= ARC_VENC_MAX_SPEED && c->temporal_layers >= 0 &&
           c->spatial_layers >= 0 && c->content >= ARC_CONTENT_CAMERA &&
           c->content <= ARC_CONTENT_SCREEN;
}

/* One slice or tile for up to 720p: it is quick enough, and slices cost bits. */
static int32_t default_threads(const struct arc_venc_config *c)
{
    int64_t pieces = ((int64_t)c->width * c->height + PX_720P - 1) / PX_720P;

    return (int32_t)arc_min_i64(arc_min_i64(pieces, arc_enc_cores()),
                                MAX_THREADS);
}

static const int64_t *pace_of(const struct arc_venc *e)
{
    const struct arc_enc_pace *pace = e->backend->paces;

    while (pace->codec != e->cfg.codec)
        pace++;
    return pace->px_per_core_s;
}

/* The best picture that leaves three quarters of the cores it runs on to the
 * rest of the call, and to the other calls. The last step costs most, 3 dB with
 * libx264: it is only for streams that would else keep those cores busy for more
 * than three quarters. */
static int32_t default_speed(const struct arc_venc *e)
{
    const struct arc_venc_config *c = &e->cfg;
    const int64_t *px_per_core_s = pace_of(e);
    int64_t px_s = (int64_t)c->width * c->height * c->frame_rate_num /
                   c->frame_rate_den;
    int32_t speed = 0;

    while (speed < ARC_VENC_MAX_SPEED - 1 &&
           px_s * 4 > px_per_core_s[speed] * c->threads)
        speed++;
    if (px_s * 4 > px_per_core_s[speed] * c->threads * 3)
        speed = ARC_VENC_MAX_SPEED;
    return speed;
}

/* H.264 at 4:2:0 crops by pairs only, and we do not crop. libvpx halves even
 * sides only for its spatial layers. */
static int32_t coded_side(const struct arc_venc *e, int32_t px)
{
    const bool even = e->cfg.codec == ARC_VIDEO_H264 || e->cfg.spatial_layers > 1;

    return even ? px + (px & 1) : px;
}

static enum arc_status open_library(struct arc_venc *e, bool full_range,
                                    int32_t matrix, char *why, size_t cap)
{
    struct arc_venc_config cfg = e->cfg;
    const struct arc_enc_setup setup = {e->info, &cfg, full_range, matrix};
    void *lib = NULL;
    enum arc_status status;

    cfg.width  = coded_side(e, cfg.width);
    cfg.height = coded_side(e, cfg.height);
    cfg.frame_rate_num = e->rate_num;
    cfg.frame_rate_den = e->rate_den;
    status = e->backend->open(&setup, &lib, why, cap);
    if (status != ARC_OK)
        return status;

    if (e->lib)
        e->backend->close(e->lib);
    e->lib = lib;
    e->full_range = full_range;
    e->matrix = matrix;
    e->reopen = false;
    return ARC_OK;
}

/* What was left to us, now that the encoder is known. */
static void decide(struct arc_venc *e)
{
    struct arc_venc_config *c = &e->cfg;

    if (c->temporal_layers == 0)
        c->temporal_layers = 1;
    if (c->spatial_layers == 0)
        c->spatial_layers = 1;
    if (c->threads == 0)
        c->threads = default_threads(c);
    if (c->speed < 0)
        c->speed = default_speed(e);
    e->rate_num = c->frame_rate_num;
    e->rate_den = c->frame_rate_den;
}

static bool usable(struct arc_venc *e, char *why, size_t cap)
{
    const char *name = e->cfg.name;

    if (!find_encoder(e)) {
        snprintf(why, cap, "%s: no encoder of this name for this codec", name);
        return false;
    }
    if (!e->backend->open) {
        snprintf(why, cap, "%s: this build of arcrtc is without %s", name,
                 e->info->library);
        return false;
    }
    if (e->cfg.temporal_layers > e->info->max_temporal_layers ||
        e->cfg.spatial_layers > e->info->max_spatial_layers) {
        snprintf(why, cap, "%s: has up to %d temporal and %d spatial layers",
                 name, (int)e->info->max_temporal_layers,
                 (int)e->info->max_spatial_layers);
        return false;
    }
    return true;
}

static enum arc_status start(struct arc_venc *e, char *why, size_t cap)
{
    enum arc_status status = arc_scaler_new(&e->scaler);

    if (status != ARC_OK)
        return status;
    if (!usable(e, why, cap))
        return ARC_ERR_UNSUPPORTED;
    decide(e);
    return open_library(e, false,
                        arc_vframe_guess_matrix(e->cfg.width, e->cfg.height),
                        why, cap);
}

enum arc_status arc_venc_new(const struct arc_venc_config *cfg,
                             struct arc_venc **out, char *why, int32_t why_cap)
{
    char nobody[1];
    struct arc_venc *e;
    enum arc_status status;

    if (!why || why_cap < 1) {
        why = nobody;
        why_cap = sizeof(nobody);
    }
    why[0] = '\0';
    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;

    e = arc_mem_zalloc(1, sizeof(*e));
    if (!e)
        return ARC_ERR_NOMEM;
    e->cfg = *cfg;
    status = start(e, why, (size_t)why_cap);
    if (status != ARC_OK) {
        arc_venc_free(e);
        return status;
    }
    *out = e;
    return ARC_OK;
}

void arc_venc_free(struct arc_venc *e)
{
    if (!e)
        return;
    if (e->lib)
        e->backend->close(e->lib);
    arc_vframe_unref(e->stage);
    arc_scaler_free(e->scaler);
    arc_mem_free(e);
}

static void repeat_last_column(struct arc_vframe *f, int32_t width)
{
    for (int32_t y = 0; y < f->height; y++) {
        uint8_t *row = f->data[0] + (ptrdiff_t)f->stride[0] * y;

        row[width] = row[width - 1];
    }
}

static void repeat_last_row(struct arc_vframe *f, int32_t height)
{
    uint8_t *row = f->data[0] + (ptrdiff_t)f->stride[0] * height;

    memcpy(row, row - f->stride[0], (size_t)f->width);
}

/* The frame itself if the library can read it, else the stage with a picture of
 * the coded size. Chroma rows and columns round up, so only luma is odd. */
static enum arc_status fit(struct arc_venc *e, const struct arc_vframe *frame,
                           const struct arc_vframe **out)
{
    const int32_t width = e->cfg.width, height = e->cfg.height;
    const int32_t coded_width = coded_side(e, width);
    const int32_t coded_height = coded_side(e, height);
    const int32_t format = e->backend->format(e->lib);
    struct arc_vframe picture;
    enum arc_status status;

    if (frame->format == format && frame->width == width &&
        frame->height == height && coded_width == width &&
        coded_height == height) {
        *out = frame;
        return ARC_OK;
    }
    /* A library that still holds the stage must not see it change. */
    if (e->stage && (e->stage->refs > 1 || e->stage->format != format ||
                     e->stage->width != coded_width ||
                     e->stage->height != coded_height)) {
        arc_vframe_unref(e->stage);
        e->stage = NULL;
    }
    if (!e->stage) {
        status = arc_vframe_new(format, coded_width, coded_height, &e->stage);
        if (status != ARC_OK)
            return status;
    }

    picture = *e->stage;
    picture.width = width;
    picture.height = height;
    picture.full_range = e->full_range; /* of a stream from RGB */
    picture.matrix = e->matrix;
    status = arc_scaler_run(e->scaler, frame, &picture);
    if (status != ARC_OK)
        return status;
    arc_vframe_copy_props(e->stage, &picture);
    if (coded_width > width)
        repeat_last_column(e->stage, width);
    if (coded_height > height)
        repeat_last_row(e->stage, height);
    *out = e->stage;
    return ARC_OK;
}

enum arc_status arc_venc_encode(struct arc_venc *e,
                                const struct arc_vframe *frame, bool force_key,
                                struct arc_encoded *out)
{
    const int32_t interval = e->cfg.keyframe_interval_frames;
    const struct arc_vframe *picture = NULL;
    enum arc_status status;
    char why[1];

    if (!frame || !out)
        return ARC_ERR_ARG;
    status = fit(e, frame, &picture);
    if (status != ARC_OK)
        return status;
    if (e->reopen || picture->full_range != e->full_range ||
        picture->matrix != e->matrix) {
        status = open_library(e, picture->full_range, picture->matrix, why,
                              sizeof(why));
        if (status != ARC_OK)
            return status == ARC_ERR_NOMEM ? status : ARC_ERR_CODEC;
    }
    memset(out, 0, sizeof(*out));
    if (interval && e->since_key >= interval && !e->cfg.intra_refresh)
        force_key = true;
    status = e->backend->encode(e->lib, picture, force_key, out);
    if (status == ARC_OK)
        e->since_key = out->is_key ? 1 : e->since_key + (e->since_key < INT32_MAX);
    return status;
}

static void rate_changed(struct arc_venc *e)
{
    if (e->info->in_place_bitrate)
        e->backend->set_rate(e->lib, e->cfg.bitrate_bps, e->rate_num,
                             e->rate_den);
    else
        e->reopen = true;
}

enum arc_status arc_venc_set_bitrate(struct arc_venc *e, int32_t bitrate_bps)
{
    if (bitrate_bps < ARC_VENC_MIN_BPS || bitrate_bps > ARC_VENC_MAX_BPS)
        return ARC_ERR_ARG;
    if (bitrate_bps != e->cfg.bitrate_bps) {
        e->cfg.bitrate_bps = bitrate_bps;
        rate_changed(e);
    }
    return ARC_OK;
}

enum arc_status arc_venc_set_frame_rate(struct arc_venc *e, int32_t num,
                                        int32_t den)
{
    if (!rate_ok(num, den))
        return ARC_ERR_ARG;
    if ((int64_t)num * e->rate_den != (int64_t)den * e->rate_num) {
        e->rate_num = num;
        e->rate_den = den;
        rate_changed(e);
    }
    return ARC_OK;
}

enum arc_status arc_venc_set_size(struct arc_venc *e, int32_t width,
                                  int32_t height)
{
    if (!size_ok(width, height))
        return ARC_ERR_ARG;
    if (width == e->cfg.width && height == e->cfg.height)
        return ARC_OK;
    e->cfg.width  = width;
    e->cfg.height = height;
    if (e->reopen || !e->backend->set_size ||
        !e->backend->set_size(e->lib, coded_side(e, width),
                              coded_side(e, height)))
        e->reopen = true;
    return ARC_OK;
}

int32_t arc_venc_speed(const struct arc_venc *e)
{
    return e->cfg.speed;
}
