/**
 * @file session/streams.c  The streams of a peer: checked, made, freed
 */
#include <stdio.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/units.h"
#include "session/peer.h"

enum {
    JITTER_FRAMES    = 512,     /* pictures                                   */
    MIN_JITTER_PKTS  = 128,     /* samples                                    */
    JITTER_PKT_MS    = 5,       /* packets of that length fill the longest delay */
    AUDIO_PACER_PKTS = 256,
    AUDIO_FLIGHT_PKTS = 192,    /* in the ring and in the pacer               */
    HISTORY_AGE_US   = 2000000,
    REORDER_WAIT_US  = 60000,   /* for a packet that nobody sends again       */
    NACK_REORDER_US  = 10000,
    NACK_TRIES       = 8,
    AUDIO_FEC_PKTS   = 128,
    VIDEO_FEC_PKTS   = 512,
    REPAIR_PERCENT   = 30,
};

/* --- checks ---------------------------------------------------------------------------- */

static bool payload_type_ok(int32_t pt)
{
    /* 64..95 would be taken for RTCP on a shared port, RFC 5761 §4. */
    return pt >= 0 && pt <= 127 && !(pt >= 64 && pt <= 95);
}

/** Payload types of one stream: media, with copies, resends, parity. */
struct types {
    int32_t type[4];
    int32_t n;
};

static struct types types_of(int32_t pt, int32_t red, int32_t rtx,
                             int32_t fec_format, int32_t fec)
{
    struct types t = {{pt, 0, 0, 0}, 1};

    if (red > 0)
        t.type[t.n++] = red;
    if (rtx >= 0)
        t.type[t.n++] = rtx;
    if (fec_format != ARC_FEC_NONE)
        t.type[t.n++] = fec;
    return t;
}

static struct types send_types(const struct arc_send_config *c)
{
    return types_of(c->payload_type, c->red_payload_type,
                    c->rtx_payload_type, c->fec.format, c->fec.payload_type);
}

static struct types recv_types(const struct arc_recv_config *c)
{
    return types_of(c->payload_type, c->red_payload_type,
                    c->rtx_payload_type, c->fec_format, c->fec_payload_type);
}

/** Each is allowed, and they differ. */
static bool types_ok(struct types t)
{
    for (int32_t i = 0; i < t.n; i++) {
        if (!payload_type_ok(t.type[i]))
            return false;
        for (int32_t k = 0; k < i; k++)
            if (t.type[i] == t.type[k])
                return false;
    }
    return true;
}

/** Some packet could belong to either. */
static bool share_a_type(struct types a, struct types b)
{
    for (int32_t i = 0; i < a.n; i++)
        for (int32_t k = 0; k < b.n; k++)
            if (a.type[i] == b.type[k])
                return true;
    return false;
}

/** A type of its own beside those of the stream; 0: none. */
static bool extra_type_ok(int32_t extra, struct types others)
{
    struct types one = {{extra, 0, 0, 0}, 1};

    return extra == 0 || (types_ok(one) && !share_a_type(one, others));
}

/** Copies are made of packets of Opus only: of others one byte of silence would
 *  not be a packet. */
static bool send_red_ok(const struct arc_send_config *c)
{
    return c->red_payload_type == 0 ||
           (c->audio_codec == ARC_AUDIO_OPUS && arc_redenc_set_ok(&c->red));
}

/** An id of the one-byte form of header extensions (RFC 8285 §4.2); 0: none. */
static bool level_id_ok(int32_t id)
{
    return id >= 0 && id <= 14;
}

/** Parity has an SSRC of its own (RFC 8627 §4.2.1); only that of ULPFEC may go in
 *  the stream (RFC 5109 §14.2). */
static bool fec_ssrc_ok(const struct arc_session *s,
                        const struct arc_send_config *c)
{
    const uint32_t ssrc = c->fec.ssrc;

    if (c->fec.format == ARC_FEC_NONE || ssrc == 0)
        return ssrc == 0 && c->fec.format != ARC_FEC_FLEXFEC;
    return ssrc != c->ssrc && !arc_peer_owns_ssrc(s, ssrc) &&
           (c->rtx_payload_type < 0 || ssrc != c->rtx_ssrc);
}

/** Those of comfort noise and of telephone events. */
static bool extra_types_ok(int32_t noise, int32_t dtmf, struct types others)
{
    return extra_type_ok(noise, others) && extra_type_ok(dtmf, others) &&
           (noise == 0 || noise != dtmf);
}

static bool send_config_ok(const struct arc_session *s,
                           const struct arc_send_config *c)
{
    bool rtx = c->rtx_payload_type >= 0;

    if (!types_ok(send_types(c)) || !fec_ssrc_ok(s, c) || c->ssrc == 0 ||
        arc_peer_owns_ssrc(s, c->ssrc))
        return false;
    if (rtx && (c->rtx_ssrc == 0 || c->rtx_ssrc == c->ssrc ||
                arc_peer_owns_ssrc(s, c->rtx_ssrc)))
        return false;
    for (int32_t i = 0; i < s->n_send; i++) {
        if (share_a_type(send_types(c), send_types(&s->send[i]->cfg)))
            return false;
    }
    if (c->kind == ARC_MEDIA_AUDIO)
        return extra_types_ok(c->noise_payload_type, c->dtmf_payload_type,
                              send_types(c)) &&
               send_red_ok(c) &&
               arc_audiocodec_frame_ok(c->audio_codec, c->opus.sample_rate_hz,
                                       c->frame_us) &&
               level_id_ok(c->level_id) && c->play_max_ms >= 0 &&
               c->play_max_ms <= ARC_PLAYQUEUE_MAX_MS;
    return c->kind == ARC_MEDIA_VIDEO;
}

static bool recv_config_ok(const struct arc_session *s,
                           const struct arc_recv_config *c)
{
    if (!types_ok(recv_types(c)))
        return false;
    for (int32_t i = 0; i < s->n_recv; i++) {
        if (share_a_type(recv_types(c), recv_types(&s->recv[i]->cfg)))
            return false;
    }
    if (c->kind == ARC_MEDIA_AUDIO)
        return (c->channels == 1 || c->channels == 2) &&
               extra_types_ok(c->noise_payload_type, c->dtmf_payload_type,
                              recv_types(c)) &&
               (c->red_payload_type == 0 || c->audio_codec == ARC_AUDIO_OPUS) &&
               level_id_ok(c->level_id);
    return c->kind == ARC_MEDIA_VIDEO;
}

static void explain(char *why, int32_t cap, const char *text)
{
    if (why && cap > 0 && !why[0])
        snprintf(why, (size_t)cap, "%s", text);
}

/* --- sent streams --------------------------------------------------------------------------- */

void arc_peer_free_send(struct arc_sendstream *st)
{
    struct arc_txpkt p;

    if (!st)
        return;
    while (st->to_net && arc_ring_pop(st->to_net, &p) == ARC_OK)
        arc_pkt_unref(p.pkt);
    arc_ring_free(st->to_net);
    arc_ring_free(st->tones);
    arc_history_free(st->history);
    arc_fecenc_free(st->fec);
    arc_aenc_free(st->aenc);
    arc_redenc_free(st->redenc);
    arc_peer_close_video(st);
    arc_mem_free(st->pcm);
    arc_mem_free(st->pcm_long);
    arc_playqueue_free(st->play);
    arc_pkt_pool_unref(st->pool);
    arc_mem_free(st);
}

static enum arc_status open_audio_encoder(struct arc_sendstream *st, char *why,
                                          int32_t why_cap)
{
    struct arc_send_config *c = &st->cfg;
    struct arc_aenc_config a = {0};
    enum arc_status status;

    a.codec    = c->audio_codec;
    a.frame_us = c->frame_us;
    a.opus     = c->opus;
    if (c->audio_codec != ARC_AUDIO_OPUS && c->noise_payload_type == 0)
        a.opus.dtx = false; /* nothing could tell of the silence */
    status = arc_aenc_new(&a, &st->aenc);
    if (status != ARC_OK) {
        if (status == ARC_ERR_ARG)
            explain(why, why_cap, "this codec has no such sample rate, channel "
                    "count, bitrate or complexity");
        return status;
    }
    if (c->audio_codec != ARC_AUDIO_OPUS &&
        arc_aenc_max_bytes(st->aenc) > arc_peer_payload_room(st)) {
        explain(why, why_cap, "a packet of so many samples is longer than a "
                "datagram may be");
        return ARC_ERR_ARG;
    }
    st->gather.need = arc_aenc_frame_samples(st->aenc);
    if (c->level_id > 0 &&
        arc_vad_init(&st->vad, c->opus.sample_rate_hz, c->opus.channels) != ARC_OK)
        return ARC_ERR_ARG;
    st->gather.pcm = st->pcm =
        arc_mem_zalloc((size_t)st->gather.need, 2 * sizeof(*st->pcm));
    st->target_bps = st->applied_bps = c->opus.bitrate_bps;
    st->applied_loss_pct = st->loss_pct = c->opus.expected_loss_pct;
    if (!st->pcm)
        return ARC_ERR_NOMEM;
    if ((status = arc_peer_open_opus(st)) != ARC_OK) {
        explain(why, why_cap, status == ARC_ERR_UNSUPPORTED
                    ? "the libopus that is loaded codes no DRED"
                    : "Opus has no such bandwidth, channel count or length of DRED");
        return status;
    }
    if (c->red_payload_type == 0)
        return ARC_OK;
    st->applied_red = st->red_set = arc_peer_pack_red(&c->red);
    st->applied_red_total_bps = st->red_total_bps = c->red.max_total_bps;
    return arc_redenc_new(&c->red, c->rtx_payload_type >= 0, &st->redenc);
}

static enum arc_status open_encoder(struct arc_sendstream *st, char *why,
                                    int32_t why_cap)
{
    struct arc_send_config *c = &st->cfg;

    if (c->kind == ARC_MEDIA_AUDIO)
        return open_audio_encoder(st, why, why_cap);
    return arc_peer_open_video(st, why, why_cap);
}

/** Packets kept for retransmission: of samples what they live for, of pictures at
 *  most half of what the stream has, or the encoder would wait for those that only
 *  another packet can push out. */
static int32_t history_pkts(const struct arc_sendstream *st)
{
    int32_t n = ARC_PEER_HISTORY_PKTS;

    if (st->cfg.kind == ARC_MEDIA_AUDIO) {
        while (n > 2 && n / 2 * (int64_t)st->cfg.frame_us > HISTORY_AGE_US)
            n /= 2;
        return n;
    }
    while (n > st->session->cfg.pool_pkts / 2)
        n /= 2;
    return n;
}

/** What the media side makes packets from: as many as can be on their way. */
static enum arc_status open_pool(struct arc_sendstream *st, bool resend)
{
    const struct arc_session_config *c = &st->session->cfg;

    if (st->cfg.kind == ARC_MEDIA_VIDEO)
        return arc_pkt_pool_new(c->pool_pkts, &st->pool);
    if (c->lent_pool && !resend)
        return arc_pkt_pool_new_share(AUDIO_FLIGHT_PKTS, &st->pool);
    return arc_pkt_pool_new(AUDIO_FLIGHT_PKTS + (resend ? history_pkts(st) : 0),
                            &st->pool);
}

void arc_send_lend_pool(struct arc_sendstream *st, struct arc_pkt_pool *pool)
{
    if (st->session->cfg.lent_pool && st->cfg.kind == ARC_MEDIA_AUDIO &&
        !st->history)
        arc_pkt_pool_lend(st->pool, pool);
}

/** What the network side needs once something is sent. */
static enum arc_status reserve(struct arc_session *s, bool audio)
{
    enum arc_status status =
        arc_pacer_reserve(s->pacer, audio ? AUDIO_PACER_PKTS
                                          : ARC_PEER_TX_RING_PKTS);

    if (status == ARC_OK && !s->sent_frames)
        status = arc_ring_new(ARC_PEER_SENT_FRAMES, sizeof(struct arc_sent_frame),
                              &s->sent_frames);
    return status;
}

static enum arc_status open_send(struct arc_session *s,
                                 struct arc_sendstream *st, char *why,
                                 int32_t why_cap)
{
    bool audio = st->cfg.kind == ARC_MEDIA_AUDIO;
    bool resend = s->cfg.nack && st->cfg.rtx_payload_type >= 0;
    uint32_t ring_pkts = audio ? ARC_PEER_AUDIO_RING_PKTS : ARC_PEER_TX_RING_PKTS;
    enum arc_status status = open_encoder(st, why, why_cap);

    if (status != ARC_OK)
        return status;
    if ((status = open_pool(st, resend)) != ARC_OK ||
        (status = arc_ring_new(ring_pkts, sizeof(struct arc_txpkt),
                               &st->to_net)) != ARC_OK)
        return status;
    if (resend &&
        (status = arc_history_new(history_pkts(st), HISTORY_AGE_US,
                                  &st->history)) != ARC_OK)
        return status;
    if (st->cfg.fec.format != ARC_FEC_NONE &&
        (status = arc_peer_fec_open(st)) != ARC_OK) {
        explain(why, why_cap, "FEC: payload type, block or policy is out of range");
        return status;
    }
    if ((status = reserve(s, audio)) != ARC_OK)
        return status;
    if (audio && st->cfg.dtmf_payload_type > 0 &&
        (status = arc_ring_new(ARC_SESSION_MAX_TONES, sizeof(struct arc_dtmf_tone),
                               &st->tones)) != ARC_OK)
        return status;
    arc_dtmftx_init(&st->dtmf, st->clock_hz);
    arc_txstats_init(&st->stats);
    arc_repairbudget_init(&st->repair, s->cfg.repair_percent > 0
                                           ? s->cfg.repair_percent
                                           : REPAIR_PERCENT);

    /* RFC 3550 §5.1: random start values. */
    st->next_seq16     = (uint16_t)arc_rng_below(&s->rng, 0x8000);
    st->next_rtx_seq16 = (uint16_t)arc_rng_below(&s->rng, 0x8000);
    if (st->fec)
        st->next_fec_seq16 = (uint16_t)arc_rng_below(&s->rng, 0x8000);
    st->next_seq       = st->next_seq16;
    st->ts_offset      = (uint32_t)arc_rng_u64(&s->rng);
    st->last_key_us    = INT64_MIN / 2;
    st->renamed_us     = INT64_MIN;
    return ARC_OK;
}

enum arc_status arc_session_add_send(struct arc_session *s,
                                     const struct arc_send_config *cfg,
                                     struct arc_sendstream **out, char *why,
                                     int32_t why_cap)
{
    struct arc_sendstream *st;
    enum arc_status status;

    if (why && why_cap > 0)
        why[0] = 0;
    if (!cfg || !out || !send_config_ok(s, cfg)) {
        explain(why, why_cap, "SSRC or payload type is not allowed or already "
                              "in use, or the frame length is not");
        return ARC_ERR_ARG;
    }
    if (s->n_send == ARC_SESSION_MAX_STREAMS) {
        explain(why, why_cap, "the session has as many sent streams as it can");
        return ARC_ERR_LIMIT;
    }
    st = arc_mem_zalloc(1, sizeof(*st));
    if (!st)
        return ARC_ERR_NOMEM;
    st->session  = s;
    st->index    = s->n_send;
    st->cfg      = *cfg;
    st->clock_hz = cfg->kind == ARC_MEDIA_VIDEO
                       ? ARC_PEER_VIDEO_CLOCK_HZ
                       : arc_audiocodec_clock_hz(cfg->audio_codec,
                                                 cfg->opus.sample_rate_hz);
    status = open_send(s, st, why, why_cap);
    if (status == ARC_OK && !arc_peer_claim(s, &st->cfg)) {
        explain(why, why_cap, "the other side uses this SSRC");
        status = ARC_ERR_ARG;
    }
    if (status != ARC_OK) {
        arc_peer_free_send(st);
        return status;
    }
    s->send[s->n_send] = st;
    arc_atomic_store_release(&s->n_send, s->n_send + 1);
    *out = st;
    return ARC_OK;
}

/* --- received streams -------------------------------------------------------------------------- */

void arc_peer_free_recv(struct arc_recvstream *st)
{
    struct arc_rxpkt p;

    if (!st)
        return;
    while (st->to_media && arc_ring_pop(st->to_media, &p) == ARC_OK)
        arc_pkt_unref(p.pkt);
    while (st->n_pictures > 0)
        arc_vframe_unref(st->pictures[--st->n_pictures].frame);
    arc_ring_free(st->to_media);
    arc_nackgen_free(st->nack);
    arc_fecdec_free(st->fec);
    arc_jitter_free(st->jitter);
    arc_assemble_free(st->assemble);
    arc_voice_free(st->voice);
    arc_vdec_free(st->vdec);
    arc_mem_free(st->refs);
    arc_mem_free(st->coded);
    arc_mem_free(st);
}

static int32_t jitter_pkts(const struct arc_recv_config *c)
{
    return (int32_t)arc_clamp_i64(c->max_latency_ms / JITTER_PKT_MS,
                                  MIN_JITTER_PKTS, JITTER_FRAMES);
}

static enum arc_status open_voice(struct arc_recvstream *st)
{
    const struct arc_recv_config *c = &st->cfg;
    const struct arc_voice_config v = {
        .codec              = c->audio_codec,
        .sample_rate_hz     = c->sample_rate_hz,
        .channels           = c->channels,
        .min_latency_ms     = c->min_latency_ms,
        .max_latency_ms     = c->max_latency_ms,
        .initial_latency_ms = c->initial_latency_ms,
        .adaptive           = c->adaptive,
        .profile            = c->profile,
        .cn_payload_type    = c->noise_payload_type > 0 ? c->noise_payload_type
                                                        : -1,
        .capacity_pkts      = jitter_pkts(c),
        .scratch            = c->scratch,
    };

    return arc_voice_new(&v, &st->voice);
}

static enum arc_status open_pictures(struct arc_recvstream *st, char *why,
                                     int32_t why_cap)
{
    const struct arc_recv_config *c = &st->cfg;
    const struct arc_jitter_config j = {
        .clock_hz           = st->clock_hz,
        .min_latency_ms     = c->min_latency_ms,
        .max_latency_ms     = c->max_latency_ms,
        .initial_latency_ms = c->initial_latency_ms,
        .adaptive           = c->adaptive,
        .capacity_pkts      = JITTER_FRAMES,
    };
    struct arc_assemble_config a = {0};
    enum arc_status status = arc_jitter_new(&j, &st->jitter);

    if (status != ARC_OK)
        return status;
    st->coded = arc_mem_zalloc(1, ARC_PEER_PICTURE_BYTES);
    st->refs  = arc_mem_zalloc(1, sizeof(*st->refs));
    if (!st->coded || !st->refs)
        return ARC_ERR_NOMEM;
    status = arc_framerefs_init(st->refs, c->codec);
    if (status != ARC_OK)
        return status;
    a.max_pkts    = ARC_PEER_RX_RING_PKTS;
    a.max_frames  = 64;
    a.wait_us     = c->max_latency_ms * ARC_US_PER_MS;
    if (!st->session->cfg.nack || c->rtx_payload_type < 0)
        a.wait_us = arc_min_i64(a.wait_us, REORDER_WAIT_US);
    status = arc_assemble_new(&a, &st->assemble);
    if (status != ARC_OK)
        return status;
    return arc_vdec_new(c->codec, c->threads > 0 ? c->threads : 1, &st->vdec,
                        why, why_cap);
}

/** Copies pass through the ring beside their packets. */
static uint32_t media_ring_pkts(const struct arc_recv_config *c)
{
    if (c->kind == ARC_MEDIA_VIDEO)
        return ARC_PEER_RX_RING_PKTS;
    return c->red_payload_type > 0 ? ARC_PEER_RED_RING_PKTS
                                   : ARC_PEER_AUDIO_RING_PKTS;
}

/** Packets kept for recovery: enough for the longest blocks, but not more than a
 *  quarter of what the session has. */
static enum arc_status open_fecdec(const struct arc_session *s,
                                   struct arc_recvstream *st)
{
    struct arc_fecdec_config c = {0};

    c.format      = st->cfg.fec_format;
    c.window_pkts = st->cfg.kind == ARC_MEDIA_AUDIO ? AUDIO_FEC_PKTS
                                                    : VIDEO_FEC_PKTS;
    while (c.window_pkts > s->cfg.pool_pkts / 4)
        c.window_pkts /= 2;
    return arc_fecdec_new(&c, &st->fec);
}

static enum arc_status open_recv(struct arc_session *s,
                                 struct arc_recvstream *st, char *why,
                                 int32_t why_cap)
{
    const struct arc_recv_config *c = &st->cfg;
    bool audio = c->kind == ARC_MEDIA_AUDIO;
    struct arc_nackgen_config n = {0};
    enum arc_status status = audio ? open_voice(st) : open_pictures(st, why, why_cap);

    if (status == ARC_ERR_ARG)
        explain(why, why_cap, "latencies must be 0 <= min <= initial <= max, and "
                              "the sample rate one that the codec can give");
    if (status != ARC_OK)
        return status;
    status = arc_ring_new(media_ring_pkts(c), sizeof(struct arc_rxpkt),
                          &st->to_media);
    if (status != ARC_OK)
        return status;

    n.max_missing_pkts = 1024;
    n.max_tries        = NACK_TRIES;
    n.reorder_wait_us  = NACK_REORDER_US;
    n.give_up_us       = arc_max_i64(c->max_latency_ms, 1) * ARC_US_PER_MS;
    if (s->cfg.nack && (!audio || s->cfg.nack_audio) &&
        c->rtx_payload_type >= 0 &&
        (status = arc_nackgen_new(&n, &st->nack)) != ARC_OK)
        return status;

    if (c->fec_format != ARC_FEC_NONE &&
        (status = open_fecdec(s, st)) != ARC_OK)
        return status;

    arc_dtmfrx_init(&st->dtmf, st->clock_hz);
    arc_unwrap_init(&st->seq);
    arc_unwrap_init(&st->ts);
    arc_rxstats_init(&st->stats, st->clock_hz);
    arc_heard_init(&st->heard, c->max_latency_ms);
    st->last_pli_us = INT64_MIN / 2;
    return arc_peer_open_repair(st);
}

enum arc_status arc_session_add_recv(struct arc_session *s,
                                     const struct arc_recv_config *cfg,
                                     struct arc_recvstream **out, char *why,
                                     int32_t why_cap)
{
    struct arc_recvstream *st;
    enum arc_status status;

    if (why && why_cap > 0)
        why[0] = 0;
    if (!cfg || !out || !recv_config_ok(s, cfg)) {
        explain(why, why_cap, "payload type is not allowed or already in use, "
                              "or the channel count is not 1 or 2");
        return ARC_ERR_ARG;
    }
    if (s->n_recv == ARC_SESSION_MAX_STREAMS) {
        explain(why, why_cap, "the session has as many received streams as it "
                              "can");
        return ARC_ERR_LIMIT;
    }
    st = arc_mem_zalloc(1, sizeof(*st));
    if (!st)
        return ARC_ERR_NOMEM;
    st->session  = s;
    st->index    = s->n_recv;
    st->cfg      = *cfg;
    st->clock_hz = cfg->kind == ARC_MEDIA_VIDEO
                       ? ARC_PEER_VIDEO_CLOCK_HZ
                       : arc_audiocodec_clock_hz(
                             cfg->audio_codec,
                             arc_audiocodec_rate_hz(cfg->audio_codec,
                                                    cfg->sent_rate_hz));
    status = open_recv(s, st, why, why_cap);
    if (status != ARC_OK) {
        arc_peer_free_recv(st);
        return status;
    }
    s->recv[s->n_recv] = st;
    arc_atomic_store_release(&s->n_recv, s->n_recv + 1);
    *out = st;
    return ARC_OK;
}
