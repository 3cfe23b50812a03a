/**
 * @file video/motion.c  How the blocks of one picture have moved since another
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "video/motion.h"

enum {
    BLOCK     = ARC_MOTION_BLOCK_PX,
    SHRINK    = 4,  /* of the coarse pictures, each way                       */
    COARSE    = 8,  /* pixels of a block in them: 32 of the picture           */
    MIN_PX    = 64,
    MAX_STEPS = 24, /* of a diamond search                                    */
    PENALTY   = 4,  /* for each pixel that a vector differs from its guess, in
                       sums of differences of a block                         */
};

struct plane {
    const uint8_t *data;
    ptrdiff_t      stride;
    int32_t        width, height;
};

struct vec {
    int16_t x, y; /* pixels */
};

struct arc_motion {
    int32_t  width, height;
    int32_t  columns, rows;     /* of blocks                                  */
    int32_t  coarse_columns, coarse_rows;
    uint8_t *small[2];          /* from and to at a quarter of the size       */
    struct vec *coarse, *fine;  /* the field; before an estimate the last one */
    struct arc_motion_vector *field;
};

enum arc_status arc_motion_new(struct arc_motion **out)
{
    if (!out)
        return ARC_ERR_ARG;
    *out = arc_mem_zalloc(1, sizeof(**out));
    return *out ? ARC_OK : ARC_ERR_NOMEM;
}

static void drop(struct arc_motion *m)
{
    arc_mem_free(m->small[0]);
    arc_mem_free(m->small[1]);
    arc_mem_free(m->coarse);
    arc_mem_free(m->fine);
    arc_mem_free(m->field);
    memset(m, 0, sizeof(*m));
}

void arc_motion_free(struct arc_motion *m)
{
    if (!m)
        return;
    drop(m);
    arc_mem_free(m);
}

static enum arc_status resize(struct arc_motion *m, int32_t width,
                              int32_t height)
{
    size_t small, blocks, coarse;

    if (m->width == width && m->height == height)
        return ARC_OK;
    drop(m);
    m->columns = (width + BLOCK - 1) / BLOCK;
    m->rows = (height + BLOCK - 1) / BLOCK;
    m->coarse_columns = width / SHRINK / COARSE;
    m->coarse_rows = height / SHRINK / COARSE;
    small = (size_t)(width / SHRINK) * (size_t)(height / SHRINK);
    blocks = (size_t)m->columns * (size_t)m->rows;
    coarse = (size_t)m->coarse_columns * (size_t)m->coarse_rows;
    m->small[0] = arc_mem_zalloc(small, 1);
    m->small[1] = arc_mem_zalloc(small, 1);
    m->coarse = arc_mem_zalloc(coarse, sizeof(*m->coarse));
    m->fine = arc_mem_zalloc(blocks, sizeof(*m->fine));
    m->field = arc_mem_zalloc(blocks, sizeof(*m->field));
    if (!m->small[0] || !m->small[1] || !m->coarse || !m->fine || !m->field) {
        drop(m);
        return ARC_ERR_NOMEM;
    }
    m->width = width;
    m->height = height;
    return ARC_OK;
}

/* The mean of 2 x 2 pixels in the middle of each 4 x 4: enough to find where to
 * look. */
static void shrink(const struct arc_vframe *f, uint8_t *out)
{
    int32_t width = f->width / SHRINK, height = f->height / SHRINK;

    for (int32_t y = 0; y < height; y++) {
        const uint8_t *a = f->data[0] + (ptrdiff_t)f->stride[0] * (SHRINK * y + 1);
        const uint8_t *b = a + f->stride[0];

        for (int32_t x = 0; x < width; x++)
            out[x] = (uint8_t)((a[SHRINK * x + 1] + a[SHRINK * x + 2] +
                                b[SHRINK * x + 1] + b[SHRINK * x + 2] + 2) >> 2);
        out += width;
    }
}

/* Sums of absolute differences. The loops are of constant length, which
 * compilers turn into the instruction that there is for it. */
static int32_t sad_coarse(const uint8_t *a, ptrdiff_t a_stride,
                          const uint8_t *b, ptrdiff_t b_stride)
{
    int32_t sum = 0;

    for (int y = 0; y < COARSE; y++, a += a_stride, b += b_stride)
        for (int x = 0; x < COARSE; x++)
            sum += abs(a[x] - b[x]);
    return sum;
}

/* Every second row, counted twice. */
static int32_t sad_fine(const uint8_t *a, ptrdiff_t a_stride, const uint8_t *b,
                        ptrdiff_t b_stride)
{
    int32_t sum = 0;

    for (int y = 0; y < BLOCK; y += 2, a += 2 * a_stride, b += 2 * b_stride)
        for (int x = 0; x < BLOCK; x++)
            sum += abs(a[x] - b[x]);
    return 2 * sum;
}

/* A block of `to` at (x, y), and what it is compared with. */
struct search {
    struct plane from;
    const uint8_t *block;
    ptrdiff_t stride;
    int32_t x, y, size;
    int32_t min_x, max_x, min_y, max_y; /* of vectors: the match lies inside  */
    struct vec guess;
    struct vec best;
    int32_t best_sad;  /* without the penalty                                 */
    int32_t best_cost;
};

static void begin(struct search *s, const struct plane *from,
                  const struct plane *to, int32_t x, int32_t y, int32_t size,
                  int32_t reach)
{
    s->from = *from;
    s->block = to->data + to->stride * y + x;
    s->stride = to->stride;
    s->x = x;
    s->y = y;
    s->size = size;
    s->max_x = (int32_t)arc_min_i64(reach, x);
    s->min_x = (int32_t)arc_max_i64(-reach, x + size - from->width);
    s->max_y = (int32_t)arc_min_i64(reach, y);
    s->min_y = (int32_t)arc_max_i64(-reach, y + size - from->height);
    s->best_cost = INT32_MAX;
    s->best_sad = INT32_MAX;
    s->best.x = s->best.y = 0;
}

static int32_t sad_at(const struct search *s, int32_t dx, int32_t dy)
{
    const uint8_t *p = s->from.data + s->from.stride * (s->y - dy) + s->x - dx;

    return s->size == BLOCK ? sad_fine(s->block, s->stride, p, s->from.stride)
                            : sad_coarse(s->block, s->stride, p, s->from.stride);
}

/* @return whether it is the best so far */
static bool consider(struct search *s, int32_t dx, int32_t dy)
{
    int32_t sad, cost;

    if (dx < s->min_x || dx > s->max_x || dy < s->min_y || dy > s->max_y)
        return false;
    sad = sad_at(s, dx, dy);
    cost = sad + PENALTY * (abs(dx - s->guess.x) + abs(dy - s->guess.y)) *
                     s->size / COARSE;
    if (cost >= s->best_cost)
        return false;
    s->best_cost = cost;
    s->best_sad = sad;
    s->best.x = (int16_t)dx;
    s->best.y = (int16_t)dy;
    return true;
}

/* From the best so far to better neighbours, with smaller and smaller steps. */
static void walk(struct search *s, int32_t step)
{
    int left = MAX_STEPS;

    for (; step > 0; step /= 2) {
        bool better = true;

        while (better && left-- > 0) {
            struct vec at = s->best;

            better = consider(s, at.x + step, at.y);
            better |= consider(s, at.x - step, at.y);
            better |= consider(s, at.x, at.y + step);
            better |= consider(s, at.x, at.y - step);
        }
    }
}

static int16_t median3(int16_t a, int16_t b, int16_t c)
{
    int16_t low = a < b ? a : b, high = a < b ? b : a;

    return c < low ? low : c > high ? high : c;
}

/* Vectors of neighbours: left, above, above to the right are of this field;
 * the block itself and the one below are still of the last one. */
static void consider_neighbours(struct search *s, const struct vec *field,
                                int32_t columns, int32_t rows, int32_t bx,
                                int32_t by)
{
    static const struct vec none;
    const struct vec *here = field + (ptrdiff_t)by * columns + bx;
    struct vec left = bx > 0 ? here[-1] : none;
    struct vec above = by > 0 ? here[-columns] : none;
    struct vec right = by > 0 && bx + 1 < columns ? here[1 - columns] : above;
    struct vec below = by + 1 < rows ? here[columns] : none;

    s->guess.x = median3(left.x, above.x, right.x);
    s->guess.y = median3(left.y, above.y, right.y);
    consider(s, s->guess.x, s->guess.y);
    consider(s, 0, 0);
    consider(s, left.x, left.y);
    consider(s, above.x, above.y);
    consider(s, right.x, right.y);
    consider(s, here->x, here->y);
    consider(s, below.x, below.y);
}

static void estimate_coarse(struct arc_motion *m)
{
    int32_t width = m->width / SHRINK, height = m->height / SHRINK;
    struct plane from = {m->small[0], width, width, height};
    struct plane to = {m->small[1], width, width, height};

    for (int32_t by = 0; by < m->coarse_rows; by++)
        for (int32_t bx = 0; bx < m->coarse_columns; bx++) {
            struct search s;

            begin(&s, &from, &to, bx * COARSE, by * COARSE, COARSE,
                  ARC_MOTION_MAX_PX / SHRINK);
            consider_neighbours(&s, m->coarse, m->coarse_columns,
                                m->coarse_rows, bx, by);
            walk(&s, 4);
            m->coarse[by * m->coarse_columns + bx] = s.best;
        }
}

/* Where between -1/2 and 1/2 pixel the least of three equidistant sums lies, if
 * they follow two lines of the same steepness; quarters of a pixel. */
static int32_t fraction_q2(int32_t before, int32_t at, int32_t after)
{
    int32_t steep = (before > after ? before : after) - at;

    return steep <= 0 ? 0
                      : (int32_t)arc_clamp_i64((int64_t)(before - after) * 2 /
                                               steep, -2, 2);
}

static struct arc_motion_vector describe(const struct search *s, int32_t still)
{
    struct arc_motion_vector v = {0};
    int32_t x = s->best.x, y = s->best.y, fx = 0, fy = 0;

    if (x > s->min_x && x < s->max_x)
        fx = fraction_q2(sad_at(s, x - 1, y), s->best_sad, sad_at(s, x + 1, y));
    if (y > s->min_y && y < s->max_y)
        fy = fraction_q2(sad_at(s, x, y - 1), s->best_sad, sad_at(s, x, y + 1));
    v.dx_q2 = (int16_t)(4 * x + (still ? fx : 0));
    v.dy_q2 = (int16_t)(4 * y + (still ? fy : 0));
    v.sad = (uint16_t)(s->best_sad / (BLOCK * BLOCK / 16));
    v.still = (uint16_t)(still / (BLOCK * BLOCK / 16));
    return v;
}

static void estimate_block(struct arc_motion *m, const struct plane *from,
                           const struct plane *to, int32_t bx, int32_t by)
{
    int32_t at = by * m->columns + bx;
    int32_t cx = (int32_t)arc_min_i64(bx / 2, m->coarse_columns - 1);
    int32_t cy = (int32_t)arc_min_i64(by / 2, m->coarse_rows - 1);
    struct vec coarse = m->coarse[cy * m->coarse_columns + cx];
    struct search s;

    /* Blocks that reach over the edge are matched by the pixels inside. */
    begin(&s, from, to, (int32_t)arc_min_i64(bx * BLOCK, to->width - BLOCK),
          (int32_t)arc_min_i64(by * BLOCK, to->height - BLOCK), BLOCK,
          ARC_MOTION_MAX_PX);
    consider_neighbours(&s, m->fine, m->columns, m->rows, bx, by);
    consider(&s, SHRINK * coarse.x, SHRINK * coarse.y);
    walk(&s, 2);
    m->fine[at] = s.best;
    m->field[at] = describe(&s, sad_at(&s, 0, 0));
}

static bool usable(const struct arc_vframe *from, const struct arc_vframe *to)
{
    return from->format == ARC_PIX_I420 && to->format == ARC_PIX_I420 &&
           from->width == to->width && from->height == to->height &&
           to->width >= MIN_PX && to->height >= MIN_PX;
}

enum arc_status arc_motion_estimate(struct arc_motion *m,
                                    const struct arc_vframe *from,
                                    const struct arc_vframe *to)
{
    struct plane a, b;
    enum arc_status status;

    if (!m || !from || !to)
        return ARC_ERR_ARG;
    if (!usable(from, to))
        return ARC_ERR_UNSUPPORTED;
    status = resize(m, to->width, to->height);
    if (status != ARC_OK)
        return status;

    a = (struct plane){from->data[0], from->stride[0], from->width,
                       from->height};
    b = (struct plane){to->data[0], to->stride[0], to->width, to->height};
    shrink(from, m->small[0]);
    shrink(to, m->small[1]);
    estimate_coarse(m);
    for (int32_t by = 0; by < m->rows; by++)
        for (int32_t bx = 0; bx < m->columns; bx++)
            estimate_block(m, &a, &b, bx, by);
    return ARC_OK;
}

int32_t arc_motion_columns(const struct arc_motion *m)
{
    return m->columns;
}

int32_t arc_motion_rows(const struct arc_motion *m)
{
    return m->rows;
}

const struct arc_motion_vector *arc_motion_field(const struct arc_motion *m)
{
    return m->field;
}
