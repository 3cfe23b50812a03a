/**
 * @file session/pull_audio.c  Sound out: jitter buffer > decoder > concealment >
 *                             play-out
 *
 * Handed out block by block on the clock of a playing device: each block follows
 * the one before without a hole, and a play-out delay that changes is followed
 * by a little more or a block less.
 */
#include "base/units.h"
#include "session/peer.h"

enum {
    TS_JUMP          = 10 * ARC_PEER_OPUS_CLOCK_HZ, /* another time line              */
    NEW_LINE_US      = 10000000,
    MAX_STARVED_US   = 1000000, /* then play-out stops until a packet comes  */
    UNIT_US          = 2500,    /* libopus conceals multiples of it          */
    DTX_SHORTEST_US  = 100000,  /* a shorter pause may be a late packet       */
    DTX_REFRESH_US   = 500000,
    INSERT_US        = 2500,    /* played so much too early: packets are late */
    QUIET_LEVEL      = 328,     /* rms of 1/100 full scale, -40 dBFS         */
    JITTER_JUMP_PKTS = 10000,   /* more missing than that is a new beginning */
};

static int64_t ticks_of(const struct arc_recvstream *st, int32_t samples)
{
    return (int64_t)samples * (ARC_PEER_OPUS_CLOCK_HZ / st->cfg.sample_rate_hz);
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

    if (missing == 0 && arc_peer_us_of(st, (int32_t)st->unsettled) >= DTX_SHORTEST_US)
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
           arc_peer_us_of(st, st->block_samples) * st->starved <= DTX_REFRESH_US;
}

/** In place of what is missing before `next`: from its in-band FEC, as a pause
 *  when no number is missing, or made up. */
static void fill_hole(struct arc_recvstream *st, const struct arc_rxpkt *next,
                      struct arc_received *out)
{
    const int64_t hole = next->ts - st->next_ts;
    const int32_t unit = st->cfg.sample_rate_hz / 400; /* libopus' grain */
    int32_t n = (int32_t)arc_min_i64(
        hole * st->cfg.sample_rate_hz / ARC_PEER_OPUS_CLOCK_HZ, st->block_samples);

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

/** The missing packet itself, if a later one brought a copy of it that is not
 *  longer than the hole. */
static bool decode_copy(struct arc_recvstream *st, const struct arc_rxpkt *next,
                        struct arc_received *out)
{
    struct arc_rxpkt p;
    const uint8_t *data;
    int32_t n;

    if (!st->copies_held ||
        arc_copies_find(st->copies_held, st->next_ts, &p) != ARC_OK)
        return false;
    data = p.pkt->data + p.payload_off;
    n    = arc_opus_packet_samples(data, p.payload_len, st->cfg.sample_rate_hz);
    if (n == 0 || ticks_of(st, n) > next->ts - st->next_ts)
        return false;
    if (arc_opus_dec_decode(st->opus, data, p.payload_len, out->samples,
                            ARC_SESSION_MAX_SAMPLES / st->cfg.channels,
                            &out->n_samples) != ARC_OK) {
        st->media.codec_errors++;
        return false;
    }
    out->block       = ARC_BLOCK_COPY;
    out->arrival_us  = p.arrival_us;
    out->complete_us = p.arrival_us;
    out->bytes       = p.payload_len;
    out->pkts        = 1;
    return true;
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
    case ARC_BLOCK_COPY:
        m->copy_samples += out->n_samples;
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
    due = arc_peer_playout_us(st, head->ts);
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
        if (st->copies_held)
            arc_copies_reset(st->copies_held);
        st->unsettled = 0;
        st->last_seq  = head->seq - 1;
    }
    if (head && head->ts - st->next_ts < ARC_PEER_OPUS_CLOCK_HZ / 400)
        st->next_ts = head->ts; /* less than can be filled */
    out->ts = st->next_ts;
    if (!head)
        run_dry(st, out);
    else if (head->ts == st->next_ts)
        decode_head(st, out);
    else if (!decode_copy(st, head, out))
        fill_hole(st, head, out);
    st->next_ts += ticks_of(st, out->n_samples);
    if (st->copies_held)
        arc_copies_drop_before(st->copies_held, st->next_ts);
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

enum arc_status arc_peer_pull_audio(struct arc_recvstream *st, int64_t now_us,
                                  struct arc_received *out)
{
    int64_t behind_us, block_us;

    if (!st->started && !start_playing(st, now_us))
        return ARC_AGAIN;
    if (now_us < st->clock_us)
        return ARC_AGAIN;

    block_us  = arc_peer_us_of(st, st->block_samples);
    behind_us = st->clock_us - arc_peer_playout_us(st, st->next_ts);
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
    st->clock_us   += arc_peer_us_of(st, out->n_samples);
    out->decoded_us = now_us;
    out->rtp_ts     = arc_peer_wire_ts(st, out->ts);
    out->ntp_us     = arc_peer_capture_ntp_us(st, out->ts);
    out->channels   = st->cfg.channels;
    out->sample_rate_hz = st->cfg.sample_rate_hz;
    count_block(st, out);
    arc_peer_publish_offset(st, out->ts);
    arc_peer_keep_in_step(st);
    if (arc_peer_us_of(st, st->block_samples) * st->starved > MAX_STARVED_US)
        st->started = false;
    return ARC_OK;
}
