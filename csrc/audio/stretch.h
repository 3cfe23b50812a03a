/**
 * @file audio/stretch.h  Time stretching: a little less or more of the same sound
 *
 * A play-out buffer that has too much waiting takes audio out, and one that runs
 * dry puts some in. Both happen here by one piece of 2.5 to 15 ms a call: the
 * waveform is joined with itself one or more pitch periods away, where it is most
 * alike, so that pitch and spectrum stay and only the duration changes (waveform
 * similarity overlap-add: Verhelst and Roelands, ICASSP 1993). Joins are measured
 * over all channels together and made at one place for all of them, so a stereo
 * image stays where it is.
 *
 * What a join does to the sound is estimated as its harm, 0 (nobody hears it) to
 * about 1 (a syllable is damaged): how unlike the joined waveforms are, less where
 * it is quiet or the sound is noise anyway, more where a burst would be doubled or
 * swallowed. `urgency` says how much harm is allowed:
 *
 *   0    only quiet passages and strongly periodic sound
 *   0.5  most of the speech, but no onsets and bursts
 *   1    wherever in this audio it does the least harm
 *
 * Owner:   `_new` gives it, `_free` takes it (NULL is allowed).
 * Threads: one caller at a time.
 * Samples: int16, interleaved; every number of samples counts per channel.
 * Memory:  all of it made by `_new`; it works in memory that may be lent
 *          (base/scratch.h).
 */
#ifndef ARC_AUDIO_STRETCH_H
#define ARC_AUDIO_STRETCH_H

#include <stdint.h>

#include "base/scratch.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_STRETCH_MAX_MS     120  /* of audio in one call                    */
#define ARC_STRETCH_MIN_US     2500 /* of one change: the period of 400 Hz     */
#define ARC_STRETCH_MAX_US     15000 /* likewise: the period of 67 Hz          */
#define ARC_STRETCH_BEFORE_MS  30   /* of `before` that are looked at          */

struct arc_stretch; /* opaque */

struct arc_stretch_config {
    int32_t sample_rate_hz; /* 8000..48000                                    */
    int32_t channels;       /* 1 or 2                                         */
    struct arc_scratch *scratch; /* lent; NULL: it has its own                */
};

struct arc_stretch_stats {
    int64_t shortened;       /* calls that took something out                 */
    int64_t lengthened;      /* calls that put something in                   */
    int64_t refused;         /* calls that found no good place                */
    int64_t removed_samples;
    int64_t added_samples;
    double  last_harm;       /* of the best join of the last call, 0..        */
};

/** What it needs of `scratch`; 0: the configuration is not allowed. */
size_t          arc_stretch_scratch_bytes(const struct arc_stretch_config *cfg);

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, or ARC_ERR_SPACE (what is lent is
 *          too small) */
enum arc_status arc_stretch_new(const struct arc_stretch_config *cfg,
                                struct arc_stretch **out);
void            arc_stretch_free(struct arc_stretch *s);

/**
 * Take one piece out of pcm[0..*n) in place.
 *
 * Needs 5 ms of audio at least, and finds better places in more: 30 ms hold two
 * periods of the lowest voice.
 *
 * @param before      What was heard just before pcm, as context; may be NULL
 * @param n_before    Samples of it, 0..; the last ARC_STRETCH_BEFORE_MS are used
 * @param n           In: samples in pcm, 0..ARC_STRETCH_MAX_MS. Out: fewer
 * @param max_removed Samples, 0..; no more than that is taken out
 * @param urgency     0..1, see above
 *
 * @return ARC_OK, ARC_AGAIN (no good place; pcm and n are unchanged) or
 *         ARC_ERR_ARG
 */
enum arc_status arc_stretch_shorten(struct arc_stretch *s,
                                    const int16_t *before, int32_t n_before,
                                    int16_t *pcm, int32_t *n,
                                    int32_t max_removed, double urgency);

/**
 * Put one more piece into pcm[0..*n) in place.
 *
 * Needs 2.5 ms of audio at least, and before or in it the period to repeat.
 *
 * @param cap       Samples that pcm has room for, at least *n
 * @param max_added Samples, 0..; no more than that is put in
 *
 * @return ARC_OK, ARC_AGAIN (no good place, or no room; pcm and n are unchanged)
 *         or ARC_ERR_ARG
 */
enum arc_status arc_stretch_lengthen(struct arc_stretch *s,
                                     const int16_t *before, int32_t n_before,
                                     int16_t *pcm, int32_t *n, int32_t cap,
                                     int32_t max_added, double urgency);

void arc_stretch_get_stats(const struct arc_stretch *s,
                           struct arc_stretch_stats *out);
/* ARC_CDEF_END */

#endif
