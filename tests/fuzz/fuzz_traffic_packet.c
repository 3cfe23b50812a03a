/**
 * @file tests/fuzz/fuzz_traffic_packet.c  Payloads of the benchmark traffic
 *
 * What is read as a packet of ours must be what would be written again.
 */
#include <stdlib.h>
#include <string.h>

#include "io/traffic_packet.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t pattern[ARC_TRAFFIC_PATTERN_BYTES];
    uint8_t again[ARC_TRAFFIC_MAX_PAYLOAD];
    struct arc_traffic_mark mark;

    memset(pattern, 'x', sizeof(pattern)); /* one that a fuzzer can find */
    if (arc_traffic_packet_read(data, size, pattern, &mark)) {
        REQUIRE(size <= sizeof(again));
        arc_traffic_packet_write(&mark, pattern, again, size);
        REQUIRE(memcmp(again, data, size) == 0);
    }
    return 0;
}
