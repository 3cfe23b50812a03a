/**
 * @file wire/pl_h264.c  H.264 in RTP payloads: packer
 *
 * The unpacker is in wire/pl_h264_unpack.c.
 */
#include <string.h>

#include "wire/pl_h264.h"

enum {
    START_CODE_BYTES = 3,
    F_BIT            = 0x80,
    NRI_BITS         = 0x60,
    TYPE_BITS        = 0x1f,
    MAX_NAL_TYPE     = 23,
    STAP_HEAD_BYTES  = 1,
    STAP_SIZE_BYTES  = 2,
    FU_HEAD_BYTES    = 2,
    FU_START         = 0x80,
    FU_END           = 0x40
};

/* Position of the next 00 00 01 at or after `pos`; `len` if there is none. */
static size_t find_start_code(const uint8_t *data, size_t len, size_t pos)
{
    while (pos + START_CODE_BYTES <= len) {
        if (data[pos + 2] > 1)
            pos += 3; /* no start code can hold this byte */
        else if (data[pos] == 0 && data[pos + 1] == 0 && data[pos + 2] == 1)
            return pos;
        else
            pos++;
    }
    return len;
}

static bool is_sendable(uint8_t header)
{
    uint8_t type = header & TYPE_BITS;

    return type >= 1 && type <= MAX_NAL_TYPE && type != ARC_H264_NAL_AUD &&
           type != ARC_H264_NAL_FILLER;
}

/* Make the next NAL unit that is sent the current one; nal_len 0: no more. */
static void advance(struct arc_pl_h264_packer *p)
{
    p->piece = 0;
    while (p->next_pos < p->len) {
        size_t begin = p->next_pos + START_CODE_BYTES;
        size_t end;

        p->next_pos = find_start_code(p->annexb, p->len, begin);
        /* A NAL unit never ends with a zero byte (H.264 7.4.1): these are of
         * the next, longer start code, or trailing. */
        for (end = p->next_pos; end > begin && p->annexb[end - 1] == 0;)
            end--;
        if (end == begin)
            continue;
        if (is_sendable(p->annexb[begin])) {
            p->nal_off = begin;
            p->nal_len = end - begin;
            return;
        }
        p->dropped_nals++;
    }
    p->nal_len = 0;
}

enum arc_status arc_pl_h264_packer_init(struct arc_pl_h264_packer *p,
                                        const uint8_t *annexb, size_t len,
                                        size_t max_payload_bytes)
{
    size_t first;

    if (!p || !annexb || max_payload_bytes < ARC_PL_H264_MIN_PAYLOAD_BYTES ||
        max_payload_bytes > ARC_PL_H264_MAX_PAYLOAD_BYTES)
        return ARC_ERR_ARG;
    first = find_start_code(annexb, len, 0);
    if (first == len)
        return ARC_ERR_FORMAT;

    memset(p, 0, sizeof(*p));
    p->annexb            = annexb;
    p->len               = len;
    p->max_payload_bytes = max_payload_bytes;
    p->next_pos          = first;
    advance(p);
    return ARC_OK;
}

enum arc_status arc_pl_h264_packer_init_single(struct arc_pl_h264_packer *p,
                                               const uint8_t *annexb, size_t len,
                                               size_t max_payload_bytes)
{
    enum arc_status status =
        arc_pl_h264_packer_init(p, annexb, len, max_payload_bytes);
    struct arc_pl_h264_packer ahead;

    if (status != ARC_OK)
        return status;
    p->single_only = true;
    for (ahead = *p; ahead.nal_len; advance(&ahead))
        if (ahead.nal_len > max_payload_bytes)
            return ARC_ERR_LIMIT;
    return ARC_OK;
}

/* One piece of the current NAL unit (§5.8). The NAL header is not sent as
 * such; its type goes into every FU header. */
static enum arc_status write_fu(struct arc_pl_h264_packer *p, uint8_t *out,
                                size_t cap, size_t *len_out)
{
    const uint8_t *nal = p->annexb + p->nal_off;
    size_t total = p->nal_len - 1;
    size_t room = p->max_payload_bytes - FU_HEAD_BYTES;
    size_t pieces = (total + room - 1) / room;
    size_t even = total / pieces, longer = total % pieces;
    size_t i = p->piece;
    size_t off = i * even + (i < longer ? i : longer);
    size_t bytes = even + (i < longer);

    if (cap < FU_HEAD_BYTES + bytes)
        return ARC_ERR_SPACE;
    out[0] = (uint8_t)((nal[0] & (F_BIT | NRI_BITS)) | ARC_H264_NAL_FU_A);
    out[1] = (uint8_t)((i == 0 ? FU_START : 0) |
                       (i == pieces - 1 ? FU_END : 0) | (nal[0] & TYPE_BITS));
    memcpy(out + FU_HEAD_BYTES, nal + 1 + off, bytes);
    *len_out = FU_HEAD_BYTES + bytes;

    p->piece++;
    if (p->piece == pieces)
        advance(p);
    return ARC_OK;
}

static void put_size_and_nal(uint8_t *out, const uint8_t *nal, size_t len)
{
    out[0] = (uint8_t)(len >> 8);
    out[1] = (uint8_t)len;
    memcpy(out + STAP_SIZE_BYTES, nal, len);
}

/* The current NAL unit with all neighbours that fit (§5.7.1); the aggregate
 * has the F bit if any has it, and the highest NRI (§5.7). */
static enum arc_status write_stap(struct arc_pl_h264_packer *p, uint8_t *out,
                                  size_t limit, size_t *len_out)
{
    size_t pos = STAP_HEAD_BYTES;
    uint8_t f = 0, nri = 0;

    while (p->nal_len && pos + STAP_SIZE_BYTES + p->nal_len <= limit) {
        const uint8_t *nal = p->annexb + p->nal_off;

        put_size_and_nal(out + pos, nal, p->nal_len);
        pos += STAP_SIZE_BYTES + p->nal_len;
        f |= nal[0] & F_BIT;
        if ((nal[0] & NRI_BITS) > nri)
            nri = nal[0] & NRI_BITS;
        advance(p);
    }
    out[0]   = (uint8_t)(f | nri | ARC_H264_NAL_STAP_A);
    *len_out = pos;
    return ARC_OK;
}

static enum arc_status write_single(struct arc_pl_h264_packer *p, uint8_t *out,
                                    size_t cap, size_t *len_out)
{
    if (cap < p->nal_len)
        return ARC_ERR_SPACE;
    memcpy(out, p->annexb + p->nal_off, p->nal_len);
    *len_out = p->nal_len;
    advance(p);
    return ARC_OK;
}

/* Whether the current NAL unit and the one after it fit into one STAP-A. */
static bool two_fit(const struct arc_pl_h264_packer *p, size_t limit)
{
    struct arc_pl_h264_packer ahead = *p;
    size_t with_first = STAP_HEAD_BYTES + STAP_SIZE_BYTES + p->nal_len +
                        STAP_SIZE_BYTES;

    if (with_first >= limit)
        return false; /* and no search for a start code far away */
    advance(&ahead);
    return ahead.nal_len && with_first + ahead.nal_len <= limit;
}

enum arc_status arc_pl_h264_packer_next(struct arc_pl_h264_packer *p,
                                        uint8_t *out, size_t cap,
                                        size_t *len_out, bool *last_out)
{
    enum arc_status status;
    size_t limit;

    if (!p || !out || !len_out || !last_out)
        return ARC_ERR_ARG;
    if (p->nal_len == 0)
        return ARC_AGAIN;

    limit = cap < p->max_payload_bytes ? cap : p->max_payload_bytes;
    if (p->nal_len > p->max_payload_bytes)
        status = write_fu(p, out, cap, len_out);
    else if (!p->single_only && two_fit(p, limit))
        status = write_stap(p, out, limit, len_out);
    else
        status = write_single(p, out, cap, len_out);
    if (status == ARC_OK)
        *last_out = p->nal_len == 0;
    return status;
}
