/**
 * @file srtp/streams.c  Bounded table of the sources that one key protects
 */
#include <string.h>

#include "base/mem.h"
#include "srtp/streams.h"

/* Fibonacci hashing: 2^32 divided by the golden ratio. */
static uint32_t slot_of(const struct arc_srtp_streams *t, uint32_t ssrc)
{
    return (ssrc * UINT32_C(2654435769)) >> (32 - t->slot_bits);
}

static uint32_t slot_after(const struct arc_srtp_streams *t, uint32_t slot)
{
    return (slot + 1) & ((UINT32_C(1) << t->slot_bits) - 1);
}

enum arc_status arc_srtp_streams_init(struct arc_srtp_streams *t, int32_t max,
                                      int32_t window_pkts)
{
    const size_t n = (size_t)max;

    memset(t, 0, sizeof(*t));
    t->max         = max;
    t->window_pkts = window_pkts;
    t->words_each  = arc_replay_words(window_pkts);
    t->slot_bits   = 1;
    while (n * 2 > (size_t)1 << t->slot_bits) /* never more than half full */
        t->slot_bits++;

    t->list  = arc_mem_zalloc(n, sizeof(*t->list));
    t->slots = arc_mem_zalloc((size_t)1 << t->slot_bits, sizeof(*t->slots));
    if (!t->list || !t->slots)
        return ARC_ERR_NOMEM;
    if (window_pkts == 0)
        return ARC_OK;

    t->words = arc_mem_zalloc(2 * n * t->words_each, sizeof(*t->words));
    return t->words ? ARC_OK : ARC_ERR_NOMEM;
}

void arc_srtp_streams_free(struct arc_srtp_streams *t)
{
    arc_mem_free(t->words);
    arc_mem_free(t->slots);
    arc_mem_free(t->list);
    memset(t, 0, sizeof(*t));
}

struct arc_srtp_stream *
arc_srtp_streams_find(const struct arc_srtp_streams *t, uint32_t ssrc)
{
    uint32_t slot = slot_of(t, ssrc);

    for (; t->slots[slot]; slot = slot_after(t, slot)) {
        struct arc_srtp_stream *stream = &t->list[t->slots[slot] - 1];

        if (stream->ssrc == ssrc)
            return stream;
    }
    return NULL;
}

static void enter(struct arc_srtp_streams *t, int32_t place)
{
    uint32_t slot = slot_of(t, t->list[place].ssrc);

    while (t->slots[slot])
        slot = slot_after(t, slot);
    t->slots[slot] = (uint16_t)(place + 1);
}

struct arc_srtp_stream *arc_srtp_streams_add(struct arc_srtp_streams *t,
                                             uint32_t ssrc)
{
    struct arc_srtp_stream *stream;

    if (t->n == t->max)
        return NULL;

    stream = &t->list[t->n];
    memset(stream, 0, sizeof(*stream));
    stream->ssrc = ssrc;
    arc_index_init(&stream->index);
    if (t->words) {
        struct arc_replay_word *w = &t->words[2 * (size_t)t->n * t->words_each];

        arc_replay_init(&stream->rtp_seen, w, t->window_pkts);
        arc_replay_init(&stream->rtcp_seen, w + t->words_each, t->window_pkts);
    }
    enter(t, t->n);
    t->n++;
    arc_srtp_streams_touch(t, stream);
    return stream;
}

/* The last stream takes the place of the evicted one. The words of its windows
 * belong to a place too, so they are copied along. */
static void move_last_to(struct arc_srtp_streams *t, int32_t place)
{
    const size_t n = 2 * t->words_each;
    struct arc_srtp_stream *to = &t->list[place];
    struct arc_replay_word *w;

    if (place == t->n - 1)
        return;
    *to = t->list[t->n - 1];
    if (!t->words)
        return;
    w = &t->words[(size_t)place * n];
    memcpy(w, &t->words[(size_t)(t->n - 1) * n], n * sizeof(*w));
    to->rtp_seen.words  = w;
    to->rtcp_seen.words = w + t->words_each;
}

void arc_srtp_streams_evict(struct arc_srtp_streams *t)
{
    int32_t oldest = 0;

    for (int32_t i = 1; i < t->n; i++)
        if (t->list[i].last_used < t->list[oldest].last_used)
            oldest = i;
    arc_srtp_streams_remove(t, &t->list[oldest]);
}

void arc_srtp_streams_remove(struct arc_srtp_streams *t,
                             struct arc_srtp_stream *stream)
{
    move_last_to(t, (int32_t)(stream - t->list));
    t->n--;
    memset(t->slots, 0, sizeof(*t->slots) << t->slot_bits);
    for (int32_t i = 0; i < t->n; i++)
        enter(t, i);
}
