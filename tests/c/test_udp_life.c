/**
 * @file tests/c/test_udp_life.c  Sockets: how they are opened and connected, and
 * that what goes wrong is counted and stops nothing
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/rng.h"
#include "datagrams.h"
#include "io/udpcaps.h"
#include "io/udpsocket.h"

/* --- connections ------------------------------------------------------------------ */

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

/** The first connection must not fix the local address for the next one. */
static void test_a_connection_may_change_its_family(void)
{
    struct arc_udp_config c = config("::");
    struct arc_udp *u, *peers[2] = {open_at(hosts[0]), open_at(hosts[1])};

    c.connect = ARC_UDP_CONNECT_SET;
    u = open_with(&c);
    for (uint32_t i = 0; i < 4; i++) {
        point(u, hosts[i % 2], peers[i % 2]);
        send_one(u, 60, i, 0);
        expect_number(peers[i % 2], i);
    }
    arc_udp_close(u);
    arc_udp_close(peers[0]);
    arc_udp_close(peers[1]);
}

static void test_only_the_first_source_is_learned(void)
{
    struct arc_udp *u = open_at("127.0.0.1"), *a = open_at("127.0.0.1");
    struct arc_udp *b = open_at("127.0.0.1");
    struct arc_datagram d[2];
    int32_t n = 0;

    point(a, "127.0.0.1", u);
    point(b, "127.0.0.1", u);
    send_one(a, 60, 1, 0);
    send_one(b, 60, 2, 0);
    while (n < 2) {
        CHECK(events_of(u, WAIT_MS) & POLLIN);
        n += arc_udp_rx_read(rx, u, false, arc_clock_us(), d + n, 2 - n);
    }
    CHECK(d[0].source != d[1].source);
    arc_udp_learn(u, false, rx, &d[0]);
    arc_udp_learn(u, false, rx, &d[1]);
    send_one(u, 60, 3, 0);
    expect_number(a, 3);
    arc_udp_close(u);
    arc_udp_close(a);
    arc_udp_close(b);
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
    trains[1] = (struct arc_train){sent_bytes + 100, 8, 8, 0, 0};
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

/** An error that was told to nobody must not keep the socket ready. */
static void test_an_error_that_waits_alone_is_taken_away(void)
{
    struct arc_udp *u = open_at("127.0.0.1"), *dead = open_at("127.0.0.1");
    struct arc_datagram d;
    int error;
    socklen_t len = sizeof(error);

    point(u, "127.0.0.1", dead);
    arc_udp_close(dead);
    send_one(u, 60, 0, 0);
    if (stats_of(u).gro) /* other systems tell connected sockets only */
        CHECK(events_of(u, WAIT_MS) & POLLERR);
    CHECK(getsockopt(arc_udp_fd(u), SOL_SOCKET, SO_ERROR, &error, &len) == 0);
    CHECK(arc_udp_rx_read(rx, u, false, arc_clock_us(), &d, 1) == 0);
    CHECK(events_of(u, QUIET_MS) == 0);
    CHECK(stats_of(u).refused == stats_of(u).gro);
    arc_udp_close(u);
}

/** A path that carries 1280 bytes: what is longer is told, what is not goes. */
static void test_too_big_is_told_with_the_path_mtu(void)
{
    struct arc_udp *a = open_at("::1"), *b = open_at("::1");
    struct arc_train t = make_train(sent_bytes, 3, 1300, 100, 0);
    const int32_t gso = stats_of(a).gso;
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
    CHECK(stats_of(a).sent_trains == gso); /* it cuts still */
    point(a, "::1", b); /* another path, for all that is known */
    CHECK(stats_of(a).path_mtu_bytes == 0);
    CHECK(stats_of(a).mtu_changes == 0); /* told by this machine, not by ICMP */
    while (events_of(a, QUIET_MS))
        CHECK(arc_udp_rx_read(rx, a, false, arc_clock_us(), &d, 1) == 0);
    arc_udp_close(a);
    arc_udp_close(b);
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
    test_connections_are_made_changed_and_dissolved();
    test_a_connection_may_change_its_family();
    test_only_the_first_source_is_learned();
    test_sessions_hear_everybody();
    test_rtcp_has_its_way();
    test_refusals_are_counted_and_cost_nothing();
    test_an_error_that_waits_alone_is_taken_away();
    test_too_big_is_told_with_the_path_mtu();
    test_a_full_buffer_is_counted();
    test_errors_are_judged();
    test_configs_that_are_wrong_say_why();
    test_a_busy_port_is_refused_unless_shared();
    test_a_range_is_used_up_and_then_named();
    test_what_can_be_done_is_told();
    test_memory_that_is_refused_leaves_nothing();
    arc_udp_rx_free(rx);
    CHECK(arc_mem_live_blocks() == live);
    return check_done("test_udp_life");
}
