/**
 * @file audio/edge.c  One edge of a gap: how the audio there would go on into it
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "audio/edge.h"
#include "audio/pitch.h"

enum {
    POINTS      = 128, /* of a cycle, to compare two; a power of two           */
    LPC_MS      = 20,
    RING_MS     = 5,
    CLOSE_PART  = 4,   /* of the cycle: where its ends are made to meet       */
    DEFAULT_MS  = 10,  /* period of what has none                             */
};

/* A period, and the part of the one before into which its end goes. */
static const float NEEDS_PERIODS = 1.25f;

/* Correlation from which there is a period at all, and from which there is
 * nothing else; and how loud the noise is beside it. Chosen by PLCMOS and PESQ. */
static const float VOICE_NONE = 0.1f, VOICE_ALL = 0.6f, NOISE = 0.7f;

/** Cubic (Catmull-Rom) between p[0] and p[1]; t in 0..1. */
static float between(const float *p, float t)
{
    float a = p[-1], b = p[0], c = p[1], d = p[2];

    return b + 0.5f * t * (c - a + t * (2.0f * a - 5.0f * b + 4.0f * c - d +
                                        t * (3.0f * (b - c) + d - a)));
}

/** Sample at a place that need not be whole; far enough from both ends. */
static float sample_at(const float *x, float place)
{
    float whole = floorf(place);

    return between(x + (int32_t)whole, place - whole);
}

/** Root mean square, never 0. */
static float rms(const float *x, int32_t n)
{
    float sum = 1e-6f;

    for (int32_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrtf(sum / (float)n);
}

/** The last period; towards its end it becomes the end of the one before, which
 *  goes on in the beginning of this one. cycle[1] is phase 0. */
static void close_cycle(struct arc_edge_channel *ch, const float *x, int32_t n,
                        float period)
{
    const float start = (float)n - period, blend = period / CLOSE_PART;

    for (int32_t i = -1; i < (int32_t)ceilf(period) + 3; i++) {
        float at = start + (float)i, w = ((float)i - period + blend) / blend;

        if (w < 0.0f)
            ch->cycle[i + 1] = sample_at(x, at);
        else if (w > 1.0f || at > (float)(n - 3)) /* nothing newer is there */
            ch->cycle[i + 1] = sample_at(x, at - period);
        else
            ch->cycle[i + 1] = (1.0f - w) * sample_at(x, at) +
                               w * sample_at(x, at - period);
    }
    ch->level = rms(ch->cycle + 1, (int32_t)period);
}

/** What the periodic part leaves of the last samples, and how it rings down. */
static void let_ring(struct arc_edge *e, struct arc_edge_channel *ch,
                     const float *x, int32_t n)
{
    float part[ARC_LPC_ORDER + ARC_EDGE_MAX_RING] = {0.0f};

    for (int32_t k = 0; k < ARC_LPC_ORDER; k++) {
        int32_t at = n - ARC_LPC_ORDER + k;

        part[k] = x[at] - e->voicing *
                              sample_at(x, (float)at - e->period_samples);
    }
    arc_lpc_synthesise(&ch->lpc, part + ARC_LPC_ORDER, e->n_ring);
    for (int32_t i = 0; i < e->n_ring; i++) {
        float t = 1.0f - (float)i / (float)e->n_ring;

        ch->ring[i] = part[ARC_LPC_ORDER + i] * t * t * (3.0f - 2.0f * t);
    }
}

static float clamp(float v, float low, float high)
{
    return v < low ? low : v > high ? high : v;
}

void arc_edge_set_voicing(struct arc_edge *e, float *const *plane, int32_t n,
                          float voicing)
{
    e->voicing = voicing;
    for (int32_t c = 0; c < e->channels; c++)
        let_ring(e, &e->ch[c], plane[c], n);
}

void arc_edge_look(struct arc_edge *e, float *const *plane, const float *mono,
                   int32_t channels, int32_t n, int32_t rate_hz)
{
    const int32_t per_ms = rate_hz / 1000;
    const int32_t n_lpc = n < per_ms * LPC_MS ? n : per_ms * LPC_MS;
    const float longest = ((float)n - ARC_LPC_ORDER - 4.0f) / NEEDS_PERIODS;
    const struct arc_pitch p = arc_pitch_find(mono, n, rate_hz);
    float r[ARC_LPC_ORDER + 1], period = p.period_samples;

    if (period == 0.0f)
        period = (float)(per_ms * DEFAULT_MS);
    e->channels       = channels;
    e->n_ring         = per_ms * RING_MS;
    e->period_samples = clamp(period, 2.0f, longest);
    for (int32_t c = 0; c < channels; c++) {
        close_cycle(&e->ch[c], plane[c], n, e->period_samples);
        arc_lpc_correlate(plane[c] + n - n_lpc, n_lpc, r);
        arc_lpc_solve(&e->ch[c].lpc, r);
    }
    arc_edge_set_voicing(e, plane, n,
                         clamp((p.corr - VOICE_NONE) / (VOICE_ALL - VOICE_NONE),
                               0.0f, 1.0f));
}

float arc_edge_at(const struct arc_edge *e, int32_t channel, float phase)
{
    float place = (phase - floorf(phase)) * e->period_samples;

    return sample_at(e->ch[channel].cycle + 1, place);
}

void arc_edge_noise(const struct arc_edge *e, int32_t channel,
                    struct arc_rng *rng, float *out, int32_t n)
{
    const struct arc_lpc *lpc = &e->ch[channel].lpc;
    const float rest = 1.0f - e->voicing * e->voicing;
    const float peak = NOISE * lpc->error * sqrtf(3.0f * rest); /* uniform, of rms 1 */

    memset(out, 0, ARC_LPC_ORDER * sizeof(*out));
    out += ARC_LPC_ORDER;
    for (int32_t i = 0; i < n; i++)
        out[i] = peak * (2.0f * (float)arc_rng_unit(rng) - 1.0f);
    arc_lpc_synthesise(lpc, out, n);
}

static void draw(const struct arc_edge *e, int32_t channel, float *out)
{
    for (int32_t i = 0; i < POINTS; i++)
        out[i] = arc_edge_at(e, channel, (float)i / POINTS);
}

float arc_edge_meet(const struct arc_edge *a, const struct arc_edge *b,
                    float around, float reach)
{
    const int32_t far = (int32_t)(clamp(reach, 0.0f, 0.5f) * POINTS);
    float x[ARC_EDGE_CHANNELS][POINTS], y[ARC_EDGE_CHANNELS][POINTS];
    float best = -FLT_MAX, best_off = 0.0f;

    for (int32_t c = 0; c < a->channels; c++) {
        draw(a, c, x[c]);
        draw(b, c, y[c]);
    }
    for (int32_t k = 0; k <= 2 * far; k++) { /* 0, 1, -1, 2, -2 ... */
        int32_t off = k & 1 ? (k + 1) / 2 : -(k / 2);
        int32_t turn = (int32_t)floorf(around * POINTS + 0.5f) + off;
        float sum = 0.0f;

        for (int32_t c = 0; c < a->channels; c++)
            for (int32_t i = 0; i < POINTS; i++)
                sum += x[c][i] * y[c][(turn - i) & (POINTS - 1)];
        if (sum > best) {
            best     = sum;
            best_off = (float)off / POINTS;
        }
    }
    return around + best_off;
}
