/**
 * @file session/dtmf.c  Telephone events of a peer, both ways (RFC 4733)
 *
 * Out: from the ring of who presses keys, one at a time, past the encoder: while an
 * event lasts, send_audio.c sends no samples (§2.5.1.2 lets them take turns). In: beside
 * the media, straight to the events of the session.
 */
#include <string.h>

#include "base/atomic.h"
#include "base/units.h"
#include "rx/ticks.h"
#include "session/peer.h"
#include "wire/rtp.h"

/* --- out --------------------------------------------------------------------- */

enum arc_status arc_send_dtmf(struct arc_sendstream *st,
                              const struct arc_dtmf_tone *tones, int32_t n)
{
    if (!tones || n < 1 || !st->tones)
        return ARC_ERR_ARG;
    for (int32_t i = 0; i < n; i++)
        if (!arc_dtmf_tone_ok(&tones[i]))
            return ARC_ERR_ARG;
    if (n > ARC_SESSION_MAX_TONES - (int32_t)arc_ring_count(st->tones))
        return ARC_ERR_BUSY;
    for (int32_t i = 0; i < n; i++)
        arc_ring_push(st->tones, &tones[i]);
    return ARC_OK;
}

/** Time stamp of now, on the axis of the samples. */
static uint32_t stamp_of_now(const struct arc_sendstream *st, int64_t now_us)
{
    if (!st->sent_any)
        return st->ts_offset;
    return st->last_rtp_ts + (uint32_t)arc_ticks_from_us(
                                 now_us - st->last_capture_us, st->clock_hz);
}

static void queue_event(struct arc_session *s, struct arc_sendstream *st,
                        const struct arc_dtmf_packet *e, int64_t now_us)
{
    struct arc_pkt *pkt = arc_pkt_get(s->pool);
    struct arc_txpkt p;
    struct arc_rtp h;
    size_t len = 0;

    if (!pkt) {
        s->stats.drops.no_packet++;
        return;
    }
    memset(&h, 0, sizeof(h));
    h.payload_type = (uint8_t)st->cfg.dtmf_payload_type;
    h.rtp_ts       = e->rtp_ts;
    h.marker       = e->marker;
    arc_rtp_write_header(&h, NULL, pkt->data, (size_t)arc_pkt_tailroom(pkt),
                         &len);
    arc_pl_dtmf_write(&e->report, pkt->data + len);
    pkt->len     = (int32_t)len + ARC_PL_DTMF_BYTES;
    pkt->time_us = now_us;

    memset(&p, 0, sizeof(p));
    p.pkt           = pkt;
    p.rtp_ts        = st->event_ts; /* where the samples go on from */
    p.capture_us    = st->event_us;
    p.encoded_us    = now_us;
    p.payload_bytes = ARC_PL_DTMF_BYTES;
    p.once          = true;
    arc_peer_to_pacer(s, st, &p, now_us);
}

/** Begin the next event when the last one, and the gap behind it, are over. */
static void next_tone(struct arc_sendstream *st, int64_t now_us)
{
    struct arc_dtmf_tone tone;

    if (now_us < arc_dtmftx_free_us(&st->dtmf) ||
        arc_ring_pop(st->tones, &tone) != ARC_OK)
        return;
    arc_dtmftx_start(&st->dtmf, &tone, stamp_of_now(st, now_us), now_us);
    st->event_us = now_us;
    st->event_ts = st->dtmf.rtp_ts;
}

/** The packets of events that are due now. */
void arc_peer_dtmf_turn(struct arc_session *s, int64_t now_us)
{
    for (int32_t i = 0; i < s->n_send; i++) {
        struct arc_sendstream *st = s->send[i];
        struct arc_dtmf_packet e;

        if (!st->tones)
            continue;
        next_tone(st, now_us);
        while (arc_pacer_has_room(s->pacer, ARC_PACER_AUDIO) &&
               arc_dtmftx_poll(&st->dtmf, now_us, &e) == ARC_OK)
            queue_event(s, st, &e, now_us);
        arc_atomic_store_relaxed(&st->tone_lasts,
                                 arc_dtmftx_is_on(&st->dtmf, now_us) ? 1 : 0);
    }
}

static int64_t next_out_us(const struct arc_sendstream *st)
{
    int64_t next_us;

    if (!st->tones)
        return ARC_NEVER_US;
    next_us = arc_dtmftx_next_us(&st->dtmf);
    if (arc_ring_count(st->tones) > 0)
        next_us = arc_min_i64(next_us, arc_dtmftx_free_us(&st->dtmf));
    return next_us;
}

/* --- in ---------------------------------------------------------------------- */

static void tell(struct arc_session *s, struct arc_recvstream *st,
                 int64_t now_us)
{
    struct arc_dtmf_event e;

    while (arc_dtmfrx_poll(&st->dtmf, now_us, &e) == ARC_OK) {
        int64_t ms = e.duration_ticks * 1000 / st->clock_hz;

        if (e.over)
            arc_peer_event(s, ARC_EVENT_DTMF_END, st->index, e.event + 256 * ms,
                           now_us);
        else
            arc_peer_event(s, ARC_EVENT_DTMF, st->index, e.event, now_us);
    }
}

/** Whether it is a packet of events of this stream. */
bool arc_peer_is_dtmf(const struct arc_recvstream *st, int32_t payload_type)
{
    return st->cfg.kind == ARC_MEDIA_AUDIO && st->cfg.dtmf_payload_type > 0 &&
           payload_type == st->cfg.dtmf_payload_type;
}

/** Take the events of a packet that was found well-formed. */
void arc_peer_on_dtmf(struct arc_session *s, struct arc_recvstream *st,
                      const struct arc_rxpkt *p, int64_t now_us)
{
    struct arc_pl_dtmf reports[ARC_PL_DTMF_MAX_REPORTS];
    size_t n;

    if (arc_pl_dtmf_parse(p->pkt->data + p->payload_off, (size_t)p->payload_len,
                          reports, &n) != ARC_OK)
        return;
    arc_dtmfrx_on_packet(&st->dtmf, reports, n, p->ts, now_us);
    tell(s, st, now_us);
}

/** Events of which nothing was heard any more. */
void arc_peer_dtmf_lapse(struct arc_session *s, int64_t now_us)
{
    for (int32_t i = 0; i < s->n_recv; i++)
        if (now_us >= arc_dtmfrx_next_us(&s->recv[i]->dtmf))
            tell(s, s->recv[i], now_us);
}

int64_t arc_peer_dtmf_next_us(const struct arc_session *s)
{
    int64_t next_us = ARC_NEVER_US;

    for (int32_t i = 0; i < s->n_send; i++)
        next_us = arc_min_i64(next_us, next_out_us(s->send[i]));
    for (int32_t i = 0; i < s->n_recv; i++)
        next_us = arc_min_i64(next_us, arc_dtmfrx_next_us(&s->recv[i]->dtmf));
    return next_us;
}
