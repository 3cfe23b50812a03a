/**
 * @file audio/bridge.h  Audio over a gap, from its edges
 *
 * Between two edges a voice goes from the one waveform to the other, period by
 * period: the pitch glides, bent a little so that both are in phase, while
 * waveform and level cross over (prototype waveform interpolation, after Kleijn,
 * 1993). From one edge alone it goes on as it was.
 *
 * Owner:   nobody; plain functions.
 * Threads: any.
 * Samples: float, planar.
 */
#ifndef ARC_AUDIO_BRIDGE_H
#define ARC_AUDIO_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "audio/edge.h"
#include "base/rng.h"

#define ARC_BRIDGE_SCRATCH(n) (ARC_LPC_ORDER + (n)) /* floats                 */

/**
 * @param a       Edge before the gap
 * @param b       Edge after it, looked at in reversed time
 * @param scratch ARC_BRIDGE_SCRATCH(n) floats
 * @param led     Whether `out` holds another continuation of what was before,
 *                to be used instead of that from `a`
 * @param out     `channels` planes of n samples
 */
void arc_bridge_between(const struct arc_edge *a, const struct arc_edge *b,
                        struct arc_rng *rng, float *scratch, bool led,
                        float *const *out, int32_t n);

/** From `a` alone; arguments as above. */
void arc_bridge_onward(const struct arc_edge *a, struct arc_rng *rng,
                       float *scratch, float *const *out, int32_t n);

/**
 * Continue from `a` into true audio that is there already, over its first n
 * samples, in step with it.
 *
 * @param b   Edge of that audio, looked at in reversed time
 * @param out `channels` planes of true audio; their beginning is changed
 */
void arc_bridge_into(const struct arc_edge *a, const struct arc_edge *b,
                     float *const *out, int32_t n);

#endif
