/**
 * @file tests/c/test_base.c  What base/ promises and Python cannot see
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>

#include "base/bytes.h"
#include "base/chain.h"
#include "base/idmap.h"
#include "base/mem.h"
#include "base/ntp.h"
#include "base/pkt.h"
#include "base/ring.h"
#include "base/rng.h"
#include "base/scratch.h"
#include "base/log.h"
#include "check.h"

static void test_mem_counts_aligns_and_refuses_overflow(void)
{
    int64_t live = arc_mem_live_blocks();
    char *p = arc_mem_zalloc(3, 33);

    CHECK(p && (uintptr_t)p % 64 == 0);
    for (int i = 0; i < 99; i++)
        CHECK(p[i] == 0);
    CHECK(arc_mem_live_blocks() == live + 1);
    arc_mem_wipe_free(p);
    CHECK(arc_mem_live_blocks() == live);
    CHECK(arc_mem_zalloc(SIZE_MAX / 2, 3) == NULL);
    arc_mem_free(NULL);
}

static void test_pool_new_survives_every_allocation_failure(void)
{
    struct arc_pkt_pool *pool = NULL;
    int64_t live = arc_mem_live_blocks();
    int allowed = 0;

    for (; allowed < 10; allowed++) {
        arc_mem_fail_after(allowed);
        if (arc_pkt_pool_new(4, &pool) == ARC_OK)
            break;
        CHECK(arc_mem_live_blocks() == live);
    }
    arc_mem_fail_after(-1);
    CHECK(allowed == 3);
    arc_pkt_pool_unref(pool);
    CHECK(arc_mem_live_blocks() == live);
}

static void test_pool_is_bounded_and_outlives_its_owner(void)
{
    struct arc_pkt_pool *pool;
    struct arc_pkt *a, *b;
    int64_t live = arc_mem_live_blocks();

    CHECK(arc_pkt_pool_new(0, &pool) == ARC_ERR_ARG);
    CHECK(arc_pkt_pool_new(2, &pool) == ARC_OK);
    a = arc_pkt_get(pool);
    b = arc_pkt_get(pool);
    CHECK(a && b && arc_pkt_get(pool) == NULL);
    CHECK(arc_pkt_pool_used(pool) == 2);
    CHECK(arc_pkt_headroom(a) == ARC_PKT_HEADROOM_BYTES);
    CHECK(arc_pkt_tailroom(a) == ARC_PKT_CAP_BYTES);

    arc_pkt_ref(a);
    arc_pkt_unref(a);
    CHECK(arc_pkt_pool_used(pool) == 2);
    arc_pkt_unref(a);
    CHECK(arc_pkt_pool_used(pool) == 1);
    CHECK(arc_pkt_get(pool) == a);
    arc_pkt_unref(a);

    arc_pkt_pool_unref(pool);
    CHECK(arc_mem_live_blocks() > live); /* b still needs it */
    memset(b->data, 1, ARC_PKT_CAP_BYTES);
    arc_pkt_unref(b);
    CHECK(arc_mem_live_blocks() == live);
}

enum { HANDED = 200000 };

static void *drop_packets(void *arg)
{
    struct arc_pkt *pkt;

    for (int i = 0; i < HANDED;) {
        if (arc_ring_pop(arg, &pkt) == ARC_OK) {
            CHECK(pkt->len == (i & 0xff));
            arc_pkt_unref(pkt);
            i++;
        }
    }
    return NULL;
}

static void test_share_is_bounded_and_gives_back_to_its_pool(void)
{
    struct arc_pkt_pool *pool, *one, *two;
    int64_t live = arc_mem_live_blocks();
    struct arc_pkt *a, *b, *c;

    CHECK(arc_pkt_pool_new(3, &pool) == ARC_OK);
    CHECK(arc_pkt_pool_new_share(0, &one) == ARC_ERR_ARG);
    CHECK(arc_pkt_pool_new_share(2, &one) == ARC_OK);
    CHECK(arc_pkt_pool_new_share(2, &two) == ARC_OK);
    CHECK(arc_pkt_get(one) == NULL); /* nothing is lent yet */
    arc_pkt_pool_lend(one, pool);
    arc_pkt_pool_lend(two, pool);
    a = arc_pkt_get(one);
    b = arc_pkt_get(one);
    CHECK(a && b && arc_pkt_get(one) == NULL); /* its bound */
    c = arc_pkt_get(two);
    CHECK(c && arc_pkt_get(two) == NULL); /* the pool's */
    CHECK(arc_pkt_pool_used(one) == 2 && arc_pkt_pool_used(two) == 1);
    CHECK(arc_pkt_pool_used(pool) == 3);
    arc_pkt_unref(a);
    CHECK(arc_pkt_pool_used(one) == 1 && arc_pkt_pool_used(pool) == 2);
    a = arc_pkt_get(two);
    CHECK(a && arc_pkt_tailroom(a) == ARC_PKT_CAP_BYTES);
    arc_pkt_unref(a);
    /* All owners let go before the last packets are back. */
    arc_pkt_pool_lend(one, NULL);
    CHECK(arc_pkt_get(one) == NULL);
    arc_pkt_pool_unref(one);
    arc_pkt_pool_unref(two);
    arc_pkt_pool_unref(pool);
    arc_pkt_unref(b);
    arc_pkt_unref(c);
    CHECK(arc_mem_live_blocks() == live);
}

static void test_chain_keeps_bytes_of_any_length(void)
{
    static const size_t lengths[] = {1, 1983, 1984, 1985, 3968, 5000, 7936};
    static uint8_t in[8000], out[8000];
    struct arc_pkt_pool *pool;
    struct arc_pkt *chain, *other;

    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 7 + i / 256);
    CHECK(arc_pkt_pool_new(4, &pool) == ARC_OK);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        memset(out, 0, sizeof(out));
        chain = arc_chain_store(pool, in, lengths[i]);
        CHECK(chain && arc_pkt_pool_used(pool) ==
                           (int32_t)((lengths[i] + 1983) / 1984));
        arc_chain_take(chain, out);
        CHECK(memcmp(in, out, lengths[i]) == 0);
        CHECK(lengths[i] == sizeof(out) || out[lengths[i]] == 0);
        CHECK(arc_pkt_pool_used(pool) == 0);
    }
    CHECK(arc_chain_store(pool, in, 7937) == NULL); /* five are not there .. */
    CHECK(arc_pkt_pool_used(pool) == 0);            /* .. and none is kept   */
    chain = arc_chain_store(pool, in, 4000);
    CHECK(arc_chain_store(pool, in, 1985) == NULL);
    other = arc_chain_store(pool, in, 9);
    CHECK(chain && other && arc_pkt_pool_used(pool) == 4);
    arc_chain_free(chain);
    arc_chain_free(other);
    arc_chain_free(NULL);
    CHECK(arc_pkt_pool_used(pool) == 0);
    arc_pkt_pool_unref(pool);
}

static void test_packets_cross_threads_through_a_ring(void)
{
    struct arc_pkt_pool *pool;
    struct arc_ring *ring;
    pthread_t thread;

    CHECK(arc_pkt_pool_new(64, &pool) == ARC_OK);
    CHECK(arc_ring_new(30, sizeof(struct arc_pkt *), &ring) == ARC_OK);
    CHECK(pthread_create(&thread, NULL, drop_packets, ring) == 0);
    for (int i = 0; i < HANDED;) {
        struct arc_pkt *pkt = arc_pkt_get(pool);

        if (!pkt)
            continue;
        pkt->len = i & 0xff;
        while (arc_ring_push(ring, &pkt) != ARC_OK)
            ;
        i++;
    }
    pthread_join(thread, NULL);
    CHECK(arc_pkt_pool_used(pool) == 0);
    CHECK(arc_ring_count(ring) == 0);
    arc_ring_free(ring);
    arc_pkt_pool_unref(pool);
}

static void test_ring_is_bounded_and_keeps_order(void)
{
    struct arc_ring *ring;
    int v, out;

    CHECK(arc_ring_new(3, sizeof(int), &ring) == ARC_OK); /* room for 4 */
    for (v = 0; v < 4; v++)
        CHECK(arc_ring_push(ring, &v) == ARC_OK);
    CHECK(arc_ring_push(ring, &v) == ARC_AGAIN);
    for (v = 0; v < 4; v++)
        CHECK(arc_ring_pop(ring, &out) == ARC_OK && out == v);
    CHECK(arc_ring_pop(ring, &out) == ARC_AGAIN);
    arc_ring_free(ring);
}

static void test_reader_fails_softly_past_the_end(void)
{
    const uint8_t data[] = {1, 2, 3, 4, 5};
    struct arc_reader r;

    arc_reader_init(&r, data, sizeof(data));
    CHECK(arc_reader_u8(&r) == 1);
    CHECK(arc_reader_u24(&r) == 0x020304);
    CHECK(arc_reader_left(&r) == 1);
    CHECK(arc_reader_u16(&r) == 0 && r.fail);
    CHECK(arc_reader_left(&r) == 0);
    CHECK(arc_reader_u8(&r) == 0);
}

static void test_writer_never_writes_past_its_cap(void)
{
    uint8_t out[8] = {0};
    struct arc_writer w;

    arc_writer_init(&w, out, 7);
    arc_writer_u32(&w, 0x01020304);
    arc_writer_u16(&w, 0x0506);
    CHECK(!w.fail && w.pos == 6);
    arc_writer_u16(&w, 0xffff);
    CHECK(w.fail && w.pos == 6 && out[6] == 0 && out[7] == 0);
}

static void test_log_drops_the_oldest_and_counts_it(void)
{
    struct arc_log log;
    struct arc_log_line line;

    arc_log_init(&log);
    for (int i = 0; i < ARC_LOG_LINES + 3; i++)
        arc_log_write(&log, i, ARC_LOG_INFO, "line %d", i);
    CHECK(log.lost == 3);
    CHECK(arc_log_pop(&log, &line) == ARC_OK && !strcmp(line.text, "line 3"));
    for (int i = 0; i < ARC_LOG_LINES - 1; i++)
        CHECK(arc_log_pop(&log, &line) == ARC_OK);
    CHECK(arc_log_pop(&log, &line) == ARC_AGAIN);
}

/** Against an array: `truth[id]` is the place, or -1. */
static void test_idmap_agrees_with_an_array(void)
{
    enum { IDS = 64, CAPACITY = 20 };
    struct arc_idmap *m = NULL;
    struct arc_rng rng;
    int32_t truth[IDS], n = 0;

    arc_rng_init(&rng, 1);
    CHECK(arc_idmap_new(CAPACITY, 7, &m) == ARC_OK);
    for (int i = 0; i < IDS; i++)
        truth[i] = -1;
    for (int32_t step = 0; step < 20000; step++) {
        uint32_t id = arc_rng_below(&rng, IDS);
        bool there = truth[id] >= 0;

        if (arc_rng_below(&rng, 2)) {
            CHECK(arc_idmap_put(m, id, step) == (!there && n < CAPACITY));
            if (!there && n < CAPACITY) {
                truth[id] = step;
                n++;
            }
        } else {
            CHECK(arc_idmap_remove(m, id) == there);
            truth[id] = -1;
            n -= there;
        }
        for (uint32_t k = 0; k < IDS; k++)
            CHECK(arc_idmap_get(m, k) == truth[k]);
    }
    CHECK(!arc_idmap_put(m, 1000, -1));
    arc_idmap_free(m);
}

static void test_idmap_new_survives_every_allocation_failure(void)
{
    int64_t live = arc_mem_live_blocks();
    struct arc_idmap *m = NULL;
    int allowed = 0;

    for (; allowed < 10; allowed++) {
        arc_mem_fail_after(allowed);
        if (arc_idmap_new(5, 1, &m) == ARC_OK)
            break;
        CHECK(m == NULL && arc_mem_live_blocks() == live);
    }
    arc_mem_fail_after(-1);
    CHECK(allowed == 2);
    arc_idmap_free(m);
    arc_idmap_free(NULL);
    CHECK(arc_idmap_new(0, 1, &m) == ARC_ERR_ARG);
    CHECK(arc_idmap_new((1 << 24) + 1, 1, &m) == ARC_ERR_ARG);
}

static void test_ntp_goes_both_ways_and_across_the_wrap(void)
{
    const uint64_t start = UINT64_C(0xfffffffe) << 32; /* 2036, two seconds left */
    const int64_t stretches[] = {0, 1, 999999, 1000000, 2500000, 4294967295000000};

    for (size_t i = 0; i < sizeof(stretches) / sizeof(stretches[0]); i++) {
        const int64_t us = stretches[i];
        const uint64_t ntp = arc_ntp_from_us(us);
        int64_t rest;

        CHECK(us - arc_ntp_to_us(ntp) >= 0 && us - arc_ntp_to_us(ntp) <= 1);
        CHECK(arc_ntp_from_us(-us) + ntp + 1 <= 1); /* each rounds down */
        if (us > INT64_C(2000000000000000))
            continue; /* differences reach 68 years */
        rest = arc_ntp_between_us(start, start + ntp) - us;
        CHECK(rest <= 0 && rest >= -17);
        rest = arc_ntp_between_us(start + ntp, start) + us;
        CHECK(rest <= 17 && rest >= -17);
    }
}

/** Three rooms of odd sizes. */
static void take_rooms(struct arc_rooms *r, uint8_t *room[3])
{
    room[0] = arc_rooms_take(r, 3, 1);
    room[1] = arc_rooms_take(r, 5, 13);
    room[2] = arc_rooms_take(r, 1, 64);
}

static void test_scratch_is_lent_or_made(void)
{
    const int64_t live = arc_mem_live_blocks();
    struct arc_scratch *lent = NULL, *own = NULL;
    struct arc_rooms count = {NULL, 0}, rooms = {NULL, 0};
    uint8_t *room[3], *mem = NULL;

    take_rooms(&count, room);
    CHECK(count.used == 64 + 128 + 64 && room[0] == NULL && room[2] == NULL);
    CHECK(arc_scratch_new(0, &lent) == ARC_ERR_ARG);
    CHECK(arc_scratch_new(SIZE_MAX, &lent) == ARC_ERR_ARG);
    CHECK(arc_scratch_new(count.used, &lent) == ARC_OK);
    CHECK(arc_scratch_bytes(lent) == count.used);

    CHECK(arc_scratch_open(lent, count.used + 1, &own, &mem) == ARC_ERR_SPACE);
    CHECK(own == NULL && mem == NULL);
    CHECK(arc_scratch_open(lent, count.used, &own, &rooms.mem) == ARC_OK && !own);
    take_rooms(&rooms, room);
    CHECK(room[0] == rooms.mem && room[1] == room[0] + 64 && room[2] == room[1] + 128);
    CHECK((uintptr_t)room[0] % ARC_SCRATCH_ALIGN == 0);
    memset(rooms.mem, 1, count.used); /* all of it is there */

    CHECK(arc_scratch_open(NULL, 1, &own, &mem) == ARC_OK);
    CHECK(own != NULL && mem != NULL && mem != rooms.mem);
    arc_scratch_free(own);
    arc_scratch_free(lent);
    arc_scratch_free(NULL);
    CHECK(arc_mem_live_blocks() == live);
}

int main(void)
{
    test_mem_counts_aligns_and_refuses_overflow();
    test_pool_new_survives_every_allocation_failure();
    test_pool_is_bounded_and_outlives_its_owner();
    test_share_is_bounded_and_gives_back_to_its_pool();
    test_chain_keeps_bytes_of_any_length();
    test_packets_cross_threads_through_a_ring();
    test_ring_is_bounded_and_keeps_order();
    test_reader_fails_softly_past_the_end();
    test_writer_never_writes_past_its_cap();
    test_log_drops_the_oldest_and_counts_it();
    test_idmap_agrees_with_an_array();
    test_idmap_new_survives_every_allocation_failure();
    test_ntp_goes_both_ways_and_across_the_wrap();
    test_scratch_is_lent_or_made();
    return check_done("test_base");
}
