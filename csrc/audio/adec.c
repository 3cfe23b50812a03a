/**
 * @file audio/adec.c  One interface to every audio decoder
 */
#include <stddef.h>
#include <string.h>

#include "audio/adec.h"
#include "audio/ffaudio.h"
#include "audio/opuscodec.h"
#include "audio/opuscodec_dred.h"
#include "audio/opuscodec_heal.h"
#include "base/mem.h"
#include "base/units.h"

enum {
    SID_BYTES = 13,    /* level and the 12 coefficients FFmpeg reads (RFC 3389 §3) */
    DEEP_PLC_COMPLEXITY = 5, /* the least that libopus 1.5 uses it with         */
    GRAIN_HZ  = 400,   /* lengths are multiples of 2.5 ms ..                    */
    MAX_GRAINS = 48,   /* .. up to 120 ms                                       */
    NOISE_GAIN = 2,    /* FFmpeg scales uniform noise, whose power is a third, as if
                          it were 1, and that by 3/4: 6 dB softer than was told */
};

/** Noise of a sender that is silent: a block at a time, handed out in parts. */
struct noise {
    struct arc_ffaudio_dec *dec; /* NULL: the codec has none                    */
    uint8_t sid[SID_BYTES];
    int32_t sid_len;             /* 0: not told yet                             */
    int32_t used;                /* samples of `pcm` that are handed out        */
    int16_t *pcm;                /* ARC_FFAUDIO_NOISE_SAMPLES                   */
};

struct arc_adec {
    struct arc_adec_config  cfg;  /* with the codec's own rate                  */
    struct arc_opus_dec    *opus; /* Opus                                       */
    struct arc_opus_heal   *heal; /* Opus, where asked for; else NULL           */
    struct arc_opus_dred   *dred; /* Opus, where libopus has it; else NULL      */
    int64_t                 dred_of;     /* number of the packet that it has read .. */
    int32_t                 dred_before; /* .. and how far that reaches back; 0: none */
    struct arc_ffaudio_dec *ff;   /* the others                                 */
    struct noise            noise;
};

/* --- life -------------------------------------------------------------------- */

static bool is_g711(int32_t codec)
{
    return codec == ARC_AUDIO_PCMU || codec == ARC_AUDIO_PCMA;
}

static bool config_ok(const struct arc_adec_config *c)
{
    int32_t channels = c->codec == ARC_AUDIO_OPUS || c->codec == ARC_AUDIO_L16
                           ? c->channels : 1;

    return c->codec != ARC_AUDIO_CN && c->channels >= 1 && c->channels <= 2 &&
           arc_audiocodec_ok(c->codec, c->sample_rate_hz, channels);
}

static enum arc_status open_codec(struct arc_adec *d)
{
    const struct arc_adec_config *c = &d->cfg;
    enum arc_status status;

    if (c->codec == ARC_AUDIO_OPUS) {
        status = arc_opus_dec_new(c->sample_rate_hz, c->channels, &d->opus);
        if (status != ARC_OK)
            return status;
        arc_opus_dec_set_fade(d->opus, false);
        /* Deep PLC, where libopus has it; else nothing changes. */
        arc_opus_dec_set_complexity(d->opus, DEEP_PLC_COMPLEXITY);
        status = arc_opus_dred_new(d->opus, &d->dred);
        if (status != ARC_OK && status != ARC_ERR_UNSUPPORTED)
            return status;
        return c->heals ? arc_opus_heal_new(c->sample_rate_hz, c->channels,
                                            c->scratch, &d->heal)
                        : ARC_OK;
    }
    status = arc_ffaudio_dec_new(c->codec, c->sample_rate_hz,
                                 c->codec == ARC_AUDIO_L16 ? c->channels : 1,
                                 &d->ff);
    if (status != ARC_OK || !is_g711(c->codec))
        return status;
    d->noise.pcm = arc_mem_zalloc(ARC_FFAUDIO_NOISE_SAMPLES, sizeof(*d->noise.pcm));
    return d->noise.pcm ? arc_ffaudio_dec_new(ARC_AUDIO_CN, c->sample_rate_hz, 1,
                                              &d->noise.dec)
                        : ARC_ERR_NOMEM;
}

size_t arc_adec_scratch_bytes(const struct arc_adec_config *cfg)
{
    return cfg->codec == ARC_AUDIO_OPUS && cfg->heals
               ? arc_opus_heal_scratch_bytes(cfg->sample_rate_hz, cfg->channels)
               : 0;
}

enum arc_status arc_adec_new(const struct arc_adec_config *cfg,
                             struct arc_adec **out)
{
    struct arc_adec_config own;
    struct arc_adec *d;
    enum arc_status status;

    if (!cfg || !out)
        return ARC_ERR_ARG;
    own = *cfg;
    own.sample_rate_hz = arc_audiocodec_rate_hz(cfg->codec, cfg->sample_rate_hz);
    if (!config_ok(&own))
        return ARC_ERR_ARG;
    d = arc_mem_zalloc(1, sizeof(*d));
    if (!d)
        return ARC_ERR_NOMEM;
    d->cfg = own;
    status = open_codec(d);
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
    arc_ffaudio_dec_free(d->noise.dec);
    arc_mem_free(d->noise.pcm);
    arc_ffaudio_dec_free(d->ff);
    arc_opus_dred_free(d->dred);
    arc_opus_heal_free(d->heal);
    arc_opus_dec_free(d->opus);
    arc_mem_free(d);
}

int32_t arc_adec_rate_hz(const struct arc_adec *d)
{
    return d->cfg.sample_rate_hz;
}

int32_t arc_adec_clock_hz(const struct arc_adec *d)
{
    return arc_audiocodec_clock_hz(d->cfg.codec, d->cfg.sample_rate_hz);
}

/* --- packets ----------------------------------------------------------------- */

int32_t arc_adec_packet_samples(const struct arc_adec *d, const uint8_t *data,
                                int32_t len)
{
    return arc_audiocodec_samples(d->cfg.codec, d->cfg.sample_rate_hz,
                                  d->cfg.channels, data, len);
}

/** Mono at the front of `pcm` to both of two channels, where two are wanted. */
static void to_channels(const struct arc_adec *d, int16_t *pcm,
                        int32_t n_samples)
{
    if (d->cfg.channels == 1 || d->cfg.codec == ARC_AUDIO_L16)
        return;
    for (int32_t i = n_samples - 1; i >= 0; i--)
        pcm[2 * i] = pcm[2 * i + 1] = pcm[i];
}

enum arc_status arc_adec_decode(struct arc_adec *d, const uint8_t *data,
                                int32_t len, int16_t *out, int32_t cap_samples,
                                int32_t *n_samples_out)
{
    enum arc_status status;
    int32_t n_samples;

    if (d->opus)
        return arc_opus_dec_decode(d->opus, data, len, out, cap_samples,
                                   n_samples_out);
    if (!data || len < 0 || !out || cap_samples < 0 || !n_samples_out)
        return ARC_ERR_ARG;
    n_samples = arc_adec_packet_samples(d, data, len);
    if (n_samples == 0)
        return ARC_ERR_CODEC;
    if (n_samples > cap_samples)
        return ARC_ERR_SPACE;
    status = arc_ffaudio_dec_decode(d->ff, data, len, out, n_samples);
    if (status != ARC_OK)
        return status;
    to_channels(d, out, n_samples);
    *n_samples_out = n_samples;
    return ARC_OK;
}

enum arc_status arc_adec_decode_fec(struct arc_adec *d,
                                    const uint8_t *next_data, int32_t len,
                                    int16_t *out, int32_t n_samples)
{
    if (!d->opus)
        return next_data && len >= 0 && out ? ARC_AGAIN : ARC_ERR_ARG;
    return arc_opus_dec_decode_fec(d->opus, next_data, len, out, n_samples);
}

/** Read the redundancy of this packet, unless it was the last one read. */
static void read_dred(struct arc_adec *d, int64_t number, const uint8_t *data,
                      int32_t len)
{
    if (d->dred_before != 0 && d->dred_of == number)
        return;
    d->dred_of = number;
    if (arc_opus_dred_parse(d->dred, data, len, &d->dred_before) != ARC_OK)
        d->dred_before = 0;
}

enum arc_status arc_adec_decode_dred(struct arc_adec *d, int64_t number,
                                     const uint8_t *data, int32_t len,
                                     int32_t before, int16_t *out,
                                     int32_t n_samples)
{
    if (!data || len < 0 || !out || before < n_samples || n_samples < 1)
        return ARC_ERR_ARG;
    if (!d->dred)
        return ARC_AGAIN;
    read_dred(d, number, data, len);
    if (d->dred_before < before)
        return ARC_AGAIN;
    return arc_opus_dred_decode(d->dred, before, out, n_samples);
}

/* --- gaps -------------------------------------------------------------------- */

enum arc_status arc_adec_conceal(struct arc_adec *d, int16_t *out,
                                 int32_t n_samples)
{
    if (!d->opus)
        return out ? ARC_AGAIN : ARC_ERR_ARG;
    return arc_opus_dec_conceal(d->opus, out, n_samples);
}

void arc_adec_mark(struct arc_adec *d)
{
    if (d->heal) /* same rate and channels: cannot fail */
        (void)arc_opus_heal_mark(d->heal, d->opus);
}

enum arc_status arc_adec_rewind(struct arc_adec *d)
{
    return d->opus ? arc_opus_heal_rewind(d->heal, d->opus) : ARC_AGAIN;
}

enum arc_status arc_adec_heal(struct arc_adec *d, const uint8_t *next_data,
                              int32_t len, const int16_t *before,
                              const int16_t *made, int32_t n_made,
                              const int16_t *after, int16_t *out)
{
    if (!next_data || len < 1)
        return ARC_ERR_ARG;
    if (!d->heal)
        return ARC_AGAIN;
    return arc_opus_heal_run(d->heal, d->opus, next_data[0], before, made,
                             n_made, after, out);
}

/** Noise from the block at hand, and from more blocks as it runs out. */
static enum arc_status make_noise(struct noise *n, int16_t *out,
                                  int32_t n_samples)
{
    for (int32_t done = 0; done < n_samples; done++) {
        if (n->used == ARC_FFAUDIO_NOISE_SAMPLES) {
            enum arc_status status = arc_ffaudio_dec_decode(
                n->dec, n->sid, n->sid_len, n->pcm, ARC_FFAUDIO_NOISE_SAMPLES);

            if (status != ARC_OK)
                return status;
            n->used = 0;
        }
        out[done] = (int16_t)arc_clamp_i64(n->pcm[n->used++] * NOISE_GAIN,
                                           INT16_MIN, INT16_MAX);
    }
    return ARC_OK;
}

enum arc_status arc_adec_comfort(struct arc_adec *d, int16_t *out,
                                 int32_t n_samples)
{
    const int32_t grain = d->cfg.sample_rate_hz / GRAIN_HZ;
    enum arc_status status;

    if (d->opus)
        return arc_opus_dec_comfort(d->opus, out, n_samples);
    if (!out || n_samples < 1 || n_samples % grain != 0 ||
        n_samples > MAX_GRAINS * grain)
        return ARC_ERR_ARG;
    if (d->noise.sid_len == 0)
        return ARC_AGAIN;
    status = make_noise(&d->noise, out, n_samples);
    if (status == ARC_OK)
        to_channels(d, out, n_samples);
    return status;
}

enum arc_status arc_adec_set_noise(struct arc_adec *d, const uint8_t *sid,
                                   int32_t len)
{
    struct noise *n = &d->noise;

    if (!sid || len < 0)
        return ARC_ERR_ARG;
    if (!n->dec)
        return ARC_AGAIN;
    if (len == 0)
        return ARC_ERR_CODEC;
    /* Coefficients beyond what the decoder uses may be left out (RFC 3389 §3.2). */
    n->sid_len = len < SID_BYTES ? len : SID_BYTES;
    memcpy(n->sid, sid, (size_t)n->sid_len);
    n->used = ARC_FFAUDIO_NOISE_SAMPLES; /* what is left is of the old one */
    return ARC_OK;
}
