/**
 * @file rx/voicepace.c  When a voice is played slower, and when quicker
 *
 * Slower as soon as the next packet is missing shortly before it is needed: then
 * only the few late packets cost delay (Liang, Färber, Girod 2003, section III).
 * Quicker when the delay is over its target and enough is there. What is over
 * max_latency_ms in spite of that is left out at once.
 */
#include <math.h>
#include <string.h>

#include "base/units.h"
#include "rx/ticks.h"
#include "rx/voice_parts.h"

enum {
    RUN_MAX_PKTS  = 64,
    LATE_MIN_US   = 10000, /* sooner, a packet is not missing but on its way    */
    LOW_US        = 30000, /* one packet is late, others are here: it will come
                              soon, and slowing down is best left to the last   */
    LOW_LONG_US   = 20000, /* the same where the delay is long already          */
    LOW_STALL_US  = 80000, /* nothing comes: it may take long                   */
    OVER_US       = 10000, /* the target; a piece is about as much              */
    OVER_LONG_US  = 25000, /* the same: less is changed, and a little more lost */
    LEAVE_US      = 3000,  /* of that: the next packet may be late as well      */
    LONG_US       = 150000,/* a long delay (ITU-T G.107): it costs more than a
                              piece that is made up now and then                */
    HURRY_US      = 60000, /* so far over target every place is good enough     */
    AFTER_SLOW_US = 20000, /* not quicker so soon                               */
    AGAIN_US      = 20000, /* no good place: look again when there is new sound */
    PIECE_US      = 15000, /* of one change at most                             */
    SKIP_BLOCKS   = 64,    /* left out at most before one that is heard         */
    PACE          = 2,     /* so much sound goes by unchanged for each changed  */
    GROW_PACE     = 3,     /* .. length: no more than half, or a third          */
};

/* Of packets as late as the next one is, the share that comes after it is needed:
 * from there on it is worth to slow down, and below to hurry. */
static const double MISS_SLOW  = 0.07;
static const double MISS_QUICK = 0.06;

/* What the past has not shown may still happen. */
static const double NEVER_SEEN  = 0.001;
static const double UNSEEN_FALL = 0.8;    /* e-folds for each such length */

/* Where nothing was ever lost, something may be. */
static const double NEVER_LOST  = 0.0005;

/** Media that is here without a hole from the play head on, us. @param overtaken
 *  Whether anything behind that hole is here as well */
static int64_t media_ready_us(const struct arc_voice *v, bool *overtaken)
{
    int64_t us = arc_voice_us_of(v, v->queue.n);
    int64_t seq = v->last_seq + 1, end_ts = v->next_ts;
    const struct arc_rxpkt *p;
    int32_t run = 0;

    while (run < RUN_MAX_PKTS && (p = arc_jitter_at(v->jitter, seq)) != NULL) {
        end_ts = arc_max_i64(end_ts, p->ts + v->pkt_ticks);
        seq++;
        run++;
    }
    *overtaken = arc_jitter_depth_pkts(v->jitter) > run;
    return us + arc_ticks_to_us(end_ts - v->next_ts, v->clock_hz);
}

static int32_t samples_in(const struct arc_voice *v, int64_t us)
{
    return (int32_t)(us * v->rate_hz / ARC_US_PER_S);
}

static double share_of(int64_t us, int64_t whole_us)
{
    return (double)arc_clamp_i64(us, 0, whole_us) / (double)whole_us;
}

static void count_removed(struct arc_voice *v, const int32_t *removed)
{
    v->stats.removed     += removed[ARC_VOICE_DECODED] + removed[ARC_VOICE_FEC] +
                            removed[ARC_VOICE_COPY];
    v->stats.silence_cut += removed[ARC_VOICE_SILENT] +
                            removed[ARC_VOICE_CONCEALED];
}

/** The queue has another length now. */
static void resized(struct arc_voice *v, int32_t n)
{
    int32_t removed[ARC_VOICE_KINDS] = {0};

    arc_voicequeue_resize(&v->queue, n, removed);
    count_removed(v, removed);
}

/** When so many times the changed length has been heard. */
static int64_t after(const struct arc_voice *v, int32_t changed, int32_t times)
{
    return v->clock_us + times * arc_voice_us_of(v, changed);
}

/** How much later than max_latency_ms lets it the end of the queue will be heard. */
static int64_t beyond_us(const struct arc_voice *v)
{
    return arc_voice_lateness_us(v, 0) - v->cfg.max_latency_ms * ARC_US_PER_MS;
}

static void slower(struct arc_voice *v, double urgency, int32_t pace)
{
    struct arc_voicequeue *q = &v->queue;
    const int64_t most_us = arc_clamp_i64(-beyond_us(v), 0, PIECE_US);
    int32_t n = q->n;

    if (arc_stretch_lengthen(v->stretch, q->pcm, q->n_before,
                             arc_voicequeue_pcm(q), &n,
                             n + arc_voicequeue_space(q),
                             samples_in(v, most_us), urgency) != ARC_OK)
        return;
    v->slow_us  = after(v, n - q->n, pace);
    v->quick_us = v->clock_us + AFTER_SLOW_US;
    resized(v, n);
}

static void quicker(struct arc_voice *v, int64_t most_us, double urgency)
{
    struct arc_voicequeue *q = &v->queue;
    int32_t n = q->n;

    if (arc_stretch_shorten(v->stretch, q->pcm, q->n_before,
                            arc_voicequeue_pcm(q), &n,
                            samples_in(v, arc_min_i64(most_us, PIECE_US)),
                            urgency) != ARC_OK) {
        v->quick_us = v->clock_us + AGAIN_US;
        return;
    }
    v->quick_us = after(v, q->n - n, PACE);
    resized(v, n);
}

int64_t arc_voice_lateness_us(const struct arc_voice *v, int64_t ahead_us)
{
    return arc_jitter_delay(v->jitter)->target_us + v->hold_us +
           arc_voice_behind_us(v) - ahead_us;
}

bool arc_voice_may_come(const struct arc_voice *v, int64_t late_us,
                        int64_t within_us, double chance)
{
    const struct arc_delay *d = arc_jitter_delay(v->jitter);
    double later = arc_delay_later(d, late_us);
    double soon = later - arc_delay_later(d, late_us + within_us);

    return soon > chance * (later + v->loss_share + NEVER_SEEN);
}

/** Share of the packets that come later than this: those that were seen, and the
 *  few that delays not seen yet are good for, which are of the length of those. */
static double later_share(const struct arc_delay *d, int64_t late_us)
{
    int64_t seen_us = (int64_t)(d->top_bin + 1) * d->bin_us;
    int64_t long_us = arc_min_i64(d->target_us, arc_max_i64(seen_us, LATE_MIN_US));
    double lengths = (double)arc_max_i64(late_us, 0) /
                     (double)arc_max_i64(long_us, 1);

    return arc_delay_later(d, late_us) + NEVER_SEEN * exp(-UNSEEN_FALL * lengths);
}

/** The chance that the next missing packet, so late by now, comes, but not within
 *  `ready_us`: it may as well be lost. Where no other has overtaken it, all may be
 *  held up, though that was never seen. */
static double miss_chance(const struct arc_voice *v, int64_t late_us,
                          int64_t ready_us, bool overtaken)
{
    const struct arc_delay *d = arc_jitter_delay(v->jitter);

    if (!overtaken)
        return (arc_delay_later(d, late_us + ready_us) + NEVER_SEEN) /
               (arc_delay_later(d, late_us) + NEVER_SEEN + v->loss_share);
    return later_share(d, late_us + ready_us) /
           (later_share(d, late_us) + NEVER_LOST + v->loss_share);
}

/** Leave out the next `n` samples of the queue; they fade into what follows them,
 *  over `overlap`. */
static void leave_out(struct arc_voice *v, int32_t n, int32_t overlap)
{
    const int32_t c = v->queue.channels;
    const int16_t *from = arc_voicequeue_pcm(&v->queue);
    int16_t *to = arc_voicequeue_pcm(&v->queue) + n * c;
    int32_t removed[ARC_VOICE_KINDS] = {0};

    for (int32_t i = 0; i < overlap * c; i++) {
        float w = ((float)(i / c) + 0.5f) / (float)overlap;

        to[i] = (int16_t)lrintf((1.0f - w) * (float)from[i] + w * (float)to[i]);
    }
    arc_voicequeue_skip(&v->queue, n, removed);
    count_removed(v, removed);
}

/** How much later than max_latency_ms lets it the queue will be heard, at its head
 *  or at its end: stretching may lie between them. */
static int64_t over_bound_us(const struct arc_voice *v)
{
    int64_t head_us = v->clock_us - arc_voice_playout_us(v, v->queue.pieces[0].ts);

    if (head_us > ARC_VOICE_JUMP_US || head_us < -ARC_VOICE_JUMP_US)
        head_us = 0; /* of another time line, as in arc_voice_behind_us() */
    return arc_max_i64(head_us - arc_voice_behind_us(v), 0) + beyond_us(v);
}

bool arc_voice_keep_bound(struct arc_voice *v)
{
    struct arc_voicequeue *q = &v->queue;

    for (int32_t left = SKIP_BLOCKS; ; left--) {
        int64_t over_us = over_bound_us(v);
        int32_t most = q->n - v->grain_samples;

        if (over_us > 0 && most > 0 && left > 0)
            leave_out(v, (int32_t)arc_min_i64(samples_in(v, over_us) + 1, most),
                      v->grain_samples);
        if (q->n >= v->block_samples)
            return true;
        if (!arc_voice_fill(v))
            return false;
    }
}

void arc_voice_pace(struct arc_voice *v)
{
    const int64_t max_us = v->cfg.max_latency_ms * ARC_US_PER_MS;
    /* A block that ends in the next packet needs all of that packet when it
     * begins, which is so much before the packet is heard. */
    const int64_t needed_us = arc_voice_us_of(v, v->queue.n % v->block_samples);
    const int64_t behind_us = arc_voice_behind_us(v) - needed_us;
    const bool is_long = arc_jitter_delay(v->jitter)->target_us >= LONG_US;
    const int64_t low_us = is_long ? LOW_LONG_US : LOW_US;
    bool overtaken;
    int64_t ready_us = media_ready_us(v, &overtaken);
    int64_t late_us = arc_voice_lateness_us(v, ready_us);
    double miss = miss_chance(v, late_us, ready_us - needed_us, overtaken);

    if (beyond_us(v) > 0)
        return; /* see arc_voice_keep_bound() */
    if (v->starved_us > 0)
        return;
    if (miss > MISS_SLOW && late_us > LATE_MIN_US &&
        ready_us - needed_us < (overtaken ? low_us : LOW_STALL_US)) {
        if (v->clock_us >= v->slow_us && late_us + ready_us + PIECE_US <= max_us)
            slower(v, overtaken ? 1.0 : miss, overtaken ? 0 : PACE);
    } else if (behind_us < 0 && v->clock_us >= v->slow_us) {
        /* The sender's clock is slower, or the target has grown: there is time to
         * choose the place, as long as the next packet is not missing. */
        slower(v, share_of(-behind_us, HURRY_US), GROW_PACE);
    } else if (miss < MISS_QUICK && v->clock_us >= v->quick_us) {
        if (behind_us > (is_long ? OVER_LONG_US : OVER_US))
            quicker(v, behind_us - LEAVE_US, share_of(behind_us, HURRY_US));
        else if (needed_us >= ARC_STRETCH_MIN_US)
            quicker(v, needed_us, 0.0); /* no packet is needed sooner by it */
    }
}
