/**
 * @file bench/bench_udp.c  The bare datagram path: our calls beside bare ones
 *
 *     make -s -f ci/core.mk SAN=bench bench && build/core-bench/bench_udp [ROUNDS]
 *
 * One thread sends datagrams of 1200 bytes over the loopback to another as fast
 * as it can, each on a core of its own (the first two that the process may
 * use). The same system calls are made by this program itself ("bare") and by
 * io/udp ("ours"), turn about, so that both meet the same neighbours:
 *
 *     mmsg    sendmmsg() of 32 packets, recvmmsg() of 32
 *     gso 53  send() of 53 datagrams with UDP_SEGMENT, recvmmsg() with UDP_GRO
 *     gso 12  the same with 12, what a router gets to send at once
 *
 * "ours, all" asks for ECN bits and arrival times as well, as an engine does;
 * "ours" asks for what the bare loop asks for. Rows: packets that arrived in a
 * second, and CPU time of each thread for a packet; medians of the rounds, and
 * the ratio to bare.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "io/clock.h"
#include "io/udp.h"

enum {
    BYTES       = 1200,
    BURST       = 32,     /* packets of one sendmmsg()                    */
    ROUND_US    = 200000,
    MAX_ROUNDS  = 64,
    BLOCK_BYTES = 65536,
    DATAGRAMS   = 4096,   /* room that nothing is ever left for           */
};

enum way { BARE, OURS, ALL, WAYS };

static const char *const way_names[] = {"bare", "ours", "ours, all"};

struct form {
    const char *name;
    int32_t     segments; /* 0: mmsg */
};

static const struct form forms[] = {{"mmsg", 0}, {"gso 53", 53}, {"gso 12", 12}};

enum { FORMS = sizeof(forms) / sizeof(forms[0]) };

struct side {
    int64_t pkts;
    double  cpu_ns;
};

struct run {
    const struct form *form;
    enum way        way;
    struct arc_udp *tx, *rx; /* also what bare calls use: the sockets are alike */
    struct side     sent, received;
    int32_t         over; /* atomic flag */
};

static uint8_t payload[BLOCK_BYTES];

static void must(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "bench_udp: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/** The n-th CPU that this process may use, or the last one. */
static void pin(int n)
{
    cpu_set_t may, one;
    int chosen = 0;

    must(sched_getaffinity(0, sizeof(may), &may) == 0, "affinity");
    for (int cpu = 0; cpu < CPU_SETSIZE && n >= 0; cpu++)
        if (CPU_ISSET(cpu, &may)) {
            chosen = cpu;
            n--;
        }
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

/* --- receiving ------------------------------------------------------------------------ */

static void wait_readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    poll(&p, 1, 10);
}

static int64_t receive_bare(struct run *r)
{
    static uint8_t blocks[BURST][BLOCK_BYTES];
    static uint8_t control[BURST][64];
    struct mmsghdr msgs[BURST];
    struct iovec parts[BURST];
    int fd = arc_udp_fd(r->rx);
    int64_t pkts = 0;

    memset(msgs, 0, sizeof(msgs));
    while (!arc_atomic_load_acquire(&r->over)) {
        int got;

        for (int i = 0; i < BURST; i++) {
            parts[i].iov_base = blocks[i];
            parts[i].iov_len  = r->form->segments ? BLOCK_BYTES : 2048;
            msgs[i].msg_hdr.msg_iov        = &parts[i];
            msgs[i].msg_hdr.msg_iovlen     = 1;
            msgs[i].msg_hdr.msg_control    = r->form->segments ? control[i] : NULL;
            msgs[i].msg_hdr.msg_controllen = r->form->segments ? 64 : 0;
        }
        got = recvmmsg(fd, msgs, BURST, MSG_DONTWAIT, NULL);
        for (int i = 0; i < got; i++)
            pkts += (msgs[i].msg_len + BYTES - 1) / BYTES;
        if (got <= 0)
            wait_readable(fd);
    }
    return pkts;
}

static int64_t receive_ours(struct run *r)
{
    static struct arc_datagram out[DATAGRAMS];
    struct arc_udp_rx *rx;
    int64_t pkts = 0;

    must(arc_udp_rx_new(&rx) == ARC_OK, "memory");
    while (!arc_atomic_load_acquire(&r->over)) {
        int32_t got = arc_udp_rx_read(rx, r->rx, false, arc_clock_us(), out,
                                      DATAGRAMS);

        pkts += got;
        if (got == 0)
            wait_readable(arc_udp_fd(r->rx));
    }
    arc_udp_rx_free(rx);
    return pkts;
}

static void *receive(void *arg)
{
    struct run *r = arg;
    double before;

    pin(1);
    before = cpu_ns();
    r->received.pkts   = r->way == BARE ? receive_bare(r) : receive_ours(r);
    r->received.cpu_ns = cpu_ns() - before;
    return NULL;
}

/* --- sending -------------------------------------------------------------------------- */

static int64_t send_bare_mmsg(struct run *r, int64_t end_us)
{
    struct mmsghdr msgs[BURST];
    struct iovec parts[BURST];
    int64_t pkts = 0;

    memset(msgs, 0, sizeof(msgs));
    while (arc_clock_us() < end_us) {
        for (int i = 0; i < BURST; i++) {
            parts[i].iov_base = payload + i * BYTES;
            parts[i].iov_len  = BYTES;
            msgs[i].msg_hdr.msg_iov    = &parts[i];
            msgs[i].msg_hdr.msg_iovlen = 1;
        }
        pkts += sendmmsg(arc_udp_fd(r->tx), msgs, BURST, 0);
    }
    return pkts;
}

static int64_t send_bare_gso(struct run *r, int64_t end_us)
{
    int size = BYTES, fd = arc_udp_fd(r->tx);
    int64_t pkts = 0;

    must(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) == 0,
         "UDP_SEGMENT");
    while (arc_clock_us() < end_us)
        pkts += send(fd, payload, (size_t)(BYTES * r->form->segments), 0) / BYTES;
    return pkts;
}

static int64_t send_our_mmsg(struct run *r, int64_t end_us)
{
    struct arc_pkt *pkts[BURST];
    struct arc_udp_stats stats;
    struct arc_pkt_pool *pool;

    must(arc_pkt_pool_new(BURST, &pool) == ARC_OK, "memory");
    for (int i = 0; i < BURST; i++) {
        pkts[i] = arc_pkt_get(pool);
        pkts[i]->len = BYTES;
    }
    while (arc_clock_us() < end_us) {
        for (int i = 0; i < BURST; i++)
            arc_pkt_ref(pkts[i]); /* or it would go back to the pool */
        arc_udp_send(r->tx, pkts, BURST);
    }
    for (int i = 0; i < BURST; i++)
        arc_pkt_unref(pkts[i]);
    arc_pkt_pool_unref(pool);
    arc_udp_get_stats(r->tx, &stats);
    return stats.sent_pkts;
}

static int64_t send_our_gso(struct run *r, int64_t end_us)
{
    const struct arc_train train = {payload, BYTES * r->form->segments, BYTES, 0, 0};
    struct arc_udp_stats stats;

    while (arc_clock_us() < end_us)
        arc_udp_send_trains(r->tx, &train, 1);
    arc_udp_get_stats(r->tx, &stats);
    return stats.sent_pkts;
}

static void send_all(struct run *r)
{
    int64_t end_us = arc_clock_us() + ROUND_US;
    double before = cpu_ns();

    if (r->way == BARE)
        r->sent.pkts = r->form->segments ? send_bare_gso(r, end_us)
                                         : send_bare_mmsg(r, end_us);
    else
        r->sent.pkts = r->form->segments ? send_our_gso(r, end_us)
                                         : send_our_mmsg(r, end_us);
    r->sent.cpu_ns = cpu_ns() - before;
}

/* --- rounds --------------------------------------------------------------------------- */

static struct arc_udp *open_socket(const struct run *r)
{
    struct arc_udp_config c;
    struct arc_udp *u;

    arc_udp_config_init(&c);
    c.host    = "127.0.0.1";
    c.connect = ARC_UDP_CONNECT_SET;
    c.gso = c.gro = r->form->segments > 0;
    c.timestamps = c.read_ecn = r->way == ALL;
    must(arc_udp_open_config(&c, &u, NULL, 0) == ARC_OK, "socket");
    return u;
}

static void run_round(struct run *r)
{
    pthread_t thread;

    r->tx = open_socket(r);
    r->rx = open_socket(r);
    must(arc_udp_set_remote(r->tx, "127.0.0.1", arc_udp_port(r->rx), NULL, 0) ==
         ARC_OK, "connect");
    r->over = 0;
    must(pthread_create(&thread, NULL, receive, r) == 0, "thread");
    send_all(r);
    usleep(20000); /* what waits is read */
    arc_atomic_store_release(&r->over, 1);
    pthread_join(thread, NULL);
    arc_udp_close(r->tx);
    arc_udp_close(r->rx);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof(*values), by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void measure(const struct form *form, int rounds)
{
    static double rate[WAYS][MAX_ROUNDS], tx[WAYS][MAX_ROUNDS],
                  rx[WAYS][MAX_ROUNDS];
    double bare[3] = {0, 0, 0};

    for (int i = -1; i < rounds; i++) /* the first one warms up */
        for (int w = 0; w < WAYS; w++) {
            struct run r = {form, (enum way)w, NULL, NULL, {0, 0}, {0, 0}, 0};

            run_round(&r);
            if (i < 0)
                continue;
            rate[w][i] = (double)r.received.pkts * 1e6 / ROUND_US;
            tx[w][i]   = r.sent.cpu_ns / (double)r.sent.pkts;
            rx[w][i]   = r.received.cpu_ns / (double)r.received.pkts;
        }
    for (int w = 0; w < WAYS; w++) {
        double now[3] = {median(rate[w], rounds), median(tx[w], rounds),
                         median(rx[w], rounds)};

        if (w == BARE)
            memcpy(bare, now, sizeof(bare));
        printf("%-7s %-9s arrived %9.0f/s x%.2f   send %6.0f ns x%.2f   "
               "receive %6.0f ns x%.2f\n", form->name, way_names[w], now[0],
               now[0] / bare[0], now[1], now[1] / bare[1], now[2],
               now[2] / bare[2]);
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 9;

    must(rounds >= 1 && rounds <= MAX_ROUNDS, "rounds: 1..64");
    pin(0);
    for (int i = 0; i < FORMS; i++)
        measure(&forms[i], rounds);
    return 0;
}
