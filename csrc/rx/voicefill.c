/**
 * @file rx/voicefill.c  What of a voice is heard next, and what stands in for what
 *                       is missing
 */
#include <string.h>

#include "audio/opuscodec.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "rx/voice_parts.h"

enum {
    MAX_STARVED_US  = 1000000,  /* then play-out stops until a packet comes      */
    MAX_NOISE_US    = 60000000, /* the same in a pause that was announced        */
    DTX_REFRESH_US  = 500000,   /* libopus refreshes its pauses every 400 ms     */
    DTX_SHORTEST_US = 20000,
    BRIDGE_US       = 60000,    /* a longer hole is made up piece by piece       */
    EXTEND_US       = 40000,    /* late audio may be played so far over target   */
    RESYNC_US       = 400000,   /* only late packets for so long: a new time line */
    RETARGET_PKTS   = 16,
    WINDOW_PKTS     = 512,
    MISSING_MAX     = 10000,    /* more missing numbers are a new beginning      */
    PIECES_A_BLOCK  = 48,
};

/* So likely a missing packet comes within a block: wait for it, not to the end. */
static const double SOON = 0.25;
static const double LOSS_STEP = 1.0 / 256.0; /* five seconds of 20 ms */

static int64_t jump_ticks(const struct arc_voice *v)
{
    return (int64_t)v->clock_hz * (ARC_VOICE_JUMP_US / ARC_US_PER_S);
}

static const uint8_t *payload_of(const struct arc_rxpkt *p)
{
    return p->pkt ? p->pkt->data + p->payload_off : NULL;
}

static bool is_noise(const struct arc_voice *v, const struct arc_rxpkt *p)
{
    return v->cfg.cn_payload_type >= 0 &&
           p->payload_type == v->cfg.cn_payload_type;
}

/** Length of a packet's sound in ticks; 0: it has none. */
static int64_t ticks_in(const struct arc_voice *v, const struct arc_rxpkt *p)
{
    if (!p->pkt || p->payload_len <= 0 || is_noise(v, p))
        return 0;
    return arc_voice_ticks_of(
        v, arc_adec_packet_samples(v->dec, payload_of(p), p->payload_len));
}

/** In-band FEC in this packet; ticks of what it rebuilds, 0: none. */
static int64_t fec_ticks(const struct arc_voice *v, const struct arc_rxpkt *head)
{
    if (v->cfg.codec != ARC_AUDIO_OPUS || ticks_in(v, head) == 0 ||
        !arc_opus_packet_has_fec(payload_of(head), head->payload_len))
        return 0;
    return v->pkt_ticks;
}

/* --- the end of the queue ------------------------------------------------------ */

void arc_voice_begin_at(struct arc_voice *v, const struct arc_rxpkt *p)
{
    arc_voice_unmark(v);
    v->next_ts       = v->unit_ts = v->end_ts = p->ts;
    v->last_seq      = p->seq - 1;
    v->starved_us    = 0;
    v->late_since_us = ARC_NEVER_US;
}

/** `n` samples at the tail of the queue are heard next. @return false: no room */
static bool push(struct arc_voice *v, struct arc_voicepiece p, int32_t n)
{
    p.n     = n;
    p.ts    = v->next_ts;
    p.ticks = (int32_t)arc_voice_ticks_of(v, n);
    if (!arc_voicequeue_push(&v->queue, &p))
        return false;
    v->next_ts += p.ticks;
    if (v->pkt_ticks > 0 && v->next_ts > v->unit_ts)
        v->unit_ts += (v->next_ts - v->unit_ts) / v->pkt_ticks * v->pkt_ticks;
    return true;
}

/** What was decoded into v->pcm is heard, but for the first `skip` samples, whose
 *  time is over. A rest too short to be heard goes too: the queue has room for so
 *  many pieces of a block. */
static void push_true(struct arc_voice *v, struct arc_voicepiece p, int32_t n,
                      int32_t skip)
{
    int16_t *tail = arc_voicequeue_tail(&v->queue);

    skip = (int32_t)arc_clamp_i64(skip, 0, n);
    if (n - skip <= v->block_samples / PIECES_A_BLOCK)
        skip = n;
    v->stats.taken += n;
    v->stats.late  += skip;
    if (skip == n)
        return;
    memcpy(tail, v->pcm + skip * v->cfg.channels,
           (size_t)((n - skip) * v->cfg.channels) * sizeof(*tail));
    if (v->conceal)
        arc_conceal_on_audio(v->conceal, tail, n - skip);
    arc_voice_unmark(v);
    if (!push(v, p, n - skip))
        v->stats.late += n - skip;
    v->unit_ts = v->next_ts;
}

static struct arc_voicepiece origin(int32_t kind, const struct arc_rxpkt *p)
{
    struct arc_voicepiece piece = {0};

    piece.kind       = (uint8_t)kind;
    piece.arrival_us = p ? p->arrival_us : -1;
    piece.bytes      = p && kind != ARC_VOICE_FEC ? p->payload_len : 0;
    /* What rebuilds another packet tells the level of its own. */
    piece.told_level = p && kind == ARC_VOICE_DECODED && p->told_level
                           ? p->level_neg_dbov : -1;
    piece.voice      = piece.told_level >= 0 && p->voice;
    return piece;
}

/* --- packets ------------------------------------------------------------------- */

void arc_voice_note_loss(struct arc_voice *v, int64_t n)
{
    v->loss_share = arc_max_d(v->loss_share + (double)n * LOSS_STEP, 0.0);
}

/** This packet is taken next: what was lost before it? */
static void note_taken(struct arc_voice *v, const struct arc_rxpkt *p)
{
    arc_voice_note_loss(v, arc_clamp_i64(p->seq - v->last_seq - 1, 0, 1 / LOSS_STEP));
    v->loss_share *= 1.0 - LOSS_STEP;
    v->last_seq  = p->seq;
    v->repair_ticks = arc_max_i64(v->repair_ticks, fec_ticks(v, p));
    if (++v->n_window % RETARGET_PKTS == 0)
        arc_voice_retarget(v);
    if (v->n_window == WINDOW_PKTS) {
        v->repair_before = v->repair_ticks;
        v->repair_ticks  = 0;
        v->n_window      = 0;
    }
}

void arc_voice_settle(struct arc_voice *v, const struct arc_rxpkt *p)
{
    struct arc_voice_stats *s = &v->stats;
    int64_t missing = arc_clamp_i64(p->seq - v->last_seq - 1, 0, MISSING_MAX);
    int64_t pause = arc_clamp_i64(p->ts - v->end_ts - missing * v->pkt_ticks, 0,
                                  jump_ticks(v));
    int64_t silent = arc_min_i64(s->undecided, arc_voice_samples_of(v, pause));

    if (!v->in_doubt)
        return;
    if (missing == 0 && arc_ticks_to_us(pause, v->clock_hz) >= DTX_SHORTEST_US)
        v->uses_dtx = true;
    s->silent    += silent;
    s->concealed += s->undecided - silent;
    s->undecided  = 0;
    v->in_doubt   = false;
    v->starved_us = 0;
}

/** Decode into v->pcm. @return samples; 0: it could not be decoded (counted) */
static int32_t decode(struct arc_voice *v, const struct arc_rxpkt *p)
{
    int32_t n = 0;

    if (arc_adec_decode(v->dec, payload_of(p), p->payload_len, v->pcm,
                        v->pcm_samples, &n) == ARC_OK)
        return n;
    v->stats.codec_errors++;
    return 0;
}

/** The same after what was made up before it. */
static int32_t decode_healed(struct arc_voice *v, const struct arc_rxpkt *p)
{
    int32_t n;

    arc_voice_rewind(v, p->ts);
    n = decode(v, p);
    if (arc_voice_heal(v, p, p->ts, n, 0))
        n = decode(v, p);
    arc_voice_unmark(v);
    return n;
}

/** A packet without sound: padding, or how the noise of the coming pause sounds. */
static void take_soundless(struct arc_voice *v, const struct arc_rxpkt *p)
{
    if (p->pkt && p->payload_len > 0 && is_noise(v, p)) {
        arc_adec_set_noise(v->dec, payload_of(p), p->payload_len);
        v->uses_dtx = v->in_noise = true;
    } else if (p->payload_len > 0) {
        v->stats.codec_errors++;
    } else {
        v->stats.empty_pkts++;
    }
}

/** The packet at the head, which begins at next_ts or before. */
static void take_head(struct arc_voice *v)
{
    struct arc_rxpkt p;
    int32_t n, skip;

    if (arc_jitter_take(v->jitter, &p) != ARC_OK)
        return;
    arc_voice_settle(v, &p);
    note_taken(v, &p);
    if (ticks_in(v, &p) == 0) {
        take_soundless(v, &p);
    } else if ((n = decode_healed(v, &p)) > 0) {
        v->in_noise  = false;
        v->pkt_ticks = arc_voice_ticks_of(v, n);
        v->end_ts    = p.ts + v->pkt_ticks;
        skip = (int32_t)arc_min_i64(arc_voice_samples_of(v, v->next_ts - p.ts), n);
        push_true(v, origin(ARC_VOICE_DECODED, &p), n, skip);
        if (skip == n)
            v->stats.late_pkts++;
        else
            v->late_since_us = ARC_NEVER_US;
    }
    arc_rxpkt_unref(&p);
}

/* --- made up -------------------------------------------------------------------- */

/** The codec's extrapolation into v->guess; NULL: it has none. */
static const int16_t *extrapolate(struct arc_voice *v, int32_t n)
{
    arc_voice_mark(v);
    return arc_adec_conceal(v->dec, v->guess, n) == ARC_OK ? v->guess : NULL;
}

/** `n` samples in place of lost ones; `n_next` samples in v->pcm follow them. */
static void push_concealed(struct arc_voice *v, struct arc_voicepiece p,
                           const int16_t *codec, int32_t n, int32_t n_next)
{
    if (v->queue.n_pieces == 0 || v->queue.pieces[v->queue.n_pieces - 1].kind !=
                                      ARC_VOICE_CONCEALED)
        v->stats.concealed_runs++;
    arc_conceal_fill(v->conceal, codec, n_next ? v->pcm : NULL, n_next,
                     arc_voicequeue_tail(&v->queue), n);
    arc_voice_note_made(v, n);
    push(v, p, n);
}

static void push_comfort(struct arc_voice *v, struct arc_voicepiece p, int32_t n)
{
    int16_t *tail = arc_voicequeue_tail(&v->queue);

    arc_voice_unmark(v);
    if (arc_adec_comfort(v->dec, tail, n) != ARC_OK)
        memset(tail, 0, (size_t)(n * v->cfg.channels) * sizeof(*tail));
    arc_conceal_on_audio(v->conceal, tail, n);
    push(v, p, n);
}

/** Whether the sender is likely to have fallen silent on purpose: it has said so,
 *  or done so before and a refresh is not overdue. */
static bool is_paused(const struct arc_voice *v)
{
    return v->in_noise || (v->uses_dtx && v->starved_us <= DTX_REFRESH_US);
}

/** There is no packet at all: a loss, or a pause? arc_voice_settle() will know. */
static bool run_dry(struct arc_voice *v)
{
    const bool paused = is_paused(v);
    struct arc_voicepiece p = origin(paused ? ARC_VOICE_SILENT
                                            : ARC_VOICE_CONCEALED, NULL);
    int32_t n = v->block_samples;

    if (v->starved_us >= (v->in_noise ? MAX_NOISE_US : MAX_STARVED_US))
        return false;
    if (!v->in_doubt)
        v->doubt = v->doubt == INT32_MAX ? 1 : v->doubt + 1;
    v->in_doubt    = true;
    p.doubt        = v->doubt;
    v->starved_us += ARC_VOICE_BLOCK_US;
    if (paused)
        push_comfort(v, p, n);
    else
        push_concealed(v, p, extrapolate(v, n), n, 0);
    return true;
}

/* --- holes ------------------------------------------------------------------------ */

/** The packet that was lost before the head, rebuilt into v->pcm. @return samples */
static int32_t decode_fec(struct arc_voice *v, const struct arc_rxpkt *head)
{
    int32_t n = (int32_t)arc_voice_samples_of(v, fec_ticks(v, head));

    if (arc_adec_decode_fec(v->dec, payload_of(head), head->payload_len, v->pcm,
                            n) != ARC_OK)
        return 0;
    return n;
}

/** The redundant block that begins here, or whose middle this is. */
static bool find_copy(const struct arc_voice *v, struct arc_rxpkt *copy)
{
    return arc_copies_find(v->copies, v->next_ts, copy) == ARC_OK ||
           (v->unit_ts < v->next_ts &&
            arc_copies_find(v->copies, v->unit_ts, copy) == ARC_OK);
}

static bool take_copy(struct arc_voice *v, const struct arc_rxpkt *copy)
{
    int64_t skip = arc_voice_samples_of(v, v->next_ts - copy->ts);
    int32_t n;

    if (arc_voice_samples_of(v, ticks_in(v, copy)) <= skip ||
        (n = decode_healed(v, copy)) == 0)
        return false;
    v->stats.copies_used++;
    push_true(v, origin(ARC_VOICE_COPY, copy), n, (int32_t)skip);
    arc_copies_drop_before(v->copies, copy->ts + 1);
    return true;
}

/** What ends the hole at next_ts: a copy, FEC of the head, or the head itself. */
struct far_side {
    int64_t          ts;
    int32_t          kind;
    struct arc_rxpkt copy;
};

static struct far_side look_across(const struct arc_voice *v,
                                   const struct arc_rxpkt *head)
{
    struct far_side far = {.ts = head->ts, .kind = ARC_VOICE_DECODED};
    int64_t fec = fec_ticks(v, head);
    struct arc_rxpkt copy;

    if (arc_copies_next(v->copies, v->next_ts, &copy) == ARC_OK &&
        copy.ts < head->ts) {
        far = (struct far_side){copy.ts, ARC_VOICE_COPY, copy};
    } else if (fec > 0) {
        far.kind = ARC_VOICE_FEC;
        far.ts   = arc_max_i64(head->ts - fec, v->next_ts);
    }
    return far;
}

/** Decode what is on the far side into v->pcm. @return samples, 0: nothing */
static int32_t decode_far(struct arc_voice *v, const struct far_side *far,
                          const struct arc_rxpkt *head)
{
    if (far->kind == ARC_VOICE_COPY)
        return decode(v, &far->copy);
    if (far->kind == ARC_VOICE_FEC)
        return decode_fec(v, head);
    return decode(v, head);
}

/** Samples of the far side whose time is over: FEC rebuilds a whole packet, of which
 *  the beginning may have been made up already. */
static int32_t already_past(const struct arc_voice *v,
                            const struct far_side *far,
                            const struct arc_rxpkt *head)
{
    if (far->kind != ARC_VOICE_FEC)
        return 0;
    return (int32_t)arc_voice_samples_of(
        v, v->next_ts - (head->ts - fec_ticks(v, head)));
}

/** A block of a long hole, whose other side is not known yet. */
static void conceal_block(struct arc_voice *v)
{
    int32_t n = v->block_samples;

    v->stats.lost += n;
    push_concealed(v, origin(ARC_VOICE_CONCEALED, NULL), extrapolate(v, n), n, 0);
}

/** Made up from next_ts to the far side, which is decoded before and so known. */
static void bridge(struct arc_voice *v, const struct far_side *far, int32_t n)
{
    const int16_t *codec = n > 0 ? extrapolate(v, n) : NULL;
    const struct arc_rxpkt head = *arc_jitter_peek(v->jitter);
    const struct arc_rxpkt *from = far->kind == ARC_VOICE_COPY ? &far->copy : &head;
    const int64_t far_ts = far->kind == ARC_VOICE_FEC ? head.ts - fec_ticks(v, &head)
                                                      : far->ts;
    int32_t n_far;
    struct arc_voicepiece p = origin(far->kind, from);

    arc_voice_rewind(v, far_ts);
    n_far = decode_far(v, far, &head);
    v->stats.lost += n;
    if (n > 0)
        push_concealed(v, origin(ARC_VOICE_CONCEALED, NULL), codec, n, n_far);
    if (arc_voice_heal(v, from, far_ts, n_far, n))
        n_far = decode_far(v, far, &head);
    v->stats.fec_used += far->kind == ARC_VOICE_FEC && n_far > 0;
    if (n_far > 0)
        push_true(v, p, n_far, already_past(v, far, &head));
    else if (far->kind == ARC_VOICE_FEC)
        conceal_block(v); /* the codec could not use it */
    if (far->kind == ARC_VOICE_COPY) {
        v->stats.copies_used += n_far > 0;
        arc_copies_drop_before(v->copies, far->copy.ts + 1);
    } else if (far->kind == ARC_VOICE_DECODED) {
        struct arc_rxpkt taken;

        arc_voice_settle(v, &head);
        note_taken(v, &head);
        if (n_far > 0) {
            v->pkt_ticks     = arc_voice_ticks_of(v, n_far);
            v->end_ts        = head.ts + v->pkt_ticks;
            v->late_since_us = ARC_NEVER_US;
        }
        if (arc_jitter_take(v->jitter, &taken) == ARC_OK)
            arc_rxpkt_unref(&taken);
    }
}

/** A pause of the sender before the head. What the play-out is behind or ahead of
 *  its target is left out of it or put in: nobody hears that. */
static void fill_pause(struct arc_voice *v, const struct arc_rxpkt *head)
{
    int64_t hole = head->ts - v->next_ts;
    int64_t behind = arc_ticks_from_us(arc_voice_behind_us(v), v->clock_hz);
    int64_t cut = arc_clamp_i64(behind, 0, hole);
    int32_t n;

    if (cut >= arc_voice_ticks_of(v, v->grain_samples)) {
        v->next_ts            += cut;
        v->stats.silence_cut  += arc_voice_samples_of(v, cut);
        hole                  -= cut;
    }
    n = (int32_t)arc_min_i64(arc_voice_samples_of(v, hole), v->block_samples);
    n = n / v->grain_samples * v->grain_samples;
    if (n == 0) {
        v->next_ts = head->ts;
        return;
    }
    if (hole >= arc_ticks_from_us(DTX_SHORTEST_US, v->clock_hz))
        v->uses_dtx = true;
    push_comfort(v, origin(ARC_VOICE_SILENT, NULL), n);
    if (behind < -arc_voice_ticks_of(v, n)) {
        v->next_ts -= arc_voice_ticks_of(v, n); /* once more */
        v->queue.pieces[v->queue.n_pieces - 1].ticks    = 0;
        v->queue.pieces[v->queue.n_pieces - 1].inserted = n;
    }
}

/** Up to a block of what is missing, from the deep redundancy of the head.
 *  @return false: it has none, or none that reaches back so far */
static bool take_dred(struct arc_voice *v, const struct arc_rxpkt *head, int64_t n)
{
    const int64_t before = arc_voice_samples_of(v, head->ts - v->next_ts);
    const int32_t take = (int32_t)arc_min_i64(n, v->block_samples);

    if (take < v->grain_samples || ticks_in(v, head) == 0)
        return false;
    if (arc_adec_decode_dred(v->dec, head->seq, payload_of(head), head->payload_len,
                             (int32_t)before, v->pcm, take) != ARC_OK)
        return false;
    v->stats.dred_used++;
    push_true(v, origin(ARC_VOICE_FEC, head), take, 0);
    return true;
}

static void fill_hole(struct arc_voice *v, const struct arc_rxpkt *head)
{
    struct arc_rxpkt copy;
    struct far_side far;
    int64_t n;

    if (find_copy(v, &copy) && take_copy(v, &copy))
        return;
    far = look_across(v, head);
    n   = arc_voice_samples_of(v, far.ts - v->next_ts);
    n   = n / v->grain_samples * v->grain_samples;
    if (take_dred(v, head, n))
        return;
    if (arc_voice_us_of(v, n) <= BRIDGE_US &&
        !(n > v->block_samples && far.kind == ARC_VOICE_DECODED &&
          arc_voice_may_come(v, arc_voice_lateness_us(v, arc_voice_us_of(v, v->queue.n)),
                             ARC_VOICE_BLOCK_US, SOON))) {
        bridge(v, &far, (int32_t)n);
        return;
    }
    conceal_block(v);
}

/* --- late ---------------------------------------------------------------------------- */

/** The head begins before next_ts: that time was made up. Its start is still
 *  played, later, as far as that leaves the delay near its target. */
static void step_back(struct arc_voice *v, const struct arc_rxpkt *head)
{
    int64_t end_us = v->clock_us + arc_voice_us_of(v, v->queue.n);
    int64_t max_us = v->cfg.max_latency_ms * ARC_US_PER_MS - v->hold_us -
                     arc_jitter_delay(v->jitter)->target_us;
    int64_t room_us = arc_min_i64(EXTEND_US, max_us) - arc_voice_behind_us(v);
    int64_t passed = v->next_ts - head->ts;
    int64_t back = arc_clamp_i64(arc_ticks_from_us(room_us, v->clock_hz), 0,
                                 passed);

    v->next_ts -= back;
    if (v->next_ts - head->ts < ticks_in(v, head) || ticks_in(v, head) == 0)
        return;
    if (v->late_since_us == ARC_NEVER_US)
        v->late_since_us = end_us;
    if (end_us - v->late_since_us >= RESYNC_US) {
        arc_jitter_forget_delay(v->jitter);
        arc_voice_begin_at(v, head);
        v->stats.restarts++;
    }
}

/* --- the order ------------------------------------------------------------------------ */

static bool produce(struct arc_voice *v)
{
    const struct arc_rxpkt *head = arc_jitter_peek(v->jitter);
    struct arc_rxpkt copy;
    int64_t hole;

    if (!head) {
        if (find_copy(v, &copy) && take_copy(v, &copy))
            return true;
        return run_dry(v);
    }
    hole = head->ts - v->next_ts;
    if (hole > jump_ticks(v) || hole < -jump_ticks(v)) {
        arc_voice_begin_at(v, head); /* the sender's clock was set anew */
        hole = 0;
    }
    if (hole < 0)
        step_back(v, head);
    else if (hole < arc_voice_ticks_of(v, v->grain_samples))
        v->next_ts = head->ts; /* less than can be filled */

    if (head->ts <= v->next_ts)
        take_head(v);
    else if (head->seq == v->last_seq + 1)
        fill_pause(v, head);
    else
        fill_hole(v, head);
    return true;
}

/** Steps that the packets, the copies and the time of one block can be good for:
 *  each takes one of these, or moves next_ts to the head for the step after it. */
static int32_t steps_at_most(const struct arc_voice *v)
{
    return 2 * (arc_jitter_depth_pkts(v->jitter) + ARC_VOICE_COPIES +
                ARC_VOICE_BLOCK_US / ARC_VOICE_GRAIN_US);
}

bool arc_voice_fill(struct arc_voice *v)
{
    int32_t left = steps_at_most(v);

    while (v->queue.n < v->block_samples)
        if (left-- == 0 || !produce(v))
            return false;
    arc_copies_drop_before(v->copies, v->unit_ts);
    return true;
}

/* --- recognition ------------------------------------------------------------------------ */

/** Zeros up to this time, at most a block of them. */
static void push_zeros(struct arc_voice *v, int64_t end_ts,
                       struct arc_voicepiece p)
{
    int16_t *tail = arc_voicequeue_tail(&v->queue);
    int32_t n = (int32_t)arc_min_i64(
        arc_voice_samples_of(v, end_ts - v->next_ts), v->block_samples);

    memset(tail, 0, (size_t)(n * v->cfg.channels) * sizeof(*tail));
    if (!push(v, p, n)) /* nothing, or too many pieces */
        v->next_ts = end_ts;
}

/** What is missing before the head is rebuilt, or its time is a gap. */
static void close_gap(struct arc_voice *v, const struct arc_rxpkt *head)
{
    struct arc_voicepiece p = origin(ARC_VOICE_CONCEALED, NULL);
    struct far_side far = look_across(v, head);
    int32_t n;

    if (far.kind == ARC_VOICE_FEC && far.ts == v->next_ts &&
        (n = decode_fec(v, head)) > 0) {
        v->stats.fec_used++;
        push_true(v, origin(ARC_VOICE_FEC, head), n, already_past(v, &far, head));
        return;
    }
    if (far.ts == v->next_ts)
        far.ts = head->ts;
    p.gap = true;
    v->stats.lost += arc_min_i64(arc_voice_samples_of(v, far.ts - v->next_ts),
                                 v->block_samples);
    push_zeros(v, far.ts, p);
}

int64_t arc_voice_give_up_us(const struct arc_voice *v)
{
    const struct arc_rxpkt *head = arc_jitter_peek(v->jitter);

    if (!head)
        return ARC_NEVER_US;
    if (!v->playing || head->seq == v->last_seq + 1 || head->ts <= v->next_ts)
        return arc_jitter_playout_us(v->jitter, head->ts) -
               arc_jitter_target_ms(v->jitter) * ARC_US_PER_MS +
               v->cfg.min_latency_ms * ARC_US_PER_MS;
    return arc_jitter_playout_us(v->jitter, v->next_ts);
}

void arc_voice_fill_listening(struct arc_voice *v, int64_t now_us)
{
    const struct arc_rxpkt *head;
    struct arc_rxpkt copy;

    while (v->queue.n < v->block_samples &&
           (head = arc_jitter_peek(v->jitter)) != NULL) {
        const bool due = arc_voice_give_up_us(v) <= now_us;
        int64_t hole = head->ts - v->next_ts;

        if (due && (!v->playing || hole > jump_ticks(v) ||
                    hole < -jump_ticks(v))) {
            arc_voice_begin_at(v, head);
            v->playing = true;
        }
        if (v->playing && find_copy(v, &copy) && take_copy(v, &copy))
            continue;
        if (!due)
            return;
        if (head->ts <= v->next_ts)
            take_head(v);
        else if (head->seq == v->last_seq + 1)
            push_zeros(v, head->ts, origin(ARC_VOICE_SILENT, NULL));
        else
            close_gap(v, head);
    }
}
