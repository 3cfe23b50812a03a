/**
 * @file audio/background.c  The noise behind a talker: level and spectral envelope
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "audio/background.h"

/* A block is of the background if it is less than 6 dB above the quietest one. */
static const float QUIET = 4.0f;

/* Mean over so many blocks: 200 ms. */
enum { MEAN_BLOCKS = 10 };

static const float UNIFORM = 1.7320508f; /* peak of uniform noise of rms 1     */

void arc_background_init(struct arc_background *b, int32_t channels,
                         int32_t rate_hz)
{
    memset(b, 0, sizeof(*b));
    b->channels = channels;
    b->per_ms   = rate_hz / 1000;
    for (int32_t i = 0; i < ARC_BACKGROUND_WINDOWS; i++)
        b->least[i] = FLT_MAX;
}

static float floor_of(const struct arc_background *b)
{
    float least = FLT_MAX;

    for (int32_t i = 0; i < ARC_BACKGROUND_WINDOWS; i++)
        if (b->least[i] < least)
            least = b->least[i];
    return least;
}

static void next_window(struct arc_background *b, int32_t n)
{
    b->in_window += n;
    if (b->in_window < b->per_ms * ARC_BACKGROUND_WINDOW_MS)
        return;
    b->in_window = 0;
    b->window    = (b->window + 1) % ARC_BACKGROUND_WINDOWS;
    b->least[b->window] = FLT_MAX;
}

static void take_in(struct arc_background *b, float *const *plane, int32_t at,
                    int32_t n)
{
    float r[ARC_LPC_ORDER + 1];

    b->n_quiet += b->n_quiet < MEAN_BLOCKS;
    for (int32_t c = 0; c < b->channels; c++) {
        arc_lpc_correlate(plane[c] + at, n, r);
        for (int32_t k = 0; k <= ARC_LPC_ORDER; k++)
            b->ch[c].r[k] += (r[k] - b->ch[c].r[k]) / (float)b->n_quiet;
    }
    b->stale = true;
}

void arc_background_on_audio(struct arc_background *b, float *const *plane,
                             int32_t n, int32_t added)
{
    const int32_t block = b->per_ms * ARC_BACKGROUND_BLOCK_MS;
    float power = 0.0f, before;

    b->waiting += added;
    if (b->waiting < block)
        return;
    for (int32_t c = 0; c < b->channels; c++)
        for (int32_t i = n - block; i < n; i++)
            power += plane[c][i] * plane[c][i];
    next_window(b, b->waiting);
    b->waiting = 0;
    before = floor_of(b);
    if (power < b->least[b->window])
        b->least[b->window] = power;
    if (power * QUIET < before)
        b->n_quiet = 0; /* it was no background before */
    if (power <= floor_of(b) * QUIET)
        take_in(b, plane, n - block, block);
}

void arc_background_make(struct arc_background *b, int32_t channel,
                         struct arc_rng *rng, float *out, int32_t n)
{
    struct arc_background_channel *ch = &b->ch[channel];
    float *x = out + ARC_LPC_ORDER;

    if (b->stale)
        for (int32_t c = 0; c < b->channels; c++)
            arc_lpc_solve(&b->ch[c].lpc, b->ch[c].r);
    b->stale = false;
    memcpy(out, ch->memory, sizeof(ch->memory));
    for (int32_t i = 0; i < n; i++)
        x[i] = ch->lpc.error * UNIFORM *
               (2.0f * (float)arc_rng_unit(rng) - 1.0f);
    arc_lpc_synthesise(&ch->lpc, x, n);
    memcpy(ch->memory, x + n - ARC_LPC_ORDER, sizeof(ch->memory));
}
