/**
 * @file session/feedback_in.c  RTCP: what the peer says
 *
 * SRTCP > compound > SR, RR > statistics, round-trip time | NACK > history |
 * PLI, FIR > encoder | BYE
 */
#include "base/atomic.h"
#include "base/bytes.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "session/peer.h"
#include "wire/rtcp.h"
#include "wire/rtcpfb.h"

enum { MIN_KEY_US = 200000 }; /* key frames on request are this far apart */

static int64_t ntp_to_us(uint64_t ntp64)
{
    return (int64_t)((ntp64 >> 32) * (uint64_t)ARC_US_PER_S +
                     (((ntp64 & 0xffffffffu) * (uint64_t)ARC_US_PER_S) >> 32));
}

static struct arc_sendstream *sent_by(struct arc_session *s, uint32_t ssrc)
{
    for (int32_t i = 0; i < s->n_send; i++)
        if (s->send[i]->cfg.ssrc == ssrc)
            return s->send[i];
    return NULL;
}

static struct arc_recvstream *received_as(struct arc_session *s, uint32_t ssrc)
{
    for (int32_t i = 0; i < s->n_recv; i++)
        if (s->recv[i]->ssrc == ssrc && ssrc != 0)
            return s->recv[i];
    return NULL;
}

static void smooth_rtt(struct arc_session *s, int64_t sample_us,
                       int64_t now_us)
{
    int64_t old = arc_atomic_load_relaxed(&s->rtt_us);

    sample_us = old < 0 ? sample_us : (7 * old + sample_us) / 8;
    arc_atomic_store_relaxed(&s->rtt_us, sample_us);
    arc_peer_event(s, ARC_EVENT_RTT, -1, sample_us, now_us);
}

static void note_rtt(struct arc_session *s,
                     const struct arc_rtcp_report_block *b, int64_t now_us)
{
    uint32_t now32 = arc_peer_middle32(arc_peer_ntp(s, now_us));
    int32_t rtt;

    if (b->lsr == 0)
        return;
    rtt = (int32_t)(now32 - b->lsr - b->dlsr); /* RFC 3550 §6.4.1, 1/65536 s */
    if (rtt < 0 || rtt > 60 * 65536)
        return; /* a wrong DLSR must not reach the estimate */
    s->rtt_by_reports = true;
    smooth_rtt(s, (int64_t)rtt * ARC_US_PER_S / 65536, now_us);
}

/** A repair came. Who sends nothing gets no reports to measure by (until it
 *  speaks XR, RFC 3611); it takes the time that its first request for a packet
 *  took to be answered. */
void arc_peer_on_repair(struct arc_session *s, struct arc_recvstream *st,
                        int64_t seq, int64_t now_us)
{
    if (seq != st->probe_seq || s->rtt_by_reports)
        return;
    smooth_rtt(s, now_us - st->probe_us, now_us);
    st->probe_seq = -1;
}

static void on_report(struct arc_session *s,
                      const struct arc_rtcp_report_block *blocks, size_t n,
                      int64_t now_us)
{
    for (size_t i = 0; i < n; i++) {
        struct arc_sendstream *st = sent_by(s, blocks[i].ssrc);
        double loss;

        if (!st)
            continue;
        note_rtt(s, &blocks[i], now_us);
        loss = blocks[i].fraction_lost / 256.0;
        /* In-band FEC should not come and go with every report. */
        st->remote_loss += ((loss > st->remote_loss ? 0.5 : 0.1) *
                            (loss - st->remote_loss));
        st->remote_lost         = blocks[i].cumulative_lost;
        st->remote_jitter_ticks = blocks[i].jitter_ticks;
        arc_atomic_store_relaxed(&st->loss_pct,
                                 (int32_t)(st->remote_loss * 100.0 + 0.5));
    }
}

static void on_sender_report(struct arc_session *s, uint32_t ssrc,
                             const struct arc_rtcp_sender_info *info,
                             int64_t now_us)
{
    struct arc_recvstream *st = received_as(s, ssrc);
    struct arc_unwrap ts;
    int64_t ntp_us;

    if (!st || !st->ts.started)
        return;
    st->sr_ntp64      = (int64_t)info->ntp64;
    st->sr_arrival_us = now_us;
    ts = st->ts; /* a copy: an SR must not move the packets' timeline */
    ntp_us = ntp_to_us(info->ntp64) -
             arc_ticks_to_us(arc_unwrap_ts32(&ts, info->rtp_ts) +
                             arc_atomic_load_relaxed(&st->ts_shift),
                             st->clock_hz);
    /* One number, so that the media side never sees half of a report. */
    arc_atomic_store_relaxed(&st->sync_zero_us, ntp_us);
}

static void on_nack(struct arc_session *s, const struct arc_rtcp_packet *p,
                    int64_t now_us)
{
    uint16_t seqs[ARC_PEER_MAX_NACKS];
    uint32_t sender, media;
    struct arc_sendstream *st;
    size_t n = 0;

    if (arc_rtcp_parse_nack(p, &sender, &media, seqs, ARC_PEER_MAX_NACKS,
                            &n) != ARC_OK) {
        s->stats.drops.malformed++;
        return;
    }
    s->stats.nack_received++;
    st = sent_by(s, media);
    for (size_t i = 0; st && i < n; i++)
        arc_peer_resend(s, st, seqs[i], now_us);
}

/** A key frame, but not more often than MIN_KEY_US: requests cost the peer
 *  little and us much. */
static bool give_key(struct arc_session *s, struct arc_sendstream *st,
                     int64_t now_us)
{
    if (!st || st->cfg.kind != ARC_MEDIA_VIDEO ||
        now_us - st->last_key_us < MIN_KEY_US)
        return false;
    st->last_key_us = now_us;
    arc_send_request_key(st);
    arc_peer_event(s, ARC_EVENT_KEY_FRAME_WANTED, st->index, 0, now_us);
    return true;
}

static void on_fir(struct arc_session *s, const struct arc_rtcp_packet *p,
                   int64_t now_us)
{
    uint32_t sender, ssrcs[ARC_SESSION_MAX_STREAMS];
    uint8_t seq_nrs[ARC_SESSION_MAX_STREAMS];
    size_t n = 0;

    if (arc_rtcp_parse_fir(p, &sender, ssrcs, seq_nrs, ARC_SESSION_MAX_STREAMS,
                           &n) != ARC_OK) {
        s->stats.drops.malformed++;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct arc_sendstream *st = sent_by(s, ssrcs[i]);

        if (!st || (st->fir_seen && st->last_fir == seq_nrs[i]))
            continue; /* repeated command, RFC 5104 §4.3.1.1 */
        if (!give_key(s, st, now_us))
            continue; /* too soon: its repetition is honoured */
        st->fir_seen = true;
        st->last_fir = seq_nrs[i];
        s->stats.pli_received++;
    }
}

static void on_payload_feedback(struct arc_session *s,
                                const struct arc_rtcp_packet *p, int64_t now_us)
{
    uint32_t sender, media;

    if (p->count == ARC_PSFB_PLI &&
        arc_rtcp_parse_pli(p, &sender, &media) == ARC_OK) {
        s->stats.pli_received++;
        give_key(s, sent_by(s, media), now_us);
    } else if (p->count == ARC_PSFB_FIR) {
        on_fir(s, p, now_us);
    }
}

static void on_bye(struct arc_session *s, const struct arc_rtcp_packet *p,
                   int64_t now_us)
{
    uint32_t ssrcs[31];
    const uint8_t *reason;
    size_t n = 0, reason_len;

    if (arc_rtcp_parse_bye(p, ssrcs, 31, &n, &reason, &reason_len) != ARC_OK) {
        s->stats.drops.malformed++;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct arc_recvstream *st = received_as(s, ssrcs[i]);

        if (!st)
            continue;
        st->ended = true;
        arc_peer_event(s, ARC_EVENT_STREAM_ENDED, st->index, ssrcs[i], now_us);
    }
}

static void on_packet(struct arc_session *s, const struct arc_rtcp_packet *p,
                      int64_t now_us)
{
    struct arc_rtcp_report_block blocks[31];
    struct arc_rtcp_sender_info info;
    uint32_t ssrc;
    size_t n = 0;

    switch (p->type) {
    case ARC_RTCP_SR:
        if (arc_rtcp_parse_sr(p, &ssrc, &info, blocks, 31, &n) == ARC_OK) {
            on_sender_report(s, ssrc, &info, now_us);
            on_report(s, blocks, n, now_us);
        }
        break;
    case ARC_RTCP_RR:
        if (arc_rtcp_parse_rr(p, &ssrc, blocks, 31, &n) == ARC_OK)
            on_report(s, blocks, n, now_us);
        break;
    case ARC_RTCP_BYE:
        on_bye(s, p, now_us);
        break;
    case ARC_RTCP_RTPFB:
        if (p->count == ARC_RTPFB_NACK && s->cfg.nack)
            on_nack(s, p, now_us);
        break;
    case ARC_RTCP_PSFB:
        on_payload_feedback(s, p, now_us);
        break;
    default:
        break; /* SDES, APP, XR: nothing in them that we act on */
    }
}

bool arc_peer_on_rtcp(struct arc_session *s, const uint8_t *data, size_t len,
                      int64_t now_us)
{
    struct arc_rtcp_packet p;
    struct arc_reader r;

    if (arc_rtcp_check_compound(data, len, true) != ARC_OK) {
        s->stats.drops.malformed++;
        return false;
    }
    s->stats.rtcp_received++;
    arc_reader_init(&r, data, len);
    while (arc_rtcp_next(&r, &p) == ARC_OK)
        on_packet(s, &p, now_us);
    return true;
}
