/**
 * @file wire/ulpfec.c  The ULPFEC payload: FEC header and protection levels
 */
#include <string.h>

#include "wire/ulpfec.h"

enum { LONG_MASK_BIT = 0x40, PX_CC_BITS = 0x3f };

static void read_mask(struct arc_reader *r, bool is_long, struct arc_fecset *set)
{
    set->mask[0] = (uint64_t)arc_reader_u16(r) << 48;
    if (is_long)
        set->mask[0] |= (uint64_t)arc_reader_u32(r) << 16;
}

static enum arc_status read_levels(struct arc_reader *r, uint16_t base_seq16,
                                   struct arc_ulpfec *h)
{
    int32_t body_off = 0;

    while (arc_reader_left(r) > 0 || h->n_levels == 0) {
        struct arc_ulpfec_level *level = &h->levels[h->n_levels];

        if (h->n_levels == ARC_ULPFEC_MAX_LEVELS)
            return ARC_ERR_UNSUPPORTED;
        level->set.first_seq16 = base_seq16;
        level->parity_len = arc_reader_u16(r);
        read_mask(r, h->long_mask, &level->set);
        level->body_off   = body_off;
        level->parity_off = (int32_t)r->pos;
        if (!arc_reader_take(r, (size_t)level->parity_len))
            return ARC_ERR_FORMAT;
        body_off += level->parity_len;
        h->n_levels++;
    }
    return arc_fecset_last(&h->levels[0].set) < 0 ? ARC_ERR_FORMAT : ARC_OK;
}

enum arc_status arc_ulpfec_parse(const uint8_t *payload, size_t len,
                                 struct arc_ulpfec *out)
{
    struct arc_ulpfec h;
    struct arc_reader r;
    enum arc_status status;
    uint16_t base_seq16;
    uint8_t first;

    if (!payload || !out)
        return ARC_ERR_ARG;
    memset(&h, 0, sizeof(h));
    arc_reader_init(&r, payload, len);
    first = arc_reader_u8(&r);
    h.long_mask     = (first & LONG_MASK_BIT) != 0; /* §7.3: the E bit is ignored */
    h.bits.first    = first & PX_CC_BITS;
    h.bits.second   = arc_reader_u8(&r);
    base_seq16      = arc_reader_u16(&r);
    h.bits.rtp_ts   = arc_reader_u32(&r);
    h.bits.body_len = arc_reader_u16(&r);
    status = read_levels(&r, base_seq16, &h);
    if (status == ARC_OK)
        *out = h;
    return status;
}

void arc_ulpfec_write_header(struct arc_writer *w, const struct arc_fecbits *bits,
                             uint16_t base_seq16, bool long_mask)
{
    arc_writer_u8(w, (uint8_t)((bits->first & PX_CC_BITS) |
                               (long_mask ? LONG_MASK_BIT : 0)));
    arc_writer_u8(w, bits->second);
    arc_writer_u16(w, base_seq16);
    arc_writer_u32(w, bits->rtp_ts);
    arc_writer_u16(w, bits->body_len);
}

void arc_ulpfec_write_level(struct arc_writer *w, const struct arc_fecset *set,
                            bool long_mask, uint16_t parity_len)
{
    arc_writer_u16(w, parity_len);
    arc_writer_u16(w, (uint16_t)(set->mask[0] >> 48));
    if (long_mask)
        arc_writer_u32(w, (uint32_t)(set->mask[0] >> 16));
}
