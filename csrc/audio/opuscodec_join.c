/**
 * @file audio/opuscodec_join.c  Packets of several Opus frames: join and split
 */
#include <stddef.h>

#include <opus.h>

#include "audio/opuscodec_join.h"

enum { REPACKETIZER_BYTES = 2048, MAX_FRAMES = 48 };

/** Room for libopus' state, which has no heap of its own. */
union repacketizer {
    void   *align;
    uint8_t bytes[REPACKETIZER_BYTES];
};

static OpusRepacketizer *start(union repacketizer *room)
{
    if (opus_repacketizer_get_size() > (int)sizeof(*room))
        return NULL;
    return opus_repacketizer_init((OpusRepacketizer *)(void *)room);
}

static enum arc_status result(opus_int32 len, int32_t *len_out)
{
    if (len == OPUS_BUFFER_TOO_SMALL)
        return ARC_ERR_SPACE;
    if (len <= 0)
        return ARC_ERR_ARG;
    *len_out = len;
    return ARC_OK;
}

enum arc_status arc_opus_join(const uint8_t *const *pkts, const int32_t *lens,
                              int32_t n_pkts, uint8_t *out, int32_t cap,
                              int32_t *len_out)
{
    union repacketizer room;
    OpusRepacketizer *rp = start(&room);

    if (!rp)
        return ARC_ERR_LIBRARY;
    if (!pkts || !lens || n_pkts < 1 || n_pkts > ARC_OPUS_JOIN_MAX_PKTS ||
        !out || cap < 1 || !len_out)
        return ARC_ERR_ARG;
    for (int32_t i = 0; i < n_pkts; i++) {
        if (arc_opus_packet_frames(pkts[i], lens[i]) == 0)
            return ARC_ERR_FORMAT;
        if (opus_repacketizer_cat(rp, pkts[i], lens[i]) != OPUS_OK)
            return ARC_ERR_UNSUPPORTED;
    }
    return result(opus_repacketizer_out(rp, out, cap), len_out);
}

enum arc_status arc_opus_split(const uint8_t *data, int32_t len, int32_t first,
                               int32_t count, uint8_t *out, int32_t cap,
                               int32_t *len_out)
{
    union repacketizer room;
    OpusRepacketizer *rp = start(&room);

    if (!rp)
        return ARC_ERR_LIBRARY;
    if (!data || !out || cap < 1 || !len_out || first < 0 || count < 1)
        return ARC_ERR_ARG;
    if (arc_opus_packet_frames(data, len) == 0 ||
        opus_repacketizer_cat(rp, data, len) != OPUS_OK)
        return ARC_ERR_FORMAT;
    if (first > MAX_FRAMES || count > MAX_FRAMES ||
        first + count > opus_repacketizer_get_nb_frames(rp))
        return ARC_ERR_ARG;
    return result(opus_repacketizer_out_range(rp, first, first + count, out, cap),
                  len_out);
}

int32_t arc_opus_packet_frames(const uint8_t *data, int32_t len)
{
    const unsigned char *frames[MAX_FRAMES];
    opus_int16 sizes[MAX_FRAMES];
    int n;

    if (!data || len <= 0)
        return 0;
    n = opus_packet_parse(data, len, NULL, frames, sizes, NULL);
    return n > 0 ? n : 0;
}
