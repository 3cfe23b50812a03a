/**
 * @file session/levels.c  How loud it is, in the header of each packet (RFC 6464)
 */
#include <string.h>

#include "audio/level.h"
#include "base/bytes.h"
#include "session/peer.h"
#include "wire/extval.h"
#include "wire/rtpext.h"

enum { X_BIT = 0x10 };

void arc_peer_hear_own(struct arc_sendstream *st)
{
    const struct arc_gather *g = &st->gather;

    if (st->cfg.level_id == 0)
        return;
    st->level.voice = arc_vad_on_i16(&st->vad, g->pcm, g->need);
    st->level.level_neg_dbov =
        (uint8_t)arc_level_i16(g->pcm, (size_t)(g->need * st->cfg.opus.channels));
}

/** One element of one byte in the one-byte form (RFC 8285 §4.2), filled up to two
 *  words: ARC_PEER_LEVEL_BYTES in all. */
void arc_peer_write_level(const struct arc_sendstream *st, struct arc_pkt *pkt)
{
    uint8_t value[ARC_EXTVAL_MAX_BYTES];
    struct arc_writer w;
    size_t len = 0;

    if (st->cfg.level_id == 0 ||
        arc_extval_write_audio_level(&st->level, value, sizeof(value), &len) != ARC_OK)
        return;
    arc_writer_init(&w, pkt->data + pkt->len, ARC_PEER_LEVEL_BYTES);
    arc_writer_u16(&w, ARC_RTPEXT_ONE_BYTE);
    arc_writer_u16(&w, 1); /* words that follow, RFC 3550 §5.3.1 */
    arc_writer_u8(&w, (uint8_t)(st->cfg.level_id << 4));
    arc_writer_u8(&w, value[0]);
    arc_writer_u16(&w, 0);
    pkt->data[0] |= X_BIT;
    pkt->len     += ARC_PEER_LEVEL_BYTES;
}

void arc_peer_read_level(struct arc_recvstream *st, const struct arc_rtp *h,
                         struct arc_rxpkt *p)
{
    const uint8_t *value;
    struct arc_audio_level level;
    size_t len;

    if (st->cfg.level_id == 0 || !h->has_extension ||
        arc_rtpext_find(p->pkt->data, h, (uint8_t)st->cfg.level_id, &value,
                        &len) != ARC_OK ||
        arc_extval_read_audio_level(value, len, &level) != ARC_OK)
        return;
    p->told_level     = true;
    p->level_neg_dbov = level.level_neg_dbov;
    p->voice          = level.voice;
    st->level = level;
    st->level_pkts++;
    if (level.voice)
        st->voice_pkts++;
}
