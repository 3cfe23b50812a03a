/**
 * @file tx/ssrcgroup.c  When the SSRCs of one endpoint may send RTCP, together
 */
#include <string.h>

#include "base/units.h"
#include "tx/ssrcgroup.h"

enum { FREE_STARTS = 4 }; /* RFC 8108 §5.2: a TCP's initial window */

enum arc_status arc_ssrcgroup_init(struct arc_ssrcgroup *g,
                                   const struct arc_rtcptime_config *cfg,
                                   uint64_t seed)
{
    struct arc_rtcptime probe;

    if (!g || arc_rtcptime_init(&probe, cfg, seed, 0) != ARC_OK)
        return ARC_ERR_ARG;
    memset(g, 0, sizeof(*g));
    g->cfg        = *cfg;
    g->seed       = seed;
    g->multiparty = cfg->multiparty;
    return ARC_OK;
}

enum arc_status arc_ssrcgroup_set_bandwidth(struct arc_ssrcgroup *g,
                                            int64_t sender_bps,
                                            int64_t receiver_bps,
                                            int64_t trr_int_us)
{
    for (int32_t i = 0; i < ARC_SSRCGROUP_MAX; i++)
        if (arc_rtcptime_set_bandwidth(&g->part[i], sender_bps, receiver_bps,
                                       trr_int_us) != ARC_OK)
            return ARC_ERR_ARG;
    g->cfg.sender_bps   = sender_bps;
    g->cfg.receiver_bps = receiver_bps;
    g->cfg.trr_int_us   = trr_int_us;
    return ARC_OK;
}

/** Members and senders are those of the others and our own (RFC 8108 §5). */
static void tell_counts(struct arc_ssrcgroup *g, int64_t now_us)
{
    int32_t members = g->remote_members, senders = g->remote_senders;

    for (int32_t i = 0; i < g->n; i++) {
        members += g->joined[i];
        senders += g->joined[i] && g->sends[i];
    }
    for (int32_t i = 0; i < g->n; i++) {
        if (!g->joined[i])
            continue;
        arc_rtcptime_set_multiparty(&g->part[i], g->multiparty);
        arc_rtcptime_set_counts(&g->part[i], members, senders, g->sends[i],
                                now_us);
    }
}

enum arc_status arc_ssrcgroup_join(struct arc_ssrcgroup *g, int32_t who,
                                   int64_t now_us)
{
    struct arc_rtcptime_config cfg = g->cfg;

    if (who < 0 || who >= ARC_SSRCGROUP_MAX || g->joined[who] || g->leaving)
        return ARC_ERR_ARG;
    if (cfg.unicast && ++g->starts > FREE_STARTS)
        cfg.unicast = false;
    cfg.multiparty = g->multiparty;
    arc_rtcptime_init(&g->part[who], &cfg,
                      g->seed + (uint64_t)who * UINT64_C(0x9e3779b97f4a7c15),
                      now_us);
    g->joined[who] = true;
    g->n           = (int32_t)arc_max_i64(g->n, who + 1);
    g->sends[who]  = false;
    tell_counts(g, now_us);
    return ARC_OK;
}

void arc_ssrcgroup_part(struct arc_ssrcgroup *g, int32_t who, int64_t now_us)
{
    if (who < 0 || who >= ARC_SSRCGROUP_MAX || !g->joined[who])
        return;
    g->joined[who] = false;
    tell_counts(g, now_us);
}

void arc_ssrcgroup_set_sends(struct arc_ssrcgroup *g, int32_t who, bool sends,
                             int64_t now_us)
{
    if (who < 0 || who >= ARC_SSRCGROUP_MAX || g->sends[who] == sends)
        return;
    g->sends[who] = sends;
    tell_counts(g, now_us);
}

void arc_ssrcgroup_set_remote(struct arc_ssrcgroup *g, int32_t members,
                              int32_t senders, bool multiparty, int64_t now_us)
{
    if (g->remote_members == members && g->remote_senders == senders &&
        g->multiparty == multiparty)
        return;
    g->remote_members = (int32_t)arc_clamp_i64(members, 0, INT32_MAX / 2);
    g->remote_senders = (int32_t)arc_clamp_i64(senders, 0, g->remote_members);
    g->multiparty     = multiparty;
    tell_counts(g, now_us);
}

void arc_ssrcgroup_on_received(struct arc_ssrcgroup *g, int32_t bytes,
                               int32_t reporters, int32_t byes)
{
    for (int32_t i = 0; i < g->n; i++)
        if (g->joined[i])
            arc_rtcptime_on_received(&g->part[i], bytes, reporters, byes);
}

/* --- feedback --------------------------------------------------------------- */

static bool is_scheduled(const struct arc_rtcptime *t)
{
    return t->stored || t->early_us != ARC_NEVER_US ||
           t->due != ARC_RTCP_DUE_NONE;
}

enum arc_feedback_plan arc_ssrcgroup_request(struct arc_ssrcgroup *g,
                                             int64_t now_us)
{
    int32_t best = -1;

    for (int32_t i = 0; i < g->n; i++) {
        if (!g->joined[i])
            continue;
        arc_rtcptime_expire(&g->part[i], now_us);
        /* RFC 8108 §5.4.2: the check of step 2 concerns all our SSRCs. */
        if (is_scheduled(&g->part[i]))
            return ARC_FEEDBACK_JOINED;
    }
    for (int32_t i = 0; i < g->n; i++) {
        if (!g->joined[i])
            continue;
        /* §5.4.1: preferably one that may be early */
        if (arc_rtcptime_may_early(&g->part[i], now_us))
            return arc_rtcptime_request(&g->part[i], now_us);
        if (best < 0 || g->part[i].tn_us < g->part[best].tn_us)
            best = i;
    }
    return best < 0 ? ARC_FEEDBACK_REFUSED
                    : arc_rtcptime_request(&g->part[best], now_us);
}

void arc_ssrcgroup_withdraw(struct arc_ssrcgroup *g)
{
    for (int32_t i = 0; i < g->n; i++)
        if (g->joined[i])
            arc_rtcptime_withdraw(&g->part[i]);
}

/* --- turns --------------------------------------------------------------------- */

/** Who else may go along, nearest turn first (RFC 8108 §5.3.2). */
static void take_along(const struct arc_ssrcgroup *g,
                       struct arc_ssrcgroup_due *due)
{
    const int32_t first = due->who[0];

    for (int32_t i = 0; i < g->n; i++) {
        int32_t k = due->n;

        if (!g->joined[i] || i == first || g->part[i].tn_us == ARC_NEVER_US)
            continue;
        for (; k > 1 && g->part[due->who[k - 1]].tn_us > g->part[i].tn_us; k--)
            due->who[k] = due->who[k - 1];
        due->who[k] = i;
        due->n++;
    }
}

void arc_ssrcgroup_expire(struct arc_ssrcgroup *g, int64_t now_us,
                          struct arc_ssrcgroup_due *out)
{
    memset(out, 0, sizeof(*out));
    for (int32_t i = 0; i < g->n && out->n == 0; i++) {
        if (!g->joined[i])
            continue;
        out->kind = (int32_t)arc_rtcptime_expire(&g->part[i], now_us);
        if (out->kind == ARC_RTCP_DUE_NONE)
            continue;
        out->who[0] = i;
        out->n      = 1;
        if (out->kind == ARC_RTCP_DUE_REGULAR)
            take_along(g, out);
    }
}

/** RFC 8108 §5.3.2 a to d. */
static void share_turn(struct arc_ssrcgroup *g,
                       const struct arc_ssrcgroup_due *due, int32_t n,
                       int64_t now_us)
{
    int64_t ahead_us = 0;

    for (int32_t i = 1; i < n; i++)
        ahead_us += arc_max_i64(
            arc_rtcptime_taken_along_us(&g->part[due->who[i]]) - now_us, 0);
    for (int32_t i = 0; i < n; i++)
        arc_rtcptime_taken(&g->part[due->who[i]], ARC_RTCP_DUE_REGULAR,
                           now_us + ahead_us / n);
}

void arc_ssrcgroup_on_sent(struct arc_ssrcgroup *g,
                           const struct arc_ssrcgroup_due *due, int32_t n,
                           int32_t bytes, int64_t now_us)
{
    int32_t first = due->who[0];

    n = (int32_t)arc_clamp_i64(n, 1, due->n);
    if (due->n == 0)
        return;
    for (int32_t i = 0; bytes > 0 && i < g->n; i++)
        if (g->joined[i] && (i != first || n > 1))
            arc_rtcptime_on_received(&g->part[i], bytes, n, 0);
    if (due->kind == ARC_RTCP_DUE_REGULAR && n > 1)
        share_turn(g, due, n, now_us);
    else
        arc_rtcptime_on_sent(&g->part[first], bytes, 1, now_us);
    for (int32_t i = 0; i < g->n; i++)
        if (g->joined[i])
            arc_rtcptime_fulfil(&g->part[i]);
    if (due->kind == ARC_RTCP_DUE_BYE)
        memset(g->joined, 0, sizeof(g->joined));
}

int64_t arc_ssrcgroup_next_us(const struct arc_ssrcgroup *g)
{
    int64_t next = ARC_NEVER_US;

    for (int32_t i = 0; i < g->n; i++)
        if (g->joined[i])
            next = arc_min_i64(next, arc_rtcptime_next_us(&g->part[i]));
    return next;
}

/* --- leaving --------------------------------------------------------------------- */

bool arc_ssrcgroup_leave(struct arc_ssrcgroup *g, int32_t bye_bytes,
                         int64_t now_us)
{
    int32_t speaker = -1;

    g->leaving = true;
    for (int32_t i = 0; i < g->n; i++) {
        if (!g->joined[i])
            continue;
        /* One packet, so one timer: of the first that has ever spoken. */
        if (speaker < 0 && arc_rtcptime_leave(&g->part[i], bye_bytes, now_us))
            speaker = i;
        else
            g->joined[i] = false;
    }
    return speaker >= 0;
}

/** Of whichever participant; a group of none: as if it were alone. */
static const struct arc_rtcptime *any(const struct arc_ssrcgroup *g)
{
    for (int32_t i = 0; i < g->n; i++)
        if (g->joined[i])
            return &g->part[i];
    return NULL;
}

int64_t arc_ssrcgroup_member_timeout_us(const struct arc_ssrcgroup *g)
{
    const struct arc_rtcptime *t = any(g);

    return t ? arc_rtcptime_member_timeout_us(t) : 5 * ARC_RTCPTIME_MIN_US;
}

int64_t arc_ssrcgroup_sender_timeout_us(const struct arc_ssrcgroup *g)
{
    const struct arc_rtcptime *t = any(g);

    return t ? arc_rtcptime_sender_timeout_us(t) : 2 * ARC_RTCPTIME_MIN_US;
}
