/**
 * @file tests/fuzz/fuzz_rtp.c  RTP header, extension elements and RTX
 *
 * What parses must write back to the same bytes, and survive an RTX wrap.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/rtp.h"
#include "wire/rtpext.h"
#include "wire/rtx.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[70000], wrapped[70000];

static void check_header(const uint8_t *data, size_t size,
                         const struct arc_rtp *h)
{
    size_t n = 0;

    REQUIRE(h->payload_off >= 12 && h->payload_len >= 0 && h->padding_len >= 0);
    REQUIRE((size_t)(h->payload_off + h->payload_len + h->padding_len) == size);
    REQUIRE(arc_rtp_write_header(h, data + h->ext_off, out, sizeof(out), &n) ==
            ARC_OK);
    REQUIRE(n == (size_t)h->payload_off && memcmp(out, data, n) == 0);
}

static void check_elements(const uint8_t *data, size_t size,
                           const struct arc_rtp *h)
{
    static int32_t triples[3 * ARC_RTPEXT_MAX_IDS];
    uint8_t ids[ARC_RTPEXT_MAX_IDS], lens[ARC_RTPEXT_MAX_IDS];
    struct arc_rtp again = *h;
    const uint8_t *value;
    size_t n, len, total = 0;
    int32_t found = arc_rtpext_list(data, (size_t)h->payload_off, triples);
    bool good     = found >= 0 || found == ARC_AGAIN;

    REQUIRE((arc_rtpext_layout(data, size) != 0) == good);
    if (found < 0)
        return;
    n = (size_t)found;
    for (size_t i = 0; i < n; i++) {
        const int32_t *t = triples + 3 * i;

        REQUIRE(arc_rtpext_find(data, h, (uint8_t)t[0], &value, &len) == ARC_OK);
        REQUIRE(value == data + t[1] && (int32_t)len == t[2] - t[1]);
        ids[i]  = (uint8_t)t[0];
        lens[i] = (uint8_t)len;
        memcpy(wrapped + total, value, len);
        total += len;
    }

    /* Written again, the same elements are found. */
    REQUIRE(arc_rtpext_write(ids, lens, wrapped, n, out, sizeof(out), &len,
                             &again.ext_profile) == ARC_OK);
    again.ext_off = 0;
    again.ext_len = (int32_t)len;
    total = 0;
    for (size_t i = 0; i < n; i++) {
        REQUIRE(arc_rtpext_find(out, &again, ids[i], &value, &len) == ARC_OK);
        REQUIRE(len == lens[i] && memcmp(value, wrapped + total, len) == 0);
        total += len;
    }
}

static void check_rtx(const uint8_t *data, size_t size, const struct arc_rtp *h)
{
    size_t n = 0, plain = (size_t)(h->payload_off + h->payload_len);

    if (arc_rtx_wrap(data, size, 1, 2, 3, wrapped, sizeof(wrapped), &n) !=
        ARC_OK)
        return; /* only when two more bytes do not fit a datagram */
    REQUIRE(n == plain + ARC_RTX_OSN_BYTES);
    REQUIRE(arc_rtx_unwrap(wrapped, &n, h->ssrc, h->payload_type) == ARC_OK);
    REQUIRE(n == plain && wrapped[0] == (data[0] & 0xdf));
    REQUIRE(memcmp(wrapped + 1, data + 1, plain - 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arc_rtp h, head;

    if (size == 0 || size > sizeof(out))
        return 0;
    memcpy(out, data, size);
    arc_rtx_unwrap(out, &size, 7, 8);
    REQUIRE((arc_rtp_fault(data, size) == NULL) ==
            (arc_rtp_parse(data, size, &h) == ARC_OK));
    if (arc_rtp_parse(data, size, &h) != ARC_OK)
        return 0;
    REQUIRE(arc_rtp_parse_header(data, size, &head) == ARC_OK);
    REQUIRE(head.payload_len == h.payload_len + h.padding_len);
    check_header(data, size, &h);
    check_elements(data, size, &h);
    check_rtx(data, size, &h);
    return 0;
}
