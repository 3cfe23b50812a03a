/**
 * @file video/dec_vpx.c  VP8 and VP9 decoding by libvpx
 *
 * VP9 pictures lie in buffers of ours and are handed out with a reference. VP8
 * has no such hook: its pictures are copied.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "video/dec_backend.h"
#include "video/picpool.h"

#ifdef ARC_HAVE_VPX
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>

struct arc_decvpx {
    vpx_codec_ctx_t     ctx;
    vpx_codec_iface_t  *iface;
    bool                open;
    bool                vp8;
    vpx_codec_dec_cfg_t cfg;
    struct arc_picpool *pool;
    bool                pool_empty; /* it was, in the last call */
};

static int get_buffer(void *priv, size_t min_size,
                      vpx_codec_frame_buffer_t *fb)
{
    struct arc_decvpx *d = priv;
    struct arc_picbuf *b;

    d->pool_empty = arc_picpool_take(d->pool, min_size, &b) != ARC_OK;
    if (d->pool_empty)
        return -1;
    fb->data = b->data;
    fb->size = b->bytes;
    fb->priv = b;
    return 0;
}

static int release_buffer(void *priv, vpx_codec_frame_buffer_t *fb)
{
    (void)priv;
    if (fb->priv)
        arc_picbuf_unref(fb->priv);
    fb->priv = NULL;
    return 0;
}

static vpx_codec_err_t open_library(struct arc_decvpx *d)
{
    vpx_codec_err_t err = vpx_codec_dec_init(&d->ctx, d->iface, &d->cfg, 0);

    d->open = err == VPX_CODEC_OK;
    if (d->open && !d->vp8)
        err = vpx_codec_set_frame_buffer_functions(&d->ctx, get_buffer,
                                                   release_buffer, d);
    return err;
}

static void vd_close(void *lib)
{
    struct arc_decvpx *d = lib;

    if (d->open)
        vpx_codec_destroy(&d->ctx);
    arc_picpool_free(d->pool);
    arc_mem_free(d);
}

static enum arc_status vd_open(const struct arc_dec_backend *row,
                               const struct arc_vdec_config *cfg, void **lib,
                               char *why, size_t cap)
{
    struct arc_decvpx *d = arc_mem_zalloc(1, sizeof(*d));
    vpx_codec_err_t err;

    if (!d || arc_picpool_new(&d->pool) != ARC_OK) {
        arc_mem_free(d);
        return ARC_ERR_NOMEM;
    }
    d->vp8 = row->info.codec == ARC_VIDEO_VP8;
    d->iface = d->vp8 ? vpx_codec_vp8_dx() : vpx_codec_vp9_dx();
    d->cfg.threads = (unsigned)(cfg->threads ? cfg->threads
                                             : ARC_VDEC_MAX_THREADS);
    err = open_library(d);
    if (err != VPX_CODEC_OK) {
        snprintf(why, cap, "%s: %s", row->info.name,
                 vpx_codec_err_to_string(err));
        vd_close(d);
        return err == VPX_CODEC_MEM_ERROR ? ARC_ERR_NOMEM : ARC_ERR_UNSUPPORTED;
    }
    *lib = d;
    return ARC_OK;
}

/* libvpx cannot forget: a new decoder has no references. One that cannot be
 * made leaves the decoder closed, and decode() tries again. */
static void vd_flush(void *lib)
{
    struct arc_decvpx *d = lib;

    if (d->open)
        vpx_codec_destroy(&d->ctx);
    d->open = false;
}

static void free_buffer(void *opaque)
{
    arc_picbuf_unref(opaque);
}

/* @return enum arc_pixel_format; -1: none of ours */
static int32_t format_of(const vpx_image_t *img)
{
    if (img->fmt == VPX_IMG_FMT_I420)
        return ARC_PIX_I420;
    return img->fmt == VPX_IMG_FMT_I42016 && img->bit_depth == 10 ? ARC_PIX_I010
                                                                  : -1;
}

static void describe(const vpx_image_t *img, int64_t ts, struct arc_vframe *f)
{
    static const int32_t h273[] = { /* by vpx_color_space_t */
        [VPX_CS_BT_601] = 6, [VPX_CS_BT_709] = 1, [VPX_CS_SMPTE_170] = 6,
    };
    size_t known = sizeof(h273) / sizeof(h273[0]);

    memset(f, 0, sizeof(*f));
    f->format = format_of(img);
    f->width = (int32_t)img->d_w;
    f->height = (int32_t)img->d_h;
    f->ts = ts;
    f->full_range = img->range == VPX_CR_FULL_RANGE;
    f->matrix = arc_dec_matrix((size_t)img->cs < known ? h273[img->cs] : 0,
                               f->width, f->height);
    for (int i = 0; i < 3; i++) {
        f->data[i] = img->planes[i];
        f->stride[i] = img->stride[i];
    }
}

/* A copy with rows at multiples of 64 bytes and 64 bytes behind the last, as
 * arc_vframe_new() has it. */
static enum arc_status copy_out(struct arc_decvpx *d, const struct arc_vframe *f,
                                struct arc_vframe *to, struct arc_picbuf **b)
{
    size_t offset[3], total = 0;
    enum arc_status status;

    *to = *f;
    for (int i = 0; i < 3; i++) {
        to->stride[i] = (arc_vframe_row_bytes(f, i) + 64) / 64 * 64;
        offset[i] = total;
        total += (size_t)to->stride[i] * ((size_t)arc_vframe_rows(f, i) + 1);
    }
    status = arc_picpool_take(d->pool, total + 64, b);
    if (status != ARC_OK)
        return ARC_ERR_NOMEM;
    for (int i = 0; i < 3; i++)
        to->data[i] = (*b)->data + offset[i];
    arc_vframe_copy_planes(to, f);
    return ARC_OK;
}

static enum arc_status hand_out(struct arc_decvpx *d, const vpx_image_t *img,
                                int64_t ts, struct arc_dec_result *r)
{
    struct arc_picbuf *b = img->fb_priv;
    struct arc_vframe f, copy;
    enum arc_status status;

    if (format_of(img) < 0) {
        snprintf(r->words, sizeof(r->words),
                 "pictures of 1/%d by 1/%d chroma with %u bits",
                 1 << img->x_chroma_shift, 1 << img->y_chroma_shift,
                 img->bit_depth);
        return ARC_ERR_UNSUPPORTED;
    }
    describe(img, ts, &f);
    if (b && !d->vp8) {
        arc_picbuf_ref(b);
    } else {
        status = copy_out(d, &f, &copy, &b);
        if (status != ARC_OK)
            return status;
        f = copy;
    }
    status = arc_vframe_wrap(&f, free_buffer, b, &r->frame);
    if (status != ARC_OK)
        arc_picbuf_unref(b);
    return status;
}

/* A forged header must not ask for gigabytes. */
static bool too_large(const struct arc_decvpx *d, const uint8_t *data,
                      int32_t len)
{
    vpx_codec_stream_info_t si = {.sz = sizeof(si)};

    return vpx_codec_peek_stream_info(d->iface, data, (unsigned)len, &si) ==
               VPX_CODEC_OK &&
           (int64_t)si.w * si.h > ARC_VDEC_MAX_PX;
}

static enum arc_status fail(struct arc_decvpx *d, vpx_codec_err_t err,
                            struct arc_dec_result *r)
{
    const char *detail = vpx_codec_error_detail(&d->ctx);

    snprintf(r->words, sizeof(r->words), "%s",
             detail ? detail : vpx_codec_err_to_string(err));
    return err == VPX_CODEC_MEM_ERROR        ? ARC_ERR_NOMEM
           : err == VPX_CODEC_UNSUP_FEATURE  ? ARC_ERR_UNSUPPORTED
           : err == VPX_CODEC_INCAPABLE      ? ARC_ERR_UNSUPPORTED
                                             : ARC_ERR_CODEC;
}

static vpx_codec_err_t decode(struct arc_decvpx *d, const uint8_t *data,
                              int32_t len)
{
    vpx_codec_err_t err = d->open ? VPX_CODEC_OK : open_library(d);

    d->pool_empty = false;
    return err == VPX_CODEC_OK
               ? vpx_codec_decode(&d->ctx, data, (unsigned)len, NULL, 0)
               : err;
}

/* libvpx may lose buffers of its own over damaged pictures until none is left:
 * then it is made anew. */
static enum arc_status vd_decode(void *lib, const uint8_t *data, int32_t len,
                                 int64_t ts, bool part,
                                 struct arc_dec_result *r)
{
    struct arc_decvpx *d = lib;
    const vpx_image_t *img, *last = NULL;
    vpx_codec_iter_t iter = NULL;
    vpx_codec_err_t err;
    int corrupt = 0;

    (void)part;
    if (too_large(d, data, len)) {
        snprintf(r->words, sizeof(r->words), "more than %d pixels",
                 ARC_VDEC_MAX_PX);
        return ARC_ERR_UNSUPPORTED;
    }
    err = decode(d, data, len);
    if (err == VPX_CODEC_MEM_ERROR && !d->pool_empty) {
        vd_flush(d);
        err = decode(d, data, len);
    }
    if (err != VPX_CODEC_OK)
        return fail(d, err, r);
    while ((img = vpx_codec_get_frame(&d->ctx, &iter)) != NULL)
        last = img;
    if (!last)
        return ARC_AGAIN;
    if (vpx_codec_control(&d->ctx, VP8D_GET_FRAME_CORRUPTED, &corrupt) ==
        VPX_CODEC_OK)
        r->damaged = corrupt != 0;
    return hand_out(d, last, ts, r);
}

#else

static enum arc_status vd_open(const struct arc_dec_backend *row,
                               const struct arc_vdec_config *cfg, void **lib,
                               char *why, size_t cap)
{
    (void)cfg;
    (void)lib;
    snprintf(why, cap, "%s: not compiled in: libvpx was not found when arcrtc "
             "was built", row->info.name);
    return ARC_ERR_UNSUPPORTED;
}

/* Never called: nothing was opened. */
#define vd_close  NULL
#define vd_decode NULL
#define vd_flush  NULL

#endif

const struct arc_dec_backend arc_dec_vpx[] = {
    {{"libvpx-vp8", "libvpx", ARC_VIDEO_VP8, false, true}, vd_open, vd_close,
     vd_decode, vd_flush, NULL},
    {{"libvpx-vp9", "libvpx", ARC_VIDEO_VP9, false, false}, vd_open, vd_close,
     vd_decode, vd_flush, NULL},
    {{0}, NULL, NULL, NULL, NULL, NULL},
};
