/**
 * @file router/legkeys.c  What a leg's keys have seen, and their change
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "router/parts.h"

enum { MAX_SPENT_SSRCS = 1 << 16 }; /* with one key of a leg */

/* --- SSRCs that were sent ---------------------------------------------------------- */

/* An SSRC that a route of a leg had, and its key has seen: it may not be sent
 * with that key again (RFC 7714 §8.4). In by_out r->spent stands for it. */

void arc_leg_spend(struct arc_leg *leg, uint32_t ssrc)
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
enum arc_status arc_leg_reserve_spent(struct arc_leg *leg)
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
