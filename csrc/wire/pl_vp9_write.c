/**
 * @file wire/pl_vp9_write.c  VP9 in RTP payloads: the payload descriptor, writing
 *
 * Declared in wire/pl_vp9.h.
 */
#include "base/bytes.h"
#include "wire/pl_vp9.h"

enum { /* as in wire/pl_vp9.c (RFC 9628 §4.2) */
    I_BIT = 0x80, P_BIT = 0x40, L_BIT = 0x20, F_BIT = 0x10,
    B_BIT = 0x08, E_BIT = 0x04, Z_BIT = 0x01,
    M_BIT = 0x80, U_BIT = 0x10, D_BIT = 0x01, MORE_REFS_BIT = 0x01,
    SS_SIZES_BIT = 0x10, SS_GROUP_BIT = 0x08,
    MAX_LAYER_ID = 7, MAX_PDIFF = 127
};

static bool is_writable(const struct arc_pl_vp9 *d)
{
    uint8_t bits = d->ids.picture_id_bits;

    if ((bits != 0 && bits != 7 && bits != 15) || d->tid > MAX_LAYER_ID ||
        d->sid > MAX_LAYER_ID || (bits && d->ids.picture_id >> bits))
        return false;
    if (!d->is_flexible)
        return d->n_pdiffs == 0;
    /* §4.2: F needs a PictureID, and P at least one reference. */
    if (bits == 0 || d->n_pdiffs > ARC_PL_VP9_MAX_REFS ||
        d->is_predicted != (d->n_pdiffs > 0))
        return false;
    for (int i = 0; i < d->n_pdiffs; i++)
        if (d->pdiffs[i] < 1 || d->pdiffs[i] > MAX_PDIFF)
            return false;
    return true;
}

static uint8_t first_byte(const struct arc_pl_vp9 *d)
{
    return (uint8_t)((d->ids.picture_id_bits ? I_BIT : 0) |
                     (d->is_predicted ? P_BIT : 0) |
                     (d->has_layers ? L_BIT : 0) |
                     (d->is_flexible ? F_BIT : 0) |
                     (d->starts_frame ? B_BIT : 0) |
                     (d->ends_frame ? E_BIT : 0) |
                     (d->is_no_upper_ref ? Z_BIT : 0));
}

size_t arc_pl_vp9_write(const struct arc_pl_vp9 *d, uint8_t *out)
{
    struct arc_writer w;

    if (!d || !out || !is_writable(d))
        return 0;
    arc_writer_init(&w, out, ARC_PL_VP9_MAX_PLAIN_BYTES);
    arc_writer_u8(&w, first_byte(d));
    if (d->ids.picture_id_bits == 15)
        arc_writer_u16(&w, (uint16_t)(M_BIT << 8 | d->ids.picture_id));
    else if (d->ids.picture_id_bits)
        arc_writer_u8(&w, (uint8_t)d->ids.picture_id);
    if (d->has_layers) {
        arc_writer_u8(&w, (uint8_t)(d->tid << 5 | d->sid << 1 |
                                    (d->is_switching_up ? U_BIT : 0) |
                                    (d->is_inter_layer ? D_BIT : 0)));
        if (!d->is_flexible)
            arc_writer_u8(&w, d->ids.tl0picidx);
    }
    for (int i = 0; i < d->n_pdiffs; i++)
        arc_writer_u8(&w, (uint8_t)(d->pdiffs[i] << 1 |
                                    (i + 1 < d->n_pdiffs ? MORE_REFS_BIT : 0)));
    return w.pos;
}

/* False: a value is out of its range. */
static bool write_picture(struct arc_writer *w,
                          const struct arc_pl_vp9_picture *p)
{
    if (p->tid > MAX_LAYER_ID || p->n_pdiffs > ARC_PL_VP9_MAX_REFS)
        return false;
    arc_writer_u8(w, (uint8_t)(p->tid << 5 | (p->is_switching_up ? U_BIT : 0) |
                               p->n_pdiffs << 2));
    arc_writer_bytes(w, p->pdiffs, p->n_pdiffs);
    return true;
}

enum arc_status arc_pl_vp9_write_ss(const struct arc_pl_vp9_ss *ss,
                                    uint8_t *out, size_t cap, size_t *len_out)
{
    struct arc_writer w;

    if (!ss || !out || !len_out || ss->n_spatial < 1 ||
        ss->n_spatial > ARC_PL_VP9_MAX_SPATIAL)
        return ARC_ERR_ARG;
    arc_writer_init(&w, out, cap);
    arc_writer_u8(&w, (uint8_t)((ss->n_spatial - 1) << 5 |
                                (ss->has_sizes ? SS_SIZES_BIT : 0) |
                                (ss->has_group ? SS_GROUP_BIT : 0)));
    for (int i = 0; ss->has_sizes && i < ss->n_spatial; i++) {
        arc_writer_u16(&w, ss->width_px[i]);
        arc_writer_u16(&w, ss->height_px[i]);
    }
    if (ss->has_group)
        arc_writer_u8(&w, ss->n_pictures);
    for (int i = 0; ss->has_group && i < ss->n_pictures; i++)
        if (!write_picture(&w, &ss->pictures[i]))
            return ARC_ERR_ARG;
    if (w.fail)
        return ARC_ERR_SPACE;
    *len_out = w.pos;
    return ARC_OK;
}
