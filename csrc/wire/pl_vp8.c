/**
 * @file wire/pl_vp8.c  VP8 in RTP payloads: the payload descriptor
 *
 * Packer and unpacker are in wire/pl_vp8_frame.c.
 */
#include <string.h>

#include "base/bytes.h"
#include "wire/pl_vp8.h"

enum { /* the first byte, then the extension byte (RFC 7741 figure 2) */
    X_BIT = 0x80, N_BIT = 0x20, S_BIT = 0x10, PID_BITS = 0x07,
    I_BIT = 0x80, L_BIT = 0x40, T_BIT = 0x20, K_BIT = 0x10,
    M_BIT = 0x80, Y_BIT = 0x20, KEYIDX_BITS = 0x1f,
    INTER_FRAME_BIT = 0x01 /* P of the payload header (§4.3) */
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

static void read_tid_keyidx(struct arc_reader *r, bool has_keyidx,
                            struct arc_pl_vp8 *d)
{
    size_t off = r->pos;
    uint8_t byte = arc_reader_u8(r);

    if (d->has_tid) {
        d->tid           = byte >> 6;
        d->is_layer_sync = byte & Y_BIT;
    }
    if (has_keyidx) {
        d->ids.keyidx_off = (uint8_t)off;
        d->ids.keyidx     = byte & KEYIDX_BITS;
    }
}

static void read_extension(struct arc_reader *r, struct arc_pl_vp8 *d)
{
    uint8_t bits = arc_reader_u8(r);

    if (bits & I_BIT)
        read_picture_id(r, &d->ids);
    if (bits & L_BIT) {
        d->ids.tl0picidx_off = (uint8_t)r->pos;
        d->ids.tl0picidx     = arc_reader_u8(r);
    }
    d->has_tid = bits & T_BIT;
    if (bits & (T_BIT | K_BIT))
        read_tid_keyidx(r, bits & K_BIT, d);
}

enum arc_status arc_pl_vp8_parse(const uint8_t *payload, size_t len,
                                 struct arc_pl_vp8 *out)
{
    struct arc_pl_vp8 d;
    struct arc_reader r;
    uint8_t first, data;

    if (!payload || !out)
        return ARC_ERR_ARG;

    memset(&d, 0, sizeof(d));
    arc_reader_init(&r, payload, len);
    first              = arc_reader_u8(&r);
    d.is_non_reference = first & N_BIT;
    d.starts_partition = first & S_BIT;
    d.partition        = first & PID_BITS;
    d.starts_frame     = d.starts_partition && d.partition == 0;
    if (first & X_BIT)
        read_extension(&r, &d);
    d.descriptor_len = (uint8_t)r.pos;

    data = arc_reader_u8(&r);
    if (r.fail)
        return ARC_ERR_FORMAT;
    d.is_key = d.starts_frame && !(data & INTER_FRAME_BIT);
    *out     = d;
    return ARC_OK;
}

static bool is_writable(const struct arc_pl_vp8 *d)
{
    uint8_t bits = d->ids.picture_id_bits;

    return (bits == 0 || bits == 7 || bits == 15) &&
           (bits == 0 || d->ids.picture_id >> bits == 0) && d->tid <= 3 &&
           d->ids.keyidx <= KEYIDX_BITS && d->partition <= PID_BITS &&
           (d->has_tid || !d->ids.tl0picidx_off);
}

/* The extension byte and what it announces. */
static void write_extension(struct arc_writer *w, const struct arc_pl_vp8 *d,
                            uint8_t bits)
{
    arc_writer_u8(w, bits);
    if (d->ids.picture_id_bits == 15)
        arc_writer_u16(w, (uint16_t)(M_BIT << 8 | d->ids.picture_id));
    else if (bits & I_BIT)
        arc_writer_u8(w, (uint8_t)d->ids.picture_id);
    if (bits & L_BIT)
        arc_writer_u8(w, d->ids.tl0picidx);
    if (bits & (T_BIT | K_BIT))
        arc_writer_u8(w, (uint8_t)(
            (d->has_tid ? d->tid << 6 | (d->is_layer_sync ? Y_BIT : 0) : 0) |
            (bits & K_BIT ? d->ids.keyidx : 0)));
}

size_t arc_pl_vp8_write(const struct arc_pl_vp8 *d, uint8_t *out)
{
    struct arc_writer w;
    uint8_t bits;

    if (!d || !out || !is_writable(d))
        return 0;
    bits = (uint8_t)((d->ids.picture_id_bits ? I_BIT : 0) |
                     (d->ids.tl0picidx_off ? L_BIT : 0) |
                     (d->has_tid ? T_BIT : 0) |
                     (d->ids.keyidx_off ? K_BIT : 0));
    arc_writer_init(&w, out, ARC_PL_VP8_MAX_DESCRIPTOR_BYTES);
    arc_writer_u8(&w, (uint8_t)((bits ? X_BIT : 0) |
                                (d->is_non_reference ? N_BIT : 0) |
                                (d->starts_partition ? S_BIT : 0) |
                                d->partition));
    if (bits)
        write_extension(&w, d, bits);
    return w.pos;
}
