/**
 * @file audio/playqueue.c  Sound that is there before its time, handed out in time
 */
#include <stdbool.h>
#include <string.h>

#include "audio/playqueue.h"
#include "base/mem.h"
#include "base/units.h"

struct arc_playqueue {
    int32_t  rate_hz;
    int32_t  channels;
    int32_t  frame;    /* samples                                             */
    int32_t  cap;      /* likewise                                            */
    int32_t  head, n;  /* samples: where the oldest is, and how many          */
    int64_t  due_us;   /* of the next frame                                   */
    bool     started;  /* due_us means something                              */
    int64_t  played;   /* samples since the last flush, without filling       */
    int16_t *pcm;
};

enum arc_status arc_playqueue_new(const struct arc_playqueue_config *cfg,
                                  struct arc_playqueue **out)
{
    struct arc_playqueue *q;

    if (!cfg || !out || cfg->sample_rate_hz < 8000 || cfg->sample_rate_hz > 48000 ||
        cfg->channels < 1 || cfg->channels > 2 || cfg->frame_samples < 1 ||
        cfg->frame_samples > cfg->sample_rate_hz || cfg->max_ms < 1 ||
        cfg->max_ms > ARC_PLAYQUEUE_MAX_MS)
        return ARC_ERR_ARG;
    q = arc_mem_zalloc(1, sizeof(*q));
    if (!q)
        return ARC_ERR_NOMEM;
    q->rate_hz  = cfg->sample_rate_hz;
    q->channels = cfg->channels;
    q->frame    = cfg->frame_samples;
    q->cap      = (int32_t)((int64_t)cfg->sample_rate_hz * cfg->max_ms / 1000);
    q->pcm      = arc_mem_zalloc((size_t)q->cap * (size_t)q->channels, sizeof(*q->pcm));
    if (!q->pcm) {
        arc_playqueue_free(q);
        return ARC_ERR_NOMEM;
    }
    *out = q;
    return ARC_OK;
}

void arc_playqueue_free(struct arc_playqueue *q)
{
    if (!q)
        return;
    arc_mem_free(q->pcm);
    arc_mem_free(q);
}

static int64_t us_of(const struct arc_playqueue *q, int64_t samples)
{
    return samples * ARC_US_PER_S / q->rate_hz;
}

/** Copy out of or into the ring, `at` samples behind its head. */
static void move(const struct arc_playqueue *q, int32_t at, int16_t *out,
                 const int16_t *in, int32_t n)
{
    while (n > 0) {
        int32_t from = (int32_t)(((int64_t)q->head + at) % q->cap);
        int32_t piece = (int32_t)arc_min_i64(n, q->cap - from);
        int16_t *ring = q->pcm + (size_t)from * (size_t)q->channels;
        size_t values = (size_t)piece * (size_t)q->channels;

        if (in) {
            memcpy(ring, in, values * sizeof(*ring));
            in += values;
        } else {
            memcpy(out, ring, values * sizeof(*ring));
            out += values;
        }
        at += piece;
        n  -= piece;
    }
}

enum arc_status arc_playqueue_put(struct arc_playqueue *q, const int16_t *pcm,
                                  int32_t n, int64_t now_us)
{
    if (!q || !pcm || n < 1)
        return ARC_ERR_ARG;
    if (n > q->cap - q->n)
        return ARC_ERR_BUSY;
    if (q->n == 0 && (!q->started || q->due_us < now_us))
        q->due_us = now_us; /* the last frame is over */
    q->started = true;
    move(q, q->n, NULL, pcm, n);
    q->n += n;
    return ARC_OK;
}

enum arc_status arc_playqueue_take(struct arc_playqueue *q, int64_t now_us,
                                   int16_t *pcm, int64_t *at_us)
{
    int32_t n;

    if (q->n == 0 || now_us < q->due_us)
        return ARC_AGAIN;
    if (now_us - q->due_us > ARC_PLAYQUEUE_LATE_US)
        q->due_us = now_us;
    n = (int32_t)arc_min_i64(q->n, q->frame);
    move(q, 0, pcm, NULL, n);
    memset(pcm + (size_t)n * (size_t)q->channels, 0,
           (size_t)(q->frame - n) * (size_t)q->channels * sizeof(*pcm));
    q->head    = (int32_t)(((int64_t)q->head + n) % q->cap);
    q->n      -= n;
    q->played += n;
    *at_us     = q->due_us;
    q->due_us += us_of(q, q->frame);
    return ARC_OK;
}

int64_t arc_playqueue_next_us(const struct arc_playqueue *q)
{
    return q->n > 0 ? q->due_us : ARC_NEVER_US;
}

void arc_playqueue_get(const struct arc_playqueue *q, struct arc_played *out)
{
    out->played_us  = us_of(q, q->played);
    out->waiting_us = us_of(q, q->n);
}

void arc_playqueue_flush(struct arc_playqueue *q, struct arc_played *out)
{
    arc_playqueue_get(q, out);
    q->n      = 0;
    q->played = 0;
}
