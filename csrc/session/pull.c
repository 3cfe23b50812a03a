/**
 * @file session/pull.c  Media out: ring > jitter buffer | assembly > decoder >
 *                       concealment > play-out
 *
 * The media side of a received stream. Sound is handed out block by block on
 * the clock of a playing device: each block follows the one before without a
 * hole, and a play-out delay that changes is followed by a block more or a
 * block less. Pictures are handed out at the time of their own.
 */
#include <string.h>

#include "base/atomic.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "session/peer.h"
#include "wire/pl_h264.h"

enum {
    OPUS_CLOCK_HZ    = 48000,
    TS_JUMP          = 10 * OPUS_CLOCK_HZ, /* another time line              */
    NEW_LINE_US      = 10000000,
    ADAPT_PERIOD_US  = 500000,
    MAX_STARVED_US   = 1000000, /* then play-out stops until a packet comes  */
    UNIT_US          = 2500,    /* libopus conceals multiples of it          */
    DTX_SHORTEST_US  = 100000,  /* a shorter pause may be a late packet       */
    DTX_REFRESH_US   = 500000,
    INSERT_US        = 2500,    /* played so much too early: packets are late */
    QUIET_LEVEL      = 328,     /* rms of 1/100 full scale, -40 dBFS         */
    SYNC_STEP_US     = 2000,    /* lip-sync moves a picture by so much       */
    SYNC_JUMP_US     = 40000,   /* and sound all at once, or not at all      */
    SYNC_MAX_US      = 150000,  /* a talk suffers more from delay than a lip */
    JITTER_JUMP_PKTS = 10000,   /* more missing than that is a new beginning */
    NOTICE_US        = 30000,   /* to notice a loss: the wait for reordering,
                                   and at the end of a frame for the next one */
    LATE_US          = 10000,   /* shown so long after it was due: late        */
    SYNC_DEAD_US     = 30000,   /* ITU-R BT.1359: not noticed                */
    ANNEXB_BYTES     = 4 << 20,
};

/* --- ring > buffer ---------------------------------------------------------------- */

static void take_packets(struct arc_recvstream *st)
{
    struct arc_rxpkt p;

    while (arc_ring_pop(st->to_media, &p) == ARC_OK) {
        /* Sound that comes too late goes in as well: the buffer must see by
         * how much, or it would never wait longer. current_head() drops it. */
        if (st->cfg.kind == ARC_MEDIA_AUDIO)
            arc_jitter_push(st->jitter, &p, p.arrival_us);
        else
            arc_assemble_push(st->assemble, &p, p.arrival_us);
        arc_pkt_unref(p.pkt); /* the buffer has its own */
    }
}

static int64_t us_of(const struct arc_recvstream *st, int32_t samples)
{
    return samples * ARC_US_PER_S / st->cfg.sample_rate_hz;
}

static void tell_buffer(struct arc_recvstream *st, int64_t now_us)
{
    const struct arc_session *s = st->session;
    int64_t repair_us;

    if (now_us < st->adapt_us)
        return;
    st->adapt_us = now_us + ADAPT_PERIOD_US;
    /* What a repair needs: in-band FEC comes with the next packet, and a
     * retransmission after a round trip. */
    repair_us = st->cfg.kind == ARC_MEDIA_AUDIO ? us_of(st, st->block_samples)
                                                : 0;
    if (st->nack)
        repair_us += arc_max_i64(arc_atomic_load_relaxed(&s->rtt_us), 0) +
                     NOTICE_US;
    arc_jitter_adapt(st->jitter,
                     arc_atomic_load_relaxed(&st->loss_permille) / 1000.0,
                     (double)arc_atomic_load_relaxed(&st->jitter_us) / 1000.0,
                     (double)repair_us / 1000.0);
}

/* --- lip-sync ------------------------------------------------------------------------ */

/** The sender's NTP clock when media time `ts` was captured, us; -1: unknown. */
static int64_t capture_ntp_us(const struct arc_recvstream *st, int64_t ts)
{
    int64_t zero_us = arc_atomic_load_relaxed(&st->sync_zero_us);

    return zero_us ? zero_us + arc_ticks_to_us(ts, st->clock_hz) : -1;
}

/** What this stream alone would need from capture to play-out. */
static void publish_offset(struct arc_recvstream *st, int64_t ts)
{
    int64_t ntp_us = capture_ntp_us(st, ts);

    if (ntp_us >= 0)
        arc_atomic_store_relaxed(&st->offset_us,
                                 arc_jitter_playout_us(st->jitter, ts) -
                                 ntp_us);
}

/** Hold the quicker of audio and video back until both are in step, within
 *  max_latency_ms. Pictures move by small steps, which nobody sees; sound moves
 *  seldom and at once, since each move costs an inserted block. */
static void keep_in_step(struct arc_recvstream *st)
{
    const struct arc_session *s = st->session;
    int64_t mine = arc_atomic_load_relaxed(&st->offset_us);
    int32_t n = arc_atomic_load_acquire(&s->n_recv);
    int64_t want = 0, room;

    for (int32_t i = 0; i < n; i++) {
        const struct arc_recvstream *other = s->recv[i];
        int64_t theirs = arc_atomic_load_relaxed(&other->offset_us);

        if (other->cfg.kind != st->cfg.kind && theirs && mine)
            want = arc_max_i64(want, theirs - mine - SYNC_DEAD_US);
    }
    room = st->cfg.max_latency_ms * ARC_US_PER_MS -
           arc_jitter_target_ms(st->jitter) * ARC_US_PER_MS;
    want = arc_clamp_i64(want, 0, arc_clamp_i64(room, 0, SYNC_MAX_US));
    if (st->cfg.kind == ARC_MEDIA_VIDEO)
        st->hold_us += arc_clamp_i64(want - st->hold_us, -SYNC_STEP_US,
                                     SYNC_STEP_US);
    else if (want - st->hold_us > SYNC_JUMP_US ||
             want - st->hold_us < -SYNC_JUMP_US)
        st->hold_us = want;
    st->media.sync_ms = (double)st->hold_us / 1000.0;
}

static int64_t playout_us(const struct arc_recvstream *st, int64_t ts)
{
    return arc_jitter_playout_us(st->jitter, ts) + st->hold_us;
}

/** The timestamp that its packet bore. */
static uint32_t wire_ts(const struct arc_recvstream *st, int64_t ts)
{
    return (uint32_t)(ts - arc_atomic_load_relaxed(&st->ts_shift));
}

/* --- audio ------------------------------------------------------------------------------ */

static int64_t ticks_of(const struct arc_recvstream *st, int32_t samples)
{
    return (int64_t)samples * (OPUS_CLOCK_HZ / st->cfg.sample_rate_hz);
}

static bool is_quiet(const struct arc_recvstream *st,
                     const struct arc_received *out)
{
    int64_t sum = 0, n = (int64_t)out->n_samples * st->cfg.channels;

    for (int64_t i = 0; i < n; i++)
        sum += (int64_t)out->samples[i] * out->samples[i];
    return n == 0 || sum / n < (int64_t)QUIET_LEVEL * QUIET_LEVEL;
}

/** Play-out ran dry before this packet came: were packets lost, or did the
 *  sender send none? */
static void settle(struct arc_recvstream *st, int64_t seq)
{
    int64_t missing = arc_clamp_i64(seq - st->last_seq - 1, 0, JITTER_JUMP_PKTS);
    int64_t lost = arc_min_i64(st->unsettled, missing * st->block_samples);

    if (missing == 0 && us_of(st, (int32_t)st->unsettled) >= DTX_SHORTEST_US)
        st->uses_dtx = true;
    st->media.concealed_samples += lost;
    st->media.silent_samples    += st->unsettled - lost;
    st->unsettled = 0;
    st->starved   = 0;
}

/** The packet at the head, decoded. */
static void decode_head(struct arc_recvstream *st, struct arc_received *out)
{
    struct arc_rxpkt p;

    if (arc_jitter_take(st->jitter, &p) != ARC_OK)
        return;
    out->block       = ARC_BLOCK_DECODED;
    out->arrival_us  = p.arrival_us;
    out->complete_us = p.arrival_us;
    out->bytes       = p.payload_len;
    out->pkts        = 1;
    if (arc_opus_dec_decode(st->opus, p.pkt->data + p.payload_off,
                            p.payload_len, out->samples,
                            ARC_SESSION_MAX_SAMPLES / st->cfg.channels,
                            &out->n_samples) != ARC_OK) {
        st->media.codec_errors++;
        out->block     = ARC_BLOCK_CONCEALED;
        out->n_samples = st->block_samples;
        arc_opus_dec_conceal(st->opus, out->samples, out->n_samples);
    }
    settle(st, p.seq);
    st->last_seq      = p.seq;
    st->block_samples = out->n_samples;
    arc_pkt_unref(p.pkt);
}

/** Whether the sender is likely to have fallen silent on purpose: it has done so
 *  before, and a refresh (every 400 ms by libopus) is not overdue. */
static bool is_paused(const struct arc_recvstream *st)
{
    return st->uses_dtx &&
           us_of(st, st->block_samples) * st->starved <= DTX_REFRESH_US;
}

/** In place of what is missing before `next`: from its in-band FEC, as a pause
 *  when no number is missing, or made up. */
static void fill_hole(struct arc_recvstream *st, const struct arc_rxpkt *next,
                      struct arc_received *out)
{
    const int64_t hole = next->ts - st->next_ts;
    const int32_t unit = st->cfg.sample_rate_hz / 400; /* libopus' grain */
    int32_t n = (int32_t)arc_min_i64(
        hole * st->cfg.sample_rate_hz / OPUS_CLOCK_HZ, st->block_samples);

    n = n / unit * unit;
    out->n_samples = n;
    if (next->seq == st->last_seq + 1) {
        out->block = ARC_BLOCK_SILENT;
        arc_opus_dec_comfort(st->opus, out->samples, n);
    } else if (hole <= ticks_of(st, st->block_samples) &&
               arc_opus_dec_decode_fec(st->opus,
                                       next->pkt->data + next->payload_off,
                                       next->payload_len, out->samples, n) ==
               ARC_OK) {
        out->block = ARC_BLOCK_FEC;
        return;
    } else {
        out->block = ARC_BLOCK_CONCEALED;
        arc_opus_dec_conceal(st->opus, out->samples, n);
    }
    if (st->starved)
        st->unsettled += n;
}

/** There is no packet at all: a loss, or a pause? settle() will know. */
static void run_dry(struct arc_recvstream *st, struct arc_received *out)
{
    out->n_samples = st->block_samples;
    st->unsettled += st->block_samples;
    st->starved++;
    if (is_paused(st)) {
        out->block = ARC_BLOCK_SILENT;
        arc_opus_dec_comfort(st->opus, out->samples, out->n_samples);
    } else {
        out->block = ARC_BLOCK_CONCEALED;
        arc_opus_dec_conceal(st->opus, out->samples, out->n_samples);
    }
}

static void count_block(struct arc_recvstream *st,
                        const struct arc_received *out)
{
    struct arc_recv_media_stats *m = &st->media;

    m->frames_out++;
    m->samples_out += out->n_samples;
    switch (out->block) {
    case ARC_BLOCK_FEC:
        m->fec_samples += out->n_samples;
        break;
    case ARC_BLOCK_CONCEALED:
        if (!st->starved) /* else settle() counts it, when it knows */
            m->concealed_samples += out->n_samples;
        break;
    case ARC_BLOCK_SILENT:
        if (!st->starved)
            m->silent_samples += out->n_samples;
        break;
    case ARC_BLOCK_INSERTED:
        m->inserted_samples += out->n_samples;
        break;
    default:
        break;
    }
}

static bool start_playing(struct arc_recvstream *st, int64_t now_us)
{
    const struct arc_rxpkt *head = arc_jitter_peek(st->jitter);
    int64_t due;

    if (!head)
        return false;
    due = playout_us(st, head->ts);
    if (now_us < due)
        return false;
    st->started  = true;
    st->starved  = 0;
    st->next_ts  = head->ts;
    st->last_seq = head->seq - 1;
    st->clock_us = due;
    return true;
}

/** Drop what was due before the hole-free clock got here, and find the head. */
static const struct arc_rxpkt *current_head(struct arc_recvstream *st)
{
    const struct arc_rxpkt *head;
    struct arc_rxpkt old;

    while ((head = arc_jitter_peek(st->jitter)) != NULL &&
           head->ts < st->next_ts && st->next_ts - head->ts < TS_JUMP) {
        if (arc_jitter_take(st->jitter, &old) != ARC_OK)
            return NULL;
        st->media.late_pkts++;
        arc_pkt_unref(old.pkt);
    }
    return head;
}

static void next_block(struct arc_recvstream *st, struct arc_received *out)
{
    const struct arc_rxpkt *head = current_head(st);

    if (head && (head->ts < st->next_ts || head->ts - st->next_ts > TS_JUMP)) {
        st->next_ts   = head->ts; /* the sender's clock was set anew */
        st->unsettled = 0;
        st->last_seq  = head->seq - 1;
    }
    if (head && head->ts - st->next_ts < OPUS_CLOCK_HZ / 400)
        st->next_ts = head->ts; /* less than can be filled */
    out->ts = st->next_ts;
    if (!head)
        run_dry(st, out);
    else if (head->ts == st->next_ts)
        decode_head(st, out);
    else
        fill_hole(st, head, out);
    st->next_ts += ticks_of(st, out->n_samples);
}

/** So much of nothing new as the play-out delay has grown by, at most a block. */
static void insert_block(struct arc_recvstream *st, int64_t grown_us,
                         struct arc_received *out)
{
    const int32_t unit = st->cfg.sample_rate_hz / 400; /* 2.5 ms, libopus' grain */
    int64_t units = (grown_us + UNIT_US - 1) / UNIT_US;

    out->ts        = st->next_ts;
    out->block     = ARC_BLOCK_INSERTED;
    out->n_samples = (int32_t)arc_min_i64(units * unit, st->block_samples);
    arc_opus_dec_conceal(st->opus, out->samples, out->n_samples);
}

/** How much later than the target a block may be played without breaking the
 *  bound max_latency_ms. */
static int64_t slack_us(const struct arc_recvstream *st)
{
    return (st->cfg.max_latency_ms - arc_jitter_target_ms(st->jitter)) *
           ARC_US_PER_MS;
}

static enum arc_status pull_audio(struct arc_recvstream *st, int64_t now_us,
                                  struct arc_received *out)
{
    int64_t behind_us, block_us;

    if (!st->started && !start_playing(st, now_us))
        return ARC_AGAIN;
    if (now_us < st->clock_us)
        return ARC_AGAIN;

    block_us  = us_of(st, st->block_samples);
    behind_us = st->clock_us - playout_us(st, st->next_ts);
    /* The buffer is on another time line already, next_ts is not yet: what is
     * left of the old one is played as it comes. */
    if (behind_us > NEW_LINE_US || behind_us < -NEW_LINE_US)
        behind_us = 0;
    out->playout_us = st->clock_us;
    if (behind_us < -INSERT_US) {
        insert_block(st, -behind_us, out);
    } else {
        next_block(st, out);
        if (behind_us > block_us && out->block == ARC_BLOCK_DECODED &&
            (is_quiet(st, out) || behind_us > slack_us(st) + block_us)) {
            st->media.skipped_samples += out->n_samples;
            out->arrival_us = -1;
            next_block(st, out);
        }
    }
    st->clock_us   += us_of(st, out->n_samples);
    out->decoded_us = now_us;
    out->rtp_ts     = wire_ts(st, out->ts);
    out->ntp_us     = capture_ntp_us(st, out->ts);
    out->channels   = st->cfg.channels;
    out->sample_rate_hz = st->cfg.sample_rate_hz;
    count_block(st, out);
    publish_offset(st, out->ts);
    keep_in_step(st);
    if (us_of(st, st->block_samples) * st->starved > MAX_STARVED_US)
        st->started = false;
    return ARC_OK;
}

/* --- video ------------------------------------------------------------------------------ */

static void ask_for_key(struct arc_recvstream *st)
{
    if (!st->need_key)
        st->media.key_requests++;
    st->need_key = true;
    arc_atomic_store_relaxed(&st->key_wanted, 1);
}

/** The bytes of a complete frame; 0: its payloads do not fit together. */
static int32_t unpack(struct arc_recvstream *st, const struct arc_assembled *a)
{
    struct arc_pl_h264_unpacker u;
    size_t len = 0;

    arc_pl_h264_unpacker_init(&u, st->annexb, ANNEXB_BYTES);
    for (int64_t seq = a->first_seq; seq <= a->last_seq; seq++) {
        const struct arc_rxpkt *p = arc_assemble_packet(st->assemble, seq);

        if (!p || arc_pl_h264_unpacker_push(&u, p->pkt->data + p->payload_off,
                                            (size_t)p->payload_len) != ARC_OK)
            return 0;
    }
    return arc_pl_h264_unpacker_finish(&u, &len) == ARC_OK ? (int32_t)len : 0;
}

/** The delay of frames, not packets, is what a picture's play-out rests on. */
static void note_delay(struct arc_recvstream *st, const struct arc_assembled *a)
{
    struct arc_rxpkt p, drop;

    memset(&p, 0, sizeof(p));
    p.seq        = st->frame_no++;
    p.ts         = a->ts;
    p.repaired   = a->repaired; /* those wait for a round trip: told apart */
    p.arrival_us = a->complete_us;
    arc_jitter_push(st->jitter, &p, a->complete_us);
    while (arc_jitter_take(st->jitter, &drop) == ARC_OK)
        ;
}

static void keep_picture(struct arc_recvstream *st, struct arc_vframe *frame,
                         const struct arc_assembled *a, int32_t bytes)
{
    struct arc_picture *p = &st->pictures[st->n_pictures++];

    p->frame      = frame;
    p->info       = *a;
    p->bytes      = bytes;
    p->decoded_us = ARC_NEVER_US;
}

/** Decode one complete frame, if there is one. */
static bool decode_next(struct arc_recvstream *st, int64_t now_us)
{
    struct arc_vframe *frame = NULL;
    struct arc_assembled a;
    enum arc_status status;
    int32_t len;

    if (arc_assemble_pop(st->assemble, now_us, &a) != ARC_OK)
        return false;
    st->media.frames_complete++;
    note_delay(st, &a);
    if (a.after_gap && !a.is_key)
        ask_for_key(st);
    if (st->need_key && !a.is_key) {
        ask_for_key(st); /* until one comes; the network side limits the rate */
        st->media.frames_undecodable++;
        return true;
    }
    len = unpack(st, &a);
    status = len ? arc_vdec_decode(st->vdec, st->annexb, len, a.ts, &frame)
                 : ARC_ERR_FORMAT;
    if (status == ARC_AGAIN)
        return true;
    if (status != ARC_OK) {
        st->media.codec_errors++;
        st->media.frames_undecodable++;
        ask_for_key(st);
        return true;
    }
    st->need_key = false;
    keep_picture(st, frame, &a, len);
    return true;
}

/** The clock has moved on since these were decoded; how far, only the caller
 *  knows. */
static void stamp_decoded(struct arc_recvstream *st, int64_t now_us)
{
    for (int32_t i = 0; i < st->n_pictures; i++) {
        struct arc_picture *p = &st->pictures[i];

        if (p->decoded_us == ARC_NEVER_US)
            p->decoded_us = now_us;
    }
}

static void hand_out(struct arc_recvstream *st, int64_t due_us,
                     struct arc_received *out)
{
    struct arc_picture p = st->pictures[0];

    memmove(&st->pictures[0], &st->pictures[1],
            sizeof(p) * (ARC_PEER_PICTURES - 1));
    st->n_pictures--;

    out->ts          = p.info.ts;
    out->rtp_ts      = wire_ts(st, p.info.ts);
    out->arrival_us  = p.info.first_arrival_us;
    out->complete_us = p.info.complete_us;
    out->decoded_us  = p.decoded_us;
    out->playout_us  = arc_max_i64(due_us, p.decoded_us);
    out->ntp_us      = capture_ntp_us(st, p.info.ts);
    out->is_key      = p.info.is_key;
    out->damaged     = p.frame->damaged;
    out->bytes       = p.bytes;
    out->pkts        = p.info.n_pkts;
    out->frame       = p.frame;
    out->late        = p.decoded_us > due_us + LATE_US;
    st->media.frames_late += out->late;
    st->media.frames_out++;
    publish_offset(st, out->ts);
    keep_in_step(st);
}

static enum arc_status pull_video(struct arc_recvstream *st, int64_t now_us,
                                  struct arc_received *out)
{
    stamp_decoded(st, now_us);
    if (st->n_pictures > 0) {
        int64_t due = playout_us(st, st->pictures[0].info.ts);

        if (now_us >= due) {
            hand_out(st, due, out);
            return ARC_OK;
        }
    }
    /* Decoded pictures are large: beyond these few, frames wait as packets. */
    if (st->n_pictures < ARC_PEER_PICTURES)
        decode_next(st, now_us);
    return ARC_AGAIN;
}

/* --- the way out -------------------------------------------------------------------- */

enum arc_status arc_recv_pull(struct arc_recvstream *st, int64_t now_us,
                              struct arc_received *out)
{
    out->kind  = st->cfg.kind;
    out->block = ARC_BLOCK_DECODED;
    out->frame = NULL;
    out->arrival_us = out->complete_us = -1;
    out->n_samples = 0;
    out->is_key = out->damaged = out->late = false;
    out->bytes = out->pkts = 0;

    take_packets(st);
    tell_buffer(st, now_us);
    return st->cfg.kind == ARC_MEDIA_AUDIO ? pull_audio(st, now_us, out)
                                           : pull_video(st, now_us, out);
}

int64_t arc_recv_next_us(const struct arc_recvstream *st)
{
    const struct arc_rxpkt *head;
    int64_t next;

    if (arc_ring_count(st->to_media) > 0)
        return 0;
    if (st->cfg.kind == ARC_MEDIA_AUDIO) {
        if (st->started)
            return st->clock_us;
        head = arc_jitter_peek(st->jitter);
        return head ? playout_us(st, head->ts) : ARC_NEVER_US;
    }
    next = st->n_pictures < ARC_PEER_PICTURES
         ? arc_assemble_next_us(st->assemble) : ARC_NEVER_US;
    if (st->n_pictures > 0) {
        if (st->pictures[0].decoded_us == ARC_NEVER_US)
            return 0;
        next = arc_min_i64(next, playout_us(st, st->pictures[0].info.ts));
    }
    return next;
}

void arc_recv_get_stats(const struct arc_recvstream *st,
                        struct arc_recv_media_stats *out)
{
    struct arc_jitter_stats j;

    *out = st->media;
    arc_jitter_stats(st->jitter, &j);
    out->target_ms     = j.target_latency_ms;
    out->overflow_pkts = j.overflow;
    out->depth_ms      = j.depth_ms;
    if (st->cfg.kind == ARC_MEDIA_AUDIO) {
        out->late_pkts += j.late;
    } else {
        struct arc_assemble_stats a;

        arc_assemble_stats(st->assemble, &a);
        out->frames_given_up = a.given_up;
        out->late_pkts      += a.late;
        out->overflow_pkts   = a.overflow;
    }
}

int32_t arc_recv_index(const struct arc_recvstream *st)
{
    return st->index;
}
