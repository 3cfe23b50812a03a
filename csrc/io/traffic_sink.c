/**
 * @file io/traffic_sink.c  Counts what arrives, and looks into samples of it
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>

#include "base/atomic.h"
#include "base/bytes.h"
#include "base/idmap.h"
#include "base/mem.h"
#include "base/seq.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/traffic_packet.h"
#include "io/traffic_parts.h"
#include "wire/rtp.h"

enum { MAX_READS = 4 }; /* of one socket before the next has its turn */

struct leg {
    struct arc_srtp             *srtp; /* NULL: plain RTP */
    struct arc_traffic_leg_stats stats;
};

/** What is expected of one SSRC. */
struct route {
    struct leg *leg;
    bool        started, sampled;
    uint32_t    ssrc;
    uint64_t    next;         /* number of the next packet, unwrapped        */
    uint32_t    source_ssrc;  /* of the last sample                          */
    uint64_t    number_shift; /* its distance to the source's number ...     */
    uint32_t    ts_shift;     /* ... and time stamp                          */
};

struct arc_traffic_sink {
    struct arc_traffic_sink_config cfg;
    struct arc_turn               *turn;
    struct arc_traffic_sink_stats  stats;
    int64_t             counter; /* atomic: stats.received_pkts, for others */
    int32_t             to_sample;
    int64_t             expire_us; /* when a leg has a key to forget        */
    int                 fds[ARC_TRAFFIC_MAX_SOCKETS];
    struct leg         *legs;
    struct route       *routes;
    int32_t             n_legs, n_routes;
    struct arc_idmap   *by_ssrc;
    struct route       *last; /* what the last packet belonged to; may be NULL */
    struct arc_histogram latency_ns;
    uint8_t             pattern[ARC_TRAFFIC_PATTERN_BYTES];
};

/* --- samples ------------------------------------------------------------------------------ */

/** Compare a packet's distances to its source with those of the last sample. */
static void compare(struct arc_traffic_sink *s, struct route *r,
                    const struct arc_traffic_mark *mark, uint64_t number,
                    uint32_t rtp_ts)
{
    const uint64_t number_shift = number - mark->number;
    const uint32_t ts_shift     = rtp_ts - mark->rtp_ts;

    if (r->sampled && mark->ssrc == r->source_ssrc) {
        s->stats.number_shifts += number_shift != r->number_shift;
        s->stats.ts_shifts     += ts_shift != r->ts_shift;
    } else if (r->sampled) {
        s->stats.source_changes++;
    }
    r->sampled      = true;
    r->source_ssrc  = mark->ssrc;
    r->number_shift = number_shift;
    r->ts_shift     = ts_shift;
}

/** Decrypt a packet where it lies, and see whether it is what was sent. */
static void sample(struct arc_traffic_sink *s, struct route *r, uint8_t *packet,
                   size_t len, uint64_t number, int64_t now_ns)
{
    struct arc_traffic_mark mark;
    struct arc_rtp h;

    s->stats.samples++;
    r->leg->stats.samples++;
    if (r->leg->srtp) {
        /* Between two samples may lie more than the 2^15 packets over which a
         * roll-over counter can be guessed; every packet's number was seen. */
        arc_srtp_set_roc(r->leg->srtp, r->ssrc, (uint32_t)(number >> 16), false);
        if (arc_srtp_unprotect(r->leg->srtp, packet, len, &len)) {
            s->stats.forged++;
            return;
        }
    }
    if (arc_rtp_parse(packet, len, &h) ||
        !arc_traffic_packet_read(packet + h.payload_off, (size_t)h.payload_len,
                                 s->pattern, &mark)) {
        s->stats.wrong++;
        return;
    }
    compare(s, r, &mark, number, h.rtp_ts);
    arc_histogram_add(&s->latency_ns, now_ns - mark.sent_ns);
}

/* --- every packet ------------------------------------------------------------------------- */

static struct route *route_of(struct arc_traffic_sink *s, uint32_t ssrc)
{
    int32_t i;

    if (s->last && s->last->ssrc == ssrc)
        return s->last;
    i = arc_idmap_get(s->by_ssrc, ssrc);
    return i < 0 ? NULL : &s->routes[i];
}

/** @param number Of the packet, unwrapped: the first one has ROC 0
 *  @return whether it is beyond all those before */
static bool follow(struct arc_traffic_sink *s, struct route *r, uint16_t seq16,
                   uint64_t *number)
{
    int32_t ahead;

    if (!r->started) {
        r->started = true;
        r->next    = seq16;
    }
    ahead = arc_seq16_diff(seq16, (uint16_t)r->next);
    if (ahead < 0) {
        s->stats.misplaced_pkts++;
        return false;
    }
    s->stats.missing_pkts      += ahead;
    r->leg->stats.missing_pkts += ahead;
    *number = r->next + (uint64_t)ahead;
    r->next = *number + 1;
    return true;
}

static void take_packet(struct arc_traffic_sink *s, uint8_t *packet, int32_t len,
                        int64_t now_ns)
{
    struct route *r = NULL;
    uint64_t number;

    if (len >= ARC_RTP_HEADER_BYTES && packet[1] >= 192 && packet[1] <= 223) {
        s->stats.rtcp_pkts++; /* RFC 5761 §4 */
        return;
    }
    if (len >= ARC_RTP_HEADER_BYTES && packet[0] >> 6 == 2)
        r = route_of(s, arc_get_u32(packet + 8));
    if (!r) {
        s->stats.unknown_pkts++;
        return;
    }
    s->last = r;
    s->stats.received_pkts++;
    s->stats.received_bytes += len;
    r->leg->stats.received_pkts++;
    r->leg->stats.received_bytes += len;
    if (follow(s, r, arc_get_u16(packet + 2), &number) &&
        s->cfg.sample_every > 0 && --s->to_sample <= 0) {
        s->to_sample = s->cfg.sample_every;
        sample(s, r, packet, (size_t)len, number, now_ns);
    }
}

static void take_train(struct arc_traffic_sink *s, const struct arc_train *t,
                       int64_t now_ns)
{
    s->stats.trains++;
    for (int32_t off = 0; off < t->len; off += t->segment_bytes)
        take_packet(s, t->data + off,
                    (int32_t)arc_min_i64(t->segment_bytes, t->len - off),
                    now_ns);
}

static bool read_socket(struct arc_traffic_sink *s, int fd,
                        struct arc_benchsock_rx *rx, struct arc_train *trains)
{
    bool busy = false;

    for (int reads = 0; reads < MAX_READS; reads++) {
        const int32_t n = arc_benchsock_receive(rx, fd, MSG_DONTWAIT, trains);
        int64_t now_ns;

        if (n == 0)
            break;
        busy   = true;
        now_ns = arc_benchsock_now_ns();
        for (int32_t i = 0; i < n; i++)
            take_train(s, &trains[i], now_ns);
        arc_atomic_store_release(&s->counter, s->stats.received_pkts);
    }
    return busy;
}

/** Forget the keys whose time is over. */
static void expire(struct arc_traffic_sink *s)
{
    const int64_t now_us = arc_clock_us();

    if (now_us < s->expire_us)
        return;
    s->expire_us = ARC_NEVER_US;
    for (int32_t i = 0; i < s->n_legs; i++)
        if (s->legs[i].srtp) {
            arc_srtp_expire(s->legs[i].srtp, now_us);
            s->expire_us = arc_min_i64(s->expire_us,
                                       arc_srtp_next_us(s->legs[i].srtp));
        }
}

bool arc_traffic_sink_turn(struct arc_traffic_sink *s,
                           struct arc_benchsock_rx *with_gro,
                           struct arc_benchsock_rx *without,
                           struct arc_train        *trains)
{
    bool busy = false;

    if (s->expire_us != ARC_NEVER_US)
        expire(s);
    for (int32_t i = 0; i < s->cfg.sockets; i++)
        busy |= read_socket(s, s->fds[i], s->cfg.gro ? with_gro : without,
                            trains);
    return busy;
}

/* --- its life --------------------------------------------------------------------------- */

static bool config_ok(const struct arc_traffic_sink_config *c)
{
    return c->sockets >= 1 && c->sockets <= ARC_TRAFFIC_MAX_SOCKETS &&
           c->sample_every >= 0 && c->buffer_bytes >= 1 && c->max_legs >= 1 &&
           c->max_legs <= ARC_TRAFFIC_MAX_STREAMS && c->max_routes >= 1 &&
           c->max_routes <= ARC_TRAFFIC_MAX_STREAMS;
}

static enum arc_status open_sockets(struct arc_traffic_sink *s)
{
    for (int32_t i = 0; i < s->cfg.sockets; i++) {
        s->fds[i] = arc_benchsock_open("127.0.0.1", 0);
        if (s->fds[i] < 0)
            return ARC_ERR_IO;
        arc_benchsock_set_buffers(s->fds[i], s->cfg.buffer_bytes);
        if (s->cfg.gro && !arc_benchsock_set_gro(s->fds[i]))
            return ARC_ERR_UNSUPPORTED;
    }
    return ARC_OK;
}

static enum arc_status get_memory(struct arc_traffic_sink *s)
{
    s->legs   = arc_mem_zalloc((size_t)s->cfg.max_legs, sizeof(*s->legs));
    s->routes = arc_mem_zalloc((size_t)s->cfg.max_routes, sizeof(*s->routes));
    if (!s->legs || !s->routes)
        return ARC_ERR_NOMEM;
    return arc_idmap_new(s->cfg.max_routes, s->cfg.seed, &s->by_ssrc);
}

enum arc_status
arc_traffic_sink_new(const struct arc_traffic_sink_config *cfg,
                     struct arc_turn *turn, struct arc_traffic_sink **out)
{
    struct arc_traffic_sink *s;
    enum arc_status status;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    s = arc_mem_zalloc(1, sizeof(*s));
    if (!s)
        return ARC_ERR_NOMEM;
    s->cfg       = *cfg;
    s->turn      = turn;
    s->expire_us = ARC_NEVER_US;
    for (int32_t i = 0; i < ARC_TRAFFIC_MAX_SOCKETS; i++)
        s->fds[i] = -1;
    arc_histogram_init(&s->latency_ns);
    arc_traffic_pattern(cfg->seed, s->pattern);
    status = get_memory(s);
    if (!status)
        status = open_sockets(s);
    if (status) {
        arc_traffic_sink_free(s);
        return status;
    }
    *out = s;
    return ARC_OK;
}

void arc_traffic_sink_free(struct arc_traffic_sink *s)
{
    for (int32_t i = 0; i < s->n_legs; i++)
        arc_srtp_free(s->legs[i].srtp);
    for (int32_t i = 0; i < ARC_TRAFFIC_MAX_SOCKETS; i++)
        arc_fd_close(s->fds[i]);
    arc_idmap_free(s->by_ssrc);
    arc_mem_free(s->legs);
    arc_mem_free(s->routes);
    arc_mem_free(s);
}

int32_t arc_traffic_sink_add_leg(struct arc_traffic_sink      *s,
                                 const struct arc_srtp_config *srtp)
{
    struct arc_srtp *made = NULL;
    int32_t result = ARC_ERR_LIMIT;
    enum arc_status status = srtp ? arc_srtp_new(srtp, &made) : ARC_OK;

    if (status)
        return status;
    arc_turn_enter(s->turn);
    if (s->n_legs < s->cfg.max_legs) {
        s->legs[s->n_legs].srtp = made;
        result = s->n_legs++;
    }
    arc_turn_leave(s->turn);
    if (result < 0)
        arc_srtp_free(made);
    return result;
}

/** With the turn lock held. */
static enum arc_status add_route(struct arc_traffic_sink *s, int32_t leg,
                                 uint32_t ssrc)
{
    struct route *r;

    if (leg < 0 || leg >= s->n_legs || arc_idmap_get(s->by_ssrc, ssrc) >= 0)
        return ARC_ERR_ARG;
    if (s->n_routes == s->cfg.max_routes)
        return ARC_ERR_LIMIT;
    arc_idmap_put(s->by_ssrc, ssrc, s->n_routes);
    r       = &s->routes[s->n_routes++];
    r->leg  = &s->legs[leg];
    r->ssrc = ssrc;
    return ARC_OK;
}

enum arc_status arc_traffic_sink_add_route(struct arc_traffic_sink *s,
                                           int32_t leg, uint32_t ssrc)
{
    enum arc_status status;

    arc_turn_enter(s->turn);
    status = add_route(s, leg, ssrc);
    arc_turn_leave(s->turn);
    return status;
}

enum arc_status
arc_traffic_sink_rekey(struct arc_traffic_sink *s, int32_t leg,
                       const struct arc_srtp_key_config *key,
                       int64_t overlap_us)
{
    enum arc_status status = ARC_ERR_ARG;
    int32_t id;

    arc_turn_enter(s->turn);
    if (key && overlap_us >= 0 && leg >= 0 && leg < s->n_legs &&
        s->legs[leg].srtp) {
        const int64_t now_us = arc_clock_us();

        status = arc_srtp_rekey(s->legs[leg].srtp, key, overlap_us, now_us, &id);
        s->expire_us = arc_min_i64(s->expire_us, now_us + overlap_us);
    }
    arc_turn_leave(s->turn);
    return status;
}

int32_t arc_traffic_sink_port(struct arc_traffic_sink *s, int32_t i)
{
    return i >= 0 && i < s->cfg.sockets ? arc_benchsock_port(s->fds[i]) : -1;
}

int32_t arc_traffic_sink_buffer_bytes(struct arc_traffic_sink *s)
{
    return arc_benchsock_buffer_bytes(s->fds[0]);
}

const int64_t *arc_traffic_sink_counter(const struct arc_traffic_sink *s)
{
    return &s->counter;
}

void arc_traffic_sink_get_stats(struct arc_traffic_sink       *s,
                                struct arc_traffic_sink_stats *out)
{
    arc_turn_enter(s->turn);
    *out = s->stats;
    for (int32_t i = 0; i < s->cfg.sockets; i++)
        out->kernel_drops += arc_benchsock_drops(s->fds[i]);
    arc_turn_leave(s->turn);
}

enum arc_status arc_traffic_sink_get_leg(struct arc_traffic_sink      *s,
                                         int32_t                       leg,
                                         struct arc_traffic_leg_stats *out)
{
    enum arc_status status = ARC_ERR_ARG;

    arc_turn_enter(s->turn);
    if (leg >= 0 && leg < s->n_legs) {
        *out   = s->legs[leg].stats;
        status = ARC_OK;
    }
    arc_turn_leave(s->turn);
    return status;
}

void arc_traffic_sink_take_latency(struct arc_traffic_sink *s,
                                   struct arc_histogram    *out)
{
    arc_turn_enter(s->turn);
    *out = s->latency_ns;
    arc_histogram_init(&s->latency_ns);
    arc_turn_leave(s->turn);
}
