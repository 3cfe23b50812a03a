/**
 * @file wire/rtcpfb.c  RTCP feedback: NACK, PLI, FIR, REMB
 */
#include <string.h>

#include "wire/rtcpfb.h"

enum {
    HEAD_BYTES         = 8, /* SSRC of the sender, SSRC of the media (§6.1) */
    NACK_ENTRY_BYTES   = 4,
    FIR_ENTRY_BYTES    = 8,
    REMB_FIXED_BYTES   = 8, /* "REMB", count, exponent, mantissa */
    REMB_MANTISSA_BITS = 18
};

static const uint8_t remb_name[4] = {'R', 'E', 'M', 'B'};

static bool is_kind(const struct arc_rtcp_packet *p, uint8_t type,
                    uint8_t format)
{
    return p && p->type == type && p->count == format;
}

/* Reader behind the two SSRCs; false: too short for them. */
static bool read_head(const struct arc_rtcp_packet *p, struct arc_reader *r,
                      uint32_t *sender_ssrc, uint32_t *media_ssrc)
{
    if (p->body_len < HEAD_BYTES)
        return false;
    arc_reader_init(r, p->body, p->body_len);
    *sender_ssrc = arc_reader_u32(r);
    *media_ssrc  = arc_reader_u32(r);
    return true;
}

static bool open_feedback(struct arc_writer *w, uint8_t type, uint8_t format,
                          uint32_t sender_ssrc, uint32_t media_ssrc,
                          size_t fci_bytes, struct arc_writer *body)
{
    if (!arc_rtcp_open(w, type, format, HEAD_BYTES + fci_bytes, body))
        return false;
    arc_writer_u32(body, sender_ssrc);
    arc_writer_u32(body, media_ssrc);
    return true;
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
    if (!open_feedback(w, ARC_RTCP_RTPFB, ARC_RTPFB_NACK, sender_ssrc,
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

    if (!is_kind(p, ARC_RTCP_RTPFB, ARC_RTPFB_NACK) || !sender_ssrc ||
        !media_ssrc || !n || (cap && !seqs))
        return ARC_ERR_ARG;

    *n = 0;
    /* §6.2.1: at least one entry. */
    if (!read_head(p, &r, &sender, &media) || arc_reader_left(&r) == 0 ||
        arc_reader_left(&r) % NACK_ENTRY_BYTES)
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

void arc_rtcp_write_pli(struct arc_writer *w, uint32_t sender_ssrc,
                        uint32_t media_ssrc)
{
    struct arc_writer body;

    open_feedback(w, ARC_RTCP_PSFB, ARC_PSFB_PLI, sender_ssrc, media_ssrc, 0,
                  &body);
}

enum arc_status arc_rtcp_parse_pli(const struct arc_rtcp_packet *p,
                                   uint32_t *sender_ssrc, uint32_t *media_ssrc)
{
    struct arc_reader r;

    if (!is_kind(p, ARC_RTCP_PSFB, ARC_PSFB_PLI) || !sender_ssrc ||
        !media_ssrc)
        return ARC_ERR_ARG;
    return read_head(p, &r, sender_ssrc, media_ssrc) ? ARC_OK : ARC_ERR_FORMAT;
}

void arc_rtcp_write_fir(struct arc_writer *w, uint32_t sender_ssrc,
                        uint32_t media_ssrc, uint8_t seq_nr)
{
    arc_rtcp_write_fir_list(w, sender_ssrc, &media_ssrc, &seq_nr, 1);
}

void arc_rtcp_write_fir_list(struct arc_writer *w, uint32_t sender_ssrc,
                             const uint32_t *ssrcs, const uint8_t *seq_nrs,
                             size_t n)
{
    struct arc_writer body;

    if (n == 0)
        return;
    /* RFC 5104 §4.3.1.2: the media SSRC of the head is not used, zero. */
    if (!open_feedback(w, ARC_RTCP_PSFB, ARC_PSFB_FIR, sender_ssrc, 0,
                       n * FIR_ENTRY_BYTES, &body))
        return;
    for (size_t i = 0; i < n; i++) {
        arc_writer_u32(&body, ssrcs[i]);
        arc_writer_u8(&body, seq_nrs[i]);
        arc_writer_u24(&body, 0);
    }
}

enum arc_status arc_rtcp_parse_fir(const struct arc_rtcp_packet *p,
                                   uint32_t *sender_ssrc, uint32_t *ssrcs,
                                   uint8_t *seq_nrs, size_t cap, size_t *n)
{
    struct arc_reader r;
    uint32_t sender, unused;
    size_t entries;

    if (!is_kind(p, ARC_RTCP_PSFB, ARC_PSFB_FIR) || !sender_ssrc || !n ||
        (cap && (!ssrcs || !seq_nrs)))
        return ARC_ERR_ARG;

    *n = 0;
    if (!read_head(p, &r, &sender, &unused) || arc_reader_left(&r) == 0 ||
        arc_reader_left(&r) % FIR_ENTRY_BYTES)
        return ARC_ERR_FORMAT;
    entries = arc_reader_left(&r) / FIR_ENTRY_BYTES;
    if (entries > cap)
        return ARC_ERR_SPACE;

    for (size_t i = 0; i < entries; i++) {
        ssrcs[i]   = arc_reader_u32(&r);
        seq_nrs[i] = arc_reader_u8(&r);
        arc_reader_u24(&r); /* reserved */
    }
    *sender_ssrc = sender;
    *n           = entries;
    return ARC_OK;
}

void arc_rtcp_write_remb(struct arc_writer *w, uint32_t sender_ssrc,
                         uint64_t bitrate_bps, const uint32_t *ssrcs, size_t n)
{
    struct arc_writer body;
    uint32_t exponent = 0;

    if (n > ARC_RTCP_MAX_REMB_SSRCS) {
        w->fail = true;
        return;
    }
    while (bitrate_bps >> REMB_MANTISSA_BITS) {
        bitrate_bps >>= 1;
        exponent++;
    }
    /* The media SSRC of the head is always zero (§2.2 of the draft). */
    if (!open_feedback(w, ARC_RTCP_PSFB, ARC_PSFB_AFB, sender_ssrc, 0,
                       REMB_FIXED_BYTES + n * 4, &body))
        return;
    arc_writer_bytes(&body, remb_name, sizeof(remb_name));
    arc_writer_u8(&body, (uint8_t)n);
    arc_writer_u24(&body, exponent << REMB_MANTISSA_BITS |
                          (uint32_t)bitrate_bps);
    for (size_t i = 0; i < n; i++)
        arc_writer_u32(&body, ssrcs[i]);
}

static uint64_t remb_rate(uint32_t exponent_and_mantissa)
{
    uint32_t exponent = exponent_and_mantissa >> REMB_MANTISSA_BITS;
    uint64_t mantissa =
        exponent_and_mantissa & ((1u << REMB_MANTISSA_BITS) - 1);

    if (mantissa > UINT64_MAX >> exponent)
        return UINT64_MAX;
    return mantissa << exponent;
}

enum arc_status arc_rtcp_parse_remb(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc,
                                    uint64_t *bitrate_bps, uint32_t *ssrcs,
                                    size_t cap, size_t *n)
{
    struct arc_reader r;
    uint32_t sender, unused, rate;
    const uint8_t *name;
    size_t entries;

    if (!is_kind(p, ARC_RTCP_PSFB, ARC_PSFB_AFB) || !sender_ssrc ||
        !bitrate_bps || !n || (cap && !ssrcs))
        return ARC_ERR_ARG;

    *n = 0;
    if (!read_head(p, &r, &sender, &unused))
        return ARC_ERR_FORMAT;
    name = arc_reader_take(&r, sizeof(remb_name));
    if (!name || memcmp(name, remb_name, sizeof(remb_name)) != 0)
        return ARC_ERR_UNSUPPORTED;
    entries = arc_reader_u8(&r);
    rate    = arc_reader_u24(&r);
    if (r.fail || arc_reader_left(&r) < entries * 4)
        return ARC_ERR_FORMAT;
    if (entries > cap)
        return ARC_ERR_SPACE;

    for (size_t i = 0; i < entries; i++)
        ssrcs[i] = arc_reader_u32(&r);
    *sender_ssrc = sender;
    *bitrate_bps = remb_rate(rate);
    *n           = entries;
    return ARC_OK;
}
