/**
 * @file tests/fuzz/fuzz_vp9.c  Payload descriptors of VP9
 *
 * What was read must be inside, the structure must be readable where the
 * descriptor is, and numbers written back must leave the bytes as they were.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/pl_vp9.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_structure(const uint8_t *data, size_t size,
                            const struct arc_pl_vp9 *d)
{
    static struct arc_pl_vp9_ss ss;
    enum arc_status status = arc_pl_vp9_read_ss(data, size, d, &ss);

    REQUIRE(status == (d->ss_off ? ARC_OK : ARC_AGAIN));
    if (status != ARC_OK)
        return;
    REQUIRE(ss.n_spatial >= 1 && ss.n_spatial <= ARC_PL_VP9_MAX_SPATIAL);
    REQUIRE(ss.has_group || ss.n_pictures == 0);
    for (int i = 0; i < ss.n_pictures; i++)
        REQUIRE(ss.pictures[i].n_pdiffs <= ARC_PL_VP9_MAX_REFS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arc_pl_vp9 d, again;
    uint8_t *copy;

    if (arc_pl_vp9_parse(data, size, &d) != ARC_OK)
        return 0;
    REQUIRE(d.descriptor_len >= 1 && d.descriptor_len < size);
    REQUIRE(d.ss_off < d.descriptor_len && d.n_pdiffs <= ARC_PL_VP9_MAX_REFS);
    REQUIRE(d.ids.picture_id >> d.ids.picture_id_bits == 0);
    check_structure(data, size, &d);

    copy = malloc(size);
    REQUIRE(copy);
    memcpy(copy, data, size);
    again = d;
    again.ids.picture_id ^= (uint16_t)((1 << d.ids.picture_id_bits) - 1);
    again.ids.tl0picidx ^= d.ids.tl0picidx_off ? 0xff : 0;
    arc_vpxids_write(&again.ids, copy, size);
    REQUIRE(arc_pl_vp9_parse(copy, size, &again) == ARC_OK);
    REQUIRE(again.descriptor_len == d.descriptor_len);
    arc_vpxids_write(&d.ids, copy, size);
    REQUIRE(memcmp(copy, data, size) == 0);
    free(copy);
    return 0;
}
