/**
 * @file io/udpaddr.h  Addresses of UDP sockets: host and port, IPv4 or IPv6
 *
 * Private to io/udp*.
 *
 * Owner:   embed it; there is no heap.
 * Threads: any. arc_udpaddr_resolve() may wait for a name server.
 */
#ifndef ARC_IO_UDPADDR_H
#define ARC_IO_UDPADDR_H

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/status.h"

struct arc_udpaddr {
    union {
        struct sockaddr     any;
        struct sockaddr_in  v4;
        struct sockaddr_in6 v6;
    } sa;
    socklen_t len; /* 0: none */
};

/** Write a reason in words, cut to `cap`; `why` may be NULL. */
void arc_udpaddr_explain(char *why, int32_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * Look up a name or number.
 *
 * @param host   "" or NULL: any address, to be bound to
 * @param family AF_UNSPEC, AF_INET or AF_INET6
 * @param flags  AI_PASSIVE, AI_V4MAPPED or 0
 *
 * @return A list for freeaddrinfo(), or NULL (see why)
 */
struct addrinfo *arc_udpaddr_resolve(const char *host, int32_t port, int family,
                                     int flags, char *why, int32_t why_cap);

void    arc_udpaddr_from(struct arc_udpaddr *a, const struct addrinfo *info);
void    arc_udpaddr_set_port(struct arc_udpaddr *a, int32_t port);
int32_t arc_udpaddr_port(const struct arc_udpaddr *a);

/** 0.0.0.0 or ::. */
bool    arc_udpaddr_is_any(const struct arc_udpaddr *a);

/** What a socket is bound to; len 0 on failure. */
void    arc_udpaddr_local(int fd, struct arc_udpaddr *out);

/** One number for host and port, never 0; without what else the struct has. */
uint64_t arc_udpaddr_hash(const struct arc_udpaddr *a);

/** "host:port" or "[host]:port"; "" if there is none.
 *  @return ARC_OK, ARC_ERR_ARG (cap < 1) or ARC_ERR_IO */
enum arc_status arc_udpaddr_text(const struct arc_udpaddr *a, char *out,
                                 int32_t cap);

#endif
