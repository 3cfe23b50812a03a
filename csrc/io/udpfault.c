/**
 * @file io/udpfault.c  What went wrong with a socket: ICMP, the path, the system
 *
 * An ICMP error waits twice: as an entry of the queue of errors, and as the
 * result of the next call of any kind, which then has done nothing else. So the
 * queue is emptied whenever a call fails, and the call made again.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "io/udpsocket.h"

enum {
    MAX_FAULTS = 64, /* read at once: the rest keeps the socket ready        */
    MAX_TRIES  = 4,  /* of one message, while others' errors come in between */
};

static void count_icmp(struct arc_udp_stats *stats, int error)
{
    switch (error) {
    case ECONNREFUSED: /* port unreachable (RFC 1122 §4.1.3.3) */
        stats->refused++;
        break;
    case EMSGSIZE:
        stats->mtu_changes++;
        break;
    default: /* host, network or protocol unreachable, or prohibited */
        stats->unreachable++;
        break;
    }
}

int32_t arc_udpfault_drain(struct arc_udp *u, struct arc_udpsocket *s)
{
    struct arc_udpsys_fault fault;
    int32_t n = 0;

    for (; n < MAX_FAULTS && arc_udpsys_next_fault(s->fd, &fault); n++) {
        if (fault.mtu_bytes > 0)
            s->path_mtu_bytes = fault.mtu_bytes;
        if (!fault.local) /* the call that failed has counted those */
            count_icmp(&u->stats, fault.error);
    }
    return n;
}

static bool is_unreachable(int error)
{
    return error == ENETUNREACH || error == EHOSTUNREACH ||
           error == ENETDOWN || error == EHOSTDOWN;
}

static void count_lost(struct arc_udp_stats *stats, int error, int32_t pkts)
{
    if (error == EMSGSIZE)
        stats->too_big += pkts;
    else if (is_unreachable(error))
        stats->no_route += pkts;
    else
        stats->other_errors += pkts;
}

/** Errors that may mean "not cut up", and nothing else. */
static bool is_about_cutting(int error)
{
    return error == EIO || error == EINVAL || error == EOPNOTSUPP ||
           error == EMSGSIZE;
}

enum arc_udpfault arc_udpfault_judge(struct arc_udp *u, struct arc_udpsocket *s,
                                     int error, int32_t pkts, int32_t tries)
{
    int32_t told;

    if (error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS ||
        error == ENOMEM) {
        u->stats.would_block += pkts;
        return ARC_UDPFAULT_LOST;
    }
    told = arc_udpfault_drain(u, s);
    if (pkts > 1 && is_about_cutting(error))
        return ARC_UDPFAULT_CUT;
    if (error == ECONNREFUSED && told == 0)
        u->stats.refused++; /* a system without the queue */
    if (tries < MAX_TRIES && (error == EINTR || error == ECONNREFUSED ||
                              (told > 0 && error != EMSGSIZE)))
        return ARC_UDPFAULT_RETRY;
    count_lost(&u->stats, error, pkts);
    return ARC_UDPFAULT_LOST;
}
