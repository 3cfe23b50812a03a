/**
 * @file rx/rxpkt.h  One received media packet on its way through rx/
 *
 * The struct is copied by value; only `pkt` is counted. A module that keeps a
 * copy takes its own reference with arc_rxpkt_ref(). `pkt` may be NULL: then
 * there are numbers only, and the reference functions do nothing.
 *
 * Owner:   who holds a copy beyond a call holds a reference to `pkt`.
 * Threads: a copy belongs to one thread; references may be dropped by any.
 */
#ifndef ARC_RX_RXPKT_H
#define ARC_RX_RXPKT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pkt.h"

/* ARC_CDEF_BEGIN */
struct arc_rxpkt {
    struct arc_pkt *pkt;         /* the bytes; NULL: numbers only             */
    int64_t         seq;         /* unwrapped sequence number                 */
    int64_t         ts;          /* unwrapped RTP timestamp, ticks            */
    int64_t         arrival_us;  /* monotonic                                 */
    int32_t         payload_len; /* bytes; 0: padding only                    */
    int16_t         payload_off; /* payload starts at pkt->data + payload_off */
    uint8_t         payload_type;
    bool            marker;
    bool            repaired;     /* came by retransmission or FEC            */
    bool            copy;         /* a redundant block (RFC 2198): ts and payload
                                     are the block's, the rest its packet's  */
    bool            told_level;   /* its header told how loud it is (RFC 6464) */
    bool            voice;        /* .. and that there is voice in it         */
    uint8_t         level_neg_dbov; /* .. 0..127                              */
    bool            starts_frame; /* begins a NAL unit or frame; audio: always */
    bool            is_key;       /* holds an IDR slice or its first piece    */
};
/* ARC_CDEF_END */

/* Unwrapped counters beyond these are a caller's mistake; inside them no sum
 * below can overflow. 2^47 ticks are 46 years at 96 kHz. */
#define ARC_RXPKT_MAX_SEQ  (INT64_C(1) << 48)
#define ARC_RXPKT_MAX_TS   (INT64_C(1) << 47)
#define ARC_RXPKT_MAX_US   (INT64_C(1) << 52)

static inline bool arc_rxpkt_in_range(const struct arc_rxpkt *p)
{
    return p->seq > -ARC_RXPKT_MAX_SEQ && p->seq < ARC_RXPKT_MAX_SEQ &&
           p->ts > -ARC_RXPKT_MAX_TS && p->ts < ARC_RXPKT_MAX_TS &&
           p->arrival_us > -ARC_RXPKT_MAX_US && p->arrival_us < ARC_RXPKT_MAX_US;
}

/** One more reference to the bytes, if there are any. */
static inline void arc_rxpkt_ref(const struct arc_rxpkt *p)
{
    if (p->pkt)
        arc_pkt_ref(p->pkt);
}

/** One reference less; the copy no longer has the bytes. */
static inline void arc_rxpkt_unref(struct arc_rxpkt *p)
{
    arc_pkt_unref(p->pkt);
    p->pkt = NULL;
}

#endif
