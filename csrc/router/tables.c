/**
 * @file router/tables.c  Figures of all legs and streams, for those who watch
 */
#include <string.h>

#include "base/units.h"
#include "router/parts.h"

enum { ACTIVE_US = 2000000 };

static double rtt_ms(const struct arc_leg *leg)
{
    return leg->rtt.smoothed_us < 0 ? -1.0 : (double)leg->rtt.smoothed_us / 1e3;
}

static void read_source(const struct arc_source *source, int64_t now_us,
                        struct arc_stream_row *row)
{
    const struct arc_leg *leg = source->track->leg;
    struct arc_nackgen_stats nack;

    memset(&nack, 0, sizeof(nack));
    if (source->nack)
        arc_nackgen_stats(source->nack, &nack);
    row->leg                   = leg->id;
    row->stream                = source->track->id;
    row->source                = source->index;
    row->direction             = ARC_STREAM_INBOUND;
    row->kind                  = source->track->cfg.kind;
    row->ssrc                  = source->ssrc;
    row->active                = source->started &&
                                 now_us - source->last_us < ACTIVE_US;
    row->packets               = source->stats.received;
    row->bytes                 = source->stats.bytes;
    row->retransmitted_packets = source->stats.recovered;
    row->packets_lost          = arc_rxstats_lost(&source->stats);
    row->nack_count            = nack.requested;
    row->pli_count             = (int64_t)source->key.n_sent;
    row->packets_duplicated    = source->stats.duplicates;
    row->packets_reordered     = source->stats.reordered;
    row->packets_ect1          = source->ect1_pkts;
    row->packets_ce            = source->ce_pkts;
    row->jitter_ms             = arc_rxstats_jitter_ms(&source->stats);
    row->round_trip_ms         = rtt_ms(leg);
}

static void read_route(const struct arc_route *route, int64_t now_us,
                       struct arc_stream_row *row)
{
    const struct arc_route_counts *c = &route->counts;

    row->leg                   = route->leg->id;
    row->stream                = route->id;
    row->source                = route->numbers.source;
    row->direction             = ARC_STREAM_OUTBOUND;
    row->kind                  = route->track->cfg.kind;
    row->ssrc                  = route->ssrc;
    row->active                = route->sent_any &&
                                 now_us - route->last_us < ACTIVE_US;
    row->packets               = c->pkts;
    row->bytes                 = c->bytes;
    row->retransmitted_packets = c->rtx_pkts;
    row->retransmitted_bytes   = c->rtx_bytes;
    row->packets_lost          = route->remote_lost;
    row->nack_count            = c->nacked_pkts;
    row->pli_count             = c->key_requests;
    row->packets_discarded     = c->paused + c->layer + c->unheard +
                                 c->unplaced + c->queue_full;
    row->fraction_lost         = route->remote_loss;
    row->jitter_ms             = route->remote_jitter_ms;
    row->round_trip_ms         = rtt_ms(route->leg);
}

/** The next row, if there is room for it. */
static struct arc_stream_row *row_at(struct arc_stream_row *rows, int32_t cap,
                                     int32_t i, int32_t owner)
{
    if (i >= cap)
        return NULL;
    memset(&rows[i], 0, sizeof(rows[i]));
    rows[i].owner = owner;
    return &rows[i];
}

int32_t arc_router_leg_places(const struct arc_router *r)
{
    return r->legs.used;
}

int32_t arc_router_read_leg_streams(const struct arc_router *r, int32_t place,
                                    int32_t owner, struct arc_stream_row *rows,
                                    int32_t cap, int64_t now_us)
{
    const struct arc_leg *leg = arc_handles_at(&r->legs, place);
    int32_t n = 0;

    for (int32_t k = 0; leg && k < leg->n_sources; k++) {
        struct arc_stream_row *row = row_at(rows, cap, n++, owner);

        if (row)
            read_source(leg->sources[k], now_us, row);
    }
    for (int32_t k = 0; leg && k < leg->n_routes; k++) {
        struct arc_stream_row *row = row_at(rows, cap, n++, owner);

        if (row)
            read_route(leg->routes[k], now_us, row);
    }
    return n;
}

int32_t arc_router_read_streams(const struct arc_router *r, int32_t owner,
                                struct arc_stream_row *rows, int32_t cap,
                                int64_t now_us)
{
    int32_t n = 0;

    for (int32_t i = 0; i < r->legs.used; i++)
        n += arc_router_read_leg_streams(r, i, owner, n < cap ? rows + n : NULL,
                                         n < cap ? cap - n : 0, now_us);
    return n;
}

static void read_leg(const struct arc_leg *leg, struct arc_leg_row *row)
{
    const struct arc_leg_counts *c = &leg->counts;

    row->id             = leg->id;
    row->sources        = leg->n_sources;
    row->routes         = leg->n_routes;
    row->queued_pkts    = leg->n_items;
    row->silent         = leg->silent;
    row->received_pkts  = c->received_pkts;
    row->received_bytes = c->received_bytes;
    row->sent_pkts      = c->sent_pkts;
    row->sent_bytes     = c->sent_bytes;
    row->rtcp_received  = c->rtcp_received;
    row->rtcp_sent      = c->rtcp_sent;
    row->nack_received  = c->nack_received;
    row->nack_sent      = c->nack_sent;
    row->pli_received   = c->pli_received;
    row->pli_sent       = c->pli_sent;
    row->queue_full     = c->queue_full;
    row->seal_failed    = c->seal_failed;
    row->too_long       = c->too_long;
    row->round_trip_ms  = rtt_ms(leg);
}

int32_t arc_router_read_legs(const struct arc_router *r,
                             struct arc_leg_row *rows, int32_t cap)
{
    int32_t n = 0;

    for (int32_t i = 0; i < r->legs.used; i++) {
        const struct arc_leg *leg = arc_handles_at(&r->legs, i);

        if (leg && n < cap)
            read_leg(leg, &rows[n]);
        n += leg != NULL;
    }
    return n;
}

enum arc_status arc_router_read_leg(const struct arc_router *r, int32_t leg,
                                    struct arc_leg_row *out)
{
    const struct arc_leg *found = arc_handles_get(&r->legs, leg);

    if (!found || !out)
        return ARC_ERR_ARG;
    read_leg(found, out);
    return ARC_OK;
}
