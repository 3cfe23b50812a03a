/**
 * @file tests/fuzz/fuzz_router.c  A router under anything: datagrams, wishes, time
 *
 * The first byte of each step says what happens, the rest feeds it. Whatever
 * came, the account of packets must add up, and all memory must come back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/units.h"
#include "router/router.h"

enum { LEGS = 4, MAX_BYTES = 1500, ROOM = 65536, SSRC = 0x1000, PT = 96, RTX_PT = 97 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct scene {
    struct arc_router *router;
    int32_t legs[LEGS], tracks[2], routes[LEGS][2];
    int64_t now_us;
};

static void add_legs(struct scene *s)
{
    struct arc_leg_config c;

    memset(&c, 0, sizeof(c));
    c.mtu_bytes  = 1200;
    c.queue_pkts = 16;
    c.train_pkts = 8;
    c.rtcp_bps   = 1000000;
    for (int i = 0; i < LEGS; i++) {
        c.hold_us      = i == 2 ? 2000 : 0;
        c.pace_bps     = i == 3 ? 500000 : 0;
        c.twcc_id      = i == 2 ? 5 : 0;
        c.send_time_id = i == 3 ? 6 : 0;
        if (arc_router_add_leg(s->router, &c, s->now_us, &s->legs[i]))
            abort();
    }
}

static void add_tracks(struct scene *s, int32_t codec)
{
    struct arc_track_config c;

    memset(&c, 0, sizeof(c));
    c.kind             = ARC_TRACK_VIDEO;
    c.codec            = codec;
    c.clock_hz         = 90000;
    c.payload_type     = PT;
    c.rtx_payload_type = RTX_PT;
    c.n_sources        = 2;
    c.ssrc[0]          = SSRC;
    c.rtx_ssrc[0]      = SSRC + 1;
    strcpy(c.rid[1], "h");
    c.rid_id           = 1;
    c.repaired_rid_id  = 2;
    c.depdesc_id       = 4;
    c.history_pkts     = 32;
    c.history_us       = ARC_US_PER_S;
    c.nack             = true;
    c.group            = -1;
    if (arc_router_add_track(s->router, s->legs[0], &c, s->now_us,
                             &s->tracks[0]))
        abort();
    c.kind      = ARC_TRACK_AUDIO;
    c.codec     = ARC_TRACK_OTHER;
    c.n_sources = 1;
    c.ssrc[0]   = 0; /* learned by its payload type */
    c.level_id  = 3;
    c.group     = 7;
    if (arc_router_add_track(s->router, s->legs[1], &c, s->now_us,
                             &s->tracks[1]))
        abort();
}

static void add_route(struct scene *s, int leg, int track)
{
    struct arc_route_config c;

    memset(&c, 0, sizeof(c));
    c.payload_type     = -1;
    c.rtx_payload_type = leg == 2 ? RTX_PT : -1;
    c.ext_out[3]       = 3;
    c.ext_out[4]       = leg == 3 ? 9 : 0;
    c.mid_id           = leg == 2 ? 8 : 0;
    strcpy(c.mid, "m");
    c.spatial = c.temporal = -1;
    arc_router_add_route(s->router, s->tracks[track], s->legs[leg], &c,
                         s->now_us, &s->routes[leg][track]);
}

static void drain(struct scene *s)
{
    static uint8_t room[ROOM];
    struct arc_router_event e;
    struct arc_train train;
    int32_t leg;

    while (arc_router_transmit(s->router, s->now_us, NULL, room, ROOM, &leg,
                               &train) == ARC_OK)
        if (train.len < 1 || train.segment_bytes < 1 ||
            train.segment_bytes > 1200)
            abort();
    while (arc_router_poll_event(s->router, &e) == ARC_OK)
        ;
}

static void check(const struct scene *s)
{
    struct arc_router_stats t;
    const struct arc_router_unsent *u = &t.unsent;

    arc_router_get_stats(s->router, &t);
    if (t.offered_pkts != t.forwarded_pkts + t.queued_pkts + u->paused +
                              u->layer + u->unheard + u->unplaced +
                              u->queue_full + u->too_long + u->seal_failed +
                              u->gone)
        abort();
}

/** A datagram; mostly one that begins as a packet of a track. */
static void receive(struct scene *s, int leg, const uint8_t *data, size_t len,
                    bool dressed)
{
    uint8_t *copy = malloc(len + 12); /* of its own: ASan sees its end */
    struct arc_datagram d;

    memcpy(copy, data, len);
    if (dressed && len >= 12) {
        copy[0] = (uint8_t)(0x80 | (copy[0] & 0x3f));
        if (copy[1] % 4)
            copy[1] = (uint8_t)((copy[1] & 0x80) | PT);
        if (copy[4] % 4)
            arc_put_u32(copy + 8, SSRC + copy[11] % 2);
    }
    memset(&d, 0, sizeof(d));
    d.data    = copy;
    d.len     = (int32_t)len;
    d.time_us = s->now_us;
    arc_router_receive(s->router, s->legs[leg], &d, 1, NULL, NULL, s->now_us);
    free(copy);
}

/** @return bytes used, 1 or more */
static size_t step(struct scene *s, const uint8_t *data, size_t len)
{
    const int what = data[0] % 10, leg = data[0] / 10 % LEGS;
    const uint8_t arg = len > 1 ? data[1] : 0;
    int32_t *route = &s->routes[2 + leg % 2][arg % 2];
    size_t n = len > 2 ? (size_t)arg * 2 : 0;

    n = n < len - 1 ? n : len - 1;
    switch (what) {
    case 0: case 1: case 2: case 3:
        receive(s, leg, data + 1, n, what != 3);
        return 1 + n;
    case 4:
        s->now_us += (int64_t)arg * arg * 100;
        drain(s);
        return 2;
    case 5:
        arc_router_pause(s->router, *route, arg & 4, s->now_us);
        return 2;
    case 6:
        arc_router_set_layers(s->router, *route, arg % 3, arg % 5 - 1,
                              arg % 7 - 1, s->now_us);
        return 2;
    case 7:
        arc_router_remove_route(s->router, *route);
        return 2;
    case 8:
        add_route(s, 2 + leg % 2, arg % 2);
        return 2;
    default:
        drain(s);
        return 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const int64_t blocks = arc_mem_live_blocks();
    struct arc_router_config c;
    struct scene s;

    if (len < 2)
        return 0;
    memset(&s, 0, sizeof(s));
    memset(&c, 0, sizeof(c));
    strcpy(c.cname, "r");
    c.pool_pkts = 256;
    s.now_us    = ARC_US_PER_S;
    if (arc_router_new(&c, s.now_us, &s.router))
        abort();
    add_legs(&s);
    add_tracks(&s, data[0] % 5);
    for (int leg = 2; leg < LEGS; leg++)
        for (int track = 0; track < 2; track++)
            add_route(&s, leg, track);
    for (size_t at = 1; at < len; at += step(&s, data + at, len - at))
        check(&s);
    drain(&s);
    check(&s);
    arc_router_free(s.router);
    if (arc_mem_live_blocks() != blocks)
        abort();
    return 0;
}
