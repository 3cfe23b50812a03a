/**
 * @file base/seq.c  Wrapping counters: order and unwrapping
 */
#include "base/seq.h"

int32_t arc_seq16_diff(uint16_t a, uint16_t b)
{
    int32_t d = (uint16_t)(a - b);

    return d < 0x8000 ? d : d - 0x10000;
}

int32_t arc_ts32_diff(uint32_t a, uint32_t b)
{
    int64_t d = (uint32_t)(a - b);

    return (int32_t)(d < INT64_C(0x80000000) ? d : d - INT64_C(0x100000000));
}

void arc_unwrap_init(struct arc_unwrap *u)
{
    u->last    = 0;
    u->started = false;
}

int64_t arc_unwrap_peek_seq16(const struct arc_unwrap *u, uint16_t seq16)
{
    if (!u->started)
        return INT64_C(0x10000) + seq16;
    return u->last + arc_seq16_diff(seq16, (uint16_t)u->last);
}

int64_t arc_unwrap_seq16(struct arc_unwrap *u, uint16_t seq16)
{
    u->last    = arc_unwrap_peek_seq16(u, seq16);
    u->started = true;
    return u->last;
}

int64_t arc_unwrap_ts32(struct arc_unwrap *u, uint32_t ts32)
{
    if (!u->started)
        u->last = INT64_C(0x100000000) + ts32;
    else
        u->last += arc_ts32_diff(ts32, (uint32_t)u->last);
    u->started = true;
    return u->last;
}
