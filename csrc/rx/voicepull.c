/**
 * @file rx/voicepull.c  Blocks of a received voice: what is in them, and when one
 *                       is due
 */
#include <stddef.h>
#include <string.h>

#include "audio/level.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "rx/voice_parts.h"

static bool start_playing(struct arc_voice *v, int64_t now_us)
{
    const struct arc_rxpkt *head = arc_jitter_peek(v->jitter);
    int64_t due_us;

    if (!head)
        return false;
    due_us = arc_voice_playout_us(v, head->ts);
    if (now_us < due_us)
        return false;
    arc_voice_settle(v, head);
    arc_voice_begin_at(v, head);
    v->playing  = true;
    /* A packet that was waited for longer is due at once, not in the past. */
    v->clock_us = now_us - due_us > ARC_VOICE_BLOCK_US ? now_us : due_us;
    return true;
}

static void count_heard(struct arc_voice *v, const struct arc_voicepiece *p,
                        int64_t heard_us)
{
    struct arc_voice_stats *s = &v->stats;
    int64_t *const of[ARC_VOICE_KINDS] = {&s->decoded, &s->fec, &s->copy,
                                          &s->concealed, &s->silent,
                                          &s->inserted};

    s->out      += p->n;
    s->inserted += p->inserted;
    if (p->doubt && v->in_doubt && p->doubt == v->doubt)
        s->undecided += p->n - p->inserted;
    else
        *of[p->kind] += p->n - p->inserted;
    if (p->arrival_us >= 0) {
        s->delay_samples += p->n;
        s->delay_us_sum  += (double)(heard_us - p->arrival_us) * p->n;
    }
}

/** The first `n` samples of the queue at the rate asked for. */
static void copy_out(struct arc_voice *v, int32_t n, struct arc_voice_block *out)
{
    const int16_t *pcm = arc_voicequeue_pcm(&v->queue);

    out->n_samples = n;
    if (!v->resampler)
        memcpy(out->samples, pcm, (size_t)(n * v->cfg.channels) * sizeof(*pcm));
    else if (arc_resampler_run(v->resampler, pcm, n, out->samples) == ARC_OK)
        out->n_samples = arc_resampler_count(v->resampler, n);
    out->level_dbov = arc_level_i16(out->samples,
                                    (size_t)(out->n_samples * v->cfg.channels));
}

/** Which kind most samples are of, and all counts at the rate of the block. */
static void sum_kinds(struct arc_voice_block *out, int32_t n)
{
    int32_t rest = out->n_samples;

    for (int32_t kind = 1; kind < ARC_VOICE_KINDS; kind++)
        if (out->samples_of[kind] > out->samples_of[out->kind])
            out->kind = kind;
    for (int32_t kind = 0; kind < ARC_VOICE_KINDS; kind++) {
        out->samples_of[kind]  = (int32_t)((int64_t)out->samples_of[kind] *
                                           out->n_samples / n);
        rest                  -= out->samples_of[kind];
    }
    out->samples_of[out->kind] += rest;
}

/** The next `n` samples of the queue are heard: what they are. */
static void take_block(struct arc_voice *v, int32_t n,
                       struct arc_voice_block *out)
{
    copy_out(v, n, out);
    for (int32_t done = 0; done < n;) {
        struct arc_voicepiece p;
        int32_t x = (int32_t)arc_min_i64(n - done, v->queue.pieces[0].n);

        arc_voicequeue_take(&v->queue, x, &p);
        if (done == 0) {
            out->ts  = p.ts;
            out->gap = p.gap;
        }
        if (out->arrival_us < 0)
            out->arrival_us = p.arrival_us;
        if (out->told_level < 0) {
            out->told_level = p.told_level;
            out->voice      = p.voice;
        }
        if (p.bytes) {
            out->bytes += p.bytes;
            out->pkts++;
        }
        out->samples_of[p.kind]             += p.n - p.inserted;
        out->samples_of[ARC_VOICE_INSERTED] += p.inserted;
        count_heard(v, &p, out->playout_us);
        done += x;
    }
    arc_voicequeue_settle(&v->queue);
    sum_kinds(out, n);
    if (v->resampler)
        out->ts -= arc_ticks_from_us(arc_resampler_latency_us(v->resampler),
                                     v->clock_hz);
}

static void clear_block(const struct arc_voice *v, struct arc_voice_block *out)
{
    memset(out, 0, offsetof(struct arc_voice_block, samples));
    out->arrival_us     = -1;
    out->told_level     = -1;
    out->channels       = v->cfg.channels;
    out->sample_rate_hz = v->cfg.sample_rate_hz;
}

/** As much of the queue as is of one sort: all true, or all a gap. Less than a block
 *  only before a gap begins or ends, or where no more pieces fit. */
static int32_t even_samples(const struct arc_voice *v)
{
    const struct arc_voicequeue *q = &v->queue;
    int32_t n = 0;

    for (int32_t i = 0; i < q->n_pieces; i++) {
        if (q->pieces[i].gap != q->pieces[0].gap)
            return n;
        n += q->pieces[i].n;
    }
    return n >= v->block_samples || q->n_pieces == ARC_VOICEQUEUE_PIECES ? n : 0;
}

static enum arc_status pull_listening(struct arc_voice *v, int64_t now_us,
                                      struct arc_voice_block *out)
{
    int32_t n;

    v->clock_us = now_us;
    arc_voice_fill_listening(v, now_us);
    n = even_samples(v);
    if (n == 0)
        return ARC_AGAIN;
    clear_block(v, out);
    out->playout_us = now_us;
    take_block(v, (int32_t)arc_min_i64(n, v->block_samples), out);
    return ARC_OK;
}

enum arc_status arc_voice_pull(struct arc_voice *v, int64_t now_us,
                               struct arc_voice_block *out)
{
    if (v->cfg.profile == ARC_VOICE_RECOGNITION)
        return pull_listening(v, now_us, out);
    if (!v->playing && !start_playing(v, now_us))
        return ARC_AGAIN;
    if (now_us < v->clock_us)
        return ARC_AGAIN;
    if (!arc_voice_fill(v)) {
        v->playing = false;
        return ARC_AGAIN;
    }
    arc_voice_pace(v);
    if (!arc_voice_keep_bound(v))
        return ARC_AGAIN;
    clear_block(v, out);
    out->playout_us = v->clock_us;
    take_block(v, v->block_samples, out);
    v->clock_us += ARC_VOICE_BLOCK_US;
    return ARC_OK;
}
