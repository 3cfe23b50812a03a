/**
 * @file io/traffic_source.c  Streams of marked packets, closed loop or paced
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/atomic.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/clock.h"
#include "io/traffic_packet.h"
#include "io/traffic_parts.h"
#include "wire/rtp.h"
#include "wire/rtpext.h"

enum {
    MAX_FOLLOWED     = 2,
    LOOP_TRAINS      = 4,  /* a turn, before the sinks have theirs          */
    PACED_TRAINS     = 64,
    STALL_NS         = 20000000,
    BUFFER_BYTES     = 4 << 20,
    EXT_BYTES        = 8,  /* extension header and one element of 1 byte    */
    NS_PER_S         = 1000000000,
};

struct leg {
    int              fd;
    struct arc_srtp *srtp; /* NULL: plain RTP */
};

struct stream {
    struct leg *leg;
    uint32_t    ssrc;
    uint32_t    rtp_ts; /* of the next train  */
    uint64_t    number; /* of the next packet */
};

/** A counter of packets that came through. */
struct followed {
    const int64_t *counter;
    int32_t        per_packet;
    int32_t        window_pkts;
    int64_t        behind;  /* counter's distance to what was sent, when all was
                               there                                         */
    int64_t        seen;    /* of the counter, when it last moved            */
    int64_t        moved_ns;
};

/** Something to be done at even distances. */
struct pace {
    double interval_ns; /* 0: never */
    double due_ns;
};

struct arc_traffic_source {
    struct arc_traffic_source_config cfg;
    struct arc_turn                 *turn;
    struct arc_traffic_source_stats  stats;
    bool            on;
    struct pace     media, hostile; /* a train each */
    struct followed followed[MAX_FOLLOWED];
    int32_t         n_followed;
    struct arc_rng  rng;
    uint8_t        *train, *forgery; /* memory for a train each            */
    int32_t         packet_bytes;    /* of the last train                  */
    int32_t         train_pkts;
    struct leg     *train_leg;       /* whose it was; NULL: none yet       */
    struct leg     *legs;
    struct stream  *streams;
    int32_t         n_legs, n_streams;
    int32_t         next; /* stream */
    uint8_t         pattern[ARC_TRAFFIC_PATTERN_BYTES];
};

/* --- what may be sent --------------------------------------------------------------------- */

/** @param given_up Trains that will never be sent: the thread is too late for them
 *  @return whether one is to be sent now */
static bool pace_due(struct pace *p, int64_t now_ns, int64_t *given_up)
{
    const double behind_ns = (double)now_ns - p->due_ns;

    *given_up = 0;
    if (p->interval_ns == 0 || behind_ns < 0)
        return false;
    if (behind_ns > ARC_TRAFFIC_BEHIND_US * 1e3) {
        *given_up = (int64_t)(behind_ns / p->interval_ns);
        p->due_ns = (double)now_ns;
    }
    p->due_ns += p->interval_ns;
    return true;
}

/** Whether the window of one counter has room. */
static bool has_room(struct arc_traffic_source *s, struct followed *f,
                     int64_t now_ns)
{
    const int64_t counter = arc_atomic_load_acquire(f->counter);
    int64_t under_way;

    if (counter != f->seen) {
        f->seen     = counter;
        f->moved_ns = now_ns;
    }
    under_way = s->stats.sent_pkts - f->behind - counter / f->per_packet;
    if (under_way < f->window_pkts) {
        if (under_way <= 0)
            f->moved_ns = now_ns; /* nothing to wait for */
        return true;
    }
    if (now_ns - f->moved_ns < STALL_NS)
        return false;
    f->behind += under_way;
    f->moved_ns = now_ns;
    s->stats.written_off_pkts += under_way;
    return true;
}

static bool may_send(struct arc_traffic_source *s, int64_t now_ns)
{
    int64_t given_up;

    if (s->n_followed == 0 && s->media.interval_ns == 0)
        return false;
    for (int32_t i = 0; i < s->n_followed; i++)
        if (!has_room(s, &s->followed[i], now_ns))
            return false;
    if (s->media.interval_ns == 0)
        return true;
    if (!pace_due(&s->media, now_ns, &given_up))
        return false;
    s->stats.late_pkts += given_up * s->cfg.burst_pkts;
    return true;
}

/* --- packets ------------------------------------------------------------------------------ */

/** @return bytes of the header */
static size_t write_header(const struct arc_traffic_source *s,
                           const struct stream *stream, bool last, uint8_t *out,
                           size_t cap)
{
    /* One-byte form (RFC 8285 §4.2) of one level (RFC 6464 §3): voice, -30 dBov. */
    const uint8_t ext[2] = {(uint8_t)(s->cfg.level_ext_id << 4), 0x80 | 30};
    struct arc_rtp h;
    size_t len = 0;

    memset(&h, 0, sizeof(h));
    h.payload_type = (uint8_t)s->cfg.payload_type;
    h.marker       = last;
    h.seq16        = (uint16_t)stream->number;
    h.rtp_ts       = stream->rtp_ts;
    h.ssrc         = stream->ssrc;
    if (s->cfg.level_ext_id) {
        h.has_extension = true;
        h.ext_profile   = ARC_RTPEXT_ONE_BYTE;
        h.ext_len       = sizeof(ext);
    }
    arc_rtp_write_header(&h, ext, out, cap, &len);
    return len;
}

/** @return bytes of the packet; 0: the key is used up */
static size_t write_packet(const struct arc_traffic_source *s,
                           struct stream *stream, bool last, int64_t now_ns,
                           uint8_t *out, size_t cap)
{
    const struct arc_traffic_mark mark = {stream->ssrc, stream->rtp_ts,
                                          stream->number, now_ns};
    const size_t payload = (size_t)s->cfg.payload_bytes;
    size_t head = write_header(s, stream, last, out, cap);
    size_t len  = head + payload;

    arc_traffic_packet_write(&mark, s->pattern, out + head, payload);
    stream->number++;
    if (stream->leg->srtp &&
        arc_srtp_protect(stream->leg->srtp, out, len, cap, &len))
        return 0;
    return len;
}

static int32_t room_of_packet(const struct arc_traffic_source *s)
{
    return s->cfg.payload_bytes + ARC_RTP_HEADER_BYTES + EXT_BYTES +
           ARC_SRTP_TRAILER_MAX_BYTES;
}

/** @return packets that left */
static int32_t send_packets(const struct arc_traffic_source *s,
                            const struct leg *leg, const uint8_t *bytes,
                            int32_t each, int32_t n)
{
    if (s->cfg.gso || n == 1)
        return send(leg->fd, bytes, (size_t)(n * each), 0) < 0 ? 0 : n;
    for (int32_t i = 0; i < n; i++)
        if (send(leg->fd, bytes + i * each, (size_t)each, 0) < 0)
            return i;
    return n;
}

static void send_train(struct arc_traffic_source *s, int64_t now_ns)
{
    struct stream *stream = &s->streams[s->next];
    const int32_t n = s->cfg.burst_pkts;
    size_t each = 0;
    int32_t sent;

    s->next = (s->next + 1) % s->n_streams;
    for (int32_t i = 0; i < n; i++) {
        each = write_packet(s, stream, i == n - 1, now_ns,
                            s->train + (size_t)i * each,
                            (size_t)room_of_packet(s));
        if (each == 0) {
            s->stats.failed_pkts += n;
            return;
        }
    }
    stream->rtp_ts += (uint32_t)s->cfg.ticks_per_burst;
    s->packet_bytes = (int32_t)each;
    s->train_pkts   = n;
    s->train_leg    = stream->leg;
    sent = send_packets(s, stream->leg, s->train, s->packet_bytes, n);
    s->stats.sent_pkts   += sent;
    s->stats.sent_bytes  += (int64_t)sent * s->packet_bytes;
    s->stats.failed_pkts += n - sent;
}

/* --- hostile packets ---------------------------------------------------------------------- */

/** A train with the headers of a stream and a body that no key made. */
static int32_t send_forged(struct arc_traffic_source *s)
{
    struct stream stream = s->streams[arc_rng_below(&s->rng,
                                                    (uint32_t)s->n_streams)];
    const int32_t each = s->packet_bytes;

    for (int32_t i = 0; i < s->train_pkts; i++) {
        uint8_t *p = s->forgery + i * each;
        size_t head = write_header(s, &stream, false, p, (size_t)each);

        for (size_t at = head; at < (size_t)each; at += 256) {
            size_t part = (size_t)each - at < 256 ? (size_t)each - at : 256;

            memcpy(p + at, s->pattern + arc_rng_below(&s->rng, 256), part);
        }
        stream.number++;
    }
    return send_packets(s, stream.leg, s->forgery, each, s->train_pkts);
}

static int32_t send_random(struct arc_traffic_source *s)
{
    const struct leg *leg = &s->legs[arc_rng_below(&s->rng,
                                                   (uint32_t)s->n_legs)];
    const int32_t len =
        1 + (int32_t)arc_rng_below(&s->rng, (uint32_t)s->packet_bytes);

    for (int32_t i = 0; i < len; i += 8) /* a train's memory has room for it */
        arc_put_u64(s->forgery + i, arc_rng_u64(&s->rng));
    return send_packets(s, leg, s->forgery, len, 1);
}

/** @return packets that left */
static int32_t send_hostile(struct arc_traffic_source *s)
{
    static const int32_t kinds[] = {ARC_TRAFFIC_FORGED, ARC_TRAFFIC_RANDOM,
                                    ARC_TRAFFIC_REPLAYED};
    int32_t kind;

    do
        kind = kinds[arc_rng_below(&s->rng, 3)];
    while (!(kind & s->cfg.hostile));
    if (kind == ARC_TRAFFIC_FORGED)
        return send_forged(s);
    if (kind == ARC_TRAFFIC_RANDOM)
        return send_random(s);
    return send_packets(s, s->train_leg, s->train, s->packet_bytes,
                        s->train_pkts);
}

static bool hostile_turn(struct arc_traffic_source *s, int64_t now_ns)
{
    int64_t given_up;
    bool busy = false;

    for (int32_t i = 0; i < PACED_TRAINS && s->train_leg &&
                        pace_due(&s->hostile, now_ns, &given_up); i++) {
        s->stats.hostile_pkts += send_hostile(s);
        busy = true;
    }
    return busy;
}

bool arc_traffic_source_turn(struct arc_traffic_source *s, int64_t now_ns)
{
    const int32_t most = s->media.interval_ns > 0 ? PACED_TRAINS : LOOP_TRAINS;
    bool busy = false;

    if (!s->on || s->n_streams == 0)
        return false;
    for (int32_t i = 0; i < most && may_send(s, now_ns); i++) {
        now_ns = arc_benchsock_now_ns();
        send_train(s, now_ns);
        busy = true;
    }
    return hostile_turn(s, now_ns) || busy;
}

/* --- its life --------------------------------------------------------------------------- */

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
    room    = (size_t)room_of_packet(s) * (size_t)cfg->burst_pkts;
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
                            const struct leg *leg)
{
    return s->cfg.payload_bytes + ARC_RTP_HEADER_BYTES +
           (s->cfg.level_ext_id ? EXT_BYTES : 0) +
           (leg->srtp ? arc_srtp_overhead_bytes(leg->srtp) : 0);
}

static enum arc_status open_leg(const struct arc_traffic_source *s,
                                const struct arc_traffic_source_leg *to,
                                struct leg *leg)
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
    struct leg leg;
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
        struct stream *stream = &s->streams[s->n_streams++];

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
    if (s->n_followed < MAX_FOLLOWED) {
        struct followed *f = &s->followed[s->n_followed++];

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
