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

/** A packet of the stream is here, by itself or by repair. */
void arc_peer_count_repair(struct arc_recvstream *st, const struct arc_rxpkt *p,
                           int64_t now_us)
{
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
