/**
 * @file io/benchsock.c  Sockets of what measures: the bare loop and the traffic
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/benchsock.h"

/* linux/udp.h; older C libraries do not have them. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

enum {
    CONTROL_BYTES = 64,
    DRAIN_PKTS    = 256,
    MEMINFO_DROPS = 8, /* SK_MEMINFO_DROPS of linux/sock_diag.h */
};

struct arc_benchsock_rx {
    int32_t        messages;
    uint8_t       *memory;
    struct mmsghdr headers[ARC_BENCHSOCK_MESSAGES];
    struct iovec   places[ARC_BENCHSOCK_MESSAGES];
    union {
        size_t align; /* as struct cmsghdr, which ends in a flexible array */
        char   bytes[CONTROL_BYTES];
    } control[ARC_BENCHSOCK_MESSAGES];
};

/* --- sockets ---------------------------------------------------------------------------- */

static bool address_of(const char *host, int32_t port, struct sockaddr_in *out)
{
    memset(out, 0, sizeof(*out));
    out->sin_family = AF_INET;
    out->sin_port   = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

int arc_benchsock_open(const char *host, int32_t port)
{
    struct sockaddr_in a;
    int fd;

    if (!address_of(host, port, &a))
        return -1;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void arc_benchsock_set_buffers(int fd, int32_t bytes)
{
    const int b = bytes;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &b, sizeof(b)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &b, sizeof(b));
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &b, sizeof(b)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &b, sizeof(b));
}

int32_t arc_benchsock_buffer_bytes(int fd)
{
    int bytes = 0;
    socklen_t len = sizeof(bytes);

    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len);
    return bytes;
}

int64_t arc_benchsock_drops(int fd)
{
    uint32_t counts[MEMINFO_DROPS + 1] = {0};
    socklen_t len = sizeof(counts);

    getsockopt(fd, SOL_SOCKET, SO_MEMINFO, counts, &len);
    return counts[MEMINFO_DROPS];
}

bool arc_benchsock_connect(int fd, const char *host, int32_t port)
{
    struct sockaddr_in a;

    return address_of(host, port, &a) &&
           connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

int32_t arc_benchsock_port(int fd)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);

    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return -1;
    return ntohs(a.sin_port);
}

bool arc_benchsock_set_gro(int fd)
{
    const int on = 1;

    return setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == 0;
}

bool arc_benchsock_set_segment(int fd, int32_t bytes)
{
    const int b = bytes;

    return setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &b, sizeof(b)) == 0;
}

/* --- receiving -------------------------------------------------------------------------- */

struct arc_benchsock_rx *arc_benchsock_rx_new(int32_t messages, int32_t bytes)
{
    struct arc_benchsock_rx *rx = arc_mem_zalloc(1, sizeof(*rx));

    if (!rx)
        return NULL;
    rx->messages = messages;
    rx->memory   = arc_mem_zalloc((size_t)messages, (size_t)bytes);
    if (!rx->memory) {
        arc_mem_free(rx);
        return NULL;
    }
    for (int32_t i = 0; i < messages; i++) {
        struct msghdr *h = &rx->headers[i].msg_hdr;

        rx->places[i].iov_base = rx->memory + (size_t)i * (size_t)bytes;
        rx->places[i].iov_len  = (size_t)bytes;
        h->msg_iov     = &rx->places[i];
        h->msg_iovlen  = 1;
        h->msg_control = rx->control[i].bytes;
    }
    return rx;
}

void arc_benchsock_rx_free(struct arc_benchsock_rx *rx)
{
    if (rx)
        arc_mem_free(rx->memory);
    arc_mem_free(rx);
}

/** Bytes of each packet of a message; the kernel says nothing of a single one. */
static int32_t segment_of(struct msghdr *h, int32_t len)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int bytes;

            memcpy(&bytes, CMSG_DATA(c), sizeof(bytes));
            return bytes > 0 ? bytes : len;
        }
    return len;
}

int32_t arc_benchsock_receive(struct arc_benchsock_rx *rx, int fd, int flags,
                              struct arc_train *trains)
{
    int n;

    for (int32_t i = 0; i < rx->messages; i++)
        rx->headers[i].msg_hdr.msg_controllen = CONTROL_BYTES;
    n = recvmmsg(fd, rx->headers, (unsigned)rx->messages, flags, NULL);
    for (int i = 0; i < n; i++) {
        trains[i].data = rx->places[i].iov_base;
        trains[i].len  = (int32_t)rx->headers[i].msg_len;
        trains[i].ecn  = ARC_ECN_NOT_ECT;
        trains[i].segment_bytes =
            segment_of(&rx->headers[i].msg_hdr, trains[i].len);
    }
    return n > 0 ? n : 0;
}

int32_t arc_benchsock_drain(int fd)
{
    char byte;
    int32_t n = 0;

    while (n < DRAIN_PKTS && recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) >= 0)
        n++;
    return n;
}

/* --- time ---------------------------------------------------------------------- */

int64_t arc_benchsock_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}
