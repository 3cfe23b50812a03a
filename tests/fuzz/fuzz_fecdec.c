/**
 * @file tests/fuzz/fuzz_fecdec.c  Any packets and repairs into a decoder
 *
 * The first byte: format (bit 0), size of the pool (bits 1 and 2). Then chunks:
 * a byte that says what it is (bit 0: repair; bit 1: its bytes are not exact;
 * bits 4 to 7: CSRCs of a repair), one of length, the sequence number's low byte
 * and its high byte, then the payload. What comes out is RTP, each repair ends in
 * one counter, and no packet leaks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "rx/fecdec.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

enum { SSRC = 7, CHUNK = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void give(struct arc_fecdec *d, struct arc_pkt *pkt, uint8_t what)
{
    struct arc_rtp h;

    if (arc_rtp_parse(pkt->data, (size_t)pkt->len, &h) != ARC_OK)
        return;
    if (what & 1)
        arc_fecdec_on_repair(d, pkt, &h, SSRC);
    else
        arc_fecdec_on_media(d, pkt, !(what & 2));
}

static void make(struct arc_pkt *pkt, const uint8_t *chunk, size_t len)
{
    const int csrcs = chunk[0] & 1 ? chunk[0] >> 4 : 0;
    struct arc_rtp h = {0};
    size_t n = 0;

    h.csrc_count = (uint8_t)csrcs;
    h.seq16      = (uint16_t)(chunk[2] | chunk[3] << 8);
    h.ssrc       = SSRC;
    for (int i = 0; i < csrcs; i++)
        h.csrcs[i] = SSRC + (uint32_t)i;
    REQUIRE(arc_rtp_write_header(&h, NULL, pkt->data,
                                 (size_t)arc_pkt_tailroom(pkt), &n) == ARC_OK);
    memcpy(pkt->data + n, chunk + CHUNK, len);
    pkt->len = (int32_t)(n + len);
}

static void take_all(struct arc_fecdec *d, struct arc_pkt_pool *pool)
{
    struct arc_pkt *pkt;
    struct arc_rtp h;

    for (int i = 0; arc_fecdec_pop(d, pool, &pkt) == ARC_OK; i++) {
        REQUIRE(i < ARC_FECDEC_MAX_REPAIRS);
        REQUIRE(arc_rtp_parse(pkt->data, (size_t)pkt->len, &h) == ARC_OK);
        REQUIRE(h.ssrc == SSRC);
        arc_pkt_unref(pkt);
    }
}

static void check(const struct arc_fecdec *d)
{
    struct arc_fecdec_stats s;

    arc_fecdec_stats(d, &s);
    REQUIRE(s.waiting >= 0 && s.waiting <= ARC_FECDEC_MAX_REPAIRS);
    REQUIRE(s.repair_pkts == s.recovered + s.unneeded + s.unrecoverable +
            s.malformed + s.unsupported + s.unseen + s.too_old + s.too_wide +
            s.partial + s.no_packet + s.waiting);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t live = arc_mem_live_blocks();
    struct arc_fecdec_config cfg = {0, 32};
    struct arc_pkt_pool *pool;
    struct arc_fecdec *d;

    if (size < 1)
        return 0;
    cfg.format = data[0] & 1 ? ARC_FEC_ULPFEC : ARC_FEC_FLEXFEC;
    REQUIRE(arc_pkt_pool_new(4 << 2 * (data[0] >> 1 & 3), &pool) == ARC_OK);
    REQUIRE(arc_fecdec_new(&cfg, &d) == ARC_OK);
    data++, size--;
    while (size >= CHUNK) {
        size_t len = data[1] < size - CHUNK ? data[1] : size - CHUNK;
        struct arc_pkt *pkt = arc_pkt_get(pool);

        if (pkt) {
            make(pkt, data, len);
            give(d, pkt, data[0]);
            arc_pkt_unref(pkt);
        }
        take_all(d, pool);
        check(d);
        data += CHUNK + len;
        size -= CHUNK + len;
    }
    arc_fecdec_free(d);
    REQUIRE(arc_pkt_pool_used(pool) == 0);
    arc_pkt_pool_unref(pool);
    REQUIRE(arc_mem_live_blocks() == live);
    return 0;
}
