/**
 * @file session/reports_xr.c  Extended reports on losses and repair, both ways
 *
 * Which packets did not come (RFC 3611 §4.1), how many repair has left (RFC
 * 7509), bursts and delays of audio (RFC 3611 §4.7), sums (§4.6).
 */
#include <string.h>

#include "base/atomic.h"
#include "base/bytes.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "session/peer.h"
#include "wire/rtcpxr.h"
#include "wire/xrrle.h"
#include "wire/xrstats.h"

enum {
    GMIN_PKTS    = 16,   /* RFC 3611 §4.7.6                                    */
    MAX_U16      = 65535,
    BLOCKS_BYTES = 512,  /* of one stream: about 370 bytes of losses at worst  */
    XR_BYTES     = 8,    /* RTCP header and SSRC, RFC 3611 §2                  */
};

#define REPORT_FADE 0.75 /* weight of a report when the next one comes          */

/* --- out: what we have seen ------------------------------------------------------------ */

static uint16_t u16_of(double v)
{
    return (uint16_t)(v < 0 ? 0 : v > MAX_U16 ? MAX_U16 : v);
}

/** A fraction in 1/256, at most 255 (RFC 3611 §4.7.1). */
static uint8_t q8_of(double v)
{
    double scaled = v * 256.0;

    return (uint8_t)(scaled < 0 ? 0 : scaled > 255 ? 255 : scaled);
}

static void write_losses(const struct arc_recvstream *st, struct arc_writer *w,
                         const struct arc_losspattern_report *r)
{
    uint8_t bits[ARC_LOSSPATTERN_PKTS];
    struct arc_xr_range range = {0};

    for (int64_t seq = r->begin_seq; seq < r->end_seq; seq++)
        bits[seq - r->begin_seq] = arc_losspattern_came(&st->loss, seq);
    range.ssrc      = st->ssrc;
    range.begin_seq = (uint16_t)(r->begin_seq - st->seq_shift);
    range.end_seq   = (uint16_t)(r->end_seq - st->seq_shift);
    arc_xr_write_rle(w, ARC_XR_LOSS_RLE, &range, bits);
}

static void write_post_repair(const struct arc_recvstream *st,
                              struct arc_writer *w,
                              const struct arc_losspattern_report *r)
{
    struct arc_xr_post_repair c = {0};

    c.ssrc          = st->ssrc;
    c.begin_seq     = (uint16_t)(r->begin_seq - st->seq_shift);
    c.end_seq       = (uint16_t)(r->end_seq - st->seq_shift);
    c.lost_pkts     = r->lost_pkts;
    c.repaired_pkts = r->repaired_pkts;
    arc_xr_write_post_repair(w, &c);
}

static void write_summary(struct arc_recvstream *st, struct arc_writer *w,
                          const struct arc_losspattern_report *r)
{
    struct arc_xr_summary c = {0};

    c.ssrc           = st->ssrc;
    c.begin_seq      = (uint16_t)(r->begin_seq - st->seq_shift);
    c.end_seq        = (uint16_t)(r->end_seq - st->seq_shift);
    c.has_lost       = true;
    c.lost_pkts      = (uint32_t)r->lost_pkts + r->repaired_pkts;
    c.has_duplicates = true;
    c.duplicate_pkts = (uint32_t)(st->stats.duplicates - st->told_duplicates);
    st->told_duplicates = st->stats.duplicates;
    arc_xr_write_summary(w, &c);
}

/* A rating as one number: 8 bits each of R, both opinion scores, and whether it is one. */
enum { MOS_LQ_BIT = 8, MOS_CQ_BIT = 16, RATED_BIT = 24 };

enum arc_status arc_recv_set_rating(struct arc_recvstream *st, int32_t r_factor,
                                    int32_t mos_listening, int32_t mos_talking)
{
    if (r_factor < 0 || r_factor > 100 || mos_listening < 10 ||
        mos_listening > 50 || mos_talking < 10 || mos_talking > 50)
        return ARC_ERR_ARG;
    arc_atomic_store_relaxed(&st->rating, r_factor | mos_listening << MOS_LQ_BIT |
                                              mos_talking << MOS_CQ_BIT |
                                              1 << RATED_BIT);
    return ARC_OK;
}

static void fill_rating(const struct arc_recvstream *st, struct arc_xr_voip *m)
{
    const int32_t rating = arc_atomic_load_relaxed(&st->rating);

    m->ext_r_factor = ARC_XR_VOIP_UNKNOWN;
    m->r_factor = m->mos_lq = m->mos_cq = ARC_XR_VOIP_UNKNOWN;
    if (rating == 0)
        return;
    m->r_factor = (uint8_t)(rating & 0xff);
    m->mos_lq   = (uint8_t)(rating >> MOS_LQ_BIT & 0xff);
    m->mos_cq   = (uint8_t)(rating >> MOS_CQ_BIT & 0xff);
}

static void write_voip(struct arc_recvstream *st, struct arc_writer *w,
                       int64_t now_us)
{
    const double pkt_ms = (double)st->pkt_ticks * 1000.0 / st->clock_hz;
    const double judged = st->loss.judged > 0 ? (double)st->loss.judged : 1.0;
    const int64_t rtt_us = arc_atomic_load_relaxed(&st->session->rtt_us);
    const int32_t target_ms = arc_atomic_load_relaxed(&st->target_ms);
    struct arc_losspattern_figures f;
    struct arc_xr_voip m = {0};

    arc_losspattern_figures(&st->loss, now_us, &f);
    m.ssrc              = st->ssrc;
    m.loss_rate         = q8_of((double)st->loss.lost_after / judged);
    m.discard_rate      = q8_of((double)st->loss.discarded / judged);
    m.burst_density     = q8_of(f.burst_density);
    m.gap_density       = q8_of(f.gap_density);
    m.burst_duration_ms = u16_of(f.gmin_burst_pkts * pkt_ms);
    m.gap_duration_ms   = u16_of(f.gmin_gap_pkts * pkt_ms);
    m.round_trip_delay_ms = u16_of((double)rtt_us / 1000.0);
    m.end_system_delay_ms = u16_of(target_ms + pkt_ms);
    m.signal_level_db   = ARC_XR_VOIP_UNKNOWN;
    m.noise_level_db    = ARC_XR_VOIP_UNKNOWN;
    m.rerl_db           = ARC_XR_VOIP_UNKNOWN;
    m.gmin_pkts         = GMIN_PKTS;
    fill_rating(st, &m);
    m.plc               = ARC_XR_PLC_ENHANCED;
    m.jba               = st->cfg.adaptive ? ARC_XR_JBA_ADAPTIVE
                                           : ARC_XR_JBA_NON_ADAPTIVE;
    m.jb_nominal_ms     = u16_of(target_ms);
    m.jb_maximum_ms     = u16_of(target_ms); /* §4.7.7: of what is not late now */
    m.jb_abs_max_ms     = u16_of(st->cfg.max_latency_ms);
    arc_xr_write_voip(w, &m);
}

/** The blocks about one stream. @return their bytes */
static size_t write_blocks(struct arc_recvstream *st, int32_t reports,
                           uint8_t *out, size_t cap, int64_t now_us)
{
    struct arc_losspattern_report r;
    struct arc_writer w;

    arc_writer_init(&w, out, cap);
    arc_losspattern_report(&st->loss, now_us, &r);
    if (r.end_seq > r.begin_seq) {
        if (reports & ARC_REPORT_LOSSES)
            write_losses(st, &w, &r);
        if (reports & ARC_REPORT_POST_REPAIR)
            write_post_repair(st, &w, &r);
        if (reports & ARC_REPORT_SUMMARY)
            write_summary(st, &w, &r);
    }
    if (reports & ARC_REPORT_VOIP && st->cfg.kind == ARC_MEDIA_AUDIO &&
        st->loss.judged > 0)
        write_voip(st, &w, now_us);
    return w.pos;
}

/**
 * Reports on what we receive, as far as there is room: they come again.
 *
 * @param keep_bytes That must stay free behind them
 */
void arc_peer_write_xr_reports(struct arc_session *s, struct arc_writer *w,
                               size_t keep_bytes, int64_t now_us)
{
    for (int32_t i = 0; s->cfg.reports && i < s->n_recv; i++) {
        struct arc_recvstream *st = s->recv[i];
        uint8_t blocks[BLOCKS_BYTES];
        size_t len;

        if (st->ssrc == 0 || arc_writer_left(w) < keep_bytes + XR_BYTES)
            continue;
        len = arc_min_i64(sizeof(blocks),
                          (int64_t)(arc_writer_left(w) - keep_bytes - XR_BYTES));
        len = write_blocks(st, s->cfg.reports, blocks, len, now_us);
        if (len > 0)
            arc_rtcp_write_xr(w, arc_peer_ssrc_of(s, 0), blocks, len);
    }
}

/* --- in: what the peer has seen -------------------------------------------------------- */

static void on_losses(struct arc_session *s, const struct arc_xr_block *b)
{
    uint8_t bits[ARC_LOSSPATTERN_PKTS];
    struct arc_xr_range range;
    struct arc_sendstream *st;
    struct arc_peer_remote *r;
    size_t n = 0;

    if (arc_xr_parse_rle(b, &range, bits, sizeof(bits), &n) != ARC_OK) {
        s->stats.drops.malformed++;
        return;
    }
    st = arc_peer_sent_by(s, range.ssrc);
    if (!st || range.thinning)
        return;
    r = &st->remote;
    r->has_losses = true;
    r->pkts   = r->pkts * REPORT_FADE + (double)n;
    r->lost   *= REPORT_FADE;
    r->bursts *= REPORT_FADE;
    for (size_t i = 0; i < n; i++) {
        r->lost   += !bits[i];
        r->bursts += !bits[i] && !r->in_burst;
        r->in_burst = !bits[i];
    }
}

static void on_post_repair(struct arc_session *s, const struct arc_xr_block *b)
{
    struct arc_xr_post_repair c;
    struct arc_sendstream *st;
    struct arc_peer_remote *r;
    double pkts, before;

    if (arc_xr_parse_post_repair(b, &c) != ARC_OK) {
        s->stats.drops.malformed++;
        return;
    }
    st   = arc_peer_sent_by(s, c.ssrc);
    pkts = (uint16_t)(c.end_seq - c.begin_seq);
    before = (double)c.lost_pkts + c.repaired_pkts;
    if (!st || before > pkts)
        return; /* of another stream, or it cannot be */
    r = &st->remote;
    r->has_repair    = true;
    r->repair_pkts   = r->repair_pkts * REPORT_FADE + pkts;
    r->repair_before = r->repair_before * REPORT_FADE + before;
    r->repair_after  = r->repair_after * REPORT_FADE + c.lost_pkts;
    if (pkts > 0)
        arc_peer_follow_loss(&r->loss_after, c.lost_pkts / pkts);
    arc_peer_tell_encoder(st);
}

static void on_voip(struct arc_session *s, const struct arc_xr_block *b)
{
    struct arc_sendstream *st;
    struct arc_xr_voip m;

    if (arc_xr_parse_voip(b, &m) != ARC_OK) {
        s->stats.drops.malformed++;
        return;
    }
    st = arc_peer_sent_by(s, m.ssrc);
    if (!st)
        return;
    st->remote.has_voip = true;
    st->remote.discard  = m.discard_rate / 256.0;
    st->remote.delay_ms = m.jb_nominal_ms;
}

/** A block of an extended report. Sums (§4.6) say nothing that the others do
 *  not. */
void arc_peer_on_xr_report(struct arc_session *s, const struct arc_xr_block *b)
{
    if (b->type == ARC_XR_LOSS_RLE)
        on_losses(s, b);
    else if (b->type == ARC_XR_POST_REPAIR)
        on_post_repair(s, b);
    else if (b->type == ARC_XR_VOIP)
        on_voip(s, b);
}

void arc_peer_get_remote(const struct arc_sendstream *st,
                         struct arc_send_net_stats *out)
{
    const struct arc_peer_remote *r = &st->remote;

    out->remote_loss_before = out->remote_loss_after = -1.0;
    out->remote_burst_length = out->remote_discard = out->remote_delay_ms = -1.0;
    if (r->has_losses && r->pkts > 0) {
        out->remote_loss_before  = r->lost / r->pkts;
        out->remote_burst_length = r->bursts > 0 ? r->lost / r->bursts : 0.0;
    }
    if (r->has_repair && r->repair_pkts > 0) {
        out->remote_loss_after = r->repair_after / r->repair_pkts;
        if (!r->has_losses)
            out->remote_loss_before = r->repair_before / r->repair_pkts;
    }
    if (r->has_voip) {
        out->remote_discard  = r->discard;
        out->remote_delay_ms = r->delay_ms;
    }
}
