/**
 * @file tests/fuzz/fuzz_session.c  Any datagrams into a whole peer, at any time
 *
 * The first byte chooses the peer: bit 0 SRTP off, bit 1 with a camera of its
 * own (slow: it opens an encoder), bit 2 reduced-size RTCP, bit 3 no NACK, bit 7
 * a second byte follows that chooses the media: bits 0 and 1 the audio codec, 2
 * and 3 the parity, 4 for recognition, 5 levels, 6 telephone events, 7 queued
 * sound. Without it: Opus with RED, and none of the others. Then come steps of three bytes: what to do, time that passes, an argument; what is
 * a datagram takes as many bytes as its argument says from behind them.
 *
 * Nothing crashes, what comes out has the bounds that the headers promise, the
 * peer always names its next deadline, and at the end no packet, picture or
 * block is left over.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "rx/voice.h"
#include "session/session.h"

enum { STEP_BYTES = 3, MTU = 600, MAX_STEPS = 400, BLOCK = 480 };
enum { MORE = 0x80, RECOGNITION = 0x10, LEVELS = 0x20, EVENTS = 0x40, QUEUED = 0x80 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct all {
    struct arc_session    *s;
    struct arc_sendstream *speech, *camera;
    struct arc_recvstream *ear, *eye;
    int64_t                now_us;
    uint8_t                media; /* as the second byte */
};

static struct arc_received received;

static void must(int condition)
{
    if (!condition)
        abort();
}

static int32_t codec_of(const struct all *x)
{
    static const int32_t codecs[] = {ARC_AUDIO_OPUS, ARC_AUDIO_PCMU,
                                     ARC_AUDIO_G722, ARC_AUDIO_L16};

    return codecs[x->media & 3];
}

static int32_t parity_of(const struct all *x)
{
    return x->media & 4 ? x->media & 8 ? ARC_FEC_FLEXFEC : ARC_FEC_ULPFEC
                        : ARC_FEC_NONE;
}

/** Parity for each packet or two, in rows and columns where bit 3 says so. */
static void choose_parity(const struct all *x, struct arc_send_fec_config *fec,
                          int32_t payload_type)
{
    memset(fec, 0, sizeof(*fec));
    fec->format = parity_of(x);
    if (fec->format == ARC_FEC_NONE)
        return;
    fec->payload_type              = payload_type;
    fec->ssrc                      = 0x05050505 + (uint32_t)payload_type;
    fec->max_block_pkts            = 16;
    fec->policy.overhead_permille  = 500;
    fec->policy.burst_pkts         = 2;
    fec->policy.grid               = fec->format == ARC_FEC_FLEXFEC;
}

static void add_senders(struct all *x, bool camera)
{
    struct arc_send_config cfg;

    memset(&cfg, 0, sizeof(cfg));
    cfg.audio_codec        = codec_of(x);
    cfg.noise_payload_type = cfg.audio_codec == ARC_AUDIO_PCMU ? 13 : 0;
    cfg.dtmf_payload_type  = x->media & EVENTS ? 102 : 0;
    cfg.level_id           = x->media & LEVELS ? 1 : 0;
    cfg.play_max_ms        = x->media & QUEUED ? 200 : 0;
    choose_parity(x, &cfg.fec, 103);
    cfg.kind             = ARC_MEDIA_AUDIO;
    cfg.ssrc             = 0x01010101;
    cfg.rtx_ssrc         = 0x02020202;
    cfg.payload_type     = 96;
    cfg.rtx_payload_type = 97;
    cfg.frame_us         = 10000;
    cfg.opus.sample_rate_hz =
        arc_audiocodec_rate_hz(cfg.audio_codec, cfg.audio_codec == ARC_AUDIO_L16
                                                    ? 8000 : 48000);
    cfg.opus.channels       = 1;
    cfg.opus.bitrate_bps    = 32000;
    cfg.opus.dtx            = cfg.noise_payload_type > 0;
    cfg.red_payload_type     = cfg.audio_codec == ARC_AUDIO_OPUS ? 101 : 0;
    cfg.red.n_copies         = 2;
    cfg.red.distances[0]     = 1;
    cfg.red.distances[1]     = 3;
    cfg.red.max_overhead_pct = 200;
    must(arc_session_add_send(x->s, &cfg, &x->speech, NULL, 0) == ARC_OK);
    if (!camera)
        return;
    cfg.kind             = ARC_MEDIA_VIDEO;
    cfg.ssrc             = 0x03030303;
    cfg.rtx_ssrc         = 0x04040404;
    cfg.payload_type     = 98;
    cfg.rtx_payload_type = 99;
    strcpy(cfg.video.name, "libx264");
    cfg.video.codec          = ARC_VIDEO_H264;
    cfg.video.width          = 32;
    cfg.video.height         = 32;
    cfg.video.frame_rate_num = 25;
    cfg.video.frame_rate_den = 1;
    cfg.video.bitrate_bps    = 100000;
    cfg.video.threads        = 1;
    cfg.video.speed          = 7;
    cfg.red_payload_type     = 0;
    choose_parity(x, &cfg.fec, 104);
    must(arc_session_add_send(x->s, &cfg, &x->camera, NULL, 0) == ARC_OK);
}

static void add_receivers(struct all *x)
{
    struct arc_recv_config cfg;

    memset(&cfg, 0, sizeof(cfg));
    cfg.kind               = ARC_MEDIA_AUDIO;
    cfg.payload_type       = 96;
    cfg.rtx_payload_type   = 97;
    cfg.sample_rate_hz     = 48000;
    cfg.channels           = 2;
    cfg.min_latency_ms     = 10;
    cfg.max_latency_ms     = 200;
    cfg.initial_latency_ms = 20;
    cfg.adaptive           = true;
    cfg.audio_codec        = codec_of(x);
    cfg.sent_rate_hz       = 8000;
    cfg.red_payload_type   = cfg.audio_codec == ARC_AUDIO_OPUS ? 101 : 0;
    cfg.noise_payload_type = cfg.audio_codec == ARC_AUDIO_PCMU ? 13 : 0;
    cfg.dtmf_payload_type  = x->media & EVENTS ? 102 : 0;
    cfg.level_id           = x->media & LEVELS ? 1 : 0;
    cfg.profile            = x->media & RECOGNITION ? ARC_VOICE_RECOGNITION
                                                    : ARC_VOICE_CONVERSATION;
    cfg.fec_format         = parity_of(x);
    cfg.fec_payload_type   = 103;
    must(arc_session_add_recv(x->s, &cfg, &x->ear, NULL, 0) == ARC_OK);
    cfg.kind             = ARC_MEDIA_VIDEO;
    cfg.payload_type     = 98;
    cfg.rtx_payload_type = 99;
    cfg.codec            = ARC_VIDEO_H264;
    cfg.fec_payload_type = 104;
    cfg.red_payload_type = 0;
    must(arc_session_add_recv(x->s, &cfg, &x->eye, NULL, 0) == ARC_OK);
}

static void make(struct all *x, uint8_t flags, uint8_t media)
{
    struct arc_session_config cfg;

    memset(x, 0, sizeof(*x));
    memset(&cfg, 0, sizeof(cfg));
    x->now_us = 1000000;
    x->media  = media;
    cfg.srtp  = !(flags & 1);
    cfg.srtp_send.profile  = ARC_SRTP_AES128_CM_HMAC_SHA1_80;
    cfg.srtp_send.key_len  = 16;
    cfg.srtp_send.salt_len = 14;
    cfg.srtp_receive = cfg.srtp_send;
    strcpy(cfg.cname, "fuzz");
    cfg.seed         = 1;
    cfg.ntp_at_zero  = UINT64_C(0xe000000000000000);
    cfg.pool_pkts    = 64;
    cfg.mtu_bytes    = MTU;
    cfg.pace_percent = 250;
    cfg.reduced_size = flags & 4;
    cfg.nack = cfg.nack_audio = !(flags & 8);
    must(arc_session_new(&cfg, x->now_us, &x->s) == ARC_OK);
    add_senders(x, flags & 2);
    add_receivers(x);
}

/* --- what a step does --------------------------------------------------------- */

static void transmit(struct all *x)
{
    uint8_t out[MTU];
    size_t len = 0;
    int n = 0;

    while (arc_session_transmit(x->s, x->now_us, out, sizeof(out), &len) ==
           ARC_OK) {
        must(len >= 8 && len <= sizeof(out) && out[0] >> 6 == 2);
        must(++n < 10000); /* it must come to an end at one moment */
    }
    must(arc_session_next_us(x->s) > x->now_us);
}

static void pull(struct all *x, struct arc_recvstream *st)
{
    /* After ARC_AGAIN a stream may want to be asked at once: decoding took
     * time, and here it took none. */
    for (int i = 0; i < 64; i++) {
        memset(&received, 0, offsetof(struct arc_received, samples));
        if (arc_recv_pull(st, x->now_us, &received) != ARC_OK)
            continue;
        if (st == x->ear) {
            must(received.n_samples > 0 && received.channels == 2);
            must(received.n_samples * 2 <= ARC_SESSION_MAX_SAMPLES);
        } else {
            must(received.frame && received.frame->width > 0);
            arc_vframe_unref(received.frame);
        }
    }
}

static void speak(struct all *x, uint8_t argument)
{
    int16_t pcm[BLOCK];

    for (int i = 0; i < BLOCK; i++)
        pcm[i] = (int16_t)(argument * (i % 97) * (i % 2 ? 1 : -1));
    if (x->media & QUEUED)
        arc_send_play(x->speech, pcm, BLOCK, x->now_us);
    else
        arc_send_audio(x->speech, pcm, BLOCK, x->now_us, x->now_us);
}

/** Sound that is due of what is queued, or all of it thrown away. */
static void play(struct all *x, bool flush)
{
    struct arc_played played;

    if (!(x->media & QUEUED))
        return;
    if (flush)
        arc_send_play_flush(x->speech, &played);
    else
        while (arc_send_play_turn(x->speech, x->now_us))
            ;
    arc_send_get_played(x->speech, &played);
    must(arc_send_play_next_us(x->speech) > x->now_us || flush);
}

static void press(struct all *x, uint8_t key)
{
    const struct arc_dtmf_tone tone = {key, 10, 40000, 40000};

    must(arc_send_dtmf(x->speech, &tone, 1) !=
         (x->media & EVENTS ? ARC_ERR_ARG : ARC_OK));
}

static void show(struct all *x, uint8_t argument)
{
    struct arc_vframe *f;

    if (!x->camera)
        return;
    must(arc_vframe_new(ARC_PIX_I420, 32, 32, &f) == ARC_OK);
    for (int32_t i = 0; i < 3; i++)
        for (int32_t y = 0; y < arc_vframe_rows(f, i); y++)
            memset(f->data[i] + y * f->stride[i], argument + y,
                   (size_t)arc_vframe_row_bytes(f, i));
    arc_send_video(x->camera, f, x->now_us, x->now_us);
    arc_send_flush(x->camera, x->now_us + 1000);
    arc_vframe_unref(f);
}

static void look(struct all *x)
{
    struct arc_session_stats stats;
    struct arc_send_net_stats sent;
    struct arc_recv_net_stats got;
    struct arc_recv_media_stats media;
    struct arc_event event;
    struct arc_sent_frame frame;

    arc_session_get_stats(x->s, &stats);
    must(stats.pool_used_pkts >= 0 && stats.pool_used_pkts <= 64);
    for (int32_t i = 0; i < 2; i++) {
        arc_session_get_send_stats(x->s, i, &sent);
        must(sent.remote_loss >= 0.0 && sent.remote_loss <= 1.0);
        arc_session_get_recv_stats(x->s, i, &got);
    }
    arc_recv_get_stats(x->ear, &media);
    must(media.concealed_samples >= 0 && media.silent_samples >= 0);
    while (arc_session_poll_event(x->s, &event) == ARC_OK)
        must(event.type >= ARC_EVENT_STREAM_ADDED &&
             event.type <= ARC_EVENT_DTMF_END);
    while (arc_session_poll_sent(x->s, &frame) == ARC_OK)
        must(frame.stream >= 0 && frame.stream < 2 && frame.pkts > 0);
}

/** @return bytes that it took from behind the step */
static size_t step(struct all *x, const uint8_t *data, size_t left)
{
    const uint8_t argument = data[2];
    size_t len = argument < left ? argument : left;

    x->now_us += data[1] * (data[0] & 8 ? 20000 : 100);
    switch (data[0] & 7) {
    case 0:
    case 1:
    case 2:
        arc_session_receive(x->s, data + STEP_BYTES, len, x->now_us);
        return len;
    case 3:
        transmit(x);
        break;
    case 4:
        pull(x, argument & 1 ? x->ear : x->eye);
        break;
    case 5:
        speak(x, argument);
        break;
    case 6:
        show(x, argument);
        break;
    default:
        if (argument == 255)
            arc_session_bye(x->s);
        else if (argument >= 128)
            press(x, argument & 15);
        else if (argument >= 64)
            play(x, argument == 64);
        look(x);
        break;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t live = arc_mem_live_blocks();
    const uint8_t *end = data + size;
    uint8_t flags, media = 0;
    struct all x;

    if (size < 2)
        return 0;
    flags = *data++;
    if (flags & MORE)
        media = *data++;
    make(&x, flags, media);
    for (int i = 0; i < MAX_STEPS && end - data >= STEP_BYTES; i++) {
        size_t took = step(&x, data, (size_t)(end - data) - STEP_BYTES);

        data += STEP_BYTES + took;
    }
    transmit(&x);
    pull(&x, x.ear);
    pull(&x, x.eye);
    look(&x);
    arc_session_free(x.s);
    must(arc_mem_live_blocks() == live);
    return 0;
}
