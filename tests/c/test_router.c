/**
 * @file tests/c/test_router.c  A publisher, a router, its subscribers: no sockets
 *
 * Packets go in as datagrams and come out as trains, on a clock of the test's
 * own. The other ends are SRTP objects of the test.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/units.h"
#include "check.h"
#include "router/router.h"
#include "srtp/srtcp.h"
#include "wire/rtcp.h"
#include "wire/rtcpfb.h"
#include "wire/rtcppsfb.h"
#include "wire/rtp.h"

enum { PT = 96, RTX_PT = 97, SUBS = 3, CAP = 65536, SSRC = 0x1111, MAX_OUT = 256 };

static const int32_t profiles[] = {0, ARC_SRTP_AEAD_AES_128_GCM,
                                   ARC_SRTP_AES128_CM_HMAC_SHA1_80};

static struct arc_srtp_config key_of(int32_t profile, int who)
{
    struct arc_srtp_config cfg;

    memset(&cfg, 0, sizeof(cfg));
    cfg.profile  = profile;
    cfg.key_len  = 16;
    cfg.salt_len = 14;
    memset(cfg.master_key, 1 + who, 16);
    memset(cfg.master_salt, 77 + who, 14);
    return cfg;
}

/** The far end of a leg. */
struct peer {
    int32_t          leg, route;
    struct arc_srtp *srtp; /* NULL: plain */
    uint32_t         ssrc, rtx_ssrc;
    int32_t          n;          /* RTP packets that came */
    struct { uint16_t seq16; uint32_t ts, ssrc; uint8_t pt; int32_t len;
             uint8_t data[1500]; } got[MAX_OUT];
    int32_t          n_rtcp, plis, nacks, srs, byes;
    uint16_t         last_nack;
};

struct scene {
    struct arc_router     *router;
    struct arc_srtp_batch *work;
    struct peer            publisher, subs[SUBS];
    int32_t                track;
    int64_t                now_us;
    uint8_t                room[CAP];
};

static struct arc_leg_config leg_config(int32_t profile, int who)
{
    struct arc_leg_config c;

    memset(&c, 0, sizeof(c));
    c.srtp = profile != 0;
    c.srtp_send = c.srtp_receive = key_of(profile, who);
    c.mtu_bytes  = 1400;
    c.queue_pkts = 64;
    c.train_pkts = 16;
    c.rtcp_bps   = 1000000;
    return c;
}

static struct arc_track_config track_config(void)
{
    struct arc_track_config c;

    memset(&c, 0, sizeof(c));
    c.kind             = ARC_TRACK_VIDEO;
    c.clock_hz         = 90000;
    c.payload_type     = PT;
    c.rtx_payload_type = RTX_PT;
    c.n_sources        = 1;
    c.ssrc[0]          = SSRC;
    c.rtx_ssrc[0]      = SSRC + 1;
    c.history_pkts     = 256;
    c.history_us       = ARC_US_PER_S;
    c.nack             = true;
    c.group            = -1;
    return c;
}

static struct arc_route_config route_config(void)
{
    struct arc_route_config c;

    memset(&c, 0, sizeof(c));
    c.payload_type     = 100;
    c.rtx_payload_type = 101;
    c.spatial = c.temporal = -1;
    return c;
}

static void open_peer(struct scene *s, struct peer *p, int32_t profile, int who)
{
    struct arc_leg_config c = leg_config(profile, who);

    CHECK(arc_router_add_leg(s->router, &c, s->now_us, &p->leg) == ARC_OK);
    if (profile)
        CHECK(arc_srtp_new(&c.srtp_send, &p->srtp) == ARC_OK);
}

static void open_scene(struct scene *s, int32_t profile)
{
    struct arc_router_config c;
    struct arc_track_config t = track_config();

    memset(s, 0, sizeof(*s));
    memset(&c, 0, sizeof(c));
    strcpy(c.cname, "router");
    c.seed        = 7;
    c.ntp_at_zero = UINT64_C(3900000000) << 32;
    c.pool_pkts   = 1024;
    s->now_us     = ARC_US_PER_S;
    CHECK(arc_router_new(&c, s->now_us, &s->router) == ARC_OK);
    CHECK(arc_srtp_batch_new(&s->work) != ARC_ERR_NOMEM);
    open_peer(s, &s->publisher, profile, 0);
    CHECK(arc_router_add_track(s->router, s->publisher.leg, &t, s->now_us,
                               &s->track) == ARC_OK);
    for (int i = 0; i < SUBS; i++) {
        struct arc_route_config r = route_config();

        open_peer(s, &s->subs[i], profile, 1 + i);
        CHECK(arc_router_add_route(s->router, s->track, s->subs[i].leg, &r,
                                   s->now_us, &s->subs[i].route) == ARC_OK);
        s->subs[i].ssrc     = r.ssrc;
        s->subs[i].rtx_ssrc = r.rtx_ssrc;
        CHECK(r.ssrc != 0 && r.rtx_ssrc != 0 && r.ssrc != r.rtx_ssrc);
    }
}

/** Every packet that was to go to a subscriber is in one of the counts. */
static void check_accounts(const struct scene *s)
{
    struct arc_router_stats stats;
    const struct arc_router_out *o = &stats.out;

    arc_router_get_stats(s->router, &stats);
    CHECK(o->offered == o->forwarded + o->paused + o->layer + o->unheard +
                            o->unplaced + o->queue_full + o->too_long +
                            o->seal_failed + o->gone + stats.queued_pkts);
}

static void close_scene(struct scene *s)
{
    check_accounts(s);
    arc_router_free(s->router);
    arc_srtp_batch_free(s->work);
    arc_srtp_free(s->publisher.srtp);
    for (int i = 0; i < SUBS; i++)
        arc_srtp_free(s->subs[i].srtp);
}

/* --- what comes out ----------------------------------------------------------------- */

static struct peer *peer_of(struct scene *s, int32_t leg)
{
    for (int i = 0; i < SUBS; i++)
        if (s->subs[i].leg == leg)
            return &s->subs[i];
    return &s->publisher;
}

static void note_rtcp(struct peer *p, const uint8_t *data, size_t len)
{
    struct arc_rtcp_packet packet;
    struct arc_reader r;
    uint16_t seqs[64];
    uint32_t a, b;
    size_t n;

    CHECK(arc_rtcp_check_compound(data, len, true) == ARC_OK);
    p->n_rtcp++;
    arc_reader_init(&r, data, len);
    while (arc_rtcp_next(&r, &packet) == ARC_OK) {
        p->srs  += packet.type == ARC_RTCP_SR;
        p->byes += packet.type == ARC_RTCP_BYE;
        if (packet.type == ARC_RTCP_PSFB)
            p->plis += packet.count == ARC_PSFB_PLI;
        if (packet.type == ARC_RTCP_RTPFB &&
            arc_rtcp_parse_nack(&packet, &a, &b, seqs, 64, &n) == ARC_OK) {
            p->nacks++;
            p->last_nack = seqs[0];
        }
    }
}

static void note(struct peer *p, uint8_t *data, size_t len)
{
    struct arc_rtp h;
    bool rtcp = data[1] >= 192 && data[1] <= 223;

    if (p->srtp && rtcp)
        CHECK(arc_srtp_unprotect_rtcp(p->srtp, data, len, &len) == ARC_OK);
    else if (p->srtp)
        CHECK(arc_srtp_unprotect(p->srtp, data, len, &len) == ARC_OK);
    if (rtcp) {
        note_rtcp(p, data, len);
        return;
    }
    CHECK(arc_rtp_parse(data, len, &h) == ARC_OK && p->n < MAX_OUT);
    p->got[p->n].seq16 = h.seq16;
    p->got[p->n].ts    = h.rtp_ts;
    p->got[p->n].ssrc  = h.ssrc;
    p->got[p->n].pt    = h.payload_type;
    p->got[p->n].len   = h.payload_len;
    memcpy(p->got[p->n++].data, data + h.payload_off, (size_t)h.payload_len);
}

/** Everything that is due. @return trains */
static int drain(struct scene *s)
{
    struct arc_train train;
    int32_t leg;
    int n = 0;

    while (arc_router_transmit(s->router, s->now_us, s->work, s->room, CAP, &leg,
                               &train) == ARC_OK) {
        struct peer *p = peer_of(s, leg);

        CHECK(train.len > 0 && train.segment_bytes > 0 &&
              train.segment_bytes <= train.len);
        for (int32_t at = 0; at < train.len; at += train.segment_bytes) {
            int32_t len = train.len - at;

            note(p, train.data + at,
                 (size_t)(len < train.segment_bytes ? len
                                                    : train.segment_bytes));
        }
        n++;
    }
    return n;
}

static void wait_ms(struct scene *s, int ms)
{
    for (int i = 0; i < ms; i++) {
        s->now_us += 1000;
        drain(s);
    }
}

/* --- what goes in ------------------------------------------------------------------- */

static size_t make_rtp(uint8_t *out, uint16_t seq16, uint32_t ssrc, uint8_t pt,
                       size_t payload)
{
    memset(out, (uint8_t)seq16, 12 + payload);
    out[0] = 0x80;
    out[1] = pt;
    arc_put_u16(out + 2, seq16);
    arc_put_u32(out + 4, 3000u * seq16);
    arc_put_u32(out + 8, ssrc);
    return 12 + payload;
}

/** The publisher sends packets `first` .. `first + n - 1` in one batch. */
static void publish(struct scene *s, uint16_t first, int n, size_t payload)
{
    static uint8_t data[ARC_ROUTER_BATCH_PKTS][1600];
    struct arc_datagram d[ARC_ROUTER_BATCH_PKTS];
    bool good[ARC_ROUTER_BATCH_PKTS];

    memset(d, 0, sizeof(d));
    for (int i = 0; i < n; i++) {
        size_t len = make_rtp(data[i], (uint16_t)(first + i), SSRC, PT, payload);

        if (s->publisher.srtp)
            CHECK(arc_srtp_protect(s->publisher.srtp, data[i], len, 1600,
                                   &len) == ARC_OK);
        d[i].data    = data[i];
        d[i].len     = (int32_t)len;
        d[i].time_us = s->now_us;
    }
    arc_router_receive(s->router, s->publisher.leg, d, (size_t)n, s->work, good,
                       s->now_us);
    for (int i = 0; i < n; i++)
        CHECK(good[i]);
}

static void send_rtcp(struct scene *s, struct peer *p, struct arc_writer *w)
{
    struct arc_datagram d;
    size_t len = w->pos;
    bool good = false;

    memset(&d, 0, sizeof(d));
    if (p->srtp)
        CHECK(arc_srtp_protect_rtcp(p->srtp, w->data, len, w->cap, &len) ==
              ARC_OK);
    d.data = w->data;
    d.len  = (int32_t)len;
    arc_router_receive(s->router, p->leg, &d, 1, s->work, &good, s->now_us);
    CHECK(good);
}

/* --- tests -------------------------------------------------------------------------- */

static void test_every_subscriber_gets_every_packet(int32_t profile)
{
    static struct scene s;
    struct arc_router_stats stats;

    open_scene(&s, profile);
    publish(&s, 65530, 12, 1000); /* over the wrap of the numbers */
    CHECK(drain(&s) >= SUBS);
    publish(&s, 6, 1, 200);
    drain(&s);
    for (int i = 0; i < SUBS; i++) {
        struct peer *p = &s.subs[i];

        CHECK(p->n == 13);
        for (int k = 0; k < p->n; k++) {
            CHECK(p->got[k].ssrc == p->ssrc && p->got[k].pt == 100);
            CHECK(p->got[k].seq16 == (uint16_t)(p->got[0].seq16 + k));
            CHECK(p->got[k].data[5] == (uint8_t)(65530 + k));
            CHECK(p->got[k].len == (k < 12 ? 1000 : 200));
        }
        CHECK(p->got[1].ts - p->got[0].ts == 3000);
    }
    arc_router_get_stats(s.router, &stats);
    CHECK(stats.received_rtp == 13 && stats.sent_pkts == 39 + stats.sent_rtcp);
    close_scene(&s);
}

static void test_trains_are_equal_datagrams(void)
{
    static struct scene s;
    struct arc_train train;
    int32_t leg, trains = 0, segments = 0;

    open_scene(&s, ARC_SRTP_AEAD_AES_128_GCM);
    wait_ms(&s, 1);
    publish(&s, 0, 12, 1200);
    publish(&s, 12, 1, 300); /* the last one may be shorter */
    publish(&s, 13, 1, 900); /* begins a train of its own */
    while (arc_router_transmit(s.router, s.now_us, s.work, s.room, CAP, &leg,
                               &train) == ARC_OK) {
        trains++;
        segments += (train.len + train.segment_bytes - 1) / train.segment_bytes;
    }
    CHECK(trains == 2 * SUBS && segments == 14 * SUBS);
    close_scene(&s);
}

static void test_nack_is_answered_from_the_history(int32_t profile)
{
    static struct scene s;
    struct peer *p = &s.subs[1];
    uint8_t data[256];
    struct arc_writer w;
    uint16_t lost[2];
    int before;

    open_scene(&s, profile);
    publish(&s, 100, 20, 500);
    drain(&s);
    lost[0] = p->got[3].seq16;
    lost[1] = p->got[7].seq16;
    before  = p->n;
    for (int twice = 0; twice < 2; twice++) { /* the second comes too soon */
        arc_writer_init(&w, data, sizeof(data));
        arc_rtcp_write_nack(&w, 5, p->ssrc, lost, 2);
        send_rtcp(&s, p, &w);
        drain(&s);
    }
    CHECK(p->n == before + 2 && s.subs[0].n == 20);
    for (int i = 0; i < 2; i++) {
        CHECK(p->got[before + i].ssrc == p->rtx_ssrc);
        CHECK(p->got[before + i].pt == 101);
        CHECK(arc_get_u16(p->got[before + i].data) == lost[i]);
        CHECK(p->got[before + i].len == 502);
        CHECK(memcmp(p->got[before + i].data + 2,
                     p->got[i ? 7 : 3].data, 500) == 0);
    }
    close_scene(&s);
}

static void test_loss_is_asked_of_the_publisher(void)
{
    static struct scene s;

    open_scene(&s, ARC_SRTP_AEAD_AES_128_GCM);
    publish(&s, 10, 5, 100);
    publish(&s, 17, 3, 100);
    wait_ms(&s, 60);
    CHECK(s.publisher.nacks > 0 && s.publisher.last_nack == 15);
    publish(&s, 15, 2, 100); /* late: it takes the place that was left for it */
    drain(&s);
    for (int i = 0; i < SUBS; i++) {
        CHECK(s.subs[i].n == 10);
        CHECK(s.subs[i].got[8].seq16 == (uint16_t)(s.subs[i].got[0].seq16 + 5));
    }
    close_scene(&s);
}

static void test_key_requests_are_merged(void)
{
    static struct scene s;
    uint8_t data[256];
    struct arc_writer w;

    open_scene(&s, ARC_SRTP_AEAD_AES_128_GCM);
    publish(&s, 10, 2, 100);
    wait_ms(&s, 20);
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < SUBS; i++) {
            arc_writer_init(&w, data, sizeof(data));
            arc_rtcp_write_pli(&w, 5, s.subs[i].ssrc);
            send_rtcp(&s, &s.subs[i], &w);
            wait_ms(&s, 2);
        }
    CHECK(s.publisher.plis == 1);
    close_scene(&s);
}

static void test_pause_leaves_no_hole(void)
{
    static struct scene s;
    struct peer *p = &s.subs[0];

    open_scene(&s, 0);
    publish(&s, 0, 4, 50);
    drain(&s);
    CHECK(arc_router_pause(s.router, p->route, true, s.now_us) == ARC_OK);
    publish(&s, 4, 10, 50);
    drain(&s);
    CHECK(p->n == 4 && s.subs[1].n == 14);
    CHECK(arc_router_pause(s.router, p->route, false, s.now_us) == ARC_OK);
    publish(&s, 14, 2, 50);
    drain(&s);
    CHECK(p->n == 6 && p->got[4].seq16 == (uint16_t)(p->got[3].seq16 + 1));
    CHECK(p->got[4].ts - p->got[3].ts == 3000u * 11);
    CHECK(p->got[4].data[0] == 14);
    close_scene(&s);
}

static void test_reports_go_both_ways(void)
{
    static struct scene s;
    uint8_t data[256];
    struct arc_writer w;
    struct arc_rtcp_sender_info info;

    open_scene(&s, ARC_SRTP_AEAD_AES_128_GCM);
    publish(&s, 0, 4, 50);
    memset(&info, 0, sizeof(info));
    info.ntp64  = (UINT64_C(3900000000) + 500) << 32;
    info.rtp_ts = 12000;
    arc_writer_init(&w, data, sizeof(data));
    arc_rtcp_write_sr(&w, SSRC, &info, NULL, 0);
    arc_rtcp_write_sdes_cname(&w, SSRC, "pub");
    send_rtcp(&s, &s.publisher, &w);
    for (int i = 0; i < 50; i++) {
        publish(&s, (uint16_t)(4 + i), 1, 50);
        wait_ms(&s, 100);
    }
    CHECK(s.publisher.n_rtcp > 0 && s.publisher.srs == 0);
    for (int i = 0; i < SUBS; i++)
        CHECK(s.subs[i].srs > 0);
    CHECK(arc_router_bye(s.router, s.subs[0].leg, s.now_us) == ARC_OK);
    drain(&s);
    CHECK(s.subs[0].byes == 1);
    close_scene(&s);
}

static void test_forged_packets_move_nothing(void)
{
    static struct scene s;
    struct arc_router_stats stats;
    uint8_t data[200];
    struct arc_datagram d;
    bool good;

    open_scene(&s, ARC_SRTP_AEAD_AES_128_GCM);
    publish(&s, 0, 4, 50);
    drain(&s);
    memset(&d, 0, sizeof(d));
    for (int i = 0; i < 2000; i++) {
        d.data = data;
        d.len  = (int32_t)make_rtp(data, (uint16_t)(4 + i), SSRC, PT, 100);
        arc_router_receive(s.router, s.publisher.leg, &d, 1, s.work, &good,
                           s.now_us);
        CHECK(!good);
    }
    CHECK(drain(&s) == 0);
    arc_router_get_stats(s.router, &stats);
    CHECK(stats.drops.auth == 2000 && stats.received_rtp == 4);
    CHECK(stats.pool_used_pkts <= 4);
    publish(&s, 4, 1, 50);
    drain(&s);
    CHECK(s.subs[0].n == 5);
    close_scene(&s);
}

static void test_ids_and_arguments(void)
{
    static struct scene s;
    struct arc_route_config r = route_config();
    struct arc_track_config t = track_config();
    int32_t id;

    open_scene(&s, ARC_SRTP_AEAD_AES_128_GCM);
    CHECK(arc_router_add_route(s.router, s.track, s.publisher.leg, &r, s.now_us,
                               &id) == ARC_ERR_ARG); /* to its publisher */
    r.ssrc = s.subs[0].ssrc;
    CHECK(arc_router_add_route(s.router, s.track, s.subs[0].leg, &r, s.now_us,
                               &id) == ARC_ERR_ARG);
    CHECK(arc_router_add_track(s.router, s.publisher.leg, &t, s.now_us, &id) ==
          ARC_ERR_ARG);
    publish(&s, 0, 3, 50);
    CHECK(arc_router_remove_route(s.router, s.subs[0].route) == ARC_OK);
    CHECK(arc_router_remove_route(s.router, s.subs[0].route) == ARC_ERR_ARG);
    drain(&s);
    CHECK(s.subs[0].n == 0 && s.subs[1].n == 3);
    CHECK(arc_router_remove_leg(s.router, s.publisher.leg) == ARC_OK);
    CHECK(arc_router_remove_track(s.router, s.track) == ARC_ERR_ARG);
    CHECK(arc_router_remove_route(s.router, s.subs[1].route) == ARC_ERR_ARG);
    close_scene(&s);
}

/** An SSRC that a key has seen is not sent with it again: IVs would repeat. */
static void test_an_ssrc_is_not_used_twice(void)
{
    static struct scene s;
    struct arc_route_config r = route_config();
    struct arc_srtp_key_config key;
    int32_t id;

    open_scene(&s, ARC_SRTP_AEAD_AES_128_GCM);
    publish(&s, 0, 3, 50);
    drain(&s);
    CHECK(arc_router_remove_route(s.router, s.subs[0].route) == ARC_OK);
    r.ssrc = s.subs[0].ssrc;
    CHECK(arc_router_add_route(s.router, s.track, s.subs[0].leg, &r, s.now_us,
                               &id) == ARC_ERR_ARG);
    memset(&key, 0, sizeof(key));
    memset(key.master_key, 99, 16);
    key.key_len  = 16;
    key.salt_len = 14;
    CHECK(arc_router_rekey(s.router, s.subs[0].leg, &key, NULL, 0, s.now_us) ==
          ARC_OK);
    CHECK(arc_router_add_route(s.router, s.track, s.subs[0].leg, &r, s.now_us,
                               &id) == ARC_OK);
    close_scene(&s);
}

static void test_coming_and_going_leaves_nothing(void)
{
    const int64_t blocks = arc_mem_live_blocks();
    static struct scene s;
    int64_t inside;

    open_scene(&s, ARC_SRTP_AEAD_AES_128_GCM);
    inside = 0;
    for (int i = 0; i < 300; i++) {
        struct arc_route_config r = route_config();
        struct arc_leg_config c = leg_config(ARC_SRTP_AEAD_AES_128_GCM, 9);
        int32_t leg, route;

        CHECK(arc_router_add_leg(s.router, &c, s.now_us, &leg) == ARC_OK);
        CHECK(arc_router_add_route(s.router, s.track, leg, &r, s.now_us,
                                   &route) == ARC_OK);
        publish(&s, (uint16_t)(2 * i), 2, 50);
        if (i % 2)
            CHECK(arc_router_remove_route(s.router, route) == ARC_OK);
        CHECK(arc_router_remove_leg(s.router, leg) == ARC_OK);
        for (int k = 0; k < SUBS; k++)
            s.subs[k].n = 0;
        drain(&s);
        if (i == 20)
            inside = arc_mem_live_blocks();
    }
    CHECK(arc_mem_live_blocks() == inside);
    close_scene(&s);
    CHECK(arc_mem_live_blocks() == blocks);
}

/** A publisher in clear that begins anew with numbers it has sent before: its
 *  subscribers must not see one of them twice under a key. */
static void test_a_restarted_publisher_repeats_no_number(void)
{
    static struct scene s;
    static bool seen[65536];
    struct peer *p = &s.subs[0];
    uint16_t last;

    memset(seen, 0, sizeof(seen));
    open_scene(&s, 0);
    for (uint16_t i = 0; i < 60; i++) {
        publish(&s, (uint16_t)(5000 + 40 * i), 40, 20);
        wait_ms(&s, 1);
        for (int k = 0; k < p->n; k++)
            seen[p->got[k].seq16] = true;
        last = p->got[p->n - 1].seq16;
        for (int k = 0; k < SUBS; k++)
            s.subs[k].n = 0;
    }
    publish(&s, 5100, 1, 20); /* a stray goes nowhere */
    wait_ms(&s, 1);
    CHECK(p->n == 0);
    publish(&s, 5101, 20, 20); /* it is a new beginning */
    wait_ms(&s, 1);
    CHECK(p->n == 20);
    for (int k = 0; k < p->n; k++) {
        CHECK(!seen[p->got[k].seq16]);
        CHECK(p->got[k].seq16 == (uint16_t)(last + 1 + k));
    }
    close_scene(&s);
}

int main(void)
{
    test_a_restarted_publisher_repeats_no_number();
    for (int i = 0; i < 3; i++) {
        test_every_subscriber_gets_every_packet(profiles[i]);
        test_nack_is_answered_from_the_history(profiles[i]);
    }
    test_trains_are_equal_datagrams();
    test_loss_is_asked_of_the_publisher();
    test_key_requests_are_merged();
    test_pause_leaves_no_hole();
    test_reports_go_both_ways();
    test_forged_packets_move_nothing();
    test_ids_and_arguments();
    test_an_ssrc_is_not_used_twice();
    test_coming_and_going_leaves_nothing();
    return check_done("test_router");
}
