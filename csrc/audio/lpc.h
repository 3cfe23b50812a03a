/**
 * @file audio/lpc.h  Linear prediction: the spectral envelope of a signal
 *
 * Autocorrelation method with a Hann window, Levinson-Durbin recursion. The
 * filter is x[i] ~ sum of a[k] * x[i-1-k]; the inverse of what is left by it has
 * the envelope of the signal, is always stable, and rings down as the signal
 * would.
 *
 * Owner:   the caller; plain functions on the caller's memory.
 * Threads: any.
 * Samples: float of any scale, one channel, the newest last.
 */
#ifndef ARC_AUDIO_LPC_H
#define ARC_AUDIO_LPC_H

#include <stdint.h>

#define ARC_LPC_ORDER       24
#define ARC_LPC_MAX_SAMPLES 1440 /* analysed at once: 30 ms at 48 kHz         */

struct arc_lpc {
    float a[ARC_LPC_ORDER];
    float error; /* rms of what it does not predict                          */
};

/** Autocorrelation of n (at most ARC_LPC_MAX_SAMPLES) samples at lags
 *  0..ARC_LPC_ORDER, a sample. */
void arc_lpc_correlate(const float *x, int32_t n, float *r_out);

/** Filter for such an autocorrelation, or for a mean of several. */
void arc_lpc_solve(struct arc_lpc *lpc, const float *r);

/**
 * Filter `n` samples in place: each becomes itself and its prediction.
 *
 * @param x The samples; x[-ARC_LPC_ORDER .. -1] is what was put out before
 */
void arc_lpc_synthesise(const struct arc_lpc *lpc, float *x, int32_t n);

#endif
