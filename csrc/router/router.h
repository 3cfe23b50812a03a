/**
 * @file router/router.h  One publisher to many subscribers
 *
 *   leg     a remote peer: its keys, its RTCP, its queue of what is to leave
 *   track   what a leg publishes: one stream, or one of several qualities
 *           (simulcast), each a source with an SSRC of its own
 *   route   a track on its way to another leg: SSRC, numbers, time stamps,
 *           payload types and header extensions of its own
 *
 * A packet is decrypted out of the memory it was received into, which is its
 * one copy; from there on all routes and the history share it by reference.
 * arc_router_transmit() encrypts it straight into what a subscriber is sent, as
 * trains of equal datagrams. RTCP ends at each leg (RFC 7667 §3.7, Selective
 * Forwarding Middlebox): what subscribers ask for is answered out of the
 * history or, once for all of them, asked of the publisher.
 *
 * Owner:   arc_router_new() and the _add_ calls allocate; nothing on the data
 *          path does.
 * Threads: one caller at a time.
 * Time:    `now_us` is monotonic and comes from the caller.
 * Ids:     legs, tracks and routes are named by numbers that are not given to
 *          another one soon after (base/handles.h); a wrong one is ARC_ERR_ARG.
 */
#ifndef ARC_ROUTER_ROUTER_H
#define ARC_ROUTER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/datagram.h"
#include "base/pkt.h"
#include "base/status.h"
#include "base/streamrow.h"
#include "srtp/batch.h"
#include "srtp/keys.h"
#include "srtp/srtp.h"

/* ARC_CDEF_BEGIN */
#define ARC_ROUTER_BATCH_PKTS   64   /* datagrams taken at once                 */
#define ARC_ROUTER_TRAIN_PKTS   64   /* datagrams of a train                   */
#define ARC_ROUTER_MAX_SOURCES  8    /* qualities of one track                  */
#define ARC_ROUTER_CNAME_BYTES  64
#define ARC_ROUTER_RID_BYTES    17   /* RFC 8852: 16, and the zero at its end   */
#define ARC_ROUTER_EXT_IDS      16   /* header extension ids 1..15 are mapped   */

struct arc_router; /* opaque */

struct arc_router_config {
    char     cname[ARC_ROUTER_CNAME_BYTES]; /* of the router; not empty         */
    uint64_t seed;        /* of everything random but keys                      */
    uint64_t ntp_at_zero; /* NTP time, 32.32, when now_us was 0                 */
    int32_t  pool_pkts;   /* packets received and kept; 256..1048576            */
};

struct arc_leg_config {
    bool     srtp;                       /* false: plain RTP and RTCP           */
    struct arc_srtp_config srtp_send;    /* keys of what leaves                 */
    struct arc_srtp_config srtp_receive; /* keys of what arrives                */
    int32_t  mtu_bytes;                  /* largest datagram; 300..1500         */
    int32_t  queue_pkts;   /* packets waiting to leave; 16..65536               */
    int32_t  train_pkts;   /* datagrams of a train; 1..64                       */
    int64_t  hold_us;      /* packets may wait so long for others to make a
                              train; 0..5000                                    */
    int64_t  pace_bps;     /* what may leave, averaged over 5 ms; 0: not paced  */
    int64_t  rtcp_bps;     /* session bandwidth, of which RTCP gets 5 %         */
    int32_t  twcc_id;      /* header extension for transport-wide numbers; 0    */
    int32_t  send_time_id; /* that for abs-send-time; 0: none                   */
    int32_t  ecn;          /* enum arc_ecn: of its media; RTCP is Not-ECT       */
};

enum arc_track_kind { ARC_TRACK_AUDIO = 0, ARC_TRACK_VIDEO = 1 };

/** Of what the router must know something; any other codec is one layer. */
enum arc_track_codec {
    ARC_TRACK_OTHER = 0,
    ARC_TRACK_H264  = 1,
    ARC_TRACK_VP8   = 2,
    ARC_TRACK_VP9   = 3,
    ARC_TRACK_AV1   = 4,
};

struct arc_track_config {
    int32_t  kind;               /* enum arc_track_kind                         */
    int32_t  codec;              /* enum arc_track_codec                        */
    int32_t  clock_hz;           /* 1000..1000000                               */
    int32_t  payload_type;       /* 0..127                                      */
    int32_t  rtx_payload_type;   /* -1: the publisher resends nothing           */
    int32_t  n_sources;          /* 1..ARC_ROUTER_MAX_SOURCES, lowest first     */
    uint32_t ssrc[ARC_ROUTER_MAX_SOURCES];     /* 0: learned by rid             */
    uint32_t rtx_ssrc[ARC_ROUTER_MAX_SOURCES]; /* 0: none, or learned by rid    */
    char     rid[ARC_ROUTER_MAX_SOURCES][ARC_ROUTER_RID_BYTES];
    int32_t  rid_id;             /* header extension id of the RID; 0: none     */
    int32_t  repaired_rid_id;    /* that of a resent packet's; 0: none          */
    int32_t  level_id;           /* that of the audio level (RFC 6464); 0: none */
    int32_t  depdesc_id;         /* that of the dependency descriptor; 0: none  */
    int32_t  history_pkts;       /* kept for subscribers; power of two, 0: none */
    int64_t  history_us;         /* for so long; 1..60 s                        */
    bool     nack;               /* ask the publisher for what is lost          */
    int32_t  group;              /* of which the loudest are heard; -1: none    */
};

struct arc_route_config {
    uint32_t ssrc;             /* 0: a random one                               */
    uint32_t rtx_ssrc;         /* 0: a random one                               */
    int32_t  payload_type;     /* -1: the track's                               */
    int32_t  rtx_payload_type; /* -1: nothing is resent                         */
    uint8_t  ext_out[ARC_ROUTER_EXT_IDS]; /* header extension id that the
                                  publisher's has at this subscriber; 0: left
                                  out                                           */
    int32_t  mid_id;           /* header extension of the MID; 0: none          */
    char     mid[ARC_ROUTER_RID_BYTES];
    bool     paused;
    int32_t  source;           /* quality wanted: 0..n_sources-1                */
    int32_t  spatial;          /* highest layers wanted; -1: all                */
    int32_t  temporal;
};

/** One of many routes that are made at once. */
struct arc_route_request {
    int32_t track, leg;
    int32_t route;                 /* out: its id                               */
    struct arc_route_config config; /* as arc_router_add_route() takes it       */
};

/** Figures of a leg. */
struct arc_leg_row {
    int32_t id;
    int32_t sources, routes;
    int32_t queued_pkts;
    int32_t silent;                /* nothing authentic for five seconds        */
    int64_t received_pkts, received_bytes;
    int64_t sent_pkts, sent_bytes; /* datagrams                                 */
    int64_t rtcp_received, rtcp_sent;
    int64_t nack_received, nack_sent, pli_received, pli_sent;
    int64_t queue_full;            /* packets lost, by reason                   */
    int64_t seal_failed, too_long;
    double  round_trip_ms;         /* -1: not known                             */
};

/** Why the router lost or left out something: one counter each. */
struct arc_router_drops {
    int64_t not_rtp;         /* STUN, DTLS and noise                            */
    int64_t malformed;
    int64_t auth;            /* tag did not match                               */
    int64_t replay;          /* accepted before, or behind the window           */
    int64_t srtp_other;      /* key limit, stream table full                    */
    int64_t unknown_source;  /* no track has the SSRC                           */
    int64_t payload_type;    /* not one of the track's                          */
    int64_t repair;          /* came twice, by itself or resent; or resent too
                                late to know                                    */
    int64_t no_packet;       /* the packet pool was empty                       */
    int64_t no_leg;          /* for a leg that is gone                          */
};

/** Why a media packet that was accepted did not leave for a subscriber. */
struct arc_router_unsent {
    int64_t paused;          /* the route is                                    */
    int64_t layer;           /* of a layer that the subscriber does not get     */
    int64_t unheard;         /* not among the loudest, or without media         */
    int64_t unplaced;        /* too late to have a number                       */
    int64_t queue_full;      /* the leg's queue had no room                     */
    int64_t too_long;        /* longer than the leg's mtu_bytes                 */
    int64_t seal_failed;     /* the leg's key is used up                        */
    int64_t gone;            /* the route or its leg ended before it left       */
};

/* Of media packets on their way to subscribers, offered_pkts is the sum of
 * forwarded_pkts, queued_pkts and each member of `unsent`. */
struct arc_router_stats {
    int64_t received_pkts, received_bytes; /* datagrams, before any check       */
    int64_t received_rtp;    /* of these, packets of a track                    */
    int64_t received_rtcp;
    int64_t probes;          /* padding that brings no media                    */
    int64_t unreadable;      /* RTP without the descriptor that its codec has, and
                                parts of RTCP; all of them counted above        */
    int64_t sent_pkts, sent_bytes;         /* datagrams                         */
    int64_t sent_rtcp;
    int64_t trains;
    int64_t key_requests;    /* PLI and FIR of subscribers                      */
    int64_t key_requests_sent;
    int64_t history_skipped; /* not kept: seven eighths of the pool are out     */
    int64_t events_lost;
    int32_t legs, tracks, routes;
    int32_t pool_used_pkts;
    int64_t offered_pkts;    /* media packets times routes                      */
    int64_t forwarded_pkts;
    int64_t queued_pkts;     /* wait in the legs' queues                        */
    int64_t resent_pkts;     /* beside those: answers to NACKs                  */
    struct arc_router_unsent unsent;
    struct arc_router_drops drops;
};

enum arc_router_event_type {
    ARC_ROUTER_SOURCE_ADDED = 1, /* value: SSRC; the first packet came          */
    ARC_ROUTER_SOURCE_ENDED,     /* value: SSRC of a BYE                        */
    ARC_ROUTER_LEG_SILENT,       /* value: microseconds without a datagram      */
    ARC_ROUTER_LEG_BACK,         /* it is heard again                           */
    ARC_ROUTER_KEY_NEAR_LIMIT,   /* value: packets left                         */
    ARC_ROUTER_KEY_USED_UP,
    ARC_ROUTER_KEY_RETIRED,
    ARC_ROUTER_LAYER_CHANGED,    /* id: route; value: source                    */
    ARC_ROUTER_EVENTS_LOST,      /* id: -1; value: events that nobody fetched in time
                                    since the last one of these                 */
    ARC_ROUTER_SPEAKER,          /* id: the track that speaks most now; value: its
                                    group                                       */
};

struct arc_router_event {
    int32_t type;   /* enum arc_router_event_type                               */
    int32_t id;     /* of the leg, track or route it is about                   */
    int64_t now_us;
    int64_t value;
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_router_new(const struct arc_router_config *cfg,
                               int64_t now_us, struct arc_router **out);
void            arc_router_free(struct arc_router *r);

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_LIMIT, ARC_ERR_NOMEM, or what
 *          arc_srtp_new() says */
enum arc_status arc_router_add_leg(struct arc_router *r,
                                   const struct arc_leg_config *cfg,
                                   int64_t now_us, int32_t *leg);

/** Its tracks and routes end as well. A BYE for it is what transmit() hands out
 *  before, if arc_router_bye() was called. */
enum arc_status arc_router_remove_leg(struct arc_router *r, int32_t leg);

/** Let a leg know that it is over: the next train is its BYE. */
enum arc_status arc_router_bye(struct arc_router *r, int32_t leg,
                               int64_t now_us);

/** @return ARC_OK, ARC_ERR_ARG (also: an SSRC in use on that leg),
 *          ARC_ERR_LIMIT or ARC_ERR_NOMEM */
enum arc_status arc_router_add_track(struct arc_router *r, int32_t leg,
                                     const struct arc_track_config *cfg,
                                     int64_t now_us, int32_t *track);
enum arc_status arc_router_remove_track(struct arc_router *r, int32_t track);

/**
 * Forward a track to a leg.
 *
 * @param cfg In: what is wanted; out: with the SSRCs that were drawn
 *
 * @return ARC_OK, ARC_ERR_ARG (also: an SSRC in use on that leg, and the leg
 *         that publishes the track), ARC_ERR_LIMIT or ARC_ERR_NOMEM
 */
enum arc_status arc_router_add_route(struct arc_router *r, int32_t track,
                                     int32_t leg, struct arc_route_config *cfg,
                                     int64_t now_us, int32_t *route);

/** Make all of these routes, or none of them. @return as arc_router_add_route() */
enum arc_status arc_router_add_routes(struct arc_router *r,
                                      struct arc_route_request *requests,
                                      int32_t n, int64_t now_us);
enum arc_status arc_router_remove_route(struct arc_router *r, int32_t route);

/** End these routes; those that are gone already are passed over. */
enum arc_status arc_router_remove_routes(struct arc_router *r,
                                         const int32_t *routes, int32_t n);

/** Send nothing for now, or go on; video goes on with a key frame. */
enum arc_status arc_router_pause(struct arc_router *r, int32_t route,
                                 bool paused, int64_t now_us);

/** Which quality and layers shall be forwarded, as in arc_route_config. */
enum arc_status arc_router_set_layers(struct arc_router *r, int32_t route,
                                      int32_t source, int32_t spatial,
                                      int32_t temporal, int64_t now_us);

/** Change the pace of a leg; 0: not paced. */
enum arc_status arc_router_set_pace(struct arc_router *r, int32_t leg,
                                    int64_t pace_bps);

/** How many of a group of audio tracks are heard; 1..32. Only while none
 *  of them is there; else it is ARC_ERR_ARG. */
enum arc_status arc_router_set_group(struct arc_router *r, int32_t group,
                                     int32_t heard);

/** Change the keys of a leg; NULL leaves that way as it is. As
 *  arc_session_rekey(). */
enum arc_status arc_router_rekey(struct arc_router *r, int32_t leg,
                                 const struct arc_srtp_key_config *send,
                                 const struct arc_srtp_key_config *receive,
                                 int64_t overlap_us, int64_t now_us);

/**
 * Take datagrams that came from the peer of a leg. Whatever is wrong with one is
 * counted, never an error.
 *
 * @param n    0..ARC_ROUTER_BATCH_PKTS
 * @param work Lent for this call; NULL: none
 * @param good n; out: which were authentic. NULL: nobody asks
 */
void arc_router_receive(struct arc_router *r, int32_t leg,
                        const struct arc_datagram *datagrams, size_t n,
                        struct arc_srtp_batch *work, bool *good,
                        int64_t now_us);

/**
 * Hand out the next train that is due now. Timers run in here as well.
 *
 * @param room Memory for the train, `cap` bytes; 1500 at least
 *
 * @return ARC_OK; ARC_AGAIN: nothing until arc_router_next_us(); ARC_ERR_SPACE
 */
enum arc_status arc_router_transmit(struct arc_router *r, int64_t now_us,
                                    struct arc_srtp_batch *work, uint8_t *room,
                                    size_t cap, int32_t *leg,
                                    struct arc_train *out);

/** When arc_router_transmit() is due next; ARC_NEVER_US: not by itself. */
int64_t arc_router_next_us(const struct arc_router *r);

/** The events in their order; when some were lost, how many comes after those that
 *  were kept. @return ARC_OK, ARC_AGAIN (none) or ARC_ERR_ARG */
enum arc_status arc_router_poll_event(struct arc_router *r,
                                      struct arc_router_event *out);
void            arc_router_get_stats(const struct arc_router *r,
                                     struct arc_router_stats *out);

/** Rows of all sources and routes, in no order. @return how many there are; the
 *  first `cap` of them are written */
int32_t arc_router_read_streams(const struct arc_router *r, int32_t owner,
                                struct arc_stream_row *rows, int32_t cap,
                                int64_t now_us);

/** Places that legs ever had; each leg keeps its own for life. */
int32_t arc_router_leg_places(const struct arc_router *r);

/** arc_router_read_streams() of the leg at a place, 0..places-1, if one is there. */
int32_t arc_router_read_leg_streams(const struct arc_router *r, int32_t place,
                                    int32_t owner, struct arc_stream_row *rows,
                                    int32_t cap, int64_t now_us);

/** The same of all legs. */
int32_t arc_router_read_legs(const struct arc_router *r,
                             struct arc_leg_row *rows, int32_t cap);

/** Figures of one leg. @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_router_read_leg(const struct arc_router *r, int32_t leg,
                                    struct arc_leg_row *out);
/* ARC_CDEF_END */

#endif
