/**
 * @file io/worker_media.c  What others give a worker and fetch from it, and its figures
 */
#include <string.h>

#include "base/chain.h"
#include "io/clock.h"
#include "io/workerstate.h"

static void put_audio(struct arc_worker *w, struct arc_worker_sender *s,
                      const int16_t *pcm, int32_t n_samples, int64_t capture_us)
{
    struct arc_worker_posted item = {NULL, capture_us, n_samples, NULL};
    int32_t i, dropped;

    item.pcm = arc_worker_keep(w, pcm, n_samples * s->channels);
    if (!item.pcm) {
        s->queue.stats.posted++;
        s->queue.stats.dropped++; /* the newest: all room is taken */
        return;
    }
    i = arc_worker_queue_put(&s->queue, &dropped);
    if (dropped >= 0)
        arc_worker_drop_item(&s->items[dropped]);
    s->items[i] = item;
}

enum arc_status arc_worker_post_audio(struct arc_worker *w,
                                      struct arc_sendstream *st,
                                      const int16_t *pcm, int32_t n_samples,
                                      int64_t capture_us)
{
    struct arc_worker_sender *s;

    if (!st || !pcm || n_samples < 1)
        return ARC_ERR_ARG;
    pthread_mutex_lock(&w->queues);
    s = arc_worker_find_sender(w, st);
    if (s && s->channels > 0 && n_samples <= ARC_SESSION_MAX_SAMPLES / 2)
        put_audio(w, s, pcm, n_samples, capture_us);
    else
        s = NULL;
    pthread_mutex_unlock(&w->queues);
    arc_worker_wake(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_worker_post_video(struct arc_worker *w,
                                      struct arc_sendstream *st,
                                      struct arc_vframe *frame,
                                      int64_t capture_us)
{
    struct arc_worker_sender *s;
    int32_t i, dropped;

    if (!st || !frame)
        return ARC_ERR_ARG;
    pthread_mutex_lock(&w->queues);
    s = arc_worker_find_sender(w, st);
    if (s && s->channels == 0) {
        i = arc_worker_queue_put(&s->queue, &dropped);
        if (dropped >= 0)
            arc_worker_drop_item(&s->items[dropped]);
        s->items[i].frame      = arc_vframe_ref(frame);
        s->items[i].capture_us = capture_us;
    } else {
        s = NULL;
    }
    pthread_mutex_unlock(&w->queues);
    arc_worker_wake(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_worker_play(struct arc_worker *w, struct arc_sendstream *st,
                                const int16_t *pcm, int32_t n_samples)
{
    enum arc_status status = ARC_ERR_ARG;

    arc_worker_enter(w);
    if (st && arc_worker_find_sender(w, st))
        status = arc_send_play(st, pcm, n_samples, arc_clock_us());
    arc_worker_leave(w);
    arc_worker_wake(w);
    return status;
}

enum arc_status arc_worker_played(struct arc_worker *w, struct arc_sendstream *st,
                                  bool flush, struct arc_played *out)
{
    struct arc_worker_sender *s;

    if (!st || !out)
        return ARC_ERR_ARG;
    arc_worker_enter(w);
    s = arc_worker_find_sender(w, st);
    if (s && flush)
        arc_send_play_flush(st, out);
    else if (s)
        arc_send_get_played(st, out);
    arc_worker_leave(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

int32_t arc_worker_flush(struct arc_worker *w, struct arc_sendstream *st)
{
    struct arc_worker_sender *s;
    int32_t n = 0;

    pthread_mutex_lock(&w->queues);
    s = st ? arc_worker_find_sender(w, st) : NULL;
    if (s) {
        n = arc_worker_empty_sender(s);
        s->queue.stats.flushed += n;
    }
    pthread_mutex_unlock(&w->queues);
    return n;
}

enum arc_status arc_worker_fetch(struct arc_worker *w,
                                 struct arc_recvstream *st,
                                 struct arc_received *out)
{
    struct arc_worker_receiver *r;
    int32_t i = -1;

    if (!st || !out)
        return ARC_ERR_ARG;
    pthread_mutex_lock(&w->queues);
    r = arc_worker_find_receiver(w, st);
    if (r)
        i = arc_worker_queue_take(&r->queue);
    if (i >= 0) {
        struct arc_worker_fetched *item = &r->items[i];

        memcpy(out, item->head, sizeof(item->head));
        arc_chain_take(item->pcm, out->samples);
        item->frame = NULL;
        item->pcm   = NULL;
    }
    pthread_mutex_unlock(&w->queues);
    return !r ? ARC_ERR_ARG : i >= 0 ? ARC_OK : ARC_AGAIN;
}

int32_t arc_worker_fd(const struct arc_worker *w)
{
    return w->ready;
}

void arc_worker_clear(struct arc_worker *w)
{
    arc_eventfd_clear(w->ready);
}

enum arc_status arc_worker_send_stats(struct arc_worker *w,
                                      struct arc_sendstream *st,
                                      struct arc_send_media_stats *media,
                                      struct arc_worker_queue_stats *queue)
{
    struct arc_worker_sender *s;

    if (!st || !media || !queue)
        return ARC_ERR_ARG;
    arc_worker_enter(w);
    s = arc_worker_find_sender(w, st);
    if (s) {
        arc_send_get_stats(st, media);
        *queue = s->queue.stats;
        queue->depth = s->queue.n;
    }
    arc_worker_leave(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_worker_recv_stats(struct arc_worker *w,
                                      struct arc_recvstream *st,
                                      struct arc_recv_media_stats *media,
                                      struct arc_worker_queue_stats *queue)
{
    struct arc_worker_receiver *r;

    if (!st || !media || !queue)
        return ARC_ERR_ARG;
    arc_worker_enter(w);
    r = arc_worker_find_receiver(w, st);
    if (r) {
        arc_recv_get_stats(st, media);
        *queue = r->queue.stats;
        queue->depth = r->queue.n;
    }
    arc_worker_leave(w);
    return r ? ARC_OK : ARC_ERR_ARG;
}
