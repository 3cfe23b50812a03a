/**
 * @file tests/fuzz/fuzz_demux.c  Demux and what it leads to: any datagram
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "wire/demux.h"
#include "wire/rtcp.h"
#include "wire/rtp.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum arc_demux_kind kind = arc_demux_classify(data, size);
    struct arc_rtp h;

    /* What parses as one of the two must not have been sent elsewhere. */
    if (size && arc_rtp_parse(data, size, &h) == ARC_OK)
        REQUIRE(kind == ARC_DEMUX_RTP || kind == ARC_DEMUX_RTCP);
    if (size && arc_rtcp_check_compound(data, size, false) == ARC_OK)
        REQUIRE(kind == ARC_DEMUX_RTCP);
    if (kind == ARC_DEMUX_RTCP)
        REQUIRE(size >= 2 && (data[1] & 0x80));
    return 0;
}
