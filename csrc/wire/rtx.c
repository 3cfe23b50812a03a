/**
 * @file wire/rtx.c  The retransmission payload format
 */
#include <string.h>

#include "wire/rtp.h"
#include "wire/rtx.h"

enum { PADDING_BIT = 0x20, MAX_PAYLOAD_TYPE = 127 };

enum arc_status arc_rtx_wrap(const uint8_t *packet, size_t len,
                             uint32_t rtx_ssrc, uint8_t rtx_payload_type,
                             uint16_t rtx_seq16, uint8_t *out, size_t cap,
                             size_t *len_out)
{
    struct arc_rtp h;
    enum arc_status status;
    size_t head, need;

    if (!out || !len_out || rtx_payload_type > MAX_PAYLOAD_TYPE)
        return ARC_ERR_ARG;
    status = arc_rtp_parse(packet, len, &h);
    if (status != ARC_OK)
        return status;
    head = (size_t)h.payload_off;
    need = head + ARC_RTX_OSN_BYTES + (size_t)h.payload_len;
    if (need > cap || need > ARC_RTP_MAX_BYTES)
        return ARC_ERR_SPACE;

    memcpy(out, packet, head);
    out[0] &= (uint8_t)~PADDING_BIT; /* §4: padding is removed first */
    arc_rtp_set_payload_type(out, rtx_payload_type);
    arc_rtp_set_seq16(out, rtx_seq16);
    arc_rtp_set_ssrc(out, rtx_ssrc);
    out[head]     = packet[2]; /* OSN: the sequence number as it was sent */
    out[head + 1] = packet[3];
    memcpy(out + head + ARC_RTX_OSN_BYTES, packet + head,
           (size_t)h.payload_len);
    *len_out = need;
    return ARC_OK;
}

enum arc_status arc_rtx_unwrap(uint8_t *packet, size_t *len,
                               uint32_t media_ssrc, uint8_t media_payload_type)
{
    struct arc_rtp h;
    enum arc_status status;
    uint8_t *payload;

    if (!packet || !len || media_payload_type > MAX_PAYLOAD_TYPE)
        return ARC_ERR_ARG;
    status = arc_rtp_parse(packet, *len, &h);
    if (status != ARC_OK)
        return status;
    if (h.payload_len == 0)
        return ARC_AGAIN;
    if (h.payload_len < ARC_RTX_OSN_BYTES)
        return ARC_ERR_FORMAT;

    payload   = packet + h.payload_off;
    packet[0] &= (uint8_t)~PADDING_BIT;
    packet[2] = payload[0];
    packet[3] = payload[1];
    arc_rtp_set_payload_type(packet, media_payload_type);
    arc_rtp_set_ssrc(packet, media_ssrc);
    memmove(payload, payload + ARC_RTX_OSN_BYTES,
            (size_t)h.payload_len - ARC_RTX_OSN_BYTES);
    *len = (size_t)(h.payload_off + h.payload_len) - ARC_RTX_OSN_BYTES;
    return ARC_OK;
}
