/**
 * @file router/header.c  The header of a packet as its subscriber sees it
 */
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "router/parts.h"
#include "wire/rtpext.h"

enum {
    TWCC_BYTES = 2,
    TIME_BYTES = 3,
};

/** Fixed header and CSRCs of a packet that was parsed when it came. */
static size_t fixed_bytes(const uint8_t *data)
{
    return ARC_RTP_HEADER_BYTES + 4 * (size_t)(data[0] & 0x0f);
}

size_t arc_item_head_bytes(const uint8_t *data)
{
    const size_t n = fixed_bytes(data);

    return data[0] & 0x10 ? n + 4 + 4 * (size_t)arc_get_u16(data + n + 2) : n;
}

/** 24 bits of seconds with 18 of them behind the point: abs-send-time. */
static void write_send_time(struct arc_writer *w, bool two_byte, uint8_t id,
                            int64_t now_us)
{
    const uint32_t t = (uint32_t)(((now_us % (64 * ARC_US_PER_S)) << 18) /
                                  ARC_US_PER_S) & 0xffffff;
    const uint8_t value[TIME_BYTES] = {(uint8_t)(t >> 16), (uint8_t)(t >> 8),
                                       (uint8_t)t};

    arc_rtpext_put(w, two_byte, id, value, sizeof(value));
}

/** An element of the publisher's; a dependency descriptor with another frame
 *  number, where frames were left out (its bytes 1 and 2). */
static void write_element(struct arc_writer *w, const struct arc_item *item,
                          bool two_byte, const struct arc_rtpext_element *e)
{
    const struct arc_route *route = item->route;
    const uint8_t id = route->cfg.ext_out[e->id];
    uint8_t value[UINT8_MAX];

    if (!item->edited || !item->edit.has_frame_number ||
        e->id != route->track->cfg.depdesc_id || e->len < 3) {
        arc_rtpext_put(w, two_byte, id, e->value, e->len);
        return;
    }
    memcpy(value, e->value, e->len);
    arc_put_u16(value + 1, item->edit.frame_number);
    arc_rtpext_put(w, two_byte, id, value, e->len);
}

/** The publisher's elements that this subscriber gets, and those of its own. */
static void write_elements(struct arc_writer *w, const struct arc_item *item,
                           bool two_byte, int64_t now_us)
{
    const struct arc_route *route = item->route;
    const struct arc_leg *leg = route->leg;
    struct arc_rtpext_element e;
    struct arc_rtpext_iter it;
    struct arc_rtp h;
    uint8_t number[TWCC_BYTES];

    if (arc_rtp_parse_header(item->pkt->data, (size_t)item->pkt->len, &h) !=
        ARC_OK)
        return; /* it was parsed when it came */
    arc_rtpext_begin(&it, item->pkt->data, &h);
    while (arc_rtpext_step(&it, &e) == ARC_OK)
        if (e.id < ARC_ROUTER_EXT_IDS && route->cfg.ext_out[e.id])
            write_element(w, item, two_byte, &e);
    if (route->cfg.mid_id)
        arc_rtpext_put(w, two_byte, (uint8_t)route->cfg.mid_id,
                       (const uint8_t *)route->cfg.mid, strlen(route->cfg.mid));
    if (leg->send_time_id)
        write_send_time(w, two_byte, leg->send_time_id, now_us);
    if (leg->twcc_id) {
        arc_put_u16(number, leg->twcc_seq16);
        arc_rtpext_put(w, two_byte, leg->twcc_id, number, sizeof(number));
    }
}

/** The header extension behind `n` bytes of header. @return bytes of all */
static size_t write_extension(const struct arc_item *item, int64_t now_us,
                              uint8_t *out, size_t n)
{
    const uint8_t *in = item->pkt->data;
    const bool two_byte = in[0] & 0x10 &&
                          arc_rtpext_is_two_byte(arc_get_u16(in + n));
    struct arc_writer w;

    arc_writer_init(&w, out + n + 4, ARC_ITEM_EXT_BYTES - 4);
    write_elements(&w, item, two_byte, now_us);
    if (w.pos == 0)
        return n;
    while (w.pos % 4 != 0)
        arc_writer_u8(&w, 0);
    out[0] |= 0x10;
    arc_put_u16(out + n, two_byte ? ARC_RTPEXT_TWO_BYTE : ARC_RTPEXT_ONE_BYTE);
    arc_put_u16(out + n + 2, (uint16_t)(w.pos / 4));
    return n + 4 + w.pos;
}

/** Header as the subscriber sees it. @return its bytes */
size_t arc_item_write_header(const struct arc_item *item, int64_t now_us,
                             uint8_t *out)
{
    const struct arc_route *route = item->route;
    const uint8_t *in = item->pkt->data;
    const size_t n = fixed_bytes(in);

    memcpy(out, in, n);
    out[0] &= (uint8_t)~0x10;
    out[1] = (uint8_t)((in[1] & 0x80) | route->payload_type);
    if (item->marker)
        out[1] |= 0x80;
    arc_put_u16(out + 2, item->seq16);
    arc_put_u32(out + 4, arc_get_u32(in + 4) + item->ts_offset);
    arc_put_u32(out + 8, route->ssrc);
    return route->plain_ext ? n : write_extension(item, now_us, out, n);
}

/** A resent packet goes as a stream of its own, with the number it had in front
 *  of its payload (RFC 4588 §4). @return bytes of header and number */
size_t arc_item_make_resent(const struct arc_item *item, uint8_t *out, size_t n)
{
    const struct arc_route *route = item->route;

    out[1] = (uint8_t)((out[1] & 0x80) | route->cfg.rtx_payload_type);
    arc_put_u16(out + n, arc_get_u16(out + 2));
    arc_put_u16(out + 2, route->rtx_seq16);
    arc_put_u32(out + 8, route->cfg.rtx_ssrc);
    return n + ARC_ITEM_OSN_BYTES;
}
