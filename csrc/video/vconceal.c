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
    HALF    = ARC_MOTION_BLOCK_PX / 2, /* pictures are made by quarters of
                                          blocks: each lies between four centres */
    SOURCE  = HALF + 1,                /* pixels that one is interpolated from  */
    SLACK   = 32,                      /* of sad, 2 levels: noise and rounding  */
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
    return v->sad + SLACK < v->still && 4 * v->sad < 3 * v->still;
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
        int32_t x = i % columns * ARC_MOTION_BLOCK_PX + HALF;
        int32_t y = i / columns * ARC_MOTION_BLOCK_PX + HALF;
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

/* Pixels around (x, y), those outside repeated from the edge, when they do not
 * all lie inside. */
static const uint8_t *around(const struct plane *p, int32_t x, int32_t y,
                             int32_t size, uint8_t *room, ptrdiff_t *stride)
{
    if (x >= 0 && y >= 0 && x + size <= p->width && y + size <= p->height) {
        *stride = p->stride;
        return p->data + p->stride * y + x;
    }
    for (int32_t j = 0; j < size; j++) {
        int64_t row = arc_clamp_i64(y + j, 0, p->height - 1);

        for (int32_t i = 0; i < size; i++)
            room[j * SOURCE + i] =
                p->data[p->stride * row + arc_clamp_i64(x + i, 0, p->width - 1)];
    }
    *stride = SOURCE;
    return room;
}

/* The piece of HALF or fewer pixels a side that comes to (x, y) by a vector in
 * eighths of a pixel, bilinear. */
static void fetch(const struct plane *p, int32_t x, int32_t y, int32_t dx_q3,
                  int32_t dy_q3, int32_t size, uint8_t out[HALF * HALF])
{
    int32_t fx = -dx_q3 & 7, fy = -dy_q3 & 7;
    uint8_t room[SOURCE * SOURCE];
    ptrdiff_t stride;
    const uint8_t *s = around(p, x - (dx_q3 + fx) / 8, y - (dy_q3 + fy) / 8,
                              size + 1, room, &stride);

    for (int32_t j = 0; j < size; j++, s += stride, out += HALF) {
        const uint8_t *below = s + stride;

        if (fx == 0 && fy == 0) {
            memcpy(out, s, (size_t)size);
            continue;
        }
        for (int32_t i = 0; i < size; i++) {
            int32_t top = s[i] * (8 - fx) + s[i + 1] * fx;
            int32_t low = below[i] * (8 - fx) + below[i + 1] * fx;

            out[i] = (uint8_t)((top * (8 - fy) + low * fy + 32) >> 6);
        }
    }
}

/* How a field is to be used: the whole of it, and how far. */
struct motion_use {
    const struct arc_motion_vector *field;
    int32_t columns, rows;
    int32_t step_q8; /* below 0: back                                        */
};

/* The vectors of the four blocks whose centres lie around piece (px, py). */
static void four_vectors(const struct motion_use *u, int32_t px, int32_t py,
                         int32_t chroma, struct arc_motion_vector v[4])
{
    for (int k = 0; k < 4; k++) {
        int64_t bx = arc_clamp_i64((px + 1) / 2 - 1 + (k & 1), 0, u->columns - 1);
        int64_t by = arc_clamp_i64((py + 1) / 2 - 1 + (k >> 1), 0, u->rows - 1);

        v[k] = u->field[by * u->columns + bx];
        /* q2 of luma times 2 is q3; of chroma, half as wide, it is q3 as it is. */
        v[k].dx_q2 = (int16_t)(v[k].dx_q2 * (chroma ? 1 : 2) * u->step_q8 / 256);
        v[k].dy_q2 = (int16_t)(v[k].dy_q2 * (chroma ? 1 : 2) * u->step_q8 / 256);
    }
}

static bool are_equal(const struct arc_motion_vector v[4])
{
    for (int k = 1; k < 4; k++)
        if (v[k].dx_q2 != v[0].dx_q2 || v[k].dy_q2 != v[0].dy_q2)
            return false;
    return true;
}

/* Four predictions, each the more the nearer its block's centre is. */
static void mix(uint8_t from[4][HALF * HALF], int32_t size, bool odd_x,
                bool odd_y, uint8_t out[HALF * HALF])
{
    for (int32_t j = 0; j < size; j++) {
        int32_t wy = 2 * j + 1 + (odd_y ? 0 : 2 * size); /* of 4 * size */

        for (int32_t i = 0; i < size; i++) {
            int32_t wx = 2 * i + 1 + (odd_x ? 0 : 2 * size), all = 4 * size;
            int32_t at = j * HALF + i;
            int32_t top = from[0][at] * (all - wx) + from[1][at] * wx;
            int32_t low = from[2][at] * (all - wx) + from[3][at] * wx;

            out[at] = (uint8_t)((top * (all - wy) + low * wy + all * all / 2) /
                                (all * all));
        }
    }
}

static void make_piece(const struct plane *from, const struct motion_use *u,
                       int32_t px, int32_t py, int32_t size,
                       uint8_t out[HALF * HALF])
{
    struct arc_motion_vector v[4];
    uint8_t parts[4][HALF * HALF];

    four_vectors(u, px, py, size != HALF, v);
    if (are_equal(v)) {
        fetch(from, px * size, py * size, v[0].dx_q2, v[0].dy_q2, size, out);
        return;
    }
    for (int k = 0; k < 4; k++)
        fetch(from, px * size, py * size, v[k].dx_q2, v[k].dy_q2, size,
              parts[k]);
    mix(parts, size, px & 1, py & 1, out);
}

static void make_plane(const struct arc_vframe *from,
                       const struct motion_use *u, struct arc_vframe *out,
                       int32_t plane)
{
    struct plane p = {from->data[plane], from->stride[plane],
                      arc_vframe_row_bytes(from, plane),
                      arc_vframe_rows(from, plane)};
    int32_t size = plane ? HALF / 2 : HALF;

    for (int32_t y = 0; y < p.height; y += size)
        for (int32_t x = 0; x < p.width; x += size) {
            uint8_t piece[HALF * HALF];
            int32_t wide = (int32_t)arc_min_i64(size, p.width - x);
            int32_t high = (int32_t)arc_min_i64(size, p.height - y);

            make_piece(&p, u, x / size, y / size, size, piece);
            for (int32_t j = 0; j < high; j++)
                memcpy(out->data[plane] + (ptrdiff_t)out->stride[plane] * (y + j) + x,
                       piece + j * HALF, (size_t)wide);
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
            int32_t n = arc_vframe_row_bytes(a, plane);

            for (int32_t x = 0; x < n; x++)
                o[x] = (uint8_t)((p[x] * (256 - weight_q8) + q[x] * weight_q8 +
                                  128) >> 8);
        }
    *out = f;
    return ARC_OK;
}
