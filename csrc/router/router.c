/**
 * @file router/router.c  The way of a packet: demux > SRTP > RTP > source > RTX >
 *                        statistics > NACK > history > routes > queues of the legs
 *
 * depart.c goes on behind the queues. Each way to lose a packet has its counter.
 * Nothing of a source moves before the packet's tag was checked (RFC 3711 §3.3).
 */
#include <string.h>

#include "base/units.h"
#include "router/parts.h"
#include "srtp/srtcp.h"
#include "wire/demux.h"
#include "wire/rtpext.h"
#include "wire/rtx.h"

/* --- SRTP --------------------------------------------------------------------------- */

static bool count_srtp_fault(struct arc_router *r, int32_t status)
{
    switch (status) {
    case ARC_ERR_AUTH:
        r->stats.drops.auth++;
        break;
    case ARC_ERR_REPLAY:
    case ARC_ERR_OLD:
        r->stats.drops.replay++;
        break;
    case ARC_ERR_FORMAT:
        r->stats.drops.malformed++;
        break;
    default:
        if (status >= 0)
            return true;
        r->stats.drops.srtp_other++;
        break;
    }
    return false;
}

/** An empty packet. One that was not used is taken first, so that a flood of
 *  forged datagrams costs the pool nothing. */
static struct arc_pkt *take_packet(struct arc_router *r)
{
    struct arc_pkt *pkt = r->spare;

    if (pkt) {
        r->spare = NULL;
        return pkt;
    }
    pkt = arc_pkt_get(r->pool);
    if (!pkt)
        r->stats.drops.no_packet++;
    return pkt;
}

static void give_back(struct arc_router *r, struct arc_pkt *pkt)
{
    if (r->spare)
        arc_pkt_unref(pkt);
    else
        r->spare = pkt;
}

/** Decrypt, or copy, a datagram into a packet. NULL: counted. */
static struct arc_pkt *open_rtp(struct arc_leg *leg,
                                const struct arc_datagram *d)
{
    struct arc_router *r = leg->router;
    struct arc_pkt *pkt = take_packet(r);
    int32_t len = d->len;

    if (!pkt)
        return NULL;
    if (d->len > ARC_PKT_CAP_BYTES)
        len = ARC_ERR_FORMAT;
    else if (leg->srtp_in)
        len = arc_srtp_unprotect_to(leg->srtp_in, d->data, (size_t)d->len,
                                    pkt->data, ARC_PKT_CAP_BYTES);
    else
        memcpy(pkt->data, d->data, (size_t)d->len);
    if (!count_srtp_fault(r, len)) {
        give_back(r, pkt);
        return NULL;
    }
    pkt->len     = len;
    pkt->time_us = d->time_us;
    pkt->ecn     = d->ecn;
    return pkt;
}

/* --- source ------------------------------------------------------------------------- */

/** Whether a packet says that it is of this source: by its RID, or where the
 *  track has one source by its payload type alone. */
static bool says(const struct arc_source *source, const uint8_t *packet,
                 const struct arc_rtp *h, int32_t rid_id)
{
    const struct arc_track_config *c = &source->track->cfg;
    const char *rid = c->rid[source->index];
    const uint8_t *value;
    size_t len;

    if (c->n_sources == 1)
        return true;
    return rid_id > 0 &&
           arc_rtpext_find(packet, h, (uint8_t)rid_id, &value, &len) ==
               ARC_OK &&
           strlen(rid) == len && memcmp(rid, value, len) == 0;
}

/** The source of the leg that the packet is the first of; `rtx`: the first that
 *  repairs it. */
static struct arc_source *learn(struct arc_leg *leg, const uint8_t *packet,
                                const struct arc_rtp *h, bool *rtx)
{
    for (int32_t i = 0; i < leg->n_sources; i++) {
        struct arc_source *source = leg->sources[i];
        const struct arc_track_config *c = &source->track->cfg;

        *rtx = h->payload_type == c->rtx_payload_type;
        if ((!*rtx && h->payload_type != c->payload_type) ||
            (*rtx ? source->rtx_ssrc : source->ssrc) != 0)
            continue;
        if (says(source, packet, h, *rtx ? c->repaired_rid_id : c->rid_id))
            return source;
    }
    return NULL;
}

/** Whose packet it is. A source that was announced without an SSRC learns it from
 *  its first authentic packet (RFC 8852). */
static struct arc_source *find_source(struct arc_leg *leg,
                                      const uint8_t *packet,
                                      const struct arc_rtp *h, bool *rtx)
{
    const uint64_t key = arc_router_key(leg, h->ssrc);
    struct arc_source *source = arc_keymap_get(leg->router->by_ssrc, key);

    *rtx = false;
    if (source)
        return source;
    source = arc_keymap_get(leg->router->by_rtx, key);
    *rtx   = true;
    if (source || leg->n_unlearned == 0)
        return source;
    source = learn(leg, packet, h, rtx);
    if (!source || arc_source_claim(source, h->ssrc, *rtx) != ARC_OK)
        return NULL;
    leg->n_unlearned--;
    return source;
}

/** Restore what was resent. @return false: nothing to go on with; counted */
static bool unwrap_resent(struct arc_source *source, struct arc_pkt *pkt,
                          struct arc_rtp *h)
{
    struct arc_router *r = source->track->leg->router;
    size_t len = (size_t)pkt->len;
    enum arc_status status;

    if (h->payload_type != source->track->cfg.rtx_payload_type ||
        source->ssrc == 0) {
        r->stats.drops.payload_type++;
        return false;
    }
    status = arc_rtx_unwrap(pkt->data, &len, source->ssrc,
                            (uint8_t)source->track->cfg.payload_type);
    if (status == ARC_AGAIN) {
        r->stats.probes++;
        return false;
    }
    pkt->len = (int32_t)len;
    if (status != ARC_OK || arc_rtp_parse(pkt->data, len, h) != ARC_OK) {
        r->stats.drops.malformed++;
        return false;
    }
    return true;
}

/** @return false: it was there before. It must not go out again: under another
 *  header extension it would be another packet of the same SRTP index (RFC 3711
 *  §9.1); counted */
static bool count_arrival(struct arc_source *source, const struct arc_rtp *h,
                          int64_t seq, bool resent, int64_t now_us)
{
    struct arc_leg *leg = source->track->leg;
    const int64_t restarts = source->stats.restarts;
    bool is_new = resent
        ? arc_rxstats_on_repaired(&source->stats, seq)
        : arc_rxstats_on_packet(&source->stats, seq, h->rtp_ts, h->payload_len,
                                now_us);

    if (!is_new) {
        leg->router->stats.drops.repair++;
        return false;
    }
    if (source->stats.restarts != restarts)
        arc_source_restarted(source, h, seq, now_us);
    if (source->nack) {
        arc_nackgen_on_packet(source->nack, (uint64_t)seq, now_us);
        arc_leg_soon(leg, arc_nackgen_next_us(source->nack));
    }
    if (!source->started || source->stats.restarts != restarts ||
        seq > source->top_seq) {
        source->top_seq = seq;
        source->last_ts = h->rtp_ts;
        source->last_us = now_us;
    }
    if (!source->started || source->ended) {
        source->started = true;
        source->ended   = false;
        arc_router_tell(leg->router, ARC_ROUTER_SOURCE_ADDED,
                        source->track->id, source->ssrc, now_us);
    }
    return true;
}

/** Keep it for those who will ask for it. The pool's last eighth is for what
 *  goes on. */
static void keep(struct arc_source *source, struct arc_pkt *pkt, int64_t seq,
                 int64_t now_us)
{
    struct arc_router *r = source->track->leg->router;

    if (!source->history)
        return;
    if (arc_pkt_pool_used(r->pool) > r->cfg.pool_pkts / 8 * 7)
        r->stats.history_skipped++;
    else
        arc_history_put(source->history, seq, pkt, now_us);
}

/* --- routes ------------------------------------------------------------------------- */

/** A packet of the source on its way to each subscriber. */
static void fan_out(struct arc_source *source, struct arc_pkt *pkt,
                    const struct arc_choice *choice, int64_t seq)
{
    struct arc_track *track = source->track;
    struct arc_item item;

    item.pkt       = pkt;
    item.queued_us = choice->now_us;
    item.kind      = ARC_ITEM_MEDIA;
    track->leg->router->stats.offered_pkts += track->n_routes;
    for (int32_t i = 0; i < track->n_routes; i++) {
        item.route = track->routes[i];
        if (arc_route_choose(item.route, source, choice, seq, &item))
            arc_leg_enqueue(item.route->leg, &item);
    }
}

/* --- the way in --------------------------------------------------------------------- */

/** A packet that is opened. */
static void on_rtp(struct arc_leg *leg, struct arc_pkt *pkt, int64_t now_us)
{
    struct arc_router *r = leg->router;
    struct arc_source *source;
    struct arc_choice choice;
    struct arc_rtp h;
    int64_t seq;
    bool resent;

    if (arc_rtp_parse(pkt->data, (size_t)pkt->len, &h) != ARC_OK) {
        r->stats.drops.malformed++;
        return;
    }
    source = find_source(leg, pkt->data, &h, &resent);
    if (!source) {
        r->stats.drops.unknown_source++;
        return;
    }
    if (resent && !unwrap_resent(source, pkt, &h))
        return;
    if (h.payload_type != source->track->cfg.payload_type) {
        r->stats.drops.payload_type++;
        return;
    }
    seq = arc_unwrap_seq16(&source->seq, h.seq16);
    if (!count_arrival(source, &h, seq, resent, now_us))
        return;
    r->stats.received_rtp++;
    source->ect1_pkts += pkt->ecn == ARC_ECN_ECT_1;
    source->ce_pkts   += pkt->ecn == ARC_ECN_CE;
    if (arc_source_look(source, pkt, &h, now_us, &choice))
        keep(source, pkt, seq, now_us);
    fan_out(source, pkt, &choice, seq);
}

static void heard(struct arc_leg *leg, int64_t now_us)
{
    leg->heard_us = now_us;
    if (leg->silent) {
        leg->silent = false;
        arc_router_tell(leg->router, ARC_ROUTER_LEG_BACK, leg->id, 0, now_us);
    }
}

static bool take_rtp(struct arc_leg *leg, const struct arc_datagram *d,
                     int64_t now_us)
{
    struct arc_pkt *pkt = open_rtp(leg, d);

    if (!pkt)
        return false;
    on_rtp(leg, pkt, now_us);
    arc_pkt_unref(pkt);
    return true;
}

static bool take_rtcp(struct arc_leg *leg, const struct arc_datagram *d,
                      int64_t now_us)
{
    struct arc_router *r = leg->router;
    size_t len = (size_t)d->len;

    if (leg->srtp_in &&
        !count_srtp_fault(r, arc_srtp_unprotect_rtcp(leg->srtp_in, d->data,
                                                     len, &len)))
        return false;
    return arc_leg_on_rtcp(leg, d->data, len, now_us);
}

static bool take(struct arc_leg *leg, const struct arc_datagram *d,
                 int64_t now_us)
{
    switch (arc_demux_classify(d->data, (size_t)d->len)) {
    case ARC_DEMUX_RTP:
        return take_rtp(leg, d, now_us);
    case ARC_DEMUX_RTCP:
        return take_rtcp(leg, d, now_us);
    default:
        leg->router->stats.drops.not_rtp++;
        return false;
    }
}

/** What the cipher gains by in batches is opened where it lies, and copied.
 *  @return how many are opened */
static size_t open_in_lanes(struct arc_leg *leg, struct arc_srtp_batch *work,
                            const struct arc_datagram *datagrams, size_t n,
                            struct arc_srtp_unit *units)
{
    size_t k = 0;

    if (!leg->srtp_in || !work || !arc_srtp_wants_batch(leg->srtp_in))
        return 0;
    for (size_t i = 0; i < n; i++) {
        const struct arc_datagram *d = &datagrams[i];

        if (arc_demux_classify(d->data, (size_t)d->len) != ARC_DEMUX_RTP)
            continue;
        units[k].srtp    = leg->srtp_in;
        units[k].data    = d->data;
        units[k].payload = NULL;
        units[k].len     = (size_t)d->len;
        units[k++].cap   = (size_t)d->len;
    }
    arc_srtp_unprotect_units(work, units, k);
    return k;
}

static bool take_opened(struct arc_leg *leg, const struct arc_srtp_unit *unit,
                        const struct arc_datagram *d, int64_t now_us)
{
    struct arc_router *r = leg->router;
    struct arc_pkt *pkt;

    if (!count_srtp_fault(r, unit->status))
        return false;
    if (unit->len > ARC_PKT_CAP_BYTES) {
        r->stats.drops.malformed++;
        return true;
    }
    pkt = take_packet(r);
    if (!pkt)
        return true;
    memcpy(pkt->data, unit->data, unit->len);
    pkt->len     = (int32_t)unit->len;
    pkt->time_us = d->time_us;
    pkt->ecn     = d->ecn;
    on_rtp(leg, pkt, now_us);
    arc_pkt_unref(pkt);
    return true;
}

void arc_router_receive(struct arc_router *r, int32_t id,
                        const struct arc_datagram *datagrams, size_t n,
                        struct arc_srtp_batch *work, bool *good,
                        int64_t now_us)
{
    struct arc_srtp_unit units[ARC_ROUTER_BATCH_PKTS];
    struct arc_leg *leg = arc_handles_get(&r->legs, id);
    size_t opened, k = 0;

    r->stats.received_pkts += (int64_t)n;
    if (!leg) {
        r->stats.drops.no_leg += (int64_t)n;
        if (good)
            memset(good, 0, n * sizeof(*good));
        return;
    }
    leg->counts.received_pkts += (int64_t)n;
    arc_leg_keys_turn(leg, now_us);
    opened = open_in_lanes(leg, work, datagrams, n, units);
    for (size_t i = 0; i < n; i++) {
        const struct arc_datagram *d = &datagrams[i];
        bool authentic;

        if (k < opened && units[k].data == d->data)
            authentic = take_opened(leg, &units[k++], d, now_us);
        else
            authentic = take(leg, d, now_us);
        r->stats.received_bytes   += d->len;
        leg->counts.received_bytes += d->len;
        if (authentic)
            heard(leg, now_us);
        if (good)
            good[i] = authentic;
    }
}

/* --- what is told ------------------------------------------------------------------- */

void arc_router_tell(struct arc_router *r, int32_t type, int32_t id,
                     int64_t value, int64_t now_us)
{
    struct arc_router_event e;

    e.type   = type;
    e.id     = id;
    e.now_us = now_us;
    e.value  = value;
    if (arc_ring_push(r->events, &e) == ARC_OK)
        return;
    r->stats.events_lost++;
    r->lost_us = now_us;
}

enum arc_status arc_router_poll_event(struct arc_router *r,
                                      struct arc_router_event *out)
{
    if (!out)
        return ARC_ERR_ARG;
    if (arc_ring_pop(r->events, out) == ARC_OK)
        return ARC_OK;
    if (r->losses_told == r->stats.events_lost)
        return ARC_AGAIN;
    out->type      = ARC_ROUTER_EVENTS_LOST;
    out->id        = -1;
    out->now_us    = r->lost_us;
    out->value     = r->stats.events_lost - r->losses_told;
    r->losses_told = r->stats.events_lost;
    return ARC_OK;
}

void arc_router_get_stats(const struct arc_router *r,
                          struct arc_router_stats *out)
{
    *out = r->stats;
    out->pool_used_pkts = arc_pkt_pool_used(r->pool) - (r->spare != NULL);
}
