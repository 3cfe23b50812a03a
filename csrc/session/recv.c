/**
 * @file session/recv.c  Datagrams in: demux > SRTP > RTP > stream > RTX >
 *                       statistics > losses, NACK > parity > RED > ring
 *
 * The network side of received streams; pull.c goes on behind the ring. Each
 * way to lose a packet has its counter. Nothing of a stream moves before the
 * packet's tag was checked (RFC 3711 §3.3).
 */
#include <string.h>

#include "base/atomic.h"
#include "base/units.h"
#include "session/peer.h"
#include "srtp/srtcp.h"
#include "wire/demux.h"
#include "wire/pl_dtmf.h"
#include "wire/pl_opus.h"
#include "wire/red.h"
#include "wire/rtp.h"
#include "wire/rtx.h"

enum {
    VIDEO_RESERVE = 8,        /* parts of the pool                            */
    AUDIO_RESERVE = 16,
    SOURCE_TIMEOUT_US = 2000000,
};

/* --- SRTP ------------------------------------------------------------------------ */

static bool count_srtp_fault(struct arc_session *s, enum arc_status status)
{
    switch (status) {
    case ARC_OK:
        return true;
    case ARC_ERR_AUTH:
        s->stats.drops.auth++;
        break;
    case ARC_ERR_REPLAY:
    case ARC_ERR_OLD:
        s->stats.drops.replay++;
        break;
    case ARC_ERR_FORMAT:
        s->stats.drops.malformed++;
        break;
    default:
        s->stats.drops.srtp_other++;
        break;
    }
    return false;
}

static bool open_rtp(struct arc_session *s, struct arc_pkt *pkt)
{
    size_t len = (size_t)pkt->len;

    if (!s->srtp_in)
        return true;
    if (!count_srtp_fault(s, arc_srtp_unprotect(s->srtp_in, pkt->data, len,
                                                &len)))
        return false;
    pkt->len = (int32_t)len;
    return true;
}

static bool open_rtcp(struct arc_session *s, struct arc_pkt *pkt)
{
    size_t len = (size_t)pkt->len;

    if (!s->srtp_in)
        return true;
    if (!count_srtp_fault(s, arc_srtp_unprotect_rtcp(s->srtp_in, pkt->data, len,
                                                     &len)))
        return false;
    pkt->len = (int32_t)len;
    return true;
}

/* --- stream -------------------------------------------------------------------------- */

static bool is_red(const struct arc_recvstream *st, int32_t payload_type)
{
    return st->cfg.red_payload_type > 0 &&
           payload_type == st->cfg.red_payload_type;
}

/** What a resend is a resend of: it names no payload type (RFC 4588 §8.6), and a
 *  sender with redundancy gives all its packets that form. */
static uint8_t resent_type(const struct arc_recvstream *st)
{
    return (uint8_t)(st->cfg.red_payload_type > 0 ? st->cfg.red_payload_type
                                                  : st->cfg.payload_type);
}

static bool takes(const struct arc_recvstream *st, const struct arc_rtp *h,
                  bool *is_rtx)
{
    *is_rtx = h->payload_type == st->cfg.rtx_payload_type;
    return *is_rtx || h->payload_type == st->cfg.payload_type ||
           (st->cfg.noise_payload_type > 0 &&
            h->payload_type == st->cfg.noise_payload_type) ||
           is_red(st, h->payload_type) ||
           arc_peer_is_dtmf(st, h->payload_type);
}

static void learn_source(struct arc_session *s, struct arc_recvstream *st,
                         uint32_t ssrc, int64_t now_us)
{
    st->splice = st->ssrc != 0;
    st->ssrc   = ssrc;
    st->ended  = false;
    st->sr_arrival_us = 0;
    s->look_us = now_us; /* now there is something to report on */
    arc_unwrap_init(&st->seq);
    arc_unwrap_init(&st->ts);
    arc_rxstats_init(&st->stats, st->clock_hz);
    if (st->fec)
        arc_fecdec_reset(st->fec);
    arc_peer_event(s, ARC_EVENT_STREAM_ADDED, st->index, ssrc, now_us);
}

/** Whether another source may take the stream over: the peer was started again,
 *  or had to change its SSRC after a collision (RFC 3550 §8.2). */
static bool is_vacant(const struct arc_recvstream *st, int64_t now_us)
{
    return st->ssrc == 0 || st->ended ||
           now_us - st->last_pkt_us > SOURCE_TIMEOUT_US;
}

/** The stream of an authentic packet. It learns its SSRC from the first packet
 *  with its payload type. */
static struct arc_recvstream *find_stream(struct arc_session *s,
                                          const struct arc_rtp *h,
                                          bool *is_rtx, int64_t now_us)
{
    for (int32_t i = 0; i < s->n_recv; i++) {
        struct arc_recvstream *st = s->recv[i];

        if (!takes(st, h, is_rtx))
            continue;
        if (*is_rtx)
            return st; /* the payload type says which stream it repairs */
        if (st->ssrc != h->ssrc && !is_vacant(st, now_us))
            return NULL;
        if (st->ssrc != h->ssrc)
            learn_source(s, st, h->ssrc, now_us);
        return st;
    }
    return NULL;
}

/* --- payload ---------------------------------------------------------------------- */

static bool describe_audio(const struct arc_recvstream *st,
                           const struct arc_rxpkt *p, const uint8_t *payload)
{
    const struct arc_recv_config *c = &st->cfg;
    struct arc_pl_dtmf events[ARC_PL_DTMF_MAX_REPORTS];
    struct arc_pl_opus opus;
    size_t n;

    if (arc_peer_is_dtmf(st, p->payload_type))
        return arc_pl_dtmf_parse(payload, (size_t)p->payload_len, events, &n) ==
               ARC_OK;
    if (p->payload_type == c->noise_payload_type && c->noise_payload_type > 0)
        return true; /* a level, and what else the sender likes (RFC 3389 §3) */
    if (c->audio_codec == ARC_AUDIO_OPUS)
        return arc_pl_opus_parse(payload, (size_t)p->payload_len, &opus) ==
               ARC_OK;
    return arc_audiocodec_samples(
               c->audio_codec,
               arc_audiocodec_rate_hz(c->audio_codec, c->sent_rate_hz),
               c->channels, payload, p->payload_len) > 0;
}

/** Whether a block of this payload type is media of the stream. */
static bool is_media_type(const struct arc_recvstream *st,
                          const struct arc_rxpkt *p)
{
    return p->payload_type == st->cfg.payload_type ||
           (st->cfg.noise_payload_type > 0 &&
            p->payload_type == st->cfg.noise_payload_type);
}

/** Look at what the packet starts; false: not the payload format it claims. */
static bool describe(const struct arc_recvstream *st, struct arc_rxpkt *p)
{
    const uint8_t *payload = p->pkt->data + p->payload_off;

    if (p->payload_len == 0)
        return true; /* keep-alive or padding (RFC 6263) */
    if (st->cfg.kind == ARC_MEDIA_AUDIO) {
        p->starts_frame = true;
        return describe_audio(st, p, payload);
    } else {
        struct arc_pl_video_info info;

        if (arc_pl_video_peek(st->cfg.codec, payload, (size_t)p->payload_len,
                              &info) != ARC_OK)
            return false;
        p->starts_frame = info.starts_picture;
        p->is_key       = info.is_key;
        return true;
    }
}

/** Number and time on the stream's own axes, which go on when the source
 *  changes: one number is left out, so that pictures wait for a key frame, and
 *  the time between is that of our clock. */
static void place(struct arc_recvstream *st, struct arc_rxpkt *p,
                  const struct arc_rtp *h, int64_t now_us)
{
    int64_t seq = arc_unwrap_seq16(&st->seq, h->seq16);
    int64_t ts  = arc_unwrap_ts32(&st->ts, h->rtp_ts);

    if (st->splice) {
        int64_t gap = (now_us - st->last_pkt_us) * st->clock_hz / ARC_US_PER_S;

        st->seq_shift = st->last_seq_in + 2 - seq;
        arc_atomic_store_relaxed(&st->ts_shift, st->last_ts_in + gap - ts);
        st->splice = false;
    }
    p->seq = seq + st->seq_shift;
    p->ts  = ts + arc_atomic_load_relaxed(&st->ts_shift);
    if (p->seq > st->last_seq_in) {
        st->last_seq_in = p->seq;
        st->last_ts_in  = p->ts;
    }
    st->last_pkt_us = now_us;
}

static void count_arrival(struct arc_recvstream *st, const struct arc_rxpkt *p,
                          enum arc_peer_kind came_by,
                          const struct arc_rtp *h, int64_t now_us)
{
    int64_t seq = p->seq - st->seq_shift; /* reports are about the source */

    if (p->repaired) {
        arc_rxstats_on_repaired(&st->stats, seq);
        if (came_by == ARC_PEER_RTX)
            arc_peer_on_repair(st->session, st, p->seq, now_us);
    } else {
        arc_rxstats_on_packet(&st->stats, seq, h->rtp_ts, h->payload_len,
                              now_us);
    }
    arc_peer_count_repair(st, p, now_us);
}

/** A media side that stands still must leave packets for what goes on: for
 *  reports always, for sound when it is pictures that nobody takes. */
static bool may_be_kept(const struct arc_session *s,
                        const struct arc_recvstream *st)
{
    int32_t reserve = s->cfg.pool_pkts /
                      (st->cfg.kind == ARC_MEDIA_VIDEO ? VIDEO_RESERVE
                                                       : AUDIO_RESERVE);

    return arc_pkt_pool_used(s->pool) <= s->cfg.pool_pkts - reserve;
}

/** Give it to the media side, with a reference of its own. */
static void hand_over(struct arc_session *s, struct arc_recvstream *st,
                      struct arc_rxpkt *p)
{
    if (may_be_kept(s, st)) {
        arc_pkt_ref(p->pkt);
        if (arc_ring_push(st->to_media, p) == ARC_OK)
            return;
        arc_pkt_unref(p->pkt);
    }
    s->stats.drops.media_full++;
    if (st->cfg.kind == ARC_MEDIA_VIDEO)
        arc_atomic_store_relaxed(&st->key_wanted, 1);
}

/* --- redundancy --------------------------------------------------------------------- */

/** Find the blocks of a payload (RFC 2198); the packet is then its primary one. */
static bool open_red(struct arc_rxpkt *p, struct arc_red *red)
{
    const struct arc_red_block *primary;

    if (p->payload_len == 0)
        return true; /* padding only */
    if (arc_red_parse(p->pkt->data + p->payload_off, (size_t)p->payload_len,
                      red) != ARC_OK)
        return false;
    for (int32_t i = 0; i < red->n_blocks; i++)
        red->blocks[i].off += p->payload_off;
    primary = &red->blocks[red->n_blocks - 1];
    p->payload_type = (uint8_t)primary->payload_type;
    p->payload_off  = primary->off;
    p->payload_len  = primary->len;
    return true;
}

/** Give the other blocks to the media side, as copies of earlier packets. Half
 *  the ring is left to packets. */
static void hand_over_copies(struct arc_session *s, struct arc_recvstream *st,
                             const struct arc_rxpkt *p,
                             const struct arc_red *red, int64_t now_us)
{
    int32_t reach = 0;

    for (int32_t i = 0; i < red->n_blocks - 1; i++) {
        const struct arc_red_block *b = &red->blocks[i];
        struct arc_rxpkt copy = *p;

        st->copies++;
        if (!p->repaired) /* as the bytes of resends and repairs do not count */
            st->copy_bytes += b->len + ARC_RED_HEADER_BYTES;
        copy.copy         = true;
        copy.marker       = false; /* not preserved, RFC 2198 §4 */
        copy.told_level   = false;
        copy.ts          -= b->ts_offset;
        copy.payload_type = (uint8_t)b->payload_type;
        copy.payload_off  = b->off;
        copy.payload_len  = b->len;
        if (b->payload_type != st->cfg.payload_type) {
            st->copies_other_type++;
        } else if (b->len == 0 || !describe(st, &copy)) {
            st->copies_malformed++;
        } else if (!may_be_kept(s, st) ||
                   arc_ring_count(st->to_media) > ARC_PEER_RED_RING_PKTS / 2) {
            st->copies_full++;
        } else {
            reach = (int32_t)arc_max_i64(reach, b->ts_offset);
            arc_pkt_ref(copy.pkt);
            if (arc_ring_push(st->to_media, &copy) != ARC_OK) {
                arc_pkt_unref(copy.pkt);
                st->copies_full++;
                continue;
            }
            arc_peer_on_copy(st, p, copy.ts, now_us);
        }
    }
    if (reach > 0)
        arc_atomic_store_relaxed(&st->copy_reach_ticks, reach);
}

/* --- the way in -------------------------------------------------------------------- */

/** A packet of a stream: as it was sent, resent, or recovered by parity. */
static void on_media(struct arc_session *s, struct arc_recvstream *st,
                     struct arc_pkt *pkt, const struct arc_rtp *h,
                     enum arc_peer_kind came_by, int64_t now_us)
{
    struct arc_rxpkt p;
    struct arc_red red;

    red.n_blocks = 0;
    memset(&p, 0, sizeof(p));
    p.pkt          = pkt;
    p.arrival_us   = now_us;
    p.payload_off  = h->payload_off;
    p.payload_len  = h->payload_len;
    p.payload_type = h->payload_type;
    p.marker       = h->marker;
    p.repaired     = came_by != ARC_PEER_MEDIA;
    if ((is_red(st, h->payload_type) && !open_red(&p, &red)) ||
        (p.payload_type != h->payload_type && !is_media_type(st, &p)) ||
        !describe(st, &p)) {
        s->stats.drops.malformed++;
        return;
    }
    if (came_by == ARC_PEER_MEDIA)
        arc_peer_read_level(st, h, &p);
    if (is_red(st, h->payload_type) && !p.repaired)
        st->copy_bytes += ARC_RED_PRIMARY_BYTES;
    place(st, &p, h, now_us);
    count_arrival(st, &p, came_by, h, now_us);
    if (arc_peer_is_dtmf(st, p.payload_type)) {
        arc_peer_on_dtmf(s, st, &p, now_us);
        return;
    }
    /* Frames are put together by number: those without media count as well. */
    if (p.payload_len > 0 || st->cfg.kind == ARC_MEDIA_VIDEO)
        hand_over(s, st, &p);
    hand_over_copies(s, st, &p, &red, now_us);
}

/** What parity can bring now. */
static void recover(struct arc_session *s, struct arc_recvstream *st,
                    int64_t now_us)
{
    struct arc_pkt *pkt;
    struct arc_rtp h;
    bool is_rtx;

    while (arc_fecdec_pop(st->fec, s->pool, &pkt) == ARC_OK) {
        pkt->time_us = now_us;
        if (arc_rtp_parse(pkt->data, (size_t)pkt->len, &h) == ARC_OK &&
            takes(st, &h, &is_rtx) && !is_rtx)
            on_media(s, st, pkt, &h, ARC_PEER_FEC, now_us);
        else
            s->stats.drops.malformed++;
        arc_pkt_unref(pkt);
    }
}

/** The stream whose parity this is; NULL: none. */
static struct arc_recvstream *protected_by(const struct arc_session *s,
                                           const struct arc_rtp *h)
{
    for (int32_t i = 0; i < s->n_recv; i++)
        if (s->recv[i]->fec && h->payload_type == s->recv[i]->cfg.fec_payload_type)
            return s->recv[i];
    return NULL;
}

static void on_parity(struct arc_session *s, struct arc_recvstream *st,
                      struct arc_pkt *pkt, const struct arc_rtp *h,
                      int64_t now_us)
{
    if (st->ssrc == 0) {
        s->stats.drops.unknown_stream++;
        return;
    }
    if (h->ssrc == st->ssrc) { /* it has a number of the stream: no hole there */
        struct arc_rtp empty = *h;

        empty.payload_len = 0;
        empty.rtp_ts = arc_peer_wire_ts(st, st->last_ts_in);
        on_media(s, st, pkt, &empty, ARC_PEER_MEDIA, now_us);
    }
    arc_peer_on_parity(st, now_us);
    arc_fecdec_on_repair(st->fec, pkt, h, st->ssrc);
    recover(s, st, now_us);
}

/** A packet that is opened. */
static bool on_rtp(struct arc_session *s, struct arc_pkt *pkt, int64_t now_us)
{
    struct arc_session_drops *drops = &s->stats.drops;
    struct arc_recvstream *st;
    struct arc_rtp h;
    bool is_rtx;

    if (arc_rtp_parse(pkt->data, (size_t)pkt->len, &h) != ARC_OK) {
        drops->malformed++;
        return false;
    }
    if (!arc_peer_admit(s, h.ssrc, ARC_SSRC_RTP, pkt->source, 0, now_us))
        return false;
    arc_peer_on_media(s, &h, now_us);
    st = protected_by(s, &h);
    if (st) {
        on_parity(s, st, pkt, &h, now_us);
        return true;
    }
    st = find_stream(s, &h, &is_rtx, now_us);
    if (!st || (is_rtx && st->ssrc == 0)) {
        drops->unknown_stream++;
        return true;
    }

    if (is_rtx) {
        size_t len = (size_t)pkt->len;
        enum arc_status status = arc_rtx_unwrap(pkt->data, &len, st->ssrc,
                                                resent_type(st));

        if (status == ARC_AGAIN)
            return true; /* padding that probes the path: no media in it */
        pkt->len = (int32_t)len;
        if (status != ARC_OK ||
            arc_rtp_parse(pkt->data, len, &h) != ARC_OK) {
            drops->malformed++;
            return true;
        }
    }
    on_media(s, st, pkt, &h, is_rtx ? ARC_PEER_RTX : ARC_PEER_MEDIA, now_us);
    if (st->fec) {
        /* A resend may have other extensions than the packet had. */
        arc_fecdec_on_media(st->fec, pkt, !is_rtx || !h.has_extension);
        recover(s, st, now_us);
    }
    return true;
}

static bool on_rtcp(struct arc_session *s, struct arc_pkt *pkt, int64_t now_us)
{
    if (!open_rtcp(s, pkt))
        return false;
    return arc_peer_on_rtcp(s, pkt->data, (size_t)pkt->len, pkt->source,
                            now_us);
}

static bool receive_one(struct arc_session *s, struct arc_pkt *pkt,
                        int64_t now_us)
{
    switch (arc_demux_classify(pkt->data, (size_t)pkt->len)) {
    case ARC_DEMUX_RTP:
        return open_rtp(s, pkt) && on_rtp(s, pkt, now_us);
    case ARC_DEMUX_RTCP:
        return on_rtcp(s, pkt, now_us);
    default:
        s->stats.drops.not_rtp++;
        return false;
    }
}

bool arc_session_receive_pkt(struct arc_session *s, struct arc_pkt *pkt,
                             int64_t now_us)
{
    bool good;

    s->stats.received_pkts++;
    s->stats.received_bytes += pkt->len;
    arc_peer_keys_turn(s, now_us);
    good = receive_one(s, pkt, now_us);
    if (good)
        arc_peer_heard(s, now_us);
    return good;
}

/** Open all RTP packets of a batch. @return how many there are */
static size_t open_all(struct arc_session *s, struct arc_srtp_batch *work,
                       struct arc_pkt **pkts, size_t n,
                       struct arc_srtp_unit *units)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        const size_t len = (size_t)pkts[i]->len;

        if (arc_demux_classify(pkts[i]->data, len) != ARC_DEMUX_RTP)
            continue;
        units[k].srtp  = s->srtp_in;
        units[k].data  = pkts[i]->data;
        units[k].payload = NULL;
        units[k].len   = len;
        units[k++].cap = ARC_PKT_CAP_BYTES;
    }
    arc_srtp_unprotect_units(work, units, k);
    return k;
}

void arc_session_receive_pkts(struct arc_session *s,
                              struct arc_srtp_batch *work,
                              struct arc_pkt **pkts, size_t n, bool *good,
                              int64_t now_us)
{
    struct arc_srtp_unit units[ARC_SESSION_BATCH_PKTS];
    size_t opened = 0, k = 0;

    arc_peer_keys_turn(s, now_us);
    if (s->srtp_in)
        opened = open_all(s, work, pkts, n, units);
    for (size_t i = 0; i < n; i++) {
        struct arc_pkt *pkt = pkts[i];

        if (k == opened || units[k].data != pkt->data) {
            good[i] = arc_session_receive_pkt(s, pkt, now_us);
            continue;
        }
        s->stats.received_pkts++;
        s->stats.received_bytes += pkt->len;
        good[i] = count_srtp_fault(s, units[k].status);
        if (good[i]) {
            pkt->len = (int32_t)units[k].len;
            good[i]  = on_rtp(s, pkt, now_us);
        }
        if (good[i])
            arc_peer_heard(s, now_us);
        k++;
    }
}

void arc_session_receive(struct arc_session *s, const uint8_t *data,
                         size_t len, int64_t now_us)
{
    struct arc_pkt *pkt;

    if (len > ARC_PKT_CAP_BYTES) {
        s->stats.received_pkts++;
        s->stats.drops.too_long++;
        return;
    }
    pkt = arc_pkt_get(s->pool);
    if (!pkt) {
        s->stats.received_pkts++;
        s->stats.drops.no_packet++;
        return;
    }
    memcpy(pkt->data, data, len);
    pkt->len     = (int32_t)len;
    pkt->time_us = now_us;
    arc_session_receive_pkt(s, pkt, now_us);
    arc_pkt_unref(pkt);
}
