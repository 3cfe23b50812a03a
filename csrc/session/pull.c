/**
 * @file session/pull.c  Media out: ring > voice | assembly > decoder > play-out
 *
 * The media side of a received stream: what comes from the network side, how
 * long it is held back, and lip-sync. Behind the buffers the way goes on in
 * pull_audio.c and pull_video.c.
 */
#include <string.h>

#include "base/atomic.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "session/peer.h"

enum {
    ADAPT_PERIOD_US  = 500000,
    PEAK_HALF_US     = 20000000,
    SYNC_STEP_US     = 2000,    /* lip-sync moves a picture by so much       */
    SYNC_JUMP_US     = 40000,   /* and sound all at once, or not at all      */
    SYNC_MAX_US      = 150000,  /* a talk suffers more from delay than a lip */
    NEXT_PACKET_US   = 20000,   /* its usual length                          */
    NOTICE_US        = 30000,   /* to notice a loss: the wait for reordering,
                                   and at the end of a frame for the next one */
    SYNC_DEAD_US     = 30000,   /* ITU-R BT.1359: not noticed                */
};

#define TWICE_LOSS_RATE 0.02

/* --- ring > buffer ---------------------------------------------------------------- */

static void take_packets(struct arc_recvstream *st)
{
    struct arc_rxpkt p;

    while (arc_ring_pop(st->to_media, &p) == ARC_OK) {
        /* Sound that comes too late goes in as well: the buffer must see by
         * how much, or it would never wait longer. */
        if (p.copy)
            arc_voice_push_copy(st->voice, &p, p.arrival_us);
        else if (st->cfg.kind == ARC_MEDIA_AUDIO)
            arc_voice_push(st->voice, &p, p.arrival_us);
        else
            arc_assemble_push(st->assemble, &p, p.arrival_us);
        arc_pkt_unref(p.pkt); /* the buffer has its own */
    }
}

/** How much later than its packet what stands in for it comes: a resend after a
 *  round trip; of sound in-band FEC, and the far edge of a gap, with the next
 *  packet, and a copy as much later as its sender chose. */
static int64_t repair_us(const struct arc_recvstream *st)
{
    int64_t us = 0;

    if (st->nack)
        us = arc_max_i64(arc_atomic_load_relaxed(&st->session->rtt_us), 0) +
             NOTICE_US;
    if (st->cfg.kind == ARC_MEDIA_VIDEO)
        return us;
    if (st->nack)
        us += arc_atomic_load_relaxed(&st->burst_us);
    us = arc_max_i64(us, NEXT_PACKET_US);
    return arc_max_i64(us, arc_ticks_to_us(
                               arc_atomic_load_relaxed(&st->copy_reach_ticks),
                               st->clock_hz));
}

/** The longest wait for a resend of late: of one that was lost in its turn, several
 *  round trips. Half of it is forgotten every PEAK_HALF_US. */
static int64_t repair_peak_us(const struct arc_recvstream *st, int64_t now_us)
{
    int64_t us = st->repair_peak_us;

    for (int64_t t = st->repair_peak_at_us + PEAK_HALF_US; t <= now_us && us > 0;
         t += PEAK_HALF_US)
        us /= 2;
    return us;
}

void arc_peer_on_repaired_picture(struct arc_recvstream *st, int64_t wait_us,
                                  int64_t now_us)
{
    st->repaired_pictures++;
    if (wait_us <= repair_peak_us(st, now_us) && st->repaired_pictures != 2)
        return;
    st->repair_peak_us    = arc_max_i64(wait_us, repair_peak_us(st, now_us));
    st->repair_peak_at_us = now_us;
    st->adapt_us          = now_us; /* the next one is not to be late, too */
}

static void tell_video_buffer(struct arc_recvstream *st, double loss,
                              int64_t now_us)
{
    const int64_t peak_us = repair_peak_us(st, now_us);
    int64_t wait_us = repair_us(st);

    /* A picture has several packets: often enough the resend of one is lost, too. */
    if (loss >= TWICE_LOSS_RATE || (peak_us > 0 && st->repaired_pictures > 1))
        wait_us *= 2;
    if (peak_us > 0) {
        loss    = 1.0; /* there is some, whatever reports say so far */
        wait_us = arc_min_i64(arc_max_i64(peak_us, wait_us),
                              st->cfg.max_latency_ms * ARC_US_PER_MS);
    }
    arc_jitter_adapt(st->jitter, loss,
                     (double)arc_atomic_load_relaxed(&st->jitter_us) / 1000.0,
                     (double)wait_us / 1000.0);
}

static void tell_buffer(struct arc_recvstream *st, int64_t now_us)
{
    const double loss = arc_atomic_load_relaxed(&st->loss_permille) / 1000.0;

    if (now_us < st->adapt_us)
        return;
    st->adapt_us = now_us + ADAPT_PERIOD_US;
    if (st->cfg.kind == ARC_MEDIA_VIDEO)
        tell_video_buffer(st, loss, now_us);
    else /* its jitter is measured where it is needed: rx/delay */
        arc_voice_adapt(st->voice, loss, 0.0, (double)repair_us(st) / 1000.0);
}

/* --- lip-sync ------------------------------------------------------------------------ */

/** The sender's NTP clock when media time `ts` was captured, us; -1: unknown. */
int64_t arc_peer_capture_ntp_us(const struct arc_recvstream *st, int64_t ts)
{
    int64_t zero_us = arc_atomic_load_relaxed(&st->sync_zero_us);

    return zero_us ? zero_us + arc_ticks_to_us(ts, st->clock_hz) : -1;
}

/** When `ts` is to be played, lip-sync included. */
int64_t arc_peer_playout_us(const struct arc_recvstream *st, int64_t ts)
{
    int64_t at_us;

    if (st->cfg.kind == ARC_MEDIA_AUDIO)
        return arc_voice_playout_us(st->voice, ts);
    at_us = arc_jitter_playout_us(st->jitter, ts);
    return at_us == ARC_NEVER_US ? at_us : at_us + st->hold_us;
}

static int32_t target_ms(const struct arc_recvstream *st)
{
    return st->cfg.kind == ARC_MEDIA_AUDIO ? arc_voice_target_ms(st->voice)
                                           : arc_jitter_target_ms(st->jitter);
}

/** What this stream alone would need from capture to play-out. */
void arc_peer_publish_offset(struct arc_recvstream *st, int64_t ts)
{
    int64_t ntp_us = arc_peer_capture_ntp_us(st, ts);

    if (ntp_us >= 0)
        arc_atomic_store_relaxed(&st->offset_us, arc_peer_playout_us(st, ts) -
                                                 st->hold_us - ntp_us);
}

/** Hold the quicker of audio and video back until both are in step, within
 *  max_latency_ms. Pictures move by small steps, which nobody sees; sound moves
 *  seldom and at once, since each move costs an inserted block. */
void arc_peer_keep_in_step(struct arc_recvstream *st)
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
           target_ms(st) * ARC_US_PER_MS;
    want = arc_clamp_i64(want, 0, arc_clamp_i64(room, 0, SYNC_MAX_US));
    if (st->cfg.kind == ARC_MEDIA_VIDEO)
        st->hold_us += arc_clamp_i64(want - st->hold_us, -SYNC_STEP_US,
                                     SYNC_STEP_US);
    else if (want - st->hold_us > SYNC_JUMP_US ||
             want - st->hold_us < -SYNC_JUMP_US)
        st->hold_us = want;
    st->media.sync_ms = (double)st->hold_us / 1000.0;
}

/** The timestamp that its packet bore. */
uint32_t arc_peer_wire_ts(const struct arc_recvstream *st, int64_t ts)
{
    return (uint32_t)(ts - arc_atomic_load_relaxed(&st->ts_shift));
}

/* --- what is heard ------------------------------------------------------------------ */

static void note_heard(struct arc_recvstream *st, const struct arc_received *out)
{
    arc_heard_on_block(&st->heard, out->block == ARC_BLOCK_CONCEALED ||
                                       out->block == ARC_BLOCK_GAP,
                       arc_peer_us_of(st, out->n_samples),
                       out->arrival_us >= 0 ? out->playout_us - out->arrival_us
                                            : -1);
}

static void fill_heard(const struct arc_recvstream *st,
                       struct arc_recv_media_stats *out)
{
    const struct arc_heard *h = &st->heard;

    out->gaps           = h->gaps;
    out->longest_gap_ms = (double)h->longest_gap_us / 1000.0;
    out->wait_p50_ms    = (double)arc_heard_wait_us(h, 0.5) / 1000.0;
    out->wait_p95_ms    = (double)arc_heard_wait_us(h, 0.95) / 1000.0;
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
    out->level_neg_dbov = out->told_level = -1;
    out->voice = false;
    out->is_key = out->damaged = out->late = false;
    out->bytes = out->pkts = 0;

    take_packets(st);
    tell_buffer(st, now_us);
    if (st->cfg.kind == ARC_MEDIA_VIDEO)
        return arc_peer_pull_video(st, now_us, out);
    arc_peer_publish_playout(st);
    if (arc_peer_pull_audio(st, now_us, out) != ARC_OK)
        return ARC_AGAIN;
    note_heard(st, out);
    return ARC_OK;
}

int64_t arc_recv_next_us(const struct arc_recvstream *st)
{
    int64_t next;

    if (arc_ring_count(st->to_media) > 0)
        return 0;
    if (st->cfg.kind == ARC_MEDIA_AUDIO)
        return arc_voice_next_us(st->voice);
    next = st->n_pictures < ARC_PEER_PICTURES
         ? arc_assemble_next_us(st->assemble) : ARC_NEVER_US;
    if (st->n_pictures > 0) {
        if (st->pictures[0].decoded_us == ARC_NEVER_US)
            return 0;
        next = arc_min_i64(next, arc_peer_playout_us(st, st->pictures[0].info.ts));
    }
    return next;
}

void arc_recv_get_stats(const struct arc_recvstream *st,
                        struct arc_recv_media_stats *out)
{
    struct arc_assemble_stats a;

    *out = st->media;
    if (st->cfg.kind == ARC_MEDIA_AUDIO) {
        arc_peer_fill_audio_stats(st, out);
        fill_heard(st, out);
        return;
    }
    arc_assemble_stats(st->assemble, &a);
    out->target_ms       = arc_jitter_target_ms(st->jitter);
    out->playout_ms      = out->target_ms + (double)st->hold_us / 1000.0;
    out->depth_ms        = arc_jitter_depth_ms(st->jitter);
    out->frames_given_up = a.given_up;
    out->late_pkts      += a.late;
    out->overflow_pkts   = a.overflow;
}

int32_t arc_recv_index(const struct arc_recvstream *st)
{
    return st->index;
}
