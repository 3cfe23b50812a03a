/**
 * @file wire/rtcpxr.c  RTCP extended reports: blocks, reference times, delays
 */
#include "wire/rtcpxr.h"

enum {
    SSRC_BYTES     = 4,
    HEADER_BYTES   = 4, /* of a block (§3) */
    RRTR_BYTES     = 8,
    DLRR_BYTES     = 12,
    MAX_BODY_BYTES = 4 * 65535
};

enum arc_status arc_xr_iter_init(struct arc_xr_iter *it,
                                 const struct arc_rtcp_packet *p)
{
    if (!it || !p || p->type != ARC_RTCP_XR)
        return ARC_ERR_ARG;
    if (p->body_len < SSRC_BYTES)
        return ARC_ERR_FORMAT;
    arc_reader_init(&it->r, p->body, p->body_len);
    it->ssrc = arc_reader_u32(&it->r);
    return ARC_OK;
}

enum arc_status arc_xr_next(struct arc_xr_iter *it, struct arc_xr_block *out)
{
    struct arc_xr_block b;

    if (it->r.fail)
        return ARC_ERR_FORMAT;
    if (arc_reader_left(&it->r) == 0)
        return ARC_AGAIN;
    b.type     = arc_reader_u8(&it->r);
    b.specific = arc_reader_u8(&it->r);
    b.body_len = (size_t)arc_reader_u16(&it->r) * 4;
    b.body     = arc_reader_take(&it->r, b.body_len);
    if (it->r.fail)
        return ARC_ERR_FORMAT;
    *out = b;
    return ARC_OK;
}

enum arc_status arc_xr_parse_rrtr(const struct arc_xr_block *b, uint64_t *ntp64)
{
    struct arc_reader r;

    if (!b || b->type != ARC_XR_RRTR || !ntp64)
        return ARC_ERR_ARG;
    if (b->body_len != RRTR_BYTES) /* §4.4: a constant */
        return ARC_ERR_FORMAT;
    arc_reader_init(&r, b->body, b->body_len);
    *ntp64 = arc_reader_u64(&r);
    return ARC_OK;
}

enum arc_status arc_xr_parse_dlrr(const struct arc_xr_block *b,
                                  struct arc_xr_dlrr *items, size_t cap,
                                  size_t *n)
{
    struct arc_reader r;
    size_t entries;

    if (!b || b->type != ARC_XR_DLRR || !n || (cap && !items))
        return ARC_ERR_ARG;

    *n      = 0;
    entries = b->body_len / DLRR_BYTES;
    if (entries == 0 || b->body_len % DLRR_BYTES) /* §4.5: one or more */
        return ARC_ERR_FORMAT;
    if (entries > cap)
        return ARC_ERR_SPACE;

    arc_reader_init(&r, b->body, b->body_len);
    for (size_t i = 0; i < entries; i++) {
        items[i].ssrc = arc_reader_u32(&r);
        items[i].lrr  = arc_reader_u32(&r);
        items[i].dlrr = arc_reader_u32(&r);
    }
    *n = entries;
    return ARC_OK;
}

bool arc_xr_open(struct arc_writer *w, uint8_t type, uint8_t specific,
                 size_t body_len, struct arc_writer *body)
{
    uint8_t *p;

    if (body_len % 4 || body_len > MAX_BODY_BYTES) {
        w->fail = true;
        return false;
    }
    p = arc_writer_claim(w, HEADER_BYTES + body_len);
    if (!p)
        return false;

    p[0] = type;
    p[1] = specific;
    p[2] = (uint8_t)(body_len / 4 >> 8);
    p[3] = (uint8_t)(body_len / 4);
    arc_writer_init(body, p + HEADER_BYTES, body_len);
    return true;
}

void arc_xr_write_rrtr(struct arc_writer *w, uint64_t ntp64)
{
    struct arc_writer body;

    if (arc_xr_open(w, ARC_XR_RRTR, 0, RRTR_BYTES, &body))
        arc_writer_u64(&body, ntp64);
}

void arc_xr_write_dlrr(struct arc_writer *w, const struct arc_xr_dlrr *items,
                       size_t n)
{
    struct arc_writer body;

    if (n == 0 || !arc_xr_open(w, ARC_XR_DLRR, 0, n * DLRR_BYTES, &body))
        return;
    for (size_t i = 0; i < n; i++) {
        arc_writer_u32(&body, items[i].ssrc);
        arc_writer_u32(&body, items[i].lrr);
        arc_writer_u32(&body, items[i].dlrr);
    }
}

void arc_xr_write_block(struct arc_writer *w, const struct arc_xr_block *b)
{
    struct arc_writer body;

    if (arc_xr_open(w, b->type, b->specific, b->body_len, &body))
        arc_writer_bytes(&body, b->body, b->body_len);
}

void arc_rtcp_write_xr(struct arc_writer *w, uint32_t ssrc,
                       const uint8_t *blocks, size_t blocks_len)
{
    struct arc_writer body;

    /* §2: the five bits of the count are reserved, zero. */
    if (!arc_rtcp_open(w, ARC_RTCP_XR, 0, SSRC_BYTES + blocks_len, &body))
        return;
    arc_writer_u32(&body, ssrc);
    arc_writer_bytes(&body, blocks, blocks_len);
}

void arc_rtcp_write_xr_rrtr(struct arc_writer *w, uint32_t ssrc, uint64_t ntp64)
{
    struct arc_writer body;

    if (!arc_rtcp_open(w, ARC_RTCP_XR, 0,
                       SSRC_BYTES + HEADER_BYTES + RRTR_BYTES, &body))
        return;
    arc_writer_u32(&body, ssrc);
    arc_xr_write_rrtr(&body, ntp64);
}

void arc_rtcp_write_xr_dlrr(struct arc_writer *w, uint32_t ssrc,
                            const struct arc_xr_dlrr *items, size_t n)
{
    struct arc_writer body;

    if (n == 0 ||
        !arc_rtcp_open(w, ARC_RTCP_XR, 0,
                       SSRC_BYTES + HEADER_BYTES + n * DLRR_BYTES, &body))
        return;
    arc_writer_u32(&body, ssrc);
    arc_xr_write_dlrr(&body, items, n);
}
