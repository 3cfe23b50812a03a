/**
 * @file router/reports_in.c  RTCP: what the peer of a leg says
 *
 * Compound > SR of its sources > RR of its routes | NACK > history > queue |
 * PLI, FIR > key frame asked of the publisher | BYE
 */
#include "base/bytes.h"
#include "base/ntp.h"
#include "base/units.h"
#include "router/parts.h"
#include "wire/rtcp.h"
#include "wire/rtcpfb.h"
#include "wire/rtcppsfb.h"
#include "wire/rtcpxr.h"

enum {
    MAX_NACKS     = 6200, /* numbers in a NACK of 1500 bytes                  */
    MAX_FIRS      = 128,
    MAX_DLRR      = 124,
    MIN_RESEND_US = 5000, /* where no round trip is known, or a very short one */
    SHIFT_STEP    = 16,   /* of the clock that drifts, per report             */
};

static struct arc_source *source_of(const struct arc_leg *leg, uint32_t ssrc)
{
    return arc_keymap_get(leg->router->by_ssrc, arc_router_key(leg, ssrc));
}

/** NULL: no route of the leg has, or still has, the SSRC. */
static struct arc_route *route_of(const struct arc_leg *leg, uint32_t ssrc)
{
    struct arc_route *route = arc_keymap_get(leg->router->by_out,
                                             arc_router_key(leg, ssrc));

    return route && route->leg == leg ? route : NULL;
}

/* One number for all tracks of a publisher, so that subscribers can play them
 * in step. The report that was shortest on its way tells best; the clocks may
 * drift, so the number is let go slowly. */
static void note_clock(struct arc_leg *leg, uint64_t ntp64, int64_t now_us)
{
    int64_t shift = arc_ntp_to_us(arc_router_ntp(leg->router, now_us)) -
                    arc_ntp_to_us(ntp64);

    if (!leg->clock_known || shift < leg->clock_shift ||
        shift > leg->clock_shift + ARC_US_PER_S)
        leg->clock_shift = shift;
    else
        leg->clock_shift += (shift - leg->clock_shift) / SHIFT_STEP;
    leg->clock_known = true;
}

static void on_sender_report(struct arc_leg *leg, uint32_t ssrc,
                             const struct arc_rtcp_sender_info *info,
                             int64_t now_us)
{
    struct arc_source *source = source_of(leg, ssrc);

    if (!source)
        return;
    source->sr_ntp64 = info->ntp64;
    source->sr_ts    = info->rtp_ts;
    source->sr_us    = now_us;
    note_clock(leg, info->ntp64, now_us);
}

static void note_rtt(struct arc_leg *leg, uint32_t sent32, uint32_t kept32,
                     int64_t now_us)
{
    arc_rtt_on_report(&leg->rtt, arc_router_ntp(leg->router, now_us), sent32,
                      kept32, now_us);
}

static void on_report(struct arc_leg *leg,
                      const struct arc_rtcp_report_block *blocks, size_t n,
                      int64_t now_us)
{
    for (size_t i = 0; i < n; i++) {
        struct arc_route *route = route_of(leg, blocks[i].ssrc);

        if (!route)
            continue;
        note_rtt(leg, blocks[i].lsr, blocks[i].dlsr, now_us);
        if (blocks[i].ssrc != route->ssrc)
            continue; /* of what was resent */
        route->remote_loss = blocks[i].fraction_lost / 256.0;
        route->remote_lost = blocks[i].cumulative_lost;
        route->remote_jitter_ms = 1000.0 * blocks[i].jitter_ticks /
                                  route->track->cfg.clock_hz;
    }
}

/* --- repair ------------------------------------------------------------------------- */

/** Whether a packet may go again: not before the last one could be there. */
static bool may_resend(struct arc_route *route, uint16_t seq16, int64_t now_us)
{
    struct arc_resend *last = &route->resends[seq16 % ARC_ROUTE_RESENDS];
    const int64_t wait_us = arc_max_i64(route->leg->rtt.smoothed_us,
                                        MIN_RESEND_US);

    if (last->used && last->seq16 == seq16 && now_us - last->at_us < wait_us)
        return false;
    last->used  = true;
    last->seq16 = seq16;
    last->at_us = now_us;
    return true;
}

/** As the packet was edited when it was first sent. */
static void find_edit(const struct arc_route *route, uint16_t seq16,
                      struct arc_item *item)
{
    const struct arc_edited *e = route->edits
                                     ? &route->edits[seq16 % ARC_ROUTE_EDITS]
                                     : NULL;

    item->edited = e && e->used && e->seq16 == seq16;
    if (!item->edited)
        return;
    item->edit   = e->edit;
    item->marker = e->edit.set_marker;
}

static void resend(struct arc_route *route, uint16_t seq16, int64_t now_us)
{
    struct arc_rewrite_place place;
    struct arc_source *source;
    struct arc_item item;

    route->counts.nacked_pkts++;
    if (route->cfg.rtx_payload_type < 0 || route->paused ||
        !arc_rewrite_origin(&route->numbers, seq16, &place)) {
        route->counts.nack_misses++;
        return;
    }
    source   = &route->track->sources[place.source];
    item.pkt = source->history
                   ? arc_history_find(source->history, place.in, now_us) : NULL;
    if (!item.pkt) {
        route->counts.nack_misses++;
        return;
    }
    if (!may_resend(route, seq16, now_us)) {
        route->counts.nack_too_soon++;
        return;
    }
    if (route->credit == 0) { /* a flood of NACKs must be no amplifier */
        route->counts.nack_too_many++;
        return;
    }
    route->credit--;
    item.route     = route;
    item.queued_us = now_us;
    item.ts_offset = place.ts_offset;
    item.seq16     = seq16;
    item.kind      = ARC_ITEM_RESENT;
    item.marker    = false;
    find_edit(route, seq16, &item);
    arc_leg_enqueue(route->leg, &item);
}

static void on_nack(struct arc_leg *leg, const struct arc_rtcp_packet *p,
                    int64_t now_us)
{
    uint16_t seqs[MAX_NACKS];
    uint32_t sender, media;
    struct arc_route *route;
    size_t n = 0;

    if (arc_rtcp_parse_nack(p, &sender, &media, seqs, MAX_NACKS, &n) !=
        ARC_OK) {
        leg->router->stats.unreadable++;
        return;
    }
    leg->counts.nack_received++;
    route = route_of(leg, media);
    for (size_t i = 0; route && i < n; i++)
        resend(route, seqs[i], now_us);
}

/* --- key frames --------------------------------------------------------------------- */

static void want_key(struct arc_leg *leg, uint32_t ssrc, int64_t now_us)
{
    struct arc_route *route = route_of(leg, ssrc);

    leg->counts.pli_received++;
    leg->router->stats.key_requests++;
    if (route)
        arc_route_want_key(route, now_us);
}

static void on_fir(struct arc_leg *leg, const struct arc_rtcp_packet *p,
                   int64_t now_us)
{
    uint32_t sender, ssrcs[MAX_FIRS];
    uint8_t seq_nrs[MAX_FIRS];
    size_t n = 0;

    if (arc_rtcp_parse_fir(p, &sender, ssrcs, seq_nrs, MAX_FIRS, &n) !=
        ARC_OK) {
        leg->router->stats.unreadable++;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct arc_route *route = route_of(leg, ssrcs[i]);

        if (route && route->fir_seen && route->last_fir == seq_nrs[i])
            continue; /* repeated command, RFC 5104 §4.3.1.1 */
        if (route) {
            route->fir_seen = true;
            route->last_fir = seq_nrs[i];
        }
        want_key(leg, ssrcs[i], now_us);
    }
}

static void on_payload_feedback(struct arc_leg *leg,
                                const struct arc_rtcp_packet *p, int64_t now_us)
{
    uint32_t sender, media;

    if (p->count == ARC_PSFB_PLI &&
        arc_rtcp_parse_pli(p, &sender, &media) == ARC_OK)
        want_key(leg, media, now_us);
    else if (p->count == ARC_PSFB_FIR)
        on_fir(leg, p, now_us);
}

/* --- the rest ----------------------------------------------------------------------- */

static void on_delays(struct arc_leg *leg, const struct arc_xr_block *b,
                      int64_t now_us)
{
    struct arc_xr_dlrr items[MAX_DLRR];
    size_t n = 0;

    if (arc_xr_parse_dlrr(b, items, MAX_DLRR, &n) != ARC_OK) {
        leg->router->stats.unreadable++;
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (items[i].ssrc == leg->ssrc)
            note_rtt(leg, items[i].lrr, items[i].dlrr, now_us);
}

/** Round trips of those that send nothing (RFC 3611 §4.4, §4.5). */
static void on_extended(struct arc_leg *leg, const struct arc_rtcp_packet *p,
                        int64_t now_us)
{
    struct arc_xr_iter it;
    struct arc_xr_block b;
    enum arc_status status = arc_xr_iter_init(&it, p);
    uint64_t ntp64;

    while (status == ARC_OK && (status = arc_xr_next(&it, &b)) == ARC_OK) {
        if (b.type == ARC_XR_RRTR && arc_xr_parse_rrtr(&b, &ntp64) == ARC_OK)
            arc_rttref_on_reference(&leg->references, it.ssrc, ntp64, now_us);
        else if (b.type == ARC_XR_DLRR)
            on_delays(leg, &b, now_us);
    }
    if (status != ARC_AGAIN)
        leg->router->stats.unreadable++;
}

static int32_t on_bye(struct arc_leg *leg, const struct arc_rtcp_packet *p,
                      int64_t now_us)
{
    uint32_t ssrcs[ARC_RTCP_MAX_COUNT];
    const uint8_t *reason;
    size_t n = 0, reason_len;

    if (arc_rtcp_parse_bye(p, ssrcs, ARC_RTCP_MAX_COUNT, &n, &reason,
                           &reason_len) != ARC_OK) {
        leg->router->stats.unreadable++;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct arc_source *source = source_of(leg, ssrcs[i]);

        arc_rttref_forget(&leg->references, ssrcs[i]);
        if (!source || source->ended)
            continue;
        source->ended = true;
        arc_source_gone(source, now_us);
        arc_router_tell(leg->router, ARC_ROUTER_SOURCE_ENDED,
                        source->track->id, ssrcs[i], now_us);
    }
    return (int32_t)n;
}

static void on_packet(struct arc_leg *leg, const struct arc_rtcp_packet *p,
                      int64_t now_us)
{
    struct arc_rtcp_report_block blocks[ARC_RTCP_MAX_COUNT];
    struct arc_rtcp_sender_info info;
    uint32_t ssrc;
    size_t n = 0;

    switch (p->type) {
    case ARC_RTCP_SR:
        if (arc_rtcp_parse_sr(p, &ssrc, &info, blocks, ARC_RTCP_MAX_COUNT,
                              &n) == ARC_OK) {
            on_sender_report(leg, ssrc, &info, now_us);
            on_report(leg, blocks, n, now_us);
        }
        break;
    case ARC_RTCP_RR:
        if (arc_rtcp_parse_rr(p, &ssrc, blocks, ARC_RTCP_MAX_COUNT, &n) ==
            ARC_OK)
            on_report(leg, blocks, n, now_us);
        break;
    case ARC_RTCP_RTPFB:
        if (p->count == ARC_RTPFB_NACK)
            on_nack(leg, p, now_us);
        break;
    case ARC_RTCP_PSFB:
        on_payload_feedback(leg, p, now_us);
        break;
    case ARC_RTCP_XR:
        on_extended(leg, p, now_us);
        break;
    default:
        break; /* names and applications end here: each leg has its own */
    }
}

bool arc_leg_on_rtcp(struct arc_leg *leg, const uint8_t *data, size_t len,
                     int64_t now_us)
{
    int32_t reporters = 0, byes = 0;
    struct arc_rtcp_packet p;
    struct arc_reader r;

    if (arc_rtcp_check_compound(data, len, true) != ARC_OK) {
        leg->router->stats.drops.malformed++;
        return false;
    }
    leg->router->stats.received_rtcp++;
    leg->counts.rtcp_received++;
    arc_reader_init(&r, data, len);
    while (arc_rtcp_next(&r, &p) == ARC_OK) {
        reporters += p.type == ARC_RTCP_SR || p.type == ARC_RTCP_RR;
        if (p.type == ARC_RTCP_BYE)
            byes += on_bye(leg, &p, now_us);
        else
            on_packet(leg, &p, now_us);
    }
    arc_rtcptime_on_received(&leg->rtcp, (int32_t)len, reporters, byes);
    return true;
}
