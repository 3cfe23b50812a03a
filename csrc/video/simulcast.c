/**
 * @file video/simulcast.c  One picture in several sizes at once
 */
#include <string.h>

#include "base/mem.h"
#include "video/scale.h"
#include "video/simulcast.h"

struct stream {
    struct arc_venc   *encoder;
    struct arc_scaler *scaler;
    struct arc_vframe *picture; /* of its size; NULL: not needed so far */
    int32_t width, height;
    bool    paused;
    bool    want_key; /* it was paused */
};

struct arc_simulcast {
    struct stream streams[ARC_SIMULCAST_MAX];
    int32_t       n;
};

static bool configs_ok(const struct arc_venc_config *cfgs, int32_t n)
{
    for (int32_t i = 1; i < n; i++)
        if (cfgs[i].width > cfgs[i - 1].width ||
            cfgs[i].height > cfgs[i - 1].height)
            return false;
    return n >= 1 && n <= ARC_SIMULCAST_MAX;
}

enum arc_status arc_simulcast_new(const struct arc_venc_config *cfgs, int32_t n,
                                  struct arc_simulcast **out, char *why,
                                  int32_t why_cap)
{
    struct arc_simulcast *s;
    enum arc_status status = ARC_OK;

    if (why && why_cap > 0)
        why[0] = '\0';
    if (!cfgs || !out || !configs_ok(cfgs, n))
        return ARC_ERR_ARG;
    s = arc_mem_zalloc(1, sizeof(*s));
    if (!s)
        return ARC_ERR_NOMEM;
    for (int32_t i = 0; i < n && status == ARC_OK; i++) {
        struct stream *st = &s->streams[i];

        s->n = i + 1;
        st->width  = cfgs[i].width;
        st->height = cfgs[i].height;
        status = arc_scaler_new(&st->scaler);
        if (status == ARC_OK)
            status = arc_venc_new(&cfgs[i], &st->encoder, why, why_cap);
    }
    if (status != ARC_OK) {
        arc_simulcast_free(s);
        return status;
    }
    *out = s;
    return ARC_OK;
}

void arc_simulcast_free(struct arc_simulcast *s)
{
    if (!s)
        return;
    for (int32_t i = 0; i < s->n; i++) {
        arc_venc_free(s->streams[i].encoder);
        arc_scaler_free(s->streams[i].scaler);
        arc_vframe_unref(s->streams[i].picture);
    }
    arc_mem_free(s);
}

/* A picture that a library still holds must not change. */
static enum arc_status own_picture(struct stream *st)
{
    if (st->picture && st->picture->refs > 1) {
        arc_vframe_unref(st->picture);
        st->picture = NULL;
    }
    if (st->picture)
        return ARC_OK;
    return arc_vframe_new(ARC_PIX_I420, st->width, st->height, &st->picture);
}

/** The picture in the size of `st`, out of `from`. */
static enum arc_status scale(struct stream *st, const struct arc_vframe *from,
                             const struct arc_vframe **out)
{
    enum arc_status status;

    if (from->format == ARC_PIX_I420 && from->width == st->width &&
        from->height == st->height) {
        *out = from;
        return ARC_OK;
    }
    status = own_picture(st);
    if (status == ARC_OK)
        status = arc_scaler_run(st->scaler, from, st->picture);
    *out = st->picture;
    return status;
}

enum arc_status arc_simulcast_encode(struct arc_simulcast *s,
                                     const struct arc_vframe *frame,
                                     uint32_t keys,
                                     struct arc_simulcast_out *out)
{
    const struct arc_vframe *pictures[ARC_SIMULCAST_MAX], *from = frame;

    if (!frame || !out)
        return ARC_ERR_ARG;
    for (int32_t i = 0; i < s->n; i++) {
        enum arc_status status;

        if (s->streams[i].paused)
            continue;
        status = scale(&s->streams[i], from, &pictures[i]);
        if (status != ARC_OK)
            return status;
        from = pictures[i];
    }

    for (int32_t i = 0; i < s->n; i++) {
        struct stream *st = &s->streams[i];
        const bool key = st->want_key || (keys >> i & 1);

        out[i].status = ARC_AGAIN;
        if (st->paused)
            continue;
        out[i].status = arc_venc_encode(st->encoder, pictures[i], key,
                                        &out[i].encoded);
        if (out[i].status == ARC_OK)
            st->want_key = false;
    }
    return ARC_OK;
}

enum arc_status arc_simulcast_set_bitrate(struct arc_simulcast *s, int32_t i,
                                          int32_t bitrate_bps)
{
    if (i < 0 || i >= s->n)
        return ARC_ERR_ARG;
    return arc_venc_set_bitrate(s->streams[i].encoder, bitrate_bps);
}

enum arc_status arc_simulcast_set_frame_rate(struct arc_simulcast *s,
                                             int32_t num, int32_t den)
{
    enum arc_status status = ARC_OK;

    for (int32_t i = 0; i < s->n && status == ARC_OK; i++)
        status = arc_venc_set_frame_rate(s->streams[i].encoder, num, den);
    return status;
}

enum arc_status arc_simulcast_pause(struct arc_simulcast *s, int32_t i,
                                    bool paused)
{
    if (i < 0 || i >= s->n)
        return ARC_ERR_ARG;
    if (s->streams[i].paused && !paused)
        s->streams[i].want_key = true;
    s->streams[i].paused = paused;
    return ARC_OK;
}
