/**
 * @file audio/edge.h  One edge of a gap: how the audio there would go on into it
 *
 * Two parts make the continuation: the last period, again and again, read at any
 * speed; and noise with the same spectral envelope. A voice is mostly the first,
 * a fricative the second. What the first does not explain of the last samples
 * rings down, so that the continuation begins without a step.
 *
 * The edge after a gap is the same with time reversed.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Samples: float of any scale, planar, the one nearest to the gap last.
 */
#ifndef ARC_AUDIO_EDGE_H
#define ARC_AUDIO_EDGE_H

#include <stdint.h>

#include "audio/lpc.h"
#include "base/rng.h"

#define ARC_EDGE_CHANNELS   2
#define ARC_EDGE_MIN_MS     8   /* of audio at an edge: less tells too little  */
#define ARC_EDGE_MAX_PERIOD 800 /* samples: 16 ms at 48 kHz and some more      */
#define ARC_EDGE_MAX_RING   240 /* samples: 5 ms at 48 kHz                     */

struct arc_edge_channel {
    float cycle[ARC_EDGE_MAX_PERIOD + 4]; /* closes on itself; [1] is phase 0 */
    float ring[ARC_EDGE_MAX_RING];
    float level; /* rms of the cycle                                          */
    struct arc_lpc lpc;
};

struct arc_edge {
    int32_t channels;
    int32_t n_ring;
    float   period_samples;
    float   voicing; /* amplitude of the periodic part, 0..1                  */
    struct arc_edge_channel ch[ARC_EDGE_CHANNELS];
};

/**
 * Find period, voicing and envelope of an edge.
 *
 * @param plane `channels` planes of n samples
 * @param mono  Their sum, in which the period is found
 * @param n     At least ARC_EDGE_MIN_MS
 */
void arc_edge_look(struct arc_edge *e, float *const *plane, const float *mono,
                   int32_t channels, int32_t n, int32_t rate_hz);

/** Fix the voicing, and let ring what is left by it. */
void arc_edge_set_voicing(struct arc_edge *e, float *const *plane, int32_t n,
                          float voicing);

/** The periodic part, of amplitude 1, at `phase` periods from the edge. */
float arc_edge_at(const struct arc_edge *e, int32_t channel, float phase);

/**
 * The other part: noise of the power that the voicing leaves.
 *
 * @param out ARC_LPC_ORDER + n samples: the noise begins at out[ARC_LPC_ORDER]
 */
void arc_edge_noise(const struct arc_edge *e, int32_t channel,
                    struct arc_rng *rng, float *out, int32_t n);

/**
 * Where two edges meet best: the phase of `a` at which `b` is at 0.
 *
 * @param around Phase looked around, in periods
 * @param reach  How far around
 *
 * @return A phase in around - reach .. around + reach
 */
float arc_edge_meet(const struct arc_edge *a, const struct arc_edge *b,
                    float around, float reach);

#endif
