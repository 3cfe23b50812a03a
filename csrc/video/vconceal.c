/**
 * @file video/vconceal.c  Pictures in place of those that did not come
 */
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "video/motion.h"
#include "video/vconceal.h"

enum {
    PIECE   = ARC_MOTION_BLOCK_PX / 2, /* luma is made by quarters of blocks:
                                          each lies between four centres        */
    SOURCE  = PIECE + 1,               /* pixels that one is interpolated from  */
    SLACK   = 32,                      /* of sad, 2 levels: noise and rounding  */
    WORST   = 24 * 16,                 /* 24 levels: no match, as after a cut   */
};

struct arc_vconceal {
    struct arc_vframe *older, *last; /* NULL: none                           */
    struct arc_motion *motion;
    bool               estimated;    /* between these two                     */
    struct arc_motion_vector *moved; /* the field as it will be, see project() */
    int32_t            n_moved;
};

enum arc_status arc_vconceal_new(struct arc_vconceal **out)
{
    struct arc_vconceal *c;

    if (!out)
        return ARC_ERR_ARG;
    c = arc_mem_zalloc(1, sizeof(*c));
    if (!c || arc_motion_new(&c->motion) != ARC_OK) {
        arc_mem_free(c);
        return ARC_ERR_NOMEM;
    }
    *out = c;
    return ARC_OK;
}

void arc_vconceal_reset(struct arc_vconceal *c)
{
    arc_vframe_unref(c->older);
    arc_vframe_unref(c->last);
    c->older = c->last = NULL;
    c->estimated = false;
}

void arc_vconceal_free(struct arc_vconceal *c)
{
    if (!c)
        return;
    arc_vconceal_reset(c);
    arc_motion_free(c->motion);
    arc_mem_free(c->moved);
    arc_mem_free(c);
}

static bool same_shape(const struct arc_vframe *a, const struct arc_vframe *b)
{
    return a->format == b->format && a->width == b->width &&
           a->height == b->height;
}

enum arc_status arc_vconceal_put(struct arc_vconceal *c,
                                 struct arc_vframe *frame)
{
    if (!c || !frame)
        return ARC_ERR_ARG;
    if (c->last && !same_shape(c->last, frame))
        arc_vconceal_reset(c);
    arc_vframe_ref(frame);
    arc_vframe_unref(c->older);
    c->older = c->last;
    c->last = frame;
    c->estimated = false;
    return ARC_OK;
}

/* Whether a block's motion is worth following: standing still must be clearly
 * worse, and the match a match. */
static bool moves(const struct arc_motion_vector *v)
{
    return v->sad < WORST && v->sad + SLACK < v->still &&
           4 * v->sad < 3 * v->still;
}

/* A block at the place that it will be in is what covers that place: of several
 * the one that moves, since what moves is mostly in front of what does not.
 * Where none comes to, the block there goes on as it is. */
static void project(const struct arc_motion *m, int32_t step_q8,
                    struct arc_motion_vector *out)
{
    const struct arc_motion_vector *field = arc_motion_field(m);
    int32_t columns = arc_motion_columns(m), rows = arc_motion_rows(m);

    for (int32_t i = 0; i < columns * rows; i++) {
        out[i] = field[i];
        if (!moves(&field[i]))
            out[i].dx_q2 = out[i].dy_q2 = 0;
    }
    for (int32_t i = 0; i < columns * rows; i++) {
        const struct arc_motion_vector *v = &field[i];
        int32_t x = i % columns * ARC_MOTION_BLOCK_PX + PIECE;
        int32_t y = i / columns * ARC_MOTION_BLOCK_PX + PIECE;
        struct arc_motion_vector *to;

        if (!moves(v))
            continue;
        x += v->dx_q2 * step_q8 / 1024;
        y += v->dy_q2 * step_q8 / 1024;
        if (x < 0 || y < 0 || x >= columns * ARC_MOTION_BLOCK_PX ||
            y >= rows * ARC_MOTION_BLOCK_PX)
            continue;
        to = &out[y / ARC_MOTION_BLOCK_PX * columns + x / ARC_MOTION_BLOCK_PX];
        if (to->dx_q2 == 0 && to->dy_q2 == 0)
            *to = *v;
    }
}

struct plane {
    const uint8_t *data;
    ptrdiff_t      stride;
    int32_t        width, height;
};

/* The pixels from (x, y) on that a piece is interpolated from; when they do not
 * all lie inside, those outside are repeated from the edge. */
static const uint8_t *around(const struct plane *p, int32_t x, int32_t y,
                             uint8_t *room, ptrdiff_t *stride)
{
    if (x >= 0 && y >= 0 && x + SOURCE <= p->width && y + SOURCE <= p->height) {
        *stride = p->stride;
        return p->data + p->stride * y + x;
    }
    for (int32_t j = 0; j < SOURCE; j++) {
        int64_t row = arc_clamp_i64(y + j, 0, p->height - 1);

        for (int32_t i = 0; i < SOURCE; i++)
            room[j * SOURCE + i] =
                p->data[p->stride * row + arc_clamp_i64(x + i, 0, p->width - 1)];
    }
    *stride = SOURCE;
    return room;
}

/* The loops below are of constant length and of 16-bit numbers: compilers make
 * vectors of them. */
static void interpolate(const uint8_t *restrict s, ptrdiff_t stride, int fx,
                        int fy, uint8_t *restrict out)
{
    uint16_t gx = (uint16_t)fx, gy = (uint16_t)fy;
    uint16_t hx = (uint16_t)(8 - fx), hy = (uint16_t)(8 - fy);

    for (int32_t j = 0; j < PIECE; j++, s += stride, out += PIECE) {
        const uint8_t *below = s + stride;

        for (int32_t i = 0; i < PIECE; i++) {
            uint16_t top = (uint16_t)(s[i] * hx + s[i + 1] * gx);
            uint16_t low = (uint16_t)(below[i] * hx + below[i + 1] * gx);

            out[i] = (uint8_t)((uint16_t)(top * hy + low * gy + 32) >> 6);
        }
    }
}

/* The piece that comes to (x, y) by a vector in eighths of a pixel, bilinear. */
static void fetch(const struct plane *p, int32_t x, int32_t y, int32_t dx_q3,
                  int32_t dy_q3, uint8_t out[PIECE * PIECE])
{
    int32_t fx = -dx_q3 & 7, fy = -dy_q3 & 7;
    uint8_t room[SOURCE * SOURCE];
    ptrdiff_t stride;
    const uint8_t *s = around(p, x - (dx_q3 + fx) / 8, y - (dy_q3 + fy) / 8,
                              room, &stride);

    if (fx || fy)
        interpolate(s, stride, fx, fy, out);
    else
        for (int32_t j = 0; j < PIECE; j++)
            memcpy(out + j * PIECE, s + j * stride, PIECE);
}

struct vec_q3 {
    int32_t x, y;
};

/* How a field is to be used: the whole of it, and how far. */
struct motion_use {
    const struct arc_motion_vector *field;
    int32_t columns, rows;
    int32_t step_q8; /* below 0: back                                        */
};

/* The vector of a block, those outside repeated from the edge, in eighths of a
 * pixel: a quarter of a pixel of luma is an eighth of one of chroma. */
static struct vec_q3 vector_of(const struct motion_use *u, int32_t bx,
                               int32_t by, bool chroma)
{
    int64_t x = arc_clamp_i64(bx, 0, u->columns - 1);
    int64_t y = arc_clamp_i64(by, 0, u->rows - 1);
    const struct arc_motion_vector *v = &u->field[y * u->columns + x];
    int32_t unit = u->step_q8 * (chroma ? 1 : 2);
    struct vec_q3 out = {v->dx_q2 * unit / 256, v->dy_q2 * unit / 256};

    return out;
}

/* Two predictions into the first; weights of the second one, of 32, for each
 * column, or for each row. */
static void mix_columns(uint8_t *restrict a, const uint8_t *restrict b,
                        const uint8_t *restrict weights)
{
    for (int32_t j = 0; j < PIECE; j++, a += PIECE, b += PIECE)
        for (int32_t i = 0; i < PIECE; i++) {
            uint16_t w = weights[i];

            a[i] = (uint8_t)((uint16_t)(a[i] * (32 - w) + b[i] * w + 16) >> 5);
        }
}

static void mix_rows(uint8_t *restrict a, const uint8_t *restrict b,
                     const uint8_t *restrict weights)
{
    for (int32_t j = 0; j < PIECE; j++, a += PIECE, b += PIECE) {
        uint16_t w = weights[j];

        for (int32_t i = 0; i < PIECE; i++)
            a[i] = (uint8_t)((uint16_t)(a[i] * (32 - w) + b[i] * w + 16) >> 5);
    }
}

/* A piece of luma out of those that the four blocks around it predict, each the
 * more the nearer its centre is. Pieces of odd number begin at a centre.
 *
 * @return the piece; it lies in `parts` */
static const uint8_t *make_luma(const struct plane *from,
                                const struct motion_use *u, int32_t px,
                                int32_t py, uint8_t parts[4][PIECE * PIECE])
{
    static const uint8_t weights[2][PIECE] = {
        {17, 19, 21, 23, 25, 27, 29, 31}, {1, 3, 5, 7, 9, 11, 13, 15}};
    struct vec_q3 v[4];
    bool same = true;

    for (int k = 0; k < 4; k++) {
        v[k] = vector_of(u, (px - 1 + (px & 1)) / 2 + (px > 0 ? k & 1 : 0),
                         (py - 1 + (py & 1)) / 2 + (py > 0 ? k >> 1 : 0), false);
        same &= v[k].x == v[0].x && v[k].y == v[0].y;
    }
    for (int k = 0; k < (same ? 1 : 4); k++)
        fetch(from, px * PIECE, py * PIECE, v[k].x, v[k].y, parts[k]);
    if (!same) {
        mix_columns(parts[0], parts[1], weights[px & 1]);
        mix_columns(parts[2], parts[3], weights[px & 1]);
        mix_rows(parts[0], parts[2], weights[py & 1]);
    }
    return parts[0];
}

/* Luma by quarters of blocks; chroma, where edges of blocks are not seen, by
 * whole ones, which have the same number of pixels. */
static void make_plane(const struct arc_vframe *from,
                       const struct motion_use *u, struct arc_vframe *out,
                       int32_t plane)
{
    struct plane p = {from->data[plane], from->stride[plane],
                      arc_vframe_row_bytes(from, plane),
                      arc_vframe_rows(from, plane)};

    for (int32_t y = 0; y < p.height; y += PIECE)
        for (int32_t x = 0; x < p.width; x += PIECE) {
            uint8_t parts[4][PIECE * PIECE];
            const uint8_t *piece = parts[0];
            size_t wide = (size_t)arc_min_i64(PIECE, p.width - x);
            int64_t high = arc_min_i64(PIECE, p.height - y);
            uint8_t *to = out->data[plane] +
                          (ptrdiff_t)out->stride[plane] * y + x;

            if (plane == 0) {
                piece = make_luma(&p, u, x / PIECE, y / PIECE, parts);
            } else {
                struct vec_q3 v = vector_of(u, x / PIECE, y / PIECE, true);

                fetch(&p, x, y, v.x, v.y, parts[0]);
            }
            for (int64_t j = 0; j < high; j++, to += out->stride[plane])
                memcpy(to, piece + j * PIECE, wide);
        }
}

/* `from` moved by a field; a new picture. */
static enum arc_status make(const struct arc_vframe *from,
                            const struct motion_use *u, struct arc_vframe **out)
{
    struct arc_vframe *f;
    enum arc_status status = arc_vframe_new(from->format, from->width,
                                            from->height, &f);

    if (status != ARC_OK)
        return status;
    arc_vframe_copy_props(f, from);
    f->damaged = true;
    for (int32_t plane = 0; plane < 3; plane++)
        make_plane(from, u, f, plane);
    *out = f;
    return ARC_OK;
}

static enum arc_status make_room(struct arc_vconceal *c)
{
    int32_t n = arc_motion_columns(c->motion) * arc_motion_rows(c->motion);

    if (n <= c->n_moved)
        return ARC_OK;
    arc_mem_free(c->moved);
    c->moved = arc_mem_zalloc((size_t)n, sizeof(*c->moved));
    c->n_moved = c->moved ? n : 0;
    return c->moved ? ARC_OK : ARC_ERR_NOMEM;
}

enum arc_status arc_vconceal_extrapolate(struct arc_vconceal *c,
                                         int32_t step_q8,
                                         struct arc_vframe **out)
{
    struct motion_use use;
    enum arc_status status = ARC_OK;

    if (!c || !out || step_q8 < 0 || step_q8 > ARC_VCONCEAL_MAX_STEP_Q8)
        return ARC_ERR_ARG;
    if (!c->older)
        return ARC_AGAIN;
    if (!c->estimated)
        status = arc_motion_estimate(c->motion, c->older, c->last);
    c->estimated = status == ARC_OK;
    if (status == ARC_OK)
        status = make_room(c);
    if (status != ARC_OK)
        return status;
    project(c->motion, step_q8, c->moved);
    use = (struct motion_use){c->moved, arc_motion_columns(c->motion),
                              arc_motion_rows(c->motion), step_q8};
    return make(c->last, &use, out);
}

enum arc_status arc_vconceal_between(struct arc_vconceal *c,
                                     const struct arc_vframe *next,
                                     int32_t at_q8, struct arc_vframe **out)
{
    struct arc_vframe *on = NULL, *back = NULL;
    struct motion_use use;
    enum arc_status status;

    if (!c || !next || !out || at_q8 < 0 || at_q8 > 256)
        return ARC_ERR_ARG;
    if (!c->last)
        return ARC_AGAIN;
    status = arc_motion_estimate(c->motion, c->last, next);
    c->estimated = false; /* not between the last two */
    if (status != ARC_OK)
        return status;
    use = (struct motion_use){arc_motion_field(c->motion),
                              arc_motion_columns(c->motion),
                              arc_motion_rows(c->motion), at_q8};
    status = make(c->last, &use, &on);
    use.step_q8 = at_q8 - 256;
    if (status == ARC_OK)
        status = make(next, &use, &back);
    if (status == ARC_OK)
        status = arc_vconceal_blend(on, back, at_q8, out);
    arc_vframe_unref(on);
    arc_vframe_unref(back);
    return status;
}

static inline void blend_n(const uint8_t *restrict p, const uint8_t *restrict q,
                           int32_t n, uint16_t w, uint8_t *restrict out)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = (uint8_t)((uint16_t)(p[i] * (256 - w) + q[i] * w + 128) >> 8);
}

static void blend_row(const uint8_t *p, const uint8_t *q, int32_t n, uint16_t w,
                      uint8_t *out)
{
    int32_t i = 0;

    for (; i + 16 <= n; i += 16)
        blend_n(p + i, q + i, 16, w, out + i);
    blend_n(p + i, q + i, n - i, w, out + i);
}

enum arc_status arc_vconceal_blend(const struct arc_vframe *a,
                                   const struct arc_vframe *b,
                                   int32_t weight_q8, struct arc_vframe **out)
{
    struct arc_vframe *f;
    enum arc_status status;

    if (!a || !b || !out || weight_q8 < 0 || weight_q8 > 256)
        return ARC_ERR_ARG;
    if (!same_shape(a, b) || arc_vframe_sample_bytes(a->format) != 1)
        return ARC_ERR_UNSUPPORTED;
    status = arc_vframe_new(a->format, a->width, a->height, &f);
    if (status != ARC_OK)
        return status;
    arc_vframe_copy_props(f, b);
    f->damaged = true;
    for (int32_t plane = 0; plane < arc_vframe_planes(a->format); plane++)
        for (int32_t y = 0; y < arc_vframe_rows(a, plane); y++) {
            const uint8_t *p = a->data[plane] + (ptrdiff_t)a->stride[plane] * y;
            const uint8_t *q = b->data[plane] + (ptrdiff_t)b->stride[plane] * y;
            uint8_t *o = f->data[plane] + (ptrdiff_t)f->stride[plane] * y;

            blend_row(p, q, arc_vframe_row_bytes(a, plane),
                      (uint16_t)weight_q8, o);
        }
    *out = f;
    return ARC_OK;
}
