/**
 * @file io/udp.c  UDP sockets: life, addresses, settings, what they tell
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/udpsocket.h"

enum { DEFAULT_TRAIN_PKTS = 16 };

/* --- life ----------------------------------------------------------------------------- */

void arc_udp_config_init(struct arc_udp_config *c)
{
    memset(c, 0, sizeof(*c));
    c->gro = c->gso = c->batch = true;
    c->timestamps = c->read_ecn = c->dont_fragment = true;
}

static bool is_port(int32_t port)
{
    return port >= 0 && port <= 65535;
}

static bool is_ecn(int32_t ecn)
{
    return ecn >= ARC_ECN_NOT_ECT && ecn <= ARC_ECN_CE;
}

static const char *fault_of(const struct arc_udp_config *c)
{
    if (!is_port(c->port))
        return "the port is outside 0..65535";
    if ((c->port_min || c->port_max) &&
        (c->port || !is_port(c->port_max) || c->port_min < 1 ||
         c->port_min > c->port_max))
        return "a range of ports is port_min..port_max within 1..65535, and "
               "port 0";
    if (c->rcvbuf_bytes < 0 || c->sndbuf_bytes < 0)
        return "a buffer has less than 0 bytes";
    if (!is_ecn(c->ecn))
        return "the ECN bits are outside 0..3";
    if (c->connect < ARC_UDP_CONNECT_NEVER ||
        c->connect > ARC_UDP_CONNECT_ALWAYS)
        return "connect is none of arc_udp_connect";
    return NULL;
}

enum arc_status arc_udp_open_config(const struct arc_udp_config *c,
                                    struct arc_udp **out, char *why,
                                    int32_t why_cap)
{
    const char *fault = c && out ? fault_of(c) : "nothing to open";
    enum arc_status status;
    struct arc_udp *u;

    if (fault) {
        arc_udpaddr_explain(why, why_cap, "%s", fault);
        return ARC_ERR_ARG;
    }
    u = arc_mem_zalloc(1, sizeof(*u));
    if (!u)
        return ARC_ERR_NOMEM;
    status = arc_udpbind_host(c, &u->rtp, why, why_cap);
    if (status != ARC_OK) {
        arc_mem_free(u);
        return status;
    }
    u->cfg      = *c;
    u->cfg.host = NULL;
    u->rtcp.fd  = -1;
    u->max_train_pkts = DEFAULT_TRAIN_PKTS;
    *out = u;
    return ARC_OK;
}

enum arc_status arc_udp_open(const char *host, int32_t port,
                             struct arc_udp **out, char *why, int32_t why_cap)
{
    struct arc_udp_config c;

    arc_udp_config_init(&c);
    c.host = host;
    c.port = port;
    return arc_udp_open_config(&c, out, why, why_cap);
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

/* --- addresses ------------------------------------------------------------------------ */

static bool set_remote(const struct arc_udp *u, struct arc_udpsocket *s,
                       const struct arc_udpaddr *remote)
{
    if (u->cfg.connect != ARC_UDP_CONNECT_NEVER)
        return arc_udpbind_connect(s, remote);
    s->remote = *remote;
    s->path_mtu_bytes = 0; /* of the path to another */
    return true;
}

enum arc_status arc_udp_split_rtcp(struct arc_udp *u, int32_t local_port,
                                   int32_t remote_port, char *why,
                                   int32_t why_cap)
{
    struct arc_udpaddr address = u->rtp.bound;
    enum arc_status status;

    if (u->rtcp.fd >= 0 || !is_port(local_port) || !is_port(remote_port) ||
        (remote_port > 0 && u->rtp.remote.len == 0))
        return ARC_ERR_ARG;
    arc_udpaddr_set_port(&address, local_port);
    status = arc_udpbind_address(&u->cfg, &address, &u->rtcp, why, why_cap);
    if (status != ARC_OK || remote_port == 0)
        return status;
    address = u->rtp.remote;
    arc_udpaddr_set_port(&address, remote_port);
    if (!set_remote(u, &u->rtcp, &address))
        u->rtcp.remote = address; /* RTP's was reached: a send will tell */
    return ARC_OK;
}

enum arc_status arc_udp_set_remote(struct arc_udp *u, const char *host,
                                   int32_t port, char *why, int32_t why_cap)
{
    const struct arc_udpaddr *local = &u->rtp.bound;
    const int family = local->sa.any.sa_family;
    struct arc_udpaddr remote;
    struct addrinfo *list;

    if (!host || !host[0] || port < 1 || port > 65535) {
        arc_udpaddr_explain(why, why_cap,
                            "remote address needs a host and a port 1..65535");
        return ARC_ERR_ARG;
    }
    /* "::" speaks IPv4 as well. */
    list = arc_udpaddr_resolve(host, port, family,
                               family == AF_INET6 && arc_udpaddr_is_any(local)
                                   ? AI_V4MAPPED : 0, why, why_cap);
    if (!list)
        return ARC_ERR_IO;
    arc_udpaddr_from(&remote, list);
    freeaddrinfo(list);
    if (set_remote(u, &u->rtp, &remote))
        return ARC_OK;
    arc_udpaddr_explain(why, why_cap, "cannot connect to %s port %d: %s", host,
                        (int)port, strerror(errno));
    return ARC_ERR_IO;
}

enum arc_status arc_udp_forget_remote(struct arc_udp *u)
{
    bool kept = true;

    for (int i = 0; i < 2; i++) {
        struct arc_udpsocket *s = arc_udp_socket(u, i);

        if (s->fd >= 0 && s->connected)
            kept &= arc_udpbind_disconnect(s);
        memset(&s->remote, 0, sizeof(s->remote));
        s->path_mtu_bytes = 0;
    }
    return kept ? ARC_OK : ARC_ERR_IO;
}

int32_t arc_udp_port(const struct arc_udp *u)
{
    return arc_udpaddr_port(&u->rtp.bound);
}

enum arc_status arc_udp_address(const struct arc_udp *u, bool remote,
                                char *out, int32_t cap)
{
    return arc_udpaddr_text(remote ? &u->rtp.remote : &u->rtp.bound, out, cap);
}

/* --- settings and numbers ------------------------------------------------------------- */

enum arc_status arc_udp_set_ecn(struct arc_udp *u, int32_t ecn)
{
    if (!is_ecn(ecn))
        return ARC_ERR_ARG;
    u->cfg.ecn = ecn; /* the next packet sets it */
    return ARC_OK;
}

enum arc_status arc_udp_set_train(struct arc_udp *u, int32_t max_pkts)
{
    if (max_pkts < 1 || max_pkts > ARC_TRAIN_MAX_SEGMENTS)
        return ARC_ERR_ARG;
    u->max_train_pkts = max_pkts;
    return ARC_OK;
}

static int32_t path_mtu(const struct arc_udpsocket *s)
{
    int32_t bytes = s->path_mtu_bytes;

    if (bytes == 0 && s->connected)
        bytes = arc_udpsys_path_mtu(s->fd, s->bound.sa.any.sa_family);
    return bytes;
}

static int64_t overflowed(const struct arc_udp *u)
{
    return arc_udpsys_overflowed(u->rtp.fd) +
           (u->rtcp.fd >= 0 ? arc_udpsys_overflowed(u->rtcp.fd) : 0);
}

void arc_udp_add_drops(const struct arc_udp *u, struct arc_udp_drops *sum)
{
    sum->would_block  += u->stats.would_block;
    sum->too_big      += u->stats.too_big;
    sum->no_route     += u->stats.no_route;
    sum->no_remote    += u->stats.no_remote;
    sum->other_errors += u->stats.other_errors;
    sum->no_packet    += u->stats.no_packet;
    sum->truncated    += u->stats.truncated;
    sum->overflowed   += overflowed(u);
}

void arc_udp_get_stats(const struct arc_udp *u, struct arc_udp_stats *out)
{
    *out = u->stats;
    out->overflowed     = overflowed(u);
    out->path_mtu_bytes = path_mtu(&u->rtp);
    out->rcvbuf_bytes   = arc_udpsys_buffer(u->rtp.fd, ARC_UDPSYS_RCVBUF);
    out->sndbuf_bytes   = arc_udpsys_buffer(u->rtp.fd, ARC_UDPSYS_SNDBUF);
    out->gro            = u->rtp.gro;
    out->gso            = u->rtp.gso;
    out->timestamps     = u->rtp.stamps;
    out->read_ecn       = u->rtp.reads_ecn;
    out->dont_fragment  = u->rtp.whole;
}

int arc_udp_fd(const struct arc_udp *u)
{
    return u->rtp.fd;
}

int arc_udp_rtcp_fd(const struct arc_udp *u)
{
    return u->rtcp.fd;
}
