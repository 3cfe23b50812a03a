/**
 * @file rx/delay.c  How long one stream must be held back for smooth play-out
 */
#include <string.h>

#include "base/units.h"
#include "rx/delay.h"

/* 1 packet in 100 may come later than the target. */
static const double TAIL = 0.01;

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

#define EMPTY_SLOT ARC_NEVER_US

enum arc_status arc_delay_init(struct arc_delay *d,
                               const struct arc_delay_config *cfg)
{
    if (!cfg || cfg->min_ms < 0 || cfg->min_ms > cfg->max_ms ||
        cfg->max_ms > ARC_DELAY_MAX_MS || cfg->initial_ms < cfg->min_ms ||
        cfg->initial_ms > cfg->max_ms)
        return ARC_ERR_ARG;

    memset(d, 0, sizeof(*d));
    d->cfg       = *cfg;
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
    d->started = false;
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

static void add_sample(struct arc_delay *d, int64_t relative_us)
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
}

/** Delay that all but TAIL of the packets stay within: upper edge of its bin. */
static int64_t quantile_us(struct arc_delay *d)
{
    double above = 0.0;
    int32_t bin;

    while (d->top_bin > 0 && d->bins[d->top_bin] < d->unit * 1e-6)
        d->bins[d->top_bin--] = 0.0;
    for (bin = d->top_bin; bin > 0; bin--) {
        above += d->bins[bin];
        if (above > TAIL * d->total)
            break;
    }
    return (int64_t)(bin + 1) * d->bin_us;
}

/** What the target should be, within the bounds. */
static int64_t wanted_us(struct arc_delay *d)
{
    int64_t max_us = d->cfg.max_ms * ARC_US_PER_MS;
    int64_t want_us = d->n_pkts ? quantile_us(d) : 0;

    if (d->n_pkts < TRUSTED_PKTS && d->floor_us == 0)
        want_us = arc_max_i64(want_us, d->cfg.initial_ms * ARC_US_PER_MS);
    want_us = arc_max_i64(want_us, d->floor_us);
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

    add_sample(d, transit_us - d->base_us);
    want_us = wanted_us(d);
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

    want_us = wanted_us(d);
    /* Without packets there is no time to shrink along: an eighth a call. */
    if (want_us > d->target_us)
        d->target_us = want_us;
    else if (d->n_pkts == 0)
        d->target_us -= (d->target_us - want_us) / 8;
}
