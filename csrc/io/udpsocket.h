/**
 * @file io/udpsocket.h  The structs behind struct arc_udp
 *
 * Private to io/udp*.
 *
 * Owner:   struct arc_udp, which owns both sockets.
 * Threads: as io/udp.h.
 */
#ifndef ARC_IO_UDPSOCKET_H
#define ARC_IO_UDPSOCKET_H

#include "io/udp.h"
#include "io/udpaddr.h"
#include "io/udpsys.h"

/** One socket of the system. */
struct arc_udpsocket {
    int     fd;               /* -1: RTCP shares the socket of RTP            */
    struct arc_udpaddr bound; /* as it was asked for, with the port it got    */
    struct arc_udpaddr remote;
    bool    connected;        /* the system knows the remote address          */
    bool    gro, stamps, reads_ecn, whole; /* in use; whole: no fragments      */
    bool    gso;              /* false: cut up here, for good                 */
    int32_t segment_bytes;    /* what the system cuts at now; 0: not at all   */
    int32_t ecn;              /* what it marks packets with now               */
    int32_t path_mtu_bytes;   /* as errors told; 0: they did not              */
};

struct arc_udp {
    struct arc_udp_config cfg; /* host is not kept                            */
    struct arc_udpsocket  rtp, rtcp;
    int32_t               max_train_pkts;
    struct arc_udp_stats  stats;
};

static inline struct arc_udpsocket *arc_udp_socket(struct arc_udp *u, bool rtcp)
{
    return rtcp ? &u->rtcp : &u->rtp;
}

/* --- io/udpbind.c: making sockets ---------------------------------------------------- */

/** Make a socket at the first address of cfg's host that can be bound.
 *  @return ARC_OK or ARC_ERR_IO (see why) */
enum arc_status arc_udpbind_host(const struct arc_udp_config *cfg,
                                 struct arc_udpsocket *out, char *why,
                                 int32_t why_cap);

/** Make one at `local`, whatever host and port cfg names. */
enum arc_status arc_udpbind_address(const struct arc_udp_config *cfg,
                                    const struct arc_udpaddr *local,
                                    struct arc_udpsocket *out, char *why,
                                    int32_t why_cap);

/** Tie the socket to `remote`, which becomes its remote address.
 *  @return false and errno: it is not connected, the remote is as it was */
bool arc_udpbind_connect(struct arc_udpsocket *s,
                         const struct arc_udpaddr *remote);

/** Let go of it again. @return false and errno: the port is lost */
bool arc_udpbind_disconnect(struct arc_udpsocket *s);

/* --- io/udpfault.c: what went wrong -------------------------------------------------- */

/** Read what ICMP and this machine told of a socket, and count it.
 *  @return how many messages, at most 64 */
int32_t arc_udpfault_drain(struct arc_udp *u, struct arc_udpsocket *s);

/** What to do about a message that could not be sent. */
enum arc_udpfault {
    ARC_UDPFAULT_RETRY, /* the error was that of an earlier one               */
    ARC_UDPFAULT_CUT,   /* send its datagrams one by one                      */
    ARC_UDPFAULT_LOST,  /* counted                                            */
};

/**
 * Judge errno of a message of `pkts` datagrams.
 *
 * @param tries How often it was retried before
 */
enum arc_udpfault arc_udpfault_judge(struct arc_udp *u, struct arc_udpsocket *s,
                                     int error, int32_t pkts, int32_t tries);

#endif
