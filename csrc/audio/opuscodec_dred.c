/**
 * @file audio/opuscodec_dred.c  Deep redundancy: lost audio from a later packet
 */
#include <stddef.h>

#include "audio/opuscodec_dred.h"
#include "audio/opuscodec_parts.h"
#include "base/mem.h"

#ifdef OPUS_SET_DRED_DURATION_REQUEST /* libopus 1.5 */

enum { MAX_S = 2 }; /* more than any packet describes */

struct arc_opus_dred {
    struct arc_opus_dec *dec;
    OpusDREDDecoder     *reader;
    OpusDRED            *read;
    int32_t              before; /* 0: nothing was read */
};

static enum arc_status open_reader(struct arc_opus_dred *r)
{
    int error = OPUS_OK;
    struct arc_opus_features can;
    enum arc_status status = arc_opus_probe(&can);

    if (status != ARC_OK)
        return status;
    if (!can.dred)
        return ARC_ERR_UNSUPPORTED;
    r->reader = arc_mem_zalloc(1, (size_t)opus_dred_decoder_get_size());
    if (!r->reader)
        return ARC_ERR_NOMEM;
    if (opus_dred_decoder_init(r->reader) != OPUS_OK)
        return ARC_ERR_LIBRARY;
    r->read = opus_dred_alloc(&error);
    return r->read && error == OPUS_OK ? ARC_OK : ARC_ERR_NOMEM;
}

enum arc_status arc_opus_dred_new(struct arc_opus_dec *d,
                                  struct arc_opus_dred **out)
{
    struct arc_opus_dred *r;
    enum arc_status status;

    if (!d || !out)
        return ARC_ERR_ARG;
    r = arc_mem_zalloc(1, sizeof(*r));
    if (!r)
        return ARC_ERR_NOMEM;
    r->dec = d;
    status = open_reader(r);
    if (status != ARC_OK) {
        arc_opus_dred_free(r);
        return status;
    }
    *out = r;
    return ARC_OK;
}

void arc_opus_dred_free(struct arc_opus_dred *r)
{
    if (!r)
        return;
    if (r->read)
        opus_dred_free(r->read);
    arc_mem_free(r->reader);
    arc_mem_free(r);
}

enum arc_status arc_opus_dred_parse(struct arc_opus_dred *r, const uint8_t *data,
                                    int32_t len, int32_t *before_out)
{
    const int32_t rate_hz = arc_opus_dec_rate_hz(r->dec);
    int end = 0, n;

    if (!data || len < 0 || !before_out)
        return ARC_ERR_ARG;
    r->before = 0;
    if (arc_opus_packet_samples(data, len, rate_hz) == 0)
        return ARC_ERR_CODEC;
    n = opus_dred_parse(r->reader, r->read, data, len, MAX_S * rate_hz, rate_hz,
                        &end, 0);
    if (n < 0)
        return ARC_ERR_CODEC;
    if (n == 0)
        return ARC_AGAIN;
    *before_out = r->before = n;
    return ARC_OK;
}

enum arc_status arc_opus_dred_decode(struct arc_opus_dred *r, int32_t before,
                                     int16_t *out, int32_t n_samples)
{
    const int32_t grain = arc_opus_dec_rate_hz(r->dec) / 400;

    if (!out || n_samples < 1 || n_samples % grain != 0 ||
        n_samples > 48 * grain || n_samples > before)
        return ARC_ERR_ARG;
    if (before > r->before)
        return ARC_AGAIN;
    return opus_decoder_dred_decode(arc_opus_dec_lib(r->dec), r->read, before, out,
                                    n_samples) == n_samples
               ? ARC_OK : ARC_ERR_CODEC;
}

#else

enum arc_status arc_opus_dred_new(struct arc_opus_dec *d,
                                  struct arc_opus_dred **out)
{
    return d && out ? ARC_ERR_UNSUPPORTED : ARC_ERR_ARG;
}

void arc_opus_dred_free(struct arc_opus_dred *r)
{
    (void)r;
}

enum arc_status arc_opus_dred_parse(struct arc_opus_dred *r, const uint8_t *data,
                                    int32_t len, int32_t *before_out)
{
    (void)r;
    (void)len;
    return data && before_out ? ARC_ERR_UNSUPPORTED : ARC_ERR_ARG;
}

enum arc_status arc_opus_dred_decode(struct arc_opus_dred *r, int32_t before,
                                     int16_t *out, int32_t n_samples)
{
    (void)r;
    (void)before;
    (void)n_samples;
    return out ? ARC_ERR_UNSUPPORTED : ARC_ERR_ARG;
}

#endif
