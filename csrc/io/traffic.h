/**
 * @file io/traffic.h  The other side of benchmarks and soaks: sources and sinks
 *
 * A traffic thread drives any number of sources and sinks by turns, so that one
 * core can be both ends of what is measured on another. Packets say who they are
 * (traffic_packet.h), so that a sink can tell whether what it got is what was
 * sent, in order, and how long it took.
 *
 * Source:  one socket a leg, connected; n streams a leg, one train of one stream
 *          after the other. Closed loop (arc_traffic_source_follow()), paced, or
 *          both. Hostile packets come out of the same sockets between the others.
 * Sink:    k sockets. Every packet is counted and its number compared with that
 *          of the one before; of every so many, one is decrypted and compared
 *          with what the source sent.
 *
 * Owner:   sources and sinks belong to their thread: arc_traffic_free() frees all.
 *          What is added allocates; sending and receiving do not.
 * Threads: every function may be called from any thread; they take the turn lock
 *          (io/thread.h) for as long as they look or change.
 * Time:    nanoseconds of the monotonic clock; source and sink must be on one
 *          machine.
 * Bounds:  as configured; parts: ARC_TRAFFIC_MAX_PARTS.
 */
#ifndef ARC_IO_TRAFFIC_H
#define ARC_IO_TRAFFIC_H

#include "base/histogram.h"
#include "base/status.h"
#include "srtp/keys.h"

/* ARC_CDEF_BEGIN */
#define ARC_TRAFFIC_MAX_PARTS     1024 /* sources, and as many sinks           */
#define ARC_TRAFFIC_MAX_STREAMS   4096 /* of a source, routes of a sink        */
#define ARC_TRAFFIC_MAX_SOCKETS   64   /* of a sink                            */
#define ARC_TRAFFIC_MIN_PAYLOAD   32   /* what a packet says of itself         */
#define ARC_TRAFFIC_MAX_PAYLOAD   1400
#define ARC_TRAFFIC_MAX_BURST     48   /* packets of one train                 */

struct arc_traffic;        /* opaque: a thread */
struct arc_traffic_source; /* opaque */
struct arc_traffic_sink;   /* opaque */

struct arc_traffic_config {
    int32_t core;     /* CPU for the thread, one of this process's; -1: any  */
    int32_t sleep_us; /* after a turn without work; 0: poll on, for figures  */
};

/* What a source may send besides its media, from the same sockets. */
#define ARC_TRAFFIC_FORGED   1 /* a stream's header, the rest random           */
#define ARC_TRAFFIC_RANDOM   2 /* random bytes of random length                */
#define ARC_TRAFFIC_REPLAYED 4 /* the first packet of the last train once more */

struct arc_traffic_source_config {
    uint64_t seed;            /* of payloads and of hostile packets            */
    int32_t  payload_bytes;   /* ARC_TRAFFIC_MIN_PAYLOAD..MAX_PAYLOAD          */
    int32_t  burst_pkts;      /* packets of one train, 1..ARC_TRAFFIC_MAX_BURST */
    int32_t  gso;             /* 0: each packet by a send of its own           */
    int32_t  payload_type;    /* 0..127                                        */
    int32_t  ticks_per_burst; /* RTP time between two trains of a stream       */
    int32_t  level_ext_id;    /* RFC 6464 element with this id 1..14; 0: none  */
    int64_t  rate_pps;        /* media packets/s of all streams; 0: not paced  */
    int32_t  hostile;         /* ARC_TRAFFIC_FORGED and others, or-ed          */
    int64_t  hostile_pps;     /* packets/s; 0: none                            */
    int32_t  max_streams;     /* 1..ARC_TRAFFIC_MAX_STREAMS; also the legs     */
};

struct arc_traffic_source_leg {
    const char *host;         /* where to, IPv4 address in numbers             */
    int32_t     port;
    uint32_t    first_ssrc;   /* stream i of the leg has first_ssrc + i        */
    int32_t     streams;      /* 1 or more                                     */
    const struct arc_srtp_config *srtp; /* NULL: plain RTP; its max_streams
                                           must hold `streams`                 */
};

struct arc_traffic_source_stats {
    int64_t sent_pkts, sent_bytes; /* media                                    */
    int64_t failed_pkts;  /* the socket refused                                */
    int64_t hostile_pkts;
    int64_t feedback_pkts;    /* what came back to its legs, thrown away        */
    int64_t written_off_pkts; /* closed loop: did not come back in time        */
    int64_t late_pkts;    /* paced: given up, the thread was behind by more
                             than ARC_TRAFFIC_BEHIND_US                        */
};

#define ARC_TRAFFIC_BEHIND_US 100000

struct arc_traffic_sink_config {
    uint64_t seed;          /* that of the sources                             */
    int32_t  sockets;       /* 1..ARC_TRAFFIC_MAX_SOCKETS                      */
    int32_t  gro;           /* 0: the kernel hands over each packet alone      */
    int32_t  sample_every;  /* one of so many packets is decrypted; 0: none    */
    int32_t  buffer_bytes;  /* of each socket                                  */
    int32_t  max_legs;      /* 1..ARC_TRAFFIC_MAX_STREAMS                      */
    int32_t  max_routes;    /* SSRCs, 1..ARC_TRAFFIC_MAX_STREAMS               */
};

struct arc_traffic_sink_stats {
    int64_t received_pkts, received_bytes; /* RTP of known SSRCs               */
    int64_t trains;         /* messages; with GRO fewer than packets           */
    int64_t rtcp_pkts;
    int64_t unknown_pkts;   /* no route has the SSRC, or it is no RTP          */
    int64_t missing_pkts;   /* numbers left out                                */
    int64_t misplaced_pkts; /* a number that was passed already                */
    int64_t samples;        /* packets looked into                             */
    int64_t forged;         /* of these: the tag did not match                 */
    int64_t wrong;          /* of these: not what was sent                     */
    int64_t number_shifts;  /* of these: not the distance to the source's      */
    int64_t ts_shifts;      /*   number or time stamp that the route had before */
    int64_t source_changes; /* of these: from another source than before       */
    int64_t kernel_drops;   /* not received: a socket was full                 */
};

struct arc_traffic_leg_stats {
    int64_t received_pkts, received_bytes, missing_pkts, samples;
};

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_IO */
enum arc_status arc_traffic_new(const struct arc_traffic_config *cfg,
                                struct arc_traffic             **out);

/** Ends the thread and frees its sources and sinks; NULL is allowed. */
void            arc_traffic_free(struct arc_traffic *t);

/** CPU time of the thread, nanoseconds. */
int64_t         arc_traffic_cpu_ns(const struct arc_traffic *t);

/** A source that is silent until arc_traffic_source_run().
 *  @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_LIMIT */
enum arc_status
arc_traffic_add_source(struct arc_traffic                     *t,
                       const struct arc_traffic_source_config *cfg,
                       struct arc_traffic_source             **out);

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, ARC_ERR_LIMIT or ARC_ERR_IO */
enum arc_status
arc_traffic_add_sink(struct arc_traffic                   *t,
                     const struct arc_traffic_sink_config *cfg,
                     struct arc_traffic_sink             **out);

void arc_traffic_remove_source(struct arc_traffic *t,
                               struct arc_traffic_source *s);
void arc_traffic_remove_sink(struct arc_traffic *t, struct arc_traffic_sink *s);

/**
 * @return Number of the leg, from 0 in the order of adding; or ARC_ERR_ARG,
 *         ARC_ERR_LIMIT, ARC_ERR_IO, and what arc_srtp_new() returns
 */
int32_t arc_traffic_source_add_leg(struct arc_traffic_source           *s,
                                   const struct arc_traffic_source_leg *leg);

/** Local port of a leg; -1: there is no such leg. */
int32_t arc_traffic_source_port(struct arc_traffic_source *s, int32_t leg);

/**
 * Closed loop: have at most `window_pkts` packets under way, as a counter that
 * somebody else publishes tells. Without progress for 20 ms they are given up.
 * Two may be followed at the same time; without any, and without a rate, nothing
 * is sent.
 *
 * @param counter    Read atomically until the source is removed
 * @param per_packet By how much it grows for each packet sent, 1 or more
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_LIMIT
 */
enum arc_status arc_traffic_source_follow(struct arc_traffic_source *s,
                                          const int64_t *counter,
                                          int32_t per_packet,
                                          int32_t window_pkts);

/** Begin, or stop (0). */
void arc_traffic_source_run(struct arc_traffic_source *s, int32_t on);

/** Send a leg's packets under another key from now on.
 *  @return ARC_OK, ARC_ERR_ARG (no such leg, or plain) and as arc_srtp_rekey() */
enum arc_status
arc_traffic_source_rekey(struct arc_traffic_source *s, int32_t leg,
                         const struct arc_srtp_key_config *key);

void arc_traffic_source_get_stats(struct arc_traffic_source       *s,
                                  struct arc_traffic_source_stats *out);

/** @param srtp NULL: plain RTP @return Number of the leg, or as for a source */
int32_t arc_traffic_sink_add_leg(struct arc_traffic_sink      *s,
                                 const struct arc_srtp_config *srtp);

/** Expect an SSRC from a leg. @return ARC_OK, ARC_ERR_ARG (no such leg, or the
 *  SSRC is taken) or ARC_ERR_LIMIT */
enum arc_status arc_traffic_sink_add_route(struct arc_traffic_sink *s,
                                           int32_t leg, uint32_t ssrc);

/** Accept another key beside the one in use, which ends with `overlap_us`.
 *  @return as arc_traffic_source_rekey() */
enum arc_status
arc_traffic_sink_rekey(struct arc_traffic_sink *s, int32_t leg,
                       const struct arc_srtp_key_config *key,
                       int64_t overlap_us);

/** Local port of socket i; -1: there is none. */
int32_t        arc_traffic_sink_port(struct arc_traffic_sink *s, int32_t i);

/** Receive buffer of each socket as granted, bytes by the kernel's count: without
 *  privileges that may be far less than was asked for. */
int32_t        arc_traffic_sink_buffer_bytes(struct arc_traffic_sink *s);

/** Packets received so far, for arc_traffic_source_follow(). */
const int64_t *arc_traffic_sink_counter(const struct arc_traffic_sink *s);

void arc_traffic_sink_get_stats(struct arc_traffic_sink       *s,
                                struct arc_traffic_sink_stats *out);

/** @return ARC_OK or ARC_ERR_ARG: no such leg */
enum arc_status arc_traffic_sink_get_leg(struct arc_traffic_sink      *s,
                                         int32_t                       leg,
                                         struct arc_traffic_leg_stats *out);

/** How long the samples were on their way, nanoseconds; starts a new count. */
void arc_traffic_sink_take_latency(struct arc_traffic_sink *s,
                                   struct arc_histogram    *out);
/* ARC_CDEF_END */

#endif
