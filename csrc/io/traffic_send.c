/**
 * @file io/traffic_send.c  When a source sends, and what
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/atomic.h"
#include "base/bytes.h"
#include "io/traffic_parts.h"
#include "wire/rtp.h"
#include "wire/rtpext.h"

enum {
    LOOP_TRAINS  = 4, /* a turn, before the sinks have theirs */
    PACED_TRAINS = 64,
    STALL_NS     = 20000000,
    DRAIN_NS     = 100000000,
};

/* --- what may be sent --------------------------------------------------------------------- */

/** @param given_up Trains that will never be sent: the thread is late by too much
 *  @return whether one is to be sent now */
static bool pace_due(struct arc_traffic_pace *p, int64_t now_ns,
                     int64_t *given_up)
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
static bool has_room(struct arc_traffic_source *s, struct arc_traffic_followed *f,
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
                           const struct arc_traffic_stream *stream, bool last,
                           uint8_t *out, size_t cap)
{
    /* One-byte form (RFC 8285 §4.2); RFC 6464 §3: voice, -30 dBov. */
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
                           struct arc_traffic_stream *stream, bool last,
                           int64_t now_ns, uint8_t *out, size_t cap)
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

/** @return packets that left */
static int32_t send_packets(const struct arc_traffic_source *s,
                            const struct arc_traffic_out *leg,
                            const uint8_t *bytes, int32_t each, int32_t n)
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
    struct arc_traffic_stream *stream = &s->streams[s->next];
    const int32_t n = s->cfg.burst_pkts;
    size_t each = 0;
    int32_t sent;

    s->next = (s->next + 1) % s->n_streams;
    for (int32_t i = 0; i < n; i++) {
        each = write_packet(s, stream, i == n - 1, now_ns,
                            s->train + (size_t)i * each,
                            (size_t)arc_traffic_room_bytes(s));
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
    struct arc_traffic_stream stream = s->streams[arc_rng_below(&s->rng,
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
    const struct arc_traffic_out *leg = &s->legs[arc_rng_below(&s->rng,
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

/** RTCP that comes back must not fill the sockets. */
static void drain_turn(struct arc_traffic_source *s, int64_t now_ns)
{
    if (now_ns - s->drained_ns < DRAIN_NS)
        return;
    s->drained_ns = now_ns;
    for (int32_t i = 0; i < s->n_legs; i++)
        s->stats.feedback_pkts += arc_benchsock_drain(s->legs[i].fd);
}

bool arc_traffic_source_turn(struct arc_traffic_source *s, int64_t now_ns)
{
    const int32_t most = s->media.interval_ns > 0 ? PACED_TRAINS : LOOP_TRAINS;
    bool busy = false;

    drain_turn(s, now_ns);
    if (!s->on || s->n_streams == 0)
        return false;
    for (int32_t i = 0; i < most && may_send(s, now_ns); i++) {
        now_ns = arc_benchsock_now_ns();
        send_train(s, now_ns);
        busy = true;
    }
    return hostile_turn(s, now_ns) || busy;
}
