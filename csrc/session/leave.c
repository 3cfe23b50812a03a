/**
 * @file session/leave.c  Packets out: ring > pacer > number > history > parity >
 *                        SRTP
 *
 * The network side of sent streams. Sequence numbers are given here, behind
 * the pacer, so that what a queue drops leaves no hole at the receiver; and
 * SSRCs, so that one that collides changes between two packets.
 */
#include <string.h>

#include "base/atomic.h"
#include "base/units.h"
#include "session/peer.h"
#include "srtp/srtcp.h"
#include "wire/rtp.h"
#include "wire/rtx.h"

enum { MIN_PACE_BPS = 300000, RTP_HEADER_BYTES = 12 };

/* --- ring > pacer -------------------------------------------------------------- */

/** Pace at a multiple of what the encoders aim at: a key frame must not take
 *  a second, and must not arrive as one burst either. */
static void set_pace(struct arc_session *s)
{
    int64_t sum = 0;

    for (int32_t i = 0; i < s->n_send; i++)
        sum += arc_atomic_load_relaxed(&s->send[i]->target_bps);
    sum = arc_clamp_i64(sum * s->cfg.pace_percent / 100, MIN_PACE_BPS,
                        INT32_MAX);
    if (sum != s->pace_bps) {
        s->pace_bps = (int32_t)sum;
        arc_pacer_set_rate(s->pacer, s->pace_bps);
    }
}

/** What the pacer does not need to know is kept in front of the packet, in its
 *  headroom: the record travels with the bytes. */
static void attach(struct arc_txpkt *p)
{
    memcpy(p->pkt->buf, p, sizeof(*p));
}

static struct arc_txpkt attached(const struct arc_pkt *pkt)
{
    struct arc_txpkt p;

    memcpy(&p, pkt->buf, sizeof(p));
    return p;
}

typedef char record_fits_into_headroom[
    sizeof(struct arc_txpkt) <= ARC_PKT_HEADROOM_BYTES ? 1 : -1];

static enum arc_pacer_class class_of(const struct arc_sendstream *st)
{
    return st->cfg.kind == ARC_MEDIA_AUDIO ? ARC_PACER_AUDIO : ARC_PACER_VIDEO;
}

/** Something waits that the pacer has room for. */
bool arc_peer_may_leave(const struct arc_session *s)
{
    for (int32_t i = 0; i < s->n_send; i++)
        if (arc_ring_count(s->send[i]->to_net) > 0 &&
            arc_pacer_has_room(s->pacer, class_of(s->send[i])))
            return true;
    return false;
}

/** Into the pacer, which has room; the reference passes. */
void arc_peer_to_pacer(struct arc_session *s, const struct arc_sendstream *st,
                       struct arc_txpkt *p, int64_t now_us)
{
    struct arc_pacer_item item = {0};

    attach(p);
    item.pkt       = p->pkt;
    item.stream    = st->index;
    item.kind      = ARC_PEER_MEDIA;
    item.queued_us = now_us;
    arc_pacer_push(s->pacer, &item, class_of(st), now_us);
}

/** When the pacer is full, packets stay in the ring, and when that is full
 *  send_video.c drops whole frames: a hole inside one would be seen by nobody, since
 *  packets get their numbers behind the pacer. */
static void fill_pacer(struct arc_session *s, int64_t now_us)
{
    for (int32_t i = 0; i < s->n_send; i++) {
        struct arc_sendstream *st = s->send[i];
        struct arc_txpkt p;

        if (st->video)
            arc_peer_tell_encoder_change(st, now_us);
        while (arc_pacer_has_room(s->pacer, class_of(st)) &&
               arc_ring_pop(st->to_net, &p) == ARC_OK) {
            arc_peer_to_pacer(s, st, &p, now_us);
        }
    }
}

/** Queue one kept packet again (RFC 4588); resends are inside the paced rate. */
void arc_peer_resend(struct arc_session *s, struct arc_sendstream *st,
                     uint16_t seq16, int64_t now_us)
{
    struct arc_pacer_item item = {0};
    struct arc_pkt *kept, *pkt;
    size_t len = 0;

    st->nacked++;
    if (!arc_peer_may_resend(st, now_us))
        return;
    kept = st->history ? arc_history_get(st->history, seq16,
                                         arc_peer_resend_wait_us(s), now_us)
                       : NULL;
    if (!kept) {
        st->nack_misses++;
        return;
    }
    pkt = arc_pkt_get(s->pool);
    if (!pkt) {
        s->stats.drops.no_packet++;
        return;
    }
    if (arc_rtx_wrap(kept->data, (size_t)kept->len, st->cfg.rtx_ssrc,
                     (uint8_t)st->cfg.rtx_payload_type, 0, pkt->data,
                     (size_t)arc_pkt_tailroom(pkt), &len) != ARC_OK) {
        arc_pkt_unref(pkt);
        return;
    }
    pkt->len       = (int32_t)len;
    item.pkt       = pkt;
    item.stream    = st->index;
    item.kind      = ARC_PEER_RTX;
    item.queued_us = now_us;
    if (arc_pacer_push(s->pacer, &item, ARC_PACER_RTX, now_us) != ARC_OK) {
        s->stats.drops.pacer_full++;
        arc_pkt_unref(pkt);
        return;
    }
    arc_repairbudget_on_resent(&st->repair, (int32_t)len, now_us);
}

/* --- number, record ---------------------------------------------------------- */

static void record_frame(struct arc_session *s, struct arc_sendstream *st,
                         const struct arc_txpkt *p, int64_t now_us)
{
    struct arc_sent_frame *f = &st->leaving;

    if (p->first) {
        memset(f, 0, sizeof(*f));
        f->stream     = st->index;
        f->rtp_ts     = p->rtp_ts;
        f->is_key     = p->is_key;
        f->capture_us = p->capture_us;
        f->encoded_us = p->encoded_us;
        f->first_us   = now_us;
    }
    f->pkts++;
    f->bytes += p->payload_bytes;
    f->last_us = now_us;
    if (p->last)
        arc_ring_push(s->sent_frames, f); /* nobody reads: the newest is lost */
}

static void number_media(struct arc_session *s, struct arc_sendstream *st,
                         struct arc_pkt *pkt, int64_t now_us)
{
    struct arc_txpkt p = attached(pkt);

    arc_rtp_set_seq16(pkt->data, st->next_seq16++);
    arc_rtp_set_ssrc(pkt->data, st->cfg.ssrc);
    arc_txstats_on_packet(&st->stats, p.payload_bytes, pkt->len, false, now_us);
    record_frame(s, st, &p, now_us);
    if (st->history && !p.once)
        arc_history_put(st->history, st->next_seq, pkt, now_us);
    st->next_seq++;
    st->last_rtp_ts     = p.rtp_ts;
    st->last_capture_us = p.capture_us;
    st->last_sent_us    = now_us;
    if (!st->sent_any)
        s->look_us = now_us; /* one more who takes part */
    st->sent_any = true;
    if (st->fec)
        arc_peer_fec_protect(s, st, pkt, p.last, now_us);
}

static void number_rtx(struct arc_sendstream *st, struct arc_pkt *pkt,
                       int64_t now_us)
{
    arc_rtp_set_seq16(pkt->data, st->next_rtx_seq16++);
    arc_rtp_set_ssrc(pkt->data, st->cfg.rtx_ssrc);
    arc_txstats_on_packet(&st->stats, pkt->len - RTP_HEADER_BYTES, pkt->len, true,
                          now_us);
}

/* --- SRTP ---------------------------------------------------------------------- */

/** A packet of our own to be sealed. Takes the reference over: what the history
 *  keeps stays plain, so of a packet that is shared a copy is made. */
static struct arc_pkt *own_copy(struct arc_session *s, struct arc_pkt *pkt,
                                bool shared)
{
    struct arc_pkt *out;

    if (!s->srtp_out || !shared)
        return pkt;
    out = arc_pkt_get(s->pool);
    if (out) {
        memcpy(out->data, pkt->data, (size_t)pkt->len);
        out->len     = pkt->len;
        out->time_us = pkt->time_us;
    } else {
        s->stats.drops.no_packet++;
    }
    arc_pkt_unref(pkt);
    return out;
}

/** Seal packets that leave() gave; those that fail are left out.
 *  @return how many are left */
size_t arc_peer_seal(struct arc_session *s, struct arc_srtp_batch *work,
                     struct arc_pkt **pkts, size_t n)
{
    struct arc_srtp_unit units[ARC_SESSION_BATCH_PKTS];
    size_t kept = 0;

    if (!s->srtp_out)
        return n;
    for (size_t i = 0; i < n; i++) {
        units[i].srtp = s->srtp_out;
        units[i].data = pkts[i]->data;
        units[i].payload = NULL;
        units[i].len  = (size_t)pkts[i]->len;
        units[i].cap  = ARC_PKT_CAP_BYTES;
    }
    arc_srtp_protect_units(work, units, n);
    for (size_t i = 0; i < n; i++) {
        if (units[i].status == ARC_OK) {
            pkts[i]->len = (int32_t)units[i].len;
            pkts[kept++] = pkts[i];
        } else {
            s->stats.drops.srtp_other++;
            arc_pkt_unref(pkts[i]);
        }
    }
    return kept;
}

struct arc_pkt *arc_peer_seal_rtcp(struct arc_session *s, const uint8_t *data,
                                   size_t len, int64_t now_us)
{
    struct arc_pkt *pkt = arc_pkt_get(s->pool);

    if (!pkt) {
        s->stats.drops.no_packet++;
        return NULL;
    }
    memcpy(pkt->data, data, len);
    if (s->srtp_out &&
        arc_srtp_protect_rtcp(s->srtp_out, pkt->data, len, ARC_PKT_CAP_BYTES,
                              &len) != ARC_OK) {
        s->stats.drops.srtp_other++;
        arc_pkt_unref(pkt);
        return NULL;
    }
    pkt->len     = (int32_t)len;
    pkt->time_us = now_us;
    s->stats.rtcp_sent++;
    return pkt;
}

/* --- the way out ---------------------------------------------------------------- */

enum arc_status arc_peer_leave(struct arc_session *s, int64_t now_us,
                               struct arc_pkt **out)
{
    struct arc_pacer_item item;

    set_pace(s);
    arc_peer_dtmf_turn(s, now_us);
    fill_pacer(s, now_us);
    while (arc_pacer_pop(s->pacer, now_us, &item) == ARC_OK) {
        struct arc_sendstream *st = s->send[item.stream];

        if (item.kind != ARC_PEER_MEDIA && item.queued_us < st->renamed_us) {
            /* of a source that has another name now */
            st->nack_misses += item.kind == ARC_PEER_RTX;
            arc_pkt_unref(item.pkt);
            continue;
        }
        if (item.kind == ARC_PEER_RTX)
            number_rtx(st, item.pkt, now_us);
        else if (item.kind == ARC_PEER_FEC)
            arc_peer_fec_number(st, item.pkt, now_us);
        else
            number_media(s, st, item.pkt, now_us);
        *out = own_copy(s, item.pkt, item.kind == ARC_PEER_MEDIA && st->history);
        if (*out)
            return ARC_OK;
    }
    return ARC_AGAIN;
}
