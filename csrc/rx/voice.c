/**
 * @file rx/voice.c  One received voice: packets in, times, numbers
 */
#include "base/units.h"
#include "rx/ticks.h"
#include "rx/voice_parts.h"

enum { COPY_MAX_S = 1 }; /* a copy that comes later is of no use                */

int32_t arc_voice_clock_hz(const struct arc_voice *v)
{
    return v->clock_hz;
}

/* --- in ------------------------------------------------------------------------- */

/** Target and hold together stay within max_latency_ms. */
static void fit_hold(struct arc_voice *v)
{
    int64_t room_us = v->cfg.max_latency_ms * ARC_US_PER_MS -
                      arc_jitter_delay(v->jitter)->target_us;

    v->hold_us = arc_clamp_i64(v->asked_hold_us, 0, room_us);
}

enum arc_status arc_voice_push(struct arc_voice *v, const struct arc_rxpkt *p,
                               int64_t now_us)
{
    enum arc_status status = arc_jitter_push(v->jitter, p, now_us);

    fit_hold(v);
    if (status == ARC_OK)
        v->newest_ts = arc_max_i64(v->newest_ts, p->ts);
    if (status == ARC_ERR_OLD)
        arc_voice_note_loss(v, -1); /* it was late, not lost */
    return status;
}

enum arc_status arc_voice_push_copy(struct arc_voice *v,
                                    const struct arc_rxpkt *p, int64_t now_us)
{
    int64_t behind = v->newest_ts - p->ts;

    (void)now_us;
    if (behind > 0 && behind <= (int64_t)v->clock_hz * COPY_MAX_S)
        v->repair_ticks = arc_max_i64(v->repair_ticks, behind);
    return arc_copies_push(v->copies, p);
}

void arc_voice_set_hold_us(struct arc_voice *v, int64_t hold_us)
{
    v->asked_hold_us = hold_us;
    fit_hold(v);
}

void arc_voice_adapt(struct arc_voice *v, double loss_rate, double jitter_ms,
                     double rtt_ms)
{
    v->told_loss      = loss_rate;
    v->told_jitter_ms = jitter_ms;
    v->told_rtt_ms    = rtt_ms;
    arc_voice_retarget(v);
}

void arc_voice_retarget(struct arc_voice *v)
{
    int64_t ticks = arc_max_i64(v->repair_ticks, v->repair_before);
    double repair_ms = (double)arc_ticks_to_us(ticks, v->clock_hz) /
                       (double)ARC_US_PER_MS;

    arc_jitter_adapt(v->jitter, arc_max_d(v->told_loss, v->loss_share),
                     v->told_jitter_ms, arc_max_d(v->told_rtt_ms, repair_ms));
    fit_hold(v);
}

/* --- time ----------------------------------------------------------------------- */

int64_t arc_voice_playout_us(const struct arc_voice *v, int64_t ts)
{
    int64_t at_us = arc_jitter_playout_us(v->jitter, ts);

    return at_us == ARC_NEVER_US ? at_us : at_us + v->hold_us;
}

int64_t arc_voice_behind_us(const struct arc_voice *v)
{
    int64_t end_us = v->clock_us + arc_voice_us_of(v, v->queue.n);
    int64_t behind_us = end_us - arc_voice_playout_us(v, v->next_ts);

    /* The buffer is on another time line already, next_ts is not yet: what is
     * left of the old one is played as it comes. */
    return behind_us > ARC_VOICE_JUMP_US || behind_us < -ARC_VOICE_JUMP_US
               ? 0 : behind_us;
}

int64_t arc_voice_heard_us(const struct arc_voice *v, int64_t ts)
{
    int64_t at_us = arc_voice_playout_us(v, ts);

    if (at_us == ARC_NEVER_US || !v->playing)
        return at_us;
    return at_us + arc_max_i64(arc_voice_behind_us(v), 0);
}

int32_t arc_voice_target_ms(const struct arc_voice *v)
{
    return arc_jitter_target_ms(v->jitter);
}

int64_t arc_voice_next_us(const struct arc_voice *v)
{
    const struct arc_rxpkt *head = arc_jitter_peek(v->jitter);

    if (v->cfg.profile == ARC_VOICE_RECOGNITION) /* not before the last pull */
        return arc_max_i64(arc_voice_give_up_us(v), v->clock_us);
    if (v->playing)
        return v->clock_us;
    return head ? arc_voice_playout_us(v, head->ts) : ARC_NEVER_US;
}

/* --- numbers --------------------------------------------------------------------- */

static int64_t waiting_samples(const struct arc_voice *v)
{
    int64_t n = 0;

    for (int32_t i = 0; i < v->queue.n_pieces; i++) {
        const struct arc_voicepiece *p = &v->queue.pieces[i];

        if (p->kind == ARC_VOICE_DECODED || p->kind == ARC_VOICE_FEC ||
            p->kind == ARC_VOICE_COPY)
            n += p->n - p->inserted;
    }
    return n;
}

/** By recognition a packet is handed out whole, so that its end may be early. */
static double playout_ms(const struct arc_voice *v)
{
    return (double)arc_max_i64(arc_voice_lateness_us(v, 0), 0) /
           (double)ARC_US_PER_MS;
}

void arc_voice_stats(const struct arc_voice *v, struct arc_voice_stats *out)
{
    struct arc_jitter_stats j;

    *out = v->stats;
    arc_jitter_stats(v->jitter, &j);
    out->waiting        = waiting_samples(v);
    out->pkts           = j.pushed;
    out->late_pkts     += j.late;
    out->duplicate_pkts = j.duplicate;
    out->overflow_pkts  = j.overflow + j.flushed;
    out->restarts      += j.restarts;
    out->jitter_ms      = j.jitter_ms;
    out->target_ms      = j.target_latency_ms;
    out->rate_hz        = v->rate_hz;
    out->depth_ms       = j.depth_ms + (int32_t)(arc_voice_us_of(v, v->queue.n) /
                                                 ARC_US_PER_MS);
    out->playout_ms     = v->playing ? playout_ms(v) : 0.0;
}
