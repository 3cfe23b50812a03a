/**
 * @file wire/rtcpfb.c  RTCP feedback on transport: NACK, TMMBR, TMMBN, SR-REQ
 */
#include "wire/rtcpfb.h"

enum {
    HEAD_BYTES          = 8, /* SSRC of the sender, SSRC of the media (§6.1) */
    NACK_ENTRY_BYTES    = 4,
    LIMIT_ENTRY_BYTES   = 8,
    LIMIT_MANTISSA_BITS = 17,
    LIMIT_OVERHEAD_BITS = 9,
    LIMIT_MAX_OVERHEAD  = 511
};

bool arc_rtcpfb_is(const struct arc_rtcp_packet *p, uint8_t type,
                   uint8_t format)
{
    return p && p->type == type && p->count == format;
}

bool arc_rtcpfb_read_head(const struct arc_rtcp_packet *p, struct arc_reader *r,
                          uint32_t *sender_ssrc, uint32_t *media_ssrc)
{
    if (p->body_len < HEAD_BYTES)
        return false;
    arc_reader_init(r, p->body, p->body_len);
    *sender_ssrc = arc_reader_u32(r);
    *media_ssrc  = arc_reader_u32(r);
    return true;
}

bool arc_rtcpfb_open(struct arc_writer *w, uint8_t type, uint8_t format,
                     uint32_t sender_ssrc, uint32_t media_ssrc,
                     size_t fci_bytes, struct arc_writer *body)
{
    if (!arc_rtcp_open(w, type, format, HEAD_BYTES + fci_bytes, body))
        return false;
    arc_writer_u32(body, sender_ssrc);
    arc_writer_u32(body, media_ssrc);
    return true;
}

uint64_t arc_rtcpfb_rate(uint32_t mantissa, uint32_t exponent)
{
    return mantissa > UINT64_MAX >> exponent ? UINT64_MAX
                                             : (uint64_t)mantissa << exponent;
}

uint32_t arc_rtcpfb_split_rate(uint64_t rate, uint32_t bits, uint32_t *exponent)
{
    *exponent = 0;
    while (rate >> bits) {
        rate >>= 1;
        ++*exponent;
    }
    return (uint32_t)rate;
}

/* Numbers from seqs[0] on that one entry (PID and BLP, RFC 4585 §6.2.1) can
 * carry: itself, repetitions of it, and the 16 after it. */
static size_t pack_entry(const uint16_t *seqs, size_t n, uint16_t *blp)
{
    size_t used = 1;

    *blp = 0;
    for (; used < n; used++) {
        uint16_t ahead = (uint16_t)(seqs[used] - seqs[0]);

        if (ahead > 16)
            break;
        if (ahead > 0)
            *blp |= (uint16_t)(1u << (ahead - 1));
    }
    return used;
}

void arc_rtcp_write_nack(struct arc_writer *w, uint32_t sender_ssrc,
                         uint32_t media_ssrc, const uint16_t *seqs, size_t n)
{
    struct arc_writer body;
    size_t entries = 0;
    uint16_t blp;

    for (size_t i = 0; i < n; entries++)
        i += pack_entry(seqs + i, n - i, &blp);
    if (entries == 0)
        return;
    if (!arc_rtcpfb_open(w, ARC_RTCP_RTPFB, ARC_RTPFB_NACK, sender_ssrc,
                         media_ssrc, entries * NACK_ENTRY_BYTES, &body))
        return;
    for (size_t i = 0; i < n;) {
        arc_writer_u16(&body, seqs[i]);
        i += pack_entry(seqs + i, n - i, &blp);
        arc_writer_u16(&body, blp);
    }
}

static size_t count_bits(uint16_t v)
{
    size_t bits = 0;

    for (; v; v &= (uint16_t)(v - 1))
        bits++;
    return bits;
}

static size_t count_nacked(struct arc_reader r)
{
    size_t total = 0;

    while (arc_reader_left(&r) > 0) {
        arc_reader_u16(&r);
        total += 1 + count_bits(arc_reader_u16(&r));
    }
    return total;
}

enum arc_status arc_rtcp_parse_nack(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc,
                                    uint32_t *media_ssrc, uint16_t *seqs,
                                    size_t cap, size_t *n)
{
    struct arc_reader r;
    uint32_t sender, media;
    size_t k = 0;

    if (!arc_rtcpfb_is(p, ARC_RTCP_RTPFB, ARC_RTPFB_NACK) || !sender_ssrc ||
        !media_ssrc || !n || (cap && !seqs))
        return ARC_ERR_ARG;

    *n = 0;
    /* §6.2.1: at least one entry. */
    if (!arc_rtcpfb_read_head(p, &r, &sender, &media) ||
        arc_reader_left(&r) == 0 || arc_reader_left(&r) % NACK_ENTRY_BYTES)
        return ARC_ERR_FORMAT;
    if (count_nacked(r) > cap)
        return ARC_ERR_SPACE;

    while (arc_reader_left(&r) > 0) {
        uint16_t pid = arc_reader_u16(&r);
        uint16_t blp = arc_reader_u16(&r);

        seqs[k++] = pid;
        for (int bit = 0; bit < 16; bit++) {
            if (blp >> bit & 1)
                seqs[k++] = (uint16_t)(pid + bit + 1);
        }
    }
    *sender_ssrc = sender;
    *media_ssrc  = media;
    *n           = k;
    return ARC_OK;
}

static void write_limits(struct arc_writer *w, uint8_t format,
                         uint32_t sender_ssrc,
                         const struct arc_rtcp_rate_limit *limits, size_t n)
{
    struct arc_writer body;

    for (size_t i = 0; i < n; i++) {
        if (limits[i].overhead_bytes > LIMIT_MAX_OVERHEAD) {
            w->fail = true;
            return;
        }
    }
    /* RFC 5104 §4.2.1.2, §4.2.2.2: the media SSRC of the head is zero. */
    if (!arc_rtcpfb_open(w, ARC_RTCP_RTPFB, format, sender_ssrc, 0,
                         n * LIMIT_ENTRY_BYTES, &body))
        return;
    for (size_t i = 0; i < n; i++) {
        uint32_t exponent;
        uint32_t mantissa = arc_rtcpfb_split_rate(
            limits[i].bitrate_bps, LIMIT_MANTISSA_BITS, &exponent);

        arc_writer_u32(&body, limits[i].ssrc);
        arc_writer_u32(&body, (exponent << LIMIT_MANTISSA_BITS | mantissa)
                                      << LIMIT_OVERHEAD_BITS |
                                  limits[i].overhead_bytes);
    }
}

static enum arc_status parse_limits(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc,
                                    struct arc_rtcp_rate_limit *limits,
                                    size_t cap, size_t *n)
{
    struct arc_reader r;
    uint32_t sender, unused;
    size_t entries;

    if (!sender_ssrc || !n || (cap && !limits))
        return ARC_ERR_ARG;

    *n = 0;
    if (!arc_rtcpfb_read_head(p, &r, &sender, &unused) ||
        arc_reader_left(&r) % LIMIT_ENTRY_BYTES)
        return ARC_ERR_FORMAT;
    entries = arc_reader_left(&r) / LIMIT_ENTRY_BYTES;
    if (entries == 0 && p->count == ARC_RTPFB_TMMBR) /* §4.2.1 */
        return ARC_ERR_FORMAT;
    if (entries > cap)
        return ARC_ERR_SPACE;

    for (size_t i = 0; i < entries; i++) {
        uint32_t ssrc = arc_reader_u32(&r);
        uint32_t word = arc_reader_u32(&r);
        uint32_t rate = word >> LIMIT_OVERHEAD_BITS;

        limits[i].ssrc           = ssrc;
        limits[i].bitrate_bps    = arc_rtcpfb_rate(
            rate & ((1u << LIMIT_MANTISSA_BITS) - 1),
            rate >> LIMIT_MANTISSA_BITS);
        limits[i].overhead_bytes = word & LIMIT_MAX_OVERHEAD;
    }
    *sender_ssrc = sender;
    *n           = entries;
    return ARC_OK;
}

void arc_rtcp_write_tmmbr(struct arc_writer *w, uint32_t sender_ssrc,
                          const struct arc_rtcp_rate_limit *limits, size_t n)
{
    if (n > 0)
        write_limits(w, ARC_RTPFB_TMMBR, sender_ssrc, limits, n);
}

void arc_rtcp_write_tmmbn(struct arc_writer *w, uint32_t sender_ssrc,
                          const struct arc_rtcp_rate_limit *limits, size_t n)
{
    write_limits(w, ARC_RTPFB_TMMBN, sender_ssrc, limits, n);
}

enum arc_status arc_rtcp_parse_tmmbr(const struct arc_rtcp_packet *p,
                                     uint32_t *sender_ssrc,
                                     struct arc_rtcp_rate_limit *limits,
                                     size_t cap, size_t *n)
{
    if (!arc_rtcpfb_is(p, ARC_RTCP_RTPFB, ARC_RTPFB_TMMBR))
        return ARC_ERR_ARG;
    return parse_limits(p, sender_ssrc, limits, cap, n);
}

enum arc_status arc_rtcp_parse_tmmbn(const struct arc_rtcp_packet *p,
                                     uint32_t *sender_ssrc,
                                     struct arc_rtcp_rate_limit *limits,
                                     size_t cap, size_t *n)
{
    if (!arc_rtcpfb_is(p, ARC_RTCP_RTPFB, ARC_RTPFB_TMMBN))
        return ARC_ERR_ARG;
    return parse_limits(p, sender_ssrc, limits, cap, n);
}

void arc_rtcp_write_sr_req(struct arc_writer *w, uint32_t sender_ssrc,
                           uint32_t media_ssrc)
{
    struct arc_writer body;

    arc_rtcpfb_open(w, ARC_RTCP_RTPFB, ARC_RTPFB_SR_REQ, sender_ssrc,
                    media_ssrc, 0, &body);
}

enum arc_status arc_rtcp_parse_sr_req(const struct arc_rtcp_packet *p,
                                      uint32_t *sender_ssrc,
                                      uint32_t *media_ssrc)
{
    struct arc_reader r;

    if (!arc_rtcpfb_is(p, ARC_RTCP_RTPFB, ARC_RTPFB_SR_REQ) || !sender_ssrc ||
        !media_ssrc)
        return ARC_ERR_ARG;
    return arc_rtcpfb_read_head(p, &r, sender_ssrc, media_ssrc)
               ? ARC_OK
               : ARC_ERR_FORMAT;
}
