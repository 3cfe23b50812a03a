/**
 * @file wire/fecbits.c  What parity FEC protects of a packet
 */
#include <string.h>

#include "base/bytes.h"
#include "wire/fecbits.h"
#include "wire/rtp.h"

enum { PX_CC_BITS = 0x3f, WORD_BITS = 64 };

void arc_fecbits_add(struct arc_fecbits *b, const uint8_t *packet, size_t len)
{
    b->first    ^= packet[0] & PX_CC_BITS; /* the version is not protected */
    b->second   ^= packet[1];
    b->rtp_ts   ^= arc_get_u32(packet + 4);
    b->body_len ^= (uint16_t)(len - ARC_RTP_HEADER_BYTES);
}

void arc_fecbits_xor(uint8_t *to, const uint8_t *from, size_t n)
{
    uint64_t a[4], b[4];
    size_t i = 0;

    for (; n - i >= sizeof(a); i += sizeof(a)) {
        memcpy(a, to + i, sizeof(a));
        memcpy(b, from + i, sizeof(b));
        for (int k = 0; k < 4; k++)
            a[k] ^= b[k];
        memcpy(to + i, a, sizeof(a));
    }
    for (; i < n; i++)
        to[i] ^= from[i];
}

static bool in_mask(const struct arc_fecset *s, int32_t offset)
{
    return s->mask[offset / WORD_BITS] >> (WORD_BITS - 1 - offset % WORD_BITS) & 1;
}

/** Packets from one to the next, where the set is a row or a column. */
static int32_t step_of(const struct arc_fecset *s)
{
    return s->rows > 1 ? s->columns : 1;
}

int32_t arc_fecset_last(const struct arc_fecset *s)
{
    if (s->columns > 0)
        return s->rows > 1 ? (s->rows - 1) * s->columns : s->columns - 1;
    for (int32_t i = ARC_FECSET_MASK_BITS - 1; i >= 0; i--)
        if (in_mask(s, i))
            return i;
    return -1;
}

int32_t arc_fecset_next(const struct arc_fecset *s, int32_t offset)
{
    if (s->columns > 0) {
        int32_t next = offset < 0 ? 0 : offset + step_of(s);

        return next <= arc_fecset_last(s) ? next : -1;
    }
    while (++offset < ARC_FECSET_MASK_BITS)
        if (in_mask(s, offset))
            return offset;
    return -1;
}

void arc_fecset_add(struct arc_fecset *s, int32_t offset)
{
    s->mask[offset / WORD_BITS] |=
        UINT64_C(1) << (WORD_BITS - 1 - offset % WORD_BITS);
}
