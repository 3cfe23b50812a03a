/**
 * @file io/udp.h  UDP sockets: life, addresses, datagrams in and out
 *
 * RTP and RTCP share one socket (RFC 5761), or RTCP has a second one with a
 * port of its own (RFC 3550 §11), which is what most players and recorders
 * expect.
 *
 * In: struct arc_udp_rx, one a thread, is the memory that datagrams are read
 * into, many with one system call, several in one message where the system
 * merges them (UDP_GRO). Out: datagrams for one destination that have one size
 * leave as one message that the system, or the network card, cuts up
 * (UDP_SEGMENT); others go many with one system call. What a system, or a
 * path, cannot do is found out on the way, remembered for the socket, and done
 * in the next best form: no datagram is lost for it.
 *
 * Every datagram that was to be sent is counted once: sent_pkts, would_block,
 * too_big, no_route, no_remote or other_errors.
 *
 * Owner:   the caller of arc_udp_open() and of arc_udp_rx_new().
 * Threads: one caller at a time.
 * Time:    now_us is a reading of arc_clock_us().
 */
#ifndef ARC_IO_UDP_H
#define ARC_IO_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/datagram.h"
#include "base/pkt.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
struct arc_udp; /* opaque */

/** When a socket is tied to its remote address. A tied one is cheaper to send
 *  by, and hears nobody else: not for peers that send from another port than
 *  they listen at (RFC 4961 asks them not to), or whose address may change. */
enum arc_udp_connect {
    ARC_UDP_CONNECT_NEVER  = 0,
    ARC_UDP_CONNECT_SET    = 1, /* by arc_udp_set_remote()                    */
    ARC_UDP_CONNECT_ALWAYS = 2, /* and when the address is learned            */
};

/** How a socket is made. What may be off costs speed or knowledge only. */
struct arc_udp_config {
    const char *host;      /* name or number; NULL or "": all IPv4 addresses;
                              "::": all, of both families                    */
    int32_t  port;         /* 0..65535; 0: any free one, or one of the range  */
    int32_t  port_min;     /* range to take a free port from, 1..65535; each  */
    int32_t  port_max;     /* is tried once; 0, 0: none                       */
    uint64_t seed;         /* where in the range the search starts            */
    int32_t  rcvbuf_bytes; /* what waits to be read; 0: 4 MiB. Much more costs
                              speed: packets leave the cache while they wait */
    int32_t  sndbuf_bytes; /* 0: 4 MiB                                        */
    int32_t  ecn;          /* enum arc_ecn, of packets; trains have their own */
    int32_t  connect;      /* enum arc_udp_connect                            */
    bool     reuse_port;   /* share the port with other sockets that do so    */
    bool     gro, gso;     /* several datagrams as one message, in and out    */
    bool     batch;        /* several messages with one system call           */
    bool     timestamps;   /* arrival as the kernel saw it                    */
    bool     read_ecn;
    bool     dont_fragment; /* obey the path MTU (RFC 1191, RFC 8201)         */
};

struct arc_udp_stats {
    int64_t received_pkts, sent_pkts;
    int64_t received_trains; /* messages of several datagrams among these     */
    int64_t sent_trains;
    int64_t would_block;  /* not sent: the socket's buffer was full           */
    int64_t too_big;      /* not sent: longer than the path carries           */
    int64_t no_route;     /* not sent: no way to that host from here          */
    int64_t no_remote;    /* not sent: the peer's address is not known yet    */
    int64_t other_errors; /* not sent, or not read, for another reason        */
    int64_t refused;      /* ICMP said that nobody listens                    */
    int64_t unreachable;  /* ICMP said that host or network is not reached    */
    int64_t mtu_changes;  /* ICMP said that the path carries less             */
    int64_t no_packet;    /* read and thrown away: the pool was empty         */
    int64_t truncated;    /* longer than a packet                             */
    int64_t overflowed;   /* messages lost because the receive buffer was full */
    int32_t path_mtu_bytes; /* 0: not known                                   */
    int32_t rcvbuf_bytes, sndbuf_bytes; /* as the system gave them; 0: unknown */
    int32_t gro, gso, timestamps, read_ecn, dont_fragment; /* 1: in use       */
};

/** Why datagrams were lost between us and the system: a part of the above. */
struct arc_udp_drops {
    int64_t would_block, too_big, no_route, no_remote, other_errors;
    int64_t no_packet, truncated, overflowed;
};

/** Defaults: any port of all IPv4 addresses, never connected, all else on. */
void arc_udp_config_init(struct arc_udp_config *c);

/**
 * Open and bind a socket.
 *
 * @param why Reason in words on failure; may be NULL
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_IO (see why)
 */
enum arc_status arc_udp_open_config(const struct arc_udp_config *c,
                                    struct arc_udp **out, char *why,
                                    int32_t why_cap);

/** The same with defaults but for host and port. */
enum arc_status arc_udp_open(const char *host, int32_t port,
                             struct arc_udp **out, char *why, int32_t why_cap);
void            arc_udp_close(struct arc_udp *u);

/** Where datagrams go. Without it they go to where the first authentic one
 *  came from. @return ARC_OK, ARC_ERR_ARG or ARC_ERR_IO (unknown host, no way
 *  to it; see why): it is then as it was, but for being connected */
enum arc_status arc_udp_set_remote(struct arc_udp *u, const char *host,
                                   int32_t port, char *why, int32_t why_cap);

/** Forget where they go, and hear everybody again.
 *  @return ARC_OK or ARC_ERR_IO (the port was lost: close the socket) */
enum arc_status arc_udp_forget_remote(struct arc_udp *u);

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

/** ECN bits of packets from now on. @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_udp_set_ecn(struct arc_udp *u, int32_t ecn);

/** Packets that may leave as one message, 1..64; 16 unless set: what the pacer
 *  lets go at once. @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_udp_set_train(struct arc_udp *u, int32_t max_pkts);

/** Port that it is bound to. */
int32_t arc_udp_port(const struct arc_udp *u);

/** Address as "host:port" or "[host]:port"; local, or remote ("" if none).
 *  @return ARC_OK, ARC_ERR_ARG (cap < 1) or ARC_ERR_IO */
enum arc_status arc_udp_address(const struct arc_udp *u, bool remote,
                                char *out, int32_t cap);

/** Asks the system for some of it: not for each packet. */
void arc_udp_get_stats(const struct arc_udp *u, struct arc_udp_stats *out);

/** Add those of a socket to a sum. One system call. */
void arc_udp_add_drops(const struct arc_udp *u, struct arc_udp_drops *sum);
/* ARC_CDEF_END */

#define ARC_UDP_BATCH 32 /* messages a system call, packets a call of ours */

int arc_udp_fd(const struct arc_udp *u);
int arc_udp_rtcp_fd(const struct arc_udp *u); /* -1: RTCP has none of its own */

/* --- in (io/udp_in.c) ------------------------------------------------------------- */

struct arc_udp_rx; /* opaque: 2 MiB of address space, of which only what
                      datagrams have touched takes memory */

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_udp_rx_new(struct arc_udp_rx **out);
void            arc_udp_rx_free(struct arc_udp_rx *rx);

/**
 * Read datagrams where they lie; they stay until the next call with `rx`. Their
 * time is never later than now_us, and at most a second before it.
 *
 * Of merged ones some may not fit into `out`: the next call goes on with them.
 * Until arc_udp_rx_left() says 0, read no other socket and close none: what is
 * left then is thrown away, and counted in arc_udp_rx_abandoned().
 *
 * @param rtcp From RTCP's own socket, which there must be
 * @param out  `cap` entries, at least 1
 *
 * @return How many; 0: none there now
 */
int32_t arc_udp_rx_read(struct arc_udp_rx *rx, struct arc_udp *u, bool rtcp,
                        int64_t now_us, struct arc_datagram *out, int32_t cap);

/** Datagrams' bytes are read but not given out yet. */
bool    arc_udp_rx_left(const struct arc_udp_rx *rx);

/** There may be more to read: some are left, or the last system call gave as
 *  many messages as it was asked for. */
bool    arc_udp_rx_more(const struct arc_udp_rx *rx);
int64_t arc_udp_rx_abandoned(const struct arc_udp_rx *rx);

/** Latch the remote address to the source of a datagram of the last read, if
 *  none is set. Call it for authentic ones only. */
void arc_udp_learn(struct arc_udp *u, bool rtcp, const struct arc_udp_rx *rx,
                   const struct arc_datagram *d);

/** Read up to ARC_UDP_BATCH datagrams into packets of `pool`, each with one
 *  reference for the caller; as arc_udp_rx_read() otherwise. One that is longer
 *  than a packet comes with len 0. @return how many packets; 0: none there now,
 *  or none in the pool */
int32_t arc_udp_receive(struct arc_udp *u, bool rtcp, struct arc_udp_rx *rx,
                        struct arc_pkt_pool *pool, struct arc_pkt **pkts,
                        int64_t now_us);

/** arc_udp_learn() for packet `i` of the last arc_udp_receive(). */
void arc_udp_learn_pkt(struct arc_udp *u, bool rtcp,
                       const struct arc_udp_rx *rx, int32_t i);

/* --- out (io/udp_out.c) ----------------------------------------------------------- */

/** Send trains, in their order, each with one system call if the system can;
 *  RTCP by its own socket if it has one. */
void arc_udp_send_trains(struct arc_udp *u, const struct arc_train *trains,
                         int32_t n);

/** Send `n` (at most ARC_UDP_BATCH) packets, in their order but for RTCP that
 *  has its own socket; drops their references. The order of `pkts` may be
 *  changed. */
void arc_udp_send(struct arc_udp *u, struct arc_pkt **pkts, int32_t n);

#endif
