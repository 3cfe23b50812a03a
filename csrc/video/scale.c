/**
 * @file video/scale.c  Pixel format conversion and scaling (video/colour, libswscale)
 */
#include <libswscale/swscale.h>

#include "base/mem.h"
#include "video/avlog.h"
#include "video/colour.h"
#include "video/scale.h"

enum { SCALE_FLAGS = SWS_BILINEAR | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND };

/* What the tables in the context depend on. */
struct shape {
    int32_t format, width, height;
    bool    full_range;
    int32_t matrix;
};

struct arc_scaler {
    struct SwsContext *sws; /* NULL until the first use */
    struct shape src, dst;  /* what it was made for     */
    struct arc_vframe *stage; /* between two steps; NULL: not needed so far */
    const struct arc_pixel_rows *rows;
};

static bool is_rgb(int32_t format)
{
    return format == ARC_PIX_RGB24 || format == ARC_PIX_BGR24;
}

static enum AVPixelFormat av_format(int32_t format)
{
    switch (format) {
    case ARC_PIX_I420:
        return AV_PIX_FMT_YUV420P;
    case ARC_PIX_NV12:
        return AV_PIX_FMT_NV12;
    case ARC_PIX_RGB24:
        return AV_PIX_FMT_RGB24;
    case ARC_PIX_I010:
        return AV_PIX_FMT_YUV420P10LE;
    default:
        return AV_PIX_FMT_BGR24;
    }
}

static struct shape shape_of(const struct arc_vframe *f)
{
    struct shape s = {f->format, f->width, f->height,
                      is_rgb(f->format) || f->full_range,
                      is_rgb(f->format) ? 0 : f->matrix};
    return s;
}

static bool same(const struct shape *a, const struct shape *b)
{
    return a->format == b->format && a->width == b->width &&
           a->height == b->height && a->full_range == b->full_range &&
           a->matrix == b->matrix;
}

enum arc_status arc_scaler_new(struct arc_scaler **out)
{
    if (!out)
        return ARC_ERR_ARG;
    *out = arc_mem_zalloc(1, sizeof(**out));
    if (!*out)
        return ARC_ERR_NOMEM;
    (*out)->rows = arc_pixel_rows_best();
    return ARC_OK;
}

void arc_scaler_free(struct arc_scaler *s)
{
    if (!s)
        return;
    sws_freeContext(s->sws);
    arc_vframe_unref(s->stage);
    arc_mem_free(s);
}

static const int *coefficients(const struct shape *s)
{
    return sws_getCoefficients(s->matrix == ARC_MATRIX_BT709 ? SWS_CS_ITU709
                                                             : SWS_CS_ITU601);
}

static struct SwsContext *make(const struct shape *src, const struct shape *dst)
{
    struct SwsContext *sws;
    struct arc_avlog log;

    arc_avlog_begin(&log); /* it warns of each pair without SIMD code */
    sws = sws_getContext(src->width, src->height, av_format(src->format),
                         dst->width, dst->height, av_format(dst->format),
                         SCALE_FLAGS, NULL, NULL, NULL);
    /* Brightness 0, contrast and saturation 1, all 16.16. */
    if (sws)
        sws_setColorspaceDetails(sws, coefficients(src), src->full_range,
                                 coefficients(dst), dst->full_range, 0,
                                 1 << 16, 1 << 16);
    arc_avlog_end();
    return sws;
}

static enum arc_status prepare(struct arc_scaler *s, const struct shape *src,
                               const struct shape *dst)
{
    struct SwsContext *sws;

    if (s->sws && same(&s->src, src) && same(&s->dst, dst))
        return ARC_OK;
    sws = make(src, dst);
    if (!sws)
        return ARC_ERR_LIBRARY;
    sws_freeContext(s->sws);
    s->sws = sws;
    s->src = *src;
    s->dst = *dst;
    return ARC_OK;
}

static bool frame_ok(const struct arc_vframe *f)
{
    int32_t planes = f ? arc_vframe_planes(f->format) : 0;

    for (int32_t i = 0; i < planes; i++)
        if (!f->data[i] || (f->stride[i] < arc_vframe_row_bytes(f, i) &&
                            f->stride[i] > -arc_vframe_row_bytes(f, i)))
            return false;
    return planes > 0 && f->width >= 1 && f->height >= 1;
}

static enum arc_status run_sws(struct arc_scaler *s,
                               const struct arc_vframe *src,
                               struct arc_vframe *dst)
{
    const struct shape from = shape_of(src), to = shape_of(dst);
    const uint8_t *planes[4] = {0};
    uint8_t *dst_planes[4] = {0};
    int strides[4] = {0}, dst_strides[4] = {0};
    enum arc_status status = prepare(s, &from, &to);

    if (status != ARC_OK)
        return status;
    for (int i = 0; i < 3; i++) {
        planes[i] = src->data[i];
        strides[i] = src->stride[i];
        dst_planes[i] = dst->data[i];
        dst_strides[i] = dst->stride[i];
    }
    return sws_scale(s->sws, planes, strides, 0, src->height, dst_planes,
                     dst_strides) == dst->height ? ARC_OK : ARC_ERR_LIBRARY;
}

/* What one step can do. */
static enum arc_status step(struct arc_scaler *s, const struct arc_vframe *src,
                            struct arc_vframe *dst)
{
    const struct shape from = shape_of(src), to = shape_of(dst);

    if (same(&from, &to))
        arc_vframe_copy_planes(dst, src);
    else if (arc_colour_can_convert(src, dst))
        arc_colour_convert(s->rows, src, dst);
    else if (arc_colour_can_halve(src, dst))
        arc_colour_halve(s->rows, src, dst);
    else
        return run_sws(s, src, dst);
    return ARC_OK;
}

static enum arc_status make_stage(struct arc_scaler *s, int32_t format,
                                  const struct arc_vframe *size)
{
    if (s->stage && s->stage->format == format &&
        s->stage->width == size->width && s->stage->height == size->height)
        return ARC_OK;
    arc_vframe_unref(s->stage);
    s->stage = NULL;
    return arc_vframe_new(format, size->width, size->height, &s->stage);
}

/* The picture between two steps, where one step would be slow or unsafe. To YUV
 * first, then to size; to size first, then to RGB: libswscale does both at once at
 * a fifth of the speed. And it reads past the end of rows, where a caller's RGB has
 * no room. NULL: one step will do. */
static enum arc_status choose_stage(struct arc_scaler *s,
                                    const struct arc_vframe *src,
                                    const struct arc_vframe *dst,
                                    struct arc_vframe **out)
{
    const bool from_rgb = is_rgb(src->format), to_rgb = is_rgb(dst->format);
    const struct shape from = shape_of(src), to = shape_of(dst);
    const bool wide = arc_vframe_sample_bytes(dst->format) > 1;
    const struct arc_vframe *yuv = from_rgb ? dst : src;
    enum arc_status status;

    *out = NULL;
    if (same(&from, &to) || arc_colour_can_convert(src, dst) ||
        (!from_rgb && !to_rgb))
        return ARC_OK;
    status = make_stage(s, !from_rgb        ? ARC_PIX_I420
                           : to_rgb || wide ? src->format
                                            : dst->format,
                        from_rgb ? src : dst);
    if (status != ARC_OK)
        return status;
    *out = s->stage;
    s->stage->full_range = yuv->full_range;
    s->stage->matrix = yuv->matrix;
    return ARC_OK;
}

enum arc_status arc_scaler_run(struct arc_scaler *s,
                               const struct arc_vframe *src,
                               struct arc_vframe *dst)
{
    struct arc_vframe *between, target;
    enum arc_status status;

    if (!frame_ok(src) || !frame_ok(dst))
        return ARC_ERR_ARG;

    target = *dst;
    if (is_rgb(src->format) == is_rgb(dst->format)) {
        /* Same family: no colour arithmetic, only samples. */
        target.full_range = src->full_range;
        target.matrix = src->matrix;
    }
    status = choose_stage(s, src, &target, &between);
    if (status == ARC_OK && between)
        status = step(s, src, between);
    if (status == ARC_OK)
        status = step(s, between ? between : src, &target);
    if (status != ARC_OK)
        return status;
    arc_vframe_copy_props(dst, src);
    dst->full_range = is_rgb(dst->format) || target.full_range;
    dst->matrix = target.matrix;
    return ARC_OK;
}

uint32_t arc_scaler_version_loaded(void)
{
    return swscale_version();
}

uint32_t arc_scaler_version_compiled(void)
{
    return LIBSWSCALE_VERSION_INT;
}
