/**
 * @file io/benchsock.h  Sockets of what measures: the bare loop and the traffic
 *
 * The least around IPv4 datagrams with UDP_GRO and UDP_SEGMENT. The engine's own
 * sockets (io/udp) are what is measured, so they are not used here.
 *
 * Owner:   file descriptors are the caller's to close; arc_benchsock_rx_new()
 *          allocates all memory.
 * Threads: one caller at a time for an object; the rest: any.
 */
#ifndef ARC_IO_BENCHSOCK_H
#define ARC_IO_BENCHSOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/datagram.h"

#define ARC_BENCHSOCK_MESSAGES 64 /* a system call, at most */

struct arc_benchsock_rx; /* opaque: receive memory */

/** A bound IPv4 socket. @param port 0: any free one @return -1: refused */
int arc_benchsock_open(const char *host, int32_t port);

/** Ask for buffers of so many bytes, past the system's limit where allowed. */
void arc_benchsock_set_buffers(int fd, int32_t bytes);

/** Bytes of the receive buffer that was granted, by the kernel's count. */
int32_t arc_benchsock_buffer_bytes(int fd);

/** Datagrams that the kernel dropped for want of room in it; 0: it does not say. */
int64_t arc_benchsock_drops(int fd);

/** @param host IPv4 address in numbers */
bool arc_benchsock_connect(int fd, const char *host, int32_t port);

int32_t arc_benchsock_port(int fd);

/** Let received trains stay together; false: the kernel cannot. */
bool arc_benchsock_set_gro(int fd);

/** Cut what is sent into packets of so many bytes; false: the kernel cannot. */
bool arc_benchsock_set_segment(int fd, int32_t bytes);

/** @param messages 1..ARC_BENCHSOCK_MESSAGES @param bytes Room of each
 *  @return NULL: no memory */
struct arc_benchsock_rx *arc_benchsock_rx_new(int32_t messages, int32_t bytes);
void                     arc_benchsock_rx_free(struct arc_benchsock_rx *rx);

/**
 * One recvmmsg().
 *
 * @param flags  MSG_DONTWAIT, MSG_WAITFORONE
 * @param trains As many as there may be messages; their memory is valid until
 *               the next call. A single packet is a train of one
 *
 * @return trains; 0: nothing there, or the time of SO_RCVTIMEO is over
 */
int32_t arc_benchsock_receive(struct arc_benchsock_rx *rx, int fd, int flags,
                              struct arc_train *trains);

/** Throw away what lies in a socket. @return datagrams */
int32_t arc_benchsock_drain(int fd);

/** Monotonic clock, nanoseconds: latencies need more than arc_clock_us(). */
int64_t arc_benchsock_now_ns(void);

#endif
