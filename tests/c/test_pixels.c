/**
 * @file tests/c/test_pixels.c  Rows of pixels: the vectors give what plain C gives
 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "video/colour.h"
#include "check.h"

enum { MOST = 200, GUARD = 64, ROW = 3 * 2 * MOST + 2 * GUARD, FILL = 0xa5 };

struct rows {
    uint8_t bytes[4][ROW];
};

static void fill(struct rows *r, struct arc_rng *rng)
{
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < ROW; k++)
            r->bytes[i][k] = (uint8_t)arc_rng_u64(rng);
}

/* Each output begins GUARD bytes into its row; all else stays as it was. */
static uint8_t *out(struct rows *r, int i)
{
    return r->bytes[i] + GUARD;
}

static void both_agree(const struct arc_pixel_rows *fast, int32_t width,
                       struct arc_rng *rng, bool bgr, bool pairs)
{
    static struct rows in, a, b;
    const struct arc_pixel_rows *all[2] = {&arc_pixel_rows_plain, fast};
    struct rows *results[2] = {&a, &b};
    /* Signs and sizes as in BT.709, so that sums reach both ends. */
    const struct arc_rgb_to_yuv to = {
        {6966, 23436, 2366}, {-3755, -12629, 16384}, {16384, -14881, -1503},
        1 << 14, 514 * (1 << 15)};
    const struct arc_yuv_to_rgb from = {19077, 14686, -1747, -4366, 17305, 16,
                                        bgr};

    fill(&in, rng);
    for (int i = 0; i < 2; i++) {
        struct rows *r = results[i];
        const uint8_t *src[2] = {in.bytes[0] + 1, in.bytes[1] + 5};
        uint8_t *luma[2] = {out(r, 0), out(r, 1)};

        memset(r, FILL, sizeof(*r));
        all[i]->from_rgb(&to, src, luma, out(r, 2), pairs ? NULL : out(r, 3),
                         width);
    }
    CHECK(memcmp(&a, &b, sizeof(a)) == 0);
    CHECK(a.bytes[0][GUARD - 1] == FILL && a.bytes[0][GUARD + width] == FILL);

    for (int i = 0; i < 2; i++) {
        memset(results[i], FILL, sizeof(*results[i]));
        all[i]->to_rgb(&from, in.bytes[0] + 3, in.bytes[1],
                       pairs ? NULL : in.bytes[2], out(results[i], 0), width);
        all[i]->halve(in.bytes[0], in.bytes[1] + 1, out(results[i], 1), width);
        all[i]->halve_pairs(in.bytes[0], in.bytes[1] + 1, out(results[i], 2),
                            width);
    }
    CHECK(memcmp(&a, &b, sizeof(a)) == 0);
    CHECK(a.bytes[0][GUARD + 3 * width] == FILL);
    CHECK(a.bytes[1][GUARD + width] == FILL);
    CHECK(a.bytes[2][GUARD + 2 * width] == FILL);
}

static void test_vectors_agree_with_plain_rows_of_every_width(void)
{
    const struct arc_pixel_rows *fast = arc_pixel_rows_best();
    struct arc_rng rng;

    arc_rng_init(&rng, 20);
    for (int32_t width = 1; width <= MOST; width++)
        both_agree(fast, width, &rng, width & 1, width & 2);
}

/* Rows that end where their memory ends: AddressSanitizer sees a byte too many. */
static void test_rows_are_read_to_their_end_only(void)
{
    const struct arc_pixel_rows *fast = arc_pixel_rows_best();
    const struct arc_rgb_to_yuv to = {{9798, 19235, 3735}, {-5529, -10855, 16384},
                                      {16384, -13720, -2664}, 1 << 14,
                                      514 * (1 << 15)};
    const struct arc_yuv_to_rgb from = {16384, 11485, -2819, -5850, 14516, 0,
                                        false};

    for (int32_t width = 1; width <= MOST; width++) {
        const size_t n = (size_t)width, half = (n + 1) / 2;
        uint8_t *rgb = malloc(3 * n), *luma = malloc(n), *u = malloc(half);
        uint8_t *v = malloc(half), *uv = malloc(2 * half), *wide = malloc(4 * n);
        const uint8_t *src[2] = {rgb, rgb};
        uint8_t *rows[2] = {luma, luma};

        memset(rgb, 200, 3 * n);
        fast->from_rgb(&to, src, rows, u, v, width);
        fast->from_rgb(&to, src, rows, uv, NULL, width);
        CHECK(luma[n - 1] == 200 && u[half - 1] == 128 && v[half - 1] == 128);
        CHECK(uv[2 * half - 1] == 128);
        fast->to_rgb(&from, luma, u, v, rgb, width);
        fast->to_rgb(&from, luma, uv, NULL, rgb, width);
        CHECK(rgb[0] == 200 && rgb[3 * n - 1] == 200);
        memset(wide, 7, 4 * n);
        fast->halve(wide, wide + 2 * n, luma, width);
        fast->halve_pairs(wide, wide, rgb, width);
        CHECK(luma[n - 1] == 7 && rgb[2 * n - 1] == 7);
        free(rgb);
        free(luma);
        free(u);
        free(v);
        free(uv);
        free(wide);
    }
}

int main(void)
{
    test_rows_are_read_to_their_end_only();
    test_vectors_agree_with_plain_rows_of_every_width();
    return check_done("test_pixels");
}
