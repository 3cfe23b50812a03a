/**
 * @file bench/bench_core.c  Nanoseconds a packet in the core, without Python
 *
 *     make -s -f ci/core.mk SAN=strict lib
 *     cc -std=c99 -O2 -Icsrc bench/bench_core.c build/core-strict/libarc.a \
 *        $(pkg-config --libs libcrypto opus libavcodec libavutil libswresample libswscale) \
 *        -lm -lpthread -o build/bench_core && build/bench_core
 *
 * Leaves: one call for one packet of 1200 bytes. Ways of a session: what a
 * sending and a receiving session do with a whole call of one stream, plain
 * and with SRTP (AES-128-GCM), all default settings; the time of a way is
 * divided by the datagrams (RTCP included) or by the frames that went it:
 *
 *     encode   arc_send_audio, _video, _flush          a frame
 *     leave    arc_session_transmit and _next_us       a datagram
 *     receive  arc_session_receive                     a datagram
 *     pull     arc_recv_pull and _next_us              a block or a picture
 *
 * Some 70 datagrams leave or arrive in a row, so codec and transport do not
 * push each other out of the cache in every turn, as they need not in a call,
 * where they run on threads of their own.
 *
 * CPU time of the thread less what reading that clock costs; median of the
 * rounds, and the distance of the quartiles. SRTP alone: bench_srtp.c.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "session/session.h"
#include "wire/demux.h"
#include "wire/rtp.h"
#include "wire/rtpext.h"

enum {
    ROUNDS     = 15,
    WARM_UP    = 3,      /* rounds of a call that do not count: its memory is
                            touched for the first time in them          */
    CALLS      = 200000,
    PKTS       = 64,     /* leaves: different ones in turn     */
    PKT_BYTES  = 1200,
    DATAGRAMS  = 4096,   /* most of a round                    */
    SLOT       = 1536,
    BURST      = 64,     /* audio frames between two drains ...  */
    PICTURES_A_BURST = 8, /* ... or pictures: 70 datagrams       */
    AUDIO_PKTS = 1280,
    PICTURES   = 48,
    WIDTH      = 640,
    HEIGHT     = 360,
    RATE_HZ    = 48000,
    FRAME      = RATE_HZ / 50,
    VIDEO_BPS  = 4000000, /* 9 datagrams a picture             */
    STEP_US    = 20000,
};

struct call {
    bool        audio, srtp;
    struct arc_session    *a, *b;
    struct arc_sendstream *send;
    struct arc_recvstream *recv;
    int64_t  now_us;
    int32_t  frames_ever;
    int32_t  n, frames, pulled;            /* datagrams, frames, of a round */
    double   encode, leave, receive, pull; /* ns of a round                 */
};

static uint8_t wires[DATAGRAMS][SLOT];
static size_t  lens[DATAGRAMS];
static int64_t times_us[DATAGRAMS];
static double  clock_ns; /* what a pair of readings costs */

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "bench_core: %s\n", what);
        exit(1);
    }
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double since(double start)
{
    return now_ns() - start - clock_ns;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void print(const char *name, double *v, double unit_ns, const char *unit)
{
    qsort(v, ROUNDS, sizeof(*v), by_value);
    printf("%-34s %9.1f %-12s spread %7.1f\n", name, v[ROUNDS / 2] / unit_ns,
           unit, (v[3 * ROUNDS / 4] - v[ROUNDS / 4]) / unit_ns);
}

static void calibrate(void)
{
    double v[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        double start = now_ns();

        for (int k = 0; k < 1000; k++)
            now_ns();
        v[i] = (now_ns() - start) / 1000;
    }
    qsort(v, ROUNDS, sizeof(*v), by_value);
    clock_ns = v[ROUNDS / 2];
}

/* --- leaves ---------------------------------------------------------------- */

static void fill(uint8_t p[PKTS][SLOT], bool extended)
{
    memset(p, 0, (size_t)PKTS * SLOT);
    for (int i = 0; i < PKTS; i++) {
        p[i][0] = extended ? 0x90 : 0x80;
        p[i][1] = (uint8_t)(i % 2 ? 0xe0 : 0x60);
        p[i][3] = (uint8_t)i;
        p[i][11] = 1;
        if (extended) /* audio level, transport-wide number */
            memcpy(p[i] + 12, "\xbe\xde\x00\x02\x10\x80\x31\x00\x01\x00\x00\x00",
                   12);
    }
}

static double parse(uint8_t p[PKTS][SLOT])
{
    struct arc_rtp h;
    double start = now_ns();

    for (int i = 0; i < CALLS; i++)
        if (arc_rtp_parse(p[i % PKTS], PKT_BYTES, &h) != ARC_OK)
            must(false, "parse");
    return since(start) / CALLS;
}

static double find(uint8_t p[PKTS][SLOT])
{
    const uint8_t *value;
    struct arc_rtp h;
    double start = now_ns();
    size_t len;

    for (int i = 0; i < CALLS; i++)
        if (arc_rtp_parse(p[i % PKTS], PKT_BYTES, &h) != ARC_OK ||
            arc_rtpext_find(p[i % PKTS], &h, 3, &value, &len) != ARC_OK)
            must(false, "find");
    return since(start) / CALLS;
}

static double write_header(uint8_t p[PKTS][SLOT])
{
    struct arc_rtp h = {0};
    double start = now_ns();
    size_t len;

    h.payload_type = 96;
    for (int i = 0; i < CALLS; i++) {
        h.seq16 = (uint16_t)i;
        if (arc_rtp_write_header(&h, NULL, p[i % PKTS], SLOT, &len) != ARC_OK)
            must(false, "write");
    }
    return since(start) / CALLS;
}

static double classify(uint8_t p[PKTS][SLOT])
{
    double start = now_ns();

    for (int i = 0; i < CALLS; i++)
        if (arc_demux_classify(p[i % PKTS], PKT_BYTES) != ARC_DEMUX_RTP)
            must(false, "demux");
    return since(start) / CALLS;
}

static void run_leaf(const char *name, bool extended,
                     double (*leaf)(uint8_t p[PKTS][SLOT]))
{
    static uint8_t pkts[PKTS][SLOT];
    double v[ROUNDS];

    fill(pkts, extended);
    for (int i = 0; i < ROUNDS; i++)
        v[i] = leaf(pkts);
    print(name, v, 1, "ns/packet");
}

/* --- media ------------------------------------------------------------------ */

/** A voice with a pitch that glides, in syllables: what Opus codes as speech. */
static void speak(int16_t *pcm, int32_t frame)
{
    static double phase;

    for (int i = 0; i < FRAME; i++) {
        double t = ((double)frame * FRAME + i) / RATE_HZ, v = 0;

        phase += 6.2831853 * (120 + 30 * sin(4.4 * t)) / RATE_HZ;
        for (int k = 1; k < 20; k++)
            v += sin(k * phase) / k;
        pcm[i] = (int16_t)(3000 * v * (0.55 + 0.45 * sin(18.8 * t)));
    }
}

/** A pan under noise that is new in each picture, so that the rate is used up. */
static struct arc_vframe *picture(int32_t frame)
{
    static uint32_t noise = 1;
    struct arc_vframe *f = NULL;

    must(arc_vframe_new(ARC_PIX_I420, WIDTH, HEIGHT, &f) == ARC_OK, "picture");
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            noise = noise * 1664525u + 1013904223u;
            f->data[0][y * f->stride[0] + x] = (uint8_t)(
                (x + 3 * frame) % 128 + y % 64 + (noise >> 27));
        }
    for (int plane = 1; plane < 3; plane++)
        memset(f->data[plane], 128, (size_t)f->stride[plane] * HEIGHT / 2);
    return f;
}

/* --- a call ------------------------------------------------------------------ */

static struct arc_session *open_session(bool srtp)
{
    struct arc_session_config cfg;
    struct arc_session *s = NULL;

    memset(&cfg, 0, sizeof(cfg));
    cfg.srtp = srtp;
    cfg.srtp_send.profile  = ARC_SRTP_AEAD_AES_128_GCM;
    cfg.srtp_send.key_len  = 16;
    cfg.srtp_send.salt_len = 14;
    cfg.srtp_receive = cfg.srtp_send;
    memcpy(cfg.cname, "bench", 6);
    cfg.seed         = 1;
    cfg.ntp_at_zero  = (uint64_t)3900000000u << 32;
    cfg.pool_pkts    = 4096;
    cfg.mtu_bytes    = 1200;
    cfg.pace_percent = 1000;
    cfg.nack         = true;
    must(arc_session_new(&cfg, 0, &s) == ARC_OK, "session");
    return s;
}

static void open_sender(struct call *c)
{
    struct arc_send_config cfg;
    char why[256] = "";

    memset(&cfg, 0, sizeof(cfg));
    cfg.kind = c->audio ? ARC_MEDIA_AUDIO : ARC_MEDIA_VIDEO;
    cfg.ssrc = 1;
    cfg.rtx_ssrc         = 2;
    cfg.payload_type     = c->audio ? 111 : 97;
    cfg.rtx_payload_type = c->audio ? -1 : 98;
    cfg.frame_us         = STEP_US;
    cfg.opus.sample_rate_hz = RATE_HZ;
    cfg.opus.channels       = 1;
    cfg.opus.bitrate_bps    = 32000;
    cfg.opus.complexity     = 9;
    cfg.opus.expected_loss_pct = 5;
    cfg.opus.fec = cfg.opus.vbr = true;
    memcpy(cfg.video.name, "libx264", 8);
    cfg.video.codec = ARC_VIDEO_H264;
    cfg.video.width  = WIDTH;
    cfg.video.height = HEIGHT;
    cfg.video.frame_rate_num = 50;
    cfg.video.frame_rate_den = 1;
    cfg.video.bitrate_bps    = VIDEO_BPS;
    cfg.video.threads        = 1;
    cfg.video.speed          = -1;
    must(arc_session_add_send(c->a, &cfg, &c->send, why, sizeof(why)) == ARC_OK,
         why);
}

static void open_receiver(struct call *c)
{
    struct arc_recv_config cfg;
    char why[256] = "";

    memset(&cfg, 0, sizeof(cfg));
    cfg.kind = c->audio ? ARC_MEDIA_AUDIO : ARC_MEDIA_VIDEO;
    cfg.payload_type       = c->audio ? 111 : 97;
    cfg.rtx_payload_type   = c->audio ? -1 : 98;
    cfg.sample_rate_hz     = RATE_HZ;
    cfg.channels           = 1;
    cfg.codec              = ARC_VIDEO_H264;
    cfg.threads            = 1;
    cfg.max_latency_ms     = 500;
    cfg.initial_latency_ms = 20;
    cfg.adaptive           = true;
    must(arc_session_add_recv(c->b, &cfg, &c->recv, why, sizeof(why)) == ARC_OK,
         why);
}

/** Everything that waits leaves, each datagram when the pacer lets it. */
static void drain(struct call *c)
{
    const int32_t first = c->n;
    const int64_t until_us = c->now_us + STEP_US;
    int64_t t = c->now_us;
    double start = now_ns();

    while (t < until_us) {
        while (c->n < DATAGRAMS &&
               arc_session_transmit(c->a, t, wires[c->n], SLOT, &lens[c->n]) ==
               ARC_OK)
            times_us[c->n++] = t;
        t = arc_session_next_us(c->a);
    }
    c->leave += since(start);
    must(c->n > first && c->n < DATAGRAMS, "nothing left, or too much");
}

static void encode_audio(struct call *c)
{
    static int16_t pcm[BURST][FRAME];
    double start;

    for (int i = 0; i < BURST; i++)
        speak(pcm[i], c->frames_ever + i);
    start = now_ns();
    for (int i = 0; i < BURST; i++, c->now_us += STEP_US)
        must(arc_send_audio(c->send, pcm[i], FRAME, c->now_us, c->now_us) ==
             ARC_OK, "audio");
    c->encode += since(start);
    c->frames      += BURST;
    c->frames_ever += BURST;
}

static void encode_picture(struct call *c)
{
    struct arc_vframe *f = picture(c->frames_ever++);
    double start = now_ns();

    must(arc_send_video(c->send, f, c->now_us, c->now_us) == ARC_OK &&
         arc_send_flush(c->send, c->now_us) == ARC_OK, "video");
    c->encode += since(start);
    arc_vframe_unref(f);
    c->frames++;
    c->now_us += STEP_US;
}

static void send_round(struct call *c)
{
    while (c->frames < (c->audio ? AUDIO_PKTS : PICTURES)) {
        if (c->audio)
            encode_audio(c);
        for (int i = 0; !c->audio && i < PICTURES_A_BURST; i++)
            encode_picture(c);
        drain(c);
    }
}

static void pull_due(struct call *c, int64_t now_us)
{
    static struct arc_received out;
    double start = now_ns();

    for (int i = 0; i < 4 * BURST; i++) {
        if (arc_recv_pull(c->recv, now_us, &out) == ARC_OK) {
            c->pulled++;
            arc_vframe_unref(out.frame);
        } else if (arc_recv_next_us(c->recv) > now_us) {
            break;
        }
    }
    c->pull += since(start);
}

static void receive_round(struct call *c)
{
    for (int32_t i = 0; i < c->n; i += BURST) {
        const int32_t end = i + BURST < c->n ? i + BURST : c->n;
        double start = now_ns();

        for (int32_t k = i; k < end; k++)
            arc_session_receive(c->b, wires[k], lens[k], times_us[k]);
        c->receive += since(start);
        pull_due(c, times_us[end - 1]);
    }
    must(c->n > 5 * c->frames || c->audio, "the pictures are too small");
    must(c->pulled > c->frames / 2, "too little was decoded");
}

static void check_receiver(const struct call *c)
{
    struct arc_session_stats stats;
    struct arc_recv_net_stats net;

    arc_session_get_stats(c->b, &stats);
    arc_session_get_recv_stats(c->b, 0, &net);
    must(net.pkts + stats.rtcp_received == stats.received_pkts &&
         net.lost_pkts == 0, "a datagram was dropped");
}

static void print_call(const struct call *c, double v[4][ROUNDS])
{
    const char *ways[] = {"encode", "leave", "receive", "pull"};
    char name[64];

    for (int w = 0; w < 4; w++) {
        bool codec = w == 0 || w == 3;

        if (codec && c->srtp) /* the media side knows nothing of SRTP */
            continue;
        snprintf(name, sizeof(name), "session.%s.%s%s", ways[w],
                 c->audio ? "audio" : "video",
                 codec ? "" : c->srtp ? ".gcm128" : ".plain");
        print(name, v[w], codec ? 1000 : 1, codec ? "us/frame" : "ns/datagram");
    }
}

static void run_call(bool audio, bool srtp)
{
    double v[4][ROUNDS];
    struct call c = {0};

    c.audio = audio;
    c.srtp  = srtp;
    c.a = open_session(srtp);
    c.b = open_session(srtp);
    open_sender(&c);
    open_receiver(&c);
    for (int i = -WARM_UP; i < ROUNDS; i++) {
        c.n = c.frames = c.pulled = 0;
        c.encode = c.leave = c.receive = c.pull = 0;
        send_round(&c);
        receive_round(&c);
        if (i < 0)
            continue;
        v[0][i] = c.encode / c.frames;
        v[1][i] = c.leave / c.n;
        v[2][i] = c.receive / c.n;
        v[3][i] = c.pull / c.pulled;
    }
    check_receiver(&c);
    print_call(&c, v);
    arc_session_free(c.a);
    arc_session_free(c.b);
}

int main(void)
{
    calibrate();
    run_leaf("rtp.parse.1200B", false, parse);
    run_leaf("rtp.parse.find_extension.1200B", true, find);
    run_leaf("rtp.write_header", false, write_header);
    run_leaf("demux.classify", false, classify);
    for (int audio = 1; audio >= 0; audio--)
        for (int srtp = 0; srtp < 2; srtp++)
            run_call(audio, srtp);
    return 0;
}
