/**
 * @file io/traffic_source.c  A source: its legs, and what is asked of it
 */
#include "base/atomic.h"
#include "base/mem.h"
#include "io/clock.h"
#include "io/traffic_parts.h"
#include "wire/rtp.h"

enum { BUFFER_BYTES = 4 << 20, NS_PER_S = 1000000000 };

int32_t arc_traffic_room_bytes(const struct arc_traffic_source *s)
{
    return s->cfg.payload_bytes + ARC_RTP_HEADER_BYTES + ARC_TRAFFIC_EXT_BYTES +
           ARC_SRTP_TRAILER_MAX_BYTES;
}

static bool config_ok(const struct arc_traffic_source_config *c)
{
    return c->payload_bytes >= ARC_TRAFFIC_MIN_PAYLOAD &&
           c->payload_bytes <= ARC_TRAFFIC_MAX_PAYLOAD && c->burst_pkts >= 1 &&
           c->burst_pkts <= ARC_TRAFFIC_MAX_BURST && c->payload_type >= 0 &&
           c->payload_type <= 127 && c->level_ext_id >= 0 &&
           c->level_ext_id <= 14 && c->rate_pps >= 0 && c->hostile_pps >= 0 &&
           c->hostile >= 0 && c->hostile <= 7 &&
           (c->hostile_pps == 0 || c->hostile != 0) && c->max_streams >= 1 &&
           c->max_streams <= ARC_TRAFFIC_MAX_STREAMS;
}

static double interval_ns(int64_t pps, int32_t burst_pkts)
{
    return pps > 0 ? (double)NS_PER_S * burst_pkts / (double)pps : 0;
}

enum arc_status
arc_traffic_source_new(const struct arc_traffic_source_config *cfg,
                       struct arc_turn *turn, struct arc_traffic_source **out)
{
    struct arc_traffic_source *s;
    size_t room;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    s = arc_mem_zalloc(1, sizeof(*s));
    if (!s)
        return ARC_ERR_NOMEM;
    s->cfg  = *cfg;
    s->turn = turn;
    room    = (size_t)arc_traffic_room_bytes(s) * (size_t)cfg->burst_pkts;
    s->train   = arc_mem_zalloc(1, room);
    s->forgery = arc_mem_zalloc(1, room);
    s->legs    = arc_mem_zalloc((size_t)cfg->max_streams, sizeof(*s->legs));
    s->streams = arc_mem_zalloc((size_t)cfg->max_streams, sizeof(*s->streams));
    if (!s->train || !s->forgery || !s->legs || !s->streams) {
        arc_traffic_source_free(s);
        return ARC_ERR_NOMEM;
    }
    s->media.interval_ns   = interval_ns(cfg->rate_pps, cfg->burst_pkts);
    s->hostile.interval_ns = interval_ns(cfg->hostile_pps, cfg->burst_pkts);
    arc_rng_init(&s->rng, cfg->seed);
    arc_traffic_pattern(cfg->seed, s->pattern);
    *out = s;
    return ARC_OK;
}

void arc_traffic_source_free(struct arc_traffic_source *s)
{
    for (int32_t i = 0; i < s->n_legs; i++) {
        arc_srtp_free(s->legs[i].srtp);
        arc_fd_close(s->legs[i].fd);
    }
    arc_mem_free(s->train);
    arc_mem_free(s->forgery);
    arc_mem_free(s->legs);
    arc_mem_free(s->streams);
    arc_mem_free(s);
}

/** Bytes of each packet that a leg sends. */
static int32_t packet_bytes(const struct arc_traffic_source *s,
                            const struct arc_traffic_out *leg)
{
    return s->cfg.payload_bytes + ARC_RTP_HEADER_BYTES +
           (s->cfg.level_ext_id ? ARC_TRAFFIC_EXT_BYTES : 0) +
           (leg->srtp ? arc_srtp_overhead_bytes(leg->srtp) : 0);
}

static enum arc_status open_leg(const struct arc_traffic_source *s,
                                const struct arc_traffic_source_leg *to,
                                struct arc_traffic_out *leg)
{
    enum arc_status status = ARC_OK;

    leg->srtp = NULL;
    leg->fd   = -1;
    if (to->srtp)
        status = arc_srtp_new(to->srtp, &leg->srtp);
    if (status)
        return status;
    if (packet_bytes(s, leg) * s->cfg.burst_pkts > ARC_TRAIN_MAX_BYTES)
        return ARC_ERR_ARG;
    leg->fd = arc_benchsock_open("0.0.0.0", 0);
    if (leg->fd < 0 || !arc_benchsock_connect(leg->fd, to->host, to->port))
        return ARC_ERR_IO;
    arc_benchsock_set_buffers(leg->fd, BUFFER_BYTES);
    if (s->cfg.gso && s->cfg.burst_pkts > 1 &&
        !arc_benchsock_set_segment(leg->fd, packet_bytes(s, leg)))
        return ARC_ERR_UNSUPPORTED;
    return ARC_OK;
}

/** With the turn lock held. */
static int32_t add_leg(struct arc_traffic_source *s,
                       const struct arc_traffic_source_leg *to)
{
    struct arc_traffic_out leg;
    enum arc_status status;

    if (s->n_streams + to->streams > s->cfg.max_streams)
        return ARC_ERR_LIMIT;
    status = open_leg(s, to, &leg);
    if (status) {
        arc_srtp_free(leg.srtp);
        arc_fd_close(leg.fd);
        return status;
    }
    s->legs[s->n_legs] = leg;
    for (int32_t i = 0; i < to->streams; i++) {
        struct arc_traffic_stream *stream = &s->streams[s->n_streams++];

        stream->leg    = &s->legs[s->n_legs];
        stream->ssrc   = to->first_ssrc + (uint32_t)i;
        stream->number = arc_rng_below(&s->rng, 1 << 15); /* RFC 3711 §3.3.1 */
        stream->rtp_ts = (uint32_t)arc_rng_u64(&s->rng);
    }
    return s->n_legs++;
}

int32_t arc_traffic_source_add_leg(struct arc_traffic_source           *s,
                                   const struct arc_traffic_source_leg *leg)
{
    int32_t number;

    if (!leg || !leg->host || leg->streams < 1 ||
        leg->streams > ARC_TRAFFIC_MAX_STREAMS)
        return ARC_ERR_ARG;
    arc_turn_enter(s->turn);
    number = add_leg(s, leg);
    arc_turn_leave(s->turn);
    return number;
}

int32_t arc_traffic_source_port(struct arc_traffic_source *s, int32_t leg)
{
    int32_t port = -1;

    arc_turn_enter(s->turn);
    if (leg >= 0 && leg < s->n_legs)
        port = arc_benchsock_port(s->legs[leg].fd);
    arc_turn_leave(s->turn);
    return port;
}

enum arc_status arc_traffic_source_follow(struct arc_traffic_source *s,
                                          const int64_t *counter,
                                          int32_t per_packet,
                                          int32_t window_pkts)
{
    enum arc_status status = ARC_ERR_LIMIT;

    if (!counter || per_packet < 1 || window_pkts < 1)
        return ARC_ERR_ARG;
    arc_turn_enter(s->turn);
    if (s->n_followed < ARC_TRAFFIC_MAX_FOLLOWED) {
        struct arc_traffic_followed *f = &s->followed[s->n_followed++];

        f->counter     = counter;
        f->per_packet  = per_packet;
        f->window_pkts = window_pkts;
        f->seen        = arc_atomic_load_acquire(counter);
        f->behind      = s->stats.sent_pkts - f->seen / per_packet;
        f->moved_ns    = arc_benchsock_now_ns();
        status         = ARC_OK;
    }
    arc_turn_leave(s->turn);
    return status;
}

void arc_traffic_source_run(struct arc_traffic_source *s, int32_t on)
{
    arc_turn_enter(s->turn);
    s->on = on != 0;
    s->media.due_ns = s->hostile.due_ns = (double)arc_benchsock_now_ns();
    arc_turn_leave(s->turn);
}

enum arc_status
arc_traffic_source_rekey(struct arc_traffic_source *s, int32_t leg,
                         const struct arc_srtp_key_config *key)
{
    enum arc_status status = ARC_ERR_ARG;
    int32_t id;

    arc_turn_enter(s->turn);
    if (key && leg >= 0 && leg < s->n_legs && s->legs[leg].srtp) {
        const int64_t now_us = arc_clock_us();

        status = arc_srtp_rekey(s->legs[leg].srtp, key, 0, now_us, &id);
        arc_srtp_expire(s->legs[leg].srtp, now_us);
    }
    arc_turn_leave(s->turn);
    return status;
}

void arc_traffic_source_get_stats(struct arc_traffic_source       *s,
                                  struct arc_traffic_source_stats *out)
{
    arc_turn_enter(s->turn);
    *out = s->stats;
    arc_turn_leave(s->turn);
}
