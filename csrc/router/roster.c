/**
 * @file router/roster.c  Routers, and the lists of who is there
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "router/parts.h"

/** A list with room for one more pointer, which may have moved; NULL: no memory. */
void *arc_router_widened(void *list, int32_t n, int32_t *room)
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

bool arc_router_id_ok(int32_t id)
{
    return id >= 0 && id < ARC_ROUTER_EXT_IDS;
}


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
        arc_router_free_group(r, r->groups);
    arc_ring_free(r->events);
    arc_pkt_pool_unref(r->pool);
    arc_mem_free(r->due);
    arc_mem_free(r);
}
