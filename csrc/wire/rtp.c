/**
 * @file wire/rtp.c  The RTP header
 */
#include <string.h>

#include "base/bytes.h"
#include "wire/rtp.h"

enum {
    VERSION       = 2,
    HAS_PADDING   = 0x20,
    HAS_EXTENSION = 0x10,
    MAX_EXT_BYTES = 4 * 65535
};

/* What the first byte and the lengths say; a header is looked through for these
 * before a field of the caller's struct is written. */
struct parts {
    uint16_t ext_profile;
    size_t   csrc_count;
    size_t   ext_off;
    size_t   ext_len;
    size_t   payload_off;
    size_t   padding_len;
};

/* The extension header says its length in 32-bit words (RFC 3550 §5.3.1). */
static const char *find_extension(struct arc_reader *r, struct parts *p)
{
    uint16_t words;

    p->ext_profile = arc_reader_u16(r);
    words          = arc_reader_u16(r);
    if (r->fail)
        return "extension header runs past the end";
    p->ext_off = r->pos;
    p->ext_len = (size_t)words * 4;
    if (!arc_reader_take(r, p->ext_len))
        return "extension runs past the end";
    return NULL;
}

/* The last byte counts the padding and itself (RFC 3550 §5.1). */
static const char *find_padding(const uint8_t *data, size_t len,
                                struct parts *p)
{
    size_t rest = len - p->payload_off;

    if (rest == 0)
        return "padding bit set but nothing follows the header";
    p->padding_len = data[len - 1];
    if (p->padding_len == 0)
        return "padding count is zero";
    if (p->padding_len > rest)
        return "padding is longer than what follows the header";
    return NULL;
}

/* Everything but the padding; NULL or why not. */
static const char *find_header(const uint8_t *data, size_t len, struct parts *p)
{
    struct arc_reader r;
    const char *why = NULL;

    if (!data || len < ARC_RTP_HEADER_BYTES)
        return "too short for an RTP header (12 bytes)";
    if (len > ARC_RTP_MAX_BYTES)
        return "longer than a datagram (65535 bytes)";
    if (data[0] >> 6 != VERSION)
        return "version is not 2";

    *p            = (struct parts){0};
    p->csrc_count = data[0] & 0x0f;
    arc_reader_init(&r, data, len);
    if (!arc_reader_take(&r, ARC_RTP_HEADER_BYTES + 4 * p->csrc_count))
        return "CSRC list runs past the end";
    if (data[0] & HAS_EXTENSION)
        why = find_extension(&r, p);
    p->payload_off = r.pos;
    return why;
}

static const char *find(const uint8_t *data, size_t len, struct parts *p)
{
    const char *why = find_header(data, len, p);

    if (!why && data[0] & HAS_PADDING)
        why = find_padding(data, len, p);
    return why;
}

static void fill(const uint8_t *data, size_t len, const struct parts *p,
                 struct arc_rtp *h)
{
    struct arc_reader r;
    uint8_t first, second;

    memset(h->csrcs, 0, sizeof(h->csrcs)); /* the whole struct takes longer */
    arc_reader_init(&r, data, len);
    first            = arc_reader_u8(&r);
    second           = arc_reader_u8(&r);
    h->has_padding   = first & HAS_PADDING;
    h->has_extension = first & HAS_EXTENSION;
    h->csrc_count    = (uint8_t)p->csrc_count;
    h->marker        = second & 0x80;
    h->payload_type  = second & 0x7f;
    h->seq16         = arc_reader_u16(&r);
    h->rtp_ts        = arc_reader_u32(&r);
    h->ssrc          = arc_reader_u32(&r);
    for (int i = 0; i < h->csrc_count; i++)
        h->csrcs[i] = arc_reader_u32(&r);
    h->ext_profile = p->ext_profile;
    h->ext_off     = (int32_t)p->ext_off;
    h->ext_len     = (int32_t)p->ext_len;
    h->payload_off = (int32_t)p->payload_off;
    h->payload_len = (int32_t)(len - p->payload_off - p->padding_len);
    h->padding_len = (int32_t)p->padding_len;
}

enum arc_status arc_rtp_parse(const uint8_t *data, size_t len,
                              struct arc_rtp *out)
{
    struct parts p;

    if (!data || !out)
        return ARC_ERR_ARG;
    if (find(data, len, &p))
        return ARC_ERR_FORMAT;
    fill(data, len, &p, out);
    return ARC_OK;
}

enum arc_status arc_rtp_parse_header(const uint8_t *data, size_t len,
                                     struct arc_rtp *out)
{
    struct parts p;

    if (!data || !out)
        return ARC_ERR_ARG;
    if (find_header(data, len, &p))
        return ARC_ERR_FORMAT;
    fill(data, len, &p, out);
    return ARC_OK;
}

const char *arc_rtp_fault(const uint8_t *data, size_t len)
{
    struct parts p;

    return find(data, len, &p);
}

static bool header_ok(const struct arc_rtp *h, const uint8_t *ext)
{
    return h->payload_type <= 127 && h->csrc_count <= ARC_RTP_MAX_CSRCS &&
           (!h->has_extension ||
            (h->ext_len >= 0 && h->ext_len <= MAX_EXT_BYTES &&
             (ext || h->ext_len == 0)));
}

static void write_extension(struct arc_writer *w, const struct arc_rtp *h,
                            const uint8_t *ext)
{
    static const uint8_t zeros[3];
    size_t words = ((size_t)h->ext_len + 3) / 4;

    arc_writer_u16(w, h->ext_profile);
    arc_writer_u16(w, (uint16_t)words);
    arc_writer_bytes(w, ext, (size_t)h->ext_len);
    arc_writer_bytes(w, zeros, words * 4 - (size_t)h->ext_len);
}

enum arc_status arc_rtp_write_header(const struct arc_rtp *h,
                                     const uint8_t *ext, uint8_t *out,
                                     size_t cap, size_t *len_out)
{
    struct arc_writer w;

    if (!h || !out || !len_out || !header_ok(h, ext))
        return ARC_ERR_ARG;

    arc_writer_init(&w, out, cap);
    arc_writer_u8(&w, (uint8_t)(VERSION << 6 | (h->has_padding ? HAS_PADDING : 0) |
                                (h->has_extension ? HAS_EXTENSION : 0) |
                                h->csrc_count));
    arc_writer_u8(&w, (uint8_t)((h->marker ? 0x80 : 0) | h->payload_type));
    arc_writer_u16(&w, h->seq16);
    arc_writer_u32(&w, h->rtp_ts);
    arc_writer_u32(&w, h->ssrc);
    for (int i = 0; i < h->csrc_count; i++)
        arc_writer_u32(&w, h->csrcs[i]);
    if (h->has_extension)
        write_extension(&w, h, ext);
    if (w.fail)
        return ARC_ERR_SPACE;

    *len_out = w.pos;
    return ARC_OK;
}

static void put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

void arc_rtp_set_seq16(uint8_t *packet, uint16_t seq16)
{
    packet[2] = (uint8_t)(seq16 >> 8);
    packet[3] = (uint8_t)seq16;
}

void arc_rtp_set_ts(uint8_t *packet, uint32_t rtp_ts)
{
    put_u32(packet + 4, rtp_ts);
}

void arc_rtp_set_ssrc(uint8_t *packet, uint32_t ssrc)
{
    put_u32(packet + 8, ssrc);
}

void arc_rtp_set_payload_type(uint8_t *packet, uint8_t payload_type)
{
    packet[1] = (uint8_t)((packet[1] & 0x80) | (payload_type & 0x7f));
}
