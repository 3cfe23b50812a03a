/**
 * @file tests/fuzz/fuzz_xr.c  Blocks of extended reports
 *
 * Every packet of the input is read as an extended report. Each block that
 * parses is written and parsed once more: the bytes of the second writing must be
 * those of the first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/rtcpxr.h"
#include "wire/xrrle.h"
#include "wire/xrstats.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arc_xr_dlrr items[16384];
static uint8_t bits[ARC_XR_MAX_RANGE];
static uint32_t times[ARC_XR_MAX_RANGE];

static void rewrite_range(const struct arc_xr_block *b, struct arc_writer *w)
{
    struct arc_xr_range range;
    size_t n;

    if (arc_xr_parse_rle(b, &range, bits, ARC_XR_MAX_RANGE, &n) == ARC_OK) {
        REQUIRE(n == arc_xr_range_count(&range));
        arc_xr_write_rle(w, b->type, &range, bits);
    }
    if (arc_xr_parse_receipt_times(b, &range, times, ARC_XR_MAX_RANGE, &n) ==
        ARC_OK) {
        REQUIRE(n == arc_xr_range_count(&range));
        for (size_t i = 0; i < n; i++)
            REQUIRE(arc_xr_range_seq16(&range, i) % (1u << range.thinning) ==
                    0);
        arc_xr_write_receipt_times(w, &range, times);
    }
}

static void rewrite(const struct arc_xr_block *b, struct arc_writer *w)
{
    struct arc_xr_summary summary;
    struct arc_xr_voip voip;
    struct arc_xr_post_repair repair;
    uint64_t ntp64;
    size_t n;

    if (arc_xr_parse_rrtr(b, &ntp64) == ARC_OK)
        arc_xr_write_rrtr(w, ntp64);
    if (arc_xr_parse_dlrr(b, items, 16384, &n) == ARC_OK)
        arc_xr_write_dlrr(w, items, n);
    if (arc_xr_parse_summary(b, &summary) == ARC_OK)
        arc_xr_write_summary(w, &summary);
    if (arc_xr_parse_voip(b, &voip) == ARC_OK)
        arc_xr_write_voip(w, &voip);
    if (arc_xr_parse_post_repair(b, &repair) == ARC_OK)
        arc_xr_write_post_repair(w, &repair);
    rewrite_range(b, w);
}

static void check_block(const struct arc_xr_block *b)
{
    static uint8_t first[300000], second[300000];
    struct arc_writer w1, w2;
    struct arc_xr_block again = *b;

    /* Never longer than it came: chunks are chosen well. */
    arc_writer_init(&w1, first, 4 + b->body_len);
    rewrite(b, &w1);
    REQUIRE(!w1.fail);
    if (w1.pos == 0)
        return;
    again.specific = first[1];
    again.body     = first + 4;
    again.body_len = w1.pos - 4;
    REQUIRE(first[0] == b->type);
    REQUIRE(4 * (size_t)(first[2] << 8 | first[3]) == again.body_len);
    arc_writer_init(&w2, second, sizeof(second));
    rewrite(&again, &w2);
    REQUIRE(!w2.fail && w2.pos == w1.pos);
    REQUIRE(memcmp(first, second, w1.pos) == 0);

    arc_writer_init(&w2, second, w1.pos - 1);
    rewrite(b, &w2);
    REQUIRE(w2.fail && w2.pos == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arc_rtcp_packet p;
    struct arc_xr_block b;
    struct arc_xr_iter it;
    struct arc_reader r;

    if (size == 0 || size > 65535)
        return 0;
    arc_reader_init(&r, data, size);
    while (arc_rtcp_next(&r, &p) == ARC_OK) {
        p.type = ARC_RTCP_XR;
        if (arc_xr_iter_init(&it, &p) != ARC_OK)
            continue;
        while (arc_xr_next(&it, &b) == ARC_OK) {
            REQUIRE(b.body >= p.body &&
                    b.body + b.body_len <= p.body + p.body_len);
            check_block(&b);
        }
    }
    return 0;
}
