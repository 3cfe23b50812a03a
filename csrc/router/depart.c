/**
 * @file router/depart.c  Packets out: queue of a leg > pace > header > SRTP > train
 *
 * A packet is written once: its header with the subscriber's numbers, and its
 * payload by the cipher, straight from the packet that all subscribers share
 * into the train.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "router/parts.h"

enum { BURST_US = 5000 }; /* of the pace that may leave at once */

/* --- which legs have something ---------------------------------------------------- */

void arc_leg_mark(struct arc_leg *leg)
{
    struct arc_router *r = leg->router;

    if (leg->dirty)
        return;
    leg->dirty      = true;
    leg->next_dirty = NULL;
    *r->dirty_end   = leg;
    r->dirty_end    = &leg->next_dirty;
}

static void pop_dirty(struct arc_router *r)
{
    struct arc_leg *leg = r->dirty;

    leg->dirty = false;
    r->dirty   = leg->next_dirty;
    if (!r->dirty)
        r->dirty_end = &r->dirty;
}

void arc_leg_unmark(struct arc_leg *leg)
{
    struct arc_router *r = leg->router;
    struct arc_leg **at = &r->dirty;

    if (!leg->dirty)
        return;
    while (*at != leg)
        at = &(*at)->next_dirty;
    *at = leg->next_dirty;
    if (!*at)
        r->dirty_end = at;
    leg->dirty = false;
}

/* --- the queue ---------------------------------------------------------------------- */

static struct arc_item *item_at(const struct arc_leg *leg, int32_t i)
{
    int32_t at = leg->first_item + i;

    return &leg->items[at < leg->queue_pkts ? at : at - leg->queue_pkts];
}

/** Take a packet for a subscriber, with a reference of its own. @return false:
 *  the queue is full; it is lost as the network might lose it, and counted */
bool arc_leg_enqueue(struct arc_leg *leg, const struct arc_item *item)
{
    if (leg->n_items == leg->queue_pkts) {
        leg->counts.queue_full++;
        item->route->counts.queue_full++;
        leg->router->stats.unsent.queue_full += item->kind == ARC_ITEM_MEDIA;
        return false;
    }
    arc_pkt_ref(item->pkt);
    *item_at(leg, leg->n_items++) = *item;
    leg->router->stats.queued_pkts += item->kind == ARC_ITEM_MEDIA;
    if (leg->hold_us == 0 || leg->n_items >= leg->train_pkts)
        arc_leg_mark(leg);
    else if (leg->n_items == 1)
        arc_leg_soon(leg, item->queued_us + leg->hold_us);
    return true;
}

/** Packets that were held back, or paced, may leave now; or later. */
void arc_leg_release(struct arc_leg *leg, int64_t now_us)
{
    int64_t at_us;

    if (leg->n_items == 0 || leg->dirty)
        return;
    at_us = item_at(leg, 0)->queued_us + leg->hold_us;
    if (now_us >= at_us)
        arc_leg_mark(leg);
    else
        arc_leg_soon(leg, at_us);
}

static void drop_first(struct arc_leg *leg, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        const struct arc_item *item = item_at(leg, i);

        leg->router->stats.queued_pkts -= item->kind == ARC_ITEM_MEDIA;
        arc_pkt_unref(item->pkt);
    }
    leg->n_items -= n;
    leg->first_item = leg->n_items == 0 ? 0 : /* what is hot stays hot */
                          (leg->first_item + n) % leg->queue_pkts;
}

void arc_leg_empty(struct arc_leg *leg)
{
    for (int32_t i = 0; i < leg->n_items; i++)
        leg->router->stats.unsent.gone += item_at(leg, i)->kind == ARC_ITEM_MEDIA;
    drop_first(leg, leg->n_items);
}

/** A route ends: what waits of it will never leave. */
void arc_leg_forget_route(struct arc_leg *leg, const struct arc_route *route)
{
    int32_t kept = 0;

    for (int32_t i = 0; i < leg->n_items; i++) {
        struct arc_item *item = item_at(leg, i);

        if (item->route != route) {
            *item_at(leg, kept++) = *item;
            continue;
        }
        leg->router->stats.unsent.gone    += item->kind == ARC_ITEM_MEDIA;
        leg->router->stats.queued_pkts -= item->kind == ARC_ITEM_MEDIA;
        arc_pkt_unref(item->pkt);
    }
    leg->n_items = kept;
}

/* --- a train ------------------------------------------------------------------------ */

/** The packets of a train being made. */
struct load {
    int32_t              n;
    struct arc_srtp_unit units[ARC_TRAIN_MAX_SEGMENTS];
    struct arc_item     *items[ARC_TRAIN_MAX_SEGMENTS];
    int32_t              payload_bytes[ARC_TRAIN_MAX_SEGMENTS];
};

/** Write a packet at `out`, all but its encryption; changes nothing else. */
static void write_packet(struct load *l, struct arc_item *item, int64_t now_us,
                         uint8_t *out, size_t cap)
{
    const struct arc_leg *leg = item->route->leg;
    const size_t in_head = arc_item_head_bytes(item->pkt->data);
    const uint8_t *payload = item->pkt->data + in_head;
    const size_t payload_bytes = (size_t)item->pkt->len - in_head;
    const bool copied = item->kind == ARC_ITEM_RESENT || item->edited ||
                        !leg->srtp_out;
    struct arc_srtp_unit *unit = &l->units[l->n];
    size_t n = arc_item_write_header(item, now_us, out);

    if (item->kind == ARC_ITEM_RESENT)
        n = arc_item_make_resent(item, out, n);
    if (copied)
        memcpy(out + n, payload, payload_bytes);
    if (item->edited)
        arc_layeredit_apply(&item->edit, out + n, payload_bytes);
    unit->srtp    = leg->srtp_out;
    unit->data    = out;
    unit->payload = copied ? NULL : payload;
    unit->len     = n + payload_bytes;
    unit->cap     = cap;
    unit->status  = ARC_OK;
    l->items[l->n]         = item;
    l->payload_bytes[l->n] = (int32_t)payload_bytes;
}

/** The packet just written goes with the train. */
static void accept(struct arc_leg *leg, struct load *l,
                   struct arc_train *train, int32_t bytes)
{
    struct arc_item *item = l->items[l->n];

    if (l->n == 0)
        train->segment_bytes = bytes;
    train->len += bytes;
    if (item->kind == ARC_ITEM_RESENT)
        item->route->rtx_seq16++;
    if (leg->twcc_id)
        leg->twcc_seq16++;
    l->n++;
}

/** Most that a packet can take in a train. */
static size_t most_bytes(const struct arc_leg *leg, const struct arc_item *item)
{
    return (size_t)item->pkt->len + (size_t)leg->overhead_bytes +
           ARC_ITEM_OSN_BYTES + (item->route->plain_ext ? 0 : ARC_ITEM_EXT_BYTES);
}

/** Bits that may leave now. */
static int64_t budget(struct arc_leg *leg, int64_t now_us)
{
    const int64_t most = arc_max_i64(leg->pace_bps * BURST_US / ARC_US_PER_S,
                                     8 * (int64_t)leg->mtu_bytes);
    int64_t passed_us = arc_min_i64(now_us - leg->budget_us, ARC_US_PER_S);

    leg->budget_us   = now_us;
    leg->budget_bits = arc_min_i64(leg->budget_bits +
                                   leg->pace_bps * passed_us / ARC_US_PER_S,
                                   most);
    return leg->budget_bits;
}

/** Fill a train: all equal, and the last may be shorter.
 *  @return packets of the queue that are done with when the train is */
static int32_t fill(struct arc_leg *leg, int64_t now_us, uint8_t *room,
                    size_t cap, struct load *l, struct arc_train *train)
{
    const int32_t most = leg->n_items < leg->train_pkts ? leg->n_items
                                                        : leg->train_pkts;
    int64_t bits = leg->pace_bps ? budget(leg, now_us) : INT64_MAX;
    struct arc_router_unsent *unsent = &leg->router->stats.unsent;
    int32_t taken = 0, bytes = 0;

    while (taken < most && bits > 0 && bytes == train->segment_bytes) {
        struct arc_item *item = item_at(leg, taken);
        const size_t left = cap - (size_t)train->len;

        if (most_bytes(leg, item) > left)
            break;
        write_packet(l, item, now_us, room + train->len, left);
        bytes = (int32_t)l->units[l->n].len + leg->overhead_bytes;
        if (bytes > leg->mtu_bytes) {
            leg->counts.too_long++;
            unsent->too_long += item->kind == ARC_ITEM_MEDIA;
            bytes = train->segment_bytes;
        } else if (l->n > 0 && bytes > train->segment_bytes) {
            break;
        } else {
            accept(leg, l, train, bytes);
            bits -= 8 * (int64_t)bytes;
        }
        taken++;
    }
    if (leg->pace_bps)
        leg->budget_bits = bits;
    return taken;
}

static void count_left(const struct load *l, int32_t i)
{
    const struct arc_item *item = l->items[i];
    struct arc_route *route = item->route;

    if (item->kind == ARC_ITEM_RESENT) {
        route->counts.rtx_pkts++;
        route->leg->router->stats.resent_pkts++;
        route->counts.rtx_bytes += l->payload_bytes[i];
        return;
    }
    route->counts.pkts++;
    route->credit += route->credit < ARC_ROUTE_CREDIT;
    route->leg->router->stats.forwarded_pkts++;
    route->counts.bytes += l->payload_bytes[i];
    route->last_ts  = arc_get_u32(item->pkt->data + 4) + item->ts_offset;
    route->last_us  = item->pkt->time_us;
    route->sent_any = true;
}

static void note_age(struct arc_train *train, const struct arc_item *item)
{
    const int64_t came_us = item->pkt->time_us;

    if (item->kind == ARC_ITEM_MEDIA &&
        (train->oldest_us == 0 || came_us < train->oldest_us))
        train->oldest_us = came_us;
}

/** Encrypt all. What the cipher refuses (a key that is used up) is left out. */
static void seal(struct arc_leg *leg, struct arc_srtp_batch *work,
                 struct load *l, struct arc_train *train)
{
    const int32_t full = train->segment_bytes;
    uint8_t *to = train->data;

    if (leg->srtp_out)
        arc_srtp_protect_units(work, l->units, (size_t)l->n);
    for (int32_t i = 0; i < l->n; i++) {
        const struct arc_srtp_unit *unit = &l->units[i];

        if (unit->status) {
            leg->counts.seal_failed++;
            leg->router->stats.unsent.seal_failed +=
                l->items[i]->kind == ARC_ITEM_MEDIA;
            continue;
        }
        if (to != unit->data)
            memmove(to, unit->data, unit->len);
        to += unit->len;
        note_age(train, l->items[i]);
        leg->counts.sent_pkts++;
        count_left(l, i);
    }
    train->len = (int32_t)(to - train->data);
    train->segment_bytes = train->len < full ? train->len : full;
    leg->counts.sent_bytes += train->len;
}

/** An RTCP packet goes alone. */
static void take_rtcp(struct arc_leg *leg, struct arc_train *train)
{
    struct arc_pkt *pkt = leg->rtcp_out[0];

    memcpy(train->data, pkt->data, (size_t)pkt->len);
    train->len = train->segment_bytes = pkt->len;
    arc_pkt_unref(pkt);
    leg->n_rtcp_out--;
    memmove(leg->rtcp_out, leg->rtcp_out + 1,
            (size_t)leg->n_rtcp_out * sizeof(leg->rtcp_out[0]));
    leg->counts.sent_pkts++;
    leg->counts.sent_bytes += train->len;
    leg->counts.rtcp_sent++;
    leg->router->stats.sent_rtcp++;
}

/** The next train of a leg. @return false: nothing may leave now */
static bool next_train(struct arc_leg *leg, int64_t now_us,
                       struct arc_srtp_batch *work, size_t cap,
                       struct arc_train *train)
{
    struct load l;
    int32_t taken;

    if (leg->n_rtcp_out > 0) {
        take_rtcp(leg, train);
        return true;
    }
    l.n   = 0;
    train->ecn = leg->ecn; /* RFC 6679 §7.2.1: of media, not of RTCP */
    taken = fill(leg, now_us, train->data, cap, &l, train);
    if (taken == 0 && leg->n_items > 0 && leg->pace_bps == 0) {
        leg->counts.too_long++; /* for any train */
        leg->router->stats.unsent.too_long +=
            item_at(leg, 0)->kind == ARC_ITEM_MEDIA;
        taken = 1;
    }
    if (l.n > 0)
        seal(leg, work, &l, train);
    drop_first(leg, taken);
    return train->len > 0;
}

/** A leg has nothing that may leave now; perhaps later. */
static void put_aside(struct arc_leg *leg, int64_t now_us)
{
    pop_dirty(leg->router);
    if (leg->n_items > 0 && leg->pace_bps > 0)
        arc_leg_soon(leg, now_us + 1 - leg->budget_bits * ARC_US_PER_S /
                                           leg->pace_bps);
}

static void run_timers(struct arc_router *r, int64_t now_us)
{
    int64_t next_us = ARC_NEVER_US;

    r->next_us = ARC_NEVER_US;
    for (int32_t i = 0; i < r->legs.used; i++) {
        struct arc_leg *leg;

        if (r->due[i] > now_us) {
            next_us = arc_min_i64(next_us, r->due[i]);
            continue;
        }
        r->due[i] = ARC_NEVER_US;
        leg = arc_handles_at(&r->legs, i);
        if (leg)
            arc_leg_turn(leg, now_us); /* says when it wants to come again */
    }
    r->next_us = arc_min_i64(r->next_us, next_us);
}

enum arc_status arc_router_transmit(struct arc_router *r, int64_t now_us,
                                    struct arc_srtp_batch *work, uint8_t *room,
                                    size_t cap, int32_t *leg,
                                    struct arc_train *out)
{
    if (!room || cap < ARC_PKT_CAP_BYTES)
        return ARC_ERR_SPACE;
    if (now_us >= r->next_us)
        run_timers(r, now_us);
    cap = cap < ARC_TRAIN_MAX_BYTES ? cap : ARC_TRAIN_MAX_BYTES;
    while (r->dirty) {
        struct arc_leg *first = r->dirty;

        memset(out, 0, sizeof(*out));
        out->data = room;
        if (next_train(first, now_us, work, cap, out)) {
            *leg = first->id;
            r->stats.trains++;
            r->stats.sent_bytes += out->len;
            r->stats.sent_pkts += (out->len + out->segment_bytes - 1) /
                                  out->segment_bytes;
            return ARC_OK;
        }
        if (first->n_items == 0 || first->pace_bps > 0)
            put_aside(first, now_us);
    }
    return ARC_AGAIN;
}

int64_t arc_router_next_us(const struct arc_router *r)
{
    return r->dirty ? 0 : r->next_us;
}
