/**
 * @file wire/red.c  Payload with redundant audio
 */
#include <string.h>

#include "base/bytes.h"
#include "wire/red.h"

enum {
    FOLLOWED         = 0x80, /* F: another header follows                     */
    MAX_PAYLOAD_TYPE = 127,
    LENGTH_BITS      = 10,
    MAX_PRIMARY      = 65535,
};

/** Headers, up to and with that of the primary (RFC 2198 §3). */
static enum arc_status read_headers(struct arc_reader *r, struct arc_red *red)
{
    for (;;) {
        uint8_t first = arc_reader_u8(r);
        struct arc_red_block *b;
        uint32_t rest;

        if (r->fail)
            return ARC_ERR_FORMAT;
        if (red->n_blocks == ARC_RED_MAX_BLOCKS)
            return ARC_ERR_LIMIT;
        b = &red->blocks[red->n_blocks++];
        b->payload_type = first & MAX_PAYLOAD_TYPE;
        if (!(first & FOLLOWED))
            return ARC_OK;
        rest         = arc_reader_u24(r);
        b->ts_offset = (int32_t)(rest >> LENGTH_BITS);
        b->len       = (int32_t)(rest & ARC_RED_MAX_BLOCK_BYTES);
    }
}

enum arc_status arc_red_parse(const uint8_t *payload, size_t len,
                              struct arc_red *out)
{
    struct arc_red red;
    struct arc_reader r;
    enum arc_status status;

    if (!payload || !out || len > INT32_MAX)
        return ARC_ERR_ARG;
    memset(&red, 0, sizeof(red));
    arc_reader_init(&r, payload, len);
    status = read_headers(&r, &red);
    if (status != ARC_OK)
        return status;

    for (int32_t i = 0; i < red.n_blocks; i++) {
        struct arc_red_block *b = &red.blocks[i];

        if (i == red.n_blocks - 1) /* §3: the primary is what is left */
            b->len = (int32_t)arc_reader_left(&r);
        b->off = (int32_t)r.pos;
        arc_reader_take(&r, (size_t)b->len);
    }
    if (r.fail)
        return ARC_ERR_FORMAT;
    *out = red;
    return ARC_OK;
}

size_t arc_red_bytes(const struct arc_red_part *parts, int32_t n_parts)
{
    size_t bytes = ARC_RED_PRIMARY_BYTES;

    for (int32_t i = 0; i < n_parts; i++)
        bytes += (size_t)parts[i].len +
                 (i < n_parts - 1 ? ARC_RED_HEADER_BYTES : 0);
    return bytes;
}

static bool part_ok(const struct arc_red_part *p, bool primary)
{
    int32_t max = primary ? MAX_PRIMARY : ARC_RED_MAX_BLOCK_BYTES;

    return p->payload_type >= 0 && p->payload_type <= MAX_PAYLOAD_TYPE &&
           p->len >= 0 && p->len <= max && (p->data || p->len == 0) &&
           (primary || (p->ts_offset >= 0 &&
                        p->ts_offset <= ARC_RED_MAX_TS_OFFSET_TICKS));
}

enum arc_status arc_red_build(const struct arc_red_part *parts,
                              int32_t n_parts, uint8_t *out, size_t cap,
                              size_t *len_out)
{
    struct arc_writer w;

    if (!parts || !out || !len_out || n_parts < 1 ||
        n_parts > ARC_RED_MAX_BLOCKS)
        return ARC_ERR_ARG;
    for (int32_t i = 0; i < n_parts; i++)
        if (!part_ok(&parts[i], i == n_parts - 1))
            return ARC_ERR_ARG;

    arc_writer_init(&w, out, cap);
    for (int32_t i = 0; i < n_parts - 1; i++) {
        arc_writer_u8(&w, (uint8_t)(FOLLOWED | parts[i].payload_type));
        arc_writer_u24(&w, (uint32_t)parts[i].ts_offset << LENGTH_BITS |
                               (uint32_t)parts[i].len);
    }
    arc_writer_u8(&w, (uint8_t)parts[n_parts - 1].payload_type);
    for (int32_t i = 0; i < n_parts; i++)
        arc_writer_bytes(&w, parts[i].data, (size_t)parts[i].len);
    if (w.fail)
        return ARC_ERR_SPACE;
    *len_out = w.pos;
    return ARC_OK;
}
