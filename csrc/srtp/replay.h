/**
 * @file srtp/replay.h  Anti-replay window of one SRTP or SRTCP source
 *
 * RFC 3711 §3.3.2. The bitmap is a ring, as in RFC 6479, and each of its words
 * also names the 64 indices it stands for. A word that names others is simply
 * out of date, so the window moves by any distance without clearing anything:
 * check and commit touch one word, whatever the window and the jump.
 *
 * Owner:   the caller gives struct and words; no free is needed.
 * Threads: one caller at a time.
 * Order:   check -> authenticate -> commit. `check` is const on purpose: a
 *          packet that fails authentication must leave no trace (§3.3, steps
 *          2 and 5), or one forged packet could silence the real sender.
 */
#ifndef ARC_SRTP_REPLAY_H
#define ARC_SRTP_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_REPLAY_WINDOW_MIN_PKTS     64 /* RFC 3711 §3.3.2 */
#define ARC_REPLAY_WINDOW_DEFAULT_PKTS 128
#define ARC_REPLAY_WORD_BITS           64
#define ARC_REPLAY_WINDOW_MAX_PKTS     32768 /* half the sequence numbers */

struct arc_replay_word {
    uint64_t block; /* stands for the indices 64 * block + 0..63 */
    uint64_t seen;  /* bit i: index 64 * block + i was committed */
};

struct arc_replay {
    struct arc_replay_word *words; /* arc_replay_words() of them, lent      */
    uint32_t mask;                 /* words - 1                             */
    uint32_t window_pkts;          /* indices head - window + 1 .. head     */
    uint64_t head;                 /* highest committed index               */
    bool     started;              /* false until the first commit          */
};

/** Words that a window needs, a power of two; 0: the size is out of range. */
size_t arc_replay_words(int32_t window_pkts);

/**
 * Start an empty window.
 *
 * @param words       arc_replay_words(window_pkts) of them, any content
 * @param window_pkts 64..32768
 */
void arc_replay_init(struct arc_replay *w, struct arc_replay_word *words,
                     int32_t window_pkts);

/** @return ARC_OK, ARC_ERR_OLD (behind the window) or ARC_ERR_REPLAY (seen) */
enum arc_status arc_replay_check(const struct arc_replay *w, uint64_t index);

/** Record an authenticated index for which check() said ARC_OK. */
void arc_replay_commit(struct arc_replay *w, uint64_t index);
/* ARC_CDEF_END */

/* The same, inline for the way of a packet. */

static inline struct arc_replay_word *
arc_replay_word_of(const struct arc_replay *w, uint64_t index)
{
    return &w->words[(uint32_t)(index / ARC_REPLAY_WORD_BITS) & w->mask];
}

static inline enum arc_status arc_replay_peek(const struct arc_replay *w,
                                              uint64_t index)
{
    const struct arc_replay_word *word;

    if (!w->started || index > w->head)
        return ARC_OK;
    if (w->head - index >= w->window_pkts)
        return ARC_ERR_OLD;
    word = arc_replay_word_of(w, index);
    return word->block == index / ARC_REPLAY_WORD_BITS &&
                   word->seen >> (index % ARC_REPLAY_WORD_BITS) & 1
               ? ARC_ERR_REPLAY : ARC_OK;
}

static inline void arc_replay_note(struct arc_replay *w, uint64_t index)
{
    struct arc_replay_word *word = arc_replay_word_of(w, index);

    if (word->block != index / ARC_REPLAY_WORD_BITS) {
        word->block = index / ARC_REPLAY_WORD_BITS;
        word->seen  = 0;
    }
    word->seen |= UINT64_C(1) << (index % ARC_REPLAY_WORD_BITS);
    if (!w->started || index > w->head)
        w->head = index;
    w->started = true;
}

#endif
