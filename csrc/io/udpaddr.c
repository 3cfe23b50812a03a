/**
 * @file io/udpaddr.c  Addresses of UDP sockets: host and port, IPv4 or IPv6
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/udpaddr.h"

void arc_udpaddr_explain(char *why, int32_t cap, const char *format, ...)
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

struct addrinfo *arc_udpaddr_resolve(const char *host, int32_t port, int family,
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
        arc_udpaddr_explain(why, why_cap, "%s: %s%s",
                            host && host[0] ? host : "any address",
                            gai_strerror(error), hint(error, family));
        return NULL;
    }
    return list;
}

void arc_udpaddr_from(struct arc_udpaddr *a, const struct addrinfo *info)
{
    memset(a, 0, sizeof(*a));
    if (info->ai_addrlen > sizeof(a->sa))
        return;
    memcpy(&a->sa, info->ai_addr, info->ai_addrlen);
    a->len = info->ai_addrlen;
}

void arc_udpaddr_set_port(struct arc_udpaddr *a, int32_t port)
{
    if (a->sa.any.sa_family == AF_INET6)
        a->sa.v6.sin6_port = htons((uint16_t)port);
    else
        a->sa.v4.sin_port = htons((uint16_t)port);
}

int32_t arc_udpaddr_port(const struct arc_udpaddr *a)
{
    if (a->len == 0)
        return 0;
    return ntohs(a->sa.any.sa_family == AF_INET6 ? a->sa.v6.sin6_port
                                                 : a->sa.v4.sin_port);
}

bool arc_udpaddr_is_any(const struct arc_udpaddr *a)
{
    if (a->sa.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&a->sa.v6.sin6_addr);
    return a->sa.v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

void arc_udpaddr_local(int fd, struct arc_udpaddr *out)
{
    memset(out, 0, sizeof(*out));
    out->len = sizeof(out->sa);
    if (getsockname(fd, &out->sa.any, &out->len) != 0)
        out->len = 0;
}

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++) /* FNV-1a */
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t arc_udpaddr_hash(const struct arc_udpaddr *a)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    if (a->sa.any.sa_family == AF_INET6) {
        hash = mix(hash, &a->sa.v6.sin6_addr, sizeof(a->sa.v6.sin6_addr));
        hash = mix(hash, &a->sa.v6.sin6_port, sizeof(a->sa.v6.sin6_port));
    } else {
        hash = mix(hash, &a->sa.v4.sin_addr, sizeof(a->sa.v4.sin_addr));
        hash = mix(hash, &a->sa.v4.sin_port, sizeof(a->sa.v4.sin_port));
    }
    return hash ? hash : 1;
}

enum arc_status arc_udpaddr_text(const struct arc_udpaddr *a, char *out,
                                 int32_t cap)
{
    char host[NI_MAXHOST], service[NI_MAXSERV];

    if (!out || cap < 1)
        return ARC_ERR_ARG;
    out[0] = 0;
    if (a->len == 0)
        return ARC_OK;
    if (getnameinfo(&a->sa.any, a->len, host, sizeof(host), service,
                    sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return ARC_ERR_IO;
    snprintf(out, (size_t)cap,
             a->sa.any.sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
             service);
    return ARC_OK;
}
