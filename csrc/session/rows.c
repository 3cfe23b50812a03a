/**
 * @file session/rows.c  Figures of all streams of a peer, for those who watch
 */
#include <string.h>

#include "base/units.h"
#include "session/peer.h"

enum { ACTIVE_US = 2000000 };

static double rtt_ms(const struct arc_session *s)
{
    return s->rtt_us < 0 ? -1.0 : (double)s->rtt_us / 1e3;
}

static void read_send(const struct arc_sendstream *st, int64_t now_us,
                      struct arc_stream_row *row)
{
    row->stream                = st->index;
    row->direction             = ARC_STREAM_OUTBOUND;
    row->kind                  = st->cfg.kind;
    row->ssrc                  = st->cfg.ssrc;
    row->active                = st->sent_any &&
                                 now_us - st->last_sent_us < ACTIVE_US;
    row->packets               = st->stats.packets;
    row->bytes                 = st->stats.payload_bytes;
    row->retransmitted_packets = st->stats.resent_packets;
    row->retransmitted_bytes   = st->stats.resent_bytes;
    row->packets_lost          = st->remote_lost;
    row->nack_count            = st->nacked;
    row->pli_count             = st->key_requests;
    row->fraction_lost         = st->remote_last_loss;
    row->jitter_ms             = st->remote_jitter_ticks * 1000.0 /
                                 st->clock_hz;
    row->round_trip_ms         = rtt_ms(st->session);
}

static void read_recv(const struct arc_recvstream *st, int64_t now_us,
                      struct arc_stream_row *row)
{
    struct arc_nackgen_stats nack;

    memset(&nack, 0, sizeof(nack));
    if (st->nack)
        arc_nackgen_stats(st->nack, &nack);
    row->stream                = st->index;
    row->direction             = ARC_STREAM_INBOUND;
    row->kind                  = st->cfg.kind;
    row->ssrc                  = st->ssrc;
    row->active                = st->ssrc != 0 &&
                                 now_us - st->last_pkt_us < ACTIVE_US;
    row->packets               = st->stats.received;
    row->bytes                 = st->stats.bytes;
    row->retransmitted_packets = st->stats.recovered;
    row->packets_lost          = arc_rxstats_lost(&st->stats);
    row->nack_count            = nack.requested;
    row->pli_count             = st->keys_asked;
    row->packets_duplicated    = st->stats.duplicates;
    row->packets_reordered     = st->stats.reordered;
    row->jitter_ms             = arc_rxstats_jitter_ms(&st->stats);
    row->round_trip_ms         = rtt_ms(st->session);
}

static struct arc_stream_row *begin_row(struct arc_stream_row *row, int32_t owner)
{
    memset(row, 0, sizeof(*row));
    row->owner = owner;
    row->leg   = -1;
    return row;
}

int32_t arc_session_read_streams(const struct arc_session *s, int32_t owner,
                                 struct arc_stream_row *rows, int32_t cap,
                                 int64_t now_us)
{
    for (int32_t i = 0; i < s->n_send && i < cap; i++)
        read_send(s->send[i], now_us, begin_row(&rows[i], owner));
    for (int32_t i = 0; i < s->n_recv && s->n_send + i < cap; i++)
        read_recv(s->recv[i], now_us, begin_row(&rows[s->n_send + i], owner));
    return s->n_send + s->n_recv;
}
