/**
 * @file io/traffic_packet.h  What a packet of the traffic says of itself
 *
 * The payload begins with a mark; the rest is part of a pattern that source and
 * sink make from the same seed, at a place that changes from packet to packet.
 *
 * Owner:   the caller, of all memory.
 * Threads: any.
 */
#ifndef ARC_IO_TRAFFIC_PACKET_H
#define ARC_IO_TRAFFIC_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/traffic.h"

#define ARC_TRAFFIC_PATTERN_BYTES (ARC_TRAFFIC_MAX_PAYLOAD + 256)

struct arc_traffic_mark {
    uint32_t ssrc;    /* the source's, before anybody changed it     */
    uint32_t rtp_ts;  /* likewise                                    */
    uint64_t number;  /* of the packet in its stream, unwrapped      */
    int64_t  sent_ns; /* monotonic clock                             */
};

void arc_traffic_pattern(uint64_t seed, uint8_t *out);

/** @param len ARC_TRAFFIC_MIN_PAYLOAD..ARC_TRAFFIC_MAX_PAYLOAD */
void arc_traffic_packet_write(const struct arc_traffic_mark *mark,
                              const uint8_t *pattern, uint8_t *payload,
                              size_t len);

/** @return false: these are not bytes that arc_traffic_packet_write() makes */
bool arc_traffic_packet_read(const uint8_t *payload, size_t len,
                             const uint8_t *pattern,
                             struct arc_traffic_mark *out);

#endif
