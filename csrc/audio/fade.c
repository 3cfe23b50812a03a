/**
 * @file audio/fade.c  Level of concealed audio: how it goes and how it returns
 */
#include <math.h>
#include <string.h>

#include "audio/fade.h"

void arc_fade_init(struct arc_fade *f, int32_t sample_rate_hz, int32_t channels)
{
    const int32_t per_ms = sample_rate_hz / 1000;

    memset(f, 0, sizeof(*f));
    f->channels      = channels;
    f->start_samples = per_ms * ARC_FADE_START_MS;
    f->end_samples   = per_ms * ARC_FADE_END_MS;
    f->in_samples    = per_ms * ARC_FADE_IN_MS;
    f->back_samples  = f->in_samples;
    f->gain          = 1.0f;
    f->from          = 1.0f;
    /* 60 dB on the way down, so that the cut to zero is not heard. */
    f->step = powf(10.0f, -60.0f / 20.0f /
                              (float)(f->end_samples - f->start_samples));
}

/** Multiply sample `i` of every channel. */
static void scale(const struct arc_fade *f, struct arc_pcm pcm, int32_t i)
{
    for (int32_t c = i * f->channels; c < (i + 1) * f->channels; c++) {
        if (pcm.i16)
            pcm.i16[c] = (int16_t)((float)pcm.i16[c] * f->gain);
        else
            pcm.f32[c] *= f->gain;
    }
}

void arc_fade_lost(struct arc_fade *f, struct arc_pcm pcm, int32_t n_samples)
{
    for (int32_t i = 0; i < n_samples; i++) {
        if (f->lost_samples >= f->end_samples)
            f->gain = 0.0f;
        else if (f->lost_samples++ >= f->start_samples)
            f->gain *= f->step;
        if (f->gain < 1.0f)
            scale(f, pcm, i);
    }
    f->from         = f->gain;
    f->back_samples = f->gain < 1.0f ? 0 : f->in_samples;
}

void arc_fade_back(struct arc_fade *f, struct arc_pcm pcm, int32_t n_samples)
{
    f->lost_samples = 0;
    for (int32_t i = 0; i < n_samples && f->back_samples < f->in_samples; i++) {
        float t = (float)++f->back_samples / (float)f->in_samples;

        /* The cubic is level at both ends, as a raised cosine is. */
        f->gain = f->from + (1.0f - f->from) * t * t * (3.0f - 2.0f * t);
        scale(f, pcm, i);
    }
}
