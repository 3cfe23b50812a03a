/**
 * @file tests/fuzz/fuzz_opus.c  Opus payloads, against libopus
 */
#include <opus.h>
#include <stdlib.h>

#include "wire/pl_opus.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned char *frames[48];
    opus_int16 sizes[48];
    unsigned char toc;
    struct arc_pl_opus o;
    enum arc_status status;
    int n;

    if (size == 0 || size > 65535)
        return 0;
    arc_pl_opus_may_be_speech(data, size);
    status = arc_pl_opus_parse(data, size, &o);
    n = opus_packet_parse(data, (opus_int32)size, &toc, frames, sizes, NULL);
    REQUIRE((status == ARC_OK) == (n > 0));
    if (status != ARC_OK)
        return 0;

    REQUIRE(n == o.n_frames);
    REQUIRE(o.duration_us ==
            n * (opus_packet_get_samples_per_frame(data, 48000) * 125 / 6));
    REQUIRE(o.stereo == (opus_packet_get_nb_channels(data) == 2));
    REQUIRE(o.bandwidth ==
            opus_packet_get_bandwidth(data) - OPUS_BANDWIDTH_NARROWBAND);
    for (int i = 0; i < n; i++) {
        REQUIRE(frames[i] == data + o.frame_off[i]);
        REQUIRE(sizes[i] == o.frame_len[i]);
    }
    return 0;
}
