/**
 * @file rx/voicequeue.h  Sound that is made but not yet heard, and what it is
 *
 * Samples in the order of hearing, in pieces of one origin each, with the last
 * ones that were heard in front of them (time stretching looks back).
 *
 * Owner:   the struct is part of its user; the samples are the user's memory.
 * Threads: one caller at a time.
 * Time:    media time in ticks, unwrapped; arrivals in monotonic us.
 * Samples: int16, interleaved, counted per channel.
 */
#ifndef ARC_RX_VOICEQUEUE_H
#define ARC_RX_VOICEQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define ARC_VOICEQUEUE_PIECES 128

struct arc_voicepiece {
    int64_t ts;         /* media time of its first sample that is left       */
    int64_t arrival_us; /* of its packet; -1: none                           */
    int32_t ticks;      /* media time that is left in it                     */
    int32_t n;          /* samples left                                      */
    int32_t inserted;   /* of these, made by stretching                      */
    int32_t bytes;      /* of its packet, until the first sample is out      */
    int32_t doubt;      /* not 0: lost or a pause? number of the question    */
    uint8_t kind;       /* enum arc_voice_kind                               */
    bool    gap;
    bool    voice;
    int8_t  told_level; /* by the header of its packet, -dBov; -1: by none   */
};

struct arc_voicequeue {
    int16_t              *pcm;      /* n_before_max + room samples           */
    int32_t               channels;
    int32_t               room;     /* samples that may wait                 */
    int32_t               n;        /* samples that wait                     */
    int32_t               n_before; /* heard samples that are there          */
    int32_t               n_before_max;
    int32_t               n_pieces;
    struct arc_voicepiece pieces[ARC_VOICEQUEUE_PIECES];
};

/** @param pcm Lent: (n_before_max + room) * channels samples */
void arc_voicequeue_init(struct arc_voicequeue *q, int16_t *pcm,
                         int32_t channels, int32_t n_before_max, int32_t room);

/** Drop what waits and forget what was heard. */
void arc_voicequeue_clear(struct arc_voicequeue *q);

/** First sample that waits; `n` are there. */
int16_t *arc_voicequeue_pcm(struct arc_voicequeue *q);

/** Where the next samples go; arc_voicequeue_space() fit. */
int16_t *arc_voicequeue_tail(struct arc_voicequeue *q);
int32_t  arc_voicequeue_space(const struct arc_voicequeue *q);

/** The `piece->n` samples at the tail are of this origin. @return false: no room
 *  (nothing was done) */
bool arc_voicequeue_push(struct arc_voicequeue *q,
                         const struct arc_voicepiece *piece);

/** The samples that wait were stretched to `n` in place: the last pieces are
 *  shorter, or the last one longer. @param removed By enum arc_voice_kind;
 *  samples of each kind that are no more are added */
void arc_voicequeue_resize(struct arc_voicequeue *q, int32_t n,
                           int32_t *removed);

/** Take the first `n` samples out of the first piece, which has as many; they
 *  count as heard. @param out Its share: n, inserted, ticks of what was taken */
void arc_voicequeue_take(struct arc_voicequeue *q, int32_t n,
                         struct arc_voicepiece *out);

/** The first `n` samples, of all that wait at most, are not heard. @param removed
 *  By enum arc_voice_kind; samples of each kind that are no more are added */
void arc_voicequeue_skip(struct arc_voicequeue *q, int32_t n, int32_t *removed);

/** Forget all heard samples but the last n_before_max, and close ranks. After
 *  the last take of a block; moves the samples that wait. */
void arc_voicequeue_settle(struct arc_voicequeue *q);

#endif
