/**
 * @file session/session.c  A peer's life, its turns, and what it tells of itself
 */
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/units.h"
#include "session/peer.h"

enum {
    /* Saved-up budget of the pacer: what one wake-up of a thread may be late. */
    PACER_BURST_US   = 5000,
    PACER_OVERHEAD_BYTES = 28 + 16, /* IPv4, UDP and the GCM tag              */
    IDLE_PACER_PKTS = 8, /* until there is a stream to send                     */
    PACER_MAX_QUEUE_US = 2000000, /* as libwebrtc: then it drains faster      */
};

/* --- checks ---------------------------------------------------------------------------- */

static bool config_ok(const struct arc_session_config *c)
{
    return c->cname[0] && memchr(c->cname, 0, sizeof(c->cname)) &&
           c->pool_pkts >= 64 && c->pool_pkts <= 65536 &&
           c->mtu_bytes >= 300 && c->mtu_bytes <= 1500 &&
           c->pace_percent >= 100 && c->pace_percent <= 1000 &&
           c->silence_us >= 0 && c->repair_percent >= 0 &&
           c->repair_percent <= 100 && c->reports >= 0 &&
           c->reports <= ARC_REPORT_ALL &&
           (c->max_sources == 0 ||
            (c->max_sources >= 8 && c->max_sources <= 4096));
}

/* --- the peer ----------------------------------------------------------------------------- */

bool arc_peer_owns_ssrc(const struct arc_session *s, uint32_t ssrc)
{
    for (int32_t i = 0; i < s->n_send; i++) {
        const struct arc_send_config *c = &s->send[i]->cfg;

        if (c->ssrc == ssrc || (c->rtx_payload_type >= 0 && c->rtx_ssrc == ssrc) ||
            (c->fec.ssrc != 0 && c->fec.ssrc == ssrc))
            return true;
    }
    return s->n_send == 0 && s->rtcp_ssrc == ssrc;
}

void arc_peer_event(struct arc_session *s, int32_t type, int32_t stream,
                    int64_t value, int64_t now_us)
{
    struct arc_event e = {type, stream, now_us, value};

    s->recent[s->n_events % ARC_SESSION_RECENT_EVENTS] = e;
    s->n_events++;
    if (arc_ring_push(s->events, &e) != ARC_OK)
        s->stats.events_lost++;
}

bool arc_session_recent_event(const struct arc_session *s, uint32_t number,
                              struct arc_event *out)
{
    uint32_t ago = s->n_events - number; /* 1: the last one */

    if (ago < 1 || ago > ARC_SESSION_RECENT_EVENTS)
        return false;
    *out = s->recent[number % ARC_SESSION_RECENT_EVENTS];
    return true;
}

/* --- whether anything comes ------------------------------------------------------------------ */

/** An authentic datagram came. */
void arc_peer_heard(struct arc_session *s, int64_t now_us)
{
    if (s->silent)
        arc_peer_event(s, ARC_EVENT_PEER_HEARD, -1, now_us - s->heard_us,
                       now_us);
    s->silent   = false;
    s->heard_us = now_us;
}

static int64_t silence_next_us(const struct arc_session *s)
{
    return s->silent || s->cfg.silence_us == 0 ? ARC_NEVER_US
                                               : s->heard_us + s->cfg.silence_us;
}

static void notice_silence(struct arc_session *s, int64_t now_us)
{
    if (now_us < silence_next_us(s))
        return;
    s->silent = true;
    arc_peer_event(s, ARC_EVENT_PEER_SILENT, -1, now_us - s->heard_us, now_us);
}

/* --- life ---------------------------------------------------------------------------------- */

static enum arc_status open_srtp(struct arc_session *s)
{
    struct arc_session_config *c = &s->cfg;
    enum arc_status status;

    if (!c->srtp)
        return ARC_OK;
    c->srtp_send.way    = ARC_SRTP_SENDS;
    c->srtp_receive.way = ARC_SRTP_RECEIVES;
    status = arc_srtp_new(&c->srtp_send, &s->srtp_out);
    return status == ARC_OK ? arc_srtp_new(&c->srtp_receive, &s->srtp_in) : status;
}

static enum arc_status open_session(struct arc_session *s, int64_t now_us)
{
    const struct arc_session_config *c = &s->cfg;
    struct arc_pacer_config pace = {0};
    enum arc_status status;

    pace.capacity_pkts = IDLE_PACER_PKTS;
    pace.rate_bps      = 1000000;
    pace.burst_us      = PACER_BURST_US;
    pace.overhead_bytes = PACER_OVERHEAD_BYTES;
    pace.max_queue_us  = PACER_MAX_QUEUE_US;
    status = c->lent_pool ? arc_pkt_pool_new_share(c->pool_pkts, &s->pool)
                          : arc_pkt_pool_new(c->pool_pkts, &s->pool);
    if (status != ARC_OK || (status = arc_pacer_new(&pace, &s->pacer)) != ARC_OK ||
        (status = arc_ring_new(ARC_PEER_EVENTS, sizeof(struct arc_event),
                               &s->events)) != ARC_OK ||
        (status = open_srtp(s)) != ARC_OK)
        return status;

    s->keys_us = ARC_NEVER_US;
    arc_rng_init(&s->rng, c->seed);
    s->rtt_us  = -1;
    s->rate_us = now_us;
    s->heard_us = now_us;
    s->look_us = INT64_MIN;
    arc_rtt_init(&s->rtt);
    arc_rttref_init(&s->references);
    return arc_peer_group_open(s);
}

enum arc_status arc_session_new(const struct arc_session_config *cfg,
                                int64_t now_us, struct arc_session **out)
{
    struct arc_session *s;
    enum arc_status status;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    s = arc_mem_zalloc(1, sizeof(*s));
    if (!s)
        return ARC_ERR_NOMEM;
    s->cfg = *cfg;
    status = open_session(s, now_us);
    /* The keys live on in the SRTP objects, which wipe them. */
    arc_mem_wipe(&s->cfg.srtp_send, sizeof(s->cfg.srtp_send));
    arc_mem_wipe(&s->cfg.srtp_receive, sizeof(s->cfg.srtp_receive));
    if (status != ARC_OK) {
        arc_session_free(s);
        return status;
    }
    *out = s;
    return ARC_OK;
}

void arc_session_free(struct arc_session *s)
{
    if (!s)
        return;
    for (int32_t i = 0; i < s->n_send; i++)
        arc_peer_free_send(s->send[i]);
    for (int32_t i = 0; i < s->n_recv; i++)
        arc_peer_free_recv(s->recv[i]);
    arc_peer_group_close(s);
    arc_pacer_free(s->pacer);
    arc_srtp_free(s->srtp_out);
    arc_srtp_free(s->srtp_in);
    arc_ring_free(s->events);
    arc_ring_free(s->sent_frames);
    arc_pkt_pool_unref(s->pool);
    arc_mem_free(s);
}

/* --- network side ------------------------------------------------------------------------------- */

struct arc_pkt_pool *arc_session_pool(struct arc_session *s)
{
    return s->pool;
}

void arc_session_lend_pool(struct arc_session *s, struct arc_pkt_pool *pool)
{
    if (s->cfg.lent_pool)
        arc_pkt_pool_lend(s->pool, pool);
}

size_t arc_session_transmit_pkts(struct arc_session *s,
                                 struct arc_srtp_batch *work, int64_t now_us,
                                 struct arc_pkt **out, size_t cap)
{
    struct arc_pkt *plain[ARC_SESSION_BATCH_PKTS];
    size_t n_plain = 0, n = 0;

    s->turn_us = now_us;
    arc_peer_keys_turn(s, now_us);
    notice_silence(s, now_us);
    arc_peer_dtmf_lapse(s, now_us);
    if (cap > ARC_SESSION_BATCH_PKTS)
        cap = ARC_SESSION_BATCH_PKTS;
    while (n + n_plain < cap) {
        struct arc_pkt *pkt = arc_peer_feedback(s, now_us);

        if (pkt)
            out[n++] = pkt; /* before media: reports and requests are short */
        /* After a BYE nothing may follow (RFC 3550 §6.6). */
        else if (s->bye_queued || arc_peer_leave(s, now_us, &pkt) != ARC_OK)
            break;
        else
            plain[n_plain++] = pkt;
    }
    n_plain = arc_peer_seal(s, work, plain, n_plain);
    memcpy(out + n, plain, n_plain * sizeof(*plain));
    n += n_plain;
    for (size_t i = 0; i < n; i++)
        s->stats.sent_bytes += out[i]->len;
    s->stats.sent_pkts += (int64_t)n;
    return n;
}

enum arc_status arc_session_transmit_pkt(struct arc_session *s, int64_t now_us,
                                         struct arc_pkt **out)
{
    struct arc_pkt *pkt;

    s->turn_us = now_us;
    arc_peer_keys_turn(s, now_us);
    notice_silence(s, now_us);
    arc_peer_dtmf_lapse(s, now_us);
    pkt = arc_peer_feedback(s, now_us);
    while (!pkt) {
        /* After a BYE nothing may follow (RFC 3550 §6.6). */
        if (s->bye_queued || arc_peer_leave(s, now_us, &pkt) != ARC_OK)
            return ARC_AGAIN;
        if (arc_peer_seal(s, NULL, &pkt, 1) == 0)
            pkt = NULL;
    }
    s->stats.sent_pkts++;
    s->stats.sent_bytes += pkt->len;
    *out = pkt;
    return ARC_OK;
}

enum arc_status arc_session_transmit(struct arc_session *s, int64_t now_us,
                                     uint8_t *out, size_t cap, size_t *len_out)
{
    struct arc_pkt *pkt;
    enum arc_status status;

    if (!out || !len_out || cap < (size_t)s->cfg.mtu_bytes)
        return ARC_ERR_SPACE;
    status = arc_session_transmit_pkt(s, now_us, &pkt);
    if (status != ARC_OK)
        return status;
    if ((size_t)pkt->len <= cap) {
        memcpy(out, pkt->data, (size_t)pkt->len);
        *len_out = (size_t)pkt->len;
    } else {
        status = ARC_ERR_SPACE; /* a packet above the MTU: never made */
    }
    arc_pkt_unref(pkt);
    return status;
}

int64_t arc_session_next_us(struct arc_session *s)
{
    if (s->bye_sent)
        return ARC_NEVER_US;
    if (s->bye_queued)
        return arc_peer_feedback_next_us(s);
    if (arc_peer_may_leave(s))
        return 0;
    return arc_min_i64(arc_min_i64(arc_pacer_next_us(s->pacer, s->turn_us),
                                   arc_peer_feedback_next_us(s)),
                       arc_min_i64(arc_min_i64(s->keys_us,
                                               arc_peer_dtmf_next_us(s)),
                                   silence_next_us(s)));
}

void arc_session_bye(struct arc_session *s)
{
    s->bye_queued = true;
}

uint32_t arc_session_events(const struct arc_session *s)
{
    return s->n_events;
}

enum arc_status arc_session_poll_event(struct arc_session *s,
                                       struct arc_event *out)
{
    return arc_ring_pop(s->events, out);
}

enum arc_status arc_session_poll_sent(struct arc_session *s,
                                      struct arc_sent_frame *out)
{
    return s->sent_frames ? arc_ring_pop(s->sent_frames, out) : ARC_AGAIN;
}

/* --- statistics ---------------------------------------------------------------------------------- */

void arc_session_get_stats(struct arc_session *s,
                           struct arc_session_stats *out)
{
    struct arc_members_counts n;
    struct arc_pacer_stats p;

    arc_pacer_stats(s->pacer, &p);
    arc_members_count(s->members, &n);
    *out = s->stats;
    out->rtt_us           = s->rtt_us;
    out->rtt_min_us       = s->rtt.min_us;
    out->members          = n.members;
    out->senders          = n.senders;
    out->pacer_queue_pkts = p.depth_pkts;
    out->pacer_queue_us   = arc_pacer_oldest_us(s->pacer, s->turn_us);
    out->pool_used_pkts   = arc_pkt_pool_used(s->pool);
}

void arc_session_get_send_stats(struct arc_session *s, int32_t stream,
                                struct arc_send_net_stats *out)
{
    const struct arc_sendstream *st;

    memset(out, 0, sizeof(*out));
    if (stream < 0 || stream >= s->n_send)
        return;
    st = s->send[stream];
    out->ssrc             = st->cfg.ssrc;
    out->pkts             = st->stats.packets;
    out->bytes            = st->stats.payload_bytes;
    out->rtx_pkts         = st->stats.resent_packets;
    out->rtx_bytes        = st->stats.resent_bytes;
    out->send_bps         = arc_txstats_bitrate_bps(&st->stats, s->turn_us);
    out->nacked_pkts      = st->nacked;
    out->nack_misses      = st->nack_misses;
    out->nack_refused     = st->repair.refused_pkts;
    arc_peer_get_remote(st, out);
    out->remote_loss      = st->remote_loss;
    out->remote_lost_pkts = st->remote_lost;
    out->remote_jitter_ms = st->remote_jitter_ticks * 1000.0 / st->clock_hz;
    if (st->fec)
        arc_fecenc_stats(st->fec, &out->fec);
}

void arc_session_get_recv_stats(struct arc_session *s, int32_t stream,
                                struct arc_recv_net_stats *out)
{
    struct arc_recvstream *st;

    memset(out, 0, sizeof(*out));
    if (stream < 0 || stream >= s->n_recv)
        return;
    st = s->recv[stream];
    out->ssrc           = st->ssrc;
    out->pkts           = st->stats.received;
    out->bytes          = st->stats.bytes;
    out->lost_pkts      = arc_rxstats_lost(&st->stats);
    out->recovered_pkts = st->stats.recovered;
    out->duplicate_pkts = st->stats.duplicates;
    out->reordered_pkts = st->stats.reordered;
    out->copies            = st->copies;
    out->copies_other_type = st->copies_other_type;
    out->copies_malformed  = st->copies_malformed;
    out->copy_bytes        = st->copy_bytes;
    out->copies_full       = st->copies_full;
    out->jitter_ms      = arc_rxstats_jitter_ms(&st->stats);
    out->level_pkts     = st->level_pkts;
    out->voice_pkts     = st->voice_pkts;
    out->level_neg_dbov = st->level_pkts > 0 ? st->level.level_neg_dbov : -1;
    out->voice          = st->level.voice;
    if (st->fec)
        arc_fecdec_stats(st->fec, &out->fec);
    if (st->nack) {
        struct arc_nackgen_stats n;

        arc_nackgen_stats(st->nack, &n);
        out->nack_requested = n.requested;
        out->nack_given_up  = n.given_up;
        out->nack_not_in_time = n.not_in_time;
    }
    arc_peer_get_loss(st, s->turn_us, out);
}
