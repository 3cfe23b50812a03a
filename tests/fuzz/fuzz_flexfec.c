/**
 * @file tests/fuzz/fuzz_flexfec.c  FlexFEC payloads; the first byte is the number
 *                                  of sources
 *
 * What was read lies inside the payload, and written again it reads the same.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/flexfec.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_set(const struct arc_fecset *s)
{
    int32_t n = 0, last = -1;

    for (int32_t k = -1; (k = arc_fecset_next(s, k)) >= 0; n++) {
        REQUIRE(k > last);
        last = k;
    }
    REQUIRE(n >= 1 && n <= 255);
    REQUIRE(last == arc_fecset_last(s) && last <= 254 * 255);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t out[ARC_FLEXFEC_BITS_BYTES + 15 * ARC_FLEXFEC_MAX_SET_BYTES];
    struct arc_flexfec h, again;
    struct arc_writer w;

    if (size < 1 ||
        arc_flexfec_parse(data + 1, size - 1, data[0] % 17 - 1, &h) != ARC_OK)
        return 0;
    REQUIRE(h.n_sets >= 1 && h.n_sets <= ARC_FLEXFEC_MAX_SOURCES);
    REQUIRE((size_t)(h.parity_off + h.parity_len) == size - 1);
    for (int32_t i = 0; i < h.n_sets; i++)
        check_set(&h.sets[i]);

    arc_writer_init(&w, out, sizeof(out));
    arc_flexfec_write(&w, &h);
    REQUIRE(!w.fail);
    memset(&again, 0, sizeof(again));
    REQUIRE(arc_flexfec_parse(out, w.pos, h.n_sets, &again) == ARC_OK);
    REQUIRE((size_t)again.parity_off == w.pos && again.parity_len == 0);
    REQUIRE(again.variant == h.variant && again.ssrc == h.ssrc);
    REQUIRE(memcmp(again.sets, h.sets, sizeof(h.sets)) == 0);
    REQUIRE(again.bits.first == h.bits.first && again.bits.second == h.bits.second);
    REQUIRE(again.bits.rtp_ts == h.bits.rtp_ts);
    REQUIRE(h.variant == ARC_FLEXFEC_RETRANSMIT ||
            again.bits.body_len == h.bits.body_len);
    return 0;
}
