/**
 * @file tests/c/test_udp.c  Datagrams: what is sent arrives, in every form the
 * system has for it, with its ECN bits and its time
 */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "datagrams.h"

/* --- trains ----------------------------------------------------------------------- */

static const struct { int32_t n, size, last; } shapes[] = {
    {12, 1200, 0}, {12, 1200, 700}, {1, 1400, 0}, {1, 172, 0}, {1, 172, 60},
    {64, 200, 1}, {150, 300, 10}, {54, 1228, 0}, {3, 30000, 5}, {2, 5, 4},
    {12, 1200, 0}, {1, 1300, 0},
};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static void exchange_trains(struct arc_udp *a, struct arc_udp *b, int32_t cap)
{
    struct arc_train trains[SHAPES];
    struct arc_udp_stats before = stats_of(a);
    uint8_t *at = sent_bytes;
    uint32_t number = 0;
    int32_t k = 0;

    for (int i = 0; i < SHAPES; i++) {
        trains[i] = make_train(at, shapes[i].n, shapes[i].size, shapes[i].last,
                               number);
        at += trains[i].len;
        number += (uint32_t)shapes[i].n + (shapes[i].last > 0);
    }
    arc_udp_send_trains(a, trains, SHAPES);
    CHECK(read_some(b, (int32_t)number, cap) == (int32_t)number);
    for (int i = 0; i < SHAPES; i++) {
        for (int32_t j = 0; j < shapes[i].n; j++, k++)
            check_datagram(&got[k], shapes[i].size, (uint32_t)k);
        if (shapes[i].last > 0) {
            check_datagram(&got[k], shapes[i].last, (uint32_t)k);
            k++;
        }
    }
    CHECK(stats_of(a).sent_pkts - before.sent_pkts == (int64_t)number);
}

/** The same datagrams, whichever form they take on their way. */
static void test_trains_arrive_in_every_form(void)
{
    for (int form = 0; form < 64; form++) {
        const char *host = hosts[form & 1];
        struct arc_udp_config c = config(host);
        struct arc_udp *a, *b;

        c.gso     = form & 2;
        c.gro     = form & 4;
        c.batch   = form & 8;
        c.connect = form & 16 ? ARC_UDP_CONNECT_SET : ARC_UDP_CONNECT_NEVER;
        c.timestamps = c.read_ecn = form & 32;
        a = open_with(&c);
        b = open_with(&c);
        point(a, host, b);
        exchange_trains(a, b, form & 1 ? 7 : MANY);
        CHECK(stats_of(b).received_pkts == stats_of(a).sent_pkts);
        CHECK((stats_of(a).sent_trains > 0) == (stats_of(a).gso > 0));
        if (stats_of(a).gso && stats_of(b).gro)
            CHECK(stats_of(b).received_trains == stats_of(a).sent_trains);
        else
            CHECK(stats_of(b).received_trains == 0);
        arc_udp_close(a);
        arc_udp_close(b);
    }
}

/** "::" speaks both families. */
static void test_trains_over_a_socket_of_both_families(void)
{
    for (int i = 0; i < 2; i++) {
        struct arc_udp *any = open_at("::"), *one = open_at(hosts[i]);

        point(any, hosts[i], one);
        exchange_trains(any, one, MANY);
        point(one, hosts[i], any);
        exchange_trains(one, any, 1);
        arc_udp_close(any);
        arc_udp_close(one);
    }
}

/** Small memory for what is read: the rest of a train comes with the next call,
 *  and who turns elsewhere first is told what it cost. */
static void test_what_is_left_is_counted_when_it_is_left_behind(void)
{
    struct arc_udp *a = open_at("127.0.0.1"), *b = open_at("127.0.0.1");
    struct arc_train t = make_train(sent_bytes, 12, 1200, 0, 0);
    int64_t before = arc_udp_rx_abandoned(rx);
    struct arc_datagram d[5];

    point(a, "127.0.0.1", b);
    if (!stats_of(b).gro) {
        arc_udp_close(a);
        arc_udp_close(b);
        return;
    }
    arc_udp_send_trains(a, &t, 1);
    CHECK(events_of(b, WAIT_MS) & POLLIN);
    CHECK(arc_udp_rx_read(rx, b, false, arc_clock_us(), d, 5) == 5);
    CHECK(arc_udp_rx_left(rx) && arc_udp_rx_more(rx));
    CHECK(arc_udp_rx_read(rx, b, false, arc_clock_us(), d, 5) == 5);
    check_datagram(&d[4], 1200, 9);
    CHECK(arc_udp_rx_read(rx, a, false, arc_clock_us(), d, 5) == 0);
    CHECK(arc_udp_rx_abandoned(rx) - before == 2);
    CHECK(!arc_udp_rx_left(rx));
    CHECK(arc_udp_rx_read(rx, b, false, arc_clock_us(), d, 5) == 0);
    arc_udp_close(a);
    arc_udp_close(b);
}

/* --- packets ---------------------------------------------------------------------- */

/** Empty ones as well: 0 where it is negative. */
static int32_t draw_size(struct arc_rng *rng)
{
    static const int32_t usual[] = {1200, 1200, 1200, 800, 172, 40};

    return arc_rng_below(rng, 4) ? usual[arc_rng_below(rng, 6)]
                                 : (int32_t)arc_rng_below(rng, 1400) - 200;
}

static void exchange_packets(struct arc_udp *a, struct arc_udp *b,
                             struct arc_pkt_pool *pool, uint64_t seed)
{
    struct arc_pkt *pkts[ARC_UDP_BATCH];
    int32_t sizes[ARC_UDP_BATCH], n, have = 0;
    struct arc_rng rng;

    arc_rng_init(&rng, seed);
    n = 1 + (int32_t)arc_rng_below(&rng, ARC_UDP_BATCH);
    for (int32_t i = 0; i < n; i++) {
        pkts[i] = arc_pkt_get(pool);
        CHECK(pkts[i]);
        sizes[i] = draw_size(&rng);
        pkts[i]->len = sizes[i] = sizes[i] < 0 ? 0 : sizes[i];
        fill(pkts[i]->data, sizes[i], (uint32_t)i);
    }
    arc_udp_send(a, pkts, n);
    CHECK(arc_pkt_pool_used(pool) == 0);
    while (have < n) {
        int32_t count;

        CHECK(events_of(b, WAIT_MS) & POLLIN);
        count = arc_udp_receive(b, false, rx, pool, pkts, arc_clock_us());
        for (int32_t i = 0; i < count; i++, have++) {
            struct arc_datagram d = {pkts[i]->data, pkts[i]->len, 0, 0, 0};

            check_datagram(&d, sizes[have], (uint32_t)have);
            arc_pkt_unref(pkts[i]);
        }
    }
}

static void test_packets_arrive_in_every_form(void)
{
    struct arc_pkt_pool *pool;

    CHECK(arc_pkt_pool_new(2 * ARC_UDP_BATCH, &pool) == ARC_OK);
    for (int form = 0; form < 8; form++) {
        struct arc_udp_config c = config(hosts[form & 1]);
        struct arc_udp *a, *b;

        c.gso = c.gro = form & 2;
        c.connect = form & 4 ? ARC_UDP_CONNECT_SET : ARC_UDP_CONNECT_NEVER;
        a = open_with(&c);
        b = open_with(&c);
        point(a, hosts[form & 1], b);
        for (uint64_t seed = 0; seed < 60; seed++) {
            CHECK(arc_udp_set_train(a, 1 + (int32_t)seed) == ARC_OK);
            exchange_packets(a, b, pool, seed);
        }
        CHECK((stats_of(a).sent_trains > 0) == (stats_of(a).gso > 0));
        arc_udp_close(a);
        arc_udp_close(b);
    }
    arc_pkt_pool_unref(pool);
}

/** What a train had the socket cut at is not for packets. */
static void test_packets_after_trains_are_whole(void)
{
    struct arc_udp *a = open_at("127.0.0.1"), *b = open_at("127.0.0.1");
    struct arc_train t = make_train(sent_bytes, 3, 20, 0, 0);
    struct arc_pkt_pool *pool;

    CHECK(arc_pkt_pool_new(2 * ARC_UDP_BATCH, &pool) == ARC_OK);
    point(a, "127.0.0.1", b);
    for (uint64_t seed = 0; seed < 20; seed++) {
        arc_udp_send_trains(a, &t, 1);
        CHECK(read_some(b, 3, MANY) == 3);
        exchange_packets(a, b, pool, seed);
    }
    arc_udp_close(a);
    arc_udp_close(b);
    arc_pkt_pool_unref(pool);
}

/** The pacer's bound on what leaves at once. */
static void test_a_message_has_at_most_max_train_packets(void)
{
    struct arc_udp *a = open_at("127.0.0.1"), *b = open_at("127.0.0.1");
    struct arc_pkt *pkts[ARC_UDP_BATCH];
    struct arc_pkt_pool *pool;

    CHECK(arc_pkt_pool_new(ARC_UDP_BATCH, &pool) == ARC_OK);
    point(a, "127.0.0.1", b);
    CHECK(arc_udp_set_train(a, 0) == ARC_ERR_ARG);
    CHECK(arc_udp_set_train(a, 65) == ARC_ERR_ARG);
    CHECK(arc_udp_set_train(a, 5) == ARC_OK);
    for (int32_t i = 0; i < ARC_UDP_BATCH; i++) {
        pkts[i] = arc_pkt_get(pool);
        pkts[i]->len = 500;
        fill(pkts[i]->data, 500, (uint32_t)i);
    }
    arc_udp_send(a, pkts, ARC_UDP_BATCH);
    CHECK(read_some(b, ARC_UDP_BATCH, MANY) == ARC_UDP_BATCH);
    if (stats_of(a).gso)
        CHECK(stats_of(a).sent_trains == 7); /* 6 of 5, one of 2 */
    arc_udp_close(a);
    arc_udp_close(b);
    arc_pkt_pool_unref(pool);
}

static void test_an_empty_pool_and_long_datagrams_are_counted(void)
{
    struct arc_udp *a = open_at("127.0.0.1"), *b = open_at("127.0.0.1");
    struct arc_pkt *pkts[ARC_UDP_BATCH];
    struct arc_pkt_pool *pool;

    CHECK(arc_pkt_pool_new(2, &pool) == ARC_OK);
    point(a, "127.0.0.1", b);
    for (uint32_t i = 0; i < 5; i++)
        send_one(a, i ? 100 : ARC_PKT_CAP_BYTES + 1, i, 0);
    CHECK(events_of(b, WAIT_MS) & POLLIN);
    CHECK(arc_udp_receive(b, false, rx, pool, pkts, arc_clock_us()) == 2);
    CHECK(pkts[0]->len == 0 && pkts[1]->len == 100);
    CHECK(stats_of(b).truncated == 1 && stats_of(b).no_packet == 3);
    CHECK(stats_of(b).received_pkts == 5);
    arc_pkt_unref(pkts[0]);
    arc_pkt_unref(pkts[1]);
    arc_udp_close(a);
    arc_udp_close(b);
    arc_pkt_pool_unref(pool);
}

/** Sockets without checksums cannot cut (EINVAL), as some routes cannot. */
static void test_a_socket_that_cannot_cut_loses_nothing(void)
{
    for (int packets = 0; packets < 2; packets++) {
        struct arc_udp *a = open_at("127.0.0.1"), *b = open_at("127.0.0.1");
        struct arc_train t = make_train(sent_bytes, 12, 1200, 3, 0);
        struct arc_pkt_pool *pool;
        int one = 1;

        CHECK(arc_pkt_pool_new(2 * ARC_UDP_BATCH, &pool) == ARC_OK);
        point(a, "127.0.0.1", b);
        CHECK(setsockopt(arc_udp_fd(a), SOL_SOCKET, SO_NO_CHECK, &one,
                         sizeof(one)) == 0);
        if (packets) {
            for (uint64_t seed = 0; seed < 20; seed++)
                exchange_packets(a, b, pool, seed);
        } else {
            arc_udp_send_trains(a, &t, 1);
            CHECK(read_some(b, 13, MANY) == 13);
            for (int32_t i = 0; i < 13; i++)
                check_datagram(&got[i], i < 12 ? 1200 : 3, (uint32_t)i);
            exchange_trains(a, b, MANY);
        }
        CHECK(stats_of(a).gso == 0 && stats_of(a).sent_trains == 0);
        CHECK(stats_of(a).other_errors == 0 && stats_of(a).too_big == 0);
        arc_udp_close(a);
        arc_udp_close(b);
        arc_pkt_pool_unref(pool);
    }
}

/* --- ECN and time ----------------------------------------------------------------- */

static void check_ecn(const char *local, const char *host)
{
    struct arc_udp *a = open_at(local), *b = open_at(local);
    static const int32_t order[] = {0, 1, 1, 2, 3, 0, 3, 1};
    struct arc_pkt *pkts[ARC_UDP_BATCH];
    struct arc_pkt_pool *pool;
    int32_t n_read;

    point(a, host, b);
    for (uint32_t i = 0; i < 8; i++)
        send_one(a, 100, i, order[i]);
    CHECK(read_some(b, 8, MANY) == 8);
    for (uint32_t i = 0; i < 8; i++) {
        check_datagram(&got[i], 100, i);
        CHECK(got[i].ecn == order[i]);
    }
    CHECK(arc_pkt_pool_new(2, &pool) == ARC_OK);
    CHECK(arc_udp_set_ecn(a, 4) == ARC_ERR_ARG);
    for (int32_t n = 1; n <= 2; n++) {
        arc_udp_set_ecn(a, n == 1 ? ARC_ECN_ECT_1 : ARC_ECN_ECT_0);
        for (int32_t i = 0; i < n; i++) {
            pkts[i] = arc_pkt_get(pool);
            pkts[i]->len = 20;
        }
        arc_udp_send(a, pkts, n);
        for (int32_t i = 0; i < n; i++) {
            CHECK(events_of(b, WAIT_MS) & POLLIN);
            n_read = arc_udp_receive(b, false, rx, pool, pkts, arc_clock_us());
            for (int32_t k = 0; k < n_read; k++) {
                CHECK(pkts[k]->ecn == (n == 1 ? ARC_ECN_ECT_1 : ARC_ECN_ECT_0));
                arc_pkt_unref(pkts[k]);
            }
            i += n_read - 1;
        }
    }
    arc_pkt_pool_unref(pool);
    arc_udp_close(a);
    arc_udp_close(b);
}

static void test_ecn_bits_go_round(void)
{
    struct arc_udp_config c = config("127.0.0.1");
    struct arc_udp *a, *b;

    check_ecn("127.0.0.1", "127.0.0.1");
    check_ecn("::1", "::1");
    check_ecn("::", "::1");
    check_ecn("::", "127.0.0.1");

    c.read_ecn = false;
    a = open_at("127.0.0.1");
    b = open_with(&c);
    point(a, "127.0.0.1", b);
    send_one(a, 100, 0, ARC_ECN_CE);
    CHECK(read_some(b, 1, MANY) == 1);
    CHECK(got[0].ecn == 0 && !stats_of(b).read_ecn);
    arc_udp_close(a);
    arc_udp_close(b);
}

/** Datagrams wait in the socket; their time is when they came. */
static void test_time_is_that_of_arrival(void)
{
    enum { ERROR_US = 1000 }; /* of comparing two clocks */
    for (int on = 0; on < 2; on++) {
        struct arc_udp_config c = config("127.0.0.1");
        struct arc_udp *a = open_at("127.0.0.1"), *b;
        int64_t before_us, after_us, now_us;
        struct arc_datagram d[2];

        c.timestamps = on;
        b = open_with(&c);
        point(a, "127.0.0.1", b);
        before_us = arc_clock_us();
        send_one(a, 100, 0, 0);
        after_us = arc_clock_us();
        usleep(20000);
        now_us = arc_clock_us();
        send_one(a, 100, 1, 0); /* after `now` */
        CHECK(events_of(b, WAIT_MS) & POLLIN);
        CHECK(arc_udp_rx_read(rx, b, false, now_us, d, 2) == 2);
        if (on)
            CHECK(d[0].time_us >= before_us - ERROR_US &&
                  d[0].time_us <= after_us + ERROR_US);
        else
            CHECK(d[0].time_us == now_us);
        CHECK(d[1].time_us == now_us);
        CHECK(d[0].source == d[1].source && d[0].source != 0);
        arc_udp_close(a);
        arc_udp_close(b);
    }
}

/** A wall clock that is set must not make datagrams older than they can be. */
static void test_time_is_at_most_a_second_ago(void)
{
    struct arc_udp *a = open_at("127.0.0.1"), *b = open_at("127.0.0.1");
    struct arc_datagram d;
    int64_t later_us;

    point(a, "127.0.0.1", b);
    send_one(a, 100, 0, 0);
    CHECK(events_of(b, WAIT_MS) & POLLIN);
    later_us = arc_clock_us() + 5000000;
    CHECK(arc_udp_rx_read(rx, b, false, later_us, &d, 1) == 1);
    CHECK(d.time_us == later_us);
    arc_udp_close(a);
    arc_udp_close(b);
}

int main(void)
{
    int64_t live = arc_mem_live_blocks();

    CHECK(arc_udp_rx_new(&rx) == ARC_OK);
    test_trains_arrive_in_every_form();
    test_trains_over_a_socket_of_both_families();
    test_what_is_left_is_counted_when_it_is_left_behind();
    test_packets_arrive_in_every_form();
    test_packets_after_trains_are_whole();
    test_a_message_has_at_most_max_train_packets();
    test_an_empty_pool_and_long_datagrams_are_counted();
    test_a_socket_that_cannot_cut_loses_nothing();
    test_ecn_bits_go_round();
    test_time_is_that_of_arrival();
    test_time_is_at_most_a_second_ago();
    arc_udp_rx_free(rx);
    CHECK(arc_mem_live_blocks() == live);
    return check_done("test_udp");
}
