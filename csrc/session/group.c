/**
 * @file session/group.c  Who takes part: the others, and under which names we do
 *
 * Packet > SSRC watch > members > size of the group > RTCP timing
 */
#include <string.h>

#include "base/atomic.h"
#include "base/units.h"
#include "session/peer.h"
#include "srtp/srtcp.h"

enum {
    SOURCES       = 256,      /* of others, known at a time, unless told       */
    LOOK_US       = 100000,   /* between looks at who is still there           */
    RATE_US       = 1000000,  /* over which what arrives is counted            */
    BYE_DELAY_US  = 2000000,  /* late packets of who has left                  */
    SETTLE_US     = 5000000,  /* a source moves to another address so often    */
    MIN_RTCP_BPS  = 32000,    /* RFC 3556 lets RTCP have a rate of its own: 5 %
                                 of an audio call could not repair it          */
    MIN_REPORT_US = 250000,   /* between regular reports: RFC 3550 §6.2 allows
                                 360/kbps seconds, which is less from 1.44 Mb/s */
    MAX_REPORT_US = 1000000,  /* RTT and loss must not be older than this      */
    PLAIN_PROBATION_PKTS = 2, /* A.1 MIN_SEQUENTIAL; SRTP needs none           */
    FIRST_RTCP_BYTES = 60,
    IP_UDP_BYTES  = 28,
};

/* --- life ------------------------------------------------------------------------ */

static enum arc_status open_timing(struct arc_session *s)
{
    struct arc_rtcptime_config c;

    arc_rtcptime_defaults(&c, 0);
    c.sender_bps     = MIN_RTCP_BPS / 4; /* RFC 3550 §6.2: a quarter */
    c.receiver_bps   = MIN_RTCP_BPS - MIN_RTCP_BPS / 4;
    c.trr_int_us     = MAX_REPORT_US;
    c.first_bytes    = FIRST_RTCP_BYTES;
    c.overhead_bytes = IP_UDP_BYTES +
                       (s->srtp_out ? arc_srtp_rtcp_overhead_bytes(s->srtp_out)
                                    : 0);
    c.avpf           = true;
    return arc_ssrcgroup_init(&s->rtcp, &c, arc_rng_u64(&s->rng));
}

enum arc_status arc_peer_group_open(struct arc_session *s)
{
    struct arc_members_config c = {0};
    enum arc_status status;

    c.capacity       = s->cfg.max_sources > 0 ? s->cfg.max_sources : SOURCES;
    c.probation_pkts = s->cfg.srtp ? 1 : PLAIN_PROBATION_PKTS;
    c.bye_delay_us   = BYE_DELAY_US;
    c.seed           = arc_rng_u64(&s->rng);
    if ((status = arc_members_new(&c, &s->members)) != ARC_OK ||
        (status = arc_ssrcwatch_new(c.capacity, c.seed, &s->watch)) != ARC_OK ||
        (status = open_timing(s)) != ARC_OK)
        return status;
    s->rtcp_ssrc = (uint32_t)(arc_rng_u64(&s->rng) | 1);
    return arc_ssrcwatch_add_own(s->watch, s->rtcp_ssrc, 0);
}

void arc_peer_group_close(struct arc_session *s)
{
    arc_members_free(s->members);
    arc_ssrcwatch_free(s->watch);
}

/* --- our names --------------------------------------------------------------------- */

uint32_t arc_peer_ssrc_of(const struct arc_session *s, int32_t who)
{
    return who < s->n_send ? s->send[who]->cfg.ssrc : s->rtcp_ssrc;
}

/** Say BYE for an SSRC that we give up, if it was ever heard. */
static void say_farewell(struct arc_session *s, uint32_t ssrc, bool heard)
{
    if (!heard)
        return; /* RFC 3550 §6.3.7 */
    if (s->n_farewells < ARC_PEER_FAREWELLS)
        s->farewells[s->n_farewells++] = ssrc;
    else
        s->stats.drops.bye_full++;
}

/** The SSRCs of a new stream are ours from now on; false: somebody has one. */
bool arc_peer_claim(struct arc_session *s, const struct arc_send_config *c)
{
    const bool rtx = c->rtx_payload_type >= 0;

    if (arc_ssrcwatch_add_own(s->watch, c->ssrc, 0) != ARC_OK)
        return false;
    if (rtx && arc_ssrcwatch_add_own(s->watch, c->rtx_ssrc, 0) != ARC_OK) {
        arc_ssrcwatch_remove_own(s->watch, c->ssrc);
        return false;
    }
    if (c->fec.ssrc != 0 &&
        arc_ssrcwatch_add_own(s->watch, c->fec.ssrc, 0) != ARC_OK) {
        arc_ssrcwatch_remove_own(s->watch, c->ssrc);
        if (rtx)
            arc_ssrcwatch_remove_own(s->watch, c->rtx_ssrc);
        return false;
    }
    if (s->n_send == 0) { /* its SSRC speaks for us from now on */
        arc_ssrcwatch_remove_own(s->watch, s->rtcp_ssrc);
        say_farewell(s, s->rtcp_ssrc, s->stats.rtcp_sent > 0);
        s->rtcp_ssrc = 0;
    }
    return true;
}

/** One that nobody has (RFC 3550 §8.1, §8.2). */
static uint32_t draw_ssrc(struct arc_session *s)
{
    uint32_t ssrc;

    do {
        ssrc = (uint32_t)arc_rng_u64(&s->rng);
    } while (ssrc == 0 || arc_ssrcwatch_knows(s->watch, ssrc) ||
             arc_members_knows(s->members, ssrc));
    return ssrc;
}

/** Its packets are those of a new source from now on: numbers and counters
 *  begin anew (RFC 3550 §6.4.1, §8). */
static void rename_media(struct arc_session *s, struct arc_sendstream *st,
                         uint32_t ssrc, int64_t now_us)
{
    bool speaks = st->index == 0 && s->stats.rtcp_sent > 0;

    say_farewell(s, st->cfg.ssrc, st->sent_any || speaks);
    st->cfg.ssrc   = ssrc;
    st->next_seq16 = (uint16_t)arc_rng_below(&s->rng, 0x8000);
    /* Out of reach of the numbers that the history knows. */
    st->next_seq   = (((st->next_seq >> 16) + 2) << 16) + st->next_seq16;
    st->renamed_us = now_us;
    if (st->fec)
        arc_fecenc_reset(st->fec);
    st->fir_seen   = false;
    arc_txstats_sr(&st->stats, &st->sr_zero);
    if (st->cfg.kind == ARC_MEDIA_VIDEO)
        arc_send_request_key(st); /* the new source refers to nothing old */
}

/** An SSRC of ours is another source's as well: it gets it (RFC 3550 §8.2). */
static void change_ssrc(struct arc_session *s, uint32_t old, int64_t now_us)
{
    uint32_t fresh = draw_ssrc(s);
    int32_t stream = -1;

    for (int32_t i = 0; i < s->n_send; i++) {
        struct arc_sendstream *st = s->send[i];

        if (st->cfg.ssrc == old) {
            stream = i;
            rename_media(s, st, fresh, now_us);
        } else if (st->cfg.rtx_payload_type >= 0 && st->cfg.rtx_ssrc == old) {
            say_farewell(s, old, st->stats.resent_packets > 0);
            st->cfg.rtx_ssrc   = fresh;
            st->next_rtx_seq16 = (uint16_t)arc_rng_below(&s->rng, 0x8000);
        } else if (st->cfg.fec.ssrc == old) {
            say_farewell(s, old, st->fec_sent > 0);
            st->cfg.fec.ssrc   = fresh;
            st->next_fec_seq16 = (uint16_t)arc_rng_below(&s->rng, 0x8000);
        }
    }
    if (s->rtcp_ssrc == old) {
        say_farewell(s, old, s->stats.rtcp_sent > 0);
        s->rtcp_ssrc = fresh;
    }
    arc_ssrcwatch_add_own(s->watch, fresh, 0);
    arc_peer_event(s, ARC_EVENT_SSRC_COLLISION, stream, old, now_us);
    arc_peer_event(s, ARC_EVENT_SSRC_CHANGED, stream, fresh, now_us);
}

/* --- the others ------------------------------------------------------------------------ */

/** What SRTP has authenticated and never seen before is no loop: its source has
 *  another address now (RFC 3550 §8.2, as for telephony). */
static bool has_moved(struct arc_session *s, uint32_t ssrc,
                      enum arc_ssrc_packet packet, uint64_t addr,
                      int64_t now_us)
{
    return s->srtp_in && arc_ssrcwatch_move(s->watch, ssrc, packet, addr,
                                            SETTLE_US, now_us);
}

/** Whether a source's packet, or its part of one, may be used. */
bool arc_peer_admit(struct arc_session *s, uint32_t ssrc,
                    enum arc_ssrc_packet packet, uint64_t addr,
                    uint64_t cname_hash, int64_t now_us)
{
    enum arc_ssrc_verdict verdict =
        arc_ssrcwatch_check(s->watch, ssrc, packet, addr, cname_hash, now_us);

    if (verdict == ARC_SSRC_ACCEPT ||
        (verdict == ARC_SSRC_LOOP &&
         has_moved(s, ssrc, packet, addr, now_us)))
        return true;
    if (verdict == ARC_SSRC_OWN_COLLISION)
        change_ssrc(s, ssrc, now_us);
    if (verdict == ARC_SSRC_OWN_COLLISION || verdict == ARC_SSRC_OWN_LOOP)
        s->stats.drops.own_ssrc++;
    else
        s->stats.drops.other_way++;
    return false;
}

/** Note a media packet that authenticated. Contributing sources are members
 *  too; a mixer names us among them, which is no collision. */
void arc_peer_on_media(struct arc_session *s, const struct arc_rtp *h,
                       int64_t now_us)
{
    if (arc_members_on_rtp(s->members, h->ssrc, now_us) != ARC_OK)
        return;
    for (int i = 0; i < h->csrc_count; i++)
        if (!arc_peer_owns_ssrc(s, h->csrcs[i]))
            arc_members_on_rtcp(s->members, h->csrcs[i], now_us);
}

/* --- the group --------------------------------------------------------------------------- */

bool arc_peer_has_spoken(const struct arc_session *s)
{
    for (int32_t i = 0; i < s->n_send; i++)
        if (s->send[i]->sent_any)
            return true;
    for (int32_t i = 0; i < s->n_recv; i++)
        if (s->recv[i]->ssrc)
            return true;
    return false;
}

/** Each SSRC of ours is a participant (RFC 8108 §5.1) from its first packet on;
 *  the first one speaks for all that we receive. */
static void join_and_part(struct arc_session *s, int64_t now_us)
{
    int64_t timeout_us = arc_ssrcgroup_sender_timeout_us(&s->rtcp);

    if (!s->rtcp.joined[0] && arc_peer_has_spoken(s))
        arc_ssrcgroup_join(&s->rtcp, 0, now_us);
    for (int32_t i = 0; i < s->n_send; i++) {
        const struct arc_sendstream *st = s->send[i];

        if (!st->sent_any)
            continue;
        if (!s->rtcp.joined[i])
            arc_ssrcgroup_join(&s->rtcp, i, now_us);
        arc_ssrcgroup_set_sends(&s->rtcp, i,
                                now_us - st->last_sent_us <= timeout_us,
                                now_us);
    }
}

/** RTCP gets 5 % of what goes either way, whichever is more (RFC 3550 §6.2). */
static void share_bandwidth(struct arc_session *s, int64_t now_us)
{
    int64_t sum_bps = 0, rtcp_bps, report_us = MAX_REPORT_US;
    int64_t span_us = now_us - s->rate_us;

    for (int32_t i = 0; i < s->n_send; i++)
        sum_bps += arc_atomic_load_relaxed(&s->send[i]->target_bps);
    if (sum_bps > 0)
        report_us = arc_clamp_i64(arc_rtcptime_reduced_min_us(sum_bps),
                                  MIN_REPORT_US, MAX_REPORT_US);
    if (span_us >= RATE_US) {
        s->received_bps = (s->stats.received_bytes - s->rate_bytes) * 8 *
                          RATE_US / span_us;
        s->rate_bytes = s->stats.received_bytes;
        s->rate_us    = now_us;
    }
    rtcp_bps = arc_max_i64(arc_max_i64(sum_bps, s->received_bps) / 20,
                           MIN_RTCP_BPS);
    arc_ssrcgroup_set_bandwidth(&s->rtcp, rtcp_bps / 4, rtcp_bps - rtcp_bps / 4,
                                report_us);
}

/** Who is still there, and what that means for our turns (RFC 3550 §6.3.5). */
void arc_peer_look_after(struct arc_session *s, int64_t now_us)
{
    int64_t timeout_us = arc_ssrcgroup_member_timeout_us(&s->rtcp);
    struct arc_members_counts n;

    if (now_us < s->look_us)
        return;
    s->look_us = now_us + LOOK_US;
    arc_members_expire(s->members, timeout_us,
                       arc_ssrcgroup_sender_timeout_us(&s->rtcp), now_us);
    /* §8.2: ten intervals, where a member is given five */
    arc_ssrcwatch_expire(s->watch, timeout_us, 2 * timeout_us, now_us);
    arc_members_count(s->members, &n);
    share_bandwidth(s, now_us);
    join_and_part(s, now_us);
    arc_ssrcgroup_set_remote(&s->rtcp, n.members, n.senders, n.multiparty,
                             now_us);
}
