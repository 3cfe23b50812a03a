/**
 * @file tests/c/test_traffic.c  Sources, sinks and the bare loop, thread to thread
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "io/bareloop.h"
#include "io/clock.h"
#include "io/traffic.h"
#include "io/traffic_packet.h"
#include "srtp/replay.h"

enum { FIRST_SSRC = 0x1000, OUT_SSRC = 0x2000, FAN_OUT = 3, PAYLOAD = 300 };

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

static struct arc_traffic *new_traffic(void)
{
    const struct arc_traffic_config cfg = {-1, 100};
    struct arc_traffic *t;

    CHECK(arc_traffic_new(&cfg, &t) == ARC_OK);
    return t;
}

static struct arc_traffic_sink *new_sink(struct arc_traffic *t, int32_t gro)
{
    struct arc_traffic_sink_config cfg;
    struct arc_traffic_sink *s;

    memset(&cfg, 0, sizeof(cfg));
    cfg.seed         = 7;
    cfg.sockets      = 2;
    cfg.gro          = gro;
    cfg.sample_every = 5;
    cfg.buffer_bytes = 1 << 20;
    cfg.max_legs     = 8;
    cfg.max_routes   = 8;
    CHECK(arc_traffic_add_sink(t, &cfg, &s) == ARC_OK);
    return s;
}

static struct arc_traffic_source_config source_config(void)
{
    struct arc_traffic_source_config cfg;

    memset(&cfg, 0, sizeof(cfg));
    cfg.seed            = 7;
    cfg.payload_bytes   = PAYLOAD;
    cfg.burst_pkts      = 6;
    cfg.gso             = 1;
    cfg.payload_type    = 96;
    cfg.ticks_per_burst = 3000;
    cfg.max_streams     = 4;
    return cfg;
}

static struct arc_traffic_source *
new_source(struct arc_traffic *t, const struct arc_traffic_source_config *cfg,
           int32_t port, const struct arc_srtp_config *srtp)
{
    const struct arc_traffic_source_leg leg = {"127.0.0.1", port, FIRST_SSRC, 1,
                                               srtp};
    struct arc_traffic_source *s;

    CHECK(arc_traffic_add_source(t, cfg, &s) == ARC_OK);
    CHECK(arc_traffic_source_add_leg(s, &leg) == 0);
    CHECK(arc_traffic_source_port(s, 0) > 0);
    return s;
}

static struct arc_traffic_sink_stats received(struct arc_traffic_sink *s)
{
    struct arc_traffic_sink_stats stats;

    arc_traffic_sink_get_stats(s, &stats);
    return stats;
}

static struct arc_traffic_source_stats sent(struct arc_traffic_source *s)
{
    struct arc_traffic_source_stats stats;

    arc_traffic_source_get_stats(s, &stats);
    return stats;
}

/** Wait until the sink has so many packets; a slow machine has ten seconds. */
static void wait_for(struct arc_traffic_sink *s, int64_t pkts)
{
    for (int i = 0; i < 2000 && received(s).received_pkts < pkts; i++)
        usleep(5000);
    CHECK(received(s).received_pkts >= pkts);
}

static void check_flawless(const struct arc_traffic_sink_stats *s)
{
    CHECK(s->samples > 0);
    CHECK(s->forged == 0 && s->wrong == 0);
    CHECK(s->number_shifts == 0 && s->ts_shifts == 0);
    CHECK(s->missing_pkts == 0 && s->misplaced_pkts == 0);
    CHECK(s->unknown_pkts == 0 && s->source_changes == 0);
}

/* --- source to sink --------------------------------------------------------------- */

static void run_straight(int32_t gro, int32_t level_ext_id, bool secure,
                         int32_t gso)
{
    const struct arc_srtp_config k = keys(1);
    struct arc_traffic_source_config cfg = source_config();
    struct arc_traffic *t = new_traffic();
    struct arc_traffic_sink *sink = new_sink(t, gro);
    struct arc_traffic_source *source;
    struct arc_traffic_sink_stats in;
    struct arc_traffic_leg_stats leg;
    struct arc_histogram latency;

    cfg.level_ext_id = level_ext_id;
    cfg.gso          = gso;
    CHECK(arc_traffic_sink_add_leg(sink, secure ? &k : NULL) == 0);
    CHECK(arc_traffic_sink_add_route(sink, 0, FIRST_SSRC) == ARC_OK);
    CHECK(arc_traffic_sink_add_route(sink, 0, FIRST_SSRC) == ARC_ERR_ARG);
    CHECK(arc_traffic_sink_add_route(sink, 1, 9) == ARC_ERR_ARG);
    source = new_source(t, &cfg, arc_traffic_sink_port(sink, 1),
                        secure ? &k : NULL);
    CHECK(arc_traffic_source_follow(source, arc_traffic_sink_counter(sink), 1,
                                    60) == ARC_OK);
    usleep(2000);
    CHECK(sent(source).sent_pkts == 0);
    arc_traffic_source_run(source, 1);
    wait_for(sink, 3000);
    arc_traffic_source_run(source, 0);
    wait_for(sink, sent(source).sent_pkts);

    in = received(sink);
    check_flawless(&in);
    CHECK(in.received_pkts == sent(source).sent_pkts);
    CHECK(in.received_bytes == sent(source).sent_bytes);
    CHECK(sent(source).failed_pkts == 0 && sent(source).written_off_pkts == 0);
    CHECK(in.received_bytes / in.received_pkts ==
          12 + (level_ext_id ? 8 : 0) + PAYLOAD + (secure ? 16 : 0));
    CHECK((in.trains < in.received_pkts) == (gro && gso));
    CHECK(arc_traffic_sink_get_leg(sink, 0, &leg) == ARC_OK);
    CHECK(leg.received_pkts == in.received_pkts && leg.samples == in.samples);
    arc_traffic_sink_take_latency(sink, &latency);
    CHECK(latency.n == in.samples);
    CHECK(latency.min > 0 && latency.max < 10000000000);
    CHECK(arc_traffic_cpu_ns(t) > 0);
    arc_traffic_free(t);
}

/* --- through the bare loop ------------------------------------------------------------ */

static struct arc_bareloop *new_loop(struct arc_traffic_sink *sink)
{
    const struct arc_bareloop_config cfg = {-1, 1, FAN_OUT, FIRST_SSRC, PAYLOAD};
    const struct arc_srtp_config in = keys(1);
    struct arc_bareloop *b;

    CHECK(arc_bareloop_new(&cfg, &b) == ARC_OK);
    CHECK(arc_bareloop_start(b) == ARC_ERR_ARG);
    CHECK(arc_bareloop_set_stream(b, 1, &in) == ARC_ERR_ARG);
    CHECK(arc_bareloop_set_stream(b, 0, &in) == ARC_OK);
    for (int32_t i = 0; i < FAN_OUT; i++) {
        const struct arc_srtp_config out = keys((uint8_t)(10 + i));
        const struct arc_bareloop_subscriber to = {
            0, "127.0.0.1", arc_traffic_sink_port(sink, i % 2),
            OUT_SSRC + (uint32_t)i, (uint32_t)i * 15000, (uint32_t)i * 777};

        CHECK(arc_bareloop_add_subscriber(b, &to, &out) == ARC_OK);
        CHECK(arc_traffic_sink_add_leg(sink, &out) == i);
        CHECK(arc_traffic_sink_add_route(sink, i, to.ssrc) == ARC_OK);
    }
    CHECK(arc_bareloop_start(b) == ARC_OK);
    return b;
}

static struct arc_bareloop_stats forwarded(const struct arc_bareloop *b)
{
    struct arc_bareloop_stats s;

    arc_bareloop_get_stats(b, &s);
    return s;
}

/** Long enough for the roll-over counters to move: 2^16 packets and more. */
static void run_through_loop(void)
{
    const struct arc_srtp_config k = keys(1);
    struct arc_traffic_source_config cfg = source_config();
    struct arc_traffic *t = new_traffic();
    struct arc_traffic_sink *sink = new_sink(t, 1);
    struct arc_bareloop *b = new_loop(sink);
    struct arc_traffic_source *source;
    struct arc_traffic_sink_stats in;

    cfg.burst_pkts = 48;
    source = new_source(t, &cfg, arc_bareloop_port(b), &k);
    CHECK(arc_traffic_source_follow(source, arc_bareloop_taken(b), 1, 400) ==
          ARC_OK);
    CHECK(arc_traffic_source_follow(source, arc_traffic_sink_counter(sink),
                                    FAN_OUT, 400) == ARC_OK);
    CHECK(arc_traffic_source_follow(source, arc_traffic_sink_counter(sink),
                                    FAN_OUT, 400) == ARC_ERR_LIMIT);
    arc_traffic_source_run(source, 1);
    wait_for(sink, FAN_OUT * 66000);
    arc_traffic_source_run(source, 0);
    wait_for(sink, FAN_OUT * sent(source).sent_pkts);
    in = received(sink);
    check_flawless(&in);
    CHECK(forwarded(b).received_pkts == sent(source).sent_pkts);
    CHECK(forwarded(b).forwarded_pkts == in.received_pkts);
    CHECK(forwarded(b).failed_pkts == 0 && forwarded(b).cpu_ns > 0);
    arc_traffic_free(t);
    arc_bareloop_free(b);
}

/** Nothing hostile gets through, and the media lose nothing by it. */
static void run_hostile(void)
{
    const struct arc_srtp_config k = keys(1);
    struct arc_traffic_source_config cfg = source_config();
    struct arc_traffic *t = new_traffic();
    struct arc_traffic_sink *sink = new_sink(t, 1);
    struct arc_bareloop *b = new_loop(sink);
    struct arc_traffic_source *source;
    struct arc_traffic_sink_stats in;
    struct arc_bareloop_stats s;

    cfg.rate_pps    = 3000;
    cfg.hostile     = ARC_TRAFFIC_FORGED | ARC_TRAFFIC_RANDOM |
                  ARC_TRAFFIC_REPLAYED;
    cfg.hostile_pps = 3000;
    source = new_source(t, &cfg, arc_bareloop_port(b), &k);
    arc_traffic_source_run(source, 1);
    wait_for(sink, FAN_OUT * 1500);
    arc_traffic_source_run(source, 0);
    wait_for(sink, FAN_OUT * sent(source).sent_pkts);
    in = received(sink);
    s  = forwarded(b);
    check_flawless(&in);
    CHECK(s.forged_pkts > 0 && s.replayed_pkts > 0 && s.refused_pkts > 0);
    CHECK(sent(source).hostile_pkts > 500);
    CHECK(s.received_pkts == sent(source).sent_pkts + s.forged_pkts +
                                 s.replayed_pkts + s.refused_pkts);
    CHECK(in.received_pkts == FAN_OUT * sent(source).sent_pkts);
    arc_traffic_free(t);
    arc_bareloop_free(b);
}

/* --- what may go wrong ----------------------------------------------------------------- */

/** A window that nothing comes back through is opened again, and that is counted. */
static void run_into_the_void(void)
{
    struct arc_traffic_source_config cfg = source_config();
    struct arc_traffic *t = new_traffic();
    struct arc_traffic_sink *deaf = new_sink(t, 0); /* no route */
    struct arc_traffic_source *source =
        new_source(t, &cfg, arc_traffic_sink_port(deaf, 0), NULL);

    CHECK(arc_traffic_source_follow(source, arc_traffic_sink_counter(deaf), 1,
                                    12) == ARC_OK);
    arc_traffic_source_run(source, 1);
    for (int i = 0; i < 2000 && sent(source).written_off_pkts < 36; i++)
        usleep(5000);
    CHECK(sent(source).written_off_pkts >= 36);
    CHECK(received(deaf).unknown_pkts >= 36);
    CHECK(received(deaf).received_pkts == 0);
    arc_traffic_remove_source(t, source);
    arc_traffic_remove_sink(t, deaf);
    arc_traffic_free(t);
}

/** A sink with a wrong key says so, and with a new one is content again. */
static void run_rekey(void)
{
    const struct arc_srtp_config first = keys(1), second = keys(2);
    struct arc_traffic_source_config cfg = source_config();
    struct arc_traffic *t = new_traffic();
    struct arc_traffic_sink *sink = new_sink(t, 1);
    struct arc_traffic_source *source;
    struct arc_srtp_key_config key;
    int64_t forged;

    memset(&key, 0, sizeof(key));
    memcpy(key.master_key, second.master_key, 16);
    memcpy(key.master_salt, second.master_salt, 12);
    key.key_len  = 16;
    key.salt_len = 12;
    cfg.rate_pps = 6000;
    CHECK(arc_traffic_sink_add_leg(sink, &first) == 0);
    CHECK(arc_traffic_sink_add_route(sink, 0, FIRST_SSRC) == ARC_OK);
    source = new_source(t, &cfg, arc_traffic_sink_port(sink, 0), &first);
    arc_traffic_source_run(source, 1);
    wait_for(sink, 600);
    CHECK(received(sink).forged == 0);
    CHECK(arc_traffic_source_rekey(source, 1, &key) == ARC_ERR_ARG);
    CHECK(arc_traffic_source_rekey(source, 0, &key) == ARC_OK);
    wait_for(sink, received(sink).received_pkts + 600);
    CHECK(received(sink).forged > 0);
    CHECK(arc_traffic_sink_rekey(sink, 0, &key, 1000) == ARC_OK);
    usleep(100000);
    forged = received(sink).forged;
    wait_for(sink, received(sink).received_pkts + 600);
    CHECK(received(sink).forged == forged);
    CHECK(received(sink).wrong == 0);
    arc_traffic_free(t);
}

static void check_marks(void)
{
    static uint8_t pattern[ARC_TRAFFIC_PATTERN_BYTES], other[sizeof(pattern)];
    const struct arc_traffic_mark mark = {0xfffffff0u, 5, 1ull << 40, 77};
    struct arc_traffic_mark read;
    uint8_t payload[100];

    arc_traffic_pattern(1, pattern);
    arc_traffic_pattern(2, other);
    arc_traffic_packet_write(&mark, pattern, payload, sizeof(payload));
    CHECK(arc_traffic_packet_read(payload, sizeof(payload), pattern, &read));
    CHECK(read.ssrc == mark.ssrc && read.rtp_ts == mark.rtp_ts);
    CHECK(read.number == mark.number && read.sent_ns == mark.sent_ns);
    CHECK(!arc_traffic_packet_read(payload, sizeof(payload), other, &read));
    for (size_t len = 0; len < 24; len++)
        CHECK(!arc_traffic_packet_read(payload, len, pattern, &read));
    payload[99] ^= 1;
    CHECK(!arc_traffic_packet_read(payload, sizeof(payload), pattern, &read));
    CHECK(arc_traffic_packet_read(payload, 99, pattern, &read));
}

static void check_arguments(void)
{
    const struct arc_traffic_config wrong = {-2, 0};
    struct arc_traffic_source_config cfg = source_config();
    const struct arc_traffic_source_leg leg = {"nowhere", 1, 1, 1, NULL};
    struct arc_bareloop_config loop = {-1, 1, 1, 1, 1401};
    struct arc_traffic *t;
    struct arc_traffic_source *s;
    struct arc_bareloop *b;

    CHECK(arc_traffic_new(&wrong, &t) == ARC_ERR_ARG);
    CHECK(arc_bareloop_new(&loop, &b) == ARC_ERR_ARG);
    CHECK(arc_replay_words(2048) == 64); /* what io/bareloop_parts.h has */
    t = new_traffic();
    cfg.hostile_pps = 1; /* of no kind */
    CHECK(arc_traffic_add_source(t, &cfg, &s) == ARC_ERR_ARG);
    cfg = source_config();
    cfg.payload_bytes = 31;
    CHECK(arc_traffic_add_source(t, &cfg, &s) == ARC_ERR_ARG);
    cfg.payload_bytes = 1400; /* 48 of them are more than a train may hold */
    cfg.burst_pkts    = 48;
    CHECK(arc_traffic_add_source(t, &cfg, &s) == ARC_OK);
    CHECK(arc_traffic_source_add_leg(s, &leg) == ARC_ERR_ARG);
    CHECK(arc_traffic_source_port(s, 0) == -1);
    arc_traffic_free(t);
}

/** Every allocation fails once: nothing is left behind, nothing runs. */
static void check_out_of_memory(void)
{
    const struct arc_traffic_config cfg = {-1, 100};
    const struct arc_bareloop_config loop = {-1, 1, 1, 1, 100};
    struct arc_traffic *t;
    struct arc_bareloop *b;
    int64_t allowed = 0;
    enum arc_status status;

    do {
        arc_mem_fail_after(allowed++);
        status = arc_traffic_new(&cfg, &t);
    } while (status == ARC_ERR_NOMEM);
    arc_mem_fail_after(-1);
    CHECK(status == ARC_OK && allowed > 3);
    arc_traffic_free(t);
    allowed = 0;
    do {
        arc_mem_fail_after(allowed++);
        status = arc_bareloop_new(&loop, &b);
    } while (status == ARC_ERR_NOMEM);
    arc_mem_fail_after(-1);
    CHECK(status == ARC_OK && allowed > 3);
    arc_bareloop_free(b);
}

int main(void)
{
    const int64_t before = arc_mem_live_blocks();

    check_marks();
    check_arguments();
    check_out_of_memory();
    run_straight(1, 0, true, 1);
    run_straight(1, 0, true, 0);
    run_straight(0, 3, true, 1);
    run_straight(1, 1, false, 1);
    run_into_the_void();
    run_rekey();
    run_hostile();
    run_through_loop();
    CHECK(arc_mem_live_blocks() == before);
    return check_done("traffic");
}
