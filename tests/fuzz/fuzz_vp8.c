/**
 * @file tests/fuzz/fuzz_vp8.c  Payload descriptors of VP8
 *
 * What was read must be inside, and other numbers written into it must read
 * back without a change of the rest.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/pl_vp8.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arc_pl_vp8 d, again, back;
    uint8_t *copy;

    if (arc_pl_vp8_parse(data, size, &d) != ARC_OK)
        return 0;
    REQUIRE(d.descriptor_len >= 1 && d.descriptor_len < size);
    REQUIRE(d.descriptor_len <= ARC_PL_VP8_MAX_DESCRIPTOR_BYTES);
    REQUIRE(d.tid <= 3 && d.ids.keyidx <= 31);
    REQUIRE(d.ids.picture_id >> d.ids.picture_id_bits == 0);

    copy = malloc(size);
    REQUIRE(copy);
    memcpy(copy, data, size);
    again = d;
    again.ids.picture_id ^= (uint16_t)((1 << d.ids.picture_id_bits) - 1);
    again.ids.tl0picidx ^= d.ids.tl0picidx_off ? 0xff : 0;
    again.ids.keyidx ^= d.ids.keyidx_off ? 0x1f : 0;
    arc_vpxids_write(&again.ids, copy, size);
    memset(&back, 0, sizeof(back));
    REQUIRE(arc_pl_vp8_parse(copy, size, &back) == ARC_OK);
    REQUIRE(memcmp(&back.ids, &again.ids, sizeof(back.ids)) == 0);
    arc_vpxids_write(&d.ids, copy, size);
    REQUIRE(memcmp(copy, data, size) == 0);
    free(copy);
    return 0;
}
