/**
 * @file audio/resample.c  Sample rate conversion, block by block (libswresample)
 */
#include <string.h>

#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>

#include "audio/resample.h"
#include "base/mem.h"
#include "base/units.h"

enum {
    TAPS       = 32, /* at the lower rate                                      */
    PRIME_MS   = 40, /* more than the library wants before it gives anything   */
};

#define PASS_BAND 0.95

struct arc_resampler {
    struct SwrContext *swr; /* NULL: both rates are the same                   */
    int32_t in_hz;
    int32_t out_hz;
    int32_t sample_bytes;   /* of all channels                                 */
    int32_t latency;        /* samples at the output                           */
};

static const int32_t rates_hz[] = {8000, 12000, 16000, 24000, 32000, 44100, 48000};

static bool rate_ok(int32_t hz)
{
    for (size_t i = 0; i < sizeof(rates_hz) / sizeof(*rates_hz); i++)
        if (rates_hz[i] == hz)
            return true;
    return false;
}

static enum arc_status open_library(struct arc_resampler *r,
                                    const struct arc_resampler_config *cfg)
{
    enum AVSampleFormat format = cfg->is_float ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_S16;
    AVChannelLayout layout;

    av_channel_layout_default(&layout, cfg->channels);
    if (swr_alloc_set_opts2(&r->swr, &layout, format, cfg->out_rate_hz, &layout,
                            format, cfg->in_rate_hz, 0, NULL) < 0)
        return ARC_ERR_NOMEM;
    av_opt_set_int(r->swr, "filter_size", TAPS, 0);
    av_opt_set_double(r->swr, "cutoff", PASS_BAND, 0);
    /* Float inside: filters in int16 would add their rounding to each sample. */
    av_opt_set_int(r->swr, "internal_sample_fmt", AV_SAMPLE_FMT_FLTP, 0);
    return swr_init(r->swr) < 0 ? ARC_ERR_LIBRARY : ARC_OK;
}

/** Send silence ahead, and take of it out all but what the filter must see in
 *  advance: from then on every block gives what it should. */
static enum arc_status prime(struct arc_resampler *r)
{
    const int32_t n_in = r->in_hz / 100 * (PRIME_MS / 10); /* 44.1 kHz too */
    const int32_t low = r->in_hz < r->out_hz ? r->in_hz : r->out_hz;
    const int32_t most = r->out_hz / 100 * (PRIME_MS / 10);
    enum arc_status status = ARC_ERR_NOMEM;
    uint8_t *silence, *drain;
    int32_t n_out;

    /* Half the filter, at the output, rounded up, and its last phase. */
    r->latency = (int32_t)(((int64_t)TAPS / 2 + 2) * r->out_hz / (low * PASS_BAND)) + 2;
    silence = arc_mem_zalloc((size_t)n_in, (size_t)r->sample_bytes);
    drain   = arc_mem_zalloc((size_t)most, (size_t)r->sample_bytes);
    if (silence && drain) {
        const uint8_t *in = silence;

        n_out = (int32_t)((int64_t)n_in * r->out_hz / r->in_hz) - r->latency;
        status = swr_convert(r->swr, &drain, n_out, &in, n_in) == n_out
               ? ARC_OK : ARC_ERR_LIBRARY;
    }
    arc_mem_free(silence);
    arc_mem_free(drain);
    return status;
}

enum arc_status arc_resampler_new(const struct arc_resampler_config *cfg,
                                  struct arc_resampler **out)
{
    struct arc_resampler *r;
    enum arc_status status = ARC_OK;

    if (!cfg || !out || !rate_ok(cfg->in_rate_hz) || !rate_ok(cfg->out_rate_hz) ||
        cfg->channels < 1 || cfg->channels > 2)
        return ARC_ERR_ARG;
    r = arc_mem_zalloc(1, sizeof(*r));
    if (!r)
        return ARC_ERR_NOMEM;
    r->in_hz        = cfg->in_rate_hz;
    r->out_hz       = cfg->out_rate_hz;
    r->sample_bytes = cfg->channels * (int32_t)(cfg->is_float ? sizeof(float) : sizeof(int16_t));
    if (r->in_hz != r->out_hz) {
        status = open_library(r, cfg);
        if (status == ARC_OK)
            status = prime(r);
    }
    if (status != ARC_OK) {
        arc_resampler_free(r);
        return status;
    }
    *out = r;
    return ARC_OK;
}

void arc_resampler_free(struct arc_resampler *r)
{
    if (!r)
        return;
    swr_free(&r->swr);
    arc_mem_free(r);
}

int32_t arc_resampler_latency_us(const struct arc_resampler *r)
{
    return (int32_t)(r->latency * ARC_US_PER_S / r->out_hz);
}

int32_t arc_resampler_count(const struct arc_resampler *r, int32_t n_in)
{
    int64_t scaled = (int64_t)n_in * r->out_hz;

    if (n_in < 0 || n_in > (int64_t)r->in_hz * ARC_RESAMPLER_MAX_MS / 1000 ||
        scaled % r->in_hz != 0)
        return -1;
    return (int32_t)(scaled / r->in_hz);
}

enum arc_status arc_resampler_run(struct arc_resampler *r, const void *in,
                                  int32_t n_in, void *out)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    int32_t n_out;

    if (!r || !in || !out || n_in < 1)
        return ARC_ERR_ARG;
    n_out = arc_resampler_count(r, n_in);
    if (n_out < 0)
        return ARC_ERR_ARG;
    if (!r->swr) {
        memcpy(out, in, (size_t)n_in * (size_t)r->sample_bytes);
        return ARC_OK;
    }
    return swr_convert(r->swr, &to, n_out, &from, n_in) == n_out ? ARC_OK
                                                                 : ARC_ERR_LIBRARY;
}

uint32_t arc_resampler_version_loaded(void)
{
    return swresample_version();
}
