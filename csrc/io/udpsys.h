/**
 * @file io/udpsys.h  What systems do differently about UDP sockets
 *
 * Private to io/udp*. The one place with #if for systems: options by our own
 * names, many messages in a call, control messages, the queue of errors. Where
 * the system lacks something, the call says so and the caller takes the next
 * best. ARC_UDP_PORTABLE compiles the form for systems other than Linux on
 * Linux as well, so that it can be tested there.
 *
 * Owner:   nobody: there is no state.
 * Threads: any; one at a time for each socket.
 * Source:  udp(7), ip(7), ipv6(7), socket(7) of Linux; RFC 3542 for IPv6.
 */
#ifndef ARC_IO_UDPSYS_H
#define ARC_IO_UDPSYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __linux__
#define arc_udpsys_msg mmsghdr
#else
struct arc_udpsys_msg {
    struct msghdr msg_hdr;
    unsigned      msg_len;
};
#endif

#define ARC_UDPSYS_CONTROL_BYTES 128 /* of a message read: more than comes */

enum arc_udpsys_option {
    ARC_UDPSYS_GRO,           /* several datagrams arrive as one message      */
    ARC_UDPSYS_SEGMENT,       /* bytes: longer messages are cut up; 0: never  */
    ARC_UDPSYS_STAMPS,        /* tell when each message arrived               */
    ARC_UDPSYS_READ_ECN,      /* tell its ECN bits                            */
    ARC_UDPSYS_ECN,           /* ECN bits of what is sent                     */
    ARC_UDPSYS_DONT_FRAGMENT, /* obey the path MTU instead of fragmenting     */
    ARC_UDPSYS_ERRORS,        /* keep ICMP errors in a queue                  */
    ARC_UDPSYS_REUSE_PORT,
    ARC_UDPSYS_RCVBUF,        /* bytes, past the system's limit if permitted  */
    ARC_UDPSYS_SNDBUF,
};

/** What came along with a message. */
struct arc_udpsys_control {
    int32_t segment_bytes; /* of the datagrams in it; 0: it is one            */
    int32_t ecn;           /* enum arc_ecn                                    */
    int64_t wall_us;       /* when it arrived, wall clock; 0: not told        */
};

/** An entry of the queue of errors. */
struct arc_udpsys_fault {
    int     error;     /* errno                                               */
    bool    local;     /* told by this machine: the call that failed said so  */
    int32_t mtu_bytes; /* with EMSGSIZE: what the path carries; else 0        */
};

/** A socket that never blocks and is closed on exec; -1 and errno. */
int arc_udpsys_socket(int family);

/** @param family AF_INET or AF_INET6; that of the socket
 *  @return 0 or errno; ENOPROTOOPT: this system has no such thing */
int arc_udpsys_set(int fd, int family, enum arc_udpsys_option option, int value);

/** Bytes that the system gave for ARC_UDPSYS_RCVBUF or _SNDBUF; 0: not known. */
int32_t arc_udpsys_buffer(int fd, enum arc_udpsys_option option);

/** Messages that were thrown away because the receive buffer was full; 0 where
 *  the system does not tell. */
int64_t arc_udpsys_overflowed(int fd);

/** MTU of the path of a connected socket; 0: not known. */
int32_t arc_udpsys_path_mtu(int fd, int family);

/** Several messages with one system call are possible. */
bool arc_udpsys_has_batches(void);

/** Read up to `n` messages without waiting. `batch`: in one call, if possible.
 *  @return how many, at least 1; or -1 and errno */
int arc_udpsys_receive(int fd, struct arc_udpsys_msg *msgs, int n, bool batch);

/** Write up to `n` messages; likewise. */
int arc_udpsys_send(int fd, struct arc_udpsys_msg *msgs, int n, bool batch);

/** Read what came along with a message. */
void arc_udpsys_read_control(const struct msghdr *m,
                             struct arc_udpsys_control *out);

/** Have one message cut up into datagrams of `segment_bytes`; `control` has
 *  ARC_UDPSYS_CONTROL_BYTES, aligned as int64_t is. */
void arc_udpsys_cut(struct msghdr *m, void *control, int32_t segment_bytes);

/** Take one entry from the queue of errors. @return false: it is empty */
bool arc_udpsys_next_fault(int fd, struct arc_udpsys_fault *out);

#endif
