/**
 * @file session/repair.c  Losses and what is done about them: which packets came
 *                         in time, until when a request makes sense, what may
 *                         be resent
 */
#include "base/atomic.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "session/peer.h"

enum {
    SETTLE_MORE_US  = 100000,  /* judged so long after the longest play-out delay */
    LOSS_MEMORY_US  = 5000000, /* figures are of about so long                */
    GMIN_PKTS       = 16,      /* RFC 3611 §4.7.2                             */
    PARITY_GONE_US  = 1000000, /* none for so long: the peer sends no more     */
    PARITY_WAIT_US  = 10000,   /* pictures: at least so long for it           */
    PARITY_FALL     = 8,       /* shorter blocks: part of the wait that goes   */
};

/* --- received streams --------------------------------------------------------------- */

enum arc_status arc_peer_open_repair(struct arc_recvstream *st)
{
    struct arc_losspattern_config c = {0};

    st->playout_zero_us = ARC_NEVER_US;
    c.settle_us = st->cfg.max_latency_ms * ARC_US_PER_MS + SETTLE_MORE_US;
    c.memory_us = LOSS_MEMORY_US;
    c.gmin_pkts = GMIN_PKTS;
    return arc_losspattern_init(&st->loss, &c);
}

/** When media time `ts` is to be played; ARC_NEVER_US: not known, or pictures,
 *  which are of use to those after them for as long as they are waited for. */
static int64_t played_us(const struct arc_recvstream *st, int64_t ts)
{
    int64_t zero_us = arc_atomic_load_relaxed(&st->playout_zero_us);

    return zero_us == ARC_NEVER_US
         ? ARC_NEVER_US : zero_us + arc_ticks_to_us(ts, st->clock_hz);
}

/** How much media a packet holds, by two that follow each other. */
static void learn_length(struct arc_recvstream *st, const struct arc_rxpkt *p)
{
    if (p->seq == st->loss_seq + 1 && p->ts > st->loss_ts &&
        p->ts - st->loss_ts <= st->clock_hz)
        st->pkt_ticks = p->ts - st->loss_ts;
    st->loss_seq = p->seq;
    st->loss_ts  = p->ts;
}

/** Pictures wait for each other, so what is missing is asked for when its parity
 *  takes longer than the half of what a resend takes. */
static void set_parity_wait(struct arc_recvstream *st, int64_t wait_us)
{
    const int64_t rtt_us = arc_atomic_load_relaxed(&st->session->rtt_us);

    st->parity_wait_us = wait_us;
    if (st->cfg.kind == ARC_MEDIA_VIDEO)
        wait_us = arc_min_i64(wait_us, arc_max_i64(rtt_us / 2, PARITY_WAIT_US));
    if (st->nack)
        arc_nackgen_set_hold(st->nack, wait_us);
}

/** Parity came: what is missing now may come back with the next one, which is as
 *  far away as the last two were apart. Several at once end one block. */
void arc_peer_on_parity(struct arc_recvstream *st, int64_t now_us)
{
    int64_t apart_us = st->parity_us ? now_us - st->parity_us : 0;

    st->parity_us = now_us;
    if (apart_us < PARITY_GONE_US)
        set_parity_wait(st, arc_max_i64(apart_us, st->parity_wait_us -
                                        st->parity_wait_us / PARITY_FALL));
}

/** A copy of media time `ts` came in a packet (RFC 2198). Copies have no number
 *  of their own: it is told by the time between, where that is whole packets.
 *  What is missing now may come back as far behind. */
void arc_peer_on_copy(struct arc_recvstream *st, const struct arc_rxpkt *in,
                      int64_t ts, int64_t now_us)
{
    const int64_t back_ticks = in->ts - ts;
    const int64_t back_us = arc_ticks_to_us(back_ticks, st->clock_hz);
    int64_t seq;

    if (st->pkt_ticks == 0 || back_ticks % st->pkt_ticks != 0)
        return;
    seq = in->seq - back_ticks / st->pkt_ticks;
    arc_losspattern_on_packet(&st->loss, seq, true, now_us <= played_us(st, ts),
                              now_us);
    st->parity_us = now_us;
    if (back_us > st->parity_wait_us)
        set_parity_wait(st, back_us);
    if (st->nack)
        arc_nackgen_on_repaired(st->nack, (uint64_t)seq, now_us);
}

/** A packet of the stream is here, by itself or by repair. */
void arc_peer_count_repair(struct arc_recvstream *st, const struct arc_rxpkt *p,
                           int64_t now_us)
{
    if (st->parity_wait_us && now_us - st->parity_us >= PARITY_GONE_US)
        set_parity_wait(st, 0);
    arc_losspattern_on_packet(&st->loss, p->seq, p->repaired,
                              now_us <= played_us(st, p->ts), now_us);
    if (!p->repaired)
        learn_length(st, p);
    if (!st->nack)
        return;
    if (p->repaired)
        arc_nackgen_on_repaired(st->nack, (uint64_t)p->seq, now_us);
    else
        arc_nackgen_on_media(st->nack, (uint64_t)p->seq,
                             arc_ticks_to_us(p->ts, st->clock_hz), now_us);
}

/** Network side: tell the media side how much longer a resend of what is lost first
 *  takes, because the end of the burst is noticed only behind it. */
void arc_peer_publish_burst(struct arc_recvstream *st, int64_t now_us)
{
    struct arc_losspattern_figures f;
    double more_pkts;

    arc_losspattern_figures(&st->loss, now_us, &f);
    more_pkts = f.before.burst_pkts > 1.0 ? f.before.burst_pkts - 1.0 : 0.0;
    arc_atomic_store_relaxed(&st->burst_us,
                             (int64_t)(more_pkts * (double)arc_ticks_to_us(
                                                       st->pkt_ticks, st->clock_hz)));
}

/** Media side, samples: tell the network side when they are played. What runs
 *  behind its target is played that much later. */
void arc_peer_publish_playout(struct arc_recvstream *st)
{
    int64_t zero_us = arc_voice_heard_us(st->voice, 0);

    if (zero_us == ARC_NEVER_US)
        return;
    arc_atomic_store_relaxed(&st->playout_zero_us, zero_us);
    arc_atomic_store_relaxed(&st->target_ms, arc_voice_target_ms(st->voice));
}

void arc_peer_get_loss(struct arc_recvstream *st, int64_t now_us,
                       struct arc_recv_net_stats *out)
{
    struct arc_losspattern_figures f;

    arc_losspattern_figures(&st->loss, now_us, &f);
    out->lost_after_pkts    = st->loss.lost_after;
    out->discarded_pkts     = st->loss.discarded;
    out->loss_before        = f.before.rate;
    out->loss_after         = f.after.rate;
    out->loss_unplayed      = f.unplayed.rate;
    out->burst_length       = f.before.burst_pkts;
    out->burst_length_after = f.after.burst_pkts;
}

/* --- sent streams --------------------------------------------------------------------- */

/** Quick up and slow down: in-band FEC should not come and go with every
 *  report. */
void arc_peer_follow_loss(double *smoothed, double loss)
{
    *smoothed += (loss > *smoothed ? 0.5 : 0.1) * (loss - *smoothed);
}

/** In-band FEC is for what resends, copies and parities leave, where the peer
 *  tells of that (RFC 7509); else for all that is lost. */
void arc_peer_tell_encoder(struct arc_sendstream *st)
{
    double loss = st->remote.has_repair &&
                          st->remote.loss_after < st->remote_loss
                      ? st->remote.loss_after : st->remote_loss;

    arc_atomic_store_relaxed(&st->loss_pct, (int32_t)(loss * 100.0 + 0.5));
}

/** Whether the stream's share for repairs has room for a resend. */
bool arc_peer_may_resend(struct arc_sendstream *st, int64_t now_us)
{
    arc_repairbudget_set_target(&st->repair,
                                arc_atomic_load_relaxed(&st->target_bps),
                                now_us);
    return arc_repairbudget_allows(&st->repair, now_us);
}

/** A request that comes sooner than a round trip after the answer to another one
 *  was made before that answer could be there. The shortest round trip of the
 *  last seconds: a longer one would leave requests unanswered that mean it. */
int64_t arc_peer_resend_wait_us(const struct arc_session *s)
{
    return arc_max_i64(s->rtt.min_us, 0);
}
