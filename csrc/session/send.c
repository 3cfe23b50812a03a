/**
 * @file session/send.c  What both kinds of sent media share: packets, and settings
 *                       from any thread
 *
 * The order of the stages is in send_audio.c and send_video.c. What happens to the
 * packets afterwards is in leave.c.
 */
#include <string.h>

#include "base/atomic.h"
#include "session/peer.h"
#include "wire/rtp.h"

/* --- packets, for send_audio.c and send_video.c ---------------------------------- */

bool arc_peer_time_ok(int64_t us)
{
    return us > -ARC_RXPKT_MAX_US && us < ARC_RXPKT_MAX_US;
}

int32_t arc_peer_payload_room(const struct arc_sendstream *st)
{
    const struct arc_session *s = st->session;
    int32_t room = s->cfg.mtu_bytes - 12;

    if (s->srtp_out)
        room -= arc_srtp_overhead_bytes(s->srtp_out);
    if (st->cfg.rtx_payload_type >= 0)
        room -= 2; /* original sequence number, RFC 4588 §4 */
    if (st->fec)
        room -= arc_fecenc_overhead_bytes(st->fec);
    if (st->cfg.level_id > 0)
        room -= ARC_PEER_LEVEL_BYTES;
    return room;
}

struct arc_pkt *arc_peer_new_rtp(struct arc_sendstream *st, uint32_t rtp_ts,
                               int64_t now_us)
{
    struct arc_pkt *pkt = arc_pkt_get(st->pool);
    struct arc_rtp h;
    size_t len = 0;

    if (!pkt)
        return NULL;
    memset(&h, 0, sizeof(h));
    h.payload_type = (uint8_t)st->cfg.payload_type;
    h.rtp_ts       = rtp_ts;
    arc_rtp_write_header(&h, NULL, pkt->data, (size_t)arc_pkt_tailroom(pkt),
                         &len);
    pkt->len     = (int32_t)len;
    pkt->time_us = now_us;
    return pkt;
}

void arc_peer_set_marker(struct arc_pkt *pkt)
{
    pkt->data[1] |= 0x80; /* RFC 3550 §5.1 */
}

bool arc_peer_queue_packet(struct arc_sendstream *st, const struct arc_txpkt *p)
{
    if (arc_ring_push(st->to_net, p) == ARC_OK) {
        st->media.pkts++;
        return true;
    }
    arc_pkt_unref(p->pkt);
    return false;
}

/* --- settings, from any thread --------------------------------------------- */

enum arc_status arc_send_set_bitrate(struct arc_sendstream *st, int32_t bps)
{
    bool audio = st->cfg.kind == ARC_MEDIA_AUDIO;

    if (bps < (audio ? ARC_OPUS_MIN_BITRATE_BPS : ARC_VENC_MIN_BPS) || bps > (audio ? ARC_OPUS_MAX_BITRATE_BPS : ARC_VENC_MAX_BPS))
        return ARC_ERR_ARG;
    arc_atomic_store_relaxed(&st->target_bps, bps);
    return ARC_OK;
}

void arc_send_request_key(struct arc_sendstream *st)
{
    arc_atomic_store_relaxed(&st->key_wanted, 1);
}

void arc_send_set_muted(struct arc_sendstream *st, bool muted)
{
    /* Behind a muted stretch the decoder has nothing to refer to. */
    if (!muted && arc_atomic_load_relaxed(&st->muted))
        arc_atomic_store_relaxed(&st->key_wanted, 1);
    arc_atomic_store_relaxed(&st->muted, muted ? 1 : 0);
}

const char *arc_send_encoder(const struct arc_sendstream *st)
{
    return st->cfg.kind == ARC_MEDIA_AUDIO
               ? arc_audiocodec_name(st->cfg.audio_codec)
               : arc_peer_encoder_name(st, arc_atomic_load_relaxed(
                                               &st->video->encoder_no));
}

void arc_send_get_stats(const struct arc_sendstream *st,
                        struct arc_send_media_stats *out)
{
    *out = st->media;
}

int32_t arc_send_index(const struct arc_sendstream *st)
{
    return st->index;
}

int32_t arc_send_channels(const struct arc_sendstream *st)
{
    return st->cfg.kind == ARC_MEDIA_AUDIO ? st->cfg.opus.channels : 0;
}
