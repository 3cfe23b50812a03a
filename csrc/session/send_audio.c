/**
 * @file session/send_audio.c  Sound in: gather > encode > redundancy > ring
 *
 * The media side of a sent stream of sound.
 */
#include <string.h>

#include "base/atomic.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "session/peer.h"
#include "wire/red.h"
#include "wire/rtp.h"

enum {
    RESYNC_US       = 60000, /* a capture gap that moves the timestamps */
    AUDIO_MAX_BYTES = 1500,  /* no datagram is longer                   */
};

/** Room for a frame, beside what redundancy needs in any case. */
static int32_t frame_room(const struct arc_sendstream *st)
{
    return arc_peer_payload_room(st) -
           (st->redenc ? ARC_RED_PRIMARY_BYTES : 0);
}

/** What became of the samples of one packet. */
struct encoded {
    uint8_t data[AUDIO_MAX_BYTES];
    int32_t len;          /* 0: nothing is sent                         */
    uint8_t payload_type;
    bool    noise;        /* comfort noise, RFC 3389                    */
    bool    silent;       /* nobody spoke; there may be copies, however */
};

/** The gathered samples as a payload, with its redundancy. */
static enum arc_status encode(struct arc_sendstream *st, struct encoded *e)
{
    uint8_t frame[AUDIO_MAX_BYTES];
    int32_t len = 0;
    enum arc_status status =
        arc_aenc_encode(st->aenc, st->gather.pcm, frame, frame_room(st), &len,
                        &e->noise);

    if (status != ARC_OK) {
        st->media.codec_errors++;
        return status;
    }
    e->silent = len == 0;
    e->len    = arc_peer_add_copies(st, frame, len, e->data, &e->payload_type);
    if (e->noise)
        e->payload_type = (uint8_t)st->cfg.noise_payload_type; /* RFC 3389 §4 */
    return ARC_OK;
}

/** The payload as an RTP packet; NULL: there is none left. */
static struct arc_pkt *make_packet(struct arc_sendstream *st,
                                   const struct encoded *e, uint32_t rtp_ts,
                                   int64_t now_us)
{
    struct arc_pkt *pkt = arc_peer_new_rtp(st, rtp_ts, now_us);
    const bool speaks = !e->noise && !e->silent;

    if (!pkt)
        return NULL;
    arc_rtp_set_payload_type(pkt->data, e->payload_type);
    if (speaks && !st->gather.spoke)
        arc_peer_set_marker(pkt); /* first packet of a talkspurt, RFC 7587 §4.2 */
    st->gather.spoke = speaks;
    arc_peer_write_level(st, pkt);
    memcpy(pkt->data + pkt->len, e->data, (size_t)e->len);
    pkt->len += e->len;
    return pkt;
}

/** Hand it to the network side. */
static enum arc_status hand_over(struct arc_sendstream *st,
                                 const struct encoded *e, int64_t now_us)
{
    const struct arc_gather *g = &st->gather;
    struct arc_txpkt p;

    memset(&p, 0, sizeof(p));
    p.rtp_ts        = (uint32_t)g->ts + st->ts_offset;
    p.pkt           = make_packet(st, e, p.rtp_ts, now_us);
    p.payload_bytes = e->len;
    p.capture_us    = g->capture_us;
    p.encoded_us    = now_us;
    p.first = p.last = true;
    p.once  = e->noise; /* resends have the payload type of samples */
    if (!p.pkt || !arc_peer_queue_packet(st, &p)) {
        st->media.frames_dropped++;
        return ARC_AGAIN;
    }
    st->media.bytes += e->len;
    if (e->noise || e->silent)
        st->media.frames_silent++;
    else
        st->media.frames_encoded++;
    return ARC_OK;
}

static enum arc_status stay_silent(struct arc_sendstream *st)
{
    st->media.frames_silent++;
    st->gather.spoke = false;
    return ARC_OK;
}

/** The stages of the samples of one packet, in their order. */
static enum arc_status send_gathered(struct arc_sendstream *st, int64_t now_us)
{
    struct encoded e;
    enum arc_status status;

    st->media.frames_in++;
    arc_peer_hear_own(st);
    if (arc_atomic_load_relaxed(&st->tone_lasts))
        return stay_silent(st); /* RFC 4733 §2.5.1.2: the event has its turn */
    if ((status = encode(st, &e)) != ARC_OK)
        return status;
    return e.len == 0 ? stay_silent(st) : hand_over(st, &e, now_us);
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

/** Take what is still missing of a frame. @return samples per channel */
static int32_t gather(struct arc_gather *g, const int16_t *pcm, int32_t n_samples,
                      int32_t channels, bool muted)
{
    int32_t n = (int32_t)arc_min_i64(n_samples, g->need - g->fill);
    int16_t *to = g->pcm + g->fill * channels;
    size_t bytes = (size_t)(n * channels) * sizeof(*pcm);

    if (muted)
        memset(to, 0, bytes);
    else
        memcpy(to, pcm, bytes);
    g->fill += n;
    return n;
}

/** The samples are gone; those of the next packet follow. */
static void begin_next(struct arc_sendstream *st)
{
    struct arc_gather *g = &st->gather;
    const int64_t hz = st->cfg.opus.sample_rate_hz;

    g->ts         += g->need * (int64_t)st->clock_hz / hz;
    g->capture_us += g->need * ARC_US_PER_S / hz;
    g->fill        = 0;
}

enum arc_status arc_send_audio(struct arc_sendstream *st, const int16_t *pcm,
                               int32_t n_samples, int64_t capture_us,
                               int64_t now_us)
{
    struct arc_gather *g = &st->gather;
    const int32_t channels = st->cfg.opus.channels;
    enum arc_status result = ARC_OK;

    if (st->cfg.kind != ARC_MEDIA_AUDIO || !pcm || n_samples < 1 ||
        n_samples > ARC_SESSION_MAX_SAMPLES / 2 || !arc_peer_time_ok(capture_us))
        return ARC_ERR_ARG;

    place_on_clock(st, capture_us);
    while (n_samples > 0) {
        int32_t n;

        if (g->fill == 0)
            arc_peer_apply_opus(st); /* the length of the packet among others */
        n = gather(g, pcm, n_samples, channels,
                   arc_atomic_load_relaxed(&st->muted) != 0);

        pcm       += n * channels;
        n_samples -= n;
        if (g->fill == g->need) {
            enum arc_status status = send_gathered(st, now_us);

            if (status != ARC_OK)
                result = status;
            begin_next(st);
        }
    }
    return result;
}
