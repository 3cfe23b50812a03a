/**
 * @file wire/vpxids.c  Running numbers in the descriptors of VP8 and VP9
 */
#include "base/bytes.h"
#include "wire/vpxids.h"

enum { M_BIT = 0x80, KEYIDX_BITS = 0x1f };

void arc_vpxids_write(const struct arc_vpxids *ids, uint8_t *payload,
                      size_t len)
{
    if (!ids || !payload)
        return;
    if (ids->picture_id_bits == 15 && ids->picture_id_off + 1u < len)
        arc_put_u16(payload + ids->picture_id_off,
                    (uint16_t)(M_BIT << 8 | ids->picture_id));
    else if (ids->picture_id_bits == 7 && ids->picture_id_off < len)
        payload[ids->picture_id_off] = ids->picture_id & 0x7f;

    if (ids->tl0picidx_off && ids->tl0picidx_off < len)
        payload[ids->tl0picidx_off] = ids->tl0picidx;
    if (ids->keyidx_off && ids->keyidx_off < len)
        payload[ids->keyidx_off] =
            (uint8_t)((payload[ids->keyidx_off] & ~KEYIDX_BITS) |
                      (ids->keyidx & KEYIDX_BITS));
}
