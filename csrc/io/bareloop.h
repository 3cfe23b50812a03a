/**
 * @file io/bareloop.h  A yardstick: the least C that forwards SRTP
 *
 * One thread, one receiving socket: receive (UDP_GRO), open by AES-GCM, and for
 * each subscriber a new header, sealed from the receive memory straight into a
 * train, one send on a connected socket. It has a replay window, because a
 * forwarder must not send twice under one number, and nothing else: no RTCP, no
 * retransmission, no extension, no statistics of streams, no key change. It says
 * what the machine can do at most; the router is measured beside it, in the same
 * run. Not for use.
 *
 * Owner:   arc_bareloop_new() allocates all memory but that of ciphers.
 * Threads: one caller at a time; adding is only possible before
 *          arc_bareloop_start(). The numbers of arc_bareloop_get_stats() and the
 *          gauge are published by the thread and may be read by any other.
 * Bounds:  the streams and subscribers of the configuration.
 */
#ifndef ARC_IO_BARELOOP_H
#define ARC_IO_BARELOOP_H

#include "base/status.h"
#include "srtp/srtp.h"

/* ARC_CDEF_BEGIN */
#define ARC_BARELOOP_MAX_STREAMS     1024
#define ARC_BARELOOP_MAX_SUBSCRIBERS 16384

struct arc_bareloop; /* opaque */

struct arc_bareloop_config {
    int32_t  core;        /* CPU for the thread, of this process's; -1: any  */
    int32_t  streams;     /* 1..ARC_BARELOOP_MAX_STREAMS                     */
    int32_t  subscribers; /* of all streams, 1..ARC_BARELOOP_MAX_SUBSCRIBERS */
    uint32_t first_ssrc;  /* stream i has first_ssrc + i                     */
    int32_t  payload_bytes; /* of every packet; others are dropped           */
};

/** Where the packets of a stream go to, and as what. */
struct arc_bareloop_subscriber {
    int32_t     stream;
    const char *host;  /* IPv4 address in numbers                         */
    int32_t     port;
    uint32_t    ssrc;
    uint32_t    number_offset; /* added to the index of each packet       */
    uint32_t    ts_offset;
};

struct arc_bareloop_stats {
    int64_t received_pkts, forwarded_pkts;
    int64_t refused_pkts;  /* received, of a wrong size or unknown stream     */
    int64_t forged_pkts;   /* the tag did not match                           */
    int64_t replayed_pkts;
    int64_t failed_pkts;   /* not forwarded: the socket or the cipher refused */
    int64_t cpu_ns;        /* CPU time of the thread                          */
    int32_t backend;       /* enum arc_cipher_backend that seals              */
    int32_t gso, gro;      /* 1: the kernel has it                            */
};

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_IO */
enum arc_status arc_bareloop_new(const struct arc_bareloop_config *cfg,
                                 struct arc_bareloop             **out);

/** Ends the thread; NULL is allowed. */
void arc_bareloop_free(struct arc_bareloop *b);

/**
 * Give a stream its key; before arc_bareloop_start().
 *
 * @param srtp Of profile AES-GCM; only keys and backend are looked at
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, ARC_ERR_UNSUPPORTED or
 *         ARC_ERR_LIBRARY
 */
enum arc_status arc_bareloop_set_stream(struct arc_bareloop *b, int32_t stream,
                                        const struct arc_srtp_config *srtp);

/** Subscribers of one stream are added one after the other.
 *  @return as arc_bareloop_set_stream(), ARC_ERR_LIMIT or ARC_ERR_IO */
enum arc_status
arc_bareloop_add_subscriber(struct arc_bareloop                  *b,
                            const struct arc_bareloop_subscriber *to,
                            const struct arc_srtp_config         *srtp);

/** @return ARC_OK, ARC_ERR_ARG (a stream has no key, or it runs) or ARC_ERR_IO */
enum arc_status arc_bareloop_start(struct arc_bareloop *b);

/** Where to send the streams to. */
int32_t arc_bareloop_port(const struct arc_bareloop *b);

/** Packets taken from the socket so far; written by the thread (atomic). */
const int64_t *arc_bareloop_taken(const struct arc_bareloop *b);

void arc_bareloop_get_stats(const struct arc_bareloop *b,
                            struct arc_bareloop_stats *out);
/* ARC_CDEF_END */

#endif
