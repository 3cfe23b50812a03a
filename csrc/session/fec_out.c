/**
 * @file session/fec_out.c  Parity of sent streams: made behind the sequence
 *                          number, paced behind the media
 */
#include "base/atomic.h"
#include "rx/ticks.h"
#include "session/peer.h"

/* A policy in one number, so that the network side never sees half of one. */

static int64_t pack(const struct arc_fecenc_policy *p)
{
    return p->overhead_permille | (int64_t)p->burst_pkts << 16 |
           (int64_t)p->grid << 32;
}

static struct arc_fecenc_policy unpack(int64_t packed)
{
    struct arc_fecenc_policy p;

    p.overhead_permille = (int32_t)(packed & 0xffff);
    p.burst_pkts        = (int32_t)(packed >> 16 & 0xffff);
    p.grid              = packed >> 32 & 1;
    return p;
}

static bool policy_ok(const struct arc_fecenc_policy *p)
{
    return p->overhead_permille >= 0 && p->overhead_permille <= 1000 &&
           p->burst_pkts >= 1 && p->burst_pkts <= ARC_FECENC_MAX_BURST_PKTS;
}

enum arc_status arc_send_set_fec(struct arc_sendstream *st,
                                 const struct arc_fecenc_policy *policy)
{
    if (!policy || !st->fec || !policy_ok(policy))
        return ARC_ERR_ARG;
    arc_atomic_store_relaxed(&st->fec_policy, pack(policy));
    return ARC_OK;
}

enum arc_status arc_peer_fec_open(struct arc_sendstream *st)
{
    const struct arc_send_fec_config *f = &st->cfg.fec;
    struct arc_fecenc_config c = {0};
    enum arc_status status;

    c.format           = f->format;
    c.masks            = f->masks;
    c.payload_type     = f->payload_type;
    c.max_block_pkts   = f->max_block_pkts;
    c.max_packet_bytes = st->session->cfg.mtu_bytes;
    status = arc_fecenc_new(&c, &st->fec);
    if (status != ARC_OK)
        return status;
    st->fec_policy = st->fec_applied = pack(&f->policy);
    return arc_fecenc_set_policy(st->fec, &f->policy);
}

static void apply_policy(struct arc_sendstream *st)
{
    const int64_t wanted = arc_atomic_load_relaxed(&st->fec_policy);
    struct arc_fecenc_policy policy = unpack(wanted);

    if (wanted == st->fec_applied)
        return;
    arc_fecenc_set_policy(st->fec, &policy);
    st->fec_applied = wanted;
}

/** Samples cannot wait behind pictures; their repairs go before those, like their
 *  resends, but in the paced rate. */
static enum arc_pacer_class class_of(const struct arc_sendstream *st)
{
    return st->cfg.kind == ARC_MEDIA_AUDIO ? ARC_PACER_RTX : ARC_PACER_FEC;
}

/** Parity over a packet that leaves; repairs that it completes are queued. */
void arc_peer_fec_protect(struct arc_session *s, struct arc_sendstream *st,
                          const struct arc_pkt *pkt, bool ends_frame,
                          int64_t now_us)
{
    struct arc_pacer_item item = {0};

    apply_policy(st);
    arc_fecenc_on_packet(st->fec, pkt->data, (size_t)pkt->len, ends_frame);
    item.stream    = st->index;
    item.kind      = ARC_PEER_FEC;
    item.queued_us = now_us;
    while ((item.pkt = arc_pkt_get(s->pool)) != NULL) {
        size_t len = 0;

        if (arc_fecenc_pop(st->fec, item.pkt->data,
                           (size_t)arc_pkt_tailroom(item.pkt), &len) != ARC_OK) {
            arc_pkt_unref(item.pkt);
            return;
        }
        item.pkt->len = (int32_t)len;
        if (arc_pacer_push(s->pacer, &item, class_of(st), now_us) != ARC_OK) {
            s->stats.drops.pacer_full++;
            arc_pkt_unref(item.pkt);
        }
    }
    s->stats.drops.no_packet++;
}

/** Number, SSRC and time of a repair that leaves now. */
void arc_peer_fec_number(struct arc_sendstream *st, struct arc_pkt *pkt,
                         int64_t now_us)
{
    const bool in_stream = st->cfg.fec.ssrc == 0;

    arc_rtp_set_seq16(pkt->data, in_stream ? st->next_seq16++
                                           : st->next_fec_seq16++);
    arc_rtp_set_ssrc(pkt->data, in_stream ? st->cfg.ssrc : st->cfg.fec.ssrc);
    /* The media clock of now: RFC 5109 §7.2, RFC 8627 §4.2.1. */
    arc_rtp_set_ts(pkt->data, st->last_rtp_ts +
                   (uint32_t)arc_ticks_from_us(now_us - st->last_capture_us,
                                             st->clock_hz));
    pkt->time_us = now_us;
    st->fec_sent++;
    if (in_stream) { /* one of its packets, for reports too */
        st->next_seq++;
        arc_txstats_on_packet(&st->stats, pkt->len - ARC_RTP_HEADER_BYTES,
                              pkt->len, false, now_us);
    } else {
        arc_txstats_on_repair(&st->stats, pkt->len, now_us);
    }
}
