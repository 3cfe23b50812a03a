/**
 * @file tests/c/test_voice.c  A received voice where Python cannot look: failing
 * allocations, references to packets, and memory that does not grow
 */
#include <string.h>

#include "audio/audiocodec.h"
#include "base/mem.h"
#include "check.h"
#include "rx/voice.h"

enum { PCMU_BYTES = 160, TICKS = 160, PKT_US = 20000 };

static const struct arc_voice_config config = {
    .codec = ARC_AUDIO_PCMU, .sample_rate_hz = 8000, .channels = 1,
    .max_latency_ms = 500, .initial_latency_ms = 40, .adaptive = true,
    .cn_payload_type = -1, .capacity_pkts = 16,
};

static void push(struct arc_voice *v, struct arc_pkt_pool *pool, int64_t seq,
                 int64_t now_us, int copy)
{
    struct arc_rxpkt p;

    memset(&p, 0, sizeof(p));
    p.pkt = arc_pkt_get(pool);
    CHECK(p.pkt != NULL);
    memset(p.pkt->data, 0xff, PCMU_BYTES);
    p.pkt->len    = PCMU_BYTES;
    p.payload_len = PCMU_BYTES;
    p.seq         = seq;
    p.ts          = seq * TICKS;
    p.arrival_us  = now_us;
    if (copy)
        arc_voice_push_copy(v, &p, now_us);
    else
        arc_voice_push(v, &p, now_us);
    arc_rxpkt_unref(&p);
}

static void test_voice_new_survives_every_failed_allocation(void)
{
    const int64_t live = arc_mem_live_blocks();
    struct arc_voice *v = NULL;
    int64_t allowed = -1;
    enum arc_status status;

    do {
        arc_mem_fail_after(++allowed);
        status = arc_voice_new(&config, &v);
        arc_mem_fail_after(-1);
        CHECK(status == ARC_OK || status == ARC_ERR_NOMEM);
        CHECK(status == ARC_OK || arc_mem_live_blocks() == live);
    } while (status != ARC_OK);
    CHECK(allowed > 5);
    arc_voice_free(v);
    CHECK(arc_mem_live_blocks() == live);
}

static void test_voice_allocates_nothing_and_gives_every_packet_back(void)
{
    static struct arc_voice_block b;
    struct arc_pkt_pool *pool;
    struct arc_voice *v;
    int64_t bytes, blocks;

    CHECK(arc_pkt_pool_new(128, &pool) == ARC_OK);
    CHECK(arc_voice_new(&config, &v) == ARC_OK);
    bytes  = arc_mem_live_bytes();
    blocks = arc_mem_live_blocks();
    for (int64_t i = 0; i < 3000; i++) {
        const int64_t now_us = i * PKT_US;

        if (i % 11 != 3)
            push(v, pool, 1000 + i, now_us, 0);
        if (i % 3 == 0)
            push(v, pool, 1000 + i - 1, now_us, 1);
        if (i % 7 == 0)
            push(v, pool, 1000 + i - 2, now_us, 0); /* late, or twice */
        while (i % 50 > 10 && arc_voice_pull(v, now_us, &b) == ARC_OK)
            CHECK(b.n_samples == 80);
        CHECK(arc_pkt_pool_used(pool) <= 16 + 64);
    }
    CHECK(arc_mem_live_bytes() == bytes && arc_mem_live_blocks() == blocks);
    arc_voice_free(v);
    CHECK(arc_pkt_pool_used(pool) == 0);
    arc_pkt_pool_unref(pool);
}

static void test_voice_refuses_wrong_configs(void)
{
    struct arc_voice *v = NULL;
    struct arc_voice_config c = config;

    CHECK(arc_voice_new(NULL, &v) == ARC_ERR_ARG);
    CHECK(arc_voice_new(&config, NULL) == ARC_ERR_ARG);
    c.channels = 3;
    CHECK(arc_voice_new(&c, &v) == ARC_ERR_ARG);
    c = config;
    c.profile = 2;
    CHECK(arc_voice_new(&c, &v) == ARC_ERR_ARG);
    c = config;
    c.max_latency_ms = 20; /* below initial */
    CHECK(arc_voice_new(&c, &v) == ARC_ERR_ARG);
    c = config;
    c.late_share = 0.5;
    CHECK(arc_voice_new(&c, &v) == ARC_ERR_ARG);
    c = config;
    c.capacity_pkts = 5000;
    CHECK(arc_voice_new(&c, &v) == ARC_ERR_ARG);
}

int main(void)
{
    test_voice_new_survives_every_failed_allocation();
    test_voice_allocates_nothing_and_gives_every_packet_back();
    test_voice_refuses_wrong_configs();
    return check_done("voice");
}
