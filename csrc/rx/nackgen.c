/**
 * @file rx/nackgen.c  Decides which lost RTP packets to ask for, and when
 */
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "rx/nackgen.h"
#include "rx/restart.h"

enum {
    MAX_MISSING      = 4096,
    MAX_TRIES        = 20,
    MAX_MISORDER     = 1024, /* further behind: a restart, as in rxstats   */
    WAIT_MAX_FACTOR  = 4,    /* the wait stays inside setting / 8 ..       */
    WAIT_MIN_DIVISOR = 8,    /* .. setting * 4                             */
    WAIT_FALL        = 16,   /* a true loss takes 1/16 of the wait         */
    JITTER_PART      = 8     /* of the round trip: what an answer may vary by */
};

#define UNKNOWN_RTT_US   (100 * ARC_US_PER_MS)
#define MAX_GIVE_UP_US   (INT64_C(1) << 40)

struct missing {
    uint64_t seq;
    int64_t  since_us; /* when the gap was seen                            */
    int64_t  media_us; /* media time; ARC_NEVER_US: not known              */
    int64_t  due_us;   /* next request; ARC_NEVER_US: no more requests     */
    int64_t  asked_us; /* first request; meaningful if tries > 0           */
    int32_t  tries;
};

/* `list` is a ring in ascending order: gaps enter at its end, the oldest leave
 * at its start, an arrival takes one out of the middle. */
struct arc_nackgen {
    struct arc_nackgen_config cfg;
    struct arc_nackgen_stats  stats;
    struct missing           *list;
    int32_t                   first;
    int32_t                   n;
    uint64_t                  highest;
    bool                      started;
    int64_t                   wait_us;
    int64_t                   rtt_us; /* as last polled; 0: not known      */
    int64_t                   media_us; /* of `highest`; ARC_NEVER_US: not known */
    int64_t                   zero_us;  /* play-out of media time 0        */
    int64_t                   hold_us;
    struct arc_restart        restart;
};

static bool config_ok(const struct arc_nackgen_config *c)
{
    return c->max_missing_pkts >= 1 && c->max_missing_pkts <= MAX_MISSING &&
           c->max_tries >= 1 && c->max_tries <= MAX_TRIES &&
           c->reorder_wait_us >= 0 && c->reorder_wait_us <= ARC_US_PER_S &&
           c->give_up_us >= 1 && c->give_up_us <= MAX_GIVE_UP_US;
}

enum arc_status arc_nackgen_new(const struct arc_nackgen_config *cfg,
                                struct arc_nackgen **out)
{
    struct arc_nackgen *g;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;

    g = arc_mem_zalloc(1, sizeof(*g));
    if (!g)
        return ARC_ERR_NOMEM;

    g->cfg     = *cfg;
    g->wait_us  = cfg->reorder_wait_us;
    g->media_us = ARC_NEVER_US;
    g->zero_us  = ARC_NEVER_US;
    g->list    = arc_mem_zalloc((size_t)cfg->max_missing_pkts, sizeof(*g->list));
    if (!g->list) {
        arc_nackgen_free(g);
        return ARC_ERR_NOMEM;
    }

    *out = g;
    return ARC_OK;
}

void arc_nackgen_free(struct arc_nackgen *g)
{
    if (!g)
        return;
    arc_mem_free(g->list);
    arc_mem_free(g);
}

static struct missing *entry(const struct arc_nackgen *g, int32_t i)
{
    int32_t at = g->first + i;

    return &g->list[at < g->cfg.max_missing_pkts ? at
                                                 : at - g->cfg.max_missing_pkts];
}

static void drop_first(struct arc_nackgen *g)
{
    g->first = (g->first + 1) % g->cfg.max_missing_pkts;
    g->n--;
}

/** Until when an answer is of use. */
static int64_t deadline_us(const struct arc_nackgen *g, const struct missing *m)
{
    int64_t by_age_us = m->since_us + g->cfg.give_up_us;

    if (m->media_us == ARC_NEVER_US || g->zero_us == ARC_NEVER_US)
        return by_age_us;
    return arc_min_i64(by_age_us, g->zero_us + m->media_us);
}

/** Behind plain reordering and what comes without being asked for, if there is
 *  so much time. */
static int64_t first_due_us(const struct arc_nackgen *g, const struct missing *m,
                            int64_t now_us)
{
    int64_t last_us = deadline_us(g, m) - g->rtt_us - g->rtt_us / JITTER_PART -
                      ARC_NACKGEN_MARGIN_US;

    return arc_max_i64(now_us + g->wait_us,
                       arc_min_i64(now_us + g->hold_us, last_us));
}

static void add_missing(struct arc_nackgen *g, uint64_t seq, int64_t media_us,
                        int64_t now_us)
{
    struct missing *m;

    g->stats.missing++;
    if (g->n == g->cfg.max_missing_pkts) {
        drop_first(g);
        g->stats.overflow++;
    }
    m = entry(g, g->n++);
    m->seq      = seq;
    m->since_us = now_us;
    m->media_us = media_us;
    m->due_us   = first_due_us(g, m, now_us);
    m->asked_us = 0;
    m->tries    = 0;
}

static void start_anew(struct arc_nackgen *g, uint64_t seq, int64_t media_us)
{
    g->stats.overflow += g->n;
    g->n        = 0;
    g->highest  = seq;
    g->media_us = media_us;
    g->started  = true;
}

/** Index of `seq` in the list, or -1. */
static int32_t find(const struct arc_nackgen *g, uint64_t seq)
{
    int32_t low = 0, high = g->n - 1;

    while (low <= high) {
        int32_t mid = low + (high - low) / 2;
        uint64_t at = entry(g, mid)->seq;

        if (at == seq)
            return mid;
        if (at < seq)
            low = mid + 1;
        else
            high = mid - 1;
    }
    return -1;
}

/** Close the gap in the list, moving the shorter side. */
static void take_out(struct arc_nackgen *g, int32_t i)
{
    if (i < g->n / 2) {
        for (; i > 0; i--)
            *entry(g, i) = *entry(g, i - 1);
        drop_first(g);
        return;
    }
    for (; i < g->n - 1; i++)
        *entry(g, i) = *entry(g, i + 1);
    g->n--;
}

/** An answer takes a round trip; what comes sooner was on its way before. */
static bool came_by_itself(const struct arc_nackgen *g, const struct missing *m,
                           int64_t now_us)
{
    return m->tries == 0 || now_us - m->asked_us < g->rtt_us / 2;
}

static void arrived(struct arc_nackgen *g, int32_t i, bool repaired,
                    int64_t now_us)
{
    const struct missing *m = entry(g, i);
    int64_t delay_us = now_us - m->since_us;

    if (delay_us >= g->cfg.give_up_us) {
        g->stats.given_up++;
    } else if (repaired && m->tries == 0) {
        g->stats.restored++;
    } else if (!repaired && came_by_itself(g, m, now_us)) {
        g->stats.reordered++;
        /* A quarter on top: the next one may be a little later still. */
        g->wait_us = arc_max_i64(
            g->wait_us, arc_min_i64(delay_us + delay_us / 4,
                                    WAIT_MAX_FACTOR * g->cfg.reorder_wait_us));
    } else {
        g->stats.recovered++;
    }
    take_out(g, i);
}

/** Media time of a missing packet: between its neighbours in even steps. */
static int64_t between(const struct arc_nackgen *g, uint64_t seq,
                       uint64_t next_seq, int64_t next_us)
{
    int64_t steps = (int64_t)(next_seq - g->highest);

    if (next_us == ARC_NEVER_US || g->media_us == ARC_NEVER_US)
        return ARC_NEVER_US;
    return next_us - (next_us - g->media_us) / steps * (int64_t)(next_seq - seq);
}

/** A number above all others. */
static void advance(struct arc_nackgen *g, uint64_t seq, int64_t media_us,
                    int64_t now_us)
{
    const uint64_t gap = seq - g->highest - 1;

    arc_restart_init(&g->restart);
    if (gap > (uint64_t)g->cfg.max_missing_pkts) {
        g->stats.missing  += (int64_t)gap;
        g->stats.overflow += (int64_t)gap;
        start_anew(g, seq, media_us);
        return;
    }
    for (uint64_t lost = g->highest + 1; lost < seq; lost++)
        add_missing(g, lost, between(g, lost, seq, media_us), now_us);
    g->highest  = seq;
    g->media_us = media_us;
}

static void on_arrival(struct arc_nackgen *g, uint64_t seq, int64_t media_us,
                       bool repaired, int64_t now_us)
{
    int32_t i;

    if (!g->started) {
        start_anew(g, seq, media_us);
        return;
    }
    if (seq > g->highest) {
        advance(g, seq, media_us, now_us);
        return;
    }
    i = find(g, seq);
    if (i >= 0)
        arrived(g, i, repaired, now_us);
    else if (g->highest - seq > MAX_MISORDER &&
             arc_restart_on_stray(&g->restart, (int64_t)seq))
        start_anew(g, seq, media_us);
}

void arc_nackgen_on_packet(struct arc_nackgen *g, uint64_t seq, int64_t now_us)
{
    on_arrival(g, seq, ARC_NEVER_US, false, now_us);
}

void arc_nackgen_on_media(struct arc_nackgen *g, uint64_t seq, int64_t media_us,
                          int64_t now_us)
{
    on_arrival(g, seq, media_us, false, now_us);
}

void arc_nackgen_on_repaired(struct arc_nackgen *g, uint64_t seq, int64_t now_us)
{
    on_arrival(g, seq, ARC_NEVER_US, true, now_us);
}

void arc_nackgen_set_playout(struct arc_nackgen *g, int64_t zero_us)
{
    g->zero_us = zero_us;
}

void arc_nackgen_set_hold(struct arc_nackgen *g, int64_t hold_us)
{
    g->hold_us = arc_clamp_i64(hold_us, 0, ARC_US_PER_S);
}

static void expire(struct arc_nackgen *g, int64_t now_us)
{
    while (g->n > 0 &&
           now_us - entry(g, 0)->since_us >= g->cfg.give_up_us) {
        drop_first(g);
        g->stats.given_up++;
    }
}

/** Note a request; the first one shows that waiting did not help. */
static void ask(struct arc_nackgen *g, struct missing *m, int64_t now_us)
{
    int64_t rtt_us = arc_min_i64(g->rtt_us ? g->rtt_us : UNKNOWN_RTT_US,
                                 ARC_US_PER_S);
    int64_t retry_us = rtt_us + rtt_us / JITTER_PART + ARC_NACKGEN_MARGIN_US;

    if (m->tries++ == 0) {
        m->asked_us = now_us;
        g->wait_us = arc_max_i64(g->wait_us - g->wait_us / WAIT_FALL,
                                 g->cfg.reorder_wait_us / WAIT_MIN_DIVISOR);
    }
    m->due_us = m->tries < g->cfg.max_tries ? now_us + retry_us : ARC_NEVER_US;
}

void arc_nackgen_on_asked(struct arc_nackgen *g, uint64_t seq, int64_t now_us)
{
    int32_t i = find(g, seq);

    if (i >= 0)
        ask(g, entry(g, i), now_us);
}

enum arc_status arc_nackgen_poll(struct arc_nackgen *g, int64_t rtt_us,
                                 int64_t now_us, uint64_t *seqs, size_t cap,
                                 size_t *n_out)
{
    size_t n = 0;

    if (n_out)
        *n_out = 0;
    if (!seqs || cap == 0 || !n_out || rtt_us < 0)
        return ARC_ERR_ARG;

    g->rtt_us = rtt_us;
    expire(g, now_us);
    for (int32_t i = 0; i < g->n && n < cap; i++) {
        struct missing *m = entry(g, i);

        if (now_us < m->due_us)
            continue;
        if (now_us + rtt_us > deadline_us(g, m)) {
            m->due_us = ARC_NEVER_US; /* its answer would come too late */
            g->stats.not_in_time++;
            continue;
        }
        ask(g, m, now_us);
        g->stats.requested++;
        seqs[n++] = m->seq;
    }
    *n_out = n;
    return n ? ARC_OK : ARC_AGAIN;
}

int64_t arc_nackgen_next_us(const struct arc_nackgen *g)
{
    int64_t next_us = ARC_NEVER_US;

    for (int32_t i = 0; i < g->n; i++)
        next_us = arc_min_i64(next_us, entry(g, i)->due_us);
    return next_us;
}

void arc_nackgen_stats(const struct arc_nackgen *g, struct arc_nackgen_stats *out)
{
    *out = g->stats;
    out->reorder_wait_us = g->wait_us;
    out->missing_pkts    = g->n;
}
