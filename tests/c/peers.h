/**
 * @file tests/c/peers.h  Sessions, media and hand-made packets for the C tests
 *
 * Two sessions and what lies between them: a pipe that loses, doubles and
 * delays datagrams on demand. Everything is driven by a clock of the test's own.
 */
#ifndef ARC_TESTS_PEERS_H
#define ARC_TESTS_PEERS_H

#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "base/units.h"
#include "session/session.h"
#include "wire/rtp.h"
#include "check.h"

enum {
    AUDIO_PT = 111, AUDIO_RTX_PT = 112, VIDEO_PT = 97, VIDEO_RTX_PT = 98,
    AUDIO_SSRC = 0xa0d10, VIDEO_SSRC = 0x51de0, RTX_SSRC = 0x47f0,
    WIDTH = 160, HEIGHT = 96, MTU = 1200, MS = 1000, AUDIO_SAMPLES = 960,
};

/* --- sessions ------------------------------------------------------------------ */

static inline struct arc_session_config session_config(uint64_t seed, bool srtp)
{
    struct arc_session_config c;

    memset(&c, 0, sizeof(c));
    c.srtp = srtp;
    c.srtp_send.profile  = ARC_SRTP_AEAD_AES_128_GCM;
    c.srtp_send.key_len  = 16;
    c.srtp_send.salt_len = 14;
    memset(c.srtp_send.master_key, 7, 16);
    c.srtp_receive = c.srtp_send;
    strcpy(c.cname, "peer");
    c.seed         = seed;
    c.ntp_at_zero  = UINT64_C(3900000000) << 32;
    c.pool_pkts    = 4096;
    c.mtu_bytes    = MTU;
    c.pace_percent = 250;
    c.nack         = true;
    return c;
}

static inline struct arc_session *new_session(const struct arc_session_config *c)
{
    struct arc_session *s = NULL;

    CHECK(arc_session_new(c, 0, &s) == ARC_OK);
    return s;
}

static inline struct arc_send_config audio_config(void)
{
    struct arc_send_config c;

    memset(&c, 0, sizeof(c));
    c.kind             = ARC_MEDIA_AUDIO;
    c.ssrc             = AUDIO_SSRC;
    c.payload_type     = AUDIO_PT;
    c.rtx_payload_type = -1;
    c.frame_us         = 20000;
    c.opus.sample_rate_hz = 48000;
    c.opus.channels       = 1;
    c.opus.bitrate_bps    = 32000;
    c.opus.application    = ARC_OPUS_APPLICATION_VOIP;
    return c;
}

static inline struct arc_send_config video_config(bool rtx)
{
    struct arc_send_config c;

    memset(&c, 0, sizeof(c));
    c.kind             = ARC_MEDIA_VIDEO;
    c.ssrc             = VIDEO_SSRC;
    c.rtx_ssrc         = RTX_SSRC;
    c.payload_type     = VIDEO_PT;
    c.rtx_payload_type = rtx ? VIDEO_RTX_PT : -1;
    strcpy(c.video.name, "libx264");
    c.video.codec          = ARC_VIDEO_H264;
    c.video.width          = WIDTH;
    c.video.height         = HEIGHT;
    c.video.frame_rate_num = 25;
    c.video.frame_rate_den = 1;
    c.video.bitrate_bps    = 400000;
    c.video.threads        = 1;
    c.video.speed          = 7;
    return c;
}

static inline struct arc_recv_config recv_config(int32_t kind)
{
    struct arc_recv_config c;

    memset(&c, 0, sizeof(c));
    c.kind             = kind;
    c.payload_type     = kind == ARC_MEDIA_AUDIO ? AUDIO_PT : VIDEO_PT;
    c.rtx_payload_type = kind == ARC_MEDIA_AUDIO ? -1 : VIDEO_RTX_PT;
    c.sample_rate_hz   = 48000;
    c.channels         = 1;
    c.codec            = ARC_VIDEO_H264;
    c.threads          = 1;
    c.max_latency_ms   = 500;
    c.initial_latency_ms = 20;
    c.adaptive         = true;
    return c;
}

static inline struct arc_sendstream *
add_send(struct arc_session *s, const struct arc_send_config *c)
{
    struct arc_sendstream *st = NULL;
    char why[200];
    enum arc_status status = arc_session_add_send(s, c, &st, why, sizeof(why));

    if (status != ARC_OK)
        fprintf(stderr, "add_send: %s\n", why);
    CHECK(status == ARC_OK);
    return st;
}

static inline struct arc_recvstream *
add_recv(struct arc_session *s, const struct arc_recv_config *c)
{
    struct arc_recvstream *st = NULL;
    char why[200];

    CHECK(arc_session_add_recv(s, c, &st, why, sizeof(why)) == ARC_OK);
    return st;
}

/* --- media ----------------------------------------------------------------------- */

/** A picture of noise, for which an encoder spends the rate it has; the caller
 *  drops the reference. */
static inline struct arc_vframe *picture(int i)
{
    struct arc_vframe *f = NULL;
    uint32_t noise = (uint32_t)i * 747796405u + 1;

    CHECK(arc_vframe_new(ARC_PIX_I420, WIDTH, HEIGHT, &f) == ARC_OK);
    memset(f->data[1], 128, (size_t)f->stride[1] * (HEIGHT / 2));
    memset(f->data[2], 128, (size_t)f->stride[2] * (HEIGHT / 2));
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            f->data[0][y * f->stride[0] + x] =
                (uint8_t)((noise = noise * 1664525u + 1013904223u) >> 24);
    return f;
}

static inline enum arc_status send_picture(struct arc_sendstream *st, int i,
                                           int64_t now_us)
{
    struct arc_vframe *f = picture(i);
    enum arc_status status = arc_send_video(st, f, now_us, now_us);

    if (status == ARC_OK)
        status = arc_send_flush(st, now_us);
    arc_vframe_unref(f);
    return status;
}

/** A buzz: what Opus spends its bits on. */
static inline void buzz(int16_t *pcm, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        pcm[i] = (int16_t)(i % 240 * 60 - 7200);
}

static inline enum arc_status send_sound(struct arc_sendstream *st,
                                         int64_t now_us)
{
    int16_t pcm[AUDIO_SAMPLES];

    buzz(pcm, AUDIO_SAMPLES);
    return arc_send_audio(st, pcm, AUDIO_SAMPLES, now_us, now_us);
}

/* --- a pipe ------------------------------------------------------------------------- */

enum { PIPE_PKTS = 512 };

struct datagram {
    uint8_t data[1500];
    size_t  len;
    int64_t due_us;
};

/** One direction of a network. Percentages are drawn with `rng`. */
struct pipe {
    int32_t loss_pct, double_pct, late_pct; /* late: 25 ms more than the rest */
    int64_t delay_us;
    struct arc_rng rng;
    int32_t n;
    int64_t lost, doubled;
    struct datagram held[PIPE_PKTS];
};

static inline void pipe_put(struct pipe *p, const uint8_t *data, size_t len,
                            int64_t now_us)
{
    struct datagram *d = &p->held[p->n];

    CHECK(len <= sizeof(d->data));
    if (p->n == PIPE_PKTS) { /* a burst: the network's queue is full */
        p->lost++;
        return;
    }
    memcpy(d->data, data, len);
    d->len    = len;
    d->due_us = now_us + p->delay_us;
    if ((int32_t)arc_rng_below(&p->rng, 100) < p->late_pct)
        d->due_us += 25 * MS;
    p->n++;
}

/** All that `from` has to say goes into the pipe. */
static inline void pipe_fill(struct pipe *p, struct arc_session *from,
                             int64_t now_us)
{
    uint8_t data[1500];
    size_t len;

    while (arc_session_transmit(from, now_us, data, sizeof(data), &len) ==
           ARC_OK) {
        CHECK(len <= MTU);
        if ((int32_t)arc_rng_below(&p->rng, 100) < p->loss_pct) {
            p->lost++;
            continue;
        }
        pipe_put(p, data, len, now_us);
        if ((int32_t)arc_rng_below(&p->rng, 100) < p->double_pct) {
            p->doubled++;
            pipe_put(p, data, len, now_us);
        }
    }
}

static inline void pipe_empty(struct pipe *p, struct arc_session *to,
                              int64_t now_us)
{
    int32_t kept = 0;

    for (int32_t i = 0; i < p->n; i++) {
        if (p->held[i].due_us <= now_us)
            arc_session_receive(to, p->held[i].data, p->held[i].len, now_us);
        else if (kept++ < i)
            p->held[kept - 1] = p->held[i];
    }
    p->n = kept;
}

/* --- packets made by hand ------------------------------------------------------------ */

static inline size_t make_rtp(uint8_t *out, int pt, uint16_t seq16,
                              uint32_t rtp_ts, uint32_t ssrc, bool marker,
                              const void *payload, size_t len)
{
    struct arc_rtp h;
    size_t head;

    memset(&h, 0, sizeof(h));
    h.payload_type = (uint8_t)pt;
    h.marker       = marker;
    h.seq16        = seq16;
    h.rtp_ts       = rtp_ts;
    h.ssrc         = ssrc;
    CHECK(arc_rtp_write_header(&h, NULL, out, 1500, &head) == ARC_OK);
    memcpy(out + head, payload, len);
    return head + len;
}

/** An Opus packet of 20 ms with nothing in it. */
static inline size_t make_opus(uint8_t *out, uint16_t seq16, uint32_t rtp_ts,
                               uint32_t ssrc)
{
    static const uint8_t toc[1] = {0x78};

    return make_rtp(out, AUDIO_PT, seq16, rtp_ts, ssrc, false, toc, 1);
}

#endif
