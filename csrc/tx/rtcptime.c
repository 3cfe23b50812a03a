/**
 * @file tx/rtcptime.c  When one participant may send RTCP
 */
#include <string.h>

#include "base/units.h"
#include "tx/rtcptime.h"

/* RFC 3550 §6.3.1: e - 3/2; what timer reconsideration makes too short. */
#define COMPENSATION 1.21828

enum {
    TIMEOUT_FACTOR  = 5,       /* RFC 3550 §6.3.5, RFC 8108 §7.1.4             */
    SENDER_FACTOR   = 2,       /* §6.3.5: two intervals                        */
    AVG_SHIFT       = 16,      /* §6.3.3: weight of one packet is 1/16         */
    UNICAST_BYTES   = 28,      /* IPv4 and UDP                                 */
    AVPF_INITIAL_US = 1000000, /* RFC 4585 §3.4 d                              */
    FB_DELAY_US     = 500000,  /* a picture that waited longer is not saved    */
    LEAST_US        = 1000,    /* an interval; else a fast link means no sleep */
    LATE_US         = 1000000, /* turns that are left out, see the header      */
    CREDIT_US       = 1000000, /* over which the share is counted              */
};

#define MAX_BPS     INT64_C(10000000000)
#define MAX_WAIT_US (INT64_C(60) * ARC_US_PER_S)
/* Longer than any call: no bandwidth at all. */
#define FOREVER_US  ((double)(INT64_C(1) << 60))

/* --- intervals ---------------------------------------------------------------- */

static bool bandwidth_ok(int64_t sender_bps, int64_t receiver_bps,
                         int64_t trr_int_us)
{
    return sender_bps >= 0 && sender_bps <= MAX_BPS && receiver_bps >= 0 &&
           receiver_bps <= MAX_BPS && trr_int_us >= 0 &&
           trr_int_us <= MAX_WAIT_US;
}

static bool config_ok(const struct arc_rtcptime_config *c)
{
    return bandwidth_ok(c->sender_bps, c->receiver_bps, c->trr_int_us) &&
           c->min_interval_us >= 1 &&
           c->min_interval_us <= ARC_RTCPTIME_MIN_US &&
           c->max_fb_delay_us >= 0 && c->max_fb_delay_us <= MAX_WAIT_US &&
           c->first_bytes >= 1 && c->first_bytes <= 65535 &&
           c->overhead_bytes >= 0 && c->overhead_bytes <= 1000;
}

void arc_rtcptime_defaults(struct arc_rtcptime_config *cfg,
                           int64_t session_bps)
{
    memset(cfg, 0, sizeof(*cfg));
    cfg->sender_bps      = session_bps / 80;     /* 1.25 %, RFC 3550 §6.2 */
    cfg->receiver_bps    = session_bps * 3 / 80; /* 3.75 %                */
    cfg->min_interval_us = ARC_RTCPTIME_MIN_US;
    cfg->max_fb_delay_us = FB_DELAY_US;
    cfg->first_bytes     = 100;
    cfg->overhead_bytes  = UNICAST_BYTES;
}

int64_t arc_rtcptime_reduced_min_us(int64_t session_bps)
{
    const int64_t us_times_bps = 360 * 1000 * ARC_US_PER_S;

    if (session_bps <= us_times_bps / ARC_RTCPTIME_MIN_US)
        return ARC_RTCPTIME_MIN_US;
    return arc_max_i64(us_times_bps / session_bps, 1);
}

/** Bytes a second, and among how many members they are shared (RFC 3550
 *  §6.3.1 step 1). */
static double share(const struct arc_rtcptime *t, bool we_sent, int32_t *n)
{
    const double s = (double)t->cfg.sender_bps / 8;
    const double r = (double)t->cfg.receiver_bps / 8;

    /* senders / members <= S / (S + R), and always when R is zero. */
    if (t->senders * (s + r) <= t->members * s) {
        *n = we_sent ? t->senders : t->members - t->senders;
        *n = *n > 1 ? *n : 1;
        return we_sent ? s : r;
    }
    *n = t->members;
    return s + r;
}

/** Td (§6.3.1 steps 1 to 3). */
static double deterministic_us(const struct arc_rtcptime *t, bool we_sent,
                               double min_us)
{
    int32_t n;
    double bytes_per_s = share(t, we_sent, &n), us;

    if (bytes_per_s <= 0)
        return FOREVER_US;
    us = t->avg_bytes * n / bytes_per_s * (double)ARC_US_PER_S;
    us = us > min_us ? us : min_us;
    return us < FOREVER_US ? us : FOREVER_US;
}

/** Tmin (§6.3.1 step 2, RFC 4585 §3.4 d and §3.5.1). */
static double min_us(const struct arc_rtcptime *t)
{
    if (t->cfg.avpf)
        return t->initial && t->multiparty ? AVPF_INITIAL_US : LEAST_US;
    if (!t->initial)
        return (double)t->cfg.min_interval_us;
    if (t->cfg.unicast && !t->leaving)
        return LEAST_US; /* §6.2: the initial delay may be zero */
    return (double)t->cfg.min_interval_us / 2;
}

/** T (§6.3.1 steps 4 and 5), drawn anew. */
static int64_t draw_us(struct arc_rtcptime *t)
{
    double us = deterministic_us(t, t->we_sent, min_us(t));
    double spread = 0.5 + arc_rng_unit(&t->rng);

    t->interval_us = us < FOREVER_US ? (int64_t)(us * spread / COMPENSATION)
                                     : ARC_NEVER_US;
    return t->interval_us;
}

static int64_t later(int64_t us, int64_t by_us)
{
    return by_us == ARC_NEVER_US ? ARC_NEVER_US : us + by_us;
}

int64_t arc_rtcptime_member_timeout_us(const struct arc_rtcptime *t)
{
    double us = deterministic_us(t, false, ARC_RTCPTIME_MIN_US);

    return us < FOREVER_US ? (int64_t)(TIMEOUT_FACTOR * us)
                           : TIMEOUT_FACTOR * ARC_RTCPTIME_MIN_US;
}

int64_t arc_rtcptime_sender_timeout_us(const struct arc_rtcptime *t)
{
    double us = deterministic_us(t, true, (double)t->cfg.min_interval_us);

    return us < FOREVER_US ? (int64_t)(SENDER_FACTOR * us)
                           : SENDER_FACTOR * ARC_RTCPTIME_MIN_US;
}

/* --- joining ---------------------------------------------------------------------- */

enum arc_status arc_rtcptime_init(struct arc_rtcptime *t,
                                  const struct arc_rtcptime_config *cfg,
                                  uint64_t seed, int64_t now_us)
{
    if (!t || !cfg || !config_ok(cfg))
        return ARC_ERR_ARG;
    memset(t, 0, sizeof(*t));
    t->cfg = *cfg;
    arc_rng_init(&t->rng, seed);
    /* RFC 3550 §6.3.2 */
    t->members     = t->pmembers = 1;
    t->initial     = true;
    t->allow_early = true; /* RFC 4585 §3.5.1 */
    t->multiparty  = cfg->multiparty;
    t->avg_bytes   = cfg->first_bytes + cfg->overhead_bytes;
    t->early_us    = ARC_NEVER_US;
    t->tp_us       = now_us;
    t->tn_us       = later(now_us, draw_us(t));
    t->credit_us   = now_us - CREDIT_US;
    return ARC_OK;
}

enum arc_status arc_rtcptime_set_bandwidth(struct arc_rtcptime *t,
                                           int64_t sender_bps,
                                           int64_t receiver_bps,
                                           int64_t trr_int_us)
{
    if (!bandwidth_ok(sender_bps, receiver_bps, trr_int_us))
        return ARC_ERR_ARG;
    t->cfg.sender_bps   = sender_bps;
    t->cfg.receiver_bps = receiver_bps;
    t->cfg.trr_int_us   = trr_int_us;
    return ARC_OK;
}

void arc_rtcptime_set_multiparty(struct arc_rtcptime *t, bool multiparty)
{
    t->multiparty = multiparty;
}

/* --- turns ------------------------------------------------------------------------- */

/** The turn at `at_us` is over; the next one is drawn. */
static void next_turn(struct arc_rtcptime *t, int64_t at_us)
{
    t->tp_us = at_us;
    t->tn_us = later(at_us, draw_us(t));
    t->allow_early = true; /* RFC 4585 §3.5.3 */
}

/** Reports are not due yet for T_rr_interval (RFC 4585 §3.5.3 steps 1, 2). */
static bool too_soon(struct arc_rtcptime *t, int64_t at_us)
{
    double wait_us;

    if (!t->cfg.avpf || t->cfg.trr_int_us == 0 || !t->has_trr_last)
        return false;
    wait_us = (0.5 + arc_rng_unit(&t->rng)) * (double)t->cfg.trr_int_us;
    return t->trr_last_us + (int64_t)wait_us > at_us;
}

/** The timer ran out at tn (RFC 3550 §6.3.6). */
static void take_turn(struct arc_rtcptime *t)
{
    const int64_t at_us = t->tn_us;
    int64_t again_us = later(t->tp_us, draw_us(t));

    t->pmembers = t->members;
    if (again_us > at_us) {
        t->tn_us = again_us;
        t->stats.reconsidered++;
    } else if (t->leaving) {
        t->due = ARC_RTCP_DUE_BYE;
    } else if (!too_soon(t, at_us)) {
        t->due = ARC_RTCP_DUE_REGULAR;
    } else if (t->stored) {
        t->due = ARC_RTCP_DUE_STORED; /* RFC 4585 §3.5.3, 2b */
    } else {
        t->stats.suppressed++;        /* 2c */
        next_turn(t, at_us);
    }
}

static void take_turns(struct arc_rtcptime *t, int64_t now_us)
{
    if (t->tn_us < now_us - LATE_US)
        t->tn_us = now_us - LATE_US;
    while (t->due == ARC_RTCP_DUE_NONE && t->tn_us <= now_us)
        take_turn(t);
}

enum arc_rtcp_due arc_rtcptime_expire(struct arc_rtcptime *t, int64_t now_us)
{
    if (t->left)
        return ARC_RTCP_DUE_NONE;
    if (t->due == ARC_RTCP_DUE_NONE && t->early_us <= now_us)
        t->due = ARC_RTCP_DUE_EARLY;
    take_turns(t, now_us);
    return (enum arc_rtcp_due)t->due;
}

int64_t arc_rtcptime_next_us(const struct arc_rtcptime *t)
{
    int64_t next = t->tn_us;

    if (t->left)
        return ARC_NEVER_US;
    /* Turns that can only be suppressed need nobody to come. */
    if (t->due == ARC_RTCP_DUE_NONE && !t->leaving && !t->stored &&
        t->cfg.avpf && t->has_trr_last)
        next = arc_max_i64(next, t->trr_last_us + t->cfg.trr_int_us / 2);
    return arc_min_i64(next, t->early_us);
}

/* --- the group ----------------------------------------------------------------------- */

/** Reverse reconsideration (RFC 3550 §6.3.4): what is left to wait shrinks. */
static void draw_near(struct arc_rtcptime *t, double ratio, int64_t now_us)
{
    if (t->tn_us == ARC_NEVER_US || t->tn_us <= now_us || ratio >= 1)
        return;
    t->tn_us = now_us + (int64_t)(ratio * (double)(t->tn_us - now_us));
    t->tp_us = now_us - (int64_t)(ratio * (double)(now_us - t->tp_us));
    t->stats.reversed++;
}

void arc_rtcptime_set_counts(struct arc_rtcptime *t, int32_t members,
                             int32_t senders, bool we_sent, int64_t now_us)
{
    bool began = we_sent && !t->we_sent;
    double before, after;

    t->has_spoken |= we_sent;
    if (t->leaving)
        return; /* §6.3.7: members counts BYEs now */
    take_turns(t, now_us);
    before     = deterministic_us(t, t->we_sent, min_us(t));
    t->members = members > 1 ? members : 1;
    t->senders = (int32_t)arc_clamp_i64(senders, we_sent, t->members);
    t->we_sent = we_sent;
    after      = deterministic_us(t, we_sent, min_us(t));
    if (t->tn_us == ARC_NEVER_US && after < FOREVER_US)
        next_turn(t, now_us);
    /* §6.3.8: the wait becomes that of a sender, if it is shorter. */
    if (began && before < FOREVER_US)
        draw_near(t, after / before, now_us);
    if (t->members < t->pmembers) {
        draw_near(t, (double)t->members / t->pmembers, now_us);
        t->pmembers = t->members;
    }
}

static void average(struct arc_rtcptime *t, int32_t bytes, int32_t reporters)
{
    double size = bytes + t->cfg.overhead_bytes;

    size /= reporters > 1 ? reporters : 1; /* RFC 8108 §5.3.1 */
    t->avg_bytes += (size - t->avg_bytes) / AVG_SHIFT; /* RFC 3550 §6.3.3 */
}

void arc_rtcptime_on_received(struct arc_rtcptime *t, int32_t bytes,
                              int32_t reporters, int32_t byes)
{
    if (t->leaving && byes <= 0)
        return; /* RFC 3550 §6.3.7: only BYEs count */
    if (t->leaving && t->members < INT32_MAX - byes)
        t->members += byes;
    average(t, bytes, reporters);
}

/* --- feedback -------------------------------------------------------------------------- */

/** Room that is left in this second for feedback at once (RFC 4585 §3.3 a). */
static bool has_credit(struct arc_rtcptime *t, int64_t now_us)
{
    int32_t n;
    double per_us = share(t, t->we_sent, &n) / n / (double)ARC_US_PER_S;
    double most = per_us * CREDIT_US;

    if (t->multiparty || now_us < t->credit_us)
        return false;
    t->credit_bytes += per_us * (double)(now_us - t->credit_us);
    t->credit_bytes = t->credit_bytes < most ? t->credit_bytes : most;
    t->credit_us    = now_us;
    return t->credit_bytes > 0;
}

bool arc_rtcptime_may_early(struct arc_rtcptime *t, int64_t now_us)
{
    return t->cfg.avpf && !t->leaving && !t->left &&
           t->interval_us != ARC_NEVER_US &&
           (t->allow_early || has_credit(t, now_us));
}

static enum arc_feedback_plan refuse(struct arc_rtcptime *t)
{
    t->stats.refused++;
    return ARC_FEEDBACK_REFUSED;
}

static enum arc_feedback_plan store(struct arc_rtcptime *t)
{
    t->stored = true;
    return ARC_FEEDBACK_WAITS;
}

/* The numbers are the steps of RFC 4585 §3.5.2. */
enum arc_feedback_plan arc_rtcptime_request(struct arc_rtcptime *t,
                                            int64_t now_us)
{
    int64_t dither_us = 0; /* 2b i: point to point */

    if (t->leaving || t->left || t->interval_us == ARC_NEVER_US)
        return refuse(t);
    take_turns(t, now_us);
    if (t->due != ARC_RTCP_DUE_NONE || t->early_us != ARC_NEVER_US || t->stored)
        return ARC_FEEDBACK_JOINED; /* 2a */
    if (!t->cfg.avpf)
        return store(t); /* RFC 3550 knows no other way */
    t->immediate = has_credit(t, now_us);
    if (t->multiparty)
        dither_us = t->interval_us / 2; /* 2b ii */
    if (now_us + dither_us > t->tn_us)
        return store(t); /* 3a */
    if (!t->allow_early && !t->immediate) /* 4a */
        return t->tn_us - now_us < t->cfg.max_fb_delay_us ? store(t)
                                                          : refuse(t);
    t->early_us = now_us; /* 4b */
    if (dither_us > 0)
        t->early_us += (int64_t)(arc_rng_unit(&t->rng) * (double)dither_us);
    return ARC_FEEDBACK_EARLY;
}

void arc_rtcptime_withdraw(struct arc_rtcptime *t)
{
    if (t->due == ARC_RTCP_DUE_EARLY || t->due == ARC_RTCP_DUE_STORED)
        return; /* decided: the packet is being written */
    if (t->early_us == ARC_NEVER_US && !t->stored)
        return;
    t->early_us = ARC_NEVER_US;
    t->stored   = false;
    t->stats.withdrawn++;
}

void arc_rtcptime_fulfil(struct arc_rtcptime *t)
{
    if (t->due == ARC_RTCP_DUE_EARLY || t->due == ARC_RTCP_DUE_STORED)
        t->due = ARC_RTCP_DUE_NONE;
    t->early_us = ARC_NEVER_US;
    t->stored   = false;
}

/* --- sent --------------------------------------------------------------------------------- */

int64_t arc_rtcptime_taken_along_us(struct arc_rtcptime *t)
{
    /* Each round is a draw: 64 in a row that put it off happen to nobody. */
    for (int i = 0; i < 64; i++) {
        int64_t again_us = later(t->tp_us, draw_us(t));

        if (again_us <= t->tn_us || again_us == ARC_NEVER_US)
            break;
        t->tn_us = again_us;
    }
    return t->tn_us;
}

/** An early packet is paid for with the next turn (RFC 4585 §3.5.2 step 6). */
static void early_left(struct arc_rtcptime *t)
{
    int64_t turn_us = t->tn_us;

    t->stats.early++;
    t->stats.immediate += t->immediate;
    if (t->immediate)
        return; /* inside the share: no turn is owed */
    t->allow_early = false;
    t->tn_us = t->tp_us + 2 * t->interval_us;
    t->tn_us = arc_max_i64(t->tn_us, turn_us);
    t->tp_us = turn_us;
}

void arc_rtcptime_taken(struct arc_rtcptime *t, enum arc_rtcp_due due,
                        int64_t at_us)
{
    t->due        = ARC_RTCP_DUE_NONE;
    t->early_us   = ARC_NEVER_US;
    t->stored     = false;
    t->has_spoken = true;
    switch (due) {
    case ARC_RTCP_DUE_EARLY:
        early_left(t);
        break;
    case ARC_RTCP_DUE_BYE:
        t->left = true;
        break;
    default:
        t->stats.regular += due == ARC_RTCP_DUE_REGULAR;
        t->stats.stored  += due == ARC_RTCP_DUE_STORED;
        t->initial = false; /* RFC 3550 §6.3.6 */
        if (due == ARC_RTCP_DUE_REGULAR) {
            t->trr_last_us  = at_us;
            t->has_trr_last = true;
        }
        next_turn(t, at_us);
        break;
    }
}

void arc_rtcptime_on_sent(struct arc_rtcptime *t, int32_t bytes,
                          int32_t reporters, int64_t now_us)
{
    enum arc_rtcp_due due = (enum arc_rtcp_due)t->due;

    if (due == ARC_RTCP_DUE_NONE)
        return;
    if (bytes > 0) {
        has_credit(t, now_us); /* counts what has come in until now */
        t->credit_bytes -= bytes + t->cfg.overhead_bytes;
        average(t, bytes, reporters);
    }
    arc_rtcptime_taken(t, due, now_us);
}

/* --- leaving -------------------------------------------------------------------------------- */

bool arc_rtcptime_leave(struct arc_rtcptime *t, int32_t bye_bytes,
                        int64_t now_us)
{
    bool crowd = t->members > ARC_RTCPTIME_BYE_MEMBERS;

    if (t->leaving || t->left)
        return !t->left;
    t->leaving  = true;
    t->early_us = ARC_NEVER_US;
    t->stored   = false;
    t->due      = ARC_RTCP_DUE_NONE;
    if (!t->has_spoken) { /* RFC 3550 §6.3.7: who never spoke says nothing */
        t->left = true;
        return false;
    }
    t->tp_us   = t->tn_us = now_us;
    t->members = t->pmembers = 1;
    t->senders = 0;
    t->we_sent = false;
    t->initial = true;
    t->avg_bytes = bye_bytes + t->cfg.overhead_bytes;
    if (crowd)
        t->tn_us = later(now_us, draw_us(t));
    else
        t->due = ARC_RTCP_DUE_BYE;
    return true;
}
