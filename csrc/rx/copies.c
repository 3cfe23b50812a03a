/**
 * @file rx/copies.c  Redundant blocks of one received stream, by media time
 */
#include <string.h>

#include "base/mem.h"
#include "rx/copies.h"

/* Blocks stand in order of their time, in a ring whose first is at `head`: most
 * come in order, and the earliest go first. */
struct arc_copies {
    struct arc_copies_stats stats;
    struct arc_rxpkt       *blocks;
    int32_t                 capacity;
    int32_t                 head;
    int32_t                 count;
    int64_t                 floor_ts; /* what is before it was played         */
};

enum arc_status arc_copies_new(int32_t capacity, struct arc_copies **out)
{
    struct arc_copies *c;

    if (!out || capacity < 1 || capacity > ARC_COPIES_MAX_CAPACITY)
        return ARC_ERR_ARG;
    c = arc_mem_zalloc(1, sizeof(*c));
    if (!c)
        return ARC_ERR_NOMEM;
    c->blocks = arc_mem_zalloc((size_t)capacity, sizeof(*c->blocks));
    if (!c->blocks) {
        arc_mem_free(c);
        return ARC_ERR_NOMEM;
    }
    c->capacity = capacity;
    c->floor_ts = -ARC_RXPKT_MAX_TS;
    *out = c;
    return ARC_OK;
}

void arc_copies_free(struct arc_copies *c)
{
    if (!c)
        return;
    arc_copies_reset(c);
    arc_mem_free(c->blocks);
    arc_mem_free(c);
}

static struct arc_rxpkt *at(const struct arc_copies *c, int32_t i)
{
    return &c->blocks[(c->head + i) % c->capacity];
}

/** Index of the first block at or after `ts`; from the end, where it mostly is. */
static int32_t place_of(const struct arc_copies *c, int64_t ts)
{
    int32_t i = c->count;

    while (i > 0 && at(c, i - 1)->ts >= ts)
        i--;
    return i;
}

static void drop_first(struct arc_copies *c)
{
    arc_rxpkt_unref(at(c, 0));
    c->head = (c->head + 1) % c->capacity;
    c->count--;
}

static enum arc_status replace(struct arc_copies *c, struct arc_rxpkt *old,
                               const struct arc_rxpkt *p)
{
    if (p->payload_len <= old->payload_len) {
        c->stats.worse++;
        return ARC_ERR_REPLAY;
    }
    arc_rxpkt_ref(p);
    arc_rxpkt_unref(old);
    *old = *p;
    c->stats.kept++;
    c->stats.replaced++;
    return ARC_OK;
}

static void insert(struct arc_copies *c, int32_t place,
                   const struct arc_rxpkt *p)
{
    for (int32_t i = c->count; i > place; i--)
        *at(c, i) = *at(c, i - 1);
    *at(c, place) = *p;
    arc_rxpkt_ref(p);
    c->count++;
    c->stats.kept++;
}

enum arc_status arc_copies_push(struct arc_copies *c, const struct arc_rxpkt *p)
{
    int32_t place;

    if (!p || !arc_rxpkt_in_range(p) || p->payload_len < 1)
        return ARC_ERR_ARG;
    if (p->ts < c->floor_ts) {
        c->stats.late++;
        return ARC_ERR_OLD;
    }
    place = place_of(c, p->ts);
    if (place < c->count && at(c, place)->ts == p->ts)
        return replace(c, at(c, place), p);
    if (c->count == c->capacity) {
        c->stats.overflow++;
        if (place == 0)
            return ARC_ERR_OLD; /* it is itself the earliest */
        drop_first(c);
        place--;
    }
    insert(c, place, p);
    return ARC_OK;
}

enum arc_status arc_copies_next(const struct arc_copies *c, int64_t ts,
                                struct arc_rxpkt *out)
{
    int32_t place = place_of(c, ts);

    if (place == c->count)
        return ARC_AGAIN;
    *out = *at(c, place);
    return ARC_OK;
}

enum arc_status arc_copies_find(const struct arc_copies *c, int64_t ts,
                                struct arc_rxpkt *out)
{
    int32_t place = place_of(c, ts);

    if (place == c->count || at(c, place)->ts != ts)
        return ARC_AGAIN;
    *out = *at(c, place);
    return ARC_OK;
}

void arc_copies_drop_before(struct arc_copies *c, int64_t ts)
{
    while (c->count > 0 && at(c, 0)->ts < ts)
        drop_first(c);
    if (ts > c->floor_ts)
        c->floor_ts = ts;
}

void arc_copies_reset(struct arc_copies *c)
{
    while (c->count > 0)
        drop_first(c);
    c->floor_ts = -ARC_RXPKT_MAX_TS;
}

void arc_copies_stats(const struct arc_copies *c, struct arc_copies_stats *out)
{
    *out       = c->stats;
    out->depth = c->count;
}
