/**
 * @file io/udpcaps.c  What the UDP sockets of this machine can do, by trying
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/udpcaps.h"
#include "io/udpsocket.h"

enum {
    WAIT_MS      = 200,
    TRAIN_BYTES  = 3000, /* 1200, 1200, 600 */
    SEGMENT      = 1200,
    DATAGRAMS    = 8,
    LATER_US     = 1000, /* the turn that reads comes that much later         */
    HUGE_BUFFER  = 1 << 30, /* more than any net.core.rmem_max is set to      */
};

/** Two sockets on the loopback, and what went from one to the other. */
struct trial {
    struct arc_udp      *from, *to;
    struct arc_udp_rx   *rx;
    struct arc_udp_stats sent, received;
    struct arc_datagram  got[DATAGRAMS];
    int32_t              n;
    int64_t              now_us;
    char                *reason; /* ARC_UDPCAP_TEXT_CHARS */
};

static bool fail(char *reason, const char *text)
{
    snprintf(reason, ARC_UDPCAP_TEXT_CHARS, "%s", text);
    return false;
}

static struct arc_udp *open_at(const char *host, char *reason)
{
    struct arc_udp *u = NULL;

    arc_udp_open(host, 0, &u, reason, ARC_UDPCAP_TEXT_CHARS);
    return u;
}

static bool begin(struct trial *t, const char *host, char *reason)
{
    memset(t, 0, sizeof(*t));
    t->reason = reason;
    t->from   = open_at(host, reason);
    t->to     = open_at(host, reason);
    if (!t->from || !t->to)
        return false;
    if (arc_udp_rx_new(&t->rx) != ARC_OK)
        return fail(reason, "out of memory");
    return arc_udp_set_remote(t->from, host, arc_udp_port(t->to), reason,
                              ARC_UDPCAP_TEXT_CHARS) == ARC_OK;
}

static bool exchange(struct trial *t)
{
    uint8_t bytes[TRAIN_BYTES] = {0};
    struct arc_train train = {bytes, TRAIN_BYTES, SEGMENT, ARC_ECN_ECT_1, 0};
    struct pollfd ready = {arc_udp_fd(t->to), POLLIN, 0};

    arc_udp_send_trains(t->from, &train, 1);
    while (t->n < 3 && poll(&ready, 1, WAIT_MS) > 0) {
        t->now_us = arc_clock_us() + LATER_US;
        t->n += arc_udp_rx_read(t->rx, t->to, false, t->now_us, t->got + t->n,
                                DATAGRAMS - t->n);
    }
    arc_udp_get_stats(t->from, &t->sent);
    arc_udp_get_stats(t->to, &t->received);
    return t->n == 3 || fail(t->reason, "datagrams do not arrive");
}

static void end(struct trial *t)
{
    arc_udp_rx_free(t->rx);
    arc_udp_close(t->from);
    arc_udp_close(t->to);
}

/** Something is in use if a train was sent, and `seen` finds it in what came. */
static bool try_exchange(const char *host, char *reason,
                         bool (*seen)(const struct trial *t))
{
    struct trial t;
    bool works = begin(&t, host, reason) && exchange(&t);

    if (works && !seen(&t))
        works = fail(reason, "this system does not do it");
    end(&t);
    return works;
}

static bool saw_three(const struct trial *t)
{
    return t->got[0].len == SEGMENT && t->got[2].len == TRAIN_BYTES % SEGMENT;
}

static bool saw_cutting(const struct trial *t)
{
    return saw_three(t) && t->sent.gso && t->sent.sent_trains == 1;
}

static bool saw_merging(const struct trial *t)
{
    return saw_three(t) && t->received.received_trains == 1;
}

static bool saw_time(const struct trial *t)
{
    return t->received.timestamps && t->got[0].time_us < t->now_us;
}

static bool saw_ecn(const struct trial *t)
{
    return t->got[0].ecn == ARC_ECN_ECT_1;
}

static bool saw_no_fragments(const struct trial *t)
{
    return t->sent.dont_fragment;
}

static bool try_ipv4(char *reason)
{
    return try_exchange("127.0.0.1", reason, saw_three);
}

static bool try_ipv6(char *reason)
{
    return try_exchange("::1", reason, saw_three);
}

static bool try_segment(char *reason)
{
    return try_exchange("127.0.0.1", reason, saw_cutting);
}

static bool try_gro(char *reason)
{
    return try_exchange("127.0.0.1", reason, saw_merging);
}

static bool try_stamps(char *reason)
{
    return try_exchange("127.0.0.1", reason, saw_time);
}

static bool try_ecn4(char *reason)
{
    return try_exchange("127.0.0.1", reason, saw_ecn);
}

static bool try_ecn6(char *reason)
{
    return try_exchange("::1", reason, saw_ecn);
}

static bool try_whole(char *reason)
{
    return try_exchange("127.0.0.1", reason, saw_no_fragments);
}

static bool try_batch(char *reason)
{
    return arc_udpsys_has_batches() ||
           fail(reason, "this system has no such calls");
}

/** Whether `option` can be set; `value` of it is read back where that tells. */
static bool try_option(enum arc_udpsys_option option, int value, char *reason)
{
    int fd = arc_udpsys_socket(AF_INET);
    int error = fd < 0 ? errno : arc_udpsys_set(fd, AF_INET, option, value);
    bool cut = !error && option == ARC_UDPSYS_RCVBUF &&
               arc_udpsys_buffer(fd, option) < value / 2;

    if (fd >= 0)
        close(fd);
    if (error)
        return fail(reason, strerror(error));
    return !cut || fail(reason, "needs root or CAP_NET_ADMIN");
}

static bool try_errors(char *reason)
{
    return try_option(ARC_UDPSYS_ERRORS, 1, reason);
}

static bool try_force(char *reason)
{
    return try_option(ARC_UDPSYS_RCVBUF, HUGE_BUFFER, reason);
}

static bool try_reuse(char *reason)
{
    struct arc_udp_config c;
    struct arc_udp *a = NULL, *b = NULL;

    arc_udp_config_init(&c);
    c.host       = "127.0.0.1";
    c.reuse_port = true;
    if (arc_udp_open_config(&c, &a, reason, ARC_UDPCAP_TEXT_CHARS) == ARC_OK) {
        c.port = arc_udp_port(a);
        arc_udp_open_config(&c, &b, reason, ARC_UDPCAP_TEXT_CHARS);
    }
    arc_udp_close(a);
    arc_udp_close(b);
    return b != NULL;
}

static const struct {
    const char *name;
    bool (*try_it)(char *reason);
    const char *instead;
} things[] = {
    {"IPv4", try_ipv4, "IPv6 only"},
    {"IPv6", try_ipv6, "IPv4 only"},
    {"recvmmsg, sendmmsg", try_batch, "one system call a message"},
    {"UDP_SEGMENT", try_segment, "each datagram leaves as a message of its own"},
    {"UDP_GRO", try_gro, "each datagram arrives as a message of its own"},
    {"SO_TIMESTAMPNS", try_stamps, "arrival is when the datagram is read"},
    {"ECN over IPv4", try_ecn4, "congestion shows by loss and delay only"},
    {"ECN over IPv6", try_ecn6, "congestion shows by loss and delay only"},
    {"IP_MTU_DISCOVER", try_whole, "long datagrams travel as fragments"},
    {"IP_RECVERR", try_errors, "ICMP errors reach connected sockets only"},
    {"SO_REUSEPORT", try_reuse, "each socket has a port of its own"},
    {"SO_RCVBUFFORCE", try_force, "buffers end at the system's limit"},
};

int32_t arc_udpcaps_count(void)
{
    return (int32_t)(sizeof(things) / sizeof(things[0]));
}

enum arc_status arc_udpcaps_probe(int32_t i, struct arc_udpcap *out)
{
    if (!out || i < 0 || i >= arc_udpcaps_count())
        return ARC_ERR_ARG;
    memset(out, 0, sizeof(*out));
    snprintf(out->name, sizeof(out->name), "%s", things[i].name);
    snprintf(out->instead, sizeof(out->instead), "%s", things[i].instead);
    out->works = things[i].try_it(out->reason);
    if (out->works)
        out->reason[0] = 0;
    return ARC_OK;
}
