/**
 * @file router/tracks.c  Tracks and their sources come and go
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "router/parts.h"

static bool history_ok(int32_t pkts, int64_t us)
{
    return pkts == 0 || (pkts >= 2 && pkts <= 32768 &&
                         (pkts & (pkts - 1)) == 0 && us >= ARC_US_PER_S &&
                         us <= 60 * ARC_US_PER_S);
}

static bool track_config_ok(const struct arc_track_config *c)
{
    if (c->kind < ARC_TRACK_AUDIO || c->kind > ARC_TRACK_VIDEO ||
        c->codec < ARC_TRACK_OTHER || c->codec > ARC_TRACK_AV1 ||
        c->clock_hz < 1000 || c->clock_hz > 1000000 || c->payload_type < 0 ||
        c->payload_type > 127 || c->rtx_payload_type < -1 ||
        c->rtx_payload_type > 127 || c->payload_type == c->rtx_payload_type ||
        c->n_sources < 1 || c->n_sources > ARC_ROUTER_MAX_SOURCES ||
        !arc_router_id_ok(c->rid_id) ||
        !arc_router_id_ok(c->repaired_rid_id) ||
        !arc_router_id_ok(c->level_id) || !arc_router_id_ok(c->depdesc_id) ||
        !history_ok(c->history_pkts, c->history_us) ||
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

        list = arc_router_widened(leg->sources, leg->n_sources,
                                  &leg->room_sources);
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
            status = arc_track_join_group(track);
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
    arc_track_leave_group(track);
    free_track(track);
    r->stats.tracks--;
    return ARC_OK;
}
