/**
 * @file video/encoder.c  One interface to every video encoder
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "video/enc_ffmpeg.h"
#include "video/encoder.h"
#include "video/scale.h"

enum { MAX_THREADS = 16, MIN_PX = 16, PX_720P = 1280 * 720 };

struct arc_venc {
    struct arc_venc_config cfg; /* as asked for; speed and threads decided    */
    const struct arc_venc_info *info;
    struct arc_encff  *lib;
    struct arc_scaler *scaler;
    struct arc_vframe *stage;   /* coded size, the library's format; NULL: not
                                   needed so far                              */
    bool    full_range;         /* what the stream says now                   */
    int32_t matrix;
    int32_t rate_num, rate_den; /* frames per second that come now            */
    bool    reopen;             /* a new rate waits, and cannot go in place   */
};

const struct arc_venc_info *arc_venc_info(int32_t i)
{
    return arc_encff_info(i);
}

static const struct arc_venc_info *find_info(const char *name)
{
    const struct arc_venc_info *info;

    for (int32_t i = 0; (info = arc_venc_info(i)) != NULL; i++)
        if (strcmp(info->name, name) == 0)
            return info;
    return NULL;
}

static bool rate_ok(int32_t num, int32_t den)
{
    return num >= 1 && den >= 1 && num / den <= ARC_VENC_MAX_FPS;
}

static bool config_ok(const struct arc_venc_config *c)
{
    return memchr(c->name, 0, sizeof(c->name)) && c->width >= MIN_PX &&
           c->width <= ARC_VFRAME_MAX_PX && c->height >= MIN_PX &&
           c->height <= ARC_VFRAME_MAX_PX &&
           rate_ok(c->frame_rate_num, c->frame_rate_den) &&
           c->bitrate_bps >= ARC_VENC_MIN_BPS &&
           c->bitrate_bps <= ARC_VENC_MAX_BPS &&
           c->keyframe_interval_frames >= 0 && c->threads >= 0 &&
           c->threads <= MAX_THREADS && c->speed >= -1 &&
           c->speed <= ARC_VENC_MAX_SPEED;
}

/* One slice for up to 720p: it is quick enough, and slices cost bits. */
static int32_t default_threads(const struct arc_venc_config *c)
{
    int64_t pieces = ((int64_t)c->width * c->height + PX_720P - 1) / PX_720P;

    return (int32_t)arc_min_i64(arc_min_i64(pieces, arc_encff_cores()),
                                MAX_THREADS);
}

/* Luma samples a second that one core does at each speed but the last: libx264 at 1.5 Mb/s,
 * 720p, on a 2-core x86-64 server (bench/bench_video.py). */
static const int64_t px_per_core_s[ARC_VENC_MAX_SPEED] = {
    5000000,  15000000, 30000000, 35000000, 45000000, 75000000, 115000000,
};

/* The best picture that leaves three quarters of the cores it runs on to the
 * rest of the call, and to the other calls. The last step costs 3 dB: it is only
 * for streams that would else keep those cores busy for more than three
 * quarters. */
static int32_t default_speed(const struct arc_venc_config *c)
{
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

/* The library plans with the configured frame rate; when frames come at another
 * one, each may take the bits of its own time. */
static int64_t planned_bps(const struct arc_venc *e)
{
    return arc_clamp_i64((int64_t)((double)e->cfg.bitrate_bps *
                                   e->cfg.frame_rate_num * e->rate_den /
                                   e->cfg.frame_rate_den / e->rate_num),
                         ARC_VENC_MIN_BPS, ARC_VENC_MAX_BPS);
}

static enum arc_status open_library(struct arc_venc *e, bool full_range,
                                    int32_t matrix, char *why, size_t cap)
{
    struct arc_venc_config cfg = e->cfg;
    struct arc_encff *lib = NULL;
    enum arc_status status;

    cfg.width += cfg.width & 1;
    cfg.height += cfg.height & 1;
    cfg.frame_rate_num = e->rate_num;
    cfg.frame_rate_den = e->rate_den;
    status = arc_encff_new(&cfg, full_range, matrix, &lib, why, cap);
    if (status != ARC_OK)
        return status;

    arc_encff_free(e->lib);
    e->lib = lib;
    e->cfg.frame_rate_num = e->rate_num;
    e->cfg.frame_rate_den = e->rate_den;
    e->full_range = full_range;
    e->matrix = matrix;
    e->reopen = false;
    return ARC_OK;
}

static enum arc_status start(struct arc_venc *e, char *why, size_t cap)
{
    enum arc_status status = arc_scaler_new(&e->scaler);

    if (status != ARC_OK)
        return status;
    e->info = find_info(e->cfg.name);
    if (!e->info || e->info->codec != e->cfg.codec) {
        snprintf(why, cap, "%s: no encoder of this name for this codec",
                 e->cfg.name);
        return ARC_ERR_UNSUPPORTED;
    }
    if (e->cfg.threads == 0)
        e->cfg.threads = default_threads(&e->cfg);
    if (e->cfg.speed < 0)
        e->cfg.speed = default_speed(&e->cfg);
    e->rate_num = e->cfg.frame_rate_num;
    e->rate_den = e->cfg.frame_rate_den;
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
    arc_encff_free(e->lib);
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
    const int32_t format = arc_encff_format(e->lib);
    struct arc_vframe picture;
    enum arc_status status;

    if (frame->format == format && frame->width == width &&
        frame->height == height && !(width & 1) && !(height & 1)) {
        *out = frame;
        return ARC_OK;
    }
    /* A library that still holds the stage must not see it change. */
    if (e->stage && e->stage->refs > 1) {
        arc_vframe_unref(e->stage);
        e->stage = NULL;
    }
    if (!e->stage) {
        status = arc_vframe_new(format, width + (width & 1),
                                height + (height & 1), &e->stage);
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
    if (width & 1)
        repeat_last_column(e->stage, width);
    if (height & 1)
        repeat_last_row(e->stage, height);
    *out = e->stage;
    return ARC_OK;
}

enum arc_status arc_venc_encode(struct arc_venc *e,
                                const struct arc_vframe *frame, bool force_key,
                                struct arc_encoded *out)
{
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
    return arc_encff_encode(e->lib, picture, force_key, out);
}

static void rate_changed(struct arc_venc *e)
{
    if (e->info->in_place_bitrate)
        arc_encff_set_bitrate(e->lib, planned_bps(e));
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

int32_t arc_venc_speed(const struct arc_venc *e)
{
    return e->cfg.speed;
}
