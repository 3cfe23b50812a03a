/**
 * @file audio/opuscodec_heal.h  Put an Opus decoder right after a loss
 *
 * SILK predicts each frame from the audio before it. After a loss a decoder has
 * its own extrapolation there, and what it decodes next is damaged by it for some
 * tens of milliseconds. Where better audio was made for the gap (audio/conceal),
 * the decoder can be told: the audio is encoded, by an encoder of our own, and
 * decoded in the place of what was lost. Then the next packet is decoded once more.
 *
 *     arc_opus_heal_mark()        before the loss is concealed
 *     arc_opus_dec_conceal(), arc_opus_dec_decode() of the next packet
 *     arc_conceal_fill() between the two
 *     arc_opus_heal_run()         the decoder is where it would be without a loss
 *     arc_opus_dec_decode() of the next packet again
 *
 * Owner:   arc_opus_heal_new() makes it, arc_opus_heal_free() frees it.
 * Memory:  made in _new: the mark, which is a decoder. The encoder works in memory
 *          that may be lent (base/scratch.h).
 * Threads: one caller at a time.
 * Samples: int16, interleaved; counts are per channel, at the decoder's rate.
 */
#ifndef ARC_AUDIO_OPUSCODEC_HEAL_H
#define ARC_AUDIO_OPUSCODEC_HEAL_H

#include <stdint.h>

#include "audio/opuscodec.h"
#include "base/scratch.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_OPUS_HEAL_BEFORE_MS 20 /* of what was heard before the loss       */
#define ARC_OPUS_HEAL_AFTER_MS  7  /* of what follows: the encoder's delay    */

struct arc_opus_heal; /* opaque */

/** What it needs of `scratch`. */
size_t          arc_opus_heal_scratch_bytes(int32_t sample_rate_hz,
                                            int32_t channels);

/**
 * @param sample_rate_hz Of the decoder: 8000, 12000, 16000, 24000 or 48000
 * @param channels       Of the decoder, 1 or 2
 * @param scratch        Lent; NULL: it has its own
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, ARC_ERR_LIBRARY, or ARC_ERR_SPACE
 *         (what is lent is too small)
 */
enum arc_status arc_opus_heal_new(int32_t sample_rate_hz, int32_t channels,
                                  struct arc_scratch *scratch,
                                  struct arc_opus_heal **out);
void            arc_opus_heal_free(struct arc_opus_heal *h);

/** Remember a decoder as it is. @return ARC_OK, ARC_ERR_ARG (another rate) */
enum arc_status arc_opus_heal_mark(struct arc_opus_heal *h,
                                   const struct arc_opus_dec *d);

/** Take a decoder back to the mark. @return as arc_opus_heal_mark() */
enum arc_status arc_opus_heal_rewind(const struct arc_opus_heal *h,
                                     struct arc_opus_dec *d);

/**
 * Take a decoder back to the mark, and from there through made-up audio.
 *
 * @param toc    First byte of a packet of the stream: its bandwidth and channels
 * @param before ARC_OPUS_HEAL_BEFORE_MS of what was heard before the gap
 * @param made   n_made samples for the gap
 * @param n_made A multiple of 10 ms, up to 120 ms
 * @param after  ARC_OPUS_HEAL_AFTER_MS of what follows the gap
 * @param out    n_made samples: `made` as the codec renders it, without a step
 *               at either end; may be `made`
 *
 * @return ARC_OK; ARC_AGAIN (a CELT-only stream, which needs no healing, or a
 *         length that it cannot do: nothing was done); ARC_ERR_ARG; or
 *         ARC_ERR_CODEC (the decoder is at the mark)
 */
enum arc_status arc_opus_heal_run(struct arc_opus_heal *h,
                                  struct arc_opus_dec *d, uint8_t toc,
                                  const int16_t *before, const int16_t *made,
                                  int32_t n_made, const int16_t *after,
                                  int16_t *out);
/* ARC_CDEF_END */

#endif
