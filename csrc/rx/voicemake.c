/**
 * @file rx/voicemake.c  A received voice is made: its parts, and what they work in
 */
#include "audio/opuscodec.h"
#include "base/mem.h"
#include "base/units.h"
#include "rx/voice_parts.h"

enum {
    DEFAULT_PKTS  = 512,
    MAX_PKTS      = 4096,
    BEFORE_MS     = ARC_STRETCH_BEFORE_MS,
    /* What may wait beside a packet: a rest of a block, 60 ms made up before the
     * packet, and what stretching adds. */
    QUEUE_MORE_MS = 100,
    MIN_RATE_HZ   = 8000,
    MAX_RATE_HZ   = 48000,
    MS_PER_S      = 1000,
    LONG_US       = 75000, /* a longer play-out delay is felt in a talk          */
};

/* Late by themselves; of twenty of these about one is lost, as play-out is slowed
 * down for them. Measured by bench/bench_jitter.py. */
static const double LATE_SHARE       = 0.0165;
static const double LATE_SHARE_HEARD = 0.001; /* recognition: gaps are words */
static const double STALL_SHARE      = 0.05;

static bool config_ok(const struct arc_voice_config *c)
{
    return (c->channels == 1 || c->channels == 2) &&
           (c->profile == ARC_VOICE_CONVERSATION ||
            c->profile == ARC_VOICE_RECOGNITION) &&
           c->cn_payload_type >= -1 && c->cn_payload_type <= 127 &&
           c->capacity_pkts >= 0 && c->capacity_pkts <= MAX_PKTS;
}

static size_t sample_bytes(const struct arc_voice *v)
{
    return sizeof(int16_t) * (size_t)v->cfg.channels;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static struct arc_adec_config decoder_config(const struct arc_voice_config *c)
{
    const struct arc_adec_config dec = {
        .codec          = c->codec,
        .sample_rate_hz = c->sample_rate_hz,
        .channels       = c->channels,
        .heals          = c->profile == ARC_VOICE_CONVERSATION,
        .scratch        = c->scratch,
    };

    return dec;
}

static int32_t longest_pkt_ms(int32_t codec)
{
    return codec == ARC_AUDIO_OPUS ? ARC_OPUS_MAX_FRAME_MS : ARC_ADEC_MAX_MS;
}

/** What the parts need that work in the scratch memory, one after the other. */
static size_t parts_bytes(const struct arc_voice_config *c, int32_t rate_hz)
{
    const struct arc_conceal_config conceal = {rate_hz, c->channels, NULL};
    const struct arc_stretch_config stretch = {rate_hz, c->channels, NULL};
    const struct arc_adec_config dec = decoder_config(c);
    size_t most;

    if (c->profile == ARC_VOICE_RECOGNITION)
        return 0;
    most = arc_conceal_scratch_bytes(&conceal);
    most = larger(most, arc_stretch_scratch_bytes(&stretch));
    return larger(most, arc_adec_scratch_bytes(&dec));
}

/** Rooms in the scratch memory, behind those of the parts. */
static void lay_out(struct arc_voice *v, struct arc_rooms *r)
{
    const int32_t per_ms = v->rate_hz / MS_PER_S;

    arc_rooms_take(r, 1, parts_bytes(&v->cfg, v->rate_hz));
    v->pcm_samples = longest_pkt_ms(v->cfg.codec) * per_ms;
    v->pcm = arc_rooms_take(r, (size_t)v->pcm_samples, sample_bytes(v));
    if (v->cfg.profile != ARC_VOICE_RECOGNITION)
        v->guess = arc_rooms_take(r, (size_t)(ARC_CONCEAL_MAX_MS * per_ms),
                                  sample_bytes(v));
}

static size_t scratch_bytes(const struct arc_voice_config *cfg, int32_t rate_hz)
{
    struct arc_voice v = {.cfg = *cfg, .rate_hz = rate_hz};
    struct arc_rooms rooms = {NULL, 0};

    lay_out(&v, &rooms);
    return rooms.used;
}

enum arc_status arc_voice_new_scratch(struct arc_scratch **out)
{
    struct arc_voice_config most = {.sample_rate_hz = MAX_RATE_HZ, .channels = 2};
    size_t bytes;

    most.codec = ARC_AUDIO_OPUS; /* heals .. */
    bytes      = scratch_bytes(&most, MAX_RATE_HZ);
    most.codec = ARC_AUDIO_L16;  /* .. and this has the longest packets */
    return arc_scratch_new(larger(bytes, scratch_bytes(&most, MAX_RATE_HZ)), out);
}

/** Working memory, ours or lent, for all that is made after it. */
static enum arc_status open_scratch(struct arc_voice *v)
{
    struct arc_rooms rooms = {NULL, 0};
    enum arc_status status;

    if (v->rate_hz < MIN_RATE_HZ || v->rate_hz > MAX_RATE_HZ)
        return ARC_ERR_ARG;
    status = arc_scratch_open(v->cfg.scratch, scratch_bytes(&v->cfg, v->rate_hz),
                              &v->own_scratch, &rooms.mem);
    if (status != ARC_OK)
        return status;
    if (v->own_scratch)
        v->cfg.scratch = v->own_scratch;
    lay_out(v, &rooms);
    return ARC_OK;
}

static enum arc_status make_decoder(struct arc_voice *v)
{
    const struct arc_adec_config dec = decoder_config(&v->cfg);
    enum arc_status status = arc_adec_new(&dec, &v->dec);

    if (status != ARC_OK)
        return status;
    v->clock_hz      = arc_adec_clock_hz(v->dec);
    v->block_samples = v->rate_hz / MS_PER_S * ARC_VOICE_BLOCK_MS;
    v->grain_samples = v->rate_hz / (MS_PER_S * 1000 / ARC_VOICE_GRAIN_US);
    return ARC_OK;
}

/** The blocks have the rate asked for, whatever the decoder's. Gaps for machines may
 *  be of any length, which must stay whole. */
static enum arc_status make_resampler(struct arc_voice *v)
{
    const struct arc_resampler_config cfg = {v->rate_hz, v->cfg.sample_rate_hz,
                                             v->cfg.channels, false};

    if (cfg.in_rate_hz == cfg.out_rate_hz)
        return ARC_OK;
    if (v->cfg.profile == ARC_VOICE_RECOGNITION &&
        cfg.out_rate_hz % cfg.in_rate_hz != 0)
        return ARC_ERR_UNSUPPORTED;
    return arc_resampler_new(&cfg, &v->resampler);
}

static enum arc_status make_buffers(struct arc_voice *v)
{
    const struct arc_voice_config *c = &v->cfg;
    const bool hears = c->profile == ARC_VOICE_RECOGNITION;
    const struct arc_jitter_config jitter = {
        .clock_hz           = v->clock_hz,
        .min_latency_ms     = c->min_latency_ms,
        .max_latency_ms     = c->max_latency_ms,
        .initial_latency_ms = c->initial_latency_ms,
        .adaptive           = c->adaptive,
        .capacity_pkts      = c->capacity_pkts ? c->capacity_pkts : DEFAULT_PKTS,
        .late_share  = c->late_share != 0.0 ? c->late_share
                       : hears              ? LATE_SHARE_HEARD
                                            : LATE_SHARE,
        .stall_share = hears ? 0.0 : STALL_SHARE,
        .long_us     = hears ? 0 : LONG_US,
    };
    enum arc_status status = arc_jitter_new(&jitter, &v->jitter);

    return status != ARC_OK ? status : arc_copies_new(ARC_VOICE_COPIES, &v->copies);
}

/** What makes sound up and longer; a machine that listens gets neither. */
static enum arc_status make_changers(struct arc_voice *v)
{
    const struct arc_conceal_config conceal = {v->rate_hz, v->cfg.channels,
                                               v->cfg.scratch};
    const struct arc_stretch_config stretch = {v->rate_hz, v->cfg.channels,
                                               v->cfg.scratch};
    enum arc_status status;

    if (v->cfg.profile == ARC_VOICE_RECOGNITION)
        return ARC_OK;
    status = arc_conceal_new(&conceal, &v->conceal);
    return status == ARC_OK ? arc_stretch_new(&stretch, &v->stretch) : status;
}

static enum arc_status make_sound(struct arc_voice *v)
{
    const int32_t per_ms = v->rate_hz / MS_PER_S;
    const int32_t room = (longest_pkt_ms(v->cfg.codec) + QUEUE_MORE_MS) * per_ms;
    enum arc_status status = make_changers(v);

    if (status != ARC_OK)
        return status;
    v->queue_pcm = arc_mem_zalloc((size_t)(room + BEFORE_MS * per_ms),
                                  sample_bytes(v));
    if (!v->queue_pcm)
        return ARC_ERR_NOMEM;
    arc_voicequeue_init(&v->queue, v->queue_pcm, v->cfg.channels,
                        BEFORE_MS * per_ms, room);
    return ARC_OK;
}

enum arc_status arc_voice_new(const struct arc_voice_config *cfg,
                              struct arc_voice **out)
{
    enum arc_status status;
    struct arc_voice *v;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    v = arc_mem_zalloc(1, sizeof(*v));
    if (!v)
        return ARC_ERR_NOMEM;
    v->cfg     = *cfg;
    v->rate_hz = arc_audiocodec_rate_hz(cfg->codec, cfg->sample_rate_hz);
    status = open_scratch(v);
    if (status == ARC_OK)
        status = make_decoder(v);
    if (status == ARC_OK)
        status = make_resampler(v);
    if (status == ARC_OK)
        status = make_buffers(v);
    if (status == ARC_OK)
        status = make_sound(v);
    if (status != ARC_OK) {
        arc_voice_free(v);
        return status;
    }
    *out = v;
    return ARC_OK;
}

void arc_voice_free(struct arc_voice *v)
{
    if (!v)
        return;
    arc_jitter_free(v->jitter);
    arc_copies_free(v->copies);
    arc_adec_free(v->dec);
    arc_conceal_free(v->conceal);
    arc_stretch_free(v->stretch);
    arc_resampler_free(v->resampler);
    arc_mem_free(v->queue_pcm);
    arc_scratch_free(v->own_scratch);
    arc_mem_free(v);
}
