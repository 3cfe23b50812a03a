/**
 * @file wire/pl_vp9.c  VP9 in RTP payloads: the payload descriptor, reading
 *
 * Writing is in wire/pl_vp9_write.c, packer and unpacker in wire/pl_vp9_frame.c.
 */
#include <string.h>

#include "base/bits.h"
#include "base/bytes.h"
#include "wire/pl_vp9.h"

enum { /* the first byte (RFC 9628 §4.2), then those of the fields */
    I_BIT = 0x80, P_BIT = 0x40, L_BIT = 0x20, F_BIT = 0x10,
    B_BIT = 0x08, E_BIT = 0x04, Z_BIT = 0x01,
    M_BIT = 0x80, U_BIT = 0x10, D_BIT = 0x01, MORE_REFS_BIT = 0x01,
    SS_SIZES_BIT = 0x10, SS_GROUP_BIT = 0x08 /* Y and G (§4.2.1) */
};

static void read_picture_id(struct arc_reader *r, struct arc_vpxids *ids)
{
    uint8_t first;

    ids->picture_id_off = (uint8_t)r->pos;
    first               = arc_reader_u8(r);
    if (first & M_BIT) {
        ids->picture_id_bits = 15;
        ids->picture_id =
            (uint16_t)((first & ~M_BIT) << 8 | arc_reader_u8(r));
    } else {
        ids->picture_id_bits = 7;
        ids->picture_id      = first;
    }
}

static void read_layers(struct arc_reader *r, struct arc_pl_vp9 *d)
{
    uint8_t byte = arc_reader_u8(r);

    d->tid             = byte >> 5;
    d->is_switching_up = byte & U_BIT;
    d->sid             = byte >> 1 & 7;
    d->is_inter_layer  = byte & D_BIT;
    if (!d->is_flexible) { /* only then: TL0PICIDX */
        d->ids.tl0picidx_off = (uint8_t)r->pos;
        d->ids.tl0picidx     = arc_reader_u8(r);
    }
}

/* True unless there are more than three, or one refers to its own picture. */
static bool read_pdiffs(struct arc_reader *r, struct arc_pl_vp9 *d)
{
    uint8_t byte;

    do {
        byte = arc_reader_u8(r);
        if (d->n_pdiffs == ARC_PL_VP9_MAX_REFS || byte >> 1 == 0)
            return false;
        d->pdiffs[d->n_pdiffs++] = byte >> 1;
    } while (byte & MORE_REFS_BIT);
    return !r->fail;
}

/* `ss` may be NULL: then only the length is found. */
static void read_picture(struct arc_reader *r, struct arc_pl_vp9_picture *out)
{
    uint8_t byte = arc_reader_u8(r), n = byte >> 2 & 3;
    const uint8_t *pdiffs = arc_reader_take(r, n);

    if (!out || !pdiffs)
        return;
    out->tid             = byte >> 5;
    out->is_switching_up = byte & U_BIT;
    out->n_pdiffs        = n;
    memcpy(out->pdiffs, pdiffs, n);
}

static void read_sizes(struct arc_reader *r, int n_spatial,
                       struct arc_pl_vp9_ss *ss)
{
    for (int i = 0; i < n_spatial; i++) {
        uint16_t width = arc_reader_u16(r), height = arc_reader_u16(r);

        if (ss) {
            ss->width_px[i]  = width;
            ss->height_px[i] = height;
        }
    }
}

/* `ss`, zeros before, may be NULL: then only the end is looked for. */
static void walk_ss(struct arc_reader *r, struct arc_pl_vp9_ss *ss)
{
    uint8_t byte = arc_reader_u8(r), n_pictures = 0;
    int n_spatial = (byte >> 5) + 1;

    if (byte & SS_SIZES_BIT)
        read_sizes(r, n_spatial, ss);
    if (byte & SS_GROUP_BIT)
        n_pictures = arc_reader_u8(r);
    for (int i = 0; i < n_pictures && !r->fail; i++)
        read_picture(r, ss ? &ss->pictures[i] : NULL);
    if (ss) {
        ss->n_spatial  = (uint8_t)n_spatial;
        ss->has_sizes  = byte & SS_SIZES_BIT;
        ss->has_group  = byte & SS_GROUP_BIT;
        ss->n_pictures = n_pictures;
    }
}

/* The first bits of a frame: marker 2, profile 2 (and a zero in profile 3),
 * show_existing_frame, and frame_type, 0 for a key frame (VP9 bitstream
 * specification, 6.2). */
static bool begins_key_frame(uint8_t data)
{
    struct arc_bitreader r;
    uint32_t profile;

    arc_bitreader_init(&r, &data, 1);
    if (arc_bitreader_u(&r, 2) != 2)
        return false;
    profile = arc_bitreader_u(&r, 1);
    profile += 2 * arc_bitreader_u(&r, 1);
    if (profile == 3)
        arc_bitreader_u(&r, 1);
    return !arc_bitreader_flag(&r) && !arc_bitreader_flag(&r);
}

/* What the bits of the first byte announce; false where it cannot be. */
static bool read_fields(struct arc_reader *r, uint8_t first,
                        struct arc_pl_vp9 *d)
{
    if (first & I_BIT)
        read_picture_id(r, &d->ids);
    else if (d->is_flexible)
        return false; /* §4.2: F needs a PictureID to count from */
    if (d->has_layers)
        read_layers(r, d);
    if (d->is_flexible && d->is_predicted && !read_pdiffs(r, d))
        return false;
    if (first & ARC_PL_VP9_V_BIT) {
        d->ss_off = (uint16_t)r->pos;
        walk_ss(r, NULL);
    }
    d->descriptor_len = (uint16_t)r->pos;
    return true;
}

enum arc_status arc_pl_vp9_parse(const uint8_t *payload, size_t len,
                                 struct arc_pl_vp9 *out)
{
    struct arc_pl_vp9 d;
    struct arc_reader r;
    uint8_t first, data;

    if (!payload || !out)
        return ARC_ERR_ARG;

    memset(&d, 0, sizeof(d));
    arc_reader_init(&r, payload, len);
    first             = arc_reader_u8(&r);
    d.is_predicted    = first & P_BIT;
    d.has_layers      = first & L_BIT;
    d.is_flexible     = first & F_BIT;
    d.starts_frame    = first & B_BIT;
    d.ends_frame      = first & E_BIT;
    d.is_no_upper_ref = first & Z_BIT;
    if (!read_fields(&r, first, &d))
        return ARC_ERR_FORMAT;

    data = arc_reader_u8(&r);
    if (r.fail)
        return ARC_ERR_FORMAT;
    d.is_key_data = d.starts_frame && begins_key_frame(data);
    *out          = d;
    return ARC_OK;
}

enum arc_status arc_pl_vp9_read_ss(const uint8_t *payload, size_t len,
                                   const struct arc_pl_vp9 *d,
                                   struct arc_pl_vp9_ss *out)
{
    struct arc_pl_vp9_ss ss;
    struct arc_reader r;

    if (!payload || !d || !out)
        return ARC_ERR_ARG;
    if (d->ss_off == 0)
        return ARC_AGAIN;

    memset(&ss, 0, sizeof(ss));
    arc_reader_init(&r, payload, len);
    arc_reader_take(&r, d->ss_off);
    walk_ss(&r, &ss);
    if (r.fail)
        return ARC_ERR_FORMAT;
    *out = ss;
    return ARC_OK;
}
