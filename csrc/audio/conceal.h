/**
 * @file audio/conceal.h  Made-up audio in place of lost, and the joins with what
 *                        was not lost
 *
 * Give every block that is heard, in order: true ones to arc_conceal_on_audio(),
 * and have the lost ones made by arc_conceal_fill(). The best result comes where
 * the audio after the gap is known already (`next`).
 *
 * Owner:   arc_conceal_new() makes it, arc_conceal_free() frees it.
 * Threads: one caller at a time.
 * Time:    none; the call order is the order of the sound.
 * Samples: int16, interleaved; `n` counts per channel.
 * Memory:  all of it is made in _new; of its own it needs what was heard last, and
 *          it works in memory that may be lent (base/scratch.h).
 */
#ifndef ARC_AUDIO_CONCEAL_H
#define ARC_AUDIO_CONCEAL_H

#include <stdint.h>

#include "base/scratch.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_CONCEAL_MAX_MS   120 /* of one call                             */
#define ARC_CONCEAL_HEARD_MS 140 /* that are remembered                     */

struct arc_conceal;

struct arc_conceal_config {
    int32_t sample_rate_hz; /* 8000..48000, a multiple of 1000              */
    int32_t channels;       /* 1 or 2                                       */
    struct arc_scratch *scratch; /* lent; NULL: it has its own              */
};

/** What it needs of `scratch`; 0: the configuration is not allowed. */
size_t          arc_conceal_scratch_bytes(const struct arc_conceal_config *cfg);

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, or ARC_ERR_SPACE (what is lent is
 *          too small) */
enum arc_status arc_conceal_new(const struct arc_conceal_config *cfg,
                                struct arc_conceal **out);
void            arc_conceal_free(struct arc_conceal *c);

/** Forget what was heard: another time line begins. */
void arc_conceal_reset(struct arc_conceal *c);

/**
 * True audio, in the order in which it will be heard. Right after a loss its
 * beginning is changed in place so that it joins smoothly.
 *
 * @param n 0 or more; any length
 */
void arc_conceal_on_audio(struct arc_conceal *c, int16_t *pcm, int32_t n);

/**
 * Make audio in place of lost. What it makes counts as heard.
 *
 * @param codec  What the codec itself extrapolated for the same n samples, or
 *               NULL
 * @param next   True audio that is known to follow these n samples directly, or
 *               NULL; 20 ms of it are enough
 * @param n_next Length of it; 0 with NULL
 * @param n      1 to ARC_CONCEAL_MAX_MS; out of this range nothing is done
 */
void arc_conceal_fill(struct arc_conceal *c, const int16_t *codec,
                      const int16_t *next, int32_t n_next, int16_t *out,
                      int32_t n);

/**
 * What was heard last, true and made up; zeros before the first.
 *
 * @param n 0..ARC_CONCEAL_HEARD_MS
 *
 * @return n samples, lent until the next call
 */
const int16_t *arc_conceal_heard(const struct arc_conceal *c, int32_t n);
/* ARC_CDEF_END */

#endif
