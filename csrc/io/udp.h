/**
 * @file io/udp.h  A UDP socket, many datagrams a system call
 *
 * RTP and RTCP share it (RFC 5761), or RTCP has a second one with a port of
 * its own (RFC 3550 §11), which is what most players and recorders expect.
 *
 * Owner:   the caller of arc_udp_open().
 * Threads: one caller at a time.
 */
#ifndef ARC_IO_UDP_H
#define ARC_IO_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pkt.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
struct arc_udp; /* opaque */

struct arc_udp_stats {
    int64_t received_pkts, sent_pkts;
    int64_t would_block;  /* not sent: the socket's buffer was full            */
    int64_t refused;      /* ICMP said that nobody listens                     */
    int64_t other_errors;
    int64_t no_remote;    /* not sent: the peer's address is not known yet     */
    int64_t no_packet;    /* read and thrown away: the pool was empty          */
    int64_t truncated;    /* longer than a packet                              */
};

/**
 * Open and bind a socket.
 *
 * @param host Name or number, IPv4 or IPv6; "" or NULL: all IPv4 addresses
 * @param port 0..65535; 0: any free one
 * @param why  Reason in words on failure; may be NULL
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_IO (see why)
 */
enum arc_status arc_udp_open(const char *host, int32_t port,
                             struct arc_udp **out, char *why, int32_t why_cap);
void            arc_udp_close(struct arc_udp *u);

/** Where datagrams go. Without it they go to where the first authentic one
 *  came from. @return ARC_OK or ARC_ERR_IO (unknown host; see why) */
enum arc_status arc_udp_set_remote(struct arc_udp *u, const char *host,
                                   int32_t port, char *why, int32_t why_cap);

/**
 * Give RTCP a socket of its own, on the same local host.
 *
 * @param local_port  0..65535; 0: any free one
 * @param remote_port Where RTCP goes to, on the host that RTP goes to, which is
 *                    known by then; 0: where the first authentic RTCP came from
 * @param why         Reason in words on failure; may be NULL
 *
 * @return ARC_OK, ARC_ERR_ARG (also: done before) or ARC_ERR_IO (see why)
 */
enum arc_status arc_udp_split_rtcp(struct arc_udp *u, int32_t local_port,
                                   int32_t remote_port, char *why,
                                   int32_t why_cap);

/** Port that it is bound to. */
int32_t arc_udp_port(const struct arc_udp *u);

/** Address as "host:port" or "[host]:port"; local, or remote ("" if none). */
enum arc_status arc_udp_address(const struct arc_udp *u, bool remote,
                                char *out, int32_t cap);
void arc_udp_get_stats(const struct arc_udp *u, struct arc_udp_stats *out);
/* ARC_CDEF_END */

#define ARC_UDP_BATCH 32 /* datagrams a system call */

int arc_udp_fd(const struct arc_udp *u);
int arc_udp_rtcp_fd(const struct arc_udp *u); /* -1: RTCP has none of its own */

/** Read up to ARC_UDP_BATCH datagrams into packets of `pool`; each with one
 *  reference for the caller. `rtcp`: from RTCP's own socket, which there must
 *  be. @return how many; 0: none there now */
int32_t arc_udp_receive(struct arc_udp *u, bool rtcp,
                        struct arc_pkt_pool *pool, struct arc_pkt **pkts,
                        int64_t now_us);

/** Latch the remote address of the socket that the last batch was read from to
 *  the source of its packet `i`, if none is set. Call it for authentic packets
 *  only. */
void arc_udp_learn(struct arc_udp *u, bool rtcp, int32_t i);

/** Send `n` (at most ARC_UDP_BATCH) packets, RTCP by its own socket if it has
 *  one; drops their references. The order of `pkts` may be changed. */
void arc_udp_send(struct arc_udp *u, struct arc_pkt **pkts, int32_t n);

#endif
