/**
 * @file tests/fuzz/fuzz_opusdec.c  Any packets into the Opus decoder, in any order
 *
 * First byte: rate and channels. Then records: what to do (1 byte), length
 * (1 byte), packet. Every output buffer is exactly as long as documented, so
 * that AddressSanitizer sees one sample too many.
 */
#include <stdint.h>
#include <stdlib.h>

#include "audio/opuscodec.h"
#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

static void packet_in(struct arc_opus_dec *d, const uint8_t *p, int32_t len,
                      int32_t rate, int32_t channels)
{
    int32_t need = arc_opus_packet_samples(p, len, rate), n = -1;
    float *out = malloc(sizeof(*out) * (size_t)(need ? need * channels : 1));
    enum arc_status status;

    must(need >= 0 && need <= ARC_OPUS_MAX_SAMPLES);
    if (need > 1)
        must(arc_opus_dec_decode_float(d, p, len, out, need - 1, &n) ==
             ARC_ERR_SPACE);
    status = arc_opus_dec_decode_float(d, p, len, out, need, &n);
    must(need ? status == ARC_OK && n == need : status == ARC_ERR_CODEC);
    for (int32_t i = 0; i < need * channels; i++)
        must(out[i] == out[i]);
    free(out);
}

static void gap(struct arc_opus_dec *d, const uint8_t *p, int32_t len,
                int32_t rate, int32_t channels, uint8_t how)
{
    int32_t n = rate / 400 * (1 + (how >> 2) % 48); /* 2.5 to 120 ms */
    int16_t *out = malloc(sizeof(*out) * (size_t)(n * channels));
    enum arc_status status;

    switch (how & 3) {
    case 1:
        must(arc_opus_dec_conceal(d, out, n) == ARC_OK);
        break;
    case 2:
        must(arc_opus_dec_comfort(d, out, n) == ARC_OK);
        break;
    default:
        status = arc_opus_dec_decode_fec(d, p, len, out, n);
        must(status == ARC_OK || status == ARC_AGAIN ||
             status == ARC_ERR_CODEC);
        must(status != ARC_OK || arc_opus_packet_has_fec(p, len));
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t rates[] = {8000, 12000, 16000, 24000, 48000};
    struct arc_opus_dec *d;
    struct arc_reader r;
    uint8_t first;
    int32_t rate, channels;

    arc_reader_init(&r, data, size);
    first    = arc_reader_u8(&r);
    rate     = rates[first / 2 % 5];
    channels = 1 + first % 2;
    must(arc_opus_dec_new(rate, channels, &d) == ARC_OK);
    for (int records = 0; records < 32 && arc_reader_left(&r) >= 2; records++) {
        uint8_t how = arc_reader_u8(&r);
        size_t len = arc_reader_u8(&r);
        const uint8_t *p;

        if (len > arc_reader_left(&r))
            len = arc_reader_left(&r);
        p = arc_reader_take(&r, len);
        if (how & 3)
            gap(d, p, (int32_t)len, rate, channels, how);
        else
            packet_in(d, p, (int32_t)len, rate, channels);
    }
    arc_opus_dec_free(d);
    return 0;
}
