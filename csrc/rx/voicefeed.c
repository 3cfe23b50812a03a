/**
 * @file rx/voicefeed.c  A received voice of its own, fed with payloads
 */
#include <string.h>

#include "base/mem.h"
#include "base/pkt.h"
#include "base/seq.h"
#include "rx/voicefeed.h"

enum { DEFAULT_PKTS = 512, COPIES_AND_ONE = 65 };

struct arc_voicefeed {
    struct arc_voice    *voice;
    struct arc_pkt_pool *pool;
    struct arc_unwrap    seq;
    struct arc_unwrap    ts;
};

enum arc_status arc_voicefeed_new(const struct arc_voice_config *cfg,
                                  struct arc_voicefeed **out)
{
    struct arc_voicefeed *f;
    enum arc_status status;

    if (!cfg || !out)
        return ARC_ERR_ARG;
    f = arc_mem_zalloc(1, sizeof(*f));
    if (!f)
        return ARC_ERR_NOMEM;
    status = arc_voice_new(cfg, &f->voice);
    if (status == ARC_OK)
        status = arc_pkt_pool_new(
            (cfg->capacity_pkts ? cfg->capacity_pkts : DEFAULT_PKTS) +
                COPIES_AND_ONE,
            &f->pool);
    if (status != ARC_OK) {
        arc_voicefeed_free(f);
        return status;
    }
    *out = f;
    return ARC_OK;
}

void arc_voicefeed_free(struct arc_voicefeed *f)
{
    if (!f)
        return;
    arc_voice_free(f->voice);
    arc_pkt_pool_unref(f->pool);
    arc_mem_free(f);
}

struct arc_voice *arc_voicefeed_voice(struct arc_voicefeed *f)
{
    return f->voice;
}

/** A packet of the pool with these bytes. */
static enum arc_status make_packet(struct arc_voicefeed *f,
                                   const uint8_t *payload, size_t len,
                                   struct arc_rxpkt *p)
{
    if ((!payload && len > 0) || len > ARC_PKT_CAP_BYTES)
        return ARC_ERR_ARG;
    memset(p, 0, sizeof(*p));
    p->pkt = arc_pkt_get(f->pool);
    if (!p->pkt)
        return ARC_ERR_BUSY;
    if (len > 0)
        memcpy(p->pkt->data, payload, len);
    p->pkt->len     = (int32_t)len;
    p->payload_len  = (int32_t)len;
    p->starts_frame = true;
    return ARC_OK;
}

enum arc_status arc_voicefeed_push(struct arc_voicefeed *f,
                                   const uint8_t *payload, size_t len,
                                   uint8_t payload_type, uint16_t seq16,
                                   uint32_t rtp_ts, int64_t now_us)
{
    struct arc_rxpkt p;
    enum arc_status status = make_packet(f, payload, len, &p);

    if (status != ARC_OK)
        return status;
    p.seq          = arc_unwrap_seq16(&f->seq, seq16);
    p.ts           = arc_unwrap_ts32(&f->ts, rtp_ts);
    p.payload_type = payload_type;
    p.arrival_us   = now_us;
    status = arc_voice_push(f->voice, &p, now_us);
    arc_rxpkt_unref(&p);
    return status;
}

enum arc_status arc_voicefeed_push_copy(struct arc_voicefeed *f,
                                        const uint8_t *payload, size_t len,
                                        uint32_t rtp_ts, int64_t now_us)
{
    struct arc_rxpkt p;
    struct arc_unwrap ts = f->ts; /* what is old must not move it */
    enum arc_status status = make_packet(f, payload, len, &p);

    if (status != ARC_OK)
        return status;
    p.ts         = arc_unwrap_ts32(&ts, rtp_ts);
    p.arrival_us = now_us;
    status = arc_voice_push_copy(f->voice, &p, now_us);
    arc_rxpkt_unref(&p);
    return status;
}
