/**
 * @file audio/resample.h  Sample rate conversion, block by block (libswresample)
 *
 * A windowed sinc of 32 zero crossings at the lower of both rates, with a pass
 * band of 95 %. Counts are exact: what lasts a whole number of samples at both
 * rates, such as 10 ms of any of them, comes out as long as it went in, from the
 * first block on. The price is a constant latency, silence in front of the first
 * sample: arc_resampler_latency_us() tells it, 0.7 to 4.5 ms.
 *
 * Owner:   `_new` gives it, `_free` takes it (NULL is allowed).
 * Threads: one caller at a time.
 * Samples: int16 or float, interleaved; numbers of samples count per channel.
 * Memory:  libswresample's buffers grow with the first block to their full size.
 */
#ifndef ARC_AUDIO_RESAMPLE_H
#define ARC_AUDIO_RESAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_RESAMPLER_MAX_MS 1000 /* of audio in one call */

struct arc_resampler; /* opaque */

struct arc_resampler_config {
    int32_t in_rate_hz;  /* 8000, 12000, 16000, 24000, 32000, 44100 or 48000   */
    int32_t out_rate_hz; /* likewise; the same: samples are copied             */
    int32_t channels;    /* 1 or 2                                             */
    bool    is_float;    /* float -1..1, else int16                            */
};

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_LIBRARY */
enum arc_status arc_resampler_new(const struct arc_resampler_config *cfg,
                                  struct arc_resampler **out);
void            arc_resampler_free(struct arc_resampler *r);

/** How much later a sample comes out than it went in. */
int32_t arc_resampler_latency_us(const struct arc_resampler *r);

/** Samples that `n_in` become; -1: that is not a whole number of them, or longer
 *  than ARC_RESAMPLER_MAX_MS. */
int32_t arc_resampler_count(const struct arc_resampler *r, int32_t n_in);

/**
 * Convert a block.
 *
 * @param in   n_in * channels samples of the configured type
 * @param n_in 1.., with a whole arc_resampler_count()
 * @param out  Room for exactly that many; not the memory of `in`
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_LIBRARY
 */
enum arc_status arc_resampler_run(struct arc_resampler *r, const void *in,
                                  int32_t n_in, void *out);

/** libswresample that is loaded: major << 16 | minor << 8 | micro. */
uint32_t arc_resampler_version_loaded(void);
/* ARC_CDEF_END */

#endif
