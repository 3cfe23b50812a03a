/**
 * @file tests/c/test_udp.c  Sockets: what is sent arrives, in every form the
 * system has for it, and what goes wrong is counted and stops nothing
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "io/clock.h"
#include "io/udpcaps.h"
#include "io/udpsocket.h"

enum {
    MANY       = 4096,  /* datagrams of one test                             */
    WAIT_MS    = 2000,
    QUIET_MS   = 30,    /* nothing comes for that long: nothing comes        */
    HEAD_BYTES = 4,     /* number of a datagram in front of its pattern      */
};

static const char *const hosts[] = {"127.0.0.1", "::1"};

static struct arc_udp_rx *rx;

/* --- sockets ---------------------------------------------------------------------- */

static struct arc_udp_config config(const char *host)
{
    struct arc_udp_config c;

    arc_udp_config_init(&c);
    c.host = host;
    return c;
}

static struct arc_udp *open_with(const struct arc_udp_config *c)
{
    struct arc_udp *u = NULL;
    char why[200] = "";

    if (arc_udp_open_config(c, &u, why, sizeof(why)) != ARC_OK)
        fprintf(stderr, "%s\n", why);
    CHECK(u);
    return u;
}

static struct arc_udp *open_at(const char *host)
{
    struct arc_udp_config c = config(host);

    return open_with(&c);
}

static void point(struct arc_udp *from, const char *host, struct arc_udp *to)
{
    CHECK(arc_udp_set_remote(from, host, arc_udp_port(to), NULL, 0) == ARC_OK);
}

static struct arc_udp_stats stats_of(const struct arc_udp *u)
{
    struct arc_udp_stats s;

    arc_udp_get_stats(u, &s);
    return s;
}

static short events_of(const struct arc_udp *u, int wait_ms)
{
    struct pollfd p = {arc_udp_fd(u), POLLIN, 0};

    CHECK(poll(&p, 1, wait_ms) >= 0);
    return p.revents;
}

/* --- datagrams with a number and a pattern ------------------------------------------ */

static uint8_t sent_bytes[MANY * 1500];
static struct arc_datagram got[MANY];
static uint8_t got_bytes[MANY * 1500];

static void fill(uint8_t *data, int32_t len, uint32_t number)
{
    for (int32_t k = 0; k < len; k++)
        data[k] = k < HEAD_BYTES ? (uint8_t)(number >> 8 * k)
                                 : (uint8_t)(number * 31 + (uint32_t)k);
}

static void check_datagram(const struct arc_datagram *d, int32_t len,
                           uint32_t number)
{
    static uint8_t want[65536];

    fill(want, len, number);
    CHECK(d->len == len);
    CHECK(memcmp(d->data, want, (size_t)len) == 0);
}

/** Read until `n` came or nothing more comes; copies, as the memory is used
 *  again. */
static int32_t read_some(struct arc_udp *u, int32_t n, int32_t cap)
{
    static struct arc_datagram out[MANY];
    size_t used = 0;
    int32_t have = 0;

    while (have < n && (events_of(u, WAIT_MS) & (POLLIN | POLLERR))) {
        int32_t count;

        do {
            count = arc_udp_rx_read(rx, u, false, arc_clock_us(), out, cap);
            for (int32_t i = 0; i < count; i++, have++) {
                CHECK(have < MANY && used + (size_t)out[i].len <=
                                         sizeof(got_bytes));
                got[have]      = out[i];
                got[have].data = got_bytes + used;
                memcpy(got_bytes + used, out[i].data, (size_t)out[i].len);
                used += (size_t)out[i].len;
            }
        } while (arc_udp_rx_left(rx) || (count > 0 && arc_udp_rx_more(rx)));
    }
    return have;
}

static void send_one(struct arc_udp *u, int32_t len, uint32_t number, int32_t ecn)
{
    struct arc_train t = {sent_bytes, len, len, ecn};

    fill(sent_bytes, len, number);
    arc_udp_send_trains(u, &t, 1);
}

/** A train of `n` datagrams of `size` and one of `last` bytes, if not 0. */
static struct arc_train make_train(uint8_t *at, int32_t n, int32_t size,
                                   int32_t last, uint32_t first)
{
    struct arc_train t = {at, n * size + last, size, 0};

    for (int32_t i = 0; i < n; i++)
        fill(at + i * size, size, first + (uint32_t)i);
    fill(at + n * size, last, first + (uint32_t)n);
    return t;
}

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

static int32_t draw_size(struct arc_rng *rng)
{
    static const int32_t usual[] = {1200, 1200, 1200, 800, 172, 40};

    return arc_rng_below(rng, 4) ? usual[arc_rng_below(rng, 6)]
                                 : 1 + (int32_t)arc_rng_below(rng, 1400);
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
        pkts[i]->len = sizes[i] = draw_size(&rng);
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

/* --- ECN and time ----------------------------------------------------------------- */

static void check_ecn(const char *local, const char *host)
{
    struct arc_udp *a = open_at(local), *b = open_at(local);
    static const int32_t order[] = {0, 1, 1, 2, 3, 0, 3, 1};
    struct arc_pkt_pool *pool;
    struct arc_pkt *pkt;

    point(a, host, b);
    for (uint32_t i = 0; i < 8; i++)
        send_one(a, 100, i, order[i]);
    CHECK(read_some(b, 8, MANY) == 8);
    for (uint32_t i = 0; i < 8; i++) {
        check_datagram(&got[i], 100, i);
        CHECK(got[i].ecn == order[i]);
    }
    CHECK(arc_pkt_pool_new(1, &pool) == ARC_OK);
    CHECK(arc_udp_set_ecn(a, 4) == ARC_ERR_ARG);
    CHECK(arc_udp_set_ecn(a, ARC_ECN_ECT_1) == ARC_OK);
    pkt = arc_pkt_get(pool);
    pkt->len = 20;
    arc_udp_send(a, &pkt, 1);
    CHECK(events_of(b, WAIT_MS) & POLLIN);
    CHECK(arc_udp_receive(b, false, rx, pool, &pkt, arc_clock_us()) == 1);
    CHECK(pkt->ecn == ARC_ECN_ECT_1);
    arc_pkt_unref(pkt);
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

/* --- connections ------------------------------------------------------------------ */

static void expect_number(struct arc_udp *u, uint32_t number)
{
    CHECK(read_some(u, 1, 1) == 1);
    check_datagram(&got[0], 60, number);
}

static void check_connection(const char *local, const char *host)
{
    struct arc_udp_config c = config(local);
    struct arc_udp *u, *a = open_at(host), *b = open_at(host);
    struct arc_datagram d;
    char text[64];
    int32_t port;

    c.connect = ARC_UDP_CONNECT_ALWAYS;
    u = open_with(&c);
    port = arc_udp_port(u);
    point(a, host, u);
    point(b, host, u);
    send_one(a, 60, 1, 0);
    CHECK(events_of(u, WAIT_MS) & POLLIN);
    CHECK(arc_udp_rx_read(rx, u, false, arc_clock_us(), &d, 1) == 1);
    arc_udp_learn(u, false, rx, &d);
    send_one(b, 60, 2, 0); /* a stranger now */
    CHECK(!(events_of(u, QUIET_MS) & POLLIN));
    send_one(u, 60, 3, 0);
    expect_number(a, 3);

    point(u, host, b); /* connected again, elsewhere */
    send_one(u, 60, 4, 0);
    expect_number(b, 4);
    send_one(b, 60, 5, 0);
    expect_number(u, 5);

    CHECK(arc_udp_forget_remote(u) == ARC_OK);
    CHECK(arc_udp_port(u) == port);
    CHECK(arc_udp_address(u, true, text, sizeof(text)) == ARC_OK && !text[0]);
    send_one(u, 60, 6, 0);
    CHECK(stats_of(u).no_remote == 1);
    send_one(a, 60, 7, 0);
    expect_number(u, 7);
    send_one(b, 60, 8, 0);
    expect_number(u, 8);
    arc_udp_close(u);
    arc_udp_close(a);
    arc_udp_close(b);
}

static void test_connections_are_made_changed_and_dissolved(void)
{
    check_connection("127.0.0.1", "127.0.0.1");
    check_connection("::1", "::1");
    check_connection("", "127.0.0.1");
    check_connection("::", "::1");
    check_connection("::", "127.0.0.1");
}

static void test_sessions_hear_everybody(void)
{
    struct arc_udp *u = open_at("127.0.0.1"), *a = open_at("127.0.0.1");
    struct arc_udp *b = open_at("127.0.0.1");

    point(u, "127.0.0.1", a);
    point(b, "127.0.0.1", u);
    send_one(b, 60, 1, 0);
    expect_number(u, 1);
    arc_udp_close(u);
    arc_udp_close(a);
    arc_udp_close(b);
}

static void test_rtcp_has_its_way(void)
{
    static const uint8_t report[8] = {0x80, 201, 0, 1};
    struct arc_udp *a = open_at("127.0.0.1"), *b = open_at("127.0.0.1");
    struct arc_udp *rtcp = open_at("127.0.0.1");
    struct arc_train trains[2];

    point(a, "127.0.0.1", b);
    CHECK(arc_udp_split_rtcp(a, 0, arc_udp_port(rtcp), NULL, 0) == ARC_OK);
    trains[0] = make_train(sent_bytes, 1, 60, 0, 128); /* version 2 */
    memcpy(sent_bytes + 100, report, sizeof(report));
    trains[1] = (struct arc_train){sent_bytes + 100, 8, 8, 0};
    arc_udp_send_trains(a, trains, 2);
    expect_number(b, 128);
    CHECK(read_some(rtcp, 1, 1) == 1);
    CHECK(got[0].len == 8 && memcmp(got[0].data, report, 8) == 0);
    arc_udp_close(a);
    arc_udp_close(b);
    arc_udp_close(rtcp);
}

/* --- faults ----------------------------------------------------------------------- */

/** ICMP's answer to one datagram must not cost the next one, nor keep the
 *  socket ready with nothing to read. */
static void check_refusal(const char *host, int32_t connect)
{
    struct arc_udp_config c = config(host);
    struct arc_udp *u, *dead = open_at(host), *live = open_at(host);
    int32_t port = arc_udp_port(dead);
    struct arc_datagram d;
    const bool told = connect || stats_of(live).gro; /* elsewhere: only then */

    c.connect = connect;
    u = open_with(&c);
    arc_udp_close(dead);
    CHECK(arc_udp_set_remote(u, host, port, NULL, 0) == ARC_OK);
    send_one(u, 60, 0, 0);
    if (told)
        CHECK(events_of(u, WAIT_MS) & POLLERR);
    send_one(u, 60, 1, 0);
    point(u, host, live);
    for (uint32_t i = 2; i < 5; i++)
        send_one(u, 60, i, 0);
    CHECK(read_some(live, 3, MANY) == 3);
    for (uint32_t i = 0; i < 3; i++)
        check_datagram(&got[i], 60, i + 2);
    CHECK(stats_of(u).sent_pkts == 5 && stats_of(u).other_errors == 0);
    while (events_of(u, QUIET_MS))
        CHECK(arc_udp_rx_read(rx, u, false, arc_clock_us(), &d, 1) == 0);
    if (told)
        CHECK(stats_of(u).refused >= 1 && stats_of(u).refused <= 2);
    arc_udp_close(u);
    arc_udp_close(live);
}

static void test_refusals_are_counted_and_cost_nothing(void)
{
    for (int i = 0; i < 2; i++) {
        check_refusal(hosts[i], ARC_UDP_CONNECT_NEVER);
        check_refusal(hosts[i], ARC_UDP_CONNECT_SET);
    }
}

/** A path that carries 1280 bytes: what is longer is told, what is not goes. */
static void test_too_big_is_told_with_the_path_mtu(void)
{
    struct arc_udp *a = open_at("::1"), *b = open_at("::1");
    struct arc_train t = make_train(sent_bytes, 3, 1300, 100, 0);
    struct arc_datagram d;
    int mtu = 1280;

    point(a, "::1", b);
    CHECK(setsockopt(arc_udp_fd(a), IPPROTO_IPV6, IPV6_MTU, &mtu,
                     sizeof(mtu)) == 0);
    arc_udp_send_trains(a, &t, 1);
    if (!stats_of(a).dont_fragment) {
        CHECK(stats_of(a).sent_pkts == 4);
        arc_udp_close(a);
        arc_udp_close(b);
        return;
    }
    CHECK(stats_of(a).too_big == 3 && stats_of(a).sent_pkts == 1);
    t = make_train(sent_bytes, 3, 1200, 0, 10);
    arc_udp_send_trains(a, &t, 1);
    CHECK(read_some(b, 4, MANY) == 4);
    check_datagram(&got[0], 100, 3);
    for (uint32_t i = 0; i < 3; i++)
        check_datagram(&got[1 + i], 1200, 10 + i);
    CHECK(stats_of(a).path_mtu_bytes == 1280);
    CHECK(stats_of(a).sent_trains == stats_of(a).gso); /* it cuts still */
    point(a, "::1", b); /* another path, for all that is known */
    CHECK(stats_of(a).path_mtu_bytes == 0);
    CHECK(stats_of(a).mtu_changes == 0); /* told by this machine, not by ICMP */
    while (events_of(a, QUIET_MS))
        CHECK(arc_udp_rx_read(rx, a, false, arc_clock_us(), &d, 1) == 0);
    arc_udp_close(a);
    arc_udp_close(b);
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

static void test_a_full_buffer_is_counted(void)
{
    struct arc_udp_config c = config("127.0.0.1");
    struct arc_udp *a = open_at("127.0.0.1"), *b;
    int32_t n;

    c.rcvbuf_bytes = 10000;
    b = open_with(&c);
    CHECK(stats_of(b).rcvbuf_bytes == 10000);
    CHECK(stats_of(a).rcvbuf_bytes > 10000);
    point(a, "127.0.0.1", b);
    for (uint32_t i = 0; i < 200; i++)
        send_one(a, 1000, i, 0);
    n = read_some(b, 1, MANY);
    CHECK(n > 0 && n < 200);
    if (stats_of(b).gro) /* this system tells */
        CHECK(n + stats_of(b).overflowed == 200);
    arc_udp_close(a);
    arc_udp_close(b);
}

/** What becomes of a message, and where its datagrams are counted. */
static void test_errors_are_judged(void)
{
    static const struct {
        int error, pkts, tries;
        enum arc_udpfault fault;
        size_t counter;
    } cases[] = {
#define AT(name) offsetof(struct arc_udp_stats, name)
        {EAGAIN, 12, 0, ARC_UDPFAULT_LOST, AT(would_block)},
        {ENOBUFS, 1, 0, ARC_UDPFAULT_LOST, AT(would_block)},
        {EIO, 12, 0, ARC_UDPFAULT_CUT, 0},
        {EINVAL, 2, 0, ARC_UDPFAULT_CUT, 0},
        {EOPNOTSUPP, 2, 0, ARC_UDPFAULT_CUT, 0},
        {EMSGSIZE, 2, 0, ARC_UDPFAULT_CUT, 0},
        {EMSGSIZE, 1, 0, ARC_UDPFAULT_LOST, AT(too_big)},
        {EINVAL, 1, 0, ARC_UDPFAULT_LOST, AT(other_errors)},
        {EINTR, 3, 0, ARC_UDPFAULT_RETRY, 0},
        {ECONNREFUSED, 1, 0, ARC_UDPFAULT_RETRY, AT(refused)},
        {ECONNREFUSED, 3, 9, ARC_UDPFAULT_LOST, AT(other_errors)},
        {ENETUNREACH, 5, 0, ARC_UDPFAULT_LOST, AT(no_route)},
        {EHOSTUNREACH, 1, 0, ARC_UDPFAULT_LOST, AT(no_route)},
        {EPERM, 4, 0, ARC_UDPFAULT_LOST, AT(other_errors)},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arc_udp *u = open_at("127.0.0.1");

        CHECK(arc_udpfault_judge(u, &u->rtp, cases[i].error, cases[i].pkts,
                                 cases[i].tries) == cases[i].fault);
        if (cases[i].counter)
            CHECK(*(int64_t *)((char *)&u->stats + cases[i].counter) ==
                  cases[i].pkts);
        arc_udp_close(u);
    }
}

/* --- opening ---------------------------------------------------------------------- */

static void refuse(const struct arc_udp_config *c, enum arc_status status,
                   const char *word)
{
    struct arc_udp *u = NULL;
    char why[200] = "";

    CHECK(arc_udp_open_config(c, &u, why, sizeof(why)) == status);
    CHECK(!u);
    if (!strstr(why, word))
        fprintf(stderr, "'%s' is not in '%s'\n", word, why);
    CHECK(strstr(why, word));
    CHECK(arc_udp_open_config(c, &u, NULL, 0) == status);
}

static void test_configs_that_are_wrong_say_why(void)
{
    struct arc_udp_config c = config("127.0.0.1");

    c.port = 65536;
    refuse(&c, ARC_ERR_ARG, "0..65535");
    c = config("127.0.0.1");
    c.port_min = 10;
    refuse(&c, ARC_ERR_ARG, "range of ports");
    c.port_max = 9;
    refuse(&c, ARC_ERR_ARG, "range of ports");
    c.port_max = 65536;
    refuse(&c, ARC_ERR_ARG, "range of ports");
    c.port_max = 20;
    c.port     = 15;
    refuse(&c, ARC_ERR_ARG, "range of ports");
    c = config("127.0.0.1");
    c.sndbuf_bytes = -1;
    refuse(&c, ARC_ERR_ARG, "buffer");
    c = config("127.0.0.1");
    c.ecn = 4;
    refuse(&c, ARC_ERR_ARG, "ECN");
    c = config("127.0.0.1");
    c.connect = 3;
    refuse(&c, ARC_ERR_ARG, "connect");
    c = config("192.0.2.1");
    refuse(&c, ARC_ERR_IO, "no such address");
    CHECK(arc_udp_open_config(NULL, NULL, NULL, 0) == ARC_ERR_ARG);
}

static void test_a_busy_port_is_refused_unless_shared(void)
{
    struct arc_udp_config c = config("127.0.0.1");
    struct arc_udp *a, *b;

    c.reuse_port = true;
    a = open_with(&c);
    c.port = arc_udp_port(a);
    b = open_with(&c);
    CHECK(arc_udp_port(b) == c.port);
    c.reuse_port = false;
    refuse(&c, ARC_ERR_IO, "in use");
    arc_udp_close(a);
    arc_udp_close(b);
}

/** Five ports that are free one after the other, below those the system gives
 *  away. */
static int32_t find_free_range(void)
{
    struct arc_rng rng;

    arc_rng_init(&rng, (uint64_t)arc_clock_us());
    for (;;) {
        int32_t first = 10000 + (int32_t)arc_rng_below(&rng, 20000), n = 0;
        struct arc_udp *u[5];

        while (n < 5 && arc_udp_open("127.0.0.1", first + n, &u[n], NULL, 0) ==
                            ARC_OK)
            n++;
        for (int32_t i = 0; i < n; i++)
            arc_udp_close(u[i]);
        if (n == 5)
            return first;
    }
}

static void test_a_range_is_used_up_and_then_named(void)
{
    struct arc_udp_config c = config("127.0.0.1");
    int32_t first = find_free_range();
    struct arc_udp *u[5];
    char range[32];
    int used = 0, firsts = 0;

    c.port_min = first;
    c.port_max = first + 4;
    for (c.seed = 0; c.seed < 5; c.seed++) {
        u[c.seed] = open_with(&c);
        used |= 1 << (arc_udp_port(u[c.seed]) - first);
    }
    CHECK(used == 31); /* each once */
    snprintf(range, sizeof(range), "%d..%d", (int)first, (int)first + 4);
    refuse(&c, ARC_ERR_IO, range);
    refuse(&c, ARC_ERR_IO, "in use");
    for (int i = 0; i < 5; i++)
        arc_udp_close(u[i]);
    for (c.seed = 0; c.seed < 40; c.seed++) {
        struct arc_udp *one = open_with(&c);

        firsts |= 1 << (arc_udp_port(one) - first);
        arc_udp_close(one);
    }
    CHECK(firsts == 31); /* the search starts anywhere */
}

/** What is told to people is what sockets find out for themselves. */
static void test_what_can_be_done_is_told(void)
{
    struct arc_udp *u = open_at("127.0.0.1");
    struct arc_udp_stats stats = stats_of(u);
    struct arc_udpcap cap;
    int told = 0;

    CHECK(arc_udpcaps_probe(-1, &cap) == ARC_ERR_ARG);
    CHECK(arc_udpcaps_probe(arc_udpcaps_count(), &cap) == ARC_ERR_ARG);
    for (int32_t i = 0; i < arc_udpcaps_count(); i++) {
        CHECK(arc_udpcaps_probe(i, &cap) == ARC_OK);
        CHECK(cap.name[0] && cap.instead[0]);
        CHECK(cap.works == (cap.reason[0] == 0));
        if (!strcmp(cap.name, "UDP_SEGMENT"))
            told += cap.works == stats.gso;
        if (!strcmp(cap.name, "UDP_GRO"))
            told += cap.works == stats.gro;
        if (!strcmp(cap.name, "IP_MTU_DISCOVER"))
            told += cap.works == stats.dont_fragment;
        if (!strcmp(cap.name, "IPv4") || !strcmp(cap.name, "SO_REUSEPORT"))
            told += cap.works;
    }
    CHECK(told == 5);
    arc_udp_close(u);
}

static void test_memory_that_is_refused_leaves_nothing(void)
{
    struct arc_udp *u = NULL;
    struct arc_udp_rx *more = NULL;

    arc_mem_fail_after(0);
    CHECK(arc_udp_open("127.0.0.1", 0, &u, NULL, 0) == ARC_ERR_NOMEM && !u);
    CHECK(arc_udp_rx_new(&more) == ARC_ERR_NOMEM && !more);
    arc_mem_fail_after(-1);
    CHECK(arc_udp_rx_new(NULL) == ARC_ERR_ARG);
    arc_udp_rx_free(NULL);
}

int main(void)
{
    int64_t live = arc_mem_live_blocks();

    CHECK(arc_udp_rx_new(&rx) == ARC_OK);
    test_trains_arrive_in_every_form();
    test_trains_over_a_socket_of_both_families();
    test_what_is_left_is_counted_when_it_is_left_behind();
    test_packets_arrive_in_every_form();
    test_a_message_has_at_most_max_train_packets();
    test_an_empty_pool_and_long_datagrams_are_counted();
    test_ecn_bits_go_round();
    test_time_is_that_of_arrival();
    test_time_is_at_most_a_second_ago();
    test_connections_are_made_changed_and_dissolved();
    test_sessions_hear_everybody();
    test_rtcp_has_its_way();
    test_refusals_are_counted_and_cost_nothing();
    test_too_big_is_told_with_the_path_mtu();
    test_a_socket_that_cannot_cut_loses_nothing();
    test_a_full_buffer_is_counted();
    test_errors_are_judged();
    test_configs_that_are_wrong_say_why();
    test_a_busy_port_is_refused_unless_shared();
    test_a_range_is_used_up_and_then_named();
    test_what_can_be_done_is_told();
    test_memory_that_is_refused_leaves_nothing();
    arc_udp_rx_free(rx);
    CHECK(arc_mem_live_blocks() == live);
    return check_done("test_udp");
}
