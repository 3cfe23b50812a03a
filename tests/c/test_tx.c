/**
 * @file tests/c/test_tx.c  Send history, and references of packets in tx/
 */
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/pkt.h"
#include "base/rng.h"
#include "tx/history.h"
#include "tx/pacer.h"
#include "check.h"

#define MS INT64_C(1000)

static struct arc_pkt *packet(struct arc_pkt_pool *pool, int64_t seq)
{
    struct arc_pkt *pkt = arc_pkt_get(pool);

    CHECK(pkt);
    memcpy(pkt->data, &seq, sizeof(seq));
    pkt->len = 1000;
    return pkt;
}

static void put(struct arc_history *h, struct arc_pkt_pool *pool, int64_t seq,
                int64_t now_us)
{
    struct arc_pkt *pkt = packet(pool, seq);

    arc_history_put(h, seq, pkt, now_us);
    arc_pkt_unref(pkt);
}

/** True if the packet comes out and is the right one. */
static bool has(struct arc_history *h, int64_t seq, int64_t rtt_us, int64_t now_us)
{
    struct arc_pkt *pkt = arc_history_get(h, (uint16_t)seq, rtt_us, now_us);
    int64_t found;

    if (!pkt)
        return false;
    memcpy(&found, pkt->data, sizeof(found));
    CHECK(found == seq);
    return true;
}

static struct arc_history_stats stats_of(const struct arc_history *h)
{
    struct arc_history_stats s;

    arc_history_stats(h, &s);
    return s;
}

static void test_history_finds_across_the_wrap_and_counts_each_refusal(void)
{
    struct arc_pkt_pool *pool;
    struct arc_history *h;
    const int64_t first = 2 * 65536 + 65530;

    CHECK(arc_pkt_pool_new(16, &pool) == ARC_OK);
    CHECK(arc_history_new(8, 1000 * MS, &h) == ARC_OK);
    CHECK(!has(h, 5, 0, 0));
    for (int64_t i = 0; i < 12; i++)
        put(h, pool, first + i, i * MS);
    CHECK(arc_pkt_pool_used(pool) == 8);
    for (int64_t i = 0; i < 12; i++)
        CHECK(has(h, first + i, 50 * MS, 20 * MS) == (i >= 4));
    CHECK(stats_of(h).missing == 5 && stats_of(h).found == 8);

    CHECK(!has(h, first + 8, 50 * MS, 69 * MS)); /* resent 49 ms ago */
    CHECK(has(h, first + 8, 50 * MS, 70 * MS));
    CHECK(!has(h, first + 8, 0, 74 * MS));       /* 5 ms at the least */
    CHECK(has(h, first + 8, 0, 75 * MS));
    CHECK(stats_of(h).too_soon == 2);
    CHECK(!has(h, first + 11, 0, 1011 * MS));
    CHECK(stats_of(h).too_old == 1);
    CHECK(stats_of(h).depth_pkts == 8);
    arc_history_free(h);
    CHECK(arc_pkt_pool_used(pool) == 0);
    arc_pkt_pool_unref(pool);
}

static void test_history_lets_go_of_old_packets_and_of_jumps(void)
{
    struct arc_pkt_pool *pool;
    struct arc_history *h;

    CHECK(arc_pkt_pool_new(16, &pool) == ARC_OK);
    CHECK(arc_history_new(8, 10 * MS, &h) == ARC_OK);
    for (int64_t i = 0; i < 4; i++)
        put(h, pool, 100 + i, i * MS);
    put(h, pool, 104, 12 * MS); /* 100, 101 and 102 are 10 ms old */
    CHECK(arc_pkt_pool_used(pool) == 2);
    CHECK(has(h, 103, 0, 12 * MS) && !has(h, 102, 0, 12 * MS));
    put(h, pool, 100, 12 * MS);
    CHECK(stats_of(h).refused == 1);
    put(h, pool, 1000000, 12 * MS);
    CHECK(arc_pkt_pool_used(pool) == 1 && stats_of(h).depth_pkts == 1);
    put(h, pool, 1000004, 13 * MS);
    put(h, pool, 1000002, 13 * MS); /* out of order, still inside the ring */
    put(h, pool, 1000002, 14 * MS); /* and again */
    CHECK(has(h, 1000002, 0, 14 * MS) && arc_pkt_pool_used(pool) == 3);
    put(h, pool, 1000005, 60 * MS);
    CHECK(arc_pkt_pool_used(pool) == 1);
    arc_history_free(h);
    arc_pkt_pool_unref(pool);
}

/* The same ring as a plain array over all numbers. */
static void test_history_matches_model_for_gaps(void)
{
    enum { N = 20000, CAP = 64 };
    static int64_t sent_us[N], resent_us[N];
    struct arc_pkt_pool *pool;
    struct arc_history *h;
    struct arc_rng rng;
    int64_t highest = 0, now_us = 0;

    for (int64_t i = 0; i < N; i++)
        sent_us[i] = resent_us[i] = -1;
    CHECK(arc_pkt_pool_new(CAP + 2, &pool) == ARC_OK);
    CHECK(arc_history_new(CAP, 30 * MS, &h) == ARC_OK);
    arc_rng_init(&rng, 7);
    while (highest < N - 10) {
        int64_t ask;

        now_us += arc_rng_below(&rng, 3) * MS;
        highest += 1 + (arc_rng_below(&rng, 20) == 0) * arc_rng_below(&rng, 9);
        put(h, pool, highest, now_us);
        sent_us[highest] = now_us;
        resent_us[highest] = -1;

        ask = highest - arc_rng_below(&rng, 80);
        if (ask >= 0) {
            bool there = sent_us[ask] >= 0 && ask > highest - CAP &&
                         now_us - sent_us[ask] < 30 * MS &&
                         (resent_us[ask] < 0 || now_us - resent_us[ask] >= 5 * MS);

            CHECK(has(h, ask, 0, now_us) == there);
            if (there)
                resent_us[ask] = now_us;
        }
        CHECK(arc_pkt_pool_used(pool) == stats_of(h).depth_pkts);
    }
    arc_history_free(h);
    CHECK(arc_pkt_pool_used(pool) == 0);
    arc_pkt_pool_unref(pool);
}

static void test_history_new_checks_and_survives_every_allocation_failure(void)
{
    struct arc_history *h = NULL;
    int64_t live = arc_mem_live_blocks();
    int allowed = 0;

    CHECK(arc_history_new(7, MS, &h) == ARC_ERR_ARG);
    CHECK(arc_history_new(65536, MS, &h) == ARC_ERR_ARG);
    CHECK(arc_history_new(8, 0, &h) == ARC_ERR_ARG);
    CHECK(arc_history_new(8, 61000 * MS, &h) == ARC_ERR_ARG);
    for (; allowed < 10; allowed++) {
        arc_mem_fail_after(allowed);
        if (arc_history_new(8, MS, &h) == ARC_OK)
            break;
        CHECK(arc_mem_live_blocks() == live);
    }
    arc_mem_fail_after(-1);
    CHECK(allowed == 2);
    arc_history_free(h);
    arc_history_free(NULL);
    CHECK(arc_mem_live_blocks() == live);
}

static void test_pacer_holds_one_reference_and_charges_true_sizes(void)
{
    const struct arc_pacer_config cfg = {.capacity_pkts = 16, .rate_bps = 800000};
    struct arc_pkt_pool *pool;
    struct arc_pacer *p;
    struct arc_pacer_item item, out;
    struct arc_pacer_stats s;

    CHECK(arc_pkt_pool_new(16, &pool) == ARC_OK);
    CHECK(arc_pacer_new(&cfg, &p) == ARC_OK);
    memset(&item, 0, sizeof(item));
    for (int32_t i = 0; i < 3; i++) {
        item.pkt = packet(pool, i);
        item.pkt->len = 500 * (i + 1);
        item.stream = i;
        CHECK(arc_pacer_push(p, &item, ARC_PACER_VIDEO, 0) == ARC_OK);
        CHECK(item.pkt->refs == 1);
    }
    arc_pacer_stats(p, &s);
    CHECK(s.depth_bytes == 3000);
    CHECK(arc_pacer_pop(p, 0, &out) == ARC_OK && out.pkt->len == 500);
    arc_pkt_unref(out.pkt);
    /* 500 bytes are 5 ms of the rate, and 5 ms had been saved: even. */
    CHECK(arc_pacer_pop(p, 0, &out) == ARC_OK && out.pkt->len == 1000);
    arc_pkt_unref(out.pkt);
    CHECK(arc_pacer_pop(p, 10 * MS - 1, &out) == ARC_AGAIN);
    CHECK(arc_pacer_next_us(p, 10 * MS - 1) == 10 * MS);
    CHECK(arc_pkt_pool_used(pool) == 1);
    arc_pacer_free(p); /* with a packet in it */
    CHECK(arc_pkt_pool_used(pool) == 0);
    arc_pkt_pool_unref(pool);
    arc_pacer_free(NULL);
}

int main(void)
{
    int64_t live = arc_mem_live_blocks();

    test_history_finds_across_the_wrap_and_counts_each_refusal();
    test_history_lets_go_of_old_packets_and_of_jumps();
    test_history_matches_model_for_gaps();
    test_history_new_checks_and_survives_every_allocation_failure();
    test_pacer_holds_one_reference_and_charges_true_sizes();
    CHECK(arc_mem_live_blocks() == live);
    return check_done("test_tx");
}
