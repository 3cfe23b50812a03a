/**
 * @file audio/opuscodec_dred.h  Deep redundancy: lost audio from a later packet
 *
 * A packet may carry a coarse description of the last second (draft-ietf-mlcodec-
 * opus-dred); libopus 1.5 and later makes sound of it when it was built to. Where it
 * was not, or this core was compiled with an older one, `_new` says so.
 *
 * Owner:   `_new` gives it, `_free` takes it (NULL is allowed).
 * Threads: one caller at a time, that of the decoder.
 * Samples: at the decoder's rate, per channel.
 */
#ifndef ARC_AUDIO_OPUSCODEC_DRED_H
#define ARC_AUDIO_OPUSCODEC_DRED_H

#include <stdint.h>

#include "audio/opuscodec.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
struct arc_opus_dred; /* opaque */

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, ARC_ERR_LIBRARY or
 *          ARC_ERR_UNSUPPORTED (there is no DRED here) */
enum arc_status arc_opus_dred_new(struct arc_opus_dec *d,
                                  struct arc_opus_dred **out);
void            arc_opus_dred_free(struct arc_opus_dred *r);

/**
 * Read the redundancy of a packet.
 *
 * @param before_out So many samples before the packet's own begin with it
 *
 * @return ARC_OK, ARC_AGAIN (there is none in it), ARC_ERR_ARG, ARC_ERR_CODEC
 */
enum arc_status arc_opus_dred_parse(struct arc_opus_dred *r, const uint8_t *data,
                                    int32_t len, int32_t *before_out);

/**
 * Make lost audio of what was read last; in order, without a gap, and then the
 * packet itself.
 *
 * @param before    Where it begins: so many samples before the packet's own
 * @param n_samples A multiple of 2.5 ms, up to 120 ms, not beyond `before`
 *
 * @return ARC_OK, ARC_AGAIN (it does not reach back so far), ARC_ERR_ARG,
 *         ARC_ERR_CODEC
 */
enum arc_status arc_opus_dred_decode(struct arc_opus_dred *r, int32_t before,
                                     int16_t *out, int32_t n_samples);
/* ARC_CDEF_END */

#endif
