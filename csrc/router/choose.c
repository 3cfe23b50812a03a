/**
 * @file router/choose.c  Which packets a subscriber gets: layers, the loudest, pauses
 *
 * What a packet is, is looked up once; then each route decides. Where a route
 * changes to another source, the numbers go on after those of the last one, and
 * the time stamps at the distance that lies between the two pictures.
 */
#include <string.h>

#include "base/ntp.h"
#include "base/units.h"
#include "router/parts.h"
#include "rx/ticks.h"
#include "wire/rtpext.h"

enum {
    LEVEL_MASK   = 0x7f, /* RFC 6464 §3 */
    VOICE        = 0x80,
    MAX_STEP_US  = 5000000, /* between two pictures around a switch; more is taken
                               as a fault of the publisher's reports              */
};

/* --- a packet, for all ----------------------------------------------------------------- */

static bool element(const struct arc_pkt *pkt, const struct arc_rtp *h,
                    int32_t id, const uint8_t **value, size_t *len)
{
    return id > 0 && h->has_extension &&
           arc_rtpext_find(pkt->data, h, (uint8_t)id, value, len) == ARC_OK;
}

static void look_at_layers(struct arc_source *source, const struct arc_pkt *pkt,
                           const struct arc_rtp *h, struct arc_choice *out)
{
    const uint8_t *dd = NULL;
    size_t dd_len = 0;
    enum arc_status status;

    element(pkt, h, source->track->cfg.depdesc_id, &dd, &dd_len);
    status = arc_layersource_read(&source->layers, h, pkt->data, dd, dd_len,
                                  &out->info);
    out->media = status == ARC_OK;
    if (status != ARC_OK && status != ARC_AGAIN)
        source->track->leg->router->stats.unreadable++;
    if (out->media && out->info.is_key && out->info.starts_frame)
        arc_keyreq_on_key_frame(&source->key, out->now_us);
}

static void tell_speaker(struct arc_router *r, struct arc_group *group,
                         int64_t now_us)
{
    struct arc_loudest_stats stats;

    if (!(arc_loudest_take_events(group->loudest) &
          ARC_LOUDEST_DOMINANT_CHANGED))
        return;
    arc_loudest_stats(group->loudest, &stats);
    if (stats.dominant >= 0)
        arc_router_tell(r, ARC_ROUTER_SPEAKER, group->tracks[stats.dominant],
                        group->number, now_us);
}

/** Whether one of a group is among its loudest; who tells no level always is. */
static bool is_heard(struct arc_track *track, const struct arc_pkt *pkt,
                     const struct arc_rtp *h, int64_t now_us)
{
    struct arc_loudest *loudest = track->group->loudest;
    const uint8_t *value;
    size_t len;
    bool heard;

    if (!element(pkt, h, track->cfg.level_id, &value, &len) || len == 0)
        return true;
    if (now_us >= arc_loudest_next_us(loudest))
        arc_loudest_poll(loudest, now_us);
    heard = arc_loudest_on_packet(loudest, track->member,
                                  value[0] & LEVEL_MASK,
                                  (value[0] & VOICE) != 0, now_us);
    tell_speaker(track->leg->router, track->group, now_us);
    return heard;
}

/** @return whether it is to be forwarded to anybody */
bool arc_source_look(struct arc_source *source, struct arc_pkt *pkt,
                     const struct arc_rtp *h, int64_t now_us,
                     struct arc_choice *out)
{
    struct arc_track *track = source->track;

    out->now_us = now_us;
    out->media  = true;
    out->heard  = true;
    if (track->layered)
        look_at_layers(source, pkt, h, out);
    else if (track->group)
        out->heard = is_heard(track, pkt, h, now_us);
    return out->media && out->heard;
}

/* --- a route --------------------------------------------------------------------------- */

/** Ticks from a time stamp of one source to one of another, by the publisher's
 *  clock. @return false: its reports do not tell */
static bool ticks_between(const struct arc_source *from, uint32_t from_ts,
                          const struct arc_source *to, uint32_t to_ts,
                          int64_t *ticks)
{
    const int32_t hz = from->track->cfg.clock_hz;
    int64_t us;

    if (!from->sr_us || !to->sr_us)
        return false;
    us     = arc_ntp_between_us(from->sr_ntp64, to->sr_ntp64);
    *ticks = arc_ticks_from_us(us, hz) + arc_ts32_diff(to_ts, to->sr_ts) -
             arc_ts32_diff(from_ts, from->sr_ts);
    return *ticks > 0 && *ticks < arc_ticks_from_us(MAX_STEP_US, hz);
}

/** Ticks since the last packet of the route, by when they came. */
static int64_t ticks_passed(const struct arc_route *route, int64_t now_us)
{
    return arc_ticks_from_us(arc_clamp_i64(now_us - route->queued_us, 1000,
                                           MAX_STEP_US),
                             route->track->cfg.clock_hz);
}

/** What is added to the time stamps of the source that is changed to. */
static uint32_t shift_of(const struct arc_route *route,
                         const struct arc_source *to, uint32_t to_ts,
                         int64_t now_us)
{
    const struct arc_source *from =
        &route->track->sources[route->numbers.source];
    const uint32_t from_ts = route->queued_ts - route->numbers.ts_offset;
    int64_t ticks;

    if (!ticks_between(from, from_ts, to, to_ts, &ticks))
        ticks = ticks_passed(route, now_us);
    return route->queued_ts + (uint32_t)ticks - to_ts;
}

static void change_source(struct arc_route *route,
                          const struct arc_source *source, uint32_t ts,
                          int64_t seq, int64_t now_us)
{
    uint32_t shift = route->numbers.ts_offset;

    if (route->queued_any)
        shift = shift_of(route, source, ts, now_us);
    arc_rewrite_splice(&route->numbers, source->index, seq, shift);
    arc_router_tell(route->leg->router, ARC_ROUTER_LAYER_CHANGED, route->id,
                    source->index, now_us);
}

/** The layers that this subscriber gets. @return whether the packet is of them */
static bool choose_layers(struct arc_route *route,
                          const struct arc_source *source,
                          const struct arc_choice *choice, int64_t seq,
                          uint32_t ts, struct arc_item *item)
{
    int action = arc_layerselect_on_packet(&route->select, source->index,
                                           &choice->info, seq, &item->edit);

    if (action == ARC_LAYER_DROP) {
        route->counts.layer++;
        route->leg->router->stats.unsent.layer++;
        if (route->select.source == source->index)
            arc_rewrite_drop(&route->numbers, seq);
        return false;
    }
    if (action == ARC_LAYER_SWITCH)
        change_source(route, source, ts, seq, choice->now_us);
    item->marker = item->edit.set_marker;
    item->edited = item->edit.has_frame_number ||
                   memcmp(&item->edit.ids, &choice->info.ids,
                          sizeof(item->edit.ids)) != 0;
    return true;
}

static void leave_out(struct arc_route *route, const struct arc_source *source,
                      int64_t seq)
{
    route->unheard = true;
    if (route->numbers.source == source->index)
        arc_rewrite_drop(&route->numbers, seq);
}

static void remember_edit(struct arc_route *route, const struct arc_item *item)
{
    struct arc_edited *e = &route->edits[item->seq16 % ARC_ROUTE_EDITS];

    e->used  = item->edited;
    e->seq16 = item->seq16;
    e->edit  = item->edit;
}

/** The packet is the newest of the route, unless it came late. */
static void note_queued(struct arc_route *route, uint32_t ts, int64_t now_us)
{
    const int64_t step = arc_ts32_diff(ts, route->queued_ts);

    if (route->queued_any && step < 0 &&
        step > -arc_ticks_from_us(MAX_STEP_US, route->track->cfg.clock_hz))
        return;
    route->queued_any = true;
    route->queued_ts  = ts;
    route->queued_us  = now_us;
}

/** Whether a packet goes to this subscriber; as what is filled in. */
bool arc_route_choose(struct arc_route *route, const struct arc_source *source,
                      const struct arc_choice *choice, int64_t seq,
                      struct arc_item *item)
{
    const uint32_t ts = arc_get_u32(item->pkt->data + 4);
    struct arc_rewrite_place place;

    item->marker = false;
    item->edited = false;
    if (route->paused) {
        route->counts.paused++;
        route->leg->router->stats.unsent.paused++;
        leave_out(route, source, seq);
        return false;
    }
    if (!choice->heard || !choice->media) {
        route->counts.unheard++;
        route->leg->router->stats.unsent.unheard++;
        leave_out(route, source, seq);
        return false;
    }
    if (route->track->layered &&
        !choose_layers(route, source, choice, seq, ts, item))
        return false;
    if (!arc_rewrite_forward(&route->numbers, seq, &place)) {
        route->counts.unplaced++;
        route->leg->router->stats.unsent.unplaced++;
        return false;
    }
    if (route->unheard && route->track->cfg.kind == ARC_TRACK_AUDIO)
        item->marker = true; /* RFC 3551 §4.1: a talk spurt begins */
    route->unheard   = false;
    item->seq16      = place.seq16;
    item->ts_offset  = place.ts_offset;
    note_queued(route, ts + place.ts_offset, choice->now_us);
    if (route->edits)
        remember_edit(route, item);
    return true;
}

/** Ask the publisher for the key frame that a route waits for, if it does. */
void arc_route_ask(struct arc_route *route, int64_t now_us)
{
    struct arc_track *track = route->track;
    int source = track->layered && !route->paused
                     ? arc_layerselect_wants_key(&route->select) : -1;

    if (source < 0 || source >= track->cfg.n_sources)
        return;
    arc_keyreq_on_request(&track->sources[source].key, 0, now_us);
    arc_leg_soon(track->leg, now_us);
}

/** A source has ended: whoever gets it waits for another one. */
void arc_source_gone(struct arc_source *source, int64_t now_us)
{
    struct arc_track *track = source->track;

    for (int32_t i = 0; track->layered && i < track->n_routes; i++)
        arc_layerselect_gone(&track->routes[i]->select, source->index);
}

/** What is added to the time stamps of a source that was started again with other
 *  ones: they go on where the last were. One that was only away keeps its own. */
static uint32_t restart_shift(const struct arc_route *route, uint32_t ts,
                              int64_t now_us)
{
    const uint32_t kept = route->numbers.ts_offset;
    const int64_t step = arc_ts32_diff(ts + kept, route->queued_ts);

    if (!route->queued_any ||
        (step > 0 &&
         step < arc_ticks_from_us(MAX_STEP_US, route->track->cfg.clock_hz)))
        return kept;
    return route->queued_ts + (uint32_t)ticks_passed(route, now_us) - ts;
}

/** A source was started again: its numbers may come once more, and must not go out
 *  as they did (RFC 3711 §9.1). Of a layered one a key frame is needed. */
void arc_source_restarted(struct arc_source *source, const struct arc_rtp *h,
                          int64_t seq, int64_t now_us)
{
    struct arc_track *track = source->track;

    if (track->layered) {
        arc_layersource_restart(&source->layers, h);
        arc_source_gone(source, now_us);
    }
    for (int32_t i = 0; i < track->n_routes; i++) {
        struct arc_route *route = track->routes[i];
        struct arc_rewrite *numbers = &route->numbers;

        if (numbers->started && numbers->source == source->index)
            arc_rewrite_splice(numbers, source->index, seq,
                               restart_shift(route, h->rtp_ts, now_us));
        arc_route_ask(route, now_us);
    }
}
