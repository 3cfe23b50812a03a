/**
 * @file wire/flexfec.c  The FlexFEC payload: its header in three variants
 */
#include <string.h>

#include "wire/flexfec.h"

enum { R_BIT = 0x80, F_BIT = 0x40, PX_CC_BITS = 0x3f, SHORT_BITS = 15,
       MIDDLE_BITS = 46 };

#define K_BIT_16 0x8000u
#define K_BIT_32 0x80000000u

/* --- reading ------------------------------------------------------------------- */

/** §4.2.2.1: 15 bits; while the k bit in front of them is set 31, then 64 more. */
static void read_mask(struct arc_reader *r, struct arc_fecset *set)
{
    uint32_t part = arc_reader_u16(r);
    bool more = (part & K_BIT_16) != 0;

    set->mask[0] = (uint64_t)(part & ~K_BIT_16) << 49;
    if (!more)
        return;
    part = arc_reader_u32(r);
    more = (part & K_BIT_32) != 0;
    set->mask[0] |= (uint64_t)(part & ~K_BIT_32) << 18;
    if (more) {
        uint64_t rest = arc_reader_u64(r);

        set->mask[0] |= rest >> 46;
        set->mask[1]  = rest << 18;
    }
}

static enum arc_status read_set(struct arc_reader *r, int32_t variant,
                                struct arc_fecset *set)
{
    set->first_seq16 = arc_reader_u16(r);
    if (variant == ARC_FLEXFEC_MASK) {
        read_mask(r, set);
        return arc_fecset_last(set) < 0 ? ARC_ERR_FORMAT : ARC_OK;
    }
    set->columns = arc_reader_u8(r);
    set->rows    = arc_reader_u8(r);
    if (r->fail)
        return ARC_ERR_FORMAT;
    return set->columns == 0 ? ARC_ERR_UNSUPPORTED : ARC_OK; /* Figure 14 */
}

/** §4.2.2.3: the header is the packet's own, but for the version. */
static enum arc_status read_packet(struct arc_reader *r, size_t len,
                                   struct arc_flexfec *h)
{
    h->n_sets = 1;
    h->sets[0].first_seq16 = arc_reader_u16(r);
    arc_fecset_add(&h->sets[0], 0);
    h->bits.rtp_ts   = arc_reader_u32(r);
    h->ssrc          = arc_reader_u32(r);
    h->bits.body_len = (uint16_t)(len - r->pos);
    return r->fail || len - r->pos > UINT16_MAX ? ARC_ERR_FORMAT : ARC_OK;
}

static enum arc_status read_sets(struct arc_reader *r, int32_t n_sources,
                                 struct arc_flexfec *h)
{
    enum arc_status status = ARC_OK;

    h->bits.body_len = arc_reader_u16(r);
    h->bits.rtp_ts   = arc_reader_u32(r);
    if (r->fail || n_sources < 1)
        return ARC_ERR_FORMAT;
    while (status == ARC_OK && h->n_sets < n_sources)
        status = read_set(r, h->variant, &h->sets[h->n_sets++]);
    return r->fail ? ARC_ERR_FORMAT : status;
}

enum arc_status arc_flexfec_parse(const uint8_t *payload, size_t len,
                                  int32_t n_sources, struct arc_flexfec *out)
{
    struct arc_flexfec h;
    struct arc_reader r;
    enum arc_status status;
    uint8_t first;

    if (!payload || !out || n_sources < 0 || n_sources > ARC_FLEXFEC_MAX_SOURCES)
        return ARC_ERR_ARG;
    memset(&h, 0, sizeof(h));
    arc_reader_init(&r, payload, len);
    first = arc_reader_u8(&r);
    if ((first & R_BIT) && (first & F_BIT))
        return ARC_ERR_UNSUPPORTED; /* Figure 11: must be ignored */
    h.variant     = first & R_BIT ? ARC_FLEXFEC_RETRANSMIT
                  : first & F_BIT ? ARC_FLEXFEC_BLOCK : ARC_FLEXFEC_MASK;
    h.bits.first  = first & PX_CC_BITS;
    h.bits.second = arc_reader_u8(&r);
    status = h.variant == ARC_FLEXFEC_RETRANSMIT ? read_packet(&r, len, &h)
                                                 : read_sets(&r, n_sources, &h);
    if (status != ARC_OK)
        return status;
    h.parity_off = (int32_t)r.pos;
    h.parity_len = (int32_t)arc_reader_left(&r);
    *out = h;
    return ARC_OK;
}

/* --- writing ------------------------------------------------------------------- */

static void write_mask(struct arc_writer *w, const struct arc_fecset *set)
{
    const int32_t last = arc_fecset_last(set);
    const bool middle = last >= SHORT_BITS, full = last >= MIDDLE_BITS;

    arc_writer_u16(w, (uint16_t)(set->mask[0] >> 49 | (middle ? K_BIT_16 : 0)));
    if (middle)
        arc_writer_u32(w, ((uint32_t)(set->mask[0] >> 18) & ~K_BIT_32) |
                          (full ? K_BIT_32 : 0));
    if (full)
        arc_writer_u64(w, set->mask[0] << 46 | set->mask[1] >> 18);
}

void arc_flexfec_write(struct arc_writer *w, const struct arc_flexfec *h)
{
    static const uint8_t variant_bits[] = {0, F_BIT, R_BIT};

    arc_writer_u8(w, (uint8_t)(variant_bits[h->variant] |
                               (h->bits.first & PX_CC_BITS)));
    arc_writer_u8(w, h->bits.second);
    if (h->variant == ARC_FLEXFEC_RETRANSMIT) {
        arc_writer_u16(w, h->sets[0].first_seq16);
        arc_writer_u32(w, h->bits.rtp_ts);
        arc_writer_u32(w, h->ssrc);
        return;
    }
    arc_writer_u16(w, h->bits.body_len);
    arc_writer_u32(w, h->bits.rtp_ts);
    for (int32_t i = 0; i < h->n_sets; i++) {
        arc_writer_u16(w, h->sets[i].first_seq16);
        if (h->variant == ARC_FLEXFEC_MASK) {
            write_mask(w, &h->sets[i]);
        } else {
            arc_writer_u8(w, h->sets[i].columns);
            arc_writer_u8(w, h->sets[i].rows);
        }
    }
}
