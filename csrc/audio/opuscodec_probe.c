/**
 * @file audio/opuscodec_probe.c  What the loaded libopus can do, by trying
 *
 * libopus does not say how it was built. What is lost of a synthetic voice is made
 * up twice, without and with the complexity that deep PLC begins at: where that is
 * built in, the two differ.
 */
#include <math.h>
#include <string.h>

#include "audio/opuscodec.h"

enum { RATE_HZ = 16000, FRAME = 320, HEARD = 12, LOST = 4, PACKET_BYTES = 400,
       DEEP_PLC_COMPLEXITY = 5 };

/** A frame of a vowel: harmonics of 120 Hz that fall with their number. */
static void vowel(int16_t *pcm, int32_t frame)
{
    for (int32_t i = 0; i < FRAME; i++) {
        const double t = (double)(frame * FRAME + i) / RATE_HZ;
        double sum = 0.0;

        for (int32_t k = 1; k <= 20; k++)
            sum += sin(2.0 * 3.14159265358979 * 120.0 * k * t) / k;
        pcm[i] = (int16_t)(6000.0 * sum);
    }
}

/** Whether the decoders still give the same. */
static bool same_next(struct arc_opus_dec *a, struct arc_opus_dec *b)
{
    int16_t x[FRAME], y[FRAME];

    return arc_opus_dec_conceal(a, x, FRAME) == ARC_OK &&
           arc_opus_dec_conceal(b, y, FRAME) == ARC_OK &&
           memcmp(x, y, sizeof(x)) == 0;
}

static enum arc_status hear(struct arc_opus_enc *e, struct arc_opus_dec *a,
                            struct arc_opus_dec *b)
{
    enum arc_status status = ARC_OK;

    for (int32_t i = 0; i < HEARD && status == ARC_OK; i++) {
        uint8_t packet[PACKET_BYTES];
        int16_t pcm[FRAME];
        int32_t len, n;

        vowel(pcm, i);
        status = arc_opus_enc_encode(e, pcm, FRAME, packet, PACKET_BYTES, &len);
        if (status == ARC_OK)
            status = arc_opus_dec_decode(a, packet, len, pcm, FRAME, &n);
        if (status == ARC_OK)
            status = arc_opus_dec_decode(b, packet, len, pcm, FRAME, &n);
    }
    return status;
}

static enum arc_status try_all(struct arc_opus_enc *e, struct arc_opus_dec *a,
                               struct arc_opus_dec *b,
                               struct arc_opus_features *out)
{
    enum arc_status status;

    out->dred = arc_opus_enc_set_dred_ms(e, 100) == ARC_OK;
    arc_opus_enc_set_dred_ms(e, 0);
    out->dec_complexity =
        arc_opus_dec_set_complexity(b, DEEP_PLC_COMPLEXITY) == ARC_OK;
    status = hear(e, a, b);
    for (int32_t i = 0; i < LOST && status == ARC_OK; i++)
        out->deep_plc |= !same_next(a, b);
    return status;
}

enum arc_status arc_opus_probe(struct arc_opus_features *out)
{
    const struct arc_opus_enc_config cfg = {
        .sample_rate_hz = RATE_HZ, .channels = 1, .bitrate_bps = 24000,
        .complexity = 0, .application = ARC_OPUS_APPLICATION_VOIP, .vbr = true};
    struct arc_opus_features found = {false, false, false};
    struct arc_opus_dec *a = NULL, *b = NULL;
    struct arc_opus_enc *e = NULL;
    enum arc_status status;

    if (!out)
        return ARC_ERR_ARG;
    status = arc_opus_enc_new(&cfg, &e);
    if (status == ARC_OK)
        status = arc_opus_dec_new(RATE_HZ, 1, &a);
    if (status == ARC_OK)
        status = arc_opus_dec_new(RATE_HZ, 1, &b);
    if (status == ARC_OK)
        status = try_all(e, a, b, &found);
    arc_opus_dec_free(b);
    arc_opus_dec_free(a);
    arc_opus_enc_free(e);
    if (status == ARC_OK)
        *out = found;
    return status;
}
