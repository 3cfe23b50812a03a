/**
 * @file tests/fuzz/fuzz_h264.c  H.264 payloads, and Annex B through the packer
 *
 * First byte: an odd one feeds payloads to the unpacker, each behind a length
 * byte; an even one packs the rest, and what is packed must unpack to the same
 * NAL units.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/pl_h264.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t once[1 << 20], twice[1 << 20], payload[70000];

static void unpack_any(const uint8_t *data, size_t size)
{
    static uint8_t out[512 + 1];
    struct arc_pl_h264_unpacker u;
    struct arc_pl_h264_info info;
    size_t len;

    out[512] = 0xa5;
    REQUIRE(arc_pl_h264_unpacker_init(&u, out, 512) == ARC_OK);
    while (size > 0) {
        size_t n = data[0] < size - 1 ? data[0] : size - 1;
        enum arc_status peeked = arc_pl_h264_peek(data + 1, n, &info);
        enum arc_status pushed = arc_pl_h264_unpacker_push(&u, data + 1, n);

        if (peeked != ARC_OK)
            REQUIRE(pushed == peeked);
        REQUIRE(u.len <= 512 && out[512] == 0xa5);
        data += 1 + n;
        size -= 1 + n;
    }
    arc_pl_h264_unpacker_finish(&u, &len);
    REQUIRE(!u.open && len <= 512);
}

/* Pack `annexb` and unpack it into `out`; bytes there, 0 if it is not one. */
static size_t through(const uint8_t *annexb, size_t size, size_t mtu,
                      uint8_t *out)
{
    struct arc_pl_h264_packer p;
    struct arc_pl_h264_unpacker u;
    size_t n = 0, len = 0;
    bool last = false;
    enum arc_status status;

    if (arc_pl_h264_packer_init(&p, annexb, size, mtu) != ARC_OK)
        return 0;
    REQUIRE(arc_pl_h264_unpacker_init(&u, out, sizeof(once)) == ARC_OK);
    while ((status = arc_pl_h264_packer_next(&p, payload, sizeof(payload), &n,
                                             &last)) == ARC_OK) {
        REQUIRE(n >= 1 && n <= mtu);
        REQUIRE(arc_pl_h264_unpacker_push(&u, payload, n) == ARC_OK);
    }
    REQUIRE(status == ARC_AGAIN);
    REQUIRE(arc_pl_h264_unpacker_finish(&u, &len) == ARC_OK);
    REQUIRE(last == (len > 0));
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t mtu, len;

    if (size < 2 || size > 100000)
        return 0;
    if (data[0] & 1) {
        unpack_any(data + 1, size - 1);
        return 0;
    }
    mtu = ARC_PL_H264_MIN_PAYLOAD_BYTES + data[1];
    len = through(data + 2, size - 2, mtu, once);
    REQUIRE(len <= 2 * size);
    if (len) {
        REQUIRE(through(once, len, 65535, twice) == len);
        REQUIRE(memcmp(once, twice, len) == 0);
    }
    return 0;
}
