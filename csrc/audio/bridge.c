/**
 * @file audio/bridge.c  Audio over a gap, from its edges
 */
#include <math.h>

#include "audio/bridge.h"

/* How far the speed may be bent so that both edges are in phase: less than a
 * semitone. By PESQ more is worse than edges that do not meet. */
static const float WARP = 0.05f;

/** 0..1 to 0..1, level at both ends. */
static float smooth(float t)
{
    t = t < 0.0f ? 0.0f : t > 1.0f ? 1.0f : t;
    return t * t * (3.0f - 2.0f * t);
}

/** How the phase goes from one edge to the other. */
struct path {
    float p0, p1; /* periods at both ends, samples                            */
    float total;  /* phase at the last sample, without the bend               */
    float bend;
};

static float speed(const struct path *p, int32_t i, int32_t n)
{
    return 1.0f / (p->p0 + (p->p1 - p->p0) * (float)i / (float)n);
}

static struct path plan(const struct arc_edge *a, const struct arc_edge *b,
                        int32_t n)
{
    struct path p = {a->period_samples, b->period_samples, 0.0f, 0.0f};

    if (a->voicing <= 0.0f) /* what has no period takes that of the other */
        p.p0 = p.p1;
    if (b->voicing <= 0.0f)
        p.p1 = p.p0;
    for (int32_t i = 0; i < n - 1; i++)
        p.total += speed(&p, i, n);
    if (a->voicing > 0.0f && b->voicing > 0.0f)
        p.bend = arc_edge_meet(a, b, p.total, WARP * p.total) - p.total;
    return p;
}

/** Periodic parts of one channel, from the one to the other. What is `led` in
 *  `out` stands for the first. */
static void cross(const struct arc_edge *a, const struct arc_edge *b,
                  const struct path *p, int32_t channel, bool led, float *out,
                  int32_t n)
{
    const float la = a->ch[channel].level, lb = b->ch[channel].level;
    const float step = powf(lb / la, 1.0f / (float)n);
    float phase = 0.0f, ga = a->voicing, gb = b->voicing * la / lb;

    for (int32_t i = 0; i < n; i++) {
        float w = smooth((float)i / (float)n), at = phase + p->bend * w;
        float from = led ? sqrtf(1.0f - w) * out[i]
                         : (1.0f - w) * ga * arc_edge_at(a, channel, at);

        out[i] = from + w * gb * arc_edge_at(b, channel,
                                             p->total + p->bend - at);
        phase += speed(p, i, n);
        ga *= step;
        gb *= step;
    }
}

static void add_ring(const struct arc_edge *e, int32_t channel, float *out,
                     int32_t step, int32_t n)
{
    const float *ring = e->ch[channel].ring;

    for (int32_t i = 0; i < n && i < e->n_ring; i++)
        out[i * step] += ring[i];
}

/** Noises of one channel: not alike, so their powers add up. */
static void cross_noises(const struct arc_edge *a, const struct arc_edge *b,
                         struct arc_rng *rng, float *scratch, int32_t channel,
                         bool led, float *out, int32_t n)
{
    const float *noise = scratch + ARC_LPC_ORDER;

    arc_edge_noise(b, channel, rng, scratch, n);
    for (int32_t i = 0; i < n; i++)
        out[i] += sqrtf(smooth((float)i / (float)n)) * noise[n - 1 - i];
    if (led)
        return;
    arc_edge_noise(a, channel, rng, scratch, n);
    for (int32_t i = 0; i < n; i++)
        out[i] += sqrtf(1.0f - smooth((float)i / (float)n)) * noise[i];
}

void arc_bridge_between(const struct arc_edge *a, const struct arc_edge *b,
                        struct arc_rng *rng, float *scratch, bool led,
                        float *const *out, int32_t n)
{
    const struct path p = plan(a, b, n);

    for (int32_t c = 0; c < a->channels; c++) {
        cross(a, b, &p, c, led, out[c], n);
        cross_noises(a, b, rng, scratch, c, led, out[c], n);
        if (!led)
            add_ring(a, c, out[c], 1, n);
        add_ring(b, c, out[c] + n - 1, -1, n);
    }
}

void arc_bridge_onward(const struct arc_edge *a, struct arc_rng *rng,
                       float *scratch, float *const *out, int32_t n)
{
    const float *noise = scratch + ARC_LPC_ORDER;

    for (int32_t c = 0; c < a->channels; c++) {
        arc_edge_noise(a, c, rng, scratch, n);
        for (int32_t i = 0; i < n; i++)
            out[c][i] = noise[i] + a->voicing *
                                       arc_edge_at(a, c, (float)i /
                                                             a->period_samples);
        add_ring(a, c, out[c], 1, n);
    }
}

void arc_bridge_into(const struct arc_edge *a, const struct arc_edge *b,
                     float *const *out, int32_t n)
{
    const float slow = 1.0f / b->period_samples;
    float bend = 0.0f;

    if (a->voicing > 0.0f && b->voicing > 0.0f)
        bend = slow + arc_edge_meet(a, b, -slow, WARP * (float)n /
                                                     a->period_samples);
    for (int32_t c = 0; c < a->channels; c++)
        for (int32_t i = 0; i < n; i++) {
            float t = (float)(i + 1) / (float)(n + 1), w = smooth(t);
            float phase = (float)i / a->period_samples + bend * smooth(2.0f * t);
            float on = a->voicing * arc_edge_at(a, c, phase);

            if (i < a->n_ring)
                on += a->ch[c].ring[i];
            out[c][i] = on + (out[c][i] - on) * w;
        }
}
