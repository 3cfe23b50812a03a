/**
 * @file audio/conceal.c  Made-up audio in place of lost, and the joins with what
 *                        was not lost
 */
#include <stdbool.h>
#include <string.h>

#include "audio/conceal.h"
#include "audio/fade.h"
#include "audio/pitch.h"
#include "base/mem.h"

enum {
    MIN_HZ     = 8000,
    MAX_HZ     = 48000,
    HISTORY_MS = 60,
    JOIN_MS    = 5,
    DEFAULT_PERIOD_MS = 10, /* of what has none                             */
};

struct arc_conceal {
    int32_t rate_hz;
    int32_t channels;
    int32_t per_ms;
    int32_t n_history;
    int32_t n_join;
    int32_t period;   /* of the audio before the gap                        */
    int32_t joined;   /* samples of the join that are done                  */
    bool    lost;     /* the last block was made up                         */
    struct arc_fade fade;
    int16_t *history; /* what was heard last, the newest at the end         */
    int16_t *tail;    /* how the made-up audio would have gone on           */
    float   *mono;
};

static bool config_ok(const struct arc_conceal_config *cfg)
{
    return cfg->sample_rate_hz >= MIN_HZ && cfg->sample_rate_hz <= MAX_HZ &&
           cfg->sample_rate_hz % 1000 == 0 &&
           (cfg->channels == 1 || cfg->channels == 2);
}

enum arc_status arc_conceal_new(const struct arc_conceal_config *cfg,
                                struct arc_conceal **out)
{
    struct arc_conceal *c;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    c = arc_mem_zalloc(1, sizeof(*c));
    if (!c)
        return ARC_ERR_NOMEM;
    c->rate_hz   = cfg->sample_rate_hz;
    c->channels  = cfg->channels;
    c->per_ms    = c->rate_hz / 1000;
    c->n_history = c->per_ms * HISTORY_MS;
    c->n_join    = c->per_ms * JOIN_MS;
    c->history = arc_mem_zalloc((size_t)(c->n_history * c->channels),
                                sizeof(*c->history));
    c->tail    = arc_mem_zalloc((size_t)(c->n_join * c->channels),
                                sizeof(*c->tail));
    c->mono    = arc_mem_zalloc((size_t)c->n_history, sizeof(*c->mono));
    if (!c->history || !c->tail || !c->mono) {
        arc_conceal_free(c);
        return ARC_ERR_NOMEM;
    }
    arc_conceal_reset(c);
    *out = c;
    return ARC_OK;
}

void arc_conceal_free(struct arc_conceal *c)
{
    if (!c)
        return;
    arc_mem_free(c->mono);
    arc_mem_free(c->tail);
    arc_mem_free(c->history);
    arc_mem_free(c);
}

void arc_conceal_reset(struct arc_conceal *c)
{
    memset(c->history, 0, (size_t)(c->n_history * c->channels) *
                              sizeof(*c->history));
    arc_fade_init(&c->fade, c->rate_hz, c->channels);
    c->lost   = false;
    c->joined = c->n_join;
}

static void remember(struct arc_conceal *c, const int16_t *pcm, int32_t n)
{
    const int32_t all = c->n_history * c->channels;
    int32_t add = n * c->channels;

    if (add > all) {
        pcm += add - all;
        add = all;
    }
    memmove(c->history, c->history + add,
            (size_t)(all - add) * sizeof(*c->history));
    memcpy(c->history + all - add, pcm, (size_t)add * sizeof(*c->history));
}

/** A period of the last audio again and again. */
static void repeat(const struct arc_conceal *c, int16_t *out, int32_t n)
{
    const int16_t *last = c->history + (c->n_history - c->period) * c->channels;

    for (int32_t i = 0; i < n * c->channels; i++)
        out[i] = last[i % (c->period * c->channels)];
}

/** From `a` to `b`: part `i + 1` of `n + 1`, level at both ends. */
static int16_t blend(int16_t a, int16_t b, int32_t i, int32_t n)
{
    float t = (float)(i + 1) / (float)(n + 1);

    t = t * t * (3.0f - 2.0f * t);
    return (int16_t)((float)a + ((float)b - (float)a) * t);
}

static void find_period(struct arc_conceal *c)
{
    struct arc_pitch p;

    for (int32_t i = 0; i < c->n_history; i++)
        c->mono[i] = (float)c->history[i * c->channels] +
                     (float)c->history[(i + 1) * c->channels - 1];
    p = arc_pitch_find(c->mono, c->n_history, c->rate_hz);
    c->period = p.period_samples >= 1.0f ? (int32_t)(p.period_samples + 0.5f)
                                         : c->per_ms * DEFAULT_PERIOD_MS;
}

void arc_conceal_on_audio(struct arc_conceal *c, int16_t *pcm, int32_t n)
{
    const struct arc_pcm heard = {.i16 = pcm};

    if (n <= 0)
        return;
    arc_fade_back(&c->fade, heard, n);
    for (int32_t i = 0; i < n && c->joined < c->n_join; i++, c->joined++)
        for (int32_t k = 0; k < c->channels; k++) {
            int16_t *s = &pcm[i * c->channels + k];

            *s = blend(c->tail[c->joined * c->channels + k], *s, c->joined,
                       c->n_join);
        }
    c->lost = false;
    remember(c, pcm, n);
}

/** The end of what was made up, towards what follows. */
static void lead_to(const struct arc_conceal *c, const int16_t *next,
                    int32_t n_next, int16_t *out, int32_t n)
{
    const int32_t period = c->period < n_next ? c->period : n_next;
    const int32_t span = n < c->n_join ? n : c->n_join;

    for (int32_t i = 0; i < span; i++)
        for (int32_t k = 0; k < c->channels; k++) {
            int32_t before = (period - 1 - (span - 1 - i) % period);
            int16_t *s = &out[(n - span + i) * c->channels + k];

            *s = blend(*s, next[before * c->channels + k], i, span);
        }
}

void arc_conceal_fill(struct arc_conceal *c, const int16_t *codec,
                      const int16_t *next, int32_t n_next, int16_t *out,
                      int32_t n)
{
    const struct arc_pcm made = {.i16 = out};

    if (!out || n <= 0 || n > c->per_ms * ARC_CONCEAL_MAX_MS)
        return;
    if (!c->lost)
        find_period(c);
    c->lost = true;
    if (codec)
        memcpy(out, codec, (size_t)(n * c->channels) * sizeof(*out));
    else
        repeat(c, out, n);
    arc_fade_lost(&c->fade, made, n);
    c->joined = c->n_join;
    if (next && n_next > 0) {
        lead_to(c, next, n_next, out, n);
        remember(c, out, n);
        return;
    }
    remember(c, out, n);
    c->joined = 0;
    repeat(c, c->tail, c->n_join);
}
