/**
 * @file audio/adec.h  One interface to every audio decoder
 *
 * A packet's payload in, samples out, at the codec's own rate (Opus: the rate
 * asked for). What is made up for lost audio keeps its level: fading and joining
 * are the caller's (audio/conceal).
 * Which codecs there are, and their rates, stands in audio/audiocodec.h.
 *
 * Owner:    `_new` gives it, `_free` takes it (NULL is allowed).
 * Threads:  one caller at a time.
 * Samples:  int16, interleaved; `n_samples` and `cap_samples` count per channel
 *           at arc_adec_rate_hz().
 */
#ifndef ARC_AUDIO_ADEC_H
#define ARC_AUDIO_ADEC_H

#include <stdbool.h>
#include <stdint.h>

#include "audio/audiocodec.h"
#include "base/scratch.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_ADEC_MAX_MS      200  /* of one packet (RFC 3551 §4.2); Opus: 120 */
#define ARC_ADEC_MAX_SAMPLES 9600 /* 200 ms at 48 kHz, per channel            */

struct arc_adec_config {
    int32_t codec;          /* enum arc_audio_codec, not CN                   */
    int32_t sample_rate_hz; /* Opus: 8000, 12000, 16000, 24000 or 48000, what
                               comes out; L16: 8000..48000, what is sent;
                               others have one rate, and this is not read     */
    int32_t channels;       /* 1 or 2, that come out. L16: as they are sent;
                               of the others mono comes out in both of two    */
    bool    heals;          /* Opus: arc_adec_heal() is used                  */
    struct arc_scratch *scratch; /* for healing: lent; NULL: it has its own   */
};

/** What it needs of `scratch`. */
size_t arc_adec_scratch_bytes(const struct arc_adec_config *cfg);

struct arc_adec; /* opaque */

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, ARC_ERR_LIBRARY, ARC_ERR_SPACE (what
 *          is lent is too small), or ARC_ERR_UNSUPPORTED (the codec is not in this
 *          build) */
enum arc_status arc_adec_new(const struct arc_adec_config *cfg,
                             struct arc_adec **out);
void            arc_adec_free(struct arc_adec *d);

/** Rate of the samples that come out. */
int32_t arc_adec_rate_hz(const struct arc_adec *d);

/** Rate of the RTP time stamps, which is not always that of the samples. */
int32_t arc_adec_clock_hz(const struct arc_adec *d);

/** Length of a packet's audio, from its headers or its size; 0: malformed. */
int32_t arc_adec_packet_samples(const struct arc_adec *d, const uint8_t *data,
                                int32_t len);

/**
 * Decode a packet.
 *
 * @param data          Payload from the network; any bytes are safe
 * @param cap_samples   Room in `out`; ARC_ADEC_MAX_SAMPLES always suffices
 * @param n_samples_out Samples written; untouched on a fault
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_SPACE, or ARC_ERR_CODEC (damaged; the
 *         decoder goes on with the next packet)
 */
enum arc_status arc_adec_decode(struct arc_adec *d, const uint8_t *data,
                                int32_t len, int16_t *out, int32_t cap_samples,
                                int32_t *n_samples_out);

/**
 * Rebuild the lost audio right before `next_data` from the in-band FEC in it.
 * Decode `next_data` itself afterwards.
 *
 * @param n_samples Length of the loss, a multiple of 2.5 ms, up to 120 ms; all
 *                  of it is filled
 *
 * @return ARC_OK; ARC_AGAIN (none in it, or it covers more than n_samples;
 *         nothing was done), ARC_ERR_ARG or ARC_ERR_CODEC
 */
enum arc_status arc_adec_decode_fec(struct arc_adec *d,
                                    const uint8_t *next_data, int32_t len,
                                    int16_t *out, int32_t n_samples);

/**
 * Make lost audio of the deep redundancy (DRED) of a later packet: in order, without
 * a gap, and then that packet itself. Opus by a libopus that has it; read once a packet.
 *
 * @param number    Of the later packet, which tells it from others
 * @param before    Where the lost audio begins: so many samples before the packet's own
 * @param n_samples A multiple of 2.5 ms, up to 120 ms, not beyond `before`
 *
 * @return ARC_OK; ARC_AGAIN (none in it, or it does not reach back so far, or this
 *         libopus has none; nothing was done), ARC_ERR_ARG or ARC_ERR_CODEC
 */
enum arc_status arc_adec_decode_dred(struct arc_adec *d, int64_t number,
                                     const uint8_t *data, int32_t len,
                                     int32_t before, int16_t *out,
                                     int32_t n_samples);

/**
 * The codec's own extrapolation in place of lost audio; moves its state on.
 *
 * @param n_samples A multiple of 2.5 ms, up to 120 ms
 *
 * @return ARC_OK; ARC_AGAIN (the codec has none; nothing was done),
 *         ARC_ERR_ARG or ARC_ERR_CODEC
 */
enum arc_status arc_adec_conceal(struct arc_adec *d, int16_t *out,
                                 int32_t n_samples);

/**
 * Remember the decoder as it is, before a loss is concealed: for arc_adec_heal().
 * Does nothing in a decoder that does not heal.
 * Costs a copy of the decoder; to be called at a loss only.
 */
void arc_adec_mark(struct arc_adec *d);

/**
 * Go back to the mark: what was missing has come, and nothing needs be concealed.
 *
 * @return ARC_OK, or ARC_AGAIN (the codec has no state to go back to)
 */
enum arc_status arc_adec_rewind(struct arc_adec *d);

/**
 * Go back to the mark and from there through audio that was made up for the gap
 * (audio/conceal), so that what follows is not damaged by the codec's own
 * extrapolation (audio/opuscodec_heal.h). Decode the packet after the gap again
 * afterwards.
 *
 * @param next_data Packet after the gap
 * @param before    ARC_OPUS_HEAL_BEFORE_MS of what was heard before the gap
 * @param made      What was made up, n_made samples: 10 ms, or a multiple, up to
 *                  120 ms
 * @param after     ARC_OPUS_HEAL_AFTER_MS of what follows the gap, decoded once
 * @param out       `made` as the codec renders it, joined to what follows; may
 *                  be `made`
 *
 * @return ARC_OK; ARC_AGAIN (nothing to heal in this codec or packet, or not
 *         opened with `heals`: nothing was done, `made` and what was decoded stay good), ARC_ERR_ARG, or
 *         ARC_ERR_CODEC (the decoder is at the mark)
 */
enum arc_status arc_adec_heal(struct arc_adec *d, const uint8_t *next_data,
                              int32_t len, const int16_t *before,
                              const int16_t *made, int32_t n_made,
                              const int16_t *after, int16_t *out);

/**
 * Background noise while the sender is silent on purpose (DTX). Arguments as
 * arc_adec_conceal().
 *
 * @return ARC_OK; ARC_AGAIN (the codec has none, or the sender has not told of
 *         its noise: arc_adec_set_noise()), ARC_ERR_ARG or ARC_ERR_CODEC
 */
enum arc_status arc_adec_comfort(struct arc_adec *d, int16_t *out,
                                 int32_t n_samples);

/**
 * Take a packet of comfort noise (RFC 3389: another payload type than the codec's,
 * 13 by RFC 3551): how the noise sounds from now on. It begins silence; how long
 * that lasts, the next packet of the codec says.
 *
 * @return ARC_OK; ARC_AGAIN (the codec, as Opus, tells of noise in its own
 *         packets), ARC_ERR_ARG or ARC_ERR_CODEC (empty)
 */
enum arc_status arc_adec_set_noise(struct arc_adec *d, const uint8_t *sid,
                                   int32_t len);
/* ARC_CDEF_END */

#endif
