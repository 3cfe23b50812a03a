/**
 * @file rx/voice.c  One received voice: life, ways in and out, numbers
 */
#include <string.h>

#include "audio/level.h"
#include "audio/opuscodec_heal.h"
#include "audio/opuscodec.h"
#include "base/mem.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "rx/voice_parts.h"

enum {
    DEFAULT_PKTS  = 512,
    MAX_PKTS      = 4096,
    BEFORE_MS     = ARC_STRETCH_BEFORE_MS,
    /* What may wait beside a packet: a rest of a block, 60 ms made up before the
     * packet, and what stretching adds. */
    QUEUE_MORE_MS = 100,
    MIN_RATE_HZ   = 8000,
    MAX_RATE_HZ   = 48000,
    MS_PER_S      = 1000,
    COPY_MAX_S    = 1,     /* a copy that comes later is of no use               */
    LONG_US       = 75000, /* a longer play-out delay is felt in a talk          */
};

/* Late by themselves; of twenty of these about one is lost, as play-out is slowed
 * down for them. Measured by bench/bench_jitter.py. */
static const double LATE_SHARE       = 0.0155;
static const double LATE_SHARE_HEARD = 0.001; /* recognition: gaps are words */
static const double STALL_SHARE      = 0.05;

/* --- life --------------------------------------------------------------------- */

static bool config_ok(const struct arc_voice_config *c)
{
    return (c->channels == 1 || c->channels == 2) &&
           (c->profile == ARC_VOICE_CONVERSATION ||
            c->profile == ARC_VOICE_RECOGNITION) &&
           c->cn_payload_type >= -1 && c->cn_payload_type <= 127 &&
           c->capacity_pkts >= 0 && c->capacity_pkts <= MAX_PKTS;
}

static size_t sample_bytes(const struct arc_voice *v)
{
    return sizeof(int16_t) * (size_t)v->cfg.channels;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static struct arc_adec_config decoder_config(const struct arc_voice_config *c)
{
    const struct arc_adec_config dec = {
        .codec          = c->codec,
        .sample_rate_hz = c->sample_rate_hz,
        .channels       = c->channels,
        .heals          = c->profile == ARC_VOICE_CONVERSATION,
        .scratch        = c->scratch,
    };

    return dec;
}

static int32_t longest_pkt_ms(int32_t codec)
{
    return codec == ARC_AUDIO_OPUS ? ARC_OPUS_MAX_FRAME_MS : ARC_ADEC_MAX_MS;
}

/** What the parts need that work in the scratch memory, one after the other. */
static size_t parts_bytes(const struct arc_voice_config *c, int32_t rate_hz)
{
    const struct arc_conceal_config conceal = {rate_hz, c->channels, NULL};
    const struct arc_stretch_config stretch = {rate_hz, c->channels, NULL};
    const struct arc_adec_config dec = decoder_config(c);
    size_t most;

    if (c->profile == ARC_VOICE_RECOGNITION)
        return 0;
    most = arc_conceal_scratch_bytes(&conceal);
    most = larger(most, arc_stretch_scratch_bytes(&stretch));
    return larger(most, arc_adec_scratch_bytes(&dec));
}

/** Rooms in the scratch memory, behind those of the parts. */
static void lay_out(struct arc_voice *v, struct arc_rooms *r)
{
    const int32_t per_ms = v->rate_hz / MS_PER_S;

    arc_rooms_take(r, 1, parts_bytes(&v->cfg, v->rate_hz));
    v->pcm_samples = longest_pkt_ms(v->cfg.codec) * per_ms;
    v->pcm = arc_rooms_take(r, (size_t)v->pcm_samples, sample_bytes(v));
    if (v->cfg.profile != ARC_VOICE_RECOGNITION)
        v->guess = arc_rooms_take(r, (size_t)(ARC_CONCEAL_MAX_MS * per_ms),
                                  sample_bytes(v));
}

static size_t scratch_bytes(const struct arc_voice_config *cfg, int32_t rate_hz)
{
    struct arc_voice v = {.cfg = *cfg, .rate_hz = rate_hz};
    struct arc_rooms rooms = {NULL, 0};

    lay_out(&v, &rooms);
    return rooms.used;
}

enum arc_status arc_voice_new_scratch(struct arc_scratch **out)
{
    struct arc_voice_config most = {.sample_rate_hz = MAX_RATE_HZ, .channels = 2};
    size_t bytes;

    most.codec = ARC_AUDIO_OPUS; /* heals .. */
    bytes      = scratch_bytes(&most, MAX_RATE_HZ);
    most.codec = ARC_AUDIO_L16;  /* .. and this has the longest packets */
    return arc_scratch_new(larger(bytes, scratch_bytes(&most, MAX_RATE_HZ)), out);
}

/** Working memory, ours or lent, for all that is made after it. */
static enum arc_status open_scratch(struct arc_voice *v)
{
    struct arc_rooms rooms = {NULL, 0};
    enum arc_status status;

    if (v->rate_hz < MIN_RATE_HZ || v->rate_hz > MAX_RATE_HZ)
        return ARC_ERR_ARG;
    status = arc_scratch_open(v->cfg.scratch, scratch_bytes(&v->cfg, v->rate_hz),
                              &v->own_scratch, &rooms.mem);
    if (status != ARC_OK)
        return status;
    if (v->own_scratch)
        v->cfg.scratch = v->own_scratch;
    lay_out(v, &rooms);
    return ARC_OK;
}

static enum arc_status make_decoder(struct arc_voice *v)
{
    const struct arc_adec_config dec = decoder_config(&v->cfg);
    enum arc_status status = arc_adec_new(&dec, &v->dec);

    if (status != ARC_OK)
        return status;
    v->clock_hz      = arc_adec_clock_hz(v->dec);
    v->block_samples = v->rate_hz / MS_PER_S * ARC_VOICE_BLOCK_MS;
    v->grain_samples = v->rate_hz / (MS_PER_S * 1000 / ARC_VOICE_GRAIN_US);
    return ARC_OK;
}

/** The blocks have the rate asked for, whatever the decoder's. Gaps for machines may
 *  be of any length, which must stay whole. */
static enum arc_status make_resampler(struct arc_voice *v)
{
    const struct arc_resampler_config cfg = {v->rate_hz, v->cfg.sample_rate_hz,
                                             v->cfg.channels, false};

    if (cfg.in_rate_hz == cfg.out_rate_hz)
        return ARC_OK;
    if (v->cfg.profile == ARC_VOICE_RECOGNITION &&
        cfg.out_rate_hz % cfg.in_rate_hz != 0)
        return ARC_ERR_UNSUPPORTED;
    return arc_resampler_new(&cfg, &v->resampler);
}

static enum arc_status make_buffers(struct arc_voice *v)
{
    const struct arc_voice_config *c = &v->cfg;
    const bool hears = c->profile == ARC_VOICE_RECOGNITION;
    const struct arc_jitter_config jitter = {
        .clock_hz           = v->clock_hz,
        .min_latency_ms     = c->min_latency_ms,
        .max_latency_ms     = c->max_latency_ms,
        .initial_latency_ms = c->initial_latency_ms,
        .adaptive           = c->adaptive,
        .capacity_pkts      = c->capacity_pkts ? c->capacity_pkts : DEFAULT_PKTS,
        .late_share  = c->late_share != 0.0 ? c->late_share
                       : hears              ? LATE_SHARE_HEARD
                                            : LATE_SHARE,
        .stall_share = hears ? 0.0 : STALL_SHARE,
        .long_us     = hears ? 0 : LONG_US,
    };
    enum arc_status status = arc_jitter_new(&jitter, &v->jitter);

    return status != ARC_OK ? status : arc_copies_new(ARC_VOICE_COPIES, &v->copies);
}

/** What makes sound up and longer; a machine that listens gets neither. */
static enum arc_status make_changers(struct arc_voice *v)
{
    const struct arc_conceal_config conceal = {v->rate_hz, v->cfg.channels,
                                               v->cfg.scratch};
    const struct arc_stretch_config stretch = {v->rate_hz, v->cfg.channels,
                                               v->cfg.scratch};
    enum arc_status status;

    if (v->cfg.profile == ARC_VOICE_RECOGNITION)
        return ARC_OK;
    status = arc_conceal_new(&conceal, &v->conceal);
    return status == ARC_OK ? arc_stretch_new(&stretch, &v->stretch) : status;
}

static enum arc_status make_sound(struct arc_voice *v)
{
    const int32_t per_ms = v->rate_hz / MS_PER_S;
    const int32_t room = (longest_pkt_ms(v->cfg.codec) + QUEUE_MORE_MS) * per_ms;
    enum arc_status status = make_changers(v);

    if (status != ARC_OK)
        return status;
    v->queue_pcm = arc_mem_zalloc((size_t)(room + BEFORE_MS * per_ms),
                                  sample_bytes(v));
    if (!v->queue_pcm)
        return ARC_ERR_NOMEM;
    arc_voicequeue_init(&v->queue, v->queue_pcm, v->cfg.channels,
                        BEFORE_MS * per_ms, room);
    return ARC_OK;
}

enum arc_status arc_voice_new(const struct arc_voice_config *cfg,
                              struct arc_voice **out)
{
    enum arc_status status;
    struct arc_voice *v;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    v = arc_mem_zalloc(1, sizeof(*v));
    if (!v)
        return ARC_ERR_NOMEM;
    v->cfg     = *cfg;
    v->rate_hz = arc_audiocodec_rate_hz(cfg->codec, cfg->sample_rate_hz);
    status = open_scratch(v);
    if (status == ARC_OK)
        status = make_decoder(v);
    if (status == ARC_OK)
        status = make_resampler(v);
    if (status == ARC_OK)
        status = make_buffers(v);
    if (status == ARC_OK)
        status = make_sound(v);
    if (status != ARC_OK) {
        arc_voice_free(v);
        return status;
    }
    *out = v;
    return ARC_OK;
}

void arc_voice_free(struct arc_voice *v)
{
    if (!v)
        return;
    arc_jitter_free(v->jitter);
    arc_copies_free(v->copies);
    arc_adec_free(v->dec);
    arc_conceal_free(v->conceal);
    arc_stretch_free(v->stretch);
    arc_resampler_free(v->resampler);
    arc_mem_free(v->queue_pcm);
    arc_scratch_free(v->own_scratch);
    arc_mem_free(v);
}

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

/* --- out ------------------------------------------------------------------------- */

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
