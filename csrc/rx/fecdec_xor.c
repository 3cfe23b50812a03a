/**
 * @file rx/fecdec_xor.c  The bytes of a lost packet, from parity and what is here
 */
#include <string.h>

#include "base/bytes.h"
#include "rx/fecdec_parts.h"
#include "wire/flexfec.h"
#include "wire/ulpfec.h"

enum { VERSION_BITS = 0x80, BODY = ARC_RTP_HEADER_BYTES };

/** XOR all packets of a set but one into `body`, which stands for `len` bytes from
 *  `off` behind the fixed header. false: one of them is not there. */
static bool undo(const struct arc_fecdec *d, const struct arc_fecset *set,
                 int64_t first, int64_t lost, uint8_t *body, int32_t off, int32_t len)
{
    for (int32_t k = -1; (k = arc_fecset_next(set, k)) >= 0;) {
        const struct arc_fecdec_slot *s = arc_fecdec_find(d, first + k);
        int32_t n;

        if (first + k == lost)
            continue;
        if (!s || !s->pkt)
            return false;
        n = s->pkt->len - BODY - off;
        if (n > len)
            n = len;
        if (n > 0)
            arc_fecbits_xor(body, s->pkt->data + BODY + off, (size_t)n);
    }
    return true;
}

/** What higher levels of a ULPFEC packet protect of the lost packet: the bytes of
 *  its body from `have` on (RFC 5109 §9.2). @return how many are there then */
static int32_t undo_levels(const struct arc_fecdec *d, const struct arc_fecdec_repair *r,
                           int64_t lost, uint8_t *body, int32_t have, int32_t room)
{
    const uint8_t *payload = r->pkt->data + r->payload_off;
    struct arc_ulpfec h;

    if (arc_ulpfec_parse(payload, (size_t)r->payload_len, &h) != ARC_OK)
        return have;
    for (int32_t i = 1; i < h.n_levels; i++) {
        const struct arc_ulpfec_level *l = &h.levels[i];
        const int32_t bit = (int32_t)(lost - r->first);

        if (bit >= ARC_ULPFEC_LONG_MASK_BITS ||
            !(l->set.mask[0] << bit >> 63) || have + l->parity_len > room)
            return have;
        memcpy(body + have, payload + l->parity_off, (size_t)l->parity_len);
        if (!undo(d, &l->set, r->first, lost, body + have, have, l->parity_len))
            return have;
        have += l->parity_len;
    }
    return have;
}

/** The fixed header of the lost packet; its body_len is told. */
static int32_t undo_header(const struct arc_fecdec *d, const struct arc_fecdec_repair *r,
                           int64_t lost, uint8_t *to)
{
    struct arc_fecbits bits = r->bits;

    for (int32_t k = -1; (k = arc_fecset_next(&r->set, k)) >= 0;) {
        const struct arc_fecdec_slot *s = arc_fecdec_find(d, r->first + k);

        if (r->first + k != lost)
            arc_fecbits_add(&bits, s->pkt->data, (size_t)s->pkt->len);
    }
    to[0] = VERSION_BITS | bits.first;
    to[1] = bits.second;
    arc_put_u16(to + 2, (uint16_t)lost);
    arc_put_u32(to + 4, bits.rtp_ts);
    arc_put_u32(to + 8, d->ssrc);
    return bits.body_len;
}

/** Behind the end of the packet parity is zero: all packets ended before. */
static bool ends_in_zeros(const uint8_t *body, int32_t from, int32_t to)
{
    for (int32_t i = from; i < to; i++)
        if (body[i])
            return false;
    return true;
}

int64_t *arc_fecdec_recover(struct arc_fecdec *d, const struct arc_fecdec_repair *r, int64_t lost,
                        struct arc_pkt *out)
{
    uint8_t *body = out->data + BODY;
    const int32_t room = arc_pkt_tailroom(out) - BODY;
    int32_t body_len = undo_header(d, r, lost, out->data), have = r->parity_len;
    struct arc_rtp h;

    if (body_len > room || have > room)
        return &d->stats.malformed;
    memcpy(body, r->pkt->data + r->payload_off + r->parity_off, (size_t)have);
    undo(d, &r->set, r->first, lost, body, 0, have);
    if (have < body_len && d->cfg.format == ARC_FEC_ULPFEC)
        have = undo_levels(d, r, lost, body, have, room);
    if (have < body_len)
        return d->cfg.format == ARC_FEC_ULPFEC ? &d->stats.partial
                                               : &d->stats.malformed;
    out->len = BODY + body_len;
    if (!ends_in_zeros(body, body_len, have) ||
        arc_rtp_parse(out->data, (size_t)out->len, &h) != ARC_OK)
        return &d->stats.malformed;
    return NULL;
}
