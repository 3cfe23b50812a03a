/**
 * @file audio/level.c  Level of one packet's audio, as RFC 6464 sends it
 */
#include <math.h>

#include "audio/level.h"

static int32_t level_of(double mean_square)
{
    double minus_db;

    if (mean_square <= 0.0)
        return ARC_LEVEL_SILENCE;
    minus_db = floor(-10.0 * log10(mean_square) + 0.5);
    if (minus_db < 0.0)
        return 0;
    return minus_db > ARC_LEVEL_SILENCE ? ARC_LEVEL_SILENCE : (int32_t)minus_db;
}

int32_t arc_level_i16(const int16_t *pcm, size_t n_samples)
{
    const double overload = 32767.0; /* RFC 6465 appendix A: Short.MAX_VALUE */
    int64_t sum = 0;                 /* 2^33 samples before it overflows      */

    if (!pcm || n_samples == 0)
        return ARC_LEVEL_SILENCE;
    for (size_t i = 0; i < n_samples; i++)
        sum += (int64_t)pcm[i] * pcm[i];
    return level_of((double)sum / (double)n_samples / (overload * overload));
}

int32_t arc_level_f32(const float *pcm, size_t n_samples)
{
    double sum = 0.0;

    if (!pcm || n_samples == 0)
        return ARC_LEVEL_SILENCE;
    for (size_t i = 0; i < n_samples; i++) {
        double v = pcm[i];

        if (v > 1.0 || v < -1.0)
            v = 1.0;
        if (v == v) /* not NaN */
            sum += v * v;
    }
    return level_of(sum / (double)n_samples);
}
