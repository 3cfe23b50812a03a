/**
 * @file rx/voicequeue.c  Sound that is made but not yet heard, and what it is
 */
#include <string.h>

#include "base/units.h"
#include "rx/voicequeue.h"

void arc_voicequeue_init(struct arc_voicequeue *q, int16_t *pcm,
                         int32_t channels, int32_t n_before_max, int32_t room)
{
    memset(q, 0, sizeof(*q));
    q->pcm          = pcm;
    q->channels     = channels;
    q->n_before_max = n_before_max;
    q->room         = room;
}

void arc_voicequeue_clear(struct arc_voicequeue *q)
{
    q->n = q->n_before = q->n_pieces = 0;
}

int16_t *arc_voicequeue_pcm(struct arc_voicequeue *q)
{
    return q->pcm + (size_t)q->n_before * (size_t)q->channels;
}

int16_t *arc_voicequeue_tail(struct arc_voicequeue *q)
{
    return q->pcm + (size_t)(q->n_before + q->n) * (size_t)q->channels;
}

int32_t arc_voicequeue_space(const struct arc_voicequeue *q)
{
    return q->n_before_max + q->room - q->n_before - q->n;
}

bool arc_voicequeue_push(struct arc_voicequeue *q,
                         const struct arc_voicepiece *piece)
{
    if (q->n_pieces == ARC_VOICEQUEUE_PIECES || piece->n <= 0 ||
        piece->n > arc_voicequeue_space(q))
        return false;
    q->pieces[q->n_pieces++] = *piece;
    q->n += piece->n;
    return true;
}

/** Take `x` samples off one piece: inserted ones first, which carry no media and
 *  are as if they had never been. */
static void shrink(struct arc_voicepiece *p, int32_t x, int32_t *removed)
{
    int32_t undone = (int32_t)arc_min_i64(p->inserted, x);

    p->inserted      -= undone;
    p->n             -= x;
    removed[p->kind] += x - undone;
}

void arc_voicequeue_resize(struct arc_voicequeue *q, int32_t n,
                           int32_t *removed)
{
    int32_t less = q->n - n;

    if (less < 0) {
        struct arc_voicepiece *last = &q->pieces[q->n_pieces - 1];

        last->n        -= less;
        last->inserted -= less;
    }
    /* One sample stays in each piece, so that none loses its media time. */
    for (int32_t i = q->n_pieces - 1; i >= 0 && less > 0; i--) {
        int32_t x = (int32_t)arc_min_i64(less, q->pieces[i].n - 1);

        shrink(&q->pieces[i], x, removed);
        less -= x;
    }
    q->n = n;
}

static void drop_first(struct arc_voicequeue *q)
{
    q->n_pieces--;
    memmove(q->pieces, q->pieces + 1,
            (size_t)q->n_pieces * sizeof(q->pieces[0]));
}

void arc_voicequeue_take(struct arc_voicequeue *q, int32_t n,
                         struct arc_voicepiece *out)
{
    struct arc_voicepiece *p = &q->pieces[0];

    *out          = *p;
    out->n        = n;
    out->ticks    = (int32_t)((int64_t)p->ticks * n / p->n);
    out->inserted = (int32_t)((int64_t)p->inserted * n / p->n);
    p->ts        += out->ticks;
    p->ticks     -= out->ticks;
    p->n         -= n;
    p->inserted  -= out->inserted;
    p->bytes      = 0;
    q->n         -= n;
    q->n_before  += n;
    if (p->n == 0)
        drop_first(q);
}

void arc_voicequeue_skip(struct arc_voicequeue *q, int32_t n, int32_t *removed)
{
    int16_t *pcm = arc_voicequeue_pcm(q);

    memmove(pcm, pcm + (size_t)n * (size_t)q->channels,
            (size_t)(q->n - n) * (size_t)q->channels * sizeof(*pcm));
    for (int32_t done = 0; done < n;) {
        struct arc_voicepiece p;

        arc_voicequeue_take(q, (int32_t)arc_min_i64(n - done, q->pieces[0].n), &p);
        removed[p.kind] += p.n - p.inserted;
        done            += p.n;
    }
    q->n_before -= n;
}

void arc_voicequeue_settle(struct arc_voicequeue *q)
{
    int32_t old = q->n_before - q->n_before_max;

    if (old <= 0)
        return;
    q->n_before = q->n_before_max;
    memmove(q->pcm, q->pcm + (size_t)old * (size_t)q->channels,
            (size_t)(q->n_before + q->n) * (size_t)q->channels *
                sizeof(*q->pcm));
}
