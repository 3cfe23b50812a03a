/**
 * @file tests/fuzz/fuzz_traffic.c  Real traffic into a plain session: repeated,
 * moved in number and time, with long sleeps in between
 *
 * fuzz_session asks whether any datagram is survived; this one starts from true
 * streams and asks whether what comes out of them ends: at one moment only so
 * many blocks, pictures and datagrams, each datagram counted once, nothing
 * longer than the MTU, nothing left behind. The first byte may leave out some
 * of the streams. Then the input is a list of steps: one byte that says what,
 * then what it needs.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/units.h"
#include "session/session.h"

enum {
    SENDS         = 1, /* bits of the first byte */
    SEES          = 2,
    HEARS         = 4,
    STEP_DATAGRAM = 0, /* two bytes of length, then as many                    */
    STEP_REPEAT   = 1, /* the last one, its number and timestamp moved by two
                          signed bytes                                         */
    STEP_CLOCK    = 2, /* one byte of milliseconds                             */
    STEP_SLEEP    = 3, /* one byte of seconds / 4                              */
    STEP_PULL     = 4,
    STEP_TRANSMIT = 5,
    STEP_SPEAK    = 6,
    STEPS         = 7,
    POOL_PKTS     = 128,
    MTU           = 300,
    MOST_AT_ONCE  = 20000, /* more from one call's time than this: no end       */
};

struct peer {
    struct arc_session    *s;
    struct arc_sendstream *speech;
    struct arc_recvstream *heard, *seen;
    int64_t now_us, given;
    uint8_t last[1500];
    size_t  last_len;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arc_received out; /* too large for the stack */

static void must(int condition)
{
    if (!condition)
        abort();
}

static void open_receivers(struct peer *p, uint8_t what)
{
    struct arc_recv_config c;

    memset(&c, 0, sizeof(c));
    c.kind             = ARC_MEDIA_AUDIO;
    c.payload_type     = 111;
    c.rtx_payload_type = 112;
    c.sample_rate_hz   = 16000;
    c.channels         = 1;
    c.max_latency_ms   = 200;
    c.initial_latency_ms = 20;
    c.adaptive         = true;
    must(!(what & HEARS) ||
         arc_session_add_recv(p->s, &c, &p->heard, NULL, 0) == ARC_OK);
    c.kind             = ARC_MEDIA_VIDEO;
    c.payload_type     = 97;
    c.rtx_payload_type = 98;
    c.codec            = ARC_VIDEO_H264;
    c.threads          = 1;
    must(!(what & SEES) ||
         arc_session_add_recv(p->s, &c, &p->seen, NULL, 0) == ARC_OK);
}

static void open_peer(struct peer *p, uint8_t what)
{
    struct arc_session_config cfg;
    struct arc_send_config tx;

    memset(p, 0, sizeof(*p));
    memset(&cfg, 0, sizeof(cfg));
    cfg.cname[0]     = 'c';
    cfg.seed         = 1;
    cfg.pool_pkts    = POOL_PKTS;
    cfg.mtu_bytes    = MTU;
    cfg.pace_percent = 250;
    cfg.nack = cfg.nack_audio = true;
    must(arc_session_new(&cfg, 0, &p->s) == ARC_OK);
    open_receivers(p, what);
    p->now_us = 1000000;
    if (!(what & SENDS))
        return;

    memset(&tx, 0, sizeof(tx));
    tx.kind             = ARC_MEDIA_AUDIO;
    tx.ssrc             = 0x01020304;
    tx.rtx_ssrc         = 0x01020305;
    tx.payload_type     = 111;
    tx.rtx_payload_type = 112;
    tx.frame_us         = 20000;
    tx.opus.sample_rate_hz = 8000;
    tx.opus.channels       = 1;
    tx.opus.bitrate_bps    = 8000;
    must(arc_session_add_send(p->s, &tx, &p->speech, NULL, 0) == ARC_OK);
}

/* --- steps ------------------------------------------------------------------------ */

static void give(struct peer *p)
{
    uint8_t *exact = malloc(p->last_len ? p->last_len : 1);

    must(exact != NULL);
    memcpy(exact, p->last, p->last_len); /* so that a read past its end is seen */
    arc_session_receive(p->s, exact, p->last_len, p->now_us);
    free(exact);
    p->given++;
}

static void move_on(struct peer *p, int8_t seq, int8_t ts)
{
    uint16_t seq16;
    uint32_t rtp_ts;

    if (p->last_len < 12)
        return;
    seq16  = (uint16_t)((p->last[2] << 8 | p->last[3]) + seq);
    rtp_ts = ((uint32_t)p->last[4] << 24 | (uint32_t)p->last[5] << 16 |
              (uint32_t)p->last[6] << 8 | p->last[7]) + (uint32_t)(ts * 960);
    p->last[2] = (uint8_t)(seq16 >> 8);
    p->last[3] = (uint8_t)seq16;
    for (int i = 0; i < 4; i++)
        p->last[4 + i] = (uint8_t)(rtp_ts >> (24 - 8 * i));
}

static void pull(struct peer *p, struct arc_recvstream *st)
{
    int n = 0;

    if (!st)
        return;
    for (int again = 0; again < 2;) {
        if (arc_recv_pull(st, p->now_us, &out) != ARC_OK) {
            again++;
            continue;
        }
        must(++n < MOST_AT_ONCE);
        must(out.kind == ARC_MEDIA_VIDEO
             ? out.frame != NULL
             : out.n_samples > 0 && out.n_samples <= ARC_SESSION_MAX_SAMPLES);
        arc_vframe_unref(out.frame);
    }
    must(arc_recv_next_us(st) >= 0);
}

static void transmit(struct peer *p)
{
    uint8_t data[MTU];
    size_t len;
    int n = 0;

    while (arc_session_transmit(p->s, p->now_us, data, sizeof(data), &len) ==
           ARC_OK)
        must(len <= MTU && len >= 8 && ++n < MOST_AT_ONCE);
    must(arc_session_next_us(p->s) > p->now_us);
}

static void speak(struct peer *p)
{
    int16_t pcm[160];

    if (!p->speech)
        return;
    for (int i = 0; i < 160; i++)
        pcm[i] = (int16_t)(i % 40 * 400 - 8000);
    arc_send_audio(p->speech, pcm, 160, p->now_us, p->now_us);
}

static void check_counts(struct peer *p)
{
    struct arc_recv_net_stats net;
    struct arc_session_stats st;
    struct arc_session_drops *d = &st.drops;
    struct arc_event e;
    int n = 0;

    arc_session_get_stats(p->s, &st);
    must(st.received_pkts == p->given);
    must(st.pool_used_pkts >= 0 && st.pool_used_pkts <= POOL_PKTS);
    must(d->not_rtp + d->auth + d->replay + d->srtp_other + d->own_ssrc +
         d->unknown_stream + d->media_full + d->too_long <= p->given);
    must(d->no_packet == 0 || st.pool_used_pkts > 0 || p->given > 0);
    for (int32_t i = 0; i < 2; i++) {
        arc_session_get_recv_stats(p->s, i, &net);
        must(net.pkts <= p->given && net.jitter_ms >= 0);
    }
    while (arc_session_poll_event(p->s, &e) == ARC_OK)
        must(e.type >= ARC_EVENT_STREAM_ADDED &&
             e.type <= ARC_EVENT_SSRC_CHANGED && ++n <= 256);
}

static void step(struct peer *p, struct arc_reader *r)
{
    size_t len;

    switch (arc_reader_u8(r) % STEPS) {
    case STEP_DATAGRAM:
        len = arc_reader_u16(r) % (sizeof(p->last) + 1);
        if (len > arc_reader_left(r))
            len = arc_reader_left(r);
        if (len > 0)
            memcpy(p->last, arc_reader_take(r, len), len);
        p->last_len = len;
        give(p);
        break;
    case STEP_REPEAT:
        len = arc_reader_u16(r);
        move_on(p, (int8_t)(len >> 8), (int8_t)(len & 255));
        give(p);
        break;
    case STEP_CLOCK:
        p->now_us += arc_reader_u8(r) * ARC_US_PER_MS;
        break;
    case STEP_SLEEP:
        p->now_us += arc_reader_u8(r) * (ARC_US_PER_S / 4);
        break;
    case STEP_PULL:
        pull(p, p->heard);
        pull(p, p->seen);
        break;
    case STEP_TRANSMIT:
        transmit(p);
        break;
    default:
        speak(p);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t live = arc_mem_live_blocks();
    static struct peer p;
    struct arc_reader r;

    arc_reader_init(&r, data, size);
    open_peer(&p, arc_reader_u8(&r));
    while (arc_reader_left(&r) > 0)
        step(&p, &r);
    check_counts(&p);
    p.now_us += 20 * ARC_US_PER_MS;
    pull(&p, p.heard);
    pull(&p, p.seen);
    transmit(&p);
    arc_session_bye(p.s);
    transmit(&p);
    arc_session_free(p.s);
    must(arc_mem_live_blocks() == live);
    return 0;
}
