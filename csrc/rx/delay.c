/**
 * @file rx/delay.c  How long one stream must be held back for smooth play-out
 */
#include <string.h>

#include "base/units.h"
#include "rx/delay.h"

/* 1 packet in 100 may come later than the target, if nothing else is said. */
static const double TAIL     = 0.01;
static const double TAIL_MAX = 0.2;

/* The histogram remembers about this many packets: ten seconds of 20 ms ones.
 * Shorter memories cannot hold a 1 % tail; until it is full nothing is
 * forgotten, so that the first second already gives a usable estimate. */
static const double MEMORY_PKTS = 500.0;

/* Weights grow instead of the whole histogram shrinking with each packet; at
 * this weight all are scaled back. Far below DBL_MAX, reached every hour. */
static const double UNIT_MAX = 1e100;

static const double REPAIR_LOSS_RATE = 0.005;
static const double JITTER_FACTOR    = 3.0; /* 95 % of exponential delays */

enum { TRUSTED_PKTS = 25, SHRINK_DIVISOR = 50, MIN_BIN_US = 1000 };

enum {
    STALL_PKTS      = 3,       /* so many at once: it was no chance            */
    STALL_MIN_US    = 60000,   /* less is jitter                               */
    STALL_GRACE_US  = 1000000, /* on top of twice the period                   */
    STALL_PERIOD_US = 20000000,/* rarer ones are no reason to wait             */
    SPACING_MAX_US  = 200000,  /* media time from one packet to the next       */
};

#define EMPTY_SLOT ARC_NEVER_US

static bool share_ok(double share)
{
    return share >= 0.0 && share < TAIL_MAX;
}

enum arc_status arc_delay_init(struct arc_delay *d,
                               const struct arc_delay_config *cfg)
{
    if (!cfg || cfg->min_ms < 0 || cfg->min_ms > cfg->max_ms ||
        cfg->max_ms > ARC_DELAY_MAX_MS || cfg->initial_ms < cfg->min_ms ||
        cfg->initial_ms > cfg->max_ms || !share_ok(cfg->late_share) ||
        !share_ok(cfg->stall_share))
        return ARC_ERR_ARG;

    memset(d, 0, sizeof(*d));
    d->cfg = *cfg;
    if (d->cfg.late_share == 0.0)
        d->cfg.late_share = TAIL;
    d->target_us = cfg->initial_ms * ARC_US_PER_MS;
    d->unit      = 1.0;
    /* The last bin ends at max_ms or beyond: later than that is all one. */
    d->bin_us = (int32_t)arc_max_i64(
        MIN_BIN_US, (cfg->max_ms * ARC_US_PER_MS + ARC_DELAY_BINS - 1) /
                        ARC_DELAY_BINS);
    arc_delay_new_timeline(d);
    return ARC_OK;
}

void arc_delay_new_timeline(struct arc_delay *d)
{
    d->started  = false;
    d->n_behind = d->n_stalls = 0;
    d->head_us  = 0;
    for (int i = 0; i < ARC_DELAY_MIN_SLOTS; i++)
        d->slot_min_us[i] = EMPTY_SLOT;
}

/* ---- base: sliding minimum, one cell a half second ---- */

static int64_t *cell(struct arc_delay *d, int64_t slot)
{
    return &d->slot_min_us[(uint64_t)slot % ARC_DELAY_MIN_SLOTS];
}

static void update_base(struct arc_delay *d, int64_t transit_us, int64_t now_us)
{
    int64_t slot = now_us / ARC_DELAY_SLOT_US;

    if (!d->started) {
        d->started  = true;
        d->slot_now = slot;
    }
    if (slot - d->slot_now >= ARC_DELAY_MIN_SLOTS)
        d->slot_now = slot - ARC_DELAY_MIN_SLOTS;
    while (d->slot_now < slot)
        *cell(d, ++d->slot_now) = EMPTY_SLOT;

    *cell(d, d->slot_now) = arc_min_i64(*cell(d, d->slot_now), transit_us);
    d->base_us = transit_us;
    for (int i = 0; i < ARC_DELAY_MIN_SLOTS; i++)
        d->base_us = arc_min_i64(d->base_us, d->slot_min_us[i]);
}

/* ---- target: quantile of a forgetting histogram ---- */

static void rescale(struct arc_delay *d)
{
    for (int i = 0; i < ARC_DELAY_BINS; i++)
        d->bins[i] /= d->unit;
    d->total /= d->unit;
    d->unit = 1.0;
}

static int32_t add_sample(struct arc_delay *d, int64_t relative_us)
{
    int32_t bin = (int32_t)arc_clamp_i64(relative_us / d->bin_us, 0,
                                         ARC_DELAY_BINS - 1);

    d->n_pkts++;
    if ((double)d->n_pkts > MEMORY_PKTS) {
        d->unit /= 1.0 - 1.0 / MEMORY_PKTS;
        if (d->unit > UNIT_MAX)
            rescale(d);
    }
    d->bins[bin] += d->unit;
    d->total     += d->unit;
    if (bin > d->top_bin)
        d->top_bin = bin;
    return bin;
}

/** Share of the packets that may come later than the end of this bin. Where the
 *  delay is long already, more of it hurts more (ITU-T G.107: from 150 ms on). */
static double late_share(const struct arc_delay *d, int32_t bin)
{
    int64_t delay_us = (int64_t)(bin + 1) * d->bin_us;

    if (d->cfg.long_us == 0 || delay_us < d->cfg.long_us)
        return d->cfg.late_share;
    return d->cfg.late_share * (double)delay_us / (double)d->cfg.long_us;
}

/** Delay that all but late_share of the packets stay within: upper edge of its bin. */
static int64_t quantile_us(struct arc_delay *d)
{
    double above = 0.0;
    int32_t bin;

    while (d->top_bin > 0 && d->bins[d->top_bin] < d->unit * 1e-6)
        d->bins[d->top_bin--] = 0.0;
    for (bin = d->top_bin; bin > 0; bin--) {
        above += d->bins[bin];
        if (above > late_share(d, bin) * d->total)
            break;
    }
    return (int64_t)(bin + 1) * d->bin_us;
}

double arc_delay_later(const struct arc_delay *d, int64_t relative_us)
{
    int64_t first = relative_us < 0 ? 0 : relative_us / d->bin_us + 1;
    double above = 0.0;

    for (int64_t bin = first; bin <= d->top_bin; bin++)
        above += d->bins[bin];
    return d->total > 0.0 ? arc_min_d(above / d->total, 1.0) : 0.0;
}

/* ---- stalls: height and period ---- */

/** Whether this packet waited behind the one before it: the media time between
 *  them passed in less than half of it. */
static bool was_drained(const struct arc_delay *d, int64_t transit_us,
                        int64_t now_us)
{
    int64_t gap_us = now_us - d->last_us;
    int64_t media_us = gap_us - (transit_us - d->last_transit_us);

    return media_us > 0 && media_us <= SPACING_MAX_US && gap_us < media_us / 2;
}

static void note_stall(struct arc_delay *d, int64_t now_us)
{
    struct arc_delay_stall *s = &d->stalls[d->n_stalls++ % ARC_DELAY_STALLS];

    s->height_us = d->head_us;
    s->at_us     = now_us;
    /* It is remembered as a stall, so not as a late packet too. */
    d->bins[d->head_bin] = arc_max_d(d->bins[d->head_bin] - d->unit, 0.0);
    d->total             = arc_max_d(d->total - d->unit, 0.0);
}

/** Delay that leaves stall_share of the time uncovered; 0: no stalls, or they
 *  have stopped. */
static int64_t stalls_us(const struct arc_delay *d, int64_t now_us)
{
    int32_t n = (int32_t)arc_min_i64(d->n_stalls, ARC_DELAY_STALLS);
    const struct arc_delay_stall *first, *last;
    int64_t period_us, height_us = 0;

    if (n < 2)
        return 0;
    first     = &d->stalls[(d->n_stalls - n) % ARC_DELAY_STALLS];
    last      = &d->stalls[(d->n_stalls - 1) % ARC_DELAY_STALLS];
    period_us = (last->at_us - first->at_us) / (n - 1);
    if (period_us > STALL_PERIOD_US ||
        now_us - last->at_us > 2 * period_us + STALL_GRACE_US)
        return 0;
    for (int32_t i = 0; i < n; i++)
        height_us += d->stalls[(d->n_stalls - 1 - i) % ARC_DELAY_STALLS].height_us / n;
    return height_us - (int64_t)(d->cfg.stall_share * (double)period_us);
}

/** Into the histogram, or behind a stall. */
static void count_packet(struct arc_delay *d, int64_t transit_us, int64_t now_us)
{
    int64_t relative_us = transit_us - d->base_us;

    if (d->cfg.stall_share > 0.0 && d->n_pkts > 0 &&
        was_drained(d, transit_us, now_us)) {
        if (++d->n_behind == STALL_PKTS - 1 && d->head_us >= STALL_MIN_US)
            note_stall(d, now_us);
    } else {
        d->n_behind = 0;
        d->head_us  = relative_us;
        d->head_bin = add_sample(d, relative_us);
    }
    d->last_transit_us = transit_us;
    d->last_us         = now_us;
}

/** What the target should be, within the bounds. */
static int64_t wanted_us(struct arc_delay *d, int64_t now_us)
{
    int64_t max_us = d->cfg.max_ms * ARC_US_PER_MS;
    int64_t want_us = d->n_pkts ? quantile_us(d) : 0;

    if (d->n_pkts < TRUSTED_PKTS && d->floor_us == 0)
        want_us = arc_max_i64(want_us, d->cfg.initial_ms * ARC_US_PER_MS);
    want_us = arc_max_i64(want_us, d->floor_us);
    want_us = arc_max_i64(want_us, stalls_us(d, now_us));
    if (want_us + d->extra_us <= max_us)
        want_us += d->extra_us;
    return arc_clamp_i64(want_us, d->cfg.min_ms * ARC_US_PER_MS, max_us);
}

void arc_delay_on_packet(struct arc_delay *d, int64_t transit_us, int64_t now_us)
{
    bool first = !d->started;
    int64_t want_us, room_us;

    update_base(d, transit_us, now_us);
    if (!d->cfg.adaptive)
        return;

    count_packet(d, transit_us, now_us);
    want_us = wanted_us(d, now_us);
    if (first)
        d->shrunk_us = now_us;
    room_us = (now_us - d->shrunk_us) / SHRINK_DIVISOR;
    if (want_us >= d->target_us) {
        d->target_us = want_us;
        d->shrunk_us = now_us;
    } else if (room_us > 0) {
        d->target_us = arc_max_i64(want_us, d->target_us - room_us);
        d->shrunk_us = now_us;
    }
}

void arc_delay_adapt(struct arc_delay *d, double loss_rate, double jitter_ms,
                     double rtt_ms)
{
    const double max_ms = ARC_DELAY_MAX_MS;
    int64_t want_us;

    if (!d->cfg.adaptive)
        return;
    /* Written so that a NaN counts as zero. */
    jitter_ms = jitter_ms > 0.0 ? jitter_ms * JITTER_FACTOR : 0.0;
    rtt_ms    = rtt_ms > 0.0 ? rtt_ms : 0.0;
    d->floor_us = (int64_t)((jitter_ms < max_ms ? jitter_ms : max_ms) *
                            (double)ARC_US_PER_MS);
    d->extra_us = 0;
    if (loss_rate >= REPAIR_LOSS_RATE)
        d->extra_us = (int64_t)((rtt_ms < max_ms ? rtt_ms : max_ms) *
                                (double)ARC_US_PER_MS);

    want_us = wanted_us(d, d->last_us);
    /* Without packets there is no time to shrink along: an eighth a call. */
    if (want_us > d->target_us)
        d->target_us = want_us;
    else if (d->n_pkts == 0)
        d->target_us -= (d->target_us - want_us) / 8;
}
