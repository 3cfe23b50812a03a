/**
 * @file audio/opuscodec.c  Opus decoder (RFC 6716, RFC 8251), and what packets say
 */
#include <stddef.h>
#include <string.h>

#include <opus.h>

#include "audio/fade.h"
#include "audio/opuscodec.h"
#include "audio/opuscodec_parts.h"
#include "base/mem.h"

enum {
    MAX_FRAMES   = 48,   /* RFC 6716 §3.2.5: of 2.5 ms                          */
    MS_PER_S     = 1000,
};

struct arc_opus_dec {
    OpusDecoder *opus;
    int32_t sample_rate_hz;
    int32_t channels;
    bool    celt;  /* the last packet was CELT only */
    bool    fades; /* long concealment falls silent */
    struct arc_fade fade;
};

enum arc_status arc_opus_dec_new(int32_t sample_rate_hz, int32_t channels,
                                 struct arc_opus_dec **out)
{
    struct arc_opus_dec *d;

    if (!out || !arc_opus_rate_ok(sample_rate_hz) || !arc_opus_channels_ok(channels))
        return ARC_ERR_ARG;

    d = arc_mem_zalloc(1, sizeof(*d));
    if (!d)
        return ARC_ERR_NOMEM;
    d->sample_rate_hz = sample_rate_hz;
    d->channels       = channels;
    d->fades          = true;
    arc_fade_init(&d->fade, sample_rate_hz, channels);

    d->opus = arc_mem_zalloc(1, (size_t)opus_decoder_get_size(channels));
    if (!d->opus) {
        arc_opus_dec_free(d);
        return ARC_ERR_NOMEM;
    }
    if (opus_decoder_init(d->opus, sample_rate_hz, channels) != OPUS_OK) {
        arc_opus_dec_free(d);
        return ARC_ERR_LIBRARY;
    }
    *out = d;
    return ARC_OK;
}

void arc_opus_dec_free(struct arc_opus_dec *d)
{
    if (!d)
        return;
    arc_mem_free(d->opus);
    arc_mem_free(d);
}

OpusDecoder *arc_opus_dec_lib(struct arc_opus_dec *d)
{
    return d->opus;
}

int32_t arc_opus_dec_rate_hz(const struct arc_opus_dec *d)
{
    return d->sample_rate_hz;
}

void arc_opus_dec_set_fade(struct arc_opus_dec *d, bool fades)
{
    d->fades = fades;
}

enum arc_status arc_opus_dec_copy(struct arc_opus_dec *to,
                                  const struct arc_opus_dec *from)
{
    OpusDecoder *opus = to->opus;

    if (to->sample_rate_hz != from->sample_rate_hz ||
        to->channels != from->channels)
        return ARC_ERR_ARG;
    /* opus.h: decoder states are contiguous and can be copied shallowly. */
    memcpy(opus, from->opus, (size_t)opus_decoder_get_size(to->channels));
    *to      = *from;
    to->opus = opus;
    return ARC_OK;
}

enum arc_status arc_opus_dec_set_complexity(struct arc_opus_dec *d,
                                            int32_t complexity)
{
    if (complexity < 0 || complexity > 10)
        return ARC_ERR_ARG;
    return opus_decoder_ctl(d->opus, OPUS_SET_COMPLEXITY_REQUEST,
                            (opus_int32)complexity) == OPUS_OK
               ? ARC_OK : ARC_ERR_UNSUPPORTED;
}

static int decode(struct arc_opus_dec *d, const uint8_t *data, int32_t len,
                  struct arc_pcm out, int32_t n_samples, int fec)
{
    if (out.i16)
        return opus_decode(d->opus, data, len, out.i16, n_samples, fec);
    return opus_decode_float(d->opus, data, len, out.f32, n_samples, fec);
}

static bool has_out(struct arc_pcm out)
{
    return out.i16 || out.f32;
}

/* RFC 6716 §3.1, table 2: configurations 16 to 31 are CELT only. */
static bool is_celt(uint8_t toc)
{
    return toc & 0x80;
}

static enum arc_status decode_packet(struct arc_opus_dec *d,
                                     const uint8_t *data, int32_t len,
                                     struct arc_pcm out, int32_t cap_samples,
                                     int32_t *n_samples_out)
{
    int32_t n_samples;

    if (!data || len < 0 || !has_out(out) || cap_samples < 0 || !n_samples_out)
        return ARC_ERR_ARG;
    n_samples = arc_opus_packet_samples(data, len, d->sample_rate_hz);
    if (n_samples == 0)
        return ARC_ERR_CODEC;
    if (n_samples > cap_samples)
        return ARC_ERR_SPACE;

    d->celt = is_celt(data[0]);
    if (decode(d, data, len, out, n_samples, 0) != n_samples)
        return ARC_ERR_CODEC;
    arc_fade_back(&d->fade, out, n_samples);
    *n_samples_out = n_samples;
    return ARC_OK;
}

/** A length that libopus can extrapolate: whole steps of 2.5 ms. */
static bool gap_ok(const struct arc_opus_dec *d, int32_t n_samples)
{
    const int32_t step = d->sample_rate_hz / 400;

    return n_samples > 0 && n_samples % step == 0 &&
           n_samples <= d->sample_rate_hz / MS_PER_S * ARC_OPUS_MAX_FRAME_MS;
}

static enum arc_status fill(struct arc_opus_dec *d, struct arc_pcm out,
                            int32_t n_samples, bool fade)
{
    if (!has_out(out) || !gap_ok(d, n_samples))
        return ARC_ERR_ARG;
    if (decode(d, NULL, 0, out, n_samples, 0) != n_samples)
        return ARC_ERR_CODEC;
    if (fade && d->fades)
        arc_fade_lost(&d->fade, out, n_samples);
    else
        arc_fade_back(&d->fade, out, n_samples);
    return ARC_OK;
}

static struct arc_pcm skip(const struct arc_opus_dec *d, struct arc_pcm out,
                           int32_t n_samples)
{
    if (out.i16)
        out.i16 += n_samples * d->channels;
    else
        out.f32 += n_samples * d->channels;
    return out;
}

static enum arc_status decode_fec(struct arc_opus_dec *d,
                                  const uint8_t *next_data, int32_t len,
                                  struct arc_pcm out, int32_t n_samples)
{
    int32_t covered;
    enum arc_status status;

    if (!next_data || len < 0 || !has_out(out) || !gap_ok(d, n_samples))
        return ARC_ERR_ARG;
    if (arc_opus_packet_samples(next_data, len, d->sample_rate_hz) == 0)
        return ARC_ERR_CODEC;

    /* The redundancy of the first frame covers as much as that frame is long
     * (RFC 6716 §4.2.5). After CELT libopus conceals instead: the SILK decoder
     * has no state to go on from. */
    covered = opus_packet_get_samples_per_frame(next_data, d->sample_rate_hz);
    if (!arc_opus_packet_has_fec(next_data, len) || covered > n_samples ||
        d->celt)
        return ARC_AGAIN;

    if (n_samples > covered) {
        status = fill(d, out, n_samples - covered, true);
        if (status)
            return status;
        out = skip(d, out, n_samples - covered);
    }
    if (decode(d, next_data, len, out, covered, 1) != covered)
        return ARC_ERR_CODEC;
    arc_fade_back(&d->fade, out, covered);
    return ARC_OK;
}

enum arc_status arc_opus_dec_decode(struct arc_opus_dec *d,
                                    const uint8_t *data, int32_t len,
                                    int16_t *out, int32_t cap_samples,
                                    int32_t *n_samples_out)
{
    const struct arc_pcm to = {.i16 = out};

    return decode_packet(d, data, len, to, cap_samples, n_samples_out);
}

enum arc_status arc_opus_dec_decode_float(struct arc_opus_dec *d,
                                          const uint8_t *data, int32_t len,
                                          float *out, int32_t cap_samples,
                                          int32_t *n_samples_out)
{
    const struct arc_pcm to = {.f32 = out};

    return decode_packet(d, data, len, to, cap_samples, n_samples_out);
}

enum arc_status arc_opus_dec_decode_fec(struct arc_opus_dec *d,
                                        const uint8_t *next_data, int32_t len,
                                        int16_t *out, int32_t n_samples)
{
    const struct arc_pcm to = {.i16 = out};

    return decode_fec(d, next_data, len, to, n_samples);
}

enum arc_status arc_opus_dec_decode_fec_float(struct arc_opus_dec *d,
                                              const uint8_t *next_data,
                                              int32_t len, float *out,
                                              int32_t n_samples)
{
    const struct arc_pcm to = {.f32 = out};

    return decode_fec(d, next_data, len, to, n_samples);
}

enum arc_status arc_opus_dec_conceal(struct arc_opus_dec *d, int16_t *out,
                                     int32_t n_samples)
{
    const struct arc_pcm to = {.i16 = out};

    return fill(d, to, n_samples, true);
}

enum arc_status arc_opus_dec_conceal_float(struct arc_opus_dec *d, float *out,
                                           int32_t n_samples)
{
    const struct arc_pcm to = {.f32 = out};

    return fill(d, to, n_samples, true);
}

enum arc_status arc_opus_dec_comfort(struct arc_opus_dec *d, int16_t *out,
                                     int32_t n_samples)
{
    const struct arc_pcm to = {.i16 = out};

    return fill(d, to, n_samples, false);
}

enum arc_status arc_opus_dec_comfort_float(struct arc_opus_dec *d, float *out,
                                           int32_t n_samples)
{
    const struct arc_pcm to = {.f32 = out};

    return fill(d, to, n_samples, false);
}

int32_t arc_opus_packet_samples(const uint8_t *data, int32_t len,
                                int32_t sample_rate_hz)
{
    const unsigned char *frames[MAX_FRAMES];
    opus_int16 sizes[MAX_FRAMES];
    int n_frames;

    if (!data || len <= 0 || !arc_opus_rate_ok(sample_rate_hz))
        return 0;
    n_frames = opus_packet_parse(data, len, NULL, frames, sizes, NULL);
    if (n_frames <= 0)
        return 0;
    return n_frames * opus_packet_get_samples_per_frame(data, sample_rate_hz);
}

/**
 * The SILK layer begins with one VAD bit per 20 ms and one LBRR bit, for the
 * mid and then for the side channel, in the top bits of the frame's first byte
 * (RFC 6716 §4.2.3). LBRR is in-band FEC.
 */
bool arc_opus_packet_has_fec(const uint8_t *data, int32_t len)
{
    const unsigned char *frames[MAX_FRAMES];
    opus_int16 sizes[MAX_FRAMES];
    int frame_ms, n_vad;
    bool mid, side;

    if (!data || len <= 0 || is_celt(data[0]) ||
        opus_packet_parse(data, len, NULL, frames, sizes, NULL) <= 0 ||
        sizes[0] <= 1) /* libopus takes a frame of one byte as lost */
        return false;

    frame_ms = opus_packet_get_samples_per_frame(data, 48000) / 48;
    n_vad = frame_ms < 20 ? 1 : frame_ms / 20;
    mid   = frames[0][0] >> (7 - n_vad) & 1;
    side  = opus_packet_get_nb_channels(data) == 2 &&
            (frames[0][0] >> (6 - 2 * n_vad) & 1);
    return mid || side;
}

const char *arc_opus_version(void)
{
    return opus_get_version_string();
}
