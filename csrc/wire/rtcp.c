/**
 * @file wire/rtcp.c  RTCP packets: compound, SR, RR, BYE, APP
 */
#include <string.h>

#include "base/units.h"
#include "wire/rtcp.h"
#include "wire/rtcpfb.h"

enum {
    VERSION           = 2,
    HEADER_BYTES      = 4,
    BLOCK_BYTES       = 24,
    SENDER_INFO_BYTES = 20,
    MAX_BODY_BYTES    = 4 * 65535
};

/* libwebrtc fills transport-wide feedback up with 1 to 3 bytes, announces them as
 * padding, and puts other packets behind it. Its own count of packets tells
 * where such a message ends. */
static bool is_padded_anyhow(const struct arc_rtcp_packet *p)
{
    return p->type == ARC_RTCP_RTPFB && p->count == ARC_RTPFB_TWCC;
}

/* One packet off the reader; NULL or why not. `padded`: the P bit. */
static const char *take_packet(struct arc_reader *r,
                               struct arc_rtcp_packet *out, bool *padded)
{
    uint8_t first = arc_reader_u8(r);
    uint8_t count;

    out->type     = arc_reader_u8(r);
    out->count    = first & 0x1f;
    out->body_len = (size_t)arc_reader_u16(r) * 4;
    if (r->fail)
        return "too short for an RTCP header (4 bytes)";
    if (first >> 6 != VERSION)
        return "version is not 2";
    out->body = arc_reader_take(r, out->body_len);
    if (!out->body)
        return "length runs past the end";

    *padded = first & 0x20;
    if (!*padded)
        return NULL;
    /* §6.4.1: padding comes in whole words and counts itself. */
    if (out->body_len == 0)
        return "padding bit set in a packet without body";
    count = out->body[out->body_len - 1];
    if (count == 0 || count > out->body_len ||
        (count % 4 && !is_padded_anyhow(out)))
        return "padding count is not a multiple of 4 within the packet";
    out->body_len -= count / 4 * 4;
    return NULL;
}

const char *arc_rtcp_fault(const uint8_t *data, size_t len,
                           bool reduced_size_allowed)
{
    struct arc_reader r;
    struct arc_rtcp_packet p;
    bool first = true;

    if (!data || len < HEADER_BYTES)
        return "too short for an RTCP header (4 bytes)";

    arc_reader_init(&r, data, len);
    while (arc_reader_left(&r) > 0) {
        bool padded;
        const char *why = take_packet(&r, &p, &padded);

        if (why)
            return why;
        if (padded && arc_reader_left(&r) > 0 && !is_padded_anyhow(&p))
            return "padding in a packet that is not the last";
        if (first && !reduced_size_allowed &&
            (padded || (p.type != ARC_RTCP_SR && p.type != ARC_RTCP_RR)))
            return "a compound must begin with an SR or RR without padding";
        first = false;
    }
    return NULL;
}

enum arc_status arc_rtcp_check_compound(const uint8_t *data, size_t len,
                                        bool reduced_size_allowed)
{
    if (!data)
        return ARC_ERR_ARG;
    return arc_rtcp_fault(data, len, reduced_size_allowed) ? ARC_ERR_FORMAT
                                                           : ARC_OK;
}

enum arc_status arc_rtcp_next(struct arc_reader *r, struct arc_rtcp_packet *out)
{
    struct arc_rtcp_packet p;
    bool padded;

    if (r->fail)
        return ARC_ERR_FORMAT;
    if (arc_reader_left(r) == 0)
        return ARC_AGAIN;
    if (take_packet(r, &p, &padded)) {
        r->fail = true;
        return ARC_ERR_FORMAT;
    }
    *out = p;
    return ARC_OK;
}

static int32_t sign_extend_24(uint32_t v)
{
    return v & 0x800000 ? (int32_t)v - 0x1000000 : (int32_t)v;
}

/* The counted blocks behind `fixed` bytes (§6.4.1); `n` is set if ARC_OK. */
static enum arc_status parse_blocks(const struct arc_rtcp_packet *p,
                                    size_t fixed,
                                    struct arc_rtcp_report_block *blocks,
                                    size_t cap, size_t *n)
{
    struct arc_reader r;

    if (p->body_len < fixed + (size_t)p->count * BLOCK_BYTES)
        return ARC_ERR_FORMAT;
    if (p->count > cap)
        return ARC_ERR_SPACE;

    arc_reader_init(&r, p->body + fixed, p->body_len - fixed);
    for (size_t i = 0; i < p->count; i++) {
        struct arc_rtcp_report_block *b = &blocks[i];

        b->ssrc            = arc_reader_u32(&r);
        b->fraction_lost   = arc_reader_u8(&r);
        b->cumulative_lost = sign_extend_24(arc_reader_u24(&r));
        b->highest_seq     = arc_reader_u32(&r);
        b->jitter_ticks    = arc_reader_u32(&r);
        b->lsr             = arc_reader_u32(&r);
        b->dlsr            = arc_reader_u32(&r);
    }
    *n = p->count;
    return ARC_OK;
}

enum arc_status arc_rtcp_parse_sr(const struct arc_rtcp_packet *p,
                                  uint32_t *ssrc,
                                  struct arc_rtcp_sender_info *info,
                                  struct arc_rtcp_report_block *blocks,
                                  size_t cap, size_t *n)
{
    struct arc_reader r;
    enum arc_status status;

    if (!p || p->type != ARC_RTCP_SR || !ssrc || !info || !n ||
        (cap && !blocks))
        return ARC_ERR_ARG;

    *n = 0;
    status = parse_blocks(p, 4 + SENDER_INFO_BYTES, blocks, cap, n);
    if (status != ARC_OK)
        return status;

    arc_reader_init(&r, p->body, p->body_len);
    *ssrc         = arc_reader_u32(&r);
    info->ntp64   = arc_reader_u64(&r);
    info->rtp_ts  = arc_reader_u32(&r);
    info->packets = arc_reader_u32(&r);
    info->bytes   = arc_reader_u32(&r);
    return ARC_OK;
}

enum arc_status arc_rtcp_parse_rr(const struct arc_rtcp_packet *p,
                                  uint32_t *ssrc,
                                  struct arc_rtcp_report_block *blocks,
                                  size_t cap, size_t *n)
{
    struct arc_reader r;
    enum arc_status status;

    if (!p || p->type != ARC_RTCP_RR || !ssrc || !n || (cap && !blocks))
        return ARC_ERR_ARG;

    *n = 0;
    status = parse_blocks(p, 4, blocks, cap, n);
    if (status != ARC_OK)
        return status;

    arc_reader_init(&r, p->body, p->body_len);
    *ssrc = arc_reader_u32(&r);
    return ARC_OK;
}

enum arc_status arc_rtcp_parse_bye(const struct arc_rtcp_packet *p,
                                   uint32_t *ssrcs, size_t cap, size_t *n,
                                   const uint8_t **reason, size_t *reason_len)
{
    struct arc_reader r;
    const uint8_t *text = NULL;
    size_t text_len = 0;

    if (!p || p->type != ARC_RTCP_BYE || !n || !reason || !reason_len ||
        (cap && !ssrcs))
        return ARC_ERR_ARG;

    *n = 0;
    if (p->body_len < (size_t)p->count * 4)
        return ARC_ERR_FORMAT;
    if (p->count > cap)
        return ARC_ERR_SPACE;

    arc_reader_init(&r, p->body, p->body_len);
    arc_reader_take(&r, (size_t)p->count * 4);
    if (arc_reader_left(&r) > 0) {
        text_len = arc_reader_u8(&r);
        text     = arc_reader_take(&r, text_len);
        if (!text)
            return ARC_ERR_FORMAT;
    }

    arc_reader_init(&r, p->body, p->body_len);
    for (size_t i = 0; i < p->count; i++)
        ssrcs[i] = arc_reader_u32(&r);
    *n          = p->count;
    *reason     = text;
    *reason_len = text_len;
    return ARC_OK;
}

enum arc_status arc_rtcp_parse_app(const struct arc_rtcp_packet *p,
                                   struct arc_rtcp_app *out)
{
    struct arc_reader r;

    if (!p || p->type != ARC_RTCP_APP || !out)
        return ARC_ERR_ARG;
    if (p->body_len < 8)
        return ARC_ERR_FORMAT;

    arc_reader_init(&r, p->body, p->body_len);
    out->subtype = p->count;
    out->ssrc    = arc_reader_u32(&r);
    memcpy(out->name, arc_reader_take(&r, sizeof(out->name)),
           sizeof(out->name));
    out->data_len = arc_reader_left(&r);
    out->data     = arc_reader_take(&r, out->data_len);
    return ARC_OK;
}

bool arc_rtcp_open(struct arc_writer *w, uint8_t type, size_t count,
                   size_t body_len, struct arc_writer *body)
{
    uint8_t *p;

    if (count > ARC_RTCP_MAX_COUNT || body_len % 4 ||
        body_len > MAX_BODY_BYTES) {
        w->fail = true;
        return false;
    }
    p = arc_writer_claim(w, HEADER_BYTES + body_len);
    if (!p)
        return false;

    p[0] = (uint8_t)(VERSION << 6 | count);
    p[1] = type;
    p[2] = (uint8_t)(body_len / 4 >> 8);
    p[3] = (uint8_t)(body_len / 4);
    arc_writer_init(body, p + HEADER_BYTES, body_len);
    return true;
}

static void write_blocks(struct arc_writer *w,
                         const struct arc_rtcp_report_block *blocks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct arc_rtcp_report_block *b = &blocks[i];
        int64_t lost = arc_clamp_i64(b->cumulative_lost, -0x800000, 0x7fffff);

        arc_writer_u32(w, b->ssrc);
        arc_writer_u8(w, b->fraction_lost);
        arc_writer_u24(w, (uint32_t)lost & 0xffffff);
        arc_writer_u32(w, b->highest_seq);
        arc_writer_u32(w, b->jitter_ticks);
        arc_writer_u32(w, b->lsr);
        arc_writer_u32(w, b->dlsr);
    }
}

void arc_rtcp_write_sr(struct arc_writer *w, uint32_t ssrc,
                       const struct arc_rtcp_sender_info *info,
                       const struct arc_rtcp_report_block *blocks, size_t n)
{
    struct arc_writer body;

    if (!arc_rtcp_open(w, ARC_RTCP_SR, n,
                       4 + SENDER_INFO_BYTES + n * BLOCK_BYTES, &body))
        return;
    arc_writer_u32(&body, ssrc);
    arc_writer_u64(&body, info->ntp64);
    arc_writer_u32(&body, info->rtp_ts);
    arc_writer_u32(&body, info->packets);
    arc_writer_u32(&body, info->bytes);
    write_blocks(&body, blocks, n);
}

void arc_rtcp_write_rr(struct arc_writer *w, uint32_t ssrc,
                       const struct arc_rtcp_report_block *blocks, size_t n)
{
    struct arc_writer body;

    if (!arc_rtcp_open(w, ARC_RTCP_RR, n, 4 + n * BLOCK_BYTES, &body))
        return;
    arc_writer_u32(&body, ssrc);
    write_blocks(&body, blocks, n);
}

void arc_rtcp_write_bye(struct arc_writer *w, const uint32_t *ssrcs, size_t n,
                        const char *reason_or_null)
{
    arc_rtcp_write_bye_text(w, ssrcs, n, (const uint8_t *)reason_or_null,
                            reason_or_null ? strlen(reason_or_null) : 0);
}

void arc_rtcp_write_bye_text(struct arc_writer *w, const uint32_t *ssrcs,
                             size_t n, const uint8_t *reason,
                             size_t reason_len)
{
    size_t room = reason ? (1 + reason_len + 3) / 4 * 4 : 0;
    struct arc_writer body;

    if (reason_len > ARC_RTCP_MAX_TEXT_BYTES) {
        w->fail = true;
        return;
    }
    if (!arc_rtcp_open(w, ARC_RTCP_BYE, n, n * 4 + room, &body))
        return;
    for (size_t i = 0; i < n; i++)
        arc_writer_u32(&body, ssrcs[i]);
    if (!reason)
        return;
    arc_writer_u8(&body, (uint8_t)reason_len);
    arc_writer_bytes(&body, reason, reason_len);
    while (body.pos < body.cap) /* §6.6: zeros to the next whole word */
        arc_writer_u8(&body, 0);
}

void arc_rtcp_write_app(struct arc_writer *w, const struct arc_rtcp_app *app)
{
    struct arc_writer body;

    if (!arc_rtcp_open(w, ARC_RTCP_APP, app->subtype, 8 + app->data_len,
                       &body))
        return;
    arc_writer_u32(&body, app->ssrc);
    arc_writer_bytes(&body, app->name, sizeof(app->name));
    arc_writer_bytes(&body, app->data, app->data_len);
}

void arc_rtcp_write_raw(struct arc_writer *w, const struct arc_rtcp_packet *p)
{
    struct arc_writer body;

    if (arc_rtcp_open(w, p->type, p->count, p->body_len, &body))
        arc_writer_bytes(&body, p->body, p->body_len);
}
