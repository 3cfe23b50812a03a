/**
 * @file session/send.c  Media in: gather > encode > redundancy | packetize > ring
 *
 * The media side of a sent stream. What happens to the packets afterwards is
 * in leave.c.
 */
#include <string.h>

#include "base/atomic.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "session/peer.h"
#include "wire/pl_h264.h"
#include "wire/red.h"
#include "wire/rtp.h"

enum {
    MAX_PKTS_PER_FRAME  = 1024,
    RESYNC_US           = 60000, /* a capture gap that moves the timestamps   */
    AUDIO_MAX_BYTES     = 1500, /* no datagram is longer                       */
};

/** What a clock may show: beyond it sums of times could overflow. */
static bool time_ok(int64_t us)
{
    return us > -ARC_RXPKT_MAX_US && us < ARC_RXPKT_MAX_US;
}

/* --- packets -------------------------------------------------------------- */

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

/** A packet with its RTP header written and its payload still to come. */
static struct arc_pkt *new_rtp(struct arc_sendstream *st, uint32_t rtp_ts,
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

static void set_marker(struct arc_pkt *pkt)
{
    pkt->data[1] |= 0x80; /* RFC 3550 §5.1 */
}

/** Hand one packet to the network side; its reference passes. */
static bool queue_packet(struct arc_sendstream *st, const struct arc_txpkt *p)
{
    if (arc_ring_push(st->to_net, p) == ARC_OK) {
        st->media.pkts++;
        return true;
    }
    arc_pkt_unref(p->pkt);
    return false;
}

/* --- audio ------------------------------------------------------------------ */

/* A set of copies as one number, so that any thread may hand it over: 3 bits how
 * many, 9 of overhead, 1 whether of speech only, 4 of each distance. The bound of
 * the total rate is another one. */
enum {
    RED_COUNT_BITS    = 3,
    RED_PCT_BITS      = 9,
    RED_SPEECH_BIT    = RED_COUNT_BITS + RED_PCT_BITS,
    RED_DISTANCES_BIT = RED_SPEECH_BIT + 1,
    RED_DISTANCE_BITS = 4,
};

/** No more than wideband while copies leave too little rate for more. */
static void limit_bandwidth(struct arc_sendstream *st, struct arc_opus_enc *opus)
{
    const bool copies = (arc_atomic_load_relaxed(&st->red_set) &
                         ((1 << RED_COUNT_BITS) - 1)) != 0;
    const bool narrow = st->redenc && copies &&
                        st->applied_bps < st->cfg.red_wideband_below_bps;

    if (narrow != st->is_narrow &&
        arc_opus_enc_set_max_bandwidth(
            opus, narrow ? ARC_OPUS_BANDWIDTH_WB : ARC_OPUS_BANDWIDTH_AUTO) ==
            ARC_OK)
        st->is_narrow = narrow;
}

static void apply_audio_settings(struct arc_sendstream *st)
{
    struct arc_opus_enc *opus = arc_aenc_opus(st->aenc);
    int32_t bps  = arc_atomic_load_relaxed(&st->target_bps);
    int32_t loss = arc_atomic_load_relaxed(&st->loss_pct);

    if (opus && bps != st->applied_bps &&
        arc_opus_enc_set_bitrate(opus, bps) == ARC_OK)
        st->applied_bps = bps;
    if (opus && loss != st->applied_loss_pct &&
        arc_opus_enc_set_loss_pct(opus, loss) == ARC_OK)
        st->applied_loss_pct = loss;
    if (opus)
        limit_bandwidth(st, opus);
    st->media.target_bps = st->applied_bps;
}

int32_t arc_peer_pack_red(const struct arc_redenc_set *set)
{
    int32_t at = RED_DISTANCES_BIT;
    int32_t packed = set->n_copies | set->max_overhead_pct << RED_COUNT_BITS |
                     set->speech_only << RED_SPEECH_BIT;

    for (int32_t i = 0; i < set->n_copies; i++, at += RED_DISTANCE_BITS)
        packed |= (set->distances[i] - 1) << at;
    return packed;
}

static void apply_redundancy(struct arc_sendstream *st)
{
    const int32_t packed = arc_atomic_load_relaxed(&st->red_set);
    const int32_t total_bps = arc_atomic_load_relaxed(&st->red_total_bps);
    int32_t rest = packed >> RED_DISTANCES_BIT;
    struct arc_redenc_set set;

    if (packed == st->applied_red && total_bps == st->applied_red_total_bps)
        return;
    memset(&set, 0, sizeof(set));
    set.n_copies         = packed & ((1 << RED_COUNT_BITS) - 1);
    set.max_overhead_pct = packed >> RED_COUNT_BITS & ((1 << RED_PCT_BITS) - 1);
    set.speech_only      = packed >> RED_SPEECH_BIT & 1;
    set.max_total_bps    = total_bps;
    for (int32_t i = 0; i < set.n_copies; i++, rest >>= RED_DISTANCE_BITS)
        set.distances[i] = 1 + (rest & ((1 << RED_DISTANCE_BITS) - 1));
    arc_redenc_change(st->redenc, &set);
    st->applied_red           = packed;
    st->applied_red_total_bps = total_bps;
}

/** The payload that a frame leaves in, with its payload type. @return bytes; 0:
 *  nothing is sent */
static int32_t add_redundancy(struct arc_sendstream *st, const uint8_t *frame,
                              int32_t len, uint8_t *out, uint8_t *payload_type)
{
    const uint32_t rtp_ts = (uint32_t)st->gather.ts + st->ts_offset;
    struct arc_redenc_stats stats;
    bool is_red = false;
    int32_t n = 0;

    *payload_type = (uint8_t)st->cfg.payload_type;
    if (!st->redenc) {
        memcpy(out, frame, (size_t)len);
        return len;
    }
    apply_redundancy(st);
    if (arc_redenc_build(st->redenc, st->cfg.payload_type, rtp_ts, frame, len,
                         out, arc_peer_payload_room(st), &n, &is_red) != ARC_OK)
        n = 0;
    if (is_red)
        *payload_type = (uint8_t)st->cfg.red_payload_type;
    arc_redenc_stats(st->redenc, &stats);
    st->media.copies          = stats.copies;
    st->media.copy_bytes      = stats.copy_bytes;
    st->media.copies_left_out = stats.left_out_room + stats.left_out_rate +
                                stats.left_out_form;
    return n;
}

/** Room for a frame, beside what redundancy needs in any case. */
static int32_t frame_room(const struct arc_sendstream *st)
{
    return arc_peer_payload_room(st) -
           (st->redenc ? ARC_RED_PRIMARY_BYTES : 0);
}

static enum arc_status encode_gathered(struct arc_sendstream *st,
                                       int64_t now_us)
{
    struct arc_gather *g = &st->gather;
    uint8_t frame[AUDIO_MAX_BYTES], data[AUDIO_MAX_BYTES], payload_type;
    struct arc_txpkt p;
    int32_t len = 0;
    bool noise, silent;
    enum arc_status status;

    apply_audio_settings(st);
    arc_peer_hear_own(st);
    st->media.frames_in++;
    if (arc_atomic_load_relaxed(&st->tone_lasts)) {
        st->media.frames_silent++; /* RFC 4733 §2.5.1.2: the event has its turn */
        g->spoke = false;
        return ARC_OK;
    }
    status = arc_aenc_encode(st->aenc, g->pcm, frame, frame_room(st), &len,
                             &noise);
    if (status != ARC_OK) {
        st->media.codec_errors++;
        return status;
    }
    silent = len == 0;
    len    = add_redundancy(st, frame, len, data, &payload_type);
    if (len == 0) {
        st->media.frames_silent++;
        g->spoke = false;
        return ARC_OK;
    }

    memset(&p, 0, sizeof(p));
    p.rtp_ts = (uint32_t)g->ts + st->ts_offset;
    p.pkt    = new_rtp(st, p.rtp_ts, now_us);
    if (!p.pkt) {
        st->media.frames_dropped++;
        return ARC_AGAIN;
    }
    if (noise)
        payload_type = (uint8_t)st->cfg.noise_payload_type; /* RFC 3389 §4 */
    arc_rtp_set_payload_type(p.pkt->data, payload_type);
    if (!noise && !silent && !g->spoke)
        set_marker(p.pkt); /* first packet of a talkspurt, RFC 7587 §4.2 */
    g->spoke = !noise && !silent;
    arc_peer_write_level(st, p.pkt);
    memcpy(p.pkt->data + p.pkt->len, data, (size_t)len);
    p.pkt->len     += len;
    p.payload_bytes = len;
    p.capture_us    = g->capture_us;
    p.encoded_us    = now_us;
    p.first = p.last = true;
    p.once  = noise; /* resends have the payload type of samples */
    if (!queue_packet(st, &p)) {
        st->media.frames_dropped++;
        return ARC_AGAIN;
    }
    if (noise || silent)
        st->media.frames_silent++;
    else
        st->media.frames_encoded++;
    st->media.bytes += len;
    return ARC_OK;
}

/** Where the next sample stands on the RTP clock: it follows the last one,
 *  unless the source has left something out. */
static void place_on_clock(struct arc_sendstream *st, int64_t capture_us)
{
    struct arc_gather *g = &st->gather;
    const int64_t hz = st->cfg.opus.sample_rate_hz;
    int64_t expected_us;

    if (!g->started) {
        g->started    = true;
        g->capture_us = capture_us;
        return;
    }
    expected_us = g->capture_us + g->fill * ARC_US_PER_S / hz;
    if (capture_us - expected_us < RESYNC_US &&
        expected_us - capture_us < RESYNC_US)
        return;
    if (capture_us > expected_us)
        g->ts += arc_ticks_from_us(capture_us - expected_us, st->clock_hz);
    g->capture_us += capture_us - expected_us;
}

enum arc_status arc_send_audio(struct arc_sendstream *st, const int16_t *pcm,
                               int32_t n_samples, int64_t capture_us,
                               int64_t now_us)
{
    struct arc_gather *g = &st->gather;
    const int32_t channels = st->cfg.opus.channels;
    const int64_t hz = st->cfg.opus.sample_rate_hz;
    bool muted = arc_atomic_load_relaxed(&st->muted) != 0;
    enum arc_status result = ARC_OK;

    if (st->cfg.kind != ARC_MEDIA_AUDIO || !pcm || n_samples < 1 ||
        n_samples > ARC_SESSION_MAX_SAMPLES / 2 || !time_ok(capture_us))
        return ARC_ERR_ARG;

    place_on_clock(st, capture_us);
    while (n_samples > 0) {
        int32_t n = (int32_t)arc_min_i64(n_samples, g->need - g->fill);
        int16_t *to = g->pcm + g->fill * channels;
        size_t bytes = (size_t)(n * channels) * sizeof(*pcm);

        if (muted)
            memset(to, 0, bytes);
        else
            memcpy(to, pcm, bytes);
        g->fill   += n;
        pcm       += n * channels;
        n_samples -= n;
        if (g->fill == g->need) {
            enum arc_status status = encode_gathered(st, now_us);

            if (status != ARC_OK)
                result = status;
            g->fill = 0;
            g->ts  += g->need * (int64_t)st->clock_hz / hz;
            g->capture_us += g->need * ARC_US_PER_S / hz;
        }
    }
    return result;
}

/* --- video ------------------------------------------------------------------- */

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

    if (st->cfg.kind != ARC_MEDIA_VIDEO || !frame || !time_ok(capture_us))
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
                            ? new_rtp(st, rtp_ts, now_us) : NULL;
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

    set_marker(pkts[n - 1].pkt);
    for (int32_t i = 0; i < n; i++) {
        pkts[i].rtp_ts     = rtp_ts;
        pkts[i].capture_us = st->pending_capture_us;
        pkts[i].encoded_us = now_us;
        pkts[i].is_key     = st->pending.is_key;
        pkts[i].first      = i == 0;
        pkts[i].last       = i == n - 1;
        queue_packet(st, &pkts[i]);
    }
    st->media.frames_encoded++;
    st->media.key_frames += st->pending.is_key;
    st->media.bytes += st->pending.len;
    return ARC_OK;
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

enum arc_status arc_send_set_redundancy(struct arc_sendstream *st,
                                        const struct arc_redenc_set *set)
{
    if (!st->redenc || !arc_redenc_set_ok(set))
        return ARC_ERR_ARG;
    arc_atomic_store_relaxed(&st->red_total_bps, set->max_total_bps);
    arc_atomic_store_relaxed(&st->red_set, arc_peer_pack_red(set));
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
               ? arc_audiocodec_name(st->cfg.audio_codec) : st->cfg.video.name;
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
