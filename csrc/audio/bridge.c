/**
 * @file audio/bridge.c  Audio over a gap, from its edges
 */
#include <math.h>

#include "audio/bridge.h"

#ifdef TUNE
extern float tune[16];
#define WARP tune[6]
#define GEO tune[7]
#define WMID tune[3]
#else
/* How far the speed may be bent so that both edges are in phase: less than two
 * semitones. */
static const float WARP = 0.15f;
#endif

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

/** Periodic parts of one channel, from the one to the other. */
static void cross(const struct arc_edge *a, const struct arc_edge *b,
                  const struct path *p, int32_t channel, float *out, int32_t n)
{
    const float la = a->ch[channel].level, lb = b->ch[channel].level;
    const float step = powf(lb / la, 1.0f / (float)n);
    float phase = 0.0f, ga = a->voicing, gb = b->voicing * la / lb;

    for (int32_t i = 0; i < n; i++) {
        float w = smooth((float)i / (float)n), at = phase + p->bend * w;

        out[i] = (1.0f - w) * ga * arc_edge_at(a, channel, at) +
                 w * gb * arc_edge_at(b, channel, p->total + p->bend - at);
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

void arc_bridge_between(const struct arc_edge *a, const struct arc_edge *b,
                        struct arc_rng *rng, float *scratch, float *const *out,
                        int32_t n)
{
    const struct path p = plan(a, b, n);
    float *from = scratch + ARC_LPC_ORDER, *to = from + n + ARC_LPC_ORDER;

    for (int32_t c = 0; c < a->channels; c++) {
        cross(a, b, &p, c, out[c], n);
        arc_edge_noise(a, c, rng, from - ARC_LPC_ORDER, n);
        arc_edge_noise(b, c, rng, to - ARC_LPC_ORDER, n);
        for (int32_t i = 0; i < n; i++) {
            float w = smooth((float)i / (float)n);

            /* Noises are not alike, so their powers add up. */
            out[c][i] += sqrtf(1.0f - w) * from[i] + sqrtf(w) * to[n - 1 - i];
        }
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
