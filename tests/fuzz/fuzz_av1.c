/**
 * @file tests/fuzz/fuzz_av1.c  AV1 payloads, and temporal units to be packed
 *
 * The first byte chooses. Payloads: each is its length in a byte and its bytes;
 * what the unpacker gives must be whole OBUs, whatever came. Units: what the
 * packer makes of one must unpack to the OBUs that it sent.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/pl_av1.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

enum { CAP = 4096, MTU = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_whole(const uint8_t *data, size_t len)
{
    struct arc_obu o;

    for (size_t pos = 0; pos < len; pos += o.payload_off + o.payload_len) {
        REQUIRE(arc_obu_parse(data + pos, len - pos, &o) == ARC_OK);
        REQUIRE(o.has_size);
    }
}

static void unpack_any(const uint8_t *data, size_t size)
{
    struct arc_pl_av1_unpacker u;
    uint8_t out[256];
    size_t len = 0;

    REQUIRE(arc_pl_av1_unpacker_init(&u, out, sizeof(out)) == ARC_OK);
    while (size > 0) {
        size_t n = data[0] < size - 1 ? data[0] : size - 1;

        arc_pl_av1_unpacker_push(&u, data + 1, n);
        REQUIRE(u.len <= sizeof(out));
        data += 1 + n;
        size -= 1 + n;
    }
    arc_pl_av1_unpacker_finish(&u, &len);
    require_whole(out, len);
}

static void pack_any(const uint8_t *data, size_t size)
{
    static uint8_t out[CAP];
    struct arc_pl_av1_packer p;
    struct arc_pl_av1_unpacker u;
    struct arc_pl_av1_place place;
    uint8_t payload[MTU];
    size_t len = 0;

    if (size > CAP / 2 ||
        arc_pl_av1_packer_init(&p, data, size, false, MTU) != ARC_OK)
        return;
    REQUIRE(arc_pl_av1_unpacker_init(&u, out, CAP) == ARC_OK);
    memset(&place, 0, sizeof(place));
    while (arc_pl_av1_packer_next(&p, payload, &len, &place) == ARC_OK) {
        REQUIRE(len >= 2 && len <= MTU);
        REQUIRE(arc_pl_av1_unpacker_push(&u, payload, len) == ARC_OK);
    }
    REQUIRE(place.last && place.ends_frame);
    REQUIRE(arc_pl_av1_unpacker_finish(&u, &len) == ARC_OK);
    require_whole(out, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        unpack_any(data + 1, size - 1);
    else
        pack_any(data + 1, size - 1);
    return 0;
}
