/**
 * @file router/routes.c  Routes come and go, pause, and change layers
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "router/parts.h"

static bool route_config_ok(const struct arc_route_config *c,
                            const struct arc_track *track)
{
    for (int i = 0; i < ARC_ROUTER_EXT_IDS; i++)
        if (c->ext_out[i] >= ARC_ROUTER_EXT_IDS)
            return false;
    return c->payload_type >= -1 && c->payload_type <= 127 &&
           c->rtx_payload_type >= -1 && c->rtx_payload_type <= 127 &&
           arc_router_id_ok(c->mid_id) && c->mid[ARC_ROUTER_RID_BYTES - 1] == 0 &&
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
    void *list = arc_router_widened(leg->routes, leg->n_routes,
                                    &leg->room_routes);

    if (!list)
        return ARC_ERR_NOMEM;
    leg->routes = list;
    list = arc_router_widened(track->routes, track->n_routes,
                              &track->room_routes);
    if (!list)
        return ARC_ERR_NOMEM;
    track->routes = list;
    if (!leg->items)
        leg->items = arc_mem_zalloc((size_t)leg->queue_pkts,
                                    sizeof(*leg->items));
    return leg->items ? arc_leg_reserve_spent(leg) : ARC_ERR_NOMEM;
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
    route->credit = ARC_ROUTE_CREDIT;
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
    arc_leg_spend(leg, route->ssrc);
    if (route->cfg.rtx_payload_type >= 0)
        arc_leg_spend(leg, route->cfg.rtx_ssrc);
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
