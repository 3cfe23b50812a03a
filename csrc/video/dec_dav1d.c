/**
 * @file video/dec_dav1d.c  AV1 decoding by dav1d; the only file that decodes
 *                          with it
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "video/dec_backend.h"

#ifdef ARC_HAVE_DAV1D
#include <dav1d/dav1d.h>

struct arc_decdav1d {
    Dav1dContext *ctx;
};

static void dd_close(void *lib)
{
    struct arc_decdav1d *d = lib;

    if (d->ctx)
        dav1d_close(&d->ctx);
    arc_mem_free(d);
}

static enum arc_status dd_open(const struct arc_dec_backend *row,
                               const struct arc_vdec_config *cfg, void **lib,
                               char *why, size_t cap)
{
    struct arc_decdav1d *d = arc_mem_zalloc(1, sizeof(*d));
    Dav1dSettings s;
    int ret;

    if (!d)
        return ARC_ERR_NOMEM;
    dav1d_default_settings(&s);
    s.n_threads = cfg->threads;
    s.max_frame_delay = 1; /* tiles and rows in parallel, never frames */
    /* Each spatial layer comes out, and the last is taken: to wait for the
     * highest would hold pictures back where it was left out. */
    s.all_layers = 1;
    s.frame_size_limit = ARC_VDEC_MAX_PX;
    s.logger.callback = NULL;
    ret = dav1d_open(&d->ctx, &s);
    if (ret < 0) {
        snprintf(why, cap, "%s: %s", row->info.name, strerror(-ret));
        dd_close(d);
        return ret == DAV1D_ERR(ENOMEM) ? ARC_ERR_NOMEM : ARC_ERR_UNSUPPORTED;
    }
    *lib = d;
    return ARC_OK;
}

static void dd_flush(void *lib)
{
    struct arc_decdav1d *d = lib;

    dav1d_flush(d->ctx);
}

static void free_picture(void *opaque)
{
    Dav1dPicture *p = opaque;

    dav1d_picture_unref(p);
    arc_mem_free(p);
}

/* @return enum arc_pixel_format; -1: none of ours */
static int32_t format_of(const Dav1dPicture *p, char *words, size_t cap)
{
    static const char *const layouts[] = {"4:0:0", "4:2:0", "4:2:2", "4:4:4"};

    if (p->p.layout == DAV1D_PIXEL_LAYOUT_I420 && p->p.bpc == 8)
        return ARC_PIX_I420;
    if (p->p.layout == DAV1D_PIXEL_LAYOUT_I420 && p->p.bpc == 10)
        return ARC_PIX_I010;
    snprintf(words, cap, "pictures of %s with %d bits",
             layouts[p->p.layout & 3], p->p.bpc);
    return -1;
}

/* Takes `p` along, or releases it. */
static enum arc_status hand_out(Dav1dPicture *p, struct arc_dec_result *r)
{
    struct arc_vframe f = {.width = p->p.w, .height = p->p.h,
                           .ts = p->m.timestamp};
    Dav1dPicture *held = arc_mem_zalloc(1, sizeof(*held));
    enum arc_status status;

    f.format = format_of(p, r->words, sizeof(r->words));
    if (!held || f.format < 0) {
        dav1d_picture_unref(p);
        status = held ? ARC_ERR_UNSUPPORTED : ARC_ERR_NOMEM;
        arc_mem_free(held);
        return status;
    }
    *held = *p; /* the reference moves */
    f.matrix = arc_dec_matrix((int32_t)p->seq_hdr->mtrx, f.width, f.height);
    f.full_range = p->seq_hdr->color_range != 0;
    for (int i = 0; i < 3; i++) {
        f.data[i] = p->data[i];
        f.stride[i] = (int32_t)p->stride[i > 0];
    }
    status = arc_vframe_wrap(&f, free_picture, held, &r->frame);
    if (status != ARC_OK)
        free_picture(held);
    return status;
}

static enum arc_status status_of(int ret)
{
    return ret == DAV1D_ERR(ENOMEM)        ? ARC_ERR_NOMEM
           : ret == DAV1D_ERR(ENOPROTOOPT) ? ARC_ERR_UNSUPPORTED
           : ret == DAV1D_ERR(ERANGE)      ? ARC_ERR_UNSUPPORTED
                                           : ARC_ERR_CODEC;
}

/* Everything in `in` through the decoder; the last picture that came out.
 *
 * @return 0, or the error that ended it */
static int feed(struct arc_decdav1d *d, Dav1dData *in, Dav1dPicture *last,
                bool *shown)
{
    int ret;

    do {
        Dav1dPicture p;

        ret = in->sz ? dav1d_send_data(d->ctx, in) : 0;
        if (ret < 0 && ret != DAV1D_ERR(EAGAIN))
            return ret;
        memset(&p, 0, sizeof(p));
        ret = dav1d_get_picture(d->ctx, &p);
        if (ret == 0) {
            if (*shown)
                dav1d_picture_unref(last);
            *last = p;
            *shown = true;
        }
    } while (ret == 0 || (ret == DAV1D_ERR(EAGAIN) && in->sz));
    return ret == DAV1D_ERR(EAGAIN) ? 0 : ret;
}

static enum arc_status dd_decode(void *lib, const uint8_t *data, int32_t len,
                                 int64_t ts, bool part,
                                 struct arc_dec_result *r)
{
    struct arc_decdav1d *d = lib;
    Dav1dData in = {0};
    Dav1dPicture last;
    bool shown = false;
    uint8_t *copy = dav1d_data_create(&in, (size_t)len);
    int ret;

    (void)part;
    if (!copy)
        return ARC_ERR_NOMEM;
    memcpy(copy, data, (size_t)len);
    in.m.timestamp = ts;
    ret = feed(d, &in, &last, &shown);
    if (in.sz)
        dav1d_data_unref(&in);
    if (ret < 0 && shown)
        dav1d_picture_unref(&last);
    if (ret < 0)
        return status_of(ret);
    return shown ? hand_out(&last, r) : ARC_AGAIN;
}

#else

static enum arc_status dd_open(const struct arc_dec_backend *row,
                               const struct arc_vdec_config *cfg, void **lib,
                               char *why, size_t cap)
{
    (void)cfg;
    (void)lib;
    snprintf(why, cap, "%s: not compiled in: dav1d was not found when arcrtc "
             "was built", row->info.name);
    return ARC_ERR_UNSUPPORTED;
}

/* Never called: nothing was opened. */
#define dd_close  NULL
#define dd_decode NULL
#define dd_flush  NULL

#endif

const struct arc_dec_backend arc_dec_dav1d[] = {
    {{"libdav1d", "dav1d", ARC_VIDEO_AV1, false, false}, dd_open, dd_close,
     dd_decode, dd_flush, NULL},
    {{0}, NULL, NULL, NULL, NULL, NULL},
};
