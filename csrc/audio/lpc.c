/**
 * @file audio/lpc.c  Linear prediction: the spectral envelope of a signal
 */
#include <math.h>
#include <string.h>

#include "audio/lpc.h"

static const double TWO_PI = 6.283185307179586;

/* -40 dB of white noise, and lags weighted for a smoother envelope: they keep
 * the recursion well-conditioned and the ringing short. */
static const float WHITE  = 1.0001f;
static const float NARROW = 0.0004f;

/* A Hann window has 3/8 of the power of none. */
static const float WINDOW_POWER = 0.375f;

/** Windowed copy. The cosine is made by its recurrence. */
static void weigh(const float *x, int32_t n, float *out)
{
    const double turn = TWO_PI / n, twice = 2.0 * cos(turn);
    double now = cos(0.5 * turn), last = now; /* cos is even: one before is equal */

    for (int32_t i = 0; i < n; i++) {
        double next = twice * now - last;

        out[i] = x[i] * (float)(0.5 - 0.5 * now);
        last   = now;
        now    = next;
    }
}

/** Sum of a[i] * b[i], in four strands that the processor can do at once. */
static float dot(const float *a, const float *b, int32_t n)
{
    float s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int32_t i = 0;

    for (; i + 4 <= n; i += 4) {
        s0 += a[i] * b[i];
        s1 += a[i + 1] * b[i + 1];
        s2 += a[i + 2] * b[i + 2];
        s3 += a[i + 3] * b[i + 3];
    }
    for (; i < n; i++)
        s0 += a[i] * b[i];
    return s0 + s1 + s2 + s3;
}

void arc_lpc_correlate(const float *x, int32_t n, float *r_out)
{
    float w[ARC_LPC_MAX_SAMPLES];

    memset(r_out, 0, (ARC_LPC_ORDER + 1) * sizeof(*r_out));
    if (n <= ARC_LPC_ORDER)
        return;
    weigh(x, n, w);
    for (int32_t lag = 0; lag <= ARC_LPC_ORDER; lag++)
        r_out[lag] = dot(w + lag, w, n - lag) / (WINDOW_POWER * (float)n);
}

void arc_lpc_solve(struct arc_lpc *lpc, const float *r)
{
    float *a = lpc->a, left = r[0] * WHITE + 1e-9f;
    float last[ARC_LPC_ORDER], s[ARC_LPC_ORDER + 1];

    memset(a, 0, sizeof(lpc->a));
    for (int32_t lag = 1; lag <= ARC_LPC_ORDER; lag++)
        s[lag] = r[lag] * expf(-NARROW * (float)(lag * lag));
    for (int32_t m = 0; m < ARC_LPC_ORDER; m++) {
        float sum = s[m + 1], k;

        for (int32_t i = 0; i < m; i++)
            sum -= a[i] * s[m - i];
        k = sum / left;
        if (!(k > -1.0f && k < 1.0f)) /* rounding: it would not be stable */
            break;
        memcpy(last, a, sizeof(last));
        a[m] = k;
        for (int32_t i = 0; i < m; i++)
            a[i] = last[i] - k * last[m - 1 - i];
        left *= 1.0f - k * k;
    }
    lpc->error = sqrtf(left > 0.0f ? left : 0.0f);
}

void arc_lpc_synthesise(const struct arc_lpc *lpc, float *x, int32_t n)
{
    float turned[ARC_LPC_ORDER];

    for (int32_t k = 0; k < ARC_LPC_ORDER; k++)
        turned[k] = lpc->a[ARC_LPC_ORDER - 1 - k];
    for (int32_t i = 0; i < n; i++)
        x[i] += dot(turned, x + i - ARC_LPC_ORDER, ARC_LPC_ORDER);
}
