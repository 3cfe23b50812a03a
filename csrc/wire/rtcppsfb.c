/**
 * @file wire/rtcppsfb.c  RTCP feedback on payload: PLI, FIR, SLI, REMB, ...
 */
#include <string.h>

#include "wire/rtcpfb.h"
#include "wire/rtcppsfb.h"

enum {
    FIR_ENTRY_BYTES      = 8,
    SLI_ENTRY_BYTES      = 4,
    SLI_MAX_BLOCK        = 8191, /* 13 bits */
    SLI_MAX_PICTURE_ID   = 63,   /* 6 bits */
    RPSI_HEAD_BITS       = 16, /* count of padding bits, payload type */
    RPSI_MAX_BITS        = 2097040, /* what the length of a packet can say */
    TRADEOFF_ENTRY_BYTES = 8,
    TRADEOFF_MAX_INDEX   = 31,
    REMB_FIXED_BYTES     = 8, /* "REMB", count, exponent, mantissa */
    REMB_MANTISSA_BITS   = 18
};

static const uint8_t remb_name[4] = {'R', 'E', 'M', 'B'};

void arc_rtcp_write_pli(struct arc_writer *w, uint32_t sender_ssrc,
                        uint32_t media_ssrc)
{
    struct arc_writer body;

    arc_rtcpfb_open(w, ARC_RTCP_PSFB, ARC_PSFB_PLI, sender_ssrc, media_ssrc, 0,
                    &body);
}

enum arc_status arc_rtcp_parse_pli(const struct arc_rtcp_packet *p,
                                   uint32_t *sender_ssrc, uint32_t *media_ssrc)
{
    struct arc_reader r;

    if (!arc_rtcpfb_is(p, ARC_RTCP_PSFB, ARC_PSFB_PLI) || !sender_ssrc ||
        !media_ssrc)
        return ARC_ERR_ARG;
    return arc_rtcpfb_read_head(p, &r, sender_ssrc, media_ssrc)
               ? ARC_OK
               : ARC_ERR_FORMAT;
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
    if (!arc_rtcpfb_open(w, ARC_RTCP_PSFB, ARC_PSFB_FIR, sender_ssrc, 0,
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

    if (!arc_rtcpfb_is(p, ARC_RTCP_PSFB, ARC_PSFB_FIR) || !sender_ssrc || !n ||
        (cap && (!ssrcs || !seq_nrs)))
        return ARC_ERR_ARG;

    *n = 0;
    if (!arc_rtcpfb_read_head(p, &r, &sender, &unused) ||
        arc_reader_left(&r) == 0 || arc_reader_left(&r) % FIR_ENTRY_BYTES)
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
    uint32_t exponent, mantissa;

    if (n > ARC_RTCP_MAX_REMB_SSRCS) {
        w->fail = true;
        return;
    }
    mantissa =
        arc_rtcpfb_split_rate(bitrate_bps, REMB_MANTISSA_BITS, &exponent);
    /* The media SSRC of the head is always zero (§2.2 of the draft). */
    if (!arc_rtcpfb_open(w, ARC_RTCP_PSFB, ARC_PSFB_AFB, sender_ssrc, 0,
                         REMB_FIXED_BYTES + n * 4, &body))
        return;
    arc_writer_bytes(&body, remb_name, sizeof(remb_name));
    arc_writer_u8(&body, (uint8_t)n);
    arc_writer_u24(&body, exponent << REMB_MANTISSA_BITS | mantissa);
    for (size_t i = 0; i < n; i++)
        arc_writer_u32(&body, ssrcs[i]);
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

    if (!arc_rtcpfb_is(p, ARC_RTCP_PSFB, ARC_PSFB_AFB) || !sender_ssrc ||
        !bitrate_bps || !n || (cap && !ssrcs))
        return ARC_ERR_ARG;

    *n = 0;
    if (!arc_rtcpfb_read_head(p, &r, &sender, &unused))
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
    *bitrate_bps = arc_rtcpfb_rate(rate & ((1u << REMB_MANTISSA_BITS) - 1),
                                   rate >> REMB_MANTISSA_BITS);
    *n           = entries;
    return ARC_OK;
}

void arc_rtcp_write_sli(struct arc_writer *w, uint32_t sender_ssrc,
                        uint32_t media_ssrc, const struct arc_rtcp_sli *slices,
                        size_t n)
{
    struct arc_writer body;

    for (size_t i = 0; i < n; i++) {
        if (slices[i].first > SLI_MAX_BLOCK ||
            slices[i].number > SLI_MAX_BLOCK ||
            slices[i].picture_id > SLI_MAX_PICTURE_ID) {
            w->fail = true;
            return;
        }
    }
    if (n == 0 || !arc_rtcpfb_open(w, ARC_RTCP_PSFB, ARC_PSFB_SLI, sender_ssrc,
                                   media_ssrc, n * SLI_ENTRY_BYTES, &body))
        return;
    for (size_t i = 0; i < n; i++)
        arc_writer_u32(&body, (uint32_t)slices[i].first << 19 |
                                  (uint32_t)slices[i].number << 6 |
                                  slices[i].picture_id);
}

enum arc_status arc_rtcp_parse_sli(const struct arc_rtcp_packet *p,
                                   uint32_t *sender_ssrc, uint32_t *media_ssrc,
                                   struct arc_rtcp_sli *slices, size_t cap,
                                   size_t *n)
{
    struct arc_reader r;
    uint32_t sender, media;
    size_t entries;

    if (!arc_rtcpfb_is(p, ARC_RTCP_PSFB, ARC_PSFB_SLI) || !sender_ssrc ||
        !media_ssrc || !n || (cap && !slices))
        return ARC_ERR_ARG;

    *n = 0;
    /* §6.3.2: at least one. */
    if (!arc_rtcpfb_read_head(p, &r, &sender, &media) ||
        arc_reader_left(&r) < SLI_ENTRY_BYTES)
        return ARC_ERR_FORMAT;
    entries = arc_reader_left(&r) / SLI_ENTRY_BYTES;
    if (entries > cap)
        return ARC_ERR_SPACE;

    for (size_t i = 0; i < entries; i++) {
        uint32_t word = arc_reader_u32(&r);

        slices[i].first      = (uint16_t)(word >> 19);
        slices[i].number     = word >> 6 & SLI_MAX_BLOCK;
        slices[i].picture_id = word & SLI_MAX_PICTURE_ID;
    }
    *sender_ssrc = sender;
    *media_ssrc  = media;
    *n           = entries;
    return ARC_OK;
}

void arc_rtcp_write_rpsi(struct arc_writer *w, uint32_t sender_ssrc,
                         uint32_t media_ssrc, uint8_t payload_type,
                         const uint8_t *bits, size_t n_bits)
{
    size_t fci_bytes = (RPSI_HEAD_BITS + n_bits + 31) / 32 * 4;
    struct arc_writer body;

    if (payload_type > 127 || n_bits > RPSI_MAX_BITS) {
        w->fail = true;
        return;
    }
    if (!arc_rtcpfb_open(w, ARC_RTCP_PSFB, ARC_PSFB_RPSI, sender_ssrc,
                         media_ssrc, fci_bytes, &body))
        return;
    arc_writer_u8(&body, (uint8_t)(fci_bytes * 8 - RPSI_HEAD_BITS - n_bits));
    arc_writer_u8(&body, payload_type);
    arc_writer_bytes(&body, bits, n_bits / 8);
    if (n_bits % 8) /* §6.3.3.2: the padding bits are zero */
        arc_writer_u8(&body,
                      bits[n_bits / 8] & (uint8_t)(0xff00 >> n_bits % 8));
    while (body.pos < body.cap)
        arc_writer_u8(&body, 0);
}

enum arc_status arc_rtcp_parse_rpsi(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc, uint32_t *media_ssrc,
                                    uint8_t *payload_type, const uint8_t **bits,
                                    size_t *n_bits)
{
    struct arc_reader r;
    uint32_t sender, media;
    uint8_t padding_bits, type;
    size_t left;

    if (!arc_rtcpfb_is(p, ARC_RTCP_PSFB, ARC_PSFB_RPSI) || !sender_ssrc ||
        !media_ssrc || !payload_type || !bits || !n_bits)
        return ARC_ERR_ARG;

    if (!arc_rtcpfb_read_head(p, &r, &sender, &media))
        return ARC_ERR_FORMAT;
    padding_bits = arc_reader_u8(&r);
    type         = arc_reader_u8(&r) & 0x7f; /* the first bit: ignored */
    left         = arc_reader_left(&r);
    /* §6.3.3.2: padding goes to the next 32-bit boundary, not further. */
    if (r.fail || padding_bits > 31 || padding_bits > left * 8)
        return ARC_ERR_FORMAT;

    *sender_ssrc  = sender;
    *media_ssrc   = media;
    *payload_type = type;
    *bits         = arc_reader_take(&r, left);
    *n_bits       = left * 8 - padding_bits;
    return ARC_OK;
}

static void write_tradeoffs(struct arc_writer *w, uint8_t format,
                            uint32_t sender_ssrc,
                            const struct arc_rtcp_tradeoff *items, size_t n)
{
    struct arc_writer body;

    for (size_t i = 0; i < n; i++) {
        if (items[i].index > TRADEOFF_MAX_INDEX) {
            w->fail = true;
            return;
        }
    }
    /* RFC 5104 §4.3.2.2, §4.3.3.2: the media SSRC of the head is zero. */
    if (n == 0 || !arc_rtcpfb_open(w, ARC_RTCP_PSFB, format, sender_ssrc, 0,
                                   n * TRADEOFF_ENTRY_BYTES, &body))
        return;
    for (size_t i = 0; i < n; i++) {
        arc_writer_u32(&body, items[i].ssrc);
        arc_writer_u8(&body, items[i].seq_nr);
        arc_writer_u24(&body, items[i].index);
    }
}

static enum arc_status parse_tradeoffs(const struct arc_rtcp_packet *p,
                                       uint32_t *sender_ssrc,
                                       struct arc_rtcp_tradeoff *items,
                                       size_t cap, size_t *n)
{
    struct arc_reader r;
    uint32_t sender, unused;
    size_t entries;

    if (!sender_ssrc || !n || (cap && !items))
        return ARC_ERR_ARG;

    *n = 0;
    if (!arc_rtcpfb_read_head(p, &r, &sender, &unused) ||
        arc_reader_left(&r) == 0 || arc_reader_left(&r) % TRADEOFF_ENTRY_BYTES)
        return ARC_ERR_FORMAT;
    entries = arc_reader_left(&r) / TRADEOFF_ENTRY_BYTES;
    if (entries > cap)
        return ARC_ERR_SPACE;

    for (size_t i = 0; i < entries; i++) {
        items[i].ssrc   = arc_reader_u32(&r);
        items[i].seq_nr = arc_reader_u8(&r);
        items[i].index  = arc_reader_u24(&r) & TRADEOFF_MAX_INDEX;
    }
    *sender_ssrc = sender;
    *n           = entries;
    return ARC_OK;
}

void arc_rtcp_write_tstr(struct arc_writer *w, uint32_t sender_ssrc,
                         const struct arc_rtcp_tradeoff *items, size_t n)
{
    write_tradeoffs(w, ARC_PSFB_TSTR, sender_ssrc, items, n);
}

void arc_rtcp_write_tstn(struct arc_writer *w, uint32_t sender_ssrc,
                         const struct arc_rtcp_tradeoff *items, size_t n)
{
    write_tradeoffs(w, ARC_PSFB_TSTN, sender_ssrc, items, n);
}

enum arc_status arc_rtcp_parse_tstr(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc,
                                    struct arc_rtcp_tradeoff *items, size_t cap,
                                    size_t *n)
{
    if (!arc_rtcpfb_is(p, ARC_RTCP_PSFB, ARC_PSFB_TSTR))
        return ARC_ERR_ARG;
    return parse_tradeoffs(p, sender_ssrc, items, cap, n);
}

enum arc_status arc_rtcp_parse_tstn(const struct arc_rtcp_packet *p,
                                    uint32_t *sender_ssrc,
                                    struct arc_rtcp_tradeoff *items, size_t cap,
                                    size_t *n)
{
    if (!arc_rtcpfb_is(p, ARC_RTCP_PSFB, ARC_PSFB_TSTN))
        return ARC_ERR_ARG;
    return parse_tradeoffs(p, sender_ssrc, items, cap, n);
}
