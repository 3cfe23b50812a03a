/**
 * @file router/parts.h  What the files of router/ share: legs, tracks, routes
 *
 * Private to router/.
 *
 * Owner:   the _add_ calls of router.h make these, the _remove_ calls end them.
 * Threads: the router's one caller.
 */
#ifndef ARC_ROUTER_PARTS_H
#define ARC_ROUTER_PARTS_H

#include "base/bytes.h"
#include "base/handles.h"
#include "base/keymap.h"
#include "base/ring.h"
#include "base/rng.h"
#include "base/seq.h"
#include "router/keyreq.h"
#include "router/layers.h"
#include "router/loudest.h"
#include "router/rewrite.h"
#include "router/router.h"
#include "rx/nackgen.h"
#include "rx/rtt.h"
#include "rx/rxstats.h"
#include "tx/history.h"
#include "tx/rtcptime.h"
#include "wire/rtp.h"

enum {
    ARC_LEG_RTCP_PKTS      = 8,   /* RTCP packets that wait                   */
    ARC_LEG_RTCP_BYTES     = 1200,
    ARC_LEG_CNAME_BYTES    = 24,  /* RFC 7022: 96 random bits in base 64      */
    ARC_ROUTE_RESENDS      = 64,  /* packets whose last resend is remembered  */
    ARC_ROUTE_CREDIT       = 256, /* resends that may be saved up             */
    ARC_ROUTE_EDITS        = 512, /* packets whose edit is remembered         */
    ARC_GROUP_PLACES       = 3,   /* heard, unless arc_router_set_group()     */
    ARC_ROUTER_EVENT_RING  = 1024,
    ARC_ITEM_OSN_BYTES     = 2,   /* RFC 4588 §4                              */
    ARC_ITEM_EXT_BYTES     = 260, /* most of a header extension               */
};

enum arc_item_kind { ARC_ITEM_MEDIA = 0, ARC_ITEM_RESENT };

/** A packet of a route on its way out of a leg; holds a reference. */
struct arc_item {
    struct arc_pkt   *pkt;
    struct arc_route *route;
    int64_t           queued_us;
    uint32_t          ts_offset; /* to its time stamp at the subscriber       */
    uint16_t          seq16;   /* its number there                            */
    uint8_t           kind;    /* enum arc_item_kind                          */
    bool              marker;  /* to be set: it begins a talk spurt here, or
                                  ends a picture                              */
    bool              edited;  /* by `edit`                                   */
    struct arc_layeredit edit;
};

struct arc_leg_counts {
    int64_t received_pkts, received_bytes; /* datagrams                        */
    int64_t sent_pkts, sent_bytes;         /* datagrams                        */
    int64_t rtcp_received, rtcp_sent;
    int64_t queue_full;      /* packets lost: the queue was full              */
    int64_t seal_failed;     /* key used up, or too many streams              */
    int64_t too_long;        /* longer than mtu_bytes on their way out        */
    int64_t nack_received, nack_sent, pli_received, pli_sent;
};

struct arc_leg {
    /* hot: what each packet that leaves touches */
    struct arc_router *router;
    struct arc_srtp   *srtp_out;      /* NULL: plain                          */
    struct arc_item   *items;         /* ring; NULL before the first route    */
    int32_t            n_items, first_item;
    int32_t            queue_pkts;
    int32_t            overhead_bytes;
    int32_t            mtu_bytes, train_pkts;
    bool               dirty;         /* in the router's list                 */
    struct arc_leg    *next_dirty;
    int64_t            hold_us;
    uint16_t           twcc_seq16;
    uint8_t            twcc_id, send_time_id;
    uint8_t            ecn;           /* enum arc_ecn, of media               */
    int64_t            pace_bps, budget_bits, budget_us;
    struct arc_leg_counts counts;

    struct arc_srtp   *srtp_in;
    int32_t            id;
    int64_t            heard_us;      /* last authentic datagram              */
    bool               silent;
    int64_t            keys_us;       /* srtp_in has a key to retire          */

    struct arc_source **sources;      /* what it publishes                    */
    int32_t            n_sources, room_sources;
    int32_t            n_unlearned;   /* SSRCs that their packets will tell   */
    struct arc_route **routes;        /* what it is sent                      */
    int32_t            n_routes, room_routes;

    uint32_t          *spent;         /* SSRCs that its sending key has seen  */
    int32_t            n_spent, room_spent;

    /* RTCP */
    uint32_t           ssrc;          /* ours, of what is not a route's       */
    char               cname[ARC_LEG_CNAME_BYTES]; /* of what it publishes, at
                                         the subscribers                      */
    struct arc_rtcptime rtcp;
    struct arc_rtt     rtt;
    struct arc_rttref  references;
    int64_t            clock_shift;   /* our NTP time minus the publisher's, us */
    bool               clock_known;
    bool               wish_planned;  /* feedback has its turn                */
    int64_t            wish_hold_us;  /* refused: no more before this         */
    int32_t            next_report;   /* route that a report begins with      */
    int32_t            next_block;    /* source that its blocks begin with    */
    struct arc_pkt    *rtcp_out[ARC_LEG_RTCP_PKTS]; /* sealed, waiting        */
    int32_t            n_rtcp_out;
    bool               bye_wanted, bye_sent;
};

/** One stream of a publisher. */
struct arc_source {
    struct arc_track  *track;
    int32_t            index;         /* in the track                         */
    uint32_t           ssrc, rtx_ssrc; /* 0: not learned yet                  */
    struct arc_unwrap  seq;
    struct arc_rxstats stats;
    struct arc_nackgen *nack;         /* NULL: never asks                     */
    struct arc_history *history;      /* NULL: nothing is kept                */
    bool               started, ended;
    int64_t            ect1_pkts, ce_pkts; /* by the ECN bits they came with  */
    int64_t            top_seq;       /* the newest packet: its number,       */
    uint32_t           last_ts;       /* .. time stamp                        */
    int64_t            last_us;       /* .. and arrival                       */
    uint64_t           sr_ntp64;      /* of the last SR; 0: none              */
    uint32_t           sr_ts;
    int64_t            sr_us;
    struct arc_keyreq  key;
    struct arc_layersource layers;    /* of a layered track                   */
    struct arc_depdesc_reader *reader; /* of dependency descriptors; NULL     */
};

struct arc_track {
    struct arc_leg         *leg;
    int32_t                 id;
    struct arc_track_config cfg;
    struct arc_source      *sources;  /* cfg.n_sources                        */
    bool                    layered;  /* its packets are looked into          */
    struct arc_group       *group;    /* NULL: heard always                   */
    int32_t                 member;   /* of the group                         */
    struct arc_route      **routes;
    int32_t                 n_routes, room_routes;
};

struct arc_resend {
    uint16_t seq16;
    bool     used;
    int64_t  at_us;
};

/** How a packet was edited, should it be asked for again. */
struct arc_edited {
    uint16_t seq16;
    bool     used;
    struct arc_layeredit edit;
};

/** Audio tracks of which the loudest are heard (RFC 6464). */
struct arc_group {
    int32_t             number;
    int32_t             n_tracks;
    struct arc_loudest *loudest;
    struct arc_group   *next;    /* of all                                  */
    int32_t             tracks[ARC_LOUDEST_MAX_MEMBERS]; /* ids, by member   */
};

struct arc_route_counts {
    int64_t pkts, bytes;              /* media; bytes: payload                */
    int64_t rtx_pkts, rtx_bytes;
    int64_t nacked_pkts, nack_misses, nack_too_soon, nack_too_many;
    int64_t paused, layer, unheard, unplaced; /* left out, by reason          */
    int64_t queue_full;
    int64_t key_requests;             /* PLI, FIR                             */
};

struct arc_route {
    /* hot */
    struct arc_track  *track;
    struct arc_leg    *leg;
    int32_t            id;
    uint32_t           ssrc;
    uint8_t            payload_type;
    bool               paused;
    bool               plain_ext;     /* no extension goes out                */
    bool               unheard;       /* its last packet was left out: the next
                                         one begins a talk spurt              */
    bool               sent_any;
    uint32_t           last_ts;       /* as sent                              */
    int64_t            last_us;
    double             remote_loss;   /* RRs: of the last interval, 0..1      */
    int64_t            remote_lost;
    double             remote_jitter_ms;
    struct arc_route_counts counts;
    struct arc_rewrite numbers;       /* up to here: what tables.c reads      */
    struct arc_layerselect select;    /* of a layered track                   */

    int32_t            at_track, at_leg; /* places in their lists             */
    struct arc_route_config cfg;
    uint16_t           rtx_seq16;
    uint32_t           queued_ts;     /* of the last packet, as it will be sent */
    int64_t            queued_us;
    bool               queued_any;
    struct arc_resend *resends;       /* ARC_ROUTE_RESENDS; NULL: none are sent */
    int32_t            credit;        /* packets that may be resent: one for each
                                         that is sent                         */
    struct arc_edited *edits;         /* ARC_ROUTE_EDITS; NULL: nothing that is
                                         edited can be resent                 */
    bool               fir_seen;
    uint8_t            last_fir;      /* RFC 5104 §4.3.1: command number      */
};

struct arc_router {
    struct arc_router_config cfg;
    struct arc_rng      rng;
    struct arc_pkt_pool *pool;
    struct arc_pkt      *spare;       /* taken, and not used                  */
    struct arc_handles  legs, tracks, routes;
    struct arc_route    spent;        /* stands for SSRCs sent before         */
    struct arc_keymap  *by_ssrc;      /* leg and SSRC: source                 */
    struct arc_keymap  *by_rtx;       /* leg and SSRC of resent: source       */
    struct arc_keymap  *by_out;       /* leg and SSRC sent: route             */
    struct arc_group   *groups;
    struct arc_leg     *dirty, **dirty_end; /* legs with packets to leave     */
    struct arc_ring    *events;
    int64_t             losses_told;  /* of stats.events_lost                 */
    int64_t             lost_us;      /* when the last one was                */
    int64_t            *due;          /* by place: when a leg's timers are    */
    int32_t             n_due;
    int64_t             next_us;      /* no leg's timers are due before       */
    struct arc_router_stats stats;
};

static inline uint64_t arc_router_key(const struct arc_leg *leg, uint32_t ssrc)
{
    return (uint64_t)(uint32_t)leg->id << 32 | ssrc;
}

/* router.c */
void arc_router_tell(struct arc_router *r, int32_t type, int32_t id,
                     int64_t value, int64_t now_us);

/* choose.c */

/** What a packet is, looked up once for all its routes. */
struct arc_choice {
    struct arc_layerinfo info;  /* of a layered track                         */
    bool                 heard; /* of the loudest                             */
    bool                 media; /* it has something to forward                */
    int64_t              now_us;
};

bool arc_source_look(struct arc_source *source, struct arc_pkt *pkt,
                     const struct arc_rtp *h, int64_t now_us,
                     struct arc_choice *out);
bool arc_route_choose(struct arc_route *route, const struct arc_source *source,
                      const struct arc_choice *choice, int64_t seq,
                      struct arc_item *item);
void arc_route_ask(struct arc_route *route, int64_t now_us);
void arc_source_restarted(struct arc_source *source, const struct arc_rtp *h,
                          int64_t seq, int64_t now_us);
void arc_source_gone(struct arc_source *source, int64_t now_us);

/* depart.c */
bool arc_leg_enqueue(struct arc_leg *leg, const struct arc_item *item);
void arc_leg_forget_route(struct arc_leg *leg, const struct arc_route *route);
void arc_leg_release(struct arc_leg *leg, int64_t now_us);
void arc_leg_empty(struct arc_leg *leg);
void arc_leg_mark(struct arc_leg *leg);
void arc_leg_unmark(struct arc_leg *leg);

/* header.c */
size_t arc_item_head_bytes(const uint8_t *data);
size_t arc_item_write_header(const struct arc_item *item, int64_t now_us,
                             uint8_t *out);
size_t arc_item_make_resent(const struct arc_item *item, uint8_t *out, size_t n);

/* reports_in.c */
bool arc_leg_on_rtcp(struct arc_leg *leg, const uint8_t *data, size_t len,
                     int64_t now_us);

/* reports_out.c */
void     arc_leg_rtcp_init(struct arc_leg *leg, int64_t rtcp_bps,
                           int64_t now_us);
void     arc_leg_turn(struct arc_leg *leg, int64_t now_us);
void     arc_route_want_key(struct arc_route *route, int64_t now_us);
void     arc_leg_soon(struct arc_leg *leg, int64_t at_us);
uint64_t arc_router_ntp(const struct arc_router *r, int64_t now_us);

/* roster.c */
void *arc_router_widened(void *list, int32_t n, int32_t *room);
bool arc_router_id_ok(int32_t id);
enum arc_status arc_router_make_room(struct arc_router *r);

/* tracks.c */
enum arc_status arc_source_claim(struct arc_source *source, uint32_t ssrc,
                                 bool rtx);

/* legkeys.c */
void arc_leg_spend(struct arc_leg *leg, uint32_t ssrc);
void arc_leg_forget_spent(struct arc_leg *leg);
enum arc_status arc_leg_reserve_spent(struct arc_leg *leg);
void arc_leg_keys_turn(struct arc_leg *leg, int64_t now_us);

/* groups.c */
void arc_router_free_group(struct arc_router *r, struct arc_group *group);
enum arc_status arc_track_join_group(struct arc_track *track);
void arc_track_leave_group(struct arc_track *track);

#endif
