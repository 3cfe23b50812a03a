/**
 * @file wire/rtpext.c  Elements of the RTP header extension
 */
#include <string.h>

#include "wire/rtpext.h"

enum {
    ONE_BYTE_MAX_ID  = 14,
    ONE_BYTE_MAX_LEN = 16,
    TWO_BYTE_MAX_LEN = 255
};

bool arc_rtpext_is_known(uint16_t profile)
{
    return profile == ARC_RTPEXT_ONE_BYTE || arc_rtpext_is_two_byte(profile);
}

void arc_rtpext_iter_init(struct arc_rtpext_iter *it, const uint8_t *packet,
                          const struct arc_rtp *h)
{
    arc_rtpext_begin(it, packet, h);
}

enum arc_status arc_rtpext_next(struct arc_rtpext_iter *it,
                                struct arc_rtpext_element *out)
{
    return arc_rtpext_step(it, out);
}

enum arc_status arc_rtpext_find(const uint8_t *packet, const struct arc_rtp *h,
                                uint8_t id, const uint8_t **value, size_t *len)
{
    struct arc_rtpext_iter it;
    struct arc_rtpext_element e;
    enum arc_status status;

    if (!packet || !h || id == 0 || !value || !len)
        return ARC_ERR_ARG;

    arc_rtpext_begin(&it, packet, h);
    while ((status = arc_rtpext_step(&it, &e)) == ARC_OK) {
        if (e.id == id) {
            *value = e.value;
            *len   = e.len;
            return ARC_OK;
        }
    }
    return status;
}

uint32_t arc_rtpext_layout(const uint8_t *data, size_t len)
{
    struct arc_rtpext_iter it;
    struct arc_rtpext_element e;
    struct arc_rtp h;
    enum arc_status status = arc_rtp_parse(data, len, &h);

    if (status == ARC_OK && h.has_extension) {
        arc_rtpext_begin(&it, data, &h);
        while ((status = arc_rtpext_step(&it, &e)) == ARC_OK)
            ;
        status = status == ARC_AGAIN ? ARC_OK : status;
    }
    if (status != ARC_OK)
        return 0;
    return (uint32_t)h.payload_off |
           (uint32_t)h.padding_len << ARC_RTPEXT_LAYOUT_PADDING_SHIFT |
           (uint32_t)h.csrc_count << ARC_RTPEXT_LAYOUT_CSRCS_SHIFT;
}

int32_t arc_rtpext_list(const uint8_t *header, size_t len, int32_t *triples)
{
    struct arc_rtpext_iter it;
    struct arc_rtpext_element e;
    struct arc_rtp h;
    bool seen[256]         = {false};
    enum arc_status status = triples ? arc_rtp_parse_header(header, len, &h)
                                     : ARC_ERR_ARG;
    int32_t n = 0;

    if (status != ARC_OK)
        return status;
    if (!h.has_extension || !arc_rtpext_is_known(h.ext_profile))
        return ARC_AGAIN;
    arc_rtpext_begin(&it, header, &h);
    while ((status = arc_rtpext_step(&it, &e)) == ARC_OK) {
        if (seen[e.id])
            continue; /* as arc_rtpext_find(): the first counts */
        seen[e.id]         = true;
        triples[3 * n]     = e.id;
        triples[3 * n + 1] = (int32_t)(e.value - header);
        triples[3 * n + 2] = (int32_t)(e.value - header) + e.len;
        n++;
    }
    return status == ARC_AGAIN ? n : (int32_t)status;
}

static bool fits_form(bool two_byte, uint8_t id, size_t len)
{
    if (two_byte)
        return id >= 1 && len <= TWO_BYTE_MAX_LEN;
    return id >= 1 && id <= ONE_BYTE_MAX_ID && len >= 1 &&
           len <= ONE_BYTE_MAX_LEN;
}

void arc_rtpext_put(struct arc_writer *w, bool two_byte, uint8_t id,
                    const uint8_t *value, size_t len)
{
    size_t head = two_byte ? 2 : 1;
    uint8_t *p;

    if (!fits_form(two_byte, id, len)) {
        w->fail = true;
        return;
    }
    p = arc_writer_claim(w, head + len);
    if (!p)
        return;
    if (two_byte) {
        p[0] = id;
        p[1] = (uint8_t)len;
    } else {
        p[0] = (uint8_t)(id << 4 | (len - 1));
    }
    if (len)
        memcpy(p + head, value, len);
}

enum arc_status arc_rtpext_write(const uint8_t *ids, const uint8_t *lens,
                                 const uint8_t *values, size_t n, uint8_t *out,
                                 size_t cap, size_t *len_out,
                                 uint16_t *profile_out)
{
    struct arc_writer w;
    bool two_byte = false;

    if (!ids || !lens || !values || n > ARC_RTPEXT_MAX_IDS || !out ||
        !len_out || !profile_out)
        return ARC_ERR_ARG;

    for (size_t i = 0; i < n; i++) {
        if (ids[i] == 0)
            return ARC_ERR_ARG;
        if (!fits_form(false, ids[i], lens[i]))
            two_byte = true;
    }

    arc_writer_init(&w, out, cap);
    for (size_t i = 0; i < n; i++) {
        arc_rtpext_put(&w, two_byte, ids[i], values, lens[i]);
        values += lens[i];
    }
    while (!w.fail && w.pos % 4)
        arc_writer_u8(&w, 0);
    if (w.fail)
        return ARC_ERR_SPACE;

    *len_out     = w.pos;
    *profile_out = two_byte ? ARC_RTPEXT_TWO_BYTE : ARC_RTPEXT_ONE_BYTE;
    return ARC_OK;
}
