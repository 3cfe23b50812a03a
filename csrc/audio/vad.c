/**
 * @file audio/vad.c  Voice activity: whether somebody speaks
 */
#include <math.h>
#include <string.h>

#include "audio/vad.h"

enum {
    FRAMES_A_SPAN = 20,  /* of 10 ms                                          */
    ONSET_FRAMES  = 2,
    LONG_FRAMES   = 10,  /* voice as long as that is a word, not a knock      */
    HANG_LONG     = 20,
    HANG_SHORT    = 6,
};

/* Half an octave wide at each end of where speech has its power. */
static const float centre_hz[ARC_VAD_BANDS] = {250.0f, 600.0f, 1300.0f, 2800.0f};

#define BAND_Q      0.9f
#define SMOOTH      0.3f    /* weight of the newest frame                     */
#define FLOOR_BIAS  1.6f    /* mean of smoothed noise over its minimum        */
#define LEAST       1e-9f   /* -90 dBFS: below it nothing is voice            */
#define BEGIN_DB    6.0f    /* mean of the bands over their noise             */
#define STAY_DB     3.5f
#define MOST_DB     20.0f   /* one band alone does not make a voice           */

/** Coefficients of the usual digital band-pass with a peak gain of 1. */
static void tune(struct arc_vad_band *b, float hz, float rate_hz)
{
    float w = 2.0f * 3.14159265f * hz / rate_hz;
    float alpha = sinf(w) / (2.0f * BAND_Q), a0 = 1.0f + alpha;

    b->b0 = alpha / a0;
    b->a1 = -2.0f * cosf(w) / a0;
    b->a2 = (1.0f - alpha) / a0;
}

enum arc_status arc_vad_init(struct arc_vad *v, int32_t sample_rate_hz,
                             int32_t channels)
{
    if (!v || sample_rate_hz < 8000 || sample_rate_hz > 48000 || channels < 1 ||
        channels > 2)
        return ARC_ERR_ARG;
    memset(v, 0, sizeof(*v));
    v->rate_hz  = sample_rate_hz;
    v->channels = channels;
    for (int32_t i = 0; i < ARC_VAD_BANDS; i++)
        tune(&v->bands[i], centre_hz[i], (float)sample_rate_hz);
    return ARC_OK;
}

static float floor_of(const struct arc_vad_band *b)
{
    float least = b->low[0];

    for (int32_t i = 1; i < ARC_VAD_SUBSPANS; i++)
        if (b->low[i] < least)
            least = b->low[i];
    return FLOOR_BIAS * least + LEAST;
}

/** Power of the frame that has ended, in one band. @return dB over its noise */
static float end_band(struct arc_vad *v, struct arc_vad_band *b)
{
    float power = b->sum / (float)(v->rate_hz / 100), over;

    b->sum = 0.0f;
    if (!v->started) {
        b->smooth = power;
        for (int32_t i = 0; i < ARC_VAD_SUBSPANS; i++)
            b->low[i] = power;
    }
    over = 10.0f * log10f((power + LEAST) / floor_of(b));
    b->smooth += SMOOTH * (power - b->smooth);
    if (v->frames == 0 || b->smooth < b->low[v->span])
        b->low[v->span] = b->smooth;
    return over < 0.0f ? 0.0f : over > MOST_DB ? MOST_DB : over;
}

static void decide(struct arc_vad *v)
{
    if (v->snr_db > (v->voice ? STAY_DB : BEGIN_DB))
        v->high++;
    else
        v->high = 0;
    if (v->high >= (v->voice ? 1 : ONSET_FRAMES)) {
        int32_t hang = v->high >= LONG_FRAMES ? HANG_LONG : HANG_SHORT;

        if (v->hang < hang)
            v->hang = hang;
    } else if (v->hang > 0) {
        v->hang--;
    }
    v->voice = v->hang > 0;
}

static void end_frame(struct arc_vad *v)
{
    float sum = 0.0f;

    for (int32_t i = 0; i < ARC_VAD_BANDS; i++)
        sum += end_band(v, &v->bands[i]);
    v->started = true;
    v->snr_db  = sum / ARC_VAD_BANDS;
    v->fill    = 0;
    if (++v->frames == FRAMES_A_SPAN) {
        v->frames = 0;
        v->span   = (v->span + 1) % ARC_VAD_SUBSPANS;
    }
    decide(v);
}

/** One sample through all bands. @return whether a frame has ended as voice */
static bool on_sample(struct arc_vad *v, float x)
{
    for (int32_t i = 0; i < ARC_VAD_BANDS; i++) {
        struct arc_vad_band *b = &v->bands[i];
        float in = b->b0 * x;
        float y = in + b->z1;

        b->z1 = b->z2 - b->a1 * y;
        b->z2 = -in - b->a2 * y;
        b->sum += y * y;
    }
    if (++v->fill < v->rate_hz / 100)
        return false;
    end_frame(v);
    return v->voice;
}

bool arc_vad_on_i16(struct arc_vad *v, const int16_t *pcm, int32_t n)
{
    bool voice = v->voice;

    for (int32_t i = 0; i < n; i++) {
        float x = pcm[i * v->channels];

        if (v->channels == 2)
            x = 0.5f * (x + (float)pcm[2 * i + 1]);
        voice |= on_sample(v, x / 32768.0f);
    }
    return voice;
}

static float clean(float x)
{
    if (x != x) /* NaN */
        return 0.0f;
    return x > 1.0f ? 1.0f : x < -1.0f ? -1.0f : x;
}

bool arc_vad_on_f32(struct arc_vad *v, const float *pcm, int32_t n)
{
    bool voice = v->voice;

    for (int32_t i = 0; i < n; i++) {
        float x = clean(pcm[i * v->channels]);

        if (v->channels == 2)
            x = 0.5f * (x + clean(pcm[2 * i + 1]));
        voice |= on_sample(v, x);
    }
    return voice;
}
