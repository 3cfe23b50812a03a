/**
 * @file wire/demux.c  Which protocol a datagram of a shared port belongs to
 */
#include "wire/demux.h"

enum arc_demux_kind arc_demux_classify(const uint8_t *data, size_t len)
{
    uint8_t first;

    if (!data || len == 0)
        return ARC_DEMUX_DROP;

    first = data[0];
    if (first <= 3)
        return ARC_DEMUX_STUN;
    if (first < 16)
        return ARC_DEMUX_DROP;
    if (first <= 19)
        return ARC_DEMUX_ZRTP;
    if (first <= 63)
        return ARC_DEMUX_DTLS;
    if (first <= 79)
        return ARC_DEMUX_TURN;
    if (first < 128 || first > 191 || len < 2)
        return ARC_DEMUX_DROP;

    /* RFC 5761 §4: RTCP packet types 192..223 stand where RTP has the marker
     * and the payload type; so RTP must not use 64..95 on a shared port. */
    if (data[1] >= 192 && data[1] <= 223)
        return ARC_DEMUX_RTCP;
    return ARC_DEMUX_RTP;
}
