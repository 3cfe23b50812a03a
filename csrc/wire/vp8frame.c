/**
 * @file wire/vp8frame.c  What the first bytes of a VP8 frame say
 */
#include <string.h>

#include "base/bytes.h"
#include "wire/vp8frame.h"

enum {
    TAG_BYTES      = 3,
    SEGMENTS       = 4,
    SEGMENT_PROBS  = 3,
    FILTER_DELTAS  = 8, /* four of reference frames, four of modes (§9.6) */
    PARTITION_SIZE_BYTES = 3,
    SIZE_BITS      = 0x3fff /* the two above scale (§9.1) */
};

/* The boolean decoder (§7.3), for even odds only: those of all flags and
 * numbers of the header. */
struct boolreader {
    struct arc_reader r;
    uint32_t          value; /* two bytes, the first is the one compared      */
    uint32_t          range; /* 128..255                                      */
    int               shifts;
};

static void bool_init(struct boolreader *b, const uint8_t *data, size_t len)
{
    arc_reader_init(&b->r, data, len);
    b->value  = arc_reader_u16(&b->r);
    b->range  = 255;
    b->shifts = 0;
}

static bool read_bool(struct boolreader *b)
{
    uint32_t split = 1 + ((b->range - 1) >> 1);
    bool bit = b->value >= split << 8;

    if (bit) {
        b->range -= split;
        b->value -= split << 8;
    } else {
        b->range = split;
    }
    while (b->range < 128) {
        b->value <<= 1;
        b->range <<= 1;
        if (++b->shifts == 8) {
            b->shifts = 0;
            b->value |= arc_reader_u8(&b->r);
        }
    }
    return bit;
}

static uint32_t read_number(struct boolreader *b, int bits)
{
    uint32_t v = 0;

    while (bits-- > 0)
        v = v << 1 | read_bool(b);
    return v;
}

/* `n` times a flag and, if it is set, a number (and its sign). */
static void skip_optional(struct boolreader *b, int n, int bits)
{
    while (n-- > 0)
        if (read_bool(b))
            read_number(b, bits);
}

/* §9.3 */
static void skip_segmentation(struct boolreader *b)
{
    bool has_map, has_data;

    if (!read_bool(b))
        return;
    has_map  = read_bool(b);
    has_data = read_bool(b);
    if (has_data) {
        read_bool(b);                      /* absolute or delta   */
        skip_optional(b, SEGMENTS, 7 + 1); /* quantizer, sign     */
        skip_optional(b, SEGMENTS, 6 + 1); /* filter level, sign  */
    }
    if (has_map)
        skip_optional(b, SEGMENT_PROBS, 8);
}

/* §9.6 */
static void skip_filter(struct boolreader *b)
{
    read_number(b, 1 + 6 + 3);         /* type, level, sharpness */
    if (read_bool(b) && read_bool(b))  /* deltas in use, and new ones */
        skip_optional(b, FILTER_DELTAS, 6 + 1);
}

/* Partitions of coefficients; 0: the header is cut. */
static int count_partitions(const uint8_t *modes, size_t len, bool is_key)
{
    struct boolreader b;
    uint32_t log2_n;

    bool_init(&b, modes, len);
    if (is_key)
        read_number(&b, 2); /* colour space, clamping (§9.2) */
    skip_segmentation(&b);
    skip_filter(&b);
    log2_n = read_number(&b, 2); /* §9.5 */
    return b.r.fail ? 0 : 1 << log2_n;
}

static uint32_t little_endian24(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

/* What follows the tag of a key frame (§9.1). */
static bool read_key_start(struct arc_reader *r, struct arc_vp8frame *f)
{
    static const uint8_t start_code[3] = {0x9d, 0x01, 0x2a};
    const uint8_t *p = arc_reader_take(r, sizeof(start_code) + 4);

    if (!p || memcmp(p, start_code, sizeof(start_code)) != 0)
        return false;
    f->width_px  = (uint16_t)((p[3] | p[4] << 8) & SIZE_BITS);
    f->height_px = (uint16_t)((p[5] | p[6] << 8) & SIZE_BITS);
    return f->width_px && f->height_px;
}

/* The table behind the modes has the sizes of all but the last (§9.5). */
static bool place_partitions(struct arc_reader *r, int n, size_t len,
                             struct arc_vp8frame *f)
{
    const uint8_t *sizes =
        arc_reader_take(r, (size_t)PARTITION_SIZE_BYTES * (size_t)(n - 1));
    size_t pos = r->pos;

    if (!sizes)
        return false;
    f->n_partitions     = (uint8_t)(n + 1);
    f->partition_end[0] = (uint32_t)pos;
    for (int i = 0; i < n - 1; i++) {
        pos += little_endian24(sizes + PARTITION_SIZE_BYTES * i);
        f->partition_end[i + 1] = (uint32_t)pos;
    }
    f->partition_end[n] = (uint32_t)len;
    return pos <= len;
}

enum arc_status arc_vp8frame_parse(const uint8_t *data, size_t len,
                                   struct arc_vp8frame *out)
{
    struct arc_vp8frame f;
    struct arc_reader r;
    const uint8_t *tag, *modes;
    uint32_t bits;
    int n = 0;

    if (!data || !out)
        return ARC_ERR_ARG;
    memset(&f, 0, sizeof(f));
    arc_reader_init(&r, data, len);
    tag = arc_reader_take(&r, TAG_BYTES);
    if (!tag || len > UINT32_MAX)
        return ARC_ERR_FORMAT;
    bits       = little_endian24(tag);
    f.is_key   = !(bits & 1);
    f.version  = bits >> 1 & 7;
    f.is_shown = bits >> 4 & 1;
    if (f.is_key && !read_key_start(&r, &f))
        return ARC_ERR_FORMAT;
    modes = arc_reader_take(&r, bits >> 5);
    if (modes)
        n = count_partitions(modes, bits >> 5, f.is_key);
    if (n == 0 || !place_partitions(&r, n, len, &f))
        return ARC_ERR_FORMAT;
    *out = f;
    return ARC_OK;
}
