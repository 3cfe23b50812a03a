/**
 * @file io/udp_out.c  Datagrams out: trains, packets, and the next best form
 *
 * What the forms cost was measured (bench/RESULTS.md): a size told to the
 * socket once and a plain send() are the cheapest; telling a new size, or new
 * ECN bits, by setsockopt() is no dearer than telling them along with the
 * message, which for ECN bits also makes the system look up the route anew.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "io/udpsocket.h"
#include "wire/demux.h"

enum { CUT_BYTES = 32 }; /* control message of arc_udpsys_cut() */

/** Messages that are sent together, each of one or more datagrams. */
struct batch {
    int32_t n;
    struct arc_udpsys_msg msgs[ARC_TRAIN_MAX_SEGMENTS];
    struct iovec          parts[ARC_TRAIN_MAX_SEGMENTS];
    int64_t               control[ARC_UDP_BATCH][CUT_BYTES / sizeof(int64_t)];
};

/* --- settings of the socket ----------------------------------------------------------- */

static void mark(struct arc_udpsocket *s, int32_t ecn)
{
    if (s->ecn == ecn)
        return;
    arc_udpsys_set(s->fd, s->bound.sa.any.sa_family, ARC_UDPSYS_ECN, ecn);
    s->ecn = ecn; /* where it does not work it does not the next time either */
}

/** Have what is longer cut up at `segment_bytes`; 0: nothing. */
static bool cut_at(struct arc_udpsocket *s, int32_t segment_bytes)
{
    if (s->segment_bytes == segment_bytes)
        return true;
    if (!s->gso || arc_udpsys_set(s->fd, s->bound.sa.any.sa_family,
                                  ARC_UDPSYS_SEGMENT, segment_bytes) != 0)
        return false;
    s->segment_bytes = segment_bytes;
    return true;
}

static void no_more_cutting(struct arc_udpsocket *s)
{
    cut_at(s, 0);
    s->gso = false;
}

/* --- messages ------------------------------------------------------------------------- */

static struct msghdr *add_message(struct batch *b, struct arc_udpsocket *s,
                                  struct iovec *parts, int32_t n_parts)
{
    struct msghdr *m = &b->msgs[b->n++].msg_hdr;

    memset(m, 0, sizeof(*m));
    if (!s->connected) {
        m->msg_name    = &s->remote.sa;
        m->msg_namelen = s->remote.len;
    }
    m->msg_iov    = parts;
    m->msg_iovlen = (size_t)n_parts;
    return m;
}

/** Messages of one datagram each. */
static void send_singles(struct arc_udp *u, struct arc_udpsocket *s,
                         struct batch *b)
{
    int32_t done = 0, tries = 0;

    cut_at(s, 0);
    while (done < b->n) {
        int sent = arc_udpsys_send(s->fd, b->msgs + done, b->n - done,
                                   u->cfg.batch);

        if (sent > 0) {
            u->stats.sent_pkts += sent;
            done += sent;
            tries = 0;
        } else if (arc_udpfault_judge(u, s, errno, 1, tries++) ==
                   ARC_UDPFAULT_LOST) {
            done++;
            tries = 0;
        }
    }
}

/** The datagrams of one message one by one: `parts` are theirs. Cutting is
 *  given up if that was what the system could not do. */
static void send_apart(struct arc_udp *u, struct arc_udpsocket *s,
                       struct iovec *parts, int32_t n, int error)
{
    int64_t before = u->stats.sent_pkts;
    struct batch b;

    b.n = 0;
    for (int32_t i = 0; i < n; i++)
        add_message(&b, s, &parts[i], 1);
    send_singles(u, s, &b);
    if (u->stats.sent_pkts > before && error != EMSGSIZE && error != 0)
        no_more_cutting(s);
}

/* --- trains --------------------------------------------------------------------------- */

static void send_train_apart(struct arc_udp *u, struct arc_udpsocket *s,
                             const struct arc_train *t, int error)
{
    struct iovec parts[ARC_TRAIN_MAX_SEGMENTS];
    int32_t n = 0;

    for (int32_t at = 0; at < t->len; at += t->segment_bytes, n++) {
        int32_t left = t->len - at;

        parts[n].iov_base = t->data + at;
        parts[n].iov_len  = (size_t)(left < t->segment_bytes ? left
                                                             : t->segment_bytes);
    }
    send_apart(u, s, parts, n, error);
}

/** A train that one message can carry. */
static void send_part(struct arc_udp *u, struct arc_udpsocket *s,
                      const struct arc_train *t)
{
    const int32_t pkts = (t->len + t->segment_bytes - 1) / t->segment_bytes;
    enum arc_udpfault fault = ARC_UDPFAULT_RETRY;
    int error = 0;

    /* What is no longer than the size set is sent as it is. */
    if (pkts > 1 ? !cut_at(s, t->segment_bytes)
                 : t->len > s->segment_bytes && !cut_at(s, 0)) {
        send_train_apart(u, s, t, 0);
        return;
    }
    for (int32_t tries = 0; fault == ARC_UDPFAULT_RETRY; tries++) {
        ssize_t sent = s->connected
                           ? send(s->fd, t->data, (size_t)t->len, 0)
                           : sendto(s->fd, t->data, (size_t)t->len, 0,
                                    &s->remote.sa.any, s->remote.len);

        if (sent >= 0) {
            u->stats.sent_pkts   += pkts;
            u->stats.sent_trains += pkts > 1;
            return;
        }
        error = errno;
        fault = arc_udpfault_judge(u, s, error, pkts, tries);
    }
    if (fault == ARC_UDPFAULT_CUT)
        send_train_apart(u, s, t, error);
}

static int32_t most_bytes(int32_t segment_bytes)
{
    int32_t pkts = ARC_TRAIN_MAX_BYTES / segment_bytes;

    if (pkts > ARC_TRAIN_MAX_SEGMENTS)
        pkts = ARC_TRAIN_MAX_SEGMENTS;
    return pkts > 1 ? pkts * segment_bytes : segment_bytes;
}

static void send_train(struct arc_udp *u, struct arc_udpsocket *s,
                       const struct arc_train *train)
{
    struct arc_train part = *train;
    int32_t most;

    if (part.segment_bytes <= 0 || part.segment_bytes > part.len)
        part.segment_bytes = part.len;
    if (s->remote.len == 0) {
        u->stats.no_remote += (part.len + part.segment_bytes - 1) /
                              part.segment_bytes;
        return;
    }
    mark(s, train->ecn);
    most = most_bytes(part.segment_bytes);
    for (int32_t left = train->len; left > 0; left -= part.len) {
        part.len = left < most ? left : most;
        send_part(u, s, &part);
        part.data += part.len;
    }
}

static bool is_for_rtcp(const struct arc_udp *u, const uint8_t *data,
                        int32_t len)
{
    return u->rtcp.fd >= 0 &&
           arc_demux_classify(data, (size_t)len) == ARC_DEMUX_RTCP;
}

void arc_udp_send_trains(struct arc_udp *u, const struct arc_train *trains,
                         int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        const struct arc_train *t = &trains[i];

        if (t->len > 0)
            send_train(u, arc_udp_socket(u, is_for_rtcp(u, t->data, t->len)), t);
    }
}

/* --- packets -------------------------------------------------------------------------- */

/** How many of these may leave as one message: all of one size, but the last
 *  may be shorter. */
static int32_t run_of(const struct arc_udp *u, const struct arc_udpsocket *s,
                      struct arc_pkt *const *pkts, int32_t n)
{
    const int32_t size = pkts[0]->len;
    int32_t bytes = size, run = 1;

    if (!s->gso || size == 0)
        return 1;
    while (run < n && run < u->max_train_pkts && pkts[run]->len <= size &&
           pkts[run]->len > 0 && bytes + pkts[run]->len <= ARC_TRAIN_MAX_BYTES) {
        bytes += pkts[run]->len;
        if (pkts[run++]->len < size)
            break;
    }
    return run;
}

/** Messages of one or more datagrams each. */
static void send_runs(struct arc_udp *u, struct arc_udpsocket *s,
                      struct batch *b)
{
    int32_t done = 0, tries = 0;

    while (done < b->n) {
        const struct msghdr *m = &b->msgs[done].msg_hdr;
        int sent = arc_udpsys_send(s->fd, b->msgs + done, b->n - done,
                                   u->cfg.batch);
        enum arc_udpfault fault;
        int error = errno;

        for (; sent > 0; sent--, done++, tries = 0) {
            int32_t pkts = (int32_t)b->msgs[done].msg_hdr.msg_iovlen;

            u->stats.sent_pkts   += pkts;
            u->stats.sent_trains += pkts > 1;
        }
        if (sent == 0)
            continue;
        fault = arc_udpfault_judge(u, s, error, (int32_t)m->msg_iovlen, tries++);
        if (fault == ARC_UDPFAULT_CUT)
            send_apart(u, s, m->msg_iov, (int32_t)m->msg_iovlen, error);
        if (fault != ARC_UDPFAULT_RETRY) {
            done++;
            tries = 0;
        }
    }
}

static void send_packets(struct arc_udp *u, struct arc_udpsocket *s,
                         struct arc_pkt *const *pkts, int32_t n)
{
    struct batch b;
    int32_t run;

    b.n = 0;
    for (int32_t i = 0; i < n; i += run) {
        struct msghdr *m;

        run = run_of(u, s, pkts + i, n - i);
        for (int32_t k = i; k < i + run; k++) {
            b.parts[k].iov_base = pkts[k]->data;
            b.parts[k].iov_len  = (size_t)pkts[k]->len;
        }
        m = add_message(&b, s, &b.parts[i], run);
        if (run > 1)
            arc_udpsys_cut(m, b.control[b.n - 1], pkts[i]->len);
    }
    cut_at(s, 0);
    send_runs(u, s, &b);
}

static void send_all(struct arc_udp *u, struct arc_udpsocket *s,
                     struct arc_pkt **pkts, int32_t n)
{
    if (s->remote.len == 0) {
        u->stats.no_remote += n;
    } else if (n == 1 && pkts[0]->len > 0) {
        struct arc_train t = {pkts[0]->data, pkts[0]->len, pkts[0]->len,
                              u->cfg.ecn, 0};

        send_train(u, s, &t); /* one send() is cheaper than one sendmmsg() */
    } else {
        mark(s, u->cfg.ecn);
        send_packets(u, s, pkts, n);
    }
    for (int32_t i = 0; i < n; i++)
        arc_pkt_unref(pkts[i]);
}

void arc_udp_send(struct arc_udp *u, struct arc_pkt **pkts, int32_t n)
{
    int32_t n_rtp = 0;

    for (int32_t i = 0; i < n; i++) {
        if (is_for_rtcp(u, pkts[i]->data, pkts[i]->len))
            send_all(u, &u->rtcp, &pkts[i], 1);
        else
            pkts[n_rtp++] = pkts[i];
    }
    if (n_rtp > 0)
        send_all(u, &u->rtp, pkts, n_rtp);
}
