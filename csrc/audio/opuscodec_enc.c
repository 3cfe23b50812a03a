/**
 * @file audio/opuscodec_enc.c  Opus encoder (RFC 6716)
 */
#include <stddef.h>
#include <string.h>

#include <opus.h>

#include "audio/opuscodec.h"
#include "audio/opuscodec_parts.h"
#include "base/mem.h"

enum {
    MS_PER_S     = 1000,
    DRED_MAX_MS  = 1040, /* what libopus 1.5 codes at most                      */
    DRED_STEP_MS = 10,
    /* Requests of libopus 1.5 (opus_defines.h), by number: this core may be
     * compiled with an older one and find a newer one when it runs. An older
     * one answers that it does not know them. */
    SET_DRED_DURATION = 4050,
};

struct arc_opus_enc {
    OpusEncoder *opus;
    float   *clean; /* room for the one frame that had to be clipped */
    int32_t  sample_rate_hz;
    int32_t  channels;
    int32_t  bitrate_bps;
    bool     dtx;
};

static bool bitrate_ok(int32_t bps)
{
    return bps >= ARC_OPUS_MIN_BITRATE_BPS && bps <= ARC_OPUS_MAX_BITRATE_BPS;
}

static bool config_ok(const struct arc_opus_enc_config *c)
{
    return arc_opus_rate_ok(c->sample_rate_hz) && arc_opus_channels_ok(c->channels) &&
           bitrate_ok(c->bitrate_bps) &&
           c->complexity >= 0 && c->complexity <= 10 &&
           c->application >= ARC_OPUS_APPLICATION_VOIP &&
           c->application <= ARC_OPUS_APPLICATION_LOWDELAY &&
           c->expected_loss_pct >= 0 && c->expected_loss_pct <= 100;
}

static bool frame_ok(int32_t n_samples, int32_t rate_hz)
{
    static const int32_t tenth_ms[] = {25,  50,  100,  200, 400,
                                       600, 800, 1000, 1200};

    for (size_t i = 0; i < sizeof(tenth_ms) / sizeof(tenth_ms[0]); i++)
        if (n_samples == rate_hz / MS_PER_S * tenth_ms[i] / 10)
            return true;
    return false;
}

static int opus_application(int32_t application)
{
    switch (application) {
    case ARC_OPUS_APPLICATION_AUDIO:
        return OPUS_APPLICATION_AUDIO;
    case ARC_OPUS_APPLICATION_LOWDELAY:
        return OPUS_APPLICATION_RESTRICTED_LOWDELAY;
    default:
        return OPUS_APPLICATION_VOIP;
    }
}

static enum arc_status set(struct arc_opus_enc *e, int request, int32_t value)
{
    return opus_encoder_ctl(e->opus, request, (opus_int32)value) == OPUS_OK
               ? ARC_OK : ARC_ERR_LIBRARY;
}

enum arc_status arc_opus_enc_set_vbr(struct arc_opus_enc *e, bool vbr, bool free)
{
    enum arc_status status = set(e, OPUS_SET_VBR_REQUEST, vbr);

    return status ? status : set(e, OPUS_SET_VBR_CONSTRAINT_REQUEST, !free);
}

static enum arc_status configure(struct arc_opus_enc *e,
                                 const struct arc_opus_enc_config *cfg)
{
    if (opus_encoder_init(e->opus, cfg->sample_rate_hz, cfg->channels,
                          opus_application(cfg->application)) != OPUS_OK ||
        set(e, OPUS_SET_BITRATE_REQUEST, cfg->bitrate_bps) ||
        set(e, OPUS_SET_COMPLEXITY_REQUEST, cfg->complexity) ||
        set(e, OPUS_SET_PACKET_LOSS_PERC_REQUEST, cfg->expected_loss_pct) ||
        set(e, OPUS_SET_INBAND_FEC_REQUEST, cfg->fec) ||
        set(e, OPUS_SET_DTX_REQUEST, cfg->dtx) ||
        arc_opus_enc_set_vbr(e, cfg->vbr, cfg->vbr_free))
        return ARC_ERR_LIBRARY;
    return ARC_OK;
}

enum arc_status arc_opus_enc_new(const struct arc_opus_enc_config *cfg,
                                 struct arc_opus_enc **out)
{
    enum arc_status status = ARC_ERR_NOMEM;
    struct arc_opus_enc *e;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;

    e = arc_mem_zalloc(1, sizeof(*e));
    if (!e)
        return ARC_ERR_NOMEM;
    e->sample_rate_hz = cfg->sample_rate_hz;
    e->channels       = cfg->channels;
    e->bitrate_bps    = cfg->bitrate_bps;
    e->dtx            = cfg->dtx;

    e->opus  = arc_mem_zalloc(1, (size_t)opus_encoder_get_size(cfg->channels));
    e->clean = arc_mem_zalloc((size_t)(cfg->sample_rate_hz / MS_PER_S *
                                       ARC_OPUS_MAX_FRAME_MS * cfg->channels),
                              sizeof(*e->clean));
    if (e->opus && e->clean)
        status = configure(e, cfg);
    if (status) {
        arc_opus_enc_free(e);
        return status;
    }
    *out = e;
    return ARC_OK;
}

void arc_opus_enc_free(struct arc_opus_enc *e)
{
    if (!e)
        return;
    arc_mem_free(e->clean);
    arc_mem_free(e->opus);
    arc_mem_free(e);
}

static enum arc_status encode_check(const struct arc_opus_enc *e,
                                    const void *pcm, int32_t n_samples,
                                    const uint8_t *out, int32_t cap,
                                    const int32_t *len_out)
{
    if (!pcm || !out || !len_out || !frame_ok(n_samples, e->sample_rate_hz))
        return ARC_ERR_ARG;
    /* libopus emits empty frames below 3 bytes a frame, whatever the signal. */
    if ((int64_t)e->bitrate_bps * n_samples < INT64_C(24) * e->sample_rate_hz)
        return ARC_ERR_ARG;
    return cap < ARC_OPUS_MIN_CAP_BYTES ? ARC_ERR_SPACE : ARC_OK;
}

static enum arc_status encode_result(const struct arc_opus_enc *e,
                                     opus_int32 len, int32_t *len_out)
{
    if (len <= 0)
        return ARC_ERR_CODEC;
    /* opus.h: "2 bytes or less, then the packet does not need to be
     * transmitted (DTX)". Without DTX even such a packet is sent, so that the
     * receiver never sees a gap. */
    *len_out = e->dtx && len <= 2 ? 0 : len;
    return ARC_OK;
}

enum arc_status arc_opus_enc_encode(struct arc_opus_enc *e, const int16_t *pcm,
                                    int32_t n_samples, uint8_t *out,
                                    int32_t cap, int32_t *len_out)
{
    enum arc_status status = encode_check(e, pcm, n_samples, out, cap, len_out);

    if (status)
        return status;
    return encode_result(e, opus_encode(e->opus, pcm, n_samples, out, cap),
                         len_out);
}

/* Without NaN and within -1..1: `pcm` itself if it is so, else a clean copy. */
static const float *clean_frame(struct arc_opus_enc *e, const float *pcm,
                                int32_t n)
{
    int32_t i = 0;

    while (i < n && pcm[i] >= -1.0f && pcm[i] <= 1.0f)
        i++;
    if (i == n)
        return pcm;
    for (i = 0; i < n; i++) {
        float v = pcm[i];

        e->clean[i] = v > 1.0f ? 1.0f : v < -1.0f ? -1.0f : v == v ? v : 0.0f;
    }
    return e->clean;
}

enum arc_status arc_opus_enc_encode_float(struct arc_opus_enc *e,
                                          const float *pcm, int32_t n_samples,
                                          uint8_t *out, int32_t cap,
                                          int32_t *len_out)
{
    enum arc_status status = encode_check(e, pcm, n_samples, out, cap, len_out);

    if (status)
        return status;
    pcm = clean_frame(e, pcm, n_samples * e->channels);
    return encode_result(
        e, opus_encode_float(e->opus, pcm, n_samples, out, cap), len_out);
}

enum arc_status arc_opus_enc_set_bitrate(struct arc_opus_enc *e,
                                         int32_t bitrate_bps)
{
    enum arc_status status;

    if (!bitrate_ok(bitrate_bps))
        return ARC_ERR_ARG;
    status = set(e, OPUS_SET_BITRATE_REQUEST, bitrate_bps);
    if (!status)
        e->bitrate_bps = bitrate_bps;
    return status;
}

enum arc_status arc_opus_enc_set_loss_pct(struct arc_opus_enc *e,
                                          int32_t expected_loss_pct)
{
    if (expected_loss_pct < 0 || expected_loss_pct > 100)
        return ARC_ERR_ARG;
    return set(e, OPUS_SET_PACKET_LOSS_PERC_REQUEST, expected_loss_pct);
}

enum arc_status arc_opus_enc_set_complexity(struct arc_opus_enc *e,
                                            int32_t complexity)
{
    if (complexity < 0 || complexity > 10)
        return ARC_ERR_ARG;
    return set(e, OPUS_SET_COMPLEXITY_REQUEST, complexity);
}

enum arc_status arc_opus_enc_set_fec(struct arc_opus_enc *e, bool fec)
{
    return set(e, OPUS_SET_INBAND_FEC_REQUEST, fec);
}

enum arc_status arc_opus_enc_set_dtx(struct arc_opus_enc *e, bool dtx)
{
    enum arc_status status = set(e, OPUS_SET_DTX_REQUEST, dtx);

    if (!status)
        e->dtx = dtx;
    return status;
}


static bool bandwidth_ok(int32_t bandwidth)
{
    return bandwidth >= ARC_OPUS_BANDWIDTH_AUTO &&
           bandwidth <= ARC_OPUS_BANDWIDTH_FB;
}

enum arc_status arc_opus_enc_set_max_bandwidth(struct arc_opus_enc *e,
                                               int32_t bandwidth)
{
    if (!bandwidth_ok(bandwidth))
        return ARC_ERR_ARG;
    if (bandwidth == ARC_OPUS_BANDWIDTH_AUTO)
        bandwidth = ARC_OPUS_BANDWIDTH_FB;
    return set(e, OPUS_SET_MAX_BANDWIDTH_REQUEST,
               OPUS_BANDWIDTH_NARROWBAND + bandwidth - ARC_OPUS_BANDWIDTH_NB);
}

enum arc_status arc_opus_enc_set_bandwidth(struct arc_opus_enc *e,
                                           int32_t bandwidth)
{
    if (!bandwidth_ok(bandwidth))
        return ARC_ERR_ARG;
    return set(e, OPUS_SET_BANDWIDTH_REQUEST,
               bandwidth == ARC_OPUS_BANDWIDTH_AUTO
                   ? OPUS_AUTO
                   : OPUS_BANDWIDTH_NARROWBAND + bandwidth -
                         ARC_OPUS_BANDWIDTH_NB);
}

enum arc_status arc_opus_enc_set_channels(struct arc_opus_enc *e,
                                          int32_t channels)
{
    if (channels < 0 || channels > e->channels)
        return ARC_ERR_ARG;
    return set(e, OPUS_SET_FORCE_CHANNELS_REQUEST,
               channels ? channels : OPUS_AUTO);
}

enum arc_status arc_opus_enc_set_application(struct arc_opus_enc *e,
                                             int32_t application)
{
    if (application < ARC_OPUS_APPLICATION_VOIP ||
        application > ARC_OPUS_APPLICATION_LOWDELAY)
        return ARC_ERR_ARG;
    /* libopus takes another one only before its first frame. */
    if (opus_encoder_ctl(e->opus, OPUS_RESET_STATE) != OPUS_OK)
        return ARC_ERR_LIBRARY;
    return set(e, OPUS_SET_APPLICATION_REQUEST, opus_application(application));
}

enum arc_status arc_opus_enc_set_dred_ms(struct arc_opus_enc *e, int32_t dred_ms)
{
    if (dred_ms < 0 || dred_ms > DRED_MAX_MS || dred_ms % DRED_STEP_MS != 0)
        return ARC_ERR_ARG;
    return opus_encoder_ctl(e->opus, SET_DRED_DURATION,
                            (opus_int32)(dred_ms / DRED_STEP_MS)) == OPUS_OK
               ? ARC_OK : ARC_ERR_UNSUPPORTED;
}

int32_t arc_opus_enc_bandwidth(struct arc_opus_enc *e)
{
    opus_int32 bandwidth = OPUS_BANDWIDTH_NARROWBAND;

    (void)opus_encoder_ctl(e->opus, OPUS_GET_BANDWIDTH(&bandwidth));
    return bandwidth - OPUS_BANDWIDTH_NARROWBAND + ARC_OPUS_BANDWIDTH_NB;
}

int32_t arc_opus_enc_lookahead_samples(struct arc_opus_enc *e)
{
    opus_int32 samples = 0;

    (void)opus_encoder_ctl(e->opus, OPUS_GET_LOOKAHEAD(&samples));
    return samples;
}
