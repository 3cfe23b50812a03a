/**
 * @file tests/fuzz/fuzz_red.c  Payloads with redundant audio, and the store of
 * their blocks
 *
 * What was parsed lies inside the payload, block behind block, and gives the
 * same bytes when it is written; its blocks go through a small store, in which
 * they stand once each.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rx/copies.h"
#include "wire/red.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

enum { CAPACITY = 6, TS = 20000, MAX_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const uint8_t *data, size_t size,
                        const struct arc_red *red)
{
    static uint8_t out[MAX_BYTES];
    struct arc_red_part parts[ARC_RED_MAX_BLOCKS];
    size_t len = 0;
    int32_t end = red->blocks[0].off;

    for (int32_t i = 0; i < red->n_blocks; i++) {
        const struct arc_red_block *b = &red->blocks[i];

        REQUIRE(b->off == end && b->len >= 0);
        end += b->len;
        parts[i].payload_type = b->payload_type;
        parts[i].ts_offset    = b->ts_offset;
        parts[i].data         = data + b->off;
        parts[i].len          = b->len;
    }
    REQUIRE((size_t)end == size);
    REQUIRE(arc_red_bytes(parts, red->n_blocks) == size);
    REQUIRE(arc_red_build(parts, red->n_blocks, out, sizeof(out), &len) ==
            ARC_OK);
    REQUIRE(len == size && memcmp(out, data, size) == 0);
}

static void store(struct arc_pkt_pool *pool, const struct arc_red *red)
{
    struct arc_copies *copies;
    struct arc_copies_stats stats;
    struct arc_rxpkt p, found;

    memset(&p, 0, sizeof(p));
    REQUIRE(arc_copies_new(CAPACITY, &copies) == ARC_OK);
    p.pkt = arc_pkt_get(pool);
    for (int32_t i = 0; i < red->n_blocks; i++) {
        p.ts          = TS - red->blocks[i].ts_offset;
        p.payload_len = red->blocks[i].len;
        if (arc_copies_push(copies, &p) == ARC_OK)
            REQUIRE(arc_copies_find(copies, p.ts, &found) == ARC_OK &&
                    found.payload_len == p.payload_len);
        if (p.payload_len % 7 == 6)
            arc_copies_drop_before(copies, p.ts - 960);
    }
    arc_copies_stats(copies, &stats);
    REQUIRE(stats.depth <= CAPACITY && p.pkt->refs == 1 + stats.depth);
    arc_copies_free(copies);
    arc_pkt_unref(p.pkt);
    REQUIRE(arc_pkt_pool_used(pool) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t live = arc_mem_live_blocks();
    struct arc_pkt_pool *pool;
    struct arc_red red;

    if (size > MAX_BYTES || arc_red_parse(data, size, &red) != ARC_OK)
        return 0;
    write_again(data, size, &red);
    REQUIRE(arc_pkt_pool_new(2, &pool) == ARC_OK);
    store(pool, &red);
    arc_pkt_pool_unref(pool);
    REQUIRE(arc_mem_live_blocks() == live);
    return 0;
}
