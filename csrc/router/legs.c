/**
 * @file router/legs.c  Legs come and go
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "router/parts.h"

enum {
    MIN_MTU_BYTES = 300,
    MAX_MTU_BYTES = 1500,
};

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
