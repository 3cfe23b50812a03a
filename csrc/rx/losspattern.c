/**
 * @file rx/losspattern.c  How packets of one stream are lost
 */
#include <string.h>

#include "base/units.h"
#include "rx/losspattern.h"

enum {
    PKTS         = ARC_LOSSPATTERN_PKTS,
    MARKS        = ARC_LOSSPATTERN_MARKS,
    SETTLE_STEPS = MARKS - 1, /* marks in settle_us                          */
    FADE_STEPS   = 64,        /* steps of the weights in memory_us           */
    MOST_FADES   = 20 * FADE_STEPS, /* then nothing is left: e^-20            */
    CAME         = 1,         /* by itself                                   */
    REPAIRED     = 2,
    PLAYABLE     = 4          /* one way or the other, in time               */
};

#define MIN_SETTLE_US (10 * ARC_US_PER_MS)
#define MAX_SETTLE_US (60 * ARC_US_PER_S)
#define MIN_MEMORY_US (100 * ARC_US_PER_MS)
#define MAX_MEMORY_US (600 * ARC_US_PER_S)

typedef char numbers_fill_the_ring[(PKTS & (PKTS - 1)) == 0 ? 1 : -1];

enum arc_status arc_losspattern_init(struct arc_losspattern *p,
                                     const struct arc_losspattern_config *cfg)
{
    if (!p || !cfg || cfg->settle_us < MIN_SETTLE_US ||
        cfg->settle_us > MAX_SETTLE_US || cfg->memory_us < MIN_MEMORY_US ||
        cfg->memory_us > MAX_MEMORY_US || cfg->gmin_pkts < 1 ||
        cfg->gmin_pkts > 255)
        return ARC_ERR_ARG;
    memset(p, 0, sizeof(*p));
    p->cfg  = *cfg;
    p->fade = 1.0 - 1.0 / FADE_STEPS; /* to its 64th: 0.365, e^-1 is 0.368 */
    return ARC_OK;
}

static uint8_t *fate_of(struct arc_losspattern *p, int64_t seq)
{
    return &p->fate[(uint64_t)seq % PKTS];
}

/* --- judgement ------------------------------------------------------------------ */

static void count(struct arc_losspattern_tally *t, bool lost)
{
    t->pkts += 1.0;
    if (lost) {
        t->lost   += 1.0;
        t->bursts += t->in_burst ? 0.0 : 1.0;
    }
    t->in_burst = lost;
}

/** So many played in a row: what was a burst is over. One loss alone is none,
 *  it lies in a gap (RFC 3611 §4.7.2). */
static void end_run(struct arc_losspattern_gmin *g)
{
    if (g->run_lost > 1) {
        g->bursts++;
        g->burst_pkts += g->run_pkts;
        g->burst_lost += g->run_lost;
    }
    g->run_lost = 0;
}

static void count_gmin(struct arc_losspattern_gmin *g, int32_t gmin_pkts,
                       bool lost)
{
    g->pkts++;
    if (!lost) {
        if (++g->since >= gmin_pkts)
            end_run(g);
        return;
    }
    g->lost++;
    g->run_pkts = g->run_lost ? g->run_pkts + g->since + 1 : 1;
    g->run_lost++;
    g->since = 0;
}

static void note_judged(struct arc_losspattern *p, int64_t seq, bool came)
{
    uint32_t i = (uint64_t)seq % PKTS;
    uint8_t bit = (uint8_t)(1u << i % 8);

    p->came[i / 8] = (uint8_t)(came ? p->came[i / 8] | bit : p->came[i / 8] & ~bit);
}

static void judge(struct arc_losspattern *p, uint8_t fate)
{
    bool gone = !(fate & (CAME | REPAIRED));

    count(&p->before, !(fate & CAME));
    count(&p->after, gone);
    count(&p->unplayed, !(fate & PLAYABLE));
    count_gmin(&p->gmin, p->cfg.gmin_pkts, !(fate & PLAYABLE));
    p->judged++;
    p->lost_before += !(fate & CAME);
    p->lost_after  += gone;
    p->repaired    += !(fate & CAME) && !gone;
    p->discarded   += !gone && !(fate & PLAYABLE);
}

static void judge_to(struct arc_losspattern *p, int64_t last)
{
    for (; p->next <= last; p->next++) {
        uint8_t *fate = fate_of(p, p->next);

        judge(p, *fate);
        note_judged(p, p->next, *fate & CAME);
        *fate = 0;
    }
}

/* --- time ------------------------------------------------------------------------- */

static void fade_tally(struct arc_losspattern_tally *t, double factor)
{
    t->pkts   *= factor;
    t->lost   *= factor;
    t->bursts *= factor;
}

static void fade(struct arc_losspattern *p, int64_t now_us)
{
    const int64_t step_us = p->cfg.memory_us / FADE_STEPS;
    int64_t steps = (now_us - p->faded_us) / step_us;
    double factor = 1.0;

    if (steps < 1)
        return;
    p->faded_us += steps * step_us;
    for (steps = arc_min_i64(steps, MOST_FADES); steps > 0; steps--)
        factor *= p->fade;
    fade_tally(&p->before, factor);
    fade_tally(&p->after, factor);
    fade_tally(&p->unplayed, factor);
}

/** Judge what was passed settle_us ago, as of the marks. */
static void settle(struct arc_losspattern *p, int64_t now_us)
{
    if (!p->started)
        return;
    fade(p, now_us);
    while (p->n_marks > 0 &&
           now_us - p->mark_us[p->first_mark] >= p->cfg.settle_us) {
        judge_to(p, p->mark_seq[p->first_mark]);
        p->first_mark = (p->first_mark + 1) % MARKS;
        p->n_marks--;
    }
    if (now_us - p->highest_us >= p->cfg.settle_us)
        judge_to(p, p->highest); /* nothing came since: no mark tells */
}

/** Remember the highest number of now; not more often than the ring can hold. */
static void mark(struct arc_losspattern *p, int64_t now_us)
{
    const int32_t last = (p->first_mark + p->n_marks + MARKS - 1) % MARKS;

    if (p->n_marks > 0 && (p->mark_seq[last] == p->highest ||
                           now_us - p->mark_us[last] <
                               p->cfg.settle_us / SETTLE_STEPS))
        return;
    if (p->n_marks == MARKS) {
        p->mark_seq[last] = p->highest; /* a little later than it could be */
        p->mark_us[last]  = now_us;
        return;
    }
    p->mark_us[(last + 1) % MARKS]  = now_us;
    p->mark_seq[(last + 1) % MARKS] = p->highest;
    p->n_marks++;
}

/* --- numbers ---------------------------------------------------------------------- */

static void start_anew(struct arc_losspattern *p, int64_t seq, int64_t now_us)
{
    if (p->started) {
        judge_to(p, p->highest);
        p->jumps++;
    } else {
        p->faded_us    = now_us;
        p->report_next = seq;
    }
    p->started = true;
    p->next    = seq;
    p->highest = seq;
    p->highest_us = now_us;
    p->n_marks = 0;
    arc_restart_init(&p->restart);
}

/** Whether `seq` has a place among those that wait for their judgement. */
static bool find_place(struct arc_losspattern *p, int64_t seq, int64_t now_us)
{
    if (!p->started || seq - p->highest > PKTS) {
        start_anew(p, seq, now_us);
    } else if (seq > p->highest) {
        arc_restart_init(&p->restart);
        judge_to(p, seq - PKTS);
        p->highest = seq;
        p->highest_us = now_us;
    } else if (p->highest - seq > PKTS &&
               arc_restart_on_stray(&p->restart, seq)) {
        start_anew(p, seq, now_us);
    }
    return seq >= p->next;
}

void arc_losspattern_on_packet(struct arc_losspattern *p, int64_t seq,
                               bool repaired, bool in_time, int64_t now_us)
{
    settle(p, now_us);
    if (!find_place(p, seq, now_us)) {
        p->too_late++;
        return;
    }
    *fate_of(p, seq) |= (uint8_t)((repaired ? REPAIRED : CAME) |
                                  (in_time ? PLAYABLE : 0));
    mark(p, now_us);
}

/* --- what it tells ------------------------------------------------------------------ */

static double part(double of, double whole)
{
    return whole > 0.0 ? of / whole : 0.0;
}

static void tell(const struct arc_losspattern_tally *t,
                 struct arc_loss_figures *out)
{
    const double kept = t->pkts - t->lost;

    out->weight_pkts = t->pkts;
    out->rate        = part(t->lost, t->pkts);
    out->burst_pkts  = part(t->lost, t->bursts);
    out->gap_pkts    = part(kept, t->bursts);
    out->conditional = part(t->lost - t->bursts, t->lost);
    /* The packet before the first may weigh more than it: never above 1. */
    out->enter       = t->bursts < kept ? part(t->bursts, kept)
                                        : part(t->bursts, t->bursts);
}

/** A burst that is not over is taken for one, as if what follows were played. */
static void tell_gmin(struct arc_losspattern_gmin g,
                      struct arc_losspattern_figures *out)
{
    end_run(&g);
    out->burst_density   = part((double)g.burst_lost, (double)g.burst_pkts);
    out->gap_density     = part((double)(g.lost - g.burst_lost),
                                (double)(g.pkts - g.burst_pkts));
    out->gmin_burst_pkts = part((double)g.burst_pkts, (double)g.bursts);
    out->gmin_gap_pkts   = part((double)(g.pkts - g.burst_pkts),
                                (double)(g.bursts + 1));
}

void arc_losspattern_figures(struct arc_losspattern *p, int64_t now_us,
                             struct arc_losspattern_figures *out)
{
    settle(p, now_us);
    memset(out, 0, sizeof(*out));
    tell(&p->before, &out->before);
    tell(&p->after, &out->after);
    tell(&p->unplayed, &out->unplayed);
    tell_gmin(p->gmin, out);
    out->waiting_pkts = p->started ? (int32_t)(p->highest - p->next + 1) : 0;
}

void arc_losspattern_report(struct arc_losspattern *p, int64_t now_us,
                            struct arc_losspattern_report *out)
{
    settle(p, now_us);
    memset(out, 0, sizeof(*out));
    /* Numbers from before a jump cannot stand in one interval with new ones. */
    if (p->report_jumps != p->jumps || p->next - p->report_next > PKTS) {
        p->report_next = p->next;
    } else {
        out->lost_pkts     = (uint16_t)(p->lost_after - p->report_lost);
        out->repaired_pkts = (uint16_t)(p->repaired - p->report_repaired);
    }
    out->begin_seq     = p->report_next;
    out->end_seq       = p->next;
    p->report_next     = p->next;
    p->report_lost     = p->lost_after;
    p->report_repaired = p->repaired;
    p->report_jumps    = p->jumps;
}

bool arc_losspattern_came(const struct arc_losspattern *p, int64_t seq)
{
    uint32_t i = (uint64_t)seq % PKTS;

    return p->came[i / 8] >> i % 8 & 1;
}
