/**
 * @file video/vframe.c  Reference-counted picture
 */
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "video/vframe.h"

/* SIMD of codecs and of the scaler works on whole vectors, past the last
 * pixel of a row and past the last row. */
enum { ALIGN = 64 };

static bool is_rgb(int32_t format)
{
    return format == ARC_PIX_RGB24 || format == ARC_PIX_BGR24;
}

int32_t arc_vframe_planes(int32_t format)
{
    switch (format) {
    case ARC_PIX_I420:
    case ARC_PIX_I010:
        return 3;
    case ARC_PIX_NV12:
        return 2;
    case ARC_PIX_RGB24:
    case ARC_PIX_BGR24:
        return 1;
    default:
        return 0;
    }
}

int32_t arc_vframe_sample_bytes(int32_t format)
{
    return format == ARC_PIX_I010 ? 2 : 1;
}

/* Chroma rounds up: the last odd pixel has chroma too. */
int32_t arc_vframe_row_bytes(const struct arc_vframe *f, int32_t plane)
{
    int32_t bytes = arc_vframe_sample_bytes(f->format);

    if (is_rgb(f->format))
        return 3 * f->width;
    if (plane == 0)
        return bytes * f->width;
    return (f->width + 1) / 2 * (f->format == ARC_PIX_NV12 ? 2 : bytes);
}

int32_t arc_vframe_rows(const struct arc_vframe *f, int32_t plane)
{
    return plane == 0 ? f->height : (f->height + 1) / 2;
}

int32_t arc_vframe_guess_matrix(int32_t width, int32_t height)
{
    return width >= 1280 || height >= 720 ? ARC_MATRIX_BT709 : ARC_MATRIX_BT601;
}

static bool size_ok(int32_t format, int32_t width, int32_t height)
{
    return arc_vframe_planes(format) > 0 && width >= 1 && height >= 1 &&
           width <= ARC_VFRAME_MAX_PX && height <= ARC_VFRAME_MAX_PX;
}

static size_t round_up(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

enum arc_status arc_vframe_new(int32_t format, int32_t width, int32_t height,
                               struct arc_vframe **out)
{
    struct arc_vframe shape = {.format = format, .width = width,
                               .height = height};
    size_t offset[3] = {0}, total = round_up(sizeof(shape));
    struct arc_vframe *f;

    if (!out || !size_ok(format, width, height))
        return ARC_ERR_ARG;

    for (int32_t i = 0; i < arc_vframe_planes(format); i++) {
        /* One pixel and one row more, for encoders that take even sizes only. */
        size_t stride = round_up((size_t)arc_vframe_row_bytes(&shape, i) +
                                 (size_t)arc_vframe_sample_bytes(format));

        shape.stride[i] = (int32_t)stride;
        offset[i] = total;
        total += stride * ((size_t)arc_vframe_rows(&shape, i) + 1);
    }
    f = arc_mem_zalloc(1, total + ALIGN);
    if (!f)
        return ARC_ERR_NOMEM;

    *f = shape;
    f->refs = 1;
    f->matrix = arc_vframe_guess_matrix(width, height);
    for (int32_t i = 0; i < arc_vframe_planes(format); i++)
        f->data[i] = (uint8_t *)f + offset[i];
    *out = f;
    return ARC_OK;
}

enum arc_status arc_vframe_wrap(const struct arc_vframe *f,
                                void (*release)(void *opaque), void *opaque,
                                struct arc_vframe **out)
{
    struct arc_vframe *shell;

    if (!f || !release || !out || !size_ok(f->format, f->width, f->height))
        return ARC_ERR_ARG;
    shell = arc_mem_zalloc(1, sizeof(*shell));
    if (!shell)
        return ARC_ERR_NOMEM;

    *shell = *f;
    shell->refs = 1;
    shell->release = release;
    shell->opaque = opaque;
    *out = shell;
    return ARC_OK;
}

struct arc_vframe *arc_vframe_ref(struct arc_vframe *f)
{
    arc_atomic_add_relaxed(&f->refs, 1);
    return f;
}

void arc_vframe_unref(struct arc_vframe *f)
{
    if (!f || arc_atomic_sub_acq_rel(&f->refs, 1) != 1)
        return;
    if (f->release)
        f->release(f->opaque);
    arc_mem_free(f);
}

void arc_vframe_copy_props(struct arc_vframe *dst, const struct arc_vframe *src)
{
    dst->ts = src->ts;
    dst->time_us = src->time_us;
    dst->full_range = src->full_range;
    dst->matrix = src->matrix;
    dst->damaged = src->damaged;
}

void arc_vframe_copy_planes(struct arc_vframe *dst,
                            const struct arc_vframe *src)
{
    for (int32_t i = 0; i < arc_vframe_planes(src->format); i++) {
        size_t bytes = (size_t)arc_vframe_row_bytes(src, i);
        uint8_t *to = dst->data[i];
        const uint8_t *from = src->data[i];

        for (int32_t y = arc_vframe_rows(src, i); y > 0; y--) {
            memcpy(to, from, bytes);
            to += dst->stride[i];
            from += src->stride[i];
        }
    }
}
