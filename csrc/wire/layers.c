/**
 * @file wire/layers.c  Video layers allocation: the rate of each layer sent
 */
#include <string.h>

#include "base/bytes.h"
#include "wire/layers.h"

enum { STREAMS = 4, SPATIAL = 4, TEMPORAL = 4, LEB128_MAX_BYTES = 8 };

static struct arc_layer *layer_at(struct arc_layers *a, int i)
{
    return &a->layers[i / SPATIAL][i % SPATIAL];
}

/* Little groups of seven bits first (AV1 §4.10.5). */
static uint32_t read_leb128(struct arc_reader *r)
{
    uint64_t v = 0;

    for (int i = 0; i < LEB128_MAX_BYTES; i++) {
        uint8_t byte = arc_reader_u8(r);

        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            r->fail |= v > UINT32_MAX;
            return (uint32_t)v;
        }
    }
    r->fail = true;
    return 0;
}

static void write_leb128(struct arc_writer *w, uint32_t v)
{
    for (; v > 0x7f; v >>= 7)
        arc_writer_u8(w, (uint8_t)(v | 0x80));
    arc_writer_u8(w, (uint8_t)v);
}

/* n_temporal of what the masks name becomes 1. */
static bool read_masks(struct arc_reader *r, uint8_t shared,
                       struct arc_layers *a)
{
    uint8_t masks[STREAMS] = {shared, shared, shared, shared};
    bool any               = false;

    for (int i = 0; !shared && i < a->n_streams; i += 2) {
        uint8_t byte = arc_reader_u8(r);

        masks[i]     = byte >> 4;
        masks[i + 1] = byte & 0x0f;
    }
    for (int i = 0; i < a->n_streams * SPATIAL; i++) {
        layer_at(a, i)->n_temporal = masks[i / SPATIAL] >> i % SPATIAL & 1;
        any |= layer_at(a, i)->n_temporal;
    }
    return any;
}

static void read_temporal(struct arc_reader *r, struct arc_layers *a)
{
    uint8_t byte = 0;
    int n        = 0;

    for (int i = 0; i < STREAMS * SPATIAL; i++) {
        if (!layer_at(a, i)->n_temporal)
            continue;
        if (n % 4 == 0)
            byte = arc_reader_u8(r);
        layer_at(a, i)->n_temporal = (uint8_t)((byte >> (6 - 2 * (n % 4)) & 3) + 1);
        n++;
    }
}

static void read_rest(struct arc_reader *r, struct arc_layers *a)
{
    for (int i = 0; i < STREAMS * SPATIAL; i++) {
        for (int t = 0; t < layer_at(a, i)->n_temporal; t++)
            layer_at(a, i)->rate_kbps[t] = read_leb128(r);
    }
    a->has_sizes = arc_reader_left(r) > 0; /* told by the length alone */
    for (int i = 0; a->has_sizes && i < STREAMS * SPATIAL; i++) {
        struct arc_layer *l = layer_at(a, i);

        if (!l->n_temporal)
            continue;
        l->width_px          = arc_reader_u16(r) + 1u;
        l->height_px         = arc_reader_u16(r) + 1u;
        l->max_frame_rate_hz = arc_reader_u8(r);
    }
}

enum arc_status arc_layers_read(const uint8_t *value, size_t len,
                                struct arc_layers *out)
{
    struct arc_reader r;
    struct arc_layers a;
    uint8_t first;

    if (!value || !out)
        return ARC_ERR_ARG;

    memset(&a, 0, sizeof(a));
    arc_reader_init(&r, value, len);
    first = arc_reader_u8(&r);
    if (r.fail)
        return ARC_ERR_FORMAT;
    if (len > 1 || first) { /* a single zero byte: nothing is sent */
        a.stream_index = first >> 6;
        a.n_streams    = (uint8_t)((first >> 4 & 3) + 1);
        if (a.stream_index >= a.n_streams || !read_masks(&r, first & 0x0f, &a))
            return ARC_ERR_FORMAT;
        read_temporal(&r, &a);
        read_rest(&r, &a);
        if (r.fail || arc_reader_left(&r))
            return ARC_ERR_FORMAT;
    }
    *out = a;
    return ARC_OK;
}

static bool layer_ok(const struct arc_layer *l, bool has_sizes)
{
    return l->n_temporal <= TEMPORAL &&
           (!has_sizes || !l->n_temporal ||
            (l->width_px >= 1 && l->width_px <= 65536 && l->height_px >= 1 &&
             l->height_px <= 65536));
}

static bool layers_ok(const struct arc_layers *a, const uint8_t *masks)
{
    if (a->n_streams > STREAMS || (a->n_streams && a->stream_index >= a->n_streams))
        return false;
    for (int i = 0; i < STREAMS * SPATIAL; i++) {
        const struct arc_layer *l = &a->layers[i / SPATIAL][i % SPATIAL];

        if (!layer_ok(l, a->has_sizes) ||
            (l->n_temporal && i / SPATIAL >= a->n_streams))
            return false;
    }
    return !a->n_streams || masks[0] || masks[1] || masks[2] || masks[3];
}

static void write_head(struct arc_writer *w, const struct arc_layers *a,
                       const uint8_t *masks)
{
    uint8_t shared = masks[0];

    for (int i = 1; i < a->n_streams; i++) {
        if (masks[i] != shared)
            shared = 0;
    }
    arc_writer_u8(w, (uint8_t)(a->stream_index << 6 | (a->n_streams - 1) << 4 |
                               shared));
    for (int i = 0; !shared && i < a->n_streams; i += 2)
        arc_writer_u8(w, (uint8_t)(masks[i] << 4 | masks[i + 1]));
}

static void write_rest(struct arc_writer *w, struct arc_layers *a)
{
    uint8_t bytes[STREAMS] = {0};
    size_t n               = 0;

    for (int i = 0; i < STREAMS * SPATIAL; i++) {
        uint8_t count = layer_at(a, i)->n_temporal;

        if (!count)
            continue;
        bytes[n / 4] |= (uint8_t)((count - 1) << (6 - 2 * (n % 4)));
        n++;
    }
    arc_writer_bytes(w, bytes, (n + 3) / 4);
    for (int i = 0; i < STREAMS * SPATIAL; i++) {
        for (int t = 0; t < layer_at(a, i)->n_temporal; t++)
            write_leb128(w, layer_at(a, i)->rate_kbps[t]);
    }
    for (int i = 0; a->has_sizes && i < STREAMS * SPATIAL; i++) {
        const struct arc_layer *l = layer_at(a, i);

        if (!l->n_temporal)
            continue;
        arc_writer_u16(w, (uint16_t)(l->width_px - 1));
        arc_writer_u16(w, (uint16_t)(l->height_px - 1));
        arc_writer_u8(w, l->max_frame_rate_hz);
    }
}

enum arc_status arc_layers_write(const struct arc_layers *in, uint8_t *out,
                                 size_t cap, size_t *len_out)
{
    struct arc_writer w;
    struct arc_layers a;
    uint8_t masks[STREAMS] = {0};

    if (!in || !out || !len_out)
        return ARC_ERR_ARG;
    a = *in;
    for (int i = 0; i < STREAMS * SPATIAL; i++)
        masks[i / SPATIAL] |=
            (uint8_t)((layer_at(&a, i)->n_temporal > 0) << i % SPATIAL);
    if (!layers_ok(&a, masks))
        return ARC_ERR_ARG;

    arc_writer_init(&w, out, cap);
    if (a.n_streams) {
        write_head(&w, &a, masks);
        write_rest(&w, &a);
    } else {
        arc_writer_u8(&w, 0);
    }
    if (w.fail)
        return ARC_ERR_SPACE;
    *len_out = w.pos;
    return ARC_OK;
}
