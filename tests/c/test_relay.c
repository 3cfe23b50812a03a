/**
 * @file tests/c/test_relay.c  Routers on loops, under traffic: threads and ends
 *
 * Packets pass while another thread joins, leaves, changes keys, moves the
 * router between loops and looks at its figures.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "io/hub.h"
#include "io/relay.h"
#include "io/traffic.h"

enum { SSRC = 0x1000, OUT_SSRC = 0x2000, FAN_OUT = 3, PAYLOAD = 300, BURST = 6,
       ROUNDS = 40 };

struct scene {
    struct arc_hub            *hub;
    struct arc_loop           *loops[2];
    struct arc_relay          *relay;
    struct arc_traffic        *traffic;
    struct arc_traffic_sink   *sink;
    struct arc_traffic_source *source;
    struct arc_udp            *in, *out[FAN_OUT];
    int32_t                    publisher, track, legs[FAN_OUT];
};

static struct arc_srtp_config keys(uint8_t seed)
{
    struct arc_srtp_config c;

    memset(&c, 0, sizeof(c));
    c.profile  = ARC_SRTP_AEAD_AES_128_GCM;
    c.key_len  = 16;
    c.salt_len = 12;
    memset(c.master_key, seed, 16);
    memset(c.master_salt, seed + 1, 12);
    return c;
}

static struct arc_udp *open_socket(int32_t remote_port)
{
    struct arc_udp *udp;
    char why[128];

    CHECK(arc_udp_open("127.0.0.1", 0, &udp, why, sizeof(why)) == ARC_OK);
    if (remote_port)
        CHECK(arc_udp_set_remote(udp, "127.0.0.1", remote_port, why,
                                 sizeof(why)) == ARC_OK);
    return udp;
}

static int32_t add_leg(struct scene *s, uint8_t key, struct arc_udp *udp)
{
    struct arc_leg_config c;
    int32_t leg;

    memset(&c, 0, sizeof(c));
    c.srtp      = true;
    c.srtp_send = c.srtp_receive = keys(key);
    c.mtu_bytes  = 1400;
    c.queue_pkts = 512;
    c.train_pkts = 32;
    c.rtcp_bps   = 1000000;
    CHECK(arc_relay_add_leg(s->relay, &c, udp, &leg) == ARC_OK);
    return leg;
}

static int32_t add_route(struct scene *s, int32_t leg, uint32_t ssrc)
{
    struct arc_route_request q;

    memset(&q, 0, sizeof(q));
    q.track = s->track;
    q.leg   = leg;
    q.config.ssrc             = ssrc;
    q.config.payload_type     = -1;
    q.config.rtx_payload_type = -1;
    q.config.spatial = q.config.temporal = -1;
    CHECK(arc_relay_add_routes(s->relay, &q, 1) == ARC_OK);
    return q.route;
}

static void open_traffic(struct scene *s)
{
    const struct arc_traffic_config t = {-1, 100};
    struct arc_traffic_sink_config c;

    memset(&c, 0, sizeof(c));
    c.seed         = 7;
    c.sockets      = FAN_OUT;
    c.gro          = 1;
    c.sample_every = 5;
    c.buffer_bytes = 1 << 20;
    c.max_legs     = 8;
    c.max_routes   = 8;
    CHECK(arc_traffic_new(&t, &s->traffic) == ARC_OK);
    CHECK(arc_traffic_add_sink(s->traffic, &c, &s->sink) == ARC_OK);
}

static void open_source(struct scene *s)
{
    const struct arc_srtp_config k = keys(100);
    const struct arc_traffic_source_leg leg = {
        "127.0.0.1", arc_udp_port(s->in), SSRC, 1, &k};
    struct arc_traffic_source_config c;

    memset(&c, 0, sizeof(c));
    c.seed            = 7;
    c.payload_bytes   = PAYLOAD;
    c.burst_pkts      = BURST;
    c.gso             = 1;
    c.payload_type    = 96;
    c.ticks_per_burst = 3000;
    c.max_streams     = 1;
    c.hostile         = ARC_TRAFFIC_FORGED | ARC_TRAFFIC_RANDOM |
                        ARC_TRAFFIC_REPLAYED;
    c.hostile_pps     = 500;
    CHECK(arc_traffic_add_source(s->traffic, &c, &s->source) == ARC_OK);
    CHECK(arc_traffic_source_add_leg(s->source, &leg) == 0);
    CHECK(arc_traffic_source_follow(s->source, arc_relay_taken(s->relay), 1,
                                    48) == ARC_OK);
}

static void open_relay(struct scene *s)
{
    struct arc_loop_config l = {NULL, 0, 1024, -1};
    struct arc_router_config r;
    struct arc_track_config t;

    CHECK(arc_hub_new(2, 64, &s->hub) == ARC_OK);
    l.hub = s->hub;
    for (l.source = 0; l.source < 2; l.source++)
        CHECK(arc_loop_new(&l, &s->loops[l.source]) == ARC_OK);
    memset(&r, 0, sizeof(r));
    strcpy(r.cname, "router");
    r.pool_pkts = 4096;
    CHECK(arc_relay_new(s->loops[0], 1, &r, &s->relay) == ARC_OK);
    s->in        = open_socket(0);
    s->publisher = add_leg(s, 100, s->in);
    memset(&t, 0, sizeof(t));
    t.clock_hz         = 90000;
    t.kind             = ARC_TRACK_VIDEO;
    t.payload_type     = 96;
    t.rtx_payload_type = -1;
    t.n_sources        = 1;
    t.ssrc[0]          = SSRC;
    t.history_pkts     = 256;
    t.history_us       = 1000000;
    t.nack             = true;
    t.group            = -1;
    CHECK(arc_relay_add_track(s->relay, s->publisher, &t, &s->track) == ARC_OK);
}

static void open_scene(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    open_traffic(s);
    open_relay(s);
    for (int i = 0; i < FAN_OUT; i++) {
        const struct arc_srtp_config k = keys((uint8_t)i);

        s->out[i]  = open_socket(arc_traffic_sink_port(s->sink, i));
        s->legs[i] = add_leg(s, (uint8_t)i, s->out[i]);
        add_route(s, s->legs[i], OUT_SSRC + (uint32_t)i);
        CHECK(arc_traffic_sink_add_leg(s->sink, &k) == i);
        CHECK(arc_traffic_sink_add_route(s->sink, i, OUT_SSRC + (uint32_t)i) ==
              ARC_OK);
    }
    open_source(s);
}

static void close_scene(struct scene *s)
{
    arc_relay_free(s->relay);
    for (int i = 0; i < 2; i++)
        arc_loop_free(s->loops[i]);
    arc_hub_free(s->hub);
    arc_traffic_free(s->traffic);
    arc_udp_close(s->in);
    for (int i = 0; i < FAN_OUT; i++)
        arc_udp_close(s->out[i]);
}

static int64_t received(struct scene *s)
{
    struct arc_traffic_sink_stats stats;

    arc_traffic_sink_get_stats(s->sink, &stats);
    return stats.received_pkts;
}

static void wait_for(struct scene *s, int64_t pkts)
{
    for (int i = 0; i < 4000 && received(s) < pkts; i++)
        usleep(5000);
    CHECK(received(s) >= pkts);
}

/** A subscriber that comes and goes at once; its packets go nowhere. */
static void join_and_leave(struct scene *s)
{
    struct arc_udp *udp = open_socket(9); /* discard */
    int32_t leg = add_leg(s, 77, udp);
    int32_t route = add_route(s, leg, 0);

    usleep(2000);
    CHECK(arc_relay_pause(s->relay, route, true) == ARC_OK);
    CHECK(arc_relay_remove_routes(s->relay, &route, 1) == ARC_OK);
    CHECK(arc_relay_remove_leg(s->relay, leg) == ARC_OK);
    CHECK(arc_relay_remove_leg(s->relay, leg) == ARC_ERR_ARG);
    arc_udp_close(udp);
}

static void look(struct scene *s)
{
    struct arc_stream_row rows[16];
    struct arc_leg_row legs[16];
    struct arc_router_stats stats;
    struct arc_relay_leg leg;

    CHECK(arc_relay_read_streams(s->relay, rows, 16) == 1 + FAN_OUT);
    CHECK(arc_relay_read_legs(s->relay, legs, 16) == 1 + FAN_OUT);
    CHECK(arc_relay_read_stats(s->relay, &stats) == ARC_OK);
    CHECK(stats.legs == 1 + FAN_OUT && stats.routes == FAN_OUT);
    CHECK(arc_relay_read_leg(s->relay, s->legs[0], &leg) == ARC_OK);
    CHECK(leg.udp.sent_pkts <= leg.leg.sent_pkts);
}

/** Packets that the router's socket had no room for, on a machine that is too busy to
 *  read them; the system counts them by the burst. */
static int64_t lost_on_the_way_in(struct scene *s, const struct arc_router_stats *r)
{
    struct arc_traffic_source_stats sent;
    struct arc_relay_leg leg;
    int64_t lost;

    arc_traffic_source_get_stats(s->source, &sent);
    CHECK(arc_relay_read_leg(s->relay, s->publisher, &leg) == ARC_OK);
    lost = sent.sent_pkts - r->received_rtp;
    CHECK(lost >= 0 && lost <= BURST * leg.udp.overflowed);
    return lost;
}

/** Nothing is sent any more: wait until the relay has read all and its packets have
 *  arrived. */
static void wait_until_all_is_through(struct scene *s,
                                      struct arc_traffic_sink_stats *sink,
                                      struct arc_router_stats *router)
{
    int64_t read = -1;

    for (int i = 0; i < 400; i++) {
        CHECK(arc_relay_read_stats(s->relay, router) == ARC_OK);
        arc_traffic_sink_get_stats(s->sink, sink);
        if (router->received_rtp == read &&
            FAN_OUT * read <= sink->received_pkts + sink->kernel_drops)
            break;
        read = router->received_rtp;
        usleep(50000);
    }
}

static void test_changes_under_traffic(void)
{
    struct arc_traffic_sink_stats stats;
    struct arc_router_stats router;
    struct arc_hub_event events[64];
    struct scene s;
    int64_t lost;

    open_scene(&s);
    arc_traffic_source_run(s.source, 1);
    wait_for(&s, 100);
    for (int i = 0; i < ROUNDS; i++) {
        join_and_leave(&s);
        look(&s);
        if (i % 4 == 3)
            CHECK(arc_relay_move(s.relay, s.loops[i / 4 % 2]) == ARC_OK);
        arc_hub_poll(s.hub, events, 64);
        wait_for(&s, received(&s) + 20);
    }
    arc_traffic_source_run(s.source, 0);
    wait_until_all_is_through(&s, &stats, &router);
    CHECK(stats.samples > 0 && stats.forged == 0 && stats.wrong == 0);
    lost = lost_on_the_way_in(&s, &router);
    CHECK(stats.missing_pkts <= FAN_OUT * lost + stats.kernel_drops);
    /* Over thousands of missing numbers a source counts as started anew. */
    CHECK(lost || (stats.number_shifts == 0 && stats.ts_shifts == 0));
    CHECK(stats.misplaced_pkts == 0);
    CHECK(router.drops.auth > 0 && router.drops.no_packet == 0);
    CHECK(FAN_OUT * router.received_rtp <= stats.received_pkts + stats.kernel_drops);
    close_scene(&s);
}

static void test_a_relay_outlives_its_loop(void)
{
    struct arc_router_stats stats;
    struct scene s;

    open_scene(&s);
    arc_loop_stop(s.loops[0]);
    CHECK(arc_relay_read_stats(s.relay, &stats) == ARC_ERR_ENDED);
    CHECK(arc_relay_remove_leg(s.relay, s.legs[0]) == ARC_ERR_ENDED);
    close_scene(&s);
}

int main(void)
{
    const int64_t blocks = arc_mem_live_blocks();

    test_changes_under_traffic();
    test_a_relay_outlives_its_loop();
    CHECK(arc_mem_live_blocks() == blocks);
    return check_done("test_relay");
}
