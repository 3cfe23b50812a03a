/**
 * @file io/traffic_packet.c  What a packet of the traffic says of itself
 */
#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "io/traffic_packet.h"

enum { MARK_BYTES = 24 };

/** Where in the pattern a packet's bytes begin. */
static size_t place_of(const struct arc_traffic_mark *mark)
{
    return (mark->ssrc + (size_t)mark->number) & 0xff;
}

void arc_traffic_pattern(uint64_t seed, uint8_t *out)
{
    struct arc_rng rng;

    arc_rng_init(&rng, seed);
    for (int i = 0; i < ARC_TRAFFIC_PATTERN_BYTES; i++)
        out[i] = (uint8_t)arc_rng_u64(&rng);
}

void arc_traffic_packet_write(const struct arc_traffic_mark *mark,
                              const uint8_t *pattern, uint8_t *payload,
                              size_t len)
{
    arc_put_u32(payload, mark->ssrc);
    arc_put_u32(payload + 4, mark->rtp_ts);
    arc_put_u64(payload + 8, mark->number);
    arc_put_u64(payload + 16, (uint64_t)mark->sent_ns);
    memcpy(payload + MARK_BYTES, pattern + place_of(mark), len - MARK_BYTES);
}

bool arc_traffic_packet_read(const uint8_t *payload, size_t len,
                             const uint8_t *pattern,
                             struct arc_traffic_mark *out)
{
    struct arc_reader r;

    arc_reader_init(&r, payload, len);
    out->ssrc    = arc_reader_u32(&r);
    out->rtp_ts  = arc_reader_u32(&r);
    out->number  = arc_reader_u64(&r);
    out->sent_ns = (int64_t)arc_reader_u64(&r);
    return !r.fail && len <= ARC_TRAFFIC_MAX_PAYLOAD &&
           memcmp(payload + MARK_BYTES, pattern + place_of(out),
                  len - MARK_BYTES) == 0;
}
