/**
 * @file io/udp.c  A UDP socket, many datagrams a system call
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/udp.h"
#include "wire/demux.h"

enum {
    BUFFER_BYTES = 4 << 20, /* a key frame at 8K must fit while we sleep */
    MAX_ERRORS_A_BATCH = 4,
};

struct address {
    struct sockaddr_storage sa;
    socklen_t               len; /* 0: none */
};

struct channel {
    int            fd;     /* -1: RTCP shares the socket of RTP */
    struct address remote;
};

struct arc_udp {
    struct channel       rtp, rtcp;
    struct address       sources[ARC_UDP_BATCH]; /* of the last batch */
    struct arc_udp_stats stats;
};

static void explain(char *why, int32_t cap, const char *format, ...)
{
    va_list args;

    if (!why || cap <= 0)
        return;
    va_start(args, format);
    vsnprintf(why, (size_t)cap, format, args);
    va_end(args);
}

static const char *hint(int error, int family)
{
    if (error != EAI_ADDRFAMILY && error != EAI_NODATA)
        return "";
    return family == AF_INET    ? " (the local address is IPv4)"
           : family == AF_INET6 ? " (the local address is IPv6)" : "";
}

static struct addrinfo *resolve(const char *host, int32_t port, int family,
                                int flags, char *why, int32_t why_cap)
{
    struct addrinfo hints, *list = NULL;
    char service[8];
    int error;

    memset(&hints, 0, sizeof(hints));
    hints.ai_family   = family;
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags    = flags | AI_NUMERICSERV;
    snprintf(service, sizeof(service), "%d", (int)port);
    error = getaddrinfo(host && host[0] ? host : NULL, service, &hints, &list);
    if (error) {
        explain(why, why_cap, "%s: %s%s", host && host[0] ? host : "any address",
                gai_strerror(error), hint(error, family));
        return NULL;
    }
    return list;
}

static int bound_socket(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int bytes = BUFFER_BYTES;

    if (fd < 0)
        return -1;
    /* The kernel clips these to its limits, which is all we ask for. */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    bytes = errno;
    close(fd);
    errno = bytes;
    return -1;
}

enum arc_status arc_udp_open(const char *host, int32_t port,
                             struct arc_udp **out, char *why, int32_t why_cap)
{
    struct addrinfo *list;
    struct arc_udp *u;

    if (!out || port < 0 || port > 65535)
        return ARC_ERR_ARG;
    list = resolve(host, port, host && host[0] ? AF_UNSPEC : AF_INET, AI_PASSIVE,
                   why, why_cap);
    if (!list)
        return ARC_ERR_IO;
    u = arc_mem_zalloc(1, sizeof(*u));
    if (!u) {
        freeaddrinfo(list);
        return ARC_ERR_NOMEM;
    }
    u->rtcp.fd = -1;
    u->rtp.fd  = -1;
    /* A name may stand for addresses that this machine does not have. */
    for (const struct addrinfo *a = list; a && u->rtp.fd < 0; a = a->ai_next)
        u->rtp.fd = bound_socket(a);
    if (u->rtp.fd < 0)
        explain(why, why_cap, "cannot bind UDP %s port %d: %s",
                host && host[0] ? host : "*", (int)port, strerror(errno));
    freeaddrinfo(list);
    if (u->rtp.fd < 0) {
        arc_mem_free(u);
        return ARC_ERR_IO;
    }
    *out = u;
    return ARC_OK;
}

static socklen_t local_address(const struct arc_udp *u,
                               struct sockaddr_storage *sa)
{
    socklen_t len = sizeof(*sa);

    return getsockname(u->rtp.fd, (struct sockaddr *)sa, &len) == 0 ? len : 0;
}

void arc_udp_close(struct arc_udp *u)
{
    if (!u)
        return;
    close(u->rtp.fd);
    if (u->rtcp.fd >= 0)
        close(u->rtcp.fd);
    arc_mem_free(u);
}

static void set_port(struct sockaddr_storage *sa, int32_t port)
{
    if (sa->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)sa)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)sa)->sin_port = htons((uint16_t)port);
}

enum arc_status arc_udp_split_rtcp(struct arc_udp *u, int32_t local_port,
                                   int32_t remote_port, char *why,
                                   int32_t why_cap)
{
    struct sockaddr_storage sa;
    struct addrinfo local;

    if (u->rtcp.fd >= 0 || local_port < 0 || local_port > 65535 ||
        remote_port < 0 || remote_port > 65535 ||
        (remote_port > 0 && u->rtp.remote.len == 0))
        return ARC_ERR_ARG;
    memset(&local, 0, sizeof(local));
    local.ai_addrlen = local_address(u, &sa);
    local.ai_addr    = (struct sockaddr *)&sa;
    local.ai_family  = sa.ss_family;
    set_port(&sa, local_port);
    u->rtcp.fd = bound_socket(&local);
    if (u->rtcp.fd < 0) {
        explain(why, why_cap, "cannot bind UDP port %d for RTCP: %s",
                (int)local_port, strerror(errno));
        return ARC_ERR_IO;
    }
    if (remote_port > 0) {
        u->rtcp.remote = u->rtp.remote;
        set_port(&u->rtcp.remote.sa, remote_port);
    }
    return ARC_OK;
}

/** "::": such a socket speaks IPv4 as well. */
static bool is_any6(const struct sockaddr_storage *sa)
{
    return sa->ss_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

enum arc_status arc_udp_set_remote(struct arc_udp *u, const char *host,
                                   int32_t port, char *why, int32_t why_cap)
{
    struct sockaddr_storage local;
    struct addrinfo *list;

    if (!host || !host[0] || port < 1 || port > 65535) {
        explain(why, why_cap, "remote address needs a host and a port 1..65535");
        return ARC_ERR_ARG;
    }
    if (local_address(u, &local) == 0)
        return ARC_ERR_IO;
    list = resolve(host, port, local.ss_family,
                   is_any6(&local) ? AI_V4MAPPED : 0, why, why_cap);
    if (!list)
        return ARC_ERR_IO;
    memcpy(&u->rtp.remote.sa, list->ai_addr, list->ai_addrlen);
    u->rtp.remote.len = list->ai_addrlen;
    freeaddrinfo(list);
    return ARC_OK;
}

int32_t arc_udp_port(const struct arc_udp *u)
{
    struct sockaddr_storage sa;

    if (local_address(u, &sa) == 0)
        return 0;
    if (sa.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
    return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

enum arc_status arc_udp_address(const struct arc_udp *u, bool remote,
                                char *out, int32_t cap)
{
    struct sockaddr_storage sa = u->rtp.remote.sa;
    socklen_t len = u->rtp.remote.len;
    char host[NI_MAXHOST], service[NI_MAXSERV];

    if (!out || cap < 1)
        return ARC_ERR_ARG;
    out[0] = 0;
    if (!remote)
        len = local_address(u, &sa);
    if (len == 0)
        return ARC_OK;
    if (getnameinfo((struct sockaddr *)&sa, len, host, sizeof(host), service,
                    sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return ARC_ERR_IO;
    snprintf(out, (size_t)cap, sa.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
             host, service);
    return ARC_OK;
}

void arc_udp_get_stats(const struct arc_udp *u, struct arc_udp_stats *out)
{
    *out = u->stats;
}

int arc_udp_fd(const struct arc_udp *u)
{
    return u->rtp.fd;
}

int arc_udp_rtcp_fd(const struct arc_udp *u)
{
    return u->rtcp.fd;
}

/* --- in ------------------------------------------------------------------------------- */

static int32_t take_packets(struct arc_udp *u, int fd,
                            struct arc_pkt_pool *pool, struct arc_pkt **pkts)
{
    int32_t n = 0;

    while (n < ARC_UDP_BATCH && (pkts[n] = arc_pkt_get(pool)) != NULL)
        n++;
    if (n == 0) {
        char waste[1];

        /* Somebody holds all packets: read on, or the socket stays ready and
         * what comes out of it gets older and older. */
        if (recv(fd, waste, sizeof(waste), MSG_DONTWAIT | MSG_TRUNC) >= 0)
            u->stats.no_packet++;
    }
    return n;
}

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++) /* FNV-1a */
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/** One number for host and port, never 0; without what else the struct has. */
static uint64_t hash_address(const struct sockaddr_storage *sa)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    if (sa->ss_family == AF_INET6) {
        hash = mix(hash, &v6->sin6_addr, sizeof(v6->sin6_addr));
        hash = mix(hash, &v6->sin6_port, sizeof(v6->sin6_port));
    } else {
        hash = mix(hash, &v4->sin_addr, sizeof(v4->sin_addr));
        hash = mix(hash, &v4->sin_port, sizeof(v4->sin_port));
    }
    return hash ? hash : 1;
}

int32_t arc_udp_receive(struct arc_udp *u, bool rtcp,
                        struct arc_pkt_pool *pool, struct arc_pkt **pkts,
                        int64_t now_us)
{
    const int fd = rtcp ? u->rtcp.fd : u->rtp.fd;
    struct mmsghdr messages[ARC_UDP_BATCH];
    struct iovec parts[ARC_UDP_BATCH];
    int32_t n = take_packets(u, fd, pool, pkts);
    int got, tries = 0;

    memset(messages, 0, sizeof(messages));
    for (int32_t i = 0; i < n; i++) {
        parts[i].iov_base = pkts[i]->data;
        parts[i].iov_len  = ARC_PKT_CAP_BYTES;
        messages[i].msg_hdr.msg_name    = &u->sources[i].sa;
        messages[i].msg_hdr.msg_namelen = sizeof(u->sources[i].sa);
        messages[i].msg_hdr.msg_iov     = &parts[i];
        messages[i].msg_hdr.msg_iovlen  = 1;
    }
    do { /* an ICMP error waits on the socket and is told by one call */
        got = n ? recvmmsg(fd, messages, (unsigned)n, MSG_DONTWAIT, NULL) : 0;
        if (got < 0 && errno == ECONNREFUSED)
            u->stats.refused++;
    } while (got < 0 && (errno == ECONNREFUSED || errno == EINTR) &&
             ++tries < MAX_ERRORS_A_BATCH);
    if (got < 0)
        got = 0;

    for (int32_t i = got; i < n; i++)
        arc_pkt_unref(pkts[i]);
    for (int32_t i = 0; i < got; i++) {
        u->sources[i].len = messages[i].msg_hdr.msg_namelen;
        pkts[i]->len      = (int32_t)messages[i].msg_len;
        pkts[i]->time_us  = now_us;
        pkts[i]->source   = hash_address(&u->sources[i].sa);
        if (messages[i].msg_hdr.msg_flags & MSG_TRUNC) {
            u->stats.truncated++;
            pkts[i]->len = 0; /* counted by the session as not RTP */
        }
    }
    u->stats.received_pkts += got;
    return got;
}

void arc_udp_learn(struct arc_udp *u, bool rtcp, int32_t i)
{
    struct channel *c = rtcp ? &u->rtcp : &u->rtp;

    if (c->remote.len == 0)
        c->remote = u->sources[i];
}

/* --- out ------------------------------------------------------------------------------ */

static void count_error(struct arc_udp *u)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
        u->stats.would_block++;
    else if (errno == ECONNREFUSED)
        u->stats.refused++;
    else
        u->stats.other_errors++;
}

static void send_all(struct arc_udp *u, const struct channel *c,
                     struct arc_pkt **pkts, int32_t n)
{
    struct address remote = c->remote;
    struct mmsghdr messages[ARC_UDP_BATCH];
    struct iovec parts[ARC_UDP_BATCH];
    int32_t done = 0;

    memset(messages, 0, sizeof(messages));
    for (int32_t i = 0; i < n; i++) {
        parts[i].iov_base = pkts[i]->data;
        parts[i].iov_len  = (size_t)pkts[i]->len;
        messages[i].msg_hdr.msg_name    = &remote.sa;
        messages[i].msg_hdr.msg_namelen = remote.len;
        messages[i].msg_hdr.msg_iov     = &parts[i];
        messages[i].msg_hdr.msg_iovlen  = 1;
    }
    if (remote.len == 0) {
        u->stats.no_remote += n;
        done = n;
    }
    while (done < n) {
        int sent = sendmmsg(c->fd, messages + done, (unsigned)(n - done), 0);

        if (sent > 0) {
            u->stats.sent_pkts += sent;
            done += sent;
        } else if (errno != EINTR) {
            count_error(u);
            done++; /* that one is lost, as the network might have lost it */
        }
    }
    for (int32_t i = 0; i < n; i++)
        arc_pkt_unref(pkts[i]);
}

void arc_udp_send(struct arc_udp *u, struct arc_pkt **pkts, int32_t n)
{
    int32_t n_rtp = 0;

    for (int32_t i = 0; i < n; i++) {
        if (u->rtcp.fd >= 0 &&
            arc_demux_classify(pkts[i]->data, (size_t)pkts[i]->len) ==
            ARC_DEMUX_RTCP)
            send_all(u, &u->rtcp, &pkts[i], 1);
        else
            pkts[n_rtp++] = pkts[i];
    }
    if (n_rtp > 0)
        send_all(u, &u->rtp, pkts, n_rtp);
}
