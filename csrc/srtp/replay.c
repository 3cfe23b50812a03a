/**
 * @file srtp/replay.c  Anti-replay window of one SRTP or SRTCP source
 */
#include <string.h>

#include "srtp/replay.h"

size_t arc_replay_words(int32_t window_pkts)
{
    size_t words = 1;

    if (window_pkts < ARC_REPLAY_WINDOW_MIN_PKTS ||
        window_pkts > ARC_REPLAY_WINDOW_MAX_PKTS)
        return 0;

    /* A window that does not start on a word touches one word more; with fewer
     * its newest and its oldest indices would meet in one slot. */
    while (words < (size_t)(window_pkts + ARC_REPLAY_WORD_BITS - 1) /
                            ARC_REPLAY_WORD_BITS + 1)
        words *= 2;
    return words;
}

void arc_replay_init(struct arc_replay *w, struct arc_replay_word *words,
                     int32_t window_pkts)
{
    const size_t n = arc_replay_words(window_pkts);

    memset(w, 0, sizeof(*w));
    memset(words, 0, n * sizeof(*words));
    w->words       = words;
    w->mask        = (uint32_t)n - 1;
    w->window_pkts = (uint32_t)window_pkts;
}

enum arc_status arc_replay_check(const struct arc_replay *w, uint64_t index)
{
    return arc_replay_peek(w, index);
}

void arc_replay_commit(struct arc_replay *w, uint64_t index)
{
    arc_replay_note(w, index);
}
