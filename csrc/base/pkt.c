/**
 * @file base/pkt.c  Reference-counted packets out of a bounded pool
 */
#include "base/atomic.h"
#include "base/mem.h"
#include "base/pkt.h"

enum {
    SLOT_BYTES = ARC_PKT_HEADROOM_BYTES + ARC_PKT_CAP_BYTES,
    MAX_PKTS   = 1 << 20
};

struct arc_pkt_pool {
    struct arc_pkt *again;     /* used before; the owner's, refilled from
                                  `returned`. What is warm is used first       */
    int32_t         n_fresh;   /* of pkts, from the start on, used ever        */
    int32_t         n_pkts;
    struct arc_pkt *returned;  /* atomic stack: any thread pushes, owner takes */
    int32_t         used;      /* atomic: packets out                          */
    int32_t         refs;      /* atomic: the owner + each packet that is out  */
    struct arc_pkt *pkts;
    uint8_t        *slots;
    /* of a share */
    int32_t              limit;  /* 0: it is none, but has packets of its own   */
    struct arc_pkt_pool *parent; /* lent; one reference                         */
};

static void pool_put(struct arc_pkt_pool *pool)
{
    if (arc_atomic_sub_acq_rel(&pool->refs, 1) != 1)
        return;
    if (pool->parent)
        pool_put(pool->parent); /* that has no parent itself */
    arc_mem_free(pool->slots);
    arc_mem_free(pool->pkts);
    arc_mem_free(pool);
}

enum arc_status arc_pkt_pool_new_share(int32_t limit, struct arc_pkt_pool **out)
{
    struct arc_pkt_pool *share;

    if (!out || limit < 1 || limit > MAX_PKTS)
        return ARC_ERR_ARG;
    share = arc_mem_zalloc(1, sizeof(*share));
    if (!share)
        return ARC_ERR_NOMEM;
    share->refs  = 1;
    share->limit = limit;
    *out = share;
    return ARC_OK;
}

void arc_pkt_pool_lend(struct arc_pkt_pool *share, struct arc_pkt_pool *parent)
{
    struct arc_pkt_pool *former = share->parent;

    if (parent)
        arc_atomic_add_relaxed(&parent->refs, 1);
    share->parent = parent;
    arc_pkt_pool_unref(former);
}

enum arc_status arc_pkt_pool_new(int32_t n_pkts, struct arc_pkt_pool **out)
{
    struct arc_pkt_pool *pool;

    if (!out || n_pkts < 1 || n_pkts > MAX_PKTS)
        return ARC_ERR_ARG;

    pool = arc_mem_zalloc(1, sizeof(*pool));
    if (!pool)
        return ARC_ERR_NOMEM;
    pool->refs  = 1;
    pool->pkts  = arc_mem_zalloc((size_t)n_pkts, sizeof(*pool->pkts));
    pool->slots = arc_mem_zalloc((size_t)n_pkts, SLOT_BYTES);
    if (!pool->pkts || !pool->slots) {
        pool_put(pool);
        return ARC_ERR_NOMEM;
    }

    pool->n_pkts = n_pkts;
    *out = pool;
    return ARC_OK;
}

void arc_pkt_pool_unref(struct arc_pkt_pool *pool)
{
    if (pool)
        pool_put(pool);
}

int32_t arc_pkt_pool_used(const struct arc_pkt_pool *pool)
{
    return arc_atomic_load_relaxed(&pool->used);
}

/** A packet that was never used: memory that nobody has touched yet. */
static struct arc_pkt *fresh(struct arc_pkt_pool *pool)
{
    struct arc_pkt *pkt;

    if (pool->n_fresh == pool->n_pkts)
        return NULL;
    pkt       = &pool->pkts[pool->n_fresh];
    pkt->pool = pool;
    pkt->buf  = pool->slots + (size_t)pool->n_fresh++ * SLOT_BYTES;
    return pkt;
}

static struct arc_pkt *get_own(struct arc_pkt_pool *pool)
{
    struct arc_pkt *pkt;

    /* Only the owner empties the stack of returned packets, and empties it
     * whole, so the ABA problem of lock-free stacks cannot arise. */
    if (!pool->again)
        pool->again = arc_atomic_exchange(&pool->returned, NULL);
    pkt = pool->again ? pool->again : fresh(pool);
    if (!pkt)
        return NULL;

    pool->again = pkt->next;
    pkt->next = NULL;
    pkt->data = pkt->buf + ARC_PKT_HEADROOM_BYTES;
    pkt->len  = 0;
    pkt->time_us = 0;
    pkt->source  = 0;
    pkt->share   = NULL;
    pkt->ecn     = 0;
    arc_atomic_store_relaxed(&pkt->refs, 1);
    arc_atomic_add_relaxed(&pool->refs, 1);
    arc_atomic_add_relaxed(&pool->used, 1);
    return pkt;
}

struct arc_pkt *arc_pkt_get(struct arc_pkt_pool *pool)
{
    struct arc_pkt *pkt;

    if (pool->limit == 0)
        return get_own(pool);
    if (!pool->parent || arc_pkt_pool_used(pool) >= pool->limit)
        return NULL;
    pkt = get_own(pool->parent);
    if (!pkt)
        return NULL;
    pkt->share = pool;
    arc_atomic_add_relaxed(&pool->refs, 1);
    arc_atomic_add_relaxed(&pool->used, 1);
    return pkt;
}

struct arc_pkt *arc_pkt_ref(struct arc_pkt *pkt)
{
    arc_atomic_add_relaxed(&pkt->refs, 1);
    return pkt;
}

void arc_pkt_unref(struct arc_pkt *pkt)
{
    struct arc_pkt_pool *pool, *share;
    struct arc_pkt *head;

    if (!pkt || arc_atomic_sub_acq_rel(&pkt->refs, 1) != 1)
        return;

    pool  = pkt->pool;
    share = pkt->share;
    if (share) {
        arc_atomic_add_relaxed(&share->used, -1);
        pool_put(share);
    }
    arc_atomic_add_relaxed(&pool->used, -1);
    head = arc_atomic_load_relaxed(&pool->returned);
    do {
        pkt->next = head;
    } while (!__atomic_compare_exchange_n(&pool->returned, &head, pkt, 1,
                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    pool_put(pool);
}

int32_t arc_pkt_tailroom(const struct arc_pkt *pkt)
{
    return (int32_t)(pkt->buf + SLOT_BYTES - pkt->data) - pkt->len;
}

int32_t arc_pkt_headroom(const struct arc_pkt *pkt)
{
    return (int32_t)(pkt->data - pkt->buf);
}
