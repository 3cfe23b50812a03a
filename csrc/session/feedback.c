/**
 * @file session/feedback.c  RTCP: what the peer says, and what we say to it
 *
 * In:  SRTCP > compound > SR, RR > statistics, round-trip time | NACK >
 *      history | PLI, FIR > encoder | BYE
 * Out: SR or RR, SDES, and when there is something to ask for NACK and PLI.
 */
#include <string.h>

#include "base/atomic.h"
#include "base/bytes.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "session/peer.h"
#include "srtp/srtcp.h"
#include "wire/rtcp.h"
#include "wire/rtcpfb.h"
#include "wire/rtcppsfb.h"

enum {
    MIN_REPORT_US  = 250000,  /* between regular reports; RFC 3550 §6.2 allows
                                 360/kbps seconds, which is less from 1.44 Mb/s */
    MAX_REPORT_US  = 1000000, /* RTT and loss must not be older than this     */
    PLI_RETRY_US   = 100000,  /* at least; a round trip if that is longer     */
    MIN_KEY_US     = 200000,  /* key frames on request are this far apart     */
    SPEAK_DELAY_US = 20000,   /* first report after the first packet          */
    NACKS_AT_ONCE  = 64,      /* numbers of one stream in one packet          */
    /* Bytes on the wire, RFC 3550 §6.4 and §6.5, RFC 4585 §6.1 */
    RR_BYTES       = 8,
    SR_BYTES       = 28,
    BLOCK_BYTES    = 24,
    BYE_BYTES      = 4,       /* and four a source                            */
    FEEDBACK_BYTES = 12,      /* PLI; NACK before its entries                 */
    NACK_BYTES     = 4,
};

/* --- time -------------------------------------------------------------------------- */

/** NTP time, 32.32, of the caller's clock. */
uint64_t arc_peer_ntp(const struct arc_session *s, int64_t now_us)
{
    uint64_t seconds  = (uint64_t)(now_us / ARC_US_PER_S);
    uint64_t fraction = ((uint64_t)(now_us % ARC_US_PER_S) << 32) /
                        (uint64_t)ARC_US_PER_S;

    return s->cfg.ntp_at_zero + (seconds << 32) + fraction;
}

static uint32_t middle32(uint64_t ntp64)
{
    return (uint32_t)(ntp64 >> 16);
}

static int64_t ntp_to_us(uint64_t ntp64)
{
    return (int64_t)((ntp64 >> 32) * (uint64_t)ARC_US_PER_S +
                     (((ntp64 & 0xffffffffu) * (uint64_t)ARC_US_PER_S) >> 32));
}

/** Between regular reports: RFC 3550 §6.2's reduced minimum, kept in bounds,
 *  spread by 0.5 to 1.5 so that many sessions do not speak at once. */
static void schedule_report(struct arc_session *s, int64_t now_us)
{
    int64_t sum_bps = 0, interval;

    for (int32_t i = 0; i < s->n_send; i++)
        sum_bps += arc_atomic_load_relaxed(&s->send[i]->target_bps);
    interval = sum_bps > 0 ? 360 * 1000 * ARC_US_PER_S / sum_bps
                           : MAX_REPORT_US;
    interval = arc_clamp_i64(interval, MIN_REPORT_US, MAX_REPORT_US);
    s->rtcp_due_us = now_us +
        (int64_t)((double)interval * (0.5 + arc_rng_unit(&s->rng)));
}

/* --- in -------------------------------------------------------------------------------- */

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
    uint32_t now32 = middle32(arc_peer_ntp(s, now_us));
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

/* --- out ------------------------------------------------------------------------------- */

static uint32_t own_ssrc(const struct arc_session *s)
{
    return s->n_send > 0 ? s->send[0]->cfg.ssrc : s->rtcp_ssrc;
}

/* A datagram must not be longer than mtu_bytes, RTCP included: what does not
 * fit comes first the next time. */

static size_t left(const struct arc_writer *w)
{
    return w->fail ? 0 : w->cap - w->pos;
}

static size_t sdes_bytes(const struct arc_session *s)
{
    return 8 + ((2 + strlen(s->cfg.cname) + 1 + 3) & ~(size_t)3);
}

static size_t rtcp_room(const struct arc_session *s)
{
    size_t room = (size_t)s->cfg.mtu_bytes;

    if (s->srtp_out)
        room -= ARC_SRTP_TRAILER_MAX_BYTES;
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
            b->lsr  = middle32((uint64_t)st->sr_ntp64);
            b->dlsr = (uint32_t)((now_us - st->sr_arrival_us) * 65536 /
                                 ARC_US_PER_S);
        }
        arc_atomic_store_relaxed(&st->loss_permille,
                                 r.fraction_lost * 1000 / 256);
        arc_atomic_store_relaxed(&st->jitter_us, (int64_t)r.jitter_ticks *
                                 ARC_US_PER_S / st->clock_hz);
    }
    return n;
}

static void write_sr(const struct arc_session *s,
                     const struct arc_sendstream *st, struct arc_writer *w,
                     const struct arc_rtcp_report_block *blocks, size_t n,
                     int64_t now_us)
{
    const int32_t hz = st->cfg.kind == ARC_MEDIA_AUDIO ? 48000 : 90000;
    struct arc_rtcp_sender_info info;
    struct arc_txstats_sr counts;

    memset(&info, 0, sizeof(info));
    /* The RTP timestamp of now, continued from the last packet's capture. */
    info.ntp64   = arc_peer_ntp(s, now_us);
    info.rtp_ts  = st->last_rtp_ts +
                   (uint32_t)arc_ticks_from_us(now_us - st->last_capture_us, hz);
    arc_txstats_sr(&st->stats, &counts);
    info.packets = counts.packet_count;
    info.bytes   = counts.octet_count;
    arc_rtcp_write_sr(w, st->cfg.ssrc, &info, blocks, n);
}

/** CNAME of every source that we are (RFC 3550 §6.5.1), as far as there is room
 *  before the last `keep` bytes: it ties the streams of one peer together, for
 *  lip-sync. */
static void write_names(const struct arc_session *s, struct arc_writer *w,
                        size_t keep)
{
    arc_rtcp_write_sdes_cname(w, own_ssrc(s), s->cfg.cname);
    for (int32_t i = 1; i < s->n_send; i++)
        if (s->send[i]->sent_any && left(w) >= sdes_bytes(s) + keep)
            arc_rtcp_write_sdes_cname(w, s->send[i]->cfg.ssrc, s->cfg.cname);
}

/** SR of each stream that sends (the blocks go with the first), or RR. */
static void write_reports(struct arc_session *s, struct arc_writer *w,
                          int64_t now_us)
{
    struct arc_rtcp_report_block blocks[ARC_SESSION_MAX_STREAMS];
    const size_t bye = s->bye_queued ? BYE_BYTES + 4 * ARC_SESSION_MAX_STREAMS
                                     : 0;
    const size_t tail = sdes_bytes(s) + bye;
    const size_t most = (left(w) - tail - SR_BYTES) / BLOCK_BYTES;
    size_t n = report_blocks(s, blocks, most, now_us);
    const int32_t first = s->next_report;
    bool written = false;

    for (int32_t i = 0; i < s->n_send; i++) {
        const struct arc_sendstream *st = s->send[(first + i) % s->n_send];
        size_t n_blocks = written ? 0 : n;

        if (!st->sent_any)
            continue;
        if (left(w) < SR_BYTES + BLOCK_BYTES * n_blocks + tail)
            break;
        write_sr(s, st, w, blocks, n_blocks, now_us);
        s->next_report = (st->index + 1) % s->n_send;
        written = true;
    }
    if (!written)
        arc_rtcp_write_rr(w, own_ssrc(s), blocks, n);
    write_names(s, w, bye);
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
    size_t used = begun || s->cfg.reduced_size ? 0 : RR_BYTES + sdes_bytes(s);

    if (s->bye_queued)
        used += BYE_BYTES + 4 * ARC_SESSION_MAX_STREAMS;
    return left(w) > used ? left(w) - used : 0;
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
        s->stats.pli_sent++;
    }
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

static bool has_spoken(const struct arc_session *s)
{
    for (int32_t i = 0; i < s->n_send; i++)
        if (s->send[i]->sent_any)
            return true;
    for (int32_t i = 0; i < s->n_recv; i++)
        if (s->recv[i]->ssrc)
            return true;
    return false;
}

/** The RTCP packet that is due now, sealed; NULL: none. */
struct arc_pkt *arc_peer_feedback(struct arc_session *s, int64_t now_us)
{
    uint8_t data[ARC_PEER_RTCP_BYTES];
    bool begun = false;
    struct arc_writer w;

    if (s->bye_sent || now_us < arc_peer_feedback_next_us(s))
        return NULL;
    arc_writer_init(&w, data, rtcp_room(s));
    if (s->rtcp_due_us == 0 && has_spoken(s))
        s->rtcp_due_us = now_us + SPEAK_DELAY_US;

    if (s->bye_queued || (s->rtcp_due_us && now_us >= s->rtcp_due_us)) {
        write_reports(s, &w, now_us);
        schedule_report(s, now_us);
        begun = true;
    }
    write_nacks(s, &w, &begun, now_us);
    write_plis(s, &w, &begun, now_us);
    if (s->bye_queued)
        write_bye(s, &w);
    return w.pos ? arc_peer_seal_rtcp(s, data, w.pos, now_us) : NULL;
}

int64_t arc_peer_feedback_next_us(const struct arc_session *s)
{
    int64_t next = s->rtcp_due_us;

    if (s->bye_sent)
        return ARC_NEVER_US;
    if (s->bye_queued)
        return 0;
    if (next == 0)
        next = has_spoken(s) ? 0 : ARC_NEVER_US;
    for (int32_t i = 0; i < s->n_recv; i++) {
        const struct arc_recvstream *st = s->recv[i];

        if (st->nack && st->ssrc)
            next = arc_min_i64(next, arc_nackgen_next_us(st->nack));
        next = arc_min_i64(next, pli_due_us(s, st));
    }
    return next;
}
