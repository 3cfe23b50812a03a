/**
 * @file tx/pacer.c  Bounded priority queue of packets that leave at a paced rate
 */
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "tx/pacer.h"

enum {
    MIN_CAPACITY   = 8,
    MAX_CAPACITY   = 65536,
    AUDIO_RESERVE  = 8,    /* an eighth of the room                          */
    MAX_OVERHEAD   = 1000,
    BITS_PER_BYTE  = 8,
    NONE           = -1
};

#define MAX_RATE_BPS     INT64_C(10000000000)
#define DEFAULT_BURST_US (5 * ARC_US_PER_MS)
#define MAX_BURST_US     ARC_US_PER_S
#define DEFAULT_QUEUE_US (2 * ARC_US_PER_S)
#define MIN_QUEUE_US     ARC_US_PER_MS
#define MAX_QUEUE_US     (60 * ARC_US_PER_S)
#define MAX_DEBT_US      (500 * ARC_US_PER_MS)

/* The queue drains within no less than this, or one late timer would make a
 * burst of the whole of it. */
#define MIN_DRAIN_US     (5 * ARC_US_PER_MS)

struct node {
    struct arc_pacer_item item;
    int32_t               bytes; /* charged                        */
    int32_t               next;  /* index in `nodes`, or NONE      */
};

struct queue {
    int32_t first;
    int32_t last;
};

/* Longest time that one refill counts; any debt is paid by then. */
#define MAX_REFILL_US    (600 * ARC_US_PER_S)

/* Budget in bit-microseconds (1e-6 bit): rate_bps * elapsed_us is exact. The
 * largest product, 1e10 bit/s for MAX_REFILL_US, is 6e18 and fits. */
struct arc_pacer {
    struct arc_pacer_config cfg;
    struct arc_pacer_stats  stats;
    struct node            *nodes;
    int32_t                 free_list;
    struct queue            queues[ARC_PACER_CLASSES];
    int64_t                 budget;     /* bit-us; negative: in debt      */
    int64_t                 refilled_us;
    bool                    started;    /* refilled_us is known           */
};

static bool config_ok(const struct arc_pacer_config *c)
{
    return c->capacity_pkts >= MIN_CAPACITY &&
           c->capacity_pkts <= MAX_CAPACITY && c->rate_bps >= 0 &&
           c->rate_bps <= MAX_RATE_BPS && c->burst_us >= 0 &&
           c->burst_us <= MAX_BURST_US && c->max_queue_us >= MIN_QUEUE_US &&
           c->max_queue_us <= MAX_QUEUE_US && c->overhead_bytes >= 0 &&
           c->overhead_bytes <= MAX_OVERHEAD;
}

static void init_lists(struct arc_pacer *p)
{
    for (int32_t i = 0; i < p->cfg.capacity_pkts; i++)
        p->nodes[i].next = i + 1 < p->cfg.capacity_pkts ? i + 1 : NONE;
    p->free_list = 0;
    for (int c = 0; c < ARC_PACER_CLASSES; c++)
        p->queues[c].first = p->queues[c].last = NONE;
}

enum arc_status arc_pacer_new(const struct arc_pacer_config *cfg,
                              struct arc_pacer **out)
{
    struct arc_pacer_config c;
    struct arc_pacer *p;

    if (!cfg || !out)
        return ARC_ERR_ARG;
    c = *cfg;
    if (c.burst_us == 0)
        c.burst_us = DEFAULT_BURST_US;
    if (c.max_queue_us == 0)
        c.max_queue_us = DEFAULT_QUEUE_US;
    if (!config_ok(&c))
        return ARC_ERR_ARG;

    p = arc_mem_zalloc(1, sizeof(*p));
    if (!p)
        return ARC_ERR_NOMEM;
    p->cfg   = c;
    p->nodes = arc_mem_zalloc((size_t)c.capacity_pkts, sizeof(*p->nodes));
    if (!p->nodes) {
        arc_pacer_free(p);
        return ARC_ERR_NOMEM;
    }
    init_lists(p);
    p->budget = c.burst_us * c.rate_bps;

    *out = p;
    return ARC_OK;
}

void arc_pacer_free(struct arc_pacer *p)
{
    if (!p)
        return;
    for (int c = 0; p->nodes && c < ARC_PACER_CLASSES; c++) {
        for (int32_t i = p->queues[c].first; i != NONE; i = p->nodes[i].next)
            arc_pkt_unref(p->nodes[i].item.pkt);
    }
    arc_mem_free(p->nodes);
    arc_mem_free(p);
}

enum arc_status arc_pacer_reserve(struct arc_pacer *p, int32_t capacity_pkts)
{
    const int32_t had = p->cfg.capacity_pkts;
    struct node *nodes;

    if (capacity_pkts < MIN_CAPACITY || capacity_pkts > MAX_CAPACITY)
        return ARC_ERR_ARG;
    if (capacity_pkts <= had)
        return ARC_OK;
    nodes = arc_mem_zalloc((size_t)capacity_pkts, sizeof(*nodes));
    if (!nodes)
        return ARC_ERR_NOMEM;
    memcpy(nodes, p->nodes, (size_t)had * sizeof(*nodes));
    arc_mem_free(p->nodes);
    p->nodes = nodes;
    for (int32_t i = had; i < capacity_pkts; i++) {
        nodes[i].next = p->free_list;
        p->free_list  = i;
    }
    p->cfg.capacity_pkts = capacity_pkts;
    return ARC_OK;
}

/* ---- budget ---- */

int64_t arc_pacer_oldest_us(const struct arc_pacer *p, int64_t now_us)
{
    int64_t oldest_us = now_us;

    for (int c = 0; c < ARC_PACER_CLASSES; c++) {
        int32_t i = p->queues[c].first;

        if (i != NONE)
            oldest_us = arc_min_i64(oldest_us, p->nodes[i].item.queued_us);
    }
    return now_us - oldest_us;
}

/** The set rate, or more where the queue would be older than it may be. */
static int64_t drain_bps(const struct arc_pacer *p, int64_t now_us)
{
    int64_t left_us, needed_bps;

    if (p->cfg.rate_bps == 0 || p->stats.depth_pkts == 0)
        return p->cfg.rate_bps;
    left_us = arc_max_i64(
        p->cfg.max_queue_us - arc_pacer_oldest_us(p, now_us), MIN_DRAIN_US);
    needed_bps = p->stats.depth_bytes * BITS_PER_BYTE * ARC_US_PER_S / left_us;
    return arc_clamp_i64(needed_bps, p->cfg.rate_bps, MAX_RATE_BPS);
}

/** Budget at `now_us`; the queue has not changed since the last refill. */
static int64_t budget_at(const struct arc_pacer *p, int64_t now_us)
{
    int64_t rate_bps = drain_bps(p, now_us);
    int64_t elapsed_us = p->started ? now_us - p->refilled_us : 0;
    int64_t full = p->cfg.burst_us * rate_bps;

    elapsed_us = arc_clamp_i64(elapsed_us, 0, MAX_REFILL_US);
    return arc_min_i64(p->budget + elapsed_us * rate_bps,
                       arc_max_i64(full, p->budget));
}

static void refill(struct arc_pacer *p, int64_t now_us)
{
    p->budget = budget_at(p, now_us);
    if (!p->started || now_us > p->refilled_us)
        p->refilled_us = now_us;
    p->started = true;
}

static void charge(struct arc_pacer *p, int32_t bytes)
{
    /* A pause must not keep a debt that no rate will ever pay. */
    int64_t floor = -arc_max_i64(MAX_DEBT_US * p->cfg.rate_bps,
                                 bytes * BITS_PER_BYTE * ARC_US_PER_S);

    p->budget = arc_max_i64(p->budget - bytes * BITS_PER_BYTE * ARC_US_PER_S,
                            arc_min_i64(floor, p->budget));
}

enum arc_status arc_pacer_set_rate(struct arc_pacer *p, int64_t rate_bps)
{
    if (rate_bps < 0 || rate_bps > MAX_RATE_BPS)
        return ARC_ERR_ARG;
    p->cfg.rate_bps = rate_bps;
    p->budget = arc_clamp_i64(p->budget, -MAX_DEBT_US * rate_bps,
                              p->cfg.burst_us * rate_bps);
    return ARC_OK;
}

/* ---- queues ---- */

bool arc_pacer_has_room(const struct arc_pacer *p, enum arc_pacer_class cls)
{
    int32_t room = p->cfg.capacity_pkts;

    if (cls != ARC_PACER_AUDIO)
        room -= room / AUDIO_RESERVE;
    return p->stats.depth_pkts < room;
}

enum arc_status arc_pacer_push(struct arc_pacer *p,
                               const struct arc_pacer_item *item,
                               enum arc_pacer_class cls, int64_t now_us)
{
    struct queue *q;
    struct node *n;
    int32_t i;

    if (!item || cls < ARC_PACER_AUDIO || cls >= ARC_PACER_CLASSES)
        return ARC_ERR_ARG;
    if (!arc_pacer_has_room(p, cls)) {
        p->stats.dropped[cls]++;
        return ARC_ERR_SPACE;
    }
    refill(p, now_us);

    i = p->free_list;
    n = &p->nodes[i];
    p->free_list = n->next;
    n->item           = *item;
    n->item.queued_us = now_us;
    n->bytes = (item->pkt ? item->pkt->len : 0) + p->cfg.overhead_bytes;
    n->next  = NONE;

    q = &p->queues[cls];
    if (q->first == NONE)
        q->first = i;
    else
        p->nodes[q->last].next = i;
    q->last = i;

    p->stats.pushed[cls]++;
    p->stats.depth_pkts++;
    p->stats.depth_bytes += n->bytes;
    return ARC_OK;
}

static void take(struct arc_pacer *p, int cls, int64_t now_us,
                 struct arc_pacer_item *out)
{
    struct queue *q = &p->queues[cls];
    int32_t i = q->first;
    struct node *n = &p->nodes[i];

    *out = n->item;
    q->first = n->next; /* `last` means nothing once `first` is NONE */
    n->next = p->free_list;
    p->free_list = i;

    p->stats.popped[cls]++;
    p->stats.depth_pkts--;
    p->stats.depth_bytes -= n->bytes;
    p->stats.max_wait_us =
        arc_max_i64(p->stats.max_wait_us, now_us - n->item.queued_us);
    charge(p, n->bytes);
}

/** Highest class with a packet in it, or NONE. */
static int first_class(const struct arc_pacer *p)
{
    for (int c = 0; c < ARC_PACER_CLASSES; c++) {
        if (p->queues[c].first != NONE)
            return c;
    }
    return NONE;
}

enum arc_status arc_pacer_pop(struct arc_pacer *p, int64_t now_us,
                              struct arc_pacer_item *out)
{
    int cls = first_class(p);

    if (cls == NONE)
        return ARC_AGAIN;
    refill(p, now_us);
    if (cls != ARC_PACER_AUDIO && (p->budget < 0 || p->cfg.rate_bps == 0))
        return ARC_AGAIN;
    take(p, cls, now_us, out);
    return ARC_OK;
}

int64_t arc_pacer_next_us(const struct arc_pacer *p, int64_t now_us)
{
    int cls = first_class(p);
    int64_t budget, rate_bps;

    if (cls == ARC_PACER_AUDIO)
        return now_us;
    if (cls == NONE || p->cfg.rate_bps == 0)
        return ARC_NEVER_US;
    budget = budget_at(p, now_us);
    if (budget >= 0)
        return now_us;
    rate_bps = drain_bps(p, now_us);
    if (p->started)
        now_us = arc_max_i64(now_us, p->refilled_us);
    return now_us + (-budget + rate_bps - 1) / rate_bps;
}

int64_t arc_pacer_queue_us(const struct arc_pacer *p)
{
    if (p->stats.depth_bytes == 0)
        return 0;
    if (p->cfg.rate_bps == 0)
        return ARC_NEVER_US;
    return p->stats.depth_bytes * BITS_PER_BYTE * ARC_US_PER_S / p->cfg.rate_bps;
}

void arc_pacer_stats(const struct arc_pacer *p, struct arc_pacer_stats *out)
{
    *out = p->stats;
}
