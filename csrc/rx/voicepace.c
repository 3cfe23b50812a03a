/**
 * @file rx/voicepace.c  When a voice is played slower, and when quicker
 *
 * Slower as soon as the next packet is missing shortly before it is needed: then
 * only the few late packets cost delay (Liang, Färber, Girod 2003, section III).
 * Quicker when the delay is over its target and enough is there.
 */
#include "base/units.h"
#include "rx/ticks.h"
#include "rx/voice_parts.h"

enum {
    RUN_MAX_PKTS  = 64,
    LOW_MIN_US    = 20000,
    LOW_MAX_US    = 80000,
    HYSTERESIS_US = 10000,
    HURRY_US      = 60000, /* so far over target every place is good enough */
    PIECE_US      = 15000, /* of one change at most                         */
};

static const double LOW_SHARE  = 0.4;  /* of the target                       */


/** Media that is here without a hole from the play head on, us; `*gap` whether
 *  anything behind the hole is here as well. */
static int64_t ready_us(const struct arc_voice *v, bool *gap)
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
    *gap = arc_jitter_depth_pkts(v->jitter) > run;
    return us + arc_ticks_to_us(end_ts - v->next_ts, v->clock_hz);
}

static double urgency_of(int64_t us, int64_t full_us)
{
    return arc_clamp_i64(us, 0, full_us) / (double)full_us;
}

/** The queue has another length now. */
static void resized(struct arc_voice *v, int32_t n)
{
    int32_t removed[ARC_VOICE_KINDS] = {0};

    arc_voicequeue_resize(&v->queue, n, removed);
    v->stats.removed     += removed[ARC_VOICE_DECODED] + removed[ARC_VOICE_FEC] +
                            removed[ARC_VOICE_COPY];
    v->stats.silence_cut += removed[ARC_VOICE_SILENT] +
                            removed[ARC_VOICE_CONCEALED];
}

static void slower(struct arc_voice *v, double urgency)
{
    struct arc_voicequeue *q = &v->queue;
    int32_t n = q->n;

    if (arc_stretch_lengthen(v->stretch, q->pcm, q->n_before,
                             arc_voicequeue_pcm(q), &n,
                             n + arc_voicequeue_space(q),
                             (int32_t)((int64_t)PIECE_US * v->rate_hz / 1000000),
                             urgency) == ARC_OK)
        resized(v, n);
}

static void quicker(struct arc_voice *v, int64_t most_us, double urgency)
{
    struct arc_voicequeue *q = &v->queue;
    int32_t n = q->n;

    if (arc_stretch_shorten(v->stretch, q->pcm, q->n_before,
                            arc_voicequeue_pcm(q), &n,
                            (int32_t)(arc_min_i64(most_us, PIECE_US) *
                                      v->rate_hz / 1000000),
                            urgency) == ARC_OK)
        resized(v, n);
}

void arc_voice_pace(struct arc_voice *v)
{
    const int64_t target_us = arc_jitter_target_ms(v->jitter) * ARC_US_PER_MS;
    const int64_t low_us = arc_clamp_i64((int64_t)(LOW_SHARE * (double)target_us),
                                         LOW_MIN_US, LOW_MAX_US);
    int64_t behind_us = arc_voice_behind_us(v);
    bool gap;
    int64_t ready = ready_us(v, &gap);

    if (v->starved_us > 0)
        return;
    if (ready < low_us && target_us + behind_us < v->cfg.max_latency_ms * ARC_US_PER_MS)
        slower(v, urgency_of(low_us - ready, low_us));
    else if (behind_us > HYSTERESIS_US && ready > low_us)
        quicker(v, behind_us, urgency_of(behind_us, HURRY_US));
}
