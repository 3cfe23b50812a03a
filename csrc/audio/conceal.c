/**
 * @file audio/conceal.c  Made-up audio in place of lost, and the joins with what
 *                        was not lost
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "audio/background.h"
#include "audio/bridge.h"
#include "audio/conceal.h"
#include "audio/edge.h"
#include "base/mem.h"
#include "base/rng.h"

enum {
    MIN_HZ        = 8000,
    MAX_HZ        = 48000,
    LOOK_BACK_MS  = 80,
    HEARD_MS      = ARC_CONCEAL_HEARD_MS,
    NEXT_MS       = 40,
    JOIN_MS       = 5,   /* shorter clicks, longer eats an onset              */
    FADE_START_MS = 60,  /* three packets of 20 ms                            */
    FADE_END_MS   = 200, /* no vowel is longer: what follows is invented      */
    FADE_DB       = 60,  /* on the way: then the cut to nothing is not heard  */
};

/** What has to be done with the first true audio. */
enum join { JOIN_NONE, JOIN_CODEC, JOIN_MADE };

/** Audio at one edge of a gap, the nearest to it last. */
struct side {
    float  *plane[ARC_EDGE_CHANNELS];
    float  *mono;  /* of one channel: its plane                              */
    int32_t n;
};

struct arc_conceal {
    int32_t rate_hz;
    int32_t channels;
    int32_t per_ms;
    int32_t lost_samples; /* made up in a row                                 */
    float   voicing;      /* at the edge before                               */
    float   gain;         /* of the last sample made up                       */
    float   fade_step;    /* factor a sample                                  */
    enum join join;
    struct arc_rng rng;
    struct arc_background background;
    int16_t *heard;       /* the last HEARD_MS, interleaved                   */
    struct arc_scratch *own; /* NULL: it is lent                              */

    /* rooms in the scratch memory, of any content when a call begins */
    struct arc_edge *past;
    struct arc_edge *future;
    struct side      before;
    struct side      after;
    float           *made[ARC_EDGE_CHANNELS];
    float           *scratch;
};

static bool config_ok(const struct arc_conceal_config *cfg)
{
    return cfg->sample_rate_hz >= MIN_HZ && cfg->sample_rate_hz <= MAX_HZ &&
           cfg->sample_rate_hz % 1000 == 0 &&
           (cfg->channels == 1 || cfg->channels == 2);
}

static float *take_plane(struct arc_rooms *r, int32_t n)
{
    return arc_rooms_take(r, (size_t)n, sizeof(float));
}

static void lay_out_side(struct side *s, struct arc_rooms *r, int32_t channels,
                         int32_t n)
{
    s->n = n;
    for (int32_t k = 0; k < channels; k++)
        s->plane[k] = take_plane(r, n);
    s->mono = channels == 1 ? s->plane[0] : take_plane(r, n);
}

static void lay_out(struct arc_conceal *c, struct arc_rooms *r)
{
    const int32_t n_made = c->per_ms * ARC_CONCEAL_MAX_MS;

    c->past   = arc_rooms_take(r, 1, sizeof(*c->past));
    c->future = arc_rooms_take(r, 1, sizeof(*c->future));
    lay_out_side(&c->before, r, c->channels, c->per_ms * LOOK_BACK_MS);
    lay_out_side(&c->after, r, c->channels, c->per_ms * NEXT_MS);
    for (int32_t k = 0; k < c->channels; k++)
        c->made[k] = take_plane(r, n_made);
    c->scratch = take_plane(r, ARC_BRIDGE_SCRATCH(n_made));
}

static void configure(struct arc_conceal *c, const struct arc_conceal_config *cfg)
{
    c->rate_hz   = cfg->sample_rate_hz;
    c->channels  = cfg->channels;
    c->per_ms    = c->rate_hz / 1000;
    c->fade_step = powf(10.0f, -(float)FADE_DB / 20.0f /
                                   (float)(c->per_ms *
                                           (FADE_END_MS - FADE_START_MS)));
}

size_t arc_conceal_scratch_bytes(const struct arc_conceal_config *cfg)
{
    struct arc_rooms rooms = {NULL, 0};
    struct arc_conceal c;

    if (!cfg || !config_ok(cfg))
        return 0;
    configure(&c, cfg);
    lay_out(&c, &rooms);
    return rooms.used;
}

enum arc_status arc_conceal_new(const struct arc_conceal_config *cfg,
                                struct arc_conceal **out)
{
    struct arc_rooms rooms = {NULL, 0};
    enum arc_status status;
    struct arc_conceal *c;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    c = arc_mem_zalloc(1, sizeof(*c));
    if (!c)
        return ARC_ERR_NOMEM;
    configure(c, cfg);
    status = arc_scratch_open(cfg->scratch, arc_conceal_scratch_bytes(cfg),
                              &c->own, &rooms.mem);
    c->heard = arc_mem_zalloc((size_t)(c->per_ms * HEARD_MS * c->channels),
                              sizeof(*c->heard));
    if (status == ARC_OK && !c->heard)
        status = ARC_ERR_NOMEM;
    if (status != ARC_OK) {
        arc_conceal_free(c);
        return status;
    }
    lay_out(c, &rooms);
    arc_conceal_reset(c);
    *out = c;
    return ARC_OK;
}

void arc_conceal_free(struct arc_conceal *c)
{
    if (!c)
        return;
    arc_mem_free(c->heard);
    arc_scratch_free(c->own);
    arc_mem_free(c);
}

void arc_conceal_reset(struct arc_conceal *c)
{
    memset(c->heard, 0, (size_t)(c->per_ms * HEARD_MS * c->channels) *
                            sizeof(*c->heard));
    arc_rng_init(&c->rng, 1);
    arc_background_init(&c->background, c->channels, c->rate_hz);
    c->lost_samples = 0;
    c->gain         = 1.0f;
    c->join         = JOIN_NONE;
}

static void remember(struct arc_conceal *c, const int16_t *pcm, int32_t n)
{
    const int32_t all = c->per_ms * HEARD_MS, size = c->channels;
    const int32_t use = n < all ? n : all;

    memmove(c->heard, c->heard + use * size,
            (size_t)((all - use) * size) * sizeof(*pcm));
    memcpy(c->heard + (all - use) * size, pcm + (n - use) * size,
           (size_t)(use * size) * sizeof(*pcm));
}

const int16_t *arc_conceal_heard(const struct arc_conceal *c, int32_t n)
{
    return c->heard + (c->per_ms * HEARD_MS - n) * c->channels;
}

/** The last `n` samples that were heard, into the planes before the gap. */
static void recall(struct arc_conceal *c, int32_t n)
{
    const int16_t *pcm = arc_conceal_heard(c, n);

    c->before.n = n;
    for (int32_t k = 0; k < c->channels; k++)
        for (int32_t i = 0; i < n; i++)
            c->before.plane[k][i] = (float)pcm[i * c->channels + k];
}

static void mix_down(struct side *s, int32_t channels)
{
    float product = 0.0f, sign;

    if (channels == 1)
        return;
    memcpy(s->mono, s->plane[0], (size_t)s->n * sizeof(*s->mono));
    for (int32_t i = 0; i < s->n; i++)
        product += s->plane[0][i] * s->plane[1][i];
    sign = product < 0.0f ? -1.0f : 1.0f; /* turned against each other? */
    for (int32_t i = 0; i < s->n; i++)
        s->mono[i] += sign * s->plane[1][i];
}

static void look_back(struct arc_conceal *c)
{
    const float age = (float)c->lost_samples / (float)(c->per_ms * FADE_END_MS);
    float most;

    recall(c, c->per_ms * LOOK_BACK_MS);
    mix_down(&c->before, c->channels);
    arc_edge_look(c->past, c->before.plane, c->before.mono, c->channels,
                  c->before.n, c->rate_hz);
    if (c->lost_samples == 0)
        c->voicing = c->past->voicing;
    /* What is made up repeats itself: it proves no voice, and it buzzes. */
    most = c->voicing * (age < 1.0f ? 1.0f - age : 0.0f);
    if (c->lost_samples && c->past->voicing > most)
        arc_edge_set_voicing(c->past, c->before.plane, c->before.n, most);
}

/** @return whether there is enough of it */
static bool look_ahead(struct arc_conceal *c, const int16_t *next, int32_t n)
{
    if (n > c->per_ms * NEXT_MS)
        n = c->per_ms * NEXT_MS;
    if (!next || n < c->per_ms * ARC_EDGE_MIN_MS)
        return false;
    c->after.n = n;
    for (int32_t k = 0; k < c->channels; k++)
        for (int32_t i = 0; i < n; i++)
            c->after.plane[k][n - 1 - i] = (float)next[i * c->channels + k];
    mix_down(&c->after, c->channels);
    arc_edge_look(c->future, c->after.plane, c->after.mono, c->channels, n,
                  c->rate_hz);
    return true;
}

static void to_planes(const struct arc_conceal *c, const int16_t *pcm,
                      int32_t n)
{
    for (int32_t k = 0; k < c->channels; k++)
        for (int32_t i = 0; i < n; i++)
            c->made[k][i] = (float)pcm[i * c->channels + k];
}

static int16_t to_int16(float v)
{
    return (int16_t)(v > 32767.0f ? 32767.0f : v < -32768.0f ? -32768.0f
                                             : floorf(v + 0.5f));
}

static void from_planes(const struct arc_conceal *c, int16_t *pcm, int32_t n)
{
    for (int32_t k = 0; k < c->channels; k++)
        for (int32_t i = 0; i < n; i++)
            pcm[i * c->channels + k] = to_int16(c->made[k][i]);
}

/** Level of what is made up without knowing what follows. */
static float next_gain(const struct arc_conceal *c, float gain, int32_t lost)
{
    if (lost < c->per_ms * FADE_START_MS)
        return gain;
    return lost < c->per_ms * FADE_END_MS ? gain * c->fade_step : 0.0f;
}

/** Turn what is made up down, and the background up in its place. */
static void fade_out(struct arc_conceal *c, float already, int32_t n)
{
    float *noise = c->scratch + ARC_LPC_ORDER, gain = c->gain;

    if (c->lost_samples + n < c->per_ms * FADE_START_MS)
        return;
    for (int32_t k = 0; k < c->channels; k++) {
        arc_background_make(&c->background, k, &c->rng, c->scratch, n);
        gain = c->gain;
        for (int32_t i = 0; i < n; i++) {
            gain = next_gain(c, gain, c->lost_samples + i);
            c->made[k][i] = c->made[k][i] * gain / already +
                            noise[i] * sqrtf(1.0f - gain * gain);
        }
    }
    c->gain = gain;
}

/** Between the edges. A codec's own extrapolation scores a little better than the
 *  continuation of the edge before the gap, for speech and for music. */
static void bridge(struct arc_conceal *c, const int16_t *codec, int32_t n)
{
    const bool led = codec != NULL;

    if (led)
        to_planes(c, codec, n);
    arc_bridge_between(c->past, c->future, &c->rng, c->scratch, led, c->made,
                       n);
    c->join = JOIN_NONE;
}

static void extrapolate(struct arc_conceal *c, const int16_t *codec, int32_t n)
{
    if (codec) {
        to_planes(c, codec, n);
        fade_out(c, 1.0f, n);
    } else {
        /* What was heard last, and is continued, is turned down already. */
        arc_bridge_onward(c->past, &c->rng, c->scratch, c->made, n);
        fade_out(c, c->gain > 0.0f ? c->gain : 1.0f, n);
    }
    c->join = codec ? JOIN_CODEC : JOIN_MADE;
}

/** The codec's own extrapolation goes on in what it decodes: only the level has
 *  to come back. */
static void turn_up(struct arc_conceal *c, int32_t n)
{
    const float rest = sqrtf(1.0f - c->gain * c->gain);
    float *noise = c->scratch + ARC_LPC_ORDER;

    for (int32_t k = 0; c->gain < 1.0f && k < c->channels; k++) {
        arc_background_make(&c->background, k, &c->rng, c->scratch, n);
        for (int32_t i = 0; i < n; i++) {
            float w = (float)(i + 1) / (float)(n + 1);

            c->made[k][i] = c->made[k][i] * (c->gain + (1.0f - c->gain) * w) +
                            noise[i] * rest * (1.0f - w);
        }
    }
}

/** The first true audio after what was made up. */
static void join(struct arc_conceal *c, int16_t *pcm, int32_t n)
{
    const int32_t span = c->per_ms * JOIN_MS, m = n < span ? n : span;

    to_planes(c, pcm, m);
    if (c->join == JOIN_CODEC) {
        turn_up(c, m);
    } else {
        look_back(c);
        if (!look_ahead(c, pcm, n))
            c->future->voicing = 0.0f; /* too short to be in step with it */
        arc_bridge_into(c->past, c->future, c->made, m);
    }
    from_planes(c, pcm, m);
}

void arc_conceal_on_audio(struct arc_conceal *c, int16_t *pcm, int32_t n)
{
    if (!pcm || n <= 0)
        return;
    if (c->join != JOIN_NONE)
        join(c, pcm, n);
    c->join         = JOIN_NONE;
    c->gain         = 1.0f;
    c->lost_samples = 0;
    remember(c, pcm, n);
    recall(c, c->per_ms * ARC_BACKGROUND_BLOCK_MS);
    arc_background_on_audio(&c->background, c->before.plane, c->before.n, n);
}

void arc_conceal_fill(struct arc_conceal *c, const int16_t *codec,
                      const int16_t *next, int32_t n_next, int16_t *out,
                      int32_t n)
{
    if (!out || n <= 0 || n > c->per_ms * ARC_CONCEAL_MAX_MS)
        return;
    look_back(c);
    if (look_ahead(c, next, n_next)) {
        bridge(c, codec, n);
    } else {
        extrapolate(c, codec, n);
    }
    from_planes(c, out, n);
    c->lost_samples += n;
    remember(c, out, n);
}
