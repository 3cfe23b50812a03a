/**
 * @file router/reports_out.c  RTCP: what we tell the peer of a leg, and ask it for
 *
 * The SSRCs of all its routes report together (RFC 8108 §5.3), as many as fit
 * into a datagram; the others have their turn the next time. What is missing of
 * its own sources, and key frames that subscribers want, are asked for as
 * feedback (RFC 4585 §3.5.2).
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/ntp.h"
#include "base/units.h"
#include "router/parts.h"
#include "rx/ticks.h"
#include "srtp/srtcp.h"
#include "wire/rtcp.h"
#include "wire/rtcpfb.h"
#include "wire/rtcppsfb.h"
#include "wire/rtcpxr.h"

enum {
    HEAD_BYTES     = 8,       /* RTCP header and SSRC                         */
    SR_BYTES       = 28,
    BLOCK_BYTES    = 24,
    FEEDBACK_BYTES = 12,
    NACK_BYTES     = 4,
    XR_BYTES       = 8 + 12,  /* RRTR                                         */
    DLRR_BYTES     = 12,
    NACKS_AT_ONCE  = 128,
    HOLD_US        = 20000,   /* refused feedback is asked for again          */
    REPORT_US      = 1000000, /* least time between reports of a leg          */
    SILENT_US      = 5000000,
    GRAIN_US       = 1000,    /* timers are looked at as often                */
    OTHER_US       = 10000000, /* reports and packets are not of one time line */
};

uint64_t arc_router_ntp(const struct arc_router *r, int64_t now_us)
{
    return r->cfg.ntp_at_zero + arc_ntp_from_us(now_us);
}

/* --- parts -------------------------------------------------------------------------- */

static size_t room_of(const struct arc_leg *leg)
{
    size_t room = (size_t)leg->mtu_bytes;

    if (leg->srtp_out)
        room -= (size_t)arc_srtp_rtcp_overhead_bytes(leg->srtp_out);
    return room < ARC_LEG_RTCP_BYTES ? room : ARC_LEG_RTCP_BYTES;
}

static void fill_block(struct arc_source *source, int64_t now_us,
                       struct arc_rtcp_report_block *b)
{
    struct arc_rxstats_report r;

    arc_rxstats_report(&source->stats, &r);
    memset(b, 0, sizeof(*b));
    b->ssrc            = source->ssrc;
    b->fraction_lost   = r.fraction_lost;
    b->cumulative_lost = r.cumulative_lost;
    b->highest_seq     = r.highest_seq;
    b->jitter_ticks    = r.jitter_ticks;
    if (source->sr_us) {
        b->lsr  = (uint32_t)(source->sr_ntp64 >> 16); /* RFC 3550 §4 */
        b->dlsr = arc_rtt_kept32(now_us - source->sr_us);
    }
}

/** Report blocks of the sources that send, at most `most`. */
static size_t fill_blocks(struct arc_leg *leg, size_t most, int64_t now_us,
                          struct arc_rtcp_report_block *blocks)
{
    const int32_t first = leg->next_block;
    size_t n = 0;

    for (int32_t i = 0; i < leg->n_sources && n < most; i++) {
        struct arc_source *source =
            leg->sources[(first + i) % leg->n_sources];

        leg->next_block = (first + i + 1) % leg->n_sources;
        if (source->started)
            fill_block(source, now_us, &blocks[n++]);
    }
    return n;
}

/** Time stamp of the source at this moment: by the publisher's reports, so that
 *  its streams stay in step; by its last packet without them, and while they are
 *  those of a publisher that was started again since. */
static uint32_t ts_now(const struct arc_leg *publisher,
                       const struct arc_source *source, int64_t now_us)
{
    const int32_t hz = source->track->cfg.clock_hz;
    const uint32_t by_packet =
        source->last_ts +
        (uint32_t)arc_ticks_from_us(now_us - source->last_us, hz);
    uint32_t by_report;
    uint64_t ntp64;
    int64_t passed_us;

    if (!source->sr_us)
        return by_packet;
    ntp64 = arc_router_ntp(publisher->router, now_us - publisher->clock_shift);
    passed_us = arc_ntp_between_us(source->sr_ntp64, ntp64);
    by_report = source->sr_ts + (uint32_t)arc_ticks_from_us(passed_us, hz);
    return llabs(arc_ts32_diff(by_report, by_packet)) <
                   arc_ticks_from_us(OTHER_US, hz)
               ? by_report : by_packet;
}

static void write_sr(const struct arc_route *route, struct arc_writer *w,
                     int64_t now_us)
{
    const struct arc_track *track = route->track;
    const struct arc_source *source = &track->sources[route->numbers.source];
    struct arc_rtcp_sender_info info;

    info.ntp64   = arc_router_ntp(track->leg->router, now_us);
    info.rtp_ts  = ts_now(track->leg, source, now_us) +
                   route->numbers.ts_offset;
    info.packets = (uint32_t)route->counts.pkts;
    info.bytes   = (uint32_t)route->counts.bytes;
    arc_rtcp_write_sr(w, route->ssrc, &info, NULL, 0);
    arc_rtcp_write_sdes_cname(w, route->ssrc, track->leg->cname);
}

/** The leg's own report: on what it receives, and who asks for feedback. */
static void write_rr(struct arc_leg *leg, struct arc_writer *w, int64_t now_us)
{
    const size_t rest = HEAD_BYTES + XR_BYTES + SR_BYTES +
                        arc_rtcp_cname_bytes(leg->router->cfg.cname) +
                        arc_rtcp_cname_bytes(leg->cname);
    struct arc_rtcp_report_block blocks[ARC_RTCP_MAX_COUNT];
    const size_t left = arc_writer_left(w);
    size_t most = left > rest ? (left - rest) / BLOCK_BYTES : 0;

    most = most < ARC_RTCP_MAX_COUNT ? most : ARC_RTCP_MAX_COUNT;
    arc_rtcp_write_rr(w, leg->ssrc, blocks,
                      fill_blocks(leg, most, now_us, blocks));
    arc_rtcp_write_sdes_cname(w, leg->ssrc, leg->router->cfg.cname);
}

/** SRs of the routes that have sent. @return how many */
static int32_t write_srs(struct arc_leg *leg, struct arc_writer *w,
                         int64_t now_us)
{
    const int32_t first = leg->next_report;
    int32_t n = 0;

    for (int32_t i = 0; i < leg->n_routes; i++) {
        const struct arc_route *route =
            leg->routes[(first + i) % leg->n_routes];

        if (arc_writer_left(w) <
            SR_BYTES + arc_rtcp_cname_bytes(route->track->leg->cname))
            break;
        leg->next_report = (first + i + 1) % leg->n_routes;
        if (!route->sent_any)
            continue;
        write_sr(route, w, now_us);
        n++;
    }
    return n;
}

/** What it takes to know the round trip without media of ours (RFC 3611). */
static void write_xr(struct arc_leg *leg, struct arc_writer *w, int64_t now_us)
{
    struct arc_xr_dlrr items[ARC_RTT_REFERENCES];
    size_t n = 0;

    if (arc_writer_left(w) >= XR_BYTES && leg->n_sources > 0)
        arc_rtcp_write_xr_rrtr(w, leg->ssrc, arc_router_ntp(leg->router,
                                                            now_us));
    if (arc_writer_left(w) < HEAD_BYTES + 4 + DLRR_BYTES * ARC_RTT_REFERENCES)
        return;
    for (int32_t i = 0; i < leg->references.n; i++)
        n += arc_rttref_answer(&leg->references, i, now_us, &items[n].ssrc,
                               &items[n].lrr, &items[n].dlrr);
    if (n > 0)
        arc_rtcp_write_xr_dlrr(w, leg->ssrc, items, n);
}

/* --- feedback ----------------------------------------------------------------------- */

static int64_t key_due_us(const struct arc_source *source)
{
    return source->ssrc ? arc_keyreq_next_us(&source->key) : ARC_NEVER_US;
}

/** A subscriber asks for a key frame: of what it gets, or waits for. */
void arc_route_want_key(struct arc_route *route, int64_t now_us)
{
    const struct arc_track *track = route->track;
    int32_t source = route->select.source;

    route->counts.key_requests++;
    if (!track->layered || source >= track->cfg.n_sources)
        source = track->layered ? route->select.want_source : 0;
    arc_keyreq_on_request(&track->sources[source].key,
                          arc_max_i64(route->leg->rtt.smoothed_us, 0), now_us);
    arc_leg_soon(track->leg, now_us);
}

static int64_t wish_us(const struct arc_leg *leg)
{
    int64_t next = ARC_NEVER_US;

    for (int32_t i = 0; i < leg->n_sources; i++) {
        const struct arc_source *source = leg->sources[i];

        if (source->nack && source->ssrc)
            next = arc_min_i64(next, arc_nackgen_next_us(source->nack));
        next = arc_min_i64(next, key_due_us(source));
    }
    return next;
}

/** Give what is to be asked for its turn (RFC 4585 §3.5.2). */
static void plan_feedback(struct arc_leg *leg, int64_t now_us)
{
    if (leg->wish_planned || now_us < leg->wish_hold_us ||
        wish_us(leg) > now_us)
        return;
    if (arc_rtcptime_request(&leg->rtcp, now_us) != ARC_FEEDBACK_REFUSED)
        leg->wish_planned = true;
    else
        leg->wish_hold_us = now_us + HOLD_US;
}

static void write_nack(struct arc_source *source, struct arc_writer *w,
                       int64_t now_us)
{
    struct arc_leg *leg = source->track->leg;
    uint64_t seqs[NACKS_AT_ONCE];
    uint16_t seqs16[NACKS_AT_ONCE];
    size_t n = 0, most = (arc_writer_left(w) - FEEDBACK_BYTES) / NACK_BYTES;

    if (arc_nackgen_poll(source->nack, arc_max_i64(leg->rtt.smoothed_us, 0),
                         now_us, seqs,
                         most < NACKS_AT_ONCE ? most : NACKS_AT_ONCE,
                         &n) != ARC_OK)
        return;
    for (size_t i = 0; i < n; i++)
        seqs16[i] = (uint16_t)seqs[i];
    arc_rtcp_write_nack(w, leg->ssrc, source->ssrc, seqs16, n);
    leg->counts.nack_sent++;
}

static void write_pli(struct arc_source *source, struct arc_writer *w,
                      int64_t now_us)
{
    struct arc_leg *leg = source->track->leg;

    if (!arc_keyreq_poll(&source->key, arc_max_i64(leg->rtt.smoothed_us, 0),
                         now_us))
        return;
    arc_rtcp_write_pli(w, leg->ssrc, source->ssrc);
    leg->counts.pli_sent++;
    leg->router->stats.key_requests_sent++;
}

static void write_feedback(struct arc_leg *leg, struct arc_writer *w,
                           int64_t now_us)
{
    for (int32_t i = 0; i < leg->n_sources; i++) {
        struct arc_source *source = leg->sources[i];

        if (arc_writer_left(w) < FEEDBACK_BYTES + NACK_BYTES)
            return; /* the rest goes with the next packet */
        if (key_due_us(source) <= now_us)
            write_pli(source, w, now_us);
        if (arc_writer_left(w) < FEEDBACK_BYTES + NACK_BYTES)
            return;
        if (source->nack && source->ssrc &&
            arc_nackgen_next_us(source->nack) <= now_us)
            write_nack(source, w, now_us);
    }
    leg->wish_planned = false;
}

static void write_bye(struct arc_leg *leg, struct arc_writer *w)
{
    uint32_t ssrcs[ARC_RTCP_MAX_COUNT];
    size_t n = 0;

    ssrcs[n++] = leg->ssrc;
    for (int32_t i = 0; i < leg->n_routes && n < ARC_RTCP_MAX_COUNT &&
                        arc_writer_left(w) > HEAD_BYTES + 4 * n; i++)
        ssrcs[n++] = leg->routes[i]->ssrc;
    arc_rtcp_write_bye(w, ssrcs, n, NULL);
}

/* --- turns -------------------------------------------------------------------------- */

static void hand_out(struct arc_leg *leg, const uint8_t *data, size_t len,
                     int64_t now_us)
{
    struct arc_router *r = leg->router;
    struct arc_pkt *pkt;

    if (len == 0)
        return;
    if (leg->n_rtcp_out == ARC_LEG_RTCP_PKTS) {
        leg->counts.queue_full++;
        return;
    }
    pkt = arc_pkt_get(r->pool);
    if (!pkt) {
        r->stats.drops.no_packet++;
        return;
    }
    memcpy(pkt->data, data, len);
    if (leg->srtp_out &&
        arc_srtp_protect_rtcp(leg->srtp_out, pkt->data, len, ARC_PKT_CAP_BYTES,
                              &len) != ARC_OK) {
        leg->counts.seal_failed++;
        arc_pkt_unref(pkt);
        return;
    }
    pkt->len     = (int32_t)len;
    pkt->time_us = now_us;
    leg->rtcp_out[leg->n_rtcp_out++] = pkt;
    arc_leg_mark(leg);
}

static bool sends(const struct arc_leg *leg, int64_t now_us)
{
    for (int32_t i = 0; i < leg->n_routes; i++)
        if (leg->routes[i]->sent_any &&
            now_us - leg->routes[i]->last_us < 2 * ARC_US_PER_S)
            return true;
    return false;
}

static void say_goodbye(struct arc_leg *leg, int64_t now_us)
{
    uint8_t data[ARC_LEG_RTCP_BYTES];
    struct arc_writer w;

    leg->bye_sent = true;
    arc_writer_init(&w, data, room_of(leg));
    arc_rtcp_write_rr(&w, leg->ssrc, NULL, 0);
    arc_rtcp_write_sdes_cname(&w, leg->ssrc, leg->router->cfg.cname);
    write_bye(leg, &w);
    hand_out(leg, data, w.pos, now_us);
}

static void report(struct arc_leg *leg, enum arc_rtcp_due due, int64_t now_us)
{
    uint8_t data[ARC_LEG_RTCP_BYTES];
    struct arc_writer w;
    int32_t n = 1;

    arc_writer_init(&w, data, room_of(leg));
    if (due == ARC_RTCP_DUE_REGULAR) {
        write_rr(leg, &w, now_us);
        n += write_srs(leg, &w, now_us);
        write_xr(leg, &w, now_us);
    }
    write_feedback(leg, &w, now_us);
    arc_rtcptime_on_sent(&leg->rtcp, (int32_t)w.pos, n, now_us);
    hand_out(leg, data, w.pos, now_us);
}

static void look_after(struct arc_leg *leg, int64_t now_us)
{
    bool we_send = sends(leg, now_us);

    arc_leg_keys_turn(leg, now_us);
    arc_rtcptime_set_counts(&leg->rtcp, 2, we_send + (leg->n_sources > 0),
                            we_send, now_us);
    if (!leg->silent && now_us - leg->heard_us >= SILENT_US) {
        leg->silent = true;
        arc_router_tell(leg->router, ARC_ROUTER_LEG_SILENT, leg->id,
                        now_us - leg->heard_us, now_us);
    }
}

/** When the leg wants to be looked at again. */
static int64_t turn_us(const struct arc_leg *leg)
{
    int64_t next = arc_min_i64(arc_rtcptime_next_us(&leg->rtcp), leg->keys_us);

    if (!leg->wish_planned)
        next = arc_min_i64(next, arc_max_i64(wish_us(leg), leg->wish_hold_us));
    if (!leg->silent)
        next = arc_min_i64(next, leg->heard_us + SILENT_US);
    return next;
}

void arc_leg_turn(struct arc_leg *leg, int64_t now_us)
{
    enum arc_rtcp_due due;

    arc_leg_release(leg, now_us);
    if (leg->bye_sent)
        return;
    if (leg->bye_wanted) {
        say_goodbye(leg, now_us);
        return;
    }
    look_after(leg, now_us);
    plan_feedback(leg, now_us);
    due = arc_rtcptime_expire(&leg->rtcp, now_us);
    if (due != ARC_RTCP_DUE_NONE)
        report(leg, due, now_us);
    arc_leg_soon(leg, arc_max_i64(turn_us(leg), now_us + GRAIN_US));
}

void arc_leg_soon(struct arc_leg *leg, int64_t at_us)
{
    struct arc_router *r = leg->router;
    int64_t *due = &r->due[arc_handles_place(leg->id)];

    *due       = arc_min_i64(*due, at_us);
    r->next_us = arc_min_i64(r->next_us, at_us);
}

void arc_leg_rtcp_init(struct arc_leg *leg, int64_t rtcp_bps, int64_t now_us)
{
    struct arc_rtcptime_config cfg;

    arc_rtcptime_defaults(&cfg, rtcp_bps);
    cfg.avpf       = true;
    cfg.trr_int_us = REPORT_US;
    arc_rtcptime_init(&leg->rtcp, &cfg, arc_rng_u64(&leg->router->rng), now_us);
    arc_rtt_init(&leg->rtt);
    arc_rttref_init(&leg->references);
    arc_leg_soon(leg, now_us);
}
