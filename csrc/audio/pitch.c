/**
 * @file audio/pitch.c  Period of a voice or a tone
 */
#include <math.h>

#include "audio/pitch.h"

enum {
    COARSE_HZ  = 4000,
    SPAN_MS    = 40, /* of the signal that is looked at                      */
    WINDOW_MS  = 10, /* compared with what lies a period before              */
    SHORTEST_MS = 3, /* such a window, where the signal is short             */
    COARSE_MAX = 2 * COARSE_HZ / 1000 * SPAN_MS, /* rates are no multiples    */
};

/* Of two periods, one a multiple of the other, the shorter one is right if it
 * is this much as good. */
static const float AS_GOOD = 0.85f;

/** Normalised correlation of the last `w` of the n samples with those `lag`
 *  before. */
static float correlation(const float *x, int32_t n, int32_t w, int32_t lag)
{
    const float *a = x + n - w, *b = a - lag;
    float ab = 0.0f, aa = 1e-9f, bb = 1e-9f;

    for (int32_t i = 0; i < w; i++) {
        ab += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
    }
    return ab / sqrtf(aa * bb);
}

static int32_t window_for(int32_t n, int32_t lag, int32_t per_ms)
{
    int32_t w = n - lag;

    return w < per_ms * WINDOW_MS ? w : per_ms * WINDOW_MS;
}

/** Mean of each `step` samples, the newest last. @return how many */
static int32_t decimate(const float *x, int32_t n, int32_t step, float *out)
{
    int32_t m = n / step;

    x += n - m * step;
    for (int32_t i = 0; i < m; i++) {
        float sum = 0.0f;

        for (int32_t k = 0; k < step; k++)
            sum += x[i * step + k];
        out[i] = sum;
    }
    return m;
}

/** The lag that stands for the period, of correlations r[lo..hi]. */
static int32_t choose(const float *r, int32_t lo, int32_t hi)
{
    int32_t best = lo;

    for (int32_t lag = lo; lag <= hi; lag++)
        if (r[lag] > r[best])
            best = lag;
    for (int32_t part = 4; part > 1; part--) {
        int32_t at = (best + part / 2) / part, top = at;

        if (at < lo + 1)
            continue;
        for (int32_t lag = at - 1; lag <= at + 1; lag++)
            if (r[lag] > r[top])
                top = lag;
        if (r[top] > AS_GOOD * r[best])
            return top;
    }
    return best;
}

/** Top of the parabola through three points at -1, 0 and 1. */
static float top_of(float left, float mid, float right)
{
    float bend = left - 2.0f * mid + right;
    float at = bend < -1e-6f ? 0.5f * (left - right) / bend : 0.0f;

    return at < -0.5f ? -0.5f : at > 0.5f ? 0.5f : at;
}

/** The period near `lag` at the full rate, and between the samples. */
static struct arc_pitch refine(const float *x, int32_t n, int32_t lag,
                               int32_t step, int32_t per_ms)
{
    const int32_t w = window_for(n, lag + step + 1, per_ms);
    float left, mid = -2.0f, right;
    int32_t best = lag;
    struct arc_pitch p;

    for (int32_t at = lag - step; at <= lag + step; at++) {
        float c = correlation(x, n, w, at);

        if (c > mid) {
            mid  = c;
            best = at;
        }
    }
    left  = correlation(x, n, w, best - 1);
    right = correlation(x, n, w, best + 1);
    p.period_samples = (float)best + top_of(left, mid, right);
    p.corr           = mid;
    return p;
}

struct arc_pitch arc_pitch_find(const float *x, int32_t n, int32_t rate_hz)
{
    const int32_t per_ms = rate_hz / 1000, step = rate_hz / COARSE_HZ;
    const struct arc_pitch none = {0.0f, 0.0f};
    float coarse[COARSE_MAX], r[COARSE_MAX];
    int32_t m, lo, hi, longest;

    if (n > per_ms * SPAN_MS) {
        x += n - per_ms * SPAN_MS;
        n = per_ms * SPAN_MS;
    }
    m       = decimate(x, n, step, coarse);
    lo      = rate_hz / ARC_PITCH_MAX_HZ / step;
    hi      = rate_hz / ARC_PITCH_MIN_HZ / step;
    longest = m - per_ms * SHORTEST_MS / step;
    if (hi > longest)
        hi = longest;
    if (hi < lo + 2)
        return none;
    for (int32_t lag = lo; lag <= hi; lag++)
        r[lag] = correlation(coarse, m, window_for(m, lag, per_ms / step), lag);
    return refine(x, n, choose(r, lo, hi) * step, step, per_ms);
}
