/**
 * @file session/send_video.c  Pictures in: encode > packetize > ring
 *
 * The media side of a sent stream of pictures.
 */
#include <string.h>

#include "base/atomic.h"
#include "rx/ticks.h"
#include "session/peer.h"
#include "wire/pl_h264.h"

enum { MAX_PKTS_PER_FRAME = 1024 };

static void apply_video_settings(struct arc_sendstream *st)
{
    int32_t bps = arc_atomic_load_relaxed(&st->target_bps);

    if (bps != st->applied_bps && arc_venc_set_bitrate(st->venc, bps) == ARC_OK)
        st->applied_bps = bps;
    st->media.target_bps = st->applied_bps;
}

enum arc_status arc_send_video(struct arc_sendstream *st,
                               const struct arc_vframe *frame,
                               int64_t capture_us, int64_t now_us)
{
    enum arc_status status;
    bool key;

    if (st->cfg.kind != ARC_MEDIA_VIDEO || !frame || !arc_peer_time_ok(capture_us))
        return ARC_ERR_ARG;
    if (st->has_pending)
        arc_send_flush(st, now_us);
    st->media.frames_in++;
    if (arc_atomic_load_relaxed(&st->muted)) {
        st->media.frames_dropped++;
        return ARC_AGAIN;
    }

    apply_video_settings(st);
    key = arc_atomic_exchange(&st->key_wanted, 0) != 0;
    status = arc_venc_encode(st->venc, frame, key, &st->pending);
    if (status != ARC_OK) {
        if (key)
            arc_atomic_store_relaxed(&st->key_wanted, 1);
        if (status == ARC_AGAIN)
            st->media.frames_dropped++;
        else
            st->media.codec_errors++;
        return status;
    }
    st->has_pending        = true;
    st->pending_capture_us = capture_us;
    st->pending_start_us   = now_us;
    return ARC_OK;
}

/** Cut the pending frame into packets; 0: it does not fit into the pool. */
static int32_t packetize(struct arc_sendstream *st, uint32_t rtp_ts,
                         int64_t now_us, struct arc_txpkt *pkts)
{
    const size_t room = (size_t)arc_peer_payload_room(st);
    struct arc_pl_h264_packer packer;
    int32_t n = 0;
    bool last = false;

    if (arc_pl_h264_packer_init(&packer, st->pending.data,
                                (size_t)st->pending.len, room) != ARC_OK)
        return 0;
    while (!last) {
        struct arc_pkt *pkt = n < MAX_PKTS_PER_FRAME
                            ? arc_peer_new_rtp(st, rtp_ts, now_us) : NULL;
        size_t len = 0;

        if (!pkt || arc_pl_h264_packer_next(&packer, pkt->data + pkt->len, room,
                                            &len, &last) != ARC_OK) {
            arc_pkt_unref(pkt);
            while (n > 0)
                arc_pkt_unref(pkts[--n].pkt);
            return 0;
        }
        pkt->len += (int32_t)len;
        memset(&pkts[n], 0, sizeof(pkts[n]));
        pkts[n].pkt = pkt;
        pkts[n].payload_bytes = (int32_t)len;
        n++;
    }
    return n;
}

enum arc_status arc_send_flush(struct arc_sendstream *st, int64_t now_us)
{
    struct arc_txpkt pkts[MAX_PKTS_PER_FRAME];
    uint32_t rtp_ts;
    int32_t n;

    if (!st->has_pending)
        return ARC_AGAIN;
    st->has_pending = false;
    st->media.encode_us_total += now_us - st->pending_start_us;

    rtp_ts = st->ts_offset +
             (uint32_t)arc_ticks_from_us(st->pending_capture_us, ARC_PEER_VIDEO_CLOCK_HZ);
    n = packetize(st, rtp_ts, now_us, pkts);
    if (n == 0 ||
        arc_ring_count(st->to_net) + (uint32_t)n > ARC_PEER_TX_RING_PKTS) {
        /* Later frames refer to this one, so they are of no use without it. */
        while (n > 0)
            arc_pkt_unref(pkts[--n].pkt);
        st->media.frames_dropped++;
        arc_atomic_store_relaxed(&st->key_wanted, 1);
        return ARC_AGAIN;
    }

    arc_peer_set_marker(pkts[n - 1].pkt);
    for (int32_t i = 0; i < n; i++) {
        pkts[i].rtp_ts     = rtp_ts;
        pkts[i].capture_us = st->pending_capture_us;
        pkts[i].encoded_us = now_us;
        pkts[i].is_key     = st->pending.is_key;
        pkts[i].first      = i == 0;
        pkts[i].last       = i == n - 1;
        arc_peer_queue_packet(st, &pkts[i]);
    }
    st->media.frames_encoded++;
    st->media.key_frames += st->pending.is_key;
    st->media.bytes += st->pending.len;
    return ARC_OK;
}
