/**
 * @file tx/history.c  Sent packets kept for retransmission
 */
#include <stdbool.h>

#include "base/mem.h"
#include "base/seq.h"
#include "base/units.h"
#include "tx/history.h"

enum { MIN_CAPACITY = 2, MAX_CAPACITY = 32768 };

#define MAX_AGE_US       (60 * ARC_US_PER_S)
#define MIN_RESEND_US    (5 * ARC_US_PER_MS)
#define NEVER_RESENT_US  (-ARC_NEVER_US)

struct entry {
    struct arc_pkt *pkt; /* NULL: empty                        */
    int64_t         seq;
    int64_t         sent_us;
    int64_t         resent_us;
};

struct arc_history {
    struct arc_history_stats stats;
    struct entry            *ring;
    int64_t                  mask;
    int64_t                  max_age_us;
    int64_t                  tail;    /* no packet in it has a lower number */
    int64_t                  highest; /* highest stored                     */
    bool                     started;
};

enum arc_status arc_history_new(int32_t capacity_pkts, int64_t max_age_us,
                                struct arc_history **out)
{
    struct arc_history *h;

    if (!out || capacity_pkts < MIN_CAPACITY || capacity_pkts > MAX_CAPACITY ||
        (capacity_pkts & (capacity_pkts - 1)) || max_age_us < 1 ||
        max_age_us > MAX_AGE_US)
        return ARC_ERR_ARG;

    h = arc_mem_zalloc(1, sizeof(*h));
    if (!h)
        return ARC_ERR_NOMEM;
    h->mask       = capacity_pkts - 1;
    h->max_age_us = max_age_us;
    h->ring       = arc_mem_zalloc((size_t)capacity_pkts, sizeof(*h->ring));
    if (!h->ring) {
        arc_history_free(h);
        return ARC_ERR_NOMEM;
    }

    *out = h;
    return ARC_OK;
}

static void clear(struct arc_history *h, struct entry *e)
{
    if (!e->pkt)
        return;
    arc_pkt_unref(e->pkt);
    e->pkt = NULL;
    h->stats.depth_pkts--;
}

void arc_history_free(struct arc_history *h)
{
    if (!h)
        return;
    for (int64_t i = 0; h->ring && i <= h->mask; i++)
        clear(h, &h->ring[i]);
    arc_mem_free(h->ring);
    arc_mem_free(h);
}

static struct entry *entry_of(const struct arc_history *h, int64_t seq)
{
    return &h->ring[seq & h->mask];
}

/** Empty the ring up to `seq`, and on while its packets are too old; the
 *  highest stays, it is being stored. */
static void move_tail(struct arc_history *h, int64_t seq, int64_t now_us)
{
    if (seq - h->tail > h->mask) {
        for (int64_t i = 0; i <= h->mask; i++) {
            if (h->ring[i].seq < seq)
                clear(h, &h->ring[i]);
        }
        h->tail = seq;
    }
    for (; h->tail < h->highest; h->tail++) {
        struct entry *e = entry_of(h, h->tail);

        if (h->tail >= seq && e->pkt && now_us - e->sent_us < h->max_age_us)
            return;
        clear(h, e);
    }
}

void arc_history_put(struct arc_history *h, int64_t seq, struct arc_pkt *pkt,
                     int64_t now_us)
{
    struct entry *e = entry_of(h, seq);

    if (!h->started) {
        h->started = true;
        h->tail    = seq;
        h->highest = seq;
    }
    if (seq < h->tail) {
        h->stats.refused++;
        return;
    }
    arc_pkt_ref(pkt); /* before anything is cleared: it may be here already */
    if (seq > h->highest)
        h->highest = seq;
    move_tail(h, h->highest - h->mask, now_us);

    clear(h, e);
    e->pkt       = pkt;
    e->seq       = seq;
    e->sent_us   = now_us;
    e->resent_us = NEVER_RESENT_US;
    h->stats.stored++;
    h->stats.depth_pkts++;
}

struct arc_pkt *arc_history_get(struct arc_history *h, uint16_t seq16,
                                int64_t rtt_us, int64_t now_us)
{
    int64_t seq = h->highest + arc_seq16_diff(seq16, (uint16_t)h->highest);
    struct entry *e = entry_of(h, seq);

    if (!e->pkt || e->seq != seq) {
        h->stats.missing++;
        return NULL;
    }
    if (now_us - e->sent_us >= h->max_age_us) {
        h->stats.too_old++;
        return NULL;
    }
    if (e->resent_us != NEVER_RESENT_US &&
        now_us - e->resent_us < arc_max_i64(rtt_us, MIN_RESEND_US)) {
        h->stats.too_soon++;
        return NULL;
    }
    e->resent_us = now_us;
    h->stats.found++;
    return e->pkt;
}

struct arc_pkt *arc_history_find(const struct arc_history *h, int64_t seq,
                                 int64_t now_us)
{
    const struct entry *e = entry_of(h, seq);

    if (!e->pkt || e->seq != seq || now_us - e->sent_us >= h->max_age_us)
        return NULL;
    return e->pkt;
}

void arc_history_stats(const struct arc_history *h, struct arc_history_stats *out)
{
    *out = h->stats;
}
