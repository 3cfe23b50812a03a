/**
 * @file router/roster.c  Who is there: legs, tracks and routes come and go
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "router/parts.h"

enum {
    MIN_MTU_BYTES   = 300,
    MAX_MTU_BYTES   = 1500,
    MAX_SPENT_SSRCS = 1 << 16, /* with one key of a leg */
};

/* --- lists -------------------------------------------------------------------------- */

/** A list with room for one more pointer, which may have moved; NULL: no memory. */
static void *widened(void *list, int32_t n, int32_t *room)
{
    const int32_t more = *room ? 2 * *room : 2;
    void **wide;

    if (n < *room)
        return list;
    wide = arc_mem_zalloc((size_t)more, sizeof(*wide));
    if (!wide)
        return NULL;
    if (n > 0)
        memcpy(wide, list, (size_t)n * sizeof(*wide));
    arc_mem_free(list);
    *room = more;
    return wide;
}

/* --- legs --------------------------------------------------------------------------- */

static bool leg_config_ok(const struct arc_leg_config *c)
{
    return c->mtu_bytes >= MIN_MTU_BYTES && c->mtu_bytes <= MAX_MTU_BYTES &&
           c->queue_pkts >= 16 && c->queue_pkts <= 65536 &&
           c->train_pkts >= 1 && c->train_pkts <= ARC_TRAIN_MAX_SEGMENTS &&
           c->hold_us >= 0 && c->hold_us <= 5000 && c->pace_bps >= 0 &&
           c->rtcp_bps >= 0 && c->twcc_id >= 0 && c->twcc_id <= 14 &&
           c->send_time_id >= 0 && c->send_time_id <= 14 &&
           c->ecn >= ARC_ECN_NOT_ECT && c->ecn <= ARC_ECN_CE;
}

static void free_leg(struct arc_leg *leg)
{
    if (leg->items)
        arc_leg_empty(leg);
    for (int32_t i = 0; i < leg->n_rtcp_out; i++)
        arc_pkt_unref(leg->rtcp_out[i]);
    arc_srtp_free(leg->srtp_in);
    arc_srtp_free(leg->srtp_out);
    arc_mem_free(leg->sources);
    arc_mem_free(leg->routes);
    arc_mem_free(leg->items);
    arc_mem_free(leg);
}

static enum arc_status open_keys(struct arc_leg *leg,
                                 const struct arc_leg_config *c)
{
    struct arc_srtp_config send, receive;
    enum arc_status status;

    if (!c->srtp)
        return ARC_OK;
    send        = c->srtp_send;
    receive     = c->srtp_receive;
    send.way    = ARC_SRTP_SENDS; /* each has tables for its own way only */
    receive.way = ARC_SRTP_RECEIVES;
    status = arc_srtp_new(&receive, &leg->srtp_in);
    if (!status)
        status = arc_srtp_new(&send, &leg->srtp_out);
    arc_mem_wipe(&send, sizeof(send));
    arc_mem_wipe(&receive, sizeof(receive));
    if (!status)
        leg->overhead_bytes = arc_srtp_overhead_bytes(leg->srtp_out);
    return status;
}

/** A name that nobody can trace (RFC 7022 §4.2): 96 random bits. */
static void draw_cname(struct arc_router *r, char *cname)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                                 "uvwxyz0123456789+/";

    for (int i = 0; i < 16; i++)
        cname[i] = digits[arc_rng_below(&r->rng, 64)];
}

enum arc_status arc_router_add_leg(struct arc_router *r,
                                   const struct arc_leg_config *cfg,
                                   int64_t now_us, int32_t *id)
{
    struct arc_leg *leg;
    enum arc_status status;

    if (!r || !cfg || !id || !leg_config_ok(cfg))
        return ARC_ERR_ARG;
    leg = arc_mem_zalloc(1, sizeof(*leg));
    if (!leg)
        return ARC_ERR_NOMEM;
    leg->router       = r;
    leg->queue_pkts   = cfg->queue_pkts;
    leg->mtu_bytes    = cfg->mtu_bytes;
    leg->train_pkts   = cfg->train_pkts;
    leg->hold_us      = cfg->hold_us;
    leg->pace_bps     = cfg->pace_bps;
    leg->budget_us    = now_us;
    leg->twcc_id      = (uint8_t)cfg->twcc_id;
    leg->send_time_id = (uint8_t)cfg->send_time_id;
    leg->ecn          = (uint8_t)cfg->ecn;
    leg->heard_us     = now_us;
    leg->keys_us      = ARC_NEVER_US;
    draw_cname(r, leg->cname);
    status = open_keys(leg, cfg);
    if (!status)
        status = arc_handles_add(&r->legs, leg, &leg->id);
    if (!status) {
        status = arc_router_make_room(r);
        if (status)
            arc_handles_remove(&r->legs, leg->id);
    }
    if (status) {
        free_leg(leg);
        return status;
    }
    leg->ssrc = (uint32_t)arc_rng_u64(&r->rng);
    arc_leg_rtcp_init(leg, cfg->rtcp_bps, now_us);
    r->stats.legs++;
    *id = leg->id;
    return ARC_OK;
}

enum arc_status arc_router_remove_leg(struct arc_router *r, int32_t id)
{
    struct arc_leg *leg = arc_handles_get(&r->legs, id);

    if (!leg)
        return ARC_ERR_ARG;
    while (leg->n_sources > 0)
        arc_router_remove_track(r, leg->sources[0]->track->id);
    while (leg->n_routes > 0)
        arc_router_remove_route(r, leg->routes[0]->id);
    arc_leg_forget_spent(leg);
    arc_leg_unmark(leg);
    arc_handles_remove(&r->legs, id);
    r->due[arc_handles_place(id)] = ARC_NEVER_US;
    free_leg(leg);
    r->stats.legs--;
    return ARC_OK;
}

enum arc_status arc_router_set_pace(struct arc_router *r, int32_t id,
                                    int64_t pace_bps)
{
    struct arc_leg *leg = arc_handles_get(&r->legs, id);

    if (!leg || pace_bps < 0)
        return ARC_ERR_ARG;
    leg->pace_bps = pace_bps;
    if (leg->n_items > 0)
        arc_leg_mark(leg);
    return ARC_OK;
}

enum arc_status arc_router_bye(struct arc_router *r, int32_t id, int64_t now_us)
{
    struct arc_leg *leg = arc_handles_get(&r->legs, id);

    if (!leg)
        return ARC_ERR_ARG;
    leg->bye_wanted = true;
    arc_leg_soon(leg, now_us);
    return ARC_OK;
}

/* --- SSRCs that were sent ---------------------------------------------------------- */

/* An SSRC that a route of a leg had, and its key has seen: it may not be sent
 * with that key again (RFC 7714 §8.4). In by_out r->spent stands for it. */

static void spend(struct arc_leg *leg, uint32_t ssrc)
{
    struct arc_router *r = leg->router;

    arc_keymap_remove(r->by_out, arc_router_key(leg, ssrc));
    if (!leg->srtp_out || arc_srtp_forget(leg->srtp_out, ssrc) != ARC_OK)
        return;
    if (leg->n_spent < leg->room_spent &&
        arc_keymap_put(r->by_out, arc_router_key(leg, ssrc), &r->spent) == ARC_OK)
        leg->spent[leg->n_spent++] = ssrc;
}

void arc_leg_forget_spent(struct arc_leg *leg)
{
    for (int32_t i = 0; i < leg->n_spent; i++)
        arc_keymap_remove(leg->router->by_out,
                          arc_router_key(leg, leg->spent[i]));
    arc_mem_free(leg->spent);
    leg->spent   = NULL;
    leg->n_spent = leg->room_spent = 0;
}

/** Places for the SSRCs of one more route, for when it ends. */
static enum arc_status reserve_spent(struct arc_leg *leg)
{
    const int32_t need = leg->n_spent + 2 * (leg->n_routes + 1);
    int32_t room = leg->room_spent ? leg->room_spent : 8;
    uint32_t *wide;

    if (!leg->srtp_out || need <= leg->room_spent)
        return ARC_OK;
    while (room < need)
        room *= 2;
    if (room > MAX_SPENT_SSRCS)
        return ARC_ERR_LIMIT; /* re-key the leg */
    wide = arc_mem_zalloc((size_t)room, sizeof(*wide));
    if (!wide)
        return ARC_ERR_NOMEM;
    if (leg->n_spent > 0)
        memcpy(wide, leg->spent, (size_t)leg->n_spent * sizeof(*wide));
    arc_mem_free(leg->spent);
    leg->spent      = wide;
    leg->room_spent = room;
    return ARC_OK;
}

/* --- keys --------------------------------------------------------------------------- */

/* The application is told by the router's events. */
static void tell_key_events(struct arc_leg *leg, struct arc_srtp *srtp,
                            int64_t now_us)
{
    static const int32_t types[] = {
        [ARC_SRTP_EVENT_KEY_NEAR_LIMIT] = ARC_ROUTER_KEY_NEAR_LIMIT,
        [ARC_SRTP_EVENT_KEY_USED_UP]    = ARC_ROUTER_KEY_USED_UP,
        [ARC_SRTP_EVENT_KEY_RETIRED]    = ARC_ROUTER_KEY_RETIRED,
    };
    struct arc_srtp_event e;

    while (arc_srtp_poll_event(srtp, &e) == ARC_OK) {
        /* That what leaves has dropped its former key is no news. */
        if (e.type == ARC_SRTP_EVENT_KEY_RETIRED && srtp == leg->srtp_out)
            continue;
        arc_router_tell(leg->router, types[e.type], leg->id,
                        (int64_t)e.left_pkts, now_us);
    }
}

void arc_leg_keys_turn(struct arc_leg *leg, int64_t now_us)
{
    if (!leg->srtp_out)
        return;
    if (now_us >= leg->keys_us) {
        arc_srtp_expire(leg->srtp_in, now_us);
        leg->keys_us = arc_srtp_next_us(leg->srtp_in);
    }
    tell_key_events(leg, leg->srtp_out, now_us);
    tell_key_events(leg, leg->srtp_in, now_us);
}

enum arc_status arc_router_rekey(struct arc_router *r, int32_t id,
                                 const struct arc_srtp_key_config *send,
                                 const struct arc_srtp_key_config *receive,
                                 int64_t overlap_us, int64_t now_us)
{
    struct arc_leg *leg = arc_handles_get(&r->legs, id);
    enum arc_status status = ARC_OK;
    int32_t key;

    if (!leg || !leg->srtp_out || (!send && !receive) || overlap_us < 0)
        return ARC_ERR_ARG;
    if (receive) {
        status = arc_srtp_rekey(leg->srtp_in, receive, overlap_us, now_us,
                                &key);
        leg->keys_us = arc_srtp_next_us(leg->srtp_in);
        arc_leg_soon(leg, leg->keys_us);
    }
    if (!status && send) {
        status = arc_srtp_rekey(leg->srtp_out, send, 0, now_us, &key);
        arc_srtp_expire(leg->srtp_out, now_us);
        if (!status) /* another key: every SSRC is as good as new */
            arc_leg_forget_spent(leg);
    }
    return status;
}

/* --- tracks ------------------------------------------------------------------------- */

static bool history_ok(int32_t pkts, int64_t us)
{
    return pkts == 0 || (pkts >= 2 && pkts <= 32768 &&
                         (pkts & (pkts - 1)) == 0 && us >= ARC_US_PER_S &&
                         us <= 60 * ARC_US_PER_S);
}

static bool id_ok(int32_t id)
{
    return id >= 0 && id < ARC_ROUTER_EXT_IDS;
}

static bool track_config_ok(const struct arc_track_config *c)
{
    if (c->kind < ARC_TRACK_AUDIO || c->kind > ARC_TRACK_VIDEO ||
        c->codec < ARC_TRACK_OTHER || c->codec > ARC_TRACK_AV1 ||
        c->clock_hz < 1000 || c->clock_hz > 1000000 || c->payload_type < 0 ||
        c->payload_type > 127 || c->rtx_payload_type < -1 ||
        c->rtx_payload_type > 127 || c->payload_type == c->rtx_payload_type ||
        c->n_sources < 1 || c->n_sources > ARC_ROUTER_MAX_SOURCES ||
        !id_ok(c->rid_id) || !id_ok(c->repaired_rid_id) || !id_ok(c->level_id) ||
        !id_ok(c->depdesc_id) || !history_ok(c->history_pkts, c->history_us) ||
        c->group < -1 || (c->group >= 0 && c->kind != ARC_TRACK_AUDIO))
        return false;
    for (int32_t i = 0; i < c->n_sources; i++) {
        if (c->ssrc[i] == 0 && c->n_sources > 1 &&
            (c->rid_id == 0 || c->rid[i][0] == 0))
            return false; /* there is nothing to know it by */
        if (c->rid[i][ARC_ROUTER_RID_BYTES - 1] != 0)
            return false;
    }
    return true;
}

static int layer_codec(int32_t codec)
{
    static const int codecs[] = {
        [ARC_TRACK_OTHER] = ARC_LAYERCODEC_OTHER,
        [ARC_TRACK_H264]  = ARC_LAYERCODEC_H264,
        [ARC_TRACK_VP8]   = ARC_LAYERCODEC_VP8,
        [ARC_TRACK_VP9]   = ARC_LAYERCODEC_VP9,
        [ARC_TRACK_AV1]   = ARC_LAYERCODEC_AV1,
    };

    return codecs[codec];
}

static enum arc_status open_source(struct arc_source *source)
{
    const struct arc_track_config *c = &source->track->cfg;
    const bool video = c->kind == ARC_TRACK_VIDEO;
    struct arc_nackgen_config nack;
    enum arc_status status = ARC_OK;

    arc_unwrap_init(&source->seq);
    arc_rxstats_init(&source->stats, c->clock_hz);
    arc_keyreq_init(&source->key, ARC_KEYREQ_INTERVAL_US);
    if (source->track->layered && c->depdesc_id > 0) {
        source->reader = arc_mem_zalloc(1, sizeof(*source->reader));
        if (!source->reader)
            return ARC_ERR_NOMEM;
    }
    arc_layersource_init(&source->layers, layer_codec(c->codec),
                         source->reader);
    if (c->history_pkts > 0)
        status = arc_history_new(c->history_pkts, c->history_us,
                                 &source->history);
    if (!status && c->nack) {
        nack.max_missing_pkts = video ? 512 : 64;
        nack.max_tries        = 10;
        nack.reorder_wait_us  = 10000;
        nack.give_up_us       = ARC_US_PER_S;
        status = arc_nackgen_new(&nack, &source->nack);
    }
    return status;
}

static void free_track(struct arc_track *track)
{
    for (int32_t i = 0; track->sources && i < track->cfg.n_sources; i++) {
        arc_history_free(track->sources[i].history);
        arc_nackgen_free(track->sources[i].nack);
        arc_mem_free(track->sources[i].reader);
    }
    arc_mem_free(track->sources);
    arc_mem_free(track->routes);
    arc_mem_free(track);
}

enum arc_status arc_source_claim(struct arc_source *source, uint32_t ssrc,
                                 bool rtx)
{
    struct arc_leg *leg = source->track->leg;
    struct arc_keymap *map = rtx ? leg->router->by_rtx : leg->router->by_ssrc;
    enum arc_status status;

    if (arc_keymap_get(leg->router->by_ssrc, arc_router_key(leg, ssrc)) ||
        arc_keymap_get(leg->router->by_rtx, arc_router_key(leg, ssrc)))
        return ARC_ERR_ARG;
    status = arc_keymap_put(map, arc_router_key(leg, ssrc), source);
    if (!status)
        *(rtx ? &source->rtx_ssrc : &source->ssrc) = ssrc;
    return status;
}

/** SSRCs that its packets will tell. */
static int32_t unlearned(const struct arc_source *source)
{
    const struct arc_track_config *c = &source->track->cfg;

    return (source->ssrc == 0) +
           (c->rtx_payload_type >= 0 && source->rtx_ssrc == 0);
}

static void release_source(struct arc_source *source)
{
    struct arc_leg *leg = source->track->leg;
    struct arc_router *r = leg->router;

    leg->n_unlearned -= unlearned(source);
    if (source->ssrc)
        arc_keymap_remove(r->by_ssrc, arc_router_key(leg, source->ssrc));
    if (source->rtx_ssrc)
        arc_keymap_remove(r->by_rtx, arc_router_key(leg, source->rtx_ssrc));
    for (int32_t i = 0; i < leg->n_sources; i++) {
        if (leg->sources[i] == source) {
            leg->sources[i] = leg->sources[--leg->n_sources];
            return;
        }
    }
}

static enum arc_status enter_sources(struct arc_leg *leg,
                                     struct arc_track *track)
{
    const struct arc_track_config *c = &track->cfg;
    enum arc_status status = ARC_OK;

    for (int32_t i = 0; i < c->n_sources && !status; i++) {
        struct arc_source *source = &track->sources[i], **list;

        list = widened(leg->sources, leg->n_sources, &leg->room_sources);
        if (!list)
            return ARC_ERR_NOMEM;
        source->track = track;
        source->index = i;
        leg->sources = list;
        leg->sources[leg->n_sources++] = source;
        status = open_source(source);
        if (!status && c->ssrc[i])
            status = arc_source_claim(source, c->ssrc[i], false);
        if (!status && c->rtx_ssrc[i] && c->rtx_payload_type >= 0)
            status = arc_source_claim(source, c->rtx_ssrc[i], true);
        leg->n_unlearned += unlearned(source);
    }
    return status;
}

static void leave_sources(struct arc_track *track)
{
    for (int32_t i = 0; i < track->cfg.n_sources; i++)
        if (track->sources[i].track)
            release_source(&track->sources[i]);
}

/* --- groups ------------------------------------------------------------------------- */

static struct arc_group *group_of(const struct arc_router *r, int32_t number)
{
    struct arc_group *group = r->groups;

    while (group && group->number != number)
        group = group->next;
    return group;
}

static void free_group(struct arc_router *r, struct arc_group *group)
{
    struct arc_group **at = &r->groups;

    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    arc_loudest_free(group->loudest);
    arc_mem_free(group);
}

static enum arc_status add_group(struct arc_router *r, int32_t number,
                                 int32_t heard, struct arc_group **out)
{
    struct arc_group *group = arc_mem_zalloc(1, sizeof(*group));
    enum arc_status status;

    if (!group)
        return ARC_ERR_NOMEM;
    status = arc_loudest_new(ARC_LOUDEST_MAX_MEMBERS, heard, &group->loudest);
    if (status) {
        arc_mem_free(group);
        return status;
    }
    group->number = number;
    group->next   = r->groups;
    r->groups     = group;
    *out = group;
    return ARC_OK;
}

enum arc_status arc_router_set_group(struct arc_router *r, int32_t number,
                                     int32_t heard)
{
    struct arc_group *group = r && number >= 0 ? group_of(r, number) : NULL;

    if (!r || number < 0 || heard < 1 || heard > ARC_LOUDEST_MAX_PLACES ||
        (group && group->n_tracks > 0))
        return ARC_ERR_ARG;
    if (group)
        free_group(r, group);
    return add_group(r, number, heard, &group);
}

static enum arc_status join_group(struct arc_track *track)
{
    struct arc_router *r = track->leg->router;
    struct arc_group *group = group_of(r, track->cfg.group);
    enum arc_status status = ARC_OK;

    if (!group)
        status = add_group(r, track->cfg.group, ARC_GROUP_PLACES, &group);
    if (status)
        return status;
    track->member = arc_loudest_add(group->loudest);
    if (track->member < 0)
        return ARC_ERR_LIMIT;
    track->group = group;
    group->tracks[track->member] = track->id;
    group->n_tracks++;
    return ARC_OK;
}

static void leave_group(struct arc_track *track)
{
    struct arc_group *group = track->group;

    if (!group)
        return;
    arc_loudest_remove(group->loudest, track->member);
    if (--group->n_tracks == 0)
        free_group(track->leg->router, group);
}

enum arc_status arc_router_add_track(struct arc_router *r, int32_t leg_id,
                                     const struct arc_track_config *cfg,
                                     int64_t now_us, int32_t *id)
{
    struct arc_leg *leg = r ? arc_handles_get(&r->legs, leg_id) : NULL;
    struct arc_track *track;
    enum arc_status status = ARC_ERR_NOMEM;

    if (!leg || !cfg || !id || !track_config_ok(cfg))
        return ARC_ERR_ARG;
    track = arc_mem_zalloc(1, sizeof(*track));
    if (!track)
        return ARC_ERR_NOMEM;
    track->leg     = leg;
    track->cfg     = *cfg;
    track->layered = cfg->kind == ARC_TRACK_VIDEO &&
                     (cfg->codec != ARC_TRACK_OTHER || cfg->n_sources > 1);
    track->sources = arc_mem_zalloc((size_t)cfg->n_sources,
                                    sizeof(*track->sources));
    if (track->sources) {
        status = enter_sources(leg, track);
        if (!status)
            status = arc_handles_add(&r->tracks, track, &track->id);
        if (!status && cfg->group >= 0) {
            status = join_group(track);
            if (status)
                arc_handles_remove(&r->tracks, track->id);
        }
        if (status)
            leave_sources(track);
    }
    if (status) {
        free_track(track);
        return status;
    }
    arc_leg_soon(leg, now_us);
    r->stats.tracks++;
    *id = track->id;
    return ARC_OK;
}

enum arc_status arc_router_remove_track(struct arc_router *r, int32_t id)
{
    struct arc_track *track = arc_handles_remove(&r->tracks, id);

    if (!track)
        return ARC_ERR_ARG;
    while (track->n_routes > 0)
        arc_router_remove_route(r, track->routes[0]->id);
    leave_sources(track);
    leave_group(track);
    free_track(track);
    r->stats.tracks--;
    return ARC_OK;
}

/* --- routes ------------------------------------------------------------------------- */

static bool route_config_ok(const struct arc_route_config *c,
                            const struct arc_track *track)
{
    for (int i = 0; i < ARC_ROUTER_EXT_IDS; i++)
        if (c->ext_out[i] >= ARC_ROUTER_EXT_IDS)
            return false;
    return c->payload_type >= -1 && c->payload_type <= 127 &&
           c->rtx_payload_type >= -1 && c->rtx_payload_type <= 127 &&
           id_ok(c->mid_id) && c->mid[ARC_ROUTER_RID_BYTES - 1] == 0 &&
           (c->mid_id == 0 || c->mid[0] != 0) && c->source >= 0 &&
           c->source < track->cfg.n_sources && c->spatial >= -1 &&
           c->temporal >= -1;
}

/** An SSRC that is not in use on the leg: `wish`, or a random one. */
static bool take_ssrc(struct arc_leg *leg, uint32_t *wish)
{
    struct arc_router *r = leg->router;

    if (*wish)
        return !arc_keymap_get(r->by_out, arc_router_key(leg, *wish));
    do
        *wish = (uint32_t)arc_rng_u64(&r->rng);
    while (*wish == 0 || *wish == leg->ssrc ||
           arc_keymap_get(r->by_out, arc_router_key(leg, *wish)));
    return true;
}

static bool copies_extension(const struct arc_route *route)
{
    for (int i = 1; i < ARC_ROUTER_EXT_IDS; i++)
        if (route->cfg.ext_out[i])
            return true;
    return false;
}

static enum arc_status reserve(struct arc_leg *leg, struct arc_track *track)
{
    void *list = widened(leg->routes, leg->n_routes, &leg->room_routes);

    if (!list)
        return ARC_ERR_NOMEM;
    leg->routes = list;
    list = widened(track->routes, track->n_routes, &track->room_routes);
    if (!list)
        return ARC_ERR_NOMEM;
    track->routes = list;
    if (!leg->items)
        leg->items = arc_mem_zalloc((size_t)leg->queue_pkts,
                                    sizeof(*leg->items));
    return leg->items ? reserve_spent(leg) : ARC_ERR_NOMEM;
}

static enum arc_status name_route(struct arc_route *route)
{
    struct arc_leg *leg = route->leg;
    struct arc_keymap *map = leg->router->by_out;
    enum arc_status status = arc_keymap_put(
        map, arc_router_key(leg, route->ssrc), route);

    if (status || route->cfg.rtx_payload_type < 0)
        return status;
    status = arc_keymap_put(map, arc_router_key(leg, route->cfg.rtx_ssrc),
                            route);
    if (status)
        arc_keymap_remove(map, arc_router_key(leg, route->ssrc));
    return status;
}

static enum arc_status enter_route(struct arc_route *route)
{
    struct arc_leg *leg = route->leg;
    struct arc_track *track = route->track;
    struct arc_router *r = leg->router;
    enum arc_status status = reserve(leg, track);

    if (!status)
        status = arc_handles_add(&r->routes, route, &route->id);
    if (status)
        return status;
    status = name_route(route);
    if (status) {
        arc_handles_remove(&r->routes, route->id);
        return status;
    }
    route->at_leg   = leg->n_routes;
    route->at_track = track->n_routes;
    leg->routes[leg->n_routes++]       = route;
    track->routes[track->n_routes++]   = route;
    return ARC_OK;
}

static void want_layers(struct arc_route *route)
{
    const struct arc_route_config *c = &route->cfg;

    arc_layerselect_want(&route->select, c->source,
                         c->spatial < 0 ? ARC_LAYERS_ALL : c->spatial,
                         c->temporal < 0 ? ARC_LAYERS_ALL : c->temporal);
}

static void set_route(struct arc_route *route,
                      const struct arc_route_config *cfg)
{
    struct arc_router *r = route->leg->router;

    route->cfg          = *cfg;
    route->ssrc         = cfg->ssrc;
    route->payload_type = (uint8_t)(cfg->payload_type < 0
                                        ? route->track->cfg.payload_type
                                        : cfg->payload_type);
    route->paused       = cfg->paused;
    route->plain_ext    = cfg->mid_id == 0 && !copies_extension(route) &&
                          !route->leg->twcc_id && !route->leg->send_time_id;
    /* RFC 3550 §5.1: random; not in the upper half, so that what is sent before
     * does not wrap at once (RFC 3711 §3.3.1) */
    arc_rewrite_init(&route->numbers, (uint16_t)arc_rng_below(&r->rng, 0x8000),
                     (uint32_t)arc_rng_u64(&r->rng));
    route->rtx_seq16 = (uint16_t)arc_rng_below(&r->rng, 0x8000);
    arc_layerselect_init(&route->select);
    want_layers(route);
}

/** What was resent last, and how what is resent was edited. */
static enum arc_status prepare_resending(struct arc_route *route)
{
    if (route->cfg.rtx_payload_type < 0)
        return ARC_OK;
    route->resends = arc_mem_zalloc(ARC_ROUTE_RESENDS, sizeof(*route->resends));
    if (!route->resends)
        return ARC_ERR_NOMEM;
    if (!route->track->layered || route->track->cfg.codec <= ARC_TRACK_H264)
        return ARC_OK;
    route->edits = arc_mem_zalloc(ARC_ROUTE_EDITS, sizeof(*route->edits));
    return route->edits ? ARC_OK : ARC_ERR_NOMEM;
}

static void free_route(struct arc_route *route)
{
    arc_mem_free(route->resends);
    arc_mem_free(route->edits);
    arc_mem_free(route);
}

enum arc_status arc_router_add_route(struct arc_router *r, int32_t track_id,
                                     int32_t leg_id,
                                     struct arc_route_config *cfg,
                                     int64_t now_us, int32_t *id)
{
    struct arc_track *track = r ? arc_handles_get(&r->tracks, track_id) : NULL;
    struct arc_leg *leg = r ? arc_handles_get(&r->legs, leg_id) : NULL;
    struct arc_route *route;
    enum arc_status status;

    if (!track || !leg || !cfg || !id || track->leg == leg ||
        !route_config_ok(cfg, track) || !take_ssrc(leg, &cfg->ssrc))
        return ARC_ERR_ARG;
    if (cfg->rtx_payload_type >= 0 && (!take_ssrc(leg, &cfg->rtx_ssrc) ||
                                       cfg->rtx_ssrc == cfg->ssrc))
        return ARC_ERR_ARG;
    route = arc_mem_zalloc(1, sizeof(*route));
    if (!route)
        return ARC_ERR_NOMEM;
    route->track = track;
    route->leg   = leg;
    set_route(route, cfg);
    status = prepare_resending(route);
    if (!status)
        status = enter_route(route);
    if (status) {
        free_route(route);
        return status;
    }
    arc_leg_soon(leg, now_us);
    arc_route_ask(route, now_us);
    r->stats.routes++;
    *id = route->id;
    return ARC_OK;
}

enum arc_status arc_router_add_routes(struct arc_router *r,
                                      struct arc_route_request *requests,
                                      int32_t n, int64_t now_us)
{
    enum arc_status status = !r || (n > 0 && !requests) ? ARC_ERR_ARG : ARC_OK;
    int32_t made = 0;

    while (!status && made < n) {
        struct arc_route_request *q = &requests[made];

        status = arc_router_add_route(r, q->track, q->leg, &q->config, now_us,
                                      &q->route);
        made += status == ARC_OK;
    }
    while (status && made > 0)
        arc_router_remove_route(r, requests[--made].route);
    return status;
}

enum arc_status arc_router_remove_route(struct arc_router *r, int32_t id)
{
    struct arc_route *route = arc_handles_remove(&r->routes, id), *last;
    struct arc_leg *leg;
    struct arc_track *track;

    if (!route)
        return ARC_ERR_ARG;
    leg   = route->leg;
    track = route->track;
    arc_leg_forget_route(leg, route);
    last = leg->routes[--leg->n_routes];
    leg->routes[route->at_leg] = last;
    last->at_leg = route->at_leg;
    last = track->routes[--track->n_routes];
    track->routes[route->at_track] = last;
    last->at_track = route->at_track;
    spend(leg, route->ssrc);
    if (route->cfg.rtx_payload_type >= 0)
        spend(leg, route->cfg.rtx_ssrc);
    free_route(route);
    r->stats.routes--;
    return ARC_OK;
}

enum arc_status arc_router_remove_routes(struct arc_router *r,
                                         const int32_t *routes, int32_t n)
{
    if (!r || (n > 0 && !routes))
        return ARC_ERR_ARG;
    for (int32_t i = 0; i < n; i++)
        arc_router_remove_route(r, routes[i]);
    return ARC_OK;
}

enum arc_status arc_router_pause(struct arc_router *r, int32_t id, bool paused,
                                 int64_t now_us)
{
    struct arc_route *route = arc_handles_get(&r->routes, id);

    if (!route)
        return ARC_ERR_ARG;
    if (route->paused && !paused && route->track->layered)
        arc_layerselect_gone(&route->select, route->select.source);
    route->paused = paused;
    arc_route_ask(route, now_us);
    return ARC_OK;
}

enum arc_status arc_router_set_layers(struct arc_router *r, int32_t id,
                                      int32_t source, int32_t spatial,
                                      int32_t temporal, int64_t now_us)
{
    struct arc_route *route = arc_handles_get(&r->routes, id);

    if (!route || source < 0 || source >= route->track->cfg.n_sources ||
        spatial < -1 || spatial > ARC_LAYERS_ALL || temporal < -1 ||
        temporal > ARC_LAYERS_ALL)
        return ARC_ERR_ARG;
    route->cfg.source   = source;
    route->cfg.spatial  = spatial;
    route->cfg.temporal = temporal;
    want_layers(route);
    arc_route_ask(route, now_us);
    return ARC_OK;
}

/* --- the router --------------------------------------------------------------------- */

/** A deadline for each place of a leg. */
enum arc_status arc_router_make_room(struct arc_router *r)
{
    int64_t *wide;

    if (r->n_due >= r->legs.room)
        return ARC_OK;
    wide = arc_mem_zalloc((size_t)r->legs.room, sizeof(*wide));
    if (!wide)
        return ARC_ERR_NOMEM;
    for (int32_t i = 0; i < r->legs.room; i++)
        wide[i] = i < r->n_due ? r->due[i] : ARC_NEVER_US;
    arc_mem_free(r->due);
    r->due   = wide;
    r->n_due = r->legs.room;
    return ARC_OK;
}

static bool config_ok(const struct arc_router_config *c)
{
    return c->pool_pkts >= 256 && c->pool_pkts <= 1 << 20 && c->cname[0] != 0 &&
           memchr(c->cname, 0, sizeof(c->cname)) != NULL;
}

enum arc_status arc_router_new(const struct arc_router_config *cfg,
                               int64_t now_us, struct arc_router **out)
{
    struct arc_router *r;
    enum arc_status status;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    r = arc_mem_zalloc(1, sizeof(*r));
    if (!r)
        return ARC_ERR_NOMEM;
    r->cfg       = *cfg;
    r->dirty_end = &r->dirty;
    r->next_us   = ARC_NEVER_US;
    arc_rng_init(&r->rng, cfg->seed);
    status = arc_pkt_pool_new(cfg->pool_pkts, &r->pool);
    if (!status)
        status = arc_keymap_new(arc_rng_u64(&r->rng), &r->by_ssrc);
    if (!status)
        status = arc_keymap_new(arc_rng_u64(&r->rng), &r->by_rtx);
    if (!status)
        status = arc_keymap_new(arc_rng_u64(&r->rng), &r->by_out);
    if (!status)
        status = arc_ring_new(ARC_ROUTER_EVENT_RING,
                              sizeof(struct arc_router_event), &r->events);
    if (status) {
        arc_router_free(r);
        return status;
    }
    *out = r;
    return ARC_OK;
}

void arc_router_free(struct arc_router *r)
{
    if (!r)
        return;
    for (int32_t i = 0; i < r->legs.used; i++) {
        const struct arc_leg *leg = arc_handles_at(&r->legs, i);

        if (leg)
            arc_router_remove_leg(r, leg->id);
    }
    arc_pkt_unref(r->spare);
    arc_handles_close(&r->legs);
    arc_handles_close(&r->tracks);
    arc_handles_close(&r->routes);
    arc_keymap_free(r->by_ssrc);
    arc_keymap_free(r->by_rtx);
    arc_keymap_free(r->by_out);
    while (r->groups)
        free_group(r, r->groups);
    arc_ring_free(r->events);
    arc_pkt_pool_unref(r->pool);
    arc_mem_free(r->due);
    arc_mem_free(r);
}
