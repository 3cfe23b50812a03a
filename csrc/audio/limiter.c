/**
 * @file audio/limiter.c  Keeps a sum of sounds below full scale
 *
 * The gain that each sample needs passes a minimum over the look-ahead, a slow way
 * back up, and a mean over the look-ahead. When a sample leaves the delay line
 * every value in that mean is at most what it needs, and so is the mean.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "audio/limiter.h"
#include "base/mem.h"
#include "base/units.h"

#define RELEASE_S 0.07f /* time constant: 95 % back after 0.2 s */

struct arc_limiter {
    int32_t channels;
    int32_t ahead;    /* samples                                              */
    int32_t at;       /* place in the lines                                   */
    int64_t now;      /* samples taken                                        */
    float   release;  /* of what is missing to 1, for each sample             */
    float   envelope;
    double  sum;      /* of `recent`                                          */
    float   gain;
    float  *line;     /* ahead * channels: samples on their way               */
    float  *recent;   /* ahead: envelopes                                     */
    /* Falling values whose places rise: the first is the least of the window. */
    float   *least;
    int64_t *place;
    int32_t  head, count;
};

enum arc_status arc_limiter_new(int32_t sample_rate_hz, int32_t channels,
                                struct arc_limiter **out)
{
    struct arc_limiter *l;
    size_t n;

    if (!out || sample_rate_hz < 8000 || sample_rate_hz > 48000 ||
        channels < 1 || channels > 2)
        return ARC_ERR_ARG;
    l = arc_mem_zalloc(1, sizeof(*l));
    if (!l)
        return ARC_ERR_NOMEM;
    l->channels = channels;
    l->ahead    = (int32_t)((int64_t)sample_rate_hz * ARC_LIMITER_AHEAD_US / ARC_US_PER_S);
    l->release  = 1.0f - expf(-1.0f / (RELEASE_S * (float)sample_rate_hz));
    l->envelope = l->gain = 1.0f;
    n = (size_t)l->ahead;
    l->line   = arc_mem_zalloc(n * (size_t)channels, sizeof(*l->line));
    l->recent = arc_mem_zalloc(n, sizeof(*l->recent));
    l->least  = arc_mem_zalloc(n + 1, sizeof(*l->least));
    l->place  = arc_mem_zalloc(n + 1, sizeof(*l->place));
    if (!l->line || !l->recent || !l->least || !l->place) {
        arc_limiter_free(l);
        return ARC_ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++)
        l->recent[i] = 1.0f;
    l->sum = (double)l->ahead;
    *out = l;
    return ARC_OK;
}

void arc_limiter_free(struct arc_limiter *l)
{
    if (!l)
        return;
    arc_mem_free(l->line);
    arc_mem_free(l->recent);
    arc_mem_free(l->least);
    arc_mem_free(l->place);
    arc_mem_free(l);
}

/** Take the gain that the newest sample needs. @return the least in the window */
static float window_least(struct arc_limiter *l, float need)
{
    const int32_t room = l->ahead + 1;

    while (l->count > 0 && l->least[(l->head + l->count - 1) % room] >= need)
        l->count--;
    if (l->count > 0 && l->place[l->head] <= l->now - room) {
        l->head = (l->head + 1) % room;
        l->count--;
    }
    l->least[(l->head + l->count) % room] = need;
    l->place[(l->head + l->count) % room] = l->now;
    l->count++;
    return l->least[l->head];
}

/** The gain for the sample that leaves the line now. */
static float next_gain(struct arc_limiter *l, float peak)
{
    float need  = peak > ARC_LIMITER_CEILING ? ARC_LIMITER_CEILING / peak : 1.0f;
    float least = window_least(l, need);
    float up    = l->envelope + l->release * (1.0f - l->envelope);

    l->envelope = up < least ? up : least;
    if (l->envelope > 0.9999f)
        l->envelope = 1.0f < least ? 1.0f : least; /* all the way back */
    l->sum += (double)l->envelope - (double)l->recent[l->at];
    l->recent[l->at] = l->envelope;
    return (float)(l->sum / l->ahead);
}

void arc_limiter_run(struct arc_limiter *l, float *pcm, int32_t n)
{
    const int32_t c = l->channels;

    for (int32_t i = 0; i < n; i++) {
        float peak = 0.0f;

        for (int32_t ch = 0; ch < c; ch++) {
            float v = pcm[i * c + ch];

            if (v != v) /* NaN */
                v = pcm[i * c + ch] = 0.0f;
            peak = fabsf(v) > peak ? fabsf(v) : peak;
        }
        l->gain = next_gain(l, peak);
        for (int32_t ch = 0; ch < c; ch++) {
            float *slot = &l->line[l->at * c + ch];
            float leaving = *slot;

            *slot = pcm[i * c + ch];
            pcm[i * c + ch] = leaving * l->gain;
        }
        l->at = (l->at + 1) % l->ahead;
        l->now++;
    }
}

float arc_limiter_gain(const struct arc_limiter *l)
{
    return l->gain;
}
