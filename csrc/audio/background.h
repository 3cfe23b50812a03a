/**
 * @file audio/background.h  The noise behind a talker: level and spectral envelope
 *
 * Minimum statistics (after Martin, 2001): the quietest 20 ms of the last two
 * seconds tell where the background lies, and the mean autocorrelation of all
 * blocks that are nearly as quiet tells how it sounds.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Time:    counted in samples; all of them have to be shown.
 * Samples: float of any scale, planar.
 */
#ifndef ARC_AUDIO_BACKGROUND_H
#define ARC_AUDIO_BACKGROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "audio/lpc.h"
#include "base/rng.h"

#define ARC_BACKGROUND_CHANNELS 2
#define ARC_BACKGROUND_WINDOWS  8   /* of ARC_BACKGROUND_WINDOW_MS each       */
#define ARC_BACKGROUND_WINDOW_MS 250
#define ARC_BACKGROUND_BLOCK_MS 20

struct arc_background_channel {
    float r[ARC_LPC_ORDER + 1]; /* mean of the quiet blocks                   */
    float memory[ARC_LPC_ORDER];
    struct arc_lpc lpc;
};

struct arc_background {
    int32_t channels;
    int32_t per_ms;
    int32_t waiting;  /* samples since the last block                         */
    int32_t in_window;
    int32_t window;
    int32_t n_quiet;  /* blocks in the mean, at most a few                    */
    bool    stale;    /* lpc is older than r                                  */
    float   least[ARC_BACKGROUND_WINDOWS]; /* power of the quietest block     */
    struct arc_background_channel ch[ARC_BACKGROUND_CHANNELS];
};

void arc_background_init(struct arc_background *b, int32_t channels,
                         int32_t rate_hz);

/**
 * More has been heard.
 *
 * @param plane Planes of what was heard last
 * @param n     Length of each, at least 20 ms
 * @param added How many of them are new
 */
void arc_background_on_audio(struct arc_background *b, float *const *plane,
                             int32_t n, int32_t added);

/**
 * Make noise like it.
 *
 * @param out ARC_LPC_ORDER + n samples: the noise begins at out[ARC_LPC_ORDER]
 */
void arc_background_make(struct arc_background *b, int32_t channel,
                         struct arc_rng *rng, float *out, int32_t n);

#endif
