/**
 * @file session/feedback_out.c  RTCP: what we say to the peer
 *
 * SR or RR, SDES, when there is something to ask for NACK and PLI, and what room
 * is left has extended reports (reports_xr.c); when, is
 * decided by tx/ssrcgroup.
 */
#include <string.h>

#include "base/atomic.h"
#include "base/bytes.h"
#include "base/ntp.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "session/peer.h"
#include "srtp/srtcp.h"
#include "wire/rtcp.h"
#include "wire/rtcpfb.h"
#include "wire/rtcppsfb.h"
#include "wire/rtcpxr.h"

enum {
    PLI_RETRY_US   = 100000,  /* at least; a round trip if that is longer     */
    NACKS_AT_ONCE  = 64,      /* numbers of one stream in one packet          */
    /* Bytes on the wire, RFC 3550 §6.4 and §6.5, RFC 4585 §6.1 */
    RR_BYTES       = 8,
    SR_BYTES       = 28,
    BLOCK_BYTES    = 24,
    BYE_BYTES      = 4,       /* and four a source                            */
    XR_BYTES       = 8,       /* RFC 3611 §2; its blocks come on top          */
    RRTR_BYTES     = 12,
    DLRR_BYTES     = 4,
    DLRR_ITEM_BYTES = 12,
    FEEDBACK_BYTES = 12,      /* PLI; NACK before its entries                 */
    NACK_BYTES     = 4,
};

/* --- time -------------------------------------------------------------------------- */

/** NTP time, 32.32, of the caller's clock. */
uint64_t arc_peer_ntp(const struct arc_session *s, int64_t now_us)
{
    return s->cfg.ntp_at_zero + arc_ntp_from_us(now_us);
}

/* --- parts ------------------------------------------------------------------------- */

static uint32_t own_ssrc(const struct arc_session *s)
{
    return arc_peer_ssrc_of(s, 0);
}

/* A datagram must not be longer than mtu_bytes, RTCP included: what does not
 * fit comes first the next time. */

static size_t rtcp_room(const struct arc_session *s)
{
    size_t room = (size_t)s->cfg.mtu_bytes;

    if (s->srtp_out)
        room -= (size_t)arc_srtp_rtcp_overhead_bytes(s->srtp_out);
    return room < ARC_PEER_RTCP_BYTES ? room : ARC_PEER_RTCP_BYTES;
}

/** Report blocks of the received streams, at most `most`; starts their next
 *  interval. */
static size_t report_blocks(struct arc_session *s,
                            struct arc_rtcp_report_block *blocks, size_t most,
                            int64_t now_us)
{
    const int32_t first = s->next_block;
    size_t n = 0;

    for (int32_t i = 0; i < s->n_recv && n < most; i++) {
        struct arc_recvstream *st = s->recv[(first + i) % s->n_recv];
        struct arc_rxstats_report r;
        struct arc_rtcp_report_block *b;

        s->next_block = (st->index + 1) % s->n_recv;
        if (st->ssrc == 0)
            continue;
        arc_rxstats_report(&st->stats, &r);
        b = &blocks[n++];
        memset(b, 0, sizeof(*b));
        b->ssrc            = st->ssrc;
        b->fraction_lost   = r.fraction_lost;
        b->cumulative_lost = r.cumulative_lost;
        b->highest_seq     = r.highest_seq;
        b->jitter_ticks    = r.jitter_ticks;
        if (st->sr_arrival_us) {
            b->lsr  = (uint32_t)(st->sr_ntp64 >> 16); /* RFC 3550 §4 */
            b->dlsr = arc_rtt_kept32(now_us - st->sr_arrival_us);
        }
        arc_atomic_store_relaxed(&st->loss_permille,
                                 r.fraction_lost * 1000 / 256);
        arc_atomic_store_relaxed(&st->jitter_us, (int64_t)r.jitter_ticks *
                                 ARC_US_PER_S / st->clock_hz);
        arc_peer_publish_burst(st, now_us);
    }
    return n;
}

static void write_sr(const struct arc_session *s,
                     const struct arc_sendstream *st, struct arc_writer *w,
                     const struct arc_rtcp_report_block *blocks, size_t n,
                     int64_t now_us)
{
    struct arc_rtcp_sender_info info;
    struct arc_txstats_sr counts;

    memset(&info, 0, sizeof(info));
    /* The RTP timestamp of now, continued from the last packet's capture. */
    info.ntp64   = arc_peer_ntp(s, now_us);
    info.rtp_ts  = st->last_rtp_ts +
                   (uint32_t)arc_ticks_from_us(now_us - st->last_capture_us,
                                               st->clock_hz);
    arc_txstats_sr(&st->stats, &counts);
    info.packets = counts.packet_count - st->sr_zero.packet_count;
    info.bytes   = counts.octet_count - st->sr_zero.octet_count;
    arc_rtcp_write_sr(w, st->cfg.ssrc, &info, blocks, n);
}

/** Bytes that must stay free for the end of the packet. */
static size_t bye_room(const struct arc_session *s)
{
    size_t n = (size_t)s->n_farewells;

    if (s->leaving)
        n += ARC_SESSION_MAX_STREAMS;
    return n > 0 ? BYE_BYTES + 4 * n : 0;
}

/** SR of an SSRC of ours that sends, else RR. */
static void write_report(const struct arc_session *s, struct arc_writer *w,
                         int32_t who,
                         const struct arc_rtcp_report_block *blocks, size_t n,
                         int64_t now_us)
{
    if (who < s->n_send && s->send[who]->sent_any)
        write_sr(s, s->send[who], w, blocks, n, now_us);
    else
        arc_rtcp_write_rr(w, arc_peer_ssrc_of(s, who), blocks, n);
}

/** Round trips of those that send nothing (RFC 3611): ours is asked for, others'
 *  are answered. */
static void write_xr(struct arc_session *s, struct arc_writer *w,
                     bool sends, int64_t now_us)
{
    struct arc_xr_dlrr items[ARC_RTT_REFERENCES];
    size_t n = 0, most;

    if (!sends)
        arc_rtcp_write_xr_rrtr(w, own_ssrc(s), arc_peer_ntp(s, now_us));
    most = (arc_writer_left(w) - bye_room(s) - XR_BYTES - DLRR_BYTES) /
           DLRR_ITEM_BYTES;
    for (int32_t i = 0; i < s->references.n && n < most; i++)
        n += arc_rttref_answer(&s->references, i, now_us, &items[n].ssrc,
                               &items[n].lrr, &items[n].dlrr);
    arc_rtcp_write_xr_dlrr(w, own_ssrc(s), items, n);
}

/**
 * Reports of those of our SSRCs that are due and of those that find room (RFC
 * 8108 §5.3.2). The first one reports on what we receive, for all of them.
 *
 * @return how many of `due->who` are in
 */
static int32_t write_reports(struct arc_session *s, struct arc_writer *w,
                             const struct arc_ssrcgroup_due *due,
                             int64_t now_us)
{
    struct arc_rtcp_report_block blocks[ARC_SESSION_MAX_STREAMS];
    const size_t name = arc_rtcp_cname_bytes(s->cfg.cname);
    const size_t tail = XR_BYTES + RRTR_BYTES + XR_BYTES + DLRR_BYTES +
                        DLRR_ITEM_BYTES + bye_room(s);
    const size_t most = (arc_writer_left(w) - SR_BYTES - name - tail) /
                        BLOCK_BYTES;
    size_t n_blocks = report_blocks(s, blocks, most, now_us);
    int32_t n = 0;
    bool sends = false;

    for (; n < due->n; n++) {
        if (n > 0 &&
            arc_writer_left(w) < SR_BYTES + name * (size_t)(n + 1) + tail)
            break;
        write_report(s, w, due->who[n], blocks, n == 0 ? n_blocks : 0, now_us);
        sends |= due->who[n] < s->n_send && s->send[due->who[n]]->sent_any;
    }
    /* CNAME of every source that we are (RFC 3550 §6.5.1): it ties the streams
     * of one peer together, for lip-sync. */
    for (int32_t i = 0; i < n; i++)
        arc_rtcp_write_sdes_cname(w, arc_peer_ssrc_of(s, due->who[i]),
                                  s->cfg.cname);
    write_xr(s, w, sends, now_us);
    return n;
}

/** What a feedback packet must begin with (RFC 4585 §3.1), if anything. */
static void begin_feedback(struct arc_session *s, struct arc_writer *w,
                           bool *begun)
{
    if (*begun)
        return;
    *begun = true;
    if (s->cfg.reduced_size)
        return; /* RFC 5506: feedback alone */
    arc_rtcp_write_rr(w, own_ssrc(s), NULL, 0);
    arc_rtcp_write_sdes_cname(w, own_ssrc(s), s->cfg.cname);
}

/** Bytes left for feedback, when what it begins with is in. */
static size_t feedback_room(const struct arc_session *s,
                            const struct arc_writer *w, bool begun)
{
    size_t used = begun || s->cfg.reduced_size
                      ? 0 : RR_BYTES + arc_rtcp_cname_bytes(s->cfg.cname);

    used += bye_room(s);
    return arc_writer_left(w) > used ? arc_writer_left(w) - used : 0;
}

static void write_nacks(struct arc_session *s, struct arc_writer *w,
                        bool *begun, int64_t now_us)
{
    for (int32_t i = 0; i < s->n_recv; i++) {
        struct arc_recvstream *st = s->recv[i];
        uint64_t seqs[NACKS_AT_ONCE];
        uint16_t seqs16[NACKS_AT_ONCE];
        size_t n = 0, room = feedback_room(s, w, *begun);

        if (!st->nack || st->ssrc == 0 || arc_nackgen_next_us(st->nack) > now_us)
            continue;
        if (room < FEEDBACK_BYTES + NACK_BYTES)
            return; /* the rest goes with the next packet */
        room = (room - FEEDBACK_BYTES) / NACK_BYTES;
        arc_nackgen_set_playout(st->nack,
                                arc_atomic_load_relaxed(&st->playout_zero_us));
        if (arc_nackgen_poll(st->nack,
                             arc_max_i64(arc_atomic_load_relaxed(&s->rtt_us), 0),
                             now_us, seqs,
                             room < NACKS_AT_ONCE ? room : NACKS_AT_ONCE,
                             &n) != ARC_OK)
            continue;
        for (size_t k = 0; k < n; k++)
            seqs16[k] = (uint16_t)((int64_t)seqs[k] - st->seq_shift);
        if ((int64_t)seqs[n - 1] > st->asked_up_to) {
            st->asked_up_to = st->probe_seq = (int64_t)seqs[n - 1];
            st->probe_us    = now_us;
        }
        begin_feedback(s, w, begun);
        arc_rtcp_write_nack(w, own_ssrc(s), st->ssrc, seqs16, n);
        s->stats.nack_sent++;
    }
}

static int64_t pli_due_us(const struct arc_session *s,
                          const struct arc_recvstream *st)
{
    int64_t rtt_us = arc_atomic_load_relaxed(&s->rtt_us);

    if (st->ssrc == 0 || !arc_atomic_load_relaxed(&st->key_wanted))
        return ARC_NEVER_US;
    return st->last_pli_us + arc_max_i64(rtt_us, PLI_RETRY_US);
}

static void write_plis(struct arc_session *s, struct arc_writer *w,
                       bool *begun, int64_t now_us)
{
    for (int32_t i = 0; i < s->n_recv; i++) {
        struct arc_recvstream *st = s->recv[i];

        if (pli_due_us(s, st) > now_us)
            continue;
        if (feedback_room(s, w, *begun) < FEEDBACK_BYTES)
            return;
        /* The media side asks again for as long as it needs one. */
        arc_atomic_store_relaxed(&st->key_wanted, 0);
        st->last_pli_us = now_us;
        begin_feedback(s, w, begun);
        arc_rtcp_write_pli(w, own_ssrc(s), st->ssrc);
        st->keys_asked++;
        s->stats.pli_sent++;
    }
}

/** BYE of SSRCs that we give up, behind whatever report the packet begins with
 *  (RFC 3550 §8.2). */
static void write_farewells(struct arc_session *s, struct arc_writer *w,
                            bool begun)
{
    if (s->n_farewells == 0)
        return;
    if (!begun) {
        arc_rtcp_write_rr(w, own_ssrc(s), NULL, 0);
        arc_rtcp_write_sdes_cname(w, own_ssrc(s), s->cfg.cname);
    }
    arc_rtcp_write_bye(w, s->farewells, (size_t)s->n_farewells, NULL);
    s->n_farewells = 0;
}

static void write_bye(struct arc_session *s, struct arc_writer *w)
{
    uint32_t ssrcs[ARC_SESSION_MAX_STREAMS + 1];
    size_t n = 0;

    for (int32_t i = 0; i < s->n_send; i++)
        ssrcs[n++] = s->send[i]->cfg.ssrc;
    if (n == 0)
        ssrcs[n++] = s->rtcp_ssrc;
    arc_rtcp_write_bye(w, ssrcs, n, NULL);
    s->bye_sent = true;
}

/* --- turns -------------------------------------------------------------------------- */

/** When there is something to ask for. */
static int64_t wish_us(const struct arc_session *s)
{
    int64_t next = ARC_NEVER_US;

    for (int32_t i = 0; i < s->n_recv; i++) {
        const struct arc_recvstream *st = s->recv[i];

        if (st->nack && st->ssrc)
            next = arc_min_i64(next, arc_nackgen_next_us(st->nack));
        next = arc_min_i64(next, pli_due_us(s, st));
    }
    return next;
}

/** Give what is to be asked for its turn (RFC 4585 §3.5.2). */
static void plan_feedback(struct arc_session *s, int64_t now_us)
{
    if (s->feedback_planned || s->leaving || now_us < s->feedback_hold_us ||
        wish_us(s) > now_us)
        return;
    if (arc_ssrcgroup_request(&s->rtcp, now_us) != ARC_FEEDBACK_REFUSED)
        s->feedback_planned = true;
    else
        s->feedback_hold_us = now_us + PLI_RETRY_US;
}

/** Ask for a turn for the BYE; false: nothing was ever said, nor is now. */
static bool may_leave(struct arc_session *s, int64_t now_us)
{
    int32_t bytes = (int32_t)(RR_BYTES + arc_rtcp_cname_bytes(s->cfg.cname) +
                              BYE_BYTES + 4 * ARC_SESSION_MAX_STREAMS);

    if (!s->leaving)
        s->bye_sent = !arc_ssrcgroup_leave(&s->rtcp, bytes, now_us);
    s->leaving = true;
    return !s->bye_sent;
}

/** Feedback into the packet that is due. */
static void write_feedback(struct arc_session *s, struct arc_writer *w,
                           bool begun, int64_t now_us)
{
    write_nacks(s, w, &begun, now_us);
    write_plis(s, w, &begun, now_us);
    s->feedback_planned = false;
}

/** The RTCP packet that is due now, sealed; NULL: none. */
struct arc_pkt *arc_peer_feedback(struct arc_session *s, int64_t now_us)
{
    uint8_t data[ARC_PEER_RTCP_BYTES];
    struct arc_ssrcgroup_due due;
    struct arc_writer w;
    int32_t n = 1;

    arc_peer_look_after(s, now_us);
    if (s->bye_sent || (s->bye_queued && !may_leave(s, now_us)) ||
        now_us < arc_peer_feedback_next_us(s))
        return NULL;
    arc_writer_init(&w, data, rtcp_room(s));
    plan_feedback(s, now_us);
    arc_ssrcgroup_expire(&s->rtcp, now_us, &due);
    if (due.kind == ARC_RTCP_DUE_REGULAR || due.kind == ARC_RTCP_DUE_BYE)
        n = write_reports(s, &w, &due, now_us);
    if (due.n > 0 && due.kind != ARC_RTCP_DUE_BYE)
        write_feedback(s, &w, w.pos > 0, now_us);
    if (due.kind == ARC_RTCP_DUE_REGULAR)
        arc_peer_write_xr_reports(s, &w, bye_room(s), now_us);
    write_farewells(s, &w, w.pos > 0);
    if (due.kind == ARC_RTCP_DUE_BYE)
        write_bye(s, &w);
    if (due.n > 0)
        arc_ssrcgroup_on_sent(&s->rtcp, &due, n, (int32_t)w.pos, now_us);
    return w.pos ? arc_peer_seal_rtcp(s, data, w.pos, now_us) : NULL;
}

int64_t arc_peer_feedback_next_us(const struct arc_session *s)
{
    int64_t next = arc_ssrcgroup_next_us(&s->rtcp);

    if (s->bye_sent)
        return ARC_NEVER_US;
    if (s->n_farewells > 0 || (s->bye_queued && !s->leaving) ||
        (!s->rtcp.joined[0] && !s->leaving && arc_peer_has_spoken(s)))
        return 0;
    if (!s->feedback_planned && !s->leaving)
        next = arc_min_i64(next, arc_max_i64(wish_us(s), s->feedback_hold_us));
    return next;
}
