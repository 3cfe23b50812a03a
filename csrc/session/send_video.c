/**
 * @file session/send_video.c  Pictures in: encode > packetize > ring
 *
 * The media side of a sent stream of pictures. An encoder that fails gives way
 * to the next one of the stream's list, with the same picture.
 */
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "session/peer.h"

enum {
    N_FALLBACKS = sizeof(((struct arc_send_config *)0)->fallbacks) /
                  sizeof(((struct arc_send_config *)0)->fallbacks[0]),
    MILLI       = 1000,
    FEC_ROOM_BYTES = 48, /* parity is opened after this, and takes less      */
};

/* --- the encoder ---------------------------------------------------------- */

static bool open_numbers(struct arc_sendstream *st)
{
    const struct arc_send_config *c = &st->cfg;
    struct arc_rng *rng = &st->session->rng;
    struct arc_pl_video_config p;

    memset(&p, 0, sizeof(p));
    p.codec         = c->video.codec;
    p.n_temporal    = (uint8_t)arc_max_i64(c->video.temporal_layers, 1);
    p.n_spatial     = (uint8_t)arc_max_i64(c->video.spatial_layers, 1);
    p.is_single_nal = c->single_nal;
    p.is_flexible   = c->flexible;
    p.picture_id    = (uint16_t)arc_rng_below(rng, 0x8000);
    p.tl0picidx     = (uint8_t)arc_rng_below(rng, 0x100);
    return arc_pl_video_tx_init(&st->video->tx, &p) == ARC_OK;
}

static int32_t pack_size(const struct arc_venc_config *c)
{
    return (int32_t)((uint32_t)c->width << 16 | (uint32_t)c->height);
}

/** Frames in 1000 seconds. */
static int32_t fps_milli(const struct arc_venc_config *c)
{
    return (int32_t)((int64_t)c->frame_rate_num * MILLI / c->frame_rate_den);
}

enum arc_status arc_peer_open_video(struct arc_sendstream *st, char *why,
                                    int32_t why_cap)
{
    struct arc_sendvideo *v = arc_mem_zalloc(1, sizeof(*v));
    enum arc_status status;

    if (!v)
        return ARC_ERR_NOMEM;
    st->video = v;
    v->cfg    = st->cfg.video;
    if (st->cfg.single_nal)
        v->cfg.max_nal_bytes = arc_peer_payload_room(st) - FEC_ROOM_BYTES;
    st->target_bps = st->applied_bps = v->cfg.bitrate_bps;
    if (v->cfg.name[0] == '\0') /* pictures come coded: arc_send_coded() */
        return open_numbers(st) ? ARC_OK : ARC_ERR_ARG;

    status = arc_venc_new(&v->cfg, &v->enc, why, why_cap);
    if (status != ARC_OK)
        return status;
    v->size      = pack_size(&v->cfg);
    v->fps_milli = fps_milli(&v->cfg);
    st->media.width_px  = v->cfg.width;
    st->media.height_px = v->cfg.height;
    return open_numbers(st) ? ARC_OK : ARC_ERR_ARG;
}

void arc_peer_close_video(struct arc_sendstream *st)
{
    if (!st->video)
        return;
    arc_venc_free(st->video->enc);
    arc_mem_free(st->video);
}

const char *arc_peer_encoder_name(const struct arc_sendstream *st, int32_t no)
{
    return no == 0 ? st->cfg.video.name : st->cfg.fallbacks[no - 1];
}

void arc_peer_tell_encoder_change(struct arc_sendstream *st, int64_t now_us)
{
    const int32_t no = arc_atomic_load_relaxed(&st->video->encoder_no);

    if (no == st->video->told_no)
        return;
    st->video->told_no = no;
    arc_peer_event(st->session, ARC_EVENT_ENCODER_REPLACED, st->index, no, now_us);
}

/** Go on with the next encoder that opens. @return false: there is none */
static bool replace_encoder(struct arc_sendstream *st)
{
    struct arc_sendvideo *v = st->video;
    int32_t no = v->encoder_no;

    while (no < N_FALLBACKS && st->cfg.fallbacks[no][0] != '\0') {
        struct arc_venc_config cfg = v->cfg;
        struct arc_venc *enc = NULL;

        memcpy(cfg.name, st->cfg.fallbacks[no++], sizeof(cfg.name));
        if (arc_venc_new(&cfg, &enc, NULL, 0) != ARC_OK)
            continue;
        arc_venc_free(v->enc);
        v->enc = enc;
        v->cfg = cfg;
        st->media.encoders_replaced++;
        arc_atomic_store_relaxed(&v->encoder_no, no);
        return true;
    }
    return false;
}

/* --- settings, as the other side wants them --------------------------------- */

static void apply_size(struct arc_sendstream *st)
{
    struct arc_sendvideo *v = st->video;
    const uint32_t size = (uint32_t)arc_atomic_load_relaxed(&v->size);
    struct arc_venc_config wanted = v->cfg;

    wanted.width  = (int32_t)(size >> 16);
    wanted.height = (int32_t)(size & 0xFFFF);
    if (wanted.width == v->cfg.width && wanted.height == v->cfg.height)
        return;
    if (arc_venc_set_size(v->enc, wanted.width, wanted.height) != ARC_OK)
        return;
    v->cfg = wanted;
    st->media.width_px  = wanted.width;
    st->media.height_px = wanted.height;
}

static void apply_settings(struct arc_sendstream *st)
{
    struct arc_sendvideo *v = st->video;
    const int32_t bps = arc_atomic_load_relaxed(&st->target_bps);
    const int32_t fps = arc_atomic_load_relaxed(&v->fps_milli);

    apply_size(st);
    if (bps != st->applied_bps && arc_venc_set_bitrate(v->enc, bps) == ARC_OK)
        st->applied_bps = v->cfg.bitrate_bps = bps;
    if (fps != fps_milli(&v->cfg) &&
        arc_venc_set_frame_rate(v->enc, fps, MILLI) == ARC_OK) {
        v->cfg.frame_rate_num = fps;
        v->cfg.frame_rate_den = MILLI;
    }
    st->media.target_bps = st->applied_bps;
}

/* --- a picture ---------------------------------------------------------------- */

static bool has_failed(enum arc_status status)
{
    return status == ARC_ERR_CODEC || status == ARC_ERR_LIBRARY ||
           status == ARC_ERR_UNSUPPORTED;
}

static enum arc_status encode(struct arc_sendstream *st,
                              const struct arc_vframe *frame, bool key)
{
    struct arc_sendvideo *v = st->video;
    enum arc_status status = arc_venc_encode(v->enc, frame, key, &v->picture);

    while (has_failed(status)) {
        st->media.codec_errors++;
        if (!replace_encoder(st))
            break;
        status = arc_venc_encode(v->enc, frame, true, &v->picture);
    }
    return status;
}

/** Whether a picture is wanted now; what waits goes out first. */
static bool begin(struct arc_sendstream *st, int64_t now_us)
{
    if (st->video->pending)
        arc_send_flush(st, now_us);
    st->media.frames_in++;
    if (!arc_atomic_load_relaxed(&st->muted))
        return true;
    st->media.frames_dropped++;
    return false;
}

enum arc_status arc_send_video(struct arc_sendstream *st,
                               const struct arc_vframe *frame,
                               int64_t capture_us, int64_t now_us)
{
    struct arc_sendvideo *v = st->video;
    enum arc_status status;
    bool key;

    if (!v || !v->enc || !frame || !arc_peer_time_ok(capture_us))
        return ARC_ERR_ARG;
    if (!begin(st, now_us))
        return ARC_AGAIN;

    apply_settings(st);
    key    = arc_atomic_exchange(&st->key_wanted, 0) != 0;
    status = encode(st, frame, key);
    if (status != ARC_OK) {
        if (key)
            arc_atomic_store_relaxed(&st->key_wanted, 1);
        st->media.frames_dropped += status == ARC_AGAIN;
        return status;
    }
    v->pending    = true;
    v->capture_us = capture_us;
    v->start_us   = now_us;
    return ARC_OK;
}

enum arc_status arc_send_coded(struct arc_sendstream *st,
                               const struct arc_encoded *picture,
                               int64_t capture_us, int64_t now_us)
{
    struct arc_sendvideo *v = st->video;

    if (!v || v->enc || !picture || !picture->data || picture->len < 1 ||
        !arc_peer_time_ok(capture_us))
        return ARC_ERR_ARG;
    if (!begin(st, now_us))
        return ARC_AGAIN;
    v->picture    = *picture;
    v->pending    = true;
    v->capture_us = capture_us;
    v->start_us   = now_us;
    return arc_send_flush(st, now_us);
}

/* --- its packets ---------------------------------------------------------------- */

static void drop_packets(struct arc_pkt **pkts, int32_t n)
{
    while (n > 0)
        arc_pkt_unref(pkts[--n]);
}

/** Cut the picture that waits into packets. @return how many; 0: none could be
 *  made, or there are more than the ring may hold */
static int32_t packetize(struct arc_sendstream *st, uint32_t rtp_ts,
                         int64_t now_us, struct arc_pkt **pkts, int32_t cap)
{
    struct arc_sendvideo *v = st->video;
    const int32_t room = arc_peer_payload_room(st);
    struct arc_pl_video_place place;
    int32_t n = 0;

    if (arc_pl_video_packer_init(&v->packer, &v->tx, v->picture.data,
                                 (size_t)v->picture.len, v->picture.layers,
                                 v->picture.n_layers, (size_t)room) != ARC_OK)
        return 0;
    do {
        struct arc_pkt *pkt = n < cap ? arc_peer_new_rtp(st, rtp_ts, now_us)
                                      : NULL;
        size_t len = 0;

        if (!pkt || arc_pl_video_packer_next(&v->packer, pkt->data + pkt->len,
                                             &len, &place) != ARC_OK) {
            arc_pkt_unref(pkt);
            drop_packets(pkts, n);
            return 0;
        }
        pkt->len += (int32_t)len;
        pkts[n++] = pkt;
    } while (!place.last);
    arc_peer_set_marker(pkts[n - 1]);
    return n;
}

/** Whether a later picture may refer to this one. */
static bool is_reference(const struct arc_encoded *picture)
{
    for (int32_t i = 0; i < picture->n_layers; i++)
        if (picture->layers[i].is_reference)
            return true;
    return false;
}

static void queue_picture(struct arc_sendstream *st, uint32_t rtp_ts,
                          int64_t now_us, struct arc_pkt **pkts, int32_t n)
{
    const struct arc_sendvideo *v = st->video;

    for (int32_t i = 0; i < n; i++) {
        const struct arc_txpkt p = {
            .pkt           = pkts[i],
            .capture_us    = v->capture_us,
            .encoded_us    = now_us,
            .payload_bytes = pkts[i]->len - ARC_RTP_HEADER_BYTES,
            .rtp_ts        = rtp_ts,
            .is_key        = v->picture.is_key,
            .first         = i == 0,
            .last          = i == n - 1,
        };

        arc_peer_queue_packet(st, &p);
    }
}

enum arc_status arc_send_flush(struct arc_sendstream *st, int64_t now_us)
{
    struct arc_sendvideo *v = st->video;
    struct arc_pkt *pkts[ARC_PEER_TX_RING_PKTS];
    int32_t room_pkts, n;
    uint32_t rtp_ts;

    if (!v || !v->pending)
        return ARC_AGAIN;
    v->pending = false;
    st->media.encode_us_total += now_us - v->start_us;

    rtp_ts    = st->ts_offset + (uint32_t)arc_ticks_from_us(v->capture_us,
                                                            ARC_PEER_VIDEO_CLOCK_HZ);
    room_pkts = ARC_PEER_TX_RING_PKTS - (int32_t)arc_ring_count(st->to_net);
    n = packetize(st, rtp_ts, now_us, pkts, room_pkts);
    if (n == 0) {
        /* What refers to it is of no use without it. */
        if (is_reference(&v->picture))
            arc_atomic_store_relaxed(&st->key_wanted, 1);
        st->media.frames_dropped++;
        return ARC_AGAIN;
    }
    queue_picture(st, rtp_ts, now_us, pkts, n);
    st->media.frames_encoded++;
    st->media.key_frames += v->picture.is_key;
    st->media.bytes += v->picture.len;
    return ARC_OK;
}

/* --- settings, from any thread --------------------------------------------------- */

enum arc_status arc_send_set_size(struct arc_sendstream *st, int32_t width_px,
                                  int32_t height_px)
{
    const struct arc_venc_config size = {.width = width_px, .height = height_px};

    if (!st->video || !st->video->enc || width_px < ARC_VENC_MIN_PX ||
        width_px > ARC_VFRAME_MAX_PX || height_px < ARC_VENC_MIN_PX ||
        height_px > ARC_VFRAME_MAX_PX)
        return ARC_ERR_ARG;
    arc_atomic_store_relaxed(&st->video->size, pack_size(&size));
    return ARC_OK;
}

enum arc_status arc_send_set_frame_rate(struct arc_sendstream *st,
                                        int32_t frames_in_1000s)
{
    if (!st->video || !st->video->enc || frames_in_1000s < MILLI ||
        frames_in_1000s > ARC_VENC_MAX_FPS * MILLI)
        return ARC_ERR_ARG;
    arc_atomic_store_relaxed(&st->video->fps_milli, frames_in_1000s);
    return ARC_OK;
}
