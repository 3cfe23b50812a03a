/**
 * @file audio/adec.c  One interface to every audio decoder
 */
#include <stddef.h>

#include "audio/adec.h"
#include "audio/opuscodec.h"
#include "base/mem.h"

enum { OPUS_CLOCK_HZ = 48000 }; /* RFC 7587 §4.1 */

struct arc_adec {
    struct arc_adec_config cfg;
    struct arc_opus_dec   *opus;
};

static enum arc_status open_opus(struct arc_adec *d)
{
    enum arc_status status = arc_opus_dec_new(d->cfg.sample_rate_hz,
                                              d->cfg.channels, &d->opus);

    if (status == ARC_OK)
        arc_opus_dec_set_fade(d->opus, false);
    return status;
}

enum arc_status arc_adec_new(const struct arc_adec_config *cfg,
                             struct arc_adec **out)
{
    struct arc_adec *d;
    enum arc_status status;

    if (!cfg || !out || cfg->codec < ARC_AUDIO_OPUS ||
        cfg->codec > ARC_AUDIO_L16)
        return ARC_ERR_ARG;
    if (cfg->codec != ARC_AUDIO_OPUS)
        return ARC_ERR_UNSUPPORTED;
    d = arc_mem_zalloc(1, sizeof(*d));
    if (!d)
        return ARC_ERR_NOMEM;
    d->cfg = *cfg;
    status = open_opus(d);
    if (status != ARC_OK) {
        arc_adec_free(d);
        return status;
    }
    *out = d;
    return ARC_OK;
}

void arc_adec_free(struct arc_adec *d)
{
    if (!d)
        return;
    arc_opus_dec_free(d->opus);
    arc_mem_free(d);
}

int32_t arc_adec_rate_hz(const struct arc_adec *d)
{
    return d->cfg.sample_rate_hz;
}

int32_t arc_adec_clock_hz(const struct arc_adec *d)
{
    (void)d;
    return OPUS_CLOCK_HZ;
}

int32_t arc_adec_packet_samples(const struct arc_adec *d, const uint8_t *data,
                                int32_t len)
{
    return arc_opus_packet_samples(data, len, d->cfg.sample_rate_hz);
}

enum arc_status arc_adec_decode(struct arc_adec *d, const uint8_t *data,
                                int32_t len, int16_t *out, int32_t cap_samples,
                                int32_t *n_samples_out)
{
    return arc_opus_dec_decode(d->opus, data, len, out, cap_samples,
                               n_samples_out);
}

enum arc_status arc_adec_decode_fec(struct arc_adec *d,
                                    const uint8_t *next_data, int32_t len,
                                    int16_t *out, int32_t n_samples)
{
    return arc_opus_dec_decode_fec(d->opus, next_data, len, out, n_samples);
}

enum arc_status arc_adec_conceal(struct arc_adec *d, int16_t *out,
                                 int32_t n_samples)
{
    return arc_opus_dec_conceal(d->opus, out, n_samples);
}

enum arc_status arc_adec_comfort(struct arc_adec *d, int16_t *out,
                                 int32_t n_samples)
{
    return arc_opus_dec_comfort(d->opus, out, n_samples);
}
