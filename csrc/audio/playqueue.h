/**
 * @file audio/playqueue.h  Sound that is there before its time, handed out in time
 *
 * A speech synthesiser gives ten seconds in half a second. They wait here and leave
 * frame by frame, each when its time has come: the first at once, the others one
 * frame after the one before. What is put in before the last frame's end follows
 * without a hole; later, it begins anew. A last piece shorter than a frame is filled
 * up with silence once it is due.
 *
 * Bounded: what does not fit is refused whole. Who comes more than
 * ARC_PLAYQUEUE_LATE_US late gets no burst of frames: the rest is played later.
 *
 * Owner:   `_new` gives it, `_free` takes it (NULL is allowed).
 * Threads: one caller at a time.
 * Samples: int16, interleaved; counted per channel.
 */
#ifndef ARC_AUDIO_PLAYQUEUE_H
#define ARC_AUDIO_PLAYQUEUE_H

#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_PLAYQUEUE_MAX_MS   600000
#define ARC_PLAYQUEUE_LATE_US  200000

struct arc_playqueue; /* opaque */

struct arc_playqueue_config {
    int32_t sample_rate_hz; /* 8000..48000                                    */
    int32_t channels;       /* 1 or 2                                         */
    int32_t frame_samples;  /* of what is handed out at a time                */
    int32_t max_ms;         /* of sound that waits; 1..ARC_PLAYQUEUE_MAX_MS   */
};

/** What became of the sound since the last flush, or since `_new`. */
struct arc_played {
    int64_t played_us;  /* handed out                                         */
    int64_t waiting_us; /* not yet; of a flush: what it threw away            */
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_playqueue_new(const struct arc_playqueue_config *cfg,
                                  struct arc_playqueue **out);
void            arc_playqueue_free(struct arc_playqueue *q);

/** Put sound behind what waits; all of it or nothing.
 *  @return ARC_OK, ARC_ERR_ARG or ARC_ERR_BUSY (it does not fit) */
enum arc_status arc_playqueue_put(struct arc_playqueue *q, const int16_t *pcm,
                                  int32_t n, int64_t now_us);

/**
 * Hand out a frame that is due.
 *
 * @param pcm    Room for frame_samples * channels
 * @param at_us  When it is to be heard: at most now_us
 *
 * @return ARC_OK or ARC_AGAIN (nothing until arc_playqueue_next_us())
 */
enum arc_status arc_playqueue_take(struct arc_playqueue *q, int64_t now_us,
                                   int16_t *pcm, int64_t *at_us);

/** When a frame is due next; ARC_NEVER_US: nothing waits. */
int64_t arc_playqueue_next_us(const struct arc_playqueue *q);

void arc_playqueue_get(const struct arc_playqueue *q, struct arc_played *out);

/** Throw away what waits, tell what became of all, and count anew. */
void arc_playqueue_flush(struct arc_playqueue *q, struct arc_played *out);
/* ARC_CDEF_END */

#endif
