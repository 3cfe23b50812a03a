/**
 * @file session/feedback_in.c  RTCP: what the peer says
 *
 * SRTCP > compound > SSRC watch > members > SR, RR, XR > statistics, round-trip
 * time; reports_xr | NACK > history | PLI, FIR > encoder | BYE
 */
#include "base/atomic.h"
#include "base/bytes.h"
#include "base/ntp.h"
#include "rx/ticks.h"
#include "session/peer.h"
#include "wire/rtcp.h"
#include "wire/rtcpfb.h"
#include "wire/rtcppsfb.h"
#include "wire/rtcpxr.h"

enum {
    MIN_KEY_US = 200000, /* key frames on request are this far apart           */
    MAX_DLRR   = 124,    /* receivers in one answer of the longest datagram    */
};

struct arc_sendstream *arc_peer_sent_by(struct arc_session *s, uint32_t ssrc)
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

static void publish_rtt(struct arc_session *s, int64_t now_us)
{
    arc_atomic_store_relaxed(&s->rtt_us, s->rtt.smoothed_us);
    arc_peer_event(s, ARC_EVENT_RTT, -1, s->rtt.smoothed_us, now_us);
}

static void note_rtt(struct arc_session *s, uint32_t sent32, uint32_t kept32,
                     int64_t now_us)
{
    if (arc_rtt_on_report(&s->rtt, arc_peer_ntp(s, now_us), sent32, kept32,
                          now_us) != ARC_OK)
        return;
    s->rtt_by_reports = true;
    publish_rtt(s, now_us);
}

/** A repair came. Who sends nothing and whose peer does not speak XR gets no
 *  reports to measure by; it takes the time that its first request for a packet
 *  took to be answered. */
void arc_peer_on_repair(struct arc_session *s, struct arc_recvstream *st,
                        int64_t seq, int64_t now_us)
{
    if (seq != st->probe_seq || s->rtt_by_reports)
        return;
    st->probe_seq = -1;
    if (arc_rtt_on_sample(&s->rtt, now_us - st->probe_us, now_us) == ARC_OK)
        publish_rtt(s, now_us);
}

static void on_report(struct arc_session *s,
                      const struct arc_rtcp_report_block *blocks, size_t n,
                      int64_t now_us)
{
    for (size_t i = 0; i < n; i++) {
        struct arc_sendstream *st = arc_peer_sent_by(s, blocks[i].ssrc);
        double loss;

        if (!st)
            continue;
        note_rtt(s, blocks[i].lsr, blocks[i].dlsr, now_us);
        loss = blocks[i].fraction_lost / 256.0;
        /* In-band FEC should not come and go with every report. */
        st->remote_loss += ((loss > st->remote_loss ? 0.5 : 0.1) *
                            (loss - st->remote_loss));
        st->remote_last_loss    = loss;
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
    ntp_us = arc_ntp_to_us(info->ntp64) -
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
    st = arc_peer_sent_by(s, media);
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
        struct arc_sendstream *st = arc_peer_sent_by(s, ssrcs[i]);

        if (!st || (st->fir_seen && st->last_fir == seq_nrs[i]))
            continue; /* repeated command, RFC 5104 §4.3.1.1 */
        if (!give_key(s, st, now_us))
            continue; /* too soon: its repetition is honoured */
        st->fir_seen = true;
        st->last_fir = seq_nrs[i];
        st->key_requests++;
        s->stats.pli_received++;
    }
}

/** Another receiver has asked for the key frame that we need (RFC 4585 §3.5.2
 *  step 5a). */
static void on_others_pli(struct arc_session *s, struct arc_recvstream *st,
                          int64_t now_us)
{
    if (!st || !arc_atomic_load_relaxed(&st->key_wanted))
        return;
    arc_atomic_store_relaxed(&st->key_wanted, 0);
    st->last_pli_us = now_us;
    s->feedback_planned = false; /* planned anew if there is more to say */
    arc_ssrcgroup_withdraw(&s->rtcp);
}

static void on_payload_feedback(struct arc_session *s,
                                const struct arc_rtcp_packet *p, int64_t now_us)
{
    struct arc_sendstream *st;
    uint32_t sender, media;

    if (p->count == ARC_PSFB_PLI &&
        arc_rtcp_parse_pli(p, &sender, &media) == ARC_OK) {
        on_others_pli(s, received_as(s, media), now_us);
        s->stats.pli_received++;
        st = arc_peer_sent_by(s, media);
        if (st)
            st->key_requests++;
        give_key(s, st, now_us);
    } else if (p->count == ARC_PSFB_FIR) {
        on_fir(s, p, now_us);
    }
}

static void on_delays(struct arc_session *s, const struct arc_xr_block *b,
                      int64_t now_us)
{
    struct arc_xr_dlrr items[MAX_DLRR];
    size_t n = 0;

    if (arc_xr_parse_dlrr(b, items, MAX_DLRR, &n) != ARC_OK) {
        s->stats.drops.malformed++;
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (arc_peer_owns_ssrc(s, items[i].ssrc))
            note_rtt(s, items[i].lrr, items[i].dlrr, now_us);
}

/** Round trips of those that send nothing (RFC 3611 §4.4, §4.5). */
static void on_extended(struct arc_session *s, const struct arc_rtcp_packet *p,
                        int64_t now_us)
{
    struct arc_xr_iter it;
    struct arc_xr_block b;
    enum arc_status status = arc_xr_iter_init(&it, p);
    uint64_t ntp64;

    while (status == ARC_OK && (status = arc_xr_next(&it, &b)) == ARC_OK) {
        if (b.type == ARC_XR_RRTR &&
            arc_xr_parse_rrtr(&b, &ntp64) == ARC_OK)
            arc_rttref_on_reference(&s->references, it.ssrc, ntp64, now_us);
        else if (b.type == ARC_XR_DLRR)
            on_delays(s, &b, now_us);
        else
            arc_peer_on_xr_report(s, &b);
    }
    if (status != ARC_AGAIN)
        s->stats.drops.malformed++;
}

/** @return sources that leave */
static int32_t on_bye(struct arc_session *s, const struct arc_rtcp_packet *p,
                      uint64_t addr, int64_t now_us)
{
    uint32_t ssrcs[ARC_RTCP_MAX_COUNT];
    const uint8_t *reason;
    size_t n = 0, reason_len;

    if (arc_rtcp_parse_bye(p, ssrcs, ARC_RTCP_MAX_COUNT, &n, &reason,
                           &reason_len) != ARC_OK) {
        s->stats.drops.malformed++;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct arc_recvstream *st = received_as(s, ssrcs[i]);

        /* RFC 3550 §8.2: only from where the source is */
        if (!arc_ssrcwatch_on_bye(s->watch, ssrcs[i], addr) &&
            arc_ssrcwatch_knows(s->watch, ssrcs[i])) {
            s->stats.drops.other_way++;
            continue;
        }
        arc_members_on_bye(s->members, ssrcs[i], now_us);
        arc_rttref_forget(&s->references, ssrcs[i]);
        s->look_us = now_us; /* fewer members: turns come sooner (§6.3.4) */
        if (!st)
            continue;
        st->ended = true;
        arc_peer_event(s, ARC_EVENT_STREAM_ENDED, st->index, ssrcs[i], now_us);
    }
    return (int32_t)n;
}

/* --- sources ------------------------------------------------------------------------ */

static uint64_t hash_name(const struct arc_rtcp_sdes_item *item)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (int i = 0; i < item->value_len; i++) /* FNV-1a */
        hash = (hash ^ item->value[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void on_names(struct arc_session *s, const struct arc_rtcp_packet *p,
                     uint64_t addr, int64_t now_us)
{
    struct arc_rtcp_sdes_iter it;
    struct arc_rtcp_sdes_item item;

    if (arc_rtcp_sdes_iter_init(&it, p) != ARC_OK)
        return;
    while (arc_rtcp_sdes_next(&it, &item) == ARC_OK)
        if (item.type == ARC_SDES_CNAME &&
            arc_peer_admit(s, item.ssrc, ARC_SSRC_CNAME, addr,
                           hash_name(&item), now_us))
            arc_members_on_cname(s->members, item.ssrc, hash_name(&item),
                                 now_us);
}

/** Who says it; false: a packet that has no such field, or is too short. */
static bool said_by(const struct arc_rtcp_packet *p, uint32_t *ssrc)
{
    struct arc_reader r;

    if (p->type == ARC_RTCP_SDES || p->type == ARC_RTCP_BYE)
        return false; /* they name their sources one by one */
    arc_reader_init(&r, p->body, p->body_len);
    *ssrc = arc_reader_u32(&r);
    return !r.fail;
}

/** Whether what this source says counts (RFC 3550 §8.2, §6.3.3). */
static bool admit(struct arc_session *s, const struct arc_rtcp_packet *p,
                  uint64_t addr, int64_t now_us)
{
    uint32_t ssrc;

    if (!said_by(p, &ssrc))
        return true;
    if (!arc_peer_admit(s, ssrc, ARC_SSRC_RTCP, addr, 0, now_us))
        return false;
    arc_members_on_rtcp(s->members, ssrc, now_us);
    return true;
}

/* --- packets -------------------------------------------------------------------------- */

static void on_packet(struct arc_session *s, const struct arc_rtcp_packet *p,
                      uint64_t addr, int64_t now_us)
{
    struct arc_rtcp_report_block blocks[ARC_RTCP_MAX_COUNT];
    struct arc_rtcp_sender_info info;
    uint32_t ssrc;
    size_t n = 0;

    switch (p->type) {
    case ARC_RTCP_SR:
        if (arc_rtcp_parse_sr(p, &ssrc, &info, blocks, ARC_RTCP_MAX_COUNT,
                              &n) == ARC_OK) {
            on_sender_report(s, ssrc, &info, now_us);
            on_report(s, blocks, n, now_us);
        }
        break;
    case ARC_RTCP_RR:
        if (arc_rtcp_parse_rr(p, &ssrc, blocks, ARC_RTCP_MAX_COUNT, &n) ==
            ARC_OK)
            on_report(s, blocks, n, now_us);
        break;
    case ARC_RTCP_SDES:
        on_names(s, p, addr, now_us);
        break;
    case ARC_RTCP_RTPFB:
        if (p->count == ARC_RTPFB_NACK && s->cfg.nack)
            on_nack(s, p, now_us);
        break;
    case ARC_RTCP_PSFB:
        on_payload_feedback(s, p, now_us);
        break;
    case ARC_RTCP_XR:
        on_extended(s, p, now_us);
        break;
    default:
        break; /* APP: nothing in it that we act on */
    }
}

bool arc_peer_on_rtcp(struct arc_session *s, const uint8_t *data, size_t len,
                      uint64_t addr, int64_t now_us)
{
    int32_t reporters = 0, byes = 0;
    struct arc_rtcp_packet p;
    struct arc_reader r;

    if (arc_rtcp_check_compound(data, len, true) != ARC_OK) {
        s->stats.drops.malformed++;
        return false;
    }
    s->stats.rtcp_received++;
    arc_reader_init(&r, data, len);
    while (arc_rtcp_next(&r, &p) == ARC_OK) {
        reporters += p.type == ARC_RTCP_SR || p.type == ARC_RTCP_RR;
        if (p.type == ARC_RTCP_BYE)
            byes += on_bye(s, &p, addr, now_us);
        else if (admit(s, &p, addr, now_us))
            on_packet(s, &p, addr, now_us);
    }
    arc_ssrcgroup_on_received(&s->rtcp, (int32_t)len, reporters, byes);
    return true;
}
