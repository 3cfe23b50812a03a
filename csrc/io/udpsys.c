/**
 * @file io/udpsys.c  What systems do differently about UDP sockets
 */
#define _GNU_SOURCE
#define __APPLE_USE_RFC_3542 /* IPV6_TCLASS there */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/units.h"
#include "io/udpsys.h"

#if defined(__linux__) && !defined(ARC_UDP_PORTABLE)
#define LINUX_UDP 1
#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#endif

enum { ECN_MASK = 3 }; /* RFC 3168 §5: the two low bits of the octet */

/* --- options ------------------------------------------------------------------------- */

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : errno;
}

/** For both families of a socket that speaks both; that it speaks IPv4 as well
 *  is not required of it. */
static int set_ip(int fd, int family, int option4, int value4, int option6,
                  int value6)
{
    int error = set(fd, IPPROTO_IP, option4, value4);

    return family == AF_INET6 ? set(fd, IPPROTO_IPV6, option6, value6) : error;
}

static int set_buffer(int fd, int option, int forced, int bytes)
{
    /* By force it may pass net.core.rmem_max (socket(7)); who may not gets what
     * the limit allows. */
    if (forced && set(fd, SOL_SOCKET, forced, bytes) == 0)
        return 0;
    return set(fd, SOL_SOCKET, option, bytes);
}

#ifdef LINUX_UDP
int arc_udpsys_socket(int family)
{
    return socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int arc_udpsys_set(int fd, int family, enum arc_udpsys_option option, int value)
{
    switch (option) {
#ifdef UDP_SEGMENT
    case ARC_UDPSYS_GRO:
        return set(fd, IPPROTO_UDP, UDP_GRO, value);
    case ARC_UDPSYS_SEGMENT:
        return set(fd, IPPROTO_UDP, UDP_SEGMENT, value);
#endif
    case ARC_UDPSYS_STAMPS:
        return set(fd, SOL_SOCKET, SO_TIMESTAMPNS, value);
    case ARC_UDPSYS_READ_ECN:
        return set_ip(fd, family, IP_RECVTOS, value, IPV6_RECVTCLASS, value);
    case ARC_UDPSYS_ECN:
        return set_ip(fd, family, IP_TOS, value, IPV6_TCLASS, value);
    case ARC_UDPSYS_DONT_FRAGMENT:
        return set_ip(fd, family, IP_MTU_DISCOVER,
                      value ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT,
                      IPV6_MTU_DISCOVER,
                      value ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_WANT);
    case ARC_UDPSYS_ERRORS:
        return set_ip(fd, family, IP_RECVERR, value, IPV6_RECVERR, value);
    case ARC_UDPSYS_REUSE_PORT:
        return set(fd, SOL_SOCKET, SO_REUSEPORT, value);
    case ARC_UDPSYS_RCVBUF:
        return set_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE, value);
    case ARC_UDPSYS_SNDBUF:
        return set_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE, value);
    default:
        return ENOPROTOOPT;
    }
}
#else
int arc_udpsys_socket(int family)
{
    int fd = socket(family, SOCK_DGRAM, 0);

    if (fd >= 0 && (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
                    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

int arc_udpsys_set(int fd, int family, enum arc_udpsys_option option, int value)
{
    switch (option) {
    case ARC_UDPSYS_STAMPS:
        return set(fd, SOL_SOCKET, SO_TIMESTAMP, value);
#if defined(IP_RECVTOS) && defined(IPV6_RECVTCLASS)
    case ARC_UDPSYS_READ_ECN:
        return set_ip(fd, family, IP_RECVTOS, value, IPV6_RECVTCLASS, value);
    case ARC_UDPSYS_ECN:
        return set_ip(fd, family, IP_TOS, value, IPV6_TCLASS, value);
#endif
#if defined(IP_DONTFRAG) && defined(IPV6_DONTFRAG)
    case ARC_UDPSYS_DONT_FRAGMENT:
        return set_ip(fd, family, IP_DONTFRAG, value, IPV6_DONTFRAG, value);
#endif
    case ARC_UDPSYS_REUSE_PORT:
        return set(fd, SOL_SOCKET, SO_REUSEPORT, value);
    case ARC_UDPSYS_RCVBUF:
        return set_buffer(fd, SO_RCVBUF, 0, value);
    case ARC_UDPSYS_SNDBUF:
        return set_buffer(fd, SO_SNDBUF, 0, value);
    default:
        return ENOPROTOOPT;
    }
}
#endif

int32_t arc_udpsys_buffer(int fd, enum arc_udpsys_option option)
{
    int bytes = 0;
    socklen_t len = sizeof(bytes);
    int name = option == ARC_UDPSYS_RCVBUF ? SO_RCVBUF : SO_SNDBUF;

    if (getsockopt(fd, SOL_SOCKET, name, &bytes, &len) != 0)
        return 0;
#ifdef __linux__
    bytes /= 2; /* it doubles the number for its own bookkeeping (socket(7)) */
#endif
    return bytes;
}

int64_t arc_udpsys_overflowed(int fd)
{
#ifdef LINUX_UDP
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof(info);

    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0)
        return info[SK_MEMINFO_DROPS];
#endif
    return 0;
}

int32_t arc_udpsys_path_mtu(int fd, int family)
{
#ifdef LINUX_UDP
    int bytes = 0;
    socklen_t len = sizeof(bytes);

    if ((family == AF_INET6
             ? getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &bytes, &len)
             : getsockopt(fd, IPPROTO_IP, IP_MTU, &bytes, &len)) == 0)
        return bytes;
#endif
    return 0;
}

/* --- messages ------------------------------------------------------------------------- */

static int receive_singly(int fd, struct arc_udpsys_msg *msgs, int n)
{
    int done = 0;

    for (; done < n; done++) {
        ssize_t len = recvmsg(fd, &msgs[done].msg_hdr, MSG_DONTWAIT);

        if (len < 0)
            break;
        msgs[done].msg_len = (unsigned)len;
    }
    return done > 0 ? done : -1;
}

static int send_singly(int fd, struct arc_udpsys_msg *msgs, int n)
{
    int done = 0;

    for (; done < n; done++) {
        ssize_t len = sendmsg(fd, &msgs[done].msg_hdr, 0);

        if (len < 0)
            break;
        msgs[done].msg_len = (unsigned)len;
    }
    return done > 0 ? done : -1;
}

bool arc_udpsys_has_batches(void)
{
#ifdef LINUX_UDP
    /* The wrong descriptor is a fault of those who have the call. */
    return (recvmmsg(-1, NULL, 0, MSG_DONTWAIT, NULL) >= 0 || errno != ENOSYS) &&
           (sendmmsg(-1, NULL, 0, 0) >= 0 || errno != ENOSYS);
#else
    return false;
#endif
}

int arc_udpsys_receive(int fd, struct arc_udpsys_msg *msgs, int n, bool batch)
{
#ifdef LINUX_UDP
    int got = batch ? recvmmsg(fd, msgs, (unsigned)n, MSG_DONTWAIT, NULL) : -1;

    if (batch && (got >= 0 || errno != ENOSYS))
        return got;
#endif
    return receive_singly(fd, msgs, n);
}

int arc_udpsys_send(int fd, struct arc_udpsys_msg *msgs, int n, bool batch)
{
#ifdef LINUX_UDP
    int sent = batch ? sendmmsg(fd, msgs, (unsigned)n, 0) : -1;

    if (batch && (sent >= 0 || errno != ENOSYS))
        return sent;
#endif
    return send_singly(fd, msgs, n);
}

/* --- control messages -------------------------------------------------------------------- */

/** An octet or an int: systems and families differ. */
static int32_t read_ecn(const struct cmsghdr *c)
{
    int value = 0;

    if (c->cmsg_len >= CMSG_LEN(sizeof(value)))
        memcpy(&value, CMSG_DATA(c), sizeof(value));
    else
        value = CMSG_DATA(c)[0];
    return value & ECN_MASK;
}

static int64_t read_stamp(const struct cmsghdr *c)
{
#ifdef LINUX_UDP
    struct timespec t;

    memcpy(&t, CMSG_DATA(c), sizeof(t));
    return (int64_t)t.tv_sec * ARC_US_PER_S + t.tv_nsec / 1000;
#else
    struct timeval t;

    memcpy(&t, CMSG_DATA(c), sizeof(t));
    return (int64_t)t.tv_sec * ARC_US_PER_S + t.tv_usec;
#endif
}

static bool is_stamp(const struct cmsghdr *c)
{
#ifdef LINUX_UDP
    return c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS;
#else
    return c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMP;
#endif
}

static bool is_ecn(const struct cmsghdr *c)
{
    if (c->cmsg_level == IPPROTO_IPV6)
        return c->cmsg_type == IPV6_TCLASS;
#ifdef IP_RECVTOS /* the type on the BSDs */
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVTOS)
        return true;
#endif
    return c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS;
}

void arc_udpsys_read_control(const struct msghdr *m,
                             struct arc_udpsys_control *out)
{
    struct msghdr *all = (struct msghdr *)m; /* CMSG_NXTHDR takes no const */

    memset(out, 0, sizeof(*out));
    for (struct cmsghdr *c = CMSG_FIRSTHDR(all); c; c = CMSG_NXTHDR(all, c)) {
        if (is_stamp(c))
            out->wall_us = read_stamp(c);
        else if (is_ecn(c))
            out->ecn = read_ecn(c);
#if defined(LINUX_UDP) && defined(UDP_GRO)
        else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
            memcpy(&out->segment_bytes, CMSG_DATA(c), sizeof(int32_t));
#endif
    }
}

void arc_udpsys_cut(struct msghdr *m, void *control, int32_t segment_bytes)
{
#if defined(LINUX_UDP) && defined(UDP_SEGMENT)
    uint16_t bytes = (uint16_t)segment_bytes;
    struct cmsghdr *c;

    m->msg_control    = control;
    m->msg_controllen = CMSG_SPACE(sizeof(bytes));
    c = CMSG_FIRSTHDR(m);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type  = UDP_SEGMENT;
    c->cmsg_len   = CMSG_LEN(sizeof(bytes));
    memcpy(CMSG_DATA(c), &bytes, sizeof(bytes));
#endif
}

/* --- errors ----------------------------------------------------------------------------- */

#ifdef LINUX_UDP
static void read_fault(const struct cmsghdr *c, struct arc_udpsys_fault *out)
{
    struct sock_extended_err e;

    memcpy(&e, CMSG_DATA(c), sizeof(e));
    out->error = (int)e.ee_errno;
    out->local = e.ee_origin == SO_EE_ORIGIN_LOCAL;
    if (e.ee_errno == EMSGSIZE)
        out->mtu_bytes = (int32_t)e.ee_info; /* RFC 1191 §3, RFC 8201 §4 */
}

bool arc_udpsys_next_fault(int fd, struct arc_udpsys_fault *out)
{
    union { int64_t align; uint8_t bytes[512]; } control;
    struct msghdr m;

    memset(&m, 0, sizeof(m));
    memset(out, 0, sizeof(*out));
    m.msg_control    = &control;
    m.msg_controllen = sizeof(control);
    if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
            read_fault(c, out);
    return true;
}
#else
bool arc_udpsys_next_fault(int fd, struct arc_udpsys_fault *out)
{
    return false;
}
#endif
