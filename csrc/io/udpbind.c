/**
 * @file io/udpbind.c  Making sockets: options, ports, ranges of ports, reasons
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "io/udpsocket.h"

enum { DEFAULT_BUFFER_BYTES = 4 << 20 }; /* a key frame at 8K, while we sleep */

static bool enable(const struct arc_udpsocket *s, int family,
                   enum arc_udpsys_option option, bool wanted)
{
    return wanted && arc_udpsys_set(s->fd, family, option, 1) == 0;
}

/** All of it is a wish: the system gives what it can. */
static void set_options(struct arc_udpsocket *s, int family,
                        const struct arc_udp_config *cfg)
{
    arc_udpsys_set(s->fd, family, ARC_UDPSYS_RCVBUF,
                   cfg->rcvbuf_bytes ? cfg->rcvbuf_bytes : DEFAULT_BUFFER_BYTES);
    arc_udpsys_set(s->fd, family, ARC_UDPSYS_SNDBUF,
                   cfg->sndbuf_bytes ? cfg->sndbuf_bytes : DEFAULT_BUFFER_BYTES);
    arc_udpsys_set(s->fd, family, ARC_UDPSYS_ERRORS, 1);
    s->gro       = enable(s, family, ARC_UDPSYS_GRO, cfg->gro);
    s->stamps    = enable(s, family, ARC_UDPSYS_STAMPS, cfg->timestamps);
    s->reads_ecn = enable(s, family, ARC_UDPSYS_READ_ECN, cfg->read_ecn);
    s->whole     = enable(s, family, ARC_UDPSYS_DONT_FRAGMENT,
                          cfg->dont_fragment);
    s->gso       = cfg->gso &&
                   arc_udpsys_set(s->fd, family, ARC_UDPSYS_SEGMENT, 0) == 0;
}

/** A free port of the range, from a random one on (RFC 6056 §3.3.1).
 *  @return 0 or errno */
static int bind_in_range(int fd, struct arc_udpaddr *a,
                         const struct arc_udp_config *cfg)
{
    uint32_t n = (uint32_t)(cfg->port_max - cfg->port_min) + 1, start;
    struct arc_rng rng;

    arc_rng_init(&rng, cfg->seed);
    start = arc_rng_below(&rng, n);
    for (uint32_t i = 0; i < n; i++) {
        arc_udpaddr_set_port(a, cfg->port_min + (int32_t)((start + i) % n));
        if (bind(fd, &a->sa.any, a->len) == 0)
            return 0;
        if (errno != EADDRINUSE && errno != EACCES)
            return errno;
    }
    return errno;
}

/** @return 0 or errno */
static int make(const struct arc_udp_config *cfg, const struct arc_udpaddr *local,
                bool range, struct arc_udpsocket *out)
{
    const int family = local->sa.any.sa_family;
    int error = 0;

    memset(out, 0, sizeof(*out));
    out->bound = *local;
    out->fd    = arc_udpsys_socket(family);
    if (out->fd < 0)
        return errno;
    set_options(out, family, cfg);
    if (cfg->reuse_port)
        error = arc_udpsys_set(out->fd, family, ARC_UDPSYS_REUSE_PORT, 1);
    if (!error && range)
        error = bind_in_range(out->fd, &out->bound, cfg);
    else if (!error && bind(out->fd, &local->sa.any, local->len) != 0)
        error = errno;
    if (!error) {
        arc_udpaddr_local(out->fd, &out->bound);
        return 0;
    }
    close(out->fd);
    out->fd = -1;
    return error;
}

static const char *advice(int error)
{
    switch (error) {
    case EACCES:
        return " (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
    case EMFILE:
        return " (the limit of this process; see ulimit -n)";
    case EADDRNOTAVAIL:
        return " (this machine has no such address)";
    default:
        return "";
    }
}

static void explain(const struct arc_udp_config *cfg, int error, char *why,
                    int32_t cap)
{
    const char *host = cfg->host && cfg->host[0] ? cfg->host : "*";

    if (cfg->port_max == 0)
        arc_udpaddr_explain(why, cap, "cannot bind UDP %s port %d: %s%s", host,
                            (int)cfg->port, strerror(error), advice(error));
    else if (error == EADDRINUSE)
        arc_udpaddr_explain(why, cap,
                            "cannot bind UDP %s: all ports %d..%d are in use",
                            host, (int)cfg->port_min, (int)cfg->port_max);
    else
        arc_udpaddr_explain(why, cap, "cannot bind UDP %s ports %d..%d: %s%s",
                            host, (int)cfg->port_min, (int)cfg->port_max,
                            strerror(error), advice(error));
}

enum arc_status arc_udpbind_host(const struct arc_udp_config *cfg,
                                 struct arc_udpsocket *out, char *why,
                                 int32_t why_cap)
{
    const bool named = cfg->host && cfg->host[0];
    struct addrinfo *list = arc_udpaddr_resolve(cfg->host, cfg->port,
                                                named ? AF_UNSPEC : AF_INET,
                                                AI_PASSIVE, why, why_cap);
    struct arc_udpaddr local;
    int error = EADDRNOTAVAIL;

    if (!list)
        return ARC_ERR_IO;
    /* A name may stand for addresses that this machine does not have. */
    for (const struct addrinfo *a = list; a && error; a = a->ai_next) {
        arc_udpaddr_from(&local, a);
        error = make(cfg, &local, cfg->port_max > 0, out);
    }
    freeaddrinfo(list);
    if (!error)
        return ARC_OK;
    explain(cfg, error, why, why_cap);
    return ARC_ERR_IO;
}

enum arc_status arc_udpbind_address(const struct arc_udp_config *cfg,
                                    const struct arc_udpaddr *local,
                                    struct arc_udpsocket *out, char *why,
                                    int32_t why_cap)
{
    int error = make(cfg, local, false, out);

    if (!error)
        return ARC_OK;
    arc_udpaddr_explain(why, why_cap, "cannot bind UDP port %d for RTCP: %s%s",
                        (int)arc_udpaddr_port(local), strerror(error),
                        advice(error));
    return ARC_ERR_IO;
}

/* --- connections ---------------------------------------------------------------------- */

bool arc_udpbind_disconnect(struct arc_udpsocket *s)
{
    struct sockaddr nobody;
    struct arc_udpaddr local;

    memset(&nobody, 0, sizeof(nobody));
    nobody.sa_family = AF_UNSPEC;
    /* Some systems do it and say EAFNOSUPPORT. */
    if (connect(s->fd, &nobody, sizeof(nobody)) != 0 && errno != EAFNOSUPPORT)
        return false;
    s->connected = false;
    /* Linux lets go of a port that it chose itself, together with the peer. */
    arc_udpaddr_local(s->fd, &local);
    return arc_udpaddr_port(&local) == arc_udpaddr_port(&s->bound) ||
           bind(s->fd, &s->bound.sa.any, s->bound.len) == 0;
}

bool arc_udpbind_connect(struct arc_udpsocket *s,
                         const struct arc_udpaddr *remote)
{
    /* Of a socket on all addresses, the first connection fixes the one that
     * packets come from, for later peers as well: take it back first. */
    if (s->connected && arc_udpaddr_is_any(&s->bound) &&
        !arc_udpbind_disconnect(s))
        return false;
    s->path_mtu_bytes = 0;
    if (connect(s->fd, &remote->sa.any, remote->len) != 0 &&
        (errno != EISCONN || !arc_udpbind_disconnect(s) ||
         connect(s->fd, &remote->sa.any, remote->len) != 0)) {
        return false;
    }
    s->connected = true;
    s->remote    = *remote;
    return true;
}
