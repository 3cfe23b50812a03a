/**
 * @file wire/obu.c  AV1's open bitstream units: their headers and sizes
 */
#include <string.h>

#include "wire/obu.h"

enum { FORBIDDEN_BIT = 0x80, EXTENSION_BIT = 0x04, LEB_MORE_BIT = 0x80 };

size_t arc_leb128_bytes(uint32_t v)
{
    size_t n = 1;

    while (v >>= 7)
        n++;
    return n;
}

void arc_leb128_put(uint8_t *out, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++, v >>= 7)
        out[i] = (uint8_t)((v & 0x7f) | (i + 1 < n ? LEB_MORE_BIT : 0));
}

uint32_t arc_leb128_read(struct arc_reader *r)
{
    uint64_t value = 0;

    for (int i = 0; i < ARC_LEB128_MAX_BYTES; i++) {
        uint8_t byte = arc_reader_u8(r);

        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & LEB_MORE_BIT)
            continue;
        if (value > UINT32_MAX) /* 4.10.5: it fits 32 bits */
            break;
        return (uint32_t)value;
    }
    r->fail = true;
    return 0;
}

enum arc_status arc_obu_parse(const uint8_t *data, size_t len,
                              struct arc_obu *out)
{
    struct arc_reader r;
    struct arc_obu o;
    uint8_t first;

    if (!data || !out)
        return ARC_ERR_ARG;

    memset(&o, 0, sizeof(o));
    arc_reader_init(&r, data, len);
    first        = arc_reader_u8(&r);
    o.type       = first >> 3 & 0x0f;
    o.has_layers = first & EXTENSION_BIT;
    o.has_size   = first & ARC_OBU_HAS_SIZE_BIT;
    if (o.has_layers) {
        uint8_t layers = arc_reader_u8(&r);

        o.tid = layers >> 5;
        o.sid = layers >> 3 & 3;
    }
    o.header_len  = (uint8_t)r.pos;
    o.payload_len = o.has_size ? arc_leb128_read(&r) : arc_reader_left(&r);
    o.payload_off = r.pos;
    if (r.fail || (first & FORBIDDEN_BIT) ||
        o.payload_len > arc_reader_left(&r))
        return ARC_ERR_FORMAT;
    *out = o;
    return ARC_OK;
}
