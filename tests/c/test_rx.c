/**
 * @file tests/c/test_rx.c  References of packets in rx/, and steady memory
 */
#include <string.h>

#include "base/mem.h"
#include "base/pkt.h"
#include "base/rng.h"
#include "rx/assemble.h"
#include "rx/jitter.h"
#include "check.h"

enum { PACKETS = 1000000, POOL = 600 };

static struct arc_jitter *new_jitter(void)
{
    const struct arc_jitter_config cfg = {
        .clock_hz = 48000, .min_latency_ms = 10, .max_latency_ms = 200,
        .initial_latency_ms = 40, .adaptive = true, .capacity_pkts = 256};
    struct arc_jitter *j;

    CHECK(arc_jitter_new(&cfg, &j) == ARC_OK);
    return j;
}

static struct arc_assemble *new_assemble(void)
{
    const struct arc_assemble_config cfg = {256, 0, 50000};
    struct arc_assemble *a;

    CHECK(arc_assemble_new(&cfg, &a) == ARC_OK);
    return a;
}

static void test_jitter_takes_and_passes_on_references(void)
{
    struct arc_pkt_pool *pool;
    struct arc_jitter *j = new_jitter();
    struct arc_rxpkt p, out;

    memset(&p, 0, sizeof(p));
    CHECK(arc_pkt_pool_new(4, &pool) == ARC_OK);
    p.pkt = arc_pkt_get(pool);
    CHECK(arc_jitter_push(j, &p, 0) == ARC_OK);
    CHECK(p.pkt->refs == 2);
    CHECK(arc_jitter_push(j, &p, 0) == ARC_ERR_REPLAY);
    CHECK(p.pkt->refs == 2);
    arc_pkt_unref(p.pkt);
    CHECK(arc_jitter_pop(j, 40000, &out) == ARC_OK && out.pkt == p.pkt);
    CHECK(out.pkt->refs == 1);
    CHECK(arc_jitter_push(j, &p, 0) == ARC_ERR_REPLAY);
    arc_pkt_unref(out.pkt);
    CHECK(arc_pkt_pool_used(pool) == 0);

    p.seq = 1;
    p.pkt = arc_pkt_get(pool);
    CHECK(arc_jitter_push(j, &p, 0) == ARC_OK);
    arc_pkt_unref(p.pkt);
    arc_jitter_free(j); /* with a packet in it */
    CHECK(arc_pkt_pool_used(pool) == 0);
    arc_pkt_pool_unref(pool);
    arc_jitter_free(NULL);
}

static void test_assemble_lends_a_frame_until_the_next_call(void)
{
    struct arc_pkt_pool *pool;
    struct arc_assemble *a = new_assemble();
    struct arc_assembled f;
    struct arc_rxpkt p;

    memset(&p, 0, sizeof(p));
    p.marker = p.starts_frame = true;
    p.payload_len = 1;
    CHECK(arc_pkt_pool_new(4, &pool) == ARC_OK);
    for (p.seq = 0; p.seq < 2; p.seq++) {
        p.pkt = arc_pkt_get(pool);
        p.ts = p.seq;
        CHECK(arc_assemble_push(a, &p, 0) == ARC_OK);
        arc_pkt_unref(p.pkt);
    }
    CHECK(arc_pkt_pool_used(pool) == 2);
    CHECK(arc_assemble_pop(a, 0, &f) == ARC_OK);
    CHECK(arc_pkt_pool_used(pool) == 2);
    CHECK(arc_assemble_packet(a, 0)->pkt->refs == 1);
    CHECK(arc_assemble_pop(a, 0, &f) == ARC_OK);
    CHECK(arc_pkt_pool_used(pool) == 1);
    CHECK(arc_assemble_packet(a, 0) == NULL);
    CHECK(arc_assemble_pop(a, 0, &f) == ARC_AGAIN);
    CHECK(arc_pkt_pool_used(pool) == 0);

    p.pkt = arc_pkt_get(pool);
    CHECK(arc_assemble_push(a, &p, 0) == ARC_OK);
    arc_pkt_unref(p.pkt);
    CHECK(arc_assemble_pop(a, 0, &f) == ARC_OK);
    arc_assemble_free(a); /* with a frame lent out */
    CHECK(arc_pkt_pool_used(pool) == 0);
    arc_pkt_pool_unref(pool);
    arc_assemble_free(NULL);
}

/** A packet whose bytes say which one it is, in an order that is a bit wrong. */
static struct arc_rxpkt make(struct arc_pkt_pool *pool, int64_t i, int64_t now_us)
{
    struct arc_rxpkt p;

    memset(&p, 0, sizeof(p));
    p.seq = 65530 + (i ^ (i >> 3 & 7)); /* each eight in an order of its own */
    p.ts = p.seq / 5 * 3000;
    p.marker = p.seq % 5 == 4;
    p.starts_frame = p.seq % 5 == 0;
    p.is_key = p.seq % 100 == 0;
    p.payload_len = 1;
    p.arrival_us = now_us;
    p.pkt = arc_pkt_get(pool);
    CHECK(p.pkt);
    memcpy(p.pkt->data, &p.seq, sizeof(p.seq));
    return p;
}

static int64_t number_in(const struct arc_rxpkt *p)
{
    int64_t seq;

    memcpy(&seq, p->pkt->data, sizeof(seq));
    return seq;
}

static void test_a_million_packets_leave_memory_as_it_was(void)
{
    struct arc_pkt_pool *pool;
    struct arc_jitter *j = new_jitter();
    struct arc_assemble *a = new_assemble();
    struct arc_rng rng;
    int64_t blocks, last = -1, frames = 0;

    CHECK(arc_pkt_pool_new(POOL, &pool) == ARC_OK);
    arc_rng_init(&rng, 1);
    blocks = arc_mem_live_blocks();
    for (int64_t i = 0; i < PACKETS; i++) {
        int64_t now_us = i * 4000;
        struct arc_rxpkt p = make(pool, i, now_us), out;
        struct arc_assembled f;

        if (arc_rng_below(&rng, 50)) { /* 2 % are lost */
            arc_jitter_push(j, &p, now_us);
            arc_assemble_push(a, &p, now_us);
        }
        arc_pkt_unref(p.pkt);
        while (arc_jitter_pop(j, now_us, &out) == ARC_OK) {
            CHECK(out.seq > last && number_in(&out) == out.seq);
            last = out.seq;
            arc_pkt_unref(out.pkt);
        }
        while (arc_assemble_pop(a, now_us, &f) == ARC_OK) {
            frames++;
            for (int64_t s = f.first_seq; s <= f.last_seq; s++)
                CHECK(number_in(arc_assemble_packet(a, s)) == s);
        }
    }
    CHECK(arc_mem_live_blocks() == blocks);
    CHECK(last > 65530 + PACKETS - 300);
    CHECK(frames > PACKETS / 5 * 85 / 100); /* 0.98^5 are whole */
    arc_jitter_free(j);
    arc_assemble_free(a);
    CHECK(arc_pkt_pool_used(pool) == 0);
    arc_pkt_pool_unref(pool);
}

int main(void)
{
    int64_t live = arc_mem_live_blocks();

    test_jitter_takes_and_passes_on_references();
    test_assemble_lends_a_frame_until_the_next_call();
    test_a_million_packets_leave_memory_as_it_was();
    CHECK(arc_mem_live_blocks() == live);
    return check_done("test_rx");
}
