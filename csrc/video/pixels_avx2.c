/**
 * @file video/pixels_avx2.c  Rows of pixels, 16 or 32 at a time (x86 with AVX2)
 *
 * What is left at the end of a row, less than one turn of the loop, is done by
 * the plain functions. AVX2 works in two lanes of 16 bytes that do not mix: after
 * packing, the order within a row is mended by one permutation.
 */
#include <stddef.h>

#include "video/pixels.h"

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

enum { PER_TURN = 32, RGB_PER_TURN = 16 };

/* 8 pixels of 3 bytes: their first two bytes as pairs of 16 bits, and the third
 * one, 32 bits a pixel. */
struct pixels8 {
    __m256i first, third;
};

AVX2 static inline struct pixels8 load8(const uint8_t *p)
{
    /* The upper lane holds bytes 8..23, of which the first four are not its. */
    const __m256i pick_first = _mm256_setr_epi8(
        0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1,
        4, -1, 5, -1, 7, -1, 8, -1, 10, -1, 11, -1, 13, -1, 14, -1);
    const __m256i pick_third = _mm256_setr_epi8(
        2, -1, -1, -1, 5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1,
        6, -1, -1, -1, 9, -1, -1, -1, 12, -1, -1, -1, 15, -1, -1, -1);
    const __m256i bytes = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)),
        _mm_loadu_si128((const __m128i *)(p + 8)), 1);
    struct pixels8 out = {_mm256_shuffle_epi8(bytes, pick_first),
                          _mm256_shuffle_epi8(bytes, pick_third)};

    return out;
}

struct weights {
    __m256i first, third, bias;
};

AVX2 static inline struct weights weights(const int16_t c[3], int32_t bias)
{
    struct weights w = {
        _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)c[1] << 16 |
                                    (uint16_t)c[0])),
        _mm256_set1_epi32((uint16_t)c[2]), _mm256_set1_epi32(bias)};

    return w;
}

AVX2 static inline __m256i weigh(struct weights w, struct pixels8 p)
{
    return _mm256_add_epi32(
        _mm256_add_epi32(_mm256_madd_epi16(p.first, w.first),
                         _mm256_madd_epi16(p.third, w.third)), w.bias);
}

AVX2 static inline __m256i in_order(__m256i packed)
{
    return _mm256_permutevar8x32_epi32(
        packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* 16 luma samples, 16 bits each, in the order that packing leaves. */
AVX2 static inline __m256i luma16(struct weights w, struct pixels8 a,
                                  struct pixels8 b)
{
    const int bits = ARC_PIXELS_TO_YUV_BITS;

    return _mm256_packs_epi32(_mm256_srai_epi32(weigh(w, a), bits),
                              _mm256_srai_epi32(weigh(w, b), bits));
}

/* Sums over neighbours of two vectors of 8: at most 4 x 255, so the halves of 32
 * bits do not run into each other. */
AVX2 static inline struct pixels8 join(struct pixels8 a, struct pixels8 b)
{
    struct pixels8 out = {_mm256_hadd_epi32(a.first, b.first),
                          _mm256_hadd_epi32(a.third, b.third)};

    return out;
}

/* Luma of 16 columns of two rows, and their sums for chroma. */
AVX2 static inline __m256i luma_and_sum(struct weights w, const uint8_t *top,
                                        const uint8_t *low, __m256i *luma_low,
                                        struct pixels8 *sum)
{
    const struct pixels8 a = load8(top), b = load8(top + 24);
    const struct pixels8 c = load8(low), d = load8(low + 24);
    const struct pixels8 ac = {_mm256_add_epi16(a.first, c.first),
                               _mm256_add_epi16(a.third, c.third)};
    const struct pixels8 bd = {_mm256_add_epi16(b.first, d.first),
                               _mm256_add_epi16(b.third, d.third)};

    *sum = join(ac, bd);
    *luma_low = luma16(w, c, d);
    return luma16(w, a, b);
}

AVX2 static inline void store_luma(__m256i a, __m256i b, uint8_t *dst)
{
    _mm256_storeu_si256((__m256i *)dst, in_order(_mm256_packus_epi16(a, b)));
}

AVX2 static inline __m256i chroma16(struct weights w, const struct pixels8 s[2])
{
    const int bits = ARC_PIXELS_TO_YUV_BITS + 2;

    return in_order(_mm256_packs_epi32(_mm256_srai_epi32(weigh(w, s[0]), bits),
                                       _mm256_srai_epi32(weigh(w, s[1]), bits)));
}

AVX2 static inline void store_chroma(__m256i u16, __m256i v16, uint8_t *u,
                                     uint8_t *v)
{
    __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi16(u16, v16),
                                            _MM_SHUFFLE(3, 1, 2, 0));
    __m128i us = _mm256_castsi256_si128(both);
    __m128i vs = _mm256_extracti128_si256(both, 1);

    if (v) {
        _mm_storeu_si128((__m128i *)u, us);
        _mm_storeu_si128((__m128i *)v, vs);
    } else {
        _mm_storeu_si128((__m128i *)u, _mm_unpacklo_epi8(us, vs));
        _mm_storeu_si128((__m128i *)(u + 16), _mm_unpackhi_epi8(us, vs));
    }
}

AVX2 static void from_rgb(const struct arc_rgb_to_yuv *c,
                          const uint8_t *const src[2], uint8_t *const luma[2],
                          uint8_t *u, uint8_t *v, int32_t width)
{
    const struct weights wy = weights(c->y, c->luma_bias);
    const struct weights wu = weights(c->u, c->chroma_bias);
    const struct weights wv = weights(c->v, c->chroma_bias);
    const ptrdiff_t done = width - width % PER_TURN;
    const uint8_t *rest[2] = {src[0] + 3 * done, src[1] + 3 * done};
    uint8_t *luma_rest[2] = {luma[0] + done, luma[1] + done};

    for (ptrdiff_t x = 0; x < done; x += PER_TURN) {
        const uint8_t *top = src[0] + 3 * x, *low = src[1] + 3 * x;
        struct pixels8 sum[2];
        __m256i y[4];

        y[0] = luma_and_sum(wy, top, low, &y[2], &sum[0]);
        y[1] = luma_and_sum(wy, top + 48, low + 48, &y[3], &sum[1]);
        store_luma(y[0], y[1], luma[0] + x);
        store_luma(y[2], y[3], luma[1] + x);
        store_chroma(chroma16(wu, sum), chroma16(wv, sum),
                     u + (v ? x / 2 : x), v ? v + x / 2 : NULL);
    }
    if (done < width)
        arc_pixel_rows_plain.from_rgb(c, rest, luma_rest,
                                      u + (v ? done / 2 : done),
                                      v ? v + done / 2 : NULL,
                                      width - (int32_t)done);
}

/* 8 chroma samples, each twice, less 128 and times 2^8. */
AVX2 static inline __m256i chroma_twice(__m128i samples)
{
    const __m256i twice =
        _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(samples, samples));

    return _mm256_slli_epi16(_mm256_sub_epi16(twice, _mm256_set1_epi16(128)), 8);
}

struct yuv16 {
    __m256i y, u, v;
};

AVX2 static inline struct yuv16 load_yuv(const uint8_t *y, const uint8_t *u,
                                         const uint8_t *v, __m256i black)
{
    const __m256i luma =
        _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)y));
    struct yuv16 out;
    __m128i us, vs;

    if (v) {
        us = _mm_loadl_epi64((const __m128i *)u);
        vs = _mm_loadl_epi64((const __m128i *)v);
    } else {
        const __m128i uv = _mm_loadu_si128((const __m128i *)u);

        us = _mm_packus_epi16(_mm_and_si128(uv, _mm_set1_epi16(255)), uv);
        vs = _mm_packus_epi16(_mm_srli_epi16(uv, 8), uv);
    }
    out.y = _mm256_slli_epi16(_mm256_sub_epi16(luma, black), 7);
    out.u = chroma_twice(us);
    out.v = chroma_twice(vs);
    return out;
}

/* Three vectors of 16 to 48 bytes that take turns. */
AVX2 static inline void store_rgb(__m128i a, __m128i b, __m128i c, uint8_t *dst)
{
    const __m128i a0 = _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1,
                                     4, -1, -1, 5);
    const __m128i a1 = _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9,
                                     -1, -1, 10, -1);
    const __m128i a2 = _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14,
                                     -1, -1, 15, -1, -1);
    const __m128i b0 = _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1,
                                     -1, 4, -1, -1);
    const __m128i b1 = _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1,
                                     9, -1, -1, 10);
    const __m128i b2 = _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1,
                                     14, -1, -1, 15, -1);
    const __m128i c0 = _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3,
                                     -1, -1, 4, -1);
    const __m128i c1 = _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1,
                                     -1, 9, -1, -1);
    const __m128i c2 = _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1,
                                     -1, 14, -1, -1, 15);
    __m128i *out = (__m128i *)dst;

    _mm_storeu_si128(out, _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(a, a0),
                                                    _mm_shuffle_epi8(b, b0)),
                                       _mm_shuffle_epi8(c, c0)));
    _mm_storeu_si128(out + 1, _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(a, a1),
                                                        _mm_shuffle_epi8(b, b1)),
                                           _mm_shuffle_epi8(c, c1)));
    _mm_storeu_si128(out + 2, _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(a, a2),
                                                        _mm_shuffle_epi8(b, b2)),
                                           _mm_shuffle_epi8(c, c2)));
}

AVX2 static inline __m256i samples_of(__m256i luma, __m256i chroma)
{
    return _mm256_srai_epi16(_mm256_adds_epi16(luma, chroma),
                             ARC_PIXELS_TO_RGB_BITS);
}

AVX2 static void to_rgb(const struct arc_yuv_to_rgb *c, const uint8_t *y,
                        const uint8_t *u, const uint8_t *v, uint8_t *dst,
                        int32_t width)
{
    const __m256i w_luma = _mm256_set1_epi16(c->luma);
    const __m256i w_red = _mm256_set1_epi16(c->red_v);
    const __m256i w_green_u = _mm256_set1_epi16(c->green_u);
    const __m256i w_green_v = _mm256_set1_epi16(c->green_v);
    const __m256i w_blue = _mm256_set1_epi16(c->blue_u);
    const __m256i black = _mm256_set1_epi16(c->black);
    const __m256i half = _mm256_set1_epi16((1 << ARC_PIXELS_TO_RGB_BITS) / 2);
    const ptrdiff_t done = width - width % RGB_PER_TURN;

    for (ptrdiff_t x = 0; x < done; x += RGB_PER_TURN) {
        const struct yuv16 p = load_yuv(y + x, u + (v ? x / 2 : x),
                                        v ? v + x / 2 : NULL, black);
        const __m256i luma =
            _mm256_add_epi16(_mm256_mulhrs_epi16(p.y, w_luma), half);
        const __m256i red = samples_of(luma, _mm256_mulhrs_epi16(p.v, w_red));
        const __m256i blue = samples_of(luma, _mm256_mulhrs_epi16(p.u, w_blue));
        const __m256i green =
            samples_of(luma, _mm256_add_epi16(_mm256_mulhrs_epi16(p.u, w_green_u),
                                              _mm256_mulhrs_epi16(p.v, w_green_v)));
        const __m256i outer = _mm256_permute4x64_epi64(
            c->bgr ? _mm256_packus_epi16(blue, red)
                   : _mm256_packus_epi16(red, blue), _MM_SHUFFLE(3, 1, 2, 0));

        store_rgb(_mm256_castsi256_si128(outer),
                  _mm_packus_epi16(_mm256_castsi256_si128(green),
                                   _mm256_extracti128_si256(green, 1)),
                  _mm256_extracti128_si256(outer, 1), dst + 3 * x);
    }
    if (done < width)
        arc_pixel_rows_plain.to_rgb(c, y + done, u + (v ? done / 2 : done),
                                    v ? v + done / 2 : NULL, dst + 3 * done,
                                    width - (int32_t)done);
}

/* 16 means out of two times 32 samples, neighbours side by side. */
AVX2 static inline __m256i mean16(__m256i a, __m256i b)
{
    const __m256i ones = _mm256_set1_epi8(1);
    __m256i sum = _mm256_add_epi16(_mm256_maddubs_epi16(a, ones),
                                   _mm256_maddubs_epi16(b, ones));

    return _mm256_srli_epi16(_mm256_add_epi16(sum, _mm256_set1_epi16(2)), 2);
}

AVX2 static inline __m256i load32(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

AVX2 static inline void store32(__m256i low, __m256i high, uint8_t *dst)
{
    _mm256_storeu_si256((__m256i *)dst,
                        _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high),
                                                 _MM_SHUFFLE(3, 1, 2, 0)));
}

AVX2 static void halve(const uint8_t *a, const uint8_t *b, uint8_t *dst,
                       int32_t width)
{
    const ptrdiff_t done = width - width % PER_TURN;

    for (ptrdiff_t x = 0; x < done; x += PER_TURN)
        store32(mean16(load32(a + 2 * x), load32(b + 2 * x)),
                mean16(load32(a + 2 * x + 32), load32(b + 2 * x + 32)), dst + x);
    arc_pixel_rows_plain.halve(a + 2 * done, b + 2 * done, dst + done,
                               width - (int32_t)done);
}

/* U V U V to U U V V. */
AVX2 static inline __m256i load_pairs(const uint8_t *p)
{
    const __m256i order = _mm256_setr_epi8(
        0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15,
        0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);

    return _mm256_shuffle_epi8(load32(p), order);
}

AVX2 static void halve_pairs(const uint8_t *a, const uint8_t *b, uint8_t *dst,
                             int32_t width)
{
    const ptrdiff_t done = width - width % (PER_TURN / 2);

    for (ptrdiff_t x = 0; x < 2 * done; x += PER_TURN)
        store32(mean16(load_pairs(a + 2 * x), load_pairs(b + 2 * x)),
                mean16(load_pairs(a + 2 * x + 32), load_pairs(b + 2 * x + 32)),
                dst + x);
    arc_pixel_rows_plain.halve_pairs(a + 4 * done, b + 4 * done, dst + 2 * done,
                                     width - (int32_t)done);
}

static const struct arc_pixel_rows rows = {from_rgb, to_rgb, halve, halve_pairs};

const struct arc_pixel_rows *arc_pixel_rows_avx2(void)
{
    return __builtin_cpu_supports("avx2") ? &rows : NULL;
}

#else

const struct arc_pixel_rows *arc_pixel_rows_avx2(void)
{
    return NULL;
}

#endif
