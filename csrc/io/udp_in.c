/**
 * @file io/udp_in.c  Datagrams in: blocks of memory, merged messages, ECN, time
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/udpsocket.h"

enum {
    BLOCK_BYTES  = 65536, /* the largest message that can come              */
    /* Blocks at multiples of 64 KiB would all begin in the same few sets of a
     * cache: an odd number of cache lines between them spreads small packets. */
    STRIDE_BYTES = BLOCK_BYTES + 9 * 64,
    MAX_ERRORS   = 4,     /* told by one call; the others by the next       */
    MAX_AGE_US   = ARC_US_PER_S, /* an older stamp: the wall clock was set  */
    CLOCK_AGE_US = 100 * 1000,   /* between two comparisons of the clocks   */
};

/** The message that datagrams are being cut from. */
struct cutting {
    bool     open;
    uint8_t *data;
    int32_t  left_bytes, segment_bytes;
    int32_t  ecn;
    int64_t  time_us;
    uint64_t source;
};

struct arc_udp_rx {
    uint8_t *blocks;
    int32_t  asked, got, next; /* messages of the last call; first unopened   */
    struct cutting cut;
    const struct arc_udp *udp; /* that they came from; never followed         */
    bool     rtcp;
    int64_t  abandoned;
    int64_t  wall_ahead_us, compared_us; /* wall clock less monotonic         */
    struct arc_udpaddr last;   /* of which last_hash is the hash              */
    uint64_t last_hash;
    struct arc_udpsys_msg msgs[ARC_UDP_BATCH];
    struct iovec          parts[ARC_UDP_BATCH];
    struct arc_udpaddr    sources[ARC_UDP_BATCH];
    struct arc_datagram   taken[ARC_UDP_BATCH]; /* of arc_udp_receive()       */
    int64_t control[ARC_UDP_BATCH][ARC_UDPSYS_CONTROL_BYTES / sizeof(int64_t)];
};

/* --- life ----------------------------------------------------------------------------- */

/** The kernel has written over these. */
static void reset(struct arc_udp_rx *rx, int32_t i)
{
    rx->msgs[i].msg_hdr.msg_namelen    = sizeof(rx->sources[i].sa);
    rx->msgs[i].msg_hdr.msg_controllen = sizeof(rx->control[i]);
    rx->msgs[i].msg_hdr.msg_flags      = 0;
}

enum arc_status arc_udp_rx_new(struct arc_udp_rx **out)
{
    struct arc_udp_rx *rx;

    if (!out)
        return ARC_ERR_ARG;
    rx = arc_mem_zalloc(1, sizeof(*rx));
    if (!rx)
        return ARC_ERR_NOMEM;
    /* Mapped, not allocated: pages that nothing was read into take no memory. */
    rx->blocks = mmap(NULL, (size_t)ARC_UDP_BATCH * STRIDE_BYTES,
                      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                      0);
    if (rx->blocks == MAP_FAILED) {
        arc_mem_free(rx);
        return ARC_ERR_NOMEM;
    }
    for (int32_t i = 0; i < ARC_UDP_BATCH; i++) {
        rx->parts[i].iov_base = rx->blocks + (size_t)i * STRIDE_BYTES;
        rx->parts[i].iov_len  = BLOCK_BYTES;
        rx->msgs[i].msg_hdr.msg_name    = &rx->sources[i].sa;
        rx->msgs[i].msg_hdr.msg_iov     = &rx->parts[i];
        rx->msgs[i].msg_hdr.msg_iovlen  = 1;
        rx->msgs[i].msg_hdr.msg_control = rx->control[i];
        reset(rx, i);
    }
    rx->compared_us = INT64_MIN;
    *out = rx;
    return ARC_OK;
}

void arc_udp_rx_free(struct arc_udp_rx *rx)
{
    if (!rx)
        return;
    munmap(rx->blocks, (size_t)ARC_UDP_BATCH * STRIDE_BYTES);
    arc_mem_free(rx);
}

/* --- messages ------------------------------------------------------------------------- */

/** @return messages that were read, or 0 */
static int32_t fetch(struct arc_udp_rx *rx, struct arc_udp *u,
                     struct arc_udpsocket *s, int32_t n)
{
    for (int32_t i = 0; i < rx->got; i++)
        reset(rx, i);
    rx->asked = n;
    rx->got   = 0;
    rx->next  = 0;
    for (int tries = 0; tries < MAX_ERRORS; tries++) {
        int got = arc_udpsys_receive(s->fd, rx->msgs, n, u->cfg.batch), error;

        if (got > 0)
            return rx->got = got;
        error = errno;
        if (error == EINTR)
            continue;
        /* An error may also wait alone, told to nobody: without this the
         * socket would stay ready. */
        if (arc_udpfault_drain(u, s) == 0 && error != EAGAIN &&
            error != EWOULDBLOCK)
            *(error == ECONNREFUSED ? &u->stats.refused
                                    : &u->stats.other_errors) += 1;
        if (error == EAGAIN || error == EWOULDBLOCK)
            break;
    }
    return 0;
}

static bool same(const struct arc_udpaddr *a, const struct arc_udpaddr *b)
{
    return a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}

static uint64_t source_of(struct arc_udp_rx *rx, int32_t i)
{
    rx->sources[i].len = rx->msgs[i].msg_hdr.msg_namelen;
    if (!same(&rx->sources[i], &rx->last)) {
        rx->last      = rx->sources[i];
        rx->last_hash = arc_udpaddr_hash(&rx->last);
    }
    return rx->last_hash;
}

/** On the monotonic clock. */
static int64_t arrival_us(struct arc_udp_rx *rx, int64_t wall_us, int64_t now_us)
{
    int64_t at_us;

    if (wall_us == 0)
        return now_us;
    if (rx->compared_us == INT64_MIN ||
        now_us - rx->compared_us >= CLOCK_AGE_US) {
        rx->wall_ahead_us = arc_clock_wall_ahead_us();
        rx->compared_us   = now_us;
    }
    at_us = wall_us - rx->wall_ahead_us;
    /* Later than now: it came while this turn ran. */
    return at_us > now_us || at_us < now_us - MAX_AGE_US ? now_us : at_us;
}

static bool open_message(struct arc_udp_rx *rx, struct arc_udp *u, int32_t i,
                         int64_t now_us)
{
    const struct arc_udpsys_msg *m = &rx->msgs[i];
    struct arc_udpsys_control control;
    struct cutting *c = &rx->cut;

    /* Without all of the control messages it could be cut at wrong places. */
    if (m->msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        u->stats.truncated++;
        return false;
    }
    arc_udpsys_read_control(&m->msg_hdr, &control);
    c->open          = true;
    c->data          = rx->parts[i].iov_base;
    c->left_bytes    = (int32_t)m->msg_len;
    c->segment_bytes = control.segment_bytes > 0 ? control.segment_bytes
                                                 : c->left_bytes;
    c->ecn           = control.ecn;
    c->time_us       = arrival_us(rx, control.wall_us, now_us);
    c->source        = source_of(rx, i);
    u->stats.received_trains += c->left_bytes > c->segment_bytes;
    return true;
}

/** @return how many datagrams of the open message were cut off, at most `cap` */
static int32_t cut(struct cutting *c, struct arc_datagram *out, int32_t cap)
{
    const struct cutting of = *c; /* in registers: this is once a datagram */
    int32_t n = 0, at = 0;

    do {
        int32_t left = of.left_bytes - at;
        int32_t len  = left < of.segment_bytes ? left : of.segment_bytes;

        out[n].data    = of.data + at;
        out[n].len     = len;
        out[n].ecn     = of.ecn;
        out[n].time_us = of.time_us;
        out[n].source  = of.source;
        at += len;
        n++;
    } while (n < cap && at < of.left_bytes);
    c->data       += at;
    c->left_bytes -= at;
    c->open        = c->left_bytes > 0;
    return n;
}

static int32_t give(struct arc_udp_rx *rx, struct arc_udp *u, int64_t now_us,
                    struct arc_datagram *out, int32_t cap)
{
    int32_t n = 0;

    while (n < cap) {
        if (rx->cut.open)
            n += cut(&rx->cut, out + n, cap - n);
        else if (rx->next < rx->got)
            open_message(rx, u, rx->next++, now_us);
        else
            break;
    }
    u->stats.received_pkts += n;
    return n;
}

/** Count what the caller should have taken before it turned elsewhere. */
static void abandon(struct arc_udp_rx *rx)
{
    if (rx->cut.open)
        rx->abandoned += (rx->cut.left_bytes + rx->cut.segment_bytes - 1) /
                         rx->cut.segment_bytes;
    rx->abandoned += rx->got - rx->next;
    rx->cut.open = false;
    rx->next     = rx->got;
}

/* --- datagrams ------------------------------------------------------------------------ */

int32_t arc_udp_rx_read(struct arc_udp_rx *rx, struct arc_udp *u, bool rtcp,
                        int64_t now_us, struct arc_datagram *out, int32_t cap)
{
    if (rx->udp != u || rx->rtcp != rtcp)
        abandon(rx);
    rx->udp  = u;
    rx->rtcp = rtcp;
    if (!arc_udp_rx_left(rx) &&
        fetch(rx, u, arc_udp_socket(u, rtcp),
              cap < ARC_UDP_BATCH ? cap : ARC_UDP_BATCH) == 0)
        return 0;
    return give(rx, u, now_us, out, cap);
}

bool arc_udp_rx_left(const struct arc_udp_rx *rx)
{
    return rx->cut.open || rx->next < rx->got;
}

bool arc_udp_rx_more(const struct arc_udp_rx *rx)
{
    return arc_udp_rx_left(rx) || (rx->got > 0 && rx->got == rx->asked);
}

int64_t arc_udp_rx_abandoned(const struct arc_udp_rx *rx)
{
    return rx->abandoned;
}

void arc_udp_learn(struct arc_udp *u, bool rtcp, const struct arc_udp_rx *rx,
                   const struct arc_datagram *d)
{
    struct arc_udpsocket *s = arc_udp_socket(u, rtcp);
    const struct arc_udpaddr *source =
        &rx->sources[(d->data - rx->blocks) / STRIDE_BYTES];

    if (s->remote.len > 0)
        return;
    if (u->cfg.connect != ARC_UDP_CONNECT_ALWAYS ||
        !arc_udpbind_connect(s, source))
        s->remote = *source;
}

static void copy(struct arc_udp *u, struct arc_pkt *pkt,
                 const struct arc_datagram *d)
{
    pkt->len     = d->len <= ARC_PKT_CAP_BYTES ? d->len : 0;
    pkt->ecn     = d->ecn;
    pkt->time_us = d->time_us;
    pkt->source  = d->source;
    memcpy(pkt->data, d->data, (size_t)pkt->len);
    u->stats.truncated += d->len > ARC_PKT_CAP_BYTES;
}

int32_t arc_udp_receive(struct arc_udp *u, bool rtcp, struct arc_udp_rx *rx,
                        struct arc_pkt_pool *pool, struct arc_pkt **pkts,
                        int64_t now_us)
{
    int32_t n = arc_udp_rx_read(rx, u, rtcp, now_us, rx->taken, ARC_UDP_BATCH);
    int32_t kept = 0;

    for (int32_t i = 0; i < n; i++) {
        pkts[kept] = arc_pkt_get(pool);
        if (!pkts[kept]) {
            /* Somebody holds all packets: read on, or the socket stays ready
             * and what comes out of it gets older and older. */
            u->stats.no_packet += n - i;
            break;
        }
        copy(u, pkts[kept], &rx->taken[i]);
        kept++;
    }
    return kept;
}

void arc_udp_learn_pkt(struct arc_udp *u, bool rtcp,
                       const struct arc_udp_rx *rx, int32_t i)
{
    arc_udp_learn(u, rtcp, rx, &rx->taken[i]);
}
